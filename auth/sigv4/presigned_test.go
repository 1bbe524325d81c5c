package sigv4_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/sigv4"
)

func gatewaySigner() sigv4.Signer {
	s := signer()
	s.Service = "iotdevicegateway"
	return s
}

// presign returns a URL for MQTT over WebSocket.
func presign(t testing.TB, s sigv4.Signer, expires time.Duration) string {
	t.Helper()
	u, err := s.Presign(http.MethodGet, "wss://hub.test/mqtt", expires)
	require.NoError(t, err)
	return u
}

func TestPresign(t *testing.T) {
	t.Parallel()
	u := presign(t, gatewaySigner(), 60*time.Second)
	require.True(t, strings.HasPrefix(u, "wss://hub.test/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Feu-central-1%2Fiotdevicegateway%2Faws4_request&"+
		"X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature="), u)
	id, err := verifier(t).Authenticate(t.Context(), upgrade(t, u))
	require.NoError(t, err)
	require.Equal(t, admin.Principal, id.Principal)
	require.Equal(t, noon.Add(24*time.Hour), id.Expires, "a connection lasts a day")
	require.Zero(t, admin.Expires, "what the keys own is not touched")

	id, err = verifier(t, func(c *sigv4.Config) { c.MaxConnection = time.Hour }).Authenticate(t.Context(), upgrade(t, u))
	require.NoError(t, err)
	require.Equal(t, noon.Add(time.Hour), id.Expires)
}

// TestPresignedToken: clients of the gateway append the token behind the signature,
// others sign it. Both are accepted.
func TestPresignedToken(t *testing.T) {
	t.Parallel()
	s := gatewaySigner()
	s.ID, s.Secret, s.Token = "ASIATEMP", "temporary", "to/ken+="
	u := presign(t, s, time.Minute)
	require.True(t, strings.HasSuffix(u, "&X-Amz-Security-Token=to%2Fken%2B%3D"), u)
	id, err := verifier(t).Authenticate(t.Context(), upgrade(t, u))
	require.NoError(t, err)
	require.Equal(t, noon.Add(time.Hour), id.Expires, "the credentials end before the day does")

	bare, _, _ := strings.Cut(u, "&X-Amz-Security-Token")
	refused(t, verifier(t), upgrade(t, bare), "UnrecognizedClientException", "security token")
	refused(t, verifier(t), upgrade(t, bare+"&X-Amz-Security-Token=other"), "UnrecognizedClientException", "security token")

	within := s
	within.Service = "iot" // signs the token
	u = presign(t, within, time.Minute)
	require.Less(t, strings.Index(u, "X-Amz-Security-Token"), strings.Index(u, "X-Amz-Signature"))
	creds := upgrade(t, u)
	creds.ProtocolVersion = 0
	_, err = verifier(t).Authenticate(t.Context(), creds)
	require.NoError(t, err)
	both := verifier(t, func(c *sigv4.Config) { c.GatewayServices = []string{"iot", "iotdevicegateway"} })
	_, err = both.Authenticate(t.Context(), upgrade(t, u))
	require.NoError(t, err)
}

