package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/postgres"
	"github.com/thinghub/thinghub/internal/servertest"
)

// local is a client of the shared server.
func local(tb testing.TB) *postgres.Client {
	tb.Helper()
	return open(tb, postgres.Config{DSN: dsn(servertest.Postgres(tb))})
}

// event is an event whose templates were rendered to JSON texts.
func event(payload string, params ...string) actions.Event {
	return actions.Event{Rule: "r", Payload: []byte(payload), Message: &actions.Message{Topic: "t", TraceID: actions.NewTraceID()}, Params: params, Attempt: 1}
}

// do writes events and returns which failed for good; others must not fail.
func do(t *testing.T, a *postgres.Action, evs ...actions.Event) (failed []int) {
	t.Helper()
	require.NoError(t, a.Check())
	errs := a.DoBatch(t.Context(), evs)
	if errs == nil {
		return nil
	}
	require.Len(t, errs, len(evs))
	for i, err := range errs {
		if err != nil {
			require.ErrorIs(t, err, actions.ErrPermanent, "event %d", i)
			failed = append(failed, i)
		}
	}
	return failed
}

// What a device sends as JSON arrives as what the column is, exactly.
func TestValues(t *testing.T) {
	t.Parallel()
	db, c := local(t), connect(t)
	exec(t, c, `DROP TYPE IF EXISTS mood CASCADE`)
	exec(t, c, `DROP DOMAIN IF EXISTS percent CASCADE`)
	exec(t, c, `CREATE TYPE mood AS ENUM ('calm', 'wild')`)
	exec(t, c, `CREATE DOMAIN percent AS numeric(5,2) CHECK (VALUE BETWEEN 0 AND 100)`)
	const refused = "refused"
	for i, v := range []struct{ column, value, want string }{
		{"int", "31", "31"},
		{"int", "31.0", "31"},
		{"int", "-3.1e1", "-31"},
		{"int", `"31"`, "31"},
		{"int", "31.5", refused},
		{"int", "2147483648", refused},
		{"int", `"many"`, refused},
		{"int", "true", refused},
		{"bigint", "9223372036854775807", "9223372036854775807"},
		{"numeric", "12345678901234567890.123456789012345678901", "12345678901234567890.123456789012345678901"},
		{"numeric", "1.50", "1.50"},
		{"numeric(5,2)", "1.5", "1.50"},
		{"float8", "0.1", "0.1"},
		{"float8", "1e400", refused},
		{"text", `"it's \"\\ \t\n\r é 雪"`, "it's \"\\ \t\n\r é 雪"},
		{"text", `"'); DROP TABLE mood; --"`, "'); DROP TABLE mood; --"},
		{"text", `"\\N"`, `\N`},
		{"text", `"\\."`, `\.`},
		{"text", `""`, ""},
		{"text", "1.50", "1.50"},
		{"text", "true", "true"},
		{"text", `{"a": [1]}`, `{"a": [1]}`},
		{"text", `"\u0000"`, refused},
		{"varchar(3)", `"long"`, refused},
		{"bool", "true", "true"},
		{"bool", "0", "false"},
		{"bool", `"yes"`, "true"},
		{"uuid", `"8A3F0E0A-7D4B-4F7B-9A65-0F6D3B1F9E11"`, "8a3f0e0a-7d4b-4f7b-9a65-0f6d3b1f9e11"},
		{"uuid", `"pump-1"`, refused},
		{"timestamptz", "1700000000123", "2023-11-14 22:13:20.123+00"},
		{"timestamptz", "1700000000123.456", "2023-11-14 22:13:20.123456+00"},
		{"timestamptz", `"2023-11-14T23:13:20.5+01:00"`, "2023-11-14 22:13:20.5+00"},
		{"timestamptz", "1e30", refused},
		{"timestamptz", `"soon"`, refused},
		{"timestamp", "1700000000123", "2023-11-14 22:13:20.123"},
		{"date", "1700000000123", "2023-11-14"},
		{"date", `"2023-11-14"`, "2023-11-14"},
		{"interval", `"90 minutes"`, "01:30:00"},
		{"jsonb", `{"a": 1.50, "b": [null]}`, `{"a": 1.50, "b": [null]}`},
		{"jsonb", `"<a> & é"`, `"<a> & é"`},
		{"jsonb", "1.50", "1.50"},
		{"jsonb", "[1, 2]", "[1, 2]"},
		{"jsonb", `{"a": "\u0000"}`, refused},
		{"json", `{"a" : 1}`, `{"a" : 1}`},
		{"json", `"<a>"`, `"<a>"`},
		{"bytea", `"AAEC/w=="`, `\x000102ff`},
		{"bytea", `"\\x00ff"`, `\x00ff`},
		{"bytea", `"not base64"`, refused},
		{"bytea", "1", refused},
		{"int[]", "[1, 2.0, null]", "{1,2,NULL}"},
		{"float8[]", "[[1.5, 2], [3, 4]]", "{{1.5,2},{3,4}}"},
		{"float8[]", "[[1], [2, 3]]", refused},
		{"text[]", `["a", "it's \"\\ ,{}", "NULL", "", null, 1.50, true]`, `{a,"it's \"\\ ,{}","NULL","",NULL,1.50,true}`},
		{"jsonb[]", `[{"a": "b\"\\"}, [1]]`, `{"{\"a\": \"b\\\"\\\\\"}",[1]}`},
		{"timestamptz[]", "[1700000000123]", `{"2023-11-14 22:13:20.123+00"}`},
		{"int[]", "[]", "{}"},
		{"int[]", `["x"]`, refused},
		{"mood", `"wild"`, "wild"},
		{"mood", `"tame"`, refused},
		{"percent", "12.5", "12.50"},
		{"percent", "101", refused},
		{"inet", `"10.0.0.1"`, "10.0.0.1/32"},
		{"point", `"(1,2)"`, "(1,2)"},
		{"int4range", `"[1,5)"`, "[1,5)"},
	} {
		t.Run(fmt.Sprintf("%d %s %s", i, v.column, v.value), func(t *testing.T) {
			table := create(t, c, "v "+v.column)
			for _, a := range []*postgres.Action{
				db.Action(postgres.Action{Statement: "INSERT INTO " + table + " VALUES (${v})"}),
				db.Action(postgres.Action{Table: table, Members: []string{"v"}}),
				db.Action(postgres.Action{Table: table, Columns: map[string]string{"v": "$payload.v"}, Mode: "copy"}),
			} {
				ev := event(`{"v":` + v.value + `}`)
				if a.Statement != "" {
					ev.Params = []string{v.value}
				}
				exec(t, c, "TRUNCATE "+table)
				failed := do(t, a, ev)
				got := texts(t, c, "SELECT v::text FROM "+table)
				if v.want == refused {
					require.Equal(t, []int{0}, failed, "%v", got)
					continue
				}
				require.Nil(t, failed, "%v", a.DoBatch(t.Context(), []actions.Event{ev}))
				require.Equal(t, []string{v.want}, got)
			}
		})
	}
}

