package interop_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/shadow"
)

// TestAWSDevicesPolicies connects devices with certificates that the hub made, which do
// what their policy allows until they are revoked.
func TestAWSDevicesPolicies(t *testing.T) {
	t.Parallel()
	for _, kind := range awsKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := startSecure(t)
			device, other := s.device(t, "pump-1"), s.device(t, "pump-2")
			heard := s.hear(t, "dt/#")
			js := beginJS(t, "aws.js")
			d := js.open(t, "pump-1", awsConnect(t, s.https, s.files(device), kind, nil))
			d.ups.next(t)
			info := s.client(t, "pump-1")
			require.Equal(t, device.CertificateID, info.Principal)
			require.Equal(t, device.CertificateARN, info.PrincipalARN)
			require.Equal(t, []any{1.0}, d.do(t, "subscribe", object{"filter": "cmd/pump-1/#", "qos": 1}))
			d.pub(t, "dt/pump-1/x", "mine", 1)
			require.Equal(t, "mine", string(heard.next(t).Payload))
			s.say(t, "cmd/pump-1/x", "on", broker.AtLeastOnce)
			require.Equal(t, "cmd/pump-1/x 1 false on", d.messages.next(t).String())

			e := d.ask(t, "publish", object{"topic": "dt/pump-2/x", "payload": b64("not mine"), "qos": 1})
			refusal := d.ask(t, "subscribe", object{"filter": "cmd/pump-2/#", "qos": 1})
			switch kind {
			case "v2 5":
				require.EqualValues(t, broker.NotAuthorized, e.Result)
				require.Equal(t, []any{float64(broker.NotAuthorized)}, refusal.Result)
			default: // MQTT 3 has no answer that says no to a message
				require.Equal(t, []any{128.0}, refusal.Result)
			}
			heard.none(t)

			// Another device's certificate does not make it this one.
			downs := js.open(t, "pump-1", awsConnect(t, s.mqtts, s.files(other), kind, nil)).downs
			require.NotEqual(t, "disconnect", downs.next(t).Event)
			require.Equal(t, device.CertificateID, s.client(t, "pump-1").Principal, "the connection stays whose it was")
		})
	}
}

// TestAWSDevicesRevoked cuts devices off, which come back when they may and not before.
func TestAWSDevicesRevoked(t *testing.T) {
	t.Parallel()
	for _, kind := range awsKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := startSecure(t)
			device := s.device(t, "pump-1")
			js := beginJS(t, "aws.js")
			d := js.open(t, "pump-1", awsConnect(t, s.mqtts, s.files(device), kind, nil))
			d.ups.next(t)
			s.setStatus(t, device, certs.Inactive)
			require.Equal(t, broker.NotAuthorized, broker.ReasonOf(s.seen.await(t, "disconnected", "pump-1", 1).cause))
			require.NotEmpty(t, d.downs.next(t).Event)
			if kind != "v2 3.1.1" { // which tells nobody that it tries again
				d.downs.next(t) // because the handshake fails
			}
			require.False(t, s.connected("pump-1"))
			s.setStatus(t, device, certs.Active)
			d.ups.next(t)
			d.do(t, "subscribe", object{"filter": "cmd/pump-1/x", "qos": 1})
			s.say(t, "cmd/pump-1/x", "welcome back", broker.AtLeastOnce)
			require.Equal(t, "cmd/pump-1/x 1 false welcome back", d.messages.next(t).String())
			s.setStatus(t, device, certs.Revoked)
			s.seen.await(t, "disconnected", "pump-1", 2)
			for len(d.downs.c) > 0 {
				d.downs.next(t)
			}
			if kind != "v2 3.1.1" {
				d.downs.next(t)
			}
			require.Len(t, s.seen.events("connected", "pump-1"), 2)
		})
	}
}

