package rabbitmq

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

// lazy returns a client that never connects.
func lazy(t *testing.T, name string) *Client {
	t.Helper()
	c, err := Open(Config{Sink: actions.SinkConfig{Name: name}, URL: "amqp://localhost"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestJSON(t *testing.T) {
	kinds := Kinds(lazy(t, "main"))
	for name, text := range map[string]string{
		"least": `{"rabbitmq":{"exchange":"events"}}`,
		"queue": `{"rabbitmq":{"routingKey":"queue"}}`,
		"all": `{"rabbitmq":{"sink":"main","exchange":"events","routingKey":"${topic(2)}.temp","contentType":"text/plain",` +
			`"headers":[{"key":"a","value":"${qos()}"},{"key":"b","value":""}],"persistent":false,"mandatory":true,"pipelined":true}}`,
		"persistent": `{"rabbitmq":{"exchange":"events","persistent":true}}`,
	} {
		t.Run(name, func(t *testing.T) {
			a, err := actions.Decode([]byte(text), kinds)
			require.NoError(t, err)
			again, ok, err := actions.Encode(a, kinds)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, text, string(again))
			require.Equal(t, "main", a.(actions.Sinked).Sink().Name())
			require.Equal(t, "rabbitmq", a.(actions.Sinked).Sink().Kind())
		})
	}
}

func TestWrongJSON(t *testing.T) {
	one, two := Kinds(lazy(t, "main")), Kinds(lazy(t, "main"), lazy(t, "other"))
	long := strings.Repeat("x", 256)
	shown := `"` + long[:80] + `"...`
	for parameters, want := range map[string]string{
		`{}`:                            `routingKey is missing, expected a text, the name of a queue, since there is no exchange`,
		`{"exchange":"${topic()}"}`:     `exchange is "${topic()}", expected a text without templates, so that no device chooses the exchange`,
		`{"exchange":"` + long + `"}`:   `exchange is ` + shown + `, expected at most 255 bytes`,
		`{"routingKey":"` + long + `"}`: `routingKey is ` + shown + `, expected at most 255 bytes`,
		`{"exchange":"a","contentType":"` + long + `"}`:                              `contentType is ` + shown + `, expected at most 255 bytes`,
		`{"exchange":"a","headers":[]}`:                                              `headers is an array of 0, expected 1 to 100 items`,
		`{"exchange":"a","headers":[{"key":""}]}`:                                    `headers[0].key is missing, expected a text`,
		`{"exchange":"a","headers":[{"key":"` + long + `"}]}`:                        `headers[0].key is ` + shown + `, expected 1 to 255 bytes`,
		`{"exchange":"a","headers":[{"key":"${a}","value":""}]}`:                     `headers[0].key is "${a}", expected a text without templates`,
		`{"exchange":"a","headers":[{"key":"BCC","value":""}]}`:                      `headers[0].key is "BCC", expected another name: RabbitMQ routes by these, and takes no texts for them`,
		`{"exchange":"a","headers":[{"key":"a","value":""},{"key":"a","value":""}]}`: `headers[1].key is "a", expected another name than those before it`,
		`{"exchange":"a","persistent":1}`:                                            `persistent is 1, expected true or false`,
		`{"exchange":"a","tope":1}`:                                                  `tope is not known, expected contentType, exchange, headers, mandatory, persistent, pipelined, routingKey or sink`,
		`{"exchange":"a","sink":"other"}`:                                            `sink is "other", expected "main"`,
	} {
		_, err := actions.Decode([]byte(`{"rabbitmq":`+parameters+`}`), one)
		require.EqualError(t, err, "rabbitmq: "+want, parameters)
	}
	_, err := actions.Decode([]byte(`{"rabbitmq":{"exchange":"a"}}`), two)
	require.EqualError(t, err, `rabbitmq: sink is missing, expected "main" or "other"`)
	require.ErrorContains(t, (&Action{Exchange: "a"}).Check(), "Client.Action")
}

func TestParams(t *testing.T) {
	a := lazy(t, "main").Action(Action{Exchange: "e", RoutingKey: "k", ContentType: "c", Headers: []Header{{"a", "b"}}})
	require.Equal(t, []actions.Param{
		{Name: "routingKey", Text: "k", Optional: true},
		{Name: "contentType", Text: "c", Optional: true},
		{Name: "headers[0].value", Text: "b", Optional: true},
	}, a.Params())
	ev := event(1, "", "k", "c", "b")
	require.Equal(t, "e", a.Resource(ev))
	require.Equal(t, "k", lazy(t, "main").Action(Action{RoutingKey: "k"}).Resource(ev))

	require.Equal(t, "dev/1", a.Batch().Distinct(ev))
	a.Pipelined = true
	require.Nil(t, a.Batch().Distinct)
}

// What is wrong with a URL is said without it.
func TestOpen(t *testing.T) {
	for _, url := range []string{"", "http://a", "amqp://user:hush@host:port/", "amqp://user:hu%sh@host/", "amqp://user:hush@host/?heartbeat=x"} {
		_, err := Open(Config{URL: url})
		require.EqualError(t, err, "rabbitmq: Config.URL is not valid, expected amqp://USER:PASSWORD@HOST:PORT/VHOST or amqps://", url)
	}
}

func TestMessageID(t *testing.T) {
	ev := event(1, "")
	require.Equal(t, ev.ID(), messageID(ev))
	ev.Rule = strings.Repeat("r", 300)
	id := messageID(ev)
	require.Len(t, id, 64)
	require.Equal(t, id, messageID(ev))
	ev.Rule += "r"
	require.NotEqual(t, id, messageID(ev))
}

// A head of a message that is close to the size of a frame is judged rightly: see
// TestHeaders for RabbitMQ's opinion.
func TestFrameSize(t *testing.T) {
	a := lazy(t, "main").Action(Action{Exchange: "e", Headers: []Header{{"a", "${a}"}}})
	_, _, err := a.message(event(1, "", "k", "", strings.Repeat("x", 3000)), 4096)
	require.NoError(t, err)
	_, _, err = a.message(event(1, "", "k", "", strings.Repeat("x", 4096)), 4096)
	require.ErrorContains(t, err, "more than a frame of 4096 bytes can hold")
	_, _, err = a.message(event(1, "", "k", "", strings.Repeat("x", 1<<20)), 0)
	require.NoError(t, err) // there is no limit
}
