package kafka

import (
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thinghub/thinghub/actions"
)

// A variant is what client properties ask of a producer.
type variant struct {
	acks        string // "all", "1" or "0"
	compression string // empty: as the host's options say
}

// serializers are those that AWS knows; they are what this package does.
const (
	stringSerializer = "org.apache.kafka.common.serialization.StringSerializer"
	bytesSerializer  = "org.apache.kafka.common.serialization.ByteBufferSerializer"
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// properties are those that an action may have.
var properties = []string{
	"acks", "bootstrap.servers", "compression.type", "key.serializer", "sasl.mechanism", "security.protocol", "value.serializer",
}

// variant reads the client properties of an action. Values that are refused by their name
// are not shown: they may be secrets.
func (c *Client) variant(all map[string]string) (variant, error) {
	v := variant{acks: "all"}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value := all[name]
		var ok bool
		var want string
		switch name {
		case "acks":
			if value == "-1" {
				value = "all"
			}
			v.acks, want = value, "0, 1 or all"
			ok = value == "0" || value == "1" || value == "all"
		case "compression.type":
			_, ok = codecs[value]
			v.compression, want = value, names(slices.Sorted(maps.Keys(codecs)))
		case "bootstrap.servers":
			ok, want = sameServers(value, c.cfg.Brokers), strings.Join(c.cfg.Brokers, ",")+", as the client "+c.sink.Name()+" has it"
		case "security.protocol":
			ok, want = value == c.security, c.security+", as the client "+c.sink.Name()+" has it"
		case "sasl.mechanism":
			ok = slices.Contains(c.mechanisms, value)
			want = names(c.mechanisms) + ", as the client " + c.sink.Name() + " has it"
			if len(c.mechanisms) == 0 {
				want = "none, as the client " + c.sink.Name() + " has it"
			}
		case "key.serializer":
			ok, want = value == stringSerializer, stringSerializer
		case "value.serializer":
			ok, want = value == bytesSerializer, bytesSerializer
		default:
			return v, &actions.FieldError{
				Field: "clientProperties", Value: actions.Shown(name),
				Want: names(properties) + "; anything else, credentials above all, is set where the client is made",
			}
		}
		if !ok {
			return v, actions.WrongField("clientProperties."+name, value, want)
		}
	}
	return v, nil
}

// sameServers compares a list separated by commas, in any order.
func sameServers(text string, servers []string) bool {
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	slices.Sort(list)
	return slices.Equal(list, slices.Sorted(slices.Values(servers)))
}

// options make a producer of a variant.
func (v variant) options() []kgo.Opt {
	var opts []kgo.Opt
	switch v.acks {
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	default:
		opts = append(opts, kgo.RequiredAcks(kgo.AllISRAcks()))
	}
	if v.compression != "" {
		opts = append(opts, kgo.ProducerBatchCompression(codecs[v.compression]))
	}
	return opts
}
