package hubtest_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/hubtest"
)

func publish(t testing.TB, c *paho.Client, topic, payload string) {
	t.Helper()
	_, err := c.Publish(t.Context(), &paho.Publish{Topic: topic, Payload: []byte(payload), QoS: 1})
	require.NoError(t, err)
}

func TestClientsAndRecorder(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	require.NoError(t, hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "dt/tank/level", Payload: []byte("7"), Retain: true}))
	rec := hub.Recorder(t, "dt/#")
	require.Equal(t, "dt/tank/level", rec.Next(t.Context()).Topic, "retained messages come first")

	received := make(chan *paho.Publish, 1)
	panel := hub.Client(t, "panel", func(cfg *paho.ClientConfig, _ *paho.Connect) {
		cfg.OnPublishReceived = append(cfg.OnPublishReceived, func(p paho.PublishReceived) (bool, error) {
			received <- p.Packet
			return true, nil
		})
	})
	_, err := panel.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "dt/pump-1/+", QoS: 1}}})
	require.NoError(t, err)

	pump := hub.Client(t, "pump-1")
	publish(t, pump, "dt/pump-1/temp", "20")
	publish(t, pump, "elsewhere", "x")
	publish(t, pump, "dt/pump-1/temp", "21")

	require.Equal(t, "20", string((<-received).Payload))
	require.Equal(t, "21", string((<-received).Payload))
	require.Equal(t, "20", string(rec.Next(t.Context()).Payload))
	require.Len(t, rec.Wait(3), 3)
	require.Equal(t, "21", string(rec.Next(t.Context()).Payload))
	require.Len(t, rec.Messages(), 3)
	require.Equal(t, "pump-1", rec.Messages()[2].Origin.ClientID)

	infos := hub.Clients()
	require.Len(t, infos, 2)
	require.Equal(t, "inproc", infos[0].Transport)
	require.Equal(t, 30*time.Second, infos[0].KeepAlive)
}

func TestNewTakesChanges(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t,
		func(c *thinghub.Config) { c.Gateway.MaxClientIDBytes = 3 },
		func(c *thinghub.Config) { c.Authenticator = auth.Nobody{} })
	_, ack, err := hub.TryClient(t, "pump-1")
	require.ErrorIs(t, err, broker.ClientIDNotValid)
	require.ErrorContains(t, err, `client "pump-1" was refused: mqtt: client identifier not valid: the client identifier has 6 bytes, at most 3 are accepted`)
	require.EqualValues(t, broker.ClientIDNotValid, ack.ReasonCode)

	_, _, err = hub.TryClient(t, "p")
	require.ErrorIs(t, err, broker.NotAuthorized)

	require.NoError(t, hub.Close())
	_, ack, err = hub.TryClient(t, "p")
	require.ErrorIs(t, err, thinghub.ErrClosed)
	require.Nil(t, ack)
}

// TestBubble has a client stay connected for an hour of fake time. The bubble does
// not end before everything that was started in it has.
func TestBubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := hubtest.New(t)
		rec := hub.Recorder(t, "#")
		pump := hub.Client(t, "pump-1")
		lost := hub.Client(t, "silent", func(cfg *paho.ClientConfig, c *paho.Connect) {
			cfg.PingHandler = noPings{paho.NewDefaultPinger()}
			c.WillMessage = &paho.WillMessage{Topic: "status/silent", Payload: []byte("lost")}
		})
		synctest.Wait() // for what each client sends at once
		start, before := time.Now(), hub.Metrics().PacketsReceived

		<-lost.Done()
		require.Equal(t, 45*time.Second, time.Since(start), "one and a half keep alives")
		require.Equal(t, "status/silent", rec.Next(t.Context()).Topic)

		time.Sleep(time.Until(start.Add(time.Hour)))
		synctest.Wait()
		require.Len(t, hub.Clients(), 1)
		require.InDelta(t, 120, hub.Metrics().PacketsReceived-before, 1, "a ping every 30 s")

		publish(t, pump, "dt/pump-1/temp", "20")
		synctest.Wait()
		require.Len(t, rec.Messages(), 2)
	})
}

type noPings struct{ paho.Pinger }

func (noPings) Run(ctx context.Context, _ net.Conn, _ uint16) error {
	<-ctx.Done()
	return nil
}

func TestListen(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	nc, err := net.Dial("tcp", hub.Listen(t))
	require.NoError(t, err)
	connectOver(t, nc, "tcp-1")
	require.Equal(t, "tcp", hub.Clients()[0].Transport)
}

func TestURL(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	u, err := url.Parse(hub.URL(t))
	require.NoError(t, err)
	require.Equal(t, "ws", u.Scheme)
	require.Equal(t, "/mqtt", u.Path)
	connectOver(t, dialWebSocket(t, u.String()), "ws-1")
	require.Equal(t, "ws", hub.Clients()[0].Transport)
}

func dialWebSocket(t testing.TB, url string) net.Conn {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	opts := &websocket.DialOptions{Subprotocols: []string{"mqtt"}, HTTPClient: &http.Client{Transport: tr}}
	ws, _, err := websocket.Dial(t.Context(), url, opts) //nolint:bodyclose // the library closes it
	require.NoError(t, err)
	return websocket.NetConn(context.Background(), ws, websocket.MessageBinary)
}

