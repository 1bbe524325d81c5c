package eventloop_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/eventloop"
)

const patience = 10 * time.Second

// handler is a Handler of functions; nil ones do nothing.
type handler struct {
	conn     *eventloop.Conn
	data     func(*handler, []byte)
	writable func(*handler)
	gone     chan error
	calls    atomic.Int32 // running at the moment
	t        testing.TB
}

func (h *handler) alone() func() {
	if h.calls.Add(1) != 1 {
		h.t.Error("two events of a connection at once")
	}
	return func() { h.calls.Add(-1) }
}

func (h *handler) Data(p []byte) {
	defer h.alone()()
	if h.data != nil {
		h.data(h, p)
	}
}

func (h *handler) Writable() {
	defer h.alone()()
	if h.writable != nil {
		h.writable(h)
	}
}

func (h *handler) Gone(err error) {
	defer h.alone()()
	h.gone <- err
	close(h.gone) // a second call panics
}

// ended waits for the end of the connection.
func (h *handler) ended() error {
	select {
	case err, ok := <-h.gone:
		if !ok {
			h.t.Error("asked twice")
		}
		return err
	case <-time.After(patience):
		h.t.Fatal("no Gone")
		return nil
	}
}

// newLoop runs a loop until the test ends.
func newLoop(t testing.TB) *eventloop.Loop {
	t.Helper()
	l, err := eventloop.New(func() {})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- l.Run() }()
	t.Cleanup(func() {
		l.Close()
		require.NoError(t, <-done)
	})
	return l
}

// pair returns the two ends of a connection over loopback.
func pair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	s, err := ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(2*patience)))
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// attach adds a connection to l and starts it.
func attach(t testing.TB, l *eventloop.Loop, h *handler) (*net.TCPConn, *handler) {
	t.Helper()
	client, server := pair(t)
	return client, start(t, l, server, h)
}

func start(t testing.TB, l *eventloop.Loop, nc *net.TCPConn, h *handler) *handler {
	t.Helper()
	c, err := l.Add(nc)
	require.NoError(t, err)
	h.t, h.conn, h.gone = t, c, make(chan error, 1)
	require.NoError(t, c.Start(h))
	return h
}

func echo(h *handler, p []byte) { _, _ = h.conn.Write(p) }

func TestLoop_Echo(t *testing.T) {
	t.Parallel()
	client, h := attach(t, newLoop(t), &handler{data: echo})
	for _, n := range []int{1, 100, 10_000} {
		msg := bytes.Repeat([]byte{'x'}, n)
		_, err := client.Write(msg)
		require.NoError(t, err)
		got := make([]byte, n)
		_, err = io.ReadFull(client, got)
		require.NoError(t, err)
		require.Equal(t, msg, got)
	}
	require.NoError(t, client.Close())
	require.ErrorIs(t, h.ended(), io.EOF)
	_, err := h.conn.Write([]byte("x"))
	require.ErrorIs(t, err, eventloop.ErrClosed)
}

// What does not fit into the socket goes out as it takes more, all of it, in order.
func TestLoop_PartialWrites(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	rest := make([]byte, 16<<20)
	for i := range rest {
		rest[i] = byte(i >> 8)
	}
	want := bytes.Clone(rest)
	waits := 0
	push := func(h *handler) {
		mu.Lock()
		defer mu.Unlock()
		n, err := h.conn.Write(rest)
		if err != nil {
			t.Error(err)
		}
		if rest = rest[n:]; len(rest) > 0 {
			waits++
			h.conn.ArmWrite()
			return
		}
		h.conn.CloseWrite()
	}
	client, h := attach(t, newLoop(t), &handler{writable: push})
	push(h) // from a goroutine that is not the loop's
	got, err := io.ReadAll(client)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
	mu.Lock()
	require.Positive(t, waits)
	mu.Unlock()
	require.NoError(t, client.Close())
	require.ErrorIs(t, h.ended(), io.EOF)
}

func TestLoop_PauseResume(t *testing.T) {
	t.Parallel()
	var got atomic.Int64
	held := make(chan struct{}, 1)
	client, h := attach(t, newLoop(t), &handler{data: func(h *handler, p []byte) {
		if got.Add(int64(len(p))) == 1 {
			h.conn.Pause()
			held <- struct{}{}
		}
	}})
	_, err := client.Write([]byte{1})
	require.NoError(t, err)
	<-held
	_, err = client.Write(make([]byte, 1000))
	require.NoError(t, err)
	seen := make(chan struct{})
	require.True(t, h.conn.Post(func() { close(seen) })) // a round has passed
	<-seen
	require.Equal(t, int64(1), got.Load())
	h.conn.Resume()
	require.Eventually(t, func() bool { return got.Load() == 1001 }, patience, time.Millisecond)
	h.conn.Pause()
	require.NoError(t, client.SetLinger(0))
	require.NoError(t, client.Close()) // a reset is noticed although paused
	require.Error(t, h.ended())
}

