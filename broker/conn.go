package broker

import (
	"fmt"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
)

// Phases of a connection.
const (
	phaseNew    uint32 = iota // nothing or part of CONNECT was received
	phaseAuth                 // CONNECT was received, an exchange of AUTH packets goes on
	phaseUp                   // CONNACK was sent
	phaseClosed               // nothing that arrives is looked at any more
)

// linger is how long a connection that we close may take to read our last words.
const linger = time.Second

// turnBudget is how many deliveries a connection may cause before others get their
// turn on an event loop; readAhead is what may arrive before a pause takes effect.
const (
	turnBudget = 1 << 15
	readAhead  = 256 << 10
)

// A driver carries a connection's bytes. The protocol machine knows nothing else of
// sockets, event loops or goroutines.
type driver interface {
	// write writes what the transport takes; on a driver that does not block, less
	// than all with a nil error means: full, call arm.
	write(p []byte) (int, error)
	// blocking says that write waits, so it needs a goroutine of its own.
	blocking() bool
	// arm has conn.writable called when the transport takes bytes again.
	arm()
	// pause stops reading from the connection's own goroutine, resume starts it
	// again from any. Neither waits.
	pause()
	resume()
	// post runs f on the goroutine that feeds the connection.
	post(f func()) bool
	// finish ends the sending side; the connection is closed when the peer does so.
	finish()
	// close closes the connection; conn.gone follows. Any goroutine, repeatedly.
	close()
	// info describes the transport.
	info() *connInfo
}

// connInfo is what a driver knows about a connection.
type connInfo struct {
	transport     string
	remote, local net.Addr
	creds         func(*auth.Credentials) // adds TLS state and HTTP request
}

// conn is the protocol machine of one connection: bytes in (received), bytes out
// (its outbox), time in (due). It contains no I/O, goroutine or clock. The fields
// of the first group belong to the goroutine that feeds it, those of the second to
// the lock of its session.
type conn struct {
	srv      *Server
	drv      driver
	in       []byte // an incomplete packet, or whole ones while waiting
	aliases  []string
	exchange *exchange
	id       *auth.Identity
	method   string          // the Authentication Method of CONNECT
	req      *connectRequest // while the CONNECT is being decided
	ver      packet.Version
	waiting  bool // for somebody's answer: packets are kept, not handled

	sess    atomic.Pointer[session]
	phase   atomic.Uint32
	busy    atomic.Bool  // what was received is being handled
	last    atomic.Int64 // when something was received or waited for last, on the server's clock
	expires atomic.Int64 // when the identity expires, 0 for never

	out        *outbuf
	touched    bool  // a batch will flush
	writing    bool  // somebody is in writeOut
	full       bool  // the socket is full, the driver is armed
	broken     bool  // writing failed
	closing    bool  // finish when everything is written
	held       uint8 // why reading pauses, of the hold constants
	progress   bool  // something was written since the last look at the keep alive
	quiet      bool  // the client wants no reason strings on most packets
	accepted   bool  // it holds, or held until a take-over, a session
	outAliases map[string]uint16

	timerNode
	authz       auth.Session // nil: everything is allowed
	asker       *askSession  // authz, if it may wait: it is not asked under a lock
	conn        *auth.Conn
	info        *ClientInfo
	keepAlive   time.Duration // 1.5 times the interval, 0 for none
	quota       int           // messages in flight towards the client at most
	maxPacket   int           // the client's limit, 0 for none
	outAliasMax int
}

func (s *Server) newConn(d driver) *conn {
	c := &conn{srv: s, drv: d}
	c.sess.Store(s.newSession())
	s.count.opened.Add(1)
	s.timers.set(c, s.clock()+int64(s.cfg.ConnectTimeout))
	return c
}

// recovered, deferred, makes a panic the end of this connection only.
func (c *conn) recovered() {
	if r := recover(); r != nil {
		c.srv.log.Error("broker: panic while handling a connection", "client", c.sess.Load().id, "err", fmt.Sprint(r), "stack", string(debug.Stack()))
		c.in = nil
		c.close(refuse(ImplementationSpecificError, "internal error"))
	}
}

// received handles bytes from the client.
func (c *conn) received(b *batch, p []byte) {
	defer c.recovered()
	b.now = time.Now()
	b.bytesIn += uint64(len(p))
	c.last.Store(c.srv.since(b.now))
	c.busy.Store(true)
	c.feed(b, p)
	c.breathe()
	if c.drv.blocking() {
		c.last.Store(c.srv.clock()) // what came meanwhile is not read yet
	}
	c.busy.Store(false)
}

