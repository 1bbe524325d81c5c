package interop_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/extensions/rpc"
	"github.com/eclipse/paho.golang/paho/session/state"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// A v5Client is a paho client for MQTT 5.
type v5Client struct {
	*paho.Client
	nc   net.Conn
	ack  *paho.Connack
	in   inbox[*paho.Publish]
	left chan *paho.Disconnect // DISCONNECT from the hub
}

type v5Option = func(*paho.ClientConfig, *paho.Connect)

// connectV5 sends a CONNECT on a fresh connection.
func connectV5(t *testing.T, nc net.Conn, id string, changes ...v5Option) (*v5Client, error) {
	t.Helper()
	c := &v5Client{nc: nc, in: newInbox[*paho.Publish](), left: make(chan *paho.Disconnect, 1)}
	cfg := paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(nc), PacketTimeout: patience,
		OnServerDisconnect: func(d *paho.Disconnect) { c.left <- d },
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
			c.in.put(r.Packet)
			return true, nil
		}},
	}
	cp := &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 30, Properties: &paho.ConnectProperties{RequestProblemInfo: true}}
	for _, change := range changes {
		change(&cfg, cp)
	}
	c.Client = paho.NewClient(cfg)
	var err error
	c.ack, err = c.Connect(t.Context(), cp)
	if err == nil {
		t.Cleanup(func() { _ = c.Disconnect(&paho.Disconnect{}) })
	}
	return c, err
}

func dialV5(t *testing.T, addr, id string, changes ...v5Option) *v5Client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	c, err := connectV5(t, nc, id, changes...)
	require.NoError(t, err)
	return c
}

// resume asks for the session of before, and for it to be kept for secs seconds.
func resume(secs uint32) v5Option {
	return func(_ *paho.ClientConfig, c *paho.Connect) {
		c.CleanStart, c.Properties.SessionExpiryInterval = false, &secs
	}
}

func user(name, password string) v5Option {
	return func(_ *paho.ClientConfig, c *paho.Connect) {
		c.UsernameFlag, c.Username, c.PasswordFlag, c.Password = true, name, true, []byte(password)
	}
}

func (c *v5Client) pub(t *testing.T, p *paho.Publish) *paho.PublishResponse {
	t.Helper()
	r, err := c.Publish(t.Context(), p)
	require.NoError(t, err)
	return r
}

// say publishes a text.
func (c *v5Client) say(t *testing.T, name, payload string, qos byte) {
	t.Helper()
	c.pub(t, &paho.Publish{Topic: name, Payload: []byte(payload), QoS: qos})
}

func (c *v5Client) sub(t *testing.T, subs ...paho.SubscribeOptions) {
	t.Helper()
	ack, err := c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: subs})
	require.NoError(t, err)
	for i, s := range subs {
		require.Equal(t, s.QoS, ack.Reasons[i])
	}
}

func (c *v5Client) unsub(t *testing.T, filters ...string) []byte {
	t.Helper()
	ack, err := c.Unsubscribe(t.Context(), &paho.Unsubscribe{Topics: filters})
	require.NoError(t, err)
	return ack.Reasons
}

// awaitLeft waits for the hub's DISCONNECT and for the client to be done with it.
func (c *v5Client) awaitLeft(t *testing.T) (broker.ReasonCode, string) {
	t.Helper()
	select {
	case d := <-c.left:
		<-c.Done()
		if d.Properties == nil {
			return broker.ReasonCode(d.ReasonCode), ""
		}
		return broker.ReasonCode(d.ReasonCode), d.Properties.ReasonString
	case <-time.After(patience):
		require.FailNow(t, "no DISCONNECT came")
		panic("unreachable")
	}
}

// leave says goodbye and waits until the hub has noticed.
func (c *v5Client) leave(t *testing.T, h *testHub, times int) {
	t.Helper()
	id := c.ClientID()
	require.NoError(t, c.Disconnect(&paho.Disconnect{}))
	h.seen.await(t, "disconnected", id, times)
}

func text(p *paho.Publish) string { return string(p.Payload) }

// auto runs an autopaho client until the end of the test.
func auto(t *testing.T, raw, id string, change func(*autopaho.ClientConfig)) (*autopaho.ConnectionManager, inbox[*paho.Publish]) {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	in := newInbox[*paho.Publish]()
	cfg := autopaho.ClientConfig{
		ServerUrls: []*url.URL{u}, KeepAlive: 30, CleanStartOnInitialConnection: true,
		ReconnectBackoff: autopaho.NewConstantBackoff(10 * time.Millisecond),
		ClientConfig: paho.ClientConfig{
			ClientID: id, PacketTimeout: patience,
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
				in.put(r.Packet)
				return true, nil
			}},
		},
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m, err := autopaho.NewConnection(ctx, cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel()
		<-m.Done()
	})
	wait, stop := context.WithTimeout(ctx, patience)
	defer stop()
	require.NoError(t, m.AwaitConnection(wait))
	return m, in
}

