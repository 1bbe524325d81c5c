package certs_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
)

func TestRegisterCertificate(t *testing.T) {
	t.Parallel()
	p := &publisher{}
	s := newService(t, func(c *certs.Config) { c.Events = p })
	a := newCA(t, "plant")
	ca := registerCA(t, s, a)
	leaf, _ := a.device(t)
	// What was sent comes back to the letter: line ends, blanks, the chain behind.
	sent := "my pump\r\n" + strings.ReplaceAll(text(leaf), "\n", "\r\n") + "\n\n" + text(a.cert) + "  \n"
	out, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: sent, CA: text(a.cert), Status: certs.Active})
	require.NoError(t, err)
	require.Equal(t, certs.Fingerprint(leaf), out.ID, "of the first certificate")
	require.Equal(t, arnPrefix+"cert/"+out.ID, out.ARN)
	d, err := s.DescribeCertificate(t.Context(), out.ID)
	require.NoError(t, err)
	require.Equal(t, sent, d.PEM)
	require.Equal(t, ca, d.CA)
	require.Equal(t, certs.Default, d.Mode)
	require.Equal(t, leaf.NotAfter, d.NotAfter)
	_, err = connect(t, s, leaf)
	require.NoError(t, err)
	require.Empty(t, p.take(), "there is no event")
	list, _, err := s.ListCertificatesByCA(t.Context(), ca, certs.Page{})
	require.NoError(t, err)
	require.Equal(t, []string{out.ID}, ids(list))

	_, err = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf)})
	e := failure(t, err, certs.ErrExists, out.ID)
	require.Equal(t, out.ID, e.ResourceID)
	require.Equal(t, out.ARN, e.ResourceARN)
	require.Equal(t, "ResourceAlreadyExistsException", e.Exception())
}

func TestRegisterStatus(t *testing.T) {
	t.Parallel()
	s := newService(t)
	a := newCA(t, "plant")
	registerCA(t, s, a)
	for _, c := range []struct {
		in   certs.RegisterInput
		want certs.Status
	}{
		{certs.RegisterInput{}, certs.Inactive},
		{certs.RegisterInput{SetAsActive: true}, certs.Active},
		{certs.RegisterInput{SetAsActive: true, Status: certs.Inactive}, certs.Inactive},
		{certs.RegisterInput{Status: certs.Revoked}, certs.Revoked},
	} {
		leaf, _ := a.device(t)
		c.in.PEM = text(leaf)
		out, err := s.RegisterCertificate(t.Context(), c.in)
		require.NoError(t, err)
		require.Equal(t, c.want, status(t, s, out.ID))
	}
	leaf, _ := a.device(t)
	for _, st := range []certs.Status{certs.PendingActivation, certs.PendingTransfer, certs.RegisterInactive} {
		for _, f := range []func(certs.RegisterInput) error{
			func(in certs.RegisterInput) error { _, err := s.RegisterCertificate(t.Context(), in); return err },
			func(in certs.RegisterInput) error {
				_, err := s.RegisterCertificateWithoutCA(t.Context(), in)
				return err
			},
		} {
			err := f(certs.RegisterInput{PEM: text(leaf), Status: st})
			e := failure(t, err, certs.ErrState)
			require.Equal(t, "Not allowed to register certificate with "+string(st)+" status", e.Message)
		}
	}
	_, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), Status: "ON"})
	is(t, err, certs.ErrInvalid, "'ON' at 'status'")
}

func TestRegisterNeedsCA(t *testing.T) {
	t.Parallel()
	s := newService(t)
	a, b := newCA(t, "plant"), newCA(t, "plant") // a name is no proof
	ca := registerCA(t, s, a)
	leaf, _ := b.device(t)
	_, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf)})
	is(t, err, certs.ErrValidation, "not signed by a registered CA")
	_, err = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), CA: text(a.cert)})
	is(t, err, certs.ErrValidation, "is not signed by the CA")
	_, err = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), CA: text(b.cert)})
	is(t, err, certs.ErrValidation, "caCertificatePem is not registered")
	_, err = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), CA: "x"})
	is(t, err, certs.ErrValidation, "caCertificatePem has no PEM block")
	elsewhere, _ := newCA(t, "elsewhere").device(t)
	_, err = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(elsewhere), CA: text(a.cert)})
	is(t, err, certs.ErrValidation, "its issuer has another name")

	leaf, _ = a.device(t)
	require.NoError(t, s.UpdateCACertificate(t.Context(), certs.UpdateCAInput{ID: ca, Status: certs.CAInactive}))
	_, err = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf)})
	is(t, err, certs.ErrState, ca, "is INACTIVE")
	list, _, err := s.ListCertificates(t.Context(), certs.Page{})
	require.NoError(t, err)
	require.Empty(t, list)
}

