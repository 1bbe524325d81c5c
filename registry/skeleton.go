package registry

import (
	"context"
	"errors"
	"time"
)

var errSkeleton = errors.New("registry: not written yet")

// CreateThingInput ...
type CreateThingInput struct {
	Name         string
	Type         string // empty: none
	BillingGroup string // empty: none
	Attributes   map[string]string
}

// CreateThing creates a thing. The same name with the same type, billing group and attributes again returns what is there.
// Errors: ErrInvalid, ErrExists, ErrNotFound (type, billing group).
func (s *Service) CreateThing(ctx context.Context, in CreateThingInput) (Thing, error) {
	return Thing{}, errSkeleton
}

// ThingARN returns the resource name of a thing; TypeARN, GroupARN, BillingGroupARN, IndexARN likewise.
func (s *Service) ThingARN(name string) string        { return "" }
func (s *Service) TypeARN(name string) string         { return "" }
func (s *Service) GroupARN(name string) string        { return "" }
func (s *Service) BillingGroupARN(name string) string { return "" }

// ThingBillingGroup returns the name of a thing's billing group, or "" (for DescribeThing's billingGroupName).
func (s *Service) ThingBillingGroup(ctx context.Context, thing string) (string, error) {
	return "", errSkeleton
}

// UpdateThingInput ...
type UpdateThingInput struct {
	Name            string
	Type            string // empty: as it is
	RemoveType      bool
	Attributes      map[string]string // nil: as they are; an empty value removes
	Merge           bool              // false: Attributes replace all
	ExpectedVersion *int64            // nil: any
}

// UpdateThing changes a thing. Errors: ErrInvalid, ErrNotFound, ErrVersion.
func (s *Service) UpdateThing(ctx context.Context, in UpdateThingInput) (Thing, error) {
	return Thing{}, errSkeleton
}

// DeleteThing: no error if there is none. Errors: ErrVersion, ErrDeleteConflict (= ErrInvalid) while principals are attached.
func (s *Service) DeleteThing(ctx context.Context, name string, expectedVersion *int64) error {
	return errSkeleton
}

// ThingFilter ...
type ThingFilter struct {
	Type                          string
	AttributeName, AttributeValue string
	PrefixValue                   bool
}

func (s *Service) ListThings(ctx context.Context, f ThingFilter, p Page) ([]Thing, string, error) {
	return nil, "", errSkeleton
}

// TypeProperties; nil slices are "absent" in UpdateThingType.
type TypeProperties struct {
	Description           *string
	SearchableAttributes  []string
	PropagatingAttributes []PropagatingAttribute
}

func (s *Service) CreateThingType(ctx context.Context, name string, p TypeProperties, tags map[string]string) (Type, error) {
	return Type{}, errSkeleton
}
func (s *Service) DescribeThingType(ctx context.Context, name string) (Type, error) {
	return Type{}, errSkeleton
}
func (s *Service) UpdateThingType(ctx context.Context, name string, p TypeProperties) (Type, error) {
	return Type{}, errSkeleton
}
func (s *Service) DeprecateThingType(ctx context.Context, name string, undo bool) error {
	return errSkeleton
}
func (s *Service) DeleteThingType(ctx context.Context, name string) error { return errSkeleton }

// ListThingTypes: name filters by exact name when not empty.
func (s *Service) ListThingTypes(ctx context.Context, name string, p Page) ([]Type, string, error) {
	return nil, "", errSkeleton
}

// GroupProperties; nil = absent.
type GroupProperties struct {
	Description *string
	Attributes  map[string]string
	Merge       bool
}

// CreateGroupInput for static groups; CreateDynamicGroupInput for dynamic ones.
type CreateGroupInput struct {
	Name, Parent string
	GroupProperties
	Tags map[string]string
}
type CreateDynamicGroupInput struct {
	Name                       string
	Index, Query, QueryVersion string // Index and QueryVersion: empty = default
	GroupProperties
	Tags map[string]string
}
type UpdateGroupInput struct {
	Name string
	GroupProperties
	ExpectedVersion *int64
}
type UpdateDynamicGroupInput struct {
	Name                       string
	Index, Query, QueryVersion string // empty: as it is
	GroupProperties
	ExpectedVersion *int64
}

// GroupRef names a group.
type GroupRef struct{ Name, ARN string }

// GroupInfo is what DescribeThingGroup answers.
type GroupInfo struct {
	Group
	RootToParent []GroupRef // root first
	Status       string     // dynamic groups: ACTIVE, BUILDING, REBUILDING
}

func (s *Service) CreateThingGroup(ctx context.Context, in CreateGroupInput) (Group, error) {
	return Group{}, errSkeleton
}
func (s *Service) CreateDynamicThingGroup(ctx context.Context, in CreateDynamicGroupInput) (Group, error) {
	return Group{}, errSkeleton
}
func (s *Service) DescribeThingGroup(ctx context.Context, name string) (GroupInfo, error) {
	return GroupInfo{}, errSkeleton
}
func (s *Service) UpdateThingGroup(ctx context.Context, in UpdateGroupInput) (version int64, err error) {
	return 0, errSkeleton
}
func (s *Service) UpdateDynamicThingGroup(ctx context.Context, in UpdateDynamicGroupInput) (version int64, err error) {
	return 0, errSkeleton
}

