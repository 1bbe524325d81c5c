package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/internal/api"
)

// newGuardedStage is a stage that knows certificates and temporary credentials, and asks
// policies what they may do. Its second result is for operators, who may do anything.
func newGuardedStage(t *testing.T) (s stage, operator http.Handler) {
	t.Helper()
	s = newStage(t, func(c *api.Config) {
		keys, err := sigv4.New(sigv4.Config{Keys: c.Roles})
		require.NoError(t, err)
		c.Authenticator, c.Authorizer = auth.Chain(c.Certificates, keys), c.Policies
	})
	open := s.cfg
	open.Authenticator, open.Authorizer = auth.InsecureAllowAll{}, auth.InsecureAllowAll{}
	return s, api.New(open).ControlPlane()
}

// device makes an active certificate and attaches policies to it.
func device(t *testing.T, operator http.Handler, policies ...string) *x509.Certificate {
	t.Helper()
	a := ask(t, operator, "POST", "/keys-and-certificate?setAsActive=true", "")
	require.Equal(t, 200, a.status, a.text)
	for _, p := range policies {
		require.Equal(t, 200, ask(t, operator, "PUT", "/target-policies/"+p, `{"target":"`+a.body["certificateArn"].(string)+`"}`).status)
	}
	return parsePEM(t, a.body["certificatePem"])
}

// fetch asks the credential provider. The handshake has shown c, nil for none.
func fetch(t testing.TB, h http.Handler, c *x509.Certificate, alias string, things ...string) answer {
	t.Helper()
	r := httptest.NewRequest("GET", "https://abc.credentials.iot.eu-west-1.hub.test/role-aliases/"+alias+"/credentials", nil)
	r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	if c != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{c}
	}
	for _, thing := range things {
		r.Header.Add("x-amzn-iot-thingname", thing)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), text: w.Body.String()}
	require.NotEmpty(t, a.header.Get("X-Amzn-Requestid"))
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a.body), a.text)
	return a
}

