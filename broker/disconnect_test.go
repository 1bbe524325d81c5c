package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// After DISCONNECT the server handles nothing more and closes [MQTT-3.14.4-1, -2].
func TestDisconnect_3_14_4_1_NothingBehind(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		w := connect(t, addr, v, "watcher")
		w.subscribe("t", 0)
		r := connect(t, addr, v, "c")
		r.send([]byte{0xe0, 0}, publish("t", "behind", 0, 0), []byte{0xc0, 0})
		r.wantClosed()
		w.wantSilence()
	})
}

// What was sent before it is handled.
func TestDisconnect_3_14_4_InOrder(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		w := connect(t, addr, v, "watcher")
		w.subscribe("t", 0)
		r := dial(t, addr, v)
		r.send(hello(v, "c"), publish("t", "before", 1, 1), []byte{0xe0, 0})
		require.Zero(t, r.wantConnack().Code)
		r.wantAck(packet.TypePuback)
		r.wantClosed()
		require.Equal(t, "before", string(w.wantPublish().Payload))
	})
}

// A client that keeps its end open is cut.
func TestDisconnect_3_14_4_ClientThatDoesNotClose(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		r := join(t, srv, v, "c")
		r.write(0xe0, 0)
		r.wantClosed()
		time.Sleep(time.Minute)
		_, err := r.nc.Write([]byte{0xc0, 0})
		require.Error(t, err)
	})
}

// Every reason code of 5 [MQTT-3.14.2-1].
func TestDisconnect_5_0_3_14_2_1_ReasonCodes(t *testing.T) {
	t.Parallel()
	_, addr := start(t, open())
	ofClient := map[byte]bool{
		0x00: true, 0x04: true, 0x80: true, 0x81: true, 0x82: true, 0x83: true, 0x90: true, 0x93: true, 0x94: true, 0x95: true, 0x96: true,
		0x97: true, 0x98: true, 0x99: true,
	}
	for code := range 256 {
		r := connect(t, addr, packet.V5, "c")
		r.send([]byte{0xe0, 1, byte(code)})
		if ofClient[byte(code)] {
			r.wantClosed()
			continue
		}
		r.wantEnd()
	}
}

func TestDisconnect_5_0_3_14_2_2_Properties(t *testing.T) {
	t.Parallel()
	_, addr := start(t, open())
	ok := func(b ...byte) {
		t.Helper()
		r := connect(t, addr, packet.V5, "c")
		r.send(control(0xe0, b...))
		r.wantClosed()
	}
	ok()
	ok(0)
	ok(0, 0)
	ok(cat(0, props(0x11, 0, 0, 0, 0, 0x1f, str("bye"), 0x26, str("k"), str("v"), 0x26, str("k"), str("v")))...)
	for name, c := range map[string]struct {
		props []byte
		code  broker.ReasonCode
	}{
		"expiry twice":            {props(0x11, 0, 0, 0, 0, 0x11, 0, 0, 0, 0), broker.ProtocolError},
		"reason twice":            {props(0x1f, str("a"), 0x1f, str("b")), broker.ProtocolError},
		"expiry of more than 0":   {props(0x11, 0, 0, 0, 1), broker.ProtocolError},
		"property of CONNECT":     {props(0x21, 0, 1), broker.MalformedPacket},
		"property of PUBLISH":     {props(0x23, 0, 1), broker.MalformedPacket},
		"unknown property":        {props(0x70, 1), broker.MalformedPacket},
		"expiry cut":              {props(0x11, 0, 0, 0), broker.MalformedPacket},
		"bytes behind properties": {cat(0, 0), broker.MalformedPacket},
		"length too long":         {[]byte{9}, broker.MalformedPacket},
	} {
		r := connect(t, addr, packet.V5, "c")
		r.send(control(0xe0, cat(0, c.props)...))
		t.Log(name)
		r.wantDisconnect(c.code)
	}
}

// The server sends DISCONNECT only to a client of 5 that it accepted [MQTT-3.14.0-1],
// with a code a server may use [MQTT-3.14.2-1].
func TestDisconnect_5_0_3_14_0_1_FromServer(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		srv, addr := start(t, open())
		for _, code := range []broker.ReasonCode{
			broker.Success, broker.AdministrativeAction, broker.ServerMoved, broker.NotAuthorized, broker.QuotaExceeded, broker.MaximumConnectTime,
		} {
			r := connect(t, addr, v, "c")
			require.NoError(t, srv.Disconnect("c", broker.DisconnectOptions{Reason: code}))
			r.wantRefused(code)
		}
		// Not one for DISCONNECT, or none at all.
		for _, code := range []broker.ReasonCode{broker.ClientIDNotValid, broker.DisconnectWithWill, broker.PacketIDNotFound, 0xFF, 0x01} {
			r := connect(t, addr, v, "c")
			require.NoError(t, srv.Disconnect("c", broker.DisconnectOptions{Reason: code}))
			r.wantRefused(broker.UnspecifiedError)
		}
		require.ErrorIs(t, srv.Disconnect("nobody", broker.DisconnectOptions{}), broker.ErrNotConnected)
	})
}

