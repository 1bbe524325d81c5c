"""Indexing, search and aggregations."""

import json

from wire import check, equal, fails, has, pages

EVERYTHING = {
    'thingIndexingMode': 'REGISTRY_AND_SHADOW', 'thingConnectivityIndexingMode': 'STATUS', 'namedShadowIndexingMode': 'ON',
    'filter': {'namedShadowNames': ['config']},
    'customFields': [{'name': 'attributes.floor', 'type': 'Number'}, {'name': 'shadow.name.config.desired.mode', 'type': 'String'}],
}


@check
def indexing(aws):
    iot = aws.iot
    iot.update_indexing_configuration(thingIndexingConfiguration={'thingIndexingMode': 'OFF'}, thingGroupIndexingConfiguration={'thingGroupIndexingMode': 'OFF'})
    is_ = iot.get_indexing_configuration()
    equal(is_['thingIndexingConfiguration']['thingIndexingMode'], 'OFF')
    equal(iot.list_indices()['indexNames'], [])
    fails(iot.exceptions.ResourceNotFoundException, iot.search_index, queryString='*')
    fails(iot.exceptions.ResourceNotFoundException, iot.describe_index, indexName='AWS_Things')
    fails(iot.exceptions.InvalidRequestException, iot.update_indexing_configuration, thingIndexingConfiguration={'thingIndexingMode': 'SOME'})

    iot.update_indexing_configuration(thingIndexingConfiguration=EVERYTHING, thingGroupIndexingConfiguration={'thingGroupIndexingMode': 'ON'})
    is_ = iot.get_indexing_configuration()
    things = is_['thingIndexingConfiguration']
    has(things, **{k: v for k, v in EVERYTHING.items() if k != 'customFields'})
    equal(sorted(f['name'] for f in things['customFields']), ['attributes.floor', 'shadow.name.config.desired.mode'])
    assert {'name': 'thingName', 'type': 'String'} in things['managedFields'], things['managedFields']
    equal(is_['thingGroupIndexingConfiguration']['thingGroupIndexingMode'], 'ON')
    has(iot.describe_index(indexName='AWS_Things'), indexName='AWS_Things', indexStatus='ACTIVE', schema='MULTI_INDEXING_MODE')
    has(iot.describe_index(indexName='AWS_ThingGroups'), indexStatus='ACTIVE')
    equal(sorted(pages(iot, 'list_indices', 'indexNames', 1)), ['AWS_ThingGroups', 'AWS_Things'])


