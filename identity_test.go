package thinghub_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/userpool"
	"github.com/thinghub/thinghub/broker"
)

// A person signs in with the hub's user pool, exchanges the token for credentials and uses
// them for MQTT over WebSocket and for HTTP, all at one address.
func TestIdentity(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	hub, err := thinghub.New(thinghub.Config{
		Account: "123456789012", Region: "eu-central-1", Logger: slog.New(slog.DiscardHandler),
		UserPoolConfig: userpool.Config{Hash: userpool.HashParams{Memory: 64, Time: 1}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	srv := httptest.NewServer(hub.Handler())
	t.Cleanup(srv.Close)

	// The host sets it up.
	people, err := hub.UserPools().CreateUserPool(ctx, userpool.CreateUserPoolInput{PoolName: "people"})
	require.NoError(t, err)
	poolID := people.UserPool.ID
	app, err := hub.UserPools().CreateUserPoolClient(ctx, userpool.CreateUserPoolClientInput{UserPoolID: poolID, ClientSettings: userpool.ClientSettings{
		ClientName: "app", ExplicitAuthFlows: []string{"ALLOW_USER_PASSWORD_AUTH"},
	}})
	require.NoError(t, err)
	clientID := app.UserPoolClient.ClientID
	_, err = hub.UserPools().AdminCreateUser(ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "alice", MessageAction: "SUPPRESS"})
	require.NoError(t, err)
	_, err = hub.UserPools().AdminSetUserPassword(ctx, userpool.AdminSetUserPasswordInput{UserPoolID: poolID, Username: "alice", Password: "Correct-horse-1", Permanent: true})
	require.NoError(t, err)
	provider := "cognito-idp.eu-central-1.amazonaws.com/" + poolID
	pool, err := hub.IdentityPools().CreateIdentityPool(ctx, identitypool.Pool{Name: "app", UserPools: []identitypool.UserPool{{ProviderName: provider, ClientID: clientID}}})
	require.NoError(t, err)
	role, err := hub.Roles().CreateRole(ctx, roles.NewRole{Name: "app", TrustPolicy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Federated":"cognito-identity.amazonaws.com"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"cognito-identity.amazonaws.com:aud":"` + pool.ID + `"},"ForAnyValue:StringLike":{"cognito-identity.amazonaws.com:amr":"authenticated"}}}]}`})
	require.NoError(t, err)
	require.NoError(t, hub.IdentityPools().SetIdentityPoolRoles(ctx, pool.ID, identitypool.Roles{Roles: map[string]string{"authenticated": role.ARN}}))
	own := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Connect","iot:Publish","iot:Receive","iot:Subscribe","iot:GetThingShadow","iot:UpdateThingShadow"],"Resource":"*"}]}`
	for _, name := range []string{"role", "identity"} {
		_, err = hub.Policies().CreatePolicy(ctx, name, own)
		require.NoError(t, err)
	}
	require.NoError(t, hub.Policies().AttachPolicy(ctx, "role", role.ARN))

	call := func(service, op string, in map[string]any) map[string]any {
		t.Helper()
		body, err := json.Marshal(in)
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/", bytes.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", service+"."+op)
		a, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		text, err := io.ReadAll(a.Body)
		require.NoError(t, err)
		require.NoError(t, a.Body.Close())
		require.Equal(t, 200, a.StatusCode, "%s: %s", op, text)
		out := map[string]any{}
		require.NoError(t, json.Unmarshal(text, &out))
		return out
	}
	signedIn := call("AWSCognitoIdentityProviderService", "InitiateAuth", map[string]any{
		"ClientId": clientID, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": map[string]string{"USERNAME": "alice", "PASSWORD": "Correct-horse-1"},
	})["AuthenticationResult"].(map[string]any)
	logins := map[string]any{provider: signedIn["IdToken"]}
	id := call("AWSCognitoIdentityService", "GetId", map[string]any{"IdentityPoolId": pool.ID, "Logins": logins})["IdentityId"].(string)
	got := call("AWSCognitoIdentityService", "GetCredentialsForIdentity", map[string]any{"IdentityId": id, "Logins": logins})["Credentials"].(map[string]any)
	signer := sigv4.Signer{
		ID: got["AccessKeyId"].(string), Secret: got["SecretKey"].(string), Token: got["SessionToken"].(string), Region: "eu-central-1", Service: "iotdevicegateway",
	}

	connect := func() (*paho.Client, chan byte, error) {
		t.Helper()
		url, err := signer.Presign(http.MethodGet, "ws"+strings.TrimPrefix(srv.URL, "http")+"/mqtt", time.Minute)
		require.NoError(t, err)
		ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"mqtt"}}) //nolint:bodyclose // the library closes it
		require.NoError(t, err)
		lost := make(chan byte, 2)
		c := paho.NewClient(paho.ClientConfig{
			Conn:               packets.NewThreadSafeConn(websocket.NetConn(ctx, ws, websocket.MessageBinary)),
			OnServerDisconnect: func(d *paho.Disconnect) { lost <- d.ReasonCode },
			OnClientError:      func(error) { lost <- 0xff },
		})
		_, err = c.Connect(ctx, &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 30})
		return c, lost, err
	}
	_, _, err = connect()
	require.Error(t, err, "an identity needs a policy of its own besides its role's")
	require.NoError(t, hub.Policies().AttachPolicy(ctx, "identity", id))
	c, lost, err := connect()
	require.NoError(t, err)
	info, ok := hub.Client(id)
	require.True(t, ok)
	require.Equal(t, id, info.Principal)
	_, err = c.Publish(ctx, &paho.Publish{Topic: "app/x", QoS: 1, Payload: []byte("hello")})
	require.NoError(t, err)

	shadow := func(method, body string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, srv.URL+"/things/lamp/shadow", strings.NewReader(body))
		require.NoError(t, err)
		s := signer
		s.Service = "iotdata"
		require.NoError(t, s.Sign(r, []byte(body)))
		a, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, a.Body.Close())
		return a.StatusCode
	}
	require.Equal(t, 200, shadow(http.MethodPost, `{"state":{"desired":{"on":true}}}`))
	require.Equal(t, 200, shadow(http.MethodGet, ""))
	require.Equal(t, 403, shadow(http.MethodDelete, ""))

	// The identity is disabled: what it has open ends, and its credentials are worth nothing.
	require.NoError(t, hub.IdentityPools().SetIdentityDisabled(ctx, id, true))
	select {
	case code := <-lost:
		require.Equal(t, byte(broker.NotAuthorized), code)
	case <-time.After(patience):
		require.FailNow(t, "the connection stays")
	}
	require.Equal(t, 401, shadow(http.MethodGet, ""))

	// What clients of OpenID Connect look for.
	for path, want := range map[string]string{
		"/" + poolID + "/.well-known/jwks.json": `"keys"`, "/" + poolID + "/.well-known/openid-configuration": poolID, "/.well-known/jwks.json": `"keys"`,
	} {
		a, err := http.Get(srv.URL + path)
		require.NoError(t, err)
		text, err := io.ReadAll(a.Body)
		require.NoError(t, err)
		require.NoError(t, a.Body.Close())
		require.Equal(t, 200, a.StatusCode, path)
		require.Contains(t, string(text), want, path)
	}

	// Temporary credentials say whose they are.
	form := "Action=GetCallerIdentity&Version=2011-06-15"
	key, secret, err := hub.AccessKeys().Create(ctx, "admin")
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/", strings.NewReader(form))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	require.NoError(t, sigv4.Signer{ID: key.ID, Secret: secret, Region: "eu-central-1", Service: "sts"}.Sign(r, []byte(form)))
	a, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	text, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	require.NoError(t, a.Body.Close())
	require.Equal(t, 200, a.StatusCode, string(text))
	require.Contains(t, string(text), "arn:aws:iam::123456789012:user/admin")
}
