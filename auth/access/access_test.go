package access_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
)

const prefix = "arn:aws:iot:local:000000000000:"

// things are the things of a test.
type things struct {
	mu   sync.Mutex
	all  map[string]*access.Thing
	fail error
}

func (t *things) Thing(_ context.Context, name, principal string) (*access.Thing, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fail != nil {
		return nil, t.fail
	}
	v := t.all[name]
	if v == nil {
		return nil, nil //nolint:nilnil // there is none: the contract
	}
	c := *v
	c.Attached = v.Attributes["of"] == principal
	return &c, nil
}

func (t *things) set(name, principal string, groups ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all[name] = &access.Thing{Name: name, Type: "pump", Attributes: map[string]string{"of": principal, "site": "north"}, Groups: groups}
}

type stage struct {
	*access.Service
	things *things
}

func newStage(t testing.TB, mod ...func(*access.Config)) *stage {
	t.Helper()
	s := &stage{things: &things{all: map[string]*access.Thing{}}}
	cfg := access.Config{Things: s.things, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for _, m := range mod {
		m(&cfg)
	}
	var err error
	s.Service, err = access.New(cfg)
	require.NoError(t, err)
	return s
}

func statement(effect, action, resource string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":%q,"Action":%q,"Resource":%q}]}`, effect, action, resource)
}

func allow(action, resource string) string { return statement("Allow", action, resource) }

// policy makes a policy and attaches it.
func (s *stage) policy(t testing.TB, name, document string, targets ...string) {
	t.Helper()
	_, err := s.CreatePolicy(t.Context(), name, document)
	require.NoError(t, err)
	for _, target := range targets {
		require.NoError(t, s.AttachPolicy(t.Context(), name, target))
	}
}

func (s *stage) open(t testing.TB, id *auth.Identity, clientID string) auth.Session {
	t.Helper()
	x, err := s.Open(t.Context(), id, &auth.Conn{ClientID: clientID})
	require.NoError(t, err)
	t.Cleanup(x.Close)
	return x
}

var alice = &auth.Identity{Principal: "alice", Kind: auth.User, ARN: prefix + "user/alice"}

func TestPolicies(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newStage(t)
	p, err := s.CreatePolicy(ctx, "pump", allow("iot:Connect", "*"))
	require.NoError(t, err)
	require.Equal(t, "pump", p.Name)
	require.Equal(t, prefix+"policy/pump", p.ARN)
	require.Equal(t, "1", p.DefaultVersion)
	require.JSONEq(t, allow("iot:Connect", "*"), p.Document)
	require.False(t, p.Created.IsZero())
	require.Equal(t, p.Created, p.Modified)

	_, err = s.CreatePolicy(ctx, "pump", allow("iot:Connect", "*"))
	require.ErrorIs(t, err, access.ErrExists)
	e, ok := errors.AsType[*access.Error](err)
	require.True(t, ok)
	require.Equal(t, "pump", e.ResourceID)
	require.Equal(t, p.ARN, e.ResourceARN)

	v, err := s.CreatePolicyVersion(ctx, "pump", allow("iot:Publish", "*"), false)
	require.NoError(t, err)
	require.Equal(t, "2", v.ID)
	require.False(t, v.Default)
	v, err = s.CreatePolicyVersion(ctx, "pump", allow("iot:Subscribe", "*"), true)
	require.NoError(t, err)
	require.True(t, v.Default)
	p, err = s.GetPolicy(ctx, "pump")
	require.NoError(t, err)
	require.Equal(t, "3", p.DefaultVersion)
	require.JSONEq(t, allow("iot:Subscribe", "*"), p.Document)
	require.ErrorIs(t, s.DeletePolicyVersion(ctx, "pump", "3"), access.ErrDeleteConflict)
	require.ErrorIs(t, s.DeletePolicy(ctx, "pump"), access.ErrDeleteConflict)
	require.NoError(t, s.SetDefaultPolicyVersion(ctx, "pump", "2"))
	require.NoError(t, s.DeletePolicyVersion(ctx, "pump", "3"))
	require.ErrorIs(t, s.SetDefaultPolicyVersion(ctx, "pump", "3"), access.ErrNotFound)
	v, err = s.CreatePolicyVersion(ctx, "pump", allow("iot:Receive", "*"), false)
	require.NoError(t, err)
	require.Equal(t, "4", v.ID, "a version is never used again")
	all, err := s.ListPolicyVersions(ctx, "pump")
	require.NoError(t, err)
	ids := []string{}
	for _, v := range all {
		ids = append(ids, fmt.Sprint(v.ID, v.Default))
	}
	require.Equal(t, []string{"4false", "2true", "1false"}, ids)
	v, err = s.GetPolicyVersion(ctx, "pump", "1")
	require.NoError(t, err)
	require.JSONEq(t, allow("iot:Connect", "*"), v.Document)
	for range 2 {
		_, err = s.CreatePolicyVersion(ctx, "pump", allow("iot:Receive", "*"), false)
		require.NoError(t, err)
	}
	_, err = s.CreatePolicyVersion(ctx, "pump", allow("iot:Receive", "*"), false)
	require.ErrorIs(t, err, access.ErrVersionsLimit)
	for _, id := range []string{"1", "4", "5", "6"} {
		require.NoError(t, s.DeletePolicyVersion(ctx, "pump", id))
	}
	require.NoError(t, s.AttachPolicy(ctx, "pump", "alice"))
	require.ErrorIs(t, s.DeletePolicy(ctx, "pump"), access.ErrDeleteConflict)
	require.NoError(t, s.DetachPolicy(ctx, "pump", "alice"))
	require.NoError(t, s.DeletePolicy(ctx, "pump"))
	_, err = s.GetPolicy(ctx, "pump")
	require.ErrorIs(t, err, access.ErrNotFound)
}

func TestPolicies_Refused(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newStage(t)
	for _, name := range []string{"", "a b", "ä", "a/b", "a\x00", string(make([]byte, 129))} {
		_, err := s.CreatePolicy(ctx, name, allow("iot:Connect", "*"))
		require.ErrorIs(t, err, access.ErrInvalid, name)
		_, err = s.GetPolicy(ctx, name)
		require.ErrorIs(t, err, access.ErrInvalid, name)
	}
	_, err := s.CreatePolicy(ctx, "a", `{"Version":"2012-10-17","Statement":[]}`)
	require.ErrorIs(t, err, access.ErrMalformed)
	_, err = s.CreatePolicy(ctx, "a", allow("iot:Publish", prefix+"topic/"+string(slices.Repeat([]byte("x"), 2048))))
	require.ErrorIs(t, err, access.ErrMalformed)
	require.ErrorContains(t, err, "expected at most 2048")
	s.policy(t, "a", allow("iot:Connect", "*"))
	for _, id := range []string{"", "0", "-1", "01", "x"} {
		require.ErrorIs(t, s.SetDefaultPolicyVersion(ctx, "a", id), access.ErrInvalid, id)
	}
	for _, target := range []string{"", "a b", "arn:x", "a\x00"} {
		require.ErrorIs(t, s.AttachPolicy(ctx, "a", target), access.ErrInvalid, target)
	}
	for _, target := range []string{"arn:aws:iot:elsewhere:000000000000:cert/1", "arn:aws:iot:local:1:cert/1", "arn:aws:iam::1:user/x"} {
		require.ErrorIs(t, s.AttachPolicy(ctx, "a", target), access.ErrNotFound, target)
	}
	require.ErrorIs(t, s.AttachPolicy(ctx, "none", "x"), access.ErrNotFound)
	require.ErrorIs(t, s.DetachPolicy(ctx, "none", "x"), access.ErrNotFound)
	_, _, err = s.ListPolicies(ctx, access.Page{Max: 251})
	require.ErrorIs(t, err, access.ErrInvalid)
	_, _, err = s.ListPolicies(ctx, access.Page{Token: "%%%"})
	require.ErrorIs(t, err, access.ErrInvalid)
	for i := range 10 {
		s.policy(t, fmt.Sprint("p", i), allow("iot:Connect", "*"), "x")
	}
	require.ErrorIs(t, s.AttachPolicy(ctx, "a", "x"), access.ErrLimit)
	require.NoError(t, s.AttachPolicy(ctx, "p3", "x"), "it is attached already")
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	there := map[string]bool{prefix + "cert/1": true}
	s := newStage(t, func(c *access.Config) {
		c.Target = func(_ context.Context, arn string) (bool, error) { return there[arn], nil }
	})
	for i := range 7 {
		s.policy(t, fmt.Sprint("p", i), allow("iot:Connect", "*"), prefix+"cert/1")
	}
	require.ErrorIs(t, s.AttachPolicy(ctx, "p1", prefix+"cert/2"), access.ErrNotFound)
	require.NoError(t, s.AttachPolicy(ctx, "p1", "local:identity"))
	require.NoError(t, s.DetachPolicy(ctx, "p5", prefix+"cert/1"))
	require.NoError(t, s.DetachPolicy(ctx, "p5", prefix+"cert/1"))
	var names []string
	for token, pages := "", 0; pages == 0 || token != ""; pages++ {
		page, next, err := s.ListAttachedPolicies(ctx, prefix+"cert/1", nil, access.Page{Max: 2, Token: token})
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 2)
		for _, p := range page {
			names = append(names, p.Name)
		}
		token = next
	}
	require.Equal(t, []string{"p0", "p1", "p2", "p3", "p4", "p6"}, names)
	targets, next, err := s.ListTargetsForPolicy(ctx, "p1", access.Page{})
	require.NoError(t, err)
	require.Empty(t, next)
	require.Equal(t, []string{prefix + "cert/1", "local:identity"}, targets)
	require.NoError(t, s.CopyPolicies(ctx, prefix+"cert/1", "other"))
	has, err := s.HasPolicies(ctx, "other")
	require.NoError(t, err)
	require.True(t, has)
	require.NoError(t, s.DetachAll(ctx, prefix+"cert/1"))
	has, err = s.HasPolicies(ctx, prefix+"cert/1")
	require.NoError(t, err)
	require.False(t, has)
	all, _, err := s.ListPolicies(ctx, access.Page{Max: 250})
	require.NoError(t, err)
	require.Len(t, all, 7)
}

