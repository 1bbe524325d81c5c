package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// A server that offers everything says nothing about it, and nothing nobody asked for
// [MQTT-3.2.2-9 to -22].
func TestConnack_5_0_3_2_2_9_Default(t *testing.T) {
	t.Parallel()
	_, addr := start(t, open())
	_, ack := tryConnect(t, addr, packet.V5, "c", expiry(60))
	for _, id := range []packet.PropertyID{
		packet.PropMaximumQoS, packet.PropRetainAvailable, packet.PropWildcardAvailable, packet.PropSubIDAvailable, packet.PropSharedAvailable,
		packet.PropAssignedClientID, packet.PropServerKeepAlive, packet.PropResponseInfo, packet.PropAuthMethod, packet.PropAuthData,
		packet.PropSessionExpiry, packet.PropReasonString, packet.PropServerReference, packet.PropUser,
	} {
		require.False(t, ack.Props.Has(id), id.String())
	}
	require.NotZero(t, ack.Props.ReceiveMaximum)
	require.NotZero(t, ack.Props.MaximumPacketSize)
	require.NotZero(t, ack.Props.TopicAliasMaximum)

	r := connect(t, addr, packet.V311, "old") // two bytes, no more [3.1.1: 3.2]
	r.drop()
	r = dial(t, addr, packet.V311)
	r.send(hello(packet.V311, "old"))
	require.Len(t, r.want(packet.TypeConnack).body, 2)
}

// What is turned off is said, and refused.
func TestConnack_5_0_3_2_2_3_FeaturesOff(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.MaxQoS, cfg.DisableRetain, cfg.DisableShared, cfg.DisableWildcards, cfg.DisableSubscriptionIDs = broker.OnlyQoS0, true, true, true, true
	cfg.TopicAliasMaximum, cfg.ReceiveMaximum, cfg.MaxPacketSize = -1, 7, 500
	_, addr := start(t, cfg)
	_, ack := tryConnect(t, addr, packet.V5, "c")
	p := ack.Props
	for id, value := range map[packet.PropertyID]byte{
		packet.PropMaximumQoS: p.MaximumQoS, packet.PropRetainAvailable: p.RetainAvailable, packet.PropWildcardAvailable: p.WildcardAvailable,
		packet.PropSubIDAvailable: p.SubIDAvailable, packet.PropSharedAvailable: p.SharedAvailable,
	} {
		require.True(t, p.Has(id), id.String())
		require.Zero(t, value, id.String())
	}
	require.False(t, p.Has(packet.PropTopicAliasMaximum))
	require.Equal(t, uint16(7), p.ReceiveMaximum)
	require.Equal(t, uint32(500), p.MaximumPacketSize)

	refused := func(code broker.ReasonCode, pk any) {
		t.Helper()
		r := connect(t, addr, packet.V5, "c")
		r.send(pk)
		r.wantDisconnect(code)
	}
	retained := publish("t", "", 0, 0)
	retained.Retain = true
	refused(broker.QoSNotSupported, publish("t", "", 1, 1)) // [MQTT-3.2.2-11]
	refused(broker.QoSNotSupported, publish("t", "", 2, 1))
	refused(broker.RetainNotSupported, retained) // [MQTT-3.2.2-14]
	alias := publish("t", "", 0, 0)
	alias.Props.SetTopicAlias(1)
	refused(broker.TopicAliasInvalid, alias) // [MQTT-3.2.2-17, -18]
	id := &packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte("t")}}}
	id.Props.AddSubscriptionID(1)
	refused(broker.SubscriptionIDsNotSupported, id)
	refused(broker.PacketTooLarge, publish("t", strings.Repeat("x", 500), 0, 0))

	r := connect(t, addr, packet.V5, "c")
	require.Zero(t, r.subscribe("t", 2)) // [MQTT-3.2.2-9, -10]
	require.Equal(t, byte(broker.WildcardsNotSupported), r.subscribe("t/#", 0))
	require.Equal(t, byte(broker.SharedNotSupported), r.subscribe("$share/g/t", 0))
}

// [MQTT-3.1.2-28]: Response Information only on request.
func TestConnack_5_0_3_1_2_28_ResponseInformation(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.ResponseInformation = func(clientID string) string { return "answers/" + clientID }
	_, addr := start(t, cfg)
	for asked, want := range map[int]string{-1: "", 0: "", 1: "answers/c"} {
		_, ack := tryConnect(t, addr, packet.V5, "c", func(c *packet.Connect) {
			if asked >= 0 {
				c.Props.SetRequestResponse(byte(asked))
			}
		})
		require.Equal(t, want != "", ack.Props.Has(packet.PropResponseInfo))
		require.Equal(t, want, string(ack.Props.ResponseInfo))
	}
	_, plain := start(t, open())
	_, ack := tryConnect(t, plain, packet.V5, "c", func(c *packet.Connect) { c.Props.SetRequestResponse(1) })
	require.False(t, ack.Props.Has(packet.PropResponseInfo))
}

