package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/actions"
)

const (
	kind        = "rabbitmq"
	batchEvents = 500
	batchBytes  = 1 << 20

	maxHeaders = 100
	maxShort   = 255 // bytes of a short string of AMQP
)

// Action publishes messages to an exchange of RabbitMQ and waits until RabbitMQ confirms
// them. The body is the outgoing payload, the message id that of the event, which stays the
// same if it is published again, the timestamp when the hub took the message.
// [Client.Action] binds it to a client; the rule gets what that returns.
type Action struct {
	// SinkName is the name of the client. In Go it is not needed.
	SinkName string `json:"sink,omitempty"`
	// Exchange must exist. Empty: the default exchange, which takes a routing key as the
	// name of a queue. It has no templates.
	Exchange string `json:"exchange,omitempty"`
	// RoutingKey may have templates, and be empty for exchanges that need none.
	RoutingKey string `json:"routingKey,omitempty"`
	// ContentType may have templates. If it is empty, or empty once it is rendered, it is
	// application/json if the payload is JSON, otherwise application/octet-stream.
	ContentType string   `json:"contentType,omitempty"`
	Headers     []Header `json:"headers,omitempty"`
	// Persistent messages survive a restart of RabbitMQ in durable queues. Nil: they are.
	Persistent *bool `json:"persistent,omitempty"`
	// Mandatory makes it a failure that a message reaches no queue; otherwise RabbitMQ
	// drops and confirms it. The failure is for good if the routing key has templates,
	// because a device chose it; otherwise it is tried again.
	Mandatory bool `json:"mandatory,omitempty"`
	// Pipelined lets several messages of one MQTT topic be under way. That is faster if
	// there are few topics. But if RabbitMQ refuses one of them that is tried again, and
	// takes a later one, these two change their order: with queues that refuse what is
	// too much (overflow "reject-publish") and with Mandatory.
	Pipelined bool `json:"pipelined,omitempty"`

	client *Client
}

// A Header is one of a message. The value may have templates; one that is empty once it is
// rendered is left out.
type Header struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func decode(o *actions.Object) Action {
	a := Action{
		SinkName: o.Text("sink"), Exchange: o.Text("exchange"), RoutingKey: o.Text("routingKey"), ContentType: o.Text("contentType"),
		Mandatory: o.Bool("mandatory"), Pipelined: o.Bool("pipelined"),
	}
	if persistent := o.Bool("persistent"); o.Has("persistent") {
		a.Persistent = &persistent
	}
	o.Each("headers", 1, maxHeaders, func(item *actions.Object) {
		a.Headers = append(a.Headers, Header{Key: item.Need("key"), Value: item.Text("value")})
	})
	return a
}

// Kind is "rabbitmq".
func (*Action) Kind() string { return kind }

// Resource is the exchange, or the routing key for the default exchange.
func (a *Action) Resource(ev actions.Event) string {
	if a.Exchange == "" {
		return ev.Params[paramKey]
	}
	return a.Exchange
}

// Sink is the client's.
func (a *Action) Sink() *actions.Sink {
	if a.client == nil {
		return nil
	}
	return a.client.sink
}

// The texts of Params.
const (
	paramKey = iota
	paramContentType
	paramHeaders
)

// Params are the routing key, the content type and the values of the headers.
func (a *Action) Params() []actions.Param {
	params := []actions.Param{
		{Name: "routingKey", Text: a.RoutingKey, Optional: true},
		{Name: "contentType", Text: a.ContentType, Optional: true},
	}
	for i, h := range a.Headers {
		params = append(params, actions.Param{Name: fmt.Sprintf("headers[%d].value", i), Text: h.Value, Optional: true})
	}
	return params
}

// Check reports what can be seen to be wrong before a message comes.
func (a *Action) Check() error {
	switch {
	case a.client == nil:
		return errors.New("rabbitmq: the action has no client, expected one that Client.Action returned")
	case len(a.Exchange) > maxShort:
		return actions.WrongField("exchange", a.Exchange, "at most 255 bytes")
	case !static(a.Exchange):
		return actions.WrongField("exchange", a.Exchange, "a text without templates, so that no device chooses the exchange")
	case a.Exchange == "" && a.RoutingKey == "":
		return actions.WrongField("routingKey", "", "a text, the name of a queue, since there is no exchange")
	case static(a.RoutingKey) && len(a.RoutingKey) > maxShort:
		return actions.WrongField("routingKey", a.RoutingKey, "at most 255 bytes")
	case static(a.ContentType) && len(a.ContentType) > maxShort:
		return actions.WrongField("contentType", a.ContentType, "at most 255 bytes")
	case len(a.Headers) > maxHeaders:
		return &actions.FieldError{Field: "headers", Value: fmt.Sprintf("an array of %d", len(a.Headers)), Want: "1 to 100 items"}
	}
	var keys []string
	for i, h := range a.Headers {
		field := fmt.Sprintf("headers[%d].key", i)
		switch {
		case h.Key == "" || len(h.Key) > maxShort:
			return actions.WrongField(field, h.Key, "1 to 255 bytes")
		case !static(h.Key):
			return actions.WrongField(field, h.Key, "a text without templates")
		case h.Key == "CC" || h.Key == "BCC":
			return actions.WrongField(field, h.Key, "another name: RabbitMQ routes by these, and takes no texts for them")
		case slices.Contains(keys, h.Key):
			return actions.WrongField(field, h.Key, "another name than those before it")
		}
		keys = append(keys, h.Key)
	}
	return nil
}

// Batch takes what waits, of all topics, but one event of each topic unless the action is
// pipelined.
func (a *Action) Batch() actions.Batch {
	b := actions.Batch{Events: batchEvents, Bytes: batchBytes, AcrossTopics: true, Parallel: true}
	if !a.Pipelined {
		b.Distinct = func(ev actions.Event) string { return ev.Message.Topic }
	}
	return b
}

// Do publishes one message.
func (a *Action) Do(ctx context.Context, ev actions.Event) error {
	return a.DoBatch(ctx, []actions.Event{ev})[0]
}

// static reports whether a text has no templates.
func static(text string) bool { return !strings.Contains(text, "${") }
