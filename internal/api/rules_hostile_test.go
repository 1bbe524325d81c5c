package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/rules"
)

// An action that the hub has no sink for is refused by its name, not kept and never run.
func TestTopicRules_ActionsWithoutSink(t *testing.T) {
	t.Parallel()
	s := newStage(t, withRules(t))
	for kind, parameters := range map[string]string{
		"cloudwatchAlarm":  `{"roleArn":"arn:r","alarmName":"a","stateReason":"r","stateValue":"ALARM"}`,
		"cloudwatchLogs":   `{"roleArn":"arn:r","logGroupName":"g","batchMode":true}`,
		"cloudwatchMetric": `{"roleArn":"arn:r","metricNamespace":"n","metricName":"m","metricValue":"1","metricUnit":"None"}`,
		"dynamoDB":         `{"tableName":"t","roleArn":"arn:r","hashKeyField":"k","hashKeyValue":"${topic()}"}`,
		"dynamoDBv2":       `{"roleArn":"arn:r","putItem":{"tableName":"t"}}`,
		"elasticsearch":    `{"roleArn":"arn:r","endpoint":"https://e","index":"i","type":"t","id":"${newuuid()}"}`,
		"firehose":         `{"roleArn":"arn:r","deliveryStreamName":"d","separator":"\n"}`,
		"iotAnalytics":     `{"roleArn":"arn:r","channelName":"c"}`,
		"iotEvents":        `{"roleArn":"arn:r","inputName":"i"}`,
		"iotSiteWise":      `{"roleArn":"arn:r","putAssetPropertyValueEntries":[]}`,
		"kafka":            `{"destinationArn":"arn:d","topic":"t","clientProperties":{"acks":"1"}}`,
		"kinesis":          `{"roleArn":"arn:r","streamName":"s","partitionKey":"${topic()}"}`,
		"lambda":           `{"functionArn":"arn:f"}`,
		"location":         `{"roleArn":"arn:r","trackerName":"t","deviceId":"d","latitude":"1","longitude":"2"}`,
		"openSearch":       `{"roleArn":"arn:r","endpoint":"https://e","index":"i","type":"t","id":"1"}`,
		"s3":               `{"roleArn":"arn:r","bucketName":"b","key":"${topic()}"}`,
		"salesforce":       `{"token":"t","url":"https://e"}`,
		"sns":              `{"targetArn":"arn:t","roleArn":"arn:r","messageFormat":"RAW"}`,
		"sqs":              `{"roleArn":"arn:r","queueUrl":"https://q","useBase64":false}`,
		"stepFunctions":    `{"stateMachineName":"s","roleArn":"arn:r"}`,
		"timestream":       `{"roleArn":"arn:r","databaseName":"d","tableName":"t","dimensions":[{"name":"n","value":"v"}]}`,
	} {
		action := `{"` + kind + `":` + parameters + `}`
		for field, body := range map[string]string{
			"actions[1]":  `{"sql":"SELECT * FROM 'a'","actions":[{"republish":{"topic":"b"}},` + action + `]}`,
			"errorAction": `{"sql":"SELECT * FROM 'a'","actions":[],"errorAction":` + action + `}`,
		} {
			s.step(t, step{"POST /rules/r", body, wrong, `{"message":"` + field + `: this hub has no action ` + kind + `, expected file, http, log, republish or shadow"}`})
		}
	}
	s.step(t, step{"GET /rules", "", "", `{"rules":[]}`})
}

