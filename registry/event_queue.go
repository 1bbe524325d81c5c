package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"
)

// eventQueue keeps events in the order in which they were made, from the moment the
// change is stored (its locks are still held) until they are published (no lock is).
// One caller at a time publishes what everybody queued. So the events of one
// resource never overtake each other, and a Publisher may call the service.
type eventQueue struct {
	on atomic.Pointer[map[EventType]bool]

	mu      sync.Mutex
	waiting []event
	busy    bool
}

type event struct {
	topic   string
	payload []byte
}

func (q *eventQueue) enable(on map[EventType]bool) {
	own := make(map[EventType]bool, len(on))
	for t, v := range on {
		own[t] = v
	}
	q.on.Store(&own)
}

func (q *eventQueue) enabled(t EventType) bool { return (*q.on.Load())[t] }

// eventHead is what all events have in common.
type eventHead struct {
	EventType string `json:"eventType"`
	EventID   string `json:"eventId"`
	Timestamp int64  `json:"timestamp"` // ms
	Operation string `json:"operation"`
	AccountID string `json:"accountId"`
}

func (h *eventHead) head() *eventHead { return h }

// emit queues an event of a kind: what happened ("CREATED"), its topic after
// "$aws/events/", and its body, which begins with an eventHead.
func (s *Service) emit(t EventType, operation, topic string, body interface{ head() *eventHead }) {
	if s.cfg.Publisher == nil {
		return
	}
	*body.head() = eventHead{
		EventType: string(t) + "_EVENT", EventID: newID(), Timestamp: time.Now().UnixMilli(),
		Operation: operation, AccountID: s.cfg.Scope.Account,
	}
	var payload bytes.Buffer
	enc := json.NewEncoder(&payload)
	enc.SetEscapeHTML(false) // devices with small buffers read it
	if err := enc.Encode(body); err != nil {
		s.cfg.Logger.Warn("registry event not made", "topic", topic, "err", err)
		return
	}
	s.events.mu.Lock()
	s.events.waiting = append(s.events.waiting, event{"$aws/events/" + topic, bytes.TrimSuffix(payload.Bytes(), []byte("\n"))})
	s.events.mu.Unlock()
}

// announce publishes what is queued. It is called after the locks were released.
// Whoever finds another at it leaves its events to that one.
func (s *Service) announce(ctx context.Context) {
	q := &s.events
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy {
		return
	}
	q.busy = true
	defer func() { q.busy = false }()
	// The change is stored; that its caller went away does not undo it.
	ctx = context.WithoutCancel(ctx)
	for len(q.waiting) > 0 {
		batch := q.waiting
		q.waiting = nil
		s.publish(ctx, batch)
	}
}

// publish sends a batch without the queue's lock, which its caller holds.
func (s *Service) publish(ctx context.Context, batch []event) {
	s.events.mu.Unlock()
	defer s.events.mu.Lock()
	for _, e := range batch {
		if err := s.cfg.Publisher.Publish(ctx, e.topic, e.payload); err != nil {
			s.cfg.Logger.Warn("registry event not published", "topic", e.topic, "err", err)
		}
	}
}
