package userpool

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"math/big"
	"strings"
)

// The group of 3072 bits of RFC 5054 (appendix A), and what SRP-6a makes of it.
var (
	srpN, _ = new(big.Int).SetString(strings.Join([]string{
		"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD",
		"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
		"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F",
		"83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B",
		"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510",
		"15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7",
		"ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C",
		"BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
	}, ""), 16)
	srpG = big.NewInt(2)
	srpK = new(big.Int).SetBytes(sha(padded(srpN), padded(srpG)))
)

const (
	srpBytes   = 384 // of the group
	srpSalt    = 16
	srpLabel   = "Caldera Derived Key"
	srpKeySize = 16
)

func sha(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// padded is how the clients write a number: without leading zeros, except for one byte
// where the highest bit is set.
func padded(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return b
}

// srpName is what SRP clients call the pool: its id behind the region.
func (p *poolRecord) srpName() string {
	return p.id[strings.LastIndexByte(p.id, '_')+1:]
}

// srpX is the private number of a password.
func srpX(pool, id, password string, salt []byte) *big.Int {
	inner := sha([]byte(pool + id + ":" + password))
	return new(big.Int).SetBytes(sha(padded(new(big.Int).SetBytes(salt)), inner))
}

// newVerifier makes a salt and the verifier of a password.
func newVerifier(pool, id, password string) (salt, verifier []byte) {
	salt = make([]byte, srpSalt)
	_, _ = rand.Read(salt)
	return salt, new(big.Int).Exp(srpG, srpX(pool, id, password, salt), srpN).Bytes()
}

// srpStart makes the server's numbers: b, which is secret, and B.
func srpStart(verifier []byte) (b, public *big.Int) {
	secret := make([]byte, 32)
	for {
		_, _ = rand.Read(secret)
		b = new(big.Int).SetBytes(secret)
		public = new(big.Int).Mul(srpK, new(big.Int).SetBytes(verifier))
		public.Add(public, new(big.Int).Exp(srpG, b, srpN)).Mod(public, srpN)
		if public.Sign() != 0 {
			return b, public
		}
	}
}

// parseA reads the client's public number. One that is a multiple of N would make the
// shared secret known to everybody.
func parseA(text string) (*big.Int, bool) {
	if text == "" || len(text) > 2*(srpBytes+1) || strings.Trim(text, "0123456789abcdefABCDEF") != "" {
		return nil, false
	}
	a, ok := new(big.Int).SetString(text, 16)
	return a, ok && a.Cmp(srpN) < 0 && a.Sign() > 0
}

// srpKey is the key that both sides have if the password is right. ok is false for
// numbers that no honest client comes across.
func srpKey(a, b, public *big.Int, verifier []byte) (key []byte, ok bool) {
	u := new(big.Int).SetBytes(sha(padded(a), padded(public)))
	if u.Sign() == 0 {
		return nil, false
	}
	shared := new(big.Int).Exp(new(big.Int).SetBytes(verifier), u, srpN)
	shared.Mul(shared, a).Mod(shared, srpN).Exp(shared, b, srpN)
	key, err := hkdf.Key(sha256.New, padded(shared), padded(u), srpLabel, srpKeySize)
	return key, err == nil
}

// srpSignature is what a client proves with that it has the key.
func srpSignature(key []byte, pool, id string, block []byte, timestamp string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(pool + id))
	h.Write(block)
	h.Write([]byte(timestamp))
	return h.Sum(nil)
}

// stand-ins for users that are not there. The same name always gets the same salt; the
// verifier is a number without a known password.
func (p *poolRecord) fakeSalt(name string) []byte { return p.digest("salt", p.fold(name))[:srpSalt] }

func (p *poolRecord) fakeVerifier(name string) []byte {
	seed := p.digest("verifier", p.fold(name))
	b, err := hkdf.Expand(sha256.New, seed, "verifier", srpBytes)
	if err != nil {
		panic(err) // a length that HKDF can give
	}
	return new(big.Int).Mod(new(big.Int).SetBytes(b), srpN).Bytes()
}

func (p *poolRecord) fakeSub(name string) string {
	return uuidOf([16]byte(p.digest("sub", p.fold(name))[:16]))
}

// digest is a keyed digest that only this pool can make.
func (p *poolRecord) digest(use string, parts ...string) []byte {
	h := hmac.New(sha256.New, p.Secret)
	h.Write([]byte(use))
	for _, part := range parts {
		h.Write([]byte{0})
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
