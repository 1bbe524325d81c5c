package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

func lint(t *testing.T, text string) []policy.Warning {
	t.Helper()
	doc, err := policy.Parse([]byte(text))
	require.NoError(t, err, text)
	return policy.Lint(doc)
}

// Each trap is found, and what differs from it a little is not.
func TestLint(t *testing.T) {
	t.Parallel()
	receive := statement("Allow", "iot:Receive", "topic/b")
	when := func(effect, condition string) string {
		return `{"Effect": "` + effect + `", "Action": "iot:Publish", "Resource": "*", "Condition": {` + condition + `}}`
	}
	for _, c := range []struct{ code, path, trap, fine string }{
		{policy.WarnKind, "Statement[0].Resource", statement("Allow", "iot:Subscribe", "topic/a"), statement("Allow", "iot:Subscribe", "topicfilter/a")},
		{policy.WarnKind, "Statement[0].Resource", statement("Deny", "iot:Receive", "topicfilter/a"), statement("Deny", "iot:Receive", "topic/a")},
		{
			policy.WarnKind, "Statement[0].Resource[1]",
			`{"Effect": "Allow", "Action": "iot:Publish", "Resource": ["*", "` + testScope + `topicfilter/a"]}`,
			`{"Effect": "Allow", "Action": "iot:*", "Resource": ["*", "` + testScope + `topicfilter/a"]}`,
		},
		{
			policy.WarnFilterHole, "Statement[0].Resource", statement("Deny", "iot:Subscribe", "topicfilter/a/*"),
			statement("Deny", "iot:Subscribe", "topicfilter/a/*") + "," + statement("Deny", "iot:Receive", "topic/a*"),
		},
		{
			policy.WarnNoReceive, "Statement[0]", `{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "` + testScope + `topicfilter/a"}`,
			`{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "` + testScope + `topicfilter/a"},` + statement("Allow", "iot:Rec*", "topic/a"),
		},
		{
			policy.WarnRetain, "Statement[0]", statement("Allow", "iot:RetainPublish", "topic/a"),
			statement("Allow", "iot:RetainPublish", "topic/a") + "," + statement("Allow", "iot:Publish", "topic/a"),
		},
		{policy.WarnMQTTWildcard, "Statement[0].Resource", statement("Allow", "iot:Publish", "topic/a/#"), statement("Allow", "iot:Publish", "topic/a/*")},
		{policy.WarnMQTTWildcard, "Statement[0].Resource", statement("Allow", "iot:Publish", "topic/+/a"), statement("Allow", "iot:Subscribe", "topicfilter/+/a")},
		{policy.WarnQuestionMark, "Statement[0].Resource", statement("Allow", "iot:Subscribe", "topicfilter/?/a"), statement("Deny", "iot:Subscribe", "topicfilter/?/a")},
		{policy.WarnDenyVariable, "Statement[0].Resource", statement("Deny", "iot:Publish", "topic/${iot:ClientId}"), statement("Deny", "iot:Publish", "topic/${*}")},
		{policy.WarnUnknownVariable, "Statement[0].Resource", statement("Allow", "iot:Publish", "topic/${iot:Thing.ThingName}"), statement("Allow", "iot:Publish", "topic/${iot:Connection.Thing.ThingName}")},
		{policy.WarnUnknownVariable, "Statement[0].Resource", statement("Allow", "iot:Publish", "topic/${iot:Certificate.Subject.CommonName.List}"), statement("Allow", "iot:Publish", "topic/${iot:Certificate.Subject.CommonName.0}")},
		{policy.WarnUnknownVariable, "Statement[0].Resource", statement("Allow", "iot:Publish", "topic/${aws:username, x}"), statement("Allow", "iot:Publish", "topic/${aws:username, 'x'}")},
		{policy.WarnUnknownVariable, "Statement[0].Resource", statement("Allow", "iot:Publish", "topic/${iot:Thing.ThingName, 'x'}"), statement("Allow", "iot:Publish", "topic/${iot:Connection.Thing.Attributes[a,'b']}")},
		{policy.WarnDenyVariable, "Statement[0].Resource", statement("Deny", "iot:Publish", "topic/${iot:ClientId}/${x:y, 'z'}"), statement("Deny", "iot:Publish", "topic/${iot:ClientId, 'x'}")},
		{policy.WarnAnyClient, "Statement[0].Resource", statement("Allow", "iot:Connect", "client/*"), statement("Allow", "iot:Connect", "client/${iot:ClientId}")},
		{
			policy.WarnAnyClient, "Statement[0].Resource", `{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}`,
			`{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*", "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}}`,
		},
		{
			policy.WarnNegated, "Statement[0].Condition.StringNotEquals.iot:DomainName",
			when("Allow", `"StringNotEquals": {"iot:DomainName": "a"}`), when("Allow", `"StringNotEquals": {"iot:DomainName": "a"}, "Null": {"IOT:domainname": false}`),
		},
		{
			policy.WarnNegated, "Statement[0].Condition.DateNotEquals.x:y",
			when("Allow", `"DateNotEquals": {"x:y": "2030-01-01"}`), when("Deny", `"DateNotEquals": {"x:y": "2030-01-01"}`),
		},
		{
			policy.WarnForAll, "Statement[0].Condition.ForAllValues:StringEquals.x:y",
			when("Allow", `"ForAllValues:StringEquals": {"x:y": "a"}`), when("Allow", `"ForAllValues:StringEquals": {"iot:ConnectAttributes": "LastWill"}`),
		},
		{policy.WarnAllActions, "Statement[0].Action", `{"Effect": "Allow", "Action": "iot:*", "Resource": "` + testScope + `topic/a"}`, statement("Deny", "iot:*", "topic/a")},
		{policy.WarnScope, "Statement[0].Resource", `{"Effect": "Allow", "Action": "iot:Publish", "Resource": "arn:aws:iot:*:1:topic/a"}`, statement("Allow", "iot:Publish", "topic/*")},
		{policy.WarnNot, "Statement[0].NotResource", `{"Effect": "Allow", "Action": "iot:Publish", "NotResource": "*"}`, `{"Effect": "Deny", "Action": "iot:Publish", "NotResource": "*"}`},
		{policy.WarnNot, "Statement[0].NotAction", `{"Effect": "Allow", "NotAction": "iot:Publish", "Resource": "` + testScope + `topic/a"}`, `{"Effect": "Deny", "NotAction": "iot:Publish", "Resource": "*"}`},
		{policy.WarnNoSlash, "Statement[0].Resource", statement("Allow", "iot:Publish", "topic/$aws/things/t1*"), statement("Allow", "iot:Publish", "topic/$aws/things/t1/*")},
		{policy.WarnNoSlash, "Statement[0].Resource", statement("Allow", "iot:Publish", "topic/${iot:ClientId}*"), statement("Allow", "iot:Publish", "topic/${iot:ClientId}/*")},
		{policy.WarnAction, "Statement[0].Action", statement("Allow", "iot:Publish ", "topic/a"), statement("Allow", "iot:Publish", "topic/a")},
		{policy.WarnLiteral, "Statement[0].Condition.StringEquals.x:y", when("Allow", `"StringEquals": {"x:y": "a*"}`), when("Allow", `"StringLike": {"x:y": "a*"}`)},
		{policy.WarnEmpty, "Statement[0].Condition.StringEquals.x:y", when("Allow", `"StringEquals": {"x:y": []}`), when("Allow", `"StringEquals": {"x:y": [""]}`)},
		{policy.WarnEmpty, "Statement[0].Condition.Bool", when("Allow", `"Bool": {}`), when("Allow", `"Bool": {"x:y": true}`)},
		{policy.WarnEmpty, "Statement[0].Condition", when("Allow", ``), when("Allow", `"Bool": {"x:y": true}`)},
		{policy.WarnValue, "Statement[0].Condition.DateLessThan.x:y[1]", when("Deny", `"DateLessThan": {"x:y": ["2030-01", 2030]}`), when("Deny", `"DateLessThan": {"x:y": ["2030-01-01", 20300]}`)},
		{policy.WarnValue, "Statement[0].Condition.ArnLike.x:y", when("Deny", `"ArnLike": {"x:y": "*"}`), when("Deny", `"ArnLike": {"x:y": "arn:*:*:*:*:*"}`)},
		{policy.WarnSid, "Statement[1].Sid", `{"Sid": "a", ` + receive[1:] + `, {"Sid": "a", ` + receive[1:], `{"Sid": "a", ` + receive[1:] + `, {"Sid": "b", ` + receive[1:]},
	} {
		codes := func(statements string) map[string][]string {
			found := map[string][]string{}
			for _, w := range lint(t, `{"Version": "2012-10-17", "Statement": [`+statements+`]}`) {
				found[w.Code] = append(found[w.Code], w.Path)
				require.NotEmpty(t, w.Text)
			}
			return found
		}
		require.Equal(t, []string{c.path}, codes(c.trap)[c.code], "%s in %s", c.code, c.trap)
		require.NotContains(t, codes(c.fine), c.code, c.fine)
	}
}

func TestLintVersion(t *testing.T) {
	t.Parallel()
	text := `{"Statement": {"Effect": "Allow", "Action": "iot:Publish", "Resource": "` + testScope + `topic/${iot:ClientId}"}}`
	require.Equal(t, `Statement.Resource: ${...} is plain text without "Version": "2012-10-17" [no-version]`, lint(t, text)[0].String())
	require.Len(t, lint(t, text), 1)
}

// A policy as the documentation recommends it has no warnings.
func TestLintIsQuiet(t *testing.T) {
	t.Parallel()
	require.Empty(t, lint(t, `{"Version": "2012-10-17", "Statement": [
		`+statement("Allow", "iot:Connect", "client/${iot:Connection.Thing.ThingName}")+`,
		`+statement("Allow", "iot:Publish", "topic/dt/${iot:Connection.Thing.ThingName}/*")+`,
		`+statement("Allow", "iot:Subscribe", "topicfilter/cmd/${iot:Connection.Thing.ThingName}/*")+`,
		`+statement("Allow", "iot:Receive", "topic/cmd/${iot:Connection.Thing.ThingName}/*")+`]}`))
}
