package password

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/thinghub/thinghub/auth"
)

// A Hasher lets few hashes be computed at a time.
type Hasher struct {
	turns   chan struct{}
	waiting atomic.Int64
	most    int64
}

// NewHasher returns a Hasher that computes parallel hashes at a time while waiting others
// may wait for their turn.
func NewHasher(parallel, waiting int) *Hasher {
	return &Hasher{turns: make(chan struct{}, parallel), most: int64(waiting)}
}

// Do calls f when it is its turn. The error wraps auth.ErrUnavailable if too many wait,
// unless the caller is patient, or ctx ends before.
func (h *Hasher) Do(ctx context.Context, patient bool, f func()) error {
	select {
	case h.turns <- struct{}{}:
	default:
		if err := h.wait(ctx, patient); err != nil {
			return err
		}
	}
	defer func() { <-h.turns }()
	f()
	return nil
}

func (h *Hasher) wait(ctx context.Context, patient bool) error {
	n := h.waiting.Add(1)
	defer h.waiting.Add(-1)
	if n > h.most && !patient {
		return fmt.Errorf("%w: %d logins wait for the hash of their password", auth.ErrUnavailable, h.most)
	}
	select {
	case h.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: no turn for the hash of a password: %w", auth.ErrUnavailable, ctx.Err())
	}
}

// Occupy takes all turns until free is called, for tests of what happens then.
func (h *Hasher) Occupy() (free func()) {
	for range cap(h.turns) {
		h.turns <- struct{}{}
	}
	return func() {
		for range cap(h.turns) {
			<-h.turns
		}
	}
}
