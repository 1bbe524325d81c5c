package broker

import (
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
)

// A will is the message a client leaves behind for the case that its connection
// ends without DISCONNECT.
type will struct {
	m      Message
	delay  time.Duration
	expiry uint32 // Message Expiry Interval, counted from publication
	hasExp bool
	authz  auth.Session // decides whether it may be published
	id     *auth.Identity
	name   string // that the client called itself
}

// newWill copies the will out of a CONNECT packet.
func newWill(p *packet.Connect) *will {
	w := &will{m: Message{Topic: stringOf(p.WillTopic), Payload: p.WillPayload, QoS: QoS(p.WillQoS), Retain: p.WillRetain}}
	w.m.Origin.Source = FromWill
	pr := &p.WillProps
	w.m.setProperties(pr)
	w.delay = time.Duration(pr.WillDelay) * time.Second
	w.expiry, w.hasExp = pr.MessageExpiry, pr.Has(packet.PropMessageExpiry)
	w.m = *w.m.Clone()
	return w
}

// setProperties takes over the properties that travel with a message.
func (m *Message) setProperties(p *packet.Properties) {
	if p.Empty() {
		return
	}
	if p.Has(packet.PropPayloadFormat) {
		m.PayloadFormat = FormatBytes + PayloadFormat(p.PayloadFormat)
	}
	if p.Has(packet.PropContentType) {
		m.ContentType = stringOf(p.ContentType)
		m.emptyType = len(p.ContentType) == 0
	}
	if p.Has(packet.PropResponseTopic) {
		m.ResponseTopic = stringOf(p.ResponseTopic)
	}
	if p.Has(packet.PropCorrelationData) {
		m.CorrelationData = p.CorrelationData
		if m.CorrelationData == nil {
			m.CorrelationData = []byte{}
		}
	}
	m.user = p.User
}

// publishWill sends a will on its way, once, if its client may still publish there.
func (s *Server) publishWill(w *will) {
	defer s.rescue("a router or authorizer, called for a will")
	m := &w.m
	m.Received = time.Now()
	if w.hasExp {
		m.Expires = m.Received.Add(time.Duration(w.expiry) * time.Second)
	}
	if z := w.authz; z != nil {
		action := auth.Publish
		err := z.Allow(action, m.Topic)
		if err == nil && m.Retain {
			action = auth.RetainPublish
			err = z.Allow(action, m.Topic)
		}
		if err != nil {
			s.count.refusedPublish[NotAuthorized].Add(1)
			d := &Denial{ClientID: m.Origin.ClientID, Username: w.name, Action: action, Resource: m.Topic, Err: err}
			d.of(w.id)
			s.tellDenied(d)
			return
		}
	}
	if reserved(m.Topic) {
		s.count.refusedPublish[NotAuthorized].Add(1)
		return
	}
	if err := s.route(m); err != nil {
		s.count.refusedPublish[ReasonOf(err)].Add(1)
		s.log.Warn("broker: will not published", "client", m.Origin.ClientID, "topic", m.Topic, "err", err)
	}
}
