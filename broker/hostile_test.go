package broker_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// A stranger's conversation may end at any byte: nothing of it stays, and nobody else
// notices.
func TestHostile_CutAtEveryByte(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		cfg.MaxSessionExpiry = time.Nanosecond
		s := newStage(t, cfg)
		witness := s.client(t, packet.V5, "witness")
		for _, v := range []packet.Version{packet.V311, packet.V5} {
			talk := conversation(v)
			step := 1
			if testing.Short() {
				step = 7
			}
			for n := 0; n <= len(talk); n += step {
				nc := s.dial()
				go func() { _, _ = io.Copy(io.Discard, nc) }() // ends with nc
				_, err := nc.Write(talk[:n])
				require.NoError(t, err)
				require.NoError(t, nc.Close())
			}
			witness.ping()
		}
		witness.drop()
		requireNothingLeft(t, s.srv)
	})
}

// conversation is one packet of every kind a client may send, in a valid order.
func conversation(v packet.Version) []byte {
	c := hello(v, "talker", persistent, will("w", "gone"), user("name", "password"))
	p1, p2 := publish("a/b", "one", 1, 1), publish("a/b", "two", 2, 2)
	if v == packet.V5 {
		p1.Props.SetContentType([]byte("text/plain"))
		p1.Props.SetUser(packet.AppendUserProperty(nil, "k", "v"))
		p2.Props.SetTopicAlias(1)
	}
	kept := publish("a/c", "kept", 0, 0)
	kept.Retain = true
	var b []byte
	for _, p := range []any{
		c, subscription("a/+", 2, 1), subscription("$share/g/#", 1, 2), kept, p1, p2,
		acked(packet.TypePubrel, 2), acked(packet.TypePuback, 1), acked(packet.TypePubrec, 2), acked(packet.TypePubcomp, 2),
		&packet.Unsubscribe{PacketID: 3, Filters: [][]byte{[]byte("a/+")}},
	} {
		b = append(b, encode(v, p)...)
	}
	return append(b, 0xc0, 0, 0xe0, 0)
}

// A packet that claims 256 MB is refused by its header.
func TestHostile_HugeRemainingLength(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		s := newStage(t, cfg)
		huge := []byte{0xff, 0xff, 0xff, 0x7f}
		for range 10 {
			stranger := &raw{t: t, nc: s.dial(), v: packet.V5}
			stranger.write(append([]byte{0x10}, huge...)...)
			stranger.wantClosed()
			for _, first := range []byte{0x30, 0x3b, 0x82, 0xa2} {
				r := s.client(t, packet.V5, "c")
				r.write(append([]byte{first}, huge...)...)
				r.wantDisconnect(broker.PacketTooLarge)
				r = s.client(t, packet.V311, "c")
				r.write(append([]byte{first}, huge...)...)
				r.wantClosed()
			}
		}
		require.Less(t, s.srv.Metrics().BytesReceived, uint64(10*9*100))
		require.Equal(t, uint64(40), s.srv.Metrics().Disconnects[broker.PacketTooLarge]/2)
	})
}

// Clients that send CONNECT a byte at a time all end with ConnectTimeout.
func TestHostile_SlowLoris(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.ConnectTimeout = 20 * time.Second
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		start := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			r := pipe(t, srv, packet.V311)
			wg.Go(func() {
				for b := encode(r.v, hello(r.v, strings.Repeat("x", 100))); len(b) > 0; b = b[1:] {
					if _, err := r.nc.Write(b[:1]); err != nil {
						return
					}
					time.Sleep(time.Second) // in a bubble
				}
				t.Error("a slow CONNECT was accepted")
			})
		}
		wg.Wait()
		require.LessOrEqual(t, time.Since(start), cfg.ConnectTimeout+2*time.Second)
		require.Zero(t, srv.Metrics().ConnectsAccepted)
	})
}

