package postgres_test

import (
	"context"
	"fmt"
	"maps"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/postgres"
	"github.com/thinghub/thinghub/rules"
)

// The host opens the database, rules name it. They are wrong or right before a message
// comes, and before the database is there.
func Example() {
	db, err := postgres.Open(postgres.Config{
		Sink: actions.SinkConfig{Name: "main"},
		DSN:  "postgres://hub:secret@db.example.com/plant?sslmode=verify-full",
	})
	if err != nil {
		panic(err)
	}
	defer db.Close()

	kinds := actions.Builtin()
	maps.Copy(kinds, postgres.Kinds(db))
	engine, err := rules.New(rules.Config{Kinds: kinds})
	if err != nil {
		panic(err)
	}
	put := func(action string) error {
		a, err := actions.Decode([]byte(action), kinds)
		if err != nil {
			return err
		}
		return engine.Put(context.Background(), rules.Rule{
			Name: "readings", SQL: "SELECT temp, humidity FROM 'dt/+/climate'", Actions: []actions.Action{a},
		})
	}
	// Time, device and what SELECT made; what comes twice is written once.
	fmt.Println(put(`{"postgres": {"sink": "main", "table": "readings",
		"columns": {"id": "${newuuid()}", "time": "${timestamp()}", "device": "${topic(2)}", "data": "$payload"},
		"onConflict": "nothing", "key": ["id"]}}`))
	fmt.Println(put(`{"postgres": {"statement": "UPDATE devices SET temp = ${temp}, seen = now() WHERE name = ${topic(2)}"}}`))
	fmt.Println(put(`{"postgres": {"statement": "UPDATE devices SET temp = ${temp} WHERE name = '${topic(2)}'"}}`))
	fmt.Println(put(`{"postgres": {"statement": "UPDATE devices SET temp = ${temp +}"}}`))
	// Output:
	// <nil>
	// <nil>
	// postgres: statement: line 1, column 49: a template is in a literal, expected it outside of quotes: it stands for a value
	// rules: actions[0].postgres.statement: line 1, column 35: found "}", expected an expression
}

// In Go an action is made by the client.
func ExampleClient_Action() {
	db, err := postgres.Open(postgres.Config{DSN: "host=db.example.com dbname=plant"})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	a := db.Action(postgres.Action{
		Table:      "latest",
		Columns:    map[string]string{"device": "${topic(2)}", "data": "$payload"},
		OnConflict: "update", Key: []string{"device"},
	})
	fmt.Println(a.Check())
	a = db.Action(postgres.Action{Table: "latest", OnConflict: "update"})
	fmt.Println(a.Check())
	// Output:
	// <nil>
	// key is missing, expected the columns that tell whether a row is there
}
