package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

const webIdentity = "sts:AssumeRoleWithWebIdentity"

// trust is a trust policy with the statements given.
func trust(t testing.TB, statements string) *policy.Trust {
	t.Helper()
	p, err := policy.ParseTrust([]byte(`{"Version": "2012-10-17", "Statement": [` + statements + `]}`))
	require.NoError(t, err, statements)
	return p
}

// poolTrust trusts the identities of a pool that have signed in.
const poolTrust = `{"Effect": "Allow", "Principal": {"Federated": "cognito-identity.amazonaws.com"}, "Action": "sts:AssumeRoleWithWebIdentity",
	"Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": "local:pool"}, "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}}}`

func identityOf(pool string, signedIn bool) *policy.Facts {
	return &policy.Facts{Cognito: &policy.Cognito{IdentityID: "local:1", PoolID: pool, Authenticated: signedIn}}
}

func TestTrustDecide(t *testing.T) {
	t.Parallel()
	cognito := []policy.Principal{{Kind: policy.FederatedPrincipal, Name: policy.CognitoProvider}}
	anna := []policy.Principal{
		{Kind: policy.AWSPrincipal, Name: "arn:aws:iam::1:user/anna"}, {Kind: policy.AWSPrincipal, Name: "arn:aws:iam::1:root"}, {Kind: policy.AWSPrincipal, Name: "1"},
	}
	allow := func(principal, more string) string {
		return `{"Effect": "Allow", "Principal": ` + principal + `, "Action": "sts:AssumeRole*"` + more + `}`
	}
	for name, c := range map[string]struct {
		statements, action string
		facts              *policy.Facts
		who                []policy.Principal
		want               policy.Outcome
	}{
		"the pool":                   {poolTrust, webIdentity, identityOf("local:pool", true), cognito, policy.Allowed},
		"the case of the action":     {poolTrust, "STS:assumerolewithwebidentity", identityOf("local:pool", true), cognito, policy.Allowed},
		"another pool":               {poolTrust, webIdentity, identityOf("local:other", true), cognito, policy.ImplicitDeny},
		"a guest":                    {poolTrust, webIdentity, identityOf("local:pool", false), cognito, policy.ImplicitDeny},
		"another action":             {poolTrust, "sts:AssumeRole", identityOf("local:pool", true), cognito, policy.ImplicitDeny},
		"another provider":           {poolTrust, webIdentity, identityOf("local:pool", true), []policy.Principal{{Kind: policy.FederatedPrincipal, Name: "accounts.google.com"}}, policy.ImplicitDeny},
		"another kind of principal":  {poolTrust, webIdentity, identityOf("local:pool", true), []policy.Principal{{Kind: policy.AWSPrincipal, Name: policy.CognitoProvider}}, policy.ImplicitDeny},
		"nobody":                     {poolTrust, webIdentity, identityOf("local:pool", true), nil, policy.ImplicitDeny},
		"without facts":              {poolTrust, webIdentity, nil, cognito, policy.ImplicitDeny},
		"a user":                     {allow(`{"AWS": "arn:aws:iam::1:user/anna"}`, ""), "sts:AssumeRole", nil, anna, policy.Allowed},
		"another user":               {allow(`{"AWS": "arn:aws:iam::1:user/bob"}`, ""), "sts:AssumeRole", nil, anna, policy.ImplicitDeny},
		"one of several":             {allow(`{"AWS": ["2", "1"], "Service": "iot.amazonaws.com"}`, ""), "sts:AssumeRole", nil, anna, policy.Allowed},
		"the account":                {allow(`{"AWS": "arn:aws:iam::1:root"}`, ""), "sts:AssumeRole", nil, anna, policy.Allowed},
		"everybody":                  {allow(`"*"`, ""), "sts:AssumeRole", nil, nil, policy.Allowed},
		"everybody of AWS":           {allow(`{"AWS": "*"}`, ""), "sts:AssumeRole", nil, anna, policy.Allowed},
		"everybody of AWS, a login":  {allow(`{"AWS": "*"}`, ""), webIdentity, nil, cognito, policy.ImplicitDeny},
		"a deny wins":                {allow(`"*"`, "") + `,{"Effect": "Deny", "Principal": {"AWS": "1"}, "Action": "sts:*"}`, "sts:AssumeRole", nil, anna, policy.ExplicitDeny},
		"the deny is about others":   {allow(`"*"`, "") + `,{"Effect": "Deny", "Principal": {"AWS": "2"}, "Action": "sts:*"}`, "sts:AssumeRole", nil, anna, policy.Allowed},
		"NotAction":                  {`{"Effect": "Allow", "Principal": "*", "NotAction": "sts:AssumeRole"}`, "sts:AssumeRole", nil, anna, policy.ImplicitDeny},
		"an external id":             {allow(`{"AWS": "1"}`, `, "Condition": {"StringEquals": {"sts:ExternalId": "x"}}`), "sts:AssumeRole", &policy.Facts{Extra: map[string][]string{"sts:ExternalId": {"x"}}}, anna, policy.Allowed},
		"another external id":        {allow(`{"AWS": "1"}`, `, "Condition": {"StringEquals": {"sts:ExternalId": "x"}}`), "sts:AssumeRole", &policy.Facts{Extra: map[string][]string{"sts:ExternalId": {"X"}}}, anna, policy.ImplicitDeny},
		"no external id":             {allow(`{"AWS": "1"}`, `, "Condition": {"StringEquals": {"sts:ExternalId": "x"}}`), "sts:AssumeRole", nil, anna, policy.ImplicitDeny},
		"in time":                    {allow(`"*"`, `, "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}`), "sts:AssumeRole", &policy.Facts{Now: func() time.Time { return time.Unix(0, 0) }}, anna, policy.Allowed},
		"too late":                   {allow(`"*"`, `, "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}`), "sts:AssumeRole", &policy.Facts{Now: func() time.Time { return time.Unix(2e9, 0) }}, anna, policy.ImplicitDeny},
		"a variable in the value":    {allow(`"*"`, `, "Condition": {"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}`), "sts:AssumeRole", &policy.Facts{Extra: map[string][]string{"sts:RoleSessionName": {"anna"}, "aws:username": {"anna"}}}, anna, policy.Allowed},
		"a key cannot be spoken for": {poolTrust, webIdentity, &policy.Facts{Extra: map[string][]string{"cognito-identity.amazonaws.com:aud": {"local:pool"}, "cognito-identity.amazonaws.com:amr": {"authenticated"}}}, cognito, policy.ImplicitDeny},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := trust(t, c.statements).Decide(c.action, c.facts, c.who...)
			require.Equal(t, c.want, d.Outcome)
			require.Equal(t, c.want != policy.ImplicitDeny, d.Statement != nil)
		})
	}
	var none *policy.Trust
	require.False(t, none.Decide(webIdentity, nil, anna...).Allowed())
}

