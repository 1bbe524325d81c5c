package main

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/examples/internal/programtest"
)

func TestMain(m *testing.M) { programtest.Main(m) }

func TestEndsByItself(t *testing.T) {
	t.Parallel()
	start := time.Now()
	p := programtest.Start(t, "-mqtt", "127.0.0.1:0", "-for", "2500ms")
	require.Zero(t, p.Wait(t))
	require.Less(t, time.Since(start), 20*time.Second)
	require.Empty(t, p.Stderr())
	for _, want := range []string{
		"The hub listens on 127.0.0.1:",
		"  mosquitto_sub -h 127.0.0.1 -p ",
		"  mosquitto_pub -h 127.0.0.1 -p ",
		"host received plant/pump-1/temperature = 21.5 from pump-1\n",
		"host received plant/pump-1/temperature = 21.9 from pump-1\n",
		"The hub says goodbye.\n",
	} {
		require.Contains(t, p.Stdout(), want)
	}
}

// TestJoinIn does what the printed commands do.
func TestJoinIn(t *testing.T) {
	t.Parallel()
	p := programtest.Start(t, "-mqtt", "127.0.0.1:0", "-for", "0")
	line := p.Line(t, "The hub listens on ")
	addr, _, err := net.SplitHostPort(line[:len(line)-len(". Join in from another terminal:")])
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", addr)
	conn, err := net.Dial("tcp", line[:len(line)-len(". Join in from another terminal:")])
	require.NoError(t, err)

	got := make(chan string, 100)
	c := paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			got <- p.Packet.Topic
			return true, nil
		}},
	})
	_, err = c.Connect(t.Context(), &paho.Connect{ClientID: "guest", CleanStart: true, KeepAlive: 30})
	require.NoError(t, err)
	_, err = c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "plant/#"}}})
	require.NoError(t, err)
	require.Equal(t, "plant/pump-1/temperature", next(t, got))
	_, err = c.Publish(t.Context(), &paho.Publish{Topic: "plant/pump-2/temperature", Payload: []byte("35.5"), QoS: 1})
	require.NoError(t, err)
	require.Equal(t, "35.5 from guest", p.Line(t, "host received plant/pump-2/temperature = "))

	p.Signal(t, os.Interrupt)
	require.Zero(t, p.Wait(t))
	require.Contains(t, p.Stdout(), "The hub says goodbye.")
}

func next(t *testing.T, got <-chan string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	select {
	case s := <-got:
		return s
	case <-ctx.Done():
		require.FailNow(t, "nothing received")
		return ""
	}
}

func TestPortIsTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	p := programtest.Start(t, "-mqtt", l.Addr().String(), "-for", "100ms")
	require.Zero(t, p.Wait(t))
	require.Contains(t, p.Stdout(), "Somebody listens on "+l.Addr().String()+" already, so this hub takes a free port.\n")
	require.NotContains(t, p.Stdout(), "The hub listens on "+l.Addr().String())
}

func TestStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0"} {
		p := programtest.Start(t, "-mqtt", addr, "-for", "1s")
		require.Equal(t, 1, p.Wait(t))
		require.Contains(t, p.Stderr(), "expected a loopback address")
		require.Empty(t, p.Stdout())
	}
}
