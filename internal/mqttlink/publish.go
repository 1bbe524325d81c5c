package mqttlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	pahosession "github.com/eclipse/paho.golang/paho/session"
)

// A Reason is an answer of the broker that says no.
type Reason struct {
	Code byte
	Text string // may be empty
}

// Error is one sentence for people.
func (r *Reason) Error() string {
	name := names[r.Code]
	if name == "" {
		name = "refused"
	}
	if r.Text != "" {
		name += ": " + r.Text
	}
	return fmt.Sprintf("%s (0x%02X)", name, r.Code)
}

var names = map[byte]string{
	0x00: "normal disconnection", 0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "implementation specific error",
	0x84: "protocol version not supported", 0x85: "client identifier not valid", 0x86: "bad user name or password", 0x87: "not authorized",
	0x88: "server unavailable", 0x89: "server busy", 0x8A: "banned", 0x8B: "server shutting down", 0x8D: "keep alive timeout", 0x8E: "session taken over",
	0x8F: "topic filter invalid", 0x90: "topic name invalid", 0x91: "packet identifier in use", 0x92: "packet identifier not found", 0x93: "receive maximum exceeded",
	0x94: "topic alias invalid", 0x95: "packet too large", 0x96: "message rate too high", 0x97: "quota exceeded", 0x98: "administrative action",
	0x99: "payload format invalid", 0x9A: "retain not supported", 0x9B: "QoS not supported", 0x9C: "use another server", 0x9D: "server moved",
	0x9E: "shared subscriptions not supported", 0x9F: "connection rate exceeded", 0xA0: "maximum connect time", 0xA1: "subscription identifiers not supported",
	0xA2: "wildcard subscriptions not supported",
}

// Permanent reports whether the answer to a message would be the same again.
func (r *Reason) Permanent() bool {
	switch r.Code {
	case 0x81, 0x82, 0x87, 0x90, 0x95, 0x99, 0x9A, 0x9B:
		return true
	}
	return false
}

var errLost = errors.New("the connection ended before the acknowledgement came")

// Publish publishes messages in their order and waits for all acknowledgements. The errors
// match the messages one by one; nil means that all are acknowledged, or written if their
// QoS is 0. A message that cannot be sent gets a [Reason] and keeps no other from being
// sent; what is behind one that got ErrDown or the error of ctx is not sent.
func (l *Link) Publish(ctx context.Context, ps []*paho.Publish) []error {
	c, err := l.current()
	if err != nil {
		return all(len(ps), err)
	}
	b := &batch{link: l, conn: c, ps: ps, answers: make([]chan packets.ControlPacket, len(ps)), over: time.NewTimer(l.cfg.Timeout)}
	defer b.over.Stop()
	b.send(ctx)
	for i := range ps {
		b.await(ctx, i)
	}
	return b.errs
}

// A batch is what one call publishes.
type batch struct {
	link    *Link
	conn    *connection
	ps      []*paho.Publish
	answers []chan packets.ControlPacket // of those that are under way
	done    int                          // the answers of those before it were awaited
	buffer  []io.WriterTo                // to be written
	over    *time.Timer                  // since the last answer
	errs    []error                      // nil if there are none
}

func (b *batch) fail(i int, err error) {
	if b.errs == nil {
		b.errs = make([]error, len(b.ps))
	}
	b.errs[i] = err
}

// send sends the messages, as far as that is possible.
func (b *batch) send(ctx context.Context) {
	from := 0 // not flushed
	for i, p := range b.ps {
		err := b.conn.refuses(p)
		switch {
		case err != nil:
			b.fail(i, err)
			b.link.count.refused.Add(1)
			continue
		case p.QoS == 0:
			b.buffer = append(b.buffer, p.Packet())
		default:
			err = b.enter(ctx, i)
		}
		if err == nil && len(b.buffer) >= maxBuffered {
			err = b.flush(from, i+1)
			from = i + 1
		}
		if err != nil {
			_ = b.flush(from, i)
			for j := i; j < len(b.ps); j++ {
				b.fail(j, err)
			}
			return
		}
	}
	_ = b.flush(from, len(b.ps))
}

const maxBuffered = 64

// flush writes the messages of ps[from:to]. Those without an acknowledgement fail with it,
// the others when the connection ends, which it does then.
func (b *batch) flush(from, to int) error {
	err := b.conn.write(b.buffer)
	b.buffer = b.buffer[:0]
	for i := from; i < to; i++ {
		if b.ps[i].QoS > 0 || b.errs != nil && b.errs[i] != nil {
			continue
		}
		if err != nil {
			b.fail(i, err)
		} else {
			b.link.count.sent.Add(1)
		}
	}
	return err
}

