package rules

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/arn"
	"github.com/thinghub/thinghub/rules/sql"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// Config configures a [Service]. The zero value works: rules in memory, functions and
// nothing else as actions.
type Config struct {
	// Backlog is where a service that is shut down keeps what it has accepted and not
	// done, for instance because a sink is down; the next service goes on with it, as
	// soon as it has the rule. A durable store makes that safe against restarts; it may be
	// the one of Store. Of a rule that has changed meanwhile the actions that are no longer
	// there have failed, which is logged; what a rule had that was deleted is dropped. What a
	// process that is killed had in memory is lost, but for what it had of the backlog: that
	// comes again, all of it, until all of it was done once. Nil: what is left is dropped, and
	// counted.
	Backlog Store
	// DeadLetters gets the reports of rules without an error action, and those that a
	// rule's error action failed to take: what is lost otherwise. Its payload is that of
	// an error action; Event.Rule says whose it is. Nil: they are counted and logged.
	DeadLetters actions.Action
	// Delivery is for rules that do not say otherwise.
	Delivery Delivery
	// ExprMemory bounds what one evaluation of an expression, of [Expr] or of expr('...')
	// in a statement, may make: one for each element of an array and, counted apart, for
	// each 16 bytes of text. Eight bytes of the payload add one. Default 100000.
	ExprMemory uint
	// ExprNodes bounds the size of an expression. Default 1000.
	ExprNodes uint
	// ExprSteps bounds the work of one evaluation: about one step for each node of the
	// expression that is evaluated, again for each element of an array that a function
	// goes through, and for every eight bytes of text that are looked at or made. Each
	// byte of the payload adds two. Default 1000000, which take 20 to 100 ms.
	ExprSteps uint
	// Externals are what functions of the language stand on that call out. What is nil
	// makes statements that need it an error.
	Externals sql.Externals
	// Files is the folder that actions.File writes to, which is made if it is not
	// there. Empty: such actions are refused.
	Files string
	// Functions are functions of the host's for both languages, by their names in lower
	// case.
	Functions map[string]sql.Function
	// Kinds are actions that rules written as JSON may have besides those of
	// actions.Builtin.
	Kinds map[string]actions.Decoder
	// Logger gets what the host should know. Default slog.Default(). At the level Debug
	// it gets a line for each message and rule that matched.
	Logger *slog.Logger
	// MaxHops is how many hops a message may have to be worked on; see
	// actions.Message. A message of a device has none, what a rule republishes one more
	// than what it was made from. Default 8.
	MaxHops uint8
	// MaxInline is how large a payload may be to be evaluated before Submit returns. A
	// larger one is evaluated by a worker, as are statements that call out, because its
	// publisher may be an event loop that has others to serve; what comes on its topic
	// meanwhile waits for it. Default 64 KiB; -1: no bound.
	MaxInline int
	// MaxRules bounds how many rules there may be. Default 1000; negative: no bound.
	MaxRules int
	// Publisher is for actions that publish. Nil: such actions are refused.
	Publisher actions.Publisher
	// Scope is what resource names begin with. Its account is that of accountid().
	// Empty fields have the defaults of the hub: "aws", "local", "000000000000".
	Scope Scope
	// Shadows is for actions that update shadows. Nil: such actions are refused.
	Shadows actions.ShadowUpdater
	// Store keeps rules and destinations. Default NewMemory().
	Store Store
	// Web says how actions reach web services.
	Web WebConfig
}

// WebConfig says how actions reach web services. The zero value is as careful as AWS:
// only https, only public addresses, only what was confirmed.
type WebConfig struct {
	// AllowPlain allows http:// besides https://.
	AllowPlain bool
	// AllowPrivate allows addresses that are not public, such as those of this machine.
	AllowPrivate bool
	// AllowUnconfirmed lets messages go to URLs without a confirmed destination.
	AllowUnconfirmed bool
	// Client sends the requests. Default: actions.NewClient, with AllowPrivate. A
	// client of the host's sees to the addresses itself.
	Client *http.Client
	// ConfirmWithin is how long a token of a confirmation is valid. Default 3 days.
	ConfirmWithin time.Duration
	// EnableURL is where the control plane takes confirmations, as the services reach
	// it: "https://hub.example.com/confirmdestination/". A token is put at its end to
	// make the enableUrl of a confirmation; it is fetched without a signature, the token
	// is proof enough. Empty: there is none, only the token.
	EnableURL string
	// Signer signs requests with auth.sigv4. Nil: such actions are refused.
	Signer actions.Signer
}

// withDefaults returns a copy of c with its empty fields filled in.
func (c Config) withDefaults() (Config, error) {
	if err := c.Scope.Check(); err != nil {
		return c, fmt.Errorf("rules: Config.Scope.%w", err)
	}
	if err := c.Delivery.check("Config.Delivery"); err != nil {
		return c, err
	}
	c.Scope = c.Scope.WithDefaults()
	c.Delivery = c.Delivery.or(defaultDelivery)
	or(&c.ExprMemory, 100_000)
	or(&c.ExprNodes, 1000)
	or(&c.ExprSteps, 1_000_000)
	if c.MaxInline < -1 {
		return c, fmt.Errorf("rules: Config.MaxInline is %d, expected -1 or more", c.MaxInline)
	}
	or(&c.MaxHops, 8)
	or(&c.MaxInline, 64<<10)
	or(&c.MaxRules, 1000)
	or(&c.Web.ConfirmWithin, 72*time.Hour)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Store == nil {
		c.Store = NewMemory()
	}
	if c.Web.Client == nil {
		c.Web.Client = actions.NewClient(actions.ClientConfig{AllowPrivate: c.Web.AllowPrivate})
	}
	kinds := actions.Builtin()
	for name, d := range c.Kinds {
		if d == nil {
			return c, fmt.Errorf("rules: Config.Kinds[%q] is nil", name)
		}
		kinds[name] = d
	}
	c.Kinds = kinds
	c.Functions = maps.Clone(c.Functions)
	for name, f := range c.Functions {
		if f.Call == nil {
			return c, fmt.Errorf("rules: Config.Functions[%q].Call is nil", name)
		}
	}
	return c, nil
}
