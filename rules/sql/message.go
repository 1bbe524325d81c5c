package sql

import (
	"math/rand/v2"

	"github.com/thinghub/thinghub/actions"
	"github.com/thinghub/thinghub/internal/decimal"
)

// The functions about the message and its rule.
var _ = register(map[string]*builtin{
	"accountid": {f0: func(r *Run) Value { return text(r.stmt.account) }},
	"clientid": {f0: func(r *Run) Value {
		if r.m.ClientID == "" || r.m.Protocol != actions.ProtocolMQTT {
			return text("n/a")
		}
		return text(r.m.ClientID)
	}},
	"get_mqtt_property":   {min: 1, max: 1, since2016: true, f1: mqttProperty, check: checkProperty},
	"get_user_properties": {max: 1, since2016: true, build: userProperties},
	"newuuid":             {f0: func(*Run) Value { return text(newUUID()) }},
	"principal":           {f0: func(r *Run) Value { return given(r.m.Principal) }},
	"rand":                {f0: func(r *Run) Value { return ofFloat(rand.Float64(), r.whole) }},
	"sourceip":            {since2016: true, f0: func(r *Run) Value { return given(r.m.Source()) }},
	"sql_version":         {f0: func(r *Run) Value { return text(string(r.stmt.version)) }},
	"timestamp":           {f0: func(r *Run) Value { return integer(r.time().UnixMilli()) }},
	"topic":               {max: 1, build: topicFunction},
	"traceid": {f0: func(r *Run) Value {
		if r.m.Protocol != actions.ProtocolMQTT {
			return undefined
		}
		return text(r.traceText())
	}},
})

// given is a text that is Undefined when it is empty.
func given(s string) Value {
	if s == "" {
		return undefined
	}
	return text(s)
}

// topicFunction is topic() and topic(n).
func topicFunction(c *compiler, n *call) expr {
	if len(n.args) == 0 {
		return func(r *Run) Value { return text(r.topic) }
	}
	if l, ok := n.args[0].(*literal); ok {
		i, ok := l.value.toInt(decimal.Floor)
		if !ok || i < 1 {
			return func(*Run) Value { return undefined }
		}
		return func(r *Run) Value { return r.level(i, true) }
	}
	level := c.expr(n.args[0])
	return func(r *Run) Value { return r.level(level(r).toInt(decimal.Floor)) }
}

// level returns a level of the topic, from 1 on; ok reports that i is a number.
func (r *Run) level(i int64, ok bool) Value {
	if !ok || i < 1 {
		return undefined
	}
	// Levels are short: a loop is faster than calls that look for the next slash.
	t, from := r.topic, 0
	for at := range len(t) {
		if t[at] != '/' {
			continue
		}
		if i--; i == 0 {
			return text(t[from:at])
		}
		from = at + 1
	}
	if i > 1 {
		return undefined
	}
	return text(t[from:])
}

const wantProperty = "content_type, format_indicator, response_topic or correlation_data"

func checkProperty(c *compiler, n *call) {
	name, ok := constantText(n, 0)
	if !ok {
		return
	}
	switch name {
	case "content_type", "format_indicator", "response_topic", "correlation_data":
	default:
		c.warn(n.args[0].at(), "get_mqtt_property is Undefined: the property is %q, expected %s", clip(name), wantProperty)
	}
}

func mqttProperty(r *Run, name Value) Value {
	if name.kind != String {
		return undefined
	}
	switch name.s {
	case "content_type":
		return given(r.m.ContentType)
	case "format_indicator":
		switch r.m.PayloadFormat {
		case actions.FormatBytes:
			return text("UNSPECIFIED_BYTES")
		case actions.FormatUTF8:
			return text("UTF8_DATA")
		case actions.FormatUnset:
		}
	case "response_topic":
		return given(r.m.ResponseTopic)
	case "correlation_data":
		if r.m.CorrelationData != nil {
			return text(r.base64(r.m.CorrelationData))
		}
	}
	return undefined
}

// userProperties is get_user_properties() and get_user_properties(key).
func userProperties(c *compiler, n *call) expr {
	if len(n.args) == 0 {
		return func(r *Run) Value {
			b := append(r.borrow(), '[')
			if r.m.UserProperties != nil {
				for k, v := range r.m.UserProperties {
					if len(b) > 1 {
						b = append(b, ',')
					}
					b = appendQuoted(append(appendQuoted(append(b, '{'), k), ':'), v)
					b = append(b, '}')
				}
			}
			return Value{kind: Array, s: r.keep(append(b, ']'))}
		}
	}
	key := c.expr(n.args[0])
	return func(r *Run) Value {
		want := key(r)
		if want.kind != String || r.m.UserProperties == nil {
			return undefined
		}
		b := append(r.borrow(), '[')
		for k, v := range r.m.UserProperties {
			if k != want.s {
				continue
			}
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = appendQuoted(b, v)
		}
		if len(b) == 1 {
			r.forget(b)
			return undefined
		}
		return Value{kind: Array, s: r.keep(append(b, ']'))}
	}
}
