package shadow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
)

// A Retention says how much of each shadow's past is kept: revisions within both
// bounds, and always the newest one. The zero value keeps nothing, and costs nothing.
type Retention struct {
	// Versions bounds how many revisions of a shadow are kept, the current one among
	// them. 0 means 100 if Age is set, a negative value no bound.
	Versions int
	// Age bounds for how long the past is kept: a revision is forgotten when the one
	// after it is older than that, so that what was current at any moment since is
	// there. It is forgotten at the shadow's next change. 0 means no bound.
	Age time.Duration
}

// Keeps reports whether anything is kept.
func (r Retention) Keeps() bool { return r.Versions != 0 || r.Age != 0 }

func (r Retention) withDefaults() (Retention, error) {
	switch {
	case r.Age < 0:
		return r, fmt.Errorf("shadow: Config.History.Age is %s, expected 0 or more", r.Age)
	case r.Versions < 0:
		r.Versions = math.MaxInt32
	case r.Versions == 0 && r.Age > 0:
		r.Versions = 100
	}
	return r, nil
}

// Forgets returns how many of n revisions, the oldest first, are to be forgotten. made
// returns when one was made, which is its Document.Updated. It is what a [Historian]
// asks once it has added a revision, with the zero-based index of each.
func (r Retention) Forgets(n int, made func(i int) time.Time) int {
	drop := 0
	if r.Versions > 0 {
		drop = max(0, n-r.Versions)
	}
	if r.Age > 0 && n > 0 {
		oldest := made(n - 1).Add(-r.Age)
		for drop < n-1 && made(drop+1).Before(oldest) {
			drop++
		}
	}
	return drop
}

// A Revision is a version of a shadow and who made it, as history keeps it. One whose
// document is not Live is the deletion of that version: it has Version, DeletedUntil,
// and in Updated when it was.
type Revision struct {
	Document
	By Requester
}

// Kind says what the revision did.
func (r Revision) Kind() ChangeKind {
	if r.Live() {
		return Updated
	}
	return Deleted
}

// position is where in the life of the shadow the revision is.
func (r Revision) position() Position { return positionOf(r.Document) }

// A Historian is a [Store] that can keep the past of shadows. Config.History needs one.
//
// The history of a shadow goes on after it was deleted and made again, and is
// forgotten together with the version of a deleted one: after that, and for a shadow
// that is new to the store, SaveRevision begins a new one. Revisions are kept with
// everything that is in them.
type Historian interface {
	Store
	// SaveRevision is Save of r's document. In the same step it adds r to the history
	// and forgets what keep says: see [Retention.Forgets].
	SaveRevision(ctx context.Context, k Key, r Revision, keep Retention) error
	// DeleteRevision is Delete of r.Version until r.DeletedUntil, likewise.
	DeleteRevision(ctx context.Context, k Key, r Revision, keep Retention) error
	// History yields the revisions that are kept and whose Version is at least from,
	// the oldest first; of a deletion and the version it deleted the deletion is the
	// later one. A shadow without history has none, which is no error. Changes made
	// meanwhile may or may not show.
	History(ctx context.Context, k Key, from int64) iter.Seq2[Revision, error]
}

// ErrGone says that a version of a shadow is no longer kept. The error is a [GoneError],
// which tells what is.
var ErrGone = errors.New("shadow: no longer kept")

// A GoneError is an [ErrGone].
type GoneError struct {
	Key     Key
	Version int64     // that was asked for, or 0
	Time    time.Time // that was asked for, if it was no version
	// Oldest and Newest are the versions that are kept, 0 if there are none.
	Oldest, Newest int64
}

// Error says what was asked for and what there is.
func (e *GoneError) Error() string {
	what := fmt.Sprintf("version %d", e.Version)
	if e.Version == 0 {
		what = "what was current at " + e.Time.Format(time.RFC3339Nano)
	}
	switch {
	case e.Newest == 0:
		return fmt.Sprintf("shadow: %s of %s is not kept, nor is any other version", what, e.Key)
	case e.Oldest == e.Newest:
		return fmt.Sprintf("shadow: %s of %s is no longer kept, only version %d is", what, e.Key, e.Newest)
	}
	return fmt.Sprintf("shadow: %s of %s is no longer kept, versions %d to %d are", what, e.Key, e.Oldest, e.Newest)
}

// Is reports whether target is ErrGone.
func (e *GoneError) Is(target error) bool { return target == ErrGone }

