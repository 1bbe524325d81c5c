package certs_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/broker"
)

// A holder is a certificate of each kind, and whether it is SNI_ONLY.
type holder struct {
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	sniOnly bool
}

func holders(t *testing.T, s *certs.Service) map[string]holder {
	t.Helper()
	ordinary, sni, vouched := newCA(t, "ordinary"), newCA(t, "sni"), newCA(t, "vouched")
	registerCA(t, s, ordinary)
	registerCA(t, s, sni, func(in *certs.RegisterCAInput) { in.Mode, in.Verification = certs.SNIOnly, "" })
	registerCA(t, s, vouched, func(in *certs.RegisterCAInput) { in.Verification, in.Vouched = "", true })
	all := map[string]holder{}
	for name, of := range map[string]*testCA{"of an ordinary CA": ordinary, "of an SNI_ONLY CA": sni, "of a CA that is vouched for": vouched} {
		c, key := of.device(t)
		_, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(c), SetAsActive: true})
		require.NoError(t, err)
		all[name] = holder{c, key, of == sni}
		c, key = of.device(t)
		all["just in time, "+name] = holder{c, key, of == sni}
	}
	for name, vouched := range map[string]bool{"without a CA": false, "without a CA, vouched for": true} {
		c, key := newCA(t, "elsewhere").device(t)
		_, err := s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: text(c), SetAsActive: true, Vouched: vouched})
		require.NoError(t, err)
		all[name] = holder{c, key, !vouched}
	}
	out, c := issue(t, s)
	pair, err := tls.X509KeyPair([]byte(out.PEM), []byte(out.Keys.PrivateKey))
	require.NoError(t, err)
	all["made here"] = holder{c, pair.PrivateKey.(*ecdsa.PrivateKey), false}
	return all
}

// as is the configuration of a client that asks for a server by name; by its IP address,
// which is no server name, if that is empty.
func (h holder) as(s *certs.Service, name string) *tls.Config {
	return &tls.Config{
		RootCAs: s.CAPool(), ServerName: name, InsecureSkipVerify: name == "other.local",
		Certificates: []tls.Certificate{{Certificate: [][]byte{h.cert.Raw}, PrivateKey: h.key}},
	}
}

// knownByName makes a hub know its name, which clients may leave out if their certificate is none
// of mode SNI_ONLY.
func knownByName(c *certs.Config) { c.ServerNames, c.OptionalServerName = []string{"hub.local"}, true }

const noName = "the client sent no server name (SNI)"

// Who has to ask for the server by a name: nobody if the hub does not know its names, else
// everybody; those whose certificate is SNI_ONLY also where it is optional.
func TestSNI(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		names    []string
		optional bool
		must     func(sniOnly bool) bool // have a name
		other    bool                    // is another name good
	}{
		"default":                 {nil, false, func(bool) bool { return false }, true},
		"optional":                {nil, true, func(bool) bool { return false }, true},
		"names":                   {[]string{"hub.local"}, false, func(bool) bool { return true }, false},
		"names that are optional": {[]string{"hub.local"}, true, func(sniOnly bool) bool { return sniOnly }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, func(cfg *certs.Config) { cfg.ServerNames, cfg.OptionalServerName = c.names, c.optional })
			d := open(t, s.TLSConfig(server(t, s)))
			for what, h := range holders(t, s) {
				require.NoError(t, d.knock(t, h.as(s, "hub.local")), what)
				require.Equal(t, "hub.local", d.last(t).ServerName)

				err := d.knock(t, h.as(s, ""))
				if c.must(h.sniOnly) {
					require.Error(t, err, what)
					require.ErrorContains(t, d.lastError(), noName, what)
				} else {
					require.NoError(t, err, what)
					require.Empty(t, d.last(t).ServerName)
				}
				// Nobody who comes another way is looked at less closely.
				creds := shown(h.cert)
				creds.TLS.ServerName = ""
				_, err = s.Authenticate(t.Context(), creds)
				if c.must(h.sniOnly) {
					refused(t, err, noName)
				} else if err != nil {
					refused(t, err, "is PENDING_ACTIVATION")
				}

				err = d.knock(t, h.as(s, "other.local"))
				if c.other {
					require.NoError(t, err, what)
				} else {
					require.Error(t, err, what)
					require.ErrorContains(t, d.lastError(), `asks for the server "other.local", expected hub.local`, what)
				}
			}
			err := d.knock(t, &tls.Config{RootCAs: s.CAPool()})
			require.Equal(t, c.names == nil || c.optional, err == nil, "without a certificate: %v", err)
		})
	}
}

