package topic

import (
	"strings"
	"unicode/utf8"
)

// MaxLen is the length in bytes of the longest topic name or filter: the
// length prefix on the wire has two bytes [MQTT-4.7.3-3].
const MaxLen = 65535

// CheckName returns nil if name may be published to: 1 to MaxLen bytes
// [MQTT-4.7.3-1] [MQTT-4.7.3-3] of valid UTF-8 [MQTT-1.5.4-1] without U+0000
// [MQTT-4.7.3-2] and without wildcard characters [MQTT-4.7.0-1]
// [MQTT-3.3.2-2]. Otherwise it returns an *Error.
//
// Empty levels are fine: "/" and "a//b" are names.
func CheckName(name string) error {
	if err := checkText(kindName, name); err != nil {
		return err
	}
	if strings.IndexByte(name, '+') >= 0 {
		return invalid(kindName, name, `"+" is allowed in filters only`)
	}
	if strings.IndexByte(name, '#') >= 0 {
		return invalid(kindName, name, `"#" is allowed in filters only`)
	}
	return nil
}

// checkText checks what holds for names and filters alike.
func checkText(kind, s string) error {
	switch {
	case s == "":
		return invalid(kind, s, "must not be empty")
	case len(s) > MaxLen:
		return invalid(kind, s, "longer than 65535 bytes")
	case strings.IndexByte(s, 0) >= 0:
		return invalid(kind, s, "contains the null character")
	case !utf8.ValidString(s):
		return invalid(kind, s, "is not valid UTF-8")
	}
	return nil
}

// Levels returns the number of levels of a name or filter, which is one more
// than it has slashes.
func Levels(s string) int { return strings.Count(s, "/") + 1 }

// nextLevel returns the level of s that starts at off and where the one after
// it starts; that is beyond len(s) when there is none.
func nextLevel(s string, off int) (level string, next int) {
	// Levels are short: a plain loop beats the call of a vector search.
	for i := off; i < len(s); i++ {
		if s[i] == '/' {
			return s[off:i], i + 1
		}
	}
	return s[off:], len(s) + 1
}

// prevLevel undoes nextLevel: it returns the start of the level before the
// one that starts at off.
func prevLevel(s string, off int) int {
	i := off - 1 // at the slash, or at len(s)
	for i > 0 && s[i-1] != '/' {
		i--
	}
	return i
}
