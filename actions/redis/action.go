package redis

import (
	"context"
	"errors"
	"math"
	"strings"

	"github.com/thinghub/thinghub/actions"
)

const (
	kind        = "redis"
	maxWords    = 1024
	maxFields   = 256
	batchEvents = 256
	batchBytes  = 1 << 20
)

// Payload is a word that stands for the outgoing payload, as it is. It must be the whole
// word.
const Payload = "$payload"

// Action writes to Redis. It has exactly one of Command, Stream, Publish, Set, HSet and
// LPush. [Client.Action] binds it to a client; the rule gets what that returns.
//
// All texts may have templates, which become words of a command and nothing else: what a
// device sends can be a key or a value, never a command. A text that is [Payload] is the
// outgoing payload.
type Action struct {
	// SinkName is the name of the client. In Go it is not needed.
	SinkName string `json:"sink,omitempty"`
	// Command is a command in words. The first is its name, without templates; see
	// [Commands] for those that are allowed.
	Command []string `json:"command,omitempty"`
	Stream  *Stream  `json:"stream,omitempty"`
	Publish *Publish `json:"publish,omitempty"`
	Set     *Set     `json:"set,omitempty"`
	HSet    *HSet    `json:"hset,omitempty"`
	LPush   *LPush   `json:"lpush,omitempty"`
	// OnceSeconds is for how long Redis remembers that an event was written, so that a
	// retry does not write it twice: the key thinghub:once:{KEY}:ID, set by the script
	// that also writes. 0: it does not remember.
	OnceSeconds int `json:"onceSeconds,omitempty"`

	client *Client
	plan   *plan
	wrong  error
}

// Stream appends an entry to a stream: XADD.
type Stream struct {
	Key string `json:"key"`
	// ID is that of the entry. Empty, or empty once it is rendered: the server makes one.
	ID string `json:"id,omitempty"`
	// MaxLen is about how many entries the stream keeps; 0: all. With Exact it is
	// exactly, which costs more.
	MaxLen int  `json:"maxLen,omitempty"`
	Exact  bool `json:"exact,omitempty"`
	// Fields are those of the entry. One that is empty once it is rendered is left out.
	// Default: {"payload": "$payload"}.
	Fields map[string]string `json:"fields,omitempty"`
}

// Publish sends a message to the subscribers of a channel: PUBLISH, or SPUBLISH if it is
// sharded. Who does not listen at that moment never gets it.
type Publish struct {
	Channel string `json:"channel"`
	// Message is what is sent. Default: the payload.
	Message string `json:"message,omitempty"`
	Sharded bool   `json:"sharded,omitempty"`
}

// Set gives a key a value: SET.
type Set struct {
	Key string `json:"key"`
	// Value is what it gets. Default: the payload.
	Value string `json:"value,omitempty"`
	// ExpireSeconds is how long it lasts; 0: for ever.
	ExpireSeconds int `json:"expireSeconds,omitempty"`
}

// HSet sets fields of a hash and leaves its other fields alone: HSET.
type HSet struct {
	Key string `json:"key"`
	// Fields are set. One that is empty once it is rendered is left out. Default: the
	// members of the payload, which must be a JSON object. Those that are null are left
	// out, objects and arrays are JSON text.
	Fields map[string]string `json:"fields,omitempty"`
	// ExpireSeconds is how long the hash lasts from now; 0: as long as before.
	ExpireSeconds int `json:"expireSeconds,omitempty"`
}

// LPush puts a value at the head of a list: LPUSH.
type LPush struct {
	Key string `json:"key"`
	// Value is what is put there. Default: the payload.
	Value string `json:"value,omitempty"`
	// MaxLen is how many values, the newest, the list keeps; 0: all.
	MaxLen int `json:"maxLen,omitempty"`
	// ExpireSeconds is how long the list lasts from now; 0: as long as before.
	ExpireSeconds int `json:"expireSeconds,omitempty"`
}

