package broker_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// soaking returns many when `make soak` runs the tests, few otherwise.
func soaking(few, many int) int {
	if os.Getenv("THINGHUB_SOAK") != "" {
		return many
	}
	return few
}

// A client that subscribes to 100,000 filters gets what it may have, is refused the
// rest, and leaves nothing.
func TestHostile_ManySubscriptions(t *testing.T) {
	const limit, per = 5000, 1000
	bounded(t, func(cfg *broker.Config) { cfg.MaxSubscriptions = limit }, func(t *testing.T, s *stage, grown func(int64)) {
		for _, v := range []packet.Version{packet.V311, packet.V5} {
			r := s.client(t, v, "greedy")
			refused, asked := byte(broker.QuotaExceeded), 100_000
			if v == packet.V311 {
				refused, asked = 0x80, 2*limit
			}
			for n := 0; n < asked; n += per {
				sub := &packet.Subscribe{PacketID: 1}
				for i := range per {
					sub.Filters = append(sub.Filters, packet.Subscription{Filter: fmt.Appendf(nil, "greedy/%d/+/%d", n+i, n)})
				}
				r.send(sub)
				want := byte(0)
				if n >= limit {
					want = refused
				}
				require.Equal(t, bytes.Repeat([]byte{want}, per), r.wantSuback().Codes)
			}
			require.Equal(t, int64(limit), s.srv.Metrics().Subscriptions)
			grown(10 << 20)
			r.disconnect()
			requireNothingLeft(t, s.srv)
		}
	})
}

// The scratch space for one enormous packet is not kept.
func TestHostile_EnormousSubscribe(t *testing.T) {
	bounded(t, func(cfg *broker.Config) { cfg.MaxSubscriptions = 10 }, func(t *testing.T, s *stage, grown func(int64)) {
		const filters = 100_000
		for range 2 {
			r := s.client(t, packet.V5, "c")
			body := append([]byte{0, 1, 0}, bytes.Repeat([]byte{0, 1, 'a', 0}, filters)...)
			r.write(control(0x82, body...)...)
			require.Len(t, r.wantSuback().Codes, filters)
			r.in = nil
			r.write(control(0xa2, append([]byte{0, 1, 0}, bytes.Repeat([]byte{0, 1, 'a'}, filters)...)...)...)
			require.Len(t, r.wantUnsuback().Codes, filters)
			r.disconnect()
		}
		grown(1 << 20)
	})
}

// Connections that come and go in all ways leave no session, filter, goroutine or
// descriptor.
func TestHostile_Churn(t *testing.T) {
	bounded(t, func(cfg *broker.Config) { cfg.MaxSessionExpiry = time.Nanosecond }, func(t *testing.T, s *stage, grown func(int64)) {
		goroutines, files := ourGoroutines(), openFiles()
		rounds := soaking(300, 10_000)
		for i := range rounds {
			v := []packet.Version{packet.V311, packet.V5}[i%2]
			r := &raw{t: t, nc: s.dial(), v: v}
			switch i % 6 {
			case 0:
				r.hello(fmt.Sprint("churn ", i), persistent)
				r.send(subscription(fmt.Sprint("churn/", i, "/#"), 2, 1), publish(fmt.Sprint("churn/", i, "/x"), "x", 2, 1))
				r.want(packet.TypeSuback)
				r.drop()
			case 1:
				r.hello("the same")
				r.subscribe("$share/group/"+fmt.Sprint(i%4), 1)
				r.disconnect()
			case 2:
				r.hello("the same", will("the/same", "gone"))
				r.subscribe(fmt.Sprint("same/", i), 1)
				r.drop()
			case 3:
				r.write(0x10, 200, 1, 0, 4, 'M', 'Q')
				r.drop()
			case 4:
				r.drop()
			case 5:
				r.write(0xff, 0xff, 0xff, 0xff, 0xff)
				r.wantClosed()
				r.drop()
			}
		}
		requireNothingLeft(t, s.srv)
		requireNoMore(t, goroutines, files)
		grown(int64(6<<20 + rounds<<10)) // the client ends of pipes live as long as their deadlines
	})
}