// Without a name nothing is registered just in time with a CA that is SNI_ONLY, and with
// one that is not the certificate is none of the other's.
func TestSNIJustInTime(t *testing.T) {
	t.Parallel()
	p := &publisher{}
	s := newService(t, func(c *certs.Config) { c.Events = p }, knownByName)
	a := newCA(t, "plant")
	registerCA(t, s, a, func(in *certs.RegisterCAInput) { in.Mode, in.Verification = certs.SNIOnly, "" })
	leaf, _ := a.device(t)
	creds := shown(leaf)
	creds.TLS.ServerName = ""
	_, err := s.Authenticate(t.Context(), creds)
	refused(t, err, noName, "of a CA that is SNI_ONLY")
	require.Empty(t, p.take())
	_, err = s.DescribeCertificate(t.Context(), certs.Fingerprint(leaf))
	is(t, err, certs.ErrNotFound)

	again := &testCA{key: a.key}
	again.cert = a.sign(t, a.key.Public(), func(c *x509.Certificate) {
		*c = *a.cert
		c.SerialNumber = serial(t)
	})
	ca := registerCA(t, s, again)
	_, err = s.Authenticate(t.Context(), creds)
	refused(t, err, "is PENDING_ACTIVATION")
	d, err := s.DescribeCertificate(t.Context(), certs.Fingerprint(leaf))
	require.NoError(t, err)
	require.Equal(t, certs.Default, d.Mode)
	require.Equal(t, ca, d.CA)
	require.Len(t, p.take(), 1)
}

// oneSession has one session for all servers, whatever their name.
type oneSession struct{ s *tls.ClientSessionState }

func (c *oneSession) Get(string) (*tls.ClientSessionState, bool) { return c.s, c.s != nil }
func (c *oneSession) Put(_ string, s *tls.ClientSessionState)    { c.s = s }

// A session that was begun with a server name is not resumed without one.
func TestSNIResumption(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, knownByName)
			base := server(t, s)
			base.MaxVersion = version
			var resumed bool
			base.VerifyConnection = func(cs tls.ConnectionState) error {
				resumed = cs.DidResume
				return nil
			}
			d := open(t, s.TLSConfig(base))
			for what, h := range holders(t, s) {
				cache := &oneSession{}
				as := func(name string) *tls.Config {
					cfg := h.as(s, name)
					cfg.ClientSessionCache = cache
					return cfg
				}
				require.NoError(t, d.knock(t, as("hub.local")), what)
				require.NoError(t, d.knock(t, as("hub.local")), what)
				require.True(t, resumed, "else this test tests nothing")
				err := d.knock(t, as(""))
				require.True(t, resumed, what)
				if h.sniOnly {
					require.Error(t, err, what)
					require.ErrorContains(t, d.lastError(), noName)
				} else {
					require.NoError(t, err, what)
				}
			}
		})
	}
}

