package topic_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/topic"
)

// value is fixed if it is there throughout: then it has to be seen exactly once
// per filter. Others have to be seen at most once.
type value struct{ fixed bool }

// while runs change in goroutines of its own until read has run often enough
// in two others.
func while(read func(r *rand.Rand), reads int, change ...func(r *rand.Rand)) {
	var done atomic.Bool
	var readers, writers sync.WaitGroup
	for i, f := range change {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for !done.Load() {
				f(r)
			}
		})
	}
	for i := range uint64(2) {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(i, 2))
			for range reads {
				read(r)
			}
		})
	}
	readers.Wait()
	done.Store(true)
	writers.Wait()
}

func TestTreeWhileOthersChangeIt(t *testing.T) {
	t.Parallel()
	var tree topic.Tree[value]
	names := []string{"a/b/c", "a/b", "a//c", "b/b/c", "$SYS/b/c"}
	filters := []string{"a/b/c", "a/+/c", "+/b/c", "a/#", "#", "a/b/#", "+/+/+", "+/+/#", "a/b", "a/+", "$SYS/#"}
	var fixed []*value
	want := map[string]int{}
	for range 3 { // sets of three, so that they are lists
		for _, f := range filters {
			v := &value{fixed: true}
			fixed = append(fixed, v)
			tree.Add(f, v)
			for _, name := range names {
				if naiveMatch(f, name) {
					want[name]++
				}
			}
		}
	}
	// Sets of one as well: they turn into lists and back all the time.
	for i, f := range []string{"a/b/+", "+/b/+", "+//c", "a/b/c/#", "$SYS/+/c"} {
		v := &value{fixed: true}
		fixed = append(fixed, v)
		tree.Add(f, v)
		filters = append(filters, f)
		for _, name := range names {
			if naiveMatch(f, name) {
				want[name]++
			}
		}
		require.Equal(t, i+12, tree.Len())
	}

	churn := func(r *rand.Rand) {
		// Passing values of the same filters, and filters around them that
		// make the tables grow and shrink.
		values := make([]*value, 40)
		for i := range values {
			values[i] = new(value)
		}
		f := filters[r.IntN(len(filters))]
		for _, v := range values {
			tree.Add(f, v)
		}
		n := r.IntN(400)
		for i := range n {
			tree.Add(fmt.Sprintf("a/%d/+", i), values[0])
			tree.Add(fmt.Sprintf("a/b/%d", i), values[1])
		}
		for _, v := range values {
			tree.Remove(f, v)
			tree.Remove(f, v)
		}
		for i := range n {
			tree.Remove(fmt.Sprintf("a/%d/+", i), values[0])
			tree.Remove(fmt.Sprintf("a/b/%d", i), values[1])
		}
	}
	again := &value{}
	flip := func(r *rand.Rand) {
		// One value that comes and goes: never doubled in one filter.
		tree.Add("a/b/+", again)
		tree.Remove("a/b/+", again)
	}
	read := func(r *rand.Rand) {
		name := names[r.IntN(len(names))]
		seen := make(map[*value]int)
		tree.Match(name, func(v *value) bool { seen[v]++; return true })
		n := 0
		for v, times := range seen {
			if v.fixed {
				n++
			}
			if times != 1 {
				t.Errorf("%q yields a value %d times", name, times)
			}
		}
		if n != want[name] {
			t.Errorf("%q yields %d of %d values", name, n, want[name])
		}
	}
	while(read, 2000, churn, churn, flip)
	for i, v := range fixed {
		f := filters[i%11]
		if i >= 33 {
			f = filters[11+i-33]
		}
		removed, _ := tree.Remove(f, v)
		require.True(t, removed)
	}
	requireEmpty(t, &tree)
}

func TestNamesWhileOthersChangeThem(t *testing.T) {
	t.Parallel()
	var names topic.Names[value]
	fixed := []string{"a", "a/b", "a/b/c", "a/x/c", "b", "$SYS/a", "/", "a/"}
	for _, name := range fixed {
		names.Put(name, &value{fixed: true})
	}
	filters := []string{"#", "a/#", "a/+", "+/+", "a/+/c", "+/#", "$SYS/#", "$SYS/+", "a/b/c"}
	want := map[string]int{}
	for _, f := range filters {
		for _, name := range fixed {
			if naiveMatch(f, name) {
				want[f]++
			}
		}
	}
	churn := func(prefix string) func(r *rand.Rand) {
		return func(r *rand.Rand) {
			n := 1 + r.IntN(300)
			v := new(value)
			for i := range n {
				names.Put(fmt.Sprintf("a/%s%d/c", prefix, i), v)
				names.Put(fmt.Sprintf("%s%d", prefix, i), v)
			}
			for i := range n {
				names.Delete(fmt.Sprintf("%s%d", prefix, i))
				names.CompareAndDelete(fmt.Sprintf("a/%s%d/c", prefix, i), v)
			}
		}
	}
	// Replacing a value keeps the name in sight.
	replace := func(r *rand.Rand) {
		names.Put(fixed[r.IntN(len(fixed))], &value{fixed: true})
	}
	read := func(r *rand.Rand) {
		f := filters[r.IntN(len(filters))]
		seen := map[string]bool{}
		n := 0
		names.Match(f, func(name string, v *value) bool {
			if seen[name] {
				t.Errorf("%q yields %q twice", f, name)
			}
			seen[name] = true
			if !naiveMatch(f, name) {
				t.Errorf("%q yields %q", f, name)
			}
			if v.fixed {
				n++
			}
			return true
		})
		if n != want[f] {
			t.Errorf("%q yields %d of %d names", f, n, want[f])
		}
		name := fixed[r.IntN(len(fixed))]
		if v := names.Get(name); v == nil || !v.fixed {
			t.Errorf("%q is lost", name)
		}
	}
	while(read, 2000, churn("p"), churn("q"), replace)
	require.Equal(t, len(fixed), names.Len())
}
