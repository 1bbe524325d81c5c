//go:build !race

package shadow_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

// What an update allocates is what stays of it: the document, and the topics of its
// answers, which a Publisher may keep.
func TestAllocsHandle(t *testing.T) { // AllocsPerRun forbids t.Parallel
	svc, err := shadow.New(shadow.Config{Rate: -1})
	require.NoError(t, err)
	ctx := context.Background()
	for _, c := range []struct {
		name, topic, payload string
		want                 float64
	}{
		{"update", topic + "update", reported300, 2},
		{"update with spaces", topic + "update", `{ "state" : { "reported" : { "mode" : "auto" } } }`, 2},
		{"update of a named shadow", "$aws/things/t/shadow/name/n/update", desired100, 2},
		{"get", topic + "get", `{"clientToken":"x"}`, 1},
	} {
		request := []byte(c.payload)
		handle := func() {
			if handled, err := svc.Handle(ctx, c.topic, request, device); err != nil || !handled {
				t.Error(handled, err)
			}
		}
		handle()
		require.Equal(t, c.want, testing.AllocsPerRun(200, handle), c.name)
	}
}

// Watches of others, and history once it is full, add nothing to that; a watch of the
// shadow adds the Change, and what waits.
func TestAllocsHandleWatched(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	for _, c := range []struct {
		name   string
		filter func(i int) shadow.Filter
		keep   int
		want   float64
	}{
		{"1000 watches of other things", func(i int) shadow.Filter { return shadow.Only(shadow.Key{Thing: strconv.Itoa(i)}) }, 0, 2},
		{"history", nil, 10, 2},
	} {
		svc, err := shadow.New(shadow.Config{Rate: -1, History: shadow.Retention{Versions: c.keep}})
		require.NoError(t, err)
		if c.filter != nil {
			watchAll(ctx, svc, 1000, c.filter)
		}
		request := []byte(reported300)
		handle := func() {
			if handled, err := svc.Handle(ctx, topic+"update", request, device); err != nil || !handled {
				t.Error(handled, err)
			}
		}
		for range 20 {
			handle()
		}
		require.Equal(t, c.want, testing.AllocsPerRun(200, handle), c.name)
		svc.Close()
	}
	cancel()
}

func TestAllocsClassify(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() {
		shadow.Classify("$aws/things/thing-1/shadow/name/config/update/accepted")
		shadow.Classify("a/b/c")
	}))
}

// A shadow of 1 KB takes at most 2 KB more than that, also when every value was set
// at a time of its own.
func TestAllocsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, err := shadow.New(shadow.Config{})
		require.NoError(t, err)
		const things = 2000
		for _, rounds := range []int{1, 26} {
			before, size := heap(), 0
			for i := range things {
				k := shadow.Key{Thing: "thing-" + strconv.Itoa(i), Name: strconv.Itoa(rounds)}
				size = fillShadow(t, svc, k, rounds, func() { time.Sleep(time.Second) })
			}
			over := float64(heap()-before)/things - float64(size)
			t.Logf("%d updates: %d bytes take %.0f more", 2*rounds, size, over)
			require.InDelta(t, 1024, size, 64)
			require.Less(t, over, 2048.0)
			require.Greater(t, over, 0.0)
		}
	})
}
