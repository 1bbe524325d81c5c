package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/examples/internal/programtest"
)

// A plant is a running hub with the certificates of a CA, and what its files are made of.
type plant struct {
	*target
	dir string
	ca  *maker
}

// newPlant starts a hub that has certificates for devices, with a policy that allows
// everything. tlsMembers are more members of tls in its file.
func newPlant(t *testing.T, tlsMembers string, devices map[string]tls.Certificate, ca *maker) *plant {
	t.Helper()
	p := &plant{target: &target{addr: map[string]string{}, roots: x509.NewCertPool()}, dir: t.TempDir(), ca: ca}
	p.roots.AddCert(ca.cert)
	p.server(t, ca.issue(t, 2, forServers))
	save(t, p.dir, "cas.crt", certificatePEM(ca.cert.Raw))
	save(t, p.dir, "all.crl", ca.crl(t))
	var list []string
	for name, c := range devices {
		save(t, p.dir, name+".crt", certificatePEM(c.Certificate[0]))
		list = append(list, fmt.Sprintf(`{"file": "%s.crt", "policies": ["all"]}`, name))
	}
	save(t, p.dir, "hub.json", []byte(`{"account": "123456789012", "region": "local",
		"policies": {"all": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}},
		"certificateAuthorities": [{"file": "cas.crt", "autoRegister": true}], "certificates": [`+strings.Join(list, ",")+`], "crl": "all.crl",
		"tls": {"cert": "server.crt", "key": "server.key"`+tlsMembers+`},
		"accessKeys": [{"id": "AKIAADMIN", "secret": "admin-secret", "policies": ["all"]}]}`))
	p.p = programtest.Start(t, "-config", filepath.Join(p.dir, "hub.json"), "-mqtts", "127.0.0.1:0", "-http", "127.0.0.1:0", "-https", "127.0.0.1:0")
	for _, name := range []string{"mqtts", "http", "https"} {
		p.addr[name] = p.p.Line(t, "listening "+name+" ")
	}
	return p
}

// server writes the certificate and the key of the server.
func (p *plant) server(t *testing.T, c tls.Certificate) {
	t.Helper()
	save(t, p.dir, "server.crt", certificatePEM(c.Certificate[0]))
	saveKey(t, p.dir, "server.key", c.PrivateKey)
}

// hangUp has the files read again and waits until the log says what came of it.
func (p *plant) hangUp(t *testing.T, want string) {
	t.Helper()
	before := strings.Count(p.p.Stderr(), want)
	p.p.Signal(t, syscall.SIGHUP)
	require.Eventually(t, func() bool { return strings.Count(p.p.Stderr(), want) > before }, wait, time.Millisecond)
}

// What the log says of it.
const (
	readAgain = "were read again"
	cannotBe  = "files cannot be used"
)

// join connects a device to one of the two TLS listeners, and returns the certificate that
// the hub has shown, too.
func (p *plant) join(t *testing.T, at, id string, cfg *tls.Config) (*wire, int, []byte) {
	t.Helper()
	cfg = cfg.Clone()
	cfg.NextProtos = []string{"x-amzn-mqtt-ca"}
	nc, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: wait}, Config: cfg}).DialContext(t.Context(), "tcp", p.addr[at])
	if err != nil {
		return nil, refused, nil
	}
	t.Cleanup(func() { _ = nc.Close() })
	w, code := connect(t, nc, hello{id: id})
	return w, code, nc.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw
}

// TestReload renews the certificate of the server, the CAs and the CRL of a running hub.
func TestReload(t *testing.T) {
	t.Parallel()
	ca, field := newMaker(t, "plant CA"), newMaker(t, "field CA")
	a, b, c := ca.issue(t, 10), ca.issue(t, 11), ca.issue(t, 12)
	p := newPlant(t, "", map[string]tls.Certificate{"a": a, "b": b, "c": c}, ca)
	var all []*wire
	joins := func(at, id string, cert tls.Certificate) (*wire, []byte) {
		t.Helper()
		w, code, shown := p.join(t, at, id, p.trust(cert))
		require.Zero(t, code)
		require.Equal(t, 1, w.subscribe("all"))
		return w, shown
	}
	for i, at := range []string{"mqtts", "https"} {
		w, _ := joins(at, at, []tls.Certificate{a, b}[i])
		all = append(all, w)
	}
	said := 0
	talk := func() {
		t.Helper()
		for _, w := range all {
			said++
			payload := fmt.Sprint("message ", said)
			require.Zero(t, w.publish("all", payload, false))
			for _, other := range all {
				require.Empty(t, other.await(payload))
			}
		}
	}
	talk()
	fresh := field.issue(t, 20)
	_, code, _ := p.join(t, "mqtts", "fresh", p.trust(fresh))
	require.Equal(t, refused, code, "nobody knows its CA")

	server := ca.issue(t, 3, forServers)
	p.server(t, server)
	save(t, p.dir, "cas.crt", append(certificatePEM(ca.cert.Raw), certificatePEM(field.cert.Raw)...))
	p.hangUp(t, readAgain)
	talk()
	meets := func(want tls.Certificate) {
		t.Helper()
		for _, at := range []string{"mqtts", "https"} {
			w, shown := joins(at, "new", c)
			require.Equal(t, want.Certificate[0], shown)
			w.bye()
		}
	}
	meets(server)
	_, code, _ = p.join(t, "mqtts", "fresh", p.trust(fresh))
	require.Equal(t, 0x87, code)
	status := p.do(t, call{path: "/certificates/" + idOf(fresh), key: adminKey, service: "iot"})
	require.Equal(t, 200, status.status)
	require.Contains(t, status.body, "PENDING_ACTIVATION")
	talk()

	// Files that cannot be used do no harm, one by one and all together.
	good := map[string][]byte{
		"server.crt": certificatePEM(server.Certificate[0]), "cas.crt": append(certificatePEM(ca.cert.Raw), certificatePEM(field.cert.Raw)...), "all.crl": ca.crl(t),
	}
	for name := range good {
		save(t, p.dir, name, []byte("-----BEGIN"))
		p.hangUp(t, cannotBe)
		require.Contains(t, p.p.Stderr(), name)
	}
	talk()
	meets(server)
	for name, data := range good {
		save(t, p.dir, name, data)
	}

	// A CRL ends the connection of whom it revokes, and of nobody else.
	w, _ := joins("mqtts", "revoked", c)
	save(t, p.dir, "all.crl", ca.crl(t, 12))
	p.p.Signal(t, syscall.SIGHUP)
	_, err := w.next(0x30)
	require.EqualError(t, err, "DISCONNECT 0x87")
	for _, at := range []string{"mqtts", "https"} {
		_, code, _ = p.join(t, at, "revoked", p.trust(c))
		require.Equal(t, refused, code)
	}
	talk()

	// A CA that has gone registers nobody.
	save(t, p.dir, "cas.crt", certificatePEM(ca.cert.Raw))
	p.hangUp(t, "is inactive now")
	_, code, _ = p.join(t, "mqtts", "fresh", p.trust(field.issue(t, 21)))
	require.Equal(t, refused, code)
	talk()

	p.p.Signal(t, syscall.SIGTERM)
	require.Zero(t, p.p.Wait(t))
}

