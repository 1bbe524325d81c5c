package broker

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
)

// never is a session expiry that does not come.
const never = time.Duration(math.MaxInt64)

// deniedEvery is how often a client's denied deliveries are told at most.
const deniedEvery = time.Second

// A session is what the server keeps for a client id: subscriptions, the messages
// on their way to it, the ids of QoS 2 messages coming from it, and its will. It
// outlives connections as its expiry says. mu guards everything below it, and the
// outbox of the connection that holds the session.
//
// Lock order: sessions.mu, session.mu, shareGroup.mu, then locks of leaves (topic
// tree, timers). No lock is held while a Router, Broker, hook or driver is called.
type session struct {
	timerNode // while offline: the delayed will or the expiry, whichever is first
	srv       *Server
	id        string
	serial    uint32       // spreads sessions in merger's table
	nsubs     atomic.Int32 // len(subs), readable without mu

	mu      sync.Mutex
	ended   bool
	durable bool          // outlives its connections: in-flight messages are kept
	nextPID uint16        // the packet id given out last
	issued  uint32        // how many were given out
	expiry  time.Duration // how long it outlives its connections
	conn    *conn         // nil while offline
	belongs *belonging    // guarded by sessionTable.mu
	subs    subscriptions

	inflight deque[flight] // sent, in order, not fully acknowledged
	live     int           // entries of inflight that are not completed
	again    int           // those that are to be sent again on this connection
	unacked  int           // those that count against the client's Receive Maximum
	queue    deque[flight] // not sent yet
	bytes    int           // of the messages in both, as far as they are copies
	waiting  int           // of those in queue
	replays  *replayer     // retained messages it is owed, nil for none

	inbound idSet // QoS 2 ids received and not released
	carried int   // how many of them when the connection began: they do not count against its quota

	will     *will
	willAt   int64 // when a delayed will is due, on the server's clock
	expireAt int64 // when the session ends, 0 for never

	notes      []dropNote // drops to report after mu is released
	toldDenied int64      // when the client's last denied delivery was told, on the server's clock
}

type dropNote struct {
	m      *Message
	why    DropReason
	denial *Denial // to be told as well
}

// note remembers a drop; unlock reports it. mu is held.
func (s *session) note(m *Message, why DropReason) {
	s.srv.count.dropped[why].Add(1)
	if len(s.srv.hooks.dropped) > 0 {
		s.notes = append(s.notes, dropNote{m: m, why: why})
	}
}

// noteDenied is note for what the authorizer does not let the client of c have. A client
// that subscribes to more than it may receive has that happen with every message, so that
// why is told once in a while only: every denied delivery is a drop that counts. mu is held.
func (s *session) noteDenied(c *conn, m *Message, err error) {
	s.srv.count.dropped[DropDenied].Add(1)
	n := dropNote{m: m, why: DropDenied}
	if now := s.srv.clock(); s.toldDenied == 0 || now-s.toldDenied >= int64(deniedEvery) {
		s.toldDenied = now
		n.denial = c.denial(auth.Receive, m.Topic, err)
	}
	if n.denial != nil || len(s.srv.hooks.dropped) > 0 {
		s.notes = append(s.notes, n)
	}
}

// unlock releases mu and reports the drops that were noted under it.
func (s *session) unlock() {
	notes := s.notes
	s.notes = nil
	s.mu.Unlock()
	for _, n := range notes {
		s.srv.reportDrop(s.id, n.m, n.why)
		if n.denial != nil {
			s.srv.tellDenied(n.denial)
		}
	}
}

// States of an in-flight message.
const (
	queued      uint8 = iota
	wantPuback        // PUBLISH QoS 1 sent
	wantPubrec        // PUBLISH QoS 2 sent
	wantPubcomp       // PUBREL sent
	completed         // acknowledged; leaves the deque with its predecessors
)

// A flight is one message on its way to one client.
type flight struct {
	m      *Message    // kept copy; nil once it need not be sent again
	group  *shareGroup // the shared subscription that caused it
	more   *[]uint32   // further subscription identifiers
	subID  uint32      // subscription identifier, 0 for none
	issue  uint32      // its place in the sequence of packet ids
	pid    uint16      // packet id, once sent
	state  uint8       // of the above
	qos    byte        // of this leg
	retain bool        // RETAIN flag of this leg
	again  bool        // to be sent again on this connection
	counts bool        // against Receive Maximum
	asked  bool        // the authorizer allowed it: of connections that ask first
	exempt bool        // m is the retained store's: no copy, not bounded
}

// nextID returns a packet id that is not in flight [MQTT-2.2.1-3].
func (s *session) nextID() uint16 {
	for {
		s.issued++
		s.nextPID++
		if s.nextPID == 0 {
			s.nextPID = 1
		}
		if !s.wrapped() || s.find(s.nextPID) < 0 {
			return s.nextPID
		}
	}
}

