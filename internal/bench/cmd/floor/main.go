//go:build linux

// Command floor is a null MQTT broker: 3.1.1, exact topics, no state, no limits. It
// bounds from below what any broker can cost on this machine, with one event loop
// (-mode epoll) or a goroutine per connection (-mode go). Linux only.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	fs := flag.NewFlagSet("floor", flag.ExitOnError)
	mode := fs.String("mode", "epoll", "epoll or go")
	addr := fs.String("addr", "127.0.0.1:1899", "listen address")
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "mqtt" {
		args = args[1:]
	}
	_ = fs.Parse(args)
	serve := serveEpoll
	if *mode == "go" {
		serve = serveGo
	}
	fmt.Fprintln(os.Stderr, serve(*addr))
	os.Exit(1)
}
