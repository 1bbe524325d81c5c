package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

func TestTags(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	create(t, s, "x")
	createGroups(t, s, "x")
	_, err := s.CreateThingType(ctx, "x", registry.TypeProperties{}, nil)
	require.NoError(t, err)
	_, err = s.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: "x"})
	require.NoError(t, err)
	for _, resource := range []string{s.ThingARN("x"), s.TypeARN("x"), s.GroupARN("x"), s.BillingGroupARN("x")} {
		require.NoError(t, s.UntagResource(ctx, resource, []string{"none"}))
		require.NoError(t, s.TagResource(ctx, resource, map[string]string{"b": "1", "a": "", "Ä b_.:/=+-@9": "ü ∞"}))
		require.NoError(t, s.TagResource(ctx, resource, map[string]string{"b": "2", "c": resource}))
		require.NoError(t, s.UntagResource(ctx, resource, []string{"a", "none"}))
		tags, next, err := s.ListTagsForResource(ctx, resource, registry.Page{Max: 2})
		require.NoError(t, err)
		require.Equal(t, []registry.Tag{{"b", "2"}, {"c", resource}}, tags)
		tags, next, err = s.ListTagsForResource(ctx, resource, registry.Page{Max: 2, Token: next})
		require.NoError(t, err)
		require.Equal(t, []registry.Tag{{"Ä b_.:/=+-@9", "ü ∞"}}, tags)
		require.Empty(t, next)
		require.NoError(t, s.UntagResource(ctx, resource, []string{"b", "c", "Ä b_.:/=+-@9"}))
		tags, _, err = s.ListTagsForResource(ctx, resource, registry.Page{})
		require.NoError(t, err)
		require.NotNil(t, tags)
		require.Empty(t, tags)
		require.NoError(t, s.TagResource(ctx, resource, map[string]string{"again": "1"}))
	}
}

func TestTagForms(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	create(t, s, "x")
	for name, c := range map[string]struct {
		resource string
		tags     map[string]string
		kind     error
		text     string
	}{
		"no ARN":             {"x", nil, registry.ErrInvalid, "resourceArn"},
		"nothing":            {"", nil, registry.ErrInvalid, "resourceArn"},
		"other kind":         {arnPrefix + "cert/x", nil, registry.ErrInvalid, "Member must name a thing, thinggroup, thingtype, billinggroup, fleetmetric, rule, policy, cacert, rolealias, authorizer or provisioningtemplate"},
		"other region":       {"arn:aws:iot:us-east-1:123456789012:thing/x", nil, registry.ErrNotFound, "cannot be found"},
		"other account":      {"arn:aws:iot:eu-west-1:1:thing/x", nil, registry.ErrNotFound, "cannot be found"},
		"other service":      {"arn:aws:s3:eu-west-1:123456789012:thing/x", nil, registry.ErrNotFound, "cannot be found"},
		"no name":            {arnPrefix + "thing/", nil, registry.ErrNotFound, "cannot be found"},
		"no such thing":      {arnPrefix + "thing/none", nil, registry.ErrNotFound, "Thing none cannot be found."},
		"no such group":      {arnPrefix + "thinggroup/x", nil, registry.ErrNotFound, "Thing group x cannot be found."},
		"no such type":       {arnPrefix + "thingtype/x", nil, registry.ErrNotFound, "Thing type x cannot be found."},
		"no such billing":    {arnPrefix + "billinggroup/x", nil, registry.ErrNotFound, "Billing group x cannot be found."},
		"no key":             {s.ThingARN("x"), map[string]string{"": "v"}, registry.ErrInvalid, "tags.member.key"},
		"long key":           {s.ThingARN("x"), map[string]string{strings.Repeat("k", 129): "v"}, registry.ErrInvalid, "tags.member.key"},
		"odd key":            {s.ThingARN("x"), map[string]string{"a&b": "v"}, registry.ErrInvalid, "tags.member.key"},
		"key not UTF-8":      {s.ThingARN("x"), map[string]string{"a\xff": "v"}, registry.ErrInvalid, "tags.member.key"},
		"reserved key":       {s.ThingARN("x"), map[string]string{"aws:a": "v"}, registry.ErrInvalid, "reserved"},
		"reserved key, caps": {s.ThingARN("x"), map[string]string{"AWS:a": "v"}, registry.ErrInvalid, "reserved"},
		"long value":         {s.ThingARN("x"), map[string]string{"k": strings.Repeat("ü", 257)}, registry.ErrInvalid, "tags.member.value"},
		"value not UTF-8":    {s.ThingARN("x"), map[string]string{"k": "\xff"}, registry.ErrInvalid, "tags.member.value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			is(t, s.TagResource(ctx, c.resource, c.tags), c.kind, c.text)
			if c.tags == nil {
				is(t, s.UntagResource(ctx, c.resource, []string{"k"}), c.kind, c.text)
				_, _, err := s.ListTagsForResource(ctx, c.resource, registry.Page{})
				is(t, err, c.kind, c.text)
			}
		})
	}
	is(t, s.UntagResource(ctx, s.ThingARN("x"), []string{""}), registry.ErrInvalid, "tagKeys.member")
	_, _, err := s.ListTagsForResource(ctx, s.ThingARN("x"), registry.Page{Token: "x"})
	is(t, err, registry.ErrInvalid, "nextToken")
}

