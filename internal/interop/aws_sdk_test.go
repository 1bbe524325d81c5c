package interop_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// awsKinds are the clients of the AWS IoT device SDKs for JavaScript.
var awsKinds = []string{"v1", "v2 3.1.1", "v2 5"}

func awsConnect(t *testing.T, addr string, p *pki, kind string, more object) object {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	options := object{"host": "localhost", "port": n, "cert": p.certFile, "key": p.keyFile, "ca": p.caFile}
	for k, v := range more {
		options[k] = v
	}
	return object{"kind": kind, "options": options}
}

// alpnSeen remembers what the clients offered in their TLS handshake.
type alpnSeen struct {
	byCertificate
	seen inbox[*auth.Credentials]
}

func (a alpnSeen) Authenticate(ctx context.Context, c *auth.Credentials) (*auth.Identity, error) {
	kept := *c
	a.seen.put(&kept)
	return a.byCertificate.Authenticate(ctx, c)
}

// TestAWSDevices connects devices as they connect to AWS IoT Core: mutual TLS, ALPN,
// their own user names.
func TestAWSDevices(t *testing.T) {
	t.Parallel()
	for _, kind := range awsKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := newPKI(t)
			a := alpnSeen{seen: newInbox[*auth.Credentials]()}
			h := startHub(t, func(c *thinghub.Config) { c.Authenticator = a })
			addr := h.serveTLS(t, p.serverConfig(tls.RequireAndVerifyClientCert))
			js := beginJS(t, "aws.js")
			d := js.open(t, "device", awsConnect(t, addr, p, kind, nil))
			require.False(t, d.ups.next(t).SessionPresent)
			creds := a.seen.next(t)
			require.Equal(t, "x-amzn-mqtt-ca", creds.TLS.NegotiatedProtocol)
			require.Equal(t, "localhost", creds.TLS.ServerName)
			require.Contains(t, creds.Username, "SDK=")
			info := h.client(t, "device")
			require.Equal(t, "pump-1", info.Principal)
			require.Equal(t, kind == "v2 5", info.ProtocolVersion == 5)

			host := h.hear(t, "dt/#")
			for qos := range 2 {
				require.Equal(t, []any{float64(qos)}, d.do(t, "subscribe", object{"filter": fmt.Sprintf("cmd/%d/#", qos), "qos": qos}))
				d.pub(t, "dt/x", "telemetry", qos)
				m := host.next(t)
				require.Equal(t, "telemetry", string(m.Payload))
				require.Equal(t, broker.QoS(qos), m.QoS)
				for i := range 20 {
					h.say(t, fmt.Sprintf("cmd/%d/x", qos), fmt.Sprint("command ", i), broker.ExactlyOnce)
				}
				for i := range 20 {
					require.Equal(t, fmt.Sprintf("cmd/%d/x %d false command %d", qos, qos, i), d.messages.next(t).String())
				}
			}
			// To itself, retained, and large.
			d.do(t, "publish", object{"topic": "cmd/1/kept", "payload": b64("kept"), "qos": 1, "retain": true})
			require.Equal(t, "cmd/1/kept 1 false kept", d.messages.next(t).String())
			d.pub(t, "cmd/1/large", string(huge[:120_000]), 1)
			require.Equal(t, huge[:120_000], d.messages.next(t).Payload)
			require.NoError(t, h.PublishMessage(t.Context(), &thinghub.Message{Topic: "cmd/1/kept", Retain: true}))
			require.Empty(t, d.messages.next(t).Payload)
			if kind == "v2 5" {
				d.do(t, "publish", object{"topic": "cmd/1/props", "payload": b64("{}"), "qos": 1, "properties": object{
					"contentType": "application/json", "responseTopic": "r", "correlationData": "id-1",
					"userProperties": []object{{"name": "k", "value": "v"}},
				}})
				require.Equal(t, object{
					"contentType": "application/json", "responseTopic": "r", "correlationData": b64("id-1"),
					"userProperties": []any{object{"name": "k", "value": "v"}},
				}, d.messages.next(t).Properties)
			}
			d.do(t, "end", nil)
			requireEnded(t, h.seen.await(t, "disconnected", "device", 1).cause)
		})
	}
}

// requireEnded says that a device of an SDK ended its connection. The common runtime
// beneath SDK v2 sends DISCONNECT and closes its socket at once. It leaves Nagle's
// algorithm on, which may still hold the packet back then, and if there is something that
// it has not read, such as an acknowledgement, closing becomes a reset that discards it:
// then no server can have seen the DISCONNECT.
func requireEnded(t *testing.T, cause error) {
	t.Helper()
	if !errors.Is(cause, syscall.ECONNRESET) {
		require.NoError(t, cause)
	}
}

