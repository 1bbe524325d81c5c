package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thinghub/thinghub/actions"
)

const (
	// maxBuffered bounds the records that the library holds. Calls wait for theirs, so
	// many are left only where events were given up.
	maxBuffered = 1 << 16
	// maxKnown bounds the results that are kept for a call that may ask for them.
	maxKnown = 1 << 14
	// refusals is how many connections in a row must fail for a call to end before its
	// time.
	refusals = 3
)

var (
	errBehind = errors.New("kafka: a record before it in its batch was not written")
	errFull   = errors.New("kafka: too many records wait for the cluster")
)

// A producer writes records of one variant.
//
// What was sent and not answered cannot be taken back: Kafka may have written it, and a
// second record would be a duplicate. So a call that ends before its records are answered
// leaves them with the library, which goes on until it knows, and the next call for the
// same event waits for that result instead of sending it again.
type producer struct {
	kgo  *kgo.Client
	gate gate

	mu     sync.Mutex
	unsure map[string]*sent // by event: what calls left behind
	open   int              // of these, those without a result
	known  []string         // of these, those that were written, the oldest first
	link   link
}

// link is how it goes with connections.
type link struct {
	fails, successes int
	err              error
	changed          chan struct{} // closed when fails changes
}

func newProducer() *producer {
	return &producer{gate: newGate(), unsure: map[string]*sent{}, link: link{changed: make(chan struct{})}}
}

// OnBrokerConnect is called by the library.
func (p *producer) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.link.successes++
		p.link.err = nil
		return
	}
	p.link.fails++
	p.link.err = err
	close(p.link.changed)
	p.link.changed = make(chan struct{})
}

// A call is a number of records that are sent together.
type call struct {
	p      *producer
	sent   []sent
	left   int // without a result
	failed bool
	done   chan struct{}
}

// sent is a record and its result, guarded by producer.mu.
type sent struct {
	call     *call
	record   kgo.Record
	finished bool
	err      error
	id       string        // of the event, once the call was given up
	result   chan struct{} // closed with the result, once the call was given up
}

// write writes events.
func (p *producer) write(ctx context.Context, a *Action, evs []actions.Event) []error {
	errs := make([]error, len(evs))
	if err := p.gate.enter(ctx); err != nil {
		return all(errs, err)
	}
	todo, err := p.settle(ctx, evs)
	if err != nil {
		p.gate.leave()
		for _, i := range todo {
			errs[i] = err
		}
		return errs
	}
	refused := p.send(ctx, a, evs, todo, errs)
	p.gate.leave()
	if len(refused) > 0 {
		p.sift(ctx, a, evs, refused, errs)
	}
	return errs
}

func all(errs []error, err error) []error {
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// settle waits for the results of what earlier calls left of these events, and returns
// those that are to be sent; with an error, those that are not written.
func (p *producer) settle(ctx context.Context, evs []actions.Event) (todo []int, err error) {
	var earlier map[int]*sent
	p.mu.Lock()
	if len(p.unsure) > 0 {
		for i, ev := range evs {
			if s := p.unsure[ev.ID()]; s != nil {
				if earlier == nil {
					earlier = map[int]*sent{}
				}
				earlier[i] = s
			}
		}
	}
	p.mu.Unlock()
	todo = make([]int, 0, len(evs))
	for i := range evs {
		s := earlier[i]
		if s == nil {
			todo = append(todo, i)
			continue
		}
		// All results are awaited before anything is sent: what failed goes again before
		// what comes after it.
		if err == nil {
			err = p.await(ctx, s.result)
		}
		if !p.take(s) {
			todo = append(todo, i)
		}
	}
	return todo, err
}

// take reports whether a record was written, and forgets it then.
func (p *producer) take(s *sent) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !s.finished || s.err != nil {
		return false
	}
	if last := p.unsure[s.id]; last != nil && last.finished {
		delete(p.unsure, s.id)
	}
	return true
}

