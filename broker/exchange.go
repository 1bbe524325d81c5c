package broker

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/packet"
)

// An exchange is a run of MQTT 5 enhanced authentication: of a CONNECT that is not
// decided yet, or of a client that re-authenticates.
type exchange struct {
	x      auth.Exchange
	method string
	again  bool // re-authentication
	req    *connectRequest
}

func (e *exchange) close(s *Server) {
	if e != nil && e.x != nil {
		s.shield("an authenticator", e.x.Close)
		e.x = nil
	}
}

// startExchange begins the authentication of a CONNECT with a method.
func (c *conn) startExchange(b *batch, r *connectRequest) error {
	x, ok := c.srv.cfg.Authenticator.(auth.Exchanger)
	if !ok {
		return c.refuseConnect(b, refuse(BadAuthenticationMethod, "the Authentication Method %q is not supported", clip(r.creds.Method)))
	}
	c.exchange = &exchange{method: r.creds.Method, req: r}
	c.step(b, x, r.creds.Data)
	return nil
}

// step gives the client's data to the exchange and sends on what it answers.
func (c *conn) step(b *batch, x auth.Exchanger, data []byte) {
	e, s := c.exchange, c.srv
	before, conn := c.id, c.conn // if it authenticates again
	var reply []byte
	var who admission
	abandon := func() {
		e.close(s)
		who.close(s)
	}
	c.await(b, false, decision{
		work: func(ctx context.Context) (err error) {
			if e.x == nil {
				if e.x, err = x.Exchange(ctx, &e.req.creds); err != nil {
					return err
				}
			}
			var id *auth.Identity
			reply, id, err = e.x.Next(ctx, data)
			switch {
			case err != nil || id == nil:
				return err
			case !e.again:
				who, err = s.admission(ctx, id, e.req, c.cut)
				return err
			case !belongingOf(before, "").to(id): // the session is the other's
				return refuse(NotAuthorized, "re-authentication as somebody else")
			}
			if who, err = s.authorize(ctx, id, conn); err != nil && isFailure(err) {
				s.log.Warn("broker: authorizer failed at a re-authentication", "client", conn.ClientID, "err", err)
				err = NotAuthorized
			}
			return err
		},
		then: func(b *batch, err error) error {
			if err == nil && who.id == nil { // it goes on
				if c.phase.Load() == phaseClosed {
					abandon()
					c.exchange = nil
					return nil
				}
				if !e.again {
					c.phase.CompareAndSwap(phaseNew, phaseAuth)
				}
				c.sendAuth(b, ContinueAuthentication, e.method, reply)
				return nil
			}
			e.close(s)
			c.exchange = nil
			if !e.again {
				return c.admit(b, who, reply, err)
			}
			if err != nil {
				return c.reauthenticationFailed(err)
			}
			c.reauthorize(who)
			c.sendAuth(b, Success, e.method, reply)
			return nil
		},
		abandon: abandon,
	})
}

// reauthenticationFailed tells that the client is not who it was any more, and returns what
// ends the connection [MQTT-4.12.1-2].
func (c *conn) reauthenticationFailed(err error) error {
	c.srv.tellHooksDenied(c.denial(auth.Connect, c.conn.ClientID, err))
	if isFailure(err) {
		c.srv.log.Warn("broker: re-authentication failed", "client", c.conn.ClientID, "err", err)
	} else {
		c.srv.log.Debug("broker: re-authentication refused", "client", c.conn.ClientID, "err", err)
	}
	switch ReasonOf(err) {
	case UnspecifiedError, BadUserNameOrPassword, Banned: // which DISCONNECT cannot say
		err = NotAuthorized
	default:
	}
	return fmt.Errorf("%w: %w", ErrReauthentication, err)
}

func (c *conn) sendAuth(b *batch, code ReasonCode, method string, data []byte) {
	a := packet.Auth{Code: byte(code)}
	a.Props.SetAuthMethod([]byte(method))
	if data != nil {
		a.Props.SetAuthData(data)
	}
	c.reply(b, a.Append(nil, c.ver))
}

// onAuth handles an AUTH packet: the next step of an exchange, or the start of a
// re-authentication.
func (c *conn) onAuth(b *batch, body []byte) error {
	a := &b.auth
	if err := a.Decode(body, c.ver); err != nil {
		return err
	}
	e := c.exchange
	up := c.phase.Load() == phaseUp
	method := ""
	if e != nil {
		method = e.method
	} else if up {
		method = c.method
	}
	x, ok := c.srv.cfg.Authenticator.(auth.Exchanger)
	switch {
	case method == "" || !ok:
		return refuse(ProtocolError, "AUTH, but CONNECT had no Authentication Method") // [MQTT-4.12.0-6]
	case string(a.Props.AuthMethod) != method:
		return refuse(ProtocolError, "AUTH with method %q, CONNECT had %q", clip(string(a.Props.AuthMethod)), clip(method)) // [MQTT-4.12.0-5]
	}
	data := bytes.Clone(a.Props.AuthData)
	switch ReasonCode(a.Code) {
	case ContinueAuthentication:
		if e == nil {
			return refuse(ProtocolError, "AUTH continues an exchange that does not exist")
		}
	case ReAuthenticate:
		if !up || e != nil {
			return refuse(ProtocolError, "re-authentication during an exchange")
		}
		creds := auth.Credentials{ClientID: c.conn.ClientID, Username: c.conn.Username, RemoteAddr: c.conn.RemoteAddr, ProtocolVersion: byte(c.ver), Method: method, Data: data}
		if info := c.drv.info(); info.creds != nil {
			info.creds(&creds)
		}
		c.exchange = &exchange{method: method, again: true, req: &connectRequest{creds: creds}}
	default:
		return refuse(ProtocolError, "AUTH with reason 0x%02X, clients send 0x18 or 0x19", a.Code)
	}
	c.step(b, x, data)
	return nil
}

// clip shortens client data for a message.
func clip(s string) string {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "..."
	}
	return s
}
