package certs_test

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
)

func TestJustInTimeRegistration(t *testing.T) {
	t.Parallel()
	p := &publisher{}
	s := newService(t, func(c *certs.Config) { c.Events = p })
	a := newCA(t, "plant")
	ca := registerCA(t, s, a)
	leaf, _ := a.device(t)
	id := certs.Fingerprint(leaf)
	for range 2 { // the device tries again, and so does the event
		before := time.Now().UnixMilli()
		_, err := connect(t, s, leaf)
		refused(t, err, id+" is PENDING_ACTIVATION")
		got := p.take()
		require.Len(t, got, 1)
		require.Equal(t, "$aws/events/certificates/registered/"+ca, got[0].topic)
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(got[0].payload), &e))
		require.InDelta(t, before, e["timestamp"], 60000)
		delete(e, "timestamp")
		require.Equal(t, map[string]any{
			"certificateId": id, "caCertificateId": ca, "certificateStatus": "PENDING_ACTIVATION", "awsAccountId": account,
			"certificateRegistrationTimestamp": nil,
		}, e)
	}
	d, err := s.DescribeCertificate(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, certs.PendingActivation, d.Status)
	require.Equal(t, ca, d.CA)
	require.Equal(t, text(leaf), d.PEM)
	require.Equal(t, 1, d.Version, "once registered")
	list, _, err := s.ListCertificatesByCA(t.Context(), ca, certs.Page{})
	require.NoError(t, err)
	require.Equal(t, []string{id}, ids(list))

	require.NoError(t, s.UpdateCertificate(t.Context(), id, certs.Active))
	_, err = connect(t, s, leaf)
	require.NoError(t, err)
	require.Empty(t, p.take())
	require.NoError(t, s.UpdateCertificate(t.Context(), id, certs.Inactive))
	_, err = connect(t, s, leaf)
	refused(t, err, "INACTIVE")
	require.Empty(t, p.take(), "only pending ones are announced")
}

func TestNotJustInTime(t *testing.T) {
	t.Parallel()
	a, twin := newCA(t, "plant"), newCA(t, "plant")
	now := time.Now()
	for name, c := range map[string]struct {
		ca     func(*certs.RegisterCAInput)
		from   *testCA
		change func(*x509.Certificate)
		want   string
	}{
		"switched off": {ca: func(in *certs.RegisterCAInput) { in.AllowAutoRegistration = false }, want: "is not registered"},
		"inactive CA":  {ca: func(in *certs.RegisterCAInput) { in.SetAsActive = false }, want: "is not registered"},
		"other key":    {from: twin, want: "is not registered"},
		"other name":   {from: newCA(t, "else"), want: "is not registered"},
		"expired":      {change: func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }, want: "has expired"},
		"not yet":      {change: func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }, want: "is not valid yet"},
		"server":       {change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, want: "is not for clients"},
		"encipherment": {change: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }, want: "is not for digital signatures"},
		"a CA":         {change: func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, want: "is the certificate of a CA"},
		"too big": {change: func(c *x509.Certificate) {
			for range 1000 {
				c.DNSNames = append(c.DNSNames, strings.Repeat("a", 60))
			}
		}, want: "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &publisher{}
			s := newService(t, func(c *certs.Config) { c.Events = p })
			if c.ca == nil {
				c.ca = func(*certs.RegisterCAInput) {}
			}
			if c.from == nil {
				c.from = a
			}
			if c.change == nil {
				c.change = func(*x509.Certificate) {}
			}
			registerCA(t, s, a, c.ca)
			leaf, _ := c.from.device(t, c.change)
			_, err := connect(t, s, leaf)
			refused(t, err, c.want)
			_, err = s.DescribeCertificate(t.Context(), certs.Fingerprint(leaf))
			is(t, err, certs.ErrNotFound)
			require.Empty(t, p.take())
		})
	}
}

// A certificate that is pending stays so without a word when its CA is switched off.
func TestPendingCAIsSwitchedOff(t *testing.T) {
	t.Parallel()
	p := &publisher{err: errors.New("nobody listens")}
	log := &strings.Builder{}
	s := newService(t, func(c *certs.Config) { c.Events, c.Logger = p, slog.New(slog.NewTextHandler(log, nil)) })
	a := newCA(t, "plant")
	ca := registerCA(t, s, a)
	leaf, _ := a.device(t)
	_, err := connect(t, s, leaf)
	refused(t, err, "PENDING_ACTIVATION")
	require.Len(t, p.take(), 1)
	require.Contains(t, log.String(), "nobody listens")
	require.NoError(t, s.UpdateCACertificate(t.Context(), certs.UpdateCAInput{ID: ca, Auto: certs.Disable}))
	_, err = connect(t, s, leaf)
	refused(t, err, "PENDING_ACTIVATION")
	require.Empty(t, p.take())
	require.NoError(t, s.UpdateCACertificate(t.Context(), certs.UpdateCAInput{ID: ca, Status: certs.CAInactive}))
	require.NoError(t, s.DeleteCACertificate(t.Context(), ca))
	_, err = connect(t, s, leaf)
	refused(t, err, "PENDING_ACTIVATION")
	require.Empty(t, p.take())
}

// Certificates for fleet provisioning are pending, too, and not announced.
func TestFleetIsNotAnnounced(t *testing.T) {
	t.Parallel()
	p := &publisher{}
	s := newService(t, func(c *certs.Config) { c.Events = p })
	out, err := s.IssueKeys(t.Context(), certs.Terms{Status: certs.PendingActivation})
	require.NoError(t, err)
	_, err = connect(t, s, parse(t, out.PEM))
	refused(t, err, "PENDING_ACTIVATION")
	require.Empty(t, p.take())
}

