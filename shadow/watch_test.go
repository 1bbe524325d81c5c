package shadow_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

// A follower is a loop over a watch in a goroutine of its own.
type follower struct {
	stop context.CancelFunc
	hold chan struct{} // nil, or what each step of the loop waits for
	mu   sync.Mutex
	got  []*shadow.Change
	err  error
}

// follow starts a follower in a synctest bubble and waits until it watches. It ends with
// the test.
func follow(t *testing.T, svc *shadow.Service, f shadow.Filter) *follower {
	t.Helper()
	w := &follower{}
	w.start(t, svc, f)
	return w
}

func (w *follower) start(t *testing.T, svc *shadow.Service, f shadow.Filter) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	go func() {
		for c, err := range svc.Watch(ctx, f) {
			w.mu.Lock()
			if w.err = err; err == nil {
				w.got = append(w.got, c)
			}
			w.mu.Unlock()
			if w.hold != nil {
				<-w.hold
			}
		}
	}()
	synctest.Wait()
}

// taken returns what has come since the last call.
func (w *follower) taken() []*shadow.Change {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.got
	w.got = nil
	return got
}

func (w *follower) ended() error {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// brief is a change as a line: key, kind, version, what was before, missed, delta.
func brief(c *shadow.Change) string {
	s := fmt.Sprintf("%s %s %d<%d", c.Key, c.Kind, c.Current.Version, c.Previous.Version)
	if c.Missed > 0 {
		s += fmt.Sprintf(" missed %d", c.Missed)
	}
	if len(c.Delta) > 0 {
		s += " " + string(c.Delta)
	}
	return s
}

func briefs(changes []*shadow.Change) []string {
	out := []string{}
	for _, c := range changes {
		out = append(out, brief(c))
	}
	return out
}

func must(t *testing.T, svc *shadow.Service, k shadow.Key, requests ...string) {
	t.Helper()
	for _, r := range requests {
		var err error
		switch r {
		case "delete":
			_, err = svc.Delete(t.Context(), k, shadow.Requester{})
		default:
			_, err = svc.Update(t.Context(), k, []byte(`{"state":`+r+`}`), shadow.Requester{})
		}
		require.NoError(t, err, r)
	}
}

func service(t *testing.T, c shadow.Config) *shadow.Service {
	t.Helper()
	svc, err := shadow.New(c)
	require.NoError(t, err)
	return svc
}

var hall = shadow.Key{Thing: "hall"}

func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []*shadow.Change
		svc := service(t, shadow.Config{Hooks: []shadow.Hook{onChanged(func(c *shadow.Change) { told = append(told, c) })}})
		must(t, svc, hall, `{"desired":{"a":1}}`)
		w := follow(t, svc, shadow.Only(hall))
		require.Empty(t, w.taken(), "from now on")
		start := time.Now()
		time.Sleep(time.Minute)
		by := shadow.Requester{Source: shadow.FromHTTP, Principal: "app"}
		_, err := svc.Update(t.Context(), hall, []byte(`{"state":{"reported":{"a":1.0}}}`), by)
		require.NoError(t, err)
		must(t, svc, hall, `{"desired":{"b":2}}`, "delete", `{"desired":{"c":3}}`)
		must(t, svc, shadow.Key{Thing: "hall", Name: "other"}, `{}`)
		must(t, svc, shadow.Key{Thing: "hal"}, `{}`)
		_, err = svc.Update(t.Context(), hall, []byte(`{"state":5}`), by)
		require.ErrorIs(t, err, shadow.ErrInvalid)

		got := w.taken()
		require.Equal(t, []string{
			"hall updated 2<1",
			`hall updated 3<2 {"b":2}`,
			"hall deleted 3<3",
			`hall updated 4<0 {"c":3}`,
		}, briefs(got))
		require.Equal(t, by, got[0].By)
		require.Equal(t, start.Add(time.Minute), got[0].Time)
		require.Equal(t, `{"desired":{"a":1},"reported":{"a":1.0}}`, string(got[0].Current.AppendState(nil)))
		require.Equal(t, `{"desired":{"a":1}}`, string(got[0].Previous.AppendState(nil)))
		require.Equal(t, shadow.Position{Version: 3, Deleted: true}, got[2].Position())
		require.False(t, got[2].Current.Live())
		require.Equal(t, told[1:5], got, "hooks and watches see the same")

		w.stop()
		require.ErrorIs(t, w.ended(), context.Canceled)
		must(t, svc, hall, `{}`)
		require.Empty(t, w.taken())
	})
}

