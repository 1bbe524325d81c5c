package rules_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
)

// Table is an action of a third party: it appends rows to a table. Do is all it must
// have; the rest is for those who want more.
type Table struct {
	db   *database
	Name string `json:"name"` // may have templates
	Key  string `json:"key"`  // may have templates
}

// Do appends a row.
func (t Table) Do(_ context.Context, ev actions.Event) error {
	return t.db.insert(ev.Params[0], ev.Params[1], string(ev.Payload))
}

// Kind names the action in rules that are written as JSON.
func (t Table) Kind() string { return "table" }

// Resource is what the report of a failure says.
func (t Table) Resource(ev actions.Event) string { return ev.Params[0] }

// Params are texts with templates. The engine compiles them when the rule is put and
// renders them for each event.
func (t Table) Params() []actions.Param {
	return []actions.Param{{Name: "name", Text: t.Name}, {Name: "key", Text: t.Key}}
}

// Check refuses a rule that cannot work.
func (t Table) Check() error {
	if t.Name == "" {
		return &actions.FieldError{Field: "name", Want: "the name of a table"}
	}
	return nil
}

// database stands for a driver.
type database struct{ tables map[string]bool }

func (db *database) insert(table, key, row string) error {
	if !db.tables[table] {
		// Trying again would not help.
		return actions.Permanent(errors.New("there is no such table"))
	}
	fmt.Println(table, key, row)
	return nil
}

func Example_customAction() {
	db := &database{tables: map[string]bool{"pumps": true}}
	s, err := rules.New(rules.Config{
		Logger: slog.New(slog.DiscardHandler),
		// For rules that come as JSON. In Go, Table{db, ...} is an action as it is.
		Kinds: map[string]actions.Decoder{"table": func(parameters []byte) (actions.Action, error) {
			o := actions.ReadObject(parameters)
			t := Table{db: db, Name: o.Need("name"), Key: o.Need("key")}
			return t, o.Done()
		}},
	})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = s.Run(ctx) }()

	rule, err := s.DecodeRule("keep", []byte(`{
		"sql": "SELECT temp FROM 'dt/+/temp'", "awsIotSqlVersion": "2016-03-23",
		"actions": [{"table": {"name": "${kind}s", "key": "${topic(2)}"}}]
	}`))
	if err != nil {
		panic(err)
	}
	rule.ErrorAction = actions.Func(func(_ context.Context, ev actions.Event) error {
		_, failures, _ := strings.Cut(string(ev.Payload), `"failures":`)
		fmt.Println("failed:", failures)
		return nil
	})
	if err := s.Put(ctx, rule); err != nil {
		panic(err)
	}
	rule.Actions = []actions.Action{Table{db: db}}
	fmt.Println(s.Put(ctx, rule))

	_ = s.Submit(ctx, &actions.Message{Topic: "dt/p1/temp", Payload: []byte(`{"kind":"pump","temp":81}`)})
	_ = s.Submit(ctx, &actions.Message{Topic: "dt/p1/temp", Payload: []byte(`{"kind":"fan","temp":20}`)})
	_ = s.Shutdown(ctx)
	// Output:
	// rules: actions[0].table: name is missing, expected the name of a table
	// pumps p1 {"temp":81}
	// failed: [{"failedAction":"TableAction","failedResource":"fans","errorMessage":"there is no such table"}]}
}
