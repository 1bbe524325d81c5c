package userpool

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth/internal/password"
)

// InitiateAuthInput begins a sign-in.
type InitiateAuthInput struct {
	ClientID string `json:"ClientId"`
	// AuthFlow is USER_PASSWORD_AUTH (with USERNAME and PASSWORD), USER_SRP_AUTH
	// (USERNAME, SRP_A), CUSTOM_AUTH (USERNAME), or REFRESH_TOKEN_AUTH (REFRESH_TOKEN),
	// which is also called REFRESH_TOKEN. SECRET_HASH is along with them for clients with
	// a secret.
	AuthFlow       string
	AuthParameters map[string]string
	ClientMetadata map[string]string
}

// AuthOutput is tokens, or a challenge.
type AuthOutput struct {
	ChallengeName        string                `json:",omitempty"`
	Session              string                `json:",omitempty"`
	ChallengeParameters  map[string]string     `json:",omitempty"`
	AuthenticationResult *AuthenticationResult `json:",omitempty"`

	proof string // of a sign-in at Pages, in place of tokens
}

// InitiateAuth begins a sign-in. Errors: ErrInvalid, ErrNotFound, ErrNotAuthorized,
// ErrNotConfirmed and ErrResetRequired with the right password only, ErrRefused;
// ErrUserNotFound only for clients that tell; auth.ErrUnavailable if too many
// sign in at the same time.
func (s *Service) InitiateAuth(ctx context.Context, in InitiateAuthInput) (AuthOutput, error) {
	return s.signIn(ctx, "InitiateAuth", in.AuthParameters["USERNAME"], func(ctx context.Context) (AuthOutput, error) {
		p, c, err := s.clientPool(ctx, in.ClientID)
		if err != nil {
			return AuthOutput{}, err
		}
		if in.AuthFlow == "ADMIN_NO_SRP_AUTH" || in.AuthFlow == "ADMIN_USER_PASSWORD_AUTH" {
			return AuthOutput{}, invalid("AuthFlow", in.AuthFlow, "a flow that users may begin")
		}
		return s.initiate(ctx, p, c, in)
	})
}

func (s *Service) initiate(ctx context.Context, p *poolRecord, c *clientRecord, in InitiateAuthInput) (AuthOutput, error) {
	flow := in.AuthFlow
	switch flow {
	case "REFRESH_TOKEN":
		flow = "REFRESH_TOKEN_AUTH"
	case "ADMIN_NO_SRP_AUTH":
		flow = "ADMIN_USER_PASSWORD_AUTH"
	case "USER_PASSWORD_AUTH", "USER_SRP_AUTH", "CUSTOM_AUTH", "REFRESH_TOKEN_AUTH", "ADMIN_USER_PASSWORD_AUTH":
	default:
		return AuthOutput{}, invalid("AuthFlow", flow, "USER_PASSWORD_AUTH, USER_SRP_AUTH, CUSTOM_AUTH or REFRESH_TOKEN_AUTH")
	}
	if !c.allows(flow) {
		return AuthOutput{}, fault(ErrInvalid, "%s flow not enabled for this client", flow)
	}
	need := map[string][]string{
		"REFRESH_TOKEN_AUTH": {"REFRESH_TOKEN"}, "USER_PASSWORD_AUTH": {"USERNAME", "PASSWORD"}, "ADMIN_USER_PASSWORD_AUTH": {"USERNAME", "PASSWORD"},
		"USER_SRP_AUTH": {"USERNAME", "SRP_A"}, "CUSTOM_AUTH": {"USERNAME"},
	}
	for _, name := range need[flow] {
		if in.AuthParameters[name] == "" {
			return AuthOutput{}, fault(ErrInvalid, "Missing required parameter %s", name)
		}
	}
	if flow == "REFRESH_TOKEN_AUTH" {
		check := func(u *user) error {
			// Of the user's own names: a hash of another's proves nothing here.
			return c.checkSecretHash(in.AuthParameters["SECRET_HASH"], u.names(p)...)
		}
		r, _, err := s.refresh(ctx, p, c, in.AuthParameters["REFRESH_TOKEN"], check, in.ClientMetadata)
		if errors.Is(err, ErrReuse) {
			err = errNoRefresh.because("%s", reused) // as the model calls it here
		}
		return AuthOutput{AuthenticationResult: r}, err
	}
	name := in.AuthParameters["USERNAME"]
	if err := c.checkSecretHash(in.AuthParameters["SECRET_HASH"], name); err != nil {
		return AuthOutput{}, err
	}
	if !userName.MatchString(name) {
		return AuthOutput{}, invalid("USERNAME", name, "1 to 128 letters, digits and signs without spaces")
	}
	st := state{ID: make([]byte, 16), Client: c.id, Name: name, Flow: flow}
	_, _ = rand.Read(st.ID)
	switch flow {
	case "USER_SRP_AUTH":
		return s.startSRP(ctx, p, c, st, in.AuthParameters["SRP_A"], in.ClientMetadata)
	case "CUSTOM_AUTH":
		return s.startCustom(ctx, p, c, st, in.AuthParameters, in.ClientMetadata)
	default:
		return s.byPassword(ctx, p, c, st, in.AuthParameters["PASSWORD"], in.ClientMetadata)
	}
}

