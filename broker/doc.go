// Package broker is the device gateway of a hub: an MQTT 3.1.1 and 5.0 server over
// TCP, TLS, WebSocket and in-process pipes, and the publish/subscribe core behind it.
//
// Most programs use it through package thinghub, which joins it with shadows, rules
// and the registry. On its own it is a complete MQTT broker:
//
//	srv, err := broker.NewServer(broker.Config{Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}})
//	go srv.Run(ctx)      // timers, $SYS topics
//	go srv.Serve(ln)     // any net.Listener, several at once
//	defer srv.Close()
//
// # The way of a message
//
// A driver (an event loop for plain TCP on Linux, a goroutine otherwise) feeds what
// it read to the connection's protocol machine, which does no I/O. The machine
// decodes PUBLISH in place, checks state and limits, asks the authorizer, and hands
// the message to the [Router]. The router ends in [Server.Publish], which keeps
// retained messages and calls the [Broker]; its deliver brings the message to the
// local subscribers: encoded once per variant, it is appended to their outboxes,
// and the driver flushes every touched outbox once at the end of its batch. A QoS 0
// message allocates nothing on its way.
//
// # Sessions, queues, limits
//
// Everything a client can make the server keep is bounded, and every bound is a
// field of [Config] with its default. A client that does not read gets its QoS 0
// messages dropped at MaxOutboxBytes and its QoS 1 and 2 messages queued up to
// MaxQueuedMessages and MaxQueuedBytes; what happens then is Config.Overflow. What
// is dropped is counted by reason ([Metrics]) and reported to hooks. Nobody else
// waits: writing to one client's socket never holds up another client.
//
// A message that matches several subscriptions of a client is sent once, at the
// highest granted QoS, with all subscription identifiers. Messages for a shared
// group go to members in turn, to one that can take them at once if there is one. A
// member that may not receive a message passes it on, unless the authorizer is one that
// may wait: then it is dropped.
//
// # Other hubs, other brokers
//
// A [Broker] joins the servers of several hubs; one that is an [Upstream] stands on a broker
// with clients of its own, whose messages enter through an [Intake] and are routed like those of
// the server's clients: package broker/upstream.
//
// # Differences between the versions
//
// 3.1.1 clients get no reasons: a publish they may not make is acknowledged and
// dropped (or, with Config.CloseOnDenied, ends the connection), a filter they may
// not have is answered with 0x80, and the server closes without a word where it
// would send an MQTT 5 client DISCONNECT.
package broker
