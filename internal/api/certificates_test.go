package api_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/internal/api"
)

const certARN = "arn:aws:iot:local:000000000000:cert/"

// description is a certificate as DescribeCertificate shows it.
func description(t *testing.T, h http.Handler, id string) map[string]any {
	t.Helper()
	a := ask(t, h, "GET", "/certificates/"+id, "")
	require.Equal(t, 200, a.status, a.text)
	return a.body["certificateDescription"].(map[string]any)
}

func TestCertificates_Made(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := s.ControlPlane()
	a := ask(t, h, "POST", "/keys-and-certificate?setAsActive=true", "")
	require.Equal(t, 200, a.status, a.text)
	id, text := a.body["certificateId"].(string), a.body["certificatePem"].(string)
	c := parsePEM(t, text)
	require.Equal(t, certs.Fingerprint(c), id)
	require.Equal(t, certARN+id, a.body["certificateArn"])
	keys := a.body["keyPair"].(map[string]any)
	block, _ := pem.Decode([]byte(keys["PrivateKey"].(string)))
	key, err := x509.ParseECPrivateKey(block.Bytes)
	require.NoError(t, err)
	require.True(t, key.PublicKey.Equal(c.PublicKey), "the key is that of the certificate")
	require.Contains(t, keys["PublicKey"], "BEGIN PUBLIC KEY")

	d := description(t, h, id)
	require.Equal(t, text, d["certificatePem"])
	require.Equal(t, "ACTIVE", d["status"])
	require.Equal(t, "DEFAULT", d["certificateMode"])
	require.Equal(t, "000000000000", d["ownedBy"])
	require.Equal(t, map[string]any{}, d["transferData"])
	require.EqualValues(t, 1, d["customerVersion"])
	require.Equal(t, map[string]any{"notBefore": float64(c.NotBefore.Unix()), "notAfter": float64(c.NotAfter.Unix())}, d["validity"])
	require.Len(t, d["caCertificateId"], 64)
	for _, member := range []string{"creationDate", "lastModifiedDate", "generationId"} {
		require.NotEmpty(t, d[member], member)
	}
	require.NotContains(t, d, "keyPair")
	require.Equal(t, d, description(t, h, strings.ToUpper(id)))

	csr := newCSR(t, "pump-1")
	a = ask(t, h, "POST", "/certificates", body(t, map[string]any{"certificateSigningRequest": csr}))
	require.Equal(t, 200, a.status, a.text)
	require.Equal(t, "pump-1", parsePEM(t, a.body["certificatePem"]).Subject.CommonName)
	require.NotContains(t, a.body, "keyPair")
	second := a.body["certificateId"].(string)
	require.Equal(t, "INACTIVE", description(t, h, second)["status"])

	// Lists go both ways, page by page, and by the CA, which is the hub's.
	for _, list := range []string{"/certificates", "/certificates-by-ca/" + d["caCertificateId"].(string)} {
		for query, want := range map[string][]string{"": {second, id}, "&isAscendingOrder=true": {id, second}} {
			var got []string
			for marker := ""; ; {
				a := ask(t, h, "GET", list+"?pageSize=1&marker="+strings.ReplaceAll(marker, "+", "%2B")+query, "")
				require.Equal(t, 200, a.status, a.text)
				for _, x := range a.body["certificates"].([]any) {
					item := x.(map[string]any)
					require.Equal(t, certARN+item["certificateId"].(string), item["certificateArn"])
					got = append(got, item["certificateId"].(string))
				}
				next, ok := a.body["nextMarker"]
				if !ok {
					break
				}
				marker = next.(string)
			}
			require.Equal(t, want, got, list+query)
		}
	}
	require.Equal(t, []any{}, ask(t, h, "GET", "/certificates-by-ca/"+id, "").body["certificates"])
	require.Equal(t, []any{}, ask(t, newStage(t).ControlPlane(), "GET", "/certificates", "").body["certificates"])
}