// names are those that a client may have made a SECRET_HASH with.
func (u *user) names(p *poolRecord) []string {
	list := []string{u.Name, u.Sub, u.key}
	for _, a := range [...]string{"email", "phone_number", "preferred_username"} {
		if p.aliased(a) {
			list = append(list, u.Attributes[a])
		}
	}
	return list
}

// attempt lets somebody try something of a user that could be guessed, or says that it is
// too early. Kinds of things are counted apart, so that one does not clear the count of
// another. try says how it ended, and nobody can tell if it does not come to that: a hook of
// the host's may panic.
func (s *Service) attempt(ctx context.Context, p *poolRecord, name, kind string, early *Error, try func(end *password.Outcome) error) error {
	a, err := s.guard.Begin(p.id+" "+p.fold(name)+kind, addrOf(ctx), s.cfg.Now())
	if err != nil {
		return early.because("%v", err)
	}
	end := password.Unknown
	defer func() { a.End(end, s.cfg.Now()) }()
	return try(&end)
}

// The kinds of things that are guessed. Names have no spaces.
const (
	ofPassword = ""
	ofToken    = " totp"
	ofCode     = " code"
)

// outcomeOf is how an attempt ended.
func outcomeOf(matched bool, err error) password.Outcome {
	switch {
	case err != nil:
		return password.Unknown
	case matched:
		return password.Good
	default:
		return password.Bad
	}
}

// guessedAs is the name that guesses count for: all of a user's names are one.
func guessedAs(u *user, name string) string {
	if u != nil {
		return u.key
	}
	return name
}

func (s *Service) byPassword(ctx context.Context, p *poolRecord, c *clientRecord, st state, secret string, metadata map[string]string) (AuthOutput, error) {
	u, err := s.find(ctx, p, st.Name)
	if err != nil {
		return AuthOutput{}, err
	}
	if err := s.preAuthentication(ctx, p, c, st.Name, u, metadata); err != nil {
		return AuthOutput{}, err
	}
	var matched bool
	var fresh *newPassword
	var missing *Error // why there is no user
	err = s.attempt(ctx, p, guessedAs(u, st.Name), ofPassword, errTries, func(end *password.Outcome) (err error) {
		matched, fresh, err = s.matches(ctx, p, u, secret)
		if err == nil && u == nil {
			u, err = s.migrate(ctx, p, c, st.Name, secret, metadata)
			if e, ok := errors.AsType[*Error](err); ok && errors.Is(e, ErrUserNotFound) {
				missing, err = e, nil
			}
			matched = u != nil && (u.Status == Confirmed || u.Status == ResetRequired)
		}
		*end = outcomeOf(matched, err)
		return err
	})
	switch {
	case err != nil:
		return AuthOutput{}, err
	case u == nil && !c.discreet():
		return AuthOutput{}, missing
	case u == nil:
		return AuthOutput{}, errBadLogin.because("%s", missing.whole())
	case !matched:
		return AuthOutput{}, errBadLogin.because("the password is wrong")
	}
	if fresh != nil {
		s.rehash(ctx, p, u, *fresh)
	}
	st.about(u)
	return s.passed(ctx, p, c, u, st, metadata)
}

// rehash keeps a password as new ones are. It stays the same password.
func (s *Service) rehash(ctx context.Context, p *poolRecord, u *user, fresh newPassword) {
	_, err := s.change(ctx, p, u, func(now *userRecord) error {
		if now.Passwords != u.Passwords || now.Sub != u.Sub {
			return errConcurrent
		}
		now.Hash, now.Salt, now.Verifier = fresh.hash, fresh.salt, fresh.verifier
		return nil
	})
	if err != nil {
		s.cfg.Logger.Debug("userpool: a password was not hashed anew", "pool", p.id, "sub", u.Sub, "err", err)
	}
}

