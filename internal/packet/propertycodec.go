package packet

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// A propertyKind is the data type of a property.
type propertyKind byte

const (
	kindNone   propertyKind = iota
	kindBool                // a byte that is 0 or 1
	kindUint16              // two byte integer
	kindUint32              // four byte integer
	kindVarint              // variable byte integer
	kindString              // UTF-8 string
	kindBinary              // binary data
	kindUser                // UTF-8 string pair
)

// properties describes each property by its identifier. The errors are filled in from the name.
var properties = describe([propertyCount]property{
	PropPayloadFormat:     {name: "Payload Format Indicator", kind: kindBool},
	PropMessageExpiry:     {name: "Message Expiry Interval", kind: kindUint32},
	PropContentType:       {name: "Content Type", kind: kindString},
	PropResponseTopic:     {name: "Response Topic", kind: kindString},
	PropCorrelationData:   {name: "Correlation Data", kind: kindBinary},
	PropSubscriptionID:    {name: "Subscription Identifier", kind: kindVarint, positive: true},
	PropSessionExpiry:     {name: "Session Expiry Interval", kind: kindUint32},
	PropAssignedClientID:  {name: "Assigned Client Identifier", kind: kindString},
	PropServerKeepAlive:   {name: "Server Keep Alive", kind: kindUint16},
	PropAuthMethod:        {name: "Authentication Method", kind: kindString},
	PropAuthData:          {name: "Authentication Data", kind: kindBinary},
	PropRequestProblem:    {name: "Request Problem Information", kind: kindBool},
	PropWillDelay:         {name: "Will Delay Interval", kind: kindUint32},
	PropRequestResponse:   {name: "Request Response Information", kind: kindBool},
	PropResponseInfo:      {name: "Response Information", kind: kindString},
	PropServerReference:   {name: "Server Reference", kind: kindString},
	PropReasonString:      {name: "Reason String", kind: kindString},
	PropReceiveMaximum:    {name: "Receive Maximum", kind: kindUint16, positive: true},
	PropTopicAliasMaximum: {name: "Topic Alias Maximum", kind: kindUint16},
	PropTopicAlias:        {name: "Topic Alias", kind: kindUint16, positive: true},
	PropMaximumQoS:        {name: "Maximum QoS", kind: kindBool},
	PropRetainAvailable:   {name: "Retain Available", kind: kindBool},
	PropUser:              {name: "User Property", kind: kindUser},
	PropMaximumPacketSize: {name: "Maximum Packet Size", kind: kindUint32, positive: true},
	PropWildcardAvailable: {name: "Wildcard Subscription Available", kind: kindBool},
	PropSubIDAvailable:    {name: "Subscription Identifiers Available", kind: kindBool},
	PropSharedAvailable:   {name: "Shared Subscription Available", kind: kindBool},
})

type property struct {
	name     string
	kind     propertyKind
	positive bool // 0 is not a value
	field
	twice *Error
	value *Error // not one of its values
}

func describe(table [propertyCount]property) [propertyCount]property {
	for id := range table {
		p := &table[id]
		if p.kind == kindNone {
			continue
		}
		p.field = newField(p.name)
		p.twice = protocolError(p.name + ": there twice, want at most one")
		switch {
		case p.kind == kindBool:
			p.value = protocolError(p.name + ": above 1, want 0 or 1")
		case p.positive:
			p.value = protocolError(p.name + ": 0, want at least 1")
		}
	}
	table[PropTopicAlias].value.Code = CodeTopicAliasInvalid // [MQTT-3.3.2-8]
	return table
}

// A carrier is what has properties: a packet type, or a will.
type carrier struct {
	name    string
	allowed uint64 // by identifier, like Properties.set
}

const ackProperties = 1<<PropReasonString | 1<<PropUser

const messageProperties = 1<<PropPayloadFormat | 1<<PropMessageExpiry | 1<<PropContentType | 1<<PropResponseTopic |
	1<<PropCorrelationData | 1<<PropUser

