package registry_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

// shadows is a ShadowSource.
type shadows struct {
	mu   sync.Mutex
	of   map[string]map[string]string // by thing and name
	err  error
	read func(thing string) // called when those of a thing have been read, before they are yielded
}

func (s *shadows) set(thing, name, document string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = make(map[string]map[string]string)
	}
	if s.of[thing] == nil {
		s.of[thing] = make(map[string]string)
	}
	if s.of[thing][name] = document; document == "" {
		delete(s.of[thing], name)
	}
}

func (s *shadows) Shadows(_ context.Context, thing string) iter.Seq2[registry.Shadow, error] {
	return func(yield func(registry.Shadow, error) bool) {
		s.mu.Lock()
		of, err, read := maps.Clone(s.of[thing]), s.err, s.read
		s.mu.Unlock()
		if read != nil {
			read(thing)
		}
		if err != nil {
			yield(registry.Shadow{}, err)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(of)) {
			if !yield(registry.Shadow{Name: name, Document: []byte(of[name])}, nil) {
				return
			}
		}
	}
}

// change changes a shadow as a hub does: first it is stored, then the registry hears.
func (s *shadows) change(r *registry.Service, thing, name, document string) {
	s.set(thing, name, document)
	if document == "" {
		r.ShadowChanged(thing, name, nil)
	} else {
		r.ShadowChanged(thing, name, []byte(document))
	}
}

func reported(n int) string { return fmt.Sprintf(`{"reported":{"n":%d},"version":%d}`, n, n) }

func withShadows(source *shadows) func(*registry.Config) {
	return func(c *registry.Config) { c.Shadows = source }
}

// An index that is switched on holds what was there before.
func TestUpdateIndexingConfiguration(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	source := &shadows{}
	s := newService(t, withShadows(source))
	createGroups(t, s, "g")
	create(t, s, "a", "b")
	join(t, s, "g", "a")
	s.ConnectivityChanged("a", registry.Connectivity{Connected: true, Timestamp: time.UnixMilli(1), Version: 1})
	source.change(s, "a", "", reported(1))
	source.change(s, "b", "config", reported(2))
	source.change(s, "b", "other", reported(3))
	require.False(t, s.WantsShadow(""))

	require.NoError(t, s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{Things: &registry.ThingIndexing{Mode: registry.IndexRegistry}}))
	requireFound(t, s, "thingGroupNames:g", "a")
	require.False(t, s.WantsShadow(""))
	info, err := s.DescribeIndex(ctx, registry.IndexThings)
	require.NoError(t, err)
	require.Equal(t, registry.IndexInfo{Name: registry.IndexThings, Status: registry.IndexActive, Schema: "REGISTRY"}, info)

	require.NoError(t, s.UpdateIndexingConfiguration(ctx, everything()))
	require.True(t, s.WantsShadow(""))
	require.True(t, s.WantsShadow("config"))
	require.False(t, s.WantsShadow("other"))
	requireFound(t, s, "connectivity.connected:true", "a")
	requireFound(t, s, "shadow.reported.n:1", "a")
	requireFound(t, s, "shadow.name.config.reported.n:2", "b")
	require.Equal(t, []string{"g"}, search(t, s, registry.IndexGroups, "*"))
	r, _, err := s.SearchIndex(ctx, registry.Search{Query: "thingName:b"}, registry.Page{})
	require.NoError(t, err)
	require.JSONEq(t, `{"name":{"config":{"reported":{"n":2},"version":2,"hasDelta":false}}}`, r.Things[0].Shadow)

	c, err := s.GetIndexingConfiguration(ctx)
	require.NoError(t, err)
	require.Contains(t, c.Things.ManagedFields, registry.Field{Name: "shadow.name.*.hasDelta", Type: "Boolean"})
	err = s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{Things: &registry.ThingIndexing{
		Mode: registry.IndexRegistry, CustomFields: []registry.Field{{Name: "thingName", Type: "String"}},
	}})
	is(t, err, registry.ErrInvalid, "it is a managed field")

	// A thing gets the shadows it had before it was registered.
	source.change(s, "c", "", reported(4))
	requireFound(t, s, "shadow.reported.n:4")
	create(t, s, "c")
	requireFound(t, s, "shadow.reported.n:4", "c")
	source.change(s, "c", "", "")
	requireFound(t, s, "shadow.reported.n:*", "a")

	require.NoError(t, s.UpdateIndexingConfiguration(ctx, registry.IndexingConfiguration{Things: &registry.ThingIndexing{}}))
	_, _, err = s.SearchIndex(ctx, registry.Search{Query: "*"}, registry.Page{})
	is(t, err, registry.ErrNotFound, "indexing is off")
	require.False(t, s.WantsShadow(""))
	require.Equal(t, []string{"g"}, search(t, s, registry.IndexGroups, "*"), "the index of groups stays")
}

