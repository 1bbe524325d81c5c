package provision

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
	"github.com/thinghub/thinghub/internal/arn"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// Config configures a [Service].
type Config struct {
	// Directory keeps templates, claims and ownership tokens. Hubs that share it share
	// them. Default auth.NewMemory().
	Directory auth.Directory
	// Certificates, Things and Policies are the rooms where devices are registered.
	// Required.
	Certificates Certificates
	Things       Things
	Policies     Policies
	// Publisher takes the answers to messages. Required for Handle.
	Publisher Publisher
	// Hooks are the pre-provisioning hooks that templates may name, by what stands in
	// their targetArn; where that is the ARN of a function, its name will do. See
	// [HTTPHook] for one that somebody else serves. Default: none.
	Hooks map[string]Hook
	// InUse is asked before a template is deleted whether something refers to it, such
	// as a certificate authority. Default: nothing does.
	InUse func(ctx context.Context, template string) (bool, error)
	// Scope is what resource names begin with. Empty fields have the defaults of the
	// hub: "aws", "local", "000000000000".
	Scope Scope
	// Limits bound what there may be.
	Limits Limits
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
	// Audit is told how each request of a device ended (service "provision"; operations
	// CreateKeysAndCertificate, CreateCertificateFromCsr and RegisterThing). Default
	// auth.LogEvents of Logger, ten lines a second.
	Audit auth.Auditor
}

// Limits bound what there may be. A field that is 0 has the default; a negative one is
// no limit, except for those that say otherwise.
type Limits struct {
	// Templates is how many templates there may be. Default 256.
	Templates int
	// Versions is how many versions a template may have. Default 5.
	Versions int
	// Payload is how many bytes a message may have. Default 16 KiB.
	Payload int
	// Pending is how many certificates one principal may have waiting for their
	// provisioning. Default 1000.
	Pending int
	// Concurrent is how many messages and pre-provisioning hooks, each, may be worked
	// at a time; what comes on top is rejected as throttled. Default 64; it cannot be
	// switched off.
	Concurrent int
}

func (l Limits) withDefaults() Limits {
	for _, d := range [...]struct {
		field *int
		value int
	}{{&l.Templates, 256}, {&l.Versions, 5}, {&l.Payload, 16 << 10}, {&l.Pending, 1000}, {&l.Concurrent, 64}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return l
}

// over says that n is more than a limit allows.
func over(n, limit int) bool { return limit >= 0 && n > limit }

// The times of provisioning.
const (
	// TokenLife is how long a certificate ownership token is good.
	TokenLife = time.Hour
	// ClaimLife is how long a certificate of CreateProvisioningClaim is good.
	ClaimLife = 5 * time.Minute
	// HookTime is how long a pre-provisioning hook may take.
	HookTime = 5 * time.Second

	// workTime bounds one registration, undoTime what is done after a failure, and
	// graceTime is enough for both: so long a certificate is locked, and a token is kept
	// after it has expired.
	workTime  = 30 * time.Second
	undoTime  = 10 * time.Second
	graceTime = 60 * time.Second
	// sweepEvery is how often Run looks for what has expired, and claimKept how long
	// an expired claim is remembered: a connection of its certificate must not be
	// mistaken for one of an ordinary certificate.
	sweepEvery = time.Minute
	claimKept  = 24 * time.Hour
)

// A Service provisions devices. All methods may be called concurrently.
type Service struct {
	cfg    Config
	limits Limits

	templates records.Table[templateRecord]
	versions  records.Table[versionRecord]
	tokens    records.Table[tokenRecord]
	pending   records.Table[pendingRecord]
	claims    records.Table[claimRecord]
	locks     records.Table[lockRecord]

	// pendingMu keeps this hub's own requests from conflicting with each other over
	// the count of pending certificates, and templatesMu over that of templates.
	pendingMu, templatesMu sync.Mutex
	working, hooking       chan struct{}
}

// New returns a service. An error names the field of Config that is to blame.
func New(cfg Config) (*Service, error) {
	if err := cfg.Scope.Check(); err != nil {
		return nil, fmt.Errorf("provision: Config.Scope.%w", err)
	}
	cfg.Scope = cfg.Scope.WithDefaults()
	for _, f := range [...]struct {
		name    string
		missing bool
	}{
		{"Certificates", cfg.Certificates == nil},
		{"Things", cfg.Things == nil},
		{"Policies", cfg.Policies == nil},
	} {
		if f.missing {
			return nil, fmt.Errorf("provision: Config.%s is nil, expected an implementation", f.name)
		}
	}
	hooks := make(map[string]Hook, len(cfg.Hooks))
	for name, h := range cfg.Hooks {
		if name == "" || h == nil {
			return nil, fmt.Errorf("provision: Config.Hooks has %q with a hook that is nil: %t, expected a name and a function", name, h == nil)
		}
		hooks[name] = h
	}
	cfg.Hooks = hooks
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Limits.Concurrent < 0 {
		return nil, fmt.Errorf("provision: Config.Limits.Concurrent is %d, expected 1 or more", cfg.Limits.Concurrent)
	}
	if cfg.Directory == nil {
		cfg.Directory = auth.NewMemory()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Audit == nil {
		cfg.Audit = auth.LogEvents(cfg.Logger, auth.LogLines)
	}
	return &Service{
		cfg:       cfg,
		limits:    cfg.Limits,
		templates: records.NewTable[templateRecord](cfg.Directory, "provisioning-template"),
		versions:  records.NewTable[versionRecord](cfg.Directory, "provisioning-version"),
		tokens:    records.NewTable[tokenRecord](cfg.Directory, "provisioning-token"),
		pending:   records.NewTable[pendingRecord](cfg.Directory, "provisioning-pending"),
		claims:    records.NewTable[claimRecord](cfg.Directory, "provisioning-claim"),
		locks:     records.NewTable[lockRecord](cfg.Directory, "provisioning-lock"),
		working:   make(chan struct{}, cfg.Limits.Concurrent),
		hooking:   make(chan struct{}, cfg.Limits.Concurrent),
	}, nil
}

// TemplateARN returns the resource name of a template.
func (s *Service) TemplateARN(name string) string {
	return s.cfg.Scope.IoT("provisioningtemplate/" + name)
}
