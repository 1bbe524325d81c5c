package rules_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// A run is a service that is stopped before its test ends.
type run struct {
	*rig
	end func()
}

// begin runs a service in a bubble.
func begin(t *testing.T, cfg rules.Config) *run {
	t.Helper()
	r := &run{rig: idle(t, cfg)}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = r.Run(ctx) })
	r.end = func() {
		cancel()
		done.Wait()
	}
	t.Cleanup(r.end)
	return r
}

// stop shuts a service down within a second, and returns what that said.
func (r *run) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := r.Shutdown(ctx)
	r.end()
	return err
}

// kept is how many records a backlog has.
func kept(t *testing.T, s rules.Store) (n int) {
	t.Helper()
	for _, err := range s.All(t.Context(), rules.BacklogRecord) {
		require.NoError(t, err)
		n++
	}
	return n
}

// decoders make the actions of rules that are kept in a store.
func decoders(made map[string]actions.Action) map[string]actions.Decoder {
	d := map[string]actions.Decoder{}
	for kind, a := range made {
		d[kind] = func([]byte) (actions.Action, error) { return storable{a, kind}, nil }
	}
	return d
}

// A storable is an action with a form in JSON, and a text.
type storable struct {
	actions.Action
	kind string
}

func (s storable) Kind() string                  { return s.kind }
func (s storable) Resource(actions.Event) string { return "of " + s.kind }
func (s storable) MarshalJSON() ([]byte, error)  { return []byte("{}"), nil }
func (s storable) Params() []actions.Param {
	return []actions.Param{{Name: "p", Text: "${topic()}-${n}", Optional: true}, {Name: "fixed", Text: "f"}}
}

func (s storable) Sink() *actions.Sink {
	if x, ok := s.Action.(actions.Sinked); ok {
		return x.Sink()
	}
	return nil
}

// A batchingStorable takes batches too.
type batchingStorable struct {
	storable
	*batching
}

func (s batchingStorable) Kind() string                  { return s.storable.Kind() }
func (s batchingStorable) Resource(actions.Event) string { return "" }
func (s batchingStorable) Sink() *actions.Sink           { return s.batching.Sink() }
func (s batchingStorable) Do(ctx context.Context, ev actions.Event) error {
	return s.batching.Do(ctx, ev)
}

