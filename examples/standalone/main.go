// Standalone is the hub as one program: what everybody can do with the library,
// behind flags and a configuration file.
//
//	go run ./examples/standalone -mqtt 127.0.0.1:1883 -http 127.0.0.1:8080 -anonymous
//	go run ./examples/standalone -config hub.json
//
// It prints a line for each listener once it accepts, ends on SIGTERM and SIGINT
// with status 0, and refuses flags and files it does not understand with status 2.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
)

// patience is how long the clients get to say goodbye.
const patience = 8 * time.Second

func main() {
	// After the first signal the next one ends the program as usual.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with everything it touches as parameters; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if errors.Is(err, errHelp) {
		return 0
	}
	var f *file
	if err == nil {
		f, err = o.load()
	}
	if err != nil {
		fmt.Fprintln(stderr, "standalone:", err)
		return 2
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.logLevel}))
	hub, err := newHub(o, f, log)
	if err != nil {
		fmt.Fprintln(stderr, "standalone: -set or -config:", err)
		return 2
	}
	defer hub.Close()
	if err := f.register(ctx, hub.Registry()); err != nil {
		fmt.Fprintln(stderr, "standalone:", err)
		return 2
	}
	if err := serve(ctx, hub, o, f, log, stdout); err != nil {
		fmt.Fprintln(stderr, "standalone:", err)
		return 1
	}
	return 0
}

func newHub(o *options, f *file, log *slog.Logger) (*thinghub.Hub, error) {
	cfg := thinghub.Config{Account: f.account, Region: f.region, Gateway: o.limits, Logger: log}
	cfg.Gateway.WebSocketOrigins = f.webSocketOrigins
	switch {
	case o.anonymous != anonymousOff:
		cfg.Authenticator, cfg.Authorizer = auth.InsecureAllowAll{}, auth.InsecureAllowAll{}
		log.Warn("everybody may do everything (-anonymous); passwords are not checked")
	case len(f.users) > 0:
		cfg.Authenticator, cfg.Authorizer = f.users, auth.InsecureAllowAll{}
	default:
		log.Warn("nobody can connect: there are no users in a -config file, and -anonymous is off")
	}
	return thinghub.New(cfg)
}

// serve serves the hub until ctx ends or something fails, then shuts it down.
func serve(ctx context.Context, hub *thinghub.Hub, o *options, f *file, log *slog.Logger, stdout io.Writer) error {
	s := &servers{hub: hub, log: log, failed: make(chan error, 1)}
	if err := s.open(o, f); err != nil {
		s.close()
		return err
	}
	s.start(stdout)
	var failure error
	select {
	case <-ctx.Done():
		log.Info("shutting down")
	case failure = <-s.failed:
	}
	bounded, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := hub.Shutdown(bounded); err != nil {
		log.Warn("some connections were cut", "err", err)
	}
	s.shutdown(bounded)
	return failure
}
