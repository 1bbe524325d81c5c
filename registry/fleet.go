package registry

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// fleet is what searches and dynamic groups stand on. It is made anew from the store
// and from what the host tells of, so nothing of it is stored.
type fleet struct {
	// building is held by who changes the configuration.
	building sync.Mutex
	// The views are replaced under locks.structure: who holds a thing's lock sees
	// the same ones throughout.
	current atomic.Pointer[view] // never nil
	next    atomic.Pointer[view] // being built, or nil

	// mu guards what follows, and the members of the views.
	mu      sync.RWMutex
	shadows map[string]map[string][]byte // by thing and by name of the shadow
	pulls   map[string]*pull             // things whose shadows are being read
}

// all yields the views that must be kept up to date.
func (f *fleet) all(yield func(*view) bool) {
	if yield(f.current.Load()) {
		if v := f.next.Load(); v != nil {
			yield(v)
		}
	}
}

// wants reports whether a view holds something.
func (f *fleet) wants(what func(*view) bool) bool {
	for v := range f.all {
		if v.things != nil && what(v) {
			return true
		}
	}
	return false
}

func (f *fleet) wantsConnectivity() bool {
	return f.wants(func(v *view) bool { return v.config.Things.Connectivity == IndexStatus })
}

func (f *fleet) wantsShadow(name string) bool {
	return f.wants(func(v *view) bool { return v.config.Things.holdsShadow(name) })
}

func (f *fleet) wantsShadows() bool {
	return f.wants(func(v *view) bool {
		t := &v.config.Things
		return t.Mode == IndexRegistryAndShadow || (t.NamedShadows == IndexOn && len(t.NamedShadowNames) > 0)
	})
}

// holdsShadow reports whether the index of things holds a shadow.
func (t *ThingIndexing) holdsShadow(name string) bool {
	if name == "" {
		return t.Mode == IndexRegistryAndShadow
	}
	return t.NamedShadows == IndexOn && slices.Contains(t.NamedShadowNames, name)
}

// A profile is all that is known of a thing and can be searched for.
type profile struct {
	Thing
	groups       []Group // static ones, sorted by name
	billingGroup string
	shadows      map[string][]byte
	connectivity Connectivity
}

// profile collects what is known of a thing. The thing's lock is held.
func (s *Service) profile(ctx context.Context, name string) (p profile, ok bool, err error) {
	p.Thing, ok, err = lookup(ctx, s.store.Things(), "thing", name)
	if err != nil || !ok {
		return p, false, err
	}
	if p.groups, err = s.staticGroupsOf(ctx, name); err != nil {
		return p, false, err
	}
	p.connectivity, _ = s.conns.get(name)
	s.fleet.mu.RLock()
	if shadows := s.fleet.shadows[name]; shadows != nil {
		p.shadows = make(map[string][]byte, len(shadows))
		for k, v := range shadows {
			p.shadows[k] = v
		}
	}
	s.fleet.mu.RUnlock()
	return p, true, nil
}

// reindexThing brings the indices and the dynamic groups up to what is known of a
// thing. The thing's lock is held, or locks.structure.
func (s *Service) reindexThing(ctx context.Context, name string) error {
	if !s.fleet.wants(func(*view) bool { return true }) {
		return nil
	}
	p, ok, err := s.profile(ctx, name)
	if err != nil || !ok {
		return err
	}
	for v := range s.fleet.all {
		if v.things != nil {
			s.place(v, &p)
		}
	}
	return nil
}

// place puts a thing into a view and, if it is the current one, tells of dynamic
// groups that it joined or left.
func (s *Service) place(v *view, p *profile) {
	room := -1
	if most := s.limits.GroupsPerThing; most >= 0 {
		room = max(0, most-len(p.groups))
	}
	is := v.matching(p, room)
	s.fleet.mu.Lock()
	was := v.join(p.Name, is)
	s.fleet.mu.Unlock()
	v.things.Put(p.Name, v.document(p, is))
	if v == s.fleet.current.Load() {
		s.emitDynamic(p.Thing, was, is)
	}
}

// emitDynamic tells of the dynamic groups a thing left and joined.
func (s *Service) emitDynamic(t Thing, was, is []*dynamicGroup) {
	for _, g := range was {
		if !slices.ContainsFunc(is, g.same) {
			s.emitMembership(removed, t, g.Name, g.ID)
		}
	}
	for _, g := range is {
		if !slices.ContainsFunc(was, g.same) {
			s.emitMembership(added, t, g.Name, g.ID)
		}
	}
}

// unindexThing takes a thing out that was deleted. Its lock is held.
func (s *Service) unindexThing(t Thing) {
	for v := range s.fleet.all {
		if v.things == nil {
			continue
		}
		s.fleet.mu.Lock()
		was := v.join(t.Name, nil)
		s.fleet.mu.Unlock()
		v.things.Delete(t.Name)
		if v == s.fleet.current.Load() {
			s.emitDynamic(t, was, nil)
		}
	}
	if s.cfg.Shadows != nil {
		s.fleet.mu.Lock()
		delete(s.fleet.shadows, t.Name)
		s.fleet.mu.Unlock()
	}
}

// reindexGroup brings the index of groups up to a group. locks.structure is held.
func (s *Service) reindexGroup(g Group, path []Group) {
	for v := range s.fleet.all {
		if v.groups != nil {
			v.groups.Put(g.Name, groupDocument(g, path))
		}
	}
}

func (s *Service) unindexGroup(name string) {
	for v := range s.fleet.all {
		if v.groups != nil {
			v.groups.Delete(name)
		}
	}
}

// loadIndexing builds what the store says is indexed.
func (s *Service) loadIndexing(ctx context.Context) error {
	s.fleet.current.Store(&view{config: IndexingConfiguration{}.filled(indexing{})})
	c, _, err := s.readIndexing(ctx)
	if err != nil {
		return err
	}
	groups, err := s.dynamicGroups(ctx)
	if err != nil {
		return err
	}
	s.fleet.current.Load().dynamic = groups
	if c.Things.Mode == IndexOff && c.Groups.Mode == IndexOff {
		return nil
	}
	if err := s.rebuild(ctx, c, func() error { return nil }); err != nil {
		return fmt.Errorf("registry: build the index: %w", err)
	}
	return nil
}
