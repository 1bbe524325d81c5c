package auth

import "context"

// Nobody is an [Authenticator] and an [Authorizer] that knows nobody: every connection
// is refused and every request denied. It is what a gateway without configuration has.
type Nobody struct{}

// Authenticate refuses with [ErrNotAuthorized].
func (Nobody) Authenticate(context.Context, *Credentials) (*Identity, error) {
	return nil, ErrNotAuthorized
}

// Immediate reports that nothing here waits; see [Immediate].
func (Nobody) Immediate() bool { return true }

// Authorize denies.
func (Nobody) Authorize(_ context.Context, _ *Identity, r *Request) error {
	return &Denied{Action: r.Action, Resource: r.Resource, Reason: "nobody is provisioned in this hub"}
}