// TestPresignedTampered changes one thing of a presigned URL at a time.
func TestPresignedTampered(t *testing.T) {
	t.Parallel()
	const (
		invalid = "InvalidSignatureException"
		broken  = "IncompleteSignatureException"
	)
	good := presign(t, gatewaySigner(), time.Minute)
	set := func(name, value string) string {
		u, err := url.Parse(good)
		require.NoError(t, err)
		q := u.Query()
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	without := func(name string) string {
		u, err := url.Parse(good)
		require.NoError(t, err)
		q := u.Query()
		require.True(t, q.Has(name))
		q.Del(name)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for _, c := range []struct{ name, url, code, text string }{
		{"signature", set("X-Amz-Signature", strings.Repeat("0", 64)), invalid, "does not match"},
		{"signature of another form", set("X-Amz-Signature", "x"), broken, `Signature is "x"`},
		{"more", good + "&more=1", invalid, "does not match"},
		{"twice", good + "&X-Amz-Date=20150830T123600Z", broken, "the parameter X-Amz-Date is there twice"},
		{"token twice", good + "&X-Amz-Security-Token=a&X-Amz-Security-Token=b", broken, "the parameter X-Amz-Security-Token is there twice"},
		{"other spelling", strings.Replace(good, "X-Amz-Date", "x-amz-date", 1), broken, `"x-amz-date" is not known, expected the spelling X-Amz-Date`},
		{"date", set("X-Amz-Date", "20150830T123601Z"), invalid, "does not match"},
		{"date of another form", set("X-Amz-Date", "now"), broken, `X-Amz-Date is "now"`},
		{"day", set("X-Amz-Date", "20150831T123600Z"), invalid, "Date in Credential scope"},
		{"longer", set("X-Amz-Expires", "120"), invalid, "does not match"},
		{"for ever", set("X-Amz-Expires", "86401"), invalid, "X-Amz-Expires is 86401, expected at most 86400"},
		{"too much", set("X-Amz-Expires", "99999999999999999999"), broken, "X-Amz-Expires is"},
		{"negative", set("X-Amz-Expires", "-1"), broken, `X-Amz-Expires is "-1", expected a number of seconds above 0`},
		{"zero", set("X-Amz-Expires", "0"), broken, "X-Amz-Expires is"},
		{"empty", set("X-Amz-Expires", ""), broken, "X-Amz-Expires is"},
		{"headers", set("X-Amz-SignedHeaders", "host;x-mine"), invalid, `"x-mine" is signed and not in the request`},
		{"algorithm", set("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"), broken, "Signature Version 4A is not supported"},
		{"credential", set("X-Amz-Credential", "AKID"), broken, `Credential is "AKID"`},
		{"service", set("X-Amz-Credential", "AKIDEXAMPLE/20150830/eu-central-1/iot/aws4_request"), invalid, `correct service: "iot", expected one of ["iotdevicegateway"]`},
		{"no algorithm", without("X-Amz-Algorithm"), broken, "the query has no X-Amz-Algorithm"},
		{"no credential", without("X-Amz-Credential"), broken, "the query has no X-Amz-Credential"},
		{"no date", without("X-Amz-Date"), broken, "the query has no X-Amz-Date"},
		{"no headers", without("X-Amz-SignedHeaders"), broken, "the query has no X-Amz-SignedHeaders"},
		{"no signature", without("X-Amz-Signature"), broken, "the query has no X-Amz-Signature"},
		{"no expiry that was signed", without("X-Amz-Expires"), invalid, "does not match"},
		{"broken", good + "&x=%zz", broken, `the query has "x=%zz"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			creds := upgrade(t, "wss://hub.test/mqtt")
			u, err := url.Parse(c.url)
			require.NoError(t, err)
			creds.Request.RequestURI = "/mqtt?" + u.RawQuery
			refused(t, verifier(t), creds, c.code, c.text)
		})
	}
	_, err := verifier(t).Authenticate(t.Context(), upgrade(t, set("X-Amz-Expires", "60")))
	require.NoError(t, err, "a URL that was only put into another order is as good")
	creds := upgrade(t, good)
	creds.Request.Header.Set("X-Amz-Security-Token", "of a key that has none")
	refused(t, verifier(t), creds, "UnrecognizedClientException", "security token")
	creds.Request.RequestURI += "&X-Amz-Security-Token=another"
	refused(t, verifier(t), creds, broken, "X-Amz-Security-Token in the query and in the header differ")
}

// TestPresignedClock checks the edges of the time a URL is good for.
func TestPresignedClock(t *testing.T) {
	t.Parallel()
	u := presign(t, gatewaySigner(), time.Hour)
	for _, c := range []struct {
		clock time.Time
		want  string
	}{
		{noon.Add(-5 * time.Minute), ""},
		{noon.Add(-5*time.Minute - time.Second), "not yet current"},
		{noon.Add(time.Hour), ""},
		{noon.Add(time.Hour + time.Second), "Signature expired: 20150830T133600Z is now earlier than 20150830T133601Z (20150830T123600Z + 3600 s)"},
	} {
		a := verifier(t, func(cfg *sigv4.Config) { cfg.Now = at(c.clock) })
		if c.want != "" {
			refused(t, a, upgrade(t, u), "InvalidSignatureException", c.want)
			continue
		}
		_, err := a.Authenticate(t.Context(), upgrade(t, u))
		require.NoError(t, err)
	}
	week := presign(t, gatewaySigner(), 7*24*time.Hour)
	refused(t, verifier(t), upgrade(t, week), "InvalidSignatureException", "expected at most 86400")
	_, err := verifier(t, func(c *sigv4.Config) { c.MaxExpiry = 7 * 24 * time.Hour }).Authenticate(t.Context(), upgrade(t, week))
	require.NoError(t, err)
}

// TestPresignedElsewhere presigns URLs of all kinds for HTTP.
func TestPresignedElsewhere(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"http://hub.test", "http://hub.test/?a=1&b", "http://hub.test:8080/things/%C3%BC?x=a+b", "https://hub.test/a%2Fb//c#fragment",
	} {
		u, err := signer().Presign(http.MethodGet, raw, time.Minute)
		require.NoError(t, err)
		id, err := verifier(t).Authenticate(t.Context(), received(t, request(t, http.MethodGet, u, "")))
		require.NoError(t, err, u)
		require.Equal(t, admin, id)
		refused(t, verifier(t), received(t, request(t, http.MethodDelete, u, "")), "InvalidSignatureException", "does not match")
		refused(t, verifier(t), received(t, request(t, http.MethodGet, u, "body")), "InvalidSignatureException", "does not match")
	}
}

// TestUnsignedPayload: the body of a presigned POST may be anybody's, if that is wanted.
func TestUnsignedPayload(t *testing.T) {
	t.Parallel()
	open := verifier(t, func(c *sigv4.Config) { c.AllowUnsignedPayload = true })
	r := request(t, http.MethodPost, "http://hub.test/", "body")
	require.NoError(t, signer().Sign(r, []byte("body")))
	creds := received(t, r)
	creds.Request.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	refused(t, open, creds, "InvalidSignatureException", "does not match") // a signature of a body stays one
}

func TestSignerRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*sigv4.Signer)
		want   string
	}{
		{"id", func(s *sigv4.Signer) { s.ID = "" }, `Signer.ID is ""`},
		{"slash", func(s *sigv4.Signer) { s.ID = "a/b" }, `Signer.ID is "a/b"`},
		{"secret", func(s *sigv4.Signer) { s.Secret = "" }, `Signer.Secret is ""`},
		{"region", func(s *sigv4.Signer) { s.Region = "" }, `Signer.Region is ""`},
		{"service", func(s *sigv4.Signer) { s.Service = "a b" }, `Signer.Service is "a b"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := signer()
			c.change(&s)
			require.ErrorContains(t, s.Sign(request(t, http.MethodGet, "http://hub.test/", ""), nil), c.want)
			_, err := s.Presign(http.MethodGet, "wss://hub.test/mqtt", time.Minute)
			require.ErrorContains(t, err, c.want)
		})
	}
	for raw, want := range map[string]string{
		"/mqtt": "expected one with a scheme and a host", "http://a b/": "expected one with", "http://hub.test/?x=%z": "expected percent encoding", "http://hub.test/?x-amz-date=1": "has the parameter x-amz-date already",
	} {
		_, err := signer().Presign(http.MethodGet, raw, time.Minute)
		require.ErrorContains(t, err, want, raw)
	}
	for _, expires := range []time.Duration{0, -time.Second, 8 * 24 * time.Hour} {
		_, err := signer().Presign(http.MethodGet, "wss://hub.test/", expires)
		require.ErrorContains(t, err, "expires is "+expires.String())
	}
	require.ErrorContains(t, signer().Sign(&http.Request{}, nil), "has no URL")
	require.ErrorContains(t, signer().Sign(request(t, http.MethodGet, "http://hub.test/?x=%z", ""), nil), "percent encoding")
}
