// Package shadow keeps device shadows: for each thing a classic and any number of
// named JSON documents with a desired and a reported side, as AWS IoT Core defines
// them, down to the texts of its errors.
//
// Most programs use it through package thinghub, which joins it with the gateway
// and the HTTP API. On its own:
//
//	svc, err := shadow.New(shadow.Config{})
//	k := shadow.Key{Thing: "pump-1"}
//	accepted, err := svc.Update(ctx, k, []byte(`{"state":{"desired":{"on":true}}}`), shadow.Requester{})
//	view, err := svc.Get(ctx, k, shadow.Requester{})
//
// # Service and Store
//
// [Service] is the behaviour: it merges requests into documents, counts versions,
// keeps the time of every value, computes what desired has and reported lacks, and
// answers. A [Store] only keeps documents; [NewMemory] is the default, and package
// shadowtest checks others. What the service has to say goes to a [Publisher], which
// package thinghub makes the way into the hub.
//
// # Requests
//
// A request is {"state": {"desired": …, "reported": …}, "clientToken": …, "version":
// …}. Objects merge key by key, null removes, arrays and scalars are replaced whole.
// version, when given, must be the current one. Every accepted update makes the
// version one higher, also when nothing changed; a deleted shadow's version goes on
// for Config.DeleteMemory. clientToken comes back in every answer; the service never
// makes one up.
//
// Over MQTT a request is a message on one of
//
//	$aws/things/{thing}/shadow/{get,update,delete}
//	$aws/things/{thing}/shadow/name/{shadow}/{get,update,delete}
//
// which [Service.Handle] works; [Classify] tells such topics from those of answers.
// An update is answered on …/update/delta (if desired and reported differ after it),
// …/update/accepted and …/update/documents, in this order, because old device SDKs
// drop a delta whose version they have seen already. What fails is answered on
// …/rejected. [Service.Update] and [Service.Delete] publish the same messages when
// they succeed, and return an [Error] and publish nothing when they fail.
//
// # Watching
//
// [Service.Watch] yields the changes of one, some or all shadows, with the document
// before and after, the delta and who made it, for as long as a loop ranges over it:
//
//	for c, err := range svc.Watch(ctx, shadow.Filter{Thing: "pump-*", Delta: true}) { … }
//
// A watch begins with now, with every shadow as it is ([Filter].Current), or after a
// change of one shadow that was seen before (After). Each change comes once and in
// order; a loop that is slower than the changes sees them joined by shadow, and marked. An update
// nobody watches costs one look at a counter. [Typed.Watch] does the same for Go types.
//
// # History
//
// With Config.History the service keeps the last versions of each shadow with who made
// them, deletions too: [Service.History], [Service.At] and [Service.AtTime] read them,
// [Diff] tells two of them apart, and a watch that goes on replays them. Nothing is kept
// by default. The store must be a [Historian], as Memory is.
//
// # Who may change what
//
// [Service.UpdateIf] updates if a [Condition] over the document holds, in one step. Hooks
// are asked before every change ([HookUpdating], [HookDeleting]), [Restrict] being one that
// says who may write which side, and a [Validator] sees what would be stored.
// Config.Require says which things may have shadows.
//
// # JSON
//
// Documents are kept as text and changed without decoding them into Go values:
// numbers keep their digits (26.500000 stays, 9007199254740993 is exact), keys may
// hold any character, and order is kept. White space is dropped, and text is written
// in one way only: what needs no escape has none, so that "a" and "\u0061" are the
// same key and the same value. Values are compared by value for the delta: 1, 1.0
// and 1e0 are equal, at any magnitude.
//
// A request with duplicate keys is refused as Invalid JSON, text that is not UTF-8
// with code 415. Work and memory are linear in the size of request and document,
// whatever is in them, and nesting is bounded before anything recurses.
//
// # Concurrency
//
// A Service may be used by many goroutines. Updates of one shadow happen one after
// the other, their versions have no gaps, and their messages are published in the
// order of versions: each update publishes under its shadow's lock. So neither a
// [Publisher] nor a hook may wait for the service. Several services may share a
// store: who comes second to a version works its request again on the newer
// document. The service has no goroutines; [Service.Close] ends its watches.
package shadow
