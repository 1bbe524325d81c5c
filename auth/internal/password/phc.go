package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Params says what a hash costs.
type Params struct {
	// Memory is in KiB, 8 for each of Parallelism up to 1 GiB. Default 19456 (19 MiB).
	Memory uint32
	// Time is how many passes are made over it, 1 to 64. Default 2.
	Time uint32
	// Parallelism is how many threads share the work, 1 to 64. Default 1.
	Parallelism uint8
}

const (
	maxMemory   = 1 << 20
	maxTime     = 64
	maxParallel = 64
	saltBytes   = 16
	hashBytes   = 32
	maxPart     = 64 // bytes of a salt or a hash that was made elsewhere
)

// WithDefaults fills in what is zero.
func (p Params) WithDefaults() Params {
	if p.Memory == 0 {
		p.Memory = 19 << 10
	}
	if p.Time == 0 {
		p.Time = 2
	}
	if p.Parallelism == 0 {
		p.Parallelism = 1
	}
	return p
}

// Check names the parameter that is out of bounds, behind where.
func (p Params) Check(where string) error {
	switch {
	case p.Parallelism < 1 || p.Parallelism > maxParallel:
		return fmt.Errorf("%s.Parallelism is %d, expected 1 to %d", where, p.Parallelism, maxParallel)
	case p.Memory < 8*uint32(p.Parallelism) || p.Memory > maxMemory:
		return fmt.Errorf("%s.Memory is %d KiB, expected %d to %d", where, p.Memory, 8*uint32(p.Parallelism), maxMemory)
	case p.Time < 1 || p.Time > maxTime:
		return fmt.Errorf("%s.Time is %d, expected 1 to %d", where, p.Time, maxTime)
	}
	return nil
}

// A Hash is a password's.
type Hash struct {
	params    Params
	salt, sum []byte
}

// Nobody is the hash of no password that costs what others do: what somebody who is not
// there is compared with.
func Nobody(p Params) Hash {
	return Hash{params: p, salt: make([]byte, saltBytes), sum: make([]byte, hashBytes)}
}

// New hashes a password.
func New(password []byte, p Params) Hash {
	h := Hash{params: p, salt: make([]byte, saltBytes), sum: nil}
	_, _ = rand.Read(h.salt)
	h.sum = h.of(password, hashBytes)
	return h
}

func (h Hash) of(password []byte, n int) []byte {
	return argon2.IDKey(password, h.salt, h.params.Time, h.params.Memory, h.params.Parallelism, uint32(n))
}

// Matches reports whether it is the hash of a password.
func (h Hash) Matches(password []byte) bool {
	return subtle.ConstantTimeCompare(h.of(password, len(h.sum)), h.sum) == 1
}

// Fits reports whether it is made as new hashes are.
func (h Hash) Fits(p Params) bool {
	return h.params == p && len(h.salt) == saltBytes && len(h.sum) == hashBytes
}

// String returns the PHC form.
func (h Hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.params.Memory, h.params.Time, h.params.Parallelism,
		phcBase64.EncodeToString(h.salt), phcBase64.EncodeToString(h.sum))
}

var phcBase64 = base64.RawStdEncoding.Strict()

// ErrPHC is the form that is expected.
var ErrPHC = errors.New("expected the form $argon2id$v=19$m=KIB,t=PASSES,p=THREADS$SALT$HASH")

// Parse reads the PHC form. The text does not go into errors.
func Parse(s string) (Hash, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" {
		return Hash{}, ErrPHC
	}
	if parts[1] != "argon2id" {
		return Hash{}, fmt.Errorf("the algorithm is %q, expected argon2id", shorten(parts[1]))
	}
	if parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return Hash{}, fmt.Errorf("the version is %q, expected v=%d", shorten(parts[2]), argon2.Version)
	}
	var h Hash
	fields := strings.Split(parts[3], ",")
	if len(fields) != 3 {
		return Hash{}, fmt.Errorf("the parameters are %q, expected m=KIB,t=PASSES,p=THREADS", shorten(parts[3]))
	}
	var n [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		text, found := strings.CutPrefix(fields[i], name)
		v, err := strconv.ParseUint(text, 10, []int{32, 32, 8}[i])
		if !found || err != nil || strconv.FormatUint(v, 10) != text {
			return Hash{}, fmt.Errorf("the parameter %q is not known, expected %s and a number", shorten(fields[i]), name)
		}
		n[i] = v
	}
	h.params = Params{Memory: uint32(n[0]), Time: uint32(n[1]), Parallelism: uint8(n[2])}
	if err := h.params.Check("the hash"); err != nil {
		return Hash{}, err
	}
	for _, f := range [...]struct {
		name, text string
		least      int
		to         *[]byte
	}{{"salt", parts[4], 8, &h.salt}, {"hash", parts[5], 16, &h.sum}} {
		b, err := phcBase64.DecodeString(f.text)
		if err != nil || strings.ContainsAny(f.text, "\r\n") {
			return Hash{}, fmt.Errorf("the %s is not base64 without padding", f.name)
		}
		if len(b) < f.least || len(b) > maxPart {
			return Hash{}, fmt.Errorf("the %s has %d bytes, expected %d to %d", f.name, len(b), f.least, maxPart)
		}
		*f.to = b
	}
	return h, nil
}

// shorten keeps what somebody sent from filling logs and answers.
func shorten(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
