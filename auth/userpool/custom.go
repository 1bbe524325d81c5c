package userpool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/password"
)

// mostCustom is how many steps CUSTOM_AUTH may have.
const mostCustom = 20

// startCustom begins CUSTOM_AUTH. With CHALLENGE_NAME=SRP_A the password is proved first,
// if DefineAuthChallenge says so.
func (s *Service) startCustom(ctx context.Context, p *poolRecord, c *clientRecord, st state, parameters, metadata map[string]string) (AuthOutput, error) {
	h := s.cfg.Hooks
	if h.DefineAuthChallenge == nil || h.CreateAuthChallenge == nil || h.VerifyAuthChallenge == nil {
		return AuthOutput{}, fault(ErrInvalid, "Custom auth lambda trigger is not configured for the user pool.")
	}
	u, err := s.find(ctx, p, st.Name)
	if err != nil {
		return AuthOutput{}, err
	}
	if err := s.preAuthentication(ctx, p, c, st.Name, u, metadata); err != nil {
		return AuthOutput{}, err
	}
	if u == nil && !c.discreet() {
		return AuthOutput{}, errNoUser
	}
	if u != nil {
		st.about(u)
	}
	if parameters["CHALLENGE_NAME"] != "SRP_A" {
		return s.nextCustom(ctx, p, c, u, st, metadata)
	}
	st.Done = []ChallengeResult{{Name: "SRP_A", Passed: true}}
	d, err := s.askDefine(ctx, p, c, u, st, metadata)
	if err != nil {
		return AuthOutput{}, err
	}
	if d.Challenge == "PASSWORD_VERIFIER" {
		return s.startSRP(ctx, p, c, st, parameters["SRP_A"], metadata)
	}
	return s.follow(ctx, p, c, u, st, d, metadata)
}

func (s *Service) customEvent(trigger string, p *poolRecord, c *clientRecord, u *user, st state, metadata map[string]string) Event {
	if u == nil {
		return s.event(trigger, p, c.id, st.Name, nil, metadata)
	}
	return s.event(trigger, p, c.id, u.Name, &u.userRecord, metadata)
}

func (s *Service) askDefine(ctx context.Context, p *poolRecord, c *clientRecord, u *user, st state, metadata map[string]string) (*DefineEvent, error) {
	e := &DefineEvent{Event: s.customEvent("DefineAuthChallenge_Authentication", p, c, u, st, metadata), Session: st.Done}
	if err := ask(ctx, "DefineAuthChallenge", s.cfg.Hooks.DefineAuthChallenge, e); err != nil {
		return nil, err
	}
	return e, nil
}

// nextCustom asks what comes next.
func (s *Service) nextCustom(ctx context.Context, p *poolRecord, c *clientRecord, u *user, st state, metadata map[string]string) (AuthOutput, error) {
	d, err := s.askDefine(ctx, p, c, u, st, metadata)
	if err != nil {
		return AuthOutput{}, err
	}
	return s.follow(ctx, p, c, u, st, d, metadata)
}

// follow does what DefineAuthChallenge said.
func (s *Service) follow(ctx context.Context, p *poolRecord, c *clientRecord, u *user, st state, d *DefineEvent, metadata map[string]string) (AuthOutput, error) {
	switch {
	case d.Issue && u == nil:
		return AuthOutput{}, errBadLogin.because("%s", errNoUser.Message)
	case d.Fail:
		return AuthOutput{}, errBadLogin.because("DefineAuthChallenge says so")
	case d.Issue:
		return s.passed(ctx, p, c, u, st, metadata)
	case d.Challenge != "CUSTOM_CHALLENGE":
		return AuthOutput{}, fault(ErrBadHook, "DefineAuthChallenge: Challenge is %q, expected CUSTOM_CHALLENGE, or Issue or Fail", shorten(d.Challenge))
	case len(st.Done) >= mostCustom:
		return AuthOutput{}, errBadLogin.because("DefineAuthChallenge asks for more than %d challenges", mostCustom)
	}
	e := &CreateEvent{Event: s.customEvent("CreateAuthChallenge_Authentication", p, c, u, st, metadata), Challenge: d.Challenge, Session: st.Done}
	if err := ask(ctx, "CreateAuthChallenge", s.cfg.Hooks.CreateAuthChallenge, e); err != nil {
		return AuthOutput{}, err
	}
	st.Step, st.Hidden, st.Meta = d.Challenge, e.Private, e.Metadata
	session, err := s.sealed(ctx, p, c, st)
	if err != nil {
		return AuthOutput{}, err
	}
	if len(session) > mostSession {
		return AuthOutput{}, fault(ErrBadHook, "CreateAuthChallenge: Private and Metadata are too long")
	}
	// Called as the client called it: the user's own name would say that it is there.
	parameters := map[string]string{"USERNAME": st.Name}
	maps.Copy(parameters, e.Public)
	return AuthOutput{ChallengeName: d.Challenge, Session: session, ChallengeParameters: parameters}, nil
}

