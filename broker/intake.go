package broker

import (
	"bytes"
	"context"
	"errors"
	"time"
)

// An Upstream is a [Broker] with clients of its own: it stands on a broker that was there
// before the hub, and what devices publish there is to be what the hub's own clients
// publish, so that shadows answer it and rules see it. A server runs it with RunUpstream
// instead of Run.
//
// Publish gets what the upstream brought itself too, with Origin.Upstream: that is to be
// delivered here, if it is not otherwise, and not to be sent back.
type Upstream interface {
	Broker
	// RunUpstream is Run: in.Deliver is its deliver function.
	RunUpstream(ctx context.Context, in Intake) error
}

// An Intake is where the messages of an [Upstream] enter a server. Its methods are safe for
// concurrent use.
type Intake struct{ srv *Server }

// Deliver is what Run gets as its deliver function: m goes to local subscribers and no
// further.
func (in Intake) Deliver(group string, m *Message) { in.srv.deliver(group, m) }

// Route takes in a message that a client of the upstream has published, as if the client
// were the server's own: it is held to the limits of [Config] and handed to Config.Router,
// once. Nobody is asked for permission: who may publish was the upstream's to decide.
//
// Its Origin is set: Source FromClient if it is not FromWill, Upstream, and ClientID and
// Principal as m has them, which the upstream vouches for. m is valid until Route returns.
// Errors are those of a [Router]; one that wraps [ErrNotRetained] means that the message
// was delivered all the same. They are counted in Metrics.RefusedPublishes.
func (in Intake) Route(ctx context.Context, m *Message) error {
	s := in.srv
	if m.Origin.Source != FromWill {
		m.Origin.Source = FromClient
	}
	m.Origin.Upstream = true
	if m.Received.IsZero() {
		m.Received = time.Now()
	}
	err := s.CheckPublish(m)
	if err == nil {
		err = s.Route(ctx, m)
	}
	if err != nil && ctx.Err() == nil {
		_ = s.refusePublish(m, err, errors.Is(err, ErrNotRetained)) // counts it
	}
	return err
}

// Retain keeps a message that the upstream has retained for later subscribers, or forgets
// the one of its topic if the payload is empty; nobody is told. news is that of
// [Intake.News]; without it nothing is done. m is copied.
func (in Intake) Retain(ctx context.Context, m *Message) (news bool, err error) {
	if news, err = in.News(ctx, m); err != nil || !news {
		return false, err
	}
	if err := in.srv.CheckPublish(m); err != nil {
		return false, err
	}
	return true, in.srv.retain(ctx, m)
}

// News reports whether a message that the upstream has retained differs from the one that
// is kept here for its topic.
func (in Intake) News(ctx context.Context, m *Message) (bool, error) {
	s := in.srv
	if s.cfg.DisableRetain {
		return false, nil
	}
	var old *Message
	for k, err := range s.cfg.Retained.Match(ctx, m.Topic) {
		if err != nil {
			return false, err
		}
		if k != nil && !k.expired(time.Now()) {
			old = k
		}
	}
	if old == nil {
		return len(m.Payload) > 0, nil
	}
	return !old.says(m), nil
}

// says reports whether two messages of one topic are the same to a reader.
func (m *Message) says(o *Message) bool {
	return bytes.Equal(m.Payload, o.Payload) && m.QoS == o.QoS && m.PayloadFormat == o.PayloadFormat && m.ContentType == o.ContentType &&
		m.ResponseTopic == o.ResponseTopic && bytes.Equal(m.CorrelationData, o.CorrelationData) && bytes.Equal(m.user, o.user)
}

// runBroker runs the Broker in the way that it has.
func (s *Server) runBroker(ctx context.Context) error {
	if u, ok := s.cfg.Broker.(Upstream); ok {
		return u.RunUpstream(ctx, Intake{s})
	}
	return s.cfg.Broker.Run(ctx, s.deliver)
}
