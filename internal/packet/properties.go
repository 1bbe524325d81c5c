package packet

import (
	"fmt"
	"iter"
)

// A PropertyID names a property of MQTT 5.
type PropertyID byte

// All properties.
const (
	PropPayloadFormat     PropertyID = 0x01
	PropMessageExpiry     PropertyID = 0x02
	PropContentType       PropertyID = 0x03
	PropResponseTopic     PropertyID = 0x08
	PropCorrelationData   PropertyID = 0x09
	PropSubscriptionID    PropertyID = 0x0b
	PropSessionExpiry     PropertyID = 0x11
	PropAssignedClientID  PropertyID = 0x12
	PropServerKeepAlive   PropertyID = 0x13
	PropAuthMethod        PropertyID = 0x15
	PropAuthData          PropertyID = 0x16
	PropRequestProblem    PropertyID = 0x17
	PropWillDelay         PropertyID = 0x18
	PropRequestResponse   PropertyID = 0x19
	PropResponseInfo      PropertyID = 0x1a
	PropServerReference   PropertyID = 0x1c
	PropReasonString      PropertyID = 0x1f
	PropReceiveMaximum    PropertyID = 0x21
	PropTopicAliasMaximum PropertyID = 0x22
	PropTopicAlias        PropertyID = 0x23
	PropMaximumQoS        PropertyID = 0x24
	PropRetainAvailable   PropertyID = 0x25
	PropUser              PropertyID = 0x26
	PropMaximumPacketSize PropertyID = 0x27
	PropWildcardAvailable PropertyID = 0x28
	PropSubIDAvailable    PropertyID = 0x29
	PropSharedAvailable   PropertyID = 0x2a
	propertyCount                    = 0x2b
)

// String returns the name of the property as the standard writes it, such as "Receive Maximum".
func (id PropertyID) String() string {
	if int(id) < len(properties) && properties[id].name != "" {
		return properties[id].name
	}
	return fmt.Sprintf("Property(0x%02x)", byte(id))
}

// Properties holds the properties of any packet, or of a will. A property is there when [Properties.Has] says so: the
// setters see to that, a field written directly does not count. The field of a property that is not there is zero, which
// is not always the default of the standard (Request Problem Information, Retain Available, Maximum QoS and Receive
// Maximum, for instance, have another one).
//
// Each packet type encodes those of the properties that it may carry and leaves out the others, so that the properties of
// a will can become those of a PUBLISH as they are.
type Properties struct {
	set uint64 // bit n: the property with identifier n is there

	ContentType      []byte
	ResponseTopic    []byte
	CorrelationData  []byte
	AssignedClientID []byte
	AuthMethod       []byte
	AuthData         []byte
	ResponseInfo     []byte
	ServerReference  []byte
	ReasonString     []byte

	// User holds all user properties in their order, as [AppendUserProperty] encodes them: [UserProperties] reads them,
	// and they can be passed on without being looked at.
	User []byte

	// SubscriptionIDs has one entry in SUBSCRIBE. A PUBLISH from a server may have several; one from a client none, which
	// is for the server to check ([MQTT-3.3.4-6]).
	SubscriptionIDs []uint32

	SessionExpiry     uint32
	MessageExpiry     uint32
	WillDelay         uint32
	MaximumPacketSize uint32
	ServerKeepAlive   uint16
	ReceiveMaximum    uint16
	TopicAliasMaximum uint16
	TopicAlias        uint16
	PayloadFormat     byte
	RequestProblem    byte
	RequestResponse   byte
	MaximumQoS        byte
	RetainAvailable   byte
	WildcardAvailable byte
	SubIDAvailable    byte
	SharedAvailable   byte
}

// Has reports whether the property is there.
func (p *Properties) Has(id PropertyID) bool { return p.set&(1<<id) != 0 }

// Empty reports whether there is no property at all.
func (p *Properties) Empty() bool { return p.set == 0 }

