package interop_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/stretchr/testify/require"
)

func goThings(t *testing.T, b *goBackend) {
	ctx := t.Context()
	made := b.createThing(t, "go:1", map[string]string{"a": "1", "b": "2"})
	require.Equal(t, arns+"thing/go:1", *made.ThingArn)
	require.Equal(t, made.ThingId, b.createThing(t, "go:1", map[string]string{"a": "1", "b": "2"}).ThingId)
	_, err := b.iot.CreateThing(ctx, &iot.CreateThingInput{ThingName: aws.String("go:1")})
	e := refusal[exists](t, err, 409)
	require.Equal(t, made.ThingId, e.ResourceId)
	require.Equal(t, made.ThingArn, e.ResourceArn)

	is := b.describeThing(t, "go:1")
	require.Equal(t, map[string]string{"a": "1", "b": "2"}, is.Attributes)
	require.EqualValues(t, 1, is.Version)
	require.Equal(t, "go:1", *is.DefaultClientId)
	require.Nil(t, is.ThingTypeName)
	update := func(version int64, merge bool, attributes map[string]string) error {
		_, err := b.iot.UpdateThing(ctx, &iot.UpdateThingInput{
			ThingName: aws.String("go:1"), ExpectedVersion: &version, AttributePayload: &types.AttributePayload{Attributes: attributes, Merge: merge},
		})
		return err
	}
	require.NoError(t, update(1, true, map[string]string{"a": "", "c": "3"}))
	require.Equal(t, map[string]string{"b": "2", "c": "3"}, b.describeThing(t, "go:1").Attributes)
	refused[versionConflict](t, update(1, true, nil), 409)
	require.NoError(t, update(2, false, map[string]string{"d": "4"}))
	require.Equal(t, map[string]string{"d": "4"}, b.describeThing(t, "go:1").Attributes)
	refused[invalidRequest](t, update(3, false, map[string]string{"bad value": "x"}), 400)

	remove := func(version int64) error {
		_, err := b.iot.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: aws.String("go:1"), ExpectedVersion: &version})
		return err
	}
	refused[versionConflict](t, remove(1), 409)
	require.NoError(t, remove(3))
	_, err = b.iot.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: aws.String("go:1")})
	refused[notFound](t, err, 404)
	_, err = b.iot.CreateThing(ctx, &iot.CreateThingInput{ThingName: aws.String("not/allowed")})
	refused[invalidRequest](t, err, 400)
}

func goThingLists(t *testing.T, b *goBackend) {
	var all []string
	for i := range 7 {
		name := fmt.Sprint("go-listed-", i)
		all = append(all, name)
		b.createThing(t, name, map[string]string{"hall": fmt.Sprint("h", i%2)})
	}
	list := func(in iot.ListThingsInput) (names []string) {
		in.MaxResults = aws.Int32(3)
		for _, t := range pages(t, iot.NewListThingsPaginator(b.iot, &in), func(o *iot.ListThingsOutput) []types.ThingAttribute { return o.Things }) {
			names = append(names, *t.ThingName)
		}
		return names
	}
	require.Subset(t, list(iot.ListThingsInput{}), all)
	require.Equal(t, []string{all[1], all[3], all[5]}, list(iot.ListThingsInput{AttributeName: aws.String("hall"), AttributeValue: aws.String("h1")}))
	require.Equal(t, all, list(iot.ListThingsInput{AttributeName: aws.String("hall"), AttributeValue: aws.String("h"), UsePrefixAttributeValue: true}))
	_, err := b.iot.ListThings(t.Context(), &iot.ListThingsInput{NextToken: aws.String("not one")})
	refused[invalidRequest](t, err, 400)
}

