package identitypool

import (
	"sync"
	"time"
)

// A bucket bounds how often something happens.
type bucket struct {
	now  func() time.Time
	rate float64 // a second; negative for any

	mu   sync.Mutex
	left float64
	at   time.Time
}

// burst is how many seconds' worth a bucket holds.
const burst = 10

func newBucket(rate float64, now func() time.Time) *bucket {
	return &bucket{now: now, rate: rate, left: max(rate*burst, 1), at: now()}
}

func (b *bucket) take() bool {
	if b.rate < 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if d := now.Sub(b.at); d > 0 {
		b.left, b.at = min(b.left+d.Seconds()*b.rate, max(b.rate*burst, 1)), now
	}
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
