// Package kafka has the action "kafka" of AWS rules: it writes records to topics of a Kafka
// cluster.
//
// The host opens a client, which has the addresses and the credentials, and hands its
// decoder to the rules engine:
//
//	client, err := kafka.Open(kafka.Config{
//		Sink:    actions.SinkConfig{Name: "main"},
//		Brokers: []string{"kafka-1:9093", "kafka-2:9093"},
//		Options: []kgo.Opt{kgo.DialTLSConfig(config), kgo.SASL(scram.Auth{User: user, Pass: secret}.AsSha512Mechanism())},
//	})
//	...
//	rules.Config{Kinds: kafka.Kinds(client)}
//
// A rule then has the parameters that AWS documents, or an [Action] that [Client.Action]
// returns:
//
//	{"kafka": {"sink": "main", "topic": "events", "key": "${clientid()}", "headers": [{"key": "topic", "value": "${topic()}"}]}}
//
// Open does not connect: a hub starts while its cluster is down.
//
// # What is written
//
// The value of a record is the outgoing payload, its timestamp when the hub took the
// message, from which Kafka counts how long it is kept. Its partition is the one that the action names, or that of its key, which is the
// same as Java's clients choose, or without a key one that depends on the MQTT topic.
//
// # Order
//
// The messages of an MQTT topic stay in order as long as they go to one partition: if the
// action names neither a key nor a partition, or texts that are the same for all of them.
// Messages of different MQTT topics have no order, not even with the same key.
//
// # Duplicates
//
// The producer is idempotent, so what the library sends again is there once. It sends
// again until it knows the result, also when the call that waits for it ends before: then
// the next try of the event takes that result and sends nothing. So nothing is written
// twice as long as the client lives. What was under way when it is closed, or when its
// process ends, may be written and still come again in the next one.
//
// This needs all acknowledgements, which is the default. With "acks" 1 a retry may write a
// record again; with 0 nobody knows whether a record was written at all, and what the
// cluster does not take is lost.
//
// # Batches
//
// A call takes up to 1000 events or 512 KiB that wait, of all MQTT topics, and its records
// go to the cluster together. Records that Kafka refuses for what is in them -
// MESSAGE_TOO_LARGE, INVALID_RECORD, INVALID_TIMESTAMP - make it refuse the others of their
// batch too: they are found by halves, in order, while no other call is made.
// A topic whose max.message.bytes is below the size of a batch has to be named to the
// client (kgo.ProducerBatchMaxBytesFn), or each of its batches is divided in that way.
//
// # What fails for good
//
// A record that is refused for what is in it; one larger than kgo.ProducerBatchMaxBytes (1
// MB); a topic's name that Kafka does not allow, a partition that the topic does not have.
// A topic that does not exist, or that the client must not write to, fails for good if the
// action's topic has templates, so that no device holds up the others; otherwise it is
// tried again, because somebody will make it. Everything else is tried again.
//
// # Limits
//
// One client does 64 calls at once and holds 65536 records at most. Transactions are not
// supported.
package kafka
