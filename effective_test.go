package thinghub_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/registry"
)

const (
	prefix      = "arn:aws:iot:local:000000000000:"
	allowAnyone = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
)

// allows is a policy that allows actions on resources of the hub.
func allows(actions string, resources ...string) string {
	for i, r := range resources {
		resources[i] = prefix + r
	}
	text, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": map[string]any{"Effect": "Allow", "Action": strings.Fields(actions), "Resource": resources}})
	return string(text)
}

// An admin may do everything over HTTP.
type admin struct {
	g      *guarded
	signer sigv4.Signer
}

func (g *guarded) admin(t *testing.T) *admin {
	t.Helper()
	key, secret, err := g.AccessKeys().Create(t.Context(), "root")
	require.NoError(t, err)
	g.policy(t, "root", allowAnyone, g.AccessKeys().ARN("root"))
	return &admin{g, sigv4.Signer{ID: key.ID, Secret: secret, Region: "local", Service: "iot"}}
}

func (a *admin) do(t *testing.T, request, body string) (status int, answer map[string]any) {
	t.Helper()
	method, target, _ := strings.Cut(request, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, "http://hub.test"+target, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	require.NoError(t, a.signer.Sign(r, []byte(body)))
	w := serve(a.g.Handler(), r)
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body)
	return w.Code, answer
}

// effective are the names of the policies that GetEffectivePolicies tells.
func (a *admin) effective(t *testing.T, thing, body string) []string {
	t.Helper()
	target := "/effective-policies"
	if thing != "" {
		target += "?thingName=" + thing
	}
	status, answer := a.do(t, "POST "+target, body)
	require.Equal(t, 200, status, answer)
	names := []string{}
	for _, p := range answer["effectivePolicies"].([]any) {
		p := p.(map[string]any)
		require.Equal(t, prefix+"policy/"+p["policyName"].(string), p["policyArn"])
		require.Contains(t, p["policyDocument"], "2012-10-17")
		require.Len(t, p, 3)
		names = append(names, p["policyName"].(string))
	}
	return names
}

// pool makes an identity pool with a role for guests and one for the others.
func (g *guarded) pool(t *testing.T, guest, member string) (pool, guestID, memberID string) {
	t.Helper()
	ctx := t.Context()
	made, err := g.IdentityPools().CreateIdentityPool(ctx, identitypool.Pool{Name: "app", AllowUnauthenticated: true, DeveloperProviderName: "shop"})
	require.NoError(t, err)
	require.NoError(t, g.IdentityPools().SetIdentityPoolRoles(ctx, made.ID, identitypool.Roles{Roles: map[string]string{
		identitypool.Unauthenticated: guest, identitypool.Authenticated: member,
	}}))
	guestID, err = g.IdentityPools().GetID(ctx, made.ID, nil)
	require.NoError(t, err)
	memberID, _, err = g.IdentityPools().GetOpenIDTokenForDeveloperIdentity(ctx, identitypool.DeveloperLogin{Pool: made.ID, Logins: identitypool.Logins{"shop": "alice"}})
	require.NoError(t, err)
	return made.ID, guestID, memberID
}

// GetEffectivePolicies has what counts for a certificate, a group, an identity of a pool,
// and for a thing because of its groups.
func TestEffectivePolicies(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g := newGuarded(t)
	a := g.admin(t)
	d, _ := g.device(t, "pump-1")
	things := g.Registry()
	for _, in := range []registry.CreateGroupInput{{Name: "site"}, {Name: "hall", Parent: "site"}} {
		_, err := things.CreateThingGroup(ctx, in)
		require.NoError(t, err)
	}
	require.NoError(t, things.AddThingToThingGroup(ctx, registry.Membership{Group: "hall", Thing: "pump-1"}))
	roleOf := g.Roles().RoleARN
	pool, guest, member := g.pool(t, roleOf("guests"), roleOf("members"))
	for name, target := range map[string]string{"a-site": things.GroupARN("site"), "b-hall": things.GroupARN("hall"), "c-own": d.CertificateARN, "d-member": member, "e-role": roleOf("members")} {
		g.policy(t, name, allows("iot:Publish", "topic/"+name), target)
	}
	device := d.Policies[0]
	cert := `{"principal":"` + d.CertificateARN + `"}`
	require.Equal(t, []string{"c-own", device}, a.effective(t, "", cert))
	require.Equal(t, []string{"a-site", "b-hall", "c-own", device}, a.effective(t, "pump-1", cert))
	require.Equal(t, []string{"a-site", "b-hall"}, a.effective(t, "pump-1", `{}`))
	require.Equal(t, []string{"a-site", "b-hall"}, a.effective(t, "", `{"principal":"`+things.GroupARN("hall")+`"}`), "of its parent, too")
	require.Equal(t, []string{"d-member"}, a.effective(t, "", `{"principal":"`+member+`"}`))
	require.Equal(t, []string{"d-member"}, a.effective(t, "", `{"principal":"`+member+`","cognitoIdentityPoolId":"`+pool+`"}`))
	require.Empty(t, a.effective(t, "", `{"principal":"`+guest+`","cognitoIdentityPoolId":"`+pool+`"}`))
	for _, none := range []string{
		`{"principal":"` + prefix + "cert/" + strings.Repeat("a", 64) + `"}`,
		`{"principal":"` + member + `","cognitoIdentityPoolId":"local:00000000-0000-0000-0000-000000000000"}`,
		`{"principal":"local:00000000-0000-0000-0000-000000000000","cognitoIdentityPoolId":"` + pool + `"}`,
		`{"principal":"` + things.GroupARN("none") + `"}`,
	} {
		status, answer := a.do(t, "POST /effective-policies", none)
		require.Equal(t, 404, status, "%s: %v", none, answer)
		require.Equal(t, "ResourceNotFoundException", answer["__type"])
	}
	status, _ := a.do(t, "POST /effective-policies?thingName=none", cert)
	require.Equal(t, 404, status)
}

