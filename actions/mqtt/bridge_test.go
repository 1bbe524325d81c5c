package mqtt_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/mqtt"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/hubtest"
	"github.com/thinghub/thinghub/internal/mqttlink"
	"github.com/thinghub/thinghub/internal/servertest"
	"github.com/thinghub/thinghub/rules"
)

// A desk is what a hub's subscriber heard.
type desk struct {
	mu  sync.Mutex
	got []*thinghub.Message
}

func listen(t testing.TB, hub *hubtest.Hub, filter string) *desk {
	t.Helper()
	d := &desk{}
	stop, err := hub.Subscribe(t.Context(), filter, func(m *thinghub.Message) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.got = append(d.got, m)
	})
	require.NoError(t, err)
	t.Cleanup(stop)
	return d
}

func (d *desk) messages() []*thinghub.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*thinghub.Message(nil), d.got...)
}

// bridge joins a hub to a broker, in both directions.
func bridge(t testing.TB, hub *hubtest.Hub, addr string, cfg mqtt.Config, lines ...string) *mqtt.Client {
	t.Helper()
	for _, l := range lines {
		topic, err := mqtt.ParseTopic(l)
		require.NoError(t, err)
		cfg.Topics = append(cfg.Topics, topic)
	}
	c := open(t, addr, cfg)
	for _, r := range c.Rules("bridge_" + cfg.Name + "_") {
		require.NoError(t, hub.Rules().Put(t.Context(), rules.Rule{
			Name: r.Name, SQL: r.SQL, Actions: []actions.Action{r.Action},
			Delivery: rules.Delivery{Retry: actions.Retry{Backoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond}},
		}))
	}
	run(t, c, hub)
	return c
}

// TestBothWays has a hub and a broker exchange everything on a topic, in both directions,
// without a loop.
func TestBothWays(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	hub := hubtest.New(t)
	c := bridge(t, hub, m.Addr, mqtt.Config{Name: "one"}, "dt/# both 2 plant/ far/")
	ready(t, c)
	d := connect(t, at(m.Addr), "far/#")
	here := listen(t, hub, "#")
	const n = 20
	for i := range n {
		d.publish("far/dt/in", fmt.Sprint(i), byte(i%3), "k", "v")
		require.NoError(t, hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "plant/dt/out", Payload: fmt.Append(nil, i), QoS: broker.QoS(i % 3), ContentType: "x"}))
	}
	until(t, "all have both", func() bool { return len(here.messages()) >= 2*n && len(d.received()) >= 2*n })
	d.publish("far/dt/end", "", 1)
	until(t, "the end is there", func() bool { return len(here.messages()) >= 2*n+1 })
	require.NoError(t, hub.Publish(t.Context(), "plant/dt/end2", nil))
	until(t, "the other end is there", func() bool { return len(d.received()) >= 2*n+2 })
	require.Len(t, here.messages(), 2*n+2)
	require.Len(t, d.received(), 2*n+2)
	in, out := 0, 0
	for _, m := range here.messages() {
		if m.Topic != "plant/dt/in" {
			continue
		}
		require.Equal(t, broker.QoS(in%3), m.QoS)
		var user []string
		for k, v := range m.UserProperties() {
			user = append(user, k+"="+v)
		}
		require.Equal(t, []string{"k=v", "thinghub-via=one"}, user)
		in++
	}
	last := map[byte]int{}
	for _, p := range d.received() {
		if p.Topic != "far/dt/out" {
			continue
		}
		i, err := strconv.Atoi(string(p.Payload))
		require.NoError(t, err)
		require.EqualValues(t, i%3, p.QoS)
		require.Equal(t, "x", p.Properties.ContentType)
		require.GreaterOrEqual(t, i, last[p.QoS], "in order")
		last[p.QoS] = i
		out++
	}
	require.Equal(t, n, in)
	require.Equal(t, n, out)
	require.EqualValues(t, n+1, c.Health().Loops, "what came in was offered to go out, and did not")
}

