package mqtt

import (
	"github.com/thinghub/thinghub/actions"
)

// Kinds returns the decoder for rules that are written as JSON, by the key "mqtt". An
// action names its client by the name of the sink; with one client it need not.
func Kinds(clients ...*Client) map[string]actions.Decoder {
	return map[string]actions.Decoder{kind: func(data []byte) (actions.Action, error) { return decode(data, clients) }}
}

func decode(data []byte, clients []*Client) (actions.Action, error) {
	o := actions.ReadObject(data)
	p := Publish{
		Sink: o.Text("sink"), Topic: o.Text("topic"), LocalPrefix: o.Text("localPrefix"), RemotePrefix: o.Text("remotePrefix"),
		QoS: byte(o.Int("qos", 0, 2)), Retain: o.Bool("retain"), AsPublished: o.Bool("asPublished"), BatchSize: o.Int("batchSize", 1, maxBatch),
	}
	if h, ok := o.Object("headers"); ok {
		p.Headers = &actions.MQTTHeaders{
			PayloadFormatIndicator: h.Text("payloadFormatIndicator"), ContentType: h.Text("contentType"), ResponseTopic: h.Text("responseTopic"),
			CorrelationData: h.Text("correlationData"), MessageExpiry: h.Text("messageExpiry"),
		}
		const most = 100 // as republish has it
		h.Each("userProperties", 1, most, func(item *actions.Object) {
			p.Headers.UserProperties = append(p.Headers.UserProperties, actions.Property{Key: item.Need("key"), Value: item.Text("value")})
		})
		if err := h.Done(); err != nil {
			return nil, err
		}
	}
	if err := o.Done(); err != nil {
		return nil, err
	}
	c, err := actions.SinkNamed(clients, p.Sink)
	if err != nil {
		return nil, err
	}
	a := c.action(p)
	return a, a.Check()
}
