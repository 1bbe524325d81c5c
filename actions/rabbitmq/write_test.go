package rabbitmq

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/sinktest"
	"github.com/thinghub/thinghub/internal/servertest"
)

// event is what the engine would make.
func event(n int, payload string, params ...string) actions.Event {
	return actions.Event{
		Rule: "rule", Payload: []byte(payload), Params: params, Attempt: 1,
		Message: &actions.Message{
			Topic: fmt.Sprint("dev/", n), ClientID: "a", TraceID: actions.NamedTraceID(fmt.Sprint("trace-", n)), Time: time.Unix(1700000000, 5e8),
		},
	}
}

// limited is a context for calls that should succeed.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestMessages(t *testing.T) {
	addr := servertest.RabbitMQ(t)
	ch, exchange := admin(t, addr), newName()
	declare(t, ch, exchange)
	read := reader(t, ch, queue(t, ch, exchange, "#", nil))
	no := false
	a := open(t, addr).Action(Action{
		Exchange: exchange, RoutingKey: "${a}", ContentType: "${b}", Headers: []Header{{"one", "${c}"}, {"two", "${d}"}}, Persistent: &no,
	})
	evs := []actions.Event{
		event(1, `{"a":1}`, "key.1", "", "x", ""),
		event(2, "\xff", "key.2", "", "", "\xffy"),
		event(3, "", "", "text/plain", "", ""),
	}
	for _, err := range a.DoBatch(limited(t), evs) {
		require.NoError(t, err)
	}
	yes := open(t, addr).Action(Action{Exchange: exchange, RoutingKey: "k"})
	require.NoError(t, yes.Do(limited(t), event(4, "{}", "k", "")))

	got := arrived(t, read, 4)
	for i, want := range []amqp.Delivery{
		{RoutingKey: "key.1", ContentType: "application/json", Headers: amqp.Table{"one": "x"}, Body: []byte(`{"a":1}`), DeliveryMode: amqp.Transient},
		{RoutingKey: "key.2", ContentType: "application/octet-stream", Headers: amqp.Table{"two": "\xffy"}, Body: []byte("\xff"), DeliveryMode: amqp.Transient},
		{RoutingKey: "", ContentType: "text/plain", Body: []byte{}, DeliveryMode: amqp.Transient},
		{RoutingKey: "k", ContentType: "application/json", Body: []byte("{}"), DeliveryMode: amqp.Persistent},
	} {
		d := got[i]
		require.Equal(t, want.RoutingKey, d.RoutingKey)
		require.Equal(t, want.ContentType, d.ContentType)
		require.Equal(t, want.Headers, d.Headers)
		require.Equal(t, string(want.Body), string(d.Body))
		require.Equal(t, want.DeliveryMode, d.DeliveryMode)
		require.Equal(t, event(i+1, "").ID(), d.MessageId)
		require.True(t, d.Timestamp.Equal(time.Unix(1700000000, 0)), d.Timestamp)
	}
}

// The head of a message must be in one frame; RabbitMQ takes one that just is, and a longer
// one is not sent, which would end the connection.
func TestHeaders(t *testing.T) {
	addr := servertest.RabbitMQ(t)
	ch := admin(t, addr)
	read := reader(t, ch, queue(t, ch, "", "", nil))
	name := fmt.Sprint("events-", names.Load())
	c := open(t, addr)
	a := c.Action(Action{RoutingKey: name, Headers: []Header{{"h", "${h}"}}})
	size := 0
	require.NoError(t, a.Do(limited(t), event(0, "x", name, "", "")))
	for _, s := range c.idle {
		size = s.conn.Config.FrameSize
	}
	require.Positive(t, size)
	longest := 0
	for n := size - 200; n <= size; n++ {
		if _, _, err := a.message(event(1, "x", name, "", strings.Repeat("x", n)), size); err == nil {
			longest = n
		}
	}
	errs := a.DoBatch(limited(t), []actions.Event{
		event(1, "longest", name, "", strings.Repeat("x", longest)),
		event(2, "too long", name, "", strings.Repeat("x", longest+1)),
		event(3, "long key", strings.Repeat("k", 256), "", ""),
		event(4, "long type", name, strings.Repeat("t", 256), ""),
		event(5, "last", name, "", ""),
	})
	require.NoError(t, errs[0])
	for i, want := range map[int]string{1: "the headers have", 2: "routingKey is", 3: "contentType is"} {
		require.ErrorContains(t, errs[i], want)
		require.ErrorIs(t, errs[i], actions.ErrPermanent)
	}
	require.NoError(t, errs[4])
	got := arrived(t, read, 3)
	require.Len(t, got[1].Headers["h"], longest)
	require.Equal(t, "last", string(got[2].Body))
}

