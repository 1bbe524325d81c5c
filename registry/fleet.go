package registry

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/thinghub/thinghub/registry/index"
)

// fleet is what searches and dynamic groups stand on. It is made anew from the store
// and from what the host tells of, so nothing of it is stored.
type fleet struct {
	// building is held by who changes the configuration, gathering by who changes
	// dynamic groups. Both are taken before any other lock.
	building, gathering sync.Mutex
	// The views are replaced under locks.structure: who holds a thing's lock sees
	// the same ones throughout.
	current atomic.Pointer[view] // never nil
	next    atomic.Pointer[view] // being built, or nil

	mu    sync.RWMutex                 // guards what follows
	told  map[string]map[string][]byte // shadows by thing and name; only without a ShadowSource
	pulls map[string]*pull             // things whose shadows are being read
}

// all yields the views that must be kept up to date.
func (f *fleet) all(yield func(*view) bool) {
	if yield(f.current.Load()) {
		if v := f.next.Load(); v != nil {
			yield(v)
		}
	}
}

// withThings yields those of all that have an index of things.
func (f *fleet) withThings(yield func(*view) bool) {
	for v := range f.all {
		if v.things != nil && !yield(v) {
			return
		}
	}
}

// wants reports whether a view holds something.
func (f *fleet) wants(what func(t *ThingIndexing) bool) bool {
	for v := range f.withThings {
		if what(&v.config.Things) {
			return true
		}
	}
	return false
}

func (f *fleet) wantsShadow(name string) bool {
	return f.wants(func(t *ThingIndexing) bool { return t.holdsShadow(name) })
}

// holdsShadow reports whether the index of things holds a shadow.
func (t *ThingIndexing) holdsShadow(name string) bool {
	if name == "" {
		return t.Mode == IndexRegistryAndShadow
	}
	return t.NamedShadows == IndexOn && slices.Contains(t.NamedShadowNames, name)
}

// holdsShadows reports whether it holds any.
func (t *ThingIndexing) holdsShadows() bool {
	return t.Mode == IndexRegistryAndShadow || (t.NamedShadows == IndexOn && len(t.NamedShadowNames) > 0)
}

// place puts a thing into a view: what the registry says of it and, if it is new there,
// all else that is known without asking the ShadowSource. known is false if there is no
// such thing. The thing's lock is held, or locks.structure; so it is for what follows.
func (s *Service) place(ctx context.Context, v *view, name string) (known bool, err error) {
	t, known, err := lookup(ctx, s.store.Things(), "thing", name)
	if err != nil || !known {
		return false, err
	}
	groups, err := s.staticGroupsOf(ctx, name)
	if err != nil {
		return false, err
	}
	parts := make([]index.Part, 1, 4)
	if !v.things.Has(name) {
		if parts, err = s.otherParts(ctx, v, name, parts); err != nil {
			return false, err
		}
	}
	document(func(d *index.Document) {
		addThing(d, t, groups)
		parts[0] = index.Part{Name: partRegistry, Document: d}
		v.things.Put(name, parts...)
	})
	return true, s.rejoin(ctx, v, name, partRegistry)
}

// otherParts adds the parts of a document beside the registry's.
func (s *Service) otherParts(ctx context.Context, v *view, thing string, parts []index.Part) ([]index.Part, error) {
	add := func(part string) *index.Document {
		d := &index.Document{}
		parts = append(parts, index.Part{Name: part, Document: d})
		return d
	}
	billing, err := s.billingGroupOf(ctx, thing)
	if err != nil {
		return nil, err
	}
	if billing != "" {
		addGroupName(add(partBilling), billing)
	}
	if v.config.Things.Connectivity == IndexStatus {
		c, _ := s.conns.get(thing)
		addConnectivity(add(partConnectivity), c)
	}
	s.fleet.mu.RLock()
	defer s.fleet.mu.RUnlock()
	for name, doc := range s.fleet.told[thing] {
		if v.config.Things.holdsShadow(name) {
			addShadow(add(partShadow(name)), name, doc)
		}
	}
	return parts, nil
}

// reindexThing brings the indices and the dynamic groups up to what the registry says
// of a thing.
func (s *Service) reindexThing(ctx context.Context, name string) error {
	defer s.changed(name)
	for v := range s.fleet.withThings {
		if known, err := s.place(ctx, v, name); err != nil || !known {
			return err
		}
	}
	return nil
}

// reindexBilling brings the indices up to the billing group of a thing.
func (s *Service) reindexBilling(ctx context.Context, thing string) error {
	group, err := s.billingGroupOf(ctx, thing)
	if err != nil {
		return err
	}
	for v := range s.fleet.withThings {
		err := s.reindexPart(ctx, v, thing, partBilling, func(d *index.Document) { addGroupName(d, group) })
		if err != nil {
			return err
		}
	}
	return nil
}

