package sts_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sts"
)

const narrow = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"}}`

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	role := r.role(t, "reader", "AWS", anna, "", 2*time.Hour)
	a, err := r.AssumeRole(ctx, user("anna"), sts.Request{Role: role, Session: session}, "")
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/reader/anna", a.ARN)
	require.Regexp(t, `^AROA[A-Z2-7]{17}:anna$`, a.UserID)
	require.WithinDuration(t, r.at.Add(time.Hour), a.Expiration, time.Second)
	require.Zero(t, a.PackedPolicySize)
	who := r.holder(t, a.Credentials)
	require.Equal(t, auth.IAM, who.Kind)
	require.Equal(t, role, who.ARN)
	require.Equal(t, a.ARN, who.Principal)
	require.Nil(t, who.Grant)
	require.Equal(t, sts.Caller{UserID: a.UserID, Account: "000000000000", ARN: a.ARN}, r.GetCallerIdentity(who))
	require.Equal(t, sts.Caller{UserID: "AIDAXanna", Account: "000000000000", ARN: anna}, r.GetCallerIdentity(user("anna")))

	a, err = r.AssumeRole(ctx, user("anna"), sts.Request{Role: role, Session: session, Duration: 2 * time.Hour, Policy: narrow}, "")
	require.NoError(t, err)
	require.WithinDuration(t, r.at.Add(2*time.Hour), a.Expiration, time.Second)
	require.Equal(t, []auth.Document{{Name: "session", Text: narrow}}, r.holder(t, a.Credentials).Grant.Session, "the session policy must allow, too")
	require.Nil(t, r.holder(t, a.Credentials).Grant.Policies, "it gives nothing by itself")
	require.Equal(t, 2, a.PackedPolicySize)
}

func TestAssumeRoleRefuses(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	role := r.role(t, "reader", "AWS", anna, "", time.Hour)
	ok := sts.Request{Role: role, Session: session}
	with := func(change func(*sts.Request)) sts.Request {
		c := ok
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		who     *auth.Identity
		request sts.Request
		kind    error
		says    string
	}{
		"somebody else":           {user("bob"), ok, sts.ErrDenied, "sts:AssumeRole"},
		"a device":                {&auth.Identity{Kind: auth.Certificate, Principal: anna, ARN: anna}, ok, sts.ErrDenied, ""},
		"a user of MQTT":          {&auth.Identity{Kind: auth.User, Principal: anna, ARN: anna}, ok, sts.ErrDenied, ""},
		"no such role":            {user("anna"), with(func(r *sts.Request) { r.Role += "x" }), sts.ErrDenied, ""},
		"a role of another hub":   {user("anna"), with(func(r *sts.Request) { r.Role = "arn:aws:iam::111111111111:role/reader" }), sts.ErrDenied, ""},
		"no role":                 {user("anna"), with(func(r *sts.Request) { r.Role = "" }), sts.ErrInvalid, "roleArn"},
		"a name of a role":        {user("anna"), with(func(r *sts.Request) { r.Role = "reader" }), sts.ErrInvalid, "roleArn"},
		"a long role":             {user("anna"), with(func(r *sts.Request) { r.Role = role + strings.Repeat("x", 2048) }), sts.ErrInvalid, "roleArn"},
		"no session":              {user("anna"), with(func(r *sts.Request) { r.Session = "" }), sts.ErrInvalid, "roleSessionName"},
		"a session with a slash":  {user("anna"), with(func(r *sts.Request) { r.Session = "a/b" }), sts.ErrInvalid, "roleSessionName"},
		"a colon in the session":  {user("anna"), with(func(r *sts.Request) { r.Session = "a:b" }), sts.ErrInvalid, "roleSessionName"},
		"longer than the role":    {user("anna"), with(func(r *sts.Request) { r.Duration = 2 * time.Hour }), sts.ErrInvalid, "MaxSessionDuration"},
		"too short":               {user("anna"), with(func(r *sts.Request) { r.Duration = time.Minute }), sts.ErrInvalid, "durationSeconds"},
		"too long":                {user("anna"), with(func(r *sts.Request) { r.Duration = 13 * time.Hour }), sts.ErrInvalid, "durationSeconds"},
		"a policy that is none":   {user("anna"), with(func(r *sts.Request) { r.Policy = "{}" }), sts.ErrMalformedPolicy, "session"},
		"a policy of a role":      {user("anna"), with(func(r *sts.Request) { r.Policy = `{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}` }), sts.ErrMalformedPolicy, "Principal"},
		"a long policy":           {user("anna"), with(func(r *sts.Request) { r.Policy = strings.Replace(narrow, "*", strings.Repeat("*", 2048), 1) }), sts.ErrInvalid, "policy"},
		"a policy of no such ARN": {user("anna"), with(func(r *sts.Request) { r.PolicyARNs = []string{"arn:aws:iam::aws:policy/x"} }), sts.ErrInvalid, "policyArns"},
		"too many policies":       {user("anna"), with(func(r *sts.Request) { r.PolicyARNs = make([]string, 11) }), sts.ErrInvalid, "policyArns"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := r.AssumeRole(ctx, c.who, c.request, "")
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.says)
			e, ok := errors.AsType[*sts.Error](err)
			require.True(t, ok)
			require.NotEmpty(t, e.Code())
		})
	}
}

