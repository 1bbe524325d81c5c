package sql

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A jodaPattern is a pattern of Joda-Time's DateTimeFormat, compiled, in the locale
// en_US.
type jodaPattern []jodaPart

// A jodaPart is a field, or text if there is no letter.
type jodaPart struct {
	letter byte
	count  int
	text   string
}

// jodaLetters are the letters that mean a field.
const jodaLetters = "GCYxweEyDMdaKhHkmsSzZ"

// newJodaPattern compiles a pattern. The error says what is wrong with it.
func newJodaPattern(pattern string) (jodaPattern, error) {
	if pattern == "" || pattern == "'" {
		return nil, errors.New("the pattern is empty")
	}
	if len(pattern) > longestPattern {
		return nil, fmt.Errorf("the pattern has %d bytes, at most %d are allowed", len(pattern), longestPattern)
	}
	var list jodaPattern
	for i := 0; i < len(pattern); {
		c := pattern[i]
		if !isPatternLetter(c) {
			text, end := jodaText(pattern, i)
			list = append(list, jodaPart{text: text})
			i = end
			continue
		}
		from := i
		for i < len(pattern) && pattern[i] == c {
			i++
		}
		if strings.IndexByte(jodaLetters, c) < 0 {
			return nil, fmt.Errorf("the letter %q at position %d of the pattern means nothing, text goes between single quotes", c, from+1)
		}
		list = append(list, jodaPart{letter: c, count: i - from})
	}
	return list, nil
}

func isPatternLetter(c byte) bool { return c|0x20-'a' < 26 }

// jodaText reads text that begins at i, up to a letter that is not between quotes.
// Two quotes stand for one.
func jodaText(pattern string, i int) (text string, end int) {
	var b []byte
	quoted := false
	for ; i < len(pattern); i++ {
		c := pattern[i]
		if c == '\'' {
			if i+1 < len(pattern) && pattern[i+1] == '\'' {
				b = append(b, c)
				i++
			} else {
				quoted = !quoted
			}
			continue
		}
		if !quoted && isPatternLetter(c) {
			break
		}
		b = append(b, c)
	}
	return string(b), i
}

// append appends a time.
func (p jodaPattern) append(dst []byte, t time.Time) []byte {
	for i := range p {
		dst = p[i].append(dst, t)
	}
	return dst
}

func (p *jodaPart) append(dst []byte, t time.Time) []byte {
	number := func(n int) []byte { return appendPadded(dst, int64(n), p.count) }
	year := func(n int) []byte {
		if p.count == 2 {
			return appendPadded(dst, int64(max(n, -n)%100), 2)
		}
		return number(n)
	}
	switch p.letter {
	case 0:
		return append(dst, p.text...)
	case 'G':
		return append(dst, eraNames[eraOf(t.Year())]...)
	case 'C':
		return number(yearOfEra(t.Year()) / 100)
	case 'Y':
		if p.count == 2 {
			return year(t.Year())
		}
		return number(yearOfEra(t.Year()))
	case 'y':
		return year(t.Year())
	case 'x':
		n, _ := t.ISOWeek()
		return year(n)
	case 'w':
		_, n := t.ISOWeek()
		return number(n)
	case 'e':
		return number(int(isoDay(t.Weekday())))
	case 'E':
		return appendName(dst, dayNames[isoDay(t.Weekday())-1], p.count >= 4)
	case 'D':
		return number(t.YearDay())
	case 'M':
		if p.count >= 3 {
			return appendName(dst, monthNames[t.Month()-1], p.count >= 4)
		}
		return number(int(t.Month()))
	case 'd':
		return number(t.Day())
	case 'a':
		return append(dst, halfNames[t.Hour()/12]...)
	case 'K':
		return number(t.Hour() % 12)
	case 'h':
		return number((t.Hour()+11)%12 + 1)
	case 'H':
		return number(t.Hour())
	case 'k':
		return number((t.Hour()+23)%24 + 1)
	case 'm':
		return number(t.Minute())
	case 's':
		return number(t.Second())
	case 'S':
		return appendFraction(dst, t.Nanosecond(), p.count)
	}
	return p.appendZone(dst, t)
}

// appendZone appends what z and Z mean.
func (p *jodaPart) appendZone(dst []byte, t time.Time) []byte {
	_, offset := t.Zone()
	switch {
	case p.letter == 'Z' && p.count >= 3:
		return append(dst, t.Location().String()...)
	case p.letter == 'Z':
		return appendOffset(dst, offset, p.count == 2)
	}
	if name := nameOfZone(t, p.count >= 4); name != "" {
		return append(dst, name...)
	}
	return appendOffset(dst, offset, true)
}

func eraOf(year int) int {
	if year > 0 {
		return 1
	}
	return 0
}

func yearOfEra(year int) int {
	if year > 0 {
		return year
	}
	return 1 - year
}

// appendPadded appends a number with at least width digits.
func appendPadded(dst []byte, n int64, width int) []byte {
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	for limit := int64(10); width > 1 && n >= limit; limit *= 10 {
		width--
	}
	for ; width > 1; width-- {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, n, 10)
}

// appendName appends a name, or its first three letters.
func appendName(dst []byte, name string, whole bool) []byte {
	if !whole {
		name = name[:3]
	}
	return append(dst, name...)
}

// appendFraction appends the first digits of the fraction of a second.
func appendFraction(dst []byte, nanos, digits int) []byte {
	from := len(dst)
	dst = appendPadded(dst, int64(nanos), 9)
	for len(dst) < from+digits {
		dst = append(dst, '0')
	}
	return dst[:from+digits]
}

// jodaZone returns the zone of a name as Joda-Time's DateTimeZone.forID does: an IANA
// name, UTC, an offset such as +02:00, or an offset behind UTC, GMT or UT; nil if it is
// none.
func jodaZone(name string) *time.Location {
	if l := location(name); l != nil {
		return l
	}
	rest := name
	for _, prefix := range [...]string{"UTC", "GMT", "UT"} {
		if s, ok := strings.CutPrefix(name, prefix); ok {
			rest = s
			break
		}
	}
	if rest == "" && name != "" || name == "GMT0" {
		return time.UTC
	}
	offset, ok := jodaOffset(rest)
	if !ok {
		return nil
	}
	return fixedZone("", offset)
}

// jodaOffset reads +h, +hh, +hhmm, +hh:mm and the same with seconds.
func jodaOffset(s string) (seconds int, ok bool) {
	if len(s) < 2 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	digits := strings.ReplaceAll(s[1:], ":", "")
	if colons := len(s) - 1 - len(digits); colons > 0 {
		for i, part := range strings.Split(s[1:], ":") {
			if len(part) != 2 && (i > 0 || len(part) != 1) {
				return 0, false
			}
		}
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	if len(digits) > 6 || countDigits(digits) != len(digits) {
		return 0, false
	}
	for i := 0; i < 6; i += 2 {
		part := 0
		if i < len(digits) {
			part, _ = strconv.Atoi(digits[i : i+2])
		}
		if i == 0 && part > 23 || part > 59 {
			return 0, false
		}
		seconds = seconds*60 + part
	}
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// timeOfMillis returns the time of milliseconds since 1970; false if Joda-Time has no
// such year.
func timeOfMillis(ms int64, zone *time.Location) (time.Time, bool) {
	if ms == math.MaxInt64 || ms == math.MinInt64 {
		return time.Time{}, false
	}
	t := time.UnixMilli(ms).In(zone)
	return t, t.Year() <= mostYear && t.Year() >= -mostYear
}