// await waits for the answer to a message.
func (b *batch) await(ctx context.Context, i int) {
	if b.answers[i] == nil {
		return
	}
	if err := b.answer(ctx, b.answers[i]); err != nil {
		b.fail(i, err)
	} else {
		b.link.count.sent.Add(1)
	}
	b.answers[i] = nil
}

// settle takes the answers that are there, of messages before i, in their order, and waits
// for the first one. It reports false if there is none to wait for.
func (b *batch) settle(ctx context.Context, i int) bool {
	some := false
	for ; b.done < i; b.done++ {
		answer := b.answers[b.done]
		if answer == nil {
			continue
		}
		if some && len(answer) == 0 {
			break
		}
		b.await(ctx, b.done)
		some = true
	}
	return some
}

// enter makes a message one that is under way, once there is room for it.
func (b *batch) enter(ctx context.Context, i int) error {
	for waited := false; ; waited = true {
		select {
		case b.conn.quota <- struct{}{}:
			return b.register(ctx, i)
		default:
		}
		if !waited { // room comes when these are acknowledged
			if err := b.conn.write(b.buffer); err != nil {
				return err
			}
			b.buffer = b.buffer[:0]
		}
		if b.settle(ctx, i) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			continue
		}
		select { // it is others that are under way
		case b.conn.quota <- struct{}{}:
			return b.register(ctx, i)
		case <-b.conn.down:
			return b.link.lost()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-b.over.C:
			return errTimeout
		}
	}
}

// register gives a message its identifier. There is room for it.
func (b *batch) register(ctx context.Context, i int) error {
	pb := b.ps[i].Packet()
	answer := make(chan packets.ControlPacket, 1)
	if b.conn.persistent { // what the broker is sent again takes room too
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, b.link.cfg.Timeout, errTimeout)
		defer cancel()
	}
	if err := b.link.session.AddToSession(ctx, pb, answer); err != nil {
		<-b.conn.quota
		if errors.Is(err, pahosession.ErrNoConnection) {
			err = b.link.lost()
		}
		return err
	}
	b.answers[i] = answer
	b.buffer = append(b.buffer, pb)
	return nil
}

func all(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// Publish1 is Publish for one message.
func (l *Link) Publish1(ctx context.Context, p *paho.Publish) error {
	if errs := l.Publish(ctx, []*paho.Publish{p}); errs != nil {
		return errs[0]
	}
	return nil
}

// refuses says what would end the connection, or what the broker has said it does not have.
func (c *connection) refuses(p *paho.Publish) error {
	switch {
	case p.QoS > c.maxQoS:
		return &Reason{Code: 0x9B, Text: fmt.Sprintf("QoS %d, the broker takes at most %d", p.QoS, c.maxQoS)}
	case p.Retain && !c.retain:
		return &Reason{Code: 0x9A}
	}
	const overhead = 64 // header, lengths and small properties
	n := len(p.Topic) + len(p.Payload) + overhead
	if pr := p.Properties; pr != nil {
		n += len(pr.ContentType) + len(pr.ResponseTopic) + len(pr.CorrelationData)
		for _, u := range pr.User {
			n += len(u.Key) + len(u.Value) + 5
		}
	}
	most := 268_435_455
	if c.maxPacket > 0 {
		most = min(most, c.maxPacket)
	}
	if n > most {
		return &Reason{Code: 0x95, Text: fmt.Sprintf("about %d bytes, the broker takes %d", n, most)}
	}
	return nil
}

var errTimeout = errors.New("no acknowledgement in time")

func (l *Link) lost() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return downError(l.err)
}

// answer waits for the acknowledgement.
func (b *batch) answer(ctx context.Context, answer chan packets.ControlPacket) error {
	c, l := b.conn, b.link
	// In a session that stays it is sent again by the next connection, if that is soon.
	var got packets.ControlPacket
	var err error
	select {
	case got = <-answer:
		b.over.Reset(l.cfg.Timeout)
		<-c.quota
		return l.judge(got)
	case <-c.over:
		err = fmt.Errorf("%w: %w", ErrDown, errLost)
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-b.over.C:
		b.over.Reset(0) // for those behind it
		err = errTimeout
	}
	select { // both may have happened
	case got = <-answer:
		<-c.quota
		return l.judge(got)
	default:
	}
	go func() { // ends with the acknowledgement or the connection
		select {
		case <-answer:
			<-c.quota
		case <-c.down:
		}
	}()
	return err
}

func (l *Link) judge(got packets.ControlPacket) error {
	r := &Reason{}
	switch a := got.Content.(type) {
	case *packets.Puback:
		r.Code, r.Text = a.ReasonCode, reasonText(a.Properties)
	case *packets.Pubrec:
		r.Code, r.Text = a.ReasonCode, reasonText(a.Properties)
	case *packets.Pubcomp:
		r.Code, r.Text = a.ReasonCode, reasonText(a.Properties)
	default:
		return fmt.Errorf("%w: %w", ErrDown, errLost)
	}
	if r.Code >= 0x80 {
		l.count.refused.Add(1)
		return r
	}
	return nil
}

