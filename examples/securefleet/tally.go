package main

import (
	"context"
	"sync"
	"time"
)

// A report is whose temperature the host heard, and with which certificate it was sent.
type report struct{ topic, certificate string }

// A tally counts reports.
type tally struct {
	mu sync.Mutex
	n  map[report]int
}

func (t *tally) add(r report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n[r]++
}

func (t *tally) of(r report) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n[r]
}

func (t *tally) total() (sum int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.n {
		sum += n
	}
	return sum
}

// await waits until enough is counted, as a function says.
func (t *tally) await(ctx context.Context, enough func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !enough() {
		select {
		case <-time.After(pace):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