// A message that RabbitMQ does not take fails for good, and only it, although the channel
// ends with it.
func TestTooLarge(t *testing.T) {
	addr := servertest.RabbitMQ(t)
	ch := admin(t, addr)
	name := queue(t, ch, "", "", nil)
	read := reader(t, ch, name)
	a := open(t, addr).Action(Action{RoutingKey: name})
	var evs []actions.Event
	bad := map[int]bool{0: true, 7: true, 8: true, 19: true}
	for i := range 20 {
		payload := fmt.Sprint(i)
		if bad[i] {
			payload = strings.Repeat("x", servertest.RabbitMQMaxMessage+1)
		}
		evs = append(evs, event(i, payload, name, ""))
	}
	for i, err := range a.DoBatch(limited(t), evs) {
		if bad[i] {
			require.ErrorIs(t, err, actions.ErrPermanent)
			require.ErrorContains(t, err, "PRECONDITION_FAILED")
		} else {
			require.NoError(t, err)
		}
	}
	require.ErrorIs(t, a.Do(limited(t), evs[0]), actions.ErrPermanent)
	require.NoError(t, a.Do(limited(t), event(20, "20", name, "")))

	seen, last := map[string]bool{}, -1
	require.Eventually(t, func() bool {
		for _, d := range read() {
			seen[string(d.Body)] = true
		}
		return len(seen) == 17
	}, 30*time.Second, time.Millisecond)
	first := map[string]bool{}
	for _, d := range read() { // some may have been published again
		var n int
		_, err := fmt.Sscan(string(d.Body), &n)
		require.NoError(t, err)
		if !first[string(d.Body)] {
			require.Greater(t, n, last)
			first[string(d.Body)], last = true, n
		}
	}
}

// Mandatory messages without a queue fail, for good if a message chose the routing key.
func TestMandatory(t *testing.T) {
	addr := servertest.RabbitMQ(t)
	ch, exchange := admin(t, addr), newName()
	declare(t, ch, exchange)
	read := reader(t, ch, queue(t, ch, exchange, "known.#", nil))
	c := open(t, addr)
	for key, permanent := range map[string]bool{"unknown": false, "${key}": true} {
		a := c.Action(Action{Exchange: exchange, RoutingKey: key, Mandatory: true})
		errs := a.DoBatch(limited(t), []actions.Event{
			event(1, "1", "known.1", ""), event(2, "2", "unknown", ""), event(3, "3", "known.2", ""), event(4, "4", "unknown", ""),
		})
		for i, err := range errs {
			if i%2 == 0 {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, `routing key "unknown": returned: 312 NO_ROUTE`)
			if permanent {
				require.ErrorIs(t, err, actions.ErrPermanent)
			} else {
				require.NotErrorIs(t, err, actions.ErrPermanent)
			}
		}
	}
	require.NoError(t, c.Action(Action{Exchange: exchange, RoutingKey: "unknown"}).Do(limited(t), event(5, "5", "unknown", "")))
	arrived(t, read, 4)
}

// What a full queue refuses is tried again.
func TestRefused(t *testing.T) {
	addr := servertest.RabbitMQ(t)
	ch := admin(t, addr)
	name := queue(t, ch, "", "", amqp.Table{"x-max-length": 2, "x-overflow": "reject-publish"})
	a := open(t, addr).Action(Action{RoutingKey: name})
	var evs []actions.Event
	for i := range 6 {
		evs = append(evs, event(i, fmt.Sprint(i), name, ""))
	}
	var refused []actions.Event
	for i, err := range a.DoBatch(limited(t), evs) {
		if err != nil {
			require.ErrorIs(t, err, errNotConfirmed)
			require.NotErrorIs(t, err, actions.ErrPermanent)
			refused = append(refused, evs[i])
		}
	}
	require.NotEmpty(t, refused)
	read := reader(t, ch, name)
	for _, ev := range refused {
		require.Eventually(t, func() bool { return a.Do(limited(t), ev) == nil }, 30*time.Second, time.Millisecond)
	}
	got := arrived(t, read, 6)
	for i, d := range got {
		require.Equal(t, fmt.Sprint(i), string(d.Body))
	}
}

// An exchange that is not there is waited for.
func TestNoExchange(t *testing.T) {
	addr := servertest.RabbitMQ(t)
	ch, exchange := admin(t, addr), newName()
	c := open(t, addr)
	a := c.Action(Action{Exchange: exchange})
	evs := []actions.Event{event(1, "1", "", ""), event(2, "2", "", "")}
	for range 2 {
		for _, err := range a.DoBatch(limited(t), evs) {
			require.ErrorContains(t, err, "NOT_FOUND - no exchange '"+exchange+"'")
			require.NotErrorIs(t, err, actions.ErrPermanent)
		}
	}
	declare(t, ch, exchange)
	for _, err := range a.DoBatch(limited(t), evs) {
		require.NoError(t, err)
	}
	require.Len(t, c.open, 1) // the connection stayed
}

// A login that is refused passes, and its error has no password.
func TestLogin(t *testing.T) {
	addr := servertest.RabbitMQ(t)
	for url, want := range map[string]string{
		"amqp://guest:hush@" + addr + "/":        "username or password not allowed",
		"amqp://guest:guest@" + addr + "/nobody": "not found",
	} {
		c, err := Open(Config{URL: url})
		require.NoError(t, err)
		err = c.Action(Action{RoutingKey: "q"}).Do(limited(t), event(1, "", "q", ""))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hush")
		require.NotErrorIs(t, err, actions.ErrPermanent)
		require.NoError(t, c.Close())
	}
}

