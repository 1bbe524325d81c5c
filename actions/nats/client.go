package nats

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thinghub/thinghub/actions"
)

// Config configures a [Client].
type Config struct {
	// Sink has the name by which rules call the client, and its circuit breaker. Its
	// kind is always "nats".
	Sink actions.SinkConfig
	// Servers are the URLs of a cluster's servers, such as "nats://10.0.0.7:4222" or
	// "tls://nats.example.com".
	Servers []string
	// Options are those of nats.go: credentials, TLS, a name, handlers. What keeps the
	// client connecting for ever, and without a buffer of its own, is set after them.
	Options []natsgo.Option
}

// A Client is a connection to NATS, for all actions that publish there. Its methods may be
// called concurrently.
type Client struct {
	conn  *natsgo.Conn
	js    jetstream.JetStream
	sink  *actions.Sink
	watch *watch
}

// Defaults, which Config.Options may change.
const (
	reconnectWait  = 250 * time.Millisecond
	pingInterval   = 10 * time.Second // twice without an answer ends a connection that is dead
	flusherTimeout = 5 * time.Second
)

// ackTimeout is when the answers to what was given up long ago are forgotten.
const ackTimeout = time.Minute

// Open returns a client and begins to connect. If no server answers it goes on in the
// background, so the servers may be down; but a host that does not even refuse holds Open
// up for nats.Timeout, 2 seconds.
func Open(cfg Config) (*Client, error) {
	if len(cfg.Servers) == 0 {
		return nil, errors.New("nats: Config.Servers is empty, expected the URL of a server")
	}
	o := natsgo.GetDefaultOptions()
	o.ReconnectWait, o.ReconnectJitter, o.ReconnectJitterTLS = reconnectWait, reconnectWait, reconnectWait
	o.PingInterval, o.FlusherTimeout = pingInterval, flusherTimeout
	for _, option := range cfg.Options {
		if option == nil {
			continue
		}
		if err := option(&o); err != nil {
			return nil, fmt.Errorf("nats: Config.Options: %w", err)
		}
	}
	for i, text := range cfg.Servers {
		for server := range strings.SplitSeq(text, ",") { // nats.go takes several in one text too
			server = strings.TrimSpace(server)
			if !isURL(server) {
				return nil, fmt.Errorf("nats: Config.Servers[%d] is not the URL of a server", i) // it may hold a password
			}
			o.Servers = append(o.Servers, server)
		}
	}
	o.AllowReconnect, o.RetryOnFailedConnect, o.MaxReconnect = true, true, -1
	o.IgnoreAuthErrorAbort = true
	o.ReconnectBufSize = -1 // what is published during an outage fails at once
	cfg.Sink.Kind = kind
	c := &Client{sink: actions.NewSink(cfg.Sink), watch: newWatch()}
	c.watch.handle(&o)
	var err error
	if c.conn, err = o.Connect(); err != nil {
		return nil, fmt.Errorf("nats: connect: %w", err)
	}
	if c.js, err = jetstream.New(c.conn, jetstream.WithPublishAsyncMaxPending(1<<30), jetstream.WithPublishAsyncTimeout(ackTimeout)); err != nil {
		c.conn.Close()
		return nil, fmt.Errorf("nats: JetStream: %w", err)
	}
	return c, nil
}

func isURL(server string) bool {
	if !strings.Contains(server, "://") {
		server = "nats://" + server
	}
	u, err := url.Parse(server)
	return err == nil && u.Hostname() != ""
}

// Close closes the connection. Actions fail afterwards.
func (c *Client) Close() { c.conn.Close() }

// Sink is how the connection is.
func (c *Client) Sink() *actions.Sink { return c.sink }

// Action returns a as an action that publishes with this client. What is wrong with it is
// said by its Check, when the rule is put.
func (c *Client) Action(a Action) *Action {
	a.client = c
	return &a
}

// Kinds returns the decoder of "nats" for rules.Config.Kinds. An action in JSON names one
// of the clients as "sink"; if there is one only, it need not.
func Kinds(clients ...*Client) map[string]actions.Decoder {
	return map[string]actions.Decoder{kind: func(parameters []byte) (actions.Action, error) {
		a, err := decode(parameters)
		if err != nil {
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