// An asked is what TestAuthorization says to one question: the decision and the names of
// the policies behind it.
type asked struct {
	decision                    string
	allowed, explicit, implicit []string
	missing                     []string
}

// ask asks whether somebody may do something to a resource.
func (a *admin) ask(t *testing.T, query, who, action, resource string) asked {
	t.Helper()
	info := `{"actionType":"` + action + `","resources":["` + prefix + resource + `"]}`
	status, answer := a.do(t, "POST /test-authorization"+query, `{`+who+`"authInfos":[`+info+`]}`)
	require.Equal(t, 200, status, answer)
	results := answer["authResults"].([]any)
	require.Len(t, results, 1)
	r := results[0].(map[string]any)
	var want map[string]any
	require.NoError(t, json.Unmarshal([]byte(info), &want))
	require.Equal(t, want, r["authInfo"])
	policies := func(m any) []string {
		names := []string{}
		for _, p := range m.(map[string]any)["policies"].([]any) {
			p := p.(map[string]any)
			require.Equal(t, prefix+"policy/"+p["policyName"].(string), p["policyArn"])
			names = append(names, p["policyName"].(string))
		}
		return names
	}
	denied := r["denied"].(map[string]any)
	out := asked{r["authDecision"].(string), policies(r["allowed"]), policies(denied["explicitDeny"]), policies(denied["implicitDeny"]), []string{}}
	for _, m := range r["missingContextValues"].([]any) {
		out.missing = append(out.missing, m.(string))
	}
	require.Len(t, r, 5)
	return out
}

