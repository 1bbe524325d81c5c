package broker_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// wantEnd requires that the server closes, in version 5 behind a DISCONNECT that
// names a malformed packet or a protocol error, and never with one in 3.1.1.
func (r *raw) wantEnd() {
	r.t.Helper()
	if r.v == packet.V5 {
		p := &packet.Disconnect{}
		require.NoError(r.t, p.Decode(r.want(packet.TypeDisconnect).body, r.v, false))
		require.Contains(r.t, []broker.ReasonCode{broker.MalformedPacket, broker.ProtocolError}, broker.ReasonCode(p.Code))
	}
	r.wantClosed()
}

// A badFrame is something no client may send on an accepted connection.
type badFrame struct {
	name string
	b    []byte
	code broker.ReasonCode // what a 5 client is told
}

func runBad(t *testing.T, addr string, v packet.Version, cases []badFrame) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := connect(t, addr, v, fmt.Sprintf("bad-%d-%s", v, c.name))
			r.send(c.b)
			r.wantRefused(c.code)
		})
	}
}

func TestFraming_3_1_1_2_2_2_2_and_5_0_2_1_3_1_FixedHeaderFlags(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		whole := map[packet.Type][]byte{}
		for _, p := range samples(v) {
			whole[p.t] = p.b[2:]
		}
		var cases []badFrame
		for typ, want := range map[packet.Type]byte{
			packet.TypePuback: 0, packet.TypePubrec: 0, packet.TypePubrel: 2, packet.TypePubcomp: 0, packet.TypeSubscribe: 2,
			packet.TypeUnsubscribe: 2, packet.TypePingreq: 0, packet.TypeDisconnect: 0, packet.TypeAuth: 0,
		} {
			for flags := range byte(16) {
				if flags != want {
					cases = append(cases, badFrame{fmt.Sprintf("%s %x", typ, flags), control(byte(typ)<<4|flags, whole[typ]...), broker.MalformedPacket})
				}
			}
		}
		for _, flags := range []byte{6, 7, 14, 15} {
			cases = append(cases, badFrame{fmt.Sprintf("PUBLISH %x", flags), control(0x30|flags, whole[packet.TypePublish]...), broker.MalformedPacket})
		}
		for _, flags := range []byte{8, 9} {
			cases = append(cases, badFrame{fmt.Sprintf("PUBLISH %x", flags), control(0x30|flags, str("t")...), broker.MalformedPacket})
		}
		runBad(t, addr, v, cases)

		for flags := byte(1); flags < 16; flags++ {
			r := dial(t, addr, v)
			b := encode(v, hello(v, "x"))
			b[0] |= flags
			r.send(b)
			r.wantClosed()
		}
	})
}

// Packets of the server, type 0, and in 3.1.1 AUTH.
func TestFraming_TypesNotForClients(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		cases := []badFrame{
			{"type 0", []byte{0x00, 0}, broker.MalformedPacket},
			{"type 0 with flags and body", []byte{0x0f, 2, 0, 1}, broker.MalformedPacket},
			{"CONNACK", encode(v, &packet.Connack{}), broker.ProtocolError},
			{"SUBACK", encode(v, &packet.Suback{PacketID: 1, Codes: []byte{0}}), broker.ProtocolError},
			{"UNSUBACK", encode(v, &packet.Unsuback{PacketID: 1, Codes: []byte{0}}), broker.ProtocolError},
			{"PINGRESP", []byte{0xd0, 0}, broker.ProtocolError},
			{"AUTH without method", []byte{0xf0, 0}, broker.ProtocolError}, // 5: [MQTT-4.12.0-6], 3.1.1: reserved
		}
		runBad(t, addr, v, cases)
	})
}

// What brokers commonly get wrong, 13.
func TestFraming_3_1_1_3_12_and_5_0_3_12_PingreqHasNoBody(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		runBad(t, addr, v, []badFrame{
			{"one byte", []byte{0xc0, 1, 0}, broker.MalformedPacket},
			{"its length alone", []byte{0xc0, 5}, broker.MalformedPacket},
		})
	})
}

func TestFraming_5_0_1_5_5_1_RemainingLength(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		runBad(t, addr, v, []badFrame{
			{"a fifth byte announced", []byte{0x30, 0xff, 0xff, 0xff, 0xff}, broker.MalformedPacket},
			{"a fifth byte", []byte{0x30, 0x80, 0x80, 0x80, 0x80, 0x01}, broker.MalformedPacket},
			{"a fifth byte of zeros", []byte{0xc0, 0x80, 0x80, 0x80, 0x80, 0x00}, broker.MalformedPacket},
			{"too large", []byte{0x30, 0xff, 0xff, 0xff, 0x7f}, broker.PacketTooLarge},
		})
		r := dial(t, addr, v)
		r.send([]byte{0x10, 0xff, 0xff, 0xff, 0xff, 0x01})
		r.wantClosed()

		padded := []badFrame{
			{"padded PINGREQ", []byte{0xc0, 0x80, 0x00}, broker.MalformedPacket},
			{"padded SUBSCRIBE", cat(0x82, 0x87, 0x80, 0x00, 0, 1, 0, str("a"), 0), broker.MalformedPacket},
		}
		connectBody := encode(v, hello(v, "padded"))[2:]
		paddedConnect := cat(0x10, 0x80|len(connectBody), 0, connectBody)
		if v == packet.V5 {
			runBad(t, addr, v, padded)
			r = dial(t, addr, v)
			r.send(paddedConnect)
			require.Equal(t, byte(broker.MalformedPacket), r.wantConnack().Code)
			r.wantClosed()
			return
		}
		// 3.1.1 does not ask for the shortest form.
		r = dial(t, addr, v)
		r.send(paddedConnect, padded[0].b)
		r.wantConnack()
		r.want(packet.TypePingresp)
	})
}

