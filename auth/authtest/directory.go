// Package authtest checks implementations of [auth.Directory]: ours, and those of
// whoever writes a store.
//
//	func TestStore(t *testing.T) {
//		authtest.TestDirectory(t, func(t *testing.T) auth.Directory { return mystore.Open(t.TempDir()) })
//	}
package authtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
)

// TestDirectory checks the directories that open makes: a new, empty one each time.
func TestDirectory(t *testing.T, open func(t *testing.T) auth.Directory) {
	for name, test := range map[string]func(t *testing.T, d auth.Directory){
		"revisions": testRevisions, "all or nothing": testAtomic, "scan": testScan,
		"scan while it changes": testScanChanging, "bytes": testBytes, "contention": testContention, "model": testModel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func put(key, value string, was int64) auth.Change {
	return auth.Change{Key: key, Value: []byte(value), Was: was}
}

// keys returns what a scan yields, each as key=value.
func keys(t *testing.T, d auth.Directory, prefix, after string) []string {
	t.Helper()
	out := []string{}
	for r, err := range d.Scan(t.Context(), prefix, after) {
		require.NoError(t, err)
		require.Positive(t, r.Revision)
		out = append(out, r.Key+"="+string(r.Value))
	}
	return out
}

func testRevisions(t *testing.T, d auth.Directory) {
	ctx := t.Context()
	_, err := d.Get(ctx, "a")
	require.ErrorIs(t, err, auth.ErrNotFound)
	require.ErrorIs(t, d.Commit(ctx, put("a", "1", 7)), auth.ErrConflict, "there is none")
	require.ErrorIs(t, d.Commit(ctx, auth.Change{Key: "a", Was: 7}), auth.ErrConflict, "there is none to delete")
	require.NoError(t, d.Commit(ctx, put("a", "1", 0)))
	first, err := d.Get(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, "a", first.Key)
	require.Equal(t, "1", string(first.Value))
	require.Positive(t, first.Revision)
	require.ErrorIs(t, d.Commit(ctx, put("a", "2", 0)), auth.ErrConflict, "it is there")
	require.NoError(t, d.Commit(ctx, put("a", "2", first.Revision)))
	second, err := d.Get(ctx, "a")
	require.NoError(t, err)
	require.NotEqual(t, first.Revision, second.Revision)
	require.ErrorIs(t, d.Commit(ctx, put("a", "3", first.Revision)), auth.ErrConflict)
	require.ErrorIs(t, d.Commit(ctx, auth.Change{Key: "a", Was: first.Revision}), auth.ErrConflict)
	require.NoError(t, d.Commit(ctx, auth.Change{Key: "a", Was: second.Revision}))
	_, err = d.Get(ctx, "a")
	require.ErrorIs(t, err, auth.ErrNotFound)
	require.NoError(t, d.Commit(ctx, put("a", "2", 0)))
	third, err := d.Get(ctx, "a")
	require.NoError(t, err)
	require.NotContains(t, []int64{first.Revision, second.Revision}, third.Revision, "made anew")
	require.NoError(t, d.Commit(ctx, put("a", "4", auth.Any), put("b", "1", auth.Any), auth.Change{Key: "c", Was: auth.Any}))
	require.Equal(t, []string{"a=4", "b=1"}, keys(t, d, "", ""))
	require.NoError(t, d.Commit(ctx))
	require.Error(t, d.Commit(ctx, put("", "x", 0)), "no key")
}

func testAtomic(t *testing.T, d auth.Directory) {
	ctx := t.Context()
	require.NoError(t, d.Commit(ctx, put("a", "1", 0), put("b", "1", 0)))
	require.ErrorIs(t, d.Commit(ctx, put("c", "1", 0), put("a", "2", auth.Any), auth.Change{Key: "b", Was: 999}), auth.ErrConflict)
	require.Equal(t, []string{"a=1", "b=1"}, keys(t, d, "", ""))
}

func testScan(t *testing.T, d auth.Directory) {
	ctx := t.Context()
	var changes []auth.Change
	want := []string{}
	for i := range 500 {
		k := fmt.Sprintf("k%03d", i)
		changes = append(changes, put(k, "v", 0))
		want = append(want, k+"=v")
	}
	changes = append(changes, put("j", "v", 0), put("l", "v", 0), put("k", "v", 0))
	require.NoError(t, d.Commit(ctx, changes...))
	require.Equal(t, append([]string{"k=v"}, want...), keys(t, d, "k", ""))
	require.Equal(t, want, keys(t, d, "k", "k"))
	require.Equal(t, want[100:], keys(t, d, "k", "k099"))
	require.Equal(t, want[100:], keys(t, d, "k", "k099x"), "after need not be there")
	require.Equal(t, want[200:300], keys(t, d, "k2", "a"))
	require.Empty(t, keys(t, d, "k", "l"))
	require.Empty(t, keys(t, d, "x", ""))
	n := 0
	for _, err := range d.Scan(ctx, "", "") {
		require.NoError(t, err)
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	var last error
	for _, err := range d.Scan(ended, "", "") {
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
}

func testScanChanging(t *testing.T, d auth.Directory) {
	ctx := t.Context()
	for i := range 300 {
		require.NoError(t, d.Commit(ctx, put(fmt.Sprintf("k%03d", i), "v", 0)))
	}
	seen := map[string]bool{}
	for r, err := range d.Scan(ctx, "k", "") {
		require.NoError(t, err)
		require.False(t, seen[r.Key], r.Key)
		seen[r.Key] = true
		n := len(seen)
		if n%3 == 0 { // what the loop has seen goes, and something comes in front of it
			require.NoError(t, d.Commit(ctx, auth.Change{Key: r.Key, Was: r.Revision}, put(fmt.Sprintf("k%03d+", n/2), "new", auth.Any)))
		}
	}
	for i := range 300 {
		require.True(t, seen[fmt.Sprintf("k%03d", i)], i)
	}
}

func testBytes(t *testing.T, d auth.Directory) {
	ctx := t.Context()
	all := []string{"\x00", "\x00\x00", "\x01", "a", "a\x00b", "a\x01", "ä", "\xff", "\xff\xfe", strings.Repeat("k", 1000)}
	for _, k := range all {
		require.NoError(t, d.Commit(ctx, auth.Change{Key: k, Value: []byte{}, Was: 0}))
	}
	slices.Sort(all)
	for i := range all {
		all[i] += "="
	}
	require.Equal(t, all, keys(t, d, "", ""))
	r, err := d.Get(ctx, "\xff")
	require.NoError(t, err)
	require.Empty(t, r.Value)
	big := strings.Repeat("v", 1<<20)
	require.NoError(t, d.Commit(ctx, put("big", big, 0)))
	r, err = d.Get(ctx, "big")
	require.NoError(t, err)
	require.Equal(t, big, string(r.Value))
}

// testContention lets many count in one record: no count is lost.
func testContention(t *testing.T, d auth.Directory) {
	ctx := t.Context()
	require.NoError(t, d.Commit(ctx, put("n", "", 0)))
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for range 8 {
		wg.Go(func() {
			for done := 0; done < 50; {
				r, err := d.Get(ctx, "n")
				if err == nil {
					err = d.Commit(ctx, auth.Change{Key: "n", Value: append(slices.Clone(r.Value), '.'), Was: r.Revision})
				}
				switch {
				case err == nil:
					done++
				case !errors.Is(err, auth.ErrConflict):
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		require.NoError(t, *err)
	}
	r, err := d.Get(ctx, "n")
	require.NoError(t, err)
	require.Len(t, r.Value, 400)
}

// testModel does the same to a directory and to a map.
func testModel(t *testing.T, d auth.Directory) {
	ctx := t.Context()
	model := map[string]string{}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		k := fmt.Sprintf("%c%d", 'a'+random.IntN(4), random.IntN(50))
		if random.IntN(3) == 0 {
			require.NoError(t, d.Commit(ctx, auth.Change{Key: k, Was: auth.Any}))
			delete(model, k)
		} else {
			v := fmt.Sprint(i)
			require.NoError(t, d.Commit(ctx, put(k, v, auth.Any)))
			model[k] = v
		}
		if i%100 != 0 {
			continue
		}
		for _, prefix := range []string{"", "a", "b1", "d"} {
			want := []string{}
			for _, k := range slices.Sorted(maps.Keys(model)) {
				if strings.HasPrefix(k, prefix) {
					want = append(want, k+"="+model[k])
				}
			}
			got := keys(t, d, prefix, "")
			require.Equal(t, want, got)
		}
	}
}
