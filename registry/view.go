package registry

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
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
	// of are the dynamic groups of the things that are in any.
	of map[string][]*dynamicGroup
}

// A dynamicGroup is a dynamic group in one view.
type dynamicGroup struct {
	Name, ID string
	created  time.Time
	query    *index.Query
	members  ordered
}

// same reports whether two are the same group, in whichever views.
func (g *dynamicGroup) same(o *dynamicGroup) bool { return g.ID == o.ID }

// older puts groups in the order in which they fill the room that things have.
func older(a, b *dynamicGroup) int {
	return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.Name, b.Name))
}

// emptied returns the groups for another view.
func emptied(groups []*dynamicGroup) []*dynamicGroup {
	own := make([]*dynamicGroup, len(groups))
	for i, g := range groups {
		own[i] = &dynamicGroup{Name: g.Name, ID: g.ID, created: g.created, query: g.query}
	}
	return own
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

// matching returns the dynamic groups a thing belongs to, as many as there is room
// for; -1 is no limit. The queries do not see dynamic groups.
func (v *view) matching(p *profile, room int) (groups []*dynamicGroup) {
	if len(v.dynamic) == 0 || room == 0 {
		return nil
	}
	doc := v.document(p, nil)
	for _, g := range v.dynamic {
		if g.query.Match(doc) {
			if groups = append(groups, g); len(groups) == room {
				break
			}
		}
	}
	return groups
}

// join puts a thing into these dynamic groups and no others, and returns those it was
// in. The fleet's mu is held.
func (v *view) join(thing string, groups []*dynamicGroup) (was []*dynamicGroup) {
	was = v.of[thing]
	for _, g := range was {
		if !slices.Contains(groups, g) {
			g.members.remove(thing)
		}
	}
	for _, g := range groups {
		g.members.insert(thing)
	}
	if len(groups) == 0 {
		delete(v.of, thing)
		return was
	}
	if v.of == nil {
		v.of = make(map[string][]*dynamicGroup)
	}
	v.of[thing] = groups
	return was
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

// document is what the index of things holds of one.
func (v *view) document(p *profile, dynamic []*dynamicGroup) *index.Document {
	d := &index.Document{}
	d.AddString("thingName", p.Name)
	d.AddString("thingId", p.ID)
	if p.Type != "" {
		d.AddString("thingTypeName", p.Type)
	}
	d.AddNumber("registry.version", float64(p.Version))
	for _, g := range p.groups {
		d.AddString("thingGroupNames", g.Name)
	}
	for _, g := range dynamic {
		d.AddString("thingGroupNames", g.Name)
	}
	for k, a := range p.Attributes {
		d.AddString("attributes."+k, a)
	}
	if v.config.Things.Connectivity == IndexStatus {
		c := &p.connectivity
		d.AddBool("connectivity.connected", c.Connected)
		if !c.Timestamp.IsZero() {
			d.AddNumber("connectivity.timestamp", float64(c.Timestamp.UnixMilli()))
			d.AddNumber("connectivity.version", float64(c.Version))
		}
		if c.DisconnectReason != "" {
			d.AddString("connectivity.disconnectReason", c.DisconnectReason)
		}
	}
	for name, doc := range p.shadows {
		if !v.config.Things.holdsShadow(name) {
			continue
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
				d.AddJSON(prefix+key.Str, []byte(value.Raw))
			case "version":
				d.AddNumber(prefix+"version", value.Num)
			}
			return true
		})
		d.AddBool(prefix+"hasDelta", delta)
	}
	return d
}

// groupDocument is what the index of groups holds of one; path are the groups above
// it.
func groupDocument(g Group, path []Group) *index.Document {
	d := &index.Document{}
	d.AddString("thingGroupName", g.Name)
	d.AddString("thingGroupId", g.ID)
	d.AddNumber("version", float64(g.Version))
	if g.Description != "" {
		d.AddString("description", g.Description)
	}
	for _, p := range path {
		d.AddString("parentGroupNames", p.Name)
	}
	for k, a := range g.Attributes {
		d.AddString("attributes."+k, a)
	}
	return d
}

// What follows is asked without a thing's lock.

// dynamicStatus returns the status of all dynamic groups.
func (f *fleet) dynamicStatus() string {
	if f.next.Load() != nil {
		return IndexRebuilding
	}
	if f.current.Load().things == nil {
		return IndexBuilding // until things are indexed
	}
	return IndexActive
}

// dynamicOf returns the names of a thing's dynamic groups.
func (f *fleet) dynamicOf(thing string) (names []string) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, g := range f.current.Load().of[thing] {
		names = append(names, g.Name)
	}
	return names
}

func (f *fleet) countDynamic(thing string) int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.current.Load().of[thing])
}

// dynamicMembers yields the members of a dynamic group, sorted. locks.structure is
// held.
func (f *fleet) dynamicMembers(group, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		g := f.current.Load().group(group)
		if g == nil {
			return
		}
		after := after
		for {
			f.mu.RLock()
			names := g.members.after(nil, after, batchSize)
			f.mu.RUnlock()
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			if len(names) < batchSize {
				return
			}
			after = names[len(names)-1]
		}
	}
}

// withAttribute yields at least the things that have an attribute with a value, found
// by the index, or nil if there is none.
func (f *fleet) withAttribute(ctx context.Context, filter ThingFilter, after string) iter.Seq2[string, error] {
	x := f.current.Load().things
	if x == nil {
		return nil
	}
	q := index.Term("attributes."+filter.AttributeName, filter.AttributeValue)
	if filter.PrefixValue {
		q = index.Prefix("attributes."+filter.AttributeName, filter.AttributeValue)
	}
	return func(yield func(string, error) bool) {
		after := after
		for {
			names, next, err := x.Search(q, after, batchSize)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield("", fmt.Errorf("search the index: %w", err))
				return
			}
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			if after = next; next == "" {
				return
			}
		}
	}
}