// If a shadow cannot be read, or the caller goes away, all is as before.
func TestUpdateIndexingConfiguration_Fails(t *testing.T) {
	t.Parallel()
	source := &shadows{}
	s := indexed(t, registry.IndexingConfiguration{Things: &registry.ThingIndexing{Mode: registry.IndexRegistry}}, withShadows(source))
	create(t, s, "a", "b")
	source.set("a", "", reported(1))
	source.err = errors.New("the disk is on fire")
	err := s.UpdateIndexingConfiguration(t.Context(), everything())
	require.ErrorContains(t, err, "read the shadows of thing a: the disk is on fire")
	source.err = nil
	ctx, cancel := context.WithCancel(t.Context())
	source.read = func(string) { cancel() }
	require.ErrorIs(t, s.UpdateIndexingConfiguration(ctx, everything()), context.Canceled)
	source.read = nil
	requireFound(t, s, "*", "a", "b")
	require.False(t, s.WantsShadow(""))
	c, err := s.GetIndexingConfiguration(t.Context())
	require.NoError(t, err)
	require.Equal(t, registry.IndexRegistry, c.Things.Mode)
	info, err := s.DescribeIndex(t.Context(), registry.IndexThings)
	require.NoError(t, err)
	require.Equal(t, registry.IndexActive, info.Status)
	_, _, err = s.SearchIndex(t.Context(), registry.Search{Index: registry.IndexGroups, Query: "*"}, registry.Page{})
	is(t, err, registry.ErrNotFound, "AWS_ThingGroups")
}