func reasonText(p *packets.Properties) string {
	if p == nil {
		return ""
	}
	return p.ReasonString
}

// write writes packets as one. An error, which has ErrDown in its chain, ends the
// connection.
func (c *connection) write(ps []io.WriterTo) (err error) {
	if len(ps) == 0 {
		return nil
	}
	conn := c.to
	w, ok := conn.(*wire)
	if ok {
		w.Lock()
		conn = unlocked{w}
	}
	for _, p := range ps {
		if _, err = p.WriteTo(conn); err != nil {
			break
		}
	}
	if ok {
		w.Unlock()
		err = w.failed()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDown, err)
	}
	return nil
}

// unlocked hides the lock of a wire that is locked.
type unlocked struct{ w *wire }

func (u unlocked) Write(p []byte) (int, error) { return u.w.Write(p) }

// request sends packets of another kind, as one, and waits for the answers.
func (l *Link) request(ctx context.Context, ps ...pahosession.Packet) ([]packets.ControlPacket, error) {
	c, err := l.current()
	if err != nil {
		return nil, err
	}
	answers := make([]chan packets.ControlPacket, len(ps))
	out := make([]io.WriterTo, len(ps))
	for i, p := range ps {
		answers[i], out[i] = make(chan packets.ControlPacket, 1), p
		if err := l.session.AddToSession(ctx, p, answers[i]); err != nil {
			if errors.Is(err, pahosession.ErrNoConnection) {
				err = l.lost()
			}
			return nil, err
		}
	}
	if err := c.write(out); err != nil {
		return nil, err
	}
	over := time.NewTimer(l.cfg.Timeout)
	defer over.Stop()
	got := make([]packets.ControlPacket, len(ps))
	for i, answer := range answers {
		select {
		case got[i] = <-answer:
			if got[i].Content == nil {
				return nil, fmt.Errorf("%w: %w", ErrDown, errLost)
			}
		case <-c.down:
			return nil, fmt.Errorf("%w: %w", ErrDown, errLost)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-over.C:
			return nil, errTimeout
		}
	}
	return got, nil
}

// A Subscription is one SUBSCRIBE packet.
type Subscription struct {
	// ID is the identifier, 0 for none.
	ID int
	// Filters are what is subscribed to.
	Filters []paho.SubscribeOptions
}

// Subscribe makes subscriptions, one after the other with as little as possible between
// them. The error names the first filter that was refused, with a [Reason] in its chain;
// the others are in force.
func (l *Link) Subscribe(ctx context.Context, subs ...Subscription) error {
	var ps []pahosession.Packet
	for _, s := range subs {
		p := &paho.Subscribe{Subscriptions: s.Filters}
		if id := s.ID; id > 0 {
			p.Properties = &paho.SubscribeProperties{SubscriptionIdentifier: &id}
		}
		ps = append(ps, p.Packet())
	}
	if len(ps) == 0 {
		return nil
	}
	got, err := l.request(ctx, ps...)
	if err != nil {
		return fmt.Errorf("subscribe to %q: %w", subs[0].Filters[0].Topic, err)
	}
	for i, s := range subs {
		ack, ok := got[i].Content.(*packets.Suback)
		if !ok || len(ack.Reasons) != len(s.Filters) {
			return fmt.Errorf("subscribe to %q: the broker's answer has another form", s.Filters[0].Topic)
		}
		for j, code := range ack.Reasons {
			if code >= 0x80 {
				return fmt.Errorf("subscribe to %q: %w", s.Filters[j].Topic, &Reason{Code: code, Text: reasonText(ack.Properties)})
			}
		}
	}
	return nil
}

// Unsubscribe ends subscriptions.
func (l *Link) Unsubscribe(ctx context.Context, filters ...string) error {
	if len(filters) == 0 {
		return nil
	}
	got, err := l.request(ctx, (&paho.Unsubscribe{Topics: filters}).Packet())
	if err != nil {
		return fmt.Errorf("unsubscribe from %q: %w", filters[0], err)
	}
	ack, ok := got[0].Content.(*packets.Unsuback)
	if !ok {
		return fmt.Errorf("unsubscribe from %q: the broker's answer has another form", filters[0])
	}
	for i, code := range ack.Reasons {
		if code >= 0x80 && i < len(filters) {
			return fmt.Errorf("unsubscribe from %q: %w", filters[i], &Reason{Code: code, Text: reasonText(ack.Properties)})
		}
	}
	return nil
}

var _ sync.Locker = (*wire)(nil)
