package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/thinghub/thinghub/internal/topic"
)

// mostRetained bounds a page of retained messages.
const mostRetained = 200

func getRetained(c *call) error {
	if err := topic.CheckName(c.topic); err != nil {
		return failure{status: http.StatusBadRequest, kind: "InvalidRequestException", message: err.Error()}
	}
	m, err := c.cfg.Gateway.Retained(c.r.Context(), c.topic)
	if err != nil {
		return err
	}
	out := struct {
		Topic        string  `json:"topic"`
		Payload      []byte  `json:"payload"`
		QoS          byte    `json:"qos"`
		LastModified int64   `json:"lastModifiedTime"`
		User         *string `json:"userProperties"`
	}{m.Topic, m.Payload, m.QoS, m.Received.UnixMilli(), nil}
	if len(m.User) > 0 {
		list := make([]map[string]string, len(m.User))
		for i, p := range m.User {
			list[i] = map[string]string{p[0]: p[1]}
		}
		text, err := json.Marshal(list)
		if err != nil {
			return err
		}
		user := base64.StdEncoding.EncodeToString(text)
		out.User = &user
	}
	return c.answer.json(out)
}

func listRetained(c *call) error {
	limit, err := c.queryInt("maxResults", mostRetained, 1, mostRetained)
	if err != nil {
		return err
	}
	token := c.query.Get("nextToken")
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return invalid("nextToken", token, "that of the page before")
	}
	page, more, err := c.cfg.Gateway.RetainedAfter(c.r.Context(), string(after), limit)
	if err != nil {
		return err
	}
	type summary struct {
		Topic        string `json:"topic"`
		Size         int    `json:"payloadSize"`
		QoS          byte   `json:"qos"`
		LastModified int64  `json:"lastModifiedTime"`
	}
	out := struct {
		Topics    []summary `json:"retainedTopics"`
		NextToken string    `json:"nextToken,omitempty"`
	}{Topics: make([]summary, len(page))}
	for i, m := range page {
		out.Topics[i] = summary{m.Topic, len(m.Payload), m.QoS, m.Received.UnixMilli()}
	}
	if more && len(page) > 0 {
		out.NextToken = base64.RawURLEncoding.EncodeToString([]byte(page[len(page)-1].Topic))
	}
	return c.answer.json(out)
}
