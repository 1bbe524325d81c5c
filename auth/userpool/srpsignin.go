package userpool

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/big"
	"time"

	"github.com/thinghub/thinghub/auth/internal/password"
)

// startSRP answers the first message of SRP, for users that are not there as for others.
func (s *Service) startSRP(ctx context.Context, p *poolRecord, c *clientRecord, st state, text string, metadata map[string]string) (AuthOutput, error) {
	if s.cfg.NoSRP {
		return AuthOutput{}, fault(ErrInvalid, "USER_SRP_AUTH flow not enabled: no verifiers are kept")
	}
	a, ok := parseA(text)
	if !ok {
		return AuthOutput{}, invalid("SRP_A", text, "a number of the group in hexadecimal digits")
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
	salt, verifier := p.fakeSalt(st.Name), p.fakeVerifier(st.Name)
	st.UserID = p.fakeSub(st.Name)
	if u != nil {
		// Whatever it was called by: its name, in the letters that it was given, would say
		// that it is there.
		st.UserID = u.Sub
		st.about(u)
		if len(u.Verifier) > 0 {
			salt, verifier = u.Salt, u.Verifier
		}
	}
	var public string
	if err := s.hasher.Do(ctx, false, func() {
		b, B := srpStart(verifier)
		st.A, st.B, public = a.Bytes(), b.Bytes(), B.Text(16)
	}); err != nil {
		return AuthOutput{}, err
	}
	st.Step = "PASSWORD_VERIFIER"
	block, err := s.sealed(ctx, p, c, st)
	if err != nil {
		return AuthOutput{}, err
	}
	return AuthOutput{ChallengeName: st.Step, ChallengeParameters: map[string]string{
		"SALT": fmt.Sprintf("%x", salt), "SRP_B": public, "SECRET_BLOCK": block, "USERNAME": st.UserID, "USER_ID_FOR_SRP": st.UserID,
	}}, nil
}

// verifySRP takes a proof of a password. A wrong one gets the answer of a wrong password.
func (s *Service) verifySRP(ctx context.Context, p *poolRecord, c *clientRecord, r map[string]string, metadata map[string]string) (AuthOutput, error) {
	block, err := base64.StdEncoding.Strict().DecodeString(r["PASSWORD_CLAIM_SECRET_BLOCK"])
	if err != nil {
		return AuthOutput{}, errForged
	}
	signature, err := base64.StdEncoding.DecodeString(r["PASSWORD_CLAIM_SIGNATURE"])
	if err != nil {
		return AuthOutput{}, secretField("PASSWORD_CLAIM_SIGNATURE", "base64")
	}
	st, err := s.unsealed(ctx, p, c.id, "PASSWORD_VERIFIER", r["PASSWORD_CLAIM_SECRET_BLOCK"])
	if err != nil {
		return AuthOutput{}, err
	}
	if !validTimestamp(r["TIMESTAMP"]) {
		return AuthOutput{}, invalid("TIMESTAMP", r["TIMESTAMP"], "the form Mon Jan 2 15:04:05 UTC 2006")
	}
	if name := r["USERNAME"]; name != st.UserID && p.fold(name) != p.fold(st.Name) {
		return AuthOutput{}, errBadLogin.because("USERNAME is not that of PASSWORD_CLAIM_SECRET_BLOCK")
	}
	if err := c.checkSecretHash(r["SECRET_HASH"], st.UserID, st.Name); err != nil {
		return AuthOutput{}, err
	}
	var u *user
	if st.Key != "" {
		if u, err = s.byKey(ctx, p, st.Key); err != nil {
			return AuthOutput{}, err
		}
	}
	there := u != nil && u.Sub == st.Sub && u.Passwords == st.Passwords && u.Gen == st.Gen && len(u.Verifier) > 0
	verifier := p.fakeVerifier(st.Name)
	if there {
		verifier = u.Verifier
	}
	matched := false
	err = s.attempt(ctx, p, guessedAs(u, st.Name), ofPassword, errTries, func(end *password.Outcome) error {
		err := s.hasher.Do(ctx, false, func() { matched = st.proves(p, verifier, block, signature, r["TIMESTAMP"]) && there })
		*end = outcomeOf(matched, err)
		return err
	})
	switch {
	case err != nil:
		return AuthOutput{}, err
	case matched:
	case st.Key == "":
		return AuthOutput{}, errBadLogin.because("%s", errNoUser.Message)
	case !there:
		return AuthOutput{}, errBadLogin.because("the user was changed or deleted meanwhile, or has no verifier")
	default:
		return AuthOutput{}, errBadLogin.because("the proof of the password is wrong")
	}
	if st.Flow == "CUSTOM_AUTH" {
		st.Done = append(st.Done, ChallengeResult{Name: "PASSWORD_VERIFIER", Passed: true})
		return s.nextCustom(ctx, p, c, u, st, metadata)
	}
	return s.passed(ctx, p, c, u, st, metadata)
}

// proves reports whether a signature was made with the key of an SRP sign-in.
func (st *state) proves(p *poolRecord, verifier, block, signature []byte, timestamp string) bool {
	a, b := new(big.Int).SetBytes(st.A), new(big.Int).SetBytes(st.B)
	public := new(big.Int).Mul(srpK, new(big.Int).SetBytes(verifier))
	public.Add(public, new(big.Int).Exp(srpG, b, srpN)).Mod(public, srpN)
	key, ok := srpKey(a, b, public, verifier)
	return ok && equal(signature, srpSignature(key, p.srpName(), st.UserID, block, timestamp))
}

// validTimestamp reports whether a client wrote it as SRP clients do. How old it is does
// not matter, since clocks of phones go wrong: SECRET_BLOCK says it.
func validTimestamp(text string) bool {
	_, err := time.Parse("Mon Jan 2 15:04:05 UTC 2006", text)
	return err == nil
}
