package broker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// watcher subscribes to all wills of a test and never leaves.
func watcher(t testing.TB, srv *broker.Server) *raw {
	t.Helper()
	w := join(t, srv, packet.V5, "watcher")
	require.Equal(t, byte(2), w.subscribe("w/#", 2))
	return w
}

// wantWill receives one QoS 0 will with the payload, and nothing behind it.
func (r *raw) wantWill(payload string) *packet.Publish {
	r.t.Helper()
	p := r.wantPublish()
	require.Equal(r.t, payload, string(p.Payload))
	r.wantSilence()
	return p
}

func delay(secs uint32) func(*packet.Connect) {
	return func(c *packet.Connect) { c.WillProps.SetWillDelay(secs) }
}

func mods(list ...func(*packet.Connect)) func(*packet.Connect) {
	return func(c *packet.Connect) {
		for _, m := range list {
			m(c)
		}
	}
}

// The will is published once, whatever ends the connection, for clean and persistent
// sessions [MQTT-3.1.2-8; 3.1.1: MQTT-3.1.2-8].
func TestWill_3_1_2_8_EveryEnd(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.Authenticator = expiring{}
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		w := watcher(t, srv)
		type end struct {
			name string
			f    func(r *raw, mod func(*packet.Connect))
		}
		ends := []end{
			{"dropped", func(r *raw, _ func(*packet.Connect)) { r.drop() }},
			{"keep alive", func(r *raw, _ func(*packet.Connect)) {
				_, err := r.next(time.Hour)
				require.True(t, (err == nil) == (v == packet.V5))
			}},
			{"second CONNECT", func(r *raw, _ func(*packet.Connect)) {
				r.send(hello(v, "x"))
				r.wantRefused(broker.ProtocolError)
			}},
			{"malformed packet", func(r *raw, _ func(*packet.Connect)) {
				r.send([]byte{0x00, 0})
				r.wantRefused(broker.MalformedPacket)
			}},
			{"malformed DISCONNECT", func(r *raw, _ func(*packet.Connect)) {
				r.send([]byte{0xe0, 2, 0x00, 9})
				r.wantRefused(broker.MalformedPacket)
			}},
			{"DISCONNECT with flags", func(r *raw, _ func(*packet.Connect)) {
				r.send([]byte{0xe1, 0})
				r.wantRefused(broker.MalformedPacket)
			}},
			{"publish to a wildcard", func(r *raw, _ func(*packet.Connect)) {
				r.send(publish("a/#", "", 0, 0))
				r.wantRefused(broker.TopicNameInvalid)
			}},
			{"half a packet", func(r *raw, _ func(*packet.Connect)) {
				r.send([]byte{0x30, 50, 0})
				r.drop()
			}},
			{"taken over", func(r *raw, mod func(*packet.Connect)) {
				join(t, srv, v, "c", mod).disconnect()
				r.wantRefused(broker.SessionTakenOver)
			}},
			{"taken over, clean", func(r *raw, _ func(*packet.Connect)) {
				join(t, srv, v, "c").disconnect()
				r.wantRefused(broker.SessionTakenOver)
			}},
			{"by the host", func(r *raw, _ func(*packet.Connect)) {
				require.NoError(t, srv.Disconnect("c", broker.DisconnectOptions{}))
				r.wantRefused(broker.AdministrativeAction)
			}},
		}
		if v == packet.V5 {
			for _, code := range []broker.ReasonCode{broker.DisconnectWithWill, broker.UnspecifiedError, broker.AdministrativeAction} {
				ends = append(ends, end{code.String(), func(r *raw, _ func(*packet.Connect)) {
					r.send(&packet.Disconnect{Code: byte(code)})
					r.wantClosed()
				}})
			}
			r := join(t, srv, v, "c", will("w/c", "expiry raised from 0"))
			d := &packet.Disconnect{}
			d.Props.SetSessionExpiry(5)
			r.send(d)
			r.wantRefused(broker.ProtocolError)
			w.wantWill("expiry raised from 0")
		}
		for _, mod := range []func(*packet.Connect){func(*packet.Connect) {}, keep} {
			for _, e := range ends {
				r := join(t, srv, v, "c", mod, keepAlive(60), will("w/c", e.name))
				w.wantSilence()
				e.f(r, mod)
				w.wantWill(e.name)
				r.drop()
			}
			r := join(t, srv, v, "c", mod, user("expiring", ""), will("w/c", "expired"))
			begin := time.Now()
			if f, err := r.next(time.Hour); v == packet.V5 {
				require.NoError(t, err)
				require.Equal(t, byte(broker.MaximumConnectTime), f.body[0])
			}
			require.Equal(t, 30*time.Second, time.Since(begin))
			w.wantWill("expired")
		}
	})
}

