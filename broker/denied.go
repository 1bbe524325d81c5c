package broker

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/thinghub/thinghub/auth"
)

// denied makes an authorizer's error a refusal that is told to the client.
func denied(err error) error {
	if errors.Is(err, auth.ErrDenied) {
		return &denial{err}
	}
	return err
}

// A denial is a refusal that finds its words when somebody wants to read them: to find out
// why takes policies longer than to refuse, and who knocks often must not make us do it.
type denial struct{ err error }

func (d *denial) Error() string   { return NotAuthorized.Error() + ": " + d.err.Error() }
func (d *denial) Unwrap() []error { return []error{NotAuthorized, d.err} }

// refuseDenied is what a client is told that an authorizer denied something: the
// sentence that was written for it, if there is one.
func refuseDenied(err error, format string, args ...any) error {
	if text := reasonText(err); text != "" {
		return refuse(NotAuthorized, "%s", text)
	}
	return refuse(NotAuthorized, format, args...)
}

// tellDenied logs and tells hooks what an authorizer refused, or that it could not
// decide. d.Resource may point into a read buffer.
func (s *Server) tellDenied(d *Denial) {
	level, text := slog.LevelWarn, "broker: denied, because the authorizer failed"
	if ReasonOf(d.Err) == NotAuthorized {
		level, text = slog.LevelDebug, "broker: denied"
	}
	logs := s.log.Enabled(context.Background(), level)
	if !logs && len(s.hooks.denied) == 0 {
		return
	}
	d.Resource = strings.Clone(d.Resource)
	if logs {
		s.log.Log(context.Background(), level, text, "action", string(d.Action), "client", d.ClientID, "principal", d.Principal, "resource", d.Resource, "err", d.Err)
	}
	s.tellHooksDenied(d)
}

func (s *Server) tellHooksDenied(d *Denial) {
	for _, h := range s.hooks.denied {
		s.shield("a hook", func() { h.Denied(d) })
	}
}

// denial is what the client of a connection was refused.
func (c *conn) denial(a auth.Action, resource string, err error) *Denial {
	d := &Denial{ClientID: c.conn.ClientID, Username: auth.BareName(c.conn.Username), RemoteAddr: c.conn.RemoteAddr, Action: a, Resource: resource, Err: err}
	d.of(c.id)
	return d
}

// of says whose denial it is; nil for nobody that is known.
func (d *Denial) of(id *auth.Identity) {
	if id != nil {
		d.Principal, d.PrincipalARN = id.Principal, id.Attached()
	}
}
