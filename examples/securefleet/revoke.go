package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/thinghub/thinghub/auth/certs"
)

// pace is how often devices report during the revocation.
const pace = 20 * time.Millisecond

// revoke takes a device's certificate from it while it reports, and returns how long it
// was connected after that. Its neighbour must not notice.
func (p *plant) revoke(ctx context.Context, o options, d, neighbour *device, say func(format string, a ...any)) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience+o.within)
	defer cancel()
	failed := make(chan error, 1)
	go func() { // ends with its connection or ctx
		for {
			if err := d.report(ctx, 21); err != nil {
				failed <- err
				return
			}
			time.Sleep(pace)
		}
	}()
	if err := p.more(ctx, d, 5); err != nil {
		return 0, err
	}

	start := time.Now()
	if err := p.Certificates().UpdateCertificate(ctx, d.certificate, certs.Revoked); err != nil {
		return 0, err
	}
	var why error
	select {
	case why = <-d.ended:
	case <-ctx.Done():
		return 0, fmt.Errorf("%s was revoked and is still connected: %w", d.name, context.Cause(ctx))
	}
	took := time.Since(start)
	say("%s was revoked while it reported, and was cut off after %s: %v.", d.name, took.Round(10*time.Microsecond), why)
	if took > o.within {
		return 0, fmt.Errorf("%s was cut off after %s, expected %s (-within)", d.name, took, o.within)
	}
	if err := <-failed; ctx.Err() != nil {
		return 0, fmt.Errorf("%s went on with its reports after it was revoked, until %w", d.name, err)
	}

	// It has nothing to come back with, and nothing more is heard of it.
	next := report{neighbour.topic, neighbour.certificate}
	if err := neighbour.report(ctx, 22); err != nil {
		return 0, fmt.Errorf("the neighbour %s: %w", neighbour.name, err)
	}
	if err := p.reports.await(ctx, func() bool { return p.reports.of(next) >= 2 }); err != nil { // it hears in order
		return 0, fmt.Errorf("the host has not heard the neighbour %s: %w", neighbour.name, err)
	}
	heard := p.reports.of(report{d.topic, d.certificate})
	if again, err := connect(ctx, d.network, d.name); err == nil {
		again.leave()
		return 0, fmt.Errorf("%s came back although it was revoked", d.name)
	}
	for range 4 {
		if err := neighbour.report(ctx, 22); err != nil {
			return 0, fmt.Errorf("the neighbour %s: %w", neighbour.name, err)
		}
	}
	if err := p.reports.await(ctx, func() bool { return p.reports.of(next) >= 6 }); err != nil {
		return 0, fmt.Errorf("the host heard %d reports of the neighbour %s, expected 6: %w", p.reports.of(next), neighbour.name, err)
	}
	if n := p.reports.of(report{d.topic, d.certificate}); n != heard {
		return 0, fmt.Errorf("the host heard %d more reports of %s, which was cut off", n-heard, d.name)
	}
	say("It cannot come back. Its neighbour %s goes on.", neighbour.name)
	return took, nil
}

// more waits until the host has heard more of a device.
func (p *plant) more(ctx context.Context, d *device, n int) error {
	key := report{d.topic, d.certificate}
	for was := p.reports.of(key); p.reports.of(key) < was+n; {
		select {
		case <-time.After(pace):
		case err := <-d.ended:
			return errors.Join(fmt.Errorf("%s lost its connection", d.name), err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