func TestPahoV5Transports(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	h := startHub(t)
	for name, raw := range h.endpoints(t, p) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, in := auto(t, raw, "c-"+name, func(cfg *autopaho.ClientConfig) { cfg.TlsCfg = p.clientConfig() })
			require.Equal(t, name, h.client(t, "c-"+name).Transport)
			require.Equal(t, byte(5), h.client(t, "c-"+name).ProtocolVersion)
			host := h.hear(t, name+"/#")
			for granted := range byte(3) {
				filter := fmt.Sprintf("%s/%d", name, granted)
				_, err := c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: granted}}})
				require.NoError(t, err)
				for qos := range byte(3) {
					_, err := c.Publish(t.Context(), &paho.Publish{Topic: filter, QoS: qos, Payload: []byte("client")})
					require.NoError(t, err)
					m := in.next(t)
					require.Equal(t, "client", text(m))
					require.Equal(t, min(qos, granted), m.QoS)
					heard := host.next(t)
					require.Equal(t, filter, heard.Topic)
					require.Equal(t, broker.QoS(qos), heard.QoS)

					h.say(t, filter, "host", broker.QoS(qos))
					m = in.next(t)
					require.Equal(t, "host", text(m))
					require.Equal(t, min(qos, granted), m.QoS)
					require.Equal(t, "host", string(host.next(t).Payload))
				}
			}
			_, err := c.Publish(t.Context(), &paho.Publish{Topic: name + "/2", QoS: 2, Payload: huge})
			require.NoError(t, err)
			require.Equal(t, huge, in.next(t).Payload)
		})
	}
}

func TestPahoV5Properties(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	host := h.hear(t, "p/#")
	c := dialV5(t, h.addr, "c")
	c.sub(t, paho.SubscribeOptions{Topic: "p/#", QoS: 2})
	sent := &paho.PublishProperties{
		ContentType: "text/plain; charset=utf-8", ResponseTopic: "p/answer", CorrelationData: []byte{0, 1, 0xff},
		PayloadFormat: paho.Byte(1), MessageExpiry: paho.Uint32(3600),
		User: paho.UserProperties{{Key: "b", Value: "1"}, {Key: "a", Value: "ü"}, {Key: "b", Value: "2"}, {Key: "", Value: ""}},
	}
	for qos := range byte(3) {
		c.pub(t, &paho.Publish{Topic: "p/x", QoS: qos, Payload: []byte("hello"), Properties: sent})
		got := c.in.next(t)
		require.Equal(t, "hello", text(got))
		require.Equal(t, sent, got.Properties)

		m := host.next(t)
		require.Equal(t, broker.FormatUTF8, m.PayloadFormat)
		require.Equal(t, sent.ContentType, m.ContentType)
		require.Equal(t, sent.ResponseTopic, m.ResponseTopic)
		require.Equal(t, sent.CorrelationData, m.CorrelationData)
		require.InDelta(t, time.Hour, time.Until(m.Expires), float64(time.Minute))
		var users paho.UserProperties
		for k, v := range m.UserProperties() {
			users.Add(k, v)
		}
		require.Equal(t, sent.User, users)
	}
	// None at all.
	c.say(t, "p/x", "bare", 1)
	require.Equal(t, &paho.PublishProperties{User: paho.UserProperties{}}, c.in.next(t).Properties)
	host.next(t)

	// From the host, and kept with a retained message.
	m := &thinghub.Message{
		Topic: "p/kept", Payload: []byte{1}, QoS: broker.AtLeastOnce, Retain: true, PayloadFormat: broker.FormatBytes,
		ContentType: "application/octet-stream", ResponseTopic: "r", CorrelationData: []byte("id"),
	}
	m.AddUserProperty("k", "v")
	require.NoError(t, h.PublishMessage(t.Context(), m))
	want := &paho.PublishProperties{
		PayloadFormat: paho.Byte(0), ContentType: "application/octet-stream", ResponseTopic: "r", CorrelationData: []byte("id"),
		User: paho.UserProperties{{Key: "k", Value: "v"}},
	}
	require.Equal(t, want, c.in.next(t).Properties)
	late := dialV5(t, h.addr, "late")
	late.sub(t, paho.SubscribeOptions{Topic: "p/+"})
	got := late.in.next(t)
	require.True(t, got.Retain)
	require.Equal(t, want, got.Properties)

	// A 3.1.1 client sees the message without them.
	v3 := dialV3(t, "tcp://"+h.addr, "v3")
	v3.sub(t, "p/x", 2)
	c.pub(t, &paho.Publish{Topic: "p/x", QoS: 2, Payload: []byte("for both"), Properties: sent})
	require.Equal(t, "for both", string(v3.in.next(t).Payload()))
	require.Equal(t, sent, c.in.next(t).Properties)
}

func TestPahoV5RequestResponse(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) {
		c.Gateway.ResponseInformation = func(id string) string { return "answers/" + id + "/" }
	})
	server := dialV5(t, h.addr, "server", func(cfg *paho.ClientConfig, _ *paho.Connect) {
		cfg.OnPublishReceived = []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
			p := r.Packet
			go func() {
				_, _ = r.Client.Publish(context.Background(), &paho.Publish{
					Topic: p.Properties.ResponseTopic, QoS: 1, Payload: []byte(strings.ToUpper(text(p))),
					Properties: &paho.PublishProperties{CorrelationData: p.Properties.CorrelationData},
				})
			}()
			return true, nil
		}}
	})
	server.sub(t, paho.SubscribeOptions{Topic: "upper", QoS: 1})
	client := dialV5(t, h.addr, "client", func(_ *paho.ClientConfig, c *paho.Connect) { c.Properties.RequestResponseInfo = true })
	require.Equal(t, "answers/client/", client.ack.Properties.ResponseInfo)
	require.Empty(t, server.ack.Properties.ResponseInfo)
	caller, err := rpc.NewHandler(t.Context(), client.Client)
	require.NoError(t, err)
	for i := range 20 {
		answer, err := caller.Request(t.Context(), &paho.Publish{Topic: "upper", QoS: 1, Payload: fmt.Append(nil, "call ", i)})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("CALL ", i), text(answer))
	}
}

