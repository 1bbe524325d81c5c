package policy

import "time"

// Outcome is what became of a question.
type Outcome uint8

// The outcomes. The zero value denies.
const (
	// ImplicitDeny: nothing allows it.
	ImplicitDeny Outcome = iota
	// ExplicitDeny: a statement denies it, or a policy is broken.
	ExplicitDeny
	// Allowed: a statement allows it and none denies it.
	Allowed
)

// String returns "implicit deny", "explicit deny" or "allowed".
func (o Outcome) String() string {
	switch o {
	case Allowed:
		return "allowed"
	case ExplicitDeny:
		return "explicit deny"
	default:
		return "implicit deny"
	}
}

// A Decision is the answer to a question. The zero value denies.
type Decision struct {
	Outcome Outcome
	// Statement decided: one that denies, or one that allows. It is nil where nothing
	// allows, and where a policy is broken.
	Statement *Statement
}

// Allowed reports whether it may be done.
func (d Decision) Allowed() bool { return d.Outcome == Allowed }

// Connect decides iot:Connect for a client id.
func (b *Bound) Connect(clientID string) Decision { return b.ask(connectBit, clientKind, clientID) }

// Publish decides iot:Publish on a topic name.
func (b *Bound) Publish(topic string) Decision { return b.ask(publishBit, topicKind, topic) }

// PublishRetained decides about a message with RETAIN: it takes iot:Publish and
// iot:RetainPublish on the topic name.
func (b *Bound) PublishRetained(topic string) Decision {
	if d := b.ask(publishBit, topicKind, topic); !d.Allowed() {
		return d
	}
	return b.ask(retainBit, topicKind, topic)
}

// Receive decides iot:Receive on a topic name: whether a message may be delivered.
func (b *Bound) Receive(topic string) Decision { return b.ask(receiveBit, topicKind, topic) }

// Subscribe decides iot:Subscribe on a filter as the client wrote it. Of a shared
// subscription both the whole text and the filter in it are looked at: one must be
// allowed, none denied.
func (b *Bound) Subscribe(filter string) Decision { return b.ask(subscribeBit, filterKind, filter) }

// Decide decides any action on any resource, given by its whole name or as "*". The
// name of the action compares without case. It takes longer than the methods for
// single actions, and allocates for actions they do not have.
func (b *Bound) Decide(action, resource string) Decision {
	d := b.answer(action, resource)
	b.noteAny(action, resource)
	return d
}

// answer is Decide that no Coverage hears of.
func (b *Bound) answer(action, resource string) Decision {
	if b == nil || b.program == nil && b.halves == nil {
		return Decision{}
	}
	if b.halves != nil {
		return b.decideHalves(fold(action), func(h *Bound) Decision { return h.answer(action, resource) })
	}
	if b.program.broken != nil {
		return Decision{Outcome: ExplicitDeny}
	}
	if bit, k, name, found := b.program.hot(action, resource); found {
		return b.decide(bit, k, name)
	}
	return b.scan(fold(action), resource)
}

// hot takes a question apart that is about a hot action and a name of its kind.
func (p *Program) hot(action, resource string) (bit actionSet, k kind, name string, found bool) {
	if bit, k, found = hotAction(action); !found {
		return 0, 0, "", false
	}
	n := len(p.scope) + len(kindPrefix[k])
	if len(resource) < n || resource[:len(p.scope)] != p.scope || resource[len(p.scope):n] != kindPrefix[k] {
		return 0, 0, "", false
	}
	return bit, k, resource[n:], true
}

// ask decides about a hot action, and tells who watches.
func (b *Bound) ask(bit actionSet, k kind, name string) Decision {
	d := b.decide(bit, k, name)
	if b != nil && (b.program == nil || b.program.watch.Load() != nil) {
		b.note(bit, k, name)
	}
	return d
}

