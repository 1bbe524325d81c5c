package topic_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/topic"
)

// matchCases are the standard's own examples (section 4.7) and the corners
// around them. Match, Tree and Names have to agree on them.
var matchCases = []struct {
	filter, name string
	want         bool
}{
	// Multi-level wildcard.
	{"sport/tennis/player1/#", "sport/tennis/player1", true},
	{"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
	{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
	{"sport/tennis/player1/#", "sport/tennis/player2", false},
	{"sport/tennis/player1/#", "sport/tennis/player10", false},
	{"sport/#", "sport", true},
	{"sport/#", "sport/", true},
	{"#", "a", true},
	{"#", "/", true},
	{"#", "a/b/c", true},
	{"a/#", "a", true},
	{"a/#", "a/", true},
	{"a/#", "aa", false},
	{"a/+/#", "a/b", true},
	{"a/+/#", "a/", true},
	{"a/+/#", "a", false},
	{"a/+/#", "a/b/c/d", true},
	{"/#", "/", true},
	{"/#", "/a", true},
	{"/#", "a", false},
	{"//#", "/", true}, // "#" matches its parent, here the empty second level.
	{"//#", "//", true},
	{"//#", "/a", false},
	{"+/#", "a", true},
	{"+/#", "/", true},
	{"+/#", "a/b/c", true},

	// Single-level wildcard.
	{"sport/tennis/+", "sport/tennis/player1", true},
	{"sport/tennis/+", "sport/tennis/player1/ranking", false},
	{"sport/+", "sport", false},
	{"sport/+", "sport/", true},
	{"+/tennis/#", "sport/tennis", true},
	{"sport/+/player1", "sport/tennis/player1", true},
	{"sport/+/player1", "sport//player1", true},
	{"+/+", "/finance", true},
	{"/+", "/finance", true},
	{"+", "/finance", false},
	{"+", "finance", true},
	{"+/+", "/", true},
	{"+/+/+", "//", true},
	{"+/+", "//", false},
	{"+/", "a/", true},
	{"+/", "a", false},
	{"/+/", "///", false},
	{"a/+/c", "a/b/c/d", false},
	{"+/b/+", "a/b", false},

	// Names that begin with "$".
	{"#", "$SYS/monitor/clients", false},
	{"+/monitor/clients", "$SYS/monitor/clients", false},
	{"+/#", "$SYS/monitor", false},
	{"+", "$SYS", false},
	{"#", "$SYS", false},
	{"#", "$", false},
	{"$SYS/#", "$SYS/monitor/clients", true},
	{"$SYS/#", "$SYS", true},
	{"$SYS/monitor/+", "$SYS/monitor/clients", true},
	{"$SYS/+", "$SYS/$x", true},
	{"a/#", "a/$SYS", true},
	{"a/+", "a/$SYS", true},
	{"+/$SYS", "/$SYS", true},
	{"#", "/$SYS", true},
	{"$aws/things/+/shadow/update/delta", "$aws/things/pump-1/shadow/update/delta", true},

	// Text.
	{"a", "a", true},
	{"a", "A", false},
	{"/", "/", true},
	{"/", "//", false},
	{"//", "//", true},
	{"a", "/a", false},
	{"a/", "a", false},
	{"a", "a/", false},
	{"a/b", "a/b", true},
	{"a//b", "a/b", false},
	{"Accounts payable", "Accounts payable", true},
	{"é", "e\u0301", false}, // no normalisation [MQTT-4.7.3-4]
	{"\ufeffa", "a", false},
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range matchCases {
		t.Run(tt.filter+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, topic.CheckFilter(tt.filter))
			require.NoError(t, topic.CheckName(tt.name))
			require.Equal(t, tt.want, naiveMatch(tt.filter, tt.name), "the yardstick")
			require.Equal(t, tt.want, topic.Match(tt.filter, tt.name), "Match")

			var tree topic.Tree[int]
			v := new(int)
			require.True(t, tree.Add(tt.filter, v))
			require.Equal(t, tt.want, len(matches(&tree, tt.name)) == 1, "Tree")

			var names topic.Names[int]
			require.Nil(t, names.Put(tt.name, v))
			require.Equal(t, tt.want, len(named(&names, tt.filter)) == 1, "Names")
		})
	}
}

func TestMatchAgreesWithStandard(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		filter, name := randomFilter(r), randomName(r)
		require.Equal(t, naiveMatch(filter, name), topic.Match(filter, name), "%q %q", filter, name)
	}
}

// matches returns how often each value is yielded for name.
func matches[V any](tree *topic.Tree[V], name string) map[*V]int {
	got := make(map[*V]int)
	tree.Match(name, func(v *V) bool { got[v]++; return true })
	return got
}

// named returns what filter finds, and fails on a name that comes twice.
func named[V any](names *topic.Names[V], filter string) map[string]*V {
	got := make(map[string]*V)
	names.Match(filter, func(name string, v *V) bool {
		if got[name] != nil {
			panic("twice: " + name)
		}
		got[name] = v
		return true
	})
	return got
}
