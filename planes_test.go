package thinghub_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/hubtest"
	"github.com/thinghub/thinghub/registry"
)

// do makes one request to a hub's Handler and returns status and body. The header is
// name, value, ...
func do(t *testing.T, h http.Handler, request, body string, header ...string) (int, map[string]any) {
	t.Helper()
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, "http://hub.test"+target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var got map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got), "%s: %s", request, w.Body)
	return w.Code, got
}

// done is do for a request that must succeed.
func done(t *testing.T, h http.Handler, request, body string, header ...string) map[string]any {
	t.Helper()
	status, got := do(t, h, request, body, header...)
	require.Equal(t, http.StatusOK, status, "%s: %v", request, got)
	return got
}

// TestControlPlane_Events switches all events on over HTTP and requires what a device
// sees of each change: topics in order, and the members AWS documents.
func TestControlPlane_Events(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	h := hub.Handler()
	watch := hub.Recorder(t, "$aws/events/#")
	done(t, h, "POST /things/before", "")
	done(t, h, "PATCH /event-configurations", `{"eventConfigurations":{"THING":{"Enabled":true},"THING_TYPE":{"Enabled":true},"THING_GROUP":{"Enabled":true},
		"THING_GROUP_MEMBERSHIP":{"Enabled":true},"THING_GROUP_HIERARCHY":{"Enabled":true},"THING_TYPE_ASSOCIATION":{"Enabled":true}}}`)
	const (
		thing       = "thingId thingName versionNumber thingTypeName attributes"
		thingType   = "thingTypeId thingTypeName isDeprecated deprecationDate searchableAttributes propagatingAttributes description"
		association = "thingId thingName thingTypeName"
		group       = "thingGroupId thingGroupName versionNumber parentGroupName parentGroupId description rootToParentThingGroups attributes dynamicGroupMappingId"
		membership  = "groupArn groupId thingArn thingId membershipId"
		hierarchy   = "thingGroupId thingGroupName childGroupId childGroupName"
	)
	type event struct{ topic, kind, operation, members string }
	for _, c := range []struct {
		request, body string
		events        []event
	}{
		{"POST /thing-types/pump", `{"thingTypeProperties":{"thingTypeDescription":"d","searchableAttributes":["a"]}}`, []event{{"thingType/pump/created", "THING_TYPE_EVENT", "CREATED", thingType}}},
		{"POST /things/p", `{"thingTypeName":"pump","attributePayload":{"attributes":{"a":"1"}}}`, []event{
			{"thing/p/created", "THING_EVENT", "CREATED", thing},
			{"thingTypeAssociation/thing/p/thingType/pump/added", "THING_TYPE_ASSOCIATION_EVENT", "ADDED", association},
		}},
		{"POST /things/p", `{"thingTypeName":"pump","attributePayload":{"attributes":{"a":"1"}}}`, nil}, // which is there
		{"PATCH /things/p", `{"removeThingType":true}`, []event{
			{"thing/p/updated", "THING_EVENT", "UPDATED", thing},
			{"thingTypeAssociation/thing/p/thingType/pump/removed", "THING_TYPE_ASSOCIATION_EVENT", "REMOVED", association},
		}},
		{"PATCH /things/p", `{"expectedVersion":1}`, nil}, // which is refused
		{"POST /thing-groups/g", "", []event{{"thingGroup/g/created", "THING_GROUP_EVENT", "CREATED", group}}},
		{"POST /thing-groups/h", `{"parentGroupName":"g"}`, []event{
			{"thingGroup/h/created", "THING_GROUP_EVENT", "CREATED", group},
			{"thingGroupHierarchy/thingGroup/g/childThingGroup/h/added", "THING_GROUP_HIERARCHY_EVENT", "ADDED", hierarchy},
		}},
		{"PATCH /thing-groups/h", `{"thingGroupProperties":{"thingGroupDescription":"<h>"}}`, []event{{"thingGroup/h/updated", "THING_GROUP_EVENT", "UPDATED", group}}},
		{"PUT /thing-groups/addThingToThingGroup", `{"thingGroupName":"h","thingName":"p"}`, []event{{"thingGroupMembership/thingGroup/h/thing/p/added", "THING_GROUP_MEMBERSHIP_EVENT", "ADDED", membership}}},
		{"PUT /thing-groups/removeThingFromThingGroup", `{"thingGroupName":"h","thingName":"p"}`, []event{{"thingGroupMembership/thingGroup/h/thing/p/removed", "THING_GROUP_MEMBERSHIP_EVENT", "REMOVED", membership}}},
		{"DELETE /thing-groups/h", "", []event{
			{"thingGroupHierarchy/thingGroup/g/childThingGroup/h/removed", "THING_GROUP_HIERARCHY_EVENT", "REMOVED", hierarchy},
			{"thingGroup/h/deleted", "THING_GROUP_EVENT", "DELETED", group},
		}},
		{"POST /thing-types/pump/deprecate", "", []event{{"thingType/pump/updated", "THING_TYPE_EVENT", "UPDATED", thingType}}},
		{"POST /thing-types/pump/deprecate", `{"undoDeprecate":true}`, []event{{"thingType/pump/updated", "THING_TYPE_EVENT", "UPDATED", thingType}}},
		{"DELETE /things/p", "", []event{{"thing/p/deleted", "THING_EVENT", "DELETED", thing}}},
		{"PATCH /event-configurations", `{"eventConfigurations":{"THING":{"Enabled":false}}}`, nil},
		{"DELETE /things/before", "", nil},
		{"DELETE /thing-groups/g", "", []event{{"thingGroup/g/deleted", "THING_GROUP_EVENT", "DELETED", group}}},
	} {
		do(t, h, c.request, c.body)
		for _, want := range c.events {
			m := watch.Next(t.Context())
			require.Equal(t, "$aws/events/"+want.topic, m.Topic, c.request)
			require.NotContains(t, string(m.Payload), `\u003c`)
			var body map[string]any
			require.NoError(t, json.Unmarshal(m.Payload, &body))
			require.Equal(t, want.kind, body["eventType"])
			require.Equal(t, want.operation, body["operation"])
			require.Equal(t, "000000000000", body["accountId"])
			require.Len(t, body["eventId"], 36)
			require.InDelta(t, 1.8e12, body["timestamp"], 5e11, "milliseconds")
			members := []string{}
			for name := range body {
				members = append(members, name)
			}
			require.ElementsMatch(t, append(strings.Fields(want.members), "eventType", "eventId", "timestamp", "operation", "accountId"), members, want.topic)
		}
	}
	done(t, h, "POST /thing-types/last", "")
	require.Equal(t, "$aws/events/thingType/last/created", watch.Next(t.Context()).Topic, "and nothing else came before")
}

