package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/oidc"
)

// A tokenIssuer lets clients in with its tokens: as the password to a user name, or as a
// bearer token.
type tokenIssuer struct {
	field                      string // of the file
	userName, issuer, audience string
	keys                       []oidc.Key // none: the issuer is discovered
	policies                   []string   // of subjects that are no users
}

// addJWT adds an issuer whose key is in a file.
func (f *file) addJWT(field string, value json.RawMessage) error {
	l := tokenIssuer{field: field}
	var key oidc.Key
	err := members(value, func(name string, v json.RawMessage) (err error) {
		switch name {
		case "userName":
			l.userName, err = text(field+".userName", v)
		case "issuer":
			l.issuer, err = text(field+".issuer", v)
		case "audience":
			l.audience, err = text(field+".audience", v)
		case "keyFile":
			var pem string
			pem, err = f.readText(field+".keyFile", v)
			key.PEM = []byte(pem)
		case "keyID":
			key.ID, err = text(field+".keyID", v)
		case "policies":
			l.policies, err = texts(field+".policies", v)
		default:
			err = fmt.Errorf("unknown name %q in %s, expected userName, issuer, audience, keyFile, keyID or policies", name, field)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case l.userName == "" || l.issuer == "" || l.audience == "" || len(key.PEM) == 0:
		return fmt.Errorf("%s has no userName, issuer, audience or keyFile, expected all of them", field)
	}
	l.keys = []oidc.Key{key}
	return f.addLogin(l)
}

// addOIDC adds an issuer that says itself which keys it has.
func (f *file) addOIDC(field string, value json.RawMessage) error {
	l := tokenIssuer{field: field}
	err := members(value, func(name string, v json.RawMessage) (err error) {
		switch name {
		case "name":
			l.userName, err = text(field+".name", v)
		case "issuer":
			l.issuer, err = text(field+".issuer", v)
		case "clientID":
			l.audience, err = text(field+".clientID", v)
		case "authenticatedPolicies":
			l.policies, err = texts(field+".authenticatedPolicies", v)
		default:
			err = fmt.Errorf("unknown name %q in %s, expected name, issuer, clientID or authenticatedPolicies", name, field)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case l.userName == "" || l.issuer == "" || l.audience == "":
		return fmt.Errorf("%s has no name, issuer or clientID, expected all of them", field)
	}
	return f.addLogin(l)
}

// addLogin adds an issuer, or another key to it: while keys are replaced there are two.
func (f *file) addLogin(l tokenIssuer) error {
	if _, err := l.provider(); err != nil {
		return fmt.Errorf("%s: %w", l.field, err)
	}
	i := slices.IndexFunc(f.logins, func(o tokenIssuer) bool { return o.userName == l.userName && o.issuer == l.issuer })
	if i < 0 {
		f.logins = append(f.logins, l)
		return nil
	}
	is := &f.logins[i]
	if len(l.keys) == 0 || len(is.keys) == 0 || l.audience != is.audience || !slices.Equal(l.policies, is.policies) {
		return fmt.Errorf("%s has the user name %q and the issuer %q of %s, expected one entry, or entries of jwt that differ in their keys only", l.field, l.userName, l.issuer, is.field)
	}
	is.keys = append(is.keys, l.keys...)
	if _, err := is.provider(); err != nil {
		return fmt.Errorf("%s: %w", l.field, err)
	}
	return nil
}

// checkLogins checks that a user name is either for tokens or somebody's, and that there
// are the policies that entries name.
func (f *file) checkLogins() error {
	for _, l := range f.logins {
		for _, name := range l.policies {
			if !slices.ContainsFunc(f.policies, func(n named) bool { return n.name == name }) {
				return fmt.Errorf("%s has the policy %q, expected one of policies", l.field, name)
			}
		}
	}
	for i, u := range f.users {
		for _, l := range f.logins {
			if u.name == l.userName {
				return fmt.Errorf("users[%d].name is %q, which is the user name for tokens of %s", i, u.name, l.field)
			}
		}
	}
	return nil
}

func (l tokenIssuer) provider() (*oidc.Provider, error) {
	return oidc.New(oidc.Config{Issuer: l.issuer, Audiences: []string{l.audience}, Keys: l.keys})
}

// authenticators are what lets clients in with tokens: one for each user name. hub is
// called when they come.
func (p *principals) authenticators(hub func() *thinghub.Hub) (list []auth.Authenticator, err error) {
	groups, names := map[string][]tokenIssuer{}, []string{}
	for _, l := range p.logins {
		if groups[l.userName] == nil {
			names = append(names, l.userName)
		}
		groups[l.userName] = append(groups[l.userName], l)
	}
	for _, name := range names {
		group := groups[name]
		cfg := oidc.PasswordConfig{UserName: name, Bearer: true}
		for _, l := range group {
			provider, err := l.provider()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.field, err)
			}
			cfg.Verifiers = append(cfg.Verifiers, provider)
		}
		cfg.Admit = func(ctx context.Context, t *auth.Token, id *auth.Identity) error {
			i := slices.IndexFunc(group, func(l tokenIssuer) bool { return l.issuer == t.Issuer })
			return group[i].admit(ctx, hub(), t, id)
		}
		a, err := oidc.Password(cfg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", group[0].field, err)
		}
		list = append(list, a)
	}
	return list, nil
}

// admit makes of a subject the user of its name, or somebody with the policies of the
// entry if there is no such user.
func (l tokenIssuer) admit(ctx context.Context, hub *thinghub.Hub, t *auth.Token, id *auth.Identity) error {
	u, err := hub.Users().Get(ctx, t.Subject)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		id.Grant, err = l.grant(ctx, hub)
	case err == nil && u.Disabled:
		err = fmt.Errorf("%w: the user %q is disabled", auth.ErrBanned, u.Name)
	}
	if err != nil {
		return err
	}
	maps.Copy(id.Attributes, u.Attributes)
	id.ARN, id.Attributes["aws:username"] = hub.Users().ARN(t.Subject), t.Subject
	return nil
}

// grant is the policies of the entry as they are now, and again each minute.
func (l tokenIssuer) grant(ctx context.Context, hub *thinghub.Hub) (*auth.Grant, error) {
	g := &auth.Grant{Every: time.Minute, Refresh: func(ctx context.Context) (*auth.Grant, error) { return l.grant(ctx, hub) }}
	for _, name := range l.policies {
		p, err := hub.Policies().GetPolicy(ctx, name)
		if errors.Is(err, access.ErrNotFound) { // deleted since the start
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: policy %q: %w", l.field, name, err)
		}
		g.Policies = append(g.Policies, auth.Document{Name: name, Text: p.Document})
	}
	return g, nil
}