// History yields what is kept of a shadow's past, the oldest first, and then the shadow
// as it is or its deletion. A version that was made without Config.History has the zero
// Requester. Changes made meanwhile may or may not show. If there is no such shadow it
// yields nothing.
//
// An error is an [Error], ErrInvalid for bad names or ErrInternal, and ends it.
func (s *Service) History(ctx context.Context, k Key) iter.Seq2[Revision, error] {
	return func(yield func(Revision, error) bool) {
		if err := k.Validate(); err != nil {
			yield(Revision{}, err)
			return
		}
		var last Position
		for r, err := range s.revisions(ctx, k, 0) {
			if !yield(r, err) || err != nil {
				return
			}
			last = r.position()
		}
		d, err := s.current(ctx, k)
		switch {
		case err != nil:
			yield(Revision{}, err)
		case d.Live() && last.before(positionOf(d)):
			yield(Revision{Document: d}, nil)
		}
	}
}

// revisions yields what the store has kept, from a version on.
func (s *Service) revisions(ctx context.Context, k Key, from int64) iter.Seq2[Revision, error] {
	return func(yield func(Revision, error) bool) {
		if s.historian == nil {
			return
		}
		for r, err := range s.historian.History(ctx, k, from) {
			if err != nil {
				yield(Revision{}, failed("read the history of", k, err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// At returns a version of a shadow, also one from before it was deleted. The current
// one is there without Config.History too, but not who made it.
//
// Errors: [ErrGone] if the version is not kept (any longer); an [Error] with
// ErrNotFound if there is no such shadow or no such version yet, ErrInvalid for bad
// names, ErrInternal.
func (s *Service) At(ctx context.Context, k Key, version int64) (Revision, error) {
	gone := GoneError{Key: k, Version: version}
	for r, err := range s.History(ctx, k) {
		if err != nil {
			return Revision{}, err
		}
		if r.Version == version && r.Live() {
			return r, nil
		}
		gone.add(r)
	}
	newest := gone.Newest
	if newest == 0 {
		d, err := s.current(ctx, k)
		if err != nil {
			return Revision{}, err
		}
		newest = d.Version // of a deleted one
	}
	if version < 1 || version > newest {
		e := noShadow(k)
		if newest > 0 {
			e.cause = fmt.Errorf("there is no version %d of it, the newest is %d", version, newest)
		}
		return Revision{}, e
	}
	return Revision{}, &gone
}

// AtTime returns the version of a shadow that was current at a time: the last one that
// was made then or before, by the clock of who made it.
//
// Errors: [ErrGone] if it is not known (any longer) which one that was; an [Error] with
// ErrNotFound if there was no such shadow at the time, because it was not made yet or
// was deleted, ErrInvalid for bad names, ErrInternal.
func (s *Service) AtTime(ctx context.Context, k Key, t time.Time) (Revision, error) {
	gone := GoneError{Key: k, Time: t}
	var found Revision
	whole := false // the history begins with the shadow's first version
	for r, err := range s.History(ctx, k) {
		if err != nil {
			return Revision{}, err
		}
		if gone.Newest == 0 {
			whole = r.Version == 1 && r.Live()
		}
		if !r.Updated.After(t) {
			found = r
		}
		gone.add(r)
	}
	switch {
	case found.Live():
		return found, nil
	case found.Version > 0 || whole: // it was deleted, or not made yet
		return Revision{}, noShadow(k)
	}
	d, err := s.current(ctx, k)
	switch {
	case err != nil:
		return Revision{}, err
	case d.Version == 0:
		return Revision{}, noShadow(k)
	}
	return Revision{}, &gone
}

// add notes a revision that is kept.
func (e *GoneError) add(r Revision) {
	if e.Oldest == 0 {
		e.Oldest = r.Version
	}
	e.Newest = r.Version
}

// current returns what the store has of a shadow: with a Version but not Live if it is
// deleted and remembered, nothing if there is none.
func (s *Service) current(ctx context.Context, k Key) (Document, error) {
	w := newWork()
	defer w.free()
	return s.load(ctx, w, k, time.Now())
}

// save stores an update.
func (s *Service) save(ctx context.Context, k Key, d Document, by *Requester) error {
	if s.historian == nil {
		return s.cfg.Store.Save(ctx, k, d)
	}
	return s.historian.SaveRevision(ctx, k, Revision{Document: d, By: *by}, s.cfg.History)
}

// remove stores a deletion.
func (s *Service) remove(ctx context.Context, k Key, version int64, now, until time.Time, by *Requester) error {
	if s.historian == nil {
		return s.cfg.Store.Delete(ctx, k, version, until)
	}
	d := Document{Version: version, Updated: now, DeletedUntil: until}
	return s.historian.DeleteRevision(ctx, k, Revision{Document: d, By: *by}, s.cfg.History)
}