func TestBacklog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := rules.NewMemory()
		open := func(down bool) (*run, *farDatabase, *batching, *actions.Recorder, *actions.Recorder) {
			one, many := newFarDatabase(), &batching{farDatabase: newFarDatabase(), batch: actions.Batch{Events: 7, AcrossTopics: true}}
			one.down.Store(down)
			many.down.Store(down)
			beside, failed := actions.NewRecorder(), actions.NewRecorder()
			kinds := decoders(map[string]actions.Action{"one": one, "beside": beside, "failed": failed})
			kinds["many"] = func([]byte) (actions.Action, error) {
				return batchingStorable{storable{nil, "many"}, many}, nil
			}
			return begin(t, rules.Config{Store: store, Backlog: store, Kinds: kinds}), one, many, beside, failed
		}
		r, _, _, beside, _ := open(true)
		rule, err := r.DecodeRule("r", []byte(`{"sql":"SELECT *, topic() AS t FROM 'a/+'","awsIotSqlVersion":"2016-03-23","actions":[{"one":{}},{"beside":{}},{"many":{}}],"errorAction":{"failed":{}}}`))
		require.NoError(t, err)
		r.put(rule)
		sent := actions.Message{
			ClientID: "pump", Principal: "cert", SourceIP: netip.MustParseAddr("10.0.0.1"), QoS: 1, Protocol: actions.ProtocolMQTT, Hops: 2,
			PayloadFormat: actions.FormatUTF8, ContentType: "application/json", ResponseTopic: "answers", CorrelationData: []byte{0, 255},
			UserProperties: func(yield func(string, string) bool) { _ = yield("k", "1") && yield("k", "2") },
		}
		var trace []string
		for i := range 40 {
			m := sent
			m.Topic, m.Payload = fmt.Sprintf("a/%d", i%4), fmt.Appendf(nil, `{"n":%d}`, i)
			m.TraceID = actions.NamedTraceID(fmt.Sprint("trace-", i))
			trace = append(trace, fmt.Sprint("trace-", i))
			if i%2 == 1 {
				m.UserProperties = nil // packed
			}
			r.submit(m)
		}
		settle(10 * time.Second)
		require.Len(t, beside.Events(), 40)
		require.NoError(t, r.stop(), "nothing is lost")
		require.NotZero(t, kept(t, store))
		require.Len(t, r.log.with("kept for the next start messages=40"), 1)
		require.Zero(t, r.metrics("r").Dropped.Closed)
		require.ErrorIs(t, r.Submit(t.Context(), &actions.Message{Topic: "a/1"}), rules.ErrClosed)

		// Again, while the sink is still down.
		r, _, _, beside, _ = open(true)
		require.Equal(t, 40, r.metrics("r").Queued)
		r.submit(actions.Message{Topic: "a/0", Payload: []byte(`{"n":40}`), TraceID: actions.NamedTraceID("trace-40")})
		settle(10 * time.Second)
		require.NoError(t, r.stop())
		require.Len(t, beside.Events(), 1, "what is done does not come again")

		r, one, many, beside, failed := open(false)
		r.submit(actions.Message{Topic: "a/0", Payload: []byte(`{"n":44}`), TraceID: actions.NamedTraceID("trace-44")})
		settle(time.Minute)
		trace = append(trace, "trace-40", "trace-44")
		for name, rec := range map[string]*actions.Recorder{"one": one.Recorder, "many": many.Recorder} {
			var ids []string
			last := map[string]int{}
			for _, ev := range rec.Events() {
				m := ev.Message
				ids = append(ids, m.TraceID.String())
				n := 0
				_, err := fmt.Sscanf(string(ev.Payload), `{"n":%d,`, &n)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf(`{"n":%d,"t":"a/%d"}`, n, n%4), string(ev.Payload))
				require.Equal(t, fmt.Sprintf(`{"n":%d}`, n), string(m.Payload))
				require.Equal(t, []string{fmt.Sprintf("a/%d-%d", n%4, n), "f"}, ev.Params)
				require.GreaterOrEqual(t, n, last[m.Topic], "%s: order of %s", name, m.Topic)
				last[m.Topic] = n
				if n == 6 {
					require.Equal(t, sent.ClientID, m.ClientID)
					require.Equal(t, sent.Principal, m.Principal)
					require.Equal(t, sent.SourceIP, m.SourceIP)
					require.EqualValues(t, 1, m.QoS)
					require.Equal(t, sent.Protocol, m.Protocol)
					require.EqualValues(t, 2, m.Hops)
					require.Equal(t, sent.PayloadFormat, m.PayloadFormat)
					require.Equal(t, sent.ContentType, m.ContentType)
					require.Equal(t, sent.ResponseTopic, m.ResponseTopic)
					require.Equal(t, sent.CorrelationData, m.CorrelationData)
					require.False(t, m.Time.IsZero())
					var properties []string
					for k, v := range m.UserProperties {
						properties = append(properties, k+"="+v)
					}
					require.Equal(t, []string{"k=1", "k=2"}, properties)
				}
			}
			require.ElementsMatch(t, trace, ids, name)
		}
		require.Len(t, beside.Events(), 1)
		require.Empty(t, failed.Events())
		require.Zero(t, kept(t, store), "all of it is done, and so it is removed")
		require.Zero(t, r.metrics("r").Queued)
		require.NoError(t, r.stop())
		require.Zero(t, kept(t, store))
	})
}

// TestBacklog_OfWhatWasNotEvaluated stops a service whose statement calls out.
func TestBacklog_OfWhatWasNotEvaluated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := rules.NewMemory()
		hold := make(chan struct{})
		open := func(rec *actions.Recorder, wait bool) *run {
			cfg := rules.Config{Backlog: store, MaxInline: 10}
			if wait {
				rec.Respond = func(ctx context.Context, _ actions.Event) error {
					select {
					case <-hold:
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			}
			return begin(t, cfg)
		}
		text := strings.Repeat("x", 20) // a worker evaluates it
		rule := func(rec *actions.Recorder) rules.Rule {
			return rules.Rule{Name: "r", SQL: "SELECT n FROM 'a'", Actions: []actions.Action{rec}, Delivery: rules.Delivery{Retry: actions.Retry{Timeout: time.Hour}}}
		}
		// Nobody runs, so all wait to be evaluated; those that are small keep their place.
		first := &run{rig: idle(t, rules.Config{Backlog: store, MaxInline: 10}), end: func() {}}
		first.put(rule(actions.NewRecorder()))
		var want []string
		for i := range 20 {
			payload := fmt.Sprintf(`{"n":%d}`, i)
			if i%3 == 0 {
				payload = fmt.Sprintf(`{"n":%d,"s":%q}`, i, text)
			}
			first.send("a", payload)
			want = append(want, fmt.Sprintf(`{"n":%d}`, i))
		}
		require.NoError(t, first.stop())

		rec := actions.NewRecorder()
		second := open(rec, true)
		settle(time.Minute)
		require.Empty(t, rec.Events(), "the host has not put the rule yet")
		second.put(rule(rec))
		second.send("a", `{"n":20}`)
		settle(time.Minute)
		require.Len(t, rec.Events(), 1, "it waits")
		require.NoError(t, second.stop())

		rec = actions.NewRecorder()
		third := open(rec, false)
		third.put(rule(rec))
		settle(time.Minute)
		require.Equal(t, append(want, `{"n":20}`), payloads(rec))
		require.Zero(t, kept(t, store))
		require.NoError(t, third.stop())
	})
}

