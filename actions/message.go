package actions

import (
	"iter"
	"net/netip"
	"strings"
	"time"
	"unsafe"
)

// A Message is what a rule works on: one application message and what the hub knows
// about it. It is read-only, and valid during the call that it is handed to: its texts
// and bytes lie in memory that is used again afterwards. Who keeps any of it, a text as
// the key of a map for one, calls [Message.Clone] before, or strings.Clone.
type Message struct {
	// Topic is where the message was published. A Basic Ingest topic has its prefix,
	// $aws/rules/{rule}/.
	Topic   string
	Payload []byte
	// Time is when the hub took the message in. Zero: now.
	Time time.Time

	// ClientID is the MQTT client that published, empty if it was none.
	ClientID string
	// Principal is who the publisher proved to be, empty when nobody asked.
	Principal string
	// SourceIP is the address of the publisher, the zero Addr if there is none.
	SourceIP netip.Addr
	// TraceID tells this message from all others; it is the same for all rules and
	// actions and over retries. Zero: the engine makes one.
	TraceID TraceID

	QoS byte
	// Protocol is how the message came in.
	Protocol Protocol
	// Hops counts how often the message led to another one, against loops.
	Hops uint8

	// The MQTT 5 properties of the message.
	PayloadFormat   PayloadFormat
	ContentType     string // "" is as good as absent, as of the others
	ResponseTopic   string
	CorrelationData []byte
	// UserProperties yields the user properties in their order; nil if there are none.
	UserProperties iter.Seq2[string, string]
}

// Protocol is how a message came in.
type Protocol uint8

// The protocols. What neither a client nor a web request brought comes from the hub.
const (
	ProtocolHub Protocol = iota
	ProtocolMQTT
	ProtocolHTTP
)

// PayloadFormat is MQTT 5's Payload Format Indicator.
type PayloadFormat uint8

// The values of PayloadFormat; FormatUnset means that the publisher did not say.
const (
	FormatUnset PayloadFormat = iota
	FormatBytes
	FormatUTF8
)

// Source returns SourceIP as text, "" if there is none.
func (m *Message) Source() string {
	if !m.SourceIP.IsValid() {
		return ""
	}
	return m.SourceIP.String()
}

// Clone returns a copy that shares no memory with m and may be kept.
func (m *Message) Clone() *Message {
	c := *m
	if m.UserProperties != nil {
		c.UserProperties = properties(m.UserProperties)
	}
	// All parts share one block. None can grow into the next one.
	block := make([]byte, len(m.Payload)+len(m.CorrelationData)+len(m.Topic)+len(m.ClientID)+len(m.Principal)+len(m.ContentType)+len(m.ResponseTopic))
	for _, b := range [...]*[]byte{&c.Payload, &c.CorrelationData} {
		if *b != nil {
			n := copy(block, *b)
			*b, block = block[:n:n], block[n:]
		}
	}
	for _, s := range [...]*string{&c.Topic, &c.ClientID, &c.Principal, &c.ContentType, &c.ResponseTopic} {
		if n := copy(block, *s); n > 0 {
			*s, block = unsafe.String(&block[0], n), block[n:]
		}
	}
	return &c
}

// properties copies user properties.
func properties(seq iter.Seq2[string, string]) iter.Seq2[string, string] {
	var pairs []Property
	for k, v := range seq {
		pairs = append(pairs, Property{Key: strings.Clone(k), Value: strings.Clone(v)})
	}
	if pairs == nil {
		return nil
	}
	return func(yield func(string, string) bool) {
		for _, p := range pairs {
			if !yield(p.Key, p.Value) {
				return
			}
		}
	}
}