func TestCertificates_LifeCycle(t *testing.T) {
	t.Parallel()
	h := newStage(t).ControlPlane()
	id := ask(t, h, "POST", "/keys-and-certificate?setAsActive=true", "").body["certificateId"].(string)
	is := func(a answer, status int, kind string) {
		t.Helper()
		require.Equal(t, status, a.status, a.text)
		require.Equal(t, kind, a.body["__type"])
	}
	is(ask(t, h, "DELETE", "/certificates/"+id, ""), 406, "CertificateStateException")
	for _, status := range []string{"", "active", "GONE"} {
		is(ask(t, h, "PUT", "/certificates/"+id+"?newStatus="+status, ""), 400, "InvalidRequestException")
	}
	for _, status := range []string{"PENDING_TRANSFER", "PENDING_ACTIVATION", "REGISTER_INACTIVE"} {
		is(ask(t, h, "PUT", "/certificates/"+id+"?newStatus="+status, ""), 406, "CertificateStateException")
	}
	require.Equal(t, 200, ask(t, h, "PUT", "/certificates/"+id+"?newStatus=INACTIVE", "").status)
	require.Equal(t, "INACTIVE", description(t, h, id)["status"])
	require.EqualValues(t, 2, description(t, h, id)["customerVersion"])

	require.Equal(t, 200, ask(t, h, "POST", "/policies/p", documentJSON(t, anyConnect)).status)
	require.Equal(t, 200, ask(t, h, "PUT", "/target-policies/p", `{"target":"`+certARN+id+`"}`).status)
	is(ask(t, h, "DELETE", "/certificates/"+id, ""), 409, "DeleteConflictException")
	require.Equal(t, 200, ask(t, h, "POST", "/things/a", "").status)
	require.Equal(t, 200, ask(t, h, "PUT", "/things/a/principals", "", "X-Amzn-Principal", certARN+id).status)
	is(ask(t, h, "DELETE", "/certificates/"+id+"?forceDelete=true", ""), 409, "DeleteConflictException")
	require.Equal(t, 200, ask(t, h, "DELETE", "/things/a/principals", "", "X-Amzn-Principal", certARN+id).status)
	is(ask(t, h, "DELETE", "/certificates/"+id, ""), 409, "DeleteConflictException")
	is(ask(t, h, "DELETE", "/certificates/"+id+"?forceDelete=yes", ""), 400, "InvalidRequestException")
	require.Equal(t, 200, ask(t, h, "DELETE", "/certificates/"+id+"?forceDelete=true", "").status)
	require.Equal(t, []any{}, ask(t, h, "POST", "/policy-targets/p", "").body["targets"])
	is(ask(t, h, "DELETE", "/certificates/"+id, ""), 404, "ResourceNotFoundException")
	is(ask(t, h, "GET", "/certificates/"+id, ""), 404, "ResourceNotFoundException")
	is(ask(t, h, "PUT", "/certificates/"+id+"?newStatus=ACTIVE", ""), 404, "ResourceNotFoundException")

	revoked := ask(t, h, "POST", "/keys-and-certificate", "").body["certificateId"].(string)
	require.Equal(t, 200, ask(t, h, "PUT", "/certificates/"+revoked+"?newStatus=REVOKED", "").status)
	is(ask(t, h, "PUT", "/certificates/"+revoked+"?newStatus=ACTIVE", ""), 406, "CertificateStateException")
	require.Equal(t, 200, ask(t, h, "DELETE", "/certificates/"+revoked, "").status)
}

func TestCertificates_Registered(t *testing.T) {
	t.Parallel()
	h := newStage(t).ControlPlane()
	c := newCA(t, "anybody").device(t, "pump")
	text := "# a comment\r\n" + pemOf(c) + "\n"
	register := func(path, status string) answer {
		members := map[string]any{"certificatePem": text}
		if status != "" {
			members["status"] = status
		}
		return ask(t, h, "POST", path, body(t, members))
	}
	a := register("/certificate/register", "ACTIVE")
	require.Equal(t, "CertificateValidationException", a.body["__type"], "the CA is not registered")
	a = register("/certificate/register-no-ca", "PENDING_ACTIVATION")
	require.Equal(t, 406, a.status)
	require.Equal(t, "Not allowed to register certificate with PENDING_ACTIVATION status", a.body["message"])
	require.Equal(t, 400, register("/certificate/register-no-ca", "X").status)
	a = register("/certificate/register-no-ca", "ACTIVE")
	require.Equal(t, 200, a.status, a.text)
	id := certs.Fingerprint(c)
	require.Equal(t, map[string]any{"certificateId": id, "certificateArn": certARN + id}, a.body)
	d := description(t, h, id)
	require.Equal(t, text, d["certificatePem"], "as it was sent")
	require.Equal(t, "SNI_ONLY", d["certificateMode"])
	require.NotContains(t, d, "caCertificateId")
	a = register("/certificate/register-no-ca", "")
	require.Equal(t, 409, a.status)
	require.Equal(t, id, a.body["resourceId"])
	require.Equal(t, certARN+id, a.body["resourceArn"])
}

