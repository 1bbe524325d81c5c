package brokertest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// patience bounds every wait for something that must come.
const patience = 10 * time.Second

// TestBroker checks a [broker.Broker] against its contract, by running a server on
// each end of it. open returns one Broker per hub, connected to each other: as many
// as asked for, or a single one for a Broker that knows one hub.
func TestBroker(t *testing.T, open func(t *testing.T, hubs int) []broker.Broker) {
	t.Run("brings a message to every hub once and in order", func(t *testing.T) {
		hubs := serve(t, open(t, 3))
		var got []*recorder
		for i, h := range hubs {
			got = append(got, record(t, h, fmt.Sprintf("hub %d", i), "a/+"))
		}
		const n = 200
		for i := range n {
			publish(t, hubs[0], &broker.Message{Topic: "a/b", Payload: fmt.Append(nil, i), QoS: broker.AtLeastOnce})
			publish(t, hubs[0], &broker.Message{Topic: "other", Payload: []byte("no")})
		}
		for _, r := range got {
			ms := r.wait(n)
			for i, m := range ms {
				require.Equal(t, fmt.Sprint(i), string(m.Payload), r.name)
			}
		}
	})
	t.Run("keeps every part of a message", func(t *testing.T) {
		hubs := serve(t, open(t, 2))
		r := record(t, hubs[len(hubs)-1], "last hub", "#")
		m := &broker.Message{
			Topic: "x/y", Payload: []byte{0, 0xFF}, QoS: broker.ExactlyOnce, PayloadFormat: broker.FormatUTF8, ContentType: "t",
			ResponseTopic: "r", CorrelationData: []byte{1}, Expires: time.Now().Add(time.Hour),
		}
		m.AddUserProperty("a", "1")
		m.AddUserProperty("a", "2")
		publish(t, hubs[0], m)
		got := r.wait(1)[0]
		require.Equal(t, m.Topic, got.Topic)
		require.Equal(t, m.Payload, got.Payload)
		require.Equal(t, m.QoS, got.QoS)
		require.Equal(t, m.PayloadFormat, got.PayloadFormat)
		require.Equal(t, m.ContentType, got.ContentType)
		require.Equal(t, m.ResponseTopic, got.ResponseTopic)
		require.Equal(t, m.CorrelationData, got.CorrelationData)
		require.WithinDuration(t, m.Expires, got.Expires, 2*time.Second)
		var user []string
		for k, v := range got.UserProperties() {
			user = append(user, k+v)
		}
		require.Equal(t, []string{"a1", "a2"}, user)
	})
	t.Run("stops when nobody wants it any more", func(t *testing.T) {
		hubs := serve(t, open(t, 2))
		last := hubs[len(hubs)-1]
		first, second := record(t, last, "first", "s/+"), record(t, last, "second", "s/+")
		publish(t, hubs[0], &broker.Message{Topic: "s/1"})
		first.wait(1)
		second.wait(1)
		first.stop()
		publish(t, hubs[0], &broker.Message{Topic: "s/2"})
		second.wait(2) // one subscription less is not none
		require.Len(t, first.wait(1), 1)
	})
}

func serve(t *testing.T, brokers []broker.Broker) []*broker.Server {
	t.Helper()
	require.NotEmpty(t, brokers)
	var out []*broker.Server
	for _, b := range brokers {
		s, err := broker.NewServer(broker.Config{Broker: b, Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}, SysInterval: -1})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		t.Cleanup(func() {
			require.NoError(t, s.Close())
			cancel()
			require.NoError(t, <-done)
		})
		out = append(out, s)
	}
	return out
}

func publish(t *testing.T, s *broker.Server, m *broker.Message) {
	t.Helper()
	require.NoError(t, s.Publish(t.Context(), m))
}

type recorder struct {
	t    *testing.T
	name string
	stop func()
	mu   sync.Mutex
	got  []*broker.Message
	more chan struct{}
}

func record(t *testing.T, s *broker.Server, name, filter string) *recorder {
	t.Helper()
	r := &recorder{t: t, name: name, more: make(chan struct{}, 1)}
	stop, err := s.Subscribe(t.Context(), filter, func(m *broker.Message) {
		r.mu.Lock()
		r.got = append(r.got, m)
		r.mu.Unlock()
		select {
		case r.more <- struct{}{}:
		default:
		}
	})
	require.NoError(t, err)
	r.stop = stop
	t.Cleanup(stop)
	return r
}

// wait returns what came as soon as it is n messages.
func (r *recorder) wait(n int) []*broker.Message {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		got := r.got
		r.mu.Unlock()
		if len(got) >= n {
			require.Len(r.t, got, n, r.name)
			return got
		}
		select {
		case <-r.more:
		case <-timeout.C:
			require.Failf(r.t, "messages are missing", "%s got %d, want %d", r.name, len(got), n)
		}
	}
}