// answerCustom takes the answer to a challenge, of which each takes one. A wrong one counts
// as a wrong password does. A right one proves who it is only if it completes the sign-in: a
// puzzle that comes first must not clear the count of the guesses that follow.
func (s *Service) answerCustom(ctx context.Context, p *poolRecord, c *clientRecord, in RespondToAuthChallengeInput) (AuthOutput, error) {
	h := s.cfg.Hooks
	if h.DefineAuthChallenge == nil || h.CreateAuthChallenge == nil || h.VerifyAuthChallenge == nil {
		return AuthOutput{}, fault(ErrInvalid, "Custom auth lambda trigger is not configured for the user pool.")
	}
	st, err := s.unsealed(ctx, p, c.id, "CUSTOM_CHALLENGE", in.Session)
	if err != nil {
		return AuthOutput{}, err
	}
	var u *user
	if st.Key != "" {
		if u, err = s.byKey(ctx, p, st.Key); err != nil {
			return AuthOutput{}, err
		}
		if u == nil || u.Sub != st.Sub || u.Gen != st.Gen || u.Passwords != st.Passwords {
			return AuthOutput{}, errChanged
		}
	}
	names := []string{st.Name}
	if u != nil {
		names = append(names, u.names(p)...)
	}
	if err := c.checkSecretHash(in.ChallengeResponses["SECRET_HASH"], names...); err != nil {
		return AuthOutput{}, err
	}
	if !p.isOneOf(in.ChallengeResponses["USERNAME"], names) {
		return AuthOutput{}, errBadSession.because("USERNAME is not that of the session")
	}
	var out AuthOutput
	err = s.attempt(ctx, p, guessedAs(u, st.Name), ofPassword, errTries, func(end *password.Outcome) error {
		if err := s.spend(ctx, p, st); err != nil {
			return err
		}
		e := &VerifyEvent{Event: s.customEvent("VerifyAuthChallengeResponse_Authentication", p, c, u, st, in.ClientMetadata), Private: st.Hidden, Answer: in.ChallengeResponses["ANSWER"]}
		if err := ask(ctx, "VerifyAuthChallenge", h.VerifyAuthChallenge, e); err != nil {
			return err
		}
		if !e.Correct {
			*end = password.Bad
		}
		st.Done = append(st.Done, ChallengeResult{Name: st.Step, Passed: e.Correct, Metadata: st.Meta})
		out, err = s.nextCustom(ctx, p, c, u, st, in.ClientMetadata)
		if e.Correct && err == nil && out.AuthenticationResult != nil {
			*end = password.Good
		}
		return err
	})
	return out, err
}

// spend takes the challenge of a session, which nobody can answer again, here or at another
// hub. Else the hook that counts the answers of a sign-in would not see those that were
// given to one challenge. The record is of use as long as the session is good.
func (s *Service) spend(ctx context.Context, p *poolRecord, st state) error {
	err := s.commit(ctx, s.answered.Put(struct{}{}, 0, hour(time.Unix(st.Expires, 0)), p.id, uuidOf([16]byte(st.ID)), strconv.Itoa(len(st.Done))))
	if errors.Is(err, auth.ErrConflict) {
		return errAnswered
	}
	if err != nil {
		return fmt.Errorf("userpool: keep an answer to a challenge of %s: %w", p.id, err)
	}
	return nil
}

var errAnswered = fault(ErrNotAuthorized, "Invalid session for the user, the challenge was answered already.")
