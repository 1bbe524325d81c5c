package sql

import (
	"crypto/md5"  //nolint:gosec // the language has it
	"crypto/sha1" //nolint:gosec // the language has it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
)

// The hash functions, as lower-case hex.
var _ = register(map[string]*builtin{
	"md2":    {min: 1, max: 1, f1: hashed(func(b []byte) []byte { return md2(b) })},
	"md5":    {min: 1, max: 1, f1: hashed(func(b []byte) []byte { h := md5.Sum(b); return h[:] })},
	"sha1":   {min: 1, max: 1, f1: hashed(func(b []byte) []byte { h := sha1.Sum(b); return h[:] })},
	"sha224": {min: 1, max: 1, f1: hashed(func(b []byte) []byte { h := sha256.Sum224(b); return h[:] })},
	"sha256": {min: 1, max: 1, f1: hashed(func(b []byte) []byte { h := sha256.Sum256(b); return h[:] })},
	"sha384": {min: 1, max: 1, f1: hashed(func(b []byte) []byte { h := sha512.Sum384(b); return h[:] })},
	"sha512": {min: 1, max: 1, f1: hashed(func(b []byte) []byte { h := sha512.Sum512(b); return h[:] })},
})

func hashed(sum func(b []byte) []byte) func(r *Run, v Value) Value {
	return ofText(func(r *Run, s string) Value {
		h := sum([]byte(s))
		from := r.arena.mark()
		r.arena.bytes = hex.AppendEncode(r.arena.bytes, h)
		return text(r.arena.since(from))
	})
}

// md2Table is the permutation of 0 to 255 that RFC 1319 makes of the digits of pi.
var md2Table = [256]byte{
	41, 46, 67, 201, 162, 216, 124, 1, 61, 54, 84, 161, 236, 240, 6, 19,
	98, 167, 5, 243, 192, 199, 115, 140, 152, 147, 43, 217, 188, 76, 130, 202,
	30, 155, 87, 60, 253, 212, 224, 22, 103, 66, 111, 24, 138, 23, 229, 18,
	190, 78, 196, 214, 218, 158, 222, 73, 160, 251, 245, 142, 187, 47, 238, 122,
	169, 104, 121, 145, 21, 178, 7, 63, 148, 194, 16, 137, 11, 34, 95, 33,
	128, 127, 93, 154, 90, 144, 50, 39, 53, 62, 204, 231, 191, 247, 151, 3,
	255, 25, 48, 179, 72, 165, 181, 209, 215, 94, 146, 42, 172, 86, 170, 198,
	79, 184, 56, 210, 150, 164, 125, 182, 118, 252, 107, 226, 156, 116, 4, 241,
	69, 157, 112, 89, 100, 113, 135, 32, 134, 91, 207, 101, 230, 45, 168, 2,
	27, 96, 37, 173, 174, 176, 185, 246, 28, 70, 97, 105, 52, 64, 126, 15,
	85, 71, 163, 35, 221, 81, 175, 58, 195, 92, 249, 206, 186, 197, 234, 38,
	44, 83, 13, 110, 133, 40, 132, 9, 211, 223, 205, 244, 65, 129, 77, 82,
	106, 220, 55, 200, 108, 193, 171, 250, 36, 225, 123, 8, 12, 189, 177, 74,
	120, 136, 149, 139, 227, 99, 232, 109, 233, 203, 213, 254, 59, 0, 29, 57,
	242, 239, 183, 14, 102, 88, 208, 228, 166, 119, 114, 248, 235, 117, 75, 10,
	49, 68, 80, 180, 143, 237, 31, 26, 219, 153, 141, 51, 159, 17, 131, 20,
}

// md2 is the hash of RFC 1319, which no library still has. It protects nothing.
func md2(message []byte) []byte {
	pad := 16 - len(message)%16
	block := append([]byte(nil), message...)
	for range pad {
		block = append(block, byte(pad))
	}
	var sum [16]byte
	last := byte(0)
	for i := 0; i < len(block); i += 16 {
		for j := range 16 {
			sum[j] ^= md2Table[block[i+j]^last]
			last = sum[j]
		}
	}
	block = append(block, sum[:]...)
	var state [48]byte
	for i := 0; i < len(block); i += 16 {
		for j := range 16 {
			state[16+j] = block[i+j]
			state[32+j] = block[i+j] ^ state[j]
		}
		t := byte(0)
		for round := range 18 {
			for k := range state {
				state[k] ^= md2Table[t]
				t = state[k]
			}
			t += byte(round)
		}
	}
	return state[:16]
}
