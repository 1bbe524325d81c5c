package main

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// enter connects with TLS and says hello. It returns what became of it: the code of the
// CONNACK, or refused, be it in the handshake.
func (h *target) enter(t *testing.T, cfg *tls.Config, o hello) (*wire, int) {
	t.Helper()
	nc, err := h.tls(t, cfg)
	if err != nil {
		return nil, refused
	}
	return connect(t, nc, o)
}

// TestAttackCertificates goes through certificates that must not do, with TLS 1.2 and 1.3,
// over MQTT and HTTP.
func TestAttackCertificates(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	under := func(m *maker, c tls.Certificate) tls.Certificate {
		c.Certificate = append(c.Certificate[:1:1], m.cert.Raw)
		return c
	}
	device, device3 := h.certs["device"], h.certs["device3"]
	stolen := tls.Certificate{Certificate: device.Certificate, PrivateKey: device3.PrivateKey}
	twin := h.twin.issue(t, 10)
	for _, c := range []struct {
		name string
		cert tls.Certificate
		id   string
		want []int // of MQTT 5
		http int   // of a publish to a topic that its policy does not reach; 0: no answer
	}{
		{"active", device, "pump-1", []int{0}, 403},
		{"active, with its chain", under(h.plant, device), "pump-1", []int{0}, 403},
		{"active, behind another CA", under(h.wild, device), "pump-1", []int{0}, 403},
		{"self-signed and registered", h.certs["alone"], "alone", []int{0}, 403},
		{"of an unknown CA and registered", h.certs["foreign"], "foreign", []int{0}, 403},
		{"of a thing that is another's", device, "pump-3", []int{0x87}, 403},
		{"of a thing that is a user's", device, "pump-2", []int{0x87}, 403},
		{"of nobody's thing", device, "pump-9", []int{0x87}, 403},
		{"under its own id", device, idOf(device), []int{0x87}, 403},
		{"inactive", h.certs["idle"], "pump-1", []int{refused}, 0},
		{"revoked", h.certs["revoked"], "pump-1", []int{refused}, 0},
		{"on the CRL", h.certs["listed"], "pump-1", []int{refused}, 0},
		{"not yet valid", h.certs["early"], "pump-1", []int{refused}, 0},
		{"for servers", h.certs["purpose"], "pump-1", []int{refused}, 0},
		{"not registered", h.plant.issue(t, 30), "pump-1", []int{refused}, 0},
		{"with the number of one that is", h.plant.issue(t, 10), "pump-1", []int{refused}, 0},
		{"self-signed", selfSigned(t, "pump-1"), "pump-1", []int{refused}, 0},
		{"self-signed in the name of the CA", selfSigned(t, "plant CA"), "pump-1", []int{refused}, 0},
		{"of an unknown CA", h.wild.issue(t, 31), "pump-1", []int{refused}, 0},
		{"of an unknown CA, with it", under(h.wild, h.wild.issue(t, 32)), "pump-1", []int{refused}, 0},
		{"of an unknown CA, with a registered one", under(h.field, h.wild.issue(t, 33)), "pump-1", []int{refused}, 0},
		{"of a CA with the name of a registered one", twin, "pump-1", []int{refused}, 0},
		{"of that, with it", under(h.twin, twin), "pump-1", []int{refused}, 0},
		{"of that, with the registered one", under(h.field, twin), "pump-1", []int{refused}, 0},
		{"of the CA itself", tls.Certificate{Certificate: [][]byte{h.plant.cert.Raw}, PrivateKey: h.plant.key}, "pump-1", []int{refused}, 0},
		{"of the CA that registers", tls.Certificate{Certificate: [][]byte{h.field.cert.Raw}, PrivateKey: h.field.key}, "pump-1", []int{refused}, 0},
		{"registered just in time and expired", h.field.issue(t, 61, expired), "pump-1", []int{refused}, 0},
		{"registered just in time and not yet valid", h.field.issue(t, 62, notYet), "pump-1", []int{refused}, 0},
		{"registered just in time and for servers", h.field.issue(t, 63, forServers), "pump-1", []int{refused}, 0},
		{"registered just in time and on the CRL", h.field.issue(t, 66), "pump-1", []int{refused}, 0},
		{"another's with one's own key", stolen, "pump-1", []int{refused}, 0},
	} {
		for name, v := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
			t.Run(name+" "+c.name, func(t *testing.T) {
				cfg := h.trust(c.cert)
				cfg.MinVersion, cfg.MaxVersion = v, v
				w, got := h.enter(t, cfg, hello{id: c.id})
				require.Contains(t, c.want, got)
				if got == 0 {
					w.bye()
				}
			})
		}
		t.Run("HTTPS "+c.name, func(t *testing.T) {
			got := h.do(t, call{secure: true, path: "/topics/open/x", client: h.web(t, c.cert)})
			if c.http == 0 {
				require.Equal(t, refused, got.status, got.body)
			} else {
				require.Equal(t, c.http, got.status, got.body)
			}
		})
	}
	t.Run("no certificate that was refused is known", func(t *testing.T) {
		list := h.do(t, call{path: "/certificates?pageSize=250", key: adminKey, service: "iot"})
		require.Equal(t, 200, list.status)
		require.Equal(t, 10, strings.Count(list.body, `"certificateId"`), list.body)
	})
	for name, c := range map[string]struct {
		cert tls.Certificate
		o    hello
		want int
	}{
		"a password does not mend a revoked certificate": {h.certs["revoked"], hello{id: "pump-2", user: "alice", password: "alice-pw"}, refused},
		"nor an unknown one":                             {h.wild.issue(t, 40), hello{id: "pump-2", user: "alice", password: "alice-pw"}, refused},
		"a user name is not who the certificate is":      {device, hello{id: "pump-2", user: "alice", password: "alice-pw"}, 0x87},
		"nor is root's":                                  {device, hello{id: "pump-2", user: "root", password: "root-pw"}, 0x87},
		"a wrong password does not matter":               {device, hello{id: "pump-1", user: "alice", password: "x"}, 0},
		"nor does the name of an SDK":                    {device, hello{id: "pump-1", user: "?SDK=Go&Version=1", noPassword: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := h.enter(t, h.trust(c.cert), c.o)
			require.Equal(t, c.want, got)
		})
	}
	t.Run("on the plain port there is no certificate", func(t *testing.T) {
		_, got := connect(t, h.tcp(t), hello{id: "pump-1", user: idOf(device), password: string(certificatePEM(device.Certificate[0]))})
		require.Equal(t, 0x86, got)
	})
	for name, v := range map[string]uint16{"TLS 1.0": tls.VersionTLS10, "TLS 1.1": tls.VersionTLS11} {
		t.Run(name, func(t *testing.T) {
			cfg := h.trust(device)
			cfg.MinVersion, cfg.MaxVersion = v, v
			_, err := h.tls(t, cfg)
			require.ErrorContains(t, err, "protocol version")
		})
	}
	t.Run("ALPN that nobody speaks", func(t *testing.T) {
		cfg := h.trust(device)
		cfg.NextProtos = []string{"h2", "ftp"}
		_, err := h.tls(t, cfg)
		require.Error(t, err)
	})
}

