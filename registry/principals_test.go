package registry_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

const cert = arnPrefix + "cert/"

func TestPrincipals(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	create(t, s, "a", "b")
	attach := func(thing, principal string, typ registry.PrincipalType) error {
		return s.AttachThingPrincipal(ctx, registry.Attachment{Thing: thing, Principal: principal, Type: typ})
	}
	require.NoError(t, attach("a", cert+"1", ""))
	require.NoError(t, attach("a", cert+"1", registry.NonExclusive), "twice is fine")
	require.NoError(t, attach("b", cert+"1", ""))
	is(t, attach("a", cert+"1", registry.Exclusive), registry.ErrInvalid, "attached to thing a as NON_EXCLUSIVE_THING already")
	create(t, s, "aa")
	is(t, attach("aa", cert+"1", registry.Exclusive), registry.ErrInvalid, "attached to other things")

	require.NoError(t, attach("a", cert+"2", registry.Exclusive))
	require.NoError(t, attach("a", cert+"2", registry.Exclusive), "twice is fine")
	is(t, attach("a", cert+"2", ""), registry.ErrInvalid, "as EXCLUSIVE_THING already")
	is(t, attach("b", cert+"2", ""), registry.ErrInvalid, "attached to another thing exclusively")
	is(t, attach("b", cert+"2", registry.Exclusive), registry.ErrInvalid, "attached to another thing exclusively")

	for principal, want := range map[string]string{cert + "1": "", cert + "2": "a", cert + "3": ""} {
		thing, err := s.ExclusiveThing(ctx, principal)
		require.NoError(t, err)
		require.Equal(t, want, thing)
		attached, err := s.Attached(ctx, "a", principal)
		require.NoError(t, err)
		require.Equal(t, principal != cert+"3", attached)
	}

	all, next, err := s.ListThingPrincipals(ctx, "a", "", registry.Page{})
	require.NoError(t, err)
	require.Empty(t, next)
	require.Equal(t, []registry.Attachment{{"a", cert + "1", registry.NonExclusive}, {"a", cert + "2", registry.Exclusive}}, all)
	for typ, want := range map[registry.PrincipalType]string{registry.Exclusive: cert + "2", registry.NonExclusive: cert + "1"} {
		some, _, err := s.ListThingPrincipals(ctx, "a", typ, registry.Page{})
		require.NoError(t, err)
		require.Equal(t, []registry.Attachment{{"a", want, typ}}, some)
	}
	things, _, err := s.ListPrincipalThings(ctx, cert+"1", "", registry.Page{})
	require.NoError(t, err)
	require.Equal(t, []registry.Attachment{{"a", cert + "1", registry.NonExclusive}, {"b", cert + "1", registry.NonExclusive}}, things)
	things, _, err = s.ListPrincipalThings(ctx, cert+"1", registry.Exclusive, registry.Page{})
	require.NoError(t, err)
	require.Empty(t, things)
	things, _, err = s.ListPrincipalThings(ctx, cert+"unknown", "", registry.Page{})
	require.NoError(t, err)
	require.NotNil(t, things)
	require.Empty(t, things)

	require.NoError(t, s.DetachThingPrincipal(ctx, "a", cert+"2"))
	require.NoError(t, s.DetachThingPrincipal(ctx, "a", cert+"2"), "twice is fine")
	require.NoError(t, attach("b", cert+"2", registry.Exclusive))
}

func TestPrincipalsPaging(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	create(t, s, "a")
	for i := range 7 {
		require.NoError(t, s.AttachThingPrincipal(ctx, registry.Attachment{Thing: "a", Principal: fmt.Sprint(cert, i)}))
	}
	var got []string
	page := registry.Page{Max: 3}
	for {
		principals, next, err := s.ListThingPrincipals(ctx, "a", registry.NonExclusive, page)
		require.NoError(t, err)
		for _, p := range principals {
			got = append(got, strings.TrimPrefix(p.Principal, cert))
		}
		if page.Token = next; next == "" {
			break
		}
	}
	require.Equal(t, "0 1 2 3 4 5 6", strings.Join(got, " "))
}

