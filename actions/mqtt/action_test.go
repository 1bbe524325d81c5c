package mqtt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/actions/mqtt"
	"github.com/thinghub/thinghub/internal/servertest"
)

// event is what an engine hands over, with the texts of the action's parameters as they are.
func event(a *mqtt.Action, m actions.Message, payload string) actions.Event {
	ev := actions.Event{Rule: "r", Message: &m, Payload: []byte(payload)}
	for _, p := range a.Params() {
		text := p.Text
		if text == "${topic()}" {
			text = m.Topic
		}
		ev.Params = append(ev.Params, text)
	}
	return ev
}

func properties(kv ...string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := 0; i < len(kv); i += 2 {
			if !yield(kv[i], kv[i+1]) {
				return
			}
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	c := open(t, "127.0.0.1:1", mqtt.Config{Sink: actions.SinkConfig{Name: "far"}})
	other := open(t, "127.0.0.1:1", mqtt.Config{Sink: actions.SinkConfig{Name: "other"}})
	kinds := mqtt.Kinds(c, other)
	for _, text := range []string{
		`{"mqtt":{"sink":"far","topic":"a/${topic(2)}","qos":2,"retain":true,"batchSize":1}}`,
		`{"mqtt":{"sink":"other","localPrefix":"here/","remotePrefix":"there/","qos":0,"asPublished":true}}`,
		`{"mqtt":{"sink":"far","topic":"$$aws/x","qos":1,"headers":{"payloadFormatIndicator":"UTF8_DATA","contentType":"text/plain","responseTopic":"re","correlationData":"YWJj","messageExpiry":"60","userProperties":[{"key":"a","value":"${b}"}]}}}`,
	} {
		a, err := actions.Decode([]byte(text), kinds)
		require.NoError(t, err, text)
		again, ok, err := actions.Encode(a, kinds)
		require.NoError(t, err)
		require.True(t, ok)
		require.JSONEq(t, text, string(again))
	}
	a, err := actions.Decode([]byte(`{"mqtt":{"topic":"a"}}`), mqtt.Kinds(c))
	require.NoError(t, err)
	require.Same(t, c.Sink(), a.(actions.Sinked).Sink())
	for text, want := range map[string]string{
		`{"topic":"a"}`:                                                `sink is missing, expected "far" or "other"`,
		`{"sink":"x","topic":"a"}`:                                     `sink is "x", expected "far" or "other"`,
		`{"sink":"far","topic":"a/+"}`:                                 "a/+",
		`{"sink":"far","topic":"a\u0000"}`:                             "topic",
		`{"sink":"far","topic":"a","qos":3}`:                           "qos is 3, expected a whole number from 0 to 2",
		`{"sink":"far","topic":"a","qos":"1"}`:                         `qos is "1"`,
		`{"sink":"far","topic":"a","retain":1}`:                        "retain is 1, expected true or false",
		`{"sink":"far","topic":"a","batchSize":0}`:                     "batchSize is 0",
		`{"sink":"far","topic":"a","localPrefix":"b/"}`:                `topic is "a", expected none beside localPrefix`,
		`{"sink":"far","localPrefix":"b/#"}`:                           `localPrefix is "b/#"`,
		`{"sink":"far","topic":"a","colour":"red"}`:                    "colour is not known",
		`{"sink":"far","topic":"a","headers":{"x":"y"}}`:               "headers.x is not known",
		`{"sink":"far","topic":"a","headers":{"messageExpiry":"0"}}`:   "headers.messageExpiry",
		`{"sink":"far","topic":"a","headers":{"responseTopic":"a/#"}}`: "headers.responseTopic",
	} {
		_, err := actions.Decode([]byte(`{"mqtt":`+text+`}`), kinds)
		require.ErrorContains(t, err, want, text)
	}
	_, err = actions.Decode([]byte(`{"mqtt":{"topic":"a"}}`), mqtt.Kinds())
	require.ErrorContains(t, err, "the host has no client for this action")
	require.ErrorContains(t, c.Publish(mqtt.Publish{Topic: "a", QoS: 3}).Check(), "qos is 3")
	require.ErrorContains(t, c.Publish(mqtt.Publish{Sink: "x", Topic: "a"}).Check(), `sink is "x"`)
	require.ErrorContains(t, c.Publish(mqtt.Publish{Topic: "a", BatchSize: 1001}).Check(), "batchSize is 1001")
}

func TestWhatArrives(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	d := connect(t, at(m.Addr), "#", "$x/#")
	c := open(t, m.Addr, mqtt.Config{Name: "me"})
	a := c.Publish(mqtt.Publish{Topic: "out/a", QoS: 2, Retain: true, Headers: &actions.MQTTHeaders{
		PayloadFormatIndicator: "UTF8_DATA", ContentType: "text/plain", ResponseTopic: "re", CorrelationData: "YWJj", MessageExpiry: "60",
		UserProperties: []actions.Property{{Key: "a", Value: "1"}, {Key: "a", Value: "2"}},
	}})
	require.NoError(t, a.Check())
	require.Equal(t, "mqtt", a.Kind())
	require.NoError(t, a.Do(t.Context(), event(a, actions.Message{Topic: "in", Hops: 3}, "hello")))
	until(t, "it arrives", func() bool { return len(d.received()) == 1 })
	p := d.received()[0]
	require.Equal(t, "out/a", p.Topic)
	require.Equal(t, "hello", string(p.Payload))
	require.EqualValues(t, 2, p.QoS)
	require.True(t, p.Retain)
	require.EqualValues(t, 1, *p.Properties.PayloadFormat)
	require.Equal(t, "text/plain", p.Properties.ContentType)
	require.Equal(t, "re", p.Properties.ResponseTopic)
	require.Equal(t, "abc", string(p.Properties.CorrelationData))
	require.InDelta(t, 60, *p.Properties.MessageExpiry, 5)
	var user []string
	for _, u := range p.Properties.User {
		user = append(user, u.Key+"="+u.Value)
	}
	require.Equal(t, []string{"a=1", "a=2", "thinghub-via=me", "thinghub-hops=4"}, user)

	// Prefixes, and what the message had.
	a = c.Publish(mqtt.Publish{LocalPrefix: "here/", RemotePrefix: "there/", QoS: 1, AsPublished: true})
	require.NoError(t, a.Check())
	ev := event(a, actions.Message{
		Topic: "here/x", QoS: 0, ContentType: "c", ResponseTopic: "re", CorrelationData: []byte("d"), PayloadFormat: actions.FormatUTF8,
		UserProperties: properties("k", "v", mqtt.ViaProperty, "another", mqtt.HopsProperty, "9"),
	}, "as it was")
	require.Equal(t, "there/x", a.Resource(ev))
	require.NoError(t, a.Do(t.Context(), ev))
	until(t, "it arrives", func() bool { return len(d.received()) == 2 })
	p = d.received()[1]
	require.Equal(t, "there/x=as it was", d.texts()[1])
	require.Zero(t, p.QoS)
	require.Equal(t, "c", p.Properties.ContentType)
	require.Equal(t, "re", p.Properties.ResponseTopic)
	require.Equal(t, "d", string(p.Properties.CorrelationData))
	user = nil
	for _, u := range p.Properties.User {
		user = append(user, u.Key+"="+u.Value)
	}
	require.Equal(t, []string{"k=v", "thinghub-via=another", "thinghub-via=me"}, user)

	// What has crossed this bridge does not do so again, and that is no failure.
	ev.Message.UserProperties = properties(mqtt.ViaProperty, "me")
	require.NoError(t, a.Do(t.Context(), ev))
	require.EqualValues(t, 1, c.Health().Loops)

	// Topics of devices.
	for topic, fine := range map[string]bool{"elsewhere/x": false, "here/": true, "here": false, "here/$SYS/x": true} {
		ev := event(a, actions.Message{Topic: topic}, "x")
		err := a.Do(t.Context(), ev)
		if fine {
			require.NoError(t, err, topic)
		} else {
			require.ErrorIs(t, err, actions.ErrPermanent, topic)
		}
	}
	strip := c.Publish(mqtt.Publish{LocalPrefix: "here/"})
	require.ErrorIs(t, strip.Do(t.Context(), event(strip, actions.Message{Topic: "here/$SYS/x"}, "x")), actions.ErrPermanent)
	dollar := c.Publish(mqtt.Publish{Topic: "$$x/a", QoS: 1})
	require.NoError(t, dollar.Check())
	require.NoError(t, dollar.Do(t.Context(), event(dollar, actions.Message{Topic: "in"}, "x")))
	until(t, "it arrives", func() bool { return d.texts()[len(d.texts())-1] == "$x/a=x" })
	for _, topic := range []string{"", "a/+", "a/#", "a\x00b", "$SYS/a", strings.Repeat("x", 70_000), "\xff"} {
		rendered := c.Publish(mqtt.Publish{Topic: "${x}"})
		ev := event(rendered, actions.Message{Topic: "in"}, "x")
		ev.Params[0] = topic
		require.ErrorIs(t, rendered.Do(t.Context(), ev), actions.ErrPermanent, "%.20q", topic)
	}
}

// TestClassification checks the broker's answers, in batches with others.
func TestClassification(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{
		Lines: []string{"acl_file {dir}/acl", "message_size_limit 100"},
		Files: map[string]string{"acl": "topic readwrite a/#\n"},
	})
	d := connect(t, at(m.Addr), "#")
	for qos := byte(1); qos <= 2; qos++ {
		c := open(t, m.Addr, mqtt.Config{})
		a := c.Publish(mqtt.Publish{QoS: qos})
		var evs []actions.Event
		for i := range 50 {
			topic, payload := "a/x", fmt.Sprint(i)
			switch i % 10 {
			case 3:
				topic = "forbidden"
			case 7:
				payload = strings.Repeat("x", 200)
			}
			evs = append(evs, event(a, actions.Message{Topic: topic}, payload))
		}
		errs := a.DoBatch(t.Context(), evs)
		for i, err := range errs {
			switch i % 10 {
			case 3:
				require.ErrorIs(t, err, actions.ErrPermanent)
				require.ErrorContains(t, err, `mqtt: publish to "forbidden": not authorized (0x87)`)
			case 7:
				require.ErrorIs(t, err, actions.ErrPermanent)
				require.ErrorContains(t, err, "packet too large (0x95)")
			default:
				require.NoError(t, err)
			}
		}
		until(t, "the others arrive", func() bool { return len(d.received()) == 40*int(qos) })
		require.EqualValues(t, 1, c.Health().Connections)
	}
	m.Kill()
	c := open(t, m.Addr, mqtt.Config{})
	a := c.Publish(mqtt.Publish{QoS: 1})
	for _, err := range a.DoBatch(t.Context(), []actions.Event{event(a, actions.Message{Topic: "a/x"}, "1"), event(a, actions.Message{Topic: "a/x"}, "2")}) {
		require.Error(t, err)
		require.NotErrorIs(t, err, actions.ErrPermanent)
	}
}

