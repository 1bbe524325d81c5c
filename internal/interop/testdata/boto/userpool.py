"""Drives user pools with boto3: python testdata/boto/userpool.py URL POOL CLIENT.

A check writes a line of JSON with its name and the error, if there was one. boto3 parses
answers and errors by its model of the service.
"""

import base64
import hashlib
import hmac
import json
import sys
import traceback
import urllib.parse
import urllib.request

import boto3
from botocore.config import Config

URL, POOL, APP = sys.argv[1:4]
SECRET = '0123456789abcdefghijklmnop'
PASSWORD = 'Passw0rd!'
CHECKS = []

idp = boto3.client('cognito-idp', 'eu-central-1', endpoint_url=URL, config=Config(retries={'total_max_attempts': 1}, parameter_validation=True))


def check(f):
    CHECKS.append(f)
    return f


def fails(exception, call, **args):
    try:
        answer = call(**args)
    except exception as e:
        assert e.response['Error']['Message'], 'the error has no message'
        assert e.response['ResponseMetadata']['RequestId'], 'the error has no request id'
        return
    raise AssertionError(f'expected {exception.__name__}, got {answer!r}')


def mail(to):
    with urllib.request.urlopen(f'{URL}/mail/{urllib.parse.quote(to)}') as r:
        return r.read().decode()


def secret_hash(name):
    return base64.b64encode(hmac.new(SECRET.encode(), (name + 'web').encode(), hashlib.sha256).digest()).decode()


def sign_in(name, password=PASSWORD):
    r = idp.initiate_auth(ClientId=APP, AuthFlow='USER_PASSWORD_AUTH', AuthParameters={'USERNAME': name, 'PASSWORD': password})
    return r['AuthenticationResult']


@check
def sign_up():
    r = idp.sign_up(ClientId=APP, Username='ben', Password=PASSWORD, UserAttributes=[{'Name': 'email', 'Value': 'ben@example.com'}])
    assert r['UserConfirmed'] is False and r['UserSub'], r
    assert r['CodeDeliveryDetails']['AttributeName'] == 'email', r
    idp.resend_confirmation_code(ClientId=APP, Username='ben')
    fails(idp.exceptions.CodeMismatchException, idp.confirm_sign_up, ClientId=APP, Username='ben', ConfirmationCode='x')
    idp.confirm_sign_up(ClientId=APP, Username='ben', ConfirmationCode=mail('ben@example.com'))


@check
def with_a_secret():
    args = dict(ClientId='web', AuthFlow='USER_PASSWORD_AUTH')
    fails(idp.exceptions.NotAuthorizedException, idp.initiate_auth, AuthParameters={'USERNAME': 'ben', 'PASSWORD': PASSWORD}, **args)
    r = idp.initiate_auth(AuthParameters={'USERNAME': 'ben', 'PASSWORD': PASSWORD, 'SECRET_HASH': secret_hash('ben')}, **args)
    token = r['AuthenticationResult']['RefreshToken']
    r = idp.initiate_auth(ClientId='web', AuthFlow='REFRESH_TOKEN_AUTH', AuthParameters={'REFRESH_TOKEN': token, 'SECRET_HASH': secret_hash('ben')})
    assert 'RefreshToken' not in r['AuthenticationResult'], r
    idp.get_tokens_from_refresh_token(ClientId='web', ClientSecret=SECRET, RefreshToken=token)
    idp.revoke_token(ClientId='web', ClientSecret=SECRET, Token=token)
    fails(idp.exceptions.NotAuthorizedException, idp.get_tokens_from_refresh_token, ClientId='web', ClientSecret=SECRET, RefreshToken=token)


