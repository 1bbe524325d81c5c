package certs_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
)

// crl makes a list with a number.
func (a *testCA) crl(t testing.TB, number int64, entries []x509.RevocationListEntry, change ...func(*x509.RevocationList)) []byte {
	t.Helper()
	l := &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: entries,
	}
	for _, f := range change {
		f(l)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, a.cert, a.key)
	require.NoError(t, err)
	return der
}

func crlPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func entry(c *x509.Certificate, reason int) x509.RevocationListEntry {
	return x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now().Add(-time.Minute), ReasonCode: reason}
}

func TestCRL(t *testing.T) {
	t.Parallel()
	dir, ch := auth.NewMemory(), &changes{}
	with := func(c *certs.Config) { c.Directory, c.Changed = dir, ch.changed }
	s := newService(t, with)
	a, twin := newCA(t, "plant"), newCA(t, "plant")
	ca := registerCA(t, s, a)
	registerCA(t, s, twin)
	register := func(c *x509.Certificate) string {
		out, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(c), SetAsActive: true})
		require.NoError(t, err)
		return out.ID
	}
	good, _ := a.device(t)
	bad, _ := a.device(t)
	held, _ := a.device(t)
	fresh, _ := a.device(t) // unknown until it is on the list
	lonely, _ := a.device(t)
	removed, _ := a.device(t)
	other, _ := twin.device(t, func(c *x509.Certificate) { c.SerialNumber = bad.SerialNumber }) // of another CA of that name
	goodID, badID, heldID, otherID, removedID := register(good), register(bad), register(held), register(other), register(removed)
	out, err := s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(lonely), SetAsActive: true})
	require.NoError(t, err)
	insider, err := connect(t, s, bad)
	require.NoError(t, err)
	ch.take()

	list := a.crl(t, 7, []x509.RevocationListEntry{entry(bad, 1), entry(held, 6), entry(fresh, 0), entry(lonely, 4), entry(removed, 8)})
	got, err := s.LoadCRL(t.Context(), crlPEM(list))
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, ca, got[0].CA)
	require.Equal(t, int64(7), got[0].Number.Int64())
	require.Equal(t, 5, got[0].Entries)
	require.False(t, got[0].NextUpdate.IsZero())
	require.ElementsMatch(t, []string{badID, heldID, out.ID}, got[0].Revoked)
	require.ElementsMatch(t, []change{{badID, certs.Revoked}, {heldID, certs.Inactive}, {out.ID, certs.Revoked}}, ch.take())
	refused(t, insider.Check(), "is REVOKED")
	for id, want := range map[string]certs.Status{
		goodID: certs.Active, badID: certs.Revoked, heldID: certs.Inactive, otherID: certs.Active, out.ID: certs.Revoked, removedID: certs.Active,
	} {
		require.Equal(t, want, status(t, s, id))
	}

	// Nothing leads around the list, after a restart neither.
	s = newService(t, with)
	_, err = connect(t, s, bad)
	refused(t, err, "is REVOKED")
	is(t, s.UpdateCertificate(t.Context(), heldID, certs.Active), certs.ErrState, "is on the CRL")
	_, err = connect(t, s, fresh)
	refused(t, err, "is on the CRL")
	_, err = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(fresh), CA: text(a.cert)})
	is(t, err, certs.ErrValidation, "is on the CRL")
	_, err = s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(fresh)})
	is(t, err, certs.ErrValidation, "is on the CRL")
	require.NoError(t, s.DeleteCertificate(t.Context(), badID, false))
	_, err = s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(bad), SetAsActive: true})
	is(t, err, certs.ErrValidation, "is on the CRL")
	_, err = s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(bad), Status: certs.Revoked})
	require.NoError(t, err, "as what it is it may be registered")

	// The same list again; a later one without the certificate that was on hold.
	got, err = s.LoadCRL(t.Context(), list)
	require.NoError(t, err)
	require.Empty(t, got[0].Revoked)
	_, err = s.LoadCRL(t.Context(), a.crl(t, 8, []x509.RevocationListEntry{entry(fresh, 0)}))
	require.NoError(t, err)
	require.Equal(t, certs.Revoked, status(t, s, badID))
	require.Equal(t, certs.Inactive, status(t, s, heldID))
	require.NoError(t, s.UpdateCertificate(t.Context(), heldID, certs.Active))
	d, err := s.DescribeCRL(t.Context(), ca)
	require.NoError(t, err)
	require.Equal(t, int64(8), d.Number.Int64())
	require.Equal(t, 1, d.Entries)

	// An older one does not come back.
	_, err = s.LoadCRL(t.Context(), list)
	is(t, err, certs.ErrInvalid, "has the number 7, expected at least 8")
}