// Who attaches and who deletes at the same time: never is a policy attached that is gone.
func TestAttachments_Race(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newStage(t)
	for range 50 {
		s.policy(t, "p", allow("iot:Connect", "*"))
		var attached, deleted error
		var wg sync.WaitGroup
		wg.Go(func() { attached = s.AttachPolicy(ctx, "p", "x") })
		wg.Go(func() { deleted = s.DeletePolicy(ctx, "p") })
		wg.Wait()
		require.NotEqual(t, attached == nil, deleted == nil, "%v, %v", attached, deleted)
		if attached == nil {
			require.ErrorIs(t, deleted, access.ErrDeleteConflict)
			require.NoError(t, s.DetachPolicy(ctx, "p", "x"))
			require.NoError(t, s.DeletePolicy(ctx, "p"))
		} else {
			require.ErrorIs(t, attached, access.ErrNotFound)
		}
	}
}

// Versions made at once by many are all there, with numbers of their own.
func TestPolicies_Concurrent(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newStage(t, func(c *access.Config) { c.Limits.Versions = -1 })
	s.policy(t, "p", allow("iot:Connect", "*"))
	var mu sync.Mutex
	ids := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				for {
					v, err := s.CreatePolicyVersion(ctx, "p", allow("iot:Connect", "*"), true)
					if errors.Is(err, access.ErrConflict) {
						continue
					}
					mu.Lock()
					if err == nil {
						ids[v.ID] = true
					} else {
						ids[err.Error()] = true
					}
					mu.Unlock()
					break
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, ids, 40)
	all, err := s.ListPolicyVersions(ctx, "p")
	require.NoError(t, err)
	require.Len(t, all, 41)
	require.NotContains(t, slices.Collect(maps.Keys(ids)), "1")
}
