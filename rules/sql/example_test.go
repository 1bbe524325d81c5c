package sql_test

import (
	"context"
	"fmt"
	"log"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules/sql"
)

func ExampleCompile() {
	s, err := sql.Compile(`SELECT temp, topic(2) AS device FROM 'dt/+/temp' WHERE temp > 80`, sql.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, payload := range []string{`{"temp":81}`, `{"temp":79}`} {
		res, err := s.Evaluate(context.Background(), &actions.Message{Topic: "dt/pump-1/temp", Payload: []byte(payload)})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(res.Matched, string(res.Output))
	}
	// Output:
	// true {"temp":81,"device":"pump-1"}
	// false
}

func ExampleCompile_mistake() {
	_, err := sql.Compile("SELECT uper(name)\nFROM 'a'", sql.Options{})
	fmt.Println(err)
	_, err = sql.Compile("SELECT name FROM 'a' WHERE", sql.Options{})
	fmt.Println(err)
	// Output:
	// line 1, column 8: there is no function uper, did you mean upper?
	// line 1, column 27: found the end, expected an expression
}

func ExampleStatement_Trace() {
	s, err := sql.Compile(`SELECT upper(name) AS n FROM 'a' WHERE temp > 80 AND on`, sql.Options{})
	if err != nil {
		log.Fatal(err)
	}
	t, err := s.Trace(context.Background(), &actions.Message{Topic: "a", Payload: []byte(`{"temp":81,"on":1}`)}, sql.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("matched:", t.Matched)
	for _, step := range t.Steps {
		fmt.Println(step.Clause, step.Expression, step.Kind, step.Value)
	}
	// Output:
	// matched: false
	// WHERE temp Int 81
	// WHERE (temp > 80) Boolean true
	// WHERE on Int 1
	// WHERE ((temp > 80) AND on) Undefined
}

func ExampleStatement_Template() {
	s, err := sql.Compile(`SET @site = upper(site) SELECT * FROM 'a'`, sql.Options{})
	if err != nil {
		log.Fatal(err)
	}
	t, err := s.Template("alerts/${@site}/${topic()}", sql.Options{})
	if err != nil {
		log.Fatal(err)
	}
	r := sql.NewPlan(s).Begin(&actions.Message{Topic: "a", Payload: []byte(`{"site":"north"}`)})
	defer r.End()
	text, _, err := r.Text(context.Background(), 0, t)
	fmt.Println(text, err)
	// Output: alerts/NORTH/a <nil>
}
