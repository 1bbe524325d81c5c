package upstream_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/broker/brokertest"
	"github.com/thinghub/thinghub/broker/upstream"
	"github.com/thinghub/thinghub/internal/mqttlink"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

const patience = 30 * time.Second

func until(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !happened(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s it is not so that %s", patience, what)
		}
	}
}

func mosquitto(t testing.TB, lines ...string) *servertest.Mosquitto {
	t.Helper()
	return servertest.NewMosquitto(t, servertest.MosquittoConfig{Lines: lines})
}

// quick is a configuration that connects again soon.
func quick(addr string, cfg upstream.Config) upstream.Config {
	cfg.URL = "mqtt://" + addr
	cfg.Pause, cfg.MaxPause = 5*time.Millisecond, 50*time.Millisecond
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

func newBroker(t testing.TB, addr string, cfg upstream.Config) *upstream.Broker {
	t.Helper()
	b, err := upstream.New(quick(addr, cfg))
	require.NoError(t, err)
	return b
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		brokertest.TestBroker(t, func(t *testing.T, _ int) []broker.Broker {
			return []broker.Broker{newBroker(t, mosquitto(t).Addr, upstream.Config{})}
		})
	})
	t.Run("without filters", func(t *testing.T) {
		t.Parallel()
		brokertest.TestBroker(t, func(t *testing.T, _ int) []broker.Broker {
			return []broker.Broker{newBroker(t, mosquitto(t).Addr, upstream.Config{Filters: []string{}})}
		})
	})
	t.Run("on a broker that sends a message once", func(t *testing.T) {
		t.Parallel()
		brokertest.TestBroker(t, func(t *testing.T, hubs int) []broker.Broker {
			addr := other(t)
			var out []broker.Broker
			for range hubs {
				out = append(out, newBroker(t, addr, upstream.Config{Fleet: "hubs"}))
			}
			return out
		})
	})
	t.Run("fleet", func(t *testing.T) {
		t.Parallel()
		brokertest.TestBroker(t, func(t *testing.T, hubs int) []broker.Broker {
			addr := mosquitto(t).Addr
			var out []broker.Broker
			for range hubs {
				out = append(out, newBroker(t, addr, upstream.Config{Fleet: "hubs"}))
			}
			return out
		})
	})
}

// other is a broker that, unlike Mosquitto, sends a message once to a client whose
// subscriptions overlap.
func other(t testing.TB) string {
	t.Helper()
	s, err := broker.NewServer(broker.Config{Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}, SysInterval: -1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(ln) })
	wg.Go(func() { _ = s.Run(context.Background()) })
	t.Cleanup(func() {
		_ = s.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}

// A server is a hub's, with a router that writes down what passes it.
type server struct {
	*broker.Server
	up *upstream.Broker

	mu     sync.Mutex
	routed []*broker.Message
}

func (s *server) Route(ctx context.Context, m *broker.Message) error {
	s.mu.Lock()
	s.routed = append(s.routed, m.Clone())
	s.mu.Unlock()
	return s.Publish(ctx, m)
}

func (s *server) passed() []*broker.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.routed)
}

func serve(t testing.TB, addr string, cfg upstream.Config, more ...func(*broker.Config)) *server {
	t.Helper()
	s := &server{up: newBroker(t, addr, cfg)}
	c := broker.Config{
		Broker: s.up, Router: s, SysInterval: -1, Logger: slog.New(slog.DiscardHandler),
		Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{},
	}
	for _, f := range more {
		f(&c)
	}
	var err error
	s.Server, err = broker.NewServer(c)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, <-done)
	})
	return s
}

func (s *server) ready(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, s.up.Ready(ctx))
}

// A device is a client of the upstream.
type device struct {
	*mqttlink.Link
	t   testing.TB
	mu  sync.Mutex
	got []*paho.Publish
}

