package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"
)

// read reads the whole body, once, up to the limit of the operation. The authenticator
// may have done so before, since signatures cover it.
func (c *call) read() ([]byte, error) {
	if !c.wasRead {
		c.wasRead = true
		c.body, c.unread = c.readBody()
	}
	return c.body, c.unread
}

func (c *call) readBody() ([]byte, error) {
	r := c.r.Body
	if c.limit >= 0 {
		r = http.MaxBytesReader(c.answer.ResponseWriter, r, c.limit)
	}
	body, err := io.ReadAll(r)
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, failure{status: http.StatusRequestEntityTooLarge, kind: "RequestEntityTooLargeException", message: "The payload exceeds the maximum size allowed"}
	}
	if err != nil {
		return nil, badBody("the body ended early")
	}
	return body, nil
}

func badBody(format string, args ...any) failure {
	return failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: fmt.Sprintf(format, args...)}
}

// input reads the body of a request, an empty one like {}. Members that are not known
// are ignored. What is there twice, in the case of another member, or no UTF-8 is
// refused: encoding/json would take one of it, changed perhaps.
func input[T any](c *call) (in T, err error) {
	body, err := c.read()
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return in, err
	}
	if !utf8.Valid(body) {
		return in, badBody("the body is not UTF-8")
	}
	if err := json.Unmarshal(body, &in); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			what := t.Field
			if what == "" {
				what = "the body"
			}
			return in, badBody("%s is %s, expected %s", what, valueName(t.Value), wireName(t.Type.Kind()))
		}
		return in, badBody("the body is not JSON: %v", err)
	}
	m := members{json.NewDecoder(bytes.NewReader(body))}
	m.dec.UseNumber() // none is too large
	return in, m.check("", reflect.TypeFor[T]())
}

// wireName is what callers call a kind of Go's.
func wireName(kind reflect.Kind) string {
	switch kind {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}

// valueName is what callers call a value that encoding/json names.
func valueName(value string) string {
	switch value {
	case "array", "object":
		return "an " + value
	case "bool":
		return "true or false"
	default: // string, or number with its text
		return "a " + value
	}
}

// members checks the names of members in JSON text that is valid.
type members struct{ dec *json.Decoder }

// check reads one value; at is where it stands, and t what it becomes: nil if it is
// ignored.
func (m members) check(at string, t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	token, err := m.dec.Token()
	if err != nil {
		return badBody("the body is not JSON: %v", err)
	}
	switch token {
	case json.Delim('{'):
		seen := map[string]bool{}
		for m.dec.More() {
			token, err := m.dec.Token()
			if err != nil {
				return badBody("the body is not JSON: %v", err)
			}
			name, _ := token.(string) // nothing else can be here
			where := strings.TrimPrefix(at+"."+name, ".")
			if seen[name] {
				return badBody("%s is there twice", where)
			}
			seen[name] = true
			of, err := member(t, name, where)
			if err == nil {
				err = m.check(where, of)
			}
			if err != nil {
				return err
			}
		}
	case json.Delim('['):
		var of reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			of = t.Elem()
		}
		for m.dec.More() {
			if err := m.check(at, of); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = m.dec.Token() // the end of it
	return err
}

// member returns the type of a member of t, nil if it has none of that name.
func member(t reflect.Type, name, where string) (reflect.Type, error) {
	if t == nil {
		return nil, nil
	}
	if t.Kind() == reflect.Map {
		return t.Elem(), nil
	}
	if t.Kind() != reflect.Struct {
		return nil, nil
	}
	var alike string
	for i := range t.NumField() {
		f := t.Field(i)
		own, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if own == "" {
			own = f.Name
		}
		if own == name {
			return f.Type, nil
		}
		if strings.EqualFold(own, name) {
			alike = own
		}
	}
	if alike != "" {
		return nil, badBody("%s is not known, expected the name %s in this case of letters", where, alike)
	}
	return nil, nil
}

// required refuses a member that is missing.
func required(name, value string) error {
	if value == "" {
		return badBody("%s is missing", name)
	}
	return nil
}
