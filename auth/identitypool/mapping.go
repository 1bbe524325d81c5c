package identitypool

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/auth/policy"
	"github.com/thinghub/thinghub/internal/arn"
)

// Roles are the roles that a pool gives to identities. The names of their members in JSON
// are those of AWS.
type Roles struct {
	// Roles has the ARNs of the role of those who have signed in, under Authenticated, and
	// of guests, under Unauthenticated.
	Roles map[string]string `json:"Roles,omitempty"`
	// Mappings choose other roles, by the name of the login provider, which for a client of
	// a user pool may be followed by ":CLIENT". OpenID Connect and SAML providers may be
	// named by their ARNs. At most 10.
	Mappings map[string]Mapping `json:"RoleMappings,omitempty"`
}

// The keys of Roles.Roles.
const (
	Authenticated   = "authenticated"
	Unauthenticated = "unauthenticated"
)

// A Mapping chooses the role of who has signed in with a provider.
type Mapping struct {
	// Type is ByToken or ByRules.
	Type string `json:"Type"`
	// Ambiguous says what happens where no role, or more than one, comes out: UseDefault
	// takes the role of those who have signed in, Deny gives no credentials.
	Ambiguous string `json:"AmbiguousRoleResolution,omitempty"`
	// Rules are looked at one after the other; the first that fits counts. 1 to 25, for
	// ByRules.
	Rules *Rules `json:"RulesConfiguration,omitempty"`
}

// Rules are the rules of a mapping.
type Rules struct {
	Rules []Rule `json:"Rules"`
}

// A Rule gives a role to those of whom a claim says something.
type Rule struct {
	// Claim is the name of a claim. One with a list of texts fits if one of them does.
	Claim string `json:"Claim"`
	// Match is Equals, Contains, StartsWith or NotEqual. A claim that is not there fits
	// nothing, NotEqual neither.
	Match string `json:"MatchType"`
	Value string `json:"Value"`
	// Role is the ARN of the role.
	Role string `json:"RoleARN"`
}

// The values of the fields of Mapping and Rule.
const (
	ByToken = "Token"
	ByRules = "Rules"

	UseDefault = "AuthenticatedRole"
	Deny       = "Deny"

	Equals     = "Equals"
	Contains   = "Contains"
	StartsWith = "StartsWith"
	NotEqual   = "NotEqual"
)

const (
	maxMappings = 10
	maxRules    = 25
	maxClaim    = 64
	maxValue    = 128
	maxRole     = 2048
)

func oneOf(field, value string, values ...string) error {
	if !slices.Contains(values, value) {
		return invalid(field, value, "Member must satisfy enum value set: ["+strings.Join(values, ", ")+"]")
	}
	return nil
}

func (s *Service) checkRole(field, role string) error {
	n, err := arn.Parse(role)
	if kind, name := n.Split(); err != nil || len(role) > maxRole || n.Service != "iam" || n.Account != s.cfg.Scope.Account || kind != "role" || name == "" {
		return invalid(field, role, "Member must be the ARN of a role, "+s.cfg.Roles.RoleARN("NAME"))
	}
	return nil
}

// checkRoles checks the form of a pool's roles. Whether there are such roles, and whether
// they trust the pool, is looked at when they are given to somebody.
func (s *Service) checkRoles(r *Roles) error {
	for _, kind := range slices.Sorted(maps.Keys(r.Roles)) {
		if err := oneOf("roles", kind, Authenticated, Unauthenticated); err != nil {
			return err
		}
		if err := s.checkRole("roles."+kind, r.Roles[kind]); err != nil {
			return err
		}
	}
	if len(r.Mappings) > maxMappings {
		return invalid("roleMappings", strconv.Itoa(len(r.Mappings))+" members", "Member must have length less than or equal to "+strconv.Itoa(maxMappings))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Mappings)) {
		m, field := r.Mappings[name], "roleMappings."+shorten(name)
		if name == "" || len(name) > 2*maxProvider {
			return invalid("roleMappings", name, "Member must have the name of a login provider")
		}
		if err := oneOf(field+".type", m.Type, ByToken, ByRules); err != nil {
			return err
		}
		if err := oneOf(field+".ambiguousRoleResolution", m.Ambiguous, UseDefault, Deny); err != nil {
			return err
		}
		if (m.Type == ByRules) != (m.Rules != nil) {
			return invalid(field+".rulesConfiguration", m.Type, "Member must be there for the type Rules and for no other")
		}
		if m.Rules == nil {
			continue
		}
		if n := len(m.Rules.Rules); n < 1 || n > maxRules {
			return invalid(field+".rulesConfiguration.rules", strconv.Itoa(n)+" members", "Member must have a length of 1 to "+strconv.Itoa(maxRules))
		}
		for i, rule := range m.Rules.Rules {
			at := fmt.Sprintf("%s.rulesConfiguration.rules.%d", field, i+1)
			if rule.Claim == "" || len(rule.Claim) > maxClaim {
				return invalid(at+".claim", rule.Claim, "Member must have a length of 1 to "+strconv.Itoa(maxClaim))
			}
			if err := oneOf(at+".matchType", rule.Match, Equals, Contains, StartsWith, NotEqual); err != nil {
				return err
			}
			if rule.Value == "" || len(rule.Value) > maxValue {
				return invalid(at+".value", rule.Value, "Member must have a length of 1 to "+strconv.Itoa(maxValue))
			}
			if err := s.checkRole(at+".roleARN", rule.Role); err != nil {
				return err
			}
		}
	}
	return nil
}