// TestAttackRevocation: what ends the right to connect ends the connection, the session on
// the wire and those that could be resumed.
func TestAttackRevocation(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	root := h.user(t, hello{user: "root", id: "root"})
	require.Equal(t, 1, root.subscribe("dt/#"))
	admin := func(t *testing.T, method, path string) {
		t.Helper()
		a := h.do(t, call{method: method, path: path, key: adminKey, service: "iot"})
		require.Equal(t, 200, a.status, a.body)
	}
	for name, v := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			cert, at := h.certs["device"], "/certificates/"+idOf(h.certs["device"])
			cfg := h.trust(cert)
			cfg.MinVersion, cfg.MaxVersion = v, v
			cfg.ClientSessionCache = tls.NewLRUClientSessionCache(10)
			web := h.web(t, cert)
			o := hello{id: "pump-1", resume: true, expiry: 600, will: "dt/pump-1/will", willPayload: "will " + name}
			w, code := h.enter(t, cfg, o)
			require.Zero(t, code)
			require.Equal(t, 1, w.subscribe("dt/pump-1/in"))
			kept := h.do(t, call{secure: true, path: "/topics/x", client: web})
			require.Equal(t, 403, kept.status)

			admin(t, http.MethodPut, at+"?newStatus=INACTIVE")
			w.ended()
			_, code = h.enter(t, cfg, o) // with a ticket
			require.Equal(t, refused, code)
			kept = h.do(t, call{secure: true, path: "/topics/x", client: web}) // on the connection that is open
			require.Equal(t, 401, kept.status)
			require.Zero(t, root.publish("dt/pump-1/in", "behind", false))
			require.Equal(t, []message{}, append([]message{}, root.await("behind")...), "its will is not published")

			admin(t, http.MethodPut, at+"?newStatus=ACTIVE")
			w, code = h.enter(t, cfg, o)
			require.Zero(t, code)
			require.Empty(t, w.await("behind"), "it is its own session")
			w.bye()
		})
	}
	t.Run("a will that waits", func(t *testing.T) {
		cert := h.certs["victim"]
		for _, revoke := range []bool{false, true} {
			w, code := h.enter(t, h.trust(cert), hello{id: "victim", expiry: 600, will: "dt/victim/will", willPayload: "late will", willDelay: 300})
			require.Zero(t, code)
			_ = w.nc.Close()
			require.Eventually(t, func() bool {
				return strings.Contains(h.do(t, call{method: http.MethodGet, path: "/metrics"}).body, "thinghub_connections 1\n")
			}, wait, wait/1000)
			if revoke { // which ends the session
				admin(t, http.MethodPut, "/certificates/"+idOf(cert)+"?newStatus=REVOKED")
				a := h.do(t, call{method: http.MethodDelete, path: "/connections/victim?cleanSession=true", key: adminKey, service: "iot"})
				require.Equal(t, 404, a.status, a.body)
			} else {
				admin(t, http.MethodDelete, "/connections/victim?cleanSession=true") // its session ends, so it is due
			}
			require.Zero(t, root.publish("dt/mark", "mark", false))
			got := root.await("mark")
			require.Equal(t, revoke, len(got) == 0, got)
		}
	})
	t.Run("REVOKED is final", func(t *testing.T) {
		a := h.do(t, call{method: http.MethodPut, path: "/certificates/" + idOf(h.certs["victim"]) + "?newStatus=ACTIVE", key: adminKey, service: "iot"})
		require.NotEqual(t, 200, a.status)
		_, code := h.enter(t, h.trust(h.certs["victim"]), hello{id: "victim"})
		require.Equal(t, refused, code)
	})
	t.Run("what is on the CRL stays off", func(t *testing.T) {
		a := h.do(t, call{method: http.MethodPut, path: "/certificates/" + idOf(h.certs["listed"]) + "?newStatus=ACTIVE", key: adminKey, service: "iot"})
		require.NotEqual(t, 200, a.status)
		_, code := h.enter(t, h.trust(h.certs["listed"]), hello{id: "pump-1"})
		require.Equal(t, refused, code)
	})
}

