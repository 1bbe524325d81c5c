package social

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
	"github.com/thinghub/thinghub/auth/oidc"
)

// XConfig is the configuration of logins with X (formerly Twitter), by OAuth 2.0 with
// PKCE.
type XConfig struct {
	// AuthURL is where people sign in. Default "https://x.com/i/oauth2/authorize".
	AuthURL string
	// BaseURL is the API. Default "https://api.x.com".
	BaseURL string
	// Client asks X. Default: one of its own.
	Client *http.Client
	// ClientID is our app's.
	ClientID string
	// ClientSecret is our app's, empty if it is a public one; then Key is needed.
	ClientSecret string
	// Key is what tokens are sealed with: 32 bytes or more that nobody else knows, the
	// same on all machines. Default: made of ClientSecret.
	Key []byte
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Timeout is how long an answer may take. Default 10 s.
	Timeout time.Duration
}

// X proves logins with X. What Verify takes is SignIn.Login of its own Flow: an access token
// that we have got from X ourselves, sealed. The subject is X's id of the account.
type X struct {
	cfg  XConfig
	ask  asker
	aead cipher.AEAD
}

var _ auth.TokenVerifier = (*X)(nil)

const (
	xIssuer = "https://api.x.com"
	xPrefix = "x1."
	// xLife is how long an access token counts for which X does not say so.
	xLife = 2 * time.Hour
)

// NewX returns a verifier.
func NewX(cfg XConfig) (*X, error) {
	if cfg.ClientID == "" {
		return nil, errors.New("social: XConfig.ClientID is empty, expected our app's")
	}
	if err := base("XConfig.BaseURL", &cfg.BaseURL, "https://api.x.com"); err != nil {
		return nil, err
	}
	if err := base("XConfig.AuthURL", &cfg.AuthURL, "https://x.com/i/oauth2/authorize"); err != nil {
		return nil, err
	}
	if err := (common{&cfg.Timeout, &cfg.Now}).withDefaults("XConfig"); err != nil {
		return nil, err
	}
	secret := cfg.Key
	if secret == nil && cfg.ClientSecret != "" {
		secret = []byte(cfg.ClientSecret)
	} else if len(secret) < 32 {
		return nil, fmt.Errorf("social: XConfig.Key has %d bytes, expected 32 or more, or a ClientSecret", len(secret))
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "thinghub: logins with X, client "+cfg.ClientID, 32)
	if err != nil {
		return nil, fmt.Errorf("social: XConfig.Key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("social: XConfig.Key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("social: XConfig.Key: %w", err)
	}
	return &X{cfg, newAsker("X", cfg.Client, cfg.Timeout), aead}, nil
}

// sealed is what a login holds.
type sealed struct {
	Token   string `json:"t"`
	Expires int64  `json:"e"`
}

// seal makes a login of a token that X has given us.
func (x *X) seal(in *oidc.SignIn) (string, error) {
	text, err := json.Marshal(sealed{in.AccessToken, in.Token.Expires.Unix()})
	if err != nil {
		return "", err
	}
	nonce := make([]byte, x.aead.NonceSize())
	_, _ = rand.Read(nonce) // which never fails
	return xPrefix + base64.RawURLEncoding.EncodeToString(x.aead.Seal(nonce, nonce, text, nil)), nil
}

// open returns what was sealed.
func (x *X) open(login string) (s sealed, err error) {
	rest, ok := strings.CutPrefix(login, xPrefix)
	switch {
	case strings.Contains(login, ";"):
		return s, refuse("X: a token and its secret are of OAuth 1.0a, which is not supported, expected what the flow has sealed")
	case !ok || len(login) > 2*mostToken:
		return s, refuse("X: a token as X gives it out does not say for which app it is, expected what the flow has sealed")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(b) < x.aead.NonceSize() {
		return s, refuse("X: the login is not one that the flow has sealed")
	}
	n := x.aead.NonceSize()
	text, err := x.aead.Open(nil, b[:n], b[n:], nil)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, refuse("X: the login is not one that the flow has sealed")
	}
	return s, nil
}

// Recognises reports whether a login is of a Flow of X's. It proves nothing.
func (x *X) Recognises(login string) bool { return strings.HasPrefix(login, xPrefix) }

// Verify asks X whose a token is that our own Flow has got and sealed.
func (x *X) Verify(ctx context.Context, login string) (*auth.Token, error) {
	s, err := x.open(login)
	if err != nil {
		return nil, err
	}
	ends := time.Unix(s.Expires, 0).UTC()
	if !x.cfg.Now().Before(ends) {
		return nil, fmt.Errorf("social: X: %w", auth.ErrTokenExpired)
	}
	t, err := x.me(ctx, s.Token)
	if err != nil {
		return nil, err
	}
	t.Expires = ends
	return t, nil
}

// me asks whose an access token is.
func (x *X) me(ctx context.Context, token string) (*auth.Token, error) {
	if err := checkToken(token); err != nil {
		return nil, err
	}
	status, answer, err := x.ask.get(ctx, x.cfg.BaseURL, "/2/users/me", nil, token)
	if err != nil {
		return nil, err
	}
	data, ok := answer["data"].(map[string]any)
	if status != http.StatusOK || !ok {
		return nil, refuse("X answers %d: %s", status, web.Shorten(text(answer, "title"), 60))
	}
	t := &auth.Token{Issuer: xIssuer, Subject: text(data, "id"), Audience: []string{x.cfg.ClientID}, Claims: maps.Clone(data)}
	if t.Subject == "" || strings.ContainsRune(t.Subject, 0) {
		return nil, refuse("X does not say whose the token is")
	}
	t.Expires = x.cfg.Now().Add(xLife)
	return t, nil
}

// bare proves an access token that has just come from X, for our app.
type bare struct{ x *X }

func (b bare) Verify(ctx context.Context, token string) (*auth.Token, error) {
	return b.x.me(ctx, token)
}

// Flow returns the flow in which people sign in with X.
func (x *X) Flow(cfg FlowConfig) (*Flow, error) {
	if cfg.Scopes == nil {
		cfg.Scopes = []string{"users.read", "tweet.read"} // both are needed to ask who it is
	}
	if cfg.Secret == "" {
		cfg.Secret = x.cfg.ClientSecret
	}
	o, err := cfg.flow([]string{x.cfg.ClientID}, x.cfg.Now)
	if err != nil {
		return nil, err
	}
	o.Verifier, o.Client = bare{x}, x.cfg.Client
	o.AuthURL, o.TokenURL = x.cfg.AuthURL, strings.TrimSuffix(x.cfg.BaseURL, "/")+"/2/oauth2/token"
	f, err := newFlow(o)
	if err != nil {
		return nil, err
	}
	f.seal = func(in *oidc.SignIn) (string, error) {
		if !in.AccessExpires.IsZero() {
			in.Token.Expires = in.AccessExpires
		}
		return x.seal(in)
	}
	return f, nil
}
