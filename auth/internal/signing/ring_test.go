package signing_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/signing"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func open(dir auth.Directory) (*signing.Ring, *clock) {
	c := &clock{time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	return signing.New(signing.Config{Directory: dir, Kind: "key", Issuer: "https://pool.example.com", Every: 24 * time.Hour, Keep: 2 * time.Hour, Now: c.now}), c
}

func claims() map[string]any { return map[string]any{"sub": "anna", "aud": "app"} }

// stored is the private key that a directory has.
func stored(t testing.TB, dir auth.Directory) (*rsa.PrivateKey, string) {
	t.Helper()
	for r, err := range dir.Scan(t.Context(), "key", "") {
		require.NoError(t, err)
		var in struct {
			ID      string
			Private []byte
		}
		require.NoError(t, json.Unmarshal(r.Value, &in))
		k, err := x509.ParsePKCS8PrivateKey(in.Private)
		require.NoError(t, err)
		return k.(*rsa.PrivateKey), in.ID
	}
	require.FailNow(t, "there is no key")
	return nil, ""
}

func TestSignAndVerify(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), auth.NewMemory()
	r, c := open(dir)
	other, _ := open(dir) // another hub
	token, err := r.Sign(ctx, map[string]any{"sub": "anna", "aud": []string{"a", "b"}, "iss": "evil", "exp": 1, "x": 7}, time.Hour)
	require.NoError(t, err)
	got, err := other.Verify(ctx, token)
	require.NoError(t, err)
	require.Equal(t, "https://pool.example.com", got.Issuer, "what is the ring's is not the caller's")
	require.Equal(t, "anna", got.Subject)
	require.Equal(t, []string{"a", "b"}, got.Audience)
	require.Equal(t, c.t, got.Issued)
	require.Equal(t, c.t.Add(time.Hour), got.Expires)
	require.InDelta(t, 7, got.Claims["x"], 0)

	// The next day there is another key, and the first is still known.
	c.t = c.t.Add(13 * time.Hour)
	_, err = r.Verify(ctx, token)
	require.ErrorIs(t, err, auth.ErrTokenExpired)
	next, err := r.Sign(ctx, claims(), time.Hour)
	require.NoError(t, err)
	keys, err := r.Keys(ctx)
	require.NoError(t, err)
	require.Len(t, keys.Keys, 2)
	for _, k := range keys.Keys {
		require.True(t, k.IsPublic())
		require.Equal(t, "sig", k.Use)
	}
	_, err = r.Verify(ctx, next)
	require.NoError(t, err)
	// And goes when no token of it can be alive.
	c.t = c.t.Add(48 * time.Hour)
	_, err = r.Sign(ctx, claims(), time.Hour)
	require.NoError(t, err)
	keys, err = r.Keys(ctx)
	require.NoError(t, err)
	require.Len(t, keys.Keys, 1)
	_, err = r.Verify(ctx, token)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	require.NotErrorIs(t, err, auth.ErrTokenExpired)
}

func TestForgedTokens(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), auth.NewMemory()
	r, c := open(dir)
	good, err := r.Sign(ctx, claims(), time.Hour)
	require.NoError(t, err)
	private, id := stored(t, dir)
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	b64 := base64.RawURLEncoding.EncodeToString
	full := map[string]any{"iss": "https://pool.example.com", "sub": "anna", "aud": "app", "iat": c.t.Unix(), "exp": c.t.Add(time.Hour).Unix()}
	with := func(name string, v any) map[string]any {
		all := map[string]any{}
		for k, c := range full {
			all[k] = c
		}
		if all[name] = v; v == nil {
			delete(all, name)
		}
		return all
	}
	sign := func(alg jose.SignatureAlgorithm, key any, kid string, header map[jose.HeaderKey]any, claims any) string {
		o := &jose.SignerOptions{ExtraHeaders: header}
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, o)
		require.NoError(t, err)
		payload, err := json.Marshal(claims)
		require.NoError(t, err)
		signed, err := s.Sign(payload)
		require.NoError(t, err)
		token, err := signed.CompactSerialize()
		require.NoError(t, err)
		return token
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	confused := b64([]byte(`{"alg":"HS256","kid":"`+id+`"}`)) + "." + strings.Split(good, ".")[1]
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(confused))
	require.NoError(t, func() error {
		_, err := r.Verify(ctx, sign(jose.RS256, private, id, nil, full))
		return err
	}(), "what is signed right is good")
	embedded := map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: &foreign.PublicKey, KeyID: id}}
	for name, token := range map[string]string{
		"empty":                  "",
		"two parts":              "a.b",
		"three parts of nothing": "a.b.c",
		"too long":               good + strings.Repeat("A", 20_000),
		"truncated":              good[:len(good)-1],
		"without signature":      good[:strings.LastIndexByte(good, '.')+1],
		"alg none":               b64([]byte(`{"alg":"none","kid":"`+id+`"}`)) + "." + strings.Split(good, ".")[1] + ".",
		"alg None":               b64([]byte(`{"alg":"None","kid":"`+id+`"}`)) + "." + strings.Split(good, ".")[1] + ".",
		"HS256 with the key":     confused + "." + b64(mac.Sum(nil)),
		"RS512":                  sign(jose.RS512, private, id, nil, full),
		"PS256":                  sign(jose.PS256, private, id, nil, full),
		"another key":            sign(jose.RS256, foreign, id, nil, full),
		"a key in the header":    sign(jose.RS256, foreign, id, embedded, full),
		"an address of a key":    sign(jose.RS256, foreign, id, map[jose.HeaderKey]any{"jku": "https://evil.example.com/keys"}, full),
		"an address of a chain":  sign(jose.RS256, foreign, id, map[jose.HeaderKey]any{"x5u": "https://evil.example.com/chain"}, full),
		"an unknown crit":        sign(jose.RS256, private, id, map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}, full),
		"no kid":                 sign(jose.RS256, private, "", nil, full),
		"a kid that is a path":   sign(jose.RS256, private, "../../etc/passwd", nil, full),
		"a kid of no key":        sign(jose.RS256, private, "00000001."+strings.Split(id, ".")[1], nil, full),
		"a kid of the period":    sign(jose.RS256, private, strings.Split(id, ".")[0]+".0000000000000000", nil, full),
		"a kid with a NUL":       sign(jose.RS256, private, id+"\x00", nil, full),
		"another issuer":         sign(jose.RS256, private, id, nil, with("iss", "https://evil.example.com")),
		"an issuer with a slash": sign(jose.RS256, private, id, nil, with("iss", "https://pool.example.com/")),
		"no issuer":              sign(jose.RS256, private, id, nil, with("iss", nil)),
		"no exp":                 sign(jose.RS256, private, id, nil, with("exp", nil)),
		"a text as exp":          sign(jose.RS256, private, id, nil, with("exp", "9999999999")),
		"a huge exp":             sign(jose.RS256, private, id, nil, with("exp", 1e300)),
		"no iat":                 sign(jose.RS256, private, id, nil, with("iat", nil)),
		"no sub":                 sign(jose.RS256, private, id, nil, with("sub", nil)),
		"an empty sub":           sign(jose.RS256, private, id, nil, with("sub", "")),
		"a number as sub":        sign(jose.RS256, private, id, nil, with("sub", 1)),
		"no aud":                 sign(jose.RS256, private, id, nil, with("aud", nil)),
		"a list of numbers":      sign(jose.RS256, private, id, nil, with("aud", []int{1})),
		"claims that are none":   sign(jose.RS256, private, id, nil, []int{1}),
		"JSON of a signature":    `{"payload":"","signatures":[]}`,
	} {
		_, err := r.Verify(ctx, token)
		require.ErrorIs(t, err, auth.ErrBadCredentials, name)
		require.NotErrorIs(t, err, auth.ErrTokenExpired, name)
	}
	_, err = r.Verify(ctx, sign(jose.RS256, private, id, nil, with("exp", c.t.Unix())))
	require.ErrorIs(t, err, auth.ErrTokenExpired)
}

