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
func Canonical(text []byte) []byte { return appendCanonical(nil, text) }

// Valid reports whether text is JSON, and whether an object in it has a key twice.
func Valid(text []byte) (valid, duplicate bool) {
	w := newWork()
	defer w.free()
	return w.scanner.read(&w.tree, text, &w.clean, deepest), w.scanner.duplicate
}

// EqualNumbers compares JSON numbers by value.
func EqualNumbers(a, b []byte) bool { return equalNumbers(a, b) }

// Shapes compares the tree that the shape of a side makes with that of its text.
func Shapes(text []byte, m Meta) (known, read any, ok bool) {
	w := newWork()
	defer w.free()
	shape, _ := m.split()
	ok = w.scanner.shaped(&w.hooked, text, shape)
	w.scanner.read(&w.tree, text, &w.clean, deepest+1)
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