func TestPahoV5SubscriptionOptions(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	pub := dialV5(t, h.addr, "pub")
	pub.pub(t, &paho.Publish{Topic: "r/1", Payload: []byte("kept"), Retain: true, QoS: 1})
	c := dialV5(t, h.addr, "c")
	subscribe := func(id int, s paho.SubscribeOptions) {
		t.Helper()
		ack, err := c.Subscribe(t.Context(), &paho.Subscribe{
			Properties: &paho.SubscribeProperties{SubscriptionIdentifier: &id}, Subscriptions: []paho.SubscribeOptions{s},
		})
		require.NoError(t, err)
		require.Equal(t, []byte{s.QoS}, ack.Reasons)
	}
	// Identifiers, up to the largest one; subscribing anew replaces it.
	for _, id := range []int{1, 127, 128, 268435455} {
		subscribe(id, paho.SubscribeOptions{Topic: "i/x", QoS: 1})
		pub.say(t, "i/x", "hello", 1)
		require.Equal(t, id, *c.in.next(t).Properties.SubscriptionIdentifier)
	}
	// Retain Handling 0: always; 1: only for a new subscription; 2: never.
	for _, tc := range []struct {
		handling byte
		sends    bool
	}{{0, true}, {0, true}, {1, false}, {2, false}} {
		subscribe(7, paho.SubscribeOptions{Topic: "r/+", QoS: 1, RetainHandling: tc.handling})
		if !tc.sends {
			c.in.none(t)
			continue
		}
		m := c.in.next(t)
		require.True(t, m.Retain)
		require.Equal(t, 7, *m.Properties.SubscriptionIdentifier)
	}
	require.Equal(t, []byte{0}, c.unsub(t, "r/+"))
	subscribe(8, paho.SubscribeOptions{Topic: "r/+", QoS: 1, RetainHandling: 1, RetainAsPublished: true})
	require.Equal(t, "kept", text(c.in.next(t)))
	// Retain As Published.
	for _, retain := range []bool{true, false} {
		pub.pub(t, &paho.Publish{Topic: "r/2", Payload: []byte("live"), Retain: retain})
		require.Equal(t, retain, c.in.next(t).Retain)
	}
	// No Local.
	subscribe(9, paho.SubscribeOptions{Topic: "n", QoS: 2, NoLocal: true})
	c.say(t, "n", "own", 2)
	pub.say(t, "n", "other's", 2)
	require.Equal(t, "other's", text(c.in.next(t)))
	c.in.none(t)
}

func TestPahoV5Shared(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	pub, all := dialV5(t, h.addr, "pub"), dialV5(t, h.addr, "all")
	all.sub(t, paho.SubscribeOptions{Topic: "jobs/+", QoS: 1})
	var members []*v5Client
	for i := range 3 {
		m := dialV5(t, h.addr, fmt.Sprint("member", i))
		m.sub(t, paho.SubscribeOptions{Topic: "$share/g/jobs/#", QoS: 1})
		members = append(members, m)
	}
	lone := dialV5(t, h.addr, "lone")
	lone.sub(t, paho.SubscribeOptions{Topic: "$share/other/jobs/#", QoS: 1})

	const n = 300
	publish := func(want int) {
		t.Helper()
		for i := range n {
			pub.say(t, fmt.Sprint("jobs/", i), strconv.Itoa(i), 1)
		}
		for i := range n {
			require.Equal(t, strconv.Itoa(i), text(all.in.next(t)))
			require.Equal(t, strconv.Itoa(i), text(lone.in.next(t)))
		}
		got := map[string]int{}
		active := map[int]bool{}
		await(t, "every job once", func() error {
			for i, m := range members {
				for len(m.in.c) > 0 {
					got[text(<-m.in.c)]++
					active[i] = true
				}
			}
			if len(got) < n {
				return fmt.Errorf("%d jobs arrived", len(got))
			}
			return nil
		})
		for job, times := range got {
			require.Equal(t, 1, times, job)
		}
		require.Len(t, active, want)
	}
	publish(3)
	require.Equal(t, []byte{0}, members[0].unsub(t, "$share/g/jobs/#"))
	members[1].leave(t, h, 1)
	publish(1)
}