func TestParseTrustRefuses(t *testing.T) {
	t.Parallel()
	statement := func(members string) string { return `{"Statement": {"Effect": "Allow"` + members + `}}` }
	const action = `, "Action": "sts:AssumeRole"`
	for _, c := range []struct{ text, want string }{
		{`{}`, "Statement is absent"},
		{statement(action), `Statement.Principal is absent, expected "*" or an object`},
		{statement(`, "Principal": "*"`), "Statement.Action is absent"},
		{statement(action + `, "Principal": "*", "Resource": "*"`), `the element "Resource", expected only Sid, Effect, Principal`},
		{statement(action + `, "Principal": "*", "NotResource": "*"`), `the element "NotResource"`},
		{statement(action + `, "NotPrincipal": "*"`), `the element "NotPrincipal"`},
		{statement(action + `, "Principal": "arn:aws:iam::1:root"`), `Statement.Principal is "arn:aws:iam::1:root"`},
		{statement(action + `, "Principal": {}`), "Statement.Principal is an object"},
		{statement(action + `, "Principal": []`), "Statement.Principal is an empty list"},
		{statement(action + `, "Principal": {"CanonicalUser": "x"}`), `the member "CanonicalUser"`},
		{statement(action + `, "Principal": {"AWS": []}`), "Statement.Principal.AWS is an empty list"},
		{statement(action + `, "Principal": {"AWS": [1]}`), "Statement.Principal.AWS[0] is 1"},
		{statement(action + `, "Principal": {"AWS": "arn:aws:iam::1:user/*"}`), "without wildcards"},
		{statement(action + `, "Principal": {"AWS": "user/anna"}`), "an account, or the ARN"},
		{statement(action + `, "Principal": {"AWS": ""}`), `Statement.Principal.AWS is ""`},
		{statement(action + `, "Principal": {"Federated": "*"}`), "the name of a login provider"},
		{statement(action + `, "Principal": {"Federated": "a b"}`), "the name of a login provider"},
		{statement(action + `, "Principal": {"Service": "*.amazonaws.com"}`), "the name of a service"},
		{statement(action + `, "Principal": "*", "Condition": {"StringIs": {}}`), `the operator "StringIs"`},
		{`{"Statement": [` + strings.TrimSuffix(strings.TrimPrefix(poolTrust, ""), "}"), "byte"},
	} {
		_, err := policy.ParseTrust([]byte(c.text))
		require.ErrorIs(t, err, policy.ErrMalformed, c.text)
		require.ErrorContains(t, err, c.want)
	}
	_, err := policy.Parse([]byte(`{"Statement": ` + poolTrust + `}`))
	require.ErrorContains(t, err, `the element "Principal", expected only Sid, Effect, Action, NotAction, Resource`)
}

