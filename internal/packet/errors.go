package packet

import "fmt"

// The reason codes that decoding can end with.
const (
	CodeMalformed          byte = 0x81 // the bytes do not form a packet
	CodeProtocolError      byte = 0x82 // a packet that the protocol does not allow
	CodeUnsupportedVersion byte = 0x84 // a protocol name or level other than MQTT 4 and 5
	CodeTopicNameInvalid   byte = 0x90 // a topic that is empty or has wildcards
	CodeTopicAliasInvalid  byte = 0x94 // a topic alias of 0
)

// An Error says why a packet was refused. Most are shared: do not change one.
type Error struct {
	Code   byte   // an MQTT 5 reason code, 0x80 or above
	Reason string // names the field, what is wrong with it and what was expected
}

// Error returns the reason with the name of the package before it.
func (e *Error) Error() string { return "packet: " + e.Reason }

func malformed(reason string) *Error { return &Error{CodeMalformed, reason} }

func protocolError(reason string) *Error { return &Error{CodeProtocolError, reason} }

// badReason is for a code that [ValidReason] refuses. It is the caller's last act on a connection, so it may allocate.
func badReason(t Type, code byte) *Error {
	return malformed(fmt.Sprintf("%s reason code: 0x%02x is not one of this packet's codes", t, code))
}

// A field carries the errors that reading one field can end with, built once.
type field struct {
	truncated *Error
	notUTF8   *Error
}

func newField(name string) field {
	return field{
		truncated: malformed(name + ": ends behind the end of the packet"),
		notUTF8:   malformed(name + ": must be well-formed UTF-8 without U+0000"), // [MQTT-1.5.4-1], [MQTT-1.5.4-2]
	}
}
