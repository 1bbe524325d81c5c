package clickhouse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"

	"github.com/thinghub/thinghub/actions"
)

// separator follows each row. Every version takes the comma, and an array needs it.
const separator = ",\n"

// rows appends the rows of an event: the object that its payload is, or those in the array
// that it is.
func (a *Action) rows(dst []byte, ev *actions.Event) ([]byte, error) {
	if !json.Valid(ev.Payload) {
		return dst, errors.New("the payload is not JSON")
	}
	payload := gjson.ParseBytes(ev.Payload)
	if !payload.IsArray() {
		return a.row(dst, payload)
	}
	var err error
	i := 0
	payload.ForEach(func(_, item gjson.Result) bool {
		if dst, err = a.row(dst, item); err != nil {
			err = fmt.Errorf("[%d]: %w", i, err)
		}
		i++
		return err == nil
	})
	return dst, err
}

func (a *Action) row(dst []byte, v gjson.Result) ([]byte, error) {
	if !v.IsObject() {
		return dst, fmt.Errorf("the payload is %s, expected an object or an array of objects", describe(v))
	}
	if len(a.insert.Columns) == 0 {
		b := bytes.NewBuffer(dst)
		if err := json.Compact(b, []byte(v.Raw)); err != nil {
			return dst, err
		}
		return append(b.Bytes(), separator...), nil
	}
	members := map[string]string{}
	v.ForEach(func(key, value gjson.Result) bool {
		members[key.Str] = value.Raw
		return true
	})
	dst = append(dst, '{')
	some := false
	for _, column := range a.insert.Columns {
		value, ok := members[column]
		if !ok {
			continue
		}
		if some {
			dst = append(dst, ',')
		}
		some = true
		dst = append(append(append(dst, '"'), column...), '"', ':') // a column needs no escapes
		b := bytes.NewBuffer(dst)
		if err := json.Compact(b, []byte(value)); err != nil {
			return dst, err
		}
		dst = b.Bytes()
	}
	if !some {
		return dst, errors.New("the payload has none of the columns")
	}
	return append(append(dst, '}'), separator...), nil
}

// describe shows a value in an error.
func describe(v gjson.Result) string {
	switch {
	case v.IsArray():
		return "an array"
	case v.Type == gjson.String:
		return "a text"
	}
	return v.Raw
}
