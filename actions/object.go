package actions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// An Object reads the parameters of an action from a JSON object, strictly: a member
// that nobody asks for is an error, and so is one that comes twice, is missing or has
// another type. One that is null counts as absent, as in AWS. Names are compared exactly.
// The first error is kept, and what is read after it is empty; so a [Decoder] reads all
// members and asks Done at the end.
type Object struct {
	path    string // of the object, with a dot at the end; empty for the outermost
	members map[string]json.RawMessage
	known   map[string]bool
	root    *Object
	err     error // of the root
}

// ReadObject begins with a text that must be one JSON object.
func ReadObject(data []byte) *Object {
	o := &Object{}
	o.root = o
	o.read(data)
	return o
}

func (o *Object) read(data []byte) {
	o.members, o.known = map[string]json.RawMessage{}, map[string]bool{}
	where := strings.TrimSuffix(o.path, ".")
	d := json.NewDecoder(bytes.NewReader(data))
	start, err := d.Token()
	if err != nil || start != json.Delim('{') {
		o.fail(cmpName(where), describe(data), "an object")
		return
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			o.malformed(err)
			return
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			o.malformed(err)
			return
		}
		key := name.(string) // a member's name is a string
		if _, twice := o.members[key]; twice {
			o.failf("%s%s stands there twice", o.path, key)
			return
		}
		o.members[key] = value
	}
	if _, err := d.Token(); err != nil {
		o.malformed(err)
		return
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		o.failf("something follows the object")
	}
}

func cmpName(where string) string {
	if where == "" {
		return "the text"
	}
	return where
}

func (o *Object) malformed(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	o.failf("not valid JSON: %w", err)
}

func (o *Object) failf(format string, args ...any) {
	if o.root.err == nil {
		o.root.err = fmt.Errorf(format, args...)
	}
}

// fail reports a member; value is already fit to be shown.
func (o *Object) fail(field, value, want string) {
	if o.root.err == nil {
		o.root.err = &FieldError{Field: field, Value: value, Want: want}
	}
}

// Refuse makes the object wrong: the value of a member is not what is wanted.
func (o *Object) Refuse(name, value, want string) { o.fail(o.path+name, Shown(value), want) }

// Has reports whether there is a member that is not null.
func (o *Object) Has(name string) bool {
	v, ok := o.members[name]
	return ok && string(v) != "null"
}

// get returns a member and marks it as known.
func (o *Object) get(name string) (json.RawMessage, bool) {
	o.known[name] = true
	return o.members[name], o.Has(name) && o.root.err == nil
}

// Text returns a text, "" if there is none.
func (o *Object) Text(name string) string {
	v, ok := o.get(name)
	if !ok {
		return ""
	}
	var s string
	if v[0] != '"' || json.Unmarshal(v, &s) != nil {
		o.fail(o.path+name, describe(v), "a text")
	}
	return s
}

// Need returns a text that must be there and not be empty.
func (o *Object) Need(name string) string {
	s := o.Text(name)
	if s == "" {
		o.fail(o.path+name, "", "a text")
	}
	return s
}

// Enum returns a text that is one of values, "" if there is none.
func (o *Object) Enum(name string, values ...string) string {
	s := o.Text(name)
	if (s != "" || o.Has(name)) && !slices.Contains(values, s) {
		o.fail(o.path+name, strconv.Quote(s), oneOf(values))
		return ""
	}
	return s
}

func oneOf(values []string) string {
	last := len(values) - 1
	if last == 0 {
		return values[0]
	}
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

// Bool returns true or false, false if there is none.
func (o *Object) Bool(name string) bool {
	v, ok := o.get(name)
	if !ok {
		return false
	}
	switch string(v) {
	case "true":
		return true
	case "false":
		return false
	}
	o.fail(o.path+name, describe(v), "true or false")
	return false
}

// Int returns a whole number from low to high, 0 if there is none.
func (o *Object) Int(name string, low, high int) int {
	v, ok := o.get(name)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(string(v))
	if err != nil || n < low || n > high {
		o.fail(o.path+name, describe(v), fmt.Sprintf("a whole number from %d to %d", low, high))
		return 0
	}
	return n
}

// Object returns a member that is an object, and whether there is one. Without one it is
// an empty object, whose members can be asked for all the same.
func (o *Object) Object(name string) (*Object, bool) {
	v, ok := o.get(name)
	c := &Object{path: o.path + name + ".", root: o.root}
	if !ok {
		c.members, c.known = map[string]json.RawMessage{}, map[string]bool{}
		return c, false
	}
	c.read(v)
	return c, true
}

// Items returns the items of a member that is an array of low to high items, and whether
// there is one.
func (o *Object) Items(name string, low, high int) ([]json.RawMessage, bool) {
	v, ok := o.get(name)
	if !ok {
		return nil, false
	}
	var items []json.RawMessage
	if v[0] != '[' || json.Unmarshal(v, &items) != nil {
		o.fail(o.path+name, describe(v), "an array")
		return nil, true
	}
	if len(items) < low || len(items) > high {
		o.fail(o.path+name, fmt.Sprintf("an array of %d", len(items)), fmt.Sprintf("%d to %d items", low, high))
		return nil, true
	}
	return items, true
}

// List returns a member that is an array of low to high texts, nil if there is none.
func (o *Object) List(name string, low, high int) []string {
	items, _ := o.Items(name, low, high)
	var list []string
	for i, item := range items {
		var s string
		if item[0] != '"' || json.Unmarshal(item, &s) != nil {
			o.fail(fmt.Sprintf("%s%s[%d]", o.path, name, i), describe(item), "a text")
			return nil
		}
		list = append(list, s)
	}
	return list
}

// Each calls read for each of the Items, which must be objects, and reports whether there
// is such a member.
func (o *Object) Each(name string, low, high int, read func(item *Object)) bool {
	items, ok := o.Items(name, low, high)
	for i, item := range items {
		c := &Object{path: fmt.Sprintf("%s%s[%d].", o.path, name, i), root: o.root}
		c.read(item)
		if o.root.err != nil {
			break
		}
		read(c)
		_ = c.Done()
	}
	return ok
}

// Texts returns a member that is an object of texts, such as tags; nil if there is none.
func (o *Object) Texts(name string) map[string]string {
	c, ok := o.Object(name)
	if !ok {
		return nil
	}
	m := make(map[string]string, len(c.members))
	for key := range c.members {
		m[key] = c.Text(key)
	}
	return m
}

// Raw returns a member as it stands there, nil if there is none. null is one.
func (o *Object) Raw(name string) json.RawMessage {
	v, _ := o.get(name)
	return v
}

// Done says that all members were asked for: others are an error. It returns the first
// error. For the items of Each it is called by Each.
func (o *Object) Done() error {
	if o.root.err != nil {
		return o.root.err
	}
	var known, unknown []string
	for name := range o.known {
		known = append(known, name)
	}
	for name := range o.members {
		if !o.known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(known)
		slices.Sort(unknown)
		o.failf("%s is not known, expected %s", o.path+clip(unknown[0]), oneOf(known))
	}
	return o.root.err
}

func clip(s string) string {
	q := Shown(s)
	if q[1:len(q)-1] == s {
		return s
	}
	return q
}

// describe shows a JSON value in an error.
func describe(v []byte) string {
	v = bytes.TrimSpace(v)
	switch {
	case len(v) == 0:
		return "nothing"
	case v[0] == '{':
		return "an object"
	case v[0] == '[':
		return "an array"
	case len(v) > maxShown:
		return string(v[:maxShown]) + "..."
	}
	return string(v)
}
