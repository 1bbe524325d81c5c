package certs_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
)

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	s := newService(t)
	out, c := issue(t, s)
	creds := shown(c)
	creds.Username, creds.HasUsername = "admin?SDK=Go", true // a label, no more
	id, err := s.Authenticate(t.Context(), creds)
	require.NoError(t, err)
	require.NoError(t, id.Check())
	id.Check = nil
	require.Equal(t, &auth.Identity{Principal: out.ID, Kind: auth.Certificate, ARN: out.ARN, Certificate: c, Expires: c.NotAfter}, id)
	require.True(t, s.Immediate())
}

func TestUnrecognised(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for name, c := range map[string]*auth.Credentials{
		"nothing": {}, "a password": {Username: "a", Password: []byte("b")}, "TLS without a certificate": {TLS: &tls.ConnectionState{}},
	} {
		id, err := s.Authenticate(t.Context(), c)
		require.ErrorIs(t, err, auth.ErrUnrecognised, name)
		require.Nil(t, id)
	}
}

// A certificate may be registered and still not be usable.
func TestUnusable(t *testing.T) {
	t.Parallel()
	a := newCA(t, "plant")
	now := time.Now()
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		want   string // "": may come in
	}{
		"server": {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "is not for clients"},
		"other use": {func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 2, 3}}
		}, "is not for clients"},
		"encipherment": {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }, "is not for digital signatures"},
		"critical": {func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}, "critical extension 1.2.3"},
		"not yet":       {func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }, "is not valid yet"},
		"any use":       {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, ""},
		"both uses":     {func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) }, ""},
		"nothing said":  {func(c *x509.Certificate) { c.ExtKeyUsage, c.KeyUsage = nil, 0 }, ""},
		"an unknown CA": {func(*x509.Certificate) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			leaf, _ := a.device(t, c.change)
			_, err := s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
			require.NoError(t, err)
			_, err = connect(t, s, leaf)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			refused(t, err, c.want)
		})
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := newService(t, func(cfg *certs.Config) { cfg.Now = c.time })
	leaf, _ := newCA(t, "plant").device(t)
	_, err := s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
	require.NoError(t, err)
	id, err := connect(t, s, leaf)
	require.NoError(t, err)
	require.Equal(t, leaf.NotAfter, id.Expires, "the connection ends then")
	c.forward(2 * time.Hour)
	_, err = connect(t, s, leaf)
	refused(t, err, "has expired at")
}

// What is not the registered certificate does not get in with its names.
func TestImpostor(t *testing.T) {
	t.Parallel()
	s := newService(t)
	_, c := issue(t, s)
	twin := newCA(t, "x", func(ca *x509.Certificate) { ca.Subject = parse(t, s.CAPEM()).Subject })
	leaf, _ := twin.device(t, func(l *x509.Certificate) {
		l.Subject, l.SerialNumber, l.SubjectKeyId = c.Subject, c.SerialNumber, c.SubjectKeyId
	})
	_, err := connect(t, s, leaf)
	refused(t, err, "is not registered")
	// Nor does its position behind another one help.
	creds := shown(leaf)
	creds.TLS.PeerCertificates = append(creds.TLS.PeerCertificates, c)
	_, err = s.Authenticate(t.Context(), creds)
	refused(t, err, "is not registered")
}

// Whoever is in learns of a change, and a change is missed by nobody who comes.
func TestCheck(t *testing.T) {
	t.Parallel()
	s := newService(t)
	out, c := issue(t, s)
	id, err := connect(t, s, c)
	require.NoError(t, err)
	require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Inactive))
	refused(t, id.Check(), "is INACTIVE")
	require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Active))
	require.NoError(t, id.Check())
	require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Inactive))
	require.NoError(t, s.DeleteCertificate(t.Context(), out.ID, false))
	refused(t, id.Check(), "is deleted")
}

// slow is a directory that can be stopped in front of an answer.
type slow struct {
	*auth.Memory
	kind string // of the records that are meant; "": certificates
	mu   sync.Mutex
	get  func(auth.Record, error) (auth.Record, error)
}

