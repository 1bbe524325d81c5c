package shadow

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
)

// A hasher hashes keys with a secret, so that nobody can choose keys that collide.
// Short keys, which nearly all are, take one multiplication.
type hasher struct {
	seed maphash.Seed
	a, b uint64
}

func newHasher() hasher {
	return hasher{seed: maphash.MakeSeed(), a: rand.Uint64(), b: rand.Uint64()}
}

func (h *hasher) hash(key []byte) uint64 {
	var x, y uint64
	n := len(key)
	switch {
	case n > 16:
		return maphash.Bytes(h.seed, key)
	case n >= 8:
		x, y = binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[n-8:])
	case n >= 4:
		x, y = uint64(binary.LittleEndian.Uint32(key)), uint64(binary.LittleEndian.Uint32(key[n-4:]))
	case n > 0:
		x, y = uint64(key[0])<<8|uint64(key[n>>1]), uint64(key[n-1])
	}
	high, low := bits.Mul64(x^h.a, y^h.b^uint64(n)<<56)
	return high ^ low
}