func TestPolicyARNs(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	broken := errors.New("broken")
	r := newRig(t, func(c *sts.Config) {
		c.Policy = func(_ context.Context, arn string) (auth.Document, error) {
			switch arn {
			case "broken":
				return auth.Document{}, broken
			case "large":
				return auth.Document{Name: arn, Text: narrow + strings.Repeat(" ", 3000)}, nil
			}
			return auth.Document{Name: arn, Text: narrow}, nil
		}
	})
	role := r.role(t, "reader", "AWS", anna, "", time.Hour)
	a, err := r.AssumeRole(ctx, user("anna"), sts.Request{Role: role, Session: session, Policy: narrow, PolicyARNs: []string{"a", "b"}}, "")
	require.NoError(t, err)
	require.Equal(t, []auth.Document{{Name: "session", Text: narrow}, {Name: "a", Text: narrow}, {Name: "b", Text: narrow}}, r.holder(t, a.Credentials).Grant.Session)
	_, err = r.AssumeRole(ctx, user("anna"), sts.Request{Role: role, Session: session, PolicyARNs: []string{"large", "large"}}, "")
	require.ErrorIs(t, err, sts.ErrPolicyTooLarge)
	_, err = r.AssumeRole(ctx, user("anna"), sts.Request{Role: role, Session: session, PolicyARNs: []string{"broken"}}, "")
	require.ErrorIs(t, err, broken)
}

// Somebody who serves many cannot be talked into taking the role of another customer.
func TestConfusedDeputy(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	role := r.role(t, "customer-1", "AWS", "000000000000", `"StringEquals": {"sts:ExternalId": "secret-1"}`, time.Hour)
	for id, kind := range map[string]error{"secret-1": nil, "secret-2": sts.ErrDenied, "": sts.ErrDenied, "x": sts.ErrInvalid, "a b": sts.ErrInvalid} {
		_, err := r.AssumeRole(ctx, user("service"), sts.Request{Role: role, Session: session}, id)
		require.ErrorIs(t, err, kind, id)
	}
	// Attributes of the caller are no external id.
	sly := user("sly")
	sly.Attributes["sts:ExternalId"] = "secret-1"
	_, err := r.AssumeRole(ctx, sly, sts.Request{Role: role, Session: session}, "")
	require.ErrorIs(t, err, sts.ErrDenied)
}