// A packet above the server's Maximum Packet Size [MQTT-3.2.2-15], refused before it
// is there.
func TestDisconnect_5_0_3_2_2_15_PacketTooLarge(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		cfg := open()
		cfg.MaxPacketSize = 100
		_, addr := start(t, cfg)
		r, ack := tryConnect(t, addr, v, "c")
		if v == packet.V5 {
			require.Equal(t, uint32(100), ack.Props.MaximumPacketSize)
		}
		fits := encode(v, publish("t", "", 0, 0))
		r.send(control(0x30, cat(fits[2:], make([]byte, 100-len(fits)))...))
		r.ping()
		r.send([]byte{0x30, 99}) // 101 bytes
		r.wantRefused(broker.PacketTooLarge)

		// A CONNECT that is too large: too early to answer.
		r = dial(t, addr, v)
		r.send([]byte{0x10, 99})
		r.wantClosed()
	})
}

// The host's Disconnect publishes the will or not, keeps the session or not.
func TestDisconnect_Options(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		w := watcher(t, srv)
		for _, o := range []broker.DisconnectOptions{{}, {EndSession: true}, {SuppressWill: true}, {EndSession: true, SuppressWill: true}} {
			r := join(t, srv, v, "c", keep, will("w/c", "gone"), delayIn5(5))
			require.Equal(t, byte(1), r.subscribe("t", 1))
			o.Reason = broker.Refuse(broker.ServerMoved, "elsewhere")
			begin := time.Now()
			require.NoError(t, srv.Disconnect("c", o))
			if v == packet.V5 {
				d := &packet.Disconnect{}
				require.NoError(t, d.Decode(r.want(packet.TypeDisconnect).body, v, false))
				require.Equal(t, byte(broker.ServerMoved), d.Code)
				require.Equal(t, "elsewhere", string(d.Props.ReasonString))
			}
			r.wantClosed()
			if !o.SuppressWill {
				require.Equal(t, "gone", string(w.wantPublish().Payload))
				wait := time.Duration(0)
				if v == packet.V5 && !o.EndSession {
					wait = 5 * time.Second // the delay; the end of a session does not wait for it
				}
				require.Equal(t, wait, time.Since(begin).Truncate(time.Second))
			}
			time.Sleep(time.Minute)
			w.wantSilence()
			sessions := int64(2)
			if o.EndSession {
				sessions = 1
			}
			require.Equal(t, sessions, srv.Metrics().Sessions)
			require.Equal(t, sessions, srv.Metrics().Subscriptions)
			r, ack := tryJoin(t, srv, v, "c", unclean)
			require.Equal(t, !o.EndSession, ack.SessionPresent)
			require.NoError(t, srv.Disconnect("c", broker.DisconnectOptions{EndSession: true}))
			r.drop()
		}
		w.wantSilence()
	})
}

// A session whose client is away ends as well, its will with it or not.
func TestDisconnect_OptionsOffline(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		w := watcher(t, srv)
		away := func() {
			r := join(t, srv, v, "c", keep, will("w/c", "gone"), delayIn5(20))
			r.subscribe("t", 1)
			r.drop()
			time.Sleep(time.Second)
			if v == packet.V311 { // which knows no delay
				require.Equal(t, "gone", string(w.wantPublish().Payload))
			}
		}
		away()
		require.NoError(t, srv.Publish(t.Context(), &broker.Message{Topic: "t", QoS: 1}))
		for _, o := range []broker.DisconnectOptions{{}, {SuppressWill: true}} {
			require.ErrorIs(t, srv.Disconnect("c", o), broker.ErrNotConnected)
			require.Equal(t, int64(2), srv.Metrics().Sessions)
		}
		require.NoError(t, srv.Disconnect("c", broker.DisconnectOptions{EndSession: true}))
		if v == packet.V5 { // neither of the refused calls took the will away
			require.Equal(t, "gone", string(w.wantPublish().Payload))
		}
		away()
		require.NoError(t, srv.Disconnect("c", broker.DisconnectOptions{EndSession: true, SuppressWill: true}))
		require.ErrorIs(t, srv.Disconnect("c", broker.DisconnectOptions{EndSession: true}), broker.ErrNotConnected)
		time.Sleep(time.Minute)
		w.wantSilence()
		require.Equal(t, int64(1), srv.Metrics().Sessions)
		require.Equal(t, int64(1), srv.Metrics().Subscriptions)
		require.Zero(t, srv.Metrics().Queued)
		require.Equal(t, uint64(1), srv.Metrics().Dropped["session_ended"])
	})
}
