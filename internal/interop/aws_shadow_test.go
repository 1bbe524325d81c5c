package interop_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/shadow"
)

// shadowKinds are the shadow clients of the AWS IoT device SDKs for JavaScript.
var shadowKinds = []string{"v2 5", "v2 3.1.1", "v2 topics 5", "v2 topics 3.1.1", "v1"}

// A shadowDevice is such a client, on a connection with the certificate of pump-1.
type shadowDevice struct{ *jsClient }

func openShadowDevice(t *testing.T, addr string, p *pki, kind string) shadowDevice {
	t.Helper()
	connect := awsConnect(t, addr, p, kind, nil)
	connect["thing"] = "pump-1"
	return shadowDevice{beginJS(t, "shadow.js").open(t, "device", connect)}
}

// request makes a request that has to be accepted. name is empty for the classic shadow.
func (d shadowDevice) request(t *testing.T, op, name string, parts object) object {
	t.Helper()
	answer := d.raw(t, op, name, parts)
	require.Contains(t, answer, "accepted", "%s: %v", op, answer)
	return answer["accepted"].(object)
}

// refused makes a request that has to be rejected, with the token that it had.
func (d shadowDevice) refused(t *testing.T, op, name string, parts object, code int, message string) {
	t.Helper()
	answer := d.raw(t, op, name, parts)
	require.Contains(t, answer, "rejected", "%s: %v", op, answer)
	e := answer["rejected"].(object)
	require.EqualValues(t, code, e["code"])
	require.Equal(t, message, e["message"])
	require.NotEmpty(t, e["clientToken"])
}

func (d shadowDevice) raw(t *testing.T, op, name string, parts object) object {
	t.Helper()
	args := object{"request": op, "parts": parts}
	if name != "" {
		args["shadow"] = name
	}
	return d.do(t, "request", args).(object)
}

// listen asks for what is published of a shadow.
func (d shadowDevice) listen(t *testing.T, name string) {
	t.Helper()
	args := object{}
	if name != "" {
		args["shadow"] = name
	}
	d.do(t, "listen", args)
}

// event waits for a delta or documents.
func (d shadowDevice) event(t *testing.T, topic string) object {
	t.Helper()
	m := d.messages.next(t)
	require.Equal(t, topic, m.Topic, "%v", m.Properties)
	return m.Properties
}

// TestAWSShadows has devices with the shadow clients of the SDKs follow what the host
// wants of them, over TLS with a certificate.
func TestAWSShadows(t *testing.T) {
	t.Parallel()
	for _, kind := range shadowKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := newPKI(t)
			h := startHub(t, func(c *thinghub.Config) { c.Authenticator = byCertificate{} })
			addr := h.serveTLS(t, p.serverConfig(tls.RequireAndVerifyClientCert))
			d := openShadowDevice(t, addr, p, kind)
			require.Equal(t, "pump-1", h.client(t, "device").Principal)
			names := []string{"", "config"}
			if kind == "v1" {
				names = names[:1]
			}
			for _, name := range names {
				shadowRoundTrip(t, h, d, name, kind != "v1")
			}
			d.do(t, "end", nil)
			requireEnded(t, h.seen.await(t, "disconnected", "device", 1).cause)
		})
	}
}

