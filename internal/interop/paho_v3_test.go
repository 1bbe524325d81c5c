package interop_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/broker"
)

// A v3Client is a paho client for MQTT 3.1.1 whose link the test can cut.
type v3Client struct {
	mqtt.Client
	in      inbox[mqtt.Message]
	lost    chan error
	present bool
	nc      net.Conn
}

type v3Option = func(*mqtt.ClientOptions)

// newV3 prepares a client for a URL, without connecting it.
func newV3(url, id string, changes ...v3Option) *v3Client {
	c := &v3Client{in: newInbox[mqtt.Message](), lost: make(chan error, 1)}
	o := mqtt.NewClientOptions().AddBroker(url).SetClientID(id).SetProtocolVersion(4).SetAutoReconnect(false).
		SetConnectTimeout(patience).SetWriteTimeout(patience).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { c.in.put(m) }).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { c.lost <- err })
	for _, change := range changes {
		change(o)
	}
	c.Client = mqtt.NewClient(o)
	return c
}

func dialV3(t *testing.T, url, id string, changes ...v3Option) *v3Client {
	t.Helper()
	c := newV3(url, id, changes...)
	tok := c.Connect()
	done(t, tok)
	c.present = tok.(*mqtt.ConnectToken).SessionPresent()
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

// cut makes the client's connection one that c.nc.Close cuts without DISCONNECT.
func cut(c **v3Client, addr string) v3Option {
	return func(o *mqtt.ClientOptions) {
		o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
			nc, err := net.Dial("tcp", addr)
			(*c).nc = nc
			return nc, err
		})
	}
}

// dialCuttable connects a client whose link can be cut with nc.Close.
func dialCuttable(t *testing.T, h *testHub, id string, changes ...v3Option) *v3Client {
	t.Helper()
	var c *v3Client
	c = newV3("tcp://"+h.addr, id, append(changes, cut(&c, h.addr))...)
	tok := c.Connect()
	done(t, tok)
	c.present = tok.(*mqtt.ConnectToken).SessionPresent()
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func persistent(o *mqtt.ClientOptions) { o.SetCleanSession(false) }

// done waits for a token.
func done(t *testing.T, tok mqtt.Token) {
	t.Helper()
	require.True(t, tok.WaitTimeout(patience), "no answer")
	require.NoError(t, tok.Error())
}

func (c *v3Client) pub(t *testing.T, name, payload string, qos byte, retain bool) {
	t.Helper()
	done(t, c.Publish(name, qos, retain, payload))
}

// sub subscribes and returns the granted QoS.
func (c *v3Client) sub(t *testing.T, filter string, qos byte) byte {
	t.Helper()
	tok := c.Subscribe(filter, qos, nil)
	require.True(t, tok.WaitTimeout(patience))
	return tok.(*mqtt.SubscribeToken).Result()[filter]
}

func (c *v3Client) awaitLost(t *testing.T) {
	t.Helper()
	select {
	case err := <-c.lost:
		require.Error(t, err)
	case <-time.After(patience):
		require.FailNow(t, "the connection was not lost")
	}
}

func TestPahoV3Transports(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	h := startHub(t)
	for name, url := range h.endpoints(t, p) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dialV3(t, url, "c-"+name, func(o *mqtt.ClientOptions) { o.SetTLSConfig(p.clientConfig()) })
			require.Equal(t, name, h.client(t, "c-"+name).Transport)
			require.Equal(t, byte(4), h.client(t, "c-"+name).ProtocolVersion)

			// From client to host.
			host := h.hear(t, name+"/up/#")
			for qos := range byte(3) {
				c.pub(t, name+"/up", fmt.Sprint("up ", qos), qos, false)
				m := host.next(t)
				require.Equal(t, fmt.Sprint("up ", qos), string(m.Payload))
				require.Equal(t, broker.QoS(qos), m.QoS)
				require.NotNil(t, m.Origin.RemoteAddr)
				require.Equal(t, broker.Origin{
					Source: broker.FromClient, ClientID: "c-" + name, Principal: "anonymous", RemoteAddr: m.Origin.RemoteAddr,
				}, m.Origin)
			}
			// From host to client, and from client to client: the lower QoS counts.
			for granted := range byte(3) {
				filter := fmt.Sprintf("%s/down/%d", name, granted)
				require.Equal(t, granted, c.sub(t, filter, granted))
				for qos := range byte(3) {
					h.say(t, filter, "host", broker.QoS(qos))
					c.pub(t, filter, "client", qos, false)
					for _, from := range []string{"host", "client"} {
						m := c.in.next(t)
						require.Equal(t, from, string(m.Payload()))
						require.Equal(t, filter, m.Topic())
						require.Equal(t, min(granted, qos), m.Qos())
						require.False(t, m.Retained())
						require.False(t, m.Duplicate())
					}
				}
			}
			// Large ones both ways.
			require.Equal(t, byte(2), c.sub(t, name+"/large", 2))
			done(t, c.Publish(name+"/large", 2, false, huge))
			require.Equal(t, huge, c.in.next(t).Payload())
			done(t, c.Unsubscribe(name+"/large"))
			c.pub(t, name+"/large", "nobody hears it", 1, false)
			c.in.none(t)
		})
	}
}

