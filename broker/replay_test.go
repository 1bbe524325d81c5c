package broker_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// Searches of the retained messages that find nothing do not keep an event loop from
// its other connections.
func TestReplay_FruitlessSearchesAreShared(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.EventLoops = 1
	store := broker.NewMemoryRetained(0, 0)
	for i := range 50_000 {
		require.NoError(t, store.Put(t.Context(), &broker.Message{Topic: fmt.Sprintf("dev/%d/temp", i), Payload: []byte("x"), Retain: true}))
	}
	require.NoError(t, store.Put(t.Context(), &broker.Message{Topic: "the/end", Payload: []byte("x"), Retain: true}))
	cfg.Retained = store
	s := newStage(t, cfg)
	victim := s.client(t, packet.V5, "victim")
	greedy := s.client(t, packet.V5, "greedy")
	sub := &packet.Subscribe{PacketID: 1}
	for i := range 12 {
		sub.Filters = append(sub.Filters, packet.Subscription{Filter: fmt.Appendf(nil, "dev/+/none%d", i)})
	}
	sub.Filters = append(sub.Filters, packet.Subscription{Filter: []byte("the/end")})
	// A machine that is busy otherwise may let the victim ask seldom: then once more.
	turns := 0
	for round := 0; turns <= 10 && round < 20; round++ {
		turns = victimTurns(t, victim, greedy, sub)
	}
	require.Greater(t, turns, 10, "the victim waited for the searches of another client")
}

// victimTurns counts how often victim is answered until greedy has its one message.
func victimTurns(t *testing.T, victim, greedy *raw, sub *packet.Subscribe) (turns int) {
	greedy.send(sub)
	greedy.wantSuback()
	ended := make(chan error, 1)
	go func() {
		f, err := greedy.next(time.Minute)
		if err == nil && f.Type != packet.TypePublish {
			err = fmt.Errorf("got %s", f.Type)
		}
		ended <- err
	}()
	for ; ; turns++ {
		victim.ping()
		select {
		case err := <-ended:
			require.NoError(t, err)
			return turns
		default:
		}
	}
}

// gate is a store whose first search for one filter waits.
type gate struct {
	*broker.MemoryRetained
	first         *atomic.Bool
	entered, open chan struct{}
}

func (g gate) Match(ctx context.Context, filter string) iter.Seq2[*broker.Message, error] {
	return func(yield func(*broker.Message, error) bool) {
		if filter == "slow/#" && g.first.CompareAndSwap(false, true) {
			close(g.entered)
			<-g.open
		}
		g.MemoryRetained.Match(ctx, filter)(yield)
	}
}

// A take-over while the store is being asked costs the new connection nothing of what
// it subscribes to, QoS 0 included, nor what was owed to the old one.
func TestReplay_TakeOverWhileTheStoreIsAsked(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	g := gate{broker.NewMemoryRetained(0, 0), &atomic.Bool{}, make(chan struct{}), make(chan struct{})}
	for _, name := range []string{"slow/a", "fast"} {
		require.NoError(t, g.Put(t.Context(), &broker.Message{Topic: name, Payload: []byte("x"), QoS: 1, Retain: true}))
	}
	cfg.Retained = g
	s := newStage(t, cfg)
	t.Cleanup(sync.OnceFunc(func() { close(g.open) }))
	first := s.client(t, packet.V5, "c", persistent)
	require.Equal(t, byte(1), first.subscribe("slow/#", 1))
	<-g.entered
	second := s.client(t, packet.V5, "c", persistent)
	second.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: []byte("fast")}}})
	var got []string
	for len(got) < 2 {
		f, err := second.next(patience)
		require.NoError(t, err)
		if f.Type == packet.TypePublish {
			p := &packet.Publish{}
			require.NoError(t, p.Decode(f.Flags, f.body, packet.V5))
			got = append(got, string(p.Topic))
		}
	}
	require.ElementsMatch(t, []string{"slow/a", "fast"}, got)
}

