package broker

// breathe pauses reading from a client that has us produce more than it takes: its
// own answers are not dropped, so it has to wait for them. writeOut ends the pause.
func (c *conn) breathe() {
	s := c.lock()
	if c.pending() > c.srv.cfg.MaxOutboxBytes+flushAt && !c.broken && c.phase.Load() == phaseUp {
		c.holdLocked(holdOutbox)
	}
	s.unlock()
}

// Reasons not to read from a client for a while.
const (
	holdTurn   uint8 = 1 << iota // somebody decides, or it is the turn of others
	holdOutbox                   // it does not take what we have for it
)

// hold stops reading, from the connection's own goroutine, until unhold was called
// for the same reason and no other reason is left.
func (c *conn) hold(why uint8) {
	s := c.lock()
	c.holdLocked(why)
	s.unlock()
}

func (c *conn) unhold(why uint8) {
	s := c.lock()
	c.unholdLocked(why)
	s.unlock()
}

// holdLocked tells the driver with the session's lock held, and so does
// unholdLocked: what it hears last is what holds.
func (c *conn) holdLocked(why uint8) {
	if c.held == 0 {
		c.drv.pause()
	}
	c.held |= why
}

func (c *conn) unholdLocked(why uint8) {
	if c.held&why == 0 {
		return
	}
	if c.held &^= why; c.held == 0 {
		c.drv.resume()
	}
}
