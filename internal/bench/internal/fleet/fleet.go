// Package fleet makes the clients of the load generator known to a hub: a user for each
// connection of a scenario, and the policy that all of them have.
package fleet

import (
	"fmt"
	"strings"
)

// Password is that of every user.
const Password = "bench-password"

// User is the user name of connection n of a scenario, in the order in which they are
// opened for the first time.
func User(n int) string { return fmt.Sprintf("client-%d", n) }

// A Statement is one of a policy document.
type Statement struct {
	Effect           string
	Action, Resource []string
}

// A Document is a policy document; encoding/json writes it.
type Document struct {
	Version   string
	Statement []Statement
}

// scope is how a hub's resource names begin that was not told its account and region.
const scope = "arn:aws:iot:local:000000000000:"

// The first and the last part of the topics of the scenarios: between them are names of
// clients or numbers.
var roots = []struct{ scenario, root, leaf string }{
	{"fanin", "fan/in", "data"},
	{"fanout", "fan/out", "topic"},
	{"pairs", "pair", "data"},
	{"wildcard", "w", "m"},
	{"shared", "jobs", "q"},
	{"retained", "ret", "state"},
	{"persist", "dur", "cmd"},
	{"idle", "dev", "cmd"},
}

// Policy has n statements, Least at the least: the grants of all scenarios, and before them
// statements that look like those and are about other topics. The look-alikes are about
// the topics of all scenarios in turn or, if it is not empty, of the one that is named.
func Policy(n int, only string) (Document, error) {
	if n < Least {
		return Document{}, fmt.Errorf("a policy of %d statements, expected %d at the least", n, Least)
	}
	among := roots
	if only == "latency" { // which has the topics of pairs
		only = "pairs"
	}
	if only != "" {
		among = nil
		for _, r := range roots {
			if r.scenario == only {
				among = append(among, r)
			}
		}
		if among == nil {
			return Document{}, fmt.Errorf("statements about the topics of scenario %q, expected one of mqttload", only)
		}
	}
	d := Document{Version: "2012-10-17"}
	for i := range n - Least {
		r := among[i%len(among)]
		d.Statement = append(d.Statement, lookAlike(i, r.root, r.leaf))
	}
	d.Statement = append(d.Statement, grants()...)
	return d, nil
}

// lookAlike begins or ends as the topics that are used do, or both, and matches none.
func lookAlike(i int, root, leaf string) Statement {
	effect, name := "Allow", ""
	switch i % 5 {
	case 0:
		name = fmt.Sprintf("%s/${iot:ClientId}/%s-%d", root, leaf, i)
	case 1:
		name = fmt.Sprintf("%s/*/${iot:ClientId}/%d/%s", root, i, leaf)
	case 2:
		name = fmt.Sprintf("%s/line-%d/*", root, i)
	case 3:
		name = fmt.Sprintf("%s/${iot:ClientId}/*/%d/%s", root, i, leaf)
	default:
		effect, name = "Deny", fmt.Sprintf("%s/${iot:ClientId}/secret-%d/*", root, i)
	}
	return statement(effect, "Publish Receive Subscribe", "topic/"+name, "topicfilter/"+name)
}

// Least is how many statements it takes to allow what the scenarios do.
var Least = len(grants())

// grants are what clients need, each about the topics that are its own where the
// scenario has such.
func grants() []Statement {
	return []Statement{
		statement("Deny", "*", "topic/secret/${iot:ClientId}/*"),
		statement("Allow", "Connect", "client/${iot:ClientId}"),
		statement("Allow", "Publish", "topic/fan/in/${iot:ClientId}/data", "topic/jobs/${iot:ClientId}/q"),
		statement("Allow", "Publish", "topic/fan/out/*", "topic/pair/*/data", "topic/dur/*/cmd"),
		statement("Allow", "Publish", "topic/w/*/m/*"),
		statement("Allow", "Publish RetainPublish", "topic/ret/*/state"),
		statement("Allow", "Subscribe", "topicfilter/pair/${iot:ClientId}/data", "topicfilter/dur/${iot:ClientId}/cmd", "topicfilter/dev/${iot:ClientId}/cmd"),
		statement("Allow", "Subscribe", "topicfilter/fan/out/*", "topicfilter/fan/in/*/data", "topicfilter/jobs/*/q", "topicfilter/ret/#"),
		statement("Allow", "Subscribe", "topicfilter/w/*", "topicfilter/+/*/m/*"),
		statement("Allow", "Receive", "topic/pair/${iot:ClientId}/data", "topic/dur/${iot:ClientId}/cmd", "topic/dev/${iot:ClientId}/cmd"),
		statement("Allow", "Receive", "topic/fan/out/*", "topic/fan/in/*/data", "topic/jobs/*/q", "topic/ret/*/state", "topic/w/*/m/*"),
	}
}

func statement(effect, actions string, resources ...string) Statement {
	st := Statement{Effect: effect}
	for a := range strings.FieldsSeq(actions) {
		st.Action = append(st.Action, "iot:"+a)
	}
	for _, r := range resources {
		st.Resource = append(st.Resource, scope+r)
	}
	return st
}
