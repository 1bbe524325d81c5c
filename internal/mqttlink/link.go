package mqttlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

// ErrDown is in the chain of the errors of what needs a connection when there is none.
var ErrDown = errors.New("not connected")

// ErrClosed is what a closed link returns.
var ErrClosed = errors.New("closed")

// A Link is a connection that is made again whenever it breaks. All methods are safe for
// concurrent use.
type Link struct {
	cfg     Config
	where   string
	session *session
	lanes   *lanes
	manager *autopaho.ConnectionManager
	count   counters

	cancel context.CancelFunc
	closed chan struct{}
	work   sync.WaitGroup

	mu      sync.Mutex
	conn    *connection // nil while there is none
	ready   bool        // Up has succeeded
	since   time.Time
	err     error // why there is no connection, or was none last
	errAt   time.Time
	made    uint64
	tried   bool          // there is a connection, or an attempt has failed
	changed chan struct{} // closed when one of these changes
}

type counters struct{ sent, refused, handled, failed, dropped, repeated atomic.Uint64 }

// A connection is what the broker says of one.
type connection struct {
	to         io.Writer       // which ends with it
	down       chan struct{}   // closed when it ended
	over       <-chan struct{} // closed when what is not acknowledged will not be any more
	quota      chan struct{}   // as many as may be under way
	maxPacket  int             // 0: no bound
	maxQoS     byte
	retain     bool
	subIDs     bool
	shared     bool
	persistent bool
}

// Health says how a link is.
type Health struct {
	// Connected says that there is a connection, Ready that all subscriptions are made.
	Connected, Ready bool
	// Since is when Connected changed last.
	Since time.Time
	// Err is why there is no connection, or was none the last time, at ErrAt.
	Err   error
	ErrAt time.Time
	// Connections is how many were made.
	Connections uint64
	// Sent is how many messages the broker has taken, Refused how many it has refused.
	Sent, Refused uint64
	// Handled is how many messages came in and were taken, Failed how many were not,
	// Dropped how many with QoS 0 found the queue full, Repeated how many came again after
	// a connection broke and had been handled.
	Handled, Failed, Dropped, Repeated uint64
}

// Open checks the configuration and begins to connect. The link must be closed.
func Open(cfg Config) (*Link, error) {
	cfg, err := cfg.Check()
	if err != nil {
		return nil, err
	}
	l := &Link{cfg: cfg, where: cfg.Where(), session: newSession(), closed: make(chan struct{}), changed: make(chan struct{}), since: time.Now()}
	l.lanes = newLanes(l)
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	// It outlives ctx, so that what the lanes have handled is acknowledged.
	if l.manager, err = autopaho.NewConnection(context.Background(), l.autopaho(ctx)); err != nil {
		cancel()
		return nil, err
	}
	l.work.Go(func() { l.lanes.run(ctx) })
	return l, nil
}

// Close ends the link, within the time of ctx in good order.
func (l *Link) Close(ctx context.Context) error {
	l.mu.Lock()
	select {
	case <-l.closed:
	default:
		close(l.closed)
		l.tell()
	}
	l.mu.Unlock()
	l.cancel()
	l.work.Wait()
	err := l.manager.Disconnect(ctx)
	l.down()
	_ = l.session.Close() // which gives those that wait an end
	return err
}