// [MQTT-3.1.2-29]: with Request Problem Information 0 no reason string or user property
// but in PUBLISH, CONNACK and DISCONNECT.
func TestConnack_5_0_3_1_2_29_ProblemInformation(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.DenySubscribe = []string{"secret"}
	_, addr := start(t, cfg)
	for asked, want := range map[int]bool{-1: true, 0: false, 1: true} {
		r := connect(t, addr, packet.V5, "c", func(c *packet.Connect) {
			if asked >= 0 {
				c.Props.SetRequestProblem(byte(asked))
			}
		})
		r.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte("secret")}}})
		ack := r.wantSuback()
		require.Equal(t, byte(broker.NotAuthorized), ack.Codes[0])
		require.Equal(t, want, ack.Props.Has(packet.PropReasonString))
		r.send(publish("$SYS/x", "", 1, 1))
		pub := r.wantAck(packet.TypePuback)
		require.Equal(t, byte(broker.NotAuthorized), pub.Code)
		require.Equal(t, want, pub.Props.Has(packet.PropReasonString))
		r.send(publish("$SYS/x", "", 2, 2))
		pub = r.wantAck(packet.TypePubrec)
		require.Equal(t, byte(broker.NotAuthorized), pub.Code)
		require.Equal(t, want, pub.Props.Has(packet.PropReasonString))
		r.send(&packet.Ack{Type: packet.TypePubrel, PacketID: 9})
		pub = r.wantAck(packet.TypePubcomp)
		require.Equal(t, byte(broker.PacketIDNotFound), pub.Code)
		require.False(t, !want && pub.Props.Has(packet.PropReasonString))
		r.send(&packet.Unsubscribe{PacketID: 3, Filters: [][]byte{[]byte("x")}})
		unsuback := r.wantUnsuback()
		require.False(t, !want && unsuback.Props.Has(packet.PropReasonString))

		// User properties in PUBLISH pass all the same.
		r.subscribe("t", 0)
		p := publish("t", "", 0, 0)
		p.Props.AddUser("k", "v")
		r.send(p)
		require.True(t, r.wantPublish().Props.Has(packet.PropUser))
		r.disconnect()
	}
}

// [MQTT-3.1.2-24, MQTT-3.2.2-19]: no packet is larger than the client's Maximum Packet
// Size; reasons are left out first.
func TestConnack_5_0_3_1_2_24_MaximumPacketSize(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.DenySubscribe = []string{"secret"}
	cfg.ResponseInformation = func(string) string { return strings.Repeat("x", 100) }
	_, addr := start(t, cfg)
	size := func(n uint32) func(*packet.Connect) {
		return func(c *packet.Connect) {
			c.Props.SetMaximumPacketSize(n)
			c.Props.SetRequestResponse(1)
		}
	}
	_, ack := tryConnect(t, addr, packet.V5, "c", size(1000))
	require.Len(t, ack.Props.ResponseInfo, 100)
	_, ack = tryConnect(t, addr, packet.V5, "c", size(40))
	require.Zero(t, ack.Code)
	require.Empty(t, ack.Props.ResponseInfo)

	// Nothing fits any more.
	r, ack := tryConnect(t, addr, packet.V5, "c", size(10))
	require.Equal(t, byte(broker.PacketTooLarge), ack.Code)
	require.True(t, ack.Props.Empty())
	r.wantClosed()
	r = dial(t, addr, packet.V5)
	r.send(hello(packet.V5, "c", size(4)))
	r.wantClosed()

	// A refusal, without its sentence.
	r, ack = tryConnect(t, addr, packet.V5, "c", size(10), by("NONE", nil))
	require.Equal(t, byte(broker.BadAuthenticationMethod), ack.Code)
	require.True(t, ack.Props.Empty())
	r.wantClosed()

	// Acknowledgements and DISCONNECT too.
	r = connect(t, addr, packet.V5, "c", size(20))
	r.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte("secret")}}})
	suback := r.wantSuback()
	require.Equal(t, []byte{byte(broker.NotAuthorized)}, suback.Codes)
	require.True(t, suback.Props.Empty())
	r.send(publish("$SYS/x", "", 1, 1))
	require.True(t, r.wantAck(packet.TypePuback).Props.Empty())
	r.send([]byte{0, 0})
	f := r.want(packet.TypeDisconnect)
	require.Equal(t, []byte{byte(broker.MalformedPacket)}, f.body)
	r.wantClosed()
}

// Nobody is let in while the server goes down.
func TestConnack_ServerShuttingDown(t *testing.T) {
	t.Parallel()
	srv, addr := start(t, open())
	up := connect(t, addr, packet.V5, "up")
	late5, late3 := dial(t, addr, packet.V5), dial(t, addr, packet.V311)
	early := []*raw{late5, late3}
	for _, r := range early { // the server has them
		r.send([]byte{0x10})
	}
	require.Eventually(t, func() bool { return srv.Metrics().ConnectionsOpened >= 3 }, patience, time.Millisecond)
	go func() { _ = srv.Shutdown(t.Context()) }()
	up.wantDisconnect(broker.ServerShuttingDown)
	up.drop()
	for _, r := range early {
		r.wantClosed()
		r.drop()
	}
}
