package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/shadow"
)

// gateway remembers what it was asked for.
type gateway struct {
	published    []*api.Message
	retained     map[string]*api.Message
	disconnected []string
}

func (g *gateway) Publish(_ context.Context, m *api.Message) error {
	if strings.HasPrefix(m.Topic, "$aws/") {
		return fmt.Errorf("%w: it is the hub's", api.ErrRefused)
	}
	if m.Topic == "fail" {
		return fmt.Errorf("disk on fire")
	}
	g.published = append(g.published, m)
	return nil
}

func (g *gateway) Retained(_ context.Context, topic string) (*api.Message, error) {
	if m := g.retained[topic]; m != nil {
		return m, nil
	}
	return nil, api.ErrNoRetained
}

func (g *gateway) RetainedAfter(_ context.Context, after string, limit int) (page []*api.Message, more bool, err error) {
	var names []string
	for name := range g.retained {
		if name > after {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names[:min(limit, len(names))] {
		page = append(page, g.retained[name])
	}
	return page, len(names) > limit, nil
}

func (g *gateway) Disconnect(_ context.Context, clientID string, endSession, suppressWill bool) error {
	if clientID == "nobody" {
		return api.ErrNotConnected
	}
	g.disconnected = append(g.disconnected, fmt.Sprint(clientID, endSession, suppressWill))
	return nil
}

// only allows one action on one resource, or all if the action is empty.
type only struct {
	action   auth.Action
	resource string
	asked    *[]string
}

func (o only) Authorize(_ context.Context, _ *auth.Identity, r *auth.Request) error {
	if o.asked != nil {
		*o.asked = append(*o.asked, string(r.Action)+" "+r.Resource)
	}
	if o.action == "" || o.action == r.Action && o.resource == r.Resource {
		return nil
	}
	return &auth.Denied{Action: r.Action, Resource: r.Resource, Reason: "only " + string(o.action)}
}

type stage struct {
	*api.API
	gateway *gateway
}

func newStage(t testing.TB, mod ...func(*api.Config)) stage {
	t.Helper()
	things, err := registry.New(registry.Config{})
	require.NoError(t, err)
	shadows, err := shadow.New(shadow.Config{Rate: -1})
	require.NoError(t, err)
	g := &gateway{retained: map[string]*api.Message{}}
	cfg := api.Config{
		Authenticator: auth.InsecureAllowAll{}, Authorizer: auth.InsecureAllowAll{}, Gateway: g,
		Registry: things, Shadows: shadows, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range mod {
		f(&cfg)
	}
	return stage{api.New(cfg), g}
}

type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

func ask(t testing.TB, h http.Handler, method, target, body string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, "http://hub.test"+target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), text: w.Body.String()}
	require.NotEmpty(t, a.header.Get("X-Amzn-Requestid"), "%s %s", method, target)
	if w.Code != http.StatusNoContent {
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a.body), "%s %s: %s", method, target, a.text)
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
	}
	if w.Code >= 400 {
		require.Equal(t, a.header.Get("X-Amzn-Errortype"), a.body["__type"])
		require.NotEmpty(t, a.body["message"])
	}
	return a
}

// What a topic is in a path does not depend on who encodes it, and nothing is cleaned.
func TestPublish_TopicsInPaths(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for path, want := range map[string]string{
		"a/b": "a/b", "a%2Fb": "a/b", "a//b": "a//b", "a%2F%2Fb": "a//b", "a/../b": "a/../b", "/a": "/a", "%2Fa": "/a", "a/": "a/", "a%20b": "a b", "%E2%82%AC": "€", "a+b": "", "%23": "", "": "", "a%00": "",
		strings.Repeat("x", 256): strings.Repeat("x", 256), strings.Repeat("x", 257): "",
	} {
		for name, h := range map[string]http.Handler{"data": s.DataPlane(), "both": s.Handler()} {
			s.gateway.published = nil
			a := ask(t, h, "POST", "/topics/"+path, "\x00\xff")
			if want == "" {
				require.Equal(t, 400, a.status, "%s %s", name, path)
				require.Empty(t, s.gateway.published)
				continue
			}
			require.Equal(t, 200, a.status, "%s %s: %s", name, path, a.text)
			require.Equal(t, want, s.gateway.published[0].Topic)
			require.Equal(t, "\x00\xff", string(s.gateway.published[0].Payload))
		}
	}
}

