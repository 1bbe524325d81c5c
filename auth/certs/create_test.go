package certs_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
)

func csr(t testing.TB, key crypto.Signer, subject pkix.Name) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject, DNSNames: []string{"hub.example.org"}}, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// wellMade checks what all certificates of the hub have.
func wellMade(t *testing.T, s *certs.Service, c *x509.Certificate) {
	t.Helper()
	_, err := c.Verify(x509.VerifyOptions{Roots: s.CAPool(), KeyUsages: c.ExtKeyUsage})
	require.NoError(t, err)
	ca := parse(t, s.CAPEM())
	require.Len(t, c.SubjectKeyId, 20)
	require.Equal(t, ca.SubjectKeyId, c.AuthorityKeyId)
	require.Equal(t, x509.KeyUsageDigitalSignature, c.KeyUsage)
	require.False(t, c.IsCA)
	require.True(t, c.BasicConstraintsValid)
	require.Equal(t, 1, c.SerialNumber.Sign())
	require.Len(t, c.SerialNumber.Bytes(), 20)
	require.Less(t, c.SerialNumber.Bytes()[0], byte(0x80), "its sign would take another byte")
	require.True(t, c.NotBefore.Before(time.Now().Add(-time.Hour)), "clocks of devices are slow")
	require.Equal(t, "2049-12-31T23:59:59Z", c.NotAfter.Format(time.RFC3339))
}

func TestCreateKeysAndCertificate(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name string
		keys certs.KeyType
		want string
	}{{"RSA", certs.RSA2048, "RSA PRIVATE KEY"}, {"P-256", certs.P256, "EC PRIVATE KEY"}} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, func(c *certs.Config) { c.Keys = kind.keys })
			out, err := s.CreateKeysAndCertificate(t.Context(), true)
			require.NoError(t, err)
			c := parse(t, out.PEM)
			wellMade(t, s, c)
			require.Equal(t, "CN=AWS IoT Certificate", c.Subject.String())
			require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, c.ExtKeyUsage)
			require.Equal(t, certs.Fingerprint(c), out.ID)
			require.Regexp(t, "^[0-9a-f]{64}$", out.ID)
			require.Equal(t, arnPrefix+"cert/"+out.ID, out.ARN)
			pair, err := tls.X509KeyPair([]byte(out.PEM), []byte(out.Keys.PrivateKey))
			require.NoError(t, err, "key and certificate belong together")
			if k, ok := pair.PrivateKey.(*rsa.PrivateKey); ok {
				require.Equal(t, 2048, k.N.BitLen())
			}
			b, _ := pem.Decode([]byte(out.Keys.PrivateKey))
			require.Equal(t, kind.want, b.Type)
			b, _ = pem.Decode([]byte(out.Keys.PublicKey))
			require.Equal(t, "PUBLIC KEY", b.Type)
			require.Equal(t, c.RawSubjectPublicKeyInfo, b.Bytes)

			d, err := s.DescribeCertificate(t.Context(), out.ID)
			require.NoError(t, err)
			require.Equal(t, certs.Fingerprint(parse(t, s.CAPEM())), d.CA)
			require.WithinRange(t, d.Created, time.Now().Add(-time.Minute), time.Now())
			require.NotEmpty(t, d.Generation)
			require.Equal(t, certs.Certificate{
				ID: out.ID, ARN: out.ARN, CA: d.CA, Status: certs.Active, Mode: certs.Default, PEM: out.PEM, OwnedBy: account,
				Created: d.Created, Modified: d.Created, Version: 1, Generation: d.Generation, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
			}, d)
			_, err = connect(t, s, c)
			require.NoError(t, err)
		})
	}
}

func TestCreateInactive(t *testing.T) {
	t.Parallel()
	s := newService(t)
	out, err := s.CreateKeysAndCertificate(t.Context(), false)
	require.NoError(t, err)
	require.Equal(t, certs.Inactive, status(t, s, out.ID))
	_, err = connect(t, s, parse(t, out.PEM))
	refused(t, err, out.ID+" is INACTIVE")
}

