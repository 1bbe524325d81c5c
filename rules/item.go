package rules

import (
	"bytes"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/thinghub/thinghub/actions"
)

// An item is a message that passed a rule, on its way through the actions. There may be
// very many, so a small message is packed: an actions.Message is made of it when an
// action is called. A large one is whole, and shared by all rules that it passed.
type item struct {
	rev      *revision
	chunk    *chunk        // whose item it is; nil if the message is whole
	whole    *whole        // nil if the message is packed
	trouble  *trouble      // what went wrong, nil while all is well; guarded by rule.noting until all actions are done
	taken    time.Duration // when the message was taken in, since Service.began; 0: at its time
	size     int64
	left     atomic.Int32 // actions that are not done
	spill    bool         // counted in rule.spilled instead of rule.queued
	restored bool         // counted in Service.restored
	packed   packed
}

// A whole is a message and what a statement made of it.
type whole struct {
	msg    *actions.Message
	output []byte
}

// A trouble is what went wrong with an item.
type trouble struct {
	failures []*failure
	batch    *batchReport
}

// mostSmall is how large a message is packed; larger ones would leave too much of a chunk
// unused.
const mostSmall = 4 << 10

// A packed is a small message without its texts and bytes, which lie in the memory of the
// item's chunk, one behind the other.
type packed struct {
	time    time.Time
	ip      netip.Addr
	trace   actions.TraceID
	qos     byte
	hops    uint8
	from    actions.Protocol
	format  actions.PayloadFormat
	absent  bool // there is no payload, not even an empty one
	uncored bool // there are no correlation data, not even empty ones
	same    bool // the output is the payload
	start   uint16
	ends    [packedParts]uint16
}

// The parts of a packed message.
const (
	packedTopic = iota
	packedClient
	packedPrincipal
	packedType
	packedResponse
	packedCorrelation
	packedPayload
	packedOutput
	packedParts
)

// small reports that a message is packed. User properties cannot be.
func small(m *actions.Message, output []byte) bool {
	return m.UserProperties == nil && packedSize(m, output) <= mostSmall
}

func packedSize(m *actions.Message, output []byte) int {
	return len(m.Topic) + len(m.ClientID) + len(m.Principal) + len(m.ContentType) + len(m.ResponseTopic) + len(m.CorrelationData) + len(m.Payload) + extra(m, output)
}

// extra is how much memory an output takes that is not the payload.
func extra(m *actions.Message, output []byte) int {
	if same(output, m.Payload) {
		return 0
	}
	return len(output)
}

// same reports whether a and b are one.
func same(a, b []byte) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

// pack makes an item of a small message. The caller holds t.mu.
func (t *track) pack(m *actions.Message, output []byte) *item {
	n := packedSize(m, output)
	if t.chunk == nil {
		t.chunk = openChunk()
	}
	it := t.chunk.take(n)
	if it == nil {
		t.chunk.close()
		t.chunk = openChunk()
		it = t.chunk.take(n)
	}
	it.whole, it.trouble, it.spill, it.restored = nil, nil, false, false
	p, c := &it.packed, t.chunk
	p.time, p.ip, p.trace = m.Time, m.SourceIP, m.TraceID
	p.qos, p.hops, p.from, p.format = m.QoS, m.Hops, m.Protocol, m.PayloadFormat
	p.absent, p.uncored, p.same = m.Payload == nil, m.CorrelationData == nil, same(output, m.Payload)
	p.start = uint16(c.filled)
	p.ends[packedTopic] = c.putText(m.Topic)
	p.ends[packedClient] = c.putText(m.ClientID)
	p.ends[packedPrincipal] = c.putText(m.Principal)
	p.ends[packedType] = c.putText(m.ContentType)
	p.ends[packedResponse] = c.putText(m.ResponseTopic)
	p.ends[packedCorrelation] = c.put(m.CorrelationData)
	p.ends[packedPayload] = c.put(m.Payload)
	if p.same {
		output = nil
	}
	p.ends[packedOutput] = c.put(output)
	return it
}

// put appends to the memory of the chunk and says where that ends.
func (c *chunk) put(b []byte) uint16 {
	if len(b) > 0 {
		c.filled += copy(c.memory[c.filled:], b)
	}
	return uint16(c.filled)
}