func TestPahoV5ReceiveMaximum(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) { c.Gateway.ReceiveMaximum = 3 })
	sub := dialV5(t, h.addr, "sub", func(cfg *paho.ClientConfig, c *paho.Connect) {
		cfg.EnableManualAcknowledgment, cfg.SendAcksInterval = true, 5*time.Millisecond
		c.Properties.ReceiveMaximum = paho.Uint16(4)
	})
	require.Equal(t, uint16(3), *sub.ack.Properties.ReceiveMaximum)
	sub.sub(t, paho.SubscribeOptions{Topic: "q", QoS: 2})
	var held []*paho.Publish
	for i := range 12 {
		h.say(t, "q", strconv.Itoa(i), broker.QoS(1+i%2))
	}
	for range 3 {
		for range 4 {
			held = append(held, sub.in.next(t))
		}
		sub.in.none(t) // the window is full
		require.Equal(t, 4, h.client(t, "sub").InFlight)
		for _, p := range held[len(held)-4:] {
			require.NoError(t, sub.Ack(p))
		}
	}
	for i, p := range held {
		require.Equal(t, strconv.Itoa(i), text(p))
	}
	// The other way round paho keeps to our window.
	pub := dialV5(t, h.addr, "pub")
	host := h.hear(t, "up")
	errs := make(chan error, 50)
	for range 50 {
		go func() {
			_, err := pub.Publish(t.Context(), &paho.Publish{Topic: "up", QoS: 2})
			errs <- err
		}()
	}
	for range 50 {
		require.NoError(t, <-errs)
		host.next(t)
	}
}

func TestPahoV5TopicAliases(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) { c.Gateway.TopicAliasMaximum = 5 })
	pub := dialV5(t, h.addr, "pub")
	require.Equal(t, uint16(5), *pub.ack.Properties.TopicAliasMaximum)
	sub := dialV5(t, h.addr, "sub", func(_ *paho.ClientConfig, c *paho.Connect) { c.Properties.TopicAliasMaximum = paho.Uint16(2) })
	sub.sub(t, paho.SubscribeOptions{Topic: "#", QoS: 1})
	plain := dialV5(t, h.addr, "plain")
	plain.sub(t, paho.SubscribeOptions{Topic: "#", QoS: 1})

	alias := func(name string, n uint16) {
		t.Helper()
		pub.pub(t, &paho.Publish{Topic: name, QoS: 1, Properties: &paho.PublishProperties{TopicAlias: &n}})
	}
	names := map[uint16]string{}
	shortened := 0
	for _, s := range []struct {
		name  string
		alias uint16
		want  string
	}{
		{"a/one", 1, "a/one"},
		{"", 1, "a/one"},
		{"b/five", 5, "b/five"},
		{"", 5, "b/five"},
		{"", 1, "a/one"},
		{"c/new", 1, "c/new"},
		{"", 1, "c/new"},
		{"", 5, "b/five"},
		{"d", 2, "d"},
		{"e", 3, "e"},
		{"", 2, "d"},
		{"", 3, "e"},
	} {
		alias(s.name, s.alias)
		m := plain.in.next(t)
		require.Equal(t, s.want, m.Topic)
		require.Nil(t, m.Properties.TopicAlias)

		// The hub's own aliases, at most two.
		m = sub.in.next(t)
		if a := m.Properties.TopicAlias; a != nil {
			require.LessOrEqual(t, *a, uint16(2))
			if m.Topic == "" {
				m.Topic = names[*a]
				shortened++
			}
			names[*a] = m.Topic
		}
		require.Equal(t, s.want, m.Topic)
	}
	require.Positive(t, shortened, "the hub used none of its aliases")
}

func TestPahoV5ServerDisconnect(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) { c.Gateway.MaxPacketSize = 1000 })
	watch := dialV3(t, "tcp://"+h.addr, "watch")
	watch.sub(t, "will", 1)
	will := func(_ *paho.ClientConfig, c *paho.Connect) {
		c.WillMessage = &paho.WillMessage{Topic: "will", Payload: []byte("gone")}
	}

	old := dialV5(t, h.addr, "twin", will)
	twin := dialV5(t, h.addr, "twin")
	code, _ := old.awaitLeft(t)
	require.Equal(t, broker.SessionTakenOver, code)
	require.Equal(t, "gone", string(watch.in.next(t).Payload()))
	require.Empty(t, twin.left)

	c := dialV5(t, h.addr, "kicked", will)
	require.NoError(t, h.Disconnect("kicked", broker.DisconnectOptions{}))
	code, _ = c.awaitLeft(t)
	require.Equal(t, broker.AdministrativeAction, code)
	require.Equal(t, "gone", string(watch.in.next(t).Payload()))

	c = dialV5(t, h.addr, "large")
	require.Equal(t, uint32(1000), *c.ack.Properties.MaximumPacketSize)
	_, _ = c.Publish(t.Context(), &paho.Publish{Topic: "x", Payload: huge[:2000]})
	code, why := c.awaitLeft(t)
	require.Equal(t, broker.PacketTooLarge, code)
	require.Contains(t, why, "1000")

	c = dialV5(t, h.addr, "wild")
	_, _ = c.Publish(t.Context(), &paho.Publish{Topic: "a/+/b"})
	code, _ = c.awaitLeft(t)
	require.Contains(t, []broker.ReasonCode{broker.TopicNameInvalid, broker.MalformedPacket, broker.ProtocolError}, code)

	c = dialV5(t, h.addr, "idle", will, func(cfg *paho.ClientConfig, c *paho.Connect) { cfg.PingHandler, c.KeepAlive = noPings{}, 1 })
	code, _ = c.awaitLeft(t)
	require.Equal(t, broker.KeepAliveTimeout, code)
	require.Equal(t, "gone", string(watch.in.next(t).Payload()))

	h.stop()
	code, why = twin.awaitLeft(t)
	require.Equal(t, broker.ServerShuttingDown, code)
	require.NotEmpty(t, why)
	watch.awaitLost(t)
}

// noPings lets the connection rest.
type noPings struct{ paho.Pinger }