func TestPublish_Properties(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	a := ask(t, s.DataPlane(), "POST", "/topics/t?qos=1&retain=TRUE&contentType=text/plain&messageExpiry=60&responseTopic=r/1&unknown=x", "p",
		"X-Amz-Mqtt5-User-Properties", b64(`[{"k":"v"},{"k":"w"},{"l":["1","2"]}]`), "X-Amz-Mqtt5-Payload-Format-Indicator", "UTF8_DATA", "X-Amz-Mqtt5-Correlation-Data", b64("c"))
	require.Equal(t, 200, a.status, a.text)
	require.Equal(t, "OK", a.body["message"])
	yes := true
	require.Equal(t, []*api.Message{{
		Topic: "t", Payload: []byte("p"), QoS: 1, Retain: true, ContentType: "text/plain", ResponseTopic: "r/1", CorrelationData: []byte("c"), UTF8: &yes,
		Expiry: time.Minute, User: [][2]string{{"k", "v"}, {"k", "w"}, {"l", "1"}, {"l", "2"}}, Principal: "anonymous",
	}}, s.gateway.published)
	for _, bad := range []struct{ query, header, value string }{
		{"qos=2", "", ""},
		{"qos=x", "", ""},
		{"retain=yes", "", ""},
		{"messageExpiry=-1", "", ""},
		{"messageExpiry=4294967296", "", ""},
		{"responseTopic=a/%23", "", ""},
		{"", "X-Amz-Mqtt5-User-Properties", "!"},
		{"", "X-Amz-Mqtt5-User-Properties", b64(`{"k":"v"}`)},
		{"", "X-Amz-Mqtt5-User-Properties", b64(`[{"k":1}]`)},
		{"", "X-Amz-Mqtt5-Payload-Format-Indicator", "TEXT"},
		{"", "X-Amz-Mqtt5-Correlation-Data", "!"},
	} {
		a := ask(t, s.DataPlane(), "POST", "/topics/t?"+bad.query, "p", "X-Test", "1", bad.header+"X", "", orTest(bad.header), bad.value)
		require.Equal(t, 400, a.status, bad)
		require.Equal(t, "InvalidRequestException", a.body["__type"])
	}
	require.Len(t, s.gateway.published, 1)
	require.Equal(t, 413, ask(t, s.DataPlane(), "POST", "/topics/t", strings.Repeat("x", 128<<10+1)).status)
	require.Equal(t, 200, ask(t, s.DataPlane(), "POST", "/topics/t", strings.Repeat("x", 128<<10)).status)
	require.Equal(t, 400, ask(t, s.DataPlane(), "POST", "/topics/$aws/x", "").status)
	require.Equal(t, 500, ask(t, s.DataPlane(), "POST", "/topics/fail", "").status)
	require.Equal(t, 405, ask(t, s.DataPlane(), "GET", "/topics/t", "").status)
}

func orTest(header string) string {
	if header == "" {
		return "X-Test"
	}
	return header
}

func TestRetained(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	at := time.UnixMilli(1700000000123)
	for i := range 5 {
		name := fmt.Sprint("r/", i)
		s.gateway.retained[name] = &api.Message{Topic: name, Payload: []byte("xyz"), QoS: 1, Received: at}
	}
	s.gateway.retained["r/0"].User = [][2]string{{"k", "v"}}
	a := ask(t, s.DataPlane(), "GET", "/retainedMessage/r%2F0", "")
	require.Equal(t, map[string]any{"topic": "r/0", "payload": "eHl6", "qos": 1.0, "lastModifiedTime": 1700000000123.0, "userProperties": base64.StdEncoding.EncodeToString([]byte(`[{"k":"v"}]`))}, a.body)
	a = ask(t, s.DataPlane(), "GET", "/retainedMessage/r/1", "")
	require.Nil(t, a.body["userProperties"])
	a = ask(t, s.DataPlane(), "GET", "/retainedMessage/none", "")
	require.Equal(t, 404, a.status)
	require.Equal(t, "ResourceNotFoundException", a.body["__type"])
	var got []string
	token := ""
	for {
		a := ask(t, s.DataPlane(), "GET", "/retainedMessage?maxResults=2&nextToken="+token, "")
		for _, x := range a.body["retainedTopics"].([]any) {
			got = append(got, x.(map[string]any)["topic"].(string))
		}
		next, ok := a.body["nextToken"]
		if !ok {
			break
		}
		token = next.(string)
	}
	require.Equal(t, []string{"r/0", "r/1", "r/2", "r/3", "r/4"}, got)
	for _, bad := range []string{"maxResults=0", "maxResults=201", "maxResults=x", "nextToken=!"} {
		require.Equal(t, 400, ask(t, s.DataPlane(), "GET", "/retainedMessage?"+bad, "").status, bad)
	}
}

func TestDeleteConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	require.Equal(t, 200, ask(t, s.DataPlane(), "DELETE", "/connections/a%2Fb?cleanSession=true&preventWillMessage=false", "").status)
	require.Equal(t, []string{"a/btrue false"}, s.gateway.disconnected)
	require.Equal(t, 404, ask(t, s.DataPlane(), "DELETE", "/connections/nobody", "").status)
	require.Equal(t, 400, ask(t, s.DataPlane(), "DELETE", "/connections/$x", "").status)
	require.Equal(t, 400, ask(t, s.DataPlane(), "DELETE", "/connections/a?cleanSession=1", "").status)
}

// A hub without configuration refuses everybody, and nobody may do more than he is
// allowed to.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *api.Config) { c.Authenticator = auth.NewMemory() })
	for _, target := range []string{"/things", "/things/a/shadow", "/retainedMessage/a", "/endpoint"} {
		a := ask(t, s.Handler(), "GET", target, "")
		require.Equal(t, 401, a.status)
		require.Equal(t, "UnauthorizedException", a.body["__type"])
	}
	var asked []string
	s = newStage(t, func(c *api.Config) { c.Authorizer = only{asked: &asked} })
	for _, r := range [][2]string{
		{"GET", "/things/a/shadow?name=b"},
		{"POST", "/things/a/shadow"},
		{"POST", "/topics/t%2F1?retain=true"},
		{"GET", "/retainedMessage/t/1"},
		{"GET", "/retainedMessage"},
		{"DELETE", "/connections/c%2F1"},
		{"POST", "/things/a"},
		{"GET", "/things"},
		{"GET", "/thing-groups/g"},
		{"PUT", "/thing-groups/addThingToThingGroup"},
		{"GET", "/tags?resourceArn=arn:aws:iot:local:000000000000:thinggroup/g"},
		{"GET", "/api/things/shadow/ListNamedShadowsForThing/a"},
	} {
		ask(t, s.Handler(), r[0], r[1], "")
	}
	require.Equal(t, []string{
		"iot:GetThingShadow thing/a/b", "iot:UpdateThingShadow thing/a", "iot:Publish t/1", "iot:RetainPublish t/1", "iot:GetRetainedMessage t/1", "iot:ListRetainedMessages *",
		"iot:DeleteConnection c/1", "iot:CreateThing thing/a", "iot:ListThings *", "iot:DescribeThingGroup thinggroup/g", "iot:AddThingToThingGroup *",
		"iot:ListTagsForResource thinggroup/g", "iot:ListNamedShadowsForThing thing/a",
	}, asked)
	s = newStage(t, func(c *api.Config) { c.Authorizer = only{action: "iot:Publish", resource: "mine"} })
	require.Equal(t, 200, ask(t, s.Handler(), "POST", "/topics/mine", "").status)
	require.Equal(t, 401, ask(t, s.Handler(), "POST", "/topics/mine?retain=true", "").status)
	require.Equal(t, 401, ask(t, s.Handler(), "POST", "/topics/yours", "").status)
	require.Equal(t, 403, ask(t, s.Handler(), "DELETE", "/connections/x", "").status)
	require.Len(t, s.gateway.published, 1)
}