// TestHangUp sees that SIGHUP does not end a hub that has no such files.
func TestHangUp(t *testing.T) {
	t.Parallel()
	p := programtest.Start(t, "-anonymous", "-mqtt", "127.0.0.1:0")
	addr := p.Line(t, "listening mqtt ")
	p.Signal(t, syscall.SIGHUP)
	require.Eventually(t, func() bool { return strings.Contains(p.Stderr(), "there is no file that would be read again") }, wait, time.Millisecond)
	require.Zero(t, login(t, addr, "", ""))
	p.Signal(t, syscall.SIGTERM)
	require.Zero(t, p.Wait(t))
}

// TestServerNames: who connects by an IP address sends no server name, which is good until
// the file has names. The certificates of the file and of its CAs may still do so if it says
// that names are optional, those registered as SNI_ONLY over the control plane may not.
func TestServerNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		members       string
		ofFile, later bool // may come without a name
		other         bool // may ask for another name
	}{
		"default":  {"", true, true, true},
		"names":    {`, "serverNames": ["localhost"]`, false, false, false},
		"optional": {`, "serverNames": ["localhost"], "serverNameOptional": true`, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca, sni := newMaker(t, "plant CA"), newMaker(t, "SNI CA")
			a, alone, later, without := ca.issue(t, 10), selfSigned(t, "alone"), sni.issue(t, 20), selfSigned(t, "without")
			p := newPlant(t, c.members, map[string]tls.Certificate{"a": a, "alone": alone}, ca)
			post := func(method, path string, members map[string]string) string {
				t.Helper()
				body, err := json.Marshal(members)
				require.NoError(t, err)
				r := p.do(t, call{method: method, path: path, body: string(body), key: adminKey, service: "iot"})
				require.Equal(t, 200, r.status, r.body)
				return r.body
			}
			pem := func(c tls.Certificate) string { return string(certificatePEM(c.Certificate[0])) }
			post(http.MethodPost, "/cacertificate?setAsActive=true", map[string]string{"caCertificate": string(certificatePEM(sni.cert.Raw)), "certificateMode": "SNI_ONLY"})
			post(http.MethodPost, "/certificate/register", map[string]string{"certificatePem": pem(later), "status": "ACTIVE"})
			post(http.MethodPost, "/certificate/register-no-ca", map[string]string{"certificatePem": pem(without), "status": "ACTIVE"})
			for _, cert := range []tls.Certificate{later, without} {
				post(http.MethodPut, "/target-policies/all", map[string]string{"target": scope + "cert/" + idOf(cert)})
			}
			for _, who := range []struct {
				name string
				cert tls.Certificate
				may  bool // come without a name
			}{{"of a CA of the file", a, c.ofFile}, {"of the file alone", alone, c.ofFile}, {"of an SNI_ONLY CA", later, c.later}, {"without a CA", without, c.later}} {
				for sends, in := range map[string]bool{"localhost": true, "": who.may, "other.local": c.other} {
					cfg := p.trust(who.cert)
					cfg.ServerName, cfg.InsecureSkipVerify = sends, true
					for _, at := range []string{"mqtts", "https"} {
						w, code, _ := p.join(t, at, "x", cfg)
						require.Equal(t, in, code == 0, "%s as %q: %d", who.name, sends, code)
						if in {
							w.bye()
						}
					}
					web := p.web(t, who.cert)
					web.Transport.(*http.Transport).TLSClientConfig = cfg
					require.Equal(t, in, p.do(t, call{secure: true, method: http.MethodPost, path: "/topics/x", client: web}).status == 200, "%s as %q", who.name, sends)
				}
			}
			if !c.later {
				require.Contains(t, p.p.Stderr(), "sent no server name (SNI)")
			}
		})
	}
}
