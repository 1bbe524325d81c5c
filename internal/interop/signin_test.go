package interop_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity/types"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
)

// travels goes with a login all the way: it becomes an identity, which gets credentials by
// the enhanced flow and by the basic one, and uses both. It returns the identity.
func (h *signInHub) travels(t *testing.T, provider, token string) (identity string) {
	t.Helper()
	ctx, logins := t.Context(), map[string]string{provider: token}
	pools, tokens := h.anonymous()
	id, err := pools.GetId(ctx, &cognitoidentity.GetIdInput{IdentityPoolId: &h.pool, Logins: logins})
	require.NoError(t, err)
	again, err := pools.GetId(ctx, &cognitoidentity.GetIdInput{IdentityPoolId: &h.pool, Logins: logins})
	require.NoError(t, err)
	require.Equal(t, id.IdentityId, again.IdentityId)
	got, err := pools.GetCredentialsForIdentity(ctx, &cognitoidentity.GetCredentialsForIdentityInput{IdentityId: id.IdentityId, Logins: logins})
	require.NoError(t, err)
	enhanced := ofPool(got.Credentials)
	h.powerless(t, enhanced, *id.IdentityId)
	_, err = h.admin().AttachPolicy(ctx, &iot.AttachPolicyInput{PolicyName: aws.String("identity"), Target: id.IdentityId})
	require.NoError(t, err)
	h.uses(t, enhanced, *id.IdentityId)

	open, err := pools.GetOpenIdToken(ctx, &cognitoidentity.GetOpenIdTokenInput{IdentityId: id.IdentityId, Logins: logins})
	require.NoError(t, err)
	taken, err := tokens.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: &h.role, RoleSessionName: aws.String("app"), WebIdentityToken: open.Token})
	require.NoError(t, err)
	require.Equal(t, *id.IdentityId, *taken.SubjectFromWebIdentityToken)
	require.Equal(t, h.pool, *taken.Audience)
	basic := ofSTS(taken.Credentials)
	who, err := sts.NewFromConfig(h.config(basic)).GetCallerIdentity(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::"+account+":assumed-role/app/app", *who.Arn)
	h.uses(t, basic, *id.IdentityId)
	return *id.IdentityId
}

// takesRole takes a role with a token of a login provider, without an identity pool. Such a
// session has no policy but its role's.
func (h *signInHub) takesRole(t *testing.T, provider, app, token string, providerID *string) {
	t.Helper()
	role := h.makeRole(t, "visitor", provider, `"StringEquals": {"`+provider+`:aud": "`+app+`"}`, "visitor")
	_, tokens := h.anonymous()
	taken, err := tokens.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("visit"), WebIdentityToken: &token, ProviderId: providerID})
	require.NoError(t, err)
	require.Equal(t, app, *taken.Audience)
	h.uses(t, ofSTS(taken.Credentials), "visitor")
}

// anonymous are the clients of an app, which has no keys.
func (h *signInHub) anonymous() (*cognitoidentity.Client, *sts.Client) {
	c := h.config(aws.Credentials{})
	c.Credentials = aws.AnonymousCredentials{}
	return cognitoidentity.NewFromConfig(c), sts.NewFromConfig(c)
}

func ofPool(c *types.Credentials) aws.Credentials {
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretKey, SessionToken: *c.SessionToken}
}

func ofSTS(c *ststypes.Credentials) aws.Credentials {
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
}

// connects opens a WebSocket whose address the SDK has signed, and speaks MQTT on it.
func (h *signInHub) connects(t *testing.T, as aws.Credentials, client string) (*v5Client, error) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "ws://"+h.ln.Addr().String()+"/mqtt?X-Amz-Expires=60", nil)
	require.NoError(t, err)
	session := as.SessionToken
	as.SessionToken = "" // which AWS IoT wants behind what is signed
	to, _, err := v4.NewSigner().PresignHTTP(t.Context(), as, r, hashOfNothing, "iotdevicegateway", region, time.Now())
	require.NoError(t, err)
	ws, _, err := websocket.Dial(t.Context(), to+"&X-Amz-Security-Token="+url.QueryEscape(session), &websocket.DialOptions{Subprotocols: []string{"mqtt"}}) //nolint:bodyclose // the library closes it
	require.NoError(t, err)
	return connectV5(t, websocket.NetConn(t.Context(), ws, websocket.MessageBinary), client)
}

