package policy

import "time"

// A condition is one key of one operator of a statement.
type condition struct {
	op     operator
	slot   int
	values [][]template // of each value its template, or those of its six parts
	path   string
	number int // of those in Program.conditions that says the same
	// timed: the key is the time and the operator compares times, so that only now is
	// missing at a decision.
	timed bool
}

func (l *lexer) condition(raw *rawCondition, slots func(int) *slot) condition {
	c := condition{op: raw.op, slot: l.slot(raw.key), path: raw.path}
	for _, v := range raw.values {
		t := l.cut(v, c.op.wildcards())
		if c.op.family != arnFamily {
			c.values = append(c.values, []template{t})
			continue
		}
		// What is no resource name fits nothing.
		if parts, ok := t.arnParts(); ok {
			c.values = append(c.values, parts[:])
		}
	}
	key := slots(c.slot)
	c.timed = key.timed() && (c.op.family == dateFamily ||
		c.op.family == numericFamily && key.source == fromEpochTime)
	c.uses(func(n int) { c.timed = c.timed && !slots(n).timed() })
	return c
}

// uses calls f for each variable in the values.
func (c *condition) uses(f func(slot int)) {
	for _, v := range c.values {
		for _, t := range v {
			t.uses(f)
		}
	}
}

// slow reports whether the condition has to be worked out at each decision.
func (c *condition) slow(slots []slot) bool {
	slow := slots[c.slot].timed() && !c.timed && c.op.family != nullFamily
	c.uses(func(n int) { slow = slow || slots[n].timed() })
	return slow
}

// want puts variables into value i. It reports false if one has no value: the entry
// then fits nothing.
func (c *condition) want(i int, values []value, w *wanted) bool {
	for j, t := range c.values[i] {
		s, ok := t.filled(values)
		if !ok {
			return false
		}
		w[j] = s
	}
	return true
}

// holds evaluates the condition.
func (c *condition) holds(values []value) bool {
	have := values[c.slot].list
	if c.op.family == nullFamily {
		return c.null(len(have) == 0, values)
	}
	if len(have) == 0 {
		switch {
		case c.op.ifExists || c.op.set == forAll:
			return true
		case c.op.set == forAny:
			return false
		}
		return c.op.negated
	}
	switch c.op.set {
	case forAll:
		for _, h := range have {
			if c.fits(h, values) == c.op.negated {
				return false
			}
		}
		return true
	case forAny:
		for _, h := range have {
			if c.fits(h, values) != c.op.negated {
				return true
			}
		}
		return false
	default:
		// Without a quantifier one value that fits decides; the negated operator is the
		// opposite of the plain one.
		for _, h := range have {
			if c.fits(h, values) {
				return !c.op.negated
			}
		}
		return c.op.negated
	}
}

// fits reports whether a value of the request fits one of the policy.
func (c *condition) fits(have string, values []value) bool {
	var w wanted
	for i := range c.values {
		if c.want(i, values, &w) && c.op.fits(have, &w) {
			return true
		}
	}
	return false
}

// null evaluates the operator Null: "true" holds if the key is absent.
func (c *condition) null(absent bool, values []value) bool {
	var w wanted
	for i := range c.values {
		if c.want(i, values, &w) &&
			(absent && sameFold(w[0], "true") || !absent && sameFold(w[0], "false")) {
			return true
		}
	}
	return false
}

// A timeTest is a timed condition with its values read.
type timeTest struct {
	op *operator
	at []time.Time
}

func (c *condition) timeTest(values []value) timeTest {
	t := timeTest{op: &c.op}
	var w wanted
	for i := range c.values {
		if !c.want(i, values, &w) {
			continue
		}
		read := parseDate
		if c.op.family == numericFamily {
			read = parseEpoch
		}
		if at, ok := read(w[0]); ok {
			t.at = append(t.at, at)
		}
	}
	return t
}

func (t *timeTest) holds(now time.Time) bool {
	for _, at := range t.at {
		if t.op.holds(now.Compare(at)) {
			return !t.op.negated
		}
	}
	return t.op.negated
}