// reindexPart brings a view up to another part of a thing.
func (s *Service) reindexPart(ctx context.Context, v *view, thing, part string, add func(d *index.Document)) error {
	if !v.things.Has(thing) {
		if known, err := s.place(ctx, v, thing); err != nil || !known {
			return err
		}
	}
	document(func(d *index.Document) {
		add(d)
		v.things.Put(thing, index.Part{Name: part, Document: d})
	})
	return s.rejoin(ctx, v, thing, part)
}

// rejoin puts a thing of which a part has changed into the dynamic groups that it
// matches, takes it out of others, and tells of it if the view is the current one.
func (s *Service) rejoin(ctx context.Context, v *view, thing, part string) error {
	if len(v.dynamic) == 0 {
		return nil
	}
	if part != partRegistry && !slices.ContainsFunc(v.dynamic, func(g *dynamicGroup) bool { return g.reads(part) }) {
		return nil
	}
	room := -1
	if most := s.limits.GroupsPerThing; most >= 0 {
		room = max(0, most-len(v.staticOf(thing)))
	}
	was, is := v.dynamicOf(thing), v.matching(thing, room)
	if slices.Equal(was, is) {
		return nil
	}
	document(func(d *index.Document) {
		for _, name := range is {
			addGroupName(d, name)
		}
		v.things.Put(thing, index.Part{Name: partDynamic, Document: d})
	})
	if v == s.fleet.current.Load() {
		s.changed(thing)
	}
	if v != s.fleet.current.Load() || !s.events.enabled(EventThingGroupMembership) {
		return nil
	}
	t, known, err := lookup(ctx, s.store.Things(), "thing", thing)
	if err == nil && known {
		s.emitMoves(t, v, was, v, is)
	}
	return err
}

// emitMoves tells of the dynamic groups that a thing left and joined, which it was in
// as one view had it and is in as another has it.
func (s *Service) emitMoves(t Thing, old *view, was []string, v *view, is []string) {
	id := func(v *view, name string) string {
		if g := v.group(name); g != nil {
			return g.ID
		}
		return ""
	}
	for _, name := range was {
		if !slices.Contains(is, name) {
			s.emitMembership(removed, t, name, id(old, name))
		}
	}
	for _, name := range is {
		if !slices.Contains(was, name) {
			s.emitMembership(added, t, name, id(v, name))
		}
	}
}

// unindexThing takes a thing out that was deleted. Its lock is held.
func (s *Service) unindexThing(t Thing) {
	current := s.fleet.current.Load()
	was := current.dynamicOf(t.Name)
	for v := range s.fleet.withThings {
		v.things.Delete(t.Name)
	}
	s.emitMoves(t, current, was, current, nil)
	s.fleet.forgetPull(t.Name)
}

// reindexGroup brings the index of groups up to a group. locks.structure is held.
func (s *Service) reindexGroup(g Group, path []Group) {
	for v := range s.fleet.all {
		if v.groups != nil {
			v.putGroup(g, path)
		}
	}
}

func (v *view) putGroup(g Group, path []Group) {
	document(func(d *index.Document) {
		addGroup(d, g, path)
		v.groups.Put(g.Name, index.Part{Name: partRegistry, Document: d})
	})
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
	off := &view{config: IndexingConfiguration{}.filled(indexing{})}
	s.fleet.current.Store(off)
	c, _, err := s.readIndexing(ctx)
	if err != nil {
		return err
	}
	if off.dynamic, err = s.dynamicGroups(ctx, off); err != nil {
		return err
	}
	if c.Things.Mode == IndexOff && c.Groups.Mode == IndexOff {
		return nil
	}
	if err := s.rebuild(ctx, c, func() error { return nil }); err != nil {
		return fmt.Errorf("registry: build the index: %w", err)
	}
	return nil
}

// What follows is asked without a thing's lock.

// dynamicOf returns the names of a thing's dynamic groups.
func (f *fleet) dynamicOf(thing string) []string { return f.current.Load().dynamicOf(thing) }

// dynamicMembers yields the members of a dynamic group, sorted.
func (f *fleet) dynamicMembers(ctx context.Context, group, after string) iter.Seq2[string, error] {
	return found(ctx, f.current.Load().things, index.Exact("thingGroupNames", group), after)
}

// withAttribute yields at least the things that have an attribute with a value, found
// by the index, or nil if there is none.
func (f *fleet) withAttribute(ctx context.Context, filter ThingFilter, after string) iter.Seq2[string, error] {
	x := f.current.Load().things
	if x == nil {
		return nil
	}
	field := "attributes." + filter.AttributeName
	if filter.PrefixValue || filter.AttributeValue == "" {
		return found(ctx, x, index.Prefix(field, filter.AttributeValue), after)
	}
	return found(ctx, x, index.Term(field, filter.AttributeValue), after)
}

// found yields the names that an index finds, behind after; none if there is no index.
func found(ctx context.Context, x *index.Index, q *index.Query, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for after, more := after, x != nil; more; {
			names, next, err := x.Search(q, after, lastBatch)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield("", fmt.Errorf("search the index: %w", err))
				return
			}
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			after, more = next, next != ""
		}
	}
}
