package shadow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

var host = shadow.Requester{}

func update(t *testing.T, svc *shadow.Service, k shadow.Key, request string) (shadow.Accepted, error) {
	t.Helper()
	return svc.Update(t.Context(), k, []byte(request), host)
}

func TestVersionsGoOnAfterADelete(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		memory  time.Duration
		after   time.Duration
		version int64
	}{
		{"at once", 0, 0, 3},
		{"within 48 h", 0, 48 * time.Hour, 3},
		{"after 48 h", 0, 48*time.Hour + time.Second, 1},
		{"configured", time.Minute, 61 * time.Second, 1},
		{"for ever", -1, 50 * 365 * 24 * time.Hour, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, shadow.Config{DeleteMemory: c.memory})
				k := shadow.Key{Thing: "t"}
				for range 2 {
					_, err := update(t, r.svc, k, setOne)
					require.NoError(t, err)
				}
				d, err := r.svc.Delete(t.Context(), k, host)
				require.NoError(t, err)
				require.EqualValues(t, 2, d.Version)
				require.Equal(t, fmt.Sprintf(`{"version":2,"timestamp":%d}`, time.Now().Unix()), string(d.AppendJSON(nil)))
				time.Sleep(c.after)
				got := r.send(t, topic+"update", `{"state":{"reported":{"n":1}}}`)
				require.Equal(t, topic+"update/documents", got[1].topic)
				require.Contains(t, got[1].payload, `{"previous":null,"current":{"state":{"reported":{"n":1}},`)
				v, err := r.svc.Get(t.Context(), k, host)
				require.NoError(t, err)
				require.Equal(t, c.version, v.Version)
			})
		})
	}
}

func TestExpectedVersions(t *testing.T) {
	t.Parallel()
	svc, err := shadow.New(shadow.Config{})
	require.NoError(t, err)
	k := shadow.Key{Thing: "t"}
	try := func(version int64) error {
		_, err := update(t, svc, k, fmt.Sprintf(`{"state":{"desired":{"a":1}},"version":%d}`, version))
		return err
	}
	require.ErrorIs(t, try(1), shadow.ErrVersion, "there is none")
	require.NoError(t, try(0), "0 expects none")
	require.ErrorIs(t, try(0), shadow.ErrVersion)
	require.NoError(t, try(1))
	require.ErrorIs(t, try(1), shadow.ErrVersion)
	require.ErrorIs(t, try(math.MaxInt64), shadow.ErrVersion)
	_, err = svc.Delete(t.Context(), k, host)
	require.NoError(t, err)
	require.ErrorIs(t, try(1), shadow.ErrVersion)
	require.ErrorIs(t, try(3), shadow.ErrVersion)
	require.NoError(t, try(2), "the remembered one")
	require.NoError(t, try(3))
	_, err = svc.Delete(t.Context(), k, host)
	require.NoError(t, err)
	require.NoError(t, try(0))
	v, err := svc.Get(t.Context(), k, host)
	require.NoError(t, err)
	require.EqualValues(t, 5, v.Version)
}

func TestTimesOfValues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, err := shadow.New(shadow.Config{})
		require.NoError(t, err)
		k, start := shadow.Key{Thing: "t"}, time.Now().Unix()
		for _, request := range []string{
			`{"state":{"desired":{"a":1,"o":{"x":1,"y":[1,{"z":2}]},"e":{}}}}`,
			`{"state":{"desired":{"a":1,"o":{"n":1}},"reported":{"r":true}}}`,
			`{"state":{"desired":{"o":{"x":null,"y":[]},"b":2}}}`,
		} {
			_, err := update(t, svc, k, request)
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		v, err := svc.Get(t.Context(), k, host)
		require.NoError(t, err)
		at := func(n int64) string { return fmt.Sprintf(`{"timestamp":%d}`, start+n) }
		require.JSONEq(t, `{"desired":{"a":`+at(1)+`,"o":{"n":`+at(1)+`,"y":[]},"e":{},"b":`+at(2)+`},"reported":{"r":`+at(1)+`}}`, string(v.AppendMetadata(nil)))
		var all []int64
		for s := range v.Meta(shadow.Desired).Times() {
			all = append(all, s-start)
		}
		require.Equal(t, []int64{1, 1, 2}, all)
		for range v.ReportedMeta.Times() {
			break
		}
		for range (shadow.Document{}).Meta(shadow.Reported).Times() {
			require.Fail(t, "no side has no times")
		}
	})
}

