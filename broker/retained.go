package broker

import (
	"container/heap"
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/internal/topic"
)

// stride is how many nodes of the index are looked at between two signs of life.
const stride = 256

// MemoryRetained is the default [RetainedStore]: an index by topic in memory.
type MemoryRetained struct {
	names       topic.Names[Message]
	maxMessages int64
	maxBytes    int64
	messages    atomic.Int64
	bytes       atomic.Int64

	mu        sync.Mutex
	expiring  expiries // messages with a deadline, among them some that were replaced
	deadlines int      // how many of them were not
}

// NewMemoryRetained returns a store that keeps at most the given number of messages
// and bytes (topic, payload, properties and index); 0 means no bound.
func NewMemoryRetained(maxMessages, maxBytes int64) *MemoryRetained {
	return &MemoryRetained{maxMessages: maxMessages, maxBytes: maxBytes}
}

// Put replaces the retained message of m.Topic, or returns [ErrRetainedFull].
func (s *MemoryRetained) Put(_ context.Context, m *Message) error {
	if s.full(m) {
		s.evict(time.Now())
		if s.full(m) {
			return ErrRetainedFull
		}
	}
	if !m.Expires.IsZero() {
		s.evict(time.Now())
	}
	s.account(s.names.Put(m.Topic, m), m)
	return nil
}

// full reports whether m would exceed a bound.
func (s *MemoryRetained) full(m *Message) bool {
	dn, db := int64(1), charge(m)
	if old := s.names.Get(m.Topic); old != nil {
		dn, db = 0, db-charge(old)
	}
	return s.maxMessages > 0 && dn > 0 && s.messages.Load()+dn > s.maxMessages || s.maxBytes > 0 && db > 0 && s.bytes.Load()+db > s.maxBytes
}

// evict removes what expired.
func (s *MemoryRetained) evict(now time.Time) {
	for {
		s.mu.Lock()
		if len(s.expiring) == 0 || !s.expiring[0].expired(now) {
			s.mu.Unlock()
			return
		}
		m := heap.Pop(&s.expiring).(*Message)
		s.mu.Unlock()
		s.expire(m, now)
	}
}

// expire removes m if it expired and is still the one that is kept.
func (s *MemoryRetained) expire(m *Message, now time.Time) bool {
	if !m.expired(now) {
		return false
	}
	if s.names.CompareAndDelete(m.Topic, m) {
		s.account(m, nil)
	}
	return true
}

// charge is what a message counts: itself and its place in the index, which has a
// node for every level, and the name once more in a sorted list.
func charge(m *Message) int64 {
	return int64(m.size() + len(m.Topic) + 32 + 100*topic.Levels(m.Topic))
}

// Delete removes the retained message of name.
func (s *MemoryRetained) Delete(_ context.Context, name string) error {
	s.account(s.names.Delete(name), nil)
	return nil
}

func (s *MemoryRetained) account(old, now *Message) {
	if old != nil {
		s.messages.Add(-1)
		s.bytes.Add(-charge(old))
	}
	if now != nil {
		s.messages.Add(1)
		s.bytes.Add(charge(now))
	}
	gone, come := old != nil && !old.Expires.IsZero(), now != nil && !now.Expires.IsZero()
	if !gone && !come {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone {
		s.deadlines--
	}
	if come {
		s.deadlines++
		heap.Push(&s.expiring, now)
	}
	if len(s.expiring) > 2*s.deadlines+64 { // most were replaced before their time
		s.expiring = slices.DeleteFunc(s.expiring, func(m *Message) bool { return s.names.Get(m.Topic) != m })
		s.expiring = slices.Clip(s.expiring)
		heap.Init(&s.expiring)
	}
}

// expiries is a heap, the earliest deadline first.
type expiries []*Message

func (e expiries) Len() int           { return len(e) }
func (e expiries) Less(i, j int) bool { return e[i].Expires.Before(e[j].Expires) }
func (e expiries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *expiries) Push(m any)        { *e = append(*e, m.(*Message)) }

func (e *expiries) Pop() any {
	last := len(*e) - 1
	m := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	return m
}

// Match yields the messages whose topics match filter. It works on the live index:
// what is stored or removed meanwhile may or may not be seen.
func (s *MemoryRetained) Match(_ context.Context, filter string) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		now := time.Now()
		s.names.Search(filter, stride, func(_ string, m *Message) bool {
			return m != nil && s.expire(m, now) || yield(m, nil)
		})
	}
}

// After implements [SortedRetained].
func (s *MemoryRetained) After(_ context.Context, name string) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		now := time.Now()
		s.names.After(name, func(_ string, m *Message) bool { return s.expire(m, now) || yield(m, nil) })
	}
}

// Len returns the number of retained messages.
func (s *MemoryRetained) Len() int { return int(s.messages.Load()) }
