package thinghub_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/hubtest"
)

func TestNewNamesTheWrongField(t *testing.T) {
	t.Parallel()
	tests := []struct {
		cfg  thinghub.Config
		want string
	}{
		{thinghub.Config{Gateway: broker.Config{MaxInFlight: -1}}, "Config.MaxInFlight is -1, expected 1 to 65535"},
		{thinghub.Config{Gateway: broker.Config{MaxPacketSize: 1}}, "Config.MaxPacketSize is 1, expected"},
		{thinghub.Config{Gateway: broker.Config{MaxConnectSize: 1}}, "Config.MaxConnectSize is 1, expected"},
		{thinghub.Config{Gateway: broker.Config{MaxKeepAlive: time.Millisecond}}, "Config.MaxKeepAlive is 1ms, expected whole seconds"},
		{thinghub.Config{Gateway: broker.Config{ConnectTimeout: -1}}, "Config.ConnectTimeout is -1ns, expected"},
		{thinghub.Config{Gateway: broker.Config{MaxQoS: 9}}, "Config.MaxQoS is 9, expected"},
		{thinghub.Config{Gateway: broker.Config{Overflow: 9}}, "Config.Overflow is 9, expected"},
		{thinghub.Config{Gateway: broker.Config{DenySubscribe: []string{"ok", "a/#/b"}}}, "Config.DenySubscribe[1]"},
		{thinghub.Config{Logins: []thinghub.Authenticator{nil}}, "Config.Logins[0] is nil, expected an Authenticator"},
		{thinghub.Config{LoginProviders: map[string]auth.TokenVerifier{"x": nil}}, `Config.LoginProviders["x"] is nil, expected a verifier`},
		{thinghub.Config{Hooks: []broker.Hook{struct{}{}}}, "Config.Hooks[0] is a struct {}, which implements none"},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			hub, err := thinghub.New(tt.cfg)
			require.ErrorContains(t, err, tt.want)
			require.True(t, strings.HasPrefix(err.Error(), "thinghub: "), err)
			require.Nil(t, hub)
		})
	}
}

func TestZeroConfigDeniesEverybody(t *testing.T) {
	t.Parallel()
	hub, err := thinghub.New(thinghub.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = hub.Close() })

	_, ack, err := (&hubtest.Hub{Hub: hub}).TryClient(t, "pump-1")
	require.ErrorIs(t, err, broker.NotAuthorized)
	require.False(t, ack.SessionPresent)

	nc, err := hub.Dial(t.Context())
	require.NoError(t, err)
	_, err = nc.Write([]byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")) // a CONNECT of 3.1.1
	require.NoError(t, err)
	answer, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.Equal(t, []byte{0x20, 2, 0, 5}, answer, "CONNACK with not authorized, then the end")

	require.Empty(t, hub.Clients())
	require.EqualValues(t, 2, hub.Metrics().RefusedConnects[broker.NotAuthorized])
	require.NoError(t, hub.Publish(t.Context(), "a", nil), "the host needs no permission")
}

func TestPublishReachesClients(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	_, got := receiver(t, hub, "panel", "dt/#")

	require.NoError(t, hub.Publish(t.Context(), "dt/pump-1/temp", []byte("20")))
	p := <-got
	require.Equal(t, "dt/pump-1/temp", p.Topic)
	require.Equal(t, "20", string(p.Payload))
	require.Zero(t, p.QoS)

	for qos := range broker.ExactlyOnce + 1 {
		m := &thinghub.Message{
			Topic: "dt/pump-1/report", Payload: []byte("{}"), QoS: qos,
			ContentType: "application/json", ResponseTopic: "re", CorrelationData: []byte{1},
			PayloadFormat: broker.FormatUTF8, Expires: time.Now().Add(time.Minute),
			Origin: broker.Origin{Source: broker.FromClient, ClientID: "forged"},
		}
		m.AddUserProperty("unit", "C")
		require.NoError(t, hub.PublishMessage(t.Context(), m))
		p := <-got
		require.Equal(t, byte(qos), p.QoS)
		require.Equal(t, "application/json", p.Properties.ContentType)
		require.Equal(t, "re", p.Properties.ResponseTopic)
		require.Equal(t, []byte{1}, p.Properties.CorrelationData)
		require.Equal(t, byte(1), *p.Properties.PayloadFormat)
		require.InDelta(t, 60, *p.Properties.MessageExpiry, 1)
		require.Equal(t, "C", p.Properties.User.Get("unit"))
	}
}

