package broker

import (
	"net"

	"github.com/thinghub/thinghub/internal/eventloop"
)

// A loop is one event loop and the batch of its goroutine.
type loop struct {
	ev *eventloop.Loop
	b  *batch
}

// loopDriver drives a connection from an event loop.
type loopDriver struct {
	c    *conn
	l    *loop
	ec   *eventloop.Conn
	meta connInfo
}

// serveLoop hands nc to an event loop; false where there is none for it.
func (s *Server) serveLoop(nc *net.TCPConn) bool {
	l := s.pickLoop()
	if l == nil {
		return false
	}
	d := &loopDriver{l: l, meta: connInfo{transport: "tcp", remote: nc.RemoteAddr(), local: nc.LocalAddr()}}
	var err error
	if d.ec, err = l.ev.Add(nc); err != nil {
		s.log.Warn("broker: connection not accepted", "remote", nc.RemoteAddr(), "err", err)
		_ = nc.Close()
		return true
	}
	d.c = s.newConn(d)
	if !s.remember(d.c) {
		d.c.gone(ErrClosed)
		d.ec.Discard()
		return true
	}
	if err := d.ec.Start(d); err != nil {
		d.c.gone(err)
	}
	return true
}

// pickLoop returns the next loop in turn, starting them on first use.
func (s *Server) pickLoop() *loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.cfg.EventLoops < 0 || s.slow {
		return nil
	}
	if s.loops == nil {
		for range s.cfg.EventLoops {
			l := &loop{b: newBatch(s)}
			ev, err := eventloop.New(l.b.flush)
			if err != nil {
				if err != eventloop.ErrUnsupported { //nolint:errorlint // the sentinel itself
					s.log.Warn("broker: no event loop, connections get goroutines", "err", err)
				}
				s.cfg.EventLoops = -1
				break
			}
			l.ev = ev
			s.loops = append(s.loops, l)
			s.spawnLocked(func() {
				if err := ev.Run(); err != nil {
					s.log.Error("broker: an event loop ended", "err", err)
				}
			})
		}
		if len(s.loops) == 0 {
			return nil
		}
	}
	s.nextLoop++
	return s.loops[s.nextLoop%len(s.loops)]
}

// Data, Writable and Gone are the events of the loop.

func (d *loopDriver) Data(p []byte) { d.c.received(d.l.b, p) }
func (d *loopDriver) Writable()     { d.c.writable() }
func (d *loopDriver) Gone(err error) {
	d.c.gone(err)
}

func (d *loopDriver) write(p []byte) (int, error) { return d.ec.Write(p) }
func (d *loopDriver) blocking() bool              { return false }
func (d *loopDriver) arm()                        { d.ec.ArmWrite() }
func (d *loopDriver) pause()                      { d.ec.Pause() }
func (d *loopDriver) resume()                     { d.ec.Resume() }
func (d *loopDriver) post(f func()) bool          { return d.ec.Post(f) }
func (d *loopDriver) finish()                     { d.ec.CloseWrite() }
func (d *loopDriver) close()                      { d.ec.Close() }
func (d *loopDriver) info() *connInfo             { return &d.meta }
