package interop_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane"
	"github.com/stretchr/testify/require"
)

// indexEverything switches all indexing on.
func (b *goBackend) indexEverything(t *testing.T) {
	t.Helper()
	_, err := b.iot.UpdateIndexingConfiguration(t.Context(), &iot.UpdateIndexingConfigurationInput{
		ThingIndexingConfiguration: &types.ThingIndexingConfiguration{
			ThingIndexingMode: types.ThingIndexingModeRegistryAndShadow, ThingConnectivityIndexingMode: types.ThingConnectivityIndexingModeStatus,
			NamedShadowIndexingMode: types.NamedShadowIndexingModeOn, Filter: &types.IndexingFilter{NamedShadowNames: []string{"config"}},
			CustomFields: []types.Field{{Name: aws.String("attributes.level"), Type: types.FieldTypeNumber}},
		},
		ThingGroupIndexingConfiguration: &types.ThingGroupIndexingConfiguration{ThingGroupIndexingMode: types.ThingGroupIndexingModeOn},
	})
	require.NoError(t, err)
}

func goDynamicGroups(t *testing.T, b *goBackend) {
	b.indexEverything(t)
	ctx, name := t.Context(), aws.String("go-warm")
	for i := range 3 {
		b.createThing(t, fmt.Sprint("go-room-", i), map[string]string{"temperature": fmt.Sprint(50 + 10*i)})
	}
	create := func(query string) (*iot.CreateDynamicThingGroupOutput, error) {
		return b.iot.CreateDynamicThingGroup(ctx, &iot.CreateDynamicThingGroupInput{ThingGroupName: name, QueryString: &query})
	}
	_, err := create("attributes.temperature>")
	refused[invalidQuery](t, err, 400)
	made, err := create("attributes.temperature>60")
	require.NoError(t, err)
	require.Equal(t, "AWS_Things", *made.IndexName)
	members := func() []string {
		p := iot.NewListThingsInThingGroupPaginator(b.iot, &iot.ListThingsInThingGroupInput{ThingGroupName: name})
		return pages(t, p, func(o *iot.ListThingsInThingGroupOutput) []string { return o.Things })
	}
	require.Equal(t, []string{"go-room-2"}, members())
	update := &iot.UpdateDynamicThingGroupInput{
		ThingGroupName: name, ThingGroupProperties: &types.ThingGroupProperties{}, QueryString: aws.String("attributes.temperature>=60"), ExpectedVersion: aws.Int64(1),
	}
	updated, err := b.iot.UpdateDynamicThingGroup(ctx, update)
	require.NoError(t, err)
	require.EqualValues(t, 2, updated.Version)
	_, err = b.iot.UpdateDynamicThingGroup(ctx, update)
	refused[versionConflict](t, err, 409)
	require.Equal(t, []string{"go-room-1", "go-room-2"}, members())
	is, err := b.iot.DescribeThingGroup(ctx, &iot.DescribeThingGroupInput{ThingGroupName: name})
	require.NoError(t, err)
	require.Equal(t, types.DynamicGroupStatusActive, is.Status)
	require.Equal(t, "attributes.temperature>=60", *is.QueryString)
	_, err = b.iot.AddThingToThingGroup(ctx, &iot.AddThingToThingGroupInput{ThingGroupName: name, ThingName: aws.String("go-room-0")})
	refused[invalidRequest](t, err, 400)
	_, err = b.iot.DeleteDynamicThingGroup(ctx, &iot.DeleteDynamicThingGroupInput{ThingGroupName: name})
	require.NoError(t, err)
	_, err = b.iot.DescribeThingGroup(ctx, &iot.DescribeThingGroupInput{ThingGroupName: name})
	refused[notFound](t, err, 404)
}

