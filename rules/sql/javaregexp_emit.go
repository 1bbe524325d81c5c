package sql

import (
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"
)

// An ahead is what may come at a place: the first characters, and whether it may be
// nothing at all, always or only at the end of the text. unsure says that it depends on
// what stands around.
type ahead struct {
	first  runeSet
	empty  bool
	atEnd  bool
	unsure bool
}

// nothingAhead is the end of an expression.
var nothingAhead = ahead{empty: true}

func (a ahead) or(b ahead) ahead {
	return ahead{a.first.union(b.first), a.empty || b.empty, a.atEnd || b.atEnd, a.unsure || b.unsure}
}

// then is a followed by b.
func (a ahead) then(b ahead) ahead {
	if !a.empty {
		return a
	}
	return ahead{a.first.union(b.first), b.empty, a.atEnd || b.atEnd, a.unsure || b.unsure}
}

// isEnd reports that nothing comes.
func (a ahead) isEnd() bool { return a.empty && len(a.first) == 0 && !a.atEnd && !a.unsure }

// aheadOf is what a node begins with.
func aheadOf(n reNode) ahead {
	switch n := n.(type) {
	case *reChars:
		return ahead{first: n.set}
	case reAll:
		a := nothingAhead
		for i := len(n) - 1; i >= 0; i-- {
			a = aheadOf(n[i]).then(a)
		}
		return a
	case reEither:
		a := aheadOf(n[0])
		for _, m := range n[1:] {
			a = a.or(aheadOf(m))
		}
		return a
	case *reRepeat:
		a := aheadOf(n.of)
		a.empty = a.empty || n.least == 0
		return a
	case *reGroup:
		return aheadOf(n.of)
	case reAssert:
		switch assertion(n) {
		case atEnd, atUnixEnd:
			return ahead{first: setLineEnd, atEnd: true}
		case atVeryEnd:
			return ahead{atEnd: true}
		case atStart, atLineStart, atLineEnd, atWord, offWord:
		}
		return ahead{empty: true, unsure: true}
	}
	return nothingAhead
}

// An reEmitter writes an expression as RE2 reads it. Its methods panic with a
// *regexpError.
type reEmitter struct {
	b      []byte
	groups int   // that RE2 counts
	number []int // of each of Java's groups: RE2's number
	ends   []int // RE2's groups that hold the last line end behind $
	looks  bool  // whether the expression looks at what is before a place
	nodes  int   // how large the program is, about
	most   int
}

func (e *reEmitter) missing(at int, what string) {
	panic(&regexpError{at: at, what: what, missing: true})
}

// emit writes a node that is followed by something.
func (e *reEmitter) emit(n reNode, next ahead) {
	switch n := n.(type) {
	case *reChars:
		e.count(1 + len(n.set)/32)
		e.b = appendSet(e.b, n.set)
	case reAll:
		// What comes behind each part.
		behind := make([]ahead, len(n))
		for i := len(n) - 1; i >= 0; i-- {
			behind[i] = next
			next = aheadOf(n[i]).then(next)
		}
		for i, m := range n {
			e.emit(m, behind[i])
		}
	case reEither:
		e.b = append(e.b, "(?:"...)
		for i, m := range n {
			if i > 0 {
				e.b = append(e.b, '|')
			}
			e.count(1)
			e.emit(m, next)
		}
		e.b = append(e.b, ')')
	case *reRepeat:
		e.repeat(n, next)
	case *reGroup:
		if n.atomic && !next.isEnd() && choices(n.of) && !givesNothingBack(n.of, next) {
			e.missing(n.at, "RE2 has no atomic groups, and this one means something else without")
		}
		e.b = append(e.b, '(')
		if n.number > 0 {
			e.groups++
			e.number[n.number] = e.groups
			e.count(2)
		} else {
			e.b = append(e.b, "?:"...)
		}
		e.emit(n.of, next)
		e.b = append(e.b, ')')
	case reAssert:
		e.assert(assertion(n))
	}
}

func (e *reEmitter) count(n int) {
	if e.nodes += n; e.nodes > e.most {
		e.missing(0, fmt.Sprintf("the expression is too large: it has more than %d steps", e.most))
	}
}

// choices reports that there may be several ways to match a text.
func choices(n reNode) bool {
	switch n := n.(type) {
	case *reChars, reAssert:
		return false
	case reAll:
		for _, m := range n {
			if choices(m) {
				return true
			}
		}
		return false
	case *reRepeat:
		return n.least != n.most || choices(n.of)
	case *reGroup:
		return choices(n.of)
	}
	return true
}

