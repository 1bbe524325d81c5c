package broker_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// diary is a hook that writes down what happened to each client.
type diary struct {
	mu      sync.Mutex
	lines   map[string][]string
	serials map[string][]uint64 // of what happened
	enter   func(what string, c *broker.ClientInfo)
}

func (d *diary) write(c *broker.ClientInfo, what string, a ...any) {
	if d.enter != nil {
		d.enter(what, c)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lines == nil {
		d.lines, d.serials = map[string][]string{}, map[string][]uint64{}
	}
	d.lines[c.ClientID] = append(d.lines[c.ClientID], strings.TrimSpace(fmt.Sprintln(append([]any{what}, a...)...)))
	d.serials[c.ClientID] = append(d.serials[c.ClientID], c.Serial)
}

func (d *diary) Connected(c *broker.ClientInfo) { d.write(c, "connected") }
func (d *diary) Disconnected(c *broker.ClientInfo, cause error) {
	d.write(c, "disconnected", broker.EndingOf(cause).String())
}

func (d *diary) Subscribed(c *broker.ClientInfo, granted []broker.Grant) {
	d.write(c, "subscribed", granted)
}

func (d *diary) Unsubscribed(c *broker.ClientInfo, filters []string) {
	d.write(c, "unsubscribed", filters)
}

func (d *diary) of(id string) ([]string, []uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.lines[id]...), append([]uint64(nil), d.serials[id]...)
}

// wants waits for exactly these lines.
func (d *diary) wants(t *testing.T, id string, want ...string) []uint64 {
	t.Helper()
	eventually(t, func() bool { l, _ := d.of(id); return len(l) >= len(want) }, fmt.Sprint(want))
	got, serials := d.of(id)
	require.Equal(t, want, got)
	return serials
}

// requireAlternating requires that every Connected is followed by the Disconnected of
// the same connection.
func requireAlternating(t *testing.T, lines []string, serials []uint64) {
	t.Helper()
	last := uint64(0)
	for i, l := range lines {
		if i%2 == 0 {
			require.Equal(t, "connected", l, "line %d", i)
			require.Greater(t, serials[i], last, "line %d", i)
			last = serials[i]
		} else {
			require.True(t, strings.HasPrefix(l, "disconnected"), "line %d: %s", i, l)
			require.Equal(t, last, serials[i], "line %d", i)
		}
	}
}

// A connection that is taken over while its Connected is still being told is reported
// as ended behind it, and the new one behind that. Nobody waits: neither the new
// connection, nor other clients.
func TestHooks_TakeOverWhileTelling(t *testing.T) {
	t.Parallel()
	entered, gate := make(chan struct{}, 1), make(chan struct{})
	var once sync.Once
	d := &diary{enter: func(what string, c *broker.ClientInfo) {
		if c.ClientID == "c" {
			once.Do(func() {
				entered <- struct{}{}
				<-gate
			})
		}
	}}
	cfg := quiet()
	cfg.EventLoops = -1
	cfg.Hooks = []broker.Hook{d}
	_, addr := start(t, cfg)
	first := dial(t, addr, packet.V5)
	first.send(hello(packet.V5, "c"))
	<-entered
	second := connect(t, addr, packet.V5, "c")
	second.subscribe("t", 1)
	second.unsubscribe("t")
	connect(t, addr, packet.V5, "other").disconnect()
	d.wants(t, "other", "connected", "disconnected client")
	second.disconnect()
	third := connect(t, addr, packet.V5, "c")
	close(gate)
	serials := d.wants(t, "c", "connected", "disconnected take-over", "connected", "subscribed [{t 1}]", "unsubscribed [t]", "disconnected client", "connected")
	require.Equal(t, []uint64{serials[0], serials[0]}, serials[:2])
	require.Equal(t, []uint64{serials[2], serials[2], serials[2], serials[2]}, serials[2:6])
	require.True(t, serials[0] < serials[2] && serials[2] < serials[6])
	third.ping()
}

// Connections of one client id that come, go and take over on several loops.
func TestHooks_OrderOfOneClient(t *testing.T) {
	t.Parallel()
	for name, loops := range map[string]int{"loops": 4, "goroutines": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &diary{enter: func(_ string, c *broker.ClientInfo) {
				if c.Serial%7 == 0 {
					time.Sleep(time.Millisecond)
				}
			}}
			cfg := quiet()
			cfg.EventLoops = loops
			cfg.Hooks = []broker.Hook{d}
			srv, addr := start(t, cfg)
			const each = 50
			var wg sync.WaitGroup
			for g := range 6 {
				wg.Go(func() {
					for i := range each {
						r := dial(t, addr, packet.V5)
						r.send(hello(packet.V5, fmt.Sprint("c", i%2), keep))
						switch (g + i) % 3 {
						case 0:
							r.drop()
						case 1:
							_, _ = r.nc.Write([]byte{0xe0, 0})
							_, _ = r.next(patience)
						default:
							_, _ = r.next(patience)
						}
						r.drop()
					}
				})
			}
			wg.Wait()
			eventually(t, func() bool {
				l0, _ := d.of("c0")
				l1, _ := d.of("c1")
				return srv.Metrics().Connections == 0 && uint64(len(l0)+len(l1)) == 2*srv.Metrics().ConnectsAccepted
			}, "the end of all connections")
			require.Positive(t, srv.Metrics().TakeOvers)
			for _, id := range []string{"c0", "c1"} {
				lines, serials := d.of(id)
				requireAlternating(t, lines, serials)
			}
		})
	}
}