func TestWatchFilters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{})
		desired, reported := []shadow.Side{shadow.Desired}, []shadow.Side{shadow.Reported}
		filters := map[string]shadow.Filter{
			"everything":        {},
			"a thing":           {Thing: "pump-1"},
			"classic shadows":   {Names: []string{""}},
			"some shadows":      {Names: []string{"config", "x"}},
			"prefix":            {Thing: "pump-*"},
			"middle":            {Thing: "p*-1"},
			"classic of a kind": {Thing: "*1", Names: []string{""}},
			"no names":          {Names: []string{}},
			"deltas":            {Delta: true},
			"desired":           {Sides: desired},
			"reported":          {Sides: reported, Thing: "fan-1"},
			"no sides":          {Sides: []shadow.Side{}},
		}
		watches := map[string]*follower{}
		for name, f := range filters {
			watches[name] = follow(t, svc, f)
		}
		must(t, svc, shadow.Key{Thing: "pump-1"}, `{"desired":{"a":1}}`, `{"reported":{"a":1}}`, `{"desired":{"a":1}}`)
		must(t, svc, shadow.Key{Thing: "pump-1", Name: "config"}, `{}`)
		must(t, svc, shadow.Key{Thing: "pump-2"}, `{"reported":{"b":1}}`)
		must(t, svc, shadow.Key{Thing: "fan-1", Name: "x"}, `{"desired":{"a":2},"reported":{"b":1}}`, `{"reported":{"b":1}}`, "delete")
		for name, want := range map[string][]string{
			"everything": {
				`pump-1 updated 1<0 {"a":1}`, "pump-1 updated 2<1", "pump-1 updated 3<2", "pump-1~config updated 1<0", "pump-2 updated 1<0",
				`fan-1~x updated 1<0 {"a":2}`, `fan-1~x updated 2<1 {"a":2}`, "fan-1~x deleted 2<2",
			},
			"a thing":           {`pump-1 updated 1<0 {"a":1}`, "pump-1 updated 2<1", "pump-1 updated 3<2", "pump-1~config updated 1<0"},
			"classic shadows":   {`pump-1 updated 1<0 {"a":1}`, "pump-1 updated 2<1", "pump-1 updated 3<2", "pump-2 updated 1<0"},
			"some shadows":      {"pump-1~config updated 1<0", `fan-1~x updated 1<0 {"a":2}`, `fan-1~x updated 2<1 {"a":2}`, "fan-1~x deleted 2<2"},
			"prefix":            {`pump-1 updated 1<0 {"a":1}`, "pump-1 updated 2<1", "pump-1 updated 3<2", "pump-1~config updated 1<0", "pump-2 updated 1<0"},
			"middle":            {`pump-1 updated 1<0 {"a":1}`, "pump-1 updated 2<1", "pump-1 updated 3<2", "pump-1~config updated 1<0"},
			"classic of a kind": {`pump-1 updated 1<0 {"a":1}`, "pump-1 updated 2<1", "pump-1 updated 3<2"},
			"no names":          {},
			"deltas":            {`pump-1 updated 1<0 {"a":1}`, `fan-1~x updated 1<0 {"a":2}`, `fan-1~x updated 2<1 {"a":2}`},
			"desired":           {`pump-1 updated 1<0 {"a":1}`, `fan-1~x updated 1<0 {"a":2}`, "fan-1~x deleted 2<2"},
			"reported":          {`fan-1~x updated 1<0 {"a":2}`, "fan-1~x deleted 2<2"},
			"no sides":          {},
		} {
			require.Equal(t, want, briefs(watches[name].taken()), name)
		}
	})
}

func TestWatchRefusesBadFilters(t *testing.T) {
	t.Parallel()
	svc := service(t, shadow.Config{})
	for _, c := range []struct {
		f    shadow.Filter
		want string
	}{
		{shadow.Filter{Thing: "a b"}, `Thing is "a b", expected the name of a thing or a pattern with *`},
		{shadow.Filter{Names: []string{"", "a/b"}}, `Names has "a/b", expected names of shadows`},
		{shadow.Filter{Sides: []shadow.Side{7}}, "Sides has neither Desired nor Reported"},
		{shadow.Filter{After: &shadow.Position{}}, "After is set, expected one shadow in Thing and Names"},
		{shadow.Filter{After: &shadow.Position{}, Thing: "a"}, "After is set, expected one shadow in Thing and Names"},
		{shadow.Filter{After: &shadow.Position{}, Thing: "a*", Names: []string{""}}, "After is set, expected one shadow"},
		{shadow.Filter{After: &shadow.Position{Version: -1}, Thing: "a", Names: []string{""}}, "After has no version"},
		{shadow.Filter{After: &shadow.Position{Deleted: true}, Thing: "a", Names: []string{""}}, "After has no version"},
		{shadow.Filter{After: &shadow.Position{}, Current: true, Thing: "a", Names: []string{""}}, "Current is set, expected After or Current"},
	} {
		n := 0
		for got, err := range svc.Watch(t.Context(), c.f) {
			require.Nil(t, got)
			require.ErrorIs(t, err, shadow.ErrInvalid)
			require.ErrorContains(t, err, "Invalid filter: "+c.want)
			n++
		}
		require.Equal(t, 1, n)
	}
}