// TestAuthorization answers in the shape of AWS what the gateway would decide.
func TestTestAuthorization(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g := newGuarded(t)
	a := g.admin(t)
	g.policy(t, "own", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iot:Connect","Resource":"`+prefix+`client/${iot:Connection.Thing.ThingName}"},
		{"Effect":"Allow","Action":"iot:Publish","Resource":"`+prefix+`topic/dt/${iot:ClientId}/*"},
		{"Effect":"Allow","Action":"iot:Receive","Resource":"*","Condition":{"StringEquals":{"iot:DomainName":"plant"}}}]}`)
	g.policy(t, "never", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"iot:Publish","Resource":"`+prefix+`topic/dt/*/secret"}}`)
	g.policy(t, "team", allows("iot:Subscribe", "topicfilter/team/*"))
	d, _ := g.device(t, "pump-1", "own", "never")
	_, err := g.Registry().CreateThingGroup(ctx, registry.CreateGroupInput{Name: "team"})
	require.NoError(t, err)
	require.NoError(t, g.Registry().AddThingToThingGroup(ctx, registry.Membership{Group: "team", Thing: "pump-1"}))
	require.NoError(t, g.Policies().AttachPolicy(ctx, "team", g.Registry().GroupARN("team")))
	none := []string{}
	both := []string{"never", "own"}
	all := []string{"never", "own", "team"}
	const pump = "?clientId=pump-1"
	cert := `"principal":"` + d.CertificateARN + `",`
	require.Equal(t, asked{"ALLOWED", []string{"own"}, none, none, none}, a.ask(t, pump, cert, "CONNECT", "client/pump-1"))
	require.Equal(t, asked{"ALLOWED", []string{"own"}, none, none, none}, a.ask(t, pump, cert, "PUBLISH", "topic/dt/pump-1/a"))
	require.Equal(t, asked{"EXPLICIT_DENY", []string{"own"}, []string{"never"}, none, none}, a.ask(t, pump, cert, "PUBLISH", "topic/dt/pump-1/secret"))
	require.Equal(t, asked{"IMPLICIT_DENY", none, none, all, none}, a.ask(t, pump, cert, "PUBLISH", "topic/dt/pump-2/a"))
	require.Equal(t, asked{"ALLOWED", []string{"team"}, none, none, none}, a.ask(t, pump, cert, "SUBSCRIBE", "topicfilter/team/x"))
	// Its group counts for the client that is the thing.
	require.Equal(t, asked{"IMPLICIT_DENY", none, none, both, none}, a.ask(t, "?clientId=other", cert, "SUBSCRIBE", "topicfilter/team/x"))
	require.Equal(t, asked{"IMPLICIT_DENY", none, none, both, []string{"iot:Connection.Thing.ThingName"}}, a.ask(t, "", cert, "CONNECT", "client/pump-1"))
	require.Equal(t, asked{"IMPLICIT_DENY", none, none, both, []string{"iot:ClientId"}}, a.ask(t, "", cert, "PUBLISH", "topic/dt/pump-1/a"))
	require.Equal(t, asked{"IMPLICIT_DENY", none, none, all, []string{"iot:DomainName"}}, a.ask(t, pump, cert, "RECEIVE", "topic/x"))
	// Policies on trial.
	require.Equal(t, asked{"IMPLICIT_DENY", none, none, []string{"own", "team"}, none}, a.ask(t, pump, cert+`"policyNamesToSkip":["never"],`, "PUBLISH", "topic/x"))
	require.Equal(t, asked{"ALLOWED", []string{"team"}, none, none, none}, a.ask(t, "?clientId=other", cert+`"policyNamesToAdd":["team"],`, "SUBSCRIBE", "topicfilter/team/x"))
	require.Equal(t, asked{"ALLOWED", []string{"own"}, none, none, none}, a.ask(t, "?clientId=c", `"policyNamesToAdd":["own"],`, "PUBLISH", "topic/dt/c/x"), "as of a custom authorizer")
	require.Equal(t, asked{"IMPLICIT_DENY", none, none, none, none}, a.ask(t, "?clientId=c", "", "PUBLISH", "topic/dt/c/x"))

	// Who has signed in needs the role and a policy; a guest has the role alone.
	pool, guest, member := g.pool(t, g.Roles().RoleARN("guests"), g.Roles().RoleARN("members"))
	g.policy(t, "role", allows("iot:Publish iot:Connect", "topic/app/*", "client/*"), g.Roles().RoleARN("members"), g.Roles().RoleARN("guests"))
	g.policy(t, "mine", allows("iot:Publish", "topic/app/mine", "topic/other"), member, guest)
	g.policy(t, "more", allows("iot:Publish", "topic/app/more", "topic/more"))
	signedIn := `"cognitoIdentityPoolId":"` + pool + `","principal":"` + member + `",`
	require.Equal(t, asked{"ALLOWED", []string{"mine", "role"}, none, none, none}, a.ask(t, "?clientId="+member, signedIn, "PUBLISH", "topic/app/mine"))
	require.Equal(t, "IMPLICIT_DENY", a.ask(t, "?clientId="+member, signedIn, "PUBLISH", "topic/app/theirs").decision)
	require.Equal(t, "IMPLICIT_DENY", a.ask(t, "?clientId="+member, signedIn, "PUBLISH", "topic/other").decision)
	require.Equal(t, "ALLOWED", a.ask(t, "?clientId="+member, signedIn+`"policyNamesToAdd":["more"],`, "PUBLISH", "topic/app/more").decision)
	require.Equal(t, "IMPLICIT_DENY", a.ask(t, "?clientId="+member, signedIn+`"policyNamesToAdd":["more"],`, "PUBLISH", "topic/more").decision, "the role is what it is")
	visitor := `"principal":"` + guest + `",`
	require.Equal(t, asked{"ALLOWED", []string{"role"}, none, none, none}, a.ask(t, "?clientId=c", visitor, "PUBLISH", "topic/app/theirs"))
	require.Equal(t, "IMPLICIT_DENY", a.ask(t, "?clientId=c", visitor, "PUBLISH", "topic/other").decision)
	require.Equal(t, "IMPLICIT_DENY", a.ask(t, "?clientId=c", visitor+`"policyNamesToAdd":["more"],`, "PUBLISH", "topic/more").decision)

	for body, want := range map[string]int{
		`{"cognitoIdentityPoolId":"local:00000000-0000-0000-0000-000000000000","principal":"` + member + `","authInfos":[{"actionType":"CONNECT","resources":["*"]}]}`: 404,
		`{"principal":"` + prefix + `cert/` + strings.Repeat("a", 64) + `","authInfos":[{"actionType":"CONNECT","resources":["*"]}]}`:                                  404,
		`{"policyNamesToAdd":["none"],"authInfos":[{"actionType":"CONNECT","resources":["*"]}]}`:                                                                       404,
		`{"authInfos":[]}`: 400,
	} {
		status, answer := a.do(t, "POST /test-authorization", body)
		require.Equal(t, want, status, "%s: %v", body, answer)
	}
}
