package topic_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/topic"
)

func TestTreeAddAndRemove(t *testing.T) {
	t.Parallel()
	for _, filter := range []string{"a/b", "a/+", "a/#", "#", "+", "/", "+/+/#"} {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			var tree topic.Tree[int]
			a, b := new(int), new(int)

			removed, last := tree.Remove(filter, a)
			require.False(t, removed)
			require.False(t, last)

			require.True(t, tree.Add(filter, a), "first")
			require.False(t, tree.Add(filter, a), "same again")
			require.False(t, tree.Add(filter, b), "second")
			require.Equal(t, 1, tree.Len())
			require.Equal(t, []*int{a, b}, all(&tree, filter))

			removed, last = tree.Remove(filter, a)
			require.True(t, removed)
			require.False(t, last)
			removed, last = tree.Remove(filter, a)
			require.False(t, removed)
			require.False(t, last)
			require.Equal(t, []*int{b}, all(&tree, filter))

			removed, last = tree.Remove(filter, b)
			require.True(t, removed)
			require.True(t, last)
			require.Zero(t, tree.Len())
			require.Empty(t, all(&tree, filter))
			requireEmpty(t, &tree)
		})
	}
}

func TestTreeIgnoresNil(t *testing.T) {
	t.Parallel()
	var tree topic.Tree[int]
	require.False(t, tree.Add("a", nil))
	removed, last := tree.Remove("a", nil)
	require.False(t, removed || last)
	require.Zero(t, tree.Len())
	require.Zero(t, tree.Generation())
}

func TestTreeYieldsOncePerFilter(t *testing.T) {
	t.Parallel()
	var tree topic.Tree[int]
	v := new(int)
	filters := []string{"a/b", "a/+", "+/b", "+/+", "a/#", "a/b/#", "a/+/#", "+/b/#", "+/+/#", "#", "+/#"}
	for _, f := range filters {
		tree.Add(f, v)
	}
	tree.Add("a/b/c", v)
	tree.Add("$SYS/#", v)
	require.Equal(t, map[*int]int{v: len(filters)}, matches(&tree, "a/b"))
	require.Equal(t, len(filters)+2, tree.Len())
}

func TestTreeStops(t *testing.T) {
	t.Parallel()
	var tree topic.Tree[int]
	for _, f := range []string{"a/b", "a/+", "+/b", "a/#", "#"} {
		tree.Add(f, new(int))
		tree.Add(f, new(int))
	}
	for want := 1; want <= 10; want++ {
		n := 0
		tree.Match("a/b", func(*int) bool { n++; return n < want })
		require.Equal(t, want, n)
	}
	n := 0
	tree.All("#", func(*int) bool { n++; return false })
	require.Equal(t, 1, n)
}

func TestTreeGeneration(t *testing.T) {
	t.Parallel()
	var tree topic.Tree[int]
	v := new(int)
	seen := []uint64{tree.Generation()}
	changed := func() bool {
		g := tree.Generation()
		was := slices.Contains(seen, g)
		seen = append(seen, g)
		return !was
	}
	tree.Add("a/+", v)
	require.True(t, changed())
	tree.Add("a/+", v)
	require.False(t, changed())
	tree.Add("a/+", new(int))
	require.True(t, changed())
	tree.Remove("b", v)
	tree.Remove("b/#", v)
	tree.Remove("a/+", new(int))
	require.False(t, changed())
	tree.Remove("a/+", v)
	require.True(t, changed())
}

func TestTreeMayChangeWhileItYields(t *testing.T) {
	t.Parallel()
	var tree topic.Tree[int]
	for range 100 {
		tree.Add("a/#", new(int))
	}
	n := 0
	tree.Match("a", func(v *int) bool {
		n++
		tree.Remove("a/#", v)
		tree.Add("a/#", v)
		tree.Add("+", v)
		return true
	})
	// Those that come back are not seen again; "+" is a filter of its own.
	require.LessOrEqual(t, n, 200)
	require.GreaterOrEqual(t, n, 100)
	require.Len(t, all(&tree, "a/#"), 100)
}

func TestTreeManyValues(t *testing.T) {
	t.Parallel()
	const many, name = 5_000, "a/b"
	for _, filter := range []string{"a/b", "a/+"} {
		var tree topic.Tree[int]
		values := make([]*int, many)
		for i := range values {
			values[i] = new(int)
			require.Equal(t, i == 0, tree.Add(filter, values[i]))
		}
		require.Equal(t, values, all(&tree, filter))
		rand.New(rand.NewPCG(3, 4)).Shuffle(many, func(i, j int) { values[i], values[j] = values[j], values[i] })
		for i, v := range values {
			removed, last := tree.Remove(filter, v)
			require.True(t, removed)
			require.Equal(t, i == many-1, last)
			if left := many - 1 - i; left%1000 == 0 || left < 50 {
				got := matches(&tree, name)
				require.Len(t, got, left)
				for _, v := range values[i+1:] {
					if got[v] != 1 {
						t.Fatalf("%q: a value is yielded %d times", filter, got[v])
					}
				}
			}
		}
		requireEmpty(t, &tree)
	}
}

