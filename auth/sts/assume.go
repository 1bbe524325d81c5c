package sts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/policy"
	"github.com/thinghub/thinghub/auth/roles"
)

// A Request is what all ways to take a role have in common.
type Request struct {
	// Role is the ARN of the role.
	Role string
	// Session names who takes it: 2 to 64 letters, digits and _+=,.@-. For SAML it comes
	// from the assertion and must be empty.
	Session string
	// Duration is how long the credentials live: 15 minutes up to what the role allows; an
	// hour, or what the role allows if that is less, if it is 0.
	Duration time.Duration
	// Policy is a policy document that narrows what the role may do, and PolicyARNs names
	// up to 10 others. Together they count as one policy. Empty: the role is not narrowed.
	// A document has at most 2048 characters.
	Policy     string
	PolicyARNs []string
	// Source and Secure are aws:SourceIp and aws:SecureTransport for the trust policy.
	Source netip.Addr
	Secure bool
}

// Assumed is a role that was taken.
type Assumed struct {
	roles.Credentials
	// UserID is the id of the role with the name of the session, ARN the name of who has
	// taken the role, in the way of AWS.
	UserID, ARN string
	// PackedPolicySize is how much of the room for session policies is used, in percent.
	PackedPolicySize int
}

// The bounds of requests.
const (
	maxPolicy   = 2048 // characters of Policy
	maxPolicies = 10   // of PolicyARNs
	maxPacked   = 6000 // bytes of all policies together
	chainLimit  = time.Hour
	usualLife   = time.Hour
)

// check checks what can be checked before anything is asked.
func (s *Service) check(r *Request) error {
	if len(r.Role) < 20 || len(r.Role) > 2048 || !strings.HasPrefix(r.Role, "arn:") {
		return invalid("roleArn", r.Role, "Member must be the ARN of a role, "+s.cfg.Roles.RoleARN("NAME"))
	}
	if r.Duration != 0 && (r.Duration < roles.ShortestDuration || r.Duration > roles.LongestDuration || r.Duration%time.Second != 0) {
		return invalid("durationSeconds", fmt.Sprintf("%.0f", r.Duration.Seconds()), "Member must have value between 900 and 43200")
	}
	if n := len([]rune(r.Policy)); n > maxPolicy {
		return invalid("policy", strconv.Itoa(n)+" characters", "Member must have length less than or equal to "+strconv.Itoa(maxPolicy))
	}
	if len(r.PolicyARNs) > maxPolicies {
		return invalid("policyArns", strconv.Itoa(len(r.PolicyARNs))+" members", "Member must have length less than or equal to "+strconv.Itoa(maxPolicies))
	}
	return nil
}

func checkSession(name string) error {
	ok := len(name) >= 2 && len(name) <= 64
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_+=,.@-", c) >= 0)
	}
	if !ok {
		return invalid("roleSessionName", name, `Member must satisfy regular expression pattern: [\w+=,.@-]* and have a length of 2 to 64`)
	}
	return nil
}

// policies are the documents that narrow the role, nil if it is not narrowed.
func (s *Service) policies(ctx context.Context, r *Request) (all []auth.Document, size int, err error) {
	if r.Policy != "" {
		all = append(all, auth.Document{Name: "session", Text: r.Policy})
	}
	for _, name := range r.PolicyARNs {
		d, err := s.cfg.Policy(ctx, name)
		if errors.Is(err, auth.ErrNotFound) {
			return nil, 0, invalid("policyArns", name, "Member must be the ARN of a policy that is there")
		}
		if err != nil {
			return nil, 0, fmt.Errorf("sts: policy %s: %w", name, err)
		}
		all = append(all, d)
	}
	for _, d := range all {
		if _, err := policy.Parse([]byte(d.Text)); err != nil {
			return nil, 0, fault(ErrMalformedPolicy, "The policy %s: %s", d.Name, strings.TrimPrefix(err.Error(), "policy: "))
		}
		size += len(d.Text)
	}
	if size > maxPacked {
		return nil, 0, fault(ErrPolicyTooLarge, "The session policies have %d bytes together, expected at most %d", size, maxPacked)
	}
	return all, size, nil
}

// A taking is somebody who takes a role.
type taking struct {
	*Request
	action string
	facts  policy.Facts
	who    []policy.Principal
	grant  roles.Grant // without what comes from the request
	// atMost bounds the session beside the role, 0 does not.
	atMost time.Duration
	// chained: the caller has taken a role already.
	chained bool
}

