package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestThermostat(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var said []string
	require.NoError(t, run(t.Context(), func(format string, a ...any) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, fmt.Sprintf(format, a...))
	}))
	mu.Lock()
	defer mu.Unlock()
	all := strings.Join(said, "\n")
	require.Contains(t, all, "device: somebody wants 21.0 °C")
	require.Contains(t, all, "host: the hall has 20.5 °C, heating: true")
	require.Contains(t, all, "host: the hall has 21.0 °C, heating: false")
	require.Contains(t, said[len(said)-1], "nothing left to do: true")
}
