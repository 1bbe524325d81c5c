package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

func TestCodecRoundTrip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		json string
		want actions.Action
	}{
		{"republish", `{"republish":{"topic":"a","qos":0}}`, actions.Republish{Topic: "a"}},
		{
			"republish with all",
			`{"republish":{"roleArn":"arn:aws:iam::1:role/r","topic":"$$aws/things/${clientid()}/shadow/update","qos":1,"headers":{"payloadFormatIndicator":"UTF8_DATA",` +
				`"contentType":"${x}","responseTopic":"r/${y}","correlationData":"YQ==","messageExpiry":"60","userProperties":[{"key":"<k>","value":"v"},{"key":"l","value":""}]}}}`,
			actions.Republish{RoleARN: "arn:aws:iam::1:role/r", Topic: "$$aws/things/${clientid()}/shadow/update", QoS: 1, Headers: &actions.MQTTHeaders{
				PayloadFormatIndicator: "UTF8_DATA", ContentType: "${x}", ResponseTopic: "r/${y}", CorrelationData: "YQ==", MessageExpiry: "60",
				UserProperties: []actions.Property{{Key: "<k>", Value: "v"}, {Key: "l"}},
			}},
		},
		{"http", `{"http":{"url":"https://example.com/a?b=c&d"}}`, actions.HTTP{URL: "https://example.com/a?b=c&d"}},
		{
			"http with all",
			`{"http":{"url":"https://example.com/a/${x}","confirmationUrl":"https://example.com/a","headers":[{"key":"X-Key","value":"${get_secret('a')}"}],` +
				`"auth":{"sigv4":{"signingRegion":"eu-west-1","serviceName":"s","roleArn":"arn"}},"enableBatching":true,` +
				`"batchConfig":{"maxBatchOpenMs":5,"maxBatchSize":2,"maxBatchSizeBytes":100,"batchAcrossTopics":true}}}`,
			actions.HTTP{
				URL: "https://example.com/a/${x}", ConfirmationURL: "https://example.com/a", Headers: []actions.HTTPHeader{{Key: "X-Key", Value: "${get_secret('a')}"}},
				Auth: &actions.HTTPAuth{SigV4: &actions.SigV4{SigningRegion: "eu-west-1", ServiceName: "s", RoleARN: "arn"}}, EnableBatching: true,
				BatchConfig: &actions.BatchConfig{MaxBatchOpenMs: 5, MaxBatchSize: 2, MaxBatchSizeBytes: 100, BatchAcrossTopics: true},
			},
		},
		{"shadow", `{"shadow":{"thing":"${clientid()}","name":"n","side":"reported"}}`, actions.Shadow{Thing: "${clientid()}", Name: "n", Side: "reported"}},
		{"log", `{"log":{"level":"warn","message":"hot: ${t}"}}`, actions.Log{Level: "warn", Message: "hot: ${t}"}},
		{"empty log", `{"log":{}}`, actions.Log{}},
		{
			"file", `{"file":{"path":"${topic()}.jsonl","envelope":true,"maxBytes":1000,"rotateSeconds":3600,"keep":3,"sync":"always"}}`,
			actions.File{Path: "${topic()}.jsonl", Envelope: true, MaxBytes: 1000, RotateSeconds: 3600, Keep: 3, Sync: "always"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, err := actions.Decode([]byte(tt.json), actions.Builtin())
			require.NoError(t, err)
			require.Equal(t, tt.want, a)
			data, ok, err := actions.Encode(a, actions.Builtin())
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, tt.json, string(data))
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, json, want string }{
		{"no object", `5`, `the text is 5, expected an object`},
		{"null", `{"log":null}`, `an action has no key, expected file, http, log, republish or shadow`},
		{"no key", `{}`, `an action has no key, expected file, http, log, republish or shadow`},
		{"two keys", `{"log":{},"file":{"path":"a"}}`, `an action has the keys file and log, expected one`},
		{"unknown action", `{"lambda":{"functionArn":"x"}}`, `this hub has no action lambda, expected file, http, log, republish or shadow`},
		{"other case", `{"Republish":{"topic":"x"}}`, `this hub has no action Republish, expected file, http, log, republish or shadow`},
		{"republish without topic", `{"republish":{"qos":1}}`, `republish: topic is missing, expected a text`},
		{"republish with a wildcard", `{"republish":{"topic":"a/#"}}`, `republish: topic name "a/#": "#" is allowed in filters only`},
		{"republish to jobs", `{"republish":{"topic":"$$aws/things/a/jobs/get"}}`, `republish: topic is "$aws/things/a/jobs/get", expected a topic other than those of jobs`},
		{"republish with QoS 2", `{"republish":{"topic":"a","qos":2}}`, `republish: qos is 2, expected a whole number from 0 to 1`},
		{"republish with a bad header", `{"republish":{"topic":"a","headers":{"contenttype":"a"}}}`, `republish: headers.contenttype is not known, expected contentType, correlationData, messageExpiry, payloadFormatIndicator, responseTopic or userProperties`},
		{"republish without properties", `{"republish":{"topic":"a","headers":{"userProperties":[]}}}`, `republish: headers.userProperties is an array of 0, expected 1 to 100 items`},
		{"bad indicator", `{"republish":{"topic":"a","headers":{"payloadFormatIndicator":"UTF8"}}}`, `republish: headers.payloadFormatIndicator is "UTF8", expected UNSPECIFIED_BYTES or UTF8_DATA`},
		{"bad correlation data", `{"republish":{"topic":"a","headers":{"correlationData":"?"}}}`, `republish: headers.correlationData is "?", expected base64`},
		{"bad expiry", `{"republish":{"topic":"a","headers":{"messageExpiry":"soon"}}}`, `republish: headers.messageExpiry is "soon", expected a number of seconds from 1 to 4294967295`},
		{"bad response topic", `{"republish":{"topic":"a","headers":{"responseTopic":"a/+"}}}`, `republish: headers.responseTopic is "a/+", expected a topic without wildcards`},
		{"http without url", `{"http":{}}`, `http: url is missing, expected a text`},
		{"http with another scheme", `{"http":{"url":"ftp://a/b"}}`, `http: url is "ftp://a/b", expected a URL that begins with https://`},
		{"http with a bad batch", `{"http":{"url":"https://a/","batchConfig":{"maxBatchSize":11}}}`, `http: batchConfig.maxBatchSize is 11, expected a whole number from 2 to 10`},
		{"http with other auth", `{"http":{"url":"https://a/","auth":{"basic":{}}}}`, `http: auth.sigv4.signingRegion is missing, expected a text`},
		{"shadow without thing", `{"shadow":{}}`, `shadow: thing is missing, expected a text`},
		{"shadow with another side", `{"shadow":{"thing":"a","side":"delta"}}`, `shadow: side is "delta", expected desired or reported`},
		{"log with another level", `{"log":{"level":"loud"}}`, `log: level is "loud", expected debug, info, warn or error`},
		{"file without path", `{"file":{}}`, `file: path is missing, expected a text`},
		{"file out of its folder", `{"file":{"path":"../a"}}`, `file: path is "../a", expected a path below the folder for files, with slashes and without empty levels, . and ..`},
		{"file with another policy", `{"file":{"path":"a","sync":"often"}}`, `file: sync is "often", expected none, rotate or always`},
		{"file that keeps none", `{"file":{"path":"a","keep":0}}`, `file: keep is 0, expected a whole number from 1 to 1000`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := actions.Decode([]byte(tt.json), actions.Builtin())
			require.EqualError(t, err, tt.want)
		})
	}
}

// pager is an action of a third party, whose JSON cannot be written.
type pager struct{ Number chan int }

func TestEncode(t *testing.T) {
	t.Parallel()
	for _, a := range []actions.Action{actions.Func(nil), actions.NewRecorder(), unnamed{}} {
		data, ok, err := actions.Encode(a, actions.Builtin())
		require.NoError(t, err)
		require.False(t, ok)
		require.Nil(t, data)
	}

	kinds := actions.Builtin()
	kinds["pager"] = func([]byte) (actions.Action, error) { return nil, errors.New("no") }
	_, _, err := actions.Encode(namedPager{pager{}}, kinds)
	require.ErrorContains(t, err, "actions: encode pager: ")
	_, err = actions.Decode([]byte(`{"pager":{}}`), kinds)
	require.EqualError(t, err, "pager: no")
	require.NotContains(t, actions.Builtin(), "pager", "each caller has a table of its own")
}
