package registrytest

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

// oddNames are names that a store built on paths, text keys or collations mixes up.
var oddNames = []string{"A", "a", "a:b", "a_b", "a-b", "a/b", "a\x00b", "a\x00", "aa", "ab", "a\xff", "é", "😀", "0", "%2F", ".", ".."}

func testTable[T registry.Versioned](t *testing.T, open func(t *testing.T) registry.Registry,
	table func(registry.Registry) registry.Table[T], record func(name string, version int64) T,
) {
	t.Run("compare and set", func(t *testing.T) {
		ctx := t.Context()
		tab := table(open(t))
		_, err := tab.Get(ctx, "a")
		require.ErrorIs(t, err, registry.ErrNotFound)
		require.ErrorIs(t, tab.Delete(ctx, "a", 1), registry.ErrNotFound)
		require.ErrorIs(t, tab.Put(ctx, "a", record("a", 2), 1), registry.ErrVersion, "there is none, 1 was expected")
		require.Empty(t, all(t, tab.List(ctx, "")), "what was refused must leave nothing")

		require.NoError(t, tab.Put(ctx, "a", record("a", 1), 0))
		require.ErrorIs(t, tab.Put(ctx, "a", record("a", 9), 0), registry.ErrVersion, "there is one, none was expected")
		require.ErrorIs(t, tab.Put(ctx, "a", record("a", 9), 2), registry.ErrVersion)
		require.ErrorIs(t, tab.Delete(ctx, "a", 2), registry.ErrVersion)
		got, err := tab.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, record("a", 1), got)

		require.NoError(t, tab.Put(ctx, "a", record("a", 5), 1), "versions may leap")
		got, err = tab.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, record("a", 5), got)
		require.NoError(t, tab.Delete(ctx, "a", 5))
		_, err = tab.Get(ctx, "a")
		require.ErrorIs(t, err, registry.ErrNotFound)
		require.Empty(t, all(t, tab.List(ctx, "")))
		require.NoError(t, tab.Put(ctx, "a", record("a", 1), 0), "a deleted name is free again")
	})

	t.Run("records are copies", func(t *testing.T) {
		ctx := t.Context()
		tab := table(open(t))
		in := record("a", 1)
		require.NoError(t, tab.Put(ctx, "a", in, 0))
		spoil(&in)
		got, err := tab.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, record("a", 1), got, "Put must not keep what is the caller's")
		spoil(&got)
		for got, err := range tab.List(ctx, "") {
			require.NoError(t, err)
			require.Equal(t, record("a", 1), got, "Get must not return what is the store's")
			spoil(&got)
		}
		got, err = tab.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, record("a", 1), got, "List must not yield what is the store's")
	})

	t.Run("names and order", func(t *testing.T) {
		ctx := t.Context()
		tab := table(open(t))
		for i, name := range oddNames {
			require.NoError(t, tab.Put(ctx, name, record(name, int64(i+1)), 0), "%q", name)
		}
		for i, name := range oddNames {
			got, err := tab.Get(ctx, name)
			require.NoError(t, err, "%q", name)
			require.Equal(t, record(name, int64(i+1)), got)
		}
		sorted := slices.Sorted(slices.Values(oddNames))
		for i := -1; i < len(sorted); i++ {
			after := ""
			if i >= 0 {
				after = sorted[i]
			}
			want := []T{}
			for _, name := range sorted[i+1:] {
				want = append(want, record(name, int64(slices.Index(oddNames, name)+1)))
			}
			require.Equal(t, want, all(t, tab.List(ctx, after)), "after %q", after)
		}
		seq := tab.List(ctx, "aa")
		require.Equal(t, all(t, seq), all(t, seq), "a sequence may be used again")
	})

	t.Run("many, in any order", func(t *testing.T) {
		ctx := t.Context()
		tab := table(open(t))
		const n = 2000
		want := make([]T, n)
		for i := range n {
			at := i * 7919 % n // 7919 is prime: every number once, in no order
			name := fmt.Sprintf("n%06d", at)
			want[at] = record(name, 1)
			require.NoError(t, tab.Put(ctx, name, want[at], 0))
		}
		require.Equal(t, want, all(t, tab.List(ctx, "")))
		require.Equal(t, want[1235:], all(t, tab.List(ctx, "n001234")))
		require.Equal(t, want[1235:], all(t, tab.List(ctx, "n001234x")), "the name to begin after need not exist")
		for i := range n {
			if i%10 != 0 {
				require.NoError(t, tab.Delete(ctx, fmt.Sprintf("n%06d", i), 1))
			}
		}
		left := []T{}
		for i := 0; i < n; i += 10 {
			left = append(left, want[i])
		}
		require.Equal(t, left, all(t, tab.List(ctx, "")))
	})

	t.Run("list while changing", func(t *testing.T) {
		ctx := t.Context()
		tab := table(open(t))
		const n = 600
		for i := range n {
			require.NoError(t, tab.Put(ctx, fmt.Sprintf("n%03d", i), record(fmt.Sprintf("n%03d", i), 1), 0))
		}
		i := 0
		for got, err := range tab.List(ctx, "") {
			require.NoError(t, err)
			name := fmt.Sprintf("n%03d", i)
			require.Equal(t, record(name, 1), got)
			require.NoError(t, tab.Delete(ctx, name, 1), "the loop's body may use the store")
			i++
		}
		require.Equal(t, n, i)
		require.Empty(t, all(t, tab.List(ctx, "")))
	})

	t.Run("ended context", func(t *testing.T) {
		tab := table(open(t))
		require.NoError(t, tab.Put(t.Context(), "a", record("a", 1), 0))
		n := 0
		for _, err := range tab.List(canceled(t), "") {
			require.Error(t, err, "a list must not end early without saying so")
			n++
		}
		require.Equal(t, 1, n, "an error ends the sequence")
	})

	t.Run("one of many wins", func(t *testing.T) {
		ctx := t.Context()
		tab := table(open(t))
		const writers, rounds = 16, 50
		var won [rounds]atomic.Int32
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for i := range rounds {
					switch err := tab.Put(ctx, "a", record("a", int64(i+1)), int64(i)); {
					case err == nil:
						won[i].Add(1)
					case !errors.Is(err, registry.ErrVersion):
						t.Errorf("Put: %v", err)
					}
				}
			})
		}
		wg.Wait()
		last := 0
		for i := range rounds {
			require.LessOrEqual(t, won[i].Load(), int32(1), "version %d was written twice", i+1)
			if won[i].Load() == 1 {
				require.Equal(t, last, i, "version %d was written, the one before was not", i+1)
				last = i + 1
			}
		}
		require.Equal(t, rounds, last)
		got, err := tab.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, record("a", rounds), got)
	})
}

// all collects a sequence that must not fail.
func all[T any](t *testing.T, seq iter.Seq2[T, error]) []T {
	t.Helper()
	got := []T{}
	for v, err := range seq {
		require.NoError(t, err)
		got = append(got, v)
	}
	return got
}

// spoil changes everything in the maps and slices of a record.
func spoil(record any) {
	v := reflect.ValueOf(record).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Map:
			for _, k := range f.MapKeys() {
				f.SetMapIndex(k, reflect.ValueOf("spoiled"))
			}
		case reflect.Slice:
			for j := range f.Len() {
				f.Index(j).SetZero()
			}
		default:
		}
	}
}