func goTypes(t *testing.T, b *goBackend) {
	ctx, name := t.Context(), aws.String("go-type")
	properties := &types.ThingTypeProperties{ThingTypeDescription: aws.String("made by Go"), SearchableAttributes: []string{"hall"}}
	made, err := b.iot.CreateThingType(ctx, &iot.CreateThingTypeInput{ThingTypeName: name, ThingTypeProperties: properties})
	require.NoError(t, err)
	_, err = b.iot.CreateThingType(ctx, &iot.CreateThingTypeInput{ThingTypeName: name})
	require.Equal(t, made.ThingTypeId, refusal[exists](t, err, 409).ResourceId)
	propagating := []types.PropagatingAttribute{{UserPropertyKey: aws.String("hall"), ThingAttribute: aws.String("hall")}}
	_, err = b.iot.UpdateThingType(ctx, &iot.UpdateThingTypeInput{ThingTypeName: name, ThingTypeProperties: &types.ThingTypeProperties{
		Mqtt5Configuration: &types.Mqtt5Configuration{PropagatingAttributes: propagating},
	}})
	require.NoError(t, err)
	describe := func() *iot.DescribeThingTypeOutput {
		out, err := b.iot.DescribeThingType(ctx, &iot.DescribeThingTypeInput{ThingTypeName: name})
		require.NoError(t, err)
		return out
	}
	is := describe()
	require.Equal(t, made.ThingTypeArn, is.ThingTypeArn)
	require.Equal(t, "made by Go", *is.ThingTypeProperties.ThingTypeDescription)
	require.Equal(t, propagating, is.ThingTypeProperties.Mqtt5Configuration.PropagatingAttributes)
	recent(t, is.ThingTypeMetadata.CreationDate)
	require.False(t, is.ThingTypeMetadata.Deprecated)

	thing := aws.String("go-typed")
	_, err = b.iot.CreateThing(ctx, &iot.CreateThingInput{ThingName: thing, ThingTypeName: name})
	require.NoError(t, err)
	deprecate := func(undo bool) {
		_, err := b.iot.DeprecateThingType(ctx, &iot.DeprecateThingTypeInput{ThingTypeName: name, UndoDeprecate: undo})
		require.NoError(t, err)
	}
	deprecate(false)
	recent(t, describe().ThingTypeMetadata.DeprecationDate)
	_, err = b.iot.CreateThing(ctx, &iot.CreateThingInput{ThingName: aws.String("go-untypable"), ThingTypeName: name})
	refused[invalidRequest](t, err, 400)
	deprecate(true)
	require.Nil(t, describe().ThingTypeMetadata.DeprecationDate)
	remove := func() error {
		_, err := b.iot.DeleteThingType(ctx, &iot.DeleteThingTypeInput{ThingTypeName: name})
		return err
	}
	refused[invalidRequest](t, remove(), 400)
	deprecate(false)
	refused[invalidRequest](t, remove(), 400)
	_, err = b.iot.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: thing})
	require.NoError(t, err)
	require.NoError(t, remove())
	refused[notFound](t, remove(), 404)

	for i := range 3 {
		_, err := b.iot.CreateThingType(ctx, &iot.CreateThingTypeInput{ThingTypeName: aws.String(fmt.Sprint("go-type-", i))})
		require.NoError(t, err)
	}
	list := iot.NewListThingTypesPaginator(b.iot, &iot.ListThingTypesInput{MaxResults: aws.Int32(2)})
	require.Len(t, pages(t, list, func(o *iot.ListThingTypesOutput) []types.ThingTypeDefinition { return o.ThingTypes }), 3)
}

