package nats_test

import (
	"testing"
	"time"

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

func TestFaults(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(tb testing.TB) sinktest.Rig { return rig(tb, false) })
}

func TestFaultsAtomic(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(tb testing.TB) sinktest.Rig { return rig(tb, true) })
}

func BenchmarkThroughput(b *testing.B) {
	b.Run("jetstream", func(b *testing.B) { sinktest.Bench(b, func(tb testing.TB) sinktest.Rig { return rig(tb, false) }) })
	b.Run("jetstream-atomic", func(b *testing.B) { sinktest.Bench(b, func(tb testing.TB) sinktest.Rig { return rig(tb, true) }) })
}