func TestList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, err := shadow.New(shadow.Config{})
		require.NoError(t, err)
		var want []string
		for i := range 60 {
			name := fmt.Sprintf("s%02d", i)
			want = append(want, name)
			_, err := update(t, svc, shadow.Key{Thing: "t", Name: name}, setOne)
			require.NoError(t, err)
		}
		_, err = update(t, svc, shadow.Key{Thing: "t"}, setOne)
		require.NoError(t, err)
		for size, pages := range map[int]int{0: 3, 1: 60, 25: 3, 59: 2, 60: 1, 100: 1} {
			var got []string
			token, n := "", 0
			for {
				p, err := svc.List(t.Context(), "t", size, token, host)
				require.NoError(t, err)
				got = append(got, p.Names...)
				n++
				var body struct {
					Results   []string
					NextToken *string
					Timestamp int64
				}
				require.NoError(t, json.Unmarshal(p.AppendJSON(nil), &body))
				require.Equal(t, p.Names, body.Results)
				require.Equal(t, time.Now().Unix(), body.Timestamp)
				require.Equal(t, p.NextToken == "", body.NextToken == nil)
				if token = p.NextToken; token == "" {
					break
				}
			}
			require.Equal(t, want, got)
			require.Equal(t, pages, n, "pages of %d", size)
		}
		p, err := svc.List(t.Context(), "nobody", 0, "", host)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf(`{"results":[],"timestamp":%d}`, time.Now().Unix()), string(p.AppendJSON(nil)))
		for _, bad := range []struct {
			thing, token string
			size         int
		}{{"", "", 0}, {"a/b", "", 0}, {"t", "", -1}, {"t", "", 101}, {"t", "!", 0}, {"t", "AAAA", 0}} {
			_, err := svc.List(t.Context(), bad.thing, bad.size, bad.token, host)
			require.ErrorIs(t, err, shadow.ErrInvalid, bad)
		}
		var all []string
		for name, err := range svc.Names(t.Context(), "t") {
			require.NoError(t, err)
			all = append(all, name)
		}
		require.Equal(t, want, all)
	})
}

type failingNames struct{ *shadow.Memory }

func (failingNames) Names(context.Context, string, string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if yield("a", nil) {
			yield("", errors.New("gone"))
		}
	}
}

func TestListFails(t *testing.T) {
	t.Parallel()
	svc, err := shadow.New(shadow.Config{Store: failingNames{shadow.NewMemory()}})
	require.NoError(t, err)
	_, err = svc.List(t.Context(), "t", 0, "", host)
	require.ErrorIs(t, err, shadow.ErrInternal)
	require.ErrorContains(t, err, "shadow: list t: gone")
}