// Leaving the loop, however it is done, leaves nothing behind.
func TestWatchLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{})
		must(t, svc, hall, `{}`)
		for _, f := range []shadow.Filter{shadow.Only(hall), {}, {Current: true}, {Thing: "h*"}, {Thing: "hall", Names: []string{""}, After: &shadow.Position{}}} {
			// A break.
			done := make(chan struct{})
			go func() {
				defer close(done)
				for _, err := range svc.Watch(t.Context(), f) {
					if err != nil {
						t.Error(err)
					}
					break
				}
			}()
			synctest.Wait()
			must(t, svc, hall, `{}`)
			<-done
			require.Zero(t, svc.Watches())
			// A panic in the loop.
			go func() {
				defer func() { _ = recover() }()
				for _, err := range svc.Watch(t.Context(), f) {
					panic(err)
				}
			}()
			synctest.Wait()
			must(t, svc, hall, `{}`)
			synctest.Wait()
			require.Zero(t, svc.Watches())
			// A context that has ended, before or after.
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			var last error
			for _, err := range svc.Watch(ctx, f) {
				last = err
			}
			require.ErrorIs(t, last, context.DeadlineExceeded)
			for _, err := range svc.Watch(ctx, f) {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			cancel()
			require.Zero(t, svc.Watches())
		}
		// A sequence that is ranged over twice is two watches.
		ctx, cancel := context.WithCancel(t.Context())
		changes := svc.Watch(ctx, shadow.Filter{})
		var wg sync.WaitGroup
		var seen [2]int
		for i := range seen {
			wg.Go(func() {
				for _, err := range changes {
					if err == nil {
						seen[i]++
					}
				}
			})
		}
		synctest.Wait()
		require.Equal(t, 2, svc.Watches())
		must(t, svc, hall, `{}`, `{}`)
		synctest.Wait()
		cancel()
		wg.Wait()
		require.Equal(t, [2]int{2, 2}, seen)
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{})
		idle := follow(t, svc, shadow.Filter{})
		slow := &follower{hold: make(chan struct{})}
		slow.start(t, svc, shadow.Filter{})
		must(t, svc, hall, `{}`, `{}`, `{}`)
		require.Len(t, slow.taken(), 1)
		svc.Close()
		svc.Close()
		require.ErrorIs(t, idle.ended(), shadow.ErrClosed)
		require.Len(t, idle.taken(), 3)
		close(slow.hold)
		require.ErrorIs(t, slow.ended(), shadow.ErrClosed)
		require.Len(t, slow.taken(), 2, "what waits is not lost")
		for _, f := range []shadow.Filter{{}, {Current: true}} {
			for c, err := range svc.Watch(t.Context(), f) {
				require.Nil(t, c)
				require.ErrorIs(t, err, shadow.ErrClosed)
			}
		}
		must(t, svc, hall, `{}`)
		require.Zero(t, svc.Watches())
	})
}

// A loop that is too slow sees every shadow in its newest state, without a gap.
func TestWatchJoinsWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{})
		a, b, c := shadow.Key{Thing: "a"}, shadow.Key{Thing: "b"}, shadow.Key{Thing: "c", Name: "n"}
		w := &follower{hold: make(chan struct{})}
		w.start(t, svc, shadow.Filter{Buffer: 3})
		other := follow(t, svc, shadow.Filter{})
		must(t, svc, a, `{}`) // taken at once
		require.Equal(t, []string{"a updated 1<0"}, briefs(w.taken()))
		must(t, svc, a, `{}`)
		must(t, svc, b, `{}`)
		must(t, svc, a, `{}`) // the buffer is full
		must(t, svc, a, `{"desired":{"x":1}}`, `{"desired":{"x":2}}`)
		must(t, svc, c, `{}`, `{}`, "delete", `{}`)
		must(t, svc, b, "delete")
		close(w.hold)
		require.Equal(t, []string{
			"a updated 2<1",
			"b deleted 1<0 missed 1",
			`a updated 5<2 missed 2 {"x":2}`,
			"c~n updated 3<0 missed 3",
		}, briefs(w.taken()))
		// What others hold did not change under them.
		got := other.taken()
		require.Len(t, got, 11)
		for _, c := range got {
			require.Zero(t, c.Missed, brief(c))
		}
		// And then on as before.
		must(t, svc, a, `{}`, `{}`)
		require.Equal(t, []string{`a updated 6<5 {"x":2}`, `a updated 7<6 {"x":2}`}, briefs(w.taken()))
		require.NoError(t, w.ended())
	})
}

