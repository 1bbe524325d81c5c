package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/broker"
)

// save writes a file and returns its name.
func save(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func caStatus(t *testing.T, s *certs.Service, c *x509.Certificate) certs.CAStatus {
	t.Helper()
	d, err := s.DescribeCACertificate(t.Context(), certs.Fingerprint(c))
	require.NoError(t, err)
	return d.Status
}

// A CRL that is read anew ends connections, and one that cannot be used changes nothing.
func TestFollowerCRL(t *testing.T) {
	t.Parallel()
	h, dir, a, other := newLiveHub(t), t.TempDir(), newCA(t, "plant"), newCA(t, "other")
	caFile := save(t, dir, "ca.crt", []byte(text(a.cert)))
	crlFile := save(t, dir, "ca.crl", crlPEM(a.crl(t, 1, nil)))
	f, err := certs.NewFollower(t.Context(), h.certs, certs.FollowerConfig{
		CAFiles: []certs.CAFile{{Name: caFile}}, CRLFile: crlFile, Every: -1, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	addr := h.mqtts(t, h.certs.TLSConfig(server(t, h.certs)))
	join := func(id string) (*liveClient, *x509.Certificate, *tls.Config) {
		leaf, key := a.device(t)
		_, err := h.certs.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
		require.NoError(t, err)
		cfg := h.holds(leaf, key)
		cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		c, code := dial(t, addr, id, cfg)
		require.Zero(t, code)
		c.listens(t)
		return c, leaf, cfg
	}
	good, goodLeaf, goodCfg := join("good")
	bad, badLeaf, badCfg := join("bad")
	talks(t, good, bad)
	require.NoError(t, f.Reload(t.Context()), "nothing has changed")
	talks(t, good, bad)

	list := crlPEM(a.crl(t, 3, []x509.RevocationListEntry{entry(badLeaf, 1)}))
	save(t, dir, "ca.crl", list)
	require.NoError(t, f.Reload(t.Context()))
	require.Equal(t, broker.NotAuthorized, broker.ReasonCode(next(t, bad.ended)))
	require.Equal(t, certs.Revoked, status(t, h.certs, certs.Fingerprint(badLeaf)))
	_, code := dial(t, addr, "bad", badCfg)
	require.NotZero(t, code)

	for name, data := range map[string][]byte{
		"nothing":       nil,
		"half a list":   list[:len(list)/2],
		"one and half":  append(bytes.Clone(list), list[:len(list)/2]...),
		"an older one":  a.crl(t, 2, []x509.RevocationListEntry{entry(goodLeaf, 1)}),
		"of nobody":     other.crl(t, 9, []x509.RevocationListEntry{entry(goodLeaf, 1)}),
		"a certificate": []byte(text(a.cert)),
	} {
		save(t, dir, "ca.crl", data)
		require.ErrorContains(t, f.Reload(t.Context()), `CRLFile is "`+crlFile+`", expected`, name)
	}
	require.NoError(t, os.Remove(crlFile))
	require.ErrorContains(t, f.Reload(t.Context()), "no such file")
	_, code = dial(t, addr, "bad", badCfg)
	require.NotZero(t, code, "what was revoked stays so")
	again, code := dial(t, addr, "again", goodCfg)
	require.Zero(t, code)
	again.listens(t)
	talks(t, good, again)
}

// CAs come and go with their files.
func TestFollowerCAs(t *testing.T) {
	t.Parallel()
	s, dir := newService(t), t.TempDir()
	a, b, given := newCA(t, "a"), newCA(t, "b"), newCA(t, "given")
	registerCA(t, s, given, func(in *certs.RegisterCAInput) { in.SetAsActive = false })
	one, two := save(t, dir, "one.crt", []byte(text(a.cert)+text(given.cert))), save(t, dir, "two.crt", []byte(text(b.cert)))
	f, err := certs.NewFollower(t.Context(), s, certs.FollowerConfig{
		CAFiles: []certs.CAFile{{Name: one}, {Name: two, AllowAutoRegistration: true}}, Every: -1, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	check := func(want map[*testCA]certs.CAStatus) {
		t.Helper()
		for ca, status := range want {
			require.Equal(t, status, caStatus(t, s, ca.cert), ca.cert.Subject)
		}
	}
	check(map[*testCA]certs.CAStatus{a: certs.CAActive, b: certs.CAActive, given: certs.CAInactive})
	d, err := s.DescribeCACertificate(t.Context(), certs.Fingerprint(a.cert))
	require.NoError(t, err)
	require.Equal(t, certs.Default, d.Mode)
	require.Equal(t, certs.Disable, d.Auto)
	device, _ := a.device(t)
	registered, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(device), SetAsActive: true})
	require.NoError(t, err)
	inTime, _ := b.device(t)
	_, err = connect(t, s, inTime)
	refused(t, err, "is PENDING_ACTIVATION")

	// A file that cannot be used changes nothing, and the other one counts.
	fresh, mute := newCA(t, "fresh"), newCA(t, "mute", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })
	key := append([]byte(text(fresh.cert)), []byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")...)
	both := text(given.cert) + text(a.cert)
	for what, data := range map[string][]byte{
		"1 of its 2 PEM blocks": []byte(both[:len(both)-40]), "2 of its 2 PEM blocks": []byte(strings.ReplaceAll(both, "MII", "M!I")),
		"it has no certificate": nil, "caCertificate": []byte(text(fresh.cert) + text(device)), "keyCertSign": []byte(text(mute.cert)), "PRIVATE KEY": key, "x509": bytes.Replace([]byte(text(a.cert)), []byte("MII"), []byte("MIJ"), 1),
	} {
		save(t, dir, "one.crt", data)
		require.ErrorContains(t, f.Reload(t.Context()), `CAFiles[0] is "`+one+`", expected a file of CA certificates in PEM form: `)
		require.ErrorContains(t, f.Reload(t.Context()), what)
		check(map[*testCA]certs.CAStatus{a: certs.CAActive, b: certs.CAActive, given: certs.CAInactive})
		_, err = s.DescribeCACertificate(t.Context(), certs.Fingerprint(fresh.cert))
		is(t, err, certs.ErrNotFound)
	}
	save(t, dir, "two.crt", []byte(text(fresh.cert)))
	require.Error(t, f.Reload(t.Context()))
	check(map[*testCA]certs.CAStatus{a: certs.CAActive, b: certs.CAInactive, fresh: certs.CAActive})
	another, _ := b.device(t)
	_, err = connect(t, s, another)
	refused(t, err, "is not registered")
	another, _ = fresh.device(t)
	_, err = connect(t, s, another)
	refused(t, err, "is PENDING_ACTIVATION")

	// Who is registered stays when its CA goes, and it may come back, elsewhere too.
	save(t, dir, "one.crt", []byte(text(given.cert)))
	require.NoError(t, f.Reload(t.Context()))
	check(map[*testCA]certs.CAStatus{a: certs.CAInactive, b: certs.CAInactive, fresh: certs.CAActive, given: certs.CAInactive})
	id, err := connect(t, s, device)
	require.NoError(t, err)
	require.Equal(t, registered.ID, id.Principal)
	another, _ = a.device(t)
	_, err = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(another)})
	is(t, err, certs.ErrState)
	save(t, dir, "one.crt", []byte(text(fresh.cert)))
	save(t, dir, "two.crt", []byte(text(a.cert)+text(b.cert)))
	require.NoError(t, f.Reload(t.Context()))
	check(map[*testCA]certs.CAStatus{a: certs.CAActive, b: certs.CAActive, fresh: certs.CAActive, given: certs.CAInactive})
	for ca, auto := range map[*testCA]certs.AutoRegistration{a: certs.Enable, b: certs.Enable, fresh: certs.Disable} {
		d, err := s.DescribeCACertificate(t.Context(), certs.Fingerprint(ca.cert))
		require.NoError(t, err)
		require.Equal(t, auto, d.Auto, ca.cert.Subject)
	}
	// What somebody deleted need not be deactivated when it goes.
	require.NoError(t, s.UpdateCACertificate(t.Context(), certs.UpdateCAInput{ID: certs.Fingerprint(a.cert), Status: certs.CAInactive}))
	require.NoError(t, s.DeleteCACertificate(t.Context(), certs.Fingerprint(a.cert)))
	save(t, dir, "two.crt", []byte(text(b.cert)))
	require.NoError(t, f.Reload(t.Context()))
}

// A CA that was registered from a file may expire there.
func TestFollowerExpiredCA(t *testing.T) {
	t.Parallel()
	c, dir := newClock(), t.TempDir()
	s := newService(t, func(cfg *certs.Config) { cfg.Now = c.time })
	old, long := newCA(t, "old"), newCA(t, "long", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(24 * time.Hour) })
	name := save(t, dir, "ca.crt", []byte(text(old.cert)))
	cfg := certs.FollowerConfig{CAFiles: []certs.CAFile{{Name: name}}, Every: -1, Logger: slog.New(slog.DiscardHandler)}
	f, err := certs.NewFollower(t.Context(), s, cfg)
	require.NoError(t, err)
	c.forward(2 * time.Hour)
	save(t, dir, "ca.crt", []byte(text(old.cert)+text(long.cert)))
	require.NoError(t, f.Reload(t.Context()))
	require.Equal(t, certs.CAActive, caStatus(t, s, long.cert))
	_, err = certs.NewFollower(t.Context(), newService(t, func(cfg *certs.Config) { cfg.Now = c.time }), cfg)
	require.ErrorContains(t, err, "has expired")
}

