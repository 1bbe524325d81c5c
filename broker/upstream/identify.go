package upstream

import (
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/topic"
)

// ClientFromTopic is for Config.Identify: the client id is the level of the topic that
// stands where a pattern has {client}. The first pattern that matches counts.
//
//	upstream.ClientFromTopic("dt/{client}/#", "$aws/things/{client}/#")
//
// It is as true as the upstream's permissions make it: they must let a device publish
// below its own topics alone. The error says which pattern is wrong.
func ClientFromTopic(patterns ...string) (func(m *broker.Message) (clientID, principal string), error) {
	type pattern struct {
		filter string
		level  int
	}
	var all []pattern
	for _, p := range patterns {
		levels := strings.Split(p, "/")
		at := -1
		for i, l := range levels {
			if l == "{client}" {
				if at >= 0 {
					return nil, fmt.Errorf("upstream: the pattern %q has {client} twice, expected it once", p)
				}
				at, levels[i] = i, "+"
			}
		}
		filter := strings.Join(levels, "/")
		if err := topic.CheckFilter(filter); err != nil || at < 0 {
			return nil, fmt.Errorf("upstream: the pattern is %q, expected a topic filter with a level {client}", p)
		}
		all = append(all, pattern{filter, at})
	}
	return func(m *broker.Message) (string, string) {
		for _, p := range all {
			if topic.Match(p.filter, m.Topic) {
				return strings.SplitN(m.Topic, "/", p.level+2)[p.level], ""
			}
		}
		return "", ""
	}, nil
}

// ClientFromProperty is for Config.Identify: the client id is the value of a user
// property. Whoever publishes can write anything there, unless the upstream sets it.
func ClientFromProperty(name string) func(m *broker.Message) (clientID, principal string) {
	return func(m *broker.Message) (string, string) {
		for k, v := range m.UserProperties() {
			if k == name {
				return v, ""
			}
		}
		return "", ""
	}
}

// laneOf says what must stay in order: all of a thing, or of two levels.
func laneOf(name string) string {
	if rest, ok := strings.CutPrefix(name, "$aws/things/"); ok {
		thing, _, _ := strings.Cut(rest, "/")
		return thing
	}
	first := strings.IndexByte(name, '/')
	if first < 0 {
		return name
	}
	second := strings.IndexByte(name[first+1:], '/')
	if second < 0 {
		return name
	}
	return name[:first+1+second]
}

func isSys(s string) bool { return s == "$SYS" || strings.HasPrefix(s, "$SYS/") }
