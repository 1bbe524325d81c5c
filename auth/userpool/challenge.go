package userpool

import (
	"context"
	"errors"
	"strings"
)

// RespondToAuthChallengeInput answers a challenge.
type RespondToAuthChallengeInput struct {
	ClientID string `json:"ClientId"`
	// ChallengeName is PASSWORD_VERIFIER (PASSWORD_CLAIM_SIGNATURE,
	// PASSWORD_CLAIM_SECRET_BLOCK, TIMESTAMP), NEW_PASSWORD_REQUIRED (NEW_PASSWORD, and
	// userAttributes.NAME), SOFTWARE_TOKEN_MFA (SOFTWARE_TOKEN_MFA_CODE), MFA_SETUP, or
	// CUSTOM_CHALLENGE (ANSWER). USERNAME is along with them, and SECRET_HASH for clients
	// with a secret.
	ChallengeName      string
	Session            string
	ChallengeResponses map[string]string
	ClientMetadata     map[string]string

	pages bool // Pages answers, which know the user from the session
}

// RespondToAuthChallenge goes on with a sign-in. Errors: ErrInvalid, ErrNotFound,
// ErrNotAuthorized, ErrPassword, ErrCodeMismatch, ErrNotConfirmed, ErrResetRequired,
// ErrAliasExists, ErrRefused, ErrNoSoftwareToken; auth.ErrUnavailable if too many sign in
// at the same time.
func (s *Service) RespondToAuthChallenge(ctx context.Context, in RespondToAuthChallengeInput) (AuthOutput, error) {
	return s.signIn(ctx, "RespondToAuthChallenge", in.ChallengeResponses["USERNAME"], func(ctx context.Context) (AuthOutput, error) {
		p, c, err := s.clientPool(ctx, in.ClientID)
		if err != nil {
			return AuthOutput{}, err
		}
		return s.respond(ctx, p, c, in)
	})
}

func (s *Service) respond(ctx context.Context, p *poolRecord, c *clientRecord, in RespondToAuthChallengeInput) (AuthOutput, error) {
	r := in.ChallengeResponses
	if r["USERNAME"] == "" && !in.pages {
		return AuthOutput{}, fault(ErrInvalid, "Missing required parameter USERNAME")
	}
	need, ok := map[string][]string{
		"PASSWORD_VERIFIER":     {"PASSWORD_CLAIM_SIGNATURE", "PASSWORD_CLAIM_SECRET_BLOCK", "TIMESTAMP"},
		"NEW_PASSWORD_REQUIRED": {"NEW_PASSWORD"}, softwareToken: {softwareToken + "_CODE"}, "MFA_SETUP": nil, "CUSTOM_CHALLENGE": {"ANSWER"},
	}[in.ChallengeName]
	if !ok {
		return AuthOutput{}, invalid("ChallengeName", in.ChallengeName, "PASSWORD_VERIFIER, NEW_PASSWORD_REQUIRED, SOFTWARE_TOKEN_MFA, MFA_SETUP or CUSTOM_CHALLENGE")
	}
	for _, name := range need {
		if r[name] == "" {
			return AuthOutput{}, fault(ErrInvalid, "Missing required parameter %s", name)
		}
	}
	switch in.ChallengeName {
	case "PASSWORD_VERIFIER":
		return s.verifySRP(ctx, p, c, r, in.ClientMetadata)
	case "CUSTOM_CHALLENGE":
		return s.answerCustom(ctx, p, c, in)
	}
	step := in.ChallengeName
	if step == "MFA_SETUP" {
		step = setupDone
	}
	st, u, err := s.resumed(ctx, p, c.id, step, in.Session)
	if err != nil {
		return AuthOutput{}, err
	}
	if in.pages != (st.Pages > 0) {
		return AuthOutput{}, errForged // what began at pages gives no tokens to others
	}
	if !in.pages {
		names := append(u.names(p), st.Name)
		if err := c.checkSecretHash(r["SECRET_HASH"], names...); err != nil {
			return AuthOutput{}, err
		}
		if !p.isOneOf(r["USERNAME"], names) {
			return AuthOutput{}, errBadSession.because("USERNAME is not that of the session")
		}
	}
	switch in.ChallengeName {
	case "NEW_PASSWORD_REQUIRED":
		return s.takeNewPassword(ctx, p, c, u, st, in)
	case softwareToken:
		return s.takeSoftwareToken(ctx, p, c, u, st, r[softwareToken+"_CODE"], in.ClientMetadata)
	default:
		return s.finish(ctx, p, c, u, st, in.ClientMetadata)
	}
}

func (p *poolRecord) isOneOf(name string, names []string) bool {
	for _, n := range names {
		if n != "" && p.fold(n) == p.fold(name) {
			return true
		}
	}
	return false
}

// takeNewPassword replaces a temporary password.
func (s *Service) takeNewPassword(ctx context.Context, p *poolRecord, c *clientRecord, u *user, st state, in RespondToAuthChallengeInput) (AuthOutput, error) {
	given := map[string]string{}
	for name, value := range in.ChallengeResponses {
		if a, ok := strings.CutPrefix(name, "userAttributes."); ok {
			if !c.writes(a) || strings.HasSuffix(a, "_verified") {
				return AuthOutput{}, errAttribute
			}
			given[a] = value
		}
	}
	secret := in.ChallengeResponses["NEW_PASSWORD"]
	if err := p.checkPassword(secret); err != nil {
		return AuthOutput{}, err
	}
	n, err := s.makePassword(ctx, p, false, u.Sub, secret)
	if err != nil {
		return AuthOutput{}, err
	}
	done, err := s.change(ctx, p, u, func(u *userRecord) error {
		if u.Sub != st.Sub || u.Passwords != st.Passwords || u.Gen != st.Gen || u.Status != ForceChangePassword {
			return errChanged
		}
		if err := p.set(u, given); err != nil {
			return err
		}
		for _, a := range p.Schema {
			if a.Required && u.Attributes[a.Name] == "" {
				return fault(ErrInvalid, "Attributes did not conform to the schema: %s: The attribute is required", a.Name)
			}
		}
		u.setPassword(n)
		u.Status, u.Modified = Confirmed, s.cfg.Now().UTC()
		return nil
	})
	if errors.Is(err, ErrUserNotFound) {
		err = errChanged
	}
	if err != nil {
		return AuthOutput{}, err
	}
	st.about(done)
	return s.secondFactor(ctx, p, c, done, st, in.ClientMetadata)
}

// takeSoftwareToken checks the code of a software token.
func (s *Service) takeSoftwareToken(ctx context.Context, p *poolRecord, c *clientRecord, u *user, st state, code string, metadata map[string]string) (AuthOutput, error) {
	done, err := s.useTOTP(ctx, p, u, func(now *userRecord) ([]byte, error) {
		if now.Gen != st.Gen || now.Passwords != st.Passwords || now.Disabled {
			return nil, errChanged // who gets tokens is as it was when it proved the password
		}
		if now.TOTP == nil || len(now.TOTP.Secret) == 0 {
			return nil, errNoToken
		}
		return now.TOTP.Secret, nil
	}, code, nil)
	if err != nil {
		return AuthOutput{}, err
	}
	return s.finish(ctx, p, c, done, st, metadata)
}
