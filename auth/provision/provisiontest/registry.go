package provisiontest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/provision"
)

// principal is what the tests attach.
const principal = "arn:aws:iot:local:000000000000:cert/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// Things are the things under test, and what there is besides: a thing type, three
// static groups of different hierarchies and a billing group.
type Things struct {
	provision.Things
	Type, Billing string
	Groups        [3]string
}

// TestThings checks things; open returns new ones, none of which is there.
func TestThings(t *testing.T, open func(t *testing.T) Things) {
	t.Run("creation", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		_, err := s.Describe(ctx, "a")
		require.ErrorIs(t, err, provision.ErrNotFound)
		full := provision.Thing{Name: "a", Type: s.Type, BillingGroup: s.Billing, Attributes: map[string]string{"k": "v"}}
		require.NoError(t, s.Create(ctx, full))
		got := describe(t, s, "a")
		full.Version = got.Version
		require.Equal(t, full, got)
		require.ErrorIs(t, s.Create(ctx, full), provision.ErrExists, "also if it is there just like that")
		require.NoError(t, s.Create(ctx, provision.Thing{Name: "b"}))
		require.Equal(t, provision.Thing{Name: "b", Version: describe(t, s, "b").Version}, describe(t, s, "b"))
		require.ErrorIs(t, s.Create(ctx, provision.Thing{Name: "c", Type: "nope"}), provision.ErrNotFound)
		_, err = s.Describe(ctx, "c")
		require.ErrorIs(t, err, provision.ErrNotFound)
	})
	t.Run("update", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		require.NoError(t, s.Create(ctx, provision.Thing{Name: "a", Attributes: map[string]string{"k": "v", "l": "w"}}))
		th := describe(t, s, "a")
		first := th.Version
		th.Type, th.Attributes = s.Type, map[string]string{"k": "new"}
		version, err := s.Update(ctx, th)
		require.NoError(t, err)
		require.NotEqual(t, first, version)
		th.Version = version
		require.Equal(t, th, describe(t, s, "a"), "exactly the attributes that are given")
		th.Version = first
		_, err = s.Update(ctx, th)
		require.ErrorIs(t, err, provision.ErrUpdateConflict)
		th.Version, th.Type, th.Attributes = version, "", nil
		th.Version, err = s.Update(ctx, th)
		require.NoError(t, err)
		require.Equal(t, th, describe(t, s, "a"), "no type and no attributes")
		_, err = s.Update(ctx, provision.Thing{Name: "nope", Version: 1})
		require.ErrorIs(t, err, provision.ErrNotFound)
	})
	t.Run("groups", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		g := s.Groups[:]
		require.NoError(t, s.Create(ctx, provision.Thing{Name: "a"}))
		require.NoError(t, s.Regroup(ctx, "a", g[:2], nil))
		require.ElementsMatch(t, g[:2], describe(t, s, "a").Groups)
		require.NoError(t, s.Regroup(ctx, "a", g[2:], g[:1]))
		require.ElementsMatch(t, g[1:], describe(t, s, "a").Groups)
		require.ErrorIs(t, s.Regroup(ctx, "a", []string{g[0], "nope"}, g[1:2]), provision.ErrNotFound)
		require.ElementsMatch(t, g[1:], describe(t, s, "a").Groups, "all or nothing")
		require.ErrorIs(t, s.Regroup(ctx, "nope", g[:1], nil), provision.ErrNotFound)
		require.NoError(t, s.SetBillingGroup(ctx, "a", s.Billing))
		require.Equal(t, s.Billing, describe(t, s, "a").BillingGroup)
		require.NoError(t, s.SetBillingGroup(ctx, "a", ""))
		require.Empty(t, describe(t, s, "a").BillingGroup)
		require.ErrorIs(t, s.SetBillingGroup(ctx, "nope", s.Billing), provision.ErrNotFound)
	})
	t.Run("principals", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		require.NoError(t, s.Create(ctx, provision.Thing{Name: "a"}))
		for _, want := range []bool{true, false} {
			fresh, err := s.Attach(ctx, "a", principal)
			require.NoError(t, err)
			require.Equal(t, want, fresh)
		}
		require.ErrorIs(t, s.Delete(ctx, "a"), provision.ErrDeleteConflict)
		require.NoError(t, s.Detach(ctx, "a", principal))
		require.NoError(t, s.Detach(ctx, "a", principal), "what is not attached is no error")
		require.NoError(t, s.Delete(ctx, "a"))
		require.ErrorIs(t, s.Delete(ctx, "a"), provision.ErrNotFound)
		_, err := s.Attach(ctx, "a", principal)
		require.ErrorIs(t, err, provision.ErrNotFound)
	})
}

func describe(t *testing.T, s provision.Things, name string) provision.Thing {
	t.Helper()
	th, err := s.Describe(t.Context(), name)
	require.NoError(t, err)
	if len(th.Attributes) == 0 {
		th.Attributes = nil
	}
	if len(th.Groups) == 0 {
		th.Groups = nil
	}
	return th
}

// TestPolicies checks policies; open returns new ones, none of which is there.
func TestPolicies(t *testing.T, open func(t *testing.T) provision.Policies) {
	const document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}`
	t.Run("creation", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		_, err := s.Document(ctx, "p")
		require.ErrorIs(t, err, provision.ErrNotFound)
		require.NoError(t, s.Create(ctx, "p", document))
		got, err := s.Document(ctx, "p")
		require.NoError(t, err)
		require.JSONEq(t, document, got)
		require.ErrorIs(t, s.Create(ctx, "p", document), provision.ErrExists)
		require.ErrorIs(t, s.Create(ctx, "q", `{"Statement": 5}`), provision.ErrInvalid)
		_, err = s.Document(ctx, "q")
		require.ErrorIs(t, err, provision.ErrNotFound)
	})
	t.Run("targets", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		_, err := s.Attach(ctx, "p", principal)
		require.ErrorIs(t, err, provision.ErrNotFound)
		require.NoError(t, s.Create(ctx, "p", document))
		for _, want := range []bool{true, false} {
			fresh, err := s.Attach(ctx, "p", principal)
			require.NoError(t, err)
			require.Equal(t, want, fresh)
		}
		require.ErrorIs(t, s.Delete(ctx, "p"), provision.ErrDeleteConflict)
		require.NoError(t, s.Detach(ctx, "p", principal))
		require.NoError(t, s.Detach(ctx, "p", principal), "what is not attached is no error")
		require.NoError(t, s.Delete(ctx, "p"))
		require.ErrorIs(t, s.Delete(ctx, "p"), provision.ErrNotFound)
	})
}
