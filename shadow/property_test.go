package shadow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

// A maker makes requests of a few keys and values, so that they meet, in many
// spellings.
type maker struct{ *rand.Rand }

func (m maker) pick(of ...string) string { return of[m.IntN(len(of))] }

// key returns one of n keys between quotes, perhaps with escapes.
func (m maker) key(n int) string {
	switch i := m.IntN(n); i {
	case 0:
		return m.pick(`"a"`, `"\u0061"`)
	case 1:
		return m.pick(`"a.b"`, `"a\u002eb"`)
	case 2:
		return m.pick(`"/\\|*#@"`, `"\/\\|*#@"`, `"\u002f\u005c|*#@"`)
	case 3:
		return m.pick(`"é\n"`, `"\u00e9\u000a"`, `"\u00E9\u000A"`)
	default:
		return strconv.Quote("k" + strconv.Itoa(i))
	}
}

func (m maker) space() string { return m.pick("", "", "", "", "", " ", "\n", "\t ", "\r\n") }

func (m maker) value(depth int, nulls bool) string {
	switch n := m.IntN(14); {
	case n < 3 && depth > 0:
		return m.object(depth, nulls, 1+m.IntN(6))
	case n == 3 && depth > 0:
		var b strings.Builder
		for i := range m.IntN(4) {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(m.space() + m.value(depth-1, false) + m.space())
		}
		return "[" + b.String() + "]"
	case n == 4 && nulls, n == 5 && nulls:
		return "null"
	case n < 8:
		return m.pick("1", "1.0", "1e0", "10E-1", "0", "-0", "2.50", "25e-1", "9007199254740993", "9007199254740992", "1e400", "-7")
	case n < 11:
		return m.pick(`""`, `"x"`, `"\u0078"`, `"<&>"`, `"\ud83d\ude00"`, `"😀"`, `"\u0000\t"`)
	default:
		return m.pick("true", "false", "{}", "[]")
	}
}

// object returns an object of up to most members.
func (m maker) object(depth int, nulls bool, most int) string {
	var b strings.Builder
	seen := map[string]bool{}
	b.WriteString("{" + m.space())
	for range most {
		key := m.key(max(6, most))
		var name string
		if err := json.Unmarshal([]byte(key), &name); err != nil {
			panic(err)
		}
		if seen[name] {
			continue
		}
		if len(seen) > 0 {
			b.WriteString("," + m.space())
		}
		seen[name] = true
		b.WriteString(key + m.space() + ":" + m.space() + m.value(depth-1, nulls))
	}
	return b.String() + m.space() + "}"
}

func (m maker) request() string {
	side := func() string {
		switch m.IntN(8) {
		case 0:
			return "null"
		case 1:
			return m.object(3, true, 60) // many keys: hash tables
		default:
			return m.object(4, true, 1+m.IntN(8))
		}
	}
	token := ""
	if m.IntN(3) == 0 {
		token = `,"clientToken":"t\u002d<é>"`
	}
	switch m.IntN(12) {
	case 0:
		return `{"state":null` + token + `}`
	case 1:
		return `{"state":{}` + token + `}`
	case 2:
		return `{"state":{"delta":[null],"reported":` + side() + `,"desired":` + side() + `}}`
	case 3, 4, 5:
		return `{"x":[null],"state":{"desired":` + side() + `}` + token + `}`
	case 6, 7, 8:
		return `{"state":{"reported":` + side() + `}` + token + `}`
	default:
		return `{"state":{"desired":` + side() + `,"reported":` + side() + `}` + token + `}`
	}
}

// again returns a request that has all that a shadow has, with other values of some
// kind: as from a device that reports everything every time.
func (m maker) again(d shadow.Document) string {
	change := [][]string{
		{},
		{":1,", ":12345,", ":1}", ":-9.5}"},
		{`:"x"`, `:""`, `:""`, `:"longer than before"`},
		{":true", ":false"},
		{":2.50", ":[2.50]"},
		{":[]", ":[1]"},
		{":{}", ":[]"},
		{":false", ":{}"},
		{`"k4":`, `"k5":`, `"k5":`, `"k4":`},
	}[m.IntN(9)]
	return `{"state":` + strings.NewReplacer(change...).Replace(string(d.AppendState(nil))) + `}`
}

// Long lives of shadows, step by step against the model.
func TestUpdatesAgreeWithModel(t *testing.T) {
	t.Parallel()
	svc, err := shadow.New(shadow.Config{})
	require.NoError(t, err)
	for seed := range uint64(10) {
		make := maker{rand.New(rand.NewPCG(seed, 7))}
		var d shadow.Document
		m := modelDoc{state: object{}, meta: object{}}
		for now := range int64(60) {
			payload := make.request()
			if now%3 == 2 {
				payload = make.again(d)
			}
			req, code := modelRequest([]byte(payload), 8)
			require.Zero(t, code, payload)
			got, err := svc.Apply(d, []byte(payload), now)
			require.NoError(t, err, payload)
			next := modelUpdate(m, req, now)
			requireApplied(t, m, next, req, got, now)
			requireReadable(t, svc, got)
			d, m = got.Document, next
		}
	}
}

