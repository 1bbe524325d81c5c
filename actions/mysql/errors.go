package mysql

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	driver "github.com/go-sql-driver/mysql"

	"github.com/thinghub/thinghub/actions"
)

// missing are errors that say that what a rule names is not there or not allowed. They may
// go away without another event or another rule, because somebody changes the schema or
// grants a right; until then the server works for others.
var missing = map[uint16]bool{
	1044: true, // access to a database denied
	1049: true, // no such database
	1054: true, // no such column
	1141: true, // no such grant
	1142: true, // command denied on a table
	1143: true, // command denied on a column
	1146: true, // no such table
	1176: true, // no such key
	1227: true, // a right is missing
	1305: true, // no such procedure
	1356: true, // a view of what is missing
	1370: true, // command denied on a procedure
	1449: true, // no such user, as whom a view or a trigger works
	1471: true, // a view that takes no rows
	1630: true, // no such function
}

// limits are errors of the same SQLSTATE classes that go away when somebody raises a limit
// or there is less to do. They concern all who use the client.
var limits = map[uint16]bool{
	1203: true, // too many connections of a user
	1226: true, // a user's limit
	1461: true, // too many prepared statements
}

// failing are errors about data and statements of a general SQLSTATE.
var failing = map[uint16]bool{
	1210: true, // wrong arguments
	1265: true, // data truncated
	1295: true, // not among what can be prepared
	1364: true, // no value for a column without a default
	1366: true, // wrong value for a column
	1411: true, // wrong value for a function
	1526: true, // no partition for the row
	1748: true, // not of the partition
	3819: true, // a CHECK constraint
	3903: true, // wrong value for a JSON index
	4025: true, // a CHECK constraint of MariaDB
}

// final reports whether trying again would fail again.
func final(number uint16, state string) bool {
	if missing[number] || limits[number] || failing[number] {
		return failing[number]
	}
	switch state[:min(2, len(state))] {
	case "21", // number of columns
		"22", // data
		"23", // constraints
		"42", // syntax and access
		"44", // WITH CHECK OPTION
		"45": // raised by a trigger
		return true
	}
	return false
}

// permanent reports whether an error is final.
func permanent(err error) bool {
	if errors.As(err, new(*connectError)) {
		return false
	}
	var e *driver.MySQLError
	if errors.As(err, &e) {
		return final(e.Number, string(e.SQLState[:])) || tooLarge(err)
	}
	return errors.Is(err, driver.ErrPktTooLarge)
}

// tooLarge reports whether a value is larger than the server takes, which has no number of
// its own.
func tooLarge(err error) bool {
	var e *driver.MySQLError
	return errors.As(err, &e) && e.Number == 1105 && strings.Contains(e.Message, "max_allowed_packet")
}

// numberOf returns the number of the server's error about a statement, 0 if it is none.
func numberOf(err error) uint16 {
	var e *driver.MySQLError
	if errors.As(err, &e) && !errors.As(err, new(*connectError)) {
		return e.Number
	}
	return 0
}

// judge makes an error of the database fit to be reported: marked as what it is, and short.
func judge(err error) error {
	if err == nil {
		return nil
	}
	final := permanent(err)
	if err = unreachable(err); final {
		return actions.Permanent(err)
	}
	return err
}

// unreachable is judge for errors that are not about events.
func unreachable(err error) error {
	var e *driver.MySQLError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e) || errors.As(err, new(*connectError)):
		return fmt.Errorf("mysql: %w", err)
	case missing[e.Number]:
		return actions.SinkWorks(&serverError{e})
	}
	return &serverError{e}
}

// A connectError says that there is no connection. Whatever the server said, it concerns
// all who use the client.
type connectError struct{ err error }

// Error has one line.
func (e *connectError) Error() string {
	return "cannot connect: " + clip(strings.Join(strings.Fields(e.err.Error()), " "))
}

func (e *connectError) Unwrap() error { return e.err }

// A connector marks errors of connecting.
type connector struct{ sqldriver.Connector }

// Connect is that of the driver.
func (c connector) Connect(ctx context.Context) (sqldriver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, &connectError{err}
	}
	return conn, nil
}

// A serverError is an error of the server's, whose text may repeat what a device sent.
type serverError struct{ err *driver.MySQLError }

func (e *serverError) Error() string {
	return fmt.Sprintf("mysql: %s (error %d, SQLSTATE %s)", clip(e.err.Message), e.err.Number, e.err.SQLState[:])
}

func (e *serverError) Unwrap() error { return e.err }

const longestMessage = 300

func clip(s string) string {
	if len(s) <= longestMessage {
		return s
	}
	cut := longestMessage
	for cut > longestMessage-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
