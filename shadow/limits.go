package shadow

import (
	"hash/maphash"
	"math"
	"strings"
	"sync"
	"time"
)

// limiters is how many parts the limiter's maps have, so that requests for
// different things seldom meet.
const limiters = 64

// A limiter counts what requesters ask for. It remembers a thing only as long as
// requests for it would be bounded, and a client while it has requests in flight.
type limiter struct {
	seed     maphash.Seed
	interval int64 // nanoseconds between requests in the long run; 0: no limit
	burst    int64 // how far ahead of that a thing may be, in nanoseconds
	inFlight int
	parts    [limiters]limiterPart
}

type limiterPart struct {
	mu sync.Mutex
	// due says when a thing will have made up for all its requests: until then it
	// is in debt, by at most burst.
	due     map[string]int64
	sweepAt int      // the size of due at which those without debt are removed
	flying  []flight // a few: as many as are worked at this moment
	_       [64]byte // another processor's part is on another cache line
}

// A flight is a client and how many requests it has in flight.
type flight struct {
	client   string
	requests int
}

func newLimiter(rate float64, burst, inFlight int) *limiter {
	l := &limiter{seed: maphash.MakeSeed(), inFlight: inFlight}
	if !math.IsInf(rate, 1) && burst < math.MaxInt32 {
		l.interval = int64(max(1, math.Min(float64(time.Second)/rate, float64(time.Hour))))
		l.burst = int64(burst) * l.interval
	}
	return l
}

func (l *limiter) part(s string) *limiterPart {
	return &l.parts[maphash.String(l.seed, s)%limiters]
}

// begin reports whether a request may go ahead. If so, end must follow.
func (l *limiter) begin(thing string, by *Requester, now time.Time) bool {
	if by.Source == FromHost {
		return true
	}
	if !l.fly(by.ClientID) {
		return false
	}
	if !l.spend(thing, now.UnixNano()) {
		l.land(by.ClientID)
		return false
	}
	return true
}

func (l *limiter) end(by *Requester) {
	if by.Source != FromHost {
		l.land(by.ClientID)
	}
}

func (l *limiter) fly(client string) bool {
	if client == "" || l.inFlight == math.MaxInt32 {
		return true
	}
	p := l.part(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.flight(client)
	if f == nil {
		p.flying = append(p.flying, flight{client, 1})
		return true
	}
	if f.requests >= l.inFlight {
		return false
	}
	f.requests++
	return true
}

func (l *limiter) land(client string) {
	if client == "" || l.inFlight == math.MaxInt32 {
		return
	}
	p := l.part(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.flight(client)
	if f.requests--; f.requests > 0 {
		return
	}
	last := len(p.flying) - 1
	*f, p.flying[last] = p.flying[last], flight{}
	p.flying = p.flying[:last]
}

// flight returns that of a client, nil if it has none.
func (p *limiterPart) flight(client string) *flight {
	for i := range p.flying {
		if p.flying[i].client == client {
			return &p.flying[i]
		}
	}
	return nil
}

func (l *limiter) spend(thing string, now int64) bool {
	if l.interval == 0 {
		return true
	}
	p := l.part(thing)
	p.mu.Lock()
	defer p.mu.Unlock()
	due, known := p.due[thing]
	due = max(due, now) + l.interval
	if due-now > l.burst {
		return false
	}
	if known {
		p.due[thing] = due
		return true
	}
	if len(p.due) >= p.sweepAt {
		p.sweep(now)
	}
	p.due[strings.Clone(thing)] = due
	return true
}

// sweep forgets the things without debt. It runs when as many were added as were
// left the last time, so that it costs each request little.
func (p *limiterPart) sweep(now int64) {
	if p.due == nil {
		p.due = make(map[string]int64)
	}
	for thing, due := range p.due {
		if due <= now {
			delete(p.due, thing)
		}
	}
	p.sweepAt = max(64, 2*len(p.due))
}
