package upstream

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/topic"
)

// TestFilters compares the three relations with what they say about topics.
func TestFilters(t *testing.T) {
	t.Parallel()
	levels := []string{"a", "b", ""}
	var topics []string
	for _, first := range []string{"a", "b", "", "$x"} {
		topics = append(topics, first)
		for _, second := range levels {
			topics = append(topics, first+"/"+second)
			for _, third := range levels {
				topics = append(topics, first+"/"+second+"/"+third, first+"/"+second+"/"+third+"/c")
			}
		}
	}
	var names []string
	for _, n := range topics {
		if topic.CheckName(n) == nil {
			names = append(names, n)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	random := func() string {
		for {
			parts := make([]string, 1+r.IntN(3))
			for i := range parts {
				parts[i] = []string{"a", "b", "", "+", "+", "#"}[r.IntN(6)]
			}
			if r.IntN(5) == 0 {
				parts[0] = "$x"
			}
			f := strings.Join(parts, "/")
			if topic.CheckFilter(f) == nil {
				return f
			}
		}
	}
	for range 20_000 {
		f, g := random(), random()
		both, all := false, true
		for _, n := range names {
			inF, inG := topic.Match(f, n), topic.Match(g, n)
			both = both || inF && inG
			all = all && (inF || !inG)
		}
		both = both || topic.Match(f, "") && topic.Match(g, "") // which is no topic
		require.Equal(t, both, overlap(f, g), "%s and %s overlap", f, g)
		require.Equal(t, overlap(f, g), overlap(g, f))
		if covers(f, g) {
			require.True(t, all, "%s covers %s", f, g)
		} else if !strings.Contains(g, "+") { // names stand for all topics only then
			require.False(t, all, "%s does not cover %s", f, g)
		}
		if overlap(f, g) {
			j := join(f, g)
			require.NoError(t, topic.CheckFilter(j))
			require.True(t, covers(j, f) && covers(j, g), "%s joins %s and %s", j, f, g)
			for _, n := range names {
				require.True(t, topic.Match(j, n) || !topic.Match(f, n) && !topic.Match(g, n), "%s of %s and %s matches %s", j, f, g, n)
			}
		}
	}
}

func TestLanes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a": "a", "a/b": "a/b", "a/b/c": "a/b", "a/b/c/d": "a/b", "/": "/", "//x": "/",
		"$aws/things/pump/shadow/update": "pump", "$aws/things/pump": "pump", "$aws/rules/r/x": "$aws/rules",
	} {
		require.Equal(t, want, laneOf(name), name)
	}
}
