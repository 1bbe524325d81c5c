package custom

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/records"
	"github.com/thinghub/thinghub/internal/arn"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// Config is the configuration of a [Service].
type Config struct {
	// Directory keeps the authorizers. It must be set.
	Directory auth.Directory
	// Scope is what resource names begin with. Empty fields have the defaults of the
	// hub: "aws", "local", "000000000000".
	Scope Scope
	// Functions are what authorizers can call, by the ARN in authorizerFunctionArn or
	// by the name of the function, which is NAME in
	// arn:aws:lambda:REGION:ACCOUNT:function:NAME. The map is copied.
	Functions map[string]Function
	// Timeout is how long a call of a function may take: 5 seconds by default, a minute
	// at most.
	Timeout time.Duration
	// Parallel is how many calls may go on at a time, 256 by default. Logins beyond
	// them are auth.ErrUnavailable.
	Parallel int
	// MaxAuthorizers is how many authorizers there may be, 100 by default.
	MaxAuthorizers int
	// CacheMost is how many answers for HTTP are kept, 10,000 by default.
	CacheMost int
	// CheckPolicy says what is wrong with a policy document in an answer. nil: it must
	// be a JSON object.
	CheckPolicy func(text string) error
	// Now is the clock; nil stands for time.Now.
	Now func() time.Time
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
}

// withDefaults returns a copy that is complete and valid.
func (c Config) withDefaults() (Config, error) {
	if c.Directory == nil {
		return c, errors.New("custom: Config.Directory is nil, expected a directory such as auth.NewMemory()")
	}
	if err := c.Scope.Check(); err != nil {
		return c, fmt.Errorf("custom: Config.Scope.%w", err)
	}
	c.Scope = c.Scope.WithDefaults()
	functions := map[string]Function{}
	for name, f := range c.Functions {
		if f == nil || name == "" {
			return c, fmt.Errorf("custom: Config.Functions[%q] is nil or has no name, expected a function", name)
		}
		functions[name] = f
	}
	c.Functions = functions
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Timeout < time.Millisecond || c.Timeout > time.Minute {
		return c, fmt.Errorf("custom: Config.Timeout is %v, expected %v to %v", c.Timeout, time.Millisecond, time.Minute)
	}
	for _, n := range [...]struct {
		name            string
		value           *int
		byDefault, most int
	}{
		{"Parallel", &c.Parallel, 256, 1 << 20},
		{"MaxAuthorizers", &c.MaxAuthorizers, 100, 10_000},
		{"CacheMost", &c.CacheMost, 10_000, 10_000_000},
	} {
		if *n.value == 0 {
			*n.value = n.byDefault
		}
		if *n.value < 1 || *n.value > n.most {
			return c, fmt.Errorf("custom: Config.%s is %d, expected 1 to %d", n.name, *n.value, n.most)
		}
	}
	if c.CheckPolicy == nil {
		c.CheckPolicy = func(string) error { return nil }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// A Service keeps authorizers and asks them. Its methods may be called concurrently.
type Service struct {
	cfg         Config
	authorizers records.Table[record]
	account     records.Table[account]
	calls       chan struct{} // one for each call that goes on
	cache       *cache
}

var _ auth.Authenticator = (*Service)(nil)

// New returns a Service. The error names the field of cfg that is wrong.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg: cfg, calls: make(chan struct{}, cfg.Parallel), cache: newCache(cfg.CacheMost),
		authorizers: records.NewTable[record](cfg.Directory, "authorizer"),
		account:     records.NewTable[account](cfg.Directory, "authorizeraccount"),
	}, nil
}
