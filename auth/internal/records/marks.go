package records

import (
	"hash/maphash"
	"sync/atomic"
)

// Marks count changes of principals, so that somebody who has looked one up can tell
// without asking the directory whether it is still as it was. Names share counters: that
// a principal has changed may be said for another one's sake, never the reverse. It
// belongs to one process. Safe for concurrent use.
type Marks struct {
	seed  maphash.Seed
	slots [1 << 10]atomic.Uint64
}

// NewMarks returns Marks without a change.
func NewMarks() *Marks { return &Marks{seed: maphash.MakeSeed()} }

// Of returns the mark of a name. Take it before the look-up.
func (m *Marks) Of(name string) uint64 { return m.slot(name).Load() }

// Change gives a name another mark. Call it after the commit.
func (m *Marks) Change(name string) { m.slot(name).Add(1) }

func (m *Marks) slot(name string) *atomic.Uint64 {
	return &m.slots[maphash.String(m.seed, name)%uint64(len(m.slots))]
}
