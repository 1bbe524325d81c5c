package thinghub

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/sts"
	"github.com/thinghub/thinghub/auth/userpool"
	"github.com/thinghub/thinghub/auth/users"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/internal/arn"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/shadow"
)

// Config configures a [Hub]. The zero value works, keeps everything in memory and
// denies everybody. New copies it and validates it once; errors name the field.
//
// What several rooms share stands here once. The limits of a room, each with its
// default, are in the room's own Config; what is set there besides (a logger, say)
// wins over what is set here.
type Config struct {
	// Account, Region and Partition are the hub's part of all resource names, in
	// letters, digits, "-" and "_". Defaults "000000000000", "local" and "aws".
	Account, Region, Partition string
	// Directory keeps what the hub knows of principals: policies, certificates, users,
	// access keys. Default auth.NewMemory(), in which there is nobody.
	Directory auth.Directory
	// Authenticator decides who comes in, over MQTT and HTTP. Default: Logins, and those
	// who are in the Directory: certificates, access keys, users.
	Authenticator Authenticator
	// Logins are asked before those; see auth.Chain. Unused if Authenticator is set.
	Logins []Authenticator
	// Authorizer decides what they may do. Default: the policies in the Directory.
	Authorizer Authorizer
	// AccessConfig has the limits and options of policies. Its Directory, Scope, Things
	// and Target must be unset: they are the hub's.
	AccessConfig access.Config
	// CertificateConfig has the hub's CA and the options of client certificates. Its
	// Directory, Scope, Attachments and Events must be unset: they are the hub's.
	CertificateConfig certs.Config
	// UserConfig says what passwords cost, and what happens to who guesses them. Its
	// Directory and Scope must be unset.
	UserConfig users.Config
	// AccessKeyConfig has the options of access keys, SignatureConfig those of signed
	// requests. Directory, Scope and Keys must be unset.
	AccessKeyConfig sigv4.KeyringConfig
	SignatureConfig sigv4.Config
	// AuthorizerConfig has the functions that custom authorizers call. Directory and
	// Scope must be unset.
	AuthorizerConfig custom.Config
	// LoginProviders prove the tokens of others with which people sign in, by the names
	// that Logins of identity pools and trust policies have for them:
	// "accounts.google.com", say. The hub's own user pools need not be named.
	LoginProviders map[string]auth.TokenVerifier
	// UserPoolConfig, IdentityPoolConfig and STSConfig have the options of logins. What
	// they have in common with other rooms must be unset; the error says what.
	UserPoolConfig     userpool.Config
	IdentityPoolConfig identitypool.Config
	STSConfig          sts.Config
	// ProvisionConfig has the hooks and limits of provisioning. Its Directory, Scope,
	// Certificates, Things, Policies, Publisher and InUse must be unset.
	ProvisionConfig provision.Config
	// Broker moves messages between hubs. Default: one hub, broker.NewMemory(). With one of
	// package broker/upstream the hub stands on somebody else's MQTT broker.
	Broker Broker
	// Gateway is the configuration of the MQTT gateway. Its Router must be nil: the
	// hub routes.
	Gateway broker.Config
	// Hooks watch the gateway; they come after those of Gateway.
	Hooks []broker.Hook
	// HTTP has the limits of the data plane and the control plane.
	HTTP HTTPConfig
	// Audit is told of every login and of every operation of the control plane, over MQTT,
	// TLS and HTTP, whether it was accepted or not, and of whatever else was refused, with
	// the policy and the statement that decided: an audit log. See [auth.Event] and
	// [Hub.AuthCounts]. Accepted messages and requests of the data plane are not told, and
	// of refused deliveries one for each client in a second. Default: refusals are written
	// to Logger, ten a second at most (auth.LogEvents).
	Audit auth.Auditor
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
	// Registry keeps things, their types and groups. Default registry.NewMemory().
	Registry Registry
	// RegistryConfig has the limits of the registry, and where fleet metrics go. Its
	// Publisher and Shadows must be nil: they are the hub's.
	RegistryConfig registry.Config
	// Rules keeps rules. Default rules.NewMemory().
	Rules rules.Store
	// RuleConfig has the limits of the rules and what their functions and actions stand
	// on. Its Publisher and Shadows must be nil: they are the hub's. So are
	// Externals.Shadows and Externals.Things, unless they are set.
	RuleConfig rules.Config
	// EnforceRuleRoles refuses republish actions what the policies attached to their role
	// (roleArn) do not allow: iot:Publish on the topic, as in AWS IoT. An action without a
	// role may publish nothing then. Otherwise rules, which the host or an administrator
	// makes, may publish anywhere. It needs the hub's own policies.
	EnforceRuleRoles bool
	// EnforcePassRole demands, as AWS does, that who names a role on the control plane (in a
	// rule, a role alias, a provisioning template or the registration of a CA) may also
	// iam:PassRole it. Otherwise whoever may make such a thing may name any role. Identity
	// pools demand it in any case.
	EnforcePassRole bool
	// RuleEngine takes the place of the hub's own rules; Hub.Rules is nil then.
	RuleEngine RuleEngine
	// RequireThings refuses to update shadows of things that are not in the registry:
	// the requester is told 404, "Thing not found". Otherwise, as in AWS IoT, a shadow
	// needs no thing. ShadowConfig.Require, if it is set, is asked after that.
	RequireThings bool
	// Shadows keeps device shadows. Default shadow.NewMemory().
	Shadows ShadowStore
	// ShadowConfig has the limits and hooks of device shadows. Its Publisher must be
	// nil: the hub publishes.
	ShadowConfig shadow.Config
}

