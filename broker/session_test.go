package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// keep is a session that outlives its connections, whatever the version.
func keep(c *packet.Connect) {
	c.CleanStart = false
	if c.Version == packet.V5 {
		c.Props.SetSessionExpiry(0xFFFFFFFF)
	}
}

// cleanKeep starts a new session that outlives its connection (5 alone can).
func cleanKeep(c *packet.Connect) {
	keep(c)
	c.CleanStart = true
}

// CONNACK comes first, once, with reserved bits 0 [MQTT-3.2.0-1, -2, MQTT-3.2.2-1].
func TestConnack_3_2_0_1_First(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		// There is much to send at once: a queue, and a retained message.
		r := connect(t, addr, v, "c", keep)
		r.subscribe("t/#", 1)
		r.drop()
		pub := connect(t, addr, v, "pub")
		for i := range 20 {
			pub.send(publish("t/x", "m", 1, uint16(i+1)))
			pub.wantAck(packet.TypePuback)
		}
		for range 20 {
			r := dial(t, addr, v)
			r.send(hello(v, "c", keep), []byte{0xc0, 0})
			require.Equal(t, byte(1), r.want(packet.TypeConnack).body[0])
			for {
				f, err := r.next(patience)
				require.NoError(t, err)
				require.NotEqual(t, packet.TypeConnack, f.Type)
				if f.Type == packet.TypePingresp {
					break
				}
			}
			r.drop()
		}
	})
}

func TestSession_3_2_2_2_SessionPresent(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		present := func(want bool, mod func(*packet.Connect)) *raw {
			t.Helper()
			r, ack := tryConnect(t, addr, v, "c", mod)
			require.Zero(t, ack.Code)
			require.Equal(t, want, ack.SessionPresent)
			return r
		}
		clean := func(*packet.Connect) {}
		present(false, keep).disconnect()
		present(true, keep).disconnect()
		present(true, keep).drop()
		present(true, keep).disconnect()
		present(false, clean).disconnect() // discards it [MQTT-3.2.2-2]
		present(false, keep).disconnect()  // and leaves nothing behind
		present(true, keep)                // stays connected
		present(true, keep)                // takes over
		present(false, clean)              // takes over and discards
		present(false, keep)               // the clean one ends with its connection
		present(true, keep).disconnect()
	})
}

// The session holds subscriptions and what was sent to them [MQTT-4.1.0-1,
// MQTT-3.1.2-4, -5], a clean start discards all of it [MQTT-3.1.2-4, -6].
func TestSession_3_1_2_4_ResumedAndDiscarded(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		pub := connect(t, addr, v, "pub")
		send := func(payload string) {
			for qos := range byte(3) {
				pub.send(publish("t", fmt.Sprint(payload, qos), qos, uint16(qos)))
				if qos == 1 {
					pub.wantAck(packet.TypePuback)
				}
			}
			pub.wantAck(packet.TypePubrec)
			pub.send(&packet.Ack{Type: packet.TypePubrel, PacketID: 2})
			pub.wantAck(packet.TypePubcomp)
		}
		r := connect(t, addr, v, "c", keep)
		require.Equal(t, byte(2), r.subscribe("t", 2))
		r.disconnect()
		send("offline ")

		r, ack := tryConnect(t, addr, v, "c", keep)
		require.True(t, ack.SessionPresent)
		p := r.wantPublish()
		require.Equal(t, "offline 1", string(p.Payload))
		require.False(t, p.Dup)
		r.send(&packet.Ack{Type: packet.TypePuback, PacketID: p.PacketID})
		require.Equal(t, "offline 2", string(r.wantPublish().Payload))
		r.ping() // QoS 0 is not kept
		send("online ")
		for range 3 {
			r.wantPublish()
		}
		r.drop()
		send("lost ")

		r, ack = tryConnect(t, addr, v, "c", cleanKeep)
		require.False(t, ack.SessionPresent)
		r.ping()
		send("unheard ")
		r.ping()
		require.Equal(t, byte(1), r.subscribe("t", 1))
		send("heard ")
		require.Equal(t, "heard 0", string(r.wantPublish().Payload))
		r.disconnect()
	})
}

