package shadow

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// An observer is told of each change under the lock of its shadow.
type observer func(ctx context.Context, c *Change)

// require asks Config.Require for a thing.
func (s *Service) require(ctx context.Context, thing string) error {
	if s.cfg.Require == nil {
		return nil
	}
	if err := s.guard("Config.Require", func() error { return s.cfg.Require(ctx, thing) }); err != nil {
		return refusal(err, internal)
	}
	return nil
}

// beforeUpdate asks the hooks, which may put another state in w.request.
func (s *Service) beforeUpdate(ctx context.Context, w *work, k Key, by *Requester, old Document) error {
	if len(s.updating) == 0 {
		return nil
	}
	asked := w.request.tree
	p := &Pending{Key: k, By: *by, State: w.request.appendState(nil)}
	if old.Live() {
		p.Current = old
	}
	for _, h := range s.updating {
		before := p.State
		if err := s.guard("a hook", func() error { return h.Updating(ctx, p) }); err != nil {
			return refusal(err, forbidden)
		}
		if same(before, p.State) {
			continue
		}
		if err := s.replaceState(w, p.State); err != nil {
			return err
		}
		p.State = w.request.appendState(nil)
	}
	if w.request.tree == asked {
		return nil
	}
	// What was loaded may lean on the request as it was.
	if err := w.load(old); err != nil {
		return failed("load", k, err)
	}
	return nil
}

// same reports whether two slices are one and the same.
func same(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// beforeDelete asks the hooks.
func (s *Service) beforeDelete(ctx context.Context, p *Pending) error {
	for _, h := range s.deleting {
		if err := s.guard("a hook", func() error { return h.Deleting(ctx, p) }); err != nil {
			return refusal(err, forbidden)
		}
	}
	return nil
}

// validate asks the validators about w.merged.
func (s *Service) validate(ctx context.Context, w *work, k Key) error {
	if len(s.cfg.Validators) == 0 {
		return nil
	}
	w.message = appendSides(w.message[:0], w.merged[Desired].text, w.merged[Reported].text)
	for _, v := range s.cfg.Validators {
		if err := s.guard("a validator", func() error { return v.Validate(ctx, k, w.message) }); err != nil {
			return refusal(err, func(err error) *Error {
				return &Error{Code: codeInvalid, Message: err.Error(), cause: err}
			})
		}
	}
	return nil
}

// observe tells the observers, in order, and then those who watch.
func (s *Service) observe(ctx context.Context, c *Change) {
	for _, o := range s.observers {
		if err := s.guard("a hook", func() error { o(ctx, c); return nil }); err != nil {
			continue // guard has logged it; the change is made
		}
	}
	s.watchers.tell(c)
}

// refusal is what the error of a hook means: an Error as it is, the sentinels and
// failures what they say, and anything else what the kind of hook makes of it.
func refusal(err error, otherwise func(error) *Error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return &Error{Code: e.Code, Message: e.Message, cause: err}
	case CodeOf(err) != codeInternal || errors.Is(err, ErrInternal):
		return asError(err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return internal(err)
	}
	return otherwise(err)
}

func forbidden(err error) *Error {
	return &Error{Code: codeForbidden, Message: textForbidden, cause: err}
}

// guard calls code of the host. A panic is logged and becomes an ErrInternal.
func (s *Service) guard(whose string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.cfg.Logger.Error("shadow: "+whose+" panicked", "panic", r, "stack", string(debug.Stack()))
			err = internal(fmt.Errorf("shadow: %s panicked: %v", whose, r))
		}
	}()
	return f()
}