// DeleteThingGroup and DeleteDynamicThingGroup: no error if there is none.
func (s *Service) DeleteThingGroup(ctx context.Context, name string, expectedVersion *int64) error {
	return errSkeleton
}
func (s *Service) DeleteDynamicThingGroup(ctx context.Context, name string, expectedVersion *int64) error {
	return errSkeleton
}

// GroupFilter: Recursive nil = true.
type GroupFilter struct {
	Parent, Prefix string
	Recursive      *bool
}

func (s *Service) ListThingGroups(ctx context.Context, f GroupFilter, p Page) ([]GroupRef, string, error) {
	return nil, "", errSkeleton
}

// Membership names a group and a thing, each by name, ARN, or both if they agree.
type Membership struct {
	Group, GroupARN, Thing, ThingARN string
	OverrideDynamicGroups            bool
}

func (s *Service) AddThingToThingGroup(ctx context.Context, m Membership) error { return errSkeleton }
func (s *Service) RemoveThingFromThingGroup(ctx context.Context, m Membership) error {
	return errSkeleton
}

// UpdateThingGroupsForThing adds and removes as a whole.
func (s *Service) UpdateThingGroupsForThing(ctx context.Context, thing string, add, remove []string, overrideDynamicGroups bool) error {
	return errSkeleton
}
func (s *Service) ListThingsInThingGroup(ctx context.Context, group string, recursive bool, p Page) (things []string, next string, err error) {
	return nil, "", errSkeleton
}
func (s *Service) ListThingGroupsForThing(ctx context.Context, thing string, p Page) ([]GroupRef, string, error) {
	return nil, "", errSkeleton
}

type CreateBillingGroupInput struct {
	Name        string
	Description string
	Tags        map[string]string
}

func (s *Service) CreateBillingGroup(ctx context.Context, in CreateBillingGroupInput) (BillingGroup, error) {
	return BillingGroup{}, errSkeleton
}
func (s *Service) DescribeBillingGroup(ctx context.Context, name string) (BillingGroup, error) {
	return BillingGroup{}, errSkeleton
}
func (s *Service) UpdateBillingGroup(ctx context.Context, name string, description *string, expectedVersion *int64) (version int64, err error) {
	return 0, errSkeleton
}
func (s *Service) DeleteBillingGroup(ctx context.Context, name string, expectedVersion *int64) error {
	return errSkeleton
}
func (s *Service) ListBillingGroups(ctx context.Context, prefix string, p Page) ([]GroupRef, string, error) {
	return nil, "", errSkeleton
}
func (s *Service) AddThingToBillingGroup(ctx context.Context, m Membership) error { return errSkeleton }
func (s *Service) RemoveThingFromBillingGroup(ctx context.Context, m Membership) error {
	return errSkeleton
}
func (s *Service) ListThingsInBillingGroup(ctx context.Context, group string, p Page) (things []string, next string, err error) {
	return nil, "", errSkeleton
}

// PrincipalType; empty stands for NonExclusive in attachments and for both in lists.
type PrincipalType string

const (
	Exclusive    PrincipalType = "EXCLUSIVE_THING"
	NonExclusive PrincipalType = "NON_EXCLUSIVE_THING"
)

type Attachment struct {
	Thing, Principal string
	Type             PrincipalType
}

func (s *Service) AttachThingPrincipal(ctx context.Context, a Attachment) error { return errSkeleton }
func (s *Service) DetachThingPrincipal(ctx context.Context, thing, principal string) error {
	return errSkeleton
}

// ListThingPrincipals serves V1 and V2; t filters when not empty.
func (s *Service) ListThingPrincipals(ctx context.Context, thing string, t PrincipalType, p Page) ([]Attachment, string, error) {
	return nil, "", errSkeleton
}
func (s *Service) ListPrincipalThings(ctx context.Context, principal string, t PrincipalType, p Page) ([]Attachment, string, error) {
	return nil, "", errSkeleton
}

// ExclusiveThing returns the thing a principal is exclusively attached to, or "".
func (s *Service) ExclusiveThing(ctx context.Context, principal string) (string, error) {
	return "", errSkeleton
}

func (s *Service) TagResource(ctx context.Context, arn string, tags map[string]string) error {
	return errSkeleton
}
func (s *Service) UntagResource(ctx context.Context, arn string, keys []string) error {
	return errSkeleton
}

type Tag struct{ Key, Value string }

// ListTagsForResource: ascending by key.
func (s *Service) ListTagsForResource(ctx context.Context, arn string, p Page) ([]Tag, string, error) {
	return nil, "", errSkeleton
}

// EventType is a key of the event configurations ("THING", ...).
type EventType string