func TestTrustLint(t *testing.T) {
	t.Parallel()
	federated := func(name, condition string) string {
		return `{"Effect": "Allow", "Principal": {"Federated": "` + name + `"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {` + condition + `}}`
	}
	const (
		cognito = policy.CognitoProvider
		aud     = `"StringEquals": {"cognito-identity.amazonaws.com:aud": "local:pool"}`
		amr     = `"ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}`
		oidc    = "arn:aws:iam::1:oidc-provider/login.example.com/a"
		saml    = "arn:aws:iam::1:saml-provider/corp"
	)
	for _, c := range []struct {
		statement string
		want      []string
	}{
		{federated(cognito, aud+","+amr), nil},
		{federated(cognito, amr), []string{policy.WarnNoAudience}},
		{federated(cognito, aud), []string{policy.WarnGuests}},
		{federated(cognito, aud+`, "StringEqualsIgnoreCase": {"cognito-identity.amazonaws.com:sub": "local:1"}`), nil},
		{federated(cognito, amr+`, "StringLike": {"cognito-identity.amazonaws.com:aud": "*"}`), []string{policy.WarnNoAudience}},
		{federated(cognito, amr+`, "StringLike": {"cognito-identity.amazonaws.com:aud": "local:*"}`), nil},
		{federated(cognito, amr+`, "StringEqualsIfExists": {"cognito-identity.amazonaws.com:aud": "local:pool"}`), []string{policy.WarnNoAudience}},
		{federated(cognito, amr+`, "StringNotEquals": {"cognito-identity.amazonaws.com:aud": "local:pool"}`), []string{policy.WarnNegated, policy.WarnNoAudience}},
		{federated(cognito, amr+`, "ForAllValues:StringEquals": {"cognito-identity.amazonaws.com:aud": "local:pool"}`), []string{policy.WarnForAll, policy.WarnNoAudience}},
		{federated(cognito, amr+`, "Null": {"cognito-identity.amazonaws.com:aud": "false"}`), []string{policy.WarnNoAudience}},
		{federated(oidc, `"StringEquals": {"login.example.com/a:aud": "app"}`), nil},
		{federated(oidc, `"StringEquals": {"login.example.com/a:sub": "anna"}`), []string{policy.WarnNoAudience}},
		{federated("www.amazon.com", `"StringEquals": {"www.amazon.com:app_id": "app"}`), nil},
		{federated(saml, `"StringEquals": {"SAML:aud": "https://hub.example.com/saml"}`), nil},
		{federated(saml, ``), []string{policy.WarnEmpty, policy.WarnNoAudience}},
		{`{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}`, []string{policy.WarnAnyPrincipal}},
		{`{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}`, []string{policy.WarnAnyPrincipal}},
		{`{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}`, nil},
		{`{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:user/anna"}, "Action": "sts:AssumeRole"}`, nil},
		{`{"Effect": "Allow", "Principal": {"AWS": "1"}, "Action": "*"}`, []string{policy.WarnAllActions}},
	} {
		var codes []string
		for _, w := range trust(t, c.statement).Lint() {
			codes = append(codes, w.Code)
			require.NotEmpty(t, w.Path)
			require.NotEmpty(t, w.Text)
		}
		require.Equal(t, c.want, codes, c.statement)
	}
}