func TestPahoV3Order(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	pub, sub := dialV3(t, "tcp://"+h.addr, "pub"), dialV3(t, "tcp://"+h.addr, "sub")
	const n = 1000
	for qos := range byte(3) {
		name := fmt.Sprint("order/", qos)
		require.Equal(t, qos, sub.sub(t, name, qos))
		var last mqtt.Token
		for i := range n {
			last = pub.Publish(name, qos, false, strconv.Itoa(i))
		}
		done(t, last)
		for i := range n {
			m := sub.in.next(t)
			require.Equal(t, strconv.Itoa(i), string(m.Payload()), "QoS %d", qos)
			require.Equal(t, qos, m.Qos())
		}
	}
	sub.in.none(t) // nothing twice
}

func TestPahoV3Wildcards(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	c := dialV3(t, "tcp://"+h.addr, "c")
	for _, tc := range []struct {
		filter  string
		yes, no []string
	}{
		{filter: "a/+/c", yes: []string{"a/b/c", "a//c"}, no: []string{"a/c", "a/b/c/d", "A/b/c"}},
		{filter: "a/#", yes: []string{"a", "a/b", "a/b/c/d"}, no: []string{"b/a", "aa"}},
		{filter: "#", yes: []string{"x", "/"}, no: []string{"$internal/x"}},
		{filter: "+/+", yes: []string{"/finance"}, no: []string{"finance", "$x/y"}},
	} {
		require.Equal(t, byte(1), c.sub(t, tc.filter, 1))
		for _, name := range tc.no {
			h.say(t, name, "no", broker.AtLeastOnce)
		}
		for _, name := range tc.yes {
			h.say(t, name, "yes", broker.AtLeastOnce)
			require.Equal(t, name, c.in.next(t).Topic(), "filter %s", tc.filter)
		}
		done(t, c.Unsubscribe(tc.filter))
	}
	c.in.none(t)
}

func TestPahoV3Retained(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	pub := dialV3(t, "tcp://"+h.addr, "pub")
	early := dialV3(t, "tcp://"+h.addr, "early")
	early.sub(t, "r/#", 2)
	for qos := range byte(3) {
		name := fmt.Sprint("r/", qos)
		pub.pub(t, name, "first", qos, true)
		pub.pub(t, name, "second", qos, true)
		for _, want := range []string{"first", "second"} {
			m := early.in.next(t)
			require.Equal(t, want, string(m.Payload()))
			require.False(t, m.Retained(), "a live message is not marked")
		}
	}
	late := dialV3(t, "tcp://"+h.addr, "late")
	late.sub(t, "r/+", 1)
	got := map[string]byte{}
	for range 3 {
		m := late.in.next(t)
		require.True(t, m.Retained())
		require.Equal(t, "second", string(m.Payload()))
		got[m.Topic()] = m.Qos()
	}
	require.Equal(t, map[string]byte{"r/0": 0, "r/1": 1, "r/2": 1}, got)

	pub.pub(t, "r/0", "", 0, true)
	pub.pub(t, "r/1", "", 1, true)
	pub.pub(t, "r/2", "", 2, true)
	none := dialV3(t, "tcp://"+h.addr, "none")
	none.sub(t, "#", 2)
	none.in.none(t)
}

