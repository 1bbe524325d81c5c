package topic_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/topic"
)

// after returns up to n names that come after one.
func after(names *topic.Names[int], name string, n int) []string {
	got := []string{}
	if n == 0 {
		return got
	}
	names.After(name, func(name string, _ *int) bool {
		got = append(got, name)
		return len(got) < n
	})
	return got
}

func TestNamesAfter_AgreesWithSortedList(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 9))
		var names topic.Names[int]
		list := map[string]bool{}
		for round := range 3 {
			for i := range 1500 {
				name := randomName(r)
				switch {
				case seed%2 == 0: // many that come in order
					name = fmt.Sprintf("%d/%06d", round%2, i)
				case i%2 == 0: // many at all
					name = fmt.Sprintf("n/%d", r.IntN(2000))
				}
				if round == 2 && r.IntN(8) > 0 { // and the set shrinks
					names.Delete(name)
					delete(list, name)
				} else {
					names.Put(name, new(int))
					list[name] = true
				}
			}
			want := slices.Sorted(maps.Keys(list))
			require.Equal(t, want, after(&names, "", len(want)+1))
			for range 200 {
				from, n := randomName(r), r.IntN(700)
				if r.IntN(2) == 0 {
					from = want[r.IntN(len(want))]
				}
				i, there := slices.BinarySearch(want, from)
				if there {
					i++
				}
				require.Equal(t, want[i:min(len(want), i+n)], after(&names, from, n), "%q", from)
			}
		}
		for name := range list {
			names.Delete(name)
		}
		require.Empty(t, after(&names, "", 1))
		requireNoNames(t, &names)
	}
}

func TestNamesAfter_MayChangeWhileItYields(t *testing.T) {
	t.Parallel()
	var names topic.Names[int]
	for i := range 1000 {
		names.Put(fmt.Sprintf("a/%04d", i), new(int))
	}
	var stayed []string
	names.After("", func(name string, _ *int) bool {
		var i int
		if _, err := fmt.Sscanf(name, "a/%04d", &i); err == nil {
			stayed = append(stayed, name)
			names.Delete(fmt.Sprintf("a/%04d", i-1))
			names.Put(fmt.Sprintf("b/%04d", i), new(int))
			names.Put(fmt.Sprintf("0/%04d", i), new(int))
		}
		return true
	})
	require.Len(t, stayed, 1000)
	require.True(t, slices.IsSorted(stayed))
}

// A name does not keep the message alive with which it came first.
func TestNamesPut_CopiesTheName(t *testing.T) {
	t.Parallel()
	var names topic.Names[int]
	message := strings.Repeat("x", 1<<16) + "a/b"
	held := weak.Make(unsafe.StringData(message))
	names.Put(message[1<<16:], new(int))
	message = ""
	names.Put("a/b", new(int))
	runtime.GC()
	require.Nil(t, held.Value())
	require.Equal(t, []string{"a/b"}, after(&names, "", 2))
}
