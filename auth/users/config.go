package users

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/password"
	"github.com/thinghub/thinghub/internal/arn"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// HashParams says what a hash costs: Memory in KiB, 8 for each of Parallelism up to 1 GiB
// (default 19456, 19 MiB); Time, how many passes are made over it, 1 to 64 (default 2);
// Parallelism, how many threads share the work, 1 to 64 (default 1).
type HashParams = password.Params

// Limits say what happens to a user or an address that fails to log in: Failures in a
// row are free (negative: any number), then the next attempt is refused for Wait, and
// with each further failure twice as long, up to MaxWait. Forget after the last failure
// they are forgotten: by default 15 minutes, or MaxWait if that is longer.
type Limits = password.Limits

// Config is the configuration of a [Service].
type Config struct {
	// Directory keeps the users. It must be set.
	Directory auth.Directory
	// Scope is what the ARNs of users begin with. Empty fields have the defaults of the
	// hub: "aws", "local", "000000000000".
	Scope Scope
	// Hash is what the hash of a password costs. Zero fields have their defaults.
	Hash HashParams
	// Parallel is how many hashes are computed at a time, GOMAXPROCS by default.
	Parallel int
	// Waiting is how many logins wait for their turn, 256 by default.
	Waiting int
	// MinPassword is the length of passwords in bytes that may be set, 8 by default; the
	// most is 1024. Passwords have no zero bytes.
	MinPassword int
	// Remember is how long a password that was right needs no new hash: a minute by
	// default, an hour at most, never if it is negative. RememberMost users are
	// remembered, 10,000 by default.
	Remember     time.Duration
	RememberMost int
	// PerUser and PerAddress say what happens to who fails. The defaults are 10 failures
	// for a user, and then a second to a minute; and 50 for an address, and then a
	// second to 5 minutes. Addresses of IPv6 count by their first 64 bits.
	PerUser, PerAddress Limits
	// Changed is called after a change that ends what connections of the user rest on:
	// it was deleted or disabled, or has another password. The host ends them:
	//
	//	Changed: func(name string) { hub.DisconnectPrincipal(name) }
	//
	// It may be called concurrently. nil: nobody is told.
	Changed func(name string)
	// Now is the clock; nil stands for time.Now.
	Now func() time.Time
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
}

// withDefaults returns a copy that is complete and valid.
func (c Config) withDefaults() (Config, error) {
	if c.Directory == nil {
		return c, errors.New("users: Config.Directory is nil, expected a directory such as auth.NewMemory()")
	}
	if err := c.Scope.Check(); err != nil {
		return c, fmt.Errorf("users: Config.Scope.%w", err)
	}
	c.Scope, c.Hash = c.Scope.WithDefaults(), c.Hash.WithDefaults()
	if err := c.Hash.Check("users: Config.Hash"); err != nil {
		return c, err
	}
	for _, n := range [...]struct {
		name            string
		value           *int
		byDefault, most int
	}{
		{"Parallel", &c.Parallel, runtime.GOMAXPROCS(0), 1 << 10},
		{"Waiting", &c.Waiting, 256, 1 << 20},
		{"MinPassword", &c.MinPassword, 8, maxPassword},
		{"RememberMost", &c.RememberMost, 10_000, 10_000_000},
	} {
		if *n.value == 0 {
			*n.value = n.byDefault
		}
		if *n.value < 1 || *n.value > n.most {
			return c, fmt.Errorf("users: Config.%s is %d, expected 1 to %d", n.name, *n.value, n.most)
		}
	}
	if c.Remember == 0 {
		c.Remember = time.Minute
	}
	if c.Remember > time.Hour {
		return c, fmt.Errorf("users: Config.Remember is %v, expected at most %v", c.Remember, time.Hour)
	}
	c.PerUser = c.PerUser.WithDefaults(10, time.Minute)
	c.PerAddress = c.PerAddress.WithDefaults(50, 5*time.Minute)
	if err := c.PerUser.Check("users: Config.PerUser"); err != nil {
		return c, err
	}
	if err := c.PerAddress.Check("users: Config.PerAddress"); err != nil {
		return c, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}