func TestJustInTimeProvisioning(t *testing.T) {
	t.Parallel()
	var s *certs.Service
	var got []certs.JITP
	fail := errors.New("no such country")
	log := &strings.Builder{}
	s = newService(t, func(c *certs.Config) {
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
		c.Provision = func(ctx context.Context, p certs.JITP) error {
			got = append(got, p)
			if len(got) == 1 {
				return fail
			}
			return s.Activate(ctx, p.ID, certs.Active)
		}
	})
	require.False(t, s.Immediate(), "provisioning may take its time")
	a := newCA(t, "plant")
	config := certs.RegistrationConfig{TemplateName: "fleet"}
	ca := registerCA(t, s, a, func(in *certs.RegisterCAInput) { in.Config = &config })
	leaf, _ := a.device(t)
	id := certs.Fingerprint(leaf)
	_, err := connect(t, s, leaf)
	refused(t, err, "PENDING_ACTIVATION")
	require.Contains(t, log.String(), "no such country")
	_, err = connect(t, s, leaf)
	refused(t, err, "PENDING_ACTIVATION") // the connection that did it is ended
	_, err = connect(t, s, leaf)
	require.NoError(t, err)
	want := certs.JITP{ID: id, ARN: s.ARN(id), CA: ca, PEM: text(leaf), Certificate: leaf, Config: config}
	require.Equal(t, []certs.JITP{want, want}, got)

	plain := newCA(t, "plain")
	registerCA(t, s, plain)
	leaf, _ = plain.device(t)
	_, err = connect(t, s, leaf)
	refused(t, err)
	require.Len(t, got, 2, "without a template nothing is provisioned")
}

// A device that comes again while it is provisioned is not provisioned twice at a time.
func TestJustInTimeOnce(t *testing.T) {
	t.Parallel()
	p := &publisher{}
	calls := 0
	var s *certs.Service
	var leaf *x509.Certificate
	s = newService(t, func(c *certs.Config) {
		c.Events = p
		c.Provision = func(ctx context.Context, j certs.JITP) error {
			calls++
			_, err := connect(t, s, leaf)
			refused(t, err, "PENDING_ACTIVATION")
			return s.Activate(ctx, j.ID, certs.Active)
		}
	})
	a := newCA(t, "plant")
	registerCA(t, s, a, func(in *certs.RegisterCAInput) { in.Config = &certs.RegistrationConfig{TemplateBody: "{}"} })
	leaf, _ = a.device(t)
	_, err := connect(t, s, leaf)
	refused(t, err, "PENDING_ACTIVATION")
	require.Equal(t, 1, calls)
	require.Len(t, p.take(), 2, "the event is told each time")
	_, err = connect(t, s, leaf)
	require.NoError(t, err)
}

// A device that knocks many times at once is registered once.
func TestJustInTimeConcurrent(t *testing.T) {
	t.Parallel()
	s := newService(t)
	a := newCA(t, "plant")
	registerCA(t, s, a)
	leaf, _ := a.device(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := connect(t, s, leaf); !errors.Is(err, auth.ErrNotAuthorized) {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	d, err := s.DescribeCertificate(t.Context(), certs.Fingerprint(leaf))
	require.NoError(t, err)
	require.Equal(t, certs.PendingActivation, d.Status)
	require.Equal(t, 1, d.Version)
}

// A CA that has expired registers nobody.
func TestExpiredCADoesNotRegister(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newService(t, func(cfg *certs.Config) { cfg.Now = c.time })
	a := newCA(t, "plant")
	registerCA(t, s, a)
	leaf, _ := a.device(t, func(l *x509.Certificate) { l.NotAfter = time.Now().Add(10 * time.Hour) })
	c.forward(2 * time.Hour)
	_, err := connect(t, s, leaf)
	refused(t, err, "is not registered")
	_, err = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf)})
	is(t, err, certs.ErrValidation, "CA certificate", "has expired")
}

// Anybody can turn an ECDSA signature into another one that is as good. A certificate
// that was shut out does not come back so, under another id.
func TestOtherSignature(t *testing.T) {
	t.Parallel()
	s := newService(t)
	a := newCA(t, "plant")
	registerCA(t, s, a)
	leaf, _ := a.device(t)
	_, err := connect(t, s, leaf)
	refused(t, err, "PENDING_ACTIVATION")
	require.NoError(t, s.UpdateCertificate(t.Context(), certs.Fingerprint(leaf), certs.Revoked))

	var sig struct{ R, S *big.Int }
	_, err = asn1.Unmarshal(leaf.Signature, &sig)
	require.NoError(t, err)
	sig.S.Sub(elliptic.P256().Params().N, sig.S)
	turned, err := asn1.Marshal(sig)
	require.NoError(t, err)
	var parts struct{ TBS, Algorithm, Signature asn1.RawValue }
	_, err = asn1.Unmarshal(leaf.Raw, &parts)
	require.NoError(t, err)
	bits, err := asn1.Marshal(asn1.BitString{Bytes: turned, BitLength: 8 * len(turned)})
	require.NoError(t, err)
	parts.Signature = asn1.RawValue{FullBytes: bits}
	der, err := asn1.Marshal(parts)
	require.NoError(t, err)
	twin, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	require.NoError(t, twin.CheckSignatureFrom(a.cert), "else this test tests nothing")
	require.NotEqual(t, certs.Fingerprint(leaf), certs.Fingerprint(twin))
	_, err = connect(t, s, twin)
	refused(t, err, "with another signature")
	_, err = s.DescribeCertificate(t.Context(), certs.Fingerprint(twin))
	is(t, err, certs.ErrNotFound)
}
