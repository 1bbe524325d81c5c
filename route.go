package thinghub

import (
	"context"
	"strings"
	"time"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/shadow"
)

// router is the crossroads of the hub: what clients publish, wills, what the host
// publishes and what the hub's own rooms produce all passes here once.
type router struct{ hub *Hub }

func (r router) Route(ctx context.Context, m *Message) error {
	if strings.HasPrefix(m.Topic, "$aws/") {
		return r.reserved(ctx, m)
	}
	return r.hub.server.Publish(ctx, m)
}

// Immediate reports whether routing does not wait.
func (r router) Immediate() bool { return r.hub.shadows.Immediate() }

// reserved routes a message on a topic of the hub's. Requests are ordinary messages
// too and go to their subscribers before they are worked, so that who watches sees
// cause and effect in this order. A will is never a request.
func (r router) reserved(ctx context.Context, m *Message) error {
	kind := shadow.Classify(m.Topic)
	switch m.Origin.Source {
	case broker.FromHub, broker.FromHost, broker.FromPeer:
	default:
		if kind != shadow.Request {
			return broker.Refuse(broker.NotAuthorized, "only the hub publishes to this topic")
		}
		if m.Retain {
			return broker.Refuse(broker.NotAuthorized, "messages on topics of the hub are not retained")
		}
	}
	if err := r.hub.server.Publish(ctx, m); err != nil {
		return err
	}
	if kind != shadow.Request || m.Origin.Source == broker.FromWill || m.Origin.Source == broker.FromPeer {
		return nil
	}
	if _, err := r.hub.shadows.Handle(ctx, m.Topic, m.Payload, requester(m)); err != nil {
		r.hub.log.Warn("thinghub: shadow request failed", "topic", strings.Clone(m.Topic), "client", m.Origin.ClientID, "err", err)
	}
	return nil
}

// requester is who publishes m, as shadows see it.
func requester(m *Message) shadow.Requester {
	by := shadow.Requester{ClientID: m.Origin.ClientID, Principal: m.Origin.Principal}
	switch m.Origin.Source {
	case broker.FromHost:
		by.Source = shadow.FromHost
	case broker.FromRule:
		by.Source = shadow.FromRule
	default:
		by.Source = shadow.FromMQTT
	}
	return by
}

// publisher is how the rooms speak: their messages take the way of all others.
type publisher struct{ hub *Hub }

func (p publisher) Publish(ctx context.Context, name string, payload []byte) error {
	m := Message{Topic: name, Payload: payload, QoS: broker.AtLeastOnce, Origin: broker.Origin{Source: broker.FromHub}, Received: time.Now()}
	return p.hub.server.Route(ctx, &m)
}
