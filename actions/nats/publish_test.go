package nats_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/nats"
	"github.com/thinghub/thinghub/actions/sinktest"
)

// patience bounds how long a test waits for what must happen.
const patience = time.Minute

func until(t *testing.T, what string, happened func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = happened(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// next returns the payloads of the next n messages.
func next(t *testing.T, sub *natsgo.Subscription, n int) (list []string) {
	t.Helper()
	for range n {
		m, err := sub.NextMsg(patience)
		require.NoError(t, err)
		list = append(list, string(m.Data))
	}
	return list
}

func do(t *testing.T, a *nats.Action, evs []actions.Event) {
	t.Helper()
	for i, err := range a.DoBatch(t.Context(), evs) {
		require.NoError(t, err, "event %d", i)
	}
}

func subscribe(t *testing.T, conn *natsgo.Conn, subject string) *natsgo.Subscription {
	t.Helper()
	sub, err := conn.SubscribeSync(subject)
	require.NoError(t, err)
	require.NoError(t, conn.Flush())
	return sub
}

func TestPublish(t *testing.T) {
	t.Parallel()
	s := run(t, func(o *server.Options) { o.MaxPayload = 1000 })
	c := open(t, s.ClientURL(), nil)
	conn, _ := reader(t, s.ClientURL())
	sub := subscribe(t, conn, ">")
	do(t, bind(t, c, nats.Action{Subject: "a.${x}"}), events(0, 300, "a.b"))
	require.Equal(t, texts(0, 300), next(t, sub, 300))

	a := bind(t, c, nats.Action{Subject: "a.${x}", Headers: []nats.Header{{"X-Client", "${c}"}, {"fixed", "1"}, {"X-Client", "2"}}})
	do(t, a, []actions.Event{event("1", "a.b", "c1 é", "1", "2"), event("2", "a.c", "", "1", "2")})
	m, err := sub.NextMsg(patience)
	require.NoError(t, err)
	require.Equal(t, "a.b", m.Subject)
	require.Equal(t, natsgo.Header{"X-Client": {"c1 é", "2"}, "fixed": {"1"}}, m.Header)
	m, err = sub.NextMsg(patience)
	require.NoError(t, err)
	require.Equal(t, "a.c", m.Subject)
	require.Equal(t, natsgo.Header{"X-Client": {"2"}, "fixed": {"1"}}, m.Header)

	// What is too large fails by itself.
	evs := events(0, 3, "a.b")
	evs[1].Payload = make([]byte, 1001)
	errs := bind(t, c, nats.Action{Subject: "a.${x}"}).DoBatch(t.Context(), evs)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], natsgo.ErrMaxPayload)
	require.ErrorIs(t, errs[1], actions.ErrPermanent)
	require.NoError(t, errs[2])
	require.Equal(t, []string{"0", "2"}, next(t, sub, 2))
}

// atomicErrors counts errors.
type atomicErrors struct{ n atomic.Int64 }

func (e *atomicErrors) handle(*natsgo.Conn, *natsgo.Subscription, error) { e.n.Add(1) }
func (e *atomicErrors) count() int64                                     { return e.n.Load() }

