package sts

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/audit"
	"github.com/thinghub/thinghub/auth/policy"
	"github.com/thinghub/thinghub/auth/roles"
)

// WebIdentity is what AssumeRoleWithWebIdentity adds to an Assumed.
type WebIdentity struct {
	Assumed
	// Subject is whom the token is about, Audience whom it was made for.
	Subject, Audience string
	// Provider is the issuer of the token, or what the request has as ProviderId.
	Provider string
}

const maxWebToken = 20_000

// AssumeRoleWithWebIdentity takes a role with a token of a login provider. providerID names
// the provider of a token that does not: an access token of OAuth 2.0. It is empty for the
// tokens of OpenID Connect and of identity pools, which name their issuer.
//
// Errors: ErrInvalid, ErrDenied, ErrInvalidToken, ErrExpired, ErrRejected, ErrUnavailable,
// ErrMalformedPolicy, ErrPolicyTooLarge.
func (s *Service) AssumeRoleWithWebIdentity(ctx context.Context, r Request, token, providerID string) (WebIdentity, error) {
	return assume(ctx, s, "AssumeRoleWithWebIdentity", r.Role, func(ctx context.Context, _ *audit.Note) (WebIdentity, error) {
		return s.assumeWithToken(ctx, r, token, providerID)
	})
}

func (s *Service) assumeWithToken(ctx context.Context, r Request, token, providerID string) (WebIdentity, error) {
	if err := s.check(&r); err != nil {
		return WebIdentity{}, err
	}
	if err := checkSession(r.Session); err != nil {
		return WebIdentity{}, err
	}
	if len(token) < 4 || len(token) > maxWebToken {
		return WebIdentity{}, invalid("webIdentityToken", strconv.Itoa(len(token))+" bytes", "Member must have a length of 4 to "+strconv.Itoa(maxWebToken))
	}
	if providerID != "" && (len(providerID) < 4 || len(providerID) > 2048) {
		return WebIdentity{}, invalid("providerId", providerID, "Member must have a length of 4 to 2048")
	}
	name := providerID
	var issuer string
	if name == "" {
		issuer = issuerOf(token)
		name = strings.TrimPrefix(issuer, "https://")
	}
	pools := name != "" && issuer == s.cfg.PoolIssuer
	verifier, err := s.verifier(ctx, name, pools)
	if err != nil {
		return WebIdentity{}, err
	}
	if verifier == nil {
		return WebIdentity{}, fault(ErrInvalidToken, "No OpenIDConnect provider found in your account for %s", shorten(name))
	}
	t, err := verifier.Verify(ctx, token)
	if err != nil {
		return WebIdentity{}, refusal(err, "The web identity token")
	}
	if t == nil || t.Subject == "" || len(t.Subject) > 2048 {
		return WebIdentity{}, fault(ErrInvalidToken, "The web identity token has no subject of 1 to 2048 bytes")
	}
	if !t.Expires.IsZero() && !s.cfg.Now().Before(t.Expires) {
		return WebIdentity{}, refusal(auth.ErrTokenExpired, "The web identity token")
	}
	s.room.Of(ctx).About = subject(t.Subject, name)
	out := WebIdentity{Subject: t.Subject, Provider: name}
	if issuer != "" {
		out.Provider = issuer
	}
	taking := s.ofProvider(name, t)
	if pools {
		if taking, err = ofPool(t); err != nil {
			return WebIdentity{}, err
		}
	}
	taking.Request, taking.action = &r, roles.AssumeRoleWithWebIdentity
	if len(t.Audience) > 0 {
		out.Audience = t.Audience[0]
	}
	out.Assumed, err = s.take(ctx, taking)
	return out, err
}

// verifier finds who proves the tokens of a provider, nil if nobody does.
func (s *Service) verifier(ctx context.Context, name string, pools bool) (auth.TokenVerifier, error) {
	if pools {
		return s.cfg.IdentityPools, nil
	}
	if name == "" || name == policy.CognitoProvider { // only those of ours speak for these keys
		return nil, nil
	}
	if v, found := s.cfg.Providers[name]; found {
		return v, nil
	}
	v, err := s.cfg.Provider(ctx, name)
	if err != nil {
		return nil, refusal(err, "The web identity token")
	}
	return v, nil
}

// issuerOf is what a token says about its issuer. It is not proved: it says only whom to
// ask, and who is asked makes sure.
func issuerOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(text, &claims) != nil {
		return ""
	}
	return claims.Issuer
}

// ofProvider is who has a token of a login provider: a session of the role. The audience of
// a token that names the party that it was issued to is that party.
func (s *Service) ofProvider(name string, t *auth.Token) *taking {
	arn := "arn:" + s.cfg.Scope.Partition + ":iam::" + s.cfg.Scope.Account + ":oidc-provider/" + name
	facts := map[string][]string{name + ":sub": {t.Subject}, name + ":aud": t.Audience, name + ":app_id": t.Audience, "aws:FederatedProvider": {arn}}
	attributes := map[string]string{name + ":sub": t.Subject, "aws:FederatedProvider": arn}
	audience := t.Audience
	if party, _ := t.Claims["azp"].(string); party != "" {
		audience = []string{party}
		facts[name+":oaud"], facts[name+":aud"] = t.Audience, audience
	}
	if len(audience) == 1 {
		attributes[name+":aud"] = audience[0]
	}
	if amr := texts(t.Claims["amr"]); len(amr) > 0 {
		facts[name+":amr"] = amr
	}
	return &taking{
		facts: policy.Facts{Extra: facts}, grant: roles.Grant{Attributes: attributes},
		who: []policy.Principal{{Kind: policy.FederatedPrincipal, Name: name}, {Kind: policy.FederatedPrincipal, Name: arn}},
	}
}

// ofPool is who has a token of an identity pool: the identity.
func ofPool(t *auth.Token) (*taking, error) {
	amr := texts(t.Claims["amr"])
	signedIn := slices.Contains(amr, "authenticated")
	if len(t.Audience) != 1 || signedIn == slices.Contains(amr, "unauthenticated") {
		return nil, fault(ErrInvalidToken, "The web identity token is none of an identity pool")
	}
	pool := t.Audience[0]
	return &taking{
		facts: policy.Facts{Cognito: &policy.Cognito{IdentityID: t.Subject, PoolID: pool, Authenticated: signedIn, AMR: amr}},
		grant: roles.Grant{Identity: t.Subject, Authenticated: signedIn, Attributes: roles.PoolAttributes(t.Subject, pool, amr)},
		who:   []policy.Principal{{Kind: policy.FederatedPrincipal, Name: policy.CognitoProvider}},
	}, nil
}

// texts are the texts of a claim that is a text or a list of them.
func texts(claim any) []string {
	switch v := claim.(type) {
	case string:
		return []string{v}
	case []string:
		return v
	case []any:
		var all []string
		for _, one := range v {
			if s, ok := one.(string); ok {
				all = append(all, s)
			}
		}
		return all
	default:
		return nil
	}
}
