package sql

import (
	"strings"
	"sync"
)

const (
	// mostCached is how many texts a cache keeps.
	mostCached = 64
	// longestCached is how long they may be.
	longestCached = 1 << 10
)

// A cache keeps what was made of texts that are only known when a message comes:
// patterns and names of time zones. It is used by many goroutines. When it is full it
// starts anew, so that texts from devices cannot fill the memory.
type cache[V any] struct {
	mu   sync.RWMutex
	made map[string]V
}

// get returns what there is of a text, or makes it. The text need not outlive the call.
func (c *cache[V]) get(text string, make func(text string) V) V {
	c.mu.RLock()
	v, ok := c.made[text]
	c.mu.RUnlock()
	if ok {
		return v
	}
	text = strings.Clone(text)
	v = make(text)
	if len(text) > longestCached {
		return v
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil || len(c.made) >= mostCached {
		c.made = map[string]V{}
	}
	c.made[text] = v
	return v
}
