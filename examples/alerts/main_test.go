package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAlerts(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	require.NoError(t, run(t.Context(), t.TempDir(), func(format string, a ...any) { fmt.Fprintf(&said, format+"\n", a...) }))
	for _, want := range []string{
		"tried: the condition is not true", "(temp > @limit)", `paged because of "press-2"`, `shadow of press-1: {"alert":84}`, `"machine":"press-1"`, `"temp":92`,
	} {
		require.Contains(t, said.String(), want)
	}
	require.NotContains(t, said.String(), "oven-1")
}
