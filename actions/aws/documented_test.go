package aws

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

// TestDocumentedMembers goes through the members that AWS documents for its actions: those
// that must be there, those that take templates ("+"), and those that do not.
func TestDocumentedMembers(t *testing.T) {
	const role = `"` + testRole + `"`
	type members = map[string]string // by their paths; required ones end with "!"
	for kind, all := range map[string]members{
		"dynamoDB": {
			"tableName!+": `"t"`, "hashKeyField!+": `"k"`, "hashKeyValue!+": `"v"`, "hashKeyType+": `"STRING"`,
			"rangeKeyField+": `"r"`, "rangeKeyValue+": `"1"`, "rangeKeyType+": `"NUMBER"`,
			"payloadField+": `"p"`, "operation+": `"INSERT"`, "roleArn!": role,
		},
		"dynamoDBv2":       {"putItem.tableName!+": `"t"`, "roleArn!": role},
		"s3":               {"bucketName!+": `"bucket"`, "key!+": `"k"`, "cannedAcl": `"log-delivery-write"`, "roleArn!": role},
		"sqs":              {"queueUrl!+": `"https://sqs.eu-central-1.amazonaws.com/1/q"`, "useBase64": `true`, "roleArn!": role},
		"sns":              {"targetArn!+": `"arn:aws:sns:eu-central-1:1:t"`, "messageFormat": `"JSON"`, "roleArn!": role},
		"lambda":           {"functionArn!+": `"arn:aws:lambda:eu-central-1:123456789012:function:f:live"`},
		"kinesis":          {"streamName!+": `"s"`, "partitionKey+": `"k"`, "roleArn!": role},
		"firehose":         {"deliveryStreamName!+": `"d"`, "separator": `"\r\n"`, "batchMode": `true`, "roleArn!": role},
		"cloudwatchAlarm":  {"alarmName!+": `"a"`, "stateReason!+": `"because"`, "stateValue!+": `"INSUFFICIENT_DATA"`, "roleArn!": role},
		"cloudwatchMetric": {"metricNamespace!+": `"n"`, "metricName!+": `"m"`, "metricValue!+": `"1"`, "metricUnit!+": `"None"`, "metricTimestamp+": `"1"`, "roleArn!": role},
		"cloudwatchLogs":   {"logGroupName!+": `"g"`, "batchMode": `true`, "roleArn!": role},
		"stepFunctions":    {"stateMachineName!+": `"s"`, "executionNamePrefix+": `"p"`, "roleArn!": role},
		"timestream": {
			"databaseName!+": `"database"`, "tableName!+": `"table"`, "dimensions!": `[{"name":"n","value":"${topic()}"}]`,
			"timestamp.value!+": `"1"`, "timestamp.unit": `"SECONDS"`, "roleArn!": role,
		},
	} {
		t.Run(kind, func(t *testing.T) {
			registry := Kinds(open(t, "http://127.0.0.1:1", nil))
			read := func(change func(m map[string]json.RawMessage)) (actions.Action, error) {
				parameters := map[string]any{}
				flat := map[string]json.RawMessage{}
				for path, value := range all {
					flat[strings.TrimRight(path, "!+")] = json.RawMessage(value)
				}
				change(flat)
				for path, value := range flat {
					if outer, inner, below := strings.Cut(path, "."); below {
						if parameters[outer] == nil {
							parameters[outer] = map[string]json.RawMessage{}
						}
						parameters[outer].(map[string]json.RawMessage)[inner] = value
					} else {
						parameters[path] = value
					}
				}
				payload, err := json.Marshal(map[string]any{"sql": "SELECT * FROM 'a'", "actions": []any{map[string]any{kind: parameters}}})
				require.NoError(t, err)
				rule, err := actions.FromTopicRule(payload, registry)
				if err != nil {
					return nil, err
				}
				return rule.Actions[0], nil
			}
			whole, err := read(func(map[string]json.RawMessage) {})
			require.NoError(t, err)
			encoded, ok, err := actions.Encode(whole, registry)
			require.NoError(t, err)
			require.True(t, ok)
			again, err := actions.Decode(encoded, registry)
			require.NoError(t, err, "%s", encoded)
			twice, _, err := actions.Encode(again, registry)
			require.NoError(t, err)
			require.Equal(t, string(encoded), string(twice))

			for _, path := range slices.Sorted(maps.Keys(all)) {
				name := strings.TrimRight(path, "!+")
				_, last, below := strings.Cut(name, ".")
				if !below {
					last = name
				}
				require.Contains(t, string(encoded), `"`+last+`":`, "what is read is written")

				_, err := read(func(m map[string]json.RawMessage) { delete(m, name) })
				switch {
				case strings.Contains(path, "!"):
					require.ErrorContains(t, err, last)
				case strings.HasPrefix(name, "rangeKey") && name != "rangeKeyType":
					require.ErrorContains(t, err, "rangeKey", "both or none")
				default:
					require.NoError(t, err, "without %s", name)
				}

				const template = `"${topic(1)}"`
				a, err := read(func(m map[string]json.RawMessage) { m[name] = json.RawMessage(template) })
				if !strings.HasSuffix(path, "+") {
					require.ErrorContains(t, err, last, "takes no template")
					continue
				}
				require.NoError(t, err, "template in %s", name)
				require.Contains(t, texts(a.(actions.Templated).Params()), name+"=${topic(1)}")
			}
			_, err = read(func(m map[string]json.RawMessage) { m["surprise"] = json.RawMessage(`1`) })
			require.ErrorContains(t, err, kind+": surprise is not known, expected ")
		})
	}
}

func texts(params []actions.Param) (all []string) {
	for _, p := range params {
		all = append(all, p.Name+"="+p.Text)
	}
	return all
}
