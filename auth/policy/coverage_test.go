package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

// unmatched are the indexes of the statements that have not applied.
func unmatched(c *policy.Coverage, p *policy.Program) (list []int) {
	for i, st := range p.Statements() {
		if !c.Matched(st) {
			list = append(list, i)
		}
	}
	return list
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	p := program(
		t,
		`{"Effect": "Allow", "Action": "*", "Resource": "*"}`,
		statement("Allow", "iot:Publish", "topic/${iot:ClientId}/*"),
		statement("Deny", "iot:Publish", "topic/secret"),
		statement("Allow", "iot:Subscribe", "topic/*"),
	)
	b := policy.And(p.Bind(pumpFacts()), program(t, `{"Effect": "Allow", "Action": "*", "Resource": "*"}`).Bind(nil), nil)
	require.Equal(t, policy.ImplicitDeny, b.Publish("pump-0001/a").Outcome)
	c := policy.NewCoverage()
	require.Equal(t, []int{0, 1, 2, 3}, unmatched(c, p))
	p.Watch(c)
	b.Explain("iot:Publish", testScope+"topic/secret")
	require.Equal(t, []int{0, 1, 2, 3}, unmatched(c, p), "to explain is not to ask")
	b.Publish("pump-0001/a")
	require.Equal(t, []int{2, 3}, unmatched(c, p), "also that which did not decide")
	require.True(t, p.Bind(nil).Subscribe("topic/x").Allowed())
	require.True(t, p.Bind(nil).Decide("iot:ListThings", "*").Allowed())
	require.Equal(t, []int{2, 3}, unmatched(c, p))
	p.Watch(nil)
	require.Equal(t, policy.ExplicitDeny, b.Publish("secret").Outcome)
	require.Equal(t, []int{2, 3}, unmatched(c, p), "nobody watches")
	p.Watch(c)
	require.Equal(t, policy.ExplicitDeny, b.Publish("secret").Outcome)
	require.Equal(t, []int{3}, unmatched(c, p))
	require.False(t, c.Matched(nil))
	require.False(t, c.Matched(&policy.Statement{}))
	c.Forget("p")
	require.Equal(t, []int{0, 1, 2, 3}, unmatched(c, p))

	// An identity's own policies are asked only about what they count for.
	own := program(t, `{"Effect": "Allow", "Action": "iot:ListThings", "Resource": "*"}`, `{"Effect": "Allow", "Action": "iot:GetThingShadow", "Resource": "*"}`)
	own.Watch(c)
	both := policy.AndIdentity(p.Bind(nil), own.Bind(nil))
	require.True(t, both.Decide("iot:ListThings", "*").Allowed())
	require.True(t, both.Decide("iot:GetThingShadow", testScope+"thing/t").Allowed())
	require.Equal(t, []int{0}, unmatched(c, own))
}

// Whatever a statement is like, it is noted when it applies and not before.
func TestCoverageOfAllKinds(t *testing.T) {
	t.Parallel()
	conditions := func(effect, action, conditions string) string {
		return fmt.Sprintf(`{"Effect": %q, "Action": %q, "Resource": "*", "Condition": {%s}}`, effect, action, conditions)
	}
	for _, c := range []struct {
		about, statement      string
		action, miss, applies string
	}{
		{"plain", statement("Allow", "iot:Publish", "topic/a"), "iot:Publish", "topic/b", "topic/a"},
		{"stars", statement("Deny", "iot:Receive", "topic/a*b*"), "iot:Receive", "topic/a", "topic/a/b/c"},
		{"a variable", statement("Allow", "iot:Connect", "client/${iot:ClientId}"), "iot:Connect", "client/pump-0002", "client/pump-0001"},
		{"between stars", statement("Allow", "iot:RetainPublish", "topic/*/${iot:ClientId}/*"), "iot:RetainPublish", "topic/a/pump-000/b", "topic/a/pump-0001/b"},
		{"at the front", `{"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:${x:service}:us-east-1:123456789012:topic/a"}`, "iot:Publish", "topic/b", "topic/a"},
		{"NotResource", `{"Effect": "Deny", "Action": "iot:Publish", "NotResource": "` + testScope + `topic/${iot:ClientId}/*"}`, "iot:Publish", "topic/pump-0001/a", "topic/a"},
		{"a shared filter", statement("Allow", "iot:Subscribe", "topicfilter/a/#"), "iot:Subscribe", "topicfilter/$share/g/b/#", "topicfilter/$share/g/a/#"},
		{"another action", statement("Allow", "iot:GetThingShadow", "thing/${iot:ClientId}"), "iot:GetThingShadow", "thing/t", "thing/pump-0001"},
		{"a wider action", statement("Allow", "iot:*", "t*/a"), "iot:UpdateThingShadow", "thing/b", "thing/a"},
		{"slow", conditions("Allow", "iot:Publish", `"StringLike": {"aws:CurrentTime": "20*"}`), "iot:Receive", "topic/a", ""},
		{"in time", conditions("Allow", "iot:Publish", `"DateGreaterThan": {"aws:CurrentTime": "2020-01-01"}`), "iot:Receive", "topic/a", ""},
		{"out of time", conditions("Allow", "iot:Publish", `"DateLessThan": {"aws:CurrentTime": "2020-01-01"}`), "iot:Publish", "topic/a", "-"},
		{"a condition", conditions("Deny", "iot:Publish", `"Bool": {"aws:SecureTransport": true}`), "iot:Receive", "topic/a", ""},
		{"a condition that fails", conditions("Deny", "iot:Publish", `"Bool": {"aws:SecureTransport": false}`), "iot:Publish", "topic/a", "-"},
	} {
		f := pumpFacts()
		f.Extra = map[string][]string{"x:service": {"iot"}}
		f.Now = func() time.Time { return time.Unix(1700000000, 0) }
		p := program(t, c.statement)
		b := p.Bind(f)
		cover := policy.NewCoverage()
		p.Watch(cover)
		b.Decide(c.action, testScope+c.miss)
		require.False(t, cover.Matched(p.Statements()[0]), c.about)
		switch c.applies {
		case "-":
			continue
		case "":
			c.action, c.applies = "iot:Publish", "topic/a"
		}
		for range 2 {
			b.Decide(c.action, testScope+c.applies)
			require.True(t, cover.Matched(p.Statements()[0]), c.about)
		}
	}
}

