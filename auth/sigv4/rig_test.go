package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sigv4"
)

// The key, and the time, of AWS's published examples.
const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var noon = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// keys are keys by id. Those that are absent are not found; the key "broken" cannot be
// looked up.
type keys map[string]sigv4.Key

func (k keys) Lookup(_ context.Context, id, _ string) (sigv4.Key, error) {
	key, ok := k[id]
	switch {
	case id == "broken":
		return key, io.ErrUnexpectedEOF
	case !ok:
		return key, fmt.Errorf("%w: %s", auth.ErrNotFound, id)
	}
	return key, nil
}

func (keys) Immediate() bool { return true }

var admin = &auth.Identity{Principal: "arn:aws:iam::123456789012:user/admin", Kind: auth.IAM}

func known() keys {
	return keys{
		keyID:      {ID: keyID, Secret: secret, Identity: admin},
		"ASIATEMP": {ID: "ASIATEMP", Secret: "temporary", Token: "to/ken+=", Identity: admin, Expires: noon.Add(time.Hour)},
		"ASIAOLD":  {ID: "ASIAOLD", Secret: "temporary", Token: "old", Identity: admin, Expires: noon},
		"AKIAOFF":  {ID: "AKIAOFF", Secret: "off", Identity: admin, Disabled: true},
	}
}

func verifier(t testing.TB, change ...func(*sigv4.Config)) *sigv4.Authenticator {
	t.Helper()
	cfg := sigv4.Config{Keys: known(), Now: at(noon)}
	for _, c := range change {
		c(&cfg)
	}
	a, err := sigv4.New(cfg)
	require.NoError(t, err)
	return a
}

func signer() sigv4.Signer {
	return sigv4.Signer{ID: keyID, Secret: secret, Region: "eu-central-1", Service: "iot", Now: at(noon)}
}

// request makes a client's request.
func request(t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	return r
}

// received is what a server makes of a client's request.
func received(t testing.TB, r *http.Request) *auth.Credentials {
	t.Helper()
	var wire bytes.Buffer
	require.NoError(t, r.Write(&wire))
	return read(t, wire.String())
}

// read is what a server makes of what comes over the wire.
func read(t testing.TB, wire string) *auth.Credentials {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return &auth.Credentials{Request: r, Body: func() ([]byte, error) { return body, nil }}
}

// upgrade is what a server makes of a WebSocket request to a presigned URL, and of the
// CONNECT that follows.
func upgrade(t testing.TB, url string) *auth.Credentials {
	t.Helper()
	r := request(t, http.MethodGet, strings.Replace(url, "wss://", "https://", 1), "")
	r.Header.Set("Upgrade", "websocket")
	c := received(t, r)
	c.Body, c.ProtocolVersion, c.ClientID = nil, 4, "browser"
	return c
}

// refused checks that credentials are refused, with the code and a part of the text.
func refused(t testing.TB, a *sigv4.Authenticator, c *auth.Credentials, code, text string) {
	t.Helper()
	id, err := a.Authenticate(t.Context(), c)
	require.Nil(t, id)
	var e *sigv4.Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	require.Equal(t, code, e.Code, err)
	require.Contains(t, e.Message, text)
	require.NotContains(t, err.Error(), secret)
	want := http.StatusForbidden
	if code == "IncompleteSignatureException" {
		want = http.StatusBadRequest
	}
	require.Equal(t, want, e.Status)
}
