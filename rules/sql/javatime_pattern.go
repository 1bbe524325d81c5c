package sql

import (
	"errors"
	"fmt"
	"strings"
)

// A javaPattern is a pattern of Java 11's DateTimeFormatter, compiled for parsing, in the
// locale en_US. Fields are resolved as its SMART style does.
type javaPattern struct{ root javaSection }

// A javaSection is a sequence of parts, optional between [ and ].
type javaSection struct {
	optional bool
	parts    []javaPart
}

// A javaPart is one step of parsing. It returns the index behind what it has read, or -1.
type javaPart interface {
	parse(p *parsedTime, s string, i int) int
}

// A javaField is what a number or name in a text means.
type javaField uint8

const (
	fieldEra javaField = iota
	fieldYearOfEra
	fieldYear
	fieldQuarter
	fieldMonth
	fieldDay
	fieldDayOfYear
	fieldDayOfWeek
	fieldAlignedDay // of the week, if weeks began with the first of the month
	fieldModifiedJulian
	fieldWeekYear
	fieldWeekOfYear
	fieldWeekOfMonth
	fieldLocalDay // of the week, from 1 for Sunday
	fieldHalf
	fieldHalfHour      // 0 to 11
	fieldHalfClockHour // 1 to 12
	fieldClockHour     // 1 to 24
	fieldHour
	fieldMinute
	fieldSecond
	fieldNano
	fieldMilliOfDay
	fieldNanoOfDay
	fieldOffset // seconds
	javaFields
)

// A signStyle says which signs a number may have.
type signStyle uint8

const (
	signNormal     signStyle = iota // minus
	signNever                       // none
	signExceedsPad                  // minus, and plus where there are more digits than the pattern has letters
)

// numberPart reads a number of least to most digits.
type numberPart struct {
	field       javaField
	least, most int
	sign        signStyle
	// after is how many digits the numbers that follow without anything between have.
	after int
	// reduced: two digits mean a year from 2000 to 2099.
	reduced bool
	// fraction: the digits are those behind the point of a second.
	fraction bool
}

// fixed reports that the number has one width and no sign.
func (n *numberPart) fixed() bool { return n.least == n.most && n.sign == signNever }

type (
	// textPart reads a fixed text.
	textPart string
	// namesPart reads one of several names.
	namesPart struct {
		field javaField
		names []javaName // longer ones first
	}
	// offsetPart reads an offset from UTC.
	offsetPart struct {
		zero                    string // what stands for no offset
		colon, minutes, seconds bool
		optionalMinutes         bool
	}
	// localOffsetPart reads GMT, GMT+8 or, in full, GMT+08:00.
	localOffsetPart struct{ full bool }
	// zonePart reads the name of a time zone, and what people call it.
	zonePart struct{ colloquial bool }
	// padPart reads blanks and something, both together of some width.
	padPart struct {
		width int
		of    javaPart
	}
)

type javaName struct {
	name  string
	value int64
}

// A javaCompiler compiles a pattern. base is the number, of the section that is open,
// that the widths of directly following numbers count for; -1 if there is none.
type javaCompiler struct {
	open []*javaSection
	base int
}

