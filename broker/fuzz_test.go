package broker_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// FuzzServer plays a script on a server: several clients at once that send valid,
// broken and half packets, come, go and do not read. Afterwards a client that had
// nothing to do with it must be served as ever, nothing may have panicked, and when
// everybody has left nothing may be left of them.
//
// The first byte of a script chooses the server (see fuzzConfig). Records follow: a
// byte with the client (low 3 bits; client 7 does not read) and what it does (next
// 3 bits), a byte with the length of the data, the data.
func FuzzServer(f *testing.F) {
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 0 && len(script) < 16<<10 {
			playScript(t, script[0], script[1:])
		}
	})
}

// What a client does with the data of a record.
const (
	fuzzSend = iota
	fuzzRepeat
	fuzzPieces
	fuzzConnect311
	fuzzConnect5
	fuzzResume5
	fuzzSendAndCut
	fuzzCut
)

// Bits of the first byte.
const (
	fuzzLoops  = 1 << iota // event loops over TCP, else goroutines over pipes
	fuzzVanish             // sessions end with their connections
	fuzzSmall              // limits that are reached soon
	fuzzOldest             // the Overflow policy
	fuzzEnd
	fuzzAsk // an authorizer that is asked about every message
)

func fuzzConfig(t testing.TB, how byte) broker.Config {
	cfg := open()
	cfg.Authenticator = twoSteps{}
	cfg.Logger = slog.New(failOnError{t})
	cfg.EventLoops = -1
	if how&fuzzLoops != 0 {
		cfg.EventLoops = 2
	}
	if how&fuzzVanish != 0 {
		cfg.MaxSessionExpiry = time.Nanosecond
	}
	if how&fuzzAsk != 0 {
		cfg.EventLoops = -1 // what may wait is not for them
		cfg.Authorizer = asking(func(r *auth.Request) error {
			if r.Action == auth.Receive && len(r.Resource)%5 == 0 {
				return auth.ErrDenied
			}
			return nil
		})
	}
	if how&fuzzSmall != 0 {
		cfg.MaxOutboxBytes, cfg.MaxPacketSize = 1024, 4096
		cfg.MaxQueuedMessages, cfg.MaxQueuedBytes, cfg.MaxInFlight, cfg.ReceiveMaximum = 3, 1024, 2, 3
		cfg.MaxSubscriptions, cfg.MaxTopicLevels, cfg.TopicAliasMaximum = 4, 4, 2
		cfg.MaxRetainedMessages = 3
	}
	if how&fuzzOldest != 0 {
		cfg.Overflow = broker.DropOldest
	} else if how&fuzzEnd != 0 {
		cfg.Overflow = broker.DisconnectClient
	}
	return cfg
}

// failOnError is a slog.Handler: what a server reports as an error, a panic above
// all, fails the test.
type failOnError struct{ t testing.TB }

func (failOnError) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (h failOnError) WithAttrs([]slog.Attr) slog.Handler         { return h }
func (h failOnError) WithGroup(string) slog.Handler              { return h }
func (h failOnError) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	r.Attrs(func(a slog.Attr) bool { b.WriteString(a.String() + "\n"); return true })
	h.t.Errorf("%s\n%s", r.Message, b.String())
	return nil
}

// twoSteps lets everybody in, also by enhanced authentication in two steps.
type twoSteps struct{ auth.InsecureAllowAll }

func (twoSteps) Exchange(context.Context, *auth.Credentials) (auth.Exchange, error) {
	return new(twoStep), nil
}

type twoStep struct{ steps int }

func (x *twoStep) Next(_ context.Context, data []byte) ([]byte, *auth.Identity, error) {
	x.steps++
	switch {
	case string(data) == "no":
		return nil, nil, auth.ErrBadCredentials
	case x.steps < 2:
		return data, nil, nil
	}
	return data, &auth.Identity{Principal: "p"}, nil
}

func (x *twoStep) Close() {}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, cond func() bool, what string) {
	t.Helper()
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("did not come: %s", what)
		}
	}
}

// A stage is a running server and a way to connect to it.
type stage struct {
	srv     *broker.Server
	dial    func() net.Conn
	tryDial func() net.Conn // nil once the server is closed
}

