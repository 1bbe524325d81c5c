package shadowtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
)

// TestStore checks a [shadow.Store] against its contract, and a store that is a
// [shadow.Historian] against that one too. open returns an empty store; what it opens, it
// closes with t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) shadow.Store) {
	if _, ok := open(t).(shadow.Historian); ok {
		testHistorian(t, func(t *testing.T) shadow.Historian { return open(t).(shadow.Historian) })
	}
	pump := shadow.Key{Thing: "pump-1"}
	t.Run("an empty store has nothing", func(t *testing.T) {
		s := open(t)
		_, err := s.Load(t.Context(), pump)
		require.ErrorIs(t, err, shadow.ErrNotFound)
		require.ErrorIs(t, s.Delete(t.Context(), pump, 1, soon()), shadow.ErrNotFound)
		require.Empty(t, names(t, s, "pump-1", ""))
		require.Empty(t, all(t, s))
	})
	t.Run("keeps every part of a document", func(t *testing.T) {
		s := open(t)
		for name, d := range map[string]shadow.Document{
			"both":     document(1),
			"desired":  {Version: 1, Desired: []byte(`{"a":"é\u0000\\"}`), DesiredMeta: shadow.Meta{1, 2}, Updated: updated},
			"reported": {Version: 1, Reported: []byte(`{"a":9007199254740993.0}`), ReportedMeta: shadow.Meta{1, 200, 1}, Updated: updated},
			"neither":  {Version: 1, Updated: updated},
			"large":    {Version: 1, Desired: bytes.Repeat([]byte("x"), 1<<20), Updated: updated},
		} {
			k := shadow.Key{Thing: "pump-1", Name: name}
			require.NoError(t, s.Save(t.Context(), k, d))
			requireDocument(t, s, k, d)
		}
	})
	t.Run("versions go up by one", func(t *testing.T) {
		s := open(t)
		for _, v := range []int64{-1, 0, 2, 7} {
			require.ErrorIs(t, s.Save(t.Context(), pump, document(v)), shadow.ErrVersion, "version %d first", v)
		}
		_, err := s.Load(t.Context(), pump)
		require.ErrorIs(t, err, shadow.ErrNotFound)
		for v := int64(1); v <= 3; v++ {
			require.NoError(t, s.Save(t.Context(), pump, document(v)))
			for _, bad := range []int64{0, 1, v, v + 2} {
				require.ErrorIs(t, s.Save(t.Context(), pump, document(bad)), shadow.ErrVersion, "version %d after %d", bad, v)
			}
			requireDocument(t, s, pump, document(v))
		}
	})
	t.Run("a loaded document stays as it was", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Save(t.Context(), pump, document(1)))
		first, err := s.Load(t.Context(), pump)
		require.NoError(t, err)
		require.NoError(t, s.Save(t.Context(), pump, document(2)))
		require.NoError(t, s.Delete(t.Context(), pump, 2, soon()))
		require.Equal(t, document(1).Desired, first.Desired)
		require.Equal(t, document(1).ReportedMeta, first.ReportedMeta)
	})
	t.Run("remembers the version of a deleted shadow", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Save(t.Context(), pump, document(1)))
		require.NoError(t, s.Save(t.Context(), pump, document(2)))
		for _, v := range []int64{0, 1, 3} {
			require.ErrorIs(t, s.Delete(t.Context(), pump, v, soon()), shadow.ErrVersion)
		}
		requireDocument(t, s, pump, document(2))
		until := soon()
		require.NoError(t, s.Delete(t.Context(), pump, 2, until))
		got, err := s.Load(t.Context(), pump)
		require.NoError(t, err)
		require.False(t, got.Live())
		require.EqualValues(t, 2, got.Version)
		require.WithinDuration(t, until, got.DeletedUntil, time.Second)
		require.Empty(t, got.Desired)
		require.Empty(t, got.Reported)
		require.Empty(t, all(t, s))
		require.ErrorIs(t, s.Delete(t.Context(), pump, 2, soon()), shadow.ErrNotFound)
		for _, v := range []int64{1, 2, 4} {
			require.ErrorIs(t, s.Save(t.Context(), pump, document(v)), shadow.ErrVersion)
		}
		require.NoError(t, s.Save(t.Context(), pump, document(3)))
		requireDocument(t, s, pump, document(3))
	})
	t.Run("forgets a deleted shadow in time", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Save(t.Context(), pump, document(1)))
		require.NoError(t, s.Delete(t.Context(), pump, 1, time.Now().Add(-time.Hour)))
		d, err := s.Load(t.Context(), pump)
		if err == nil {
			require.False(t, d.Live())
			require.True(t, d.DeletedUntil.Before(time.Now()))
		} else {
			require.ErrorIs(t, err, shadow.ErrNotFound)
		}
		require.ErrorIs(t, s.Save(t.Context(), pump, document(2)), shadow.ErrVersion)
		require.NoError(t, s.Save(t.Context(), pump, document(1)))
		requireDocument(t, s, pump, document(1))
	})
	t.Run("keys do not get mixed up", func(t *testing.T) {
		s := open(t)
		keys := []shadow.Key{
			{Thing: "a"},
			{Thing: "a", Name: "a"},
			{Thing: "a", Name: "A"},
			{Thing: "A"},
			{Thing: "a:a"},
			{Thing: "a:", Name: "a"},
			{Thing: "aa"},
			{Thing: "a-a"},
			{Thing: "a_", Name: "a"},
			{Thing: "a", Name: "_a"},
			{Thing: "a", Name: "name"},
			{Thing: "shadow"},
		}
		for i, k := range keys {
			for v := range i + 1 {
				require.NoError(t, s.Save(t.Context(), k, document(int64(v+1))))
			}
		}
		for i, k := range keys {
			requireDocument(t, s, k, document(int64(i+1)))
		}
		require.ElementsMatch(t, keys, all(t, s))
		for i, k := range keys {
			require.NoError(t, s.Delete(t.Context(), k, int64(i+1), soon()))
			require.ElementsMatch(t, keys[i+1:], all(t, s))
		}
	})
	t.Run("lists names in order", func(t *testing.T) {
		s := open(t)
		for _, k := range []shadow.Key{
			{Thing: "a", Name: "b"},
			{Thing: "a", Name: "a"},
			{Thing: "a", Name: "B"},
			{Thing: "a", Name: "10"},
			{Thing: "a", Name: "ab"},
			{Thing: "a", Name: "gone"},
			{Thing: "a", Name: "_"},
			{Thing: "a"},
			{Thing: "ab", Name: "x"},
			{Thing: "A", Name: "y"},
		} {
			require.NoError(t, s.Save(t.Context(), k, document(1)))
		}
		require.Equal(t, []string{"10", "B", "_", "a", "ab", "b", "gone"}, names(t, s, "a", ""))
		require.NoError(t, s.Delete(t.Context(), shadow.Key{Thing: "a", Name: "gone"}, 1, soon()))
		sorted := []string{"10", "B", "_", "a", "ab", "b"}
		require.Equal(t, sorted, names(t, s, "a", ""))
		for i, name := range sorted {
			require.Equal(t, sorted[i+1:], append([]string{}, names(t, s, "a", name)...))
		}
		require.Equal(t, []string{"a", "ab", "b"}, names(t, s, "a", "_a"))
		require.Empty(t, names(t, s, "a", "zz"))
		require.Empty(t, names(t, s, "nobody", ""))
		var first []string
		for name, err := range s.Names(t.Context(), "a", "") {
			require.NoError(t, err)
			if first = append(first, name); len(first) == 2 {
				break
			}
		}
		require.Equal(t, sorted[:2], first)
	})
	t.Run("may be asked while it lists", func(t *testing.T) {
		s := open(t)
		for _, name := range []string{"a", "b"} {
			require.NoError(t, s.Save(t.Context(), shadow.Key{Thing: "pump-1", Name: name}, document(1)))
		}
		for k, err := range s.All(t.Context()) {
			require.NoError(t, err)
			requireDocument(t, s, k, document(1))
			require.NoError(t, s.Save(t.Context(), k, document(2)))
		}
		for name, err := range s.Names(t.Context(), "pump-1", "") {
			require.NoError(t, err)
			k := shadow.Key{Thing: "pump-1", Name: name}
			requireDocument(t, s, k, document(2))
			require.NoError(t, s.Delete(t.Context(), k, 2, soon()))
		}
	})
	t.Run("one of many writers wins each version", func(t *testing.T) {
		s := open(t)
		const writers, each = 8, 25
		var wins atomic.Int64
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for range each {
					if err := increment(t.Context(), s, pump, fmt.Sprint(w)); err != nil {
						t.Error(err)
						return
					}
					wins.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, writers*each, wins.Load())
		d, err := s.Load(t.Context(), pump)
		require.NoError(t, err)
		require.EqualValues(t, writers*each, d.Version)
	})
	t.Run("many shadows at once", func(t *testing.T) {
		s := open(t)
		const writers, each = 8, 20
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					k := shadow.Key{Thing: fmt.Sprintf("t-%d", i), Name: fmt.Sprintf("n-%d", w)}
					if err := increment(t.Context(), s, k, ""); err != nil {
						t.Error(err)
					}
					for _, err := range s.Names(t.Context(), k.Thing, "") {
						if err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		require.Len(t, all(t, s), writers*each)
		require.Len(t, names(t, s, "t-7", ""), writers)
	})
}

