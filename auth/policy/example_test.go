package policy_test

import (
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth/policy"
)

const examplePolicy = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:local:000000000000:client/${iot:Connection.Thing.ThingName}"},
    {"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:iot:local:000000000000:topic/dt/${iot:ClientId}/*"},
    {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "arn:aws:iot:local:000000000000:topic/cmd/${iot:ClientId}/*"}
  ]
}`

const exampleScope = "arn:aws:iot:local:000000000000:"

func examplePump() *policy.Bound {
	doc, err := policy.Parse([]byte(examplePolicy))
	if err != nil {
		panic(err)
	}
	program, err := policy.Compile(exampleScope, policy.Named{Name: "pump", Doc: doc})
	if err != nil {
		panic(err)
	}
	return program.Bind(&policy.Facts{
		ClientID: "pump-1",
		Thing:    policy.Thing{Name: "pump-1", Attached: true},
	})
}

func Example() {
	doc, err := policy.Parse([]byte(examplePolicy))
	if err != nil {
		fmt.Println(err)
		return
	}
	program, err := policy.Compile(exampleScope, policy.Named{Name: "pump", Doc: doc})
	if err != nil {
		fmt.Println(err)
		return
	}
	pump := program.Bind(&policy.Facts{
		ClientID: "pump-1",
		Thing:    policy.Thing{Name: "pump-1", Attached: true},
	})
	fmt.Println(pump.Connect("pump-1").Allowed())
	fmt.Println(pump.Publish("dt/pump-1/temp").Allowed())
	fmt.Println(pump.Publish("dt/pump-2/temp").Allowed())
	// Output:
	// true
	// true
	// false
}

func ExampleBound_Explain() {
	fmt.Println(examplePump().Explain("iot:Subscribe", exampleScope+"topicfilter/cmd/pump-1/#").Reason())
	// Output:
	// no statement allows iot:Subscribe on topicfilter/cmd/pump-1/#; policy "pump" Statement[2] allows topic/cmd/pump-1/#, iot:Subscribe needs topicfilter/
}

func ExampleLint() {
	doc, err := policy.Parse([]byte(examplePolicy))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, w := range policy.Lint(doc) {
		fmt.Println(w)
	}
	// Output:
	// Statement[2].Resource: iot:Subscribe needs topicfilter/, topic/ never matches it [wrong-kind]
	// Statement[2]: allows iot:Subscribe, but nothing allows iot:Receive on topic/: no message arrives [no-receive]
}

func ExampleParse_malformed() {
	_, err := policy.Parse([]byte(`{"Version": "2012-10-17", "Statement": [
		{"Effect": "allow", "Action": "iot:Publish", "Resource": "*"}]}`))
	fmt.Println(err)
	var m *policy.Malformed
	fmt.Println(errors.As(err, &m), m.Path)
	// Output:
	// policy: malformed document: Statement[0].Effect is "allow", expected "Allow" or "Deny"
	// true Statement[0].Effect
}

// A session policy narrows what a role may do.
func ExampleAnd() {
	narrow, err := policy.Parse([]byte(`{"Statement": {"Effect": "Allow", "Action": "iot:Publish",
		"Resource": "arn:aws:iot:local:000000000000:topic/dt/pump-1/temp"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	session, err := policy.Compile(exampleScope, policy.Named{Name: "session", Doc: narrow})
	if err != nil {
		fmt.Println(err)
		return
	}
	both := policy.And(examplePump(), session.Bind(&policy.Facts{ClientID: "pump-1"}))
	fmt.Println(both.Publish("dt/pump-1/temp").Outcome)
	fmt.Println(both.Publish("dt/pump-1/pressure").Outcome)
	// Output:
	// allowed
	// implicit deny
}

// A watched program shows which statements nobody needs.
func ExampleCoverage() {
	doc, err := policy.Parse([]byte(examplePolicy))
	if err != nil {
		fmt.Println(err)
		return
	}
	program, err := policy.Compile(exampleScope, policy.Named{Name: "pump", Doc: doc})
	if err != nil {
		fmt.Println(err)
		return
	}
	pump := program.Bind(&policy.Facts{ClientID: "pump-1"})
	coverage := policy.NewCoverage()
	program.Watch(coverage)
	pump.Publish("dt/pump-1/temp")
	for _, statement := range program.Statements() {
		if !coverage.Matched(statement) {
			fmt.Println(statement)
		}
	}
	// Output:
	// policy "pump" Statement[0]
	// policy "pump" Statement[2]
}

// A role for the users of one identity pool, and the classic hole.
func ExampleTrust_Lint() {
	trust, err := policy.ParseTrust([]byte(`{"Version": "2012-10-17", "Statement": {
		"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
		"Principal": {"Federated": "cognito-identity.amazonaws.com"},
		"Condition": {"ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}}}}`))
	if err != nil {
		panic(err)
	}
	for _, w := range trust.Lint() {
		fmt.Println(w.Code, "at", w.Path)
	}
	// Output: no-audience at Statement.Principal.Federated
}
