package certs_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
)

// two accounts that share a directory.
func twoAccounts(t *testing.T, change ...func(*certs.Config)) (a, b *certs.Service) {
	t.Helper()
	dir := auth.NewMemory()
	change = append([]func(*certs.Config){func(c *certs.Config) { c.Directory = dir }}, change...)
	return newService(t, change...), newService(t, append(change, func(c *certs.Config) { c.Scope.Account = other })...)
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	a, b := twoAccounts(t)
	first, c := issue(t, a)
	is(t, b.UpdateCertificate(t.Context(), first.ID, certs.Inactive), certs.ErrNotFound)
	_, err := connect(t, b, c)
	refused(t, err, "not registered")
	require.NoError(t, a.UpdateCertificate(t.Context(), first.ID, certs.Inactive))
	arn, err := a.TransferCertificate(t.Context(), first.ID, other, "take it")
	require.NoError(t, err)
	require.Equal(t, first.ARN, arn)

	out, _, err := a.ListOutgoingCertificates(t.Context(), certs.Page{})
	require.NoError(t, err)
	d, err := a.DescribeCertificate(t.Context(), first.ID)
	require.NoError(t, err)
	require.Equal(t, certs.PendingTransfer, d.Status)
	require.Equal(t, &certs.TransferData{Message: "take it", Date: out[0].Date}, d.Transfer)
	require.Equal(t, []certs.Outgoing{{ID: first.ID, ARN: arn, To: other, Message: "take it", Date: d.Transfer.Date, Created: d.Created}}, out)
	offered, _, err := b.ListCertificates(t.Context(), certs.Page{})
	require.NoError(t, err)
	require.Equal(t, []certs.Summary{{ID: first.ID, ARN: arn, Status: certs.PendingTransfer, Mode: certs.Default, Created: d.Created}}, offered)
	seen, err := b.DescribeCertificate(t.Context(), first.ID)
	require.NoError(t, err)
	require.Equal(t, d, seen)
	is(t, a.AcceptCertificateTransfer(t.Context(), first.ID, true), certs.ErrNotFound)
	is(t, a.RejectCertificateTransfer(t.Context(), first.ID, ""), certs.ErrNotFound)
	is(t, b.CancelCertificateTransfer(t.Context(), first.ID), certs.ErrNotFound)
	is(t, b.DeleteCertificate(t.Context(), first.ID, true), certs.ErrNotFound)

	require.NoError(t, b.AcceptCertificateTransfer(t.Context(), first.ID, true))
	mine, err := b.DescribeCertificate(t.Context(), first.ID)
	require.NoError(t, err)
	require.Equal(t, certs.Active, mine.Status)
	require.Equal(t, other, mine.OwnedBy)
	require.Equal(t, account, mine.PreviousOwnedBy)
	require.Equal(t, strings.Replace(arn, account, other, 1), mine.ARN)
	require.Equal(t, d.PEM, mine.PEM)
	require.Equal(t, "take it", mine.Transfer.Message)
	require.False(t, mine.Transfer.Accepted.IsZero())
	_, err = connect(t, b, c)
	require.NoError(t, err)
	_, err = connect(t, a, c)
	refused(t, err, "not registered")
	_, err = a.DescribeCertificate(t.Context(), first.ID)
	is(t, err, certs.ErrNotFound)
	for _, list := range []func() (int, error){
		func() (int, error) {
			l, _, err := a.ListCertificates(t.Context(), certs.Page{})
			return len(l), err
		},
		func() (int, error) {
			l, _, err := a.ListOutgoingCertificates(t.Context(), certs.Page{})
			return len(l), err
		},
		func() (int, error) {
			l, _, err := a.ListCertificatesByCA(t.Context(), d.CA, certs.Page{})
			return len(l), err
		},
	} {
		n, err := list()
		require.NoError(t, err)
		require.Zero(t, n)
	}
	byCA, _, err := b.ListCertificatesByCA(t.Context(), d.CA, certs.Page{})
	require.NoError(t, err)
	require.Equal(t, []string{first.ID}, ids(byCA))

	for _, err := range []error{
		a.CancelCertificateTransfer(t.Context(), first.ID),
		b.AcceptCertificateTransfer(t.Context(), first.ID, true),
		b.RejectCertificateTransfer(t.Context(), first.ID, ""),
		b.CancelCertificateTransfer(t.Context(), first.ID),
	} {
		e := failure(t, err, certs.ErrTransferCompleted)
		require.Equal(t, "TransferAlreadyCompletedException", e.Exception())
	}

	// And back again.
	require.NoError(t, b.UpdateCertificate(t.Context(), first.ID, certs.Inactive))
	_, err = b.TransferCertificate(t.Context(), first.ID, account, "")
	require.NoError(t, err)
	require.NoError(t, a.AcceptCertificateTransfer(t.Context(), first.ID, false))
	require.Equal(t, certs.Inactive, status(t, a, first.ID))
}

