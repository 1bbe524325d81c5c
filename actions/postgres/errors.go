package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/thinghub/thinghub/actions"
)

// missing are conditions that say that what a rule names is not there or not allowed. They
// may go away without another event or another rule, because somebody changes the schema
// or grants a right; until then the server works for others.
var missing = map[string]bool{
	"42P01": true, // undefined_table
	"42703": true, // undefined_column
	"42704": true, // undefined_object
	"42883": true, // undefined_function
	"42501": true, // insufficient_privilege
	"42P10": true, // invalid_column_reference: ON CONFLICT without a unique index
	"3F000": true, // invalid_schema_name
	"55000": true, // object_not_in_prerequisite_state: a view that takes no rows
}

// duplicate is duplicate_prepared_statement: a pooler's.
const duplicate = "42P05"

// stale are what a statement that was prepared before the schema changed may fail with.
var stale = map[string]bool{
	"0A000": true, // cached plan must not change result type
	"26000": true, // invalid_sql_statement_name: a pooler's, or DISCARD ALL
	"42804": true, // datatype_mismatch
	"42P18": true, // indeterminate_datatype
}

// codeOf returns the SQLSTATE of an error, "" if it is none of the server's.
func codeOf(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// final reports whether trying again would fail again.
func final(code string) bool {
	if missing[code] || code == duplicate {
		return false
	}
	switch code[:min(2, len(code))] {
	case "0A", // not supported
		"20",       // CASE without ELSE
		"21",       // cardinality violation
		"22",       // data exception
		"23",       // integrity constraint violation
		"2D", "2F", // what a procedure must not do
		"38", "39", // an external routine
		"42", // syntax error or access rule violation
		"44", // WITH CHECK OPTION violation
		"54", // a limit of the program, such as the size of a row in an index
		"P0": // raised by a function or a trigger
		return true
	}
	return false
}

// judge makes an error of the database fit to be reported: marked as what it is, and short.
func judge(err error) error {
	if err == nil {
		return nil
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) || errors.As(err, new(*pgconn.ConnectError)) {
		return unreachable(err)
	}
	switch err = error(&serverError{e}); {
	case final(e.Code):
		return actions.Permanent(err)
	case missing[e.Code]:
		return actions.SinkWorks(err)
	}
	return err
}

// unreachable makes an error of connecting fit to be reported. Whatever it is, it is not
// the fault of an event or a rule.
func unreachable(err error) error {
	if !errors.As(err, new(*pgconn.ConnectError)) {
		return fmt.Errorf("postgres: %w", err)
	}
	var lines []string // one for each address, and for each way to connect to it
	seen := map[string]bool{}
	for line := range strings.Lines(err.Error()) {
		line = strings.Join(strings.Fields(line), " ")
		if key := localPort.ReplaceAllString(line, "->"); line != "" && !seen[key] {
			seen[key] = true
			lines = append(lines, line)
		}
	}
	text := "postgres: " + lines[0]
	if len(lines) > 1 {
		text += " " + strings.Join(lines[1:], "; ")
	}
	return &connectError{text, err}
}

// localPort is what tells otherwise equal errors of connections apart.
var localPort = regexp.MustCompile(`:[0-9]+->`)

// A connectError has the text of an error in one line.
type connectError struct {
	text string
	err  error
}

func (e *connectError) Error() string { return e.text }
func (e *connectError) Unwrap() error { return e.err }

// A serverError is an error of the server's, whose text may repeat what a device sent.
type serverError struct{ err *pgconn.PgError }

func (e *serverError) Error() string {
	s := fmt.Sprintf("postgres: %s: %s (SQLSTATE %s)", strings.ToLower(e.err.Severity), clip(e.err.Message), e.err.Code)
	if e.err.ConstraintName != "" && !strings.Contains(s, e.err.ConstraintName) {
		s += ", constraint " + clip(e.err.ConstraintName)
	}
	return s
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
