package packet_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

func TestStrings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		s    string
		ok   bool
	}{
		{"empty", "", true},
		{"ASCII", "abc", true},
		{"control characters", "\x01\x1f\x7f\u0080\u009f", true},
		{"non-characters", "\ufffe\uffff\ufdd0", true},
		{"MQTT-1.5.4-3 U+FEFF", "\ufeffa", true},
		{"highest character", "\U0010ffff", true},
		{"MQTT-1.5.4-2 U+0000", "\x00", false},
		{"MQTT-1.5.4-2 U+0000 inside", "abcdefgh\x00", false},
		{"MQTT-1.5.4-2 U+0000 behind other letters", "é\x00", false},
		{"MQTT-1.5.4-1 surrogate", "\xed\xa0\x80", false},
		{"MQTT-1.5.4-1 surrogate pair", "\xed\xa0\xbd\xed\xb8\x80", false},
		{"MQTT-1.5.4-1 overlong", "\xc0\xaf", false},
		{"MQTT-1.5.4-1 overlong U+0000", "\xc0\x80", false},
		{"MQTT-1.5.4-1 truncated", "\xe2\x82", false},
		{"MQTT-1.5.4-1 continuation alone", "\x80", false},
		{"MQTT-1.5.4-1 above U+10FFFF", "\xf4\x90\x80\x80", false},
		{"MQTT-1.5.4-1 five bytes", "\xf8\x88\x80\x80\x80", false},
		{"MQTT-1.5.4-1 0xff", "\xff", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// At every offset, so that each path over words and rests sees it.
			for n := range 20 {
				s := strings.Repeat("a", n) + c.s + strings.Repeat("b", 20-n)
				require.Equal(t, c.ok, packet.ValidString([]byte(s)), "%q", s)
				require.Equal(t, c.ok, packet.ValidString([]byte(s[:n+len(c.s)])), "%q", s)
			}
		})
	}
}

// The fast path agrees with the plain reading, for every byte in every place.
func TestPlainTopic(t *testing.T) {
	t.Parallel()
	for size := range 27 {
		for at := range size {
			for c := range 256 {
				b := bytes.Repeat([]byte{'~'}, size)
				b[at] = byte(c)
				want := c != 0 && c < utf8.RuneSelf && c != '+' && c != '#'
				require.Equal(t, want, packet.PlainTopic(b), "%q", b)
				require.Equal(t, c == '+' || c == '#', packet.HasWildcard(b))
				require.Equal(t, c != 0 && c < utf8.RuneSelf, packet.ValidString(b), "%q", b)
			}
		}
	}
	require.True(t, packet.PlainTopic(nil))
}
