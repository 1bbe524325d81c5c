// Standalone is the hub as one program: what everybody can do with the library,
// behind flags and a configuration file.
//
//	go run ./examples/standalone -mqtt 127.0.0.1:1883 -http 127.0.0.1:8080 -anonymous
//	go run ./examples/standalone -config hub.json
//
// It prints a line for each listener once it accepts, ends on SIGTERM and SIGINT
// with status 0, and refuses flags and files it does not understand with status 2.
//
// The certificate and key of the server, the CAs and the CRL are read again on SIGHUP, and
// when their files have changed, within a minute. Whoever is connected stays, unless the CRL
// revokes its certificate. A file that cannot be used is logged and changes nothing. All else
// of the configuration takes a restart.
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
	_ "time/tzdata" // statements name time zones, and not every machine knows them

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/users"
	"github.com/thinghub/thinghub/rules"
)

// patience is how long the clients get to say goodbye.
const patience = 8 * time.Second

func main() {
	// After the first signal the next one ends the program as usual.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	os.Exit(run(ctx, reload, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with everything it touches as parameters; it returns the exit status.
func run(ctx context.Context, reload <-chan os.Signal, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if errors.Is(err, errHelp) {
		return 0
	}
	var f *file
	var log *slog.Logger
	if err == nil {
		log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.logLevel}))
		f, err = o.load(log)
	}
	if err != nil {
		fmt.Fprintln(stderr, "standalone:", err)
		return 2
	}
	hub, err := newHub(o, f, log)
	if err != nil {
		fmt.Fprintln(stderr, "standalone: -set or -config:", err)
		return 2
	}
	defer hub.Close()
	if err := errors.Join(f.register(ctx, hub.Registry()), f.admit(ctx, hub), f.putRules(ctx, hub.Rules())); err != nil {
		fmt.Fprintln(stderr, "standalone:", err)
		return 2
	}
	if err := serve(ctx, reload, hub, o, f, log, stdout); err != nil {
		fmt.Fprintln(stderr, "standalone:", err)
		return 1
	}
	return 0
}

func newHub(o *options, f *file, log *slog.Logger) (*thinghub.Hub, error) {
	cfg := thinghub.Config{Account: f.account, Region: f.region, Gateway: o.limits, Logger: log}
	cfg.Gateway.WebSocketOrigins = f.webSocketOrigins
	// A hub that nobody but this machine reaches may call its services too.
	local := o.onLoopback()
	cfg.RuleConfig.Web = rules.WebConfig{AllowPlain: local, AllowPrivate: local, EnableURL: o.enableURL()}
	// The passwords lie in the file as they are: what the hub keeps of them need not
	// withstand more.
	cfg.UserConfig.Hash, cfg.UserConfig.MinPassword = users.HashParams{Memory: 256, Time: 1}, 1
	cfg.AccessConfig.Limits.DocumentSize = -1
	ca, err := f.signer()
	if err != nil {
		return nil, err
	}
	cfg.CertificateConfig.CA, cfg.CertificateConfig.ServerNames, cfg.CertificateConfig.OptionalServerName = ca, f.serverNames, f.serverNameOptional
	var hub *thinghub.Hub // before anybody comes
	if cfg.Logins, err = f.authenticators(func() *thinghub.Hub { return hub }); err != nil {
		return nil, err
	}
	switch {
	case o.anonymous != anonymousOff:
		cfg.Authenticator, cfg.Authorizer = auth.InsecureAllowAll{}, auth.InsecureAllowAll{}
		log.Warn("everybody may do everything (-anonymous); passwords are not checked")
	case f.trusting():
		cfg.Authorizer = auth.InsecureAllowAll{}
		log.Warn("the file has users and no policies: all of them may do everything")
	case f.empty():
		log.Warn("nobody can connect: there are no users, certificates, certificateAuthorities, accessKeys, jwt or oidc in a -config file, and -anonymous is off")
	}
	hub, err = thinghub.New(cfg)
	return hub, err
}

// serve serves the hub until ctx ends or something fails, then shuts it down.
func serve(ctx context.Context, reload <-chan os.Signal, hub *thinghub.Hub, o *options, f *file, log *slog.Logger, stdout io.Writer) error {
	s := &servers{hub: hub, log: log, failed: make(chan error, 1)}
	if err := s.open(o, f); err != nil {
		s.close()
		return err
	}
	defer f.watch(ctx)()
	s.start(stdout)
	var failure error
	for up := true; up; {
		select {
		case <-reload:
			f.reload(ctx, log)
		case <-ctx.Done():
			log.Info("shutting down")
			up = false
		case failure = <-s.failed:
			up = false
		}
	}
	bounded, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := hub.Shutdown(bounded); err != nil {
		log.Warn("some connections were cut", "err", err)
	}
	s.shutdown(bounded)
	return failure
}