// Close from other goroutines in the middle of writes: the descriptor is not closed
// under a write, so that nothing ends up in a connection that got its number.
func TestLoop_CloseWhileWriting(t *testing.T) {
	t.Parallel()
	l := newLoop(t)
	var wrong atomic.Int64
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			for i := range 20 {
				mark := byte(g*20 + i + 1)
				client, h := attach(t, l, &handler{writable: func(h *handler) { h.conn.ArmWrite() }})
				var inner sync.WaitGroup
				for range 2 {
					inner.Go(func() {
						buf := bytes.Repeat([]byte{mark}, 1000)
						for {
							_, err := h.conn.Write(buf)
							h.conn.ArmWrite()
							h.conn.Pause()
							h.conn.Resume()
							if err != nil {
								return
							}
							runtime.Gosched()
						}
					})
				}
				inner.Go(func() {
					b, _ := io.ReadAll(client) // an error is fine, it may be a reset
					for _, x := range b {
						if x != mark {
							wrong.Add(1)
						}
					}
				})
				h.conn.Close()
				h.conn.Close()
				if err := h.ended(); !errors.Is(err, eventloop.ErrClosed) {
					t.Error(err)
				}
				inner.Wait()
			}
		})
	}
	wg.Wait()
	require.Zero(t, wrong.Load())
}

func TestLoop_CloseFromHandler(t *testing.T) {
	t.Parallel()
	client, h := attach(t, newLoop(t), &handler{data: func(h *handler, _ []byte) { h.conn.Close() }})
	_, err := client.Write([]byte("x"))
	require.NoError(t, err)
	require.ErrorIs(t, h.ended(), eventloop.ErrClosed)
	_, err = client.Read(make([]byte, 1))
	require.Error(t, err)
}

// Posted functions run in order on the loop's goroutine.
func TestLoop_Post(t *testing.T) {
	t.Parallel()
	l := newLoop(t)
	var order []int // of the loop's goroutine alone
	done := make(chan struct{})
	for i := range 1000 {
		require.True(t, l.Post(func() { order = append(order, i) }))
	}
	l.Post(func() { l.Post(func() { close(done) }) })
	<-done
	for i, n := range order {
		require.Equal(t, i, n)
	}
	require.Len(t, order, 1000)
}

// The end of a loop is the end of its connections, started or not.
func TestLoop_Close(t *testing.T) {
	t.Parallel()
	for range 50 {
		l, err := eventloop.New(func() {})
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- l.Run() }()
		_, a := attach(t, l, &handler{})
		client, server := pair(t)
		unstarted, err := l.Add(server)
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(l.Close)
		late := &handler{t: t, conn: unstarted, gone: make(chan error, 1)}
		startErr := unstarted.Start(late)
		wg.Wait()
		l.Close()
		require.NoError(t, <-done)
		require.ErrorIs(t, a.ended(), eventloop.ErrClosed)
		if startErr == nil {
			require.ErrorIs(t, late.ended(), eventloop.ErrClosed)
		} else {
			require.ErrorIs(t, startErr, eventloop.ErrClosed)
			require.Empty(t, late.gone)
		}
		_, err = client.Read(make([]byte, 1))
		require.Error(t, err)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		require.False(t, l.Post(func() { t.Error("called") }))
	}
}

func TestLoop_Abandon(t *testing.T) { // not parallel: it counts descriptors
	before, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for range 50 {
		l, err := eventloop.New(func() {})
		require.NoError(t, err)
		client, server := pair(t)
		c, err := l.Add(server)
		require.NoError(t, err)
		c.Discard()
		_, err = client.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, client.Close())
		l.Abandon()
	}
	after, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	require.LessOrEqual(t, len(after), len(before))
}

// Many connections on several loops, all busy, half of them closed from here.
func TestLoop_Many(t *testing.T) {
	t.Parallel()
	const conns, loops = 1000, 4
	var all [loops]*eventloop.Loop
	for i := range all {
		all[i] = newLoop(t)
	}
	var wg sync.WaitGroup
	gate := make(chan struct{}, 50)
	for i := range conns {
		gate <- struct{}{}
		client, h := attach(t, all[i%loops], &handler{data: echo})
		wg.Go(func() {
			defer func() { <-gate }()
			msg := bytes.Repeat([]byte{byte(i)}, 100+i)
			got := make([]byte, len(msg))
			for range 5 {
				if _, err := client.Write(msg); err != nil {
					t.Error(err)
				}
				if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(msg, got) {
					t.Error("not what was sent", err)
				}
			}
			if i%2 == 0 {
				h.conn.Close()
			} else if err := client.Close(); err != nil {
				t.Error(err)
			}
			_ = h.ended()
			_ = client.Close()
		})
	}
	wg.Wait()
}