// await waits until a channel is closed; the error says why it was not.
func (p *producer) await(ctx context.Context, done <-chan struct{}) error {
	p.mu.Lock()
	fails, successes := p.link.fails, p.link.successes
	for {
		changed := p.link.changed
		p.mu.Unlock()
		select {
		case <-done:
			return nil
		default:
		}
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return p.noAnswer(context.Cause(ctx))
		case <-changed:
		}
		p.mu.Lock()
		switch {
		case p.link.successes != successes:
			fails, successes = p.link.fails, p.link.successes
		case p.link.fails-fails >= refusals:
			err := p.link.err
			p.mu.Unlock()
			return fmt.Errorf("kafka: no connection: %w", err)
		}
	}
}

// noAnswer is the error of a call whose time is over.
func (p *producer) noAnswer(cause error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link.err != nil {
		return fmt.Errorf("kafka: no answer: %w (the last connection failed: %w)", cause, p.link.err)
	}
	return fmt.Errorf("kafka: no answer: %w", cause)
}

// send sends the events of todo in their order, and sets their errors. It returns those
// that Kafka refused for what is in some record of them.
func (p *producer) send(ctx context.Context, a *Action, evs []actions.Event, todo []int, errs []error) (refused []int) {
	c := &call{p: p, sent: make([]sent, 0, len(todo)), done: make(chan struct{})}
	of := make([]int, 0, len(todo)) // the events of c.sent
	var m memory
	m.reserve(evs, todo)
	for _, i := range todo {
		r, err := a.record(&m, evs[i])
		if err != nil {
			errs[i] = actions.Permanent(err)
			continue
		}
		c.sent, of = append(c.sent, sent{call: c, record: r}), append(of, i)
	}
	if len(of) == 0 {
		return nil
	}
	if int(p.kgo.BufferedProduceRecords())+len(of) > maxBuffered {
		for _, i := range of {
			errs[i] = errFull
		}
		return nil
	}
	c.left = len(c.sent)
	n := 0
	for ; n < len(c.sent) && !c.hasFailed(); n++ {
		s := &c.sent[n]
		// The context would end all records of the partition, also those of others.
		p.kgo.Produce(context.Background(), &s.record, s.finish)
	}
	for i := n; i < len(c.sent); i++ {
		c.sent[i].finish(nil, errBehind)
	}
	late := p.await(ctx, c.done)
	if late != nil {
		late = p.leave(c, evs, of, late)
	}
	return p.judge(a, c, of, errs, late)
}

func (c *call) hasFailed() bool {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.failed
}

// finish is called by the library with the result of a record.
func (s *sent) finish(_ *kgo.Record, err error) {
	c := s.call
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	s.finished, s.err = true, err
	if err != nil {
		c.failed = true
	}
	if s.result != nil {
		close(s.result)
		p.open--
		switch {
		case err == nil:
			p.keep(s)
		case p.unsure[s.id] == s:
			delete(p.unsure, s.id) // to be sent again
		}
	}
	if c.left--; c.left == 0 {
		close(c.done)
	}
}

// keep remembers, within bounds, that a record was written that nobody waited for.
func (p *producer) keep(s *sent) {
	// Not s itself, which holds the memory of its call.
	p.unsure[s.id] = &sent{id: s.id, finished: true, result: s.result}
	p.known = append(p.known, s.id)
	if len(p.known) > maxKnown {
		if s := p.unsure[p.known[0]]; s != nil && s.finished {
			delete(p.unsure, p.known[0])
		}
		p.known = p.known[1:]
	}
}

// leave gives a call up: results that come later are for the next call of their events.
// It returns nil if all are there after all.
func (p *producer) leave(c *call, evs []actions.Event, of []int, late error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.left == 0 {
		return nil
	}
	for k := range c.sent {
		if s := &c.sent[k]; !s.finished {
			s.id, s.result = evs[of[k]].ID(), make(chan struct{})
			p.unsure[s.id] = s
			p.open++
		}
	}
	return late
}

