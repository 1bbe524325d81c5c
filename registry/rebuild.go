package registry

import (
	"context"
	"reflect"
)

// UpdateIndexingConfiguration changes what is indexed and builds the indices anew
// before it returns. Meanwhile everything else goes on: searches see the old indices,
// or get ErrIndexNotReady if there were none. If ctx ends first, nothing changes.
// Switching the index of things off empties the dynamic groups.
//
// Errors: ErrInvalid, ErrVersion (another service over the same store changed it).
func (s *Service) UpdateIndexingConfiguration(ctx context.Context, c IndexingConfiguration) error {
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
	defer s.announce(ctx)
	return s.rebuild(ctx, wanted, func() error { return s.writeIndexing(ctx, wanted, version) })
}

// rebuild makes a view for a configuration beside the current one and puts it in its
// place if commit agrees.
func (s *Service) rebuild(ctx context.Context, c indexing, commit func() error) error {
	f := &s.fleet
	old := f.current.Load()
	v, err := newView(c)
	if err != nil {
		return indexError(err)
	}
	if same := reflect.DeepEqual(old.config.Things, c.Things); !same && v.things != nil {
		s.startBuilding(v, old)
		if err := s.fill(ctx); err != nil {
			defer s.locks.change()()
			f.next.Store(nil)
			s.dropShadows()
			return err
		}
		defer s.locks.change()()
	} else {
		defer s.locks.change()()
		v.dynamic = emptied(old.dynamic)
		if same {
			v.things, v.dynamic, v.of = old.things, old.dynamic, old.of
		}
	}
	if err = s.fillGroups(ctx, v); err == nil {
		err = commit()
	}
	f.next.Store(nil)
	if err != nil {
		s.dropShadows()
		return err
	}
	f.current.Store(v)
	s.dropShadows()
	return s.emitMoves(ctx, old, v)
}

// startBuilding makes a view one of those that every change goes to.
func (s *Service) startBuilding(v, old *view) {
	defer s.locks.change()()
	v.dynamic = emptied(old.dynamic)
	s.fleet.next.Store(v)
}

// fill puts all things into the view that is being built. Those that come or change
// meanwhile put themselves there.
func (s *Service) fill(ctx context.Context) error {
	for t, err := range s.store.Things().List(ctx, "") {
		if err != nil {
			return err
		}
		if err := s.readShadows(ctx, t.Name); err != nil {
			return err
		}
	}
	return nil
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
		v.groups.Put(g.Name, groupDocument(g, path))
	}
	return nil
}

// emitMoves tells of things that are in other dynamic groups than before.
// locks.structure is held.
func (s *Service) emitMoves(ctx context.Context, old, v *view) error {
	if !s.events.enabled(EventThingGroupMembership) {
		return nil
	}
	moved := make(map[string]bool, len(old.of)+len(v.of))
	for name := range old.of {
		moved[name] = true
	}
	for name := range v.of {
		moved[name] = true
	}
	for _, name := range sortedKeys(moved) {
		t, ok, err := lookup(ctx, s.store.Things(), "thing", name)
		if err != nil {
			return err
		}
		if ok {
			s.emitDynamic(t, old.of[name], v.of[name])
		}
	}
	return nil
}
