package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/examples/internal/programtest"
)

// scope is what the names of the hub's resources begin with.
const scope = "arn:aws:iot:local:123456789012:"

// wait is how long an attacker waits for an answer that has to come.
const wait = 20 * time.Second

// A target is a running hub that has everything the file can say, and what an attacker
// has got hold of: certificates of all kinds, accounts of its own.
type target struct {
	p     *programtest.Program
	addr  map[string]string
	roots *x509.CertPool

	plant, field *maker // registered; field also registers just in time
	twin, wild   *maker // has the name of field, but another key; nobody knows it
	certs        map[string]tls.Certificate
}

// attackPolicies are the policies of the file; SCOPE and THING stand for what they say.
const attackPolicies = `
	"all": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
	"own": {"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:Connect", "Resource": "SCOPE:client/THING"},
		{"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive", "iot:RetainPublish"], "Resource": ["SCOPE:topic/dt/THING/*", "SCOPE:topic/$aws/things/THING/shadow/*"]},
		{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": ["SCOPE:topicfilter/dt/THING/*", "SCOPE:topicfilter/$aws/things/THING/shadow/*"]}]},
	"byid": {"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:Connect", "Resource": "SCOPE:client/*"},
		{"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": ["SCOPE:topic/id/${iot:ClientId}/x", "SCOPE:topic/sync"]},
		{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": ["SCOPE:topicfilter/id/${iot:ClientId}/x", "SCOPE:topicfilter/sync"]}]},
	"part": {"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": ["iot:Connect", "iot:Subscribe"], "Resource": "*"},
		{"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": ["SCOPE:topic/open/*", "SCOPE:topic/sync"]},
		{"Effect": "Allow", "Action": "iot:RetainPublish", "Resource": "SCOPE:topic/open/kept/*"},
		{"Effect": "Deny", "Action": "iot:Publish", "Resource": "SCOPE:topic/open/readonly/*"},
		{"Effect": "Deny", "Action": "iot:Receive", "Resource": "SCOPE:topic/open/secret/*"}]},
	"old": {"Version": "2008-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:*", "Resource": ["SCOPE:client/*", "SCOPE:topic/old/${iot:ClientId}", "SCOPE:topicfilter/old/${iot:ClientId}"]}]},
	"unresolved": {"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:*", "Resource": ["SCOPE:client/*", "SCOPE:topic/u/${iot:Connection.Thing.Attributes[nix]}", "SCOPE:topic/u/${iot:Thing.ThingName}", "SCOPE:topic/u/known"]},
		{"Effect": "Allow", "Action": "iot:*", "NotResource": "SCOPE:topic/secret/${iot:Connection.Thing.Attributes[nix]}"}]},
	"ws": {"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"], "Resource": ["SCOPE:client/app-*", "SCOPE:topic/open/*", "SCOPE:topicfilter/open/*"]}]},
	"data": {"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:Publish", "Resource": ["SCOPE:topic/open/*", "SCOPE:topic/open"]},
		{"Effect": "Allow", "Action": ["iot:GetThingShadow", "iot:UpdateThingShadow"], "Resource": ["SCOPE:thing/pump-1", "SCOPE:thing/pump-1/public"]},
		{"Effect": "Allow", "Action": "iot:GetRetainedMessage", "Resource": "SCOPE:topic/open/*"}]},
	"reader": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:DescribeThing", "Resource": "SCOPE:thing/pump-1"}]},
	"claim": {"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"},
		{"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": ["SCOPE:topic/$aws/certificates/create/*", "SCOPE:topic/$aws/provisioning-templates/fleet/provision/*"]},
		{"Effect": "Allow", "Action": "iot:Subscribe", "Resource": ["SCOPE:topicfilter/$aws/certificates/create/*", "SCOPE:topicfilter/$aws/provisioning-templates/fleet/provision/*"]}]},
	"g-star": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": ["SCOPE:client/*", "SCOPE:topicfilter/a/*"]}]},
	"g-text": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": ["SCOPE:client/*", "SCOPE:topicfilter/a/b"]}]},
	"g-hash": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": ["SCOPE:client/*", "SCOPE:topicfilter/a/#"]}]},
	"g-one": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": ["SCOPE:client/*", "SCOPE:topicfilter/some/?/t"]}]},
	"g-deny": {"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:*", "Resource": ["SCOPE:client/*", "SCOPE:topicfilter/*"]},
		{"Effect": "Deny", "Action": "iot:Subscribe", "Resource": "SCOPE:topicfilter/a/restricted/*"}]},
	"g-share": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": ["SCOPE:client/*", "SCOPE:topicfilter/$share/mine/*"]}]}`

// attackUsers are the users of the file: name, policy, thing. The password of NAME is
// NAME-pw.
var attackUsers = [][3]string{
	{"root", "all"},
	{"alice", "own", "pump-2"},
	{"bob", "part"},
	{"carol", "byid"},
	{"nix", ""},
	{"oldie", "old"},
	{"unres", "unresolved", "pump-9"},
	{"claimer", "claim"},
	{"claimer2", "claim"},
	{"g-star", "g-star"},
	{"g-text", "g-text"},
	{"g-hash", "g-hash"},
	{"g-one", "g-one"},
	{"g-deny", "g-deny"},
	{"g-share", "g-share"},
}

