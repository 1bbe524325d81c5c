package password

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth"
)

const (
	// watched is how many users and addresses that failed are remembered.
	watched = 1 << 16
	// trusted is for how long a user may come from an address where it logged in,
	// whatever others do to its name.
	trusted = 24 * time.Hour
)

// A Guard makes guessing slow.
type Guard struct {
	perUser, perAddress Limits
	mu                  sync.Mutex
	fails               *Recent[*fails]    // by key
	trust               *Recent[time.Time] // when a user last logged in from an address
}

// fails is what a user or an address did wrong.
type fails struct {
	n      int
	last   time.Time
	until  time.Time // refused before
	asking int       // attempts that are going on
}

// NewGuard returns a Guard. The limits are complete and valid.
func NewGuard(perUser, perAddress Limits) *Guard {
	return &Guard{perUser: perUser, perAddress: perAddress, fails: NewRecent[*fails](watched), trust: NewRecent[time.Time](watched)}
}

// An Attempt is one login. It must be ended.
type Attempt struct {
	g          *Guard
	user, addr string // keys; addr is empty if the address is not known
	pair       string // key of both
	counted    []*fails
}

// An Outcome is how an Attempt ended.
type Outcome uint8

// The outcomes.
const (
	Good Outcome = iota
	Bad
	Unknown // nobody could tell
)

// Begin lets somebody try, or says for how long not.
func (g *Guard) Begin(name, addr string, now time.Time) (*Attempt, error) {
	a := &Attempt{g: g, user: "user " + name, pair: name + " " + addr}
	if addr != "" {
		a.addr = "address " + addr
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if t, ok := g.trust.Get(a.pair); ok && now.Sub(t) < trusted {
		a.user = "pair " + a.pair // what others do from elsewhere does not count
	}
	if err := g.check(a.user, g.perUser, now); err != nil {
		return nil, err
	}
	if a.addr != "" {
		if err := g.check(a.addr, g.perAddress, now); err != nil {
			return nil, err
		}
	}
	for _, key := range [...]string{a.user, a.addr} {
		if f, ok := g.fails.Get(key); ok {
			f.asking++
			a.counted = append(a.counted, f)
		}
	}
	return a, nil
}

// check says whether one more attempt may begin. Whoever has failed does not get more
// of them at once than are free: else all the guesses would be made before the first
// one has failed.
func (g *Guard) check(key string, l Limits, now time.Time) error {
	f, ok := g.fails.Get(key)
	if !ok || l.Failures < 0 {
		return nil
	}
	if f.asking == 0 && now.Sub(f.last) >= l.Forget {
		g.fails.Delete(key)
		return nil
	}
	if now.Before(f.until) {
		return fmt.Errorf("%w: too many failed logins, the next one may be tried in %v", auth.ErrBanned, f.until.Sub(now).Round(time.Second))
	}
	if f.asking >= max(1, l.Failures-f.n) {
		return fmt.Errorf("%w: too many logins at once after failed ones", auth.ErrBanned)
	}
	return nil
}

// End counts the outcome.
func (a *Attempt) End(o Outcome, now time.Time) {
	g := a.g
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range a.counted {
		f.asking--
	}
	for _, k := range [...]struct {
		key    string
		limits Limits
	}{{a.user, g.perUser}, {a.addr, g.perAddress}} {
		if k.key == "" {
			continue
		}
		switch {
		case o == Bad:
			f, ok := g.fails.Get(k.key)
			if !ok {
				f = &fails{}
				g.fails.Put(k.key, f)
			}
			f.fail(k.limits, now)
		case o == Good && k.key == a.user:
			// Not the address: who has an account there could go on guessing others'.
			g.fails.Delete(k.key)
		}
	}
	if o == Good && a.addr != "" {
		g.trust.Put(a.pair, now)
	}
}

func (f *fails) fail(l Limits, now time.Time) {
	f.n, f.last = f.n+1, now
	if l.Failures < 0 || f.n < l.Failures {
		return
	}
	wait := l.MaxWait
	if over := f.n - l.Failures; over < 40 && l.Wait<<over > 0 {
		wait = min(wait, l.Wait<<over)
	}
	f.until = now.Add(wait)
}

// AddressOf is what an address counts as: all of IPv4, the network of IPv6. Empty if it
// is none, as of a connection within the process.
func AddressOf(a net.Addr) string {
	if a == nil {
		return ""
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return ""
	}
	ip := p.Addr().Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	network, err := ip.Prefix(64)
	if err != nil {
		return ""
	}
	return network.String()
}