// What is Undefined, null or not there is NULL.
func TestNull(t *testing.T) {
	t.Parallel()
	db, c := local(t), connect(t)
	table := create(t, c, "a int, b text, c jsonb, d bytea, e timestamptz, f int[]")
	a := db.Action(postgres.Action{Table: table, Columns: map[string]string{"a": "${a}", "b": "${b}", "e": "$payload.e"}, Members: []string{"c", "d", "f"}})
	require.Nil(t, do(t, a, event(`{"c":null,"x":1}`, "null", "null")))
	require.Equal(t, []string{"0"}, texts(t, c, "SELECT num_nonnulls(a, b, c, d, e, f)::text FROM "+table))
}

// The outgoing payload is written as it is.
func TestPayload(t *testing.T) {
	t.Parallel()
	db, c := local(t), connect(t)
	for _, v := range []struct {
		column, payload, want string
		refused               bool
	}{
		{"jsonb", ` {"a":1.50} `, `{"a": 1.50}`, false},
		{"jsonb", "not JSON", "", true},
		{"jsonb", "", "", true},
		{"text", "not\tJSON\n\\N", "not\tJSON\n\\N", false},
		{"text", "\xff", "", true},
		{"text", "a\x00b", "", true},
		{"bytea", "a\x00\xff\\x", `\x6100ff5c78`, false},
		{"bytea", "", `\x`, false},
	} {
		for _, mode := range []string{"insert", "copy"} {
			table := create(t, c, "payload "+v.column)
			failed := do(t, db.Action(postgres.Action{Table: table, Mode: mode}), event(v.payload))
			if v.refused {
				require.Equal(t, []int{0}, failed, v.payload)
				continue
			}
			require.Nil(t, failed, v.payload)
			require.Equal(t, []string{v.want}, texts(t, c, "SELECT payload::text FROM "+table))
		}
	}
	table := create(t, c, "v int")
	require.Equal(t, []int{0}, do(t, db.Action(postgres.Action{Table: table, Members: []string{"v"}}), event("[1]")), "no object")
}

