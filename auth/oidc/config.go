package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/thinghub/thinghub/auth/internal/web"
)

// Config says whose tokens a [Provider] proves, and for whom they must be.
type Config struct {
	// Algorithms are how tokens may be signed. Default RS256, ES256 and EdDSA (with
	// Ed25519); also RS384, RS512, PS256, PS384, PS512, ES384 and ES512. What a token or
	// the issuer says about algorithms adds none.
	Algorithms []string
	// Aliases are other values of the claim iss that mean Issuer, such as
	// "accounts.google.com". Tokens are said to be from Issuer all the same.
	Aliases []string
	// AllowPlain permits issuers and keys over http:// from other machines. Default: only
	// from this one.
	AllowPlain bool
	// Audiences are the ids under which the issuer knows us. A token must be for one of
	// them. At least one is needed.
	Audiences []string
	// AuthorizedParties are the values that the claim azp may have, if it is there. nil:
	// Audiences, and a token for several audiences must have an azp. "*" as the only one:
	// any, and none.
	AuthorizedParties []string
	// Client asks the issuer. Default: one of its own. Answers are bounded by Timeout and
	// a mebibyte either way.
	Client *http.Client
	// Cooldown is how long after the issuer was asked for keys it is not asked again
	// because of a token whose key is not among them. Default 10 s, at least 1 s.
	Cooldown time.Duration
	// Issuer is what the claim iss must be, to the letter: for an OpenID Connect issuer
	// its URL, at which it is discovered. With Keys or KeysJSON it may be any text.
	Issuer string
	// KeepFor is how long keys count after they were fetched, if the issuer cannot be
	// asked again. Default 24 h, at least RefreshAfter.
	KeepFor time.Duration
	// Keys are the public keys of the issuer. With them, or KeysJSON, nobody is ever
	// asked: there is no discovery, and verification does not wait.
	Keys []Key
	// KeysJSON are public keys as a JSON Web Key Set.
	KeysJSON []byte
	// KeysURL is where the issuer has its key set. Default: as discovered.
	KeysURL string
	// MaxToken bounds tokens, in bytes. Default 16 KiB, at most 1 MiB.
	MaxToken int
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// RefreshAfter is how old the keys of the issuer become before they are fetched
	// again; meanwhile the old ones count. Default an hour, at least a minute.
	RefreshAfter time.Duration
	// Skew is how much the clocks of the issuer and of this machine may differ. Default a
	// minute, at most 10; negative for none.
	Skew time.Duration
	// Timeout is how long the issuer may take to answer. Default 10 s, at most a minute.
	Timeout time.Duration
	// Use is what tokens must be made for. Default [IDTokens].
	Use Use
}

// A Key is a public key of an issuer.
type Key struct {
	// ID is the kid of tokens signed with it, to the letter. Empty: the key is for tokens
	// without one.
	ID string
	// PEM is a PUBLIC KEY, an RSA PUBLIC KEY or a CERTIFICATE (of which only the key
	// counts): RSA with 2048 bits or more, P-256, P-384, P-521 or Ed25519.
	PEM []byte
}

// A Use is what tokens are made for. To take one for the other is a hole: an access token
// is shown to many, and says less about who has it.
type Use uint8

// The uses.
const (
	// IDTokens says who somebody is. Refused is what says that it is something else: typ
	// in the header other than "JWT", the claim token_use other than "id", typ other than
	// "ID", or events.
	IDTokens Use = iota
	// AccessTokens must say that they are: typ "at+jwt" in the header (RFC 9068), or a
	// claim: token_use "access", typ "Bearer". The claim client_id stands in for aud where
	// that is missing (Cognito).
	AccessTokens
	// AnyTokens does not look, for issuers whose tokens are made for us alone.
	AnyTokens
)

// String returns the name of a use, such as "ID token".
func (u Use) String() string {
	switch u {
	case IDTokens:
		return "ID token"
	case AccessTokens:
		return "access token"
	case AnyTokens:
		return "token"
	}
	return fmt.Sprintf("Use(%d)", uint8(u))
}

// The bounds of tokens.
const (
	defaultToken = 16 << 10
	longestToken = 1 << 20
)

