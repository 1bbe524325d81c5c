package interop_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

// A codecCase is one packet as both codecs have it.
type codecCase struct {
	name   string
	ours   func(dst []byte) []byte
	theirs paho.ControlPacket
}

func pahoHeader(t packet.Type) paho.FixedHeader {
	h := paho.FixedHeader{MessageType: byte(t)}
	switch t {
	case packet.TypePubrel, packet.TypeSubscribe, packet.TypeUnsubscribe:
		h.Qos = 1 // paho's name for flags of 2
	}
	return h
}

// codecCases builds every packet of 3.1.1 twice, with our types and with paho's.
func codecCases() []codecCase {
	var all []codecCase
	add := func(name string, ours func([]byte) []byte, theirs paho.ControlPacket) {
		all = append(all, codecCase{name, ours, theirs})
	}

	for bits := range 16 {
		clean, will, user, retain := bits&1 != 0, bits&2 != 0, bits&4 != 0, bits&8 != 0
		c := &packet.Connect{CleanStart: clean, KeepAlive: 300, ClientID: []byte("pümp-1")}
		p := &paho.ConnectPacket{
			FixedHeader: pahoHeader(packet.TypeConnect), ProtocolName: "MQTT", ProtocolVersion: 4, CleanSession: clean,
			Keepalive: 300, ClientIdentifier: "pümp-1",
		}
		if will {
			c.HasWill, c.WillQoS, c.WillRetain, c.WillTopic, c.WillPayload = true, byte(1+bits&1), retain, []byte("w/é"), []byte{0, 0xff}
			p.WillFlag, p.WillQos, p.WillRetain, p.WillTopic, p.WillMessage = true, byte(1+bits&1), retain, "w/é", []byte{0, 0xff}
		}
		if user {
			c.HasUsername, c.Username = true, []byte("user")
			p.UsernameFlag, p.Username = true, "user"
		}
		if user && retain {
			c.HasPassword, c.Password = true, []byte{1, 0, 0xfe}
			p.PasswordFlag, p.Password = true, []byte{1, 0, 0xfe}
		}
		add(fmt.Sprintf("CONNECT %04b", bits), func(b []byte) []byte { return c.Append(b, packet.V311) }, p)
	}
	for code := range byte(6) {
		c := &packet.Connack{SessionPresent: code == 0, Code: code}
		add(fmt.Sprintf("CONNACK %d", code), func(b []byte) []byte { return c.Append(b, packet.V311) },
			&paho.ConnackPacket{FixedHeader: pahoHeader(packet.TypeConnack), SessionPresent: code == 0, ReturnCode: code})
	}
	for _, size := range []int{0, 1, 100, 127, 128, 16383, 16384, 2097152} {
		for qos := range byte(3) {
			pub := &packet.Publish{
				Dup: qos > 0 && size%2 == 0, QoS: qos, Retain: size%2 == 1, Topic: []byte("dt/é/" + strings.Repeat("x", size%300)),
				Payload: bytes.Repeat([]byte{0xc3}, size),
			}
			p := &paho.PublishPacket{FixedHeader: pahoHeader(packet.TypePublish), TopicName: string(pub.Topic), Payload: pub.Payload}
			p.Dup, p.Qos, p.Retain = pub.Dup, qos, pub.Retain
			if qos > 0 {
				pub.PacketID, p.MessageID = 0xfffe, 0xfffe
			}
			add(fmt.Sprintf("PUBLISH QoS %d, %d bytes", qos, size), func(b []byte) []byte {
				b, _ = pub.Append(b, packet.V311)
				return b
			}, p)
		}
	}
	ack := func(t packet.Type, p paho.ControlPacket) {
		a := &packet.Ack{Type: t, PacketID: 0x0102}
		add(t.String(), func(b []byte) []byte { return a.Append(b, packet.V311) }, p)
	}
	ack(packet.TypePuback, &paho.PubackPacket{FixedHeader: pahoHeader(packet.TypePuback), MessageID: 0x0102})
	ack(packet.TypePubrec, &paho.PubrecPacket{FixedHeader: pahoHeader(packet.TypePubrec), MessageID: 0x0102})
	ack(packet.TypePubrel, &paho.PubrelPacket{FixedHeader: pahoHeader(packet.TypePubrel), MessageID: 0x0102})
	ack(packet.TypePubcomp, &paho.PubcompPacket{FixedHeader: pahoHeader(packet.TypePubcomp), MessageID: 0x0102})

	sub := &packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{
		{Filter: []byte("#")}, {Filter: []byte("a/+/é"), Options: 1}, {Filter: []byte("$share/g/x"), Options: 2},
	}}
	add("SUBSCRIBE", func(b []byte) []byte { return sub.Append(b, packet.V311) }, &paho.SubscribePacket{
		FixedHeader: pahoHeader(packet.TypeSubscribe), MessageID: 1, Topics: []string{"#", "a/+/é", "$share/g/x"}, Qoss: []byte{0, 1, 2},
	})
	suback := &packet.Suback{PacketID: 1, Codes: []byte{0, 1, 2, 0x80}}
	add("SUBACK", func(b []byte) []byte { return suback.Append(b, packet.V311) },
		&paho.SubackPacket{FixedHeader: pahoHeader(packet.TypeSuback), MessageID: 1, ReturnCodes: []byte{0, 1, 2, 0x80}})
	unsub := &packet.Unsubscribe{PacketID: 1, Filters: [][]byte{[]byte("#"), []byte("a/+/é")}}
	add("UNSUBSCRIBE", func(b []byte) []byte { return unsub.Append(b, packet.V311) },
		&paho.UnsubscribePacket{FixedHeader: pahoHeader(packet.TypeUnsubscribe), MessageID: 1, Topics: []string{"#", "a/+/é"}})
	unsuback := &packet.Unsuback{PacketID: 1}
	add("UNSUBACK", func(b []byte) []byte { return unsuback.Append(b, packet.V311) },
		&paho.UnsubackPacket{FixedHeader: pahoHeader(packet.TypeUnsuback), MessageID: 1})
	add("PINGREQ", packet.AppendPingreq, &paho.PingreqPacket{FixedHeader: pahoHeader(packet.TypePingreq)})
	add("PINGRESP", packet.AppendPingresp, &paho.PingrespPacket{FixedHeader: pahoHeader(packet.TypePingresp)})
	dis := &packet.Disconnect{}
	add("DISCONNECT", func(b []byte) []byte { return dis.Append(b, packet.V311) },
		&paho.DisconnectPacket{FixedHeader: pahoHeader(packet.TypeDisconnect)})
	return all
}