// Whichever events of a batch cannot be written, the others are, in their order.
func TestPoison(t *testing.T) {
	t.Parallel()
	db, c := local(t), connect(t)
	parent := create(t, c, "id int PRIMARY KEY")
	exec(t, c, "INSERT INTO "+parent+" VALUES (1)")
	const (
		good    = `{"v":%d,"p":1}`
		kind    = `{"v":"x%d","p":1}` // not a number
		check   = `{"v":-%d,"p":1}`   // a constraint
		missing = `{"w":%d,"p":1}`    // NOT NULL
		orphan  = `{"v":%d,"p":2}`    // a deferred constraint
		binary  = `{"v":%d,"p":1,"b":"?"}`
		twice   = `{"v":1000,"p":1,"x":%d}` // the first one is good
	)
	const columns = "id serial, v int NOT NULL CHECK (v > 0), p int REFERENCES %s DEFERRABLE INITIALLY DEFERRED, b bytea, UNIQUE (v)"
	for round, mix := range [][]string{
		{good},
		{kind},
		{good, kind},
		{check, good, good},
		{good, orphan},
		{orphan},
		{good, good, good, missing, orphan},
		{good, binary},
		{good, twice},
		{good, kind, check, missing, orphan, binary, twice},
		{good, good, good, good, good, good, good, kind, twice},
	} {
		for _, mode := range []string{"insert", "copy", "statement"} {
			r := rand.New(rand.NewPCG(uint64(round), 1))
			table := create(t, c, fmt.Sprintf(columns, parent))
			a := postgres.Action{Table: table, Members: []string{"v", "p", "b"}, Mode: mode}
			if mode == "statement" {
				a = postgres.Action{Statement: "INSERT INTO " + table + " (v, p, b) VALUES ($payload.v, $payload.p, $payload.b)"}
			}
			var evs []actions.Event
			want := []string{}
			var bad []int
			thousand := false
			for i := range 1 + r.IntN(60) {
				form := mix[r.IntN(len(mix))]
				evs = append(evs, event(fmt.Sprintf(form, i+1)))
				switch {
				case form == good:
					want = append(want, fmt.Sprint(i+1))
				case form == twice && !thousand:
					thousand = true
					want = append(want, "1000")
				default:
					bad = append(bad, i)
				}
			}
			failed := do(t, db.Action(a), evs...)
			require.Equal(t, bad, failed, "round %d, %s", round, mode)
			require.Equal(t, want, texts(t, c, "SELECT v::text FROM "+table+" ORDER BY id"), "round %d, %s", round, mode)
		}
	}
}