func TestPublishKeepsNothingOfTheCaller(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	rec := hub.Recorder(t, "#")
	payload := []byte("before")
	m := &thinghub.Message{Topic: "a", Payload: payload, Retain: true}
	require.NoError(t, hub.PublishMessage(t.Context(), m))
	copy(payload, "after!")
	m.Topic = "b"
	require.Equal(t, "before", string(rec.Next(t.Context()).Payload))
	kept := hub.Recorder(t, "#").Next(t.Context())
	require.Equal(t, "a", kept.Topic)
	require.Equal(t, "before", string(kept.Payload))
	require.Equal(t, broker.FromHost, kept.Origin.Source)
}

func TestRetained(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	retain := func(topic, payload string) {
		t.Helper()
		require.NoError(t, hub.PublishMessage(t.Context(), &thinghub.Message{Topic: topic, Payload: []byte(payload), QoS: 1, Retain: true}))
	}
	retain("status/a", "1")
	retain("status/b", "1")
	retain("status/b", "2")
	retain("status/a", "") // an empty one removes it
	require.EqualValues(t, 1, hub.Metrics().RetainedMessages)

	_, got := receiver(t, hub, "late", "status/+")
	p := <-got
	require.Equal(t, "status/b", p.Topic)
	require.Equal(t, "2", string(p.Payload))
	require.True(t, p.Retain)
}

func TestPublishErrors(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t, func(c *thinghub.Config) { c.Gateway.MaxRetainedMessages = 1 })
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	long := strings.Repeat("a", 65536)
	for _, name := range []string{"", "a/#", "+", "a\x00b", "a\xff", long} {
		err := hub.Publish(t.Context(), name, nil)
		require.ErrorContains(t, err, "thinghub: publish: topic name", "%.20q", name)
		require.Less(t, len(err.Error()), 500)
	}
	require.ErrorContains(t, hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "a", QoS: 3}), "QoS is 3, expected 0, 1 or 2")
	require.ErrorIs(t, hub.Publish(canceled, "a", nil), context.Canceled)

	kept := &thinghub.Message{Topic: "a", Payload: []byte("x"), Retain: true}
	require.NoError(t, hub.PublishMessage(t.Context(), kept))
	kept.Topic = "b"
	err := hub.PublishMessage(t.Context(), kept)
	require.ErrorIs(t, err, broker.ErrRetainedFull)
	require.Equal(t, broker.QuotaExceeded, broker.ReasonOf(err))
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	require.NoError(t, hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "n/0", Payload: []byte("retained"), Retain: true}))

	const n = 1000
	got := make(chan string, 2*n)
	calls := 0
	var stop func()
	ready := make(chan struct{})
	stop, err := hub.Subscribe(t.Context(), "n/#", func(m *thinghub.Message) {
		<-ready
		got <- string(m.Payload)
		if calls++; calls == n {
			stop() // from the handler itself
			stop()
		}
	})
	require.NoError(t, err)
	close(ready)
	for i := range n + 10 {
		require.NoError(t, hub.Publish(t.Context(), "n/1", fmt.Append(nil, i)))
	}
	require.Equal(t, "retained", <-got)
	for i := range n - 1 {
		require.Equal(t, fmt.Sprint(i), <-got, "in order")
	}
	require.Empty(t, got)
	require.Zero(t, hub.Metrics().Subscriptions)
}

func TestSubscribeErrors(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	nothing := func(*thinghub.Message) {}
	for filter, want := range map[string]broker.ReasonCode{
		"":             broker.TopicFilterInvalid,
		"a/#/b":        broker.TopicFilterInvalid,
		"a+":           broker.TopicFilterInvalid,
		"$share/g/a/b": broker.SharedNotSupported,
	} {
		_, err := hub.Subscribe(t.Context(), filter, nothing)
		require.ErrorIs(t, err, want, "%q", filter)
	}
	_, err := hub.Subscribe(t.Context(), "a/b", nil)
	require.ErrorContains(t, err, `the handler of "a/b" is nil`)
	require.NoError(t, hub.Close())
	_, err = hub.Subscribe(t.Context(), "a", nothing)
	require.ErrorIs(t, err, thinghub.ErrClosed)
}

func TestSlowHandlerOfTheHost(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t, func(c *thinghub.Config) { c.Gateway.MaxQueuedMessages = 2 })
	in, out := make(chan string), make(chan struct{})
	_, err := hub.Subscribe(t.Context(), "a", func(m *thinghub.Message) {
		in <- string(m.Payload)
		<-out
	})
	require.NoError(t, err)
	require.NoError(t, hub.Publish(t.Context(), "a", []byte("0")))
	require.Equal(t, "0", <-in)
	for i := range 5 { // nobody waits for the handler
		require.NoError(t, hub.Publish(t.Context(), "a", fmt.Append(nil, i+1)))
	}
	require.EqualValues(t, 3, hub.Metrics().Dropped["host_queue_full"])
	for _, want := range []string{"1", "2"} {
		out <- struct{}{}
		require.Equal(t, want, <-in)
	}
	close(out)
}