// TestBacklog_OfReports stops a service whose error action has not taken what failed, and
// one whose batch failed in part.
func TestBacklog_OfReports(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := rules.NewMemory()
		reports, batch := newFarDatabase(), &batching{farDatabase: newFarDatabase(), batch: actions.Batch{Events: 10}}
		reports.down.Store(true)
		slow := newGate()
		rule := rules.Rule{
			Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{batch, slow}, ErrorAction: reports,
			Delivery: rules.Delivery{Retry: actions.Retry{Timeout: time.Hour}},
		}
		single := rules.Rule{Name: "single", SQL: "SELECT * FROM 'b'", Actions: []actions.Action{refuse(actions.Permanent(errors.New("no")))}, ErrorAction: reports}
		r := begin(t, rules.Config{Backlog: store})
		r.put(rule)
		r.put(single)
		for _, payload := range []string{`"poison 1"`, `"fine"`, `"poison 2"`} {
			r.send("a", payload)
		}
		r.send("b", "1")
		settle(time.Second)
		require.Len(t, batch.Events(), 1)
		require.NoError(t, r.stop())

		reports.down.Store(false)
		close(slow.open)
		r = begin(t, rules.Config{Backlog: store})
		r.put(rule)
		r.put(single)
		settle(time.Minute)
		require.Len(t, batch.Events(), 1, "what was taken does not come again")
		var of []string
		for _, ev := range reports.Events() {
			of = append(of, ev.Rule+" "+string(ev.Message.Payload))
			if ev.Rule == "r" {
				require.Contains(t, string(ev.Payload), "that is no row")
			}
		}
		require.ElementsMatch(t, []string{`r "poison 1"`, `r "poison 2"`, "single 1"}, of)
		require.Zero(t, kept(t, store))
		require.NoError(t, r.stop())
	})
}

// TestBacklog_RuleHasChanged has actions that are no longer there.
func TestBacklog_RuleHasChanged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := rules.NewMemory()
		d := newFarDatabase()
		d.down.Store(true)
		r := begin(t, rules.Config{Backlog: store})
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{d}})
		r.put(rules.Rule{Name: "gone", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{d}})
		r.put(rules.Rule{Name: "waits", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{d}})
		r.send("a", "1")
		settle(time.Second)
		require.NoError(t, r.stop())

		r = begin(t, rules.Config{Backlog: store})
		failed := actions.NewRecorder()
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{actions.NewRecorder()}, ErrorAction: failed})
		r.put(rules.Rule{Name: "gone", SQL: "SELECT * FROM 'b'", Actions: []actions.Action{d}, Disabled: true})
		settle(time.Second)
		require.Len(t, failed.Events(), 1)
		require.Contains(t, string(failed.Events()[0].Payload), "the rule had the action database when the message was accepted, and has it no more")
		require.NoError(t, r.Delete(t.Context(), "gone"))
		require.ErrorContains(t, r.stop(), "1 messages were not worked", "those of a rule that was deleted have no place")
		require.NotZero(t, kept(t, store))

		d.down.Store(false)
		r = begin(t, rules.Config{Backlog: store})
		r.put(rules.Rule{Name: "waits", SQL: "SELECT * FROM 'b'", Actions: []actions.Action{d}})
		settle(time.Minute)
		require.Equal(t, []string{"1"}, payloads(d.Recorder))
		require.NoError(t, r.stop())
		require.Zero(t, kept(t, store))
	})
}

// A fullStore does not write.
type fullStore struct{ rules.Store }

var errDisk = errors.New("the disk is full")

