package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/thinghub/thinghub/registry/index"
)

// The names of the indices.
const (
	IndexThings = "AWS_Things"
	IndexGroups = "AWS_ThingGroups"
)

// The modes of indexing.
const (
	IndexOff               = "OFF"
	IndexOn                = "ON"                  // groups, named shadows
	IndexRegistry          = "REGISTRY"            // things
	IndexRegistryAndShadow = "REGISTRY_AND_SHADOW" // things
	IndexStatus            = "STATUS"              // connectivity
	IndexViolations        = "VIOLATIONS"          // Device Defender
)

// The statuses of an index, and of a dynamic group.
const (
	IndexActive     = "ACTIVE"
	IndexBuilding   = "BUILDING"   // for the first time; it cannot be searched yet
	IndexRebuilding = "REBUILDING" // for a new configuration; searches see the old one
)

// A Field is a field of an index and its type: "Number", "String" or "Boolean".
type Field struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// A GeoLocation is a field that holds a place.
type GeoLocation struct {
	Name string `json:"name"`
	// Order is "LatLon" or "LonLat"; empty for the first.
	Order string `json:"order,omitempty"`
}

// ThingIndexing says what the index of things holds. An empty mode is IndexOff.
type ThingIndexing struct {
	// Mode is IndexOff, IndexRegistry or IndexRegistryAndShadow. The latter adds
	// classic shadows.
	Mode string `json:"mode,omitempty"`
	// Connectivity is IndexOff or IndexStatus.
	Connectivity string `json:"connectivity,omitempty"`
	// DeviceDefender is IndexOff or IndexViolations, which is remembered but adds
	// nothing.
	DeviceDefender string `json:"deviceDefender,omitempty"`
	// NamedShadows is IndexOff or IndexOn, which adds the shadows in
	// NamedShadowNames, at most 10.
	NamedShadows     string   `json:"namedShadows,omitempty"`
	NamedShadowNames []string `json:"namedShadowNames,omitempty"`
	// GeoLocations are at most 5 fields that hold places, which are remembered but add
	// nothing.
	GeoLocations []GeoLocation `json:"geoLocations,omitempty"`
	// CustomFields are at most 5 fields whose type matters to aggregations.
	CustomFields []Field `json:"customFields,omitempty"`
	// ManagedFields are those that the index has by itself. Only in answers.
	ManagedFields []Field `json:"-"`
}

// GroupIndexing says whether there is an index of groups. An empty mode is IndexOff.
type GroupIndexing struct {
	// Mode is IndexOff or IndexOn.
	Mode string `json:"mode,omitempty"`
	// CustomFields are at most 5 fields whose type matters to aggregations.
	CustomFields []Field `json:"customFields,omitempty"`
	// ManagedFields are those that the index has by itself. Only in answers.
	ManagedFields []Field `json:"-"`
}

// IndexingConfiguration says what is indexed. In an update a nil part leaves things
// as they are; what is not nil replaces the part.
type IndexingConfiguration struct {
	Things *ThingIndexing `json:"things,omitempty"`
	Groups *GroupIndexing `json:"groups,omitempty"`
}

const indexingSetting = "indexing"

// indexing is a configuration with both parts and without empty modes.
type indexing struct {
	Things ThingIndexing
	Groups GroupIndexing
}

func (c IndexingConfiguration) filled(old indexing) indexing {
	if c.Things != nil {
		old.Things = *c.Things
		old.Things.NamedShadowNames = slices.Clone(c.Things.NamedShadowNames)
		old.Things.GeoLocations = slices.Clone(c.Things.GeoLocations)
		old.Things.CustomFields = slices.Clone(c.Things.CustomFields)
	}
	if c.Groups != nil {
		old.Groups = *c.Groups
		old.Groups.CustomFields = slices.Clone(c.Groups.CustomFields)
	}
	for _, mode := range []*string{
		&old.Things.Mode, &old.Things.Connectivity, &old.Things.DeviceDefender, &old.Things.NamedShadows, &old.Groups.Mode,
	} {
		if *mode == "" {
			*mode = IndexOff
		}
	}
	old.Things.ManagedFields, old.Groups.ManagedFields = nil, nil
	return old
}

// check checks what somebody wants to be indexed.
func (c *indexing) check(l *Limits) error {
	t := &c.Things
	const things, groups = "thingIndexingConfiguration.", "thingGroupIndexingConfiguration."
	for _, m := range []struct {
		field, mode string
		allowed     []string
	}{
		{things + "thingIndexingMode", t.Mode, []string{IndexOff, IndexRegistry, IndexRegistryAndShadow}},
		{things + "thingConnectivityIndexingMode", t.Connectivity, []string{IndexOff, IndexStatus}},
		{things + "deviceDefenderIndexingMode", t.DeviceDefender, []string{IndexOff, IndexViolations}},
		{things + "namedShadowIndexingMode", t.NamedShadows, []string{IndexOff, IndexOn}},
		{groups + "thingGroupIndexingMode", c.Groups.Mode, []string{IndexOff, IndexOn}},
	} {
		if err := checkEnum(m.field, m.mode, m.allowed...); err != nil {
			return err
		}
	}
	if t.Mode == IndexOff && (t.Connectivity != IndexOff || t.DeviceDefender != IndexOff || t.NamedShadows != IndexOff) {
		return invalid(things+"thingIndexingMode", t.Mode, "Member must not be OFF while connectivity, Device Defender or named shadows are indexed")
	}
	for _, name := range t.NamedShadowNames {
		if err := checkText(things+"filter.namedShadowNames.member", name, 1, 64, &shadowChars, shadowPattern); err != nil {
			return err
		}
	}
	if n := len(t.NamedShadowNames); over(n, l.NamedShadows) {
		return invalid(things+"filter.namedShadowNames", strconv.Itoa(n)+" names", "Member must have length less than or equal to "+strconv.Itoa(l.NamedShadows))
	}
	if err := checkGeoLocations(things+"filter.geoLocations", t.GeoLocations, l.CustomFields); err != nil {
		return err
	}
	for _, part := range []struct {
		field  string
		fields []Field
		schema index.Schema
	}{
		{things + "customFields", t.CustomFields, t.indexSchema()},
		{groups + "customFields", c.Groups.CustomFields, c.Groups.indexSchema()},
	} {
		if err := checkFields(part.field, part.fields, l.CustomFields); err != nil {
			return err
		}
		if err := part.schema.Validate(); err != nil {
			return refused("%s: %v", part.field, err)
		}
	}
	return nil
}

