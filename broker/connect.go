package broker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
	"github.com/thinghub/thinghub/internal/topic"
)

// A connectRequest is what a CONNECT packet asked for, copied out of the read buffer
// because its decision may take time.
type connectRequest struct {
	creds        auth.Credentials
	cleanStart   bool
	assigned     bool // the server chose the client id
	keepAlive    uint16
	expiry       uint32 // seconds, 0xFFFFFFFF for ever
	receiveMax   uint16
	maxPacket    uint32
	aliasMax     uint16
	wantInfo     bool // Request Response Information
	responseInfo string
	quiet        bool // Request Problem Information is 0
	will         *will
}

// onConnect judges the packet itself; what needs somebody's word follows in admit.
func (c *conn) onConnect(b *batch, frame, body []byte) error {
	p := &b.connect
	err := p.Decode(body)
	if err == nil && p.Version == packet.V5 {
		_, _, err = packet.ParseHeader(frame, packet.V5) // again, now that the version is known [MQTT-1.5.5-1]
	}
	c.ver = packet.V311
	if err != nil {
		if ReasonOf(err) == UnsupportedProtocolVersion {
			if string(p.Protocol) == "MQTT" || string(p.Protocol) == "MQIsdp" {
				// In 3.1.1 form, which every client can read [MQTT-3.1.2-2].
				c.reply(b, []byte{byte(packet.TypeConnack) << 4, 2, 0, 1})
			}
		} else if p.Version == packet.V5 {
			c.ver = packet.V5
			return c.refuseConnect(b, err)
		}
		c.srv.count.refusedConnect[ReasonOf(err)].Add(1)
		return err
	}
	c.ver = p.Version
	c.maxPacket = int(p.Props.MaximumPacketSize)
	r, err := c.readConnect(p)
	if err == nil {
		err = c.checkConnect(r)
	}
	if err != nil {
		return c.refuseConnect(b, err)
	}
	c.req = r
	if r.creds.Method != "" {
		return c.startExchange(b, r)
	}
	var who admission
	c.await(b, isImmediate(c.srv.cfg.Authenticator) && isImmediate(c.srv.cfg.Authorizer), decision{
		work: func(ctx context.Context) error {
			id, err := c.srv.cfg.Authenticator.Authenticate(ctx, &r.creds)
			if err == nil {
				who, err = c.srv.admission(ctx, id, r, c.cut)
			}
			return err
		},
		then:    func(b *batch, err error) error { return c.admit(b, who, nil, err) },
		abandon: func() { who.close(c.srv) },
	})
	return nil
}

func isImmediate(a any) bool {
	i, ok := a.(auth.Immediate)
	return ok && i.Immediate()
}

// readConnect copies the packet.
func (c *conn) readConnect(p *packet.Connect) (*connectRequest, error) {
	info := c.drv.info()
	r := &connectRequest{
		creds: auth.Credentials{
			ClientID: string(p.ClientID), Username: string(p.Username), HasUsername: p.HasUsername,
			RemoteAddr: info.remote, LocalAddr: info.local, ProtocolVersion: byte(p.Version),
		},
		cleanStart: p.CleanStart, keepAlive: p.KeepAlive,
	}
	if p.HasPassword {
		r.creds.Password = append([]byte{}, p.Password...)
	}
	if info.creds != nil {
		info.creds(&r.creds)
	}
	if p.Version == packet.V311 {
		if !p.CleanStart {
			r.expiry = 0xFFFFFFFF
		}
	} else {
		pr := &p.Props
		r.expiry, r.receiveMax, r.maxPacket, r.aliasMax = pr.SessionExpiry, pr.ReceiveMaximum, pr.MaximumPacketSize, pr.TopicAliasMaximum
		r.wantInfo = pr.RequestResponse == 1
		r.quiet = pr.Has(packet.PropRequestProblem) && pr.RequestProblem == 0
		if pr.Has(packet.PropAuthMethod) {
			r.creds.Method = string(pr.AuthMethod)
			r.creds.Data = append([]byte(nil), pr.AuthData...)
			if r.creds.Method == "" {
				return nil, refuse(BadAuthenticationMethod, "the Authentication Method is empty")
			}
		}
	}
	if p.HasWill {
		r.will = newWill(p)
	}
	if len(p.ClientID) == 0 {
		if p.Version == packet.V311 && !p.CleanStart {
			return nil, refuse(ClientIDNotValid, "an empty client identifier needs CleanSession 1") // [MQTT-3.1.3-8]
		}
		if c.srv.cfg.RefuseEmptyClientID {
			return nil, refuse(ClientIDNotValid, "the client identifier is empty")
		}
		r.creds.ClientID, r.assigned = newClientID(), true
	}
	return r, nil
}

