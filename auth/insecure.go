package auth

import "context"

// InsecureAllowAll is an [Authenticator] and an [Opener] that lets everybody
// do everything. It is for tests, and for hubs that only listen where nobody else
// can connect.
//
// Every client becomes the principal "anonymous", or its user name if it sent
// one; the password is not looked at.
type InsecureAllowAll struct{}

var anonymous = &Identity{Principal: "anonymous"}

// Authenticate accepts everybody.
func (InsecureAllowAll) Authenticate(_ context.Context, c *Credentials) (*Identity, error) {
	if c.Username != "" {
		return &Identity{Principal: c.Username}, nil
	}
	return anonymous, nil
}

// Authorize allows everything.
func (InsecureAllowAll) Authorize(context.Context, *Identity, *Request) error { return nil }

// Open returns a session that allows everything. The hub recognises it and does
// not ask it at all.
func (a InsecureAllowAll) Open(context.Context, *Identity, *Conn) (Session, error) { return a, nil }

// Allow allows everything.
func (InsecureAllowAll) Allow(Action, string) error { return nil }

// Close does nothing.
func (InsecureAllowAll) Close() {}

// Immediate reports that Authenticate never waits; see [Immediate].
func (InsecureAllowAll) Immediate() bool { return true }
