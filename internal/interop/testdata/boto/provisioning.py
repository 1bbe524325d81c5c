"""Provisioning templates, role aliases, custom authorizers."""

import json

from openssl import request
from wire import check, equal, fails, has, pages

ARN = 'arn:aws:iot:eu-central-1:123456789012:'
ROLE = 'arn:aws:iam::123456789012:role/uploader'


def template(thing, property='CertificateId', parameter='AWS::IoT::Certificate::Id'):
    return json.dumps({
        'Parameters': {'Serial': {'Type': 'String'}, parameter: {'Type': 'String'}},
        'Resources': {
            'thing': {'Type': 'AWS::IoT::Thing', 'Properties': {'ThingName': {'Fn::Join': ['-', [thing, {'Ref': 'Serial'}]]}}},
            'certificate': {'Type': 'AWS::IoT::Certificate', 'Properties': {property: {'Ref': parameter}}}}})


@check
def templates(aws):
    iot, x = aws.iot, aws.iot.exceptions
    first, second = template('one'), template('two')
    made = iot.create_provisioning_template(templateName='fleet', templateBody=first, provisioningRoleArn=ROLE, description='d')
    has(made, templateName='fleet', templateArn=ARN + 'provisioningtemplate/fleet', defaultVersionId=1)
    fails(x.ResourceAlreadyExistsException, iot.create_provisioning_template, templateName='fleet', templateBody=first, provisioningRoleArn=ROLE)
    fails(x.InvalidRequestException, iot.create_provisioning_template, templateName='bad', templateBody='{}', provisioningRoleArn=ROLE)
    is_ = iot.describe_provisioning_template(templateName='fleet')
    has(is_, description='d', enabled=False, type='FLEET_PROVISIONING', templateBody=first, provisioningRoleArn=ROLE)
    fails(x.InvalidRequestException, iot.create_provisioning_claim, templateName='fleet')  # it is switched off
    iot.update_provisioning_template(templateName='fleet', enabled=True, description='e')
    has(iot.describe_provisioning_template(templateName='fleet'), description='e', enabled=True)

    claim = iot.create_provisioning_claim(templateName='fleet')
    assert 'PRIVATE KEY' in claim['keyPair']['PrivateKey'] and claim['certificatePem'] and claim['expiration'], claim
    assert claim['certificateId'] not in [c['certificateId'] for c in iot.list_certificates()['certificates']]

    has(iot.create_provisioning_template_version(templateName='fleet', templateBody=second), versionId=2, isDefaultVersion=False)
    has(iot.describe_provisioning_template_version(templateName='fleet', versionId=2), templateBody=second, isDefaultVersion=False)
    iot.update_provisioning_template(templateName='fleet', defaultVersionId=2)
    has(iot.describe_provisioning_template(templateName='fleet'), templateBody=second, defaultVersionId=2)
    equal({v['versionId']: v['isDefaultVersion'] for v in pages(iot, 'list_provisioning_template_versions', 'versions', size=1, templateName='fleet')},
          {1: False, 2: True})
    fails(x.DeleteConflictException, iot.delete_provisioning_template_version, templateName='fleet', versionId=2)
    iot.delete_provisioning_template_version(templateName='fleet', versionId=1)
    assert 'fleet' in [t['templateName'] for t in pages(iot, 'list_provisioning_templates', 'templates', size=1)]
    iot.delete_provisioning_template(templateName='fleet')
    fails(x.ResourceNotFoundException, iot.describe_provisioning_template, templateName='fleet')


@check
def things_registered(aws):
    iot = aws.iot
    done = iot.register_thing(templateBody=template('reg', 'CertificateSigningRequest', 'CSR'), parameters={'Serial': '7', 'CSR': request('reg-7')})
    assert done['certificatePem'].startswith('-----BEGIN CERTIFICATE-----'), done
    equal(done['resourceArns']['thing'], ARN + 'thing/reg-7')
    equal(iot.list_thing_principals(thingName='reg-7')['principals'], [done['resourceArns']['certificate']])
    fails(iot.exceptions.InvalidRequestException, iot.register_thing, templateBody='nonsense', parameters={})


@check
def role_aliases(aws):
    iot, x = aws.iot, aws.iot.exceptions
    has(iot.create_role_alias(roleAlias='upload', roleArn=ROLE, credentialDurationSeconds=900), roleAlias='upload', roleAliasArn=ARN + 'rolealias/upload')
    fails(x.ResourceAlreadyExistsException, iot.create_role_alias, roleAlias='upload', roleArn=ROLE)
    has(iot.describe_role_alias(roleAlias='upload')['roleAliasDescription'], roleArn=ROLE, credentialDurationSeconds=900, owner='123456789012')
    iot.update_role_alias(roleAlias='upload', credentialDurationSeconds=3600)
    equal(iot.describe_role_alias(roleAlias='upload')['roleAliasDescription']['credentialDurationSeconds'], 3600)
    iot.create_role_alias(roleAlias='second', roleArn=ROLE)
    equal(sorted(pages(iot, 'list_role_aliases', 'roleAliases', size=1)), ['second', 'upload'])
    for alias in ('upload', 'second'):
        iot.delete_role_alias(roleAlias=alias)
    fails(x.ResourceNotFoundException, iot.describe_role_alias, roleAlias='upload')


@check
def authorizers(aws):
    iot, x = aws.iot, aws.iot.exceptions
    function = 'arn:aws:lambda:eu-central-1:123456789012:function:doorman'
    has(iot.create_authorizer(authorizerName='plain', authorizerFunctionArn=function, signingDisabled=True, status='ACTIVE'),
        authorizerName='plain', authorizerArn=ARN + 'authorizer/plain')
    fails(x.ResourceAlreadyExistsException, iot.create_authorizer, authorizerName='plain', authorizerFunctionArn=function, status='INACTIVE', signingDisabled=True)
    has(iot.describe_authorizer(authorizerName='plain')['authorizerDescription'], authorizerFunctionArn=function, status='ACTIVE', signingDisabled=True)
    equal([a['authorizerName'] for a in iot.list_authorizers(status='ACTIVE')['authorizers']], ['plain'])
    has(iot.set_default_authorizer(authorizerName='plain'), authorizerName='plain')
    equal(iot.describe_default_authorizer()['authorizerDescription']['authorizerName'], 'plain')
    said = iot.test_invoke_authorizer(authorizerName='plain', mqttContext={'username': 'ann', 'password': b'ann-pw', 'clientId': 'c'})
    has(said, isAuthenticated=True, principalId='ann')
    assert 'iot:Connect' in said['policyDocuments'][0], said
    equal(iot.test_invoke_authorizer(authorizerName='plain', mqttContext={'username': 'ann', 'password': b'guess'})['isAuthenticated'], False)
    iot.clear_default_authorizer()
    fails(x.ResourceNotFoundException, iot.describe_default_authorizer)
    iot.update_authorizer(authorizerName='plain', status='INACTIVE')
    iot.delete_authorizer(authorizerName='plain')
    fails(x.ResourceNotFoundException, iot.describe_authorizer, authorizerName='plain')
