package oidc

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
)

// FlowConfig says how people sign in with a browser: the authorization code flow (OpenID
// Connect Core, section 3.1, RFC 6749) with PKCE (RFC 7636).
type FlowConfig struct {
	// AuthURL and TokenURL are the endpoints of a provider that is not discovered. They
	// must be set without Provider, and may be with it.
	AuthURL, TokenURL string
	// AllowPlain permits endpoints over http:// on other machines.
	AllowPlain bool
	// Client asks the token endpoint. Default: that of Provider, or one of its own.
	Client *http.Client
	// ClientID is the id under which the provider knows us.
	ClientID string
	// Lifetime is how long somebody may take to sign in. Default 10 minutes, at most a day.
	Lifetime time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Params are further parameters of the address to sign in at, such as prompt, each
	// with one value.
	Params url.Values
	// Provider proves the ID token that the code is exchanged for.
	Provider *Provider
	// RedirectURL is where the provider sends the browser back to: a page of ours.
	RedirectURL string
	// Scopes are what is asked for. Default "openid" with Provider, which is always among
	// them then.
	Scopes []string
	// Secret is the client's secret. nil: it has none.
	Secret func(ctx context.Context) (string, error)
	// SecretInBody sends the secret as a parameter, where providers want that. Default: in
	// the Authorization header, if the provider does not say otherwise.
	SecretInBody bool
	// Timeout is how long the token endpoint may take. Default 10 s, at most a minute.
	Timeout time.Duration
	// Verifier proves the access token, without Provider.
	Verifier auth.TokenVerifier
}

// A Flow signs people in with a browser. Its methods may be called concurrently.
type Flow struct {
	cfg    FlowConfig
	client *http.Client
}

// A Pending is somebody who is signing in. It belongs to the browser that was sent to URL,
// and to no other one: the host keeps it in that browser's session, and forgets it with
// the first call of Exchange. It is a secret; as JSON it fits into an encrypted cookie.
type Pending struct {
	// URL is where the browser goes. It is not kept.
	URL string `json:"-"`
	// State, Nonce and Verifier are random, each for its check.
	State    string `json:"state"`
	Nonce    string `json:"nonce,omitempty"`
	Verifier string `json:"verifier"`
	// Expires is when it is too late.
	Expires time.Time `json:"expires"`
}

// A SignIn is somebody who has signed in.
type SignIn struct {
	// Token is what the provider says of them, proved.
	Token *auth.Token
	// IDToken is empty without FlowConfig.Provider. RefreshToken is empty if there is
	// none.
	IDToken, AccessToken, RefreshToken string
	// AccessExpires is when the access token ends; zero if the provider does not say.
	AccessExpires time.Time
}

// Denied is an answer that the provider sends somebody back with instead of a code: they
// have said no, say ("access_denied"). It wraps auth.ErrBadCredentials, or
// auth.ErrUnavailable if the provider says that it is to blame.
type Denied struct {
	// Code and Description are the provider's words, for people; they have come through
	// the browser, and must be escaped in pages.
	Code, Description string
}

// Error has both.
func (d *Denied) Error() string {
	return fmt.Sprintf("oidc: the provider answers %q %q", web.Shorten(d.Code, 60), web.Shorten(d.Description, 200))
}

// Unwrap returns what it means for us.
func (d *Denied) Unwrap() error {
	if d.Code == "server_error" || d.Code == "temporarily_unavailable" {
		return auth.ErrUnavailable
	}
	return auth.ErrBadCredentials
}