// TestMayNot checks that what the server does not let us publish is noticed, which it says
// beside its answers.
func TestMayNot(t *testing.T) {
	t.Parallel()
	s := run(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "hub", Password: "geheim", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"no.>"}}}},
			{Username: "test", Password: "test"},
		}
	})
	conn, js := reader(t, s.ClientURL(), natsgo.UserInfo("test", "test"))
	st := stream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"js.>", "no.js.>"}, AllowAtomicPublish: true})
	sub := subscribe(t, conn, "yes.>")
	var heard atomicErrors
	c := open(t, s.ClientURL(), func(c *nats.Config) {
		c.Options = append(c.Options, natsgo.UserInfo("hub", "geheim"), natsgo.ErrorHandler(heard.handle))
	})
	for _, tt := range []struct {
		name      string
		js        bool
		atomic    bool
		yes, no   string
		permanent bool
	}{
		{"core", false, false, "yes.a", "no.a", true},
		{"JetStream", true, false, "js.a", "no.js.a", true},
		{"atomic", true, true, "js.a", "no.js.a", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// In a template, another subject may do.
			a := bind(t, c, nats.Action{Subject: "${x}", JetStream: tt.js, Atomic: tt.atomic})
			var evs []actions.Event
			for i := range 20 {
				evs = append(evs, event(tt.name+fmt.Sprint(i), []string{tt.yes, tt.no}[i%2]))
			}
			var want []string
			for i, err := range a.DoBatch(t.Context(), evs) {
				if i%2 == 0 {
					require.NoError(t, err)
					want = append(want, string(evs[i].Payload))
					continue
				}
				require.ErrorContains(t, err, `nats: permissions violation: Permissions Violation for Publish to "`+tt.no+`"`)
				require.ErrorIs(t, err, actions.ErrPermanent)
			}
			if tt.js {
				require.Equal(t, want, payloads(stored(t, st)))
			} else {
				require.Equal(t, want, next(t, sub, len(want)))
			}
			// Where the rule says it, the administrator has to.
			a = bind(t, c, nats.Action{Subject: tt.no, JetStream: tt.js, Atomic: tt.atomic})
			for _, err := range a.DoBatch(t.Context(), []actions.Event{event("x", tt.no), event("y", tt.no)}) {
				require.ErrorIs(t, err, natsgo.ErrPermissionViolation)
				require.NotErrorIs(t, err, actions.ErrPermanent)
			}
			// What was refused before is not held against what is allowed.
			do(t, bind(t, c, nats.Action{Subject: tt.yes, JetStream: tt.js}), []actions.Event{event(tt.name+"z", tt.yes)})
			if !tt.js {
				require.Equal(t, []string{"corez"}, next(t, sub, 1))
			}
			require.NoError(t, st.Purge(t.Context()))
		})
	}
	require.Positive(t, heard.count(), "the host's own handler was not called")
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	s := run(t, func(o *server.Options) { o.Username, o.Password = "hub", "geheim" })
	c := open(t, s.ClientURL(), func(c *nats.Config) { c.Options = append(c.Options, natsgo.UserInfo("hub", "falsch")) })
	a := bind(t, c, nats.Action{Subject: "a"})
	until(t, "the error says why", func() error {
		err := a.Do(t.Context(), event("1", "a"))
		require.NotErrorIs(t, err, actions.ErrPermanent)
		require.NotContains(t, fmt.Sprint(err), "falsch")
		if !errors.Is(err, natsgo.ErrDisconnected) || !strings.Contains(err.Error(), "Authorization Violation") {
			return fmt.Errorf("%w", err)
		}
		return nil
	})
}

