package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// wantWillAfter requires that the will comes after d, not before, and once. The clock
// of the bubble makes it exact.
func (r *raw) wantWillAfter(d time.Duration, payload string) *packet.Publish {
	r.t.Helper()
	begin := time.Now()
	f, err := r.next(100 * 24 * time.Hour)
	require.NoError(r.t, err)
	require.Equal(r.t, d, time.Since(begin).Round(time.Millisecond))
	p := &packet.Publish{}
	require.NoError(r.t, p.Decode(f.Flags, f.body, r.v))
	require.Equal(r.t, payload, string(p.Payload))
	r.wantSilence()
	return p
}

// [MQTT-3.1.3-9]: after the delay or with the session, whichever is first.
func TestWillDelay_5_0_3_1_3_9_DelayOrSessionEnd(t *testing.T) {
	t.Parallel()
	bubble(t, open(), func(t *testing.T, srv *broker.Server) {
		w := watcher(t, srv)
		for _, c := range []struct {
			name           string
			delay, expires uint32
			want           time.Duration
		}{
			{"delay before expiry", 10, 100, 10 * time.Second},
			{"expiry before delay", 100, 10, 10 * time.Second},
			{"equal", 10, 10, 10 * time.Second},
			{"no session", 100, 0, 0},
			{"no delay", 0, 100, 0},
			{"session for ever", 3600, 0xFFFFFFFF, time.Hour},
			{"delay for ever", 0xFFFFFFFF, 7200, 2 * time.Hour},
		} {
			for name, end := range map[string]func(*raw){
				"drop": (*raw).drop,
				"0x04": func(r *raw) {
					r.send(&packet.Disconnect{Code: byte(broker.DisconnectWithWill)})
					r.wantClosed()
				},
			} {
				r := join(t, srv, packet.V5, "c", expiry(c.expires), will("w/c", c.name+name, delay(c.delay)))
				end(r)
				w.wantWillAfter(c.want, c.name+name)
			}
		}
	})
}

// Keep alive, then the delay.
func TestWillDelay_5_0_3_1_3_9_AfterKeepAlive(t *testing.T) {
	t.Parallel()
	bubble(t, open(), func(t *testing.T, srv *broker.Server) {
		w := watcher(t, srv)
		r := join(t, srv, packet.V5, "c", keepAlive(10), expiry(100), will("w/c", "x", delay(20)))
		go func() { _, _ = r.next(time.Hour) }() // takes the DISCONNECT
		w.wantWillAfter(35*time.Second, "x")
	})
}

// A DISCONNECT that ends the session ends the delay with it.
func TestWillDelay_5_0_3_1_3_9_ExpiryOfDisconnect(t *testing.T) {
	t.Parallel()
	bubble(t, open(), func(t *testing.T, srv *broker.Server) {
		w := watcher(t, srv)
		for secs, want := range map[uint32]time.Duration{0: 0, 5: 5 * time.Second, 1000: 50 * time.Second} {
			r := join(t, srv, packet.V5, "c", expiry(100), will("w/c", "x", delay(50)))
			d := &packet.Disconnect{Code: byte(broker.DisconnectWithWill)}
			d.Props.SetSessionExpiry(secs)
			r.send(d)
			r.wantClosed()
			w.wantWillAfter(want, "x")
		}
	})
}

// A new connection to the session before the delay passed cancels the will.
func TestWillDelay_5_0_3_1_3_9_ReconnectCancels(t *testing.T) {
	t.Parallel()
	bubble(t, open(), func(t *testing.T, srv *broker.Server) {
		w := watcher(t, srv)
		join(t, srv, packet.V5, "c", expiry(100), will("w/c", "old", delay(10))).drop()
		time.Sleep(9 * time.Second)
		r := join(t, srv, packet.V5, "c", expiry(100), will("w/c", "new", delay(10)))
		time.Sleep(time.Minute)
		w.wantSilence()
		r.drop()
		w.wantWillAfter(10*time.Second, "new")

		// Too late: it was published before.
		join(t, srv, packet.V5, "c", expiry(100), will("w/c", "late", delay(10))).drop()
		time.Sleep(11 * time.Second)
		r = join(t, srv, packet.V5, "c", expiry(100))
		w.wantWill("late")
		r.disconnect()

		// A 3.1.1 client goes on with the session as well.
		join(t, srv, packet.V5, "c", expiry(100), will("w/c", "no", delay(10))).drop()
		time.Sleep(time.Second)
		_, ack := tryJoin(t, srv, packet.V311, "c", unclean)
		require.True(t, ack.SessionPresent)
		time.Sleep(time.Minute)
		w.wantSilence()
	})
}

// A clean start ends the session, which is the time for its will.
func TestWillDelay_5_0_3_1_3_9_CleanStartPublishes(t *testing.T) {
	t.Parallel()
	bubble(t, open(), func(t *testing.T, srv *broker.Server) {
		w := watcher(t, srv)
		join(t, srv, packet.V5, "c", expiry(100), will("w/c", "x", delay(10))).drop()
		time.Sleep(5 * time.Second)
		join(t, srv, packet.V5, "c")
		w.wantWillAfter(0, "x")
		time.Sleep(time.Minute)
		w.wantSilence()
	})
}

