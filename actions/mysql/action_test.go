package mysql_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/mysql"
	"github.com/thinghub/thinghub/internal/servertest"
)

// local is a client of the shared server.
func local(tb testing.TB) *mysql.Client {
	tb.Helper()
	return open(tb, mysql.Config{DSN: dsn(servertest.MariaDB(tb))})
}

// event is an event whose templates were rendered to JSON texts.
func event(payload string, params ...string) actions.Event {
	return actions.Event{Rule: "r", Payload: []byte(payload), Message: &actions.Message{Topic: "t", TraceID: actions.NewTraceID()}, Params: params, Attempt: 1}
}

// do writes events and returns which failed for good; others must not fail.
func do(t *testing.T, a *mysql.Action, evs ...actions.Event) (failed []int) {
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

// What a device sends as JSON arrives as what the column is.
func TestValues(t *testing.T) {
	t.Parallel()
	client, db := local(t), connect(t)
	const refused = "refused"
	for i, v := range []struct {
		column, value, want string
		// statement is what a statement, which does not know the column, makes of it;
		// empty: the same.
		statement string
	}{
		{"int", "31", "31", ""},
		{"int", "31.0", "31", ""},
		{"int", "-3.1e1", "-31", ""},
		{"int", `"31"`, "31", ""},
		{"int", "31.5", refused, "32"},
		{"int", "2147483648", refused, ""},
		{"int", `"many"`, refused, ""},
		{"tinyint(1)", "true", "1", ""},
		{"tinyint(1)", "false", "0", ""},
		{"bigint", "-9223372036854775808", "-9223372036854775808", ""},
		{"bigint unsigned", "18446744073709551615", "18446744073709551615", ""},
		{"bigint", "18446744073709551615", refused, ""},
		{"decimal(60,21)", "12345678901234567890.123456789012345678901", "12345678901234567890.123456789012345678901", ""},
		{"decimal(5,2)", "1.5", "1.50", ""},
		{"decimal(5,2)", "1000", refused, ""},
		{"double", "0.1", "0.1", ""},
		{"double", "1e400", refused, ""},
		{"varchar(40)", `"it's \"\\ \t\n\r é 雪😀"`, "it's \"\\ \t\n\r é 雪😀", ""},
		{"varchar(40)", `"'); DROP TABLE t; -- "`, "'); DROP TABLE t; -- ", ""},
		{"varchar(40)", `""`, "", ""},
		{"varchar(40)", "1.50", "1.50", ""},
		{"varchar(40)", "true", "true", "1"},
		{"varchar(40)", `{"a": [1]}`, `{"a": [1]}`, ""},
		{"varchar(3)", `"long"`, refused, ""},
		{"varchar(40)", "\"\xff\"", refused, ""},
		{"enum('calm','wild')", `"wild"`, "wild", ""},
		{"enum('calm','wild')", `"tame"`, refused, ""},
		{"datetime(6)", "1700000000123.456", "2023-11-14 22:13:20.123456", refused},
		{"datetime(3)", "1700000000123", "2023-11-14 22:13:20.123", refused},
		{"timestamp(3)", "1700000000123", "2023-11-14 22:13:20.123", refused},
		{"timestamp(3)", `"2023-11-14T23:13:20.5+01:00"`, "2023-11-14 22:13:20.500", "?"},
		{"timestamp(3)", `"2023-11-14T22:13:20.5Z"`, "2023-11-14 22:13:20.500", "?"},
		{"timestamp(3)", `"2023-11-14 22:13:20.5"`, "2023-11-14 22:13:20.500", ""},
		{"timestamp(3)", "1e30", refused, ""},
		{"timestamp(3)", `"soon"`, refused, ""},
		{"date", "1700000000123", "2023-11-14", refused},
		{"date", `"2023-11-14"`, "2023-11-14", ""},
		{"time", `"01:30:00"`, "01:30:00", ""},
		{"json", `{"a": 1.50, "b": [null]}`, `{"a": 1.50, "b": [null]}`, ""},
		{"json", "[1, 2]", "[1, 2]", ""},
		{"json", "1.50", "1.50", ""},
		{"json", `"not quoted"`, refused, ""}, // json is longtext with a check in MariaDB
		{"blob", `"AAEC/w=="`, "\x00\x01\x02\xff", "AAEC/w=="},
		{"varbinary(40)", `"AAEC/w=="`, "\x00\x01\x02\xff", "AAEC/w=="},
		{"blob", `"not base64"`, refused, "not base64"},
		{"blob", "1", refused, "1"},
		{"int CHECK (v < 5)", "5", refused, ""},
		{"int NOT NULL", "null", refused, ""},
		{"uuid", `"8a3f0e0a-7d4b-4f7b-9a65-0f6d3b1f9e11"`, "8a3f0e0a-7d4b-4f7b-9a65-0f6d3b1f9e11", ""},
		{"uuid", `"pump-1"`, refused, ""},
	} {
		t.Run(fmt.Sprintf("%d %s %s", i, v.column, v.value), func(t *testing.T) {
			table := create(t, db, "v "+v.column)
			for _, a := range []*mysql.Action{
				client.Action(mysql.Action{Table: table, Members: []string{"v"}}),
				client.Action(mysql.Action{Statement: "INSERT INTO " + table + " VALUES (${v})"}),
			} {
				ev, want := event(`{"v":`+v.value+`}`), v.want
				if a.Statement != "" {
					ev.Params = []string{v.value}
					if v.statement == "?" {
						continue // as the server likes it
					}
					if v.statement != "" {
						want = v.statement
					}
				}
				exec(t, db, "TRUNCATE "+table)
				errs := a.DoBatch(t.Context(), []actions.Event{ev})
				got := texts(t, db, "SELECT v FROM "+table)
				if want == refused {
					require.NotNil(t, errs, "%q", got)
					require.ErrorIs(t, errs[0], actions.ErrPermanent)
					require.Empty(t, got)
					continue
				}
				require.Nil(t, errs)
				require.Equal(t, []string{want}, got)
			}
		})
	}
}

// What is Undefined, null or not there is NULL.
func TestNull(t *testing.T) {
	t.Parallel()
	client, db := local(t), connect(t)
	table := create(t, db, "a int, b text, c json, d blob, e timestamp NULL")
	a := client.Action(mysql.Action{Table: table, Columns: map[string]string{"a": "${a}", "b": "${b}", "e": "$payload.e"}, Members: []string{"c", "d"}})
	require.Nil(t, do(t, a, event(`{"c":null,"x":1}`, "null", "null")))
	require.Equal(t, []string{"0"}, texts(t, db, "SELECT concat((a IS NOT NULL) + (b IS NOT NULL) + (c IS NOT NULL) + (d IS NOT NULL) + (e IS NOT NULL)) FROM "+table))
}

// The outgoing payload is written as it is.
func TestPayload(t *testing.T) {
	t.Parallel()
	client, db := local(t), connect(t)
	for _, v := range []struct {
		column, payload string
		refused         bool
	}{
		{"json", ` {"a":1.50} `, false},
		{"json", "not JSON", true},
		{"json", "", true},
		{"text", "not\tJSON\n\\N", false},
		{"text", "\xff", true},
		{"text", "a\x00b", false},
		{"blob", "a\x00\xff\\x", false},
		{"blob", "", false},
	} {
		table := create(t, db, "payload "+v.column)
		for _, a := range []mysql.Action{{Table: table}, {Statement: "INSERT INTO " + table + " VALUES ($payload)"}} {
			exec(t, db, "TRUNCATE "+table)
			failed := do(t, client.Action(a), event(v.payload))
			if v.refused {
				require.Equal(t, []int{0}, failed, v.payload)
				continue
			}
			require.Nil(t, failed, v.payload)
			require.Equal(t, []string{v.payload}, texts(t, db, "SELECT payload FROM "+table))
		}
	}
	table := create(t, db, "v int")
	require.Equal(t, []int{0}, do(t, client.Action(mysql.Action{Table: table, Members: []string{"v"}}), event("[1]")), "no object")
}

// Whichever events of a batch cannot be written, the others are, in their order.
func TestPoison(t *testing.T) {
	t.Parallel()
	client, db := local(t), connect(t)
	parent := create(t, db, "id int PRIMARY KEY")
	exec(t, db, "INSERT INTO "+parent+" VALUES (1)")
	const (
		good    = `{"v":%d,"p":1}`
		kind    = `{"v":"x%d","p":1}` // not a number
		check   = `{"v":-%d,"p":1}`   // a constraint
		missing = `{"w":%d,"p":1}`    // NOT NULL
		orphan  = `{"v":%d,"p":2}`    // a foreign key
		binary  = `{"v":%d,"p":1,"b":[1]}`
		twice   = `{"v":1000,"p":1,"x":%d}` // the first one is good
	)
	const columns = "id int AUTO_INCREMENT PRIMARY KEY, v int NOT NULL CHECK (v > 0), p int, b blob, UNIQUE (v), FOREIGN KEY (p) REFERENCES %s (id)"
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
		{good, kind, check, missing, orphan, twice},
		{good, good, good, good, good, good, good, kind, twice},
	} {
		for _, statement := range []bool{false, true} {
			r := rand.New(rand.NewPCG(uint64(round), 2))
			table := create(t, db, fmt.Sprintf(columns, parent))
			a := mysql.Action{Table: table, Members: []string{"v", "p", "b"}}
			if statement {
				a = mysql.Action{Statement: "INSERT INTO " + table + " (v, p) VALUES ($payload.v, $payload.p)"}
			}
			if statement && strings.Contains(strings.Join(mix, ""), `"b"`) {
				continue // it does not know that the column is binary
			}
			var evs []actions.Event
			want := []string{}
			var bad []int
			thousand := false
			for i := range 1 + r.IntN(340) {
				form := mix[r.IntN(len(mix))]
				if form != good && r.IntN(3) > 0 && len(mix) > 1 {
					form = good
				}
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
			failed := do(t, client.Action(a), evs...)
			require.Equal(t, bad, failed, "round %d, statement %t", round, statement)
			require.Equal(t, want, texts(t, db, "SELECT v FROM "+table+" ORDER BY id"), "round %d, statement %t", round, statement)
		}
	}
}

func TestOnConflict(t *testing.T) {
	t.Parallel()
	client, db := local(t), connect(t)
	evs := []actions.Event{event(`{"k":1,"v":"a"}`), event(`{"k":2,"v":"b"}`), event(`{"k":1,"v":"c"}`)}
	for _, v := range []struct {
		a      mysql.Action
		failed []int
		want   []string
	}{
		{mysql.Action{}, []int{2}, []string{"1a", "2b"}},
		{mysql.Action{OnConflict: "error"}, []int{2}, []string{"1a", "2b"}},
		{mysql.Action{OnConflict: "nothing"}, nil, []string{"1a", "2b"}},
		{mysql.Action{OnConflict: "nothing", Key: []string{"k"}}, nil, []string{"1a", "2b"}},
		{mysql.Action{OnConflict: "update", Key: []string{"k"}}, nil, []string{"1c", "2b"}},
	} {
		v.a.Table = create(t, db, "k int PRIMARY KEY, v text")
		v.a.Members = []string{"k", "v"}
		require.Equal(t, v.failed, do(t, client.Action(v.a), evs...), "%+v", v.a.OnConflict)
		require.Equal(t, v.want, texts(t, db, "SELECT concat(k, v) FROM "+v.a.Table+" ORDER BY k"), "%+v", v.a.OnConflict)
	}

	// All columns are the key: there is nothing to update.
	table := create(t, db, "k int PRIMARY KEY")
	a := client.Action(mysql.Action{Table: table, Members: []string{"k"}, OnConflict: "update", Key: []string{"k"}})
	require.Nil(t, do(t, a, evs...))
	require.Equal(t, []string{"1", "2"}, texts(t, db, "SELECT k FROM "+table+" ORDER BY k"))

	// What does not fit is an error all the same, and not something else.
	table = create(t, db, "k int PRIMARY KEY, v varchar(3) NOT NULL")
	a = client.Action(mysql.Action{Table: table, Members: []string{"k", "v"}, OnConflict: "nothing"})
	require.Equal(t, []int{0, 1}, do(t, a, event(`{"k":1,"v":"long"}`), event(`{"k":2}`), event(`{"k":3,"v":"ok"}`)))
}

// A server that is not strict is strict for us.
func TestStrict(t *testing.T) {
	t.Parallel()
	db := connect(t)
	table := create(t, db, "v tinyint NOT NULL")
	for _, more := range []string{"", "?sql_mode=%27%27"} {
		client := open(t, mysql.Config{DSN: dsn(servertest.MariaDB(t)) + more})
		failed := do(t, client.Action(mysql.Action{Statement: "INSERT INTO " + table + " VALUES (${v})"}), event("", "1000"))
		if more == "" {
			require.Equal(t, []int{0}, failed)
		} else {
			require.Nil(t, failed, "the DSN says otherwise")
		}
	}
}

// Names that need quotes, and a table with its database.
func TestNames(t *testing.T) {
	t.Parallel()
	client, db := local(t), connect(t)
	exec(t, db, "DROP DATABASE IF EXISTS `The Plant`")
	exec(t, db, "CREATE DATABASE `The Plant`")
	exec(t, db, "CREATE TABLE `The Plant`.`Read``ings` (`select` int, `a``b` text)")
	a := client.Action(mysql.Action{Table: "The Plant.Read`ings", Columns: map[string]string{"select": "${v}", "a`b": "x"}})
	require.Nil(t, do(t, a, event("", `"x"`, "1"), event("", `"x"`, "1")))
	require.Equal(t, []string{"1x", "1x"}, texts(t, db, "SELECT concat(`select`, `a``b`) FROM `The Plant`.`Read``ings`"))
}

// A statement can be anything that has parameters.
func TestStatements(t *testing.T) {
	t.Parallel()
	client, db := local(t), connect(t)
	table := create(t, db, "device varchar(40) PRIMARY KEY, n int, doc json")
	exec(t, db, "CREATE PROCEDURE ingest_"+table+"(d varchar(40), doc json) BEGIN "+
		"IF d = 'x' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not that one'; END IF; "+
		"INSERT INTO "+table+" VALUES (d, JSON_VALUE(doc, '$.n'), doc); SELECT 1; END")
	call := client.Action(mysql.Action{Statement: "CALL ingest_" + table + "(${clientid()}, $payload)"})
	require.Equal(t, []int{1}, do(t, call, event(`{"n":1}`, `"a"`), event(`{"n":5}`, `"x"`), event(`{"n":5}`, `"b"`)))
	require.Nil(t, do(t, client.Action(mysql.Action{Statement: "UPDATE " + table + " SET n = n + ${n} WHERE device = ${d};"}), event("", "2.0", `"a"`)))
	require.Nil(t, do(t, client.Action(mysql.Action{Statement: "DELETE FROM " + table + " WHERE n = $payload.n"}), event(`{"n":5}`)))
	require.Equal(t, []string{"a 3"}, texts(t, db, "SELECT concat(device, ' ', n) FROM "+table))
	err := client.Action(mysql.Action{Statement: "SELEKT ${a}"}).Do(t.Context(), event("", "1"))
	require.ErrorIs(t, err, actions.ErrPermanent)
	require.ErrorContains(t, err, "1064")
	err = client.Action(mysql.Action{Statement: "CALL missing(${a})"}).Do(t.Context(), event("", "1"))
	require.ErrorContains(t, err, "1305")
	require.NotErrorIs(t, err, actions.ErrPermanent, "a procedure may come")
}

// A schema that changes while its types are known holds nothing up.
func TestSchemaChanges(t *testing.T) {
	t.Parallel()
	db := connect(t)
	client := open(t, mysql.Config{DSN: dsn(servertest.MariaDB(t)), MaxConns: 1})
	table := create(t, db, "id int AUTO_INCREMENT PRIMARY KEY, v int")
	a := client.Action(mysql.Action{Table: table, Members: []string{"v"}})
	require.Nil(t, do(t, a, event(`{"v":1}`)))
	exec(t, db, "ALTER TABLE "+table+" MODIFY v decimal(9,1)")
	require.Nil(t, do(t, a, event(`{"v":1.5}`)))
	exec(t, db, "ALTER TABLE "+table+" MODIFY v varchar(40)")
	require.Nil(t, do(t, a, event(`{"v":"a"}`), event(`{"v":"b"}`)))
	exec(t, db, "UPDATE "+table+" SET v = '2023-11-14'")
	exec(t, db, "ALTER TABLE "+table+" MODIFY v datetime")
	require.Equal(t, []int{1}, do(t, a, event(`{"v":1700000000000}`), event(`{"v":"b"}`)))
	require.Equal(t, []string{"2023-11-14 00:00:00", "2023-11-14 22:13:20"}, texts(t, db, "SELECT DISTINCT v FROM "+table+" ORDER BY v"))
	exec(t, db, "ALTER TABLE "+table+" CHANGE v w datetime")
	err := a.Do(t.Context(), event(`{"v":1}`))
	require.ErrorContains(t, err, "1054")
	require.NotErrorIs(t, err, actions.ErrPermanent, "a column may come back")
	exec(t, db, "DELETE FROM "+table)
	exec(t, db, "ALTER TABLE "+table+" CHANGE w v int")
	require.Nil(t, do(t, a, event(`{"v":1}`)))
}

// Who may only insert does not know the types, and inserts.
func TestInsertOnly(t *testing.T) {
	t.Parallel()
	db := connect(t)
	table := create(t, db, "v int, w text")
	exec(t, db, "CREATE OR REPLACE USER writer IDENTIFIED BY 's3cret'")
	exec(t, db, "GRANT INSERT ON "+table+" TO writer")
	client := open(t, mysql.Config{DSN: "writer:s3cret@tcp(" + servertest.MariaDB(t) + ")/" + servertest.MariaDBDatabase})
	a := client.Action(mysql.Action{Table: table, Members: []string{"v", "w"}})
	require.Equal(t, []int{1}, do(t, a, event(`{"v":1,"w":"a"}`), event(`{"v":"x"}`), event(`{"v":2.0,"w":1.50}`)))
	require.Equal(t, []string{"1a", "21.50"}, texts(t, db, "SELECT concat(v, w) FROM "+table))
	exec(t, db, "REVOKE INSERT ON "+table+" FROM writer")
	err := a.Do(t.Context(), event(`{"v":1}`))
	require.ErrorContains(t, err, "denied")
	require.NotErrorIs(t, err, actions.ErrPermanent, "a right may come back")
	require.NotContains(t, err.Error(), "s3cret")
}

// Any text arrives as it was sent.
func TestTextsSurvive(t *testing.T) {
	t.Parallel()
	client, db := local(t), connect(t)
	table := create(t, db, "id int AUTO_INCREMENT PRIMARY KEY, v varchar(40)")
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("ab'\"\\,`%_?()\t\n\r\b\x00\x1a v#$-é雪\U0001f600;")
	var sent []string
	var evs []actions.Event
	for range 300 {
		text := make([]rune, r.IntN(8))
		for i := range text {
			text[i] = alphabet[r.IntN(len(alphabet))]
		}
		sent = append(sent, string(text))
		j, err := json.Marshal(string(text))
		require.NoError(t, err)
		evs = append(evs, event(`{"v":`+string(j)+`}`))
	}
	require.Nil(t, do(t, client.Action(mysql.Action{Table: table, Members: []string{"v"}}), evs...))
	require.Equal(t, sent, texts(t, db, "SELECT v FROM "+table+" ORDER BY id"))
	exec(t, db, "TRUNCATE "+table)
	require.Nil(t, do(t, client.Action(mysql.Action{Statement: "INSERT INTO " + table + " (v) VALUES ($payload.v)"}), evs...))
	require.Equal(t, sent, texts(t, db, "SELECT v FROM "+table+" ORDER BY id"))
}

// An event that is larger than the server takes fails, and the others are written.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	client, db := local(t), connect(t)
	for _, column := range []string{"longtext", "longblob"} {
		table := create(t, db, "payload "+column)
		large := strings.Repeat("y", 17<<20) // the server's max_allowed_packet is 16 MiB
		evs := []actions.Event{event("x1"), event("x2"), event(large), event("x3"), event("x4"), event("x5")}
		a := client.Action(mysql.Action{Table: table})
		errs := a.DoBatch(t.Context(), evs)
		require.Len(t, errs, len(evs))
		var again []actions.Event
		for i, err := range errs {
			require.Error(t, err)
			require.Equal(t, i == 2, errors.Is(err, actions.ErrPermanent), "event %d: %v", i, err)
			if i != 2 {
				again = append(again, evs[i])
			}
		}
		require.Nil(t, do(t, a, again...))
		require.Equal(t, []string{"x1", "x2", "x3", "x4", "x5"}, texts(t, db, "SELECT payload FROM "+table))
	}
}

