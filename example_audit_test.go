package thinghub_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
)

// An audit log: who came in, what administrators did, and what was refused and why. Here it
// is printed; a host may as well send it somewhere, from a queue of its own.
func ExampleConfig_audit() {
	hub, err := thinghub.New(thinghub.Config{
		Logger: slog.New(slog.DiscardHandler),
		Audit: func(e *auth.Event) {
			fmt.Printf("%s %s by %q: %s\n", e.Service, e.Operation, e.User, e.Outcome)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = hub.Close() }()

	r := httptest.NewRequestWithContext(context.Background(), http.MethodDelete, "http://hub.local/things/pump-1", http.NoBody)
	r.SetBasicAuth("mallory", "guess")
	hub.Handler().ServeHTTP(httptest.NewRecorder(), r)

	for _, n := range hub.AuthCounts() {
		fmt.Println(n.Service, n.Operation, n.Outcome, n.Number)
	}
	// Output:
	// iot DeleteThing by "mallory": refused
	// iot DeleteThing refused 1
}