@check
def own_account():
    access = sign_in('ben')['AccessToken']
    idp.update_user_attributes(AccessToken=access, UserAttributes=[{'Name': 'name', 'Value': 'Ben'}])
    idp.delete_user_attributes(AccessToken=access, UserAttributeNames=['name'])
    r = idp.get_user(AccessToken=access)
    assert {'Name': 'email_verified', 'Value': 'true'} in r['UserAttributes'], r
    idp.get_user_attribute_verification_code(AccessToken=access, AttributeName='email')
    idp.verify_user_attribute(AccessToken=access, AttributeName='email', Code=mail('ben@example.com'))
    idp.change_password(AccessToken=access, PreviousPassword=PASSWORD, ProposedPassword='An0ther!pass')
    idp.forgot_password(ClientId=APP, Username='ben')
    idp.confirm_forgot_password(ClientId=APP, Username='ben', ConfirmationCode=mail('ben@example.com'), Password=PASSWORD)
    fails(idp.exceptions.NotAuthorizedException, idp.get_user, AccessToken=access)
    access = sign_in('ben')['AccessToken']
    assert len(idp.associate_software_token(AccessToken=access)['SecretCode']) == 32
    fails(idp.exceptions.EnableSoftwareTokenMFAException, idp.verify_software_token, AccessToken=access, UserCode='000000')
    fails(idp.exceptions.InvalidParameterException, idp.set_user_mfa_preference, AccessToken=access, SoftwareTokenMfaSettings={'Enabled': True})
    idp.global_sign_out(AccessToken=access)


@check
def administer_users():
    r = idp.admin_create_user(UserPoolId=POOL, Username='carol', TemporaryPassword='T3mporary!', MessageAction='SUPPRESS', UserAttributes=[{'Name': 'email', 'Value': 'carol@example.com'}, {'Name': 'email_verified', 'Value': 'true'}])
    assert r['User']['UserStatus'] == 'FORCE_CHANGE_PASSWORD' and r['User']['UserCreateDate'].year > 2000, r
    args = dict(UserPoolId=POOL, ClientId=APP)
    r = idp.admin_initiate_auth(AuthFlow='ADMIN_USER_PASSWORD_AUTH', AuthParameters={'USERNAME': 'carol', 'PASSWORD': 'T3mporary!'}, **args)
    assert r['ChallengeName'] == 'NEW_PASSWORD_REQUIRED', r
    r = idp.admin_respond_to_auth_challenge(ChallengeName=r['ChallengeName'], Session=r['Session'], ChallengeResponses={'USERNAME': 'carol', 'NEW_PASSWORD': PASSWORD}, **args)
    assert r['AuthenticationResult']['TokenType'] == 'Bearer', r
    who = dict(UserPoolId=POOL, Username='carol')
    idp.admin_update_user_attributes(UserAttributes=[{'Name': 'name', 'Value': 'Carol'}], **who)
    idp.admin_delete_user_attributes(UserAttributeNames=['name'], **who)
    idp.admin_user_global_sign_out(**who)
    idp.admin_reset_user_password(**who)
    assert idp.admin_get_user(**who)['UserStatus'] == 'RESET_REQUIRED'
    fails(idp.exceptions.PasswordResetRequiredException, sign_in, name='carol')
    idp.admin_set_user_password(Password=PASSWORD, Permanent=True, **who)
    idp.admin_disable_user(**who)
    fails(idp.exceptions.NotAuthorizedException, sign_in, name='carol')
    idp.admin_enable_user(**who)
    sign_in('carol')
    idp.admin_set_user_mfa_preference(SoftwareTokenMfaSettings={'Enabled': False}, **who)
    idp.sign_up(ClientId=APP, Username='dora', Password=PASSWORD)
    idp.admin_confirm_sign_up(UserPoolId=POOL, Username='dora')
    fails(idp.exceptions.NotAuthorizedException, idp.admin_confirm_sign_up, UserPoolId=POOL, Username='dora')
    fails(idp.exceptions.UserNotFoundException, idp.admin_get_user, UserPoolId=POOL, Username='nobody')
    fails(idp.exceptions.UsernameExistsException, idp.admin_create_user, UserPoolId=POOL, Username='DORA')


@check
def groups():
    for name in 'a', 'b', 'c':
        idp.create_group(UserPoolId=POOL, GroupName=name, Precedence=1)
        idp.admin_add_user_to_group(UserPoolId=POOL, GroupName=name, Username='carol')
    fails(idp.exceptions.GroupExistsException, idp.create_group, UserPoolId=POOL, GroupName='a')
    assert idp.update_group(UserPoolId=POOL, GroupName='a', Description='first')['Group']['Description'] == 'first'
    assert idp.get_group(UserPoolId=POOL, GroupName='a')['Group']['Precedence'] == 1
    found = [g['GroupName'] for page in idp.get_paginator('list_groups').paginate(UserPoolId=POOL, PaginationConfig={'PageSize': 2}) for g in page['Groups']]
    assert found == ['a', 'b', 'c'], found
    found = [g['GroupName'] for page in idp.get_paginator('admin_list_groups_for_user').paginate(UserPoolId=POOL, Username='carol', PaginationConfig={'PageSize': 2}) for g in page['Groups']]
    assert found == ['a', 'b', 'c'], found
    found = [u['Username'] for page in idp.get_paginator('list_users_in_group').paginate(UserPoolId=POOL, GroupName='a') for u in page['Users']]
    assert found == ['carol'], found
    idp.admin_remove_user_from_group(UserPoolId=POOL, GroupName='a', Username='carol')
    idp.delete_group(UserPoolId=POOL, GroupName='b')
    fails(idp.exceptions.ResourceNotFoundException, idp.get_group, UserPoolId=POOL, GroupName='b')


