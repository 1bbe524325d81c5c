package rules_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/rules/sql"
)

// A rule with a Go function as its action.
func Example() {
	s, err := rules.New(rules.Config{})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = s.Run(ctx) }()

	page := actions.Func(func(_ context.Context, ev actions.Event) error {
		fmt.Printf("%s: %s\n", ev.Message.Topic, ev.Payload)
		return nil
	})
	err = s.Put(ctx, rules.Rule{Name: "hot", SQL: `SELECT temp, topic(2) AS device FROM 'dt/+/temp' WHERE temp > 80`, Actions: []actions.Action{page}})
	if err != nil {
		panic(err)
	}

	for _, payload := range []string{`{"temp": 79.5}`, `{"temp": 81.5}`} {
		_ = s.Submit(ctx, &actions.Message{Topic: "dt/pump-1/temp", Payload: []byte(payload)})
	}
	_ = s.Shutdown(ctx) // works what was taken
	fmt.Println(s.Metrics().Rules["hot"].Matched, "matched")
	// Output:
	// dt/pump-1/temp: {"temp":81.5,"device":"pump-1"}
	// 2 matched
}

// A mistake is found when the rule is put, not when a message comes.
func ExampleService_Put() {
	s, _ := rules.New(rules.Config{})
	err := s.Put(context.Background(), rules.Rule{Name: "hot", SQL: `SELECT temp FROM 'dt/+/temp' WHERE tmp >`})
	fmt.Println(err)

	var at *sql.Error
	if errors.As(err, &at) {
		fmt.Println("line", at.Line, "column", at.Column)
	}
	// Output:
	// rules: sql: line 1, column 41: found the end, expected an expression
	// line 1 column 41
}

// What would happen to a message, and why.
func ExampleService_Trace() {
	ctx := context.Background()
	s, _ := rules.New(rules.Config{})
	_ = s.Put(ctx, rules.Rule{Name: "cold", SQL: `SELECT temp FROM 'dt/+/temp' WHERE temp < 0`})
	_ = s.Put(ctx, rules.Rule{Name: "hot", SQL: `SELECT temp FROM 'dt/+/temp' WHERE temp > 80`, Actions: []actions.Action{actions.Log{Message: "hot: ${topic(2)}"}}})
	_ = s.Put(ctx, rules.Rule{Name: "other", SQL: `SELECT * FROM 'other/#'`})

	traces, _ := s.Trace(ctx, &actions.Message{Topic: "dt/pump-1/temp", Payload: []byte(`{"temp":81.5}`)})
	for _, t := range traces {
		fmt.Printf("%s: passed %t %s%s\n", t.Rule, t.Passed, t.Output, t.Reason)
		for _, step := range t.Steps {
			fmt.Printf("  %s %s = %s\n", step.Clause, step.Expression, step.Value)
		}
		for _, a := range t.Actions {
			fmt.Printf("  %s: %s\n", a.Kind, a.Params[0].Value)
		}
	}
	// Output:
	// cold: passed false the condition is not true
	//   WHERE temp = 81.5
	//   WHERE (temp < 0) = false
	// hot: passed true {"temp":81.5}
	//   WHERE temp = 81.5
	//   WHERE (temp > 80) = true
	//   SELECT temp = 81.5
	//   log: hot: pump-1
	// other: passed false the topic "dt/pump-1/temp" does not match "other/#"
}

// The other language.
func ExampleExpr() {
	ctx := context.Background()
	s, _ := rules.New(rules.Config{})
	rule := rules.Rule{Name: "hot", Expr: &rules.Expr{
		Filter: "dt/+/temp",
		Where:  `payload.temp > 80 and "roof" in payload.tags`,
		Select: `{device: segments[1], excess: payload.temp - 80}`,
	}}
	t, err := s.Try(ctx, rule, &actions.Message{Topic: "dt/pump-1/temp", Payload: []byte(`{"temp":81.5,"tags":["roof"]}`)}, rules.TryOptions{})
	fmt.Println(string(t.Output), err)

	rule.Expr.Where = `payload.temp > 80 and segments == "roof"`
	fmt.Println(s.Put(ctx, rule))
	// Output:
	// {"device":"pump-1","excess":1.5} <nil>
	// rules: expr.where: line 1, column 32: invalid operation: == (mismatched types []string and string)
}
