package aws

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/timestreamwrite"
	"github.com/aws/aws-sdk-go-v2/service/timestreamwrite/types"
	"github.com/thinghub/thinghub/actions"
)

// Timestream writes a record for each member of the outgoing payload, which must be a JSON
// object of up to 100 members. It is the AWS action "timestream". The name of a member is
// that of the measure; what it is makes the type:
//
//   - true and false: BOOLEAN
//   - a number with a point or an exponent: DOUBLE
//   - any other number: BIGINT
//   - a text: VARCHAR
//   - an object or an array: its JSON, VARCHAR
//
// There is no record for null and for the empty text, because Timestream has neither.
//
// A call takes up to 100 records, of several topics of the rule. A record has the time of the
// message, which stays the same over retries, and so what comes twice is there once. What
// Timestream rejects, such as another value for the same dimensions, measure and time, fails
// for good; the other records of the event, and of the call, are written.
type Timestream struct {
	// DatabaseName and TableName may have templates.
	DatabaseName string `json:"databaseName"`
	TableName    string `json:"tableName"`
	// Dimensions are what all records of an event have: 1 to 128.
	Dimensions []Dimension `json:"dimensions"`
	// Timestamp is the time of the records. Nil: when the hub took the message in, to the
	// nanosecond.
	Timestamp *TimestreamTime `json:"timestamp,omitempty"`
	RoleARN   string          `json:"roleArn,omitempty"`
}

// A Dimension says what a measure is of. The value may have templates.
type Dimension struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// TimestreamTime is a time since 1970. The value, a whole number, may have templates; the
// unit is SECONDS, MILLISECONDS (if it is empty), MICROSECONDS or NANOSECONDS.
type TimestreamTime struct {
	Value string `json:"value"`
	Unit  string `json:"unit,omitempty"`
}

// Timestream returns the action.
func (s *Services) Timestream(p Timestream) actions.Action {
	return &timestreamAction{at: s.at("timestream", p.DatabaseName+"."+p.TableName, p.RoleARN), Timestream: p}
}

type timestreamAction struct {
	Timestream
	at
}

const (
	mostRecords    = 100
	mostDimensions = 128
	longestValue   = 2048
	longestMeasure = 256
)

func readTimestream(p params) actions.Action {
	a := Timestream{DatabaseName: p.Need("databaseName"), TableName: p.Need("tableName"), RoleARN: p.role()}
	p.Each("dimensions", 1, mostDimensions, func(item *actions.Object) {
		a.Dimensions = append(a.Dimensions, Dimension{Name: item.Need("name"), Value: item.Need("value")})
	})
	if t, ok := p.Object.Object("timestamp"); ok {
		a.Timestamp = &TimestreamTime{Value: t.Need("value"), Unit: t.Enum("unit", timeUnits()...)}
		_ = t.Done() // the first error is the object's
	}
	return p.services.Timestream(a)
}

// timeUnits are the units of times.
func timeUnits() []string {
	return []string{string(types.TimeUnitSeconds), string(types.TimeUnitMilliseconds), string(types.TimeUnitMicroseconds), string(types.TimeUnitNanoseconds)}
}

// Kind is "timestream".
func (*timestreamAction) Kind() string { return "timestream" }

// Resource is the database and the table.
func (*timestreamAction) Resource(ev actions.Event) string { return ev.Params[0] + "." + ev.Params[1] }

// The places of the texts among the parameters. The dimensions follow.
const (
	streamDatabase = iota
	streamTable
	streamTime
	streamDimensions
)

// Params are the names of the database and the table, the time and the dimensions.
func (a *timestreamAction) Params() []actions.Param {
	params := []actions.Param{{Name: "databaseName", Text: a.DatabaseName}, {Name: "tableName", Text: a.TableName}, {Name: "timestamp.value", Optional: true}}
	if a.Timestamp != nil {
		params[streamTime] = actions.Param{Name: "timestamp.value", Text: a.Timestamp.Value}
	}
	for i, d := range a.Dimensions {
		params = append(params, actions.Param{Name: fmt.Sprintf("dimensions[%d].value", i), Text: d.Value})
	}
	return params
}