// expiring lets in whoever comes; the user "expiring" stays half a minute.
type expiring struct{ auth.InsecureAllowAll }

func (e expiring) Authenticate(_ context.Context, c *auth.Credentials) (*auth.Identity, error) {
	id := &auth.Identity{Principal: "p"}
	if c.Username == "expiring" {
		id.Expires = time.Now().Add(30 * time.Second)
	}
	return id, nil
}

// A normal DISCONNECT discards the will [MQTT-3.14.4-3, MQTT-3.1.2-10], for good.
func TestWill_3_14_4_3_NotAfterDisconnect(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		w := watcher(t, srv)
		for _, mod := range []func(*packet.Connect){func(*packet.Connect) {}, keep, mods(keep, delayIn5(5))} {
			join(t, srv, v, "c", will("w/c", "no"), mod).disconnect()
			time.Sleep(time.Minute)
			// The next connection has no will; the old one does not come back.
			join(t, srv, v, "c", keep).drop()
			join(t, srv, v, "c", keep).drop()
			join(t, srv, v, "c").drop()
		}
		if v == packet.V5 {
			r := join(t, srv, v, "c", will("w/c", "no"))
			r.send(&packet.Disconnect{Code: 0}, []byte{0xc0, 0})
			r.wantClosed()
			r = join(t, srv, v, "c", will("w/c", "no"), expiry(10))
			d := &packet.Disconnect{}
			d.Props.SetSessionExpiry(0)
			r.send(d)
			r.wantClosed()
		}
		w.wantSilence()
	})
}

func delayIn5(secs uint32) func(*packet.Connect) {
	return func(c *packet.Connect) {
		if c.Version == packet.V5 {
			delay(secs)(c)
		}
	}
}

// The will belongs to one connection: it is published once and gone.
func TestWill_3_1_2_10_Once(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		w := watcher(t, srv)
		join(t, srv, v, "c", keep, will("w/c", "first")).drop()
		w.wantWill("first")
		join(t, srv, v, "c", keep).drop()
		w.wantSilence()
		join(t, srv, v, "c", keep, will("w/c", "second")).drop()
		w.wantWill("second")
		time.Sleep(time.Hour)
		w.wantSilence()
	})
}

// [MQTT-3.1.2-14, -15; 3.1.1: MQTT-3.1.2-16, -17]
func TestWill_3_1_2_14_QoSAndRetain(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		w := watcher(t, srv)
		for qos := range byte(3) {
			for _, retain := range []bool{false, true} {
				payload := fmt.Sprintf("qos %d retain %t", qos, retain)
				topic := fmt.Sprintf("w/%d/%t", qos, retain)
				join(t, srv, v, "c", will(topic, payload, func(c *packet.Connect) { c.WillQoS, c.WillRetain = qos, retain })).drop()
				p := w.wantPublish()
				require.Equal(t, payload, string(p.Payload))
				require.Equal(t, qos, p.QoS)
				require.False(t, p.Retain) // live
				late := join(t, srv, packet.V5, "late")
				late.subscribe(topic, 2)
				if retain {
					p := late.wantPublish()
					require.Equal(t, payload, string(p.Payload))
					require.Equal(t, qos, p.QoS)
					require.True(t, p.Retain)
				}
				late.wantSilence()
				late.drop()
			}
		}
	})
}

// An empty payload is allowed; retained, it removes the message of the topic.
func TestWill_3_1_3_EmptyPayload(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		w := watcher(t, srv)
		retain := func(c *packet.Connect) { c.WillRetain = true }
		join(t, srv, v, "c", will("w/c", "there", retain)).drop()
		w.wantWill("there")
		join(t, srv, v, "c", will("w/c", "", retain)).drop()
		w.wantWill("")
		late := join(t, srv, v, "late")
		late.subscribe("w/c", 0)
		late.wantSilence()
	})
}

