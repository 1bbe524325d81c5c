package policy

import (
	"sync/atomic"
	"time"
)

// A Bound is a program with the facts of one connection put in. It never changes and is
// safe for concurrent use. A nil Bound denies everything.
type Bound struct {
	program *Program
	facts   *Facts
	texts   []variable                 // what stands for the slots of the program in patterns
	middles []atomic.Pointer[variable] // what stands for Program.middles, nil until it is asked for
	times   []timeTest                 // of Program.times
	own     *[kinds]tree               // patterns of Program.wholes, nil without these
	gone    statementSet               // statements that cannot apply
	halves  []half                     // of And; the rest is empty then
}

// A variable is a text that stands in for others, if there is one.
type variable struct {
	text string
	ok   bool
}

// Bind puts the facts of a connection into the program: it looks up variables once,
// evaluates the conditions that cannot change while the connection lives, and drops
// the statements that can then never apply. Bind again when a fact changes. The facts
// belong to the Bound from now on and must not be modified; nil facts are as empty ones.
//
// It takes time and memory for each variable and condition that is not as another one,
// not for each statement.
func (p *Program) Bind(f *Facts) *Bound {
	if f == nil {
		f = &Facts{}
	}
	b := &Bound{program: p, facts: f}
	if p == nil || p.broken != nil || len(p.slots) == 0 {
		return b
	}
	var few [16]value
	values := resolve(few[:0], p.slots, f, time.Time{})
	b.gone = p.gone(values)
	b.texts = make([]variable, len(p.slots))
	for i := range values {
		if p.slots[i].variable {
			text, why := values[i].text()
			b.texts[i] = variable{text, why == ""}
		}
	}
	if len(p.middles) > 0 {
		b.middles = make([]atomic.Pointer[variable], len(p.middles))
	}
	for _, c := range p.times {
		b.times = append(b.times, c.timeTest(values))
	}
	b.bindWholes(values)
	return b
}

// statementSet is a set of statements, by number.
type statementSet []bool

func (s statementSet) has(n int32) bool { return s != nil && s[n] }

// gone are the statements that cannot apply whatever is asked. Conditions on the time
// are left out of it, and slow statements altogether.
func (p *Program) gone(values []value) statementSet {
	if len(p.asked) == 0 {
		return nil
	}
	var few [64]bool
	holds := few[:0]
	for _, c := range p.conditions {
		holds = append(holds, c.timed || c.holds(values))
	}
	var gone statementSet
	for _, st := range p.asked {
		if !st.slow && !st.may(holds, values) {
			if gone == nil {
				gone = make(statementSet, len(p.statements))
			}
			gone[st.number] = true
		}
	}
	return gone
}

// may reports whether a statement can apply to anything. holds says which of the
// program's conditions hold.
func (st *Statement) may(holds []bool, values []value) bool {
	for i := range st.conditions {
		if !holds[st.conditions[i].number] {
			return false
		}
	}
	if !st.notResource || st.Effect != Allow {
		return true
	}
	resolved := true
	st.variables(func(n int) {
		_, why := values[n].text()
		resolved = resolved && why == ""
	})
	return resolved
}

// middle is one of the texts between stars, made when a name comes that far.
func (b *Bound) middle(at int) *variable {
	if v := b.middles[at].Load(); v != nil {
		return v
	}
	v := &variable{ok: true}
	var few [256]byte
	text := few[:0]
	for _, t := range b.program.middles[at] {
		if t.slot < 0 {
			text = append(text, t.text...)
			continue
		}
		text = append(text, b.texts[t.slot].text...)
		v.ok = v.ok && b.texts[t.slot].ok
	}
	v.text = string(text)
	b.middles[at].Store(v)
	return v
}

// bindWholes makes the patterns of resource names that have variables in their beginning.
func (b *Bound) bindWholes(values []value) {
	for _, w := range b.program.wholes {
		text, ok := w.t.filled(values)
		if !ok {
			continue
		}
		if b.own == nil {
			b.own = new([kinds]tree)
		}
		rests, _ := template{{text, -1}}.derive(b.program.scope + kindPrefix[w.kind])
		for _, r := range rests {
			b.own[w.kind].addEntry(w.st.Effect, newEntry(r[0].text, w.st.number, w.set))
		}
	}
}
