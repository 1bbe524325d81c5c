package packet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

func TestConnectRules(t *testing.T) {
	t.Parallel()
	const v3, v5 = packet.V311, packet.V5
	head := func(level, flags byte) string {
		return "\x00\x04MQTT" + string([]byte{level, flags}) + "\x00\x0a"
	}
	c := func(body string) string { return frame(0x10, body) }
	runWire(t, []wireCase{
		{"3.1.1 accepted", v3, c(head(4, 2) + "\x00\x01c"), 0},
		{"5 accepted", v5, c(head(5, 2) + "\x00\x00\x01c"), 0},
		{"MQTT-3.1.2-1 other name", 0, c("\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x01c"), packet.CodeUnsupportedVersion},
		{"MQTT-3.1.2-1 lower case", 0, c("\x00\x04mqtt\x04\x02\x00\x0a\x00\x01c"), packet.CodeUnsupportedVersion},
		{"MQTT-3.1.2-1 empty name", 0, c("\x00\x00\x04\x02\x00\x0a\x00\x01c"), packet.CodeUnsupportedVersion},
		{"MQTT-3.1.2-1 name without level", 0, c("\x00\x04MQTT"), packet.CodeMalformed},
		{"MQTT-3.1.2-1 name behind the end", 0, c("\x00\x05MQTT"), packet.CodeMalformed},
		{"MQTT-3.1.2-2 level 3", 0, c(head(3, 2) + "\x00\x01c"), packet.CodeUnsupportedVersion},
		{"MQTT-3.1.2-2 level 6 and nothing else", 0, c("\x00\x04MQTT\x06"), packet.CodeUnsupportedVersion},
		{"MQTT-3.1.2-2 bridge bit", 0, c(head(0x84, 2) + "\x00\x01c"), packet.CodeUnsupportedVersion},
		{"MQTT-3.1.2-3 reserved flag 3.1.1", v3, c(head(4, 3) + "\x00\x01c"), packet.CodeMalformed},
		{"MQTT-3.1.2-3 reserved flag 5", v5, c(head(5, 3) + "\x00\x00\x01c"), packet.CodeMalformed},
		{"MQTT-3.1.2-11 will QoS without will", v5, c(head(5, 0x0a) + "\x00\x00\x01c"), packet.CodeMalformed},
		{"MQTT-3.1.2-13 (3.1.1) will QoS without will", v3, c(head(4, 0x12) + "\x00\x01c"), packet.CodeMalformed},
		{"MQTT-3.1.2-13 will retain without will", v5, c(head(5, 0x22) + "\x00\x00\x01c"), packet.CodeMalformed},
		{"MQTT-3.1.2-15 (3.1.1) will retain without will", v3, c(head(4, 0x22) + "\x00\x01c"), packet.CodeMalformed},
		{"MQTT-3.1.2-12 will QoS 3", v5, c(head(5, 0x1e) + "\x00\x00\x01c\x00\x00\x01w\x00\x00"), packet.CodeMalformed},
		{"MQTT-3.1.2-14 (3.1.1) will QoS 3", v3, c(head(4, 0x1e) + "\x00\x01c\x00\x01w\x00\x00"), packet.CodeMalformed},
		{"MQTT-3.1.2-22 (3.1.1) password without user name", v3, c(head(4, 0x42) + "\x00\x01c\x00\x01p"), packet.CodeMalformed},
		{"5 allows password without user name", v5, c(head(5, 0x42) + "\x00\x00\x01c\x00\x01p"), 0},
		{"MQTT-3.1.2-17 user name flagged and missing", v5, c(head(5, 0x82) + "\x00\x00\x01c"), packet.CodeMalformed},
		{"MQTT-3.1.2-16 user name there and not flagged", v5, c(head(5, 2) + "\x00\x00\x01c\x00\x01u"), packet.CodeMalformed},
		{"MQTT-3.1.2-19 password flagged and missing", v5, c(head(5, 0xc2) + "\x00\x00\x01c\x00\x01u"), packet.CodeMalformed},
		{"MQTT-3.1.2-9 (3.1.1) will flagged and missing", v3, c(head(4, 6) + "\x00\x01c"), packet.CodeMalformed},
		{"MQTT-3.1.3-3 client identifier missing", v3, c(head(4, 2)), packet.CodeMalformed},
		{"MQTT-3.1.3-4 client identifier is UTF-8", v3, c(head(4, 2) + "\x00\x01\xff"), packet.CodeMalformed},
		{"MQTT-1.5.4-2 client identifier with U+0000", v5, c(head(5, 2) + "\x00\x00\x02a\x00"), packet.CodeMalformed},
		{"MQTT-3.1.3-6 empty client identifier is the server's affair", v3, c(head(4, 0) + "\x00\x00"), 0},
		{"MQTT-3.1.3-11 will topic is UTF-8", v5, c(head(5, 6) + "\x00\x00\x01c\x00\x00\x02\xc0\xaf\x00\x00"), packet.CodeMalformed},
		{"will topic with wildcard", v5, c(head(5, 6) + "\x00\x00\x01c\x00\x00\x03a/#\x00\x00"), packet.CodeTopicNameInvalid},
		{"will topic with wildcard 3.1.1", v3, c(head(4, 6) + "\x00\x01c\x00\x01+\x00\x00"), packet.CodeTopicNameInvalid},
		{"will topic empty", v5, c(head(5, 6) + "\x00\x00\x01c\x00\x00\x00\x00\x00"), packet.CodeTopicNameInvalid},
		{"MQTT-3.1.2-14 empty will payload", v3, c(head(4, 6) + "\x00\x01c\x00\x01w\x00\x00"), 0},
		{"MQTT-3.1.3-12 user name is UTF-8", v5, c(head(5, 0x82) + "\x00\x00\x01c\x00\x01\x80"), packet.CodeMalformed},
		{"password is any bytes", v5, c(head(5, 0xc2) + "\x00\x00\x01c\x00\x00\x00\x02\x00\xff"), 0},
		{"trailing bytes 3.1.1", v3, c(head(4, 2) + "\x00\x01cx"), packet.CodeMalformed},
		{"trailing bytes 5", v5, c(head(5, 2) + "\x00\x00\x01cx"), packet.CodeMalformed},
		{"MQTT-2.2.2-1 no property length", v5, c(head(5, 2)), packet.CodeMalformed},
		{"property length behind the end", v5, c(head(5, 2) + "\x7f\x00\x01c"), packet.CodeMalformed},
		{
			"response topic of the will with wildcard", v5,
			c(head(5, 6) + "\x00\x00\x01c\x04\x08\x00\x01#\x00\x01w\x00\x00"), packet.CodeProtocolError,
		},
	})
}

// Whoever refuses a version must be able to answer in it.
func TestConnectUnknownVersion(t *testing.T) {
	t.Parallel()
	var c packet.Connect
	err := c.Decode([]byte("\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x01c"))
	requireCode(t, packet.CodeUnsupportedVersion, err)
	require.Equal(t, "MQIsdp", string(c.Protocol))
	require.EqualValues(t, 3, c.Version)

	// What is behind the level of an unknown version is not judged.
	err = c.Decode([]byte("\x00\x04MQTT\x06\xff"))
	requireCode(t, packet.CodeUnsupportedVersion, err)
	require.EqualValues(t, 6, c.Version)
}

func TestConnectAppendName(t *testing.T) {
	t.Parallel()
	c := packet.Connect{Protocol: []byte("MQIsdp")}
	var got packet.Connect
	requireCode(t, packet.CodeUnsupportedVersion, got.Decode(c.Append(nil, 3)[2:]))
	require.Equal(t, "MQIsdp", string(got.Protocol))
	require.EqualValues(t, 3, got.Version)
}
