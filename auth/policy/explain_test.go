package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

func TestReasons(t *testing.T) {
	t.Parallel()
	const topic = testScope + "topic/a/b"
	const filter = testScope + "topicfilter/a/b"
	for _, c := range []struct {
		about, action, resource string
		statements              []string
		want                    string
	}{
		{
			"allowed", "iot:Publish", topic,
			[]string{statement("Allow", "iot:Publish", "topic/a/*")},
			`policy "p" Statement[0] allows iot:Publish on topic/a/b`,
		},
		{
			"denied", "iot:Publish", topic,
			[]string{
				statement("Allow", "iot:Publish", "topic/a/*"),
				`{"Sid": "NoB", "Effect": "Deny", "Action": "*", "Resource": "*"}`,
			},
			`policy "p" Statement[1] (NoB) denies iot:Publish on topic/a/b`,
		},
		{
			"topic for topicfilter", "iot:Subscribe", filter,
			[]string{statement("Allow", "iot:Connect", "client/*"), statement("Allow", "iot:Subscribe", "topic/a/*")},
			`no statement allows iot:Subscribe on topicfilter/a/b; policy "p" Statement[1] allows topic/a/b, iot:Subscribe needs topicfilter/`,
		},
		{
			"topicfilter for topic", "iot:Receive", topic,
			[]string{statement("Allow", "iot:Receive", "topicfilter/a/*")},
			`no statement allows iot:Receive on topic/a/b; policy "p" Statement[0] allows topicfilter/a/b, iot:Receive needs topic/`,
		},
		{
			"condition", "iot:Publish", topic,
			[]string{`{"Effect": "Allow", "Action": "iot:Publish", "Resource": "*", "Condition": {
				"StringEquals": {"iot:ClientId": "other"}, "Bool": {"x:none": "true"}, "ForAllValues:StringLike": {"x:two": "3"}}}`},
			`no statement allows iot:Publish on topic/a/b; policy "p" Statement[0] allows it, but ` +
				`StringEquals does not hold, iot:ClientId is "pump-0001" and Bool does not hold, x:none has no value: no such key is known` +
				` and ForAllValues:StringLike does not hold, x:two is ["1" "2"]`,
		},
		{
			"variable", "iot:Publish", topic,
			[]string{statement("Allow", "iot:Publish", "topic/${iot:Thing.ThingName}/b")},
			`no statement allows iot:Publish on topic/a/b; policy "p" Statement[0] uses ${iot:Thing.ThingName}, which has no value: ` +
				`iot:Thing.ThingName is not defined, iot:Connection.Thing.ThingName is`,
		},
		{
			"other action", "iot:Receive", topic,
			[]string{statement("Allow", "iot:publish", "topic/a/*"), `{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}`},
			`no statement allows iot:Receive on topic/a/b; policy "p" Statement[0] allows iot:Publish there, not iot:Receive`,
		},
		{
			"other region", "iot:Publish", topic,
			[]string{`{"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:iot:local:*:topic/a/*"}`},
			`no statement allows iot:Publish on topic/a/b; policy "p" Statement[0] allows it for names that begin with arn:aws:iot:local:*:, these begin with ` + testScope,
		},
		{
			"no more than three", "iot:Subscribe", filter,
			[]string{
				statement("Allow", "iot:Subscribe", "topic/a/b"), statement("Allow", "iot:Subscribe", "topic/a/*"),
				statement("Allow", "iot:Subscribe", "topic/*"), statement("Allow", "iot:Subscribe", "topic/?/b"),
			},
			`no statement allows iot:Subscribe on topicfilter/a/b; policy "p" Statement[0] allows topic/a/b, iot:Subscribe needs topicfilter/` +
				`; policy "p" Statement[1] allows topic/a/b, iot:Subscribe needs topicfilter/; policy "p" Statement[2] allows topic/a/b, iot:Subscribe needs topicfilter/`,
		},
		{
			"shared subscription", "iot:Subscribe", testScope + "topicfilter/$share/g/a/b",
			[]string{statement("Allow", "iot:Subscribe", "topicfilter/a/*"), statement("Deny", "iot:Subscribe", "topicfilter/$share/h/*")},
			`policy "p" Statement[0] allows iot:Subscribe on topicfilter/$share/g/a/b`,
		},
		{
			"nothing near", "iot:ListThings", "*",
			[]string{statement("Allow", "iot:Publish", "topic/a/*")},
			`no statement allows iot:ListThings on *`,
		},
	} {
		f := pumpFacts()
		f.Extra = map[string][]string{"x:two": {"1", "2"}}
		require.Equal(t, c.want, program(t, c.statements...).Bind(f).Explain(c.action, c.resource).Reason(), c.about)
	}
}

