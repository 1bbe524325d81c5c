package rabbitmq

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A session is a connection with a channel, which one call uses at a time. When a call's
// context ends, its session does: the library's methods have no other end.
type session struct {
	raw  net.Conn // below conn
	conn *amqp.Connection

	channel *amqp.Channel
	closed  chan *amqp.Error // why the channel was closed
	returns chan amqp.Return

	mu      sync.Mutex
	blocked chan struct{} // closed while the broker takes nothing
}

// connect makes a session.
func connect(ctx context.Context, c *Client) (*session, error) {
	s := &session{blocked: make(chan struct{})}
	stop := func() bool { return true }
	config := amqp.Config{
		Properties: amqp.NewConnectionProperties(),
		Dial: func(network, addr string) (net.Conn, error) {
			d := net.Dialer{Timeout: dialTime}
			conn, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			s.raw = conn
			stop = context.AfterFunc(ctx, s.kill)
			// The library takes the deadline away when the connection is open.
			return conn, conn.SetDeadline(time.Now().Add(dialTime))
		},
	}
	config.Properties.SetClientConnectionName("thinghub " + c.sink.Name())
	if c.cfg.TLS != nil {
		config.TLSClientConfig = c.cfg.TLS.Clone()
	}
	defer func() { stop() }()
	var err error
	if s.conn, err = amqp.DialConfig(c.cfg.URL, config); err != nil {
		s.kill()
		return nil, fmt.Errorf("rabbitmq: connect: %w", err)
	}
	go c.watch(s, s.conn.NotifyBlocked(make(chan amqp.Blocking, 1)))
	if err := s.reopen(); err != nil {
		s.kill()
		return nil, err
	}
	if !stop() {
		return nil, noAnswer(ctx)
	}
	return s, nil
}

func noAnswer(ctx context.Context) error {
	return fmt.Errorf("rabbitmq: no answer: %w", context.Cause(ctx))
}

// watch notes whether the broker takes messages. It ends with the connection.
func (c *Client) watch(s *session, changes <-chan amqp.Blocking) {
	is := false
	set := func(now bool) {
		if is == now {
			return
		}
		is = now
		c.mu.Lock()
		s.mu.Lock()
		if now {
			c.blocked++
			close(s.blocked)
		} else {
			c.blocked--
			s.blocked = make(chan struct{})
		}
		s.mu.Unlock()
		c.mu.Unlock()
	}
	for b := range changes {
		set(b.Active)
	}
	set(false)
}

// isBlocked returns a channel that is closed while the broker takes nothing.
func (s *session) isBlocked() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocked
}

// reopen makes the channel, again if it was closed: an error closes it.
func (s *session) reopen() error {
	ch, err := s.conn.Channel()
	if err != nil {
		return fmt.Errorf("rabbitmq: open a channel: %w", err)
	}
	s.closed = ch.NotifyClose(make(chan *amqp.Error, 1))
	s.returns = ch.NotifyReturn(make(chan amqp.Return, batchEvents)) // or the connection would wait for who reads them
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("rabbitmq: ask for confirmations: %w", err)
	}
	s.channel = ch
	return nil
}

// ready makes the channel usable.
func (s *session) ready() error {
	if s.channel.IsClosed() {
		return s.reopen()
	}
	for { // what came after its call was given up
		select {
		case <-s.returns:
			continue
		default:
			return nil
		}
	}
}

// reason returns why the channel was closed.
func (s *session) reason() error {
	select {
	case err := <-s.closed:
		if err != nil {
			return err
		}
	default:
	}
	return amqp.ErrClosed
}

// kill ends the connection at once.
func (s *session) kill() {
	if s.raw != nil {
		_ = s.raw.Close()
	}
}
