// Command mochi runs mochi-mqtt/server as a peer for broker comparisons. It
// lets everybody in and lifts the limits that would make a flood of QoS 1
// messages fail for a reason other than speed.
package main

import (
	"flag"
	"log"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"syscall"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:1883", "listen address")
	buf := flag.Int("buf", 0, "read and write buffer of a connection in bytes (0: mochi's default)")
	pending := flag.Int("pending", 0, "outbound messages a connection may have waiting; more are dropped (0: mochi's default)")
	flag.Parse()

	// The queue of waiting messages is allocated with the connection, so it
	// stays at mochi's size unless asked for: a larger one would charge mochi
	// with memory in every idle measurement.
	limits := mqtt.NewDefaultServerCapabilities()
	limits.ReceiveMaximum = math.MaxUint16
	limits.MaximumInflight = math.MaxUint16
	if *pending > 0 {
		limits.MaximumClientWritesPending = int32(min(*pending, math.MaxInt32))
	}

	server := mqtt.New(&mqtt.Options{
		Capabilities:             limits,
		ClientNetReadBufferSize:  *buf,
		ClientNetWriteBufferSize: *buf,
		Logger:                   slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err := server.AddHook(new(auth.AllowHook), nil); err != nil {
		log.Fatal(err)
	}
	if err := server.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: *addr})); err != nil {
		log.Fatal(err)
	}
	if err := server.Serve(); err != nil {
		log.Fatal(err)
	}

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
}