// newJavaPattern compiles a pattern. The error says what is wrong with it.
func newJavaPattern(pattern string) (*javaPattern, error) {
	if len(pattern) > longestPattern {
		return nil, fmt.Errorf("the pattern has %d bytes, at most %d are allowed", len(pattern), longestPattern)
	}
	p := &javaPattern{}
	c := &javaCompiler{open: []*javaSection{&p.root}, base: -1}
	pad := 0
	for i := 0; i < len(pattern); {
		switch b := pattern[i]; {
		case isPatternLetter(b):
			from := i
			for i < len(pattern) && pattern[i] == b {
				i++
			}
			if b == 'p' {
				if pad = i - from; i == len(pattern) || !isPatternLetter(pattern[i]) {
					return nil, fmt.Errorf("the pad letter p at position %d of the pattern has no field behind it", from+1)
				}
				continue
			}
			if err := c.field(b, i-from, pad); err != nil {
				return nil, fmt.Errorf("%w, at position %d of the pattern", err, from+1)
			}
			pad = 0
		case b == '\'':
			text, end, ok := quotedText(pattern, i)
			if !ok {
				return nil, fmt.Errorf("the quote at position %d of the pattern is not closed", i+1)
			}
			c.add(textPart(text))
			i = end
		case b == '[':
			c.begin()
			i++
		case b == ']':
			if len(c.open) == 1 {
				return nil, fmt.Errorf("the ] at position %d of the pattern closes nothing", i+1)
			}
			c.end()
			i++
		case b == '{' || b == '}' || b == '#':
			return nil, fmt.Errorf("the character %q at position %d of the pattern is reserved, text goes between single quotes", b, i+1)
		default:
			c.add(textPart(pattern[i : i+1]))
			i++
		}
	}
	for len(c.open) > 1 {
		c.end()
	}
	return p, nil
}

// quotedText reads a text between single quotes; two of them within it stand for one, and
// two alone too.
func quotedText(pattern string, i int) (text string, end int, ok bool) {
	var b []byte
	for i++; i < len(pattern); i++ {
		if pattern[i] != '\'' {
			b = append(b, pattern[i])
			continue
		}
		if i+1 < len(pattern) && pattern[i+1] == '\'' {
			b = append(b, '\'')
			i++
			continue
		}
		if len(b) == 0 {
			b = append(b, '\'')
		}
		return string(b), i + 1, true
	}
	return "", 0, false
}

func (c *javaCompiler) section() *javaSection { return c.open[len(c.open)-1] }

func (c *javaCompiler) begin() {
	c.open = append(c.open, &javaSection{optional: true})
	c.base = -1
}

func (c *javaCompiler) end() {
	s := c.section()
	c.open = c.open[:len(c.open)-1]
	if len(s.parts) > 0 {
		c.section().parts = append(c.section().parts, s)
	}
	c.base = -1
}

// add adds what is not a number.
func (c *javaCompiler) add(p javaPart) {
	c.section().parts = append(c.section().parts, p)
	c.base = -1
}

// number adds a number. Where numbers touch, the first one leaves the others, which have
// one width, their digits.
func (c *javaCompiler) number(n *numberPart) {
	s := c.section()
	if c.base >= 0 {
		base, _ := s.parts[c.base].(*numberPart)
		if n.fixed() {
			base.after += n.most
			s.parts = append(s.parts, n)
			return
		}
		base.after = 0
	}
	c.base = len(s.parts)
	s.parts = append(s.parts, n)
}

// value is a number of any width, or of one.
func (c *javaCompiler) value(f javaField, width int) {
	if width == 1 {
		c.number(&numberPart{field: f, least: 1, most: 19, sign: signNormal})
		return
	}
	c.number(&numberPart{field: f, least: width, most: width, sign: signNever})
}