// A client that is there no more, with its socket full, ends with its keep alive.
func TestHostile_HalfOpen(t *testing.T) {
	t.Parallel()
	bubbles(t, quiet(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		r := join(t, srv, v, "half", keepAlive(10))
		r.subscribe("t", 0)
		require.NoError(t, srv.Publish(t.Context(), &broker.Message{Topic: "t", Payload: make([]byte, 1000)}))
		synctest.Wait() // the server writes, and we never read
		time.Sleep(15*time.Second + 2*time.Second)
		require.Zero(t, srv.Metrics().Connections)
		require.Equal(t, uint64(1), srv.Metrics().Disconnects[broker.KeepAliveTimeout])
		f, err := r.next(time.Second)
		require.Error(t, err, "%v", f)
	})
}

func TestHostile_DeepTopics(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		s := newStage(t, cfg)
		deep := strings.Repeat("/", 10_000)
		r := s.client(t, packet.V5, "c")
		r.send(subscription(deep+"/#", 0, 1))
		require.Equal(t, []byte{byte(broker.TopicFilterInvalid)}, r.wantSuback().Codes)
		r.send(publish(deep, "x", 1, 1))
		r.wantDisconnect(broker.TopicNameInvalid)
		r = s.client(t, packet.V311, "c")
		require.Equal(t, byte(0x80), r.subscribe(deep, 0))
		r.send(publish(deep, "x", 0, 0))
		r.wantClosed()
	})
}

// heap is the memory in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what was pooled goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// bounded runs f with both drivers, not in parallel with anything, and gives it a
// check of how much memory came into use since.
func bounded(t *testing.T, change func(*broker.Config), f func(t *testing.T, s *stage, grown func(limit int64))) {
	t.Helper()
	for _, loops := range []int{1, -1} {
		t.Run(fmt.Sprint("EventLoops ", loops), func(t *testing.T) {
			cfg := quiet()
			change(&cfg)
			cfg.EventLoops = -1 // of the stage: pipes
			if loops > 0 {
				cfg.EventLoops = loops
			}
			s := newStage(t, cfg)
			s.client(t, packet.V5, "first").disconnect()
			base := heap()
			f(t, s, func(limit int64) {
				t.Helper()
				got := heap() - base
				t.Logf("grown by %d KiB", got>>10)
				require.Less(t, got, limit)
			})
		})
	}
}

// mute connects a client that subscribes and never reads again.
func (s *stage) mute(t testing.TB, v packet.Version, id, filter string, qos byte) net.Conn {
	r := s.client(t, v, id)
	require.Equal(t, qos, r.subscribe(filter, qos))
	if tc, ok := r.nc.(*net.TCPConn); ok {
		_ = tc.SetReadBuffer(4096)
	}
	t.Cleanup(r.drop)
	return r.nc
}

// One subscriber reads nothing; those that read get everything, the rest is counted.
func TestHostile_SubscriberThatDoesNotRead(t *testing.T) {
	const payload, count = 1000, 12_000
	bounded(t, func(cfg *broker.Config) {
		cfg.MaxQueuedBytes, cfg.MaxQueuedMessages = 4<<20, 2000
	}, func(t *testing.T, s *stage, grown func(int64)) {
		s.mute(t, packet.V311, "mute 0", "t", 0)
		s.mute(t, packet.V5, "mute 1", "t", 1)
		good := s.client(t, packet.V5, "good")
		require.Equal(t, byte(0), good.subscribe("t", 0))
		pub := s.client(t, packet.V5, "pub")
		p := publish("t", strings.Repeat("x", payload), 0, 0)
		batch := slices.Concat(slices.Repeat([][]byte{encode(packet.V5, p)}, 50)...)
		for range count / 100 {
			pub.send(batch)
			for range 50 { // so that what is lost is not lost for want of speed
				good.want(packet.TypePublish)
			}
		}
		p.QoS, p.PacketID = 1, 1
		one := encode(packet.V5, p)
		for range count / 2 {
			pub.send(one)
			pub.want(packet.TypePuback)
			good.want(packet.TypePublish)
		}
		m := s.srv.Metrics()
		require.Greater(t, m.Dropped["outbox_full"], uint64(count/4))
		require.Greater(t, m.Dropped["queue_full"], uint64(count/4))
		require.Equal(t, uint64(count/2), m.Delivered[1]+m.Dropped["queue_full"], "sent, queued or counted")
		grown(20 << 20)
		good.ping()
	})
}

