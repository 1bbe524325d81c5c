package policy

// A whole is a resource name with variables in its beginning: what it has for names of a
// kind shows in Bind.
type whole struct {
	t    template
	st   *Statement
	kind kind
	set  actionSet
}

// index sorts the resources of the statements that speak of a kind.
func (p *Program) index(k kind) {
	for _, st := range p.statements {
		set := st.hot & kindActions[k]
		if set == 0 {
			continue
		}
		patterns, wholes := p.rests(st, k)
		switch {
		case len(patterns)+len(wholes) == 0 && !st.notResource: // about other kinds
		case st.grouped():
			g := p.group(st, k, patterns, wholes)
			for i := range st.conditions {
				if c := &st.conditions[i]; c.timed {
					g.times = append(g.times, p.timeOf(c))
				}
			}
			p.groups = append(p.groups, *g)
		default:
			for _, t := range patterns {
				p.grow(&p.trees[k], t, st, set)
			}
			for _, t := range wholes {
				p.wholes = append(p.wholes, whole{t, st, k, set})
			}
		}
	}
	p.trees[k].grown()
}

// rests are a statement's resources as patterns for names of a kind, and those for which
// that depends on variables.
func (p *Program) rests(st *Statement, k kind) (patterns, wholes []template) {
	for _, t := range st.resources {
		if rests, ok := t.derive(p.scope + kindPrefix[k]); ok {
			patterns = append(patterns, rests...)
		} else {
			wholes = append(wholes, t)
		}
	}
	return patterns, wholes
}

// A group is a statement that is not just a list of patterns: one with NotResource,
// with conditions on the time, or one that must be worked out at each decision.
type group struct {
	st       *Statement
	patterns tree
	times    []timed
	kind     kind
	set      actionSet
	slow     bool // worked out anew at each decision
}

// grouped reports whether a statement is a group.
func (st *Statement) grouped() bool { return st.notResource || st.timed || st.slow }

func (p *Program) group(st *Statement, k kind, patterns, wholes []template) *group {
	g := &group{st: st, kind: k, set: st.hot & kindActions[k], slow: st.slow || len(wholes) > 0}
	for _, t := range patterns {
		p.grow(&g.patterns, t, st, g.set)
	}
	g.patterns.grown()
	return g
}

// timed is a condition on the time: a test, or Bound.times[at] if at is not negative.
type timed struct {
	test timeTest
	at   int
}

func (p *Program) timeOf(c *condition) timed {
	variables := false
	c.uses(func(int) { variables = true })
	if !variables {
		return timed{c.timeTest(nil), -1}
	}
	p.times = append(p.times, c)
	return timed{at: len(p.times) - 1}
}
