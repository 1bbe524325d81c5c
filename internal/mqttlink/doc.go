// Package mqttlink keeps a connection to somebody else's MQTT 5 broker, for the bridge
// (actions/mqtt) and the hub that stands on a broker (broker/upstream). It stands on
// autopaho, which connects and connects again; what the two need beyond that is here:
//
//   - What comes in with QoS 1 and 2 is acknowledged when it was handled, not when it was
//     read, and in the order in which it came. What was handled before a connection broke
//     and comes again in the same session is acknowledged without being handled again.
//   - The reader never waits for a handler, so that a handler may publish and wait for the
//     acknowledgement. Messages are handled by lanes: those of one key in order, others at
//     the same time. What waits is bounded: QoS 1 and 2 by Receive Maximum, QoS 0 by
//     Config.Queue; more of it is dropped and counted.
//   - Several publishes can be under way at once, in order and within the broker's Receive
//     Maximum, and each learns its reason code. There is no queue for what is published:
//     it fails while there is no connection.
//   - Writes have a deadline. A packet that is larger than the broker takes is refused
//     here, since sending it would end the connection.
package mqttlink