func TestTransferEndsOtherwise(t *testing.T) {
	t.Parallel()
	a, b := twoAccounts(t)
	id := in(t, a, certs.PendingTransfer)
	require.NoError(t, b.RejectCertificateTransfer(t.Context(), id, "no, thanks"))
	d, err := a.DescribeCertificate(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, certs.Inactive, d.Status)
	require.Equal(t, "no, thanks", d.Transfer.RejectReason)
	require.False(t, d.Transfer.Rejected.IsZero())
	require.Equal(t, account, d.OwnedBy)
	none, _, err := b.ListCertificates(t.Context(), certs.Page{})
	require.NoError(t, err)
	require.Empty(t, none)
	is(t, b.AcceptCertificateTransfer(t.Context(), id, false), certs.ErrNotFound)
	is(t, b.RejectCertificateTransfer(t.Context(), id, ""), certs.ErrNotFound)
	is(t, a.CancelCertificateTransfer(t.Context(), id), certs.ErrTransferCompleted)

	_, err = a.TransferCertificate(t.Context(), id, other, "")
	require.NoError(t, err)
	require.NoError(t, a.CancelCertificateTransfer(t.Context(), id))
	require.Equal(t, certs.Inactive, status(t, a, id))
	is(t, b.AcceptCertificateTransfer(t.Context(), id, false), certs.ErrNotFound)
	require.NoError(t, a.DeleteCertificate(t.Context(), id, false))
	is(t, a.CancelCertificateTransfer(t.Context(), id), certs.ErrNotFound)
}

func TestTransferRefused(t *testing.T) {
	t.Parallel()
	at := newAttachments()
	a, b := twoAccounts(t, func(c *certs.Config) { c.Attachments = at })
	id := in(t, a, certs.Inactive)
	for _, bad := range []string{"", "12345678901", "1234567890123", "12345678901x"} {
		_, err := a.TransferCertificate(t.Context(), id, bad, "")
		is(t, err, certs.ErrInvalid, "'targetAwsAccount'")
	}
	_, err := a.TransferCertificate(t.Context(), id, account, "")
	is(t, err, certs.ErrInvalid, "another account")
	_, err = a.TransferCertificate(t.Context(), id, other, strings.Repeat("m", 129))
	is(t, err, certs.ErrInvalid, "'transferMessage'")
	is(t, b.RejectCertificateTransfer(t.Context(), id, strings.Repeat("m", 129)), certs.ErrInvalid, "'rejectReason'")
	_, err = a.TransferCertificate(t.Context(), strings.Repeat("0", 64), other, "")
	is(t, err, certs.ErrNotFound)
	for _, m := range []map[string]map[string]bool{at.policies, at.things} {
		attach(m, a.ARN(id), "x")
		_, err = a.TransferCertificate(t.Context(), id, other, "")
		e := failure(t, err, certs.ErrTransferConflict)
		require.Equal(t, "TransferConflictException", e.Exception())
		delete(m, a.ARN(id))
	}
	d, err := a.DescribeCertificate(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, certs.Inactive, d.Status)

	// The other account may have the same certificate, before or meanwhile.
	_, err = a.TransferCertificate(t.Context(), id, other, "")
	require.NoError(t, err)
	_, err = b.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: d.PEM})
	require.NoError(t, err)
	is(t, b.AcceptCertificateTransfer(t.Context(), id, true), certs.ErrExists)
	require.NoError(t, a.CancelCertificateTransfer(t.Context(), id))
	_, err = a.TransferCertificate(t.Context(), id, other, "")
	is(t, err, certs.ErrTransferConflict, "has certificate")
	own, _, err := b.ListCertificates(t.Context(), certs.Page{})
	require.NoError(t, err)
	require.Equal(t, []string{id}, ids(own))
	for _, f := range []error{
		a.AcceptCertificateTransfer(t.Context(), "x", true), a.RejectCertificateTransfer(t.Context(), "x", ""), a.CancelCertificateTransfer(t.Context(), "x"),
	} {
		is(t, f, certs.ErrInvalid, "'certificateId'")
	}
}

// An offer is taken back, and made to somebody else, while the first one accepts.
func TestOfferChangesHands(t *testing.T) {
	t.Parallel()
	dir := &slow{Memory: auth.NewMemory(), kind: "cert-incoming"}
	a, b := twoAccounts(t, func(c *certs.Config) { c.Directory = dir })
	for name, end := range map[string]func(id string) error{
		"accept": func(id string) error { return b.AcceptCertificateTransfer(t.Context(), id, true) },
		"reject": func(id string) error { return b.RejectCertificateTransfer(t.Context(), id, "") },
	} {
		id := in(t, a, certs.PendingTransfer)
		dir.set(func(r auth.Record, err error) (auth.Record, error) {
			dir.set(nil)
			require.NoError(t, a.CancelCertificateTransfer(t.Context(), id))
			_, transferErr := a.TransferCertificate(t.Context(), id, "333333333333", "")
			require.NoError(t, transferErr)
			return r, err
		})
		require.Error(t, end(id), name)
		list, _, err := a.ListOutgoingCertificates(t.Context(), certs.Page{Size: 1})
		require.NoError(t, err)
		require.Equal(t, id, list[0].ID)
		require.Equal(t, "333333333333", list[0].To)
	}
}
