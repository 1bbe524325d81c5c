package broker

import (
	"context"
	"fmt"
	"testing"

	"github.com/thinghub/thinghub/internal/packet"
)

// The benchmarks run the protocol machine without network: what they show is the
// work between one read and the writes. ns/op is per PUBLISH that comes in, ns/msg
// per message that goes out.

// perMessage reports what one delivered message costs.
func perMessage(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(max(1, n)), "ns/msg")
}

// fanout publishes to n subscribers in batches of 32, as they come from a socket.
func fanout(b *testing.B, n int, qos byte, v packet.Version, filter string) {
	r := newRig(b, Config{})
	subs := r.subscribers(n, v, filter, qos)
	pub := r.connect(v, "pub")
	const burst = 32
	frame := publishFrame(v, "plant/7/temperature", 64, qos, false)
	if qos == 2 {
		frame = append(frame, byte(packet.TypePubrel)<<4|2, 2, 0, 1)
	}
	var turn []byte
	for range burst {
		turn = append(turn, frame...)
	}
	var scratch []byte
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += burst {
		r.feed(pub, turn)
		if qos > 0 {
			for _, d := range subs {
				scratch = r.acknowledge(d, scratch)
			}
		}
	}
	perMessage(b, n)
}

func BenchmarkPublishFanout(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		for qos := range byte(3) {
			b.Run(fmt.Sprintf("%d/QoS%d", n, qos), func(b *testing.B) { fanout(b, n, qos, packet.V311, "plant/+/temperature") })
		}
	}
}

func BenchmarkPublishFanout5(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { fanout(b, n, 0, packet.V5, "plant/+/temperature") })
	}
}

// BenchmarkPublishUnmatched is a message that nobody wants.
func BenchmarkPublishUnmatched(b *testing.B) { fanout(b, 0, 0, packet.V311, "plant") }

func BenchmarkPublishShared(b *testing.B) {
	for _, n := range []int{1, 20, 1000} {
		for qos := range byte(2) {
			b.Run(fmt.Sprintf("%d/QoS%d", n, qos), func(b *testing.B) {
				r := newRig(b, Config{})
				var subs []*nowhere
				for i := range n {
					d := r.connect(packet.V311, fmt.Sprint("member ", i))
					r.subscribe(d, "$share/group/plant/#", qos)
					subs = append(subs, d)
				}
				pub := r.connect(packet.V311, "pub")
				frame := publishFrame(packet.V311, "plant/7/temperature", 64, qos, false)
				var scratch []byte
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					r.feed(pub, frame)
					if qos > 0 && i%n == n-1 {
						for _, d := range subs {
							scratch = r.acknowledge(d, scratch)
						}
					}
				}
			})
		}
	}
}

// BenchmarkPublishQueued is QoS 1 to a session that is not connected.
func BenchmarkPublishQueued(b *testing.B) {
	r := newRig(b, Config{Overflow: DropOldest})
	d := r.connect(packet.V311, "away", func(c *packet.Connect) { c.CleanStart = false })
	r.subscribe(d, "plant/#", 1)
	d.c.gone(nil)
	pub := r.connect(packet.V311, "pub")
	frame := publishFrame(packet.V311, "plant/7/temperature", 64, 1, false)
	b.ReportAllocs()
	for b.Loop() {
		r.feed(pub, frame)
	}
}

func BenchmarkRetainedStore(b *testing.B) {
	r := newRig(b, Config{})
	pub := r.connect(packet.V311, "pub")
	frames := make([][]byte, 100_000)
	for i := range frames {
		frames[i] = publishFrame(packet.V311, fmt.Sprint("plant/", i%100, "/", i), 64, 0, true)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		r.feed(pub, frames[i%len(frames)])
	}
}

// BenchmarkRetainedReplay is a SUBSCRIBE and the retained messages it asks for.
func BenchmarkRetainedReplay(b *testing.B) {
	for _, c := range []struct {
		filter string
		n      int
	}{{"plant/1/1", 1}, {"plant/1/+", 100}, {"#", 10_000}} {
		b.Run(fmt.Sprint(c.n), func(b *testing.B) {
			r := newRig(b, Config{})
			for i := range 10_000 {
				r.host(b, fmt.Sprint("plant/", i%100, "/", i), 64, true)
			}
			d := r.connect(packet.V311, "sub")
			s := packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte(c.filter)}}}
			frame := s.Append(nil, packet.V311)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				r.feed(d, frame)
				for d.c.full { // others had their turn
					d.c.writable()
				}
			}
			perMessage(b, c.n)
			if got := r.srv.count.delivered[0].Load(); got != uint64(b.N*c.n) {
				b.Fatalf("%d messages, want %d", got, b.N*c.n)
			}
		})
	}
}

// BenchmarkConnect is a client that comes, subscribes and goes.
func BenchmarkConnect(b *testing.B) {
	r := newRig(b, Config{})
	sub := packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte("plant/+")}}}
	frame := (&packet.Connect{CleanStart: true, ClientID: []byte("client")}).Append(nil, packet.V311)
	frame = append(sub.Append(frame, packet.V311), 0xe0, 0)
	b.ReportAllocs()
	for b.Loop() {
		d := &nowhere{}
		d.c = r.srv.newConn(d)
		r.feed(d, frame)
		d.c.gone(nil)
	}
	if n := len(r.srv.Clients()); n > 0 {
		b.Fatalf("%d clients are left", n)
	}
}

// BenchmarkHostPublish is a message of the embedding program.
func BenchmarkHostPublish(b *testing.B) {
	r := newRig(b, Config{})
	r.subscribers(1, packet.V311, "plant/+/temperature", 0)
	m := &Message{Topic: "plant/7/temperature", Payload: make([]byte, 64)}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.srv.Publish(context.Background(), m); err != nil {
			b.Fatal(err)
		}
	}
}
