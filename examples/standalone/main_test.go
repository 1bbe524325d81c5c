package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/examples/internal/programtest"
	"github.com/thinghub/thinghub/hubtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

// TestEverythingAtOnce starts all listeners, has a client on each transport and
// ends the program with SIGTERM.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	config, trust := configWithTLS(t, `"account": "123456789012", "region": "local", "webSocketOrigins": ["https://*.plant.test"]`)
	p := programtest.Start(t, "-anonymous", "-config", config, "-pprof", "127.0.0.1:0",
		"-mqtt", "127.0.0.1:0", "-mqtts", "127.0.0.1:0", "-http", "127.0.0.1:0", "-https", "127.0.0.1:0")
	addr := map[string]string{}
	for _, name := range []string{"mqtt", "mqtts", "http", "https", "pprof"} {
		addr[name] = p.Line(t, "listening "+name+" ")
		require.NotContains(t, addr[name], ":0 ")
	}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
	t.Cleanup(web.CloseIdleConnections)

	require.Equal(t, "ok\n", get(t, web, "http://"+addr["http"]+"/healthz"))
	require.Equal(t, "ok\n", get(t, web, "https://"+addr["https"]+"/healthz"))
	require.Contains(t, get(t, web, "http://"+addr["pprof"]+"/debug/pprof/"), "goroutine")

	told := make(chan byte, 10)
	received := make(chan string, 100)
	join := func(id string, nc net.Conn) *paho.Client {
		c := paho.NewClient(paho.ClientConfig{
			Conn:               packets.NewThreadSafeConn(nc),
			OnServerDisconnect: func(d *paho.Disconnect) { told <- d.ReasonCode },
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
				received <- id + " " + string(p.Packet.Payload)
				return true, nil
			}},
		})
		_, err := c.Connect(t.Context(), &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 30})
		require.NoError(t, err)
		_, err = c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "all", QoS: 1}}})
		require.NoError(t, err)
		return c
	}
	plain, err := net.Dial("tcp", addr["mqtt"])
	require.NoError(t, err)
	c := join("plain", plain)
	for _, protocol := range []string{"mqtt", "x-amzn-mqtt-ca"} {
		with := trust.Clone()
		with.NextProtos = []string{protocol}
		secure, err := tls.Dial("tcp", addr["mqtts"], with)
		require.NoError(t, err)
		require.Equal(t, protocol, secure.ConnectionState().NegotiatedProtocol)
		join(protocol, secure)
	}
	join("ws", webSocket(t, web, "ws://"+addr["http"]+"/mqtt"))
	join("wss", webSocket(t, web, "wss://"+addr["https"]+"/mqtt"))

	_, err = c.Publish(t.Context(), &paho.Publish{Topic: "all", Payload: []byte("hello"), QoS: 1})
	require.NoError(t, err)
	var got []string
	for range 5 {
		got = append(got, next(t, received))
	}
	require.ElementsMatch(t, []string{"plain hello", "mqtt hello", "x-amzn-mqtt-ca hello", "ws hello", "wss hello"}, got)
	require.Contains(t, get(t, web, "http://"+addr["http"]+"/metrics"), "thinghub_connections 5\n")

	start := time.Now()
	p.Signal(t, syscall.SIGTERM)
	for range 5 {
		require.Equal(t, byte(broker.ServerShuttingDown), next(t, told))
	}
	require.Zero(t, p.Wait(t))
	require.Less(t, time.Since(start), 10*time.Second)
	require.Contains(t, p.Stderr(), "everybody may do everything")
	require.Equal(t, 5, strings.Count(p.Stdout(), "\n"), "a line for each listener and no more")
}

// TestEndIsBounded ends the program while a client does not read what it is sent.
func TestEndIsBounded(t *testing.T) {
	t.Parallel()
	p := programtest.Start(t, "-anonymous", "-mqtt", "127.0.0.1:0")
	nc, err := net.Dial("tcp", p.Line(t, "listening mqtt "))
	require.NoError(t, err)
	defer func() { _ = nc.Close() }()
	_, err = nc.Write([]byte("\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01x"))
	require.NoError(t, err)
	_, err = nc.Read(make([]byte, 1))
	require.NoError(t, err)
	start := time.Now()
	p.Signal(t, os.Interrupt)
	require.Zero(t, p.Wait(t))
	require.Less(t, time.Since(start), 10*time.Second)
}

func TestUsers(t *testing.T) {
	t.Parallel()
	config := write(t, "hub.json", `{"users": [{"name": "alice", "password": "alice-pw"}, {"name": "bob", "password": "bob-pw"}]}`)
	p := programtest.Start(t, "-config", config, "-mqtt", "127.0.0.1:0")
	addr := p.Line(t, "listening mqtt ")
	tests := []struct {
		name, user, password string
		want                 broker.ReasonCode
	}{
		{"right", "alice", "alice-pw", broker.Success},
		{"the other user's", "alice", "bob-pw", broker.BadUserNameOrPassword},
		{"unknown user", "carol", "alice-pw", broker.BadUserNameOrPassword},
		{"unknown user without a password", "carol", "", broker.BadUserNameOrPassword},
		{"no user", "", "", broker.NotAuthorized},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, login(t, addr, tt.user, tt.password), tt.name)
	}
	require.NotContains(t, p.Stderr(), "nobody can connect")
}

