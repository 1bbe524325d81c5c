package broker

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
)

// A rig is a server without network: connections whose driver throws away what they
// write, fed from one goroutine as an event loop would.
type rig struct {
	srv *Server
	b   *batch
}

func newRig(t testing.TB, cfg Config) *rig {
	t.Helper()
	cfg.Authenticator, cfg.Authorizer = auth.InsecureAllowAll{}, auth.InsecureAllowAll{}
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	srv, err := NewServer(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return &rig{srv, newBatch(srv)}
}

// nowhere is a driver whose transport takes everything, or nothing while full.
type nowhere struct {
	c      *conn
	out    []byte // what was written, if kept
	keep   bool
	full   bool
	paused bool
	posted []func()
}

func (d *nowhere) write(p []byte) (int, error) {
	if d.full {
		return 0, nil
	}
	if d.keep {
		d.out = append(d.out, p...)
	}
	return len(p), nil
}
func (d *nowhere) blocking() bool { return false }
func (d *nowhere) arm()           {}
func (d *nowhere) pause()         { d.paused = true }
func (d *nowhere) resume()        { d.paused = false }
func (d *nowhere) post(f func()) bool {
	d.posted = append(d.posted, f)
	return true
}
func (d *nowhere) finish()         {}
func (d *nowhere) close()          {}
func (d *nowhere) info() *connInfo { return &connInfo{transport: "test", remote: &net.TCPAddr{}} }

// run does what was posted.
func (d *nowhere) run() {
	for len(d.posted) > 0 {
		f := d.posted[0]
		d.posted = d.posted[1:]
		f()
	}
}

// connect adds a connected client.
func (r *rig) connect(v packet.Version, id string, mod ...func(*packet.Connect)) *nowhere {
	d := &nowhere{}
	d.c = r.srv.newConn(d)
	p := &packet.Connect{Version: v, CleanStart: true, ClientID: []byte(id)}
	for _, m := range mod {
		m(p)
	}
	r.feed(d, p.Append(nil, v))
	if d.c.phase.Load() != phaseUp {
		panic("not connected")
	}
	return d
}

// feed is one turn of the loop.
func (r *rig) feed(d *nowhere, p []byte) {
	d.c.received(r.b, p)
	r.b.flush()
	d.run()
}

func (r *rig) subscribe(d *nowhere, filter string, qos byte) {
	s := packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte(filter), Options: qos}}}
	r.feed(d, s.Append(nil, d.c.ver))
}

// subscribers connects n clients that subscribe to filter.
func (r *rig) subscribers(n int, v packet.Version, filter string, qos byte) []*nowhere {
	all := make([]*nowhere, n)
	for i := range all {
		all[i] = r.connect(v, fmt.Sprint(filter, " subscriber ", i))
		r.subscribe(all[i], filter, qos)
	}
	return all
}

func publishFrame(v packet.Version, topic string, size int, qos byte, retain bool) []byte {
	p := packet.Publish{Topic: []byte(topic), Payload: make([]byte, size), QoS: qos, Retain: retain}
	if qos > 0 {
		p.PacketID = 1
	}
	b, _ := p.Append(nil, v)
	return b
}

// acknowledge answers what was sent to a client at QoS 1 or 2 and is not complete.
func (r *rig) acknowledge(d *nowhere, scratch []byte) []byte {
	scratch = scratch[:0]
	s := d.c.sess.Load()
	for i := range s.inflight.len() {
		switch f := s.inflight.at(i); f.state {
		case wantPuback:
			scratch = append(scratch, byte(packet.TypePuback)<<4, 2, byte(f.pid>>8), byte(f.pid))
		case wantPubrec:
			scratch = append(scratch, byte(packet.TypePubrec)<<4, 2, byte(f.pid>>8), byte(f.pid))
			scratch = append(scratch, byte(packet.TypePubcomp)<<4, 2, byte(f.pid>>8), byte(f.pid))
		}
	}
	r.feed(d, scratch)
	return scratch
}

// host publishes as the embedding program does.
func (r *rig) host(t testing.TB, topic string, size int, retain bool) {
	require.NoError(t, r.srv.Publish(context.Background(), &Message{Topic: topic, Payload: make([]byte, size), QoS: 1, Retain: retain}))
}
