package sigv4_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sigv4"
)

// TestSign signs what is awkward to sign and verifies what comes out at the server.
func TestSign(t *testing.T) {
	t.Parallel()
	a := verifier(t)
	for _, url := range []string{
		"http://hub.test", "http://hub.test/", "http://hub.test:8080/things/pump-1", "https://hub.test:443/x", "http://hub.test:80/x",
		"http://hub.test/topics/a%2Fb", "http://hub.test/a//b", "http://hub.test/./a/../b/", "http://hub.test/a/..", "http://hub.test/a%20b",
		"http://hub.test/%E2%82%AC/%C3%BC", "http://hub.test/$aws/things/x:y/(z)", "http://hub.test/a;b=c,d@e!f*g'h", "http://hub.test/%7e~",
		"http://hub.test/?b=2&a=1&a=0&c", "http://hub.test/?a=&=b&&c==d", "http://hub.test/?a=x+y&b=x%2By&c=%20", "http://hub.test/?a-b=1&a=2&a.b=3&A=4",
		"http://hub.test/?q=%E2%82%AC&%C3%BC=%00&t=~-_.", "http://hub.test/?a=/?:@!$'()*,", "http://[::1]:8080/x?y", "http://hub.test/?X-Amz-Security-Token=mine",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			body := ""
			if method == http.MethodPost {
				body = `{"a":1}`
			}
			r := request(t, method, url, body)
			r.Header.Set("Content-Type", "application/json")
			r.Header["X-Several"] = []string{"a", "  b   c ", ""}
			if strings.Contains(url, "Token") { // of a header form: a token for a key that has none
				require.NoError(t, signer().Sign(r, []byte(body)))
				id, err := a.Authenticate(t.Context(), received(t, r))
				require.NoError(t, err, "a parameter of that name means nothing here")
				require.Equal(t, admin, id)
				continue
			}
			require.NoError(t, signer().Sign(r, []byte(body)))
			id, err := a.Authenticate(t.Context(), received(t, r))
			require.NoError(t, err, "%s %s", method, url)
			require.Equal(t, admin, id)
		}
	}
}

