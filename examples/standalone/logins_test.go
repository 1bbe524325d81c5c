package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/examples/internal/programtest"
)

type claims = map[string]any

func changed(c claims, pairs ...any) claims {
	c = maps.Clone(c)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(c, pairs[i].(string))
			continue
		}
		c[pairs[i].(string)] = pairs[i+1]
	}
	return c
}

// openssl runs OpenSSL in a folder.
func openssl(t *testing.T, dir string, input []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(input), &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "openssl %s: %s", strings.Join(args, " "), stderr.String())
	return out
}

// sign makes a token with OpenSSL: with an RSA key in a file, or a secret.
func sign(t *testing.T, dir string, header, payload claims, how ...string) string {
	t.Helper()
	part := func(v claims) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := part(header) + "." + part(payload)
	if how == nil {
		return input + "."
	}
	sum := openssl(t, dir, []byte(input), append([]string{"dgst", "-sha256", "-binary"}, how...)...)
	return input + "." + base64.RawURLEncoding.EncodeToString(sum)
}

const mayDo = `"policies": {
	"own": { "Version": "2012-10-17", "Statement": [ { "Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:local:123456789012:client/x" } ] },
	"other": { "Version": "2012-10-17", "Statement": [ { "Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:local:123456789012:client/y" } ] },
	"web": { "Version": "2012-10-17", "Statement": [ { "Effect": "Allow", "Action": "iot:*", "Resource": "*" } ] } }`

// TestJWT lets clients in with tokens that somebody signs whose public key is in a file,
// and tries all that must not do.
func TestJWT(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"old", "new", "evil"} {
		openssl(t, dir, nil, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", name+".key")
		openssl(t, dir, nil, "pkey", "-in", name+".key", "-pubout", "-out", name+".pub")
	}
	config := filepath.Join(dir, "hub.json")
	entry := func(kid, file string) string {
		return `{ "userName": "jwt", "issuer": "https://issuer.test", "audience": "hub", "keyFile": "` + file + `", "keyID": "` + kid + `", "policies": ["own"] }`
	}
	require.NoError(t, os.WriteFile(config, []byte(`{
		"account": "123456789012", "region": "local", `+mayDo+`,
		"users": [ { "name": "alice", "password": "alice-pw", "policies": ["other"] } ],
		"jwt": [ `+entry("k1", "old.pub")+`, `+entry("k2", "new.pub")+`,
			{ "userName": "app", "issuer": "https://app.test", "audience": "hub", "keyFile": "new.pub", "policies": ["web"] } ]
	}`), 0o600))
	p := programtest.Start(t, "-config", config, "-mqtt", "127.0.0.1:0", "-http", "127.0.0.1:0")
	addr, web := p.Line(t, "listening mqtt "), p.Line(t, "listening http ")

	now := time.Now().Unix()
	good := claims{"iss": "https://issuer.test", "sub": "bob", "aud": "hub", "iat": now, "exp": now + 600}
	header := claims{"alg": "RS256", "typ": "JWT", "kid": "k1"}
	rsa := func(h, c claims) string { return sign(t, dir, h, c, "-sign", "old.key") }
	public, err := os.ReadFile(filepath.Join(dir, "old.pub"))
	require.NoError(t, err)
	hmac := []string{"-mac", "HMAC", "-macopt", "hexkey:" + fmt.Sprintf("%x", public)}
	const bad = broker.BadUserNameOrPassword
	for _, c := range []struct {
		name, user, token string
		want              broker.ReasonCode
	}{
		{"good", "jwt", rsa(header, good), broker.Success},
		{"with the version of an SDK", "jwt?SDK=x", rsa(header, good), broker.Success},
		{"second key", "jwt", sign(t, dir, changed(header, "kid", "k2"), good, "-sign", "new.key"), broker.Success},
		{"alice is a user", "jwt", rsa(header, changed(good, "sub", "alice")), broker.NotAuthorized},
		{"other user name", "alice", rsa(header, good), bad},
		{"password", "jwt", "alice-pw", bad},
		{"nothing", "jwt", "", bad},
		{"of the other entry", "app", rsa(header, good), bad},
		{"alg none", "jwt", sign(t, dir, changed(header, "alg", "none"), good), bad},
		{"HS256 with the RSA public key", "jwt", sign(t, dir, changed(header, "alg", "HS256"), good, hmac...), bad},
		{"another's key", "jwt", sign(t, dir, header, good, "-sign", "evil.key"), bad},
		{"kid as a path", "jwt", sign(t, dir, changed(header, "kid", filepath.Join(dir, "evil.pub")), good, "-sign", "evil.key"), bad},
		{"jku", "jwt", sign(t, dir, changed(header, "kid", "evil", "jku", "http://"+web+"/evil.json"), good, "-sign", "evil.key"), bad},
		{"x5u", "jwt", sign(t, dir, changed(header, "kid", "evil", "x5u", "http://"+web+"/evil.pem"), good, "-sign", "evil.key"), bad},
		{"crit", "jwt", rsa(changed(header, "crit", []string{"x"}, "x", 1), good), bad},
		{"no exp", "jwt", rsa(header, changed(good, "exp", nil)), bad},
		{"exp a text", "jwt", rsa(header, changed(good, "exp", fmt.Sprint(now+600))), bad},
		{"expired", "jwt", rsa(header, changed(good, "exp", now-120)), bad},
		{"not yet", "jwt", rsa(header, changed(good, "nbf", now+600)), bad},
		{"issuer with trailing slash", "jwt", rsa(header, changed(good, "iss", "https://issuer.test/")), bad},
		{"other audience", "jwt", rsa(header, changed(good, "aud", "other")), bad},
		{"access token", "jwt", rsa(header, changed(good, "token_use", "access")), bad},
		{"access token, RFC 9068", "jwt", rsa(changed(header, "typ", "at+jwt"), good), bad},
		{"no sub", "jwt", rsa(header, changed(good, "sub", nil)), bad},
		{"name of a certificate", "jwt", rsa(header, changed(good, "sub", strings.Repeat("a", 64))), broker.NotAuthorized},
	} {
		require.Equal(t, c.want, login(t, addr, c.user, c.token), c.name)
	}

	for _, c := range []struct {
		name, token string
		want        int
	}{
		{"app", sign(t, dir, claims{"alg": "RS256"}, changed(good, "iss", "https://app.test"), "-sign", "new.key"), 200},
		{"bob may not publish", rsa(header, good), 403},
		{"forged", sign(t, dir, header, good, "-sign", "evil.key"), 401},
		{"nobody", "x", 401},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+web+"/topics/a?qos=1", http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+c.token)
		a, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, a.Body.Close())
		require.Equal(t, c.want, a.StatusCode, c.name)
	}
}