func decode(o *actions.Object) Action {
	a := Action{SinkName: o.Text("sink"), Command: o.List("command", 1, maxWords), OnceSeconds: o.Int("onceSeconds", 1, math.MaxInt32)}
	if s, ok := o.Object("stream"); ok {
		a.Stream = &Stream{
			Key: s.Need("key"), ID: s.Text("id"), MaxLen: s.Int("maxLen", 1, math.MaxInt32), Exact: s.Bool("exact"), Fields: s.Texts("fields"),
		}
		_ = s.Done()
	}
	if p, ok := o.Object("publish"); ok {
		a.Publish = &Publish{Channel: p.Need("channel"), Message: p.Text("message"), Sharded: p.Bool("sharded")}
		_ = p.Done()
	}
	if s, ok := o.Object("set"); ok {
		a.Set = &Set{Key: s.Need("key"), Value: s.Text("value"), ExpireSeconds: s.Int("expireSeconds", 1, math.MaxInt32)}
		_ = s.Done()
	}
	if h, ok := o.Object("hset"); ok {
		a.HSet = &HSet{Key: h.Need("key"), Fields: h.Texts("fields"), ExpireSeconds: h.Int("expireSeconds", 1, math.MaxInt32)}
		_ = h.Done()
	}
	if l, ok := o.Object("lpush"); ok {
		a.LPush = &LPush{
			Key: l.Need("key"), Value: l.Text("value"), MaxLen: l.Int("maxLen", 1, math.MaxInt32), ExpireSeconds: l.Int("expireSeconds", 1, math.MaxInt32),
		}
		_ = l.Done()
	}
	return a
}

// Kind is "redis".
func (*Action) Kind() string { return kind }

// Resource is the key or the channel, or the name of a command without one.
func (a *Action) Resource(ev actions.Event) string {
	if a.plan == nil {
		return ""
	}
	words := a.plan.commands[0]
	switch w := words[min(a.plan.key, len(words)-1)]; {
	case w.kind == wordFixed:
		return w.text
	case w.kind == wordParam && w.param < len(ev.Params):
		return strings.Clone(ev.Params[w.param])
	default:
		return words[0].text
	}
}

// Params are the texts that have templates.
func (a *Action) Params() []actions.Param {
	if a.plan == nil {
		return nil
	}
	return a.plan.params
}

// Check reports what can be seen to be wrong before a message comes.
func (a *Action) Check() error {
	if a.client == nil {
		return errUnbound
	}
	return a.wrong
}

// Sink is that of the client.
func (a *Action) Sink() *actions.Sink { return a.client.sink }

// Batch takes along what waits: one transaction writes it.
func (a *Action) Batch() actions.Batch {
	return actions.Batch{Events: batchEvents, Bytes: batchBytes, AcrossTopics: true, Parallel: true}
}

// Do writes one event.
func (a *Action) Do(ctx context.Context, ev actions.Event) error {
	return a.DoBatch(ctx, []actions.Event{ev})[0]
}

var errUnbound = errors.New("redis: the action has no client, expected what Client.Action returns")

// DoBatch writes events in their order, in one transaction: all of them, less those that
// the server refuses for good, or none. In a cluster there is one for each hash slot.
func (a *Action) DoBatch(ctx context.Context, evs []actions.Event) []error {
	errs := make([]error, len(evs))
	if err := a.Check(); err != nil {
		for i := range errs {
			errs[i] = actions.Permanent(err)
		}
		return errs
	}
	list := make([]todo, 0, len(evs))
	for i, ev := range evs {
		words, err := a.plan.words(ev, a.OnceSeconds)
		if err != nil {
			errs[i] = actions.Permanent(err)
			continue
		}
		list = append(list, todo{words: words, err: &errs[i], chosen: a.plan.chosen})
	}
	a.client.write(ctx, list)
	return errs
}
