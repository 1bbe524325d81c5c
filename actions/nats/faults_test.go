package nats_test

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/nats"
	"github.com/thinghub/thinghub/actions/sinktest"
)

// rig publishes to a stream of a server of its own.
func rig(tb testing.TB, atomic bool) sinktest.Rig {
	s := run(tb, nil)
	_, js := reader(tb, s.ClientURL())
	cfg := jetstream.StreamConfig{Name: "S", Subjects: []string{"dt.>"}, Duplicates: 10 * time.Minute, AllowAtomicPublish: atomic}
	st := stream(tb, js, cfg)
	return sinktest.Rig{
		Addr: address(s),
		Action: func(tb testing.TB, addr string) actions.Action {
			return bind(tb, open(tb, "nats://"+addr, nil), nats.Action{Subject: "dt.${key}", JetStream: true, Stream: "S", Atomic: atomic})
		},
		Read: func(tb testing.TB) (list []sinktest.Record) {
			for _, m := range stored(tb, st) {
				list = append(list, sinktest.Parse(tb, m.Data()))
			}
			return list
		},
		Break: func(tb testing.TB) func() { // it is full
			info, err := st.Info(tb.Context())
			require.NoError(tb, err)
			full := cfg
			full.MaxMsgs, full.Discard = int64(info.State.Msgs), jetstream.DiscardNew
			_, err = js.UpdateStream(tb.Context(), full)
			require.NoError(tb, err)
			return func() {
				_, err := js.UpdateStream(tb.Context(), cfg)
				require.NoError(tb, err)
			}
		},
		Poison: []byte(`{"key":"no subject","n":0}`),
		Once:   true,
	}
}

// coreRig publishes without JetStream, to a subscriber that never sees the proxy.
func coreRig(tb testing.TB) sinktest.Rig {
	options := func(deny ...string) *server.Options {
		return &server.Options{
			Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, MaxPayload: 4096,
			Users: []*server.User{
				{Username: "hub", Password: "hub", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: deny}}},
				{Username: "test", Password: "test"},
			},
		}
	}
	s := run(tb, func(o *server.Options) { *o = *options() })
	conn, _ := reader(tb, s.ClientURL(), natsgo.UserInfo("test", "test"))
	var mu sync.Mutex
	var got []sinktest.Record
	_, err := conn.Subscribe("dt", func(m *natsgo.Msg) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, sinktest.Parse(tb, m.Data))
	})
	require.NoError(tb, err)
	require.NoError(tb, conn.Flush())
	reload := func(deny ...string) {
		o := options(deny...)
		_, port, err := net.SplitHostPort(address(s))
		require.NoError(tb, err)
		o.Port, err = strconv.Atoi(port)
		require.NoError(tb, err)
		require.NoError(tb, s.ReloadOptions(o))
	}
	return sinktest.Rig{
		Addr: address(s),
		Action: func(tb testing.TB, addr string) actions.Action {
			c := open(tb, "nats://"+addr, func(c *nats.Config) { c.Options = append(c.Options, natsgo.UserInfo("hub", "hub")) })
			return bind(tb, c, nats.Action{Subject: "dt"})
		},
		Read: func(testing.TB) []sinktest.Record {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(got)
		},
		Break: func(testing.TB) func() {
			reload("dt")
			return func() { reload() }
		},
		Poison: fmt.Appendf(nil, `{"key":"poison","n":0,"text":%q}`, strings.Repeat("x", 5000)),
	}
}

func TestFaultsCore(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, coreRig)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(tb testing.TB) sinktest.Rig { return rig(tb, false) })
}

func TestFaultsAtomic(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(tb testing.TB) sinktest.Rig { return rig(tb, true) })
}

func BenchmarkThroughput(b *testing.B) {
	b.Run("core", func(b *testing.B) { sinktest.Bench(b, coreRig) })
	b.Run("jetstream", func(b *testing.B) { sinktest.Bench(b, func(tb testing.TB) sinktest.Rig { return rig(tb, false) }) })
	b.Run("jetstream-atomic", func(b *testing.B) { sinktest.Bench(b, func(tb testing.TB) sinktest.Rig { return rig(tb, true) }) })
}
