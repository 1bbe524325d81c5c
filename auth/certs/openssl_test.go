package certs_test

import (
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
)

// An openssl works in a directory of its own. scripts/testdeps.sh installs it.
type openssl struct{ dir string }

func newOpenssl(t *testing.T) openssl { return openssl{t.TempDir()} }

func (o openssl) command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "openssl", args...)
	c.Dir = o.dir
	out, err := c.CombinedOutput()
	return string(out), err
}

// run is for commands that are to succeed.
func (o openssl) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := o.command(t, args...)
	require.NoError(t, err, "openssl %s\n%s", strings.Join(args, " "), out)
	return out
}

func (o openssl) write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o600))
}

func (o openssl) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(o.dir, name))
	require.NoError(t, err)
	return string(b)
}

var opensslKeys = map[string][]string{
	"RSA":   {"-newkey", "rsa:2048"},
	"P-256": {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"},
	"P-384": {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"},
}

// What openssl asks for is made, and what is made satisfies a strict openssl.
func TestOpensslVerifies(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for name, key := range opensslKeys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOpenssl(t)
			o.run(t, append([]string{"req", "-new", "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/C=DE/O=Plant/CN=pump-1"}, key...)...)
			out, err := s.CreateCertificateFromCsr(t.Context(), o.read(t, "csr.pem"), true)
			require.NoError(t, err)
			o.write(t, "ca.pem", s.CAPEM())
			o.write(t, "cert.pem", out.PEM)
			require.Contains(t, o.run(t, "verify", "-x509_strict", "-CAfile", "ca.pem", "-purpose", "sslclient", "cert.pem"), "cert.pem: OK")
			_, err = o.command(t, "verify", "-x509_strict", "-CAfile", "ca.pem", "-purpose", "sslserver", "cert.pem")
			require.Error(t, err, "a device is no server")
			text := o.run(t, "x509", "-in", "cert.pem", "-noout", "-subject", "-fingerprint", "-sha256", "-enddate")
			require.Contains(t, text, "CN = pump-1")
			require.Contains(t, text, "Dec 31 23:59:59 2049 GMT")
			require.Contains(t, strings.ToLower(strings.ReplaceAll(text, ":", "")), out.ID, "the id is its fingerprint")

			server, err := s.IssueServer("hub.local", "127.0.0.1")
			require.NoError(t, err)
			o.write(t, "server.pem", certPEM(server.Certificate[0]))
			for _, name := range [][]string{{"-verify_hostname", "hub.local"}, {"-verify_ip", "127.0.0.1"}} {
				o.run(t, append(append([]string{"verify", "-x509_strict", "-CAfile", "ca.pem", "-purpose", "sslserver"}, name...), "server.pem")...)
			}
		})
	}
	o := newOpenssl(t)
	out, err := s.CreateKeysAndCertificate(t.Context(), true)
	require.NoError(t, err)
	o.write(t, "key.pem", out.Keys.PrivateKey)
	o.write(t, "pub.pem", out.Keys.PublicKey)
	require.Equal(t, out.Keys.PublicKey, o.run(t, "pkey", "-in", "key.pem", "-pubout"))
}

const opensslConfig = `
[ca]
default_ca = plant
[plant]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
x509_extensions = device
[any]
commonName = supplied
[device]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[req]
distinguished_name = dn
[dn]
`

