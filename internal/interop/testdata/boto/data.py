"""Shadows, publish, retained messages, connections."""

import base64
import json

from wire import check, equal, fails, has, pages


def body(answer):
    return json.loads(answer['payload'].read())


@check
def shadow(aws):
    data = aws.data
    missing = fails(data.exceptions.ResourceNotFoundException, data.get_thing_shadow, thingName='hall')
    equal(missing['Error']['Message'], "No shadow exists with name: 'hall'")
    made = body(data.update_thing_shadow(thingName='hall', payload='{"state":{"desired":{"target":21,"n":9007199254740993}},"clientToken":"t-1"}'))
    has(made, state={'desired': {'target': 21, 'n': 9007199254740993}}, version=1, clientToken='t-1')
    timestamp = made['timestamp']
    equal(made['metadata']['desired'], {'target': {'timestamp': timestamp}, 'n': {'timestamp': timestamp}})
    body(data.update_thing_shadow(thingName='hall', payload=b'{"state":{"reported":{"target":20,"n":null}},"version":1}'))
    is_ = body(data.get_thing_shadow(thingName='hall'))
    has(is_, version=2, state={'desired': {'target': 21, 'n': 9007199254740993}, 'reported': {'target': 20}, 'delta': {'target': 21, 'n': 9007199254740993}})
    equal(sorted(is_['metadata']), ['desired', 'reported'])
    deleted = body(data.delete_thing_shadow(thingName='hall'))
    has(deleted, version=2)
    fails(data.exceptions.ResourceNotFoundException, data.delete_thing_shadow, thingName='hall')
    assert body(data.update_thing_shadow(thingName='hall', payload='{"state":{}}'))['version'] > 2


@check
def shadow_refused(aws):
    data = aws.data
    name = 'refusing'
    data.update_thing_shadow(thingName=name, payload='{"state":{"reported":{"a":1}}}')
    for payload, exception, message in (
        ('{"state":{},"version":7}', data.exceptions.ConflictException, 'Version conflict'),
        ('not JSON', data.exceptions.InvalidRequestException, 'Invalid JSON'),
        ('{"state":{"reported":{"a":1,"a":2}}}', data.exceptions.InvalidRequestException, 'Invalid JSON'),
        ('{"clientToken":"x"}', data.exceptions.InvalidRequestException, 'Missing required node: state'),
        ('{"state":7}', data.exceptions.InvalidRequestException, 'State node must be an object'),
        ('{"state":{"desired":7}}', data.exceptions.InvalidRequestException, 'Desired node must be an object'),
        ('{"state":{"reported":[]}}', data.exceptions.InvalidRequestException, 'Reported node must be an object'),
        ('{"state":{},"version":"1"}', data.exceptions.InvalidRequestException, 'Invalid version'),
        ('{"state":{},"clientToken":1}', data.exceptions.InvalidRequestException, 'Invalid clientToken'),
        (json.dumps({'state': {'desired': {'a': 'x' * 9000}}}), data.exceptions.RequestEntityTooLargeException, 'The payload exceeds the maximum size allowed'),
        (b'{"state":{"desired":{"a":"\xff"}}}', data.exceptions.UnsupportedDocumentEncodingException, 'Unsupported documented encoding; supported encoding is UTF-8'),
        (json.dumps({'state': {'desired': nested(12)}}), data.exceptions.InvalidRequestException, None),
    ):
        got = fails(exception, data.update_thing_shadow, thingName=name, payload=payload)['Error']['Message']
        assert message is None or got == message, f'{payload!r:.60}: {got!r}, expected {message!r}'
    fails(data.exceptions.InvalidRequestException, data.get_thing_shadow, thingName='not/allowed')
    fails(data.exceptions.InvalidRequestException, data.get_thing_shadow, thingName=name, shadowName='not/allowed')
    has(body(data.get_thing_shadow(thingName=name)), version=1, state={'reported': {'a': 1}})


def nested(n):
    return {'a': nested(n - 1)} if n else 1


