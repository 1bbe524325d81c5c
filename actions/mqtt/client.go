package mqtt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/mqttlink"
)

// The user properties that messages get when they cross a bridge.
const (
	// ViaProperty is there once for each bridge that a message has crossed, with its name.
	ViaProperty = "thinghub-via"
	// HopsProperty says how often a message led to another one, if that is more than once.
	HopsProperty = "thinghub-hops"
)

// A Publisher is the hub that messages come in to: a *thinghub.Hub is one. Its error is
// retried for some seconds, unless it is a refusal ([broker.ReasonOf]).
type Publisher interface {
	PublishMessage(ctx context.Context, m *broker.Message) error
}

// A Client is a connection to one broker. It connects when it is opened, and again whenever
// the connection breaks. All methods are safe for concurrent use.
type Client struct {
	cfg   Config
	sink  *actions.Sink
	link  *mqttlink.Link
	begun chan struct{} // closed when there is a link

	mu      sync.Mutex
	hub     Publisher     // nil while nobody runs
	changed chan struct{} // closed when that changes

	received, refused, loops, skipped atomic.Uint64
}

// Open makes a client. It does not need the broker to be there. The error names the field
// of cfg that is wrong.
func Open(cfg Config) (*Client, error) {
	cfg, link, err := cfg.check()
	if err != nil {
		return nil, fmt.Errorf("mqtt: Config.%w", err)
	}
	c := &Client{cfg: cfg, begun: make(chan struct{}), changed: make(chan struct{})}
	cfg.Sink.Kind = kind
	if cfg.Sink.Probe == nil {
		cfg.Sink.Probe = func(ctx context.Context) error {
			<-c.begun
			return c.link.Await(ctx, false)
		}
	}
	c.sink = actions.NewSink(cfg.Sink)
	link.Up = c.up
	for i := range cfg.Topics {
		if cfg.Topics[i].in() {
			link.Handle = c.handle
		}
	}
	if c.link, err = mqttlink.Open(link); err != nil {
		return nil, fmt.Errorf("mqtt: Config.%w", err)
	}
	close(c.begun)
	return c, nil
}

const closingTime = 5 * time.Second

// Close ends the connection. What is under way fails.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closingTime)
	defer cancel()
	return c.link.Close(ctx)
}

// Sink is the far broker with its health.
func (c *Client) Sink() *actions.Sink { return c.sink }

// Health says how a [Client] is.
type Health struct {
	// Connected says that there is a connection; Ready that all subscriptions are made
	// besides.
	Connected, Ready bool
	// Since is when Connected changed last.
	Since time.Time
	// Err is why there is no connection, or why there was none the last time, at ErrAt.
	Err   error
	ErrAt time.Time
	// Connections is how many were made.
	Connections uint64
	// Sent is how many messages the broker has taken, Refused how many it has refused.
	Sent, Refused uint64
	// Received is how many messages came in and were taken by the hub, Rejected how many
	// it has refused or could not get, Dropped how many with QoS 0 found Config.MaxQueued
	// waiting, Repeated how many came again after a connection broke and had been taken.
	Received, Rejected, Dropped, Repeated uint64
	// Loops is how many messages came in, or were to go out, that had crossed the bridge
	// before, and did not again.
	Loops uint64
}

// Health returns how the client is now.
func (c *Client) Health() Health {
	h := c.link.Health()
	return Health{
		Connected: h.Connected, Ready: h.Ready, Since: h.Since, Err: h.Err, ErrAt: h.ErrAt, Connections: h.Connections, Sent: h.Sent, Refused: h.Refused,
		Received: c.received.Load(), Rejected: c.refused.Load() + h.Failed, Dropped: h.Dropped, Repeated: h.Repeated, Loops: c.loops.Load() + c.skipped.Load(),
	}
}

// Ready waits until the client is connected and all subscriptions are made.
func (c *Client) Ready(ctx context.Context) error { return c.link.Await(ctx, true) }

// Run brings what comes in by Config.Topics to a hub until ctx ends, when the client is to
// be closed: the subscriptions are made when it begins and stay. One Run may be under way.
func (c *Client) Run(ctx context.Context, hub Publisher) error {
	c.mu.Lock()
	if c.hub != nil {
		c.mu.Unlock()
		return errors.New("mqtt: the client runs already")
	}
	c.set(hub)
	c.mu.Unlock()
	<-ctx.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(nil)
	return nil
}

