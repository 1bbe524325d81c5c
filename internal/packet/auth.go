package packet

// Auth is an AUTH packet of version 5, in either direction.
type Auth struct {
	Code  byte
	Props Properties
}

var (
	errAuthMethod = protocolError("AUTH Authentication Method: missing")

	fieldAuthCode = newField("AUTH reason code")
)

// Decode reads the part of an AUTH behind its fixed header. It accepts the reason codes of both directions.
func (a *Auth) Decode(body []byte, v Version) error {
	a.Code = 0
	a.Props.Reset()
	if v != V5 {
		return errAuthVersion
	}
	if len(body) == 0 {
		return nil
	}
	r := reader{b: body}
	a.Code = r.byte(&fieldAuthCode)
	if !validFromAny(TypeAuth, a.Code) { // [MQTT-3.15.2-1]
		return badReason(TypeAuth, a.Code)
	}
	a.Props.decode(&r, &inAuth)
	if r.err == nil && !a.Props.Has(PropAuthMethod) && (a.Code != 0 || !a.Props.Empty()) {
		return errAuthMethod
	}
	return r.end()
}

// Append writes the packet for version v, and nothing for 3.1.1.
func (a *Auth) Append(dst []byte, v Version) []byte {
	if v != V5 {
		return dst
	}
	props := a.Props.size(&inAuth)
	if a.Code == 0 && props == 0 {
		return append(dst, byte(TypeAuth)<<4, 0)
	}
	n := 1 + varintLen(props) + props
	if n > MaxRemaining {
		return dst
	}
	dst = append(appendHeader(dst, TypeAuth, 0, n), a.Code)
	return a.Props.append(dst, &inAuth, props)
}
