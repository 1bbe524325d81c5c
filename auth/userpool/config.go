package userpool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/password"
	"github.com/thinghub/thinghub/auth/internal/web"
	"github.com/thinghub/thinghub/internal/arn"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// HashParams says what the Argon2id hash of a password costs: Memory in KiB, 8 for each
// of Parallelism up to 1 GiB (default 19456, 19 MiB); Time, how many passes are made
// over it, 1 to 64 (default 2); Parallelism, how many threads share the work, 1 to 64
// (default 1).
type HashParams = password.Params

// Limits say what happens to a user or an address that fails to sign in: Failures in a
// row are free (negative: any number), then the next attempt is refused for Wait, and
// with each further failure twice as long, up to MaxWait. Forget after the last failure
// they are forgotten: by default 15 minutes, or MaxWait if that is longer.
type Limits = password.Limits

// Config configures a [Service].
type Config struct {
	// Directory keeps pools, clients, users, groups, logins and the keys that sign
	// tokens. It must be set. Who can read it can sign tokens and, unless NoSRP is set,
	// guess passwords cheaply; see the documentation of the package.
	Directory auth.Directory
	// Scope is what resource names begin with; its region also is what the ids of pools
	// begin with.
	Scope Scope
	// Issuer is what stands before "/" and the id of a pool in the iss of its tokens: an
	// https or http URL without a slash at the end. Default
	// "https://cognito-idp.REGION.amazonaws.com", which apps and SDKs of AWS expect.
	// Keys and discovery are served below it by [Service.Handler].
	Issuer string
	// Pools are made by New where they are not there yet. What exists is not changed.
	Pools []Definition
	// Hash is what the hash of a password costs. Zero fields have their defaults.
	Hash HashParams
	// Parallel is how many hashes and SRP computations are made at a time, GOMAXPROCS by
	// default; Waiting is how many people wait for their turn, 256 by default: more are told
	// to come again. Administrators wait in any case.
	Parallel, Waiting int
	// NoSRP keeps no SRP verifiers: USER_SRP_AUTH is then refused.
	NoSRP bool
	// PerUser and PerAddress say what happens to who fails to sign in, or gives wrong
	// codes, which are counted apart for the user. The defaults are
	// 5 failures for a user, and then a second to 15 minutes; and 50 for an address, and
	// then a second to 5 minutes. The counts are those of one process.
	PerUser, PerAddress Limits
	// CodesPerHour is how many codes are sent to a user, and how often in an hour
	// wrong codes are taken for one, 5 by default. SignUpsPerHour is how many sign-ups
	// and requests for codes one address may make, 100 by default. Negative: any number.
	CodesPerHour, SignUpsPerHour int
	// KeyLife is how long a key signs tokens: 1 day to 10 years, 90 days by default. The
	// next one is published a day, or half of it, before.
	KeyLife time.Duration
	// Sender sends codes. nil: what needs a code fails with ErrCodeDelivery.
	Sender Sender
	// Hooks are called at points of the life of users, as triggers are.
	Hooks Hooks
	// Hosted says where the pages of pools are on which people sign in, such as those of
	// package auth/hosted: the id of a pool, and an https URL without a slash at the end
	// (http for localhost and loopback addresses). Discovery names their endpoints.
	Hosted map[string]string
	// Audit is told of every operation over HTTP, those that only read included, and of
	// sign-ins and refreshed tokens through the methods of Service and of Pages (where they
	// are called Login_POST and Token_POST, as by AWS), and of what Pages.Do does. Event.Service is "cognito-idp"; User
	// is the name that somebody gave; Principal is who has proved to be somebody: the sub of
	// a user, or the administrator who signed the request. Event.Err says of a refusal also
	// what the client is not told. A sign-in is told when it leads to tokens or is refused,
	// not when it goes on with a challenge. Default auth.LogEvents of Logger, auth.LogLines
	// a second.
	Audit auth.Auditor
	// Authorize decides about the operations over HTTP that need a signature: the ones of
	// administrators. action is such as "cognito-idp:AdminGetUser", resource the ARN of
	// the pool, or "*"; body is that of r, which has been read. It says who has signed the
	// request, also if they may not. The error wraps auth.ErrDenied where somebody known
	// may not, and one of the refusals of auth where the signature was not accepted; with
	// any other one nobody could tell. nil: these operations are refused.
	Authorize func(ctx context.Context, r *http.Request, body []byte, action auth.Action, resource string) (*auth.Identity, error)
	// Changed is called after what tokens of a user rest on has ended: it was deleted or
	// disabled, signed out everywhere, or its password was reset. The host may end its
	// connections. It may be called concurrently. nil: nobody is told.
	Changed func(pool, sub string)
	// MaxBody is how long a request may be, 256 KiB by default.
	MaxBody int64
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
}