func TestOnConflict(t *testing.T) {
	t.Parallel()
	db, c := local(t), connect(t)
	evs := []actions.Event{event(`{"k":1,"v":"a"}`), event(`{"k":2,"v":"b"}`), event(`{"k":1,"v":"c"}`)}
	for _, v := range []struct {
		a      postgres.Action
		failed []int
		want   []string
	}{
		{postgres.Action{}, []int{2}, []string{"1a", "2b"}},
		{postgres.Action{OnConflict: "error"}, []int{2}, []string{"1a", "2b"}},
		{postgres.Action{Mode: "copy"}, []int{2}, []string{"1a", "2b"}},
		{postgres.Action{OnConflict: "nothing"}, nil, []string{"1a", "2b"}},
		{postgres.Action{OnConflict: "nothing", Key: []string{"k"}}, nil, []string{"1a", "2b"}},
		{postgres.Action{OnConflict: "update", Key: []string{"k"}}, nil, []string{"1c", "2b"}},
	} {
		v.a.Table = create(t, c, "k int PRIMARY KEY, v text")
		v.a.Members = []string{"k", "v"}
		require.Equal(t, v.failed, do(t, db.Action(v.a), evs...), "%+v", v.a)
		require.Equal(t, v.want, texts(t, c, "SELECT k || v FROM "+v.a.Table+" ORDER BY k"), "%+v", v.a)
	}

	// All columns are the key: there is nothing to update.
	table := create(t, c, "k int PRIMARY KEY")
	a := db.Action(postgres.Action{Table: table, Members: []string{"k"}, OnConflict: "update", Key: []string{"k"}})
	require.Nil(t, do(t, a, evs...))
	require.Equal(t, []string{"1", "2"}, texts(t, c, "SELECT k::text FROM "+table+" ORDER BY k"))

	// Without an index for the key nothing can be written, until there is one.
	table = create(t, c, "k int, v text")
	a = db.Action(postgres.Action{Table: table, Members: []string{"k", "v"}, OnConflict: "update", Key: []string{"k"}})
	err := a.Do(t.Context(), evs[0])
	require.ErrorContains(t, err, "42P10")
	require.NotErrorIs(t, err, actions.ErrPermanent)
	exec(t, c, "CREATE UNIQUE INDEX ON "+table+" (k)")
	require.Nil(t, do(t, a, evs...))
}

// Names that need quotes, and a table with its schema.
func TestNames(t *testing.T) {
	t.Parallel()
	db, c := local(t), connect(t)
	exec(t, c, `DROP SCHEMA IF EXISTS "The Plant" CASCADE`)
	exec(t, c, `CREATE SCHEMA "The Plant"`)
	exec(t, c, `CREATE TABLE "The Plant"."Read""ings" ("select" int, "a""b" text)`)
	for _, mode := range []string{"insert", "copy"} {
		a := db.Action(postgres.Action{Table: `The Plant.Read"ings`, Columns: map[string]string{"select": "${v}", `a"b`: "x"}, Mode: mode})
		require.Nil(t, do(t, a, event("", `"x"`, "1")))
	}
	require.Equal(t, []string{"1x", "1x"}, texts(t, c, `SELECT "select" || "a""b" FROM "The Plant"."Read""ings"`))
}

// A statement can be anything that has parameters.
func TestStatements(t *testing.T) {
	t.Parallel()
	db, c := local(t), connect(t)
	table := create(t, c, "device text PRIMARY KEY, n int, doc jsonb")
	exec(t, c, `CREATE OR REPLACE FUNCTION ingest(d text, doc jsonb) RETURNS SETOF int LANGUAGE sql AS
		'INSERT INTO `+table+` VALUES (d, (doc->>''n'')::int, doc); SELECT generate_series(1, 3)'`)
	require.Nil(t, do(t, db.Action(postgres.Action{Statement: "SELECT ingest(${clientid()}, $payload)"}),
		event(`{"n":1}`, `"a"`), event(`{"n":5}`, `"b"`)))
	require.Nil(t, do(t, db.Action(postgres.Action{Statement: "UPDATE " + table + " SET n = n + ${n} WHERE device = ${d};"}), event("", "2.0", `"a"`)))
	require.Nil(t, do(t, db.Action(postgres.Action{Statement: "DELETE FROM " + table + " WHERE doc @> $payload"}), event(`{"n":5}`)))
	require.Equal(t, []string{"a 3"}, texts(t, c, "SELECT device || ' ' || n FROM "+table))
	exec(t, c, "CREATE OR REPLACE PROCEDURE bump(d text) LANGUAGE plpgsql AS 'BEGIN IF d = ''x'' THEN RAISE ''not that one''; END IF; UPDATE "+table+" SET n = n + 1; END'")
	require.Equal(t, []int{1}, do(t, db.Action(postgres.Action{Statement: "CALL bump(${d})"}), event("", `"a"`), event("", `"x"`), event("", `"b"`)))
	require.Equal(t, []string{"a 5"}, texts(t, c, "SELECT device || ' ' || n FROM "+table))
	err := db.Action(postgres.Action{Statement: "SELEKT ${a}"}).Do(t.Context(), event("", "1"))
	require.ErrorIs(t, err, actions.ErrPermanent)
	require.ErrorContains(t, err, "42601")
}

