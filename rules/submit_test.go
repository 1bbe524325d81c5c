package rules_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

func TestSubmit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		hot, every := actions.NewRecorder(), actions.NewRecorder()
		r.put(rules.Rule{Name: "hot", SQL: "SELECT temp, topic(2) AS dev FROM 'dt/+/temp' WHERE temp > 80", Actions: []actions.Action{hot}})
		r.put(rules.Rule{Name: "every", SQL: "SELECT * FROM 'dt/#'", Actions: []actions.Action{every}})

		buf := []byte(`{"temp": 81}`)
		m := actions.Message{Topic: "dt/pump/temp", Payload: buf, QoS: 1, ClientID: "pump", Protocol: actions.ProtocolMQTT, Time: time.Now()}
		r.submit(m)
		copy(buf, "############")
		r.send("dt/pump/temp", `{"temp": 80}`)
		r.send("other", `{"temp": 99}`)
		synctest.Wait()

		require.Equal(t, []string{`{"temp":81,"dev":"pump"}`}, payloads(hot))
		require.Equal(t, []string{`{"temp": 81}`, `{"temp": 80}`}, payloads(every))
		ev := hot.Events()[0]
		require.Equal(t, "hot", ev.Rule)
		require.Equal(t, 0, ev.Action)
		require.Equal(t, 1, ev.Attempt)
		require.Equal(t, `{"temp": 81}`, string(ev.Message.Payload), "the message is a copy")
		require.Equal(t, "pump", ev.Message.ClientID)
		require.Len(t, ev.Message.TraceID.String(), 36)
		require.Equal(t, ev.Message.TraceID.String()+"/hot/0", ev.ID())
		require.Equal(t, ev.Message.TraceID.String(), every.Events()[0].Message.TraceID.String(), "all rules see one trace id")
		require.NotEqual(t, ev.Message.TraceID.String(), every.Events()[1].Message.TraceID.String())
		require.False(t, every.Events()[1].Message.Time.IsZero())

		mt := r.metrics("hot")
		require.EqualValues(t, 2, mt.Matched)
		require.EqualValues(t, 1, mt.Passed)
		require.Zero(t, mt.Queued)
		require.EqualValues(t, 1, mt.Actions[0].Success)
		require.EqualValues(t, 1, mt.Actions[0].Latency.Count)
		require.Equal(t, "recorder", mt.Actions[0].Kind)
		require.Nil(t, mt.ErrorAction)
		require.EqualValues(t, 4, r.Metrics().RulesExecuted)
	})
}

func TestTraceIDIsThatOfTheStatement(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		list := []*actions.Recorder{actions.NewRecorder(), actions.NewRecorder(), actions.NewRecorder(), actions.NewRecorder()}
		r.put(rules.Rule{Name: "a", SQL: "SELECT VALUE traceid() FROM 'a'", Actions: []actions.Action{list[0]}})
		r.put(rules.Rule{Name: "b", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{list[1]}})
		r.send("a", "")
		synctest.Wait()
		want := list[0].Events()[0].Message.TraceID.String()
		require.Equal(t, `"`+want+`"`, string(list[0].Events()[0].Payload))
		require.Equal(t, want, list[1].Events()[0].Message.TraceID.String())

		r.put(rules.Rule{Name: "c", Expr: &rules.Expr{Filter: "a", Select: "traceId"}, Actions: []actions.Action{list[2]}})
		r.put(rules.Rule{Name: "d", Expr: &rules.Expr{Filter: "b", Select: "traceId"}, Actions: []actions.Action{list[3]}})
		r.send("a", "")
		r.send("b", "")
		synctest.Wait()
		require.Equal(t, string(list[0].Events()[1].Payload), string(list[2].Events()[0].Payload), "both languages see one id")
		require.Equal(t, `"`+list[3].Events()[0].Message.TraceID.String()+`"`, string(list[3].Events()[0].Payload))

		r.submit(actions.Message{Topic: "a", TraceID: actions.NamedTraceID("given"), Protocol: actions.ProtocolMQTT})
		synctest.Wait()
		require.Equal(t, `"given"`, string(list[0].Events()[2].Payload))
		require.Equal(t, "given", list[1].Events()[2].Message.TraceID.String())
	})
}

func TestBasicIngest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		plain, with, other := actions.NewRecorder(), actions.NewRecorder(), actions.NewRecorder()
		r.put(rules.Rule{Name: "plain", SQL: "SELECT topic() AS t, topic(1) AS one", Actions: []actions.Action{plain}})
		r.put(rules.Rule{Name: "with", SQL: "SELECT topic() AS t FROM 'a/+'", Actions: []actions.Action{with}})
		r.put(rules.Rule{Name: "other", SQL: "SELECT * FROM 'a/b'", Actions: []actions.Action{other}})
		r.put(rules.Rule{Name: "all", SQL: "SELECT * FROM '#'", Actions: []actions.Action{other}})
		r.put(rules.Rule{Name: "off", SQL: "SELECT *", Disabled: true})

		r.send("$aws/rules/plain/a/b", "")
		r.send("$aws/rules/plain", "")
		r.send("$aws/rules/with/a/b", "")
		r.send("$aws/rules/with/b", "")
		r.send("$aws/rules/none/a/b", "")
		r.send("$aws/rules/off/a/b", "")
		r.send("$aws/rules//a", "")
		r.send("$aws/rules/+/a/b", "")
		synctest.Wait()
		require.ElementsMatch(t, []string{`{"t":"a/b","one":"a"}`, `{"t":"","one":""}`}, payloads(plain))
		require.Equal(t, []string{`{"t":"a/b"}`}, payloads(with))
		require.Empty(t, other.Events(), "nobody else gets the message")
		require.Equal(t, "$aws/rules/with/a/b", with.Events()[0].Message.Topic)
		require.EqualValues(t, 4, r.Metrics().RuleNotFound)

		r.send("a/b", "")
		synctest.Wait()
		require.Len(t, plain.Events(), 2, "a rule without FROM is for Basic Ingest alone")
		require.Len(t, with.Events(), 2)
	})
}

