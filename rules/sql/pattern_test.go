package sql

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fitsLike is what LIKE means, the slow way.
func fitsLike(s, pattern []rune) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	switch pattern[0] {
	case '%':
		for i := range len(s) + 1 {
			if fitsLike(s[i:], pattern[1:]) {
				return true
			}
		}
		return false
	case '_':
		return len(s) > 0 && fitsLike(s[1:], pattern[1:])
	}
	return len(s) > 0 && s[0] == pattern[0] && fitsLike(s[1:], pattern[1:])
}

func TestLike(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	text := func(letters string, most int) string {
		var b []rune
		for range r.IntN(most) {
			l := []rune(letters)
			b = append(b, l[r.IntN(len(l))])
		}
		return string(b)
	}
	fits := 0
	for range 50_000 {
		s, pattern := text("ab€", 9), text("ab€%%_", 7)
		want := fitsLike([]rune(s), []rune(pattern))
		if want {
			fits++
		}
		require.Equal(t, want, matchesLike(s, pattern), "%q LIKE %q", s, pattern)
	}
	require.Greater(t, fits, 5000)
	require.False(t, matchesLike(strings.Repeat("a", 1<<20), "%"+strings.Repeat("a", 1<<19)+"b%"))
}