// The same over MQTT and HTTPS, on listeners of the hub and on those of a host that looks
// at nothing itself.
func TestSNIOverMQTTAndHTTPS(t *testing.T) {
	t.Parallel()
	h := newLiveHub(t, func(c *thinghub.Config) { knownByName(&c.CertificateConfig) })
	all := holders(t, h.certs)
	base := server(t, h.certs)
	own := base.Clone()
	own.ClientAuth = tls.RequireAnyClientCert
	checked := map[string]string{
		"MQTT":  h.mqtts(t, h.certs.TLSConfig(base)),
		"HTTPS": h.https(t, base, h.ConfigureServer),
	}
	unchecked := map[string]string{"MQTT": h.mqtts(t, own), "HTTPS": h.https(t, own.Clone(), func(*http.Server) {})}
	mqtt := func(addr string, cfg *tls.Config) byte {
		cfg.NextProtos = []string{certs.ALPNMQTT}
		c, code := dial(t, addr, "pump", cfg)
		if c != nil {
			_ = c.tls.Close()
		}
		return code
	}
	for _, what := range []string{"made here", "of an ordinary CA", "of an SNI_ONLY CA", "without a CA", "without a CA, vouched for"} {
		who := all[what]
		for _, name := range []string{"hub.local", ""} {
			in := name != "" || !who.sniOnly
			for _, addr := range checked { // both speak MQTT
				require.Equal(t, in, mqtt(addr, who.as(h.certs, name)) == 0, "%s as %q", what, name)
			}
			require.Equal(t, map[bool]int{true: http.StatusOK}[in], publish(t, checked["HTTPS"], who.as(h.certs, name)), "%s as %q", what, name)

			cfg := who.as(h.certs, name)
			require.Equal(t, map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[in], publish(t, unchecked["HTTPS"], cfg), "%s as %q", what, name)
			c, code := dial(t, unchecked["MQTT"], "pump", cfg)
			require.Equal(t, map[bool]broker.ReasonCode{true: broker.Success, false: broker.NotAuthorized}[in], broker.ReasonCode(code), "%s as %q", what, name)
			if c != nil {
				_ = c.tls.Close()
			}
		}
	}
}

// openssl's client with and without -servername.
func TestOpensslSNI(t *testing.T) {
	t.Parallel()
	s := newService(t, knownByName)
	o := newOpenssl(t)
	o.authority(t)
	_, _, err := s.RegisterCACertificate(t.Context(), certs.RegisterCAInput{PEM: o.read(t, "ca.pem"), Mode: certs.SNIOnly, SetAsActive: true, AllowAutoRegistration: true})
	require.NoError(t, err)
	_, err = s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: o.device(t, "registered", "pump-1"), SetAsActive: true})
	require.NoError(t, err)
	o.device(t, "fresh", "pump-2") // may be registered just in time
	o.run(t, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "alone.key", "-out", "alone.pem", "-subj", "/CN=pump", "-days", "1")
	_, err = s.RegisterCertificateWithoutCA(t.Context(), certs.RegisterInput{PEM: o.read(t, "alone.pem"), SetAsActive: true})
	require.NoError(t, err)
	out, _ := issue(t, s)
	o.write(t, "made.pem", out.PEM)
	o.write(t, "made.key", out.Keys.PrivateKey)

	d := open(t, s.TLSConfig(server(t, s)))
	o.write(t, "hub.pem", s.CAPEM())
	call := func(version, name string, more ...string) (string, error) {
		return o.command(t, append([]string{
			"s_client", "-connect", d.addr, "-CAfile", "hub.pem", "-verify_return_error", "-cert", name + ".pem", "-key", name + ".key", "-ign_eof", version,
		}, more...)...)
	}
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		for name, sniOnly := range map[string]bool{"registered": true, "fresh": true, "alone": true, "made": false} {
			out, err := call(version, name, "-servername", "hub.local")
			require.NoError(t, err, out)
			require.Contains(t, out, greeting)
			for _, none := range [][]string{{"-noservername"}, nil} { // which it does not send for an IP address
				out, err = call(version, name, none...)
				if !sniOnly {
					require.NoError(t, err, out)
					require.Contains(t, out, greeting)
					continue
				}
				require.Error(t, err, out)
				require.NotContains(t, out, greeting)
				require.Contains(t, out, "bad certificate")
				require.ErrorContains(t, d.lastError(), noName)
			}
		}
	}
	text, err := call("-tls1_2", "registered", "-servername", "hub.local", "-sess_out", "session")
	require.NoError(t, err, text)
	text, err = call("-tls1_2", "registered", "-servername", "hub.local", "-sess_in", "session")
	require.NoError(t, err, text)
	require.Contains(t, text, "Reused, TLSv1.2")
	text, err = call("-tls1_2", "registered", "-noservername", "-sess_in", "session")
	require.Error(t, err, text)
	require.NotContains(t, text, greeting)
}
