package packet

// Connack is a CONNACK packet, from server to client.
type Connack struct {
	SessionPresent bool
	Code           byte // a return code in 3.1.1, a reason code in 5
	Props          Properties
}

var (
	fieldConnackFlags = newField("CONNACK flags")
	fieldConnackCode  = newField("CONNACK code")

	errConnackFlags   = malformed("CONNACK flags: reserved bits are not 0")
	errConnackSession = protocolError("CONNACK session present: 1 with an error code, want 0")
)

// Decode reads the part of a CONNACK behind its fixed header. Of a 3.1.1 packet it takes any code, because servers use
// more than the standard has.
func (c *Connack) Decode(body []byte, v Version) error {
	c.Props.Reset()
	r := reader{b: body}
	flags := r.byte(&fieldConnackFlags)
	c.SessionPresent = flags == 1
	c.Code = r.byte(&fieldConnackCode)
	switch {
	case r.err != nil:
		return r.err
	case flags > 1: // [MQTT-3.2.2-1]
		return errConnackFlags
	case v == V5 && !ValidReason(TypeConnack, c.Code, true): // [MQTT-3.2.2-8]
		return badReason(TypeConnack, c.Code)
	case c.SessionPresent && c.Code != 0: // [MQTT-3.2.2-6]; 3.1.1: [MQTT-3.2.2-4]
		return errConnackSession
	}
	if v == V5 {
		c.Props.decode(&r, &inConnack)
	}
	return r.end()
}

// Append writes the packet for version v. The code is written as it is, so it must be one of that version.
func (c *Connack) Append(dst []byte, v Version) []byte {
	n := 2 + c.Props.sizeWithLength(&inConnack, v)
	if n > MaxRemaining {
		return dst
	}
	flags := byte(0)
	if c.SessionPresent {
		flags = 1
	}
	dst = append(appendHeader(dst, TypeConnack, 0, n), flags, c.Code)
	return c.Props.appendWithLength(dst, &inConnack, v)
}