func TestViews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc, err := shadow.New(shadow.Config{})
		require.NoError(t, err)
		k, now := shadow.Key{Thing: "t"}, time.Now().Unix()
		_, err = update(t, svc, k, `{"state":null}`)
		require.NoError(t, err)
		v, err := svc.Get(t.Context(), k, host)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf(`{"state":{},"metadata":{},"version":1,"timestamp":%d}`, now), string(v.AppendJSON(nil)))
		require.Nil(t, v.Delta)
		_, err = update(t, svc, k, `{"state":{"desired":{"a":{"b":1,"c":2}},"reported":{"a":{"c":2.0,"d":3}}}}`)
		require.NoError(t, err)
		v, err = svc.Get(t.Context(), k, host)
		require.NoError(t, err)
		require.Equal(t, `{"a":{"b":1}}`, string(v.Delta))
		require.Equal(t, strings.ReplaceAll(`{"state":{"desired":{"a":{"b":1,"c":2}},"reported":{"a":{"c":2.0,"d":3}},"delta":{"a":{"b":1}}},`+
			`"metadata":{"desired":{"a":{"b":{"timestamp":T},"c":{"timestamp":T}}},"reported":{"a":{"c":{"timestamp":T},"d":{"timestamp":T}}}},"version":2,"timestamp":T}`,
			"T", fmt.Sprint(now)), string(v.AppendJSON(nil)))
	})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, shadow.Config{})
		update := func(thing string) bool {
			got := r.send(t, "$aws/things/"+thing+"/shadow/update", `{"state":{},"clientToken":"x"}`)
			if len(got) == 1 {
				require.Equal(t, message{"$aws/things/" + thing + "/shadow/update/rejected", `{"code":429,"message":"Too many requests","clientToken":"x"}`}, got[0])
				return false
			}
			return true
		}
		for range 200 {
			require.True(t, update("t"))
		}
		require.False(t, update("t"))
		require.Equal(t, `{"code":429,"message":"Too many requests"}`, r.send(t, "$aws/things/t/shadow/name/s/get", "")[0].payload, "named shadows count")
		_, err := r.svc.Get(t.Context(), shadow.Key{Thing: "t"}, shadow.Requester{Source: shadow.FromHTTP})
		require.ErrorIs(t, err, shadow.ErrThrottled)
		_, err = r.svc.Update(t.Context(), shadow.Key{Thing: "t"}, []byte(setOne), shadow.Requester{Source: shadow.FromRule})
		require.ErrorIs(t, err, shadow.ErrThrottled)
		_, err = r.svc.Delete(t.Context(), shadow.Key{Thing: "t"}, device)
		require.ErrorIs(t, err, shadow.ErrThrottled)
		_, err = r.svc.List(t.Context(), "t", 0, "", device)
		require.ErrorIs(t, err, shadow.ErrThrottled)
		_, err = r.svc.Update(t.Context(), shadow.Key{Thing: "t"}, []byte(setOne), host)
		require.NoError(t, err, "the host has no limit")
		require.True(t, update("other"))
		time.Sleep(500 * time.Millisecond)
		for range 10 {
			require.True(t, update("t"))
		}
		require.False(t, update("t"))
		time.Sleep(time.Hour)
		for range 200 {
			require.True(t, update("t"))
		}
		require.False(t, update("t"))
	})
}

func TestRateLimitForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, shadow.Config{})
		for i := range 20_000 {
			if i%1000 == 0 {
				time.Sleep(time.Second)
			}
			r.send(t, fmt.Sprintf("$aws/things/t%d/shadow/get", i), "")
		}
		require.Less(t, r.svc.Debts(), 8_000)
		require.Zero(t, r.svc.Flights())
	})
}

func TestNoLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, shadow.Config{Rate: -1, Burst: -1, MaxBytes: -1, MaxDepth: -1, MaxTokenBytes: -1, MaxRequestBytes: -1, MaxInFlight: -1})
	long := strings.Repeat("x", 1<<20)
	nested := strings.Repeat(`{"a":`, 1000) + `"` + long + `"` + strings.Repeat("}", 1000)
	a, err := update(t, r.svc, shadow.Key{Thing: "t"}, `{"state":{"desired":`+nested+`},"clientToken":"`+long+`"}`)
	require.NoError(t, err)
	require.Equal(t, nested, string(a.Current.Desired))
	_, err = update(t, r.svc, shadow.Key{Thing: "t"}, `{"state":{"reported":{"a":`+nested+`}}}`)
	require.ErrorContains(t, err, "maximum is 1000")
	for range 1000 {
		require.Len(t, r.send(t, "$aws/things/u/shadow/update", `{"state":{}}`), 2)
	}
	require.Zero(t, r.svc.Debts())
}