// Reset removes all properties. SubscriptionIDs keeps its memory.
func (p *Properties) Reset() {
	if p.set == 0 {
		return
	}
	*p = Properties{SubscriptionIDs: p.SubscriptionIDs[:0]}
}

// Remove removes one property.
func (p *Properties) Remove(id PropertyID) {
	if !p.Has(id) {
		return
	}
	p.set &^= 1 << id
	switch properties[id].kind {
	case kindBool:
		*p.byteField(id) = 0
	case kindUint16:
		*p.uint16Field(id) = 0
	case kindUint32:
		*p.uint32Field(id) = 0
	case kindString, kindBinary:
		*p.bytesField(id) = nil
	case kindUser:
		p.User = nil
	case kindVarint:
		p.SubscriptionIDs = p.SubscriptionIDs[:0]
	case kindNone:
	}
}

// SetPayloadFormat sets the Payload Format Indicator: 0 is bytes, 1 is UTF-8.
func (p *Properties) SetPayloadFormat(n byte) { p.PayloadFormat = n; p.set |= 1 << PropPayloadFormat }

// SetMessageExpiry sets the Message Expiry Interval, in seconds.
func (p *Properties) SetMessageExpiry(n uint32) { p.MessageExpiry = n; p.set |= 1 << PropMessageExpiry }

// SetContentType sets the Content Type, a string.
func (p *Properties) SetContentType(b []byte) { p.ContentType = b; p.set |= 1 << PropContentType }

// SetResponseTopic sets the Response Topic, a string without wildcards.
func (p *Properties) SetResponseTopic(b []byte) { p.ResponseTopic = b; p.set |= 1 << PropResponseTopic }

// SetCorrelationData sets the Correlation Data.
func (p *Properties) SetCorrelationData(b []byte) {
	p.CorrelationData = b
	p.set |= 1 << PropCorrelationData
}

// AddSubscriptionID adds a Subscription Identifier, 1 to 268,435,455.
func (p *Properties) AddSubscriptionID(n uint32) {
	p.SubscriptionIDs = append(p.SubscriptionIDs, n)
	p.set |= 1 << PropSubscriptionID
}

// SetSubscriptionIDs sets all Subscription Identifiers, to a copy of ids.
func (p *Properties) SetSubscriptionIDs(ids []uint32) {
	p.SubscriptionIDs = append(p.SubscriptionIDs[:0], ids...)
	p.set |= 1 << PropSubscriptionID
}

// SetSessionExpiry sets the Session Expiry Interval, in seconds. 0xffffffff means never.
func (p *Properties) SetSessionExpiry(n uint32) { p.SessionExpiry = n; p.set |= 1 << PropSessionExpiry }

// SetAssignedClientID sets the Assigned Client Identifier, a string.
func (p *Properties) SetAssignedClientID(b []byte) {
	p.AssignedClientID = b
	p.set |= 1 << PropAssignedClientID
}

// SetServerKeepAlive sets the Server Keep Alive, in seconds.
func (p *Properties) SetServerKeepAlive(n uint16) {
	p.ServerKeepAlive = n
	p.set |= 1 << PropServerKeepAlive
}

// SetAuthMethod sets the Authentication Method, a string.
func (p *Properties) SetAuthMethod(b []byte) { p.AuthMethod = b; p.set |= 1 << PropAuthMethod }

// SetAuthData sets the Authentication Data, which needs a method beside it.
func (p *Properties) SetAuthData(b []byte) { p.AuthData = b; p.set |= 1 << PropAuthData }

// SetRequestProblem sets Request Problem Information, 0 or 1.
func (p *Properties) SetRequestProblem(n byte) {
	p.RequestProblem = n
	p.set |= 1 << PropRequestProblem
}

// SetWillDelay sets the Will Delay Interval, in seconds.
func (p *Properties) SetWillDelay(n uint32) { p.WillDelay = n; p.set |= 1 << PropWillDelay }

// SetRequestResponse sets Request Response Information, 0 or 1.
func (p *Properties) SetRequestResponse(n byte) {
	p.RequestResponse = n
	p.set |= 1 << PropRequestResponse
}