// What is owed at QoS 1 when the connection is taken over goes to the next one.
func TestReplay_OwedGoesToTheNextConnection(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.MaxInFlight = 1
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		pub := join(t, srv, v, "pub")
		for i := range 3 {
			p := publish(fmt.Sprint("r/", i), "x", 1, uint16(i+1))
			p.Retain = true
			pub.send(p)
			pub.want(packet.TypePuback)
		}
		join(t, srv, v, "c", persistent).subscribe("r/#", 1)
		next := resume(t, srv, v, "c")
		got := map[string]int{}
		for len(got) < 3 {
			p := next.wantPublish()
			next.finish(p)
			got[string(p.Topic)]++
		}
		synctest.Wait()
		next.disconnect()
	})
}

// QoS 0 that waits for an authorizer's answer is not kept for a client that is gone.
func TestReplay_QoS0IsNotKeptForTheAbsent(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.EventLoops = -1
	answer := make(chan struct{})
	asked := make(chan struct{}, 100)
	cfg.Authorizer = asking(func(r *auth.Request) error {
		if r.Action == auth.Receive {
			asked <- struct{}{}
			<-answer
		}
		return nil
	})
	s := newStage(t, cfg)
	sub := s.client(t, packet.V5, "sub", persistent)
	sub.subscribe("t", 1)
	require.NoError(t, s.srv.Publish(t.Context(), &broker.Message{Topic: "t", Payload: []byte("0"), QoS: 1}))
	<-asked
	for i := range 5 {
		require.NoError(t, s.srv.Publish(t.Context(), &broker.Message{Topic: "t", Payload: fmt.Append(nil, i), QoS: broker.QoS(i % 2)}))
	}
	require.EqualValues(t, 6, s.srv.Metrics().Queued)
	sub.drop()
	eventually(t, func() bool { return s.srv.Metrics().Connections == 0 }, "the end of the connection")
	require.EqualValues(t, 3, s.srv.Metrics().Queued, "QoS 1 is")
	require.EqualValues(t, 3, s.srv.Metrics().Dropped["session_ended"])
	close(answer)
}

// Where messages in flight leave no room, DropOldest drops the new message only.
func TestDropOldest_InFlightStays(t *testing.T) {
	t.Parallel()
	cfg := quiet()
	cfg.MaxQueuedBytes, cfg.MaxInFlight, cfg.Overflow = 1024, 1, broker.DropOldest
	bubbles(t, cfg, func(t *testing.T, srv *broker.Server, v packet.Version) {
		sub, pub := join(t, srv, v, "sub", persistent), join(t, srv, v, "pub")
		sub.subscribe("t", 1)
		pub.put("t", strings.Repeat("x", 600), 1, 1)
		p := sub.wantMessage("t", strings.Repeat("x", 600), 1)
		pub.put("t", "small", 1, 1)
		pub.put("t", strings.Repeat("y", 500), 1, 1)
		require.EqualValues(t, 1, srv.Metrics().Queued, "the small one is still there")
		require.EqualValues(t, 1, srv.Metrics().Dropped["queue_full"])
		sub.finish(p)
		sub.finish(sub.wantMessage("t", "small", 1))
		sub.ping()
	})
}

// Expired messages make room wherever they are, and replaced ones are forgotten.
func TestMemoryRetained_Expiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := broker.NewMemoryRetained(2, 0)
		put := func(name string, life time.Duration) error {
			m := &broker.Message{Topic: name, Payload: []byte("x"), Retain: true}
			if life > 0 {
				m.Expires = time.Now().Add(life)
			}
			return s.Put(t.Context(), m)
		}
		require.NoError(t, put("$own/a", time.Second))
		require.NoError(t, put("b", 0))
		require.ErrorIs(t, put("c", 0), broker.ErrRetainedFull)
		time.Sleep(2 * time.Second)
		require.NoError(t, put("c", 0))
		require.Equal(t, 2, s.Len())
		require.Zero(t, s.Deadlines())
		for range 10_000 {
			require.NoError(t, put("b", time.Hour))
		}
		require.Less(t, s.Deadlines(), 100)
		require.NoError(t, s.Delete(t.Context(), "b"))
		require.NoError(t, put("d", time.Minute))
		time.Sleep(2 * time.Minute)
		require.NoError(t, put("e", 0))
		require.Equal(t, 2, s.Len())
	})
}
