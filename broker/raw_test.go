package broker_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// patience is how long a test waits for what must come; silence how long it watches
// for what must not.
const (
	patience = 10 * time.Second
	silence  = 150 * time.Millisecond
)

// open is a Config that lets everybody in.
func open() broker.Config {
	return broker.Config{Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}, SysInterval: -1}
}

// start runs a server on a loopback port until the test ends.
func start(t testing.TB, cfg broker.Config) (*broker.Server, string) {
	t.Helper()
	srv, err := broker.NewServer(cfg)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- srv.Run(ctx) }()
	go func() {
		err := srv.Serve(ln)
		if errors.Is(err, broker.ErrClosed) {
			err = nil
		}
		done <- err
	}()
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, <-done)
	})
	return srv, ln.Addr().String()
}

// raw is a client that sends and receives single packets and does nothing by itself.
type raw struct {
	t  testing.TB
	nc net.Conn
	v  packet.Version
	in []byte // received and not looked at yet

	buf []byte
}

func dial(t testing.TB, addr string, v packet.Version) *raw {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return &raw{t: t, nc: nc, v: v}
}

// write sends bytes as they are.
func (r *raw) write(b ...byte) {
	r.t.Helper()
	_ = r.nc.SetWriteDeadline(time.Now().Add(patience))
	_, err := r.nc.Write(b)
	require.NoError(r.t, err)
}

type appender interface {
	Append([]byte, packet.Version) []byte
}

// send sends packets in one write.
func (r *raw) send(ps ...any) {
	r.t.Helper()
	var b []byte
	for _, p := range ps {
		switch p := p.(type) {
		case *packet.Publish:
			b, _ = p.Append(b, r.v)
		case appender:
			b = p.Append(b, r.v)
		case []byte:
			b = append(b, p...)
		default:
			r.t.Fatalf("cannot send a %T", p)
		}
	}
	r.write(b...)
}

// frame is one received packet.
type frame struct {
	packet.Header
	body []byte
}

// next returns the next packet, or an error when none comes within d.
func (r *raw) next(d time.Duration) (frame, error) {
	_ = r.nc.SetReadDeadline(time.Now().Add(d))
	for {
		if h, ok, err := packet.ParseHeader(r.in, r.v); err != nil {
			return frame{}, err
		} else if ok && len(r.in) >= h.Size {
			f := frame{h, bytes.Clone(r.in[h.Body:h.Size])}
			r.in = r.in[h.Size:]
			return f, nil
		}
		if r.buf == nil {
			r.buf = make([]byte, 64<<10)
		}
		n, err := r.nc.Read(r.buf)
		r.in = append(r.in, r.buf[:n]...)
		if n == 0 && err != nil {
			return frame{}, err
		}
	}
}

// want receives a packet of the given type.
func (r *raw) want(t packet.Type) frame {
	r.t.Helper()
	f, err := r.next(patience)
	require.NoError(r.t, err, "waiting for %s", t)
	require.Equal(r.t, t.String(), f.Type.String())
	return f
}

func (r *raw) wantPublish() *packet.Publish {
	r.t.Helper()
	f := r.want(packet.TypePublish)
	p := &packet.Publish{}
	require.NoError(r.t, p.Decode(f.Flags, f.body, r.v))
	return p
}

func (r *raw) wantConnack() *packet.Connack {
	r.t.Helper()
	p := &packet.Connack{}
	require.NoError(r.t, p.Decode(r.want(packet.TypeConnack).body, r.v))
	return p
}

func (r *raw) wantAck(t packet.Type) *packet.Ack {
	r.t.Helper()
	p := &packet.Ack{}
	require.NoError(r.t, p.Decode(t, r.want(t).body, r.v))
	return p
}

func (r *raw) wantSuback() *packet.Suback {
	r.t.Helper()
	p := &packet.Suback{}
	require.NoError(r.t, p.Decode(r.want(packet.TypeSuback).body, r.v))
	return p
}

func (r *raw) wantUnsuback() *packet.Unsuback {
	r.t.Helper()
	p := &packet.Unsuback{}
	require.NoError(r.t, p.Decode(r.want(packet.TypeUnsuback).body, r.v))
	return p
}