func TestCreateKeysGivesUp(t *testing.T) {
	t.Parallel()
	s := newService(t, func(c *certs.Config) { c.Keys = certs.RSA2048 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.CreateKeysAndCertificate(ctx, true)
	require.ErrorIs(t, err, context.Canceled)
}

func TestCreateCertificateFromCsr(t *testing.T) {
	t.Parallel()
	s := newService(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	curve := func(c elliptic.Curve) crypto.Signer {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		require.NoError(t, err)
		return k
	}
	for name, key := range map[string]crypto.Signer{
		"RSA": rsaKey, "P-256": curve(elliptic.P256()), "P-384": curve(elliptic.P384()), "P-521": curve(elliptic.P521()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := s.CreateCertificateFromCsr(t.Context(), csr(t, key, pkix.Name{Organization: []string{"Ü"}, CommonName: "pump-1"}), true)
			require.NoError(t, err)
			require.Empty(t, out.Keys)
			c := parse(t, out.PEM)
			wellMade(t, s, c)
			require.Equal(t, "CN=pump-1,O=Ü", c.Subject.String())
			require.Empty(t, c.DNSNames, "only key and subject are taken over")
			require.Equal(t, key.Public(), c.PublicKey)
			_, err = connect(t, s, c)
			require.NoError(t, err)
			again, err := s.CreateCertificateFromCsr(t.Context(), csr(t, key, pkix.Name{}), false)
			require.NoError(t, err, "a key may have several certificates")
			require.Equal(t, "CN=AWS IoT Certificate", parse(t, again.PEM).Subject.String())
		})
	}
}

func TestCsrRefused(t *testing.T) {
	t.Parallel()
	s := newService(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	good := csr(t, newKey(t), pkix.Name{CommonName: "a"})
	b, _ := pem.Decode([]byte(good))
	flipped := append([]byte(nil), b.Bytes...)
	flipped[len(flipped)-1] ^= 1
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for name, c := range map[string]struct {
		csr  string
		want string
	}{
		"nothing":        {"", "between 1 and 4096"},
		"too long":       {good + strings.Repeat(" ", 4096), "between 1 and 4096"},
		"no PEM":         {"hello", "has no PEM block"},
		"certificate":    {block("CERTIFICATE", parse(t, s.CAPEM()).Raw), `of type "CERTIFICATE"`},
		"two":            {good + good, "more than one PEM block"},
		"not DER":        {block("CERTIFICATE REQUEST", []byte("hello")), "cannot be read"},
		"short RSA":      {csr(t, small, pkix.Name{}), "an RSA key of 1024 bits"},
		"P-224":          {csr(t, p224, pkix.Name{}), "a key on P-224"},
		"Ed25519":        {csr(t, ed, pkix.Name{}), "a key of type ed25519"},
		"wrong proof":    {block("CERTIFICATE REQUEST", flipped), "has a wrong signature"},
		"name of the CA": {csr(t, newKey(t), parse(t, s.CAPEM()).Subject), "has the subject of the CA"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.CreateCertificateFromCsr(t.Context(), c.csr, true)
			e := failure(t, err, certs.ErrInvalid, "certificateSigningRequest", c.want)
			require.Equal(t, "certificateSigningRequest", e.Field)
			require.Less(t, len(err.Error()), 500)
		})
	}
	list, _, err := s.ListCertificates(t.Context(), certs.Page{})
	require.NoError(t, err)
	require.Empty(t, list, "what was refused leaves nothing")
}

func TestIssueTerms(t *testing.T) {
	t.Parallel()
	ch := &changes{}
	s := newService(t, func(c *certs.Config) { c.Changed = ch.changed })
	until := time.Now().Add(5 * time.Minute)
	claim, err := s.IssueKeys(t.Context(), certs.Terms{Status: certs.Active, Unlisted: true, Until: until})
	require.NoError(t, err)
	require.Equal(t, until.Unix(), parse(t, claim.PEM).NotAfter.Unix())
	list, _, err := s.ListCertificates(t.Context(), certs.Page{})
	require.NoError(t, err)
	require.Empty(t, list)
	id, err := connect(t, s, parse(t, claim.PEM))
	require.NoError(t, err)
	require.Equal(t, until.Unix(), id.Expires.Unix())

	key := newKey(t)
	pending, err := s.IssueCSR(t.Context(), csr(t, key, pkix.Name{}), certs.Terms{Status: certs.PendingActivation})
	require.NoError(t, err)
	_, err = connect(t, s, parse(t, pending.PEM))
	refused(t, err, "PENDING_ACTIVATION")
	require.Empty(t, ch.take())
	require.NoError(t, s.Activate(t.Context(), pending.ID, certs.Active))
	require.Equal(t, []change{{pending.ID, certs.Active}}, ch.take())
	require.NoError(t, s.Activate(t.Context(), pending.ID, certs.Active), "again is no error")
	require.Empty(t, ch.take())
	_, err = connect(t, s, parse(t, pending.PEM))
	require.NoError(t, err)
	is(t, s.Activate(t.Context(), pending.ID, certs.Inactive), certs.ErrState, "is ACTIVE, expected PENDING_ACTIVATION")
	is(t, s.DeleteUnused(t.Context(), pending.ID), certs.ErrState, "is ACTIVE")

	unused, err := s.IssueKeys(t.Context(), certs.Terms{Status: certs.PendingActivation})
	require.NoError(t, err)
	require.NoError(t, s.DeleteUnused(t.Context(), unused.ID))
	is(t, s.DeleteUnused(t.Context(), unused.ID), certs.ErrNotFound, unused.ID)
	is(t, s.Activate(t.Context(), unused.ID, certs.Active), certs.ErrNotFound)

	_, err = s.IssueKeys(t.Context(), certs.Terms{Status: certs.Revoked})
	is(t, err, certs.ErrInvalid, "'status'", "REVOKED")
	_, err = s.IssueCSR(t.Context(), csr(t, key, pkix.Name{}), certs.Terms{Until: time.Unix(1, 0)})
	is(t, err, certs.ErrInvalid, "'until'", "in the future")
	is(t, s.Activate(t.Context(), pending.ID, certs.Revoked), certs.ErrInvalid, "'status'")
	is(t, s.Activate(t.Context(), "x", certs.Active), certs.ErrInvalid, "'certificateId'")
	is(t, s.DeleteUnused(t.Context(), "x"), certs.ErrInvalid, "'certificateId'")
}

func TestIssueServer(t *testing.T) {
	t.Parallel()
	s := newService(t)
	cert, err := s.IssueServer("hub.local", "*.example.org", "127.0.0.1", "::1")
	require.NoError(t, err)
	wellMade(t, s, cert.Leaf)
	for _, name := range []string{"hub.local", "a.example.org", "127.0.0.1", "::1"} {
		require.NoError(t, cert.Leaf.VerifyHostname(name), name)
	}
	require.Error(t, cert.Leaf.VerifyHostname("example.org"))
	_, err = connect(t, s, cert.Leaf)
	refused(t, err, "is not registered")
	_, err = s.IssueServer()
	is(t, err, certs.ErrInvalid, "'hosts'")
	for _, bad := range []string{"", strings.Repeat("a", 254), "übung.example"} {
		_, err = s.IssueServer("a", bad)
		is(t, err, certs.ErrInvalid, "'hosts'")
	}
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60)
	cert, err = s.IssueServer(long)
	require.NoError(t, err)
	require.NoError(t, cert.Leaf.VerifyHostname(long))
}

// A CA of the host's, below another one.
func TestOwnCA(t *testing.T) {
	t.Parallel()
	root := newCA(t, "root")
	key := newKey(t)
	cert := root.sign(t, key.Public(), func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "plant"}
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
	})
	s := newService(t, func(c *certs.Config) {
		c.CA = &certs.Authority{Certificate: cert, Signer: key, Chain: []*x509.Certificate{root.cert}}
	})
	require.Equal(t, text(cert)+text(root.cert), s.CAPEM())
	out, c := issue(t, s)
	require.Equal(t, cert.NotAfter, c.NotAfter, "a chain is as good as its shortest link")
	require.Equal(t, cert.NotBefore, c.NotBefore)
	d, err := s.DescribeCertificate(t.Context(), out.ID)
	require.NoError(t, err)
	require.Equal(t, certs.Fingerprint(cert), d.CA)
	server, err := s.IssueServer("hub")
	require.NoError(t, err)
	require.Len(t, server.Certificate, 3, "the whole chain is sent")
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	between := x509.NewCertPool()
	between.AddCert(cert)
	_, err = server.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: "hub"})
	require.NoError(t, err)
}

