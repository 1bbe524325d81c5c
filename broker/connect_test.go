package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// wantRefusedConnect requires the refusal of a CONNECT that is not valid: CONNACK with
// the code in 5, nothing but the end in 3.1.1.
func (r *raw) wantRefusedConnect(code broker.ReasonCode) {
	r.t.Helper()
	if r.v == packet.V5 {
		ack := r.wantConnack()
		require.Equal(r.t, code.String(), broker.ReasonCode(ack.Code).String())
		require.False(r.t, ack.SessionPresent)
	}
	r.wantClosed()
}

func TestConnect_3_1_0_1_FirstPacketIsConnect(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		list := samples(v)
		list = append(list,
			sample{packet.TypeConnack, encode(v, &packet.Connack{}), nil},
			sample{packet.TypePingresp, []byte{0xd0, 0}, nil},
			sample{packet.TypeAuth, cat(0xf0, 2+7, 0x18, 7, 0x15, str("meth")), nil},
			sample{0, []byte{0, 0}, nil},
		)
		for _, s := range list {
			r := dial(t, addr, v)
			r.send(s.b, encode(v, hello(v, "late")))
			r.wantClosed()
		}
		for _, s := range list { // the first byte says enough
			r := dial(t, addr, v)
			r.send(s.b[:1])
			r.wantClosed()
		}
	})
}

func TestConnect_3_1_0_2_SecondConnect(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		r := connect(t, addr, v, "twice")
		r.send(hello(v, "twice"))
		r.wantRefused(broker.ProtocolError)

		r = dial(t, addr, v) // in one write
		r.send(hello(v, "twice"), hello(v, "other"))
		r.wantConnack()
		r.wantRefused(broker.ProtocolError)
	})
}

func TestConnect_3_1_2_1_ProtocolName(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		for _, name := range []string{"", "M", "mqtt", "MQTt", "MQTTX", "XMQTT", "MQT", "MQ\x00T", "\xff\xff", "HTTP"} {
			r := dial(t, addr, v)
			r.send(hello(v, "x", func(c *packet.Connect) { c.Protocol = []byte(name) }))
			r.wantClosed()
		}
	})
}

// An unknown level is answered in 3.1.1 form, which every client can read.
func TestConnect_3_1_2_2_ProtocolLevel(t *testing.T) {
	t.Parallel()
	_, addr := start(t, open())
	for _, level := range []byte{0, 1, 2, 3, 6, 7, 100, 0x83, 0x84, 0x85, 255} {
		r := dial(t, addr, packet.V311)
		r.send(control(0x10, cat(str("MQTT"), level, 2, 0, 60, str("x"))...))
		require.Equal(t, []byte{0, 1}, r.want(packet.TypeConnack).body)
		r.wantClosed()
	}
	r := dial(t, addr, packet.V311) // MQTT 3.1
	r.send(control(0x10, cat(str("MQIsdp"), 3, 2, 0, 60, str("x"))...))
	require.Equal(t, []byte{0, 1}, r.want(packet.TypeConnack).body)
	r.wantClosed()
}

// Every value of the connect flags, with the payload that it announces.
func TestConnect_3_1_2_3_Flags(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		for f := range 256 {
			flags := byte(f)
			hasWill, willQoS, willRetain := flags&4 != 0, flags>>3&3, flags&0x20 != 0
			password, username := flags&0x40 != 0, flags&0x80 != 0
			ok := flags&1 == 0 && // [MQTT-3.1.2-3]
				(hasWill && willQoS < 3 || !hasWill && willQoS == 0 && !willRetain) && // [MQTT-3.1.2-11 to -15]
				(v == packet.V5 || !password || username) // 3.1.1: [MQTT-3.1.2-22]
			noProps := []byte{}
			if v == packet.V5 {
				noProps = []byte{0}
			}
			b := cat(str("MQTT"), byte(v), flags, 0, 60, noProps, str("flags"))
			if hasWill {
				b = cat(b, noProps, str("w"), str("gone"))
			}
			if username {
				b = cat(b, str("me"))
			}
			if password {
				b = cat(b, str("secret"))
			}
			r := dial(t, addr, v)
			r.send(control(0x10, b...))
			if ok {
				require.Zero(t, r.wantConnack().Code, "flags %08b", flags)
				r.disconnect()
				continue
			}
			r.wantRefusedConnect(broker.MalformedPacket)
		}
	})
}

