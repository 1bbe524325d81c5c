package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
)

// A device gets a certificate, connects with it, and is shut out.
func Example() {
	ctx := context.Background()
	service, err := certs.New(certs.Config{
		Keys:    certs.P256,
		Changed: func(_ string, s certs.Status) { fmt.Println("connections to be ended:", s != certs.Active) },
	})
	if err != nil {
		log.Fatal(err)
	}
	pump, err := service.CreateKeysAndCertificate(ctx, true)
	if err != nil {
		log.Fatal(err)
	}

	// The hub does this for each CONNECT, with what the TLS listener has found out.
	pair, err := tls.X509KeyPair([]byte(pump.PEM), []byte(pump.Keys.PrivateKey))
	if err != nil {
		log.Fatal(err)
	}
	credentials := &auth.Credentials{TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{pair.Leaf}}}
	who, err := service.Authenticate(ctx, credentials)
	fmt.Println(who.Principal == pump.ID, who.Kind, err)

	if err := service.UpdateCertificate(ctx, pump.ID, certs.Revoked); err != nil {
		log.Fatal(err)
	}
	_, err = service.Authenticate(ctx, credentials)
	fmt.Println(err != nil)

	// Output:
	// true certificate <nil>
	// connections to be ended: true
	// true
}

// A listener with a certificate of the hub's CA. Clients get CAPEM to know it.
func ExampleService_TLSConfig() {
	service, err := certs.New(certs.Config{})
	if err != nil {
		log.Fatal(err)
	}
	server, err := service.IssueServer("iot.example.org", "127.0.0.1")
	if err != nil {
		log.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", service.TLSConfig(&tls.Config{Certificates: []tls.Certificate{server}}))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() { // hub.Serve(listener)
		conn, err := listener.Accept()
		if err == nil {
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(service.CAPEM()))
	conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{
		RootCAs: roots, ServerName: "iot.example.org", NextProtos: []string{certs.ALPNMQTT},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	fmt.Println(conn.ConnectionState().NegotiatedProtocol)

	// Output: x-amzn-mqtt-ca
}