func TestCAIsKept(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	with := func(c *certs.Config) { c.Directory = dir }
	a, b := newService(t, with), newService(t, with)
	require.Equal(t, a.CAPEM(), b.CAPEM())
	elsewhere := newService(t, with, func(c *certs.Config) { c.Scope.Account = other })
	require.NotEqual(t, a.CAPEM(), elsewhere.CAPEM())
	require.NotEqual(t, parse(t, a.CAPEM()).RawSubject, parse(t, elsewhere.CAPEM()).RawSubject)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	a := newCA(t, "plant")
	leaf, leafKey := a.device(t)
	old := newCA(t, "old", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	mute := newCA(t, "mute", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	for name, c := range map[string]struct {
		change func(*certs.Config)
		want   string
	}{
		"scope":       {func(c *certs.Config) { c.Scope.Account = "a/b" }, `certs: Config.Scope.Account is "a/b"`},
		"keys":        {func(c *certs.Config) { c.Keys = 9 }, "Config.Keys is 9"},
		"name":        {func(c *certs.Config) { c.ServerNames = []string{"ok", "a.*.b"} }, `Config.ServerNames[1] is "a.*.b"`},
		"empty name":  {func(c *certs.Config) { c.ServerNames = []string{""} }, `Config.ServerNames[0] is ""`},
		"no cert":     {func(c *certs.Config) { c.CA = &certs.Authority{Signer: a.key} }, "Config.CA.Certificate is missing"},
		"no signer":   {func(c *certs.Config) { c.CA = &certs.Authority{Certificate: a.cert} }, "Config.CA.Signer is missing"},
		"no CA":       {func(c *certs.Config) { c.CA = &certs.Authority{Certificate: leaf, Signer: leafKey} }, "Config.CA.Certificate is not the certificate of a CA"},
		"other key":   {func(c *certs.Config) { c.CA = &certs.Authority{Certificate: a.cert, Signer: leafKey} }, "Config.CA.Signer has another key"},
		"expired":     {func(c *certs.Config) { c.CA = &certs.Authority{Certificate: old.cert, Signer: old.key} }, "Config.CA.Certificate has expired"},
		"cannot sign": {func(c *certs.Config) { c.CA = &certs.Authority{Certificate: mute.cert, Signer: mute.key} }, "Config.CA.Certificate is not for signing"},
		"gap": {func(c *certs.Config) {
			c.CA = &certs.Authority{Certificate: a.cert, Signer: a.key, Chain: []*x509.Certificate{nil}}
		}, "Config.CA.Chain[0] is missing"},
		"chain": {func(c *certs.Config) {
			c.CA = &certs.Authority{Certificate: a.cert, Signer: a.key, Chain: []*x509.Certificate{leaf}}
		}, "Config.CA.Chain[0] has not signed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := certs.Config{}
			c.change(&cfg)
			_, err := certs.New(cfg)
			require.ErrorContains(t, err, c.want)
		})
	}
}