// refusedAs checks that credentials do not connect as a client.
func (h *signInHub) refusedAs(t *testing.T, as aws.Credentials, client string) {
	t.Helper()
	c, err := h.connects(t, as, client)
	require.Error(t, err)
	require.NotNil(t, c.ack, "%v", err)
	require.Equal(t, broker.NotAuthorized, broker.ReasonCode(c.ack.ReasonCode))
}

// powerless checks that somebody with good credentials may do nothing.
func (h *signInHub) powerless(t *testing.T, as aws.Credentials, client string) {
	t.Helper()
	h.refusedAs(t, as, client)
	data := iotdataplane.NewFromConfig(h.config(as))
	_, err := data.GetThingShadow(t.Context(), &iotdataplane.GetThingShadowInput{ThingName: aws.String("lamp")})
	forbidden(t, err)
	_, err = data.Publish(t.Context(), &iotdataplane.PublishInput{Topic: aws.String("app/" + client + "/x")})
	forbidden(t, err)
}

func forbidden(t *testing.T, err error) {
	t.Helper()
	require.Equal(t, "ForbiddenException", codeOf(t, err))
	var e *awshttp.ResponseError
	require.ErrorAs(t, err, &e)
	require.Equal(t, http.StatusForbidden, e.HTTPStatusCode())
}

// uses does what an app does with credentials that are for one client and for the thing
// lamp: over MQTT and over HTTP, and what they are not for, which is refused.
func (h *signInHub) uses(t *testing.T, as aws.Credentials, client string) {
	t.Helper()
	ctx, own, shadow := t.Context(), "app/"+client+"/", "$aws/things/lamp/shadow/"
	lamp, secrets := h.hear(t, shadow+"update/delta"), h.hear(t, "secret/#")
	up := h.hear(t, own+"up")
	c, err := h.connects(t, as, client)
	require.NoError(t, err)
	expects := func(topic string) string {
		t.Helper()
		p := c.in.next(t)
		require.Equal(t, topic, p.Topic, text(p))
		return text(p)
	}
	for _, filter := range []string{own + "#", shadow + "+/accepted", shadow + "update/delta"} {
		c.sub(t, paho.SubscribeOptions{Topic: filter, QoS: 1})
	}
	c.say(t, own+"up", "hello", 1)
	require.Equal(t, "hello", expects(own+"up"))
	require.Equal(t, h.client(t, client).Principal, up.next(t).Origin.Principal)
	h.say(t, own+"down", "hi", broker.AtLeastOnce)
	require.Equal(t, "hi", expects(own+"down"))

	// The shadow, over MQTT.
	c.say(t, shadow+"update", `{"state": {"desired": {"on": true}, "reported": {"on": false}}, "clientToken": "t1"}`, 1)
	require.Equal(t, object{"on": true}, decode(t, []byte(expects(shadow+"update/delta")))["state"])
	require.Equal(t, "t1", decode(t, []byte(expects(shadow+"update/accepted")))["clientToken"])
	require.Equal(t, object{"on": true}, decode(t, lamp.next(t).Payload)["state"], "the lamp hears of it")
	c.say(t, shadow+"get", "", 1)
	require.Equal(t, object{"on": true}, decode(t, []byte(expects(shadow+"get/accepted")))["state"].(object)["delta"])

	// The same, over HTTP.
	data := iotdataplane.NewFromConfig(h.config(as))
	publish := func(topic string) error {
		_, err := data.Publish(ctx, &iotdataplane.PublishInput{Topic: &topic, Qos: 1, Payload: []byte("over HTTP")})
		return err
	}
	require.NoError(t, publish(own+"http"))
	require.Equal(t, "over HTTP", expects(own+"http"))
	_, err = data.UpdateThingShadow(ctx, &iotdataplane.UpdateThingShadowInput{ThingName: aws.String("lamp"), Payload: []byte(`{"state": {"reported": {"on": true}}}`)})
	require.NoError(t, err)
	expects(shadow + "update/accepted")
	is, err := data.GetThingShadow(ctx, &iotdataplane.GetThingShadowInput{ThingName: aws.String("lamp")})
	require.NoError(t, err)
	require.Equal(t, object{"desired": object{"on": true}, "reported": object{"on": true}}, decode(t, is.Payload)["state"])

	// What is not allowed.
	ack, err := c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "secret/#", QoS: 1}}})
	require.Error(t, err)
	require.Equal(t, []byte{byte(broker.NotAuthorized)}, ack.Reasons)
	said, err := c.Publish(ctx, &paho.Publish{Topic: "secret/x", QoS: 1, Payload: []byte("x")})
	require.Error(t, err)
	require.Equal(t, broker.NotAuthorized, broker.ReasonCode(said.ReasonCode))
	forbidden(t, publish("secret/x"))
	_, err = data.GetThingShadow(ctx, &iotdataplane.GetThingShadowInput{ThingName: aws.String("other")})
	forbidden(t, err)
	_, err = data.DeleteThingShadow(ctx, &iotdataplane.DeleteThingShadowInput{ThingName: aws.String("lamp")})
	forbidden(t, err)
	h.refusedAs(t, as, "somebody-else")
	h.say(t, "secret/end", "", broker.AtLeastOnce)
	require.Equal(t, "secret/end", secrets.next(t).Topic, "nothing came before it")
	require.NoError(t, c.Disconnect(&paho.Disconnect{}))
}

