package mysql_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/mysql"
)

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
