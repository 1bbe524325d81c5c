package sql

import (
	"context"
	"maps"
	"slices"
)

// A builtin is a function of the language. One of f0 to f3, fn and build is set.
type builtin struct {
	min, max  int  // how many arguments; a negative max is no bound
	since2016 bool // not in 2015-10-08
	star      bool // takes * as an argument
	calls     callSet

	f0 func(r *Run) Value
	f1 func(r *Run, a Value) Value
	f2 func(r *Run, a, b Value) Value
	f3 func(r *Run, a, b, c Value) Value
	// fn gets any number of arguments, in memory that is used again.
	fn func(r *Run, args []Value) Value
	// build compiles what needs more than its arguments' values.
	build func(c *compiler, n *call) expr
	// check refuses arguments that cannot work.
	check func(c *compiler, n *call)
}

// builtins are the functions by name, in lower case.
var builtins = map[string]*builtin{}

// register adds functions to builtins.
func register(more map[string]*builtin) struct{} {
	maps.Copy(builtins, more)
	return struct{}{}
}

// call compiles the call of a function.
func (c *compiler) call(n *call) expr {
	f, ok := c.options.Functions[n.name]
	if ok {
		return c.hostCall(n, f)
	}
	b := builtins[n.name]
	if b == nil {
		hint := nearest(n.name, append(slices.Collect(maps.Keys(builtins)), slices.Collect(maps.Keys(c.options.Functions))...))
		if hint != "" {
			c.fail(n.at(), "there is no function %s, did you mean %s?", clip(n.name), hint)
		}
		c.fail(n.at(), "there is no function %s", clip(n.name))
	}
	if b.since2016 {
		c.since2016(n.at(), n.name)
	}
	c.count(n, b.min, b.max)
	for _, a := range n.args {
		if s, isStar := a.(star); isStar && !b.star {
			c.fail(s.at(), "found \"*\": %s does not take the whole message", n.name)
		}
	}
	if b.calls != 0 {
		c.external(n, b.calls)
	}
	if b.check != nil {
		b.check(c, n)
	}
	if b.build != nil {
		return b.build(c, n)
	}
	return b.closure(c.exprs(n.args))
}

// count checks the number of arguments.
func (c *compiler) count(n *call, least, most int) {
	k := len(n.args)
	switch {
	case k >= least && (k <= most || most < 0):
	case least == most:
		c.fail(n.at(), "%s has %d arguments, expected %d", n.name, k, least)
	case most < 0:
		c.fail(n.at(), "%s has %d arguments, expected %d or more", n.name, k, least)
	default:
		c.fail(n.at(), "%s has %d arguments, expected %d to %d", n.name, k, least, most)
	}
}

// closure binds a function to its arguments. f1 to f3 get Undefined for those that are
// left out.
func (b *builtin) closure(args []expr) expr {
	at := func(i int) expr {
		if i < len(args) {
			return args[i]
		}
		return func(*Run) Value { return undefined }
	}
	switch {
	case b.f0 != nil:
		return b.f0
	case b.f1 != nil:
		f, a := b.f1, at(0)
		return func(r *Run) Value { return f(r, a(r)) }
	case b.f2 != nil:
		f, x, y := b.f2, at(0), at(1)
		return func(r *Run) Value { return f(r, x(r), y(r)) }
	case b.f3 != nil:
		f, x, y, z := b.f3, at(0), at(1), at(2)
		return func(r *Run) Value { return f(r, x(r), y(r), z(r)) }
	}
	f := b.fn
	return func(r *Run) Value {
		values := r.takeArgs(len(args))
		for i, e := range args {
			v := e(r)
			values[i] = v
		}
		v := f(r, values)
		r.giveArgs(len(args))
		return v
	}
}

// hostCall compiles the call of a function of the host's.
func (c *compiler) hostCall(n *call, f Function) expr {
	c.count(n, f.Min, f.Max)
	args := c.exprs(n.args)
	return func(r *Run) Value {
		values := make([][]byte, len(args))
		for i, e := range args {
			if v := e(r); v.kind != Undefined {
				values[i] = v.appendJSON(nil)
			}
		}
		out, err := guarded(func() ([]byte, error) { return f.Call(r.ctx, values) })
		if err != nil {
			return r.fail(&callError{n.name, err})
		}
		return r.answer(n.name, out)
	}
}

// constant returns an argument that must be a text constant.
func (c *compiler) constant(n *call, i int, what string) string {
	l, ok := n.args[i].(*literal)
	if !ok || l.value.kind != String {
		c.fail(n.args[i].at(), "argument %d of %s must be a constant text: %s", i+1, n.name, what)
	}
	return l.value.s
}

// context is that of the evaluation.
func (r *Run) context() context.Context {
	if r.ctx == nil {
		return context.Background()
	}
	return r.ctx
}
