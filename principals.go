package thinghub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/sts"
	"github.com/thinghub/thinghub/auth/userpool"
	"github.com/thinghub/thinghub/auth/users"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/registry"
)

// principals are the rooms that know who there is and what they may do.
type principals struct {
	access *access.Service // nil if the host authorizes
	certs  *certs.Service
	users  *users.Service
	keys   *sigv4.Keyring
	roles  *roles.Service

	custom    *custom.Service
	provision *provision.Service

	people *userpool.Service
	pools  *identitypool.Service
	sts    *sts.Service
	signed *sigv4.Authenticator // who has signed a request
}

// Policies returns the policies of the hub and what they are attached to, nil if
// Config.Authorizer is set.
func (h *Hub) Policies() *access.Service { return h.principals.access }

// Certificates returns the certificates of clients, and the hub's own CA. Its TLSConfig is
// for listeners that take certificates.
func (h *Hub) Certificates() *certs.Service { return h.principals.certs }

// Users returns those who log in with a password.
func (h *Hub) Users() *users.Service { return h.principals.users }

// AccessKeys returns the keys that requests are signed with (Signature Version 4). What
// the user of a key may do hangs on its ARN.
func (h *Hub) AccessKeys() *sigv4.Keyring { return h.principals.keys }

// Roles returns role aliases, and makes temporary credentials.
func (h *Hub) Roles() *roles.Service { return h.principals.roles }

// Authorizers returns the custom authorizers: functions and endpoints of the host that say
// who comes in and what they may do.
func (h *Hub) Authorizers() *custom.Service { return h.principals.custom }

// Provisioning returns provisioning templates. Devices reach it on the topics
// $aws/certificates/create/... and $aws/provisioning-templates/{template}/provision/...
func (h *Hub) Provisioning() *provision.Service { return h.principals.provision }

// DisconnectPrincipal ends the connections of a principal, such as a certificate's id,
// and returns how many there were; see [broker.Server.DisconnectPrincipal].
func (h *Hub) DisconnectPrincipal(principal string, o broker.DisconnectOptions) int {
	return h.server.DisconnectPrincipal(principal, o)
}

// joinPrincipals makes the rooms of package auth, and of them the Authenticator and the
// Authorizer where the host has none.
func (h *Hub) joinPrincipals(cfg *Config) (err error) {
	if cfg.Directory == nil {
		cfg.Directory = auth.NewMemory()
	}
	p := &h.principals
	if cfg.Authorizer == nil {
		own, err := cfg.access(h)
		if err != nil {
			return err
		}
		if p.access, err = access.New(own); err != nil {
			return err
		}
		cfg.Authorizer = p.access
	}
	certificates, err := cfg.certs(h)
	if err != nil {
		return err
	}
	if p.certs, err = certs.New(certificates); err != nil {
		return err
	}
	people, err := cfg.users(h)
	if err != nil {
		return err
	}
	if p.users, err = users.New(people); err != nil {
		return err
	}
	keys, err := cfg.accessKeys(h)
	if err != nil {
		return err
	}
	if p.keys, err = sigv4.NewKeyring(keys); err != nil {
		return err
	}
	if p.roles, err = roles.New(roles.Config{Directory: cfg.Directory, Scope: cfg.scope(), Logger: h.log}); err != nil {
		return err
	}
	if err := h.joinIdentity(cfg); err != nil {
		return err
	}
	h.authorizer = cfg.Authorizer
	signatures, err := cfg.signatures(h)
	if err != nil {
		return err
	}
	if p.signed, err = sigv4.New(signatures); err != nil {
		return err
	}
	authorizers, err := cfg.authorizers()
	if err != nil {
		return err
	}
	if p.custom, err = custom.New(authorizers); err != nil {
		return err
	}
	for i, a := range cfg.Logins {
		if a == nil {
			return fmt.Errorf("Config.Logins[%d] is nil, expected an Authenticator", i)
		}
	}
	if cfg.Authenticator == nil {
		list := append([]auth.Authenticator{}, cfg.Logins...)
		cfg.Authenticator = auth.Chain(append(list, claims{p}, p.signed, p.custom, p.users)...)
	}
	return nil
}

