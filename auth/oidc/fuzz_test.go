package oidc_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
)

// Any text is refused that the issuer has not signed, with an error of one of the kinds
// that are documented.
func FuzzVerify(f *testing.F) {
	token := jwt(object{"alg": "EdDSA", "kid": "d1"}, good(), edKey)
	f.Add(token)
	f.Add("")
	f.Add("..")
	f.Add(jwt(object{"alg": "none"}, good(), nil))
	f.Add(jwt(object{"alg": "HS256", "kid": "r1"}, good(), publicPEM(rsaKey.Public())))
	f.Add(jwt(with(rs256, "jwk", object{"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "x5c", []string{"AA=="}), good(), rsaKey))
	f.Add(token[:len(token)-4])
	p := static(f)
	f.Fuzz(func(t *testing.T, text string) {
		p.Recognises(text)
		got, err := p.Verify(t.Context(), text)
		if err == nil { // there is one that counts, in several spellings of its last letter
			require.Equal(t, token[:strings.LastIndex(token, ".")], text[:strings.LastIndex(text, ".")])
			require.Equal(t, "alice", got.Subject)
			return
		}
		require.ErrorIs(t, err, auth.ErrBadCredentials)
		require.NotErrorIs(t, err, auth.ErrTokenExpired)
		require.Nil(t, got)
	})
}

// Whatever the issuer has signed as claims is a token that is right in all that matters, or
// an error.
func FuzzClaims(f *testing.F) {
	for _, c := range []string{
		string(asJSON(good())), `{}`, `null`, `[]`, `1`, `{"iss":"https://issuer.test","sub":"a","aud":["hub"],"exp":1e12}`,
		`{"iss":"https://issuer.test","sub":"a","aud":{"hub":1},"exp":"1"}`, `{"iss":null,"exp":1e-400,"aud":[[]]}`, `{"iss":"https://issuer.test","iss":"x"}`,
		`{"_claim_names":{"a":"b"},"_claim_sources":{"b":{"endpoint":"http://127.0.0.1:1/"}}}`,
	} {
		f.Add([]byte(c), uint8(0))
	}
	var providers []*oidc.Provider
	for _, use := range []oidc.Use{oidc.IDTokens, oidc.AccessTokens, oidc.AnyTokens} {
		providers = append(providers, static(f, func(c *oidc.Config) { c.Use = use }))
	}
	f.Fuzz(func(t *testing.T, claims []byte, use uint8) {
		p := providers[int(use)%len(providers)]
		got, err := p.Verify(t.Context(), rawJWT(asJSON(object{"alg": "EdDSA", "kid": "d1"}), claims, edKey))
		if err != nil {
			require.True(t, errors.Is(err, auth.ErrBadCredentials), "%v", err)
			return
		}
		require.Equal(t, issuerName, got.Issuer)
		require.Equal(t, issuerName, got.Claims["iss"])
		require.NotEmpty(t, got.Subject)
		require.Contains(t, got.Audience, "hub")
		require.True(t, got.Expires.Add(time.Minute).After(epoch))
		require.IsType(t, float64(0), got.Claims["exp"])
	})
}

// Any text is a key set or an error.
func FuzzKeysJSON(f *testing.F) {
	is := &issuer{}
	is.keys("r1", rsaKey, "e1", ecKey, "d1", edKey)
	f.Add(asJSON(is.set))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AA"},null,3,{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"OKP","crv":"Ed25519","x":"AA"},{"kty":"RSA","n":"AA","e":""}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, set []byte) {
		p, err := oidc.New(oidc.Config{Issuer: issuerName, Audiences: []string{"hub"}, KeysJSON: set, Keys: []oidc.Key{{ID: "d2", PEM: publicPEM(edKey.Public())}}, Now: clock})
		if err != nil {
			require.ErrorContains(t, err, "oidc: Config.KeysJSON is ")
			return
		}
		_, err = p.Verify(t.Context(), jwt(object{"alg": "EdDSA", "kid": "d2"}, good(), edKey))
		require.NoError(t, err, "a key that was given counts, whatever else there is")
		_, err = p.Verify(t.Context(), jwt(rs256, good(), otherRSA))
		require.ErrorIs(t, err, auth.ErrBadCredentials)
	})
}