// TestRing joins three hubs and two brokers to a ring, which a message goes round once.
func TestRing(t *testing.T) {
	t.Parallel()
	one, two := mosquitto(t), mosquitto(t)
	a, b := hubtest.New(t), hubtest.New(t)
	var all []*mqtt.Client
	for i, x := range []struct {
		hub  *hubtest.Hub
		addr string
	}{{a, one.Addr}, {a, two.Addr}, {b, one.Addr}, {b, two.Addr}} {
		all = append(all, bridge(t, x.hub, x.addr, mqtt.Config{Name: fmt.Sprint("bridge", i)}, "dt/# both 1"))
	}
	for _, c := range all {
		ready(t, c)
	}
	atA, atB := listen(t, a, "dt/#"), listen(t, b, "dt/#")
	first, second := connect(t, at(one.Addr), "dt/#"), connect(t, at(two.Addr), "dt/#")
	require.NoError(t, a.PublishMessage(t.Context(), &thinghub.Message{Topic: "dt/x", Payload: []byte("round"), QoS: 1}))
	counts := func() [4]int {
		return [4]int{len(atA.messages()), len(atB.messages()), len(first.received()), len(second.received())}
	}
	// Both brokers have it from a, b from both, and each of these copies goes to the other
	// broker, from where it goes no further than to a, whose bridges know it.
	until(t, "everybody has it", func() bool {
		c := counts()
		return c[0] >= 1 && c[1] >= 2 && c[2] >= 2 && c[3] >= 2
	})
	settled := counts()
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if now := counts(); now != settled {
			settled, end = now, time.Now().Add(300*time.Millisecond)
		}
	}
	for _, n := range settled {
		require.LessOrEqual(t, n, 4, "%v: it does not go round and round", settled)
	}
}

// TestHops checks that a loop that user properties do not show ends by the number of hops.
func TestHops(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	hub := hubtest.New(t)
	// A rule sends it out under another name, and another one, at the far end, back in.
	c := bridge(t, hub, m.Addr, mqtt.Config{}, "back/# in 1")
	ready(t, c)
	back := listen(t, hub, "back/#")
	d := connect(t, at(m.Addr), "never")
	d.publish("back/x", "fresh", 1)
	d.publish("back/x", "tired", 1, mqtt.HopsProperty, "200")
	d.publish("back/x", "bad", 1, mqtt.HopsProperty, "lots")
	d.publish("back/x", "wandered", 1, mqtt.ViaProperty, "x", mqtt.ViaProperty, "y")
	until(t, "all came", func() bool { return len(back.messages()) == 4 })
	hops := map[string]int{}
	for _, m := range back.messages() {
		hops[string(m.Payload)] = int(m.Origin.Hops)
	}
	require.Equal(t, map[string]int{"fresh": 0, "tired": 200, "bad": 255, "wandered": 2}, hops)
}

// TestPingPongEnds has two hubs answer each other over a broker, by rules that make new
// messages.
func TestPingPongEnds(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	a, b := hubtest.New(t), hubtest.New(t)
	for _, x := range []struct {
		hub     *hubtest.Hub
		in, out string
	}{{a, "ping", "pong"}, {b, "pong", "ping"}} {
		c := bridge(t, x.hub, m.Addr, mqtt.Config{}, x.in+"/# in 1")
		ready(t, c)
		require.NoError(t, x.hub.Rules().Put(t.Context(), rules.Rule{
			Name: "answer", SQL: "SELECT * FROM '" + x.in + "/#'", Actions: []actions.Action{c.Publish(mqtt.Publish{Topic: x.out + "/x", QoS: 1})},
		}))
	}
	d := connect(t, at(m.Addr), "#")
	d.publish("ping/x", "{}", 1)
	until(t, "somebody drops it", func() bool {
		return a.Rules().Metrics().Rules["answer"].Dropped.Hops+b.Rules().Metrics().Rules["answer"].Dropped.Hops > 0
	})
	require.Less(t, len(d.received()), 30)
}

// TestInbound checks what is retained, and what is refused.
func TestInbound(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	d := connect(t, at(m.Addr))
	require.NoError(t, d.Publish1(t.Context(), &paho.Publish{Topic: "far/state/1", Payload: []byte("old"), QoS: 1, Retain: true}))
	hub := hubtest.New(t)
	c := bridge(t, hub, m.Addr, mqtt.Config{}, `# in 1 "" far/`)
	ready(t, c)
	require.Empty(t, c.Rules("x"), "nothing goes out")
	kept := func() (list []string) {
		for m, err := range hub.Retained(t.Context(), "#") {
			require.NoError(t, err)
			list = append(list, m.Topic+"="+string(m.Payload))
		}
		return list
	}
	until(t, "the retained message is here", func() bool { return len(kept()) == 1 })
	require.NoError(t, d.Publish1(t.Context(), &paho.Publish{Topic: "far/state/1", Payload: []byte("new"), QoS: 1, Retain: true}))
	until(t, "it is replaced", func() bool { return len(kept()) == 1 && kept()[0] == "state/1=new" })
	require.NoError(t, d.Publish1(t.Context(), &paho.Publish{Topic: "far/state/1", QoS: 1, Retain: true}))
	until(t, "it is removed", func() bool { return len(kept()) == 0 })

	// A device at the far end cannot make topics of the hub's.
	all := listen(t, hub, "#")
	own := listen(t, hub, "$aws/#")
	d.publish("far/$aws/things/pump/shadow/update", `{"state":{"reported":{"on":true}}}`, 1)
	d.publish("far/end", "", 1)
	until(t, "the end is here", func() bool { return len(all.messages()) == 1 })
	require.Empty(t, own.messages())
	require.EqualValues(t, 1, c.Health().Rejected)
}

