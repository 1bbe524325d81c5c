package registry

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"

	"github.com/thinghub/thinghub/registry/index"
)

// A view is the indices of one configuration and the dynamic groups as they see them.
type view struct {
	config indexing
	things *index.Index // nil when off
	groups *index.Index // nil when off
	// dynamic are the dynamic groups, the oldest first. The slice is replaced, under
	// locks.structure, never changed.
	dynamic []*dynamicGroup
}

// A dynamicGroup is a dynamic group in one view. Its members are in the index.
type dynamicGroup struct {
	Name, ID string
	created  time.Time
	query    *index.Query // does not see dynamic groups; nil when it is going and its members leave
	void     bool         // the index cannot answer the query: nothing matches
	fields   []string     // what the query is about
	bare     bool         // whether it is about any field
	// gathering is set until all members have been found, or have left.
	gathering atomic.Bool
}

// The parts of the index's documents of things: what changes for itself.
const (
	partRegistry     = "registry"
	partBilling      = "billing group"
	partConnectivity = "connectivity"
	partDynamic      = "dynamic groups"
)

func partShadow(name string) string { return "shadow " + name }

// isPartOf reports whether a field is in a part.
func isPartOf(part, field string) bool {
	first, rest, _ := strings.Cut(field, ".")
	switch first {
	case "connectivity":
		return part == partConnectivity
	case "shadow":
		name := ""
		if named, ok := strings.CutPrefix(rest, "name."); ok {
			name, _, _ = strings.Cut(named, ".")
		}
		return part == partShadow(name)
	default:
		return part == partRegistry || part == partBilling
	}
}

// dynamicGroup returns a dynamic group for the view. If its fields are not indexed any
// more it has no members.
func (v *view) dynamicGroup(g Group, q *index.Query) *dynamicGroup {
	d := &dynamicGroup{Name: g.Name, ID: g.ID, created: g.Created, query: q.Without(partDynamic)}
	d.void = v.things == nil || v.things.Schema().Check(q) != nil
	d.fields, d.bare = q.Fields(), q.Bare()
	return d
}

// reads reports whether a change of a part may change the members.
func (g *dynamicGroup) reads(part string) bool {
	return g.query == nil || g.bare || slices.ContainsFunc(g.fields, func(f string) bool { return isPartOf(part, f) })
}

// older puts groups in the order in which they fill the room that things have.
func older(a, b *dynamicGroup) int {
	return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.Name, b.Name))
}

// adopt gives a view the dynamic groups of another, without members.
func (v *view) adopt(groups []*dynamicGroup) {
	for _, g := range groups {
		if g.query != nil {
			v.dynamic = append(v.dynamic, v.dynamicGroup(Group{Name: g.Name, ID: g.ID, Created: g.created}, g.query))
		}
	}
}

// newView returns a view without contents.
func newView(c indexing) (*view, error) {
	v := &view{config: c}
	var err error
	if c.Things.Mode != IndexOff {
		v.things, err = index.New(c.Things.indexSchema())
	}
	if err == nil && c.Groups.Mode != IndexOff {
		v.groups, err = index.New(c.Groups.indexSchema())
	}
	return v, err
}

// group returns a dynamic group, or nil.
func (v *view) group(name string) *dynamicGroup {
	for _, g := range v.dynamic {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// staticOf returns the names of a thing's static groups, dynamicOf those of its dynamic
// ones.
func (v *view) staticOf(thing string) []string {
	return v.things.Values(thing, partRegistry, "thingGroupNames")
}

func (v *view) dynamicOf(thing string) []string {
	if v.things == nil {
		return nil
	}
	return v.things.Values(thing, partDynamic, "thingGroupNames")
}

// matching returns the names of the dynamic groups a thing belongs to, as many as there
// is room for; -1 is no limit.
func (v *view) matching(thing string, room int) (names []string) {
	for _, g := range v.dynamic {
		if len(names) == room {
			break
		}
		if g.query != nil && !g.void && v.things.Match(g.query, thing) {
			names = append(names, g.Name)
		}
	}
	return names
}

// documents are reused: most are made to find that little has changed.
var documents = sync.Pool{New: func() any { return &index.Document{} }}

// document lends an empty document.
func document(use func(d *index.Document)) {
	d := documents.Get().(*index.Document)
	d.Reset()
	use(d)
	documents.Put(d)
}

// addThing adds what the registry says of a thing.
func addThing(d *index.Document, t Thing, groups []Group) {
	d.AddString("thingName", t.Name)
	d.AddString("thingId", t.ID)
	if t.Type != "" {
		d.AddString("thingTypeName", t.Type)
	}
	d.AddNumber("registry.version", float64(t.Version))
	for _, g := range groups {
		addGroupName(d, g.Name)
	}
	for _, k := range sortedKeys(t.Attributes) {
		d.AddString("attributes."+k, t.Attributes[k])
	}
}

// addGroupName adds a group that a thing is in: a static, dynamic or billing group.
func addGroupName(d *index.Document, name string) {
	if name != "" {
		d.AddString("thingGroupNames", name)
	}
}

// addConnectivity adds whether the client of a thing is connected.
func addConnectivity(d *index.Document, c Connectivity) {
	d.AddBool("connectivity.connected", c.Connected)
	if !c.Timestamp.IsZero() {
		d.AddNumber("connectivity.timestamp", float64(c.Timestamp.UnixMilli()))
		d.AddNumber("connectivity.version", float64(c.Version))
	}
	if c.DisconnectReason != "" {
		d.AddString("connectivity.disconnectReason", c.DisconnectReason)
	}
}

// addShadow adds a shadow; one that was deleted, which has no document, adds nothing.
func addShadow(d *index.Document, name string, doc []byte) {
	if doc == nil {
		return
	}
	prefix := "shadow."
	if name != "" {
		prefix = "shadow.name." + name + "."
	}
	delta := false
	gjson.ParseBytes(doc).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "delta":
			delta = true
			fallthrough
		case "desired", "reported", "metadata":
			d.AddJSON(prefix+key.Str, value.Raw)
		case "version":
			d.AddNumber(prefix+"version", value.Num)
		}
		return true
	})
	d.AddBool(prefix+"hasDelta", delta)
}

// addGroup adds a group; path are the groups above it.
func addGroup(d *index.Document, g Group, path []Group) {
	d.AddString("thingGroupName", g.Name)
	d.AddString("thingGroupId", g.ID)
	d.AddNumber("version", float64(g.Version))
	if g.Description != "" {
		d.AddString("description", g.Description)
	}
	for _, p := range path {
		d.AddString("parentGroupNames", p.Name)
	}
	for _, k := range sortedKeys(g.Attributes) {
		d.AddString("attributes."+k, g.Attributes[k])
	}
}