func TestJetStream(t *testing.T) {
	t.Parallel()
	s := run(t, nil)
	c := open(t, s.ClientURL(), nil)
	_, js := reader(t, s.ClientURL())
	ctx := t.Context()

	t.Run("stores once", func(t *testing.T) {
		t.Parallel()
		st := stream(t, js, jetstream.StreamConfig{Name: "once", Subjects: []string{"once.>"}})
		a := bind(t, c, nats.Action{Subject: "once.${x}", JetStream: true, Stream: "once", Headers: []nats.Header{{"k", "${v}"}}})
		do(t, a, events(0, 100, "once.a", "v"))
		do(t, a, events(0, 101, "once.a", "v"))
		list := stored(t, st)
		require.Equal(t, texts(0, 101), payloads(list))
		require.Equal(t, "v", list[0].Headers().Get("k"))
		require.Equal(t, event("0").ID(), list[0].Headers().Get("Nats-Msg-Id"))
	})
	t.Run("an id of the rule's", func(t *testing.T) {
		t.Parallel()
		st := stream(t, js, jetstream.StreamConfig{Name: "id", Subjects: []string{"id.>"}, AllowMsgTTL: true})
		a := bind(t, c, nats.Action{Subject: "id.a", JetStream: true, Headers: []nats.Header{{"Nats-Msg-Id", "${id}"}, {"Nats-TTL", "1h"}}})
		do(t, a, []actions.Event{event("1", "id.a", "x", "1h"), event("2", "id.a", "x", "1h"), event("3", "id.a", "", "1h"), event("4", "id.a", "", "1h")})
		list := stored(t, st)
		require.Equal(t, []string{"1", "3", "4"}, payloads(list))
		require.Equal(t, "1h", list[0].Headers().Get("Nats-TTL"))
	})
	t.Run("key-value bucket", func(t *testing.T) {
		t.Parallel()
		kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "b"})
		require.NoError(t, err)
		do(t, bind(t, c, nats.Action{Subject: "$KV.b.${x}", JetStream: true}), []actions.Event{event("1", "$KV.b.k"), event("2", "$KV.b.k")})
		e, err := kv.Get(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, "2", string(e.Value()))
	})
	t.Run("too large for the stream", func(t *testing.T) {
		t.Parallel()
		st := stream(t, js, jetstream.StreamConfig{Name: "small", Subjects: []string{"small.>"}, MaxMsgSize: 300})
		evs := events(0, 3, "small.a")
		evs[1].Payload = make([]byte, 301)
		errs := bind(t, c, nats.Action{Subject: "small.a", JetStream: true}).DoBatch(ctx, evs)
		require.NoError(t, errs[0])
		require.ErrorIs(t, errs[1], actions.ErrPermanent)
		require.NoError(t, errs[2])
		require.Equal(t, []string{"0", "2"}, payloads(stored(t, st)))
	})
	t.Run("full", func(t *testing.T) {
		t.Parallel()
		st := stream(t, js, jetstream.StreamConfig{Name: "full", Subjects: []string{"full.>"}, MaxMsgs: 2, Discard: jetstream.DiscardNew})
		errs := bind(t, c, nats.Action{Subject: "full.a", JetStream: true}).DoBatch(ctx, events(0, 3, "full.a"))
		require.NoError(t, errs[1])
		require.ErrorContains(t, errs[2], "maximum messages exceeded")
		require.NotErrorIs(t, errs[2], actions.ErrPermanent)
		require.Len(t, stored(t, st), 2)
	})
	t.Run("nobody takes the subject", func(t *testing.T) {
		t.Parallel()
		stream(t, js, jetstream.StreamConfig{Name: "some", Subjects: []string{"some.*"}})
		for _, tt := range []struct {
			text, stream string
			permanent    bool
			want         string
		}{
			{"none.a", "", false, "nats: no response from stream"},
			{"none.a", "some", false, "nats: no response from stream"},
			{"${x}", "", true, `nats: no stream takes the subject "none.a"`},
			{"${x}", "some", true, `nats: the stream some does not take the subject "none.a"`},
			{"${x}", "missing", false, "nats: no response from stream: stream missing: API error: code=404 err_code=10059 description=stream not found"},
		} {
			for _, atomic := range []bool{false, true} {
				a := bind(t, c, nats.Action{Subject: tt.text, JetStream: true, Stream: tt.stream, Atomic: atomic})
				for _, err := range a.DoBatch(ctx, events(0, 2, "none.a")) {
					require.ErrorContains(t, err, tt.want)
					require.Equal(t, tt.permanent, errors.Is(err, actions.ErrPermanent), err)
				}
			}
		}
	})
	t.Run("another stream", func(t *testing.T) {
		t.Parallel()
		stream(t, js, jetstream.StreamConfig{Name: "this", Subjects: []string{"this.>"}})
		stream(t, js, jetstream.StreamConfig{Name: "that", Subjects: []string{"that.>"}})
		err := bind(t, c, nats.Action{Subject: "this.a", JetStream: true, Stream: "that"}).Do(ctx, event("1", "this.a"))
		require.ErrorContains(t, err, "expected stream does not match")
		require.NotErrorIs(t, err, actions.ErrPermanent)
		err = bind(t, c, nats.Action{Subject: "this.${x}", JetStream: true, Stream: "that"}).Do(ctx, event("1", "this.a"))
		require.ErrorContains(t, err, "expected stream does not match")
		require.ErrorIs(t, err, actions.ErrPermanent)
	})
	t.Run("order of a batch", func(t *testing.T) {
		t.Parallel()
		b := bind(t, c, nats.Action{Subject: "a", JetStream: true}).Batch()
		require.Equal(t, "dev/a/temp", b.Distinct(event("1")))
		require.Nil(t, bind(t, c, nats.Action{Subject: "a", JetStream: true, Atomic: true}).Batch().Distinct)
		require.Nil(t, bind(t, c, nats.Action{Subject: "a"}).Batch().Distinct)
	})
}