func newStage(t testing.TB, cfg broker.Config) *stage {
	s := &stage{}
	if cfg.EventLoops < 0 {
		srv, err := broker.NewServer(cfg)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- srv.Run(ctx) }()
		t.Cleanup(func() {
			require.NoError(t, srv.Close())
			cancel()
			require.NoError(t, <-done)
		})
		s.srv = srv
		s.tryDial = func() net.Conn {
			client, server := net.Pipe()
			if srv.Go(server) != nil {
				return nil
			}
			return client
		}
	} else {
		srv, addr := start(t, cfg)
		s.srv = srv
		s.tryDial = func() net.Conn {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				return nil
			}
			_ = nc.(*net.TCPConn).SetLinger(0) // no TIME_WAIT: there are many
			return nc
		}
	}
	s.dial = func() net.Conn {
		nc := s.tryDial()
		require.NotNil(t, nc)
		return nc
	}
	return s
}

func (s *stage) client(t testing.TB, v packet.Version, id string, mod ...func(*packet.Connect)) *raw {
	r := &raw{t: t, nc: s.dial(), v: v}
	require.Zero(t, r.hello(id, mod...).Code)
	return r
}

func playScript(t *testing.T, how byte, script []byte) {
	s := newStage(t, fuzzConfig(t, how))
	const topic = "the witness's own"
	witness := s.client(t, packet.V5, "the witness")
	defer witness.drop()
	require.Equal(t, byte(1), witness.subscribe(topic, 1))

	var conns [8]net.Conn
	cut := func(i byte) {
		if conns[i] != nil {
			_ = conns[i].Close()
			conns[i] = nil
		}
	}
	for len(script) >= 2 {
		i, act, n := script[0]&7, script[0]>>3&7, int(script[1])
		script = script[2:]
		data := script[:min(n, len(script))]
		script = script[len(data):]
		if conns[i] == nil {
			conns[i] = s.dial()
			if i != 7 {
				go func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }(conns[i]) // ends with the connection
			}
		}
		play(conns[i], act, i, data)
		if act == fuzzSendAndCut || act == fuzzCut {
			cut(i)
		}
	}
	witness.ping()
	witness.send(publish(topic, "still there?", 1, 9))
	got := map[packet.Type]bool{}
	for range 2 {
		p, err := witness.next(patience)
		require.NoError(t, err)
		got[p.Type] = true
	}
	require.True(t, got[packet.TypePublish] && got[packet.TypePuback], "%v", got)

	for i := range conns {
		cut(byte(i))
	}
	eventually(t, func() bool { return s.srv.Metrics().Connections == 1 }, "the end of the connections")
	witness.drop()
	eventually(t, func() bool { return s.srv.Metrics().Connections == 0 }, "the end of the witness")
	if how&fuzzVanish != 0 {
		requireNothingLeft(t, s.srv)
	}
	require.NoError(t, s.srv.Close())
}

// requireNothingLeft waits for the gauges to return to 0.
func requireNothingLeft(t testing.TB, srv *broker.Server) {
	t.Helper()
	var m broker.Metrics
	defer func() {
		if t.Failed() {
			t.Logf("%+v", m)
		}
	}()
	eventually(t, func() bool {
		m = srv.Metrics()
		return m.Connections == 0 && m.Sessions == 0 && m.Subscriptions == 0 && m.Filters == 0 && m.InFlight == 0 && m.Queued == 0
	}, "all gauges at 0")
}

// play sends what a record says. The server may have closed the connection, or does
// not read because we do not.
func play(nc net.Conn, act, i byte, data []byte) {
	id := string('a' + i%4) // so that clients take each other's place
	switch act {
	case fuzzConnect311:
		data = append(encode(packet.V311, hello(packet.V311, id, keepAlive(0), unclean)), data...)
	case fuzzConnect5:
		data = append(encode(packet.V5, hello(packet.V5, id, keepAlive(0))), data...)
	case fuzzResume5:
		data = append(encode(packet.V5, hello(packet.V5, id, keepAlive(0), expiry(100))), data...)
	case fuzzRepeat:
		data = bytes.Repeat(data, 1+2000/(1+len(data)))
	case fuzzCut:
		return
	}
	piece := len(data)
	if act == fuzzPieces {
		piece = 1
	}
	_ = nc.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	for len(data) > 0 {
		n, err := nc.Write(data[:min(piece, len(data))])
		if data = data[n:]; err != nil {
			return
		}
	}
}
