package packet_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

func TestPublishRules(t *testing.T) {
	t.Parallel()
	const v3, v5 = packet.V311, packet.V5
	runWire(t, []wireCase{
		{"3.1.1 accepted", v3, frame(0x30, "\x00\x01apayload"), 0},
		{"5 accepted", v5, frame(0x32, "\x00\x01a\x00\x01\x00payload"), 0},
		{"MQTT-3.3.1-2 DUP with QoS 0", v3, frame(0x38, "\x00\x01a"), packet.CodeMalformed},
		{"MQTT-3.3.1-4 QoS 3", v5, frame(0x36, "\x00\x01a\x00\x01\x00"), packet.CodeMalformed},
		{"MQTT-2.2.1-3 packet identifier 0", v5, frame(0x32, "\x00\x01a\x00\x00\x00"), packet.CodeProtocolError},
		{"MQTT-2.3.1-1 (3.1.1) packet identifier 0", v3, frame(0x34, "\x00\x01a\x00\x00"), packet.CodeProtocolError},
		{"packet identifier missing", v3, frame(0x34, "\x00\x01a\x00"), packet.CodeMalformed},
		{"MQTT-3.3.2-1 topic is UTF-8", v3, frame(0x30, "\x00\x02\xed\xa0"), packet.CodeMalformed},
		{"MQTT-1.5.4-2 topic with U+0000", v5, frame(0x30, "\x00\x03a\x00b\x00"), packet.CodeMalformed},
		{"MQTT-3.3.2-2 topic with #", v5, frame(0x30, "\x00\x03a/#\x00"), packet.CodeTopicNameInvalid},
		{"MQTT-3.3.2-2 topic with +", v3, frame(0x30, "\x00\x0caaaaaaaa/+/a"), packet.CodeTopicNameInvalid},
		{"MQTT-3.3.2-2 topic with + among other letters", v3, frame(0x30, "\x00\x05\xc3\xa9/+/"), packet.CodeTopicNameInvalid},
		{"MQTT-4.7.3-1 empty topic 3.1.1", v3, frame(0x30, "\x00\x00"), packet.CodeTopicNameInvalid},
		{"empty topic without alias", v5, frame(0x30, "\x00\x00\x00"), packet.CodeProtocolError},
		{"empty topic with alias", v5, frame(0x30, "\x00\x00\x03\x23\x00\x01"), 0},
		{"MQTT-3.3.2-8 topic alias 0", v5, frame(0x30, "\x00\x01a\x03\x23\x00\x00"), packet.CodeTopicAliasInvalid},
		{"topic behind the end", v3, frame(0x30, "\x00\x05aaaa"), packet.CodeMalformed},
		{"MQTT-2.2.2-1 no property length", v5, frame(0x30, "\x00\x01a"), packet.CodeMalformed},
		{"MQTT-3.3.2-14 response topic with wildcard", v5, frame(0x30, "\x00\x01a\x06\x08\x00\x03a/+"), packet.CodeProtocolError},
		{"response topic empty", v5, frame(0x30, "\x00\x01a\x03\x08\x00\x00"), packet.CodeProtocolError},
		{"MQTT-3.3.2-13 response topic is UTF-8", v5, frame(0x30, "\x00\x01a\x04\x08\x00\x01\xff"), packet.CodeMalformed},
		{
			"MQTT-3.3.4-6 subscription identifiers are there for the server to see", v5,
			frame(0x30, "\x00\x01a\x04\x0b\x01\x0b\x01"), 0,
		},
	})
}

// Decode judges flags itself too, for callers without ParseHeader.
func TestPublishFlags(t *testing.T) {
	t.Parallel()
	var p packet.Publish
	requireCode(t, packet.CodeMalformed, p.Decode(0x06, []byte("\x00\x01a\x00\x01"), packet.V311))
	requireCode(t, packet.CodeMalformed, p.Decode(0x08, []byte("\x00\x01a"), packet.V311))
}

