package auth

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// A Count says how often something happened: one kind of [Event].
type Count struct {
	Service   string  `json:"service"`
	Operation string  `json:"operation"`
	Outcome   Outcome `json:"outcome"`
	Number    uint64  `json:"number"`
}

// maxCounts bounds how many kinds of events a Tally tells apart. There are fewer
// operations; it is a net below them.
const maxCounts = 4096

// A Tally counts events by service, operation and outcome. The zero value is ready. It is
// safe for concurrent use.
type Tally struct {
	kinds  sync.Map // from kind to *atomic.Uint64
	number atomic.Int64
}

type kind struct {
	service, operation string
	outcome            Outcome
}

// Add counts an event.
func (t *Tally) Add(e *Event) {
	k := kind{e.Service, e.Operation, e.Outcome}
	n, ok := t.kinds.Load(k)
	if !ok {
		if t.number.Load() >= maxCounts {
			k.operation = ""
		}
		var was bool
		if n, was = t.kinds.LoadOrStore(k, new(atomic.Uint64)); !was {
			t.number.Add(1)
		}
	}
	n.(*atomic.Uint64).Add(1)
}

// Counts returns how often each kind of event happened, ordered by service, operation and
// outcome. The numbers only grow.
func (t *Tally) Counts() []Count {
	var all []Count
	t.kinds.Range(func(k, n any) bool {
		x := k.(kind)
		all = append(all, Count{x.service, x.operation, x.outcome, n.(*atomic.Uint64).Load()})
		return true
	})
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Outcome, b.Outcome))
	})
	return all
}