// increment saves the next version, however often somebody else is faster.
func increment(ctx context.Context, s shadow.Store, k shadow.Key, who string) error {
	for {
		d, err := s.Load(ctx, k)
		if err != nil && !errors.Is(err, shadow.ErrNotFound) {
			return err
		}
		next := shadow.Document{Version: d.Version + 1, Reported: []byte(`{"w":"` + who + `"}`), Updated: updated}
		if err := s.Save(ctx, k, next); !errors.Is(err, shadow.ErrVersion) {
			return err
		}
	}
}

var updated = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func soon() time.Time { return time.Now().Add(time.Hour) }

// document is the document of a version, different from all others.
func document(version int64) shadow.Document {
	return shadow.Document{
		Version: version, Desired: fmt.Appendf(nil, `{"v":%d}`, version), Reported: fmt.Appendf(nil, `{"v":-%d,"s":"<&>"}`, version),
		DesiredMeta: shadow.Meta{1, 5}, ReportedMeta: shadow.Meta{2, byte(version)}, Updated: updated.Add(time.Duration(version) * time.Second),
	}
}

func requireDocument(t *testing.T, s shadow.Store, k shadow.Key, want shadow.Document) {
	t.Helper()
	got, err := s.Load(t.Context(), k)
	require.NoError(t, err, k)
	require.True(t, want.Updated.Equal(got.Updated), "%s: Updated is %s, expected %s", k, got.Updated, want.Updated)
	got.Updated = want.Updated
	require.Equal(t, want, got, k)
	require.True(t, got.Live())
}

func names(t *testing.T, s shadow.Store, thing, after string) (out []string) {
	t.Helper()
	for name, err := range s.Names(t.Context(), thing, after) {
		require.NoError(t, err)
		out = append(out, name)
	}
	return out
}

func all(t *testing.T, s shadow.Store) (out []shadow.Key) {
	t.Helper()
	for k, err := range s.All(t.Context()) {
		require.NoError(t, err)
		out = append(out, k)
	}
	return out
}