func (c *chunk) putText(s string) uint16 {
	if len(s) > 0 {
		c.filled += copy(c.memory[c.filled:], s)
	}
	return uint16(c.filled)
}

// part returns a part of a packed message.
func (it *item) part(i int) []byte {
	p := &it.packed
	from := p.start
	if i > 0 {
		from = p.ends[i-1]
	}
	return it.chunk.memory[from:p.ends[i]:p.ends[i]]
}

func (it *item) text(i int) string {
	b := it.part(i)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// topic returns the topic of the message.
func (it *item) topic() string {
	if it.whole != nil {
		return it.whole.msg.Topic
	}
	return it.text(packedTopic)
}

// client returns the client of the message.
func (it *item) client() string {
	if it.whole != nil {
		return it.whole.msg.ClientID
	}
	return it.text(packedClient)
}

// time returns the time of the message.
func (it *item) time() time.Time {
	if it.whole != nil {
		return it.whole.msg.Time
	}
	return it.packed.time
}

// hops returns the hops of the message.
func (it *item) hops() uint8 {
	if it.whole != nil {
		return it.whole.msg.Hops
	}
	return it.packed.hops
}

// message returns the message, which is valid as long as the item is. It may be made in m.
func (it *item) message(m *actions.Message) *actions.Message {
	if it.whole != nil {
		return it.whole.msg
	}
	p := &it.packed
	m.Topic, m.ClientID, m.Principal = it.text(packedTopic), it.text(packedClient), it.text(packedPrincipal)
	m.ContentType, m.ResponseTopic = it.text(packedType), it.text(packedResponse)
	m.Payload, m.CorrelationData, m.UserProperties = nil, nil, nil
	if !p.absent {
		m.Payload = it.part(packedPayload)
	}
	if !p.uncored {
		m.CorrelationData = it.part(packedCorrelation)
	}
	m.Time, m.SourceIP, m.TraceID = p.time, p.ip, p.trace
	m.QoS, m.Hops, m.Protocol, m.PayloadFormat = p.qos, p.hops, p.from, p.format
	return m
}

// output returns what the statement made of the message.
func (it *item) output() []byte {
	switch {
	case it.whole != nil:
		return it.whole.output
	case it.packed.same:
		return it.part(packedPayload)
	default:
		return it.part(packedOutput)
	}
}

// setOutput gives an item its output after it was made. m is its message.
func (it *item) setOutput(m *actions.Message, output []byte) {
	switch {
	case !same(output, m.Payload):
		if it.whole == nil {
			m = it.message(&actions.Message{})
		}
		it.whole = &whole{m, bytes.Clone(output)}
	case it.whole != nil:
		it.whole.output = it.whole.msg.Payload
	default:
		it.packed.same = true
	}
}

// apart returns an item that belongs to no chunk: the item itself, or else a copy; the
// item is done then. What waits long for an error action must not keep a chunk. All
// actions must be done with the item.
func (it *item) apart() *item {
	if it.chunk == nil {
		return it
	}
	c := &item{rev: it.rev, size: it.size, taken: it.taken, spill: it.spill, trouble: it.trouble} // one of a chunk is not restored
	c.whole = &whole{msg: it.message(&actions.Message{}).Clone()}
	it.discard()
	return c
}

// discard gives the memory of an item back.
func (it *item) discard() {
	if c := it.chunk; c != nil {
		it.overwrite()
		c.done(1)
	}
}

// done notes that an action is done with the item, and reports whether it was the last.
func (it *item) done() bool {
	// The last one need not count, because nobody else does any more.
	return it.left.Load() == 1 || it.left.Add(-1) == 0
}

// note keeps what went wrong: a failure, and the batch that failed if there is one.
func (it *item) note(f *failure, b *batchReport) {
	it.rev.rule.noting.Lock()
	defer it.rev.rule.noting.Unlock()
	if it.trouble == nil {
		it.trouble = &trouble{}
	}
	it.trouble.failures = append(it.trouble.failures, f)
	if b != nil && it.trouble.batch == nil {
		it.trouble.batch = b
		b.items = append(b.items, it)
		b.left.Add(1)
	}
}