// joinProvisioning makes the room that registers devices in the other ones.
func (h *Hub) joinProvisioning(cfg *Config) error {
	o, err := cfg.provisioning(h)
	if err != nil {
		return err
	}
	h.principals.provision, err = provision.New(o)
	return err
}

// revoked ends what a principal has open that was let in and is not any more, and its
// sessions too if it is gone for good. Its wills are not published: they are the word of
// somebody who may not speak.
func (h *Hub) revoked(principal, why string, gone bool) {
	if h.server != nil { // else nobody is there yet
		h.server.DisconnectPrincipal(principal, broker.DisconnectOptions{Reason: broker.Refuse(broker.NotAuthorized, why), SuppressWill: true, EndSession: gone})
	}
}

// certificateChanged ends the connections of a certificate that is not active any more.
func (h *Hub) certificateChanged(id string, s certs.Status) {
	if s != certs.Active {
		h.revoked(id, "the certificate is not active any more", s == certs.Deleted || s == certs.Revoked)
	}
}

// A keyRing is all access keys: those that are kept, and temporary ones.
type keyRing struct{ p *principals }

// Lookup returns the key of an id.
func (k keyRing) Lookup(ctx context.Context, id, token string) (sigv4.Key, error) {
	if token != "" {
		return k.p.pools.Keys(k.p.roles).Lookup(ctx, id, token)
	}
	return k.p.keys.Lookup(ctx, id, token)
}

// Used writes down the use of a key that is kept.
func (k keyRing) Used(ctx context.Context, u sigv4.Use) { k.p.keys.Used(ctx, u) }

// Immediate reports that Lookup never waits.
func (k keyRing) Immediate() bool { return k.p.keys.Immediate() && k.p.roles.Immediate() }

// attachments is what hangs on certificates.
type attachments struct{ hub *Hub }

// Attached reports whether policies and things do.
func (a attachments) Attached(ctx context.Context, arn string) (policies, things bool, err error) {
	if p := a.hub.principals.access; p != nil {
		if policies, err = p.HasPolicies(ctx, arn); err != nil {
			return false, false, err
		}
	}
	list, _, err := a.hub.registry.ListPrincipalThings(ctx, arn, "", registry.Page{Max: 1})
	return policies, len(list) > 0, err
}

// DetachPolicies takes all policies off.
func (a attachments) DetachPolicies(ctx context.Context, arn string) error {
	if p := a.hub.principals.access; p != nil {
		return p.DetachAll(ctx, arn)
	}
	return nil
}

// CopyAttachments attaches policies and things to another certificate as well.
func (a attachments) CopyAttachments(ctx context.Context, from, to string) error {
	if p := a.hub.principals.access; p != nil {
		if err := p.CopyPolicies(ctx, from, to); err != nil {
			return err
		}
	}
	for page := (registry.Page{}); ; {
		list, next, err := a.hub.registry.ListPrincipalThings(ctx, from, "", page)
		if err != nil {
			return err
		}
		for _, at := range list {
			at.Principal = to
			if err := a.hub.registry.AttachThingPrincipal(ctx, at); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		page.Token = next
	}
}

// policyTarget says whether there is what a policy is to be attached to.
func (h *Hub) policyTarget(ctx context.Context, target string) (bool, error) {
	var err error
	if group, ok := strings.CutPrefix(target, h.registry.GroupARN("")); ok {
		_, err = h.registry.DescribeThingGroup(ctx, group)
	} else if id, ok := strings.CutPrefix(target, h.principals.certs.ARN("")); ok {
		c, describeErr := h.principals.certs.DescribeCertificate(ctx, id)
		if err = describeErr; err == nil && c.ID != id {
			return false, nil // in capitals it would hang on a name that nobody has
		}
	}
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrInvalid) || errors.Is(err, certs.ErrNotFound) || errors.Is(err, certs.ErrInvalid) {
		return false, nil
	}
	return err == nil, err
}
