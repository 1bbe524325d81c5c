package userpool_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

// forge signs a token with whatever it is given.
func forge(t testing.TB, key any, header, claims map[string]any) string {
	t.Helper()
	h, err := json.Marshal(header)
	require.NoError(t, err)
	c, err := json.Marshal(claims)
	require.NoError(t, err)
	text := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
	sum := sha256.Sum256([]byte(text))
	var sig []byte
	switch k := key.(type) {
	case *rsa.PrivateKey:
		sig, err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
		require.NoError(t, err)
	case []byte:
		m := hmac.New(sha256.New, k)
		m.Write([]byte(text))
		sig = m.Sum(nil)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func TestForgedTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	r.user("bob")
	got := r.login("alice")
	good, key := claims(t, got.IDToken), func() *rsa.PrivateKey { k, _ := userpool.SigningKey(r.Service, poolID); return k }()
	_, kid := userpool.SigningKey(r.Service, poolID)
	foreign := userpool.GenerateKey()
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	pemmed := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	head := func(pairs ...any) map[string]any {
		h := map[string]any{"alg": "RS256", "kid": kid}
		for i := 0; i < len(pairs); i += 2 {
			if h[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
				delete(h, pairs[i].(string))
			}
		}
		return h
	}
	with := func(pairs ...any) map[string]any {
		c := maps.Clone(good)
		for i := 0; i < len(pairs); i += 2 {
			if c[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
				delete(c, pairs[i].(string))
			}
		}
		return c
	}
	v := r.Pool(poolID)
	_, err = v.Verify(r.ctx, forge(t, key, head(), good))
	require.NoError(t, err, "forge makes good tokens if it has the key")
	_, err = v.Verify(r.ctx, forge(t, key, head("typ", "JWT"), good))
	require.NoError(t, err)
	bob := claims(t, r.login("bob").IDToken)
	parts := strings.Split(got.IDToken, ".")
	issuer := r.IssuerOf(poolID)
	for name, token := range map[string]string{
		"empty": "", "dots": "..", "no signature": parts[0] + "." + parts[1] + ".", "two parts": parts[0] + "." + parts[1],
		"truncated": got.IDToken[:len(got.IDToken)-1], "longer": got.IDToken + "A", "another signature": parts[0] + "." + parts[1] + "." + strings.Split(got.AccessToken, ".")[2],
		"a space": " " + got.IDToken, "access": got.AccessToken, "refresh": got.RefreshToken, "huge": strings.Repeat("a", 100_000),
		"none":                  forge(t, nil, head("alg", "none"), good),
		"None":                  forge(t, nil, head("alg", "None"), good),
		"no alg":                forge(t, key, head("alg", nil), good),
		"hs256 with public key": forge(t, public, head("alg", "HS256"), good),
		"hs256 with pem":        forge(t, pemmed, head("alg", "HS256"), good),
		"hs256 with modulus":    forge(t, key.N.Bytes(), head("alg", "HS256"), good),
		"rs384":                 forge(t, key, head("alg", "RS384"), good),
		"ps256":                 forge(t, key, head("alg", "PS256"), good),
		"foreign key":           forge(t, foreign, head(), good),
		"no kid":                forge(t, key, head("kid", nil), good),
		"kid is a path":         forge(t, []byte{}, head("alg", "HS256", "kid", "../../../../dev/null"), good),
		"kid is a path, rsa":    forge(t, foreign, head("kid", "../../../../dev/null"), good),
		"kid is a number":       forge(t, key, head("kid", 1), good),
		"jku":                   forge(t, foreign, head("jku", "https://evil.example/jwks.json"), good),
		"jku with our key":      forge(t, key, head("jku", "https://evil.example/jwks.json"), good),
		"x5u":                   forge(t, foreign, head("x5u", "https://evil.example/cert.pem"), good),
		"jwk":                   forge(t, foreign, head("jwk", map[string]any{"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(foreign.N.Bytes()), "e": "AQAB"}), good),
		"crit":                  forge(t, key, head("crit", []string{"exp"}), good),
		"crit unknown":          forge(t, key, head("crit", []string{"x-none"}, "x-none", true), good),
		"b64 false":             forge(t, key, head("crit", []string{"b64"}, "b64", false), good),
		"no exp":                forge(t, key, head(), with("exp", nil)),
		"exp is text":           forge(t, key, head(), with("exp", "9999999999")),
		"exp is huge":           forge(t, key, head(), with("exp", 1e300)),
		"exp is null":           forge(t, key, head(), with("exp", json.RawMessage("null"))),
		"exp is negative":       forge(t, key, head(), with("exp", -1)),
		"no iat":                forge(t, key, head(), with("iat", nil)),
		"from the future":       forge(t, key, head(), with("iat", noon.Add(2*time.Minute).Unix())),
		"issuer with a slash":   forge(t, key, head(), with("iss", issuer+"/")),
		"issuer in capitals":    forge(t, key, head(), with("iss", strings.ToUpper(issuer))),
		"issuer without scheme": forge(t, key, head(), with("iss", strings.TrimPrefix(issuer, "https://"))),
		"another pool":          forge(t, key, head(), with("iss", r.IssuerOf("eu-central-1_Other"))),
		"issuer is a list":      forge(t, key, head(), with("iss", []string{issuer})),
		"no token_use":          forge(t, key, head(), with("token_use", nil)),
		"access by its use":     forge(t, key, head(), with("token_use", "access")),
		"no aud":                forge(t, key, head(), with("aud", nil)),
		"aud is a list":         forge(t, key, head(), with("aud", []string{appID})),
		"another client":        forge(t, key, head(), with("aud", secretID)),
		"no client":             forge(t, key, head(), with("aud", "nobody")),
		"another sub":           forge(t, key, head(), with("sub", bob["sub"])),
		"another's login":       forge(t, key, head(), with("origin_jti", bob["origin_jti"])),
		"no login":              forge(t, key, head(), with("origin_jti", nil)),
		"no sub":                forge(t, key, head(), with("sub", nil)),
	} {
		_, err := v.Verify(r.ctx, token)
		require.ErrorIs(t, err, auth.ErrBadCredentials, name)
		require.NotErrorIs(t, err, auth.ErrTokenExpired, name)
		_, err = r.GetUser(r.ctx, userpool.AccessInput{AccessToken: token})
		if name != "access" {
			is(t, err, userpool.ErrNotAuthorized)
		}
	}
	for name, token := range map[string]string{
		"id": got.IDToken, "without the scope": forge(t, key, head(), mapsWith(claims(t, got.AccessToken), "scope", "openid")),
		"with aud alone": forge(t, key, head(), mapsWith(claims(t, got.AccessToken), "client_id", nil, "aud", appID)),
	} {
		_, err := r.GetUser(r.ctx, userpool.AccessInput{AccessToken: token})
		is(t, err, userpool.ErrNotAuthorized)
		require.Error(t, err, name)
	}
	_, err = r.Pool("eu-central-1_Other").Verify(r.ctx, got.IDToken)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
	_, err = r.Pool("../x").Verify(r.ctx, got.IDToken)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
}

func mapsWith(c map[string]any, pairs ...any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		if c[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(c, pairs[i].(string))
		}
	}
	return c
}
