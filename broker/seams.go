package broker

import (
	"context"
	"iter"
)

// EveryGroup, given to a Broker's deliver function, stands for the ordinary
// subscribers and one member of every matching shared group.
const EveryGroup = "#"

// A Broker moves messages between hubs. The default, [NewMemory], knows one hub.
// Matching subscribers and delivering to them is never the implementer's work.
//
// One that stands on a broker with clients of its own is an [Upstream].
//
// All methods are safe for concurrent use. Publish and Subscribe may wait; a
// server with a Broker other than the default drives its connections by
// goroutines, so that only the connection that asked waits.
type Broker interface {
	// Publish brings m to every hub that subscribed to a matching filter, this one
	// included. m is valid until Publish returns. Before Run has begun it waits, so
	// that nothing published by a hub that is starting gets lost.
	Publish(ctx context.Context, m *Message) error
	// Subscribe says that this hub wants what matches filter: once per filter, not
	// once per client. group is the share name, empty for ordinary subscriptions.
	// When it returns, matching messages published from then on arrive. After an error
	// it counts as not subscribed.
	//
	// Subscribe and Unsubscribe are called one at a time for a filter and group, many
	// at once for different ones.
	Subscribe(ctx context.Context, filter, group string) error
	// Unsubscribe ends a Subscribe. It was ended whatever error is returned.
	Unsubscribe(ctx context.Context, filter, group string) error
	// Run hands arriving messages to deliver until ctx ends. group is empty for
	// the ordinary subscribers, a share name for one member of that group, or
	// EveryGroup for both.
	Run(ctx context.Context, deliver func(group string, m *Message)) error
}

// A Router is where the server hands every accepted message: publishes, wills and
// its own. It usually ends in [Server.Publish].
//
// An error is what the publisher is told: with MQTT 5 its reason code goes into PUBACK
// or PUBREC (see [ReasonOf]). With 3.1.1, which has no such answer, the message counts
// as taken if the error is a refusal on purpose (NotAuthorized, TopicNameInvalid,
// QuotaExceeded, PayloadFormatInvalid) or if it was delivered all the same (see
// [ErrNotRetained]); otherwise the connection ends, so that the client sends the
// message again. m is valid until Route returns. Safe for concurrent use.
type Router interface {
	Route(ctx context.Context, m *Message) error
}

// A RetainedStore keeps the retained message of each topic. All methods are safe
// for concurrent use.
type RetainedStore interface {
	// Put replaces the retained message of m.Topic. m is the store's to keep; it
	// must not be modified. ErrRetainedFull when a bound is reached.
	//
	// When Put or Delete fails, the message is delivered to the subscribers all the
	// same. MQTT 5 publishers are told the error's reason code; one that then publishes
	// the message again has it delivered again, also with QoS 2. For 3.1.1 publishers
	// it is a success; the failure is counted (Metrics.RefusedPublishes) and logged at
	// debug level.
	Put(ctx context.Context, m *Message) error
	// Delete removes the retained message of topic; there may be none.
	Delete(ctx context.Context, topic string) error
	// Match yields the retained messages whose topics match filter. The messages
	// must not be modified. One that expired may be yielded or not; removing it is
	// the store's affair. The reader may take its time between two messages, as a
	// slow client does, and may use the store meanwhile: no lock may be held then.
	//
	// A store that looks for long without finding anything should yield nil, nil
	// now and then, which means nothing but lets the reader do something else.
	Match(ctx context.Context, filter string) iter.Seq2[*Message, error]
}

// SortedRetained is an optional ability of a [RetainedStore]: to yield messages in the
// order of their topics. Without it [Server.RetainedAfter] looks at all messages to
// find the next few.
type SortedRetained interface {
	// After yields the retained messages whose topics come after the given one, in
	// ascending order of their bytes; "" comes before all. A message that is there
	// throughout is yielded once, whatever else changes. For the rest what is said of
	// Match holds.
	After(ctx context.Context, topic string) iter.Seq2[*Message, error]
}
