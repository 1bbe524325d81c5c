package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/actions"
)

const (
	kind        = "kafka"
	batchEvents = 1000
	batchBytes  = 512 << 10

	maxHeaders    = 100
	maxHeaderText = 16384
	maxTopic      = 249
)

// Action writes records to Kafka: the value is the outgoing payload, the timestamp when
// the hub took the message. It is the AWS action "kafka". [Client.Action] binds it to a
// client; the rule gets what that returns.
type Action struct {
	// SinkName is the name of the client. In Go it is not needed.
	SinkName string `json:"sink,omitempty"`
	// DestinationARN is how a rule of AWS names the client: the name, or an ARN of a
	// destination for rules that ends with it. One of the two is enough.
	DestinationARN string `json:"destinationArn,omitempty"`
	// Topic is that of Kafka. It may have templates: then what names a topic that does
	// not exist, or that the client may not write, goes to the error action at once,
	// because a device chose it. One without templates is tried again.
	Topic string `json:"topic"`
	// Key is the record's. It may be empty, or empty once it is rendered: then the record
	// has none.
	Key string `json:"key,omitempty"`
	// Partition is a number. If it is empty, or empty once it is rendered, the partition
	// is that of the key, as other clients choose it, or without a key that of the
	// message's MQTT topic, so that its messages stay in order.
	Partition string `json:"partition,omitempty"`
	// Headers are those of the record. One whose value is empty once it is rendered is
	// left out.
	Headers []Header `json:"headers,omitempty"`
	// ClientProperties are settings of a producer in Java, as AWS has them. "acks"
	// ("0", "1" or "all", the default) and "compression.type" ("none", "gzip", "snappy",
	// "lz4", "zstd"; default as the client has it) are applied. "bootstrap.servers",
	// "security.protocol" and "sasl.mechanism" must be as the client has them, the
	// serializers those of AWS. Nothing else is taken, no credentials above all: these
	// are the client's.
	ClientProperties map[string]string `json:"clientProperties,omitempty"`

	client   *Client
	producer *producer
	wrong    error
}

// A Header is one of a record. Both texts may have templates.
type Header struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func decode(o *actions.Object) Action {
	a := Action{
		SinkName: o.Text("sink"), DestinationARN: o.Text("destinationArn"),
		Topic: o.Need("topic"), Key: o.Text("key"), Partition: o.Text("partition"),
		ClientProperties: o.Texts("clientProperties"),
	}
	o.Each("headers", 1, maxHeaders, func(item *actions.Object) {
		a.Headers = append(a.Headers, Header{Key: item.Need("key"), Value: item.Text("value")})
	})
	return a
}

// Kind is "kafka".
func (*Action) Kind() string { return kind }

// Resource is the topic.
func (*Action) Resource(ev actions.Event) string { return ev.Params[0] }

// Sink is the client's.
func (a *Action) Sink() *actions.Sink {
	if a.client == nil {
		return nil
	}
	return a.client.sink
}

// The first texts of Params.
const (
	paramTopic = iota
	paramKey
	paramPartition
	paramHeaders // key and value of each
)

// Params are the topic, the key, the partition and the headers.
func (a *Action) Params() []actions.Param {
	params := []actions.Param{
		{Name: "topic", Text: a.Topic},
		{Name: "key", Text: a.Key, Optional: true},
		{Name: "partition", Text: a.Partition, Optional: true},
	}
	for i, h := range a.Headers {
		name := fmt.Sprintf("headers[%d].", i)
		params = append(params, actions.Param{Name: name + "key", Text: h.Key}, actions.Param{Name: name + "value", Text: h.Value, Optional: true})
	}
	return params
}

// Check reports what can be seen to be wrong before a message comes.
func (a *Action) Check() error {
	if a.client == nil {
		return errors.New("kafka: the action has no client, expected one that Client.Action returned")
	}
	if a.wrong != nil {
		return a.wrong
	}
	if a.Topic == "" {
		return actions.WrongField("topic", "", "a text")
	}
	if static(a.Topic) {
		if err := checkTopic(a.Topic); err != nil {
			return err
		}
	}
	if static(a.Partition) {
		if _, err := parsePartition(a.Partition); err != nil {
			return err
		}
	}
	if n := len(a.Headers); n > maxHeaders {
		return &actions.FieldError{Field: "headers", Value: fmt.Sprintf("an array of %d", n), Want: "1 to 100 items"}
	}
	for i, h := range a.Headers {
		name := fmt.Sprintf("headers[%d].", i)
		if h.Key == "" {
			return actions.WrongField(name+"key", "", "a text")
		}
		for field, text := range map[string]string{"key": h.Key, "value": h.Value} {
			if len(text) > maxHeaderText {
				return actions.WrongField(name+field, text, "at most 16384 bytes")
			}
		}
	}
	return nil
}

// Batch takes what waits, of all topics: the records of a call are sent together, and
// Kafka keeps the order of each partition.
func (*Action) Batch() actions.Batch {
	return actions.Batch{Events: batchEvents, Bytes: batchBytes, AcrossTopics: true, Parallel: true}
}

// Do writes one record.
func (a *Action) Do(ctx context.Context, ev actions.Event) error {
	return a.DoBatch(ctx, []actions.Event{ev})[0]
}

// DoBatch writes records and waits for their acknowledgements.
func (a *Action) DoBatch(ctx context.Context, evs []actions.Event) []error {
	return a.producer.write(ctx, a, evs)
}

// checkTopic checks a topic to write to.
func checkTopic(name string) error {
	ok := name != "" && name != "." && name != ".." && len(name) <= maxTopic
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
	}
	if !ok {
		return actions.WrongField("topic", name, "a Kafka topic: 1 to 249 letters, digits, dots, underscores and hyphens")
	}
	return nil
}

// parsePartition returns the number of a partition, -1 for an empty text.
func parsePartition(text string) (int32, error) {
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, actions.WrongField("partition", text, "a number from 0 to 2147483647")
	}
	return int32(n), nil
}

// static reports whether a text has no templates.
func static(text string) bool { return !strings.Contains(text, "${") }

// names lists alternatives.
func names(list []string) string {
	list = slices.Clone(list)
	if n := len(list); n > 1 {
		return strings.Join(list[:n-1], ", ") + " or " + list[n-1]
	}
	return strings.Join(list, "")
}