func goSearch(t *testing.T, b *goBackend) {
	ctx := t.Context()
	search := func(index, query string, token *string) (*iot.SearchIndexOutput, error) {
		return b.iot.SearchIndex(ctx, &iot.SearchIndexInput{IndexName: &index, QueryString: &query, NextToken: token, MaxResults: aws.Int32(2)})
	}
	_, err := b.iot.UpdateIndexingConfiguration(ctx, &iot.UpdateIndexingConfigurationInput{
		ThingIndexingConfiguration: &types.ThingIndexingConfiguration{ThingIndexingMode: types.ThingIndexingModeOff},
	})
	require.NoError(t, err)
	_, err = search("AWS_Things", "*", nil)
	refused[notFound](t, err, 404)

	b.indexEverything(t)
	configuration, err := b.iot.GetIndexingConfiguration(ctx, &iot.GetIndexingConfigurationInput{})
	require.NoError(t, err)
	require.Equal(t, types.ThingIndexingModeRegistryAndShadow, configuration.ThingIndexingConfiguration.ThingIndexingMode)
	require.Equal(t, []string{"config"}, configuration.ThingIndexingConfiguration.Filter.NamedShadowNames)
	require.NotEmpty(t, configuration.ThingIndexingConfiguration.ManagedFields)
	indices := iot.NewListIndicesPaginator(b.iot, &iot.ListIndicesInput{MaxResults: aws.Int32(1)})
	require.ElementsMatch(t, []string{"AWS_Things", "AWS_ThingGroups"}, pages(t, indices, func(o *iot.ListIndicesOutput) []string { return o.IndexNames }))
	index, err := b.iot.DescribeIndex(ctx, &iot.DescribeIndexInput{IndexName: aws.String("AWS_Things")})
	require.NoError(t, err)
	require.Equal(t, types.IndexStatusActive, index.IndexStatus)
	require.Equal(t, "MULTI_INDEXING_MODE", *index.Schema)

	for i := range 5 {
		name := fmt.Sprint("go-lamp-", i)
		b.createThing(t, name, map[string]string{"level": fmt.Sprint(i)})
		for _, s := range []*string{nil, aws.String("config")} {
			_, err := b.data.UpdateThingShadow(ctx, &iotdataplane.UpdateThingShadowInput{
				ThingName: &name, ShadowName: s, Payload: fmt.Appendf(nil, `{"state":{"desired":{"on":true},"reported":{"on":%t}}}`, i > 2),
			})
			require.NoError(t, err)
		}
	}
	var found []types.ThingDocument
	for token := (*string)(nil); ; {
		page, err := search("AWS_Things", "thingName:go-lamp-* AND shadow.hasDelta:true AND shadow.name.config.reported.on:false", token)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Things), 2)
		found = append(found, page.Things...)
		if token = page.NextToken; token == nil {
			break
		}
	}
	require.Len(t, found, 3)
	require.Equal(t, "go-lamp-0", *found[0].ThingName)
	require.Equal(t, map[string]string{"level": "0"}, found[0].Attributes)
	require.Contains(t, *found[0].Shadow, `"desired":{"on":true}`)
	require.False(t, *found[0].Connectivity.Connected)
	groups, err := search("AWS_ThingGroups", "thingGroupName:go-*", nil)
	require.NoError(t, err)
	require.NotEmpty(t, groups.ThingGroups)
	_, err = search("AWS_Things", "shadow.nonsense:1", nil)
	refused[invalidQuery](t, err, 400)
	_, err = search("Nothing", "*", nil)
	refused[notFound](t, err, 404)
}

func goAggregations(t *testing.T, b *goBackend) {
	b.indexEverything(t)
	ctx, query, field := t.Context(), aws.String("thingName:go-sum-*"), aws.String("attributes.level")
	for i := range 4 {
		b.createThing(t, fmt.Sprint("go-sum-", i), map[string]string{"level": fmt.Sprint(i + 1), "maker": []string{"Acme", "Beta"}[i/3]})
	}
	statistics, err := b.iot.GetStatistics(ctx, &iot.GetStatisticsInput{QueryString: query, AggregationField: field})
	require.NoError(t, err)
	require.Equal(t, &types.Statistics{
		Count: 4, Average: aws.Float64(2.5), Sum: aws.Float64(10), Minimum: aws.Float64(1), Maximum: aws.Float64(4),
		SumOfSquares: aws.Float64(30), Variance: aws.Float64(1.25), StdDeviation: aws.Float64(math.Sqrt(1.25)),
	}, statistics.Statistics)
	percentiles, err := b.iot.GetPercentiles(ctx, &iot.GetPercentilesInput{QueryString: query, AggregationField: field, Percents: []float64{0, 100}})
	require.NoError(t, err)
	require.Equal(t, []types.PercentPair{{Percent: 0, Value: 1}, {Percent: 100, Value: 4}}, percentiles.Percentiles)
	maker := aws.String("attributes.maker")
	cardinality, err := b.iot.GetCardinality(ctx, &iot.GetCardinalityInput{QueryString: query, AggregationField: maker})
	require.NoError(t, err)
	require.EqualValues(t, 2, cardinality.Cardinality)
	buckets, err := b.iot.GetBucketsAggregation(ctx, &iot.GetBucketsAggregationInput{
		QueryString: query, AggregationField: maker,
		BucketsAggregationType: &types.BucketsAggregationType{TermsAggregation: &types.TermsAggregation{MaxBuckets: aws.Int32(5)}},
	})
	require.NoError(t, err)
	require.EqualValues(t, 4, buckets.TotalCount)
	require.Equal(t, []types.Bucket{{KeyValue: aws.String("Acme"), Count: 3}, {KeyValue: aws.String("Beta"), Count: 1}}, buckets.Buckets)
	_, err = b.iot.GetPercentiles(ctx, &iot.GetPercentilesInput{QueryString: query, AggregationField: maker})
	refused[*types.InvalidAggregationException](t, err, 400)
	_, err = b.iot.GetCardinality(ctx, &iot.GetCardinalityInput{QueryString: aws.String("(")})
	refused[invalidQuery](t, err, 400)
}
