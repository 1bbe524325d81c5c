package clickhouse_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/clickhouse"
	"github.com/thinghub/thinghub/rules"
)

// A rule written as JSON inserts what sensors measure into a table.
func Example() {
	inserts := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { // stands for ClickHouse
		body, _ := io.ReadAll(r.Body)
		inserts <- r.URL.Query().Get("query") + "\n" + string(body)
	}))
	defer server.Close()

	db, err := clickhouse.Open(clickhouse.Config{
		URL: server.URL, Username: "hub", Password: os.Getenv("CLICKHOUSE_PASSWORD"), Database: "iot",
		Sink: actions.SinkConfig{Name: "main"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	service, err := rules.New(rules.Config{Kinds: clickhouse.Kinds(db)})
	if err != nil {
		log.Fatal(err)
	}
	rule, err := service.DecodeRule("air", []byte(`{
		"sql": "SELECT topic(2) AS room, temp FROM 'rooms/+/air'", "awsIotSqlVersion": "2016-03-23",
		"actions": [{"clickhouse": {"sink": "main", "table": "air", "columns": ["room", "temp"], "batchConfig": {"maxBatchOpenMs": 100}}}]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	if err := service.Put(context.Background(), rule); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = service.Run(ctx) })
	defer running.Wait()
	defer cancel()

	if err := service.Submit(context.Background(), &actions.Message{Topic: "rooms/kitchen/air", Payload: []byte(`{"temp": 21.5}`)}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-inserts)
	// Output:
	// INSERT INTO `iot`.`air` (`room`, `temp`) FORMAT JSONEachRow
	// [{"room":"kitchen","temp":21.5}]
}