func (l *Link) autopaho(ctx context.Context) autopaho.ClientConfig {
	u, _ := url.Parse(l.cfg.URL) // which Check has done
	c := autopaho.ClientConfig{
		ServerUrls: []*url.URL{u}, TlsCfg: l.cfg.TLS,
		KeepAlive:                     uint16(l.cfg.KeepAlive / time.Second),
		CleanStartOnInitialConnection: l.cfg.SessionExpiry == 0,
		SessionExpiryInterval:         uint32((l.cfg.SessionExpiry + time.Second - 1) / time.Second),
		ConnectTimeout:                l.cfg.Timeout,
		ReconnectBackoff:              l.pause,
		ConnectUsername:               l.cfg.Username, ConnectPassword: []byte(l.cfg.Password),
		OnConnectionUp:       func(_ *autopaho.ConnectionManager, ack *paho.Connack) { l.up(ctx, ack) },
		OnConnectionDown:     l.down,
		OnConnectError:       l.fault,
		ConnectPacketBuilder: l.connect,
		ClientConfig: paho.ClientConfig{
			ClientID: l.cfg.ClientID, Session: l.session, PacketTimeout: l.cfg.Timeout,
			OnClientError:      l.fault,
			OnServerDisconnect: func(d *paho.Disconnect) { l.fault(disconnected(d)) },
			OnPublishReceived:  []func(paho.PublishReceived) (bool, error){l.received},
		},
	}
	if u.Scheme == "mqtt" || u.Scheme == "mqtts" {
		c.AttemptConnection = func(ctx context.Context, _ autopaho.ClientConfig, u *url.URL) (net.Conn, error) {
			return l.cfg.dial(ctx, u)
		}
	}
	return c
}

// connect completes CONNECT.
func (l *Link) connect(c *paho.Connect, _ *url.URL) (*paho.Connect, error) {
	if c.Properties == nil {
		c.Properties = &paho.ConnectProperties{}
	}
	most := uint16(l.cfg.ReceiveMaximum)
	c.Properties.ReceiveMaximum = &most
	if c.ClientID == "" {
		c.CleanStart = true
	}
	return c, nil
}

// pause is how long to wait before an attempt.
func (l *Link) pause(failures int) time.Duration {
	l.mu.Lock()
	first := l.made == 0
	l.mu.Unlock()
	if failures == 0 && first {
		return 0
	}
	d := l.cfg.Pause
	for range failures {
		if d *= 2; d >= l.cfg.MaxPause {
			d = l.cfg.MaxPause
			break
		}
	}
	return d/2 + rand.N(d/2+1)
}

// up notes a connection, and calls Up on a goroutine, since autopaho must not wait.
func (l *Link) up(ctx context.Context, ack *paho.Connack) {
	c := &connection{down: make(chan struct{}), maxQoS: 2, retain: true, subIDs: true, shared: true, persistent: l.cfg.SessionExpiry > 0}
	c.to, c.over = l.session.current()
	if !c.persistent {
		c.over = c.down
	}
	quota := 65535
	if p := ack.Properties; p != nil {
		if p.MaximumPacketSize != nil {
			c.maxPacket = int(*p.MaximumPacketSize)
		}
		if p.MaximumQoS != nil {
			c.maxQoS = *p.MaximumQoS
		}
		if p.ReceiveMaximum != nil && *p.ReceiveMaximum > 0 {
			quota = int(*p.ReceiveMaximum)
		}
		c.retain, c.subIDs, c.shared = p.RetainAvailable, p.SubIDAvailable, p.SharedSubAvailable
	}
	c.quota = make(chan struct{}, min(quota, 1024)) // more are no faster
	l.mu.Lock()
	l.conn, l.ready, l.since, l.tried = c, false, time.Now(), true
	l.made++
	again := l.made > 1
	l.tell()
	select {
	case <-l.closed:
	default:
		l.work.Go(func() { l.prepare(ctx, c, ack.SessionPresent) })
	}
	l.mu.Unlock()
	l.cfg.Logger.Info("mqttlink: connected", "to", l.where, "again", again, "session", ack.SessionPresent)
}