// While an index is built, all else goes on, and what happens is in the index.
func TestUpdateIndexingConfiguration_Meanwhile(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	source := &shadows{}
	s := newService(t, withShadows(source))
	createGroups(t, s, "g")
	create(t, s, "a", "b", "c", "d", "e", "f")
	for i, name := range []string{"a", "b", "c", "d", "e", "f"} {
		source.set(name, "", reported(i))
	}
	met := make(chan string)
	source.read = func(thing string) {
		if thing == "b" {
			met <- thing
			<-met
		}
	}
	done := make(chan error)
	go func() { done <- s.UpdateIndexingConfiguration(ctx, everything()) }()
	<-met // a is in the index, those of b have been read, the others are to come
	_, _, err := s.SearchIndex(ctx, registry.Search{Query: "*"}, registry.Page{})
	is(t, err, registry.ErrIndexNotReady, "Index AWS_Things is being built")
	_, err = s.CreateDynamicThingGroup(ctx, registry.CreateDynamicGroupInput{Name: "dyn", Query: "*"})
	is(t, err, registry.ErrIndexNotReady, "is being built")
	info, err := s.DescribeIndex(ctx, registry.IndexThings)
	require.NoError(t, err)
	require.Equal(t, registry.IndexBuilding, info.Status)
	require.Equal(t, "MULTI_INDEXING_MODE", info.Schema)

	source.change(s, "a", "", reported(100))     // is in
	source.change(s, "b", "", reported(101))     // was read, but that is old now
	source.change(s, "b", "config", reported(7)) // and this is new
	source.change(s, "c", "", reported(102))     // will be read
	source.change(s, "d", "", "")                // will not be there any more
	s.ConnectivityChanged("e", registry.Connectivity{Connected: true, Timestamp: time.UnixMilli(1), Version: 1})
	join(t, s, "g", "f")
	createGroups(t, s, "h")
	require.NoError(t, s.DeleteThing(ctx, "e", nil))
	source.read = nil
	create(t, s, "x")
	source.change(s, "x", "", reported(103))
	met <- ""
	require.NoError(t, <-done)

	requireFound(t, s, "*", "a", "b", "c", "d", "f", "x")
	requireFound(t, s, "shadow.reported.n:100", "a")
	requireFound(t, s, "shadow.reported.n:101", "b")
	requireFound(t, s, "shadow.name.config.reported.n:7", "b")
	requireFound(t, s, "shadow.reported.n:102", "c")
	requireFound(t, s, "shadow.reported.n:103", "x")
	requireFound(t, s, "shadow.reported.n:*", "a", "b", "c", "f", "x")
	requireFound(t, s, "thingGroupNames:g", "f")
	requireFound(t, s, "connectivity.connected:true")
	require.Equal(t, []string{"g", "h"}, search(t, s, registry.IndexGroups, "*"))
	create(t, s, "e")
	requireFound(t, s, "connectivity.connected:true", "e")
}

// While the shadows of a thing are read, it goes and comes back: what was read for the
// old one is not that of the new one.
func TestCreateThing_AgainWhileReading(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	source := &shadows{}
	s := indexed(t, everything(), withShadows(source))
	source.set("a", "", reported(1))
	met := make(chan string)
	source.read = func(string) {
		met <- ""
		<-met
	}
	done := make(chan error)
	go func() {
		_, err := s.CreateThing(ctx, registry.CreateThingInput{Name: "a"})
		done <- err
	}()
	<-met // the first version was read
	source.mu.Lock()
	source.read = nil
	source.mu.Unlock()
	source.change(s, "a", "", reported(2))
	require.NoError(t, s.DeleteThing(ctx, "a", nil))
	create(t, s, "a")
	requireFound(t, s, "shadow.reported.n:2", "a")
	met <- ""
	require.NoError(t, <-done)
	requireFound(t, s, "shadow.reported.n:2", "a")
	requireFound(t, s, "shadow.reported.n:1")
}

// Without a source the index knows what it was told since it is on.
func TestShadowChanged_WithoutSource(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	create(t, s, "a")
	s.ShadowChanged("a", "", []byte(reported(1)))
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, everything()))
	requireFound(t, s, "shadow.hasDelta:*")
	s.ShadowChanged("a", "", []byte(reported(2)))
	s.ShadowChanged("b", "config", []byte(reported(3)))
	create(t, s, "b")
	requireFound(t, s, "shadow.reported.n:2", "a")
	requireFound(t, s, "shadow.name.config.reported.n:3", "b")
	c := everything()
	c.Things.Mode = registry.IndexRegistry // the classic shadow is dropped, the named ones stay
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, c))
	requireFound(t, s, "shadow.name.config.reported.n:3", "b")
	r, _, err := s.SearchIndex(ctx, registry.Search{Query: "*"}, registry.Page{})
	require.NoError(t, err)
	require.Empty(t, r.Things[0].Shadow)
	require.JSONEq(t, `{"name":{"config":{"reported":{"n":3},"version":3,"hasDelta":false}}}`, r.Things[1].Shadow)
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, everything()))
	requireFound(t, s, "shadow.hasDelta:*")
	requireFound(t, s, "shadow.name.config.reported.n:3", "b")
}