// set tells of another hub. c.mu is held.
func (c *Client) set(hub Publisher) {
	c.hub = hub
	close(c.changed)
	c.changed = make(chan struct{})
}

// await waits until somebody runs.
func (c *Client) await(ctx context.Context) (Publisher, error) {
	for {
		c.mu.Lock()
		hub, changed := c.hub, c.changed
		c.mu.Unlock()
		if hub != nil {
			return hub, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// up subscribes, once somebody runs. Retained messages come if the subscription is a new
// one of the session.
func (c *Client) up(ctx context.Context, _ bool) error {
	<-c.begun
	var filters []paho.SubscribeOptions
	for i := range c.cfg.Topics {
		if t := &c.cfg.Topics[i]; t.in() {
			filters = append(filters, paho.SubscribeOptions{Topic: t.remote(), QoS: t.QoS, NoLocal: true, RetainAsPublished: true, RetainHandling: 1})
		}
	}
	if len(filters) == 0 {
		return nil
	}
	if _, err := c.await(ctx); err != nil {
		return err
	}
	return c.link.Subscribe(ctx, mqttlink.Subscription{Filters: filters})
}

// handle brings a message in. An error means: not now.
func (c *Client) handle(ctx context.Context, p *paho.Publish) error {
	var t *Topic
	local, ok := "", false
	for i := range c.cfg.Topics {
		if t = &c.cfg.Topics[i]; t.in() {
			if local, ok = t.toLocal(p.Topic); ok {
				break
			}
		}
	}
	if !ok { // of a session that was once another's, or a topic that is not to be made
		c.refused.Add(1)
		return nil
	}
	hub, err := c.await(ctx)
	if err != nil {
		return err
	}
	m, hops, again := c.message(p, local)
	if again {
		c.loops.Add(1)
		return nil
	}
	m.QoS = min(m.QoS, broker.QoS(t.QoS)) // which the broker has seen to
	if err := m.Validate(); err != nil {
		c.refused.Add(1)
		return nil
	}
	err = hub.PublishMessage(actions.WithHops(ctx, hops), m)
	switch {
	case err == nil || errors.Is(err, broker.ErrNotRetained):
		c.received.Add(1)
		return nil
	case ctx.Err() == nil && refusals[broker.ReasonOf(err)]:
		c.refused.Add(1)
		return nil
	}
	return err
}

// refusals are the reasons of errors that would be the same again.
var refusals = map[broker.ReasonCode]bool{
	broker.NotAuthorized: true, broker.TopicNameInvalid: true, broker.QuotaExceeded: true, broker.PayloadFormatInvalid: true,
	broker.PacketTooLarge: true, broker.RetainNotSupported: true, broker.QoSNotSupported: true,
}

// message makes the hub's message of one that came in; again says that it has crossed this
// bridge before.
func (c *Client) message(p *paho.Publish, local string) (m *broker.Message, hops uint8, again bool) {
	bridges := 0
	m = &broker.Message{Topic: local, Payload: p.Payload, QoS: broker.QoS(p.QoS), Retain: p.Retain}
	if pr := p.Properties; pr != nil {
		m.ContentType, m.ResponseTopic, m.CorrelationData = pr.ContentType, pr.ResponseTopic, pr.CorrelationData
		if pr.PayloadFormat != nil {
			m.PayloadFormat = broker.FormatBytes
			if *pr.PayloadFormat == 1 {
				m.PayloadFormat = broker.FormatUTF8
			}
		}
		if pr.MessageExpiry != nil {
			m.Expires = time.Now().Add(time.Duration(*pr.MessageExpiry) * time.Second)
		}
		for _, u := range pr.User {
			switch u.Key {
			case HopsProperty:
				n, err := strconv.ParseUint(u.Value, 10, 64)
				if err != nil || n > math.MaxUint8 {
					n = math.MaxUint8
				}
				hops = max(hops, uint8(n))
				continue
			case ViaProperty:
				bridges++
				again = again || u.Value == c.cfg.Name
			}
			m.AddUserProperty(u.Key, u.Value)
		}
	}
	m.AddUserProperty(ViaProperty, c.cfg.Name)
	return m, max(hops, uint8(min(bridges, math.MaxUint8))), again
}