// newClientID returns an id that nobody has.
func newClientID() string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return "auto-" + hex.EncodeToString(b[:])
}

// checkConnect applies the server's limits.
func (c *conn) checkConnect(r *connectRequest) error {
	cfg := &c.srv.cfg
	if n := len(r.creds.ClientID); n > cfg.MaxClientIDBytes && !r.assigned {
		return refuse(ClientIDNotValid, "the client identifier has %d bytes, at most %d are accepted", n, cfg.MaxClientIDBytes)
	}
	if c.srv.closing.Load() {
		return refuse(ServerUnavailable, "the server is shutting down") // CONNACK has no 0x8B
	}
	if w := r.will; w != nil {
		switch {
		case byte(w.m.QoS) > cfg.maxQoS():
			return refuse(QoSNotSupported, "will with QoS %d, at most %d is supported", w.m.QoS, cfg.maxQoS())
		case w.m.Retain && cfg.DisableRetain:
			return refuse(RetainNotSupported, "retained will, but the server keeps no retained messages")
		case cfg.MaxPayloadBytes > 0 && len(w.m.Payload) > cfg.MaxPayloadBytes:
			return refuse(PacketTooLarge, "will of %d bytes, at most %d are accepted", len(w.m.Payload), cfg.MaxPayloadBytes)
		}
		if err := c.srv.checkTopic(w.m.Topic); err != nil {
			return err
		}
	}
	return nil
}

// checkTopic applies the server's limits to a well-formed topic name or filter.
func (s *Server) checkTopic(name string) error {
	if len(name) > s.cfg.MaxTopicBytes {
		return refuse(TopicNameInvalid, "topic of %d bytes, at most %d are accepted", len(name), s.cfg.MaxTopicBytes)
	}
	if len(name) >= s.cfg.MaxTopicLevels { // else it cannot have that many
		if n := topic.Levels(name); n > s.cfg.MaxTopicLevels {
			return refuse(TopicNameInvalid, "topic of %d levels, at most %d are accepted", n, s.cfg.MaxTopicLevels)
		}
	}
	return nil
}

// admit ends the decision on a CONNECT: with CONNACK and the session, or with a
// refusal. data is the server's last Authentication Data.
func (c *conn) admit(b *batch, who admission, data []byte, err error) error {
	r := c.req
	c.req = nil
	if err != nil {
		if isFailure(err) {
			c.srv.log.Warn("broker: authentication failed", "client", clip(r.creds.ClientID), "remote", r.creds.RemoteAddr, "err", err)
			err = refuse(ServerUnavailable, "authentication is not possible at the moment")
		} else {
			if _, nobody := c.srv.cfg.Authenticator.(auth.Nobody); nobody {
				c.srv.closedDoor.Do(func() {
					c.srv.log.Warn("broker: every client is refused, because Config.Authenticator is not set", "client", clip(r.creds.ClientID), "remote", r.creds.RemoteAddr)
				})
			}
			c.srv.log.Debug("broker: CONNECT refused", "client", clip(r.creds.ClientID), "remote", r.creds.RemoteAddr, "err", err)
		}
		d := Denial{
			ClientID: r.creds.ClientID, Username: auth.BareName(r.creds.Username), RemoteAddr: r.creds.RemoteAddr,
			Action: auth.Connect, Resource: r.creds.ClientID, Err: err,
		}
		d.of(who.id)
		c.srv.tellHooksDenied(&d)
		return c.refuseConnect(b, err)
	}
	if c.phase.Load() == phaseClosed {
		who.close(c.srv)
		return nil
	}
	c.id, c.conn, c.method = who.id, who.conn, r.creds.Method
	c.authz = who.authz
	c.asker, _ = who.authz.(*askSession)
	c.expires.Store(c.srv.expiry(who.id))
	if f := c.srv.cfg.ResponseInformation; r.wantInfo && f != nil {
		r.responseInfo = f(r.creds.ClientID)
	}
	if err := c.srv.attach(b, c, r, data); err != nil {
		if ReasonOf(err) == NotAuthorized {
			c.srv.tellDenied(c.denial(auth.Connect, r.creds.ClientID, err))
		}
		who.close(c.srv)
		return c.refuseConnect(b, err)
	}
	return nil
}