// SetResponseInfo sets the Response Information, a string.
func (p *Properties) SetResponseInfo(b []byte) { p.ResponseInfo = b; p.set |= 1 << PropResponseInfo }

// SetServerReference sets the Server Reference, a string.
func (p *Properties) SetServerReference(b []byte) {
	p.ServerReference = b
	p.set |= 1 << PropServerReference
}

// SetReasonString sets the Reason String, a string for people.
func (p *Properties) SetReasonString(b []byte) { p.ReasonString = b; p.set |= 1 << PropReasonString }

// SetReceiveMaximum sets the Receive Maximum, at least 1.
func (p *Properties) SetReceiveMaximum(n uint16) {
	p.ReceiveMaximum = n
	p.set |= 1 << PropReceiveMaximum
}

// SetTopicAliasMaximum sets the Topic Alias Maximum.
func (p *Properties) SetTopicAliasMaximum(n uint16) {
	p.TopicAliasMaximum = n
	p.set |= 1 << PropTopicAliasMaximum
}

// SetTopicAlias sets the Topic Alias, at least 1.
func (p *Properties) SetTopicAlias(n uint16) { p.TopicAlias = n; p.set |= 1 << PropTopicAlias }

// SetMaximumQoS sets the Maximum QoS, 0 or 1. A server that grants QoS 2 leaves it out.
func (p *Properties) SetMaximumQoS(n byte) { p.MaximumQoS = n; p.set |= 1 << PropMaximumQoS }

// SetRetainAvailable sets Retain Available, 0 or 1.
func (p *Properties) SetRetainAvailable(n byte) {
	p.RetainAvailable = n
	p.set |= 1 << PropRetainAvailable
}

// SetUser sets all user properties, as [AppendUserProperty] encodes them. Neither AddUser nor Reset writes to raw.
func (p *Properties) SetUser(raw []byte) { p.User = raw[:len(raw):len(raw)]; p.set |= 1 << PropUser }

// AddUser adds a user property behind those that are there.
func (p *Properties) AddUser(key, value string) {
	p.User = AppendUserProperty(p.User, key, value)
	p.set |= 1 << PropUser
}

// SetMaximumPacketSize sets the Maximum Packet Size, at least 1.
func (p *Properties) SetMaximumPacketSize(n uint32) {
	p.MaximumPacketSize = n
	p.set |= 1 << PropMaximumPacketSize
}

// SetWildcardAvailable sets Wildcard Subscription Available, 0 or 1.
func (p *Properties) SetWildcardAvailable(n byte) {
	p.WildcardAvailable = n
	p.set |= 1 << PropWildcardAvailable
}

// SetSubIDAvailable sets Subscription Identifiers Available, 0 or 1.
func (p *Properties) SetSubIDAvailable(n byte) {
	p.SubIDAvailable = n
	p.set |= 1 << PropSubIDAvailable
}

// SetSharedAvailable sets Shared Subscription Available, 0 or 1.
func (p *Properties) SetSharedAvailable(n byte) {
	p.SharedAvailable = n
	p.set |= 1 << PropSharedAvailable
}

// AppendUserProperty appends one encoded user property, in the form of [Properties.User]. Both strings are cut at 65,535
// bytes.
func AppendUserProperty(dst []byte, key, value string) []byte {
	dst = append(dst, byte(PropUser))
	for _, s := range [2]string{clip(key), clip(value)} {
		dst = append(append(dst, byte(len(s)>>8), byte(len(s))), s...)
	}
	return dst
}

// UserProperties yields the keys and values in raw, which has the form of [Properties.User], in their order. Keys may
// repeat. It ends at the first entry that is not well formed. The strings are copies.
func UserProperties(raw []byte) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		r := reader{b: raw}
		for len(r.b) > 0 && PropertyID(r.b[0]) == PropUser {
			r.b = r.b[1:]
			key := r.binary(&fieldUserKey)
			value := r.binary(&fieldUserValue)
			if r.err != nil || !yield(string(key), string(value)) {
				return
			}
		}
	}
}
