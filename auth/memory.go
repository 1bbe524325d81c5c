package auth

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/thinghub/thinghub/internal/sorted"
)

// Memory is the default [Directory]: records in memory, in order.
type Memory struct {
	mu       sync.RWMutex
	records  map[string]Record
	order    sorted.List[string]
	revision int64
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{records: map[string]Record{}} }

// Immediate reports that nothing here waits; see [Immediate].
func (*Memory) Immediate() bool { return true }

// Get returns a record.
func (m *Memory) Get(_ context.Context, key string) (Record, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, ok := m.records[key]
	if !ok {
		return Record{}, fmt.Errorf("%w: %q", ErrNotFound, key)
	}
	return r, nil
}

// scanned is how many records Scan takes at a time.
const scanned = 64

// Scan yields records in order.
func (m *Memory) Scan(ctx context.Context, prefix, after string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var page []Record
		from, past := prefix, false // past: begin behind from
		if after >= prefix {
			from, past = after, true
		}
		for {
			if err := ctx.Err(); err != nil {
				yield(Record{}, err)
				return
			}
			page = m.page(page[:0], prefix, from, past)
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			if len(page) < scanned {
				return
			}
			from, past = page[len(page)-1].Key, true
		}
	}
}

func (m *Memory) page(page []Record, prefix, from string, past bool) []Record {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, _ := m.order.Find(func(k string) int {
		if c := strings.Compare(k, from); c != 0 || !past {
			return c
		}
		return -1
	})
	for k := range m.order.From(at) {
		if len(page) == scanned || !strings.HasPrefix(k, prefix) {
			break
		}
		page = append(page, m.records[k])
	}
	return page
}

// Commit makes changes.
func (m *Memory) Commit(_ context.Context, changes ...Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, c := range changes {
		if c.Key == "" {
			return fmt.Errorf("auth: change %d has no key", i)
		}
		if r := m.records[c.Key]; c.Was != Any && c.Was != r.Revision {
			return fmt.Errorf("%w: %q has revision %d, expected %d", ErrConflict, c.Key, r.Revision, c.Was)
		}
	}
	for _, c := range changes {
		at, there := m.order.Find(func(k string) int { return strings.Compare(k, c.Key) })
		switch {
		case c.Value == nil && there:
			m.order.Delete(at)
			delete(m.records, c.Key)
		case c.Value != nil:
			if !there {
				m.order.Insert(at, c.Key)
			}
			m.revision++
			m.records[c.Key] = Record{Key: c.Key, Value: c.Value, Revision: m.revision}
		}
	}
	return nil
}