// A CA certificate that was renewed with its key signs like the old one.
func TestRegisterTwoCAs(t *testing.T) {
	t.Parallel()
	s := newService(t)
	a := newCA(t, "plant")
	again := &testCA{key: a.key}
	again.cert = again.sign(t, a.key.Public(), func(c *x509.Certificate) { *c = *a.cert; c.SerialNumber = serial(t) })
	registerCA(t, s, a)
	second := registerCA(t, s, again)
	leaf, _ := a.device(t)
	_, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf)})
	e := failure(t, err, certs.ErrConflict, "2 registered CA certificates")
	require.Equal(t, "CertificateConflictException", e.Exception())
	out, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), CA: text(again.cert)})
	require.NoError(t, err)
	d, err := s.DescribeCertificate(t.Context(), out.ID)
	require.NoError(t, err)
	require.Equal(t, second, d.CA)
}

func TestRegisterWithoutCA(t *testing.T) {
	t.Parallel()
	s := newService(t)
	self := newCA(t, "self-signed") // openssl makes them with CA:TRUE
	out, err := s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(newCA(t, "x").cert)})
	require.NoError(t, err)
	require.Equal(t, certs.Inactive, status(t, s, out.ID))
	leaf, _ := self.device(t)
	out, err = s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(leaf), Status: certs.Active})
	require.NoError(t, err)
	d, err := s.DescribeCertificate(t.Context(), out.ID)
	require.NoError(t, err)
	require.Empty(t, d.CA)
	require.Equal(t, certs.SNIOnly, d.Mode)
	_, err = connect(t, s, leaf)
	require.NoError(t, err)
	_, err = s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(leaf)})
	is(t, err, certs.ErrExists)
	_, err = s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(leaf), CA: text(self.cert)})
	is(t, err, certs.ErrInvalid, "caCertificatePem is set")
}

func TestRegisterRefusesPEM(t *testing.T) {
	t.Parallel()
	s := newService(t)
	a := newCA(t, "plant")
	leaf, key := a.device(t)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	edLeaf := a.sign(t, ed.Public())
	edCA := &x509.Certificate{Subject: pkix.Name{CommonName: "ed"}, SerialNumber: serial(t), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, edCA, edCA, key.Public(), ed)
	require.NoError(t, err)
	expired, _ := a.device(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) })
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	for name, c := range map[string]struct {
		pem  string
		kind error
		want string
	}{
		"nothing":          {"", certs.ErrInvalid, "between 1 and 65536"},
		"too long":         {text(leaf) + strings.Repeat("\n", 65536), certs.ErrInvalid, "between 1 and 65536"},
		"no PEM":           {"hello", certs.ErrValidation, "has no PEM block"},
		"not DER":          {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", certs.ErrValidation, "cannot be read"},
		"a key":            {private, certs.ErrValidation, `of type "PRIVATE KEY"`},
		"a key behind":     {text(leaf) + private, certs.ErrValidation, `of type "PRIVATE KEY"`},
		"Ed25519":          {text(edLeaf), certs.ErrValidation, "a key of type ed25519"},
		"signed by such":   {certPEM(der), certs.ErrValidation, "is signed with Ed25519"},
		"no UTF-8":         {"\xff" + text(leaf), certs.ErrInvalid, "UTF-8"},
		"expired":          {text(expired), certs.ErrValidation, "has expired at"},
		"damaged chain ok": {text(leaf), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: c.pem})
			if c.kind == nil {
				require.NoError(t, err)
				return
			}
			e := failure(t, err, c.kind, "certificatePem", c.want)
			require.NotContains(t, err.Error(), "PRIVATE KEY-----\n", "keys do not get into logs")
			require.Equal(t, "certificatePem", e.Field)
		})
	}
}

func certPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
