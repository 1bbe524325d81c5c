package broker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// wantEndAfter requires that the server ends the connection after d of silence, in 5
// with the code.
func (r *raw) wantEndAfter(d time.Duration, code broker.ReasonCode) {
	r.t.Helper()
	begin := time.Now()
	f, err := r.next(10 * 365 * 24 * time.Hour)
	if r.v == packet.V5 {
		require.NoError(r.t, err)
		require.Equal(r.t, packet.TypeDisconnect, f.Type)
		require.Equal(r.t, byte(code), f.body[0])
	} else {
		require.Error(r.t, err)
	}
	require.Equal(r.t, d, time.Since(begin).Round(time.Millisecond))
	r.wantClosed()
}

func TestKeepAlive_3_1_2_24_OneAndAHalf(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		for _, secs := range []uint16{1, 2, 3, 10, 60, 1200, 65535} {
			r := join(t, srv, v, "c", keepAlive(secs))
			r.wantEndAfter(time.Duration(secs)*1500*time.Millisecond, broker.KeepAliveTimeout)
		}
	})
}

func TestKeepAlive_3_1_2_24_ZeroIsForEver(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		r := join(t, srv, v, "c")
		time.Sleep(30 * 24 * time.Hour)
		r.ping()
	})
}

// Every packet counts, not PINGREQ alone, and only those of the client.
func TestKeepAlive_3_1_2_24_AnyPacket(t *testing.T) {
	t.Parallel()
	bubbles(t, open(), func(t *testing.T, srv *broker.Server, v packet.Version) {
		r := join(t, srv, v, "c", keepAlive(10))
		pub := join(t, srv, v, "pub")
		for range 20 {
			time.Sleep(14 * time.Second)
			r.ping()
			time.Sleep(14 * time.Second)
			r.send(publish("x", "", 0, 0))
			time.Sleep(14 * time.Second)
			require.Equal(t, byte(1), r.subscribe("t", 1))
			time.Sleep(14 * time.Second)
			pub.send(publish("t", "m", 1, 1))
			pub.wantAck(packet.TypePuback)
			p := r.wantPublish()
			r.send(&packet.Ack{Type: packet.TypePuback, PacketID: p.PacketID})
		}
		begin := time.Now()
		pub.send(publish("t", "not from it", 0, 0))
		r.wantPublish()
		time.Sleep(14 * time.Second)
		pub.send(publish("t", "not from it", 0, 0))
		r.wantPublish()
		r.wantEndAfter(time.Second, broker.KeepAliveTimeout)
		require.Equal(t, 15*time.Second, time.Since(begin))
	})
}

// [MQTT-3.1.2-21, MQTT-3.2.2-21, -22]
func TestKeepAlive_5_0_3_1_2_21_ServerKeepAlive(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.MaxKeepAlive = 60 * time.Second
	bubble(t, cfg, func(t *testing.T, srv *broker.Server) {
		for _, c := range []struct {
			asked, want uint16
		}{{0, 60}, {61, 60}, {65535, 60}, {60, 60}, {10, 10}} {
			r, ack := tryJoin(t, srv, packet.V5, "c", keepAlive(c.asked))
			require.Equal(t, c.asked != c.want, ack.Props.Has(packet.PropServerKeepAlive))
			if c.asked != c.want {
				require.Equal(t, c.want, ack.Props.ServerKeepAlive)
			}
			r.wantEndAfter(time.Duration(c.want)*1500*time.Millisecond, broker.KeepAliveTimeout)
		}
		// 3.1.1 clients cannot be told and are held to what they said.
		for _, secs := range []uint16{10, 60, 600} {
			r := join(t, srv, packet.V311, "c", keepAlive(secs))
			r.wantEndAfter(time.Duration(secs)*1500*time.Millisecond, broker.KeepAliveTimeout)
		}
		r := join(t, srv, packet.V311, "c")
		time.Sleep(24 * time.Hour)
		r.ping()
	})
}

// An identity that expires ends the connection, whatever the keep alive.
func TestKeepAlive_IdentityExpires(t *testing.T) {
	t.Parallel()
	cfg := open()
	cfg.Authenticator = expiring{}
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		r := join(t, srv, v, "c", keepAlive(0), user("expiring", ""))
		r.wantEndAfter(30*time.Second, broker.MaximumConnectTime)
		r = join(t, srv, v, "c", keepAlive(60), user("expiring", ""))
		time.Sleep(29 * time.Second)
		r.ping()
		r.wantEndAfter(time.Second, broker.MaximumConnectTime)
		r = join(t, srv, v, "c", keepAlive(10), user("expiring", ""))
		r.wantEndAfter(15*time.Second, broker.KeepAliveTimeout)
	})
}

// A client is not silent while the server does not read what it sends, because a
// router or an authorizer takes its time. Its interval begins when that is over.
func TestKeepAlive_3_1_2_24_NotWhileDeciding(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*broker.Config){
		"router": func(cfg *broker.Config) {
			cfg.Router = routerFunc(func(context.Context, *broker.Message) error {
				time.Sleep(time.Minute)
				return nil
			})
		},
		"authorizer": func(cfg *broker.Config) {
			cfg.Authorizer = asking(func(r *auth.Request) error {
				if r.Action == auth.Publish {
					time.Sleep(time.Minute)
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := open()
			change(&cfg)
			bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
				r := join(t, srv, v, "c", keepAlive(10))
				r.send(publish("t", "", 1, 1))
				require.NoError(t, r.nc.SetWriteDeadline(time.Time{}))
				pings := make(chan error, 1)
				go func() {
					var err error
					for range 5 { // a pipe holds nothing: the first one waits to be read
						_, e := r.nc.Write([]byte{0xc0, 0})
						err = errors.Join(err, e)
					}
					pings <- err
				}()
				begin := time.Now()
				f, err := r.next(2 * time.Minute)
				require.NoError(t, err)
				require.Equal(t, packet.TypePuback, f.Type)
				require.Equal(t, time.Minute, time.Since(begin))
				for range 5 {
					r.want(packet.TypePingresp)
				}
				require.NoError(t, <-pings)
				r.wantEndAfter(15*time.Second, broker.KeepAliveTimeout)

				// It is held to it also when nothing was waiting to be read.
				r = join(t, srv, v, "c", keepAlive(10))
				r.send(publish("t", "", 1, 1))
				_, err = r.next(2 * time.Minute)
				require.NoError(t, err)
				r.wantEndAfter(15*time.Second, broker.KeepAliveTimeout)
			})
		})
	}
}