// What a rule is made of is what is got back: as SDKs send it, members that are null or
// have their default included.
func TestTopicRules_RoundTrip(t *testing.T) {
	t.Parallel()
	s := newStage(t, withRules(t))
	const sql = `"sql":"SELECT *, \"größe\" AS g, '<&>' AS h\r\n\tFROM 'ä/+/😀'"`
	for i, tt := range []struct{ sent, got string }{
		{`"actions":[]`, `"actions":[],"ruleDisabled":false,"awsIotSqlVersion":"2015-10-08"`},
		{`"actions":[],"description":"","ruleDisabled":false`, `"actions":[],"ruleDisabled":false,"awsIotSqlVersion":"2015-10-08"`},
		{`"actions":[],"description":null,"ruleDisabled":null,"awsIotSqlVersion":null,"errorAction":null`, `"actions":[],"ruleDisabled":false,"awsIotSqlVersion":"2015-10-08"`},
		{`"actions":[],"description":"<ü> & 😀","ruleDisabled":true,"awsIotSqlVersion":"beta"`, ``},
		{
			`"awsIotSqlVersion":"2016-03-23","ruleDisabled":false,"actions":[{"republish":{"roleArn":"arn:r","topic":"$$aws/things/${topic(2)}/shadow/update","qos":1,"headers":
			{"payloadFormatIndicator":"UTF8_DATA","contentType":"text/plain","responseTopic":"r/${topic(2)}","correlationData":"Yw==","messageExpiry":"60","userProperties":[{"key":"k","value":"v"},{"key":"k","value":"${w}"}]}}}],
			"errorAction":{"republish":{"roleArn":"arn:r","topic":"errors","qos":0}}`, ``,
		},
		{
			`"awsIotSqlVersion":"2016-03-23","ruleDisabled":false,"actions":[{"http":{"url":"https://a.test/in/${topic(2)}","confirmationUrl":"https://a.test/in","headers":[{"key":"x-a","value":"${b}"}],
			"enableBatching":true,"batchConfig":{"maxBatchOpenMs":5,"maxBatchSize":2,"maxBatchSizeBytes":100,"batchAcrossTopics":true}}}]`, ``,
		},
		{
			`"awsIotSqlVersion":"2016-03-23","ruleDisabled":false,"actions":[{"republish":{"topic":"b","roleArn":null,"qos":null,"headers":null},"s3":null},{"http":{"url":"https://a.test","confirmationUrl":null,"headers":null,"auth":null,"enableBatching":null,"batchConfig":null}}]`,
			`"awsIotSqlVersion":"2016-03-23","ruleDisabled":false,"actions":[{"republish":{"topic":"b","qos":0}},{"http":{"url":"https://a.test"}}]`,
		},
	} {
		if tt.got == "" {
			tt.got = tt.sent
		}
		target := fmt.Sprint("/rules/r", i)
		s.step(t, step{"POST " + target, `{` + sql + `,` + tt.sent + `}`, "", ""})
		var is struct{ Rule map[string]json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(ask(t, s.Handler(), "GET", target, "").text), &is))
		require.Equal(t, fmt.Sprintf(`"r%d"`, i), string(is.Rule["ruleName"]))
		created := is.Rule["createdAt"]
		require.Regexp(t, `^\d+(\.\d+)?$`, string(created))
		delete(is.Rule, "ruleName")
		delete(is.Rule, "createdAt")
		payload, err := json.Marshal(is.Rule)
		require.NoError(t, err)
		require.JSONEq(t, `{`+sql+`,`+tt.got+`}`, string(payload))

		// What was got can be put again, and the rule stays as old as it is.
		s.step(t, step{"PATCH " + target, string(payload), "", ""})
		again := ask(t, s.Handler(), "GET", target, "")
		require.NoError(t, json.Unmarshal([]byte(again.text), &is))
		require.Equal(t, string(created), string(is.Rule["createdAt"]))
	}
}

func TestTopicRules_BodiesThatAreOdd(t *testing.T) {
	t.Parallel()
	s := newStage(t, withRules(t))
	with := func(members string) string { return `{"sql":"SELECT * FROM 'a'",` + members + `}` }
	republish := func(members string) string {
		return with(`"actions":[{"republish":{"topic":"b",` + members + `}}]`)
	}
	for _, tt := range []struct{ body, want string }{
		{``, `the text is nothing, expected an object`},
		{`null`, `the text is null, expected an object`},
		{with(`"actions":[]`) + `{}`, `something follows the object`},
		{`{"topicRulePayload":` + with(`"actions":[]`) + `}`, `topicRulePayload is not known, expected actions, awsIotSqlVersion, delivery, description, errorAction, expr, ruleDisabled or sql`},
		{"{\"sql\":\"SELECT * FROM 'a\xff'\",\"actions\":[]}", `the body is not UTF-8`},
		{`{"sql":null,"actions":[]}`, `sql is missing, expected a statement`},
		{with(`"actions":null`), `actions is missing, expected an array of actions`},
		{with(`"actions":[null]`), `actions[0]: the text is null, expected an object`},
		{with(`"actions":[{}]`), `actions[0]: an action has no key, expected file, http, log, republish or shadow`},
		{with(`"actions":[],"errorAction":{}`), `errorAction: an action has no key, expected file, http, log, republish or shadow`},
		{with(`"actions":[],"errorAction":[]`), `errorAction: the text is an array, expected an object`},
		{with(`"actions":[],"awsIotSqlVersion":""`), `awsIotSqlVersion is "", expected 2015-10-08, 2016-03-23 or beta`},
		{with(`"actions":[],"sql":"SELECT 1"`), `sql stands there twice`},
		{republish(`"qos":"1"`), `actions[0]: republish: qos is "1", expected a whole number from 0 to 1`},
		{republish(`"headers":{"userProperties":[]}`), `actions[0]: republish: headers.userProperties is an array of 0, expected 1 to 100 items`},
		{republish(`"headers":{"userProperties":[{"key":null}]}`), `actions[0]: republish: headers.userProperties[0].key is missing, expected a text`},
	} {
		s.step(t, step{"POST /rules/a", tt.body, wrong, ""})
		require.Equal(t, tt.want, ask(t, s.Handler(), "POST", "/rules/a", tt.body).body["message"])
	}
	ok := with(`"actions":[]`)
	for _, name := range []string{"a-b", "a.b", "a b", "a/b", "ü", "\x00", "\xff", "..", "-", strings.Repeat("a", 129)} {
		a := ask(t, s.Handler(), "POST", "/rules/"+strings.ReplaceAll(url.PathEscape(name), ".", "%2E"), ok)
		require.Equal(t, 400, a.status, name)
		require.Regexp(t, `^ruleName is ".+", expected 1 to 128 letters, digits and underscores$`, a.body["message"])
	}
	s.step(t, step{"GET /rules", "", "", `{"rules":[]}`})
	for _, name := range []string{strings.Repeat("a", 128), "_", "0", "enable", "test"} {
		s.step(t, step{"POST /rules/" + name, ok, "", ""})
		s.step(t, step{"DELETE /rules/" + name, "", "", ""})
	}
	statement := func(bytes int) string {
		const begin, end = "SELECT '", "' AS a FROM 'a'"
		return `{"actions":[],"sql":"` + begin + strings.Repeat("x", bytes-len(begin)-len(end)) + end + `"}`
	}
	s.step(t, step{"POST /rules/huge", statement(256 << 10), "", ""})
	a := s.step(t, step{"POST /rules/larger", statement(256<<10 + 1), "SqlParse", ""})
	require.Less(t, len(a.text), 1000, "the statement is not told again")
}

