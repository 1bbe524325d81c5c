package influx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/internal/post"
)

// kind is the key of the action in JSON.
const kind = "influxDB"

// Write says which points an event becomes. It is the AWS action "influxDB", with some
// members of this hub's. Only TableName and the values of Tags may have templates.
type Write struct {
	// Sink is the name of the client. It may be absent in JSON if there is one client.
	Sink string `json:"sink,omitempty"`
	// DestinationARN is what AWS has instead: the name of the client, or a resource name
	// that ends with it.
	DestinationARN string `json:"destinationArn,omitempty"`
	// DatabaseName is the database, the bucket of [V2].
	DatabaseName string `json:"databaseName"`
	// TableName is the measurement.
	TableName string `json:"tableName"`
	// Organization is that of the bucket, for [V2].
	Organization string `json:"organization,omitempty"`
	// Tags are those of all points. One whose value is empty is left out.
	Tags map[string]string `json:"tags,omitempty"`
	// TimestampUnit is that of the member "timestamp" of the payload. Default
	// [Milliseconds]. What is written is in nanoseconds.
	TimestampUnit Unit `json:"timestampUnit,omitempty"`
	// Fields are the fields to write, with their types; one that the payload lacks is left
	// out. Without it all are written.
	Fields map[string]FieldType `json:"fields,omitempty"`
	// Integers writes numbers without point and exponent as integers if their type is
	// [Auto]. A field then must never have a fraction: InfluxDB refuses a float where it
	// has an integer, and a device writes 21.0 as 21.
	Integers    bool         `json:"integers,omitempty"`
	BatchConfig *BatchConfig `json:"batchConfig,omitempty"`
	// RoleARN is kept for AWS.
	RoleARN string `json:"roleArn,omitempty"`
}

// FieldType is how the value of a field is written.
type FieldType string

// The types. A value that does not fit fails its event.
const (
	// Auto is the default: a text is a text, true a boolean, and a number a float, unless
	// Write.Integers says otherwise. A number without point and exponent that no float of
	// 64 bits is, as most above 2^53, fails.
	Auto FieldType = "auto"
	// Float is a number, rounded to 64 bits.
	Float FieldType = "float"
	// Integer is a whole number of 64 bits; 21.0 is one.
	Integer FieldType = "integer"
	// Boolean is true or false.
	Boolean FieldType = "boolean"
	// Text is a text; a number, true and false are written as the payload has them.
	Text FieldType = "text"
)

// Unit is a unit of time.
type Unit string

// The units.
const (
	Seconds      Unit = "SECONDS"
	Milliseconds Unit = "MILLISECONDS"
	Microseconds Unit = "MICROSECONDS"
	Nanoseconds  Unit = "NANOSECONDS"
)

var (
	fieldTypes = []string{string(Auto), string(Float), string(Integer), string(Boolean), string(Text)}
	units      = []string{string(Seconds), string(Milliseconds), string(Microseconds), string(Nanoseconds)}
)

func (u Unit) orDefault() Unit {
	if u == "" {
		return Milliseconds
	}
	return u
}

// per is how many nanoseconds it has.
func (u Unit) per() int64 {
	switch u.orDefault() {
	case Seconds:
		return 1e9
	case Microseconds:
		return 1e3
	case Nanoseconds:
		return 1
	default:
		return 1e6
	}
}

// BatchConfig bounds the events that go into one request. What is 0 has its default.
type BatchConfig struct {
	// MaxBatchOpenMs is how long the first event waits for others. Default 0: those that
	// wait already are taken along.
	MaxBatchOpenMs int `json:"maxBatchOpenMs,omitempty"`
	// MaxBatchSize is how many events there are: up to 100000, default 5000.
	MaxBatchSize int `json:"maxBatchSize,omitempty"`
	// MaxBatchSizeBytes bounds their payloads: up to 16 MiB, default 1 MiB.
	MaxBatchSizeBytes int `json:"maxBatchSizeBytes,omitempty"`
	// BatchAcrossTopics lets events of different topics go together. (Without a
	// BatchConfig they do.)
	BatchAcrossTopics bool `json:"batchAcrossTopics,omitempty"`
}