func checkGeoLocations(member string, places []GeoLocation, most int) error {
	if over(len(places), most) {
		return invalid(member, strconv.Itoa(len(places))+" places", "Member must have length less than or equal to "+strconv.Itoa(most))
	}
	for _, p := range places {
		if err := checkText(member+".name", p.Name, 1, 1024, nil, ""); err != nil {
			return err
		}
		if p.Order == "" {
			continue
		}
		if err := checkEnum(member+".order", p.Order, "LatLon", "LonLat"); err != nil {
			return err
		}
	}
	return nil
}

func checkFields(member string, fields []Field, most int) error {
	if over(len(fields), most) {
		return invalid(member, strconv.Itoa(len(fields))+" fields", "Member must have length less than or equal to "+strconv.Itoa(most))
	}
	seen := make(map[string]bool)
	for _, f := range fields {
		if err := checkText(member+".name", f.Name, 1, 1024, nil, ""); err != nil {
			return err
		}
		if seen[f.Name] {
			return invalid(member+".name", f.Name, "Member must not name a field twice")
		}
		seen[f.Name] = true
		if err := checkEnum(member+".type", f.Type, "Number", "String", "Boolean"); err != nil {
			return err
		}
	}
	return nil
}

// indexSchema is the configuration as the index takes it.
func (t *ThingIndexing) indexSchema() index.Schema {
	s := index.Schema{
		Kind: index.Things, Shadow: t.holdsShadow(""), Connectivity: t.Connectivity == IndexStatus,
		DeviceDefender: t.DeviceDefender == IndexViolations, CustomFields: indexFields(t.CustomFields),
	}
	if t.NamedShadows == IndexOn {
		s.NamedShadows = t.NamedShadowNames
	}
	return s
}

// indexSchema is the configuration as the index takes it.
func (g *GroupIndexing) indexSchema() index.Schema {
	return index.Schema{Kind: index.ThingGroups, CustomFields: indexFields(g.CustomFields)}
}

func indexFields(fields []Field) []index.Field {
	var own []index.Field
	for _, f := range fields {
		own = append(own, index.Field{Name: f.Name, Type: index.Type(f.Type)})
	}
	return own
}

func ownFields(fields []index.Field) []Field {
	own := make([]Field, 0, len(fields))
	for _, f := range fields {
		own = append(own, Field{Name: f.Name, Type: string(f.Type)})
	}
	return own
}

// schema names what the index of things holds, as DescribeIndex does.
func (t *ThingIndexing) schema() string {
	switch {
	case t.NamedShadows == IndexOn || t.DeviceDefender == IndexViolations:
		return "MULTI_INDEXING_MODE"
	case t.Connectivity == IndexStatus:
		return t.Mode + "_AND_CONNECTIVITY_STATUS"
	default:
		return t.Mode
	}
}

// readIndexing returns the configuration in the store.
func (s *Service) readIndexing(ctx context.Context) (c indexing, version int64, err error) {
	set, ok, err := lookup(ctx, s.store.Settings(), "setting", indexingSetting)
	if err != nil {
		return c, 0, err
	}
	var stored IndexingConfiguration
	if ok {
		if err := json.Unmarshal([]byte(set.Value), &stored); err != nil {
			return c, 0, fmt.Errorf("registry: setting %s is damaged: %w", indexingSetting, err)
		}
	}
	return stored.filled(indexing{}), set.Version, nil
}

// writeIndexing stores a configuration.
func (s *Service) writeIndexing(ctx context.Context, c indexing, was int64) error {
	value, err := json.Marshal(IndexingConfiguration{Things: &c.Things, Groups: &c.Groups})
	if err != nil {
		return fmt.Errorf("registry: setting %s: %w", indexingSetting, err)
	}
	return put(ctx, s.store.Settings(), "setting", indexingSetting, Setting{Value: string(value), Version: was + 1}, was)
}

// GetIndexingConfiguration returns what is indexed, both parts and their managed
// fields filled in. Before the first update nothing is.
func (s *Service) GetIndexingConfiguration(ctx context.Context) (IndexingConfiguration, error) {
	c, _, err := s.readIndexing(ctx)
	if err != nil {
		return IndexingConfiguration{}, err
	}
	c.Things.ManagedFields, c.Groups.ManagedFields = []Field{}, []Field{}
	if c.Things.Mode != IndexOff {
		c.Things.ManagedFields = ownFields(c.Things.indexSchema().ManagedFields())
	}
	if c.Groups.Mode != IndexOff {
		c.Groups.ManagedFields = ownFields(c.Groups.indexSchema().ManagedFields())
	}
	return IndexingConfiguration{Things: &c.Things, Groups: &c.Groups}, nil
}