// wrapped reports whether ids went round the whole range since the oldest message
// in flight was sent, so that their sequence says nothing any more.
func (s *session) wrapped() bool {
	return s.inflight.len() > 0 && s.issued-s.inflight.at(0).issue >= 65535
}

// find returns the index of the in-flight message with the given id, or -1. Ids are
// given out in sequence, so the distance from the oldest tells where it is, or
// bounds that from above where ids were skipped or entries removed.
func (s *session) find(pid uint16) int {
	n := s.inflight.len()
	if n == 0 {
		return -1
	}
	first, wrapped := int(s.inflight.at(0).pid), s.wrapped()
	d := (int(pid) - first + 65535) % 65535
	i := min(d, n-1)
	if wrapped {
		i = n - 1
	}
	for ; i >= 0; i-- {
		f := s.inflight.at(i)
		if f.pid == pid && f.state != completed {
			return i
		}
		if !wrapped && (int(f.pid)-first+65535)%65535 < d {
			return -1 // all further left are older still
		}
	}
	return -1
}

// compact removes completed entries from behind an old one that is not.
func (s *session) compact() {
	if s.inflight.len() < 2*s.live+64 {
		return
	}
	live := deque[flight]{buf: make([]flight, 0, s.live+1)}
	for i := range s.inflight.len() {
		if f := s.inflight.at(i); f.state != completed {
			live.buf = append(live.buf, *f)
		}
	}
	s.inflight = live
}

// complete ends the exchange of entry i and frees its place in the quota.
func (s *session) complete(i int) {
	f := s.inflight.at(i)
	s.release(f)
	f.state, f.group = completed, nil
	s.live--
	if f.counts {
		s.unacked--
	}
	if f.again {
		s.again--
	}
	for s.inflight.len() > 0 && s.inflight.at(0).state == completed {
		s.inflight.pop()
	}
}

// release lets go of a message in flight that need not be sent again.
func (s *session) release(f *flight) {
	if f.m != nil && !f.exempt {
		s.bytes -= f.m.size()
	}
	f.m, f.more = nil, nil
}

// pump sends what waits in the queue as far as quota and outbox allow. It reports
// whether it appended anything. mu is held and s.conn is set.
func (s *session) pump(c *conn) bool {
	if s.again+s.queue.len() == 0 {
		return false
	}
	now := time.Now()
	sent := s.sendAgain(c, now)
	for s.again == 0 && s.queue.len() > 0 && c.pending() < flushAt {
		f := s.queue.at(0)
		if f.qos > 0 && s.unacked >= c.quota || c.asker != nil && !f.asked {
			break
		}
		m := s.dequeue()
		if m.m.expired(now) {
			s.note(m.m, DropExpired)
			continue
		}
		if s.dispatch(c, nil, &m, now) {
			sent = true
		}
	}
	return sent
}

// dispatch sends one message to the connection: it takes a packet id, appends the
// PUBLISH and enters it as in flight. It reports whether it appended. mu is held.
func (s *session) dispatch(c *conn, b *batch, f *flight, now time.Time) bool {
	if err := c.mayReceive(f.m); err != nil {
		s.noteDenied(c, f.m, err)
		return false
	}
	if f.qos > 0 {
		f.pid = s.nextID()
		f.issue = s.issued
	}
	if !c.appendPublish(b, f, false, now) {
		// As if delivered [MQTT-3.1.2-25]: it takes no place in the quota.
		s.note(f.m, DropTooLarge)
		return false
	}
	if f.qos == 0 {
		return true
	}
	f.counts = true
	f.state = wantPuback
	if f.qos == 2 {
		f.state = wantPubrec
	}
	e := *f
	switch {
	case !s.durable && e.group == nil:
		e.m, e.more = nil, nil // never sent again
	case !e.exempt:
		e.m = f.m.keep()
		s.bytes += e.m.size()
	}
	s.compact()
	s.inflight.push(e)
	s.live++
	s.unacked++
	s.srv.count.inFlight.Add(1)
	return true
}

// enqueue appends a message to the queue within the bounds. f.m is a kept copy. It
// reports whether the message was taken, and whether the connection has to end
// because it was not. mu is held.
func (s *session) enqueue(f flight) (taken, disconnect bool) {
	cfg := &s.srv.cfg
	n := f.m.size()
	full := func() bool { return s.queue.len() >= cfg.MaxQueuedMessages || s.bytes+n > cfg.MaxQueuedBytes }
	// What is in flight stays; where it leaves no room, dropping others helps nobody.
	fits := s.bytes-s.waiting+n <= cfg.MaxQueuedBytes
	for s.queue.len() > 0 && cfg.Overflow == DropOldest && fits && full() {
		old := s.dequeue()
		s.note(old.m, DropQueueFull)
	}
	if full() {
		s.note(f.m, DropQueueFull)
		return false, cfg.Overflow == DisconnectClient
	}
	s.bytes += n
	s.waiting += n
	s.queue.push(f)
	s.srv.count.queued.Add(1)
	return true, false
}

