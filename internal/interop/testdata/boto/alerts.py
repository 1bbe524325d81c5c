"""A backend that makes rules and waits until its web service is confirmed:
python testdata/boto/alerts.py URL CA-FILE WEB-SERVICE."""

import sys

import rules
import wire

url, ca, web = sys.argv[1:]
iot = wire.Aws(url, ca).iot


def make(name, sql, *actions, **members):
    iot.create_topic_rule(ruleName=name, topicRulePayload={'sql': sql, 'awsIotSqlVersion': '2016-03-23', 'actions': list(actions), **members})


def republish(topic):
    return {'republish': {'roleArn': 'arn:aws:iam::123456789012:role/r', 'topic': topic, 'qos': 1}}


def call(path):
    return {'http': {'url': web + path, 'confirmationUrl': web + '/hook', 'headers': [{'key': 'X-Device', 'value': '${topic(2)}'}], 'enableBatching': True,
                     'batchConfig': {'maxBatchOpenMs': 200, 'maxBatchSize': 2, 'batchAcrossTopics': True}}}


make('hot', rules.SQL, rules.ALERT)
make('reported', "SELECT temp AS state.reported.temp, clientid() AS state.reported.by FROM 'dt/+/temp'", republish('$$aws/things/${topic(2)}/shadow/update'))
make('tell', "SELECT device FROM 'alerts/+'", call('/hook/alerts'))
make('refused', "SELECT * FROM 'refused/+'", call('/hook/refused'), errorAction=republish('errors/${topic(2)}'))
make('broken', "SELECT * FROM 'broken/+'", republish('to/${name}'), republish('fine'), errorAction=republish('errors/${topic(2)}'))
make('ingest', 'SELECT topic() AS t, v + 1 AS v', republish('ingested'))
rules.enabled(iot, web + '/hook')
print('ready')
