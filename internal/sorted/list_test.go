package sorted_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/sorted"
)

func to(want int) func(int) int { return func(v int) int { return cmp.Compare(v, want) } }

// notBefore looks for a bound: no value is it.
func notBefore(want int) func(int) int {
	return func(v int) int {
		if v < want {
			return -1
		}
		return 1
	}
}

// A list is what a sorted slice is.
func TestList(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"random", "ascending", "descending"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(3, 4))
			var l sorted.List[int]
			var want []int
			next := func(i int) int {
				switch order {
				case "ascending":
					return i
				case "descending":
					return -i
				default:
					return r.IntN(8000)
				}
			}
			check := func() {
				require.Equal(t, len(want), l.Len())
				require.Equal(t, slices.Clone(want), slices.AppendSeq(want[:0:0], l.From(sorted.Place{})))
				for range 50 {
					a, b := r.IntN(10_000)-1000, r.IntN(10_000)-1000
					from, _ := l.Find(notBefore(a))
					till, _ := l.Find(notBefore(b))
					i, _ := slices.BinarySearch(want, a)
					j, _ := slices.BinarySearch(want, b)
					var part []int
					if i < j {
						part = want[i:j]
					}
					require.Equal(t, part, slices.AppendSeq([]int(nil), l.Between(from, till)))
					require.Equal(t, len(part), l.Count(from, till))
					rest := slices.AppendSeq([]int(nil), l.From(from))
					require.Equal(t, append([]int(nil), want[i:]...), rest)
					require.Equal(t, len(rest), l.Count(from, l.End()))
					skip := r.IntN(1500)
					require.Equal(t, max(0, len(rest)-skip), l.Count(l.Skip(from, skip), l.End()))
					v, ok := l.At(from)
					require.Equal(t, i < len(want), ok)
					if ok {
						require.Equal(t, want[i], v)
					}
				}
			}
			for i := range 5000 {
				v := next(i)
				p, found := l.Find(to(v))
				at, there := slices.BinarySearch(want, v)
				require.Equal(t, there, found)
				if !found {
					l.Insert(p, v)
					want = slices.Insert(want, at, v)
				}
			}
			check()
			for len(want) > 0 {
				at := r.IntN(len(want))
				p, found := l.Find(to(want[at]))
				require.True(t, found)
				l.Delete(p)
				want = slices.Delete(want, at, at+1)
				if len(want)%1000 == 7 {
					check()
				}
			}
			check()
		})
	}
}

func TestList_Empty(t *testing.T) {
	t.Parallel()
	var l sorted.List[string]
	p, found := l.Find(func(string) int { return 0 })
	require.False(t, found)
	_, ok := l.At(p)
	require.False(t, ok)
	require.Zero(t, l.Count(p, l.End()))
	for range l.From(p) {
		t.Fatal("nothing is there")
	}
	for range l.Between(p, l.End()) {
		t.Fatal("nothing is there")
	}
}