// Nobody reads, everybody publishes: what cannot be kept is dropped by reason, and
// the publishers go on.
func TestHostile_AllSubscribersSlow(t *testing.T) {
	bounded(t, func(cfg *broker.Config) {
		cfg.MaxOutboxBytes, cfg.MaxQueuedBytes = 64<<10, 128<<10
	}, func(t *testing.T, s *stage, grown func(int64)) {
		for i := range 20 {
			s.mute(t, packet.V5, fmt.Sprint("mute ", i), "flood/#", byte(i%3))
		}
		var wg sync.WaitGroup
		for i := range 4 {
			pub := s.client(t, packet.V311, fmt.Sprint("pub ", i))
			wg.Go(func() {
				p := publish("flood/x", strings.Repeat("x", 2000), byte(i%2), 1)
				for range 1500 {
					pub.send(p)
					if p.QoS > 0 {
						pub.want(packet.TypePuback)
					}
				}
				pub.ping()
			})
		}
		wg.Wait()
		m := s.srv.Metrics()
		require.Equal(t, [3]uint64{3000, 3000, 0}, m.Received)
		require.Positive(t, m.Dropped["outbox_full"])
		require.Positive(t, m.Dropped["queue_full"])
		lost := uint64(0)
		for _, n := range m.Dropped {
			lost += n
		}
		require.Equal(t, uint64(6000*20), lost+m.Delivered[0]+m.Delivered[1]+m.Delivered[2])
		grown(20 << 20)
	})
}

// A client that asks for all retained messages again and again and does not read
// costs what an outbox holds; one that reads gets them all.
func TestHostile_RetainedFlood(t *testing.T) {
	const kept = 8000
	bounded(t, func(*broker.Config) {}, func(t *testing.T, s *stage, grown func(int64)) {
		for i := range kept {
			m := &broker.Message{Topic: fmt.Sprint("kept/", i%100, "/", i), Payload: make([]byte, 100), QoS: 1, Retain: true}
			require.NoError(t, s.srv.Publish(context.Background(), m))
		}
		store := heap()
		for i := range 10 {
			nc := s.mute(t, packet.V5, fmt.Sprint("mute ", i), "none", 0)
			var b []byte
			for _, f := range []string{"#", "+/#", "+/+/+", "kept/#", "+/+/#"} {
				b = append(b, encode(packet.V5, subscription(f, byte(i%2), 7))...)
			}
			b = slices.Concat(slices.Repeat([][]byte{b}, 500)...)
			_ = nc.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // it may stop reading
			_, _ = nc.Write(b)
		}
		grown(40<<20 + 20<<20)
		require.Less(t, heap()-store, int64(20<<20), "ten clients that read nothing")

		reader := s.client(t, packet.V5, "reader")
		reader.send(subscription("kept/#", 1, 7))
		got := map[string]bool{}
		reader.wantSuback()
		for len(got) < kept {
			p := reader.wantPublish()
			require.True(t, p.Retain)
			require.False(t, got[string(p.Topic)], "twice: %s", p.Topic)
			got[string(p.Topic)] = true
			reader.send(acked(packet.TypePuback, p.PacketID))
		}
		reader.ping()
	})
}

// PINGREQs without reading the answers: the server stops reading.
func TestHostile_PingFlood(t *testing.T) {
	bounded(t, func(cfg *broker.Config) { cfg.MaxOutboxBytes = 64 << 10 }, func(t *testing.T, s *stage, grown func(int64)) {
		pings := slices.Concat(slices.Repeat([][]byte{{0xc0, 0}}, 32<<10)...)
		sent := 0
		for i := range 4 {
			nc := s.mute(t, packet.V311, fmt.Sprint("mute ", i), "t", 0)
			_ = nc.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			for range 1000 { // 64 MiB, far more than sockets hold
				n, err := nc.Write(pings)
				if sent += n; err != nil {
					require.ErrorContains(t, err, "timeout")
					break
				}
			}
		}
		require.Less(t, sent, 4*50<<20, "the server went on reading")
		grown(10 << 20)
		s.client(t, packet.V5, "other").ping()
	})
}
