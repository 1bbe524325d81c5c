package index

import (
	"cmp"
	"slices"

	"github.com/thinghub/thinghub/internal/sorted"
)

// A plan is where the documents of a part of a query are, found under the lock of the
// index and good while that is held. What it costs is estimated, in nanoseconds or so,
// to choose between ways that lead to the same.
type plan interface {
	// most is about how many documents there are at most. Only if it is 0 it is sure.
	most() int
	// has reports whether a document is there; price is what that costs.
	has(doc uint32) bool
	price() int
	// each yields the documents in no order, some perhaps more than once, and reports
	// whether it came to the end. fill adds them to a bitmap; cost is what that, or
	// each, costs.
	each(yield func(doc uint32) bool) bool
	fill(b bitmap)
	cost() int
}

// plan makes the plan of a query.
func (x *Index) plan(q *Query) plan { return x.planOf(q.root, x.skipped(q)) }

// skipped returns the part that a query does not see.
func (x *Index) skipped(q *Query) uint32 {
	if n, ok := x.parts[q.without]; ok && q.without != "" {
		return n
	}
	return nobody
}

// planOf makes the plan of a part of a query.
func (x *Index) planOf(n node, skip uint32) plan {
	switch n := n.(type) {
	case everything:
		return everybody{x}
	case *not:
		return &otherwise{x, x.planOf(n.of, skip)}
	case and:
		both := &intersection{x: x}
		for _, part := range n {
			both.of = append(both.of, x.planOf(part, skip))
		}
		slices.SortStableFunc(both.of, func(a, b plan) int { return cmp.Compare(a.most(), b.most()) })
		return both
	case or:
		var list []plan
		for _, part := range n {
			list = append(list, x.planOf(part, skip))
		}
		return x.union(list)
	default:
		return x.leaf(n.(leaf), skip)
	}
}

func (x *Index) leaf(l leaf, skip uint32) plan {
	var list []plan
	add := func(fields []uint32) {
		for _, n := range fields {
			if f := x.field(n); f.part != skip && (f.bare || l.on() != "") {
				list = append(list, l.in(x, f))
			}
		}
	}
	if l.on() != "" {
		add(x.named[x.schema.canonical(l.on())])
		return x.union(list)
	}
	for _, fields := range x.named {
		add(fields)
	}
	return x.union(list)
}

// union leaves out what has no documents.
func (x *Index) union(list []plan) plan {
	list = slices.DeleteFunc(list, func(p plan) bool { return p.most() == 0 })
	switch len(list) {
	case 0:
		return entries(nil)
	case 1:
		return list[0]
	}
	return &union{x, list}
}

// everybody is all documents.
type everybody struct{ x *Index }

func (p everybody) most() int           { return p.x.names.Len() }
func (p everybody) has(doc uint32) bool { return true }
func (p everybody) price() int          { return 1 }
func (p everybody) cost() int           { return len(p.x.live) }
func (p everybody) fill(b bitmap)       { b.or(p.x.live) }
func (p everybody) each(yield func(uint32) bool) bool {
	return p.x.live.each(yield)
}

// entries are the documents of some entries.
type entries []*entry

func (p entries) most() (n int) {
	for _, e := range p {
		n += e.count()
	}
	return n
}

func (p entries) has(doc uint32) bool {
	for _, e := range p {
		if e.has(doc) {
			return true
		}
	}
	return false
}

func (p entries) price() int { return 20 * len(p) }

func (p entries) cost() (n int) {
	for _, e := range p {
		n += 20
		if e.more != nil {
			n += e.more.cost()
		}
	}
	return n
}

func (p entries) fill(b bitmap) {
	for _, e := range p {
		e.fill(b)
	}
}

func (p entries) each(yield func(uint32) bool) bool {
	for _, e := range p {
		if !e.each(yield) {
			return false
		}
	}
	return true
}

// members are the documents that have a field.
type members struct{ *set }

func (p members) most() int  { return p.n }
func (p members) price() int { return 20 }

// A stretch is the documents of the entries between two places of a field's list, of
// those that the leaf wants if not all are wanted.
type stretch struct {
	x        *Index
	f        *field
	list     *sorted.List[uint32]
	from, to sorted.Place
	leaf     leaf
	every    bool
	n        int // estimate of the documents
}

// fewEntries is how many entries of a stretch are looked at to plan: up to so many are
// all that there is to know, of more they are a sample.
const fewEntries = 32

// stretch makes a plan of the entries between two places.
func (x *Index) stretch(f *field, list *sorted.List[uint32], from, to sorted.Place, l leaf, every bool) plan {
	length := list.Count(from, to)
	if length <= fewEntries {
		var few entries
		for id := range list.Between(from, to) {
			if e := x.entries.at(id); every || l.fits(e) {
				few = append(few, e)
			}
		}
		return few
	}
	p := &stretch{x: x, f: f, list: list, from: from, to: to, leaf: l, every: every}
	at := from
	for range fewEntries {
		id, _ := list.At(at)
		p.n += x.entries.at(id).count()
		at = list.Skip(at, length/fewEntries)
	}
	p.n = max(p.n*length/fewEntries, length)
	return p
}