// HTTPConfig configures the data plane and the control plane. The zero value works.
type HTTPConfig struct {
	// AllowedOrigins are the origins of web pages that may use the data plane, such
	// as "https://app.example.com", or "*" for all. Default: none. What pages of other
	// origins make browsers send is refused, unless it reads only or is signed: browsers
	// add passwords and certificates by themselves.
	AllowedOrigins []string
	// Endpoint answers DescribeEndpoint: the host, with a port if it is not the usual
	// one, at which clients reach the hub. endpointType is that of the request, such
	// as "iot:Data-ATS". Default: what the request was sent to.
	Endpoint func(r *http.Request, endpointType string) string
	// MaxBody bounds the bodies of the control plane and of shadow updates, in bytes.
	// Default 1 MiB; negative: none.
	MaxBody int64
	// MaxPublish bounds the payload of a publish, in bytes. Default 128 KiB;
	// negative: none.
	MaxPublish int64
	// MaxTopicBytes bounds the topic of a publish. Default 256; negative: none. What
	// Config.Gateway says of topics and payloads holds for HTTP as well.
	MaxTopicBytes int
}

// The names of the hub's seams.
type (
	// Broker moves messages between hubs.
	Broker = broker.Broker
	// Authenticator says who somebody is.
	Authenticator = auth.Authenticator
	// Authorizer says what somebody may do.
	Authorizer = auth.Authorizer
	// Message is one application message.
	Message = broker.Message
	// Registry keeps things, their types and groups.
	Registry = registry.Registry
	// RuleEngine does what rules say.
	RuleEngine = rules.Engine
	// ShadowStore keeps device shadows.
	ShadowStore = shadow.Store
)

// scope is the hub's part of resource names.
func (c *Config) scope() arn.Scope {
	return arn.Scope{Partition: c.Partition, Region: c.Region, Account: c.Account}.WithDefaults()
}

// shadows is the configuration of device shadows with what it shares with other rooms.
func (c *Config) shadows(h *Hub) (shadow.Config, error) {
	s := c.ShadowConfig
	if s.Publisher != nil {
		return s, errors.New("Config.ShadowConfig.Publisher is set, expected nil: the hub publishes")
	}
	s.Publisher = publisher{h}
	if c.RequireThings {
		s.Require = h.requireThing(s.Require)
	}
	s.Hooks = append(s.Hooks[:len(s.Hooks):len(s.Hooks)], indexer{h})
	if s.Store == nil {
		s.Store = c.Shadows
	}
	if s.Logger == nil {
		s.Logger = c.Logger
	}
	return s, nil
}