// TestOIDC lets clients in with ID tokens of an issuer that is discovered.
func TestOIDC(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	var issuer *httptest.Server
	issuer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_, _ = fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, issuer.URL, issuer.URL+"/keys")
		case "/keys":
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "e1", Key: key.Public(), Use: "sig"}}})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(issuer.Close)
	config := write(t, "hub.json", `{ "account": "123456789012", "region": "local", `+mayDo+`,
		"oidc": [ { "name": "corp", "issuer": "`+issuer.URL+`", "clientID": "hub", "authenticatedPolicies": ["own"] },
			{ "name": "away", "issuer": "http://127.0.0.1:1", "clientID": "hub" } ] }`)
	p := programtest.Start(t, "-config", config, "-mqtt", "127.0.0.1:0")
	addr := p.Line(t, "listening mqtt ")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{KeyID: "e1", Key: key}}, nil)
	require.NoError(t, err)
	token := func(pairs ...any) string {
		now := time.Now().Unix()
		text, err := json.Marshal(changed(claims{"iss": issuer.URL, "sub": "248289761001", "aud": []string{"hub"}, "iat": now, "exp": now + 600}, pairs...))
		require.NoError(t, err)
		signed, err := signer.Sign(text)
		require.NoError(t, err)
		compact, err := signed.CompactSerialize()
		require.NoError(t, err)
		return compact
	}
	for _, c := range []struct {
		name, user, token string
		want              broker.ReasonCode
	}{
		{"good", "corp", token(), broker.Success},
		{"for another client", "corp", token("aud", "other"), broker.BadUserNameOrPassword},
		{"authorized for another", "corp", token("azp", "other"), broker.BadUserNameOrPassword},
		{"issuer that is away", "away", token("iss", "http://127.0.0.1:1"), broker.ServerUnavailable},
	} {
		require.Equal(t, c.want, login(t, addr, c.user, c.token), c.name)
	}
	require.NotContains(t, p.Stderr(), "nobody can connect")
	require.NotContains(t, p.Stderr(), "all of them may do everything")
}