// A schema that changes while statements are prepared holds nothing up.
func TestSchemaChanges(t *testing.T) {
	t.Parallel()
	c := connect(t)
	for _, more := range []string{"", "&default_query_exec_mode=exec"} {
		db := open(t, postgres.Config{DSN: dsn(servertest.Postgres(t)) + more, MaxConns: 1})
		for _, mode := range []string{"insert", "copy"} {
			table := create(t, c, "id serial, v int")
			a := db.Action(postgres.Action{Table: table, Members: []string{"v"}, Mode: mode})
			require.Nil(t, do(t, a, event(`{"v":1}`)))
			exec(t, c, "ALTER TABLE "+table+" ALTER v TYPE numeric")
			require.Nil(t, do(t, a, event(`{"v":1.5}`)))
			exec(t, c, "ALTER TABLE "+table+" ALTER v TYPE jsonb USING to_jsonb(v)")
			require.Equal(t, []int(nil), do(t, a, event(`{"v":{"a":2}}`), event(`{"v":"x"}`)))
			exec(t, c, "ALTER TABLE "+table+" ALTER v TYPE bytea USING ''")
			require.Equal(t, []int{0}, do(t, a, event(`{"v":1}`), event(`{"v":"AAEC"}`)))
			exec(t, c, "ALTER TABLE "+table+" ALTER v TYPE text USING 'x'")
			require.Nil(t, do(t, a, event(`{"v":"a b"}`)))
			require.Equal(t, []string{"x", "x", "x", "x", "x", "a b"}, texts(t, c, "SELECT v FROM "+table+" ORDER BY id"))
			exec(t, c, "ALTER TABLE "+table+" RENAME v TO w")
			err := a.Do(t.Context(), event(`{"v":1}`))
			require.ErrorContains(t, err, "42703")
			require.NotErrorIs(t, err, actions.ErrPermanent, "a column may come back")
		}
	}
}

// A pooler may forget what was prepared.
func TestDiscarded(t *testing.T) {
	t.Parallel()
	c := connect(t)
	discard := false
	db := open(t, postgres.Config{DSN: dsn(servertest.Postgres(t)), MaxConns: 1, Configure: func(pc *pgxpool.Config) {
		pc.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
			if !discard {
				return true, nil
			}
			return true, conn.PgConn().Exec(ctx, "DISCARD ALL").Close()
		}
	}})
	table := create(t, c, "payload jsonb")
	a := db.Action(postgres.Action{Table: table})
	require.Nil(t, do(t, a, event("1")))
	discard = true
	require.Nil(t, do(t, a, event("2"), event("3")))
	require.Equal(t, []string{"1", "2", "3"}, texts(t, c, "SELECT payload::text FROM "+table))
}

