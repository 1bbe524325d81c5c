package userpool

import (
	"context"
	"errors"
	"time"

	"github.com/thinghub/thinghub/auth/internal/password"
)

// A codeRecord is a code that was sent to a user.
type codeRecord struct {
	Sum       []byte    `json:"sum"` // a keyed digest
	Attribute string    `json:"attribute"`
	Value     string    `json:"value"` // where it was sent to
	Expires   time.Time `json:"expires"`
	Tries     int       `json:"tries,omitempty"`
}

const (
	codeTries   = 5
	confirmLife = 24 * time.Hour
	verifyLife  = 24 * time.Hour
	forgotLife  = time.Hour
)

// The purposes of codes; that of an attribute is "verify " and its name.
const (
	forConfirm = "confirm"
	forForgot  = "forgot"
	forVerify  = "verify "
)

func (p *poolRecord) codeSum(purpose, sub, code string) []byte {
	return p.digest("code", purpose, sub, code)
}

// newCode makes a code for a purpose; it takes the place of the one before.
func (s *Service) newCode(p *poolRecord, u *userRecord, purpose, attribute string, life time.Duration) (code string) {
	code = randomText(6, digits)
	if u.Codes == nil {
		u.Codes = map[string]codeRecord{}
	}
	u.Codes[purpose] = codeRecord{Sum: p.codeSum(purpose, u.Sub, code), Attribute: attribute, Value: u.Attributes[attribute], Expires: s.cfg.Now().Add(life).UTC()}
	return code
}

// tryCode lets somebody try a code for a name, known or not. Tries count for the name; wrong
// ones are failures as wrong passwords are, for the address too: who has many accounts and
// one address to take could else guess with all of them.
func (s *Service) tryCode(ctx context.Context, p *poolRecord, purpose, name string, try func() error) error {
	tries := "try " + purpose + " " + p.id + " " + p.fold(name)
	if !s.rates.take(tries, s.cfg.CodesPerHour) {
		return errAttempts.because("%d codes were tried in an hour", s.cfg.CodesPerHour)
	}
	err := s.attempt(ctx, p, name, ofCode, errAttempts, func(end *password.Outcome) error {
		err := try()
		*end = outcomeOfCode(err)
		return err
	})
	if err == nil {
		s.rates.forget(tries)
	}
	return err
}

// maySend counts a code that is to be sent to a name, known or not.
func (s *Service) maySend(ctx context.Context, p *poolRecord, name string) error {
	if err := s.mayAsk(ctx); err != nil {
		return err
	}
	if !s.rates.take("send "+p.id+" "+p.fold(name), s.cfg.CodesPerHour) {
		return errAttempts.because("%d codes were asked for in an hour", s.cfg.CodesPerHour)
	}
	return nil
}

// mayAsk counts a call that makes users or messages by the caller's address.
func (s *Service) mayAsk(ctx context.Context) error {
	if addr := addrOf(ctx); addr != "" && !s.rates.take("ask "+addr, s.cfg.SignUpsPerHour) {
		return fault(ErrTooMany, "Too many requests from this address, please try after some time.")
	}
	return nil
}

// outcomeOfCode is how an attempt with a code ended that err came of.
func outcomeOfCode(err error) password.Outcome {
	if errors.Is(err, ErrCodeMismatch) {
		return password.Bad
	}
	return outcomeOf(true, err)
}

// redeem takes the code for a purpose: if it is right it is used up and f makes its
// change along with that. Wrong ones are counted, and after some the code is no good.
// Whatever is wrong, the user is written: it takes the same time with a code and without.
func (s *Service) redeem(ctx context.Context, p *poolRecord, of *user, purpose, code string, f func(u *userRecord, c codeRecord) error) (*user, error) {
	var wrong string
	u, err := s.change(ctx, p, of, func(u *userRecord) error {
		wrong = ""
		c, ok := u.Codes[purpose]
		switch {
		case !ok:
			wrong = "there is no code for it"
		case c.Tries >= codeTries:
			wrong = "the code was tried too often"
		case !equal(c.Sum, p.codeSum(purpose, u.Sub, code)):
			wrong = "the code is wrong"
			c.Tries++
			u.Codes[purpose] = c
		case !s.cfg.Now().Before(c.Expires):
			return errOldCode.because("the code has expired")
		case u.Attributes[c.Attribute] != c.Value:
			return errOldCode.because("the code was sent to what is not the user's any more")
		default:
			delete(u.Codes, purpose)
			return f(u, c)
		}
		return nil
	})
	if errors.Is(err, ErrUserNotFound) {
		wrong, err = "the user was deleted meanwhile", nil
	}
	if err == nil && wrong != "" {
		return nil, errBadCode.because("%s", wrong)
	}
	return u, err
}

// redeemNobody is redeem for a user that is not there.
func (s *Service) redeemNobody(ctx context.Context, p *poolRecord) error {
	if err := s.feign(ctx, p); err != nil {
		return err
	}
	return errBadCode.because("%s", errNoUser.Message)
}

// A target is where codes for a user go.
type target struct{ attribute, medium, to string }

var media = map[string]string{"email": "EMAIL", "phone_number": "SMS"}

// targetOf chooses from attributes the first that the user has; verified says that it
// must be so.
func targetOf(u *userRecord, verified bool, attributes ...string) (target, bool) {
	for _, a := range attributes {
		if v := u.Attributes[a]; v != "" && (!verified || u.Attributes[a+"_verified"] == "true") {
			return target{a, media[a], v}, true
		}
	}
	return target{}, false
}

func (t target) delivery() *CodeDelivery { return &CodeDelivery{t.attribute, t.medium, masked(t.to)} }

// sendCode sends a code.
func (s *Service) sendCode(ctx context.Context, p *poolRecord, kind MessageKind, client string, u *userRecord, t target, code string, metadata map[string]string) error {
	return s.send(ctx, p, Message{
		Kind: kind, Client: client, Username: u.Name, Sub: u.Sub, Medium: t.medium, To: t.to, Code: code, Attributes: u.Attributes, Metadata: metadata,
	})
}