// Lengths of one to four bytes, and what is in one packet comes out of it whole.
func TestFraming_5_0_1_5_5_LengthsOfAllSizes(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		r := connect(t, addr, v, "c")
		require.Zero(t, r.subscribe("t", 0))
		for _, n := range []int{0, 1, 120, 127, 128, 16_370, 16_383, 16_384, 2_097_140, 2_097_151, 2_097_152, 3_000_000} {
			payload := strings.Repeat("x", n)
			r.send(publish("t", payload, 0, 0))
			require.Equal(t, payload, string(r.wantPublish().Payload))
		}
	})
}

// Packets come in pieces of any size, and several in one.
func TestFraming_PiecesAndBursts(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		var all []byte
		for _, p := range []any{
			hello(v, "pieces"),
			&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte("t"), Options: 1}}},
			publish("t", strings.Repeat("x", 200), 1, 9),
			[]byte{0xc0, 0},
		} {
			if b, ok := p.([]byte); ok {
				all = append(all, b...)
				continue
			}
			all = append(all, encode(v, p)...)
		}
		for _, size := range []int{1, 2, 3, 7, 50, len(all)} {
			r := dial(t, addr, v)
			for i := 0; i < len(all); i += size {
				r.write(all[i:min(i+size, len(all))]...)
			}
			require.Zero(t, r.wantConnack().Code)
			r.wantSuback()
			got := map[string]int{}
			for range 3 {
				f, err := r.next(patience)
				require.NoError(t, err)
				got[f.Type.String()]++
			}
			require.Equal(t, map[string]int{"PUBLISH": 1, "PUBACK": 1, "PINGRESP": 1}, got)
			r.drop()
		}
	})
}

// A sample is a valid packet of a client, and the shorter bodies that are valid too.
type sample struct {
	t     packet.Type
	b     []byte
	valid []int
}

func samples(v packet.Version) []sample {
	if v == packet.V311 {
		return []sample{
			{packet.TypePublish, control(0x32, cat(str("top"), 0, 1)...), nil},
			{packet.TypePuback, control(0x40, 0, 1), nil},
			{packet.TypePubrec, control(0x50, 0, 1), nil},
			{packet.TypePubrel, control(0x62, 0, 1), nil},
			{packet.TypePubcomp, control(0x70, 0, 1), nil},
			{packet.TypeSubscribe, control(0x82, cat(0, 1, str("a/b"), 1)...), nil},
			{packet.TypeUnsubscribe, control(0xa2, cat(0, 1, str("a/b"))...), nil},
			{packet.TypeDisconnect, control(0xe0), nil},
			{packet.TypePingreq, control(0xc0), nil},
		}
	}
	user := cat(0x26, str("k"), str("v"))
	reason := cat(0x1f, str("because"))
	ack := cat(0, 1, 0, len(reason)+len(user), reason, user)
	publishProps := cat(0x01, 1, 0x02, 0, 0, 0, 9, 0x03, str("text"), 0x08, str("r/t"), 0x09, str("corr"), 0x23, 0, 1, user)
	disconnectProps := cat(0x11, 0, 0, 0, 0, reason, user)
	return []sample{
		{packet.TypePublish, control(0x32, cat(str("top"), 0, 1, len(publishProps), publishProps)...), nil},
		{packet.TypePuback, control(0x40, ack...), []int{2, 3}},
		{packet.TypePubrec, control(0x50, ack...), []int{2, 3}},
		{packet.TypePubrel, control(0x62, ack...), []int{2, 3}},
		{packet.TypePubcomp, control(0x70, ack...), []int{2, 3}},
		{packet.TypeSubscribe, control(0x82, cat(0, 1, 2+len(user), 0x0b, 7, user, str("a/b"), 1)...), nil},
		{packet.TypeUnsubscribe, control(0xa2, cat(0, 1, len(user), user, str("a/b"))...), nil},
		{packet.TypeDisconnect, control(0xe0, cat(0, len(disconnectProps), disconnectProps)...), []int{0, 1}},
		{packet.TypePingreq, control(0xc0), nil},
	}
}

