package rules_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// benchPayload is about 300 bytes.
const benchPayload = `{"temperature":31.5,"humidity":40,"device":{"id":"pump-17","kind":"a","fw":"1.2.3"},"position":{"lat":47.6062,"lon":-122.3321},` +
	`"tags":["north","roof","critical"],"battery":3.71,"rssi":-67,"seq":123456,"status":"ok","note":"this text makes the message as long as messages are"}`

const benchSQL = "SELECT temperature AS t, device.id AS id, topic(2) AS dev FROM 'sensors/+/telemetry' WHERE temperature > %d AND device.kind = 'a'"

// benched is a service that runs as long as b.
func benched(b testing.TB, delivery rules.Delivery) *rules.Service {
	b.Helper()
	s, err := rules.New(rules.Config{Delivery: delivery})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return s
}

func benchMessage() *actions.Message {
	return &actions.Message{Topic: "sensors/dev-1/telemetry", Payload: []byte(benchPayload), ClientID: "dev-1", Protocol: actions.ProtocolMQTT, Time: time.Now()}
}

func BenchmarkSubmit(b *testing.B) {
	nothing := []actions.Action{actions.Func(func(context.Context, actions.Event) error { return nil })}
	for _, bb := range []struct {
		name  string
		rules int
		above int
	}{{"no rule", 0, 0}, {"1 rule, no match", 1, 80}, {"1 rule, match, func", 1, 30}, {"100 rules, no match", 100, 80}} {
		b.Run(bb.name, func(b *testing.B) {
			s := benched(b, rules.Delivery{Queue: 1 << 20, QueueBytes: 1 << 35})
			for i := range bb.rules {
				require.NoError(b, s.Put(b.Context(), rules.Rule{Name: fmt.Sprint("r", i), SQL: fmt.Sprintf(benchSQL, bb.above+i), Actions: nothing}))
			}
			m := benchMessage()
			b.ReportAllocs()
			for b.Loop() {
				_ = s.Submit(b.Context(), m)
			}
			if bb.above == 30 && bb.rules > 0 {
				// What the workers do is a part of it.
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				require.NoError(b, s.Shutdown(ctx))
				require.Zero(b, s.Metrics().Rules["r0"].Dropped)
			}
		})
	}
	b.Run("1 expr, no match", func(b *testing.B) {
		s := benched(b, rules.Delivery{})
		require.NoError(b, s.Put(b.Context(), rules.Rule{Name: "r", Actions: nothing, Expr: &rules.Expr{
			Filter: "sensors/+/telemetry", Where: "payload.temperature > 80 && payload.device.kind == 'a'", Select: "{t: payload.temperature, id: payload.device.id, dev: segments[1]}",
		}}))
		m := benchMessage()
		b.ReportAllocs()
		for b.Loop() {
			_ = s.Submit(b.Context(), m)
		}
	})
}

// BenchmarkOffer is what a hub pays for small messages of many publishers, one after the
// other, with the work of the workers.
func BenchmarkOffer(b *testing.B) {
	for name, sql := range map[string]string{"all": "SELECT * FROM '#'", "fields": "SELECT topic(2) AS t, clientid() AS c FROM '#'"} {
		b.Run(name, func(b *testing.B) {
			s := benched(b, rules.Delivery{Queue: 100_000, QueueBytes: 1 << 30})
			nothing := actions.Func(func(context.Context, actions.Event) error { return nil })
			require.NoError(b, s.Put(b.Context(), rules.Rule{Name: "r", SQL: sql, Actions: []actions.Action{nothing}}))
			var topics, clients [100]string
			for i := range topics {
				topics[i], clients[i] = fmt.Sprintf("pairs/%d/t", i), fmt.Sprintf("pub-%d", i)
			}
			payload, ip, now := make([]byte, 64), netip.MustParseAddr("127.0.0.1"), time.Now()
			i := 0
			fill := func(m *actions.Message) {
				m.Topic, m.Payload, m.Time, m.ClientID, m.SourceIP, m.Protocol = topics[i], payload, now, clients[i], ip, actions.ProtocolMQTT
			}
			b.ReportAllocs()
			for b.Loop() {
				i = (i + 1) % len(topics)
				_ = s.Offer(b.Context(), topics[i], fill)
			}
			require.NoError(b, s.Shutdown(b.Context()))
			require.Zero(b, s.Metrics().Rules["r"].Dropped)
		})
	}
}
