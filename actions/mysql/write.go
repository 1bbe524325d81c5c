package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/sqltext"
)

// A writing is one call of DoBatch.
type writing struct {
	client *Client
	plan   *plan
	events int
	rows   []row   // those that can still be written
	errs   []error // of the events; nil while there is none
	types  []string
	fresh  bool // the types were asked for by this writing, or there are none
}

// A row is what is written for an event.
type row struct {
	event  int
	values []sqltext.Value
	args   []any
	err    error // why it cannot be written
}

// errDoubt says that something cannot be written for good, if the types of the columns are
// still what they were.
var errDoubt = errors.New("the types of the columns may have changed")

// fail notes what became of an event.
func (w *writing) fail(r row, err error) {
	if w.errs == nil {
		w.errs = make([]error, w.events)
	}
	w.errs[r.event] = err
}

// read makes a row of an event, which fails for good if that cannot be.
func (w *writing) read(i int, ev actions.Event, err error) {
	r := row{event: i}
	if err == nil {
		r.values, err = w.plan.from.Append(make([]sqltext.Value, 0, len(w.plan.from)), ev.Params, ev.Payload)
	}
	if err != nil {
		w.fail(r, actions.Permanent(fmt.Errorf("mysql: %w", err)))
		return
	}
	w.rows = append(w.rows, r)
}

// write writes the rows in one transaction. Those that can never be written get their
// errors and are no longer among the rows; an error that it returns is about all others,
// of which nothing was committed.
func (w *writing) write(ctx context.Context) error {
	if known := w.plan.types.Load(); known != nil {
		w.types = *known
	} else if err := w.ask(ctx); err != nil {
		return err
	}
	err := w.transact(ctx)
	if errors.Is(err, errDoubt) {
		if err = w.ask(ctx); err == nil {
			err = w.transact(ctx)
		}
	}
	if tooLarge(err) {
		err = w.without(err)
	}
	if missing[numberOf(err)] {
		w.plan.types.Store(nil) // a migration may be under way
	}
	return err
}

// ask asks for the types of the columns. Who may not read them has none.
func (w *writing) ask(ctx context.Context) error {
	types := make([]string, len(w.plan.from))
	w.types, w.fresh = types, true
	if w.plan.look == "" {
		w.plan.types.Store(&types)
		return nil
	}
	rows, err := w.client.db.QueryContext(ctx, w.plan.look)
	if err != nil {
		if n := numberOf(err); n != 1142 && n != 1143 {
			return judge(err)
		}
		w.plan.types.Store(&types)
		return nil
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return unreachable(err)
	}
	for i, c := range columns {
		types[i] = c.DatabaseTypeName()
	}
	if err := rows.Err(); err != nil {
		return unreachable(err)
	}
	w.plan.types.Store(&types)
	return nil
}

// arguments makes arguments of the values of all rows and reports whether all can be.
func (w *writing) arguments() bool {
	all := true
	for i := range w.rows {
		r := &w.rows[i]
		r.args, r.err = make([]any, len(r.values)), nil
		for k, v := range r.values {
			var err error
			if r.args[k], err = encode(w.types[k], v); err != nil {
				r.err, all = actions.Permanent(fmt.Errorf("mysql: %s: %w", w.plan.names[k], err)), false
				break
			}
		}
	}
	return all
}

// drop takes rows with an error out.
func (w *writing) drop() {
	w.rows = slices.DeleteFunc(w.rows, func(r row) bool {
		if r.err != nil {
			w.fail(r, r.err)
		}
		return r.err != nil
	})
}

// transact writes the rows in one transaction.
func (w *writing) transact(ctx context.Context) error {
	if !w.arguments() {
		if !w.fresh && w.plan.look != "" {
			return errDoubt
		}
		if w.drop(); len(w.rows) == 0 {
			return nil
		}
	}
	// All that may be needed is prepared before the transaction has a connection.
	statements := map[int]*sql.Stmt{}
	for _, b := range w.plan.blocks {
		if b.rows > len(w.rows) {
			continue
		}
		s, err := w.client.prepare(ctx, b.sql)
		if err != nil {
			return judge(err)
		}
		statements[b.rows] = s
	}
	if s := statements[len(w.rows)]; s != nil { // one statement is a transaction
		_, err := s.ExecContext(ctx, flat(w.rows)...)
		switch {
		case err == nil || !permanent(err) || tooLarge(err):
			return unreachable(err)
		case w.doubts():
			return errDoubt
		case len(w.rows) == 1:
			w.rows[0].err = judge(err)
			w.drop()
			return nil
		}
	}
	tx, err := w.client.db.BeginTx(ctx, nil)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing, once it is committed
	if err := w.insert(ctx, tx, statements, w.rows); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return unreachable(err)
	}
	w.drop()
	return nil
}

// doubts reports whether an error may be due to types that are not those of the columns
// any more.
func (w *writing) doubts() bool { return !w.fresh && w.plan.look != "" }

// insert writes rows in a transaction, several with one statement. A statement that fails
// for good leaves the transaction as it was: its rows are then written with smaller ones,
// until it is found out which of them cannot be written.
func (w *writing) insert(ctx context.Context, tx *sql.Tx, statements map[int]*sql.Stmt, rows []row) error {
	for len(rows) > 0 {
		n := w.plan.block(len(rows)).rows
		_, err := tx.StmtContext(ctx, statements[n]).ExecContext(ctx, flat(rows[:n])...)
		switch {
		case err == nil:
		case !permanent(err) || tooLarge(err):
			return unreachable(err)
		case w.doubts():
			return errDoubt
		case n == 1:
			rows[0].err = judge(err)
		default:
			for part := range slices.Chunk(rows[:n], n/4) {
				if err := w.insert(ctx, tx, statements, part); err != nil {
					return err
				}
			}
		}
		rows = rows[n:]
	}
	return nil
}

// without gives up the row with the largest value, which the server has refused to take.
// The statement fails from then on, whatever it is given; so the other rows wait until it
// is prepared anew.
func (w *writing) without(err error) error {
	size := func(r row) (n int) {
		for _, v := range r.values {
			n = max(n, len(v.Text))
		}
		return n
	}
	for i := range w.rows {
		w.rows[i].err = nil
	}
	largest := slices.MaxFunc(w.rows, func(a, b row) int { return size(a) - size(b) })
	for i := range w.rows {
		if w.rows[i].event == largest.event {
			w.rows[i].err = judge(err)
		}
	}
	w.drop()
	for _, b := range w.plan.blocks {
		w.client.forget(b.sql)
	}
	return actions.SinkWorks(fmt.Errorf("mysql: an event of the batch is too large, the others are written without it: %s", clip(err.Error())))
}

func flat(rows []row) []any {
	args := make([]any, 0, len(rows)*len(rows[0].args))
	for _, r := range rows {
		args = append(args, r.args...)
	}
	return args
}