func (s *session) dequeue() flight {
	f := s.queue.pop()
	s.bytes -= f.m.size()
	s.waiting -= f.m.size()
	s.srv.count.queued.Add(-1)
	return f
}

// dropQoS0 drops what waited for an authorizer's answer and is not kept for a client
// that is gone. mu is held.
func (s *session) dropQoS0() {
	for range s.queue.len() {
		f := s.dequeue()
		if f.qos == 0 {
			s.note(f.m, DropSessionEnded)
			continue
		}
		n := f.m.size()
		s.bytes += n
		s.waiting += n
		s.queue.push(f)
		s.srv.count.queued.Add(1)
	}
}

// owes reports whether something waits for the connection.
func (s *session) owes() bool { return s.again > 0 || s.queue.len() > 0 || s.replays != nil }

// resume makes everything in flight to be sent again on a new connection, whose
// quota is full [MQTT-4.4.0-1, 4.9.0-1]. mu is held.
func (s *session) resume() {
	s.unacked, s.again = 0, s.live
	for i := range s.inflight.len() {
		f := s.inflight.at(i)
		f.again, f.counts, f.asked = f.state != completed, false, false
	}
	for i := range s.queue.len() {
		s.queue.at(i).asked = false // it was somebody else's answer, perhaps
	}
}

// sendAgain sends what is owed from an earlier connection, in its order and with
// DUP 1, PUBREL where PUBREC came, as far as quota and outbox allow
// [MQTT-4.4.0-1, 4.6.0-1]. It reports whether it appended anything. mu is held.
func (s *session) sendAgain(c *conn, now time.Time) (sent bool) {
	for i := 0; s.again > 0 && i < s.inflight.len() && c.pending() < flushAt; i++ {
		f := s.inflight.at(i)
		if !f.again {
			continue
		}
		if f.state == wantPubcomp {
			o := c.box()
			o.b = (&packet.Ack{Type: packet.TypePubrel, PacketID: f.pid}).Append(o.b, c.ver)
		} else {
			if s.unacked >= c.quota || c.asker != nil && !f.asked {
				break
			}
			if !s.repeat(c, f, now) {
				before := s.inflight.len()
				s.complete(i)
				i = max(-1, i-before+s.inflight.len()) // less what left the front
				s.srv.count.inFlight.Add(-1)
				continue
			}
			f.counts = true
			s.unacked++
		}
		f.again = false
		s.again--
		sent = true
	}
	return sent
}

// repeat appends the PUBLISH of a message in flight, and reports whether it did. mu is
// held.
func (s *session) repeat(c *conn, f *flight, now time.Time) bool {
	if f.m == nil {
		return false
	}
	if err := c.mayReceive(f.m); err != nil {
		s.noteDenied(c, f.m, err)
		return false
	}
	if !c.appendPublish(nil, f, true, now) {
		s.note(f.m, DropTooLarge)
		return false
	}
	return true
}

// askNext lets an authorizer that may wait decide about the message that pump would
// send next, until there is one it allows or none is left. mu is released while it
// decides.
func (s *session) askNext(c *conn) {
	for s.conn == c && !c.closing {
		f := s.next()
		if f == nil || f.asked || f.state == wantPubcomp {
			return
		}
		m, pid, asker := f.m, f.pid, c.asker
		s.unlock()
		var denied error
		if m != nil {
			denied = asker.mayReceive(m)
		}
		s.mu.Lock()
		if s.conn != c {
			return // the answer was for the connection that is gone
		}
		switch f := s.next(); {
		case f == nil || f.m != m || f.pid != pid: // acknowledged or dropped meanwhile
		case denied == nil:
			f.asked = true
		case pid == 0:
			s.dequeue()
			s.noteDenied(c, m, denied)
		default:
			s.noteDenied(c, m, denied)
			s.complete(s.find(pid))
			s.srv.count.inFlight.Add(-1)
		}
	}
}

// sendable reports whether pump could send something after all: what has come to
// the front without being asked about, or was queued while mu was released.
func (s *session) sendable(c *conn) bool {
	f := s.next()
	return f != nil && (f.qos == 0 || f.state == wantPubcomp || s.unacked < c.quota)
}

// next is the message that pump would send next, nil for none. mu is held.
func (s *session) next() *flight {
	for i := 0; s.again > 0 && i < s.inflight.len(); i++ {
		if f := s.inflight.at(i); f.again {
			return f
		}
	}
	if s.queue.len() > 0 {
		return s.queue.at(0)
	}
	return nil
}
