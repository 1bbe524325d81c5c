package topic_test

import (
	"fmt"
	"slices"

	"github.com/thinghub/thinghub/internal/topic"
)

func Example() {
	type session struct{ client string }
	pump, dashboard := &session{"pump-1"}, &session{"dashboard"}

	var subscriptions topic.Tree[session]
	subscriptions.Add("cmd/pump-1/#", pump)
	subscriptions.Add("cmd/+/start", dashboard)

	var receivers []string
	subscriptions.Match("cmd/pump-1/start", func(s *session) bool {
		receivers = append(receivers, s.client)
		return true
	})
	slices.Sort(receivers)
	fmt.Println(receivers)
	// Output: [dashboard pump-1]
}

func ExampleTree_Remove() {
	type session struct{ client string }
	var tree topic.Tree[session]
	a, b := &session{"a"}, &session{"b"}

	// First and last say when this hub as a whole wants a filter.
	fmt.Println(tree.Add("dt/#", a), tree.Add("dt/#", b))
	fmt.Println(tree.Remove("dt/#", a))
	fmt.Println(tree.Remove("dt/#", b))
	// Output:
	// true false
	// true false
	// true true
}

func ExampleNames() {
	var retained topic.Names[string]
	hot, cold := "21", "4"
	retained.Put("home/kitchen/temp", &hot)
	retained.Put("home/cellar/temp", &cold)

	var lines []string
	retained.Match("home/+/temp", func(name string, v *string) bool {
		lines = append(lines, name+" "+*v)
		return true
	})
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
	// Output:
	// home/cellar/temp 4
	// home/kitchen/temp 21
}

func ExampleMatch() {
	fmt.Println(topic.Match("a/#", "a"))
	fmt.Println(topic.Match("+/+", "/finance"))
	fmt.Println(topic.Match("#", "$SYS/uptime"))
	// Output:
	// true
	// true
	// false
}

func ExampleParseShared() {
	group, inner, shared, err := topic.ParseShared("$share/workers/jobs/#")
	fmt.Println(group, inner, shared, err)
	_, _, _, err = topic.ParseShared("$share/workers")
	fmt.Println(err)
	// Output:
	// workers jobs/# true <nil>
	// topic filter "$share/workers": the share name must be followed by "/" and a filter
}

func ExampleCheckFilter() {
	fmt.Println(topic.CheckFilter("a/#/b"))
	// Output: topic filter "a/#/b": "#" must be the last level
}
