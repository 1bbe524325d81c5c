package rules_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/rulestest"
	"github.com/thinghub/thinghub/rules/sql"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	rulestest.TestStore(t, func(*testing.T) rules.Store { return rules.NewMemory() })
}

var _ rules.Engine = (*rules.Service)(nil)

func TestCreateReplaceDelete(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		r := start(t, rules.Config{MaxRules: 2})
		one, two := actions.NewRecorder(), actions.NewRecorder()
		require.ErrorIs(t, r.Replace(ctx, rules.Rule{Name: "a", SQL: "SELECT * FROM 'a'"}), rules.ErrNotFound)
		require.ErrorIs(t, r.Delete(ctx, "a"), rules.ErrNotFound)
		require.ErrorIs(t, r.Enable(ctx, "a"), rules.ErrNotFound)
		_, err := r.Get(ctx, "a")
		require.EqualError(t, err, "rules: rule a cannot be found")

		created := time.Now()
		list := []actions.Action{one}
		require.NoError(t, r.Create(ctx, rules.Rule{Name: "a", SQL: "SELECT * FROM 'x/+'", Description: "d", Actions: list}))
		list[0] = nil
		time.Sleep(time.Minute)
		require.ErrorIs(t, r.Create(ctx, rules.Rule{Name: "a", SQL: "SELECT * FROM 'a'"}), rules.ErrExists)
		got, err := r.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, rules.Rule{Name: "a", SQL: "SELECT * FROM 'x/+'", Version: rules.V2016, Description: "d", Actions: []actions.Action{one}, Filter: "x/+", Created: created}, got)
		got.Actions[0] = nil
		r.send("x/1", "1")
		synctest.Wait()
		require.Len(t, one.Events(), 1, "what a caller does with its copies is its own affair")

		require.NoError(t, r.Replace(ctx, rules.Rule{Name: "a", SQL: "SELECT * FROM 'y/+'", Actions: []actions.Action{two}}))
		r.send("x/1", "2")
		r.send("y/1", "3")
		synctest.Wait()
		require.Len(t, one.Events(), 1)
		require.Equal(t, []string{"3"}, payloads(two))
		got, err = r.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, created, got.Created, "replacing keeps when it was created")
		require.EqualValues(t, 2, r.metrics("a").Actions[0].Success, "and its counters")

		require.Error(t, r.Replace(ctx, rules.Rule{Name: "a", SQL: "SELECT * FROM"}))
		r.send("y/1", "4")
		synctest.Wait()
		require.Len(t, two.Events(), 2, "a failed replace leaves the old rule")

		require.NoError(t, r.Put(ctx, rules.Rule{Name: "b", SQL: "SELECT * FROM 'b'"}))
		err = r.Put(ctx, rules.Rule{Name: "c", SQL: "SELECT * FROM 'b'"})
		require.ErrorIs(t, err, rules.ErrLimitExceeded)
		require.EqualError(t, err, "rules: there are 2 rules, which is the limit")
		require.Equal(t, []string{"a", "b"}, namesOf(t, r.List(ctx)))

		require.NoError(t, r.Disable(ctx, "a"))
		require.NoError(t, r.Disable(ctx, "a"))
		r.send("y/1", "5")
		r.send("$aws/rules/a/y/1", "6")
		synctest.Wait()
		require.Len(t, two.Events(), 2)
		got, err = r.Get(ctx, "a")
		require.NoError(t, err)
		require.True(t, got.Disabled)
		require.NoError(t, r.Enable(ctx, "a"))
		r.send("$aws/rules/a/y/1", "7")
		synctest.Wait()
		require.Len(t, two.Events(), 3)

		require.NoError(t, r.Delete(ctx, "a"))
		r.send("y/1", "8")
		synctest.Wait()
		require.Len(t, two.Events(), 3)
		require.Equal(t, []string{"b"}, namesOf(t, r.List(ctx)))
		require.EqualValues(t, 4, r.Metrics().RulesExecuted, "what was counted stays")
		require.Equal(t, "arn:aws:iot:local:000000000000:rule/a", r.ARN("a"))
	})
}