func TestAtomic(t *testing.T) {
	t.Parallel()
	s := run(t, nil)
	c := open(t, s.ClientURL(), nil)
	conn, js := reader(t, s.ClientURL())
	ctx := t.Context()

	t.Run("batch", func(t *testing.T) {
		t.Parallel()
		st := stream(t, js, jetstream.StreamConfig{Name: "A", Subjects: []string{"a.>"}, AllowAtomicPublish: true})
		a := bind(t, c, nats.Action{Subject: "a.${x}", JetStream: true, Atomic: true, Stream: "A"})
		do(t, a, events(0, 256, "a.a"))
		do(t, a, events(256, 1, "a.a"))
		do(t, a, events(200, 100, "a.a")) // some of them are there already
		list := stored(t, st)
		require.Equal(t, texts(0, 300), payloads(list))
		require.Equal(t, "256", list[255].Headers().Get("Nats-Batch-Sequence"))
		require.Empty(t, list[299].Headers().Get("Nats-Batch-Id"), "published one by one")
	})
	t.Run("poison", func(t *testing.T) {
		t.Parallel()
		st := stream(t, js, jetstream.StreamConfig{Name: "B", Subjects: []string{"b.>"}, AllowAtomicPublish: true, MaxMsgSize: 500})
		a := bind(t, c, nats.Action{Subject: "b.${x}", JetStream: true, Atomic: true})
		for _, at := range []int{0, 5, 9} {
			evs := events(100*at, 10, "b.a")
			evs[at].Payload = make([]byte, 600)
			for i, err := range a.DoBatch(ctx, evs) {
				if i != at {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, actions.ErrPermanent)
				require.ErrorContains(t, err, "message size exceeds maximum")
			}
		}
		var want []string
		for _, at := range []int{0, 5, 9} {
			all := texts(100*at, 10)
			want = append(want, append(all[:at:at], all[at+1:]...)...)
		}
		require.Equal(t, want, payloads(stored(t, st)))
	})
	t.Run("full", func(t *testing.T) {
		t.Parallel()
		cfg := jetstream.StreamConfig{Name: "C", Subjects: []string{"c.>"}, AllowAtomicPublish: true, MaxMsgs: 5, Discard: jetstream.DiscardNew}
		st := stream(t, js, cfg)
		a := bind(t, c, nats.Action{Subject: "c.a", JetStream: true, Atomic: true})
		do(t, a, events(0, 3, "c.a"))
		for _, err := range a.DoBatch(ctx, events(3, 4, "c.a")) {
			require.ErrorContains(t, err, "maximum messages exceeded")
			require.NotErrorIs(t, err, actions.ErrPermanent)
		}
		require.Equal(t, texts(0, 3), payloads(stored(t, st)))
		cfg.MaxMsgs = -1
		_, err := js.UpdateStream(ctx, cfg)
		require.NoError(t, err)
		do(t, a, events(3, 4, "c.a"))
		require.Equal(t, texts(0, 7), payloads(stored(t, st)))
	})
	t.Run("stream without", func(t *testing.T) {
		t.Parallel()
		st := stream(t, js, jetstream.StreamConfig{Name: "D", Subjects: []string{"d.>"}})
		do(t, bind(t, c, nats.Action{Subject: "d.a", JetStream: true, Atomic: true}), events(0, 10, "d.a"))
		require.Equal(t, texts(0, 10), payloads(stored(t, st)))
	})
	t.Run("server without", func(t *testing.T) {
		t.Parallel()
		// A server before 2.12 acknowledges each message by itself. One stands for it.
		var got []string
		sub, err := conn.Subscribe("old.a", func(m *natsgo.Msg) {
			if m.Reply != "" {
				got = append(got, string(m.Data))
				_ = m.Respond([]byte(`{"stream":"OLD","seq":1}`))
			}
		})
		require.NoError(t, err)
		require.NoError(t, conn.Flush())
		do(t, bind(t, c, nats.Action{Subject: "old.a", JetStream: true, Atomic: true}), events(0, 3, "old.a"))
		require.NoError(t, sub.Drain())
		until(t, "the subscription has ended", func() error {
			if sub.IsValid() {
				return errors.New("it has not")
			}
			return nil
		})
		require.Equal(t, []string{"2", "0", "1", "2"}, got) // the last of the batch, then each
	})
	t.Run("several streams", func(t *testing.T) {
		t.Parallel()
		e := stream(t, js, jetstream.StreamConfig{Name: "E", Subjects: []string{"e.>"}, AllowAtomicPublish: true})
		f := stream(t, js, jetstream.StreamConfig{Name: "F", Subjects: []string{"f.>"}, AllowAtomicPublish: true})
		var evs []actions.Event
		for i := range 10 {
			evs = append(evs, event(fmt.Sprint(i), []string{"e.a", "f.a"}[i%2]))
		}
		do(t, bind(t, c, nats.Action{Subject: "${x}", JetStream: true, Atomic: true}), evs)
		require.Equal(t, []string{"0", "2", "4", "6", "8"}, payloads(stored(t, e)))
		require.Equal(t, []string{"1", "3", "5", "7", "9"}, payloads(stored(t, f)))
	})
}

