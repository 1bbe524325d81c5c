package sql

import (
	"strings"
	"unicode/utf8"

	"github.com/thinghub/thinghub/internal/decimal"
)

// mostPadding is how many blanks lpad and rpad add at most.
const mostPadding = 1000

// mostText bounds the texts that functions make of texts, so that a few replacements
// of nothing by much do not fill the memory.
const mostText = 16 << 20

// The functions of texts. Positions and lengths are counted in characters: code points.
var _ = register(map[string]*builtin{
	"lower": {min: 1, max: 1, f1: ofText(func(_ *Run, s string) Value { return text(strings.ToLower(s)) })},
	"upper": {min: 1, max: 1, f1: ofText(func(_ *Run, s string) Value { return text(strings.ToUpper(s)) })},
	"trim":  {min: 1, max: 1, f1: ofText(func(_ *Run, s string) Value { return text(strings.Trim(s, " \t")) })},
	"ltrim": {min: 1, max: 1, f1: ofText(func(_ *Run, s string) Value { return text(strings.TrimLeft(s, " \t")) })},
	"rtrim": {min: 1, max: 1, f1: ofText(func(_ *Run, s string) Value { return text(strings.TrimRight(s, " \t")) })},
	"length": {min: 1, max: 1, since2016: true, f1: ofText(func(_ *Run, s string) Value {
		return integer(int64(utf8.RuneCountInString(s)))
	})},
	"numbytes": {min: 1, max: 1, since2016: true, f1: ofText(func(_ *Run, s string) Value { return integer(int64(len(s))) })},
	"lpad": {min: 2, max: 2, f2: func(r *Run, v, n Value) Value {
		s, pad, ok := r.padding(v, n)
		if !ok {
			return undefined
		}
		return text(r.join(pad, s))
	}},
	"rpad": {min: 2, max: 2, f2: func(r *Run, v, n Value) Value {
		s, pad, ok := r.padding(v, n)
		if !ok {
			return undefined
		}
		return text(r.join(s, pad))
	}},
	"startswith": {min: 2, max: 2, f2: ofTexts(func(_ *Run, s, t string) Value { return boolean(strings.HasPrefix(s, t)) })},
	"endswith":   {min: 2, max: 2, f2: ofTexts(func(_ *Run, s, t string) Value { return boolean(strings.HasSuffix(s, t)) })},
	"indexof": {min: 2, max: 2, since2016: true, f2: ofTexts(func(_ *Run, s, t string) Value {
		i := strings.Index(s, t)
		if i < 0 {
			return integer(-1)
		}
		return integer(int64(utf8.RuneCountInString(s[:i])))
	})},
	"replace": {min: 3, max: 3, f3: func(r *Run, v, from, to Value) Value {
		s, ok1 := r.toText(v)
		f, ok2 := r.toText(from)
		t, ok3 := r.toText(to)
		if !ok1 || !ok2 || !ok3 || len(s)+strings.Count(s, f)*(len(t)-len(f)) > mostText {
			return undefined
		}
		return text(strings.ReplaceAll(s, f, t))
	}},
	"substring": {min: 2, max: 3, build: substring},
	"chr": {min: 1, max: 1, f1: func(r *Run, v Value) Value {
		n, ok := v.toInt(decimal.Floor)
		if !ok || n < 0 || n > 127 {
			return undefined
		}
		return text(r.arena.copy([]byte{byte(n)}))
	}},
	"concat": {max: -1, fn: concat},
})

// ofText makes a function of a text one of any value: Undefined for what has none.
func ofText(f func(r *Run, s string) Value) func(r *Run, v Value) Value {
	return func(r *Run, v Value) Value {
		s, ok := r.toText(v)
		if !ok {
			return undefined
		}
		return f(r, s)
	}
}

func ofTexts(f func(r *Run, s, t string) Value) func(r *Run, v, w Value) Value {
	return func(r *Run, v, w Value) Value {
		s, ok1 := r.toText(v)
		t, ok2 := r.toText(w)
		if !ok1 || !ok2 {
			return undefined
		}
		return f(r, s, t)
	}
}

var blanks = strings.Repeat(" ", mostPadding)

// padding returns the text of v and n blanks.
func (r *Run) padding(v, n Value) (s, pad string, ok bool) {
	s, ok1 := r.toText(v)
	k, ok2 := n.toInt(decimal.Floor)
	return s, blanks[:max(0, min(k, mostPadding))], ok1 && ok2
}

// substring is substring(s, from) and substring(s, from, to).
func substring(c *compiler, n *call) expr {
	of, from := c.expr(n.args[0]), c.expr(n.args[1])
	to := func(*Run) Value { return integer(1<<63 - 1) }
	if len(n.args) == 3 {
		to = c.expr(n.args[2])
	}
	return func(r *Run) Value {
		s, ok1 := r.toText(of(r))
		i, ok2 := from(r).toInt(decimal.Down)
		j, ok3 := to(r).toInt(decimal.Down)
		if !ok1 || !ok2 || !ok3 {
			return undefined
		}
		start := characters(s, i)
		end := characters(s, j)
		if start >= end {
			return text("")
		}
		return text(s[start:end])
	}
}

// characters returns how many bytes the first n characters have.
func characters(s string, n int64) int {
	if n >= int64(len(s)) {
		return len(s)
	}
	for i := range s {
		if n <= 0 {
			return i
		}
		n--
	}
	return len(s)
}

// concat joins arrays, and appends what is none to them; without an array it joins
// texts. One argument is itself, a number as its text.
func concat(r *Run, args []Value) Value {
	arrays, strs := false, false
	for i := range args {
		arrays = arrays || args[i].kind == Array
		strs = strs || args[i].kind == String
	}
	switch {
	case arrays:
		return r.concatArrays(args)
	case strs || len(args) == 1 && args[0].isNumber():
		b := r.borrow()
		for _, v := range args {
			s, ok := r.toText(v)
			if !ok {
				r.forget(b)
				return undefined
			}
			if b = append(b, s...); r.enough(b) {
				break
			}
		}
		return text(r.keep(b))
	case len(args) == 1:
		return args[0]
	}
	return undefined
}

func (r *Run) concatArrays(args []Value) Value {
	b := append(r.borrow(), '[')
	for i := range args {
		v := &args[i]
		mark := len(b)
		if v.kind == Array {
			inner := v.s[1:]
			inner = strings.Trim(inner[:len(inner)-1], " \t\r\n")
			b = append(b, inner...)
		} else {
			b = v.appendJSON(b)
		}
		if len(b) > mark {
			b = append(b, ',')
		}
		if r.enough(b) {
			break
		}
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return Value{kind: Array, s: r.keep(append(b, ']'))}
}
