package shadowtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

// testHistorian checks a [shadow.Historian] against its contract, beyond that of a
// store.
func testHistorian(t *testing.T, open func(t *testing.T) shadow.Historian) {
	pump, other := shadow.Key{Thing: "pump-1"}, shadow.Key{Thing: "pump-1", Name: "other"}
	all := shadow.Retention{Versions: -1}
	t.Run("without history", func(t *testing.T) {
		s := open(t)
		require.Empty(t, history(t, s, pump, 0))
		require.NoError(t, s.Save(t.Context(), pump, document(1)))
		require.NoError(t, s.SaveRevision(t.Context(), other, revision(1), all))
		require.Empty(t, history(t, s, pump, 0), "the history of another shadow")
	})
	t.Run("SaveRevision saves", func(t *testing.T) {
		s := open(t)
		for _, v := range []int64{-1, 0, 2} {
			require.ErrorIs(t, s.SaveRevision(t.Context(), pump, revision(v), all), shadow.ErrVersion)
		}
		require.Empty(t, history(t, s, pump, 0))
		for v := int64(1); v <= 3; v++ {
			require.NoError(t, s.SaveRevision(t.Context(), pump, revision(v), all))
			requireDocument(t, s, pump, document(v))
		}
		require.ErrorIs(t, s.SaveRevision(t.Context(), pump, revision(3), all), shadow.ErrVersion)
		require.ErrorIs(t, s.SaveRevision(t.Context(), pump, revision(5), all), shadow.ErrVersion)
		requireHistory(t, s, pump, 0, revision(1), revision(2), revision(3))
	})
	t.Run("keeps every part of a revision", func(t *testing.T) {
		s := open(t)
		r := revision(1)
		r.Desired, r.DesiredMeta = []byte(`{"a":"é\u0000\\"}`), shadow.Meta{0, 255, 1}
		r.By = shadow.Requester{Source: shadow.FromRule, ClientID: "é\x00", Principal: "p"}
		bare := shadow.Revision{Document: shadow.Document{Version: 2, Updated: updated}}
		require.NoError(t, s.SaveRevision(t.Context(), pump, r, all))
		require.NoError(t, s.SaveRevision(t.Context(), pump, bare, all))
		requireHistory(t, s, pump, 0, r, bare)
	})
	t.Run("from a version on", func(t *testing.T) {
		s := open(t)
		fill(t, s, pump, 5, all)
		for from := int64(-1); from <= 7; from++ {
			var want []shadow.Revision
			for v := max(1, from); v <= 5; v++ {
				want = append(want, revision(v))
			}
			requireHistory(t, s, pump, from, want...)
		}
		for r, err := range s.History(t.Context(), pump, 2) {
			require.NoError(t, err)
			require.EqualValues(t, 2, r.Version)
			break
		}
	})
	t.Run("forgets what is too many", func(t *testing.T) {
		for _, n := range []int{1, 2, 3, 7, 20} {
			s := open(t)
			for v := int64(1); v <= 20; v++ {
				require.NoError(t, s.SaveRevision(t.Context(), pump, revision(v), shadow.Retention{Versions: n}))
				var want []shadow.Revision
				for kept := max(1, v-int64(n)+1); kept <= v; kept++ {
					want = append(want, revision(kept))
				}
				requireHistory(t, s, pump, 0, want...)
			}
		}
	})
	t.Run("forgets what is too old", func(t *testing.T) {
		s := open(t) // each revision is a second older than the next
		keep := shadow.Retention{Versions: -1, Age: 3 * time.Second}
		fill(t, s, pump, 10, keep)
		requireHistory(t, s, pump, 0, revision(6), revision(7), revision(8), revision(9), revision(10))
		late := revision(11)
		late.Updated = late.Updated.Add(time.Hour)
		require.NoError(t, s.SaveRevision(t.Context(), pump, late, keep))
		requireHistory(t, s, pump, 0, revision(10), late)
		require.NoError(t, s.SaveRevision(t.Context(), pump, revision(12), shadow.Retention{Versions: 1, Age: time.Hour}))
		requireHistory(t, s, pump, 0, revision(12))
	})
	t.Run("a bound that changes", func(t *testing.T) {
		s := open(t)
		fill(t, s, pump, 9, all)
		require.NoError(t, s.SaveRevision(t.Context(), pump, revision(10), shadow.Retention{Versions: 2}))
		requireHistory(t, s, pump, 0, revision(9), revision(10))
		require.NoError(t, s.SaveRevision(t.Context(), pump, revision(11), shadow.Retention{Versions: 5}))
		requireHistory(t, s, pump, 0, revision(9), revision(10), revision(11))
	})
	t.Run("a deletion is a revision", func(t *testing.T) {
		s := open(t)
		gone := deletion(2)
		require.ErrorIs(t, s.DeleteRevision(t.Context(), pump, gone, all), shadow.ErrNotFound)
		fill(t, s, pump, 2, all)
		require.ErrorIs(t, s.DeleteRevision(t.Context(), pump, deletion(1), all), shadow.ErrVersion)
		require.ErrorIs(t, s.DeleteRevision(t.Context(), pump, deletion(3), all), shadow.ErrVersion)
		requireHistory(t, s, pump, 0, revision(1), revision(2))
		require.NoError(t, s.DeleteRevision(t.Context(), pump, gone, all))
		d, err := s.Load(t.Context(), pump)
		require.NoError(t, err)
		require.False(t, d.Live())
		require.EqualValues(t, 2, d.Version)
		requireHistory(t, s, pump, 0, revision(1), revision(2), gone)
		requireHistory(t, s, pump, 2, revision(2), gone)
		require.NoError(t, s.SaveRevision(t.Context(), pump, revision(3), all))
		requireHistory(t, s, pump, 0, revision(1), revision(2), gone, revision(3))
		require.NoError(t, s.SaveRevision(t.Context(), pump, revision(4), shadow.Retention{Versions: 3}))
		requireHistory(t, s, pump, 0, gone, revision(3), revision(4))
	})
	t.Run("forgets the past with the version", func(t *testing.T) {
		s := open(t)
		fill(t, s, pump, 2, all)
		fill(t, s, other, 2, all)
		past := deletion(2)
		past.DeletedUntil = time.Now().Add(-time.Hour)
		require.NoError(t, s.DeleteRevision(t.Context(), pump, past, all))
		require.Empty(t, history(t, s, pump, 0))
		require.NoError(t, s.SaveRevision(t.Context(), pump, revision(1), all))
		requireHistory(t, s, pump, 0, revision(1))
		requireHistory(t, s, other, 0, revision(1), revision(2))
	})
	t.Run("what was yielded stays as it was", func(t *testing.T) {
		s := open(t)
		fill(t, s, pump, 3, shadow.Retention{Versions: 3})
		before := history(t, s, pump, 0)
		fill(t, s, pump, 9, shadow.Retention{Versions: 3})
		require.Equal(t, []string{`{"v":1}`, `{"v":2}`, `{"v":3}`}, []string{
			string(before[0].Desired), string(before[1].Desired), string(before[2].Desired),
		})
	})
	t.Run("a context that has ended", func(t *testing.T) {
		s := open(t)
		fill(t, s, pump, 3, all)
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		for _, err := range s.History(ctx, pump, 0) {
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
				break
			}
			cancel()
			n++
		}
		cancel()
		require.LessOrEqual(t, n, 3)
	})
	t.Run("many writers leave no gap", func(t *testing.T) {
		s := open(t)
		const writers, each = 8, 25
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for range each {
					if err := next(t.Context(), s, pump, fmt.Sprint(w)); err != nil {
						t.Error(err)
						return
					}
					last := int64(0)
					for r, err := range s.History(t.Context(), pump, 0) {
						if err != nil || last > 0 && r.Version != last+1 {
							t.Errorf("version %d after %d: %v", r.Version, last, err)
						}
						last = r.Version
					}
				}
			})
		}
		wg.Wait()
		got := history(t, s, pump, 0)
		require.Len(t, got, writers*each)
		for i, r := range got {
			require.EqualValues(t, i+1, r.Version)
			require.Equal(t, `{"w":"`+r.By.ClientID+`"}`, string(r.Reported))
		}
	})
}