// v3Codes are the return codes of 3.1.1 for the reasons that have one.
var v3Codes = map[ReasonCode]byte{
	UnsupportedProtocolVersion: 1, ClientIDNotValid: 2, ServerUnavailable: 3, ServerBusy: 3, QuotaExceeded: 3, ServerShuttingDown: 3,
	BadUserNameOrPassword: 4, NotAuthorized: 5, Banned: 5, BadAuthenticationMethod: 5,
}

// refuseConnect answers with a failing CONNACK, as far as the version has one for
// the reason, and returns err, which closes the connection [MQTT-3.2.2-4 to -7].
func (c *conn) refuseConnect(b *batch, err error) error {
	code := ReasonOf(err)
	c.srv.count.refusedConnect[code].Add(1)
	ack := packet.Connack{Code: codeFor(packet.TypeConnack, err)}
	if c.ver == packet.V311 {
		v3, ok := v3Codes[code]
		if !ok {
			return err
		}
		ack.Code = v3
	} else if text := connectText(code, err); text != "" {
		ack.Props.SetReasonString([]byte(text))
	}
	buf := ack.Append(nil, c.ver)
	if !c.fits(buf) { // [MQTT-3.2.2-19]
		ack.Props.Reset()
		buf = ack.Append(nil, c.ver)
	}
	if c.fits(buf) {
		c.reply(b, buf)
	}
	return err
}

// connectText is what a client is told that may not connect. Why a policy or a store of
// passwords said no is for the log and the hooks.
func connectText(code ReasonCode, err error) string {
	if text := reasonText(err); text != "" {
		return text
	}
	if code == NotAuthorized {
		return "not authorized to connect"
	}
	if code == BadUserNameOrPassword {
		return "the user name, password or other credentials are not good"
	}
	return ""
}

// fits reports whether the client takes a packet of this size [MQTT-3.1.2-24].
func (c *conn) fits(p []byte) bool { return c.maxPacket == 0 || len(p) <= c.maxPacket }

// connack builds the answer to an accepted CONNECT. What the server supports without
// limits is left out, which means the same.
func (s *Server) connack(c *conn, r *connectRequest, granted time.Duration, data []byte) *packet.Connack {
	a := &packet.Connack{}
	if c.ver == packet.V311 {
		return a
	}
	p, cfg := &a.Props, &s.cfg
	if secs := expirySeconds(granted); secs != r.expiry {
		p.SetSessionExpiry(secs)
	}
	p.SetReceiveMaximum(uint16(cfg.ReceiveMaximum))
	if q := cfg.maxQoS(); q < 2 {
		p.SetMaximumQoS(q)
	}
	if cfg.DisableRetain {
		p.SetRetainAvailable(0)
	}
	p.SetMaximumPacketSize(uint32(cfg.MaxPacketSize))
	if r.assigned {
		p.SetAssignedClientID([]byte(r.creds.ClientID))
	}
	if cfg.TopicAliasMaximum > 0 {
		p.SetTopicAliasMaximum(uint16(cfg.TopicAliasMaximum))
	}
	if cfg.DisableWildcards {
		p.SetWildcardAvailable(0)
	}
	if cfg.DisableSubscriptionIDs {
		p.SetSubIDAvailable(0)
	}
	if cfg.DisableShared {
		p.SetSharedAvailable(0)
	}
	if ka := s.serverKeepAlive(r.keepAlive); ka != r.keepAlive {
		p.SetServerKeepAlive(ka)
	}
	if r.responseInfo != "" {
		p.SetResponseInfo([]byte(r.responseInfo))
	}
	if r.creds.Method != "" {
		p.SetAuthMethod([]byte(r.creds.Method))
		if data != nil {
			p.SetAuthData(data)
		}
	}
	return a
}

// serverKeepAlive is the interval in force for a client that asked for ka seconds.
func (s *Server) serverKeepAlive(ka uint16) uint16 {
	limit := uint16(s.cfg.MaxKeepAlive / time.Second)
	if limit > 0 && (ka == 0 || ka > limit) {
		return limit
	}
	return ka
}

// grantExpiry is how long a session may outlive its connections.
func (s *Server) grantExpiry(secs uint32) time.Duration {
	d := never
	if secs != 0xFFFFFFFF {
		d = time.Duration(secs) * time.Second
	}
	if limit := s.cfg.MaxSessionExpiry; limit > 0 && d > limit {
		d = limit
	}
	return d
}

func expirySeconds(d time.Duration) uint32 {
	if d == never {
		return 0xFFFFFFFF
	}
	return uint32(d / time.Second)
}
