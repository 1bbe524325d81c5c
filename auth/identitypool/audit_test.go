package identitypool_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
)

// events requires what was told since the last time: the operation, the outcome, the name
// that was given, who it was, and why. names are written in place of ids.
func (r *rig) was(t testing.TB, names map[string]string, want ...string) (events []auth.Event) {
	t.Helper()
	r.mu.Lock()
	events, r.events = r.events, nil
	r.mu.Unlock()
	var pairs []string
	for id, name := range names {
		pairs = append(pairs, id, name)
	}
	var got []string
	for _, e := range events {
		require.Equal(t, "cognito-identity", e.Service)
		require.Equal(t, e.Outcome == auth.Accepted, e.Err == nil)
		text := e.Operation + " " + e.Outcome.String() + " " + e.User + " <" + e.Principal + ">"
		if e.Err != nil {
			text += " " + strings.ReplaceAll(e.Why(), "identitypool: ", "")
		}
		got = append(got, strings.NewReplacer(pairs...).Replace(text))
	}
	require.Equal(t, want, got)
	return events
}

// Whoever gets an identity or credentials, or does not, is told once.
func TestAudit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.Empty(t, r.events, "what the host does itself")
	guest, anna, bert := r.identity(t, nil), r.identity(t, login(t, google, "anna")), r.identity(t, login(t, google, "bert"))
	names := map[string]string{guest: "GUEST", anna: "ANNA", bert: "BERT", r.pool.ID: "POOL"}
	all := r.was(t, names, "GetId accepted  <GUEST>", "GetId accepted  <ANNA>", "GetId accepted  <BERT>")
	require.Equal(t, r.PoolARN(r.pool.ID), all[0].Resource)
	require.Equal(t, anna, all[1].PrincipalARN+all[1].Principal)
	require.Empty(t, all[1].Action)

	ctx, none := t.Context(), "local:00"
	_, _ = r.GetID(ctx, none, nil)
	_, _ = r.GetID(ctx, r.pool.ID, identitypool.Logins{google: "x"})
	_, _ = r.GetID(ctx, r.pool.ID, identitypool.Logins{google: sign(t, google, "anna", nil, -time.Hour)})
	_, _ = r.GetID(ctx, r.pool.ID, identitypool.Logins{google: sign(t, google, "anna", map[string]any{"aud": "another"}, time.Hour)})
	_, _ = r.GetID(ctx, r.pool.ID, both(login(t, google, "anna"), identitypool.Logins{"example.org": "x"}))
	expired := "Invalid login token. Token expired.: "
	why := r.events[2].Why()
	require.Contains(t, why, expired)
	r.was(t, names, "GetId failed  <> IdentityPool 'local:00' not found.", "GetId refused  <> "+r.events[1].Why()[len("identitypool: "):],
		"GetId refused  <> "+why[len("identitypool: "):], "GetId refused  <> Invalid login token. Incorrect token audience.",
		"GetId refused  <> Token is not from a supported provider of this identity pool.")

	_, err := r.GetCredentialsForIdentity(ctx, anna, login(t, google, "anna"), "")
	require.NoError(t, err)
	_, _ = r.GetCredentialsForIdentity(ctx, anna, nil, "")
	_, _ = r.GetCredentialsForIdentity(ctx, anna, login(t, google, "bert"), "")
	_, _ = r.GetCredentialsForIdentity(ctx, anna, login(t, google, "anna"), r.roles.RoleARN("other"))
	_, _ = r.GetCredentialsForIdentity(ctx, guest, nil, r.roles.RoleARN("other"))
	_, _ = r.GetCredentialsForIdentity(ctx, none, nil, "")
	require.NoError(t, r.SetIdentityDisabled(ctx, bert, true))
	_, _ = r.GetCredentialsForIdentity(ctx, bert, login(t, google, "bert"), "")
	_, err = r.GetOpenIDToken(ctx, guest, nil)
	require.NoError(t, err)
	r.was(t, names, "GetCredentialsForIdentity accepted  <ANNA>", "GetCredentialsForIdentity refused  <> the identity ANNA: Access to Identity 'ANNA' is forbidden.",
		"GetCredentialsForIdentity forbidden  <> the identity ANNA: The login is already linked to another identity.",
		"GetCredentialsForIdentity forbidden  <ANNA> The role in CustomRoleArn is none of those that the login gives.",
		"GetCredentialsForIdentity forbidden  <GUEST> CustomRoleArn is not for guests.", "GetCredentialsForIdentity failed  <> Identity 'local:00' not found.",
		"GetCredentialsForIdentity refused  <> the identity BERT: Identity 'BERT' is disabled.", "GetOpenIdToken accepted  <GUEST>")

	require.NoError(t, r.SetIdentityPoolRoles(ctx, r.pool.ID, identitypool.Roles{Roles: map[string]string{identitypool.Unauthenticated: r.roles.RoleARN("signed-in")}}))
	_, _ = r.GetCredentialsForIdentity(ctx, guest, nil, "")
	id, _, err := r.GetOpenIDTokenForDeveloperIdentity(ctx, identitypool.DeveloperLogin{Pool: r.pool.ID, Logins: identitypool.Logins{backend: "u1"}})
	require.NoError(t, err)
	names[id] = "USER"
	why = r.events[0].Why()
	require.Contains(t, why, `no statement of the trust policy of the role signed-in allows it to "cognito-identity.amazonaws.com"`, "what the client is not told")
	r.was(t, names, "GetCredentialsForIdentity failed  <GUEST> "+why[len("identitypool: "):], "GetOpenIdTokenForDeveloperIdentity accepted u1 <USER>")
}

