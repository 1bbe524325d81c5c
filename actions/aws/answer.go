package aws

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/thinghub/thinghub/actions"
)

// csvLine makes a line of the members of a JSON object with the given names.
func csvLine(object []byte, names []string) ([]byte, error) {
	members, err := objectMembers(object)
	if err != nil {
		return nil, err
	}
	values := map[string]json.RawMessage{}
	for _, m := range members {
		values[m.name] = m.value
	}
	fields := make([]string, len(names))
	for i, name := range names {
		v, ok := values[name]
		if !ok {
			return nil, fmt.Errorf("the payload has no member %q", name)
		}
		if fields[i], err = csvField(name, v); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(fields); err != nil {
		return nil, err
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

func csvField(name string, v json.RawMessage) (s string, err error) {
	switch v[0] {
	case 'n':
		return "", nil
	case 't':
		return "1", nil
	case 'f':
		return "0", nil
	case '"':
		return s, json.Unmarshal(v, &s)
	case '{', '[':
		return "", actions.WrongField(name, string(v), "a number, a text, true or false")
	}
	return string(v), nil
}

// answerJSON makes JSON of what a model answers: JSON, as a number is too, as it is; of a line
// of CSV with several values an array, of another text a text, and of bytes base64.
func answerJSON(contentType string, body []byte) json.RawMessage {
	trimmed := bytes.TrimSpace(body)
	if json.Valid(trimmed) {
		return trimmed
	}
	if !utf8.Valid(trimmed) {
		return quoted(base64.StdEncoding.EncodeToString(body))
	}
	if mediaType, _, _ := strings.Cut(contentType, ";"); strings.TrimSpace(mediaType) == "text/csv" {
		r := csv.NewReader(bytes.NewReader(trimmed))
		r.FieldsPerRecord = -1
		if lines, err := r.ReadAll(); err == nil && len(lines) == 1 && len(lines[0]) > 1 {
			b := []byte{'['}
			for i, field := range lines[0] {
				if i > 0 {
					b = append(b, ',')
				}
				if field = strings.TrimSpace(field); isNumber(field) {
					b = append(b, field...)
				} else {
					b = append(b, quoted(field)...)
				}
			}
			return append(b, ']')
		}
	}
	return quoted(string(trimmed))
}

// isNumber reports whether a text is a JSON number.
func isNumber(text string) bool {
	_, ok := number(text)
	return ok && json.Valid([]byte(text))
}

func quoted(text string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a text has no error
	return bytes.TrimSpace(b.Bytes())
}

// withMember returns an object with another member; one with the same name is replaced.
func withMember(object []byte, name string, value json.RawMessage) ([]byte, error) {
	members, err := objectMembers(object)
	if err != nil {
		return nil, err
	}
	b := []byte{'{'}
	for _, m := range append(members, member{name, value}) {
		if m.name == name && &m.value[0] != &value[0] {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, quoted(m.name)...), ':'), m.value...)
	}
	return append(b, '}'), nil
}
