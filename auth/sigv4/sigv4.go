package sigv4

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// Keys says who holds an access key.
type Keys interface {
	// Lookup returns the key of an id. token is the session token that came with the
	// request, empty if there was none: for keys that are not kept but can be read from
	// their token. The error wraps auth.ErrNotFound if there is no such key, or none
	// with this token; any other one counts as auth.ErrUnavailable. Safe for concurrent
	// use; if it never waits, say so with auth.Immediate.
	Lookup(ctx context.Context, id, token string) (Key, error)
}

// A Recorder is Keys that want to know when a key was used: Used is called after each
// request whose signature is good, before the answer. It may be called concurrently.
type Recorder interface {
	Keys
	Used(ctx context.Context, u Use)
}

// A Use is the use of a key.
type Use struct {
	// ID is the id of the key.
	ID string
	// At is the time by the clock of the hub.
	At time.Time
	// Region and Service are those that the request was signed for.
	Region, Service string
	// Temporary says that the key came with a session token: it is one of many, and ends
	// by itself.
	Temporary bool
}

// A Key is an access key.
type Key struct {
	// ID is the public part of it, Secret the other one.
	ID, Secret string
	// Token is the session token of temporary credentials, which must be presented
	// with the key. Empty for a long-lived key, with which none may be presented.
	Token string
	// Identity is who holds the key. It is not nil, and not modified.
	Identity *auth.Identity
	// Disabled keys are refused like those that do not exist.
	Disabled bool
	// Expires is when the key ends; zero means never. Connections end with it.
	Expires time.Time
}

// Config is the configuration of an [Authenticator].
type Config struct {
	// Keys says who holds a key. It must be set. If it is a [Recorder], it is told of
	// the use of keys.
	Keys Keys
	// Services are the names that HTTP requests may be signed for, and GatewayServices
	// those for MQTT over WebSocket. nil stands for what AWS clients use: "iot",
	// "iotdata", "iot-jobs-data", "iotdevicegateway", "execute-api",
	// "cognito-identity", "cognito-idp" and "sts"; and "iotdevicegateway".
	Services, GatewayServices []string
	// Regions are the regions that requests may be signed for. nil stands for any:
	// the endpoint of a hub does not tell clients a region.
	Regions []string
	// Skew is how far the clock of a client may be off: 5 minutes by default.
	Skew time.Duration
	// MaxExpiry is the most that a presigned URL may ask for: 24 hours by default, 7
	// days at most. A URL that names no X-Amz-Expires is good for Skew.
	MaxExpiry time.Duration
	// MaxConnection is how long an MQTT connection may last: 24 hours by default.
	// Identity.Expires says so, or that the key ends before.
	MaxConnection time.Duration
	// AllowUnsignedPayload accepts requests that were signed for UNSIGNED-PAYLOAD.
	// Whoever stands between then may change their bodies.
	AllowUnsignedPayload bool
	// Host returns the host that a client addressed, for hubs behind a proxy that
	// changes the Host header. nil stands for the field Host of the request.
	Host func(r *http.Request) string
	// Now is the clock; nil stands for time.Now.
	Now func() time.Time
}

// The services that AWS clients sign for.
var (
	httpServices    = []string{"iot", "iotdata", "iot-jobs-data", gateway, "execute-api", "cognito-identity", "cognito-idp", "sts"}
	gatewayServices = []string{gateway}
)

const (
	gateway = "iotdevicegateway"
	day     = 24 * time.Hour
	// maxExpiry is the longest time that AWS lets a presigned URL live.
	maxExpiry = 7 * day
)

