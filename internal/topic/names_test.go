package topic_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/topic"
)

func TestNamesPutGetDelete(t *testing.T) {
	t.Parallel()
	var names topic.Names[int]
	a, b := new(int), new(int)
	require.Nil(t, names.Get("x/y"))
	require.Nil(t, names.Delete("x/y"))

	require.Nil(t, names.Put("x/y", a))
	require.Same(t, a, names.Put("x/y", b))
	require.Same(t, b, names.Get("x/y"))
	require.Nil(t, names.Get("x"), "a level on the way")
	require.Nil(t, names.Get("x/y/"), "a level below")
	require.Equal(t, 1, names.Len())

	require.Same(t, b, names.Delete("x/y"))
	require.Nil(t, names.Delete("x/y"))
	requireNoNames(t, &names)

	names.Put("x", a)
	names.Put("x/y", b)
	require.Same(t, a, names.Delete("x"), "x/y is below it")
	require.Same(t, b, names.Get("x/y"))
	names.Put("x", b)
	require.Same(t, b, names.Put("x/y", nil), "nil deletes")
	require.Equal(t, map[string]*int{"x": b}, named(&names, "#"))
}

func TestNamesCompareAndDelete(t *testing.T) {
	t.Parallel()
	var names topic.Names[int]
	a, b := new(int), new(int)
	require.False(t, names.CompareAndDelete("x", a))
	require.False(t, names.CompareAndDelete("x", nil))
	names.Put("x", a)
	names.Put("x", b)
	require.False(t, names.CompareAndDelete("x", a), "replaced meanwhile")
	require.Same(t, b, names.Get("x"))
	require.True(t, names.CompareAndDelete("x", b))
	requireNoNames(t, &names)
}

func TestNamesMayChangeWhileTheyYield(t *testing.T) {
	t.Parallel()
	for _, filter := range []string{"#", "+/+", "a/#", "a/+"} {
		var names topic.Names[int]
		for i := range 100 {
			names.Put(fmt.Sprintf("a/%d", i), new(int))
		}
		n := 0
		names.Match(filter, func(name string, v *int) bool {
			n++
			require.Same(t, v, names.Delete(name))
			if n%2 == 0 {
				names.Put(name, v) // new nodes are not met again
			}
			return true
		})
		require.Equal(t, 100, n, filter)
		require.Equal(t, 50, names.Len())
	}
}

func TestNamesStops(t *testing.T) {
	t.Parallel()
	var names topic.Names[int]
	for _, name := range []string{"a", "a/b", "a/b/c", "a/d", "b"} {
		names.Put(name, new(int))
	}
	for _, filter := range []string{"#", "a/#", "a/+", "+", "a/b"} {
		n := 0
		names.Match(filter, func(string, *int) bool { n++; return false })
		require.Equal(t, 1, n, filter)
	}
}

func TestNamesChurnLeavesNothing(t *testing.T) {
	t.Parallel()
	var names topic.Names[int]
	v := new(int)
	for round := range 8 {
		for i := range 200 {
			names.Put(fmt.Sprintf("a/%d/%d/temp", round, i), v)
		}
		for i := range 200 {
			require.Same(t, v, names.Delete(fmt.Sprintf("a/%d/%d/temp", round, i)))
		}
	}
	requireNoNames(t, &names)
}

func TestNamesDeepTopics(t *testing.T) {
	t.Parallel()
	slashes := strings.Repeat("/", topic.MaxLen)
	plusses := strings.Repeat("+/", topic.MaxLen/2) + "+"
	deep := strings.Repeat("/", topic.MaxLen/2)
	var names topic.Names[int]
	v := new(int)
	names.Put(slashes, v)
	names.Put(deep, v)
	require.Len(t, named(&names, "#"), 2)
	require.Len(t, named(&names, "/#"), 2)
	require.Len(t, named(&names, plusses), 1)
	require.Len(t, named(&names, slashes), 1)
	names.Delete(slashes)
	names.Delete(deep)
	requireNoNames(t, &names)
}

func TestNamesAgreeWithList(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 8))
		var names topic.Names[int]
		list := map[string]*int{}
		for range 2000 {
			name := randomName(r)
			switch r.IntN(6) {
			case 0, 1:
				v := new(int)
				require.Equal(t, list[name], names.Put(name, v))
				list[name] = v
			case 2:
				require.Equal(t, list[name], names.Delete(name))
				delete(list, name)
			case 3:
				v, ok := list[name]
				require.Equal(t, ok, names.CompareAndDelete(name, v))
				delete(list, name)
			default:
				filter := randomFilter(r)
				want := map[string]*int{}
				for name, v := range list {
					if naiveMatch(filter, name) {
						want[name] = v
					}
				}
				require.Equal(t, want, named(&names, filter), "%q", filter)
				require.Same(t, list[name], names.Get(name))
				require.Equal(t, len(list), names.Len())
			}
		}
		for name := range list {
			names.Delete(name)
		}
		requireNoNames(t, &names)
	}
}

func requireNoNames[V any](t *testing.T, names *topic.Names[V]) {
	t.Helper()
	entries, slots := names.Size()
	require.Zero(t, entries)
	require.Zero(t, slots)
	require.Zero(t, names.Len())
	require.Empty(t, named(names, "#"))
}

// A search that finds nothing shows signs of life, and can be ended by them.
func TestNamesSearchStrides(t *testing.T) {
	t.Parallel()
	var names topic.Names[int]
	for i := range 10_000 {
		names.Put(fmt.Sprintf("dev/%d/temp", i), new(int))
		names.Put(fmt.Sprintf("$x%d/%d", i, i), new(int))
	}
	for _, filter := range []string{"dev/+/none", "+/+/none", "+/none"} {
		ticks := 0
		names.Search(filter, 100, func(name string, v *int) bool {
			require.Nil(t, v)
			require.Empty(t, name)
			ticks++
			return true
		})
		require.GreaterOrEqual(t, ticks, 10_000/100, filter)
		ticks = 0
		names.Search(filter, 100, func(string, *int) bool { ticks++; return ticks < 3 })
		require.Equal(t, 3, ticks, filter)
	}
	for _, filter := range []string{"dev/+/temp", "dev/#", "#", "dev/7/+"} {
		found := map[string]*int{}
		names.Search(filter, 7, func(name string, v *int) bool {
			if v != nil {
				if found[name] != nil {
					t.Errorf("%s twice", name)
				}
				found[name] = v
			}
			return true
		})
		require.Equal(t, named(&names, filter), found, filter)
	}
}