// next saves the next revision, however often somebody else is faster.
func next(ctx context.Context, s shadow.Historian, k shadow.Key, who string) error {
	for {
		d, err := s.Load(ctx, k)
		if err != nil && !errors.Is(err, shadow.ErrNotFound) {
			return err
		}
		r := shadow.Revision{
			Document: shadow.Document{Version: d.Version + 1, Reported: []byte(`{"w":"` + who + `"}`), Updated: updated},
			By:       shadow.Requester{ClientID: who},
		}
		if err := s.SaveRevision(ctx, k, r, shadow.Retention{Versions: -1}); !errors.Is(err, shadow.ErrVersion) {
			return err
		}
	}
}

// fill saves the revisions up to a version that are missing.
func fill(t *testing.T, s shadow.Historian, k shadow.Key, to int64, keep shadow.Retention) {
	t.Helper()
	from := int64(1)
	if d, err := s.Load(t.Context(), k); err == nil {
		from = d.Version + 1
	}
	for v := from; v <= to; v++ {
		require.NoError(t, s.SaveRevision(t.Context(), k, revision(v), keep))
	}
}

func revision(version int64) shadow.Revision {
	return shadow.Revision{
		Document: document(version),
		By:       shadow.Requester{Source: shadow.FromMQTT, ClientID: fmt.Sprint("c", version), Principal: "p"},
	}
}

func deletion(version int64) shadow.Revision {
	return shadow.Revision{
		Document: shadow.Document{
			Version: version, Updated: updated.Add(time.Duration(version) * time.Second), DeletedUntil: soon(),
		},
		By: shadow.Requester{Source: shadow.FromHTTP, Principal: "q"},
	}
}

func history(t *testing.T, s shadow.Historian, k shadow.Key, from int64) (out []shadow.Revision) {
	t.Helper()
	for r, err := range s.History(t.Context(), k, from) {
		require.NoError(t, err)
		out = append(out, r)
	}
	return out
}

func requireHistory(t *testing.T, s shadow.Historian, k shadow.Key, from int64, want ...shadow.Revision) {
	t.Helper()
	got := history(t, s, k, from)
	require.Len(t, got, len(want))
	for i := range want {
		require.True(t, want[i].Updated.Equal(got[i].Updated), "Updated is %s, expected %s", got[i].Updated, want[i].Updated)
		require.WithinDuration(t, want[i].DeletedUntil, got[i].DeletedUntil, time.Second)
		got[i].Updated, got[i].DeletedUntil = want[i].Updated, want[i].DeletedUntil
		require.Equal(t, want[i], got[i])
	}
}