func TestCRLRefused(t *testing.T) {
	t.Parallel()
	s := newService(t)
	a := newCA(t, "plant")
	ca := registerCA(t, s, a)
	mute := newCA(t, "mute", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })
	registerCA(t, s, mute)
	good := a.crl(t, 1, nil)
	broken := slices.Clone(good)
	broken[len(broken)-1] ^= 1
	critical := func(id ...int) []byte {
		return a.crl(t, 1, nil, func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier(id), Critical: true, Value: []byte{2, 1, 1}}}
		})
	}
	for name, c := range map[string]struct {
		crl  []byte
		kind error
		want string
	}{
		"nothing":      {nil, certs.ErrInvalid, "has 0 bytes"},
		"too long":     {make([]byte, 16<<20+1), certs.ErrInvalid, "has 16777217 bytes"},
		"no DER":       {[]byte("hello"), certs.ErrInvalid, "cannot be read"},
		"certificate":  {[]byte(text(a.cert)), certs.ErrInvalid, `of type "CERTIFICATE"`},
		"other key":    {newCA(t, "plant").crl(t, 1, nil), certs.ErrValidation, "is not signed by the CA it names"},
		"other CA":     {newCA(t, "else").crl(t, 1, nil), certs.ErrValidation, "is of a CA that is not registered"},
		"broken":       {broken, certs.ErrValidation, "is not signed"},
		"delta":        {critical(2, 5, 29, 27), certs.ErrInvalid, "critical extension 2.5.29.27"},
		"partial":      {critical(2, 5, 29, 28), certs.ErrInvalid, "critical extension 2.5.29.28"},
		"future":       {a.crl(t, 1, nil, func(l *x509.RevocationList) { l.ThisUpdate = time.Now().Add(time.Minute) }), certs.ErrInvalid, "from the future"},
		"second wrong": {append(crlPEM(good), text(a.cert)...), certs.ErrInvalid, `of type "CERTIFICATE"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.LoadCRL(t.Context(), c.crl)
			is(t, err, c.kind, "crl ", c.want)
			_, err = s.DescribeCRL(t.Context(), ca)
			is(t, err, certs.ErrNotFound)
		})
	}
	_, err := s.DescribeCRL(t.Context(), "x")
	is(t, err, certs.ErrInvalid)
}

// A list that is overdue still says what it says.
func TestStaleCRL(t *testing.T) {
	t.Parallel()
	log := &strings.Builder{}
	s := newService(t, func(c *certs.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	a, b := newCA(t, "plant"), newCA(t, "mill")
	registerCA(t, s, a)
	registerCA(t, s, b)
	leaf, _ := a.device(t)
	out, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
	require.NoError(t, err)
	old := func(l *x509.RevocationList) {
		l.ThisUpdate, l.NextUpdate = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}
	got, err := s.LoadCRL(t.Context(), append(crlPEM(b.crl(t, 1, nil)), crlPEM(a.crl(t, 1, []x509.RevocationListEntry{entry(leaf, 1)}, old))...))
	require.NoError(t, err)
	require.Len(t, got, 2, "several in one file")
	require.Equal(t, []string{out.ID}, got[1].Revoked)
	require.Contains(t, log.String(), "a newer CRL is due")
	require.Equal(t, 1, strings.Count(log.String(), "due"))
}

// A certificate on its way to another account is called back.
func TestCRLEndsTransfer(t *testing.T) {
	t.Parallel()
	a, b := twoAccounts(t)
	plant := newCA(t, "plant")
	registerCA(t, a, plant)
	leaf, _ := plant.device(t)
	out, err := a.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf)})
	require.NoError(t, err)
	_, err = a.TransferCertificate(t.Context(), out.ID, other, "")
	require.NoError(t, err)
	_, err = a.LoadCRL(t.Context(), plant.crl(t, 1, []x509.RevocationListEntry{entry(leaf, 6)}))
	require.NoError(t, err)
	require.Equal(t, certs.PendingTransfer, status(t, a, out.ID), "on hold is no more than it is")
	_, err = a.LoadCRL(t.Context(), plant.crl(t, 2, []x509.RevocationListEntry{entry(leaf, 1)}))
	require.NoError(t, err)
	require.Equal(t, certs.Revoked, status(t, a, out.ID))
	is(t, b.AcceptCertificateTransfer(t.Context(), out.ID, true), certs.ErrNotFound)
	list, _, err := a.ListOutgoingCertificates(t.Context(), certs.Page{})
	require.NoError(t, err)
	require.Empty(t, list)
}

// The hub's own CA may have a list as well, if somebody else has its key.
func TestCRLOfTheHub(t *testing.T) {
	t.Parallel()
	a := newCA(t, "plant")
	s := newService(t, func(c *certs.Config) { c.CA = &certs.Authority{Certificate: a.cert, Signer: a.key} })
	out, c := issue(t, s)
	_, err := s.LoadCRL(t.Context(), a.crl(t, 1, []x509.RevocationListEntry{entry(c, 1)}))
	require.NoError(t, err)
	require.Equal(t, certs.Revoked, status(t, s, out.ID))
	require.NoError(t, s.DeleteCertificate(t.Context(), out.ID, false))
	_, err = s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(c)})
	is(t, err, certs.ErrValidation, "is on the CRL")
}

// The CRL comes between the look at it and the storing of a certificate.
func TestCRLDuringRegistration(t *testing.T) {
	t.Parallel()
	dir := &committing{Memory: auth.NewMemory()}
	s := newService(t, func(c *certs.Config) { c.Directory = dir })
	a := newCA(t, "plant")
	registerCA(t, s, a)
	for _, way := range []string{"register", "activate", "activate what is on hold", "just in time"} {
		leaf, _ := a.device(t)
		id := certs.Fingerprint(leaf)
		reason, want := 1, certs.Revoked
		if way == "activate what is on hold" { // the list does not change its status
			reason, want = 6, certs.Inactive
		}
		if strings.HasPrefix(way, "activate") {
			_, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf)})
			require.NoError(t, err)
		}
		dir.before = func() {
			dir.before = nil
			_, err := s.LoadCRL(t.Context(), a.crl(t, time.Now().UnixNano(), []x509.RevocationListEntry{entry(leaf, reason)}))
			require.NoError(t, err)
		}
		switch way {
		case "register":
			_, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
			is(t, err, certs.ErrState, "is on the CRL")
		case "activate":
			err := s.UpdateCertificate(t.Context(), id, certs.Active)
			is(t, err, certs.ErrState, "REVOKED")
		case "activate what is on hold":
			is(t, s.UpdateCertificate(t.Context(), id, certs.Active), certs.ErrState, "is on the CRL")
		case "just in time":
			_, err := connect(t, s, leaf)
			refused(t, err, "is on the CRL")
		}
		require.Nil(t, dir.before)
		require.Equal(t, want, status(t, s, id), way)
	}
}

// A certificate is registered after the list was gone through and before it counts.
func TestRegistrationDuringCRL(t *testing.T) {
	t.Parallel()
	dir := &committing{Memory: auth.NewMemory(), kind: "crl"}
	s := newService(t, func(c *certs.Config) { c.Directory = dir })
	a := newCA(t, "plant")
	registerCA(t, s, a)
	leaf, _ := a.device(t)
	dir.before = func() {
		dir.before = nil
		_, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
		require.NoError(t, err)
	}
	got, err := s.LoadCRL(t.Context(), a.crl(t, 1, []x509.RevocationListEntry{entry(leaf, 1)}))
	require.NoError(t, err)
	require.Equal(t, []string{certs.Fingerprint(leaf)}, got[0].Revoked)
	_, err = connect(t, s, leaf)
	refused(t, err, "is REVOKED")
}
