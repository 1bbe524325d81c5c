package broker

import "sync"

// flushAt is the outbox size at which a connection is flushed in the middle of a
// batch: large enough to make writes rare, small enough to stay in cache.
const flushAt = 64 << 10

// maxRefills is how often an event loop fills one outbox from the session's queue
// and from what it is owed before it looks after other connections.
const maxRefills = 16

// An outbuf holds the bytes that wait for a connection's socket. Connections at
// rest have none.
type outbuf struct {
	b   []byte
	off int // written so far
}

// compact moves what waits to the front when that frees half of the memory. Nobody
// is writing from it.
func (o *outbuf) compact() {
	if o.off > len(o.b)/2 {
		o.b = o.b[:copy(o.b, o.b[o.off:])]
		o.off = 0
	}
}

var outbufPool = sync.Pool{New: func() any { return &outbuf{b: make([]byte, 0, 2048)} }}

// box returns the connection's outbox for appending. The session's lock is held.
func (c *conn) box() *outbuf {
	if c.out == nil {
		c.out = outbufPool.Get().(*outbuf)
	}
	return c.out
}

// pending is the number of bytes that wait. The session's lock is held.
func (c *conn) pending() int {
	if c.out == nil {
		return 0
	}
	return len(c.out.b) - c.out.off
}

// dropOut gives the outbox back. The session's lock is held, nobody is writing.
func (c *conn) dropOut() {
	o := c.out
	c.out = nil
	if o != nil && cap(o.b) <= 2*flushAt {
		o.b, o.off = o.b[:0], 0
		outbufPool.Put(o)
	}
}

// lock locks the session that guards this connection's outbox and returns it. The
// session changes once, when a CONNECT resumes an older one.
func (c *conn) lock() *session {
	for {
		s := c.sess.Load()
		s.mu.Lock()
		if c.sess.Load() == s {
			return s
		}
		s.mu.Unlock()
	}
}

// flush writes the outbox, or sees to it that somebody does. Any goroutine may
// call it; no lock is held.
func (c *conn) flush() {
	s := c.lock()
	c.touched = false
	if c.writing || c.full || c.broken {
		over := c.broken && c.closing // there is nobody to tell why
		s.mu.Unlock()
		if over {
			c.drv.close()
		}
		return
	}
	if c.out == nil && !c.closing && !s.owes() {
		s.mu.Unlock()
		return
	}
	c.writing = true
	if c.drv.blocking() {
		if s.mu.Unlock(); !c.srv.spawn(c.writeOut) {
			c.unwritten()
		}
		return
	}
	s.mu.Unlock()
	c.writeOut()
}

// unwritten lets go of the outbox of a server that is closed: its connections are
// being cut.
func (c *conn) unwritten() {
	s := c.lock()
	c.writing, c.broken = false, true
	c.dropOut()
	s.mu.Unlock()
}

// writeOut is the one writer of the moment: c.writing is set and it clears it. On a
// driver that does not block it ends when the socket is full and goes on from
// writable; the others write in a goroutine that exists only while there is
// something to write.
func (c *conn) writeOut() {
	s := c.lock()
	for refills := 0; !c.broken; {
		if c.pending() == 0 {
			if c.closing || s.conn != c {
				break
			}
			if refills++; refills > maxRefills && !c.drv.blocking() && s.owes() {
				c.writing, c.full = false, true // as if: others have their turn
				s.unlock()
				c.drv.arm()
				return
			}
			if c.asker != nil {
				s.askNext(c)
			}
			if s.pump(c) {
				continue
			}
			sent, tired := s.replay(c)
			if tired {
				refills = maxRefills
			} else if !sent && c.pending() == 0 && !s.sendable(c) {
				break
			}
			continue
		}
		p := c.out.b[c.out.off:]
		if c.drv.blocking() {
			p = p[:min(len(p), flushAt)] // so that progress shows
		}
		s.unlock()
		n, err := c.drv.write(p)
		if n > 0 {
			c.srv.count.bytesOut.Add(uint64(n))
		}
		s = c.lock()
		c.out.off += n
		if err != nil {
			c.broken = true
			break
		}
		if n > 0 {
			c.progress = true
		}
		if c.pending() <= c.srv.cfg.MaxOutboxBytes/2 {
			c.unholdLocked(holdOutbox) // also when it never runs empty
		}
		if n < len(p) {
			c.out.compact()
			c.writing, c.full = false, true
			s.mu.Unlock()
			c.drv.arm()
			return
		}
		if c.pending() == 0 {
			c.dropOut()
		} else if c.out.off >= flushAt {
			c.out.compact()
		}
	}
	c.writing = false
	c.dropOut()
	broken, finish := c.broken, c.closing
	c.unholdLocked(holdOutbox)
	s.unlock()
	switch {
	case broken && c.phase.Load() == phaseUp:
		// The client is gone, but what it sent before, DISCONNECT perhaps, may still
		// have to be read. Reading ends the connection, or linger does.
		c.srv.timers.set(c, c.srv.clock()+int64(linger))
	case broken:
		c.drv.close()
	case finish:
		c.drv.finish()
	}
}

// writable is called by a driver after arm, when the socket takes bytes again.
func (c *conn) writable() {
	s := c.lock()
	c.full = false
	s.mu.Unlock()
	c.flush()
}
