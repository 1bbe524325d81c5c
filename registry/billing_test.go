package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/registry"
)

func TestBillingGroup(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	g, err := s.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: "north", Description: "d", Tags: map[string]string{"k": "v"}})
	require.NoError(t, err)
	require.Len(t, g.ID, 36)
	require.EqualValues(t, 1, g.Version)
	got, err := s.DescribeBillingGroup(ctx, "north")
	require.NoError(t, err)
	require.Equal(t, g, got)
	require.Equal(t, arnPrefix+"billinggroup/north", s.BillingGroupARN("north"))
	again, err := s.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: "north", Description: "d"})
	require.NoError(t, err)
	require.Equal(t, g, again)
	_, err = s.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: "north"})
	e := as(t, err, registry.ErrExists, "Billing Group north already exists")
	require.Equal(t, g.ID, e.ResourceID)
	require.Equal(t, arnPrefix+"billinggroup/north", e.ResourceARN)

	version, err := s.UpdateBillingGroup(ctx, "north", ptr("new"), ptr(int64(1)))
	require.NoError(t, err)
	require.EqualValues(t, 2, version)
	version, err = s.UpdateBillingGroup(ctx, "north", nil, nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, version)
	got, err = s.DescribeBillingGroup(ctx, "north")
	require.NoError(t, err)
	require.Equal(t, "new", got.Description)
	_, err = s.UpdateBillingGroup(ctx, "north", nil, ptr(int64(1)))
	is(t, err, registry.ErrVersion, "billing group north")
	_, err = s.UpdateBillingGroup(ctx, "none", nil, nil)
	is(t, err, registry.ErrNotFound, "Billing group none")
	_, err = s.UpdateBillingGroup(ctx, "north", ptr("\n"), nil)
	is(t, err, registry.ErrInvalid, "billingGroupDescription")
	_, err = s.UpdateBillingGroup(ctx, "a b", nil, nil)
	is(t, err, registry.ErrInvalid, "billingGroupName")
	_, err = s.DescribeBillingGroup(ctx, "none")
	is(t, err, registry.ErrNotFound, "Billing group none")
	_, err = s.DescribeBillingGroup(ctx, "a b")
	is(t, err, registry.ErrInvalid, "billingGroupName")
	for name, in := range map[string]registry.CreateBillingGroupInput{
		"billingGroupName": {Name: "a b"}, "billingGroupProperties.billingGroupDescription": {Name: "a", Description: strings.Repeat("x", 2029)},
		"tags.member.value": {Name: "a", Tags: map[string]string{"k": strings.Repeat("x", 257)}},
	} {
		_, err = s.CreateBillingGroup(ctx, in)
		require.Equal(t, name, as(t, err, registry.ErrInvalid, "").Field)
	}

	is(t, s.DeleteBillingGroup(ctx, "a b", nil), registry.ErrInvalid, "billingGroupName")
	is(t, s.DeleteBillingGroup(ctx, "north", ptr(int64(1))), registry.ErrVersion, "billing group north")
	create(t, s, "a")
	require.NoError(t, s.AddThingToBillingGroup(ctx, registry.Membership{Group: "north", Thing: "a"}))
	require.NoError(t, s.DeleteBillingGroup(ctx, "north", ptr(int64(3))))
	require.NoError(t, s.DeleteBillingGroup(ctx, "north", nil), "that there is none is no error")
	group, err := s.ThingBillingGroup(ctx, "a")
	require.NoError(t, err)
	require.Empty(t, group)
}

