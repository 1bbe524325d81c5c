package users_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/users"
)

// FuzzUsername: no form of a user name makes another name of it.
func FuzzUsername(f *testing.F) {
	for _, s := range []string{"alice", "alice?SDK=a&Version=1", "?", "a?b?c", "a?x-amz-customauthorizer-name=b", "\x00?", "ä"} {
		f.Add(s, "password")
	}
	f.Fuzz(func(t *testing.T, username, password string) {
		name, got, ok := users.Presented(connect(username, password))
		if !ok {
			require.True(t, name == "" || strings.Contains(strings.ToLower(username), "x-amz-customauthorizer-"), username)
			return
		}
		require.Equal(t, password, string(got))
		require.NotContains(t, name, "?")
		require.True(t, username == name || strings.HasPrefix(username, name+"?"))
	})
}

// BenchmarkLogin shows what a login costs with the default hash: an unknown user costs what a known one does, and a remembered
// password next to nothing.
func BenchmarkLogin(b *testing.B) {
	for _, c := range []struct{ name, user, password string }{
		{"hash", "alice", "alice-pw"}, {"unknown", "bob", "alice-pw"}, {"remembered", "alice", "alice-pw"},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(b, func(cfg *users.Config) {
				cfg.Hash = users.HashParams{}
				cfg.PerUser.Failures = -1
				if c.name == "hash" {
					cfg.Remember = -1
				}
			})
			r.create(b, "alice", "alice-pw")
			creds := connect(c.user, c.password)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.Authenticate(b.Context(), creds)
			}
		})
	}
}
