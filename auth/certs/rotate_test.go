package certs_test

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
)

func TestRotate(t *testing.T) {
	t.Parallel()
	at, ch := newAttachments(), &changes{}
	s := newService(t, func(c *certs.Config) { c.Attachments, c.Changed = at, ch.changed })
	old, oldCert := issue(t, s)
	attach(at.policies, old.ARN, "pump")
	attach(at.things, old.ARN, "pump-1")
	key := newKey(t)
	fresh, err := s.Rotate(t.Context(), certs.RotateInput{ID: old.ID, CSR: csr(t, key, pkix.Name{CommonName: "pump-1"})})
	require.NoError(t, err)
	require.Equal(t, key.Public(), parse(t, fresh.PEM).PublicKey)
	require.Equal(t, at.policies[old.ARN], at.policies[fresh.ARN])
	require.Equal(t, at.things[old.ARN], at.things[fresh.ARN])

	// Both may come in, until the new one has.
	_, err = connect(t, s, oldCert)
	require.NoError(t, err)
	require.NoError(t, s.Connected(t.Context(), old.ID))
	require.Equal(t, certs.Active, status(t, s, old.ID))
	_, err = connect(t, s, parse(t, fresh.PEM))
	require.NoError(t, err)
	require.Equal(t, certs.Active, status(t, s, old.ID), "who is known may still be refused by a policy")
	ch.take()
	require.NoError(t, s.Connected(t.Context(), fresh.ID))
	require.Equal(t, []change{{old.ID, certs.Inactive}}, ch.take())
	require.Equal(t, certs.Inactive, status(t, s, old.ID))
	require.Equal(t, certs.Active, status(t, s, fresh.ID))
	_, err = connect(t, s, oldCert)
	refused(t, err, "is INACTIVE")

	// That is over: what is activated again stays so.
	require.NoError(t, s.UpdateCertificate(t.Context(), old.ID, certs.Active))
	_, err = connect(t, s, parse(t, fresh.PEM))
	require.NoError(t, err)
	require.NoError(t, s.Connected(t.Context(), fresh.ID))
	require.Equal(t, certs.Active, status(t, s, old.ID))
	require.NoError(t, s.Connected(t.Context(), "alice"), "other principals are none of its business")
}

// It survives a restart.
func TestRotateRestart(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	with := func(c *certs.Config) { c.Directory = dir }
	s := newService(t, with)
	old, _ := issue(t, s)
	fresh, err := s.Rotate(t.Context(), certs.RotateInput{ID: old.ID})
	require.NoError(t, err)
	require.NotEmpty(t, fresh.Keys.PrivateKey)
	s = newService(t, with)
	_, err = connect(t, s, parse(t, fresh.PEM))
	require.NoError(t, err)
	require.NoError(t, s.Connected(t.Context(), fresh.ID))
	require.Equal(t, certs.Inactive, status(t, s, old.ID))
}

func TestRotateDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		rotate := func(within time.Duration) (old, fresh string) {
			a, _ := issue(t, s)
			b, err := s.Rotate(t.Context(), certs.RotateInput{ID: a.ID, Within: within})
			require.NoError(t, err)
			return a.ID, b.ID
		}
		soon, _ := rotate(time.Hour)
		late, _ := rotate(2 * time.Hour)
		never, _ := rotate(0)
		withdrawn, fresh := rotate(time.Hour)
		require.NoError(t, s.UpdateCertificate(t.Context(), fresh, certs.Inactive))
		gone, fresh := rotate(time.Hour)
		require.NoError(t, s.UpdateCertificate(t.Context(), fresh, certs.Revoked))
		require.NoError(t, s.DeleteCertificate(t.Context(), fresh, false))
		revoked, _ := rotate(time.Hour)
		require.NoError(t, s.UpdateCertificate(t.Context(), revoked, certs.Revoked))

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		require.Equal(t, certs.Active, status(t, s, soon))
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Equal(t, certs.Inactive, status(t, s, soon))
		require.Equal(t, certs.Active, status(t, s, late))
		require.Equal(t, certs.Active, status(t, s, withdrawn), "a new certificate that is no good takes nothing away")
		require.Equal(t, certs.Active, status(t, s, gone))
		require.Equal(t, certs.Revoked, status(t, s, revoked))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, certs.Inactive, status(t, s, late))
		time.Sleep(100 * time.Hour)
		synctest.Wait()
		require.Equal(t, certs.Active, status(t, s, never))
		cancel()
		require.NoError(t, <-done)
	})
}

func TestRotateRefuses(t *testing.T) {
	t.Parallel()
	at := newAttachments()
	log := &strings.Builder{}
	s := newService(t, func(c *certs.Config) { c.Attachments, c.Logger = at, slog.New(slog.NewTextHandler(log, nil)) })
	old, _ := issue(t, s)
	for name, c := range map[string]struct {
		in   certs.RotateInput
		kind error
	}{
		"id":       {certs.RotateInput{ID: "x"}, certs.ErrInvalid},
		"unknown":  {certs.RotateInput{ID: strings.Repeat("0", 64)}, certs.ErrNotFound},
		"deadline": {certs.RotateInput{ID: old.ID, Within: -1}, certs.ErrInvalid},
		"CSR":      {certs.RotateInput{ID: old.ID, CSR: "x"}, certs.ErrInvalid},
	} {
		_, err := s.Rotate(t.Context(), c.in)
		is(t, err, c.kind)
		require.NotEmpty(t, name)
	}
	at.err = errors.New("no policies today")
	_, err := s.Rotate(t.Context(), certs.RotateInput{ID: old.ID})
	require.ErrorIs(t, err, at.err)
	list, _, err := s.ListCertificates(t.Context(), certs.Page{})
	require.NoError(t, err)
	require.Equal(t, []string{old.ID}, ids(list), "nothing half done stays")
	at.err = nil
	require.NoError(t, s.UpdateCertificate(t.Context(), old.ID, certs.Inactive))
	_, err = s.Rotate(t.Context(), certs.RotateInput{ID: old.ID})
	is(t, err, certs.ErrState, "expected ACTIVE")
	require.Empty(t, log.String())
}