func TestWatchLags(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{})
		w := &follower{hold: make(chan struct{})}
		w.start(t, svc, shadow.Filter{Buffer: 2, Limit: 4})
		for range 3 {
			for i := range 5 { // one is taken
				must(t, svc, shadow.Key{Thing: strconv.Itoa(i)}, `{}`)
				synctest.Wait()
			}
		}
		require.Equal(t, []string{"0 updated 1<0"}, briefs(w.taken()))
		close(w.hold)
		require.ErrorIs(t, w.ended(), shadow.ErrLagged, "the fifth that waits is 0 again")
		require.Equal(t, []string{"1 updated 1<0", "2 updated 1<0", "3 updated 1<0", "4 updated 1<0"}, briefs(w.taken()), "what waits is not lost")
		require.Zero(t, svc.Watches())

		// Without bounds nothing is joined.
		w = &follower{hold: make(chan struct{})}
		w.start(t, svc, shadow.Filter{Buffer: -1})
		for range 1000 {
			must(t, svc, hall, `{}`)
		}
		require.Len(t, w.taken(), 1)
		close(w.hold)
		got := w.taken()
		require.Len(t, got, 999)
		for _, c := range got {
			require.Zero(t, c.Missed)
		}
	})
}

// A long watch that is never quite idle keeps no more than what waits.
func TestWatchQueueIsTidied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{})
		w := &follower{hold: make(chan struct{})}
		w.start(t, svc, shadow.Filter{Buffer: 8})
		must(t, svc, hall, `{}`, `{}`, `{}`)
		for range 2000 {
			must(t, svc, hall, `{}`)
			w.hold <- struct{}{}
			synctest.Wait()
		}
		require.Less(t, svc.WatchQueues(), 200)
		close(w.hold)
		require.Len(t, w.taken(), 2003)
	})
}

func TestWatchPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, thing string
		want           bool
	}{
		{"", "a", true},
		{"*", "a", true},
		{"**", "a", true},
		{"a", "a", true},
		{"a", "ab", false},
		{"a", "A", false},
		{"a*", "a", true},
		{"a*", "ba", false},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*c", "abc", true},
		{"a*b*c", "a-c-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"*-1*", "pump-12", true},
		{"*:*_*", "a:b_", true},
		{"*:*_*", "a_b:", false},
		{"*ab*ab*", "abab", true},
		{"*ab*ab*", "abb", false},
	} {
		require.Equal(t, c.want, shadow.Fits(c.pattern, c.thing), "%q %q", c.pattern, c.thing)
	}
}

// A watch that goes on where another one ended: the position of the last change is all
// that is kept meanwhile.
func ExampleService_Watch() {
	svc, err := shadow.New(shadow.Config{History: shadow.Retention{Versions: 100}})
	if err != nil {
		panic(err)
	}
	ctx, lamp := context.Background(), shadow.Key{Thing: "lamp"}
	update := func(by, state string) {
		if _, err := svc.Update(ctx, lamp, []byte(`{"state":`+state+`}`), shadow.Requester{Principal: by}); err != nil {
			panic(err)
		}
	}
	seen := shadow.Position{} // nothing yet
	watch := func() {
		f := shadow.Only(lamp)
		f.After = &seen
		for c, err := range svc.Watch(ctx, f) {
			if err != nil {
				panic(err)
			}
			fmt.Printf("version %d by %s, done: %v\n", c.Current.Version, c.By.Principal, len(c.Delta) == 0)
			seen = c.Position()
			if len(c.Delta) == 0 {
				break
			}
		}
	}
	update("app", `{"desired":{"on":true,"dim":5}}`)
	update("device", `{"reported":{"on":true}}`)
	update("device", `{"reported":{"dim":5}}`)
	watch()
	update("app", `{"desired":{"dim":7}}`)
	update("device", `{"reported":{"dim":7}}`)
	watch()
	// Output:
	// version 1 by app, done: false
	// version 2 by device, done: false
	// version 3 by device, done: true
	// version 4 by app, done: false
	// version 5 by device, done: true
}
