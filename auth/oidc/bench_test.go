package oidc_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
)

// BenchmarkVerify is the price of a login with a token whose key is known.
func BenchmarkVerify(b *testing.B) {
	p := static(b)
	for _, bench := range []struct{ name, token string }{
		{"RS256", jwt(rs256, good(), rsaKey)},
		{"ES256", jwt(object{"alg": "ES256", "kid": "e1"}, good(), ecKey)},
		{"EdDSA", jwt(object{"alg": "EdDSA", "kid": "d1"}, good(), edKey)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Verify(b.Context(), bench.token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRefuse is what rubbish costs us.
func BenchmarkRefuse(b *testing.B) {
	p := static(b)
	for _, bench := range []struct{ name, token string }{
		{"forged", jwt(rs256, good(), otherRSA)},
		{"unknown key", jwt(with(rs256, "kid", "x"), good(), otherRSA)},
		{"alg none", jwt(object{"alg": "none"}, good(), nil)},
		{"no JWT", "secret"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := p.Verify(b.Context(), bench.token)
				require.Error(b, err)
			}
		})
	}
}

// BenchmarkRecognise is what a login costs that is for somebody else.
func BenchmarkRecognise(b *testing.B) {
	p := passwords(b, oidc.PasswordConfig{UserName: "jwt", Bearer: true, Verifiers: []auth.TokenVerifier{static(b)}})
	creds := named("alice", "alice-pw")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Authenticate(b.Context(), creds); err == nil {
			b.Fatal("let in")
		}
	}
}
