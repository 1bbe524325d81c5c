package broker

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/thinghub/thinghub/internal/topic"
)

// MemoryRetained is the default [RetainedStore]: an index by topic in memory.
type MemoryRetained struct {
	names       topic.Names[Message]
	maxMessages int64
	maxBytes    int64
	messages    atomic.Int64
	bytes       atomic.Int64
}

// NewMemoryRetained returns a store that keeps at most the given number of messages
// and bytes (topic, payload and properties); 0 means no bound.
func NewMemoryRetained(maxMessages, maxBytes int64) *MemoryRetained {
	return &MemoryRetained{maxMessages: maxMessages, maxBytes: maxBytes}
}

// Put replaces the retained message of m.Topic, or returns [ErrRetainedFull].
func (s *MemoryRetained) Put(_ context.Context, m *Message) error {
	var dn, db int64 = 1, int64(m.size())
	if old := s.names.Get(m.Topic); old != nil {
		dn, db = 0, db-int64(old.size())
	}
	if s.maxMessages > 0 && dn > 0 && s.messages.Load()+dn > s.maxMessages || s.maxBytes > 0 && db > 0 && s.bytes.Load()+db > s.maxBytes {
		return ErrRetainedFull
	}
	old := s.names.Put(m.Topic, m)
	s.account(old, m)
	return nil
}

// Delete removes the retained message of name.
func (s *MemoryRetained) Delete(_ context.Context, name string) error {
	s.account(s.names.Delete(name), nil)
	return nil
}

func (s *MemoryRetained) account(old, now *Message) {
	if old != nil {
		s.messages.Add(-1)
		s.bytes.Add(-int64(old.size()))
	}
	if now != nil {
		s.messages.Add(1)
		s.bytes.Add(int64(now.size()))
	}
}

// Match yields the messages whose topics match filter. It works on the live index:
// what is stored or removed meanwhile may or may not be seen.
func (s *MemoryRetained) Match(_ context.Context, filter string) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		s.names.Match(filter, func(_ string, m *Message) bool { return yield(m, nil) })
	}
}

// Len returns the number of retained messages.
func (s *MemoryRetained) Len() int { return int(s.messages.Load()) }
