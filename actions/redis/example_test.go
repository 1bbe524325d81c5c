package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	goredis "github.com/redis/go-redis/v9"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/redis"
	"github.com/thinghub/thinghub/internal/servertest"
	"github.com/thinghub/thinghub/rules"
)

// A rule keeps the readings of pumps in a stream, and another one the last state of each
// pump in a hash.
func Example() {
	addr, stop := exampleServer() // yours is at 127.0.0.1:6379
	defer stop()

	db, err := redis.Open(redis.Config{
		Sink:    actions.SinkConfig{Name: "main"},
		Options: goredis.UniversalOptions{Addrs: []string{addr}},
	})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	s, err := rules.New(rules.Config{Kinds: redis.Kinds(db), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = s.Run(ctx) }()

	rule, err := s.DecodeRule("readings", []byte(`{
		"sql": "SELECT temp FROM 'dt/+/state'", "awsIotSqlVersion": "2016-03-23",
		"actions": [{"redis": {"sink": "main", "stream": {
			"key": "readings", "maxLen": 100000, "fields": {"pump": "${topic(2)}", "reading": "$payload"}
		}}}]
	}`))
	if err != nil {
		panic(err)
	}
	if err := s.Put(ctx, rule); err != nil {
		panic(err)
	}
	last := rules.Rule{Name: "last", SQL: `SELECT * FROM 'dt/+/state'`, Actions: []actions.Action{
		db.Action(redis.Action{HSet: &redis.HSet{Key: "pump:${topic(2)}", ExpireSeconds: 3600}}),
	}}
	if err := s.Put(ctx, last); err != nil {
		panic(err)
	}
	_, err = redis.Kinds(db)["redis"]([]byte(`{"command": ["FLUSHALL"]}`))
	fmt.Println(err)

	_ = s.Submit(ctx, &actions.Message{Topic: "dt/p1/state", Payload: []byte(`{"temp":20.5,"mode":"auto"}`)})
	_ = s.Submit(ctx, &actions.Message{Topic: "dt/p1/state", Payload: []byte(`{"temp":21,"mode":"off"}`)})
	if err := s.Shutdown(ctx); err != nil {
		panic(err)
	}

	reader := goredis.NewClient(&goredis.Options{Addr: addr})
	defer reader.Close()
	entries, _ := reader.XRange(ctx, "readings", "-", "+").Result()
	for _, e := range entries {
		fmt.Println(e.Values["pump"], e.Values["reading"])
	}
	fmt.Println(reader.HGetAll(ctx, "pump:p1").Val())
	// Output:
	// command[0] is "FLUSHALL", expected a command that the hub allows
	// p1 {"temp":20.5}
	// p1 {"temp":21}
	// map[mode:off temp:21]
}

func exampleServer() (addr string, stop func()) {
	dir, err := servertest.Dir("")
	if err != nil {
		panic(err)
	}
	addr, s, err := servertest.RunRedis(dir)
	if err != nil {
		panic(err)
	}
	return addr, func() {
		s.Kill()
		_ = os.RemoveAll(dir)
	}
}