func connect(t testing.TB, addr string, filters ...string) *device {
	t.Helper()
	d := &device{t: t}
	made := make(chan struct{})
	l, err := mqttlink.Open(mqttlink.Config{
		URL: "mqtt://" + addr, Pause: 5 * time.Millisecond, MaxPause: 50 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		Handle: func(_ context.Context, p *paho.Publish) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.got = append(d.got, p)
			return nil
		},
		Up: func(ctx context.Context, _ bool) error {
			<-made
			for _, f := range filters {
				if err := d.Subscribe(ctx, mqttlink.Subscription{Filters: []paho.SubscribeOptions{{Topic: f, QoS: 2}}}); err != nil {
					return err
				}
			}
			return nil
		},
	})
	require.NoError(t, err)
	d.Link = l
	close(made)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, l.Close(ctx))
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, l.Await(ctx, true))
	return d
}

func (d *device) publish(topic, payload string, qos byte, user ...string) {
	d.t.Helper()
	d.send(&paho.Publish{Topic: topic, Payload: []byte(payload), QoS: qos}, user...)
}

func (d *device) send(p *paho.Publish, user ...string) {
	d.t.Helper()
	if len(user) > 0 {
		p.Properties = &paho.PublishProperties{}
	}
	for i := 0; i < len(user); i += 2 {
		p.Properties.User = append(p.Properties.User, paho.UserProperty{Key: user[i], Value: user[i+1]})
	}
	require.NoError(d.t, d.Publish1(d.t.Context(), p))
}

func (d *device) received() []*paho.Publish {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got)
}

// texts are topics with their payloads.
func texts[M any](ms []M, of func(M) (string, []byte)) []string {
	out := []string{}
	for _, m := range ms {
		topic, payload := of(m)
		out = append(out, topic+"="+string(payload))
	}
	return out
}

func ofMessage(m *broker.Message) (string, []byte) { return m.Topic, m.Payload }
func ofPacket(p *paho.Publish) (string, []byte)    { return p.Topic, p.Payload }

type listener struct {
	mu  sync.Mutex
	got []*broker.Message
}

func listen(t testing.TB, s *server, filter string) *listener {
	t.Helper()
	l := &listener{}
	stop, err := s.Subscribe(t.Context(), filter, func(m *broker.Message) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, m)
	})
	require.NoError(t, err)
	t.Cleanup(stop)
	return l
}

func (l *listener) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return texts(l.got, ofMessage)
}

// TestRoutesOnce checks that what devices publish is routed once, whatever the hub's own
// clients subscribe to, and that nothing comes back to where it came from.
func TestRoutesOnce(t *testing.T) {
	t.Parallel()
	for name, filters := range map[string][]string{"everything": nil, "some": {"dt/#", "$aws/#"}, "sent once": {"dt/#", "$aws/#"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := other(t)
			if name != "sent once" {
				addr = mosquitto(t).Addr
			}
			s := serve(t, addr, upstream.Config{Filters: filters})
			s.ready(t)
			var heard []*listener
			for _, f := range []string{"#", "dt/#", "+/a/#", "dt/+/temp", "dt/a/temp", "$aws/things/+/shadow/#"} {
				heard = append(heard, listen(t, s, f))
			}
			d := connect(t, addr, "#", "$aws/#")
			const n = 20
			var want []string
			for i := range n {
				d.publish("dt/a/temp", fmt.Sprint(i), byte(i%3))
				want = append(want, fmt.Sprintf("dt/a/temp=%d", i))
			}
			d.publish("$aws/things/pump/shadow/x", "s", 1)
			require.NoError(t, s.Server.Route(t.Context(), &broker.Message{Topic: "dt/a/temp", Payload: []byte("own"), QoS: 1}))
			want = append(want, "dt/a/temp=own")
			until(t, "all is routed", func() bool { return len(s.passed()) >= n+2 })
			d.publish("dt/a/temp", "last", 1)
			want = append(want, "dt/a/temp=last")
			until(t, "the last is there", func() bool { return len(s.passed()) >= n+3 })
			require.Len(t, s.passed(), n+3)
			for _, h := range heard[:5] {
				until(t, "all was heard", func() bool { return len(h.heard()) >= n+2 })
				require.ElementsMatch(t, want, h.heard())
			}
			require.Equal(t, []string{"$aws/things/pump/shadow/x=s"}, heard[5].heard())
			until(t, "the device has its own messages and the hub's", func() bool { return len(d.received()) >= n+3 })
			require.Len(t, d.received(), n+3, "the hub sends nothing back")
			h := s.up.Health()
			require.EqualValues(t, n+2, h.Routed)
			require.EqualValues(t, 1, h.Published)
			require.Zero(t, h.Failed+h.Dropped+h.Refused+h.Lost)
		})
	}
}

