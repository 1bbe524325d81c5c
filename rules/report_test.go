package rules_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

// sink is an action with a name, a template and batches of its own.
type sink struct {
	*actions.Recorder
	table  string
	batch  actions.Batch
	refuse func(ev actions.Event) error

	mu      *sync.Mutex
	batches *[][]string
}

func newSink(table string, batch actions.Batch, refuse func(ev actions.Event) error) sink {
	return sink{Recorder: actions.NewRecorder(), table: table, batch: batch, refuse: refuse, mu: &sync.Mutex{}, batches: &[][]string{}}
}

func (s sink) Kind() string                     { return "sink" }
func (s sink) Resource(ev actions.Event) string { return ev.Params[0] }
func (s sink) Batch() actions.Batch             { return s.batch }
func (s sink) Params() []actions.Param          { return []actions.Param{{Name: "table", Text: s.table}} }

func (s sink) Do(ctx context.Context, ev actions.Event) error {
	_ = s.Recorder.Do(ctx, ev)
	if s.refuse != nil {
		return s.refuse(ev)
	}
	return nil
}

// sent returns the batches so far.
func (s sink) sent() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(*s.batches)
}

func (s sink) DoBatch(ctx context.Context, evs []actions.Event) []error {
	var list []string
	errs := make([]error, len(evs))
	for i, ev := range evs {
		list = append(list, string(ev.Payload))
		errs[i] = s.Do(ctx, ev)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.batches = append(*s.batches, list)
	return errs
}

func TestErrorAction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		good, report := actions.NewRecorder(), newSink("errors/${topic(2)}", actions.Batch{}, nil)
		r.put(rules.Rule{
			Name: "TestAction", SQL: "SELECT temp FROM 'dt/+'", ErrorAction: report,
			Actions: []actions.Action{
				newSink("t-${temp}", actions.Batch{}, func(actions.Event) error { return actions.Permanent(errors.New(`no <such> "table"`)) }),
				good,
				newSink("u", actions.Batch{}, func(actions.Event) error { return errors.New("busy") }),
			},
			Delivery: rules.Delivery{Retry: quick},
		})
		r.submit(actions.Message{Topic: "dt/a", Payload: []byte(`{"temp": 81}`), ClientID: "iotconsole-1", TraceID: actions.NamedTraceID("7e146a2c-95b5-6caf-98b9-50e3969734c7"), Protocol: actions.ProtocolMQTT})
		r.submit(actions.Message{Topic: "dt/b", TraceID: actions.NamedTraceID("t")})
		settle(time.Hour)
		require.Len(t, good.Events(), 2)
		require.Len(t, report.Events(), 2, "once for each message")
		want := `{"ruleName":"TestAction","topic":"dt/a","cloudwatchTraceId":"7e146a2c-95b5-6caf-98b9-50e3969734c7","clientId":"iotconsole-1","base64OriginalPayload":"eyJ0ZW1wIjogODF9","failures":[` +
			`{"failedAction":"SinkAction","failedResource":"t-81","errorMessage":"no <such> \"table\""},` +
			`{"failedAction":"SinkAction","failedResource":"u","errorMessage":"busy"}]}`
		byTopic := map[string]actions.Event{}
		for _, ev := range report.Events() {
			byTopic[ev.Message.Topic] = ev
		}
		ev := byTopic["dt/a"]
		require.JSONEq(t, want, string(ev.Payload))
		require.Equal(t, []string{"errors/a"}, ev.Params, "templates see the original message")
		require.Equal(t, actions.ErrorAction, ev.Action)
		require.Equal(t, ev.Message.TraceID.String()+"/TestAction/-1", ev.ID())
		require.Equal(t, `{"temp": 81}`, string(ev.Message.Payload))

		var other map[string]any
		require.NoError(t, json.Unmarshal(byTopic["dt/b"].Payload, &other))
		require.Equal(t, "n/a", other["clientId"])
		require.Equal(t, "", other["base64OriginalPayload"])
		require.EqualValues(t, 2, r.metrics("TestAction").ErrorAction.Success)
		require.Zero(t, r.metrics("TestAction").Queued)
	})
}

func TestAFailingErrorActionIsCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		again, lost := newSink("x", actions.Batch{}, func(ev actions.Event) error {
			if ev.Attempt == 1 {
				return errors.New("once more")
			}
			return nil
		}), newSink("${nothing}", actions.Batch{}, nil)
		no := refuse(actions.Permanent(errors.New("no")))
		r.put(rules.Rule{Name: "again", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{no}, ErrorAction: again, Delivery: rules.Delivery{Retry: quick}})
		r.put(rules.Rule{Name: "lost", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{no}, ErrorAction: lost, Delivery: rules.Delivery{Retry: quick}})
		r.put(rules.Rule{Name: "none", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{no}})
		r.send("a", "{}")
		settle(time.Hour)
		require.Len(t, again.Events(), 2, "it is retried as others are")
		require.EqualValues(t, 1, r.metrics("again").ErrorAction.Success)
		require.EqualValues(t, 1, r.metrics("again").ErrorAction.Retries)
		require.Empty(t, lost.Events())
		require.EqualValues(t, 1, r.metrics("lost").ErrorAction.Failure)
		require.Len(t, r.log.with(`err=table is empty: "${nothing}" has no value for this message`), 1)
		for _, name := range []string{"again", "lost", "none"} {
			require.Zero(t, r.metrics(name).Queued)
		}
	})
}

func TestTemplates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		s, report := newSink("${@id}/${topic(2)}/${temp}", actions.Batch{}, nil), actions.NewRecorder()
		r.put(rules.Rule{Name: "r", SQL: "SET @id = newuuid() SELECT @id AS id FROM 'dt/+'", Actions: []actions.Action{s}, ErrorAction: report})
		r.send("dt/a", `{"temp":1.50}`)
		synctest.Wait()
		var out struct{ ID string }
		require.NoError(t, json.Unmarshal(s.Events()[0].Payload, &out))
		require.Equal(t, []string{out.ID + "/a/1.50"}, s.Events()[0].Params, "variables have one value for statement and templates")

		missing := newSink("${nope}", actions.Batch{}, nil)
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'dt/+'", Actions: []actions.Action{missing}, ErrorAction: report, Delivery: rules.Delivery{Retry: quick}})
		r.send("dt/a", `{"temp":1}`)
		synctest.Wait()
		require.Empty(t, missing.Events())
		require.Contains(t, string(report.Events()[0].Payload), `"failures":[{"failedAction":"SinkAction","failedResource":"","errorMessage":"table is empty: \"${nope}\" has no value for this message"}]`)
	})
}

// binder is an action that binds values.
type binder struct{ *actions.Recorder }

func (binder) Params() []actions.Param {
	return []actions.Param{
		{Name: "a", Text: "${a}", JSON: true},
		{Name: "b", Text: "${b}", JSON: true, Optional: true},
		{Name: "c", Text: "x-${a}", JSON: true},
		{Name: "d", Text: "d", JSON: true},
		{Name: "e", Text: "${b}", Optional: true},
	}
}

func TestBoundParameters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, rule := range map[string]rules.Rule{"sql": {SQL: "SELECT * FROM 'a'"}, "expr": {Expr: &rules.Expr{Filter: "a"}}} {
			t.Log(name)
			r := start(t, rules.Config{})
			b := binder{actions.NewRecorder()}
			if rule.Expr != nil {
				b = binder{b.Recorder}
			}
			rule.Name, rule.Actions = "r", []actions.Action{exprBinder{b, rule.Expr != nil}}
			r.put(rule)
			r.send("a", `{"a":"o'clock \"5\""}`)
			synctest.Wait()
			require.Equal(t, []string{`"o'clock \"5\""`, "null", `"x-o'clock \"5\""`, `"d"`, ""}, b.Events()[0].Params)
		}
	})
}

// exprBinder writes the templates in the other language.
type exprBinder struct {
	binder
	expr bool
}

func (b exprBinder) Params() []actions.Param {
	params := b.binder.Params()
	if b.expr {
		params[0].Text, params[1].Text, params[2].Text, params[4].Text = "${payload.a}", "${payload.b}", "x-${payload.a}", "${payload.b}"
	}
	return params
}

