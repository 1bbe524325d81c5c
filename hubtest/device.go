package hubtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"testing"

	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/certs"
)

// Guarded is a change of [New]'s configuration: the hub lets in whom it knows and nobody
// else. Devices are made with [Hub.Device].
//
//	hub := hubtest.New(t, hubtest.Guarded)
//	pump := hub.Device(t, "pump-1")
//	client := hub.DeviceClient(t, pump) // over mutual TLS, without a port
func Guarded(c *thinghub.Config) {
	c.Authenticator, c.Authorizer = nil, nil
	c.CertificateConfig.Keys = certs.P256 // which takes no time
}

// Device provisions a device: the thing of that name, a certificate, and policies, by
// default [thinghub.DevicePolicy]; see [thinghub.Hub.Provision].
func (h *Hub) Device(t testing.TB, name string, policies ...string) *thinghub.Device {
	t.Helper()
	d, err := h.Provision(t.Context(), name, policies...)
	if err != nil {
		t.Fatalf("hubtest: %v", err)
	}
	return d
}

// DeviceClient is Client for a device: it connects over TLS with the device's
// certificate, and with the name of its thing as client id.
func (h *Hub) DeviceClient(t testing.TB, d *thinghub.Device, mod ...func(*paho.ClientConfig, *paho.Connect)) *paho.Client {
	t.Helper()
	c, _, err := h.TryDeviceClient(t, d, mod...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

// TryDeviceClient is TryClient for a device. A certificate that is refused in the
// handshake is an error without a CONNACK.
func (h *Hub) TryDeviceClient(t testing.TB, d *thinghub.Device, mod ...func(*paho.ClientConfig, *paho.Connect)) (*paho.Client, *paho.Connack, error) {
	t.Helper()
	client, err := d.TLS()
	if err != nil {
		return nil, nil, fmt.Errorf("hubtest: device %q: %w", d.Thing.Name, err)
	}
	client.ServerName = "localhost"
	server, err := h.serverTLS()
	if err != nil {
		return nil, nil, fmt.Errorf("hubtest: device %q: %w", d.Thing.Name, err)
	}
	near, far := net.Pipe()
	served := make(chan struct{})
	go func() { // ends with the connection, or with the hub
		defer close(served)
		_ = h.ServeConn(tls.Server(far, server))
	}()
	t.Cleanup(func() {
		_ = near.Close()
		<-served
	})
	nc := tls.Client(near, client)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := nc.HandshakeContext(ctx); err != nil {
		return nil, nil, fmt.Errorf("hubtest: device %q: %w", d.Thing.Name, err)
	}
	return connect(ctx, t, nc, d.Thing.Name, mod)
}

// serverTLS is the configuration of the hub's side, made once.
func (h *Hub) serverTLS() (*tls.Config, error) {
	h.tlsOnce.Do(func() {
		var pair tls.Certificate
		if pair, h.tlsErr = h.Certificates().IssueServer("localhost"); h.tlsErr == nil {
			h.tls = h.Certificates().TLSConfig(&tls.Config{Certificates: []tls.Certificate{pair}})
		}
	})
	return h.tls, h.tlsErr
}
