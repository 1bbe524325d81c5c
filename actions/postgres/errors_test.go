package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/postgres"
	"github.com/thinghub/thinghub/internal/servertest"
)

// What a rule names and is not there keeps its events waiting, and nobody else's.
func TestMissing(t *testing.T) {
	t.Parallel()
	c := connect(t)
	table, view := create(t, c, "v int"), fmt.Sprintf("t%d", tables.Add(1))
	exec(t, c, "CREATE VIEW "+view+" AS SELECT DISTINCT v FROM "+table)
	role := fmt.Sprintf("nobody%d", tables.Add(1))
	exec(t, c, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() { _, _ = c.Exec(context.Background(), "DROP ROLE "+role) })
	db := local(t)
	other := open(t, postgres.Config{DSN: dsn(servertest.Postgres(t)), Configure: func(c *pgxpool.Config) { c.ConnConfig.User = role }})
	for code, a := range map[string]*postgres.Action{
		"42P01": db.Action(postgres.Action{Table: "nowhere", Members: []string{"v"}}),
		"42703": db.Action(postgres.Action{Table: table, Members: []string{"w"}}),
		"42883": db.Action(postgres.Action{Statement: "SELECT nothing(${v}::int)"}),
		"42704": db.Action(postgres.Action{Statement: "SELECT ${v}::nothing"}),
		"42P10": db.Action(postgres.Action{Table: table, Members: []string{"v"}, OnConflict: "nothing", Key: []string{"v"}}),
		"3F000": db.Action(postgres.Action{Statement: "CREATE TABLE nowhere.t AS SELECT $payload::text"}),
		"55000": db.Action(postgres.Action{Table: view, Members: []string{"v"}}),
		"42501": other.Action(postgres.Action{Table: table, Members: []string{"v"}}),
	} {
		require.NoError(t, a.Check())
		err := a.Do(t.Context(), event(`{"v":1}`, "1"))
		require.ErrorContains(t, err, code)
		require.ErrorIs(t, err, actions.ErrSinkWorks)
		require.NotErrorIs(t, err, actions.ErrPermanent)
	}
}

// The server's answer to who connects concerns all rules, whatever its number is.
func TestConnectErrors(t *testing.T) {
	t.Parallel()
	c := connect(t)
	role, database := fmt.Sprintf("guest%d", tables.Add(1)), fmt.Sprintf("closed%d", tables.Add(1))
	exec(t, c, "CREATE ROLE "+role+" LOGIN")
	exec(t, c, "CREATE DATABASE "+database)
	t.Cleanup(func() {
		_, _ = c.Exec(context.Background(), "DROP DATABASE "+database)
		_, _ = c.Exec(context.Background(), "DROP ROLE "+role)
	})
	exec(t, c, "REVOKE CONNECT ON DATABASE "+database+" FROM PUBLIC")
	denied := open(t, postgres.Config{DSN: dsn(servertest.Postgres(t)), Configure: func(c *pgxpool.Config) {
		c.ConnConfig.User, c.ConnConfig.Database = role, database
	}})
	for _, err := range []error{
		denied.Ping(t.Context()),
		denied.Action(postgres.Action{Table: "t", Members: []string{"v"}}).Do(t.Context(), event(`{"v":1}`)),
	} {
		require.ErrorContains(t, err, "42501")
		require.NotErrorIs(t, err, actions.ErrSinkWorks)
		require.NotErrorIs(t, err, actions.ErrPermanent)
	}

	port, err := servertest.Port()
	require.NoError(t, err)
	addr := servertest.Addr(port)
	nobody := open(t, postgres.Config{DSN: "postgres://u:s3cret@" + addr + "/db"}) // with TLS and without
	err = nobody.Ping(t.Context())
	require.NotContains(t, err.Error(), "\n")
	require.NotContains(t, err.Error(), "\t")
	require.Equal(t, 1, strings.Count(err.Error(), "connection refused"), err.Error())
	require.True(t, strings.HasPrefix(err.Error(), "postgres: failed to connect to `user=u database=db`: "+addr), err.Error())
	var ce *pgconn.ConnectError
	require.ErrorAs(t, err, &ce)

	two := open(t, postgres.Config{DSN: "host=127.0.0.1,127.0.0.2 port=" + fmt.Sprint(port) + " user=u dbname=db"})
	err = two.Ping(t.Context())
	require.NotContains(t, err.Error(), "\n")
	require.Equal(t, 2, strings.Count(err.Error(), "connection refused"), err.Error())
}

func TestFinal(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"22P02": true,  // invalid text representation
		"22021": true,  // not UTF-8
		"23505": true,  // unique violation
		"23503": true,  // foreign key violation
		"21000": true,  // two rows for one
		"42601": true,  // syntax error
		"42804": true,  // datatype mismatch
		"44000": true,  // WITH CHECK OPTION
		"54000": true,  // too large for an index
		"0A000": true,  // not supported
		"P0001": true,  // RAISE
		"2D000": true,  // a procedure that commits
		"20000": true,  // CASE without ELSE
		"42P01": false, // no such table, yet
		"42703": false, // no such column, yet
		"42883": false, // no such function, yet
		"42501": false, // not granted, yet
		"42P10": false, // no such unique index, yet
		"3F000": false, // no such schema, yet
		"08006": false, // connection failure
		"25006": false, // read only, as a standby is
		"26000": false, // no such prepared statement
		"28P01": false, // wrong password, which somebody may be changing
		"3D000": false, // no such database, yet
		"40001": false, // serialization failure
		"40P01": false, // deadlock
		"53100": false, // disk full
		"53300": false, // too many connections
		"55P03": false, // lock not available
		"57014": false, // canceled, by a time limit
		"57P01": false, // shutdown
		"57P03": false, // starts up
		"58030": false, // I/O error
		"XX000": false, // internal error
		"":      false, // not the server's
	} {
		require.Equal(t, want, postgres.Final(code), code)
	}
}
