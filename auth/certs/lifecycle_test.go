package certs_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
)

var allStatuses = []certs.Status{certs.Active, certs.Inactive, certs.Revoked, certs.PendingActivation, certs.PendingTransfer}

// in makes a certificate with a status.
func in(t *testing.T, s *certs.Service, st certs.Status) string {
	t.Helper()
	out, err := s.IssueKeys(t.Context(), certs.Terms{Status: map[certs.Status]certs.Status{
		certs.Active: certs.Active, certs.PendingActivation: certs.PendingActivation,
	}[st]})
	require.NoError(t, err)
	switch st {
	case certs.Revoked:
		require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Revoked))
	case certs.PendingTransfer:
		_, err := s.TransferCertificate(t.Context(), out.ID, other, "")
		require.NoError(t, err)
	}
	require.Equal(t, st, status(t, s, out.ID))
	return out.ID
}

// The table of the package's documentation, row by row.
func TestTransitions(t *testing.T) {
	t.Parallel()
	may := map[certs.Status][]certs.Status{
		certs.Active:            {certs.Active, certs.Inactive, certs.Revoked},
		certs.Inactive:          {certs.Active, certs.Inactive, certs.Revoked, certs.PendingTransfer, certs.Deleted},
		certs.Revoked:           {certs.Revoked, certs.Deleted},
		certs.PendingActivation: {certs.Active, certs.Inactive, certs.Revoked, certs.Deleted},
		certs.PendingTransfer:   {},
	}
	for _, from := range allStatuses {
		for _, to := range append(allStatuses, certs.RegisterInactive, certs.Deleted) {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				t.Parallel()
				ch := &changes{}
				s := newService(t, func(c *certs.Config) { c.Changed = ch.changed })
				id := in(t, s, from)
				before, err := s.DescribeCertificate(t.Context(), id)
				require.NoError(t, err)
				ch.take()
				switch to {
				case certs.Deleted:
					err = s.DeleteCertificate(t.Context(), id, true)
				case certs.PendingTransfer:
					is(t, s.UpdateCertificate(t.Context(), id, to), certs.ErrState, "cannot be set")
					_, err = s.TransferCertificate(t.Context(), id, other, "")
				default:
					err = s.UpdateCertificate(t.Context(), id, to)
				}
				if !slices.Contains(may[from], to) {
					e := failure(t, err, certs.ErrState)
					require.Equal(t, "CertificateStateException", e.Exception())
					require.Empty(t, ch.take())
					after, err := s.DescribeCertificate(t.Context(), id)
					require.NoError(t, err)
					require.Equal(t, before, after)
					return
				}
				require.NoError(t, err)
				if from == to {
					require.Empty(t, ch.take())
					return
				}
				require.Equal(t, []change{{id, to}}, ch.take())
				after, err := s.DescribeCertificate(t.Context(), id)
				_, comeIn := connect(t, s, parse(t, before.PEM))
				if to == certs.Deleted {
					is(t, err, certs.ErrNotFound, id)
					refused(t, comeIn, "not registered")
					return
				}
				require.NoError(t, err)
				require.Equal(t, to, after.Status)
				require.Equal(t, 2, after.Version)
				require.Equal(t, before.Generation, after.Generation)
				require.Equal(t, before.Created, after.Created)
				require.False(t, after.Modified.Before(before.Modified))
				if to == certs.Active {
					require.NoError(t, comeIn)
				} else {
					refused(t, comeIn, "is "+string(to))
				}
			})
		}
	}
}

