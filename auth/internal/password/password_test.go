package password_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/internal/password"
)

// FuzzHash: what is read as a hash is written as it was.
func FuzzHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8,t=1,p=255$AAAA$AAAA")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		out, err := password.Parse(s)
		if err == nil {
			require.Equal(t, s, out.String())
		}
	})
}

// TestRecent: those stay that were put or found last.
func TestRecent(t *testing.T) {
	t.Parallel()
	r := password.NewRecent[int](3)
	for i, key := range []string{"a", "b", "c", "a", "d"} {
		r.Put(key, i)
	}
	_, ok := r.Get("b")
	require.False(t, ok)
	for key, want := range map[string]int{"a": 3, "c": 2, "d": 4} {
		got, ok := r.Get(key)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	_, _ = r.Get("c")
	_, _ = r.Get("a")
	r.Put("e", 5)
	_, ok = r.Get("d")
	require.False(t, ok, "the one that nobody asked for goes")
	r.Delete("a")
	_, ok = r.Get("a")
	require.False(t, ok)
}
