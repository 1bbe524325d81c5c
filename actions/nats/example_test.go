package nats_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/nats"
	"github.com/thinghub/thinghub/rules"
)

// A rule puts what pumps report into a stream.
func Example() {
	url, stop := exampleServer() // yours is at nats://127.0.0.1:4222
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	conn, err := natsgo.Connect(url)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	js, _ := jetstream.New(conn)
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "READINGS", Subjects: []string{"pumps.>"}})
	if err != nil {
		panic(err)
	}

	bus, err := nats.Open(nats.Config{Sink: actions.SinkConfig{Name: "main"}, Servers: []string{url}})
	if err != nil {
		panic(err)
	}
	defer bus.Close()
	s, err := rules.New(rules.Config{Kinds: nats.Kinds(bus), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	go func() { _ = s.Run(ctx) }()
	rule, err := s.DecodeRule("readings", []byte(`{
		"sql": "SELECT temp FROM 'dt/+/state'", "awsIotSqlVersion": "2016-03-23",
		"actions": [{"nats": {
			"sink": "main", "subject": "pumps.${topic(2)}", "jetStream": true, "stream": "READINGS",
			"headers": [{"key": "Mode", "value": "${mode}"}]
		}}]
	}`))
	if err != nil {
		panic(err)
	}
	rule.ErrorAction = actions.Func(func(_ context.Context, ev actions.Event) error {
		fmt.Println("failed:", ev.Message.Topic)
		return nil
	})
	if err := s.Put(ctx, rule); err != nil {
		panic(err)
	}

	_ = s.Submit(ctx, &actions.Message{Topic: "dt/p1/state", Payload: []byte(`{"temp":20.5,"mode":"auto"}`)})
	_ = s.Submit(ctx, &actions.Message{Topic: "dt/p1/state", Payload: []byte(`{"temp":21}`)})
	_ = s.Submit(ctx, &actions.Message{Topic: "dt/*/state", Payload: []byte(`{"temp":99}`)}) // is no subject
	if err := s.Shutdown(ctx); err != nil {
		panic(err)
	}

	info, _ := stream.Info(ctx)
	for n := uint64(1); n <= info.State.LastSeq; n++ {
		m, err := stream.GetMsg(ctx, n)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s %s %q\n", m.Subject, m.Data, m.Header.Get("Mode"))
	}
	// Output:
	// failed: dt/*/state
	// pumps.p1 {"temp":20.5} "auto"
	// pumps.p1 {"temp":21} ""
}

func exampleServer() (url string, stop func()) {
	dir, err := os.MkdirTemp("", "nats-")
	if err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		panic(err)
	}
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		panic("the server does not start")
	}
	return s.ClientURL(), func() {
		s.Shutdown()
		s.WaitForShutdown()
		_ = os.RemoveAll(dir)
	}
}