func (d *slow) Get(ctx context.Context, key string) (auth.Record, error) {
	r, err := d.Memory.Get(ctx, key)
	d.mu.Lock()
	get := d.get
	d.mu.Unlock()
	if get != nil && auth.Parts(key)[0] == cmp.Or(d.kind, "cert") {
		return get(r, err)
	}
	return r, err
}

func (d *slow) set(get func(auth.Record, error) (auth.Record, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.get = get
}

// An answer of the directory is old by the time it is used.
func TestChangeDuringRead(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, s *certs.Service, id string){
		"deactivated": func(t *testing.T, s *certs.Service, id string) {
			require.NoError(t, s.UpdateCertificate(t.Context(), id, certs.Inactive))
		},
		"deleted": func(t *testing.T, s *certs.Service, id string) {
			require.NoError(t, s.UpdateCertificate(t.Context(), id, certs.Inactive))
			require.NoError(t, s.DeleteCertificate(t.Context(), id, false))
		},
	} {
		for _, known := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				dir := &slow{Memory: auth.NewMemory()}
				s := newService(t, func(c *certs.Config) { c.Directory = dir })
				out, c := issue(t, s)
				if known {
					_, err := connect(t, s, c)
					require.NoError(t, err)
				}
				dir.set(func(r auth.Record, err error) (auth.Record, error) {
					dir.set(nil)
					change(t, s, out.ID)
					return r, err
				})
				id, err := connect(t, s, c)
				if err == nil { // it came in before the change; the host is told now
					err = id.Check()
				}
				refused(t, err)
				_, err = connect(t, s, c)
				refused(t, err)
			})
		}
	}
}

// Two changes are stored one after the other, and the first one is noted last.
func TestChangesNotedInOtherOrder(t *testing.T) {
	t.Parallel()
	dir, ch := &committing{Memory: auth.NewMemory()}, &changes{}
	s := newService(t, func(c *certs.Config) { c.Directory, c.Changed = dir, ch.changed })
	out, err := s.CreateKeysAndCertificate(t.Context(), false)
	require.NoError(t, err)
	c := parse(t, out.PEM)
	_, err = connect(t, s, c)
	refused(t, err)
	dir.after = func() {
		dir.after = nil
		require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Revoked))
	}
	require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Active))
	require.Nil(t, dir.after)
	_, err = connect(t, s, c)
	refused(t, err, "is REVOKED")

	// Whoever comes in between is told as soon as it asks.
	second, c := issue(t, s)
	require.NoError(t, s.UpdateCertificate(t.Context(), second.ID, certs.Inactive))
	var guest *auth.Identity
	dir.after = func() {
		dir.after = func() {
			dir.after = nil
			guest, err = connect(t, s, c)
		}
		require.NoError(t, s.UpdateCertificate(t.Context(), second.ID, certs.Inactive))
	}
	require.NoError(t, s.UpdateCertificate(t.Context(), second.ID, certs.Active))
	if guest != nil {
		refused(t, guest.Check(), "is INACTIVE")
	}
	_, err = connect(t, s, c)
	refused(t, err, "is INACTIVE")
}

// Another hub over the same directory.
func TestSharedDirectory(t *testing.T) {
	t.Parallel()
	dir, ch := auth.NewMemory(), &changes{}
	a := newService(t, func(c *certs.Config) { c.Directory = dir })
	b := newService(t, func(c *certs.Config) { c.Directory, c.Changed = dir, ch.changed })
	out, c := issue(t, a)
	id, err := connect(t, b, c)
	require.NoError(t, err)
	require.NoError(t, a.UpdateCertificate(t.Context(), out.ID, certs.Inactive))
	_, err = connect(t, b, c)
	refused(t, err, "is INACTIVE")
	refused(t, id.Check(), "is INACTIVE")
	require.Equal(t, []change{{out.ID, certs.Inactive}}, ch.take(), "found out")

	require.NoError(t, a.UpdateCertificate(t.Context(), out.ID, certs.Active))
	id, err = connect(t, b, c)
	require.NoError(t, err)
	require.NoError(t, a.UpdateCertificate(t.Context(), out.ID, certs.Inactive))
	require.NoError(t, b.Refresh(t.Context(), out.ID))
	require.Equal(t, []change{{out.ID, certs.Inactive}}, ch.take())
	refused(t, id.Check())
	require.NoError(t, a.UpdateCertificate(t.Context(), out.ID, certs.Active))
	_, err = connect(t, b, c)
	require.NoError(t, err)
	require.NoError(t, a.UpdateCertificate(t.Context(), out.ID, certs.Inactive))
	require.NoError(t, a.DeleteCertificate(t.Context(), out.ID, false))
	require.NoError(t, b.Refresh(t.Context(), out.ID))
	require.Equal(t, []change{{out.ID, certs.Deleted}}, ch.take())
	refused(t, id.Check(), "is deleted")
	_, err = connect(t, b, c)
	refused(t, err, "not registered")
}

