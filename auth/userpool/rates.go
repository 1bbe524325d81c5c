package userpool

import (
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth/internal/password"
)

// rates count what somebody does in an hour. The counts are those of one process.
type rates struct {
	now func() time.Time
	mu  sync.Mutex
	m   *password.Recent[*rate]
}

type rate struct {
	since time.Time
	n     int
}

const (
	rateWindow = time.Hour
	ratesKept  = 1 << 16
)

func newRates(now func() time.Time) *rates {
	return &rates{now: now, m: password.NewRecent[*rate](ratesKept)}
}

// take counts one more for a key and reports whether it is within most; negative: always.
func (r *rates) take(key string, most int) bool {
	if most < 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	w, ok := r.m.Get(key)
	if !ok || now.Sub(w.since) >= rateWindow {
		w = &rate{since: now}
		r.m.Put(key, w)
	}
	if w.n >= most {
		return false
	}
	w.n++
	return true
}

// forget lets a key begin anew.
func (r *rates) forget(key string) {
	r.mu.Lock()
	r.m.Delete(key)
	r.mu.Unlock()
}
