package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/thinghub/thinghub/auth"
)

// Authenticate recognises clients by the certificate of their TLS connection, and by
// nothing else: whoever presents none is auth.ErrUnrecognised, whatever else it sent.
// The TLS handshake has proved that the client has the key; see [Service.TLSConfig].
//
// The certificate must be registered, Active, within its validity and, if it says what
// it is for, for clients and digital signatures. Who signed it does not matter. Any
// other one is refused with auth.ErrNotAuthorized, which is final in a Chain; so is a
// client that did not ask for the server by a name where Config.ServerNames wants that. A
// certificate that is not registered, but signed by an active CA with auto registration,
// is registered as PENDING_ACTIVATION, its event is published, and it is refused: the
// device is expected to come again. That happens here, with a CONNECT or a request, and
// not in the handshake, so that nobody fills the directory by knocking.
//
// The Principal is the certificate's id and the identity ends with the certificate.
func (s *Service) Authenticate(ctx context.Context, c *auth.Credentials) (*auth.Identity, error) {
	if c.TLS == nil || len(c.TLS.PeerCertificates) == 0 {
		return nil, auth.ErrUnrecognised
	}
	if err := s.checkServerName(c.TLS.ServerName); err != nil {
		return nil, err
	}
	leaf := c.TLS.PeerCertificates[0]
	sum := fingerprint(leaf)
	now, err := s.state(ctx, sum[:])
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return nil, s.unknown(ctx, string(sum[:]), leaf, c.TLS.ServerName)
	case err != nil:
		return nil, err
	}
	id := now.id
	if err := usable(leaf, s.now()); err != nil {
		return nil, refuse("certificate %s %w", id, err)
	}
	if err := s.checkMode(id, now.sniOnly, c.TLS.ServerName); err != nil {
		return nil, err
	}
	switch {
	case now.status == Active:
		return &auth.Identity{
			Principal: id, Kind: auth.Certificate, ARN: now.arn, Certificate: leaf, Expires: leaf.NotAfter, Check: now.check,
		}, nil
	case now.status == PendingActivation && now.jit:
		if err := s.announce(ctx, id, leaf); err != nil {
			return nil, err
		}
	}
	return nil, inactive(id, now.status)
}

// unknown deals with a certificate that is not registered. It always returns an error.
func (s *Service) unknown(ctx context.Context, id string, c *x509.Certificate, serverName string) error {
	ca, err := s.registrar(ctx, id, c, serverName)
	if err != nil {
		return err
	}
	r := record{PEM: certificatePEM(c.Raw), CA: ca.id, Mode: ca.Mode, Status: PendingActivation, JIT: true}
	err = s.insert(ctx, id, &r, c)
	if err != nil && !errors.Is(err, ErrExists) { // else another connection was faster
		return err
	}
	if err := s.recheck(ctx, id, c); errors.Is(err, ErrState) {
		return refuse("certificate %s is on the CRL of its CA", id)
	} else if err != nil {
		return err
	}
	if err := s.announce(ctx, id, c); err != nil {
		return err
	}
	return inactive(id, PendingActivation)
}

// registrar returns the CA that registers c just in time, for a client that asked for the
// server by that name. The error is a refusal, or says that nobody can tell.
func (s *Service) registrar(ctx context.Context, id string, c *x509.Certificate, serverName string) (*registeredCA, error) {
	all, err := s.issuers(ctx, c)
	if err != nil {
		return nil, err
	}
	var by *registeredCA
	owed := false
	for _, ca := range all {
		if ca.Status != CAActive || ca.Auto != Enable || s.now().After(ca.certificate.NotAfter) {
			continue
		}
		if ca.Mode == SNIOnly && s.nameless(serverName) {
			owed = true
			continue
		}
		by = ca
		break
	}
	switch {
	case by == nil && owed:
		return nil, refuse("certificate %s is of a CA that is SNI_ONLY and the client sent no server name (SNI)", id)
	case by == nil:
		return nil, refuse("certificate %s is not registered", id)
	}
	if err := usable(c, s.now()); err != nil {
		return nil, refuse("certificate %s %w", id, err)
	}
	if err := checkKey(c.PublicKey); err != nil {
		return nil, refuse("certificate %s has %w", id, err)
	}
	if c.IsCA {
		return nil, refuse("certificate %s is the certificate of a CA", id)
	}
	if len(certificatePEM(c.Raw)) > maxCertificate {
		return nil, refuse("certificate %s has %d bytes", id, len(c.Raw))
	}
	err = s.refuseRevoked(ctx, c, ErrState)
	if errors.Is(err, ErrState) {
		return nil, refuse("certificate %s is on the CRL of its CA", id)
	}
	if err != nil {
		return nil, err
	}
	return by, s.refuseTwin(ctx, id, c)
}

