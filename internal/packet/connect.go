package packet

// Connect is a CONNECT packet, from client to server.
type Connect struct {
	Protocol []byte  // "MQTT" in a packet that Decode accepts
	Version  Version // the level as it was sent
	// CleanStart is called Clean Session in 3.1.1.
	CleanStart  bool
	KeepAlive   uint16 // in seconds
	Props       Properties
	ClientID    []byte // may be empty: what that means is for the server to decide
	HasWill     bool
	WillQoS     byte
	WillRetain  bool
	WillProps   Properties
	WillTopic   []byte
	WillPayload []byte
	HasUsername bool
	Username    []byte
	HasPassword bool
	Password    []byte
}

const protocolName = "MQTT"

// Bits of the connect flags.
const (
	connectReserved   = 0x01
	connectCleanStart = 0x02
	connectWill       = 0x04
	connectWillQoS    = 0x18
	connectWillRetain = 0x20
	connectPassword   = 0x40
	connectUsername   = 0x80
)

var (
	fieldProtocolName  = newField("CONNECT protocol name")
	fieldProtocolLevel = newField("CONNECT protocol level")
	fieldConnectFlags  = newField("CONNECT flags")
	fieldKeepAlive     = newField("CONNECT keep alive")
	fieldClientID      = newField("CONNECT client identifier")
	fieldWillTopic     = newField("CONNECT will topic")
	fieldWillPayload   = newField("CONNECT will payload")
	fieldUsername      = newField("CONNECT user name")
	fieldPassword      = newField("CONNECT password")

	errProtocolName    = &Error{CodeUnsupportedVersion, `CONNECT protocol name: want "MQTT"`}
	errProtocolLevel   = &Error{CodeUnsupportedVersion, "CONNECT protocol level: want 4 or 5"}
	errConnectReserved = malformed("CONNECT flags: reserved bit is 1, want 0")
	errNoWill          = malformed("CONNECT flags: will QoS or will retain without a will, want 0")
	errWillQoS         = malformed("CONNECT will QoS: 3, want 0, 1 or 2")
	errPasswordAlone   = malformed("CONNECT flags: password without user name, not allowed in version 3.1.1")
	errWillTopic       = &Error{CodeTopicNameInvalid, "CONNECT will topic: empty or with wildcards, want a topic"}
)

// Decode reads the part of a CONNECT behind its fixed header. Protocol and Version come first and are there whenever the
// error's code is [CodeUnsupportedVersion], so that the caller can answer in the client's version; nothing behind them is
// judged then.
func (c *Connect) Decode(body []byte) error {
	c.Props.Reset()
	c.WillProps.Reset()
	c.CleanStart, c.KeepAlive, c.ClientID = false, 0, nil
	c.HasWill, c.WillQoS, c.WillRetain, c.WillTopic, c.WillPayload = false, 0, false, nil, nil
	c.HasUsername, c.Username, c.HasPassword, c.Password = false, nil, false, nil

	r := reader{b: body}
	c.Protocol = r.binary(&fieldProtocolName)
	c.Version = Version(r.byte(&fieldProtocolLevel))
	switch {
	case r.err != nil:
		return r.err
	case string(c.Protocol) != protocolName: // [MQTT-3.1.2-1]
		return errProtocolName
	case c.Version != V311 && c.Version != V5: // [MQTT-3.1.2-2]
		return errProtocolLevel
	}

	flags := r.byte(&fieldConnectFlags)
	c.KeepAlive = r.uint16(&fieldKeepAlive)
	if r.err != nil {
		return r.err
	}
	if err := checkConnectFlags(flags, c.Version); err != nil {
		return err
	}
	c.CleanStart = flags&connectCleanStart != 0
	c.HasWill = flags&connectWill != 0
	c.WillQoS = flags & connectWillQoS >> 3
	c.WillRetain = flags&connectWillRetain != 0
	c.HasUsername = flags&connectUsername != 0
	c.HasPassword = flags&connectPassword != 0

	if c.Version == V5 {
		c.Props.decode(&r, &inConnect)
	}
	c.ClientID = r.string(&fieldClientID)
	if c.HasWill {
		if c.Version == V5 {
			c.WillProps.decode(&r, &inWill)
		}
		c.WillTopic = r.string(&fieldWillTopic)
		if r.err == nil && (len(c.WillTopic) == 0 || hasWildcard(c.WillTopic)) {
			return errWillTopic
		}
		c.WillPayload = r.binary(&fieldWillPayload)
	}
	if c.HasUsername {
		c.Username = r.string(&fieldUsername)
	}
	if c.HasPassword {
		c.Password = r.binary(&fieldPassword)
	}
	return r.end()
}

func checkConnectFlags(flags byte, v Version) error {
	switch {
	case flags&connectReserved != 0: // [MQTT-3.1.2-3]
		return errConnectReserved
	case flags&connectWill == 0 && flags&(connectWillQoS|connectWillRetain) != 0: // [MQTT-3.1.2-11], [MQTT-3.1.2-13]
		return errNoWill
	case flags&connectWillQoS == connectWillQoS: // [MQTT-3.1.2-12]
		return errWillQoS
	case v == V311 && flags&(connectUsername|connectPassword) == connectPassword: // 3.1.1: [MQTT-3.1.2-22]
		return errPasswordAlone
	}
	return nil
}

// Append writes the packet for version v, whatever c.Version says. The protocol name is "MQTT" unless c.Protocol is set.
func (c *Connect) Append(dst []byte, v Version) []byte {
	name := c.Protocol
	if name == nil {
		name = []byte(protocolName)
	}
	n := binaryLen(name) + 4 + c.Props.sizeWithLength(&inConnect, v) + binaryLen(c.ClientID)
	flags := byte(0)
	if c.CleanStart {
		flags |= connectCleanStart
	}
	if c.HasWill {
		n += c.WillProps.sizeWithLength(&inWill, v) + binaryLen(c.WillTopic) + binaryLen(c.WillPayload)
		flags |= connectWill | c.WillQoS<<3&connectWillQoS
		if c.WillRetain {
			flags |= connectWillRetain
		}
	}
	if c.HasUsername {
		n += binaryLen(c.Username)
		flags |= connectUsername
	}
	if c.HasPassword {
		n += binaryLen(c.Password)
		flags |= connectPassword
	}
	if n > MaxRemaining {
		return dst
	}

	dst = appendHeader(dst, TypeConnect, 0, n)
	dst = append(appendBinary(dst, name), byte(v), flags)
	dst = appendUint16(dst, c.KeepAlive)
	dst = c.Props.appendWithLength(dst, &inConnect, v)
	dst = appendBinary(dst, c.ClientID)
	if c.HasWill {
		dst = c.WillProps.appendWithLength(dst, &inWill, v)
		dst = appendBinary(appendBinary(dst, c.WillTopic), c.WillPayload)
	}
	if c.HasUsername {
		dst = appendBinary(dst, c.Username)
	}
	if c.HasPassword {
		dst = appendBinary(dst, c.Password)
	}
	return dst
}
