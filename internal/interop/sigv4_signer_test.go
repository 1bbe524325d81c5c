package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sigv4"
)

// signings is how many random requests are signed each way.
const signings = 3000

var signedAt = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// oneKey is the key of the tests, with a session token if there is one.
type oneKey struct{ token string }

func (k oneKey) Lookup(_ context.Context, id, _ string) (sigv4.Key, error) {
	if id != accessKey {
		return sigv4.Key{}, auth.ErrNotFound
	}
	return sigv4.Key{ID: accessKey, Secret: secretKey, Token: k.token, Identity: &auth.Identity{Principal: "admin", Kind: auth.IAM}}, nil
}

// A draw is a random request.
type draw struct {
	method, url, service, token string
	header                      http.Header
	body                        []byte
}

var alphabet = []string{
	"a", "b", "Z", "0", "-", ".", "_", "~", "$", "%20", "%2F", "%2f", "%25", "%E2%82%AC", "%c3%bc", "%3A", ":", "@", "!", "*", "'", "(", ")", ",", ";", "=", "%7E", "%00", "%2B", "things", "aws",
}

func word(r *rand.Rand, most int, not string) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		if s := alphabet[r.IntN(len(alphabet))]; !strings.Contains(not, s) {
			b.WriteString(s)
		}
	}
	return b.String()
}

func drawRequest(r *rand.Rand) draw {
	d := draw{
		method:  []string{"GET", "POST", "PUT", "DELETE", "PATCH"}[r.IntN(5)],
		service: []string{"iot", "iotdata", "iotdevicegateway", "s3"}[r.IntN(4)],
		header:  http.Header{},
	}
	d.url = "http://" + []string{"hub.test", "hub.test:8080", "HUB.test", "[::1]:8443", "hub.test:80"}[r.IntN(5)]
	for range r.IntN(5) {
		// Paths are not tidied up by this SDK, so ours must take them as they are.
		d.url += "/" + word(r, 4, "")
	}
	for i := range r.IntN(6) {
		d.url += []string{"?", "&"}[min(i, 1)]
		d.url += word(r, 3, ";=")
		if r.IntN(4) > 0 {
			d.url += "=" + word(r, 4, ";") + []string{"", "+"}[r.IntN(2)]
		}
	}
	if strings.HasSuffix(d.url, "?") {
		d.url += "x"
	}
	for range r.IntN(4) {
		name := []string{"X-Mine", "Content-Type", "X-Amz-Target", "Accept", "X-Amz-Meta-A", "Cache-Control"}[r.IntN(6)]
		d.header.Add(name, strings.Repeat(" ", r.IntN(3))+"v"+strings.Repeat(" ", r.IntN(4))+fmt.Sprint(r.IntN(1000)))
	}
	if r.IntN(2) == 0 {
		d.token = "to/ken+with=" + fmt.Sprint(r.IntN(1000))
	}
	if d.method != "GET" && d.method != "DELETE" {
		d.body = make([]byte, r.IntN(200))
		for i := range d.body {
			d.body[i] = byte(r.Uint32())
		}
	}
	return d
}

func (d draw) request(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequest(d.method, d.url, bytes.NewReader(d.body))
	require.NoError(t, err, d.url)
	r.Header = d.header.Clone()
	return r
}

func (d draw) credentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: d.token}
}

func (d draw) options(o *v4.SignerOptions) { o.DisableURIPathEscaping = d.service == "s3" }

func (d draw) hash() string {
	sum := sha256.Sum256(d.body)
	return hex.EncodeToString(sum[:])
}

// overWire is what a server makes of a request.
func overWire(t *testing.T, r *http.Request) *auth.Credentials {
	t.Helper()
	var wire bytes.Buffer
	require.NoError(t, r.Write(&wire))
	in, err := http.ReadRequest(bufio.NewReader(&wire))
	require.NoError(t, err)
	body, err := io.ReadAll(in.Body)
	require.NoError(t, err)
	in.Body = io.NopCloser(bytes.NewReader(body))
	return &auth.Credentials{Request: in, Body: func() ([]byte, error) { return body, nil }}
}

func verifierOf(t *testing.T, token string) *sigv4.Authenticator {
	t.Helper()
	a, err := sigv4.New(sigv4.Config{
		Keys: oneKey{token}, Services: []string{"iot", "iotdata", "iotdevicegateway", "s3"}, AllowUnsignedPayload: true,
		Now: func() time.Time { return signedAt.Add(time.Minute) },
	})
	require.NoError(t, err)
	return a
}

