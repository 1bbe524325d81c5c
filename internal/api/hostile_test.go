package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/registry"
	"github.com/thinghub/thinghub/rules"
	"github.com/thinghub/thinghub/shadow"
)

// A body that is not exactly what it seems to be is refused, and changes nothing.
func TestBodies(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *api.Config) { c.MaxBody = 1 << 16 })
	for body, want := range map[string]string{
		`{"thingTypeName": 1}`:                      "thingTypeName is a number, expected a string",
		`{"attributePayload": {"attributes": [1]}}`: "attributePayload.attributes is an array, expected an object",
		`{"attributePayload": {"merge": "true"}}`:   "attributePayload.merge is a string, expected true or false",
		`{"attributePayload"`:                       "the body is not JSON",
		`{} x`:                                      "the body is not JSON",
		`{"a":}`:                                    "the body is not JSON",
		`{"attributePayload": true}`:                "attributePayload is true or false, expected an object",
		`[]`:                                        "the body is an array, expected an object",
		`"x"`:                                       "the body is a string, expected an object",
		"{\"thingTypeName\":\"\xff\"}":              "the body is not UTF-8",
		"{\"unknown\":\"\xff\"}":                    "the body is not UTF-8",
		`{"thingTypeName":"a","thingTypeName":"a"}`:                  "thingTypeName is there twice",
		`{"unknown":{"a":[{"b":1,"b":2}]}}`:                          "unknown.a.b is there twice",
		`{"attributePayload":{"attributes":{"a":"1","a":"2"}}}`:      "attributePayload.attributes.a is there twice",
		`{"attributePayload":{"attributes":{"a":"1","\u0061":"2"}}}`: "attributePayload.attributes.a is there twice",
		`{"THINGTYPENAME":"a"}`:                                      "THINGTYPENAME is not known, expected the name thingTypeName in this case of letters",
		`{"attributepayload":{}}`:                                    "attributepayload is not known",
		`{"attributePayload":{"Merge":true}}`:                        "attributePayload.Merge is not known",
		`"` + strings.Repeat("x", 1<<16) + `"`:                       "exceeds the maximum size",
		strings.Repeat(`{"a":`, 10100) + strings.Repeat("}", 10100):  "exceeded max depth",
	} {
		a := ask(t, s.ControlPlane(), "POST", "/things/a", body)
		require.Contains(t, a.body["message"], want)
		require.Equal(t, "InvalidRequestException", a.body["__type"])
		require.Equal(t, 404, ask(t, s.ControlPlane(), "GET", "/things/a", "").status, "nothing was created")
	}
	for i, body := range []string{
		"", "{}", "null", " \n", `{"unknown": {"a": [{"b": 1e400, "c": 1}, {"b": null}]}}`, `{"thingTypeName":null,"attributePayload":null}`,
		`{"attributePayload":{"attributes":{"a":"1","A":"2"}}}`, // names of attributes are the caller's
		`{"deep":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
	} {
		a := ask(t, s.ControlPlane(), "POST", fmt.Sprint("/things/ok", i), body)
		require.Equal(t, 200, a.status, a.text)
	}
	require.Equal(t, 400, ask(t, s.ControlPlane(), "PATCH", "/event-configurations", `{"eventConfigurations":{"THING":{"enabled":true}}}`).status, "it is Enabled")
	require.Equal(t, 400, ask(t, s.ControlPlane(), "POST", "/thing-types/t", `{"tags":[{"key":"a"}]}`).status)
}

// What cannot be read in a query is not taken for absent: a shadow with a name that
// was meant would be the classic one.
func TestQueries(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	require.Equal(t, 200, ask(t, s.Handler(), "POST", "/things/a/shadow", `{"state":{"desired":{"a":1}}}`).status)
	for _, query := range []string{"name=%zz", "name=a;b", "x=%", ";", "name", "name="} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			r := httptest.NewRequest(method, "http://hub.test/things/a/shadow", strings.NewReader(`{"state":{"desired":{"a":2}}}`))
			r.URL.RawQuery = query
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			require.Equal(t, 400, w.Code, "%s %s: %s", method, query, w.Body)
		}
	}
	a := ask(t, s.Handler(), "GET", "/things/a/shadow", "")
	require.EqualValues(t, 1, a.body["version"])
	r := httptest.NewRequest("GET", "http://hub.test/things", nil)
	r.URL.RawQuery = "maxResults=%zz"
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	require.Equal(t, 400, w.Code)
}

// state is everything that requests can change in a stage, as text.
func (s stage) state(t testing.TB) string {
	ctx := context.Background()
	var b strings.Builder
	for k, err := range s.shadows.All(ctx) {
		require.NoError(t, err)
		v, err := s.shadows.Get(ctx, k, shadow.Requester{})
		require.NoError(t, err)
		document, err := v.Document.AppendJSON(nil, nil)
		require.NoError(t, err)
		fmt.Fprintln(&b, k, string(document))
	}
	list := func(name string, record any, err error) {
		require.NoError(t, err)
		fmt.Fprintf(&b, "%s %+v\n", name, record)
	}
	for v, err := range s.store.Things().List(ctx, "") {
		list("thing", v, err)
	}
	for v, err := range s.store.Types().List(ctx, "") {
		list("type", v, err)
	}
	for v, err := range s.store.Groups().List(ctx, "") {
		list("group", v, err)
	}
	for v, err := range s.store.BillingGroups().List(ctx, "") {
		list("billing group", v, err)
	}
	for v, err := range s.store.FleetMetrics().List(ctx, "") {
		list("metric", v, err)
	}
	for v, err := range s.store.Tags().List(ctx, "") {
		list("tags", v, err)
	}
	for v, err := range s.store.Settings().List(ctx, "") {
		list("setting", v, err)
	}
	for v, err := range s.store.Things().List(ctx, "") {
		require.NoError(t, err)
		for _, kind := range []registry.LinkKind{registry.LinkGroup, registry.LinkBillingGroup, registry.LinkPrincipal, registry.LinkType} {
			for l, err := range s.store.Links().Of(ctx, kind, v.Name, "") {
				list("link", l, err)
			}
		}
	}
	for r, err := range s.directory.Scan(ctx, "", "") {
		list("record "+r.Key, string(r.Value), err)
	}
	if s.rules != nil {
		for r, err := range s.rules.List(ctx) {
			require.NoError(t, err)
			text, _, err := s.rules.EncodeRule(r)
			list("rule "+r.Name, string(text), err)
		}
		for d, err := range s.rules.Destinations(ctx) {
			list("destination", d, err)
		}
	}
	lines := strings.Split(b.String(), "\n") // shadows come in no order
	slices.Sort(lines)
	return strings.Join(lines, "\n") + fmt.Sprint(len(s.gateway.published), s.gateway.disconnected)
}

// FuzzRequests sends anything anywhere: nothing panics, every answer is JSON with a
// request id and of the operation's model, and what is refused changes nothing.
func FuzzRequests(f *testing.F) {
	for _, seed := range [][4]string{
		{"POST", "/topics/a%2Fb?qos=1", "x", "X-Amz-Mqtt5-User-Properties"},
		{"POST", "/topics/a//b/../c%00%0d%0aX-Y:z", "", "X-Amz-Mqtt5-Correlation-Data"},
		{"POST", "/topics/$aws%2Fthings%2Fa%2Fshadow%2Fupdate", "{}", ""},
		{"GET", "/things/a/shadow?name=b", "", ""},
		{"DELETE", "/things/a/shadow?name=%zz", "", ""},
		{"POST", "/things/a/shadow", `{"state":{"desired":{"a":null}}}`, ""},
		{"POST", "/things/a/shadow?name=$package", `{"state":{"desired":{"a":1,"a":2}}}`, ""},
		{"POST", "/things/b", `{"attributePayload":{"attributes":{"a":"b"}}}`, ""},
		{"PATCH", "/things/a", `{"expectedVersion":1}`, ""},
		{"PATCH", "/things/a", `{"attributePayload":{"attributes":{"a":"1"}},"attributePayload":{}}`, ""},
		{"DELETE", "/things/a%2F..%2Fb?expectedVersion=9223372036854775808", "", ""},
		{"GET", "/things?maxResults=1&nextToken=x", "", ""},
		{"PUT", "/things/a/principals?thingPrincipalType=EXCLUSIVE_THING", "", "X-Amzn-Principal"},
		{"POST", "/indices/search", `{"queryString":"a:b"}`, ""},
		{"POST", "/indices/buckets", `{"queryString":"*","aggregationField":"thingName","bucketsAggregationType":{"termsAggregation":{"maxBuckets":-1}}}`, ""},
		{"PUT", "/thing-groups/addThingToThingGroup", `{"thingName":"a","thingGroupName":"g"}`, ""},
		{"POST", "/indexing/config", `{"thingIndexingConfiguration":{"thingIndexingMode":"REGISTRY"}}`, ""},
		{"PUT", "/fleet-metric/..", `{"queryString":"*","aggregationType":{"name":"Percentiles","values":["p99"]},"period":60,"aggregationField":"registry.version"}`, ""},
		{"POST", "/tags", `{"resourceArn":"arn:aws:iot:local:000000000000:thing/a","tags":[{"Key":"k"}]}`, ""},
		{"PATCH", "/event-configurations", `{"eventConfigurations":{"THING":{"Enabled":true}}}`, ""},
		{"GET", "/retainedMessage/%zz", "", ""},
		{"GET", "/things/a/jobs?X-Amz-Credential=////", "", "Authorization"},
		{"DELETE", "/connections/%2F", "", ""},
		{"POST", "/rules/r", `{"sql":"SELECT * FROM 'a'","actions":[{"republish":{"topic":"b","headers":{"userProperties":[{"key":"k","value":"${v}"}]}}}]}`, ""},
		{"PATCH", "/rules/r", `{"sql":"SELECT a AS b.c FROM '#' WHERE x IN [1]","actions":[{"http":{"url":"https://a.test/${b}","confirmationUrl":"https://a.test"}}],"errorAction":null}`, "X-Amz-Tagging"},
		{"POST", "/rules/r", `{"actions":[],"expr":{"filter":"a","where":"payload.x > 1"},"delivery":{"queue":1}}`, "X-Amz-Tagging"},
		{"POST", "/rules/s", `{"sql":"SELECT * FROM 'a'","actions":[{"http":{"url":"https://a.test"}}]}`, "X-Amz-Tagging"},
		{"GET", "/rules?topic=a/b&ruleDisabled=TRUE&nextToken=cg", "", ""},
		{"POST", "/rules/r/disable", "", ""},
		{"POST", "/rules/-/test", `{"sql":"SELECT get_thing_shadow('a','r') AS a FROM 'a'","sqlVersion":"2016-03-23","topic":"a","payload":"{}","context":{"shadows":{"a":{}},"mqtt":{"userProperties":[["k","v"]]}}}`, ""},
		{"POST", "/rules/-/test", `{"template":"${topic(2)}","topic":"$aws/rules/r/a","payloadBase64":"e30="}`, ""},
		{"POST", "/destinations", `{"destinationConfiguration":{"httpUrlConfiguration":{"confirmationUrl":"https://a.test/in"}}}`, ""},
		{"PATCH", "/destinations", `{"arn":"a","status":"ENABLED"}`, ""},
		{"GET", "/confirmdestination/a%2Fb", "", ""},
		{"POST", "/keys-and-certificate?setAsActive=true", "", ""},
		{"POST", "/certificates", `{"certificateSigningRequest":"-----BEGIN CERTIFICATE REQUEST-----"}`, ""},
		{"POST", "/certificate/register?setAsActive=1", `{"certificatePem":"-----BEGIN CERTIFICATE-----","status":"PENDING_ACTIVATION"}`, ""},
		{"POST", "/cacertificate?allowAutoRegistration=true", `{"caCertificate":"x","certificateMode":"SNI_ONLY","registrationConfig":{},"tags":[{"Key":"a"}]}`, ""},
		{"PUT", "/cacertificate/" + strings.Repeat("0", 64) + "?newStatus=ACTIVE", `{"removeAutoRegistration":true}`, ""},
		{"PATCH", "/transfer-certificate/0x?targetAwsAccount=123456789012", `{"transferMessage":"m"}`, ""},
		{"GET", "/certificates?pageSize=1&isAscendingOrder=true&marker=AAAA", "", ""},
		{"POST", "/role-aliases/a", `{"roleArn":"arn:aws:iam::000000000000:role/r","credentialDurationSeconds":9223372036854775807}`, ""},
		{"GET", "/role-aliases?marker=YQ", "", ""},
		{"GET", "/role-aliases/a/credentials", "", "X-Amzn-Iot-Thingname"},
		{"POST", "/authorizer/a", `{"authorizerFunctionArn":"door","signingDisabled":true,"status":"ACTIVE","tokenSigningPublicKeys":{"a":"b"}}`, ""},
		{"POST", "/authorizer/a/test", `{"mqttContext":{"password":"cA=="},"httpContext":{"headers":{}},"tlsContext":{}}`, ""},
		{"GET", "/authorizers/?status=ACTIVE&marker=YQ", "", ""},
		{"POST", "/default-authorizer", `{"authorizerName":"a"}`, ""},
		{"POST", "/provisioning-templates", `{"templateName":"t","templateBody":"{\"Resources\":{}}","preProvisioningHook":{"targetArn":"hook"}}`, ""},
		{"DELETE", "/provisioning-templates/t/versions/0x1", "", ""},
		{"POST", "/things", `{"templateBody":"{\"Resources\":{\"t\":{\"Type\":\"AWS::IoT::Thing\",\"Properties\":{\"ThingName\":\"a\"}}}}","parameters":{}}`, ""},
		{"CONNECT", "/things", "", ""},
		{"OPTIONS", "*", "", "Origin"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], "eyJhIjoiYiJ9")
	}
	kept, err := rules.New(rules.Config{Publisher: nowhere{}})
	require.NoError(f, err)
	s := newStage(f, func(c *api.Config) { c.AllowedOrigins, c.Rules = []string{"*"}, kept })
	s.rules = kept
	require.Equal(f, 200, ask(f, s.Handler(), "POST", "/things/a", "").status)
	require.Equal(f, 200, ask(f, s.Handler(), "POST", "/thing-groups/g", "").status)
	f.Fuzz(func(t *testing.T, method, target, body, header, value string) {
		r, err := http.NewRequest(method, "http://hub.test/", strings.NewReader(body))
		if err != nil {
			return
		}
		u, err := r.URL.Parse(target)
		if err != nil || u.Host != "hub.test" {
			return
		}
		r.URL = u
		if header != "" && !strings.ContainsAny(header, " :\r\n\x00") {
			r.Header.Set(header, value)
		}
		before := s.state(t)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		text, err := io.ReadAll(w.Result().Body)
		require.NoError(t, err)
		require.NotEmpty(t, w.Header().Get("X-Amzn-Requestid"))
		if w.Code == http.StatusNoContent {
			return
		}
		a := answer{status: w.Code, header: w.Header(), text: string(text)}
		require.NoError(t, json.Unmarshal(text, &a.body), "%s", text)
		require.NotContains(t, []int{301, 302, 303, 307, 308}, w.Code)
		require.NotEqual(t, http.StatusInternalServerError, w.Code)
		if method != http.MethodHead {
			conforms(t, method, u.EscapedPath(), a)
		}
		if w.Code >= 400 {
			require.Equal(t, before, s.state(t), "it was refused: %s", text)
		}
	})
}