func TestTestTopicRule_BodiesThatAreOdd(t *testing.T) {
	t.Parallel()
	s := newStage(t, withRules(t))
	with := func(members string) string { return `{"sql":"SELECT * FROM 'a'","topic":"a",` + members + `}` }
	for _, tt := range []struct{ body, want string }{
		{``, `topic name "": must not be empty`},
		{`[]`, `the body is an array, expected an object`},
		{`{"sql":"SELECT * FROM 'a'"}`, `topic name "": must not be empty`},
		{`{"sql":null,"topic":"a"}`, `sql is missing`},
		{`{"sqlversion":"beta"}`, `sqlversion is not known, expected the name sqlVersion in this case of letters`},
		{with(`"payload":{"a":1}`), `payload is an object, expected a string`},
		{with(`"payloadBase64":"!"`), `payloadBase64 is "!", expected base64`},
		{with(`"sqlVersion":"1"`), `sqlVersion is "1", expected 2015-10-08, 2016-03-23 or beta`},
		{with(`"context":[]`), `context is an array, expected an object`},
		{with(`"context":"x"`), `context is a string, expected an object`},
		{with(`"context":{"timestamp":"x"}`), `context.timestamp is a string, expected a whole number`},
		{with(`"context":{"timestamp":1.5}`), `context.timestamp is a number 1.5, expected a whole number`},
		{with(`"context":{"clientId":"a","clientId":"b"}`), `context.clientId is there twice`},
		{with(`"context":{"shadows":[]}`), `context.shadows is an array, expected an object`},
		{with(`"context":{"sourceIp":"x"}`), `context.sourceIp is "x", expected an IP address`},
		{with(`"context":{"ruleName":"a-b"}`), `context.ruleName is "a-b", expected 1 to 128 letters, digits and underscores`},
		{with(`"context":{"mqtt":{"payloadFormatIndicator":2}}`), `context.mqtt.payloadFormatIndicator is 2, expected 0 or 1`},
		{with(`"context":{"mqtt":{"correlationData":"!"}}`), `context.mqtt.correlationData is "!", expected base64`},
		{with(`"context":{"mqtt":{"userProperties":{}}}`), `context.mqtt.userProperties is an object, expected an array`},
		{with(`"context":{"mqtt":{"userProperties":[{"k":"v"}]}}`), `context.mqtt.userProperties is an object, expected an array`},
		{with(`"context":{"mqtt":{"userProperties":[["k","v"],["k"]]}}`), `context.mqtt.userProperties[1] has 1 texts, expected a key and a value`},
		{with(`"payload":"` + strings.Repeat("x", 10<<20) + `"`), `The payload exceeds the maximum size allowed`},
		{`{"template":"${topic()}","topic":"$aws/rules/R"}`, `topic is "$aws/rules/R", expected a topic behind the rule of Basic Ingest`},
	} {
		a := ask(t, s.Handler(), "POST", "/rules/-/test", tt.body)
		require.Equal(t, "InvalidRequestException", a.body["__type"], a.text)
		require.Equal(t, tt.want, a.body["message"])
	}
	a := s.step(t, step{"POST /rules/-/test", `{"template":"${topic(","topic":"a"}`, "SqlParse", `{"line":1,"column":9}`})
	require.Contains(t, a.body["message"], "template: line 1, column 9")

	statement := func(sql, members string) string {
		return fmt.Sprintf(`{"sql":%q,"sqlVersion":"2016-03-23","topic":"a",%s}`, sql, members)
	}
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	for _, st := range []step{
		{
			"POST /rules/-/test", `{"sql":"SELECT regexp_matches(a, '[') AS m,\n parse_time('Q', 1) AS t FROM 'a'","sqlVersion":"2016-03-23","template":"${regexp_matches(a, '(')}","topic":"a"}`, "",
			`{"matched":true,"warnings":[{"field":"sql","line":1,"column":26},{"field":"sql","line":2,"column":13},{"field":"template","line":1,"column":21}]}`,
		},
		{"POST /rules/-/test", with(`"payload":null,"context":null`), "", `{"matched":true,"output":""}`},
		{"POST /rules/-/test", with(`"context":{"mqtt":null,"shadows":null,"timestamp":null}`), "", `{"matched":true}`},
		{"POST /rules/-/test", `{"sql":"SELECT sourceip() AS s FROM 'a'","awsIotSqlVersion":"2016-03-23","topic":"a","context":{"sourceIp":"fe80::1%eth0"}}`, "", `{"output":"{\"s\":\"fe80::1%eth0\"}"}`},
		{"POST /rules/-/test", statement("SELECT timestamp() AS t, parse_time('yyyy', timestamp()) AS y FROM 'a'", `"context":{"timestamp":9223372036854775807}`), "", ""},
		{"POST /rules/-/test", statement("SELECT timestamp() AS t, parse_time('yyyy', timestamp()) AS y FROM 'a'", `"context":{"timestamp":-9223372036854775808}`), "", ""},
		{"POST /rules/-/test", statement("SELECT get_thing_shadow('a','r') AS v FROM 'a'", `"context":{"shadows":{"a":"no object"}}`), "", ""},
		{"POST /rules/-/test", statement("SELECT aws_lambda('f',{'a':1}) AS v FROM 'a'", `"context":{"lambda":{"f":`+deep+`}}`), "", `{"matched":true}`},
		{"POST /rules/-/test", statement("SELECT get_secret('s','SecretBinary','r') AS v FROM 'a'", `"context":{"secrets":{"s":{"SecretBinary":"!"}}}`), "", `{"matched":false}`},
		{"POST /rules/-/test", statement("SELECT get_secret('s','SecretString','r') AS v FROM 'a'", `"context":{"secrets":{"s":null}}`), "", `{"matched":false}`},
		{"POST /rules/-/test", statement("SELECT get_dynamodb('t','k','v','r') AS v FROM 'a'", `"context":{"dynamodb":{"t":null}}`), "", `{"output":"{}"}`},
		{"POST /rules/-/test", statement("SELECT a.b FROM 'a'", `"payload":"`+strings.Repeat(`{\"a\":`, 100_000)+`"`), "", `{"matched":false}`},
		{"POST /rules/-/test", statement("SELECT * FROM 'a'", `"payload":"`+strings.Repeat("[", 500_000)+`"`), "", `{"matched":true}`},
		{"POST /rules/-/test", statement("SELECT a FROM 'a'", `"payload":"{\"a\":\"\\ud800\"}"`), "", `{"matched":true}`},
	} {
		s.step(t, st)
	}
	s.step(t, step{"GET /rules", "", "", `{"rules":[]}`})
}

// A web service opens the URL that it was sent, and signs nothing.
func TestDestinations_AreConfirmedByStrangers(t *testing.T) {
	t.Parallel()
	tokens := make(chan string, 1)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		tokens <- r.URL.Query().Get("confirmationToken")
	}))
	t.Cleanup(web.Close)
	var running *rules.Service
	s := newStage(t, withRules(t, func(c *rules.Config) { c.Web = rules.WebConfig{AllowPlain: true, AllowPrivate: true} }), func(c *api.Config) {
		running, c.Authenticator = c.Rules, auth.Nobody{}
	})
	go func() { _ = running.Run(t.Context()) }()
	d, err := running.CreateDestination(t.Context(), web.URL)
	require.NoError(t, err)
	s.step(t, step{"GET /destinations", "", "Unauthorized", ""})
	s.step(t, step{"GET /destinations/" + d.ARN, "", "Unauthorized", ""})
	s.step(t, step{"GET /confirmdestination/guessed", "", wrong, ""})
	s.step(t, step{"GET /confirmdestination/" + <-tokens, "", "", ""})
	d, err = running.GetDestination(t.Context(), d.ARN)
	require.NoError(t, err)
	require.Equal(t, rules.DestinationEnabled, d.Status)
}