// TestOnlyWhatIsWanted checks that what the filters do not match comes for subscribers
// alone, past the router, and no longer than they are there.
func TestOnlyWhatIsWanted(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	s := serve(t, m.Addr, upstream.Config{Filters: []string{"dt/#"}})
	s.ready(t)
	d := connect(t, m.Addr)
	all := listen(t, s, "x/#")
	some, err := s.Subscribe(t.Context(), "x/+/b", func(*broker.Message) {})
	require.NoError(t, err)
	require.Equal(t, 2, s.up.Health().Subscriptions, "x/# has it already")
	d.publish("x/a/b", "1", 1)
	d.publish("y", "1", 1)
	d.publish("dt/1", "1", 1)
	until(t, "both came", func() bool { return len(all.heard()) == 1 && len(s.passed()) == 1 })
	require.Equal(t, []string{"dt/1=1"}, texts(s.passed(), ofMessage))
	some()
	require.Equal(t, 2, s.up.Health().Subscriptions)
	// Two that overlap are replaced by one that covers both, so that nothing comes twice.
	both, err := s.Subscribe(t.Context(), "p/+/b", func(*broker.Message) {})
	require.NoError(t, err)
	two := listen(t, s, "p/a/+")
	require.Equal(t, 3, s.up.Health().Subscriptions)
	for i := range 10 {
		d.publish("p/a/b", fmt.Sprint(i), 1)
	}
	d.publish("p/a/end", "", 1)
	until(t, "all came", func() bool { return len(two.heard()) >= 11 })
	require.Len(t, two.heard(), 11)
	both()
	require.Equal(t, 3, s.up.Health().Subscriptions, "it is needed still")
}

func TestWhatIsKnownOfMessages(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	fromTopic, err := upstream.ClientFromTopic("dt/{client}/#", "$aws/things/{client}/#")
	require.NoError(t, err)
	s := serve(t, m.Addr, upstream.Config{Identify: fromTopic})
	byProperty := serve(t, m.Addr, upstream.Config{Identify: upstream.ClientFromProperty("id")})
	s.ready(t)
	byProperty.ready(t)
	d := connect(t, m.Addr)
	seconds, format := uint32(60), byte(1)
	d.send(&paho.Publish{Topic: "dt/pump/temp", Payload: []byte("x"), QoS: 2, Properties: &paho.PublishProperties{
		ContentType: "text/plain", ResponseTopic: "re", CorrelationData: []byte{1}, MessageExpiry: &seconds, PayloadFormat: &format,
		User: paho.UserProperties{{Key: "id", Value: "valve"}},
	}})
	until(t, "it is routed", func() bool { return len(s.passed()) == 1 && len(byProperty.passed()) == 1 })
	got := s.passed()[0]
	require.Equal(t, broker.Origin{Source: broker.FromClient, ClientID: "pump", Upstream: true}, got.Origin)
	require.Equal(t, broker.ExactlyOnce, got.QoS)
	require.Equal(t, "text/plain", got.ContentType)
	require.Equal(t, "re", got.ResponseTopic)
	require.Equal(t, []byte{1}, got.CorrelationData)
	require.Equal(t, broker.FormatUTF8, got.PayloadFormat)
	require.WithinDuration(t, time.Now().Add(time.Minute), got.Expires, 20*time.Second)
	require.Equal(t, "valve", byProperty.passed()[0].Origin.ClientID)
	d.publish("$aws/things/lamp/shadow/get", "", 0)
	d.publish("other", "", 0)
	until(t, "they are routed", func() bool { return len(s.passed()) == 3 })
	ids := map[string]string{}
	for _, m := range s.passed() {
		ids[m.Topic] = m.Origin.ClientID
	}
	require.Equal(t, map[string]string{"dt/pump/temp": "pump", "$aws/things/lamp/shadow/get": "lamp", "other": ""}, ids)
	for _, bad := range []string{"dt/#", "{client}/{client}", "a/#/{client}", ""} {
		_, err := upstream.ClientFromTopic(bad)
		require.ErrorContains(t, err, "pattern")
	}
}