const (
	maxOpen      = 60_000
	maxSize      = 100_000
	defaultSize  = 5000
	maxBytes     = 16 << 20
	defaultBytes = 1 << 20
	maxTags      = 100
)

// An Action writes the points of a [Write]. It is made by [Client.Write] and by the
// decoder of [Kinds].
type Action struct {
	write   Write
	client  *Client
	target  string
	tagKeys []string // sorted, as InfluxDB likes them
	unit    Unit
}

// Write returns the action for a rule in Go. Its Sink is filled in.
func (c *Client) Write(w Write) *Action {
	if w.Sink == "" && w.DestinationARN == "" {
		w.Sink = c.sink.Name()
	}
	w.Tags, w.Fields = maps.Clone(w.Tags), maps.Clone(w.Fields)
	return c.action(w)
}

func (c *Client) action(w Write) *Action {
	return &Action{
		write: w, client: c, target: c.target(w.DatabaseName, w.Organization),
		tagKeys: slices.Sorted(maps.Keys(w.Tags)), unit: w.TimestampUnit,
	}
}

// Kind is "influxDB".
func (a *Action) Kind() string { return kind }

// Resource is the measurement.
func (a *Action) Resource(ev actions.Event) string { return ev.Params[0] }

// Sink is that of the client.
func (a *Action) Sink() *actions.Sink { return a.client.sink }

// MarshalJSON returns the parameters.
func (a *Action) MarshalJSON() ([]byte, error) { return json.Marshal(a.write) }

// Params are the measurement and the values of the tags.
func (a *Action) Params() []actions.Param {
	params := []actions.Param{{Name: "tableName", Text: a.write.TableName}}
	for _, key := range a.tagKeys {
		params = append(params, actions.Param{Name: "tags." + key, Text: a.write.Tags[key], Optional: true})
	}
	return params
}

// Check reports what can be seen to be wrong before a message comes.
func (a *Action) Check() error {
	if name := a.client.sink.Name(); a.write.Sink != "" && a.write.Sink != name || a.write.Sink == "" && a.write.DestinationARN != "" && !names(a.write.DestinationARN, name) {
		return actions.WrongField("sink", a.write.Sink+a.write.DestinationARN, fmt.Sprintf("%q, the name of the client", name))
	}
	switch {
	case a.write.DatabaseName == "":
		return actions.WrongField("databaseName", "", "the name of a database or bucket")
	case strings.Contains(a.write.DatabaseName, "${"):
		return actions.WrongField("databaseName", a.write.DatabaseName, "a name without templates")
	case a.write.Organization != "" && a.client.api != V2:
		return actions.WrongField("organization", a.write.Organization, "none, as the client has another API than that of InfluxDB 2")
	case a.write.TableName == "":
		return actions.WrongField("tableName", "", "a measurement")
	case !strings.Contains(a.write.TableName, "${"):
		if err := checkMeasurement(a.write.TableName); err != nil {
			return actions.WrongField("tableName", a.write.TableName, "a measurement that a line can hold: "+err.Error())
		}
	}
	if a.write.TimestampUnit != "" && !slices.Contains(units, string(a.write.TimestampUnit)) {
		return actions.WrongField("timestampUnit", string(a.write.TimestampUnit), oneOf(units))
	}
	if len(a.write.Tags) > maxTags {
		return &actions.FieldError{Field: "tags", Value: fmt.Sprintf("an object of %d", len(a.write.Tags)), Want: fmt.Sprintf("0 to %d tags", maxTags)}
	}
	for _, key := range a.tagKeys {
		if err := checkKey(key); err != nil {
			return actions.WrongField("tags", key, "names that a line can hold: "+err.Error())
		}
		if value := a.write.Tags[key]; !strings.Contains(value, "${") {
			if err := checkName(value); err != nil {
				return actions.WrongField("tags."+key, value, "a text that a line can hold: "+err.Error())
			}
		}
	}
	if err := a.checkFields(); err != nil {
		return err
	}
	return a.write.BatchConfig.check()
}