// Hubs that start at once agree on one key.
func TestKeysAtOnce(t *testing.T) {
	t.Parallel()
	dir := auth.NewMemory()
	tokens := make([]string, 4)
	var wg sync.WaitGroup
	for i := range tokens {
		wg.Go(func() {
			r, _ := open(dir)
			token, err := r.Sign(t.Context(), claims(), time.Hour)
			if err != nil {
				t.Error(err)
			}
			tokens[i] = token
		})
	}
	wg.Wait()
	r, _ := open(dir)
	for _, token := range tokens {
		_, err := r.Verify(t.Context(), token)
		require.NoError(t, err)
	}
	keys, err := r.Keys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys.Keys, 1)
}

// broken is a directory that fails when it is told to.
type broken struct {
	auth.Directory
	fails bool
}

var errBroken = errors.New("broken")

func (b *broken) Get(ctx context.Context, key string) (auth.Record, error) {
	if b.fails {
		return auth.Record{}, errBroken
	}
	return b.Directory.Get(ctx, key)
}

func TestBrokenDirectory(t *testing.T) {
	t.Parallel()
	b := &broken{Directory: auth.NewMemory()}
	r, _ := open(b)
	token, err := r.Sign(t.Context(), claims(), time.Hour)
	require.NoError(t, err)
	fresh, _ := open(b)
	b.fails = true
	_, err = fresh.Sign(t.Context(), claims(), time.Hour)
	require.ErrorIs(t, err, errBroken)
	_, err = fresh.Verify(t.Context(), token)
	require.ErrorIs(t, err, errBroken)
	require.NotErrorIs(t, err, auth.ErrBadCredentials, "nobody can tell")
	w := httptest.NewRecorder()
	fresh.Handler("").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/jwks.json", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
}

func TestHandler(t *testing.T) {
	t.Parallel()
	r, _ := open(auth.NewMemory())
	h := r.Handler("https://hub.example.com/pools")
	for _, c := range []struct {
		method, path string
		status       int
		has          string
	}{
		{http.MethodGet, "/pools/.well-known/openid-configuration", 200, `"jwks_uri":"https://hub.example.com/pools/.well-known/jwks.json"`},
		{http.MethodGet, "/.well-known/jwks.json", 200, `"kty":"RSA"`},
		{http.MethodGet, "/.well-known/jwks_uri", 200, `"kty":"RSA"`},
		{http.MethodPost, "/.well-known/jwks.json", 405, "GET"},
		{http.MethodGet, "/", 404, ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		require.Equal(t, c.status, w.Code, c.path)
		require.Contains(t, w.Body.String(), c.has)
		require.NotContains(t, w.Body.String(), `"d":`, "no private key leaves")
	}
}

func FuzzVerify(f *testing.F) {
	dir := auth.NewMemory()
	r, _ := open(dir)
	good, err := r.Sign(f.Context(), claims(), time.Hour)
	require.NoError(f, err)
	parts := strings.Split(good, ".")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0." + parts[1] + ".")
	f.Add(parts[0] + ".e30." + parts[2])
	f.Fuzz(func(t *testing.T, token string) {
		_, err := r.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrBadCredentials)
	})
}

func BenchmarkVerify(b *testing.B) {
	r, _ := open(auth.NewMemory())
	token, err := r.Sign(b.Context(), claims(), time.Hour)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
