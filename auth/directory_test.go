package auth_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/authtest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	authtest.TestDirectory(t, func(*testing.T) auth.Directory { return auth.NewMemory() })
	require.True(t, auth.NewMemory().Immediate())
}

func TestKey(t *testing.T) {
	t.Parallel()
	require.Equal(t, "policy\x00a", auth.Key("policy", "a"))
	require.Equal(t, []string{"policy", "a"}, auth.Parts("policy\x00a"))
	require.True(t, strings.HasPrefix(auth.Key("k", "a", "b"), auth.Prefix("k", "a")))
	require.False(t, strings.HasPrefix(auth.Key("k", "ab", "b"), auth.Prefix("k", "a")))
}

func FuzzKey(f *testing.F) {
	f.Add("a", "b")
	f.Add("\x00", "\x01")
	f.Add("a\x00", "")
	f.Add("\x01\x01\x02", "\x02")
	f.Fuzz(func(t *testing.T, a, b string) {
		require.Equal(t, []string{a, b}, auth.Parts(auth.Key(a, b)))
		require.True(t, strings.HasPrefix(auth.Key(a, b), auth.Prefix(a)))
		require.Equal(t, a < b, auth.Key(a) < auth.Key(b), "the order stays")
		require.True(t, slices.IsSorted([]string{auth.Key(a), auth.Prefix(a)}))
	})
}