// TestDataPlane_Shadows requires that a shadow changed over HTTP is published like one
// changed over MQTT, and that what is refused over HTTP is not.
func TestDataPlane_Shadows(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	h := hub.DataPlane()
	watch := hub.Recorder(t, lamp+"/#")
	for _, c := range []struct {
		request, body string
		topics        []string
	}{
		{"POST /things/lamp/shadow", `{"state":{"desired":{"on":true}},"clientToken":"k"}`, []string{"/update/delta", "/update/accepted", "/update/documents"}},
		{"POST /things/lamp/shadow", `{"state":{"desired":{"on":true}},"version":9}`, nil},
		{"POST /things/lamp/shadow?name=a%3Ab", `{"state":{"reported":{"on":true}}}`, []string{"/name/a:b/update/accepted", "/name/a:b/update/documents"}},
		{"GET /things/lamp/shadow", "", nil},
		{"GET /things/lamp/shadow?name=none", "", nil},
		{"DELETE /things/lamp/shadow", "", []string{"/delete/accepted"}},
		{"DELETE /things/lamp/shadow", "", nil},
		// A request that is published is a message too, and answered by messages.
		{"POST /topics/$aws%2Fthings%2Flamp%2Fshadow%2Fget", "", []string{"/get", "/get/rejected"}},
		{"POST /topics/$aws/things/lamp/shadow/update?qos=1", `{"state":{"reported":{"on":true}}}`, []string{"/update", "/update/accepted", "/update/documents"}},
	} {
		do(t, h, c.request, c.body)
		for _, topic := range c.topics {
			require.Equal(t, lamp+topic, watch.Next(t.Context()).Topic, c.request)
		}
	}
	require.NoError(t, hub.Publish(t.Context(), lamp+"/end", nil))
	require.Equal(t, lamp+"/end", watch.Next(t.Context()).Topic)
}