func (noPings) Run(ctx context.Context, _ net.Conn, _ uint16) error {
	<-ctx.Done()
	return nil
}
func (noPings) PacketSent()     {}
func (noPings) PacketReceived() {}

func TestPahoV5Will(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	watch := dialV5(t, h.addr, "watch")
	watch.sub(t, paho.SubscribeOptions{Topic: "will/#", QoS: 2, RetainAsPublished: true})
	will := func(delay, expiry uint32) v5Option {
		return func(_ *paho.ClientConfig, c *paho.Connect) {
			c.Properties.SessionExpiryInterval = &expiry
			c.WillMessage = &paho.WillMessage{Topic: "will/" + c.ClientID, Payload: []byte("last words"), QoS: 2, Retain: true}
			// paho sends no more of the will's properties than these.
			c.WillProperties = &paho.WillProperties{WillDelayInterval: &delay, User: paho.UserProperties{{Key: "k", Value: "v"}}}
		}
	}
	c := dialV5(t, h.addr, "now", will(0, 60))
	require.NoError(t, c.nc.Close())
	m := watch.in.next(t)
	require.Equal(t, "last words", text(m))
	require.True(t, m.Retain)
	require.Equal(t, byte(2), m.QoS)
	require.Equal(t, &paho.PublishProperties{User: paho.UserProperties{{Key: "k", Value: "v"}}}, m.Properties)

	// DISCONNECT with 0x00 takes it back, with 0x04 sends it.
	require.NoError(t, dialV5(t, h.addr, "polite", will(0, 0)).Disconnect(&paho.Disconnect{}))
	require.NoError(t, dialV5(t, h.addr, "asked", will(0, 0)).Disconnect(&paho.Disconnect{ReasonCode: 4}))
	require.Equal(t, "will/asked", watch.in.next(t).Topic)
	watch.in.none(t)

	// A delayed one is sent after its delay, or when the session ends, whichever is
	// first; not when the client comes back before.
	start := time.Now()
	require.NoError(t, dialV5(t, h.addr, "delay", will(1, 60)).nc.Close())
	require.NoError(t, dialV5(t, h.addr, "session", will(60, 1)).nc.Close())
	require.NoError(t, dialV5(t, h.addr, "back", will(1, 60)).nc.Close())
	h.seen.await(t, "disconnected", "back", 1)
	back := dialV5(t, h.addr, "back", resume(60))
	require.True(t, back.ack.SessionPresent)
	got := []string{watch.in.next(t).Topic, watch.in.next(t).Topic}
	require.ElementsMatch(t, []string{"will/delay", "will/session"}, got)
	require.Greater(t, time.Since(start), 950*time.Millisecond)
	watch.in.none(t)
}

func TestPahoV5PersistentSession(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) { c.Gateway.MaxSessionExpiry = time.Hour })
	pub := dialV5(t, h.addr, "pub")
	sub := dialV5(t, h.addr, "sub", resume(7200))
	require.False(t, sub.ack.SessionPresent)
	require.Equal(t, uint32(3600), *sub.ack.Properties.SessionExpiryInterval, "the hub grants less")
	sub.sub(t, paho.SubscribeOptions{Topic: "q/#", QoS: 2})
	sub.leave(t, h, 1)
	const n = 60
	for i := range n {
		pub.say(t, "q/x", strconv.Itoa(i), byte(i%3))
	}
	sub = dialV5(t, h.addr, "sub", resume(60))
	require.True(t, sub.ack.SessionPresent)
	require.Nil(t, sub.ack.Properties.SessionExpiryInterval)
	for i := range n {
		if i%3 == 0 {
			continue // QoS 0 is not kept
		}
		m := sub.in.next(t)
		require.Equal(t, strconv.Itoa(i), text(m))
		require.Equal(t, byte(i%3), m.QoS)
	}
	// DISCONNECT may end the session at once. Before that all has to be answered: a
	// client that closes its socket without reading the rest may lose what it sent.
	require.Eventually(t, func() bool { return h.client(t, "sub").InFlight == 0 }, patience, 5*time.Millisecond)
	require.NoError(t, sub.Disconnect(&paho.Disconnect{Properties: &paho.DisconnectProperties{SessionExpiryInterval: paho.Uint32(0)}}))
	require.NoError(t, h.seen.await(t, "disconnected", "sub", 2).cause)
	sub = dialV5(t, h.addr, "sub", resume(1))
	require.False(t, sub.ack.SessionPresent)
	// It expires.
	sub.leave(t, h, 3)
	await(t, "the end of the session", func() error {
		if n := h.Metrics().Sessions; n > 1 {
			return fmt.Errorf("%d sessions", n)
		}
		return nil
	})
	sub = dialV5(t, h.addr, "sub", resume(60))
	require.False(t, sub.ack.SessionPresent)
	sub.leave(t, h, 4)
	// Without an interval it ends with the connection, also when Clean Start is 0.
	sub = dialV5(t, h.addr, "sub", func(_ *paho.ClientConfig, c *paho.Connect) { c.CleanStart = false })
	require.True(t, sub.ack.SessionPresent)
	sub.leave(t, h, 5)
	require.False(t, dialV5(t, h.addr, "sub", resume(60)).ack.SessionPresent)
}

