// Webapp is a page in the browser with a person behind it: who signs in sees a
// greenhouse live and changes it.
//
//	go run ./examples/webapp
//
// It prints the address of the page and how to sign in. The page, in the folder web, needs
// no build and nothing from the network; it speaks the protocols of Amazon Cognito and AWS
// IoT Core, in some hundred lines that can be read:
//
//  1. The page signs in at the hub's user pool and gets an ID token.
//  2. The host's backend (/access) proves that token and attaches IoT policies to the
//     identity that it belongs to: all may look, operators may change.
//  3. The page exchanges the token at the identity pool for temporary credentials, which
//     are those of a role and end by themselves.
//  4. It signs a WebSocket address with them (Signature Version 4) and connects MQTT.js.
//  5. It asks for the device shadow, follows it, and writes what is desired. The device,
//     a simulated one with a certificate of its own, does that and reports.
//
// An account that somebody makes on the page may look only. Its confirmation code is
// printed by this program, where a real one sends it.
//
// The one library on the page is MQTT.js: web/vendor/mqtt.esm.js is a copy of what its npm
// package has in dist, with its licence beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("http", "127.0.0.1:8088", "loopback `address` of the page")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr); err != nil {
		fmt.Fprintln(os.Stderr, "webapp:", err)
		os.Exit(1)
	}
}

// run serves the page until ctx ends.
func run(ctx context.Context, addr string) error {
	ln, err := listen(addr)
	if err != nil {
		return err
	}
	defer ln.Close()
	a, err := newApp(ctx, options{
		tick: 500 * time.Millisecond, renew: 5 * time.Minute,
		say: func(format string, args ...any) { fmt.Printf(format+"\n", args...) },
	})
	if err != nil {
		return err
	}
	defer a.hub.Close()
	srv := &http.Server{Handler: a.handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 2)
	go func() { failed <- srv.Serve(ln) }() // ends with srv
	go func() { failed <- a.device(ctx) }() // ends with ctx or the hub
	fmt.Printf("The page is at http://%s\n", ln.Addr())
	fmt.Printf("Sign in as %s with the password %s, or make an account there.\n", demo, a.password)
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = nil
	}
	bounded, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(err, a.hub.Shutdown(bounded), srv.Shutdown(bounded))
}

// listen opens addr. Browsers have the cryptography that the page needs on pages from
// HTTPS and from this machine only, and passwords must not cross a network in the clear.
func listen(addr string) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	if !resolved.IP.IsLoopback() {
		return nil, fmt.Errorf("-http is %q, expected a loopback address such as 127.0.0.1:8088, because this page has no TLS", addr)
	}
	ln, err := net.ListenTCP("tcp", resolved)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("-http is %q, where somebody listens already; try -http 127.0.0.1:0", addr)
	}
	return ln, err
}
