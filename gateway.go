package thinghub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/api"
)

// gateway is the MQTT gateway as the data plane sees it.
type gateway struct{ hub *Hub }

// Publish routes a message as one that a client without an id has sent.
func (g gateway) Publish(ctx context.Context, p *api.Message) error {
	m := &Message{
		Topic: p.Topic, Payload: p.Payload, QoS: broker.QoS(p.QoS), Retain: p.Retain,
		ContentType: p.ContentType, ResponseTopic: p.ResponseTopic, CorrelationData: p.CorrelationData,
		Received: time.Now(), Origin: broker.Origin{Source: broker.FromClient, Principal: p.Principal},
	}
	if p.UTF8 != nil {
		m.PayloadFormat = broker.FormatBytes
		if *p.UTF8 {
			m.PayloadFormat = broker.FormatUTF8
		}
	}
	if p.Expiry > 0 {
		m.Expires = m.Received.Add(p.Expiry)
	}
	for _, u := range p.User {
		m.AddUserProperty(u[0], u[1])
	}
	if err := m.Validate(); err != nil {
		return fmt.Errorf("%w: %w", api.ErrRefused, err)
	}
	err := g.hub.server.Route(ctx, m)
	switch broker.ReasonOf(err) {
	case broker.NotAuthorized, broker.TopicNameInvalid, broker.QuotaExceeded, broker.PayloadFormatInvalid:
		return fmt.Errorf("%w: %w", api.ErrRefused, err)
	default:
		return err
	}
}

func (g gateway) Retained(ctx context.Context, topic string) (*api.Message, error) {
	for m, err := range g.hub.server.Retained(ctx, topic) {
		if err != nil {
			return nil, err
		}
		return apiMessage(m), nil
	}
	return nil, api.ErrNoRetained
}

// RetainedAfter looks at all retained messages: the store has no order.
func (g gateway) RetainedAfter(ctx context.Context, after string, limit int) (page []*api.Message, more bool, err error) {
	var first []*Message // the first ones by topic, at most twice as many as are wanted
	byTopic := func(a, b *Message) int { return cmp.Compare(a.Topic, b.Topic) }
	for m, err := range g.hub.server.Retained(ctx, "#") {
		if err != nil {
			return nil, false, err
		}
		if m.Topic <= after {
			continue
		}
		if first = append(first, m); len(first) > 2*limit+2 {
			slices.SortFunc(first, byTopic)
			first = first[:limit+1]
		}
	}
	slices.SortFunc(first, byTopic)
	more = len(first) > limit
	for _, m := range first[:min(limit, len(first))] {
		page = append(page, apiMessage(m))
	}
	return page, more, nil
}

func apiMessage(m *Message) *api.Message {
	out := &api.Message{Topic: m.Topic, Payload: m.Payload, QoS: byte(m.QoS), Retain: true, Received: m.Received}
	for k, v := range m.UserProperties() {
		out.User = append(out.User, [2]string{k, v})
	}
	return out
}

func (g gateway) Disconnect(_ context.Context, clientID string, endSession, suppressWill bool) error {
	err := g.hub.server.Disconnect(clientID, broker.DisconnectOptions{EndSession: endSession, SuppressWill: suppressWill})
	if errors.Is(err, broker.ErrNotConnected) {
		return api.ErrNotConnected
	}
	return err
}
