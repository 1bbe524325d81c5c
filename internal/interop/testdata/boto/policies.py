"""Policies: their versions, what they are attached to, and what they come to."""

import json
import os

import boto3
from botocore.exceptions import ClientError
from wire import check, equal, fails, has, pages

ARN = 'arn:aws:iot:eu-central-1:123456789012:'


def allow(action, resource):
    return json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': action, 'Resource': resource}]})


@check
def policies_and_versions(aws):
    iot, x = aws.iot, aws.iot.exceptions
    document = allow('iot:Connect', '*')
    has(iot.create_policy(policyName='p', policyDocument=document, tags=[{'Key': 'k', 'Value': 'v'}]),
        policyName='p', policyArn=ARN + 'policy/p', policyDocument=document, policyVersionId='1')
    fails(x.ResourceAlreadyExistsException, iot.create_policy, policyName='p', policyDocument=document)
    fails(x.MalformedPolicyException, iot.create_policy, policyName='q', policyDocument='{"Statement": 1}')
    fails(x.InvalidRequestException, iot.create_policy, policyName='a!b', policyDocument=document)
    second = allow('iot:Connect', ARN + 'client/*')
    has(iot.create_policy_version(policyName='p', policyDocument=second), policyVersionId='2', isDefaultVersion=False)
    has(iot.get_policy(policyName='p'), policyDocument=document, defaultVersionId='1')
    iot.set_default_policy_version(policyName='p', policyVersionId='2')
    got = iot.get_policy(policyName='p')
    has(got, policyDocument=second, defaultVersionId='2')
    assert got['creationDate'] <= got['lastModifiedDate'], got
    for n in '345':
        iot.create_policy_version(policyName='p', policyDocument=document, setAsDefault=n == '5')
    fails(x.VersionsLimitExceededException, iot.create_policy_version, policyName='p', policyDocument=document)
    fails(x.DeleteConflictException, iot.delete_policy_version, policyName='p', policyVersionId='5')
    iot.delete_policy_version(policyName='p', policyVersionId='1')
    fails(x.ResourceNotFoundException, iot.get_policy_version, policyName='p', policyVersionId='1')
    has(iot.get_policy_version(policyName='p', policyVersionId='2'), policyDocument=second, isDefaultVersion=False)
    equal({v['versionId']: v['isDefaultVersion'] for v in iot.list_policy_versions(policyName='p')['policyVersions']},
          {'2': False, '3': False, '4': False, '5': True})
    fails(x.DeleteConflictException, iot.delete_policy, policyName='p')
    for n in '234':
        iot.delete_policy_version(policyName='p', policyVersionId=n)
    iot.delete_policy(policyName='p')
    fails(x.ResourceNotFoundException, iot.get_policy, policyName='p')


@check
def policies_listed(aws):
    names = [f'list-{i}' for i in range(5)]
    for n in names:
        aws.iot.create_policy(policyName=n, policyDocument=allow('iot:Connect', '*'))
    found = [p['policyName'] for p in pages(aws.iot, 'list_policies', 'policies')]
    equal([n for n in found if n.startswith('list-')], names)
    down = [p['policyName'] for p in aws.iot.list_policies(ascendingOrder=False)['policies']]
    equal(sorted(down), sorted(found))
    for n in names:
        aws.iot.delete_policy(policyName=n)


@check
def attached(aws):
    iot, x = aws.iot, aws.iot.exceptions
    cert = iot.create_keys_and_certificate(setAsActive=True)
    arn = cert['certificateArn']
    iot.create_policy(policyName='on-cert', policyDocument=allow('iot:Connect', ARN + 'client/${iot:Connection.Thing.ThingName}'))
    iot.create_policy(policyName='on-group', policyDocument=allow(['iot:Publish', 'iot:Subscribe'], '*'))
    for _ in range(2):  # the second time is none the worse
        iot.attach_policy(policyName='on-cert', target=arn)
    fails(x.ResourceNotFoundException, iot.attach_policy, policyName='none', target=arn)
    fails(x.ResourceNotFoundException, iot.attach_policy, policyName='on-cert', target=ARN + 'cert/' + '0' * 64)
    iot.create_thing(thingName='attached')
    iot.create_thing_group(thingGroupName='above')
    group = iot.create_thing_group(thingGroupName='below', parentGroupName='above')['thingGroupArn']
    iot.attach_policy(policyName='on-group', target=ARN + 'thinggroup/above')
    iot.attach_thing_principal(thingName='attached', principal=arn)
    iot.add_thing_to_thing_group(thingName='attached', thingGroupName='below')

    def names(answer):
        return sorted(p['policyName'] for p in answer)
    equal(names(iot.list_attached_policies(target=arn)['policies']), ['on-cert'])
    equal(names(iot.list_attached_policies(target=group)['policies']), [])
    equal(names(iot.list_attached_policies(target=group, recursive=True)['policies']), ['on-group'])
    equal(iot.list_targets_for_policy(policyName='on-cert')['targets'], [arn])
    effective = iot.get_effective_policies(principal=arn, thingName='attached')['effectivePolicies']
    equal(names(effective), ['on-cert', 'on-group'])
    equal(json.loads(effective[0]['policyDocument'])['Version'], '2012-10-17')
    # As it was called once.
    iot.attach_principal_policy(policyName='on-group', principal=arn)
    equal(names(iot.list_principal_policies(principal=arn)['policies']), ['on-cert', 'on-group'])
    assert arn in iot.list_policy_principals(policyName='on-group')['principals']
    iot.detach_principal_policy(policyName='on-group', principal=arn)

    fails(x.DeleteConflictException, iot.delete_policy, policyName='on-cert')
    for _ in range(2):
        iot.detach_policy(policyName='on-cert', target=arn)
    iot.delete_policy(policyName='on-cert')
    iot.detach_policy(policyName='on-group', target=ARN + 'thinggroup/above')
    iot.delete_policy(policyName='on-group')


