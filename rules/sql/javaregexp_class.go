package sql

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// escape reads what begins with a backslash, outside of classes.
func (p *reParser) escape() reNode {
	at := p.i
	p.i++
	if p.i == len(p.s) {
		p.wrong("there is nothing behind the backslash")
	}
	switch c := p.s[p.i]; c {
	case 'Q':
		p.i++
		return p.quotation()
	case 'A', 'b', 'B', 'z', 'Z', 'R', 'G', 'X', 'k':
		p.i++
		return p.special(c, at)
	}
	if c := p.s[p.i]; c >= '1' && c <= '9' {
		p.missing(at, "RE2 has no back-references")
	}
	return &reChars{p.escaped()}
}

// quotation reads \Q...\E: characters that mean themselves.
func (p *reParser) quotation() reNode {
	quoted, _, _ := strings.Cut(p.s[p.i:], `\E`)
	p.i = min(p.i+len(quoted)+len(`\E`), len(p.s))
	var list reAll
	for _, c := range quoted {
		list = append(list, &reChars{p.literal(c)})
	}
	if list == nil {
		return nil
	}
	return list
}

// special is an escape that is no character.
func (p *reParser) special(c byte, at int) reNode {
	switch c {
	case 'A':
		return reAssert(atStart)
	case 'b':
		if p.accept("{g}") {
			p.missing(at, "RE2 has no grapheme clusters")
		}
		return reAssert(atWord)
	case 'B':
		return reAssert(offWord)
	case 'z':
		return reAssert(atVeryEnd)
	case 'Z':
		if p.flags.unix {
			return reAssert(atUnixEnd)
		}
		return reAssert(atEnd)
	case 'R':
		return &reGroup{of: reEither{
			reAll{&reChars{runesOf('\r')}, &reChars{runesOf('\n')}},
			&reChars{setVertical},
		}}
	case 'G':
		p.missing(at, "RE2 does not know where the last match has ended")
	case 'X':
		p.missing(at, "RE2 has no grapheme clusters")
	default:
		p.missing(at, "RE2 has no back-references")
	}
	return nil
}

// escaped reads what is behind a backslash and means a character or a set.
func (p *reParser) escaped() runeSet {
	if p.i == len(p.s) {
		p.wrong("there is nothing behind the backslash")
	}
	at := p.i
	c := p.next()
	if s, ok := p.shorthand(c); ok {
		return s
	}
	switch c {
	case 'p', 'P':
		s := p.property(at)
		if c == 'P' {
			s = s.negate()
		}
		return s
	case 'N':
		p.missing(at-1, "RE2 does not know the names of characters")
	}
	return p.literal(p.escapedRune(c, at))
}

// shorthand is \d and its like.
func (p *reParser) shorthand(c rune) (s runeSet, ok bool) {
	switch unicode.ToLower(c) {
	case 'd':
		if s = setDigit; p.flags.unicodeClass {
			s = ofTable(unicode.Nd)
		}
	case 'w':
		if s = setWord; p.flags.unicodeClass {
			s, _ = binarySet("WORD")
		}
	case 's':
		if s = setBlank; p.flags.unicodeClass {
			s, _ = binarySet("WHITE_SPACE")
		}
	case 'h':
		s = setHorizontal
	case 'v':
		s = setVertical
	default:
		return nil, false
	}
	if c < 'a' {
		s = s.negate()
	}
	return s, true
}

// escapedRune is the character that an escape means.
func (p *reParser) escapedRune(c rune, at int) rune {
	switch c {
	case '0':
		return p.octal()
	case 'a':
		return '\a'
	case 'e':
		return 0x1b
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'c':
		if p.i == len(p.s) {
			p.wrong("there is nothing behind \\c")
		}
		return p.next() ^ 64
	case 'x':
		return p.hex()
	case 'u':
		return p.utf16()
	}
	if c < utf8.RuneSelf && (isPatternLetter(byte(c)) || isDigit(byte(c))) {
		p.i = at
		p.wrong("the escape \\%c means nothing", c)
	}
	return c
}

// octal reads up to three digits behind \0.
func (p *reParser) octal() rune {
	n, digits := rune(0), 0
	for digits < 3 && p.i < len(p.s) {
		d := rune(p.s[p.i] - '0')
		if d < 0 || d > 7 || n*8+d > 0o377 {
			break
		}
		n = n*8 + d
		digits++
		p.i++
	}
	if digits == 0 {
		p.wrong("\\0 needs an octal number behind it")
	}
	return n
}