// A statement is known by what it says, in whatever version and set of policies.
func TestCoverageKeepsStatements(t *testing.T) {
	t.Parallel()
	named := func(name, version string, statements string) policy.Named {
		doc, err := policy.Parse([]byte(`{"Version": "` + version + `", "Statement": [` + statements + `]}`))
		require.NoError(t, err)
		return policy.Named{Name: name, Doc: doc}
	}
	compile := func(n ...policy.Named) *policy.Program {
		p, err := policy.Compile(testScope, n...)
		require.NoError(t, err)
		return p
	}
	const now, old = policy.Version2012, policy.Version2008
	a, b := statement("Allow", "iot:Publish", "topic/a"), statement("Allow", "iot:Publish", "topic/b")
	cover := policy.NewCoverage()
	first := compile(named("p", now, a+","+b), named("q", now, a))
	first.Watch(cover)
	require.True(t, first.Bind(nil).Publish("a").Allowed())
	require.Equal(t, []int{1}, unmatched(cover, first))

	next := compile(named("p", now, b+","+`{"Sid": "A", `+a[1:]+","+statement("Deny", "iot:Publish", "topic/a")))
	next.Watch(cover)
	require.Equal(t, []int{0, 2}, unmatched(cover, next), "what stayed is known, under another name and in another place")
	require.True(t, first.Bind(nil).Publish("b").Allowed())
	require.Equal(t, []int{2}, unmatched(cover, next), "and what another program finds")
	require.Equal(t, []int{0}, unmatched(cover, compile(named("r", now, a))), "the policy counts")
	require.Equal(t, []int{0}, unmatched(cover, compile(named("p", old, a))), "and the version of the language")

	carried := named("p", now, statement("Allow", "iot:Publish", "topic/c"))
	carried.Transient = true
	once := compile(carried)
	once.Watch(cover)
	require.True(t, once.Bind(nil).Publish("c").Allowed())
	require.True(t, once.Bind(nil).Decide("iot:publish", testScope+"topic/c").Allowed())
	require.Equal(t, []int{0}, unmatched(cover, once), "what came with credentials is left out")

	broken, err := policy.Compile(testScope, policy.Broken("p", nil))
	require.Error(t, err)
	broken.Watch(cover)
	require.False(t, broken.Bind(nil).Publish("a").Allowed())
}

// Not parallel: AllocsPerRun counts what the whole process allocates.
func TestAllocsWatched(t *testing.T) {
	p := program(t, append(withVariables(20), statement("Allow", "iot:Subscribe", "topicfilter/cmd/${iot:ClientId}/*"))...)
	b := p.Bind(pumpFacts())
	cover := policy.NewCoverage()
	p.Watch(cover)
	both := policy.And(b, b)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b.Publish("dt/pump-0001/kind-0")
		b.Publish("dt/pump-0002/kind-0")
		both.Publish("dt/pump-0001/secret-4/x")
		b.Subscribe("$share/g/cmd/pump-0001/#")
	}))
	require.Len(t, unmatched(cover, p), 18)
}
