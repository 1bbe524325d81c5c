// Package provisiontest checks implementations of the interfaces that provisioning
// needs: ours, and those of whoever brings rooms of their own.
//
//	func TestRooms(t *testing.T) {
//		provisiontest.TestCertificates(t, func(t *testing.T) provisiontest.Certificates { ... })
//		provisiontest.TestThings(t, func(t *testing.T) provisiontest.Things { ... })
//		provisiontest.TestPolicies(t, func(t *testing.T) provision.Policies { ... })
//	}
package provisiontest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/provision"
)

// unknown is the id of no certificate.
var unknown = strings.Repeat("0", 64)

// Certificates are the certificates under test, with what the test cannot do with them
// by the interface alone.
type Certificates struct {
	provision.Certificates
	// Attach attaches something to a certificate, a policy or a thing.
	Attach func(t *testing.T, id string)
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// parse reads a certificate and checks that its id is that of its bytes.
func parse(t *testing.T, c provision.Certificate) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(c.PEM))
	require.NotNil(t, block)
	sum := sha256.Sum256(block.Bytes)
	require.Equal(t, hex.EncodeToString(sum[:]), c.ID)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return cert
}

// own makes a certificate that signs itself.
func own(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "device"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return encode("CERTIFICATE", der)
}

// TestCertificates checks certificates; open returns new ones.
func TestCertificates(t *testing.T, open func(t *testing.T) Certificates) {
	t.Run("keys", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		c, err := s.CreateKeys(ctx)
		require.NoError(t, err)
		require.Equal(t, provision.PendingActivation, c.Status)
		cert := parse(t, c.Certificate)
		block, _ := pem.Decode([]byte(c.PublicKey))
		require.NotNil(t, block)
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		require.NoError(t, err)
		require.Equal(t, cert.PublicKey, public)
		require.Contains(t, c.PrivateKey, "PRIVATE KEY")
		got, err := s.Describe(ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, c.Certificate, got)
		again, err := s.CreateKeys(ctx)
		require.NoError(t, err)
		require.NotEqual(t, c.ID, again.ID)
	})
	t.Run("signing request", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "d"}}, key)
		require.NoError(t, err)
		c, err := s.CreateFromCSR(ctx, encode("CERTIFICATE REQUEST", der))
		require.NoError(t, err)
		require.Equal(t, provision.PendingActivation, c.Status)
		require.True(t, key.PublicKey.Equal(parse(t, c).PublicKey))
		der[len(der)-1] ^= 1 // the signature
		for _, bad := range []string{"", "x", encode("CERTIFICATE REQUEST", []byte("x")), encode("CERTIFICATE REQUEST", der)} {
			_, err := s.CreateFromCSR(ctx, bad)
			require.ErrorIs(t, err, provision.ErrInvalid)
		}
	})
	t.Run("registration", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		text := own(t)
		c, err := s.Register(ctx, text, "")
		require.NoError(t, err)
		require.Equal(t, provision.Inactive, c.Status)
		require.Equal(t, text, c.PEM)
		parse(t, c)
		_, err = s.Register(ctx, text, "")
		require.ErrorIs(t, err, provision.ErrExists)
		for _, bad := range []struct{ text, ca string }{{"", ""}, {"x", ""}, {encode("CERTIFICATE", []byte("x")), ""}, {own(t), own(t)}} {
			_, err := s.Register(ctx, bad.text, bad.ca)
			require.ErrorIs(t, err, provision.ErrInvalid)
		}
	})
	t.Run("status", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		c, err := s.CreateKeys(ctx)
		require.NoError(t, err)
		require.ErrorIs(t, s.SetStatus(ctx, c.ID, provision.Inactive, provision.Active), provision.ErrUpdateConflict)
		for _, step := range [][2]provision.Status{{provision.PendingActivation, provision.Active}, {provision.Active, provision.Inactive}, {provision.Inactive, provision.Active}} {
			require.NoError(t, s.SetStatus(ctx, c.ID, step[0], step[1]))
			got, err := s.Describe(ctx, c.ID)
			require.NoError(t, err)
			require.Equal(t, step[1], got.Status)
		}
		require.ErrorIs(t, s.SetStatus(ctx, unknown, provision.Active, provision.Inactive), provision.ErrNotFound)
		_, err = s.Describe(ctx, unknown)
		require.ErrorIs(t, err, provision.ErrNotFound)
	})
	t.Run("deletion", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		for _, status := range []provision.Status{provision.PendingActivation, provision.Active, provision.Inactive} {
			c, err := s.CreateKeys(ctx)
			require.NoError(t, err)
			if status != provision.PendingActivation {
				require.ErrorIs(t, s.Delete(ctx, c.ID, status), provision.ErrUpdateConflict)
				require.NoError(t, s.SetStatus(ctx, c.ID, provision.PendingActivation, status))
			}
			require.NoError(t, s.Delete(ctx, c.ID, status))
			require.ErrorIs(t, s.Delete(ctx, c.ID, status), provision.ErrNotFound)
			_, err = s.Describe(ctx, c.ID)
			require.ErrorIs(t, err, provision.ErrNotFound)
		}
		c, err := s.CreateKeys(ctx)
		require.NoError(t, err)
		s.Attach(t, c.ID)
		require.ErrorIs(t, s.Delete(ctx, c.ID, provision.PendingActivation), provision.ErrDeleteConflict)
		_, err = s.Describe(ctx, c.ID)
		require.NoError(t, err)
	})
	t.Run("claim", func(t *testing.T) {
		t.Parallel()
		s, ctx := open(t), t.Context()
		expires := time.Now().Add(provision.ClaimLife).Truncate(time.Second)
		c, err := s.CreateClaim(ctx, provision.Claim{Template: "t", Expires: expires, Policy: `{"Version":"2012-10-17","Statement":[]}`})
		require.NoError(t, err)
		require.Equal(t, provision.Active, c.Status)
		require.True(t, parse(t, c.Certificate).NotAfter.Equal(expires))
		require.Contains(t, c.PrivateKey, "PRIVATE KEY")
		require.NoError(t, s.Delete(ctx, c.ID, provision.Active))
	})
}
