package rules

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
)

// Memory is a [Store] that forgets everything when the process ends.
type Memory struct {
	mu      sync.Mutex
	records map[RecordKind]map[string]Record
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{records: map[RecordKind]map[string]Record{}} }

// All implements [Store]. It yields the records as they were when it began.
func (s *Memory) All(ctx context.Context, kind RecordKind) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s.mu.Lock()
		records := maps.Clone(s.records[kind])
		s.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(records)) {
			if err := ctx.Err(); err != nil {
				yield(Record{}, err)
				return
			}
			r := records[name]
			r.Document = bytes.Clone(r.Document)
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Save implements [Store].
func (s *Memory) Save(ctx context.Context, kind RecordKind, r Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records[kind][r.Name].Revision != r.Revision-1 {
		return ErrVersion
	}
	if s.records[kind] == nil {
		s.records[kind] = map[string]Record{}
	}
	r.Document = bytes.Clone(r.Document)
	s.records[kind][r.Name] = r
	return nil
}

// Delete implements [Store].
func (s *Memory) Delete(ctx context.Context, kind RecordKind, name string, revision int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[kind][name]
	switch {
	case !ok:
		return ErrNotFound
	case r.Revision != revision:
		return ErrVersion
	}
	delete(s.records[kind], name)
	return nil
}