func TestPublishAppend(t *testing.T) {
	t.Parallel()
	p := packet.Publish{Dup: true, Topic: []byte("a"), Payload: make([]byte, 300)}
	for _, v := range []packet.Version{packet.V311, packet.V5} {
		p.QoS = 0
		out, at := p.Append([]byte("xyz"), v)
		require.Equal(t, -1, at)
		require.EqualValues(t, 0x30, out[3], "MQTT-3.3.1-2: no DUP with QoS 0")
		require.Equal(t, p.Size(v), len(out)-3)

		p.QoS, p.PacketID = 2, 0x0102
		out, at = p.Append([]byte("xyz"), v)
		require.Equal(t, []byte{1, 2}, out[at:at+2])
		require.Equal(t, p.Size(v), len(out)-3)
	}
}

// A frame that cannot be is not begun.
func TestAppendTooLong(t *testing.T) {
	t.Parallel()
	huge := make([]byte, packet.MaxRemaining)
	p := packet.Publish{QoS: 1, PacketID: 1, Topic: []byte("a"), Payload: huge}
	out, at := p.Append([]byte("x"), packet.V5)
	require.Equal(t, "x", string(out))
	require.Equal(t, -1, at)
	require.Greater(t, p.Size(packet.V5), packet.MaxRemaining)

	var props packet.Properties
	props.SetUser(huge)
	for carrier := range allowed {
		require.Equal(t, "x", string(withProps(carrier, props).Append([]byte("x"), packet.V5)), carrier)
	}
}

func TestAckRules(t *testing.T) {
	t.Parallel()
	const v3, v5 = packet.V311, packet.V5
	for _, first := range []byte{0x40, 0x50, 0x62, 0x70} {
		t.Run(packet.Type(first>>4).String(), func(t *testing.T) {
			t.Parallel()
			runWire(t, []wireCase{
				{"2 bytes 3.1.1", v3, frame(first, "\x00\x01"), 0},
				{"2 bytes 5", v5, frame(first, "\x00\x01"), 0},
				{"3 bytes 5", v5, frame(first, "\x00\x01\x00"), 0},
				{"4 bytes 5", v5, frame(first, "\x00\x01\x00\x00"), 0},
				{"3 bytes 3.1.1", v3, frame(first, "\x00\x01\x00"), packet.CodeMalformed},
				{"1 byte", v5, frame(first, "\x00"), packet.CodeMalformed},
				{"nothing", v3, frame(first, ""), packet.CodeMalformed},
				{"MQTT-2.2.1-3 packet identifier 0", v5, frame(first, "\x00\x00"), packet.CodeProtocolError},
				{"unknown reason code", v5, frame(first, "\x00\x01\x01"), packet.CodeMalformed},
				{"reason code of another packet", v5, frame(first, "\x00\x01\x8e"), packet.CodeMalformed},
				{"trailing bytes", v5, frame(first, "\x00\x01\x00\x00\x00"), packet.CodeMalformed},
				{"property of another packet", v5, frame(first, "\x00\x01\x00\x05\x11\x00\x00\x00\x00"), packet.CodeMalformed},
			})
		})
	}
	runWire(t, []wireCase{
		{"no matching subscribers", v5, frame(0x40, "\x00\x01\x10"), 0},
		{"PUBREL has other codes", v5, frame(0x62, "\x00\x01\x10"), packet.CodeMalformed},
		{"PUBCOMP packet identifier not found", v5, frame(0x70, "\x00\x01\x92"), 0},
		{"PUBACK has other codes", v5, frame(0x40, "\x00\x01\x92"), packet.CodeMalformed},
	})
}