// feed cuts p into packets and handles them in place. What is left of an incomplete
// one is copied.
func (c *conn) feed(b *batch, p []byte) {
	if len(c.in) > 0 && !c.waiting {
		if p = c.complete(b, p); len(p) == 0 {
			return
		}
	}
	before := b.deliveries()
	for len(p) > 0 && !c.waiting && c.phase.Load() != phaseClosed {
		h, ok, err := c.header(p)
		if err != nil {
			c.fail(b, err)
			return
		}
		if !ok || len(p) < h.Size {
			break
		}
		c.packet(b, h, p[:h.Size])
		p = p[h.Size:]
		if b.deliveries()-before > turnBudget && len(p) > 0 && !c.waiting {
			c.yield()
		}
	}
	if len(p) > 0 && c.phase.Load() != phaseClosed {
		if c.waiting && len(c.in)+len(p) > c.srv.cfg.MaxPacketSize+readAhead {
			c.fail(b, refuse(QuotaExceeded, "more than %d bytes sent while the server was deciding", len(c.in)))
			return
		}
		c.in = append(c.in, p...)
	}
}

// yield lets the other connections of an event loop have their turn before the rest
// of what this one sent is handled: 64 KiB of small messages to thousands of
// subscribers are a lot of work.
func (c *conn) yield() {
	if c.drv.blocking() {
		return // the scheduler does it
	}
	c.waiting = true
	c.hold(holdTurn)
	c.drv.post(c.proceed)
}

// proceed handles what was kept while the connection was waiting. It runs on the
// goroutine that feeds it.
func (c *conn) proceed() {
	defer c.recovered()
	b := c.srv.borrow()
	defer b.done()
	c.waiting = false
	c.last.Store(c.srv.since(b.now)) // what came meanwhile is not read yet
	in := c.in
	c.in = nil
	if c.phase.Load() == phaseClosed { // gone may have been before us
		c.exchange.close(c.srv)
		c.exchange = nil
	}
	c.feed(b, in)
	c.breathe()
	if !c.waiting {
		c.unhold(holdTurn)
	}
}

// complete adds to the incomplete packet in c.in what it lacks and handles it. It
// returns what is left of p.
func (c *conn) complete(b *batch, p []byte) []byte {
	for {
		h, ok, err := c.header(c.in)
		if err != nil {
			c.fail(b, err)
			return nil
		}
		if !ok {
			if len(p) == 0 {
				return nil
			}
			c.in, p = append(c.in, p[0]), p[1:]
			continue
		}
		if n := min(h.Size-len(c.in), len(p)); n > 0 {
			c.in, p = append(c.in, p[:n]...), p[n:]
		}
		if len(c.in) < h.Size {
			return nil
		}
		in := c.in
		c.in = nil
		c.packet(b, h, in[:h.Size])
		if rest := in[h.Size:]; len(rest) > 0 && c.phase.Load() != phaseClosed {
			// Several packets were kept while waiting; go on with them.
			c.in = append(in[:0], rest...)
			if c.waiting {
				c.in = append(c.in, p...)
				return nil
			}
			continue
		}
		if !c.waiting && cap(in) <= 4096 {
			c.in = in[:0]
		}
		if len(p) == 0 {
			c.in = nil
		}
		return p
	}
}

// header reads a fixed header and applies the size limits before anything is
// buffered.
func (c *conn) header(p []byte) (packet.Header, bool, error) {
	h, ok, err := packet.ParseHeader(p, c.ver)
	if err != nil || !ok {
		if !ok && err == nil && c.phase.Load() == phaseNew && len(p) > 0 && packet.Type(p[0]>>4) != packet.TypeConnect {
			return h, false, refuse(ProtocolError, "the first packet is not CONNECT")
		}
		return h, ok, err
	}
	limit := c.srv.cfg.MaxPacketSize
	if c.phase.Load() != phaseUp {
		if c.phase.Load() == phaseNew && h.Type != packet.TypeConnect {
			return h, false, refuse(ProtocolError, "the first packet is %s, not CONNECT", h.Type)
		}
		limit = c.srv.cfg.MaxConnectSize
	}
	if h.Size > limit {
		return h, false, refuse(PacketTooLarge, "%s of %d bytes, at most %d are accepted", h.Type, h.Size, limit)
	}
	return h, true, nil
}

