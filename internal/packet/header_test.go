package packet_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

func TestParseHeaderLength(t *testing.T) {
	t.Parallel()
	const publish = 0x30
	for _, c := range []struct {
		in   []byte
		v    packet.Version
		ok   bool
		body int
		rest int
		code byte
	}{
		{in: nil},
		{in: []byte{publish}},
		{in: []byte{publish, 0}, ok: true, body: 2},
		{in: []byte{publish, 0x7f}, ok: true, body: 2, rest: 127},
		{in: []byte{publish, 0x80}},
		{in: []byte{publish, 0x80, 0x01}, ok: true, body: 3, rest: 128},
		{in: []byte{publish, 0xff, 0x7f}, ok: true, body: 3, rest: 16383},
		{in: []byte{publish, 0x80, 0x80, 0x01}, ok: true, body: 4, rest: 16384},
		{in: []byte{publish, 0xff, 0xff, 0x7f}, ok: true, body: 4, rest: 2097151},
		{in: []byte{publish, 0x80, 0x80, 0x80}},
		{in: []byte{publish, 0x80, 0x80, 0x80, 0x01}, ok: true, body: 5, rest: 2097152},
		{in: []byte{publish, 0xff, 0xff, 0xff, 0x7f}, ok: true, body: 5, rest: packet.MaxRemaining},
		{in: []byte{publish, 0x02, 'x', 'y', 'z'}, ok: true, body: 2, rest: 2},
		// A fifth byte, known with the fourth.
		{in: []byte{publish, 0x80, 0x80, 0x80, 0x80}, code: packet.CodeMalformed},
		{in: []byte{publish, 0xff, 0xff, 0xff, 0xff, 0x7f}, code: packet.CodeMalformed},
		// Not the shortest form: [MQTT-1.5.5-1].
		{in: []byte{publish, 0x80, 0x00}, v: packet.V5, code: packet.CodeMalformed},
		{in: []byte{publish, 0xff, 0x80, 0x00}, v: packet.V5, code: packet.CodeMalformed},
		{in: []byte{publish, 0x81, 0x80, 0x80, 0x00}, v: packet.V5, code: packet.CodeMalformed},
		{in: []byte{publish, 0x81, 0x80, 0x80, 0x00}, v: packet.V311, ok: true, body: 5, rest: 1},
		{in: []byte{publish, 0x80, 0x00}, ok: true, body: 3},
	} {
		t.Run(fmt.Sprintf("%x v%d", c.in, c.v), func(t *testing.T) {
			t.Parallel()
			h, ok, err := packet.ParseHeader(c.in, c.v)
			if c.code != 0 {
				requireCode(t, c.code, err)
				require.False(t, ok)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.ok, ok)
			if ok {
				require.Equal(t, packet.Header{Type: packet.TypePublish, Body: c.body, Size: c.body + c.rest}, h)
			}
		})
	}
}

// [MQTT-2.1.3-1], 3.1.1 [MQTT-2.2.2-1], [MQTT-2.2.2-2]: all 256 first bytes.
func TestParseHeaderFlags(t *testing.T) {
	t.Parallel()
	want := map[packet.Type][]byte{ // the flags each type may have
		packet.TypePublish:     {0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0xa, 0xb, 0xc, 0xd},
		packet.TypePubrel:      {2}, // [MQTT-3.6.1-1]
		packet.TypeSubscribe:   {2}, // [MQTT-3.8.1-1]
		packet.TypeUnsubscribe: {2}, // [MQTT-3.10.1-1]
	}
	for _, v := range []packet.Version{0, packet.V311, packet.V5} {
		for first := range 256 {
			typ, flags := packet.Type(first>>4), byte(first&0xf)
			may, ok := want[typ]
			if !ok {
				may = []byte{0} // [MQTT-3.14.1-1], [MQTT-3.15.1-1] and all others
			}
			valid := bytes.IndexByte(may, flags) >= 0
			if typ == 0 || typ == packet.TypeAuth && v == packet.V311 {
				valid = false
			}
			// The first byte alone decides.
			for _, b := range [][]byte{{byte(first)}, {byte(first), 0}} {
				h, ok, err := packet.ParseHeader(b, v)
				if !valid {
					requireCode(t, packet.CodeMalformed, err)
					continue
				}
				require.NoError(t, err, "%02x", first)
				require.Equal(t, len(b) == 2, ok)
				if ok {
					require.Equal(t, packet.Header{Type: typ, Flags: flags, Body: 2, Size: 2}, h)
				}
			}
		}
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	require.Equal(t, []byte{0xc0, 0}, packet.AppendPingreq(nil))
	require.Equal(t, []byte{0xd0, 0}, packet.AppendPingresp(nil))
	for _, first := range []byte{0xc0, 0xd0} { // what brokers commonly get wrong, 13
		_, _, err := packet.ParseHeader([]byte{first, 1}, packet.V311)
		requireCode(t, packet.CodeMalformed, err)
	}
}

func TestTypeString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "CONNECT", packet.TypeConnect.String())
	require.Equal(t, "AUTH", packet.TypeAuth.String())
	require.Equal(t, "Type(0)", packet.Type(0).String())
	require.Equal(t, "Type(16)", packet.Type(16).String())
}

// Types follow the numbers of the standard.
func TestTypeNumbers(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, 1, packet.TypeConnect)
	require.EqualValues(t, 3, packet.TypePublish)
	require.EqualValues(t, 8, packet.TypeSubscribe)
	require.EqualValues(t, 12, packet.TypePingreq)
	require.EqualValues(t, 15, packet.TypeAuth)
}
