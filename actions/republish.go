package actions

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thinghub/thinghub/internal/topic"
)

// Republish publishes the outgoing payload in the hub, where other rules see it too. It
// is the AWS action "republish". All texts but RoleARN may have templates.
type Republish struct {
	// RoleARN is the role whose policies must allow to publish, if the host enforces that
	// (thinghub.Config.EnforceRuleRoles); otherwise it is kept for AWS.
	RoleARN string `json:"roleArn,omitempty"`
	// Topic is where to. A topic of the hub's, such as a shadow's, begins with "$$"; a
	// template cannot bring in the "$", so that no device chooses such a topic. Topics
	// of jobs are refused.
	Topic string `json:"topic"`
	// QoS is 0 or 1. It is written in any case, as AWS does.
	QoS byte `json:"qos"`
	// Headers are MQTT 5 properties.
	Headers *MQTTHeaders `json:"headers,omitempty"`
}

// MQTTHeaders are the MQTT 5 properties of a message that is republished. A value that
// is empty once it is rendered leaves its property out.
type MQTTHeaders struct {
	// PayloadFormatIndicator is UNSPECIFIED_BYTES or UTF8_DATA.
	PayloadFormatIndicator string `json:"payloadFormatIndicator,omitempty"`
	ContentType            string `json:"contentType,omitempty"`
	ResponseTopic          string `json:"responseTopic,omitempty"`
	// CorrelationData is base64.
	CorrelationData string `json:"correlationData,omitempty"`
	// MessageExpiry is a number of seconds, from 1.
	MessageExpiry  string     `json:"messageExpiry,omitempty"`
	UserProperties []Property `json:"userProperties,omitempty"`
}

const (
	maxUserProperties = 100
	maxHeaderText     = 1024
)

// Kind is "republish".
func (Republish) Kind() string { return "republish" }

// Resource is the topic.
func (Republish) Resource(ev Event) string { return ev.Params[0] }

// Do fails: the action works on a host.
func (Republish) Do(context.Context, Event) error { return Permanent(ErrNoHost) }

// topic returns the topic's text without the doubling of its dollar sign, and whether
// it begins with one that its author wrote.
func (r Republish) topic() (text string, reserved bool) {
	text = r.Topic
	if strings.HasPrefix(text, "$$") && !strings.HasPrefix(text, "$${") {
		text = text[1:]
	}
	return text, strings.HasPrefix(text, "$") && !strings.HasPrefix(text, "${")
}

// Params are the topic and the headers.
func (r Republish) Params() []Param {
	text, _ := r.topic()
	params := []Param{{Name: "topic", Text: text}}
	if h := r.Headers; h != nil {
		for _, t := range h.texts() {
			params = append(params, Param{Name: "headers." + t.name, Text: *t.text, Optional: true})
		}
		for i, p := range h.UserProperties {
			name := fmt.Sprintf("headers.userProperties[%d].", i)
			params = append(params, Param{Name: name + "key", Text: p.Key}, Param{Name: name + "value", Text: p.Value, Optional: true})
		}
	}
	return params
}

type namedText struct {
	name string
	text *string
}

// texts are the single texts in a fixed order.
func (h *MQTTHeaders) texts() [5]namedText {
	return [5]namedText{
		{"payloadFormatIndicator", &h.PayloadFormatIndicator},
		{"contentType", &h.ContentType},
		{"responseTopic", &h.ResponseTopic},
		{"correlationData", &h.CorrelationData},
		{"messageExpiry", &h.MessageExpiry},
	}
}

// Check reports what can be seen to be wrong before a message comes.
func (r Republish) Check() error {
	if r.Topic == "" {
		return WrongField("topic", "", "a topic")
	}
	if r.QoS > 1 {
		return &FieldError{Field: "qos", Value: strconv.Itoa(int(r.QoS)), Want: "0 or 1"}
	}
	text, reserved := r.topic()
	if _, all := static(text); all {
		if err := checkTopic(text, reserved); err != nil {
			return err
		}
	}
	if r.Headers == nil {
		return nil
	}
	if n := len(r.Headers.UserProperties); n > maxUserProperties {
		return &FieldError{Field: "headers.userProperties", Value: fmt.Sprintf("an array of %d", n), Want: "1 to 100 items"}
	}
	// Texts without templates are judged as if a message had come.
	texts := make([]string, 0, 8)
	for _, p := range r.Params() {
		if len(p.Text) > maxHeaderText && p.Name != "topic" {
			return WrongField(p.Name, p.Text, "at most 1024 bytes")
		}
		if _, all := static(p.Text); all {
			texts = append(texts, p.Text)
		} else {
			texts = append(texts, "")
		}
	}
	if len(r.Headers.UserProperties) > 0 {
		for i, p := range r.Headers.UserProperties {
			if p.Key == "" {
				return WrongField(fmt.Sprintf("headers.userProperties[%d].key", i), "", "a text")
			}
		}
	}
	return r.headers(texts, &Publication{})
}