func TestClientsAndDisconnect(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	status := hub.Recorder(t, "status/#")
	told := make(chan *paho.Disconnect, 1)
	hub.Client(t, "pump-1", func(cfg *paho.ClientConfig, c *paho.Connect) {
		cfg.OnServerDisconnect = func(d *paho.Disconnect) { told <- d }
		c.Username, c.UsernameFlag, c.KeepAlive = "alice", true, 60
		c.WillMessage = &paho.WillMessage{Topic: "status/pump-1", Payload: []byte("lost"), QoS: 1}
	})

	infos := hub.Clients()
	require.Len(t, infos, 1)
	i := infos[0]
	require.Equal(t, "pump-1", i.ClientID)
	require.Equal(t, "alice", i.Username)
	require.Equal(t, "alice", i.Principal)
	require.Equal(t, byte(5), i.ProtocolVersion)
	require.True(t, i.CleanStart)
	require.False(t, i.SessionPresent)
	require.Equal(t, time.Minute, i.KeepAlive)
	require.Zero(t, i.SessionExpiry)
	require.Equal(t, "inproc", i.Transport)
	require.WithinDuration(t, time.Now(), i.ConnectedAt, time.Minute)

	require.ErrorIs(t, hub.Disconnect("pump-2", broker.DisconnectOptions{}), broker.ErrNotConnected)
	require.NoError(t, hub.Disconnect("pump-1", broker.DisconnectOptions{}))
	require.Equal(t, byte(broker.AdministrativeAction), (<-told).ReasonCode)
	will := status.Next(t.Context())
	require.Equal(t, "lost", string(will.Payload))
	require.Equal(t, broker.Origin{Source: broker.FromWill, ClientID: "pump-1", Principal: "alice"}, will.Origin)
	require.Empty(t, hub.Clients())
	require.ErrorIs(t, hub.Disconnect("pump-1", broker.DisconnectOptions{}), broker.ErrNotConnected)
}

func TestHubsDoNotKnowEachOther(t *testing.T) {
	t.Parallel()
	one, two := hubtest.New(t), hubtest.New(t)
	a, b := one.Recorder(t, "#"), two.Recorder(t, "#")
	one.Client(t, "pump-1")
	two.Client(t, "pump-1") // the same id takes over nothing
	require.NoError(t, one.Publish(t.Context(), "x", []byte("one")))
	require.NoError(t, two.Publish(t.Context(), "x", []byte("two")))
	require.Equal(t, "one", string(a.Next(t.Context()).Payload))
	require.Equal(t, "two", string(b.Next(t.Context()).Payload))
	require.Len(t, one.Clients(), 1)
	require.NoError(t, one.Close())
	require.Len(t, two.Clients(), 1)
	require.NoError(t, two.Publish(t.Context(), "x", nil))
	require.ErrorIs(t, one.Publish(t.Context(), "x", nil), thinghub.ErrClosed)
	require.Len(t, a.Messages(), 1)
}

// events writes down what the hooks are told, in a form that reads well.
type events chan string

func (e events) Connected(c *broker.ClientInfo) { e <- "connected " + c.ClientID }
func (e events) Disconnected(c *broker.ClientInfo, cause error) {
	e <- fmt.Sprintf("disconnected %s (%s)", c.ClientID, broker.ReasonOf(cause).String())
}

func (e events) Subscribed(c *broker.ClientInfo, granted []broker.Grant) {
	for _, g := range granted {
		e <- fmt.Sprintf("subscribed %s to %s with QoS %d", c.ClientID, g.Filter, g.QoS)
	}
}

func (e events) Unsubscribed(c *broker.ClientInfo, filters []string) {
	e <- fmt.Sprintf("unsubscribed %s from %s", c.ClientID, strings.Join(filters, " "))
}

func (e events) Published(m *broker.Message) {
	e <- fmt.Sprintf("published %s %s by %s", m.Topic, m.Payload, m.Origin.ClientID)
}

func (e events) Dropped(client string, m *broker.Message, why broker.DropReason) {
	e <- fmt.Sprintf("dropped %s %s for %s: %s", m.Topic, m.Payload, client, why)
}

