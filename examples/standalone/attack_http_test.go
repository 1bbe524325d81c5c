package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAttackDataPlane: HTTP is no way around policies, whatever is done to a path.
func TestAttackDataPlane(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	root := h.user(t, hello{user: "root", id: "root"})
	for _, f := range []string{"#", "$aws/things/#", "$aws/rules/#", "$aws/certificates/#"} {
		require.Equal(t, 1, root.subscribe(f))
	}
	bob := func(path string) call { return call{path: path, user: "bob", password: "bob-pw"} }
	data := func(path string) call { return call{path: path, key: dataKey} }
	admin := func(path string) call { return call{path: path, key: adminKey} }
	for _, c := range []struct {
		name string
		call call
		want []int
		says string // the topic of what comes of it, if anything may
	}{
		{"with a policy", bob("/topics/open/x?qos=1"), []int{200}, "open/x"},
		{"signed, with a policy", data("/topics/open/x?qos=1"), []int{200}, "open/x"},
		{"nobody", call{path: "/topics/open/x"}, []int{401}, ""},
		{"wrong password", call{path: "/topics/open/x", user: "bob", password: "alice-pw"}, []int{401}, ""},
		{"no password", call{path: "/topics/open/x", user: "bob"}, []int{401}, ""},
		{"unknown user", call{path: "/topics/open/x", user: "mallory", password: "x"}, []int{401}, ""},
		{"no policy", call{path: "/topics/open/x", user: "nix", password: "nix-pw"}, []int{403}, ""},
		{"a policy with the thing's name", call{path: "/topics/dt/pump-2/x", user: "alice", password: "alice-pw"}, []int{403}, ""},
		{"a policy with the client's name", call{path: "/topics/id//x", user: "carol", password: "carol-pw"}, []int{403}, ""},
		{"client id as a parameter", call{path: "/topics/dt/pump-2/x?clientId=pump-2", user: "alice", password: "alice-pw"}, []int{403}, ""},
		{"another topic", bob("/topics/closed/x"), []int{403}, ""},
		{"a topic that is denied", bob("/topics/open/readonly/x"), []int{403}, ""},
		{"escaped slash", bob("/topics/open%2Freadonly%2Fx"), []int{403}, ""},
		{"escaped letters", bob("/topics/%6Fpen/%72eadonly/x"), []int{403}, ""},
		{"escaped twice", bob("/topics/open%252Freadonly%252Fx?qos=1"), []int{403}, ""},
		{"dots", bob("/topics/open/../closed/x?qos=1"), []int{200}, "open/../closed/x"},
		{"escaped dots", bob("/topics/open/%2e%2e/closed/x?qos=1"), []int{200}, "open/../closed/x"},
		{"dots out of the operation", bob("/topics/../things/pump-1/shadow"), []int{403}, ""},
		{"dots to a topic that is denied", bob("/topics/x/../open/readonly/x"), []int{403}, ""},
		{"two slashes", bob("/topics//open/x"), []int{403}, ""},
		{"two slashes within", bob("/topics/open//readonly/x?qos=1"), []int{200}, "open//readonly/x"},
		{"no topic", bob("/topics/"), []int{400, 403, 404}, ""},
		{"no topic, no slash", bob("/topics"), []int{400, 403, 404}, ""},
		{"NUL", bob("/topics/open/%00"), []int{400}, ""},
		{"NUL and more", bob("/topics/open/x%00/../readonly"), []int{400}, ""},
		{"no UTF-8", bob("/topics/open/%ff"), []int{400}, ""},
		{"plus", bob("/topics/open/+"), []int{400}, ""},
		{"hash", bob("/topics/open/%23"), []int{400}, ""},
		{"bad escape", call{path: "/topics/open/x?qos=%zz", user: "bob", password: "bob-pw"}, []int{400}, ""},
		{"long topic", bob("/topics/open/" + strings.Repeat("x", 300)), []int{400}, ""},
		{"another case of the operation", bob("/Topics/open/x"), []int{404}, ""},
		{"matrix parameter", bob("/topics/open/x;a=b?qos=1"), []int{200}, "open/x;a=b"},
		{"retained without the right", bob("/topics/open/x?retain=true&qos=1"), []int{403}, ""},
		{"retained in another case", bob("/topics/open/x?retain=TRUE&qos=1"), []int{403}, ""},
		{"retained twice", bob("/topics/open/x?retain=false&retain=true&qos=1"), []int{200}, "open/x"},
		{"retained where it may", bob("/topics/open/kept/x?retain=true&qos=1"), []int{200}, "open/kept/x"},
		{"QoS 2", bob("/topics/open/x?qos=2"), []int{400}, ""},
		{"the hub's answers", admin("/topics/$aws/things/pump-1/shadow/update/accepted"), []int{400, 403}, ""},
		{"the hub's events", admin("/topics/$aws/events/presence/connected/pump-1"), []int{400, 403}, ""},
		{"the hub's events, escaped", admin("/topics/%24aws%2Fevents%2Fpresence%2Fconnected%2Fpump-1"), []int{400, 403}, ""},
		{"shadow request, retained", admin("/topics/$aws/things/pump-1/shadow/update?retain=true"), []int{400, 403}, ""},
		{"provisioning", admin("/topics/$aws/certificates/create/json"), []int{400, 403}, ""},
		{"$SYS", admin("/topics/$SYS/x"), []int{400, 403}, ""},
		{"another topic with $", admin("/topics/$share/g/x"), []int{400, 403}, ""},
		{"GET for POST", call{method: "GET", path: "/topics/open/x", user: "bob", password: "bob-pw"}, []int{405}, ""},
		{"method override", call{method: "GET", path: "/topics/open/x", user: "bob", password: "bob-pw", header: http.Header{"X-Http-Method-Override": {"POST"}}}, []int{405}, ""},
		{"path override", call{path: "/topics/closed/x", user: "bob", password: "bob-pw", header: http.Header{"X-Original-Url": {"/topics/open/x"}, "X-Rewrite-Url": {"/topics/open/x"}}}, []int{403}, ""},
		{"identity in a header", call{path: "/topics/closed/x", user: "bob", password: "bob-pw", header: http.Header{"X-Forwarded-User": {"root"}, "X-Amzn-Principal": {"root"}, "X-Forwarded-Client-Cert": {"x"}}}, []int{403}, ""},
		{"page of the hub", call{path: "/topics/open/x?qos=1", user: "bob", password: "bob-pw", header: http.Header{"Origin": {"http://" + h.addr["http"]}}}, []int{200}, "open/x"},
		{"page of somebody else", call{path: "/topics/open/x", user: "bob", password: "bob-pw", header: http.Header{"Origin": {"https://evil.test"}}}, []int{403}, ""},
		{"page of somebody else, in a new browser", call{path: "/topics/open/x", user: "bob", password: "bob-pw", header: http.Header{"Sec-Fetch-Site": {"cross-site"}}}, []int{403}, ""},
		{"page of somebody else, with the certificate of its user", call{secure: true, path: "/topics/open/x", client: h.web(t, h.certs["device"]), header: http.Header{"Origin": {"https://evil.test"}}}, []int{403}, ""},
		{"page from nowhere", call{path: "/topics/open/x", user: "bob", password: "bob-pw", header: http.Header{"Origin": {"null"}}}, []int{403}, ""},
		{"response topic with a wildcard", bob("/topics/open/x?responseTopic=closed/%23"), []int{400}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.call.method == "" {
				c.call.body = c.name
			}
			got := h.do(t, c.call)
			require.Contains(t, c.want, got.status, got.body)
			require.NotContains(t, got.body, "goroutine")
			require.Zero(t, root.publish("sync", "end of "+c.name, false))
			all := withoutEvents(root.await("end of "+c.name), "")
			if c.says == "" {
				require.Empty(t, all)
			} else {
				require.Equal(t, []message{{topic: c.says, payload: c.name}}, all)
			}
		})
	}

	// Shadows and retained messages.
	update := func(path, state string) {
		t.Helper()
		a := h.do(t, call{method: "POST", path: path, body: `{"state":{"reported":{"is":"` + state + `"}}}`, key: adminKey})
		require.Equal(t, 200, a.status, a.body)
	}
	for path, state := range map[string]string{
		"/things/pump-1/shadow": "classic", "/things/pump-1/shadow?name=public": "public", "/things/pump-1/shadow?name=secret": "secret", "/things/pump-3/shadow": "another's",
	} {
		update(path, state)
	}
	require.Equal(t, 200, h.do(t, call{path: "/topics/closed/kept?retain=true", body: "top secret", key: adminKey}).status)
	for _, c := range []struct {
		name string
		call call
		want []int
		has  string
	}{
		{"own", data("/things/pump-1/shadow"), []int{200}, "classic"},
		{"own, named", data("/things/pump-1/shadow?name=public"), []int{200}, "public"},
		{"own, with a name that is not granted", data("/things/pump-1/shadow?name=secret"), []int{403}, ""},
		{"two names", data("/things/pump-1/shadow?name=public&name=secret"), []int{200}, "public"},
		{"two names, the other way", data("/things/pump-1/shadow?name=secret&name=public"), []int{403}, ""},
		{"no name", data("/things/pump-1/shadow?name="), []int{400}, ""},
		{"name in another case", data("/things/pump-1/shadow?Name=secret"), []int{200}, "classic"},
		{"a name behind a slash", data("/things/pump-1%2Fpublic/shadow"), []int{400}, ""},
		{"a name that is not granted behind a slash", data("/things/pump-1%2Fsecret/shadow"), []int{403}, ""},
		{"a semicolon", data("/things/pump-1/shadow?name=public;name=secret"), []int{400, 401}, ""},
		{"another's", data("/things/pump-3/shadow"), []int{403}, ""},
		{"another's, by dots", data("/things/pump-1/../pump-3/shadow"), []int{404}, ""},
		{"another's, by escaped dots", data("/things/pump-1%2F..%2Fpump-3/shadow"), []int{403}, ""},
		{"wildcard", data("/things/*/shadow"), []int{403}, ""},
		{"in another case", data("/things/PUMP-1/shadow"), []int{403}, ""},
		{"NUL", data("/things/pump-1%00/shadow"), []int{403}, ""},
		{"delete without the right", call{method: "DELETE", path: "/things/pump-1/shadow", key: dataKey}, []int{403}, ""},
		{"delete by override", call{method: "POST", path: "/things/pump-1/shadow?_method=DELETE", body: "{}", key: dataKey, header: http.Header{"X-Http-Method-Override": {"DELETE"}}}, []int{400}, ""},
		{"names without the right", data("/api/things/shadow/ListNamedShadowsForThing/pump-1"), []int{403}, ""},
		{"of a user with topics only", call{path: "/things/pump-2/shadow", user: "alice", password: "alice-pw"}, []int{403}, ""},
		{"of a device with topics only", call{secure: true, path: "/things/pump-1/shadow", client: h.web(t, h.certs["device"])}, []int{403}, ""},
		{"of nobody", call{path: "/things/pump-1/shadow"}, []int{401}, ""},
		{"retained", data("/retainedMessage/closed/kept"), []int{403}, ""},
		{"retained, escaped", data("/retainedMessage/closed%2Fkept"), []int{403}, ""},
		{"retained, by dots", data("/retainedMessage/open/../closed/kept"), []int{404}, ""},
		{"retained, as a filter", data("/retainedMessage/%23"), []int{403}, ""},
		{"retained, as a filter that is granted", data("/retainedMessage/open/%23"), []int{400}, ""},
		{"all retained", data("/retainedMessage"), []int{403}, ""},
		{"retained, of nobody", call{path: "/retainedMessage/closed/kept"}, []int{401}, ""},
		{"disconnect another", call{method: "DELETE", path: "/connections/root", key: dataKey}, []int{403}, ""},
		{"disconnect another, as a user", call{method: "DELETE", path: "/connections/root", user: "bob", password: "bob-pw"}, []int{403}, ""},
		{"credentials of a role", call{secure: true, path: "/role-aliases/admin/credentials", client: h.web(t, h.certs["device"])}, []int{403}, ""},
	} {
		t.Run("read "+c.name, func(t *testing.T) {
			got := h.do(t, c.call)
			require.Contains(t, c.want, got.status, got.body)
			if c.has != "" {
				require.Contains(t, got.body, c.has)
				return
			}
			for _, secret := range []string{"secret", "another's", "classic", "top secret", "dG9w"} {
				require.NotContains(t, strings.ReplaceAll(got.body, c.call.path, ""), `"`+secret)
			}
		})
	}
	require.NotContains(t, h.p.Stderr(), "panic")
}

