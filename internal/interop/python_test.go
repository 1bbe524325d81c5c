package interop_test

import (
	"crypto/tls"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/broker"
)

// python is the interpreter with the packages of requirements.txt.
const python = ".venv/bin/python"

// TestBoto3 drives both planes over TLS with boto3. The checks are those of testdata/boto,
// a subtest each.
func TestBoto3(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	signed, asked, backend := awsBackend(auth.InsecureAllowAll{})
	h := startHub(t, backend)
	url := "https://" + strings.Replace(h.serveHTTP(t, p.serverConfig(tls.NoClientCert)), "127.0.0.1", "localhost", 1)
	published, eventful := h.hear(t, "boto/#"), h.hear(t, "$aws/events/thing/#")
	dialV5(t, h.addr, "online")
	will := func(_ *paho.ClientConfig, c *paho.Connect) {
		c.WillMessage = &paho.WillMessage{Topic: "will", Payload: []byte(c.ClientID)}
	}
	wills := h.hear(t, "will")
	kicked, erased := dialV5(t, h.addr, "kicked:1", resume(100), will), dialV5(t, h.addr, "kicked:2", resume(100), will)

	boto := beginWith(t, awsEnv, python, "testdata/boto", url, p.caFile)
	require.Zero(t, boto.wait(t), "boto3 wrote %s", boto.errors)
	for len(boto.lines.c) > 0 {
		var report struct{ Check, Error string }
		require.NoError(t, json.Unmarshal([]byte(boto.lines.next(t)), &report))
		t.Run(report.Check, func(t *testing.T) { require.Empty(t, report.Error) })
	}
	t.Run("all operations were called", func(t *testing.T) {
		require.Empty(t, asked.missing(append(controlOperations, dataOperations...)))
		require.Equal(t, []string{"iot", "iotdata"}, signed.seen())
	})
	t.Run("publish was heard", func(t *testing.T) { heardOfBoto(t, published) })
	t.Run("events were heard", func(t *testing.T) {
		m := eventful.next(t)
		require.Equal(t, "$aws/events/thing/eventful/created", m.Topic)
		require.Contains(t, string(m.Payload), `"thingName":"eventful"`)
		eventful.none(t)
	})
	t.Run("connections were ended", func(t *testing.T) {
		reason, _ := kicked.awaitLeft(t)
		require.Equal(t, broker.AdministrativeAction, reason)
		_, _ = erased.awaitLeft(t)
		require.Equal(t, "kicked:1", string(wills.next(t).Payload))
		wills.none(t)
		require.True(t, dialV5(t, h.addr, "kicked:1", resume(100)).ack.SessionPresent)
		require.False(t, dialV5(t, h.addr, "kicked:2", resume(100)).ack.SessionPresent)
	})
}

// heardOfBoto compares what testdata/boto/data.py has published.
func heardOfBoto(t *testing.T, published inbox[*thinghub.Message]) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, want := range []struct {
		topic, payload string
		qos            broker.QoS
	}{{"boto/plain", "text", 0}, {"boto/bytes", string(all), 1}, {"boto/empty", "", 0}, {"boto//ä b/$x", "odd", 0}} {
		m := published.next(t)
		require.Equal(t, want.topic, m.Topic)
		require.Equal(t, want.payload, string(m.Payload))
		require.Equal(t, want.qos, m.QoS)
		require.Equal(t, accessKey, m.Origin.Principal)
	}
	m := published.next(t)
	require.Equal(t, "boto/mqtt5", m.Topic)
	require.Equal(t, "application/json", m.ContentType)
	require.Equal(t, "boto/answer here", m.ResponseTopic)
	require.Equal(t, []byte{0, 1}, m.CorrelationData)
	require.Equal(t, broker.FormatUTF8, m.PayloadFormat)
	require.Equal(t, time.Minute, m.Expires.Sub(m.Received))
	var user [][2]string
	for k, v := range m.UserProperties() {
		user = append(user, [2]string{k, v})
	}
	require.Equal(t, [][2]string{{"k", "v"}, {"k", "w"}, {"l", "ü"}}, user)
	published.none(t)
}

// A cli is the AWS CLI for one hub. Its process, testdata/boto/cli.py, runs one command
// after the other.
type cli struct {
	*process
	endpoint, dir string
}

// run runs a command that has to succeed and returns what it printed.
func (c cli) run(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := c.try(t, args...)
	require.Zero(t, code, "aws %q: %s", args, errs)
	return strings.TrimSpace(out)
}