// shadowRoundTrip goes through all a client can do with one shadow. documents says that it
// hears of them.
func shadowRoundTrip(t *testing.T, h *testHub, d shadowDevice, name string, documents bool) {
	k := shadow.Key{Thing: "pump-1", Name: name}
	topic := func(what string) string { return strings.TrimSpace(what + " " + name) }
	want := func(request string) {
		_, err := h.Shadows().Update(t.Context(), k, []byte(request), shadow.Requester{})
		require.NoError(t, err)
	}
	heardOf := func(version float64, previous any, current object) {
		if !documents {
			return
		}
		e := d.event(t, topic("documents"))
		if previous == nil {
			require.Nil(t, e["previous"])
		} else {
			require.Equal(t, previous, e["previous"].(object)["state"])
		}
		require.Equal(t, current, e["current"].(object)["state"])
		require.Equal(t, version, e["current"].(object)["version"])
		require.NotZero(t, e["timestamp"])
	}
	d.refused(t, "get", name, nil, 404, fmt.Sprintf("No shadow exists with name: '%s'", k))
	d.listen(t, name)

	// The host wants something, the device hears of it and does it.
	want(`{"state":{"desired":{"speed":3,"valves":{"in":true,"out":false}}}}`)
	desired := object{"speed": 3.0, "valves": object{"in": true, "out": false}}
	delta := d.event(t, topic("delta"))
	require.Equal(t, desired, delta["state"])
	require.Equal(t, 1.0, delta["version"])
	require.NotZero(t, delta["timestamp"])
	require.Contains(t, delta["metadata"], "speed")
	heardOf(1, nil, object{"desired": desired})

	// In two steps, of which the first leaves a delta.
	accepted := d.request(t, "update", name, object{"state": object{"reported": object{"speed": 3}}})
	require.Equal(t, 2.0, accepted["version"])
	require.Equal(t, object{"reported": object{"speed": 3.0}}, accepted["state"])
	require.NotEmpty(t, accepted["clientToken"])
	require.Contains(t, accepted["metadata"], "reported")
	delta = d.event(t, topic("delta"))
	require.Equal(t, object{"valves": object{"in": true, "out": false}}, delta["state"])
	heardOf(2, object{"desired": desired}, object{"desired": desired, "reported": object{"speed": 3.0}})
	is := d.request(t, "get", name, nil)
	require.Equal(t, object{"desired": desired, "reported": object{"speed": 3.0}, "delta": delta["state"]}, is["state"])
	accepted = d.request(t, "update", name, object{"state": object{"reported": desired}})
	require.Equal(t, 3.0, accepted["version"])
	heardOf(3, object{"desired": desired, "reported": object{"speed": 3.0}}, object{"desired": desired, "reported": desired})

	is = d.request(t, "get", name, nil)
	require.Equal(t, object{"desired": desired, "reported": desired}, is["state"])
	require.Equal(t, 3.0, is["version"])
	require.NotEmpty(t, is["clientToken"])

	// What is wrong, and what is over.
	if documents { // v1 counts versions itself
		d.refused(t, "update", name, object{"state": object{"reported": object{"speed": 4}}, "version": 1}, 409, "Version conflict")
	}
	d.refused(t, "update", name, object{"state": object{"reported": object{"list": []any{nil}}}}, 400, "State contains an invalid node: 'list'")
	d.refused(t, "update", name, object{"state": object{"reported": object{"text": strings.Repeat("x", 9000)}}}, 413, "The payload exceeds the maximum size allowed")
	deleted := d.request(t, "delete", name, nil)
	require.NotEmpty(t, deleted["clientToken"])
	d.refused(t, "delete", name, nil, 404, fmt.Sprintf("No shadow exists with name: '%s'", k))
	d.messages.none(t)
}

// TestAWSShadowOverBoth has a device with the SDK follow what backends want over HTTP, the
// one with the AWS SDK for Go, the other with boto3.
func TestAWSShadowOverBoth(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	_, _, backend := awsBackend(byCertificate{})
	h := startHub(t, backend)
	url := "https://" + strings.Replace(h.serveHTTP(t, p.serverConfig(tls.NoClientCert)), "127.0.0.1", "localhost", 1)
	d := openShadowDevice(t, h.serveTLS(t, p.serverConfig(tls.RequireAndVerifyClientCert)), p, "v2 5")
	d.listen(t, "")
	// obey does what is wanted and hears of the documents, that of the wish and its own.
	obey := func(t *testing.T, speed float64) {
		t.Helper()
		delta := d.event(t, "delta")
		require.Equal(t, object{"speed": speed}, delta["state"])
		d.event(t, "documents")
		d.request(t, "update", "", object{"state": object{"reported": delta["state"]}})
		state := object{"speed": speed}
		require.Equal(t, object{"desired": state, "reported": state}, d.event(t, "documents")["current"].(object)["state"])
	}

	b := newGoBackend(t, h)
	accepted, err := b.updateShadow(t, "pump-1", nil, `{"state":{"desired":{"speed":3}},"clientToken":"backend"}`)
	require.NoError(t, err)
	require.EqualValues(t, 1, accepted["version"])
	obey(t, 3)
	is, err := b.getShadow(t, "pump-1", nil)
	require.NoError(t, err)
	require.Equal(t, object{"desired": object{"speed": 3.0}, "reported": object{"speed": 3.0}}, is["state"])

	boto := beginWith(t, awsEnv, python, "testdata/boto/backend.py", url, p.caFile, "pump-1", `{"speed":5}`)
	obey(t, 5)
	require.Zero(t, boto.wait(t), "boto3 wrote %s", boto.errors)
	require.Equal(t, "4", boto.lines.next(t))

	_, err = b.deleteShadow(t, "pump-1", nil)
	require.NoError(t, err)
	d.refused(t, "get", "", nil, 404, "No shadow exists with name: 'pump-1'")
	d.messages.none(t)
}
