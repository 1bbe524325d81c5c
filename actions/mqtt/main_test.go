package mqtt_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/mqtt"
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
func quick(addr string, cfg mqtt.Config) mqtt.Config {
	cfg.URL = "mqtt://" + addr
	cfg.Pause, cfg.MaxPause = 5*time.Millisecond, 50*time.Millisecond
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

func open(t testing.TB, addr string, cfg mqtt.Config) *mqtt.Client {
	t.Helper()
	c, err := mqtt.Open(quick(addr, cfg))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// run runs a client until the test ends.
func run(t testing.TB, c *mqtt.Client, hub mqtt.Publisher) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, hub) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func ready(t testing.TB, c *mqtt.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, c.Ready(ctx))
}

// A device is a client of the far broker.
type device struct {
	*mqttlink.Link
	t   testing.TB
	mu  sync.Mutex
	got []*paho.Publish
}

// connect connects a device, which subscribes to filters.
func connect(t testing.TB, cfg mqttlink.Config, filters ...string) *device {
	t.Helper()
	d := &device{t: t}
	made := make(chan struct{})
	cfg.Pause, cfg.MaxPause = 5*time.Millisecond, 50*time.Millisecond
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Key = func(string) string { return "" } // in order
	cfg.Handle = func(_ context.Context, p *paho.Publish) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.got = append(d.got, p)
		return nil
	}
	cfg.Up = func(ctx context.Context, _ bool) error {
		<-made
		for _, f := range filters {
			if err := d.Subscribe(ctx, mqttlink.Subscription{Filters: []paho.SubscribeOptions{{Topic: f, QoS: 2, RetainAsPublished: true}}}); err != nil {
				return err
			}
		}
		return nil
	}
	l, err := mqttlink.Open(cfg)
	require.NoError(t, err)
	d.Link = l
	close(made)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, l.Close(ctx))
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, l.Await(ctx, true))
	return d
}

func at(addr string) mqttlink.Config { return mqttlink.Config{URL: "mqtt://" + addr} }

func (d *device) publish(topic, payload string, qos byte, user ...string) {
	d.t.Helper()
	p := &paho.Publish{Topic: topic, Payload: []byte(payload), QoS: qos, Properties: &paho.PublishProperties{}}
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

func (d *device) texts() []string {
	out := []string{}
	for _, p := range d.received() {
		out = append(out, p.Topic+"="+string(p.Payload))
	}
	return out
}