// User name, password and will are there exactly when flagged [MQTT-3.1.2-16 to -21].
func TestConnect_3_1_2_18_FieldsAsFlagged(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		noProps := []byte{}
		if v == packet.V5 {
			noProps = []byte{0}
		}
		for name, c := range map[string]struct {
			flags   byte
			payload []byte
		}{
			"no client identifier":       {0x02, nil},
			"user name not flagged":      {0x02, cat(str("x"), str("me"))},
			"user name missing":          {0x82, str("x")},
			"password missing":           {0xc2, cat(str("x"), str("me"))},
			"password not flagged":       {0x82, cat(str("x"), str("me"), str("pw"))},
			"password cut":               {0xc2, cat(str("x"), str("me"), 0, 9, "pw")},
			"will missing":               {0x06, str("x")},
			"will payload missing":       {0x06, cat(str("x"), noProps, str("w"))},
			"will payload cut":           {0x06, cat(str("x"), noProps, str("w"), 0, 5, "a")},
			"will not flagged":           {0x02, cat(str("x"), noProps, str("w"), str("p"))},
			"one byte too many":          {0x02, cat(str("x"), 0)},
			"client identifier too long": {0x02, cat(0xff, 0xff, "x")},
		} {
			r := dial(t, addr, v)
			r.send(control(0x10, cat(str("MQTT"), byte(v), c.flags, 0, 60, noProps, c.payload)...))
			t.Log(name)
			r.wantRefusedConnect(broker.MalformedPacket)
		}
		for n := range 10 { // cut before its payload
			r := dial(t, addr, v)
			r.send(control(0x10, encode(v, hello(v, "x"))[2:2+n]...))
			if v == packet.V5 && n >= 7 { // the level is known
				require.Equal(t, byte(broker.MalformedPacket), r.wantConnack().Code)
			}
			r.wantClosed()
		}
	})
}

// Empty user names, passwords and wills are none the less there.
func TestConnect_3_1_3_EmptyFields(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		r := connect(t, addr, v, "empty", user("", ""), will("w", ""))
		r.ping()
	})
}

func TestConnect_3_1_3_5_ClientIdentifiers(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		for _, id := range []string{
			"a", "0", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ", strings.Repeat("x", 24), strings.Repeat("y", 65535),
			"with space", "a/b/+/#", "$SYS", "ümläut", "\U0001f600",
		} {
			r, ack := tryConnect(t, addr, v, id)
			require.Zero(t, ack.Code, clip(id))
			require.False(t, ack.Props.Has(packet.PropAssignedClientID))
			r.ping()
		}
	})
}

func clip(s string) string { return s[:min(len(s), 40)] }

func TestConnect_3_1_3_6_EmptyClientIdentifier(t *testing.T) {
	t.Parallel()
	_, addr := start(t, open())

	// [3.1.1: MQTT-3.1.3-7, -8, -9]
	r := connect(t, addr, packet.V311, "")
	r.ping()
	r, ack := tryConnect(t, addr, packet.V311, "", unclean)
	require.Equal(t, byte(2), ack.Code)
	require.False(t, ack.SessionPresent)
	r.wantClosed()

	// [MQTT-3.1.3-6, -7, MQTT-3.2.2-16]
	seen := map[string]bool{}
	for i := range 20 {
		r, ack := tryConnect(t, addr, packet.V5, "", func(c *packet.Connect) { c.CleanStart = i%2 == 0 })
		require.Zero(t, ack.Code)
		require.False(t, ack.SessionPresent)
		id := string(ack.Props.AssignedClientID)
		require.NotEmpty(t, id)
		require.False(t, seen[id])
		seen[id] = true
		r.ping()
	}

	// The assigned identifier works like any other.
	r, ack = tryConnect(t, addr, packet.V5, "", expiry(60))
	id := string(ack.Props.AssignedClientID)
	require.Zero(t, r.subscribe("t", 0))
	r.drop()
	_, ack = tryConnect(t, addr, packet.V5, id, expiry(60))
	require.True(t, ack.SessionPresent)
}

func TestConnect_3_1_3_8_EmptyClientIdentifierRefused(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.RefuseEmptyClientID = true
	_, addr := start(t, cfg)
	r, ack := tryConnect(t, addr, packet.V311, "")
	require.Equal(t, byte(2), ack.Code)
	r.wantClosed()
	r, ack = tryConnect(t, addr, packet.V5, "")
	require.Equal(t, byte(broker.ClientIDNotValid), ack.Code)
	r.wantClosed()
}

func TestConnect_3_1_3_LongClientIdentifier(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.MaxClientIDBytes = 23
	_, addr := start(t, cfg)
	for v, code := range map[packet.Version]byte{packet.V311: 2, packet.V5: byte(broker.ClientIDNotValid)} {
		r, ack := tryConnect(t, addr, v, strings.Repeat("x", 24))
		require.Equal(t, code, ack.Code)
		r.wantClosed()
		r = connect(t, addr, v, strings.Repeat("x", 23))
		r.ping()
	}
}