// TestCodec checks the 3.1.1 codec against that of paho.mqtt.golang: the same packet makes the same bytes, paho reads
// ours to equal values, and we read paho's and write the same bytes again.
func TestCodec(t *testing.T) {
	t.Parallel()
	for _, c := range codecCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ours := c.ours(nil)
			var buf bytes.Buffer
			require.NoError(t, c.theirs.Write(&buf))
			theirs := buf.Bytes()
			require.Equal(t, theirs, ours)

			read, err := paho.ReadPacket(bytes.NewReader(ours))
			require.NoError(t, err)
			require.Equal(t, c.theirs, read)

			require.Equal(t, theirs, recode(t, theirs))
		})
	}
}

// recode decodes one frame and encodes what came out of it.
func recode(t *testing.T, frame []byte) []byte {
	t.Helper()
	h, ok, err := packet.ParseHeader(frame, packet.V311)
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, frame, h.Size)
	body := frame[h.Body:]
	switch h.Type {
	case packet.TypeConnect:
		var p packet.Connect
		require.NoError(t, p.Decode(body))
		require.Equal(t, packet.V311, p.Version)
		return p.Append(nil, packet.V311)
	case packet.TypeConnack:
		var p packet.Connack
		require.NoError(t, p.Decode(body, packet.V311))
		return p.Append(nil, packet.V311)
	case packet.TypePublish:
		var p packet.Publish
		require.NoError(t, p.Decode(h.Flags, body, packet.V311))
		out, _ := p.Append(nil, packet.V311)
		return out
	case packet.TypePuback, packet.TypePubrec, packet.TypePubrel, packet.TypePubcomp:
		var p packet.Ack
		require.NoError(t, p.Decode(h.Type, body, packet.V311))
		return p.Append(nil, packet.V311)
	case packet.TypeSubscribe:
		var p packet.Subscribe
		require.NoError(t, p.Decode(body, packet.V311))
		return p.Append(nil, packet.V311)
	case packet.TypeSuback:
		var p packet.Suback
		require.NoError(t, p.Decode(body, packet.V311))
		return p.Append(nil, packet.V311)
	case packet.TypeUnsubscribe:
		var p packet.Unsubscribe
		require.NoError(t, p.Decode(body, packet.V311))
		return p.Append(nil, packet.V311)
	case packet.TypeUnsuback:
		var p packet.Unsuback
		require.NoError(t, p.Decode(body, packet.V311))
		return p.Append(nil, packet.V311)
	case packet.TypePingreq:
		return packet.AppendPingreq(nil)
	case packet.TypePingresp:
		return packet.AppendPingresp(nil)
	case packet.TypeDisconnect:
		var p packet.Disconnect
		require.NoError(t, p.Decode(body, packet.V311, true))
		return p.Append(nil, packet.V311)
	}
	require.Fail(t, "no such packet in 3.1.1", h.Type.String())
	return nil
}
