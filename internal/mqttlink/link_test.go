package mqttlink_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/mqttlink"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

const patience = 30 * time.Second

// until waits for what must happen.
func until(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !happened(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s it is not so that %s", patience, what)
		}
	}
}

type inbox struct {
	mu  sync.Mutex
	got []string
}

func (b *inbox) add(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, s)
}

func (b *inbox) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.got...)
}

func (b *inbox) handle(_ context.Context, p *paho.Publish) error {
	b.add(p.Topic + "=" + string(p.Payload))
	return nil
}

func open(t testing.TB, addr string, cfg mqttlink.Config) *mqttlink.Link {
	t.Helper()
	return openURL(t, "mqtt://"+addr, cfg)
}

func openURL(t testing.TB, url string, cfg mqttlink.Config) *mqttlink.Link {
	t.Helper()
	cfg.URL = url
	cfg.Pause, cfg.MaxPause = 5*time.Millisecond, 50*time.Millisecond
	cfg.Logger = slog.New(slog.DiscardHandler)
	l, err := mqttlink.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, l.Close(ctx))
	})
	return l
}

func ready(t testing.TB, l *mqttlink.Link) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, l.Await(ctx, true))
}

func message(topic string, n int, qos byte) *paho.Publish {
	return &paho.Publish{Topic: topic, Payload: fmt.Append(nil, n), QoS: qos}
}

// subscribed opens a link that subscribes to everything and hands over to handle.
func subscribed(t testing.TB, addr string, cfg mqttlink.Config) *mqttlink.Link {
	t.Helper()
	var l *mqttlink.Link
	made := make(chan struct{})
	cfg.Up = func(ctx context.Context, _ bool) error {
		<-made
		return l.Subscribe(ctx, mqttlink.Subscription{ID: 0, Filters: []paho.SubscribeOptions{{Topic: "#", QoS: 2}}})
	}
	l = open(t, addr, cfg)
	close(made)
	return l
}

func TestPublishesComeInOrderWithEachQoS(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{})
	for qos := range byte(3) {
		box := &inbox{}
		reader := subscribed(t, m.Addr, mqttlink.Config{Handle: box.handle})
		ready(t, reader)
		writer := open(t, m.Addr, mqttlink.Config{})
		ready(t, writer)
		const n = 500 // more than may be under way
		var ps []*paho.Publish
		var want []string
		for i := range n {
			ps = append(ps, message("a/b", i, qos))
			want = append(want, fmt.Sprintf("a/b=%d", i))
		}
		for _, err := range writer.Publish(t.Context(), ps) {
			require.NoError(t, err)
		}
		until(t, "all have arrived", func() bool { return len(box.all()) >= n })
		require.Equal(t, want, box.all())
		require.EqualValues(t, n, writer.Health().Sent)
		require.EqualValues(t, n, reader.Health().Handled)
	}
}

func TestWhatCannotBeSentIsRefusedAlone(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{Lines: []string{"max_packet_size 1000"}})
	box := &inbox{}
	ready(t, subscribed(t, m.Addr, mqttlink.Config{Handle: box.handle}))
	l := open(t, m.Addr, mqttlink.Config{})
	ready(t, l)
	big := message("a", 0, 1)
	big.Payload = make([]byte, 2000)
	errs := l.Publish(t.Context(), []*paho.Publish{message("a", 1, 1), big, message("a", 2, 1)})
	require.NoError(t, errs[0])
	var no *mqttlink.Reason
	require.ErrorAs(t, errs[1], &no)
	require.EqualValues(t, 0x95, no.Code)
	require.True(t, no.Permanent())
	require.NoError(t, errs[2])
	until(t, "the others arrive", func() bool { return len(box.all()) == 2 })
	require.EqualValues(t, 1, l.Health().Connections)
}

