package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/userpool"
)

// signIn signs in at a client of the user pool.
func (r *rig) signIn(t *testing.T, clientID string) *userpool.AuthenticationResult {
	t.Helper()
	out, err := r.hub.UserPools().InitiateAuth(t.Context(), userpool.InitiateAuthInput{
		ClientID: clientID, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: map[string]string{"USERNAME": demo, "PASSWORD": r.password},
	})
	require.NoError(t, err)
	return out.AuthenticationResult
}

// TestAccess: the backend gives policies to whoever proves who they are, and to nobody else.
func TestAccess(t *testing.T) {
	t.Parallel()
	r := startApp(t, nil)
	other, err := r.hub.UserPools().CreateUserPoolClient(t.Context(), userpool.CreateUserPoolClientInput{
		UserPoolID: userPool, ClientSettings: userpool.ClientSettings{ClientName: "other", ExplicitAuthFlows: []string{"ALLOW_USER_PASSWORD_AUTH"}},
	})
	require.NoError(t, err)
	mine := r.signIn(t, client)
	ask := func(authorization string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/access", nil)
		require.NoError(t, err)
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		answer, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode, strings.TrimSpace(string(text))
	}
	for name, authorization := range map[string]string{
		"none":            "",
		"another scheme":  "Basic " + mine.IDToken,
		"no token":        "Bearer x",
		"access token":    "Bearer " + mine.AccessToken,
		"refresh token":   "Bearer " + mine.RefreshToken,
		"changed token":   "Bearer " + strings.Replace(mine.IDToken, ".", ".e30", 1),
		"for another app": "Bearer " + r.signIn(t, other.UserPoolClient.ClientID).IDToken,
	} {
		status, text := ask(authorization)
		require.Equal(t, http.StatusUnauthorized, status, "%s: %s", name, text)
		require.Contains(t, text, "message", name)
	}
	// So nobody has got anything. The identity is made by whoever is first to ask for it.
	id, err := r.hub.IdentityPools().GetID(t.Context(), r.identityPool, identitypool.Logins{provider: mine.IDToken})
	require.NoError(t, err)
	require.Empty(t, r.attached(t, id))

	status, text := ask("Bearer " + mine.IDToken)
	require.Equal(t, http.StatusOK, status, text)
	require.JSONEq(t, `{"operator":true}`, text)
	require.ElementsMatch(t, []string{"viewer", "operator"}, r.attached(t, id))

	// Whoever has signed out is nobody.
	_, err = r.hub.UserPools().AdminUserGlobalSignOut(t.Context(), userpool.UserInput{UserPoolID: userPool, Username: demo})
	require.NoError(t, err)
	status, _ = ask("Bearer " + mine.IDToken)
	require.Equal(t, http.StatusUnauthorized, status)
}

// attached are the names of the policies that an identity has.
func (r *rig) attached(t *testing.T, id string) (names []string) {
	t.Helper()
	list, _, err := r.hub.Policies().ListAttachedPolicies(t.Context(), id, nil, access.Page{})
	require.NoError(t, err)
	for _, p := range list {
		names = append(names, p.Name)
	}
	return names
}

// TestRights: the credentials of the demo user are good for this app and nothing else.
func TestRights(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := startApp(t, nil)
	logins := identitypool.Logins{provider: r.signIn(t, client).IDToken}
	id, err := r.hub.IdentityPools().GetID(ctx, r.identityPool, logins)
	require.NoError(t, err)
	credentials, err := r.hub.IdentityPools().GetCredentialsForIdentity(ctx, id, logins, "")
	require.NoError(t, err)
	url, err := sigv4.Signer{ID: credentials.AccessKeyID, Secret: credentials.SecretAccessKey, Token: credentials.SessionToken, Region: region, Service: "iotdevicegateway"}.
		Presign(http.MethodGet, "ws"+strings.TrimPrefix(r.url, "http")+"/mqtt", time.Minute)
	require.NoError(t, err)
	received := make(chan *paho.Publish, 10)
	connect := func(clientID string) (*paho.Client, error) {
		ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"mqtt"}}) //nolint:bodyclose // the library closes it
		require.NoError(t, err)
		c := paho.NewClient(paho.ClientConfig{
			Conn: packets.NewThreadSafeConn(websocket.NetConn(ctx, ws, websocket.MessageBinary)),
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
				received <- p.Packet
				return true, nil
			}},
		})
		_, err = c.Connect(ctx, &paho.Connect{ClientID: clientID, CleanStart: true, KeepAlive: 30})
		return c, err
	}
	_, err = connect(id + "-tab")
	require.Error(t, err, "before the backend has attached a policy")
	for _, name := range []string{"viewer", "operator"} {
		require.NoError(t, r.hub.Policies().AttachPolicy(ctx, name, id))
	}
	for _, name := range []string{thing, id, strings.ToUpper(id) + "-tab", "x"} {
		_, err = connect(name)
		require.Error(t, err, "as %q", name)
	}
	c, err := connect(id + "-tab")
	require.NoError(t, err)
	for _, filter := range []string{"#", "$aws/things/+/shadow/get/accepted", "$aws/things/" + thing + "/jobs/notify"} {
		_, err = c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter}}})
		require.Error(t, err, filter)
	}
	shadow := "$aws/things/" + thing + "/shadow/"
	for _, topic := range []string{"x", shadow + "delete", shadow + "update/accepted", "$aws/things/other/shadow/update"} {
		_, err = c.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1, Payload: []byte("{}")})
		require.Error(t, err, topic)
	}
	// What the greenhouse reports is not for people to say.
	_, err = c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: shadow + "update/rejected", QoS: 1}}})
	require.NoError(t, err)
	_, err = c.Publish(ctx, &paho.Publish{Topic: shadow + "update", QoS: 1, Payload: []byte(`{"state":{"reported":{"temperature":99}},"clientToken":"t"}`)})
	require.NoError(t, err)
	select {
	case p := <-received:
		require.Equal(t, shadow+"update/rejected", p.Topic)
		require.Contains(t, string(p.Payload), `"code":403`)
	case <-ctx.Done():
		require.FailNow(t, "no answer")
	}
	require.NoError(t, c.Disconnect(&paho.Disconnect{}))
}
