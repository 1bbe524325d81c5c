package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/sigv4"
)

// A socket is a WebSocket that somebody wants.
type socket struct {
	path     string // "/mqtt" by default
	origin   string
	protocol []string
	header   http.Header
	secure   bool
	client   *http.Client
}

// upgrade returns the status of the upgrade, and a connection if it is 101.
func (h *target) upgrade(t *testing.T, s socket, o hello) (status, code int) {
	t.Helper()
	base := "ws://" + h.addr["http"]
	if s.secure {
		base = "wss://" + h.addr["https"]
	}
	if s.path == "" {
		s.path = "/mqtt"
	}
	header := s.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if s.origin != "" {
		header.Set("Origin", s.origin)
	}
	if s.protocol == nil {
		s.protocol = []string{"mqtt"}
	}
	if s.client == nil {
		s.client = h.web(t)
	}
	s.client.Timeout = 0
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	ws, r, err := websocket.Dial(ctx, base+s.path, &websocket.DialOptions{HTTPClient: s.client, HTTPHeader: header, Subprotocols: s.protocol}) //nolint:bodyclose // the library closes it
	if err != nil {
		require.NotNil(t, r, "%v", err)
		return r.StatusCode, refused
	}
	nc := websocket.NetConn(t.Context(), ws, websocket.MessageBinary)
	t.Cleanup(func() { _ = nc.Close() })
	_, code = connect(t, nc, o)
	return http.StatusSwitchingProtocols, code
}

func gatewayURL(t *testing.T, h *target, k sigv4.Signer, expires time.Duration) string {
	t.Helper()
	k.Region = "local"
	if k.Service == "" {
		k.Service = "iotdevicegateway"
	}
	u, err := k.Presign(http.MethodGet, "ws://"+h.addr["http"]+"/mqtt", expires)
	require.NoError(t, err)
	return strings.TrimPrefix(u, "ws://"+h.addr["http"])
}

