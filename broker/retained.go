package broker

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/internal/topic"
)

// MemoryRetained is the default [RetainedStore]: an index by topic in memory.
type MemoryRetained struct {
	names       topic.Names[Message]
	maxMessages int64
	maxBytes    int64
	messages    atomic.Int64
	bytes       atomic.Int64
	evicted     atomic.Int64 // when expired messages were looked for last
}

// NewMemoryRetained returns a store that keeps at most the given number of messages
// and bytes (topic, payload, properties and index); 0 means no bound.
func NewMemoryRetained(maxMessages, maxBytes int64) *MemoryRetained {
	return &MemoryRetained{maxMessages: maxMessages, maxBytes: maxBytes}
}

// Put replaces the retained message of m.Topic, or returns [ErrRetainedFull].
func (s *MemoryRetained) Put(_ context.Context, m *Message) error {
	if s.full(m) {
		s.evict()
		if s.full(m) {
			return ErrRetainedFull
		}
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

// evict removes what expired, at most every second: it looks at everything.
func (s *MemoryRetained) evict() {
	now := time.Now()
	last := s.evicted.Load()
	if now.UnixNano()-last < int64(time.Second) || !s.evicted.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	drop := func(name string, m *Message) bool {
		s.expire(m, now)
		return true
	}
	s.names.Match("#", drop)
	s.names.Match("$SYS/#", drop)
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
// node for every level.
func charge(m *Message) int64 { return int64(m.size() + 100*topic.Levels(m.Topic)) }

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
}

// Match yields the messages whose topics match filter. It works on the live index:
// what is stored or removed meanwhile may or may not be seen.
func (s *MemoryRetained) Match(_ context.Context, filter string) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		now := time.Now()
		s.names.Match(filter, func(_ string, m *Message) bool { return s.expire(m, now) || yield(m, nil) })
	}
}

// Len returns the number of retained messages.
func (s *MemoryRetained) Len() int { return int(s.messages.Load()) }