// TestAttackControlPlane: it takes an access key with a policy, and a signature of just
// this request, made just now.
func TestAttackControlPlane(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	paths := []call{
		{path: "/things/pump-1"},
		{path: "/things"},
		{path: "/policies"},
		{path: "/policies/all"},
		{path: "/certificates"},
		{path: "/cacertificates"},
		{path: "/rules"},
		{path: "/role-aliases"},
		{path: "/authorizers"},
		{path: "/provisioning-templates"},
		{path: "/thing-groups"},
		{path: "/endpoint"},
		{path: "/registrationcode"},
		{path: "/certificates/" + idOf(h.certs["device"])},
		{path: "/principal-policies", header: http.Header{"X-Amzn-Iot-Principal": {scope + "user/bob"}}},
		{method: "POST", path: "/policies/evil", body: `{"policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}"}`},
		{method: "PUT", path: "/target-policies/all", body: `{"target":"` + scope + `user/bob"}`},
		{method: "POST", path: "/keys-and-certificate?setAsActive=true"},
		{method: "POST", path: "/things/evil", body: "{}"},
		{method: "DELETE", path: "/things/pump-1"},
		{method: "POST", path: "/rules/evil", body: `{"sql":"SELECT * FROM '#'","actions":[]}`},
		{method: "POST", path: "/test-authorization", body: `{"principal":"` + scope + `user/bob","authInfos":[{"actionType":"CONNECT","resources":["*"]}]}`},
		{method: "POST", path: "/effective-policies", body: "{}"},
		{method: "PUT", path: "/things/pump-1/principals", header: http.Header{"X-Amzn-Principal": {scope + "user/bob"}}},
		{method: "PUT", path: "/certificates/" + idOf(h.certs["idle"]) + "?newStatus=ACTIVE"},
	}
	device := h.web(t, h.certs["device"])
	for _, c := range paths {
		name := strings.ReplaceAll(c.method+" "+c.path, "/", "|")
		for who, as := range map[string]struct {
			want int
			use  func(c call) call
		}{
			"nobody":            {401, func(c call) call { return c }},
			"root of MQTT":      {403, func(c call) call { c.user, c.password = "root", "root-pw"; return c }},
			"user":              {403, func(c call) call { c.user, c.password = "alice", "alice-pw"; return c }},
			"device":            {403, func(c call) call { c.secure, c.client = true, device; return c }},
			"key without right": {403, func(c call) call { c.key, c.service = nobodyKey, "iot"; return c }},
			"key of data":       {403, func(c call) call { c.key, c.service = dataKey, "iot"; return c }},
		} {
			t.Run(who+" "+name, func(t *testing.T) {
				got := h.do(t, as.use(c))
				require.Equal(t, as.want, got.status, got.body)
			})
		}
	}
	t.Run("a right is for what it names", func(t *testing.T) {
		read := func(path string) int { return h.do(t, call{path: path, key: readerKey, service: "iot"}).status }
		require.Equal(t, 200, read("/things/pump-1"))
		for _, path := range []string{"/things/pump-2", "/things/PUMP-1", "/things/pump-1%20", "/things/pump-1%2Fx", "/things", "/things/pump-1/principals", "/thing-groups/pumps"} {
			require.Equal(t, 403, read(path), path)
		}
		for _, path := range []string{"/things/pump-1/", "/things//pump-1", "/things/../things/pump-1"} {
			require.Equal(t, 404, read(path), path)
		}
	})
	t.Run("nothing came of it", func(t *testing.T) {
		for path, want := range map[string]int{"/things/evil": 404, "/policies/evil": 404, "/rules/evil": 401, "/things/pump-1": 200} {
			got := h.do(t, call{path: path, key: adminKey, service: "iot"})
			require.Equal(t, want, got.status, "%s: %s", path, got.body)
		}
	})
}