// What brokers commonly get wrong, 1: every packet that ends too early, and one byte
// too late.
func TestFraming_3_1_1_4_8_0_1_and_5_0_4_13_1_1_Truncated(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		for _, s := range samples(v) {
			t.Run(s.t.String(), func(t *testing.T) {
				t.Parallel()
				body := s.b[2:]
				for n := range len(body) {
					if contains(s.valid, n) {
						continue
					}
					r := connect(t, addr, v, "t"+s.t.String())
					r.send(control(s.b[0], body[:n]...))
					r.wantEnd()
				}
				if s.t != packet.TypePublish { // there it is the payload
					r := connect(t, addr, v, "t"+s.t.String())
					r.send(control(s.b[0], append(body[:len(body):len(body)], 0)...))
					r.wantEnd()
				}
				// And whole it is fine.
				r := connect(t, addr, v, "t"+s.t.String())
				r.send(s.b)
				if s.t != packet.TypeDisconnect {
					r.write(0xc0, 0)
					for {
						f, err := r.next(patience)
						require.NoError(t, err)
						require.NotEqual(t, packet.TypeDisconnect, f.Type)
						if f.Type == packet.TypePingresp {
							break
						}
					}
				} else {
					r.wantClosed()
				}
			})
		}
	})
}

func contains(list []int, n int) bool {
	for _, i := range list {
		if i == n {
			return true
		}
	}
	return false
}

// Lengths inside a packet that point behind its end.
func TestFraming_LengthsBehindTheEnd(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		props := []byte{}
		if v == packet.V5 {
			props = []byte{0}
		}
		cases := []badFrame{
			{"PUBLISH topic", control(0x30, 0xff, 0xff, 't'), broker.MalformedPacket},
			{"SUBSCRIBE filter", control(0x82, cat(0, 1, props, 0, 9, "abc", 0)...), broker.MalformedPacket},
			{"UNSUBSCRIBE filter", control(0xa2, cat(0, 1, props, 0, 9, "abc")...), broker.MalformedPacket},
		}
		if v == packet.V5 {
			cases = append(cases,
				badFrame{"PUBLISH property length", control(0x30, cat(str("t"), 0x7f, 1, 1)...), broker.MalformedPacket},
				badFrame{"property length of five bytes", control(0x30, cat(str("t"), 0x80, 0x80, 0x80, 0x80, 1)...), broker.MalformedPacket},
				badFrame{"padded property length", control(0x30, cat(str("t"), 0x80, 0, "payload")...), broker.MalformedPacket},
				badFrame{"value cut by the property length", control(0x30, cat(str("t"), 3, 0x03, 0, 5, "text.")...), broker.MalformedPacket},
				badFrame{"user property value cut", control(0x30, cat(str("t"), 6, 0x26, str("k"), 0, 9, "v")...), broker.MalformedPacket},
				badFrame{"identifier alone", control(0x30, cat(str("t"), 1, 0x01)...), broker.MalformedPacket},
				badFrame{"PUBLISH without property length", control(0x30, str("t")...), broker.MalformedPacket}, // [MQTT-2.2.2-1]
				badFrame{"SUBSCRIBE without property length", control(0x82, cat(0, 1, str("t"), 0)...), broker.MalformedPacket},
				badFrame{"padded Subscription Identifier", control(0x82, cat(0, 1, 3, 0x0b, 0x81, 0, str("t"), 0)...), broker.MalformedPacket},
			)
		}
		runBad(t, addr, v, cases)
	})
}

func TestFraming_3_1_1_2_3_1_1_and_5_0_2_2_1_3_PacketIdentifierZero(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		runBad(t, addr, v, []badFrame{
			{"PUBLISH QoS 1", encode(v, publish("t", "", 1, 0)), broker.ProtocolError},
			{"PUBLISH QoS 2", encode(v, publish("t", "", 2, 0)), broker.ProtocolError},
			{"SUBSCRIBE", encode(v, &packet.Subscribe{Filters: []packet.Subscription{{Filter: []byte("t")}}}), broker.ProtocolError},
			{"UNSUBSCRIBE", encode(v, &packet.Unsubscribe{Filters: [][]byte{[]byte("t")}}), broker.ProtocolError},
		})
	})
}

// Garbage ends its own connection and nothing else.
func TestFraming_Garbage(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, quiet())
		witness := connect(t, addr, v, "witness")
		rnd := rand.New(rand.NewPCG(1, uint64(v)))
		for i := range 200 {
			r := dial(t, addr, v)
			var b []byte
			if i%4 > 0 {
				b = encode(v, hello(v, "garbage"))
			}
			if i%4 > 1 { // a packet with one wrong byte
				list := samples(v)
				p := append([]byte{}, list[rnd.IntN(len(list))].b...)
				p[rnd.IntN(len(p))] = byte(rnd.Uint32())
				b = append(b, p...)
			}
			for range rnd.IntN(100) {
				b = append(b, byte(rnd.Uint32()))
			}
			_, _ = r.nc.Write(b)
			r.drop()
		}
		witness.ping()
	})
}
