package influx

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/thinghub/thinghub/actions"
)

// The line protocol has no way to write every name. Its servers differ in what a backslash
// means: InfluxDB takes it as it is unless it stands before a separator, VictoriaMetrics
// takes two of them as one. What they would read differently, or what would end a name or a
// line for one of them, is refused.

// checkName checks a measurement, the key or value of a tag, or the key of a field.
func checkName(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not UTF-8", actions.Shown(s))
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			return fmt.Errorf("%s holds a control character, which a line cannot", actions.Shown(s))
		case c == '\\' && (i+1 == len(s) || isSeparator(s[i+1])):
			return fmt.Errorf("%s holds a backslash before a separator or at its end, which a line cannot", actions.Shown(s))
		}
	}
	return nil
}

// checkMeasurement checks a measurement.
func checkMeasurement(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("the measurement is empty")
	case s[0] == '#':
		return fmt.Errorf("the measurement %s begins as a comment does", actions.Shown(s))
	}
	return checkName(s)
}

// checkKey checks the key of a tag or field. A quote would begin a text, for some.
func checkKey(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("a name is empty")
	case s == "time":
		return fmt.Errorf(`"time" is a name that the database keeps for itself`)
	case strings.Contains(s, `"`):
		return fmt.Errorf("the name %s holds a quote, which a line cannot", actions.Shown(s))
	}
	return checkName(s)
}

func isSeparator(c byte) bool { return c == ',' || c == '=' || c == ' ' }

// appendMeasurement appends a measurement that was checked.
func appendMeasurement(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == ',' || s[i] == ' ' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return dst
}

// appendName appends the key or value of a tag or the key of a field, which was checked.
func appendName(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if isSeparator(s[i]) {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return dst
}

// appendText appends the value of a field that is a text.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}