// rules is the configuration of the rules, likewise.
func (c *Config) rules(h *Hub) (rules.Config, error) {
	r := c.RuleConfig
	switch {
	case r.Publisher != nil:
		return r, errors.New("Config.RuleConfig.Publisher is set, expected nil: the hub publishes")
	case r.Shadows != nil:
		return r, errors.New("Config.RuleConfig.Shadows is set, expected nil: they are the hub's")
	case r.Scope != (rules.Scope{}):
		return r, errors.New("Config.RuleConfig.Scope is set, expected Config.Account, Region and Partition instead")
	}
	if h.enforcesRoles = c.EnforceRuleRoles; h.enforcesRoles && h.principals.access == nil {
		return r, errors.New("Config.EnforceRuleRoles is set, and so is Authorizer, expected nil: roles have policies of the hub's")
	}
	r.Publisher, r.Shadows, r.Scope = rulePublisher{h}, ruleShadows{h}, c.scope()
	if r.Externals.Shadows == nil {
		r.Externals.Shadows = ruleShadows{h}
	}
	if r.Externals.Things == nil {
		r.Externals.Things = ruleRegistry{h}
	}
	if r.Store == nil {
		r.Store = c.Rules
	}
	if r.Logger == nil {
		r.Logger = c.Logger
	}
	return r, nil
}

// api is the configuration of the HTTP planes, likewise.
func (c *Config) api(h *Hub) api.Config {
	a := c.HTTP
	out := api.Config{
		Scope: c.scope(), Authenticator: c.Authenticator, Authorizer: c.Authorizer, Logger: h.log, Audit: h.auditor.audit, PassRole: c.EnforcePassRole,
		Gateway: gateway{h}, Registry: h.registry, Shadows: h.shadows, Rules: h.rules, Policies: h.principals.access, Identify: h.identify,
		Certificates: h.principals.certs, Roles: h.principals.roles, Authorizers: h.principals.custom, Provisioning: h.principals.provision,
		Endpoint: a.Endpoint, MaxBody: a.MaxBody, MaxPublish: a.MaxPublish, MaxTopicBytes: a.MaxTopicBytes, AllowedOrigins: a.AllowedOrigins,
	}
	if out.Authenticator == nil {
		out.Authenticator = auth.Nobody{}
	}
	if out.Authorizer == nil {
		out.Authorizer = auth.Nobody{}
	}
	return out
}

// registry is the configuration of the registry, likewise.
func (c *Config) registry(h *Hub) (registry.Config, error) {
	r := c.RegistryConfig
	switch {
	case r.Publisher != nil:
		return r, errors.New("Config.RegistryConfig.Publisher is set, expected nil: the hub publishes")
	case r.Shadows != nil:
		return r, errors.New("Config.RegistryConfig.Shadows is set, expected nil: they are the hub's")
	case r.Scope != (registry.Scope{}):
		return r, errors.New("Config.RegistryConfig.Scope is set, expected Config.Account, Region and Partition instead")
	}
	r.Publisher, r.Shadows, r.Scope = publisher{h}, indexer{h}, c.scope()
	if access := h.principals.access; access != nil {
		told := r.Changed
		r.Changed = func(thing string) {
			access.ThingChanged(thing)
			if told != nil {
				told(thing)
			}
		}
	}
	if r.Tagged == nil {
		r.Tagged = h.taggable
	}
	if r.Store == nil {
		r.Store = c.Registry
	}
	if r.Logger == nil {
		r.Logger = c.Logger
	}
	return r, nil
}

// gateway is the configuration of the gateway, likewise. The hub's own hooks come last.
func (c *Config) gateway(h *Hub) (broker.Config, error) {
	g := c.Gateway
	if g.Router != nil {
		return g, errors.New("Config.Gateway.Router is set, expected nil: the hub routes, and Hooks watch it")
	}
	if g.Authenticator == nil {
		g.Authenticator = c.Authenticator
	}
	if g.Authorizer == nil {
		g.Authorizer = c.Authorizer
	}
	if g.Broker == nil {
		g.Broker = c.Broker
	}
	if g.Logger == nil {
		g.Logger = c.Logger
	}
	g.Hooks = append(append(g.Hooks[:len(g.Hooks):len(g.Hooks)], c.Hooks...), h.auditor, newLifecycle(h))
	g.Router = router{h}
	return g, nil
}
