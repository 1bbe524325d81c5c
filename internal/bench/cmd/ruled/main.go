// Command ruled runs a hub with a rule whose action is a function, to see what it costs
// beside the same hub without it.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"sync/atomic"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/rules"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:1883", "where to listen")
	sql := flag.String("sql", "", "the rule; empty: none")
	flag.Parse()
	hub, err := thinghub.New(thinghub.Config{Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}})
	if err != nil {
		log.Fatal(err)
	}
	var seen atomic.Int64
	if *sql != "" {
		err := hub.Rules().Put(context.Background(), rules.Rule{
			Name: "bench", SQL: *sql, Delivery: rules.Delivery{Queue: 100_000, QueueBytes: 1 << 30},
			Actions: []actions.Action{actions.Func(func(context.Context, actions.Event) error {
				seen.Add(1)
				return nil
			})},
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(hub.Serve(ln))
}