func (p *stretch) most() int {
	if p.every {
		return min(p.n, p.f.docs.n)
	}
	return p.f.docs.n
}

func (p *stretch) has(doc uint32) bool {
	row := p.x.docs.at(doc)
	from, to := row.part(p.f.part)
	for _, id := range row.values[from:to] {
		if e := p.x.entries.at(id); p.x.field(e.field()) == p.f && p.leaf.fits(e) {
			return true
		}
	}
	return false
}

func (p *stretch) price() int { return 300 }
func (p *stretch) cost() int  { return 50*p.list.Count(p.from, p.to) + p.n }

func (p *stretch) fill(b bitmap) {
	for id := range p.list.Between(p.from, p.to) {
		if e := p.x.entries.at(id); p.every || p.leaf.fits(e) {
			e.fill(b)
		}
	}
}

func (p *stretch) each(yield func(uint32) bool) bool {
	for id := range p.list.Between(p.from, p.to) {
		if e := p.x.entries.at(id); (p.every || p.leaf.fits(e)) && !e.each(yield) {
			return false
		}
	}
	return true
}

// A union is the documents of any plan.
type union struct {
	x  *Index
	of []plan
}

func (p *union) most() (n int) {
	for _, o := range p.of {
		n += o.most()
	}
	return min(n, p.x.names.Len())
}

func (p *union) has(doc uint32) bool {
	return slices.ContainsFunc(p.of, func(o plan) bool { return o.has(doc) })
}

func (p *union) price() (n int) {
	for _, o := range p.of {
		n += o.price()
	}
	return n
}

func (p *union) cost() (n int) {
	for _, o := range p.of {
		n += o.cost()
	}
	return n
}

func (p *union) fill(b bitmap) {
	for _, o := range p.of {
		o.fill(b)
	}
}

func (p *union) each(yield func(uint32) bool) bool {
	for _, o := range p.of {
		if !o.each(yield) {
			return false
		}
	}
	return true
}

// otherwise is the documents that a plan has not.
type otherwise struct {
	x  *Index
	of plan
}

func (p *otherwise) most() int           { return p.x.names.Len() }
func (p *otherwise) has(doc uint32) bool { return !p.of.has(doc) }
func (p *otherwise) price() int          { return p.of.price() }
func (p *otherwise) cost() int           { return p.of.cost() + 3*len(p.x.live) }

func (p *otherwise) fill(b bitmap) {
	p.x.borrow(func(not bitmap) {
		p.of.fill(not)
		for i, w := range p.x.live {
			b[i] |= w &^ not[i]
		}
	})
}

func (p *otherwise) each(yield func(uint32) bool) (done bool) {
	p.x.borrow(func(b bitmap) {
		p.fill(b)
		done = b.each(yield)
	})
	return done
}

// An intersection is the documents of all plans, which are ordered by how many
// documents they have at most.
type intersection struct {
	x  *Index
	of []plan
}

func (p *intersection) most() int { return p.of[0].most() }

func (p *intersection) has(doc uint32) bool { return p.restHas(doc, 0) }

func (p *intersection) restHas(doc uint32, from int) bool {
	for _, o := range p.of[from:] {
		if !o.has(doc) {
			return false
		}
	}
	return true
}

func (p *intersection) price() int {
	n := 0
	for _, o := range p.of {
		n = max(n, o.price())
	}
	return n + 10*len(p.of)
}

// narrows decides how the n documents left are brought down to those of a plan: by
// looking at each, or by finding all documents of the plan.
func (p *intersection) narrows(o plan, n int) (cost int, oneByOne bool) {
	each, fill := n*o.price(), o.cost()+2*len(p.x.live)
	return min(each, fill), each <= fill
}

func (p *intersection) cost() int {
	n := p.of[0].cost() + len(p.x.live)
	for _, o := range p.of[1:] {
		c, _ := p.narrows(o, p.most())
		n += c
	}
	return n
}

func (p *intersection) fill(b bitmap) {
	p.x.borrow(func(left bitmap) {
		p.of[0].fill(left)
		for _, o := range p.of[1:] {
			n := left.count()
			if n == 0 {
				return
			}
			if _, oneByOne := p.narrows(o, n); oneByOne {
				left.filter(o.has)
				continue
			}
			if o, ok := o.(*otherwise); ok {
				p.x.borrow(func(other bitmap) {
					o.of.fill(other)
					left.andNot(other)
				})
				continue
			}
			p.x.borrow(func(other bitmap) {
				o.fill(other)
				left.and(other)
			})
		}
		b.or(left)
	})
}

func (p *intersection) each(yield func(uint32) bool) bool {
	return p.of[0].each(func(doc uint32) bool { return !p.restHas(doc, 1) || yield(doc) })
}

// borrow lends an empty bitmap for all documents.
func (x *Index) borrow(use func(bitmap)) {
	b, _ := x.scratch.Get().(*bitmap)
	if b == nil {
		b = new(bitmap)
	}
	if n := len(x.live); cap(*b) < n {
		*b = make(bitmap, n, n+n/8)
	} else {
		*b = (*b)[:n]
		clear(*b)
	}
	use(*b)
	x.scratch.Put(b)
}
