package thinghub

import (
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/sts"
	"github.com/thinghub/thinghub/auth/userpool"
)

// userPools is the configuration of user pools with what it shares with other rooms.
func (c *Config) userPools(h *Hub) (userpool.Config, error) {
	o := c.UserPoolConfig
	if err := unshared("UserPoolConfig", o.Directory, o.Scope); err != nil {
		return o, err
	}
	if o.Authorize != nil {
		return o, errors.New("Config.UserPoolConfig.Authorize is set, expected nil: the hub authorizes")
	}
	o.Directory, o.Scope = c.Directory, c.scope()
	o.Authorize, o.Audit = h.signedBy, h.auditor.room(o.Audit)
	if o.Logger == nil {
		o.Logger = c.Logger
	}
	return o, nil
}

// identityPools is the configuration of identity pools, likewise.
func (c *Config) identityPools(h *Hub) (identitypool.Config, error) {
	o := c.IdentityPoolConfig
	if err := unshared("IdentityPoolConfig", o.Directory, o.Scope); err != nil {
		return o, err
	}
	for name, v := range c.LoginProviders {
		if v == nil {
			return o, fmt.Errorf("Config.LoginProviders[%q] is nil, expected a verifier", name)
		}
	}
	if o.Roles != nil || o.Authorize != nil || o.Providers != nil || o.Provider != nil {
		return o, errors.New("Config.IdentityPoolConfig.Roles, Authorize, Providers or Provider is set, expected nil: they are the hub's; see Config.LoginProviders")
	}
	o.Directory, o.Scope, o.Roles = c.Directory, c.scope(), h.principals.roles
	o.Providers, o.Provider, o.Authorize = c.LoginProviders, h.loginProvider, h.signedBy
	o.Audit = h.auditor.room(o.Audit)
	told := o.Changed
	o.Changed = func(identity string) {
		h.revoked(identity, "the identity was disabled or deleted", false)
		if told != nil {
			told(identity)
		}
	}
	if o.Logger == nil {
		o.Logger = c.Logger
	}
	return o, nil
}

// sts is the configuration of temporary credentials, likewise.
func (c *Config) sts(h *Hub) (sts.Config, error) {
	o := c.STSConfig
	if o.Roles != nil || o.Authorize != nil || o.Providers != nil || o.Provider != nil || o.IdentityPools != nil || o.Policy != nil {
		return o, errors.New("Config.STSConfig.Roles, Authorize, Providers, Provider, IdentityPools or Policy is set, expected nil: they are the hub's; see Config.LoginProviders")
	}
	o.Scope, o.Roles, o.Authorize, o.Policy = c.scope(), h.principals.roles, h.signedBy, h.policyByARN
	o.Providers, o.Provider = c.LoginProviders, h.loginProvider
	o.IdentityPools, o.PoolIssuer = h.principals.pools.WebIdentity(), c.IdentityPoolConfig.Issuer
	o.Audit = h.auditor.room(o.Audit)
	if o.Logger == nil {
		o.Logger = c.Logger
	}
	return o, nil
}