func TestBillingGroupMembers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t)
	for _, name := range []string{"north", "south"} {
		_, err := s.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: name})
		require.NoError(t, err)
	}
	for i := range 5 {
		create(t, s, fmt.Sprint("t", i))
		m := registry.Membership{GroupARN: arnPrefix + "billinggroup/north", ThingARN: fmt.Sprint(arnPrefix, "thing/t", i)}
		require.NoError(t, s.AddThingToBillingGroup(ctx, m))
		require.NoError(t, s.AddThingToBillingGroup(ctx, m), "twice is fine")
	}
	err := s.AddThingToBillingGroup(ctx, registry.Membership{Group: "south", Thing: "t1"})
	is(t, err, registry.ErrInvalid, "Thing t1 is already in billing group north")
	require.NoError(t, s.RemoveThingFromBillingGroup(ctx, registry.Membership{Group: "south", Thing: "t1"}), "it is not there")
	require.NoError(t, s.RemoveThingFromBillingGroup(ctx, registry.Membership{Group: "north", Thing: "t1"}))
	require.NoError(t, s.AddThingToBillingGroup(ctx, registry.Membership{Group: "south", Thing: "t1"}))

	things, next, err := s.ListThingsInBillingGroup(ctx, "north", registry.Page{Max: 3})
	require.NoError(t, err)
	require.Equal(t, []string{"t0", "t2", "t3"}, things)
	things, next, err = s.ListThingsInBillingGroup(ctx, "north", registry.Page{Max: 3, Token: next})
	require.NoError(t, err)
	require.Equal(t, []string{"t4"}, things)
	require.Empty(t, next)

	for _, m := range []registry.Membership{{Group: "none", Thing: "t0"}, {Group: "north", Thing: "none"}} {
		is(t, s.AddThingToBillingGroup(ctx, m), registry.ErrNotFound, "none cannot be found.")
		is(t, s.RemoveThingFromBillingGroup(ctx, m), registry.ErrNotFound, "none cannot be found.")
	}
	is(t, s.AddThingToBillingGroup(ctx, registry.Membership{Thing: "t0"}), registry.ErrInvalid, "billingGroupName")
	is(t, s.RemoveThingFromBillingGroup(ctx, registry.Membership{GroupARN: arnPrefix + "thinggroup/north", Thing: "t0"}), registry.ErrInvalid, "billingGroupArn")
	_, _, err = s.ListThingsInBillingGroup(ctx, "none", registry.Page{})
	is(t, err, registry.ErrNotFound, "Billing group none")
	_, _, err = s.ListThingsInBillingGroup(ctx, "a b", registry.Page{})
	is(t, err, registry.ErrInvalid, "billingGroupName")
	_, _, err = s.ListThingsInBillingGroup(ctx, "north", registry.Page{Token: "x"})
	is(t, err, registry.ErrInvalid, "nextToken")
	_, err = s.ThingBillingGroup(ctx, "none")
	is(t, err, registry.ErrNotFound, "Thing none")
	_, err = s.ThingBillingGroup(ctx, "a b")
	is(t, err, registry.ErrInvalid, "thingName")
}

func TestListBillingGroups(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newService(t, func(c *registry.Config) { c.Limits.BillingGroups = 5 })
	for _, name := range []string{"b2", "a", "b1", "b3", "c"} {
		_, err := s.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: name})
		require.NoError(t, err)
	}
	_, err := s.CreateBillingGroup(ctx, registry.CreateBillingGroupInput{Name: "d"})
	is(t, err, registry.ErrInvalid, "There would be 6 billing groups, at most 5")
	groups, next, err := s.ListBillingGroups(ctx, "b", registry.Page{Max: 2})
	require.NoError(t, err)
	require.Equal(t, []registry.GroupRef{{Name: "b1", ARN: arnPrefix + "billinggroup/b1"}, {Name: "b2", ARN: arnPrefix + "billinggroup/b2"}}, groups)
	groups, next, err = s.ListBillingGroups(ctx, "b", registry.Page{Max: 2, Token: next})
	require.NoError(t, err)
	require.Len(t, groups, 1)
	require.Empty(t, next)
	groups, _, err = s.ListBillingGroups(ctx, "", registry.Page{})
	require.NoError(t, err)
	require.Len(t, groups, 5)
	_, _, err = s.ListBillingGroups(ctx, "a b", registry.Page{})
	is(t, err, registry.ErrInvalid, "namePrefixFilter")
	_, _, err = s.ListBillingGroups(ctx, "", registry.Page{Max: 1000})
	is(t, err, registry.ErrInvalid, "maxResults")
}