// Run finds out by itself that a file has changed, and tries again what went wrong.
func TestFollowerRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log lockedLog
		ch, dir, a := &changes{}, t.TempDir(), newCA(t, "plant")
		s := newService(t, func(c *certs.Config) { c.Changed = ch.changed })
		leaf, _ := a.device(t)
		f, err := certs.NewFollower(t.Context(), s, certs.FollowerConfig{
			CAFiles: []certs.CAFile{{Name: save(t, dir, "ca.crt", []byte(text(a.cert)))}}, CRLFile: save(t, dir, "ca.crl", a.crl(t, 1, nil)),
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx) }()
		out, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
		require.NoError(t, err)
		minute := func() {
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		minute()
		require.Empty(t, log.String())
		save(t, dir, "ca.crl", []byte("nothing"))
		minute()
		minute()
		require.Equal(t, 2, bytes.Count([]byte(log.String()), []byte("were not renewed")))
		save(t, dir, "ca.crl", a.crl(t, 2, []x509.RevocationListEntry{entry(leaf, 1)}))
		require.Empty(t, ch.take())
		minute()
		require.Equal(t, []change{{out.ID, certs.Revoked}}, ch.take())
		require.Contains(t, log.String(), "certificates=1")
		cancel()
		require.NoError(t, <-ended)
	})
	synctest.Test(t, func(t *testing.T) {
		dir, a := t.TempDir(), newCA(t, "plant")
		f, err := certs.NewFollower(t.Context(), newService(t), certs.FollowerConfig{CAFiles: []certs.CAFile{{Name: save(t, dir, "ca.crt", []byte(text(a.cert)))}}, Every: -1})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, f.Run(ctx))
	})
}

func TestNewFollowerRefuses(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for want, cfg := range map[string]certs.FollowerConfig{
		"CAFiles[1].Name is empty":                {CAFiles: []certs.CAFile{{Name: "/none.crt"}, {}}},
		`CAFiles[0] is "/none.crt", expected`:     {CAFiles: []certs.CAFile{{Name: "/none.crt"}}},
		`CRLFile is "/none.crl", expected a file`: {CRLFile: "/none.crl"},
	} {
		_, err := certs.NewFollower(t.Context(), s, cfg)
		require.ErrorContains(t, err, want)
	}
	f, err := certs.NewFollower(t.Context(), s, certs.FollowerConfig{})
	require.NoError(t, err)
	require.NoError(t, f.Reload(t.Context()), "nothing to follow")
}
