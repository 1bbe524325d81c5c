package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/thinghub/thinghub/registry/index"
)

// A Search is a query of an index.
type Search struct {
	// Index is IndexThings or IndexGroups; empty for the first.
	Index string
	// Query is in the language of fleet indexing; see package index.
	Query string
	// Version is QueryVersion; empty for that.
	Version string
}

// A FoundThing is a thing that matches a search.
type FoundThing struct {
	Name, ID, Type string
	// Groups are the names of the groups the thing is in directly, its billing group
	// among them, sorted.
	Groups     []string
	Attributes map[string]string
	// Shadow is the indexed shadows as JSON, or "" if there are none: the members
	// of the classic shadow, hasDelta, and the named shadows under "name".
	Shadow string
	// Connectivity is nil if it is not indexed.
	Connectivity *Connectivity
}

// A FoundGroup is a thing group that matches a search.
type FoundGroup struct {
	Name, ID, Description string
	Attributes            map[string]string
	// Parents are the names of the groups above it, root first.
	Parents []string
}

// A SearchResult is one page of a search: Things of the index of things, Groups of
// the index of groups.
type SearchResult struct {
	Things []FoundThing
	Groups []FoundGroup
}

// SearchIndex returns what matches a query, in the order of names. A change is found
// as soon as the call that made it has returned.
//
// Errors: ErrInvalid, ErrInvalidQuery, ErrNotFound (the index is off),
// ErrIndexNotReady.
func (s *Service) SearchIndex(ctx context.Context, q Search, p Page) (result SearchResult, next string, err error) {
	x, query, err := s.openSearch(&q)
	if err != nil {
		return result, "", err
	}
	p.Max = min(p.Max, maxSearchPage)
	list := strings.Join([]string{"search", q.Index, q.Query}, "\x00")
	size, after, err := p.open(list, maxSearchPage)
	if err != nil {
		return result, "", err
	}
	names, more, err := x.Search(query, after, size)
	if err != nil {
		return result, "", indexError(err)
	}
	if more != "" {
		next = makeToken(list, more)
	}
	if q.Index == IndexGroups {
		result.Groups, err = s.foundGroups(ctx, names)
	} else {
		result.Things, err = s.foundThings(ctx, names)
	}
	return result, next, err
}

// checkQueryForm checks what is said about a query, but not what it says.
func checkQueryForm(query, version string) error {
	if query == "" {
		return invalid("queryString", query, "Member must have length greater than or equal to 1")
	}
	if !utf8.ValidString(query) {
		return invalid("queryString", query, "Member must be UTF-8 text")
	}
	if version != QueryVersion {
		return invalid("queryVersion", version, "Member must be "+QueryVersion)
	}
	return nil
}

// openSearch checks a search, fills in its defaults and finds its index.
func (s *Service) openSearch(q *Search) (*index.Index, *index.Query, error) {
	if q.Index == "" {
		q.Index = IndexThings
	}
	if q.Version == "" {
		q.Version = QueryVersion
	}
	if err := checkName("indexName", q.Index); err != nil {
		return nil, nil, err
	}
	if err := checkQueryForm(q.Query, q.Version); err != nil {
		return nil, nil, err
	}
	x, _ := s.fleet.index(q.Index)
	query, err := s.readQuery(x, q.Index, q.Query)
	return x, query, err
}

// index returns an index of the current view, or nil, and its status, or "" if it is
// off.
func (f *fleet) index(name string) (x *index.Index, status string) {
	of := func(v *view) *index.Index {
		switch {
		case v == nil:
			return nil
		case name == IndexThings:
			return v.things
		case name == IndexGroups:
			return v.groups
		default:
			return nil
		}
	}
	x = of(f.current.Load())
	next := of(f.next.Load())
	switch {
	case x != nil && next != nil && x != next:
		return x, IndexRebuilding
	case x != nil:
		return x, IndexActive
	case next != nil:
		return nil, IndexBuilding
	default:
		return nil, ""
	}
}

// readQuery reads a query of the index of a name, which is nil if it cannot be
// searched.
func (s *Service) readQuery(x *index.Index, name, query string) (*index.Query, error) {
	if x == nil {
		if _, status := s.fleet.index(name); status == IndexBuilding {
			return nil, &Error{Kind: ErrIndexNotReady, Message: fmt.Sprintf("Index %s is being built.", name)}
		}
		return nil, notFound("Index %s does not exist: indexing is off.", name)
	}
	q, err := index.Parse(query)
	if err == nil {
		err = x.Schema().Check(q)
	}
	if err != nil {
		return nil, indexError(err)
	}
	return q, nil
}

// indexError makes an error of this package of one of the index.
func indexError(err error) error {
	for _, e := range [...]struct{ kind, of error }{
		{ErrInvalidQuery, index.ErrInvalidQuery},
		{ErrInvalidAggregation, index.ErrInvalidAggregation},
		{ErrInvalid, index.ErrInvalidSchema},
	} {
		if errors.Is(err, e.of) {
			return &Error{Kind: e.kind, Message: err.Error()}
		}
	}
	return fmt.Errorf("registry: %w", err)
}

