package interop_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/shadow"
)

// A hook is a request that a web service got: what kind of message, for which path and
// device, and its body.
type hook struct{ kind, path, device, body string }

// hookServer is a web service that confirms what the hub asks it to, with the token and
// no signature, and refuses messages on /hook/refused.
func hookServer(t *testing.T, client *http.Client, hub string) (url string, calls inbox[hook]) {
	t.Helper()
	calls = newInbox[hook]()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		kind := r.Header.Get("X-Amz-Rules-Engine-Message-Type")
		var asked struct{ ConfirmationToken string }
		switch {
		case err != nil:
		case kind == "DestinationConfirmation":
			if err = json.Unmarshal(body, &asked); err != nil {
				break
			}
			var resp *http.Response
			if resp, err = client.Get(hub + "/confirmdestination/" + asked.ConfirmationToken); err == nil {
				err = resp.Body.Close()
			}
		default:
			calls.put(hook{kind, r.URL.Path, r.Header.Get("X-Device"), string(body)})
			if r.URL.Path == "/hook/refused" {
				w.WriteHeader(http.StatusNotFound)
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, calls
}

// TestRules takes rules that a backend made with boto3 through what devices publish with
// Mosquitto's client: to an application over MQTT 5, to a shadow, to a web service, to
// error actions.
func TestRules(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	_, _, backend := awsBackend(auth.InsecureAllowAll{})
	h := startHub(t, backend)
	plain := "http://" + h.serveHTTP(t, nil)
	web, calls := hookServer(t, http.DefaultClient, plain)
	boto := beginWith(t, awsEnv, python, "testdata/boto/alerts.py", strings.Replace(plain, "127.0.0.1", "localhost", 1), p.caFile, web)
	require.Zero(t, boto.wait(t), "boto3 wrote %s", boto.errors)
	require.Equal(t, "ready", boto.lines.next(t))

	app := dialV5(t, h.addr, "app")
	for _, filter := range []string{"alerts/#", "errors/#", "fine", "ingested"} {
		app.sub(t, paho.SubscribeOptions{Topic: filter, QoS: 1})
	}
	say := func(client, topic, payload string) {
		mpub(t, h.addr, "-i", client, "-q", "1", "-t", topic, "-m", payload)
	}

	t.Run("republish with headers, and the shadow", func(t *testing.T) {
		say("pump-1", "dt/pump-1/temp", `{"temp":79}`)
		say("pump-1", "dt/pump-1/temp", `{"temp":81.50}`)
		m := app.in.next(t)
		require.Equal(t, "alerts/pump-1", m.Topic)
		require.JSONEq(t, `{"temp":81.50,"device":"pump-1"}`, text(m))
		require.EqualValues(t, 1, m.QoS)
		require.False(t, m.Retain)
		require.EqualValues(t, 1, *m.Properties.PayloadFormat)
		require.Equal(t, "application/json", m.Properties.ContentType)
		require.Equal(t, "cmd/pump-1", m.Properties.ResponseTopic)
		require.Equal(t, "c-1", string(m.Properties.CorrelationData))
		require.LessOrEqual(t, *m.Properties.MessageExpiry, uint32(60))
		require.Equal(t, paho.UserProperties{{Key: "device", Value: "pump-1"}, {Key: "device", Value: "again"}}, m.Properties.User)
		await(t, "the shadow", func() error {
			v, err := h.Shadows().Get(t.Context(), shadow.Key{Thing: "pump-1"}, shadow.Requester{})
			if err != nil {
				return err
			}
			var is struct{ State struct{ Reported object } }
			require.NoError(t, json.Unmarshal(v.AppendJSON(nil), &is))
			if is.State.Reported["temp"] != 81.5 || is.State.Reported["by"] != "pump-1" {
				return fmt.Errorf("it is %v", is.State.Reported)
			}
			return nil
		})
		require.Equal(t, hook{"", "/hook/alerts", "pump-1", `[{"device":"pump-1"}]`}, calls.next(t))
	})

	t.Run("webhook in batches", func(t *testing.T) {
		// Two messages share a request if the machine is not too slow to send them
		// within 200 ms.
		await(t, "a batch", func() error {
			for _, device := range []string{"a", "b"} {
				h.say(t, "dt/"+device+"/temp", `{"temp":90}`, 1)
				require.Equal(t, "alerts/"+device, app.in.next(t).Topic)
			}
			call := calls.next(t)
			if call.body == `[{"device":"a"}]` {
				require.Equal(t, hook{"", "/hook/alerts", "b", `[{"device":"b"}]`}, calls.next(t))
				return errors.New("one by one")
			}
			require.Equal(t, hook{"", "/hook/alerts", "b", `[{"device":"a"},{"device":"b"}]`}, call)
			return nil
		})
	})

	type failure struct {
		Action   string `json:"failedAction"`
		Resource string `json:"failedResource"`
		Message  string `json:"errorMessage"`
		Affected []int  `json:"affectedIds"`
	}
	t.Run("error action", func(t *testing.T) {
		say("pump-2", "broken/x", `{"name":"a/#"}`)
		got := map[string]string{}
		for range 2 {
			m := app.in.next(t)
			got[m.Topic] = text(m)
		}
		require.Equal(t, `{"name":"a/#"}`, got["fine"], "the other action has run")
		var report struct {
			RuleName, Topic, CloudwatchTraceID, ClientID, Base64OriginalPayload string
			Failures                                                            []failure
		}
		require.NoError(t, json.Unmarshal([]byte(got["errors/x"]), &report))
		require.Equal(t, "broken", report.RuleName)
		require.Equal(t, "broken/x", report.Topic)
		require.Equal(t, "pump-2", report.ClientID)
		require.Len(t, report.CloudwatchTraceID, 36)
		require.Equal(t, base64.StdEncoding.EncodeToString([]byte(`{"name":"a/#"}`)), report.Base64OriginalPayload)
		require.Len(t, report.Failures, 1)
		require.Equal(t, "RepublishAction", report.Failures[0].Action)
		require.Equal(t, "to/a/#", report.Failures[0].Resource)
		require.Contains(t, report.Failures[0].Message, "#")
	})

	t.Run("error action of a batch", func(t *testing.T) {
		say("pump-3", "refused/x", `{"n":1}`)
		require.Equal(t, hook{"", "/hook/refused", "x", `[{"n":1}]`}, calls.next(t))
		m := app.in.next(t)
		require.Equal(t, "errors/x", m.Topic)
		var report struct {
			RuleName             string
			PayloadsWithMetadata []struct {
				ID                                                                  int
				Topic, CloudwatchTraceID, ClientID, SourceIP, Base64OriginalPayload string
			}
			Failures []failure
		}
		require.NoError(t, json.Unmarshal(m.Payload, &report))
		require.Equal(t, "refused", report.RuleName)
		require.Len(t, report.PayloadsWithMetadata, 1)
		one := report.PayloadsWithMetadata[0]
		require.Equal(t, 1, one.ID)
		require.Equal(t, "refused/x", one.Topic, "the batch is across topics")
		require.Equal(t, "pump-3", one.ClientID)
		require.Equal(t, "127.0.0.1", one.SourceIP)
		require.Equal(t, base64.StdEncoding.EncodeToString([]byte(`{"n":1}`)), one.Base64OriginalPayload)
		require.Len(t, report.Failures, 1)
		require.Equal(t, "HttpAction", report.Failures[0].Action)
		require.Equal(t, web+"/hook/refused", report.Failures[0].Resource)
		require.Equal(t, []int{1}, report.Failures[0].Affected)
		require.Contains(t, report.Failures[0].Message, "404")
	})

	t.Run("Basic Ingest", func(t *testing.T) {
		say("pump-4", "$aws/rules/ingest/some/topic", `{"v":41}`)
		m := app.in.next(t)
		require.Equal(t, "ingested", m.Topic)
		require.JSONEq(t, `{"t":"some/topic","v":42}`, text(m))
		say("pump-4", "$aws/rules/nothing/some/topic", `{"v":41}`)
		say("pump-4", "some/topic", `{"v":41}`)
	})

	// The action "shadow" is the hub's own: no SDK can send it.
	t.Run("shadow action", func(t *testing.T) {
		r, err := h.Rules().DecodeRule("own", []byte(`{"sql":"SELECT level FROM 'tank/+'","actions":[{"shadow":{"thing":"${topic(2)}","side":"reported"}}]}`))
		require.NoError(t, err)
		require.NoError(t, h.Rules().Create(t.Context(), r))
		app.sub(t, paho.SubscribeOptions{Topic: "$aws/things/+/shadow/update/documents", QoS: 1})
		say("pump-5", "tank/t-1", `{"level":7,"other":1}`)
		m := app.in.next(t)
		require.Equal(t, "$aws/things/t-1/shadow/update/documents", m.Topic)
		require.Contains(t, text(m), `"reported":{"level":7}`)
	})
	require.Empty(t, calls.c)
	app.in.none(t)
}

// TestAWSCLIRules keeps rules and destinations with the AWS CLI, from files as people
// have them.
func TestAWSCLIRules(t *testing.T) {
	t.Parallel()
	_, _, backend := awsBackend(auth.InsecureAllowAll{})
	h := startHub(t, backend)
	c := cli{beginWith(t, awsEnv, python, "testdata/boto/cli.py"), "http://" + h.serveHTTP(t, nil), t.TempDir()}
	file := func(text string) string {
		name := filepath.Join(c.dir, "rule.json")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return "file://" + name
	}
	iot := func(args ...string) string { return c.run(t, append([]string{"iot"}, args...)...) }
	refuses := func(want string, args ...string) {
		t.Helper()
		_, errs, code := c.try(t, append([]string{"iot"}, args...)...)
		require.Equal(t, 255, code)
		require.Contains(t, errs, want)
	}
	const rule = `{
		"sql": "SELECT temp, topic(2) AS device FROM 'dt/+/temp' WHERE temp > 80",
		"description": "too hot",
		"actions": [{"republish": {"roleArn": "arn:aws:iam::123456789012:role/r", "topic": "alerts/${topic(2)}", "qos": 0}}],
		"ruleDisabled": false,
		"awsIotSqlVersion": "2016-03-23"
	}`
	iot("create-topic-rule", "--rule-name", "hot", "--topic-rule-payload", file(rule), "--tags", "team=a")
	refuses("(ResourceAlreadyExistsException) when calling the CreateTopicRule operation", "create-topic-rule", "--rule-name", "hot", "--topic-rule-payload", file(rule))
	refuses("(SqlParseException) when calling the CreateTopicRule operation: sql: line 1, column 8", "create-topic-rule", "--rule-name", "bad", "--topic-rule-payload", `sql="SELECT FROM 'a'",actions=[]`)
	var is struct {
		RuleArn string
		Rule    object
	}
	require.NoError(t, json.Unmarshal([]byte(iot("get-topic-rule", "--rule-name", "hot")), &is))
	require.Equal(t, arns+"rule/hot", is.RuleArn)
	delete(is.Rule, "createdAt")
	require.Equal(t, "hot", is.Rule["ruleName"])
	delete(is.Rule, "ruleName")
	shown, err := json.Marshal(is.Rule)
	require.NoError(t, err)
	require.JSONEq(t, rule, string(shown))

	device, app := dialV5(t, h.addr, "pump-1"), dialV5(t, h.addr, "app")
	app.sub(t, paho.SubscribeOptions{Topic: "#", QoS: 1})
	fires := func(want string) {
		t.Helper()
		device.say(t, "dt/pump-1/temp", `{"temp":81}`, 1)
		require.Equal(t, "dt/pump-1/temp", app.in.next(t).Topic)
		if want == "" {
			app.in.none(t)
			return
		}
		require.Equal(t, want, app.in.next(t).Topic)
	}
	fires("alerts/pump-1")
	iot("disable-topic-rule", "--rule-name", "hot")
	fires("")
	iot("enable-topic-rule", "--rule-name", "hot")
	fires("alerts/pump-1")
	iot("replace-topic-rule", "--rule-name", "hot", "--topic-rule-payload", file(strings.ReplaceAll(rule, "alerts/", "warnings/")))
	fires("warnings/pump-1")
	iot("create-topic-rule", "--rule-name", "cold", "--topic-rule-payload", file(rule))
	require.JSONEq(t, `["cold","hot"]`, iot("list-topic-rules", "--page-size", "1", "--topic", "dt/x/temp", "--query", "rules[].ruleName"))
	iot("delete-topic-rule", "--rule-name", "cold")
	refuses("(UnauthorizedException) when calling the GetTopicRule operation: Access to topic rule 'cold' was denied", "get-topic-rule", "--rule-name", "cold")

	web, tokens := confirmations(t)
	arn := iot("create-topic-rule-destination", "--destination-configuration", "httpUrlConfiguration={confirmationUrl="+web+"/in}", "--query", "topicRuleDestination.arn", "--output", "text")
	iot("confirm-topic-rule-destination", "--confirmation-token", tokens.next(t))
	status := func() string {
		return iot("get-topic-rule-destination", "--arn", arn, "--query", "topicRuleDestination.status", "--output", "text")
	}
	require.Equal(t, "ENABLED", status())
	iot("update-topic-rule-destination", "--arn", arn, "--status", "DISABLED")
	require.Equal(t, "DISABLED", status())
	require.Equal(t, web+"/in", iot("list-topic-rule-destinations", "--query", "destinationSummaries[].httpUrlSummary.confirmationUrl", "--output", "text"))
	iot("delete-topic-rule-destination", "--arn", arn)
	refuses("(InvalidRequestException) when calling the GetTopicRuleDestination operation", "get-topic-rule-destination", "--arn", arn)
}
