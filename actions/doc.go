// Package actions has the contract between rules and what is done with their results,
// and the actions that need nothing external.
//
// # An action of your own
//
// An action is anything with one method:
//
//	type Action interface {
//		Do(ctx context.Context, ev Event) error
//	}
//
// and a plain function is one too, as [Func]:
//
//	actions.Func(func(ctx context.Context, ev actions.Event) error { return page(ev.Payload) })
//
// The [Event] has the outgoing payload, the original [Message] and the rendered
// parameters. The engine calls Do off the publisher's way, in order for each topic, with
// a deadline; it retries errors that are not [Permanent], catches panics, and tells the
// rule's error action when no try is left.
//
// # What is valid for how long
//
// An event, its payload, its message and all their texts, is valid until Do returns. Then
// the memory has the next message; that is why an event costs no allocation. Who keeps
// something copies it:
//
//	later = append(later, ev.Clone())                  // the whole event
//	last[strings.Clone(ev.Message.Topic)] = time.Now() // a text that stays, as a key does
//	go page(string(ev.Payload))                        // a conversion is a copy
//
// Tests with the race detector find what was forgotten: there the memory is overwritten
// as soon as the call is over.
//
// # Abilities
//
// What else an action can do it says by implementing small interfaces, which the engine
// looks for when a rule is put:
//
//   - [Templated]: it has texts with ${...}; they are compiled once and rendered for
//     each event.
//   - [Checker]: its parameters can be wrong.
//   - [Batcher]: it takes several events at once.
//   - [Named]: it has a name in JSON, in metrics and in the reports of failures.
//   - [Hosted]: it needs something of the hub it runs in.
//   - [Retrier]: it has its own mind about retries.
//   - [Sinked]: it writes to a database, a broker or a service, a [Sink], which can be
//     down: then its events wait instead of using up their tries.
//
// Package sinktest tests an action that is Sinked against a far end that misbehaves.
//
// # Built in
//
// [Republish] and [HTTP] have the parameters of the AWS actions of these names;
// [Shadow], [File] and [Log] are this hub's own. [Recorder] is for tests. Each of the
// five has a form in JSON, {"republish": {"topic": "..."}}, which [Decode] reads strictly
// and [Encode] writes; more kinds are given to the engine as [Decoder] values in its
// configuration, there is no global registry. [Object] helps a decoder to be strict.
//
// # Bodies, secrets, texts of devices
//
// What a template brings into a topic, a path or a URL comes from devices. The built-in
// actions check the rendered text: a republish reaches a reserved topic only if its
// author wrote the "$", a file stays below its folder, a URL keeps its host. An action of
// yours should do likewise. Errors are reported and logged, so they should not repeat
// secrets.
//
// # Loops
//
// A rule may feed itself. Every message has a number of hops, which the context of an
// action carries on ([Hops]); the engine drops what has too many.
package actions