// TestRestart checks a server that ends and comes back, with core NATS: what fails was not
// kept back by the client, and nothing counts as published that was lost.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := run(t, func(o *server.Options) { o.StoreDir = filepath.Join(dir, "js") })
	port := s.Addr().String()[strings.LastIndex(s.Addr().String(), ":")+1:]
	c := open(t, s.ClientURL(), nil)
	for _, js := range []bool{false, true} {
		a := bind(t, c, nats.Action{Subject: "r.a", JetStream: js, Stream: map[bool]string{true: "R"}[js]})
		conn, context := reader(t, s.ClientURL())
		if js {
			stream(t, context, jetstream.StreamConfig{Name: "R", Subjects: []string{"r.>"}})
		}
		until(t, "the client is connected", func() error { return a.Do(t.Context(), event("0", "r.a")) })
		conn.Close()
		s.Shutdown()
		s.WaitForShutdown()
		until(t, "the outage is noticed", func() error {
			err := a.Do(t.Context(), event("lost", "r.a"))
			if err == nil {
				return errors.New("there is a server")
			}
			require.NotErrorIs(t, err, actions.ErrPermanent)
			return nil
		})
		for _, err := range a.DoBatch(t.Context(), events(0, 100, "r.a")) {
			require.ErrorIs(t, err, natsgo.ErrDisconnected)
		}
		s = run(t, func(o *server.Options) {
			o.StoreDir = filepath.Join(dir, "js")
			_, err := fmt.Sscan(port, &o.Port)
			require.NoError(t, err)
		})
		conn, context = reader(t, s.ClientURL())
		sub := subscribe(t, conn, "r.>")
		evs := events(1, 5, "r.a")
		until(t, "the client is connected again", func() error { return errors.Join(a.DoBatch(t.Context(), evs)...) })
		if !js {
			require.Equal(t, texts(1, 5), next(t, sub, 5), "something else was kept back and published")
			continue
		}
		st, err := context.Stream(t.Context(), "R")
		require.NoError(t, err)
		require.Equal(t, texts(0, 6), payloads(stored(t, st)))
	}
}

// TestLostConnection checks that a batch whose connection breaks is not taken for
// published, although the next connection is there when it is confirmed.
func TestLostConnection(t *testing.T) {
	t.Parallel()
	s := run(t, nil)
	proxy := sinktest.NewProxy(t, address(s))
	c := open(t, "nats://"+proxy.Addr(), nil)
	for _, a := range []*nats.Action{
		bind(t, c, nats.Action{Subject: "a"}),
		bind(t, c, nats.Action{Subject: "a", JetStream: true}),
		bind(t, c, nats.Action{Subject: "a", JetStream: true, Atomic: true}),
	} {
		until(t, "the client is connected", func() error {
			if err := bind(t, c, nats.Action{Subject: "b"}).Do(t.Context(), event("1", "b")); err != nil {
				return err
			}
			return nil
		})
		proxy.Hang()
		failed := make(chan []error)
		go func() { failed <- a.DoBatch(context.Background(), events(0, 10, "a")) }()
		time.AfterFunc(50*time.Millisecond, func() { proxy.Down(); proxy.Up() })
		for _, err := range <-failed {
			require.Error(t, err)
			require.NotErrorIs(t, err, actions.ErrPermanent)
		}
	}
}
