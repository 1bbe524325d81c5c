package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/sqltext"
)

const (
	batchEvents    = 500
	batchBytes     = 1 << 20
	mostEvents     = 10_000
	maxStatement   = 64 << 10
	maxParameters  = 65_535 // of the protocol
	modeCopy       = "copy"
	modeInsert     = "insert"
	conflictError  = "error"
	conflictKeep   = "nothing"
	conflictUpdate = "update"
)

// Action writes to PostgreSQL: with a statement of its own, or rows of a table. It is made
// by [Client.Action] or by the decoder of [Kinds].
type Action struct {
	// SinkName is the name of the client in JSON. In Go it is not needed.
	SinkName string `json:"sink,omitempty"`

	// Statement is one statement, where each ${...}, $payload and $payload.member is a
	// bound parameter. It is run once for each event. Nothing below is set then, but
	// BatchSize.
	Statement string `json:"statement,omitempty"`

	// Table is the name of a table, "readings" or "public.readings": exactly as it is in
	// the catalog, which is in lower case if it was created without quotes.
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
	// Mode is "insert", the default, or "copy", which uses COPY: faster, but it knows no
	// OnConflict, so that a batch whose answer was lost is written twice.
	Mode string `json:"mode,omitempty"`
	// OnConflict says what happens to a row that is there already: "error", the default,
	// fails the event; "nothing" leaves the row as it is; "update" overwrites the columns
	// that are not in Key.
	OnConflict string `json:"onConflict,omitempty"`
	// Key are the columns of a primary key or unique index that tell whether a row is
	// there. For "nothing" it may be empty: any of them counts then.
	Key []string `json:"key,omitempty"`

	// BatchSize is how many events are written in one transaction at most: 1 to 10000,
	// default 500.
	BatchSize int `json:"batchSize,omitempty"`

	client *Client
	plan   *plan
	wrong  error
}

// decode reads the parameters; "sink" is read by choose.
func decode(o *actions.Object) Action {
	return Action{
		SinkName:   o.Text("sink"),
		Statement:  o.Text("statement"),
		Table:      o.Text("table"),
		Columns:    o.Texts("columns"),
		Members:    o.List("members", 1, sqltext.MostColumns),
		Mode:       o.Enum("mode", modeInsert, modeCopy),
		OnConflict: o.Enum("onConflict", conflictError, conflictKeep, conflictUpdate),
		Key:        o.List("key", 1, sqltext.MostColumns),
		BatchSize:  o.Int("batchSize", 1, mostEvents),
	}
}

// Kind is "postgres".
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
		return errors.New("postgres: the action has no client, expected one made by Client.Action")
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
	sql    string // for one row
	name   string // of the prepared statement
	copy   string // COPY ... FROM STDIN; empty for INSERT
}

func (a *Action) compile() (*plan, error) {
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
		{"mode", a.Mode != ""},
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
	s, err := sqltext.Split(a.Statement, sqltext.Postgres)
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	if n := len(s.Values); n > maxParameters {
		return nil, &actions.FieldError{Field: "statement", Value: fmt.Sprintf("%d templates", n), Want: fmt.Sprintf("at most %d", maxParameters)}
	}
	p := &plan{sql: s.Join(placeholder)}
	for i, from := range s.Sources() {
		p.source("statement", "value "+strconv.Itoa(i+1)+" of the statement", from)
	}
	p.name = nameOf(p.sql)
	return p, a.checkBatch()
}

func (a *Action) checkBatch() error {
	if a.BatchSize < 0 || a.BatchSize > mostEvents {
		return &actions.FieldError{Field: "batchSize", Value: fmt.Sprint(a.BatchSize), Want: fmt.Sprintf("a whole number from 1 to %d", mostEvents)}
	}
	return nil
}

// source adds a value.
func (p *plan) source(field, name string, s sqltext.Source) {
	p.names, p.from = append(p.names, name), append(p.from, s)
	if s.Template != "" {
		p.params = append(p.params, actions.Param{Name: field, Text: s.Template, JSON: true, Optional: true})
	}
}
