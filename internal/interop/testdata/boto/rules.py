"""Topic rules and their destinations."""

import http.server
import json
import queue
import threading
import time
import urllib.parse

from control import ARN, recent
from wire import check, equal, fails, has, pages

RULE = ARN + 'rule/'
SQL = "SELECT temp, topic(2) AS device FROM 'dt/+/temp' WHERE temp > 80"
ALERT = {'republish': {'roleArn': 'arn:aws:iam::123456789012:role/r', 'topic': 'alerts/${topic(2)}', 'qos': 1, 'headers': {
    'payloadFormatIndicator': 'UTF8_DATA', 'contentType': 'application/json', 'responseTopic': 'cmd/${topic(2)}', 'correlationData': 'Yy0x', 'messageExpiry': '60',
    'userProperties': [{'key': 'device', 'value': '${topic(2)}'}, {'key': 'device', 'value': 'again'}]}}}
ERRORS = {'republish': {'roleArn': 'arn:aws:iam::123456789012:role/r', 'topic': 'errors', 'qos': 0}}


def payload(**members):
    return {'sql': SQL, 'awsIotSqlVersion': '2016-03-23', 'actions': [ALERT], **members}


@check
def rules(aws):
    iot = aws.iot
    made = payload(description='too hot: <ü> & 😀', errorAction=ERRORS, ruleDisabled=False)
    iot.create_topic_rule(ruleName='hot', topicRulePayload=made, tags='team=a%20b&stage=')
    other = fails(iot.exceptions.ResourceAlreadyExistsException, iot.create_topic_rule, ruleName='hot', topicRulePayload=made)
    has(other, resourceId='hot', resourceArn=RULE + 'hot')
    equal(other['ResponseMetadata']['HTTPStatusCode'], 409)
    is_ = iot.get_topic_rule(ruleName='hot')
    equal(is_['ruleArn'], RULE + 'hot')
    created = is_['rule'].pop('createdAt')
    recent(created)
    equal(is_['rule'], {'ruleName': 'hot', **made})

    iot.disable_topic_rule(ruleName='hot')
    equal(iot.get_topic_rule(ruleName='hot')['rule']['ruleDisabled'], True)
    iot.disable_topic_rule(ruleName='hot')
    iot.enable_topic_rule(ruleName='hot')
    equal(iot.get_topic_rule(ruleName='hot')['rule']['ruleDisabled'], False)

    # Replaced as a whole; without a version it has the first one.
    iot.replace_topic_rule(ruleName='hot', topicRulePayload={'sql': "SELECT * FROM 'a'", 'actions': []})
    equal(iot.get_topic_rule(ruleName='hot')['rule'], {
        'ruleName': 'hot', 'sql': "SELECT * FROM 'a'", 'actions': [], 'awsIotSqlVersion': '2015-10-08', 'ruleDisabled': False, 'createdAt': created})

    equal(tags(iot, 'hot'), {'team': 'a b', 'stage': ''})
    iot.untag_resource(resourceArn=RULE + 'hot', tagKeys=['stage'])
    equal(tags(iot, 'hot'), {'team': 'a b'})
    iot.delete_topic_rule(ruleName='hot')
    fails(iot.exceptions.ResourceNotFoundException, iot.list_tags_for_resource, resourceArn=RULE + 'hot')


def tags(iot, rule):
    return {t['Key']: t['Value'] for t in iot.list_tags_for_resource(resourceArn=RULE + rule)['tags']}


@check
def rules_refused(aws):
    iot = aws.iot
    invalid = iot.exceptions.InvalidRequestException

    def refused(exception, *texts, name='refused', **members):
        for call in (iot.create_topic_rule, iot.replace_topic_rule):
            error = fails(exception, call, ruleName=name, topicRulePayload=payload(**members))
            equal(error['ResponseMetadata']['HTTPStatusCode'], 400)
            for text in texts:
                assert text in error['Error']['Message'], error

    refused(iot.exceptions.SqlParseException, 'line 1, column 15', sql='SELECT * FROM a')
    refused(iot.exceptions.SqlParseException, 'line 2, column 7', 'uper', sql="SELECT *\nWHERE uper(a) = 'A'")
    refused(iot.exceptions.SqlParseException, 'actions[0]', actions=[{'republish': {'roleArn': 'r' * 20, 'topic': '${topic(}'}}])
    refused(invalid, 'ruleName', name='not-allowed')
    refused(invalid, '1900-01-01', '2016-03-23', awsIotSqlVersion='1900-01-01')
    refused(invalid, 'qos', actions=[{'republish': {'roleArn': 'r' * 20, 'topic': 'a', 'qos': 7}}])
    refused(invalid, 'actions', '10', actions=[ALERT] * 11)
    for action in (
        {'lambda': {'functionArn': 'arn:f'}}, {'s3': {'roleArn': 'arn:r', 'bucketName': 'b', 'key': '${topic()}'}},
        {'dynamoDBv2': {'roleArn': 'arn:r', 'putItem': {'tableName': 't'}}}, {'sqs': {'roleArn': 'arn:r', 'queueUrl': 'q'}},
        {'kafka': {'destinationArn': 'arn:d', 'topic': 't', 'clientProperties': {'acks': '1'}}},
    ):
        refused(invalid, f'actions[1]: this hub has no action {next(iter(action))}', actions=[ALERT, action])
        refused(invalid, f'errorAction: this hub has no action {next(iter(action))}', errorAction=action)
    fails(invalid, iot.create_topic_rule, ruleName='refused', topicRulePayload=payload(), tags='aws:reserved=x')

    # There is no other exception for a rule that does not exist.
    missing = iot.exceptions.UnauthorizedException
    for call in (iot.get_topic_rule, iot.delete_topic_rule, iot.enable_topic_rule, iot.disable_topic_rule):
        equal(fails(missing, call, ruleName='refused')['ResponseMetadata']['HTTPStatusCode'], 401)
    fails(missing, iot.replace_topic_rule, ruleName='refused', topicRulePayload=payload())