// TestAWSShadowsPolicies has the shadow clients of the SDKs work with the policy that
// devices get by default.
func TestAWSShadowsPolicies(t *testing.T) {
	t.Parallel()
	for _, kind := range shadowKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := startSecure(t)
			connect := awsConnect(t, s.mqtts, s.files(s.device(t, "pump-1")), kind, nil)
			connect["thing"] = "pump-1"
			d := shadowDevice{beginJS(t, "shadow.js").open(t, "pump-1", connect)}
			d.listen(t, "")
			d.request(t, "update", "", object{"state": object{"reported": object{"rpm": 0}}})
			_, err := s.Shadows().Update(t.Context(), shadow.Key{Thing: "pump-1"}, []byte(`{"state":{"desired":{"rpm":900}}}`), shadow.Requester{})
			require.NoError(t, err)
			for {
				m := d.messages.next(t)
				if m.Topic == "delta" {
					require.Equal(t, 900.0, m.Properties["state"].(object)["rpm"])
					break
				}
			}
			d.request(t, "update", "", object{"state": object{"reported": object{"rpm": 900}}})
			state := d.request(t, "get", "", nil)["state"].(object)
			require.Equal(t, object{"rpm": 900.0}, state["reported"])
			require.NotContains(t, state, "delta")
			d.request(t, "delete", "", nil)
		})
	}
}

// signedKinds are the clients that sign a WebSocket's URL.
var signedKinds = []string{"v2 5", "v2 3.1.1"}

// TestAWSSigned connects applications with access keys and with temporary credentials.
func TestAWSSigned(t *testing.T) {
	t.Parallel()
	for _, kind := range signedKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := startSecure(t)
			require.NoError(t, s.AccessKeys().Put(t.Context(), "app", accessKey, secretKey))
			s.policy(t, "app", `{"Version": "2012-10-17", "Statement": [
				{"Effect": "Allow", "Action": "iot:Connect", "Resource": "`+arns+`client/app-*"},
				{"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": "`+arns+`topic/app/*"},
				{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "`+arns+`topicfilter/app/*"}]}`,
				s.AccessKeys().ARN("app"), s.Roles().RoleARN("operator"))
			temporary, err := s.Roles().Issue(t.Context(), roles.Grant{Role: s.Roles().RoleARN("operator"), Session: "ann", Duration: time.Hour})
			require.NoError(t, err)
			js := beginJS(t, "aws.js")
			open := func(name, id, secret, token string) *jsClient {
				keys := object{"id": id, "secret": secret}
				if token != "" {
					keys["token"] = token
				}
				return js.open(t, name, awsConnect(t, s.https, &pki{caFile: s.ca}, kind, object{"sigv4": keys}))
			}
			heard := s.hear(t, "#")
			for name, c := range map[string]struct{ id, secret, token, arn string }{
				"app-key":  {accessKey, secretKey, "", s.AccessKeys().ARN("app")},
				"app-role": {temporary.AccessKeyID, temporary.SecretAccessKey, temporary.SessionToken, "arn:aws:sts::" + account + ":assumed-role/operator/ann"},
			} {
				app := open(name, c.id, c.secret, c.token)
				app.ups.next(t)
				info := s.client(t, name)
				require.Equal(t, "wss", info.Transport)
				require.Equal(t, c.arn, info.Principal)
				require.Equal(t, []any{1.0}, app.do(t, "subscribe", object{"filter": "app/" + name, "qos": 1}))
				app.pub(t, "app/"+name, "hello", 1)
				require.Equal(t, "app/"+name+" 1 false hello", app.messages.next(t).String())
				require.Equal(t, c.arn, heard.next(t).Origin.Principal)
				app.ask(t, "publish", object{"topic": "elsewhere", "payload": b64("no"), "qos": 1})
				heard.none(t)
			}
			for name, c := range map[string][3]string{
				"app-guess":     {accessKey, "guess", ""},
				"app-nobody":    {"AKIANOBODY0000000000", secretKey, ""},
				"app-token":     {accessKey, secretKey, temporary.SessionToken},
				"app-tokenless": {temporary.AccessKeyID, temporary.SecretAccessKey, ""},
				"other":         {accessKey, secretKey, ""}, // a client id that its policy does not have
			} {
				app := open(name, c[0], c[1], c[2])
				require.NotEmpty(t, app.downs.next(t).Error, name)
				require.Empty(t, s.seen.events("connected", name))
			}
			require.NoError(t, s.AccessKeys().SetDisabled(t.Context(), accessKey, true))
			s.seen.await(t, "disconnected", "app-key", 1)
			require.True(t, s.connected("app-role"))
		})
	}
}