// TestAttackWebSocket: who may upgrade, and who it is then.
func TestAttackWebSocket(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	alice, nobody, bob := hello{id: "pump-2", user: "alice", password: "alice-pw"}, hello{id: "app-1"}, hello{id: "b", user: "bob", password: "bob-pw"}
	key := func(change func(k *sigv4.Signer)) sigv4.Signer {
		k := appKey
		change(&k)
		return k
	}
	good := gatewayURL(t, h, appKey, time.Minute)
	header, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.addr["http"]+"/mqtt", http.NoBody)
	require.NoError(t, err)
	signed := appKey
	signed.Region, signed.Service = "local", "iotdevicegateway"
	require.NoError(t, signed.Sign(header, nil))
	basic := http.Header{"Authorization": {"Basic Ym9iOmJvYi1wdw=="}} // bob
	for _, c := range []struct {
		name         string
		s            socket
		o            hello
		status, code int
	}{
		{"program", socket{}, alice, 101, 0},
		{"page of the plant", socket{origin: "https://ui.plant.test"}, alice, 101, 0},
		{"page of the hub itself", socket{origin: "http://" + h.addr["http"]}, alice, 101, 0},
		{"page of the plant without encryption", socket{origin: "http://ui.plant.test"}, alice, 403, refused},
		{"page of somebody else", socket{origin: "https://evil.test"}, alice, 403, refused},
		{"page with a name that ends alike", socket{origin: "https://evilui.plant.test"}, alice, 403, refused},
		{"page with a name that begins alike", socket{origin: "https://ui.plant.test.evil.test"}, alice, 403, refused},
		{"page on another port", socket{origin: "https://ui.plant.test:8443"}, alice, 403, refused},
		{"page with a name in it", socket{origin: "https://ui.plant.test@evil.test"}, alice, 403, refused},
		{"page from nowhere", socket{origin: "null"}, alice, 403, refused},
		{"page from a file", socket{origin: "file://"}, alice, 403, refused},
		{"no subprotocol", socket{protocol: []string{}}, alice, 400, refused},
		{"another subprotocol", socket{protocol: []string{"chat"}}, alice, 400, refused},
		{"a subprotocol that contains it", socket{protocol: []string{"mqttx"}}, alice, 400, refused},
		{"another path", socket{path: "/mqtt/"}, alice, 404, refused},
		{"another case", socket{path: "/MQTT"}, alice, 404, refused},
		{"wrong password", socket{}, hello{id: "pump-2", user: "alice", password: "x"}, 101, 0x86},
		{"nobody", socket{}, nobody, 101, 0x87},
		{"nobody, with an id of a thing", socket{}, hello{id: "pump-1"}, 101, 0x87},
		{"HTTP Basic", socket{header: basic}, hello{id: "b"}, 101, 0},
		{"HTTP Basic of one, CONNECT of another", socket{header: basic}, hello{id: "pump-2", user: "alice", password: "alice-pw"}, 101, 0}, // the nearer one counts
		{"HTTP Basic, name of another in CONNECT", socket{header: basic}, hello{id: "root", user: "root", noPassword: true}, 101, 0x86},
		{"HTTP Basic, name of another with this password", socket{header: basic}, hello{id: "root", user: "root", password: "bob-pw"}, 101, 0x86},
		{"presigned", socket{path: good}, nobody, 101, 0},
		{"presigned, as a thing", socket{path: good}, hello{id: "pump-1"}, 101, 0x87},
		{"presigned, with the password of a user", socket{path: good}, bob, 101, 0x87}, // it is the key that counts
		{"presigned by a key without policy", socket{path: gatewayURL(t, h, nobodyKey, time.Minute)}, nobody, 101, 0x87},
		{"presigned by an unknown key", socket{path: gatewayURL(t, h, key(func(k *sigv4.Signer) { k.ID = "AKIAUNKNOWN" }), time.Minute)}, nobody, 101, 0x86},
		{"presigned with a wrong secret", socket{path: gatewayURL(t, h, key(func(k *sigv4.Signer) { k.Secret = "x" }), time.Minute)}, nobody, 101, 0x86},
		{"presigned with a session token", socket{path: gatewayURL(t, h, key(func(k *sigv4.Signer) { k.Token = "x" }), time.Minute)}, nobody, 101, 0x86},
		{"presigned and expired", socket{path: gatewayURL(t, h, key(func(k *sigv4.Signer) { k.Now = func() time.Time { return time.Now().Add(-2 * time.Minute) } }), time.Minute)}, nobody, 101, 0x86},
		{"presigned for longer than is allowed", socket{path: gatewayURL(t, h, appKey, 25*time.Hour)}, nobody, 101, 0x86},
		{"presigned for the control plane", socket{path: gatewayURL(t, h, key(func(k *sigv4.Signer) { k.Service = "iot" }), time.Minute)}, nobody, 101, 0x86},
		{"presigned for the data plane", socket{path: gatewayURL(t, h, key(func(k *sigv4.Signer) { k.Service = "iotdata" }), time.Minute)}, nobody, 101, 0x86},
		{"presigned, forged", socket{path: good[:len(good)-8] + "00000000"}, nobody, 101, 0x86},
		{"presigned, prolonged", socket{path: strings.Replace(good, "Expires=60", "Expires=6000", 1)}, nobody, 101, 0x86},
		{"presigned, key exchanged", socket{path: strings.Replace(good, "AKIAAPP", "AKIAADMIN", 1)}, nobody, 101, 0x86},
		{"presigned, beside a right password", socket{path: strings.Replace(good, "Expires=60", "Expires=61", 1)}, bob, 101, 0x86},
		{"presigned, from a page of somebody else", socket{path: good, origin: "https://evil.test"}, nobody, 403, refused},
		{"presigned, over the encrypted port", socket{path: good, secure: true}, nobody, 101, 0x86}, // the host is signed
		{"signed in the header", socket{header: header.Header}, nobody, 101, 0},
		{"two signatures", socket{path: good, header: header.Header}, nobody, 101, 0x86},
		{"certificate", socket{secure: true, client: h.web(t, h.certs["device"])}, hello{id: "pump-1"}, 101, 0},
		{"certificate, as another thing", socket{secure: true, client: h.web(t, h.certs["device"])}, hello{id: "pump-2", user: "alice", password: "alice-pw"}, 101, 0x87},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, code := h.upgrade(t, c.s, c.o)
			require.Equal(t, c.status, status)
			require.Equal(t, c.code, code)
		})
	}
	for _, secret := range []string{"app-secret", "X-Amz-Signature", "Ym9iOmJvYi1wdw", "bob-pw"} {
		require.NotContains(t, h.p.Stderr(), secret, "in the log")
	}
}