func TestPahoV5MessageExpiry(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	pub := dialV5(t, h.addr, "pub")
	say := func(name, payload string, secs uint32, retain bool) {
		t.Helper()
		pub.pub(t, &paho.Publish{
			Topic: name, Payload: []byte(payload), QoS: 1, Retain: retain, Properties: &paho.PublishProperties{MessageExpiry: &secs},
		})
	}
	sub := dialV5(t, h.addr, "sub", resume(60))
	sub.sub(t, paho.SubscribeOptions{Topic: "q", QoS: 1})
	sub.leave(t, h, 1)
	say("q", "short", 1, false)
	say("q", "long", 100, false)
	say("kept/short", "short", 1, true)
	say("kept/long", "long", 100, true)
	time.Sleep(1100 * time.Millisecond)
	sub = dialV5(t, h.addr, "sub", resume(60))
	m := sub.in.next(t)
	require.Equal(t, "long", text(m))
	require.Contains(t, []uint32{98, 99}, *m.Properties.MessageExpiry, "what is left of it")
	sub.sub(t, paho.SubscribeOptions{Topic: "kept/#", QoS: 1})
	m = sub.in.next(t)
	require.Equal(t, "long", text(m))
	require.Contains(t, []uint32{98, 99}, *m.Properties.MessageExpiry)
	sub.in.none(t)
	require.Equal(t, uint64(1), h.Metrics().Dropped[broker.DropExpired.String()])
}

func TestPahoV5Refusals(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) {
		c.Authenticator, c.Authorizer = byPassword{"ann": "right"}, exceptSecret{}
		c.Gateway.MaxClientIDBytes = 10
	})
	for _, tc := range []struct {
		name, id string
		creds    v5Option
		want     broker.ReasonCode
	}{
		{"wrong password", "c", user("ann", "wrong"), broker.BadUserNameOrPassword},
		{"unknown user", "c", user("eve", ""), broker.NotAuthorized},
		{"client id denied", "secret", user("ann", "right"), broker.NotAuthorized},
		{"client id too long", "c1234567890", user("ann", "right"), broker.ClientIDNotValid},
	} {
		nc, err := net.Dial("tcp", h.addr)
		require.NoError(t, err)
		c, err := connectV5(t, nc, tc.id, tc.creds)
		require.Error(t, err, tc.name)
		require.NotNil(t, c.ack, tc.name)
		require.Equal(t, tc.want, broker.ReasonCode(c.ack.ReasonCode), tc.name)
	}
	c := dialV5(t, h.addr, "", user("ann", "right"))
	id := c.ack.Properties.AssignedClientID
	require.NotEmpty(t, id)
	require.Equal(t, "ann", h.client(t, id).Principal)

	ack, err := c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{
		{Topic: "a", QoS: 2}, {Topic: "secret"}, {Topic: "a/#/b"}, {Topic: "$share//a"},
	}})
	require.Error(t, err)
	require.Equal(t, []byte{2, byte(broker.NotAuthorized), byte(broker.TopicFilterInvalid), byte(broker.TopicFilterInvalid)}, ack.Reasons)
	require.Contains(t, ack.Properties.ReasonString, "secret")
	require.Equal(t, []byte{0, byte(broker.NoSubscriptionExisted)}, c.unsub(t, "a", "b"))

	for qos := byte(1); qos <= 2; qos++ {
		r, err := c.Publish(t.Context(), &paho.Publish{Topic: "secret", QoS: qos})
		require.Equal(t, qos == 1, err != nil, "of QoS 2 paho tells it in the answer only")
		require.Equal(t, broker.NotAuthorized, broker.ReasonCode(r.ReasonCode))
		require.NotEmpty(t, r.Properties.ReasonString)
		// Not refused, but told that nobody is there.
		r = c.pub(t, &paho.Publish{Topic: "nobody/there", QoS: qos})
		if qos == 1 {
			require.Equal(t, broker.NoMatchingSubscribers, broker.ReasonCode(r.ReasonCode))
		}
	}
	require.NoError(t, c.Disconnect(&paho.Disconnect{}))
}

// TestPahoV5Limits switches features off and looks how paho understands it.
func TestPahoV5Limits(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) {
		c.Gateway.MaxQoS, c.Gateway.DisableRetain, c.Gateway.DisableShared, c.Gateway.DisableWildcards = broker.UpToQoS1, true, true, true
		c.Gateway.DisableSubscriptionIDs, c.Gateway.TopicAliasMaximum, c.Gateway.MaxKeepAlive = true, -1, 10*time.Second
	})
	c := dialV5(t, h.addr, "c")
	p := c.ack.Properties
	require.Equal(t, byte(1), *p.MaximumQoS)
	require.False(t, p.RetainAvailable || p.SharedSubAvailable || p.WildcardSubAvailable || p.SubIDAvailable)
	require.Nil(t, p.TopicAliasMaximum)
	require.Equal(t, uint16(10), *p.ServerKeepAlive)
	ack, err := c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "a", QoS: 2}}})
	require.NoError(t, err)
	require.Equal(t, []byte{1}, ack.Reasons)
	_, err = c.Publish(t.Context(), &paho.Publish{Topic: "a", QoS: 2})
	require.ErrorIs(t, err, paho.ErrInvalidArguments)
	c.say(t, "a", "hello", 1)
	require.Equal(t, "hello", text(c.in.next(t)))

	// By default everything is on.
	p = dialV5(t, startHub(t).addr, "c").ack.Properties
	require.Nil(t, p.MaximumQoS)
	require.True(t, p.RetainAvailable && p.SharedSubAvailable && p.WildcardSubAvailable && p.SubIDAvailable)
}

