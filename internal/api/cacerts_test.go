package api_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/registry"
)

const caARN = "arn:aws:iot:local:000000000000:cacert/"

// registration is the body that registers a CA with proof of its key.
func registration(t *testing.T, h http.Handler, a testCA, more map[string]any) string {
	t.Helper()
	code := ask(t, h, "GET", "/registrationcode", "").body["registrationCode"].(string)
	members := map[string]any{"caCertificate": pemOf(a.certificate), "verificationCertificate": pemOf(a.device(t, code))}
	for k, v := range more {
		members[k] = v
	}
	return body(t, members)
}

func TestCACertificates(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := s.ControlPlane()
	ca := newCA(t, "our CA")
	id := certs.Fingerprint(ca.certificate)
	wrong := body(t, map[string]any{"caCertificate": pemOf(ca.certificate), "verificationCertificate": pemOf(ca.device(t, "no code"))})
	require.Equal(t, "RegistrationCodeValidationException", ask(t, h, "POST", "/cacertificate", wrong).body["__type"])
	// A template that cannot do is refused, before devices find that out.
	for _, c := range []struct {
		config map[string]any
		status int
		kind   string
	}{
		{map[string]any{"templateName": "pumps"}, 404, "ResourceNotFoundException"},
		{map[string]any{"templateBody": "{"}, 400, "InvalidRequestException"},
		{map[string]any{"templateBody": fleetTemplate}, 400, "InvalidRequestException"}, // whose parameters no certificate has
		{map[string]any{"templateBody": fleetTemplateJITP, "templateName": "pumps"}, 400, "InvalidRequestException"},
	} {
		a := ask(t, h, "POST", "/cacertificate", registration(t, h, ca, map[string]any{"registrationConfig": c.config}))
		require.Equal(t, c.status, a.status, a.text)
		require.Equal(t, c.kind, a.body["__type"])
	}
	require.Equal(t, []any{}, ask(t, h, "GET", "/cacertificates", "").body["certificates"])
	require.Equal(t, 200, ask(t, h, "POST", "/provisioning-templates", body(t, map[string]any{"templateName": "pumps", "templateBody": fleetTemplateJITP, "type": "JITP", "enabled": true})).status)
	a := ask(t, h, "POST", "/cacertificate?setAsActive=true&allowAutoRegistration=true", registration(t, h, ca, map[string]any{
		"registrationConfig": map[string]any{"templateName": "pumps", "roleArn": "arn:aws:iam::000000000000:role/r"},
		"tags":               []map[string]any{{"Key": "site", "Value": "north"}},
	}))
	require.Equal(t, 200, a.status, a.text)
	require.Equal(t, map[string]any{"certificateId": id, "certificateArn": caARN + id}, a.body)
	a = ask(t, h, "POST", "/cacertificate", registration(t, h, ca, nil))
	require.Equal(t, 409, a.status)
	require.Equal(t, id, a.body["resourceId"])
	require.Equal(t, caARN+id, a.body["resourceArn"])
	require.Len(t, ask(t, h, "GET", "/tags?resourceArn="+caARN+id, "").body["tags"], 1, "the tags of the one that is there stay")

	a = ask(t, h, "GET", "/cacertificate/"+id, "")
	holds(t, `{"certificateDescription":{"status":"ACTIVE","autoRegistrationStatus":"ENABLE","certificateMode":"DEFAULT","customerVersion":1,"ownedBy":"000000000000"},
		"registrationConfig":{"templateName":"pumps","roleArn":"arn:aws:iam::000000000000:role/r","templateBody":"absent"}}`, a.body, a.text)
	d := a.body["certificateDescription"].(map[string]any)
	require.Equal(t, pemOf(ca.certificate), d["certificatePem"])
	require.NotZero(t, d["validity"].(map[string]any)["notAfter"])
	a = ask(t, h, "GET", "/cacertificates?templateName=pumps", "")
	holds(t, `{"certificates":[{"certificateId":"`+id+`","certificateArn":"`+caARN+id+`","status":"ACTIVE"}]}`, a.body, a.text)
	require.Equal(t, []any{}, ask(t, h, "GET", "/cacertificates?templateName=others", "").body["certificates"])

	device := ca.device(t, "pump")
	a = ask(t, h, "POST", "/certificate/register?setAsActive=true", body(t, map[string]any{"certificatePem": pemOf(device)}))
	require.Equal(t, 200, a.status, a.text)
	holds(t, `{"status":"ACTIVE","certificateMode":"DEFAULT","caCertificateId":"`+id+`"}`, description(t, h, certs.Fingerprint(device)), "registered")
	require.Len(t, ask(t, h, "GET", "/certificates-by-ca/"+id, "").body["certificates"], 1)

	// Another CA with the same subject and key: the certificate may be of either.
	twin := testCA{key: ca.key}
	twin.certificate = twin.sign(t, ca.certificate, ca.key.Public())
	require.Equal(t, 200, ask(t, h, "POST", "/cacertificate?setAsActive=true", registration(t, h, twin, nil)).status)
	ambiguous := pemOf(ca.device(t, "valve"))
	require.Equal(t, "CertificateConflictException", ask(t, h, "POST", "/certificate/register", body(t, map[string]any{"certificatePem": ambiguous})).body["__type"])
	require.Equal(t, 200, ask(t, h, "POST", "/certificate/register", body(t, map[string]any{"certificatePem": ambiguous, "caCertificatePem": pemOf(ca.certificate)})).status)

	require.Equal(t, 404, ask(t, h, "PUT", "/cacertificate/"+id, `{"registrationConfig":{"templateName":"none"}}`).status)
	for _, bad := range []string{"newStatus=active", "newAutoRegistrationStatus=true", "newStatus=REVOKED"} {
		require.Equal(t, 400, ask(t, h, "PUT", "/cacertificate/"+id+"?"+bad, "").status, bad)
	}
	require.Equal(t, 400, ask(t, h, "PUT", "/cacertificate/"+id+"?newAutoRegistrationStatus=ENABLE", `{"removeAutoRegistration":true}`).status)
	require.Equal(t, "CertificateStateException", ask(t, h, "DELETE", "/cacertificate/"+id, "").body["__type"])
	require.Equal(t, 200, ask(t, h, "PUT", "/cacertificate/"+id+"?newStatus=INACTIVE", `{"removeAutoRegistration":true}`).status)
	a = ask(t, h, "GET", "/cacertificate/"+id, "")
	holds(t, `{"certificateDescription":{"status":"INACTIVE","autoRegistrationStatus":"DISABLE","customerVersion":2},"registrationConfig":"absent"}`, a.body, a.text)
	require.Equal(t, 406, ask(t, h, "POST", "/certificate/register", body(t, map[string]any{"certificatePem": pemOf(ca.device(t, "x")), "caCertificatePem": pemOf(ca.certificate)})).status)
	require.Equal(t, 200, ask(t, h, "DELETE", "/cacertificate/"+id, "").status)
	require.Equal(t, 404, ask(t, h, "GET", "/cacertificate/"+id, "").status)
	require.Equal(t, 404, ask(t, h, "PUT", "/cacertificate/"+id+"?newStatus=ACTIVE", "").status)
	require.NotContains(t, s.state(t), "\ntags ")
	require.Equal(t, 200, ask(t, h, "POST", "/cacertificate", registration(t, h, ca, nil)).status)
	require.Equal(t, []any{}, ask(t, h, "GET", "/tags?resourceArn="+caARN+id, "").body["tags"], "they went with the one that was deleted")

	// The registration code stays until it is deleted.
	code := ask(t, h, "GET", "/registrationcode", "").body
	require.Equal(t, code, ask(t, h, "GET", "/registrationcode", "").body)
	require.Equal(t, 200, ask(t, h, "DELETE", "/registrationcode", "").status)
	require.NotEqual(t, code, ask(t, h, "GET", "/registrationcode", "").body)
}

