package sql

import "errors"

// The functions of regular expressions, whose syntax is that of java.util.regex. What
// RE2 cannot do is a mistake where it is a constant; an expression that is wrong is
// Undefined, as in AWS.
var _ = register(map[string]*builtin{
	"regexp_matches": {min: 2, max: 2, build: regexpMatches},
	"regexp_replace": {min: 3, max: 3, build: regexpReplace},
	"regexp_substr":  {min: 2, max: 2, build: regexpSubstr},
})

const (
	// mostSteps bounds the program of an expression that is in the statement.
	mostRegexpSteps = 20_000
	// mostRunSteps bounds that of one that comes with a message.
	mostRunSteps = 1000
)

// regexps are the expressions that came with messages; nil is one that is of no use.
var regexps cache[*javaRegexp]

// A regexpOf returns the expression to use for the value of an argument; nil if there is
// none.
type regexpOf func(r *Run, v Value) *javaRegexp

// regexp compiles the second argument of a function.
func (c *compiler) regexp(n *call) (regexpOf, *javaRegexp) {
	s, ok := constantText(n, 1)
	if !ok {
		return func(r *Run, v Value) *javaRegexp {
			s, ok := r.toText(v)
			if !ok {
				return nil
			}
			return regexps.get(s, func(s string) *javaRegexp {
				x, _ := compileRegexp(s, mostRunSteps)
				return x
			})
		}, nil
	}
	x, err := compileRegexp(s, mostRegexpSteps)
	if err != nil {
		var e *regexpError
		if errors.As(err, &e) && e.missing {
			c.fail(n.args[1].at(), "%s: %v", n.name, err)
		}
		c.warn(n.args[1].at(), "%s is Undefined: %v", n.name, err)
	}
	return func(*Run, Value) *javaRegexp { return x }, x
}

// regexpMatches is regexp_matches(text, expression): whether a part of the text matches.
func regexpMatches(c *compiler, n *call) expr {
	expression, _ := c.regexp(n)
	of, by := c.expr(n.args[0]), c.expr(n.args[1])
	return func(r *Run) Value {
		s, ok := r.toText(of(r))
		x := expression(r, by(r))
		if !ok || x == nil {
			return undefined
		}
		return boolean(x.matches(s))
	}
}

// regexpSubstr is regexp_substr(text, expression): the first part that matches, Undefined
// if none does.
func regexpSubstr(c *compiler, n *call) expr {
	expression, _ := c.regexp(n)
	of, by := c.expr(n.args[0]), c.expr(n.args[1])
	return func(r *Run) Value {
		s, ok := r.toText(of(r))
		x := expression(r, by(r))
		if !ok || x == nil {
			return undefined
		}
		s, ok = x.substring(s)
		if !ok {
			return undefined
		}
		return text(s)
	}
}

// regexpReplace is regexp_replace(text, expression, replacement).
func regexpReplace(c *compiler, n *call) expr {
	expression, constant := c.regexp(n)
	of, by, with := c.expr(n.args[0]), c.expr(n.args[1]), c.expr(n.args[2])
	replaced := func(r *Run, x *javaRegexp, v Value) (replacement, bool) {
		s, ok := r.toText(v)
		if !ok {
			return nil, false
		}
		list, err := x.replacement(s)
		return list, err == nil
	}
	if s, ok := constantText(n, 2); ok && constant != nil {
		list, err := constant.replacement(s)
		if err != nil {
			c.warn(n.args[2].at(), "regexp_replace is Undefined: %v", err)
		}
		replaced = func(*Run, *javaRegexp, Value) (replacement, bool) { return list, err == nil }
	}
	return func(r *Run) Value {
		s, ok := r.toText(of(r))
		x, w := expression(r, by(r)), with(r)
		if !ok || x == nil {
			return undefined
		}
		list, ok := replaced(r, x, w)
		if !ok {
			return undefined
		}
		b, ok := x.replace(r.borrow(), s, list, mostText)
		if !ok {
			r.forget(b)
			return undefined
		}
		return text(r.keep(b))
	}
}