@check
def shadows_named(aws):
    data = aws.data
    thing = 'th:named'
    equal(data.list_named_shadows_for_thing(thingName=thing)['results'], [])
    names = [f'shadow:{i}' for i in range(7)]
    for n in names:
        has(body(data.update_thing_shadow(thingName=thing, shadowName=n, payload=json.dumps({'state': {'desired': {'n': n}}}))), version=1)
    data.update_thing_shadow(thingName=thing, payload='{"state":{"desired":{"n":"classic"}}}')
    found, token = [], {}
    while True:
        page = data.list_named_shadows_for_thing(thingName=thing, pageSize=3, **token)
        assert len(page['results']) <= 3 and page['timestamp'] > 0, page
        found += page['results']
        if 'nextToken' not in page:
            break
        token = {'nextToken': page['nextToken']}
    equal(found, names)
    equal(body(data.get_thing_shadow(thingName=thing, shadowName='shadow:3'))['state']['desired'], {'n': 'shadow:3'})
    equal(body(data.get_thing_shadow(thingName=thing))['state']['desired'], {'n': 'classic'})
    body(data.delete_thing_shadow(thingName=thing, shadowName='shadow:3'))
    fails(data.exceptions.ResourceNotFoundException, data.get_thing_shadow, thingName=thing, shadowName='shadow:3')
    equal(data.list_named_shadows_for_thing(thingName=thing)['results'], [n for n in names if n != 'shadow:3'])
    fails(data.exceptions.InvalidRequestException, data.list_named_shadows_for_thing, thingName=thing, nextToken='!')
    fails(data.exceptions.InvalidRequestException, data.list_named_shadows_for_thing, thingName=thing, pageSize=101)


@check
def publish(aws):
    """The test hears these messages in this order."""
    data = aws.data
    data.publish(topic='boto/plain', payload='text')
    data.publish(topic='boto/bytes', qos=1, payload=bytes(range(256)))
    data.publish(topic='boto/empty')
    data.publish(topic='boto//ä b/$x', payload=b'odd')
    data.publish(
        topic='boto/mqtt5', qos=1, payload='{}', contentType='application/json', responseTopic='boto/answer here', messageExpiry=60,
        correlationData=base64.b64encode(b'\x00\x01').decode(), payloadFormatIndicator='UTF8_DATA',
        userProperties=json.dumps([{'k': 'v'}, {'k': 'w'}, {'l': 'ü'}]))
    invalid = data.exceptions.InvalidRequestException
    for topic in ('boto/#', 'boto/+/x', 'b' * 257, '$aws/events/presence/connected/x', '$aws/things/x/shadow/update/accepted'):
        fails(invalid, data.publish, topic=topic, payload='refused')
    fails(invalid, data.publish, topic='boto/refused', qos=2)
    fails(invalid, data.publish, topic='boto/refused', responseTopic='boto/#')
    fails(invalid, data.publish, topic='$aws/things/x/shadow/update', payload='{}', retain=True)
    data.publish(topic='$aws/things/published/shadow/update', payload='{"state":{"desired":{"by":"publish"}}}')
    equal(body(data.get_thing_shadow(thingName='published'))['state']['desired'], {'by': 'publish'})


@check
def retained(aws):
    data = aws.data
    for i in range(5):
        data.publish(topic=f'kept/{i}', qos=i % 2, retain=True, payload=b'\xff' * (i + 1), userProperties=json.dumps([{'i': str(i)}]))
    found = {t['topic']: t for t in pages(data, 'list_retained_messages', 'retainedTopics')}
    equal(sorted(found), [f'kept/{i}' for i in range(5)])
    has(found['kept/3'], payloadSize=4, qos=1)
    one = data.get_retained_message(topic='kept/3')
    has(one, topic='kept/3', payload=b'\xff' * 4, qos=1, lastModifiedTime=found['kept/3']['lastModifiedTime'])
    assert one['lastModifiedTime'] > 1e12, one  # milliseconds
    equal(json.loads(one['userProperties']), [{'i': '3'}])
    data.publish(topic='kept/3', retain=True, payload=b'')
    fails(data.exceptions.ResourceNotFoundException, data.get_retained_message, topic='kept/3')
    equal(len(data.list_retained_messages()['retainedTopics']), 4)
    fails(data.exceptions.InvalidRequestException, data.get_retained_message, topic='kept/#')
    fails(data.exceptions.InvalidRequestException, data.list_retained_messages, nextToken='!')
    for i in range(5):
        data.publish(topic=f'kept/{i}', retain=True)
    equal(data.list_retained_messages()['retainedTopics'], [])


@check
def connections(aws):
    """Ends connections of the test's clients."""
    data = aws.data
    data.delete_connection(clientId='kicked:1')
    data.delete_connection(clientId='kicked:2', cleanSession=True, preventWillMessage=True)
    fails(data.exceptions.ResourceNotFoundException, data.delete_connection, clientId='nobody')
    fails(data.exceptions.InvalidRequestException, data.delete_connection, clientId='$x')
    fails(data.exceptions.ForbiddenException, data.delete_connection, clientId='protected')