// What is no certificate, or not quite one, is refused with the field's name, and
// nothing is stored.
func TestCertificates_Hostile(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := s.ControlPlane()
	before := s.state(t)
	good := pemOf(newCA(t, "x").device(t, "pump"))
	key := "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"
	for _, c := range []struct {
		method, target, body string
		kind, text           string
	}{
		{"POST", "/certificates", ``, "InvalidRequest", "certificateSigningRequest"},
		{"POST", "/certificates", `{"certificateSigningRequest":1}`, "InvalidRequest", "expected a string"},
		{"POST", "/certificates", body(t, map[string]any{"certificateSigningRequest": good}), "InvalidRequest", `type "CERTIFICATE"`},
		{"POST", "/certificates", body(t, map[string]any{"certificateSigningRequest": strings.Repeat("x", 4097)}), "InvalidRequest", "between 1 and 4096"},
		{"POST", "/certificates?setAsActive=1", body(t, map[string]any{"certificateSigningRequest": newCSR(t, "a")}), "InvalidRequest", "setAsActive"},
		{"POST", "/keys-and-certificate?setAsActive=on", "", "InvalidRequest", "setAsActive"},
		{"POST", "/certificate/register-no-ca", `{"certificatePem":""}`, "InvalidRequest", "certificatePem"},
		{"POST", "/certificate/register-no-ca", body(t, map[string]any{"certificatePem": key + good}), "CertificateValidation", "EC PRIVATE KEY"},
		{"POST", "/certificate/register-no-ca", body(t, map[string]any{"certificatePem": good + key}), "CertificateValidation", "EC PRIVATE KEY"},
		{"POST", "/certificate/register-no-ca", body(t, map[string]any{"certificatePem": strings.Replace(good, "M", "N", 1)}), "CertificateValidation", "certificatePem"},
		{"POST", "/certificate/register-no-ca", body(t, map[string]any{"certificatePem": good, "CertificatePem": good}), "InvalidRequest", "CertificatePem"},
		{"POST", "/certificate/register?setAsActive=", body(t, map[string]any{"certificatePem": good, "caCertificatePem": good}), "CertificateValidation", "caCertificatePem"},
		{"POST", "/cacertificate", body(t, map[string]any{"caCertificate": good, "certificateMode": "SNI_ONLY"}), "CertificateValidation", "caCertificate"},
		{"POST", "/cacertificate", body(t, map[string]any{"caCertificate": good, "certificateMode": "X"}), "InvalidRequest", "certificateMode"},
		{"POST", "/cacertificate", `{"caCertificate":"x","registrationConfig":{"templateName":"a b"}}`, "InvalidRequest", "templateName"},
		{"POST", "/cacertificate", `{"caCertificate":"x","registrationConfig":[]}`, "InvalidRequest", "registrationConfig"},
		{"POST", "/cacertificate", `{"caCertificate":"x","tags":[{"Key":"aws:x"}]}`, "InvalidRequest", "reserved"},
		{"POST", "/cacertificate", `{"caCertificate":"x","tags":[{"Key":"a"},{"Key":"a"}]}`, "InvalidRequest", "each key once"},
		{"GET", "/certificates/..", "", "UnknownOperation", ""},
		{"GET", "/certificates/0x" + strings.Repeat("0", 63), "", "InvalidRequest", "certificateId"},
		{"GET", "/certificates/" + strings.Repeat("0", 63) + "%2F", "", "InvalidRequest", "certificateId"},
		{"PUT", "/certificates/" + strings.Repeat("%00", 64) + "?newStatus=ACTIVE", "", "InvalidRequest", "certificateId"},
		{"GET", "/certificates?pageSize=251", "", "InvalidRequest", "pageSize"},
		{"GET", "/certificates?marker=AAAA", "", "InvalidRequest", "marker"},
		{"GET", "/certificates?isAscendingOrder=2", "", "InvalidRequest", "isAscendingOrder"},
		{"GET", "/cacertificates?templateName=a%20b", "", "InvalidRequest", "templateName"},
		{"GET", "/certificates-by-ca/x", "", "InvalidRequest", "caCertificateId"},
		{"GET", "/certificates-out-going?pageSize=0", "", "InvalidRequest", "pageSize"},
		{"DELETE", "/registrationcode", "", "ResourceNotFound", ""},
		{"DELETE", "/cacertificate/" + strings.Repeat("a", 64), "", "ResourceNotFound", ""},
	} {
		a := ask(t, h, c.method, c.target, c.body)
		require.Equal(t, c.kind+"Exception", a.body["__type"], "%s %s: %s", c.method, c.target, a.text)
		require.Contains(t, a.body["message"], c.text)
		require.NotContains(t, a.text, "BEGIN", "texts are not sent back")
	}
	require.Equal(t, before, s.state(t))
}