// A will to the client's own subscription: it is there after a resumption.
func TestWill_ToItself(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		qos1 := func(c *packet.Connect) { c.WillQoS = 1 }
		r := join(t, srv, v, "c", keep, will("w/c", "me", qos1))
		r.subscribe("w/c", 1)
		r.drop()
		time.Sleep(time.Second)
		r = join(t, srv, v, "c", keep)
		require.Equal(t, "me", string(r.wantPublish().Payload))
	})
}

// What brokers commonly get wrong, 8.
func TestWill_3_1_3_11_Topic(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		_, addr := start(t, open())
		for _, topic := range []string{"", "#", "+", "a/#", "a/+/b", "a#", "a+b"} {
			r := dial(t, addr, v)
			r.send(hello(v, "c", will(topic, "x")))
			r.wantRefusedConnect(broker.TopicNameInvalid)
		}
		for _, topic := range []string{"/", "//", "a b", "$x", "ü", "\ufeff"} {
			connect(t, addr, v, "c", will(topic, "x")).ping()
		}
	})
}

// What belongs to the server is not for wills to say.
func TestWill_SysTopic(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		w := join(t, srv, v, "watcher")
		w.subscribe("$SYS/#", 0)
		join(t, srv, v, "c", will("$SYS/broker/version", "forged")).drop()
		w.wantSilence()
	})
}

// [MQTT-3.2.2-12, -13]: a will above what the server offers.
func TestWill_5_0_3_2_2_12_NotOffered(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		cfg := open()
		cfg.MaxQoS, cfg.DisableRetain, cfg.MaxPayloadBytes = broker.UpToQoS1, true, 10
		_, addr := start(t, cfg)
		refuse := func(code broker.ReasonCode, mod func(*packet.Connect)) {
			t.Helper()
			r := dial(t, addr, v)
			r.send(hello(v, "c", will("w", "0123456789", mod)))
			r.wantRefusedConnect(code)
		}
		refuse(broker.QoSNotSupported, func(c *packet.Connect) { c.WillQoS = 2 })
		refuse(broker.RetainNotSupported, func(c *packet.Connect) { c.WillRetain = true })
		refuse(broker.PacketTooLarge, func(c *packet.Connect) { c.WillPayload = []byte("01234567890") })
		r, ack := tryConnect(t, addr, v, "c", will("w", "0123456789", func(c *packet.Connect) { c.WillQoS = 1 }))
		if v == packet.V5 {
			require.True(t, ack.Props.Has(packet.PropMaximumQoS))
			require.Equal(t, byte(1), ack.Props.MaximumQoS)
			require.True(t, ack.Props.Has(packet.PropRetainAvailable))
			require.Zero(t, ack.Props.RetainAvailable)
		}
		require.Equal(t, byte(1), r.subscribe("t", 2)) // [MQTT-3.2.2-10]
	})
}

// allowing lets everybody in; a nil map entry forbids publishing there.
type allowing struct {
	auth.InsecureAllowAll
	denied map[string]auth.Action
}

func (a allowing) Open(context.Context, *auth.Identity, *auth.Conn) (auth.Session, error) {
	return a, nil
}

func (a allowing) Allow(act auth.Action, topic string) error {
	if a.denied[topic] == act {
		return &auth.Denied{Action: act, Resource: topic, Reason: "test"}
	}
	return nil
}

func TestWill_NotAuthorized(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.Authorizer = allowing{denied: map[string]auth.Action{"w/never": auth.Publish, "w/live": auth.RetainPublish}}
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		w := watcher(t, srv)
		join(t, srv, v, "c", will("w/never", "x")).drop()
		join(t, srv, v, "c", will("w/live", "x", func(c *packet.Connect) { c.WillRetain = true })).drop()
		w.wantSilence()
		join(t, srv, v, "c", will("w/live", "x")).drop()
		w.wantWill("x")
	})
}

// Shutdown is an end the client did not ask for.
func TestWill_3_1_2_8_Shutdown(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		srv, addr := start(t, open())
		got := make(chan string, 10)
		_, err := srv.Subscribe(t.Context(), "w/#", func(m *broker.Message) { got <- string(m.Payload) })
		require.NoError(t, err)
		r := connect(t, addr, v, "c", will("w/c", "bye"))
		go func() { _ = srv.Shutdown(t.Context()) }()
		r.wantRefused(broker.ServerShuttingDown)
		r.drop()
		require.Equal(t, "bye", <-got)
	})
}
