package sts

import (
	"context"
	"crypto/sha1" //nolint:gosec // AWS defines the name qualifier so; nothing rests on it
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/policy"
	"github.com/thinghub/thinghub/auth/roles"
)

// An AssertionVerifier proves assertions of one SAML identity provider.
//
// VerifyAssertion takes a response or an assertion in base64 and returns what it says once
// it is proved: signed by the provider, for us, in time, and used for the first time. Of
// signed and unsigned parts it returns the signed ones only. Otherwise the error wraps
// auth.ErrTokenExpired, auth.ErrBadCredentials, or auth.ErrUnavailable if the provider's
// metadata cannot be had. Safe for concurrent use.
type AssertionVerifier interface {
	VerifyAssertion(ctx context.Context, assertion string) (*Assertion, error)
}

// An Assertion is what a proved assertion says.
type Assertion struct {
	// Issuer names the provider.
	Issuer string
	// Subject is the NameID, and SubjectType the last part of its format: "persistent",
	// "transient", or the whole format if it is another one.
	Subject, SubjectType string
	// Recipient is the address that the assertion was made for, which was checked to be
	// ours.
	Recipient string
	// Roles are the values of the attribute https://aws.amazon.com/SAML/Attributes/Role:
	// the ARNs of a role and of the provider, in either order, with a comma between.
	Roles []string
	// SessionName is the attribute .../RoleSessionName.
	SessionName string
	// SessionDuration is the attribute .../SessionDuration, 0 if it is not there.
	SessionDuration time.Duration
	// SessionEnds is the time after which the provider wants the session to be over; zero
	// for never.
	SessionEnds time.Time
}

// SAMLIdentity is what AssumeRoleWithSAML adds to an Assumed.
type SAMLIdentity struct {
	Assumed
	Issuer, Subject, SubjectType string
	// Audience is the address that the assertion was made for.
	Audience string
	// NameQualifier stands for the issuer, the account and the name of the provider.
	NameQualifier string
}

const maxAssertion = 100_000

// AssumeRoleWithSAML takes a role with an assertion of the provider named by its ARN, in
// base64. The assertion must name the role together with the provider.
//
// Errors: ErrInvalid, ErrDenied, ErrInvalidToken, ErrExpired, ErrRejected, ErrUnavailable,
// ErrMalformedPolicy, ErrPolicyTooLarge.
func (s *Service) AssumeRoleWithSAML(ctx context.Context, r Request, provider, assertion string) (SAMLIdentity, error) {
	return assume(ctx, s, "AssumeRoleWithSAML", r.Role, func(ctx context.Context, _ *audit.Note) (SAMLIdentity, error) {
		return s.assumeWithSAML(ctx, r, provider, assertion)
	})
}

func (s *Service) assumeWithSAML(ctx context.Context, r Request, provider, assertion string) (SAMLIdentity, error) {
	if err := s.check(&r); err != nil {
		return SAMLIdentity{}, err
	}
	if r.Session != "" {
		return SAMLIdentity{}, invalid("roleSessionName", r.Session, "Member must not be there: it is in the assertion")
	}
	if len(assertion) < 4 || len(assertion) > maxAssertion {
		return SAMLIdentity{}, invalid("SAMLAssertion", strconv.Itoa(len(assertion))+" bytes", "Member must have a length of 4 to "+strconv.Itoa(maxAssertion))
	}
	short, found := strings.CutPrefix(provider, s.cfg.samlPrefix())
	if !found || short == "" || len(provider) > 2048 {
		return SAMLIdentity{}, invalid("principalArn", provider, "Member must be the ARN of a SAML provider, "+s.cfg.samlPrefix()+"NAME")
	}
	verifier := s.cfg.SAML[provider]
	if verifier == nil {
		return SAMLIdentity{}, fault(ErrInvalidToken, "Issuer not present in specified provider")
	}
	a, err := verifier.VerifyAssertion(ctx, assertion)
	if err != nil {
		return SAMLIdentity{}, refusal(err, "The SAML assertion")
	}
	if a == nil || a.Subject == "" || a.Issuer == "" {
		return SAMLIdentity{}, fault(ErrInvalidToken, "The SAML assertion has no issuer or no subject")
	}
	s.room.Of(ctx).About = subject(a.Subject, a.Issuer)
	if err := checkSession(a.SessionName); err != nil {
		return SAMLIdentity{}, &Error{Kind: ErrInvalidToken, Message: "RoleSessionName is required in AuthnResponse", Cause: err}
	}
	if !slices.ContainsFunc(a.Roles, func(pair string) bool { return names(pair, r.Role, provider) }) {
		return SAMLIdentity{}, fault(ErrDenied, "Not authorized to perform %s", roles.AssumeRoleWithSAML)
	}
	r.Session = a.SessionName
	out := SAMLIdentity{Issuer: a.Issuer, Subject: a.Subject, SubjectType: a.SubjectType, Audience: a.Recipient, NameQualifier: s.qualifier(a.Issuer, short)}
	attributes := map[string]string{"aws:FederatedProvider": provider}
	withText(attributes, "saml:iss", out.Issuer)
	withText(attributes, "saml:sub", out.Subject)
	withText(attributes, "saml:sub_type", out.SubjectType)
	withText(attributes, "saml:aud", out.Audience)
	withText(attributes, "saml:namequalifier", out.NameQualifier)
	withText(attributes, "saml:doc", s.cfg.Scope.Account+"/"+short)
	t := &taking{
		Request: &r, action: roles.AssumeRoleWithSAML, facts: policy.Facts{Extra: lists(attributes)}, grant: roles.Grant{Attributes: attributes},
		who: []policy.Principal{{Kind: policy.FederatedPrincipal, Name: provider}},
	}
	if t.atMost, err = s.atMost(a); err != nil {
		return SAMLIdentity{}, err
	}
	out.Assumed, err = s.take(ctx, t)
	return out, err
}

// atMost is how long the provider lets a session last, 0 if it does not say.
func (s *Service) atMost(a *Assertion) (time.Duration, error) {
	d := a.SessionDuration
	if d != 0 && (d < roles.ShortestDuration || d > roles.LongestDuration) {
		return 0, fault(ErrInvalidToken, "SessionDuration of the SAML assertion is %.0f seconds, expected 900 to 43200", d.Seconds())
	}
	if a.SessionEnds.IsZero() {
		return d, nil
	}
	left := a.SessionEnds.Sub(s.cfg.Now()).Truncate(time.Second)
	if left < time.Second {
		return 0, fault(ErrExpired, "The session of the SAML assertion is over")
	}
	if d == 0 || left < d {
		d = left
	}
	return d, nil
}

// names reports whether a value of the attribute Role is about a role and a provider.
func names(pair, role, provider string) bool {
	one, other, found := strings.Cut(pair, ",")
	one, other = strings.TrimSpace(one), strings.TrimSpace(other)
	return found && (one == role && other == provider || one == provider && other == role)
}

func (s *Service) qualifier(issuer, provider string) string {
	sum := sha1.Sum([]byte(issuer + s.cfg.Scope.Account + "/" + provider)) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}
