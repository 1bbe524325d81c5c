package sql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// longestRegexp is how long a regular expression may be, in bytes.
	longestRegexp = 8 << 10
	// deepestRegexp bounds how deep groups and classes are nested.
	deepestRegexp = 200
	// mostRepeats is how often RE2 repeats something.
	mostRepeats = 1000
)

// A regexpError says why a regular expression cannot be used.
type regexpError struct {
	at   int // in bytes
	what string
	// missing: Java knows this, and RE2 does not.
	missing bool
}

func (e *regexpError) Error() string { return fmt.Sprintf("%s, at position %d", e.what, e.at+1) }

// A reNode is a part of a regular expression.
type reNode interface{ reNode() }

type (
	// A reChars is one character of a set.
	reChars struct{ set runeSet }
	// A reAll is one thing after the other.
	reAll []reNode
	// A reEither is one of several.
	reEither []reNode
	// A reRepeat is something least to most times; a negative most is no bound.
	reRepeat struct {
		of          reNode
		least, most int
		mode        repeatMode
		at          int
	}
	// A reGroup is a group; number is 0 if it captures nothing.
	reGroup struct {
		of     reNode
		number int
		atomic bool
		at     int
	}
	// A reAssert is a condition on a place.
	reAssert assertion
)

func (*reChars) reNode()  {}
func (reAll) reNode()     {}
func (reEither) reNode()  {}
func (*reRepeat) reNode() {}
func (*reGroup) reNode()  {}
func (reAssert) reNode()  {}

type repeatMode uint8

const (
	greedy repeatMode = iota
	lazy
	possessive
)

type assertion uint8

const (
	atStart     assertion = iota // \A and ^
	atLineStart                  // ^ with (?m)
	atEnd                        // $ and \Z: also before the last line end
	atUnixEnd                    // the same with (?d): a line feed
	atLineEnd                    // $ with (?m)
	atVeryEnd                    // \z
	atWord                       // \b
	offWord                      // \B
)

// The flags of an expression.
type reFlags struct {
	fold, unix, lines, all, unicodeCase, comments, unicodeClass bool
}

// A reParser reads the syntax of java.util.regex. Its methods panic with a *regexpError.
type reParser struct {
	s      string
	i      int
	depth  int
	flags  reFlags
	groups int
	names  map[string]int
}

// parseRegexp reads an expression.
func parseRegexp(s string) (n reNode, p *reParser, err error) {
	if len(s) > longestRegexp {
		return nil, nil, &regexpError{what: fmt.Sprintf("the expression has %d bytes, at most %d are allowed", len(s), longestRegexp)}
	}
	if !utf8.ValidString(s) {
		return nil, nil, &regexpError{what: "the expression is not UTF-8"}
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *regexpError:
			err = e
		default:
			panic(e)
		}
	}()
	p = &reParser{s: s, names: map[string]int{}}
	n = p.either()
	if p.i < len(s) {
		p.wrong("a ) closes no group")
	}
	return n, p, nil
}

// wrong ends parsing at something that Java refuses, too.
func (p *reParser) wrong(format string, args ...any) {
	panic(&regexpError{at: p.i, what: fmt.Sprintf(format, args...)})
}

// missing ends parsing at something that only RE2 lacks.
func (p *reParser) missing(at int, what string) {
	panic(&regexpError{at: at, what: what, missing: true})
}

// peek returns the character to look at, or -1 at the end.
func (p *reParser) peek() rune {
	if p.flags.comments {
		p.skipComments()
	}
	if p.i == len(p.s) {
		return -1
	}
	c, _ := utf8.DecodeRuneInString(p.s[p.i:])
	return c
}

func (p *reParser) skipComments() {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == ' ' || c >= '\t' && c <= '\r':
			p.i++
		case c == '#':
			if end := strings.IndexByte(p.s[p.i:], '\n'); end >= 0 {
				p.i += end
			} else {
				p.i = len(p.s)
			}
		default:
			return
		}
	}
}

// next takes a character.
func (p *reParser) next() rune {
	c, n := utf8.DecodeRuneInString(p.s[p.i:])
	p.i += n
	return c
}

func (p *reParser) accept(s string) bool {
	if !strings.HasPrefix(p.s[p.i:], s) {
		return false
	}
	p.i += len(s)
	return true
}

func (p *reParser) enter() {
	if p.depth++; p.depth > deepestRegexp {
		p.missing(p.i, fmt.Sprintf("the expression is nested more than %d levels deep", deepestRegexp))
	}
}