// newTarget starts a hub. Several are not in the way of each other, nor of what one has
// against an address with too many failures.
func newTarget(t *testing.T, args ...string) *target {
	t.Helper()
	dir := t.TempDir()
	h := &target{addr: map[string]string{}, plant: newMaker(t, "plant CA"), field: newMaker(t, "field CA"), twin: newMaker(t, "field CA"), wild: newMaker(t, "wild CA")}
	server := h.plant.issue(t, 2, forServers)
	h.certs = map[string]tls.Certificate{
		"device": h.plant.issue(t, 10), "device3": h.plant.issue(t, 11), "idle": h.plant.issue(t, 12), "revoked": h.plant.issue(t, 13), "listed": h.plant.issue(t, 14),
		"early": h.plant.issue(t, 15, notYet), "purpose": h.plant.issue(t, 16, forServers), "alone": selfSigned(t, "alone"), "foreign": h.wild.issue(t, 17), "victim": h.plant.issue(t, 18),
	}
	for name, c := range h.certs {
		save(t, dir, name+".crt", certificatePEM(c.Certificate[0]))
	}
	save(t, dir, "plant.crt", certificatePEM(h.plant.cert.Raw))
	save(t, dir, "field.crt", certificatePEM(h.field.cert.Raw))
	save(t, dir, "server.crt", certificatePEM(server.Certificate[0]))
	save(t, dir, "all.crl", append(h.plant.crl(t, 14), h.field.crl(t, 66)...))
	saveKey(t, dir, "plant.key", h.plant.key)
	saveKey(t, dir, "server.key", server.PrivateKey)
	var users, certificates []string
	for _, u := range attackUsers {
		more := ""
		if u[1] != "" {
			more += fmt.Sprintf(`, "policies": [%q]`, u[1])
		}
		if u[2] != "" {
			more += fmt.Sprintf(`, "thing": %q`, u[2])
		}
		users = append(users, fmt.Sprintf(`{"name": %q, "password": "%s-pw"%s}`, u[0], u[0], more))
	}
	for name, more := range map[string]string{
		"device": `"status": "ACTIVE", "things": ["pump-1"]`, "device3": `"things": ["pump-3"]`, "idle": `"status": "INACTIVE", "things": ["pump-1"]`, "revoked": `"status": "REVOKED", "things": ["pump-1"]`,
		"listed": `"status": "ACTIVE", "things": ["pump-1"]`, "early": `"things": ["pump-1"]`, "purpose": `"things": ["pump-1"]`, "alone": `"things": ["alone"]`, "foreign": `"things": ["foreign"]`,
		"victim": `"things": ["victim"]`,
	} {
		certificates = append(certificates, fmt.Sprintf(`{"file": "%s.crt", "policies": ["own"], %s}`, name, more))
	}
	text := `{"account": "123456789012", "region": "local",
		"things": [{"name": "pump-1", "attributes": {"site": "north"}, "groups": ["pumps"]}, {"name": "pump-2"}, {"name": "pump-3"}, {"name": "pump-9"}],
		"policies": {` + attackPolicies + `},
		"users": [` + strings.Join(users, ",\n") + `],
		"certificateAuthorities": [{"file": "plant.crt", "keyFile": "plant.key"}, {"file": "field.crt", "autoRegister": true}],
		"certificates": [` + strings.Join(certificates, ",\n") + `],
		"crl": "all.crl", "tls": {"cert": "server.crt", "key": "server.key"},
		"accessKeys": [{"id": "AKIAADMIN", "secret": "admin-secret", "policies": ["all"]}, {"id": "AKIANOPOLICY", "secret": "nopolicy-secret"},
			{"id": "AKIADATA", "secret": "data-secret", "policies": ["data"]}, {"id": "AKIAREADER", "secret": "reader-secret", "policies": ["reader"]}, {"id": "AKIAAPP", "secret": "app-secret", "policies": ["ws"]}],
		"webSocketOrigins": ["https://ui.plant.test"],
		"rules": [{"name": "copy", "sql": "SELECT * FROM 'open/in'", "actions": [{"republish": {"topic": "open/out", "qos": 1}}]}]}`
	text = strings.NewReplacer("SCOPE:", scope, "THING", "${iot:Connection.Thing.ThingName}").Replace(text)
	save(t, dir, "hub.json", []byte(text))
	h.p = programtest.Start(t, append([]string{
		"-config", filepath.Join(dir, "hub.json"), "-log", "debug",
		"-mqtt", "127.0.0.1:0", "-mqtts", "127.0.0.1:0", "-http", "127.0.0.1:0", "-https", "127.0.0.1:0",
	}, args...)...)
	for _, name := range []string{"mqtt", "mqtts", "http", "https"} {
		h.addr[name] = h.p.Line(t, "listening "+name+" ")
	}
	h.roots = x509.NewCertPool()
	h.roots.AddCert(h.plant.cert)
	return h
}

// tcp connects without encryption.
func (h *target) tcp(t *testing.T) net.Conn {
	t.Helper()
	nc, err := (&net.Dialer{Timeout: wait}).DialContext(t.Context(), "tcp", h.addr["mqtt"])
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// trust is the TLS configuration of a client with certificates.
func (h *target) trust(list ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: h.roots, ServerName: "localhost", Certificates: list}
}

// tls connects with TLS. The error is that of the handshake: of TLS 1.3 the client learns
// later that its certificate was refused.
func (h *target) tls(t *testing.T, cfg *tls.Config) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	nc, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", h.addr["mqtts"])
	if err == nil {
		t.Cleanup(func() { _ = nc.Close() })
	}
	return nc, err
}

// web is a browser, or whatever speaks HTTP. It follows no redirects.
func (h *target) web(t *testing.T, list ...tls.Certificate) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: h.trust(list...)}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: wait, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