// Check reports what can be seen to be wrong before a message comes.
func (a *timestreamAction) Check() error {
	for _, p := range a.Params()[:streamTime] {
		if !templated(p.Text) {
			if err := checkStreamName(p.Name, p.Text); err != nil {
				return err
			}
		}
	}
	switch n := len(a.Dimensions); {
	case n == 0:
		return actions.WrongField("dimensions", "", "1 to 128 items")
	case n > mostDimensions:
		return &actions.FieldError{Field: "dimensions", Value: fmt.Sprintf("an array of %d", n), Want: "1 to 128 items"}
	}
	names := map[string]bool{}
	for i, d := range a.Dimensions {
		field := fmt.Sprintf("dimensions[%d].", i)
		if err := checkDimension(field+"name", d.Name); err != nil {
			return err
		}
		if names[d.Name] {
			return actions.WrongField(field+"name", d.Name, "a name that no other dimension has")
		}
		names[d.Name] = true
		if !templated(d.Value) {
			if err := checkDimensionValue(field+"value", d.Value); err != nil {
				return err
			}
		}
	}
	if t := a.Timestamp; t != nil {
		if t.Unit != "" && !slices.Contains(timeUnits(), t.Unit) {
			return actions.WrongField("timestamp.unit", t.Unit, "SECONDS, MILLISECONDS, MICROSECONDS or NANOSECONDS")
		}
		if !templated(t.Value) {
			if err := checkStreamTime(t.Value); err != nil {
				return err
			}
		}
	}
	return a.check()
}

