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
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/users"
	"github.com/thinghub/thinghub/broker"
)

// loginHub is a hub that lets in who it knows, and an authorizer for signed tokens that
// is called corp.
func loginHub(t *testing.T) (h *testHub, web string, sign func(token string) string) {
	t.Helper()
	directory := auth.NewMemory()
	authorizers, err := custom.New(custom.Config{Directory: directory, Functions: map[string]custom.Function{
		"login": custom.Func(func(_ context.Context, r *custom.Request) (*custom.Response, error) {
			return &custom.Response{
				IsAuthenticated: r.SignatureVerified && r.Token != "", PrincipalID: "corp1", PolicyDocuments: []custom.Document{"{}"},
			}, nil
		}),
	}})
	require.NoError(t, err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	_, err = authorizers.CreateAuthorizer(t.Context(), custom.NewAuthorizer{
		Name: "corp", FunctionARN: "login", Status: custom.Active, TokenKeyName: "token",
		TokenSigningPublicKeys: map[string]string{"k": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))},
	})
	require.NoError(t, err)
	h = startHub(t, func(c *thinghub.Config) {
		c.Directory, c.Authenticator, c.Account = directory, nil, account
		c.Logins = []auth.Authenticator{authorizers}
	})
	_, err = h.Users().Create(t.Context(), users.NewUser{Name: "alice", Password: "alice-pw"})
	require.NoError(t, err)
	require.NoError(t, h.AccessKeys().Put(t.Context(), "admin", accessKey, secretKey))
	return h, "ws://" + h.serveHTTP(t, nil) + "/mqtt", func(token string) string {
		sum := sha256.Sum256([]byte(token))
		b, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		require.NoError(t, err)
		return base64.StdEncoding.EncodeToString(b)
	}
}

// presigned is what browsers open: a WebSocket's URL that the SDK signed.
func presigned(t *testing.T, raw, secret string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, raw+"?X-Amz-Expires=60", nil)
	require.NoError(t, err)
	out, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secret}, r, hashOfNothing, "iotdevicegateway", region, time.Now())
	require.NoError(t, err)
	return out
}

// TestLogins lets clients in by signatures, passwords and custom authorizers, over TCP
// and WebSocket, and refuses those that have not got them right.
func TestLogins(t *testing.T) {
	t.Parallel()
	h, web, sign := loginHub(t)
	tcp := "tcp://" + h.addr
	token := func(token, signed string) string {
		return "alice?x-amz-customauthorizer-name=corp&token=" + token + "&x-amz-customauthorizer-signature=" + url.QueryEscape(sign(signed))
	}
	login := func(name, password string) v3Option {
		return func(o *mqtt.ClientOptions) { o.SetUsername(name).SetPassword(password) }
	}
	headers := func(pairs ...string) v3Option {
		return func(o *mqtt.ClientOptions) {
			header := http.Header{}
			for i := 0; i < len(pairs); i += 2 {
				header.Set(pairs[i], pairs[i+1])
			}
			o.SetHTTPHeaders(header)
		}
	}
	none := func(*mqtt.ClientOptions) {}
	const admin = "arn:aws:iam::" + account + ":user/admin"
	for _, c := range []struct {
		name, url, principal string
		how                  v3Option
	}{
		{"signature", presigned(t, web, secretKey), admin, none},
		{"signature, and a user name", presigned(t, web, secretKey), admin, login("?SDK=x&Version=1", "")},
		{"wrong signature", presigned(t, web, "guess"), "", none},
		{"wrong signature, good password", presigned(t, web, "guess"), "", login("alice", "alice-pw")},
		{"password", tcp, "alice", login("alice", "alice-pw")},
		{"password, metrics", tcp, "alice", login("alice?SDK=Python&Version=1.4.9", "alice-pw")},
		{"password, WebSocket", web, "alice", login("alice", "alice-pw")},
		{"Basic", web, "alice", headers("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("alice:alice-pw")))},
		{"wrong password", tcp, "", login("alice", "guess")},
		{"no such user", tcp, "", login("bob", "alice-pw")},
		{"token", tcp, "corp1", login(token("t1", "t1"), "")},
		{"token, WebSocket", web, "corp1", login(token("t1", "t1"), "")},
		{"token in headers", web, "corp1", headers("x-amz-customauthorizer-name", "corp", "token", "t2", "x-amz-customauthorizer-signature", sign("t2"))},
		{"token in query", web + "?x-amz-customauthorizer-name=corp&token=t3&x-amz-customauthorizer-signature=" + url.QueryEscape(sign("t3")), "corp1", none},
		{"wrong token", tcp, "", login(token("t1", "t2"), "")},
		{"wrong token, good password", tcp, "", login(token("t1", "t2"), "alice-pw")},
		{"nothing", tcp, "", none},
		{"nothing, WebSocket", web, "", none},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.principal == "" {
				tok := newV3(c.url, c.name, c.how).Connect()
				require.True(t, tok.WaitTimeout(patience))
				require.Error(t, tok.Error())
				return
			}
			dialV3(t, c.url, c.name, c.how)
			require.Equal(t, c.principal, h.client(t, c.name).Principal)
		})
	}
}

// TestLoginsEnd: who has lost what it came in with is gone.
func TestLoginsEnd(t *testing.T) {
	t.Parallel()
	h, web, _ := loginHub(t)
	dialV3(t, presigned(t, web, secretKey), "signed")
	nc, err := net.Dial("tcp", h.addr)
	require.NoError(t, err)
	alice, err := connectV5(t, nc, "alice-1", user("alice", "alice-pw"))
	require.NoError(t, err)

	require.NoError(t, h.Users().SetPassword(t.Context(), "alice", "another-pw"))
	reason, _ := alice.awaitLeft(t)
	require.Equal(t, broker.NotAuthorized, reason)
	require.NoError(t, h.AccessKeys().SetDisabled(t.Context(), accessKey, true))
	h.seen.await(t, "disconnected", "signed", 1)

	tok := newV3(presigned(t, web, secretKey), "signed-again").Connect()
	require.True(t, tok.WaitTimeout(patience))
	require.Error(t, tok.Error())
}
