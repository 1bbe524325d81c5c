package kafka

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/thinghub/thinghub/actions"
)

// lazy returns a client that never connects.
func lazy(t *testing.T, name string, opts ...kgo.Opt) *Client {
	t.Helper()
	c, err := Open(Config{Sink: actions.SinkConfig{Name: name}, Brokers: []string{"one:9092", "two:9092"}, Options: opts})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestJSON(t *testing.T) {
	kinds := Kinds(lazy(t, "main"))
	for name, text := range map[string]string{
		"least": `{"kafka":{"topic":"events"}}`,
		"ours":  `{"kafka":{"sink":"main","topic":"events-${topic(2)}","key":"${clientid()}","headers":[{"key":"a","value":"${qos()}"}]}}`,
		"AWS": `{"kafka":{"destinationArn":"arn:aws:iot:eu-central-1:123456789012:ruledestination/vpc/main","topic":"events","key":"k","partition":"3",` +
			`"clientProperties":{"acks":"1","bootstrap.servers":"two:9092, one:9092","compression.type":"gzip",` +
			`"key.serializer":"org.apache.kafka.common.serialization.StringSerializer","security.protocol":"PLAINTEXT",` +
			`"value.serializer":"org.apache.kafka.common.serialization.ByteBufferSerializer"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			a, err := actions.Decode([]byte(text), kinds)
			require.NoError(t, err)
			again, ok, err := actions.Encode(a, kinds)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, text, string(again))
			require.Equal(t, "main", a.(actions.Sinked).Sink().Name())
			require.Equal(t, "kafka", a.(actions.Sinked).Sink().Kind())
		})
	}
}

func TestWrongJSON(t *testing.T) {
	long := strings.Repeat("x", 16385)
	secure := lazy(t, "secure", kgo.DialTLS(), kgo.SASL(scram.Auth{User: "u", Pass: "p"}.AsSha512Mechanism()))
	one, two := Kinds(lazy(t, "main")), Kinds(lazy(t, "main"), secure)
	properties := `acks, bootstrap.servers, compression.type, key.serializer, sasl.mechanism, security.protocol or value.serializer`
	for parameters, want := range map[string]string{
		`{}`:                                            `topic is missing, expected a text`,
		`{"topic":"a b"}`:                               `topic is "a b", expected a Kafka topic: 1 to 249 letters, digits, dots, underscores and hyphens`,
		`{"topic":".."}`:                                `topic is "..", expected a Kafka topic: 1 to 249 letters, digits, dots, underscores and hyphens`,
		`{"topic":"a","partition":"-1"}`:                `partition is "-1", expected a number from 0 to 2147483647`,
		`{"topic":"a","partition":3}`:                   `partition is 3, expected a text`,
		`{"topic":"a","headers":[]}`:                    `headers is an array of 0, expected 1 to 100 items`,
		`{"topic":"a","headers":[{}]}`:                  `headers[0].key is missing, expected a text`,
		`{"topic":"a","tope":""}`:                       `tope is not known, expected clientProperties, destinationArn, headers, key, partition, sink or topic`,
		`{"topic":"a","sink":"other"}`:                  `sink is "other", expected main`,
		`{"topic":"a","sink":"a","destinationArn":"b"}`: `destinationArn is "b", expected the sink a`,
		`{"topic":"a","headers":[{"key":"k","value":"` + long + `"}]}`:        `headers[0].value is "` + long[:80] + `"..., expected at most 16384 bytes`,
		`{"topic":"a","clientProperties":{"acks":"2"}}`:                       `clientProperties.acks is "2", expected 0, 1 or all`,
		`{"topic":"a","clientProperties":{"acks":1}}`:                         `clientProperties.acks is 1, expected a text`,
		`{"topic":"a","clientProperties":{"compression.type":"rar"}}`:         `clientProperties.compression.type is "rar", expected gzip, lz4, none, snappy or zstd`,
		`{"topic":"a","clientProperties":{"bootstrap.servers":"one:9092"}}`:   `clientProperties.bootstrap.servers is "one:9092", expected one:9092,two:9092, as the client main has it`,
		`{"topic":"a","clientProperties":{"security.protocol":"SSL"}}`:        `clientProperties.security.protocol is "SSL", expected PLAINTEXT, as the client main has it`,
		`{"topic":"a","clientProperties":{"sasl.mechanism":"PLAIN"}}`:         `clientProperties.sasl.mechanism is "PLAIN", expected none, as the client main has it`,
		`{"topic":"a","clientProperties":{"key.serializer":"my.Serializer"}}`: `clientProperties.key.serializer is "my.Serializer", expected org.apache.kafka.common.serialization.StringSerializer`,
		`{"topic":"a","clientProperties":{"sasl.scram.password":"hush"}}`:     `clientProperties is "sasl.scram.password", expected ` + properties + `; anything else, credentials above all, is set where the client is made`,
	} {
		_, err := actions.Decode([]byte(`{"kafka":`+parameters+`}`), one)
		require.EqualError(t, err, "kafka: "+want, parameters)
	}
	_, err := actions.Decode([]byte(`{"kafka":{"topic":"a"}}`), two)
	require.EqualError(t, err, "kafka: sink is missing, expected main or secure")
	_, err = actions.Decode([]byte(`{"kafka":{"destinationArn":"arn:aws:iot:eu-central-1:123456789012:ruledestination/vpc/nowhere","topic":"a"}}`), two)
	require.EqualError(t, err, `kafka: destinationArn is "nowhere", expected main or secure`)
	_, err = actions.Decode([]byte(`{"kafka":{"sink":"secure","topic":"a","clientProperties":{"security.protocol":"SASL_SSL","sasl.mechanism":"SCRAM-SHA-512"}}}`), two)
	require.NoError(t, err)
	_, err = actions.Decode([]byte(`{"kafka":{"sink":"secure","topic":"a","clientProperties":{"sasl.mechanism":"PLAIN"}}}`), two)
	require.EqualError(t, err, `kafka: clientProperties.sasl.mechanism is "PLAIN", expected SCRAM-SHA-512, as the client secure has it`)
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "kafka: Config.Brokers is empty, expected the address of a broker"},
		{Config{Brokers: []string{"a"}, Options: []kgo.Opt{kgo.ProducerBatchMaxBytes(1)}}, "kafka: "},
		{Config{Brokers: []string{"a"}, Options: []kgo.Opt{kgo.ManualFlushing()}}, "kafka: Config.Options has ManualFlushing, which cannot be used"},
		{Config{Brokers: []string{"a"}, Options: []kgo.Opt{kgo.TransactionalID("t")}}, "kafka: Config.Options has TransactionalID, which cannot be used"},
	} {
		_, err := Open(c.cfg)
		require.ErrorContains(t, err, c.want)
	}
	require.ErrorContains(t, (&Action{Topic: "a"}).Check(), "Client.Action")

	c := lazy(t, "main")
	require.NoError(t, c.Close())
	require.EqualError(t, c.Action(Action{Topic: "a", ClientProperties: map[string]string{"acks": "1"}}).Check(), "kafka: the client is closed")
}

func TestParams(t *testing.T) {
	a := lazy(t, "main").Action(Action{Topic: "t", Key: "k", Partition: "1", Headers: []Header{{"a", "b"}}})
	require.Equal(t, []actions.Param{
		{Name: "topic", Text: "t"},
		{Name: "key", Text: "k", Optional: true},
		{Name: "partition", Text: "1", Optional: true},
		{Name: "headers[0].key", Text: "a"},
		{Name: "headers[0].value", Text: "b", Optional: true},
	}, a.Params())
	require.Equal(t, "t", a.Resource(event(1, "", "t", "k", "1", "a", "b")))
}

func TestPartitioner(t *testing.T) {
	p := partitioner{}.ForTopic("t")
	seen := map[int]bool{}
	for _, topic := range []string{"a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "a/7", "a/8"} {
		r := kgo.Record{Partition: byTopic(topic)}
		first := p.Partition(&r, 3)
		require.Equal(t, first, p.Partition(&kgo.Record{Partition: byTopic(topic)}, 3))
		require.True(t, first >= 0 && first < 3)
		seen[first] = true
	}
	require.Len(t, seen, 3)
	require.Equal(t, 2, p.Partition(&kgo.Record{Partition: 2}, 3))
	r := kgo.Record{Partition: 3}
	require.Equal(t, -1, p.Partition(&r, 3))
	require.Equal(t, noSuch, r.Partition)
	require.True(t, p.RequiresConsistency(&r))
}