// Nobody can tell is another answer than no.
func TestDirectoryIsDown(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	dir := &slow{Memory: auth.NewMemory()}
	s := newService(t, func(c *certs.Config) { c.Directory = dir })
	out, c := issue(t, s)
	dir.set(func(auth.Record, error) (auth.Record, error) { return auth.Record{}, down })
	_, err := connect(t, s, c)
	require.ErrorIs(t, err, down)
	for _, refusal := range []error{auth.ErrNotAuthorized, auth.ErrBadCredentials, auth.ErrBanned} {
		require.NotErrorIs(t, err, refusal)
	}
	require.ErrorIs(t, s.Refresh(t.Context(), out.ID), down)
	require.ErrorIs(t, s.UpdateCertificate(t.Context(), out.ID, certs.Inactive), down)
	require.ErrorIs(t, s.DeleteCertificate(t.Context(), out.ID, true), down)
	_, err = s.DescribeCertificate(t.Context(), out.ID)
	require.ErrorIs(t, err, down)
	_, _, err = s.ListCertificates(t.Context(), certs.Page{})
	require.ErrorIs(t, err, down)
	dir.set(func(r auth.Record, err error) (auth.Record, error) {
		r.Value = []byte("{")
		r.Revision += 1000
		return r, err
	})
	_, err = connect(t, s, c)
	require.ErrorContains(t, err, "cannot be read")
	require.NotErrorIs(t, err, auth.ErrNotAuthorized)
}

// Readers and writers at once: nobody is let in by what was true before.
func TestConcurrentStatus(t *testing.T) {
	t.Parallel()
	s := newService(t)
	out, c := issue(t, s)
	const rounds = 200
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if id, err := connect(t, s, c); err == nil {
					_ = id.Check()
				} else if !errors.Is(err, auth.ErrNotAuthorized) {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	for range rounds {
		require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Inactive))
		_, err := connect(t, s, c)
		refused(t, err)
		require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Active))
		id, err := connect(t, s, c)
		require.NoError(t, err)
		require.NoError(t, id.Check())
	}
	close(stop)
	wg.Wait()
	d, err := s.DescribeCertificate(t.Context(), out.ID)
	require.NoError(t, err)
	require.Equal(t, 1+2*rounds, d.Version, "no update is lost")
}

// Updates of many at once: each takes effect as a whole.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	s := newService(t)
	out, _ := issue(t, s)
	var wg sync.WaitGroup
	var deleted, refusedOnes int
	var mu sync.Mutex
	for range 8 {
		wg.Go(func() {
			_ = s.UpdateCertificate(t.Context(), out.ID, certs.Inactive)
			err := s.DeleteCertificate(t.Context(), out.ID, false)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				deleted++
			case errors.Is(err, certs.ErrNotFound):
				refusedOnes++
			default:
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, deleted)
	require.Equal(t, 7, refusedOnes)
}

// committing is a directory in which something happens before a commit.
type committing struct {
	*auth.Memory
	kind   string // of a record that is to be among the changes; "": any
	before func()
	after  func()
}

func (d *committing) Commit(ctx context.Context, changes ...auth.Change) error {
	if d.before != nil && (d.kind == "" || slices.ContainsFunc(changes, func(c auth.Change) bool { return auth.Parts(c.Key)[0] == d.kind })) {
		d.before()
	}
	err := d.Memory.Commit(ctx, changes...)
	if d.after != nil {
		d.after()
	}
	return err
}