// TestTampered changes one thing of a signed request at a time.
func TestTampered(t *testing.T) {
	t.Parallel()
	const (
		invalid = "InvalidSignatureException"
		broken  = "IncompleteSignatureException"
		unknown = "UnrecognizedClientException"
		differs = "does not match the signature you provided"
	)
	replace := func(old, with string) func(*http.Request) {
		return func(r *http.Request) {
			h := r.Header.Get("Authorization")
			if !strings.Contains(h, old) {
				panic(old + " is not in " + h)
			}
			r.Header.Set("Authorization", strings.Replace(h, old, with, 1))
		}
	}
	set := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = values }
	}
	uri := func(u string) func(*http.Request) { return func(r *http.Request) { r.RequestURI = u } }
	for _, c := range []struct {
		name       string
		change     func(*http.Request)
		code, text string
	}{
		{"method", func(r *http.Request) { r.Method = "PUT" }, invalid, differs},
		{"path", uri("/things/b?x=1"), invalid, differs},
		{"encoded slash", uri("/things%2Fa?x=1"), invalid, differs},
		{"query", uri("/things/a?x=2"), invalid, differs},
		{"more query", uri("/things/a?x=1&y"), invalid, differs},
		{"plus for a sign", uri("/things/a?x=%2B1"), invalid, differs},
		{"broken query", uri("/things/a?x=%2"), broken, `the query has "x=%2"`},
		{"host", func(r *http.Request) { r.Host = "other.test" }, invalid, differs},
		{"port", func(r *http.Request) { r.Host = "hub.test:444" }, invalid, differs},
		{"signed header", set("Content-Type", "text/plain"), invalid, differs},
		{"signed header twice", set("Content-Type", "application/json", "application/json"), invalid, differs},
		{"signed header gone", func(r *http.Request) { r.Header.Del("Content-Type") }, invalid, `"content-type" is signed and not in the request`},
		{"unsigned header that matters", set("X-Amz-Target", "AWSCognitoIdentityService.GetId"), invalid, `"x-amz-target" is in the request and not signed`},
		{"unsigned principal", set("X-Amzn-Principal", "arn:aws:iot:local:000000000000:cert/a"), invalid, `"x-amzn-principal" is in the request and not signed`},
		{"unsigned principal of a policy", set("X-Amzn-Iot-Principal", "arn:aws:iot:local:000000000000:cert/a"), invalid, `"x-amzn-iot-principal" is in the request and not signed`},
		{"date", set("X-Amz-Date", "20150830T123559Z"), invalid, differs},
		{"date twice", set("X-Amz-Date", "20150830T123600Z", "20150830T123600Z"), broken, "X-Amz-Date is there 2 times"},
		{"date of another form", set("X-Amz-Date", "2015-08-30T12:36:00Z"), broken, `X-Amz-Date is "2015-08-30T12:36:00Z", expected the form`},
		{"no such date", set("X-Amz-Date", "20150230T123600Z"), broken, "expected the form YYYYMMDDTHHMMSSZ"},
		{"fraction", set("X-Amz-Date", "20150830T123600.5Z"), broken, "expected the form"},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, broken, "there is no X-Amz-Date"},
		{"another Date", func(r *http.Request) { r.Header.Del("X-Amz-Date"); r.Header.Set("Date", "yesterday") }, broken, `Date is "yesterday"`},
		{"day of the scope", replace("/20150830/", "/20150831/"), invalid, `"20150831", expected "20150830"`},
		{"body hash", set("X-Amz-Content-Sha256", strings.Repeat("0", 64)), invalid, differs},
		{"body hash of another form", set("X-Amz-Content-Sha256", "abc"), invalid, `X-Amz-Content-Sha256 is "abc"`},
		{"body hash in capitals", set("X-Amz-Content-Sha256", strings.Repeat("A", 64)), invalid, "hexadecimal"},
		{"body hash twice", set("X-Amz-Content-Sha256", "a", "b"), broken, "X-Amz-Content-Sha256 is there 2 times"},
		{"unsigned body", set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), invalid, "expected the hash of the body"},
		{"body in chunks", set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), invalid, "expected the SHA-256"},
		{"signature", replace("Signature=", "Signature=0000000000000000000000000000000000000000000000000000000000000000,X="), broken, `has "X"`},
		{"short signature", replace("Signature=", "Signature=0,A"), broken, `has "A`},
		{"no signature", replace(", Signature=", ", Sig="), broken, `has "Sig"`},
		{"signature missing", func(r *http.Request) {
			h, _, _ := strings.Cut(r.Header.Get("Authorization"), ", Signature")
			r.Header.Set("Authorization", h)
		}, broken, "has no Signature"},
		{"signature in capitals", func(r *http.Request) {
			h, s, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", h+"Signature="+strings.ToUpper(s))
		}, broken, "64 hexadecimal digits in lower case"},
		{"signature of another key", replace("AKIDEXAMPLE", "ASIATEMP"), unknown, "security token"},
		{"unknown key", replace("AKIDEXAMPLE", "AKIDOTHER"), unknown, "The security token included in the request is invalid."},
		{"disabled key", replace("AKIDEXAMPLE", "AKIAOFF"), unknown, "The security token included in the request is invalid."},
		{"token with a key that has none", set("X-Amz-Security-Token", "t"), unknown, "security token"},
		{"token twice", set("X-Amz-Security-Token", "t", "u"), broken, "X-Amz-Security-Token is there 2 times"},
		{"region", replace("eu-central-1", "eu-central-2"), invalid, differs},
		{"service", replace("/iot/", "/iotdata/"), invalid, differs},
		{"service of others", replace("/iot/", "/s3/"), invalid, `correct service: "s3", expected one of ["iot" "iotdata"`},
		{"no terminator", replace("aws4_request", "aws5_request"), broken, "expected KEY/YYYYMMDD/REGION/SERVICE/aws4_request"},
		{"scope too short", replace("/eu-central-1", ""), broken, "Credential is"},
		{"scope too long", replace("AKIDEXAMPLE", "AKID/EXAMPLE"), broken, "Credential is"},
		{"empty key", replace("AKIDEXAMPLE", ""), broken, "Credential is"},
		{"long key", replace("AKIDEXAMPLE", strings.Repeat("A", 129)), broken, "Credential is"},
		{"headers in capitals", replace("=content-type", "=Content-Type"), broken, "SignedHeaders is"},
		{"headers out of order", replace("=content-type;host", "=host;content-type"), broken, "in order"},
		{"headers twice", replace("=content-type;host", "=content-type;content-type;host"), broken, "in order"},
		{"host not signed", replace("content-type;host", "content-type"), broken, "expected host among them"},
		{"no headers", replace("SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date", "SignedHeaders="), broken, "SignedHeaders is"},
		{"member twice", replace("Credential=", "Credential=x, Credential="), broken, "has Credential twice"},
		{"version 4A", replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), broken, "Signature Version 4A is not supported"},
		{"other algorithm", replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"), broken, `"AWS4-HMAC-SHA512", expected AWS4-HMAC-SHA256`},
		{"nothing behind the algorithm", set("Authorization", "AWS4-HMAC-SHA256"), broken, "the Authorization header has"},
		{"two headers", func(r *http.Request) {
			r.Header["Authorization"] = []string{"Basic YTpi", r.Header.Get("Authorization")}
		}, broken, "Authorization is there 2 times"},
		{"two signatures", uri("/things/a?x=1&X-Amz-Signature=0"), broken, "one in the query"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, http.MethodPost, "http://hub.test/things/a?x=1", "body")
			r.Header.Set("Content-Type", "application/json")
			require.NoError(t, signer().Sign(r, []byte("body")))
			creds := received(t, r)
			_, err := verifier(t).Authenticate(t.Context(), creds)
			require.NoError(t, err, "before the change")
			c.change(creds.Request)
			refused(t, verifier(t), creds, c.code, c.text)
		})
	}
}

