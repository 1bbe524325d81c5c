package thinghub_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/hubtest"
	"github.com/thinghub/thinghub/shadow/shadowtest"
)

// overMQTT brings requests to shadows as a device does.
type overMQTT struct {
	hub    *hubtest.Hub
	device *paho.Client
}

func (overMQTT) Via() string { return "mqtt" }

func (d overMQTT) Do(t testing.TB, r shadowtest.Request) (a shadowtest.Answer) {
	messages := make(chan *thinghub.Message, 16)
	stop, err := d.hub.Subscribe(t.Context(), "$aws/things/"+r.Key.Thing+"/shadow/#", func(m *thinghub.Message) { messages <- m.Clone() })
	require.NoError(t, err)
	defer stop()
	_, err = d.device.Publish(t.Context(), &paho.Publish{QoS: 1, Topic: r.Topic, Payload: r.Payload})
	require.NoError(t, err)
	require.Equal(t, r.Topic, (<-messages).Topic, "the request is a message, too")
	for m := range messages {
		require.False(t, m.Retain)
		require.EqualValues(t, 1, m.QoS)
		kind := strings.TrimPrefix(m.Topic, r.Topic)
		switch kind {
		case "/accepted":
			a.Accepted = m.Payload
		case "/rejected":
			a.Rejected = m.Payload
			return a
		case "/delta":
			require.Nil(t, a.Accepted, "delta comes before accepted")
			a.Delta = m.Payload
		case "/documents":
			a.Documents = m.Payload
			return a
		}
		if kind == "/accepted" && !strings.HasSuffix(r.Topic, "/update") {
			return a
		}
	}
	return a
}

// overHTTP brings them as an SDK does.
type overHTTP struct {
	hub    *hubtest.Hub
	server *httptest.Server
}

func (overHTTP) Via() string { return "rest" }

func (d overHTTP) Do(t testing.TB, r shadowtest.Request) (a shadowtest.Answer) {
	messages := make(chan *thinghub.Message, 16)
	stop, err := d.hub.Subscribe(t.Context(), "$aws/things/"+r.Key.Thing+"/shadow/#", func(m *thinghub.Message) { messages <- m.Clone() })
	require.NoError(t, err)
	defer stop()
	method, path := map[string]string{"get": "GET", "update": "POST", "delete": "DELETE"}[r.Op], "/things/"+url.PathEscape(r.Key.Thing)+"/shadow"
	if r.Key.Name != "" {
		path += "?name=" + url.QueryEscape(r.Key.Name)
	}
	if r.Op == "publish" {
		method, path = "POST", "/topics/"+url.PathEscape(r.Topic)+"?qos=1"
	}
	req, err := http.NewRequestWithContext(t.Context(), method, d.server.URL+path, bytes.NewReader(r.Payload))
	require.NoError(t, err)
	resp, err := d.server.Client().Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	require.NotEmpty(t, resp.Header.Get("X-Amzn-Requestid"))
	if resp.StatusCode != http.StatusOK {
		require.NotEmpty(t, resp.Header.Get("X-Amzn-Errortype"))
		a.Rejected, a.Status = body, resp.StatusCode
	} else if r.Op != "publish" {
		a.Accepted = body
	}
	// What is published was published before the answer; the sentinel comes behind it.
	sentinel := "$aws/things/" + r.Key.Thing + "/shadow/sentinel"
	require.NoError(t, d.hub.Publish(t.Context(), sentinel, nil))
	for m := range messages {
		switch kind := strings.TrimPrefix(m.Topic, r.Topic); {
		case m.Topic == sentinel:
			return a
		case kind == "/delta":
			a.Delta = m.Payload
		case kind == "/documents":
			a.Documents = m.Payload
		case kind == "/accepted" && r.Op == "publish":
			a.Accepted = m.Payload
		case kind == "/rejected" && r.Op == "publish":
			a.Rejected = m.Payload
		case kind == "/accepted":
			require.JSONEq(t, string(a.Accepted), string(m.Payload))
			require.NotEqual(t, "get", r.Op, "nothing is published for a get")
		case kind == "/rejected":
			t.Errorf("a refusal over HTTP was published: %s", m.Payload)
		}
	}
	return a
}

// TestShadowVectors has the known conversations with the whole hub, both ways.
func TestShadowVectors(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T, hub *hubtest.Hub) shadowtest.Driver{
		"mqtt": func(t *testing.T, hub *hubtest.Hub) shadowtest.Driver { return overMQTT{hub, hub.Client(t, "device")} },
		"rest": func(t *testing.T, hub *hubtest.Hub) shadowtest.Driver {
			server := httptest.NewServer(hub.DataPlane())
			t.Cleanup(server.Close)
			return overHTTP{hub, server}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t, hubtest.New(t))
			for _, v := range shadowtest.Vectors(t, "shadow/testdata/shadow.json") {
				t.Run(v.ID, func(t *testing.T) { v.Run(t, d) })
			}
		})
	}
}
