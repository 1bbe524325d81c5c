package nats_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/nats"
	"github.com/thinghub/thinghub/actions/sinktest"
)

// run starts a server with JetStream, in this process; change may be nil. It ends with the
// test.
func run(tb testing.TB, change func(o *server.Options)) *server.Server {
	tb.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: tb.TempDir(), NoLog: true, NoSigs: true}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	require.NoError(tb, err)
	s.Start()
	tb.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(tb, s.ReadyForConnections(time.Minute))
	return s
}

// open returns a client of a server; change may be nil.
func open(tb testing.TB, url string, change func(c *nats.Config)) *nats.Client {
	tb.Helper()
	cfg := nats.Config{
		Sink: sinktest.Quick("nats", "main"), Servers: []string{url},
		Options: []natsgo.Option{natsgo.ReconnectWait(20 * time.Millisecond), natsgo.ReconnectJitter(0, 0)},
	}
	if change != nil {
		change(&cfg)
	}
	c, err := nats.Open(cfg)
	require.NoError(tb, err)
	tb.Cleanup(c.Close)
	return c
}

// reader is a connection of the test's own.
func reader(tb testing.TB, url string, options ...natsgo.Option) (*natsgo.Conn, jetstream.JetStream) {
	tb.Helper()
	c, err := natsgo.Connect(url, append(options, natsgo.MaxReconnects(-1), natsgo.ReconnectWait(20*time.Millisecond))...)
	require.NoError(tb, err)
	tb.Cleanup(c.Close)
	js, err := jetstream.New(c)
	require.NoError(tb, err)
	return c, js
}

// stream makes a stream.
func stream(tb testing.TB, js jetstream.JetStream, cfg jetstream.StreamConfig) jetstream.Stream {
	tb.Helper()
	s, err := js.CreateStream(tb.Context(), cfg)
	require.NoError(tb, err)
	return s
}

// stored are the messages of a stream.
func stored(tb testing.TB, s jetstream.Stream) (list []jetstream.Msg) {
	tb.Helper()
	info, err := s.Info(tb.Context())
	require.NoError(tb, err)
	if info.State.Msgs == 0 {
		return nil
	}
	c, err := s.OrderedConsumer(tb.Context(), jetstream.OrderedConsumerConfig{})
	require.NoError(tb, err)
	for uint64(len(list)) < info.State.Msgs {
		batch, err := c.Fetch(int(info.State.Msgs)-len(list), jetstream.FetchMaxWait(10*time.Second))
		require.NoError(tb, err)
		for m := range batch.Messages() {
			list = append(list, m)
		}
		require.NoError(tb, batch.Error())
	}
	return list
}

// payloads are those of messages.
func payloads(list []jetstream.Msg) (texts []string) {
	for _, m := range list {
		texts = append(texts, string(m.Data()))
	}
	return texts
}

// event is what the engine would make for an action whose params are rendered to texts.
func event(payload string, params ...string) actions.Event {
	return actions.Event{
		Rule: "rule", Payload: []byte(payload), Params: params, Attempt: 1,
		Message: &actions.Message{Topic: "dev/a/temp", ClientID: "a", TraceID: actions.NamedTraceID(payload), Time: time.Unix(1700000000, 0)},
	}
}

// events are numbered ones.
func events(from, n int, params ...string) (evs []actions.Event) {
	for i := range n {
		evs = append(evs, event(strconv.Itoa(from+i), params...))
	}
	return evs
}

// texts are the payloads of events.
func texts(from, n int) (list []string) {
	for i := range n {
		list = append(list, strconv.Itoa(from+i))
	}
	return list
}

// bind checks an action and binds it to a client.
func bind(tb testing.TB, c *nats.Client, a nats.Action) *nats.Action {
	tb.Helper()
	bound := c.Action(a)
	require.NoError(tb, bound.Check())
	return bound
}

// address is host and port of a server.
func address(s *server.Server) string { return strings.TrimPrefix(s.ClientURL(), "nats://") }
