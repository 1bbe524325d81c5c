package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
)

// A Service is a device registry with the behaviour of AWS IoT, over a [Registry].
// All methods may be called concurrently; each takes effect at once and as a whole,
// and whoever calls afterwards sees it, in lists and searches too.
//
// Its methods are the operations of the AWS API under their names. Where AWS takes
// a member that may be absent, the field is a pointer, or a map or slice that may be
// nil; what is "" there is absent too, since no name may be empty.
//
// Several services may share one store (hubs that share a database): each sees the
// records of all and no update is lost, but each has its own index, and rules that
// span several records are kept per service.
type Service struct {
	cfg    Config
	store  Registry
	limits Limits
	locks  locks
	events eventQueue
	conns  connections
	fleet  fleet
}

// New returns a service. If the store says that indexing is on, New builds the
// index before it returns. An error names the field of Config that is to blame, or
// tells what the store said.
func New(cfg Config) (*Service, error) {
	if err := cfg.Scope.Check(); err != nil {
		return nil, fmt.Errorf("registry: Config.Scope.%w", err)
	}
	cfg.Scope = cfg.Scope.WithDefaults()
	if cfg.Store == nil {
		cfg.Store = NewMemory()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	cfg.Limits = cfg.Limits.withDefaults()
	s := &Service{cfg: cfg, store: cfg.Store, limits: cfg.Limits}
	ctx := context.Background()
	if err := s.loadEvents(ctx); err != nil {
		return nil, err
	}
	if err := s.loadIndexing(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Immediate reports that reading never waits for a disk or a network, because the store,
// which has a method of this name, says so.
func (s *Service) Immediate() bool {
	i, ok := s.store.(interface{ Immediate() bool })
	return ok && i.Immediate()
}

// ThingARN returns the resource name of a thing, whether there is one or not. So do
// the next ones for theirs.
func (s *Service) ThingARN(name string) string { return s.cfg.Scope.IoT("thing/" + name) }

// TypeARN returns the resource name of a thing type.
func (s *Service) TypeARN(name string) string { return s.cfg.Scope.IoT("thingtype/" + name) }

// GroupARN returns the resource name of a thing group, static or dynamic.
func (s *Service) GroupARN(name string) string { return s.cfg.Scope.IoT("thinggroup/" + name) }

// BillingGroupARN returns the resource name of a billing group.
func (s *Service) BillingGroupARN(name string) string {
	return s.cfg.Scope.IoT("billinggroup/" + name)
}

// get reads a record that must be there. what is the kind of resource for people.
func get[T Versioned](ctx context.Context, tab Table[T], what, name string) (T, error) {
	v, err := tab.Get(ctx, name)
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, ErrNotFound):
		return v, notFound("%s %s cannot be found.", what, name)
	default:
		return v, fmt.Errorf("registry: read %s %s: %w", what, name, err)
	}
}

// lookup reads a record that may be there.
func lookup[T Versioned](ctx context.Context, tab Table[T], what, name string) (v T, ok bool, err error) {
	v, err = tab.Get(ctx, name)
	switch {
	case err == nil:
		return v, true, nil
	case errors.Is(err, ErrNotFound):
		return v, false, nil
	default:
		return v, false, fmt.Errorf("registry: read %s %s: %w", what, name, err)
	}
}

// put stores a record.
func put[T Versioned](ctx context.Context, tab Table[T], what, name string, v T, was int64) error {
	if err := tab.Put(ctx, name, v, was); err != nil {
		return fmt.Errorf("registry: write %s %s: %w", what, name, err)
	}
	return nil
}

// drop deletes a record.
func drop[T Versioned](ctx context.Context, tab Table[T], what, name string, was int64) error {
	if err := tab.Delete(ctx, name, was); err != nil {
		return fmt.Errorf("registry: delete %s %s: %w", what, name, err)
	}
	return nil
}

// again runs f until it does not lose a race against another service over the same
// store: what f decided was decided on a record that has changed since.
func again(f func() error) error {
	const tries = 16
	for range tries {
		err := f()
		var e *Error
		if err == nil || errors.As(err, &e) || !errors.Is(err, ErrVersion) {
			return err
		}
	}
	return &Error{Kind: ErrVersion, Message: "The resource was changed by others " + strconv.Itoa(tries) + " times in a row."}
}

// newID returns a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// changed tells who wants to know that a thing may have changed.
func (s *Service) changed(thing string) {
	if s.cfg.Changed != nil {
		s.cfg.Changed(thing)
	}
}