// namesOf returns the names of rules.
func namesOf(t *testing.T, seq iter.Seq2[rules.Rule, error]) (names []string) {
	t.Helper()
	for r, err := range seq {
		require.NoError(t, err)
		names = append(names, r.Name)
	}
	return names
}

// needy is an action with everything that can be wrong.
type needy struct {
	actions.Func
	check, host error
	text        string
}

func (n needy) Kind() string            { return "" }
func (n needy) Check() error            { return n.check }
func (n needy) Params() []actions.Param { return []actions.Param{{Name: "p", Text: n.text}} }

func (n needy) On(actions.Host) (actions.Action, error) { return n.Func, n.host }

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{})
	require.NoError(t, err)
	ok := "SELECT * FROM 'a'"
	act := func(list ...actions.Action) []actions.Action { return list }
	for _, tt := range []struct {
		name  string
		rule  rules.Rule
		kind  error
		field string
		want  string
	}{
		{"no name", rules.Rule{SQL: ok}, rules.ErrInvalid, "ruleName", `ruleName is "", expected 1 to 128 letters, digits and underscores`},
		{"hyphen", rules.Rule{Name: "a-b", SQL: ok}, rules.ErrInvalid, "ruleName", `ruleName is "a-b", expected 1 to 128 letters, digits and underscores`},
		{"other letters", rules.Rule{Name: "é", SQL: ok}, rules.ErrInvalid, "ruleName", `ruleName is "é", expected 1 to 128 letters, digits and underscores`},
		{"long name", rules.Rule{Name: strings.Repeat("a", 129), SQL: ok}, rules.ErrInvalid, "ruleName", `ruleName is "` + strings.Repeat("a", 128) + `", expected 1 to 128 letters, digits and underscores`},
		{"no statement", rules.Rule{Name: "a"}, rules.ErrSQL, "sql", `sql: line 1, column 1: found the end, expected SELECT`},
		{"bad statement", rules.Rule{Name: "a", SQL: "SELECT FROM 'a'"}, rules.ErrSQL, "sql", ``},
		{"bad filter", rules.Rule{Name: "a", SQL: "SELECT * FROM 'a/#/b'"}, nil, "sql", ``},
		{"unknown version", rules.Rule{Name: "a", SQL: ok, Version: "2017-01-01"}, rules.ErrInvalid, "awsIotSqlVersion", `awsIotSqlVersion is "2017-01-01", expected 2015-10-08, 2016-03-23 or beta`},
		{"newer than the version", rules.Rule{Name: "a", SQL: "SELECT VALUE [1] FROM 'a'", Version: rules.V2015}, rules.ErrSQL, "sql", ``},
		{"both languages", rules.Rule{Name: "a", SQL: ok, Expr: &rules.Expr{}}, rules.ErrInvalid, "sql", `sql is there beside expr, expected one of them`},
		{"version of expr", rules.Rule{Name: "a", Version: rules.V2016, Expr: &rules.Expr{}}, rules.ErrInvalid, "awsIotSqlVersion", `awsIotSqlVersion is there beside expr, expected neither`},
		{"too many actions", rules.Rule{Name: "a", SQL: ok, Actions: make([]actions.Action, 11)}, rules.ErrInvalid, "actions", `actions has 11 items, expected at most 10`},
		{"long description", rules.Rule{Name: "a", SQL: ok, Description: strings.Repeat("x", 5000)}, rules.ErrInvalid, "description", `description has 5000 bytes, expected at most 4096`},
		{"nil action", rules.Rule{Name: "a", SQL: ok, Actions: act(nil)}, rules.ErrInvalid, "actions[0]", `actions[0] is nil`},
		{"nil function", rules.Rule{Name: "a", SQL: ok, Actions: act(actions.Func(nil))}, rules.ErrInvalid, "actions[0]", `actions[0] is nil`},
		{"check", rules.Rule{Name: "a", SQL: ok, Actions: act(refuse(nil), needy{check: errors.New("p is bad")})}, rules.ErrInvalid, "actions[1]", `actions[1]: p is bad`},
		{"check of a known kind", rules.Rule{Name: "a", SQL: ok, Actions: act(actions.Republish{})}, rules.ErrInvalid, "actions[0].republish", `actions[0].republish: topic is missing, expected a topic`},
		{"host", rules.Rule{Name: "a", SQL: ok, Actions: act(needy{host: errors.New("not here")})}, rules.ErrInvalid, "actions[0]", `actions[0]: not here`},
		{"no publisher", rules.Rule{Name: "a", SQL: ok, Actions: act(actions.Republish{Topic: "a"})}, rules.ErrInvalid, "actions[0].republish", `actions[0].republish: republish: actions: the hub does not provide what the action needs: a publisher`},
		{"template", rules.Rule{Name: "a", SQL: ok, Actions: act(needy{text: "x ${y"})}, rules.ErrSQL, "actions[0].p", ``},
		{"template of an error action", rules.Rule{Name: "a", SQL: ok, ErrorAction: needy{text: "${nope(1)}"}}, rules.ErrSQL, "errorAction.p", ``},
		{"error action that calls out", rules.Rule{Name: "a", SQL: ok, ErrorAction: needy{text: "${aws_lambda('x', *)}"}}, rules.ErrSQL, "errorAction.p", ``},
		{"delivery", rules.Rule{Name: "a", SQL: ok, Delivery: rules.Delivery{Queue: -1}}, rules.ErrInvalid, "delivery.queue", `delivery.queue is -1, expected 0 to 16777216`},
		{"retry", rules.Rule{Name: "a", SQL: ok, Delivery: rules.Delivery{Retry: actions.Retry{Timeout: -1}}}, rules.ErrInvalid, "delivery.timeout", `delivery.timeout is -1ns, expected 0 to 168h0m0s`},
		{"reserve", rules.Rule{Name: "a", SQL: ok, Delivery: rules.Delivery{Reserve: 1 << 30}}, rules.ErrInvalid, "delivery.reserve", `delivery.reserve is 1073741824, expected at most 16777216`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := s.Put(t.Context(), tt.rule)
			var e *rules.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.field, e.Field)
			if tt.kind != nil {
				require.ErrorIs(t, err, tt.kind)
			}
			if tt.want != "" {
				require.EqualError(t, err, "rules: "+tt.want)
			}
			var where *sql.Error
			require.Equal(t, errors.Is(err, rules.ErrSQL), errors.As(err, &where), "an error of the language has a position")
		})
	}
	require.Empty(t, s.Metrics().Rules)
}

