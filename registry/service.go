package registry

import "context"

// A Service is a device registry with the behaviour of AWS IoT, over a [Registry].
// All methods may be called concurrently; each takes effect at once and as a whole,
// and whoever calls afterwards sees it, in lists and searches too.
//
// One Service owns its store's records: of several services over one store (hubs
// that share a database) each sees the records of all, but only its own index, and
// rules that span several records are kept per service.
type Service struct {
	cfg Config
}

// New returns a service. If the store says that indexing is on, New builds the
// index before it returns.
func New(cfg Config) (*Service, error) { return &Service{cfg: cfg}, nil }

// DescribeThing returns a thing, or ErrNotFound.
func (s *Service) DescribeThing(ctx context.Context, name string) (Thing, error) {
	return s.cfg.Store.Things().Get(ctx, name)
}
