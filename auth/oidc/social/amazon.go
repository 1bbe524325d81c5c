package social

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
)

// AmazonConfig is the configuration of Login with Amazon.
type AmazonConfig struct {
	// AuthURL is where people sign in. Default "https://www.amazon.com/ap/oa".
	AuthURL string
	// BaseURL is where tokens are asked for. Default "https://api.amazon.com".
	BaseURL string
	// Client asks Amazon. Default: one of its own.
	Client *http.Client
	// ClientIDs are ours, amzn1.application-oa2-client....
	ClientIDs []string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Timeout is how long each of two answers may take. Default 10 s.
	Timeout time.Duration
}

// Amazon proves access tokens of Login with Amazon. The subject is Amazon's id of the
// customer, amzn1.account.....; claims are those of the profile.
type Amazon struct {
	cfg AmazonConfig
	ask asker
}

var _ auth.TokenVerifier = (*Amazon)(nil)

const amazonIssuer = "https://www.amazon.com"

// NewAmazon returns a verifier.
func NewAmazon(cfg AmazonConfig) (*Amazon, error) {
	if err := names("AmazonConfig.ClientIDs", cfg.ClientIDs); err != nil {
		return nil, err
	}
	if err := base("AmazonConfig.BaseURL", &cfg.BaseURL, "https://api.amazon.com"); err != nil {
		return nil, err
	}
	if err := base("AmazonConfig.AuthURL", &cfg.AuthURL, "https://www.amazon.com/ap/oa"); err != nil {
		return nil, err
	}
	if err := (common{&cfg.Timeout, &cfg.Now}).withDefaults("AmazonConfig"); err != nil {
		return nil, err
	}
	return &Amazon{cfg, newAsker("Amazon", cfg.Client, cfg.Timeout)}, nil
}

// Verify asks Amazon for which client a token is, and for the profile of its customer.
func (a *Amazon) Verify(ctx context.Context, token string) (*auth.Token, error) {
	if err := checkToken(token); err != nil {
		return nil, err
	}
	// Before the token is used, so that one of another client is not.
	t, err := a.info(ctx, token)
	if err != nil {
		return nil, err
	}
	status, profile, err := a.ask.get(ctx, a.cfg.BaseURL, "/user/profile", nil, token)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, refuse("Amazon answers %d to a question for the profile: %s", status, web.Shorten(text(profile, "error"), 60))
	case text(profile, "user_id") != t.Subject:
		return nil, refuse("Amazon's profile is of another customer than the token")
	}
	maps.Copy(t.Claims, profile)
	return t, nil
}

// info asks what the token is.
func (a *Amazon) info(ctx context.Context, token string) (*auth.Token, error) {
	now := a.cfg.Now()
	status, info, err := a.ask.get(ctx, a.cfg.BaseURL, "/auth/o2/tokeninfo", url.Values{"access_token": {token}}, "")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, refuse("Amazon answers %d to a question for the token: %s", status, web.Shorten(text(info, "error"), 60))
	}
	t := &auth.Token{Issuer: amazonIssuer, Subject: text(info, "user_id"), Audience: []string{text(info, "aud")}, Claims: map[string]any{}}
	if iss := text(info, "iss"); iss != amazonIssuer {
		return nil, refuse("iss is %q, expected %q", web.Shorten(iss, 100), amazonIssuer)
	}
	if !slices.Contains(a.cfg.ClientIDs, t.Audience[0]) {
		return nil, refuse("the token is for the client %q, expected one of %q", web.Shorten(t.Audience[0], 100), a.cfg.ClientIDs)
	}
	left, ok := number(info, "exp") // seconds from now on
	switch {
	case !ok:
		return nil, refuse("Amazon does not say when the token ends")
	case left == 0:
		return nil, fmt.Errorf("social: Amazon: %w", auth.ErrTokenExpired)
	case t.Subject == "" || strings.ContainsRune(t.Subject, 0):
		return nil, refuse("Amazon does not say whose the token is")
	}
	t.Expires = now.Add(time.Duration(left) * time.Second)
	if at, ok := number(info, "iat"); ok {
		t.Issued = time.Unix(at, 0).UTC()
	}
	for _, name := range []string{"iss", "aud", "app_id"} {
		t.Claims[name] = info[name]
	}
	return t, nil
}

// Flow returns the flow in which people sign in with Amazon.
func (a *Amazon) Flow(cfg FlowConfig) (*Flow, error) {
	if cfg.Scopes == nil {
		cfg.Scopes = []string{"profile"}
	}
	o, err := cfg.flow(a.cfg.ClientIDs, a.cfg.Now)
	if err != nil {
		return nil, err
	}
	o.Verifier, o.Client, o.SecretInBody = a, a.cfg.Client, true
	o.AuthURL, o.TokenURL = a.cfg.AuthURL, strings.TrimSuffix(a.cfg.BaseURL, "/")+"/auth/o2/token"
	return newFlow(o)
}