// A take-over that continues the session cancels a delayed will, one that does not
// publishes it.
func TestWillDelay_5_0_3_1_3_9_TakeOver(t *testing.T) {
	t.Parallel()
	bubble(t, open(), func(t *testing.T, srv *broker.Server) {
		w := watcher(t, srv)
		join(t, srv, packet.V5, "c", expiry(100), will("w/c", "cancelled", delay(10)))
		join(t, srv, packet.V5, "c", expiry(100), will("w/c", "published", delay(10)))
		time.Sleep(time.Minute)
		w.wantSilence()
		join(t, srv, packet.V5, "c")
		w.wantWillAfter(0, "published")
		join(t, srv, packet.V5, "c", unclean, will("w/c", "no session", delay(10)))
		join(t, srv, packet.V5, "c", expiry(100))
		w.wantWillAfter(0, "no session")
	})
}

// [MQTT-3.1.3-10]: what travels with a message travels with a will; Will Delay does
// not. Expiry counts from publication.
func TestWillDelay_5_0_3_1_3_10_Properties(t *testing.T) {
	t.Parallel()
	bubble(t, open(), func(t *testing.T, srv *broker.Server) {
		w := watcher(t, srv)
		join(t, srv, packet.V5, "c", expiry(100), will("w/c", "x", delay(10), func(c *packet.Connect) {
			c.WillRetain = true
			p := &c.WillProps
			p.SetPayloadFormat(1)
			p.SetMessageExpiry(5)
			p.SetContentType([]byte("text/plain"))
			p.SetResponseTopic([]byte("answer"))
			p.SetCorrelationData([]byte{0, 1, 0xff})
			p.AddUser("k", "1")
			p.AddUser("a", "2")
			p.AddUser("k", "1")
		})).drop()
		check := func(p *packet.Publish, expiry uint32) {
			t.Helper()
			want := packet.Properties{}
			want.SetPayloadFormat(1)
			want.SetMessageExpiry(expiry)
			want.SetContentType([]byte("text/plain"))
			want.SetResponseTopic([]byte("answer"))
			want.SetCorrelationData([]byte{0, 1, 0xff})
			want.AddUser("k", "1")
			want.AddUser("a", "2")
			want.AddUser("k", "1")
			require.Equal(t, want, p.Props)
		}
		check(w.wantWillAfter(10*time.Second, "x"), 5)
		time.Sleep(3 * time.Second) // the watcher waited 150 ms before
		late := join(t, srv, packet.V5, "late")
		late.subscribe("w/c", 0)
		check(late.wantPublish(), 2) // of 1.85 s
		late.drop()
		time.Sleep(2 * time.Second)
		late = join(t, srv, packet.V5, "late")
		late.subscribe("w/c", 0)
		late.wantSilence()

		// None are invented.
		join(t, srv, packet.V5, "c", will("w/plain", "x")).drop()
		require.True(t, w.wantPublish().Props.Empty())
		old := join(t, srv, packet.V311, "old")
		old.subscribe("w/#", 0)
		join(t, srv, packet.V5, "c", will("w/c", "to 3.1.1", func(c *packet.Connect) { c.WillProps.SetContentType([]byte("x")) })).drop()
		require.Equal(t, "to 3.1.1", string(old.wantPublish().Payload))
	})
}

// The properties of a will are judged like others.
func TestWillDelay_5_0_3_1_3_2_BadProperties(t *testing.T) {
	t.Parallel()
	_, addr := start(t, open())
	for name, c := range map[string]struct {
		props []byte
		code  broker.ReasonCode
	}{
		"Will Delay twice":             {[]byte{0x18, 0, 0, 0, 1, 0x18, 0, 0, 0, 1}, broker.ProtocolError},
		"Payload Format 2":             {[]byte{0x01, 2}, broker.ProtocolError},
		"Payload Format twice":         {[]byte{0x01, 1, 0x01, 1}, broker.ProtocolError},
		"Message Expiry twice":         {[]byte{0x02, 0, 0, 0, 1, 0x02, 0, 0, 0, 1}, broker.ProtocolError},
		"Content Type twice":           {cat(0x03, str("x"), 0x03, str("x")), broker.ProtocolError},
		"Response Topic twice":         {cat(0x08, str("x"), 0x08, str("x")), broker.ProtocolError},
		"Response Topic wildcard":      {cat(0x08, str("x/#")), broker.ProtocolError},
		"Correlation Data twice":       {cat(0x09, str("x"), 0x09, str("x")), broker.ProtocolError},
		"Session Expiry":               {[]byte{0x11, 0, 0, 0, 1}, broker.MalformedPacket},
		"Topic Alias":                  {[]byte{0x23, 0, 1}, broker.MalformedPacket},
		"Subscription Identifier":      {[]byte{0x0b, 1}, broker.MalformedPacket},
		"Receive Maximum":              {[]byte{0x21, 0, 1}, broker.MalformedPacket},
		"Will Delay cut":               {[]byte{0x18, 0, 0, 0}, broker.MalformedPacket},
		"unknown":                      {[]byte{0x7e, 0}, broker.MalformedPacket},
		"Reason String":                {cat(0x1f, str("x")), broker.MalformedPacket},
		"length behind the properties": {nil, broker.MalformedPacket},
	} {
		r := dial(t, addr, packet.V5)
		list := props(c.props)
		if c.props == nil {
			list = []byte{99}
		}
		r.send(control(0x10, cat(str("MQTT"), 5, 0x06, 0, 60, 0, str("c"), list, str("w"), str("p"))...))
		t.Log(name)
		r.wantRefusedConnect(c.code)
	}
}
