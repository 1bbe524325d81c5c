package shadow

import (
	"math/bits"
	"math/rand/v2"
)

// A hasher hashes keys with a secret, so that nobody can choose keys that collide.
// It takes eight bytes at a time with one multiplication, the last ones, of which
// there may be none, filled up with zeros: so [scanner.key] can hash while it looks
// for the closing quote. (There are no zeros in a key's text.)
type hasher struct{ a, b uint64 }

func newHasher() hasher { return hasher{a: rand.Uint64(), b: rand.Uint64()} }

// mix adds the next eight bytes of a key to its hash, which is 0 at first.
func (h *hasher) mix(hash, word uint64) uint64 {
	high, low := bits.Mul64(word^h.a, hash^h.b)
	return high ^ low
}

func (h *hasher) hash(key []byte) uint64 {
	var hash, last uint64
	for ; len(key) >= 8; key = key[8:] {
		hash = h.mix(hash, word(key, 0))
	}
	for i, c := range key {
		last |= uint64(c) << (8 * i)
	}
	return h.mix(hash, last)
}