func TestPahoV5ClientCertificate(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	h := startHub(t, func(c *thinghub.Config) { c.Authenticator = byCertificate{} })
	addr := h.serveTLS(t, p.serverConfig(tls.VerifyClientCertIfGiven))
	dial := func(certs ...tls.Certificate) (*v5Client, error) {
		cfg := p.clientConfig(certs...)
		cfg.NextProtos = []string{"x-amzn-mqtt-ca"}
		nc, err := tls.Dial("tcp", addr, cfg)
		require.NoError(t, err)
		require.Equal(t, "x-amzn-mqtt-ca", nc.ConnectionState().NegotiatedProtocol)
		return connectV5(t, nc, "c")
	}
	_, err := dial(p.client)
	require.NoError(t, err)
	require.Equal(t, "pump-1", h.client(t, "c").Principal)
	c, err := dial()
	require.Error(t, err)
	require.Equal(t, broker.BadUserNameOrPassword, broker.ReasonCode(c.ack.ReasonCode))
}

// TestPahoV5ExactlyOnce cuts the links of a publisher and of a subscriber again and
// again, with QoS 2 handshakes under way in both.
func TestPahoV5ExactlyOnce(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	in := newInbox[*paho.Publish]()
	kept := map[string]*state.State{"pub": state.NewInMemory(), "sub": state.NewInMemory()}
	connect := func(id string) *v5Client {
		return dialV5(t, h.addr, id, resume(60), func(cfg *paho.ClientConfig, _ *paho.Connect) {
			cfg.Session = kept[id]
			cfg.OnPublishReceived = []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
				in.put(r.Packet)
				return true, nil
			}}
		})
	}
	cut := func(c *v5Client) {
		require.NoError(t, c.nc.Close())
		<-c.Done()
	}
	pub, sub := connect("pub"), connect("sub")
	sub.sub(t, paho.SubscribeOptions{Topic: "q", QoS: 2})
	const rounds, each = 10, 20
	for round := range rounds {
		for i := range each {
			_, err := pub.PublishWithOptions(t.Context(), &paho.Publish{Topic: "q", QoS: 2, Payload: []byte(strconv.Itoa(round*each + i))},
				paho.PublishOptions{Method: paho.PublishMethod_AsyncSend})
			require.NoError(t, err)
		}
		cut(pub)
		pub = connect("pub")
		require.True(t, pub.ack.SessionPresent)
		cut(sub)
		sub = connect("sub")
		require.True(t, sub.ack.SessionPresent)
	}
	got := map[string]int{}
	for range rounds * each {
		got[text(in.next(t))]++
	}
	require.Len(t, got, rounds*each)
	in.none(t)
	require.Eventually(t, func() bool { return h.Metrics().InFlight == 0 }, patience, 5*time.Millisecond)
}

// TestPahoV5HubRestart ends the hub and starts another one on its port: the clients
// come back and go on.
func TestPahoV5HubRestart(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	resubscribe := func(cfg *autopaho.ClientConfig) {
		cfg.OnConnectionUp = func(m *autopaho.ConnectionManager, _ *paho.Connack) {
			go func() {
				_, _ = m.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "q/#", QoS: 1}}})
			}()
		}
	}
	_, in := auto(t, "tcp://"+h.addr, "sub", resubscribe)
	pub, _ := auto(t, "tcp://"+h.addr, "pub", nil)
	h.seen.await(t, "subscribed", "sub", 1)
	send := func(payload string) {
		require.NoError(t, pub.PublishViaQueue(t.Context(), &autopaho.QueuePublish{
			Publish: &paho.Publish{Topic: "q/x", QoS: 1, Payload: []byte(payload)},
		}))
	}
	send("before")
	require.Equal(t, "before", text(in.next(t)))
	for i := range 2 {
		h.stop()
		h = startHubAt(t, h.addr)
		h.seen.await(t, "subscribed", "sub", 1)
		send(fmt.Sprint("after ", i))
		require.Equal(t, fmt.Sprint("after ", i), text(in.next(t)))
	}
}

func TestPahoV5ManyClients(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	const n = 200
	clients := make([]*v5Client, n)
	for i := range n {
		clients[i] = dialV5(t, h.addr, fmt.Sprint("c", i), func(_ *paho.ClientConfig, c *paho.Connect) {
			c.Properties.ReceiveMaximum = paho.Uint16(100)
		})
	}
	each := func(f func(i int, c *v5Client) error) {
		t.Helper()
		errs := make(chan error, n)
		for i, c := range clients {
			go func() { errs <- f(i, c) }()
		}
		for range n {
			require.NoError(t, <-errs)
		}
	}
	each(func(i int, c *v5Client) error {
		_, err := c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: fmt.Sprint("to/", i), QoS: 1}, {Topic: "to/all", QoS: 2}}})
		return err
	})
	each(func(i int, c *v5Client) error {
		_, err := c.Publish(t.Context(), &paho.Publish{Topic: fmt.Sprint("to/", (i+1)%n), QoS: byte(i % 3), Payload: fmt.Append(nil, "from ", i)})
		return err
	})
	for i, c := range clients {
		require.Equal(t, fmt.Sprint("from ", (i+n-1)%n), text(c.in.next(t)))
	}
	clients[0].say(t, "to/all", "all", 2)
	for _, c := range clients {
		require.Equal(t, "all", text(c.in.next(t)))
	}
}