// Each reason a variable has no value is told.
func TestReasonsForVariables(t *testing.T) {
	t.Parallel()
	f := pumpFacts()
	f.Extra = map[string][]string{"x:two": {"1", "2"}, "x:bad": {"\xff"}}
	f.Certificate = map[string][]string{"Subject.CommonName": {"a*"}, "Subject.Title": {string(make([]byte, 1025))}}
	overHTTP := *f
	overHTTP.HTTP = true
	none := &policy.Facts{ClientID: "c"}
	detached := *f
	detached.Thing.Attached = false
	bare := *f
	bare.Thing.Type = ""
	for _, c := range []struct {
		facts      *policy.Facts
		name, want string
	}{
		{&overHTTP, "iot:ClientId", "there is none over HTTP"},
		{&overHTTP, "iot:Connection.Thing.IsAttached", "there is none over HTTP"},
		{&overHTTP, "iot:Connection.Thing.ThingName", "there is none over HTTP"},
		{none, "iot:Connection.Thing.ThingName", "no thing has the name of the client id"},
		{&detached, "iot:Connection.Thing.ThingName", "the principal is not attached to the thing"},
		{&bare, "iot:Connection.Thing.ThingTypeName", "the thing has no type"},
		{f, "iot:Connection.Thing.Attributes[x]", "the thing has no such attribute"},
		{none, "iot:CertificateId", "there is no certificate"},
		{none, "iot:Certificate.Subject.CommonName", "there is no certificate"},
		{f, "iot:Certificate.Subject.CommonName.1", "the certificate has no such field or value"},
		{f, "iot:Certificate.Subject.CommonName", "its value has one of * $ + ? # and comes from a certificate"},
		{f, "iot:Certificate.Subject.Title", "its value comes from a certificate and is longer than 1024 characters"},
		{f, "cognito-identity.amazonaws.com:sub", "the principal is no Cognito identity"},
		{f, "cognito-identity.amazonaws.com:aud", "the principal is no Cognito identity"},
		{f, "cognito-identity.amazonaws.com:amr", "the principal is no Cognito identity"},
		{none, "aws:SourceIp", "the connection has none"},
		{none, "iot:DomainName", "the connection has none"},
		{none, "iot:LastWillTopic", "the connection has none"},
		{none, "iot:ConnectAttributes", "the connection has none"},
		{f, "x:two", "it has several values"},
		{f, "x:bad", "its value is not UTF-8"},
		{f, "x:none", "no such key is known"},
	} {
		b := program(t, statement("Allow", "iot:Publish", "topic/${"+c.name+"}")).Bind(c.facts)
		e := b.Explain("iot:Publish", testScope+"topic/a")
		require.Equal(t, []policy.Unresolved{{Name: c.name, Why: c.want}}, e.Findings[0].Unresolved)
		require.Equal(t, []string{c.name}, e.Missing)
	}
}

