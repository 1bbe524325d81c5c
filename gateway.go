package thinghub

import (
	"context"
	"errors"
	"strings"
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
		return &api.Refusal{Text: err.Error()}
	}
	if strings.HasPrefix(m.Topic, "$") && !strings.HasPrefix(m.Topic, "$aws/") {
		return &api.Refusal{Text: "topics that begin with $ are the hub's"}
	}
	err := g.hub.server.CheckPublish(m)
	if err == nil {
		err = g.hub.server.Route(ctx, m)
	}
	return refused(err)
}

// refused makes a refusal of an error that the gateway would tell a client as one.
func refused(err error) error {
	reason := broker.ReasonOf(err)
	switch reason {
	case broker.NotAuthorized, broker.TopicNameInvalid, broker.QuotaExceeded, broker.PayloadFormatInvalid,
		broker.RetainNotSupported, broker.QoSNotSupported, broker.PacketTooLarge:
		_, text, found := strings.Cut(err.Error(), reason.Error()+": ")
		if !found {
			text = reason.String()
		}
		return &api.Refusal{Text: text, Throttled: reason == broker.QuotaExceeded}
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

func (g gateway) RetainedAfter(ctx context.Context, after string, limit int) (page []*api.Message, more bool, err error) {
	for m, err := range g.hub.server.RetainedAfter(ctx, after) {
		if err != nil {
			return nil, false, err
		}
		if len(page) == limit {
			return page, true, nil
		}
		page = append(page, apiMessage(m))
	}
	return page, false, nil
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
