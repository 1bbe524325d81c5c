package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/certs"
)

// followed are the files that may change while the hub runs.
type followed struct {
	server  *certs.Reloader   // nil without tls
	clients []*certs.Follower // certificateAuthorities, then crl
}

// follow has the hub take over CAs and CRLs from files, now and when they change.
func (f *file) follow(ctx context.Context, hub *thinghub.Hub, cfg certs.FollowerConfig) error {
	cfg.Logger = f.log
	clients, err := certs.NewFollower(ctx, hub.Certificates(), cfg)
	if err != nil {
		return err
	}
	f.clients = append(f.clients, clients)
	return nil
}

// watch looks for changes until ctx ends or stop is called, which waits for the end.
func (f *followed) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	for _, c := range f.clients {
		watching.Go(func() { _ = c.Run(ctx) }) // nil when ctx ends
	}
	return func() {
		cancel()
		watching.Wait()
	}
}

// reload reads all of them anew.
func (f *followed) reload(ctx context.Context, log *slog.Logger) {
	var errs []error
	if f.server != nil {
		errs = append(errs, f.server.Reload())
	}
	for _, c := range f.clients {
		errs = append(errs, c.Reload(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		log.Warn("files cannot be used, what they said before stays", "err", err)
		return
	}
	if len(errs) == 0 {
		log.Info("there is no file that would be read again, all else takes a restart")
		return
	}
	log.Info("the certificate of the server, the CAs and the CRL were read again")
}
