package policy

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// Named is a document with the name it is known by, such as the policy's name.
type Named struct {
	Name string
	Doc  *Document
	// Transient: the document came with credentials, and there may be any number of its
	// kind. [Coverage] leaves it out.
	Transient bool
	err       error
}

// Broken stands for a document that cannot be read: a program with one denies
// everything, because nobody knows what the document would have denied. err says why.
func Broken(name string, err error) Named { return Named{Name: name, err: err} }

// A Program is a set of policies, ready to be bound to connections. It is immutable, but
// for who watches it, and safe for concurrent use; a hub keeps one per set and shares it.
type Program struct {
	scope      string
	broken     error
	statements []*Statement
	slots      []slot
	slotOf     map[slotKey]int
	trees      [kinds]tree
	groups     []group
	middles    []template // between two stars, with variables
	middleOf   map[string]int
	// what Bind has to look at
	wholes      []whole
	times       []*condition // on the time, with variables
	asked       []*Statement // those with conditions, or that variables may take away
	conditions  []*condition // of these, none as another one
	conditionOf map[string]int

	watch atomic.Pointer[watch]
}

// Compile joins policies into a program. scope is what the resource names of the hub
// begin with: "arn:aws:iot:REGION:ACCOUNT:".
//
// The program is never nil. Without policies it denies everything, implicitly. If a
// policy is broken or nil, it denies everything explicitly, and the error wraps
// [ErrMalformed]; if scope is no such beginning, the error is [ErrScope], and it denies
// as well.
func Compile(scope string, policies ...Named) (*Program, error) {
	p := newProgram(scope)
	if !scoped(scope) {
		p.broken = fmt.Errorf("%w: it is %s, expected arn:PARTITION:iot:REGION:ACCOUNT: in ASCII", ErrScope, shown(scope))
		return p, p.broken
	}
	var broken []error
	for i := range policies {
		n := &policies[i]
		switch {
		case n.err != nil && errors.Is(n.err, ErrMalformed):
			broken = append(broken, fmt.Errorf("policy %q: %w", n.Name, n.err))
		case n.err != nil:
			broken = append(broken, fmt.Errorf("policy %q: %w: %w", n.Name, ErrMalformed, n.err))
		case n.Doc == nil:
			broken = append(broken, fmt.Errorf("policy %q: %w: there is no document", n.Name, ErrMalformed))
		default:
			p.add(n)
		}
	}
	if p.broken = errors.Join(broken...); p.broken != nil {
		return p, p.broken
	}
	for k := range kinds {
		p.index(k)
	}
	p.slotOf, p.conditionOf = nil, nil
	return p, nil
}

func newProgram(scope string) *Program {
	return &Program{scope: scope, slotOf: make(map[slotKey]int), middleOf: make(map[string]int), conditionOf: make(map[string]int)}
}

func scoped(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return strings.HasPrefix(s, "arn:") && strings.HasSuffix(s, ":") && strings.Count(s, ":") == 5
}

func (p *Program) add(n *Named) {
	l := &lexer{variables: n.Doc.variables(), slot: p.slot}
	for i := range n.Doc.statements {
		st := compileStatement(n.Name, i, &n.Doc.statements[i], l, func(n int) *slot { return &p.slots[n] })
		st.number, st.transient = len(p.statements), n.Transient
		p.statements = append(p.statements, st)
		variables := false
		st.variables(func(n int) {
			variables = true
			p.slots[n].variable = true
			st.slow = st.slow || p.slots[n].timed()
		})
		for j := range st.conditions {
			c := &st.conditions[j]
			p.share(c, &n.Doc.statements[i].conditions[j], l.variables)
			st.timed = st.timed || c.timed
			st.slow = st.slow || c.slow(p.slots)
		}
		if len(st.conditions) > 0 || variables && st.notResource && st.Effect == Allow {
			p.asked = append(p.asked, st)
		}
	}
}

// share gives conditions that say the same one number: Bind evaluates one of them.
func (p *Program) share(c *condition, raw *rawCondition, variables bool) {
	key := fmt.Sprintf("%s %d %t %q", raw.op.name, c.slot, variables, raw.values)
	n, found := p.conditionOf[key]
	if !found {
		n = len(p.conditions)
		p.conditions = append(p.conditions, c)
		p.conditionOf[key] = n
	}
	c.number = n
}

// slotKey is what two spellings of a slot have in common.
type slotKey struct{ key, fallback string }

// slot is the number of a variable or condition key.
func (p *Program) slot(name string) int {
	s := newSlot(name)
	n, found := p.slotOf[s.id()]
	if !found {
		n = len(p.slots)
		p.slots = append(p.slots, s)
		p.slotOf[s.id()] = n
	}
	return n
}

// Err says why the program denies everything, nil if it does not.
func (p *Program) Err() error { return p.broken }

// Statements are the statements of all policies in the order they were given. The
// slice must not be modified.
func (p *Program) Statements() []*Statement { return p.statements }

// Keys are the variables and condition keys the policies look at, as they are written
// first. A caller that gathers facts at some cost can leave out the others.
func (p *Program) Keys() []string {
	names := make([]string, 0, len(p.slots))
	seen := make(map[string]bool, len(p.slots))
	for i := range p.slots {
		if s := &p.slots[i]; !seen[s.key] { // again with a default
			seen[s.key] = true
			names = append(names, s.name)
		}
	}
	return names
}
