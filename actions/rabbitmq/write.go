package rabbitmq

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/thinghub/thinghub/actions"
)

// errNotConfirmed is why a message failed that RabbitMQ has refused. It does not say why.
var errNotConfirmed = errors.New("rabbitmq: the broker refused the message (nack), as a queue that is full may do")

// DoBatch publishes messages and waits for their confirmations.
func (a *Action) DoBatch(ctx context.Context, evs []actions.Event) []error {
	errs := make([]error, len(evs))
	s, err := a.client.get(ctx)
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	defer a.client.put(s)
	stop := context.AfterFunc(ctx, s.kill)
	defer stop()
	b := batch{a: a, s: s, evs: evs, errs: errs}
	all := make([]int, len(evs))
	for i := range all {
		all[i] = i
	}
	b.write(ctx, all)
	return errs
}

// A batch is the events of a call.
type batch struct {
	a    *Action
	s    *session
	evs  []actions.Event
	errs []error
}

func (b *batch) fail(which []int, err error) {
	for _, i := range which {
		b.errs[i] = err
	}
}

// write publishes the events of which, in their order.
func (b *batch) write(ctx context.Context, which []int) {
	for len(which) > 0 {
		left, err := b.publish(ctx, which)
		switch {
		case len(left) == 0:
			return
		case !content(err):
			b.fail(left, err)
			return
		}
		// RabbitMQ has closed the channel because of a message, and does not say which. It
		// took those before it, or not; it ignored those after it.
		which = b.find(ctx, left, err)
	}
}

// find publishes one after the other, until the message that RabbitMQ does not take has
// failed. It returns those after it.
func (b *batch) find(ctx context.Context, which []int, err error) (rest []int) {
	for k := range which {
		one := which[k : k+1]
		if len(which) > 1 {
			var left []int
			if left, err = b.publish(ctx, one); len(left) == 0 {
				continue
			}
		}
		if content(err) {
			b.fail(one, actions.Permanent(err))
			return which[k+1:]
		}
		b.fail(which[k:], err)
		return nil
	}
	return nil
}

// publish publishes events. Those that have a result have it in b.errs; the others, which
// may have reached RabbitMQ or not, it returns with the reason.
func (b *batch) publish(ctx context.Context, which []int) (left []int, err error) {
	s := b.s
	if err := s.ready(); err != nil {
		return which, b.because(ctx, err)
	}
	blocked := s.isBlocked()
	confirmations := make([]*amqp.DeferredConfirmation, len(which))
	size := s.conn.Config.FrameSize
	for k, i := range which {
		m, key, invalid := b.a.message(b.evs[i], size)
		if invalid != nil {
			b.errs[i] = actions.Permanent(invalid)
			continue
		}
		confirmations[k], err = s.channel.PublishWithDeferredConfirm(b.a.Exchange, key, b.a.Mandatory, false, m)
		if err != nil {
			break // as will all after it
		}
	}

	waited := error(nil)
	for _, c := range confirmations {
		if c == nil || waited != nil {
			continue
		}
		select {
		case <-c.Done():
		case <-ctx.Done():
			waited = noAnswer(ctx)
		case <-blocked:
			waited = errBlocked
		}
	}
	returned := b.returned()
	closed := s.channel.IsClosed()
	for k, i := range which {
		c := confirmations[k]
		switch {
		case b.errs[i] != nil && errors.Is(b.errs[i], actions.ErrPermanent):
		case c != nil && c.Acked():
			b.errs[i] = nil
			if returned != nil {
				if back, is := returned[messageID(b.evs[i])]; is {
					b.errs[i] = b.a.unroutable(back)
				}
			}
		case c != nil && !closed && isDone(c):
			b.errs[i] = errNotConfirmed
		default:
			left = append(left, i)
		}
	}
	switch {
	case len(left) == 0:
		return nil, nil
	case waited != nil:
		return left, waited
	}
	return left, b.because(ctx, s.reason())
}

// because is the error of messages whose channel was closed.
func (b *batch) because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return noAnswer(ctx)
	}
	err = fmt.Errorf("rabbitmq: exchange %q: %w", b.a.Exchange, err)
	if of := (*amqp.Error)(nil); errors.As(err, &of) && (of.Code == amqp.NotFound || of.Code == amqp.AccessRefused) {
		return actions.SinkWorks(err) // other exchanges have no reason to wait
	}
	return err
}

func isDone(c *amqp.DeferredConfirmation) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// returned are the messages that reached no queue, by their ids. They come before their
// confirmations.
func (b *batch) returned() (back map[string]amqp.Return) {
	for {
		select {
		case r, ok := <-b.s.returns:
			if !ok {
				return back
			}
			if back == nil {
				back = map[string]amqp.Return{}
			}
			back[r.MessageId] = r
		default:
			return back
		}
	}
}

// unroutable is the error of a message that was returned.
func (a *Action) unroutable(r amqp.Return) error {
	err := fmt.Errorf("rabbitmq: exchange %q, routing key %s: returned: %d %s", a.Exchange, actions.Shown(r.RoutingKey), r.ReplyCode, r.ReplyText)
	if !static(a.RoutingKey) {
		return actions.Permanent(err)
	}
	return actions.SinkWorks(err)
}

// content reports whether RabbitMQ does not take a message for what it is, such as one that
// is too large.
func content(err error) bool {
	var e *amqp.Error
	return errors.As(err, &e) && e.Code == amqp.PreconditionFailed
}

// message makes the message of an event and its routing key. size is that of a frame.
func (a *Action) message(ev actions.Event, size int) (m amqp.Publishing, key string, err error) {
	key = ev.Params[paramKey]
	if len(key) > maxShort {
		return m, "", actions.WrongField("routingKey", key, "at most 255 bytes")
	}
	m = amqp.Publishing{
		ContentType: ev.Params[paramContentType], DeliveryMode: amqp.Persistent, MessageId: messageID(ev),
		Timestamp: ev.Message.Time, Body: ev.Payload,
	}
	switch {
	case len(m.ContentType) > maxShort:
		return m, "", actions.WrongField("contentType", m.ContentType, "at most 255 bytes")
	case m.ContentType != "":
	case json.Valid(ev.Payload):
		m.ContentType = "application/json"
	default:
		m.ContentType = "application/octet-stream"
	}
	if a.Persistent != nil && !*a.Persistent {
		m.DeliveryMode = amqp.Transient
	}
	// All that is not the body must be in one frame.
	bytes := frameOverhead + len(m.ContentType) + len(m.MessageId)
	for i, h := range a.Headers {
		value := ev.Params[paramHeaders+i]
		if value == "" {
			continue
		}
		if m.Headers == nil {
			m.Headers = amqp.Table{}
		}
		m.Headers[h.Key] = value
		bytes += headerOverhead + len(h.Key) + len(value)
	}
	if size > 0 && bytes > size {
		return m, "", fmt.Errorf("the headers have %d bytes, which is more than a frame of %d bytes can hold", bytes, size)
	}
	return m, key, nil
}

const (
	// frameOverhead is more than what a frame, the head of a message and the properties
	// that it always has need besides their texts.
	frameOverhead = 64
	// headerOverhead is that of a header: two lengths and a type.
	headerOverhead = 6
)

// messageID is that of the event, or a hash of it if that is too long.
func messageID(ev actions.Event) string {
	id := ev.ID()
	if len(id) > maxShort {
		sum := sha256.Sum256([]byte(id))
		return hex.EncodeToString(sum[:])
	}
	return strings.ToValidUTF8(id, "?")
}