// Wills are as large as a CONNECT may be, and gone with their clients.
func TestHostile_HugeWills(t *testing.T) {
	const clients = 200
	bounded(t, func(*broker.Config) {}, func(t *testing.T, s *stage, grown func(int64)) {
		refused := &raw{t: t, nc: s.dial(), v: packet.V5}
		_ = refused.nc.SetWriteDeadline(time.Now().Add(patience))
		_, _ = refused.nc.Write(encode(packet.V5, hello(packet.V5, "x", will("w", strings.Repeat("x", 60_000), func(c *packet.Connect) {
			c.Props.SetUser(bytes.Repeat(packet.AppendUserProperty(nil, strings.Repeat("k", 1000), strings.Repeat("v", 1000)), 180))
		}))))
		refused.wantClosed()
		refused.drop()
		var all []net.Conn
		for i := range clients {
			r := &raw{t: t, nc: s.dial(), v: packet.V5}
			require.Zero(t, r.hello(fmt.Sprint("will ", i), will("w", strings.Repeat("x", 65535))).Code)
			all = append(all, r.nc)
		}
		grown(clients*66<<10 + 8<<20)
		for _, nc := range all {
			_ = nc.Close()
		}
		requireNothingLeft(t, s.srv)
		grown(2 << 20)
	})
}

// A client that reads but never acknowledges does not make us keep more than the
// bound of its session, however large the messages are.
func TestHostile_NeverAcknowledges(t *testing.T) {
	const bound = 4 << 20
	bounded(t, func(cfg *broker.Config) { cfg.MaxQueuedBytes = bound }, func(t *testing.T, s *stage, grown func(int64)) {
		sub := &raw{t: t, nc: s.dial(), v: packet.V5}
		require.Zero(t, sub.hello("silent", persistent).Code)
		require.Equal(t, byte(1), sub.subscribe("t", 1))
		pub := s.client(t, packet.V5, "pub")
		const size, count = 256 << 10, 200
		p := publish("t", strings.Repeat("x", size), 1, 1)
		for n := range count {
			pub.send(p)
			pub.want(packet.TypePuback)
			if n < bound/size {
				sub.want(packet.TypePublish)
			}
		}
		sub.in = nil
		m := s.srv.Metrics()
		require.Equal(t, uint64(count), m.Delivered[1]+m.Dropped["queue_full"])
		require.LessOrEqual(t, m.InFlight+m.Queued, int64(bound/size+1))
		p.Payload = nil
		grown(bound + 4<<20)
		sub.drop()
	})
}

// Take-over at any moment, by several at once: one connection remains.
func TestHostile_TakeOverStorm(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		cfg.MaxSessionExpiry = 50 * time.Millisecond
		s := newStage(t, cfg)
		until := time.Now().Add(time.Duration(soaking(500, 20_000)) * time.Millisecond)
		done := make(chan net.Conn)
		const clients = 50
		for i := range clients {
			v := []packet.Version{packet.V311, packet.V5}[i%2]
			go func() {
				var last net.Conn
				defer func() { done <- last }()
				for n := i; time.Now().Before(until) || last == nil; n++ {
					last = s.storm(v, n)
				}
			}()
		}
		pub := s.client(t, packet.V5, "pub")
		for time.Now().Before(until) {
			pub.send(publish("storm", "x", 1, 1))
			pub.want(packet.TypePuback)
		}
		var open []net.Conn
		for range clients {
			if nc := <-done; nc != nil {
				open = append(open, nc)
			}
		}
		// Some of the clients hung up by themselves, maybe the last winner.
		open = append(open, s.client(t, packet.V5, "the one").nc)
		eventually(t, func() bool { return s.srv.Metrics().Connections == 2 }, "one connection besides the publisher's")
		require.Len(t, s.srv.Clients(), 2)
		require.Equal(t, int64(2), s.srv.Metrics().Sessions)
		for _, nc := range open {
			_ = nc.Close()
		}
		pub.drop()
		requireNothingLeft(t, s.srv)
	})
}

// storm connects with the one id and returns the connection as it is then, or nil.
func (s *stage) storm(v packet.Version, n int) net.Conn {
	nc := s.dial()
	mod := keepAlive(0)
	if n%3 == 0 {
		mod = mods(keepAlive(0), persistent)
	}
	b := encode(v, hello(v, "the one", mod))
	b = append(b, encode(v, subscription("storm", byte(n%3), 1))...)
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := nc.Write(b); err != nil {
		_ = nc.Close()
		return nil
	}
	buf := make([]byte, 4)
	if _, err := nc.Read(buf); err != nil || buf[0] != 0x20 {
		_ = nc.Close()
		return nil
	}
	go func() { // ends with the connection
		buf := make([]byte, 4096)
		for {
			if _, err := nc.Read(buf); err != nil {
				_ = nc.Close()
				return
			}
		}
	}()
	_ = nc.SetDeadline(time.Time{})
	if n%4 == 0 {
		_ = nc.Close()
	}
	return nc
}
