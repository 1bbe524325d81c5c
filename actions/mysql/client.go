package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/thinghub/thinghub/actions"
)

const (
	kind            = "mysql"
	connectTimeout  = 5 * time.Second
	defaultMaxConns = 8
	// connLifetime is shorter than what servers and the networks between leave idle
	// connections, as the driver's authors advise.
	connLifetime = 3 * time.Minute
	// mostStatements is how many prepared statements a client keeps.
	mostStatements = 512
	// defaultPacket is the driver's default, which is larger than what servers take.
	defaultPacket = 64 << 20
	// strict refuses what a column does not take, such as milliseconds for a datetime,
	// which would become a day in the year 170.
	strict = "CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE')"
)

// Config configures a [Client].
type Config struct {
	// Sink is the name of the database and how it is found to be down. Its Kind is always
	// "mysql".
	Sink actions.SinkConfig
	// DSN is user:password@tcp(host:3306)/database?tls=true, as github.com/go-sql-driver/mysql
	// has it. Unless it says otherwise, sessions have the time zone UTC and are strict:
	// what a column does not take is an error. An empty one is not an error: it is
	// 127.0.0.1:3306 without a user and a database. The environment does not count.
	DSN string
	// MaxConns is how many connections there are at most. Default 8. A lane of a rule
	// uses one while it writes.
	MaxConns int
	// Configure, if it is set, changes what the DSN cannot say: certificates, a function
	// that dials, one that sets a password that changes.
	Configure func(*driver.Config)
}

// A Client is a pool of connections to a database, for any number of actions. Its methods
// may be called concurrently.
type Client struct {
	db   *sql.DB
	sink *actions.Sink

	mu         sync.Mutex
	statements map[string]*sql.Stmt // by their texts
}

// Open returns a client. It connects when the first event comes: the database need not be
// up. Close releases it.
func Open(cfg Config) (*Client, error) {
	dc, err := driver.ParseDSN(cfg.DSN)
	if err != nil {
		// What cannot be parsed may be a password, so nothing of it is shown.
		return nil, errors.New("mysql: the DSN cannot be read, expected user:password@tcp(host:3306)/database")
	}
	if cfg.MaxConns < 0 {
		return nil, fmt.Errorf("mysql: MaxConns is %d, expected a number of connections", cfg.MaxConns)
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = defaultMaxConns
	}
	if dc.Timeout == 0 {
		dc.Timeout = connectTimeout
	}
	if dc.MaxAllowedPacket == defaultPacket {
		dc.MaxAllowedPacket = 0 // as the server has it, which ends the connection otherwise
	}
	if dc.Params == nil {
		dc.Params = map[string]string{}
	}
	for name, value := range map[string]string{"time_zone": "'+00:00'", "sql_mode": strict} {
		if _, set := dc.Params[name]; !set {
			dc.Params[name] = value
		}
	}
	dc.Logger = &driver.NopLogger{} // errors are returned
	if cfg.Configure != nil {
		cfg.Configure(dc)
	}
	// Values are bound, whatever was configured.
	dc.InterpolateParams, dc.MultiStatements = false, false
	dialer, err := driver.NewConnector(dc)
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	db := sql.OpenDB(connector{dialer})
	db.SetMaxOpenConns(cfg.MaxConns)
	db.SetMaxIdleConns(cfg.MaxConns)
	db.SetConnMaxLifetime(connLifetime)
	cfg.Sink.Kind = kind
	return &Client{db: db, sink: actions.NewSink(cfg.Sink), statements: map[string]*sql.Stmt{}}, nil
}

// Close closes the connections. It may be called more than once; actions of the client
// fail then.
func (c *Client) Close() error {
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("mysql: %w", err)
	}
	return nil
}

// Sink is the sink of the client's actions.
func (c *Client) Sink() *actions.Sink { return c.sink }

// Ping asks the database whether it answers.
func (c *Client) Ping(ctx context.Context) error { return unreachable(c.db.PingContext(ctx)) }

// Action returns an action with parameters that writes through the client. What is wrong
// with them is reported when a rule is put.
func (c *Client) Action(a Action) *Action {
	a.client = c
	a.plan, a.wrong = a.compile()
	return &a
}

// Kinds returns the decoder of {"mysql": ...} in rules that are written as JSON, for these
// clients: for rules.Config.Kinds. An action names its client as "sink"; it need not if
// there is one only.
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

// prepare returns a prepared statement. The database prepares it for each connection that
// uses it; it must not be asked for within a transaction, because it may need another
// connection.
func (c *Client) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	c.mu.Lock()
	s := c.statements[text]
	c.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s, err := c.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.statements[text]; other != nil { // somebody was faster
		_ = s.Close()
		return other, nil
	}
	if len(c.statements) >= mostStatements {
		for other, old := range c.statements { // any one
			delete(c.statements, other)
			_ = old.Close() // waits for transactions that use it
			break
		}
	}
	c.statements[text] = s
	return s, nil
}

// forget closes a prepared statement, on all connections.
func (c *Client) forget(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.statements[text]; s != nil {
		delete(c.statements, text)
		_ = s.Close()
	}
}
