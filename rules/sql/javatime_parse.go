package sql

import (
	"math"
	"strings"
	"time"
)

// A parsedTime is what was read of a text so far.
type parsedTime struct {
	there  uint32 // which of values are
	values [javaFields]int64
	zone   *time.Location
}

func (p *parsedTime) has(f javaField) bool { return p.there&(1<<f) != 0 }

// set notes a field that ends before index end, which it returns; -1 if the text says
// something else of the field, too.
func (p *parsedTime) set(f javaField, n int64, end int) int {
	if !p.put(f, n) {
		return -1
	}
	return end
}

// put notes a field. It reports false if there is another value of it.
func (p *parsedTime) put(f javaField, n int64) bool {
	if p.has(f) && p.values[f] != n {
		return false
	}
	p.there |= 1 << f
	p.values[f] = n
	return true
}

// take removes a field.
func (p *parsedTime) take(f javaField) (int64, bool) {
	ok := p.has(f)
	p.there &^= 1 << f
	return p.values[f], ok
}

func (n *numberPart) parse(p *parsedTime, s string, i int) int {
	if i == len(s) {
		return -1
	}
	negative, positive := false, false
	if !n.fraction {
		switch s[i] {
		case '+':
			positive = true
		case '-':
			negative = true
		}
		switch {
		case positive && n.sign != signExceedsPad, negative && n.sign == signNever:
			return -1
		case positive || negative:
			i++
		}
	}
	digits := countDigits(s[i:min(len(s), i+n.most+n.after)])
	if digits < n.least {
		return -1
	}
	if n.after > 0 {
		digits = max(n.least, digits-n.after)
	}
	value, digits, ok := readDigits(s[i : i+digits])
	switch {
	case !ok, negative && value == 0:
		return -1
	case negative:
		value = -value
	case n.sign == signExceedsPad && positive != (digits > n.least):
		return -1
	}
	if n.fraction {
		for range 9 - digits {
			value *= 10
		}
	}
	if n.reduced {
		value += 2000
	}
	return p.set(n.field, value, i+digits)
}

// readDigits reads digits, at most 19; of those that do not fit an int64 one less.
func readDigits(s string) (n int64, digits int, ok bool) {
	for digits < len(s) {
		d := int64(s[digits] - '0')
		if n > (math.MaxInt64-d)/10 {
			break
		}
		n = n*10 + d
		digits++
	}
	return n, digits, digits > 0
}

func (o *offsetPart) parse(p *parsedTime, s string, i int) int {
	if strings.HasPrefix(s[i:], o.zero) {
		return p.set(fieldOffset, 0, i+len(o.zero))
	}
	seconds, end := o.read(s, i)
	if end < 0 {
		return -1
	}
	return p.set(fieldOffset, int64(seconds), end)
}

// read reads an offset with a sign.
func (o *offsetPart) read(s string, i int) (seconds, end int) {
	if i >= len(s) || s[i] != '+' && s[i] != '-' {
		return 0, -1
	}
	negative := s[i] == '-'
	hours, end := belowSixty(s, i+1, false)
	if end < 0 || hours > 23 {
		return 0, -1
	}
	minutes, secs := 0, 0
	if o.minutes {
		n, j := belowSixty(s, end, o.colon)
		switch {
		case j >= 0:
			minutes, end = n, j
		case !o.optionalMinutes:
			return 0, -1
		}
	}
	if o.seconds {
		if n, j := belowSixty(s, end, o.colon); j >= 0 {
			secs, end = n, j
		}
	}
	seconds = hours*3600 + minutes*60 + secs
	if negative {
		seconds = -seconds
	}
	return seconds, end
}

// belowSixty is twoDigits for a number below 60.
func belowSixty(s string, i int, colon bool) (n, end int) {
	if n, end = twoDigits(s, i, colon); n > 59 {
		return 0, -1
	}
	return n, end
}

// twoDigits reads two digits, with a colon before them or not.
func twoDigits(s string, i int, colon bool) (n, end int) {
	if colon {
		if i >= len(s) || s[i] != ':' {
			return 0, -1
		}
		i++
	}
	if i+2 > len(s) || !isDigit(s[i]) || !isDigit(s[i+1]) {
		return 0, -1
	}
	return int(s[i]-'0')*10 + int(s[i+1]-'0'), i + 2
}

func (o localOffsetPart) parse(p *parsedTime, s string, i int) int {
	if !strings.HasPrefix(s[i:], "GMT") {
		return -1
	}
	i += len("GMT")
	if i == len(s) || s[i] != '+' && s[i] != '-' {
		return p.set(fieldOffset, 0, i)
	}
	negative := s[i] == '-'
	hours, end := twoDigits(s, i+1, false)
	if end < 0 {
		if o.full || i+1 >= len(s) || !isDigit(s[i+1]) {
			return -1
		}
		hours, end = int(s[i+1]-'0'), i+2
	}
	minutes, j := twoDigits(s, end, true)
	secs := 0
	if j >= 0 {
		end = j
		if n, k := twoDigits(s, end, true); k >= 0 {
			secs, end = n, k
		}
	} else if minutes = 0; o.full {
		return -1
	}
	seconds := int64(hours*3600 + minutes*60 + secs)
	if negative {
		seconds = -seconds
	}
	return p.set(fieldOffset, seconds, end)
}

// idOffset is how offsets are written in the id of a zone.
var idOffset = offsetPart{colon: true, minutes: true, seconds: true}

func (z zonePart) parse(p *parsedTime, s string, i int) int {
	zone, end := z.read(s, i)
	if end >= 0 {
		p.zone = zone
	}
	return end
}

func (z zonePart) read(s string, i int) (zone *time.Location, end int) {
	if i == len(s) {
		return nil, -1
	}
	rest := s[i:]
	if rest[0] == '+' || rest[0] == '-' {
		seconds, end := idOffset.read(s, i)
		if end < 0 || seconds > maxOffset || seconds < -maxOffset {
			return nil, -1
		}
		return fixedZone("", seconds), end
	}
	if z.colloquial {
		// Names that people use have blanks in them.
		for name, id := range parsedZones {
			if len(name) > end-i && strings.HasPrefix(rest, name) {
				if l := location(id); l != nil {
					zone, end = l, i+len(name)
				}
			}
		}
	}
	word := 0
	for word < len(rest) && word < longestZone && isZoneByte(rest[word]) {
		word++
	}
	for n := word; n > 0 && i+n > end; n = shorterZone(rest, n) {
		if l := location(rest[:n]); l != nil {
			zone, end = l, i+n
			break
		}
	}
	for _, prefix := range [...]string{"UTC", "GMT", "UT"} {
		if !strings.HasPrefix(rest, prefix) || end > i+len(prefix) {
			continue
		}
		seconds, j := idOffset.read(s, i+len(prefix))
		switch {
		case j < 0:
			return time.UTC, i + len(prefix)
		case seconds > maxOffset || seconds < -maxOffset:
			return nil, -1
		}
		return fixedZone(prefix, seconds), j
	}
	if zone == nil && rest[0] == 'Z' {
		return time.UTC, i + 1
	}
	if zone == nil {
		return nil, -1
	}
	return zone, end
}

// shorterZone returns where the name of a zone in s[:n] might end before n: where a
// letter is followed by something else.
func shorterZone(s string, n int) int {
	for n--; n > 0; n-- {
		if isLetter(s[n-1]) && !isLetter(s[n]) {
			return n
		}
	}
	return 0
}

// maxOffset is how far a zone is from UTC at most, in seconds.
const maxOffset = 18 * 3600
