package access

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// A session decides for one connection.
type session struct {
	s      *Service
	id     *auth.Identity
	conn   *auth.Conn
	rights atomic.Pointer[rights] // nil: everything is denied
	next   *session               // of the same client id; guarded by Service.mu
	busy   atomic.Bool            // resolve is at work: rights may be about to change

	mu     sync.Mutex // of what follows
	grant  *auth.Grant
	closed atomic.Bool
	timer  *time.Timer
	cancel context.CancelFunc // of a refresh
}

// Open returns who decides for a connection. It follows each change of policies,
// attachments and things at once.
func (s *Service) Open(ctx context.Context, id *auth.Identity, c *auth.Conn) (auth.Session, error) {
	x := &session{s: s, id: id, conn: c, grant: id.Grant}
	// It is told of changes before it looks at how things are.
	s.mu.Lock()
	x.next = s.sessions[c.ClientID]
	s.sessions[c.ClientID] = x
	s.mu.Unlock()
	if err := x.resolve(ctx); err != nil {
		x.Close()
		return nil, err
	}
	x.mu.Lock()
	x.schedule()
	x.mu.Unlock()
	return x, nil
}

// Close forgets the session, which is not told of changes any more.
func (x *session) Close() {
	x.mu.Lock()
	if x.closed.Swap(true) {
		x.mu.Unlock()
		return
	}
	if x.timer != nil {
		x.timer.Stop()
	}
	if x.cancel != nil {
		x.cancel()
	}
	if r := x.rights.Load(); r != nil {
		x.s.release(r.parts...)
	}
	x.mu.Unlock()
	x.s.forget(x)
}

func (s *Service) forget(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := x.conn.ClientID
	if s.sessions[id] == x {
		if x.next == nil {
			delete(s.sessions, id)
		} else {
			s.sessions[id] = x.next
		}
		return
	}
	for at := s.sessions[id]; at != nil; at = at.next {
		if at.next == x {
			at.next = x.next
			return
		}
	}
}

// resolve finds out anew what the client may do. If that fails it may do nothing.
func (x *session) resolve(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed.Load() {
		return nil
	}
	x.busy.Store(true)
	defer x.busy.Store(false)
	r, err := x.s.resolve(ctx, x.id, x.grant, x.conn)
	if old := x.rights.Swap(r); old != nil {
		x.s.release(old.parts...)
	}
	return err
}

// current returns the rights, with the programs of now.
func (x *session) current() *rights {
	r := x.rights.Load()
	if r == nil || r.round == x.s.round.Load() {
		return r
	}
	n := x.s.renewed(r)
	if x.rights.CompareAndSwap(r, n) {
		return n
	}
	return x.rights.Load() // somebody else was faster, and is no less up to date than n
}

// Allow decides. It takes no lock and allocates only for what it denies.
func (x *session) Allow(a auth.Action, resource string) error {
	if x.closed.Load() && (a == auth.Publish || a == auth.RetainPublish) { // a will that waited: may it be published now?
		return x.late(a, strings.Clone(resource))
	}
	r := x.current()
	if r == nil {
		return &auth.Denied{Action: a, Resource: strings.Clone(resource), Reason: "the policies of the client cannot be read at the moment"}
	}
	switch a {
	case auth.Publish:
		if r.bound.Publish(resource).Allowed() {
			return nil
		}
	case auth.Receive:
		if r.bound.Receive(resource).Allowed() {
			return nil
		}
	case auth.Subscribe:
		if r.bound.Subscribe(resource).Allowed() {
			return nil
		}
	default:
		return x.s.decide(r, a, resource)
	}
	return x.s.denied(r, a, resource)
}

// late decides anew for a client that is gone.
func (x *session) late(a auth.Action, resource string) error {
	x.mu.Lock()
	grant := x.grant // the last one: it need not be what the client came in with
	x.mu.Unlock()
	r, err := x.s.resolve(context.Background(), x.id, grant, x.conn)
	if err != nil {
		return err
	}
	defer x.s.release(r.parts...)
	return x.s.decide(r, a, resource)
}

// Owner is the thing that the client is: whatever certificate it has next goes on with
// its MQTT session.
func (x *session) Owner() string {
	if r := x.rights.Load(); r != nil && r.thing != nil {
		return "thing/" + r.thing.Name
	}
	return ""
}

// schedule sets the time of the next refresh of the grant. mu is held.
func (x *session) schedule() {
	if x.closed.Load() || x.grant == nil || x.grant.Refresh == nil {
		return
	}
	x.timer = time.AfterFunc(max(x.grant.Every, time.Second), x.refresh)
}

// refresh asks for another grant. Where that says no the connection ends; where it cannot
// tell, what was granted stays.
func (x *session) refresh() {
	x.mu.Lock()
	if x.closed.Load() {
		x.mu.Unlock()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	x.cancel = cancel
	old := x.grant
	x.mu.Unlock()
	defer cancel()
	next, err := old.Refresh(ctx)
	switch {
	case errors.Is(err, auth.ErrNotAuthorized), errors.Is(err, auth.ErrBadCredentials), errors.Is(err, auth.ErrBanned), errors.Is(err, auth.ErrDenied):
		x.end(err)
		return
	case err != nil:
		x.s.cfg.Logger.Warn("access: policies were not refreshed", "client", x.conn.ClientID, "principal", x.id.Principal, "err", err)
	case next != nil && next != old:
		x.mu.Lock()
		x.grant = next
		x.mu.Unlock()
		if err := x.resolve(ctx); err != nil {
			x.s.cfg.Logger.Error("access: policies cannot be read, so everything is denied", "client", x.conn.ClientID, "err", err)
		}
	}
	x.mu.Lock()
	x.schedule()
	x.mu.Unlock()
}

func (x *session) end(err error) {
	if x.conn.End != nil {
		x.conn.End(err)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed.Load() {
		return // Close has released its sets
	}
	if r := x.rights.Swap(nil); r != nil {
		x.s.release(r.parts...)
	}
}