func TestTreeChurnLeavesNothing(t *testing.T) {
	t.Parallel()
	var tree topic.Tree[int]
	keep := new(int)
	tree.Add("keep/+", keep)
	tree.Add("keep", keep)
	entries, _ := tree.Size()
	for round := range 20 {
		for _, pattern := range []string{"dev/%d/+/x", "dev/%d", "%d/#", "+/%d/a/b/+", "a/b/%d/c"} {
			v := new(int)
			for i := range 100 {
				tree.Add(fmt.Sprintf(pattern, round*100+i), v)
			}
			for i := range 100 {
				_, last := tree.Remove(fmt.Sprintf(pattern, round*100+i), v)
				require.True(t, last)
			}
		}
	}
	left, slots := tree.Size()
	require.Equal(t, entries, left)
	require.LessOrEqual(t, slots, 100)
	require.Equal(t, map[*int]int{keep: 1}, matches(&tree, "keep/x"))
	tree.Remove("keep", keep)
	tree.Remove("keep/+", keep)
	requireEmpty(t, &tree)
}

// Steady churn must neither fill the tables with tombstones nor make them grow.
func TestTreeSteadyChurnKeepsItsSize(t *testing.T) {
	t.Parallel()
	var tree topic.Tree[int]
	v := new(int)
	filter := func(i int) string { return fmt.Sprintf("dev/%d/+", i) }
	for i := range 1000 {
		tree.Add(filter(i), v)
	}
	_, before := tree.Size()
	for i := range 8_000 {
		tree.Add(filter(i+1000), v)
		tree.Remove(filter(i), v)
	}
	entries, after := tree.Size()
	require.Equal(t, 1001, entries)
	require.LessOrEqual(t, after, before*2)
}

func TestTreeDeepTopics(t *testing.T) {
	t.Parallel()
	slashes := strings.Repeat("/", topic.MaxLen)
	plusses := strings.Repeat("+/", topic.MaxLen/2) + "+"
	mixed := strings.Repeat("a/+/", topic.MaxLen/4-1) + "#"
	name := strings.Repeat("a/", topic.MaxLen/2) + "a"
	var tree topic.Tree[int]
	v := make([]*int, 5)
	for i := range v {
		v[i] = new(int)
	}
	for i, f := range []string{slashes, plusses, mixed, "#", slashes[1:] + "+"} {
		tree.Add(f, v[i])
	}
	require.Equal(t, map[*int]int{v[0]: 1, v[3]: 1}, matches(&tree, slashes))
	require.Equal(t, map[*int]int{v[3]: 1, v[4]: 1}, matches(&tree, slashes[1:]))
	require.Equal(t, map[*int]int{v[1]: 1, v[2]: 1, v[3]: 1}, matches(&tree, name))
	require.True(t, topic.Match(plusses, name))
	require.True(t, topic.Match(mixed, name))
	for i, f := range []string{slashes, plusses, mixed, "#", slashes[1:] + "+"} {
		_, last := tree.Remove(f, v[i])
		require.True(t, last)
	}
	requireEmpty(t, &tree)
}

// All 2^n mixtures of "+" and text exist: a match visits each trie node once.
func TestTreeAllMixtures(t *testing.T) {
	t.Parallel()
	const levels = 10
	var tree topic.Tree[int]
	v := new(int)
	for bits := range 1 << levels {
		f := make([]string, levels)
		for i := range f {
			f[i] = "a"
			if bits>>i&1 == 1 {
				f[i] = "+"
			}
		}
		tree.Add(strings.Join(f, "/"), v)
	}
	name := strings.Repeat("a/", levels-1) + "a"
	require.Equal(t, map[*int]int{v: 1 << levels}, matches(&tree, name))
	require.Equal(t, map[*int]int{v: 1}, matches(&tree, strings.ReplaceAll(name, "a", "b")))
	require.Empty(t, matches(&tree, name+"/a"))
}

func TestTreeAgreesWithList(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 7))
		var tree topic.Tree[int]
		list := map[string][]*int{}
		values := make([]*int, 1+r.IntN(60))
		for i := range values {
			values[i] = new(int)
		}
		for range 2000 {
			f, v := randomFilter(r), values[r.IntN(len(values))]
			at := slices.Index(list[f], v)
			switch r.IntN(5) {
			case 0, 1:
				require.Equal(t, len(list[f]) == 0, tree.Add(f, v), "Add %q", f)
				if at < 0 {
					list[f] = append(list[f], v)
				}
			case 2, 3:
				removed, last := tree.Remove(f, v)
				require.Equal(t, at >= 0, removed, "Remove %q", f)
				require.Equal(t, at >= 0 && len(list[f]) == 1, last, "Remove %q", f)
				if at >= 0 {
					list[f] = slices.Delete(list[f], at, at+1)
				}
				if len(list[f]) == 0 {
					delete(list, f)
				}
			default:
				name := randomName(r)
				want := map[*int]int{}
				for f, values := range list {
					for _, v := range values {
						if naiveMatch(f, name) {
							want[v]++
						}
					}
				}
				require.Equal(t, want, matches(&tree, name), "Match %q", name)
				require.ElementsMatch(t, list[f], all(&tree, f), "All %q", f)
				require.Equal(t, len(list), tree.Len())
			}
		}
		for f, values := range list {
			for _, v := range values {
				tree.Remove(f, v)
			}
		}
		requireEmpty(t, &tree)
	}
}

func all[V any](tree *topic.Tree[V], filter string) []*V {
	var got []*V
	tree.All(filter, func(v *V) bool { got = append(got, v); return true })
	return got
}

func requireEmpty[V any](t *testing.T, tree *topic.Tree[V]) {
	t.Helper()
	entries, slots := tree.Size()
	require.Zero(t, entries)
	require.Zero(t, slots)
	require.True(t, tree.Bare())
	require.Zero(t, tree.Len())
}