// TestBody checks who looks at the body and when.
func TestBody(t *testing.T) {
	t.Parallel()
	signed := func(t *testing.T) *auth.Credentials {
		r := request(t, http.MethodPost, "http://hub.test/", "body")
		require.NoError(t, signer().Sign(r, []byte("body")))
		return received(t, r)
	}
	creds := signed(t)
	creds.Body = func() ([]byte, error) { return []byte("other"), nil }
	refused(t, verifier(t), creds, "InvalidSignatureException", "does not have the hash")

	creds = signed(t)
	creds.Body = nil
	refused(t, verifier(t), creds, "InvalidSignatureException", "does not have the hash")

	creds = signed(t)
	creds.Body = func() ([]byte, error) { return nil, io.ErrUnexpectedEOF }
	refused(t, verifier(t), creds, "InvalidSignatureException", "could not be read")

	creds = signed(t)
	creds.Request.Method = http.MethodPut
	creds.Body = func() ([]byte, error) { panic("nobody reads the body of somebody who did not sign") }
	refused(t, verifier(t), creds, "InvalidSignatureException", "does not match")
}

// TestClock checks the edges of the time a signature is good for.
func TestClock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		clock time.Time
		skew  time.Duration
		want  string
	}{
		{"same", noon, 0, ""},
		{"just in time", noon.Add(5 * time.Minute), 0, ""},
		{"late", noon.Add(5*time.Minute + time.Second), 0, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5m0s)"},
		{"early enough", noon.Add(-5 * time.Minute), 0, ""},
		{"too early", noon.Add(-5*time.Minute - time.Second), 0, "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z"},
		{"other skew", noon.Add(time.Hour), time.Hour, ""},
		{"other skew, late", noon.Add(time.Hour + time.Second), time.Hour, "Signature expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, http.MethodGet, "http://hub.test/", "")
			require.NoError(t, signer().Sign(r, nil))
			a := verifier(t, func(cfg *sigv4.Config) { cfg.Now, cfg.Skew = at(c.clock), c.skew })
			if c.want != "" {
				refused(t, a, received(t, r), "InvalidSignatureException", c.want)
				return
			}
			_, err := a.Authenticate(t.Context(), received(t, r))
			require.NoError(t, err)
		})
	}
}

// TestToken goes through temporary credentials in a header.
func TestToken(t *testing.T) {
	t.Parallel()
	temporary := signer()
	temporary.ID, temporary.Secret, temporary.Token = "ASIATEMP", "temporary", "to/ken+="
	sign := func(t *testing.T, s sigv4.Signer) *auth.Credentials {
		r := request(t, http.MethodGet, "http://hub.test/", "")
		require.NoError(t, s.Sign(r, nil))
		return received(t, r)
	}
	id, err := verifier(t).Authenticate(t.Context(), sign(t, temporary))
	require.NoError(t, err)
	require.Equal(t, noon.Add(time.Hour), id.Expires, "with the credentials")

	for _, token := range []string{"", "to/ken+", "to/ken+==", "other"} {
		s := temporary
		s.Token = token
		refused(t, verifier(t), sign(t, s), "UnrecognizedClientException", "security token")
	}
	old := temporary
	old.ID, old.Token = "ASIAOLD", "old"
	refused(t, verifier(t), sign(t, old), "ExpiredTokenException", "The security token included in the request is expired.")

	// A token that was put in afterwards is as good: it must be the key's anyway.
	plain := temporary
	plain.Token = ""
	creds := sign(t, plain)
	creds.Request.Header.Set("X-Amz-Security-Token", "to/ken+=")
	_, err = verifier(t).Authenticate(t.Context(), creds)
	require.NoError(t, err)
}