// A client that is far ahead of its hooks is refused, others are not, and in the end
// everything was told.
func TestHooks_FarAhead(t *testing.T) {
	t.Parallel()
	entered, gate := make(chan struct{}, 1), make(chan struct{})
	var once sync.Once
	d := &diary{enter: func(_ string, c *broker.ClientInfo) {
		if c.ClientID == "c" {
			once.Do(func() {
				entered <- struct{}{}
				<-gate
			})
		}
	}}
	cfg := quiet()
	cfg.EventLoops = -1
	cfg.Hooks = []broker.Hook{d}
	srv, addr := start(t, cfg)
	r := dial(t, addr, packet.V5)
	r.send(hello(packet.V5, "c", keep))
	<-entered
	second := connect(t, addr, packet.V5, "c", keep)
	code, n := byte(0), 0
	for code == 0 && n < 5000 {
		n++
		second.send(subscription("t", 1, 1))
		f, err := second.next(patience)
		require.NoError(t, err)
		if f.Type == packet.TypeDisconnect {
			code = f.body[0]
		}
	}
	require.Equal(t, broker.QuotaExceeded, broker.ReasonCode(code))
	_, ack := tryConnect(t, addr, packet.V5, "c")
	require.Equal(t, byte(broker.ServerBusy), ack.Code)
	connect(t, addr, packet.V5, "other").disconnect()
	close(gate)
	eventually(t, func() bool { l, _ := d.of("c"); return len(l) == 2*2+n-1 }, "everything told")
	lines, _ := d.of("c")
	require.Equal(t, "disconnected quota", lines[len(lines)-1])
	connect(t, addr, packet.V5, "c").disconnect()
	eventually(t, func() bool { l, _ := d.of("c"); return len(l) == 2*3+n-1 }, "the last connection")
	eventually(t, func() bool { return srv.Untold() == 0 }, "no entry without anything to tell")
}

// One call for each packet, with what was granted, renewed or ended.
func TestHooks_SubscribedPerPacket(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		both(t, func(t *testing.T, v packet.Version) {
			d, cfg := &diary{}, cfg
			cfg.Hooks = []broker.Hook{d}
			cfg.MaxQoS = broker.UpToQoS1
			cfg.DenySubscribe = []string{"no"}
			s := newStage(t, cfg)
			r := s.client(t, v, "c")
			r.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{filter("b", 2), filter("no", 0), filter("$share/g/a/+", 0), filter("b", 0)}})
			require.Equal(t, []byte{1, r.wantSuback().Codes[1], 0, 0}, []byte{1, 0x80 | 7*byte(v-packet.V311), 0, 0})
			require.NotZero(t, r.subscribe("no", 0))
			require.Equal(t, byte(1), r.subscribe("b", 1))
			r.unsubscribe("x", "b", "$share/g/a/+", "b")
			r.unsubscribe("x")
			r.disconnect()
			serials := d.wants(t, "c", "connected", "subscribed [{b 1} {$share/g/a/+ 0} {b 0}]", "subscribed [{b 1}]", "unsubscribed [b $share/g/a/+]", "disconnected client")
			for _, n := range serials {
				require.Equal(t, serials[0], n)
			}
		})
	})
}

// What ends a packet half way does not undo what it granted before.
func TestHooks_SubscribedBeforeProtocolError(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		d := &diary{}
		cfg.Hooks = []broker.Hook{d}
		s := newStage(t, cfg)
		r := s.client(t, packet.V5, "c", keep)
		r.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{filter("a", 1), filter("$share/g/a", 4)}})
		r.wantDisconnect(broker.ProtocolError)
		d.wants(t, "c", "connected", "subscribed [{a 1}]", "disconnected fault")
	})
}

// Serials number the accepted connections and are the same in snapshots and hooks.
func TestClient(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, cfg broker.Config) {
		d := &diary{}
		cfg.Hooks = []broker.Hook{d}
		s := newStage(t, cfg)
		_, ok := s.srv.Client("c")
		require.False(t, ok)
		r := s.client(t, packet.V5, "c", keep)
		r.subscribe("t", 1)
		other := s.client(t, packet.V5, "other")
		c, ok := s.srv.Client("c")
		require.True(t, ok)
		require.Equal(t, "c", c.ClientID)
		require.Equal(t, uint64(1), c.Serial)
		require.Equal(t, 1, c.Subscriptions)
		o, ok := s.srv.Client("other")
		require.True(t, ok)
		require.Equal(t, uint64(2), o.Serial)
		r.disconnect()
		d.wants(t, "c", "connected", "subscribed [{t 1}]", "disconnected client")
		_, ok = s.srv.Client("c") // there is a session still
		require.False(t, ok)
		require.Equal(t, int64(2), s.srv.Metrics().Sessions)
		r = s.client(t, packet.V5, "c", keep)
		c, ok = s.srv.Client("c")
		require.True(t, ok)
		require.Equal(t, uint64(3), c.Serial)
		require.True(t, c.SessionPresent)
		_, serials := d.of("c")
		require.Equal(t, []uint64{1, 1, 1, 3}, serials)
		r.ping()
		other.ping()
	})
}
