"""Things, their types and principals, tags, events, endpoint."""

import datetime
import re

import boto3
from wire import check, equal, fails, has, pages

UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
ARN = 'arn:aws:iot:eu-central-1:123456789012:'


@check
def things(aws):
    iot = aws.iot
    made = iot.create_thing(thingName='th:1', attributePayload={'attributes': {'a': '1', 'b': '2'}})
    has(made, thingName='th:1', thingArn=ARN + 'thing/th:1')
    assert UUID.fullmatch(made['thingId']), made['thingId']
    again = iot.create_thing(thingName='th:1', attributePayload={'attributes': {'b': '2', 'a': '1'}})
    equal(again['thingId'], made['thingId'])
    other = fails(iot.exceptions.ResourceAlreadyExistsException, iot.create_thing, thingName='th:1')
    has(other, resourceId=made['thingId'], resourceArn=made['thingArn'])
    equal(other['ResponseMetadata']['HTTPStatusCode'], 409)

    is_ = iot.describe_thing(thingName='th:1')
    has(is_, thingName='th:1', thingId=made['thingId'], thingArn=made['thingArn'], defaultClientId='th:1',
        attributes={'a': '1', 'b': '2'}, version=1)
    assert 'thingTypeName' not in is_ and 'billingGroupName' not in is_, is_

    iot.update_thing(thingName='th:1', attributePayload={'attributes': {'a': '', 'c': '3'}, 'merge': True}, expectedVersion=1)
    has(iot.describe_thing(thingName='th:1'), attributes={'b': '2', 'c': '3'}, version=2)
    iot.update_thing(thingName='th:1', attributePayload={'attributes': {'d': '4'}})
    has(iot.describe_thing(thingName='th:1'), attributes={'d': '4'}, version=3)
    fails(iot.exceptions.VersionConflictException, iot.update_thing, thingName='th:1', expectedVersion=2)
    fails(iot.exceptions.ResourceNotFoundException, iot.update_thing, thingName='nobody')

    fails(iot.exceptions.VersionConflictException, iot.delete_thing, thingName='th:1', expectedVersion=1)
    iot.delete_thing(thingName='th:1', expectedVersion=3)
    fails(iot.exceptions.ResourceNotFoundException, iot.describe_thing, thingName='th:1')
    iot.delete_thing(thingName='th:1')
    assert iot.create_thing(thingName='th:1')['thingId'] != made['thingId']


@check
def things_refused(aws):
    iot = aws.iot
    invalid = iot.exceptions.InvalidRequestException
    fails(invalid, iot.create_thing, thingName='refused', attributePayload={'attributes': {c: '1' for c in 'abcd'}})
    fails(invalid, iot.create_thing, thingName='refused', attributePayload={'attributes': {'a': 'not allowed'}})
    fails(invalid, iot.create_thing, thingName='not/allowed')
    fails(iot.exceptions.ResourceNotFoundException, iot.create_thing, thingName='refused', thingTypeName='nothing')
    fails(iot.exceptions.ResourceNotFoundException, iot.describe_thing, thingName='refused')


@check
def things_like_paths(aws):
    for name in ('jobs', 'shadow', 'principals', 'thing-groups'):
        aws.iot.create_thing(thingName=name)
        has(aws.iot.describe_thing(thingName=name), thingName=name)
        aws.iot.delete_thing(thingName=name)


@check
def things_listed(aws):
    iot = aws.iot
    iot.create_thing_type(thingTypeName='listed')
    for i in range(7):
        iot.create_thing(thingName=f'listed-{i}', thingTypeName='listed', attributePayload={'attributes': {'floor': f'f{i % 2}', 'serial': f'{i}'}})
    iot.create_thing(thingName='unlisted', attributePayload={'attributes': {'floor': 'g0'}})

    def names(**filters):
        return sorted(t['thingName'] for t in pages(iot, 'list_things', 'things', **filters))

    all_ = [f'listed-{i}' for i in range(7)]
    equal(names(thingTypeName='listed'), all_)
    equal(names(attributeName='floor', attributeValue='f1'), all_[1::2])
    equal(names(attributeName='floor', attributeValue='f', usePrefixAttributeValue=True), all_)
    equal(names(attributeName='floor', attributeValue='f'), [])
    assert set(all_ + ['unlisted']) <= set(names())
    one = iot.list_things(attributeName='serial', attributeValue='3')['things']
    equal(one, [{'thingName': 'listed-3', 'thingTypeName': 'listed', 'thingArn': ARN + 'thing/listed-3', 'attributes': {'floor': 'f1', 'serial': '3'}, 'version': 1}])
    assert 'nextToken' not in iot.list_things(thingTypeName='listed', maxResults=7)
    fails(iot.exceptions.InvalidRequestException, iot.list_things, nextToken='not one')