var (
	inConnect = carrier{"CONNECT", 1<<PropSessionExpiry | 1<<PropReceiveMaximum | 1<<PropMaximumPacketSize |
		1<<PropTopicAliasMaximum | 1<<PropRequestResponse | 1<<PropRequestProblem | 1<<PropUser |
		1<<PropAuthMethod | 1<<PropAuthData}
	inWill    = carrier{"will", messageProperties | 1<<PropWillDelay}
	inConnack = carrier{"CONNACK", 1<<PropSessionExpiry | 1<<PropReceiveMaximum | 1<<PropMaximumQoS |
		1<<PropRetainAvailable | 1<<PropMaximumPacketSize | 1<<PropAssignedClientID | 1<<PropTopicAliasMaximum |
		1<<PropReasonString | 1<<PropUser | 1<<PropWildcardAvailable | 1<<PropSubIDAvailable |
		1<<PropSharedAvailable | 1<<PropServerKeepAlive | 1<<PropResponseInfo | 1<<PropServerReference |
		1<<PropAuthMethod | 1<<PropAuthData}
	inPublish     = carrier{"PUBLISH", messageProperties | 1<<PropTopicAlias | 1<<PropSubscriptionID}
	inAck         = carrier{"PUBACK, PUBREC, PUBREL or PUBCOMP", ackProperties}
	inSubscribe   = carrier{"SUBSCRIBE", 1<<PropSubscriptionID | 1<<PropUser}
	inSuback      = carrier{"SUBACK", ackProperties}
	inUnsubscribe = carrier{"UNSUBSCRIBE", 1 << PropUser}
	inUnsuback    = carrier{"UNSUBACK", ackProperties}
	inDisconnect  = carrier{"DISCONNECT", ackProperties | 1<<PropSessionExpiry | 1<<PropServerReference}
	inAuth        = carrier{"AUTH", ackProperties | 1<<PropAuthMethod | 1<<PropAuthData}
)

var (
	fieldPropertyLength = newField("property length")
	fieldUserKey        = newField("User Property name")
	fieldUserValue      = newField("User Property value")

	errResponseTopic = protocolError("Response Topic: empty or with wildcards, want a topic") // [MQTT-3.3.2-14]
	errAuthData      = protocolError("Authentication Data: without Authentication Method")
)

// decode takes the property length and the properties off r.
func (p *Properties) decode(r *reader, in *carrier) {
	p.Reset()
	n := int(r.varint(&fieldPropertyLength))
	if n == 0 || r.err != nil {
		return
	}
	if n > len(r.b) {
		r.fail(fieldPropertyLength.truncated)
		return
	}
	sub := reader{b: r.b[:n]}
	r.b = r.b[n:]
	user := userRun{in: sub.b}
	for len(sub.b) > 0 {
		at := n - len(sub.b)
		id := PropertyID(sub.b[0])
		if id >= propertyCount || in.allowed&(1<<id) == 0 {
			r.fail(malformed(fmt.Sprintf("property 0x%02x: not one that %s may have", byte(id), in.name)))
			return
		}
		sub.b = sub.b[1:]
		d := &properties[id]
		if p.Has(id) && id != PropUser && (id != PropSubscriptionID || in != &inPublish) {
			r.fail(d.twice)
			return
		}
		p.set |= 1 << id // before the value, so that Reset clears what a bad one leaves
		switch d.kind {
		case kindUser:
			sub.string(&fieldUserKey)
			sub.string(&fieldUserValue)
			if sub.err == nil {
				p.User = user.add(at, n-len(sub.b))
			}
		default:
			p.decodeValue(&sub, id, d)
		}
		if sub.err != nil {
			r.fail(sub.err)
			return
		}
	}
	if p.Has(PropAuthData) && !p.Has(PropAuthMethod) {
		r.fail(errAuthData)
	}
}

// A userRun collects the user properties of a packet. As long as they follow each other it is a piece of the input.
type userRun struct {
	in         []byte
	start, end int    // the first run
	gathered   []byte // all of them, once a second run began
}

