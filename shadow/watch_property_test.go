package shadow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

// A watch that goes on, again and again, where it ended sees every change exactly once
// and in order, whoever writes, as long as the history reaches.
func TestWatchesThatGoOnMissNothing(t *testing.T) {
	t.Parallel()
	const writers, each, watches = 16, 150, 6
	key := shadow.Key{Thing: "pump-1", Name: "config"}
	b := newBook()
	svc := service(t, shadow.Config{History: shadow.Retention{Versions: -1}, Hooks: []shadow.Hook{b}})
	finished := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make([][]*shadow.Change, watches)
	var wg, writing sync.WaitGroup
	for i := range watches {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 3))
			at := shadow.Position{}
			for {
				f := shadow.Only(key)
				f.After, f.Buffer = &at, -1
				left := 1 + r.IntN(60)
				for c, err := range svc.Watch(ctx, f) {
					if err != nil {
						return // the test is over
					}
					seen[i] = append(seen[i], c)
					at = c.Position()
					if string(c.Current.Desired) == `{"end":true}` {
						return
					}
					if left--; left == 0 {
						break
					}
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 4))
			for i := range each {
				var err error
				if r.IntN(10) == 0 {
					_, err = svc.Delete(ctx, key, shadow.Requester{ClientID: strconv.Itoa(w)})
				} else {
					_, err = svc.Update(ctx, key, fmt.Appendf(nil, `{"state":{"reported":{"w%d":%d}}}`, w, i), shadow.Requester{ClientID: strconv.Itoa(w)})
				}
				if err != nil && !errors.Is(err, shadow.ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	go func() { defer close(finished); writing.Wait() }()
	<-finished
	_, err := svc.Update(ctx, key, []byte(`{"state":{"desired":{"end":true}}}`), shadow.Requester{})
	require.NoError(t, err)
	wg.Wait()
	require.Zero(t, svc.Watches())
	want := b.changes[key]
	require.Greater(t, len(want), writers*each/2)
	for i := range seen {
		require.Len(t, seen[i], len(want), "watch %d", i)
		for j, c := range seen[i] {
			require.Equal(t, want[j], c)
		}
	}
}

// The same with too little history and too small a buffer: nothing is left out without a
// mark.
func TestWatchesMarkWhatTheyMiss(t *testing.T) {
	t.Parallel()
	const writers, each, watches = 16, 150, 4
	svc := service(t, shadow.Config{History: shadow.Retention{Versions: 5}})
	ctx := t.Context()
	var wg sync.WaitGroup
	for i := range watches {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 5))
			at := shadow.Position{}
			for at.Version < writers*each {
				f := shadow.Only(hall)
				f.After, f.Buffer = &at, 2
				left := 1 + r.IntN(40)
				for c, err := range svc.Watch(ctx, f) {
					if err != nil {
						t.Error(err)
						return
					}
					if want := at.Version + 1 + c.Missed; c.Current.Version != want {
						t.Errorf("%s after version %d", brief(c), at.Version)
					}
					if c.Kind == shadow.Updated && c.Previous.Version != at.Version {
						t.Errorf("%s goes on from another version than %d", brief(c), at.Version)
					}
					at = c.Position()
					if left--; left == 0 || at.Version == writers*each {
						break
					}
				}
			}
		})
	}
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := svc.Update(ctx, hall, fmt.Appendf(nil, `{"state":{"reported":{"w%d":%d}}}`, w, i), shadow.Requester{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// A watch that begins with what there is sees every shadow once, and then every change of
// it, whoever writes while it reads.
func TestWatchesThatBeginWithSnapshotsMissNothing(t *testing.T) {
	t.Parallel()
	const writers, each, things, watches = 16, 100, 40, 4
	svc := service(t, shadow.Config{})
	key := func(i int) shadow.Key { return shadow.Key{Thing: strconv.Itoa(i % 7), Name: strconv.Itoa(i)} }
	for i := range things / 2 {
		must(t, svc, key(i), `{}`)
	}
	ctx, end := t.Context(), shadow.Key{Thing: "end"}
	seen := make([]map[shadow.Key]shadow.Position, watches)
	var watching, writing sync.WaitGroup
	var finished atomic.Int64
	for i := range watches {
		watching.Go(func() {
			defer finished.Add(1)
			at := map[shadow.Key]shadow.Position{}
			seen[i] = at
			for c, err := range svc.Watch(ctx, shadow.Filter{Current: true, Buffer: -1}) {
				if err != nil {
					t.Error(err)
					return
				}
				if c.Key == end {
					if c.Kind == shadow.Updated {
						return // after everything else
					}
					continue
				}
				last, known := at[c.Key]
				switch {
				case c.Missed > 0, known && c.Kind == shadow.Snapshot:
					t.Errorf("%s after %v", brief(c), last)
				case known && c.Previous.Live() && c.Previous.Version != last.Version, known && !c.Previous.Live() && !last.Deleted:
					t.Errorf("%s after %v", brief(c), last)
				}
				at[c.Key] = c.Position()
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 6))
			for range each {
				k := key(r.IntN(things))
				var err error
				if r.IntN(6) == 0 {
					_, err = svc.Delete(ctx, k, shadow.Requester{})
				} else {
					_, err = svc.Update(ctx, k, []byte(`{"state":{"reported":{"x":1}}}`), shadow.Requester{})
				}
				if err != nil && !errors.Is(err, shadow.ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	for { // until everybody has read what there was, and then the end
		must(t, svc, end, `{}`)
		if finished.Load() == watches {
			break
		}
		runtime.Gosched()
	}
	watching.Wait()
	for i := range seen {
		for k, err := range svc.All(ctx) {
			require.NoError(t, err)
			if k == end {
				continue
			}
			v, err := svc.Get(ctx, k, shadow.Requester{})
			require.NoError(t, err)
			require.Equal(t, shadow.Position{Version: v.Version}, seen[i][k], "watch %d, %s", i, k)
		}
	}
}