@check
def types(aws):
    iot = aws.iot
    properties = {'thingTypeDescription': 'pumps & more', 'searchableAttributes': ['site', 'floor']}
    made = iot.create_thing_type(thingTypeName='pump', thingTypeProperties=properties)
    has(made, thingTypeName='pump', thingTypeArn=ARN + 'thingtype/pump')
    assert UUID.fullmatch(made['thingTypeId']), made['thingTypeId']
    equal(iot.create_thing_type(thingTypeName='pump', thingTypeProperties=properties)['thingTypeId'], made['thingTypeId'])
    other = fails(iot.exceptions.ResourceAlreadyExistsException, iot.create_thing_type, thingTypeName='pump')
    has(other, resourceId=made['thingTypeId'], resourceArn=made['thingTypeArn'])

    is_ = iot.describe_thing_type(thingTypeName='pump')
    has(is_, thingTypeName='pump', thingTypeId=made['thingTypeId'], thingTypeArn=made['thingTypeArn'])
    equal(is_['thingTypeProperties']['thingTypeDescription'], 'pumps & more')
    equal(sorted(is_['thingTypeProperties']['searchableAttributes']), ['floor', 'site'])
    equal(is_['thingTypeMetadata']['deprecated'], False)
    assert 'deprecationDate' not in is_['thingTypeMetadata'], is_
    recent(is_['thingTypeMetadata']['creationDate'])
    fails(iot.exceptions.ResourceNotFoundException, iot.describe_thing_type, thingTypeName='nothing')

    propagating = [{'userPropertyKey': 'site', 'thingAttribute': 'site'}, {'userPropertyKey': 'id', 'connectionAttribute': 'iot:ClientId'}]
    iot.update_thing_type(thingTypeName='pump', thingTypeProperties={'thingTypeDescription': 'pumps', 'mqtt5Configuration': {'propagatingAttributes': propagating}})
    is_ = iot.describe_thing_type(thingTypeName='pump')['thingTypeProperties']
    equal(is_['thingTypeDescription'], 'pumps')
    equal(is_['mqtt5Configuration']['propagatingAttributes'], propagating)

    for i in range(3):
        iot.create_thing_type(thingTypeName=f'pump-{i}')
    found = pages(iot, 'list_thing_types', 'thingTypes')
    assert {'pump', 'pump-0', 'pump-1', 'pump-2'} <= {t['thingTypeName'] for t in found}, found
    found = iot.list_thing_types(thingTypeName='pump-1')['thingTypes']
    equal([t['thingTypeName'] for t in found], ['pump-1'])
    has(found[0], thingTypeArn=ARN + 'thingtype/pump-1')


@check
def types_deprecated(aws):
    iot = aws.iot
    invalid = iot.exceptions.InvalidRequestException
    iot.create_thing_type(thingTypeName='old')
    iot.create_thing(thingName='old-1', thingTypeName='old', attributePayload={'attributes': {c: '1' for c in 'abcd'}})
    has(iot.describe_thing(thingName='old-1'), thingTypeName='old')
    fails(invalid, iot.delete_thing_type, thingTypeName='old')
    iot.deprecate_thing_type(thingTypeName='old')
    metadata = iot.describe_thing_type(thingTypeName='old')['thingTypeMetadata']
    equal(metadata['deprecated'], True)
    recent(metadata['deprecationDate'])
    fails(invalid, iot.create_thing, thingName='old-2', thingTypeName='old')
    fails(invalid, iot.delete_thing_type, thingTypeName='old')  # it has a thing
    iot.deprecate_thing_type(thingTypeName='old', undoDeprecate=True)
    equal(iot.describe_thing_type(thingTypeName='old')['thingTypeMetadata']['deprecated'], False)
    iot.deprecate_thing_type(thingTypeName='old')
    fails(invalid, iot.update_thing, thingName='old-1', removeThingType=True)  # four attributes need a type
    iot.update_thing(thingName='old-1', removeThingType=True, attributePayload={'attributes': {}})
    assert 'thingTypeName' not in iot.describe_thing(thingName='old-1')
    iot.delete_thing_type(thingTypeName='old')
    fails(iot.exceptions.ResourceNotFoundException, iot.describe_thing_type, thingTypeName='old')
    fails(iot.exceptions.ResourceNotFoundException, iot.deprecate_thing_type, thingTypeName='old')