// checkTopic checks a topic to publish to.
func checkTopic(name string, reserved bool) error {
	if err := topic.CheckName(name); err != nil {
		return err // which names it
	}
	switch {
	case name[0] != '$':
	case !reserved:
		return WrongField("topic", name, `a topic that does not begin with "$", unless the action's text begins with "$$"`)
	case isJobTopic(name):
		return WrongField("topic", name, "a topic other than those of jobs")
	}
	return nil
}

// isJobTopic reports whether a topic is one of AWS IoT Jobs, $aws/things/THING/jobs/...
func isJobTopic(name string) bool {
	rest, ok := strings.CutPrefix(name, "$aws/things/")
	if !ok {
		return false
	}
	_, rest, _ = strings.Cut(rest, "/")
	return rest == "jobs" || strings.HasPrefix(rest, "jobs/")
}

// headers puts rendered texts, those of Params, into p.
func (r Republish) headers(texts []string, p *Publication) error {
	if r.Headers == nil {
		return nil
	}
	for i, t := range texts[1:] {
		switch {
		case len(t) > maxHeaderText:
			return WrongField(r.Params()[i+1].Name, t, "at most 1024 bytes")
		case !utf8.ValidString(t) || strings.IndexByte(t, 0) >= 0:
			return WrongField(r.Params()[i+1].Name, t, "UTF-8 without U+0000")
		}
	}
	format, contentType, response, correlation, expiry := texts[1], texts[2], texts[3], texts[4], texts[5]
	switch format {
	case "":
	case "UNSPECIFIED_BYTES":
		p.PayloadFormat = FormatBytes
	case "UTF8_DATA":
		p.PayloadFormat = FormatUTF8
	default:
		return WrongField("headers.payloadFormatIndicator", format, "UNSPECIFIED_BYTES or UTF8_DATA")
	}
	p.ContentType = contentType
	if response != "" {
		if err := topic.CheckName(response); err != nil {
			return WrongField("headers.responseTopic", response, "a topic without wildcards")
		}
		p.ResponseTopic = response
	}
	if correlation != "" {
		data, err := base64.StdEncoding.DecodeString(correlation)
		if err != nil {
			return WrongField("headers.correlationData", correlation, "base64")
		}
		p.CorrelationData = data
	}
	if expiry != "" {
		seconds, err := strconv.ParseUint(expiry, 10, 32)
		if err != nil || seconds == 0 {
			return WrongField("headers.messageExpiry", expiry, "a number of seconds from 1 to 4294967295")
		}
		p.Expiry = time.Duration(seconds) * time.Second
	}
	for i := range r.Headers.UserProperties {
		p.UserProperties = append(p.UserProperties, Property{Key: texts[6+2*i], Value: texts[7+2*i]})
	}
	return nil
}

// On needs h.Publisher.
func (r Republish) On(h Host) (Action, error) {
	if h.Publisher == nil {
		return nil, fmt.Errorf("republish: %w: a publisher", ErrNoHost)
	}
	_, reserved := r.topic()
	return &republisher{Republish: r, publisher: h.Publisher, reserved: reserved}, nil
}

type republisher struct {
	Republish
	publisher Publisher
	reserved  bool
}

func (r *republisher) Do(ctx context.Context, ev Event) error {
	p := Publication{Topic: ev.Params[0], Payload: ev.Payload, QoS: r.QoS, Rule: ev.Rule, Role: r.RoleARN, Hops: next(ev.Message.Hops)}
	if err := checkTopic(p.Topic, r.reserved); err != nil {
		return Permanent(err)
	}
	if err := r.headers(ev.Params, &p); err != nil {
		return Permanent(err)
	}
	return r.publisher.Publish(ctx, &p)
}

// next returns the number of hops of a message that led to another one.
func next(hops uint8) uint8 {
	if hops == 255 {
		return 255
	}
	return hops + 1
}

func decodeRepublish(data []byte) (Action, error) {
	o := ReadObject(data)
	r := Republish{RoleARN: o.Text("roleArn"), Topic: o.Need("topic"), QoS: byte(o.Int("qos", 0, 1))}
	if headers, ok := o.Object("headers"); ok {
		h := &MQTTHeaders{}
		for _, t := range h.texts() {
			*t.text = headers.Text(t.name)
		}
		headers.Each("userProperties", 1, maxUserProperties, func(item *Object) {
			h.UserProperties = append(h.UserProperties, Property{Key: item.Need("key"), Value: item.Text("value")})
		})
		if err := headers.Done(); err != nil {
			return nil, err
		}
		r.Headers = h
	}
	if err := o.Done(); err != nil {
		return nil, err
	}
	return r, r.Check()
}
