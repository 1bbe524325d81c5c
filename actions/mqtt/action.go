package mqtt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/mqttlink"
	"github.com/thinghub/thinghub/internal/topic"
)

// kind is the key of the action in JSON.
const kind = "mqtt"

// Publish says what an event becomes at the far broker. Topic and the texts of Headers may
// have templates.
type Publish struct {
	// Sink is the name of the client. It may be absent in JSON if there is one client.
	Sink string `json:"sink,omitempty"`
	// Topic is where to. One that begins with "$" is written with "$$", as that of a
	// republish is; a template cannot bring in the "$". Empty: the topic of the message, with RemotePrefix instead
	// of LocalPrefix; an event whose topic does not begin with that fails, and a message
	// that has crossed the bridge before does not again.
	Topic        string `json:"topic,omitempty"`
	LocalPrefix  string `json:"localPrefix,omitempty"`
	RemotePrefix string `json:"remotePrefix,omitempty"`
	// QoS is 0, 1 or 2.
	QoS byte `json:"qos"`
	// Retain asks the far broker to keep the message.
	Retain bool `json:"retain,omitempty"`
	// AsPublished takes along the MQTT 5 properties of the original message that Headers
	// does not have, and lowers QoS to that of the message.
	AsPublished bool `json:"asPublished,omitempty"`
	// Headers are MQTT 5 properties, as those of republish are.
	Headers *actions.MQTTHeaders `json:"headers,omitempty"`
	// BatchSize is how many messages may be under way at once, up to 1000; the far broker's
	// Receive Maximum bounds it too. Default 100; 1 waits for each acknowledgement.
	BatchSize int `json:"batchSize,omitempty"`
}

const (
	defaultBatch = 100
	maxBatch     = 1000
	batchBytes   = 4 << 20
)

// An Action publishes at the far broker. It is made by [Client.Publish], [Client.Rules] and
// the decoder of [Kinds].
type Action struct {
	p      Publish
	client *Client
	header actions.Republish // checks and renders the rest
}

// Publish returns the action for a rule in Go. Its Sink is filled in.
func (c *Client) Publish(p Publish) *Action {
	if p.Sink == "" {
		p.Sink = c.sink.Name()
	}
	return c.action(p)
}

func (c *Client) action(p Publish) *Action {
	a := &Action{p: p, client: c, header: actions.Republish{Topic: p.Topic, Headers: p.Headers}}
	if p.Topic == "" {
		a.header.Topic = "${topic()}"
	}
	return a
}

// A Rule is what sends messages out for a [Topic]: the host puts a rules.Rule with these
// parts.
type Rule struct {
	Name   string
	SQL    string
	Action *Action
}

// Rules returns the rules for the Config.Topics that go out, named prefix1, prefix2, ... in
// their order. They send the payload as it is.
func (c *Client) Rules(prefix string) (out []Rule) {
	for i := range c.cfg.Topics {
		t := &c.cfg.Topics[i]
		if !t.out() {
			continue
		}
		out = append(out, Rule{
			Name: fmt.Sprint(prefix, i+1), SQL: "SELECT * FROM '" + t.local() + "'",
			Action: c.Publish(Publish{LocalPrefix: t.LocalPrefix, RemotePrefix: t.RemotePrefix, QoS: t.QoS, AsPublished: true}),
		})
	}
	return out
}

// Kind is "mqtt".
func (*Action) Kind() string { return kind }

// Resource is the topic.
func (a *Action) Resource(ev actions.Event) string {
	if a.p.Topic != "" {
		return ev.Params[0]
	}
	name, _ := a.remote(ev.Params[0])
	return name
}

// Sink is that of the client.
func (a *Action) Sink() *actions.Sink { return a.client.sink }

// MarshalJSON returns the parameters.
func (a *Action) MarshalJSON() ([]byte, error) { return json.Marshal(a.p) }

// Params are the topic and the headers.
func (a *Action) Params() []actions.Param { return a.header.Params() }

// Batch is a window of messages that wait for their acknowledgements.
func (a *Action) Batch() actions.Batch {
	n := a.p.BatchSize
	if n == 0 {
		n = defaultBatch
	}
	return actions.Batch{Events: n, Bytes: batchBytes, AcrossTopics: true}
}

// Check reports what can be seen to be wrong before a message comes.
func (a *Action) Check() error {
	p := &a.p
	switch name := a.client.sink.Name(); {
	case p.Sink != "" && p.Sink != name:
		return &actions.FieldError{Field: "sink", Value: strconv.Quote(p.Sink), Want: fmt.Sprintf("%q, the name of the client", name)}
	case p.QoS > 2:
		return &actions.FieldError{Field: "qos", Value: strconv.Itoa(int(p.QoS)), Want: "0, 1 or 2"}
	case p.BatchSize < 0 || p.BatchSize > maxBatch:
		return &actions.FieldError{Field: "batchSize", Value: strconv.Itoa(p.BatchSize), Want: "1 to 1000"}
	case p.Topic != "" && p.LocalPrefix+p.RemotePrefix != "":
		return &actions.FieldError{Field: "topic", Value: strconv.Quote(p.Topic), Want: "none beside localPrefix and remotePrefix"}
	}
	for _, prefix := range [...]struct{ name, text string }{{"localPrefix", p.LocalPrefix}, {"remotePrefix", p.RemotePrefix}} {
		if prefix.text != "" && topic.CheckName(prefix.text) != nil {
			return &actions.FieldError{Field: prefix.name, Value: strconv.Quote(prefix.text), Want: "the beginning of a topic"}
		}
	}
	return a.header.Check()
}

