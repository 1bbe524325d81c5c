package oidc_test

import (
	"crypto/elliptic"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	p := static(t)
	require.True(t, p.Immediate())
	for name, token := range map[string]string{
		"RS256":           jwt(rs256, good(), rsaKey),
		"ES256":           jwt(object{"alg": "ES256", "kid": "e1"}, good(), ecKey),
		"EdDSA":           jwt(object{"alg": "EdDSA", "kid": "d1"}, good(), edKey),
		"no kid, one key": jwt(object{"alg": "ES256"}, good(), ecKey),
	} {
		got, err := p.Verify(t.Context(), token)
		require.NoError(t, err, name)
		require.Equal(t, &auth.Token{
			Issuer: issuerName, Subject: "alice", Audience: []string{"hub"}, Issued: epoch, Expires: epoch.Add(time.Hour),
			Claims: map[string]any{"iss": issuerName, "sub": "alice", "aud": "hub", "iat": float64(epoch.Unix()), "exp": float64(epoch.Unix() + 3600)},
		}, got, name)
	}
}

// TestClaims changes one thing of a good token at a time.
func TestClaims(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) int64 { return epoch.Add(d).Unix() }
	for _, c := range []struct {
		name    string
		pairs   []any
		expects string // of the error; empty: none
	}{
		{"more claims", []any{"email", "a@b", "groups", []string{"x"}}, ""},
		{"several audiences and azp", []any{"aud", []string{"other", "hub"}, "azp", "hub"}, ""},
		{"several audiences without azp", []any{"aud", []string{"other", "hub"}}, "no azp"},
		{"azp of another", []any{"azp", "other"}, `azp is "other"`},
		{"azp no text", []any{"azp", 1}, "azp is"},
		{"azp null", []any{"azp", null}, "azp is"},
		{"list of one", []any{"aud", []string{"hub"}}, ""},
		{"aud of another", []any{"aud", "other"}, `aud is ["other"]`},
		{"aud in other letters", []any{"aud", "Hub"}, `aud is ["Hub"]`},
		{"aud missing", []any{"aud", nil}, "there is no aud"},
		{"aud empty", []any{"aud", []string{}}, "aud is []"},
		{"aud a number", []any{"aud", 1}, "idToken.aud"},
		{"aud a list of numbers", []any{"aud", []any{"hub", 1}}, "idToken.aud"},
		{"iss missing", []any{"iss", nil}, "there is no iss"},
		{"iss with trailing slash", []any{"iss", issuerName + "/"}, "iss is"},
		{"iss without scheme", []any{"iss", "issuer.test"}, "iss is"},
		{"iss in other letters", []any{"iss", "https://ISSUER.test"}, "iss is"},
		{"iss under another name", []any{"iss", nil, "ISS", issuerName}, "there is no iss"},
		{"sub missing", []any{"sub", nil}, "there is no sub"},
		{"sub empty", []any{"sub", ""}, "sub is"},
		{"sub a number", []any{"sub", 1}, "idToken.sub"},
		{"sub with zero byte", []any{"sub", "a\x00b"}, "sub is"},
		{"sub too long", []any{"sub", strings.Repeat("x", 1025)}, "sub is"},
		{"exp missing", []any{"exp", nil}, "there is no exp"},
		{"exp a text", []any{"exp", fmt.Sprint(at(time.Hour))}, "exp is a text"},
		{"exp null", []any{"exp", null}, "failed to unmarshal claims"},
		{"exp negative", []any{"exp", -1}, "exp is -1"},
		{"exp far beyond", []any{"exp", 1e300}, "exp is 1e+300"},
		{"exp with a fraction", []any{"exp", float64(at(time.Hour)) + .5}, ""},
		{"exp within skew", []any{"exp", at(-59 * time.Second)}, ""},
		{"exp at the end of skew", []any{"exp", at(-60 * time.Second)}, "expired"},
		{"exp long ago", []any{"exp", at(-time.Hour)}, "expired"},
		{"iat missing", []any{"iat", nil}, ""},
		{"iat a text", []any{"iat", "now"}, "failed to unmarshal claims"},
		{"iat to come, within skew", []any{"iat", at(time.Minute)}, ""},
		{"iat to come", []any{"iat", at(61 * time.Second)}, "not yet"},
		{"nbf within skew", []any{"nbf", at(time.Minute)}, ""},
		{"nbf to come", []any{"nbf", at(2 * time.Minute)}, "not yet"},
		{"nbf a text", []any{"nbf", "x"}, "failed to unmarshal claims"},
		{"token_use id", []any{"token_use", "id"}, ""},
		{"access token of a user pool", []any{"token_use", "access"}, `token_use is "access"`},
		{"token_use null", []any{"token_use", null}, "token_use is"},
		{"access token of Keycloak", []any{"typ", "Bearer"}, `typ is "Bearer"`},
		{"ID token of Keycloak", []any{"typ", "ID"}, ""},
		{"logout token", []any{"events", object{"http://schemas.openid.net/event/backchannel-logout": object{}}}, "events"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := static(t).Verify(t.Context(), jwt(rs256, with(good(), c.pairs...), rsaKey))
			if c.expects == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.expects)
			require.ErrorIs(t, err, auth.ErrBadCredentials)
			require.Equal(t, c.expects == "expired", isExpired(err), "%v", err)
		})
	}
}

