package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/sqltext"
)

const (
	batchEvents    = 500
	batchBytes     = 1 << 20
	mostEvents     = 10_000
	maxStatement   = 64 << 10
	maxParameters  = 65_535 // of the protocol
	conflictError  = "error"
	conflictKeep   = "nothing"
	conflictUpdate = "update"
)

// Action writes to MySQL or MariaDB: with a statement of its own, or rows of a table. It
// is made by [Client.Action] or by the decoder of [Kinds].
type Action struct {
	// SinkName is the name of the client in JSON. In Go it is not needed.
	SinkName string `json:"sink,omitempty"`

	// Statement is one statement, where each ${...}, $payload and $payload.member is a
	// bound parameter. It is run once for each event. Nothing below is set then, but
	// BatchSize.
	Statement string `json:"statement,omitempty"`

	// Table is the name of a table, "readings" or "plant.readings".
	Table string `json:"table,omitempty"`
	// Columns says what is written into which column: a text with templates, which see
	// the original message; $payload, the outgoing payload; or $payload.member, a member
	// of it, NULL if it has none. Nothing else begins with a $; what is nested in a member
	// is ${a.b}, of the original message. A value that is Undefined is NULL. Names have no
	// templates, nor have those of Table, Members and Key.
	Columns map[string]string `json:"columns,omitempty"`
	// Members are members of the outgoing payload that have columns of the same name. If
	// there are neither Columns nor Members, the outgoing payload is written into a
	// column "payload".
	Members []string `json:"members,omitempty"`
	// OnConflict says what happens to a row whose primary key, or other unique key, is
	// there already: "error", the default, fails the event; "nothing" leaves the row as
	// it is; "update" overwrites the columns that are not in Key.
	OnConflict string `json:"onConflict,omitempty"`
	// Key are the columns that "update" does not overwrite. The server knows by itself
	// which keys are unique.
	Key []string `json:"key,omitempty"`

	// BatchSize is how many events are written in one transaction at most: 1 to 10000,
	// default 500.
	BatchSize int `json:"batchSize,omitempty"`

	client *Client
	plan   *plan
	wrong  error
}

// decode reads the parameters.
func decode(o *actions.Object) Action {
	return Action{
		SinkName:   o.Text("sink"),
		Statement:  o.Text("statement"),
		Table:      o.Text("table"),
		Columns:    o.Texts("columns"),
		Members:    o.List("members", 1, sqltext.MostColumns),
		OnConflict: o.Enum("onConflict", conflictError, conflictKeep, conflictUpdate),
		Key:        o.List("key", 1, sqltext.MostColumns),
		BatchSize:  o.Int("batchSize", 1, mostEvents),
	}
}

// Kind is "mysql".
func (*Action) Kind() string { return kind }

// Resource is the table, "" if there is a statement.
func (a *Action) Resource(actions.Event) string { return a.Table }

// Sink is that of the client.
func (a *Action) Sink() *actions.Sink {
	if a.client == nil {
		return nil
	}
	return a.client.sink
}

// Params are the templates.
func (a *Action) Params() []actions.Param {
	if a.plan == nil {
		return nil
	}
	return a.plan.params
}

// Check reports what is wrong with the parameters.
func (a *Action) Check() error {
	if a.client == nil {
		return errors.New("mysql: the action has no client, expected one made by Client.Action")
	}
	return a.wrong
}

// Batch puts together what waits, of all topics of a lane: each lane has a transaction of
// its own.
func (a *Action) Batch() actions.Batch {
	events := batchEvents
	if a.BatchSize != 0 {
		events = a.BatchSize
	}
	return actions.Batch{Events: events, Bytes: batchBytes, AcrossTopics: true, Parallel: true}
}

// Do writes one event.
func (a *Action) Do(ctx context.Context, ev actions.Event) error {
	if errs := a.DoBatch(ctx, []actions.Event{ev}); errs != nil {
		return errs[0]
	}
	return nil
}

// DoBatch writes the events in one transaction, in their order. Those that cannot be
// written fail for good, and the others are committed.
func (a *Action) DoBatch(ctx context.Context, evs []actions.Event) []error {
	w := &writing{client: a.client, plan: a.plan, events: len(evs)}
	err := actions.Permanent(a.Check())
	for i, ev := range evs {
		w.read(i, ev, err)
	}
	if len(w.rows) > 0 {
		err = w.write(ctx)
	}
	if err != nil {
		for _, r := range w.rows {
			w.fail(r, err)
		}
	}
	return w.errs
}

// A plan is what the parameters were compiled to.
type plan struct {
	names  []string // of the values, for errors
	from   sqltext.Sources
	params []actions.Param
	blocks []block // the largest first, the last one is for one row
	look   string  // asks for the types of the columns; empty for a statement
	// types are those of the columns as they were last; nil if nobody knows.
	types atomic.Pointer[[]string]
}

// A block is a statement for some rows.
type block struct {
	rows int
	sql  string
}

// sizes are how many rows one INSERT may have.
var sizes = [...]int{256, 64, 16, 4, 1}

// block returns the statement for the first of n rows.
func (p *plan) block(n int) block {
	for _, b := range p.blocks {
		if b.rows <= n {
			return b
		}
	}
	return p.blocks[len(p.blocks)-1]
}

