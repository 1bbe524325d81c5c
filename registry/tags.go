package registry

import (
	"context"
	"maps"

	"github.com/thinghub/thinghub/internal/arn"
)

// A Tag is one tag of a resource.
type Tag struct{ Key, Value string }

// TagResource gives a resource tags, or their keys new values. Resources are named
// by their ARNs; things, thing types, thing groups, billing groups, fleet metrics and what
// [Config].Tagged knows can be tagged. Keys are 1 to 128 letters, digits, blanks and "_.:/=+-@", not beginning with
// "aws:"; values are up to 256 characters.
//
// Errors: ErrInvalid, ErrNotFound, ErrLimitExceeded (more than 50 tags).
func (s *Service) TagResource(ctx context.Context, resourceARN string, tags map[string]string) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	return s.changeTags(ctx, resourceARN, func(have map[string]string) { maps.Copy(have, tags) })
}

// UntagResource takes tags away; that there are none of these keys is no error.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) UntagResource(ctx context.Context, resourceARN string, keys []string) error {
	for _, k := range keys {
		if err := checkText("tagKeys.member", k, 1, maxTagKey, nil, ""); err != nil {
			return err
		}
	}
	return s.changeTags(ctx, resourceARN, func(have map[string]string) {
		for _, k := range keys {
			delete(have, k)
		}
	})
}

// changeTags changes the tags of a resource that exists, under the locks that keep
// it existing.
func (s *Service) changeTags(ctx context.Context, name string, change func(map[string]string)) error {
	kind, id, err := s.ownResource(name)
	if err != nil {
		return err
	}
	if kind == kindThing {
		defer s.locks.thing(id)()
	} else {
		defer s.locks.change()()
	}
	return again(func() error {
		if err := s.mustExist(ctx, kind, id, name); err != nil {
			return err
		}
		old, _, err := lookup(ctx, s.store.Tags(), "tags of", name)
		if err != nil {
			return err
		}
		t := Tags{Values: old.Values, Version: old.Version + 1}
		if t.Values == nil {
			t.Values = make(map[string]string)
		}
		had := len(t.Values)
		change(t.Values)
		if over(len(t.Values), s.limits.Tags) && len(t.Values) > had {
			return overLimit("%s would have %d tags, at most %d are allowed", name, len(t.Values), s.limits.Tags)
		}
		if len(t.Values) == 0 {
			if old.Version == 0 {
				return nil
			}
			return drop(ctx, s.store.Tags(), "tags of", name, old.Version)
		}
		return put(ctx, s.store.Tags(), "tags of", name, t, old.Version)
	})
}

// ListTagsForResource returns the tags of a resource in the order of their keys.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) ListTagsForResource(ctx context.Context, resourceARN string, p Page) (tags []Tag, next string, err error) {
	kind, id, err := s.ownResource(resourceARN)
	if err != nil {
		return nil, "", err
	}
	list := "tags\x00" + resourceARN
	size, after, err := p.open(list, maxPage)
	if err != nil {
		return nil, "", err
	}
	if err := s.mustExist(ctx, kind, id, resourceARN); err != nil {
		return nil, "", err
	}
	t, _, err := lookup(ctx, s.store.Tags(), "tags of", resourceARN)
	if err != nil {
		return nil, "", err
	}
	keys := func(yield func(string, error) bool) {
		for _, k := range sortedKeys(t.Values) {
			if k > after && !yield(k, nil) {
				return
			}
		}
	}
	return take(keys, list, size, func(k string) string { return k }, func(k string) (Tag, bool) { return Tag{k, t.Values[k]}, true })
}

// The kinds of resources that can be tagged.
const (
	kindThing        = "thing"
	kindType         = "thingtype"
	kindGroup        = "thinggroup"
	kindBillingGroup = "billinggroup"
	kindFleetMetric  = "fleetmetric"
)

// tagged are the kinds of other rooms, which Config.Tagged knows.
var tagged = map[string]bool{"rule": true, "policy": true, "cacert": true, "rolealias": true, "authorizer": true, "provisioningtemplate": true}

// ownResource takes the name of a resource of this registry apart.
func (s *Service) ownResource(name string) (kind, id string, err error) {
	n, err := arn.Parse(name)
	if err != nil {
		return "", "", invalid("resourceArn", name, "Member must be a resource name, arn:partition:iot:region:account:type/name")
	}
	kind, id = n.Split()
	switch kind {
	case kindThing, kindType, kindGroup, kindBillingGroup, kindFleetMetric:
	default:
		if !tagged[kind] {
			return "", "", invalid("resourceArn", name, "Member must name a thing, thinggroup, thingtype, billinggroup, fleetmetric, rule, policy, cacert, rolealias, authorizer or provisioningtemplate")
		}
	}
	if n.Service != "iot" || n.Scope != s.cfg.Scope || tagged[kind] && s.cfg.Tagged == nil {
		return "", "", notFound("Resource %s cannot be found.", shorten(name))
	}
	return kind, id, nil
}

func (s *Service) mustExist(ctx context.Context, kind, id, name string) error {
	if id == "" {
		return notFound("Resource %s cannot be found.", shorten(name))
	}
	var err error
	switch kind {
	case kindThing:
		_, err = get(ctx, s.store.Things(), "Thing", id)
	case kindType:
		_, err = get(ctx, s.store.Types(), "Thing type", id)
	case kindGroup:
		_, err = get(ctx, s.store.Groups(), "Thing group", id)
	case kindBillingGroup:
		_, err = get(ctx, s.store.BillingGroups(), "Billing group", id)
	case kindFleetMetric:
		_, err = get(ctx, s.store.FleetMetrics(), "Fleet metric", id)
	default: // of another room
		ok, failed := s.cfg.Tagged(ctx, kind+"/"+id)
		if failed != nil {
			return failed
		}
		if !ok {
			err = notFound("Resource %s cannot be found.", shorten(name))
		}
	}
	return err
}

// CheckNewTags checks the tags of a resource that is to be created, perhaps in another
// room. Errors: ErrInvalid.
func (s *Service) CheckNewTags(tags map[string]string) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	if over(len(tags), s.limits.Tags) {
		return refused("%d tags were given, at most %d are allowed", len(tags), s.limits.Tags)
	}
	return nil
}

// putNewTags stores the tags of a resource that is about to be created, in place of
// any that a creation which failed has left.
func (s *Service) putNewTags(ctx context.Context, name string, tags map[string]string) error {
	if err := s.dropTags(ctx, name); err != nil || len(tags) == 0 {
		return err
	}
	return put(ctx, s.store.Tags(), "tags of", name, Tags{Values: tags, Version: 1}, 0)
}

// ForgetTags removes the tags of a resource of another room's that is gone.
func (s *Service) ForgetTags(ctx context.Context, resourceARN string) error {
	defer s.locks.change()()
	return again(func() error { return s.dropTags(ctx, resourceARN) })
}

// dropTags removes the tags of a resource that is going.
func (s *Service) dropTags(ctx context.Context, name string) error {
	t, ok, err := lookup(ctx, s.store.Tags(), "tags of", name)
	if err != nil || !ok {
		return err
	}
	return drop(ctx, s.store.Tags(), "tags of", name, t.Version)
}