func TestConditionsOfTheCaller(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	for i, c := range []struct {
		condition string
		request   sts.Request
		allowed   bool
	}{
		{`"StringEquals": {"aws:username": "anna"}`, sts.Request{}, true},
		{`"StringEquals": {"aws:username": "bob"}`, sts.Request{}, false},
		{`"ArnEquals": {"aws:PrincipalArn": "` + anna + `"}`, sts.Request{}, true},
		{`"StringEquals": {"aws:PrincipalAccount": "000000000000"}`, sts.Request{}, true},
		{`"StringEquals": {"sts:RoleSessionName": "${aws:username}"}`, sts.Request{}, true},
		{`"StringEquals": {"sts:RoleSessionName": "bob"}`, sts.Request{}, false},
		{`"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}`, sts.Request{Source: netip.MustParseAddr("10.1.2.3")}, true},
		{`"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}`, sts.Request{Source: netip.MustParseAddr("11.1.2.3")}, false},
		{`"Bool": {"aws:SecureTransport": "true"}`, sts.Request{Secure: true}, true},
		{`"Bool": {"aws:SecureTransport": "true"}`, sts.Request{}, false},
		{`"DateLessThan": {"aws:CurrentTime": "2000-01-01"}`, sts.Request{}, false},
	} {
		c.request.Role, c.request.Session = r.role(t, fmt.Sprint("r", i), "AWS", anna, c.condition, time.Hour), session
		_, err := r.AssumeRole(ctx, user("anna"), c.request, "")
		require.Equal(t, c.allowed, err == nil, c.condition)
	}
}

// Who has taken a role takes the next one for an hour at most, and as who they are now.
func TestChainOfRoles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	one := r.role(t, "one", "AWS", anna, "", 12*time.Hour)
	two := r.role(t, "two", "AWS", one, "", 12*time.Hour)
	three := r.role(t, "three", "AWS", "arn:aws:sts::000000000000:assumed-role/two/anna", "", 12*time.Hour)
	_, err := r.AssumeRole(ctx, user("anna"), sts.Request{Role: two, Session: session}, "")
	require.ErrorIs(t, err, sts.ErrDenied)
	a, err := r.AssumeRole(ctx, user("anna"), sts.Request{Role: one, Session: session, Duration: 12 * time.Hour}, "")
	require.NoError(t, err)
	first := r.holder(t, a.Credentials)
	_, err = r.AssumeRole(ctx, first, sts.Request{Role: two, Session: session, Duration: 2 * time.Hour}, "")
	require.ErrorIs(t, err, sts.ErrInvalid)
	require.ErrorContains(t, err, "role chaining")
	a, err = r.AssumeRole(ctx, first, sts.Request{Role: two, Session: session}, "")
	require.NoError(t, err)
	second := r.holder(t, a.Credentials)
	_, err = r.AssumeRole(ctx, second, sts.Request{Role: one, Session: session}, "")
	require.ErrorIs(t, err, sts.ErrDenied, "anna is somebody else now")
	_, err = r.AssumeRole(ctx, second, sts.Request{Role: three, Session: session}, "")
	require.NoError(t, err)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, c := range map[string]sts.Config{
		"Config.Roles":     {},
		"Config.Scope.":    {Roles: r.roles, Scope: sts.Scope{Region: "a b"}},
		"Config.Scope has": {Roles: r.roles, Scope: sts.Scope{Account: "1"}},
		"Config.Providers": {Roles: r.roles, Providers: map[string]auth.TokenVerifier{google: nil}},
		"without scheme":   {Roles: r.roles, Providers: map[string]auth.TokenVerifier{"https://" + google: issuers()[google]}},
		"IdentityPools":    {Roles: r.roles, Providers: map[string]auth.TokenVerifier{"cognito-identity.amazonaws.com": issuers()[google]}},
		"Config.SAML":      {Roles: r.roles, SAML: map[string]sts.AssertionVerifier{"corp": r.idp}},
	} {
		_, err := sts.New(c)
		require.ErrorContains(t, err, name)
	}
}
