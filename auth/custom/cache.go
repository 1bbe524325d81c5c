package custom

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
)

// A cache keeps identities for HTTP, those that were made or used last.
type cache struct {
	mu   sync.Mutex
	most int
	at   map[cacheKey]*list.Element
	list list.List // of cacheEntry, the latest in front
}

type cacheKey [sha256.Size]byte

type cacheEntry struct {
	key   cacheKey
	id    *auth.Identity
	until time.Time
}

func newCache(most int) *cache { return &cache{most: most, at: map[cacheKey]*list.Element{}} }

func (c *cache) get(key cacheKey, now time.Time) *auth.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.at[key]
	if !ok {
		return nil
	}
	entry := e.Value.(cacheEntry)
	if !now.Before(entry.until) {
		c.list.Remove(e)
		delete(c.at, key)
		return nil
	}
	c.list.MoveToFront(e)
	return entry.id
}

func (c *cache) put(key cacheKey, id *auth.Identity, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.at[key]; ok {
		e.Value = cacheEntry{key, id, until}
		c.list.MoveToFront(e)
		return
	}
	if len(c.at) >= c.most {
		delete(c.at, c.list.Remove(c.list.Back()).(cacheEntry).key)
	}
	c.at[key] = c.list.PushFront(cacheEntry{key, id, until})
}

// passing are headers that are about one request, not about who makes it.
var passing = []string{
	"Accept", "Accept-Encoding", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Expect",
	"If-Match", "If-None-Match", "Pragma", "Te", "Traceparent", "Tracestate", "Transfer-Encoding", "User-Agent", "X-Amzn-Trace-Id", "X-Request-Id",
}

// cached answers an HTTP request like one before on the same connection that presented
// the same. What the function is told belongs to the key, since it may depend on it.
func (s *Service) cached(ctx context.Context, c *auth.Credentials, e *records.Entry[record], r *Request) (*auth.Identity, error) {
	about := *r
	about.ConnectionMetadata.ID = ""
	if h := r.ProtocolData.HTTP; h != nil {
		headers := map[string]string{}
		for name, value := range h.Headers {
			if !slices.Contains(passing, name) {
				headers[name] = value
			}
		}
		about.ProtocolData.HTTP = &HTTPData{Headers: headers, QueryString: h.QueryString}
	}
	ends := [2]string{}
	if c.RemoteAddr != nil {
		ends[0] = c.RemoteAddr.String()
	}
	if c.LocalAddr != nil {
		ends[1] = c.LocalAddr.String()
	}
	text, err := json.Marshal([]any{e.ID[0], e.Revision, ends, about})
	if err != nil {
		return nil, err
	}
	key, now := cacheKey(sha256.Sum256(text)), s.cfg.Now()
	if id := s.cache.get(key, now); id != nil {
		return id, nil
	}
	id, err := s.admit(ctx, e, r, false)
	if err != nil {
		return nil, err
	}
	until := now.Add(id.Grant.Every)
	if id.Expires.Before(until) {
		until = id.Expires
	}
	s.cache.put(key, id, until)
	return id, nil
}
