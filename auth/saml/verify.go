package saml

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crewjam/saml"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
	"github.com/thinghub/thinghub/auth/sts"
)

// refuse is an error of an assertion that does not count.
func refuse(err error) error {
	return fmt.Errorf("%w: saml: %w", auth.ErrBadCredentials, web.Brief(err))
}

// Verify proves an assertion that answers no request, or one that Finish has taken, and
// returns what it says as a token. See the package's documentation for what must be right,
// and for the subject.
//
// The error wraps [auth.ErrTokenExpired] if all but its time is right,
// [auth.ErrUnavailable] if there is no metadata or the directory fails, and
// [auth.ErrBadCredentials] otherwise.
func (p *Provider) Verify(ctx context.Context, token string) (*auth.Token, error) {
	a, err := p.Assert(ctx, token)
	if err != nil {
		return nil, err
	}
	return a.Token(p.cfg.AllowEmail)
}

// VerifyAssertion is Verify for AssumeRoleWithSAML: sts.Config.SAML takes a Provider.
func (p *Provider) VerifyAssertion(ctx context.Context, assertion string) (*sts.Assertion, error) {
	a, err := p.Assert(ctx, assertion)
	if err != nil {
		return nil, err
	}
	return a.STS()
}

// Assert proves an assertion as Verify does, and returns all that it says. Errors are as of
// Verify.
func (p *Provider) Assert(ctx context.Context, encoded string) (*Assertion, error) {
	return p.assert(ctx, encoded, "")
}

// assert proves an assertion that answers request; if that is empty, one that answers none
// or that Finish has taken.
func (p *Provider) assert(ctx context.Context, encoded, request string) (*Assertion, error) {
	text, err := decode(encoded, p.cfg.MaxBytes)
	if err != nil {
		return nil, refuse(err)
	}
	s, err := look(text)
	if err != nil {
		return nil, refuse(err)
	}
	idp, snapshot, err := p.current(ctx)
	if err != nil {
		return nil, err
	}
	taken := ""
	if request == "" && s.answers != "" && p.cfg.Directory != nil {
		if taken, err = p.used.answer(ctx, idp.EntityID, s.answers); err != nil {
			return nil, err
		}
		if taken != "" {
			request = s.answers
		}
	}
	a, err := p.prove(ctx, idp, text, s, request)
	if errors.Is(err, saml.ErrInvalidSignature) {
		next, outage := p.newer(ctx, snapshot)
		if outage != nil {
			return nil, outage
		}
		if next != nil {
			a, err = p.prove(ctx, next, text, s, request)
		}
	}
	if err == nil && taken != "" && a.ID != taken {
		return nil, refuse(errors.New("the request was answered with another assertion"))
	}
	return a, err
}

// prove proves an assertion by metadata.
func (p *Provider) prove(ctx context.Context, idp *saml.EntityDescriptor, text []byte, s shape, request string) (*Assertion, error) {
	now := p.cfg.Now()
	service := p.service(idp, now)
	if !p.cfg.Reusable {
		service.ReplayCache = p.used.by(ctx, idp.EntityID, now)
	}
	got, err := p.parse(service, text, s, request, now)
	if err == nil {
		return newAssertion(got, p.cfg.ACSURL), nil
	}
	switch {
	case errors.Is(err, auth.ErrUnavailable):
		return nil, err
	case errors.Is(err, saml.ErrExpired) && p.wasGood(idp, text, s, request):
		return nil, fmt.Errorf("saml: %w", auth.ErrTokenExpired)
	}
	return nil, &refusal{err}
}

// A refusal keeps the library's error for errors.Is, and shows less of it.
type refusal struct{ err error }

func (r *refusal) Error() string {
	cause := r.err
	if e, ok := errors.AsType[*saml.InvalidResponseError](cause); ok && e.PrivateErr != nil {
		cause = e.PrivateErr
	}
	return refuse(cause).Error()
}

func (r *refusal) Unwrap() []error { return []error{auth.ErrBadCredentials, r.err} }

// parse has the library check a response.
func (p *Provider) parse(service *saml.ServiceProvider, text []byte, s shape, request string, now time.Time) (*saml.Assertion, error) {
	var requests []string
	if request == "" {
		service.AllowIDPInitiated = true
	} else {
		requests = []string{request}
	}
	if s.bare {
		if request != "" { // which would be said of the response
			return nil, errors.New("an assertion without a response around it answers no request")
		}
		text = wrap(text, now)
	}
	return service.ParseXMLResponse(text, requests, p.acs)
}

// wasGood reports whether an assertion was right in all but its time: at the time when it
// was issued it would have been accepted. The library looks at some times before it looks
// at the signature.
func (p *Provider) wasGood(idp *saml.EntityDescriptor, text []byte, s shape, request string) bool {
	if s.issued.IsZero() {
		return false
	}
	then := s.issued.Add(time.Second)
	_, err := p.parse(p.service(idp, then), text, s, request, then)
	return err == nil
}
