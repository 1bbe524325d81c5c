package sts_test

import (
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sts"
)

// was requires what was told since the last time: the operation, the outcome, who it was,
// and why.
func (r *rig) was(t testing.TB, want ...string) (events []auth.Event) {
	t.Helper()
	r.mu.Lock()
	events, r.events = r.events, nil
	r.mu.Unlock()
	var got []string
	for _, e := range events {
		require.Equal(t, "sts", e.Service)
		require.Equal(t, e.Outcome == auth.Accepted, e.Err == nil)
		text := e.Operation + " " + e.Outcome.String() + " <" + e.Principal + ">"
		if e.Err != nil {
			text += " " + strings.ReplaceAll(e.Why(), "sts: ", "")
		}
		got = append(got, text)
	}
	require.Equal(t, want, got)
	return events
}

// Whoever takes a role, or may not, is told once, with what the trust policy says.
func TestAudit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	role := r.role(t, "reader", "AWS", anna, `"StringEquals": {"sts:ExternalId": "id-1"}`, time.Hour)
	web := r.role(t, "web", "Federated", google, googleApp, time.Hour)
	staff := r.role(t, "staff", "Federated", corp, samlAud, time.Hour)

	_, err := r.AssumeRole(ctx, user("anna"), sts.Request{Role: role, Session: "anna"}, "id-1")
	require.NoError(t, err)
	_, _ = r.AssumeRole(ctx, user("anna"), sts.Request{Role: role, Session: "anna"}, "")
	_, _ = r.AssumeRole(ctx, user("bert"), sts.Request{Role: r.roles.RoleARN("none"), Session: "anna"}, "")
	_, _ = r.AssumeRole(ctx, user("bert"), sts.Request{Role: "reader", Session: "anna"}, "")
	bert := strings.Replace(anna, "anna", "bert", 1)
	all := r.was(t, "AssumeRole accepted <"+anna+">",
		"AssumeRole forbidden <"+anna+`> Not authorized to perform sts:AssumeRole: roles: Not authorized to perform sts:AssumeRole: no statement of the trust policy of the role reader allows it to "`+anna+`", "000000000000", "arn:aws:iam::000000000000:root"`,
		"AssumeRole forbidden <"+bert+"> Not authorized to perform sts:AssumeRole: roles: Not authorized to perform sts:AssumeRole: there is no role none",
		"AssumeRole failed <"+bert+"> 1 validation error detected: Value 'reader' at 'roleArn' failed to satisfy constraint: Member must be the ARN of a role, "+r.roles.RoleARN("NAME"))
	require.Equal(t, role, all[1].Resource)
	require.Equal(t, auth.Action("sts:AssumeRole"), all[1].Action)
	require.Equal(t, anna, all[1].PrincipalARN)

	token := func(role, token string) {
		_, _ = r.AssumeRoleWithWebIdentity(ctx, sts.Request{Role: role, Session: "anna"}, token, "")
	}
	token(web, sign(t, google, "g-1", nil, time.Hour))
	token(web, sign(t, google, "g-1", nil, -time.Hour))
	token(web, sign(t, "evil.example.com", "g-1", nil, time.Hour))
	token(role, sign(t, google, "g-1", nil, time.Hour))
	session := "arn:aws:sts::000000000000:assumed-role/web/anna"
	why := r.events[1].Why()
	require.Contains(t, why, "The web identity token is expired: ")
	all = r.was(t, "AssumeRoleWithWebIdentity accepted <"+session+">", "AssumeRoleWithWebIdentity refused <> "+strings.TrimPrefix(why, "sts: "),
		"AssumeRoleWithWebIdentity refused <> No OpenIDConnect provider found in your account for evil.example.com",
		`AssumeRoleWithWebIdentity forbidden <> the subject "g-1" of "accounts.google.com": Not authorized to perform sts:AssumeRoleWithWebIdentity: roles: Not authorized to perform sts:AssumeRoleWithWebIdentity: no statement of the trust policy of the role reader allows it to "accounts.google.com", "arn:aws:iam::000000000000:oidc-provider/accounts.google.com"`)
	require.Equal(t, web, all[0].PrincipalARN)
	require.Equal(t, web, all[0].Resource)

	says := func(name string, roles ...string) string {
		r.idp.says[name] = &sts.Assertion{Issuer: "https://corp.example.com", Subject: "u-1", SubjectType: "persistent", Recipient: acs, Roles: roles, SessionName: session[strings.LastIndexByte(session, '/')+1:]}
		return name
	}
	_, err = r.AssumeRoleWithSAML(ctx, sts.Request{Role: staff}, corp, says("assertion-1", staff+","+corp))
	require.NoError(t, err)
	_, _ = r.AssumeRoleWithSAML(ctx, sts.Request{Role: staff}, corp, says("assertion-2", role+","+corp))
	_, _ = r.AssumeRoleWithSAML(ctx, sts.Request{Role: staff}, corp, "assertion-1")
	r.was(t, "AssumeRoleWithSAML accepted <arn:aws:sts::000000000000:assumed-role/staff/anna>",
		`AssumeRoleWithSAML forbidden <> the subject "u-1" of "https://corp.example.com": Not authorized to perform sts:AssumeRoleWithSAML`,
		"AssumeRoleWithSAML refused <> The SAML assertion provided could not be validated: auth: bad credentials")
}