// A book keeps what a service publishes and observes.
type book struct {
	mu      sync.Mutex
	topics  map[string][]int64 // the versions published on each topic, in order
	changes map[shadow.Key][]*shadow.Change
}

func newBook() *book {
	return &book{topics: map[string][]int64{}, changes: map[shadow.Key][]*shadow.Change{}}
}

func (b *book) Publish(_ context.Context, topic string, payload []byte) error {
	var m struct {
		Version int64
		Current struct{ Version int64 }
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics[topic] = append(b.topics[topic], max(m.Version, m.Current.Version))
	return nil
}

func (b *book) Changed(_ context.Context, c *shadow.Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes[c.Key] = append(b.changes[c.Key], c)
}

// Two services that share a store, 64 writers, one shadow.
func TestVersionsAreGaplessAndLinear(t *testing.T) {
	t.Parallel()
	const writers, each = 64, 50
	for _, services := range []int{1, 2} {
		t.Run(fmt.Sprint(services, " services"), func(t *testing.T) {
			t.Parallel()
			store := shadow.NewMemory()
			k := shadow.Key{Thing: "pump-1"}
			var books []*book
			var svcs []*shadow.Service
			for range services {
				b := newBook()
				svc, err := shadow.New(shadow.Config{Store: store, Publisher: b, Hooks: []shadow.Hook{b}})
				require.NoError(t, err)
				books, svcs = append(books, b), append(svcs, svc)
			}
			versions := make([][]int64, writers)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					svc := svcs[w%services]
					for i := range each {
						request := fmt.Appendf(nil, `{"state":{"desired":{"w%d":%d},"reported":{"n":%d}}}`, w, i, i)
						a, err := svc.Update(t.Context(), k, request, shadow.Requester{})
						if err != nil {
							t.Error(err)
							return
						}
						versions[w] = append(versions[w], a.Version)
					}
				})
			}
			wg.Wait()
			seen := map[int64]bool{}
			for w := range versions {
				require.IsIncreasing(t, versions[w])
				for _, v := range versions[w] {
					require.False(t, seen[v], "version %d was given twice", v)
					seen[v] = true
				}
			}
			for v := range int64(writers * each) {
				require.True(t, seen[v+1], "version %d is missing", v+1)
			}
			// Nothing was lost: the document has everybody's last word.
			view, err := svcs[0].Get(t.Context(), k, shadow.Requester{})
			require.NoError(t, err)
			require.EqualValues(t, writers*each, view.Version)
			var desired map[string]int
			require.NoError(t, json.Unmarshal(view.Desired, &desired))
			require.Len(t, desired, writers)
			for w, last := range desired {
				require.Equal(t, each-1, last, w)
			}
			for _, b := range books {
				for topic, published := range b.topics {
					require.IsIncreasing(t, published, topic)
				}
				require.Len(t, b.topics["$aws/things/pump-1/shadow/update/accepted"], writers*each/services)
				require.Len(t, b.topics["$aws/things/pump-1/shadow/update/documents"], writers*each/services)
				for i, c := range b.changes[k] {
					require.Equal(t, c.Previous.Version+1, c.Current.Version)
					if services == 1 {
						require.EqualValues(t, i+1, c.Current.Version)
					}
				}
			}
		})
	}
}

func TestManyShadowsAtOnce(t *testing.T) {
	t.Parallel()
	const things, rounds, workers = 100_000, 2, 8
	svc, err := shadow.New(shadow.Config{})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for r := range rounds {
				for i := range things {
					// All workers work on all things, each from another end.
					n := (i*7919 + w*things/workers) % things
					if n%workers != (w+r)%workers {
						continue
					}
					k := shadow.Key{Thing: "thing-" + strconv.Itoa(n)}
					if n%5 == 0 {
						k.Name = "config"
					}
					if _, err := svc.Update(t.Context(), k, []byte(`{"state":{"reported":{"n":`+strconv.Itoa(n)+`}}}`), shadow.Requester{}); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	count := 0
	for k, err := range svc.All(t.Context()) {
		require.NoError(t, err)
		count++
		if count%997 != 0 {
			continue
		}
		v, err := svc.Get(t.Context(), k, shadow.Requester{})
		require.NoError(t, err)
		require.EqualValues(t, rounds, v.Version, k)
		require.Equal(t, `{"n":`+strings.TrimPrefix(k.Thing, "thing-")+`}`, string(v.Reported))
	}
	require.Equal(t, things, count)
}