// A client that does not wait for answers.
func TestInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		svc, err := shadow.New(shadow.Config{MaxInFlight: 3, Publisher: shadow.PublisherFunc(func(_ context.Context, topic string, _ []byte) error {
			if strings.HasSuffix(topic, "get/rejected") {
				<-release
			}
			return nil
		}), Require: func(context.Context, string) error { <-release; return nil }})
		require.NoError(t, err)
		results := make(chan error, 10)
		for i := range 4 {
			go func() {
				_, err := svc.Update(t.Context(), shadow.Key{Thing: fmt.Sprint("t", i)}, []byte(setOne), device)
				results <- err
			}()
		}
		synctest.Wait()
		require.Len(t, results, 1)
		require.ErrorIs(t, <-results, shadow.ErrThrottled)
		_, err = svc.Get(t.Context(), shadow.Key{Thing: "t"}, shadow.Requester{Source: shadow.FromMQTT, ClientID: "another"})
		require.ErrorIs(t, err, shadow.ErrNotFound, "others are not concerned")
		close(release)
		for range 3 {
			require.NoError(t, <-results)
		}
		_, err = svc.Update(t.Context(), shadow.Key{Thing: "t"}, []byte(setOne), device)
		require.NoError(t, err)
		require.Zero(t, svc.Flights())
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]shadow.Config{
		"shadow: Config.MaxDepth is 1001, expected at most 1000":                  {MaxDepth: 1001},
		"shadow: Config.Rate is not a number":                                     {Rate: math.NaN()},
		"shadow: Config.Hooks[1] is a int, expected one of the Hook interfaces":   {Hooks: []shadow.Hook{onChanged(nil), 5}},
		"shadow: Config.Hooks[0] is a <nil>, expected one of the Hook interfaces": {Hooks: []shadow.Hook{nil}},
		"shadow: Config.Validators[0] is nil":                                     {Validators: []shadow.Validator{nil}},
	} {
		_, err := shadow.New(cfg)
		require.EqualError(t, err, want)
	}
	svc, err := shadow.New(shadow.Config{})
	require.NoError(t, err)
	require.True(t, svc.Immediate())
	svc, err = shadow.New(shadow.Config{Store: struct{ shadow.Store }{shadow.NewMemory()}})
	require.NoError(t, err)
	require.False(t, svc.Immediate())
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for code, sentinel := range map[int]error{
		400: shadow.ErrInvalid, 403: shadow.ErrForbidden, 404: shadow.ErrNotFound, 409: shadow.ErrVersion, 413: shadow.ErrTooLarge,
		415: shadow.ErrEncoding, 429: shadow.ErrThrottled, 500: shadow.ErrInternal,
	} {
		err := fmt.Errorf("wrapped: %w", shadow.Refuse(code, "text"))
		require.ErrorIs(t, err, sentinel)
		require.Equal(t, code, shadow.CodeOf(err))
		require.Equal(t, code, shadow.CodeOf(fmt.Errorf("wrapped: %w", sentinel)))
		require.NotErrorIs(t, err, errors.New("another"))
	}
	require.Zero(t, shadow.CodeOf(nil))
	require.Equal(t, 500, shadow.CodeOf(errors.New("what")))
	require.Equal(t, "shadow: 418 text", shadow.Refuse(418, "text").Error())
	require.False(t, errors.Is(shadow.Refuse(418, "text"), shadow.ErrInvalid))
}

func TestMemoryForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := shadow.NewMemory()
		for i := range 20_000 {
			k := shadow.Key{Thing: fmt.Sprint("t", i), Name: "n"}
			require.NoError(t, m.Save(t.Context(), k, shadow.Document{Version: 1}))
			require.NoError(t, m.Delete(t.Context(), k, 1, time.Now().Add(time.Minute)))
			if i%100 == 0 {
				time.Sleep(time.Second)
			}
		}
		require.Less(t, m.Remembered(), 15_000)
		time.Sleep(time.Hour)
		_, err := m.Load(t.Context(), shadow.Key{Thing: "t19999", Name: "n"})
		require.ErrorIs(t, err, shadow.ErrNotFound)
	})
}

func TestListsStopWithTheirContext(t *testing.T) {
	t.Parallel()
	m := shadow.NewMemory()
	require.NoError(t, m.Save(t.Context(), shadow.Key{Thing: "t", Name: "n"}, shadow.Document{Version: 1}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range m.Names(ctx, "t", "") {
		require.ErrorIs(t, err, context.Canceled)
	}
	for _, err := range m.All(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
}
