package shadow

import (
	"context"
	"errors"
	"time"
)

// Handle works a message on a request topic, and publishes the answer: accepted or
// rejected, exactly one of them, and for an update delta and documents. handled is
// false, and nothing has happened, for any other topic. err is for the host: the
// store or a hook has failed (the requester was told 500). A refused request is no
// error.
//
// Nothing of topic and payload is kept.
func (s *Service) Handle(ctx context.Context, topic string, payload []byte, by Requester) (handled bool, err error) {
	at, op, kind := parseTopic(topic)
	if kind != Request {
		return false, nil
	}
	to := answerTopics(topic, op)
	at.key = keyIn(to.accepted, at.key) // topic may be memory that is used again
	w := newWork()
	defer w.free()
	err = s.handle(ctx, w, at, op, payload, &by, to)
	if err == nil {
		return true, nil
	}
	e := w.refuse(err)
	w.message = e.AppendJSON(w.message[:0])
	s.publish(ctx, to.reject(), w.message)
	if errors.Is(e, ErrInternal) {
		return true, e
	}
	return true, nil
}

// handle works a request, and publishes what there is to say unless it fails.
func (s *Service) handle(ctx context.Context, w *work, at requestTopic, op operation, payload []byte, by *Requester, to topics) error {
	k, now := at.key, time.Now()
	namesErr := at.validate()
	admitted := namesErr == nil && s.limiter.begin(k.Thing, by, now)
	if admitted {
		defer s.limiter.end(by)
	}
	// The request is read whatever happens: its token belongs in the answer.
	var readErr *Error
	if op == opUpdate {
		readErr = s.readUpdate(w, payload)
	} else {
		readErr = s.readToken(w, payload)
	}
	switch {
	case namesErr != nil:
		return namesErr
	case !admitted:
		return throttled()
	case readErr != nil:
		return readErr
	}
	if op == opUpdate {
		if err := s.require(ctx, k.Thing); err != nil {
			return err
		}
	}
	return s.work(ctx, w, k, op, now, by, to)
}

// work works a request that was read, one after the other for each shadow.
func (s *Service) work(ctx context.Context, w *work, k Key, op operation, now time.Time, by *Requester, to topics) error {
	mu := s.lock(k)
	mu.Lock()
	defer mu.Unlock()
	switch op {
	case opUpdate:
		_, err := s.update(ctx, w, k, now, by, to, nil)
		return err
	case opDelete:
		_, err := s.delete(ctx, w, k, now, by, to)
		return err
	case opGet:
	}
	_, err := s.get(ctx, w, k, now, w.request.token)
	if err != nil {
		return err
	}
	s.publish(ctx, to.accepted, w.accepted)
	return nil
}
