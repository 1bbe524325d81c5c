package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/thinghub/thinghub/actions"
)

const (
	kind           = "postgres"
	connectTimeout = 5 * time.Second
)

// Config configures a [Client].
type Config struct {
	// Sink is the name of the database and how it is found to be down. Its Kind is always
	// "postgres".
	Sink actions.SinkConfig
	// DSN is a URL, postgres://user:password@host:5432/database?sslmode=verify-full, or
	// key=value pairs, as libpq and pgx have them: also pool_max_conns, and
	// default_query_exec_mode=exec for poolers that know no prepared statements.
	// What it does not say is taken from the environment, such as PGHOST, PGUSER and
	// PGPASSWORD, and then from the defaults of libpq. So an empty one is not an error: all
	// is taken from there.
	DSN string
	// MaxConns is how many connections there are at most. Default: pool_max_conns of DSN,
	// or the number of processors, at least 4. A lane of a rule uses one while it writes.
	MaxConns int
	// Configure, if it is set, changes what the DSN cannot say: a BeforeConnect for
	// passwords that change, certificates, a tracer.
	Configure func(*pgxpool.Config)
}

// A Client is a pool of connections to a database, for any number of actions. Its methods
// may be called concurrently.
type Client struct {
	pool  *pgxpool.Pool
	sink  *actions.Sink
	named bool // statements are prepared under names
}

// Open returns a client. It connects when the first event comes: the database need not be
// up. Close releases it.
func Open(cfg Config) (*Client, error) {
	pc, err := pgxpool.ParseConfig(cfg.DSN)
	if err != nil {
		// What cannot be parsed may be a password, so nothing of it is shown.
		return nil, errors.New("postgres: the DSN cannot be read, expected postgres://user:password@host:5432/database or key=value pairs")
	}
	if cfg.MaxConns < 0 {
		return nil, fmt.Errorf("postgres: MaxConns is %d, expected a number of connections", cfg.MaxConns)
	}
	if cfg.MaxConns > 0 {
		pc.MaxConns = int32(min(cfg.MaxConns, 1<<16))
	}
	if pc.ConnConfig.ConnectTimeout == 0 {
		// Otherwise those who connect to a host that does not answer fill the pool.
		pc.ConnConfig.ConnectTimeout = connectTimeout
	}
	if pc.ConnConfig.RuntimeParams["application_name"] == "" {
		pc.ConnConfig.RuntimeParams["application_name"] = "thinghub"
	}
	if cfg.Configure != nil {
		cfg.Configure(pc)
	}
	pc.ConnConfig.RuntimeParams["client_encoding"] = "UTF8" // as JSON is
	pool, err := pgxpool.NewWithConfig(context.Background(), pc)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	cfg.Sink.Kind = kind
	return &Client{
		pool: pool, sink: actions.NewSink(cfg.Sink),
		named: pc.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement,
	}, nil
}

// Close waits for calls that are under way and closes the connections. It may be called
// more than once; actions of the client fail then.
func (c *Client) Close() error {
	c.pool.Close()
	return nil
}

// Sink is the sink of the client's actions.
func (c *Client) Sink() *actions.Sink { return c.sink }

// Ping asks the database whether it answers.
func (c *Client) Ping(ctx context.Context) error { return judge(c.pool.Ping(ctx)) }

// Action returns an action with parameters that writes through the client. What is wrong
// with them is reported when a rule is put.
func (c *Client) Action(a Action) *Action {
	a.client = c
	a.plan, a.wrong = a.compile()
	return &a
}

// Kinds returns the decoder of {"postgres": ...} in rules that are written as JSON, for
// these clients: for rules.Config.Kinds. An action names its client as "sink"; it need not
// if there is one only.
func Kinds(clients ...*Client) map[string]actions.Decoder {
	return map[string]actions.Decoder{kind: func(parameters []byte) (actions.Action, error) {
		o := actions.ReadObject(parameters)
		read := decode(o)
		if err := o.Done(); err != nil {
			return nil, err
		}
		c, err := actions.SinkNamed(clients, read.SinkName)
		if err != nil {
			return nil, err
		}
		a := c.Action(read)
		return a, a.wrong
	}}
}
