package registrytest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

// testFinder checks a table of things that finds by attribute; others need not.
func testFinder(t *testing.T, open func(t *testing.T) registry.Registry) {
	ctx := t.Context()
	things := open(t).Things()
	finder, ok := things.(registry.ThingFinder)
	if !ok {
		return
	}
	there := map[string]registry.Thing{}
	check := func() {
		t.Helper()
		for _, c := range []struct {
			name, value string
			prefix      bool
		}{
			{"a", "x", false},
			{"a", "x", true},
			{"a", "", true},
			{"a", "", false},
			{"a", "xy", true},
			{"a", "x\x00", true},
			{"a", "\xff", true},
			{"b", "X", false},
			{"b", "v1", true},
			{"b", "v", true},
			{"none", "", true},
			{"none", "x", false},
			{"n001", "x", false},
		} {
			for _, after := range []string{"", "n100", "n100x", "n399", "z"} {
				want := []registry.Thing{}
				for _, name := range slices.Sorted(maps.Keys(there)) {
					v, has := there[name].Attributes[c.name]
					if name > after && has && (v == c.value || c.prefix && strings.HasPrefix(v, c.value)) {
						want = append(want, there[name])
					}
				}
				require.Equal(t, want, all(t, finder.WithAttribute(ctx, c.name, c.value, c.prefix, after)), "%+v after %q", c, after)
			}
		}
	}
	check()
	r := rand.New(rand.NewPCG(1, 2))
	values := []string{"x", "X", "xy", "xyz", "", "x\x00", "\xff", "é"}
	for round := range 4 {
		for i := range 1000 {
			name := fmt.Sprintf("n%03d", r.IntN(1000))
			was := there[name].Version
			if was > 0 && r.IntN(4) == 0 {
				require.NoError(t, things.Delete(ctx, name, was))
				delete(there, name)
				continue
			}
			thing := registry.Thing{Name: name, Version: was + 1, Attributes: map[string]string{"b": fmt.Sprint("v", r.IntN(30))}}
			if round != 2 || i%2 == 0 { // in between many lose it
				thing.Attributes["a"] = values[r.IntN(len(values))]
			}
			require.NoError(t, things.Put(ctx, name, thing, was))
			there[name] = thing
		}
		check()
	}
	require.ErrorIs(t, things.Put(ctx, "n-new", registry.Thing{Name: "n-new", Version: 2, Attributes: map[string]string{"a": "x"}}, 1), registry.ErrVersion)
	check()
	for thing, err := range finder.WithAttribute(ctx, "a", "", true, "") {
		require.NoError(t, err)
		require.NoError(t, things.Delete(ctx, thing.Name, thing.Version), "the loop's body may use the store")
		delete(there, thing.Name)
	}
	check()
	require.NoError(t, things.Put(ctx, "a", registry.Thing{Name: "a", Version: 1, Attributes: map[string]string{"a": "x"}}, 0))
	for _, prefix := range []bool{false, true} {
		for _, err := range finder.WithAttribute(canceled(t), "a", "x", prefix, "") {
			require.Error(t, err, "a list must not end early without saying so")
		}
	}
}
