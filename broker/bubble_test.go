package broker_test

import (
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// bubble runs f with a server for which time passes as fast as the test waits for
// it. Connections come from pipe.
func bubble(t *testing.T, cfg broker.Config, f func(t *testing.T, srv *broker.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv, err := broker.NewServer(cfg)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- srv.Run(t.Context()) }()
		defer func() {
			require.NoError(t, srv.Close())
			require.NoError(t, <-done)
		}()
		synctest.Wait() // for what Run does at its start
		f(t, srv)
	})
}

// bubbles runs f in a bubble for each version.
func bubbles(t *testing.T, cfg broker.Config, f func(t *testing.T, srv *broker.Server, v packet.Version)) {
	t.Helper()
	both(t, func(t *testing.T, v packet.Version) {
		bubble(t, cfg, func(t *testing.T, srv *broker.Server) { f(t, srv, v) })
	})
}

// pipe opens a connection in memory.
func pipe(t testing.TB, srv *broker.Server, v packet.Version) *raw {
	t.Helper()
	client, server := net.Pipe()
	require.NoError(t, srv.Go(server))
	t.Cleanup(func() { _ = client.Close() })
	return &raw{t: t, nc: client, v: v}
}

// join connects over a pipe, without keep alive unless mod says otherwise.
func join(t testing.TB, srv *broker.Server, v packet.Version, id string, mod ...func(*packet.Connect)) *raw {
	t.Helper()
	r, ack := tryJoin(t, srv, v, id, mod...)
	require.Zero(t, ack.Code)
	return r
}

func tryJoin(t testing.TB, srv *broker.Server, v packet.Version, id string, mod ...func(*packet.Connect)) (*raw, *packet.Connack) {
	t.Helper()
	r := pipe(t, srv, v)
	return r, r.hello(id, append([]func(*packet.Connect){keepAlive(0)}, mod...)...)
}

// Changes to the CONNECT of hello, connect and join.

func keepAlive(secs uint16) func(*packet.Connect) {
	return func(c *packet.Connect) { c.KeepAlive = secs }
}

func unclean(c *packet.Connect) { c.CleanStart = false }

// expiry sets the Session Expiry Interval; the session is kept if there is one.
func expiry(secs uint32) func(*packet.Connect) {
	return func(c *packet.Connect) {
		c.CleanStart = false
		c.Props.SetSessionExpiry(secs)
	}
}

func will(topic, payload string, mod ...func(*packet.Connect)) func(*packet.Connect) {
	return func(c *packet.Connect) {
		c.HasWill, c.WillTopic, c.WillPayload = true, []byte(topic), []byte(payload)
		for _, m := range mod {
			m(c)
		}
	}
}

func user(name, password string) func(*packet.Connect) {
	return func(c *packet.Connect) {
		c.HasUsername, c.Username, c.HasPassword, c.Password = true, []byte(name), true, []byte(password)
	}
}

// quiet is a Config that lets everybody in and logs nothing.
func quiet() broker.Config {
	cfg := open()
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	return cfg
}

// encode returns the bytes of a packet.
func encode(v packet.Version, p any) []byte {
	if p, ok := p.(*packet.Publish); ok {
		b, _ := p.Append(nil, v)
		return b
	}
	return p.(appender).Append(nil, v)
}

// control makes a packet of any first byte and body, with a correct length.
func control(first byte, body ...byte) []byte {
	b := []byte{first}
	n := len(body)
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(append(b, byte(n)), body...)
}

// str is an MQTT string.
func str(s string) []byte { return append([]byte{byte(len(s) >> 8), byte(len(s))}, s...) }

// cat joins bytes, byte slices and strings (without length).
func cat(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case byte:
			b = append(b, p)
		case []byte:
			b = append(b, p...)
		case string:
			b = append(b, p...)
		}
	}
	return b
}
