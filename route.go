package thinghub

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/shadow"
)

// router is the crossroads of the hub: what clients publish, wills, what the host
// publishes and what the hub's own rooms produce all passes here once.
type router struct{ hub *Hub }

func (r router) Route(ctx context.Context, m *Message) error {
	if m.Origin.Source == broker.FromHub || m.Origin.Source == broker.FromHost {
		m.Origin.Hops = actions.Hops(ctx) // an action may have set it in motion
	}
	if strings.HasPrefix(m.Topic, "$aws/") {
		return r.reserved(ctx, m)
	}
	return r.deliver(ctx, m)
}

// deliver gives a message to its subscribers, and after them to the rules: also one that
// the error says could not be retained.
func (r router) deliver(ctx context.Context, m *Message) error {
	err := r.hub.server.Publish(ctx, m)
	if err == nil || errors.Is(err, broker.ErrNotRetained) {
		r.hub.submit(ctx, m)
	}
	return err
}

// Immediate reports whether routing does not wait.
func (r router) Immediate() bool {
	return r.hub.shadows.Immediate() && (!r.hub.requiresThings || r.hub.registry.Immediate())
}

// reserved routes a message on a topic of the hub's. Requests are ordinary messages
// too and go to their subscribers before they are worked, so that who watches sees
// cause and effect in this order. A will is never a request.
func (r router) reserved(ctx context.Context, m *Message) error {
	if m.Origin.Source == broker.FromClient && provision.IsRequest(m.Topic) {
		return r.provision(m)
	}
	kind := shadow.Classify(m.Topic)
	ingest := strings.HasPrefix(m.Topic, "$aws/rules/")
	switch m.Origin.Source {
	case broker.FromHub, broker.FromHost, broker.FromPeer:
	default:
		if kind != shadow.Request && !ingest {
			return broker.Refuse(broker.NotAuthorized, "only the hub publishes to this topic")
		}
		if m.Retain {
			return broker.Refuse(broker.NotAuthorized, "messages on topics of the hub are not retained")
		}
	}
	if ingest { // to one rule and nobody else
		r.hub.submit(ctx, m)
		return nil
	}
	delivered := r.deliver(ctx, m)
	if delivered != nil && !errors.Is(delivered, broker.ErrNotRetained) {
		return delivered
	}
	if kind != shadow.Request || m.Origin.Source == broker.FromWill || m.Origin.Source == broker.FromPeer {
		return delivered
	}
	if m.Origin.Hops > 0 {
		ctx = actions.WithHops(ctx, m.Origin.Hops) // the answers are what it led to
	}
	if _, err := r.hub.shadows.Handle(ctx, m.Topic, m.Payload, requester(m)); err != nil {
		r.hub.log.Warn("thinghub: shadow request failed", "topic", strings.Clone(m.Topic), "client", m.Origin.ClientID, "err", err)
	}
	return delivered
}

// provision works a request of fleet provisioning. Nobody else hears it, since it may have
// a token in it, and the publisher does not wait.
func (r router) provision(m *Message) error {
	if m.Retain {
		return broker.Refuse(broker.NotAuthorized, "messages on topics of the hub are not retained")
	}
	topic, payload := strings.Clone(m.Topic), bytes.Clone(m.Payload)
	by := provision.Requester{Principal: m.Origin.Principal, ClientID: m.Origin.ClientID}
	if by.ClientID == "" || m.Origin.Upstream { // whose ids are not those of clients here
		return broker.Refuse(broker.NotAuthorized, "provisioning answers over MQTT, and clients of this hub alone")
	}
	r.hub.background(func(ctx context.Context) {
		if _, err := r.hub.principals.provision.Handle(ctx, topic, payload, by); err != nil {
			r.hub.log.Warn("thinghub: provisioning failed", "topic", topic, "client", by.ClientID, "err", err)
		}
	})
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
	return p.hub.server.Route(ctx, hubMessage(name, payload))
}

// hubMessage is something that the hub says.
func hubMessage(topic string, payload []byte) *Message {
	return &Message{Topic: topic, Payload: payload, QoS: broker.AtLeastOnce, Origin: broker.Origin{Source: broker.FromHub}, Received: time.Now()}
}