def recent(when):
    """A time of the model's is now, and knows its zone."""
    age = datetime.datetime.now(datetime.timezone.utc) - when
    assert datetime.timedelta(minutes=-5) < age < datetime.timedelta(minutes=5), when


@check
def principals(aws):
    iot = aws.iot
    cert = ARN + 'cert/' + 'c0' * 32
    for i in range(3):
        iot.create_thing(thingName=f'owner-{i}')
        iot.attach_thing_principal(thingName=f'owner-{i}', principal=cert)
    iot.attach_thing_principal(thingName='owner-0', principal=cert)
    iot.attach_thing_principal(thingName='owner-0', principal=ARN + 'cert/' + 'c1' * 32)
    equal(sorted(pages(iot, 'list_thing_principals', 'principals', 1, thingName='owner-0')), [cert, ARN + 'cert/' + 'c1' * 32])
    equal(pages(iot, 'list_principal_things', 'things', principal=cert), ['owner-0', 'owner-1', 'owner-2'])
    fails(iot.exceptions.InvalidRequestException, iot.delete_thing, thingName='owner-1')
    iot.detach_thing_principal(thingName='owner-1', principal=cert)
    iot.detach_thing_principal(thingName='owner-1', principal=cert)
    iot.delete_thing(thingName='owner-1')
    equal(pages(iot, 'list_principal_things', 'things', principal=cert), ['owner-0', 'owner-2'])
    fails(iot.exceptions.ResourceNotFoundException, iot.attach_thing_principal, thingName='owner-1', principal=cert)
    fails(iot.exceptions.ResourceNotFoundException, iot.list_thing_principals, thingName='owner-1')


@check
def principals_exclusive(aws):
    iot = aws.iot
    own = ARN + 'cert/' + 'e0' * 32
    for name in ('sole-0', 'sole-1'):
        iot.create_thing(thingName=name)
    iot.attach_thing_principal(thingName='sole-0', principal=own, thingPrincipalType='EXCLUSIVE_THING')
    fails(iot.exceptions.InvalidRequestException, iot.attach_thing_principal, thingName='sole-1', principal=own)
    iot.attach_thing_principal(thingName='sole-0', principal='us-east-1:id', thingPrincipalType='NON_EXCLUSIVE_THING')
    equal(sorted(pages(iot, 'list_thing_principals_v2', 'thingPrincipalObjects', 1, thingName='sole-0'), key=lambda o: o['principal']), [
        {'principal': own, 'thingPrincipalType': 'EXCLUSIVE_THING'}, {'principal': 'us-east-1:id', 'thingPrincipalType': 'NON_EXCLUSIVE_THING'}])
    equal(iot.list_thing_principals_v2(thingName='sole-0', thingPrincipalType='EXCLUSIVE_THING')['thingPrincipalObjects'],
          [{'principal': own, 'thingPrincipalType': 'EXCLUSIVE_THING'}])
    equal(pages(iot, 'list_principal_things_v2', 'principalThingObjects', principal=own), [{'thingName': 'sole-0', 'thingPrincipalType': 'EXCLUSIVE_THING'}])
    iot.detach_thing_principal(thingName='sole-0', principal=own)
    iot.attach_thing_principal(thingName='sole-1', principal=own)


