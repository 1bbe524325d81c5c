package search

import (
	"sync"
	"time"
)

// nodes are those of a cluster. They take turns; those that failed pause.
type nodes struct {
	mu   sync.Mutex
	all  []*node
	last int
}

type node struct {
	url   string
	row   int       // requests that failed since one did not
	until time.Time // its pause is over
}

const (
	nodePause    = time.Second
	maxNodePause = 30 * time.Second
)

// next returns the node for a request: the next one that does not pause, or if all do,
// the one whose pause is over first.
func (n *nodes) next() *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	best := -1
	for i := range n.all {
		at := (n.last + 1 + i) % len(n.all)
		if !now.Before(n.all[at].until) {
			best = at
			break
		}
		if best < 0 || n.all[at].until.Before(n.all[best].until) {
			best = at
		}
	}
	n.last = best
	return n.all[best]
}

// done notes how a request went.
func (n *nodes) done(of *node, works bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if works {
		of.row, of.until = 0, time.Time{}
		return
	}
	pause := maxNodePause
	if of.row < 5 {
		pause = min(pause, nodePause<<of.row)
	}
	of.row++
	of.until = time.Now().Add(pause)
}
