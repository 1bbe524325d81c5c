package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thinghub/thinghub/actions"
)

const (
	kind        = "nats"
	maxHeaders  = 100
	maxKey      = 256
	batchEvents = 256
	batchBytes  = 1 << 20
)

// Action publishes the outgoing payload. [Client.Action] binds it to a client; the rule
// gets what that returns.
type Action struct {
	// SinkName is the name of the client. In Go it is not needed.
	SinkName string `json:"sink,omitempty"`
	// Subject is where to, and may have templates. Levels of an MQTT topic become tokens
	// with ${replace(topic(), '/', '.')}. What a template brings in must not have empty
	// tokens, wildcards or spaces, and cannot make a subject of the server's own: one
	// that begins with "$" needs an author who wrote the "$", and $JS, $SYS and _INBOX
	// are refused always.
	Subject string `json:"subject"`
	// Headers are those of the message, in their order.
	Headers []Header `json:"headers,omitempty"`
	// JetStream waits until a stream has stored the message. Its header Nats-Msg-Id is
	// the id of the event, unless Headers has another one, so that the stream drops what
	// it has already.
	JetStream bool `json:"jetStream,omitempty"`
	// Stream is the name of the stream that is to take the message; needs JetStream.
	Stream string `json:"stream,omitempty"`
	// Atomic publishes a batch as one: the stream has all of it or nothing. The stream
	// needs allow_atomic, of version 2.12. Needs JetStream.
	Atomic bool `json:"atomic,omitempty"`

	client *Client
}

// A Header is a header of a message. The value may have templates; one that is empty once
// it is rendered is left out.
type Header struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func decode(parameters []byte) (Action, error) {
	o := actions.ReadObject(parameters)
	a := Action{
		SinkName: o.Text("sink"), Subject: o.Need("subject"), JetStream: o.Bool("jetStream"), Stream: o.Text("stream"), Atomic: o.Bool("atomic"),
	}
	o.Each("headers", 0, maxHeaders, func(item *actions.Object) {
		a.Headers = append(a.Headers, Header{Key: item.Need("key"), Value: item.Text("value")})
	})
	return a, o.Done()
}

// Kind is "nats".
func (*Action) Kind() string { return kind }

// Resource is the subject.
func (*Action) Resource(ev actions.Event) string { return ev.Params[0] }

// Params are the subject and the values of the headers.
func (a *Action) Params() []actions.Param {
	params := []actions.Param{{Name: "subject", Text: a.Subject}}
	for i, h := range a.Headers {
		params = append(params, actions.Param{Name: fmt.Sprintf("headers[%d].value", i), Text: h.Value, Optional: true})
	}
	return params
}

var errUnbound = errors.New("nats: the action has no client, expected what Client.Action returns")

// Check reports what can be seen to be wrong before a message comes.
func (a *Action) Check() error {
	switch {
	case a.client == nil:
		return errUnbound
	case a.Subject == "":
		return actions.WrongField("subject", "", "a text")
	case (a.Stream != "" || a.Atomic) && !a.JetStream:
		return actions.WrongField("jetStream", "", "true, which stream and atomic need")
	case a.Stream != "" && (len(a.Stream) > 255 || strings.ContainsFunc(a.Stream, func(r rune) bool { return r <= ' ' || strings.ContainsRune("*.>/\\\x7f", r) })):
		return actions.WrongField("stream", a.Stream, "the name of a stream")
	case len(a.Headers) > maxHeaders:
		return &actions.FieldError{Field: "headers", Value: fmt.Sprintf("an array of %d", len(a.Headers)), Want: fmt.Sprintf("0 to %d items", maxHeaders)}
	}
	if s, all := static(a.Subject); all {
		if err := checkSubject(s, isSystem(s)); err != nil {
			return err
		}
	}
	for i, h := range a.Headers {
		if err := checkHeader(fmt.Sprintf("headers[%d]", i), h); err != nil {
			return err
		}
	}
	return nil
}

func checkHeader(field string, h Header) error {
	key := field + ".key"
	switch {
	case h.Key == "" || len(h.Key) > maxKey:
		return actions.WrongField(key, h.Key, "1 to 256 bytes")
	case strings.ContainsFunc(h.Key, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }):
		return actions.WrongField(key, h.Key, "the name of a header")
	case len(h.Key) >= 5 && strings.EqualFold(h.Key[:5], "Nats-") && h.Key != jetstream.MsgIDHeader && h.Key != jetstream.MsgTTLHeader:
		return actions.WrongField(key, h.Key, "a header that is not NATS' own, Nats-Msg-Id or Nats-TTL")
	}
	if v, all := static(h.Value); all {
		return checkValue(field+".value", v)
	}
	return nil
}

func checkValue(field, v string) error {
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return actions.WrongField(field, v, "a text without control characters")
	}
	return nil
}

// chosen reports whether the event chooses the subject.
func (a *Action) chosen() bool {
	_, all := static(a.Subject)
	return !all
}

// Sink is that of the client.
func (a *Action) Sink() *actions.Sink { return a.client.sink }

// Batch takes along what waits. With JetStream, unless it is atomic, a batch has one event
// of each topic: the stream may take one while it refuses an earlier one, which comes
// again and must not come after a later one of its topic.
func (a *Action) Batch() actions.Batch {
	b := actions.Batch{Events: batchEvents, Bytes: batchBytes, AcrossTopics: true, Parallel: true}
	if a.JetStream && !a.Atomic {
		b.Distinct = func(ev actions.Event) string { return ev.Message.Topic }
	}
	return b
}

// Do publishes one event.
func (a *Action) Do(ctx context.Context, ev actions.Event) error {
	return a.DoBatch(ctx, []actions.Event{ev})[0]
}

// DoBatch publishes events in their order and waits until the server, or the stream, has
// them.
func (a *Action) DoBatch(ctx context.Context, evs []actions.Event) []error {
	errs := make([]error, len(evs))
	list := make([]todo, 0, len(evs))
	for i, ev := range evs {
		m, err := a.message(ev)
		if err != nil {
			errs[i] = actions.Permanent(err)
			continue
		}
		list = append(list, todo{m, &errs[i]})
	}
	if len(list) == 0 {
		return errs
	}
	if !a.client.conn.IsConnected() {
		fail(list, judge(a.client.watch.down(), false))
		return errs
	}
	switch {
	case !a.JetStream:
		a.client.publish(ctx, a, list)
	case a.Atomic && len(list) > 1:
		a.client.atomic(ctx, a, list)
	default:
		a.client.store(ctx, a, list)
	}
	return errs
}

// message makes the message of an event.
func (a *Action) message(ev actions.Event) (*natsgo.Msg, error) {
	if err := a.Check(); a.client == nil {
		return nil, err
	}
	if err := checkSubject(ev.Params[0], isSystem(a.Subject)); err != nil {
		return nil, err
	}
	m := &natsgo.Msg{Subject: ev.Params[0], Data: ev.Payload}
	if a.JetStream || len(a.Headers) > 0 {
		m.Header = natsgo.Header{}
	}
	for i, h := range a.Headers {
		v := ev.Params[1+i]
		if err := checkValue(fmt.Sprintf("headers[%d].value", i), v); err != nil {
			return nil, err
		}
		if v != "" {
			m.Header.Add(h.Key, v)
		}
	}
	if !a.JetStream {
		return m, nil
	}
	if m.Header.Get(jetstream.MsgIDHeader) == "" {
		m.Header.Set(jetstream.MsgIDHeader, ev.ID())
	}
	if a.Stream != "" {
		m.Header.Set(jetstream.ExpectedStreamHeader, a.Stream)
	}
	return m, nil
}