func TestBadPayloads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		whole, field, none, report := actions.NewRecorder(), actions.NewRecorder(), actions.NewRecorder(), actions.NewRecorder()
		r.put(rules.Rule{Name: "whole", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{whole}})
		r.put(rules.Rule{Name: "field", SQL: "SELECT x FROM 'a'", Actions: []actions.Action{field}, ErrorAction: report})
		r.put(rules.Rule{Name: "none", SQL: "SELECT qos AS q FROM 'a' WHERE topic() = 'a'", Actions: []actions.Action{none}})
		r.put(rules.Rule{Name: "expr", Expr: &rules.Expr{Filter: "e", Where: "payload.x > 1"}, Actions: []actions.Action{field}, ErrorAction: report})
		big := `{"a":"` + strings.Repeat("x", 10<<20) + `"}`
		for _, p := range []string{"\xff\xfe", "{", big, strings.Repeat("[", 10000)} {
			r.send("a", p)
			if len(p) < 1<<20 {
				r.send("e", p)
			}
		}
		r.send("e", "{}")
		synctest.Wait()
		require.Equal(t, 4, len(whole.Events()), "bytes go through as they are")
		require.Equal(t, "\xff\xfe", string(whole.Events()[0].Payload))
		require.Equal(t, []string{"{}"}, payloads(field))
		require.EqualValues(t, 3, r.metrics("field").ParseErrors)
		require.Zero(t, r.metrics("field").Failed)
		require.EqualValues(t, 3, r.metrics("expr").ParseErrors)
		require.EqualValues(t, 1, r.metrics("expr").Failed, "a member that is not there cannot be compared")
		require.Equal(t, 1, len(report.Events()), "a payload that is not JSON is no matter for the error action")
	})
}

func TestHops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{MaxHops: 2})
		rec := actions.NewRecorder()
		r.put(rules.Rule{Name: "loop", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{rec}})
		for hops := range uint8(5) {
			r.submit(actions.Message{Topic: "a", Hops: hops})
		}
		synctest.Wait()
		require.Len(t, rec.Events(), 3)
		m := r.metrics("loop")
		require.EqualValues(t, 5, m.Matched)
		require.EqualValues(t, 2, m.Dropped.Hops)
		require.EqualValues(t, 3, r.Metrics().RulesExecuted)
		require.Equal(t, []string{"WARN rules: a message is dropped because it may be in a loop rule=loop topic=a hops=3"}, r.log.with("loop"), "it is logged once")
	})
}

func TestDebugLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		r.log.level = -4
		r.put(rules.Rule{Name: "a", SQL: "SELECT * FROM 'a' WHERE x > 1", Actions: []actions.Action{refuse(actions.Permanent(errors.New("no")))}})
		r.send("a", `{"x":1}`)
		r.send("a", `{"x":2}`)
		r.send("a", `{"x":3}`)
		r.send("a", `x`)
		r.send("$aws/rules/b", `x`)
		synctest.Wait()
		require.Len(t, r.log.with("passed=false"), 1)
		require.Len(t, r.log.with("passed=true"), 2)
		require.Equal(t, []string{"DEBUG rules: the evaluation failed rule=a topic=a client=client err=sql: the payload is not JSON"}, r.log.with("evaluation failed"))
		require.Len(t, r.log.with("WARN rules: an action fails rule=a action=function topic=a tries=1 err=no"), 1)
		require.Len(t, r.log.with("DEBUG rules: an action fails"), 1)
		require.Len(t, r.log.with("Basic Ingest names no rule"), 1)
	})
}

func TestFreshCopiesAreTheActionsOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{})
		a, b := actions.NewRecorder(), actions.NewRecorder()
		r.put(rules.Rule{Name: "a", SQL: "SELECT x FROM 'a'", Actions: []actions.Action{a}})
		r.put(rules.Rule{Name: "b", SQL: "SELECT y FROM 'a'", Actions: []actions.Action{b}})
		for range 100 {
			r.send("a", `{"x":"one","y":"two"}`)
		}
		synctest.Wait()
		for i := range 100 {
			ev := a.Events()[i]
			_ = append(ev.Payload, "overflow"...)
			require.Equal(t, `{"x":"one"}`, string(ev.Payload))
			require.Equal(t, `{"x":"one","y":"two"}`, string(ev.Message.Payload))
			require.Equal(t, `{"y":"two"}`, string(b.Events()[i].Payload))
		}
	})
}