func goGroups(t *testing.T, b *goBackend) {
	ctx := t.Context()
	create := func(name, parent string) error {
		in := &iot.CreateThingGroupInput{ThingGroupName: &name, ThingGroupProperties: &types.ThingGroupProperties{ThingGroupDescription: aws.String("made by Go")}}
		if parent != "" {
			in.ParentGroupName = &parent
		}
		_, err := b.iot.CreateThingGroup(ctx, in)
		return err
	}
	require.NoError(t, create("go-a", ""))
	require.NoError(t, create("go-b", "go-a"))
	require.NoError(t, create("go-c", "go-b"))
	refused[exists](t, create("go-c", "go-a"), 409)
	refused[invalidRequest](t, create("go-d", "go-nothing"), 400)
	is, err := b.iot.DescribeThingGroup(ctx, &iot.DescribeThingGroupInput{ThingGroupName: aws.String("go-c")})
	require.NoError(t, err)
	require.Equal(t, []string{"go-a", "go-b"}, groupNames(is.ThingGroupMetadata.RootToParentThingGroups))
	recent(t, is.ThingGroupMetadata.CreationDate)
	update := &iot.UpdateThingGroupInput{
		ThingGroupName: aws.String("go-c"), ExpectedVersion: aws.Int64(1),
		ThingGroupProperties: &types.ThingGroupProperties{AttributePayload: &types.AttributePayload{Attributes: map[string]string{"a": "1"}}},
	}
	updated, err := b.iot.UpdateThingGroup(ctx, update)
	require.NoError(t, err)
	require.EqualValues(t, 2, updated.Version)
	_, err = b.iot.UpdateThingGroup(ctx, update)
	refused[versionConflict](t, err, 409)

	list := func(in iot.ListThingGroupsInput) []string {
		in.MaxResults = aws.Int32(1)
		return groupNames(pages(t, iot.NewListThingGroupsPaginator(b.iot, &in), func(o *iot.ListThingGroupsOutput) []types.GroupNameAndArn { return o.ThingGroups }))
	}
	require.Equal(t, []string{"go-b"}, list(iot.ListThingGroupsInput{ParentGroup: aws.String("go-a"), Recursive: aws.Bool(false)}))
	require.Equal(t, []string{"go-b", "go-c"}, list(iot.ListThingGroupsInput{ParentGroup: aws.String("go-a"), Recursive: aws.Bool(true)}))
	require.Equal(t, []string{"go-a", "go-b", "go-c"}, list(iot.ListThingGroupsInput{NamePrefixFilter: aws.String("go-")}))
	remove := func(name string) error {
		_, err := b.iot.DeleteThingGroup(ctx, &iot.DeleteThingGroupInput{ThingGroupName: &name})
		return err
	}
	refused[invalidRequest](t, remove("go-a"), 400)
	for _, name := range []string{"go-c", "go-b", "go-a"} {
		require.NoError(t, remove(name))
	}
	_, err = b.iot.DescribeThingGroup(ctx, &iot.DescribeThingGroupInput{ThingGroupName: aws.String("go-a")})
	refused[notFound](t, err, 404)
}

func goMembers(t *testing.T, b *goBackend) {
	ctx := t.Context()
	for _, name := range []string{"go-left", "go-right"} {
		_, err := b.iot.CreateThingGroup(ctx, &iot.CreateThingGroupInput{ThingGroupName: &name})
		require.NoError(t, err)
	}
	for i := range 3 {
		name := fmt.Sprint("go-member-", i)
		b.createThing(t, name, nil)
		_, err := b.iot.AddThingToThingGroup(ctx, &iot.AddThingToThingGroupInput{ThingGroupName: aws.String("go-left"), ThingArn: aws.String(arns + "thing/" + name)})
		require.NoError(t, err)
	}
	members := func(group string) []string {
		p := iot.NewListThingsInThingGroupPaginator(b.iot, &iot.ListThingsInThingGroupInput{ThingGroupName: &group, MaxResults: aws.Int32(2), Recursive: true})
		return pages(t, p, func(o *iot.ListThingsInThingGroupOutput) []string { return o.Things })
	}
	require.Equal(t, []string{"go-member-0", "go-member-1", "go-member-2"}, members("go-left"))
	_, err := b.iot.UpdateThingGroupsForThing(ctx, &iot.UpdateThingGroupsForThingInput{
		ThingName: aws.String("go-member-0"), ThingGroupsToAdd: []string{"go-right"}, ThingGroupsToRemove: []string{"go-left"},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"go-member-0"}, members("go-right"))
	groups := func(thing string) []string {
		p := iot.NewListThingGroupsForThingPaginator(b.iot, &iot.ListThingGroupsForThingInput{ThingName: &thing})
		return groupNames(pages(t, p, func(o *iot.ListThingGroupsForThingOutput) []types.GroupNameAndArn { return o.ThingGroups }))
	}
	require.Equal(t, []string{"go-right"}, groups("go-member-0"))
	_, err = b.iot.RemoveThingFromThingGroup(ctx, &iot.RemoveThingFromThingGroupInput{ThingGroupName: aws.String("go-right"), ThingName: aws.String("go-member-0")})
	require.NoError(t, err)
	require.Empty(t, groups("go-member-0"))
	_, err = b.iot.AddThingToThingGroup(ctx, &iot.AddThingToThingGroupInput{ThingGroupName: aws.String("go-nothing"), ThingName: aws.String("go-member-0")})
	refused[notFound](t, err, 404)
	_, err = b.iot.AddThingToThingGroup(ctx, &iot.AddThingToThingGroupInput{ThingName: aws.String("go-member-0")})
	refused[invalidRequest](t, err, 400)
}

