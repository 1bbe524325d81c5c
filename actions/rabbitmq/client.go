package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/thinghub/thinghub/actions"
)

// Config configures a [Client].
type Config struct {
	// Sink has the name by which rules call the client, and its circuit breaker. Its
	// kind is always "rabbitmq".
	Sink actions.SinkConfig
	// URL is amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps:// for TLS. Characters that
	// have a meaning in URLs are escaped in user, password and vhost.
	URL string
	// TLS is for amqps. Nil: the system's authorities.
	TLS *tls.Config
	// Connections is how many there are at most. A call has one for itself. Default 4.
	Connections int
}

const (
	defaultConnections = 4
	// dialTime bounds how long it takes to connect.
	dialTime = 10 * time.Second
	// closeTime bounds how long it takes to say goodbye.
	closeTime = 2 * time.Second
)

var (
	errClosed  = errors.New("rabbitmq: the client is closed")
	errBlocked = errors.New("rabbitmq: the broker takes no messages because it is short of memory or disk space")
)

// A Client has connections to RabbitMQ, for all actions that write there. They are made
// when they are needed, again too. Its methods may be called concurrently.
type Client struct {
	cfg   Config
	sink  *actions.Sink
	slots chan struct{} // whoever has one may use a session

	mu      sync.Mutex
	idle    []*session
	open    map[*session]struct{}
	blocked int // sessions whose broker takes nothing
	closed  bool
}

// Open returns a client. It does not connect yet, so the broker may be down.
func Open(cfg Config) (*Client, error) {
	if _, err := amqp.ParseURI(cfg.URL); err != nil {
		// The error may show the password.
		return nil, errors.New("rabbitmq: Config.URL is not valid, expected amqp://USER:PASSWORD@HOST:PORT/VHOST or amqps://")
	}
	if cfg.Connections <= 0 {
		cfg.Connections = defaultConnections
	}
	cfg.Sink.Kind = kind
	return &Client{
		cfg: cfg, sink: actions.NewSink(cfg.Sink), slots: make(chan struct{}, cfg.Connections), open: map[*session]struct{}{},
	}, nil
}

// Close closes the connections. Actions fail afterwards.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	idle := c.idle
	c.idle = nil
	for _, s := range idle {
		delete(c.open, s)
	}
	for s := range c.open {
		s.kill()
	}
	c.mu.Unlock()
	for _, s := range idle {
		_ = s.conn.CloseDeadline(time.Now().Add(closeTime))
	}
	return nil
}

// Sink is how the broker is.
func (c *Client) Sink() *actions.Sink { return c.sink }

// Action returns a as an action that writes with this client. What is wrong with it is
// said by its Check, when the rule is put.
func (c *Client) Action(a Action) *Action {
	a.client = c
	return &a
}

// Kinds returns the decoder of "rabbitmq" for rules.Config.Kinds. An action in JSON names
// one of the clients as "sink"; if there is one only, it need not.
func Kinds(clients ...*Client) map[string]actions.Decoder {
	return map[string]actions.Decoder{kind: func(parameters []byte) (actions.Action, error) {
		o := actions.ReadObject(parameters)
		a := decode(o)
		if err := o.Done(); err != nil {
			return nil, err
		}
		c, err := actions.SinkNamed(clients, a.SinkName)
		if err != nil {
			return nil, err
		}
		bound := c.Action(a)
		return bound, bound.Check()
	}}
}

// get returns a session that is open, which may mean to connect.
func (c *Client) get(ctx context.Context) (*session, error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s, err := c.take()
	if err == nil && s == nil {
		s, err = c.dial(ctx)
	}
	if err != nil {
		<-c.slots
		return nil, err
	}
	return s, nil
}

// take returns an idle session, nil if there is none.
func (c *Client) take() (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, errClosed
	case c.blocked > 0:
		return nil, errBlocked
	}
	for len(c.idle) > 0 {
		last := len(c.idle) - 1
		s := c.idle[last]
		c.idle = c.idle[:last]
		if !s.conn.IsClosed() {
			return s, nil
		}
		delete(c.open, s)
	}
	return nil, nil
}

// put takes a session back.
func (c *Client) put(s *session) {
	defer func() { <-c.slots }()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || s.conn.IsClosed() {
		s.kill()
		delete(c.open, s)
		return
	}
	c.idle = append(c.idle, s)
}

// dial makes a session.
func (c *Client) dial(ctx context.Context) (*session, error) {
	s, err := connect(ctx, c)
	if err != nil {
		if ctx.Err() != nil {
			return nil, noAnswer(ctx)
		}
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		s.kill()
		return nil, errClosed
	}
	c.open[s] = struct{}{}
	return s, nil
}
