package userpool

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/thinghub/thinghub/auth/internal/password"
)

const mostPassword = 256 // bytes

// checkPassword says whether a new password may be set. The text does not go into the
// error.
func (p *poolRecord) checkPassword(secret string) error {
	policy := p.Settings.Policies.PasswordPolicy
	refuse := func(why string) error {
		return fault(ErrPassword, "Password did not conform with policy: %s", why)
	}
	if !utf8.ValidString(secret) || len(secret) > mostPassword || strings.ContainsRune(secret, 0) {
		return refuse(fmt.Sprintf("Password must be text of at most %d bytes", mostPassword))
	}
	if utf8.RuneCountInString(secret) < policy.MinimumLength {
		return refuse("Password not long enough")
	}
	if strings.TrimSpace(secret) != secret {
		return refuse("Password must not begin or end with a space")
	}
	var up, low, num, sym bool
	for _, r := range secret {
		switch {
		case r >= 'A' && r <= 'Z':
			up = true
		case r >= 'a' && r <= 'z':
			low = true
		case r >= '0' && r <= '9':
			num = true
		case r < utf8.RuneSelf && (unicode.IsPunct(r) || unicode.IsSymbol(r) || r == ' '):
			sym = true
		}
	}
	switch {
	case policy.RequireUppercase && !up:
		return refuse("Password must have uppercase characters")
	case policy.RequireLowercase && !low:
		return refuse("Password must have lowercase characters")
	case policy.RequireNumbers && !num:
		return refuse("Password must have numeric characters")
	case policy.RequireSymbols && !sym:
		return refuse("Password must have symbol characters")
	}
	return nil
}

// generatePassword makes one that fits the policy.
func (p *poolRecord) generatePassword() string {
	n := max(12, p.Settings.Policies.PasswordPolicy.MinimumLength)
	b := []byte(randomText(1, upper) + randomText(1, lower) + randomText(1, digits) + randomText(1, symbols) + randomText(n-4, letters+symbols))
	for i := len(b) - 1; i > 0; i-- {
		j := below(i + 1)
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// A newPassword is what is kept of a password.
type newPassword struct {
	hash           string
	salt, verifier []byte
}

// makePassword hashes a password that checkPassword has accepted, for the user of a sub,
// which is what SRP clients are told to call it. Only administrators are patient: what
// anybody may ask for does not pile up.
func (s *Service) makePassword(ctx context.Context, p *poolRecord, patient bool, sub, secret string) (n newPassword, err error) {
	err = s.hasher.Do(ctx, patient, func() {
		n.hash = password.New([]byte(secret), s.cfg.Hash).String()
		if !s.cfg.NoSRP {
			n.salt, n.verifier = newVerifier(p.srpName(), sub, secret)
		}
	})
	return n, err
}

// setPassword makes a password that of a user.
func (u *userRecord) setPassword(n newPassword) {
	u.Hash, u.Salt, u.Verifier = n.hash, n.salt, n.verifier
	u.Passwords++
}

// matches compares a password with that of a user, or with nobody's. fresh, if it is not
// nil, is to be kept in place of the hash and the verifier, since they are not made as
// new ones are.
func (s *Service) matches(ctx context.Context, p *poolRecord, u *user, secret string) (matched bool, fresh *newPassword, err error) {
	h, there := s.nobody, u != nil && u.Hash != ""
	if there {
		if h, err = password.Parse(u.Hash); err != nil {
			return false, nil, fmt.Errorf("userpool: the password hash of a user of %s cannot be read: %w", p.id, err)
		}
	}
	if len(secret) > mostPassword {
		secret = secret[:mostPassword] + "\x00" // nobody's, and costs what others do
	}
	err = s.hasher.Do(ctx, false, func() {
		matched = h.Matches([]byte(secret)) && there
		if !matched || h.Fits(s.cfg.Hash) && (len(u.Verifier) > 0) == !s.cfg.NoSRP {
			return
		}
		fresh = &newPassword{hash: password.New([]byte(secret), s.cfg.Hash).String()}
		if !s.cfg.NoSRP {
			fresh.salt, fresh.verifier = newVerifier(p.srpName(), u.Sub, secret)
		}
	})
	return matched, fresh, err
}

// temporaryLife is how long temporary passwords are good.
func (p *poolRecord) temporaryLife() time.Duration {
	return time.Duration(p.Settings.Policies.PasswordPolicy.TemporaryPasswordValidityDays) * 24 * time.Hour
}
