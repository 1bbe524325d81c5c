package shadow_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

func TestWatchCurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{})
		must(t, svc, shadow.Key{Thing: "a"}, `{}`, `{"desired":{"x":1}}`)
		must(t, svc, shadow.Key{Thing: "a", Name: "n"}, `{"reported":{"x":1}}`)
		must(t, svc, shadow.Key{Thing: "b"}, `{}`)
		must(t, svc, shadow.Key{Thing: "c"}, `{}`, "delete")
		for name, c := range map[string]struct {
			f    shadow.Filter
			want []string
		}{
			"everything":   {shadow.Filter{}, []string{`a snapshot 2<0 {"x":1}`, "a~n snapshot 1<0", "b snapshot 1<0"}},
			"a thing":      {shadow.Filter{Thing: "a"}, []string{`a snapshot 2<0 {"x":1}`, "a~n snapshot 1<0"}},
			"a shadow":     {shadow.Filter{Thing: "a", Names: []string{"n"}}, []string{"a~n snapshot 1<0"}},
			"none":         {shadow.Filter{Thing: "c"}, []string{}},
			"never heard":  {shadow.Filter{Thing: "d", Names: []string{"x"}}, []string{}},
			"a pattern":    {shadow.Filter{Thing: "*", Names: []string{""}}, []string{`a snapshot 2<0 {"x":1}`, "b snapshot 1<0"}},
			"with a delta": {shadow.Filter{Delta: true}, []string{`a snapshot 2<0 {"x":1}`}},
			"reported":     {shadow.Filter{Sides: []shadow.Side{shadow.Reported}}, []string{"a~n snapshot 1<0"}},
		} {
			c.f.Current = true
			w := follow(t, svc, c.f)
			got := w.taken()
			require.ElementsMatch(t, c.want, briefs(got), name)
			for _, c := range got {
				require.Equal(t, shadow.Requester{}, c.By)
				require.Equal(t, c.Current.Updated, c.Time)
			}
		}
	})
}

// What changes while the snapshots are read shows once: in the snapshot, or after it.
func TestWatchCurrentMeetsChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{})
		for i := range 40 {
			must(t, svc, shadow.Key{Thing: strconv.Itoa(i % 20), Name: strconv.Itoa(i)}, `{}`)
		}
		w := &follower{hold: make(chan struct{})}
		w.start(t, svc, shadow.Filter{Current: true})
		versions := map[shadow.Key]int64{}
		check := func() {
			for _, c := range w.taken() {
				if last, seen := versions[c.Key]; seen {
					require.Equal(t, last+1, c.Current.Version, brief(c))
					require.Equal(t, last, c.Previous.Version, brief(c))
				} else {
					require.Contains(t, []shadow.ChangeKind{shadow.Snapshot, shadow.Updated}, c.Kind)
				}
				require.Zero(t, c.Missed)
				versions[c.Key] = c.Current.Version
			}
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 100 {
			i := r.IntN(45)
			must(t, svc, shadow.Key{Thing: strconv.Itoa(i % 20), Name: strconv.Itoa(i)}, `{}`)
			if r.IntN(3) == 0 {
				w.hold <- struct{}{}
			}
			check()
		}
		close(w.hold)
		check()
		all := 0
		for k, err := range svc.All(t.Context()) {
			require.NoError(t, err)
			v, err := svc.Get(t.Context(), k, shadow.Requester{})
			require.NoError(t, err)
			require.Equal(t, v.Version, versions[k], k)
			all++
		}
		require.Len(t, versions, all)
	})
}

