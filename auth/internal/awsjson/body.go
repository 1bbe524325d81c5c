package awsjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// decode reads an input, an empty body like {}. Members that are not known are ignored. A
// member that is there twice, also in another case of letters, is refused: readers
// disagree about which of them counts.
func decode(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	if !utf8.Valid(body) {
		return errors.New("the body is not UTF-8")
	}
	if bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
		return errors.New("the body is not a JSON object")
	}
	if err := json.Unmarshal(body, into); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("%s is a JSON %s, expected another type", t.Field, t.Value)
		}
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return unique(d)
}

// unique reads one value and refuses members that come twice.
func unique(d *json.Decoder) error {
	t, err := d.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("the body is empty")
		}
		return err
	}
	switch t {
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return err
			}
			text, _ := name.(string)                         // nothing else can be here
			folded := strings.ToLower(strings.ToUpper(text)) // as encoding/json folds
			if seen[folded] {
				return fmt.Errorf("the member %.100q is there twice", text)
			}
			seen[folded] = true
			if err := unique(d); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for d.More() {
			if err := unique(d); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token() // the end of it
	return err
}
