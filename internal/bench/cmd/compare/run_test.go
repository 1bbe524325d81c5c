//go:build linux

package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The files that make compare reads fit together.
func TestConfig(t *testing.T) {
	t.Parallel()
	var cfg Config
	for _, name := range []string{"brokers.json", "scenarios.json"} {
		text, err := os.ReadFile("../../" + name)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &cfg))
	}
	names, ports := map[string]bool{}, map[int]bool{}
	for _, b := range cfg.Brokers {
		require.False(t, names[b.Name], b.Name)
		require.False(t, ports[b.Port], b.Name)
		names[b.Name], ports[b.Port] = true, true
	}
	for _, b := range cfg.Brokers {
		require.True(t, b.Beside == "" || names[b.Beside], b.Beside)
		for _, s := range cfg.Scenarios {
			text, err := policies(b, s)
			require.NoError(t, err)
			var got map[string]struct{ Statement []json.RawMessage }
			require.NoError(t, json.Unmarshal([]byte(text), &got))
			require.Len(t, got["fleet"].Statement, b.Statements)
			require.True(t, s.TLS != "" || s.Clients > 0, s.Name)
		}
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	require.JSONEq(t, `[{"name": "client-0", "password": "bench-password"}, {"name": "client-1", "password": "bench-password"}]`, users(Broker{}, 2))
	require.JSONEq(t, `[{"name": "client-0", "password": "bench-password", "policies": ["fleet"]}]`, users(Broker{Statements: 20}, 1))
	require.Equal(t, "[]", users(Broker{}, 0))
}