// field adds what count times a letter means.
func (c *javaCompiler) field(letter byte, count, pad int) error {
	if pad > 0 {
		inner := &javaCompiler{open: []*javaSection{{}}, base: -1}
		if err := inner.field(letter, count, 0); err != nil {
			return err
		}
		c.add(&padPart{pad, inner.section()})
		return nil
	}
	if most, known := javaLetters[letter]; !known {
		return fmt.Errorf("the letter %q means nothing", letter)
	} else if count > most {
		return fmt.Errorf("the letter %q stands %d times, at most %d are possible", letter, count, most)
	}
	switch letter {
	case 'u', 'y', 'Y':
		c.year(letter, count)
	case 'M', 'L':
		c.numberOrName(fieldMonth, count, monthNames[:], 1)
	case 'Q', 'q':
		c.quarter(count)
	case 'E':
		c.names(fieldDayOfWeek, max(count, 3), dayNames[:], 1)
	case 'e', 'c':
		if letter == 'c' && count == 2 {
			return errors.New("the letter 'c' stands twice, which means nothing")
		}
		if count <= 2 {
			c.number(&numberPart{field: fieldLocalDay, least: count, most: count, sign: signNever})
			return nil
		}
		c.names(fieldDayOfWeek, count, dayNames[:], 1)
	case 'G':
		c.era(count)
	case 'a':
		c.add(newNames(fieldHalf, halfNames[:], 0))
	case 'S':
		c.number(&numberPart{field: fieldNano, least: count, most: count, sign: signNever, fraction: true})
	case 'A', 'n', 'N', 'g':
		f := map[byte]javaField{'A': fieldMilliOfDay, 'n': fieldNano, 'N': fieldNanoOfDay, 'g': fieldModifiedJulian}[letter]
		sign := signNever
		if letter == 'g' {
			sign = signNormal
		}
		c.number(&numberPart{field: f, least: count, most: 19, sign: sign})
	case 'D':
		if count == 1 {
			c.value(fieldDayOfYear, 1)
			return nil
		}
		c.number(&numberPart{field: fieldDayOfYear, least: count, most: 3, sign: signNever})
	case 'w':
		c.number(&numberPart{field: fieldWeekOfYear, least: count, most: 2, sign: signNever})
	case 'W':
		c.number(&numberPart{field: fieldWeekOfMonth, least: count, most: count, sign: signNever})
	case 'd', 'F', 'h', 'H', 'K', 'k', 'm', 's':
		c.value(javaNumbers[letter], count)
	default:
		return c.zone(letter, count)
	}
	return nil
}

// javaLetters are the letters that mean a field, and how often they may stand.
var javaLetters = map[byte]int{
	'G': 5, 'u': 19, 'y': 19, 'Y': 19, 'Q': 5, 'q': 5, 'M': 5, 'L': 5, 'w': 2, 'W': 1, 'E': 5, 'e': 5, 'c': 5,
	'F': 1, 'D': 3, 'd': 2, 'a': 1, 'h': 2, 'H': 2, 'K': 2, 'k': 2, 'm': 2, 's': 2, 'S': 9, 'A': 19, 'n': 19, 'N': 19, 'g': 19,
	'V': 2, 'v': 4, 'z': 4, 'O': 4, 'X': 5, 'x': 5, 'Z': 5,
}

var javaNumbers = map[byte]javaField{
	'd': fieldDay, 'F': fieldAlignedDay, 'h': fieldHalfClockHour, 'H': fieldHour, 'K': fieldHalfHour, 'k': fieldClockHour,
	'm': fieldMinute, 's': fieldSecond,
}

func (c *javaCompiler) year(letter byte, count int) {
	f := map[byte]javaField{'u': fieldYear, 'y': fieldYearOfEra, 'Y': fieldWeekYear}[letter]
	n := &numberPart{field: f, least: count, most: 19, sign: signExceedsPad}
	switch {
	case count == 2:
		n = &numberPart{field: f, least: 2, most: 2, sign: signNever, reduced: true}
	case count < 4:
		n.sign = signNormal
	}
	c.number(n)
}

// numberOrName is a number for one or two letters and a name for more.
func (c *javaCompiler) numberOrName(f javaField, count int, names []string, first int64) {
	if count <= 2 {
		c.value(f, count)
		return
	}
	c.names(f, count, names, first)
}

// names adds names: of three letters, in full, or of one letter.
func (c *javaCompiler) names(f javaField, count int, names []string, first int64) {
	short := make([]string, len(names))
	for i, name := range names {
		switch count {
		case 4:
			short[i] = name
		case 5:
			short[i] = name[:1]
		default:
			short[i] = name[:3]
		}
	}
	c.add(newNames(f, short, first))
}