// Any text arrives as it was sent, however it is brought there.
func TestTextsSurvive(t *testing.T) {
	t.Parallel()
	db, c := local(t), connect(t)
	table := create(t, c, "v text, l text[]")
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("ab'\"\\,{}()\t\n\r\b\v N.x$%é雪\U0001f600;")
	var sent []string
	var evs []actions.Event
	for range 300 {
		text := make([]rune, r.IntN(8))
		for i := range text {
			text[i] = alphabet[r.IntN(len(alphabet))]
		}
		sent = append(sent, string(text))
		j := string(marshal(t, string(text)))
		evs = append(evs, event(`{"v":`+j+`,"l":[`+j+`]}`))
	}
	for _, mode := range []string{"insert", "copy"} {
		exec(t, c, "TRUNCATE "+table)
		require.Nil(t, do(t, db.Action(postgres.Action{Table: table, Members: []string{"v", "l"}, Mode: mode}), evs...))
		require.Equal(t, sent, texts(t, c, "SELECT v FROM "+table), mode)
		require.Equal(t, sent, texts(t, c, "SELECT l[1] FROM "+table), mode)
	}
}

// Errors say what and not who may.
func TestErrors(t *testing.T) {
	t.Parallel()
	c := connect(t)
	for _, bad := range []string{
		"postgres://u:s3cret@[::1/db", "postgres://u:s3cret%zz@h/db", "host=h password='s3cret", "postgres://u:s3cret@h/db?sslmode=s3cret",
		"host=h password=s3cret port=s3cret", "s3cret",
	} {
		_, err := postgres.Open(postgres.Config{DSN: bad})
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "s3cret")
	}
	_, err := postgres.Open(postgres.Config{MaxConns: -1})
	require.ErrorContains(t, err, "MaxConns is -1")

	table := create(t, c, "v int")
	port, err := servertest.Port()
	require.NoError(t, err)
	nobody := open(t, postgres.Config{DSN: "postgres://u:s3cret@" + servertest.Addr(port) + "/db?sslmode=disable"})
	a := nobody.Action(postgres.Action{Table: table, Members: []string{"v"}})
	err = a.Do(t.Context(), event(`{"v":1}`))
	require.ErrorContains(t, err, "connect")
	require.NotErrorIs(t, err, actions.ErrPermanent)
	require.NotContains(t, err.Error(), "s3cret")

	elsewhere := open(t, postgres.Config{DSN: strings.Replace(dsn(servertest.Postgres(t)), "/postgres?", "/missing?", 1)})
	err = elsewhere.Action(postgres.Action{Table: table, Members: []string{"v"}}).Do(t.Context(), event(`{"v":1}`))
	require.ErrorContains(t, err, "3D000")
	require.NotErrorIs(t, err, actions.ErrPermanent)

	// What a device sends does not flood the log.
	err = local(t).Action(postgres.Action{Table: table, Members: []string{"v"}}).Do(t.Context(), event(`{"v":"`+strings.Repeat("é", 100_000)+`"}`))
	require.ErrorIs(t, err, actions.ErrPermanent)
	require.Less(t, len(err.Error()), 400)

	// A client that was closed says so.
	closed := open(t, postgres.Config{DSN: dsn(servertest.Postgres(t))})
	require.NoError(t, closed.Ping(t.Context()))
	require.NoError(t, closed.Close())
	require.NoError(t, closed.Close())
	require.Error(t, closed.Ping(t.Context()))
	require.ErrorContains(t, closed.Action(postgres.Action{Table: table, Members: []string{"v"}}).Do(t.Context(), event(`{"v":1}`)), "closed")

	// An action without a client does not panic.
	var none postgres.Action
	require.Error(t, none.Check())
	require.ErrorIs(t, none.Do(t.Context(), event("1")), actions.ErrPermanent)
	require.Nil(t, none.Sink())
}

func TestBatch(t *testing.T) {
	t.Parallel()
	db := local(t)
	b := db.Action(postgres.Action{Table: "t"}).Batch()
	require.Equal(t, 500, b.Events)
	require.True(t, b.AcrossTopics && b.Parallel)
	require.Equal(t, 7, db.Action(postgres.Action{Table: "t", BatchSize: 7}).Batch().Events)
	require.Equal(t, "postgres", db.Sink().Kind())
	require.True(t, slices.Contains([]string{"default"}, db.Sink().Name()))
}