// take gives the role if its trust policy says so.
func (s *Service) take(ctx context.Context, t *taking) (Assumed, error) {
	documents, size, err := s.policies(ctx, t.Request)
	if err != nil {
		return Assumed{}, err
	}
	f := t.facts
	f.HTTP, f.SourceIP, f.Secure, f.Now = true, t.Source, t.Secure, s.cfg.Now
	if f.Extra == nil {
		f.Extra = map[string][]string{}
	}
	f.Extra["sts:RoleSessionName"] = []string{t.Session}
	role, err := s.cfg.Roles.MayAssume(ctx, t.Role, t.action, &f, t.who...)
	if errors.Is(err, roles.ErrNotTrusted) || errors.Is(err, roles.ErrInvalid) {
		return Assumed{}, &Error{Kind: ErrDenied, Message: "Not authorized to perform " + t.action, Cause: err}
	}
	if err != nil {
		return Assumed{}, err
	}
	life, err := t.life(role.MaxDuration)
	if err != nil {
		return Assumed{}, err
	}
	g := t.grant
	g.Role, g.Session, g.Policies, g.Duration = role.ARN, t.Session, documents, life
	made, err := s.cfg.Roles.Issue(ctx, g)
	if errors.Is(err, roles.ErrInvalid) { // the rest was checked before
		return Assumed{}, &Error{Kind: ErrPolicyTooLarge, Message: "The session policies and attributes do not fit into a session token", Cause: err}
	}
	if err != nil {
		return Assumed{}, err
	}
	if n := s.room.Of(ctx); n.Principal == "" { // the caller who has signed stays who it is
		if n.By(&auth.Identity{Principal: s.cfg.Roles.SessionARN(role.ARN, t.Session), ARN: role.ARN}); g.Identity != "" {
			n.By(&auth.Identity{Principal: g.Identity}) // of a pool, whatever the session
		}
	}
	return Assumed{
		Credentials: made, UserID: role.ID + ":" + t.Session, ARN: s.cfg.Roles.SessionARN(role.ARN, t.Session),
		PackedPolicySize: (size*100 + maxPacked - 1) / maxPacked,
	}, nil
}

// life is how long the credentials live.
func (t *taking) life(most time.Duration) (time.Duration, error) {
	d := t.Duration
	switch {
	case d == 0:
		d = min(usualLife, most)
	case t.chained && d > chainLimit:
		return 0, fault(ErrInvalid, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case d > most:
		return 0, fault(ErrInvalid, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if t.atMost > 0 {
		d = min(d, t.atMost)
	}
	return d, nil
}

// AssumeRole takes a role for an identity that signs requests. externalID is
// sts:ExternalId for the trust policy, empty for none. Whether the policies of the caller
// allow it is not looked at here; Handler asks.
//
// Errors: ErrInvalid, ErrDenied, ErrMalformedPolicy, ErrPolicyTooLarge.
func (s *Service) AssumeRole(ctx context.Context, caller *auth.Identity, r Request, externalID string) (Assumed, error) {
	return assume(ctx, s, "AssumeRole", r.Role, func(ctx context.Context, n *audit.Note) (Assumed, error) {
		n.By(caller)
		return s.assumeRole(ctx, caller, r, externalID)
	})
}

func (s *Service) assumeRole(ctx context.Context, caller *auth.Identity, r Request, externalID string) (Assumed, error) {
	if err := s.check(&r); err != nil {
		return Assumed{}, err
	}
	if err := checkSession(r.Session); err != nil {
		return Assumed{}, err
	}
	if externalID != "" {
		if err := checkExternalID(externalID); err != nil {
			return Assumed{}, err
		}
	}
	t := &taking{Request: &r, action: roles.AssumeRole, who: s.cfg.Roles.Principals(caller), chained: roles.SessionOf(caller) != ""}
	t.facts.Extra = map[string][]string{}
	for key, v := range caller.Attributes {
		if strings.Contains(key, ":") {
			t.facts.Extra[key] = []string{v}
		}
	}
	t.facts.Extra["aws:PrincipalArn"], t.facts.Extra["aws:PrincipalAccount"] = []string{principalARN(caller)}, []string{s.cfg.Scope.Account}
	delete(t.facts.Extra, "sts:ExternalId")
	if externalID != "" {
		t.facts.Extra["sts:ExternalId"] = []string{externalID}
	}
	return s.take(ctx, t)
}

// principalARN is the user, or the role that somebody has taken.
func principalARN(id *auth.Identity) string {
	if id.Role != "" {
		return id.Role
	}
	return id.Attached()
}

func checkExternalID(id string) error {
	ok := len(id) >= 2 && len(id) <= 1224
	for _, c := range []byte(id) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_+=,.@:/-", c) >= 0)
	}
	if !ok {
		return invalid("externalId", id, `Member must satisfy regular expression pattern: [\w+=,.@:\/-]* and have a length of 2 to 1224`)
	}
	return nil
}

// A Caller is who has signed a request.
type Caller struct{ UserID, Account, ARN string }

// GetCallerIdentity returns what AWS calls an identity that has signed a request.
func (s *Service) GetCallerIdentity(id *auth.Identity) Caller {
	c := Caller{UserID: id.Attributes["aws:userid"], Account: s.cfg.Scope.Account, ARN: id.Principal}
	if id.Kind == auth.Authenticated || id.Kind == auth.Guest {
		c.ARN = s.cfg.Roles.SessionARN(id.Role, roles.SessionOf(id))
	}
	if c.UserID == "" {
		c.UserID = id.Principal
	}
	return c
}

// withText adds a text to attributes or facts if there is one.
func withText(m map[string]string, key, value string) {
	if value != "" {
		m[key] = value
	}
}

// lists makes condition keys of attributes.
func lists(attributes map[string]string) map[string][]string {
	all := map[string][]string{}
	for key, v := range maps.All(attributes) {
		all[key] = []string{v}
	}
	return all
}