func TestPahoV5Order(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	pub, sub := dialV5(t, h.addr, "pub"), dialV5(t, h.addr, "sub")
	sub.sub(t, paho.SubscribeOptions{Topic: "order/#", QoS: 2})
	const n = 1000
	for qos := range byte(3) {
		for i := range n {
			_, err := pub.PublishWithOptions(t.Context(), &paho.Publish{Topic: "order/x", QoS: qos, Payload: []byte(strconv.Itoa(i))},
				paho.PublishOptions{Method: paho.PublishMethod_AsyncSend})
			require.NoError(t, err)
		}
		for i := range n {
			m := sub.in.next(t)
			require.Equal(t, strconv.Itoa(i), text(m), "QoS %d", qos)
			require.Equal(t, qos, m.QoS)
		}
	}
	sub.in.none(t)
}

// proof is challenge and response in the manner of SCRAM: the client sends its name
// and a nonce, the hub adds a nonce of its own, the client proves that it knows the
// secret, and the hub proves the same.
type proof struct {
	byPassword
}

const method = "PROOF-SHA-256"

func mac(secret, role, nonces string) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(role + nonces))
	return m.Sum(nil)
}

func (p proof) Exchange(_ context.Context, c *auth.Credentials) (auth.Exchange, error) {
	if c.Method != method {
		return nil, auth.ErrBadMethod
	}
	return &proofRun{users: p.byPassword}, nil
}

type proofRun struct {
	users        byPassword
	name, nonces string
}

func (r *proofRun) Next(_ context.Context, data []byte) ([]byte, *auth.Identity, error) {
	if r.name == "" {
		var nonce string
		r.name, nonce, _ = strings.Cut(string(data), ",")
		r.nonces = nonce + rand.Text()
		return []byte(r.nonces), nil, nil
	}
	secret, ok := r.users[r.name]
	if !ok || !hmac.Equal(data, mac(secret, "client", r.nonces)) {
		return nil, nil, auth.ErrBadCredentials
	}
	return mac(secret, "server", r.nonces), &auth.Identity{Principal: r.name}, nil
}

func (r *proofRun) Close() {}

// prover is the client's side, as paho's AuthHandler.
type prover struct {
	secret, nonce, nonces string
	authenticated         chan struct{}
}

func (p *prover) Authenticate(a *paho.Auth) *paho.Auth {
	p.nonces = string(a.Properties.AuthData)
	return &paho.Auth{ReasonCode: byte(broker.ContinueAuthentication), Properties: &paho.AuthProperties{
		AuthMethod: method, AuthData: mac(p.secret, "client", p.nonces),
	}}
}

func (p *prover) Authenticated() { p.authenticated <- struct{}{} }

func TestPahoV5EnhancedAuthentication(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) { c.Authenticator = proof{byPassword{"ann": "s3cret"}} })
	dial := func(meth, secret string) (*v5Client, *prover, error) {
		nc, err := net.Dial("tcp", h.addr)
		require.NoError(t, err)
		p := &prover{secret: secret, nonce: rand.Text(), authenticated: make(chan struct{}, 10)}
		c, err := connectV5(t, nc, "c", func(cfg *paho.ClientConfig, c *paho.Connect) {
			cfg.AuthHandler = p
			c.Properties.AuthMethod, c.Properties.AuthData = meth, []byte("ann,"+p.nonce)
		})
		return c, p, err
	}
	c, _, err := dial(method, "wrong")
	require.Error(t, err)
	require.Equal(t, broker.BadUserNameOrPassword, broker.ReasonCode(c.ack.ReasonCode))
	c, _, err = dial("UNKNOWN", "s3cret")
	require.Error(t, err)
	require.Equal(t, broker.BadAuthenticationMethod, broker.ReasonCode(c.ack.ReasonCode))

	c, p, err := dial(method, "s3cret")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(p.nonces, p.nonce))
	require.Equal(t, method, c.ack.Properties.AuthMethod)
	require.Equal(t, mac("s3cret", "server", p.nonces), c.ack.Properties.AuthData, "the hub knows the secret too")
	require.Equal(t, "ann", h.client(t, "c").Principal)
	<-p.authenticated
	c.sub(t, paho.SubscribeOptions{Topic: "a", QoS: 1})

	// Again, on the live connection, while messages go on.
	again := &paho.Auth{ReasonCode: byte(broker.ReAuthenticate), Properties: &paho.AuthProperties{AuthMethod: method, AuthData: []byte("ann,again")}}
	r, err := c.Authenticate(t.Context(), again)
	require.NoError(t, err)
	require.True(t, r.Success)
	<-p.authenticated
	c.say(t, "a", "still here", 1)
	require.Equal(t, "still here", text(c.in.next(t)))

	// A failing one ends the connection.
	p.secret = "forgotten"
	r, err = c.Authenticate(t.Context(), again)
	require.NoError(t, err)
	require.False(t, r.Success)
	code, _ := c.awaitLeft(t)
	require.Contains(t, []broker.ReasonCode{broker.NotAuthorized, broker.BadUserNameOrPassword}, code)
	h.seen.await(t, "disconnected", "c", 1)
}
