package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

// Not parallel: AllocsPerRun counts what the whole process allocates.
func TestAllocsDecisions(t *testing.T) {
	list := withVariables(20)
	list = append(
		list,
		`{"Effect": "Deny", "Action": "iot:Publish", "NotResource": "`+testScope+`topic/*"}`,
		`{"Effect": "Allow", "Action": "iot:*", "Resource": "*", "Condition": {
			"DateGreaterThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}, "NumericLessThan": {"aws:EpochTime": "1"}}}`,
		statement("Allow", "iot:Subscribe", "topicfilter/cmd/${iot:ClientId}/*"),
		statement("Allow", "iot:Connect", "client/${iot:ClientId}"),
	)
	p := program(t, list...)
	f := pumpFacts()
	f.Now = func() time.Time { return time.Unix(1700000000, 0) }
	b := p.Bind(f)
	both := policy.AndIdentity(b, p.Bind(f))
	for about, d := range map[string]func() policy.Decision{
		"Publish":         func() policy.Decision { return b.Publish("dt/pump-0001/kind-0") },
		"Publish denied":  func() policy.Decision { return b.Publish("dt/pump-0001/secret-4/x") },
		"Publish other":   func() policy.Decision { return b.Publish("dt/pump-0002/kind-0") },
		"PublishRetained": func() policy.Decision { return b.PublishRetained("dt/pump-0001/kind-0") },
		"Receive":         func() policy.Decision { return b.Receive("dt/pump-0001/kind-0") },
		"Subscribe":       func() policy.Decision { return b.Subscribe("cmd/pump-0001/#") },
		"shared":          func() policy.Decision { return b.Subscribe("$share/g/cmd/pump-0001/#") },
		"Connect":         func() policy.Decision { return b.Connect("pump-0001") },
		"Decide":          func() policy.Decision { return b.Decide("iot:Publish", testScope+"topic/dt/pump-0001/kind-0") },
		"halves":          func() policy.Decision { return both.Publish("dt/pump-0001/kind-0") },
	} {
		require.Zero(t, testing.AllocsPerRun(100, func() { d() }), about)
	}
	require.True(t, both.Publish("dt/pump-0001/kind-0").Allowed())
	require.True(t, both.Subscribe("$share/g/cmd/pump-0001/#").Allowed())
	require.Equal(t, policy.ExplicitDeny, both.Publish("dt/pump-0001/secret-4/x").Outcome)
}

// A hub keeps a Bound for each connection; more of them should be a decision.
func TestAllocsBind(t *testing.T) {
	f := pumpFacts()
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { program20.Bind(f) }), 3.0)
	many := program(t, withVariables(200)...)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { many.Bind(f) }), 3.0, "not for each statement")
	fixed := program(t, statement("Allow", "iot:Publish", "topic/a/*"), statement("Deny", "iot:Publish", "topic/a/b"))
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { fixed.Bind(f) }), 1.0)
}

var program20 = func() *policy.Program {
	var list []policy.Named
	for _, text := range withVariables(20) {
		doc, err := policy.Parse([]byte(`{"Version": "2012-10-17", "Statement": ` + text + `}`))
		if err != nil {
			panic(err)
		}
		list = append(list, policy.Named{Name: "p", Doc: doc})
	}
	p, err := policy.Compile(testScope, list...)
	if err != nil {
		panic(err)
	}
	return p
}()
