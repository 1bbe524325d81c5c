// Package nats publishes what rules make to NATS: to subscribers, or with JetStream to a
// stream that stores it.
//
// A host opens a client for each NATS system, whose servers need not be there yet, and
// gives rules written as JSON the means to name it:
//
//	bus, err := nats.Open(nats.Config{
//		Sink:    actions.SinkConfig{Name: "main"},
//		Servers: []string{"nats://10.0.0.7:4222", "nats://10.0.0.8:4222"},
//		Options: []natsgo.Option{natsgo.UserCredentials("/etc/hub/nats.creds")},
//	})
//	hub, err := thinghub.New(thinghub.Config{RuleConfig: rules.Config{Kinds: nats.Kinds(bus)}})
//
// A rule then has
//
//	{"nats": {"sink": "main", "subject": "dt.${clientid()}", "jetStream": true, "stream": "READINGS",
//		"headers": [{"key": "Room", "value": "${topic(2)}"}]}}
//
// and a rule in Go the action that [Client.Action] returns. "sink" may be absent if there
// is one client only.
//
// # Subjects and headers
//
// The subject and the values of headers may have templates. What these bring in comes from
// devices, so an event fails whose subject has an empty token, a wildcard, a space or a
// control character, or begins with "$" where the author of the rule did not write it.
// Subjects of the server itself ($JS, $SYS, _INBOX) are refused always: a device must not
// delete a stream. A dot that a template brings in makes tokens; replace() changes it.
// Headers that begin with Nats- are NATS' own; a rule may set Nats-Msg-Id and Nats-TTL.
//
// # Guarantees
//
// Without JetStream an event is done when the server has it: a batch, up to 256 events or
// 1 MiB of payloads of all topics of a lane, is published in order on one connection and
// confirmed by one PING. If the connection breaks before that, all of it is published
// again, so subscribers may get messages twice. Who does not listen at that moment never
// gets them, as always with NATS.
//
// With jetStream an event is done when the stream has acknowledged it. The message has the
// id of the event as Nats-Msg-Id, so a stream drops what it has already, for as long as its
// duplicate window says (2 minutes, if nothing else is set): an outage that is longer than
// that may leave a message twice whose acknowledgement was lost when it began. A batch is
// published at once, and then all acknowledgements are waited for. A stream can refuse one
// message in passing and take the next, so a batch has one event of each topic: order holds
// for each topic, and topics do not wait for each other. A single topic has one message
// under way at a time.
//
// With atomic a batch has as many events of a topic as wait, and the stream stores all of
// it or nothing, in the order of the lane. It needs a stream with allow_atomic, of a server
// from 2.12 on, and pays where few topics have most of the messages and the server is far;
// a stream in files writes each such message through, which costs it more than
// acknowledgements do. What the stream refuses for good is found by publishing the events
// of that batch one by one; a server or a stream that knows no such batches gets all of
// them so.
//
// Nothing is kept back in nats.go: its reconnect buffer is off, so what is published
// during an outage fails at once and waits in the rule's queue. A batch whose connection
// was replaced meanwhile counts as lost. The client reconnects for ever, also after its
// login was refused.
//
// # Errors
//
// For good are: messages that are too large for the server or the stream, texts that are
// no subject or header, and what JetStream answers with a status of 4xx. That nobody takes
// the subject, another stream does, or that the user may not publish there, is for good if
// the event chose the subject, because another event's may be right; if the rule says it, an
// administrator can mend it, and the events wait. (The server tells of permissions beside
// its answers; the client sees to it that such a message does not count as published.)
// Everything else passes: a stream that is full and refuses new messages, no leader, no
// resources, timeouts, connections.
package nats
