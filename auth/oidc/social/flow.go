package social

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc"
)

// FlowConfig says how people sign in with a browser.
type FlowConfig struct {
	// AllowPlain permits a RedirectURL over http:// on other machines.
	AllowPlain bool
	// ClientID is one of the provider's configuration. Default: the first one there.
	ClientID string
	// Params are further parameters of the address to sign in at.
	Params url.Values
	// RedirectURL is where the provider sends the browser back to: a page of ours.
	RedirectURL string
	// Scopes are what is asked for. Default: what is needed to know who it is.
	Scopes []string
	// Secret is the client's secret. Apple makes it of its Key, Facebook has it.
	Secret string
}

// flow is the configuration for oidc.
func (c FlowConfig) flow(clients []string, now func() time.Time) (oidc.FlowConfig, error) {
	if c.ClientID == "" {
		c.ClientID = clients[0]
	}
	if !slices.Contains(clients, c.ClientID) {
		return oidc.FlowConfig{}, fmt.Errorf("social: FlowConfig.ClientID is %q, expected one of %q", c.ClientID, clients)
	}
	o := oidc.FlowConfig{
		AllowPlain: c.AllowPlain, ClientID: c.ClientID, RedirectURL: c.RedirectURL, Scopes: c.Scopes, Now: now, Params: url.Values{},
	}
	maps.Copy(o.Params, c.Params)
	if c.Secret != "" {
		o.Secret = func(context.Context) (string, error) { return c.Secret, nil }
	}
	return o, nil
}

// A Flow signs people in with a browser; see oidc.Flow.
type Flow struct {
	flow  *oidc.Flow
	check func(t *auth.Token) error // of its provider, nil for none
	seal  func(s *oidc.SignIn) (string, error)
}

func newFlow(cfg oidc.FlowConfig) (*Flow, error) {
	f, err := oidc.NewFlow(cfg)
	if err != nil {
		return nil, fmt.Errorf("social: %w", err)
	}
	return &Flow{flow: f}, nil
}

// Begin returns an address to send a browser to, and what must be kept until it comes back.
func (f *Flow) Begin(ctx context.Context) (*oidc.Pending, error) { return f.flow.Begin(ctx) }

// A SignIn is somebody who has signed in.
type SignIn struct {
	oidc.SignIn
	// Login is what the provider's Verify takes, in an identity pool, say: the ID token
	// or the access token; the sealed one for X.
	Login string
}

// Exchange checks what a browser has come back with; see oidc.Flow.Exchange.
func (f *Flow) Exchange(ctx context.Context, p *oidc.Pending, callback url.Values) (*SignIn, error) {
	in, err := f.flow.Exchange(ctx, p, callback)
	if err != nil {
		return nil, err
	}
	if f.check != nil {
		if err := f.check(in.Token); err != nil {
			return nil, err
		}
	}
	s := &SignIn{SignIn: *in, Login: in.IDToken}
	switch {
	case f.seal != nil:
		s.Login, err = f.seal(in)
	case s.Login == "":
		s.Login = in.AccessToken
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}
