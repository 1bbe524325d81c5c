package shadow

import (
	"context"
	"iter"
	"time"
)

// found is a shadow as it is, in place of what led to it.
func found(k Key, r Revision, missed int64) *Change {
	c := &Change{Key: k, Kind: Snapshot, By: r.By, Current: r.Document, Time: r.Updated, Missed: missed}
	if r.Live() {
		c.Delta = r.AppendDelta(nil)
	} else {
		c.Current.Updated = time.Time{}
	}
	return c
}

// replayed is a revision as the change that comes after at: in full if the revision
// before it is known, which perhaps is last.
func replayed(k Key, at Position, last, r Revision) *Change {
	p := r.position()
	known := last.position() == at
	c := found(k, r, at.skips(p))
	if at.leadsTo(p) && (known || at.Deleted) {
		c.Kind = r.Kind()
		if last.Live() {
			c.Previous = last.Document
		}
	}
	return c
}

// joinAt reads a shadow and takes back the changes of it that wait: those that come to
// w from here on are later than what was read.
func (s *Service) joinAt(ctx context.Context, w *watch, k Key) (Document, error) {
	mu := s.lock(k)
	mu.Lock()
	defer mu.Unlock()
	d, err := s.current(ctx, k)
	if err == nil {
		w.forget(k)
	}
	return d, err
}

// snapshots yields all shadows that w is about.
func (s *Service) snapshots(ctx context.Context, w *watch, yield func(*Change, error) bool) error {
	for k, err := range s.keys(ctx, w) {
		if err != nil {
			return failed("list", Key{Thing: w.filter.Thing}, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		d, err := s.joinAt(ctx, w, k)
		if err != nil {
			return err
		}
		if !d.Live() {
			continue
		}
		if c := found(k, Revision{Document: d}, 0); w.filter.wants(c) {
			if err := pass(yield, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// keys yields the keys of the shadows that w is about, perhaps also of some that do not
// exist.
func (s *Service) keys(ctx context.Context, w *watch) iter.Seq2[Key, error] {
	f := &w.filter
	return func(yield func(Key, error) bool) {
		switch {
		case !f.exact():
			for k, err := range s.cfg.Store.All(ctx) {
				if (err != nil || w.covers(k)) && !yield(k, err) {
					return
				}
			}
		case f.Names != nil:
			for _, name := range f.Names {
				if !yield(Key{f.Thing, name}, nil) {
					return
				}
			}
		default:
			if !yield(Key{Thing: f.Thing}, nil) {
				return
			}
			for name, err := range s.cfg.Store.Names(ctx, f.Thing, "") {
				if !yield(Key{f.Thing, name}, err) {
					return
				}
			}
		}
	}
}

// replay yields what happened to the one shadow w is about since w.filter.After, up to
// the changes that come to w.
func (s *Service) replay(ctx context.Context, w *watch, yield func(*Change, error) bool) error {
	k, at := Key{w.filter.Thing, w.filter.Names[0]}, *w.filter.After
	d, err := s.joinAt(ctx, w, k)
	if err != nil {
		return err
	}
	end := positionOf(d)
	if end.before(at) {
		// This is not the shadow that was seen: that one was deleted and forgotten.
		return pass(yield, found(k, Revision{Document: d}, 0))
	}
	var last Revision
	for r, err := range s.revisions(ctx, k, at.Version) {
		if err != nil {
			return err
		}
		p := r.position()
		if end.before(p) {
			break
		}
		if at.before(p) {
			if err := ctx.Err(); err != nil {
				return err
			}
			c := replayed(k, at, last, r)
			if at = p; c.Kind == Snapshot || w.filter.wants(c) {
				if err := pass(yield, c); err != nil {
					return err
				}
			}
		}
		last = r
	}
	if !at.before(end) {
		return nil
	}
	return pass(yield, found(k, Revision{Document: d}, at.skips(end)))
}

func pass(yield func(*Change, error) bool, c *Change) error {
	if !yield(c, nil) {
		return errLeft
	}
	return nil
}