@check
def lists():
    everybody = [u['Username'] for page in idp.get_paginator('list_users').paginate(UserPoolId=POOL, PaginationConfig={'PageSize': 1}) for u in page['Users']]
    assert everybody == ['ben', 'carol', 'dora'], everybody
    r = idp.list_users(UserPoolId=POOL, Filter='email = "ben@example.com"', AttributesToGet=['email'])
    assert [u['Attributes'] for u in r['Users']] == [[{'Name': 'email', 'Value': 'ben@example.com'}]], r
    fails(idp.exceptions.InvalidParameterException, idp.list_users, UserPoolId=POOL, Filter='x')


@check
def pools_and_clients():
    r = idp.create_user_pool(PoolName='other', Policies={'PasswordPolicy': {'MinimumLength': 6}}, Schema=[{'Name': 'plant', 'AttributeDataType': 'String', 'Mutable': True}], UsernameConfiguration={'CaseSensitive': True})
    pool = r['UserPool']['Id']
    assert r['UserPool']['Policies']['PasswordPolicy']['MinimumLength'] == 6, r
    idp.add_custom_attributes(UserPoolId=pool, CustomAttributes=[{'Name': 'level', 'AttributeDataType': 'Number'}])
    names = [a['Name'] for a in idp.describe_user_pool(UserPoolId=pool)['UserPool']['SchemaAttributes']]
    assert 'custom:plant' in names and 'custom:level' in names and 'email' in names, names
    idp.update_user_pool(UserPoolId=pool, MfaConfiguration='OPTIONAL')
    assert idp.set_user_pool_mfa_config(UserPoolId=pool, MfaConfiguration='ON', SoftwareTokenMfaConfiguration={'Enabled': True})['MfaConfiguration'] == 'ON'
    assert idp.get_user_pool_mfa_config(UserPoolId=pool)['SoftwareTokenMfaConfiguration']['Enabled'] is True
    c = idp.create_user_pool_client(UserPoolId=pool, ClientName='c', GenerateSecret=True, CallbackURLs=['https://example.com/back'], RefreshTokenRotation={'Feature': 'ENABLED', 'RetryGracePeriodSeconds': 10})['UserPoolClient']
    assert c['ClientSecret'] and c['CreationDate'].year > 2000, c
    c = idp.update_user_pool_client(UserPoolId=pool, ClientId=c['ClientId'], ClientName='d')['UserPoolClient']
    assert idp.describe_user_pool_client(UserPoolId=pool, ClientId=c['ClientId'])['UserPoolClient'] == c
    found = [x['ClientName'] for page in idp.get_paginator('list_user_pool_clients').paginate(UserPoolId=pool) for x in page['UserPoolClients']]
    assert found == ['d'], found
    found = [x['Id'] for page in idp.get_paginator('list_user_pools').paginate(PaginationConfig={'PageSize': 1}) for x in page['UserPools']]
    assert sorted(found) == sorted([POOL, pool]), found
    idp.delete_user_pool_client(UserPoolId=pool, ClientId=c['ClientId'])
    idp.delete_user_pool(UserPoolId=pool)
    fails(idp.exceptions.ResourceNotFoundException, idp.describe_user_pool, UserPoolId=pool)


@check
def deletions():
    idp.delete_user(AccessToken=sign_in('ben')['AccessToken'])
    idp.admin_delete_user(UserPoolId=POOL, Username='carol')
    fails(idp.exceptions.UserNotFoundException, idp.admin_delete_user, UserPoolId=POOL, Username='carol')


for f in CHECKS:
    error = ''
    try:
        f()
    except Exception:  # whatever it is, it is reported
        error = traceback.format_exc()
    print(json.dumps({'check': f.__name__, 'error': error}), flush=True)