// [MQTT-3.1.4-1]: a connection may not go without CONNECT.
func TestConnect_3_1_4_1_ConnectTimeout(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		for _, part := range [][]byte{nil, {0x10}, encode(v, hello(v, "x"))[:9]} {
			begin := time.Now()
			r := pipe(t, srv, v)
			if part != nil {
				r.send(part)
			}
			_, err := r.next(time.Minute)
			require.Error(t, err)
			require.Equal(t, 10*time.Second, time.Since(begin))
		}
	})
}

// A byte now and then does not help.
func TestConnect_3_1_4_1_SlowConnect(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		r := pipe(t, srv, v)
		begin := time.Now()
		for _, b := range encode(v, hello(v, "slow")) {
			if _, err := r.nc.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		r.wantClosed()
		require.Less(t, time.Since(begin), 12*time.Second)
	})
}

func TestConnect_5_0_3_1_2_11_Properties(t *testing.T) {
	t.Parallel()
	_, addr := start(t, open())
	method := cat(0x15, str("m"))
	values := map[byte][]byte{
		0x11: {0x11, 0, 0, 0, 1}, 0x21: {0x21, 0, 1}, 0x27: {0x27, 0, 0, 1, 0}, 0x22: {0x22, 0, 1}, 0x19: {0x19, 1}, 0x17: {0x17, 1},
		0x26: cat(0x26, str("k"), str("v")), 0x15: method, 0x16: cat(method, 0x16, str("d")),
	}
	foreign := map[byte][]byte{
		0x01: {0x01, 1}, 0x02: {0x02, 0, 0, 0, 1}, 0x03: cat(0x03, str("x")), 0x08: cat(0x08, str("x")), 0x09: cat(0x09, str("x")), 0x0b: {0x0b, 1},
		0x12: cat(0x12, str("x")), 0x13: {0x13, 0, 1}, 0x18: {0x18, 0, 0, 0, 1}, 0x1a: cat(0x1a, str("x")), 0x1c: cat(0x1c, str("x")),
		0x1f: cat(0x1f, str("x")), 0x23: {0x23, 0, 1}, 0x24: {0x24, 1}, 0x25: {0x25, 1}, 0x28: {0x28, 1}, 0x29: {0x29, 1}, 0x2a: {0x2a, 1},
		0x00: {0x00}, 0x04: {0x04, 1}, 0x2b: {0x2b, 1}, 0x7f: {0x7f, 1}, 0x80: {0x80, 1}, 0xff: {0xff, 0xff},
	}
	type badProps struct {
		name  string
		props []byte
		code  broker.ReasonCode
	}
	bad := []badProps{
		{"Receive Maximum 0", []byte{0x21, 0, 0}, broker.ProtocolError},
		{"Maximum Packet Size 0", []byte{0x27, 0, 0, 0, 0}, broker.ProtocolError},
		{"Request Problem Information 2", []byte{0x17, 2}, broker.ProtocolError},
		{"Request Response Information 2", []byte{0x19, 2}, broker.ProtocolError},
		{"Request Response Information 255", []byte{0x19, 255}, broker.ProtocolError},
		{"Authentication Data without method", cat(0x16, str("d")), broker.ProtocolError},
		{"Session Expiry cut", []byte{0x11, 0, 0, 0}, broker.MalformedPacket},
		{"user property without value", cat(0x26, str("k")), broker.MalformedPacket},
	}
	for id, b := range values {
		if id != 0x26 && id != 0x16 {
			bad = append(bad, badProps{fmt.Sprintf("twice %02x", id), cat(b, b), broker.ProtocolError})
		}
	}
	bad = append(bad, badProps{"twice 16", cat(values[0x16], 0x16, str("d")), broker.ProtocolError})
	for id, b := range foreign {
		bad = append(bad, badProps{fmt.Sprintf("foreign %02x", id), b, broker.MalformedPacket})
	}
	packetOf := func(props []byte) []byte {
		return control(0x10, cat(str("MQTT"), 5, 2, 0, 60, len(props), props, str("c"))...)
	}
	for _, c := range bad {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := dial(t, addr, packet.V5)
			r.send(packetOf(c.props))
			r.wantRefusedConnect(c.code)
		})
	}
	t.Run("valid", func(t *testing.T) {
		t.Parallel()
		for id, b := range values {
			if id == 0x15 || id == 0x16 { // not supported by this server
				continue
			}
			r := dial(t, addr, packet.V5)
			r.send(packetOf(b))
			require.Zero(t, r.wantConnack().Code, "%02x", id)
		}
		all := cat(values[0x11], values[0x21], values[0x27], values[0x22], values[0x19], values[0x17], values[0x26], values[0x26])
		r := dial(t, addr, packet.V5)
		r.send(packetOf(all))
		require.Zero(t, r.wantConnack().Code)
	})
}
