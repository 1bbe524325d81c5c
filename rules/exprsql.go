package rules

import (
	"context"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

// embed compiles the text of expr('...') in a statement: an expression with the
// environment and the budgets of [Expr].
func (c *exprCompiler) embed(text string) (sql.Embedded, error) {
	code, err := c.compile(text)
	if err != nil {
		return nil, err
	}
	none := &exprPlan{}
	return func(_ context.Context, m *actions.Message) ([]byte, error) {
		r := none.begin(m, nil).(*exprRun)
		defer r.End()
		v, err := r.evaluate(code, c)
		if err != nil || v == nil {
			return nil, err
		}
		return r.encode(nil, v)
	}, nil
}