// A Definition is a pool that is made at the start.
type Definition struct {
	// ID is the id of the pool, such as "eu-central-1_AbCdEfGhI". It must be set.
	ID string
	// Pool is what CreateUserPool takes.
	Pool CreateUserPoolInput
	// Clients are its clients.
	Clients []ClientDefinition
}

// A ClientDefinition is a client that is made at the start.
type ClientDefinition struct {
	// ID is the id of the client, 1 to 128 letters, digits and _+. It must be set.
	ID string
	// Secret is the secret of the client, 24 to 64 letters, digits and _+; "" for none,
	// unless GenerateSecret is set.
	Secret string
	// Client is what CreateUserPoolClient takes; UserPoolID may be empty.
	Client CreateUserPoolClientInput
}

// withDefaults returns a copy that is complete and valid.
func (c Config) withDefaults() (Config, error) {
	if c.Directory == nil {
		return c, errors.New("userpool: Config.Directory is nil, expected a directory such as auth.NewMemory()")
	}
	if err := c.Scope.Check(); err != nil {
		return c, fmt.Errorf("userpool: Config.Scope.%w", err)
	}
	c.Scope, c.Hash = c.Scope.WithDefaults(), c.Hash.WithDefaults()
	if err := c.Hash.Check("userpool: Config.Hash"); err != nil {
		return c, err
	}
	if c.Issuer == "" {
		c.Issuer = "https://cognito-idp." + c.Scope.Region + ".amazonaws.com"
	}
	if u, err := url.Parse(c.Issuer); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(c.Issuer, "/") {
		return c, fmt.Errorf("userpool: Config.Issuer is %q, expected a URL such as https://hub.example/pools without a slash at the end", shorten(c.Issuer))
	}
	c.Hosted = maps.Clone(c.Hosted)
	for pool, at := range c.Hosted {
		if err := web.CheckURL("userpool: Config.Hosted["+strconv.Quote(pool)+"]", at, false); err != nil {
			return c, err
		}
		if !poolID.MatchString(pool) || strings.HasSuffix(at, "/") || strings.ContainsRune(at, '?') {
			return c, fmt.Errorf("userpool: Config.Hosted[%q] is %q, expected the id of a pool and a URL such as https://auth.example.com without a query and a slash at the end", shorten(pool), shorten(at))
		}
	}
	if c.MaxBody == 0 {
		c.MaxBody = 256 << 10
	}
	if c.KeyLife == 0 {
		c.KeyLife = 90 * 24 * time.Hour
	}
	for _, n := range [...]struct {
		name            string
		value           *int
		byDefault, most int
		free            bool // negative: without a limit
	}{
		{"Parallel", &c.Parallel, runtime.GOMAXPROCS(0), 1 << 10, false},
		{"Waiting", &c.Waiting, 256, 1 << 20, false},
		{"CodesPerHour", &c.CodesPerHour, 5, 1000, true},
		{"SignUpsPerHour", &c.SignUpsPerHour, 100, 1_000_000, true},
	} {
		if *n.value == 0 {
			*n.value = n.byDefault
		}
		if n.free && *n.value < 0 {
			continue
		}
		if *n.value < 1 || *n.value > n.most {
			return c, fmt.Errorf("userpool: Config.%s is %d, expected 1 to %d", n.name, *n.value, n.most)
		}
	}
	switch {
	case c.MaxBody < 1<<10 || c.MaxBody > 16<<20:
		return c, fmt.Errorf("userpool: Config.MaxBody is %d, expected %d to %d", c.MaxBody, 1<<10, 16<<20)
	case c.KeyLife < 24*time.Hour || c.KeyLife > 10*365*24*time.Hour:
		return c, fmt.Errorf("userpool: Config.KeyLife is %v, expected a day to ten years", c.KeyLife)
	}
	c.PerUser = c.PerUser.WithDefaults(5, 15*time.Minute)
	c.PerAddress = c.PerAddress.WithDefaults(50, 5*time.Minute)
	if err := c.PerUser.Check("userpool: Config.PerUser"); err != nil {
		return c, err
	}
	if err := c.PerAddress.Check("userpool: Config.PerAddress"); err != nil {
		return c, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Audit == nil {
		c.Audit = auth.LogEvents(c.Logger, auth.LogLines)
	}
	return c, nil
}