func TestNotAuthorized(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{Lines: []string{"acl_file {dir}/acl"}, Files: map[string]string{"acl": "topic readwrite a/#\n"}})
	l := open(t, m.Addr, mqttlink.Config{})
	ready(t, l)
	for qos := byte(1); qos <= 2; qos++ {
		errs := l.Publish(t.Context(), []*paho.Publish{message("a", 1, qos), message("b", 1, qos), message("a/c", 1, qos)})
		require.NoError(t, errs[0])
		var no *mqttlink.Reason
		require.ErrorAs(t, errs[1], &no)
		require.EqualValues(t, 0x87, no.Code)
		require.EqualError(t, no, "not authorized (0x87)")
		require.NoError(t, errs[2])
	}
	require.EqualValues(t, 2, l.Health().Refused)
}

func TestNothingIsPublishedWithoutConnection(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{})
	m.Kill()
	l := open(t, m.Addr, mqttlink.Config{})
	l.Tried(t.Context())
	require.ErrorIs(t, l.Publish1(t.Context(), message("a", 1, 1)), mqttlink.ErrDown)
	require.Error(t, l.Health().Err)
	require.NotContains(t, l.Health().Err.Error(), "session")
	m.Start()
	ready(t, l)
	require.NoError(t, l.Publish1(t.Context(), message("a", 1, 1)))
}

// TestAcknowledgesWhenHandled checks that the broker keeps what was not handled, and that
// what was handled before the connection broke is not handled again.
func TestAcknowledgesWhenHandled(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{})
	for qos := byte(1); qos <= 2; qos++ {
		box := &inbox{}
		hold, entered := make(chan struct{}), make(chan struct{}, 1)
		reader := subscribed(t, m.Addr, mqttlink.Config{
			ClientID: fmt.Sprint("reader", qos), SessionExpiry: time.Hour, Lanes: 2,
			Key: func(topic string) string { return topic },
			Handle: func(ctx context.Context, p *paho.Publish) error {
				if string(p.Payload) == "0" {
					entered <- struct{}{}
					<-hold
				}
				return box.handle(ctx, p)
			},
		})
		ready(t, reader)
		writer := open(t, m.Addr, mqttlink.Config{})
		ready(t, writer)
		require.NoError(t, writer.Publish1(t.Context(), message("held", 0, qos)))
		<-entered
		for i := 1; i <= 20; i++ {
			require.NoError(t, writer.Publish1(t.Context(), message(fmt.Sprint("t/", i), i, qos)))
		}
		// Others pass the one that is held, but none of them is acknowledged before it. Those
		// of its lane wait.
		before := reader.Health().Connections
		until(t, "some were handled", func() bool { return reader.Health().Handled > 0 })
		takeOver(t, m.Addr, fmt.Sprint("reader", qos))
		until(t, "there is a new connection", func() bool { return reader.Health().Connections > before })
		close(hold)
		ready(t, reader)
		require.NoError(t, writer.Publish1(t.Context(), message("last", 99, qos)))
		until(t, "all were handled", func() bool { return len(box.all()) >= 22 })
		seen := map[string]int{}
		for _, s := range box.all() {
			seen[s]++
		}
		require.Len(t, seen, 22)
		for s, n := range seen {
			require.Equal(t, 1, n, s)
		}
		require.Positive(t, reader.Health().Repeated)
	}
}

// takeOver breaks the connection of a client, whose session stays.
func takeOver(t testing.TB, addr, id string) {
	t.Helper()
	l := open(t, addr, mqttlink.Config{ClientID: id, SessionExpiry: time.Hour, Handle: func(ctx context.Context, _ *paho.Publish) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	ready(t, l)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, l.Close(ctx))
}

func TestDropsQoS0ThatNobodyTakes(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{})
	hold, entered := make(chan struct{}), make(chan struct{}, 1000)
	reader := subscribed(t, m.Addr, mqttlink.Config{Queue: 10, Lanes: 1, Handle: func(context.Context, *paho.Publish) error {
		entered <- struct{}{}
		<-hold
		return nil
	}})
	ready(t, reader)
	writer := open(t, m.Addr, mqttlink.Config{})
	ready(t, writer)
	for i := range 100 {
		require.NoError(t, writer.Publish1(t.Context(), message("a", i, 0)))
	}
	<-entered
	until(t, "some were dropped", func() bool { return reader.Health().Dropped > 80 })
	close(hold)
	until(t, "all are accounted for", func() bool { h := reader.Health(); return h.Dropped+h.Handled == 100 })
}

