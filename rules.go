package thinghub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/shadow"
)

// submit offers a message to the rules, after its subscribers have it. Rules run on the
// hub that took the message in: what another hub sends was offered there.
func (h *Hub) submit(ctx context.Context, m *Message) {
	if m.Origin.Source == broker.FromPeer {
		return
	}
	var err error
	if h.rules != nil {
		err = h.rules.Offer(ctx, m.Topic, func(a *actions.Message) { ruleMessage(a, m) })
	} else {
		a := &actions.Message{}
		ruleMessage(a, m)
		err = h.engine.Submit(ctx, a)
	}
	if err != nil && !errors.Is(err, rules.ErrClosed) {
		h.log.Warn("thinghub: a message was not offered to the rules", "err", err)
	}
}

// ruleMessage makes an empty a the message as rules see it.
func ruleMessage(a *actions.Message, m *Message) {
	o := &m.Origin
	a.Topic, a.Payload, a.Time, a.QoS = m.Topic, m.Payload, m.Received, byte(m.QoS)
	a.ClientID, a.Principal, a.SourceIP, a.Hops = o.ClientID, o.Principal, sourceIP(o.RemoteAddr), o.Hops
	a.PayloadFormat, a.ContentType = actions.PayloadFormat(m.PayloadFormat), m.ContentType
	a.ResponseTopic, a.CorrelationData = m.ResponseTopic, m.CorrelationData
	if o.Source == broker.FromClient || o.Source == broker.FromWill {
		a.Protocol = actions.ProtocolMQTT
		if o.ClientID == "" && !o.Upstream {
			a.Protocol = actions.ProtocolHTTP
		}
	}
	if m.HasUserProperties() {
		a.UserProperties = m.UserProperties()
	}
}

func sourceIP(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	switch {
	case !ok:
		return netip.Addr{}
	case len(t.IP) == net.IPv4len: // which most are
		return netip.AddrFrom4([net.IPv4len]byte(t.IP))
	}
	return t.AddrPort().Addr().Unmap()
}

// rulePublisher is how actions publish: the way of all messages.
type rulePublisher struct{ hub *Hub }

func (p rulePublisher) Publish(ctx context.Context, out *actions.Publication) error {
	m := &Message{
		Topic: out.Topic, Payload: out.Payload, QoS: broker.QoS(out.QoS), PayloadFormat: broker.PayloadFormat(out.PayloadFormat),
		ContentType: out.ContentType, ResponseTopic: out.ResponseTopic, CorrelationData: out.CorrelationData,
		Received: time.Now(), Origin: broker.Origin{Source: broker.FromRule, Principal: out.Rule, Hops: out.Hops},
	}
	if out.Expiry > 0 {
		m.Expires = m.Received.Add(out.Expiry)
	}
	for _, u := range out.UserProperties {
		m.AddUserProperty(u.Key, u.Value)
	}
	if err := m.Validate(); err != nil {
		return actions.Permanent(err)
	}
	if err := p.allowed(ctx, out); err != nil {
		return err
	}
	err := p.hub.server.Route(ctx, m)
	if err == nil && p.hub.parted.Load() {
		p.hub.unheard.Add(1)
	}
	switch broker.ReasonOf(err) {
	case broker.NotAuthorized, broker.TopicNameInvalid, broker.PayloadFormatInvalid:
		return actions.Permanent(err)
	default:
		return err
	}
}

// allowed says whether the role of an action may publish, where that is asked.
func (p rulePublisher) allowed(ctx context.Context, out *actions.Publication) error {
	if !p.hub.enforcesRoles {
		return nil
	}
	role := &auth.Identity{Principal: out.Role, Kind: auth.IAM}
	if out.Role == "" {
		role.Principal = "a rule without a role"
	}
	err := p.hub.principals.access.Authorize(ctx, role, &auth.Request{Action: auth.Publish, Resource: out.Topic})
	if errors.Is(err, auth.ErrDenied) {
		return actions.Permanent(fmt.Errorf("role %q: %w", out.Role, err))
	}
	return err
}

// ruleShadows is how actions change device shadows.
type ruleShadows struct{ hub *Hub }

func (s ruleShadows) UpdateShadow(ctx context.Context, thing, name string, document []byte) error {
	_, err := s.hub.shadows.Update(ctx, shadow.Key{Thing: thing, Name: name}, document, shadow.Requester{Source: shadow.FromRule})
	switch {
	case err == nil, errors.Is(err, shadow.ErrInternal), errors.Is(err, shadow.ErrThrottled), errors.Is(err, shadow.ErrVersion):
		return err
	default:
		return actions.Permanent(err)
	}
}

// ReadShadow is get_thing_shadow.
func (s ruleShadows) ReadShadow(ctx context.Context, thing, name, _ string) ([]byte, error) {
	v, err := s.hub.shadows.Get(ctx, shadow.Key{Thing: thing, Name: name}, shadow.Requester{})
	if errors.Is(err, shadow.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return v.AppendJSON(nil), nil
}

// ruleRegistry is how statements ask about things, in the shapes of the control plane.
type ruleRegistry struct{ hub *Hub }

// ReadRegistry is get_registry_data.
func (r ruleRegistry) ReadRegistry(ctx context.Context, api, thing, _ string) ([]byte, error) {
	var answer any
	var err error
	if api == "DescribeThing" {
		answer, err = r.thing(ctx, thing)
	} else {
		answer, err = r.groups(ctx, thing)
	}
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

func (r ruleRegistry) thing(ctx context.Context, name string) (any, error) {
	t, err := r.hub.registry.DescribeThing(ctx, name)
	if err != nil {
		return nil, err
	}
	attributes := t.Attributes
	if attributes == nil {
		attributes = map[string]string{}
	}
	return struct {
		ClientID   string            `json:"defaultClientId"`
		Name       string            `json:"thingName"`
		ID         string            `json:"thingId"`
		ARN        string            `json:"thingArn"`
		Type       string            `json:"thingTypeName,omitempty"`
		Attributes map[string]string `json:"attributes"`
		Version    int64             `json:"version"`
	}{t.Name, t.Name, t.ID, r.hub.registry.ThingARN(t.Name), t.Type, attributes, t.Version}, nil
}

func (r ruleRegistry) groups(ctx context.Context, thing string) (any, error) {
	type group struct {
		Name string `json:"groupName"`
		ARN  string `json:"groupArn"`
	}
	out := struct {
		Groups []group `json:"thingGroups"`
	}{[]group{}}
	for page := (registry.Page{}); ; {
		groups, next, err := r.hub.registry.ListThingGroupsForThing(ctx, thing, page)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			out.Groups = append(out.Groups, group(g))
		}
		if next == "" {
			return out, nil
		}
		page.Token = next
	}
}
