package access_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/policy"
)

func statementNames(all []*policy.Statement) (list []string) {
	for _, st := range all {
		list = append(list, fmt.Sprintf("%s %d", st.Policy, st.Index))
	}
	return list
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newStage(t)
	two := func(first, second string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Publish","Resource":%q},{"Effect":"Deny","Action":"iot:Publish","Resource":%q}]}`, prefix+"topic/"+first, prefix+"topic/"+second)
	}
	unused := func(want ...string) {
		t.Helper()
		c, err := s.Coverage(ctx)
		require.NoError(t, err)
		require.Equal(t, want, statementNames(c.Unused))
	}
	s.policy(t, "p", two("${iot:ClientId}/*", "c/secret"), alice.ARN)
	s.policy(t, "q", allow("iot:GetThingShadow", prefix+"thing/*"))
	x := s.open(t, alice, "c")
	require.NoError(t, x.Allow(auth.Publish, "c/a"))
	_, err := s.Coverage(ctx)
	require.ErrorIs(t, err, access.ErrCoverageOff)

	s.StartCoverage()
	unused("p 0", "p 1", "q 0")
	require.NoError(t, x.Allow(auth.Publish, "c/a"))
	unused("p 1", "q 0")
	require.NoError(t, s.AttachPolicy(ctx, "q", alice.ARN))
	require.NoError(t, s.Authorize(ctx, alice, request(auth.GetThingShadow, "thing/t", "")))
	unused("p 1")
	// Who only wants to know is not counted.
	_, err = s.TestAuthorization(ctx, alice, &auth.Conn{ClientID: "c"}, []access.Question{{Action: auth.Publish, Resources: []string{prefix + "topic/c/secret"}}}, nil, nil)
	require.NoError(t, err)
	_, err = s.Explain(ctx, alice, request(auth.Publish, "c/secret", "c"))
	require.NoError(t, err)
	unused("p 1")

	// Another version: what it has in common with the one before stays known.
	_, err = s.CreatePolicyVersion(ctx, "p", two("other", "c/secret"), false)
	require.NoError(t, err)
	unused("p 1")
	require.NoError(t, s.SetDefaultPolicyVersion(ctx, "p", "2"))
	unused("p 0", "p 1")
	require.Error(t, x.Allow(auth.Publish, "c/secret"))
	unused("p 0")
	require.NoError(t, s.SetDefaultPolicyVersion(ctx, "p", "1"))
	c, err := s.Coverage(ctx)
	require.NoError(t, err)
	require.Empty(t, c.Unused)
	require.Equal(t, []string{"p 0", "p 1", "q 0"}, statementNames(c.Used))
	require.False(t, c.Since.IsZero())

	// A policy that is made again begins anew, and so does coverage.
	require.NoError(t, s.DetachPolicy(ctx, "q", alice.ARN))
	require.NoError(t, s.DeletePolicy(ctx, "q"))
	s.policy(t, "q", allow("iot:GetThingShadow", prefix+"thing/*"))
	unused("q 0")
	s.StartCoverage()
	unused("p 0", "p 1", "q 0")
	s.StopCoverage()
	require.NoError(t, x.Allow(auth.Publish, "c/a"))
	_, err = s.Coverage(ctx)
	require.ErrorIs(t, err, access.ErrCoverageOff)
}

// What an access key or a custom authorizer brings along is nobody's to keep.
func TestCoverage_Carried(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.StartCoverage()
	s.policy(t, "p", allow("iot:Publish", prefix+"topic/a"))
	id := &auth.Identity{Principal: "x", Kind: auth.Custom, Grant: &auth.Grant{Policies: []auth.Document{{Name: "p", Text: allow("iot:Publish", prefix+"topic/a")}}}}
	require.NoError(t, s.open(t, id, "c").Allow(auth.Publish, "a"))
	c, err := s.Coverage(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"p 0"}, statementNames(c.Unused))
}

// Coverage goes on and off and policies change while clients publish: in the end nothing is
// lost.
func TestCoverage_Race(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newStage(t, func(c *access.Config) { c.Limits.Versions = -1 })
	s.policy(t, "p", allow("iot:Publish", prefix+"topic/a"), alice.ARN)
	x := s.open(t, alice, "c")
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 100 {
				s.StartCoverage()
				_ = x.Allow(auth.Publish, "a")
				s.StopCoverage()
			}
		})
		wg.Go(func() {
			for range 20 {
				if _, err := s.CreatePolicyVersion(ctx, "p", allow("iot:Publish", prefix+"topic/a"), true); err != nil && !errors.Is(err, access.ErrConflict) {
					t.Error(err)
				}
				_, _ = s.Coverage(ctx)
			}
		})
	}
	wg.Wait()
	s.StartCoverage()
	require.NoError(t, x.Allow(auth.Publish, "a"))
	c, err := s.Coverage(ctx)
	require.NoError(t, err)
	require.Empty(t, c.Unused)
}

func TestAllocsCovered(t *testing.T) {
	s := newStage(t)
	s.policy(t, "p", allow("iot:*", prefix+"*/${iot:ClientId}/*"), alice.ARN)
	s.policy(t, "never", statement("Deny", "iot:*", prefix+"topic/${iot:ClientId}/never"), alice.ARN)
	s.StartCoverage()
	x := s.open(t, alice, "c")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if x.Allow(auth.Publish, "x/c/data") != nil {
			panic("denied")
		}
	}))
	c, err := s.Coverage(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"never 0"}, statementNames(c.Unused))
}
