package packet

// Disconnect is a DISCONNECT packet. In 3.1.1 it is empty and sent by clients alone.
type Disconnect struct {
	Code  byte
	Props Properties
}

var errServerExpiry = protocolError("DISCONNECT Session Expiry Interval: not allowed from a server")

// Decode reads the part of a DISCONNECT behind its fixed header. Who sent it decides which reason codes it may have.
func (d *Disconnect) Decode(body []byte, v Version, fromClient bool) error {
	d.Code = 0
	d.Props.Reset()
	if len(body) == 0 {
		return nil
	}
	if v != V5 {
		return errTrailing
	}
	d.Code = body[0]
	if !ValidReason(TypeDisconnect, d.Code, !fromClient) { // [MQTT-3.14.2-1]
		return badReason(TypeDisconnect, d.Code)
	}
	if len(body) == 1 {
		return nil
	}
	r := reader{b: body[1:]}
	d.Props.decode(&r, &inDisconnect)
	if r.err == nil && !fromClient && d.Props.Has(PropSessionExpiry) { // [MQTT-3.14.2-2]
		return errServerExpiry
	}
	return r.end()
}

// Append writes the packet for version v.
func (d *Disconnect) Append(dst []byte, v Version) []byte {
	props := d.Props.sizeIn(&inDisconnect, v)
	switch {
	case v != V5 || d.Code == 0 && props == 0:
		return append(dst, byte(TypeDisconnect)<<4, 0)
	case props == 0:
		return append(dst, byte(TypeDisconnect)<<4, 1, d.Code)
	}
	n := 1 + varintLen(props) + props
	if n > MaxRemaining {
		return dst
	}
	dst = append(appendHeader(dst, TypeDisconnect, 0, n), d.Code)
	return d.Props.append(dst, &inDisconnect, props)
}
