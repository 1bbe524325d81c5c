package broker

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

// A socket that is full and free again at random: everything arrives, in order, and
// nothing waits once it is free.
func TestOutbox_FullAtRandom(t *testing.T) {
	t.Parallel()
	for _, qos := range []byte{0, 1} {
		r := newRig(t, Config{MaxInFlight: 7})
		sub := r.connect(packet.V311, "sub")
		r.subscribe(sub, "t", qos)
		sub.keep, sub.out = true, nil
		pub := r.connect(packet.V311, "pub")
		rnd := rand.New(rand.NewPCG(uint64(qos), 2))
		sent, got := 0, 0
		var scratch []byte
		drain := func() {
			for {
				h, ok, err := packet.ParseHeader(sub.out, packet.V311)
				require.NoError(t, err)
				if !ok || len(sub.out) < h.Size {
					return
				}
				if h.Type == packet.TypePublish {
					var p packet.Publish
					require.NoError(t, p.Decode(h.Flags, sub.out[h.Body:h.Size], packet.V311))
					require.Equal(t, fmt.Sprintf("%0200d", got), string(p.Payload))
					got++
				}
				sub.out = sub.out[h.Size:]
			}
		}
		for range 5000 {
			switch rnd.IntN(4) {
			case 0:
				sub.full = true
			case 1:
				if sub.full = false; sub.c.full {
					sub.c.writable()
				}
			case 2:
				if qos > 0 {
					drain() // only what arrived can be acknowledged
					if sub.c.pending() == 0 {
						scratch = r.acknowledge(sub, scratch)
					}
				}
			case 3:
				p := packet.Publish{Topic: []byte("t"), Payload: fmt.Appendf(nil, "%0200d", sent), QoS: 1, PacketID: 1}
				frame, _ := p.Append(nil, packet.V311)
				r.feed(pub, frame)
				sent++
			}
		}
		sub.full = false
		for i := 0; i < 1000 && got < sent; i++ {
			if sub.c.full {
				sub.c.writable()
			}
			drain()
			scratch = r.acknowledge(sub, scratch)
		}
		require.Equal(t, sent, got)
		require.Zero(t, sub.c.pending())
		require.Nil(t, sub.c.out, "a connection at rest holds no buffer")
		require.Zero(t, r.srv.Metrics().InFlight+r.srv.Metrics().Queued)
	}
}

// Reading pauses while a client takes nothing, and goes on when it does.
func TestBreathe_PausesAndGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{MaxOutboxBytes: 1024})
	d := r.connect(packet.V311, "c")
	d.full = true
	pings := make([]byte, 0, 64<<10)
	for range 32 << 10 {
		pings = append(pings, 0xc0, 0)
	}
	for range 3 {
		require.False(t, d.paused)
		for !d.paused {
			r.feed(d, pings)
			require.Less(t, d.c.pending(), 1<<20)
		}
		d.full = false
		d.c.writable()
		require.Zero(t, d.c.pending())
		require.Nil(t, d.c.out)
		d.full = true
	}
}

// A shared group gives a message to somebody who can take it, whatever the others do.
func TestShared_FindsTheOneWhoCan(t *testing.T) {
	t.Parallel()
	r := newRig(t, Config{MaxInFlight: 1, MaxQueuedMessages: 1})
	var members []*nowhere
	for i := range 5 {
		d := r.connect(packet.V311, fmt.Sprint(i))
		r.subscribe(d, "$share/g/t", 1)
		members = append(members, d)
	}
	for range 2 * len(members) { // one in flight and one queued each
		r.host(t, "t", 10, false)
	}
	require.Equal(t, uint64(10), r.srv.count.delivered[1].Load()+r.b.delivered[1])
	r.host(t, "t", 10, false)
	require.Equal(t, uint64(5), r.srv.Metrics().Dropped["queue_full"], "all were asked")
	r.acknowledge(members[3], nil)
	r.host(t, "t", 10, false)
	require.Equal(t, uint64(11), r.srv.count.delivered[1].Load())
}