// TestRetained checks what becomes of messages that are older than the hub.
func TestRetained(t *testing.T) {
	t.Parallel()
	m := mosquitto(t, "persistence true", "persistence_location {dir}/", "autosave_interval 1")
	d := connect(t, m.Addr)
	for i := range 300 {
		d.send(&paho.Publish{Topic: fmt.Sprint("state/", i), Payload: []byte("old"), QoS: byte(i % 3), Retain: true})
	}
	kept := func(s *server) int {
		n := 0
		for _, err := range s.Retained(t.Context(), "state/#") {
			require.NoError(t, err)
			n++
		}
		return n
	}
	keeps := serve(t, m.Addr, upstream.Config{})
	routes := serve(t, m.Addr, upstream.Config{Retained: upstream.RouteRetained})
	ignores := serve(t, m.Addr, upstream.Config{Retained: upstream.IgnoreRetained})
	ignores.ready(t)
	keeps.ready(t)
	routes.ready(t)
	until(t, "all are kept", func() bool { return kept(keeps) == 300 && kept(routes) == 300 })
	require.Empty(t, keeps.passed())
	require.Len(t, routes.passed(), 300)
	l := listen(t, keeps, "state/7")
	until(t, "a later subscriber has it", func() bool { return len(l.heard()) == 1 })

	// New ones are routed in any case, and their flag stays.
	d.send(&paho.Publish{Topic: "state/7", Payload: []byte("new"), QoS: 1, Retain: true})
	d.send(&paho.Publish{Topic: "state/8", QoS: 1, Retain: true})
	until(t, "they are routed", func() bool {
		return len(keeps.passed()) == 2 && len(ignores.passed()) == 2 && len(routes.passed()) == 302
	})
	for _, got := range keeps.passed() {
		require.True(t, got.Retain)
	}
	require.Equal(t, 299, kept(keeps))
	require.Equal(t, 1, kept(ignores))
	until(t, "a subscriber has it", func() bool { return slices.Equal([]string{"state/7=old", "state/7=new"}, l.heard()) })

	// After a restart they come again. Only what is news is delivered, and nothing routed.
	before := m.Addr
	m.Stop()
	m.Start()
	require.Equal(t, before, m.Addr)
	until(t, "the hub is back", func() bool { h := keeps.up.Health(); return h.Ready && h.Connections == 2 })
	other := connect(t, m.Addr)
	other.publish("end", "", 1)
	until(t, "the end is routed", func() bool { return len(keeps.passed()) == 3 })
	require.Equal(t, []string{"state/7=old", "state/7=new"}, l.heard())
	require.Equal(t, 299, kept(keeps))
}