func (a *Action) compile() (*plan, error) {
	if a.BatchSize < 0 || a.BatchSize > mostEvents {
		return nil, &actions.FieldError{Field: "batchSize", Value: fmt.Sprint(a.BatchSize), Want: fmt.Sprintf("a whole number from 1 to %d", mostEvents)}
	}
	if a.Statement != "" {
		return a.compileStatement()
	}
	return a.compileTable()
}

func (a *Action) compileStatement() (*plan, error) {
	for _, other := range [...]struct {
		name string
		set  bool
	}{
		{"table", a.Table != ""},
		{"columns", a.Columns != nil},
		{"members", a.Members != nil},
		{"onConflict", a.OnConflict != ""},
		{"key", a.Key != nil},
	} {
		if other.set {
			return nil, fmt.Errorf("%s is there beside statement, expected one of statement and table", other.name)
		}
	}
	if len(a.Statement) > maxStatement {
		return nil, &actions.FieldError{Field: "statement", Value: fmt.Sprintf("%d bytes", len(a.Statement)), Want: fmt.Sprintf("at most %d", maxStatement)}
	}
	s, err := sqltext.Split(a.Statement, sqltext.MySQL)
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	p := &plan{blocks: []block{{1, s.Join(func(int) string { return "?" })}}}
	for i, from := range s.Sources() {
		p.source("statement", "value "+strconv.Itoa(i+1)+" of the statement", from)
	}
	return p, nil
}

// source adds a value.
func (p *plan) source(field, name string, s sqltext.Source) {
	p.names, p.from = append(p.names, name), append(p.from, s)
	if s.Template != "" {
		p.params = append(p.params, actions.Param{Name: field, Text: s.Template, JSON: true, Optional: true})
	}
}

func (a *Action) compileTable() (*plan, error) {
	if a.Table == "" {
		return nil, &actions.FieldError{Field: "table", Want: "a table, or a statement"}
	}
	if sqltext.HasTemplate(a.Table) {
		return nil, &actions.FieldError{Field: "table", Value: strconv.Quote(clip(a.Table)), Want: sqltext.FixedName}
	}
	if err := sqltext.CheckTable(a.Table); err != nil || strings.Count(a.Table, ".") > 1 {
		return nil, &actions.FieldError{Field: "table", Value: strconv.Quote(clip(a.Table)), Want: "the name of a table, with that of its database and a point before it at most"}
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
	columns, table := strings.Join(quoted(names), ", "), sqltext.Table(a.Table, '`')
	row := "(?" + strings.Repeat(", ?", len(names)-1) + ")"
	for _, n := range sizes {
		if n > 1 && (n*len(names) > maxParameters || n > a.Batch().Events) {
			continue
		}
		rows := row + strings.Repeat(", "+row, n-1)
		p.blocks = append(p.blocks, block{n, fmt.Sprintf("INSERT INTO %s (%s) VALUES %s%s", table, columns, rows, conflict)})
	}
	p.look = fmt.Sprintf("SELECT %s FROM %s LIMIT 0", columns, table)
	return p, nil
}

func quoted(names []string) []string {
	q := make([]string, len(names))
	for i, name := range names {
		q[i] = sqltext.Name(name, '`')
	}
	return q
}

// conflict returns the clause for rows that are there already. It is not IGNORE, which
// also writes something else where a value does not fit.
func (a *Action) conflict(names []string) (string, error) {
	for i, k := range a.Key {
		if sqltext.HasTemplate(k) {
			return "", &actions.FieldError{Field: fmt.Sprintf("key[%d]", i), Value: strconv.Quote(clip(k)), Want: sqltext.FixedName}
		}
		if !slices.Contains(names, k) || slices.Contains(a.Key[:i], k) {
			return "", &actions.FieldError{Field: fmt.Sprintf("key[%d]", i), Value: strconv.Quote(clip(k)), Want: "a column that is written, once"}
		}
	}
	q := quoted(names)
	keep := " ON DUPLICATE KEY UPDATE " + q[0] + " = " + q[0]
	switch a.OnConflict {
	case "", conflictError:
		if a.Key != nil {
			return "", errors.New("key is there without onConflict, expected nothing or update there")
		}
		return "", nil
	case conflictKeep:
		return keep, nil
	case conflictUpdate:
		if len(a.Key) == 0 {
			return "", &actions.FieldError{Field: "key", Want: "the columns that tell whether a row is there"}
		}
		var set []string
		for i, name := range names {
			if !slices.Contains(a.Key, name) {
				set = append(set, q[i]+" = VALUES("+q[i]+")")
			}
		}
		if set == nil {
			return keep, nil
		}
		return " ON DUPLICATE KEY UPDATE " + strings.Join(set, ", "), nil
	}
	return "", &actions.FieldError{Field: "onConflict", Value: strconv.Quote(clip(a.OnConflict)), Want: "error, nothing or update"}
}

func fieldError(err error) error {
	var e *sqltext.RowError
	if errors.As(err, &e) {
		return &actions.FieldError{Field: e.Field, Value: e.Value, Want: e.Want}
	}
	return err
}