// A session that ends with its connection keeps nothing of it.
func TestSession_3_1_2_6_EndsWithConnection(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		for _, mod := range []func(*packet.Connect){
			func(*packet.Connect) {},
			func(c *packet.Connect) { c.CleanStart = v == packet.V311 }, // 5: Clean Start 0 without expiry
			func(c *packet.Connect) {
				c.Props.SetSessionExpiry(0)
				c.CleanStart = v == packet.V311
			},
		} {
			r := connect(t, addr, v, "c", mod)
			r.subscribe("t", 1)
			r.disconnect()
			pub := connect(t, addr, v, "pub")
			pub.send(publish("t", "m", 1, 1))
			a := pub.wantAck(packet.TypePuback)
			if v == packet.V5 {
				require.Equal(t, byte(broker.NoMatchingSubscribers), a.Code)
			}
			r, ack := tryConnect(t, addr, v, "c", keep)
			require.False(t, ack.SessionPresent)
			r.ping()
			r.disconnect()
			connect(t, addr, v, "c").disconnect()
		}
	})
}

// A session one version began is resumed by the other.
func TestSession_AcrossVersions(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		other := packet.V311 + packet.V5 - v
		r := connect(t, addr, v, "c", keep)
		require.Equal(t, byte(2), r.subscribe("t", 2))
		pub := connect(t, addr, packet.V5, "pub")
		m := publish("t", "m", 1, 1)
		m.Props.AddUser("k", "v")
		pub.send(m)
		pub.wantAck(packet.TypePuback)
		first := r.wantPublish()
		r.drop()
		r, ack := tryConnect(t, addr, other, "c", keep)
		require.True(t, ack.SessionPresent)
		again := r.wantPublish()
		require.True(t, again.Dup)
		require.Equal(t, first.PacketID, again.PacketID)
		require.Equal(t, "m", string(again.Payload))
		require.Equal(t, other == packet.V5, again.Props.Has(packet.PropUser))
		r.send(&packet.Ack{Type: packet.TypePuback, PacketID: again.PacketID})
		r.ping()
	})
}

// [MQTT-3.1.2-23]
func TestSession_5_0_3_1_2_23_Expiry(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.MaxSessionExpiry = -1
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		const v = packet.V5
		for _, c := range []struct {
			name     string
			mod      func(*packet.Connect)
			after    time.Duration
			survives bool
		}{
			{"absent", unclean, 0, false},
			{"0", expiry(0), 0, false},
			{"10 after 9", expiry(10), 9 * time.Second, true},
			{"10 after 11", expiry(10), 11 * time.Second, false},
			{"a day after a day less a second", expiry(86400), 86399 * time.Second, true},
			{"a day after a day and a second", expiry(86400), 86401 * time.Second, false},
			{"FFFFFFFE", expiry(0xFFFFFFFE), 365 * 24 * time.Hour, true},
			{"never", expiry(0xFFFFFFFF), 2 * 365 * 24 * time.Hour, true},
		} {
			for _, end := range []func(*raw){(*raw).disconnect, (*raw).drop} {
				r, ack := tryJoin(t, srv, v, c.name, c.mod)
				require.False(t, ack.Props.Has(packet.PropSessionExpiry), "the client's value is in force")
				require.Zero(t, r.subscribe("t", 0))
				end(r)
				time.Sleep(c.after)
				r, ack = tryJoin(t, srv, v, c.name, expiry(0))
				require.Equal(t, c.survives, ack.SessionPresent, c.name)
				r.disconnect()
			}
		}
	})
}

// A session of 3.1.1 stays as long as the server lets it; the server of 5 says what it
// grants.
func TestSession_3_1_2_4_MaxSessionExpiry(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.MaxSessionExpiry = time.Hour
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		for _, after := range []time.Duration{59 * time.Minute, 61 * time.Minute} {
			r, ack := tryJoin(t, srv, v, "c", keep)
			if v == packet.V5 {
				require.Equal(t, uint32(3600), ack.Props.SessionExpiry)
			}
			time.Sleep(24 * time.Hour) // it does not expire while connected [MQTT-4.1.0-2]
			r.ping()
			r.drop()
			time.Sleep(after)
			r, ack = tryJoin(t, srv, v, "c", keep)
			require.Equal(t, after < time.Hour, ack.SessionPresent)
			r.disconnect()
		}
	})
}