func (c cli) try(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	line, err := json.Marshal(append([]string{"--endpoint-url", c.endpoint, "--output", "json"}, args...))
	require.NoError(t, err)
	_, err = c.stdin.Write(append(line, '\n'))
	require.NoError(t, err)
	var answer struct {
		Code     int
		Out, Err string
	}
	require.NoError(t, json.Unmarshal([]byte(c.lines.next(t)), &answer))
	return answer.Out, answer.Err, answer.Code
}

// shadow runs a command of iot-data that writes a shadow's document.
func (c cli) shadow(t *testing.T, args ...string) object {
	t.Helper()
	file := filepath.Join(c.dir, "shadow.json")
	c.run(t, append(append([]string{"iot-data"}, args...), file)...)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var doc object
	require.NoError(t, json.Unmarshal(text, &doc))
	return doc
}

// TestAWSCLI takes the AWS CLI for the backend of a thermostat.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	signed, _, backend := awsBackend(auth.InsecureAllowAll{})
	h := startHub(t, backend)
	c := cli{beginWith(t, awsEnv, python, "testdata/boto/cli.py"), "http://" + h.serveHTTP(t, nil), t.TempDir()}

	require.Equal(t, c.endpoint, "http://"+c.run(t, "iot", "describe-endpoint", "--query", "endpointAddress", "--output", "text"))
	c.run(t, "iot", "create-thing-type", "--thing-type-name", "thermostat")
	require.Equal(t, arns+"thing/hall", c.run(t, "iot", "create-thing", "--thing-name", "hall", "--thing-type-name", "thermostat",
		"--attribute-payload", "attributes={floor=1,room=hall}", "--query", "thingArn", "--output", "text"))
	c.run(t, "iot", "create-thing", "--thing-name", "attic", "--thing-type-name", "thermostat")
	require.JSONEq(t, `["attic","hall"]`, c.run(t, "iot", "list-things", "--thing-type-name", "thermostat", "--page-size", "1", "--query", "things[].thingName"))

	device := dialV5(t, h.addr, "hall")
	const topic = "$aws/things/hall/shadow/"
	device.sub(t, paho.SubscribeOptions{Topic: topic + "update/delta", QoS: 1})
	doc := c.shadow(t, "update-thing-shadow", "--thing-name", "hall", "--payload", `{"state":{"desired":{"target":21}}}`)
	require.EqualValues(t, 1, doc["version"])
	delta := device.in.next(t)
	require.Equal(t, topic+"update/delta", delta.Topic)
	require.Contains(t, text(delta), `"state":{"target":21}`)
	device.say(t, topic+"update", `{"state":{"reported":{"target":21,"celsius":20.5}}}`, 1)
	doc = c.shadow(t, "get-thing-shadow", "--thing-name", "hall")
	require.Equal(t, object{"desired": object{"target": 21.0}, "reported": object{"target": 21.0, "celsius": 20.5}}, doc["state"])

	device.sub(t, paho.SubscribeOptions{Topic: "cmd/#", QoS: 1})
	c.run(t, "iot-data", "publish", "--topic", "cmd/hall now", "--qos", "1", "--payload", "ring")
	command := device.in.next(t)
	require.Equal(t, "cmd/hall now", command.Topic)
	require.Equal(t, "ring", text(command))
	c.run(t, "iot-data", "delete-connection", "--client-id", "hall")
	_, _ = device.awaitLeft(t)

	doc = c.shadow(t, "delete-thing-shadow", "--thing-name", "hall")
	require.EqualValues(t, 2, doc["version"])
	_, errs, code := c.try(t, "iot-data", "get-thing-shadow", "--thing-name", "hall", filepath.Join(c.dir, "gone"))
	require.Equal(t, 255, code, "what version 1 exits with when the service refuses")
	require.Contains(t, errs, "(ResourceNotFoundException) when calling the GetThingShadow operation: No shadow exists with name: 'hall'")
	_, errs, code = c.try(t, "iot", "create-thing", "--thing-name", "hall")
	require.Equal(t, 255, code)
	require.Contains(t, errs, "(ResourceAlreadyExistsException) when calling the CreateThing operation")
	require.Equal(t, []string{"iot", "iotdata"}, signed.seen())

	// And as people start it.
	out, errs, code := runWith(t, awsEnv, python, "-m", "awscli", "--endpoint-url", c.endpoint, "iot", "describe-thing", "--thing-name", "attic", "--output", "text", "--query", "thingTypeName")
	require.Zero(t, code, errs)
	require.Equal(t, "thermostat\n", out)
}
