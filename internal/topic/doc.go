// Package topic is what the hub knows about MQTT topics: which names and
// filters are valid, which filter matches which name, how a shared
// subscription is written, and the two indexes everything else is built on.
//
// A name is what a message is published to; it has no wildcards. A filter is
// what somebody subscribes to; its levels may be "+" (any one level) and, as
// the last one, "#" (this level and everything below it).
//
// [Tree] goes from a name to the values of all filters that match it:
// subscriptions, rules. [Names] goes the other way, from a filter to the
// values of all names it matches: retained messages.
//
// # Cost
//
// Nothing on the way of a message allocates or takes a lock. Filters without
// wildcards are one lookup in a hash table, however many there are. Filters
// with wildcards live in a trie whose edges are all in one hash table, so that
// a level with 100,000 children costs what a level with two costs. A match
// visits each trie node at most once and needs no stack: it finds its way back
// through parent pointers, so a name of 65,535 slashes is slow for nobody.
//
// Hashes are seeded once per process; a client cannot prepare names that
// collide.
//
// # Concurrency
//
// Readers see every change as one atomic step per value: a value that is
// there for the whole of a Match is yielded exactly once, one that comes or
// goes meanwhile is yielded once or not at all. Callbacks run without a lock,
// so they may change the index they are called from.
//
// # Validation
//
// [Tree] and [Names] do not validate. Check what clients send with
// [CheckName], [CheckFilter] or [ParseShared] first. Text that is not valid
// harms nothing: a misplaced wildcard is compared as plain text, here as in
// [Match].
package topic