// Expiry runs anew from the end of each connection, with the value of the last CONNECT.
func TestSession_5_0_3_1_2_23_ExpiryAnew(t *testing.T) {
	t.Parallel()
	bubble(t, open(), func(t *testing.T, srv *broker.Server) {
		join(t, srv, packet.V5, "c", expiry(10)).drop()
		for range 5 {
			time.Sleep(8 * time.Second)
			r, ack := tryJoin(t, srv, packet.V5, "c", expiry(10))
			require.True(t, ack.SessionPresent)
			time.Sleep(8 * time.Second)
			r.disconnect()
		}
		time.Sleep(8 * time.Second)
		r, ack := tryJoin(t, srv, packet.V5, "c", expiry(100))
		require.True(t, ack.SessionPresent)
		r.drop()
		time.Sleep(50 * time.Second)
		r, ack = tryJoin(t, srv, packet.V5, "c", unclean) // 0 from now on
		require.True(t, ack.SessionPresent)
		r.drop()
		_, ack = tryJoin(t, srv, packet.V5, "c", unclean)
		require.False(t, ack.SessionPresent)
	})
}

// What was subscribed ends with the session, also in a group.
func TestSession_4_1_0_ExpiredHoldsNothing(t *testing.T) {
	t.Parallel()
	bubble(t, open(), func(t *testing.T, srv *broker.Server) {
		r := join(t, srv, packet.V5, "c", expiry(10))
		require.Equal(t, byte(1), r.subscribe("t", 1))
		require.Equal(t, byte(1), r.subscribe("$share/g/s", 1))
		r.drop()
		pub := join(t, srv, packet.V5, "pub")
		for _, want := range []broker.ReasonCode{broker.Success, broker.NoMatchingSubscribers} {
			for i, topic := range []string{"t", "s"} {
				pub.send(publish(topic, "m", 1, uint16(i+1)))
				require.Equal(t, byte(want), pub.wantAck(packet.TypePuback).Code, topic)
			}
			time.Sleep(11 * time.Second)
		}
	})
}

// DISCONNECT may change the expiry, but not begin one [MQTT-3.14.2-2].
func TestSession_5_0_3_14_2_2_DisconnectChangesExpiry(t *testing.T) {
	t.Parallel()
	bubble(t, open(), func(t *testing.T, srv *broker.Server) {
		for _, c := range []struct {
			connect, disconnect uint32
			after               time.Duration
			survives            bool
		}{
			{100, 0, 0, false},
			{100, 10, 9 * time.Second, true},
			{100, 10, 11 * time.Second, false},
			{10, 100, 99 * time.Second, true},
			{10, 100, 101 * time.Second, false},
			{10, 0xFFFFFFFF, 6 * 24 * time.Hour, true},
			{0, 0, 0, false},
		} {
			r := join(t, srv, packet.V5, "c", expiry(c.connect))
			d := &packet.Disconnect{}
			d.Props.SetSessionExpiry(c.disconnect)
			r.send(d)
			r.wantClosed()
			time.Sleep(c.after)
			r, ack := tryJoin(t, srv, packet.V5, "c", expiry(0))
			require.Equal(t, c.survives, ack.SessionPresent, "%+v", c)
			r.disconnect()
		}
		for _, mod := range []func(*packet.Connect){expiry(0), unclean, func(*packet.Connect) {}} {
			r := join(t, srv, packet.V5, "c", mod)
			d := &packet.Disconnect{}
			d.Props.SetSessionExpiry(10)
			r.send(d)
			r.wantDisconnect(broker.ProtocolError)
			r, ack := tryJoin(t, srv, packet.V5, "c", expiry(0))
			require.False(t, ack.SessionPresent)
			r.disconnect()
		}
	})
}

// Retained messages are no part of a session [3.1.1: MQTT-3.1.2-7].
func TestSession_3_1_1_3_1_2_7_RetainedStays(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		r := connect(t, addr, v, "c")
		m := publish("t", "kept", 0, 0)
		m.Retain = true
		r.send(m)
		r.ping()
		r.disconnect()
		r = connect(t, addr, v, "c")
		r.subscribe("t", 0)
		p := r.wantPublish()
		require.True(t, p.Retain)
		require.Equal(t, "kept", string(p.Payload))
	})
}

// The bound on sessions refuses new ones and lets the others return.
func TestSession_MaxSessions(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.MaxSessions = 1
	_, addr := start(t, cfg)
	connect(t, addr, packet.V5, "c", keep).disconnect()
	r, ack := tryConnect(t, addr, packet.V5, "d")
	require.Equal(t, byte(broker.QuotaExceeded), ack.Code)
	r.wantClosed()
	r, ack = tryConnect(t, addr, packet.V311, "d")
	require.Equal(t, byte(3), ack.Code)
	r.wantClosed()
	_, ack = tryConnect(t, addr, packet.V5, "c", keep)
	require.True(t, ack.SessionPresent)
}
