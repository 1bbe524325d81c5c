package jsonschema_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/hubtest"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/shadow"
	"github.com/thinghub/thinghub/shadow/jsonschema"
)

// pumpHub is a hub whose things of type "pump" have a schema for what they report, and
// whose shadows "config" have one for all of it.
func pumpHub(t *testing.T) (*hubtest.Hub, *jsonschema.Validator) {
	t.Helper()
	var hub *hubtest.Hub
	v, err := jsonschema.New(jsonschema.Config{
		Schemas: []jsonschema.Schema{
			{Name: "pump", Part: jsonschema.Reported, Types: []string{"pump"}, Shadows: []string{""}, JSON: []byte(`{
				"properties": {"temp": {"type": "number", "maximum": 100}, "serial": {"pattern": "^[A-Z][0-9]+$"}},
				"required": ["serial"], "additionalProperties": false}`)},
			{Name: "config", Shadows: []string{"config"}, JSON: []byte(`{
				"$schema": "http://json-schema.org/draft-07/schema#",
				"properties": {"desired": {"properties": {"mode": {"enum": ["eco", "full"]}}}}}`)},
		},
		TypeOf: func(ctx context.Context, thing string) (string, error) {
			is, err := hub.Registry().DescribeThing(ctx, thing)
			if errors.Is(err, registry.ErrNotFound) {
				return "", nil
			}
			return is.Type, err
		},
	})
	require.NoError(t, err)
	hub = hubtest.New(t, func(c *thinghub.Config) { c.ShadowConfig.Validators = []shadow.Validator{v} })
	_, err = hub.Registry().CreateThingType(t.Context(), "pump", registry.TypeProperties{}, nil)
	require.NoError(t, err)
	_, err = hub.Registry().CreateThing(t.Context(), registry.CreateThingInput{Name: "pump-1", Type: "pump"})
	require.NoError(t, err)
	_, err = hub.Registry().CreateThing(t.Context(), registry.CreateThingInput{Name: "fan-1"})
	require.NoError(t, err)
	return hub, v
}

// The requests, and what they are answered: version, or the text of a refusal.
var pumpRequests = []struct {
	thing, name, request, refused string
}{
	{"pump-1", "", `{"state":{"reported":{"serial":"A1","temp":20}}}`, ``},
	{"pump-1", "", `{"state":{"reported":{"temp":120}},"clientToken":"t"}`, `/reported/temp is 120, expected at most 100 (schema "pump")`},
	{"pump-1", "", `{"state":{"reported":{"serial":null}},"clientToken":"t"}`, `/reported has no "serial", expected it (schema "pump")`},
	{"pump-1", "", `{"state":{"reported":{"temp":1e300}},"clientToken":"t"}`, `/reported/temp is 1e300, expected at most 100 (schema "pump")`},
	{"pump-1", "", `{"state":{"reported":{"x":{"y":1}}},"clientToken":"t"}`, `/reported/x is an object with 1 member, expected no such member (schema "pump")`},
	{"pump-1", "", `{"state":{"desired":{"x":1},"reported":{"temp":21}}}`, ``},
	{"pump-1", "", `{"state":{"reported":null}}`, ``},
	{"pump-1", "config", `{"state":{"desired":{"mode":"slow"}},"clientToken":"t"}`, `/desired/mode is "slow", expected "eco" or "full" (schema "config")`},
	{"pump-1", "config", `{"state":{"desired":{"mode":"eco"},"reported":{"serial":1}}}`, ``},
	{"fan-1", "", `{"state":{"reported":{"temp":120}}}`, ``},
	{"nobody", "", `{"state":{"reported":{"temp":120}}}`, ``},
}

func topicOf(thing, name string) string {
	if name != "" {
		return "$aws/things/" + thing + "/shadow/name/" + name + "/update"
	}
	return "$aws/things/" + thing + "/shadow/update"
}

func TestOverMQTT(t *testing.T) {
	t.Parallel()
	hub, _ := pumpHub(t)
	device := hub.Client(t, "device")
	answers := hub.Recorder(t, "$aws/things/#")
	for _, r := range pumpRequests {
		topic := topicOf(r.thing, r.name)
		_, err := device.Publish(t.Context(), &paho.Publish{Topic: topic, QoS: 1, Payload: []byte(r.request)})
		require.NoError(t, err)
		for {
			m := answers.Next(t.Context())
			what := strings.TrimPrefix(m.Topic, topic+"/")
			if r.refused != "" && what == "rejected" {
				var e struct {
					Code                 int
					Message, ClientToken string
				}
				require.NoError(t, json.Unmarshal(m.Payload, &e))
				require.Equal(t, 400, e.Code)
				require.Equal(t, r.refused, e.Message)
				require.Equal(t, "t", e.ClientToken)
				break
			}
			require.NotEqual(t, "rejected", what, "%s", m.Payload)
			if what == "documents" {
				require.Empty(t, r.refused, r.request)
				break
			}
		}
	}
	is, err := hub.Shadows().Get(t.Context(), shadow.Key{Thing: "pump-1"}, shadow.Requester{})
	require.NoError(t, err)
	require.EqualValues(t, 3, is.Version, "refused updates change nothing")
}

func TestOverHTTP(t *testing.T) {
	t.Parallel()
	hub, v := pumpHub(t)
	srv := httptest.NewServer(hub.DataPlane())
	t.Cleanup(srv.Close)
	post := func(thing, name, request string) (status int, kind string, body map[string]any) {
		url := srv.URL + "/things/" + thing + "/shadow"
		if name != "" {
			url += "?name=" + name
		}
		r, err := srv.Client().Post(url, "application/json", strings.NewReader(request))
		require.NoError(t, err)
		defer func() { _ = r.Body.Close() }()
		text, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &body))
		return r.StatusCode, r.Header.Get("X-Amzn-Errortype"), body
	}
	for _, r := range pumpRequests {
		status, kind, body := post(r.thing, r.name, r.request)
		if r.refused == "" {
			require.Equal(t, 200, status, body)
			continue
		}
		require.Equal(t, 400, status)
		require.Equal(t, "InvalidRequestException", kind)
		require.Equal(t, r.refused, body["message"])
	}
	// Other schemas while it runs.
	require.NoError(t, v.Replace(jsonschema.Config{Schemas: []jsonschema.Schema{{Name: "closed", JSON: []byte(`false`)}}}))
	_, _, body := post("fan-1", "", `{"state":{}}`)
	require.Equal(t, `the document is an object with 1 member, expected nothing here (schema "closed")`, body["message"])
}

// A typed shadow of the host's is refused like everybody.
func TestFromTheHost(t *testing.T) {
	t.Parallel()
	hub, _ := pumpHub(t)
	type pump struct {
		Serial string  `json:"serial,omitempty"`
		Temp   float64 `json:"temp,omitempty"`
	}
	s := shadow.Of[pump](hub.Shadows(), shadow.Key{Thing: "pump-1"})
	_, err := s.Change(t.Context(), shadow.Reported, func(p *pump) error { p.Serial, p.Temp = "a", 300; return nil })
	require.ErrorIs(t, err, shadow.ErrInvalid)
	require.ErrorContains(t, err, `/reported/serial is "a", expected what matches "^[A-Z][0-9]+$"; /reported/temp is 300, expected at most 100 (schema "pump")`)
}