func TestShortForms(t *testing.T) {
	t.Parallel()
	var reason, other packet.Properties
	reason.SetReasonString([]byte("r"))
	other.SetTopicAlias(1) // nothing that these packets have
	var none packet.Properties
	none.SetUser(nil)
	for _, c := range []struct {
		p    appender
		want string
	}{
		{&packet.Ack{Type: packet.TypePuback, PacketID: 1}, "\x40\x02\x00\x01"},
		{&packet.Ack{Type: packet.TypePuback, PacketID: 1, Props: other}, "\x40\x02\x00\x01"},
		{&packet.Ack{Type: packet.TypePuback, PacketID: 1, Props: none}, "\x40\x02\x00\x01"},
		{&packet.Ack{Type: packet.TypePubrel, PacketID: 1, Code: 0x92}, "\x62\x03\x00\x01\x92"},
		{&packet.Ack{Type: packet.TypePubrec, PacketID: 1, Props: reason}, "\x50\x08\x00\x01\x00\x04\x1f\x00\x01r"},
		{&packet.Disconnect{}, "\xe0\x00"},
		{&packet.Disconnect{Code: 4}, "\xe0\x01\x04"},
		{&packet.Disconnect{Props: reason}, "\xe0\x06\x00\x04\x1f\x00\x01r"},
		{&packet.Auth{}, "\xf0\x00"},
	} {
		require.Equal(t, c.want, string(c.p.Append(nil, packet.V5)))
	}
	// 3.1.1 has neither codes nor properties.
	ack := packet.Ack{Type: packet.TypePuback, PacketID: 1, Code: 0x80, Props: reason}
	require.Equal(t, "\x40\x02\x00\x01", string(ack.Append(nil, packet.V311)))
	require.Equal(t, "\xe0\x00", string((&packet.Disconnect{Code: 0x82, Props: reason}).Append(nil, packet.V311)))
	require.Empty(t, (&packet.Auth{Code: 0x18}).Append(nil, packet.V311))
	require.Equal(t, "\x82\x06\x00\x01\x00\x01a\x01",
		string((&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{[]byte("a"), 0x2d}}}).Append(nil, packet.V311)))
	// What brokers commonly get wrong, 9: a 5.0 code in a 3.1.1 SUBACK.
	require.Equal(t, "\x90\x06\x00\x01\x00\x01\x02\x80",
		string((&packet.Suback{PacketID: 1, Codes: []byte{0, 1, 2, 0x87}}).Append(nil, packet.V311)))
}

func TestSubscribeRules(t *testing.T) {
	t.Parallel()
	const v3, v5 = packet.V311, packet.V5
	runWire(t, []wireCase{
		{"3.1.1 accepted", v3, frame(0x82, "\x00\x01\x00\x01a\x02"), 0},
		{"5 accepted", v5, frame(0x82, "\x00\x01\x00\x00\x01a\x2e"), 0},
		{"MQTT-2.2.1-3 packet identifier 0", v5, frame(0x82, "\x00\x00\x00\x00\x01a\x00"), packet.CodeProtocolError},
		{"MQTT-3.8.3-2 no filter", v5, frame(0x82, "\x00\x01\x00"), packet.CodeProtocolError},
		{"MQTT-3.8.3-3 (3.1.1) no filter", v3, frame(0x82, "\x00\x01"), packet.CodeProtocolError},
		{"MQTT-3.8.3-4 (3.1.1) reserved bits", v3, frame(0x82, "\x00\x01\x00\x01a\x04"), packet.CodeMalformed},
		{"MQTT-3.8.3-5 reserved bits", v5, frame(0x82, "\x00\x01\x00\x00\x01a\x40"), packet.CodeMalformed},
		{"MQTT-3.8.3-5 reserved bits, other", v5, frame(0x82, "\x00\x01\x00\x00\x01a\x80"), packet.CodeMalformed},
		{"QoS 3", v5, frame(0x82, "\x00\x01\x00\x00\x01a\x03"), packet.CodeProtocolError},
		{"MQTT-3.8.3-4 (3.1.1) QoS 3", v3, frame(0x82, "\x00\x01\x00\x01a\x03"), packet.CodeProtocolError},
		{"Retain Handling 3", v5, frame(0x82, "\x00\x01\x00\x00\x01a\x30"), packet.CodeProtocolError},
		{"broker killer: ends behind the filter", v3, frame(0x82, "\x00\x01\x00\x01a"), packet.CodeMalformed},
		{"ends in the second filter", v3, frame(0x82, "\x00\x01\x00\x01a\x00\x00"), packet.CodeMalformed},
		{"MQTT-3.8.3-1 filter is UTF-8", v3, frame(0x82, "\x00\x01\x00\x01\xff\x00"), packet.CodeMalformed},
		{"wildcards are judged by the caller", v3, frame(0x82, "\x00\x01\x00\x04a#+b\x00"), 0},
		{"an empty filter too", v3, frame(0x82, "\x00\x01\x00\x00\x00"), 0},
		{"two subscription identifiers", v5, frame(0x82, "\x00\x01\x04\x0b\x01\x0b\x01\x00\x01a\x00"), packet.CodeProtocolError},
		{"subscription identifier 0", v5, frame(0x82, "\x00\x01\x02\x0b\x00\x00\x01a\x00"), packet.CodeProtocolError},
		{"packet identifier cut", v3, frame(0x82, "\x00"), packet.CodeMalformed},
		{"UNSUBSCRIBE accepted", v5, frame(0xa2, "\x00\x01\x00\x00\x01a"), 0},
		{"UNSUBSCRIBE packet identifier 0", v3, frame(0xa2, "\x00\x00\x00\x01a"), packet.CodeProtocolError},
		{"MQTT-3.10.3-2 UNSUBSCRIBE without filter", v5, frame(0xa2, "\x00\x01\x00"), packet.CodeProtocolError},
		{"UNSUBSCRIBE filter cut", v3, frame(0xa2, "\x00\x01\x00\x02a"), packet.CodeMalformed},
		{"MQTT-3.10.3-1 UNSUBSCRIBE filter is UTF-8", v3, frame(0xa2, "\x00\x01\x00\x01\xff"), packet.CodeMalformed},
	})
}