// Errors say what and not who may.
func TestErrors(t *testing.T) {
	t.Parallel()
	db := connect(t)
	for _, bad := range []string{"u:s3cret@tcp(h:1/db", "u:s3cret@h", "s3cret", "u:p@tcp(h)/db?tls=s3cret", "u:p@tcp(h)/db?timeout=s3cret"} {
		_, err := mysql.Open(mysql.Config{DSN: bad})
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "s3cret")
	}
	_, err := mysql.Open(mysql.Config{DSN: "u@tcp(h)/db", MaxConns: -1})
	require.ErrorContains(t, err, "MaxConns is -1")

	table := create(t, db, "v int")
	port, err := servertest.Port()
	require.NoError(t, err)
	for _, elsewhere := range []string{
		"u:s3cret@tcp(" + servertest.Addr(port) + ")/db", // nobody is there
		"u:s3cret@tcp(" + servertest.MariaDB(t) + ")/thinghub",
		strings.Replace(dsn(servertest.MariaDB(t)), "/thinghub", "/missing", 1),
	} {
		for _, a := range []mysql.Action{{Table: table, Members: []string{"v"}}, {Statement: "INSERT INTO " + table + " VALUES (1)"}} {
			err = open(t, mysql.Config{DSN: elsewhere}).Action(a).Do(t.Context(), event(`{"v":1}`))
			require.Error(t, err)
			require.NotErrorIs(t, err, actions.ErrPermanent)
			require.NotContains(t, err.Error(), "s3cret")
		}
	}

	// What a device sends does not flood the log.
	client := local(t)
	err = client.Action(mysql.Action{Table: table, Members: []string{"v"}}).Do(t.Context(), event(`{"v":"`+strings.Repeat("é", 100_000)+`"}`))
	require.ErrorIs(t, err, actions.ErrPermanent)
	require.Less(t, len(err.Error()), 400)

	// Values are bound whatever is configured.
	pasting := open(t, mysql.Config{DSN: dsn(servertest.MariaDB(t)), Configure: func(c *driver.Config) {
		c.InterpolateParams, c.MultiStatements = true, true
	}})
	before := executed(t, db)
	require.Nil(t, do(t, pasting.Action(mysql.Action{Statement: "INSERT INTO " + table + " VALUES (${v})"}), event("", "1")))
	require.Greater(t, executed(t, db), before)

	// A client that was closed says so.
	require.NoError(t, client.Ping(t.Context()))
	require.NoError(t, client.Close())
	require.NoError(t, client.Close())
	require.Error(t, client.Ping(t.Context()))
	require.ErrorContains(t, client.Action(mysql.Action{Table: table, Members: []string{"v"}}).Do(t.Context(), event(`{"v":1}`)), "closed")

	// An action without a client does not panic.
	var none mysql.Action
	require.Error(t, none.Check())
	require.ErrorIs(t, none.Do(t.Context(), event("1")), actions.ErrPermanent)
	require.Nil(t, none.Sink())
}

// executed is how many prepared statements the server has executed.
func executed(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'").Scan(new(string), &n))
	return n
}

func TestBatch(t *testing.T) {
	t.Parallel()
	client := local(t)
	b := client.Action(mysql.Action{Table: "t"}).Batch()
	require.Equal(t, 500, b.Events)
	require.True(t, b.AcrossTopics && b.Parallel)
	require.Equal(t, 7, client.Action(mysql.Action{Table: "t", BatchSize: 7}).Batch().Events)
	require.Equal(t, "mysql", client.Sink().Kind())
}

// A client keeps a bounded number of prepared statements.
func TestManyStatements(t *testing.T) {
	t.Parallel()
	client, db := local(t), connect(t)
	table := create(t, db, "v int")
	const n = 700
	for i := range n {
		a := client.Action(mysql.Action{Statement: fmt.Sprintf("INSERT INTO %s VALUES (${v} + %d)", table, i)})
		require.Nil(t, do(t, a, event("", "1")))
	}
	require.Equal(t, []string{fmt.Sprint(n)}, texts(t, db, "SELECT count(*) FROM "+table))
	require.LessOrEqual(t, mysql.Statements(client), 512)
}
