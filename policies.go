package thinghub

import (
	"context"
	"errors"

	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/registry"
)

// policyThings is how policies ask about things.
type policyThings struct{ hub *Hub }

// Immediate reports that it never waits for a disk or a network.
func (p policyThings) Immediate() bool { return p.hub.registry.Immediate() }

// Thing returns a thing as a principal sees it.
func (p policyThings) Thing(ctx context.Context, name, principal string) (*access.Thing, error) {
	r := p.hub.registry
	t, err := r.DescribeThing(ctx, name)
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrInvalid) { // no thing can have such a name
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, err
	}
	out := &access.Thing{Name: t.Name, Type: t.Type, Attributes: t.Attributes}
	if principal != "" {
		if out.Attached, err = r.Attached(ctx, name, principal); err != nil {
			return nil, err
		}
	}
	groups, err := r.GroupsAbove(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		out.Groups = append(out.Groups, r.GroupARN(g))
	}
	return out, nil
}
