package certs

import (
	"crypto/tls"
	"fmt"

	"github.com/thinghub/thinghub/auth"
)

// audit tells that a handshake was refused. The certificate is named by the error and not
// as the principal: the client has not yet proved that it is its own.
func (s *Service) audit(cs tls.ConnectionState, err error) {
	outcome := auth.OutcomeOf(err)
	if outcome == auth.Failed {
		s.cfg.Logger.Warn("certs: a TLS handshake failed, because the client's certificate could not be looked up", "server", shorten(cs.ServerName), "err", err)
	}
	s.cfg.Audit(&auth.Event{
		Time: s.now(), Service: "tls", Operation: "Handshake", Outcome: outcome,
		Err: fmt.Errorf("a client of server %q: %w", shorten(cs.ServerName), err),
	})
}
