package social

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
)

// AppleConfig is the configuration of Sign in with Apple.
type AppleConfig struct {
	// Client asks Apple. Default: one of its own.
	Client *http.Client
	// ClientIDs are ours: the id of the service for web pages, those of apps.
	ClientIDs []string
	// Issuer is where Apple is. Default "https://appleid.apple.com".
	Issuer string
	// Key signs the client's secret. Only Flow needs it.
	Key *AppleKey
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Timeout is how long Apple may take to answer. Default 10 s.
	Timeout time.Duration
}

// An AppleKey is a key for Sign in with Apple, as Apple gives it out.
type AppleKey struct {
	// ID is the key's, TeamID that of the developer's team: 10 letters and digits each.
	ID, TeamID string
	// PEM is the file AuthKey_ID.p8: a PRIVATE KEY on P-256.
	PEM []byte
}

// Apple proves ID tokens of Apple. The subject is Apple's id of the person for our team.
type Apple struct {
	*oidc.Provider
	cfg AppleConfig
	key *ecdsa.PrivateKey // nil: none
}

var (
	_ auth.TokenVerifier = (*Apple)(nil)
	_ oidc.Recogniser    = (*Apple)(nil)
)

// NewApple returns a verifier. It asks nobody yet.
func NewApple(cfg AppleConfig) (*Apple, error) {
	if err := names("AppleConfig.ClientIDs", cfg.ClientIDs); err != nil {
		return nil, err
	}
	if err := base("AppleConfig.Issuer", &cfg.Issuer, "https://appleid.apple.com"); err != nil {
		return nil, err
	}
	a := &Apple{cfg: cfg}
	var err error
	if cfg.Key != nil {
		if a.key, err = cfg.Key.parse(); err != nil {
			return nil, fmt.Errorf("social: AppleConfig.Key.%w", err)
		}
	}
	if a.cfg.Now == nil {
		a.cfg.Now = time.Now
	}
	a.Provider, err = oidc.New(oidc.Config{
		Issuer: cfg.Issuer, Audiences: cfg.ClientIDs, Algorithms: []string{"RS256", "ES256"}, Client: cfg.Client, Now: cfg.Now, Timeout: cfg.Timeout,
	})
	if err != nil {
		return nil, fmt.Errorf("social: AppleConfig: %w", err)
	}
	return a, nil
}

func (k *AppleKey) parse() (*ecdsa.PrivateKey, error) {
	if k.ID == "" || k.TeamID == "" {
		return nil, errors.New("ID or TeamID is empty, expected both")
	}
	block, _ := pem.Decode(k.PEM)
	if block == nil {
		return nil, errors.New("PEM is no PEM, expected -----BEGIN PRIVATE KEY-----")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("PEM cannot be read, expected a PRIVATE KEY in PKCS #8") // err says no more, and might
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("PEM is no key on P-256")
	}
	return key, nil
}

// secretLife is how long a secret counts. Apple permits half a year; ours are made when
// they are needed.
const secretLife = 5 * time.Minute

// Secret returns a secret of one of our clients for Apple's token endpoint: a JWT signed
// with AppleConfig.Key.
func (a *Apple) Secret(clientID string) (string, error) {
	if a.key == nil {
		return "", errors.New("social: AppleConfig.Key is nil, expected the key that signs secrets")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{KeyID: a.cfg.Key.ID, Key: a.key}}, nil)
	if err != nil {
		return "", fmt.Errorf("social: sign a secret for Apple: %w", err)
	}
	now := a.cfg.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": a.cfg.Key.TeamID, "iat": now.Unix(), "exp": now.Add(secretLife).Unix(), "aud": a.cfg.Issuer, "sub": clientID,
	})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", fmt.Errorf("social: sign a secret for Apple: %w", err)
	}
	return signed.CompactSerialize()
}

// Flow returns the flow in which people sign in with Apple. Apple sends the browser back
// with a form (POST), which is what Exchange takes: r.PostForm. If name or email are among
// the scopes there is a name in it the first time; see [AppleName]. Cookies that the
// host keeps what is pending in must be SameSite=None for that.
func (a *Apple) Flow(cfg FlowConfig) (*Flow, error) {
	if a.key == nil {
		return nil, errors.New("social: AppleConfig.Key is nil, expected the key that signs secrets")
	}
	if cfg.Secret != "" {
		return nil, errors.New("social: FlowConfig.Secret is set, expected none: Apple's is made of AppleConfig.Key")
	}
	o, err := cfg.flow(a.cfg.ClientIDs, a.cfg.Now)
	if err != nil {
		return nil, err
	}
	o.Provider, o.Client, o.SecretInBody = a.Provider, a.cfg.Client, true
	o.Secret = func(context.Context) (string, error) { return a.Secret(o.ClientID) }
	o.Params.Set("response_mode", "form_post")
	return newFlow(o)
}

// A Name is what somebody calls themselves.
type Name struct{ First, Last string }

// AppleName reads the name in the form with which Apple sends the browser back. It is
// there only the first time that somebody signs in, so whoever wants it keeps it then. It
// has come through the browser and nothing proves it; it must be escaped in pages.
func AppleName(form url.Values) (name Name, there bool) {
	const most = 4 << 10
	raw := form.Get("user")
	if raw == "" || len(raw) > most || !utf8.ValidString(raw) {
		return Name{}, false
	}
	var user struct {
		Name struct{ FirstName, LastName string } `json:"name"`
	}
	if json.Unmarshal([]byte(raw), &user) != nil {
		return Name{}, false
	}
	name = Name{user.Name.FirstName, user.Name.LastName}
	return name, name != Name{}
}