// TestHandlersMayPublish checks that a handler that waits for an acknowledgement is not
// what keeps it from being read.
func TestHandlersMayPublish(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{})
	box := &inbox{}
	var l *mqttlink.Link
	made := make(chan struct{})
	l = open(t, m.Addr, mqttlink.Config{
		ReceiveMaximum: 4, Lanes: 1,
		Up: func(ctx context.Context, _ bool) error {
			<-made
			return l.Subscribe(ctx, mqttlink.Subscription{ID: 7, Filters: []paho.SubscribeOptions{{Topic: "in/#", QoS: 1, NoLocal: true}}})
		},
		Handle: func(ctx context.Context, p *paho.Publish) error {
			if *p.Properties.SubscriptionIdentifier != 7 {
				box.add("no identifier")
			}
			return l.Publish1(ctx, &paho.Publish{Topic: "out/" + p.Topic, Payload: p.Payload, QoS: 1})
		},
	})
	close(made)
	ready(t, l)
	ready(t, subscribed(t, m.Addr, mqttlink.Config{Handle: func(ctx context.Context, p *paho.Publish) error {
		if strings.HasPrefix(p.Topic, "out/") {
			return box.handle(ctx, p)
		}
		return nil
	}}))
	writer := open(t, m.Addr, mqttlink.Config{})
	ready(t, writer)
	for i := range 200 {
		require.NoError(t, writer.Publish1(t.Context(), message("in/a", i, byte(i%2))))
	}
	until(t, "all were answered", func() bool { return len(box.all()) >= 200 })
}

func TestTriesAgainWhatIsNotTaken(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{})
	box := &inbox{}
	var mu sync.Mutex
	tries := map[string]int{}
	reader := subscribed(t, m.Addr, mqttlink.Config{Tries: 3, Handle: func(ctx context.Context, p *paho.Publish) error {
		mu.Lock()
		tries[string(p.Payload)]++
		n := tries[string(p.Payload)]
		mu.Unlock()
		switch {
		case string(p.Payload) == "1" && n < 3:
			return fmt.Errorf("not now")
		case string(p.Payload) == "2":
			panic("never")
		}
		return box.handle(ctx, p)
	}})
	ready(t, reader)
	writer := open(t, m.Addr, mqttlink.Config{})
	ready(t, writer)
	for i := 1; i <= 3; i++ {
		require.NoError(t, writer.Publish1(t.Context(), message("a", i, 1)))
	}
	until(t, "all are done", func() bool { return len(box.all()) == 2 })
	require.Equal(t, []string{"a=1", "a=3"}, box.all())
	require.EqualValues(t, 1, reader.Health().Failed)
	require.Equal(t, 3, tries["2"])
}

// TestConnectionsThatBreakWhilePublishing checks that nothing that was acknowledged is
// lost, and that nothing hangs.
func TestConnectionsThatBreakWhilePublishing(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{})
	for qos := byte(1); qos <= 2; qos++ {
		box := &inbox{}
		ready(t, subscribed(t, m.Addr, mqttlink.Config{Handle: box.handle}))
		id := fmt.Sprint("writer", qos)
		writer := open(t, m.Addr, mqttlink.Config{ClientID: id})
		ready(t, writer)
		ctx, cancel := context.WithCancel(t.Context())
		var cutting sync.WaitGroup
		cutting.Go(func() {
			for ctx.Err() == nil {
				ready(t, writer)
				takeOver(t, m.Addr, id)
			}
		})
		var acked []string
		for i := 0; len(acked) < 200; i += 10 {
			var ps []*paho.Publish
			for j := range 10 {
				ps = append(ps, message("a", i+j, qos))
			}
			ready(t, writer)
			errs := writer.Publish(ctx, ps)
			for j := range ps {
				if errs == nil || errs[j] == nil {
					acked = append(acked, fmt.Sprintf("a=%d", i+j))
				}
			}
		}
		cancel()
		cutting.Wait()
		until(t, "all that was acknowledged has arrived", func() bool {
			seen := map[string]bool{}
			for _, s := range box.all() {
				seen[s] = true
			}
			for _, s := range acked {
				if !seen[s] {
					return false
				}
			}
			return true
		})
	}
}