// TestSignedBySDK: what the SDK signs in headers we verify, and refuse when a byte of
// the signature is another one.
func TestSignedBySDK(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range signings {
		d := drawRequest(rnd)
		r := d.request(t)
		hash := d.hash()
		switch rnd.IntN(4) {
		case 0:
			r.Header.Set("X-Amz-Content-Sha256", hash)
		case 1:
			hash = "UNSIGNED-PAYLOAD"
			r.Header.Set("X-Amz-Content-Sha256", hash)
		}
		require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), d.credentials(), r, hash, d.service, region, signedAt, d.options))
		c := overWire(t, r)
		_, err := verifierOf(t, d.token).Authenticate(t.Context(), c)
		require.NoError(t, err, "%s %s %s %v", d.service, d.method, d.url, r.Header)

		h := []byte(c.Request.Header.Get("Authorization"))
		h[len(h)-1-rnd.IntN(64)] ^= 1 // stays a digit or becomes none
		c.Request.Header.Set("Authorization", string(h))
		_, err = verifierOf(t, d.token).Authenticate(t.Context(), c)
		require.ErrorIs(t, err, auth.ErrBadCredentials)
	}
}

// TestPresignedBySDK: the same for signatures in queries, with the session token signed
// as the SDK does, or appended as clients of the gateway do.
func TestPresignedBySDK(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	for range signings {
		d := drawRequest(rnd)
		r := d.request(t)
		q := r.URL.RawQuery
		if q != "" {
			q += "&"
		}
		r.URL.RawQuery = q + "X-Amz-Expires=600"
		credentials := d.credentials()
		appended := d.token != "" && rnd.IntN(2) == 0
		if appended {
			credentials.SessionToken = ""
		}
		signed, header, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, d.hash(), d.service, region, signedAt, d.options)
		require.NoError(t, err)
		if appended {
			signed += "&X-Amz-Security-Token=" + url.QueryEscape(d.token)
		}
		r, err = http.NewRequest(d.method, signed, bytes.NewReader(d.body))
		require.NoError(t, err)
		for name, values := range header {
			if name != "Host" && name != "Content-Length" {
				r.Header[name] = values
			}
		}
		c := overWire(t, r)
		_, err = verifierOf(t, d.token).Authenticate(t.Context(), c)
		require.NoError(t, err, "%s %s %s", d.service, d.method, signed)

		c.Request.RequestURI += "&z=1"
		_, err = verifierOf(t, d.token).Authenticate(t.Context(), c)
		require.ErrorIs(t, err, auth.ErrBadCredentials)
	}
}

// TestSignedForSDK: what we sign, the SDK signs alike.
func TestSignedForSDK(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	for range signings {
		d := drawRequest(rnd)
		if d.service == "s3" || strings.Contains(d.url[len("http://"):], "//") || strings.Contains(d.url, "/.") {
			continue // those paths we tidy up, and it does not
		}
		ours := sigv4.Signer{ID: accessKey, Secret: secretKey, Token: d.token, Region: region, Service: d.service, Now: func() time.Time { return signedAt }}
		r := d.request(t)
		require.NoError(t, ours.Sign(r, d.body))
		m := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
		require.NotNil(t, m, r.Header)
		in := overWire(t, r).Request
		in.URL.Scheme = "http" // by which the SDK knows the port that goes without saying
		theirs, err := sign(t.Context(), in, region, d.service, strings.Split(m[5], ";"))
		require.NoError(t, err)
		require.Equal(t, theirs, m[6], "%s %s", d.method, d.url)

		u, err := ours.Presign("GET", d.url, 10*time.Minute)
		require.NoError(t, err)
		r = d.request(t)
		r.Method, r.Header, r.ContentLength = "GET", http.Header{}, 0
		q := r.URL.RawQuery
		if q != "" {
			q += "&"
		}
		r.URL.RawQuery = q + "X-Amz-Expires=600"
		credentials := d.credentials()
		if d.service == "iotdevicegateway" {
			credentials.SessionToken = ""
		}
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), credentials, r, hashOfNothing, d.service, region, signedAt, d.options)
		require.NoError(t, err)
		require.Equal(t, query(t, signed, "X-Amz-Signature"), query(t, u, "X-Amz-Signature"), u)
	}
}

const hashOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func query(t *testing.T, raw, name string) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u.Query().Get(name)
}