func (s fullStore) Save(context.Context, rules.RecordKind, rules.Record) error { return errDisk }

// A illegibleStore has a record that nobody can read.
type illegibleStore struct{ rules.Store }

func (s illegibleStore) All(context.Context, rules.RecordKind) iter.Seq2[rules.Record, error] {
	return func(yield func(rules.Record, error) bool) {
		yield(rules.Record{Name: "000000000001", Revision: 1, Document: []byte("[{")}, nil)
	}
}

func TestBacklog_Trouble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newFarDatabase()
		d.down.Store(true)
		stop := func(backlog rules.Store, a actions.Action) error {
			r := begin(t, rules.Config{Backlog: backlog})
			r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{a}, Delivery: rules.Delivery{Retry: actions.Retry{Timeout: time.Hour}}})
			r.send("a", "1")
			settle(time.Second)
			err := r.stop()
			require.EqualValues(t, 1, r.metrics("r").Dropped.Closed)
			return err
		}
		err := stop(fullStore{rules.NewMemory()}, d)
		require.EqualError(t, err, "rules: 1 messages were not worked: keep the backlog: the disk is full")
		require.ErrorIs(t, err, errDisk)
		require.ErrorIs(t, stop(nil, d), context.DeadlineExceeded)

		hold := make(chan struct{})
		deaf := actions.Func(func(context.Context, actions.Event) error { <-hold; return nil })
		time.AfterFunc(time.Minute, func() { close(hold) })
		require.EqualError(t, stop(rules.NewMemory(), deaf), "rules: 1 messages were not worked: an action does not return, so nothing can be kept")

		_, err = rules.New(rules.Config{Backlog: illegibleStore{rules.NewMemory()}, Logger: slog.New(slog.DiscardHandler)})
		require.ErrorContains(t, err, "rules: the record 000000000001 of the backlog is damaged: ")
	})
}

// TestBacklog_OfLargeMessages has records of a size that a store can take.
func TestBacklog_OfLargeMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := rules.NewMemory()
		r := &run{rig: idle(t, rules.Config{Backlog: store}), end: func() {}}
		rec := actions.NewRecorder()
		rule := rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{rec}, Delivery: rules.Delivery{QueueBytes: 64 << 20}}
		r.put(rule)
		large := fmt.Sprintf("%q", strings.Repeat("x", 300<<10))
		for range 10 {
			r.submit(actions.Message{Topic: "a", Payload: []byte(large), QoS: 1})
		}
		require.NoError(t, r.stop())
		for rec, err := range store.All(t.Context(), rules.BacklogRecord) {
			require.NoError(t, err)
			require.Less(t, len(rec.Document), 3<<20)
		}
		require.Greater(t, kept(t, store), 3)
		second := begin(t, rules.Config{Backlog: store})
		second.put(rule)
		settle(time.Second)
		require.Len(t, rec.Events(), 10)
		require.Equal(t, large, string(rec.Events()[9].Payload))
		require.NoError(t, second.stop())
	})
}

// TestBacklog_Unrun keeps what nobody ever worked, and calls Shutdown twice.
func TestBacklog_Unrun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := rules.NewMemory()
		r := &run{rig: idle(t, rules.Config{Backlog: store}), end: func() {}}
		rec := actions.NewRecorder()
		rule := rules.Rule{Name: "r", SQL: "SELECT * FROM 'a/+'", Actions: []actions.Action{rec}, Delivery: rules.Delivery{Queue: 5000, Lanes: 3}}
		r.put(rule)
		for i := range 1500 {
			r.send(fmt.Sprintf("a/%d", i%50), fmt.Sprint(i))
		}
		rule.Delivery.Lanes = 5 // what waits stays where it is
		r.put(rule)
		for i := range 100 {
			r.send(fmt.Sprintf("a/%d", i%50), fmt.Sprint(1500+i))
		}
		require.NoError(t, r.stop())
		require.NoError(t, r.stop())
		require.Greater(t, kept(t, store), 1)

		second := begin(t, rules.Config{Backlog: store})
		second.put(rule)
		synctest.Wait()
		require.Len(t, rec.Events(), 1600)
		last := map[string]int{}
		for _, ev := range rec.Events() {
			n := 0
			_, err := fmt.Sscan(string(ev.Payload), &n)
			require.NoError(t, err)
			require.GreaterOrEqual(t, n, last[ev.Message.Topic])
			last[ev.Message.Topic] = n
		}
		require.NoError(t, second.stop())
		require.Zero(t, kept(t, store))
	})
}