// TestDataPlane_Publish brings a message with everything it can have to a device, and
// refuses what is not for clients to publish.
func TestDataPlane_Publish(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t, func(c *thinghub.Config) { c.Gateway.MaxTopicLevels, c.Gateway.MaxPayloadBytes = 8, 100 })
	h := hub.Handler()
	_, got := receiver(t, hub, "device", "a/#")
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	done(t, h, "POST /topics/a%2Fb?qos=1&contentType=text%2Fplain&responseTopic=r%2F1&messageExpiry=60", "\x00\xff",
		"x-amz-mqtt5-user-properties", b64(`[{"k":"v"},{"k":"w"}]`), "x-amz-mqtt5-correlation-data", b64("\x00c"), "x-amz-mqtt5-payload-format-indicator", "UNSPECIFIED_BYTES")
	m := <-got
	require.Equal(t, "a/b", m.Topic)
	require.Equal(t, "\x00\xff", string(m.Payload))
	p := m.Properties
	require.Equal(t, "text/plain", p.ContentType)
	require.Equal(t, "r/1", p.ResponseTopic)
	require.Equal(t, "\x00c", string(p.CorrelationData))
	require.EqualValues(t, 0, *p.PayloadFormat)
	require.EqualValues(t, 60, *p.MessageExpiry)
	require.Equal(t, paho.UserProperties{{Key: "k", Value: "v"}, {Key: "k", Value: "w"}}, p.User)

	sys := hub.Recorder(t, "$SYS/#")
	for request, text := range map[string]string{
		"POST /topics/$SYS/broker/version?retain=true":                  "topics that begin with $ are the hub's",
		"POST /topics/$share/g/a":                                       "topics that begin with $ are the hub's",
		"POST /topics/$other":                                           "topics that begin with $ are the hub's",
		"POST /topics/$aws/events/presence/connected/x":                 "only the hub publishes to this topic",
		"POST /topics/$aws/things/lamp/shadow/update/accepted":          "only the hub publishes to this topic",
		"POST /topics/$aws/things/lamp/shadow/update?retain=true":       "messages on topics of the hub are not retained",
		"POST /topics/a/b/c/d/e/f/g/h/i":                                "topic of 9 levels, at most 8 are accepted",
		"POST /topics/a?contentType=" + strings.Repeat("x", 70_000):     "ContentType has 70000 bytes, at most 65535 can be sent",
		"POST /topics/long?responseTopic=" + strings.Repeat("x", 1<<16): "responseTopic is",
	} {
		status, body := do(t, h, request, "")
		require.Equal(t, 400, status, request)
		require.Equal(t, "InvalidRequestException", body["__type"])
		require.Contains(t, body["message"], text)
		require.NotContains(t, body["message"], "mqtt:", "codes are for the log")
	}
	status, body := do(t, h, "POST /topics/a", strings.Repeat("x", 101))
	require.Equal(t, 400, status)
	require.Equal(t, "payload of 101 bytes, at most 100 are accepted", body["message"])
	require.Empty(t, sys.Messages())
	require.Empty(t, done(t, h, "GET /retainedMessage", "")["retainedTopics"])

	hub = hubtest.New(t, func(c *thinghub.Config) { c.Gateway.MaxRetainedMessages = 1 })
	done(t, hub.Handler(), "POST /topics/a?retain=true", "x")
	status, body = do(t, hub.Handler(), "POST /topics/b?retain=true", "x")
	require.Equal(t, 429, status)
	require.Equal(t, "ThrottlingException", body["__type"])
	hub = hubtest.New(t, func(c *thinghub.Config) { c.Gateway.DisableRetain = true })
	status, _ = do(t, hub.Handler(), "POST /topics/a?retain=true", "x")
	require.Equal(t, 400, status)
}

