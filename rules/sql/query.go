package sql

// query compiles a nested SELECT. Names inside mean fields of the element.
func (c *compiler) query(n *query) expr {
	c.since2016(n.at(), "a nested query")
	source := c.expr(n.source)
	outer := c.scope
	c.scope = &scope{}
	var where test
	if n.where != nil {
		where = c.test(n.where)
	}
	var value expr
	var f *fields
	if n.selection.value {
		value = c.expr(n.selection.items[0].of)
	} else {
		f = c.fields(&n.selection)
	}
	var tree paths
	steps := make([]*pathNode, len(c.scope.paths))
	for i, p := range c.scope.paths {
		steps[i] = tree.add(p)
	}
	nodes := tree.number()
	at := make([]int32, len(steps))
	for i, s := range steps {
		at[i] = s.id
	}
	root := tree.root
	c.scope = outer

	each := func(r *Run, element string) Value {
		r.text = element
		if len(at) > 0 {
			r.scanner.into(element, &root, r.slots)
		}
		switch {
		case where != nil && !where(r):
			return undefined
		case value != nil:
			return value(r)
		case f.star >= 0:
			return Value{kind: Object, s: r.extend(element, f)}
		}
		b := append(r.borrow(), '{')
		b = f.append(r, b, 1)
		return Value{kind: Object, s: r.keep(append(b, '}'))}
	}
	return func(r *Run) Value {
		v := source(r)
		if v.kind != Array && v.kind != Object {
			return undefined
		}
		saved := r.frame
		r.frame = frame{slots: r.takeSlots(nodes), at: at}
		if v.kind == Object {
			v = each(r, v.s)
		} else {
			v = r.eachElement(v.s, each)
		}
		r.slab = r.slab[:len(r.slab)-nodes]
		r.frame = saved
		return v
	}
}

// eachElement makes an array of what each yields for the elements of an array, without
// what is Undefined.
func (r *Run) eachElement(array string, each func(r *Run, element string) Value) Value {
	b := append(r.borrow(), '[')
	for element := range elements(array) {
		w := each(r, element)
		if w.kind == Undefined {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		if b = w.appendJSON(b); r.enough(b) {
			break
		}
	}
	return Value{kind: Array, s: r.keep(append(b, ']'))}
}

// takeSlots returns room for n slots at the end of the slab.
func (r *Run) takeSlots(n int) []slot {
	from := len(r.slab)
	if from+n > cap(r.slab) {
		grown := make([]slot, from, 2*(from+n)+16)
		copy(grown, r.slab)
		r.slab = grown
	}
	r.slab = r.slab[:from+n]
	return r.slab[from : from+n : from+n]
}
