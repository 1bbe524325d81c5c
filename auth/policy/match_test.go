package policy_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"?", "", false},
		{"?", "é", true},
		{"?", "/", true},
		{"??", "é", false},
		{"*???", "\U0001F600", false}, // four bytes, one character
		{"*?", "\U0001F600", true},
		{"?*?", "ab", true},
		{"?*?", "a", false},
		{"a*b?c*d", "a--bxc--bxcd", true},
		{"a*b?c*d", "a--bxc--bxc", false},
		{"a*a", "a", false},
		{"ab*ba", "aba", false},
		{"*a*b", "ba", false},
		{"a?b", "a\xffb", true},
		{"a*\xc3\xa9", "a\xc3\xa9", true},
		{"+/#", "a/b", false},
		{"[a]", "a", false},
		{`a\*`, `a\b`, true},
		{"dt/0123456789/*", "dt/0123456789/", true},
		{"dt/0123456789/*", "dt/0123456788/", false},
		{"dt/0123456789abcdef/x", "dt/0123456799abcdef/x", false},
		{"ab\x00", "ab", false},
		{"*\x00", "a\x00", true},
		{"*ab\x00", "ab", false},
	} {
		require.Equal(t, c.want, policy.Match(c.pattern, c.text), "%q on %q", c.pattern, c.text)
		require.Equal(t, c.want, policy.MatchEntry(c.pattern, c.text), "entry %q on %q", c.pattern, c.text)
		require.Equal(t, c.want, recursive(c.pattern, c.text), "recursive %q on %q", c.pattern, c.text)
	}
}

// recursive is the definition of a match. It takes exponential time.
func recursive(p, s string) bool {
	if p == "" {
		return s == ""
	}
	if p[0] == '*' {
		for rest := s; ; {
			if recursive(p[1:], rest) {
				return true
			}
			if rest == "" {
				return false
			}
			_, n := utf8.DecodeRuneInString(rest)
			rest = rest[n:]
		}
	}
	if s == "" {
		return false
	}
	_, n := utf8.DecodeRuneInString(s)
	if p[0] == '?' {
		return recursive(p[1:], s[n:])
	}
	_, m := utf8.DecodeRuneInString(p)
	return p[:m] == s[:n] && recursive(p[m:], s[n:])
}

func FuzzMatch(f *testing.F) {
	for _, p := range []string{"a*b", "*a?b*", "??*", "a*a*a*b", "é*?", "0123456789*abcdefghij", "*0123456789"} {
		f.Add(p, "aab", "a")
		f.Add(p, "0123456789xabcdefghij", "0123")
	}
	f.Fuzz(func(t *testing.T, p, s, front string) {
		if !utf8.ValidString(p) {
			return // documents are UTF-8
		}
		want := naiveMatch(naivePattern(p), chars(s))
		require.Equal(t, want, policy.Match(p, s))
		require.Equal(t, want, policy.MatchEntry(p, s))
		if strings.IndexFunc(front, func(c rune) bool { return c >= 0x80 }) < 0 && len(front) < 20 {
			require.Equal(t, naiveMatch(naivePattern(p), chars(front+s)), policy.MatchRests(p, front, s))
		}
	})
}

// hostile makes patterns and names that nearly fit in many places, of whatever bytes.
func hostile(r *rand.Rand) (pattern, name string) {
	var p, s strings.Builder
	letters := []string{"a", "a", "a", "b", "é", "e\u0301", "\U0001F600", "/"}[:1+r.IntN(8)]
	for range r.IntN(200) {
		switch r.IntN(12) {
		case 0:
			p.WriteString("*")
		case 1, 2, 3, 4:
			p.WriteString("?")
		default:
			p.WriteString(letters[r.IntN(len(letters))])
		}
	}
	for range r.IntN(300) {
		if c := letters[r.IntN(len(letters))]; r.IntN(40) > 0 {
			s.WriteString(c)
		} else {
			s.WriteString([]string{"*", "?", c[:len(c)-1] + "\xc3", "\xff", "\xfe", "\x80", "\xf0\x9f\x98", "\x00"}[r.IntN(8)])
		}
	}
	return p.String(), s.String()
}

// The quick ways come to what a table of all ways comes to.
func TestMatchAgainstTable(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	fits := 0
	for range 3_000 {
		p, s := hostile(r)
		whole := naiveMatch(naivePattern(p), chars(s))
		require.Equal(t, whole, policy.Match(p, s), "%q on %q", p, s)
		require.Equal(t, whole, policy.MatchEntry(p, s), "entry %q on %q", p, s)
		if whole {
			fits++
		}
		segment := strings.ReplaceAll(p, "*", "")
		if segment == "" {
			continue
		}
		want := -1
		if n := slices.Index(naiveRow(naivePattern("*"+segment), chars(s)), true); n >= 0 {
			want = len(strings.Join(chars(s)[:n], ""))
		}
		require.Equal(t, want, policy.FindWide(segment, s), "%q in %q", segment, s)
	}
	require.Greater(t, fits, 100)
}

func TestRests(t *testing.T) {
	t.Parallel()
	const front = "arn:aws:iot:r:1:topic/"
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "a", true},
		{"arn:aws:iot:r:1:topic/a", "a", true},
		{"arn:aws:iot:r:1:topic/a", "b", false},
		{"arn:aws:iot:*:*:topic/a", "a", true},
		{"arn:aws:iot:*:*:topic/a", "x:topic/a", true},
		{"arn:aws:iot:*:*:topic/a", "x/a", false},
		{"arn:aws:iot:r:1:*", "", true},
		{"arn:aws:iot:r:1:topic*/b", "a/b", true},
		{"arn:aws:iot:r:1:topic*/", "", true},
		{"arn:aws:iot:r:1:topicfilter/*", "a", false},
		{"arn:aws:iot:r:1:t?pic/?", "a", true},
		{"arn:*c/*c/x", "ac/x", true},
		{"arn:*c/*c/x", "x", false},
	} {
		require.Equal(t, c.want, policy.MatchRests(c.pattern, front, c.text), "%q on %q", c.pattern, c.text)
		require.Equal(t, c.want, policy.Match(c.pattern, front+c.text), "%q on %q", c.pattern, c.text)
	}
}
