// Quickstart is the main job in one program: a hub, a device that reports
// temperatures, and the host's own handler that receives them.
//
//	go run ./examples/quickstart
//
// While it runs, join in with any MQTT client: it prints how. Everybody on this
// machine may do everything, so it listens on the loopback interface only; see
// examples/standalone for a hub that others can reach.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
)

const (
	readings = 5
	interval = time.Second
)

func main() {
	addr := flag.String("mqtt", "127.0.0.1:1883", "loopback `address` for MQTT clients")
	duration := flag.Duration("for", 10*time.Second, "how long to run; 0 = until Ctrl-C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *duration)
		defer cancel()
	}
	if err := run(ctx, *addr); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run has a hub until ctx ends.
func run(ctx context.Context, addr string) error {
	hub, err := thinghub.New(thinghub.Config{
		Authenticator: auth.InsecureAllowAll{}, // who is it? anybody
		Authorizer:    auth.InsecureAllowAll{}, // what may they do? everything
	})
	if err != nil {
		return err
	}
	defer hub.Close()

	// The host takes part: no network, no client library.
	_, err = hub.Subscribe(ctx, "plant/+/temperature", func(m *thinghub.Message) {
		fmt.Printf("host received %s = %s from %s\n", m.Topic, m.Payload, m.Origin.ClientID)
	})
	if err != nil {
		return err
	}

	ln, err := listen(addr)
	if err != nil {
		return err
	}
	go func() { _ = hub.Serve(ln) }() // ends with the hub
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	fmt.Printf("The hub listens on %s. Join in from another terminal:\n", ln.Addr())
	fmt.Printf("  mosquitto_sub -h %s -p %s -v -t 'plant/#'\n", host, port)
	fmt.Printf("  mosquitto_pub -h %s -p %s -t plant/pump-2/temperature -m 35.5\n", host, port)

	if err := device(ctx, hub); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	fmt.Println("The hub says goodbye.")
	bounded, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return hub.Shutdown(bounded)
}

// device simulates a pump that reports its temperature. It speaks MQTT over a pipe;
// a real one uses the network and the library of its choice.
func device(ctx context.Context, hub *thinghub.Hub) error {
	conn, err := hub.Dial(ctx)
	if err != nil {
		return err
	}
	pump := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(conn)})
	if _, err := pump.Connect(ctx, &paho.Connect{ClientID: "pump-1", KeepAlive: 30, CleanStart: true}); err != nil {
		return err
	}
	defer func() { _ = pump.Disconnect(&paho.Disconnect{}) }()
	for i := range readings {
		temp := fmt.Sprintf("%.1f", 21.5+0.4*float64(i))
		if _, err := pump.Publish(ctx, &paho.Publish{Topic: "plant/pump-1/temperature", Payload: []byte(temp), QoS: 1}); err != nil {
			return err
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// listen opens addr, or a free port next to it if somebody else has it.
func listen(addr string) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-mqtt is %q, expected a loopback address such as 127.0.0.1:1883: %w", addr, err)
	}
	if !resolved.IP.IsLoopback() {
		return nil, fmt.Errorf("-mqtt is %q, expected a loopback address such as 127.0.0.1:1883, because this hub is open to everybody", addr)
	}
	ln, err := net.ListenTCP("tcp", resolved)
	if errors.Is(err, syscall.EADDRINUSE) {
		fmt.Printf("Somebody listens on %s already, so this hub takes a free port.\n", addr)
		resolved.Port = 0
		ln, err = net.ListenTCP("tcp", resolved)
	}
	if err != nil {
		return nil, err
	}
	return ln, nil
}
