package mysql_test

import (
	"context"
	"fmt"
	"maps"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/mysql"
	"github.com/thinghub/thinghub/rules"
)

// The host opens the database, rules name it. They are wrong or right before a message
// comes, and before the database is there.
func Example() {
	db, err := mysql.Open(mysql.Config{
		Sink: actions.SinkConfig{Name: "main"},
		DSN:  "hub:secret@tcp(db.example.com)/plant?tls=true",
	})
	if err != nil {
		panic(err)
	}
	defer db.Close()

	kinds := actions.Builtin()
	maps.Copy(kinds, mysql.Kinds(db))
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
	fmt.Println(put(`{"mysql": {"sink": "main", "table": "readings",
		"columns": {"id": "${newuuid()}", "time": "${timestamp()}", "device": "${topic(2)}", "data": "$payload"},
		"onConflict": "nothing"}}`))
	fmt.Println(put(`{"mysql": {"statement": "UPDATE devices SET temp = ${temp}, seen = FROM_UNIXTIME(${timestamp()} / 1000) WHERE name = ${topic(2)}"}}`))
	fmt.Println(put(`{"mysql": {"statement": "UPDATE devices SET temp = ${temp} WHERE name = '${topic(2)}'"}}`))
	// Output:
	// <nil>
	// <nil>
	// mysql: statement: line 1, column 49: a template is in a literal, expected it outside of quotes: it stands for a value
}
