package registry

import (
	"context"
	"iter"
	"reflect"
	"slices"

	"github.com/thinghub/thinghub/registry/index"
)

// UpdateIndexingConfiguration changes what is indexed and builds the indices anew
// before it returns. Meanwhile everything else goes on: searches see the old indices,
// or get ErrIndexNotReady if there were none. If ctx ends first, nothing changes.
// Switching the index of things off empties the dynamic groups.
//
// Errors: ErrInvalid, ErrVersion (another service over the same store changed it).
func (s *Service) UpdateIndexingConfiguration(ctx context.Context, c IndexingConfiguration) error {
	defer s.announce(ctx)
	s.fleet.building.Lock()
	defer s.fleet.building.Unlock()
	old, version, err := s.readIndexing(ctx)
	if err != nil {
		return err
	}
	wanted := c.filled(old)
	if err := wanted.check(&s.limits); err != nil {
		return err
	}
	return s.rebuild(ctx, wanted, func() error { return s.writeIndexing(ctx, wanted, version) })
}

// rebuild makes a view for a configuration beside the current one and puts it in its
// place if commit agrees.
func (s *Service) rebuild(ctx context.Context, c indexing, commit func() error) error {
	f := &s.fleet
	v, err := newView(c)
	if err != nil {
		return indexError(err)
	}
	old := f.current.Load() // nobody else replaces it
	same := reflect.DeepEqual(old.config.Things, c.Things)
	if !same && v.things != nil {
		s.startBuilding(v, old)
		if err := s.fill(ctx, v); err != nil {
			defer s.locks.change()()
			f.next.Store(nil)
			s.dropShadows()
			return err
		}
	}
	defer s.locks.change()()
	switch {
	case same:
		v.things, v.dynamic = old.things, old.dynamic
	case v.things == nil:
		v.adopt(old.dynamic)
	}
	if err = s.fillGroups(ctx, v); err == nil {
		err = commit()
	}
	f.next.Store(nil)
	if err == nil {
		f.current.Store(v)
		if !same {
			err = s.tellMoves(ctx, old, v)
		}
	}
	s.dropShadows()
	return err
}

// startBuilding makes a view one of those that every change goes to.
func (s *Service) startBuilding(v, old *view) {
	defer s.locks.change()()
	v.adopt(old.dynamic)
	s.fleet.next.Store(v)
}

// fill puts all things into the view that is being built. Those that come or change
// meanwhile put themselves there.
func (s *Service) fill(ctx context.Context, v *view) error {
	for t, err := range s.store.Things().List(ctx, "") {
		if err != nil {
			return err
		}
		if err := s.fillThing(ctx, v, t.Name); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) fillThing(ctx context.Context, v *view, thing string) error {
	if s.cfg.Shadows == nil || !v.config.Things.holdsShadows() {
		defer s.locks.thing(thing)()
		_, err := s.place(ctx, v, thing)
		return err
	}
	p, read, err := s.pullShadows(ctx, thing, v.config.Things.holdsShadow)
	if err != nil {
		return err
	}
	defer s.locks.thing(thing)()
	read = s.fleet.endPull(thing, p, read)
	if known, err := s.place(ctx, v, thing); err != nil || !known {
		return err
	}
	return s.placeShadows(ctx, v, thing, read)
}

// fillGroups makes the index of groups. locks.structure is held.
func (s *Service) fillGroups(ctx context.Context, v *view) error {
	if v.groups == nil {
		return nil
	}
	for g, err := range s.store.Groups().List(ctx, "") {
		if err != nil {
			return err
		}
		path, err := s.pathTo(ctx, g)
		if err != nil {
			return err
		}
		v.putGroup(g, path)
	}
	return nil
}

// tellMoves tells of things that are in other dynamic groups than before.
// locks.structure is held.
func (s *Service) tellMoves(ctx context.Context, old, v *view) error {
	if len(old.dynamic)+len(v.dynamic) == 0 {
		return nil
	}
	told := s.events.enabled(EventThingGroupMembership)
	if !told && s.cfg.Changed == nil {
		return nil
	}
	for name, err := range merge([]iter.Seq2[string, error]{old.inDynamic(ctx), v.inDynamic(ctx)}) {
		if err != nil {
			return err
		}
		was, is := old.dynamicOf(name), v.dynamicOf(name)
		if slices.Equal(was, is) {
			continue
		}
		s.changed(name)
		if !told {
			continue
		}
		t, known, err := lookup(ctx, s.store.Things(), "thing", name)
		if err != nil {
			return err
		}
		if known {
			s.emitMoves(t, old, was, v, is)
		}
	}
	return nil
}

// inDynamic yields the things that are in a dynamic group.
func (v *view) inDynamic(ctx context.Context) iter.Seq2[string, error] {
	var all []iter.Seq2[string, error]
	for _, g := range v.dynamic {
		all = append(all, found(ctx, v.things, index.Exact("thingGroupNames", g.Name), ""))
	}
	return merge(all)
}
