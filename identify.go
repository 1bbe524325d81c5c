package thinghub

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/roles"
)

// identify returns the identity that a principal stands for: its ARN, or the id of an
// identity of a pool. If pool is not empty it must be one of that pool.
func (h *Hub) identify(ctx context.Context, principal, pool string) (*auth.Identity, error) {
	p := &h.principals
	if pool != "" || !strings.HasPrefix(principal, "arn:") {
		return h.identifyMember(ctx, principal, pool)
	}
	if id, ok := strings.CutPrefix(principal, p.certs.ARN("")); ok {
		c, err := p.certs.DescribeCertificate(ctx, id)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode([]byte(c.PEM))
		if block == nil { // somebody has damaged what is kept
			return nil, fmt.Errorf("thinghub: the PEM of certificate %s cannot be read", c.ID)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return &auth.Identity{Principal: c.ID, Kind: auth.Certificate, ARN: c.ARN, Certificate: cert}, nil
	}
	if name, ok := strings.CutPrefix(principal, p.users.ARN("")); ok {
		return &auth.Identity{Principal: name, Kind: auth.User, ARN: principal}, nil
	}
	if strings.Contains(principal, ":iam::") {
		return &auth.Identity{Principal: principal, Kind: auth.IAM}, nil
	}
	return &auth.Identity{Principal: principal}, nil
}

// identifyMember returns an identity of a pool, with the role that the pool gives to all:
// which one a claim of its login gets it, only the login could say. Without a pool it may be
// a principal of the host's own.
func (h *Hub) identifyMember(ctx context.Context, id, pool string) (*auth.Identity, error) {
	p := &h.principals
	who, err := p.pools.DescribeIdentity(ctx, id)
	none := errors.Is(err, identitypool.ErrNotFound) || errors.Is(err, identitypool.ErrInvalid)
	if err != nil && !none {
		return nil, err
	}
	if none && pool == "" {
		return &auth.Identity{Principal: id}, nil
	}
	if none || pool != "" && who.Pool != pool {
		return nil, &access.Error{Kind: access.ErrNotFound, Message: fmt.Sprintf("Identity %s of pool %s cannot be found.", id, pool)}
	}
	r, err := p.pools.GetIdentityPoolRoles(ctx, who.Pool)
	if err != nil {
		return nil, err
	}
	out := &auth.Identity{Principal: id, Kind: auth.Authenticated, Role: r.Roles[identitypool.Authenticated]}
	amr := append([]string{identitypool.Authenticated}, who.Logins...)
	if len(who.Logins) == 0 && !who.Inaccessible {
		out.Kind, out.Role, amr = auth.Guest, r.Roles[identitypool.Unauthenticated], []string{identitypool.Unauthenticated}
	}
	out.Attributes = roles.PoolAttributes(id, who.Pool, amr)
	return out, nil
}
