package registry

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// pathTo returns the groups above a group, root first.
func (s *Service) pathTo(ctx context.Context, g Group) (path []Group, err error) {
	seen := map[string]bool{g.Name: true}
	for parent := g.Parent; parent != ""; {
		if seen[parent] {
			return nil, fmt.Errorf("registry: thing group %s is its own ancestor", parent)
		}
		seen[parent] = true
		p, err := s.group(ctx, parent)
		if err != nil {
			return nil, err
		}
		path, parent = append(path, p), p.Parent
	}
	slices.Reverse(path)
	return path, nil
}

// pathToNew is pathTo of a group that is about to be created: may it be there?
func (s *Service) pathToNew(ctx context.Context, g Group) ([]Group, error) {
	if g.Parent == "" {
		return nil, nil
	}
	parent, ok, err := lookup(ctx, s.store.Groups(), "thing group", g.Parent)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, refused("Parent thing group %s cannot be found.", g.Parent)
	case parent.Dynamic():
		return nil, refused("Parent thing group %s is dynamic, expected a static one", g.Parent)
	}
	path, err := s.pathTo(ctx, g)
	if err != nil {
		return nil, err
	}
	if depth := len(path) + 1; over(depth, s.limits.GroupDepth) {
		return nil, refused("Thing group %s would be at depth %d of its hierarchy, at most %d is allowed", g.Name, depth, s.limits.GroupDepth)
	}
	children, err := s.children(ctx, g.Parent)
	if err != nil {
		return nil, err
	}
	if n := len(children) + 1; over(n, s.limits.GroupChildren) {
		return nil, refused("Thing group %s would have %d direct children, at most %d are allowed", g.Parent, n, s.limits.GroupChildren)
	}
	return path, nil
}

// root returns the topmost group above a group, or the group.
func (s *Service) root(ctx context.Context, g Group) (Group, error) {
	path, err := s.pathTo(ctx, g)
	if err != nil || len(path) == 0 {
		return g, err
	}
	return path[0], nil
}

// children returns the names of a group's direct children, sorted.
func (s *Service) children(ctx context.Context, name string) (names []string, err error) {
	for l, err := range s.store.Links().To(ctx, LinkParent, name, "") {
		if err != nil {
			return nil, fmt.Errorf("registry: children of thing group %s: %w", name, err)
		}
		// A creation that was cut short leaves a link without its group.
		if _, ok, err := lookup(ctx, s.store.Groups(), "thing group", l.From); err != nil {
			return nil, err
		} else if ok {
			names = append(names, l.From)
		}
	}
	return names, nil
}

// descendants returns the names of all groups below a group, sorted.
func (s *Service) descendants(ctx context.Context, name string) ([]string, error) {
	all, err := s.children(ctx, name)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(all); i++ {
		more, err := s.children(ctx, all[i])
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	slices.Sort(all)
	return all, nil
}

// namesAfter yields sorted names that come after one.
func namesAfter(names []string, after string) iter.Seq2[string, error] {
	i, found := slices.BinarySearch(names, after)
	if found {
		i++
	}
	return func(yield func(string, error) bool) {
		for _, n := range names[i:] {
			if !yield(n, nil) {
				return
			}
		}
	}
}

// beforePrefix returns a name after which all names with a prefix come, and as few
// others as can be.
func beforePrefix(after, prefix string) string {
	if prefix == "" || after >= prefix {
		return after
	}
	// The name just before the prefix: its last byte one lower, followed by bytes
	// that no name has.
	last := len(prefix) - 1
	return prefix[:last] + string([]byte{prefix[last] - 1}) + "\xff"
}

// upTo ends a sorted sequence after the names with a prefix.
func upTo[T any](seq iter.Seq2[T, error], name func(T) string, prefix string) iter.Seq2[T, error] {
	if prefix == "" {
		return seq
	}
	return func(yield func(T, error) bool) {
		for v, err := range seq {
			if err == nil && name(v) > prefix && !strings.HasPrefix(name(v), prefix) {
				return
			}
			if !yield(v, err) {
				return
			}
		}
	}
}
