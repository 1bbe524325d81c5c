package hosted

import (
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/thinghub/thinghub/auth/userpool"
)

// Config says for whom a [Handler] is.
type Config struct {
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
	// Pool is the id of the user pool, which need not exist yet. It must be set.
	Pool string
	// Pools keeps the pool: Hub.UserPools. It must be set, and its userpool.Config.Hosted
	// must say where browsers find the Handler of Pool.
	Pools *userpool.Service
	// SessionLife is how long somebody who has signed in need not do so again for other
	// apps: a minute to a day, by default an hour.
	SessionLife time.Duration
	// Templates replace pages: that of a [Page]'s name, or else "page", is executed with
	// the Page. Default: the package's own for those that are not there.
	Templates *template.Template
}

// New returns the handler of a pool. An error names the field of cfg that is to blame.
func New(cfg Config) (*Handler, error) {
	if cfg.Pools == nil {
		return nil, errors.New("hosted: Config.Pools is nil, expected the service that has the pool, such as Hub.UserPools")
	}
	at := cfg.Pools.HostedURL(cfg.Pool)
	if at == "" {
		return nil, fmt.Errorf("hosted: Config.Pool is %q, expected a pool that userpool.Config.Hosted has a URL for", cfg.Pool)
	}
	base, err := url.Parse(at)
	if err != nil {
		return nil, fmt.Errorf("hosted: userpool.Config.Hosted: %w", err)
	}
	if cfg.SessionLife == 0 {
		cfg.SessionLife = time.Hour
	}
	if cfg.SessionLife < time.Minute || cfg.SessionLife > 24*time.Hour {
		return nil, fmt.Errorf("hosted: Config.SessionLife is %v, expected a minute to a day", cfg.SessionLife)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	h := &Handler{cfg: cfg, base: at, secure: base.Scheme == "https", pages: cfg.Pools.Pages(cfg.Pool, cfg.SessionLife), decoder: newDecoder(), foreign: http.NewCrossOriginProtection()}
	if err := h.foreign.AddTrustedOrigin(base.Scheme + "://" + base.Host); err != nil {
		return nil, fmt.Errorf("hosted: userpool.Config.Hosted: %w", err)
	}
	h.routes()
	return h, nil
}