// decide answers for a hot action.
func (b *Bound) decide(bit actionSet, k kind, name string) Decision {
	if b == nil || b.program == nil || b.program.broken != nil {
		return b.decideRest(bit, k, name)
	}
	p := newProbe(name)
	var now time.Time
	deny, allow := b.look(bit, k, &p, &now, -1)
	if deny < 0 && k == filterKind && p.inner() {
		deny, allow = b.look(bit, k, &p, &now, allow)
	}
	switch {
	case deny >= 0:
		return Decision{ExplicitDeny, b.program.statements[deny]}
	case allow >= 0:
		return Decision{Allowed, b.program.statements[allow]}
	}
	return Decision{}
}

// inner makes the probe that of the filter in a shared subscription, and reports whether
// it was one.
func (p *probe) inner() bool {
	if len(p.name) == 0 || p.name[0] != '$' {
		return false
	}
	filter := innerFilter(p.name)
	if filter != "" {
		*p = newProbe(filter)
	}
	return filter != ""
}

// decideRest is what decide leaves out of the way of messages.
func (b *Bound) decideRest(bit actionSet, k kind, name string) Decision {
	if b == nil || b.program == nil && b.halves == nil {
		return Decision{}
	}
	if b.halves != nil {
		return b.decideHalves("", func(h *Bound) Decision { return h.decide(bit, k, name) })
	}
	return Decision{Outcome: ExplicitDeny} // it is broken
}

// look looks for a statement of each effect that applies, as search does.
func (b *Bound) look(bit actionSet, k kind, p *probe, now *time.Time, allow int32) (deny, allowed int32) {
	if deny, allow = b.search(&b.program.trees[k], bit, *p, allow); deny >= 0 {
		return deny, allow
	}
	if b.own != nil {
		if deny, allow = b.search(&b.own[k], bit, *p, allow); deny >= 0 {
			return deny, allow
		}
	}
	for i := range b.program.groups {
		g := &b.program.groups[i]
		if g.set&bit == 0 || g.st.Effect == Allow && allow >= 0 || !b.applies(g, bit, p, now) {
			continue
		}
		if g.st.Effect == Deny {
			return int32(g.st.number), allow
		}
		allow = int32(g.st.number)
	}
	return -1, allow
}

// applies reports whether a group's statement applies to a name.
func (b *Bound) applies(g *group, bit actionSet, p *probe, now *time.Time) bool {
	if g.slow {
		values := resolve(nil, b.program.slots, b.facts, b.at(now))
		return g.st.reaches(b.program.scope+kindPrefix[g.kind]+p.name, values) && g.st.holds(values)
	}
	if b.gone.has(int32(g.st.number)) {
		return false
	}
	if deny, allow := b.search(&g.patterns, bit, *p, -1); (deny >= 0 || allow >= 0) == g.st.notResource {
		return false
	}
	for i := range g.times {
		test := &g.times[i].test
		if at := g.times[i].at; at >= 0 {
			test = &b.times[at]
		}
		if !test.holds(b.at(now)) {
			return false
		}
	}
	return true
}

// at is the time of a decision, which is asked for once.
func (b *Bound) at(now *time.Time) time.Time {
	if now.IsZero() {
		*now = b.now()
	}
	return *now
}

// now is the time in whole seconds, as aws:CurrentTime has it.
func (b *Bound) now() time.Time { return time.Unix(b.facts.now().Unix(), 0).UTC() }

// scan decides by looking at every statement. The action is in lower case.
func (b *Bound) scan(action, resource string) Decision {
	var d Decision
	b.each(action, resource, func(st *Statement) {
		switch {
		case st.Effect == Deny && d.Outcome != ExplicitDeny:
			d = Decision{ExplicitDeny, st}
		case d.Outcome == ImplicitDeny:
			d = Decision{Allowed, st}
		}
	})
	return d
}

// each calls f for the statements that apply. The action is in lower case.
func (b *Bound) each(action, resource string, f func(st *Statement)) {
	p := b.program
	var values []value
	inner := sharedInner(action, resource, p.scope)
	for _, st := range p.statements {
		if !st.does(action) {
			continue
		}
		if values == nil {
			values = resolve(nil, p.slots, b.facts, b.now())
		}
		if st.holds(values) && st.reachesShared(resource, inner, values) {
			f(st)
		}
	}
}
