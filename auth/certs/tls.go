package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/thinghub/thinghub/auth"
)

// The protocols that clients of AWS IoT ask for with ALPN.
const (
	ALPNMQTT       = "x-amzn-mqtt-ca" // MQTT with a client certificate
	ALPNMQTTCustom = "mqtt"           // MQTT with a custom authorizer
	ALPNHTTP       = "x-amzn-http-ca" // HTTPS with a client certificate
	ALPNHTTP1      = "http/1.1"
)

// handshakeTime bounds how long a handshake waits for the directory.
const handshakeTime = 5 * time.Second

// TLSConfig returns a configuration for listeners: a copy of base, which may be nil,
// that asks clients for certificates and checks them in each handshake, resumed ones
// included. The certificate of the server is base's, from Certificates or
// GetCertificate; see [Service.IssueServer] and [Reloader].
//
// A client whose certificate is registered but not Active, or unknown, or not to be used
// now, fails in the handshake, and so does one that does not ask for the server by a name
// where Config.ServerNames and the mode of its certificate want that. One that would be
// registered just in time gets through; [Service.Authenticate] decides.
//
// Of base are kept: ClientAuth, unless it is tls.NoClientCert, which becomes
// tls.RequestClientCert (clients without a certificate may have other credentials; with
// tls.RequireAnyClientCert they are turned away); NextProtos, unless it is empty, which
// becomes all of ALPNMQTT, ALPNMQTTCustom, ALPNHTTP and ALPNHTTP1; MinVersion, unless it
// is below TLS 1.2; VerifyConnection, which is called first; GetConfigForClient, whose
// results are treated like base.
func (s *Service) TLSConfig(base *tls.Config) *tls.Config {
	if base == nil {
		base = &tls.Config{}
	}
	cfg := base.Clone()
	if cfg.MinVersion < tls.VersionTLS12 {
		cfg.MinVersion = tls.VersionTLS12
	}
	if cfg.ClientAuth == tls.NoClientCert {
		cfg.ClientAuth = tls.RequestClientCert
	}
	if len(cfg.NextProtos) == 0 {
		cfg.NextProtos = []string{ALPNMQTT, ALPNMQTTCustom, ALPNHTTP, ALPNHTTP1}
	}
	before := base.VerifyConnection
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		if before != nil {
			if err := before(cs); err != nil {
				return err
			}
		}
		err := s.verifyConnection(cs)
		if err != nil { // the client learns no more than "bad certificate"
			s.audit(cs, err)
		}
		return err
	}
	if choose := base.GetConfigForClient; choose != nil {
		var last wrapped
		cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			c, err := choose(hello)
			if c == nil || err != nil {
				return nil, err
			}
			return last.get(c, s.TLSConfig), nil
		}
	}
	return cfg
}

// wrapped remembers the last configuration that was treated: most hosts return one and
// the same, and its session tickets are only good as long as it is one.
type wrapped struct {
	mu      sync.Mutex
	in, out *tls.Config
}

func (w *wrapped) get(c *tls.Config, wrap func(*tls.Config) *tls.Config) *tls.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.in != c {
		w.in, w.out = c, wrap(c)
		w.out.GetConfigForClient = nil // crypto/tls does not ask twice
	}
	return w.out
}

func (s *Service) verifyConnection(cs tls.ConnectionState) error {
	if err := s.checkServerName(cs.ServerName); err != nil {
		return err
	}
	if len(cs.PeerCertificates) == 0 {
		return nil // ClientAuth has decided
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	leaf := cs.PeerCertificates[0]
	sum := fingerprint(leaf)
	id := string(sum[:])
	now, err := s.state(ctx, sum[:])
	if errors.Is(err, auth.ErrNotFound) {
		_, err = s.registrar(ctx, id, leaf, cs.ServerName)
		return err
	}
	if err != nil {
		return err
	}
	if now.status != Active && (now.status != PendingActivation || !now.jit) {
		return inactive(id, now.status)
	}
	if err := usable(leaf, s.now()); err != nil {
		return refuse("certificate %s %w", id, err)
	}
	return s.checkMode(id, now.sniOnly, cs.ServerName)
}

// checkServerName refuses clients that ask for another server, or for none where
// Config.ServerNames wants a name of everybody.
func (s *Service) checkServerName(name string) error {
	switch {
	case len(s.cfg.ServerNames) == 0, name == "" && s.cfg.OptionalServerName, s.serves(name):
		return nil
	case name == "":
		return refuse("the client sent no server name (SNI), expected %s", strings.Join(s.cfg.ServerNames, " or "))
	}
	return refuse("the client asks for the server %q, expected %s", shorten(name), strings.Join(s.cfg.ServerNames, " or "))
}

// checkMode refuses a certificate of mode SNIOnly to a client that sent no server name.
func (s *Service) checkMode(id string, sniOnly bool, name string) error {
	if sniOnly && s.nameless(name) {
		return refuse("certificate %s is SNI_ONLY and the client sent no server name (SNI)", id)
	}
	return nil
}

// nameless reports that a client with a certificate of mode SNIOnly owes the name of the
// server.
func (s *Service) nameless(name string) bool { return name == "" && len(s.cfg.ServerNames) > 0 }

// serves reports whether a name is one of the configured ones.
func (s *Service) serves(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(s.cfg.ServerNames, func(n string) bool {
		n = strings.ToLower(n)
		if domain, ok := strings.CutPrefix(n, "*"); ok {
			label, found := strings.CutSuffix(name, domain)
			return found && label != "" && !strings.Contains(label, ".")
		}
		return n == name
	})
}
