package broker

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thinghub/thinghub/internal/packet"
	"github.com/thinghub/thinghub/internal/topic"
)

// QoS is a quality of service: 0 at most once, 1 at least once, 2 exactly once.
type QoS byte

// The three levels.
const (
	AtMostOnce QoS = iota
	AtLeastOnce
	ExactlyOnce
)

// Source says what made a message. It decides what may react to it: a will on a
// request topic, for one, is never a request.
type Source uint8

// The sources of messages.
const (
	FromHost   Source = iota // the embedding program
	FromClient               // a PUBLISH packet or an HTTP publish
	FromWill                 // a will
	FromHub                  // the hub itself: $SYS, events, answers
	FromRule                 // a rule's action
	FromPeer                 // another hub or broker
)

// Origin says where a message comes from.
type Origin struct {
	Source Source
	// ClientID is the publishing client, empty when there is none.
	ClientID string
	// Principal is who the publisher proved to be, empty when nobody asked.
	Principal string
	// RemoteAddr is where the publishing client connects from, nil when there is none.
	RemoteAddr net.Addr
	// Hops counts how often the message led to another one, against loops.
	Hops uint8
	// Upstream says that the publishing client is not the hub's, but one of the broker that
	// the hub stands on (see [Upstream]), which has the message already. What is known of
	// the client is what that broker, or whoever may publish there, says.
	Upstream bool
}

// PayloadFormat is MQTT 5's Payload Format Indicator.
type PayloadFormat byte

// The values of PayloadFormat; FormatUnset means that the publisher did not say.
const (
	FormatUnset PayloadFormat = iota
	FormatBytes
	FormatUTF8
)

// A Message is one application message on its way.
//
// Messages are read-only and shared by everybody who handles them. One that is
// handed to a [Router], a [Broker] or a hook is valid until that call returns: its
// strings and slices may point into a network buffer. Who keeps it calls Clone.
type Message struct {
	Topic   string
	Payload []byte
	QoS     QoS
	// Retain asks for the message to be kept for later subscribers of its topic.
	Retain bool

	// The following MQTT 5 properties travel with the message unaltered. Clients
	// that speak 3.1.1 neither send nor get them.
	PayloadFormat   PayloadFormat
	ContentType     string
	ResponseTopic   string
	CorrelationData []byte // nil when absent, which differs from empty
	// Expires is when the message may no longer be delivered; zero means never.
	// Clients see it as Message Expiry Interval.
	Expires time.Time

	Origin Origin
	// Received is when the hub took the message in; zero before. It does not travel
	// with it.
	Received time.Time

	user      []byte // user properties as on the wire
	emptyType bool   // a Content Type was sent and is empty
	batch     *batch // the read batch that carries the message, if any
	kept      *Message
	fanned    bool // brought to the subscribers
	matched   bool // somebody had a matching subscription
}

// UserProperties returns the user properties in their order; keys may repeat.
func (m *Message) UserProperties() iter.Seq2[string, string] { return packet.UserProperties(m.user) }

// HasUserProperties reports whether there are user properties.
func (m *Message) HasUserProperties() bool { return len(m.user) > 0 }

// AddUserProperty appends a user property. It must not be used on a message that
// was handed over by the hub.
func (m *Message) AddUserProperty(key, value string) {
	m.user = packet.AppendUserProperty(m.user[:len(m.user):len(m.user)], key, value)
}

// Validate reports what would make a message unfit to be sent: a bad topic or
// response topic, a QoS above 2, text that is not UTF-8 or longer than 65,535 bytes,
// a payload above MQTT's limit. The error names the field.
func (m *Message) Validate() error {
	if err := topic.CheckName(m.Topic); err != nil {
		return err // which names it
	}
	if m.QoS > ExactlyOnce {
		return fmt.Errorf("QoS is %d, expected 0, 1 or 2", m.QoS)
	}
	if m.ResponseTopic != "" {
		if err := topic.CheckName(m.ResponseTopic); err != nil {
			return fmt.Errorf("ResponseTopic: %w", err)
		}
	}
	if err := checkText("ContentType", m.ContentType); err != nil {
		return err
	}
	if len(m.CorrelationData) > math.MaxUint16 {
		return fmt.Errorf("CorrelationData has %d bytes, at most %d can be sent", len(m.CorrelationData), math.MaxUint16)
	}
	for k, v := range m.UserProperties() {
		if err := cmp.Or(checkText("user property name", k), checkText("user property value", v)); err != nil {
			return err
		}
	}
	if n := m.size(); n > packet.MaxRemaining-64 {
		return fmt.Errorf("message of %d bytes, MQTT allows %d", n, packet.MaxRemaining)
	}
	return nil
}

func checkText(field, s string) error {
	switch {
	case len(s) > math.MaxUint16:
		return fmt.Errorf("%s has %d bytes, at most %d can be sent", field, len(s), math.MaxUint16)
	case !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%s %q is not UTF-8 without U+0000", field, clip(s))
	}
	return nil
}

// Clone returns a copy that shares no memory with m and may be kept and modified.
func (m *Message) Clone() *Message {
	c := *m
	c.batch, c.kept, c.fanned, c.matched = nil, nil, false, false
	// One allocation backs all texts and bytes of the copy.
	n := len(m.Topic) + len(m.ContentType) + len(m.ResponseTopic) + len(m.Origin.ClientID) +
		len(m.Payload) + len(m.CorrelationData) + len(m.user)
	var b strings.Builder
	b.Grow(n)
	b.WriteString(m.Topic)
	b.WriteString(m.ContentType)
	b.WriteString(m.ResponseTopic)
	b.WriteString(m.Origin.ClientID)
	b.Write(m.Payload)
	b.Write(m.CorrelationData)
	b.Write(m.user)
	s := b.String()
	take := func(k int) string { t := s[:k]; s = s[k:]; return t }
	c.Topic = take(len(m.Topic))
	c.ContentType = take(len(m.ContentType))
	c.ResponseTopic = take(len(m.ResponseTopic))
	c.Origin.ClientID = take(len(m.Origin.ClientID))
	c.Payload = bytesOf(take(len(m.Payload)), m.Payload == nil)
	c.CorrelationData = bytesOf(take(len(m.CorrelationData)), m.CorrelationData == nil)
	c.user = bytesOf(take(len(m.user)), m.user == nil)
	return &c
}

// As returns a shallow copy of m that is routed as a new message of the given origin.
func (m *Message) As(o Origin) *Message {
	c := *m
	c.batch, c.kept, c.fanned, c.matched, c.Origin = nil, nil, false, false, o
	return &c
}

// keep returns a copy of m that lives as long as somebody holds it. All receivers
// of one message share one copy.
func (m *Message) keep() *Message {
	if m.kept == nil {
		k := m.Clone()
		k.kept = k
		m.kept = k
	}
	return m.kept
}

// expired reports whether the message may no longer be delivered.
func (m *Message) expired(now time.Time) bool { return !m.Expires.IsZero() && now.After(m.Expires) }

// remaining is the Message Expiry Interval to send now, rounded up to whole
// seconds, so that a message passed on at once keeps its interval.
func (m *Message) remaining(now time.Time) uint32 {
	left := m.Expires.Sub(now)
	if left <= 0 {
		return 0
	}
	return uint32(min((left+time.Second-1)/time.Second, 1<<32-1))
}

// size is what a message counts against byte bounds.
func (m *Message) size() int {
	return len(m.Topic) + len(m.Payload) + len(m.ContentType) + len(m.ResponseTopic) + len(m.CorrelationData) + len(m.user) + 64
}