// TestRestart kills the upstream and starts it on the same port.
func TestRestart(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	s := serve(t, m.Addr, upstream.Config{Filters: []string{"dt/#"}, Wait: 200 * time.Millisecond, MaxWaiting: 1})
	s.ready(t)
	l := listen(t, s, "x/+")
	require.True(t, s.up.Health().Connected)
	m.Kill()
	until(t, "that is noticed", func() bool { return !s.up.Health().Connected })

	// QoS 0 reaches those who are here, QoS 1 nobody; and subscribing works.
	require.NoError(t, s.Publish(t.Context(), &broker.Message{Topic: "x/1", Payload: []byte("0")}))
	until(t, "it is heard", func() bool { return len(l.heard()) == 1 })
	err := s.Publish(t.Context(), &broker.Message{Topic: "x/1", Payload: []byte("1"), QoS: 1})
	require.Error(t, err)
	require.Equal(t, broker.UnspecifiedError, broker.ReasonOf(err))
	later := listen(t, s, "y/+")
	stop, err := s.Subscribe(t.Context(), "z/+", func(*broker.Message) {})
	require.NoError(t, err)
	stop()
	h := s.up.Health()
	require.Error(t, h.Err)
	require.EqualValues(t, 1, h.Lost)

	// No more than one may wait.
	var wg sync.WaitGroup
	busy := make(chan error, 8)
	for range cap(busy) {
		wg.Go(func() { busy <- s.Publish(context.Background(), &broker.Message{Topic: "x/1", QoS: 1}) })
	}
	wg.Wait()
	close(busy)
	full := 0
	for err := range busy {
		require.Error(t, err)
		if errorsIs(err, upstream.ErrBusy) {
			full++
		}
	}
	require.Positive(t, full)
	require.Len(t, l.heard(), 1)

	m.Start()
	s.ready(t)
	d := connect(t, m.Addr)
	d.publish("dt/1", "a", 1)
	d.publish("x/1", "b", 1)
	d.publish("y/1", "c", 1)
	until(t, "all subscriptions are there again", func() bool {
		return len(s.passed()) == 1 && len(l.heard()) == 2 && len(later.heard()) == 1
	})
	require.NoError(t, s.Publish(t.Context(), &broker.Message{Topic: "x/1", Payload: []byte("d"), QoS: 1}))
	require.EqualValues(t, 2, s.up.Health().Connections)
}

// TestWaits checks that a publish waits for a connection that comes in time.
func TestWaits(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	m.Kill()
	s := serve(t, m.Addr, upstream.Config{Wait: patience})
	done := make(chan error, 1)
	go func() {
		done <- s.Publish(context.Background(), &broker.Message{Topic: "a", Payload: []byte("1"), QoS: 1, Retain: true})
	}()
	until(t, "it waits", func() bool { return s.up.Health().Waiting == 1 })
	m.Start()
	require.NoError(t, <-done)
	d := connect(t, m.Addr, "a")
	until(t, "it is there", func() bool { return len(d.received()) == 1 })
}

// TestSession checks that nothing with QoS 1 is lost while the hub is away, and that it is
// not routed twice when the connection breaks meanwhile.
func TestSession(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	d := connect(t, m.Addr)
	cfg := upstream.Config{ClientID: "hub", SessionExpiry: time.Hour}
	first := serve(t, m.Addr, cfg)
	first.ready(t)
	d.publish("dt/1", "here", 1)
	until(t, "it is routed", func() bool { return len(first.passed()) == 1 })
	require.NoError(t, first.Close())
	for i := range 50 {
		d.publish(fmt.Sprint("dt/", i), "away", byte(1+i%2))
	}
	second := serve(t, m.Addr, cfg)
	until(t, "all is routed", func() bool { return len(second.passed()) >= 50 })
	d.publish("dt/1", "end", 1)
	until(t, "the end is routed", func() bool { return len(second.passed()) >= 51 })
	require.Len(t, second.passed(), 51)
}