func TestExternalsOfErrorActions(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{Externals: sql.Externals{Secrets: &secrets{}}})
	require.NoError(t, err)
	secret := needy{text: "${get_secret('a', 'SecretString', 'r')}"}
	require.NoError(t, s.Put(t.Context(), rules.Rule{Name: "a", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{secret}}))
	err = s.Put(t.Context(), rules.Rule{Name: "b", SQL: "SELECT * FROM 'a'", ErrorAction: secret})
	require.ErrorIs(t, err, rules.ErrSQL)
	require.ErrorContains(t, err, "get_secret")
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]rules.Config{
		`rules: Config.Scope.Region is "a b", expected letters, digits, - and _`:   {Scope: rules.Scope{Region: "a b"}},
		`rules: Config.Delivery.lanes is 2000, expected 0 to 1024`:                 {Delivery: rules.Delivery{Lanes: 2000}},
		`rules: Config.Kinds["x"] is nil`:                                          {Kinds: map[string]actions.Decoder{"x": nil}},
		`rules: Config.Functions["x"].Call is nil`:                                 {Functions: map[string]sql.Function{"x": {}}},
		`rules: Config.Files: actions: mkdir /dev/null: not a directory`:           {Files: "/dev/null/x"},
		`rules: read the destinations: broken` + "\nrules: read the rules: broken": {Store: brokenStore{errors.New("broken")}},
	} {
		_, err := rules.New(cfg)
		require.EqualError(t, err, want)
	}
}

// brokenStore fails whatever it is asked.
type brokenStore struct{ err error }

func (b brokenStore) All(context.Context, rules.RecordKind) iter.Seq2[rules.Record, error] {
	return func(yield func(rules.Record, error) bool) { yield(rules.Record{}, b.err) }
}

func (b brokenStore) Save(context.Context, rules.RecordKind, rules.Record) error { return b.err }

