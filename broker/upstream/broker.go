package upstream

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/mqttlink"
)

// ErrBusy is in the chain of the error of a publish that could not wait for a connection,
// since too many do.
var ErrBusy = errors.New("upstream: too many publishes wait for a connection")

// A Broker is a [broker.Upstream] on an MQTT 5 broker. It serves one hub, and is run by it.
// All methods are safe for concurrent use.
type Broker struct {
	cfg     Config
	running chan struct{} // closed when the fields below are set
	begun   atomic.Bool
	link    *mqttlink.Link
	deliver func(group string, m *broker.Message)
	intake  *broker.Intake // nil: nothing is routed

	waiting  chan struct{}
	count    counters
	interest interest
	mark     string // of this hub, in a fleet
}

type counters struct {
	routed, delivered, refused, echoes, retained, lost, published atomic.Uint64
}

// New returns a Broker. It does not connect before it is run. The error names the field of
// cfg that is wrong.
func New(cfg Config) (*Broker, error) {
	cfg, err := cfg.check()
	if err != nil {
		return nil, fmt.Errorf("upstream: Config.%w", err)
	}
	b := &Broker{cfg: cfg, running: make(chan struct{}), waiting: make(chan struct{}, cfg.MaxWaiting), mark: newMark()}
	b.interest.begin(b)
	return b, nil
}

// Run is for servers that do not know [broker.Upstream]: what comes from the upstream is
// delivered and not routed.
func (b *Broker) Run(ctx context.Context, deliver func(group string, m *broker.Message)) error {
	return b.run(ctx, deliver, nil)
}

// RunUpstream connects, and hands over what comes in, until ctx ends.
func (b *Broker) RunUpstream(ctx context.Context, in broker.Intake) error {
	return b.run(ctx, in.Deliver, &in)
}

const closingTime = 5 * time.Second

func (b *Broker) run(ctx context.Context, deliver func(string, *broker.Message), in *broker.Intake) error {
	if !b.begun.CompareAndSwap(false, true) {
		return errors.New("upstream: the Broker runs or ran already, expected one for each hub")
	}
	b.deliver, b.intake = deliver, in
	cfg, err := b.cfg.link()
	if err != nil {
		return fmt.Errorf("upstream: Config.%w", err)
	}
	cfg.Handle, cfg.Up = b.handle, b.interest.restore
	if b.link, err = mqttlink.Open(cfg); err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	close(b.running)
	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	_ = b.link.Close(ending) // whose failure is that of a connection which ends anyway
	return nil
}

// await waits until the Broker is run.
func (b *Broker) await(ctx context.Context) error {
	select {
	case <-b.running:
		return nil
	default:
	}
	select {
	case <-b.running:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Publish sends a message to the upstream, and delivers it to the hub's own clients as
// soon as the upstream has taken it; with QoS 0, as soon as it is written. What the
// upstream brought is delivered only.
//
// Without a connection a message with QoS 0 reaches the hub's own clients alone and is
// counted as lost. One with QoS 1 or 2 waits for Config.Wait, with at most
// Config.MaxWaiting others, and then fails: it reached nobody, as far as is known. The
// reason code of a refusal that the upstream would repeat is in the error.
func (b *Broker) Publish(ctx context.Context, m *broker.Message) error {
	if err := b.await(ctx); err != nil {
		return err
	}
	switch {
	case m.Origin.Upstream:
		if b.cfg.Fleet == "" { // otherwise it comes once more for each subscription
			b.deliver(broker.EveryGroup, m)
		}
		return nil
	case isSys(m.Topic): // which the upstream has too
		b.deliver(broker.EveryGroup, m)
		return nil
	}
	p := b.packet(m)
	var err error
	if p.QoS == 0 {
		if err = b.link.Publish1(ctx, p); err != nil && refusal(err) == nil && ctx.Err() == nil {
			b.count.lost.Add(1)
			err = nil
		}
	} else {
		err = b.publish(ctx, p)
	}
	if err != nil {
		if r := refusal(err); r != nil {
			return r
		}
		return fmt.Errorf("upstream: publish: %w", err)
	}
	b.count.published.Add(1)
	if b.cfg.Fleet == "" {
		b.deliver(broker.EveryGroup, m)
	} else {
		b.deliver("", m) // the upstream chooses who is to have it of a group
	}
	return nil
}

// refusal is what the publisher of a message is told that the upstream refuses for good;
// nil if it does not.
func refusal(err error) error {
	var r *mqttlink.Reason
	if !errors.As(err, &r) || !r.Permanent() {
		return nil
	}
	code := broker.ReasonCode(r.Code)
	switch code {
	case broker.NotAuthorized, broker.TopicNameInvalid, broker.PayloadFormatInvalid:
	default: // PUBACK has no closer code
		code = broker.QuotaExceeded
	}
	return broker.Refuse(code, "the upstream broker: "+r.Error())
}

// Health says how a [Broker] is.
type Health struct {
	// Connected says that there is a connection to the upstream; Ready that all
	// subscriptions are made besides.
	Connected, Ready bool
	// Since is when Connected changed last.
	Since time.Time
	// Err is why there is no connection, or why there was none the last time, or why
	// subscriptions are missing. It stays when all is well again, from ErrAt.
	Err   error
	ErrAt time.Time
	// Connections is how many were made, Subscriptions how many filters are subscribed to.
	Connections   uint64
	Subscriptions int
	// Waiting is how many publishes wait for a connection.
	Waiting int
	// Published is how many messages the upstream was sent, and took if their QoS is 1 or
	// 2; Lost how many with QoS 0 reached local subscribers alone.
	Published, Lost uint64
	// Routed is how many messages of the upstream's clients were routed, Refused how many
	// were not because the hub refused them. Delivered is how many went to the hub's own
	// clients only, Retained how many were kept for later ones.
	Routed, Refused, Delivered, Retained uint64
	// Echoes is how many messages of hubs came back and were dropped, Dropped how many
	// with QoS 0 found Config.MaxQueued waiting, Failed how many could not be routed, and
	// Repeated how many came again after a connection broke and had been routed.
	Echoes, Dropped, Failed, Repeated uint64
}

// Health returns how the Broker is now.
func (b *Broker) Health() Health {
	h := Health{
		Waiting: len(b.waiting), Published: b.count.published.Load(), Lost: b.count.lost.Load(), Routed: b.count.routed.Load(),
		Refused: b.count.refused.Load(), Delivered: b.count.delivered.Load(), Retained: b.count.retained.Load(), Echoes: b.count.echoes.Load(),
		Subscriptions: b.interest.len(),
	}
	select {
	case <-b.running:
	default:
		return h
	}
	l := b.link.Health()
	h.Connected, h.Ready, h.Since, h.Err, h.ErrAt, h.Connections = l.Connected, l.Ready, l.Since, l.Err, l.ErrAt, l.Connections
	h.Dropped, h.Failed, h.Repeated = l.Dropped, l.Failed, l.Repeated
	return h
}

// Ready waits until the Broker is connected and all subscriptions are made. The error is
// that of ctx, with why there is no connection.
func (b *Broker) Ready(ctx context.Context) error {
	if err := b.await(ctx); err != nil {
		return err
	}
	return b.link.Await(ctx, true)
}

var _ broker.Upstream = (*Broker)(nil)
