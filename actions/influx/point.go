package influx

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thinghub/thinghub/actions"
)

const (
	timestampKey = "timestamp"
	maxFields    = 1000 // of a point
	maxDepth     = 16   // of objects and arrays in a point
)

// A pointer makes the points of events, one after the other.
type pointer struct {
	a      *Action
	line   []byte
	series []byte    // measurement and tags
	time   time.Time // of the message
	fields int       // of the point
	seen   map[string]struct{}
}

// points appends the lines of an event: one for each point of its payload.
func (p *pointer) points(dst []byte, ev *actions.Event) ([]byte, error) {
	if !json.Valid(ev.Payload) {
		return dst, errors.New("the payload is not JSON")
	}
	if err := p.begin(ev); err != nil {
		return dst, err
	}
	p.line = dst
	payload := gjson.ParseBytes(ev.Payload)
	if !payload.IsArray() {
		err := p.point(payload, true)
		return p.line, err
	}
	items := payload.Array()
	for i, item := range items {
		if err := p.point(item, len(items) == 1); err != nil {
			return p.line, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return p.line, nil
}

// begin renders what all points of an event have.
func (p *pointer) begin(ev *actions.Event) error {
	measurement := ev.Params[0]
	if err := checkMeasurement(measurement); err != nil {
		return err
	}
	b := appendMeasurement(p.series[:0], measurement)
	for i, key := range p.a.tagKeys {
		value := ev.Params[1+i]
		if value == "" { // there is no empty tag
			continue
		}
		if err := checkName(value); err != nil {
			return fmt.Errorf("tags.%s: %w", key, err)
		}
		b = append(appendName(append(b, ','), key), '=')
		b = appendName(b, value)
	}
	p.series, p.time = append(b, ' '), ev.Message.Time
	return nil
}

// point appends the line of a point. Its time may be that of the message if it is the
// only one; others would overwrite it.
func (p *pointer) point(v gjson.Result, only bool) error {
	if !v.IsObject() {
		return fmt.Errorf("the payload is %s, expected an object or an array of objects", describe(v))
	}
	p.line = append(p.line, p.series...)
	p.fields = 0
	clear(p.seen)
	var at gjson.Result
	var err error
	v.ForEach(func(key, value gjson.Result) bool {
		if key.Str == timestampKey && value.Type != gjson.Null {
			if at.Exists() {
				err = errors.New("timestamp stands there twice")
			}
			at = value
		} else if key.Str != timestampKey {
			err = p.member(name(key), value, 1)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if p.fields == 0 {
		return errors.New("there is no field to write")
	}
	switch {
	case at.Exists():
		ns, err := p.a.unit.nanoseconds(at)
		if err != nil {
			return err
		}
		p.line = strconv.AppendInt(append(p.line, ' '), ns, 10)
	case !only:
		return errors.New("timestamp is missing, which each of several points needs")
	case !p.time.IsZero():
		p.line = strconv.AppendInt(append(p.line, ' '), p.time.UnixNano(), 10)
	}
	p.line = append(p.line, '\n')
	return nil
}

// name is the text of a key. JSON may hold what is not UTF-8, and halves of pairs.
func name(key gjson.Result) string { return strings.ToValidUTF8(key.Str, "\uFFFD") }

// member appends a member of a point: as a field, or, if it is an object or an array, what
// it has as fields.
func (p *pointer) member(name string, v gjson.Result, depth int) error {
	switch {
	case v.Type == gjson.Null:
		return nil
	case v.Type != gjson.JSON:
		return p.field(name, v)
	case depth == maxDepth:
		return fmt.Errorf("field %s: it is more than %d deep", actions.Shown(name), maxDepth)
	}
	n, array := 0, v.IsArray()
	var err error
	v.ForEach(func(key, value gjson.Result) bool {
		inner := strings.ToValidUTF8(key.Str, "\uFFFD")
		if array {
			inner = strconv.Itoa(n)
			n++
		}
		err = p.member(name+"_"+inner, value, depth+1)
		return err == nil
	})
	return err
}

// field appends a field, unless the action does not want it.
func (p *pointer) field(name string, v gjson.Result) error {
	kind := Auto
	if p.a.write.Fields != nil {
		var wanted bool
		if kind, wanted = p.a.write.Fields[name]; !wanted {
			return nil
		}
	}
	if p.a.client.api == VictoriaMetrics && v.Type == gjson.String && (kind == Auto || kind == "") {
		return nil
	}
	if _, twice := p.seen[name]; twice {
		return fmt.Errorf("there are two fields of the name %s", actions.Shown(name))
	}
	p.seen[name] = struct{}{}
	if err := checkKey(name); err != nil {
		return fmt.Errorf("field %s: %w", actions.Shown(name), err)
	}
	if p.fields++; p.fields > maxFields {
		return fmt.Errorf("there are more than %d fields", maxFields)
	}
	if p.fields > 1 {
		p.line = append(p.line, ',')
	}
	p.line = append(appendName(p.line, name), '=')
	if err := p.value(kind, v); err != nil {
		return fmt.Errorf("field %s: %w", actions.Shown(name), err)
	}
	return nil
}

// value appends the value of a field.
func (p *pointer) value(kind FieldType, v gjson.Result) error {
	if kind == "" || kind == Auto {
		switch v.Type {
		case gjson.String:
			kind = Text
		case gjson.True, gjson.False:
			kind = Boolean
		case gjson.Number:
			kind = Auto
		case gjson.Null, gjson.JSON: // which are no fields
		}
	}
	switch {
	case kind == Text:
		return p.text(v)
	case kind == Boolean && v.IsBool():
		p.line = append(p.line, v.Raw...)
		return nil
	case kind == Boolean:
		return fmt.Errorf("it is %s, expected true or false", describe(v))
	case v.Type != gjson.Number:
		return fmt.Errorf("it is %s, expected a number", describe(v))
	case kind == Integer || kind == Auto && p.a.write.Integers && !strings.ContainsAny(v.Raw, ".eE"):
		n, ok := whole(v.Raw)
		if !ok {
			return fmt.Errorf("it is %s, expected a whole number of 64 bits", describe(v))
		}
		p.line = append(strconv.AppendInt(p.line, n, 10), 'i')
		return nil
	}
	f, ok, err := exact(v.Raw)
	switch {
	case err != nil:
		return fmt.Errorf("it is %s, which is no number of 64 bits", describe(v))
	case !ok && kind == Auto:
		return fmt.Errorf(`it is %s, which no float is: give it the type "integer", or "float" to round it`, describe(v))
	}
	p.line = strconv.AppendFloat(p.line, f, 'g', -1, 64)
	return nil
}

// text appends a text; what is none is written as it stands in the payload.
func (p *pointer) text(v gjson.Result) error {
	s := v.Raw
	if v.Type == gjson.String {
		s = strings.ToValidUTF8(v.Str, "\uFFFD")
	}
	if !p.a.client.lineBreaks && strings.ContainsAny(s, "\n\r") {
		return errors.New("it holds a line break, which Config.LineBreaks allows")
	}
	p.line = appendText(p.line, s)
	return nil
}

// nanoseconds returns a time that a payload says.
func (u Unit) nanoseconds(v gjson.Result) (int64, error) {
	n, ok := int64(0), false
	if v.Type == gjson.Number {
		n, ok = whole(v.Raw)
	}
	if !ok {
		return 0, fmt.Errorf("timestamp is %s, expected a whole number", describe(v))
	}
	per := u.per()
	// InfluxDB keeps the first and the last nanoseconds for itself.
	if n > (math.MaxInt64-1)/per || n < (math.MinInt64+2)/per {
		return 0, fmt.Errorf("timestamp is %s, which in %s is not between the years 1677 and 2262", describe(v), strings.ToLower(string(u.orDefault())))
	}
	return n * per, nil
}

// describe shows a value in an error.
func describe(v gjson.Result) string {
	switch {
	case v.IsObject():
		return "an object"
	case v.IsArray():
		return "an array"
	}
	const maxShown = 80
	if len(v.Raw) > maxShown {
		return strings.ToValidUTF8(v.Raw[:maxShown], "") + "..."
	}
	return v.Raw
}
