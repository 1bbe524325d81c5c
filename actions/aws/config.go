package aws

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"weak"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/thinghub/thinghub/actions"
)

// Config is what the host knows of AWS.
type Config struct {
	// SDK is the configuration of the AWS SDK: region, credentials, HTTP client, endpoint,
	// such as config.LoadDefaultConfig makes it. The region is needed. Its settings for
	// retries are not used: the rules engine retries. An HTTP client of the SDK's kind is
	// copied, so that all services share connections.
	SDK sdk.Config
	// Roles are the credentials that the role ARNs in rules (roleArn) stand for.
	Roles map[string]sdk.CredentialsProvider
	// Role is asked for a role that is not in Roles when a rule with it is put, and must
	// answer without a call of the network: [AssumeRole] and [HostRole] are there for it.
	// An error refuses the rule. Nil: only the Roles are known.
	Role func(arn string) (sdk.CredentialsProvider, error)
	// OptionalRole lets rules written as JSON leave roleArn out: they get the credentials
	// of the host. Actions made in Go may always do that.
	OptionalRole bool
	// S3PathStyle has the bucket in the path of a URL instead of its host. It is for
	// servers that speak as S3 does, named by SDK.BaseEndpoint.
	S3PathStyle bool
	// Sink configures the circuit breakers. There is one for each kind of action, resource
	// and role: a stream that is throttled holds up no queue. Sink.Name is put before the
	// names of these; in rules written as JSON it is the "sink" of an action, where there
	// are several [Services]. Sink.Kind is not used.
	Sink actions.SinkConfig
}

// Services are the services of one account and region. Their clients are made when an
// action needs them first, so making Services calls nobody. All methods may be called
// concurrently.
type Services struct {
	cfg       Config
	transport *http.Transport // nil if it is the host's

	mu      sync.Mutex
	roles   map[string]sdk.CredentialsProvider
	clients map[clientKey]any
	sinks   map[sinkKey]weak.Pointer[actions.Sink]
}

type clientKey struct {
	role string
	of   reflect.Type
}

type sinkKey struct{ kind, resource, role string }

// idleConns is how many connections to a host, and mostIdleConns to all, stay open for the
// next calls.
const (
	idleConns     = 64
	mostIdleConns = 256
)

// New returns Services. It does not call them.
func New(cfg Config) (*Services, error) {
	if cfg.SDK.Region == "" {
		return nil, errors.New("aws: Config.SDK.Region is empty, expected a region such as eu-central-1")
	}
	for arn, p := range cfg.Roles {
		if err := checkRole(arn); err != nil {
			return nil, fmt.Errorf("aws: Config.Roles: %w", err)
		}
		if p == nil {
			return nil, fmt.Errorf("aws: Config.Roles[%q] is nil, expected credentials", arn)
		}
	}
	s := &Services{
		cfg: cfg, roles: map[string]sdk.CredentialsProvider{}, clients: map[clientKey]any{},
		sinks: map[sinkKey]weak.Pointer[actions.Sink]{},
	}
	s.cfg.SDK = withoutRetries(cfg.SDK)
	switch c := cfg.SDK.HTTPClient.(type) {
	case nil:
		s.connect(awshttp.NewBuildableClient())
	case *awshttp.BuildableClient:
		s.connect(c)
	}
	return s, nil
}

// connect makes the HTTP client of all services, configured as one of the SDK's: that would
// have connections of its own for each service, and few that stay open.
func (s *Services) connect(like *awshttp.BuildableClient) {
	t := like.GetTransport()
	t.MaxIdleConnsPerHost = max(t.MaxIdleConnsPerHost, idleConns)
	t.MaxIdleConns = max(t.MaxIdleConns, mostIdleConns)
	s.transport = t
	s.cfg.SDK.HTTPClient = &http.Client{
		Transport: t, Timeout: like.GetTimeout(),
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if code := r.Response.StatusCode; (code == http.StatusTemporaryRedirect || code == http.StatusPermanentRedirect) &&
				r.URL.Host == via[0].URL.Host && len(via) < 3 {
				return nil
			}
			return http.ErrUseLastResponse // which is taken for what it is
		},
	}
}

func withoutRetries(c sdk.Config) sdk.Config {
	c = c.Copy()
	c.RetryMaxAttempts = 0
	c.Retryer = func() sdk.Retryer { return sdk.NopRetryer{} }
	return c
}

// Name is Config.Sink.Name, "default" if that is empty.
func (s *Services) Name() string {
	if s.cfg.Sink.Name == "" {
		return "default"
	}
	return s.cfg.Sink.Name
}

// Close closes the connections that are idle, unless Config.SDK has an HTTP client that is
// not of the SDK's kind: the host closes that.
func (s *Services) Close() {
	if s.transport != nil {
		s.transport.CloseIdleConnections()
	}
}

