package oidc_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/oidc"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for expects, change := range map[string]func(*oidc.Config){
		"Config.Issuer is empty":                           func(c *oidc.Config) { c.Issuer = "" },
		`Config.Issuer is "issuer.test"`:                   func(c *oidc.Config) { c.Keys, c.Issuer = nil, "issuer.test" },
		`Config.Issuer is "http://issuer.test"`:            func(c *oidc.Config) { c.Keys, c.Issuer = nil, "http://issuer.test" },
		`Config.Issuer is "https://a:b@issuer.test"`:       func(c *oidc.Config) { c.Keys, c.Issuer = nil, "https://a:b@issuer.test" },
		`Config.Issuer is "https://issuer.test#x"`:         func(c *oidc.Config) { c.Keys, c.Issuer = nil, "https://issuer.test#x" },
		`Config.Issuer is ":"`:                             func(c *oidc.Config) { c.Keys, c.Issuer = nil, ":" },
		`Config.KeysURL is "ftp://x/"`:                     func(c *oidc.Config) { c.Keys, c.KeysURL = nil, "ftp://x/" },
		"expected none beside Keys":                        func(c *oidc.Config) { c.KeysURL = "https://issuer.test/keys" },
		"Config.Audiences is empty":                        func(c *oidc.Config) { c.Audiences = nil },
		"Config.Audiences[1] is empty":                     func(c *oidc.Config) { c.Audiences = []string{"a", ""} },
		"Config.AuthorizedParties[0] is empty":             func(c *oidc.Config) { c.AuthorizedParties = []string{""} },
		"Config.Aliases[0] is empty":                       func(c *oidc.Config) { c.Aliases = []string{""} },
		`Config.Algorithms[1] is "HS256"`:                  func(c *oidc.Config) { c.Algorithms = []string{"RS256", "HS256"} },
		`Config.Algorithms[0] is "none"`:                   func(c *oidc.Config) { c.Algorithms = []string{"none"} },
		"Config.Algorithms is empty":                       func(c *oidc.Config) { c.Algorithms = []string{} },
		"have no key for the Algorithms ES384":             func(c *oidc.Config) { c.Algorithms = []string{"ES384"} },
		"Config.Use is Use(3)":                             func(c *oidc.Config) { c.Use = 3 },
		"Config.MaxToken is -1":                            func(c *oidc.Config) { c.MaxToken = -1 },
		"Config.Cooldown is 1ms":                           func(c *oidc.Config) { c.Cooldown = time.Millisecond },
		"Config.RefreshAfter is 1s":                        func(c *oidc.Config) { c.RefreshAfter = time.Second },
		"Config.Skew is 11m0s, expected 0s to 10m0s":       func(c *oidc.Config) { c.Skew = 11 * time.Minute },
		"Config.Timeout is 2m0s":                           func(c *oidc.Config) { c.Timeout = 2 * time.Minute },
		"Config.KeepFor is 1m0s":                           func(c *oidc.Config) { c.KeepFor = time.Minute },
		`Config.Keys[1].ID is "r1", which another key has`: func(c *oidc.Config) { c.Keys = append(c.Keys[:1:1], c.Keys[0]) },
		`Config.Keys[0].PEM ("k") is no PEM`:               func(c *oidc.Config) { c.Keys = []oidc.Key{{ID: "k", PEM: []byte("x")}} },
		"more than one PEM block":                          func(c *oidc.Config) { c.Keys[0].PEM = append(c.Keys[0].PEM, c.Keys[1].PEM...) },
		"is a PRIVATE KEY, expected a PUBLIC KEY":          func(c *oidc.Config) { c.Keys[0].PEM = asPEM("PRIVATE KEY", nil) },
		"is a PUBLIC KEY that cannot be read":              func(c *oidc.Config) { c.Keys[0].PEM = asPEM("PUBLIC KEY", []byte{1}) },
		"is a CERTIFICATE that cannot be read":             func(c *oidc.Config) { c.Keys[0].PEM = asPEM("CERTIFICATE", []byte{1}) },
		"an RSA key of 1024 bits":                          func(c *oidc.Config) { c.Keys[0].PEM = publicPEM(newRSA(1024).Public()) },
		"a key on P-224":                                   func(c *oidc.Config) { c.Keys[0].PEM = publicPEM(newEC(elliptic.P224()).Public()) },
		"Config.KeysJSON is no JSON Web Key Set":           func(c *oidc.Config) { c.KeysJSON = []byte("x") },
	} {
		cfg := oidc.Config{Issuer: issuerName, Audiences: []string{"hub"}, Keys: []oidc.Key{
			{ID: "r1", PEM: publicPEM(rsaKey.Public())}, {ID: "e1", PEM: publicPEM(ecKey.Public())},
		}}
		change(&cfg)
		_, err := oidc.New(cfg)
		require.ErrorContains(t, err, expects)
		require.ErrorContains(t, err, "oidc: ")
	}
}

func asPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// TestKeyForms are the ways to write a key down.
func TestKeyForms(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	for name, change := range map[string]func(*oidc.Config){
		"PKIX": func(c *oidc.Config) { c.Keys = []oidc.Key{{ID: "r1", PEM: publicPEM(rsaKey.Public())}} },
		"PKCS #1": func(c *oidc.Config) {
			c.Keys = []oidc.Key{{ID: "r1", PEM: asPEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey))}}
		},
		"set":  func(c *oidc.Config) { c.Keys, c.KeysJSON = nil, asJSON(is.set) },
		"both": func(c *oidc.Config) { c.Keys, c.KeysJSON = c.Keys[1:], asJSON(is.set) },
	} {
		_, err := static(t, change).Verify(t.Context(), jwt(rs256, good(), rsaKey))
		require.NoError(t, err, name)
	}
}

// TestAllAlgorithms: those that are not in the default count if they are asked for, and
// the others do not then.
func TestAllAlgorithms(t *testing.T) {
	t.Parallel()
	p384 := newEC(elliptic.P384())
	p := static(t, func(c *oidc.Config) {
		c.Algorithms = []string{"PS256", "ES384"}
		c.Keys = append(c.Keys, oidc.Key{ID: "e3", PEM: publicPEM(p384.Public())})
	})
	for name, c := range map[string]struct {
		token string
		want  bool
	}{
		"PS256": {jwt(with(rs256, "alg", "PS256"), good(), pss{rsaKey}), true},
		"ES384": {jwt(object{"alg": "ES384", "kid": "e3"}, good(), p384), true},
		"RS256": {jwt(rs256, good(), rsaKey), false},
		"ES256": {jwt(object{"alg": "ES256", "kid": "e1"}, good(), ecKey), false},
	} {
		_, err := p.Verify(t.Context(), c.token)
		require.Equal(t, c.want, err == nil, "%s: %v", name, err)
	}
}

func TestSkew(t *testing.T) {
	t.Parallel()
	for skew, want := range map[time.Duration]time.Duration{0: time.Minute, -time.Second: 0, 5 * time.Second: 5 * time.Second} {
		p := static(t, func(c *oidc.Config) { c.Skew = skew })
		require.Equal(t, want, p.Skew())
		_, err := p.Verify(t.Context(), jwt(rs256, with(good(), "exp", epoch.Add(-want).Unix()), rsaKey))
		require.True(t, isExpired(err))
		_, err = p.Verify(t.Context(), jwt(rs256, with(good(), "exp", epoch.Add(-want).Unix()+1), rsaKey))
		require.NoError(t, err)
	}
}
