package redis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/thinghub/thinghub/actions"
)

// Config configures a [Client].
type Config struct {
	// Sink has the name by which rules call the client, and its circuit breaker. Its
	// kind is always "redis".
	Sink actions.SinkConfig
	// Options say how to connect: one address is a server, several (or IsClusterMode)
	// a cluster, and with MasterName they are those of sentinels. Times that are 0 get
	// 5 seconds. What would try again behind the engine's back is switched off.
	Options goredis.UniversalOptions
	// Allow has names of commands that rules may use besides those that write one key or
	// publish: what deletes everything, runs scripts or configures the server is refused
	// unless it stands here. See [Commands].
	Allow []string
}

// A Client is a connection pool to a Redis server, to a master that sentinels name or to a
// cluster, for all actions that write there. Its methods may be called concurrently.
type Client struct {
	db    goredis.UniversalClient
	sink  *actions.Sink
	allow map[string]bool
	// single is set when the server has refused a transaction: commands are sent one by
	// one from then on.
	single atomic.Bool
}

// Options that Open fills in.
const (
	defaultTimeout = 5 * time.Second
	idleTime       = 5 * time.Minute
)

// Open returns a client. It does not connect yet, so the server may be down.
func Open(cfg Config) (*Client, error) {
	o := cfg.Options
	if len(o.Addrs) == 0 {
		return nil, errors.New("redis: Config.Options.Addrs is empty, expected the address of a server")
	}
	c := &Client{allow: map[string]bool{}}
	for _, name := range Commands() {
		c.allow[name] = true
	}
	for _, name := range cfg.Allow {
		name = strings.ToUpper(name)
		if why := never[name]; why != "" {
			return nil, fmt.Errorf("redis: Config.Allow has %s, which cannot be used: it %s", name, why)
		}
		c.allow[name] = true
	}
	for _, d := range []*time.Duration{&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout} {
		if *d == 0 {
			*d = defaultTimeout
		}
	}
	if o.ConnMaxIdleTime == 0 {
		o.ConnMaxIdleTime = idleTime
	}
	o.ContextTimeoutEnabled = true
	o.MaxRetries, o.DialerRetries = -1, 1
	o.PipelinePoolSize = -1 // one pool is enough: all that is sent is a pipeline
	if o.MaintNotificationsConfig == nil {
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	}
	o.Addrs = slices.Clone(o.Addrs)
	cfg.Sink.Kind = kind
	c.sink, c.db = actions.NewSink(cfg.Sink), goredis.NewUniversalClient(&o)
	return c, nil
}

// Close closes the connections. Actions fail afterwards.
func (c *Client) Close() error { return c.db.Close() }

// Sink is how the server is.
func (c *Client) Sink() *actions.Sink { return c.sink }

// Action returns a as an action that writes with this client. What is wrong with it is
// said by its Check, when the rule is put.
func (c *Client) Action(a Action) *Action {
	a.client = c
	a.plan, a.wrong = a.compile()
	return &a
}

// Kinds returns the decoder of "redis" for rules.Config.Kinds. An action in JSON names one
// of the clients as "sink"; if there is one only, it need not.
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
