package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

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

	conn      *pgconn.PgConn
	types     *pgtype.Map
	statement *pgconn.StatementDescription
	fresh     bool // the statement was prepared by this writing
}

// A row is what is written for an event.
type row struct {
	event  int
	values []sqltext.Value
	params [][]byte // the values in text form; nil is NULL
	err    error    // why they have none
}

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
		w.fail(r, actions.Permanent(fmt.Errorf("postgres: %w", err)))
		return
	}
	w.rows = append(w.rows, r)
}

// write writes the rows in one transaction. Those that can never be written get their
// errors and are no longer among the rows; an error that it returns is about all others,
// of which nothing was committed.
func (w *writing) write(ctx context.Context) error {
	pooled, err := w.client.pool.Acquire(ctx)
	if err != nil {
		return unreachable(err)
	}
	defer pooled.Release() // a connection in a transaction does not go back to the pool
	w.conn, w.types = pooled.Conn().PgConn(), pooled.Conn().TypeMap()
	err = w.prepare(ctx)
	if err == nil {
		err = w.encode(ctx)
	}
	if err == nil && len(w.rows) > 0 {
		err = w.transact(ctx)
	}
	if err != nil && !w.conn.IsClosed() {
		_ = w.rollback(ctx)
	}
	return judge(err)
}

// statements is where a connection keeps what was prepared on it.
const statements = "thinghub.statements"

// prepare prepares the statement, once for each connection. The server says which types
// the parameters have.
func (w *writing) prepare(ctx context.Context) error {
	known, _ := w.conn.CustomData()[statements].(map[string]*pgconn.StatementDescription)
	if known == nil {
		known = map[string]*pgconn.StatementDescription{}
		w.conn.CustomData()[statements] = known
	}
	name := ""
	if w.plan.copy != "" {
		// COPY does not know which types we thought of, so they must not be old.
		delete(known, w.plan.name)
	} else if w.client.named {
		name = w.plan.name
	}
	if w.statement = known[w.plan.name]; w.statement != nil {
		return nil
	}
	s, err := w.conn.Prepare(ctx, name, w.plan.sql, nil)
	if err != nil {
		var e *pgconn.PrepareError
		if name != "" && errors.As(err, &e) && (e.ParseComplete || codeOf(err) == duplicate) {
			_ = w.conn.Close(ctx) // it has a statement of that name, which nobody knows
		}
		return err
	}
	w.statement, known[w.plan.name], w.fresh = s, s, true
	return nil
}

// refresh prepares the statement again, if that was not done by this writing, and reports
// whether the types of its parameters have changed.
func (w *writing) refresh(ctx context.Context) (changed bool, err error) {
	if w.fresh {
		return false, nil
	}
	before := w.statement
	if before.Name != "" {
		if err := w.conn.Deallocate(ctx, before.Name); err != nil {
			return false, err
		}
	}
	delete(w.conn.CustomData()[statements].(map[string]*pgconn.StatementDescription), w.plan.name)
	if err := w.prepare(ctx); err != nil {
		return false, err
	}
	return !slices.Equal(before.ParamOIDs, w.statement.ParamOIDs), nil
}

// encode makes parameters of the values of all rows. Rows for which that cannot be fail
// for good.
func (w *writing) encode(ctx context.Context) error {
	if w.parameters() {
		return nil
	}
	changed, err := w.refresh(ctx)
	if err != nil {
		return err
	}
	if changed {
		w.parameters()
	}
	w.drop(func(r row) error { return r.err })
	return nil
}

// parameters encodes all rows and reports whether all can be.
func (w *writing) parameters() bool {
	all := true
	for i := range w.rows {
		r := &w.rows[i]
		r.params, r.err = make([][]byte, len(r.values)), nil
		for k, v := range r.values {
			var err error
			if r.params[k], err = encode(w.types, w.statement.ParamOIDs[k], v); err != nil {
				r.err, all = actions.Permanent(fmt.Errorf("postgres: %s: %w", w.plan.names[k], err)), false
				break
			}
		}
	}
	return all
}

// drop takes rows with an error out.
func (w *writing) drop(of func(r row) error) {
	w.rows = slices.DeleteFunc(w.rows, func(r row) bool {
		err := of(r)
		if err != nil {
			w.fail(r, err)
		}
		return err != nil
	})
}