// TestAttackJustInTime: a certificate that is registered with its first CONNECT lets
// nobody in, and nothing is registered before.
func TestAttackJustInTime(t *testing.T) {
	t.Parallel()
	h := newTarget(t)
	root := h.user(t, hello{user: "root", id: "root"})
	require.Equal(t, 1, root.subscribe("$aws/events/certificates/#"))
	require.Equal(t, 1, root.subscribe("sync"))
	status := func(c tls.Certificate) string {
		a := h.do(t, call{path: "/certificates/" + idOf(c), key: adminKey, service: "iot"})
		if a.status == 404 {
			return ""
		}
		require.Equal(t, 200, a.status)
		_, rest, _ := strings.Cut(a.body, `"status":"`)
		status, _, _ := strings.Cut(rest, `"`)
		return status
	}
	events := func(mark string) []message {
		require.Zero(t, root.publish("sync", mark, false))
		return root.await(mark)
	}
	t.Run("a handshake registers nothing", func(t *testing.T) {
		c := h.field.issue(t, 70)
		nc, err := h.tls(t, h.trust(c))
		require.NoError(t, err)
		_ = nc.Close()
		nc, err = h.tls(t, h.trust(c))
		require.NoError(t, err)
		_, err = nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		require.NoError(t, err)
		(&wire{t: t, nc: nc, r: newReader(nc)}).ended()
		require.Empty(t, status(c))
		require.Empty(t, events("handshake"))
	})
	t.Run("the first CONNECT registers", func(t *testing.T) {
		c := h.field.issue(t, 71)
		for range 3 { // each time the event
			w, code := h.enter(t, h.trust(c), hello{id: "pump-1", will: "sync", willPayload: "will"})
			require.Equal(t, 0x87, code)
			w.ended()
			require.Equal(t, "PENDING_ACTIVATION", status(c))
			got := events("first")
			require.Len(t, got, 1)
			require.Contains(t, got[0].payload, idOf(c))
		}
		require.Equal(t, 401, h.do(t, call{secure: true, path: "/topics/x", client: h.web(t, c)}).status, "nor over HTTP")
		require.Len(t, events("http"), 1)
		a := h.do(t, call{method: http.MethodPut, path: "/certificates/" + idOf(c) + "?newStatus=ACTIVE", key: adminKey, service: "iot"})
		require.Equal(t, 200, a.status)
		_, code := h.enter(t, h.trust(c), hello{id: "pump-1"})
		require.Equal(t, 0x87, code, "active, but without a policy")
	})
	t.Run("the same certificate in another spelling", func(t *testing.T) {
		c := h.field.issue(t, 72)
		_, code := h.enter(t, h.trust(c), hello{id: "x"})
		require.Equal(t, 0x87, code)
		a := h.do(t, call{method: http.MethodPut, path: "/certificates/" + idOf(c) + "?newStatus=REVOKED", key: adminKey, service: "iot"})
		require.Equal(t, 200, a.status)
		other := tls.Certificate{Certificate: [][]byte{otherSignature(t, c.Certificate[0])}, PrivateKey: c.PrivateKey}
		require.NotEqual(t, idOf(c), idOf(other))
		_, code = h.enter(t, h.trust(other), hello{id: "x"})
		require.Equal(t, refused, code)
		require.Empty(t, status(other))
	})
}