// Every operation over HTTP is told once, by its name, with who has signed it; what may not
// be deleted is told for each.
func TestAuditHTTP(t *testing.T) {
	t.Parallel()
	r := newHTTPRig(t)
	anna := r.identity(t, login(t, google, "anna"))
	guest := r.identity(t, nil)
	other, err := r.CreateIdentityPool(t.Context(), wholePool())
	require.NoError(t, err)
	foreign, err := r.GetID(t.Context(), other.ID, nil)
	require.NoError(t, err)
	names := map[string]string{anna: "ANNA", guest: "GUEST", foreign: "FOREIGN"}
	r.events = nil

	pool := `{"IdentityPoolId": "` + r.pool.ID + `"}`
	r.send(t, "anna", "DescribeIdentityPool", pool)
	r.send(t, "", "DescribeIdentityPool", pool)
	r.send(t, "forged", "DescribeIdentityPool", pool)
	r.send(t, "flood", "DescribeIdentityPool", pool)
	r.gate.refuses["cognito-identity:DescribeIdentityPool"] = true
	_, _, out := r.send(t, "bert", "DescribeIdentityPool", pool)
	require.NotContains(t, fmt.Sprint(out), "statement", "it is for the host")
	r.send(t, "anna", "DescribeIdentity", `{"IdentityId": "local:00"}`)
	_, _, got := r.send(t, "", "GetId", pool)
	names[got["IdentityId"].(string)] = "NEW"
	r.send(t, "", "UnlinkIdentity", body(t, object{"IdentityId": anna, "Logins": login(t, google, "bert"), "LoginsToRemove": []string{google}}))
	r.send(t, "", "UnlinkIdentity", body(t, object{"IdentityId": anna, "Logins": login(t, google, "anna"), "LoginsToRemove": []string{google}}))
	r.send(t, "anna", "GetOpenIdTokenForDeveloperIdentity", body(t, object{"IdentityPoolId": r.pool.ID, "Logins": object{backend: "u1"}}))
	all := r.was(t, names, "DescribeIdentityPool accepted  <anna>", "DescribeIdentityPool refused  <> auth: not authorized: the credentials are of no kind that is known here",
		"DescribeIdentityPool refused  <> sigv4: InvalidSignatureException: wrong", "DescribeIdentityPool failed  <> auth: authentication is unavailable",
		"DescribeIdentityPool forbidden  <bert> no statement allows it", "DescribeIdentity failed  <anna> Identity 'local:00' not found.", "GetId accepted  <NEW>",
		"UnlinkIdentity refused  <> the identity ANNA: Access to Identity 'ANNA' is forbidden.", "UnlinkIdentity accepted  <ANNA>",
		"GetOpenIdTokenForDeveloperIdentity accepted u1 <anna>")
	require.Equal(t, auth.Action("cognito-identity:DescribeIdentityPool"), all[4].Action)
	require.Equal(t, r.PoolARN(r.pool.ID), all[4].Resource)
	require.Equal(t, "192.0.2.1:1234", all[4].RemoteAddr)
	require.Equal(t, r.PoolARN(r.pool.ID), all[6].Resource)

	// Roles are asked about one by one.
	roles := object{"IdentityPoolId": r.pool.ID, "Roles": object{"authenticated": r.roles.RoleARN("signed-in")}}
	r.send(t, "anna", "SetIdentityPoolRoles", body(t, roles))
	r.gate.refuses["iam:PassRole"] = true
	r.send(t, "anna", "SetIdentityPoolRoles", body(t, roles))
	all = r.was(t, names, "SetIdentityPoolRoles accepted  <anna>", "SetIdentityPoolRoles forbidden  <anna> no statement allows it")
	require.Equal(t, r.PoolARN(r.pool.ID), all[0].Resource)
	require.Equal(t, auth.Action("iam:PassRole"), all[1].Action)
	require.Equal(t, r.roles.RoleARN("signed-in"), all[1].Resource)

	r.gate.refuses["cognito-identity:DeleteIdentities "+r.PoolARN(other.ID)] = true
	r.send(t, "anna", "DeleteIdentities", body(t, object{"IdentityIdsToDelete": []string{foreign, guest}}))
	r.send(t, "anna", "DeleteIdentities", body(t, object{"IdentityIdsToDelete": []string{foreign, foreign}}))
	r.send(t, "anna", "DeleteIdentities", body(t, object{"IdentityIdsToDelete": []string{foreign}}))
	denied := "DeleteIdentities forbidden  <anna> no statement allows it"
	all = r.was(t, names, denied, "DeleteIdentities accepted  <anna>", denied, denied, denied)
	require.Contains(t, all[0].Err.Error(), foreign)
	require.Equal(t, r.PoolARN(other.ID), all[0].Resource)

	for _, op := range []string{
		"CreateIdentityPool", "DescribeIdentityPool", "UpdateIdentityPool", "DeleteIdentityPool", "ListIdentityPools", "SetIdentityPoolRoles", "GetIdentityPoolRoles",
		"GetId", "GetCredentialsForIdentity", "GetOpenIdToken", "GetOpenIdTokenForDeveloperIdentity", "LookupDeveloperIdentity", "MergeDeveloperIdentities",
		"UnlinkDeveloperIdentity", "UnlinkIdentity", "DescribeIdentity", "ListIdentities", "DeleteIdentities",
	} {
		r.send(t, "", op, `{"IdentityPoolId": "local:00", "IdentityId": "local:00", "IdentityIdsToDelete": ["local:00"]}`)
		require.Len(t, r.events, 1, op)
		require.Equal(t, op, r.events[0].Operation)
		require.NotEqual(t, auth.Accepted, r.events[0].Outcome)
		r.events = nil
	}
	r.send(t, "", "Nothing", "{}")
	require.Len(t, r.events, 1)
	require.Empty(t, r.events[0].Operation)
}

