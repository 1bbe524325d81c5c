package mysql_test

import (
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/mysql"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

func dsn(addr string) string {
	return servertest.MariaDBUser + "@tcp(" + addr + ")/" + servertest.MariaDBDatabase
}

var tables atomic.Int64

// connect connects to the server, past everything that is tested.
func connect(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open("mysql", dsn(servertest.MariaDB(tb))+"?time_zone=%27%2B00:00%27")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// create makes a table with a name of its own.
func create(tb testing.TB, db *sql.DB, columns string) (table string) {
	tb.Helper()
	table = fmt.Sprintf("t%d", tables.Add(1))
	exec(tb, db, "CREATE TABLE "+table+" ("+columns+") CHARACTER SET utf8mb4")
	return table
}

func exec(tb testing.TB, db *sql.DB, statement string) {
	tb.Helper()
	_, err := db.ExecContext(tb.Context(), statement)
	require.NoError(tb, err)
}

// open opens a client that is closed with the test.
func open(tb testing.TB, cfg mysql.Config) *mysql.Client {
	tb.Helper()
	c, err := mysql.Open(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// texts returns the rows of a query as texts.
func texts(tb testing.TB, db *sql.DB, query string) []string {
	tb.Helper()
	rows, err := db.QueryContext(tb.Context(), query)
	require.NoError(tb, err)
	defer rows.Close()
	list := []string{}
	for rows.Next() {
		var s string
		require.NoError(tb, rows.Scan(&s))
		list = append(list, s)
	}
	require.NoError(tb, rows.Err())
	return list
}

const readings = "id bigint AUTO_INCREMENT PRIMARY KEY, trace char(36) NOT NULL UNIQUE, `key` varchar(40) NOT NULL, n int NOT NULL, payload json NOT NULL"

// rig writes records with an action that is made for a table.
func rig(tb testing.TB, make func(table string) mysql.Action) sinktest.Rig {
	admin := connect(tb)
	table := create(tb, admin, readings)
	return sinktest.Rig{
		Addr: servertest.MariaDB(tb),
		Action: func(tb testing.TB, addr string) actions.Action {
			return open(tb, mysql.Config{Sink: sinktest.Quick("mysql", "rig"), DSN: dsn(addr)}).Action(make(table))
		},
		Read: func(tb testing.TB) (records []sinktest.Record) {
			rows, err := admin.QueryContext(tb.Context(), "SELECT `key`, n FROM "+table+" ORDER BY id")
			require.NoError(tb, err)
			defer rows.Close()
			for rows.Next() {
				var r sinktest.Record
				require.NoError(tb, rows.Scan(&r.Key, &r.N))
				records = append(records, r)
			}
			require.NoError(tb, rows.Err())
			return records
		},
		Break: func(tb testing.TB) func() {
			exec(tb, admin, "RENAME TABLE "+table+" TO broken_"+table)
			return func() { exec(tb, admin, "RENAME TABLE broken_"+table+" TO "+table) }
		},
		Poison: []byte(`{"key":"k1","n":"not a number"}`),
		Once:   true,
	}
}

func tableRig(tb testing.TB) sinktest.Rig {
	return rig(tb, func(table string) mysql.Action {
		return mysql.Action{
			Table:      table,
			Columns:    map[string]string{"trace": "${traceid()}", "payload": "$payload"},
			Members:    []string{"key", "n"},
			OnConflict: "nothing",
		}
	})
}

func statementRig(tb testing.TB) sinktest.Rig {
	return rig(tb, func(table string) mysql.Action {
		return mysql.Action{Statement: "INSERT INTO " + table + " (trace, `key`, n, payload)\n" +
			"VALUES (${traceid()}, ${key}, ${n}, $payload) ON DUPLICATE KEY UPDATE n = n"}
	})
}