func TestPahoV3Will(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	watch := dialV3(t, "tcp://"+h.addr, "watch")
	watch.sub(t, "will/#", 2)
	for qos := range byte(3) {
		name := fmt.Sprint("will/", qos)
		will := func(o *mqtt.ClientOptions) { o.SetBinaryWill(name, []byte{0, byte(qos), 0xff}, qos, qos == 2) }

		dialV3(t, "tcp://"+h.addr, "polite", will).Disconnect(250)
		h.seen.await(t, "disconnected", "polite", int(qos)+1)
		watch.in.none(t)

		c := dialCuttable(t, h, "cut", will)
		require.NoError(t, c.nc.Close())
		m := watch.in.next(t)
		require.Equal(t, name, m.Topic())
		require.Equal(t, []byte{0, byte(qos), 0xff}, m.Payload())
		require.Equal(t, qos, m.Qos())
		require.False(t, m.Retained())
	}
	late := dialV3(t, "tcp://"+h.addr, "late")
	late.sub(t, "will/#", 0)
	require.True(t, late.in.next(t).Retained())
	late.in.none(t)

	// A take-over is no polite end.
	old := dialV3(t, "tcp://"+h.addr, "twin", func(o *mqtt.ClientOptions) { o.SetWill("will/twin", "old", 1, false) })
	twin := dialV3(t, "tcp://"+h.addr, "twin")
	require.Equal(t, "old", string(watch.in.next(t).Payload()))
	old.awaitLost(t)
	require.Equal(t, broker.SessionTakenOver, broker.ReasonOf(h.seen.await(t, "disconnected", "twin", 1).cause))
	twin.pub(t, "will/alive", "yes", 1, false)
	require.Equal(t, "will/alive", watch.in.next(t).Topic())
}

func TestPahoV3PersistentSession(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	url := "tcp://" + h.addr
	pub := dialV3(t, url, "pub")
	sub := dialV3(t, url, "sub", persistent)
	require.False(t, sub.present)
	sub.sub(t, "q/1/#", 1)
	sub.sub(t, "q/2/#", 2)
	sub.Disconnect(250)
	h.seen.await(t, "disconnected", "sub", 1)

	const n = 60
	for i := range n {
		pub.pub(t, fmt.Sprintf("q/%d/x", 1+i%2), strconv.Itoa(i), byte(1+i%2), false)
	}
	pub.pub(t, "q/1/x", "QoS 0 is not kept", 0, false)

	sub = dialV3(t, url, "sub", persistent)
	require.True(t, sub.present)
	for i := range n {
		m := sub.in.next(t)
		require.Equal(t, strconv.Itoa(i), string(m.Payload()))
		require.Equal(t, byte(1+i%2), m.Qos())
		require.False(t, m.Duplicate())
	}
	pub.pub(t, "q/1/x", "live", 0, false) // still subscribed
	require.Equal(t, "live", string(sub.in.next(t).Payload()))
	done(t, sub.Unsubscribe("q/1/#"))
	sub.Disconnect(250)
	h.seen.await(t, "disconnected", "sub", 2)
	pub.pub(t, "q/1/x", "unsubscribed", 1, false)
	pub.pub(t, "q/2/x", "kept", 2, false)

	sub = dialV3(t, url, "sub", persistent)
	require.Equal(t, "kept", string(sub.in.next(t).Payload()))
	sub.Disconnect(250)
	h.seen.await(t, "disconnected", "sub", 3)
	pub.pub(t, "q/2/x", "discarded", 2, false)

	sub = dialV3(t, url, "sub") // clean
	require.False(t, sub.present)
	pub.pub(t, "q/2/x", "nobody subscribed", 2, false)
	sub.in.none(t)
	sub.Disconnect(250)
	sub = dialV3(t, url, "sub", persistent)
	require.False(t, sub.present, "a clean session leaves nothing behind")
}

// TestPahoV3Redelivery cuts the link of a client that has received messages and
// acknowledged none.
func TestPahoV3Redelivery(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	noAck := func(o *mqtt.ClientOptions) { o.SetCleanSession(false).SetAutoAckDisabled(true) }
	sub := dialCuttable(t, h, "sub", noAck)
	sub.sub(t, "q/#", 2)
	for i := range 10 {
		h.say(t, "q/x", strconv.Itoa(i), broker.QoS(1+i%2))
	}
	for i := range 10 {
		m := sub.in.next(t)
		require.Equal(t, strconv.Itoa(i), string(m.Payload()))
		require.False(t, m.Duplicate())
	}
	require.Equal(t, 10, h.client(t, "sub").InFlight)
	require.NoError(t, sub.nc.Close())
	h.seen.await(t, "disconnected", "sub", 1)
	h.say(t, "q/x", "10", broker.AtLeastOnce)

	again := dialCuttable(t, h, "sub", persistent)
	require.True(t, again.present)
	for i := range 11 {
		m := again.in.next(t)
		require.Equal(t, strconv.Itoa(i), string(m.Payload()))
		require.Equal(t, i < 10, m.Duplicate())
	}
	await(t, "acknowledgements", func() error {
		if n := h.client(t, "sub").InFlight; n > 0 {
			return fmt.Errorf("%d in flight", n)
		}
		return nil
	})
	require.NoError(t, again.nc.Close())
	h.seen.await(t, "disconnected", "sub", 2)
	last := dialV3(t, "tcp://"+h.addr, "sub", persistent)
	last.in.none(t)
}

