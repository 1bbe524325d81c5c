package identitypool

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/policy"
)

// Logins are tokens by the name of the login provider that has made them.
type Logins = map[string]string

// A login is a token that was proved.
type login struct {
	provider, subject string
	audience          []string
	claims            map[string]any
	amr               []string
	identity          string // that a token of the pool's own is about; empty for others
}

const (
	maxLogins  = 10
	maxToken   = 50_000
	maxSubject = 2048
)

func checkLogins(logins Logins) error {
	if len(logins) > maxLogins {
		return invalid("logins", strconv.Itoa(len(logins))+" members", "Member must have length less than or equal to "+strconv.Itoa(maxLogins))
	}
	for provider, token := range logins {
		if err := checkProvider("logins", provider); err != nil {
			return err
		}
		if token == "" || len(token) > maxToken {
			return invalid("logins."+provider, strconv.Itoa(len(token))+" bytes", "Member must have a length of 1 to "+strconv.Itoa(maxToken))
		}
	}
	return nil
}

// prove proves logins, and returns them in the order of the providers' names. One that is
// not good spoils the others: whoever presents it is not who they say.
func (s *Service) prove(ctx context.Context, p *Pool, logins Logins) ([]*login, error) {
	if err := checkLogins(logins); err != nil {
		return nil, err
	}
	var all []*login
	for _, provider := range slices.Sorted(maps.Keys(logins)) {
		l, err := s.proveOne(ctx, p, provider, logins[provider])
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

func (s *Service) proveOne(ctx context.Context, p *Pool, provider, token string) (*login, error) {
	if provider == policy.CognitoProvider {
		return s.proveOwn(ctx, p, token)
	}
	apps, accepted := p.accepts(provider)
	if !accepted {
		return nil, fault(ErrNotAuthorized, "Token is not from a supported provider of this identity pool.")
	}
	verifier, found := s.cfg.Providers[provider]
	if !found {
		var err error
		if verifier, err = s.cfg.Provider(ctx, provider); err != nil {
			return nil, &Error{Kind: ErrExternal, Message: "The login provider cannot be asked at the moment.", Cause: err}
		}
		if verifier == nil {
			return nil, fault(ErrInvalid, "Please provide a valid public provider: %s is not known here.", provider)
		}
	}
	t, err := verifier.Verify(ctx, token)
	if err == nil && (t == nil || t.Subject == "" || len(t.Subject) > maxSubject) {
		err = errors.New("the verifier returned no subject that can be kept")
	}
	if err != nil {
		return nil, refusal(err)
	}
	if !t.Expires.IsZero() && !s.cfg.Now().Before(t.Expires) {
		return nil, refusal(auth.ErrTokenExpired)
	}
	if apps != nil && !slices.ContainsFunc(apps, func(app string) bool { return slices.Contains(t.Audience, app) }) {
		return nil, fault(ErrNotAuthorized, "Invalid login token. Incorrect token audience.")
	}
	return &login{provider: provider, subject: t.Subject, audience: t.Audience, claims: t.Claims, amr: []string{provider, provider + detail(provider) + t.Subject}}, nil
}

// detail is what stands between a provider and a subject among the ways of signing in.
func detail(provider string) string {
	if strings.HasPrefix(provider, "cognito-idp.") {
		return ":CognitoSignIn:"
	}
	return ":"
}

// refusal is what is said of a token that is not good. Why is for the host to know.
func refusal(err error) error {
	switch {
	case errors.Is(err, auth.ErrTokenExpired):
		return &Error{Kind: ErrNotAuthorized, Message: "Invalid login token. Token expired.", Cause: err}
	case errors.Is(err, auth.ErrBadCredentials), errors.Is(err, auth.ErrNotAuthorized), errors.Is(err, auth.ErrBanned):
		return &Error{Kind: ErrNotAuthorized, Message: "Invalid login token.", Cause: err}
	case errors.Is(err, context.Canceled):
		return err
	default:
		return &Error{Kind: ErrExternal, Message: "The login provider cannot be asked at the moment.", Cause: err}
	}
}
