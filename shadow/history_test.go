package shadow_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

func TestHistoryConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  shadow.Config
		want string
	}{
		{shadow.Config{History: shadow.Retention{Age: -1}}, "Config.History.Age is -1ns, expected 0 or more"},
		{
			shadow.Config{History: shadow.Retention{Versions: 1}, Store: failing{shadow.NewMemory(), nil}},
			"Config.History is set and Config.Store is a shadow_test.failing, expected a Historian",
		},
	} {
		_, err := shadow.New(c.cfg)
		require.EqualError(t, err, "shadow: "+c.want)
	}
	_, err := shadow.New(shadow.Config{Store: failing{shadow.NewMemory(), nil}})
	require.NoError(t, err, "who keeps no history needs no historian")
}

func TestHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{History: shadow.Retention{Versions: 4}})
		start := time.Now()
		at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
		step := func(by string, request string) { // one a second, the first one at 0
			t.Helper()
			var err error
			if request == "delete" {
				_, err = svc.Delete(t.Context(), hall, shadow.Requester{Principal: by})
			} else {
				_, err = svc.Update(t.Context(), hall, []byte(`{"state":`+request+`}`), shadow.Requester{Principal: by})
			}
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		list := func() (out []string) {
			for r, err := range svc.History(t.Context(), hall) {
				require.NoError(t, err)
				out = append(out, fmt.Sprintf("%s %d %s at %v", r.Kind(), r.Version, r.By.Principal, r.Updated.Sub(start).Seconds()))
			}
			return out
		}
		version := func(v int64) string {
			r, err := svc.At(t.Context(), hall, v)
			if err != nil {
				return err.Error()
			}
			require.Equal(t, v, r.Version)
			return string(r.AppendState(nil))
		}
		moment := func(seconds float64) string {
			r, err := svc.AtTime(t.Context(), hall, at(seconds))
			if err != nil {
				return err.Error()
			}
			return string(r.AppendState(nil))
		}
		none := "shadow: 404 No shadow exists with name: 'hall'"

		require.Empty(t, list())
		require.Equal(t, none, version(1))
		require.Equal(t, none, moment(0))

		step("a", `{"desired":{"x":1}}`)
		step("b", `{"desired":{"x":2}}`)
		require.Equal(t, []string{"updated 1 a at 0", "updated 2 b at 1"}, list())
		require.Equal(t, `{"desired":{"x":1}}`, version(1))
		require.Equal(t, `{"desired":{"x":2}}`, version(2))
		require.Equal(t, none+": there is no version 3 of it, the newest is 2", version(3))
		require.Equal(t, none+": there is no version 0 of it, the newest is 2", version(0))
		require.Equal(t, none, moment(-0.1), "it was not made yet")
		require.Equal(t, `{"desired":{"x":1}}`, moment(0))
		require.Equal(t, `{"desired":{"x":1}}`, moment(0.9))
		require.Equal(t, `{"desired":{"x":2}}`, moment(1))
		require.Equal(t, `{"desired":{"x":2}}`, moment(3600))

		step("c", "delete")
		require.Equal(t, []string{"updated 1 a at 0", "updated 2 b at 1", "deleted 2 c at 2"}, list())
		require.Equal(t, `{"desired":{"x":2}}`, version(2))
		require.Equal(t, `{"desired":{"x":2}}`, moment(1.9))
		require.Equal(t, none, moment(2))

		step("d", `{"reported":{"y":1}}`)
		step("e", `{"reported":{"y":2}}`)
		require.Equal(t, []string{"updated 2 b at 1", "deleted 2 c at 2", "updated 3 d at 3", "updated 4 e at 4"}, list())
		require.Equal(t, "shadow: version 1 of hall is no longer kept, versions 2 to 4 are", version(1))
		require.Equal(t, `{"desired":{"x":2}}`, moment(1.5))
		require.Equal(t, none, moment(2.5))
		require.Equal(t, `{"reported":{"y":1}}`, moment(3.5))
		require.Equal(t, "shadow: what was current at "+at(0.5).Format(time.RFC3339Nano)+" of hall is no longer kept, versions 2 to 4 are", moment(0.5))

		_, err := svc.At(t.Context(), hall, 1)
		require.ErrorIs(t, err, shadow.ErrGone)
		var gone *shadow.GoneError
		require.ErrorAs(t, err, &gone)
		require.Equal(t, shadow.GoneError{Key: hall, Version: 1, Oldest: 2, Newest: 4}, *gone)
		_, err = svc.At(t.Context(), hall, 9)
		require.ErrorIs(t, err, shadow.ErrNotFound)
		require.NotErrorIs(t, err, shadow.ErrGone)

		step("f", "delete")
		require.Equal(t, none, moment(100))
		time.Sleep(49 * time.Hour) // the deletion is forgotten, and the history with it
		require.Empty(t, list())
		require.Equal(t, none, version(3))
		require.Equal(t, none, moment(3.5))
		must(t, svc, hall, `{"desired":{"new":1}}`)
		require.Len(t, list(), 1)
		require.Equal(t, `{"desired":{"new":1}}`, version(1))
	})
}

func TestHistoryByAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := service(t, shadow.Config{History: shadow.Retention{Age: time.Hour}})
		for range 300 {
			time.Sleep(10 * time.Minute)
			must(t, svc, hall, `{}`)
		}
		kept := func() (versions []int64) {
			for r, err := range svc.History(t.Context(), hall) {
				require.NoError(t, err)
				versions = append(versions, r.Version)
			}
			return versions
		}
		require.Equal(t, []int64{293, 294, 295, 296, 297, 298, 299, 300}, kept())
		// What was current at any time of the last hour is there.
		_, err := svc.AtTime(t.Context(), hall, time.Now().Add(-time.Hour))
		require.NoError(t, err)
		time.Sleep(24 * time.Hour)
		must(t, svc, hall, `{}`)
		require.Equal(t, []int64{300, 301}, kept())
		// Without a bound of their number there is one all the same.
		for range 300 {
			must(t, svc, hall, `{}`)
		}
		require.Len(t, kept(), 100)
	})
}

// Without history there is the current version.
func TestNoHistory(t *testing.T) {
	t.Parallel()
	svc := service(t, shadow.Config{})
	must(t, svc, hall, `{}`, `{"desired":{"a":1}}`)
	r, err := svc.At(t.Context(), hall, 2)
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, string(r.Desired))
	require.Equal(t, shadow.Requester{}, r.By)
	_, err = svc.AtTime(t.Context(), hall, time.Now())
	require.NoError(t, err)
	_, err = svc.At(t.Context(), hall, 1)
	require.EqualError(t, err, "shadow: version 1 of hall is no longer kept, only version 2 is")
	_, err = svc.AtTime(t.Context(), hall, time.Now().Add(-time.Hour))
	require.ErrorIs(t, err, shadow.ErrGone)
	must(t, svc, hall, "delete")
	_, err = svc.At(t.Context(), hall, 2)
	require.EqualError(t, err, "shadow: version 2 of hall is not kept, nor is any other version")
	_, err = svc.AtTime(t.Context(), hall, time.Now())
	require.ErrorIs(t, err, shadow.ErrGone)
	_, err = svc.At(t.Context(), hall, 3)
	require.ErrorIs(t, err, shadow.ErrNotFound)
}

// History that is switched on later begins with the version that is current.
func TestHistorySwitchedOn(t *testing.T) {
	t.Parallel()
	store := shadow.NewMemory()
	must(t, service(t, shadow.Config{Store: store}), hall, `{}`, `{"desired":{"a":1}}`)
	svc := service(t, shadow.Config{Store: store, History: shadow.Retention{Versions: 9}})
	r, err := svc.At(t.Context(), hall, 2)
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, string(r.Desired))
	must(t, svc, hall, `{"desired":{"a":2}}`)
	_, err = svc.At(t.Context(), hall, 2)
	require.EqualError(t, err, "shadow: version 2 of hall is no longer kept, only version 3 is")
}