// TestCuts breaks the connection again and again while devices publish. With a session
// nothing is lost, each topic stays in its order, and QoS 2 is routed once.
func TestCuts(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	proxy := sinktest.NewProxy(t, m.Addr)
	s := serve(t, proxy.Addr(), upstream.Config{ClientID: "hub", SessionExpiry: time.Hour})
	s.ready(t)
	listen(t, s, "dt/+/temp")
	d := connect(t, m.Addr)
	const topics, n = 5, 60
	for i := range n {
		for k := range topics {
			d.publish(fmt.Sprintf("dt/%d/temp", k), fmt.Sprint(i), byte(1+k%2))
		}
		if i%10 == 5 {
			connections := s.up.Health().Connections
			proxy.Cut()
			until(t, "there is another connection", func() bool { return s.up.Health().Connections > connections })
		}
	}
	type key struct{ topic, payload string }
	count := func() map[key]int {
		seen := map[key]int{}
		for _, m := range s.passed() {
			seen[key{m.Topic, string(m.Payload)}]++
		}
		return seen
	}
	until(t, "all are routed", func() bool { return len(count()) == topics*n })
	s.ready(t)
	d.publish("end", "", 1)
	until(t, "the end is routed", func() bool { return len(count()) == topics*n+1 })
	last := map[string]int{}
	seen := map[key]bool{}
	for _, m := range s.passed() {
		k := key{m.Topic, string(m.Payload)}
		if m.Topic == "end" || seen[k] {
			require.True(t, m.QoS < 2 || m.Topic == "end", "%v came twice with QoS 2", k)
			continue
		}
		seen[k] = true
		i, err := strconv.Atoi(k.payload)
		require.NoError(t, err)
		require.Equal(t, last[m.Topic], i, m.Topic)
		last[m.Topic]++
	}
}

