package policy

import (
	"slices"
	"strings"
)

// An Explanation says how a decision came about, statement by statement.
type Explanation struct {
	Action, Resource string
	Decision         Decision
	// Findings has one entry for each statement of the program, of And's halves one
	// after the other.
	Findings []Finding
	// Halves is the number of sets of policies that had to allow: 1, or And's parts.
	Halves int
	// Missing are the variables and condition keys without a value that kept a
	// statement about this action from being judged, sorted: the missingContextValues
	// of AWS's TestAuthorization.
	Missing []string
	// Err says why everything is denied, where a policy is broken.
	Err error

	scope string
}

// A Finding is what one statement has to say to a question.
type Finding struct {
	Statement *Statement
	// Half is the number of the part of [And] that the statement belongs to.
	Half int
	// Applies: action, resource and conditions all match.
	Applies bool
	// Action, Resource and Condition say which of the three match.
	Action, Resource, Condition bool
	// Failed are the conditions that do not hold.
	Failed []FailedCondition
	// Unresolved are variables of the statement that have no value. Entries that use
	// them match nothing.
	Unresolved []Unresolved
	// NearMiss says in what the statement differs from one that would have allowed
	// the action; empty if that would tell nothing.
	NearMiss string
}

// FailedCondition is a condition that does not hold.
type FailedCondition struct {
	// Path is its place in the document.
	Path          string
	Operator, Key string
	// Have are the key's values, none if it is missing; Why then says why.
	Have []string
	Why  string
}

// Unresolved is a variable without a value.
type Unresolved struct {
	Name, Why string
}

// Explain decides as [Bound.Decide] does and says why. It is meant for logs, tests and
// people: it takes its time and allocates.
func (b *Bound) Explain(action, resource string) *Explanation {
	e := &Explanation{Action: action, Resource: resource, Decision: b.answer(action, resource)}
	b.explain(e, fold(action))
	slices.Sort(e.Missing)
	e.Missing = slices.Compact(e.Missing)
	return e
}

func (b *Bound) explain(e *Explanation, action string) {
	if b != nil && b.halves != nil {
		for _, h := range b.halves {
			if !h.only || identityActions[action] {
				h.b.explain(e, action)
			}
		}
		return
	}
	e.Halves++
	if b == nil || b.program == nil {
		return
	}
	p := b.program
	e.scope = p.scope
	if p.broken != nil {
		e.Err = p.broken
		return
	}
	x := examiner{
		program: p, asked: e.Action, action: action, resource: e.Resource, values: resolve(nil, p.slots, b.facts, b.now()),
		inner: sharedInner(action, e.Resource, p.scope),
	}
	for _, st := range p.statements {
		f := x.examine(st)
		f.Half = e.Halves - 1
		e.Findings = append(e.Findings, f)
		if !f.Action {
			continue
		}
		for _, u := range f.Unresolved {
			e.Missing = append(e.Missing, u.Name)
		}
		for _, c := range f.Failed {
			if f.Resource && len(c.Have) == 0 {
				e.Missing = append(e.Missing, c.Key)
			}
		}
	}
}

// An examiner looks at statements for one question.
type examiner struct {
	program         *Program
	asked, action   string // as asked, and in lower case
	resource, inner string
	values          []value
}

func (x *examiner) examine(st *Statement) Finding {
	f := Finding{
		Statement: st,
		Action:    st.does(x.action),
		Resource:  st.reachesShared(x.resource, x.inner, x.values),
		Condition: st.holds(x.values),
	}
	f.Applies = f.Action && f.Resource && f.Condition
	seen := make(map[int]bool)
	note := func(n int) {
		if _, why := x.values[n].text(); why != "" && !seen[n] {
			seen[n] = true
			f.Unresolved = append(f.Unresolved, Unresolved{x.program.slots[n].name, why})
		}
	}
	st.variables(note)
	for i := range st.conditions {
		c := &st.conditions[i]
		c.uses(note)
		if !c.holds(x.values) {
			v := &x.values[c.slot]
			f.Failed = append(f.Failed, FailedCondition{
				Path: c.path, Operator: c.op.name, Key: x.program.slots[c.slot].name, Have: v.list, Why: v.why,
			})
		}
	}
	if !f.Applies && st.Effect == Allow {
		f.NearMiss = x.nearMiss(st, &f)
	}
	return f
}

// local is a resource name without the scope.
func local(resource, scope string) string { return strings.TrimPrefix(resource, scope) }