// hex reads hh or {h...h} behind \x.
func (p *reParser) hex() rune {
	digits := p.s[p.i:min(p.i+2, len(p.s))]
	size := 2
	if p.accept("{") {
		end := strings.IndexByte(p.s[p.i:], '}')
		if end < 0 {
			p.wrong("\\x{ is not closed")
		}
		digits = p.s[p.i : p.i+end]
		size = end + 1
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || n > unicode.MaxRune || len(digits) < 2 && size == 2 {
		p.wrong("\\x needs a hexadecimal number behind it")
	}
	p.i += size
	return rune(n)
}

// utf16 reads hhhh behind \u, or two of them that are one character.
func (p *reParser) utf16() rune {
	four := func() rune {
		if p.i+4 > len(p.s) {
			p.wrong("\\u needs four hexadecimal digits behind it")
		}
		n, err := strconv.ParseUint(p.s[p.i:p.i+4], 16, 16)
		if err != nil {
			p.wrong("\\u needs four hexadecimal digits behind it")
		}
		p.i += 4
		return rune(n)
	}
	c := four()
	if from := p.i; utf16.IsSurrogate(c) && p.accept(`\u`) {
		if pair := utf16.DecodeRune(c, four()); pair != utf8.RuneError {
			return pair
		}
		p.i = from
	}
	return c
}

// property reads what is behind \p.
func (p *reParser) property(at int) runeSet {
	name := ""
	if p.accept("{") {
		end := strings.IndexByte(p.s[p.i:], '}')
		if end < 0 {
			p.wrong("\\p{ is not closed")
		}
		name = p.s[p.i : p.i+end]
		p.i += end + 1
	} else if p.i < len(p.s) {
		name = string(p.next())
	}
	found := propertySet(name)
	s := found.set
	if found.onlyJava {
		p.missing(at-1, "RE2 does not know the characters of "+strconv.Quote(clip(name)))
	}
	if !found.ok {
		p.i = at
		p.wrong("there is no property %q of characters", clip(name))
	}
	if _, posix := posixSets[name]; posix && p.flags.unicodeClass && name != "ASCII" {
		if u, ok := binarySet(unicodeNames[name]); ok {
			s = u
		}
	}
	if p.flags.fold {
		switch strings.ToUpper(strings.TrimPrefix(name, "Is")) {
		case "LOWER", "UPPER":
			s = s.folded(p.flags.unicodeCase)
		case "LOWERCASE", "UPPERCASE", "TITLECASE", "LU", "LL", "LT", "JAVALOWERCASE", "JAVAUPPERCASE", "JAVATITLECASE":
			s = ofTable(unicode.Lu, unicode.Ll, unicode.Lt)
		}
	}
	return s
}

// unicodeNames are what the classes of ASCII mean with (?U).
var unicodeNames = map[string]string{
	"Lower": "LOWERCASE", "Upper": "UPPERCASE", "Alpha": "ALPHABETIC", "Digit": "DIGIT", "Alnum": "ALNUM", "Punct": "PUNCTUATION",
	"Blank": "BLANK", "Cntrl": "CONTROL", "XDigit": "HEX_DIGIT", "Space": "WHITE_SPACE",
}

// class reads a character class behind its bracket, with its closing bracket.
func (p *reParser) class() runeSet {
	p.enter()
	open := p.i
	negated := p.accept("^")
	var s runeSet  // in any order
	there := false // whether there is something in it
	for {
		switch c := p.peek(); {
		case c < 0:
			p.wrong("the class that begins at position %d is not closed", open)
		case c == ']' && there:
			p.i++
			p.depth--
			s = s.tidy()
			if negated {
				s = s.negate()
			}
			return s
		case strings.HasPrefix(p.s[p.i:], "&&"):
			p.i += 2
			t, ok := p.intersected()
			switch {
			case ok && there:
				s = s.tidy().intersect(t)
			case ok:
				s = t
			case !there:
				p.wrong("the && has nothing on its sides")
			}
		default:
			s = append(s, p.classPart()...)
		}
		there = true
	}
}

// intersected reads what is behind && : classes, and characters up to the closing bracket
// or the next && . It reports false if there is nothing.
func (p *reParser) intersected() (s runeSet, ok bool) {
	for {
		switch c := p.peek(); {
		case c < 0:
			p.wrong("the class is not closed")
		case c == ']' || strings.HasPrefix(p.s[p.i:], "&&"):
			return s.tidy(), ok
		}
		s, ok = append(s, p.classPart()...), true
	}
}

// classPart reads a class within a class, a character, a range of them, or a set.
func (p *reParser) classPart() runeSet {
	if p.accept("[") {
		return p.class()
	}
	at := p.i
	first, set, isSet := p.classItem()
	if isSet {
		return set
	}
	if p.peek() != '-' {
		return p.literal(first)
	}
	minus := p.i
	p.i++
	if c := p.peek(); c == ']' || c == '[' || c < 0 || strings.HasPrefix(p.s[p.i:], "&&") {
		p.i = minus // the minus sign means itself
		return p.literal(first)
	}
	last, _, isSet := p.classItem()
	if isSet || last < first {
		p.i = at
		p.wrong("the range is upside down, or its end is no character")
	}
	set = runeSet{first, last}
	if p.flags.fold {
		set = set.folded(p.flags.unicodeCase)
	}
	return set
}

// classItem reads a character, or an escape that means a set.
func (p *reParser) classItem() (c rune, set runeSet, isSet bool) {
	if c = p.next(); c != '\\' {
		return c, nil, false
	}
	if p.i == len(p.s) {
		p.wrong("there is nothing behind the backslash")
	}
	switch p.s[p.i] {
	case 'd', 'D', 'w', 'W', 's', 'S', 'h', 'H', 'v', 'V', 'p', 'P', 'N':
		return 0, p.escaped(), true
	case 'Q':
		p.i++
		quoted, _, _ := strings.Cut(p.s[p.i:], `\E`)
		p.i = min(p.i+len(quoted)+len(`\E`), len(p.s))
		for _, c := range quoted {
			set = append(set, p.literal(c)...)
		}
		return 0, set, true
	}
	at := p.i
	c = p.next()
	return p.escapedRune(c, at), nil, false
}