// connectOver connects an MQTT client that disconnects when t ends.
func connectOver(t testing.TB, nc net.Conn, id string) *paho.Client {
	t.Helper()
	c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(nc)})
	_, err := c.Connect(t.Context(), &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 30})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Disconnect(&paho.Disconnect{}) })
	return c
}

// TestNothingIsLeft is not parallel: it looks at all goroutines of the process.
func TestNothingIsLeft(t *testing.T) {
	before := ours()
	t.Run("a test that uses everything", func(t *testing.T) {
		hub := hubtest.New(t)
		rec := hub.Recorder(t, "#")
		pump := hub.Client(t, "pump-1")
		nc, err := net.Dial("tcp", hub.Listen(t))
		require.NoError(t, err)
		connectOver(t, nc, "tcp-1")
		connectOver(t, dialWebSocket(t, hub.URL(t)), "ws-1")
		publish(t, pump, "a", "b")
		rec.Wait(1)
		require.Len(t, hub.Clients(), 3)
		require.Greater(t, len(ours()), len(before))
	})
	// paho reports the end of a connection on goroutines nobody waits for.
	deadline := time.Now().Add(5 * time.Second)
	for len(ours()) > len(before) && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	require.Len(t, ours(), len(before), "goroutines are left")
}

// ours returns the stacks of the goroutines, other than tests, that run code of this
// module or of the client library.
func ours() (found []string) {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if !strings.Contains(g, "testing.tRunner") && (strings.Contains(g, "thinghub/") || strings.Contains(g, "paho.golang")) {
			found = append(found, g)
		}
	}
	return found
}

// scope is a test within a test or a benchmark: it has an end of its own and keeps
// its failure to itself.
type scope struct {
	testing.TB
	cleanups []func()
	failure  string
}

func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *scope) Fatalf(format string, args ...any) {
	s.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// run runs f to its end or its failure, which it returns.
func run(t testing.TB, f func(testing.TB)) string {
	s := &scope{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() { f(s) })
	wg.Wait()
	for i := range s.cleanups {
		s.cleanups[len(s.cleanups)-1-i]()
	}
	return s.failure
}

func TestFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		f    func(testing.TB)
		want []string
	}{
		{"bad configuration", func(t testing.TB) {
			hubtest.New(t, func(c *thinghub.Config) { c.Gateway.MaxInFlight = -1 })
		}, []string{"Config.MaxInFlight is -1"}},
		{"refused client", func(t testing.TB) {
			hubtest.New(t, func(c *thinghub.Config) { c.Authenticator = auth.Nobody{} }).Client(t, "pump-1")
		}, []string{`client "pump-1" was refused`, "not authorized"}},
		{"bad filter", func(t testing.TB) {
			hubtest.New(t).Recorder(t, "a/#/b")
		}, []string{`recorder on "a/#/b"`}},
		{"too few messages", func(t testing.TB) {
			hub := hubtest.New(t)
			rec := hub.Recorder(t, "a/+")
			_ = hub.Publish(t.Context(), "a/b", []byte("first"))
			_ = hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "a/c", Payload: make([]byte, 100), QoS: 1, Retain: true})
			rec.Wait(3)
		}, []string{`waiting for message 3 on "a/+"`, "deadline exceeded", "received 2:\n", `a/b "first" QoS 0`, "(100 bytes) QoS 1 retained"}},
		{"no next message", func(t testing.TB) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			hubtest.New(t).Recorder(t, "#").Next(ctx)
		}, []string{`waiting for message 1 on "#"`, "received none"}},
		{"many messages", func(t testing.TB) {
			hub := hubtest.New(t)
			rec := hub.Recorder(t, "#")
			for range 25 {
				_ = hub.Publish(t.Context(), "a", nil)
			}
			rec.Wait(26)
		}, []string{"received 25:", "(5 more)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // so that the waits cost no time
				start := time.Now()
				got := run(t, tt.f)
				for _, want := range tt.want {
					require.Contains(t, got, want)
				}
				require.LessOrEqual(t, time.Since(start), 10*time.Second)
			})
		})
	}
}

func TestLoggerOutlivesTest(t *testing.T) {
	t.Parallel()
	var cfg thinghub.Config
	t.Run("ended", func(t *testing.T) {
		hubtest.New(t, func(c *thinghub.Config) { cfg = *c })
	})
	cfg.Logger.Info("said after the test: dropped")
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		run(b, func(t testing.TB) { hubtest.New(t) })
	}
}

func BenchmarkClient(b *testing.B) {
	hub := hubtest.New(b)
	b.ReportAllocs()
	for b.Loop() {
		run(b, func(t testing.TB) { hub.Client(t, "pump-1") })
	}
}

func BenchmarkPublish(b *testing.B) {
	hub := hubtest.New(b)
	pump := hub.Client(b, "pump-1")
	b.ReportAllocs()
	for b.Loop() {
		publish(b, pump, "dt/pump-1/temp", "20")
	}
}
