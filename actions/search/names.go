package search

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/thinghub/thinghub/actions"
)

const (
	maxIndex = 255
	maxID    = 512
	maxShown = 80
)

// clip shortens a text that may come from a device or from the server.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "..."
}

// checkIndex checks the name of an index. Servers have the same rules, but some of them
// would refuse, and others obey, a name that is more than that. hidden allows a dot at
// its beginning.
func checkIndex(name string, hidden bool) error {
	const field = "index"
	switch {
	case name == "":
		return actions.WrongField(field, "", "the name of an index")
	case len(name) > maxIndex:
		return actions.WrongField(field, name, fmt.Sprintf("at most %d bytes", maxIndex))
	case !utf8.ValidString(name):
		return actions.WrongField(field, name, "UTF-8")
	case strings.ContainsAny(name, `\/*?"<>|,#:`) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return actions.WrongField(field, name, `a name without spaces and without \ / * ? " < > | , # and :`)
	case strings.ToLower(name) != name:
		return actions.WrongField(field, name, "a name without capital letters")
	case strings.ContainsAny(name[:1], "-_+"):
		return actions.WrongField(field, name, "a name that does not begin with -, _ or +")
	case name == "." || name == "..":
		return actions.WrongField(field, name, "the name of an index")
	case name[0] == '.' && !hidden:
		return actions.WrongField(field, name, "a name that does not begin with a dot, unless it stands in the rule")
	}
	return nil
}

// checkID checks the id of a document.
func checkID(id string) error {
	switch {
	case id == "":
		return actions.WrongField("id", "", "the id of a document")
	case len(id) > maxID:
		return actions.WrongField("id", id, fmt.Sprintf("at most %d bytes", maxID))
	case !utf8.ValidString(id):
		return actions.WrongField("id", id, "UTF-8")
	}
	return nil
}

// checkType checks a type, which only old servers see.
func checkType(name string) error {
	if name == "" || len(name) > maxIndex || !utf8.ValidString(name) {
		return actions.WrongField("type", name, "the name of a type")
	}
	return nil
}

// checkVersion checks a version and returns it as a number is written.
func checkVersion(text string) (string, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return "", actions.WrongField("version", text, "a whole number that is not negative")
	}
	return strconv.FormatInt(n, 10), nil
}