// A broker without room takes nothing. Calls end soon then, and are told why; afterwards
// the same connection is used.
func TestBlocked(t *testing.T) {
	addr := servertest.RabbitMQ(t)
	ch := admin(t, addr)
	name := queue(t, ch, "", "", nil)
	read := reader(t, ch, name)
	c := open(t, addr)
	a := c.Action(Action{RoutingKey: name})
	servertest.RabbitMQCtl(t, "set_vm_memory_high_watermark", "0.0000001")
	mend := func() { servertest.RabbitMQCtl(t, "set_vm_memory_high_watermark", "0.4") }
	defer func() { mend() }()
	require.Eventually(t, func() bool { return a.Do(limited(t), event(0, "0", name, "")) != nil }, 30*time.Second, time.Millisecond)
	for range 3 {
		require.ErrorIs(t, a.Do(limited(t), event(0, "0", name, "")), errBlocked)
	}
	mend()
	mend = func() {}
	require.Eventually(t, func() bool { return a.Do(limited(t), event(1, "1", name, "")) == nil }, 30*time.Second, time.Millisecond)
	require.Len(t, c.open, 1)
	require.Eventually(t, func() bool {
		all := read()
		return len(all) > 0 && string(all[len(all)-1].Body) == "1"
	}, 30*time.Second, time.Millisecond)
}

// Calls share the connections, wait for one within their time, and end with the client.
func TestConnections(t *testing.T) {
	addr := servertest.RabbitMQ(t)
	ch := admin(t, addr)
	name := queue(t, ch, "", "", nil)
	read := reader(t, ch, name)
	proxy := sinktest.NewProxy(t, addr)
	c, err := Open(Config{URL: url(proxy.Addr()), Connections: 2})
	require.NoError(t, err)
	a := c.Action(Action{RoutingKey: name})
	var calls sync.WaitGroup
	for k := range 8 {
		calls.Go(func() {
			for i := range 10 {
				if err := a.Do(limited(t), event(i, fmt.Sprint(k, i), name, "")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	calls.Wait()
	arrived(t, read, 80)
	require.LessOrEqual(t, len(c.open), 2)

	proxy.Hang()
	defer proxy.Down() // it waits for what hangs
	var hanging sync.WaitGroup
	for range 2 {
		hanging.Go(func() {
			if err := a.Do(t.Context(), event(1, "x", name, "")); err == nil {
				t.Error("expected an error")
			}
		})
	}
	require.Eventually(t, func() bool { return len(c.slots) == 2 }, 30*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.ErrorIs(t, a.Do(ctx, event(1, "x", name, "")), context.DeadlineExceeded)
	for len(c.open) == 0 {
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, c.Close())
	hanging.Wait()
	require.ErrorIs(t, a.Do(t.Context(), event(1, "x", name, "")), errClosed)
	require.Empty(t, c.slots)
}

// With TLS the server must be one that the host trusts.
func TestTLS(t *testing.T) {
	addr := servertest.RabbitMQ(t)
	ch := admin(t, addr)
	name := queue(t, ch, "", "", nil)
	read := reader(t, ch, name)

	server := httptest.NewTLSServer(nil) // for its certificate
	defer server.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates})
	require.NoError(t, err)
	var forwards sync.WaitGroup
	forwards.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			forwards.Go(func() { _, _ = io.Copy(to, from); to.Close() })
			forwards.Go(func() { _, _ = io.Copy(from, to); from.Close() })
		}
	})
	defer forwards.Wait()
	defer l.Close()

	secure := "amqps://guest:guest@" + l.Addr().String() + "/"
	c, err := Open(Config{URL: secure, TLS: &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}})
	require.NoError(t, err)
	require.NoError(t, c.Action(Action{RoutingKey: name}).Do(limited(t), event(1, "1", name, "")))
	arrived(t, read, 1)
	require.NoError(t, c.Close())

	c, err = Open(Config{URL: secure})
	require.NoError(t, err)
	err = c.Action(Action{RoutingKey: name}).Do(limited(t), event(2, "2", name, ""))
	require.ErrorContains(t, err, "certificate")
	require.NotErrorIs(t, err, actions.ErrPermanent)
	require.NoError(t, c.Close())
}

// Connecting ends with the call's time.
func TestHangingConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // and nobody answers
	require.NoError(t, err)
	defer l.Close()
	c := open(t, l.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = c.Action(Action{RoutingKey: "q"}).Do(ctx, event(1, "", "q", ""))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, c.slots)
}

// The payload of a batch that is not JSON is told so.
func TestContentTypeFollowsPayload(t *testing.T) {
	a := lazy(t, "main").Action(Action{Exchange: "e"})
	for payload, want := range map[string]string{`{"a":1}`: "application/json", `"a"`: "application/json", "a": "application/octet-stream", "": "application/octet-stream"} {
		require.Equal(t, json.Valid([]byte(payload)), want == "application/json")
		m, _, err := a.message(event(1, payload, "k", ""), 4096)
		require.NoError(t, err)
		require.Equal(t, want, m.ContentType, payload)
	}
}
