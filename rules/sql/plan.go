package sql

import (
	"bytes"
	"context"

	"github.com/thinghub/thinghub/actions"
)

// A Plan evaluates several statements on one message with one scan of its payload. It
// is immutable and may be used by many goroutines.
type Plan struct {
	parts []planPart
	root  pathNode
	nodes int
}

// A planPart is a statement, and for each of its paths the number of its node.
type planPart struct {
	statement *Statement
	at        []int32
}

// NewPlan makes a plan of statements, which may repeat.
func NewPlan(statements ...*Statement) *Plan {
	p := &Plan{parts: make([]planPart, len(statements))}
	var all paths
	steps := make([][]*pathNode, len(statements))
	for i, s := range statements {
		p.parts[i] = planPart{s, make([]int32, len(s.paths))}
		for _, path := range s.paths {
			steps[i] = append(steps[i], all.add(path))
		}
	}
	p.nodes = all.number()
	p.root = all.root
	for i := range steps {
		for j, n := range steps[i] {
			p.parts[i].at[j] = n.id
		}
	}
	return p
}

// Evaluate evaluates one statement on one message and copies the result.
func (s *Statement) Evaluate(ctx context.Context, m *actions.Message) (Result, error) {
	r := s.alone.Begin(m)
	defer r.End()
	res, err := r.Eval(ctx, 0)
	res.Output = bytes.Clone(res.Output)
	return res, err
}