func TestMissingContext(t *testing.T) {
	t.Parallel()
	b := program(
		t,
		`{"Effect": "Allow", "Action": "iot:Publish", "Resource": "*", "Condition": {"StringEquals": {"x:z": "1", "X:A": "${x:b}", "iot:ClientId": "other"}}}`,
		`{"Effect": "Deny", "Action": "iot:Publish", "Resource": "`+testScope+`topic/${x:b}", "Condition": {"StringNotEquals": {"x:held": "1"}}}`,
		`{"Effect": "Allow", "Action": "iot:Receive", "Resource": "`+testScope+`topic/${x:elsewhere}"}`,
	).Bind(pumpFacts())
	e := b.Explain("iot:Publish", testScope+"topic/a")
	// x:held is missing, too; but StringNotEquals holds without it.
	require.Equal(t, []string{"X:A", "x:b", "x:z"}, e.Missing)
	require.Len(t, e.Findings, 3)
	require.Equal(t, policy.Finding{
		Statement: e.Findings[2].Statement, Condition: true, Unresolved: []policy.Unresolved{{Name: "x:elsewhere", Why: "no such key is known"}},
	}, e.Findings[2])
	require.Equal(t, "Statement[0].Condition.StringEquals.x:z", e.Findings[0].Failed[0].Path)
	require.Equal(t, 0, e.Findings[0].Statement.Index)
}

func TestHalves(t *testing.T) {
	t.Parallel()
	all := program(t, `{"Effect": "Allow", "Action": "*", "Resource": "*"}`).Bind(nil)
	some := program(t, statement("Allow", "iot:Publish", "topic/a")).Bind(nil)
	no := program(t, `{"Effect": "Deny", "Action": "*", "Resource": "*"}`).Bind(nil)
	list := testScope + "thing/t"
	for _, c := range []struct {
		about  string
		b      *policy.Bound
		a, x   policy.Outcome // publishing to a and to x
		things policy.Outcome // iot:ListThings
		shadow policy.Outcome // iot:GetThingShadow
	}{
		{"one", policy.And(all), policy.Allowed, policy.Allowed, policy.Allowed, policy.Allowed},
		{"two", policy.And(all, some), policy.Allowed, policy.ImplicitDeny, policy.ImplicitDeny, policy.ImplicitDeny},
		{"turned", policy.And(some, all), policy.Allowed, policy.ImplicitDeny, policy.ImplicitDeny, policy.ImplicitDeny},
		{"deny wins", policy.And(some, no), policy.ExplicitDeny, policy.ExplicitDeny, policy.ExplicitDeny, policy.ExplicitDeny},
		{"nested", policy.And(policy.And(all, some), all), policy.Allowed, policy.ImplicitDeny, policy.ImplicitDeny, policy.ImplicitDeny},
		{"identity", policy.AndIdentity(all, some), policy.Allowed, policy.ImplicitDeny, policy.Allowed, policy.ImplicitDeny},
		{"identity denies", policy.AndIdentity(all, no), policy.ExplicitDeny, policy.ExplicitDeny, policy.Allowed, policy.ExplicitDeny},
		{"no identity", policy.AndIdentity(all, nil), policy.ImplicitDeny, policy.ImplicitDeny, policy.Allowed, policy.ImplicitDeny},
		{"role is narrow", policy.AndIdentity(some, all), policy.Allowed, policy.ImplicitDeny, policy.ImplicitDeny, policy.ImplicitDeny},
		{"one is nil", policy.And(all, nil), policy.ImplicitDeny, policy.ImplicitDeny, policy.ImplicitDeny, policy.ImplicitDeny},
	} {
		require.Equal(t, c.a, c.b.Publish("a").Outcome, c.about)
		require.Equal(t, c.x, c.b.Publish("x").Outcome, c.about)
		require.Equal(t, c.things, c.b.Decide("iot:LISTThings", list).Outcome, c.about)
		require.Equal(t, c.shadow, c.b.Decide("iot:GetThingShadow", list).Outcome, c.about)
		for action, want := range map[string]policy.Outcome{"iot:Publish": c.a, "iot:GetThingShadow": c.shadow, "iot:ListThings": c.things} {
			resource := list
			if action == "iot:Publish" {
				resource = testScope + "topic/a"
			}
			e := c.b.Explain(action, resource)
			require.Equal(t, want, e.Decision.Outcome, c.about)
			require.Equal(t, want, outcomeOf(e), "%s: %s", c.about, e.Reason())
		}
	}
	reason := policy.And(all, some).Explain("iot:Publish", testScope+"topic/b").Reason()
	require.Equal(t, "not every set of policies allows iot:Publish on topic/b", reason)
}