func (b brokenStore) Delete(context.Context, rules.RecordKind, string, int64) error { return b.err }

// fragile is a store that can be made to fail.
type fragile struct {
	rules.Store
	err error
}

func (f *fragile) Save(ctx context.Context, kind rules.RecordKind, r rules.Record) error {
	if f.err != nil {
		return f.err
	}
	return f.Store.Save(ctx, kind, r)
}

func (f *fragile) Delete(ctx context.Context, kind rules.RecordKind, name string, revision int64) error {
	if f.err != nil {
		return f.err
	}
	return f.Store.Delete(ctx, kind, name, revision)
}

func TestStoredRules(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		store := &fragile{Store: rules.NewMemory()}
		h := &publisher{}
		cfg := rules.Config{Store: store, Publisher: h, Externals: sql.Externals{Secrets: &secrets{}}}
		r := start(t, cfg)
		r.put(rules.Rule{
			Name: "kept", SQL: "SELECT * FROM 'in/+'", Version: rules.V2015, Description: "d", Actions: []actions.Action{actions.Republish{Topic: "out/${topic(2)}"}},
			ErrorAction: actions.Log{Level: "warn"}, Delivery: rules.Delivery{Queue: 7, Retry: actions.Retry{Timeout: time.Second}},
		})
		r.put(rules.Rule{Name: "expr", Expr: &rules.Expr{Filter: "e", Where: "payload.x > 1"}, Actions: []actions.Action{actions.Republish{Topic: "out/e"}}})
		r.put(rules.Rule{Name: "off", SQL: "SELECT * FROM 'in/+'", Disabled: true})
		r.put(rules.Rule{Name: "function", SQL: "SELECT * FROM 'in/+'", Actions: []actions.Action{refuse(nil)}})
		r.put(rules.Rule{Name: "was", SQL: "SELECT * FROM 'in/+'"})
		r.put(rules.Rule{Name: "was", SQL: "SELECT * FROM 'in/+'", Actions: []actions.Action{refuse(nil)}})
		r.put(rules.Rule{Name: "secret", SQL: "SELECT get_secret('a', 'SecretString', 'r') AS s FROM 'in/+'"})
		r.put(rules.Rule{Name: "gone", SQL: "SELECT * FROM 'in/+'"})
		require.NoError(t, r.Delete(ctx, "gone"))
		require.NoError(t, r.Enable(ctx, "off"))
		require.NoError(t, r.Disable(ctx, "off"))
		want, err := r.Get(ctx, "kept")
		require.NoError(t, err)

		time.Sleep(time.Minute)
		cfg.Externals = sql.Externals{}
		r = start(t, cfg)
		require.Equal(t, []string{"expr", "kept", "off", "secret"}, namesOf(t, r.List(ctx)), "a function lives as long as the process")
		got, err := r.Get(ctx, "kept")
		require.NoError(t, err)
		require.True(t, want.Created.Equal(got.Created))
		got.Created = want.Created
		require.Equal(t, want, got)
		off, err := r.Get(ctx, "off")
		require.NoError(t, err)
		require.True(t, off.Disabled)

		broken, err := r.Get(ctx, "secret")
		require.NoError(t, err)
		require.ErrorIs(t, broken.Broken, rules.ErrSQL)
		require.Len(t, r.log.with("WARN rules: a rule cannot work any more rule=secret"), 1)
		require.NoError(t, r.Disable(ctx, "secret"))
		require.NoError(t, r.Enable(ctx, "secret"))

		r.send("in/a", "1")
		r.send("e", `{"x":2}`)
		synctest.Wait()
		require.ElementsMatch(t, []string{"out/a 1", `out/e {"x":2}`}, h.sent())
		require.Zero(t, r.metrics("off").Matched)

		store.err = errors.New("disk full")
		require.EqualError(t, r.Put(ctx, rules.Rule{Name: "kept", SQL: "SELECT * FROM 'other'"}), "rules: write rule kept: disk full")
		require.EqualError(t, r.Disable(ctx, "kept"), "rules: write rule kept: disk full")
		require.EqualError(t, r.Delete(ctx, "kept"), "rules: delete rule kept: disk full")
		store.err = fmt.Errorf("wrapped: %w", rules.ErrVersion)
		err = r.Put(ctx, rules.Rule{Name: "kept", SQL: "SELECT * FROM 'other'"})
		require.ErrorIs(t, err, rules.ErrVersion)
		require.EqualError(t, err, "rules: write rule kept: it was changed by others meanwhile")
		r.send("in/b", "2")
		synctest.Wait()
		require.Contains(t, h.sent(), "out/b 2", "what could not be stored changed nothing")
		store.err = nil
		require.NoError(t, r.Put(ctx, rules.Rule{Name: "secret", SQL: "SELECT * FROM 'in/+'", Actions: []actions.Action{actions.Republish{Topic: "mended"}}}))
		r.send("in/c", "3")
		synctest.Wait()
		require.Contains(t, h.sent(), "mended 3")
	})
}

