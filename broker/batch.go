package broker

import (
	"time"

	"github.com/thinghub/thinghub/internal/packet"
)

// A batch is the working memory of one turn: what one driver read in one go and
// everything that follows from it. It collects the connections whose outboxes were
// written to, so that each is flushed once at the end, and holds the scratch space
// that makes routing free of allocations. An event loop owns one; goroutines and
// host calls borrow one from the pool. A batch belongs to one goroutine.
type batch struct {
	srv     *Server
	now     time.Time
	touched []*conn

	// Decoding scratch.
	msg     Message
	pub     packet.Publish
	ack     packet.Ack
	connect packet.Connect
	sub     packet.Subscribe
	unsub   packet.Unsubscribe
	disc    packet.Disconnect
	auth    packet.Auth

	// Routing scratch.
	hits    []*subscription
	collect func(*subscription) bool
	merged  merger
	busy    bool   // in fanout
	only    string // whom the message is for, "" for everybody
	frames  frames
	asked   []bool // of a shared group

	// Counts of this turn, added to the server's at its end.
	packets, bytesIn    uint64
	received, delivered [3]uint64
	acknowledged        uint64
	inFlight, queued    int64
}

func newBatch(s *Server) *batch {
	b := &batch{srv: s}
	b.collect = func(sub *subscription) bool {
		b.hits = append(b.hits, sub)
		return true
	}
	return b
}

// borrow returns a batch for a piece of work outside an event loop; give it back
// with done.
func (s *Server) borrow() *batch {
	b, _ := s.batches.Get().(*batch)
	if b == nil {
		b = newBatch(s)
	}
	b.now = time.Now()
	return b
}

// done flushes and returns a borrowed batch.
func (b *batch) done() {
	b.flush()
	b.srv.batches.Put(b)
}

// deliveries counts those of this turn.
func (b *batch) deliveries() uint64 { return b.delivered[0] + b.delivered[1] + b.delivered[2] }

// touch notes that c has bytes to write. The lock of c's session is held.
func (b *batch) touch(c *conn) {
	if !c.touched {
		c.touched = true
		b.touched = append(b.touched, c)
	}
}

// flush writes every touched outbox and settles the counts. Flushing one outbox may
// touch others (a broken connection publishes its will), hence the index loop.
func (b *batch) flush() {
	for i := 0; i < len(b.touched); i++ {
		b.touched[i].flush()
		b.touched[i] = nil
	}
	b.touched = b.touched[:0]
	b.settle()
	// One packet of megabytes should not cost memory for ever.
	if cap(b.sub.Filters) > maxScratch {
		b.sub.Filters = nil
	}
	if cap(b.unsub.Filters) > maxScratch {
		b.unsub.Filters = nil
	}
}

// maxScratch is how many filters of a packet a batch keeps room for.
const maxScratch = 4096

func (b *batch) settle() {
	c := &b.srv.count
	if b.packets > 0 {
		c.packets.Add(b.packets)
		b.packets = 0
	}
	if b.bytesIn > 0 {
		c.bytesIn.Add(b.bytesIn)
		b.bytesIn = 0
	}
	for q := range 3 {
		if b.received[q] > 0 {
			c.received[q].Add(b.received[q])
			b.received[q] = 0
		}
		if b.delivered[q] > 0 {
			c.delivered[q].Add(b.delivered[q])
			b.delivered[q] = 0
		}
	}
	if b.acknowledged > 0 {
		c.acknowledged.Add(b.acknowledged)
		b.acknowledged = 0
	}
	if b.inFlight != 0 {
		c.inFlight.Add(b.inFlight)
		b.inFlight = 0
	}
	if b.queued != 0 {
		c.queued.Add(b.queued)
		b.queued = 0
	}
}