@check
def search(aws):
    iot, data = aws.iot, aws.data
    iot.update_indexing_configuration(thingIndexingConfiguration=EVERYTHING, thingGroupIndexingConfiguration={'thingGroupIndexingMode': 'ON'})
    iot.create_thing_type(thingTypeName='lamp')
    iot.create_thing_group(thingGroupName='lit', thingGroupProperties={'thingGroupDescription': 'bright'})
    for i in range(5):
        iot.create_thing(thingName=f'lamp-{i}', thingTypeName='lamp', attributePayload={'attributes': {'floor': str(i), 'maker': 'Acme' if i < 3 else 'Beta'}})
        data.update_thing_shadow(thingName=f'lamp-{i}', payload=json.dumps({'state': {'desired': {'on': True}, 'reported': {'on': i % 2 == 0, 'watts': i * 10}}}))
    iot.add_thing_to_thing_group(thingGroupName='lit', thingName='lamp-0')
    data.update_thing_shadow(thingName='lamp-4', shadowName='config', payload='{"state":{"desired":{"mode":"eco"}}}')

    def found(query):
        things = []
        token = {}
        while True:
            page = iot.search_index(queryString=query, maxResults=2, **token)
            assert len(page['things']) <= 2, page
            things += page['things']
            if 'nextToken' not in page:
                return sorted(t['thingName'] for t in things)
            token = {'nextToken': page['nextToken']}

    for query, want in {
        'thingTypeName:lamp': '01234',
        'thingName:lamp-* AND attributes.floor>=3': '34',
        'thingName:lamp-* AND attributes.floor:[1 TO 3}': '12',
        'thingTypeName:lamp AND attributes.maker:ACME': '012',
        'thingTypeName:lamp AND NOT attributes.maker:acme': '34',
        'thingTypeName:lamp -attributes.maker:acme': '34',
        'thingTypeName:lamp AND (attributes.floor:0 OR attributes.floor:4)': '04',
        'thingGroupNames:lit': '0',
        'thingName:lamp-* AND shadow.hasDelta:true': '13',
        'thingName:lamp-* AND shadow.reported.watts>15': '234',
        'thingName:lamp-* AND shadow.reported.on:true': '024',
        'shadow.name.config.desired.mode:eco': '4',
        'thingName:lamp-* AND connectivity.connected:true': '',
    }.items():
        got = found(query)
        assert got == [f'lamp-{i}' for i in want], f'{query} found {got}'

    one = iot.search_index(indexName='AWS_Things', queryString='thingName:lamp-0', queryVersion='2017-09-30')['things'][0]
    has(one, thingName='lamp-0', thingTypeName='lamp', thingGroupNames=['lit'], attributes={'floor': '0', 'maker': 'Acme'})
    equal(json.loads(one['shadow'])['reported'], {'on': True, 'watts': 0})
    equal(one['connectivity']['connected'], False)
    online = iot.search_index(queryString='thingName:online')['things'][0]
    equal(online['connectivity']['connected'], True)

    groups = iot.search_index(indexName='AWS_ThingGroups', queryString='thingGroupName:lit')['thingGroups']
    equal([(g['thingGroupName'], g['thingGroupDescription']) for g in groups], [('lit', 'bright')])
    invalid = iot.exceptions.InvalidQueryException
    for query in ('thingName:a AND', '(', 'shadow.nonsense:1', 'thingName:['):
        fails(invalid, iot.search_index, queryString=query)
    fails(iot.exceptions.ResourceNotFoundException, iot.search_index, indexName='Nothing', queryString='*')
    fails(iot.exceptions.InvalidRequestException, iot.search_index, queryString='*', nextToken='not one')


@check
def aggregations(aws):
    iot = aws.iot
    iot.update_indexing_configuration(thingIndexingConfiguration=EVERYTHING)
    for i in range(4):
        iot.create_thing(thingName=f'sum-{i}', attributePayload={'attributes': {'floor': str(i + 1), 'maker': 'Acme' if i < 3 else 'Beta'}})
    query = 'thingName:sum-*'
    s = iot.get_statistics(queryString=query, aggregationField='attributes.floor')['statistics']
    has(s, count=4, average=2.5, sum=10.0, minimum=1.0, maximum=4.0, sumOfSquares=30.0, variance=1.25)
    assert abs(s['stdDeviation'] - 1.25 ** .5) < 1e-9, s
    equal(iot.get_statistics(queryString=query)['statistics']['count'], 4)
    p = iot.get_percentiles(queryString=query, aggregationField='attributes.floor', percents=[0, 50, 100])['percentiles']
    equal([x['percent'] for x in p], [0, 50, 100])
    equal((p[0]['value'], p[2]['value']), (1, 4))
    assert 2 <= p[1]['value'] <= 3, p
    equal(len(iot.get_percentiles(queryString=query, aggregationField='attributes.floor')['percentiles']), 7)
    equal(iot.get_cardinality(queryString=query, aggregationField='attributes.maker')['cardinality'], 2)
    b = iot.get_buckets_aggregation(queryString=query, aggregationField='attributes.maker', bucketsAggregationType={'termsAggregation': {'maxBuckets': 1}})
    equal((b['totalCount'], [(x['keyValue'].lower(), x['count']) for x in b['buckets']]), (4, [('acme', 3)]))
    fails(iot.exceptions.InvalidQueryException, iot.get_cardinality, queryString='(', aggregationField='attributes.maker')
    fails(iot.exceptions.InvalidAggregationException, iot.get_percentiles, queryString=query, aggregationField='attributes.maker')
    fails(iot.exceptions.ResourceNotFoundException, iot.get_statistics, indexName='Nothing', queryString=query)
