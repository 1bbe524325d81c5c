package thinghub_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/userpool"
	"github.com/thinghub/thinghub/auth/users"
)

// keeper keeps what a hub says, and the secrets that must not be in it.
type keeper struct {
	log     lockedBuffer
	trail   trail
	answers strings.Builder
	secrets map[string]string
}

// hide notes a secret. Long ones are looked for in pieces too.
func (k *keeper) hide(what, secret string) string {
	k.secrets[what] = secret
	if len(secret) > 60 {
		k.secrets[what+", a piece"] = secret[len(secret)/2 : len(secret)/2+30]
	}
	return secret
}

func (k *keeper) hidePEM(what, text string) {
	block, _ := pem.Decode([]byte(text))
	lines := strings.Split(strings.TrimSpace(text), "\n")
	k.hide(what, base64.StdEncoding.EncodeToString(block.Bytes))
	k.secrets[what+", a line"] = lines[1]
}

// ask makes a request; if it fails the answer is kept.
func (k *keeper) ask(t *testing.T, h http.Handler, method, target, body string, sign func(r *http.Request)) (answer string) {
	t.Helper()
	r := httptest.NewRequest(method, "https://hub.test"+target, strings.NewReader(body))
	sign(r)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code >= 400 {
		fmt.Fprintf(&k.answers, "%s %s: %d %v %s\n", method, target[:min(len(target), 20)], w.Code, w.Header(), w.Body)
	}
	return w.Body.String()
}

