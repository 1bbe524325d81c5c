package auth

import "context"

// Memory is the default [Authenticator] and [Authorizer]. It knows nobody: every
// connection is refused and every request denied. Identities, certificates and
// policies are added to it by the provisioning API of later releases.
type Memory struct{}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{} }

// Authenticate refuses with [ErrNotAuthorized].
func (*Memory) Authenticate(context.Context, *Credentials) (*Identity, error) {
	return nil, ErrNotAuthorized
}

// Immediate reports that nothing here waits; see [Immediate].
func (*Memory) Immediate() bool { return true }

// Authorize denies.
func (*Memory) Authorize(_ context.Context, _ *Identity, r *Request) error {
	return &Denied{Action: r.Action, Resource: r.Resource, Reason: "nobody is provisioned in this hub"}
}
