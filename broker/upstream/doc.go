// Package upstream makes a hub that stands on somebody else's MQTT 5 broker: Mosquitto,
// EMQX, HiveMQ. Devices stay where they are; registry, shadows, rules and actions come on
// top:
//
//	up, err := upstream.New(upstream.Config{URL: "mqtt://127.0.0.1:1883", Username: "hub", Password: secret})
//	hub, err := thinghub.New(thinghub.Config{Broker: up})
//
// The hub connects as one client. What devices publish there is routed as if they were the
// hub's own clients: a request on $aws/things/THING/shadow/update changes the shadow and is
// answered there, rules fire, and clients of the hub, if it listens too, hear it. What the
// hub and its clients publish goes to the upstream.
//
// # What is routed
//
// [Config.Filters], by default everything. What the hub's own clients subscribe to besides
// is subscribed to for them, and passed to them without being routed.
//
// Each message is routed once. The hub never subscribes to two filters that one topic
// matches, since brokers differ in what they send then: where filters that clients want
// overlap, one that covers both takes their place. (In the moment in which it does, a
// message may come twice.) A wide one, such as "+/#" for "dt/#" and "+/temp", brings more
// than was asked for; that costs traffic, and reaches nobody.
//
// Own messages do not come back: No Local is set, and in a fleet, whose shared
// subscriptions cannot have it, hubs know each other's messages by a user property
// ([HubProperty]).
//
// # Who published
//
// MQTT does not say who published a message. [Config.Identify] may know, from the topic or
// from a user property; otherwise the client id is empty, and so is the principal. The
// hub's Authorizer is not asked: who may publish what, and read it, is for the upstream's
// own access control. It should keep devices from topics that only the hub speaks on
// ($aws/things/+/shadow/+/accepted and the like). The hub does not work or pass on what
// they publish there, but other clients of the upstream hear it. A will looks like any
// other message. The registry's connection events and presence are of the hub's own
// clients. Provisioning is refused, since its answers are for one client alone and the
// upstream has no way to address one.
//
// # Order, acknowledgements, duplicates
//
// What devices publish is acknowledged when it was routed, and not before. Messages of one
// thing, or with the same first two levels of the topic, are routed in their order, others
// at the same time ([Config.Lanes]). A message that the hub cannot take now is tried for
// some seconds, in which the upstream is held up, and then counted as failed; one that it
// refuses is counted as refused. QoS 0 is dropped when Config.MaxQueued wait.
//
// While the connection is broken the upstream keeps QoS 1 and 2 for the hub only if
// Config.SessionExpiry is set; otherwise they pass by. What was routed and not acknowledged
// when the connection broke comes again with such a session, and is not routed again. When
// the hub itself starts anew, it is.
//
// A message of the hub's with QoS 1 or 2 is acknowledged to its publisher when the upstream
// has acknowledged it. When the connection breaks in between, it is sent again, and so may
// be there twice, also with QoS 2.
//
// # When the upstream is down
//
// The hub starts, and works, without it. Messages with QoS 0 reach the hub's own clients;
// those with QoS 1 and 2 wait for Config.Wait, Config.MaxWaiting of them at most, and then
// fail: MQTT 5 clients are told so (0x80), others are disconnected, so that they send them
// again. Subscriptions are noted, and made with the connection. [Broker.Health] says how it
// is.
//
// # Retained messages
//
// New ones are routed with their flag, and so kept by the hub as well. Those that the
// upstream had before are fetched when the hub connects: see [Retained]. What is deleted
// while the hub is away stays in the hub's store. Identifiers of subscriptions are needed
// for this; with an upstream that has none, old retained messages are not fetched.
//
// # Fleets
//
// Several hubs may stand on one upstream ([Config.Fleet]). It chooses one of them to route
// each message, by a shared subscription, and whatever a hub's clients subscribed to comes
// to that hub besides. Shared subscriptions of clients are the upstream's, so that they may
// have members on several hubs and on the upstream itself; two of one group whose filters
// overlap are not kept apart. Stores must be shared by other means. The order of messages
// is that within one hub. A device that knows [HubProperty] can keep its messages from being
// routed.
//
// # Limits
//
// What the hub does not take in as fast as it comes waits at the upstream, which has bounds
// of its own: Mosquitto drops what exceeds max_queued_messages, 1000 by default, of which
// nobody is told. The upstream must speak MQTT 5. Each hub needs a client id of its own. Topics below $SYS
// are not exchanged. A message that is larger than the upstream takes is refused
// (QuotaExceeded). Where the upstream has a lower maximum QoS, or no retained messages,
// those are left out.
//
// Tested against Mosquitto 2.0.11, also killed and started again, and package broker.
package upstream
