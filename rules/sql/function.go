package sql

import (
	"context"

	"github.com/thinghub/thinghub/actions"
)

// A Function is a function of the host's. It is called by many goroutines, and must be
// quick: a function that waits belongs behind one of the [Externals].
type Function struct {
	// Min and Max are how many arguments it takes; a negative Max is no bound.
	Min, Max int
	// Call computes the result from JSON values; an argument that is Undefined is nil,
	// and so is a result that is. Arguments are valid during the call.
	Call func(ctx context.Context, args [][]byte) ([]byte, error)
}

// An Embedded is the expression of an expr('...'): it computes a JSON value from a
// message, nil for Undefined. An error is Undefined too. It is called by many goroutines.
type Embedded func(ctx context.Context, m *actions.Message) ([]byte, error)

var _ = register(map[string]*builtin{
	"expr": {min: 1, max: 1, since2016: true, build: func(c *compiler, n *call) expr {
		source := c.constant(n, 0, "an expression")
		if c.options.Expr == nil {
			c.fail(n.at(), "expr is not possible here: there is no other language")
		}
		f, err := c.options.Expr(source)
		if err != nil {
			c.fail(n.args[0].at(), "expr: %v", err)
		}
		return func(r *Run) Value {
			out, err := f(r.context(), r.m)
			if err != nil {
				return undefined
			}
			return r.answer(n.name, out)
		}
	}},
})
