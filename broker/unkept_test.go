package broker_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// failing is a retained store that cannot keep anything.
type failing struct {
	*broker.MemoryRetained
	err error
}

func (f failing) Put(context.Context, *broker.Message) error { return f.err }
func (f failing) Delete(context.Context, string) error       { return f.err }
func (f failing) Immediate() bool                            { return true }

// unkept publishes a retained message to "t".
func unkept(payload string, qos byte, id uint16) *packet.Publish {
	p := publish("t", payload, qos, id)
	p.Retain = true
	return p
}

// A message that was delivered but could not be kept is told to MQTT 5 clients and a
// success for others: nobody is cut and sends it again.
func TestPublish_NotRetained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		code broker.ReasonCode
	}{
		"store fails": {errors.New("disk is full"), broker.UnspecifiedError},
		"store busy":  {broker.ServerBusy, broker.UnspecifiedError}, // PUBACK has no such code
		"store full":  {broker.ErrRetainedFull, broker.QuotaExceeded},
		"denied":      {broker.NotAuthorized, broker.NotAuthorized},
	} {
		for way, change := range map[string]func(*broker.Config, func() *broker.Server){
			"straight": func(*broker.Config, func() *broker.Server) {},
			"as another message": func(cfg *broker.Config, srv func() *broker.Server) {
				cfg.Router = routerFunc(func(ctx context.Context, m *broker.Message) error { return srv().Publish(ctx, m.As(m.Origin)) })
			},
			"close on denied": func(cfg *broker.Config, _ func() *broker.Server) { cfg.CloseOnDenied = true },
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				both(t, func(t *testing.T, v packet.Version) {
					var srv atomic.Pointer[broker.Server]
					cfg := quiet()
					cfg.Retained = failing{broker.NewMemoryRetained(0, 0), c.err}
					change(&cfg, srv.Load)
					s := newStage(t, cfg)
					srv.Store(s.srv)
					sub := s.client(t, packet.V5, "sub")
					sub.subscribe("t", 2)
					pub := s.client(t, v, "pub")
					want := byte(c.code)
					if v == packet.V311 {
						want = 0
					}
					pub.send(unkept("zero", 0, 0))
					sub.wantMessage("t", "zero", 0)
					pub.send(unkept("one", 1, 1))
					require.Equal(t, want, pub.wantAck(packet.TypePuback).Code)
					sub.finish(sub.wantMessage("t", "one", 1))
					pub.send(unkept("two", 2, 2))
					require.Equal(t, want, pub.wantAck(packet.TypePubrec).Code)
					sub.finish(sub.wantMessage("t", "two", 2))
					if v == packet.V311 {
						again := unkept("two", 2, 2)
						again.Dup = true
						pub.send(again)
						pub.wantAck(packet.TypePubrec)
						pub.send(acked(packet.TypePubrel, 2))
						pub.wantAck(packet.TypePubcomp)
					}
					pub.send(unkept("", 2, 2)) // the id is free, in both versions
					require.Equal(t, want, pub.wantAck(packet.TypePubrec).Code)
					sub.finish(sub.wantMessage("t", "", 2))
					sub.ping()
					pub.ping()
					require.Equal(t, uint64(4), s.srv.Metrics().RefusedPublishes[broker.ReasonOf(c.err)])
				})
			})
		}
	}
}

// The host is told what became of its message.
func TestPublish_NotRetainedOfHost(t *testing.T) {
	t.Parallel()
	full := errors.New("disk is full")
	cfg := quiet()
	cfg.Retained = failing{broker.NewMemoryRetained(0, 0), full}
	s := newStage(t, cfg)
	sub := s.client(t, packet.V5, "sub")
	sub.subscribe("t", 0)
	err := s.srv.Publish(t.Context(), &broker.Message{Topic: "t", Payload: []byte("x"), Retain: true})
	require.ErrorIs(t, err, broker.ErrNotRetained)
	require.ErrorIs(t, err, full)
	sub.wantMessage("t", "x", 0)
}

// lossy is a Broker that loses messages while it is down.
type lossy struct {
	*broker.Memory
	down atomic.Bool
}

func (l *lossy) Publish(ctx context.Context, m *broker.Message) error {
	if l.down.Load() {
		return errors.New("no route to host")
	}
	return l.Memory.Publish(ctx, m)
}

// What was not delivered comes again, and then arrives once, also with QoS 2 and when
// it could not be kept either.
func TestPublish_NotDelivered(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, v packet.Version) {
		for qos := byte(1); qos <= 2; qos++ {
			b := &lossy{Memory: broker.NewMemory()}
			cfg := quiet()
			cfg.Broker = b
			cfg.Retained = failing{broker.NewMemoryRetained(0, 0), errors.New("disk is full")}
			s := newStage(t, cfg)
			sub := s.client(t, packet.V5, "sub")
			sub.subscribe("t", 0)
			pub := s.client(t, v, "pub", keep)
			ack := packet.TypePuback
			if qos == 2 {
				ack = packet.TypePubrec
			}
			b.down.Store(true)
			pub.send(unkept("x", qos, 1))
			if v == packet.V5 {
				require.Equal(t, byte(broker.UnspecifiedError), pub.wantAck(ack).Code)
			} else {
				pub.wantClosed()
				pub = s.client(t, v, "pub", keep)
			}
			b.down.Store(false)
			again := unkept("x", qos, 1)
			again.Dup = v == packet.V311
			pub.send(again)
			require.Equal(t, v == packet.V5, pub.wantAck(ack).Code != 0)
			sub.wantMessage("t", "x", 0)
			sub.ping()
		}
	})
}
