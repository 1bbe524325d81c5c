package interop_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/oidc"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/userpool"
)

// A signInHub is a hub at one address with the pages of its host, on which people sign in
// with providers of others. Everything it has is set up by an administrator's SDK.
type signInHub struct {
	*testHub
	url   string
	ln    net.Listener
	pages *sitePages
	pool  string // the identity pool
	role  string // of those who have signed in
}

// What people may do. The role's policy is wide, as they are in practice, and that of the
// identity is about its own; each lets do something that the other does not.
const (
	roleMay = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Resource": "*", "Action": [
		"iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive", "iot:GetThingShadow", "iot:UpdateThingShadow"]}}`
	identityMay = `{"Version": "2012-10-17", "Statement": [` + ownMay + `,
		{"Effect": "Allow", "Action": ["iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"], "Resource": "` + arns + `thing/lamp"}]}`
	guestMay = `{"Version": "2012-10-17", "Statement": [` + ownMay + `,
		{"Effect": "Allow", "Action": ["iot:GetThingShadow", "iot:UpdateThingShadow"], "Resource": "` + arns + `thing/lamp"}]}`
	ownMay = `
		{"Effect": "Allow", "Action": "iot:Connect", "Resource": "` + arns + `client/${cognito-identity.amazonaws.com:sub}"},
		{"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": [
			"` + arns + `topic/app/${cognito-identity.amazonaws.com:sub}/*", "` + arns + `topic/$aws/things/lamp/shadow/*"]},
		{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": [
			"` + arns + `topicfilter/app/${cognito-identity.amazonaws.com:sub}/*", "` + arns + `topicfilter/$aws/things/lamp/shadow/*"]}`
)

// visitorMay is for a role that is taken without an identity.
const visitorMay = `{"Version": "2012-10-17", "Statement": [
	{"Effect": "Allow", "Action": "iot:Connect", "Resource": "` + arns + `client/visitor"},
	{"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": ["` + arns + `topic/app/visitor/*", "` + arns + `topic/$aws/things/lamp/shadow/*"]},
	{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": ["` + arns + `topicfilter/app/visitor/*", "` + arns + `topicfilter/$aws/things/lamp/shadow/*"]},
	{"Effect": "Allow", "Action": ["iot:GetThingShadow", "iot:UpdateThingShadow"], "Resource": "` + arns + `thing/lamp"}]}`

// newSignIn takes an address for a hub, which is there after start.
func newSignIn(t *testing.T) *signInHub {
	t.Helper()
	ln := listen(t, "127.0.0.1:0")
	t.Cleanup(func() { _ = ln.Close() })
	return &signInHub{ln: ln, url: "http://" + ln.Addr().String(), pages: newSitePages()}
}

// start begins to serve a hub, and lets its administrator make policies.
func (h *signInHub) start(t *testing.T, changes ...change) {
	t.Helper()
	h.serves(t, changes...)
	require.NoError(t, h.AccessKeys().Put(t.Context(), "admin", accessKey, secretKey))
	_, err := h.Policies().CreatePolicy(t.Context(), "admin", `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Resource": "*",
		"Action": ["iot:*", "cognito-identity:*", "cognito-idp:*", "iam:PassRole"]}}`)
	require.NoError(t, err)
	require.NoError(t, h.Policies().AttachPolicy(t.Context(), "admin", h.AccessKeys().ARN("admin")))
	for name, document := range map[string]string{"role": roleMay, "identity": identityMay, "guest": guestMay, "visitor": visitorMay} {
		_, err := h.admin().CreatePolicy(t.Context(), &iot.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
		require.NoError(t, err)
	}
}

// serves begins to serve a hub that lets nobody in but by its own rooms.
func (h *signInHub) serves(t *testing.T, changes ...change) {
	t.Helper()
	closed := func(c *thinghub.Config) {
		c.Authenticator, c.Authorizer = nil, nil
		c.Account, c.Region = account, region
		c.UserPoolConfig.Hash = userpool.HashParams{Memory: 64, Time: 1}
	}
	h.testHub = startHub(t, append([]change{closed}, changes...)...)
	h.pages.mux.Handle("/", h.Handler())
	h.serveOn(t, h.ln, h.pages.mux)
}

// makePool makes the identity pool, with roles for those who have signed in and for guests.
func (h *signInHub) makePool(t *testing.T, in cognitoidentity.CreateIdentityPoolInput) {
	t.Helper()
	c := cognitoidentity.NewFromConfig(h.config(aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}))
	in.IdentityPoolName, in.AllowClassicFlow = aws.String("app"), aws.Bool(true)
	made, err := c.CreateIdentityPool(t.Context(), &in)
	require.NoError(t, err)
	h.pool = *made.IdentityPoolId
	h.role = h.makeRole(t, "app", "cognito-identity.amazonaws.com", poolCondition(h.pool, "authenticated"), "role")
	guest := h.makeRole(t, "guest", "cognito-identity.amazonaws.com", poolCondition(h.pool, "unauthenticated"), "guest")
	_, err = c.SetIdentityPoolRoles(t.Context(), &cognitoidentity.SetIdentityPoolRolesInput{IdentityPoolId: &h.pool, Roles: map[string]string{"authenticated": h.role, "unauthenticated": guest}})
	require.NoError(t, err)
}

// makeRole makes a role for a provider of logins, with a policy.
func (h *signInHub) makeRole(t *testing.T, name, provider, condition, policy string) string {
	t.Helper()
	role, err := h.Roles().CreateRole(t.Context(), roles.NewRole{Name: name, TrustPolicy: `{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
		"Principal": {"Federated": "` + provider + `"}, "Action": ["sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"], "Condition": {` + condition + `}}}`})
	require.NoError(t, err)
	require.NoError(t, h.Policies().AttachPolicy(t.Context(), policy, role.ARN))
	return role.ARN
}

// config is that of SDK clients of the hub that do not try again.
func (h *signInHub) config(as aws.Credentials) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: &h.url, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider(as.AccessKeyID, as.SecretAccessKey, as.SessionToken),
	}
}

func (h *signInHub) admin() *iot.Client {
	return iot.NewFromConfig(h.config(aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}))
}

// sitePages are those of the host. What is pending lies in a browser's session.
type sitePages struct {
	mux     *http.ServeMux
	mu      sync.Mutex
	pending map[string]any
}

// sessionCookie has a name of its own: browsers do not keep the ports of a machine apart.
const sessionCookie = "hub-session"

func newSitePages() *sitePages { return &sitePages{mux: http.NewServeMux(), pending: map[string]any{}} }

// send sends a browser somewhere else and keeps what is pending.
func (p *sitePages) send(w http.ResponseWriter, r *http.Request, to string, pending any) {
	session := rand.Text()
	p.mu.Lock()
	p.pending[session] = pending
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: session, Path: "/", HttpOnly: true})
	http.Redirect(w, r, to, http.StatusFound)
}

// take returns what is pending in a browser, nil for nothing, and forgets it.
func (p *sitePages) take(r *http.Request) any {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	defer delete(p.pending, c.Value)
	return p.pending[c.Value]
}

// answer is what the last page has for the app.
func (p *sitePages) answer(w http.ResponseWriter, body any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// oidc adds the pages of a flow with a code: /sign-in/NAME, and /back/NAME, where providers
// send people back to, with a link or with a form.
func (p *sitePages) oidc(name string, begin func(context.Context) (*oidc.Pending, error), finish func(context.Context, *oidc.Pending, url.Values) (any, error)) {
	p.mux.HandleFunc("GET /sign-in/"+name, func(w http.ResponseWriter, r *http.Request) {
		pending, err := begin(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		p.send(w, r, pending.URL, pending)
	})
	p.mux.HandleFunc("/back/"+name, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		pending, _ := p.take(r).(*oidc.Pending)
		body, err := finish(r.Context(), pending, r.Form)
		p.answer(w, body, err)
	})
}
