package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/packet"
)

// remote is a Broker that writes down what it is told. Filters that begin with "slow"
// wait for pass, others fail or panic as they say.
type remote struct {
	mu      sync.Mutex
	told    []string
	busy    map[string]bool
	entered chan string
	pass    chan struct{}
}

func newRemote() *remote {
	return &remote{busy: map[string]bool{}, entered: make(chan string, 100), pass: make(chan struct{}, 100)}
}

func (b *remote) tell(ctx context.Context, what, filter, group string) error {
	k := group + "/" + filter
	b.mu.Lock()
	if b.busy[k] {
		panic("two at once for " + k)
	}
	b.busy[k] = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.busy[k] = false
		b.mu.Unlock()
	}()
	if strings.HasPrefix(filter, "slow") {
		b.entered <- what
		select {
		case <-b.pass:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	b.told = append(b.told, what+" "+filter+" "+group)
	b.mu.Unlock()
	switch filter {
	case "fails":
		return errors.New("no route to host")
	case "panics":
		panic("broker")
	}
	return nil
}

func (b *remote) Subscribe(ctx context.Context, filter, group string) error {
	return b.tell(ctx, "+", filter, group)
}

func (b *remote) Unsubscribe(ctx context.Context, filter, group string) error {
	return b.tell(ctx, "-", filter, group)
}
func (*remote) Publish(context.Context, *broker.Message) error { return nil }
func (*remote) Run(ctx context.Context, _ func(string, *broker.Message)) error {
	<-ctx.Done()
	return nil
}

func (b *remote) list() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.told...)
}

// A filter that takes its time holds up nobody who wants another one, or the same
// one in a group.
func TestInterest_SlowFilter(t *testing.T) {
	t.Parallel()
	b := newRemote()
	cfg := quiet()
	cfg.Broker = b
	s := newStage(t, cfg)
	slow := s.client(t, packet.V5, "slow")
	slow.send(subscription("slow", 1, 1))
	require.Equal(t, "+", <-b.entered)
	other := s.client(t, packet.V5, "other")
	require.Equal(t, byte(1), other.subscribe("t", 1))
	require.Equal(t, byte(1), other.subscribe("$share/g/t", 1))
	other.unsubscribe("t")
	require.Equal(t, []string{"+ t ", "+ t g", "- t "}, b.list())
	// Who wants the slow one too waits until it is there.
	third := s.client(t, packet.V5, "third")
	third.send(subscription("slow", 1, 1))
	third.wantSilence()
	b.pass <- struct{}{}
	slow.wantSuback()
	third.wantSuback()
	require.Equal(t, []string{"+ slow "}, b.list()[3:])
	require.Equal(t, 2, s.srv.Wishes())
	other.ping() // it is still there
}

// What concerns one filter arrives one at a time and in order: an end, then a begin.
func TestInterest_OrderOfOneFilter(t *testing.T) {
	t.Parallel()
	b := newRemote()
	cfg := quiet()
	cfg.Broker = b
	s := newStage(t, cfg)
	b.pass <- struct{}{}
	stop, err := s.srv.Subscribe(t.Context(), "slow", func(*broker.Message) {})
	require.NoError(t, err)
	require.Equal(t, "+", <-b.entered)
	done := make(chan struct{})
	go func() {
		defer close(done)
		stop()
	}()
	require.Equal(t, "-", <-b.entered)
	again := make(chan error)
	go func() {
		_, err := s.srv.Subscribe(context.Background(), "slow", func(*broker.Message) {})
		again <- err
	}()
	// Somebody who does not want to wait that long goes away again.
	ctx, cancel := context.WithTimeout(t.Context(), silence)
	defer cancel()
	_, err = s.srv.Subscribe(ctx, "slow", func(*broker.Message) {})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, b.entered)
	b.pass <- struct{}{}
	<-done
	b.pass <- struct{}{}
	require.NoError(t, <-again)
	require.Equal(t, []string{"+ slow ", "- slow ", "+ slow "}, b.list())
	b.pass <- struct{}{} // for the end of the server
}

// Nothing is remembered of filters that nobody wants, however it came to that.
func TestInterest_NothingLeft(t *testing.T) {
	t.Parallel()
	b := newRemote()
	cfg := quiet()
	cfg.Broker = b
	s := newStage(t, cfg)
	r := s.client(t, packet.V5, "c", keep)
	require.NotEqual(t, byte(1), r.subscribe("fails", 1))
	require.Zero(t, s.srv.Wishes())
	for range 2 { // it is asked for again
		_, err := s.srv.Subscribe(t.Context(), "fails", func(*broker.Message) {})
		require.ErrorContains(t, err, "no route to host")
	}
	require.Equal(t, []string{"+ fails ", "+ fails ", "+ fails "}, b.list())
	r.send(subscription("panics", 1, 1))
	r.wantDisconnect(broker.ImplementationSpecificError)
	require.Zero(t, s.srv.Wishes())

	r = s.client(t, packet.V5, "c", keep)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				stop, err := s.srv.Subscribe(context.Background(), fmt.Sprint("f", (g+i)%3), func(*broker.Message) {})
				if err == nil {
					stop()
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, s.srv.Wishes())
	r.subscribe("t", 1)
	r.subscribe("t", 0)
	require.Equal(t, 1, s.srv.Wishes())
	require.NoError(t, s.srv.Disconnect("c", broker.DisconnectOptions{EndSession: true}))
	eventually(t, func() bool { return s.srv.Wishes() == 0 }, "the end of the session")
	n := 0
	for _, l := range b.list() {
		if strings.HasPrefix(l[2:], "f") && l[2:] != "fails " {
			n += map[byte]int{'+': 1, '-': -1}[l[0]]
		}
	}
	require.Zero(t, n)
}