// ARNs returns the roles that are named, each once, sorted: those that who sets them has to
// be allowed to pass on.
func (r *Roles) ARNs() []string {
	all := slices.Collect(maps.Values(r.Roles))
	for _, m := range r.Mappings {
		if m.Rules != nil {
			for _, rule := range m.Rules.Rules {
				all = append(all, rule.Role)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// SetIdentityPoolRoles gives a pool its roles, in the place of those it had. Errors:
// ErrInvalid, ErrNotFound, ErrConcurrent.
func (s *Service) SetIdentityPoolRoles(ctx context.Context, pool string, r Roles) error {
	if err := s.checkRoles(&r); err != nil {
		return err
	}
	return s.changePool(ctx, pool, func(p *poolRecord) error {
		p.Roles = r
		return nil
	})
}

// GetIdentityPoolRoles returns the roles of a pool. Errors: ErrInvalid, ErrNotFound.
func (s *Service) GetIdentityPoolRoles(ctx context.Context, pool string) (Roles, error) {
	e, err := s.readPool(ctx, pool)
	return e.Value.Roles, err
}

// mapping returns the mapping for who has signed in with a login.
func (r *Roles) mapping(p *Pool, l *login) (Mapping, bool) {
	for _, client := range l.audience {
		if m, found := r.Mappings[l.provider+":"+client]; found && p.hasClient(l.provider, client) {
			return m, true
		}
	}
	if m, found := r.Mappings[l.provider]; found {
		return m, true
	}
	for _, arn := range p.OpenIDConnectProviderARNs {
		if m, found := r.Mappings[arn]; found && oidcName(arn) == l.provider {
			return m, true
		}
	}
	return Mapping{}, false
}

func (p *Pool) hasClient(provider, client string) bool {
	return slices.ContainsFunc(p.UserPools, func(u UserPool) bool { return u.ProviderName == provider && u.ClientID == client })
}

// choose returns the role for who has signed in with some logins; custom is the role they
// would like, empty for none. Logins are asked in the order of their providers' names.
func (r *Roles) choose(p *Pool, logins []*login, custom string) (string, error) {
	refuse := false
	for _, l := range logins {
		m, found := r.mapping(p, l)
		if !found {
			continue
		}
		role := m.role(l, custom)
		if role != "" {
			return role, nil
		}
		refuse = refuse || m.Ambiguous == Deny
	}
	if custom != "" {
		return "", fault(ErrNotAuthorized, "The role in CustomRoleArn is none of those that the login gives.")
	}
	if refuse {
		return "", fault(ErrNotAuthorized, "The login gives no role, and the pool allows no other.")
	}
	return r.Roles[Authenticated], nil
}

// role returns what a mapping makes of a login, empty if that is no role or not one alone.
func (m *Mapping) role(l *login, custom string) string {
	if m.Type == ByRules {
		if custom != "" { // the rules decide, nobody else
			return ""
		}
		for _, rule := range m.Rules.Rules {
			if rule.fits(l.claims) {
				return rule.Role
			}
		}
		return ""
	}
	roles := texts(l.claims["cognito:roles"])
	if custom != "" {
		if slices.Contains(roles, custom) {
			return custom
		}
		return ""
	}
	if preferred, _ := l.claims["cognito:preferred_role"].(string); preferred != "" {
		if len(roles) == 0 || slices.Contains(roles, preferred) {
			return preferred
		}
		return ""
	}
	if len(roles) == 1 {
		return roles[0]
	}
	return ""
}

func (r *Rule) fits(claims map[string]any) bool {
	values := texts(claims[r.Claim])
	if r.Match == NotEqual {
		return len(values) > 0 && !slices.Contains(values, r.Value)
	}
	return slices.ContainsFunc(values, func(v string) bool {
		switch r.Match {
		case Equals:
			return v == r.Value
		case Contains:
			return strings.Contains(v, r.Value)
		default:
			return strings.HasPrefix(v, r.Value)
		}
	})
}

// texts are the texts of a claim: itself, or those of a list. Numbers and booleans are text
// as JSON has it.
func texts(claim any) []string {
	switch v := claim.(type) {
	case string:
		return []string{v}
	case bool:
		return []string{strconv.FormatBool(v)}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case []string:
		return v
	case []any:
		var all []string
		for _, one := range v {
			if _, list := one.([]any); !list {
				all = append(all, texts(one)...)
			}
		}
		return all
	default:
		return nil
	}
}

// cognito is identity pools as trust policies call them.
var cognito = policy.Principal{Kind: policy.FederatedPrincipal, Name: policy.CognitoProvider}
