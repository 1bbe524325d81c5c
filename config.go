package thinghub

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/internal/arn"
	"github.com/thinghub/thinghub/registry"
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
	// Authenticator and Authorizer decide who comes in and what they may do, over
	// MQTT and HTTP. Default: auth.NewMemory(), which knows nobody.
	Authenticator Authenticator
	Authorizer    Authorizer
	// Broker moves messages between hubs. Default: one hub, broker.NewMemory().
	Broker Broker
	// Gateway is the configuration of the MQTT gateway. Its Router must be nil: the
	// hub routes.
	Gateway broker.Config
	// Hooks watch the gateway; they come after those of Gateway.
	Hooks []broker.Hook
	// HTTP has the limits of the data plane and the control plane.
	HTTP HTTPConfig
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
	// Registry keeps things, their types and groups. Default registry.NewMemory().
	Registry Registry
	// RegistryConfig has the limits of the registry. Its Publisher and Shadows must
	// be nil: they are the hub's.
	RegistryConfig registry.Config
	// Shadows keeps device shadows. Default shadow.NewMemory().
	Shadows ShadowStore
	// ShadowConfig has the limits and hooks of device shadows. Its Publisher must be
	// nil: the hub publishes.
	ShadowConfig shadow.Config
}

// HTTPConfig configures the data plane and the control plane. The zero value works.
type HTTPConfig struct {
	// AllowedOrigins are the origins of web pages that may use the data plane, such
	// as "https://app.example.com", or "*" for all. Default: none.
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
	// MaxTopicBytes bounds the topic of a publish. Default 256; negative: none.
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
	s.Hooks = append(s.Hooks[:len(s.Hooks):len(s.Hooks)], indexer{h})
	if s.Store == nil {
		s.Store = c.Shadows
	}
	if s.Logger == nil {
		s.Logger = c.Logger
	}
	return s, nil
}

// api is the configuration of the HTTP planes, likewise.
func (c *Config) api(h *Hub) api.Config {
	a := c.HTTP
	out := api.Config{
		Scope: c.scope(), Authenticator: c.Authenticator, Authorizer: c.Authorizer, Logger: h.log,
		Gateway: gateway{h}, Registry: h.registry, Shadows: h.shadows,
		Endpoint: a.Endpoint, MaxBody: a.MaxBody, MaxPublish: a.MaxPublish, MaxTopicBytes: a.MaxTopicBytes, AllowedOrigins: a.AllowedOrigins,
	}
	if out.Authenticator == nil {
		out.Authenticator = auth.NewMemory()
	}
	if out.Authorizer == nil {
		out.Authorizer = auth.NewMemory()
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
	g.Hooks = append(append(g.Hooks[:len(g.Hooks):len(g.Hooks)], c.Hooks...), newLifecycle(h))
	g.Router = router{h}
	return g, nil
}