@check
def authorization_tested(aws):
    iot = aws.iot
    arn = iot.create_keys_and_certificate(setAsActive=True)['certificateArn']
    iot.create_policy(policyName='may', policyDocument=json.dumps({'Version': '2012-10-17', 'Statement': [
        {'Effect': 'Allow', 'Action': 'iot:*', 'Resource': '*'},
        {'Effect': 'Deny', 'Action': 'iot:Publish', 'Resource': ARN + 'topic/secret'}]}))
    iot.attach_policy(policyName='may', target=arn)

    def decisions(**more):
        return [r['authDecision'] for r in iot.test_authorization(principal=arn, clientId='c', authInfos=[
            {'actionType': 'CONNECT', 'resources': [ARN + 'client/c']},
            {'actionType': 'PUBLISH', 'resources': [ARN + 'topic/open']},
            {'actionType': 'PUBLISH', 'resources': [ARN + 'topic/secret']},
            {'actionType': 'SUBSCRIBE', 'resources': [ARN + 'topicfilter/secret']},
            {'actionType': 'RECEIVE', 'resources': [ARN + 'topic/secret']}], **more)['authResults']]
    equal(decisions(), ['ALLOWED', 'ALLOWED', 'EXPLICIT_DENY', 'ALLOWED', 'ALLOWED'])
    equal(decisions(policyNamesToSkip=['may']), ['IMPLICIT_DENY'] * 5)
    iot.create_policy(policyName='instead', policyDocument=allow('iot:Connect', '*'))
    equal(decisions(policyNamesToSkip=['may'], policyNamesToAdd=['instead']), ['ALLOWED'] + ['IMPLICIT_DENY'] * 4)
    result = iot.test_authorization(principal=arn, authInfos=[{'actionType': 'PUBLISH', 'resources': [ARN + 'topic/secret']}])['authResults'][0]
    equal([p['policyName'] for p in result['denied']['explicitDeny']['policies']], ['may'])
    fails(iot.exceptions.ResourceNotFoundException, iot.test_authorization, authInfos=[{'actionType': 'CONNECT', 'resources': ['*']}],
          principal=ARN + 'cert/' + '0' * 64)
    iot.detach_policy(policyName='may', target=arn)
    iot.delete_policy(policyName='may')
    iot.delete_policy(policyName='instead')


def refused(status, call, **args):
    """Calls an operation that nobody lets the caller do."""
    try:
        answer = call(**args)
    except ClientError as e:
        equal(e.response['ResponseMetadata']['HTTPStatusCode'], status)
        assert e.response['Error']['Message'], e.response
        return e.response['Error']
    raise AssertionError(f'expected {status}, got {answer!r}')


@check
def keys_are_governed(aws):
    """What the user of an access key may do is what its policies say, on both planes."""
    keys = os.environ['READER_KEY_ID'], os.environ['READER_SECRET_KEY']
    session = boto3.Session(*keys)
    iot, data = aws.client('iot', session), aws.client('iot-data', session)
    aws.iot.create_thing(thingName='seen')
    aws.iot.create_thing(thingName='unseen')
    has(iot.describe_thing(thingName='seen'), thingName='seen')
    assert iot.list_things()['things']
    for call, args in ((iot.describe_thing, {'thingName': 'unseen'}), (iot.create_thing, {'thingName': 'mine'}),
                       (iot.delete_thing, {'thingName': 'seen'}), (iot.create_keys_and_certificate, {}),
                       (iot.create_policy, {'policyName': 'mine', 'policyDocument': allow('iot:*', '*')}),
                       (iot.attach_policy, {'policyName': 'reader', 'target': ARN + 'cert/' + '0' * 64})):
        e = refused(403, call, **args)
        equal(e['Code'], 'UnauthorizedException')
        assert 'is not authorized to perform iot:' in e['Message'], e
    data.publish(topic='reader/says', qos=1, payload=b'hello')
    equal(refused(403, data.publish, topic='boss/says', payload=b'no')['Code'], 'ForbiddenException')
    equal(refused(403, data.update_thing_shadow, thingName='seen', payload=b'{"state":{}}')['Code'], 'ForbiddenException')
    # And who has no key, or a wrong one, is nobody.
    for wrong in (boto3.Session(keys[0], 'guess'), boto3.Session('AKIANOBODY0000000000', keys[1])):
        equal(refused(401, aws.client('iot', wrong).describe_thing, thingName='seen')['Code'], 'UnauthorizedException')
        refused(401, aws.client('iot-data', wrong).publish, topic='reader/says', payload=b'no')
