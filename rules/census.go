package rules

import "sync"

// A census is the rules that may have messages which are not done: those that are there,
// and those that were deleted before all of their messages were worked. Each rule counts
// its own; they are only added up when the service ends.
type census struct {
	mu    sync.Mutex
	rules map[*rule]struct{}
}

func (c *census) add(r *rule) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rules == nil {
		c.rules = map[*rule]struct{}{}
	}
	c.rules[r] = struct{}{}
}

// remove takes out a rule that is deleted, and those before it, as soon as they have no
// messages. Whoever matched one of them before and comes afterwards adds it again.
func (c *census) remove(r *rule) {
	r.gone.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.rules {
		if r.gone.Load() && r.pending() == 0 {
			delete(c.rules, r)
		}
	}
}

// pending is how many messages are not done.
func (c *census) pending() (n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.rules {
		n += r.pending()
	}
	return n
}

// pending is how many messages of the rule are not done.
func (r *rule) pending() int64 { return r.load.messages() + r.spilled.Load() }

// enter notes that a message of a rule is pending, which the rule has counted. It reports
// false if the service is closed; then the count is taken back with left.
func (s *Service) enter(r *rule) bool {
	if r.gone.Load() {
		s.census.add(r)
	}
	return !s.closed.Load()
}

// left notes that a rule may have no messages any more: the last one that ends after the
// service was closed lets Shutdown go on.
func (s *Service) left() {
	if s.closed.Load() && s.census.pending() == 0 {
		s.drain()
	}
}