// foundThings reads the things of a page. What was deleted meanwhile is left out.
func (s *Service) foundThings(ctx context.Context, names []string) ([]FoundThing, error) {
	found := make([]FoundThing, 0, len(names))
	c := &s.fleet.current.Load().config.Things
	for _, name := range names {
		t, known, err := s.foundThing(ctx, name, c)
		if err != nil {
			return nil, err
		}
		if !known {
			continue
		}
		shadows, err := s.shadowsOf(ctx, name, c)
		if err != nil {
			return nil, err
		}
		t.Shadow = shadowText(c, shadows)
		found = append(found, t)
	}
	return found, nil
}

// foundThing reads a thing, without its shadows.
func (s *Service) foundThing(ctx context.Context, name string, c *ThingIndexing) (f FoundThing, known bool, err error) {
	defer s.locks.thing(name)()
	t, known, err := lookup(ctx, s.store.Things(), "thing", name)
	if err != nil || !known {
		return f, false, err
	}
	groups, err := s.staticGroupsOf(ctx, name)
	if err != nil {
		return f, false, err
	}
	f = FoundThing{Name: t.Name, ID: t.ID, Type: t.Type, Attributes: t.Attributes, Groups: s.fleet.dynamicOf(name)}
	for _, g := range groups {
		f.Groups = append(f.Groups, g.Name)
	}
	billing, err := s.billingGroupOf(ctx, name)
	if err != nil {
		return f, false, err
	}
	if billing != "" {
		f.Groups = append(f.Groups, billing)
	}
	slices.Sort(f.Groups)
	if c.Connectivity == IndexStatus {
		is, _ := s.conns.get(name)
		f.Connectivity = &is
	}
	return f, true, nil
}

// shadowText returns the indexed shadows of a thing in one JSON object, or "".
func shadowText(c *ThingIndexing, shadows map[string][]byte) string {
	var b []byte
	if doc := shadows[""]; doc != nil && c.holdsShadow("") {
		b = appendShadow(b, doc)
	}
	named := false
	for _, name := range sortedKeys(shadows) {
		if name == "" || !c.holdsShadow(name) {
			continue
		}
		switch {
		case named:
			b = append(b, ',')
		case b == nil:
			b = append(b, `{"name":{`...)
		default:
			b = append(b[:len(b)-1], `,"name":{`...)
		}
		named = true
		b = gjson.AppendJSONString(b, name)
		b = appendShadow(append(b, ':'), shadows[name])
	}
	if named {
		b = append(b, "}}"...)
	}
	return string(b)
}

// appendShadow appends a document with hasDelta among its members.
func appendShadow(b, doc []byte) []byte {
	b = append(b, '{')
	gjson.ParseBytes(doc).ForEach(func(key, value gjson.Result) bool {
		b = append(append(append(append(b, key.Raw...), ':'), value.Raw...), ',')
		return true
	})
	return fmt.Appendf(b, `"hasDelta":%t}`, gjson.GetBytes(doc, "delta").Exists())
}

// foundGroups reads the groups of a page.
func (s *Service) foundGroups(ctx context.Context, names []string) ([]FoundGroup, error) {
	found := make([]FoundGroup, 0, len(names))
	s.locks.structure.RLock()
	defer s.locks.structure.RUnlock()
	for _, name := range names {
		g, ok, err := lookup(ctx, s.store.Groups(), "thing group", name)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		path, err := s.pathTo(ctx, g)
		if err != nil {
			return nil, err
		}
		f := FoundGroup{Name: g.Name, ID: g.ID, Description: g.Description, Attributes: g.Attributes}
		for _, p := range path {
			f.Parents = append(f.Parents, p.Name)
		}
		found = append(found, f)
	}
	return found, nil
}

// An IndexInfo describes an index.
type IndexInfo struct {
	Name string
	// Status is IndexActive, IndexBuilding or IndexRebuilding.
	Status string
	// Schema names what the index holds: "REGISTRY",
	// "REGISTRY_AND_SHADOW_AND_CONNECTIVITY_STATUS", "MULTI_INDEXING_MODE", ...
	Schema string
}

// DescribeIndex returns what there is to know of an index. Errors: ErrInvalid,
// ErrNotFound (no such index, or it is off).
func (s *Service) DescribeIndex(_ context.Context, name string) (IndexInfo, error) {
	if err := checkName("indexName", name); err != nil {
		return IndexInfo{}, err
	}
	_, status := s.fleet.index(name)
	if status == "" {
		return IndexInfo{}, notFound("Index %s does not exist.", name)
	}
	info := IndexInfo{Name: name, Status: status, Schema: IndexRegistry}
	if name == IndexThings {
		v := s.fleet.current.Load()
		if status == IndexBuilding {
			if next := s.fleet.next.Load(); next != nil {
				v = next
			}
		}
		info.Schema = v.config.Things.schema()
	}
	return info, nil
}

// ListIndices returns the names of the indices that are on. Errors: ErrInvalid.
func (s *Service) ListIndices(_ context.Context, p Page) (names []string, next string, err error) {
	size, after, err := p.open("indices", maxIndexPage)
	if err != nil {
		return nil, "", err
	}
	var on []string
	for _, name := range [...]string{IndexGroups, IndexThings} {
		if _, status := s.fleet.index(name); status != "" {
			on = append(on, name)
		}
	}
	return take(namesAfter(on, after), "indices", size, func(n string) string { return n }, func(n string) (string, bool) { return n, true })
}