type EventConfigurations struct {
	Enabled           map[EventType]bool // every type has an entry
	Created, Modified time.Time          // zero until first updated
}

func (s *Service) DescribeEventConfigurations(ctx context.Context) (EventConfigurations, error) {
	return EventConfigurations{}, errSkeleton
}
func (s *Service) UpdateEventConfigurations(ctx context.Context, enable map[EventType]bool) error {
	return errSkeleton
}

// Field is a managed or custom field of an index; Type is Number, String or Boolean.
type Field struct {
	Name string `json:"name"`
	Type string `json:"type"`
}
type ThingIndexing struct {
	Mode             string   `json:"mode"`                     // OFF, REGISTRY, REGISTRY_AND_SHADOW
	Connectivity     string   `json:"connectivity,omitempty"`   // OFF, STATUS
	DeviceDefender   string   `json:"deviceDefender,omitempty"` // OFF, VIOLATIONS
	NamedShadows     string   `json:"namedShadows,omitempty"`   // OFF, ON
	NamedShadowNames []string `json:"namedShadowNames,omitempty"`
	ManagedFields    []Field  `json:"-"` // answers only
	CustomFields     []Field  `json:"customFields,omitempty"`
}
type GroupIndexing struct {
	Mode          string  `json:"mode"` // OFF, ON
	ManagedFields []Field `json:"-"`
	CustomFields  []Field `json:"customFields,omitempty"`
}

// IndexingConfiguration; in updates a nil part is left as it is.
type IndexingConfiguration struct {
	Things *ThingIndexing
	Groups *GroupIndexing
}

func (s *Service) GetIndexingConfiguration(ctx context.Context) (IndexingConfiguration, error) {
	return IndexingConfiguration{}, errSkeleton
}
func (s *Service) UpdateIndexingConfiguration(ctx context.Context, c IndexingConfiguration) error {
	return errSkeleton
}

type IndexInfo struct{ Name, Status, Schema string }

func (s *Service) DescribeIndex(ctx context.Context, name string) (IndexInfo, error) {
	return IndexInfo{}, errSkeleton
}
func (s *Service) ListIndices(ctx context.Context, p Page) ([]string, string, error) {
	return nil, "", errSkeleton
}

// Search is a query of an  Index and Version: empty = AWS_Things, 2017-09-30.
type Search struct{ Index, Query, Version string }

type FoundThing struct {
	Name, ID, Type string
	Groups         []string
	Attributes     map[string]string
	Shadow         string        // JSON, or ""
	Connectivity   *Connectivity // nil: not indexed
}
type FoundGroup struct {
	Name, ID, Description string
	Attributes            map[string]string
	Parents               []string // root first
}
type SearchResult struct {
	Things []FoundThing // AWS_Things
	Groups []FoundGroup // AWS_ThingGroups
}

func (s *Service) SearchIndex(ctx context.Context, q Search, p Page) (SearchResult, string, error) {
	return SearchResult{}, "", errSkeleton
}

// Field: empty = registry.version (statistics, percentiles, cardinality).
func (s *Service) GetStatistics(ctx context.Context, q Search, field string) (Statistics, error) {
	return Statistics{}, errSkeleton
}
func (s *Service) GetPercentiles(ctx context.Context, q Search, field string, percents []float64) ([]Percentile, error) {
	return nil, errSkeleton
}
func (s *Service) GetCardinality(ctx context.Context, q Search, field string) (int, error) {
	return 0, errSkeleton
}
func (s *Service) GetBucketsAggregation(ctx context.Context, q Search, field string, maxBuckets int) (Buckets, error) {
	return Buckets{}, errSkeleton
}

// Statistics of a field. Numeric false (a field of texts): Count only.
type Statistics struct {
	Count                                                                int
	Numeric                                                              bool
	Average, Sum, Minimum, Maximum, SumOfSquares, Variance, StdDeviation float64
}
type Percentile struct{ Percent, Value float64 }
type Bucket struct {
	Key   string
	Count int
}

// Buckets: the most frequent first; Total counts the documents that match the query.
type Buckets struct {
	Total   int
	Buckets []Bucket
}

// Connectivity is whether a thing's client is connected. JSON-free; the wire is the caller's.
type Connectivity struct {
	Connected                bool
	Timestamp                time.Time
	DisconnectReason         string // AWS spelling, "" while connected
	ClientID                 string
	SourceIP, TargetIP       string
	SourcePort, TargetPort   int
	KeepAlive, SessionExpiry time.Duration
	CleanSession             bool
	Version                  int64
}

// GetThingConnectivityData: a thing that never connected is not connected.
func (s *Service) GetThingConnectivityData(ctx context.Context, thing string) (Connectivity, error) {
	return Connectivity{}, errSkeleton
}

// ConnectivityChanged and ShadowChanged are how the host feeds the
func (s *Service) ConnectivityChanged(thing string, c Connectivity)    {}
func (s *Service) ShadowChanged(thing, shadow string, document []byte) {}
