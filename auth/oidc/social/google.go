package social

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
)

// GoogleConfig is the configuration of logins with Google.
type GoogleConfig struct {
	// Client asks Google. Default: one of its own.
	Client *http.Client
	// ClientIDs are ours: those of the web page, of the apps. Tokens are for one of them;
	// the app to which a token was given (azp) may be another one of the same project.
	ClientIDs []string
	// HostedDomains, if there are any, are the organizations whose members come in.
	HostedDomains []string
	// Issuer is where Google is. Default "https://accounts.google.com".
	Issuer string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Timeout is how long Google may take to answer. Default 10 s.
	Timeout time.Duration
}

// Google proves ID tokens of Google. The subject is Google's id of the person; the claims
// email and hd count for nothing unless email_verified is true.
type Google struct {
	*oidc.Provider
	cfg GoogleConfig
}

var (
	_ auth.TokenVerifier = (*Google)(nil)
	_ oidc.Recogniser    = (*Google)(nil)
)

// NewGoogle returns a verifier. It asks nobody yet.
func NewGoogle(cfg GoogleConfig) (*Google, error) {
	if err := names("GoogleConfig.ClientIDs", cfg.ClientIDs); err != nil {
		return nil, err
	}
	const issuer = "https://accounts.google.com"
	if err := base("GoogleConfig.Issuer", &cfg.Issuer, issuer); err != nil {
		return nil, err
	}
	o := oidc.Config{
		Issuer: cfg.Issuer, Audiences: cfg.ClientIDs, AuthorizedParties: []string{"*"}, Algorithms: []string{"RS256"},
		Client: cfg.Client, Now: cfg.Now, Timeout: cfg.Timeout,
	}
	if cfg.Issuer == issuer {
		o.Aliases = []string{"accounts.google.com"} // which older tokens have
	}
	p, err := oidc.New(o)
	if err != nil {
		return nil, fmt.Errorf("social: GoogleConfig: %w", err)
	}
	return &Google{p, cfg}, nil
}

// Verify proves an ID token.
func (g *Google) Verify(ctx context.Context, token string) (*auth.Token, error) {
	t, err := g.Provider.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if err := g.hosted(t); err != nil {
		return nil, err
	}
	return t, nil
}

// hosted checks of which organization somebody is.
func (g *Google) hosted(t *auth.Token) error {
	hd, _ := t.Claims["hd"].(string)
	if len(g.cfg.HostedDomains) > 0 && !slices.Contains(g.cfg.HostedDomains, hd) {
		return refuse("hd is %q, expected one of %q", hd, g.cfg.HostedDomains)
	}
	return nil
}

// Flow returns the flow in which people sign in with Google.
func (g *Google) Flow(cfg FlowConfig) (*Flow, error) {
	o, err := cfg.flow(g.cfg.ClientIDs, g.cfg.Now)
	if err != nil {
		return nil, err
	}
	o.Provider, o.Client = g.Provider, g.cfg.Client
	if len(g.cfg.HostedDomains) == 1 {
		o.Params.Set("hd", g.cfg.HostedDomains[0]) // which only chooses the page
	}
	f, err := newFlow(o)
	if err != nil {
		return nil, err
	}
	f.check = g.hosted
	return f, nil
}
