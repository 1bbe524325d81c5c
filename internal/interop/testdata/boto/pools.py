"""Drives identity pools and the token service of a hub with boto3:
python testdata/boto/pools.py COGNITO-URL STS-URL POOL TOKEN."""

import sys
import time

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

import wire
from wire import check, equal, fails, has

PROVIDER = 'login.example.com'


class Identity(wire.Aws):
    """Clients of a backend, which has a key, and of an app, which has none."""

    def __init__(self, cognito, sts, pool, token):
        super().__init__(cognito, None)
        self.sts_endpoint, self.pool, self.token = sts, pool, token
        self.backend = self.client('cognito-identity', boto3.Session())
        self.app = self.anonymous('cognito-identity', cognito)
        self.sts, self.anyone = self.caller(boto3.Session()), self.anonymous('sts', sts)

    def anonymous(self, service, endpoint):
        config = Config(signature_version=UNSIGNED, retries={'total_max_attempts': 1})
        return boto3.client(service, 'eu-central-1', endpoint_url=endpoint, config=config)

    def caller(self, session):
        return session.client('sts', 'eu-central-1', endpoint_url=self.sts_endpoint, config=Config(retries={'total_max_attempts': 1}))

    def who(self, key, secret, token):
        return self.caller(boto3.Session(key, secret, token)).get_caller_identity()['Arn']


def refused(code, call, **args):
    """Calls an operation that has to fail with a code that is no exception of the model's."""
    try:
        answer = call(**args)
    except ClientError as e:
        equal(e.response['Error']['Code'], code)
        assert e.response['ResponseMetadata']['RequestId'], 'the error has no request id'
        return
    raise AssertionError(f'expected {code}, got {answer!r}')


@check
def enhanced_flow(aws):
    logins = {PROVIDER: aws.token}
    id = aws.app.get_id(IdentityPoolId=aws.pool, Logins=logins)['IdentityId']
    equal(aws.app.get_id(IdentityPoolId=aws.pool, Logins=logins)['IdentityId'], id)
    answer = aws.app.get_credentials_for_identity(IdentityId=id, Logins=logins)
    equal(answer['IdentityId'], id)
    c = answer['Credentials']
    assert 3500 < c['Expiration'].timestamp() - time.time() < 3700, c['Expiration']
    equal(aws.who(c['AccessKeyId'], c['SecretKey'], c['SessionToken']), 'arn:aws:sts::000000000000:assumed-role/in/CognitoIdentityCredentials')
    fails(aws.app.exceptions.NotAuthorizedException, aws.app.get_credentials_for_identity, IdentityId=id)
    fails(aws.app.exceptions.NotAuthorizedException, aws.app.get_id, IdentityPoolId=aws.pool, Logins={PROVIDER: aws.token[:-4] + 'AAAA'})
    guest = aws.app.get_id(IdentityPoolId=aws.pool)['IdentityId']
    c = aws.app.get_credentials_for_identity(IdentityId=guest)['Credentials']
    equal(aws.who(c['AccessKeyId'], c['SecretKey'], c['SessionToken']), 'arn:aws:sts::000000000000:assumed-role/out/CognitoIdentityCredentials')


@check
def basic_flow(aws):
    logins = {PROVIDER: aws.token}
    id = aws.app.get_id(IdentityPoolId=aws.pool, Logins=logins)['IdentityId']
    token = aws.app.get_open_id_token(IdentityId=id, Logins=logins)['Token']
    role = 'arn:aws:iam::000000000000:role/'
    answer = aws.anyone.assume_role_with_web_identity(RoleArn=role + 'in', RoleSessionName='anna', WebIdentityToken=token)
    has(answer, SubjectFromWebIdentityToken=id, Audience=aws.pool, Provider='https://cognito-identity.amazonaws.com')
    c = answer['Credentials']
    equal(aws.who(c['AccessKeyId'], c['SecretAccessKey'], c['SessionToken']), 'arn:aws:sts::000000000000:assumed-role/in/anna')
    refused('AccessDenied', aws.anyone.assume_role_with_web_identity, RoleArn=role + 'out', RoleSessionName='anna', WebIdentityToken=token)
    fails(aws.anyone.exceptions.InvalidIdentityTokenException, aws.anyone.assume_role_with_web_identity, RoleArn=role + 'in', RoleSessionName='anna', WebIdentityToken='nothing')


@check
def backend_users(aws):
    answer = aws.backend.get_open_id_token_for_developer_identity(IdentityPoolId=aws.pool, Logins={'backend': 'u1'}, TokenDuration=60)
    id = answer['IdentityId']
    logins = {'cognito-identity.amazonaws.com': answer['Token']}
    equal(aws.app.get_id(IdentityPoolId=aws.pool, Logins=logins)['IdentityId'], id)
    assert aws.app.get_credentials_for_identity(IdentityId=id, Logins=logins)['Credentials']['SecretKey']
    has(aws.backend.lookup_developer_identity(IdentityPoolId=aws.pool, DeveloperUserIdentifier='u1'), IdentityId=id, DeveloperUserIdentifierList=['u1'])
    has(aws.backend.describe_identity(IdentityId=id), Logins=['backend'])
    refused('MissingAuthenticationTokenException', aws.app.list_identities, IdentityPoolId=aws.pool, MaxResults=1)


@check
def pools(aws):
    made = aws.backend.create_identity_pool(IdentityPoolName='other', AllowUnauthenticatedIdentities=False, IdentityPoolTags={'a': 'b'},
                                            CognitoIdentityProviders=[{'ProviderName': 'cognito-idp.local.amazonaws.com/p', 'ClientId': 'c', 'ServerSideTokenCheck': True}])
    id = made['IdentityPoolId']
    assert len(wire.pages(aws.backend, 'list_identity_pools', 'IdentityPools', size=1)) == 2
    has(aws.backend.describe_identity_pool(IdentityPoolId=id), IdentityPoolName='other', IdentityPoolTags={'a': 'b'}, CognitoIdentityProviders=made['CognitoIdentityProviders'])
    fails(aws.app.exceptions.NotAuthorizedException, aws.app.get_id, IdentityPoolId=id)
    aws.backend.delete_identity_pool(IdentityPoolId=id)
    fails(aws.backend.exceptions.ResourceNotFoundException, aws.backend.describe_identity_pool, IdentityPoolId=id)


@check
def assume_role(aws):
    equal(aws.sts.get_caller_identity()['Arn'], 'arn:aws:iam::000000000000:user/admin')
    role = 'arn:aws:iam::000000000000:role/reader'
    answer = aws.sts.assume_role(RoleArn=role, RoleSessionName='boto', DurationSeconds=900)
    has(answer['AssumedRoleUser'], Arn='arn:aws:sts::000000000000:assumed-role/reader/boto')
    c = answer['Credentials']
    assert 800 < c['Expiration'].timestamp() - time.time() < 1000, c['Expiration']
    equal(aws.who(c['AccessKeyId'], c['SecretAccessKey'], c['SessionToken']), 'arn:aws:sts::000000000000:assumed-role/reader/boto')
    refused('AccessDenied', aws.sts.assume_role, RoleArn=role + '2', RoleSessionName='boto')
    refused('ValidationError', aws.sts.assume_role, RoleArn=role, RoleSessionName='boto', DurationSeconds=43000)
    fails(aws.sts.exceptions.MalformedPolicyDocumentException, aws.sts.assume_role, RoleArn=role, RoleSessionName='boto', Policy='{}')


if __name__ == '__main__':
    wire.run(Identity(*sys.argv[1:]))
