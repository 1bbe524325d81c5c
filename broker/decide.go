package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/thinghub/thinghub/auth"
)

// A decision is about a client and may take time: work makes it, and then one of the
// others is called, once. then is called with work's error on the goroutine that feeds
// the connection, abandon when there is none any more because the server ends.
type decision struct {
	work    func(context.Context) error
	then    func(*batch, error) error
	abandon func()
}

// await makes a decision. On an event loop the connection rests meanwhile and other
// connections go on; what arrives is kept and handled afterwards, in order.
func (c *conn) await(b *batch, immediate bool, d decision) {
	run := func() (err error) {
		ctx, cancel := context.WithTimeout(c.srv.ctx, c.srv.cfg.ConnectTimeout)
		defer cancel()
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("broker: panic in an authenticator or authorizer: %v", r)
			}
		}()
		return d.work(ctx)
	}
	if immediate || c.drv.blocking() {
		if !immediate {
			b.flush() // what others are owed does not wait for the answer
		}
		if err := d.then(b, run()); err != nil {
			c.fail(b, err)
		}
		return
	}
	c.waiting = true
	c.hold(holdTurn)
	started := c.srv.spawn(func() {
		err := run()
		posted := c.drv.post(func() {
			c.waiting = false
			c.answered(d.then, err)
			c.proceed()
		})
		if !posted {
			d.abandon()
		}
	})
	if !started {
		d.abandon()
	}
}

func (c *conn) answered(then func(*batch, error) error, err error) {
	b := c.srv.borrow()
	defer b.done()
	defer c.recovered()
	if err := then(b, err); err != nil {
		c.fail(b, err)
	}
}

// An admission is what a decision on an identity gave: who it is, and who answers for
// it.
type admission struct {
	id    *auth.Identity
	conn  *auth.Conn
	authz auth.Session // nil: everything is allowed
}

// close is called when the admission is not made use of.
func (a *admission) close(s *Server) {
	if a.authz != nil {
		s.shield("an authorizer", a.authz.Close)
		a.authz = nil
	}
}

// admission decides whether an identity may connect as r asked; end ends the connection.
func (s *Server) admission(ctx context.Context, id *auth.Identity, r *connectRequest, end func(error)) (admission, error) {
	if id == nil || id.Principal == "" {
		return admission{}, errors.New("broker: the Authenticator returned an identity without principal")
	}
	if id.ClientID != "" {
		r.creds.ClientID = id.ClientID
	}
	c := &auth.Conn{
		ClientID: r.creds.ClientID, RemoteAddr: r.creds.RemoteAddr, CleanStart: r.cleanStart, Persistent: r.expiry > 0, Username: r.creds.Username,
		End: end,
	}
	if t := r.creds.TLS; t != nil {
		c.Secure, c.ServerName = true, t.ServerName
	}
	if r.will != nil {
		c.HasWill, c.WillRetain, c.WillTopic = true, r.will.m.Retain, r.will.m.Topic
	}
	return s.authorize(ctx, id, c)
}

// authorize asks whether an identity may be connected, and for a session for its
// messages.
func (s *Server) authorize(ctx context.Context, id *auth.Identity, c *auth.Conn) (admission, error) {
	a := admission{id: id, conn: c}
	z := s.cfg.Authorizer
	if err := z.Authorize(ctx, id, &auth.Request{Action: auth.Connect, Resource: c.ClientID, Conn: *c}); err != nil {
		return a, denied(err)
	}
	o, ok := z.(auth.Opener)
	if !ok {
		ask := &askSession{srv: s, z: z, conn: c}
		ask.id.Store(id)
		a.authz = ask
		return a, nil
	}
	authz, err := o.Open(ctx, id, c)
	if err != nil {
		return a, denied(err)
	}
	if authz == nil {
		return a, errors.New("broker: the Opener returned no session")
	}
	if _, open := authz.(auth.InsecureAllowAll); !open {
		a.authz = authz
	}
	return a, nil
}

// isFailure tells what an authenticator or authorizer could not decide from what it
// decided.
func isFailure(err error) bool {
	code := ReasonOf(err)
	return code <= UnspecifiedError || code == ServerUnavailable
}

// expiry is when an identity expires on the server's clock, 0 for never.
func (s *Server) expiry(id *auth.Identity) int64 {
	if id.Expires.IsZero() {
		return 0
	}
	return s.since(id.Expires)
}

// reauthorize has a new identity of the same principal, and who answers for it, take
// the place of the old one.
func (c *conn) reauthorize(who admission) {
	sess := c.lock()
	if !c.accepted { // it ends, and closes what it had
		sess.unlock()
		who.close(c.srv)
		return
	}
	old := admission{c.id, c.conn, c.authz}
	c.id = who.id
	if c.asker != nil {
		c.asker.id.Store(who.id) // it stays the one that others may be asking
	} else {
		c.authz = who.authz
		if sess.conn == c && sess.will != nil {
			sess.will.authz = c.authz
		}
	}
	sess.unlock()
	if c.asker == nil {
		old.close(c.srv)
	}
	c.expires.Store(c.srv.expiry(who.id))
	c.rearm()
}

// askSession asks an Authorizer that is no Opener about every message.
type askSession struct {
	srv  *Server
	z    auth.Authorizer
	id   atomic.Pointer[auth.Identity] // the client may authenticate again
	conn *auth.Conn
}

func (a *askSession) Allow(act auth.Action, resource string) error {
	// A copy: the authorizer may keep it, and resource may point into a read buffer.
	return a.z.Authorize(a.srv.ctx, a.id.Load(), &auth.Request{Action: act, Resource: strings.Clone(resource), Conn: *a.conn})
}

func (a *askSession) Close() {}

// mayReceive asks about a delivery; nil allows it. No lock is held.
func (a *askSession) mayReceive(m *Message) (err error) {
	err = errPanicked
	defer a.srv.rescue("an authorizer")
	return a.Allow(auth.Receive, m.Topic)
}

// errPanicked stands for the answer of an authorizer that had none.
var errPanicked = errors.New("broker: the authorizer panicked")