// transact writes the rows in one transaction: the fast way, and if that fails for good,
// in a way that finds out which of them cannot be written.
func (w *writing) transact(ctx context.Context) error {
	bad, err := w.all(ctx)
	if code := codeOf(err); !w.fresh && (final(code) || stale[code]) {
		changed, e := w.refresh(ctx)
		if e != nil {
			return e
		}
		if changed || stale[code] {
			if err := w.encode(ctx); err != nil || len(w.rows) == 0 {
				return err
			}
			bad, err = w.all(ctx)
		}
	}
	if !final(codeOf(err)) {
		return err
	}
	if w.plan.copy != "" { // which does not say which row
		if bad, err = w.send(ctx, batch{rows: w.rows}); !final(codeOf(err)) {
			return err
		}
	}
	return w.sift(ctx, bad, err)
}

// all writes the rows in the fast way. If that fails, bad is the row that failed, or
// their number if nobody knows.
func (w *writing) all(ctx context.Context) (bad int, err error) {
	if w.plan.copy != "" {
		_, err := w.conn.CopyFrom(ctx, bytes.NewReader(w.lines()), w.plan.copy)
		return len(w.rows), err
	}
	return w.send(ctx, batch{rows: w.rows}) // is a transaction, without BEGIN
}

// sift writes the rows in a transaction, without those that cannot be written. It begins
// with the error of one, or of none if bad is their number.
//
// In each round the rows before the bad one are written again, and then those behind it as
// far as there is no other bad one: all are written twice at most.
func (w *writing) sift(ctx context.Context, bad int, err error) error {
	errs := map[int]error{} // by events
	b := batch{before: []string{"BEGIN"}, save: true}
	left := w.rows
	again := func() {
		b.before = []string{"BEGIN", "SET CONSTRAINTS ALL IMMEDIATE"}
		b.rows, b.more = nil, slices.DeleteFunc(slices.Clone(w.rows), func(r row) bool { return errs[r.event] != nil })
	}
	without := func(bad int) {
		errs[left[bad].event] = judge(err)
		b.rows, b.more = left[:bad], left[bad+1:]
	}
	deferred := bad == len(left)
	if deferred {
		again()
	} else {
		without(bad)
	}
	for {
		var done int
		done, err = w.send(ctx, b)
		if err == nil {
			break
		}
		place := done - len(b.before) - len(b.rows) - 1 // among more
		switch {
		case !final(codeOf(err)):
			return err
		case place < 0 || place > len(b.more) || place == len(b.more) && deferred:
			return actions.SinkWorks(fmt.Errorf("it cannot be told which event is to blame: %s", clip(err.Error())))
		case place == len(b.more):
			// A constraint that is checked at the end: now it is checked with each row.
			deferred = true
			again()
		default:
			left = b.more
			without(place)
			b.before = []string{"ROLLBACK TO SAVEPOINT thinghub", "RELEASE SAVEPOINT thinghub"}
		}
	}
	w.drop(func(r row) error { return errs[r.event] })
	return nil
}

// A batch is what is sent at once.
type batch struct {
	before []string
	rows   []row
	save   bool // make a savepoint, send more and commit
	more   []row
}

// send sends a batch in one round trip, and returns how many of its statements succeeded.
func (w *writing) send(ctx context.Context, b batch) (done int, err error) {
	q := &pgconn.Batch{}
	for _, s := range b.before {
		q.ExecParams(s, nil, nil, nil, nil)
	}
	w.queue(q, b.rows)
	if b.save {
		q.ExecParams("SAVEPOINT thinghub", nil, nil, nil, nil)
		w.queue(q, b.more)
		q.ExecParams("COMMIT", nil, nil, nil, nil)
	}
	results := w.conn.ExecBatch(ctx, q)
	for results.NextResult() {
		if _, err := results.ResultReader().Close(); err == nil {
			done++
		}
	}
	return done, results.Close()
}

func (w *writing) queue(q *pgconn.Batch, rows []row) {
	for _, r := range rows {
		if w.statement.Name != "" {
			q.ExecPrepared(w.statement.Name, r.params, nil, nil)
		} else {
			q.ExecParams(w.plan.sql, r.params, w.statement.ParamOIDs, nil, nil)
		}
	}
}

// rollback ends a transaction that was not committed.
func (w *writing) rollback(ctx context.Context) error {
	if w.conn.TxStatus() == 'I' {
		return nil
	}
	return w.conn.Exec(ctx, "ROLLBACK").Close()
}

// lines writes the rows as the text form of COPY has them.
func (w *writing) lines() []byte {
	var b []byte
	for _, r := range w.rows {
		for k, p := range r.params {
			if k > 0 {
				b = append(b, '\t')
			}
			if p == nil {
				b = append(b, '\\', 'N')
				continue
			}
			b = appendCopied(b, p)
		}
		b = append(b, '\n')
	}
	return b
}

// appendCopied escapes what COPY would take for something else.
func appendCopied(b, text []byte) []byte {
	for _, c := range text {
		switch c {
		case '\\':
			b = append(b, '\\', '\\')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, c)
		}
	}
	return b
}
