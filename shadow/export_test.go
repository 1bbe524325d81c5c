package shadow

import (
	"bytes"
	"slices"
	"time"
)

// Applied is what the engine makes of one request.
type Applied struct {
	Document                   Document
	Accepted, Delta, Documents []byte // Delta is nil if there is none
}

// Apply works a request on a document as the service does, without a store, at a
// time in epoch seconds.
func (s *Service) Apply(d Document, payload []byte, now int64) (a Applied, err error) {
	w := newWork()
	defer w.free()
	if err := s.readUpdate(w, payload); err != nil {
		return a, err
	}
	if err := w.load(d); err != nil {
		return a, err
	}
	w.merge(&w.request, now)
	a.Document = w.document(d, d.Version+1, time.Unix(now, 0))
	if w.diff(w.merged) {
		a.Delta = bytes.Clone(w.appendDeltaMessage(nil, a.Document.Version, now))
	}
	w.accepted = w.appendAccepted(w.accepted[:0], a.Document.Version, now)
	a.Accepted = bytes.Clone(w.accepted)
	a.Documents = w.appendDocuments(nil, d.Version, a.Document.Version, now)
	return a, nil
}

// Canonical is the one form of valid JSON.
func Canonical(text []byte) []byte {
	form, _ := Read(text)
	return form
}

// Read returns the one form of valid JSON, and what is where in it.
func Read(text []byte) (form []byte, nodes any) {
	w := newWork()
	defer w.free()
	w.scanner.read(&w.tree, text, deepest)
	return bytes.Clone(w.tree.text), slices.Clone(w.tree.nodes)
}

// Valid reports whether text is JSON, and whether an object in it has a key twice.
func Valid(text []byte) (valid, duplicate bool) {
	w := newWork()
	defer w.free()
	return w.scanner.read(&w.tree, text, deepest), w.scanner.duplicate
}

// EqualNumbers compares JSON numbers by value.
func EqualNumbers(a, b []byte) bool { return equalNumbers(a, b) }

// Shapes compares the tree that the shape of a side makes with that of its text.
func Shapes(text []byte, m Meta) (known, read any, ok bool) {
	w := newWork()
	defer w.free()
	shape, _ := m.split()
	ok = w.scanner.shaped(&w.hooked, text, shape)
	w.scanner.read(&w.tree, text, deepest+1)
	for i := range w.tree.nodes {
		w.tree.nodes[i].flags = 0
	}
	return slices.Clone(w.hooked.nodes), slices.Clone(w.tree.nodes), ok
}

// Debts is how many things the rate limit remembers, Flights how many clients have
// requests in flight.
func (s *Service) Debts() (n int) {
	for i := range s.limiter.parts {
		n += len(s.limiter.parts[i].due)
	}
	return n
}

func (s *Service) Flights() (n int) {
	for i := range s.limiter.parts {
		n += len(s.limiter.parts[i].flying)
	}
	return n
}

// Remembered is how many deleted shadows the store knows of.
func (m *Memory) Remembered() (n int) {
	for i := range m.shards {
		n += len(m.shards[i].deleted)
	}
	return n
}

// Watches is how many watches there are.
func (s *Service) Watches() (n int) {
	s.watchers.each(func(*watch) { n++ })
	return n
}

// WatchQueues is how long the queues of all watches are.
func (s *Service) WatchQueues() (n int) {
	s.watchers.each(func(w *watch) {
		w.mu.Lock()
		defer w.mu.Unlock()
		n += cap(w.queue) + len(w.last)
	})
	return n
}

func (ws *watchers) each(f func(*watch)) {
	for i := range ws.parts {
		p := &ws.parts[i]
		p.mu.RLock()
		for _, of := range p.things {
			for _, w := range of {
				f(w)
			}
		}
		p.mu.RUnlock()
	}
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	for _, w := range ws.wide {
		f(w)
	}
}

// Fits reports whether a thing fits a filter's pattern.
func Fits(pattern, thing string) bool {
	return newWatch(Filter{Thing: pattern}).covers(Key{Thing: thing})
}
