package clickhouse_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/clickhouse"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

var tables atomic.Int64

// table makes a table that nothing else uses.
func table(tb testing.TB, addr, columns, engine string) string {
	tb.Helper()
	name := fmt.Sprintf("t%d", tables.Add(1))
	servertest.ClickHouseQuery(tb, addr, "CREATE TABLE "+name+" ("+columns+") ENGINE = "+engine)
	return name
}

func config(addr string) clickhouse.Config {
	return clickhouse.Config{
		URL: "http://" + addr, Username: servertest.ClickHouseUser, Password: servertest.ClickHousePassword, Database: "default",
		Settings: map[string]string{"date_time_input_format": "best_effort"},
		Sink:     sinktest.Quick("clickhouse", "db"),
	}
}

// read returns the rows of a table as JSON, in the order in which they were written.
func read(tb testing.TB, addr, columns, name string) []string {
	tb.Helper()
	text := servertest.ClickHouseQuery(tb, addr, "SELECT "+columns+" FROM "+name+" FORMAT JSONEachRow")
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// TestTypes writes values of many types and reads them back.
func TestTypes(t *testing.T) {
	t.Parallel()
	addr := servertest.ClickHouse(t)
	const columns = "s String, i Int64, u UInt64, f Float64, d Decimal(18,4), t DateTime, day Date, id UUID, e Enum8('on' = 1, 'off' = 2), a Array(Int32), n Nullable(Float64), absent Int8 DEFAULT 7, `x.k` Array(String), `x.v` Array(Int8)"
	for _, gzip := range []bool{false, true} {
		name := table(t, addr, columns, "Log")
		cfg := config(addr)
		cfg.Gzip = gzip
		a := open(t, cfg).Insert(clickhouse.Insert{Table: name, Columns: []string{"s", "i", "u", "f", "d", "t", "day", "id", "e", "a", "n", "x.k", "x.v"}})
		require.NoError(t, a.Check())
		text := `é☃ "q" \\ \u2028 \u0000 \n '); DROP TABLE x; --`
		payload := `{"s":"` + strings.ReplaceAll(text, `"q"`, `\"q\"`) + `","i":-9007199254740993,"u":18446744073709551615,"f":21.5,"d":12345.6789,"t":"2026-01-02T03:04:05Z","day":"2026-01-02",` +
			`"id":"61f0c404-5cb3-11e7-907b-a6006ad3dba0","e":"off","a":[1,-2],"n":null,"x.k":["a","b"],"x.v":[1,2],"other":"left out"}`
		require.NoError(t, a.Do(t.Context(), event(1, payload)))
		require.Equal(t, "1", strings.TrimSpace(servertest.ClickHouseQuery(t, addr, "SELECT count() FROM "+name+" WHERE s = '"+
			"é☃ \"q\" \\\\ \u2028 \\0 \\n \\'); DROP TABLE x; --' AND i = -9007199254740993 AND u = 18446744073709551615 AND f = 21.5 AND toString(d) = '12345.6789'"+
			" AND t = toDateTime('2026-01-02 03:04:05', 'UTC') AND day = toDate('2026-01-02') AND toString(id) = '61f0c404-5cb3-11e7-907b-a6006ad3dba0' AND e = 'off' AND a = [1, -2]"+
			" AND n IS NULL AND absent = 7 AND `x.k` = ['a', 'b'] AND `x.v` = [1, 2]")))
	}
}

// TestRefusedByServer checks that the events whose rows the server refuses fail, and no
// others.
func TestRefusedByServer(t *testing.T) {
	t.Parallel()
	addr := servertest.ClickHouse(t)
	const columns = "n Int32, e Enum8('a' = 1), d Date, t DateTime, u UUID, f FixedString(2), ar Array(Int8), dec Decimal(9,2), fl Float64"
	name := table(t, addr, columns, "Log")
	a := open(t, config(addr)).Insert(clickhouse.Insert{Table: name})
	require.NoError(t, a.Check())
	bad := []string{
		`{"n":"x"}`, `{"n":1.5}`, `{"e":"zz"}`, `{"e":{"a":1}}`, `{"d":"bad"}`, `{"t":"yesterday"}`, `{"u":"nope"}`, `{"f":"too long"}`, `{"ar":["x"]}`, `{"ar":5}`, `{"dec":123456789012.5}`,
		`{"fl":"x"}`, `{"f":"\ud800"}`, `{"unknown":1}`, `{"n":1,"n":2}`, `[{"n":-1},{"n":"x"}]`,
	}
	var evs []actions.Event
	var want []string
	for i, payload := range bad {
		good := fmt.Sprintf(`{"n":%d}`, i+1)
		want = append(want, good)
		evs = append(evs, event(byte(2*i), good), event(byte(2*i+1), payload))
	}
	for i, err := range a.DoBatch(t.Context(), evs) {
		if i%2 == 1 {
			require.ErrorIs(t, err, actions.ErrPermanent, bad[i/2])
		} else {
			require.NoError(t, err, evs[i].Payload)
		}
	}
	require.Equal(t, want, read(t, addr, "n", name), "each once, in order")

	// What is wrong with more than the rows waits until it is mended.
	good := event(1, `{"n":1}`)
	wrongPassword := config(addr)
	wrongPassword.Password = "wrong"
	noDatabase := config(addr)
	noDatabase.Database = "absent"
	badSetting := config(addr)
	badSetting.Settings = map[string]string{"no_such_setting": "1"}
	for want, a := range map[string]*clickhouse.Action{
		"Table default.absent doesn't exist": open(t, config(addr)).Insert(clickhouse.Insert{Table: "absent"}),
		"No such column k":                   open(t, config(addr)).Insert(clickhouse.Insert{Table: name, Columns: []string{"n", "k"}}),
		"Wrong password":                     open(t, wrongPassword).Insert(clickhouse.Insert{Table: name}),
		"Database absent doesn't exist":      open(t, noDatabase).Insert(clickhouse.Insert{Table: name}),
		"Unknown setting no_such_setting":    open(t, badSetting).Insert(clickhouse.Insert{Table: name}),
	} {
		err := a.Do(t.Context(), good)
		require.ErrorContains(t, err, want)
		require.NotErrorIs(t, err, actions.ErrPermanent)
	}
}
