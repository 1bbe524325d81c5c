package packet

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// Eight bytes at a time: high has the top bit of each byte, low the other bits, and the rest the character in each byte.
const (
	high   = 0x8080808080808080
	low    = 0x7f7f7f7f7f7f7f7f
	pluses = 0x2b2b2b2b2b2b2b2b
	hashes = 0x2323232323232323
)

// validString tells whether b may be the content of a UTF-8 encoded string: well formed ([MQTT-1.5.4-1]; 3.1.1:
// [MQTT-1.5.3-1]) and without U+0000 ([MQTT-1.5.4-2]). Control characters and non-characters pass, as does U+FEFF.
func validString(b []byte) bool {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		// In a byte without its top bit, adding 0x7f sets that bit unless the byte is 0, and never carries.
		if w&high != 0 || (w+low)&high != high {
			return validSlow(b[i:])
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == 0 || c >= utf8.RuneSelf {
			return validSlow(b[i:])
		}
	}
	return true
}

func validSlow(b []byte) bool { return bytes.IndexByte(b, 0) < 0 && utf8.Valid(b) }

// hasWildcard tells whether b has a character that a topic must not have.
func hasWildcard(b []byte) bool {
	for _, c := range b {
		if c == '+' || c == '#' {
			return true
		}
	}
	return false
}

// plainTopic reports whether b is ASCII without U+0000 and wildcards: a valid topic, if it is not empty. The others need
// validString and hasWildcard.
func plainTopic(b []byte) bool {
	if len(b) < 8 {
		for _, c := range b {
			if c == 0 || c >= utf8.RuneSelf || c == '+' || c == '#' {
				return false
			}
		}
		return true
	}
	for i := 0; i+8 < len(b); i += 8 {
		if !plainWord(binary.LittleEndian.Uint64(b[i:])) {
			return false
		}
	}
	return plainWord(binary.LittleEndian.Uint64(b[len(b)-8:]))
}

func plainWord(w uint64) bool {
	return w&high == 0 && (w+low)&((w^pluses)+low)&((w^hashes)+low)&high == high
}

// clip cuts b to what a two-byte length can express, between two characters.
func clip[T string | []byte](b T) T {
	if len(b) <= 0xffff {
		return b
	}
	n := 0xffff
	for i := 0; i < utf8.UTFMax-1 && !utf8.RuneStart(b[n]); i++ {
		n--
	}
	return b[:n]
}

// appendBinary writes b behind its two-byte length.
func appendBinary(dst, b []byte) []byte {
	b = clip(b)
	return append(append(dst, byte(len(b)>>8), byte(len(b))), b...)
}

func binaryLen(b []byte) int { return 2 + len(clip(b)) }

func appendUint16(dst []byte, n uint16) []byte { return append(dst, byte(n>>8), byte(n)) }