func goBillingGroups(t *testing.T, b *goBackend) {
	ctx, name := t.Context(), aws.String("go-bill")
	made, err := b.iot.CreateBillingGroup(ctx, &iot.CreateBillingGroupInput{
		BillingGroupName: name, BillingGroupProperties: &types.BillingGroupProperties{BillingGroupDescription: aws.String("who pays")},
	})
	require.NoError(t, err)
	_, err = b.iot.CreateBillingGroup(ctx, &iot.CreateBillingGroupInput{BillingGroupName: name})
	refused[exists](t, err, 409)
	is, err := b.iot.DescribeBillingGroup(ctx, &iot.DescribeBillingGroupInput{BillingGroupName: name})
	require.NoError(t, err)
	require.Equal(t, made.BillingGroupArn, is.BillingGroupArn)
	require.Equal(t, "who pays", *is.BillingGroupProperties.BillingGroupDescription)
	recent(t, is.BillingGroupMetadata.CreationDate)
	update := &iot.UpdateBillingGroupInput{BillingGroupName: name, BillingGroupProperties: &types.BillingGroupProperties{}, ExpectedVersion: aws.Int64(1)}
	updated, err := b.iot.UpdateBillingGroup(ctx, update)
	require.NoError(t, err)
	require.EqualValues(t, 2, updated.Version)
	_, err = b.iot.UpdateBillingGroup(ctx, update)
	refused[versionConflict](t, err, 409)
	for i := range 3 {
		thing := fmt.Sprint("go-paid-", i)
		b.createThing(t, thing, nil)
		_, err := b.iot.AddThingToBillingGroup(ctx, &iot.AddThingToBillingGroupInput{BillingGroupName: name, ThingName: &thing})
		require.NoError(t, err)
	}
	_, err = b.iot.RemoveThingFromBillingGroup(ctx, &iot.RemoveThingFromBillingGroupInput{BillingGroupName: name, ThingName: aws.String("go-paid-1")})
	require.NoError(t, err)
	things := iot.NewListThingsInBillingGroupPaginator(b.iot, &iot.ListThingsInBillingGroupInput{BillingGroupName: name, MaxResults: aws.Int32(1)})
	require.Equal(t, []string{"go-paid-0", "go-paid-2"}, pages(t, things, func(o *iot.ListThingsInBillingGroupOutput) []string { return o.Things }))
	require.Equal(t, "go-bill", *b.describeThing(t, "go-paid-0").BillingGroupName)
	list := iot.NewListBillingGroupsPaginator(b.iot, &iot.ListBillingGroupsInput{})
	require.Equal(t, []string{"go-bill"}, groupNames(pages(t, list, func(o *iot.ListBillingGroupsOutput) []types.GroupNameAndArn { return o.BillingGroups })))
	_, err = b.iot.DeleteBillingGroup(ctx, &iot.DeleteBillingGroupInput{BillingGroupName: name, ExpectedVersion: aws.Int64(7)})
	refused[versionConflict](t, err, 409)
	_, err = b.iot.DeleteBillingGroup(ctx, &iot.DeleteBillingGroupInput{BillingGroupName: name})
	require.NoError(t, err)
	_, err = b.iot.DescribeBillingGroup(ctx, &iot.DescribeBillingGroupInput{BillingGroupName: name})
	refused[notFound](t, err, 404)
}

