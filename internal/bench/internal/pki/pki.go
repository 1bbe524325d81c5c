// Package pki makes the certificates of a TLS run: an authority, a server for
// 127.0.0.1, and clients of which each has its own.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// ClientFile is the name of the certificate of client i, without its ending: .pem,
// and .key for the key.
func ClientFile(i int) string { return fmt.Sprintf("client-%d", i) }

// Write writes ca.pem, server.pem, server.key and the files of n clients to dir, all
// with P-256 keys and good for a day.
func Write(dir string, n int) error {
	w := writer{dir: dir, now: time.Now()}
	ca, caKey, err := w.issue("", &x509.Certificate{
		Subject: pkix.Name{CommonName: "bench CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	if err != nil {
		return err
	}
	_, _, err = w.issue("server", &x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, caKey)
	for i := 0; i < n && err == nil; i++ {
		_, _, err = w.issue(ClientFile(i), &x509.Certificate{
			Subject:  pkix.Name{CommonName: fmt.Sprintf("idle-device-%d", i)},
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}, ca, caKey)
	}
	return err
}

type writer struct {
	dir    string
	now    time.Time
	serial int64
}

// issue makes a certificate and writes it; that of the authority, which has no name,
// without its key.
func (w *writer) issue(name string, c, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	w.serial++
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(w.serial), w.now.Add(-time.Hour), w.now.Add(24*time.Hour)
	file := name
	if ca == nil {
		ca, caKey, file = c, key, "ca"
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, nil, err
	}
	if err := w.write(file+".pem", "CERTIFICATE", der); err != nil {
		return nil, nil, err
	}
	if name != "" {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, nil, err
		}
		if err := w.write(name+".key", "PRIVATE KEY", der); err != nil {
			return nil, nil, err
		}
	}
	made, err := x509.ParseCertificate(der)
	return made, key, err
}

func (w *writer) write(name, kind string, der []byte) error {
	return os.WriteFile(filepath.Join(w.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// Client returns the configuration of client i, which shows its certificate if own is
// set.
func Client(dir string, i int, own bool) (*tls.Config, error) {
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	c := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	if !c.RootCAs.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate in ca.pem")
	}
	if own {
		file := filepath.Join(dir, ClientFile(i))
		pair, err := tls.LoadX509KeyPair(file+".pem", file+".key")
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