// secrets answers get_secret, slowly.
type secrets struct {
	mu    sync.Mutex
	calls int
	err   error
}

func (s *secrets) ReadSecret(ctx context.Context, id, _ string, _ bool) ([]byte, error) {
	s.mu.Lock()
	s.calls++
	err := s.err
	s.mu.Unlock()
	select {
	case <-time.After(time.Second):
		return []byte("secret of " + id), err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestCallingOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sec := &secrets{}
		r := start(t, rules.Config{Externals: sql.Externals{Secrets: sec}})
		inSelect, inTemplate, inBatch, report := actions.NewRecorder(), newSink("${get_secret('k','SecretString','role')}", actions.Batch{}, nil),
			newSink("${get_secret('b','SecretString','role')}", actions.Batch{Events: 2}, nil), actions.NewRecorder()
		r.put(rules.Rule{
			Name: "select", SQL: "SELECT get_secret(id,'SecretString','role') AS s, x FROM 'a' WHERE x > 1", Actions: []actions.Action{inSelect}, ErrorAction: report,
		})
		r.put(rules.Rule{Name: "template", SQL: "SELECT x FROM 'a' WHERE x > 1", Actions: []actions.Action{inTemplate, inBatch}, ErrorAction: report})
		begin := time.Now()
		r.send("a", `{"id":"i","x":1}`)
		r.send("a", `{"id":"i","x":2}`)
		require.Zero(t, time.Since(begin), "Submit does not wait")
		require.NotZero(t, r.metrics("select").Queued, "a worker calls")
		settle(time.Minute)
		require.Equal(t, []string{`{"s":"secret of i","x":2}`}, payloads(inSelect))
		require.Equal(t, []string{"secret of k"}, inTemplate.Events()[0].Params)
		require.Equal(t, []string{"secret of b"}, inBatch.Events()[0].Params)
		require.EqualValues(t, 1, r.metrics("select").Passed)
		require.EqualValues(t, 2, r.metrics("select").Matched)
		require.Zero(t, r.metrics("select").Queued)
		require.Empty(t, report.Events())

		sec.mu.Lock()
		sec.err = errors.New("denied")
		sec.mu.Unlock()
		r.send("a", `{"id":"i","x":3}`)
		r.send("a", `not json`)
		settle(time.Minute)
		require.Len(t, inSelect.Events(), 1)
		require.Len(t, inTemplate.Events(), 1)
		m := r.metrics("select")
		require.EqualValues(t, 1, m.Failed)
		require.EqualValues(t, 1, m.ParseErrors)
		require.Len(t, report.Events(), 2, "one for the statement, one for both templates")
		for _, ev := range report.Events() {
			require.Contains(t, string(ev.Payload), "denied")
		}
	})
}

func TestHostFunctionsThatPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		boom := sql.Function{Max: -1, Call: func(_ context.Context, args [][]byte) ([]byte, error) {
			if len(args) > 0 && string(args[0]) == "1" {
				panic("boom")
			}
			return []byte("7"), nil
		}}
		r := start(t, rules.Config{Functions: map[string]sql.Function{"boom": boom}})
		bad, good, report := actions.NewRecorder(), actions.NewRecorder(), actions.NewRecorder()
		r.put(rules.Rule{Name: "bad", SQL: "SELECT boom(x) AS b FROM 'a'", Actions: []actions.Action{bad}, ErrorAction: report})
		r.put(rules.Rule{Name: "good", SQL: "SELECT x FROM 'a'", Actions: []actions.Action{good}})
		r.send("a", `{"x":1}`)
		r.send("a", `{"x":2}`)
		synctest.Wait()
		require.Equal(t, []string{`{"b":7}`}, payloads(bad))
		require.Equal(t, []string{`{"x":1}`, `{"x":2}`}, payloads(good))
		require.EqualValues(t, 1, r.metrics("bad").Failed)
		require.Contains(t, string(report.Events()[0].Payload), "boom")
	})
}

// panicky is where secrets come from, and is not well.
type panicky struct{}