// TestSecretsStayInside checks that nothing that is shown has the password.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	m := servertest.NewMosquitto(t, servertest.MosquittoConfig{Lines: []string{"allow_anonymous false", "password_file {dir}/p"}, Files: map[string]string{"p": ""}})
	c := open(t, m.Addr, mqtt.Config{Username: "hub", Password: "hunter2"})
	a := c.Publish(mqtt.Publish{Topic: "a", QoS: 1})
	err := a.Do(t.Context(), event(a, actions.Message{}, "x"))
	require.Error(t, err)
	require.NotErrorIs(t, err, actions.ErrPermanent)
	text, jsonErr := json.Marshal(a)
	require.NoError(t, jsonErr)
	for _, s := range []string{err.Error(), string(text), fmt.Sprint(c.Health().Err), fmt.Sprintf("%+v", c.Sink().Health())} {
		require.NotContains(t, s, "hunter2")
	}
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	c, err := mqtt.ReadConfig([]byte(`{"sink":"plant","name":"n","url":"mqtt://h","clientId":"hub","username":"u","password":"p","sessionExpiry":3600,"keepAlive":20,
		"topics":[{"pattern":"dt/#","direction":"in","qos":1,"localPrefix":"plant/"},{"pattern":"cmd/#"}]}`))
	require.NoError(t, err)
	require.Equal(t, mqtt.Config{
		Sink: actions.SinkConfig{Name: "plant"}, Name: "n", URL: "mqtt://h", ClientID: "hub", Username: "u", Password: "p",
		SessionExpiry: time.Hour, KeepAlive: 20 * time.Second,
		Topics: []mqtt.Topic{{Pattern: "dt/#", Direction: mqtt.In, QoS: 1, LocalPrefix: "plant/"}, {Pattern: "cmd/#"}},
	}, c)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for text, want := range map[string]string{
		`{}`:                               "url is missing",
		`{"url":"http://h"}`:               "Config.URL begins with",
		`{"url":"mqtt://h","qos":1}`:       "qos is not known",
		`{"url":"mqtt://h","keepAlive":0}`: "keepAlive is 0",
		`{"url":"mqtt://h","topics":[{"direction":"in"}]}`:                                                    "topics[0].pattern is missing",
		`{"url":"mqtt://h","topics":[{"pattern":"a/#/b"}]}`:                                                   `Config.Topics[0]: localPrefix with pattern is "a/#/b"`,
		`{"url":"mqtt://h","topics":[{"pattern":"a","direction":"up"}]}`:                                      "topics[0].direction",
		`{"url":"mqtt://h","topics":[{"pattern":"a/#","direction":"in"},{"pattern":"+/b","direction":"in"}]}`: `Config.Topics[1]: the pattern "+/b" matches topics that Topics[0], "a/#", matches`,
		`{"url":"mqtts://h","tls":{"caFile":"/no/such/file"}}`:                                                "tls: open /no/such/file",
		`{"url":"mqtts://h","tls":{"caFile":"` + empty + `"}}`:                                                "has no certificate",
		`{"url":"mqtts://h","tls":{"certFile":"` + empty + `"}}`:                                              "tls:",
		`{"url":"mqtts://h","tls":{"x":1}}`:                                                                   "tls.x is not known",
	} {
		_, err := mqtt.ReadConfig([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	m := mosquitto(t)
	c := open(t, m.Addr, mqtt.Config{})
	ready(t, c)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	a := c.Publish(mqtt.Publish{Topic: "a", QoS: 1})
	require.Error(t, a.Do(context.Background(), event(a, actions.Message{}, "x")))
}