// The authorizer is asked about the certificate, however its id is spelled.
func TestCertificates_Allowed(t *testing.T) {
	t.Parallel()
	var asked []string
	s := newStage(t, func(c *api.Config) { c.Authorizer = only{action: "iot:X", asked: &asked} })
	id := strings.Repeat("ab", 32)
	for _, r := range [][2]string{
		{"GET", "/certificates/" + id},
		{"DELETE", "/certificates/" + strings.ToUpper(id)},
		{"PUT", "/certificates/" + id[:63] + "B?newStatus=ACTIVE"},
		{"PATCH", "/transfer-certificate/" + id},
		{"POST", "/keys-and-certificate"},
		{"POST", "/certificate/register"},
		{"GET", "/certificates"},
		{"GET", "/cacertificate/" + strings.ToUpper(id)},
		{"POST", "/cacertificate"},
		{"GET", "/certificates-by-ca/" + id},
		{"GET", "/registrationcode"},
		{"POST", "/role-aliases/A"},
		{"GET", "/role-aliases"},
	} {
		require.Equal(t, 403, ask(t, s.Handler(), r[0], r[1], "").status)
	}
	require.Equal(t, []string{
		"iot:DescribeCertificate cert/" + id, "iot:DeleteCertificate cert/" + id, "iot:UpdateCertificate cert/" + id,
		"iot:TransferCertificate cert/" + id, "iot:CreateKeysAndCertificate *", "iot:RegisterCertificate *", "iot:ListCertificates *",
		"iot:DescribeCACertificate cacert/" + id, "iot:RegisterCACertificate *", "iot:ListCertificatesByCA *", "iot:GetRegistrationCode *",
		"iot:CreateRoleAlias rolealias/A", "iot:ListRoleAliases *",
	}, asked)
}

// Rooms that a hub does not have are not served.
func TestCertificates_NotServed(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *api.Config) {
		c.Certificates, c.Roles, c.Authorizers, c.Provisioning = nil, nil, nil, nil
	})
	for _, target := range []string{"/certificates", "/cacertificates", "/registrationcode", "/certificates-out-going", "/role-aliases", "/role-aliases/a/credentials", "/authorizers/", "/authorizers", "/default-authorizer", "/provisioning-templates"} {
		require.Equal(t, "UnknownOperationException", ask(t, s.Handler(), "GET", target, "").body["__type"], target)
	}
}

// busy is a directory whose records others change all the time.
type busy struct{ auth.Directory }

func (busy) Commit(_ context.Context, _ ...auth.Change) error { return auth.ErrConflict }

func TestCertificates_Busy(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := ask(t, s.ControlPlane(), "POST", "/keys-and-certificate", "").body["certificateId"].(string)
	contended, err := certs.New(certs.Config{Directory: busy{s.directory}})
	require.NoError(t, err)
	h := newStage(t, func(c *api.Config) { c.Certificates = contended }).ControlPlane()
	a := ask(t, h, "PUT", "/certificates/"+id+"?newStatus=ACTIVE", "")
	require.Equal(t, 503, a.status, a.text)
	require.Equal(t, "ServiceUnavailableException", a.body["__type"])
}