// What cannot get its tags is not made.
func TestTagsOfNew_Fail(t *testing.T) {
	t.Parallel()
	fails := errors.New("no database")
	things, err := registry.New(registry.Config{Tagged: func(context.Context, string) (bool, error) { return false, fails }})
	require.NoError(t, err)
	s := newStage(t, func(c *api.Config) { c.Registry = things })
	h := s.ControlPlane()
	ca := newCA(t, "our CA")
	tags := map[string]any{"tags": []map[string]any{{"Key": "a", "Value": "1"}}}
	withTags := registration(t, h, ca, tags)
	// The number of authorizers is written down with the first.
	require.Equal(t, 200, ask(t, h, "POST", "/authorizer/first", `{"authorizerFunctionArn":"door","signingDisabled":true}`).status)
	before := s.state(t)
	for target, text := range map[string]string{
		"/cacertificate?setAsActive=true": withTags,
		"/policies/p":                     body(t, map[string]any{"policyDocument": anyConnect, "tags": tags["tags"]}),
		"/authorizer/a":                   body(t, map[string]any{"authorizerFunctionArn": "door", "signingDisabled": true, "status": "ACTIVE", "tags": tags["tags"]}),
		"/provisioning-templates":         body(t, map[string]any{"templateName": "t", "templateBody": fleetTemplate, "tags": tags["tags"]}),
		"/role-aliases/a":                 body(t, map[string]any{"roleArn": roleARN, "tags": tags["tags"]}),
	} {
		a := ask(t, h, "POST", target, text)
		require.Equal(t, 500, a.status, a.text)
		require.NotContains(t, a.text, "database", "which is the host's affair")
	}
	require.Equal(t, before, s.state(t))
}

// Tags that something of the same name has left are not those of what is new.
func TestTagsOfNew_Stale(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := s.ControlPlane()
	const arn = "arn:aws:iot:local:000000000000:policy/p"
	tagged := body(t, map[string]any{"policyDocument": anyConnect, "tags": []map[string]any{{"Key": "a", "Value": "1"}}})
	require.Equal(t, 200, ask(t, h, "POST", "/policies/p", tagged).status)
	require.NoError(t, s.cfg.Policies.DeletePolicy(t.Context(), "p"), "and whoever did it ended before its tags were gone")
	require.Equal(t, 200, ask(t, h, "POST", "/policies/p", documentJSON(t, anyConnect)).status)
	require.Equal(t, []any{}, ask(t, h, "GET", "/tags?resourceArn="+arn, "").body["tags"])
	require.Equal(t, 409, ask(t, h, "POST", "/policies/p", tagged).status)
	require.Equal(t, []any{}, ask(t, h, "GET", "/tags?resourceArn="+arn, "").body["tags"])
}