@check
def tags(aws):
    iot = aws.iot
    arn = iot.create_thing_group(thingGroupName='tagged', tags=[{'Key': 'k 0', 'Value': 'v'}])['thingGroupArn']
    iot.tag_resource(resourceArn=arn, tags=[{'Key': f'k{i}', 'Value': f'v{i}'} for i in range(3)])
    iot.tag_resource(resourceArn=arn, tags=[{'Key': 'k1', 'Value': 'other'}])
    iot.untag_resource(resourceArn=arn, tagKeys=['k2', 'unknown'])
    found = []
    for page in iot.get_paginator('list_tags_for_resource').paginate(resourceArn=arn):
        found += page['tags']
    equal({t['Key']: t['Value'] for t in found}, {'k 0': 'v', 'k0': 'v0', 'k1': 'other'})
    for name, made in (('type', iot.create_thing_type(thingTypeName='tagged', tags=[{'Key': 'of', 'Value': 'type'}])['thingTypeArn']),
                       ('billing', iot.create_billing_group(billingGroupName='tagged', tags=[{'Key': 'of', 'Value': 'billing'}])['billingGroupArn'])):
        equal(iot.list_tags_for_resource(resourceArn=made)['tags'], [{'Key': 'of', 'Value': name}])
    unknown = ARN + 'thinggroup/unknown'
    fails(iot.exceptions.ResourceNotFoundException, iot.tag_resource, resourceArn=unknown, tags=[{'Key': 'k', 'Value': 'v'}])
    fails(iot.exceptions.ResourceNotFoundException, iot.list_tags_for_resource, resourceArn=unknown)
    fails(iot.exceptions.InvalidRequestException, iot.tag_resource, resourceArn='not an arn', tags=[{'Key': 'k', 'Value': 'v'}])
    fails(iot.exceptions.LimitExceededException, iot.tag_resource, resourceArn=arn, tags=[{'Key': f'more{i}', 'Value': ''} for i in range(50)])


@check
def events(aws):
    iot = aws.iot
    before = iot.describe_event_configurations()['eventConfigurations']
    assert {'THING', 'THING_GROUP', 'THING_TYPE', 'THING_GROUP_MEMBERSHIP', 'THING_GROUP_HIERARCHY', 'THING_TYPE_ASSOCIATION'} <= set(before), before
    assert not any(e['Enabled'] for e in before.values()), before
    iot.update_event_configurations(eventConfigurations={'THING': {'Enabled': True}})
    is_ = iot.describe_event_configurations()
    equal({k for k, e in is_['eventConfigurations'].items() if e['Enabled']}, {'THING'})
    recent(is_['lastModifiedDate'])
    iot.create_thing(thingName='eventful')  # the test hears of it
    iot.update_event_configurations(eventConfigurations={'THING': {'Enabled': False}})
    iot.create_thing(thingName='uneventful')


@check
def endpoint(aws):
    host = aws.endpoint.removeprefix('https://')
    for kind in ({}, {'endpointType': 'iot:Data-ATS'}, {'endpointType': 'iot:Data'}, {'endpointType': 'iot:Jobs'}, {'endpointType': 'iot:CredentialProvider'}):
        equal(aws.iot.describe_endpoint(**kind)['endpointAddress'], host)
    fails(aws.iot.exceptions.InvalidRequestException, aws.iot.describe_endpoint, endpointType='iot:Nothing')


@check
def connectivity(aws):
    iot = aws.iot
    iot.create_thing(thingName='online')  # as which a client of the test is connected
    is_ = iot.get_thing_connectivity_data(thingName='online', includeSocketInformation=True)
    has(is_, thingName='online', connected=True, clientId='online', keepAliveDuration=30, cleanSession=True, sourceIp='127.0.0.1')
    recent(is_['timestamp'])
    assert 'sourceIp' not in iot.get_thing_connectivity_data(thingName='online')
    iot.create_thing(thingName='offline')
    has(iot.get_thing_connectivity_data(thingName='offline'), connected=False)
    fails(iot.exceptions.ResourceNotFoundException, iot.get_thing_connectivity_data, thingName='nobody')


@check
def strangers(aws):
    for key, secret in (('AKIDSTRANGER', 'secret'), ('AKIDEXAMPLE', 'not the secret')):
        session = boto3.Session(key, secret)
        iot, data = aws.client('iot', session), aws.client('iot-data', session)
        fails(iot.exceptions.UnauthorizedException, iot.create_thing, thingName='stranger')
        fails(data.exceptions.UnauthorizedException, data.get_thing_shadow, thingName='stranger')
        fails(data.exceptions.UnauthorizedException, data.publish, topic='stranger')
    fails(aws.iot.exceptions.ResourceNotFoundException, aws.iot.describe_thing, thingName='stranger')
