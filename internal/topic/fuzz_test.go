package topic_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/topic"
)

// FuzzMatch holds Match, Tree and Names against the naive matcher, for text
// that is valid and text that is not.
func FuzzMatch(f *testing.F) {
	for _, tt := range matchCases {
		f.Add(tt.filter, tt.name)
	}
	f.Fuzz(func(t *testing.T, filter, name string) {
		want := naiveMatch(filter, name)
		require.Equal(t, want, topic.Match(filter, name))
		var tree topic.Tree[int]
		tree.Add(filter, new(int))
		require.Equal(t, want, len(matches(&tree, name)) == 1)
		var names topic.Names[int]
		names.Put(name, new(int))
		require.Equal(t, want, len(named(&names, filter)) == 1)
		if topic.CheckName(name) == nil {
			require.NoError(t, topic.CheckFilter(name), "a name is a filter")
			require.False(t, topic.HasWildcard(name))
			require.True(t, topic.Match(name, name))
		}
	})
}

func FuzzParseShared(f *testing.F) {
	for _, s := range []string{"$share/g/a", "$share/g/+/#", "$share", "$share/", "$share//x", "$share/g", "$share/g/", "$share/+/x", "$shared/g/x", "a/#", "a/#/b", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, filter string) {
		group, inner, shared, err := topic.ParseShared(filter)
		if err != nil {
			require.Empty(t, group+inner)
			require.False(t, shared)
			var e *topic.Error
			require.ErrorAs(t, err, &e)
			require.Less(t, len(e.Error()), 1000)
			return
		}
		require.NoError(t, topic.CheckFilter(filter))
		require.NoError(t, topic.CheckFilter(inner))
		if !shared {
			require.Empty(t, group)
			require.Equal(t, filter, inner)
			require.False(t, filter == "$share" || strings.HasPrefix(filter, "$share/"))
			return
		}
		require.Equal(t, filter, "$share/"+group+"/"+inner)
		require.NotEmpty(t, group)
		require.False(t, strings.ContainsAny(group, "/+#"))
	})
}

// FuzzTree reads a script, one operation a line: "+filter" and "-filter" add
// and remove, anything else is a name to match. The digit behind the sign
// chooses the value.
func FuzzTree(f *testing.F) {
	f.Add("+0a/b\n+1a/+\n+0#\n a/b\n-0#\n-1a/+\n a/b\n$SYS")
	f.Add("+0+\n+0+/+\n+1+/+/+\n //\n /\n-0+/+\n /")
	f.Add("+0a/#\n+1a/#\n+2a/#\n+3a/#\n+4a/#\n-1a/#\n-2a/#\n-0a/#\n a\n-3a/#\n a/b")
	f.Add("+0#/a\n+1a+\n+2+#\n+3\n a+\n#/a\n\n-0#/a")
	f.Fuzz(func(t *testing.T, script string) {
		var tree topic.Tree[int]
		var names topic.Names[int]
		values := [10]*int{}
		for i := range values {
			values[i] = new(int)
		}
		list := map[string][]*int{}
		stored := map[string]*int{}
		for line := range strings.SplitSeq(script, "\n") {
			if len(line) < 2 || line[0] != '+' && line[0] != '-' || line[1] < '0' || line[1] > '9' {
				want := map[*int]int{}
				for f, vs := range list {
					if naiveMatch(f, line) {
						for _, v := range vs {
							want[v]++
						}
					}
				}
				require.Equal(t, want, matches(&tree, line), "%q", line)
				require.Equal(t, stored[line], names.Put(line, values[0]))
				stored[line] = values[0]
				continue
			}
			filter, v := line[2:], values[line[1]-'0']
			at := slices.Index(list[filter], v)
			if line[0] == '+' {
				require.Equal(t, len(list[filter]) == 0, tree.Add(filter, v))
				if at < 0 {
					list[filter] = append(list[filter], v)
				}
			} else {
				removed, last := tree.Remove(filter, v)
				require.Equal(t, at >= 0, removed)
				require.Equal(t, at >= 0 && len(list[filter]) == 1, last)
				if at >= 0 {
					list[filter] = slices.Delete(list[filter], at, at+1)
				}
				if last {
					delete(list, filter)
				}
				// The filter's text doubles as the name of something retained.
				require.Equal(t, stored[filter], names.Delete(filter))
				delete(stored, filter)
			}
			require.Equal(t, len(list), tree.Len())
			want := map[string]*int{}
			for name, v := range stored {
				if naiveMatch(filter, name) {
					want[name] = v
				}
			}
			require.Equal(t, want, named(&names, filter), "%q", filter)
		}
		for filter, vs := range list {
			for _, v := range vs {
				tree.Remove(filter, v)
			}
		}
		requireEmpty(t, &tree)
	})
}