func allowDocument(t *testing.T, action, resource string) string {
	t.Helper()
	return documentJSON(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"`+action+`","Resource":"`+resource+`"}]}`)
}

// A device gets credentials for its certificate and does with them what the policy of
// the role allows for its thing.
func TestCredentialProvider(t *testing.T) {
	t.Parallel()
	s, operator := newGuardedStage(t)
	const prefix = "arn:aws:iot:local:000000000000:"
	require.Equal(t, 200, ask(t, operator, "POST", "/policies/devices", allowDocument(t, "iot:AssumeRoleWithCertificate", prefix+"rolealias/readers")).status)
	require.Equal(t, 200, ask(t, operator, "POST", "/policies/own", allowDocument(t, "iot:DescribeThing", prefix+"thing/${credentials-iot:ThingName}")).status)
	require.Equal(t, 200, ask(t, operator, "PUT", "/target-policies/own", `{"target":"`+roleARN+`"}`).status)
	require.Equal(t, 200, ask(t, operator, "POST", "/role-aliases/readers", `{"roleArn":"`+roleARN+`","credentialDurationSeconds":900}`).status)
	require.Equal(t, 200, ask(t, operator, "POST", "/role-aliases/others", `{"roleArn":"`+roleARN+`"}`).status)
	c := device(t, operator, "devices")
	id := ask(t, operator, "GET", "/certificates", "").body["certificates"].([]any)[0].(map[string]any)["certificateId"].(string)
	require.Equal(t, 200, ask(t, operator, "POST", "/thing-types/pumps", "").status)
	for _, thing := range []string{"mine", "yours"} {
		require.Equal(t, 200, ask(t, operator, "POST", "/things/"+thing, `{"thingTypeName":"pumps"}`).status)
	}
	require.Equal(t, 200, ask(t, operator, "PUT", "/things/mine/principals", "", "X-Amzn-Principal", certARN+id).status)

	begin := time.Now()
	a := fetch(t, s.Handler(), c, "readers", "mine")
	require.Equal(t, 200, a.status, a.text)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Len(t, a.body, 1)
	got := a.body["credentials"].(map[string]any)
	require.Len(t, got, 4)
	expires, err := time.Parse("2006-01-02T15:04:05Z", got["expiration"].(string))
	require.NoError(t, err)
	require.WithinRange(t, expires, begin.Add(15*time.Minute-time.Second), time.Now().Add(15*time.Minute))
	key, err := s.cfg.Roles.Lookup(t.Context(), got["accessKeyId"].(string), got["sessionToken"].(string))
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/reader/"+id, key.Identity.Principal)
	require.Equal(t, map[string]string{
		"aws:PrincipalArn": roleARN, "aws:PrincipalAccount": "000000000000", "aws:userid": roles.RoleID(roleARN) + ":" + id,
		"credentials-iot:ThingName": "mine", "credentials-iot:ThingTypeName": "pumps", "credentials-iot:AwsCertificateId": id,
	}, key.Identity.Attributes)

	signer := sigv4.Signer{ID: got["accessKeyId"].(string), Secret: got["secretAccessKey"].(string), Token: got["sessionToken"].(string), Region: "local", Service: "iot"}
	for thing, want := range map[string]int{"mine": 200, "yours": 403} {
		r := httptest.NewRequest("GET", "https://hub.test/things/"+thing, nil)
		require.NoError(t, signer.Sign(r, nil))
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		require.Equal(t, want, w.Code, w.Body)
	}

	// Without a thing there is none in the policy.
	for _, things := range [][]string{nil, {""}} {
		a = fetch(t, s.Handler(), c, "readers", things...)
		require.Equal(t, 200, a.status, a.text)
		got = a.body["credentials"].(map[string]any)
		key, err = s.cfg.Roles.Lookup(t.Context(), got["accessKeyId"].(string), got["sessionToken"].(string))
		require.NoError(t, err)
		require.NotContains(t, key.Identity.Attributes, "credentials-iot:ThingName")
		require.NotContains(t, key.Identity.Attributes, "credentials-iot:ThingTypeName")
		require.Equal(t, id, key.Identity.Attributes["credentials-iot:AwsCertificateId"])
	}

	stranger := newCA(t, "strangers").device(t, "pump")
	inactive := device(t, operator, "devices")
	inactiveID := ask(t, operator, "GET", "/certificates", "").body["certificates"].([]any)[0].(map[string]any)["certificateId"].(string)
	require.Equal(t, 200, ask(t, operator, "PUT", "/certificates/"+inactiveID+"?newStatus=INACTIVE", "").status)
	for name, c := range map[string]struct {
		certificate *x509.Certificate
		alias       string
		things      []string
		status      int
		kind, text  string
	}{
		"no certificate":         {nil, "readers", nil, 403, "AccessDeniedException", "Certificate is invalid on this endpoint"},
		"not registered":         {stranger, "readers", nil, 403, "AccessDeniedException", "Certificate is invalid on this endpoint"},
		"not active":             {inactive, "readers", nil, 403, "AccessDeniedException", "Certificate is invalid on this endpoint"},
		"another's thing":        {c, "readers", []string{"yours"}, 403, "AccessDeniedException", "Invalid thing name passed"},
		"no thing":               {c, "readers", []string{"none"}, 403, "AccessDeniedException", "Invalid thing name passed"},
		"no name":                {c, "readers", []string{"a\x01/#"}, 403, "AccessDeniedException", "Invalid thing name passed"},
		"mine and another's":     {c, "readers", []string{"mine", "yours"}, 403, "AccessDeniedException", "Invalid thing name passed"},
		"mine and nothing":       {c, "readers", []string{"mine", ""}, 403, "AccessDeniedException", "Invalid thing name passed"},
		"alias is not allowed":   {c, "others", []string{"mine"}, 403, "AccessDeniedException", "Access Denied"},
		"no policy":              {device(t, operator), "readers", nil, 403, "AccessDeniedException", "Access Denied"},
		"alias in other letters": {c, "READERS", nil, 403, "AccessDeniedException", "Access Denied"},
		"wildcard as alias":      {c, "*", nil, 403, "AccessDeniedException", "Access Denied"},
	} {
		a := fetch(t, s.Handler(), c.certificate, c.alias, c.things...)
		require.Equal(t, c.status, a.status, "%s: %s", name, a.text)
		require.Equal(t, map[string]any{"message": c.text}, a.body, name)
		require.Equal(t, c.kind, a.header.Get("X-Amzn-Errortype"), name)
	}

	require.Equal(t, 200, ask(t, operator, "DELETE", "/role-aliases/readers", "").status)
	a = fetch(t, s.Handler(), c, "readers", "mine")
	require.Equal(t, 404, a.status)
	require.Equal(t, map[string]any{"message": "Role alias does not exist"}, a.body)
	require.Equal(t, "ResourceNotFoundException", a.header.Get("X-Amzn-Errortype"))
	require.Equal(t, 403, fetch(t, s.DataPlane(), nil, "readers").status, "the data plane has it")
	require.Equal(t, 404, fetch(t, operator, c, "readers").status, "the control plane has not")
}

// Only certificates get credentials: whoever else is known, and may do anything, does
// not.
func TestCredentialProvider_Kinds(t *testing.T) {
	t.Parallel()
	for kind := range auth.Guest + 1 {
		id := &auth.Identity{Principal: strings.Repeat("ab", 32), Kind: kind}
		s := newStage(t, func(c *api.Config) { c.Authenticator = someone{id} })
		require.Equal(t, 200, ask(t, s.ControlPlane(), "POST", "/role-aliases/a", `{"roleArn":"`+roleARN+`"}`).status)
		a := fetch(t, s.DataPlane(), nil, "a")
		if kind == auth.Certificate {
			require.Equal(t, 200, a.status, a.text)
			a = fetch(t, s.DataPlane(), nil, "a%20b")
			require.Equal(t, 400, a.status, a.text)
			require.Contains(t, a.body["message"], "roleAlias")
			continue
		}
		require.Equal(t, 403, a.status, "%s: %s", kind, a.text)
		require.Equal(t, "AccessDeniedException", a.header.Get("X-Amzn-Errortype"))
	}
}

// someone is an Authenticator for whom everybody is the same.
type someone struct{ id *auth.Identity }

func (s someone) Authenticate(context.Context, *auth.Credentials) (*auth.Identity, error) {
	return s.id, nil
}

// Failures that are not the device's doing are told as such.
func TestCredentialProvider_Fails(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *api.Config) { c.Authenticator = outOfOrder{} })
	a := fetch(t, s.DataPlane(), nil, "a")
	require.Equal(t, 503, a.status)
	require.Equal(t, "ServiceUnavailableException", a.header.Get("X-Amzn-Errortype"))
	policies, err := access.New(access.Config{})
	require.NoError(t, err)
	s = newStage(t, func(c *api.Config) {
		c.Authenticator = someone{&auth.Identity{Principal: "a/b", Kind: auth.Certificate}}
		c.Authorizer = policies
	})
	require.Equal(t, 403, fetch(t, s.DataPlane(), nil, "a").status)
}
