// Package rabbitmq has the action "rabbitmq": it publishes messages to an exchange of
// RabbitMQ, or of another broker that speaks AMQP 0-9-1 with publisher confirms.
//
// The host opens a client, which has the address and the credentials, and hands its decoder
// to the rules engine:
//
//	client, err := rabbitmq.Open(rabbitmq.Config{Sink: actions.SinkConfig{Name: "main"}, URL: "amqps://hub:secret@rabbit/things"})
//	...
//	rules.Config{Kinds: rabbitmq.Kinds(client)}
//
// A rule then has JSON, or an [Action] that [Client.Action] returns:
//
//	{"rabbitmq": {"sink": "main", "exchange": "events", "routingKey": "temp.${clientid()}", "headers": [{"key": "topic", "value": "${topic()}"}]}}
//
// Open does not connect: a hub starts while its broker is down. Exchanges, queues and
// bindings are not made either; they are the host's affair.
//
// # What is guaranteed
//
// An event has arrived when RabbitMQ has confirmed its message, which for a persistent
// message in a durable queue means that it is on disk, and for a quorum queue that most of
// its members have it. A message that no queue wants is confirmed too, unless the action
// says Mandatory.
//
// If the connection ends before the confirmation, the message is published again, and may
// be there twice. Both have the same message id, that of the event, by which a consumer can
// tell.
//
// The messages of an MQTT topic are in order: a batch has one message of each topic. With
// Pipelined it may have several; then a message that RabbitMQ refuses for a while may come
// after a later one.
//
// # Batches
//
// A call takes up to 500 events or 1 MiB that wait, publishes them and waits for all
// confirmations together. It has a connection for itself; Config.Connections bounds their
// number. What connects again after an error is the next call.
//
// # What fails for good
//
// A message that RabbitMQ does not take for what it is (PRECONDITION_FAILED), above all one
// larger than its max_message_size. RabbitMQ closes the channel then, without saying which
// message it was: the messages without a confirmation are published again one by one, until
// it is found. Also a routing key or content type of more than 255 bytes, and headers that
// do not fit into a frame (128 KiB by default); and a mandatory message that reaches no
// queue, if the routing key has templates.
//
// Everything else is tried again: no connection, a wrong password, an exchange that is not
// there, what a full queue refuses, a broker that is short of memory or disk space. In that
// last case calls fail at once, without publishing, until it has room again.
package rabbitmq
