package hubtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub/broker"
)

// Client returns an MQTT 5 client that is connected to the hub without a port. It
// is disconnected when t ends. Functions in mod may change its configuration and
// what it says in CONNECT: by default a clean start, a keep alive of 30 s and no
// will.
//
//	pump := hub.Client(t, "pump-1", func(_ *paho.ClientConfig, c *paho.Connect) {
//		c.WillMessage = &paho.WillMessage{Topic: "status/pump-1", Payload: []byte("lost")}
//	})
func (h *Hub) Client(t testing.TB, clientID string, mod ...func(*paho.ClientConfig, *paho.Connect)) *paho.Client {
	t.Helper()
	c, _, err := h.TryClient(t, clientID, mod...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

// TryClient is Client for tests of who may connect: it returns the hub's CONNACK,
// nil if there was none, and does not fail the test when the hub refuses. The error
// of a refusal wraps its [broker.ReasonCode].
func (h *Hub) TryClient(t testing.TB, clientID string, mod ...func(*paho.ClientConfig, *paho.Connect)) (*paho.Client, *paho.Connack, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	nc, err := h.Dial(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("hubtest: client %q: %w", clientID, err)
	}
	return connect(ctx, t, nc, clientID, mod)
}

// connect makes a client of a connection.
func connect(ctx context.Context, t testing.TB, nc net.Conn, clientID string, mod []func(*paho.ClientConfig, *paho.Connect)) (*paho.Client, *paho.Connack, error) {
	t.Helper()
	// paho writes a packet in several pieces, from several goroutines, and reads it
	// in pieces too.
	conn := packets.NewThreadSafeConn(&bufferedConn{Conn: nc, r: bufio.NewReader(nc)})
	receiveMaximum := uint16(1024) // paho makes room for that many messages at once
	cfg := paho.ClientConfig{Conn: conn}
	connect := &paho.Connect{
		ClientID: clientID, CleanStart: true, KeepAlive: 30,
		Properties: &paho.ConnectProperties{ReceiveMaximum: &receiveMaximum, RequestProblemInfo: true},
	}
	for _, f := range mod {
		f(&cfg, connect)
	}
	c := paho.NewClient(cfg)
	ack, err := c.Connect(ctx, connect)
	switch {
	case ack != nil && ack.ReasonCode >= 0x80:
		err = fmt.Errorf("hubtest: client %q was refused: %w%s", clientID, broker.ReasonCode(ack.ReasonCode), reasonString(ack))
	case err != nil:
		err = fmt.Errorf("hubtest: client %q: %w", clientID, err)
	}
	if err != nil {
		return nil, ack, err
	}
	t.Cleanup(func() {
		_ = nc.SetWriteDeadline(time.Now().Add(patience)) // the hub may have stopped reading
		_ = c.Disconnect(&paho.Disconnect{})
	})
	return c, ack, nil
}

func reasonString(ack *paho.Connack) string {
	if ack.Properties == nil || ack.Properties.ReasonString == "" {
		return ""
	}
	return ": " + ack.Properties.ReasonString
}

// bufferedConn reads ahead, so that a packet costs one read of the pipe and not one
// for each of its pieces.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }
