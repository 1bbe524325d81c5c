package registry

import (
	"context"
	"iter"
)

// A Registry keeps records and links. It is a dumb store: names, limits and rules
// are the [Service]'s affair. [NewMemory] is the default; registrytest checks
// others.
//
// Everything may be called concurrently. A call that returns without an error is as
// safe as the store promises, and every later call, on any goroutine, sees it.
type Registry interface {
	Things() Table[Thing]
	Types() Table[Type]
	Groups() Table[Group]
	BillingGroups() Table[BillingGroup]
	FleetMetrics() Table[FleetMetric]
	// Tags are named by the ARN of the resource they hang on.
	Tags() Table[Tags]
	// Settings are the service's own: a handful of small records.
	Settings() Table[Setting]
	Links() Links
}

// Versioned is a record that knows its version.
type Versioned interface {
	// Revision is at least 1 in a stored record.
	Revision() int64
}

// A Table keeps records of one kind by name. Names are not empty; they may hold any
// byte.
type Table[T Versioned] interface {
	// Get returns a record, or ErrNotFound. Its maps and slices are the caller's, so
	// are those of List; empty ones may come back nil.
	Get(ctx context.Context, name string) (T, error)
	// Put stores v, without keeping its maps and slices, if the version stored now is
	// was: 0 says that there must be none. Otherwise it changes nothing and returns ErrVersion, also if was is not
	// 0 and there is none.
	Put(ctx context.Context, name string, v T, was int64) error
	// Delete removes the record if its version is was. Otherwise it changes nothing
	// and returns ErrVersion, or ErrNotFound if there is none.
	Delete(ctx context.Context, name string, was int64) error
	// List yields names after the given one ("" is before all) with their records,
	// in ascending order of bytes. A record that is there throughout is yielded
	// exactly once; one that comes, goes or changes meanwhile is yielded at most
	// once. The loop's body may use the store. An error is yielded once and ends
	// the sequence.
	List(ctx context.Context, after string) iter.Seq2[T, error]
}

// A ThingFinder is what the table of things may be besides: one that finds things by
// their attributes without looking at all. Without it, Service.ListThings looks at all
// things unless the fleet index is on.
type ThingFinder interface {
	// WithAttribute yields the things that have an attribute with a value or, if prefix
	// is set, with one that begins so (all begin with ""). The promises of Table.List
	// hold.
	WithAttribute(ctx context.Context, name, value string, prefix bool, after string) iter.Seq2[Thing, error]
}

// A LinkKind says what a link means.
type LinkKind string

// The kinds of links a service makes. A store must not care: it keeps any kind.
const (
	// LinkPrincipal goes from a thing to a principal. Its value is a [PrincipalType].
	LinkPrincipal LinkKind = "principal"
	// LinkGroup goes from a thing to a static group it is a direct member of.
	LinkGroup LinkKind = "group"
	// LinkBillingGroup goes from a thing to its billing group.
	LinkBillingGroup LinkKind = "billing"
	// LinkType goes from a thing to its type.
	LinkType LinkKind = "type"
	// LinkParent goes from a group to its parent.
	LinkParent LinkKind = "parent"
)

// A Link is one directed relation with a small value.
type Link struct {
	Kind     LinkKind
	From, To string
	Value    string
}

// Links keeps many-to-many relations, found from both ends. From and To are not
// empty; they may hold any byte.
type Links interface {
	// Get returns a link, or ErrNotFound.
	Get(ctx context.Context, kind LinkKind, from, to string) (Link, error)
	// Put stores a link or replaces its value.
	Put(ctx context.Context, l Link) error
	// Delete removes a link; removing none is no error.
	Delete(ctx context.Context, kind LinkKind, from, to string) error
	// Of yields the links that go out from an end, ascending by To, after the given
	// one ("" is before all). The promises of Table.List hold.
	Of(ctx context.Context, kind LinkKind, from, after string) iter.Seq2[Link, error]
	// To yields the links that come in at an end, ascending by From.
	To(ctx context.Context, kind LinkKind, to, after string) iter.Seq2[Link, error]
}