func TestHooks(t *testing.T) {
	t.Parallel()
	seen := make(events, 100)
	hub := hubtest.New(t, func(c *thinghub.Config) {
		c.Hooks = []broker.Hook{seen}
		c.Gateway.MaxQoS = broker.UpToQoS1
	})
	maxPacket := uint32(64)
	c, _ := receiver(t, hub, "pump-1", "cmd/+", func(_ *paho.ClientConfig, c *paho.Connect) {
		c.Properties.MaximumPacketSize = &maxPacket
	})
	publish(t, c, "dt/temp", "20")
	require.NoError(t, hub.Publish(t.Context(), "cmd/x", bytes.Repeat([]byte("x"), 64)))
	_, err := c.Unsubscribe(t.Context(), &paho.Unsubscribe{Topics: []string{"cmd/+", "never"}})
	require.NoError(t, err)
	require.NoError(t, c.Disconnect(&paho.Disconnect{}))
	for _, want := range []string{
		"connected pump-1",
		"subscribed pump-1 to cmd/+ with QoS 1",
		"published dt/temp 20 by pump-1",
		"dropped cmd/x " + strings.Repeat("x", 64) + " for pump-1: too_large",
		"unsubscribed pump-1 from cmd/+",
		"disconnected pump-1 (success)",
	} {
		require.Equal(t, want, <-seen)
	}

	other := hub.Client(t, "pump-2")
	require.NoError(t, hub.Disconnect("pump-2", broker.DisconnectOptions{}))
	<-other.Done()
	require.Equal(t, "connected pump-2", <-seen)
	require.Equal(t, "disconnected pump-2 (administrative action)", <-seen)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	zero := hub.Metrics()
	require.Zero(t, zero.ConnectionsOpened)
	require.Contains(t, zero.Dropped, "queue_full", "drop counters are there from the start")

	c, got := receiver(t, hub, "pump-1", "#")
	publish(t, c, "a", "1")
	<-got
	require.NoError(t, hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "a", Payload: []byte("2"), Retain: true}))
	<-got
	require.Eventually(t, func() bool { // a read batch adds its counts when it is done
		m := hub.Metrics()
		return m.Acknowledged == 1 && m.Received[1] == 1 && m.Delivered == [3]uint64{1, 1, 0}
	}, 10*time.Second, time.Millisecond)

	m := hub.Metrics()
	require.EqualValues(t, 1, m.Connections)
	require.EqualValues(t, 1, m.Sessions)
	require.EqualValues(t, 1, m.Subscriptions)
	require.EqualValues(t, 1, m.Filters)
	require.EqualValues(t, 1, m.RetainedMessages)
	require.Zero(t, m.InFlight)
	require.EqualValues(t, 1, m.ConnectionsOpened)
	require.EqualValues(t, 1, m.ConnectsAccepted)
	require.Equal(t, [3]uint64{0, 1, 0}, m.Received)
	require.Equal(t, [3]uint64{1, 1, 0}, m.Delivered)
	require.GreaterOrEqual(t, m.PacketsReceived, uint64(4))
	require.Positive(t, m.BytesReceived)
	require.Positive(t, m.BytesSent)

	require.NoError(t, c.Disconnect(&paho.Disconnect{}))
	require.Eventually(t, func() bool { return hub.Metrics().Sessions == 0 }, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 1, hub.Metrics().Disconnects[broker.Success])
}

// receiver returns a client that subscribed to filter, and what it receives.
func receiver(t testing.TB, hub *hubtest.Hub, id, filter string, mod ...func(*paho.ClientConfig, *paho.Connect)) (*paho.Client, <-chan *paho.Publish) {
	t.Helper()
	got := make(chan *paho.Publish, 100)
	c := hub.Client(t, id, append(mod, func(cfg *paho.ClientConfig, _ *paho.Connect) {
		cfg.OnPublishReceived = append(cfg.OnPublishReceived, func(p paho.PublishReceived) (bool, error) {
			got <- p.Packet
			return true, nil
		})
	})...)
	_, err := c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 2}}})
	require.NoError(t, err)
	return c, got
}

func publish(t testing.TB, c *paho.Client, topic, payload string) {
	t.Helper()
	_, err := c.Publish(t.Context(), &paho.Publish{Topic: topic, Payload: []byte(payload), QoS: 1})
	require.NoError(t, err)
}

func TestRetainedOfTheHub(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	before := time.Now()
	for _, name := range []string{"a/1", "a/2", "b"} {
		require.NoError(t, hub.PublishMessage(t.Context(), &thinghub.Message{Topic: name, Payload: []byte(name), Retain: true}))
	}
	got := map[string]bool{}
	for m, err := range hub.Retained(t.Context(), "a/+") {
		require.NoError(t, err)
		require.False(t, m.Received.Before(before))
		got[m.Topic] = true
	}
	require.Equal(t, map[string]bool{"a/1": true, "a/2": true}, got)
	for _, err := range hub.Retained(t.Context(), "#") {
		require.NoError(t, err)
		break
	}
	for m, err := range hub.Retained(t.Context(), "a/#/b") {
		require.Nil(t, m)
		require.ErrorContains(t, err, "a/#/b")
	}
}