func body(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// No event and no line of the log has a token or a key.
func TestAuditSecrets(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	g := &gate{refuses: map[string]bool{}}
	base := newRig(t, func(c *identitypool.Config) {
		c.Authorize, c.Logger = g.authorize, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	r := &httpRig{base, g, base.Handler()}
	tokens := []string{"not.a.token", "x", sign(t, google, "anna", nil, time.Hour), sign(t, google, "anna", nil, -time.Hour), sign(t, facebook, "anna", nil, time.Hour), sign(t, google, "anna", map[string]any{"aud": "no"}, time.Hour)}
	secrets := append([]string{}, tokens...)
	secrets[1] = "a token that is none" // "x" is in many words
	tokens[1] = secrets[1]
	for _, token := range tokens {
		_, _, out := r.send(t, "", "GetId", body(t, object{"IdentityPoolId": r.pool.ID, "Logins": object{google: token}}))
		id, ok := out["IdentityId"].(string)
		if !ok {
			id = "local:00"
		}
		_, _, out = r.send(t, "", "GetCredentialsForIdentity", body(t, object{"IdentityId": id, "Logins": object{google: token}}))
		if c, ok := out["Credentials"].(object); ok {
			secrets = append(secrets, c["SecretKey"].(string), c["SessionToken"].(string))
		}
		_, _, out = r.send(t, "", "GetOpenIdToken", body(t, object{"IdentityId": id, "Logins": object{google: token}}))
		if s, ok := out["Token"].(string); ok {
			secrets = append(secrets, s)
		}
		r.send(t, "", "UnlinkIdentity", body(t, object{"IdentityId": id, "Logins": object{google: token}, "LoginsToRemove": []string{"none"}}))
		_, _, out = r.send(t, "anna", "GetOpenIdTokenForDeveloperIdentity", body(t, object{"IdentityPoolId": r.pool.ID, "Logins": object{google: token, backend: "u1"}}))
		if s, ok := out["Token"].(string); ok {
			secrets = append(secrets, s)
			r.send(t, "", "GetId", body(t, object{"IdentityPoolId": r.pool.ID, "Logins": object{own: s[:len(s)-4]}}))
			secrets = append(secrets, s[:len(s)-4])
		}
	}
	require.Len(t, r.events, 31)
	require.Greater(t, len(secrets), 9)
	for _, e := range r.events {
		for _, s := range secrets {
			require.NotContains(t, fmt.Sprintf("%+v %s %v", e, e.Why(), e.Err), s)
		}
	}
	for _, s := range secrets {
		require.NotContains(t, log.String(), s)
	}
}