// authority makes a CA in the directory.
func (o openssl) authority(t *testing.T) {
	t.Helper()
	o.write(t, "plant.cnf", opensslConfig)
	o.write(t, "index.txt", "")
	o.write(t, "serial", "1000\n")
	o.write(t, "crlnumber", "01\n")
	o.run(t, "req", "-x509", "-config", "plant.cnf", "-extensions", "authority", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/O=Plant/CN=Plant CA", "-days", "30")
}

// device makes name.key and name.pem.
func (o openssl) device(t *testing.T, name, cn string) string {
	t.Helper()
	o.run(t, "req", "-new", "-config", "plant.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name+".key", "-out", name+".csr", "-subj", "/CN="+cn)
	o.run(t, "ca", "-batch", "-config", "plant.cnf", "-in", name+".csr", "-out", name+".pem", "-notext")
	return o.read(t, name+".pem")
}

// A plant with a CA of its own: registration, use, revocation.
func TestOpensslCA(t *testing.T) {
	t.Parallel()
	p := &publisher{}
	s := newService(t, func(c *certs.Config) { c.Events = p })
	o := newOpenssl(t)
	o.authority(t)
	code, err := s.GetRegistrationCode(t.Context())
	require.NoError(t, err)
	ca, _, err := s.RegisterCACertificate(t.Context(), certs.RegisterCAInput{
		PEM: o.read(t, "ca.pem"), Verification: o.device(t, "verification", code), SetAsActive: true, AllowAutoRegistration: true,
	})
	require.NoError(t, err)

	d := open(t, s.TLSConfig(server(t, s)))
	o.write(t, "hub.pem", s.CAPEM())
	call := func(version, name string, more ...string) (string, error) {
		// -ign_eof keeps it there until the server ends the connection.
		return o.command(t, append([]string{
			"s_client", "-connect", d.addr, "-servername", "hub.local", "-CAfile", "hub.pem", "-verify_return_error",
			"-verify_hostname", "hub.local", "-cert", name + ".pem", "-key", name + ".key", "-ign_eof", version,
		}, more...)...)
	}
	one := parse(t, o.device(t, "one", "pump-1"))
	two, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: o.device(t, "two", "pump-2"), SetAsActive: true})
	require.NoError(t, err)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		for _, name := range []string{"one", "two"} { // one may be registered just in time
			out, err := call(version, name, "-quiet")
			require.NoError(t, err, out)
			require.Contains(t, out, greeting)
		}
	}
	_, err = connect(t, s, one)
	refused(t, err, "PENDING_ACTIVATION")
	require.Len(t, p.take(), 1)
	require.NoError(t, s.UpdateCertificate(t.Context(), certs.Fingerprint(one), certs.Active))
	_, err = connect(t, s, one)
	require.NoError(t, err)

	out, err := call("-tls1_2", "two", "-sess_out", "session")
	require.NoError(t, err, out)
	out, err = call("-tls1_2", "two", "-sess_in", "session")
	require.NoError(t, err, out)
	require.Contains(t, out, "Reused, TLSv1.2")

	o.run(t, "ca", "-config", "plant.cnf", "-revoke", "two.pem", "-crl_reason", "keyCompromise")
	three := o.device(t, "three", "pump-3")
	o.run(t, "ca", "-config", "plant.cnf", "-revoke", "three.pem")
	o.run(t, "ca", "-config", "plant.cnf", "-gencrl", "-out", "crl.pem")
	lists, err := s.LoadCRL(t.Context(), []byte(o.read(t, "crl.pem")))
	require.NoError(t, err)
	require.Equal(t, ca, lists[0].CA)
	require.Equal(t, []string{two.ID}, lists[0].Revoked)
	require.Equal(t, 2, lists[0].Entries)
	require.Equal(t, int64(1), lists[0].Number.Int64())
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		for _, name := range []string{"two", "three"} {
			out, err := call(version, name, "-quiet")
			require.Error(t, err)
			require.NotContains(t, out, greeting)
			require.Contains(t, out, "bad certificate")
		}
		out, err := call(version, "one", "-quiet")
		require.NoError(t, err, out)
	}
	out, err = call("-tls1_2", "two", "-sess_in", "session")
	require.Error(t, err)
	require.NotContains(t, out, greeting)
	_, err = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: three})
	is(t, err, certs.ErrValidation, "is on the CRL")

	// Another CA of openssl's that only has the name.
	fake := newOpenssl(t)
	fake.authority(t)
	pair, err := tls.X509KeyPair([]byte(fake.device(t, "fake", "pump-1")), []byte(fake.read(t, "fake.key")))
	require.NoError(t, err)
	require.Error(t, d.knock(t, &tls.Config{RootCAs: s.CAPool(), ServerName: "hub.local", Certificates: []tls.Certificate{pair}}))
	fake.run(t, "ca", "-config", "plant.cnf", "-gencrl", "-out", "crl.pem")
	_, err = s.LoadCRL(t.Context(), []byte(fake.read(t, "crl.pem")))
	is(t, err, certs.ErrValidation, "is not signed by the CA it names")
}

// A certificate that signed itself, as people make them in a hurry.
func TestOpensslSelfSigned(t *testing.T) {
	t.Parallel()
	s := newService(t)
	o := newOpenssl(t)
	o.run(t, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=pump", "-days", "1")
	out, err := s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: o.read(t, "cert.pem"), SetAsActive: true})
	require.NoError(t, err)
	d := open(t, s.TLSConfig(server(t, s)))
	pair, err := tls.X509KeyPair([]byte(o.read(t, "cert.pem")), []byte(o.read(t, "key.pem")))
	require.NoError(t, err)
	require.NoError(t, d.knock(t, &tls.Config{RootCAs: s.CAPool(), ServerName: "hub.local", Certificates: []tls.Certificate{pair}}))
	require.NoError(t, s.UpdateCertificate(t.Context(), out.ID, certs.Revoked))
	require.Error(t, d.knock(t, &tls.Config{RootCAs: s.CAPool(), ServerName: "hub.local", Certificates: []tls.Certificate{pair}}))
}
