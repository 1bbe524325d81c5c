package thinghub_test

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/users"
)

// Whoever shows something that is recognised and not accepted does not come in with
// something else, whatever that is: in the order certificate, signature, authorizer, user.
func TestChain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g := newGuarded(t, func(c *thinghub.Config) {
		c.AuthorizerConfig.Functions = map[string]custom.Function{"door": custom.Func(func(_ context.Context, r *custom.Request) (*custom.Response, error) {
			if r.Token == "broken" {
				return nil, errors.New("no database")
			}
			return &custom.Response{IsAuthenticated: r.Token == "open", PrincipalID: "visitor", PolicyDocuments: []custom.Document{allowAnyone}}, nil
		})}
	})
	g.policy(t, "all", allowAnyone)
	_, err := g.Authorizers().CreateAuthorizer(ctx, custom.NewAuthorizer{Name: "corp", FunctionARN: "door", Status: custom.Active, TokenKeyName: "ticket", SigningDisabled: true})
	require.NoError(t, err)
	_, err = g.Users().Create(ctx, users.NewUser{Name: "alice", Password: "alice-password"})
	require.NoError(t, err)
	key, secret, err := g.AccessKeys().Create(ctx, "app")
	require.NoError(t, err)
	for _, arn := range []string{g.Users().ARN("alice"), g.AccessKeys().ARN("app")} {
		require.NoError(t, g.Policies().AttachPolicy(ctx, "all", arn))
	}
	addr := g.https(t)

	none := &tls.Config{RootCAs: g.Certificates().CAPool()}
	good, device := g.device(t, "pump-1", "all")
	off, revoked := g.device(t, "pump-2", "all")
	_, unknown := newPlant(t).device(t, g, pkix.Name{CommonName: "x"})
	certificates := map[string]*tls.Config{"": none, "good": device, "bad": revoked, "unknown": unknown}
	signer := sigv4.Signer{ID: key.ID, Secret: secret, Region: "local", Service: "iotdevicegateway"}
	forged := signer
	forged.Secret += "x"
	signatures := map[string]*sigv4.Signer{"": nil, "good": &signer, "bad": &forged}
	tokens := map[string]string{"": "", "good": "open", "bad": "shut", "failing": "broken"}
	passwords := map[string]string{"": "", "good": "alice-password", "bad": "a-guess"}
	status := func(s certs.Status) {
		require.NoError(t, g.Certificates().UpdateCertificate(ctx, off.CertificateID, s))
	}

	for _, c := range []struct {
		certificate, signature, token, password string
		want                                    string // the principal; empty: nobody
	}{
		{want: ""},
		{certificate: "good", want: good.CertificateID},
		{signature: "good", want: g.AccessKeys().ARN("app")},
		{token: "good", want: "visitor"},
		{password: "good", want: "alice"},
		{certificate: "good", signature: "bad", token: "bad", password: "bad", want: good.CertificateID},
		{certificate: "bad", signature: "good", token: "good", password: "good"},
		{certificate: "bad", signature: "good"},
		{certificate: "bad", token: "good"},
		{certificate: "bad", password: "good"},
		{certificate: "unknown", signature: "good"},
		{certificate: "unknown", token: "good"},
		{certificate: "unknown", password: "good"},
		{signature: "good", token: "bad", password: "bad", want: g.AccessKeys().ARN("app")},
		{signature: "bad", token: "good", password: "good"},
		{signature: "bad", token: "good"},
		{signature: "bad", password: "good"},
		{token: "good", password: "bad", want: "visitor"},
		{token: "bad", password: "good"},
		{token: "failing", password: "good"},
	} {
		token := ""
		if c.token != "" {
			token = url.Values{"x-amz-customauthorizer-name": {"corp"}, "ticket": {tokens[c.token]}}.Encode()
		}
		w := &way{g: g, addr: g.addr, tls: certificates[c.certificate], connect: paho.Connect{ClientID: "c", CleanStart: true, KeepAlive: 30}}
		if c.password != "" || token != "" {
			w.connect.UsernameFlag, w.connect.Username = true, "alice"
			if token != "" {
				w.connect.Username += "?" + token
			}
		}
		if c.password != "" {
			w.connect.PasswordFlag, w.connect.Password = true, []byte(passwords[c.password])
		}
		comesIn := func(how string) {
			t.Helper()
			client, _, err := w.enter(t)
			if c.want == "" {
				require.Error(t, err, "%s %+v", how, c)
				require.Empty(t, g.Clients())
				return
			}
			require.NoError(t, err, "%s %+v", how, c)
			info, ok := g.Client("c")
			require.True(t, ok)
			require.Equal(t, c.want, info.Principal, "%s %+v", how, c)
			require.NoError(t, client.Disconnect(&paho.Disconnect{}))
			require.Eventually(t, func() bool { return len(g.Clients()) == 0 }, patience, time.Millisecond)
		}
		status(certs.Inactive)
		if c.signature == "" {
			comesIn("MQTT")
		}
		if c.certificate == "bad" { // who is refused by the handshake cannot show anything else
			status(certs.Active)
		}
		sign := func(r *http.Request) {
			if s := signatures[c.signature]; s != nil {
				u, err := s.Presign(r.Method, r.URL.String(), time.Minute)
				require.NoError(t, err)
				r.URL, err = url.Parse(u)
				require.NoError(t, err)
			}
		}
		w.addr, w.web = addr, func(*http.Request) {}
		w.url = func() string {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "wss://localhost/mqtt", http.NoBody)
			require.NoError(t, err)
			sign(r)
			return r.URL.String()
		}
		web := &http.Transport{DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx) }}
		request := func() (int, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://localhost/topics/x?qos=1", http.NoBody)
			require.NoError(t, err)
			if token != "" {
				r.URL.RawQuery += "&" + token
			}
			sign(r)
			if c.password != "" {
				r.SetBasicAuth("alice", passwords[c.password])
			}
			a, err := web.RoundTrip(r)
			if err != nil {
				return 0, err
			}
			_, err = io.Copy(io.Discard, a.Body)
			require.NoError(t, err)
			return a.StatusCode, a.Body.Close()
		}
		if c.certificate == "bad" { // the connection is there before it is revoked
			_, err := request()
			require.NoError(t, err)
			status(certs.Inactive)
		}
		code, err := request()
		if c.want != "" {
			require.NoError(t, err)
			require.Equal(t, 200, code, "HTTP %+v", c)
		} else if err == nil {
			require.Contains(t, []int{401, 403, 500, 503}, code, "HTTP %+v", c)
		}
		web.CloseIdleConnections()
		if c.certificate != "bad" {
			comesIn("WebSocket")
		}
	}
}
