package actions

import (
	"context"
	"sync"
)

// A Recorder is an action for tests: it keeps copies of the events it gets, of those that
// it refuses too. All methods may be called concurrently.
type Recorder struct {
	// Respond, if it is set, is called for each event after it was recorded; its error
	// is what Do returns. It must be set before the recorder is used.
	Respond func(ctx context.Context, ev Event) error

	mu     sync.Mutex
	events []Event
	taken  int           // by Next
	more   chan struct{} // closed and replaced when an event comes
}

// NewRecorder returns a recorder that accepts everything.
func NewRecorder() *Recorder { return &Recorder{more: make(chan struct{})} }

// Do records an event.
func (r *Recorder) Do(ctx context.Context, ev Event) error {
	kept := ev.Clone()
	r.mu.Lock()
	r.events = append(r.events, kept)
	close(r.more)
	r.more = make(chan struct{})
	r.mu.Unlock()
	if r.Respond != nil {
		return r.Respond(ctx, ev)
	}
	return nil
}

// Kind is "recorder".
func (r *Recorder) Kind() string { return "recorder" }

// Resource is empty.
func (r *Recorder) Resource(Event) string { return "" }

// Next returns the first event that no Next returned yet, and waits for it until ctx
// ends.
func (r *Recorder) Next(ctx context.Context) (Event, error) {
	for {
		r.mu.Lock()
		if r.taken < len(r.events) {
			ev := r.events[r.taken]
			r.taken++
			r.mu.Unlock()
			return ev, nil
		}
		more := r.more
		r.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// Events returns all events so far.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Event(nil), r.events...)
}
