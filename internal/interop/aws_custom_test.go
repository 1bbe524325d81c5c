package interop_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/custom"
)

// doorman is the function of the authorizers: it lets in who has a signed token, and
// "ann" with her password, under a policy that has their name in it.
func doorman(_ context.Context, r *custom.Request) (*custom.Response, error) {
	name := r.Token
	if m := r.ProtocolData.MQTT; !r.SignatureVerified {
		name = ""
		if m != nil {
			user, _, _ := strings.Cut(m.Username, "?") // SDKs put parameters behind it
			if user == "ann" && string(m.Password) == "ann-pw" {
				name = user
			}
		}
	}
	return &custom.Response{
		IsAuthenticated: name != "", PrincipalID: name,
		PolicyDocuments: []custom.Document{custom.Document(`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": "iot:Connect", "Resource": "` + arns + `client/${iot:ClientId}"},
			{"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": "` + arns + `topic/of/` + name + `"},
			{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": "` + arns + `topicfilter/of/` + name + `"}]}`)},
	}, nil
}

// startDoor starts a hub with two authorizers that call doorman: "signed" wants signed
// tokens, and "plain", the default, does not.
func startDoor(t *testing.T) (s *secureHub, sign func(token string) string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	s = startSecure(t, func(c *thinghub.Config) {
		c.AuthorizerConfig = custom.Config{Functions: map[string]custom.Function{"doorman": custom.Func(doorman)}}
	})
	for _, a := range []custom.NewAuthorizer{
		{Name: "signed", TokenKeyName: "token", TokenSigningPublicKeys: map[string]string{"k": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))}},
		{Name: "plain", SigningDisabled: true},
	} {
		a.FunctionARN, a.Status = "doorman", custom.Active
		_, err := s.Authorizers().CreateAuthorizer(t.Context(), a)
		require.NoError(t, err)
	}
	_, err = s.Authorizers().SetDefaultAuthorizer(t.Context(), "plain")
	require.NoError(t, err)
	return s, func(token string) string {
		sum := sha256.Sum256([]byte(token))
		b, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		require.NoError(t, err)
		return base64.StdEncoding.EncodeToString(b)
	}
}

// TestAWSCustomAuthorizers connects the SDKs' clients with tokens and passwords that an
// authorizer of the host's judges: directly (ALPN "mqtt") and over WebSocket.
func TestAWSCustomAuthorizers(t *testing.T) {
	t.Parallel()
	for _, kind := range signedKinds {
		for _, transport := range []string{"tls", "wss"} {
			t.Run(kind+" "+transport, func(t *testing.T) {
				t.Parallel()
				s, sign := startDoor(t)
				js := beginJS(t, "aws.js")
				heard := s.hear(t, "#")
				for _, c := range []struct {
					client, principal string
					how               object
				}{
					{"token", "t1", object{"authorizer": "signed", "key": "token", "token": "t1", "signature": sign("t1")}},
					{"token and user", "t2", object{"authorizer": "signed", "key": "token", "token": "t2", "signature": sign("t2"), "user": "eve", "password": "x"}},
					{"password", "ann", object{"authorizer": "plain", "user": "ann", "password": "ann-pw"}},
					{"default", "ann", object{"user": "ann", "password": "ann-pw"}},
					{"wrong signature", "", object{"authorizer": "signed", "key": "token", "token": "t1", "signature": sign("t2")}},
					{"no signature", "", object{"authorizer": "signed", "user": "ann", "password": "ann-pw"}},
					{"wrong password", "", object{"authorizer": "plain", "user": "ann", "password": "guess"}},
					{"no such authorizer", "", object{"authorizer": "other", "user": "ann", "password": "ann-pw"}},
				} {
					client := js.open(t, c.client, awsConnect(t, s.https, &pki{caFile: s.ca}, kind, object{"custom": c.how, "websocket": transport == "wss"}))
					if c.principal == "" {
						require.NotEmpty(t, client.downs.next(t).Error, c.client)
						require.Empty(t, s.seen.events("connected", c.client))
						continue
					}
					client.ups.next(t)
					info := s.client(t, c.client)
					require.Equal(t, c.principal, info.Principal)
					require.Equal(t, transport, info.Transport)
					require.Equal(t, []any{1.0}, client.do(t, "subscribe", object{"filter": "of/" + c.principal, "qos": 1}))
					client.pub(t, "of/"+c.principal, c.client, 1)
					require.Equal(t, "of/"+c.principal+" 1 false "+c.client, client.messages.next(t).String())
					require.Equal(t, c.principal, heard.next(t).Origin.Principal)
					client.ask(t, "publish", object{"topic": "of/somebody", "payload": b64("no"), "qos": 1})
					heard.none(t)
					client.do(t, "end", nil)
				}
			})
		}
	}
}
