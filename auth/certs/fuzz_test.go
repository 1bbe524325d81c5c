package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
)

var modelID = regexp.MustCompile(`^(0x)?[a-fA-F0-9]+\z`)

// typed checks that what somebody sends gives no error of ours.
func typed(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	e, ok := errors.AsType[*certs.Error](err)
	require.True(t, ok, "%v", err)
	require.NotEmpty(t, e.Exception())
	require.NotEmpty(t, e.Message)
}

func FuzzRegisterCertificate(f *testing.F) {
	a := newCA(f, "plant")
	leaf, _ := a.device(f)
	f.Add(text(leaf))
	f.Add("\r\n" + text(leaf) + text(a.cert))
	f.Add("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Add("")
	s := newService(f)
	f.Fuzz(func(t *testing.T, text string) {
		out, err := s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text})
		typed(t, err)
		_, _, caErr := s.RegisterCACertificate(t.Context(), certs.RegisterCAInput{PEM: text, Mode: certs.SNIOnly})
		typed(t, caErr)
		if err != nil {
			return
		}
		// What is registered is found under the fingerprint of its first block, as it was.
		b, _ := pem.Decode([]byte(text))
		c, parseErr := x509.ParseCertificate(b.Bytes)
		require.NoError(t, parseErr)
		require.Equal(t, certs.Fingerprint(c), out.ID)
		d, err := s.DescribeCertificate(t.Context(), out.ID)
		require.NoError(t, err)
		require.Equal(t, text, d.PEM)
		_, err = connect(t, s, c)
		refused(t, err)
		require.NoError(t, s.DeleteCertificate(t.Context(), out.ID, false))
	})
}

func FuzzCSR(f *testing.F) {
	good := csr(f, newKey(f), pkix.Name{Country: []string{"DE"}, CommonName: "pump-1"})
	f.Add([]byte(good))
	b, _ := pem.Decode([]byte(good))
	f.Add(b.Bytes)
	f.Add([]byte("-----BEGIN NEW CERTIFICATE REQUEST-----\nAAAA\n-----END NEW CERTIFICATE REQUEST-----\n"))
	f.Add([]byte{})
	s := newService(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, text := range []string{string(data), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: data}))} {
			out, err := s.CreateCertificateFromCsr(t.Context(), text, false)
			typed(t, err)
			if err != nil {
				require.ErrorIs(t, err, certs.ErrInvalid)
				continue
			}
			c := parse(t, out.PEM)
			_, err = c.Verify(x509.VerifyOptions{Roots: s.CAPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			require.NoError(t, err)
			require.False(t, c.IsCA)
			require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, c.ExtKeyUsage)
			require.Empty(t, c.DNSNames)
			require.NoError(t, s.DeleteCertificate(t.Context(), out.ID, false))
		}
	})
}

func FuzzCRL(f *testing.F) {
	// The processes of a fuzz run make it anew, each for itself: with one key, what one
	// has signed is good for all.
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	require.NoError(f, err)
	a := &testCA{key: key}
	a.cert = a.sign(f, key.Public(), func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	})
	leaf, _ := a.device(f, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(7) })
	list := a.crl(f, 1, []x509.RevocationListEntry{entry(leaf, 1)})
	f.Add(list)
	f.Add(crlPEM(list))
	f.Add(append(crlPEM(list), crlPEM(list)...))
	f.Add([]byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"))
	f.Add([]byte{})
	s := newService(f)
	registerCA(f, s, a)
	out, err := s.RegisterCertificate(f.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := s.LoadCRL(t.Context(), data)
		typed(t, err)
		for _, l := range got { // signed, so it is the one of above
			require.Equal(t, 1, l.Entries)
			require.Equal(t, certs.Revoked, status(t, s, out.ID))
		}
		if len(got) == 0 && err == nil {
			t.Fatalf("nothing was loaded from %q", bytes.TrimSpace(data))
		}
	})
}

// What is a good id is what the model says it is.
func FuzzID(f *testing.F) {
	f.Add("x")
	f.Add("0x00000000000000000000000000000000000000000000000000000000000000")
	f.Add("ABCDEFabcdef0000000000000000000000000000000000000000000000000000")
	f.Add("0xABCDEFabcdef00000000000000000000000000000000000000000000000000\n")
	s := newService(f)
	f.Fuzz(func(t *testing.T, id string) {
		_, err := s.DescribeCertificate(t.Context(), id)
		if modelID.MatchString(id) && len(id) == 64 {
			is(t, err, certs.ErrNotFound)
		} else {
			is(t, err, certs.ErrInvalid)
		}
	})
}

// Markers come from outside, too.
func FuzzMarker(f *testing.F) {
	s := newService(f)
	for range 3 {
		issue(f, s)
	}
	_, next, err := s.ListCertificates(f.Context(), certs.Page{Size: 1})
	require.NoError(f, err)
	f.Add(next, true)
	f.Add(next, false)
	f.Add("AAAAAA==", false)
	f.Fuzz(func(t *testing.T, marker string, up bool) {
		list, _, err := s.ListCertificates(t.Context(), certs.Page{Marker: marker, Ascending: up})
		typed(t, err)
		if err == nil && marker != "" {
			// A marker may be one that another service made.
			require.LessOrEqual(t, len(list), 3)
		}
	})
}