func (panicky) ReadSecret(context.Context, string, string, bool) ([]byte, error) { panic("no secrets") }

func TestHostCodeThatPanicsInATemplate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		boom := sql.Function{Call: func(context.Context, [][]byte) ([]byte, error) { panic("boom") }}
		r := start(t, rules.Config{Functions: map[string]sql.Function{"boom": boom}, Externals: sql.Externals{Secrets: panicky{}}})
		good, report := actions.NewRecorder(), actions.NewRecorder()
		bad, worse := newSink("${boom()}", actions.Batch{}, nil), newSink("${get_secret('k','SecretString','role')}", actions.Batch{}, nil)
		r.put(rules.Rule{Name: "loud", SQL: "SELECT x FROM 'a'", Actions: []actions.Action{bad, good, worse}, ErrorAction: report})
		r.put(rules.Rule{Name: "silent", SQL: "SELECT x FROM 'a'", Actions: []actions.Action{bad, worse}})
		r.put(rules.Rule{
			Name: "late", SQL: "SELECT get_or_default(get_secret('k','SecretString','role'), 7) AS s FROM 'a'", Actions: []actions.Action{bad, good},
		})
		r.send("a", `{"x":1}`)
		synctest.Wait()
		require.ElementsMatch(t, []string{`{"x":1}`, `{"s":7}`}, payloads(good), "the other actions run")
		for _, name := range []string{"loud", "silent", "late"} {
			m := r.metrics(name)
			require.Zero(t, m.Queued, name)
			require.EqualValues(t, 1, m.Passed, name)
			require.EqualValues(t, 1, m.Actions[0].Failure, name)
		}
		require.Len(t, report.Events(), 1)
		require.Contains(t, string(report.Events()[0].Payload), "panic: boom")
		require.Contains(t, string(report.Events()[0].Payload), "panic: no secrets")
		require.NoError(t, r.Shutdown(t.Context()), "nothing is left over")
	})
}

func TestBatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		same, across, keyed := newSink("s", actions.Batch{Events: 3, Open: time.Second}, nil),
			newSink("a", actions.Batch{Events: 10, Bytes: 12, Open: time.Second, AcrossTopics: true}, nil),
			newSink("${x}", actions.Batch{Events: 10, Open: time.Second, AcrossTopics: true, Key: func(ev actions.Event) string { return ev.Params[0] }}, nil)
		r.put(rules.Rule{Name: "same", SQL: "SELECT * FROM 'same/+'", Actions: []actions.Action{same}})
		r.put(rules.Rule{Name: "across", SQL: "SELECT * FROM 'across/+'", Actions: []actions.Action{across}})
		r.put(rules.Rule{Name: "keyed", SQL: "SELECT * FROM 'keyed/+'", Actions: []actions.Action{keyed}})
		begin := time.Now()
		for i := range 7 {
			r.send(fmt.Sprintf("same/%d", i%2), fmt.Sprint(i))
			r.send(fmt.Sprintf("across/%d", i%2), fmt.Sprintf("[%d%d]", i, i))
			r.send(fmt.Sprintf("keyed/%d", i%3), fmt.Sprintf(`{"x":%d}`, i%2+1))
		}
		synctest.Wait()
		require.Subset(t, same.sent(), [][]string{{"0", "2", "4"}, {"1", "3", "5"}}, "full batches go at once")
		require.Zero(t, time.Since(begin))
		settle(time.Second)
		require.Equal(t, time.Second, time.Since(begin))
		require.ElementsMatch(t, [][]string{{"0", "2", "4"}, {"1", "3", "5"}, {"6"}}, same.sent(), "what is alone goes when the batch has been open long enough")
		require.Equal(t, [][]string{{"[00]", "[11]", "[22]"}, {"[33]", "[44]", "[55]"}, {"[66]"}}, across.sent())
		require.Equal(t, [][]string{{`{"x":1}`, `{"x":1}`, `{"x":1}`, `{"x":1}`}, {`{"x":2}`, `{"x":2}`, `{"x":2}`}}, keyed.sent(), "those that wait for the same time do not wait one after the other")
		require.EqualValues(t, 7, r.metrics("keyed").Actions[0].Success)
		require.Zero(t, r.metrics("keyed").Queued)

		r.send("across/a", "a much longer payload than a batch may have")
		r.send("across/b", "x")
		settle(2 * time.Second)
		require.Equal(t, [][]string{{"a much longer payload than a batch may have"}, {"x"}}, across.sent()[3:], "what is too large goes alone")
	})
}

func TestKeysOfBatchesMayWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{Externals: sql.Externals{Secrets: &secrets{}}})
		report := actions.NewRecorder()
		s := newSink("${get_secret(x,'SecretString','role')}", actions.Batch{Events: 10, Open: time.Minute, AcrossTopics: true, Key: func(ev actions.Event) string {
			if ev.Params[0] == "secret of bad" {
				panic("no key")
			}
			return ev.Params[0]
		}}, nil)
		r.put(rules.Rule{Name: "r", SQL: "SELECT n FROM '+'", Actions: []actions.Action{s}, ErrorAction: report})
		for i, x := range []string{"bad", "a", "b", "a", "bad", "b", "a"} {
			r.send(fmt.Sprintf("t%d", i%3), fmt.Sprintf(`{"n":%d,"x":"%s"}`, i, x))
		}
		settle(3 * time.Minute)
		require.Equal(t, [][]string{{`{"n":1}`, `{"n":3}`, `{"n":6}`}, {`{"n":2}`, `{"n":5}`}}, s.sent())
		require.Len(t, report.Events(), 2)
		require.Contains(t, string(report.Events()[0].Payload), "panic: no key")
		require.Zero(t, r.metrics("r").Queued)
	})
}

func TestOthersDoNotKeepABatchOpen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		asked := 0
		s := newSink("s", actions.Batch{Events: 10, Open: time.Second, Key: func(actions.Event) string {
			if asked++; asked < 100 { // one comes whenever the worker looks
				r.send("other", fmt.Sprint(asked))
				time.Sleep(100 * time.Millisecond)
			}
			return ""
		}}, nil)
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM '+'", Actions: []actions.Action{s}, Delivery: rules.Delivery{Lanes: 1}})
		r.send("first", "0")
		settle(1500 * time.Millisecond)
		require.Equal(t, []string{"0"}, s.sent()[0])
		settle(time.Minute)
		require.Zero(t, r.metrics("r").Queued)
	})
}

func TestABatchTakesWhatWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		s := newSink("s", actions.Batch{Events: 100}, func(actions.Event) error { time.Sleep(time.Second); return nil })
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{s}, Delivery: rules.Delivery{Retry: actions.Retry{Timeout: time.Hour}}})
		r.send("a", "0")
		synctest.Wait()
		for i := range 5 {
			r.send("a", fmt.Sprint(i+1))
		}
		settle(time.Minute)
		require.Equal(t, [][]string{{"0"}, {"1", "2", "3", "4", "5"}}, s.sent())
	})
}

func TestFailedBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		report := actions.NewRecorder()
		answer := func(ev actions.Event) error {
			switch string(ev.Payload) {
			case "0":
				return nil
			case "1":
				return actions.Permanent(errors.New("bad"))
			}
			return errors.New("busy")
		}
		batch := actions.Batch{Events: 4, Open: time.Second}
		batched := newSink("https://example.com", batch, answer)
		single := newSink("bucket", actions.Batch{}, func(ev actions.Event) error {
			if string(ev.Payload) == "3" {
				time.Sleep(20 * time.Minute) // the batch is done long before
				return actions.Permanent(errors.New("no bucket"))
			}
			return nil
		})
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{batched, single}, ErrorAction: report, Delivery: rules.Delivery{Retry: quick}})
		r.put(rules.Rule{Name: "none", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{newSink("x", batch, answer)}, Delivery: rules.Delivery{Retry: quick}})
		for i := range 4 {
			r.submit(actions.Message{Topic: "a", Payload: []byte(fmt.Sprint(i)), ClientID: "c", SourceIP: netip.MustParseAddr("10.0.0.1"), TraceID: actions.NamedTraceID(fmt.Sprint("t", i))})
		}
		settle(10 * time.Minute)
		require.Empty(t, report.Events(), "an action is still busy with one of them")
		require.Equal(t, 3, r.metrics("r").Queued)
		settle(time.Hour)
		require.Len(t, report.Events(), 1, "the batch is reported as a whole")
		require.JSONEq(t, `{"ruleName":"r","topic":"a","payloadsWithMetadata":[
			{"id":1,"cloudwatchTraceId":"t1","clientId":"c","sourceIp":"10.0.0.1","base64OriginalPayload":"MQ=="},
			{"id":2,"cloudwatchTraceId":"t2","clientId":"c","sourceIp":"10.0.0.1","base64OriginalPayload":"Mg=="},
			{"id":3,"cloudwatchTraceId":"t3","clientId":"c","sourceIp":"10.0.0.1","base64OriginalPayload":"Mw=="}],
			"failures":[
			{"affectedIds":[1],"failedAction":"SinkAction","failedResource":"https://example.com","errorMessage":"bad"},
			{"affectedIds":[2,3],"failedAction":"SinkAction","failedResource":"https://example.com","errorMessage":"busy"},
			{"affectedIds":[3],"failedAction":"SinkAction","failedResource":"bucket","errorMessage":"no bucket"}]}`, string(report.Events()[0].Payload))
		m := r.metrics("r")
		require.Zero(t, m.Queued)
		require.EqualValues(t, 1, m.Actions[0].Success)
		require.EqualValues(t, 3, m.Actions[0].Failure)
		require.EqualValues(t, 4, m.Actions[0].Retries)
		require.EqualValues(t, 1, m.ErrorAction.Success)
		require.Equal(t, [][]string{{"0", "1", "2", "3"}, {"2", "3"}, {"2", "3"}}, batched.sent()[:3], "only what can be tried again comes again")
		require.Zero(t, r.metrics("none").Queued)
	})
}

func TestFailedBatchAcrossTopics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		report := actions.NewRecorder()
		batched := newSink("x", actions.Batch{Events: 2, Open: time.Second, AcrossTopics: true}, func(actions.Event) error { return actions.Permanent(errors.New("no")) })
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM '+'", Actions: []actions.Action{batched, batched}, ErrorAction: report})
		r.submit(actions.Message{Topic: "a", TraceID: actions.NamedTraceID("1")})
		r.submit(actions.Message{Topic: "b", TraceID: actions.NamedTraceID("2")})
		settle(time.Hour)
		require.Len(t, report.Events(), 1, "two batches of the same messages are reported together")
		var doc struct {
			Topic                *string
			PayloadsWithMetadata []struct{ Topic string }
			Failures             []struct{ AffectedIds []int }
		}
		require.NoError(t, json.Unmarshal(report.Events()[0].Payload, &doc))
		require.Nil(t, doc.Topic)
		require.Equal(t, "a", doc.PayloadsWithMetadata[0].Topic)
		require.Equal(t, "b", doc.PayloadsWithMetadata[1].Topic)
		require.Len(t, doc.Failures, 2)
		require.Equal(t, []int{1, 2}, doc.Failures[0].AffectedIds)
		require.Zero(t, r.metrics("r").Queued)
	})
}

// sloppy returns another number of errors than it got events.
type sloppy struct{ sink }

func (s sloppy) DoBatch(ctx context.Context, evs []actions.Event) []error {
	switch string(evs[0].Payload) {
	case "nil":
		return nil
	case "panic":
		panic("oh no")
	}
	return make([]error, len(evs)+1)
}

func TestSloppyBatchers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		report := actions.NewRecorder()
		a := sloppy{newSink("x", actions.Batch{Events: 2}, nil)}
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{a}, ErrorAction: report})
		for _, p := range []string{"nil", "panic", "other"} {
			r.send("a", p)
			synctest.Wait()
		}
		require.EqualValues(t, 1, r.metrics("r").Actions[0].Success)
		require.Len(t, report.Events(), 2)
		require.Contains(t, string(report.Events()[0].Payload), "panic: oh no")
		require.Contains(t, string(report.Events()[1].Payload), "DoBatch returned 2 errors for 1 events")
	})
}