func (a *Action) checkFields() error {
	if a.write.Fields != nil && len(a.write.Fields) == 0 {
		return &actions.FieldError{Field: "fields", Value: "an empty object", Want: "fields with their types, or no such member"}
	}
	for _, key := range slices.Sorted(maps.Keys(a.write.Fields)) {
		kind := a.write.Fields[key]
		if err := checkKey(key); err != nil || key == timestampKey {
			return actions.WrongField("fields", key, "names of fields")
		}
		if kind != "" && !slices.Contains(fieldTypes, string(kind)) {
			return actions.WrongField("fields."+key, string(kind), oneOf(fieldTypes))
		}
		if kind == Text && a.client.api == VictoriaMetrics {
			return actions.WrongField("fields."+key, string(kind), "another type, as VictoriaMetrics stores numbers alone")
		}
	}
	return nil
}

func (c *BatchConfig) check() error {
	if c == nil {
		return nil
	}
	for _, b := range [...]struct {
		name     string
		is, high int
	}{{"maxBatchOpenMs", c.MaxBatchOpenMs, maxOpen}, {"maxBatchSize", c.MaxBatchSize, maxSize}, {"maxBatchSizeBytes", c.MaxBatchSizeBytes, maxBytes}} {
		if b.is < 0 || b.is > b.high {
			return &actions.FieldError{Field: "batchConfig." + b.name, Value: fmt.Sprint(b.is), Want: fmt.Sprintf("0 to %d", b.high)}
		}
	}
	return nil
}

// Batch is batchConfig.
func (a *Action) Batch() actions.Batch {
	b := actions.Batch{Events: defaultSize, Bytes: defaultBytes, AcrossTopics: true}
	if c := a.write.BatchConfig; c != nil {
		b.AcrossTopics = c.BatchAcrossTopics
		b.Open = time.Duration(c.MaxBatchOpenMs) * time.Millisecond
		if c.MaxBatchSize != 0 {
			b.Events = c.MaxBatchSize
		}
		if c.MaxBatchSizeBytes != 0 {
			b.Bytes = c.MaxBatchSizeBytes
		}
	}
	return b
}

// Do writes the points of one event.
func (a *Action) Do(ctx context.Context, ev actions.Event) error {
	return a.DoBatch(ctx, []actions.Event{ev})[0]
}

// DoBatch writes the points of several events with one request, and with more of them if
// the server refuses some points.
func (a *Action) DoBatch(ctx context.Context, evs []actions.Event) []error {
	p := pointer{a: a, seen: map[string]struct{}{}}
	return post.Write(evs, p.points, func(_ []actions.Event, lines []byte) error {
		answer, err := a.client.post.Send(ctx, a.target, lines)
		if err != nil {
			return fmt.Errorf("influx: %w", err)
		}
		return judge(answer)
	})
}

// judge makes an error of what the server said. It took all points or, if it refused some,
// the others: to write these again changes nothing.
func judge(a *post.Answer) error {
	if a.Status/100 == 2 {
		return nil
	}
	text := a.Text
	var reply struct{ Error, Message string } // InfluxDB 1, InfluxDB 2
	if json.Unmarshal([]byte(a.Text), &reply) == nil && reply.Error+reply.Message != "" {
		text = reply.Error
		if text == "" {
			text = reply.Message
		}
	}
	err := errors.New("influx: the server answered " + a.Shown(text))
	switch a.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return actions.Permanent(err)
	}
	if a.Status == http.StatusNotFound {
		return actions.SinkWorks(err) // a missing database, which people mend; others have no reason to wait
	}
	// What else may be wrong, a login, people mend too.
	return err
}

func oneOf(values []string) string {
	last := len(values) - 1
	return strings.Join(values[:last], ", ") + " or " + values[last]
}
