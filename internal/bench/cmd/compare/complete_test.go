//go:build linux

package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func parsed(t *testing.T, text string) (r row) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &r))
	return r
}

func TestComplete(t *testing.T) {
	t.Parallel()
	require.NoError(t, complete(parsed(t, `{"sent": 10, "expected": 10, "delivered": 10, "lost": 0, "unacked": 0, "extra": {"connect_cpu_us": 3}}`)))
	for want, text := range map[string]string{
		"the load generator failed: CONNACK code 5":        `{"expected": 0, "delivered": 0, "error": "CONNACK code 5"}`,
		"incomplete: lost is 1 of 10 expected":             `{"expected": 10, "delivered": 9, "lost": 1}`,
		"incomplete: lost is -1 of 10 expected":            `{"expected": 10, "delivered": 11, "lost": -1}`,
		"incomplete: dup is 2 of 10 expected":              `{"expected": 10, "delivered": 10, "dup": 2}`,
		"incomplete: unacked is 3 of 10 expected":          `{"expected": 10, "delivered": 10, "unacked": 3}`,
		"incomplete: stalled is 1 of 10 expected":          `{"expected": 10, "delivered": 10, "extra": {"stalled": 1}}`,
		"incomplete: 0 delivered of 0 expected":            `{"expected": 0, "delivered": 0}`,
		"incomplete: 9 delivered of 10 expected":           `{"expected": 10, "delivered": 9}`,
		"incomplete: NaN delivered of NaN expected":        `{}`,
		"incomplete: closed_by_broker is 1 of 10 expected": `{"expected": 10, "delivered": 10, "closed_by_broker": 1}`,
	} {
		require.EqualError(t, complete(parsed(t, text)), want)
	}
}
