package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/topic"
)

// theTopic is what is asked about; retaining is asked about in publish.
func theTopic(c *call) []string { return []string{c.topic} }

func publish(c *call) error {
	m := &Message{Topic: c.topic, Principal: c.id.Principal}
	if limit := c.cfg.MaxTopicBytes; limit >= 0 && len(m.Topic) > limit {
		return invalid("topic", m.Topic, fmt.Sprintf("at most %d bytes", limit))
	}
	if err := topic.CheckName(m.Topic); err != nil {
		return failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: err.Error()}
	}
	qos, err := c.queryInt("qos", 0, 0, 1)
	if err != nil {
		return err
	}
	m.QoS = byte(qos)
	if m.Retain, err = c.queryBool("retain"); err != nil {
		return err
	}
	if m.Retain {
		if err := c.allow(auth.RetainPublish, m.Topic); err != nil {
			return err
		}
	}
	if err := c.mqtt5(m); err != nil {
		return err
	}
	if m.Payload, err = c.read(); err != nil {
		return err
	}
	if err := c.cfg.Gateway.Publish(c.r.Context(), m); err != nil {
		return err
	}
	return c.answer.json(map[string]string{"message": "OK", "traceId": c.answer.id})
}

// mqtt5 reads the properties that came in query and headers.
func (c *call) mqtt5(m *Message) error {
	q, h := c.query, c.r.Header
	m.ContentType = q.Get("contentType")
	if m.ResponseTopic = q.Get("responseTopic"); m.ResponseTopic != "" {
		if err := topic.CheckName(m.ResponseTopic); err != nil {
			return invalid("responseTopic", m.ResponseTopic, "a topic without wildcards")
		}
	}
	if v := q.Get("messageExpiry"); v != "" {
		secs, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return invalid("messageExpiry", v, "seconds, from 0 to 4294967295")
		}
		m.Expiry = time.Duration(secs) * time.Second // 0 is none, as the SDKs send it
	}
	if v := h.Get("X-Amz-Mqtt5-Correlation-Data"); v != "" {
		data, err := decode64(v)
		if err != nil {
			return invalid("correlationData", v, "base64")
		}
		m.CorrelationData = data
	}
	switch v := h.Get("X-Amz-Mqtt5-Payload-Format-Indicator"); v {
	case "":
	case "UNSPECIFIED_BYTES":
		m.UTF8 = new(bool)
	case "UTF8_DATA":
		yes := true
		m.UTF8 = &yes
	default:
		return invalid("payloadFormatIndicator", v, "UNSPECIFIED_BYTES or UTF8_DATA")
	}
	if v := h.Get("X-Amz-Mqtt5-User-Properties"); v != "" {
		user, err := userProperties(v)
		if err != nil {
			return invalid("userProperties", v, `base64 of a JSON array such as [{"name":"value"}]`)
		}
		m.User = user
	}
	return nil
}

// userProperties reads base64 of [{"k":"v"},…]. The values of a key may also be an
// array.
func userProperties(v string) (user [][2]string, err error) {
	text, err := decode64(v)
	if err != nil {
		return nil, err
	}
	var inner string
	if json.Unmarshal(text, &inner) == nil {
		text = []byte(inner) // boto3 encodes what is text already once more
	}
	var list []map[string]any
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	for _, pair := range list {
		for _, k := range slices.Sorted(maps.Keys(pair)) {
			switch v := pair[k].(type) {
			case string:
				user = append(user, [2]string{k, v})
			case []any:
				for _, one := range v {
					s, ok := one.(string)
					if !ok {
						return nil, fmt.Errorf("%v is not text", one)
					}
					user = append(user, [2]string{k, s})
				}
			default:
				return nil, fmt.Errorf("%v is not text", v)
			}
		}
	}
	return user, nil
}

// decode64 takes base64 with padding or without.
func decode64(v string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(v, "="))
}