// AssumeRole is a Config.Role that assumes the roles in rules with the credentials of
// c, as AWS does. So who may write rules may use every role that these credentials may
// assume; put fewer roles into Config.Roles where that is too many.
func AssumeRole(c sdk.Config, options ...func(*stscreds.AssumeRoleOptions)) func(arn string) (sdk.CredentialsProvider, error) {
	c = withoutRetries(c)
	client := sts.NewFromConfig(c)
	return func(arn string) (sdk.CredentialsProvider, error) {
		return stscreds.NewAssumeRoleProvider(client, arn, options...), nil
	}
}

// HostRole is a Config.Role that gives every role in rules the credentials of c.
func HostRole(c sdk.Config) func(arn string) (sdk.CredentialsProvider, error) {
	return func(string) (sdk.CredentialsProvider, error) {
		if c.Credentials == nil {
			return nil, errors.New("aws: HostRole: the configuration has no credentials")
		}
		return c.Credentials, nil
	}
}

func checkRole(arn string) error {
	if p := strings.SplitN(arn, ":", 6); len(p) != 6 || p[0] != "arn" || p[2] != "iam" || !strings.HasPrefix(p[5], "role/") || len(arn) > 2048 {
		return actions.WrongField("roleArn", arn, "the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME")
	}
	return nil
}

// credentials returns those of a role; "" is the host.
func (s *Services) credentials(role string) (sdk.CredentialsProvider, error) {
	if role == "" {
		return s.cfg.SDK.Credentials, nil
	}
	if err := checkRole(role); err != nil {
		return nil, err
	}
	s.mu.Lock()
	p := s.roles[role]
	s.mu.Unlock()
	if p != nil {
		return p, nil
	}
	if p = s.cfg.Roles[role]; p == nil {
		if s.cfg.Role == nil {
			return nil, actions.WrongField("roleArn", role, "a role that the host has credentials for (aws.Config.Roles)")
		}
		var err error
		if p, err = s.cfg.Role(role); err != nil {
			return nil, fmt.Errorf("roleArn: %w", err)
		}
	}
	if p == nil {
		return nil, actions.WrongField("roleArn", role, "a role that the host has credentials for (aws.Config.Role)")
	}
	if _, cached := p.(*sdk.CredentialsCache); !cached {
		p = sdk.NewCredentialsCache(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if was := s.roles[role]; was != nil {
		return was, nil
	}
	s.roles[role] = p
	return p, nil
}

// client returns the client of a service under a role, which open makes when it is needed
// first.
func client[C any](s *Services, role string, open func(sdk.Config) C) (C, error) {
	key := clientKey{role, reflect.TypeFor[C]()}
	s.mu.Lock()
	c, ok := s.clients[key].(C)
	s.mu.Unlock()
	if ok {
		return c, nil
	}
	p, err := s.credentials(role)
	if err != nil {
		return c, actions.Permanent(err)
	}
	cfg := s.cfg.SDK.Copy()
	cfg.Credentials = p
	made := open(cfg)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.clients[key].(C); ok {
		return c, nil
	}
	s.clients[key] = made
	return made, nil
}

// sink returns the circuit breaker of a resource, as a rule has its text.
func (s *Services) sink(kind, resource, role string) *actions.Sink {
	key := sinkKey{kind, resource, role}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sink := s.sinks[key].Value(); sink != nil {
		return sink
	}
	c := s.cfg.Sink
	c.Kind = kind
	name := resource
	if c.Name != "" {
		name = c.Name + " " + name
	}
	if role != "" {
		name += " as " + role
	}
	c.Name = name
	sink := actions.NewSink(c)
	s.sinks[key] = weak.Make(sink)
	// Rules come and go, and with them the last who use a resource.
	runtime.AddCleanup(sink, func(key sinkKey) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.sinks[key].Value() == nil {
			delete(s.sinks, key)
		}
	}, key)
	return sink
}

// at is what all actions have: where they go to.
type at struct {
	services *Services
	role     string
	sink     *actions.Sink
	// SinkName is how JSON names the Services.
	SinkName string `json:"sink,omitempty"`
}

// at returns where an action goes to: resource is the text of the rule, templates and all.
func (s *Services) at(kind, resource, role string) at {
	return at{services: s, role: role, sink: s.sink(kind, resource, role), SinkName: s.cfg.Sink.Name}
}

// Sink is the same for the actions of a kind with the same resource and role.
func (a *at) Sink() *actions.Sink { return a.sink }

func (a *at) named(sink string) { a.SinkName = sink }

// check reports a role that is not known.
func (a *at) check() error {
	_, err := a.services.credentials(a.role)
	return err
}

// templated reports whether a text has templates.
func templated(text string) bool { return strings.Contains(text, "${") }
