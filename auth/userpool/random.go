package userpool

import (
	"crypto/rand"
	"encoding/hex"
	"math/big"
	"strings"
)

const (
	digits  = "0123456789"
	lower   = "abcdefghijklmnopqrstuvwxyz"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters = upper + lower + digits
	symbols = "!#$%&*+-.?@_"
)

// randomText returns n characters of an alphabet, each with the same chance.
func randomText(n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[below(len(alphabet))]
	}
	return string(b)
}

// below returns a number from 0 to n-1.
func below(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return int(i.Int64())
}

// uuidOf writes 16 bytes as a UUID of version 4.
func uuidOf(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return uuidOf(b)
}

// uuidBytes is the opposite of uuidOf.
func uuidBytes(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil {
		panic(err) // uuidOf has written it
	}
	return b
}
