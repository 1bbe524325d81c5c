package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/oidc"
)

// Keys of the tests, made once.
var (
	rsaKey, otherRSA = newRSA(2048), newRSA(2048)
	ecKey            = newEC(elliptic.P256())
	edKey            = newEd()
)

func newRSA(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return k
}

func newEC(c elliptic.Curve) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

// newEd is the same key in every process, so that all that fuzz see the same tokens.
func newEd() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func asJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// rawJWT signs whatever stands in header and payload, by RFC 7515 and without a library.
func rawJWT(header, payload []byte, key any) string {
	input := b64(header) + "." + b64(payload)
	sum := sha256.Sum256([]byte(input))
	var sig []byte
	var err error
	switch k := key.(type) {
	case *rsa.PrivateKey:
		sig, err = rsa.SignPKCS1v15(nil, k, crypto.SHA256, sum[:])
	case pss:
		sig, err = rsa.SignPSS(rand.Reader, k.key, crypto.SHA256, sum[:], nil)
	case *ecdsa.PrivateKey:
		digest, n := sum[:], 32
		if k.Curve == elliptic.P384() {
			s := sha512.Sum384([]byte(input))
			digest, n = s[:], 48
		}
		r, s, e := ecdsa.Sign(rand.Reader, k, digest)
		err = e
		sig = append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	case ed25519.PrivateKey:
		sig = ed25519.Sign(k, []byte(input))
	case []byte: // HS256
		m := hmac.New(sha256.New, k)
		m.Write([]byte(input))
		sig = m.Sum(nil)
	case nil:
	}
	if err != nil {
		panic(err)
	}
	return input + "." + b64(sig)
}

type pss struct{ key *rsa.PrivateKey }

type object = map[string]any

// with returns a copy of o with changes; nil deletes.
func with(o object, pairs ...any) object {
	o = maps.Clone(o)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(o, pairs[i].(string))
			continue
		}
		o[pairs[i].(string)] = pairs[i+1]
	}
	return o
}

// null is JSON's null, where with takes nil for deletion.
var null = json.RawMessage("null")

const issuerName = "https://issuer.test"

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return epoch }

// good are the claims of a token that counts.
func good() object {
	return object{"iss": issuerName, "sub": "alice", "aud": "hub", "iat": epoch.Unix(), "exp": epoch.Add(time.Hour).Unix()}
}

var rs256 = object{"alg": "RS256", "kid": "r1", "typ": "JWT"}

func jwt(header, claims object, key any) string { return rawJWT(asJSON(header), asJSON(claims), key) }

func publicPEM(key crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// static is a Provider whose keys are given.
func static(t testing.TB, change ...func(*oidc.Config)) *oidc.Provider {
	t.Helper()
	cfg := oidc.Config{
		Issuer: issuerName, Audiences: []string{"hub"}, Now: clock,
		Keys: []oidc.Key{{ID: "r1", PEM: publicPEM(rsaKey.Public())}, {ID: "e1", PEM: publicPEM(ecKey.Public())}, {ID: "d1", PEM: publicPEM(edKey.Public())}},
	}
	for _, c := range change {
		c(&cfg)
	}
	p, err := oidc.New(cfg)
	require.NoError(t, err)
	return p
}

// An issuer is an OpenID Connect issuer as far as keys go: it has a server of its own and
// answers as it is told.
type issuer struct {
	*httptest.Server
	mu       sync.Mutex
	set      jose.JSONWebKeySet
	broken   func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	metadata object
	asked    map[string]int
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	is := &issuer{asked: map[string]int{}}
	is.Server = httptest.NewServer(is)
	t.Cleanup(is.Close)
	is.metadata = object{
		"issuer": is.URL, "jwks_uri": is.URL + "/keys", "authorization_endpoint": is.URL + "/authorize", "token_endpoint": is.URL + "/token",
		"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
	}
	is.keys("r1", rsaKey)
	return is
}

// keys are those that it publishes from now on: ids and private keys in turn.
func (is *issuer) keys(pairs ...any) {
	var set jose.JSONWebKeySet
	for i := 0; i < len(pairs); i += 2 {
		set.Keys = append(set.Keys, jose.JSONWebKey{KeyID: pairs[i].(string), Key: pairs[i+1].(crypto.Signer).Public(), Use: "sig"})
	}
	is.mu.Lock()
	defer is.mu.Unlock()
	is.set = set
}

func (is *issuer) breaks(f func(w http.ResponseWriter, r *http.Request) bool) {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.broken = f
}

func (is *issuer) count(path string) int {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.asked[path]
}

func (is *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	is.mu.Lock()
	broken, set, metadata := is.broken, is.set, is.metadata
	is.asked[r.URL.Path]++
	is.mu.Unlock()
	if broken != nil && broken(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_, _ = w.Write(asJSON(metadata))
	case "/keys":
		_, _ = w.Write(asJSON(set))
	default:
		http.NotFound(w, r)
	}
}