func TestNobodyGetsInByDefault(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"-config", write(t, "hub.json", `{"users": []}`)}} {
		p := programtest.Start(t, append(args, "-mqtt", "127.0.0.1:0")...)
		require.Equal(t, broker.BadUserNameOrPassword, login(t, p.Line(t, "listening mqtt "), "alice", "alice-pw"))
		require.Contains(t, p.Stderr(), "nobody can connect")
	}
}

func login(t *testing.T, addr, user, password string) broker.ReasonCode {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(nc)})
	ack, err := c.Connect(t.Context(), &paho.Connect{
		ClientID: "x", CleanStart: true, KeepAlive: 30,
		Username: user, UsernameFlag: user != "", Password: []byte(password), PasswordFlag: password != "",
	})
	require.NotNil(t, ack, "%v", err)
	if ack.ReasonCode == 0 {
		require.NoError(t, c.Disconnect(&paho.Disconnect{}))
	}
	return broker.ReasonCode(ack.ReasonCode)
}

// TestMetrics reads the metrics as Prometheus does.
func TestMetrics(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	pump := hub.Client(t, "pump-1")
	_, err := pump.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "a", QoS: 2}}})
	require.NoError(t, err)
	_, err = pump.Publish(t.Context(), &paho.Publish{Topic: "a", QoS: 1})
	require.NoError(t, err)
	other := hub.Client(t, "pump-2")
	require.NoError(t, hub.Disconnect("pump-2", broker.DisconnectOptions{}))
	<-other.Done()
	require.Eventually(t, func() bool { return hub.Metrics().Received[1] == 1 }, 10*time.Second, time.Millisecond)

	problems, err := testutil.CollectAndLint(collector{hub.Hub})
	require.NoError(t, err)
	require.Empty(t, problems)

	srv := handler(hub.Hub)
	w := &response{header: http.Header{}}
	srv.ServeHTTP(w, request(t, "/metrics"))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&w.body)
	require.NoError(t, err)
	for name, f := range families {
		require.True(t, strings.HasPrefix(name, "thinghub_"), name)
		require.NotEmpty(t, f.GetHelp())
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				require.Contains(t, []string{"operation", "outcome", "qos", "reason", "service"}, l.GetName())
				require.NotContains(t, l.GetValue(), " ")
			}
		}
	}
	value := func(name, label string) float64 {
		for _, m := range families[name].GetMetric() {
			if label == "" || m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		return -1
	}
	require.EqualValues(t, 1, value("thinghub_connections", ""))
	require.EqualValues(t, 2, value("thinghub_connects_accepted_total", ""))
	require.EqualValues(t, 1, value("thinghub_received_messages_total", "1"))
	require.EqualValues(t, 0, value("thinghub_received_messages_total", "2"))
	require.EqualValues(t, 0, value("thinghub_dropped_messages_total", "queue_full"))
	require.EqualValues(t, 1, value("thinghub_disconnects_total", "administrative_action"))
	require.Positive(t, value("thinghub_received_bytes_total", ""))
}

func TestAddressIsTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	p := programtest.Start(t, "-http", "127.0.0.1:0", "-mqtt", l.Addr().String())
	require.Equal(t, 1, p.Wait(t))
	require.Contains(t, p.Stderr(), `standalone: -mqtt is "`+l.Addr().String()+`", expected an address that can be listened on: `)
	require.Empty(t, p.Stdout())
}

func TestHelp(t *testing.T) {
	t.Parallel()
	p := programtest.Start(t, "-help")
	require.Zero(t, p.Wait(t))
	for _, want := range []string{"-mqtt address", "-anonymous", "max_keepalive", "default 127.0.0.1:1883"} {
		require.Contains(t, p.Stderr(), want)
	}
}

// TestExitStatus sees that the table of refusals in options_test.go reaches the shell.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-mqtt", "nonsense"}, {"-set", "deny_subscribe=a/#/b"}, {"-config", write(t, "hub.json", "{")}} {
		p := programtest.Start(t, args...)
		require.Equal(t, 2, p.Wait(t))
		require.Empty(t, p.Stdout())
	}
}

func next[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		require.FailNow(t, "nothing arrived")
	}
	return v
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

func request(t *testing.T, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	require.NoError(t, err)
	return r
}

type response struct {
	header http.Header
	body   bytes.Buffer
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) WriteHeader(int)             {}
func (r *response) Write(p []byte) (int, error) { return r.body.Write(p) }

func webSocket(t *testing.T, c *http.Client, url string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	opts := &websocket.DialOptions{
		Subprotocols: []string{"mqtt"}, HTTPClient: c, HTTPHeader: http.Header{"Origin": {"https://ui.plant.test"}},
	}
	ws, _, err := websocket.Dial(ctx, url, opts) //nolint:bodyclose // the library closes it
	require.NoError(t, err)
	return websocket.NetConn(t.Context(), ws, websocket.MessageBinary)
}

// write writes a file into a folder of its own and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// configWithTLS writes a configuration with a certificate for 127.0.0.1, named
// relative to its folder, and returns what a client needs to trust it.
func configWithTLS(t *testing.T, members string) (path string, trust *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	path = write(t, "hub.json", `{"tls": {"cert": "server.crt", "key": "server.key"}, `+members+`}`)
	dir := filepath.Dir(path)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "server.crt"), cert, 0o600),
		os.WriteFile(filepath.Join(dir, "server.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	require.NoError(t, err)
	trust = &tls.Config{RootCAs: x509.NewCertPool()}
	require.True(t, trust.RootCAs.AppendCertsFromPEM(cert))
	return path, trust
}
