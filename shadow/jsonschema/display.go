package jsonschema

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is shown, in bytes.
const (
	longestValue  = 36
	longestPath   = 64
	longestWanted = 64
)

// at is the value at a place, nil if there is none.
func at(v any, path []string) any {
	for _, step := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// pointer is a path as a JSON Pointer.
func pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(escape(step))
	}
	return b.String()
}

// escape writes a step as JSON Pointers have it, and what nobody can read as JSON has it.
func escape(step string) string {
	if strings.ContainsFunc(step, unicode.IsControl) {
		text, err := json.Marshal(step)
		if err == nil {
			step = string(text[1 : len(text)-1])
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(step, "~", "~0"), "/", "~1")
}

// shortenPath keeps the end of a path, which says more than its beginning.
func shortenPath(path string) string {
	switch {
	case path == "":
		return "the document"
	case len(path) <= longestPath:
		return path
	}
	cut := len(path) - longestPath + len("…")
	for !utf8.RuneStart(path[cut]) {
		cut++
	}
	return "…" + path[cut:]
}

// shorten keeps the beginning of a text.
func shorten(s string, longest int) string {
	if len(s) <= longest {
		return s
	}
	cut := max(0, longest-len("…"))
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// display is a value as it was found.
func display(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "an object with " + count(len(v), "member")
	case []any:
		return "an array with " + count(len(v), "item")
	}
	return literal(v)
}

// literal is a value in JSON.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case json.Number:
		return shorten(v.String(), longestValue)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "a value"
	}
	return shorten(string(text), longestValue)
}

// quote is a text in JSON, which may be half as long again as others for its escapes.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(shorten(s, longestValue)); err != nil {
		return `"…"`
	}
	text := strings.TrimSuffix(b.String(), "\n")
	if len(text) > longestValue*3/2 {
		text = shorten(text, longestValue*3/2) + `"`
	}
	return text
}

func oneOf(values []any) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = literal(v)
	}
	return strings.Join(list, " or ")
}

func types(list []string) string {
	out := make([]string, len(list))
	for i, t := range list {
		switch t {
		case "null":
			out[i] = t
		case "integer", "object", "array":
			out[i] = "an " + t
		default:
			out[i] = "a " + t
		}
	}
	return strings.Join(out, " or ")
}

func names(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return shorten(strings.Join(quoted, ", "), longestWanted)
}

func them(list []string) string {
	if len(list) == 1 {
		return "it"
	}
	return "them"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// decimal is a number with all its digits: those of JSON have an end.
func decimal(r *big.Rat) string {
	digits, exact := r.FloatPrec()
	if !exact {
		digits = longestValue
	}
	return shorten(r.FloatString(digits), longestValue)
}
