package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/postgres"
)

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