var streamName256 = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,256}$`)

func checkStreamName(field, name string) error {
	if !streamName256.MatchString(name) {
		return actions.WrongField(field, name, "3 to 256 letters, digits and . - _")
	}
	return nil
}

func checkDimension(field, name string) error {
	switch {
	case name == "" || len(name) > longestMeasure || strings.Contains(name, ":"):
		return actions.WrongField(field, name, "1 to 256 bytes without a colon")
	case name == "time" || name == "measure_name" || strings.HasPrefix(name, "measure_value") || strings.HasPrefix(name, "ts_"):
		return actions.WrongField(field, name, "a name that Timestream does not keep for itself")
	}
	return nil
}

func checkDimensionValue(field, value string) error {
	if value == "" || len(value) > longestValue {
		return actions.WrongField(field, value, "1 to 2048 bytes")
	}
	return nil
}

func checkStreamTime(text string) error {
	if _, err := strconv.ParseInt(text, 10, 64); err != nil || text[0] == '+' || text[0] == '-' {
		return actions.WrongField("timestamp.value", text, "a whole number")
	}
	return nil
}

// Batch keeps to calls of one table. How many records there are is known only then.
func (a *timestreamAction) Batch() actions.Batch {
	b := actions.Batch{Events: mostRecords, Bytes: 256 << 10, AcrossTopics: true, Parallel: true}
	if templated(a.DatabaseName) || templated(a.TableName) {
		b.Key = func(ev actions.Event) string { return ev.Params[streamDatabase] + "\x00" + ev.Params[streamTable] }
	}
	return b
}

// Do writes the records of one event.
func (a *timestreamAction) Do(ctx context.Context, ev actions.Event) error { return one(ctx, a, ev) }

// DoBatch writes the records of events to one table.
func (a *timestreamAction) DoBatch(ctx context.Context, evs []actions.Event) []error {
	database, table := evs[0].Params[streamDatabase], evs[0].Params[streamTable]
	if err := cmp.Or(checkStreamName("databaseName", database), checkStreamName("tableName", table)); err != nil {
		return all(evs, actions.Permanent(err))
	}
	c, err := client(a.services, a.role, openTimestream)
	if err != nil {
		return all(evs, err)
	}
	errs := make([]error, len(evs))
	var (
		records []types.Record
		of      []int // the events of records
		ended   error // passes; nothing is written after it
	)
	for i, ev := range evs {
		made, err := a.records(ev)
		if err != nil {
			errs[i] = actions.Permanent(err)
			continue
		}
		records = append(records, made...)
		of = append(of, slices.Repeat([]int{i}, len(made))...)
	}
	failed := func(record int, err error) {
		errs[of[record]] = together(errs[of[record]], err)
		if !errors.Is(err, actions.ErrPermanent) {
			ended = err
		}
	}
	for first := 0; first < len(records); first += mostRecords {
		apart(min(mostRecords, len(records)-first), func(from, to int) error {
			if ended != nil {
				return ended
			}
			part := records[first+from : first+to]
			_, err := c.WriteRecords(ctx, &timestreamwrite.WriteRecordsInput{DatabaseName: &database, TableName: &table, Records: part})
			var some *types.RejectedRecordsException
			if errors.As(err, &some) && len(some.RejectedRecords) > 0 {
				for _, r := range some.RejectedRecords {
					if i := int(r.RecordIndex); i >= 0 && i < len(part) {
						failed(first+from+i, actions.Permanent(fmt.Errorf("the record of %q was rejected: %s", *part[i].MeasureName, clip(sdk.ToString(r.Reason), maxText))))
					}
				}
				return nil // the others are written
			}
			return a.judge(err)
		}, func(i int, err error) { failed(first+i, err) })
	}
	return errs
}

// openTimestream makes a client, which asks the service at which of its endpoints to write,
// if the host has not named one.
func openTimestream(c sdk.Config) *timestreamwrite.Client {
	return timestreamwrite.NewFromConfig(c, func(o *timestreamwrite.Options) {
		if o.BaseEndpoint != nil {
			o.EndpointDiscovery.EnableEndpointDiscovery = sdk.EndpointDiscoveryDisabled
		}
	})
}

func (a *timestreamAction) judge(err error) error {
	var moved *types.InvalidEndpointException
	if errors.As(err, &moved) {
		return passes(err)
	}
	return judge(err, templated(a.DatabaseName) || templated(a.TableName))
}

// records makes the records of an event.
func (a *timestreamAction) records(ev actions.Event) ([]types.Record, error) {
	var (
		unit  = types.TimeUnitNanoseconds
		clock = strconv.FormatInt(taken(ev).UnixNano(), 10)
	)
	if a.Timestamp != nil {
		unit, clock = types.TimeUnitMilliseconds, ev.Params[streamTime]
		if a.Timestamp.Unit != "" {
			unit = types.TimeUnit(a.Timestamp.Unit)
		}
		if err := checkStreamTime(clock); err != nil {
			return nil, err
		}
	}
	dimensions := make([]types.Dimension, len(a.Dimensions))
	for i, d := range a.Dimensions {
		value := ev.Params[streamDimensions+i]
		if err := checkDimensionValue(fmt.Sprintf("dimensions[%d].value", i), value); err != nil {
			return nil, err
		}
		dimensions[i] = types.Dimension{Name: &d.Name, Value: &value}
	}
	members, err := objectMembers(ev.Payload)
	if err != nil {
		return nil, err
	}
	if len(members) > mostRecords {
		return nil, fmt.Errorf("the payload has %d members, expected up to %d", len(members), mostRecords)
	}
	records := make([]types.Record, 0, len(members))
	for _, m := range members {
		value, kind, err := measure(m)
		if err != nil {
			return nil, err
		}
		if value == "" {
			continue
		}
		records = append(records, types.Record{
			MeasureName: &m.name, MeasureValue: &value, MeasureValueType: kind, Dimensions: dimensions, Time: &clock, TimeUnit: unit,
		})
	}
	return records, nil
}

// measure returns the value of a measure; empty if there is none.
func measure(m member) (value string, kind types.MeasureValueType, err error) {
	if m.name == "" || len(m.name) > longestMeasure {
		return "", "", actions.WrongField("the name of a measure", m.name, "1 to 256 bytes")
	}
	switch text := string(m.value); text[0] {
	case 'n':
		return "", "", nil
	case 't', 'f':
		return text, types.MeasureValueTypeBoolean, nil
	case '"':
		var s string
		if err := json.Unmarshal(m.value, &s); err != nil {
			return "", "", err
		}
		value, kind = s, types.MeasureValueTypeVarchar
	case '{', '[':
		var b bytes.Buffer
		if err := json.Compact(&b, m.value); err != nil {
			return "", "", err
		}
		value, kind = b.String(), types.MeasureValueTypeVarchar
	default:
		if strings.ContainsAny(text, ".eE") {
			if _, ok := number(text); !ok {
				return "", "", actions.WrongField(m.name, text, "a number that a DOUBLE holds")
			}
			return text, types.MeasureValueTypeDouble, nil
		}
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return "", "", actions.WrongField(m.name, text, "a whole number that a BIGINT holds, from -2^63 to 2^63-1")
		}
		return text, types.MeasureValueTypeBigint, nil
	}
	if len(value) > longestValue {
		return "", "", actions.WrongField(m.name, value, "up to 2048 bytes")
	}
	return value, kind, nil
}