func TestSubscriptionOptions(t *testing.T) {
	t.Parallel()
	s := packet.Subscription{Options: 0x2e}
	require.EqualValues(t, 2, s.QoS())
	require.True(t, s.NoLocal())
	require.True(t, s.RetainAsPublished())
	require.EqualValues(t, 2, s.RetainHandling())
	s.Options = 0x11
	require.EqualValues(t, 1, s.QoS())
	require.False(t, s.NoLocal())
	require.False(t, s.RetainAsPublished())
	require.EqualValues(t, 1, s.RetainHandling())
}

func TestServerPacketRules(t *testing.T) {
	t.Parallel()
	const v3, v5 = packet.V311, packet.V5
	runWire(t, []wireCase{
		{"MQTT-3.2.2-1 CONNACK reserved flags", v3, frame(0x20, "\x02\x00"), packet.CodeMalformed},
		{"MQTT-3.2.2-4 (3.1.1) CONNACK refused with session", v3, frame(0x20, "\x01\x05"), packet.CodeProtocolError},
		{"MQTT-3.2.2-6 CONNACK refused with session", v5, frame(0x20, "\x01\x87\x00"), packet.CodeProtocolError},
		{"MQTT-3.2.2-8 CONNACK code", v5, frame(0x20, "\x00\x05\x00"), packet.CodeMalformed},
		{"CONNACK code 7 of 3.1.1 servers", v3, frame(0x20, "\x00\x07"), 0},
		{"CONNACK cut", v3, frame(0x20, "\x00"), packet.CodeMalformed},
		{"CONNACK trailing", v3, frame(0x20, "\x00\x00\x00"), packet.CodeMalformed},
		{"SUBACK code", v5, frame(0x90, "\x00\x01\x00\x03"), packet.CodeMalformed},
		{"MQTT-3.9.3-2 SUBACK code of 5 in 3.1.1", v3, frame(0x90, "\x00\x01\x87"), packet.CodeMalformed},
		{"SUBACK without codes", v3, frame(0x90, "\x00\x01"), packet.CodeProtocolError},
		{"SUBACK packet identifier 0", v3, frame(0x90, "\x00\x00\x00"), packet.CodeProtocolError},
		{"SUBACK cut", v5, frame(0x90, "\x00\x01"), packet.CodeMalformed},
		{"UNSUBACK without codes", v5, frame(0xb0, "\x00\x01\x00"), packet.CodeProtocolError},
		{"UNSUBACK code", v5, frame(0xb0, "\x00\x01\x00\x01"), packet.CodeMalformed},
		{"UNSUBACK packet identifier 0", v3, frame(0xb0, "\x00\x00"), packet.CodeProtocolError},
		{"UNSUBACK codes in 3.1.1", v3, frame(0xb0, "\x00\x01\x00"), packet.CodeMalformed},
		{"UNSUBACK cut", v5, frame(0xb0, "\x00\x01"), packet.CodeMalformed},
	})
}

