package shadow

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"hash/maphash"
	"iter"
	"sync"
	"time"
)

// locks is how many locks the shadows share.
const locks = 1024

// A Service keeps shadows. It is made by [New] and may be used by many goroutines.
type Service struct {
	cfg     Config
	limiter *limiter
	seed    maphash.Seed
	locks   [locks]lock

	updating  []HookUpdating
	deleting  []HookDeleting
	observers []observer

	historian Historian // nil: no history is kept
	watchers  watchers
	done      chan struct{} // closed by Close
	closing   sync.Once
}

type lock struct {
	sync.Mutex
	_ [56]byte // one cache line each
}

// New returns a Service. Errors name the field of Config that is at fault.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, limiter: newLimiter(cfg.Rate, cfg.Burst, cfg.MaxInFlight), seed: maphash.MakeSeed(), done: make(chan struct{})}
	s.watchers.seed = s.seed
	if cfg.History.Keeps() {
		s.historian, _ = cfg.Store.(Historian)
	}
	for _, h := range cfg.Hooks {
		if h, ok := h.(HookUpdating); ok {
			s.updating = append(s.updating, h)
		}
		if h, ok := h.(HookDeleting); ok {
			s.deleting = append(s.deleting, h)
		}
		if h, ok := h.(HookChanged); ok {
			s.observers = append(s.observers, h.Changed)
		}
	}
	return s, nil
}

// Immediate reports that the service never waits for a disk or a network, because
// its store does not. Hooks, validators and Config.Require are expected not to.
func (s *Service) Immediate() bool {
	i, ok := s.cfg.Store.(Immediate)
	return ok && i.Immediate()
}

// lock returns the lock of a key.
func (s *Service) lock(k Key) *sync.Mutex {
	h := maphash.String(s.seed, k.Thing)
	if k.Name != "" {
		h += 3 * maphash.String(s.seed, k.Name) // so that {a b} is not {b a}
	}
	return &s.locks[h%locks].Mutex
}

// Get returns a shadow. It publishes nothing.
//
// Errors are an [Error]: ErrNotFound if there is no such shadow, ErrInvalid for bad
// names, ErrThrottled, ErrInternal.
func (s *Service) Get(ctx context.Context, k Key, by Requester) (View, error) {
	w := newWork()
	defer w.free()
	now := time.Now()
	if err := k.Validate(); err != nil {
		return View{}, err
	}
	if !s.limiter.begin(k.Thing, &by, now) {
		return View{}, throttled()
	}
	defer s.limiter.end(&by)
	d, err := s.get(ctx, w, k, now, nil)
	if err != nil {
		return View{}, err
	}
	v := View{Document: d, Time: now, body: bytes.Clone(w.accepted)}
	if at := w.delta; at.to > 0 {
		v.Delta = v.body[at.from:at.to:at.to]
	}
	return v, nil
}

// get loads a shadow and makes the answer in w.accepted, where w.delta is its delta.
func (s *Service) get(ctx context.Context, w *work, k Key, now time.Time, token []byte) (Document, error) {
	d, err := s.load(ctx, w, k, now)
	if err != nil {
		return d, err
	}
	if !d.Live() {
		return d, noShadow(k)
	}
	w.accepted = w.appendView(w.accepted[:0], d.Version, now.Unix(), token)
	return d, nil
}

// load returns the stored document and takes it apart. A document that is not Live
// has the version from which a new one goes on.
func (s *Service) load(ctx context.Context, w *work, k Key, now time.Time) (Document, error) {
	d, err := s.cfg.Store.Load(ctx, k)
	switch {
	case errors.Is(err, ErrNotFound):
		d = Document{}
	case err != nil:
		return d, failed("load", k, err)
	case !d.DeletedUntil.IsZero():
		if now.After(d.DeletedUntil) {
			d = Document{}
		} else {
			d = Document{Version: d.Version, DeletedUntil: d.DeletedUntil}
		}
	}
	if err := w.load(d); err != nil {
		return d, failed("load", k, err)
	}
	return d, nil
}

// Delete deletes a shadow. A success is published on …/delete/accepted.
//
// Errors are an [Error]: ErrNotFound if there is no such shadow, ErrInvalid for bad
// names, ErrThrottled, what a hook refused, ErrInternal.
func (s *Service) Delete(ctx context.Context, k Key, by Requester) (Deletion, error) {
	w := newWork()
	defer w.free()
	now := time.Now()
	if err := k.Validate(); err != nil {
		return Deletion{}, err
	}
	if !s.limiter.begin(k.Thing, &by, now) {
		return Deletion{}, throttled()
	}
	defer s.limiter.end(&by)
	w.request = request{}
	mu := s.lock(k)
	mu.Lock()
	defer mu.Unlock()
	version, err := s.delete(ctx, w, k, now, &by, answerTopics(requestTopicOf(k, opDelete), opDelete))
	return Deletion{Version: version, Time: now}, err
}

