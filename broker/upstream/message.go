package upstream

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/mqttlink"
	"github.com/thinghub/thinghub/internal/topic"
)

// HubProperty is the user property by which the hubs of a fleet know what one of them has
// published, and routed. Without a fleet it is not used.
const HubProperty = "thinghub-hub"

func newMark() string { return rand.Text() }

// packet is a message as it is sent.
func (b *Broker) packet(m *broker.Message) *paho.Publish {
	_, _, retain, maxQoS := b.link.Abilities()
	p := &paho.Publish{
		Topic: m.Topic, Payload: m.Payload, QoS: min(byte(m.QoS), maxQoS), Retain: m.Retain && retain,
		Properties: &paho.PublishProperties{ContentType: m.ContentType, ResponseTopic: m.ResponseTopic, CorrelationData: m.CorrelationData},
	}
	if m.PayloadFormat != broker.FormatUnset {
		f := byte(m.PayloadFormat - broker.FormatBytes)
		p.Properties.PayloadFormat = &f
	}
	if !m.Expires.IsZero() {
		left := (max(0, time.Until(m.Expires)) + time.Second - 1) / time.Second
		seconds := uint32(min(left, math.MaxUint32))
		p.Properties.MessageExpiry = &seconds
	}
	for k, v := range m.UserProperties() {
		p.Properties.User = append(p.Properties.User, paho.UserProperty{Key: k, Value: v})
	}
	if b.cfg.Fleet != "" {
		p.Properties.User = append(p.Properties.User, paho.UserProperty{Key: HubProperty, Value: b.mark})
	}
	return p
}

// message is what came, and whether a hub of the fleet published it.
func (b *Broker) message(p *paho.Publish) (m *broker.Message, hub bool) {
	now := time.Now()
	m = &broker.Message{Topic: p.Topic, Payload: p.Payload, QoS: broker.QoS(p.QoS), Retain: p.Retain, Received: now}
	pr := p.Properties
	if pr == nil {
		return m, false
	}
	m.ContentType, m.ResponseTopic, m.CorrelationData = pr.ContentType, pr.ResponseTopic, pr.CorrelationData
	if pr.PayloadFormat != nil {
		m.PayloadFormat = broker.FormatBytes
		if *pr.PayloadFormat == 1 {
			m.PayloadFormat = broker.FormatUTF8
		}
	}
	if pr.MessageExpiry != nil {
		m.Expires = now.Add(time.Duration(*pr.MessageExpiry) * time.Second)
	}
	for _, u := range pr.User {
		if u.Key == HubProperty && b.cfg.Fleet != "" {
			hub = true
			continue
		}
		m.AddUserProperty(u.Key, u.Value)
	}
	return m, hub
}

// publish sends a message with QoS 1 or 2, and waits for a connection if there is none.
func (b *Broker) publish(ctx context.Context, p *paho.Publish) error {
	err := b.link.Publish1(ctx, p)
	if !errors.Is(err, mqttlink.ErrDown) || b.cfg.Wait < 0 {
		return err
	}
	select {
	case b.waiting <- struct{}{}:
	default:
		return errors.Join(ErrBusy, err)
	}
	defer func() { <-b.waiting }()
	waiting, cancel := context.WithTimeout(ctx, b.cfg.Wait)
	defer cancel()
	for errors.Is(err, mqttlink.ErrDown) {
		if err := b.link.Await(waiting, false); err != nil {
			return err
		}
		err = b.link.Publish1(ctx, p)
	}
	return err
}

// handle takes in what came. An error means: not now.
func (b *Broker) handle(ctx context.Context, p *paho.Publish) error {
	if err := b.await(ctx); err != nil {
		return err
	}
	id := 0
	if p.Properties != nil && p.Properties.SubscriptionIdentifier != nil {
		id = *p.Properties.SubscriptionIdentifier
	}
	m, hub := b.message(p)
	switch {
	case isSys(m.Topic):
		return nil // of a session that was once another's
	case id >= idGroups && b.cfg.Fleet != "":
		if group, ok := b.interest.group(id); ok {
			b.pass(group, m)
		}
		return nil
	case (id == idRoutedRe || id == idWantedRe) && p.Retain:
		return b.replay(ctx, m, b.routes(m, id))
	case b.routes(m, id):
		if hub {
			b.count.echoes.Add(1) // whoever published it has routed it
			return nil
		}
		return b.route(ctx, m)
	}
	if m.Retain && b.intake != nil {
		if _, err := b.intake.Retain(ctx, m); err == nil {
			b.count.retained.Add(1)
		}
	}
	b.pass(b.everybody(), m)
	return nil
}

// routes reports whether a message is to be routed: if it came because of the hub's
// filters. Without a fleet a wider one may have taken their place, and what else it brings
// is delivered only.
func (b *Broker) routes(m *broker.Message, id int) bool {
	switch {
	case b.intake == nil:
		return false
	case b.cfg.Fleet != "":
		return id == idRouted
	}
	for _, f := range b.cfg.Filters {
		if topic.Match(f, m.Topic) {
			return true
		}
	}
	return false
}

// everybody is the group of whom an ordinary subscription is for.
func (b *Broker) everybody() string {
	if b.cfg.Fleet == "" {
		return broker.EveryGroup
	}
	return ""
}

// pass delivers a message that is not routed.
func (b *Broker) pass(group string, m *broker.Message) {
	m.Origin = broker.Origin{Source: broker.FromPeer, Upstream: true}
	b.count.delivered.Add(1)
	b.deliver(group, m)
}

// route hands a message to the hub, as one of a client.
func (b *Broker) route(ctx context.Context, m *broker.Message) error {
	m.Origin = broker.Origin{Source: broker.FromClient, Upstream: true}
	if b.cfg.Identify != nil {
		m.Origin.ClientID, m.Origin.Principal = b.cfg.Identify(m)
	}
	err := b.intake.Route(ctx, m)
	switch {
	case err == nil || errors.Is(err, broker.ErrNotRetained):
		b.count.routed.Add(1)
		return nil
	case ctx.Err() != nil:
		return err
	}
	if passing[broker.ReasonOf(err)] {
		return err
	}
	b.count.refused.Add(1)
	return nil
}

// passing are the reasons of errors that are no refusals.
var passing = map[broker.ReasonCode]bool{
	broker.UnspecifiedError: true, broker.ImplementationSpecificError: true, broker.ServerBusy: true,
	broker.ServerUnavailable: true, broker.ServerShuttingDown: true,
}

// replay takes in a message that was retained before the hub subscribed.
func (b *Broker) replay(ctx context.Context, m *broker.Message, routed bool) error {
	if b.intake == nil {
		return nil
	}
	if b.cfg.Retained == RouteRetained && routed {
		news, err := b.intake.News(ctx, m)
		if err != nil || !news {
			return err
		}
		return b.route(ctx, m)
	}
	news, err := b.intake.Retain(ctx, m)
	if err != nil {
		if passing[broker.ReasonOf(err)] {
			return err
		}
		b.count.refused.Add(1)
		return nil
	}
	if news {
		b.count.retained.Add(1)
		b.pass(b.everybody(), m)
	}
	return nil
}