// A badLogin is a token that does not count, and what is said of it.
type badLogin struct {
	name, token string
	// pool is in the error of an identity pool, sts is the code of the token service.
	pool, sts string
}

const (
	saysInvalid  = "Invalid login token."
	saysAudience = "Incorrect token audience"
	saysExpired  = "Token expired"

	stsInvalid = "InvalidIdentityToken"
	stsExpired = "ExpiredTokenException"
)

// refuses takes tokens that do not count to everybody who gives something for one. There
// has to be the role of takesRole.
func (h *signInHub) refuses(t *testing.T, provider, identity string, providerID *string, list ...badLogin) {
	t.Helper()
	ctx := t.Context()
	pools, tokens := h.anonymous()
	for _, bad := range list {
		t.Run(bad.name, func(t *testing.T) {
			logins := map[string]string{provider: bad.token}
			_, id := pools.GetId(ctx, &cognitoidentity.GetIdInput{IdentityPoolId: &h.pool, Logins: logins})
			_, enhanced := pools.GetCredentialsForIdentity(ctx, &cognitoidentity.GetCredentialsForIdentityInput{IdentityId: &identity, Logins: logins})
			_, open := pools.GetOpenIdToken(ctx, &cognitoidentity.GetOpenIdTokenInput{IdentityId: &identity, Logins: logins})
			for _, err := range []error{id, enhanced, open} {
				goFails[*types.NotAuthorizedException](t, err)
				require.ErrorContains(t, err, bad.pool)
			}
			_, err := tokens.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
				RoleArn: aws.String("arn:aws:iam::" + account + ":role/visitor"), RoleSessionName: aws.String("visit"), WebIdentityToken: &bad.token, ProviderId: providerID,
			})
			require.Equal(t, bad.sts, codeOf(t, err))
		})
	}
}

// TestSignInGuest: a guest has the rights of the guests' role, which are not those of
// people, and needs no policy of its own.
func TestSignInGuest(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	h := newSignIn(t)
	h.start(t)
	h.makePool(t, cognitoidentity.CreateIdentityPoolInput{AllowUnauthenticatedIdentities: true})
	pools, tokens := h.anonymous()
	id, err := pools.GetId(ctx, &cognitoidentity.GetIdInput{IdentityPoolId: &h.pool})
	require.NoError(t, err)
	got, err := pools.GetCredentialsForIdentity(ctx, &cognitoidentity.GetCredentialsForIdentityInput{IdentityId: id.IdentityId})
	require.NoError(t, err)
	h.uses(t, ofPool(got.Credentials), *id.IdentityId)

	open, err := pools.GetOpenIdToken(ctx, &cognitoidentity.GetOpenIdTokenInput{IdentityId: id.IdentityId})
	require.NoError(t, err)
	takes := func(role string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
		return tokens.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("guest"), WebIdentityToken: open.Token})
	}
	taken, err := takes("arn:aws:iam::" + account + ":role/guest")
	require.NoError(t, err)
	h.uses(t, ofSTS(taken.Credentials), *id.IdentityId)
	_, err = takes(h.role)
	require.Equal(t, "AccessDenied", codeOf(t, err), "the role of those who have signed in is not for guests")

	forged := ofSTS(taken.Credentials)
	forged.SecretAccessKey += "x"
	c, err := h.connects(t, forged, *id.IdentityId)
	require.Error(t, err)
	require.Equal(t, broker.BadUserNameOrPassword, broker.ReasonCode(c.ack.ReasonCode))
	_, err = iotdataplane.NewFromConfig(h.config(forged)).GetThingShadow(ctx, &iotdataplane.GetThingShadowInput{ThingName: aws.String("lamp")})
	require.Equal(t, "UnauthorizedException", codeOf(t, err))
}