func TestHistoryErrors(t *testing.T) {
	t.Parallel()
	down := errors.New("disk is full")
	svc := service(t, shadow.Config{Store: badHistorian{shadow.NewMemory(), down}, History: shadow.Retention{Versions: 9}})
	bad := shadow.Key{Thing: "a b"}
	for _, c := range []struct {
		k    shadow.Key
		want error
	}{{bad, shadow.ErrInvalid}, {hall, down}, {hall, shadow.ErrInternal}} {
		_, err := svc.At(t.Context(), c.k, 1)
		require.ErrorIs(t, err, c.want)
		_, err = svc.AtTime(t.Context(), c.k, time.Now())
		require.ErrorIs(t, err, c.want)
		n := 0
		for _, err := range svc.History(t.Context(), c.k) {
			require.ErrorIs(t, err, c.want)
			n++
		}
		require.Equal(t, 1, n)
	}
	f := shadow.Only(hall)
	f.After = &shadow.Position{}
	for _, err := range svc.Watch(t.Context(), f) {
		require.ErrorIs(t, err, down)
	}
	_, err := svc.Update(t.Context(), hall, []byte(`{"state":{}}`), host)
	require.ErrorIs(t, err, down)
}

// A badHistorian cannot keep anything.
type badHistorian struct {
	*shadow.Memory
	err error
}

func (b badHistorian) History(context.Context, shadow.Key, int64) iter.Seq2[shadow.Revision, error] {
	return func(yield func(shadow.Revision, error) bool) { yield(shadow.Revision{}, b.err) }
}

func (b badHistorian) SaveRevision(context.Context, shadow.Key, shadow.Revision, shadow.Retention) error {
	return b.err
}

// What a revision of a shadow of 1 KB takes in the memory store, beyond the text of its
// document. HandleUpdate with history tells what keeping one costs.
func BenchmarkHistoryMemory(b *testing.B) {
	const things, versions = 500, 20
	for b.Loop() {
		svc, err := shadow.New(shadow.Config{Rate: -1, History: shadow.Retention{Versions: versions}})
		require.NoError(b, err)
		before, size := heap(), 0
		for i := range things {
			k := shadow.Key{Thing: "thing-" + strconv.Itoa(i)}
			size = fillShadow(b, svc, k, 1, func() {})
			for range versions {
				_, err := svc.Update(b.Context(), k, []byte(`{"state":{"reported":{"value-00-00":1}}}`), shadow.Requester{})
				require.NoError(b, err)
			}
		}
		b.ReportMetric(float64(heap()-before)/things/versions-float64(size), "B-over/revision")
		runtime.KeepAlive(svc)
	}
}

func BenchmarkHandleUpdateHistory(b *testing.B) {
	for _, versions := range []int{0, 10, 1000} {
		b.Run(strconv.Itoa(versions), func(b *testing.B) {
			svc, err := shadow.New(shadow.Config{Rate: -1, History: shadow.Retention{Versions: versions}})
			require.NoError(b, err)
			ctx, by := context.Background(), shadow.Requester{Source: shadow.FromMQTT, ClientID: "c"}
			topic, request := "$aws/things/thing-1/shadow/update", []byte(reported300)
			for range 2*versions + 1 {
				_, err := svc.Handle(ctx, topic, request, by)
				require.NoError(b, err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := svc.Handle(ctx, topic, request, by); err != nil {
					b.Fatal(err)
				}
			}
			updatesPerSecond(b)
		})
	}
}

func ExampleService_At() {
	svc, err := shadow.New(shadow.Config{History: shadow.Retention{Versions: 2}})
	if err != nil {
		panic(err)
	}
	ctx, lamp := context.Background(), shadow.Key{Thing: "lamp"}
	for _, color := range []string{"red", "green", "blue"} {
		if _, err := svc.Update(ctx, lamp, []byte(`{"state":{"desired":{"color":"`+color+`"}}}`), shadow.Requester{Principal: "app"}); err != nil {
			panic(err)
		}
	}
	before, err := svc.At(ctx, lamp, 2)
	fmt.Println(string(before.Desired), before.By.Principal, err)
	now, err := svc.Get(ctx, lamp, shadow.Requester{})
	if err != nil {
		panic(err)
	}
	d, err := shadow.Diff(before.Document, now.Document)
	fmt.Println(string(d.AppendJSON(nil)), err)
	_, err = svc.At(ctx, lamp, 1)
	fmt.Println(errors.Is(err, shadow.ErrGone), err)
	// Output:
	// {"color":"green"} app <nil>
	// {"desired":{"color":"blue"}} <nil>
	// true shadow: version 1 of lamp is no longer kept, versions 2 to 3 are
}
