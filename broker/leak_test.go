package broker_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ourGoroutines counts the goroutines that run code of this module's server side.
func ourGoroutines() int { return len(goroutineDump()) }

func goroutineDump() []string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var ours []string
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "thinghub/broker.(") || strings.Contains(g, "thinghub/internal/") {
			ours = append(ours, g)
		}
	}
	return ours
}

// openFiles counts the descriptors of the process, 0 where that is not known.
func openFiles() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}

// requireNoMore waits until there are no more goroutines and descriptors than
// before. Tests that use it do not run in parallel.
func requireNoMore(t testing.TB, goroutines, files int) {
	t.Helper()
	end := time.Now().Add(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ourGoroutines() > goroutines || openFiles() > files {
		if time.Now().After(end) {
			require.LessOrEqual(t, openFiles(), files, "descriptors")
			require.LessOrEqual(t, ourGoroutines(), goroutines, "%s", strings.Join(goroutineDump(), "\n\n"))
		}
		<-tick.C
	}
}