// prepare calls Up until it succeeds or the connection ends.
func (l *Link) prepare(ctx context.Context, c *connection, present bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() { // ends with this call
		select {
		case <-c.down:
			cancel()
		case <-stop:
		}
	}()
	for pause := l.cfg.Pause; ; pause = min(2*pause, l.cfg.MaxPause) {
		var err error
		if l.cfg.Up != nil {
			err = l.cfg.Up(ctx, present)
		}
		if ctx.Err() != nil {
			return
		}
		l.mu.Lock()
		if l.conn == c && err == nil {
			l.ready = true
			l.tell()
		} else if err != nil {
			l.err, l.errAt = err, time.Now()
		}
		l.mu.Unlock()
		if err == nil {
			return
		}
		l.cfg.Logger.Warn("mqttlink: not all subscriptions could be made", "at", l.where, "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// down notes the end of a connection. Autopaho is to make another one.
func (l *Link) down() bool {
	l.mu.Lock()
	c := l.conn
	l.conn, l.ready, l.since = nil, false, time.Now()
	err := l.err
	l.tell()
	l.mu.Unlock()
	if c == nil {
		return false
	}
	close(c.down)
	select {
	case <-l.closed:
		return false
	default:
		l.cfg.Logger.Warn("mqttlink: the connection ended", "to", l.where, "err", err)
		return true
	}
}

// fault notes why there is no connection.
func (l *Link) fault(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.tried
	l.err, l.errAt, l.tried = err, time.Now(), true
	if first {
		l.tell()
		l.cfg.Logger.Warn("mqttlink: cannot connect", "to", l.where, "err", err)
	}
}

// tell wakes those that wait. l.mu is held.
func (l *Link) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// disconnected is why the broker ended a connection.
func disconnected(d *paho.Disconnect) error {
	text := ""
	if d.Properties != nil {
		text = d.Properties.ReasonString
	}
	return fmt.Errorf("the broker disconnects: %w", &Reason{Code: d.ReasonCode, Text: text})
}

// Await waits until there is a connection, and with ready until Up has succeeded.
func (l *Link) Await(ctx context.Context, ready bool) error {
	for {
		l.mu.Lock()
		fine, changed, err := l.conn != nil && (l.ready || !ready), l.changed, l.err
		l.mu.Unlock()
		if fine {
			return nil
		}
		select {
		case <-l.closed:
			return ErrClosed
		case <-changed:
		case <-ctx.Done():
			return downError(err)
		}
	}
}

// Tried waits until it is known whether a connection can be made.
func (l *Link) Tried(ctx context.Context) {
	l.mu.Lock()
	tried, changed := l.tried, l.changed
	l.mu.Unlock()
	if tried {
		return
	}
	select {
	case <-l.closed:
	case <-changed:
	case <-ctx.Done():
	}
}

func downError(why error) error {
	if why == nil {
		return ErrDown
	}
	return fmt.Errorf("%w: %w", ErrDown, why)
}

// current returns the connection there is.
func (l *Link) current() (*connection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return nil, ErrClosed
	default:
	}
	if l.conn == nil {
		return nil, downError(l.err)
	}
	return l.conn, nil
}

// Connected reports whether there is a connection.
func (l *Link) Connected() bool {
	_, err := l.current()
	return err == nil
}

// Abilities says what the broker can do: subscription identifiers, shared subscriptions,
// retained messages and the highest QoS. All, while there is no connection.
func (l *Link) Abilities() (subIDs, shared, retain bool, maxQoS byte) {
	if c, err := l.current(); err == nil {
		return c.subIDs, c.shared, c.retain, c.maxQoS
	}
	return true, true, true, 2
}

// Health returns how the link is now.
func (l *Link) Health() Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Health{
		Connected: l.conn != nil, Ready: l.ready, Since: l.since, Err: l.err, ErrAt: l.errAt, Connections: l.made,
		Sent: l.count.sent.Load(), Refused: l.count.refused.Load(), Handled: l.count.handled.Load(),
		Failed: l.count.failed.Load(), Dropped: l.count.dropped.Load(), Repeated: l.count.repeated.Load(),
	}
}

// received is called by paho for each message in order, and must not wait.
func (l *Link) received(r paho.PublishReceived) (bool, error) {
	if l.cfg.Handle == nil {
		a := l.session.arrive(r.Packet)
		l.session.done(a)
		return true, nil
	}
	l.lanes.push(l.session.arrive(r.Packet))
	return true, nil
}

// call calls Handle, which is code of others.
func (l *Link) call(ctx context.Context, a *arrival) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.cfg.Logger.Error("mqttlink: panic in a handler", "err", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return l.cfg.Handle(ctx, a.p)
}
