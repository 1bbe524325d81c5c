package packet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/packet"
)

// publishWith is a PUBLISH as devices send it: a topic of 26 bytes and 64 bytes of payload.
func publishWith(props bool) *packet.Publish {
	p := &packet.Publish{QoS: 1, PacketID: 7, Topic: []byte("dt/plant-7/pump-0001/state"), Payload: make([]byte, 64)}
	if props {
		p.Props.SetPayloadFormat(1)
		p.Props.SetMessageExpiry(60)
		p.Props.SetContentType([]byte("application/json"))
		p.Props.SetResponseTopic([]byte("dt/plant-7/pump-0001/reply"))
		p.Props.SetCorrelationData([]byte("12345678"))
		p.Props.AddUser("trace", "0af7651916cd43dd")
		p.Props.AddUser("tenant", "seven")
		p.Props.AddSubscriptionID(300)
	}
	return p
}

var publishCases = []struct {
	name  string
	v     packet.Version
	props bool
}{
	{"v3.1.1", packet.V311, false},
	{"v5", packet.V5, false},
	{"v5 with 8 properties", packet.V5, true},
}

// Each promise not to allocate. AllocsPerRun cannot run beside other tests.
func TestNoAllocations(t *testing.T) {
	none := func(name string, f func()) {
		t.Helper()
		require.Zero(t, testing.AllocsPerRun(100, f), name)
	}
	buf := make([]byte, 0, 4096)
	var failed error
	for _, c := range publishCases {
		p := publishWith(c.props)
		wire, _ := p.Append(nil, c.v)
		var got packet.Publish
		none("decode PUBLISH "+c.name, func() {
			h, ok, err := packet.ParseHeader(wire, c.v)
			if err != nil || !ok {
				failed = err
			}
			if err := got.Decode(h.Flags, wire[h.Body:h.Size], c.v); err != nil {
				failed = err
			}
		})
		none("append PUBLISH "+c.name, func() { buf, _ = p.Append(buf[:0], c.v) })
		none("size PUBLISH "+c.name, func() { _ = p.Size(c.v) })
	}
	for typ := packet.TypePuback; typ <= packet.TypePubcomp; typ++ {
		for _, v := range []packet.Version{packet.V311, packet.V5} {
			ack := packet.Ack{Type: typ, PacketID: 1}
			none("ack "+typ.String(), func() {
				buf = ack.Append(buf[:0], v)
				if err := ack.Decode(typ, buf[2:], v); err != nil {
					failed = err
				}
			})
		}
		ack := packet.Ack{Type: typ, PacketID: 1}
		ack.Props.SetReasonString([]byte("because"))
		none("ack with properties "+typ.String(), func() {
			buf = ack.Append(buf[:0], packet.V5)
			if err := ack.Decode(typ, buf[2:], packet.V5); err != nil {
				failed = err
			}
		})
	}
	sub := packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte("a/+")}, {Filter: []byte("b/#")}}}
	subWire := sub.Append(nil, packet.V5)
	none("decode SUBSCRIBE again", func() {
		if err := sub.Decode(subWire[2:], packet.V5); err != nil {
			failed = err
		}
	})
	con := packet.Connect{Version: packet.V5, ClientID: []byte("c"), HasUsername: true, Username: []byte("u")}
	conWire := con.Append(nil, packet.V5)
	none("decode CONNECT", func() {
		if err := con.Decode(conWire[2:]); err != nil {
			failed = err
		}
	})
	require.NoError(t, failed)

	// Refusing costs nothing either, where the reason is constant.
	var p packet.Publish
	for _, bad := range []string{"\x00\x01#\x00", "\x00\x05a", "\x00\x01a\xff\xff\xff\x7f", "\x00\x01\xff\x00", "\x00\x01a\x02\x01\x02"} {
		body := []byte(bad)
		none("refuse PUBLISH", func() { failed = p.Decode(0, body, packet.V5) })
		require.Error(t, failed)
	}
	none("refuse length", func() {
		_, _, failed = packet.ParseHeader([]byte{0x30, 0xff, 0xff, 0xff, 0xff}, 0)
	})
	require.Error(t, failed)
}

func BenchmarkParseHeader(b *testing.B) {
	wire := []byte{0x32, 0x80, 0x01}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok, err := packet.ParseHeader(wire, packet.V5); !ok || err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPublishDecode(b *testing.B) {
	for _, c := range publishCases {
		b.Run(c.name, func(b *testing.B) {
			wire, _ := publishWith(c.props).Append(nil, c.v)
			h, _, _ := packet.ParseHeader(wire, c.v)
			body := wire[h.Body:]
			var p packet.Publish
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Decode(h.Flags, body, c.v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPublishAppend(b *testing.B) {
	for _, c := range publishCases {
		b.Run(c.name, func(b *testing.B) {
			p := publishWith(c.props)
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = p.Append(buf[:0], c.v)
			}
		})
	}
}

func BenchmarkAck(b *testing.B) {
	b.Run("decode", func(b *testing.B) {
		var a packet.Ack
		body := []byte{0, 1}
		b.ReportAllocs()
		for b.Loop() {
			if err := a.Decode(packet.TypePuback, body, packet.V5); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		a := packet.Ack{Type: packet.TypePuback, PacketID: 1}
		buf := make([]byte, 0, 64)
		b.ReportAllocs()
		for b.Loop() {
			buf = a.Append(buf[:0], packet.V5)
		}
	})
}

func BenchmarkConnectDecode(b *testing.B) {
	c := packet.Connect{
		KeepAlive: 60, ClientID: []byte("pump-0001"), HasUsername: true, Username: []byte("pump"), HasPassword: true,
		Password: []byte("secret"),
	}
	body := c.Append(nil, packet.V5)[2:]
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidString(b *testing.B) {
	for _, c := range []struct{ name, s string }{
		{"ASCII 26", "dt/plant-7/pump-0001/state"},
		{"other letters 26", "dt/plänt-7/pümp-0001/stat"},
		{"ASCII 64 KiB", strings.Repeat("a", 65535)},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := []byte(c.s)
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				if !packet.ValidString(s) {
					b.Fatal("refused")
				}
			}
		})
	}
}