// wantDisconnect receives DISCONNECT with the code and the end of the connection.
func (r *raw) wantDisconnect(code broker.ReasonCode) {
	r.t.Helper()
	p := &packet.Disconnect{}
	require.NoError(r.t, p.Decode(r.want(packet.TypeDisconnect).body, r.v, false))
	require.Equal(r.t, code.String(), broker.ReasonCode(p.Code).String())
	r.wantClosed()
}

// wantClosed requires that the server closes without another packet.
func (r *raw) wantClosed() {
	r.t.Helper()
	f, err := r.next(patience)
	require.Error(r.t, err, "got %s, want the end of the connection", f.Type)
	require.NotErrorIs(r.t, err, os.ErrDeadlineExceeded, "the connection is still open")
}

// wantRefused requires what the version allows after bad input on an accepted
// connection: DISCONNECT with the code and close in 5, close in 3.1.1.
func (r *raw) wantRefused(code broker.ReasonCode) {
	r.t.Helper()
	if r.v == packet.V5 {
		r.wantDisconnect(code)
		return
	}
	r.wantClosed()
}

// wantSilence requires that nothing comes for a while.
func (r *raw) wantSilence() {
	r.t.Helper()
	f, err := r.next(silence)
	require.Error(r.t, err, "got %s, want nothing", f.Type)
	require.ErrorIs(r.t, err, os.ErrDeadlineExceeded)
}

// ping requires that the connection works and that nothing else was in its way.
func (r *raw) ping() {
	r.t.Helper()
	r.write(0xC0, 0)
	r.want(packet.TypePingresp)
}

// drop cuts the connection without DISCONNECT.
func (r *raw) drop() { _ = r.nc.Close() }

// disconnect ends the connection normally and waits for the server to close it.
func (r *raw) disconnect() {
	r.t.Helper()
	r.write(0xE0, 0)
	_, err := io.ReadAll(r.nc)
	require.NoError(r.t, err)
	_ = r.nc.Close()
}

// connect connects with a clean start, or as mod says, and requires success.
func connect(t testing.TB, addr string, v packet.Version, id string, mod ...func(*packet.Connect)) *raw {
	t.Helper()
	r, ack := tryConnect(t, addr, v, id, mod...)
	require.Zero(t, ack.Code)
	return r
}

func tryConnect(t testing.TB, addr string, v packet.Version, id string, mod ...func(*packet.Connect)) (*raw, *packet.Connack) {
	t.Helper()
	r := dial(t, addr, v)
	return r, r.hello(id, mod...)
}

// hello sends CONNECT with a clean start, or as mod says, and returns the answer.
func (r *raw) hello(id string, mod ...func(*packet.Connect)) *packet.Connack {
	r.t.Helper()
	r.send(hello(r.v, id, mod...))
	return r.wantConnack()
}

func hello(v packet.Version, id string, mod ...func(*packet.Connect)) *packet.Connect {
	c := &packet.Connect{Protocol: []byte("MQTT"), Version: v, CleanStart: true, KeepAlive: 60, ClientID: []byte(id)}
	for _, m := range mod {
		m(c)
	}
	return c
}

// persistent keeps the session after the connection.
func persistent(c *packet.Connect) {
	c.CleanStart = false
	if c.Version == packet.V5 {
		c.Props.SetSessionExpiry(3600)
	}
}

// subscribe subscribes to one filter and returns the granted code.
func (r *raw) subscribe(filter string, options byte) byte {
	r.t.Helper()
	r.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte(filter), Options: options}}})
	ack := r.wantSuback()
	require.Equal(r.t, uint16(1), ack.PacketID)
	require.Len(r.t, ack.Codes, 1)
	return ack.Codes[0]
}

func publish(topic, payload string, qos byte, id uint16) *packet.Publish {
	return &packet.Publish{Topic: []byte(topic), Payload: []byte(payload), QoS: qos, PacketID: id}
}

// both runs a test against both versions.
func both(t *testing.T, f func(t *testing.T, v packet.Version)) {
	t.Helper()
	t.Run("3.1.1", func(t *testing.T) { t.Parallel(); f(t, packet.V311) })
	t.Run("5", func(t *testing.T) { t.Parallel(); f(t, packet.V5) })
}
