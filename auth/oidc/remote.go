package oidc

import (
	"context"
	"fmt"
	"net/http"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/thinghub/thinghub/auth/internal/kept"
	"github.com/thinghub/thinghub/auth/internal/web"
)

// A snapshot is what an issuer says of itself.
type snapshot struct {
	Metadata
	discovered time.Time // when; zero: it was not
	keys       keys
}

// Metadata is what an issuer says of itself when it is discovered. What it does not say
// is empty.
type Metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	KeysURL               string   `json:"jwks_uri"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	// SaysIssuer: the answer to a browser's login has the issuer's name (RFC 9207).
	SaysIssuer bool `json:"authorization_response_iss_parameter_supported"`
}

// A remote asks an issuer for its keys, and keeps them.
type remote struct {
	*kept.Value[*snapshot]
	cfg    *Config
	client *http.Client
}

// newRemote returns a remote that has asked nobody yet.
func newRemote(c *Config) *remote {
	r := &remote{cfg: c, client: web.Client(c.Client, c.Timeout)}
	r.Value = kept.New(kept.Config{
		Cooldown: c.Cooldown, KeepFor: c.KeepFor, Name: "oidc: keys of " + c.Issuer, Now: c.Now, RefreshAfter: c.RefreshAfter, Timeout: c.Timeout,
	}, r.ask)
	return r
}

// ask discovers the issuer, if that was not done lately, and fetches its keys.
func (r *remote) ask(ctx context.Context, last *kept.Snapshot[*snapshot]) (*snapshot, error) {
	now := r.cfg.Now()
	s := &snapshot{}
	switch {
	case r.cfg.KeysURL != "":
		s.Metadata = Metadata{Issuer: r.cfg.Issuer, KeysURL: r.cfg.KeysURL}
	case last != nil && now.Sub(last.Value.discovered) < r.cfg.RefreshAfter:
		s.Metadata, s.discovered = last.Value.Metadata, last.Value.discovered
	default:
		m, err := r.discover(ctx)
		if err != nil {
			return nil, err
		}
		s.Metadata, s.discovered = m, now
	}
	text, err := r.fetch(ctx, s.KeysURL)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", s.KeysURL, err)
	}
	if s.keys, err = parseSet(text); err != nil {
		return nil, fmt.Errorf("%s has %w", s.KeysURL, err)
	}
	return s, nil
}

// discover asks the issuer who it is, which must be what it is expected to be.
func (r *remote) discover(ctx context.Context) (Metadata, error) {
	p, err := gooidc.NewProvider(gooidc.ClientContext(ctx, r.client), r.cfg.Issuer)
	if err != nil {
		return Metadata{}, fmt.Errorf("discovery: %w", web.Brief(web.Bare(err)))
	}
	var m Metadata
	if err := p.Claims(&m); err != nil {
		return Metadata{}, fmt.Errorf("discovery: %w", err)
	}
	// An issuer that is safe to ask does not send us somewhere that is not.
	for name, value := range map[string]string{"authorization_endpoint": m.AuthorizationEndpoint, "token_endpoint": m.TokenEndpoint, "jwks_uri": m.KeysURL} {
		if value == "" && name != "jwks_uri" {
			continue
		}
		if err := web.CheckURL("discovery: "+name, value, r.cfg.AllowPlain); err != nil {
			return Metadata{}, err
		}
		if web.IsHTTPS(r.cfg.Issuer) && !web.IsHTTPS(value) {
			return Metadata{}, fmt.Errorf("discovery: %s is %q, expected https:// as the issuer has", name, value)
		}
	}
	return m, nil
}

// fetch gets a document.
func (r *remote) fetch(ctx context.Context, from string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	status, text, err := web.Do(r.client, req)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("status %d, expected 200", status)
	}
	return text, nil
}