var (
	defaultAlgorithms = []string{"RS256", "ES256", "EdDSA"}
	// allAlgorithms have a public key to check them with. Those with a shared key (HS256)
	// would take a public one for it, and "none" has no key at all.
	allAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

// withDefaults returns a copy that is complete and valid, but for the keys.
func (c Config) withDefaults() (Config, error) {
	if c.Issuer == "" {
		return c, errors.New("oidc: Config.Issuer is empty, expected what the claim iss must be")
	}
	for _, l := range []struct {
		name string
		list []string
	}{{"Aliases", c.Aliases}, {"Audiences", c.Audiences}, {"AuthorizedParties", c.AuthorizedParties}} {
		if i := slices.Index(l.list, ""); i >= 0 {
			return c, fmt.Errorf("oidc: Config.%s[%d] is empty, expected a name", l.name, i)
		}
	}
	if len(c.Audiences) == 0 {
		return c, errors.New("oidc: Config.Audiences is empty, expected the ids under which the issuer knows us: without them a token for anybody would do")
	}
	if c.Algorithms == nil {
		c.Algorithms = defaultAlgorithms
	}
	if len(c.Algorithms) == 0 {
		return c, errors.New("oidc: Config.Algorithms is empty, expected nil for the default")
	}
	for i, a := range c.Algorithms {
		if !slices.Contains(allAlgorithms, a) {
			return c, fmt.Errorf("oidc: Config.Algorithms[%d] is %q, expected one of %s", i, a, strings.Join(allAlgorithms, ", "))
		}
	}
	if c.Use > AnyTokens {
		return c, fmt.Errorf("oidc: Config.Use is %s, expected IDTokens, AccessTokens or AnyTokens", c.Use)
	}
	if c.MaxToken == 0 {
		c.MaxToken = defaultToken
	}
	if c.MaxToken < 1 || c.MaxToken > longestToken {
		return c, fmt.Errorf("oidc: Config.MaxToken is %d, expected 1 to %d", c.MaxToken, longestToken)
	}
	if err := c.times(); err != nil {
		return c, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, c.sources()
}

// times fills in and checks what is a time.
func (c *Config) times() error {
	if c.Skew < 0 {
		c.Skew = -1 // not 0, so that the default does not come back
	}
	for _, t := range []struct {
		name                      string
		value                     *time.Duration
		byDefault, least, longest time.Duration
	}{
		{"Cooldown", &c.Cooldown, 10 * time.Second, time.Second, time.Hour},
		{"RefreshAfter", &c.RefreshAfter, time.Hour, time.Minute, 30 * 24 * time.Hour},
		{"Skew", &c.Skew, time.Minute, -1, 10 * time.Minute},
		{"Timeout", &c.Timeout, 10 * time.Second, time.Millisecond, time.Minute},
	} {
		if *t.value == 0 {
			*t.value = t.byDefault
		}
		if *t.value < t.least || *t.value > t.longest {
			return fmt.Errorf("oidc: Config.%s is %v, expected %v to %v", t.name, *t.value, max(t.least, 0), t.longest)
		}
	}
	c.Skew = max(c.Skew, 0)
	if c.KeepFor == 0 {
		c.KeepFor = max(24*time.Hour, c.RefreshAfter)
	}
	if c.KeepFor < c.RefreshAfter {
		return fmt.Errorf("oidc: Config.KeepFor is %v, expected RefreshAfter (%v) or more", c.KeepFor, c.RefreshAfter)
	}
	return nil
}

// static says that the keys are given.
func (c *Config) static() bool { return len(c.Keys) > 0 || len(c.KeysJSON) > 0 }

// sources checks where keys come from.
func (c *Config) sources() error {
	if c.static() {
		if c.KeysURL != "" {
			return fmt.Errorf("oidc: Config.KeysURL is %q, expected none beside Keys or KeysJSON", c.KeysURL)
		}
		return nil
	}
	if c.KeysURL != "" {
		return web.CheckURL("oidc: Config.KeysURL", c.KeysURL, c.AllowPlain)
	}
	return web.CheckURL("oidc: Config.Issuer", c.Issuer, c.AllowPlain)
}

func signatureAlgorithms(names []string) []jose.SignatureAlgorithm {
	list := make([]jose.SignatureAlgorithm, len(names))
	for i, n := range names {
		list[i] = jose.SignatureAlgorithm(n)
	}
	return list
}