// judge sets the errors of a call's events. Those of events without a result are late.
func (p *producer) judge(a *Action, c *call, of []int, errs []error, late error) (refused []int) {
	var purge map[string]bool
	p.mu.Lock()
	poisoned := false
	for k, i := range of {
		s := &c.sent[k]
		switch {
		case !s.finished || s.result != nil && late != nil:
			errs[i] = late
			continue
		case s.err == nil:
			continue
		}
		err, topicGone := a.classify(s)
		errs[i] = err
		if topicGone {
			if purge == nil {
				purge = map[string]bool{}
			}
			purge[s.record.Topic] = true
		}
		if content(s.err) {
			poisoned = true
		}
	}
	if poisoned {
		for k, i := range of {
			if s := &c.sent[k]; s.finished && (content(s.err) || errors.Is(s.err, errBehind)) {
				refused = append(refused, i)
			}
		}
	}
	p.mu.Unlock()
	for topic := range purge {
		p.kgo.PurgeTopicsFromProducing(topic)
	}
	return refused
}

// sift finds the records for which Kafka refused others with them, while nobody else sends:
// a half at a time, in order.
func (p *producer) sift(ctx context.Context, a *Action, evs []actions.Event, group []int, errs []error) {
	if p.gate.close(ctx) != nil {
		return // they come again
	}
	defer p.gate.open()
	p.siftHalves(ctx, a, evs, group, errs)
}

func (p *producer) siftHalves(ctx context.Context, a *Action, evs []actions.Event, group []int, errs []error) (goOn bool) {
	p.mu.Lock()
	alone := p.open == 0
	p.mu.Unlock()
	if !alone || ctx.Err() != nil {
		return false
	}
	for _, i := range group {
		errs[i] = nil
	}
	refused := p.send(ctx, a, evs, group, errs)
	if len(refused) == 1 && len(group) == 1 {
		errs[group[0]] = actions.Permanent(errs[group[0]])
		return true
	}
	for _, i := range group {
		if errs[i] != nil && !errors.Is(errs[i], actions.ErrPermanent) && !slices.Contains(refused, i) {
			return false // it comes again, and what follows after it
		}
	}
	if len(refused) == 0 {
		return true
	}
	half := (len(refused) + 1) / 2
	return p.siftHalves(ctx, a, evs, refused[:half], errs) && (half == len(refused) || p.siftHalves(ctx, a, evs, refused[half:], errs))
}

// memory has what records refer to, since an event's own memory ends with the call and a
// record may stay.
type memory struct {
	b     []byte
	topic string
}

func (m *memory) reserve(evs []actions.Event, which []int) {
	n := 0
	for _, i := range which {
		n += len(evs[i].Payload)
		for k, text := range evs[i].Params {
			if k != paramTopic && k != paramPartition {
				n += len(text)
			}
		}
	}
	m.b = make([]byte, 0, n)
}

func (m *memory) bytes(b []byte) []byte {
	m.b = append(m.b, b...)
	return m.b[len(m.b)-len(b) : len(m.b) : len(m.b)]
}

func (m *memory) text(s string) []byte {
	m.b = append(m.b, s...)
	return m.b[len(m.b)-len(s) : len(m.b) : len(m.b)]
}

// record makes the record of an event.
func (a *Action) record(m *memory, ev actions.Event) (kgo.Record, error) {
	topic := ev.Params[paramTopic]
	if topic != m.topic {
		if err := checkTopic(topic); err != nil {
			return kgo.Record{}, err
		}
		m.topic = strings.Clone(topic)
	}
	partition, err := parsePartition(ev.Params[paramPartition])
	if err != nil {
		return kgo.Record{}, err
	}
	r := kgo.Record{Topic: m.topic, Partition: partition, Value: m.bytes(ev.Payload), Timestamp: ev.Message.Time}
	if key := ev.Params[paramKey]; key != "" {
		r.Key = m.text(key)
	} else if partition < 0 {
		r.Partition = byTopic(ev.Message.Topic)
	}
	for i := range a.Headers {
		key, value := ev.Params[paramHeaders+2*i], ev.Params[paramHeaders+2*i+1]
		switch {
		case value == "":
			continue
		case len(key) > maxHeaderText:
			return kgo.Record{}, actions.WrongField(fmt.Sprintf("headers[%d].key", i), key, "at most 16384 bytes")
		case len(value) > maxHeaderText:
			return kgo.Record{}, actions.WrongField(fmt.Sprintf("headers[%d].value", i), value, "at most 16384 bytes")
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: strings.Clone(key), Value: m.text(value)})
	}
	return r, nil
}