// refuseTwin refuses a certificate that says the same as one that is registered. An
// ECDSA signature can be written in two ways by anybody, and with it the id changes: the
// owner of a certificate that was shut out must not come back with the other one.
func (s *Service) refuseTwin(ctx context.Context, id string, c *x509.Certificate) error {
	issuer, serial := serialKey(c)
	for i, err := range s.serials.List(ctx, []string{s.tenant, issuer, serial}, nil) {
		if err != nil {
			return fmt.Errorf("certs: find the twins of certificate %s: %w", id, err)
		}
		e, err := s.get(ctx, i.ID[3])
		if errors.Is(err, ErrNotFound) || i.ID[3] == id {
			continue
		}
		if err != nil {
			return err
		}
		other, err := parseCertificate("certificatePem", e.Value.PEM)
		if err != nil {
			return fmt.Errorf("certs: certificate %s is damaged: %w", i.ID[3], err)
		}
		if bytes.Equal(other.RawTBSCertificate, c.RawTBSCertificate) {
			return refuse("certificate %s is certificate %s with another signature", id, i.ID[3])
		}
	}
	return nil
}

// A registered is the event of a just-in-time registration, as AWS IoT sends it. The
// last member is null there.
type registered struct {
	ID        string  `json:"certificateId"`
	CA        string  `json:"caCertificateId"`
	Timestamp int64   `json:"timestamp"` // milliseconds
	Status    Status  `json:"certificateStatus"`
	Account   string  `json:"awsAccountId"`
	At        *string `json:"certificateRegistrationTimestamp"`
}

// announce tells the world of a certificate that is pending because of its CA: with the
// event, and by having it provisioned if the CA has a template. It does nothing if the
// CA does not register any more.
func (s *Service) announce(ctx context.Context, id string, c *x509.Certificate) error {
	e, err := s.get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	ca, err := s.registeredCA(ctx, e.Value.CA)
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if e.Value.Status != PendingActivation || ca.Status != CAActive || ca.Auto != Enable {
		return nil
	}
	if s.cfg.Events != nil {
		payload, err := json.Marshal(registered{ID: id, CA: ca.id, Timestamp: s.now().UnixMilli(), Status: PendingActivation, Account: s.cfg.Scope.Account})
		if err != nil {
			return fmt.Errorf("certs: write the event of certificate %s: %w", id, err)
		}
		if err := s.cfg.Events.Publish(ctx, "$aws/events/certificates/registered/"+ca.id, payload); err != nil {
			s.cfg.Logger.Warn("certs: the event of a registration was not published", "certificate", id, "err", err)
		}
	}
	if s.cfg.Provision == nil || !ca.Config.provisions() {
		return nil
	}
	if _, busy := s.jitp.LoadOrStore(id, true); busy {
		return nil
	}
	defer s.jitp.Delete(id)
	err = s.cfg.Provision(ctx, JITP{ID: id, ARN: s.ARN(id), CA: ca.id, PEM: e.Value.PEM, Certificate: c, Config: *ca.Config})
	if err != nil {
		s.cfg.Logger.Warn("certs: a certificate was not provisioned", "certificate", id, "ca", ca.id, "err", err)
	}
	return nil
}