func TestDisconnectRules(t *testing.T) {
	t.Parallel()
	const v3, v5 = packet.V311, packet.V5
	runWire(t, []wireCase{
		{"3.1.1", v3, frame(0xe0, ""), 0},
		{"3.1.1 with a code", v3, frame(0xe0, "\x00"), packet.CodeMalformed},
		{"nothing", v5, frame(0xe0, ""), 0},
		{"code alone", v5, frame(0xe0, "\x04"), 0},
		{"code and no properties", v5, frame(0xe0, "\x00\x00"), 0},
		{"MQTT-3.14.2-1 unknown code", v5, frame(0xe0, "\x01"), packet.CodeMalformed},
		{"MQTT-3.14.2-1 code of servers", v5, frame(0xe0, "\x8e"), packet.CodeMalformed},
		{"session expiry from a client", v5, frame(0xe0, "\x00\x05\x11\x00\x00\x00\x01"), 0},
		{"trailing bytes", v5, frame(0xe0, "\x00\x00\x00"), packet.CodeMalformed},
		{"AUTH", v5, frame(0xf0, "\x18\x04\x15\x00\x01m"), 0},
		{"AUTH nothing", v5, frame(0xf0, ""), 0},
		{"AUTH without method", v5, frame(0xf0, "\x18\x00"), packet.CodeProtocolError},
		{"AUTH data without method", v5, frame(0xf0, "\x18\x04\x16\x00\x01d"), packet.CodeProtocolError},
		{"AUTH success with properties and without method", v5, frame(0xf0, "\x00\x04\x1f\x00\x01r"), packet.CodeProtocolError},
		{"MQTT-3.15.2-1 AUTH code", v5, frame(0xf0, "\x01\x04\x15\x00\x01m"), packet.CodeMalformed},
		{"AUTH code alone", v5, frame(0xf0, "\x18"), packet.CodeMalformed},
		{"AUTH in 3.1.1", v3, frame(0xf0, ""), packet.CodeMalformed},
	})
	var d packet.Disconnect
	require.NoError(t, d.Decode([]byte{0x8e}, v5, false))
	requireCode(t, packet.CodeMalformed, d.Decode([]byte{0x04}, v5, false))
	err := d.Decode([]byte("\x00\x05\x11\x00\x00\x00\x01"), v5, false) // [MQTT-3.14.2-2]
	requireCode(t, packet.CodeProtocolError, err)
	var a packet.Auth
	requireCode(t, packet.CodeMalformed, a.Decode(nil, v3))
}

// The tables of the standard: how many codes each packet has, by sender.
func TestValidReason(t *testing.T) {
	t.Parallel()
	for typ, want := range map[packet.Type][2]int{ // from a client, from a server
		packet.TypeConnect:     {0, 0},
		packet.TypeConnack:     {0, 22},
		packet.TypePublish:     {0, 0},
		packet.TypePuback:      {8, 9},
		packet.TypePubrec:      {8, 9},
		packet.TypePubrel:      {2, 2},
		packet.TypePubcomp:     {2, 2},
		packet.TypeSubscribe:   {0, 0},
		packet.TypeSuback:      {0, 12},
		packet.TypeUnsubscribe: {0, 0},
		packet.TypeUnsuback:    {0, 7},
		packet.TypeDisconnect:  {14, 29},
		packet.TypeAuth:        {2, 2},
		packet.TypePingreq:     {0, 0},
	} {
		var got [2]int
		for code := range 256 {
			if packet.ValidReason(typ, byte(code), false) {
				got[0]++
			}
			if packet.ValidReason(typ, byte(code), true) {
				got[1]++
			}
		}
		require.Equal(t, want, got, typ.String())
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	_, _, err := packet.ParseHeader([]byte{0x81}, packet.V5)
	require.EqualError(t, err, "packet: SUBSCRIBE flags: 1, want 2")
	var a packet.Ack
	err = a.Decode(packet.TypePuback, []byte{0, 1, 0x92}, packet.V5)
	require.EqualError(t, err, "packet: PUBACK reason code: 0x92 is not one of this packet's codes")
	var p packet.Publish
	err = p.Decode(0, []byte("\x00\x01a\x05\x11\x00\x00\x00\x00"), packet.V5)
	require.EqualError(t, err, "packet: property 0x11: not one that PUBLISH may have")
	var e *packet.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "packet: "+e.Reason, fmt.Sprint(err))
}