// What Put takes is there again after a restart, or Put refuses it.
func TestStoredRulesCanBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		cfg := rules.Config{Publisher: &publisher{}, Store: rules.NewMemory(), Web: rules.WebConfig{AllowUnconfirmed: true, Signer: signer{}}}
		r := idle(t, cfg)
		r.put(rules.Rule{Name: "a", SQL: "SELECT * FROM 'a'", Delivery: rules.Delivery{
			Reserve: -5, Retry: actions.Retry{Backoff: time.Microsecond, MaxAge: 7 * 24 * time.Hour},
		}})
		err := r.Put(ctx, rules.Rule{Name: "b", SQL: "SELECT * FROM 'a'", Delivery: rules.Delivery{Retry: actions.Retry{MaxAge: 8 * 24 * time.Hour}}})
		require.EqualError(t, err, "rules: delivery.maxAge is 192h0m0s, expected 0 to 168h0m0s")
		err = r.Put(ctx, rules.Rule{Name: "b", SQL: "SELECT * FROM 'a'", Actions: []actions.Action{
			actions.HTTP{URL: "https://example.com/", Auth: &actions.HTTPAuth{SigV4: &actions.SigV4{SigningRegion: "local", ServiceName: "s"}}},
		}})
		require.ErrorIs(t, err, rules.ErrInvalid)
		require.ErrorContains(t, err, "actions[0]: http: auth.sigv4.roleArn is missing")

		got, err := idle(t, cfg).Get(ctx, "a")
		require.NoError(t, err)
		require.NoError(t, got.Broken)
		require.Equal(t, rules.Delivery{Reserve: -1, Retry: actions.Retry{Backoff: time.Millisecond, MaxAge: 7 * 24 * time.Hour}}, got.Delivery)
	})
}

type signer struct{}

func (signer) Sign(context.Context, *http.Request, []byte, actions.SigV4) error { return nil }

func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	for kind, want := range map[rules.RecordKind]string{
		rules.RuleRecord:        "rules: the record of rule a is damaged: invalid character 'x' looking for beginning of value",
		rules.DestinationRecord: "rules: the record of destination a is damaged: invalid character 'x' looking for beginning of value",
	} {
		store := rules.NewMemory()
		require.NoError(t, store.Save(t.Context(), kind, rules.Record{Name: "a", Revision: 1, Document: []byte("x")}))
		_, err := rules.New(rules.Config{Store: store})
		require.EqualError(t, err, want)
	}
}

func TestEndedContexts(t *testing.T) {
	t.Parallel()
	s, err := rules.New(rules.Config{Web: rules.WebConfig{Client: http.DefaultClient}})
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), rules.Rule{Name: "a", SQL: "SELECT * FROM 'a'"}))
	_, err = s.CreateDestination(t.Context(), "https://example.com")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Get(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
	for _, err := range s.List(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err = s.GetDestination(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
	for _, err := range s.Destinations(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.ErrorIs(t, s.Put(ctx, rules.Rule{Name: "b", SQL: "SELECT * FROM 'a'"}), context.Canceled)
	_, err = s.Trace(ctx, &actions.Message{Topic: "a"})
	require.ErrorIs(t, err, context.Canceled)
	for _, err := range s.List(t.Context()) {
		require.NoError(t, err)
		break
	}
	for _, err := range s.Destinations(t.Context()) {
		require.NoError(t, err)
		break
	}
}