// TestPublishIsNotHeldByASessionThatIsGone checks that who waits for an acknowledgement
// learns that the broker has forgotten the session, instead of waiting for it.
func TestPublishIsNotHeldByASessionThatIsGone(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{}) // which keeps nothing
	proxy := sinktest.NewProxy(t, m.Addr)
	l := open(t, proxy.Addr(), mqttlink.Config{ClientID: "writer", SessionExpiry: time.Hour, Timeout: 4 * patience})
	ready(t, l)
	proxy.Hang()
	done := make(chan error, 1)
	go func() { done <- l.Publish1(context.Background(), message("a", 1, 1)) }()
	until(t, "it is under way", func() bool { return l.InFlight() == 1 })
	m.Kill()
	m.Start()
	proxy.Down()
	proxy.Up()
	select {
	case err := <-done:
		require.ErrorIs(t, err, mqttlink.ErrDown)
	case <-time.After(patience):
		t.Fatal("the publish is still waiting")
	}
	ready(t, l)
	require.NoError(t, l.Publish1(t.Context(), message("a", 2, 1)))
}

// TestTransports connects with TLS and over WebSockets.
func TestTransports(t *testing.T) {
	t.Parallel()
	secured, err := servertest.Port()
	require.NoError(t, err)
	web, err := servertest.Port()
	require.NoError(t, err)
	cert, key := certificate(t)
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{
		Lines: []string{
			fmt.Sprintf("listener %d 127.0.0.1", secured), "certfile {dir}/cert.pem", "keyfile {dir}/key.pem",
			fmt.Sprintf("listener %d 127.0.0.1", web), "protocol websockets",
		},
		Files: map[string]string{"cert.pem": cert, "key.pem": key},
	})
	box := &inbox{}
	ready(t, subscribed(t, m.Addr, mqttlink.Config{Handle: box.handle}))
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(cert)))
	for i, url := range []string{"mqtts://" + servertest.Addr(secured), "ws://" + servertest.Addr(web) + "/mqtt"} {
		l := openURL(t, url, mqttlink.Config{TLS: &tls.Config{RootCAs: roots}})
		ready(t, l)
		require.NoError(t, l.Publish1(t.Context(), message("a", i, 2)))
		until(t, "it arrives", func() bool { return len(box.all()) == i+1 })
	}
	stranger := openURL(t, "mqtts://"+servertest.Addr(secured), mqttlink.Config{})
	stranger.Tried(t.Context())
	require.ErrorContains(t, stranger.Health().Err, "certificate")
}

// certificate makes one for 127.0.0.1, which signs itself.
func certificate(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

func TestCheckNamesTheField(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]mqttlink.Config{
		"URL is missing":                     {},
		"URL is no URL":                      {URL: "mqtt://a b:\x00"},
		"URL has a user, expected Username":  {URL: "mqtt://me:secret@host"},
		"URL has no host":                    {URL: "mqtt://"},
		`URL begins with "http"`:             {URL: "http://host"},
		"ClientID is missing":                {URL: "mqtt://host", SessionExpiry: time.Hour},
		"ClientID is not sendable":           {URL: "mqtt://host", ClientID: "\xff"},
		"KeepAlive is 1ms":                   {URL: "mqtt://host", KeepAlive: time.Millisecond},
		"ReceiveMaximum is 70000":            {URL: "mqtt://host", ReceiveMaximum: 70000},
		"Lanes is -1, expected 1 to 4096":    {URL: "mqtt://host", Lanes: -1},
		"Password has 70000 bytes, expected": {URL: "mqtt://host", Password: strings.Repeat("x", 70000)},
	} {
		_, err := cfg.Check()
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
}
