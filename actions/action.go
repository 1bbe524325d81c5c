package actions

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Action does something with the result of a rule. Do is called by many goroutines
// at once, but for messages of one topic by one after the other, in their order. It is
// called off the publisher's way: it may wait, within the deadline of ctx.
//
// Both ctx and ev are the call's: ctx ends when Do returns, and ev is overwritten then
// (see [Event]).
//
// An error is retried unless it is [Permanent]; when no try is left the message goes to
// the rule's error action. A panic counts as a permanent error, and so does
// runtime.Goexit.
//
// An action may have abilities; the engine looks which of these it implements when a
// rule is put: [Batcher], [Checker], [Hosted], [Named], [Retrier], [Sinked], [Templated].
type Action interface {
	Do(ctx context.Context, ev Event) error
}

// Func is an Action that calls a function, as http.HandlerFunc is a Handler.
type Func func(ctx context.Context, ev Event) error

// Do calls f.
func (f Func) Do(ctx context.Context, ev Event) error { return f(ctx, ev) }

// Kind is "function". A function has no form in JSON: a rule that has one lives in the
// process that put it.
func (f Func) Kind() string { return "function" }

// Resource is empty.
func (f Func) Resource(Event) string { return "" }

// An Event is one message that passed a rule, as its actions get it. It is read-only,
// because the other actions of the rule get the same.
//
// An event is valid until Do, or DoBatch, returns. All of it, the texts of the message
// too, lies in memory that then has the next message. Who keeps an event, or a part of
// it, or hands it to a goroutine that may outlive the call, does so with [Event.Clone].
// Converting the payload, as string(ev.Payload) does, copies it. The memory is overwritten
// at once when the race detector is on, so that a test shows what was forgotten.
type Event struct {
	// Rule is the name of the rule.
	Rule string
	// Action is the place of the action among those of the rule, from 0; it is
	// [ErrorAction] for the error action.
	Action int
	// Payload is what the rule's statement made of the message. An error action gets
	// the report of the failures.
	Payload []byte
	// Message is the original message.
	Message *Message
	// Params are the rendered texts of [Templated], in their order.
	Params []string
	// Attempt counts the tries, from 1.
	Attempt int
}

// ErrorAction is what Event.Action is for a rule's error action.
const ErrorAction = -1

// Clone returns a copy that shares no memory with ev and may be kept.
func (ev Event) Clone() Event {
	if m := ev.Message; m != nil {
		ev.Message = m.Clone()
		if p := ev.Payload; len(p) > 0 && len(p) <= len(m.Payload) && &p[0] == &m.Payload[0] {
			// Nothing was made of the message, and so the copies are one too.
			ev.Payload = ev.Message.Payload[:len(p):len(p)]
		} else {
			ev.Payload = bytes.Clone(p)
		}
	} else {
		ev.Payload = bytes.Clone(ev.Payload)
	}
	ev.Params = slices.Clone(ev.Params)
	for i, text := range ev.Params {
		ev.Params[i] = strings.Clone(text)
	}
	return ev
}

// ID tells an event from all others and stays the same over retries, so that a sink can
// drop what it has already: trace id, rule and place of the action.
func (ev Event) ID() string {
	b := append(ev.Message.TraceID.AppendTo(make([]byte, 0, 64)), '/')
	b = append(append(b, ev.Rule...), '/')
	return string(strconv.AppendInt(b, int64(ev.Action), 10))
}

// A Batcher is an action that can take several events at once.
type Batcher interface {
	Action
	// Batch says how events are put together. It is asked once, when a rule is put; a
	// Batch of fewer than two events turns batching off.
	Batch() Batch
	// DoBatch is Do for several events, which are valid until it returns, as is the
	// slice. The errors match them one by one; nil means that all is well. What cannot
	// be retried or has no try left fails by itself, the rest comes again.
	DoBatch(ctx context.Context, evs []Event) []error
}

// A Batch says how events are put together.
type Batch struct {
	// Events is how many go together at most.
	Events int
	// Bytes bounds the payloads of a batch of more than one together; 0 does not.
	Bytes int
	// Open is how long the first event waits for others. 0: it takes those along that
	// wait already.
	Open time.Duration
	// AcrossTopics says that a batch may hold messages of several topics. All topics of a
	// rule are in one lane then, unless Parallel is set.
	AcrossTopics bool
	// Parallel lets each of the rule's lanes make its own batches of the topics that it
	// has, if AcrossTopics is set: smaller batches, several at once.
	Parallel bool
	// Key, if it is set, keeps events with different keys apart: a batch has one key.
	Key func(ev Event) string
	// Distinct, if it is set, keeps events with the same key apart: a batch has each key
	// once. For a far end that may take one event of a batch and refuse an earlier one:
	// that comes again, and must not come after a later one of its key.
	Distinct func(ev Event) string
}

// A Templated action has texts with substitution templates, ${...}. They are compiled
// when the rule is put and rendered for each event before Do.
type Templated interface {
	// Params are always the same, in the same order.
	Params() []Param
}

// A Param is a text with substitution templates.
type Param struct {
	// Name is what errors call it: the path of the member in the action's JSON, such as
	// "headers.contentType".
	Name string
	Text string
	// JSON asks for the value as JSON text instead of plain text, for actions that bind
	// it: the text "a" becomes "\"a\"", and what is Undefined "null".
	JSON bool
	// Optional lets the result be empty or Undefined. Otherwise that fails the action.
	Optional bool
}

// A Checker is an action whose parameters can be wrong. Check is called when a rule is
// put; the error, a [FieldError] at best, refuses the rule.
type Checker interface {
	Check() error
}

// A Hosted action needs something of the hub that it runs in. A hub calls On when a rule
// is put and from then on uses what it returns, which may be a [Batcher] or [Retrier];
// the rule keeps the action that it was put with. Do of an action without a host fails
// with [ErrNoHost].
type Hosted interface {
	Action
	// On returns the action on a host. An error refuses the rule.
	On(h Host) (Action, error)
}

// A Named action has a name in rules that are written as JSON, in metrics and in the
// reports of failures.
type Named interface {
	// Kind is the key in JSON, such as "republish". A report calls a failed action
	// RepublishAction.
	Kind() string
	// Resource is what a report of a failure calls the resource: a topic, a table, a
	// URL. ev.Params may be empty texts if they could not be rendered.
	Resource(ev Event) string
}

// A Retrier has its own mind about retries. What is 0 is as the rule has it.
type Retrier interface {
	Retry() Retry
}

// A Retry says how an action is tried again.
type Retry struct {
	// Tries is how often in all.
	Tries int
	// Backoff is how long to wait before the second try; each further wait is twice as
	// long, up to MaxBackoff, and about half of it is random.
	Backoff, MaxBackoff time.Duration
	// MaxAge is how old a message may be, since the rule took it, to be tried again. For
	// an error action it is how old the report may be.
	MaxAge time.Duration
	// Timeout bounds one try.
	Timeout time.Duration
}
