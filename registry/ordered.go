package registry

import (
	"strings"

	"github.com/thinghub/thinghub/internal/sorted"
)

// ordered is a sorted set of strings. The zero value is empty. Not safe for concurrent
// use.
type ordered struct{ list sorted.List[string] }

func (o *ordered) find(name string) (sorted.Place, bool) {
	return o.list.Find(func(n string) int { return strings.Compare(n, name) })
}

// insert adds name if it is new.
func (o *ordered) insert(name string) {
	if p, found := o.find(name); !found {
		o.list.Insert(p, name)
	}
}

// remove takes name away if it is there.
func (o *ordered) remove(name string) {
	if p, found := o.find(name); found {
		o.list.Delete(p)
	}
}

// after appends to dst up to n names that come after name.
func (o *ordered) after(dst []string, name string, n int) []string {
	p, found := o.find(name)
	if found {
		p = o.list.Skip(p, 1)
	}
	for next := range o.list.From(p) {
		if n--; n < 0 {
			break
		}
		dst = append(dst, next)
	}
	return dst
}

// How many items a memory store copies while it holds its lock: few at first, because
// many loops look at the first ones only.
const (
	firstBatch = 16
	lastBatch  = 256
)