// packet handles one whole packet.
func (c *conn) packet(b *batch, h packet.Header, frame []byte) {
	b.packets++
	body := frame[h.Body:]
	var err error
	switch c.phase.Load() {
	case phaseNew:
		err = c.onConnect(b, frame, body)
	case phaseAuth:
		switch h.Type {
		case packet.TypeAuth:
			err = c.onAuth(b, body)
		case packet.TypeDisconnect:
			c.close(nil)
		default:
			err = refuse(ProtocolError, "%s before CONNACK of an authentication exchange", h.Type)
		}
		if err != nil {
			err = c.refuseConnect(b, err)
		}
	case phaseUp:
		switch h.Type {
		case packet.TypePublish:
			err = c.onPublish(b, h.Flags, body)
		case packet.TypePuback, packet.TypePubrec, packet.TypePubrel, packet.TypePubcomp:
			err = c.onAck(b, h.Type, body)
		case packet.TypeSubscribe:
			err = c.onSubscribe(b, body)
		case packet.TypeUnsubscribe:
			err = c.onUnsubscribe(b, body)
		case packet.TypePingreq:
			if len(body) > 0 {
				err = refuse(MalformedPacket, "PINGREQ with %d bytes, it has none", len(body))
				break
			}
			c.reply(b, pingresp)
		case packet.TypeDisconnect:
			err = c.onDisconnect(b, body)
		case packet.TypeAuth:
			err = c.onAuth(b, body)
		case packet.TypeConnect:
			err = refuse(ProtocolError, "a second CONNECT")
		default:
			err = refuse(ProtocolError, "%s is not for clients to send", h.Type)
		}
	}
	if err != nil {
		c.fail(b, err)
	}
}

// due is the connection's timer: time to connect, keep alive, expiry of the
// identity, end of lingering.
func (c *conn) due(now int64) {
	switch c.phase.Load() {
	case phaseClosed:
		s := c.lock()
		moving := c.progress && c.pending() > 0 && !c.broken
		c.progress = false
		s.mu.Unlock()
		if moving && c.srv.closing.Load() {
			c.srv.timers.set(c, now+int64(linger)) // Shutdown's context bounds it
			return
		}
		c.drv.close()
	case phaseNew, phaseAuth:
		c.srv.log.Debug("broker: no CONNECT in time", "remote", c.drv.info().remote)
		c.srv.count.refusedConnect[KeepAliveTimeout].Add(1)
		c.close(refuse(KeepAliveTimeout, "not connected within %s", c.srv.cfg.ConnectTimeout))
	case phaseUp:
		s := c.lock()
		broken := c.broken
		// Somebody decides, and what it sends is not read. This is looked at before
		// last, which is set before it ends.
		deciding := c.busy.Load() || c.held&holdTurn != 0
		s.mu.Unlock()
		if broken {
			c.drv.close()
			return
		}
		if at := c.expires.Load(); at > 0 && now >= at {
			c.close(refuse(MaximumConnectTime, "the credentials expired"))
			return
		}
		if last := c.last.Load(); c.keepAlive > 0 && now >= last+int64(c.keepAlive) {
			s := c.lock()
			alive := deciding || c.progress && c.held&holdOutbox != 0 // we do not read, but it does
			c.progress = false
			s.unlock()
			if !alive {
				c.close(refuse(KeepAliveTimeout, "nothing received for %s", c.keepAlive))
				return
			}
			c.last.CompareAndSwap(last, now)
		}
		c.rearm()
	}
}

// rearm sets the timer of an accepted connection.
func (c *conn) rearm() {
	at := int64(0)
	if c.keepAlive > 0 {
		at = c.last.Load() + int64(c.keepAlive)
	}
	if e := c.expires.Load(); e > 0 && (at == 0 || e < at) {
		at = e
	}
	if at > 0 {
		c.srv.timers.set(c, at)
	} else {
		c.srv.timers.stop(c)
	}
	s := c.lock()
	broken := c.broken
	s.mu.Unlock()
	if broken || c.phase.Load() == phaseClosed { // meanwhile: the end of lingering is what counts
		c.srv.timers.set(c, c.srv.clock()+int64(linger))
	}
}

// mayReceive asks whether the client may get m; nil if so. The session's lock is held.
func (c *conn) mayReceive(m *Message) (err error) {
	if c.authz == nil || c.asker != nil { // which was asked before
		return nil
	}
	err = errPanicked
	defer c.srv.rescue("an authorizer")
	return c.authz.Allow(auth.Receive, m.Topic)
}
