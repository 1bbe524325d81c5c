package registry

import (
	"context"
	"sync"
	"time"

	"github.com/thinghub/thinghub/registry/index"
)

// Connectivity is whether the client of a thing is connected, and since when.
type Connectivity struct {
	Connected bool
	// Timestamp is when the client connected or disconnected; zero if it never was
	// connected.
	Timestamp time.Time
	// DisconnectReason is in the spelling of AWS ("CLIENT_INITIATED_DISCONNECT"),
	// and empty while connected.
	DisconnectReason string
	// ClientID is the client's, which is not the thing's name where its principal
	// has the thing exclusively.
	ClientID string
	// The two ends of the connection.
	SourceIP, TargetIP     string
	SourcePort, TargetPort int
	// What the client asked for.
	KeepAlive, SessionExpiry time.Duration
	CleanSession             bool
	// Version grows with every connection and disconnection of the client. News
	// with a lower one than what is known is old and ignored; 0 is always news.
	Version int64
}

// connections keeps the connectivity of things, whether or not it is indexed: of
// every name that is connected, and of things that were.
type connections struct {
	mu sync.RWMutex
	of map[string]Connectivity
}

func (c *connections) get(name string) (Connectivity, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.of[name]
	return v, ok
}

// set notes news and reports whether it was any.
func (c *connections) set(name string, v Connectivity) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.of[name]; ok && v.Version != 0 && v.Version < old.Version {
		return false
	}
	if c.of == nil {
		c.of = make(map[string]Connectivity)
	}
	c.of[name] = v
	return true
}

// thingDeleted forgets a thing that is not connected. A client that is connected
// belongs to the next thing of its name.
func (c *connections) thingDeleted(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.of[name]; ok && !v.Connected {
		delete(c.of, name)
	}
}

// ConnectivityChanged tells that the client of a thing has connected or disconnected.
// thing is the client's exclusive thing if it has one, else its client id, whether
// there is such a thing or not. It is cheap while connectivity is not indexed. News of
// one client must come in order, or with versions.
func (s *Service) ConnectivityChanged(thing string, c Connectivity) {
	ctx := context.Background()
	defer s.announce(ctx)
	defer s.locks.thing(thing)()
	if !s.conns.set(thing, c) {
		return
	}
	if !c.Connected {
		// Without this, ids of clients that come once would fill the memory.
		if _, ok, err := lookup(ctx, s.store.Things(), "thing", thing); err == nil && !ok {
			s.conns.thingDeleted(thing)
			return
		}
	}
	for v := range s.fleet.withThings {
		if v.config.Things.Connectivity != IndexStatus {
			continue
		}
		err := s.reindexPart(ctx, v, thing, partConnectivity, func(d *index.Document) { addConnectivity(d, c) })
		if err != nil {
			s.cfg.Logger.Warn("connectivity not indexed", "thing", thing, "err", err)
		}
	}
}

// GetThingConnectivityData returns whether the client of a thing is connected, also
// while connectivity is not indexed. One that never was is not.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) GetThingConnectivityData(ctx context.Context, thing string) (Connectivity, error) {
	if err := checkName("thingName", thing); err != nil {
		return Connectivity{}, err
	}
	if _, err := s.thing(ctx, thing); err != nil {
		return Connectivity{}, err
	}
	c, _ := s.conns.get(thing)
	return c, nil
}
