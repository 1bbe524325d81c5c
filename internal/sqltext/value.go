package sqltext

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is that of a JSON value.
type Kind uint8

// The kinds. Document is an object, Array an array, Raw the outgoing payload, whatever
// that is.
const (
	Null Kind = iota
	Bool
	Number
	Text
	Document
	Array
	Raw
)

// A Value is a JSON value: of a Text what it says, of the others how they stand there.
type Value struct {
	Kind Kind
	Text string
}

var errJSON = errors.New("not valid JSON")

// Read reads a JSON value that is known to be valid, without spaces around it.
func Read(text string) (Value, error) {
	if text == "" {
		return Value{}, errJSON
	}
	switch c := text[0]; c {
	case 'n':
		return Value{}, nil
	case 't', 'f':
		return Value{Bool, text}, nil
	case '"':
		if len(text) < 2 || text[len(text)-1] != '"' {
			return Value{}, errJSON
		}
		if inner := text[1 : len(text)-1]; strings.IndexByte(inner, '\\') < 0 {
			return Value{Text, inner}, nil
		}
		var s string
		if json.Unmarshal([]byte(text), &s) != nil {
			return Value{}, errJSON
		}
		return Value{Text, s}, nil
	case '{':
		return Value{Document, text}, nil
	case '[':
		return Value{Array, text}, nil
	default:
		if c != '-' && c-'0' >= 10 {
			return Value{}, errJSON
		}
		return Value{Number, text}, nil
	}
}

// mostDigits bounds what [Integer] writes out: more than any column of whole numbers
// takes.
const mostDigits = 40

// Integer writes a JSON number without fraction and exponent, as columns of whole numbers
// want it: 31.0 and 3.1e1 are 31. It reports false for one that is not whole, or too long.
func Integer(number string) (string, bool) {
	if !strings.ContainsAny(number, ".eE") {
		return number, true
	}
	sign := ""
	if strings.HasPrefix(number, "-") {
		sign, number = "-", number[1:]
	}
	digits, exponent := number, 0
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		n, err := strconv.Atoi(number[i+1:])
		if err != nil || n > mostDigits || n < -len(number) {
			return "", false
		}
		digits, exponent = number[:i], n
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	point := len(whole) + exponent
	digits = whole + fraction
	if point <= 0 {
		whole, fraction = "", digits
	} else if point < len(digits) {
		whole, fraction = digits[:point], digits[point:]
	} else {
		whole, fraction = digits+strings.Repeat("0", point-len(digits)), ""
	}
	if strings.Trim(fraction, "0") != "" || len(whole) > 2*mostDigits {
		return "", false
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		return "0", true
	}
	return sign + whole, true
}

// Time is the time of a JSON number, milliseconds since 1970, exact to the microsecond. It
// reports false for years that have not four digits.
func Time(number string) (time.Time, bool) {
	var t time.Time
	if whole, ok := Integer(number); ok {
		ms, err := strconv.ParseInt(whole, 10, 64)
		if err != nil {
			return t, false
		}
		t = time.UnixMilli(ms).UTC()
	} else {
		ms, err := strconv.ParseFloat(number, 64)
		if err != nil || math.Abs(ms) > 1e15 {
			return t, false
		}
		t = time.UnixMicro(int64(math.Round(ms * 1000))).UTC()
	}
	return t, t.Year() >= 1 && t.Year() <= 9999
}

// Name quotes a name.
func Name(name string, quote byte) string {
	q := string(quote)
	return q + strings.ReplaceAll(name, q, q+q) + q
}

// Table quotes the name of a table, which may have those of a schema and a database
// before it, with points between.
func Table(name string, quote byte) string {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = Name(part, quote)
	}
	return strings.Join(parts, ".")
}

// longestName is longer than the names of any database.
const longestName = 256

// CheckName reports a name that no column can have.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("an empty name")
	case len(name) > longestName:
		return fmt.Errorf("a name of %d bytes", len(name))
	case !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0:
		return errors.New("a name that is not UTF-8")
	}
	return nil
}

// FixedName is what is expected where a name has a template.
const FixedName = "a name without templates: they stand for values, not for names"

// HasTemplate reports whether a template is in a name, where nothing would render it.
func HasTemplate(name string) bool { return strings.Contains(name, "${") }

// CheckTable reports a name that [Table] cannot quote.
func CheckTable(name string) error {
	parts := strings.Split(name, ".")
	if len(parts) > 3 {
		return fmt.Errorf("a name of %d parts", len(parts))
	}
	for _, part := range parts {
		if err := CheckName(part); err != nil {
			return err
		}
	}
	return nil
}