func (c *javaCompiler) quarter(count int) {
	switch count {
	case 3:
		c.add(newNames(fieldQuarter, []string{"Q1", "Q2", "Q3", "Q4"}, 1))
	case 4:
		c.add(newNames(fieldQuarter, []string{"1st quarter", "2nd quarter", "3rd quarter", "4th quarter"}, 1))
	case 5:
		c.add(newNames(fieldQuarter, []string{"1", "2", "3", "4"}, 1))
	default:
		c.value(fieldQuarter, count)
	}
}

func (c *javaCompiler) era(count int) {
	switch count {
	case 4:
		c.add(newNames(fieldEra, []string{"Before Christ", "Anno Domini"}, 0))
	case 5:
		c.add(newNames(fieldEra, []string{"B", "A"}, 0))
	default:
		c.add(newNames(fieldEra, eraNames[:], 0))
	}
}

// newNames makes a part of names with values from first on. Of equal names the last one
// counts; no name begins with a shorter one.
func newNames(f javaField, names []string, first int64) *namesPart {
	n := &namesPart{field: f}
	for i := range names {
		last := len(names) - 1 - i
		n.names = append(n.names, javaName{names[last], first + int64(last)})
	}
	return n
}

// zone adds what the letters of offsets and zones mean.
func (c *javaCompiler) zone(letter byte, count int) error {
	only := func(counts ...int) error {
		for _, n := range counts {
			if n == count {
				return nil
			}
		}
		return fmt.Errorf("the letter %q stands %d times, which means nothing", letter, count)
	}
	switch letter {
	case 'V':
		c.add(zonePart{})
		return only(2)
	case 'v':
		c.add(zonePart{colloquial: true})
		return only(1, 4)
	case 'z':
		c.add(zonePart{colloquial: true})
	case 'O':
		c.add(localOffsetPart{count == 4})
		return only(1, 4)
	case 'Z':
		switch count {
		case 4:
			c.add(localOffsetPart{true})
		case 5:
			c.add(&offsetPart{zero: "Z", colon: true, minutes: true, seconds: true})
		default:
			c.add(&offsetPart{zero: "+0000", minutes: true})
		}
	case 'X', 'x':
		o := &offsetPart{zero: "Z", minutes: true, optionalMinutes: count == 1, colon: count == 3 || count == 5, seconds: count >= 4}
		if letter == 'x' {
			o.zero = [...]string{"+00", "+0000", "+00:00", "+0000", "+00:00"}[count-1]
		}
		c.add(o)
	}
	return nil
}

// parse reads all of a text into memory that is used again. It reports false if the text
// does not fit.
func (p *javaPattern) parse(t *parsedTime, s string) (ms int64, ok bool) {
	t.there, t.zone = 0, nil
	if p.root.parse(t, s, 0) != len(s) {
		return 0, false
	}
	return t.millis()
}

func (s *javaSection) parse(p *parsedTime, text string, i int) int {
	saved, from := *p, i
	for _, part := range s.parts {
		if i = part.parse(p, text, i); i < 0 {
			if !s.optional {
				return -1
			}
			*p = saved
			return from
		}
	}
	return i
}

func (t textPart) parse(_ *parsedTime, s string, i int) int {
	if !strings.HasPrefix(s[i:], string(t)) {
		return -1
	}
	return i + len(t)
}

func (n *namesPart) parse(p *parsedTime, s string, i int) int {
	for _, name := range n.names {
		if strings.HasPrefix(s[i:], name.name) {
			return p.set(n.field, name.value, i+len(name.name))
		}
	}
	return -1
}

func (d *padPart) parse(p *parsedTime, s string, i int) int {
	end := i + d.width
	if end > len(s) {
		return -1
	}
	for i < end && s[i] == ' ' {
		i++
	}
	if i = d.of.parse(p, s[:end], i); i != end {
		return -1
	}
	return end
}
