// Alerts watches a plant with rules: one finds machines that are too hot and republishes
// an alert, one writes every alert to a file, one calls a function of the program, and one
// keeps the latest alert in the machine's shadow. Before anything is sent it shows how a
// rule is tried on a message.
//
//	go run ./examples/alerts
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/shadow"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	folder, err := os.MkdirTemp("", "alerts")
	if err == nil {
		err = run(ctx, folder, func(format string, a ...any) { fmt.Printf(format+"\n", a...) })
		_ = os.RemoveAll(folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "alerts:", err)
		os.Exit(1)
	}
}

// the rules of the plant. Each is the SQL of AWS IoT; what follows it are actions.
func plantRules(page func(machine string)) []rules.Rule {
	return []rules.Rule{
		{
			Name: "hot",
			SQL: `SET @limit = get_or_default(limit, 80)
				SELECT topic(2) AS machine, round(temp) AS temp, @limit AS limit FROM 'plant/+/telemetry' WHERE temp > @limit`,
			Actions: []actions.Action{actions.Republish{Topic: "alerts/${topic(2)}", QoS: 1}},
		},
		{
			Name:    "archive",
			SQL:     `SELECT *, timestamp() AS at FROM 'alerts/#'`,
			Actions: []actions.Action{actions.File{Path: "alerts.jsonl"}},
		},
		{
			Name: "page",
			SQL:  `SELECT VALUE machine FROM 'alerts/+' WHERE temp >= limit + 10`,
			Actions: []actions.Action{actions.Func(func(_ context.Context, ev actions.Event) error {
				page(string(ev.Payload))
				return nil
			})},
		},
		{
			Name:    "remember",
			SQL:     `SELECT {'alert': temp} AS state.reported FROM 'alerts/+'`,
			Actions: []actions.Action{actions.Shadow{Thing: "${topic(2)}"}},
		},
	}
}

// run has a plant until its alerts have gone all their ways.
func run(ctx context.Context, folder string, say func(format string, a ...any)) error {
	hub, err := thinghub.New(thinghub.Config{RuleConfig: rules.Config{Files: folder}})
	if err != nil {
		return err
	}
	defer hub.Close()

	paged := make(chan string, 1)
	for _, r := range plantRules(func(machine string) { paged <- machine }) {
		if err := hub.Rules().Put(ctx, r); err != nil {
			return err
		}
	}

	// What would the rules make of a message?
	traces, err := hub.Rules().Trace(ctx, &actions.Message{Topic: "plant/press-1/telemetry", Payload: []byte(`{"temp":79.5}`)}, "hot")
	if err != nil {
		return err
	}
	say("tried: %s", traces[0].Reason)
	for _, step := range traces[0].Steps {
		say("  %-6s %-28s = %s %s", step.Clause, step.Expression, step.Kind, step.Value)
	}

	remembered := make(chan struct{}, 4)
	stop, err := hub.Subscribe(ctx, "$aws/things/+/shadow/update/accepted", func(*thinghub.Message) { remembered <- struct{}{} })
	if err != nil {
		return err
	}
	defer stop()
	for _, m := range []struct{ machine, telemetry string }{
		{"press-1", `{"temp":79.5}`}, {"press-1", `{"temp":84.2}`}, {"oven-1", `{"temp":240,"limit":250}`}, {"press-2", `{"temp":91.7}`},
	} {
		if err := hub.Publish(ctx, "plant/"+m.machine+"/telemetry", []byte(m.telemetry)); err != nil {
			return err
		}
	}
	for range 2 { // two of them are too hot
		select {
		case <-remembered:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case machine := <-paged:
		say("paged because of %s", machine)
	case <-ctx.Done():
		return ctx.Err()
	}
	view, err := hub.Shadows().Get(ctx, shadow.Key{Thing: "press-1"}, shadow.Requester{})
	if err != nil {
		return err
	}
	say("shadow of press-1: %s", view.Reported)

	// Shutdown works what waits, so the file is complete afterwards.
	if err := hub.Shutdown(ctx); err != nil {
		return err
	}
	archive, err := os.ReadFile(filepath.Join(folder, "alerts.jsonl"))
	if err != nil {
		return err
	}
	say("archive:\n%s", archive)
	return nil
}
