package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrMalformed is wrapped by every error about the text of a document. AWS calls it
// MalformedPolicyException.
var ErrMalformed = errors.New("policy: malformed document")

// ErrScope: the scope given to [Compile] is not the beginning of resource names.
var ErrScope = errors.New("policy: bad scope")

// Malformed says what is wrong with a document, and where. It wraps [ErrMalformed].
type Malformed struct {
	// Path is the element, such as "Statement[1].Action[0]"; "document" for the
	// whole, and "byte 17" where the text is not JSON at all.
	Path string
	// Value is what was found, shortened.
	Value string
	// Expected says what would have been right.
	Expected string
}

// Error names the element, its value and what was expected.
func (m *Malformed) Error() string {
	return fmt.Sprintf("%v: %s is %s, expected %s", ErrMalformed, m.Path, m.Value, m.Expected)
}

// Unwrap returns [ErrMalformed].
func (m *Malformed) Unwrap() error { return ErrMalformed }

// shown is a text in quotes, cut to what fits into a log line.
func shown(s string) string {
	const most = 80
	if len(s) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "..."
	}
	return fmt.Sprintf("%q", s)
}

// join adds an element to a path.
func join(path, element string) string {
	if path == "" || strings.HasPrefix(element, "[") {
		return path + element
	}
	return path + "." + element
}