// TestAWSDevicesReconnect loses the connection of devices with persistent sessions.
func TestAWSDevicesReconnect(t *testing.T) {
	t.Parallel()
	for _, kind := range awsKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := newPKI(t)
			h := startHub(t, func(c *thinghub.Config) { c.Authenticator = byCertificate{} })
			addr := h.serveTLS(t, p.serverConfig(tls.RequireAndVerifyClientCert))
			will := h.hear(t, "will")
			js := beginJS(t, "aws.js")
			d := js.open(t, "device", awsConnect(t, addr, p, kind, object{"expiry": 3600, "will": "will"}))
			d.ups.next(t)
			d.do(t, "subscribe", object{"filter": "cmd", "qos": 1})
			require.NoError(t, h.Disconnect("device", broker.DisconnectOptions{}))
			h.seen.await(t, "disconnected", "device", 1)
			if kind == "v2 5" {
				require.Equal(t, int(broker.AdministrativeAction), d.downs.next(t).ReasonCode)
			}
			require.Equal(t, "gone", string(will.next(t).Payload))
			h.say(t, "cmd", "while away", broker.AtLeastOnce)
			if kind != "v1" { // which does not say
				require.True(t, d.ups.next(t).SessionPresent)
			}
			require.Equal(t, "cmd 1 false while away", d.messages.next(t).String())
			d.pub(t, "cmd", "back", 1)
			require.Equal(t, "cmd 1 false back", d.messages.next(t).String())
		})
	}
}

// TestAWSWebSocket connects with a presigned URL, as applications do.
func TestAWSWebSocket(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	a := bySignature{seen: newInbox[*auth.Credentials]()}
	h := startHub(t, func(c *thinghub.Config) { c.Authenticator = a })
	addr := h.serveHTTP(t, p.serverConfig(tls.NoClientCert))
	d := beginJS(t, "aws.js").open(t, "app", awsConnect(t, addr, p, "v2 5", object{"sigv4": object{"id": accessKey, "secret": "secret"}}))
	d.ups.next(t)
	require.Equal(t, "wss", h.client(t, "app").Transport)
	q := a.seen.next(t).Request.URL.Query()
	require.Equal(t, "AWS4-HMAC-SHA256", q.Get("X-Amz-Algorithm"))
	require.True(t, strings.HasPrefix(q.Get("X-Amz-Credential"), accessKey+"/"))
	d.do(t, "subscribe", object{"filter": "a", "qos": 1})
	d.pub(t, "a", "hello", 1)
	require.Equal(t, "a 1 false hello", d.messages.next(t).String())
	d.do(t, "end", nil)
}

// bySignature takes a presigned request for granted.
type bySignature struct{ seen inbox[*auth.Credentials] }

func (b bySignature) Authenticate(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
	if c.Request == nil || c.Request.URL.Query().Get("X-Amz-Signature") == "" {
		return nil, auth.ErrBadCredentials
	}
	kept := *c
	b.seen.put(&kept)
	return &auth.Identity{Principal: "AKIDEXAMPLE"}, nil
}

// TestAWSRefused looks at what the SDK for MQTT 5 makes of our refusals.
func TestAWSRefused(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	h := startHub(t, func(c *thinghub.Config) { c.Authenticator, c.Authorizer = byCertificate{}, exceptSecret{} })
	addr := h.serveTLS(t, p.serverConfig(tls.VerifyClientCertIfGiven))
	js := beginJS(t, "aws.js")
	e := js.open(t, "secret", awsConnect(t, addr, p, "v2 5", nil)).downs.next(t)
	require.Equal(t, "error", e.Event)
	require.Equal(t, int(broker.NotAuthorized), e.ReasonCode)

	d := js.open(t, "device", awsConnect(t, addr, p, "v2 5", nil))
	d.ups.next(t)
	require.Equal(t, []any{float64(broker.NotAuthorized)}, d.do(t, "subscribe", object{"filter": "secret", "qos": 1}))
	require.EqualValues(t, broker.NotAuthorized, d.do(t, "publish", object{"topic": "secret", "payload": b64("x"), "qos": 1}))
	// The same client id from elsewhere: the SDK tells a take-over from other losses.
	nc, err := tls.Dial("tcp", addr, p.clientConfig(p.client))
	require.NoError(t, err)
	_, err = connectV5(t, nc, "device")
	require.NoError(t, err)
	e = d.downs.next(t)
	require.Equal(t, "disconnect", e.Event)
	require.Equal(t, int(broker.SessionTakenOver), e.ReasonCode)
}