func TestUpdateCertificateForms(t *testing.T) {
	t.Parallel()
	s := newService(t)
	out, _ := issue(t, s)
	e := failure(t, s.UpdateCertificate(t.Context(), out.ID, "OPEN"), certs.ErrInvalid, "Value 'OPEN' at 'newStatus'", "enum value set: [ACTIVE, ")
	require.Equal(t, "OPEN", e.Value)
	is(t, s.UpdateCertificate(t.Context(), out.ID, ""), certs.ErrInvalid, "'newStatus'")
	for _, bad := range []string{"", "x", out.ID[:63], out.ID + "0", strings.Repeat("g", 64), "0x" + out.ID[:61] + "/"} {
		is(t, s.UpdateCertificate(t.Context(), bad, certs.Active), certs.ErrInvalid, "'certificateId'")
		_, err := s.DescribeCertificate(t.Context(), bad)
		is(t, err, certs.ErrInvalid)
		is(t, s.DeleteCertificate(t.Context(), bad, false), certs.ErrInvalid)
	}
	require.NoError(t, s.UpdateCertificate(t.Context(), strings.ToUpper(out.ID), certs.Inactive))
	require.Equal(t, certs.Inactive, status(t, s, out.ID))
	unknown := strings.Repeat("0", 64)
	is(t, s.UpdateCertificate(t.Context(), unknown, certs.Active), certs.ErrNotFound, unknown)
	is(t, s.DeleteCertificate(t.Context(), unknown, true), certs.ErrNotFound, unknown)
	_, err := s.DescribeCertificate(t.Context(), "0x"+unknown[2:])
	is(t, err, certs.ErrNotFound)
}

func TestDeleteCertificate(t *testing.T) {
	t.Parallel()
	a := newAttachments()
	s := newService(t, func(c *certs.Config) { c.Attachments = a })
	out, err := s.CreateKeysAndCertificate(t.Context(), false)
	require.NoError(t, err)
	attach(a.policies, out.ARN, "pump")
	attach(a.things, out.ARN, "pump-1")
	for _, force := range []bool{false, true} {
		e := failure(t, s.DeleteCertificate(t.Context(), out.ID, force), certs.ErrDeleteConflict, "Things are attached")
		require.Equal(t, "DeleteConflictException", e.Exception())
	}
	require.Len(t, a.policies[out.ARN], 1, "a refusal changes nothing")
	delete(a.things, out.ARN)
	is(t, s.DeleteCertificate(t.Context(), out.ID, false), certs.ErrDeleteConflict, "Policies are attached")
	a.err = errors.New("down")
	require.ErrorContains(t, s.DeleteCertificate(t.Context(), out.ID, true), "down")
	a.err = nil
	require.NoError(t, s.DeleteCertificate(t.Context(), out.ID, true))
	require.Empty(t, a.policies[out.ARN])
	is(t, s.DeleteCertificate(t.Context(), out.ID, true), certs.ErrNotFound)
}

// Nothing of a certificate stays in the directory when it is gone.
func TestDeleteLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	s := newService(t, func(c *certs.Config) { c.Directory = dir })
	count := func() (n int) {
		for _, err := range dir.Scan(t.Context(), "", "") {
			require.NoError(t, err)
			n++
		}
		return n
	}
	before := count()
	old, _ := issue(t, s)
	rotated, err := s.Rotate(t.Context(), certs.RotateInput{ID: old.ID, Within: time.Hour})
	require.NoError(t, err)
	claim, err := s.IssueKeys(t.Context(), certs.Terms{Unlisted: true})
	require.NoError(t, err)
	a := newCA(t, "plant")
	ca := registerCA(t, s, a)
	leaf, _ := a.device(t)
	r, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf)})
	require.NoError(t, err)
	for _, id := range []string{old.ID, rotated.ID, claim.ID, r.ID} {
		require.NoError(t, s.UpdateCertificate(t.Context(), id, certs.Inactive))
		require.NoError(t, s.DeleteCertificate(t.Context(), id, false))
	}
	require.NoError(t, s.UpdateCACertificate(t.Context(), certs.UpdateCAInput{ID: ca, Status: certs.CAInactive}))
	require.NoError(t, s.DeleteCACertificate(t.Context(), ca))
	require.NoError(t, s.DeleteRegistrationCode(t.Context()))
	require.Equal(t, before, count())
}
