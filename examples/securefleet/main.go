// Securefleet is the life of a fleet whose devices leave the factory all alike: each
// carries the same claim certificate, which is good for nothing but to ask for one of
// its own.
//
//	go run ./examples/securefleet
//
// A thousand simulated devices do that over MQTT and mutual TLS, as they would with AWS
// IoT Core: they ask for keys, run the provisioning template, come back with their own
// certificate and report a temperature. A stranger with the claim certificate but
// without a serial number of the factory gets nothing. Then one device is revoked while
// it reports: it is cut off at once and cannot come back, while its neighbour goes on.
//
// The exit status is 0 if all of that went as it should.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.devices, "devices", 1000, "how many devices there are, 2 to 10000")
	flag.IntVar(&o.parallel, "parallel", 32, "how many devices are provisioned at a time")
	flag.StringVar(&o.addr, "addr", "127.0.0.1:0", "`address` of the TLS listener")
	flag.DurationVar(&o.within, "within", time.Second, "how soon a revoked device must be cut off")
	flag.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long all of it may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := o.check()
	if err == nil && flag.NArg() > 0 {
		err = fmt.Errorf("argument %q, expected flags only", flag.Arg(0))
	}
	if err == nil {
		err = run(ctx, o, func(format string, a ...any) { fmt.Printf(format+"\n", a...) })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "securefleet:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	devices, parallel int
	addr              string
	within, timeout   time.Duration
}

func (o options) check() error {
	switch {
	case o.devices < 2 || o.devices > 10_000:
		return fmt.Errorf("-devices is %d, expected 2 to 10000", o.devices)
	case o.parallel < 1 || o.parallel > 64: // which is what the hub works at a time
		return fmt.Errorf("-parallel is %d, expected 1 to 64", o.parallel)
	case o.within <= 0:
		return fmt.Errorf("-within is %s, expected more than 0", o.within)
	case o.timeout <= 0:
		return fmt.Errorf("-timeout is %s, expected more than 0", o.timeout)
	}
	return nil
}

// run goes through all of it.
func run(ctx context.Context, o options, say func(format string, a ...any)) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("it took longer than %s (-timeout)", o.timeout))
	defer cancel()
	defer func() {
		if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
			err = errors.Join(cause, err)
		}
	}()
	p, err := newPlant(ctx, o)
	if err != nil {
		return err
	}
	defer p.Close()
	say("The hub listens on %s. The factory made %d devices, all with the claim certificate %.8s.", p.addr, o.devices, p.claimID)

	start := time.Now()
	fleet, err := p.provisionAll(ctx, o, say)
	defer func() {
		for _, d := range fleet {
			d.leave()
		}
	}()
	if err != nil {
		return err
	}
	took := time.Since(start)
	if err := p.inspect(ctx, fleet); err != nil {
		return err
	}
	say("All %d devices are connected with certificates of their own, and each reported in its own name.", len(fleet))

	refusal, err := p.stranger(ctx)
	if err != nil {
		return err
	}
	say("A stranger with the claim certificate and a serial number that nobody made was rejected: %s.", refusal)

	cut, err := p.revoke(ctx, o, fleet[0], fleet[1], say)
	if err != nil {
		return err
	}
	if n := p.connected(fleet); n != len(fleet)-1 {
		return fmt.Errorf("%d devices are connected at the end, expected all but one of %d", n, len(fleet))
	}
	say("")
	say("provisioned  %d devices in %s, %d at a time", len(fleet), took.Round(time.Millisecond), o.parallel)
	say("reports      %d received, each from the certificate of its device", p.reports.total())
	say("rejected     1 stranger")
	say("revoked      %s, cut off after %s, at most %s allowed", fleet[0].name, cut.Round(10*time.Microsecond), o.within)
	say("connected    %d devices at the end", len(fleet)-1)
	return nil
}
