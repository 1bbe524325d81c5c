package sql

// The functions about values that are not there.
var _ = register(map[string]*builtin{
	"isnull":         {min: 1, max: 1, star: true, f1: func(_ *Run, v Value) Value { return boolean(v.kind == Null) }},
	"isundefined":    {min: 1, max: 1, since2016: true, star: true, f1: func(_ *Run, v Value) Value { return boolean(v.kind == Undefined) }},
	"nanvl":          {min: 2, max: 2, build: nanvl},
	"get_or_default": {min: 1, max: 2, since2016: true, build: getOrDefault},
})

// nanvl is the first argument if there is one, and otherwise the second.
func nanvl(c *compiler, n *call) expr {
	a, b := c.expr(n.args[0]), c.expr(n.args[1])
	return func(r *Run) Value {
		if v := a(r); !v.isNothing() {
			return v
		}
		return b(r)
	}
}

// getOrDefault is nanvl that also catches what fails: a function that calls out.
func getOrDefault(c *compiler, n *call) expr {
	of := c.expr(n.args[0])
	byDefault := func(*Run) Value { return undefined }
	if len(n.args) == 2 {
		before := c.calls
		c.calls = 0
		byDefault = c.expr(n.args[1])
		if c.calls != 0 {
			c.fail(n.args[1].at(), "the default of get_or_default must not call out")
		}
		c.calls = before
	}
	return func(r *Run) Value {
		failed := r.err
		r.err = nil
		v := of(r)
		if r.err != nil {
			v = undefined
		}
		r.err = failed
		if v.isNothing() {
			return byDefault(r)
		}
		return v
	}
}
