package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// elsewhere is an Upstream whose clients are the test.
type elsewhere struct {
	in        chan broker.Intake
	published chan broker.Message
	deliver   func(string, *broker.Message)
}

func (u *elsewhere) Publish(_ context.Context, m *broker.Message) error {
	u.published <- *m.Clone()
	if m.Origin.Upstream {
		u.deliver(broker.EveryGroup, m)
	}
	return nil
}
func (*elsewhere) Subscribe(context.Context, string, string) error   { return nil }
func (*elsewhere) Unsubscribe(context.Context, string, string) error { return nil }
func (*elsewhere) Run(context.Context, func(string, *broker.Message)) error {
	return errors.New("not this one")
}

func (u *elsewhere) RunUpstream(ctx context.Context, in broker.Intake) error {
	u.deliver = in.Deliver
	u.in <- in
	<-ctx.Done()
	return nil
}

func upstream(t *testing.T, cfg broker.Config) (*broker.Server, *elsewhere, broker.Intake) {
	t.Helper()
	u := &elsewhere{in: make(chan broker.Intake, 1), published: make(chan broker.Message, 100)}
	cfg.Broker, cfg.SysInterval, cfg.Logger = u, -1, slog.New(slog.DiscardHandler)
	cfg.Authenticator, cfg.Authorizer = auth.InsecureAllowAll{}, auth.InsecureAllowAll{}
	s, err := broker.NewServer(cfg)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background()) }()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, <-done)
	})
	return s, u, <-u.in
}

type routed struct{ got chan broker.Message }

func (r routed) Route(_ context.Context, m *broker.Message) error {
	r.got <- *m.Clone()
	if m.Topic == "never" {
		return broker.Refuse(broker.NotAuthorized, "not that")
	}
	return nil
}

func TestUpstream_MessagesAreRoutedOnce(t *testing.T) {
	t.Parallel()
	router := routed{make(chan broker.Message, 10)}
	s, u, in := upstream(t, broker.Config{Router: router, MaxPayloadBytes: 10})
	m := &broker.Message{Topic: "a/b", Payload: []byte("x"), QoS: 1, Origin: broker.Origin{ClientID: "pump", Principal: "p", Source: broker.FromPeer}}
	require.NoError(t, in.Route(t.Context(), m))
	got := <-router.got
	require.Equal(t, broker.Origin{Source: broker.FromClient, ClientID: "pump", Principal: "p", Upstream: true}, got.Origin)
	require.WithinDuration(t, time.Now(), got.Received, time.Minute)
	require.Empty(t, router.got)
	require.Empty(t, u.published, "that is the router's to do")

	for reason, m := range map[broker.ReasonCode]*broker.Message{
		broker.NotAuthorized:  {Topic: "$SYS/x"},
		broker.PacketTooLarge: {Topic: "long", Payload: make([]byte, 11)},
	} {
		require.Equal(t, reason, broker.ReasonOf(in.Route(t.Context(), m)))
	}
	require.Equal(t, broker.NotAuthorized, broker.ReasonOf(in.Route(t.Context(), &broker.Message{Topic: "never"})))
	require.EqualValues(t, 2, s.Metrics().RefusedPublishes[broker.NotAuthorized])
}

func TestUpstream_PublishDeliversWhatItBrought(t *testing.T) {
	t.Parallel()
	s, u, in := upstream(t, broker.Config{})
	got := make(chan *broker.Message, 10)
	stop, err := s.Subscribe(t.Context(), "a/#", func(m *broker.Message) { got <- m })
	require.NoError(t, err)
	defer stop()
	require.NoError(t, in.Route(t.Context(), &broker.Message{Topic: "a/b", Payload: []byte("x"), Retain: true}))
	require.True(t, (<-u.published).Origin.Upstream)
	require.Equal(t, "a/b", (<-got).Topic)
	require.NoError(t, s.Publish(t.Context(), &broker.Message{Topic: "a/c"}))
	require.False(t, (<-u.published).Origin.Upstream)
	require.Empty(t, got, "what others publish is the upstream's to deliver")
	for m, err := range s.Retained(t.Context(), "a/b") {
		require.NoError(t, err)
		require.Equal(t, "x", string(m.Payload))
	}
}

func TestUpstream_RetainTellsNewsFromOldMessages(t *testing.T) {
	t.Parallel()
	s, u, in := upstream(t, broker.Config{})
	retain := func(payload string) bool {
		t.Helper()
		m := &broker.Message{Topic: "a", Payload: []byte(payload), Retain: true}
		m.AddUserProperty("k", "v")
		news, err := in.Retain(t.Context(), m)
		require.NoError(t, err)
		return news
	}
	require.False(t, retain(""))
	require.True(t, retain("1"))
	require.False(t, retain("1"))
	require.True(t, retain("2"))
	kept := 0
	for m, err := range s.Retained(t.Context(), "#") {
		require.NoError(t, err)
		require.Equal(t, "2", string(m.Payload))
		kept++
	}
	require.Equal(t, 1, kept)
	require.True(t, retain(""))
	for m, err := range s.Retained(t.Context(), "#") {
		require.NoError(t, err)
		require.Fail(t, "it was to be forgotten", m.Topic)
	}
	require.Empty(t, u.published)
	_, err := in.Retain(t.Context(), &broker.Message{Topic: "$SYS/a", Payload: []byte("1")})
	require.Equal(t, broker.NotAuthorized, broker.ReasonOf(err))

	_, _, in = upstream(t, broker.Config{DisableRetain: true})
	news, err := in.Retain(t.Context(), &broker.Message{Topic: "a", Payload: []byte("1")})
	require.NoError(t, err)
	require.False(t, news)
}
