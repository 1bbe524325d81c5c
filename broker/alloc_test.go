//go:build !race

package broker

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

// A PUBLISH of QoS 0 allocates nothing on its way from one socket to the others.
func TestAllocs_QoS0(t *testing.T) { // AllocsPerRun forbids t.Parallel
	for _, v := range []packet.Version{packet.V311, packet.V5} {
		for _, filter := range []string{"plant/+/temperature", "plant/7/temperature", "plant/#"} {
			for _, n := range []int{0, 1, 100} {
				t.Run(fmt.Sprint(v, " ", filter, " ", n), func(t *testing.T) {
					r := newRig(t, Config{})
					r.subscribers(n, v, filter, 0)
					pub := r.connect(v, "pub")
					requireAllocs(t, 0, r, pub, publishFrame(v, "plant/7/temperature", 64, 0, false))
					require.Equal(t, r.srv.count.received[0].Load()*uint64(n), r.srv.count.delivered[0].Load())
				})
			}
		}
	}
}

func requireAllocs(t *testing.T, want float64, r *rig, pub *nowhere, frame []byte, after ...func()) {
	t.Helper()
	run := func() {
		r.feed(pub, frame)
		for _, f := range after {
			f()
		}
	}
	for range 200 { // buffers reach their size
		run()
	}
	require.Equal(t, want, testing.AllocsPerRun(200, run))
}

// Other ways of QoS 0: several subscriptions of one client, no subscription
// identifiers; a subscription identifier; aliases; both versions mixed.
func TestAllocs_QoS0Variants(t *testing.T) {
	r := newRig(t, Config{})
	for _, filter := range []string{"a/b", "a/+", "#"} {
		r.subscribe(r.connect(packet.V311, "several"), filter, 0)
	}
	several := r.connect(packet.V5, "several 5")
	for _, filter := range []string{"a/b", "a/+", "#"} {
		r.subscribe(several, filter, 1)
	}
	named := r.connect(packet.V5, "named")
	sub := packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte("a/b")}}}
	sub.Props.AddSubscriptionID(9)
	r.feed(named, sub.Append(nil, packet.V5))
	r.subscribe(r.connect(packet.V5, "aliases", func(c *packet.Connect) { c.Props.SetTopicAliasMaximum(10) }), "a/+", 0)
	r.subscribe(r.connect(packet.V311, "group"), "$share/g/a/b", 0)
	pub := r.connect(packet.V5, "pub")
	requireAllocs(t, 0, r, pub, publishFrame(packet.V5, "a/b", 64, 0, false))
}

// QoS 1 and 2 to sessions that end with their connections need no copy either.
func TestAllocs_QoS1CleanSession(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		for _, n := range []int{1, 100} {
			t.Run(fmt.Sprint("QoS ", qos, " ", n), func(t *testing.T) {
				r := newRig(t, Config{})
				subs := r.subscribers(n, packet.V311, "a/+", qos)
				pub := r.connect(packet.V311, "pub")
				frame := publishFrame(packet.V311, "a/b", 64, qos, false)
				if qos == 2 {
					frame = append(frame, byte(packet.TypePubrel)<<4|2, 2, 0, 1)
				}
				var scratch []byte
				requireAllocs(t, 0, r, pub, frame, func() {
					for _, d := range subs {
						scratch = r.acknowledge(d, scratch)
					}
				})
				require.Zero(t, r.srv.Metrics().InFlight)
			})
		}
	}
}

// A persistent session costs one copy of the message, however many there are.
func TestAllocs_QoS1Persistent(t *testing.T) {
	r := newRig(t, Config{})
	var subs []*nowhere
	for i := range 10 {
		d := r.connect(packet.V311, fmt.Sprint(i), func(c *packet.Connect) { c.CleanStart = false })
		r.subscribe(d, "a/+", 1)
		subs = append(subs, d)
	}
	pub := r.connect(packet.V311, "pub")
	var scratch []byte
	requireAllocs(t, 2, r, pub, publishFrame(packet.V311, "a/b", 64, 1, false), func() {
		for _, d := range subs {
			scratch = r.acknowledge(d, scratch)
		}
	})
}

// What a connection at rest costs is a promise. Whoever makes one of these larger
// says here why.
func TestSizes(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name       string
		got, limit uintptr
	}{
		{"conn", unsafe.Sizeof(conn{}), 272},
		{"session", unsafe.Sizeof(session{}), 344},
		{"subscription", unsafe.Sizeof(subscription{}), 48},
		{"flight", unsafe.Sizeof(flight{}), 48},
		{"Message", unsafe.Sizeof(Message{}), 272},
		{"loopDriver", unsafe.Sizeof(loopDriver{}), 80},
	} {
		t.Logf("%s: %d bytes", s.name, s.got)
		require.LessOrEqual(t, s.got, s.limit, s.name)
	}
}