func goPrincipals(t *testing.T, b *goBackend) {
	ctx, thing := t.Context(), aws.String("go-owner")
	b.createThing(t, *thing, nil)
	shared, own := arns+"cert/"+fmt.Sprintf("%064x", 1), arns+"cert/"+fmt.Sprintf("%064x", 2)
	attach := func(thing *string, principal string, kind types.ThingPrincipalType) error {
		_, err := b.iot.AttachThingPrincipal(ctx, &iot.AttachThingPrincipalInput{ThingName: thing, Principal: &principal, ThingPrincipalType: kind})
		return err
	}
	require.NoError(t, attach(thing, shared, ""))
	require.NoError(t, attach(thing, own, types.ThingPrincipalTypeExclusiveThing))
	b.createThing(t, "go-other", nil)
	refused[invalidRequest](t, attach(aws.String("go-other"), own, ""), 400)
	refused[notFound](t, attach(aws.String("go-nobody"), shared, ""), 404)

	one := aws.Int32(1)
	v1 := iot.NewListThingPrincipalsPaginator(b.iot, &iot.ListThingPrincipalsInput{ThingName: thing, MaxResults: one})
	require.ElementsMatch(t, []string{shared, own}, pages(t, v1, func(o *iot.ListThingPrincipalsOutput) []string { return o.Principals }))
	v2 := iot.NewListThingPrincipalsV2Paginator(b.iot, &iot.ListThingPrincipalsV2Input{ThingName: thing, MaxResults: one})
	require.ElementsMatch(t, []types.ThingPrincipalObject{
		{Principal: &shared, ThingPrincipalType: types.ThingPrincipalTypeNonExclusiveThing}, {Principal: &own, ThingPrincipalType: types.ThingPrincipalTypeExclusiveThing},
	}, pages(t, v2, func(o *iot.ListThingPrincipalsV2Output) []types.ThingPrincipalObject { return o.ThingPrincipalObjects }))
	things := iot.NewListPrincipalThingsPaginator(b.iot, &iot.ListPrincipalThingsInput{Principal: &own})
	require.Equal(t, []string{"go-owner"}, pages(t, things, func(o *iot.ListPrincipalThingsOutput) []string { return o.Things }))
	thingsV2 := iot.NewListPrincipalThingsV2Paginator(b.iot, &iot.ListPrincipalThingsV2Input{Principal: &own})
	require.Equal(t, []types.PrincipalThingObject{{ThingName: thing, ThingPrincipalType: types.ThingPrincipalTypeExclusiveThing}},
		pages(t, thingsV2, func(o *iot.ListPrincipalThingsV2Output) []types.PrincipalThingObject { return o.PrincipalThingObjects }))

	remove := func() error {
		_, err := b.iot.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: thing})
		return err
	}
	refused[invalidRequest](t, remove(), 400)
	for _, p := range []string{shared, own} {
		_, err := b.iot.DetachThingPrincipal(ctx, &iot.DetachThingPrincipalInput{ThingName: thing, Principal: &p})
		require.NoError(t, err)
	}
	require.NoError(t, remove())
}

func goTags(t *testing.T, b *goBackend) {
	ctx := t.Context()
	made, err := b.iot.CreateThingType(ctx, &iot.CreateThingTypeInput{ThingTypeName: aws.String("go-tagged"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}})
	require.NoError(t, err)
	_, err = b.iot.TagResource(ctx, &iot.TagResourceInput{ResourceArn: made.ThingTypeArn, Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}}})
	require.NoError(t, err)
	_, err = b.iot.UntagResource(ctx, &iot.UntagResourceInput{ResourceArn: made.ThingTypeArn, TagKeys: []string{"a"}})
	require.NoError(t, err)
	list := iot.NewListTagsForResourcePaginator(b.iot, &iot.ListTagsForResourceInput{ResourceArn: made.ThingTypeArn})
	tags := pages(t, list, func(o *iot.ListTagsForResourceOutput) []types.Tag { return o.Tags })
	require.Equal(t, []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}}, tags)
	_, err = b.iot.ListTagsForResource(ctx, &iot.ListTagsForResourceInput{ResourceArn: aws.String(arns + "thingtype/go-nothing")})
	refused[notFound](t, err, 404)
	more := slices.Repeat(tags, 51)
	for i := range more {
		more[i].Key = aws.String(fmt.Sprint("k", i))
	}
	_, err = b.iot.TagResource(ctx, &iot.TagResourceInput{ResourceArn: made.ThingTypeArn, Tags: more})
	refused[*types.LimitExceededException](t, err, 410)
}