// BenchmarkRoute is how fast messages of the upstream are routed.
func BenchmarkRoute(b *testing.B) {
	for qos := range byte(3) {
		b.Run(fmt.Sprint("QoS", qos), func(b *testing.B) {
			m := mosquitto(b)
			s := serve(b, m.Addr, upstream.Config{MaxQueued: 1 << 30})
			s.ready(b)
			devices := []*device{connect(b, m.Addr), connect(b, m.Addr)}
			payload := []byte(`{"temp":21.5,"unit":"C"}`)
			b.ResetTimer()
			var wg sync.WaitGroup
			for k, d := range devices {
				wg.Go(func() {
					for i := 0; i < b.N; i += 40 {
						var ps []*paho.Publish
						for j := i; j < min(i+40, b.N); j += 2 {
							ps = append(ps, &paho.Publish{Topic: fmt.Sprintf("dt/%d-%d/temp", k, j%100), Payload: payload, QoS: qos})
						}
						for _, err := range d.Publish(b.Context(), ps) {
							if err != nil {
								b.Error(err)
							}
						}
					}
				})
			}
			wg.Wait()
			until(b, "all are routed", func() bool { return s.up.Health().Routed >= uint64(b.N) })
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}

// TestRefusals checks what the upstream and the hub do not take.
func TestRefusals(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{
		Lines: []string{"acl_file {dir}/acl", "max_packet_size 2000"},
		Files: map[string]string{"acl": "topic readwrite dt/#\ntopic read no/#\n"},
	})
	s := serve(t, m.Addr, upstream.Config{}, func(c *broker.Config) { c.MaxPayloadBytes = 10 })
	s.ready(t)
	l := listen(t, s, "#")
	err := s.Publish(t.Context(), &broker.Message{Topic: "no/1", QoS: 1})
	require.Equal(t, broker.NotAuthorized, broker.ReasonOf(err), "%v", err)
	err = s.Publish(t.Context(), &broker.Message{Topic: "dt/1", Payload: make([]byte, 3000), QoS: 0})
	require.Equal(t, broker.QuotaExceeded, broker.ReasonOf(err), "%v", err)
	require.NoError(t, s.Publish(t.Context(), &broker.Message{Topic: "dt/1", Payload: []byte("fine"), QoS: 2}))
	until(t, "that is heard", func() bool { return len(l.heard()) == 1 })
	require.Equal(t, []string{"dt/1=fine"}, l.heard())

	d := connect(t, m.Addr)
	d.publish("dt/1", "longer than ten", 1)
	d.publish("dt/1", "short", 1)
	until(t, "the other is routed", func() bool { return len(s.passed()) == 1 })
	require.EqualValues(t, 1, s.up.Health().Refused)
}

// TestFleet checks two hubs on one upstream.
func TestFleet(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	cfg := upstream.Config{Fleet: "hubs"}
	one, two := serve(t, m.Addr, cfg), serve(t, m.Addr, cfg)
	one.ready(t)
	two.ready(t)
	first, second := listen(t, one, "dt/#"), listen(t, two, "dt/+")
	both := listen(t, two, "+/1")
	d := connect(t, m.Addr, "dt/#")
	const n = 100
	for i := range n {
		d.publish("dt/1", fmt.Sprint(i), 1)
	}
	until(t, "each is routed", func() bool { return len(one.passed())+len(two.passed()) >= n })
	require.NoError(t, one.Server.Route(t.Context(), &broker.Message{Topic: "dt/1", Payload: []byte("hub"), QoS: 1}))
	for _, l := range []*listener{first, second, both} {
		until(t, "all was heard", func() bool { return len(l.heard()) >= n+1 })
		require.Len(t, l.heard(), n+1)
	}
	until(t, "the echo was dropped", func() bool { return one.up.Health().Echoes+two.up.Health().Echoes == 1 })
	require.Len(t, append(one.passed(), two.passed()...), n+1, "each by one hub")
	require.NotEmpty(t, one.passed())
	require.NotEmpty(t, two.passed())
	until(t, "the device has all", func() bool { return len(d.received()) >= n+1 })
	require.Len(t, d.received(), n+1)
	for _, got := range two.passed() {
		require.False(t, got.HasUserProperties())
	}
}

// TestFleetGroups checks that a shared subscription with members on two hubs, and on the
// upstream, has each message once, also what the hubs publish.
func TestFleetGroups(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	cfg := upstream.Config{Fleet: "hubs"}
	one, two := serve(t, m.Addr, cfg), serve(t, m.Addr, cfg)
	one.ready(t)
	two.ready(t)
	a, b := member(t, one, "a", "$share/g/job/+"), member(t, two, "b", "$share/g/job/+")
	c := connect(t, m.Addr, "$share/g/job/+")
	d := connect(t, m.Addr)
	const n = 60
	for i := range n / 2 {
		d.publish("job/1", fmt.Sprint(i), 1)
		require.NoError(t, one.Publish(t.Context(), &broker.Message{Topic: "job/1", Payload: fmt.Append(nil, n/2+i), QoS: 1}))
	}
	got := func() []string { return slices.Concat(a.heard(), b.heard(), texts(c.received(), ofPacket)) }
	until(t, "all were taken", func() bool { return len(got()) >= n })
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("job/1=%d", i))
	}
	require.ElementsMatch(t, want, got())
	for _, h := range [][]string{a.heard(), b.heard(), texts(c.received(), ofPacket)} {
		require.NotEmpty(t, h)
	}
}

func TestConfigNamesTheField(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]upstream.Config{
		"upstream: Config.URL is missing":                     {},
		"Config.URL has a user":                               {URL: "mqtt://me:secret@host"},
		`Config.Filters[1] is "a/+", expected none that`:      {URL: "mqtt://h", Filters: []string{"a/b", "a/+"}},
		`Config.Filters[0] is "a/#/b", expected a topic`:      {URL: "mqtt://h", Filters: []string{"a/#/b"}},
		`Config.Filters[0] is "$share/g/a", expected a topic`: {URL: "mqtt://h", Filters: []string{"$share/g/a"}},
		`Config.Filters[0] is "$SYS/#"`:                       {URL: "mqtt://h", Filters: []string{"$SYS/#"}},
		`Config.Fleet is "a/b"`:                               {URL: "mqtt://h", Fleet: "a/b"},
		"Config.Retained is 9":                                {URL: "mqtt://h", Retained: 9},
		"Config.MaxWaiting is -1":                             {URL: "mqtt://h", MaxWaiting: -1},
		"Config.ClientID is missing":                          {URL: "mqtt://h", SessionExpiry: time.Hour},
	} {
		_, err := upstream.New(cfg)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
}
