package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thinghub/thinghub/actions"
)

// A todo is the message of an event and where its error goes.
type todo struct {
	msg *natsgo.Msg
	err *error
}

func fail(list []todo, err error) {
	for _, t := range list {
		*t.err = err
	}
}

var errReconnected = errors.New("the connection was lost meanwhile")

// publish publishes messages and has the server confirm, with one PING, that it has got
// them.
func (c *Client) publish(ctx context.Context, a *Action, list []todo) {
	mark, connection := c.watch.mark(), c.conn.Stats().Reconnects
	sent := make([]todo, 0, len(list))
	for i, t := range list {
		err := judge(c.conn.PublishMsg(t.msg), a.chosen())
		switch *t.err = err; {
		case err == nil:
			sent = append(sent, t)
		case !errors.Is(err, actions.ErrPermanent):
			fail(sent, err)
			fail(list[i:], err)
			return
		}
	}
	err := c.confirm(ctx, connection)
	if err != nil {
		fail(sent, judge(err, false))
		return
	}
	refused, _ := c.watch.since(mark)
	for _, t := range sent {
		*t.err = judge(refused[t.msg.Subject], a.chosen())
	}
}

// confirm waits until the server has got all that was published into a connection, the
// one of that number. What it has refused, the watch knows then.
func (c *Client) confirm(ctx context.Context, connection uint64) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flusherTimeout)
		defer cancel()
	}
	if err := c.conn.FlushWithContext(ctx); err != nil {
		return err
	}
	if c.conn.Stats().Reconnects != connection {
		return errReconnected // what went into the old one may be lost
	}
	return c.watch.caughtUp(ctx, c.conn.LastError())
}

// store publishes messages to JetStream, all at once, and waits for the acknowledgements.
func (c *Client) store(ctx context.Context, a *Action, list []todo) {
	mark := c.watch.mark()
	acks := make([]jetstream.PubAckFuture, len(list))
	for i, t := range list {
		var err error
		acks[i], err = c.js.PublishMsgAsync(t.msg, jetstream.WithRetryAttempts(0))
		*t.err = judge(err, a.chosen())
	}
	for i, t := range list {
		if acks[i] != nil {
			*t.err = c.acked(ctx, a, t.msg.Subject, acks[i], mark)
		}
	}
}

// acked waits for an acknowledgement.
func (c *Client) acked(ctx context.Context, a *Action, subject string, ack jetstream.PubAckFuture, mark int) error {
	for {
		refused, changed := c.watch.since(mark)
		if err := refused[subject]; err != nil {
			return judge(err, a.chosen())
		}
		select {
		case <-ack.Ok():
			return nil
		case err := <-ack.Err():
			if errors.Is(err, jetstream.ErrNoStreamResponse) {
				return c.nobody(ctx, a, subject, err)
			}
			return judge(err, a.chosen())
		case <-ctx.Done():
			return judge(ctx.Err(), false)
		case <-changed:
		}
	}
}

// Headers of an atomic batch.
const (
	headerBatchID     = "Nats-Batch-Id"
	headerBatchNumber = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

// atomic publishes messages to a stream that takes all of them or none. If it refuses
// them for good, because it has one of them already, cannot take one or knows no such
// batches, they are published one by one.
func (c *Client) atomic(ctx context.Context, a *Action, list []todo) {
	err := c.commit(ctx, a, list)
	for _, t := range list {
		for _, h := range [...]string{headerBatchID, headerBatchNumber, headerBatchCommit} {
			t.msg.Header.Del(h)
		}
	}
	if !errors.Is(err, actions.ErrPermanent) {
		fail(list, err)
		return
	}
	for i, t := range list {
		c.store(ctx, a, list[i:i+1])
		if err := *t.err; err != nil && !errors.Is(err, actions.ErrPermanent) {
			fail(list[i+1:], err) // not before t
			return
		}
	}
}

var errNotAtomic = errors.New("nats: the server knows no atomic batches")

// commit publishes messages as a batch. Only the last one is acknowledged.
func (c *Client) commit(ctx context.Context, a *Action, list []todo) error {
	mark, connection := c.watch.mark(), c.conn.Stats().Reconnects
	id, last := rand.Text(), list[len(list)-1].msg
	for i, t := range list {
		t.msg.Header.Set(headerBatchID, id)
		t.msg.Header.Set(headerBatchNumber, strconv.Itoa(i+1))
		if t.msg != last {
			if err := c.conn.PublishMsg(t.msg); err != nil {
				return judge(err, a.chosen())
			}
		}
	}
	last.Header.Set(headerBatchCommit, "1")
	answers := make(chan *natsgo.Msg, 1)
	inbox := c.conn.NewInbox()
	sub, err := c.conn.ChanSubscribe(inbox, answers)
	if err != nil {
		return judge(err, false)
	}
	defer func() { _ = sub.Unsubscribe() }()
	last.Reply = inbox
	err = c.conn.PublishMsg(last)
	last.Reply = ""
	if err != nil {
		return judge(err, a.chosen())
	}
	for {
		refused, changed := c.watch.since(mark)
		if err := refused[last.Subject]; err != nil {
			return judge(err, a.chosen())
		}
		if c.conn.Stats().Reconnects != connection || !c.conn.IsConnected() {
			return judge(errReconnected, false)
		}
		select {
		case m := <-answers:
			return c.committed(ctx, a, m, last.Subject, len(list))
		case <-ctx.Done():
			return judge(ctx.Err(), false)
		case <-changed:
		}
	}
}

// committed judges the answer to the last message of a batch of n.
func (c *Client) committed(ctx context.Context, a *Action, m *natsgo.Msg, subject string, n int) error {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return c.nobody(ctx, a, subject, jetstream.ErrNoStreamResponse)
	}
	var answer struct {
		Stream string              `json:"stream"`
		Count  int                 `json:"count"`
		Error  *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(m.Data, &answer); {
	case err != nil || answer.Error == nil && answer.Stream == "":
		return judge(jetstream.ErrInvalidJSAck, false)
	case answer.Error != nil:
		return judge(answer.Error, a.chosen())
	case answer.Count != n:
		return actions.Permanent(errNotAtomic) // each was stored by itself, or not
	}
	return nil
}
