package identitypool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
	"github.com/thinghub/thinghub/auth/policy"
)

// A Pool is an identity pool. The names of its members in JSON are those of AWS.
type Pool struct {
	// ID is given by CreateIdentityPool: the region, a colon and a UUID.
	ID string `json:"IdentityPoolId"`
	// Name is for people: 1 to 128 letters, digits, blanks and _+=,.@-. It need not be
	// unique.
	Name string `json:"IdentityPoolName"`
	// AllowUnauthenticated lets guests in.
	AllowUnauthenticated bool `json:"AllowUnauthenticatedIdentities"`
	// AllowClassicFlow allows GetOpenIDToken, and its tokens as web identities.
	AllowClassicFlow bool `json:"AllowClassicFlow"`
	// LoginProviders are public providers with the id of the application that their
	// tokens must be for: "accounts.google.com" and the like. At most 10.
	LoginProviders map[string]string `json:"SupportedLoginProviders,omitempty"`
	// DeveloperProviderName is what users of the host's own backend come from. 1 to 128
	// letters, digits and _.-; once it is set it cannot be changed.
	DeveloperProviderName string `json:"DeveloperProviderName,omitempty"`
	// OpenIDConnectProviderARNs are issuers, as
	// arn:aws:iam::ACCOUNT:oidc-provider/ISSUER-WITHOUT-SCHEME. Whom their tokens must be
	// for is the verifier's to know. At most 10.
	OpenIDConnectProviderARNs []string `json:"OpenIdConnectProviderARNs,omitempty"`
	// UserPools are user pools with the clients that tokens must be for. At most 50.
	UserPools []UserPool `json:"CognitoIdentityProviders,omitempty"`
	// SAMLProviderARNs are arn:aws:iam::ACCOUNT:saml-provider/NAME. At most 10.
	SAMLProviderARNs []string `json:"SamlProviderARNs,omitempty"`
	// Tags are for people: at most 50.
	Tags map[string]string `json:"IdentityPoolTags,omitempty"`
}

// A UserPool is a client of a user pool whose tokens a pool takes.
type UserPool struct {
	// ProviderName is cognito-idp.REGION.amazonaws.com/POOL.
	ProviderName string `json:"ProviderName,omitempty"`
	// ClientID is the client that tokens must be for.
	ClientID string `json:"ClientId,omitempty"`
	// ServerSideTokenCheck asks whether the user is still signed in. It is kept and told;
	// verifiers of user pools look always.
	ServerSideTokenCheck bool `json:"ServerSideTokenCheck"`
}

type poolRecord struct {
	Pool    Pool
	Roles   Roles
	Created time.Time
}

// The bounds of what is stored with a pool.
const (
	maxName      = 128
	maxProvider  = 128
	maxProviders = 10
	maxUserPools = 50
	maxTags      = 50
)

// checkProvider checks the name of a login provider.
func checkProvider(field, name string) error {
	if name == "" || len(name) > maxProvider || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return invalid(field, name, "Member must be the name of a login provider of 1 to "+strconv.Itoa(maxProvider)+" bytes without blanks")
	}
	return nil
}

func checkPoolName(name string) error {
	ok := name != "" && len(name) <= maxName
	for _, c := range name {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_+=,.@- \t\n", c))
	}
	if !ok {
		return invalid("identityPoolName", name, `Member must satisfy regular expression pattern: [\w\s+=,.@-]+ and have a length of 1 to `+strconv.Itoa(maxName))
	}
	return nil
}

// oidcName is the name in Logins of an issuer that a pool has by its ARN.
func oidcName(arn string) string { return policy.ProviderKeys(arn) }

func (s *Service) checkARN(field, name, kind string) error {
	prefix := "arn:" + s.cfg.Scope.Partition + ":iam::" + s.cfg.Scope.Account + ":" + kind + "/"
	if rest, found := strings.CutPrefix(name, prefix); !found || checkProvider(field, rest) != nil || len(name) > 2048 {
		return invalid(field, name, "Member must be the ARN of a provider, "+prefix+"NAME")
	}
	return nil
}