// The log at its most talkative, the audit trail and answers that refuse have no secret in
// them, in whatever way it was sent, whether it was right or wrong.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k := &keeper{secrets: map[string]string{}}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte("a-custom-token"))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	require.NoError(t, err)
	token, signed := k.hide("token", "a-custom-token"), k.hide("its signature", base64.StdEncoding.EncodeToString(signature))
	k.secrets["its signature, encoded"] = url.QueryEscape(signed)
	logger := slog.New(slog.NewJSONHandler(&k.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	fails := errors.New("nobody is at the door")
	var answer func() (*custom.Response, error)
	g := newGuarded(t, func(c *thinghub.Config) {
		c.Logger = logger
		text := auth.LogEvents(logger, 1<<20)
		c.Audit = func(e *auth.Event) { text(e); k.trail.audit(e) }
		c.UserPoolConfig.Hash = userpool.HashParams{Memory: 64, Time: 1}
		c.AuthorizerConfig.Functions = map[string]custom.Function{"door": custom.Func(func(_ context.Context, r *custom.Request) (*custom.Response, error) { return answer() })}
	})
	_, err = g.Authorizers().CreateAuthorizer(ctx, custom.NewAuthorizer{
		Name: "corp", FunctionARN: "door", Status: custom.Active, TokenKeyName: "ticket",
		TokenSigningPublicKeys: map[string]string{"k": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))},
	})
	require.NoError(t, err)
	g.policy(t, "all", allowAnyone)
	trust := &tls.Config{RootCAs: g.Certificates().CAPool()}
	h := g.Handler()

	// Keys and certificates that are made here.
	d, c := g.device(t, "pump-1", "all")
	k.hidePEM("key of a device", d.PrivateKeyPEM)
	client, _, err := g.connect(t, c, "pump-1")
	require.NoError(t, err)
	_, _, err = g.connect(t, c, "pump-1", func(c *paho.Connect) { // a password that is of no use
		c.UsernameFlag, c.Username, c.PasswordFlag, c.Password = true, "x", true, []byte(k.hide("useless password", "useless-secret"))
	})
	require.NoError(t, err)
	_ = client
	a := g.admin(t)
	k.hide("secret access key", a.signer.Secret)
	admin := func(r *http.Request) {
		body := "" // only requests without a body are signed here
		require.NoError(t, a.signer.Sign(r, []byte(body)))
		_, s, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
		k.hide("signature of "+r.URL.Path+r.Method, s)
	}
	status, made := a.do(t, "POST /keys-and-certificate?setAsActive=true", "")
	require.Equal(t, 200, status)
	k.hidePEM("key of the API", made["keyPair"].(map[string]any)["PrivateKey"].(string))
	mine, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}}, mine)
	require.NoError(t, err)
	status, _ = a.do(t, "POST /certificates", `{"certificateSigningRequest":`+quote(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})))+`}`)
	require.Equal(t, 200, status)
	// Somebody sends a key where a certificate belongs.
	pk8, err := x509.MarshalPKCS8PrivateKey(mine)
	require.NoError(t, err)
	wrong := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk8}))
	k.hidePEM("key in the wrong place", wrong)
	for _, target := range []string{"/certificates", "/certificate/register", "/certificate/register-no-ca", "/cacertificate"} {
		for _, member := range []string{"certificateSigningRequest", "certificatePem", "caCertificate", "verificationCertificate", "caCertificatePem"} {
			_, answer := a.do(t, "POST "+target, `{`+quote(member)+`:`+quote(wrong)+`}`)
			fmt.Fprintln(&k.answers, answer)
		}
	}

	// Passwords, right and wrong.
	password, guess := k.hide("password", "alice-password-1"), k.hide("wrong password", "a-wrong-password")
	_, err = g.Users().Create(ctx, users.NewUser{Name: "alice", Password: password})
	require.NoError(t, err)
	require.NoError(t, g.Policies().AttachPolicy(ctx, "all", g.Users().ARN("alice")))
	for _, p := range []string{password, guess} {
		for _, user := range []string{"alice", "nobody"} {
			_, _, _ = g.connect(t, trust, "alice", func(c *paho.Connect) {
				c.UsernameFlag, c.Username, c.PasswordFlag, c.Password = true, user, true, []byte(p)
			})
			k.ask(t, h, "POST", "/topics/a", "x", func(r *http.Request) { r.SetBasicAuth(user, p) })
			k.ask(t, h, "GET", "/things", "", func(r *http.Request) { r.SetBasicAuth(user, p) })
		}
		k.secrets["basic "+p] = base64.StdEncoding.EncodeToString([]byte("alice:" + p))
	}

	// Signatures of access keys, and of temporary ones, right and wrong.
	temporary, err := g.Roles().Issue(ctx, roles.Grant{Role: g.Roles().RoleARN("app"), Session: "session", Duration: time.Hour})
	require.NoError(t, err)
	k.hide("temporary secret", temporary.SecretAccessKey)
	k.hide("session token", temporary.SessionToken)
	k.secrets["session token, encoded"] = url.QueryEscape(temporary.SessionToken)
	for i, s := range []sigv4.Signer{
		{ID: a.signer.ID, Secret: a.signer.Secret},
		{ID: a.signer.ID, Secret: k.hide("wrong secret", "wrong/secret/of/forty/characters/0123456")},
		{ID: temporary.AccessKeyID, Secret: temporary.SecretAccessKey, Token: temporary.SessionToken},
		{ID: temporary.AccessKeyID, Secret: temporary.SecretAccessKey, Token: temporary.SessionToken + "x"},
	} {
		s.Region, s.Service = "local", "iotdata"
		for _, method := range []string{"GET", "DELETE"} {
			k.ask(t, h, method, "/things/none/shadow", "", func(r *http.Request) {
				require.NoError(t, s.Sign(r, nil))
				_, sum, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
				k.hide(fmt.Sprint("signature ", i, method), sum)
			})
		}
		s.Service = "iotdevicegateway"
		u, err := s.Presign(http.MethodGet, "wss://hub.test/mqtt", time.Minute)
		require.NoError(t, err)
		_, query, _ := strings.Cut(u, "?")
		q, err := url.ParseQuery(query)
		require.NoError(t, err)
		k.hide(fmt.Sprint("presigned ", i), q.Get("X-Amz-Signature"))
		k.ask(t, h, "GET", "/mqtt?"+query, "", func(r *http.Request) {})
	}
	k.ask(t, h, "GET", "/things/none", "", admin)

	// Custom tokens, wherever they stand, whatever becomes of them.
	params := url.Values{"x-amz-customauthorizer-name": {"corp"}, "ticket": {token}, "x-amz-customauthorizer-signature": {signed}}.Encode()
	for _, answer = range []func() (*custom.Response, error){
		func() (*custom.Response, error) {
			return &custom.Response{IsAuthenticated: true, PrincipalID: "visitor", PolicyDocuments: []custom.Document{allowAnyone}}, nil
		},
		func() (*custom.Response, error) {
			return &custom.Response{IsAuthenticated: true, PrincipalID: "visitor", PolicyDocuments: []custom.Document{custom.Document(allows("iot:Connect", "client/none"))}}, nil
		},
		func() (*custom.Response, error) { return &custom.Response{}, nil },
		func() (*custom.Response, error) { return nil, fails },
		func() (*custom.Response, error) { return &custom.Response{IsAuthenticated: true}, nil },
	} {
		for _, p := range []string{params, strings.Replace(params, "corp", "none", 1), params + "x"} {
			_, _, _ = g.connect(t, trust, "visitor", func(c *paho.Connect) {
				c.UsernameFlag, c.Username, c.PasswordFlag, c.Password = true, "user?"+p, true, []byte(password)
			})
			for _, info := range g.Clients() {
				fmt.Fprintf(&k.answers, "%+v\n", info)
			}
			k.ask(t, h, "POST", "/topics/a?"+p, "x", func(*http.Request) {})
			k.ask(t, h, "POST", "/topics/a", "x", func(r *http.Request) { r.SetBasicAuth("user?"+p, password) })
			k.ask(t, h, "GET", "/mqtt?"+p, "", func(*http.Request) {})
		}
		k.ask(t, h, "POST", "/topics/a", "x", func(r *http.Request) {
			r.Header.Set("X-Amz-Customauthorizer-Name", "corp")
			r.Header.Set("Ticket", token)
			r.Header.Set("X-Amz-Customauthorizer-Signature", signed)
		})
	}
	_, said := a.do(t, "POST /authorizer/corp/test", `{"token":`+quote(token)+`,"tokenSignature":`+quote(signed[1:]+"A")+`}`)
	delete(said, "message") // which says what was wrong to who sent it
	fmt.Fprintln(&k.answers, said)

	// People who sign in, and exchange what they get for credentials.
	people, err := g.UserPools().CreateUserPool(ctx, userpool.CreateUserPoolInput{PoolName: "people"})
	require.NoError(t, err)
	pool := people.UserPool.ID
	app, err := g.UserPools().CreateUserPoolClient(ctx, userpool.CreateUserPoolClientInput{UserPoolID: pool, ClientSettings: userpool.ClientSettings{
		ClientName: "app", ExplicitAuthFlows: []string{"ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"},
	}})
	require.NoError(t, err)
	_, err = g.UserPools().AdminCreateUser(ctx, userpool.AdminCreateUserInput{UserPoolID: pool, Username: "bob", MessageAction: "SUPPRESS"})
	require.NoError(t, err)
	bobs := k.hide("password of a pool", "Correct-horse-1")
	_, err = g.UserPools().AdminSetUserPassword(ctx, userpool.AdminSetUserPasswordInput{UserPoolID: pool, Username: "bob", Password: bobs, Permanent: true})
	require.NoError(t, err)
	call := func(target string, in map[string]any) (out map[string]any) {
		body, err := json.Marshal(in)
		require.NoError(t, err)
		answer := k.ask(t, h, "POST", "/", string(body), func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			r.Header.Set("X-Amz-Target", target)
		})
		require.NoError(t, json.Unmarshal([]byte(answer), &out), answer)
		return out
	}
	const idp, ids = "AWSCognitoIdentityProviderService.", "AWSCognitoIdentityService."
	signIn := func(flow string, with map[string]string) map[string]any {
		return call(idp+"InitiateAuth", map[string]any{"ClientId": app.UserPoolClient.ClientID, "AuthFlow": flow, "AuthParameters": with})
	}
	for _, p := range []string{guess, k.hide("almost the password", bobs+"x")} {
		require.Contains(t, signIn("USER_PASSWORD_AUTH", map[string]string{"USERNAME": "bob", "PASSWORD": p}), "__type")
	}
	tokens := signIn("USER_PASSWORD_AUTH", map[string]string{"USERNAME": "bob", "PASSWORD": bobs})["AuthenticationResult"].(map[string]any)
	for _, name := range []string{"IdToken", "AccessToken", "RefreshToken"} {
		k.hide(name, tokens[name].(string))
	}
	signIn("REFRESH_TOKEN_AUTH", map[string]string{"REFRESH_TOKEN": tokens["RefreshToken"].(string) + "x"})
	call(idp+"GetUser", map[string]any{"AccessToken": tokens["AccessToken"].(string) + "x"})
	call(idp+"ChangePassword", map[string]any{"AccessToken": tokens["AccessToken"], "PreviousPassword": guess, "ProposedPassword": k.hide("new password", "Better-horse-2")})
	provider := "cognito-idp.local.amazonaws.com/" + pool
	members, err := g.IdentityPools().CreateIdentityPool(ctx, identitypool.Pool{Name: "app", UserPools: []identitypool.UserPool{{ProviderName: provider, ClientID: app.UserPoolClient.ClientID}}})
	require.NoError(t, err)
	role, err := g.Roles().CreateRole(ctx, roles.NewRole{Name: "members", TrustPolicy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Federated":"cognito-identity.amazonaws.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"cognito-identity.amazonaws.com:aud":"` + members.ID + `"}}}]}`})
	require.NoError(t, err)
	require.NoError(t, g.IdentityPools().SetIdentityPoolRoles(ctx, members.ID, identitypool.Roles{Roles: map[string]string{"authenticated": role.ARN}}))
	logins := map[string]any{provider: tokens["IdToken"]}
	id := call(ids+"GetId", map[string]any{"IdentityPoolId": members.ID, "Logins": logins})["IdentityId"]
	call(ids+"GetCredentialsForIdentity", map[string]any{"IdentityId": id, "Logins": map[string]any{provider: tokens["IdToken"].(string) + "x"}})
	call(ids+"GetCredentialsForIdentity", map[string]any{"IdentityId": id, "Logins": map[string]any{provider: tokens["AccessToken"]}})
	lent := call(ids+"GetCredentialsForIdentity", map[string]any{"IdentityId": id, "Logins": logins})["Credentials"].(map[string]any)
	k.hide("secret of a member", lent["SecretKey"].(string))
	k.hide("session token of a member", lent["SessionToken"].(string))
	k.ask(t, h, "POST", "/", url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {role.ARN}, "RoleSessionName": {"bob"}, "WebIdentityToken": {tokens["IdToken"].(string)},
	}.Encode(), func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") })

	// Provisioning: keys and ownership tokens, by a claim.
	_, err = g.Provisioning().CreateProvisioningTemplate(ctx, provision.CreateTemplateInput{Name: "fleet", Enabled: true, Body: `{"Parameters":{"Serial":{"Type":"String"}},"Resources":{
		"thing":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"Serial"}}},
		"certificate":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"}}}}}`})
	require.NoError(t, err)
	status, claim := a.do(t, "POST /provisioning-templates/fleet/provisioning-claim", "")
	require.Equal(t, 200, status)
	claimKey := claim["keyPair"].(map[string]any)["PrivateKey"].(string)
	k.hidePEM("key of a claim", claimKey)
	pair, err := tls.X509KeyPair([]byte(claim["certificatePem"].(string)), []byte(claimKey))
	require.NoError(t, err)
	heard := make(chan *paho.Publish, 10)
	fresh, _, err := g.connectWith(t, &tls.Config{RootCAs: trust.RootCAs, Certificates: []tls.Certificate{pair}}, "new", func(p *paho.Publish) { heard <- p })
	require.NoError(t, err)
	_, err = fresh.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{
		{Topic: "$aws/certificates/create/json/+", QoS: 1}, {Topic: "$aws/provisioning-templates/fleet/provision/json/+", QoS: 1},
	}})
	require.NoError(t, err)
	say := func(topic, payload string) (answer map[string]any) {
		_, err := fresh.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1, Payload: []byte(payload)})
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal((<-heard).Payload, &answer))
		return answer
	}
	made = say("$aws/certificates/create/json", "")
	k.hidePEM("key of a provisioned device", made["privateKey"].(string))
	owner := k.hide("ownership token", made["certificateOwnershipToken"].(string))
	for _, request := range []string{
		`{"certificateOwnershipToken":` + quote(owner) + `}`, `{"certificateOwnershipToken":` + quote(owner) + `,"parameters":{"Serial":"a b"}}`,
		`{"certificateOwnershipToken":` + quote(owner[1:]) + `,"parameters":{"Serial":"d-1"}}`, `{"certificateOwnershipToken":` + quote(owner) + `,"parameters":{"Serial":"d-1"}}`,
		`{"certificateOwnershipToken":` + quote(owner) + `,"parameters":{"Serial":"d-1"}}`,
	} {
		fmt.Fprintln(&k.answers, say("$aws/provisioning-templates/fleet/provision/json", request))
	}
	require.NoError(t, g.Certificates().UpdateCertificate(ctx, d.CertificateID, certs.Revoked))
	_, _, err = g.connect(t, c, "pump-1")
	require.Error(t, err)

	handshake := func(e *auth.Event) bool { return e.Service == "tls" && e.Outcome == auth.Refused }
	require.Eventually(t, func() bool { return slices.ContainsFunc(k.trail.events(), handshake) }, patience, time.Millisecond)
	text := k.log.String()
	require.Contains(t, text, `"level":"DEBUG"`)
	for what, secret := range k.secrets {
		require.NotEmpty(t, secret, what)
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("the log has the %s: %s", what, text[max(0, i-300):min(len(text), i+100)])
		}
		if i := strings.Index(k.answers.String(), secret); i >= 0 {
			s := k.answers.String()
			t.Errorf("an answer has the %s: %s", what, s[max(0, i-300):min(len(s), i+100)])
		}
	}
	for _, e := range k.trail.events() {
		all := fmt.Sprintf("%+v %s", *e, e.Why())
		for what, secret := range k.secrets {
			require.NotContains(t, all, secret, what)
		}
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