// TestAttackProvisioning: who may not provision does not, and what one has got is no use
// to another.
func TestAttackProvisioning(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	admin := func(method, path, body string) {
		t.Helper()
		a := h.do(t, call{method: method, path: path, body: body, key: adminKey, service: "iot"})
		require.Equal(t, 200, a.status, a.body)
	}
	template := `{"Parameters":{"Serial":{"Type":"String"}},"Resources":{` +
		`"thing":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Fn::Join":["",["made-",{"Ref":"Serial"}]]}}},` +
		`"certificate":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"Active"}},` +
		`"policy":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"own"}}}}`
	for _, name := range []string{"fleet", "other"} {
		text, err := json.Marshal(map[string]any{"templateName": name, "templateBody": template, "enabled": true, "provisioningRoleArn": "arn:aws:iam::123456789012:role/p"})
		require.NoError(t, err)
		admin(http.MethodPost, "/provisioning-templates", string(text))
	}
	root := h.user(t, hello{user: "root", id: "root"})
	for _, f := range []string{"$aws/certificates/#", "$aws/provisioning-templates/#", "sync"} {
		require.Equal(t, 1, root.subscribe(f))
	}
	ask := func(w *wire, topic, payload string) message {
		t.Helper()
		require.Zero(t, w.publish(topic, payload, false))
		for len(w.got) == 0 {
			_, err := w.next(0x30)
			require.NoError(t, err)
		}
		m := w.got[0]
		w.got = w.got[1:]
		return m
	}
	claim := func(user, id string) *wire {
		w := h.user(t, hello{user: user, id: id})
		require.Equal(t, 1, w.subscribe("$aws/certificates/create/#"))
		require.Equal(t, 1, w.subscribe("$aws/provisioning-templates/fleet/provision/#"))
		return w
	}
	first, second := claim("claimer", "claim-1"), claim("claimer2", "claim-2")
	var made struct {
		ID    string `json:"certificateId"`
		PEM   string `json:"certificatePem"`
		Key   string `json:"privateKey"`
		Token string `json:"certificateOwnershipToken"`
	}
	t.Run("the answer is for who asked", func(t *testing.T) {
		m := ask(first, "$aws/certificates/create/json", "")
		require.Equal(t, "$aws/certificates/create/json/accepted", m.topic, m.payload)
		require.NoError(t, json.Unmarshal([]byte(m.payload), &made))
		require.NotEmpty(t, made.Token)
		require.Zero(t, root.publish("sync", "made", false))
		require.Empty(t, root.await("made"), "not for root, who has subscribed to everything")
		require.Zero(t, first.publish("$aws/certificates/create/json", "", false))
		require.Empty(t, second.got)
	})
	request := func(token, serial string) string {
		return `{"certificateOwnershipToken":"` + token + `","parameters":{"Serial":"` + serial + `"}}`
	}
	for name, c := range map[string]struct {
		w     *wire
		topic string
		body  string
	}{
		"token of another":          {second, "$aws/provisioning-templates/fleet/provision/json", request(made.Token, "1")},
		"token of another, in root": {root, "$aws/provisioning-templates/fleet/provision/json", request(made.Token, "1")},
		"no token":                  {second, "$aws/provisioning-templates/fleet/provision/json", request("", "1")},
		"made up token":             {second, "$aws/provisioning-templates/fleet/provision/json", request(strings.Repeat("A", len(made.Token)), "1")},
		"token changed":             {second, "$aws/provisioning-templates/fleet/provision/json", request(made.Token[:len(made.Token)-1]+"A", "1")},
		"no JSON":                   {second, "$aws/provisioning-templates/fleet/provision/json", "{"},
	} {
		t.Run(name, func(t *testing.T) {
			c.w.got = nil
			m := ask(c.w, c.topic, c.body)
			require.True(t, strings.HasSuffix(m.topic, "/rejected"), "%v", m)
		})
	}
	for topic, w := range map[string]*wire{
		"$aws/provisioning-templates/other/provision/json":          first, // which its policy does not have
		"$aws/certificates/create-from-csr/json":                    first,
		"$aws/provisioning-templates/fleet/provision/json/accepted": first, // which is the hub's to say
		"$aws/certificates/create/json/accepted":                    root,
	} {
		t.Run("publish to "+strings.ReplaceAll(topic, "/", "|"), func(t *testing.T) {
			require.Equal(t, 0x87, w.publish(topic, request(made.Token, "1"), false))
		})
	}
	t.Run("without a policy for it", func(t *testing.T) {
		w := h.user(t, hello{user: "bob", id: "bob"})
		require.Equal(t, 0x87, w.publish("$aws/certificates/create/json", "", false))
		require.Equal(t, 0x87, w.publish("$aws/provisioning-templates/fleet/provision/json", request(made.Token, "1"), false))
	})
	t.Run("the certificate lets nobody in yet", func(t *testing.T) {
		a := h.do(t, call{path: "/certificates/" + made.ID, key: adminKey, service: "iot"})
		require.Contains(t, a.body, "PENDING_ACTIVATION")
		_, code := h.enter(t, h.trust(pair(t, made.PEM, made.Key)), hello{id: "made-1"})
		require.Equal(t, refused, code)
	})
	t.Run("a token is good once", func(t *testing.T) {
		_, _ = first.next(0x30)
		first.got = nil
		m := ask(first, "$aws/provisioning-templates/fleet/provision/json", request(made.Token, "1"))
		require.True(t, strings.HasSuffix(m.topic, "/accepted"), "%v", m)
		m = ask(first, "$aws/provisioning-templates/fleet/provision/json", request(made.Token, "2"))
		require.True(t, strings.HasSuffix(m.topic, "/rejected"), "%v", m)
		w, code := h.enter(t, h.trust(pair(t, made.PEM, made.Key)), hello{id: "made-1"})
		require.Zero(t, code)
		w.bye()
		_, code = h.enter(t, h.trust(pair(t, made.PEM, made.Key)), hello{id: "made-2"})
		require.Equal(t, 0x87, code)
	})
	for _, secret := range []string{made.Token, "PRIVATE KEY"} {
		require.NotContains(t, h.p.Stderr(), secret, "in the log")
	}
}
