package thinghub

import (
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/policy"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/users"
	"github.com/thinghub/thinghub/internal/arn"
)

// unshared checks that what is the hub's is not set for a room of its own.
func unshared(config string, d auth.Directory, s arn.Scope) error {
	switch {
	case d != nil:
		return fmt.Errorf("Config.%s.Directory is set, expected Config.Directory instead", config)
	case s != (arn.Scope{}):
		return fmt.Errorf("Config.%s.Scope is set, expected Config.Account, Region and Partition instead", config)
	}
	return nil
}

// access is the configuration of policies with what it shares with other rooms.
func (c *Config) access(h *Hub) (access.Config, error) {
	a := c.AccessConfig
	if err := unshared("AccessConfig", a.Directory, a.Scope); err != nil {
		return a, err
	}
	if a.Things != nil || a.Target != nil {
		return a, errors.New("Config.AccessConfig.Things or Target is set, expected nil: they are the hub's")
	}
	a.Directory, a.Scope, a.Things, a.Target = c.Directory, c.scope(), policyThings{h}, h.policyTarget
	if a.Logger == nil {
		a.Logger = c.Logger
	}
	return a, nil
}

// certs is the configuration of certificates, likewise.
func (c *Config) certs(h *Hub) (certs.Config, error) {
	o := c.CertificateConfig
	if err := unshared("CertificateConfig", o.Directory, o.Scope); err != nil {
		return o, err
	}
	if o.Attachments != nil || o.Events != nil {
		return o, errors.New("Config.CertificateConfig.Attachments or Events is set, expected nil: they are the hub's")
	}
	o.Directory, o.Scope, o.Attachments, o.Events = c.Directory, c.scope(), attachments{h}, publisher{h}
	if o.Provision == nil {
		o.Provision = h.provisionJustInTime
	}
	o.Audit = h.auditor.room(o.Audit)
	told := o.Changed
	o.Changed = func(id string, s certs.Status) {
		h.certificateChanged(id, s)
		if told != nil {
			told(id, s)
		}
	}
	if o.Logger == nil {
		o.Logger = c.Logger
	}
	return o, nil
}

// users is the configuration of users, likewise.
func (c *Config) users(h *Hub) (users.Config, error) {
	o := c.UserConfig
	if err := unshared("UserConfig", o.Directory, o.Scope); err != nil {
		return o, err
	}
	o.Directory, o.Scope = c.Directory, c.scope()
	told := o.Changed
	o.Changed = func(name string) {
		h.revoked(name, "the user's password was changed, or the user is gone", false)
		if told != nil {
			told(name)
		}
	}
	if o.Logger == nil {
		o.Logger = c.Logger
	}
	return o, nil
}

// accessKeys is the configuration of access keys, likewise.
func (c *Config) accessKeys(h *Hub) (sigv4.KeyringConfig, error) {
	o := c.AccessKeyConfig
	if err := unshared("AccessKeyConfig", o.Directory, o.Scope); err != nil {
		return o, err
	}
	o.Directory, o.Scope = c.Directory, c.scope()
	told := o.Ended
	o.Ended = func(principal string) {
		h.revoked(principal, "the access key was changed, or it is gone", false)
		if told != nil {
			told(principal)
		}
	}
	if o.Logger == nil {
		o.Logger = c.Logger
	}
	return o, nil
}

// signatures is the configuration of signed requests, likewise.
func (c *Config) signatures(h *Hub) (sigv4.Config, error) {
	o := c.SignatureConfig
	if o.Keys != nil {
		return o, errors.New("Config.SignatureConfig.Keys is set, expected nil: they are Hub.AccessKeys and Hub.Roles")
	}
	o.Keys = keyRing{&h.principals}
	return o, nil
}

// authorizers is the configuration of custom authorizers, likewise.
func (c *Config) authorizers() (custom.Config, error) {
	o := c.AuthorizerConfig
	if err := unshared("AuthorizerConfig", o.Directory, o.Scope); err != nil {
		return o, err
	}
	o.Directory, o.Scope = c.Directory, c.scope()
	if o.CheckPolicy == nil {
		o.CheckPolicy = func(text string) error {
			_, err := policy.Parse([]byte(text))
			return err
		}
	}
	if o.Logger == nil {
		o.Logger = c.Logger
	}
	return o, nil
}

// provisioning is the configuration of provisioning, likewise.
func (c *Config) provisioning(h *Hub) (provision.Config, error) {
	o := c.ProvisionConfig
	if err := unshared("ProvisionConfig", o.Directory, o.Scope); err != nil {
		return o, err
	}
	if o.Certificates != nil || o.Things != nil || o.Policies != nil || o.Publisher != nil || o.InUse != nil {
		return o, errors.New("Config.ProvisionConfig.Certificates, Things, Policies, Publisher or InUse is set, expected nil: they are the hub's")
	}
	o.Directory, o.Scope = c.Directory, c.scope()
	o.Certificates, o.Things, o.Policies = provisionCertificates{h.principals.certs, attachments{h}}, provisionThings{h.registry}, provisionPolicies{h.principals.access}
	o.Publisher, o.InUse = provision.PublisherFunc(h.answerDevice), h.templateInUse
	o.Audit = h.auditor.room(o.Audit)
	if o.Logger == nil {
		o.Logger = c.Logger
	}
	return o, nil
}
