package sigv4_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sigv4"
)

// told reports whether an error is one that Authenticate may have.
func told(err error) bool {
	var e *sigv4.Error
	return errors.Is(err, auth.ErrUnrecognised) || errors.As(err, &e)
}

// FuzzHeader feeds headers of people who do not have the secret: nobody comes in.
func FuzzHeader(f *testing.F) {
	r := request(f, http.MethodGet, "http://hub.test/a?b=c", "")
	if err := signer().Sign(r, nil); err != nil {
		f.Fatal(err)
	}
	good := r.Header.Get("Authorization")
	f.Add(good, "20150830T123600Z", "", "hub.test", "/a?b=d")
	f.Add(strings.ReplaceAll(good, ", ", ","), "", "Sun, 30 Aug 2015 12:36:00 GMT", "hub.test:443", "//a/../?%")
	f.Add("AWS4-HMAC-SHA256", "", "", "", "")
	f.Add("AWS4-HMAC-SHA256 Credential=////,SignedHeaders=;,Signature=", "x", "y", "[", "/%zz?&=&")
	f.Add("AWS4-ECDSA-P256-SHA256 Credential=a", "20150830T123600Z", "", "h", "/?X-Amz-Signature=1")
	a := verifier(f)
	f.Fuzz(func(t *testing.T, authorization, amzDate, date, host, uri string) {
		req := &http.Request{Method: http.MethodGet, RequestURI: uri, Host: host, Header: http.Header{
			"Authorization": {authorization}, "X-Amz-Date": {amzDate}, "Date": {date}, "X-Amz-Content-Sha256": r.Header["X-Amz-Content-Sha256"],
		}}
		id, err := a.Authenticate(t.Context(), &auth.Credentials{Request: req})
		if err == nil {
			// Only what was signed above gets in: the same request in another spelling.
			require.Equal(t, "hub.test", strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(host), ":443"), ":80"))
			require.Contains(t, uri, "b=c")
			require.NotNil(t, id)
			return
		}
		require.True(t, told(err), err)
	})
}

// FuzzQuery feeds queries to a presigned URL: what is not the query that was signed
// does not get in.
func FuzzQuery(f *testing.F) {
	good, err := gatewaySigner().Presign(http.MethodGet, "wss://hub.test/mqtt?a=1", time.Minute)
	if err != nil {
		f.Fatal(err)
	}
	_, query, _ := strings.Cut(good, "?")
	f.Add(query)
	f.Add(query + "&X-Amz-Security-Token=x")
	f.Add(strings.ToLower(query))
	f.Add("X-Amz-Signature=&X-Amz-Signature=&%zz")
	f.Add("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b/c/d/aws4_request&X-Amz-Date=1&X-Amz-SignedHeaders=host&X-Amz-Signature=00")
	want, err := url.ParseQuery(query)
	if err != nil {
		f.Fatal(err)
	}
	a := verifier(f)
	f.Fuzz(func(t *testing.T, query string) {
		req := &http.Request{Method: http.MethodGet, RequestURI: "/mqtt?" + query, Host: "hub.test", Header: http.Header{}}
		_, err := a.Authenticate(t.Context(), &auth.Credentials{Request: req, ProtocolVersion: 5})
		if err != nil {
			require.True(t, told(err), err)
			return
		}
		got, err := url.ParseQuery(query)
		require.NoError(t, err)
		require.Equal(t, want, got, "the same parameters in another order or spelling")
	})
}

// FuzzSign signs whatever a URL can be and verifies what arrives.
func FuzzSign(f *testing.F) {
	f.Add("/a b/€//x/../%2F", "a=b&c=d+e&=&&é", "v  w ", "body")
	f.Add("", "", "", "")
	f.Add("/.", "%20=%2B&a;b", "\t", "\x00")
	a := verifier(f)
	f.Fuzz(func(t *testing.T, path, query, header, body string) {
		u := &url.URL{Scheme: "http", Host: "hub.test", Path: "/" + path, RawQuery: query}
		if strings.ContainsAny(header, "\r\n\x00") || strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r == '#' || r == 127 }) {
			return // cannot be sent
		}
		r, err := http.NewRequest(http.MethodPost, u.String(), strings.NewReader(body))
		if err != nil {
			return
		}
		if strings.ContainsFunc(header, func(r rune) bool { return r < ' ' && r != '\t' || r == 127 }) {
			return
		}
		r.Header.Set("X-Mine", header)
		if err := signer().Sign(r, []byte(body)); err != nil {
			return
		}
		_, err = a.Authenticate(t.Context(), received(t, r))
		var e *sigv4.Error
		if errors.As(err, &e) && e.Code == "IncompleteSignatureException" {
			return // the query has a parameter of a signature
		}
		require.NoError(t, err)
	})
}
