package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/internal/api"
)

// gateway remembers what it was asked for.
type gateway struct {
	published    []*api.Message
	retained     map[string]*api.Message
	disconnected []string
}

func (g *gateway) Publish(_ context.Context, m *api.Message) error {
	if strings.HasPrefix(m.Topic, "$aws/") {
		return &api.Refusal{Text: "it is the hub's"}
	}
	if m.Topic == "full" {
		return fmt.Errorf("gateway: %w", &api.Refusal{Text: "no room", Throttled: true})
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
	if strings.HasPrefix(clientID, "nobody") {
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
	conforms(t, method, target, a)
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
	require.Equal(t, 429, ask(t, s.DataPlane(), "POST", "/topics/full", "").status)
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
	s.gateway.retained["/"] = &api.Message{Topic: "/", Payload: []byte("x"), Received: at}
	for _, path := range []string{"//", "/%2F"} {
		require.Equal(t, "/", ask(t, s.DataPlane(), "GET", "/retainedMessage"+path, "").body["topic"], path)
	}
	delete(s.gateway.retained, "/")
	require.Contains(t, ask(t, s.DataPlane(), "GET", "/retainedMessage/", "").body, "retainedTopics")
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
	long := strings.Repeat("x", 129)
	require.Equal(t, 200, ask(t, s.DataPlane(), "DELETE", "/connections/"+long, "").status, "the gateway may allow it")
	require.Equal(t, 400, ask(t, s.DataPlane(), "DELETE", "/connections/nobody"+long, "").status)
}

// A hub without configuration refuses everybody, and nobody may do more than he is
// allowed to.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *api.Config) { c.Authenticator = auth.Nobody{} })
	for _, target := range []string{"/things", "/things/a/shadow", "/retainedMessage/a", "/endpoint"} {
		a := ask(t, s.Handler(), "GET", target, "")
		require.Equal(t, 401, a.status)
		require.Equal(t, "UnauthorizedException", a.body["__type"])
	}
	require.Equal(t, "Unauthorized", ask(t, s.Handler(), "POST", "/topics/a", "").body["message"], "the text of AWS")
	require.Empty(t, s.gateway.published)
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
	for _, r := range [][2]string{
		{"POST", "/topics/mine?retain=true"}, {"POST", "/topics/yours"}, {"DELETE", "/connections/x"}, {"GET", "/things/a/shadow"}, {"GET", "/retainedMessage"},
	} {
		a := ask(t, s.Handler(), r[0], r[1], "")
		require.Equal(t, 403, a.status, r)
		require.Equal(t, "ForbiddenException", a.body["__type"])
		require.Equal(t, "Forbidden", a.body["message"])
	}
	for _, r := range [][2]string{{"GET", "/things"}, {"POST", "/things/a"}, {"POST", "/thing-groups/g"}, {"PUT", "/fleet-metric/m"}} {
		a := ask(t, s.Handler(), r[0], r[1], "")
		require.Equal(t, 403, a.status, r)
		require.Equal(t, "UnauthorizedException", a.body["__type"])
		require.Contains(t, a.body["message"], "anonymous is not authorized to perform iot:")
	}
	require.Len(t, s.gateway.published, 1)
}

// outOfOrder is an Authenticator that cannot tell.
type outOfOrder struct{}

func (outOfOrder) Authenticate(context.Context, *auth.Credentials) (*auth.Identity, error) {
	return nil, errors.New("no database")
}

func TestAccess_AuthenticatorFails(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *api.Config) { c.Authenticator = outOfOrder{} })
	require.Equal(t, 503, ask(t, s.Handler(), "GET", "/things", "").status)
	require.Equal(t, 503, ask(t, s.Handler(), "GET", "/things/a/shadow", "").status)
	for _, r := range [][2]string{{"POST", "/topics/a"}, {"POST", "/thing-groups/a"}} { // which have no 503
		a := ask(t, s.Handler(), r[0], r[1], "")
		require.Equal(t, 500, a.status)
		require.Equal(t, "InternalFailureException", a.body["__type"])
	}
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
		c.AllowedOrigins, c.Authenticator = []string{"https://app.test"}, auth.Nobody{}
	})
	a := ask(t, s.DataPlane(), "OPTIONS", "/things/a/shadow", "", "Origin", "https://app.test")
	require.Equal(t, 204, a.status, "a browser asks without a signature")
	require.Equal(t, "https://app.test", a.header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, a.header.Get("Access-Control-Allow-Headers"), "x-amz-security-token")
	require.Equal(t, "https://app.test", ask(t, s.DataPlane(), "GET", "/things/a/shadow", "", "Origin", "https://app.test").header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, ask(t, s.DataPlane(), "OPTIONS", "/things/a/shadow", "", "Origin", "https://evil.test").header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, ask(t, s.ControlPlane(), "GET", "/things", "", "Origin", "https://app.test").header.Get("Access-Control-Allow-Origin"))
}

// kindOf is an authenticator that lets in everybody as one of a kind.
type kindOf auth.Kind

func (k kindOf) Authenticate(context.Context, *auth.Credentials) (*auth.Identity, error) {
	return &auth.Identity{Principal: "somebody", Kind: auth.Kind(k)}, nil
}

// What a web page makes a browser send is not what its user wants.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	for kind, signs := range map[auth.Kind]bool{auth.Other: false, auth.User: false, auth.Certificate: false, auth.Custom: false, auth.IAM: true, auth.Authenticated: true, auth.Guest: true} {
		s := newStage(t, func(c *api.Config) {
			c.AllowedOrigins, c.Authenticator = []string{"https://app.test"}, kindOf(kind)
		})
		anybody := newStage(t, func(c *api.Config) { c.AllowedOrigins, c.Authenticator = []string{"*"}, kindOf(kind) })
		for _, c := range []struct {
			name    string
			headers []string
			want    bool
		}{
			{"a program", nil, true},
			{"a page of the hub", []string{"Origin", "http://hub.test"}, true},
			{"the same, by a proxy", []string{"Origin", "https://other.test", "Sec-Fetch-Site", "same-origin"}, true},
			{"a page that is allowed", []string{"Origin", "https://app.test", "Sec-Fetch-Site", "cross-site"}, true},
			{"a page of others", []string{"Origin", "https://evil.test"}, false},
			{"a page of others, in a new browser", []string{"Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site"}, false},
			{"a page of a sibling", []string{"Sec-Fetch-Site", "same-site"}, false},
			{"a page from nowhere", []string{"Origin", "null"}, false},
		} {
			for path, h := range map[string]http.Handler{"/topics/a": s.DataPlane(), "/things/made": s.ControlPlane()} {
				a := ask(t, h, "POST", path, "{}", c.headers...)
				require.Equal(t, c.want || signs, a.status == 200, "%s %s %s: %s", kind, c.name, path, a.text)
				if !c.want && !signs {
					require.Equal(t, 403, a.status)
				}
				require.Equal(t, 200, ask(t, s.Handler(), "GET", "/things", "", c.headers...).status, "reading changes nothing")
			}
			require.Equal(t, 200, ask(t, anybody.DataPlane(), "POST", "/topics/a", "{}", c.headers...).status)
		}
	}
}