// check checks the form of a pool.
func (s *Service) check(p *Pool) error {
	if err := checkPoolName(p.Name); err != nil {
		return err
	}
	for _, n := range []struct {
		field   string
		n, most int
	}{
		{"supportedLoginProviders", len(p.LoginProviders), maxProviders},
		{"openIdConnectProviderARNs", len(p.OpenIDConnectProviderARNs), maxProviders},
		{"samlProviderARNs", len(p.SAMLProviderARNs), maxProviders},
		{"cognitoIdentityProviders", len(p.UserPools), maxUserPools},
		{"identityPoolTags", len(p.Tags), maxTags},
	} {
		if n.n > n.most {
			return invalid(n.field, strconv.Itoa(n.n)+" members", "Member must have length less than or equal to "+strconv.Itoa(n.most))
		}
	}
	names := map[string]string{policy.CognitoProvider: "the pool's own tokens"}
	take := func(field, name string) error {
		if err := checkProvider(field, name); err != nil {
			return err
		}
		if other, taken := names[name]; taken {
			return invalid(field, name, "Member must not have the name of "+other)
		}
		names[name] = field
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(p.LoginProviders)) {
		if err := take("supportedLoginProviders", name); err != nil {
			return err
		}
		if app := p.LoginProviders[name]; app == "" || len(app) > 128 {
			return invalid("supportedLoginProviders."+name, app, "Member must be the id of an application of 1 to 128 bytes")
		}
	}
	for _, name := range p.OpenIDConnectProviderARNs {
		if err := errors.Join(s.checkARN("openIdConnectProviderARNs", name, "oidc-provider"), take("openIdConnectProviderARNs", oidcName(name))); err != nil {
			return first(err)
		}
	}
	for _, name := range p.SAMLProviderARNs {
		if err := errors.Join(s.checkARN("samlProviderARNs", name, "saml-provider"), take("samlProviderARNs", name)); err != nil {
			return first(err)
		}
	}
	clients := map[UserPool]bool{}
	for i, u := range p.UserPools {
		field := fmt.Sprintf("cognitoIdentityProviders.%d", i+1)
		if err := checkProvider(field+".providerName", u.ProviderName); err != nil {
			return err
		}
		if u.ClientID == "" || len(u.ClientID) > 128 {
			return invalid(field+".clientId", u.ClientID, "Member must be the id of a client of 1 to 128 bytes")
		}
		u.ServerSideTokenCheck = false
		if clients[u] {
			return invalid(field, u.ProviderName+" "+u.ClientID, "Member must be there once")
		}
		clients[u] = true
		if by, taken := names[u.ProviderName]; taken && by != "cognitoIdentityProviders" {
			return invalid(field+".providerName", u.ProviderName, "Member must not have the name of "+by)
		}
		names[u.ProviderName] = "cognitoIdentityProviders"
	}
	if d := p.DeveloperProviderName; d != "" {
		if strings.ContainsFunc(d, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-'
		}) {
			return invalid("developerProviderName", d, `Member must satisfy regular expression pattern: [\w._-]+`)
		}
		if err := take("developerProviderName", d); err != nil {
			return err
		}
	}
	for k, v := range p.Tags {
		if k == "" || len(k) > 128 || len(v) > 256 {
			return invalid("identityPoolTags", k, "Member must have a key of 1 to 128 bytes and a value of at most 256")
		}
	}
	return nil
}

// first takes the first of joined errors: one is enough for people.
func first(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()[0]
	}
	return err
}

// accepts says whether tokens of a provider are taken, and for which applications they must
// be made: nil leaves that to the verifier.
func (p *Pool) accepts(provider string) (apps []string, accepted bool) {
	if app, found := p.LoginProviders[provider]; found {
		return []string{app}, true
	}
	for _, u := range p.UserPools {
		if u.ProviderName == provider {
			apps = append(apps, u.ClientID)
		}
	}
	if apps != nil {
		return apps, true
	}
	return nil, slices.Contains(p.SAMLProviderARNs, provider) ||
		slices.ContainsFunc(p.OpenIDConnectProviderARNs, func(arn string) bool { return oidcName(arn) == provider })
}

func (s *Service) readPool(ctx context.Context, id string) (records.Entry[poolRecord], error) {
	if err := checkID("identityPoolId", id); err != nil {
		return records.Entry[poolRecord]{}, err
	}
	e, err := s.pools.Get(ctx, id)
	if errors.Is(err, auth.ErrNotFound) {
		return e, fault(ErrNotFound, "IdentityPool '%s' not found.", id)
	}
	if err != nil {
		return e, fmt.Errorf("identitypool: read pool %s: %w", id, err)
	}
	if n := s.room.Of(ctx); n.Resource == "" {
		n.Resource = s.PoolARN(id)
	}
	return e, nil
}
