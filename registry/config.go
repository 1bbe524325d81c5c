package registry

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/thinghub/thinghub/internal/arn"
)

// Scope is the part that all resource names of one hub have in common: partition,
// region and account.
type Scope = arn.Scope

// Config configures a [Service]. The zero value works: everything in memory, no
// events, no index, the limits of AWS IoT.
type Config struct {
	// Store keeps the records. Default NewMemory().
	Store Registry
	// Scope is what resource names begin with. Empty fields have the defaults of
	// the hub: "aws", "local", "000000000000".
	Scope Scope
	// Publisher gets registry events that were switched on with
	// [Service.UpdateEventConfigurations]. Default: nobody hears them.
	Publisher Publisher
	// Shadows is asked for the shadows of things when an index that holds shadows
	// is built. Default: such an index knows only the shadows that
	// [Service.ShadowChanged] told of since.
	Shadows ShadowSource
	// Metrics takes the values of fleet metrics each time one is due; see
	// [Service.Run]. Default: nobody does.
	Metrics MetricSink
	// Tagged is asked whether there is a resource of another room's that is to have
	// tags, such as "rule/hot": one of the kinds rule, policy, cacert, rolealias,
	// authorizer and provisioningtemplate. Default: there is none.
	Tagged func(ctx context.Context, resource string) (bool, error)
	// Changed, if it is not nil, is called when a thing, its principals or its groups,
	// dynamic ones too, may have changed: after that took effect and before the call
	// that changed it returns. It must return quickly; it may read from the Service,
	// and must change nothing in it.
	Changed func(thing string)
	// Limits bound what may be stored.
	Limits Limits
	// Logger gets what the host should know. Default slog.Default().
	Logger *slog.Logger
}

// A Publisher sends a message into the hub. Publish may be called by several
// goroutines, and may call the Service.
type Publisher interface {
	Publish(ctx context.Context, topic string, payload []byte) error
}

// A ShadowSource yields the shadows of a thing, the classic one with an empty name.
type ShadowSource interface {
	Shadows(ctx context.Context, thing string) iter.Seq2[Shadow, error]
}

// A Shadow is one shadow of a thing as the index takes it.
type Shadow struct {
	// Name is empty for the classic shadow.
	Name string
	// Document is JSON: {"desired":…,"reported":…,"delta":…,"metadata":…,"version":…}.
	// It is not changed after it was handed over.
	Document []byte
}

// Limits bound what may be stored. A field that is 0 has the default, which is the
// limit of AWS IoT; a negative one is no limit.
type Limits struct {
	// Attributes is how many attributes a thing without a type may have. Default 3.
	Attributes int
	// TypedAttributes is how many attributes a thing with a type may have. Default 50.
	TypedAttributes int
	// AttributeBytes bounds names and values of all attributes of a thing or group
	// together. Default 47 KiB.
	AttributeBytes int
	// GroupAttributes is how many attributes a group may have. Default 50.
	GroupAttributes int
	// GroupsPerThing is how many groups a thing may be in directly, dynamic ones
	// counted. Default 10.
	GroupsPerThing int
	// GroupDepth is how many levels a hierarchy may have, the root's counted. Default 7.
	GroupDepth int
	// GroupChildren is how many direct children a group may have. Default 100.
	GroupChildren int
	// DynamicGroups is how many dynamic groups there may be. Default 100.
	DynamicGroups int
	// BillingGroups is how many billing groups there may be. Default 20000.
	BillingGroups int
	// FleetMetrics is how many fleet metrics there may be. Default 100.
	FleetMetrics int
	// SearchableAttributes is how many a type may name. Default 3.
	SearchableAttributes int
	// PropagatingAttributes is how many a type may name. Default 20.
	PropagatingAttributes int
	// Tags is how many tags a resource may have. Default 50.
	Tags int
	// CustomFields is how many custom fields, and how many places, an index may have.
	// Default 5.
	CustomFields int
	// NamedShadows is how many named shadows an index may hold. Default 10.
	NamedShadows int
	// TypeDeletionDelay is how long a type must have been deprecated before it can
	// be deleted. Default 5 minutes; negative: it may go at once.
	TypeDeletionDelay time.Duration
}

// withDefaults returns the limits with nothing left at 0.
func (l Limits) withDefaults() Limits {
	for _, d := range [...]struct {
		field *int
		value int
	}{
		{&l.Attributes, 3},
		{&l.TypedAttributes, 50},
		{&l.AttributeBytes, 47 << 10},
		{&l.GroupAttributes, 50},
		{&l.GroupsPerThing, 10},
		{&l.GroupDepth, 7},
		{&l.GroupChildren, 100},
		{&l.DynamicGroups, 100},
		{&l.BillingGroups, 20000},
		{&l.FleetMetrics, 100},
		{&l.SearchableAttributes, 3},
		{&l.PropagatingAttributes, 20},
		{&l.Tags, 50},
		{&l.CustomFields, 5},
		{&l.NamedShadows, 10},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if l.TypeDeletionDelay == 0 {
		l.TypeDeletionDelay = 5 * time.Minute
	}
	return l
}

// over reports whether n is more than a limit allows.
func over(n, limit int) bool { return limit >= 0 && n > limit }