// either reads alternatives up to the end or a closing bracket.
func (p *reParser) either() reNode {
	list := reEither{p.all()}
	for p.peek() == '|' {
		p.i++
		list = append(list, p.all())
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (p *reParser) all() reNode {
	var list reAll
	for {
		switch p.peek() {
		case -1, '|', ')':
			return list
		}
		n := p.atom()
		if n == nil {
			continue
		}
		if quoted, ok := n.(reAll); ok && len(quoted) > 0 { // \Q...\E: what follows is about the last character
			list = append(list, quoted[:len(quoted)-1]...)
			n = quoted[len(quoted)-1]
		}
		list = append(list, p.repeated(n))
	}
}

// atom reads what can be repeated; nil if there is nothing, as in (?i).
func (p *reParser) atom() reNode {
	switch c := p.peek(); c {
	case '(':
		return p.group()
	case '[':
		p.i++
		return &reChars{p.class()}
	case '\\':
		return p.escape()
	case '^':
		p.i++
		if p.flags.lines {
			return reAssert(atLineStart)
		}
		return reAssert(atStart)
	case '$':
		p.i++
		return p.dollar()
	case '.':
		p.i++
		return &reChars{p.dot()}
	case '*', '+', '?':
		p.wrong("the %c repeats nothing", c)
	case '{':
		return reAll{} // Java repeats nothing here
	}
	return &reChars{p.literal(p.next())}
}

// dollar is $ and \Z.
func (p *reParser) dollar() reNode {
	switch {
	case p.flags.lines:
		return reAssert(atLineEnd)
	case p.flags.unix:
		return reAssert(atUnixEnd)
	}
	return reAssert(atEnd)
}

func (p *reParser) dot() runeSet {
	switch {
	case p.flags.all:
		return setAll
	case p.flags.unix:
		return runesOf('\n').negate()
	}
	return setLineEnd.negate()
}

// literal is a character, in both cases if case does not matter.
func (p *reParser) literal(c rune) runeSet {
	s := runesOf(c)
	if p.flags.fold {
		s = s.folded(p.flags.unicodeCase)
	}
	return s
}

// repeated reads a quantifier, if there is one.
func (p *reParser) repeated(n reNode) reNode {
	at := p.i
	r := &reRepeat{of: n, least: 0, most: -1, at: at}
	switch p.peek() {
	case '*':
		p.i++
	case '+':
		p.i++
		r.least = 1
	case '?':
		p.i++
		r.most = 1
	case '{':
		p.i++
		r.least, r.most = p.counts()
	default:
		return n
	}
	switch p.peek() {
	case '?':
		p.i++
		r.mode = lazy
	case '+':
		p.i++
		r.mode = possessive
	}
	if r.least > mostRepeats || r.most > mostRepeats {
		p.missing(at, fmt.Sprintf("RE2 repeats something at most %d times", mostRepeats))
	}
	return r
}

// counts reads {n}, {n,} or {n,m} behind its bracket.
func (p *reParser) counts() (least, most int) {
	number := func() int {
		n := countDigits(p.s[p.i:])
		if n == 0 {
			p.wrong("the { is no repetition")
		}
		v, err := strconv.ParseInt(p.s[p.i:p.i+n], 10, 32)
		if err != nil {
			p.wrong("the repetition is out of bounds")
		}
		p.i += n
		return int(v)
	}
	least = number()
	most = least
	if p.accept(",") {
		most = -1
		if p.i < len(p.s) && p.s[p.i] != '}' {
			most = number()
		}
	}
	if !p.accept("}") {
		p.wrong("the repetition is not closed")
	}
	if most >= 0 && most < least {
		p.wrong("the repetition {%d,%d} is upside down", least, most)
	}
	return least, most
}

// group reads what begins with a bracket.
func (p *reParser) group() reNode {
	at := p.i
	p.i++
	g := &reGroup{at: at}
	flags := p.flags
	if !p.accept("?") {
		p.groups++
		g.number = p.groups
		return p.inside(g, flags)
	}
	switch {
	case p.accept(":"):
	case p.accept(">"):
		g.atomic = true
	case p.accept("="), p.accept("!"):
		p.missing(at, "RE2 has no look-ahead")
	case p.accept("<=") || p.accept("<!"):
		p.missing(at, "RE2 has no look-behind")
	case p.accept("<"):
		p.groups++
		g.number = p.groups
		p.groupName(g.number)
	default:
		p.setFlags()
		if p.accept(")") {
			return nil
		}
		if !p.accept(":") {
			p.wrong("the group begins in a way that means nothing")
		}
	}
	return p.inside(g, flags)
}

// inside reads a group up to its closing bracket, where flags get their old values.
func (p *reParser) inside(g *reGroup, flags reFlags) reNode {
	p.enter()
	g.of = p.either()
	if p.peek() != ')' {
		p.wrong("the group that begins at position %d is not closed", g.at+1)
	}
	p.i++
	p.depth--
	p.flags = flags
	return g
}

// groupName reads name> .
func (p *reParser) groupName(number int) {
	end := strings.IndexByte(p.s[p.i:], '>')
	if end < 0 {
		p.wrong("the name of the group is not closed")
	}
	name := p.s[p.i : p.i+end]
	for i := range len(name) {
		if c := name[i]; !isPatternLetter(c) && (i == 0 || !isDigit(c)) {
			p.wrong("the name of a group has letters and digits")
		}
	}
	if _, there := p.names[name]; there || name == "" {
		p.wrong("the group needs a name of its own")
	}
	p.names[name] = number
	p.i += end + 1
}

// setFlags reads flags, as in (?i-s) .
func (p *reParser) setFlags() {
	on := true
	for p.i < len(p.s) {
		switch c := p.s[p.i]; c {
		case 'i':
			p.flags.fold = on
		case 'd':
			p.flags.unix = on
		case 'm':
			p.flags.lines = on
		case 's':
			p.flags.all = on
		case 'u':
			p.flags.unicodeCase = on
		case 'x':
			p.flags.comments = on
		case 'U':
			p.flags.unicodeClass, p.flags.unicodeCase = on, on
		case '-':
			if !on {
				p.wrong("the flags have a second minus sign")
			}
			on = false
		default:
			return
		}
		p.i++
	}
}