// delete works a deletion. The caller holds the key's lock.
func (s *Service) delete(ctx context.Context, w *work, k Key, now time.Time, by *Requester, to topics) (int64, error) {
	for try := 0; ; try++ {
		old, err := s.load(ctx, w, k, now)
		if err != nil {
			return 0, err
		}
		if !old.Live() {
			return 0, noShadow(k)
		}
		if err := s.beforeDelete(ctx, &Pending{Key: k, By: *by, Current: old}); err != nil {
			return 0, err
		}
		until := s.rememberUntil(now)
		err = s.remove(ctx, k, old.Version, now, until, by)
		if isStale(err) && try < tries && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return 0, failed("delete", k, err)
		}
		if len(s.observers) > 0 || s.watchers.watched(k) {
			s.observe(ctx, &Change{
				Key: k, Kind: Deleted, By: *by, Previous: old, Time: now,
				Current: Document{Version: old.Version, DeletedUntil: until},
			})
		}
		w.message = appendDeletion(w.message[:0], old.Version, now.Unix(), w.request.token)
		s.publish(ctx, to.accepted, w.message)
		return old.Version, nil
	}
}

// rememberUntil is when the version of a shadow that is deleted now is forgotten.
func (s *Service) rememberUntil(now time.Time) time.Time {
	if s.cfg.DeleteMemory < 0 {
		return now.AddDate(1000, 0, 0)
	}
	return now.Add(s.cfg.DeleteMemory)
}

// The bounds of a page of names.
const (
	defaultPage = 25
	mostPage    = 100
)

// A Page is a part of the names of a thing's named shadows.
type Page struct {
	Names     []string
	NextToken string // of the next page; "" after the last one
	Time      time.Time
}

// AppendJSON appends {"results":[…],"nextToken":…,"timestamp":…}.
func (p Page) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"results":[`...)
	for i, name := range p.Names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name)
	}
	dst = append(dst, ']')
	if p.NextToken != "" {
		dst = appendString(append(dst, `,"nextToken":`...), p.NextToken)
	}
	return append(appendInt(dst, `,"timestamp":`, p.Time.Unix()), '}')
}

// List returns the names of a thing's named shadows in byte order, from where token
// says: that of the page before, or "". size is 1 to 100; 0 means 25. A thing that
// nobody knows has none.
//
// Errors are an [Error]: ErrInvalid for a bad name, size or token, ErrThrottled,
// ErrInternal.
func (s *Service) List(ctx context.Context, thing string, size int, token string, by Requester) (Page, error) {
	now := time.Now()
	if err := checkThing(thing); err != nil {
		return Page{}, err
	}
	if size == 0 {
		size = defaultPage
	}
	if size < 1 || size > mostPage {
		return Page{}, invalid(textPageSize)
	}
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || token != "" && checkName(string(after)) != nil {
		return Page{}, invalid(textNextToken)
	}
	if !s.limiter.begin(thing, &by, now) {
		return Page{}, throttled()
	}
	defer s.limiter.end(&by)
	p := Page{Names: []string{}, Time: now}
	for name, err := range s.cfg.Store.Names(ctx, thing, string(after)) {
		if err != nil {
			return Page{}, failed("list", Key{Thing: thing}, err)
		}
		if len(p.Names) == size {
			p.NextToken = base64.RawURLEncoding.EncodeToString([]byte(p.Names[size-1]))
			break
		}
		p.Names = append(p.Names, name)
	}
	return p, nil
}

// Names yields the names of all of a thing's named shadows in byte order.
func (s *Service) Names(ctx context.Context, thing string) iter.Seq2[string, error] {
	return s.cfg.Store.Names(ctx, thing, "")
}

// All yields the keys of all shadows in any order. Changes made meanwhile may or
// may not show.
func (s *Service) All(ctx context.Context) iter.Seq2[Key, error] { return s.cfg.Store.All(ctx) }

// publish sends one message. Whoever asked is answered elsewhere too, or the change
// is made: a message that cannot be sent is a matter for the host.
func (s *Service) publish(ctx context.Context, topic string, payload []byte) {
	if err := s.cfg.Publisher.Publish(ctx, topic, payload); err != nil {
		s.cfg.Logger.Warn("shadow: a message was not published", "topic", topic, "err", err)
	}
}
