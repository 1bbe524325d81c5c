package broker

import (
	"fmt"

	"github.com/thinghub/thinghub/auth"
)

// A belonging says whose a session is: the principal's that connected last, and of all
// whose sessions have the same owner, if it is not ""; see [auth.Owner]. Names alone do not
// make a principal: that of a user may be what a custom authorizer calls somebody else.
type belonging struct {
	principal, arn string
	kind           auth.Kind
	owner          string
}

func belongingOf(id *auth.Identity, owner string) *belonging {
	return &belonging{id.Principal, id.Attached(), id.Kind, owner}
}

// to reports whether the session is that of an identity.
func (b *belonging) to(id *auth.Identity) bool {
	return b.principal == id.Principal && b.arn == id.Attached() && b.kind == id.Kind
}

// owner is whom the session of a connection belongs to besides its principal.
func (c *conn) owner() (owner string) {
	if o, ok := c.authz.(auth.Owner); ok {
		c.srv.shield("an authorizer", func() { owner = o.Owner() })
	}
	return owner
}

// stillWelcome says whether a connection may have the session that its client id has, old,
// nil if there is none. The lock of the sessions is held, as it is when a principal's
// connections are looked for to be ended: who is not among them is refused here.
//
// A session belongs to a principal: with the client id of another one nobody gets its
// messages, or ends it. Where everybody may do everything this is no exception.
func (c *conn) stillWelcome(old *session) error {
	if c.id.Check != nil {
		if err := c.id.Check(); err != nil {
			return fmt.Errorf("%w: %w", NotAuthorized, err)
		}
	}
	if old == nil || c.authz == nil {
		return nil
	}
	if b := old.belongs; b.to(c.id) || b.owner != "" && b.owner == c.owner() {
		return nil
	}
	old.mu.Lock()
	over := old.conn == nil && (old.expiry == 0 || old.expireAt > 0 && old.expireAt <= c.srv.clock())
	old.mu.Unlock()
	if over {
		return nil
	}
	return refuse(NotAuthorized, "the session of this client identifier belongs to somebody else")
}