// givesNothingBack reports that a repetition of characters would never do well to leave
// some of what it can have to what follows, because that begins otherwise. Then there is
// no difference between a greedy and a possessive one.
func givesNothingBack(n reNode, next ahead) bool {
	switch m := n.(type) {
	case reAll:
		if len(m) == 1 {
			return givesNothingBack(m[0], next)
		}
	case *reGroup:
		return givesNothingBack(m.of, next)
	case *reRepeat:
		c, ok := m.of.(*reChars)
		return ok && m.mode != lazy && !next.unsure && len(c.set.intersect(next.first)) == 0
	}
	return false
}

func (e *reEmitter) repeat(n *reRepeat, next ahead) {
	if n.mode == possessive && !next.isEnd() && choices(&reRepeat{of: n.of, least: n.least, most: n.most}) && !givesNothingBack(n, next) {
		e.missing(n.at, "RE2 has no possessive repetitions, and this one means something else without")
	}
	if n.most != 1 { // it may follow itself
		again := aheadOf(n.of)
		again.empty = false
		next = again.or(next)
	}
	from := e.nodes
	e.b = append(e.b, "(?:"...)
	e.emit(n.of, next)
	e.b = append(e.b, ')')
	e.count((e.nodes-from+1)*max(n.least, n.most, 1) - (e.nodes - from))
	switch {
	case n.least == 0 && n.most < 0:
		e.b = append(e.b, '*')
	case n.least == 1 && n.most < 0:
		e.b = append(e.b, '+')
	case n.least == 0 && n.most == 1:
		e.b = append(e.b, '?')
	default:
		e.b = strconv.AppendInt(append(e.b, '{'), int64(n.least), 10)
		if n.most != n.least {
			e.b = append(e.b, ',')
			if n.most >= 0 {
				e.b = strconv.AppendInt(e.b, int64(n.most), 10)
			}
		}
		e.b = append(e.b, '}')
	}
	if n.mode == lazy {
		e.b = append(e.b, '?')
	}
}

func (e *reEmitter) assert(a assertion) {
	e.count(1)
	switch a {
	case atStart:
		e.looks = true
		e.b = append(e.b, `\A`...)
	case atLineStart:
		e.looks = true
		e.b = append(e.b, `(?m:^)`...)
	case atLineEnd:
		e.b = append(e.b, `(?m:$)`...)
	case atVeryEnd:
		e.b = append(e.b, `\z`...)
	case atWord:
		e.looks = true
		e.b = append(e.b, `\b`...)
	case offWord:
		e.looks = true
		e.b = append(e.b, `\B`...)
	case atEnd, atUnixEnd:
		// RE2 cannot look ahead, so that the last line end is read and then taken away
		// from the match.
		e.groups++
		e.ends = append(e.ends, e.groups)
		e.count(4)
		if a == atUnixEnd {
			e.b = append(e.b, `(?:(\n)?\z)`...)
		} else {
			e.b = append(e.b, `(?:(\r\n|[\n\r\x{85}\x{2028}\x{2029}])?\z)`...)
		}
	}
}

// appendSet writes a set of characters.
func appendSet(b []byte, s runeSet) []byte {
	if c, ok := s.single(); ok {
		return appendRune(b, c)
	}
	switch {
	case len(s) == 0:
		return append(b, `[^\x{0}-\x{10FFFF}]`...)
	case len(s) == 2 && s[0] == 0 && s[1] == utf8.MaxRune:
		return append(b, `(?s:.)`...)
	}
	b = append(b, '[')
	for i := 0; i < len(s); i += 2 {
		b = appendRune(b, s[i])
		if s[i] != s[i+1] {
			b = appendRune(append(b, '-'), s[i+1])
		}
	}
	return append(b, ']')
}

func appendRune(b []byte, c rune) []byte {
	if c < utf8.RuneSelf && (isPatternLetter(byte(c)) || isDigit(byte(c))) {
		return append(b, byte(c))
	}
	b = strconv.AppendInt(append(b, `\x{`...), int64(c), 16)
	return append(b, '}')
}

// compileRegexp translates an expression of Java's for RE2. most bounds its program. The
// error is a *regexpError.
func compileRegexp(s string, most int) (x *javaRegexp, err error) {
	n, p, err := parseRegexp(s)
	if err != nil {
		return nil, err
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *regexpError:
			x, err = nil, e
		default:
			panic(e)
		}
	}()
	e := &reEmitter{number: make([]int, p.groups+1), most: most}
	e.emit(n, nothingAhead)
	x = &javaRegexp{groups: e.number, names: p.names, ends: e.ends, looks: e.looks, source: string(e.b)}
	if x.re, err = regexp.Compile(x.source); err != nil {
		return nil, &regexpError{what: "RE2 does not take the expression: " + err.Error(), missing: true}
	}
	return x, nil
}