// owned are the parameters that a Flow sets.
var owned = []string{"client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "response_type", "scope", "state"}

// NewFlow returns a Flow. It asks nobody. The error names the field of cfg that is wrong.
func NewFlow(cfg FlowConfig) (*Flow, error) {
	if (cfg.Provider == nil) == (cfg.Verifier == nil) {
		return nil, errors.New("oidc: FlowConfig has Provider and Verifier, or none of them, expected one")
	}
	if cfg.Provider == nil && (cfg.AuthURL == "" || cfg.TokenURL == "") {
		return nil, errors.New("oidc: FlowConfig.AuthURL or TokenURL is empty, expected both without Provider")
	}
	if cfg.Provider != nil && cfg.Provider.remote == nil && (cfg.AuthURL == "" || cfg.TokenURL == "") {
		return nil, errors.New("oidc: FlowConfig.AuthURL or TokenURL is empty, expected both: the keys of Provider are given, so it is not discovered")
	}
	for name, value := range map[string]string{"AuthURL": cfg.AuthURL, "TokenURL": cfg.TokenURL, "RedirectURL": cfg.RedirectURL} {
		if value == "" && name != "RedirectURL" {
			continue
		}
		if err := web.CheckURL("oidc: FlowConfig."+name, value, cfg.AllowPlain); err != nil {
			return nil, err
		}
	}
	if cfg.ClientID == "" {
		return nil, errors.New("oidc: FlowConfig.ClientID is empty, expected the id under which the provider knows us")
	}
	for name, values := range cfg.Params {
		if len(values) != 1 {
			return nil, fmt.Errorf("oidc: FlowConfig.Params has %d values of %q, expected one", len(values), name)
		}
		if slices.Contains(owned, name) {
			return nil, fmt.Errorf("oidc: FlowConfig.Params has %q, which the flow sets itself", name)
		}
	}
	for _, t := range []struct {
		name               string
		value              *time.Duration
		byDefault, longest time.Duration
	}{{"Lifetime", &cfg.Lifetime, 10 * time.Minute, 24 * time.Hour}, {"Timeout", &cfg.Timeout, 10 * time.Second, time.Minute}} {
		if *t.value == 0 {
			*t.value = t.byDefault
		}
		if *t.value < time.Millisecond || *t.value > t.longest {
			return nil, fmt.Errorf("oidc: FlowConfig.%s is %v, expected %v to %v", t.name, *t.value, time.Millisecond, t.longest)
		}
	}
	if cfg.Provider != nil && !slices.Contains(cfg.Scopes, "openid") {
		cfg.Scopes = append([]string{"openid"}, cfg.Scopes...)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	client := cfg.Client
	if client == nil && cfg.Provider != nil {
		client = cfg.Provider.cfg.Client
	}
	return &Flow{cfg: cfg, client: web.Client(client, cfg.Timeout)}, nil
}

// Begin returns an address to send a browser to, and what must be kept until it comes
// back. An error wraps auth.ErrUnavailable: the provider cannot be discovered.
func (f *Flow) Begin(ctx context.Context) (*Pending, error) {
	o, _, err := f.oauth(ctx)
	if err != nil {
		return nil, err
	}
	p := &Pending{State: random(), Verifier: oauth2.GenerateVerifier(), Expires: f.cfg.Now().Add(f.cfg.Lifetime)}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(p.Verifier)}
	if f.cfg.Provider != nil {
		p.Nonce = random()
		options = append(options, gooidc.Nonce(p.Nonce))
	}
	for name := range f.cfg.Params {
		options = append(options, oauth2.SetAuthURLParam(name, f.cfg.Params.Get(name)))
	}
	p.URL = o.AuthCodeURL(p.State, options...)
	return p, nil
}

// oauth is the configuration of the library for the endpoints as they are now.
func (f *Flow) oauth(ctx context.Context) (*oauth2.Config, Metadata, error) {
	var m Metadata
	if f.cfg.AuthURL == "" || f.cfg.TokenURL == "" {
		var err error
		if m, err = f.cfg.Provider.Discover(ctx); err != nil {
			return nil, m, err
		}
	}
	o := &oauth2.Config{
		ClientID: f.cfg.ClientID, RedirectURL: f.cfg.RedirectURL, Scopes: f.cfg.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint, TokenURL: m.TokenEndpoint, AuthStyle: oauth2.AuthStyleInHeader},
	}
	if f.cfg.AuthURL != "" {
		o.Endpoint.AuthURL = f.cfg.AuthURL
	}
	if f.cfg.TokenURL != "" {
		o.Endpoint.TokenURL = f.cfg.TokenURL
	}
	if o.Endpoint.AuthURL == "" || o.Endpoint.TokenURL == "" {
		return nil, m, fmt.Errorf("%w: oidc: %s names no authorization_endpoint or no token_endpoint", auth.ErrUnavailable, f.cfg.Provider.cfg.Issuer)
	}
	basic := len(m.TokenAuthMethods) == 0 || slices.Contains(m.TokenAuthMethods, "client_secret_basic")
	if f.cfg.Secret == nil || f.cfg.SecretInBody || !basic {
		o.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return o, m, nil
}

// Exchange checks what a browser has come back with, exchanges the code and proves the
// token. callback is the query of the request to RedirectURL, or its form.
//
// The error is a *[Denied] if the provider has sent the browser back without a code; it
// wraps auth.ErrBadCredentials if that is not the browser which was sent, it is too late,
// or the code or the token does not count, and auth.ErrUnavailable if the provider cannot
// be asked.
func (f *Flow) Exchange(ctx context.Context, p *Pending, callback url.Values) (*SignIn, error) {
	code, err := f.returned(p, callback)
	if err != nil {
		return nil, err
	}
	o, m, err := f.oauth(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.mixedUp(m, callback); err != nil {
		return nil, err
	}
	if f.cfg.Secret != nil {
		if o.ClientSecret, err = f.cfg.Secret(ctx); err != nil {
			return nil, fmt.Errorf("%w: oidc: the client's secret: %w", auth.ErrUnavailable, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, f.client), f.cfg.Timeout)
	defer cancel()
	got, err := o.Exchange(ctx, code, oauth2.VerifierOption(p.Verifier))
	if err != nil {
		return nil, exchangeError(err)
	}
	s := &SignIn{AccessToken: got.AccessToken, RefreshToken: got.RefreshToken, AccessExpires: got.Expiry}
	if f.cfg.Provider == nil {
		if !strings.EqualFold(got.Type(), "Bearer") {
			return nil, refuse("the access token is of type %q, expected Bearer", web.Shorten(got.Type(), 40))
		}
		s.Token, err = f.cfg.Verifier.Verify(ctx, s.AccessToken)
	} else {
		s.IDToken, _ = got.Extra("id_token").(string)
		s.Token, err = f.prove(ctx, s, p.Nonce)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// returned checks that it is the browser that was sent, and returns its code.
func (f *Flow) returned(p *Pending, callback url.Values) (code string, err error) {
	for name, values := range callback {
		if len(values) > 1 {
			return "", refuse("the parameter %q is there %d times, expected once", web.Shorten(name, 40), len(values))
		}
	}
	switch {
	case p == nil || p.State == "" || p.Verifier == "" || f.cfg.Provider != nil && p.Nonce == "":
		return "", refuse("nobody is signing in: Pending is incomplete")
	case !same(callback.Get("state"), p.State):
		return "", refuse("state is not the one that was sent")
	case !f.cfg.Now().Before(p.Expires):
		return "", refuse("it has taken longer than %v to sign in", f.cfg.Lifetime)
	case callback.Has("error"):
		return "", &Denied{callback.Get("error"), callback.Get("error_description")}
	case callback.Get("code") == "" || len(callback.Get("code")) > 8<<10:
		return "", refuse("code is missing or too long, expected what the provider has issued")
	}
	return callback.Get("code"), nil
}

// mixedUp checks that the answer is of our provider, if it says of whom (RFC 9207).
func (f *Flow) mixedUp(m Metadata, callback url.Values) error {
	if f.cfg.Provider == nil {
		return nil
	}
	issuer := callback.Get("iss")
	if issuer == "" && !m.SaysIssuer {
		return nil
	}
	if issuer != f.cfg.Provider.cfg.Issuer {
		return refuse("iss is %q, expected %q", web.Shorten(issuer, 200), f.cfg.Provider.cfg.Issuer)
	}
	return nil
}

// prove proves the ID token, and that the access token is the one that it came with.
func (f *Flow) prove(ctx context.Context, s *SignIn, nonce string) (*auth.Token, error) {
	if s.IDToken == "" {
		return nil, refuse("the provider sends no ID token")
	}
	t, err := f.cfg.Provider.VerifyNonce(ctx, s.IDToken, nonce)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(t.Audience, f.cfg.ClientID) {
		return nil, refuse("aud is %s, expected %q", web.Shorten(fmt.Sprintf("%q", t.Audience), 200), f.cfg.ClientID)
	}
	if _, there := t.Claims["at_hash"]; there {
		proof, err := f.cfg.Provider.prove(ctx, s.IDToken)
		if err == nil {
			err = proof.VerifyAccessToken(s.AccessToken)
		}
		if err != nil {
			return nil, refuse("the access token is not the one of the ID token: %w", err)
		}
	}
	return t, nil
}

// exchangeError says whose fault it is.
func exchangeError(err error) error {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		said := fmt.Sprintf("%s %s", web.Shorten(e.ErrorCode, 60), web.Shorten(e.ErrorDescription, 200))
		if e.ErrorCode == "invalid_grant" || e.ErrorCode == "access_denied" {
			return refuse("the code does not count: %s", said)
		}
		status := "no status"
		if e.Response != nil {
			status = e.Response.Status
		}
		return fmt.Errorf("%w: oidc: the token endpoint answers %s: %s", auth.ErrUnavailable, status, said)
	}
	return fmt.Errorf("%w: oidc: the token endpoint: %w", auth.ErrUnavailable, web.Brief(web.Bare(err)))
}

// random is 32 bytes that nobody can guess, as text.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // which never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