// TestPahoV3Resend cuts the link of a publisher again and again: every message
// arrives. Not exactly once, whatever its QoS: paho forgets a PUBREC when the link
// is cut and publishes again what it has released.
func TestPahoV3Resend(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	host := h.hear(t, "q/#")
	var mu sync.Mutex
	var nc *net.TCPConn
	c := dialV3(t, "tcp://"+h.addr, "pub", persistent, func(o *mqtt.ClientOptions) {
		o.SetAutoReconnect(true).SetMaxReconnectInterval(20 * time.Millisecond).SetConnectionLostHandler(nil)
		o.SetStore(mqtt.NewOrderedMemoryStore())
		o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			c, err := net.Dial("tcp", h.addr)
			nc, _ = c.(*net.TCPConn)
			return c, err
		})
	})
	const n = 100
	for i := range n {
		tok := c.Publish("q/x", byte(1+i%2), false, strconv.Itoa(i))
		if i%10 == 5 {
			mu.Lock()
			_, _ = nc.CloseRead(), nc.CloseWrite() // to paho, a Close of ours would be its own
			mu.Unlock()
		}
		await(t, "an acknowledgement", func() error {
			err := mqtt.WaitTokenTimeout(tok, patience)
			if err != nil { // it gives up what it was writing just then
				tok = c.Publish("q/x", 1, false, strconv.Itoa(i))
			}
			return err
		})
	}
	got := map[string]bool{}
	for len(got) < n {
		got[string(host.next(t).Payload)] = true
	}
	require.GreaterOrEqual(t, len(h.seen.events("connected", "pub")), 10)
}

func TestPahoV3ManyClients(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	const n = 200
	clients := make([]*v3Client, n)
	each := func(f func(i int, c *v3Client) error) {
		t.Helper()
		errs := make(chan error, n)
		for i := range n {
			go func() { errs <- f(i, clients[i]) }()
		}
		for range n {
			require.NoError(t, <-errs)
		}
	}
	wait := func(tok mqtt.Token) error { return mqtt.WaitTokenTimeout(tok, patience) }
	for i := range n {
		clients[i] = newV3("tcp://"+h.addr, fmt.Sprint("c", i))
	}
	each(func(_ int, c *v3Client) error { return wait(c.Connect()) })
	t.Cleanup(func() {
		for _, c := range clients {
			c.Disconnect(0)
		}
	})
	require.Len(t, h.Clients(), n)
	each(func(i int, c *v3Client) error {
		return wait(c.SubscribeMultiple(map[string]byte{fmt.Sprint("to/", i): 1, "to/all": 2}, nil))
	})
	// Everybody writes to the neighbour, then one to all.
	each(func(i int, c *v3Client) error {
		return wait(c.Publish(fmt.Sprint("to/", (i+1)%n), byte(i%3), false, fmt.Sprint("from ", i)))
	})
	for i, c := range clients {
		m := c.in.next(t)
		require.Equal(t, fmt.Sprint("from ", (i+n-1)%n), string(m.Payload()))
	}
	done(t, clients[0].Publish("to/all", 2, false, "all"))
	for _, c := range clients {
		m := c.in.next(t)
		require.Equal(t, "all", string(m.Payload()))
		require.Equal(t, byte(2), m.Qos())
	}
}

func TestPahoV3ClientCertificate(t *testing.T) {
	t.Parallel()
	p, other := newPKI(t), newPKI(t)
	h := startHub(t, func(c *thinghub.Config) { c.Authenticator = byCertificate{} })
	addr := h.serveTLS(t, p.serverConfig(tls.RequireAndVerifyClientCert))
	web := h.serveHTTP(t, p.serverConfig(tls.RequireAndVerifyClientCert))

	for id, url := range map[string]string{"by-tls": "tls://" + addr, "by-wss": "wss://" + web + "/mqtt"} {
		c := dialV3(t, url, id, func(o *mqtt.ClientOptions) { o.SetTLSConfig(p.clientConfig(p.client)) })
		require.Equal(t, "pump-1", h.client(t, id).Principal)
		c.sub(t, "a", 1)
		c.pub(t, "a", "hello", 1, false)
		require.Equal(t, "hello", string(c.in.next(t).Payload()))
		done(t, c.Unsubscribe("a"))
		for name, cfg := range map[string]*tls.Config{
			"without a certificate":              p.clientConfig(),
			"with one of another authority":      p.clientConfig(other.client),
			"that does not know our certificate": other.clientConfig(p.client),
		} {
			tok := newV3(url, "nobody", func(o *mqtt.ClientOptions) { o.SetTLSConfig(cfg) }).Connect()
			require.True(t, tok.WaitTimeout(patience))
			require.Error(t, tok.Error(), "a client %s", name)
		}
	}
	// The plain listener asks for the certificate just the same.
	tok := newV3("tcp://"+h.addr, "plain").Connect()
	require.True(t, tok.WaitTimeout(patience))
	require.ErrorIs(t, tok.Error(), packets.ErrorRefusedBadUsernameOrPassword)
}

