package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// The formats of payloads.
const (
	formatJSON = "json"
	formatCBOR = "cbor"
)

// An operation is what a topic asks for.
type operation uint8

const (
	none operation = iota
	createKeys
	createFromCSR
	provision
)

// parseTopic takes a request topic apart. op is none for every other topic.
func parseTopic(topic string) (op operation, template, format string) {
	rest, ok := strings.CutPrefix(topic, "$aws/")
	if !ok {
		return none, "", ""
	}
	if f, ok := strings.CutPrefix(rest, "certificates/create/"); ok {
		op, format = createKeys, f
	} else if f, ok := strings.CutPrefix(rest, "certificates/create-from-csr/"); ok {
		op, format = createFromCSR, f
	} else if name, ok := strings.CutPrefix(rest, "provisioning-templates/"); ok {
		template, format, ok = strings.Cut(name, "/provision/")
		if !ok || template == "" || strings.Contains(template, "/") {
			return none, "", ""
		}
		op = provision
	}
	if format != formatJSON && format != formatCBOR {
		return none, "", ""
	}
	return op, template, format
}

// IsRequest reports whether a topic is one of those that [Service.Handle] works. It does
// not allocate.
func IsRequest(topic string) bool {
	op, _, _ := parseTopic(topic)
	return op != none
}

// Handle works a message on one of the request topics, and publishes the answer on the
// same topic with "/accepted" or "/rejected" behind it, exactly one of them. handled is
// false, and nothing has happened, for any other topic. err is for the host: something
// has failed inside (the device was told 500), or the answer could not be published. A
// refused request is no error.
//
// Handle waits for the directory, for the making of keys and for the hook: up to half a
// minute. Do not call it on a goroutine that others wait for. Nothing of payload is
// kept.
//
// The requests, the answers and what they mean stand in the package's documentation.
func (s *Service) Handle(ctx context.Context, topic string, payload []byte, by Requester) (handled bool, err error) {
	op, template, format := parseTopic(topic)
	if op == none {
		return false, nil
	}
	if s.cfg.Publisher == nil {
		return true, errors.New("provision: Config.Publisher is nil, expected one that takes the answers")
	}
	topic = strings.Clone(topic) // it may be memory that is used again
	template = strings.Clone(template)
	answer, err := s.work(ctx, op, template, format, payload, by)
	s.audit(op, template, by, err)
	end := "/accepted"
	if err != nil {
		r, internal := rejection(err)
		answer, end = r, "/rejected"
		if !internal {
			err = nil
		}
	}
	b, encodeErr := encode(format, answer)
	if encodeErr != nil {
		return true, errors.Join(err, encodeErr)
	}
	if publishErr := s.cfg.Publisher.Publish(ctx, by, topic+end, b); publishErr != nil {
		err = errors.Join(err, fmt.Errorf("provision: publish the answer on %s: %w", topic+end, publishErr))
	}
	return true, err
}

// work does what a request asks for and returns the answer.
func (s *Service) work(ctx context.Context, op operation, template, format string, payload []byte, by Requester) (any, error) {
	if over(len(payload), s.limits.Payload) {
		return nil, failf(ErrPayload, "the payload has %d bytes, expected at most %d", len(payload), s.limits.Payload)
	}
	select {
	case s.working <- struct{}{}:
		defer func() { <-s.working }()
	default:
		return nil, failf(ErrThrottled, "too many requests are being worked, try again later")
	}
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	if err := s.permit(ctx, by.Principal, template); err != nil {
		return nil, err
	}
	var m message
	if op != createKeys { // whose payload is empty, and ignored if it is not
		var err error
		if m, err = decode(format, payload); err != nil {
			return nil, err
		}
	}
	switch op {
	case createKeys:
		return s.createKeys(ctx, by)
	case createFromCSR:
		return s.createFromCSR(ctx, m, by)
	default:
		return s.provision(ctx, template, m, by)
	}
}

// createKeys makes keys and a certificate.
func (s *Service) createKeys(ctx context.Context, by Requester) (any, error) {
	var c NewCertificate
	token, err := s.create(ctx, by.Principal, func() (Certificate, error) {
		var err error
		c, err = s.cfg.Certificates.CreateKeys(ctx)
		return c.Certificate, err
	})
	return keysCreated{CertificateID: c.ID, CertificatePEM: c.PEM, PrivateKey: c.PrivateKey, Token: token}, err
}

// createFromCSR makes a certificate for the device's own keys.
func (s *Service) createFromCSR(ctx context.Context, m message, by Requester) (any, error) {
	if m.csr == nil || *m.csr == "" {
		return nil, &Error{Kind: ErrPayload, Field: "certificateSigningRequest", Want: "a certificate signing request in PEM", Message: "certificateSigningRequest is missing or empty, expected a certificate signing request in PEM"}
	}
	var c Certificate
	token, err := s.create(ctx, by.Principal, func() (Certificate, error) {
		var err error
		c, err = s.cfg.Certificates.CreateFromCSR(ctx, *m.csr)
		return c, err
	})
	if errors.Is(err, ErrInvalid) {
		if _, ok := errors.AsType[*Error](err); !ok {
			err = &Error{Kind: ErrInvalid, Field: "certificateSigningRequest", Want: "a certificate signing request in PEM", Message: "certificateSigningRequest cannot be signed: " + shorten(err.Error()), Err: err}
		}
	}
	return certificateCreated{Token: token, CertificateID: c.ID, CertificatePEM: c.PEM}, err
}

// create makes a certificate and its ownership token.
func (s *Service) create(ctx context.Context, principal string, make func() (Certificate, error)) (token string, err error) {
	reserved, err := s.reserve(ctx, principal)
	if err != nil {
		return "", err
	}
	drop := func(ctx context.Context) error { return s.drop(ctx, tokenKey(reserved)) }
	c, err := make()
	if err != nil {
		s.cleanUp(ctx, drop)
		if !errors.Is(err, ErrInvalid) {
			err = fmt.Errorf("provision: create a certificate: %w", err)
		}
		return "", err
	}
	if token, err = s.issue(ctx, reserved, principal, c.ID); err != nil {
		s.cleanUp(ctx, func(ctx context.Context) error { return s.discard(ctx, c.ID, PendingActivation) }, drop)
		return "", err
	}
	return token, nil
}
