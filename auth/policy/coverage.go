package policy

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Coverage finds the statements that never apply. It notes which ones have: those that
// decided a question, and those that only would have. It knows a statement by its policy
// and by what it says, so that what is noted stays when a policy gets another version, or
// when several programs have the same policy. It is safe for concurrent use.
//
// A program that is watched, see [Program.Watch], looks at each question for the
// statements that have not applied yet, and for no others: when all have, watching costs
// an atomic load. It allocates only when a statement applies for the first time.
type Coverage struct {
	mu    sync.Mutex
	marks map[string]map[string]*atomic.Bool // by policy and text
}

// NewCoverage returns a Coverage that has noted nothing.
func NewCoverage() *Coverage { return &Coverage{marks: make(map[string]map[string]*atomic.Bool)} }

// Matched reports whether a statement has applied in a program while it was watched.
func (c *Coverage) Matched(st *Statement) bool {
	if st == nil || st.raw == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.marks[st.Policy][st.text()]
	return m != nil && m.Load()
}

// Forget drops what was noted of a policy that is gone.
func (c *Coverage) Forget(policy string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.marks, policy)
}

func (c *Coverage) mark(st *Statement) *atomic.Bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.marks[st.Policy]
	if of == nil {
		of = make(map[string]*atomic.Bool)
		c.marks[st.Policy] = of
	}
	text := st.text()
	if of[text] == nil {
		of[text] = new(atomic.Bool)
	}
	return of[text]
}

// text is what a statement says. Its own name does not count.
func (st *Statement) text() string {
	s := fmt.Sprintf("%t %d %t %q %t %q", st.modern, st.raw.effect, st.raw.notAction, st.raw.actions, st.raw.notResource, st.raw.resources)
	for i := range st.raw.conditions {
		c := &st.raw.conditions[i]
		s += fmt.Sprintf(" %s %q %q", c.op.name, c.key, c.values)
	}
	return s
}

// Watch has a coverage note which statements apply from now on, for everybody who is bound
// to the program, and for nobody if it is nil. One coverage at a time watches a program.
func (p *Program) Watch(c *Coverage) {
	if c == nil || p.broken != nil {
		p.watch.Store(nil)
		return
	}
	if w := p.watch.Load(); w == nil || w.coverage != c {
		p.watch.Store(newWatch(p, c))
	}
}

// A watch is what a coverage looks for in a program.
type watch struct {
	coverage *Coverage
	marks    []*atomic.Bool // by the number of the statement
	left     [kinds]atomic.Pointer[unseen]
}

// unseen are the statements that have not applied yet to names of a kind: in a tree, if
// there they can be.
type unseen struct {
	patterns tree
	groups   []*group
	none     bool // there is nothing left
}

func newWatch(p *Program, c *Coverage) *watch {
	w := &watch{coverage: c, marks: make([]*atomic.Bool, len(p.statements))}
	for i, st := range p.statements {
		if st.transient {
			w.marks[i] = new(atomic.Bool)
			w.marks[i].Store(true) // nobody asks for it
		} else {
			w.marks[i] = c.mark(st)
		}
	}
	for k := range kinds {
		w.left[k].Store(w.look(p, k))
	}
	return w
}

// look is what is left to look for.
func (w *watch) look(p *Program, k kind) *unseen {
	u := new(unseen)
	for _, st := range p.statements {
		if w.marks[st.number].Load() || st.hot&kindActions[k] == 0 {
			continue
		}
		patterns, wholes := p.rests(st, k)
		switch {
		case st.grouped():
			for i := range p.groups {
				if g := &p.groups[i]; g.st == st && g.kind == k {
					u.groups = append(u.groups, g)
				}
			}
		case len(wholes) > 0:
			u.groups = append(u.groups, p.group(st, k, patterns, wholes))
		default:
			for _, t := range patterns {
				p.grow(&u.patterns, t, st, st.hot&kindActions[k])
			}
		}
	}
	u.patterns.grown()
	u.none = len(u.groups) == 0 && u.patterns.empty()
	return u
}

// note looks for statements that apply to a question about a hot action for the first
// time.
func (b *Bound) note(bit actionSet, k kind, name string) {
	for i := range b.halves {
		if h := b.halves[i].b; h != nil {
			h.note(bit, k, name)
		}
	}
	w := b.watched()
	if w == nil || w.left[k].Load().none {
		return
	}
	p := newProbe(name)
	var now time.Time
	for b.find(w, bit, k, &p, &now) || k == filterKind && p.inner() && b.find(w, bit, k, &p, &now) {
		p = newProbe(name)
	}
}

// find notes what applies, and reports whether there may be more.
func (b *Bound) find(w *watch, bit actionSet, k kind, p *probe, now *time.Time) (more bool) {
	left := w.left[k].Load()
	deny, allow := b.search(&left.patterns, bit, *p, -1)
	for _, n := range [...]int32{deny, allow} {
		if n >= 0 {
			w.marks[n].Store(true)
			more = true
		}
	}
	for _, g := range left.groups {
		if g.set&bit != 0 && b.applies(g, bit, p, now) {
			w.marks[g.st.number].Store(true)
			more = true
		}
	}
	if more {
		w.left[k].CompareAndSwap(left, w.look(b.program, k))
	}
	return more
}

// noteAny does the same for any question.
func (b *Bound) noteAny(action, resource string) {
	if b == nil {
		return
	}
	for i := range b.halves {
		if h := &b.halves[i]; !h.only || identityActions[fold(action)] {
			h.b.noteAny(action, resource)
		}
	}
	w := b.watched()
	if w == nil {
		return
	}
	if bit, k, name, found := b.program.hot(action, resource); found {
		b.note(bit, k, name)
		return
	}
	b.each(fold(action), resource, func(st *Statement) {
		if m := w.marks[st.number]; !m.Load() {
			m.Store(true)
		}
	})
}

func (b *Bound) watched() *watch {
	if b.program == nil {
		return nil
	}
	return b.program.watch.Load()
}