@check
def rules_listed(aws):
    iot = aws.iot
    for i in range(5):
        iot.create_topic_rule(ruleName=f'listed_{i}', topicRulePayload=payload(sql=f"SELECT * FROM 'listed/{i}/+'", ruleDisabled=i % 2 == 1))
    iot.create_topic_rule(ruleName='listed_no_topic', topicRulePayload=payload(sql='SELECT *'))

    def names(**filters):
        return [r['ruleName'] for r in pages(iot, 'list_topic_rules', 'rules', **filters)]

    all_ = [f'listed_{i}' for i in range(5)]
    equal(names(), all_ + ['listed_no_topic'])
    equal(names(ruleDisabled=True), all_[1::2])
    equal(names(topic='listed/3/x'), all_[3:4])
    equal(names(topic='listed/3/x', ruleDisabled=False), [])
    one = iot.list_topic_rules(topic='listed/3/+')['rules'][0]
    recent(one.pop('createdAt'))
    equal(one, {'ruleArn': RULE + 'listed_3', 'ruleName': 'listed_3', 'topicPattern': 'listed/3/+', 'ruleDisabled': True})
    assert 'nextToken' not in iot.list_topic_rules(maxResults=6)
    fails(iot.exceptions.InvalidRequestException, iot.list_topic_rules, nextToken='not one')
    for name in names():
        iot.delete_topic_rule(ruleName=name)


class Web:
    """A web service that keeps what it is sent."""

    def __init__(self):
        self.received = received = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                received.put((self.path, dict(self.headers.items()), json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f'http://127.0.0.1:{self.server.server_port}'

    def token(self, arn, path):
        """Returns the token of the confirmation that must come for a destination."""
        target, headers, body = self.received.get(timeout=20)
        target = urllib.parse.urlparse(target)
        headers = {k.lower(): v for k, v in headers.items()}
        equal(target.path, path)
        equal(urllib.parse.parse_qs(target.query), {'confirmationToken': [body['confirmationToken']]})
        equal(headers['x-amz-rules-engine-message-type'], 'DestinationConfirmation')
        equal(headers['x-amz-rules-engine-destination-arn'], arn)
        has(body, arn=arn, messageType='DestinationConfirmation')
        return body['confirmationToken']


@check
def destinations(aws):
    iot, web = aws.iot, Web()
    invalid = iot.exceptions.InvalidRequestException

    def create(path):
        return iot.create_topic_rule_destination(destinationConfiguration={'httpUrlConfiguration': {'confirmationUrl': web.url + path}})

    made = create('/a')['topicRuleDestination']
    has(made, status='IN_PROGRESS', httpUrlProperties={'confirmationUrl': web.url + '/a'})
    recent(made['createdAt'])
    arn = made['arn']
    assert arn.startswith(ARN + 'ruledestination/http/'), arn
    fails(iot.exceptions.ResourceAlreadyExistsException, create, path='/a')
    old = web.token(arn, '/a')
    fails(invalid, iot.update_topic_rule_destination, arn=arn, status='ENABLED')
    iot.update_topic_rule_destination(arn=arn, status='IN_PROGRESS')
    token = web.token(arn, '/a')
    fails(invalid, iot.confirm_topic_rule_destination, confirmationToken=old)
    iot.confirm_topic_rule_destination(confirmationToken=token)
    fails(invalid, iot.confirm_topic_rule_destination, confirmationToken=token)
    is_ = iot.get_topic_rule_destination(arn=arn)['topicRuleDestination']
    has(is_, arn=arn, status='ENABLED', createdAt=made['createdAt'])
    recent(is_['lastUpdatedAt'])
    for status in ('DISABLED', 'ENABLED'):
        iot.update_topic_rule_destination(arn=arn, status=status)
        equal(iot.get_topic_rule_destination(arn=arn)['topicRuleDestination']['status'], status)

    # A rule makes the destination that it needs.
    iot.create_topic_rule(ruleName='web', topicRulePayload=payload(actions=[{'http': {'url': web.url + '/b/${topic()}', 'confirmationUrl': web.url + '/b'}}]))
    create('/c')
    arns = {d['httpUrlSummary']['confirmationUrl']: d['arn'] for d in pages(iot, 'list_topic_rule_destinations', 'destinationSummaries')}
    equal(sorted(arns), [web.url + p for p in ('/a', '/b', '/c')])
    for arn in arns.values():
        iot.delete_topic_rule_destination(arn=arn)
        fails(invalid, iot.get_topic_rule_destination, arn=arn)
        fails(invalid, iot.delete_topic_rule_destination, arn=arn)
    equal(iot.list_topic_rule_destinations()['destinationSummaries'], [])
    iot.delete_topic_rule(ruleName='web')
    for url in ('ftp://a.test', 'http://user@a.test', 'https:///path'):
        fails(invalid, iot.create_topic_rule_destination, destinationConfiguration={'httpUrlConfiguration': {'confirmationUrl': url}})
    web.server.shutdown()


def enabled(iot, url):
    """Waits until the destination of a URL is enabled."""
    end = time.monotonic() + 20
    while True:
        found = [d['status'] for d in iot.list_topic_rule_destinations()['destinationSummaries'] if d['httpUrlSummary']['confirmationUrl'] == url]
        if found == ['ENABLED']:
            return
        assert time.monotonic() < end, found
        time.sleep(.1)
