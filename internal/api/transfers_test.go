package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/internal/api"
)

func TestTransfers(t *testing.T) {
	t.Parallel()
	const account = "123456789012"
	s := newStage(t)
	theirs, err := certs.New(certs.Config{Directory: s.directory, Keys: certs.P256, Scope: certs.Scope{Account: account}})
	require.NoError(t, err)
	ours, other := s.ControlPlane(), newStage(t, func(c *api.Config) { c.Certificates = theirs }).ControlPlane()
	id := ask(t, ours, "POST", "/keys-and-certificate?setAsActive=true", "").body["certificateId"].(string)
	offer := "/transfer-certificate/" + id + "?targetAwsAccount=" + account
	const message = `{"transferMessage":"for you"}`
	is := func(a answer, status int, kind string) {
		t.Helper()
		require.Equal(t, status, a.status, a.text)
		require.Equal(t, kind, a.body["__type"])
	}
	is(ask(t, ours, "PATCH", offer, message), 406, "CertificateStateException")
	require.Equal(t, 200, ask(t, ours, "PUT", "/certificates/"+id+"?newStatus=INACTIVE", "").status)
	is(ask(t, ours, "PATCH", "/transfer-certificate/"+id, message), 400, "InvalidRequestException")
	is(ask(t, ours, "PATCH", "/transfer-certificate/"+id+"?targetAwsAccount=000000000000", message), 400, "InvalidRequestException")
	is(ask(t, ours, "PATCH", offer, `{"transferMessage":"`+strings.Repeat("x", 129)+`"}`), 400, "InvalidRequestException")
	require.Equal(t, 200, ask(t, ours, "POST", "/policies/p", documentJSON(t, anyConnect)).status)
	require.Equal(t, 200, ask(t, ours, "PUT", "/target-policies/p", `{"target":"`+certARN+id+`"}`).status)
	is(ask(t, ours, "PATCH", offer, message), 409, "TransferConflictException")
	require.Equal(t, 200, ask(t, ours, "POST", "/target-policies/p", `{"target":"`+certARN+id+`"}`).status)

	a := ask(t, ours, "PATCH", offer, message)
	require.Equal(t, map[string]any{"transferredCertificateArn": certARN + id}, a.body)
	d := description(t, ours, id)
	require.Equal(t, "PENDING_TRANSFER", d["status"])
	require.Equal(t, "for you", d["transferData"].(map[string]any)["transferMessage"])
	a = ask(t, ours, "GET", "/certificates-out-going", "")
	holds(t, `{"outgoingCertificates":[{"certificateId":"`+id+`","certificateArn":"`+certARN+id+`","transferredTo":"`+account+`","transferMessage":"for you"}],"nextMarker":"absent"}`, a.body, a.text)
	require.Equal(t, 200, ask(t, ours, "PATCH", "/cancel-certificate-transfer/"+id, "").status)
	is(ask(t, ours, "PATCH", "/cancel-certificate-transfer/"+id, ""), 410, "TransferAlreadyCompletedException")
	require.Equal(t, []any{}, ask(t, ours, "GET", "/certificates-out-going", "").body["outgoingCertificates"])
	is(ask(t, other, "PATCH", "/accept-certificate-transfer/"+id, ""), 404, "ResourceNotFoundException")

	require.Equal(t, 200, ask(t, ours, "PATCH", offer, "").status)
	is(ask(t, other, "PATCH", "/reject-certificate-transfer/"+id, `{"rejectReason":"`+strings.Repeat("x", 129)+`"}`), 400, "InvalidRequestException")
	require.Equal(t, 200, ask(t, other, "PATCH", "/reject-certificate-transfer/"+id, `{"rejectReason":"not mine"}`).status)
	d = description(t, ours, id)["transferData"].(map[string]any)
	require.Equal(t, "not mine", d["rejectReason"])
	require.NotZero(t, d["rejectDate"])
	require.NotContains(t, d, "acceptDate")

	require.Equal(t, 200, ask(t, ours, "PATCH", offer, message).status)
	is(ask(t, other, "PATCH", "/accept-certificate-transfer/"+id+"?setAsActive=x", ""), 400, "InvalidRequestException")
	require.Equal(t, 200, ask(t, other, "PATCH", "/accept-certificate-transfer/"+id+"?setAsActive=true", "").status)
	is(ask(t, ours, "GET", "/certificates/"+id, ""), 404, "ResourceNotFoundException")
	d = description(t, other, id)
	holds(t, `{"status":"ACTIVE","ownedBy":"`+account+`","previousOwnedBy":"000000000000"}`, d, "accepted")
	require.NotZero(t, d["transferData"].(map[string]any)["acceptDate"])
	is(ask(t, ours, "PATCH", "/cancel-certificate-transfer/"+id, ""), 410, "TransferAlreadyCompletedException")
	is(ask(t, other, "PATCH", "/accept-certificate-transfer/"+id, ""), 410, "TransferAlreadyCompletedException")
}