func TestPaths(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, c := range []struct {
		h              http.Handler
		method, target string
		status         int
	}{
		{s.Handler(), "GET", "/nothing", 404},
		{s.Handler(), "GET", "/", 404},
		{s.Handler(), "GET", "/things//shadow", 404},
		{s.Handler(), "GET", "/things/../things", 404},
		{s.Handler(), "GET", "/things/", 404},
		{s.Handler(), "PUT", "/things/a", 405},
		{s.Handler(), "PATCH", "/things/a/shadow", 405},
		{s.DataPlane(), "GET", "/things/a", 404},
		{s.ControlPlane(), "GET", "/things/a/shadow", 404},
		{s.ControlPlane(), "POST", "/topics/a", 404},
		{s.Handler(), "GET", "/things/shadow/shadow", 404},
		{s.Handler(), "POST", "/things/shadow", 200},
		{s.Handler(), "GET", "/things/shadow", 200},
		{s.Handler(), "POST", "/thing-groups/addThingToThingGroup", 200},
		{s.Handler(), "GET", "/things/a%3Ab", 404},
		{s.Handler(), "GET", "/things/a%2Fb", 400},
		{s.Handler(), "GET", "/things/a/shadow?name=", 400},
	} {
		a := ask(t, c.h, c.method, c.target, "")
		require.Equal(t, c.status, a.status, "%s %s: %s", c.method, c.target, a.text)
	}
}

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *api.Config) {
		c.AllowedOrigins, c.Authenticator = []string{"https://app.test"}, auth.NewMemory()
	})
	a := ask(t, s.DataPlane(), "OPTIONS", "/things/a/shadow", "", "Origin", "https://app.test")
	require.Equal(t, 204, a.status, "a browser asks without a signature")
	require.Equal(t, "https://app.test", a.header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, a.header.Get("Access-Control-Allow-Headers"), "x-amz-security-token")
	require.Equal(t, "https://app.test", ask(t, s.DataPlane(), "GET", "/things/a/shadow", "", "Origin", "https://app.test").header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, ask(t, s.DataPlane(), "OPTIONS", "/things/a/shadow", "", "Origin", "https://evil.test").header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, ask(t, s.ControlPlane(), "GET", "/things", "", "Origin", "https://app.test").header.Get("Access-Control-Allow-Origin"))
}

func TestBodies(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *api.Config) { c.MaxBody = 1000 })
	for body, want := range map[string]string{
		`{"thingTypeName": 1}`:                      "thingTypeName is a number, expected a string",
		`{"attributePayload": {"attributes": [1]}}`: "expected an object",
		`{"attributePayload"`:                       "the body is not JSON",
		`[]`:                                        "expected an object",
		`"` + strings.Repeat("x", 1000) + `"`:       "exceeds the maximum size",
	} {
		a := ask(t, s.ControlPlane(), "POST", "/things/a", body)
		require.Contains(t, a.body["message"], want)
		require.Equal(t, "InvalidRequestException", a.body["__type"])
	}
	require.Equal(t, 200, ask(t, s.ControlPlane(), "POST", "/things/a", `{"unknown": {"a": []}}`).status)
	a := ask(t, s.ControlPlane(), "POST", "/things/a", `{"attributePayload": {"attributes": {"k": "v"}}}`)
	require.Equal(t, 409, a.status)
	require.Equal(t, "arn:aws:iot:local:000000000000:thing/a", a.body["resourceArn"])
	require.NotEmpty(t, a.body["resourceId"])
}

// FuzzRequests sends anything anywhere: nothing panics, and every answer is JSON with
// a request id.
func FuzzRequests(f *testing.F) {
	for _, seed := range [][3]string{
		{"POST", "/topics/a%2Fb?qos=1", "x"},
		{"GET", "/things/a/shadow?name=b", ""},
		{"POST", "/things/a/shadow", `{"state":{"desired":{"a":null}}}`},
		{"POST", "/things/a", `{"attributePayload":{"attributes":{"a":"b"}}}`},
		{"PATCH", "/things/a", `{"expectedVersion":1}`},
		{"GET", "/things?maxResults=1&nextToken=x", ""},
		{"POST", "/indices/search", `{"queryString":"a:b"}`},
		{"PUT", "/thing-groups/addThingToThingGroup", `{"thingName":"a"}`},
		{"POST", "/indexing/config", `{"thingIndexingConfiguration":{"thingIndexingMode":"REGISTRY"}}`},
		{"GET", "/retainedMessage/%zz", ""},
		{"DELETE", "/connections/%2F", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	s := newStage(f)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		r, err := http.NewRequest(method, "http://hub.test/", strings.NewReader(body))
		if err != nil {
			return
		}
		u, err := r.URL.Parse(target)
		if err != nil || u.Host != "hub.test" {
			return
		}
		r.URL = u
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		text, err := io.ReadAll(w.Result().Body)
		require.NoError(t, err)
		require.True(t, json.Valid(text), "%s", text)
		require.NotEmpty(t, w.Header().Get("X-Amzn-Requestid"))
		require.NotEqual(t, http.StatusMovedPermanently, w.Code)
		require.NotEqual(t, http.StatusTemporaryRedirect, w.Code)
	})
}