func TestPahoV3Refusals(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(c *thinghub.Config) {
		c.Authenticator, c.Authorizer = byPassword{"ann": "right", "": ""}, exceptSecret{}
		c.Gateway.MaxClientIDBytes = 10
	})
	for _, tc := range []struct {
		name, id, user, password string
		version                  uint
		want                     error
	}{
		{"wrong password", "c", "ann", "wrong", 4, packets.ErrorRefusedBadUsernameOrPassword},
		{"unknown user", "c", "eve", "", 4, packets.ErrorRefusedNotAuthorised},
		{"client id denied", "secret", "ann", "right", 4, packets.ErrorRefusedNotAuthorised},
		{"client id too long", "c1234567890", "ann", "right", 4, packets.ErrorRefusedIDRejected},
		{"MQTT 3.1", "c", "ann", "right", 3, packets.ErrorRefusedBadProtocolVersion},
	} {
		tok := newV3("tcp://"+h.addr, tc.id, func(o *mqtt.ClientOptions) {
			o.SetUsername(tc.user).SetPassword(tc.password).SetProtocolVersion(tc.version)
		}).Connect()
		require.True(t, tok.WaitTimeout(patience))
		require.ErrorIs(t, tok.Error(), tc.want, tc.name)
	}
	c := dialV3(t, "tcp://"+h.addr, "c", func(o *mqtt.ClientOptions) { o.SetUsername("ann").SetPassword("right") })
	require.Equal(t, byte(0x80), c.sub(t, "secret", 1))
	require.Equal(t, byte(1), c.sub(t, "#", 1))
	c.pub(t, "secret", "denied", 1, false) // acknowledged, as 3.1.1 has no other answer
	c.pub(t, "public", "allowed", 1, false)
	require.Equal(t, "public", c.in.next(t).Topic())
	h.say(t, "secret", "Receive is denied", broker.AtLeastOnce)
	c.in.none(t)
	require.Equal(t, uint64(1), h.Metrics().Dropped[broker.DropDenied.String()])
	require.Equal(t, uint64(1), h.Metrics().RefusedPublishes[broker.NotAuthorized])
}

// TestPahoV3KeepAlive checks that pings keep a silent client connected, and that one
// that stops pinging is dropped, with its will.
func TestPahoV3KeepAlive(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	watch := dialV3(t, "tcp://"+h.addr, "watch", func(o *mqtt.ClientOptions) { o.SetKeepAlive(time.Second) })
	watch.sub(t, "will", 1)
	nc, err := net.Dial("tcp", h.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.ClientIdentifier, p.CleanSession, p.Keepalive = "MQTT", 4, "dead", true, 1
	p.WillFlag, p.WillTopic, p.WillMessage, p.WillQos = true, "will", []byte("dead"), 1
	require.NoError(t, p.Write(nc))
	start := time.Now()
	require.Equal(t, "dead", string(watch.in.next(t).Payload()))
	require.Greater(t, time.Since(start), 1400*time.Millisecond)
	require.Equal(t, broker.KeepAliveTimeout, broker.ReasonOf(h.seen.await(t, "disconnected", "dead", 1).cause))
	require.True(t, watch.IsConnectionOpen())
	require.Empty(t, h.seen.events("disconnected", "watch"))
}

// TestPahoV3Assigned connects without a client id.
func TestPahoV3Assigned(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	a, b := dialV3(t, "tcp://"+h.addr, ""), dialV3(t, "tcp://"+h.addr, "")
	require.Len(t, h.Clients(), 2)
	b.sub(t, "a", 0)
	a.pub(t, "a", "hello", 0, false)
	require.Equal(t, "hello", string(b.in.next(t).Payload()))
	tok := newV3("tcp://"+h.addr, "", persistent).Connect()
	require.True(t, tok.WaitTimeout(patience))
	require.ErrorIs(t, tok.Error(), packets.ErrorRefusedIDRejected)
}
