package shadow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// tries is how often a request is worked again because another service that shares
// the store was faster.
const tries = 100

// Update works the update in request: {"state":{"desired":…,"reported":…},
// "clientToken":…,"version":…}. A success is published on …/update/delta (if desired
// and reported differ now), …/update/accepted and …/update/documents. Nothing of
// request is kept.
//
// Errors are an [Error] and nothing is changed or published: ErrInvalid or
// ErrEncoding for a bad request or bad names, ErrNotFound if Config.Require knows no
// such thing, ErrVersion if the request's version is not the current one,
// ErrTooLarge, ErrThrottled, what a hook or validator refused, ErrInternal.
func (s *Service) Update(ctx context.Context, k Key, request []byte, by Requester) (Accepted, error) {
	return s.updateIf(ctx, k, request, by, nil)
}

func (s *Service) updateIf(ctx context.Context, k Key, request []byte, by Requester, cond *Condition) (Accepted, error) {
	w := newWork()
	defer w.free()
	now := time.Now()
	if err := k.Validate(); err != nil {
		return Accepted{}, err
	}
	if !s.limiter.begin(k.Thing, &by, now) {
		return Accepted{}, throttled()
	}
	defer s.limiter.end(&by)
	if err := s.readUpdate(w, request); err != nil {
		return Accepted{}, w.refuse(err)
	}
	if err := s.require(ctx, k.Thing); err != nil {
		return Accepted{}, w.refuse(err)
	}
	mu := s.lock(k)
	mu.Lock()
	defer mu.Unlock()
	to := answerTopics(requestTopicOf(k, opUpdate), opUpdate)
	d, err := s.update(ctx, w, k, now, &by, to, cond)
	if err != nil {
		return Accepted{}, w.refuse(err)
	}
	return Accepted{Version: d.Version, Time: now, Current: d, body: bytes.Clone(w.accepted)}, nil
}

// update works w.request. The caller holds the key's lock, so that what is
// committed and published here is in the order of versions.
func (s *Service) update(
	ctx context.Context, w *work, k Key, now time.Time, by *Requester, to topics, cond *Condition,
) (Document, error) {
	asked := w.request
	for try := 0; ; try++ {
		w.request = asked
		old, err := s.load(ctx, w, k, now)
		if err != nil {
			return Document{}, err
		}
		if !asked.fits(old) {
			return Document{}, conflict()
		}
		if err := cond.check(k, old, now); err != nil {
			return Document{}, err
		}
		if err := s.beforeUpdate(ctx, w, k, by, old); err != nil {
			return Document{}, err
		}
		w.merge(&w.request, now.Unix())
		if len(w.merged[Desired].text)+len(w.merged[Reported].text) > s.cfg.MaxBytes {
			return Document{}, tooLarge()
		}
		if err := s.validate(ctx, w, k); err != nil {
			return Document{}, err
		}
		d := w.document(old, old.Version+1, now)
		err = s.save(ctx, k, d, by)
		if isStale(err) && try < tries && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return Document{}, failed("save", k, err)
		}
		s.committed(ctx, w, k, by, old, d, to)
		return d, nil
	}
}

// fits reports whether the request's version, if it has one, is that of the
// document. 0 stands for none.
func (r *request) fits(d Document) bool {
	return r.version < 0 || r.version == d.Version || r.version == 0 && !d.Live()
}

// committed tells of an update: observers first, so that whoever gets an answer
// finds the change everywhere in the process, then the messages.
func (s *Service) committed(ctx context.Context, w *work, k Key, by *Requester, old, d Document, to topics) {
	differs := w.diff(w.merged)
	if len(s.observers) > 0 || s.watchers.watched(k) {
		c := &Change{Key: k, Kind: Updated, By: *by, Current: d, Time: d.Updated}
		if old.Live() {
			c.Previous = old
		}
		if differs {
			c.Delta = bytes.Clone(w.deltaState)
		}
		s.observe(ctx, c)
	}
	now, previous := d.Updated.Unix(), old.Version
	if !old.Live() {
		previous = 0
	}
	if differs {
		w.message = w.appendDeltaMessage(w.message[:0], d.Version, now)
		s.publish(ctx, to.delta, w.message)
	}
	w.accepted = w.appendAccepted(w.accepted[:0], d.Version, now)
	s.publish(ctx, to.accepted, w.accepted)
	w.message = w.appendDocuments(w.message[:0], previous, d.Version, now)
	s.publish(ctx, to.documents, w.message)
}

// isStale reports that somebody else has changed the shadow since it was loaded.
func isStale(err error) bool { return errors.Is(err, ErrVersion) || errors.Is(err, ErrNotFound) }

// failed is a failure of the store: the requester learns only that there is one.
func failed(what string, k Key, err error) *Error {
	if errors.Is(err, ErrVersion) {
		return conflict()
	}
	return internal(fmt.Errorf("shadow: %s %s: %w", what, k, err))
}