// A new service over the same store builds what the old one had.
func TestNew_BuildsIndex(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	source, store := &shadows{}, registry.NewMemory()
	same := func(c *registry.Config) { c.Store, c.Shadows = store, source }
	s := indexed(t, everything(), same)
	create(t, s, "a", "b")
	createGroups(t, s, "g")
	join(t, s, "g", "b")
	source.change(s, "a", "", reported(1))
	_, err := s.CreateDynamicThingGroup(ctx, registry.CreateDynamicGroupInput{Name: "dyn", Query: "shadow.reported.n:1"})
	require.NoError(t, err)
	s = newService(t, same)
	requireFound(t, s, "shadow.reported.n:1", "a")
	requireFound(t, s, "thingGroupNames:g", "b")
	requireFound(t, s, "thingGroupNames:dyn", "a")
	requireFound(t, s, "connectivity.connected:false", "a", "b")
	require.Equal(t, []string{"dyn", "g"}, search(t, s, registry.IndexGroups, "*"))
}

// Everything happens at once, and in the end the index is that which is made from
// scratch.
func TestIndexing_Stress(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	source, store := &shadows{}, registry.NewMemory()
	config := func(c *registry.Config) {
		c.Store, c.Shadows, c.Publisher, c.Limits.GroupsPerThing = store, source, &recorder{}, 3
	}
	s := indexed(t, everything(), config)
	require.NoError(t, s.UpdateEventConfigurations(ctx, map[registry.EventType]bool{registry.EventThingGroupMembership: true}))
	createGroups(t, s, "g0", "g1", "g2", "g3")
	_, err := s.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: "bill"})
	require.NoError(t, err)
	thing := func(r *rand.Rand) string { return fmt.Sprint("t", r.IntN(12)) }
	var locks [12]sync.Mutex // of shadows: news of one come in order
	connections := map[string]registry.Connectivity{}
	var version int64
	var mu sync.Mutex
	acts := []func(r *rand.Rand) error{
		func(r *rand.Rand) error {
			_, err := s.CreateThing(ctx, registry.CreateThingInput{Name: thing(r)})
			return err
		},
		func(r *rand.Rand) error {
			_, err := s.UpdateThing(ctx, registry.UpdateThingInput{Name: thing(r), Attributes: map[string]string{"a": fmt.Sprint(r.IntN(3))}})
			return err
		},
		func(r *rand.Rand) error { return s.DeleteThing(ctx, thing(r), nil) },
		func(r *rand.Rand) error {
			return s.AddThingToThingGroup(ctx, registry.Membership{Group: fmt.Sprint("g", r.IntN(4)), Thing: thing(r)})
		},
		func(r *rand.Rand) error {
			return s.RemoveThingFromThingGroup(ctx, registry.Membership{Group: fmt.Sprint("g", r.IntN(4)), Thing: thing(r)})
		},
		func(r *rand.Rand) error {
			i := r.IntN(12)
			locks[i].Lock()
			defer locks[i].Unlock()
			name, doc := []string{"", "config", "other"}[r.IntN(3)], reported(r.IntN(3))
			if r.IntN(4) == 0 {
				doc = ""
			}
			source.change(s, fmt.Sprint("t", i), name, doc)
			return nil
		},
		func(r *rand.Rand) error {
			mu.Lock()
			defer mu.Unlock()
			version++
			name := thing(r)
			c := registry.Connectivity{Connected: r.IntN(2) == 0, Timestamp: time.UnixMilli(version), Version: version}
			connections[name] = c
			s.ConnectivityChanged(name, c)
			return nil
		},
		func(r *rand.Rand) error {
			_, err := s.CreateDynamicThingGroup(ctx, registry.CreateDynamicGroupInput{
				Name:  fmt.Sprint("d", r.IntN(4)),
				Query: []string{"shadow.reported.n>0", "attributes.a:1 OR thingGroupNames:g1", "connectivity.connected:true", "NOT thingGroupNames:*", "NOT shadow.hasDelta:false", "t1 OR bill"}[r.IntN(6)],
			})
			return err
		},
		func(r *rand.Rand) error {
			return s.DeleteDynamicThingGroup(ctx, fmt.Sprint("d", r.IntN(4)), nil)
		},
		func(r *rand.Rand) error {
			_, err := s.UpdateDynamicThingGroup(ctx, registry.UpdateDynamicGroupInput{Name: fmt.Sprint("d", r.IntN(4)), Query: "thingName:t*"})
			return err
		},
		func(r *rand.Rand) error {
			c := everything()
			switch r.IntN(4) {
			case 0:
				c.Things.NamedShadowNames = []string{"other"}
			case 1:
				c.Things.Mode = registry.IndexRegistry
			}
			return s.UpdateIndexingConfiguration(ctx, c)
		},
		func(r *rand.Rand) error {
			_, err := s.CreateThingGroup(ctx, registry.CreateGroupInput{Name: "g3"})
			return err
		},
		func(r *rand.Rand) error { return s.DeleteThingGroup(ctx, "g3", nil) },
		func(r *rand.Rand) error {
			return s.AddThingToBillingGroup(ctx, registry.Membership{Group: "bill", Thing: thing(r)})
		},
		func(r *rand.Rand) error {
			return s.RemoveThingFromBillingGroup(ctx, registry.Membership{Group: "bill", Thing: thing(r)})
		},
		func(r *rand.Rand) error {
			_, _, err := s.SearchIndex(ctx, registry.Search{Query: "shadow.reported.n:1 OR thingGroupNames:(d1 OR g1)"}, registry.Page{})
			return err
		},
		func(r *rand.Rand) error {
			_, _, err := s.ListThingsInThingGroup(ctx, fmt.Sprint("d", r.IntN(4)), false, registry.Page{})
			return err
		},
		func(r *rand.Rand) error {
			_, err := s.DescribeThingGroup(ctx, fmt.Sprint("d", r.IntN(4)))
			return err
		},
	}
	var wg sync.WaitGroup
	for w := range uint64(8) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(w, 99))
			for range 150 {
				err := acts[r.IntN(len(acts))](r)
				var e *registry.Error
				if err != nil && !isKind(err, registry.ErrInvalid, &e) && !isKind(err, registry.ErrInvalidQuery, &e) && !isKind(err, registry.ErrNotFound, &e) && !isKind(err, registry.ErrExists, &e) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.UpdateIndexingConfiguration(ctx, everything()))
	for i := range 12 {
		source.change(s, fmt.Sprint("t", i), "config", reported(i))
	}

	fresh := newService(t, config)
	for name, c := range connections {
		fresh.ConnectivityChanged(name, c)
	}
	for _, query := range []string{
		"*", "shadow.hasDelta:*", "shadow.name.config.reported.n>3", "connectivity.connected:true", "thingGroupNames:g1", "thingGroupNames:*",
		"thingGroupNames:bill", "thingGroupNames:d0", "thingGroupNames:d1", "thingGroupNames:d2", "thingGroupNames:d3", "attributes.a:1", "shadow.reported.n:1",
	} {
		require.Equal(t, search(t, fresh, "", query), search(t, s, "", query), query)
	}
	require.Equal(t, search(t, fresh, registry.IndexGroups, "*"), search(t, s, registry.IndexGroups, "*"))
	a, _, err := fresh.SearchIndex(ctx, registry.Search{Query: "*"}, registry.Page{})
	require.NoError(t, err)
	b, _, err := s.SearchIndex(ctx, registry.Search{Query: "*"}, registry.Page{})
	require.NoError(t, err)
	for i := range a.Things {
		a.Things[i].Connectivity, b.Things[i].Connectivity = nil, nil // a deleted thing forgets
		require.Equal(t, a.Things[i], b.Things[i])
	}
}