// add takes in the entry between two offsets and returns all so far.
func (u *userRun) add(start, end int) []byte {
	switch {
	case u.gathered != nil:
		u.gathered = append(u.gathered, u.in[start:end]...)
		return u.gathered
	case u.end == 0:
		u.start, u.end = start, end
	case u.end == start:
		u.end = end
	default:
		u.gathered = append(u.in[u.start:u.end:u.end], u.in[start:end]...)
		return u.gathered
	}
	return u.in[u.start:u.end:u.end]
}

// decodeValue reads the value of a property that is not a user property.
func (p *Properties) decodeValue(r *reader, id PropertyID, d *property) {
	switch d.kind {
	case kindBool:
		n := r.byte(&d.field)
		if n > 1 {
			r.fail(d.value)
		}
		*p.byteField(id) = n
	case kindUint16:
		n := r.uint16(&d.field)
		if n == 0 && d.positive {
			r.fail(d.value)
		}
		*p.uint16Field(id) = n
	case kindUint32:
		n := r.uint32(&d.field)
		if n == 0 && d.positive {
			r.fail(d.value)
		}
		*p.uint32Field(id) = n
	case kindVarint:
		n := r.varint(&d.field)
		if n == 0 {
			r.fail(d.value)
			return
		}
		p.SubscriptionIDs = append(p.SubscriptionIDs, n)
	case kindString:
		b := r.string(&d.field)
		if id == PropResponseTopic && r.err == nil && (len(b) == 0 || !plainTopic(b) && hasWildcard(b)) {
			r.fail(errResponseTopic)
		}
		*p.bytesField(id) = b
	case kindBinary:
		*p.bytesField(id) = r.binary(&d.field)
	case kindNone, kindUser: // not for this function
	}
}

// size is the number of bytes of the properties that in may have, without their length.
func (p *Properties) size(in *carrier) int {
	if p.set == 0 {
		return 0
	}
	n := 0
	for s := p.set & in.allowed; s != 0; s &= s - 1 {
		id := PropertyID(bits.TrailingZeros64(s))
		switch properties[id].kind {
		case kindBool:
			n += 2
		case kindUint16:
			n += 3
		case kindUint32:
			n += 5
		case kindString, kindBinary:
			n += 1 + binaryLen(*p.bytesField(id))
		case kindUser:
			n += len(p.User)
		case kindVarint:
			for _, v := range p.SubscriptionIDs {
				n += 1 + varintLen(int(v&MaxRemaining))
			}
		case kindNone:
		}
	}
	return n
}

// sizeIn is size in version 5 and 0 in 3.1.1, which has no properties.
func (p *Properties) sizeIn(in *carrier, v Version) int {
	if v != V5 {
		return 0
	}
	return p.size(in)
}

// sizeWithLength is the number of bytes that appendWithLength writes.
func (p *Properties) sizeWithLength(in *carrier, v Version) int {
	if v != V5 {
		return 0
	}
	n := p.size(in)
	return varintLen(n) + n
}

// appendWithLength writes the property length and the properties in version 5, and nothing in 3.1.1.
func (p *Properties) appendWithLength(dst []byte, in *carrier, v Version) []byte {
	if v != V5 {
		return dst
	}
	return p.append(dst, in, p.size(in))
}

// append writes the property length and the properties that in may have. n is what size returned.
func (p *Properties) append(dst []byte, in *carrier, n int) []byte {
	dst = appendVarint(dst, n)
	for s := p.set & in.allowed; s != 0; s &= s - 1 {
		id := PropertyID(bits.TrailingZeros64(s))
		switch properties[id].kind {
		case kindBool:
			dst = append(dst, byte(id), *p.byteField(id))
		case kindUint16:
			dst = binary.BigEndian.AppendUint16(append(dst, byte(id)), *p.uint16Field(id))
		case kindUint32:
			dst = binary.BigEndian.AppendUint32(append(dst, byte(id)), *p.uint32Field(id))
		case kindString, kindBinary:
			dst = appendBinary(append(dst, byte(id)), *p.bytesField(id))
		case kindUser:
			dst = append(dst, p.User...)
		case kindVarint:
			for _, v := range p.SubscriptionIDs {
				dst = appendVarint(append(dst, byte(id)), int(v&MaxRemaining))
			}
		case kindNone:
		}
	}
	return dst
}