// TestUnrecognised lists what is for others.
func TestUnrecognised(t *testing.T) {
	t.Parallel()
	a := verifier(t)
	check := func(c *auth.Credentials) {
		t.Helper()
		id, err := a.Authenticate(t.Context(), c)
		require.Nil(t, id)
		require.ErrorIs(t, err, auth.ErrUnrecognised)
	}
	check(&auth.Credentials{Username: "alice", Password: []byte("x")})
	check(&auth.Credentials{Request: &http.Request{}})
	for _, header := range []string{"", "Basic YTpi", "Bearer AWS4-HMAC-SHA256", "AWS key:sig"} {
		for _, uri := range []string{"/", "/?a=b", "/?x-amz-customauthorizer-name=a&token=%zz", "/?X-Amz-Security-Token=t", "/?note=x-amz-date"} {
			creds := read(t, "GET "+uri+" HTTP/1.1\r\nHost: hub.test\r\nX-Amz-Date: 20150830T123600Z\r\n\r\n")
			if header != "" {
				creds.Request.Header.Set("Authorization", header)
			}
			check(creds)
		}
	}
}

// TestUnavailable checks that a failure of the keys is no refusal.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"broken", "nobody's"} {
		s := signer()
		s.ID = id
		r := request(t, http.MethodGet, "http://hub.test/", "")
		require.NoError(t, s.Sign(r, nil))
		k := known()
		k["nobody's"] = sigv4.Key{ID: id, Secret: secret}
		_, err := verifier(t, func(c *sigv4.Config) { c.Keys = k }).Authenticate(t.Context(), received(t, r))
		require.Error(t, err)
		require.False(t, errors.Is(err, auth.ErrBadCredentials) || errors.Is(err, auth.ErrNotAuthorized), err)
		require.ErrorContains(t, err, id)
		require.NotContains(t, err.Error(), secret)
	}
}

// TestReadings checks the spellings of one request that clients disagree about.
func TestReadings(t *testing.T) {
	t.Parallel()
	r := request(t, http.MethodGet, "https://hub.test/a/b", "")
	require.NoError(t, signer().Sign(r, nil))
	for _, uri := range []string{"/a/b", "/a//b", "/./a/c/../b", "//a/./b"} {
		for _, host := range []string{"hub.test", "hub.test:443", "hub.test:80"} {
			creds := received(t, r)
			creds.Request.RequestURI, creds.Request.Host = uri, host
			_, err := verifier(t).Authenticate(t.Context(), creds)
			require.NoError(t, err, "%s %s", host, uri)
		}
	}
	// A proxy calls the hub by another name.
	creds := received(t, r)
	creds.Request.Host = "10.0.0.1:8080"
	refused(t, verifier(t), creds, "InvalidSignatureException", "does not match")
	_, err := verifier(t, func(c *sigv4.Config) { c.Host = func(*http.Request) string { return "hub.test" } }).Authenticate(t.Context(), creds)
	require.NoError(t, err)
	// What the host program did to the URL does not matter.
	creds = received(t, r)
	creds.Request.URL.Path = "/b"
	_, err = verifier(t).Authenticate(t.Context(), creds)
	require.NoError(t, err)
}

// TestScope checks the rules about services and regions.
func TestScope(t *testing.T) {
	t.Parallel()
	r := request(t, http.MethodGet, "http://hub.test/", "")
	require.NoError(t, signer().Sign(r, nil))
	allow := func(services, regions []string) *sigv4.Authenticator {
		return verifier(t, func(c *sigv4.Config) { c.Services, c.Regions = services, regions })
	}
	_, err := allow([]string{"iot"}, []string{"us-east-1", "eu-central-1"}).Authenticate(t.Context(), received(t, r))
	require.NoError(t, err)
	refused(t, allow(nil, []string{"us-east-1"}), received(t, r), "InvalidSignatureException", `valid region: "eu-central-1", expected one of ["us-east-1"]`)
	refused(t, allow(nil, []string{}), received(t, r), "InvalidSignatureException", "valid region")
	refused(t, allow([]string{"iotdata"}, nil), received(t, r), "InvalidSignatureException", `correct service: "iot"`)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cfg  sigv4.Config
		want string
	}{
		{"no keys", sigv4.Config{}, "Config.Keys is nil"},
		{"skew", sigv4.Config{Keys: known(), Skew: -1}, "Config.Skew is -1ns, expected 1s to 24h0m0s"},
		{"expiry", sigv4.Config{Keys: known(), MaxExpiry: 8 * 24 * time.Hour}, "Config.MaxExpiry is 192h0m0s, expected 1s to 168h0m0s"},
		{"connection", sigv4.Config{Keys: known(), MaxConnection: time.Millisecond}, "Config.MaxConnection is 1ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := sigv4.New(c.cfg)
			require.ErrorContains(t, err, c.want)
		})
	}
	require.True(t, verifier(t).Immediate())
	require.False(t, verifier(t, func(c *sigv4.Config) { c.Keys = slow{} }).Immediate())
}

type slow struct{ sigv4.Keys }
