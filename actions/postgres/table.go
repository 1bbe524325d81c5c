package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/sqltext"
)

func placeholder(i int) string { return "$" + strconv.Itoa(i+1) }

// nameOf names a prepared statement, or a temporary table, after what it is for.
func nameOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "thinghub_" + hex.EncodeToString(sum[:12])
}

func quoted(names []string) []string {
	q := make([]string, len(names))
	for i, name := range names {
		q[i] = sqltext.Name(name, '"')
	}
	return q
}

func (a *Action) compileTable() (*plan, error) {
	if a.Table == "" {
		return nil, &actions.FieldError{Field: "table", Want: "a table, or a statement"}
	}
	if sqltext.HasTemplate(a.Table) {
		return nil, &actions.FieldError{Field: "table", Value: strconv.Quote(clip(a.Table)), Want: sqltext.FixedName}
	}
	if err := sqltext.CheckTable(a.Table); err != nil {
		return nil, &actions.FieldError{Field: "table", Value: err.Error(), Want: "the name of a table, with that of its schema and a point before it at most"}
	}
	names, from, err := sqltext.Row(a.Columns, a.Members)
	if err != nil {
		return nil, fieldError(err)
	}
	p := &plan{}
	for i, s := range from {
		p.source("columns."+names[i], "column "+names[i], s)
	}
	conflict, err := a.conflict(names)
	if err != nil {
		return nil, err
	}
	columns := strings.Join(quoted(names), ", ")
	table := sqltext.Table(a.Table, '"')
	values := make([]string, len(names))
	for i := range values {
		values[i] = placeholder(i)
	}
	p.sql = fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)%s", table, columns, strings.Join(values, ", "), conflict)
	p.name = nameOf(p.sql)
	switch a.Mode {
	case "", modeInsert:
	case modeCopy:
		if conflict != "" {
			return nil, &actions.FieldError{Field: "onConflict", Value: strconv.Quote(a.OnConflict), Want: "error: COPY has no other, mode insert has"}
		}
		p.copy = fmt.Sprintf("COPY %s (%s) FROM STDIN", table, columns)
	default:
		return nil, &actions.FieldError{Field: "mode", Value: strconv.Quote(a.Mode), Want: "insert or copy"}
	}
	return p, a.checkBatch()
}

// conflict returns the clause for rows that are there already.
func (a *Action) conflict(names []string) (string, error) {
	for i, k := range a.Key {
		if sqltext.HasTemplate(k) {
			return "", &actions.FieldError{Field: fmt.Sprintf("key[%d]", i), Value: strconv.Quote(clip(k)), Want: sqltext.FixedName}
		}
		if !slices.Contains(names, k) || slices.Contains(a.Key[:i], k) {
			return "", &actions.FieldError{Field: fmt.Sprintf("key[%d]", i), Value: strconv.Quote(k), Want: "a column that is written, once"}
		}
	}
	key := strings.Join(quoted(a.Key), ", ")
	switch a.OnConflict {
	case "", conflictError:
		if a.Key != nil {
			return "", errors.New("key is there without onConflict, expected nothing or update there")
		}
		return "", nil
	case conflictKeep:
		if len(a.Key) == 0 {
			return " ON CONFLICT DO NOTHING", nil
		}
		return " ON CONFLICT (" + key + ") DO NOTHING", nil
	case conflictUpdate:
		if len(a.Key) == 0 {
			return "", &actions.FieldError{Field: "key", Want: "the columns that tell whether a row is there"}
		}
		var set []string
		for i, q := range quoted(names) {
			if !slices.Contains(a.Key, names[i]) {
				set = append(set, q+" = EXCLUDED."+q)
			}
		}
		if set == nil {
			return " ON CONFLICT (" + key + ") DO NOTHING", nil
		}
		return " ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(set, ", "), nil
	}
	return "", &actions.FieldError{Field: "onConflict", Value: strconv.Quote(a.OnConflict), Want: "error, nothing or update"}
}

func fieldError(err error) error {
	var e *sqltext.RowError
	if errors.As(err, &e) {
		return &actions.FieldError{Field: e.Field, Value: e.Value, Want: e.Want}
	}
	return err
}