// TestShadowsAcross has devices at the far end update shadows, since the host says so.
func TestShadowsAcross(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	hub := hubtest.New(t)
	c := bridge(t, hub, m.Addr, mqtt.Config{}, "$aws/things/+/shadow/update in 1", "$aws/things/+/shadow/update/accepted out 1")
	ready(t, c)
	d := connect(t, at(m.Addr), "$aws/#")
	d.publish("$aws/things/pump/shadow/update", `{"state":{"reported":{"on":true}}}`, 1)
	until(t, "the answer is there", func() bool { return len(d.received()) == 2 })
	require.Contains(t, d.texts()[1], "$aws/things/pump/shadow/update/accepted=")
}

// TestRestart kills the far broker and starts it again. What the hub sends meanwhile
// arrives, and what the broker has comes in.
func TestRestart(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{Lines: []string{"persistence true", "persistence_location {dir}/"}})
	hub := hubtest.New(t)
	c := bridge(t, hub, m.Addr, mqtt.Config{ClientID: "hub", SessionExpiry: time.Hour}, "cmd/# in 1", "dt/# out 1")
	ready(t, c)
	here := listen(t, hub, "cmd/#")
	d := connect(t, at(m.Addr), "dt/#")
	send := func(n int) {
		require.NoError(t, hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "dt/1", Payload: fmt.Append(nil, n), QoS: 1}))
	}
	send(1)
	until(t, "it arrives", func() bool { return len(d.received()) == 1 })
	m.Stop()
	until(t, "the bridge has noticed", func() bool { return !c.Health().Connected })
	for n := 2; n <= 20; n++ {
		send(n)
	}
	until(t, "the sink is down", func() bool { return c.Sink().Health().Down })
	m.Start()
	until(t, "all arrive", func() bool {
		seen := map[string]bool{}
		for _, s := range d.texts() {
			seen[s] = true
		}
		return len(seen) >= 19 // the device, whose session ended, may miss the first
	})
	ready(t, c)
	require.False(t, c.Sink().Health().Down)
	d.publish("cmd/1", "go", 1)
	until(t, "it comes in", func() bool { return len(here.messages()) == 1 })
}

// TestSession checks that nothing is lost of what is sent while the bridge is away.
func TestSession(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	d := connect(t, at(m.Addr))
	hub := hubtest.New(t)
	cfg := mqtt.Config{ClientID: "hub", SessionExpiry: time.Hour}
	first := bridge(t, hub, m.Addr, cfg, "dt/# in 2")
	ready(t, first)
	require.NoError(t, first.Close())
	for i := range 20 {
		d.publish("dt/1", fmt.Sprint(i), byte(1+i%2))
	}
	here := listen(t, hub, "dt/#")
	second := bridge(t, hub, m.Addr, cfg, "dt/# in 2")
	ready(t, second)
	until(t, "all came", func() bool { return len(here.messages()) >= 20 })
	require.Len(t, here.messages(), 20)
	require.EqualValues(t, 20, second.Health().Received)
}

// A picky hub refuses some messages.
type picky struct {
	mu    sync.Mutex
	calls int
	got   []string
}

func (p *picky) PublishMessage(_ context.Context, m *broker.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	switch {
	case string(m.Payload) == "never":
		return broker.Refuse(broker.NotAuthorized, "no")
	case string(m.Payload) == "later" && p.calls < 4:
		return errors.New("not now")
	}
	p.got = append(p.got, string(m.Payload))
	return nil
}

func TestHubThatRefuses(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	topic, err := mqtt.ParseTopic("dt in 1")
	require.NoError(t, err)
	c := open(t, m.Addr, mqtt.Config{Topics: []mqtt.Topic{topic}})
	hub := &picky{}
	run(t, c, hub)
	ready(t, c)
	require.ErrorContains(t, c.Run(t.Context(), hub), "runs already")
	d := connect(t, mqttlink.Config{URL: "mqtt://" + m.Addr})
	for _, s := range []string{"never", "later", "last"} {
		d.publish("dt", s, 1)
	}
	until(t, "all are done", func() bool {
		hub.mu.Lock()
		defer hub.mu.Unlock()
		return len(hub.got) == 2
	})
	require.Equal(t, []string{"later", "last"}, hub.got)
	require.EqualValues(t, 1, c.Health().Rejected)
	require.EqualValues(t, 2, c.Health().Received)
}