// Over HTTP too, by names of operations that there are.
func TestAuditHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *sts.Config) { c.Authorize = byHeader })
	h := r.Handler()
	role := r.role(t, "reader", "AWS", anna, "", time.Hour)
	form := url.Values{"Action": {"AssumeRole"}, "RoleArn": {role}, "RoleSessionName": {"anna"}}
	for _, who := range []string{"anna", "", "forged", "nobody", "flood"} {
		post(t, h, who, form)
	}
	all := r.was(t, "AssumeRole accepted <"+anna+">", "AssumeRole refused <> auth: not authorized: the credentials are of no kind that is known here",
		"AssumeRole refused <> sigv4: InvalidSignatureException: wrong", "AssumeRole forbidden <"+anna[:len(anna)-4]+"nobody> no statement allows it", "AssumeRole failed <> auth: authentication is unavailable")
	require.Equal(t, role, all[3].Resource)
	require.Equal(t, "192.0.2.1:1234", all[3].RemoteAddr)
	a := read(t, post(t, h, "nobody", form))
	require.Equal(t, fmt.Sprintf("Not authorized to perform sts:AssumeRole on resource %q", role), a.Error.Message)
	r.events = nil

	post(t, h, "anna", url.Values{"Action": {"GetCallerIdentity"}})
	post(t, h, "", url.Values{"Action": {"GetCallerIdentity"}})
	post(t, h, "", url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "RoleArn": {role}, "RoleSessionName": {"anna"}, "WebIdentityToken": {"none"}})
	post(t, h, "", url.Values{"Action": {"AssumeRoleWithSAML"}, "RoleArn": {role}, "PrincipalArn": {corp}, "SAMLAssertion": {"none"}})
	post(t, h, "", url.Values{"Action": {"AssumeRoleWithSAML"}, "Other": {"x"}})
	post(t, h, "", url.Values{"Action": {"Nothing"}})
	postText(t, h, "", "%")
	r.was(t, "GetCallerIdentity accepted <"+anna+">", "GetCallerIdentity refused <> auth: not authorized: the credentials are of no kind that is known here",
		"AssumeRoleWithWebIdentity refused <> No OpenIDConnect provider found in your account for ",
		"AssumeRoleWithSAML refused <> The SAML assertion provided could not be validated: auth: bad credentials",
		"AssumeRoleWithSAML failed <> The parameter Other is not supported here",
		" failed <> InvalidAction: Could not find operation Nothing for version ", " failed <> MalformedQueryString: the body is no form")
}

// No event and no line of the log has a token, an assertion or a key.
func TestAuditSecrets(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	r := newRig(t, func(c *sts.Config) {
		c.Authorize, c.Logger = byHeader, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	h := r.Handler()
	web := r.role(t, "web", "Federated", google, googleApp, time.Hour)
	secrets := []string{"an assertion that is none", "a token that is none"}
	for _, token := range []string{
		"a token that is none", sign(t, google, "g-1", nil, time.Hour), sign(t, google, "g-1", nil, -time.Hour), sign(t, google, "g-1", map[string]any{"aud": "other"}, time.Hour),
		sign(t, "evil.example.com", "g-1", nil, time.Hour),
	} {
		for _, cut := range []string{token, token[:len(token)-4]} {
			secrets = append(secrets, cut)
			w := post(t, h, "", url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "RoleArn": {web}, "RoleSessionName": {"anna"}, "WebIdentityToken": {cut}})
			var out struct {
				Result struct {
					Credentials struct{ SecretAccessKey, SessionToken string }
				} `xml:"AssumeRoleWithWebIdentityResult"`
			}
			require.NoError(t, xml.Unmarshal(w.Body.Bytes(), &out))
			if c := out.Result.Credentials; c.SessionToken != "" {
				secrets = append(secrets, c.SecretAccessKey, c.SessionToken)
			}
		}
	}
	post(t, h, "", url.Values{"Action": {"AssumeRoleWithSAML"}, "RoleArn": {web}, "PrincipalArn": {corp}, "SAMLAssertion": {"an assertion that is none"}})
	require.Len(t, r.events, 11)
	require.Len(t, secrets, 14)
	for _, s := range secrets {
		for _, e := range r.events {
			require.NotContains(t, fmt.Sprintf("%+v %s %v", e, e.Why(), e.Err), s)
		}
		require.NotContains(t, log.String(), s)
	}
}