func (s *Service) preAuthentication(ctx context.Context, p *poolRecord, c *clientRecord, name string, u *user, metadata map[string]string) error {
	var r *userRecord
	if u != nil {
		r = &u.userRecord
	}
	return ask(ctx, "PreAuthentication", s.cfg.Hooks.PreAuthentication, s.event("PreAuthentication_Authentication", p, c.id, name, r, metadata))
}

// passed goes on with a user that has proved its password, or what stands for it.
func (s *Service) passed(ctx context.Context, p *poolRecord, c *clientRecord, u *user, st state, metadata map[string]string) (AuthOutput, error) {
	s.noteUser(ctx, u.Sub)
	switch {
	case u.Disabled:
		return AuthOutput{}, errDisabled
	case u.Status == Unconfirmed:
		return AuthOutput{}, fault(ErrNotConfirmed, "User is not confirmed.")
	case u.Status == ResetRequired:
		return AuthOutput{}, fault(ErrResetRequired, "Password reset required for the user")
	case u.Status == ForceChangePassword && !s.cfg.Now().Before(u.Temporary):
		return AuthOutput{}, fault(ErrNotAuthorized, "Temporary password has expired and must be reset by an administrator.")
	case u.Status == ForceChangePassword:
		return s.challengeNewPassword(ctx, p, c, u, st)
	}
	return s.secondFactor(ctx, p, c, u, st, metadata)
}

// secondFactor asks for a code where one is needed.
func (s *Service) secondFactor(ctx context.Context, p *poolRecord, c *clientRecord, u *user, st state, metadata map[string]string) (AuthOutput, error) {
	if _, all := u.mfa(); len(all) > 0 && p.Settings.MfaConfiguration != "OFF" {
		return s.challenge(ctx, p, c, u, st, softwareToken, map[string]string{"FRIENDLY_DEVICE_NAME": u.TOTP.Name})
	}
	if p.Settings.MfaConfiguration == "ON" {
		return s.challenge(ctx, p, c, u, st, "MFA_SETUP", map[string]string{"MFAS_CAN_SETUP": `["SOFTWARE_TOKEN_MFA"]`})
	}
	return s.finish(ctx, p, c, u, st, metadata)
}

// finish gives tokens.
func (s *Service) finish(ctx context.Context, p *poolRecord, c *clientRecord, u *user, st state, metadata map[string]string) (AuthOutput, error) {
	s.noteUser(ctx, u.Sub)
	if err := ask(ctx, "PostAuthentication", s.cfg.Hooks.PostAuthentication, s.event("PostAuthentication_Authentication", p, c.id, u.Name, &u.userRecord, metadata)); err != nil {
		return AuthOutput{}, err
	}
	if st.Pages > 0 {
		proof, err := s.proofOf(ctx, p, u, st)
		return AuthOutput{proof: proof}, err
	}
	r, err := s.login(ctx, p, c, u, [16]byte(st.ID), s.cfg.Now().UTC(), grant{}, "TokenGeneration_Authentication", metadata)
	if errors.Is(err, errLoginTwice) {
		err = errBadSession.because("it has led to tokens before")
	}
	return AuthOutput{AuthenticationResult: r}, err
}

// challenge asks the client for more.
func (s *Service) challenge(ctx context.Context, p *poolRecord, c *clientRecord, u *user, st state, name string, parameters map[string]string) (AuthOutput, error) {
	st.Step = name
	session, err := s.sealed(ctx, p, c, st)
	if err != nil {
		return AuthOutput{}, err
	}
	parameters["USER_ID_FOR_SRP"] = u.Sub
	return AuthOutput{ChallengeName: name, Session: session, ChallengeParameters: parameters}, nil
}

func (s *Service) challengeNewPassword(ctx context.Context, p *poolRecord, c *clientRecord, u *user, st state) (AuthOutput, error) {
	known := map[string]string{}
	for name, value := range u.Attributes {
		if c.reads(name) {
			known[name] = value
		}
	}
	required := []string{}
	for _, a := range p.Schema {
		if a.Required && u.Attributes[a.Name] == "" {
			required = append(required, "userAttributes."+a.Name)
		}
	}
	b, err := json.Marshal(known)
	if err != nil {
		return AuthOutput{}, fmt.Errorf("userpool: attributes: %w", err)
	}
	r, err := json.Marshal(required)
	if err != nil {
		return AuthOutput{}, fmt.Errorf("userpool: attributes: %w", err)
	}
	return s.challenge(ctx, p, c, u, st, "NEW_PASSWORD_REQUIRED", map[string]string{"userAttributes": string(b), "requiredAttributes": string(r)})
}
