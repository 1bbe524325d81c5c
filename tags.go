package thinghub

import (
	"context"
	"errors"
	"strings"

	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/rules"
)

// taggable says which resources besides those of the registry there are, for their tags.
func (h *Hub) taggable(ctx context.Context, resource string) (bool, error) {
	kind, name, _ := strings.Cut(resource, "/")
	var err error
	switch {
	case kind == "rule" && h.rules != nil:
		_, err = h.rules.Get(ctx, name)
	case kind == "policy" && h.principals.access != nil:
		_, err = h.principals.access.GetPolicy(ctx, name)
	case kind == "cacert":
		_, err = h.principals.certs.DescribeCACertificate(ctx, name)
	case kind == "rolealias":
		_, err = h.principals.roles.DescribeRoleAlias(ctx, name)
	case kind == "authorizer":
		_, err = h.principals.custom.DescribeAuthorizer(ctx, name)
	case kind == "provisioningtemplate":
		_, err = h.principals.provision.DescribeProvisioningTemplate(ctx, name)
	default:
		return false, nil
	}
	for _, none := range []error{
		rules.ErrNotFound, access.ErrNotFound, access.ErrInvalid, certs.ErrNotFound, certs.ErrInvalid, roles.ErrNotFound, roles.ErrInvalid,
		custom.ErrNotFound, custom.ErrInvalid, provision.ErrNotFound, provision.ErrInvalid,
	} {
		if errors.Is(err, none) {
			return false, nil
		}
	}
	return err == nil, err
}