func TestPrincipalForms(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	create(t, s, "a")
	for name, c := range map[string]struct {
		a     registry.Attachment
		kind  error
		field string
	}{
		"no thing":      {registry.Attachment{Principal: "p"}, registry.ErrInvalid, "thingName"},
		"no principal":  {registry.Attachment{Thing: "a"}, registry.ErrInvalid, "principal"},
		"blank":         {registry.Attachment{Thing: "a", Principal: "a b"}, registry.ErrInvalid, "principal"},
		"NUL":           {registry.Attachment{Thing: "a", Principal: "a\x00b"}, registry.ErrInvalid, "principal"},
		"not UTF-8":     {registry.Attachment{Thing: "a", Principal: "a\xff"}, registry.ErrInvalid, "principal"},
		"long":          {registry.Attachment{Thing: "a", Principal: strings.Repeat("p", 2049)}, registry.ErrInvalid, "principal"},
		"bad type":      {registry.Attachment{Thing: "a", Principal: "p", Type: "exclusive"}, registry.ErrInvalid, "thingPrincipalType"},
		"no such thing": {registry.Attachment{Thing: "none", Principal: "p"}, registry.ErrNotFound, ""},
	} {
		require.Equal(t, c.field, as(t, s.AttachThingPrincipal(ctx, c.a), c.kind, "").Field, name)
		if c.a.Type == "" {
			require.Equal(t, c.field, as(t, s.DetachThingPrincipal(ctx, c.a.Thing, c.a.Principal), c.kind, "").Field, name)
		}
	}
	_, _, err := s.ListThingPrincipals(ctx, "none", "", registry.Page{})
	is(t, err, registry.ErrNotFound, "Thing none")
	_, _, err = s.ListThingPrincipals(ctx, "a b", "", registry.Page{})
	is(t, err, registry.ErrInvalid, "thingName")
	_, _, err = s.ListThingPrincipals(ctx, "a", "x", registry.Page{})
	is(t, err, registry.ErrInvalid, "Member must satisfy enum value set: [EXCLUSIVE_THING, NON_EXCLUSIVE_THING]")
	_, _, err = s.ListPrincipalThings(ctx, "", "", registry.Page{})
	is(t, err, registry.ErrInvalid, "principal")
	_, _, err = s.ListPrincipalThings(ctx, "p", "x", registry.Page{})
	is(t, err, registry.ErrInvalid, "thingPrincipalType")
	_, _, err = s.ListPrincipalThings(ctx, "p", "", registry.Page{Token: "x"})
	is(t, err, registry.ErrInvalid, "nextToken")
}

// Of many things that want one principal exclusively, one gets it.
func TestAttachConcurrently(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	for i := range 32 {
		create(t, s, fmt.Sprint("t", i))
	}
	for round := range 20 {
		principal := fmt.Sprint(cert, round)
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				err := s.AttachThingPrincipal(ctx, registry.Attachment{Thing: fmt.Sprint("t", i), Principal: principal, Type: registry.Exclusive})
				if err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, won.Load())
	}
}

// A thing cannot be deleted and get a principal at once.
func TestAttachWhileDeleting(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	for range 200 {
		create(t, s, "a")
		var attachErr, deleteErr error
		var wg sync.WaitGroup
		wg.Go(func() { attachErr = s.AttachThingPrincipal(ctx, registry.Attachment{Thing: "a", Principal: "p"}) })
		wg.Go(func() { deleteErr = s.DeleteThing(ctx, "a", nil) })
		wg.Wait()
		if attachErr == nil {
			require.ErrorIs(t, deleteErr, registry.ErrDeleteConflict)
			require.NoError(t, s.DetachThingPrincipal(ctx, "a", "p"))
		} else {
			require.ErrorIs(t, attachErr, registry.ErrNotFound)
			require.NoError(t, deleteErr)
		}
	}
}
