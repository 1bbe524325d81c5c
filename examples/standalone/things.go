package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/thinghub/thinghub/registry"
)

// thing is an entry of the file's things.
type thing struct {
	name, kind string
	attributes map[string]string
	groups     []string
}

func (f *file) addThing(field string, value json.RawMessage) error {
	t := thing{attributes: map[string]string{}}
	err := members(value, func(name string, v json.RawMessage) (err error) {
		switch name {
		case "name":
			t.name, err = text(field+".name", v)
		case "type":
			t.kind, err = text(field+".type", v)
		case "attributes":
			err = members(v, func(key string, v json.RawMessage) (err error) {
				t.attributes[key], err = text(field+".attributes."+key, v)
				return err
			})
		case "groups":
			err = elements(field+".groups", v, func(at string, v json.RawMessage) error {
				g, err := text(at, v)
				t.groups = append(t.groups, g)
				return err
			})
		default:
			err = fmt.Errorf("unknown name %q in %s, expected name, type, attributes or groups", name, field)
		}
		return err
	})
	if err == nil && t.name == "" {
		err = fmt.Errorf("%s has no name", field)
	}
	f.things = append(f.things, t)
	return err
}

// register puts the file's things into the registry, with the types and groups they
// name. What is there already stays as it is.
func (f *file) register(ctx context.Context, r *registry.Service) error {
	for i, t := range f.things {
		if _, err := r.DescribeThing(ctx, t.name); err == nil {
			continue
		}
		if t.kind != "" {
			if _, err := r.DescribeThingType(ctx, t.kind); err != nil {
				if _, err := r.CreateThingType(ctx, t.kind, registry.TypeProperties{}, nil); err != nil {
					return fmt.Errorf("things[%d].type: %w", i, err)
				}
			}
		}
		if _, err := r.CreateThing(ctx, registry.CreateThingInput{Name: t.name, Type: t.kind, Attributes: t.attributes}); err != nil {
			return fmt.Errorf("things[%d]: %w", i, err)
		}
		for _, g := range t.groups {
			if _, err := r.DescribeThingGroup(ctx, g); err != nil {
				if _, err := r.CreateThingGroup(ctx, registry.CreateGroupInput{Name: g}); err != nil {
					return fmt.Errorf("things[%d].groups: %w", i, err)
				}
			}
			if err := r.AddThingToThingGroup(ctx, registry.Membership{Group: g, Thing: t.name}); err != nil {
				return fmt.Errorf("things[%d].groups: %w", i, err)
			}
		}
	}
	return nil
}