// Do publishes one event.
func (a *Action) Do(ctx context.Context, ev actions.Event) error {
	if errs := a.DoBatch(ctx, []actions.Event{ev}); errs != nil {
		return errs[0]
	}
	return nil
}

// errBehind is for a message that is sent again because of one before it.
var errBehind = errors.New("an earlier message of its topic was not taken")

// DoBatch publishes events in their order and waits for the acknowledgements.
func (a *Action) DoBatch(ctx context.Context, evs []actions.Event) []error {
	a.client.link.Tried(ctx)
	var errs []error
	fail := func(i int, err error) {
		if errs == nil {
			errs = make([]error, len(evs))
		}
		errs[i] = err
	}
	out, from := make([]*paho.Publish, 0, len(evs)), make([]int, 0, len(evs))
	for i, ev := range evs {
		p, err := a.packet(ctx, ev)
		switch {
		case err != nil:
			fail(i, err)
		case p == nil: // it has crossed the bridge before
			a.client.skipped.Add(1)
		default:
			out, from = append(out, p), append(from, i)
		}
	}
	if len(out) == 0 {
		return errs
	}
	var behind map[string]bool // topics with a message that comes again
	for i, err := range a.client.link.Publish(ctx, out) {
		if err == nil && behind[out[i].Topic] {
			err = errBehind
		}
		if err == nil {
			continue
		}
		var no *mqttlink.Reason
		if errors.As(err, &no) && no.Permanent() {
			fail(from[i], actions.Permanent(fmt.Errorf("mqtt: publish to %q: %w", out[i].Topic, err)))
			continue
		}
		if behind == nil {
			behind = map[string]bool{}
		}
		behind[out[i].Topic] = true
		fail(from[i], fmt.Errorf("mqtt: publish to %q: %w", out[i].Topic, err))
	}
	return errs
}

// remote returns the far broker's topic for one of the hub's.
func (a *Action) remote(local string) (string, bool) {
	return cross(local, a.p.LocalPrefix, a.p.RemotePrefix, local, a.p.RemotePrefix)
}

// taker is a publisher that keeps what it gets.
type taker struct{ actions.Publication }

func (t *taker) Publish(_ context.Context, p *actions.Publication) error {
	t.Publication = *p
	return nil
}

// packet makes the message of an event; nil for one that is not to cross again.
func (a *Action) packet(ctx context.Context, ev actions.Event) (*paho.Publish, error) {
	var via []string
	if forwards := a.p.Topic == ""; forwards && ev.Message.UserProperties != nil {
		for k, v := range ev.Message.UserProperties {
			if k == ViaProperty {
				if v == a.client.cfg.Name {
					return nil, nil
				}
				via = append(via, v)
			}
		}
	}
	name := ev.Params[0]
	if a.p.Topic == "" {
		var ok bool
		if name, ok = a.remote(name); !ok {
			return nil, actions.Permanent(fmt.Errorf("mqtt: the topic %q is not one that begins with %q and can be sent with %q instead", ev.Params[0], a.p.LocalPrefix, a.p.RemotePrefix))
		}
		// Republish would refuse a "$" that the prefixes allow.
		ev.Params = append([]string{"checked"}, ev.Params[1:]...)
	}
	t := &taker{}
	render, err := a.header.On(actions.Host{Publisher: t})
	if err == nil {
		err = render.Do(ctx, ev)
	}
	if err != nil {
		return nil, err
	}
	if a.p.Topic != "" {
		name = t.Topic
	}
	p := &paho.Publish{Topic: name, Payload: ev.Payload, QoS: a.p.QoS, Retain: a.p.Retain, Properties: &paho.PublishProperties{}}
	pr := p.Properties
	format := t.PayloadFormat
	pr.ContentType, pr.ResponseTopic, pr.CorrelationData = t.ContentType, t.ResponseTopic, t.CorrelationData
	if t.Expiry > 0 {
		n := uint32(t.Expiry / time.Second)
		pr.MessageExpiry = &n
	}
	for _, u := range t.UserProperties {
		pr.User = append(pr.User, paho.UserProperty{Key: u.Key, Value: u.Value})
	}
	if m := ev.Message; a.p.AsPublished {
		p.QoS = min(p.QoS, m.QoS)
		if format == actions.FormatUnset {
			format = m.PayloadFormat
		}
		pr.ContentType, pr.ResponseTopic = either(pr.ContentType, m.ContentType), either(pr.ResponseTopic, m.ResponseTopic)
		if pr.CorrelationData == nil {
			pr.CorrelationData = m.CorrelationData
		}
		if m.UserProperties != nil {
			for k, v := range m.UserProperties {
				if k != ViaProperty && k != HopsProperty {
					pr.User = append(pr.User, paho.UserProperty{Key: k, Value: v})
				}
			}
		}
	}
	if format != actions.FormatUnset {
		b := byte(format - actions.FormatBytes)
		pr.PayloadFormat = &b
	}
	for _, v := range append(via, a.client.cfg.Name) {
		pr.User = append(pr.User, paho.UserProperty{Key: ViaProperty, Value: v})
	}
	if t.Hops > 1 { // otherwise the name says as much
		pr.User = append(pr.User, paho.UserProperty{Key: HopsProperty, Value: strconv.Itoa(int(t.Hops))})
	}
	return p, nil
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