func TestWatchAfter(t *testing.T) {
	t.Parallel()
	by := shadow.Requester{Source: shadow.FromMQTT, ClientID: "c"}
	life := func(t *testing.T, svc *shadow.Service) {
		for _, step := range []string{`{"desired":{"a":1}}`, `{"desired":{"a":2}}`, `{"reported":{"a":2}}`, "delete", `{"desired":{"b":1}}`, `{}`} {
			if step == "delete" {
				_, err := svc.Delete(t.Context(), hall, by)
				require.NoError(t, err)
				continue
			}
			_, err := svc.Update(t.Context(), hall, []byte(`{"state":`+step+`}`), by)
			require.NoError(t, err)
		}
	}
	all := []string{
		`hall updated 1<0 {"a":1}`,
		`hall updated 2<1 {"a":2}`,
		"hall updated 3<2",
		"hall deleted 3<3",
		`hall updated 4<0 {"b":1}`,
		`hall updated 5<4 {"b":1}`,
	}
	now := []string{`hall updated 6<5 {"b":1}`}
	type at = shadow.Position
	for name, c := range map[string]struct {
		keep  int
		after at
		want  []string // before what comes now
	}{
		"from the beginning":        {10, at{}, all},
		"in the middle":             {10, at{Version: 2}, all[2:]},
		"before a deletion":         {10, at{Version: 3}, all[3:]},
		"after a deletion":          {10, at{Version: 3, Deleted: true}, all[4:]},
		"at the end":                {10, at{Version: 5}, nil},
		"all that is kept":          {6, at{}, all},
		"one is not kept":           {5, at{}, append([]string{`hall snapshot 2<0 missed 1 {"a":2}`}, all[2:]...)},
		"just kept":                 {5, at{Version: 2}, all[2:]},
		"the one before is not":     {4, at{Version: 2}, append([]string{"hall snapshot 3<0"}, all[3:]...)},
		"the deletion is not":       {2, at{Version: 3}, append([]string{`hall snapshot 4<0 {"b":1}`}, all[5:]...)},
		"the deletion was seen":     {2, at{Version: 3, Deleted: true}, all[4:]},
		"the deletion is the first": {3, at{Version: 1}, append([]string{"hall snapshot 3<0 missed 2"}, all[4:]...)},
		"only the newest":           {1, at{Version: 4}, []string{`hall snapshot 5<0 {"b":1}`}},
		"nothing":                   {0, at{Version: 1}, []string{`hall snapshot 5<0 missed 3 {"b":1}`}},
		"nothing, nothing new":      {0, at{Version: 5}, nil},
		"a later life":              {10, at{Version: 9}, []string{`hall snapshot 5<0 {"b":1}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var told []*shadow.Change
				svc := service(t, shadow.Config{History: shadow.Retention{Versions: c.keep}, Hooks: []shadow.Hook{
					onChanged(func(c *shadow.Change) { told = append(told, c) }),
				}})
				life(t, svc)
				f := shadow.Only(hall)
				f.After = &c.after
				w := follow(t, svc, f)
				must(t, svc, hall, `{}`)
				got := w.taken()
				require.Equal(t, append(c.want[:len(c.want):len(c.want)], now...), briefs(got))
				for _, c := range got {
					switch {
					case c.Kind != shadow.Snapshot: // as it was when it happened
						require.Contains(t, told, c)
					case c.Missed == 3:
						require.Equal(t, shadow.Requester{}, c.By, "not known")
					case c.Current.Live():
						require.False(t, c.Time.IsZero())
					}
				}
			})
		})
	}
}

func TestWatchAfterADeletion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type at = shadow.Position
		svc := service(t, shadow.Config{DeleteMemory: time.Hour})
		after := func(p at) []string {
			f := shadow.Only(hall)
			f.After = &p
			w := follow(t, svc, f)
			defer w.stop()
			return briefs(w.taken())
		}
		require.Empty(t, after(at{}))
		must(t, svc, hall, `{}`, `{}`, "delete")
		require.Equal(t, []string{"hall snapshot 2<0 missed 2"}, after(at{}))
		require.Equal(t, []string{"hall snapshot 2<0 missed 1"}, after(at{Version: 1}))
		require.Equal(t, []string{"hall snapshot 2<0"}, after(at{Version: 2}))
		require.Empty(t, after(at{Version: 2, Deleted: true}))
		require.Equal(t, []string{"hall snapshot 2<0"}, after(at{Version: 3}))
		time.Sleep(2 * time.Hour) // nobody remembers
		require.Empty(t, after(at{}))
		require.Equal(t, []string{"hall snapshot 0<0"}, after(at{Version: 2}))
		must(t, svc, hall, `{}`)
		require.Equal(t, []string{"hall snapshot 1<0"}, after(at{Version: 2}))
	})
}

// What the filter leaves out is left out of a replay too, but not the mark of a gap.
func TestWatchAfterWithFilter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{History: shadow.Retention{Versions: 3}})
		must(t, svc, hall, `{}`, `{}`, `{"reported":{"a":1}}`, `{"desired":{"a":2}}`, `{"reported":{"a":2}}`)
		f := shadow.Only(hall)
		f.After, f.Delta = &shadow.Position{Version: 1}, true
		require.Equal(t, []string{"hall snapshot 3<0 missed 1", `hall updated 4<3 {"a":2}`}, briefs(follow(t, svc, f).taken()))
		f.Delta, f.Sides = false, []shadow.Side{shadow.Reported}
		require.Equal(t, []string{"hall snapshot 3<0 missed 1", "hall updated 5<4"}, briefs(follow(t, svc, f).taken()))
	})
}

// A store that fails ends a watch that reads it.
func TestWatchTellsOfAStoreThatFails(t *testing.T) {
	t.Parallel()
	down := errors.New("disk is full")
	svc := service(t, shadow.Config{Store: failing{shadow.NewMemory(), down}})
	after := shadow.Only(hall)
	after.After = &shadow.Position{}
	for _, f := range []shadow.Filter{after, {Current: true}, {Current: true, Thing: "hall"}, {Current: true, Thing: "hall", Names: []string{""}}} {
		n := 0
		for c, err := range svc.Watch(t.Context(), f) {
			require.Nil(t, c)
			require.ErrorIs(t, err, down)
			require.ErrorIs(t, err, shadow.ErrInternal)
			n++
		}
		require.Equal(t, 1, n)
	}
}

// A failing store fails to read.
type failing struct {
	shadow.Store
	err error
}

func (f failing) Load(context.Context, shadow.Key) (shadow.Document, error) {
	return shadow.Document{}, f.err
}

func (f failing) Names(context.Context, string, string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", f.err) }
}

func (f failing) All(context.Context) iter.Seq2[shadow.Key, error] {
	return func(yield func(shadow.Key, error) bool) { yield(shadow.Key{}, f.err) }
}
