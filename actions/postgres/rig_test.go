package postgres_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/postgres"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

func dsn(addr string) string {
	return "postgres://" + servertest.PostgresUser + "@" + addr + "/postgres?sslmode=disable"
}

var tables atomic.Int64

// connect connects to the server, past everything that is tested.
func connect(tb testing.TB) *pgx.Conn {
	tb.Helper()
	c, err := pgx.Connect(tb.Context(), dsn(servertest.Postgres(tb))+"&timezone=UTC")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// create makes a table with a name of its own.
func create(tb testing.TB, c *pgx.Conn, columns string) (table string) {
	tb.Helper()
	table = fmt.Sprintf("t%d", tables.Add(1))
	exec(tb, c, "CREATE TABLE "+table+" ("+columns+")")
	return table
}

func exec(tb testing.TB, c *pgx.Conn, sql string, args ...any) {
	tb.Helper()
	_, err := c.Exec(tb.Context(), sql, args...)
	require.NoError(tb, err)
}

// open opens a client that is closed with the test.
func open(tb testing.TB, cfg postgres.Config) *postgres.Client {
	tb.Helper()
	c, err := postgres.Open(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// texts returns the rows of a query as texts.
func texts(tb testing.TB, c *pgx.Conn, sql string) (rows []string) {
	tb.Helper()
	got, err := c.Query(tb.Context(), sql)
	require.NoError(tb, err)
	rows, err = pgx.CollectRows(got, pgx.RowTo[string])
	require.NoError(tb, err)
	return rows
}

const readings = `id bigserial PRIMARY KEY, trace uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(), key text NOT NULL, n int NOT NULL, payload jsonb NOT NULL`

// rig writes records with an action that is made for a table.
func rig(tb testing.TB, make func(table string) postgres.Action) sinktest.Rig {
	admin := connect(tb)
	table := create(tb, admin, readings)
	return sinktest.Rig{
		Addr: servertest.Postgres(tb),
		Action: func(tb testing.TB, addr string) actions.Action {
			return open(tb, postgres.Config{Sink: sinktest.Quick("postgres", "rig"), DSN: dsn(addr)}).Action(make(table))
		},
		Read: func(tb testing.TB) []sinktest.Record {
			got, err := admin.Query(tb.Context(), "SELECT key, n FROM "+table+" ORDER BY id")
			require.NoError(tb, err)
			records, err := pgx.CollectRows(got, pgx.RowToStructByPos[sinktest.Record])
			require.NoError(tb, err)
			return records
		},
		Break: func(tb testing.TB) func() {
			exec(tb, admin, "ALTER TABLE "+table+" RENAME TO broken_"+table)
			return func() { exec(tb, admin, "ALTER TABLE broken_"+table+" RENAME TO "+table) }
		},
		Poison: []byte(`{"key":"k1","n":"not a number"}`),
		Once:   true,
	}
}

func insertRig(tb testing.TB) sinktest.Rig {
	return rig(tb, func(table string) postgres.Action {
		return postgres.Action{
			Table:      table,
			Columns:    map[string]string{"trace": "${traceid()}", "key": "${key}", "n": "${n}", "payload": "$payload"},
			OnConflict: "nothing", Key: []string{"trace"},
		}
	})
}

func statementRig(tb testing.TB) sinktest.Rig {
	return rig(tb, func(table string) postgres.Action {
		return postgres.Action{Statement: `INSERT INTO ` + table + ` (trace, key, n, payload)
			VALUES (${traceid()}, ${key}, ${n}, $payload) ON CONFLICT (trace) DO NOTHING`}
	})
}

// copyRig has duplicates where an answer is lost.
func copyRig(tb testing.TB) sinktest.Rig {
	r := rig(tb, func(table string) postgres.Action {
		return postgres.Action{Table: table, Columns: map[string]string{"payload": "$payload"}, Members: []string{"key", "n"}, Mode: "copy"}
	})
	r.Once = false
	return r
}
