package rules_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

func TestARuleThatFeedsItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &publisher{}
		r := start(t, rules.Config{Publisher: h, MaxHops: 3})
		h.pass = func(p *actions.Publication) {
			require.NoError(t, r.Submit(context.Background(), &actions.Message{Topic: p.Topic, Payload: p.Payload, Hops: p.Hops}))
		}
		r.put(rules.Rule{Name: "loop", SQL: "SELECT *, n + 1 AS n FROM 'a/#'", Actions: []actions.Action{actions.Republish{Topic: "a/${n}"}}})
		r.send("a", `{"n":0}`)
		synctest.Wait()
		require.Equal(t, []string{`a/0 {"n":1}`, `a/1 {"n":2}`, `a/2 {"n":3}`, `a/3 {"n":4}`}, h.sent())
		require.EqualValues(t, 1, r.metrics("loop").Dropped.Hops)
		require.Len(t, r.log.with("may be in a loop"), 1)
	})
}

// shadows takes updates.
type shadows struct {
	hops []uint8
	list []string
}

func (s *shadows) UpdateShadow(ctx context.Context, thing, name string, document []byte) error {
	s.hops = append(s.hops, actions.Hops(ctx))
	s.list = append(s.list, thing+"/"+name+" "+string(document))
	return nil
}

func TestShadowAction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sh := &shadows{}
		r := start(t, rules.Config{Shadows: sh})
		rule, err := r.DecodeRule("r", []byte(`{"sql":"SELECT temp FROM 'dt/+'","actions":[{"shadow":{"thing":"${topic(2)}","side":"reported"}}]}`))
		require.NoError(t, err)
		r.put(rule)
		r.submit(actions.Message{Topic: "dt/pump", Payload: []byte(`{"temp":81,"x":1}`), Hops: 2})
		synctest.Wait()
		require.Equal(t, []string{`pump/ {"state":{"reported":{"temp":81}}}`}, sh.list)
		require.Equal(t, []uint8{3}, sh.hops, "whoever publishes for it knows the hops")
	})
}

func TestFileAction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "files")
		r := start(t, rules.Config{Files: dir})
		report := actions.NewRecorder()
		r.put(rules.Rule{Name: "r", SQL: "SELECT temp FROM '#'", Actions: []actions.Action{actions.File{Path: "${topic()}.jsonl"}}, ErrorAction: report})
		for i := range 50 {
			r.send("dt/pump", fmt.Sprintf(`{"temp":%d}`, i))
		}
		r.send("../../etc/passwd", `{"temp":1}`)
		synctest.Wait()
		data, err := os.ReadFile(filepath.Join(dir, "dt", "pump.jsonl"))
		require.NoError(t, err)
		want := ""
		for i := range 50 {
			want += fmt.Sprintf("{\"temp\":%d}\n", i)
		}
		require.Equal(t, want, string(data))
		require.Contains(t, string(report.Events()[0].Payload), `"failedAction":"FileAction","failedResource":"../../etc/passwd.jsonl"`)
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestFilesWhosePathsCallOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := t.TempDir()
		r := start(t, rules.Config{Files: dir, Externals: sql.Externals{Secrets: &secrets{}}})
		r.put(rules.Rule{Name: "r", SQL: "SELECT n FROM 'a'", Actions: []actions.Action{actions.File{Path: "${get_secret(id,'SecretString','role')}"}}})
		for i := range 6 {
			r.send("a", fmt.Sprintf(`{"n":%d,"id":"%d"}`, i, i%2))
		}
		settle(time.Minute)
		for name, want := range map[string]string{"secret of 0": "{\"n\":0}\n{\"n\":2}\n{\"n\":4}\n", "secret of 1": "{\"n\":1}\n{\"n\":3}\n{\"n\":5}\n"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Equal(t, want, string(data))
		}
		require.NoError(t, r.Shutdown(t.Context()))
	})
}

func TestAContextThatIsOnlyLookedAt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := idle(t, rules.Config{})
		var ended []error
		r.put(rules.Rule{Name: "r", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{actions.Func(func(ctx context.Context, _ actions.Event) error {
			for ctx.Err() == nil {
				time.Sleep(time.Second)
			}
			ended = append(ended, ctx.Err())
			return ctx.Err()
		})}, Delivery: rules.Delivery{Retry: actions.Retry{Tries: 1, Timeout: time.Minute}}})
		r.send("a", "")
		for _, d := range []time.Duration{10 * time.Second, time.Hour} {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			require.NoError(t, r.Run(ctx))
			cancel()
		}
		require.Equal(t, []error{context.Canceled, context.DeadlineExceeded}, ended)
	})
}

func TestFullQueueOfAStatementThatCallsOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, rules.Config{Externals: sql.Externals{Secrets: &secrets{}}})
		rec := actions.NewRecorder()
		r.put(rules.Rule{Name: "r", SQL: "SELECT get_secret('a','SecretString','r') AS s FROM 'a'", Actions: []actions.Action{rec}, Delivery: rules.Delivery{Queue: 2}})
		for range 5 {
			r.send("a", "{}")
		}
		settle(time.Minute)
		require.Len(t, rec.Events(), 2)
		require.EqualValues(t, 3, r.metrics("r").Dropped.QueueFull)
	})
}

func TestManySetsOfRules(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{})
	require.NoError(t, err)
	// A set for each topic, far more than are remembered.
	const n = 60
	for i := range n {
		require.NoError(t, s.Put(t.Context(), rules.Rule{Name: fmt.Sprint("a", i), SQL: fmt.Sprintf("SELECT * FROM 'x/%d/+' WHERE false", i)}))
		require.NoError(t, s.Put(t.Context(), rules.Rule{Name: fmt.Sprint("b", i), SQL: fmt.Sprintf("SELECT * FROM 'x/+/%d' WHERE false", i)}))
	}
	for range 2 {
		for i := range n {
			for j := range n {
				require.NoError(t, s.Submit(t.Context(), &actions.Message{Topic: fmt.Sprintf("x/%d/%d", i, j)}))
			}
		}
	}
	for name, m := range s.Metrics().Rules {
		require.EqualValues(t, 2*n, m.Matched, name)
	}
}