// What is trusted without a condition on the pool is trusted whatever the pool: what the
// warning is about.
func TestTrustWithoutAudienceIsAHole(t *testing.T) {
	t.Parallel()
	open := trust(t, `{"Effect": "Allow", "Principal": {"Federated": "cognito-identity.amazonaws.com"}, "Action": "sts:AssumeRoleWithWebIdentity"}`)
	cognito := policy.Principal{Kind: policy.FederatedPrincipal, Name: policy.CognitoProvider}
	require.True(t, open.Decide(webIdentity, identityOf("local:somebody-else's", false), cognito).Allowed())
	require.Equal(t, policy.WarnNoAudience, open.Lint()[0].Code)
	require.Equal(t, "Federated cognito-identity.amazonaws.com", cognito.String())
	require.Equal(t, "*", policy.Principal{Name: "*"}.String())
}

// What can be read can be linted and decided by, means the same when read again, and never
// trusts somebody whom it does not name.
func FuzzTrust(f *testing.F) {
	f.Add(`{"Statement":`+poolTrust+`}`, "cognito-identity.amazonaws.com")
	f.Add(`{"Statement":{"Effect":"Allow","Principal":{"AWS":["1","*"]},"Action":"*","Condition":{"StringLike":{"sts:ExternalId":"${aws:username}*"}}}}`, "1")
	f.Add(`{"Statement":{"Effect":"Allow","Principal":"*","NotAction":"sts:X"}}`, "")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := policy.ParseTrust([]byte(text))
		if err != nil {
			require.ErrorIs(t, err, policy.ErrMalformed)
			return
		}
		p.Lint()
		again, err := policy.ParseTrust(p.JSON())
		require.NoError(t, err)
		for _, kind := range []string{policy.AWSPrincipal, policy.FederatedPrincipal, policy.ServicePrincipal} {
			f := identityOf(name, true)
			f.Extra = map[string][]string{"aws:username": {name}, "sts:ExternalId": {name}}
			f.Now = func() time.Time { return time.Unix(1e9, 0) }
			d := p.Decide(webIdentity, f, policy.Principal{Kind: kind, Name: name})
			require.Equal(t, d.Outcome, again.Decide(webIdentity, f, policy.Principal{Kind: kind, Name: name}).Outcome)
			if d.Allowed() && name != "" && !strings.Contains(text, `*`) && !strings.Contains(text, `\`) {
				require.Contains(t, text, name, "somebody is trusted who is not named")
			}
		}
	})
}

func BenchmarkTrustDecide(b *testing.B) {
	p, f := trust(b, poolTrust), identityOf("local:pool", true)
	who := policy.Principal{Kind: policy.FederatedPrincipal, Name: policy.CognitoProvider}
	b.ReportAllocs()
	for b.Loop() {
		if !p.Decide(webIdentity, f, who).Allowed() {
			b.Fatal("refused")
		}
	}
}
