package broker

import (
	"sync/atomic"

	"github.com/thinghub/thinghub/internal/topic"
)

// A subscription is one entry of the filter tree: a client's, a shared group's or
// a host handler's.
type subscription struct {
	filter string // as the client wrote it, "$share/" included
	sess   *session
	group  *shareGroup
	host   *hostSub
	opts   atomic.Uint64 // state bits | subscription identifier << 8 | SUBSCRIBE options
}

// Bits of the options byte of SUBSCRIBE.
const (
	optQoS     = 0x03
	optNoLocal = 0x04
	optRAP     = 0x08
)

// Bits beyond the subscription identifier.
const (
	optOwed  uint64 = 1 << (40 + iota) // the session's replayer lists it
	optEnded                           // it was unsubscribed
)

func packOpts(id uint32, options byte) uint64 { return uint64(id)<<8 | uint64(options) }

// subscriptions are those of one session, by filter text: a list while there are
// few, with an index once there are many.
type subscriptions struct {
	list  []*subscription
	index map[string]int
	bytes int // what they cost
}

const subscriptionsFew = 16

// filterCost estimates the memory of a subscription: a filter has a node in the tree
// for every level.
func filterCost(filter string) int { return len(filter) + 100*topic.Levels(filter) }

func (l *subscriptions) find(filter string) int {
	if l.index != nil {
		if i, ok := l.index[filter]; ok {
			return i
		}
		return -1
	}
	for i, s := range l.list {
		if s.filter == filter {
			return i
		}
	}
	return -1
}

func (l *subscriptions) add(s *subscription) {
	l.bytes += filterCost(s.filter)
	if len(l.list) == subscriptionsFew && l.index == nil {
		l.index = make(map[string]int, 2*subscriptionsFew)
		for i, x := range l.list {
			l.index[x.filter] = i
		}
	}
	if l.index != nil {
		l.index[s.filter] = len(l.list)
	}
	if l.list == nil {
		l.list = make([]*subscription, 0, 1)
	}
	l.list = append(l.list, s)
}

func (l *subscriptions) remove(i int) {
	l.bytes -= filterCost(l.list[i].filter)
	last := len(l.list) - 1
	if l.index != nil {
		delete(l.index, l.list[i].filter)
		if i != last {
			l.index[l.list[last].filter] = i
		}
	}
	l.list[i] = l.list[last]
	l.list[last] = nil
	l.list = l.list[:last]
}