// withDefaults returns a copy that is complete and valid.
func (c Config) withDefaults() (Config, error) {
	if c.Keys == nil {
		return c, errors.New("sigv4: Config.Keys is nil, expected the keys of the hub, such as a Keyring")
	}
	for _, d := range [...]struct {
		name      string
		value     *time.Duration
		byDefault time.Duration
		most      time.Duration
	}{
		{"Skew", &c.Skew, 5 * time.Minute, day},
		{"MaxExpiry", &c.MaxExpiry, day, maxExpiry},
		{"MaxConnection", &c.MaxConnection, day, 365 * day},
	} {
		if *d.value == 0 {
			*d.value = d.byDefault
		}
		if *d.value < time.Second || *d.value > d.most {
			return c, fmt.Errorf("sigv4: Config.%s is %v, expected %v to %v", d.name, *d.value, time.Second, d.most)
		}
	}
	if c.Services == nil {
		c.Services = httpServices
	}
	if c.GatewayServices == nil {
		c.GatewayServices = gatewayServices
	}
	if c.Host == nil {
		c.Host = func(r *http.Request) string { return r.Host }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// An Authenticator verifies signatures. Its methods may be called concurrently.
type Authenticator struct{ cfg Config }

var _ auth.Authenticator = (*Authenticator)(nil)

// New returns an Authenticator. The error names the field of cfg that is wrong.
func New(cfg Config) (*Authenticator, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Authenticator{cfg}, nil
}

// Immediate reports whether Authenticate never waits for a WebSocket: whether the keys
// do not.
func (a *Authenticator) Immediate() bool {
	i, ok := a.cfg.Keys.(auth.Immediate)
	return ok && i.Immediate()
}

// Authenticate returns the holder of the key that c.Request is signed with. The error
// is auth.ErrUnrecognised if there is no request or no signature in it, an [*Error] if
// the signature is not accepted, and anything else if the keys cannot be asked.
func (a *Authenticator) Authenticate(ctx context.Context, c *auth.Credentials) (*auth.Identity, error) {
	if c.Request == nil {
		return nil, auth.ErrUnrecognised
	}
	m, cl, err := read(c.Request)
	if err != nil {
		return nil, err
	}
	if cl == nil {
		return nil, auth.ErrUnrecognised
	}
	m.host = a.cfg.Host(c.Request)
	overMQTT := c.ProtocolVersion != 0
	now := a.cfg.Now()
	if err := a.checkClaim(cl, overMQTT, now); err != nil {
		return nil, err
	}
	if err := m.checkSigned(cl); err != nil {
		return nil, err
	}
	key, err := a.lookup(ctx, cl, now)
	if err != nil {
		return nil, err
	}
	if err := a.verify(c, m, cl, key.Secret); err != nil {
		return nil, err
	}
	if r, ok := a.cfg.Keys.(Recorder); ok {
		r.Used(ctx, Use{ID: cl.id, At: now, Region: cl.region, Service: cl.service, Temporary: key.Token != ""})
	}
	return a.identity(key, overMQTT, now), nil
}

// lookup returns the key if it is in force.
func (a *Authenticator) lookup(ctx context.Context, cl *claim, now time.Time) (Key, error) {
	key, err := a.cfg.Keys.Lookup(ctx, cl.id, cl.token)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return Key{}, unknownKey()
	case err != nil:
		return Key{}, fmt.Errorf("sigv4: look up the key %q: %w", cl.id, err)
	case key.Identity == nil || key.Secret == "":
		return Key{}, fmt.Errorf("sigv4: the key %q has no identity or no secret", cl.id)
	case key.Disabled || key.ID != cl.id || !equal(key.Token, cl.token):
		return Key{}, unknownKey()
	case !key.Expires.IsZero() && !now.Before(key.Expires):
		return Key{}, expiredKey()
	}
	return key, nil
}

// identity is who holds the key, for as long as that may last.
func (a *Authenticator) identity(key Key, overMQTT bool, now time.Time) *auth.Identity {
	id := *key.Identity
	id.Expires = earlier(id.Expires, key.Expires)
	if overMQTT {
		id.Expires = earlier(id.Expires, now.Add(a.cfg.MaxConnection))
	}
	return &id
}

// earlier returns the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
