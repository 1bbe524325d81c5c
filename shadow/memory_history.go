package shadow

import (
	"context"
	"iter"
	"time"
)

// A past is the history of one shadow: a ring of its revisions.
type past struct {
	ring  []Revision
	first int // where the oldest one is
	n     int
}

func (p *past) at(i int) *Revision { return &p.ring[(p.first+i)%len(p.ring)] }

// add adds a revision and forgets what is no longer to be kept. The ring grows as long
// as it must: at the bound it costs no memory.
func (p *past) add(r Revision, keep Retention) {
	if p.n == len(p.ring) && (keep.Versions <= 0 || p.n < keep.Versions) {
		size := max(4, 2*p.n)
		if keep.Versions > 0 {
			size = min(size, keep.Versions)
		}
		ring := make([]Revision, size)
		for i := range p.n {
			ring[i] = *p.at(i)
		}
		p.ring, p.first = ring, 0
	}
	for p.n >= len(p.ring) {
		p.forget()
	}
	p.n++
	*p.at(p.n - 1) = r
	for range keep.Forgets(p.n, func(i int) time.Time { return p.at(i).Updated }) {
		p.forget()
	}
}

// forget forgets the oldest revision.
func (p *past) forget() {
	*p.at(0) = Revision{}
	p.first = (p.first + 1) % len(p.ring)
	p.n--
}

// remember adds a revision to the history of a shadow.
func (s *shard) remember(k Key, r Revision, keep Retention) {
	p := s.past[k]
	if p == nil {
		if s.past == nil {
			s.past = make(map[Key]*past)
		}
		p = &past{}
		s.past[k.clone()] = p
	}
	p.add(r, keep)
}

// SaveRevision implements [Historian].
func (m *Memory) SaveRevision(_ context.Context, k Key, r Revision, keep Retention) error {
	s := m.shard(k.Thing)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.save(k, r.Document); err != nil {
		return err
	}
	s.remember(k, r, keep)
	return nil
}

// DeleteRevision implements [Historian].
func (m *Memory) DeleteRevision(_ context.Context, k Key, r Revision, keep Retention) error {
	s := m.shard(k.Thing)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.delete(k, r.Version, r.DeletedUntil); err != nil {
		return err
	}
	if _, ok := s.deleted[k]; ok {
		s.remember(k, r, keep)
	}
	return nil
}

// History implements [Historian].
func (m *Memory) History(ctx context.Context, k Key, from int64) iter.Seq2[Revision, error] {
	return func(yield func(Revision, error) bool) {
		for _, r := range m.history(k, from) {
			if err := ctx.Err(); err != nil {
				yield(Revision{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (m *Memory) history(k Key, from int64) []Revision {
	s := m.shard(k.Thing)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.past[k]
	if p == nil || s.get(k) == nil && s.version(k) == 0 {
		return nil
	}
	i := 0
	for i < p.n && p.at(i).Version < from {
		i++
	}
	out := make([]Revision, 0, p.n-i)
	for ; i < p.n; i++ {
		out = append(out, *p.at(i))
	}
	return out
}
