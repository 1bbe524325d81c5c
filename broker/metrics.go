package broker

import "sync/atomic"

// DropReason says why a message did not reach a client it was meant for.
type DropReason uint8

// The drop reasons.
const (
	DropOutboxFull    DropReason = iota // QoS 0, and the client does not read fast enough
	DropQueueFull                       // QoS 1 or 2, and the session's queue is at a bound
	DropExpired                         // the Message Expiry Interval passed
	DropTooLarge                        // above the client's Maximum Packet Size
	DropDenied                          // the authorizer refused Receive
	DropSessionEnded                    // the session, or for QoS 0 its connection, ended with the message still queued
	DropHostQueueFull                   // a Subscribe handler of the host is too slow
	dropReasons
)

var dropNames = [dropReasons]string{"outbox_full", "queue_full", "expired", "too_large", "denied", "session_ended", "host_queue_full"}

// String returns the name of the reason as used in metrics, such as "queue_full".
func (r DropReason) String() string {
	if r < dropReasons {
		return dropNames[r]
	}
	return "unknown"
}

// Metrics is a snapshot of a server's counters. Counters start at 0 with the
// server and only grow; gauges are named so.
type Metrics struct {
	// Gauges.
	Connections      int64 `json:"connections"`
	Sessions         int64 `json:"sessions"` // connected or not
	Subscriptions    int64 `json:"subscriptions"`
	Filters          int64 `json:"filters"`           // distinct subscribed filters
	RetainedMessages int64 `json:"retained_messages"` // -1 when the store cannot tell
	InFlight         int64 `json:"in_flight"`         // outgoing QoS 1 and 2 messages not acknowledged
	Queued           int64 `json:"queued"`            // messages waiting in sessions

	ConnectionsOpened uint64 `json:"connections_opened"`
	ConnectsAccepted  uint64 `json:"connects_accepted"`
	TakeOvers         uint64 `json:"take_overs"`
	BytesReceived     uint64 `json:"bytes_received"`
	BytesSent         uint64 `json:"bytes_sent"`
	PacketsReceived   uint64 `json:"packets_received"`

	// Received counts accepted PUBLISH packets, Delivered the messages sent or
	// queued to clients (one per receiving client), both by QoS of that leg.
	Received  [3]uint64 `json:"received"`
	Delivered [3]uint64 `json:"delivered"`
	// Acknowledged counts QoS 1 and 2 deliveries that clients completed.
	Acknowledged uint64 `json:"acknowledged"`

	// Dropped counts messages that did not reach a client, by [DropReason] name.
	Dropped map[string]uint64 `json:"dropped"`
	// Refused counts refusals by reason code: CONNECTs, publishes and filters.
	// Disconnects counts the ends of connections by the reason code of their cause.
	RefusedConnects   map[ReasonCode]uint64 `json:"refused_connects"`
	RefusedPublishes  map[ReasonCode]uint64 `json:"refused_publishes"`
	RefusedSubscribes map[ReasonCode]uint64 `json:"refused_subscribes"`
	Disconnects       map[ReasonCode]uint64 `json:"disconnects"`
}

// counters is the live form of Metrics. What happens per message is first counted
// in the read batch and added here once per batch.
type counters struct {
	connections, subscriptions, inFlight, queued            atomic.Int64
	opened, accepted, takeOvers, bytesIn, bytesOut, packets atomic.Uint64
	received, delivered                                     [3]atomic.Uint64
	acknowledged                                            atomic.Uint64
	dropped                                                 [dropReasons]atomic.Uint64
	refusedConnect, refusedPublish, refusedSub, disconnects [256]atomic.Uint64
}

func byReason(c *[256]atomic.Uint64) map[ReasonCode]uint64 {
	out := map[ReasonCode]uint64{}
	for i := range c {
		if n := c[i].Load(); n > 0 {
			out[ReasonCode(i)] = n
		}
	}
	return out
}

// Metrics returns the counters as they stand. It does not stop the server; figures
// that belong together may be an instant apart.
func (s *Server) Metrics() Metrics {
	c := &s.count
	m := Metrics{
		Connections: c.connections.Load(), Sessions: int64(s.sessions.len()), Subscriptions: c.subscriptions.Load(),
		Filters: int64(s.tree.Len()), RetainedMessages: -1, InFlight: c.inFlight.Load(), Queued: c.queued.Load(),
		ConnectionsOpened: c.opened.Load(), ConnectsAccepted: c.accepted.Load(), TakeOvers: c.takeOvers.Load(),
		BytesReceived: c.bytesIn.Load(), BytesSent: c.bytesOut.Load(), PacketsReceived: c.packets.Load(),
		Acknowledged: c.acknowledged.Load(), Dropped: map[string]uint64{},
		RefusedConnects: byReason(&c.refusedConnect), RefusedPublishes: byReason(&c.refusedPublish),
		RefusedSubscribes: byReason(&c.refusedSub), Disconnects: byReason(&c.disconnects),
	}
	if r, ok := s.cfg.Retained.(interface{ Len() int }); ok {
		m.RetainedMessages = int64(r.Len())
	}
	for q := range 3 {
		m.Received[q], m.Delivered[q] = c.received[q].Load(), c.delivered[q].Load()
	}
	for r := range dropReasons {
		m.Dropped[r.String()] = c.dropped[r].Load()
	}
	return m
}
