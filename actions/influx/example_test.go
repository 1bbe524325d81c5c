package influx_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/influx"
	"github.com/thinghub/thinghub/rules"
)

// A rule written as JSON writes what sensors measure to InfluxDB.
func Example() {
	lines := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // stands for InfluxDB
		body, _ := io.ReadAll(r.Body)
		lines <- r.URL.Query().Get("bucket") + ": " + string(body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()

	db, err := influx.Open(influx.Config{
		URL: server.URL, API: influx.V2, Token: os.Getenv("INFLUX_TOKEN"),
		Sink: actions.SinkConfig{Name: "main"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	service, err := rules.New(rules.Config{Kinds: influx.Kinds(db)})
	if err != nil {
		log.Fatal(err)
	}
	rule, err := service.DecodeRule("air", []byte(`{
		"sql": "SELECT * FROM 'rooms/+/air'", "awsIotSqlVersion": "2016-03-23",
		"actions": [{"influxDB": {
			"sink": "main", "organization": "plant", "databaseName": "iot", "tableName": "air",
			"tags": {"room": "${topic(2)}"}, "fields": {"temp": "float", "count": "integer"}
		}}]
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

	m := &actions.Message{
		Topic: "rooms/living room/air", Payload: []byte(`{"temp": 21, "count": 9007199254740993, "note": "fine"}`),
		Time: time.Unix(1700000000, 0),
	}
	if err := service.Submit(context.Background(), m); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-lines)
	// Output: iot: air,room=living\ room temp=21,count=9007199254740993i 1700000000000000000
}
