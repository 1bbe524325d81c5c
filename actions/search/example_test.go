package search_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/search"
	"github.com/thinghub/thinghub/rules"
)

// A rule, as AWS writes it, puts what devices say into an index of a cluster that the
// host has chosen.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("%s %s\n%s", r.Method, r.URL.Path, body)
		_, _ = io.WriteString(w, `{"took":1,"errors":false,"items":[{"index":{"status":201}}]}`)
	}))
	defer server.Close()

	cluster, err := search.New(search.Config{
		Sink:    actions.SinkConfig{Name: "logs"},
		URLs:    []string{server.URL},
		Aliases: []string{"https://search-things.eu-central-1.es.amazonaws.com"}, // what the rules say
		Auth:    search.Basic("hub", "a password that no rule sees"),
	})
	if err != nil {
		panic(err)
	}
	defer cluster.Close()

	engine, err := rules.New(rules.Config{Kinds: search.Kinds(cluster)})
	if err != nil {
		panic(err)
	}
	rule, err := engine.DecodeRule("readings", []byte(`{
		"sql": "SELECT temp FROM 'dt/+/temp' WHERE temp > 80",
		"actions": [{"openSearch": {
			"endpoint": "https://search-things.eu-central-1.es.amazonaws.com",
			"index": "readings", "type": "_doc", "id": "${topic(2)}",
			"roleArn": "arn:aws:iam::123456789012:role/search"
		}}]
	}`))
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := engine.Put(ctx, rule); err != nil {
		panic(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = engine.Run(ctx)
	}()
	if err := engine.Submit(ctx, &actions.Message{Topic: "dt/pump-1/temp", Payload: []byte(`{"temp": 91.5, "unit": "C"}`)}); err != nil {
		panic(err)
	}
	if err := engine.Shutdown(context.Background()); err != nil { // when all is written
		panic(err)
	}
	cancel()
	<-done
	// Output:
	// POST /_bulk
	// {"index":{"_index":"readings","_id":"pump-1"}}
	// {"temp":91.5}
}
