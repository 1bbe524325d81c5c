package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/custom"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/internal/arn"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/shadow"
)

// Config configures an [API]. Scope to Logger must be set.
type Config struct {
	Scope         arn.Scope
	Authenticator auth.Authenticator
	Authorizer    auth.Authorizer
	Gateway       Gateway
	Registry      *registry.Service
	Shadows       *shadow.Service
	Rules         *rules.Service     // nil if the host has its own
	Policies      *access.Service    // nil if the host has its own
	Certificates  *certs.Service     // nil: not served
	Roles         *roles.Service     // nil: not served
	Authorizers   *custom.Service    // nil: not served
	Provisioning  *provision.Service // nil: not served
	// Identify returns the identity that a principal stands for: its ARN, or the id of an
	// identity of a pool. If pool is not empty it must be one of that pool. An error is one
	// of the rooms'. Set if Policies is.
	Identify func(ctx context.Context, principal, pool string) (*auth.Identity, error)
	Logger   *slog.Logger
	// PassRole asks about iam:PassRole on each role that a request names.
	PassRole bool
	// Audit is told of all operations of the control plane and of those of the data plane
	// that were refused or forbidden. May be nil.
	Audit auth.Auditor
	// Endpoint answers DescribeEndpoint: the host, and port if there is one, at
	// which clients reach the hub. Default: as the request did.
	Endpoint func(r *http.Request, endpointType string) string
	// MaxBody bounds the bodies of the control plane, MaxPublish those of Publish.
	// Defaults 1 MiB and 128 KiB; negative: none.
	MaxBody, MaxPublish int64
	// MaxTopicBytes bounds the topic of Publish. Default 256; negative: none.
	MaxTopicBytes int
	// AllowedOrigins are the origins of web pages that may use the data plane, "*"
	// for all. Default: none. Pages of other origins may change nothing in either plane,
	// unless they sign.
	AllowedOrigins []string
}

// A Gateway is what the data plane needs of the MQTT gateway.
type Gateway interface {
	// Publish routes a message as if a client had sent it.
	Publish(ctx context.Context, p *Message) error
	// Retained returns the retained message of a topic, ErrNoRetained if there is none.
	Retained(ctx context.Context, topic string) (*Message, error)
	// RetainedAfter returns up to limit retained messages by topic, from behind the
	// given one, and whether there are more.
	RetainedAfter(ctx context.Context, after string, limit int) (page []*Message, more bool, err error)
	// Disconnect ends a connection, ErrNotConnected if there is none.
	Disconnect(ctx context.Context, clientID string, endSession, suppressWill bool) error
}

// Errors of a Gateway.
var (
	ErrNoRetained   = errors.New("api: no retained message")
	ErrNotConnected = errors.New("api: not connected")
)

// A Refusal is an error of Gateway.Publish that is the publisher's doing.
type Refusal struct {
	Text string // one sentence for the publisher
	// Throttled says that the same message may be taken later.
	Throttled bool
}

func (r *Refusal) Error() string { return "api: message refused: " + r.Text }

// A Message is an application message.
type Message struct {
	Topic           string
	Payload         []byte
	QoS             byte
	Retain          bool
	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	// UTF8 is the payload format: nil when the publisher did not say.
	UTF8     *bool
	Expiry   time.Duration // 0: never
	User     [][2]string   // user properties
	Received time.Time     // of a retained message
	// Principal is who publishes.
	Principal string
}

// An API is the hub over HTTP. Make it with [New].
type API struct {
	cfg     Config
	data    *plane
	control *plane
	both    *plane
	// pages tells web pages of others, which browsers let make requests with passwords and
	// certificates that they have.
	pages http.CrossOriginProtection
}

// New returns an API.
func New(cfg Config) *API {
	cfg.Scope = cfg.Scope.WithDefaults()
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 1 << 20
	}
	if cfg.MaxPublish == 0 {
		cfg.MaxPublish = 128 << 10
	}
	if cfg.MaxTopicBytes == 0 {
		cfg.MaxTopicBytes = 256
	}
	a := &API{cfg: cfg}
	for _, o := range cfg.AllowedOrigins {
		_ = a.pages.AddTrustedOrigin(o) // what is no origin is none that a browser names
	}
	// "iot" and "iotdata" is what SDKs sign for; older ones had other names.
	control := newTable(a, false, []string{"iot", "execute-api"}, controlOperations(&a.cfg))
	data := newTable(a, true, []string{dataService, "iotdevicegateway", jobsService, credentialsService}, deviceOperations(&a.cfg))
	a.control = &plane{api: a, tables: []*table{control}}
	a.data = &plane{api: a, tables: []*table{data}}
	a.both = &plane{api: a, tables: []*table{control, data}}
	return a
}

// DataPlane serves publish, shadows, retained messages and connections.
func (a *API) DataPlane() http.Handler { return a.data }

// ControlPlane serves the registry.
func (a *API) ControlPlane() http.Handler { return a.control }

// Handler serves both planes.
func (a *API) Handler() http.Handler { return a.both }

// Before serves both planes, and hands what is for neither of them to next.
func (a *API) Before(next http.Handler) http.Handler {
	p := *a.both
	p.next = next
	return &p
}

// credentials are what a request brought along.
func credentials(r *http.Request) *auth.Credentials {
	c := &auth.Credentials{Request: r, TLS: r.TLS}
	if name, password, ok := r.BasicAuth(); ok {
		c.Username, c.HasUsername, c.Password = name, true, []byte(password)
	}
	if a, err := net.ResolveTCPAddr("tcp", r.RemoteAddr); err == nil {
		c.RemoteAddr = a
	}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		c.LocalAddr = a
	}
	return c
}
