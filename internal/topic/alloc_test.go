package topic_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/topic"
)

// Not parallel: AllocsPerRun counts what the whole process allocates.
func TestNoAllocations(t *testing.T) {
	var tree topic.Tree[int]
	var names topic.Names[int]
	v := new(int)
	for i := range 1000 {
		tree.Add(fmt.Sprintf("dev/%d/temp", i), v)
		tree.Add(fmt.Sprintf("dev/%d/+", i), v)
		tree.Add(fmt.Sprintf("dev/%d/#", i), new(int))
		tree.Add("dev/+/temp", new(int))
		tree.Add("+/+/+", v)
		names.Put(fmt.Sprintf("dev/%d/temp", i), v)
	}
	count := 0
	name, missing := "dev/500/temp", "dev/none/of/these"
	for about, f := range map[string]func(){
		"CheckName":    func() { _ = topic.CheckName(name) },
		"CheckFilter":  func() { _ = topic.CheckFilter("dev/+/temp/#") },
		"ParseShared":  func() { _, _, _, _ = topic.ParseShared("$share/g/dev/+/#") },
		"Match":        func() { _ = topic.Match("dev/+/temp", name) },
		"Levels":       func() { topic.Levels(name) },
		"HasWildcard":  func() { topic.HasWildcard(name) },
		"Tree.Match":   func() { tree.Match(name, func(v *int) bool { count += *v + 1; return true }) },
		"Tree.Match 0": func() { tree.Match(missing, func(v *int) bool { count++; return true }) },
		"Tree.All":     func() { tree.All("dev/+/temp", func(v *int) bool { count++; return true }) },
		"Tree.Add":     func() { tree.Add("dev/7/+", v) }, // there already
		"Names.Get":    func() { names.Get(name) },
		"Names.Put":    func() { names.Put(name, v) }, // there already
		"Names.Match":  func() { names.Match("dev/+/temp", func(n string, v *int) bool { count += len(n); return true }) },
		"Names.Match#": func() { names.Match("dev/#", func(n string, v *int) bool { count += len(n); return true }) },
	} {
		require.Zero(t, testing.AllocsPerRun(10, f), about)
	}
	require.NotZero(t, count)
}

// A hub holds millions of these; growing one should be a decision.
func TestSizes(t *testing.T) {
	t.Parallel()
	if strconv.IntSize != 64 {
		t.Skip("figures are for 64 bits")
	}
	require.EqualValues(t, 64, topic.NodeSize)
	require.EqualValues(t, 32, topic.ExactSize)
	require.EqualValues(t, 80, topic.NameSize)
}
