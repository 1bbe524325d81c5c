package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/policy"
)

// The actions of who takes a role, which trust policies allow.
const (
	AssumeRole                = "sts:AssumeRole"
	AssumeRoleWithWebIdentity = "sts:AssumeRoleWithWebIdentity"
	AssumeRoleWithSAML        = "sts:AssumeRoleWithSAML"
)

// A trusted is the trust policy of a role as it was at a revision.
type trusted struct {
	revision int64
	policy   *policy.Trust
}

// MayAssume says whether somebody may take a role: action is one of AssumeRole,
// AssumeRoleWithWebIdentity and AssumeRoleWithSAML, f has the values of condition keys, and
// who are the principals that they are. It returns the role.
//
// Errors: ErrNotTrusted if there is no such role, or it does not trust them: which of both
// is not for everybody to know, and only in Error.Cause. ErrInvalid if it is no ARN of a
// role of this hub's.
func (s *Service) MayAssume(ctx context.Context, role, action string, f *policy.Facts, who ...policy.Principal) (Role, error) {
	if err := s.checkRole(role); err != nil {
		return Role{}, err
	}
	refused := func(format string, args ...any) error {
		return &Error{Kind: ErrNotTrusted, Message: "Not authorized to perform " + action, Cause: fmt.Errorf(format, args...)}
	}
	name, found := strings.CutPrefix(role, s.RoleARN(""))
	if !found || checkRoleName(name) != nil {
		return Role{}, refused("it is no name of a role of this hub")
	}
	e, err := s.roles.Get(ctx, name)
	if errors.Is(err, auth.ErrNotFound) {
		return Role{}, refused("there is no role %s", name)
	}
	if err != nil {
		return Role{}, fmt.Errorf("roles: read role %s: %w", name, err)
	}
	s.mu.Lock()
	t := s.trusts[name]
	s.mu.Unlock()
	if t.revision != e.Revision {
		t.revision = e.Revision
		if t.policy, err = policy.ParseTrust([]byte(e.Value.Trust)); err != nil {
			return Role{}, fmt.Errorf("roles: trust policy of the role %s: %w", name, err)
		}
		s.mu.Lock()
		s.trusts[name] = t
		s.mu.Unlock()
	}
	if f == nil {
		f = &policy.Facts{}
	}
	if f.Now == nil {
		with := *f
		with.Now = s.cfg.Now
		f = &with
	}
	switch d := t.policy.Decide(action, f, who...); {
	case d.Allowed():
	case d.Statement != nil:
		return Role{}, refused("statement %d %q of the trust policy of the role %s denies it", d.Statement.Index, d.Statement.Sid, name)
	default:
		return Role{}, refused("no statement of the trust policy of the role %s allows it to %s", name, named(who))
	}
	return s.role(name, &e.Value), nil
}

// named lists principals for people.
func named(who []policy.Principal) string {
	if len(who) == 0 {
		return "anybody of the caller's kind"
	}
	var all []string
	for _, p := range who {
		all = append(all, fmt.Sprintf("%.300q", p.Name))
	}
	return strings.Join(slices.Compact(all), ", ")
}

func (s *Service) forgetTrust(name string) {
	s.mu.Lock()
	delete(s.trusts, name)
	s.mu.Unlock()
}

// Principals returns what trust policies may call an identity that signs requests: its
// account, itself, and its role if it has taken one. Others have none.
func (s *Service) Principals(id *auth.Identity) []policy.Principal {
	var names []string
	switch id.Kind {
	case auth.IAM:
		names = []string{id.Principal, id.Attached()}
	case auth.Authenticated, auth.Guest:
		names = []string{s.SessionARN(id.Role, SessionOf(id)), id.Role}
	default:
		return nil
	}
	account := s.cfg.Scope.Account
	names = append(names, account, "arn:"+s.cfg.Scope.Partition+":iam::"+account+":root")
	var all []policy.Principal
	for _, n := range names {
		all = append(all, policy.Principal{Kind: policy.AWSPrincipal, Name: n})
	}
	return all
}

// SessionARN names a session: somebody who has taken a role.
func (s *Service) SessionARN(role, session string) string {
	return "arn:" + s.cfg.Scope.Partition + ":sts::" + s.cfg.Scope.Account + ":assumed-role/" + role[strings.LastIndexByte(role, '/')+1:] + "/" + session
}

// SessionOf is the name of the session of an identity that came with temporary
// credentials, empty for others.
func SessionOf(id *auth.Identity) string {
	if role, session, found := strings.Cut(id.Attributes[userID], ":"); found && strings.HasPrefix(role, "AROA") {
		return session
	}
	return ""
}

// userID is the condition key that has the role's id and the name of the session.
const userID = "aws:userid"

// PoolSession is the name of the sessions of identities of pools that were given none.
const PoolSession = "CognitoIdentityCredentials"

// The condition keys about identities of pools.
const (
	PoolSub = policy.CognitoProvider + ":sub"
	PoolAud = policy.CognitoProvider + ":aud"
	PoolAMR = policy.CognitoProvider + ":amr"
)

// PoolAttributes are the attributes of an identity of a pool: its id, that of the pool, and
// how it has signed in, of which the text has no way to keep what has a comma in it, and
// Grant.Authenticated speaks for "authenticated".
func PoolAttributes(identity, pool string, amr []string) map[string]string {
	var kept []string
	for _, m := range amr {
		if m != "" && m != "authenticated" && m != "unauthenticated" && !strings.Contains(m, ",") {
			kept = append(kept, m)
		}
	}
	all := map[string]string{PoolSub: identity, PoolAud: pool}
	if len(kept) > 0 {
		all[PoolAMR] = strings.Join(kept, ",")
	}
	return all
}
