package userpool

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // RFC 6238: what authenticator apps use
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"time"
)

// A totpRecord is the software token of a user.
type totpRecord struct {
	Secret  []byte `json:"secret,omitempty"` // of the token that is verified
	Pending []byte `json:"pending,omitempty"`
	// Step is the latest that a code was taken of: each is good once.
	Step      int64  `json:"step,omitempty"`
	Name      string `json:"name,omitempty"` // of the device
	Enabled   bool   `json:"enabled,omitempty"`
	Preferred bool   `json:"preferred,omitempty"`
}

const (
	totpSecret = 20 // bytes, as RFC 4226 recommends for SHA-1
	totpPeriod = 30 // seconds
	totpDigits = 6
	// totpSkew is how many periods clocks may be apart.
	totpSkew = 1
)

var totpBase32 = base32.StdEncoding.WithPadding(base32.NoPadding)

func newTOTPSecret() []byte {
	b := make([]byte, totpSecret)
	_, _ = rand.Read(b)
	return b
}

// totpCode is the code of a step (RFC 4226, section 5.3).
func totpCode(secret []byte, step int64, length int) string {
	h := hmac.New(sha1.New, secret)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	mod := uint32(1)
	for range length {
		mod *= 10
	}
	return fmt.Sprintf("%0*d", length, n%mod)
}

// totpStep finds the step of a code at a time, among those after the step given. All
// are compared, so that the time tells nothing.
func totpStep(secret []byte, code string, now time.Time, after int64) (step int64, ok bool) {
	current := now.Unix() / totpPeriod
	for at := current - totpSkew; at <= current+totpSkew; at++ {
		if equal([]byte(totpCode(secret, at, totpDigits)), []byte(code)) && at > after && !ok {
			step, ok = at, true
		}
	}
	return step, ok
}

// mfa is what a user has as a second factor, and which one it prefers.
func (u *userRecord) mfa() (preferred string, all []string) {
	if u.TOTP == nil || !u.TOTP.Enabled || len(u.TOTP.Secret) == 0 {
		return "", nil
	}
	if u.TOTP.Preferred {
		preferred = softwareToken
	}
	return preferred, []string{softwareToken}
}

const softwareToken = "SOFTWARE_TOKEN_MFA"
