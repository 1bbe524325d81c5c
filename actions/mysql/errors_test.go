package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/mysql"
	"github.com/thinghub/thinghub/internal/servertest"
)

// What a rule names and is not there keeps its events waiting, and nobody else's.
func TestMissing(t *testing.T) {
	t.Parallel()
	db := connect(t)
	table, view, broken := create(t, db, "v int"), fmt.Sprintf("t%d", tables.Add(1)), fmt.Sprintf("t%d", tables.Add(1))
	gone := create(t, db, "v int")
	exec(t, db, "CREATE VIEW "+view+" AS SELECT DISTINCT v FROM "+table)
	exec(t, db, "CREATE VIEW "+broken+" AS SELECT v FROM "+gone)
	exec(t, db, "DROP TABLE "+gone)
	user := fmt.Sprintf("nobody%d", tables.Add(1))
	exec(t, db, "CREATE USER "+user+" IDENTIFIED BY 'x'")
	t.Cleanup(func() { _, _ = db.ExecContext(context.Background(), "DROP USER "+user) })
	exec(t, db, "GRANT SELECT ON "+servertest.MariaDBDatabase+"."+table+" TO "+user)
	client := local(t)
	other := open(t, mysql.Config{DSN: user + ":x@tcp(" + servertest.MariaDB(t) + ")/" + servertest.MariaDBDatabase})
	for _, c := range []struct {
		number int
		action *mysql.Action
	}{
		{1146, client.Action(mysql.Action{Table: "nowhere", Members: []string{"v"}})},
		{1146, client.Action(mysql.Action{Statement: "INSERT INTO nowhere VALUES (${v})"})},
		{1054, client.Action(mysql.Action{Table: table, Members: []string{"w"}})},
		{1305, client.Action(mysql.Action{Statement: "SELECT nothing(${v})"})},
		{1305, client.Action(mysql.Action{Statement: "CALL nothing(${v})"})},
		{1356, client.Action(mysql.Action{Table: broken, Members: []string{"v"}})},
		{1471, client.Action(mysql.Action{Table: view, Members: []string{"v"}})},
		{1142, other.Action(mysql.Action{Table: table, Members: []string{"v"}})},
		{1142, other.Action(mysql.Action{Statement: "INSERT INTO " + table + " VALUES (${v})"})},
	} {
		require.NoError(t, c.action.Check())
		err := c.action.Do(t.Context(), event(`{"v":1}`, "1"))
		require.ErrorContains(t, err, fmt.Sprintf("error %d", c.number))
		require.ErrorIs(t, err, actions.ErrSinkWorks)
		require.NotErrorIs(t, err, actions.ErrPermanent)
	}
}

// The server's answer to who connects concerns all rules, whatever its number is.
func TestConnectErrors(t *testing.T) {
	t.Parallel()
	addr := servertest.MariaDB(t)
	user := fmt.Sprintf("guest%d", tables.Add(1))
	db := connect(t)
	exec(t, db, "CREATE USER "+user+" IDENTIFIED BY 'x'")
	t.Cleanup(func() { _, _ = db.ExecContext(context.Background(), "DROP USER "+user) })
	for dsn, number := range map[string]int{
		servertest.MariaDBUser + "@tcp(" + addr + ")/missing":                                             1049,
		user + ":x@tcp(" + addr + ")/mysql":                                                               1044,
		dsn(addr) + "?sql_mode=%27NO_SUCH_MODE%27":                                                        1231,
		dsn(addr) + "?no_such_variable=1":                                                                 1193,
		servertest.MariaDBUser + ":s3cret@tcp(" + addr + ")/" + servertest.MariaDBDatabase + "?tls=false": 1045,
	} {
		for _, a := range []mysql.Action{{Table: "t", Members: []string{"v"}}, {Statement: "INSERT INTO t VALUES (1)"}} {
			err := open(t, mysql.Config{DSN: dsn}).Action(a).Do(t.Context(), event(`{"v":1}`))
			require.ErrorContains(t, err, fmt.Sprintf("mysql: cannot connect: Error %d ", number))
			require.NotErrorIs(t, err, actions.ErrSinkWorks)
			require.NotErrorIs(t, err, actions.ErrPermanent)
		}
	}

	several := open(t, mysql.Config{DSN: "u@tcp(h)/db", Configure: func(c *driver.Config) {
		c.DialFunc = func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.Join(errors.New("a:\tdown"), errors.New("b: down"))
		}
	}})
	require.EqualError(t, several.Ping(t.Context()), "mysql: cannot connect: a: down b: down")
}

func TestFinal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		number uint16
		state  string
		want   bool
	}{
		{1062, "23000", true},  // duplicate
		{1048, "23000", true},  // NULL
		{1452, "23000", true},  // foreign key
		{4025, "23000", true},  // CHECK of MariaDB
		{3819, "HY000", true},  // CHECK
		{1364, "HY000", true},  // no default
		{1366, "22007", true},  // wrong value, MariaDB
		{1366, "HY000", true},  // wrong value, MySQL
		{1264, "22003", true},  // out of range
		{1406, "22001", true},  // too long
		{1265, "01000", true},  // truncated
		{3140, "22032", true},  // no JSON
		{1292, "22007", true},  // no time
		{1064, "42000", true},  // syntax
		{1136, "21S01", true},  // number of columns
		{1644, "45000", true},  // SIGNAL
		{1146, "42S02", false}, // no such table, yet
		{1054, "42S22", false}, // no such column, yet
		{1049, "42000", false}, // no such database, yet
		{1305, "42000", false}, // no such procedure, yet
		{1142, "42000", false}, // not granted, yet
		{1044, "42000", false}, // not granted, yet
		{1045, "28000", false}, // wrong password, which somebody may be changing
		{1040, "08004", false}, // too many connections
		{1203, "42000", false}, // too many connections of the user
		{1226, "42000", false}, // a limit of the user
		{1205, "HY000", false}, // lock wait timeout
		{1213, "40001", false}, // deadlock
		{1290, "HY000", false}, // read only
		{1114, "HY000", false}, // the table is full
		{1021, "HY000", false}, // the disk is full
		{1053, "08S01", false}, // shutdown
		{1317, "70100", false}, // interrupted
		{1615, "HY000", false}, // must be prepared again
		{1243, "HY000", false}, // was not prepared
		{0, "", false},
	} {
		require.Equal(t, c.want, mysql.Final(c.number, c.state), fmt.Sprint(c.number))
	}
}
