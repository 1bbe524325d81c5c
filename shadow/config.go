package shadow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// deepest is the nesting that "no limit" means: far beyond any document of use,
// and harmless to whoever reads it recursively.
const deepest = 1000

// Config configures a [Service]. The zero value works, keeps everything in memory
// and has the limits of AWS IoT Core. New copies it, fills in the defaults and
// validates it once.
//
// Of limits, 0 means the default and a negative value none.
type Config struct {
	// Burst is how many requests for a thing may come at once before Rate bounds
	// them. Default 200.
	Burst int
	// DeleteMemory is how long the version of a deleted shadow is remembered: one
	// that is created again meanwhile goes on from there. Default 48 h; negative: for
	// ever.
	DeleteMemory time.Duration
	// History is how much of each shadow's past is kept, for [Service.At] and for
	// watches that go on where they ended. The Store must be a [Historian] then, as
	// Memory is: each revision takes as much as its document. Default: nothing.
	History Retention
	// Hooks take part in changes.
	Hooks []Hook
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
	// MaxBytes bounds the two sides of a document together, as compact JSON without
	// metadata. Default 8192.
	MaxBytes int
	// MaxDepth bounds the levels of each side: {"a":{"b":1}} has two; an array is a
	// level if it holds objects or arrays. Default 8, at most 1000, which is also
	// what a negative value means.
	MaxDepth int
	// MaxInFlight bounds the unanswered requests of one client. Default 10.
	MaxInFlight int
	// MaxRequestBytes bounds a request as it comes in. Default 128 KiB.
	MaxRequestBytes int
	// MaxTokenBytes bounds a clientToken. Default 64.
	MaxTokenBytes int
	// Publisher takes answers and notices. Default: they go nowhere.
	Publisher Publisher
	// Rate bounds the requests for one thing a second, all its shadows together, in
	// the long run; the host's own do not count. Default 20.
	Rate float64
	// Require is asked, if it is set, before an update of a thing's shadow. It
	// returns ErrNotFound for a thing that should have none: the requester is told
	// "Thing not found". An [Error] goes to the requester as it is; any other error
	// is a failure, code 500.
	Require func(ctx context.Context, thing string) error
	// Store keeps the documents. Default: NewMemory().
	Store Store
	// Validators check documents before they are stored, in this order.
	Validators []Validator
}

// withDefaults returns a copy of c with its empty fields filled in.
func (c Config) withDefaults() (Config, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Publisher == nil {
		c.Publisher = PublisherFunc(func(context.Context, string, []byte) error { return nil })
	}
	if c.Store == nil {
		c.Store = NewMemory()
	}
	limit(&c.Burst, 200)
	limit(&c.MaxBytes, 8192)
	limit(&c.MaxInFlight, 10)
	limit(&c.MaxRequestBytes, 128<<10)
	limit(&c.MaxTokenBytes, 64)
	switch {
	case c.MaxDepth == 0:
		c.MaxDepth = 8
	case c.MaxDepth < 0:
		c.MaxDepth = deepest
	case c.MaxDepth > deepest:
		return c, fmt.Errorf("shadow: Config.MaxDepth is %d, expected at most %d", c.MaxDepth, deepest)
	}
	switch {
	case c.Rate == 0:
		c.Rate = 20
	case c.Rate < 0:
		c.Rate = math.Inf(1)
	case math.IsNaN(c.Rate):
		return c, errors.New("shadow: Config.Rate is not a number")
	}
	if c.DeleteMemory == 0 {
		c.DeleteMemory = 48 * time.Hour
	}
	var err error
	if c.History, err = c.History.withDefaults(); err != nil {
		return c, err
	}
	if _, ok := c.Store.(Historian); c.History.Keeps() && !ok {
		return c, fmt.Errorf("shadow: Config.History is set and Config.Store is a %T, expected a Historian", c.Store)
	}
	for i, h := range c.Hooks {
		switch h.(type) {
		case HookUpdating, HookDeleting, HookChanged:
		default:
			return c, fmt.Errorf("shadow: Config.Hooks[%d] is a %T, expected one of the Hook interfaces", i, h)
		}
	}
	for i, v := range c.Validators {
		if v == nil {
			return c, fmt.Errorf("shadow: Config.Validators[%d] is nil", i)
		}
	}
	c.Hooks = append([]Hook(nil), c.Hooks...)
	c.Validators = append([]Validator(nil), c.Validators...)
	return c, nil
}

// limit fills in a default, and the largest number where there is no limit. That is
// the largest of 32 bits: texts are indexed with as many.
func limit(n *int, byDefault int) {
	switch {
	case *n == 0:
		*n = byDefault
	case *n < 0, *n > math.MaxInt32:
		*n = math.MaxInt32
	}
}
