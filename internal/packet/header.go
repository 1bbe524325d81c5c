package packet

import "fmt"

// A Version is a protocol level, as CONNECT carries it. The zero value stands for a connection that has not sent CONNECT.
type Version byte

// The versions this package speaks.
const (
	V311 Version = 4
	V5   Version = 5
)

// A Type is the type of a control packet.
type Type byte

// All packet types. AUTH exists in version 5 only.
const (
	TypeConnect Type = iota + 1
	TypeConnack
	TypePublish
	TypePuback
	TypePubrec
	TypePubrel
	TypePubcomp
	TypeSubscribe
	TypeSuback
	TypeUnsubscribe
	TypeUnsuback
	TypePingreq
	TypePingresp
	TypeDisconnect
	TypeAuth
)

var typeNames = [16]string{
	"Type(0)", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK",
	"UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
}

// String returns the name of the type as the standard writes it, such as "CONNECT".
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("Type(%d)", byte(t))
}

// MaxRemaining is the largest remaining length, and so the most that can follow a fixed header.
const MaxRemaining = 268435455

// A Header is a fixed header.
type Header struct {
	Type  Type
	Flags byte // the low four bits of the first byte
	Body  int  // offset of the first byte behind the fixed header
	Size  int  // length of the whole frame: Body and the remaining length
}

var (
	errTypeZero      = malformed("packet type: 0 is forbidden")
	errAuthVersion   = malformed("packet type: 15 (AUTH) is forbidden in version 3.1.1")
	errLengthTooLong = malformed("remaining length: a fifth byte, want at most four")
	errLengthPadded  = malformed("remaining length: must use the fewest bytes possible")
	errPublishQoS    = malformed("PUBLISH QoS: 3, want 0, 1 or 2")
	errPublishDup    = malformed("PUBLISH DUP: 1 with QoS 0, want 0")
	errPingPayload   = malformed("PINGREQ or PINGRESP remaining length: must be 0")
)

// ParseHeader reads the fixed header at the start of b. It needs the header alone, not the frame: a caller can refuse a
// frame by its Size before reading it. With ok false and no error, b is too short to tell. Errors come as early as they
// can be known: wrong flags with the first byte, a length of five bytes with the fourth.
//
// v is 0 before CONNECT. A remaining length that is not in its shortest form is malformed in version 5 ([MQTT-1.5.5-1])
// and tolerated otherwise.
func ParseHeader(b []byte, v Version) (h Header, ok bool, err error) {
	if len(b) == 0 {
		return h, false, nil
	}
	if e := checkFirst(b[0], v); e != nil {
		return h, false, e
	}
	h.Type, h.Flags = Type(b[0]>>4), b[0]&0x0f
	rest := 0
	for i := 1; i < len(b); i++ {
		rest |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i] >= 0x80 {
			if i == 4 {
				return Header{}, false, errLengthTooLong
			}
			continue
		}
		if b[i] == 0 && i > 1 && v == V5 {
			return Header{}, false, errLengthPadded
		}
		if rest != 0 && (h.Type == TypePingreq || h.Type == TypePingresp) {
			return Header{}, false, errPingPayload
		}
		h.Body, h.Size = i+1, i+1+rest
		return h, true, nil
	}
	return Header{}, false, nil
}

// checkFirst judges the type and its flags ([MQTT-2.1.3-1], 3.1.1: [MQTT-2.2.2-2]).
func checkFirst(b byte, v Version) *Error {
	t, flags, want := Type(b>>4), b&0x0f, byte(0)
	switch t {
	case TypePublish:
		switch {
		case flags&0x06 == 0x06: // [MQTT-3.3.1-4]
			return errPublishQoS
		case flags&0x0e == 0x08: // [MQTT-3.3.1-2]
			return errPublishDup
		}
		return nil
	case 0:
		return errTypeZero
	case TypeAuth:
		if v == V311 {
			return errAuthVersion
		}
	case TypePubrel, TypeSubscribe, TypeUnsubscribe:
		want = 2
	default:
	}
	if flags != want {
		return malformed(fmt.Sprintf("%s flags: %d, want %d", t, flags, want))
	}
	return nil
}

// varintLen is the number of bytes of n as a variable byte integer.
func varintLen(n int) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	}
	return 4
}

func appendVarint(dst []byte, n int) []byte {
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

// appendHeader starts a packet. n is the remaining length.
func appendHeader(dst []byte, t Type, flags byte, n int) []byte {
	return appendVarint(append(dst, byte(t)<<4|flags), n)
}