// TestAttacks are tokens that somebody made who has no key of the issuer, or made others
// of tokens that have been signed.
func TestAttacks(t *testing.T) {
	t.Parallel()
	token := jwt(rs256, good(), rsaKey)
	parts := strings.Split(token, ".")
	rsaPEM := publicPEM(rsaKey.Public())
	theirs := object{"kty": "RSA", "kid": "evil", "n": b64(otherRSA.N.Bytes()), "e": "AQAB"}
	for name, bad := range map[string]string{
		"alg none":                              jwt(object{"alg": "none", "kid": "r1"}, good(), nil),
		"alg None":                              jwt(object{"alg": "None"}, good(), nil),
		"alg empty":                             jwt(object{"alg": ""}, good(), nil),
		"no alg":                                jwt(object{"kid": "r1"}, good(), rsaKey),
		"alg none, signature of another":        strings.Split(jwt(object{"alg": "none"}, good(), nil), ".")[0] + "." + parts[1] + "." + parts[2],
		"HS256 with the RSA public key":         jwt(object{"alg": "HS256", "kid": "r1"}, good(), rsaPEM),
		"HS256 with an empty key":               jwt(object{"alg": "HS256", "kid": "r1"}, good(), []byte{}),
		"RS256 header, HMAC signature":          jwt(rs256, good(), rsaPEM),
		"other key":                             jwt(rs256, good(), otherRSA),
		"kid as a path":                         jwt(with(rs256, "kid", "../../../../dev/null"), good(), otherRSA),
		"kid as a URL":                          jwt(with(rs256, "kid", "https://evil.test/key"), good(), otherRSA),
		"kid of another key":                    jwt(with(rs256, "kid", "e1"), good(), rsaKey),
		"kid unknown":                           jwt(with(rs256, "kid", "r2"), good(), rsaKey),
		"kid in other letters":                  jwt(with(rs256, "kid", "R1"), good(), rsaKey),
		"kid a number":                          jwt(with(rs256, "kid", 1), good(), rsaKey),
		"key in the header":                     jwt(object{"alg": "RS256", "jwk": theirs}, good(), otherRSA),
		"key in the header, kid":                jwt(object{"alg": "RS256", "kid": "evil", "jwk": theirs}, good(), otherRSA),
		"algorithm that is not in the list":     jwt(with(rs256, "alg", "PS256"), good(), pss{rsaKey}),
		"P-384 as ES256":                        jwt(object{"alg": "ES256", "kid": "e1"}, good(), newEC(elliptic.P384())),
		"crit":                                  jwt(with(rs256, "crit", []string{"exp"}), good(), rsaKey),
		"crit with its header":                  jwt(with(rs256, "crit", []string{"x"}, "x", 1), good(), rsaKey),
		"crit b64":                              jwt(with(rs256, "crit", []string{"b64"}, "b64", true), good(), rsaKey),
		"crit empty":                            jwt(with(rs256, "crit", []string{}), good(), rsaKey),
		"b64 false":                             jwt(with(rs256, "b64", false), good(), rsaKey),
		"at+jwt":                                jwt(with(rs256, "typ", "at+jwt"), good(), rsaKey),
		"logout+jwt":                            jwt(with(rs256, "typ", "logout+jwt"), good(), rsaKey),
		"typ no text":                           jwt(with(rs256, "typ", 1), good(), rsaKey),
		"claims of another token":               parts[0] + "." + b64(asJSON(with(good(), "sub", "bob"))) + "." + parts[2],
		"header of another token":               b64(asJSON(with(rs256, "x", 1))) + "." + parts[1] + "." + parts[2],
		"no signature":                          parts[0] + "." + parts[1] + ".",
		"two parts":                             parts[0] + "." + parts[1],
		"four parts":                            token + ".x",
		"encrypted form":                        token + ".x.y",
		"JSON form":                             `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"blank in front":                        " " + token,
		"line end behind":                       token + "\n",
		"zero byte behind":                      token + "\x00",
		"zero byte within":                      parts[0] + ".\x00" + parts[1] + "." + parts[2],
		"padding":                               parts[0] + "=." + parts[1] + "." + parts[2],
		"empty":                                 "",
		"dots":                                  "..",
		"payload no JSON":                       rawJWT(asJSON(rs256), []byte("alice"), rsaKey),
		"payload null":                          rawJWT(asJSON(rs256), []byte("null"), rsaKey),
		"payload a list":                        rawJWT(asJSON(rs256), []byte("[]"), rsaKey),
		"payload empty":                         rawJWT(asJSON(rs256), nil, rsaKey),
		"header no JSON":                        rawJWT([]byte("x"), asJSON(good()), rsaKey),
		"header null":                           rawJWT([]byte("null"), asJSON(good()), rsaKey),
		"header with alg twice":                 rawJWT([]byte(`{"alg":"none","alg":"RS256","kid":"r1"}`), asJSON(good()), rsaKey),
		"deep":                                  rawJWT(asJSON(rs256), []byte(strings.Repeat("[", 9000)+strings.Repeat("]", 9000)), rsaKey)[:16000],
		"longer than any":                       strings.Repeat("a", 16<<10) + ".b.c",
		"exp too large for any number":          rawJWT(asJSON(rs256), []byte(`{"iss":"`+issuerName+`","sub":"a","aud":"hub","exp":1e999}`), rsaKey),
		"distributed claims that are not there": jwt(rs256, with(good(), "_claim_names", object{"sub": "src"}), rsaKey),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := static(t).Verify(t.Context(), bad)
			require.ErrorIs(t, err, auth.ErrBadCredentials)
			require.False(t, isExpired(err))
			require.Nil(t, got)
			require.Less(t, len(err.Error()), 700)
			if len(bad) > 20 {
				require.NotContains(t, err.Error(), bad)
			}
		})
	}
}

// TestNoKeyIsFollowed: headers with addresses of keys are not looked at, whether the
// token is good or not.
func TestNoKeyIsFollowed(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	evil := newIssuer(t)
	evil.keys("r1", otherRSA, "evil", otherRSA)
	evil.breaks(func(http.ResponseWriter, *http.Request) bool { asked.Add(1); return false })
	is := newIssuer(t)
	p, err := oidc.New(oidc.Config{Issuer: is.URL, Audiences: []string{"hub"}, Now: clock})
	require.NoError(t, err)
	for _, kid := range []string{"r1", "evil", evil.URL + "/keys"} {
		for _, field := range []string{"jku", "x5u"} {
			claims := with(good(), "iss", is.URL)
			_, err = p.Verify(t.Context(), jwt(with(rs256, "kid", kid, field, evil.URL+"/keys"), claims, otherRSA))
			require.ErrorIs(t, err, auth.ErrBadCredentials)
			_, err = p.Verify(t.Context(), jwt(with(rs256, field, evil.URL+"/keys"), claims, rsaKey))
			require.NoError(t, err, "the key is the issuer's, whatever the header says")
		}
	}
	_, err = p.Verify(t.Context(), jwt(rs256, with(good(), "iss", evil.URL), otherRSA))
	require.ErrorIs(t, err, auth.ErrBadCredentials, "nor is the issuer that a token names")
	require.Zero(t, asked.Load())
}

// TestExpiredMeansGoodOnce: a token that is wrong otherwise is not called expired.
func TestExpiredMeansGoodOnce(t *testing.T) {
	t.Parallel()
	old := with(good(), "exp", epoch.Add(-time.Hour).Unix())
	p := static(t)
	_, err := p.Verify(t.Context(), jwt(rs256, old, rsaKey))
	require.True(t, isExpired(err))
	for name, token := range map[string]string{
		"signature": jwt(rs256, old, otherRSA), "audience": jwt(rs256, with(old, "aud", "x"), rsaKey),
		"issuer": jwt(rs256, with(old, "iss", "x"), rsaKey), "use": jwt(rs256, with(old, "token_use", "access"), rsaKey),
	} {
		_, err := p.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrBadCredentials, name)
		require.False(t, isExpired(err), name)
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	access := static(t, func(c *oidc.Config) { c.Use = oidc.AccessTokens })
	anything := static(t, func(c *oidc.Config) { c.Use = oidc.AnyTokens })
	for _, c := range []struct {
		name           string
		token          string
		id, access, as bool // counts for IDTokens, AccessTokens, AnyTokens
	}{
		{"plain", jwt(rs256, good(), rsaKey), true, false, true},
		{"RFC 9068", jwt(with(rs256, "typ", "at+jwt"), good(), rsaKey), false, true, true},
		{"RFC 9068, long", jwt(with(rs256, "typ", "application/at+JWT"), good(), rsaKey), false, true, true},
		{"user pool, ID", jwt(rs256, with(good(), "token_use", "id"), rsaKey), true, false, true},
		{"user pool, access", jwt(rs256, with(good(), "token_use", "access", "aud", nil, "client_id", "hub"), rsaKey), false, true, false},
		{"user pool, access for another", jwt(rs256, with(good(), "token_use", "access", "aud", nil, "client_id", "x"), rsaKey), false, false, false},
		{"Keycloak, access", jwt(rs256, with(good(), "typ", "Bearer"), rsaKey), false, true, true},
	} {
		for _, u := range []struct {
			p    *oidc.Provider
			want bool
		}{{static(t), c.id}, {access, c.access}, {anything, c.as}} {
			_, err := u.p.Verify(t.Context(), c.token)
			require.Equal(t, u.want, err == nil, "%s: %v", c.name, err)
		}
	}
}

func TestNonce(t *testing.T) {
	t.Parallel()
	p := static(t)
	token := jwt(rs256, with(good(), "nonce", "n-1"), rsaKey)
	_, err := p.Verify(t.Context(), token)
	require.NoError(t, err)
	_, err = p.VerifyNonce(t.Context(), token, "n-1")
	require.NoError(t, err)
	for _, nonce := range []string{"n-2", "", "n-"} {
		_, err = p.VerifyNonce(t.Context(), token, nonce)
		require.ErrorIs(t, err, auth.ErrBadCredentials)
	}
	_, err = p.VerifyNonce(t.Context(), jwt(rs256, good(), rsaKey), "")
	require.ErrorIs(t, err, auth.ErrBadCredentials, "none is not the same as none")
}

func TestParties(t *testing.T) {
	t.Parallel()
	two := with(good(), "aud", []string{"hub", "other"})
	for _, c := range []struct {
		parties []string
		claims  object
		want    bool
	}{
		{nil, with(two, "azp", "hub"), true},
		{nil, two, false},
		{[]string{"app"}, with(good(), "azp", "app"), true},
		{[]string{"app"}, with(good(), "azp", "hub"), false},
		{[]string{"app"}, two, true},
		{[]string{"*"}, with(two, "azp", "app"), true},
		{[]string{"*"}, two, true},
	} {
		_, err := static(t, func(o *oidc.Config) { o.AuthorizedParties = c.parties }).Verify(t.Context(), jwt(rs256, c.claims, rsaKey))
		require.Equal(t, c.want, err == nil, "%v %v: %v", c.parties, c.claims, err)
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	p := static(t, func(c *oidc.Config) { c.Aliases = []string{"issuer.test"} })
	token := jwt(rs256, with(good(), "iss", "issuer.test"), rsaKey)
	require.True(t, p.Recognises(token))
	got, err := p.Verify(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, issuerName, got.Issuer, "one subject has one name")
}

func TestRecognises(t *testing.T) {
	t.Parallel()
	p := static(t)
	for token, want := range map[string]bool{
		jwt(rs256, good(), otherRSA):                 true, // proves nothing
		jwt(rs256, with(good(), "iss", "x"), rsaKey): false,
		jwt(rs256, with(good(), "iss", 1), rsaKey):   false,
		jwt(rs256, with(good(), "iss", nil), rsaKey): false,
		rawJWT(asJSON(rs256), []byte("x"), rsaKey):   false,
		"":                                  false,
		"a.b":                               false,
		"a.b.c":                             false,
		strings.Repeat("a", 1<<20) + ".b.c": false,
	} {
		require.Equal(t, want, p.Recognises(token), "%.60s", token)
	}
}

func isExpired(err error) bool { return err != nil && errors.Is(err, auth.ErrTokenExpired) }
