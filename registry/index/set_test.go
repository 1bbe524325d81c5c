package index

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A set is a map of ids, in all its forms and on the way from one to another.
func TestSet(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ ids, span int }{
		{fewIDs + 50, 1000}, {3000, 200_000}, {70_000, 140_000}, {20_000, 140_000},
	} {
		t.Run(fmt.Sprintf("%d of %d", test.ids, test.span), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(test.ids), uint64(test.span)))
			var s set
			want := map[uint32]bool{}
			check := func() {
				t.Helper()
				sorted := slices.Sorted(maps.Keys(want))
				var got []uint32
				require.True(t, s.each(func(id uint32) bool {
					got = append(got, id)
					return true
				}))
				require.Equal(t, sorted, got)
				require.Equal(t, len(want), s.n)
				other, filled := make(bitmap, test.span/64+1), make(bitmap, test.span/64+1)
				in := 0
				for id := range uint32(test.span) {
					if id%3 == 0 {
						other.set(id)
					}
					if want[id] != s.has(id) {
						require.Equal(t, want[id], s.has(id), id)
					}
					if want[id] && id%3 == 0 {
						in++
					}
				}
				require.Equal(t, in, s.countIn(other))
				s.fill(filled)
				require.Equal(t, len(want), filled.count())
				got = got[:0]
				filled.each(func(id uint32) bool {
					got = append(got, id)
					return true
				})
				require.Equal(t, sorted, append([]uint32(nil), got...))
				stopped := 0
				require.Equal(t, len(want) < 5, s.each(func(uint32) bool {
					stopped++
					return stopped < 5
				}))
			}
			for len(want) < test.ids {
				id := uint32(r.IntN(test.span))
				if s.add(id) == want[id] {
					require.Fail(t, "add is wrong")
				}
				want[id] = true
				if r.IntN(8) == 0 {
					id = uint32(r.IntN(test.span))
					if s.remove(id) != want[id] {
						require.Fail(t, "remove is wrong")
					}
					delete(want, id)
				}
			}
			check()
			for _, left := range []int{test.ids / 2, test.ids / 10, fewIDs + 1, fewIDs / 2, fewIDs/2 - 1, 3, 0} {
				for id := range want {
					if len(want) <= left {
						break
					}
					if !s.remove(id) || s.remove(id) {
						require.Fail(t, "remove is wrong")
					}
					delete(want, id)
				}
				check()
			}
		})
	}
}

// The names of documents are found however they come and go.
func TestByName(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	var table byName
	names := make([]string, 3000)
	for i := range names {
		names[i] = fmt.Sprint("n", i)
	}
	nameOf := func(id uint32) string { return names[id] }
	there := map[uint32]bool{}
	for range 40_000 {
		id := uint32(r.IntN(len(names)))
		if there[id] {
			table.remove(names[id], id, nameOf)
			delete(there, id)
		} else {
			table.add(names[id], id, nameOf)
			there[id] = true
		}
		id = uint32(r.IntN(len(names)))
		got, found := table.find(names[id], nameOf)
		if found != there[id] || found && got != id {
			require.Fail(t, "find is wrong", "id %d: got %d, %t", id, got, found)
		}
	}
	require.Equal(t, len(there), table.n)
}

// Texts compare without regard to case as their lower forms do.
func TestFold(t *testing.T) {
	t.Parallel()
	texts := []string{"", "a", "A", "ab", "aB", "b", "z", "Z", "é", "É", "éa", "ÉB", "K", "k", "ſ", "s", "İ", "i", "\xff", "\xffa", "\ufffd", "a\xff", "日本", "日", "ß", "ẞ", "Ω", "ω", "_", "[", "abcdefghi", "ABCDEFGHJ", "abcdefgÉ", "abcdefgé", "abcdefgk", "a\x00", "\x00"}
	for _, a := range texts {
		require.Equal(t, fold(a), string(appendFold(nil, a)))
		for _, b := range texts {
			require.Equal(t, slices.Compare([]byte(fold(a)), []byte(fold(b))), compareFold(a, b), "%q and %q", a, b)
			x, y := entry{text: a, key: textKey(a)}, entry{text: b, key: textKey(b)}
			require.Equal(t, compareFold(a, b), x.compareText(y.text, y.key), "%q and %q", a, b)
			want := slices.Compare([]byte(fold(a)), []byte(fold(b)))
			if len(fold(a)) >= len(fold(b)) && fold(a)[:len(fold(b))] == fold(b) {
				want = 0
			}
			require.Equal(t, want, comparePrefix(a, b), "%q and %q", a, b)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]float64{"0": 0, "-0": 0, "+1": 1, "007": 7, "1.": 1, ".5": 0.5, "-2.5e-1": -0.25, "1E3": 1000} {
		got, ok := asNumber(s)
		require.True(t, ok, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "-", ".", "e1", "1e", "1e+", "nan", "inf", "Infinity", "0x10", "1_000", "1 ", " 1", "1.2.3", "1e999", "١"} {
		_, ok := asNumber(s)
		require.False(t, ok, s)
	}
	sorted := []float64{-1e300, -5, -1e-300, 0, 1e-300, 0.5, 1, 2, 1 << 53, 1e300}
	for i, f := range sorted {
		require.Equal(t, f, keyNumber(numberKey(f)))
		if i > 0 {
			require.Less(t, numberKey(sorted[i-1]), numberKey(f))
		}
	}
}
