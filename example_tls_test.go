package thinghub_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log"
	"math/big"
	"net"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
)

// byCertificate knows a client by the certificate it presented. The TLS listener
// has checked who issued it.
type byCertificate struct{}

func (byCertificate) Authenticate(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
	if c.TLS == nil || len(c.TLS.PeerCertificates) == 0 {
		return nil, auth.ErrBadCredentials
	}
	name := c.TLS.PeerCertificates[0].Subject.CommonName
	return &auth.Identity{Principal: name, ClientID: name}, nil
}

// TLS comes with the listener, so everything crypto/tls can do is at hand: here
// the clients must present a certificate, and are called what it says.
func Example_tls() {
	ctx := context.Background()
	hub, err := thinghub.New(thinghub.Config{
		Authenticator: byCertificate{},
		Authorizer:    auth.InsecureAllowAll{}, // whoever has a certificate may do everything
	})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()

	ca := newAuthority()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{ca.issue("hub.local")},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    ca.pool,
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = hub.Serve(ln) }()

	conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{
		RootCAs:      ca.pool,
		ServerName:   "hub.local",
		Certificates: []tls.Certificate{ca.issue("pump-1")},
	})
	if err != nil {
		log.Fatal(err)
	}
	pump := connect(ctx, conn, "", nil)
	defer func() { _ = pump.Disconnect(&paho.Disconnect{}) }()
	for _, c := range hub.Clients() {
		fmt.Println(c.ClientID, "over", c.Transport)
	}

	conn, err = tls.Dial("tcp", ln.Addr().String(), &tls.Config{RootCAs: ca.pool, ServerName: "hub.local"})
	if err == nil {
		_, err = conn.Read(make([]byte, 1)) // the server has the last word
	}
	fmt.Println("without a certificate:", err)

	// Output:
	// pump-1 over tls
	// without a certificate: remote error: tls: certificate required
}

// authority is a certificate authority for an hour.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority() *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	t := &x509.Certificate{
		Subject: pkix.Name{CommonName: "plant CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SerialNumber: big.NewInt(1),
	}
	a.cert = sign(t, t, &key.PublicKey, key)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) issue(name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	t := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		SerialNumber: big.NewInt(time.Now().UnixNano()),
	}
	return tls.Certificate{Certificate: [][]byte{sign(t, a.cert, &key.PublicKey, a.key).Raw}, PrivateKey: key}
}

func sign(t, parent *x509.Certificate, pub *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, key)
	if err != nil {
		log.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	return cert
}
