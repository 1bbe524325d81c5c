package thinghub_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/thinghub/thinghub"
)

// Shutdown lets clients finish and tells them; give it a context that bounds it.
func ExampleHub_Shutdown() {
	hub, err := thinghub.New(thinghub.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- hub.Serve(ln) }()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := hub.Shutdown(ctx); err != nil {
		log.Print("some connections were cut: ", err)
	}
	fmt.Println("Serve ended because the hub did:", errors.Is(<-served, thinghub.ErrClosed))

	// Output:
	// Serve ended because the hub did: true
}