func TestTagLimit(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	createGroups(t, s, "g")
	tags := make(map[string]string)
	for i := range 50 {
		tags[fmt.Sprint("k", i)] = strings.Repeat("ü", 256)
	}
	require.NoError(t, s.TagResource(ctx, s.GroupARN("g"), tags))
	is(t, s.TagResource(ctx, s.GroupARN("g"), map[string]string{"more": ""}), registry.ErrLimitExceeded, "would have 51 tags, at most 50")
	require.NoError(t, s.TagResource(ctx, s.GroupARN("g"), map[string]string{"k3": "new"}))
	got, _, err := s.ListTagsForResource(ctx, s.GroupARN("g"), registry.Page{})
	require.NoError(t, err)
	require.Len(t, got, 50)
	tags["more"] = ""
	_, err = s.CreateThingGroup(ctx, registry.CreateGroupInput{Name: "h", Tags: tags})
	is(t, err, registry.ErrInvalid, "51 tags were given, at most 50")
}

// Resources of other rooms have tags if there are such resources.
func TestTagsOfOthers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	failed := errors.New("no database")
	s := newService(t, func(c *registry.Config) {
		c.Tagged = func(_ context.Context, resource string) (bool, error) {
			if strings.HasSuffix(resource, "/fails") {
				return false, failed
			}
			return strings.HasSuffix(resource, "/there"), nil
		}
	})
	for _, kind := range []string{"rule", "policy", "cacert", "rolealias", "authorizer", "provisioningtemplate"} {
		there := arnPrefix + kind + "/there"
		require.NoError(t, s.TagResource(ctx, there, map[string]string{"a": "1"}))
		tags, _, err := s.ListTagsForResource(ctx, there, registry.Page{})
		require.NoError(t, err)
		require.Equal(t, []registry.Tag{{Key: "a", Value: "1"}}, tags)
		is(t, s.TagResource(ctx, arnPrefix+kind+"/none", map[string]string{"a": "1"}), registry.ErrNotFound, "cannot be found")
		is(t, s.TagResource(ctx, arnPrefix+kind+"/", map[string]string{"a": "1"}), registry.ErrNotFound, "cannot be found")
		is(t, s.TagResource(ctx, "arn:aws:iot:eu-west-1:1:"+kind+"/there", map[string]string{"a": "1"}), registry.ErrNotFound, "cannot be found")
		require.ErrorIs(t, s.TagResource(ctx, arnPrefix+kind+"/fails", map[string]string{"a": "1"}), failed)
		require.NoError(t, s.ForgetTags(ctx, there))
		require.NoError(t, s.ForgetTags(ctx, there), "there are none any more")
		tags, _, err = s.ListTagsForResource(ctx, there, registry.Page{})
		require.NoError(t, err)
		require.Empty(t, tags)
		is(t, newService(t).TagResource(ctx, there, nil), registry.ErrNotFound, "cannot be found")
	}
}
