package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	dsig "github.com/russellhaering/goxmldsig"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
)

// Config says whose assertions a [Provider] proves, and for whom they must be.
type Config struct {
	// ACSURL is where browsers bring assertions, to the letter: the Recipient.
	ACSURL string
	// AllowEmail takes NameIDs that are e-mail addresses as subjects of tokens.
	AllowEmail bool
	// AllowPlain permits metadata over http:// from other machines, and an ACSURL there.
	AllowPlain bool
	// Certificate is that of Key.
	Certificate *x509.Certificate
	// Client fetches metadata. Default: one of its own.
	Client *http.Client
	// Cooldown is how long after metadata was fetched it is not fetched again because of a
	// certificate that is not known. Default 10 s, at least 1 s.
	Cooldown time.Duration
	// Directory keeps the ids of assertions that were used, and of those that Finish has
	// taken. It must be set, unless Reusable is.
	Directory auth.Directory
	// EntityID is our name: the Audience.
	EntityID string
	// IdentityProvider is the entity id of the identity provider. Default: that of the
	// only one in the metadata.
	IdentityProvider string
	// IgnoreCertificateExpiry takes certificates of the metadata for mere keys.
	IgnoreCertificateExpiry bool
	// KeepFor is how long metadata counts after it was fetched, if it cannot be fetched
	// again. Default 24 h, at least RefreshAfter. What the metadata itself says
	// (validUntil) counts too.
	KeepFor time.Duration
	// Key, on RSA or a curve, signs requests; one on RSA also decrypts assertions. nil:
	// neither is done.
	Key crypto.Signer
	// Lifetime is how long somebody may take to sign in. Default 10 minutes, at most a day.
	Lifetime time.Duration
	// MaxBytes bounds responses, in bytes of XML. Default 256 KiB, at most 4 MiB.
	MaxBytes int
	// Metadata is the identity provider's, MetadataURL where it is. One of them must be
	// set.
	Metadata    []byte
	MetadataURL string
	// MetadataCertificates, if there are any, have signed the metadata.
	MetadataCertificates []*x509.Certificate
	// NameIDFormat is the kind of name that is asked for. Default
	// "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".
	NameIDFormat string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// RefreshAfter is how old metadata becomes before it is fetched again; meanwhile the
	// old one counts. Default an hour, at least a minute.
	RefreshAfter time.Duration
	// Reusable lets an assertion count as often as it is shown while it is in time:
	// clients of identity pools show it with each of their calls. Default: once. An answer
	// to a request must have been taken by Finish first, for which there must be a
	// Directory.
	Reusable bool
	// Timeout is how long metadata may take. Default 10 s, at most a minute.
	Timeout time.Duration
}

const (
	defaultBytes = 256 << 10
	longestBytes = 4 << 20
	persistent   = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
)

// withDefaults returns a copy that is complete and valid, but for the metadata.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.EntityID == "":
		return c, errors.New("saml: Config.EntityID is empty, expected our name: without it an assertion for anybody would do")
	case c.Directory == nil && !c.Reusable:
		return c, errors.New("saml: Config.Directory is nil, expected a directory such as auth.NewMemory(), or Reusable")
	case (len(c.Metadata) == 0) == (c.MetadataURL == ""):
		return c, errors.New("saml: Config has Metadata and MetadataURL, or none of them, expected one")
	case (c.Key == nil) != (c.Certificate == nil):
		return c, errors.New("saml: Config has Key or Certificate, expected both or none")
	}
	for _, u := range []struct{ field, value string }{{"ACSURL", c.ACSURL}, {"MetadataURL", c.MetadataURL}} {
		if u.value == "" && u.field == "MetadataURL" {
			continue
		}
		if err := web.CheckURL("saml: Config."+u.field, u.value, c.AllowPlain); err != nil {
			return c, err
		}
	}
	if u, err := url.Parse(c.ACSURL); err != nil || u.String() != c.ACSURL {
		return c, fmt.Errorf("saml: Config.ACSURL is %q, expected the form %q", c.ACSURL, u)
	}
	if c.Key != nil {
		if _, err := c.method(); err != nil {
			return c, err
		}
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultBytes
	}
	if c.MaxBytes < 1 || c.MaxBytes > longestBytes {
		return c, fmt.Errorf("saml: Config.MaxBytes is %d, expected 1 to %d", c.MaxBytes, longestBytes)
	}
	for _, t := range []struct {
		name                      string
		value                     *time.Duration
		byDefault, least, longest time.Duration
	}{
		{"Cooldown", &c.Cooldown, 10 * time.Second, time.Second, time.Hour},
		{"Lifetime", &c.Lifetime, 10 * time.Minute, time.Second, 24 * time.Hour},
		{"RefreshAfter", &c.RefreshAfter, time.Hour, time.Minute, 30 * 24 * time.Hour},
		{"Timeout", &c.Timeout, 10 * time.Second, time.Millisecond, time.Minute},
	} {
		if *t.value == 0 {
			*t.value = t.byDefault
		}
		if *t.value < t.least || *t.value > t.longest {
			return c, fmt.Errorf("saml: Config.%s is %v, expected %v to %v", t.name, *t.value, t.least, t.longest)
		}
	}
	if c.KeepFor == 0 {
		c.KeepFor = max(24*time.Hour, c.RefreshAfter)
	}
	if c.KeepFor < c.RefreshAfter {
		return c, fmt.Errorf("saml: Config.KeepFor is %v, expected RefreshAfter (%v) or more", c.KeepFor, c.RefreshAfter)
	}
	if c.NameIDFormat == "" {
		c.NameIDFormat = persistent
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// method is how requests are signed.
func (c *Config) method() (string, error) {
	switch k := c.Key.Public().(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return "", fmt.Errorf("saml: Config.Key has %d bits, expected 2048 or more", k.N.BitLen())
		}
		return dsig.RSASHA256SignatureMethod, nil
	case *ecdsa.PublicKey:
		return dsig.ECDSASHA256SignatureMethod, nil
	default:
		return "", fmt.Errorf("saml: Config.Key is a %T, expected RSA or ECDSA", k)
	}
}