// TestDataPlane_RetainedPages reads pages while messages come and go: those that are
// there throughout are all seen, once.
func TestDataPlane_RetainedPages(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	h := hub.DataPlane()
	var want []string
	for i := range 50 {
		want = append(want, "keep/"+string(rune('0'+i)))
		done(t, h, "POST /topics/keep%2F"+escape(string(rune('0'+i)))+"?retain=true", "x")
	}
	require.NoError(t, hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "$SYS/x", Payload: []byte("x"), Retain: true}))
	require.NoError(t, hub.PublishMessage(t.Context(), &thinghub.Message{Topic: "keep/gone", Payload: []byte("x"), Retain: true, Expires: time.Now().Add(-time.Second)}))
	var got []string
	for token := ""; ; {
		page := done(t, h, "GET /retainedMessage?maxResults=7&nextToken="+token, "")
		for _, item := range page["retainedTopics"].([]any) {
			got = append(got, item.(map[string]any)["topic"].(string))
		}
		for _, topic := range []string{"aaa", "keep/zzz", "keep/" + string(rune('0'+len(got)/2)) + "x"} {
			done(t, h, "POST /topics/"+escape(topic)+"?retain=true", "x")
			done(t, h, "POST /topics/"+escape(topic)+"?retain=true", "") // which deletes it
		}
		next, more := page["nextToken"]
		if !more {
			break
		}
		token = next.(string)
	}
	slices.Sort(want)
	require.Equal(t, want, got)
}

func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteString("%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15]))
	}
	return b.String()
}

// TestBefore serves a hub and what the host has besides from one server.
func TestBefore(t *testing.T) {
	t.Parallel()
	hub := hubtest.New(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /own", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "own") })
	srv := httptest.NewServer(hub.Before(mux))
	t.Cleanup(srv.Close)
	watch := hub.Recorder(t, "#")
	for path, want := range map[string]int{"/own": 200, "/own/": 404, "/mqtt": 426, "/things": 200, "/metrics": 404} {
		r, err := srv.Client().Get(srv.URL + path)
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		require.Equal(t, want, r.StatusCode, path)
	}
	r, err := srv.Client().Post(srv.URL+"/topics/a//b", "", strings.NewReader("x"))
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, "a//b", watch.Next(t.Context()).Topic)
}

// TestFleetMetrics has the hub hand the values of fleet metrics to its host.
func TestFleetMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []registry.MetricSample
		hub := hubtest.New(t, func(c *thinghub.Config) {
			c.RegistryConfig.Metrics = registry.MetricFunc(func(_ context.Context, s registry.MetricSample) error {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, s)
				return nil
			})
		})
		h := hub.ControlPlane()
		done(t, h, "POST /indexing/config", `{"thingIndexingConfiguration":{"thingIndexingMode":"REGISTRY","thingConnectivityIndexingMode":"STATUS"}}`)
		done(t, h, "PUT /fleet-metric/offline", `{"queryString":"connectivity.connected:false","aggregationType":{"name":"Statistics","values":["count"]},"period":120,"aggregationField":"thingName","unit":"Count"}`)
		done(t, h, "POST /things/pump-1", "")
		time.Sleep(121 * time.Second)
		hub.Client(t, "pump-1")
		time.Sleep(2 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, got, 2)
		require.Equal(t, []registry.MetricValue{{Name: "count", Value: 1}}, got[0].Values)
		require.Equal(t, []registry.MetricValue{{Name: "count", Value: 0}}, got[1].Values)
		require.Equal(t, 2*time.Minute, got[1].Time.Sub(got[0].Time))
		require.NoError(t, hub.Disconnect("pump-1", broker.DisconnectOptions{}))
	})
}
