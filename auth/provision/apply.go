package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// tries is how often a step is begun anew because somebody else has changed the same
// resource meanwhile.
const tries = 4

// An application is a plan on its way to be true.
type application struct {
	*Service
	plan   *Plan
	result Registration
	// certificate is the plan's as it is, status what it is to become.
	certificate Certificate
	status      Status
	undo        []func(ctx context.Context) error
}

// apply makes a plan true, or changes nothing. The certificate becomes active last, when
// everything else is in place.
func (s *Service) apply(ctx context.Context, p *Plan) (Registration, error) {
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	id, err := p.certificate()
	if err != nil {
		return Registration{}, err
	}
	if id != "" {
		unlock, err := s.lock(ctx, id)
		if err != nil {
			return Registration{}, err
		}
		defer unlock()
	}
	a := &application{Service: s, plan: p, result: Registration{ResourceARNs: map[string]string{}, DeviceConfiguration: p.DeviceConfiguration}}
	if err := a.make(ctx); err != nil {
		a.rollback(ctx)
		return Registration{}, err
	}
	return a.result, nil
}

func (a *application) make(ctx context.Context) error {
	// The thing comes first: most refusals are about it, and cost nothing yet.
	if p := a.plan.Thing; p != nil {
		if err := a.makeThing(ctx, p); err != nil {
			return failed(err, "the thing %q", p.Name)
		}
		a.result.ThingName = p.Name
		a.result.ResourceARNs[p.Resource] = a.cfg.Scope.IoT("thing/" + p.Name)
	}
	if p := a.plan.Certificate; p != nil {
		if err := a.makeCertificate(ctx, p); err != nil {
			return failed(err, "the certificate")
		}
		a.result.CertificateID, a.result.CertificatePEM = a.certificate.ID, a.certificate.PEM
		a.result.ResourceARNs[p.Resource] = a.principal()
	}
	for _, p := range a.plan.Policies {
		if err := a.makePolicy(ctx, p); err != nil {
			return failed(err, "the policy %q", p.Name)
		}
		a.result.ResourceARNs[p.Resource] = a.cfg.Scope.IoT("policy/" + p.Name)
	}
	if a.plan.Thing != nil && a.plan.Certificate != nil {
		if err := a.attach(ctx, a.plan.Thing.Name); err != nil {
			return failed(err, "the certificate of the thing %q", a.plan.Thing.Name)
		}
	}
	if a.plan.Certificate != nil && a.status != a.certificate.Status {
		if err := a.cfg.Certificates.SetStatus(ctx, a.certificate.ID, a.certificate.Status, a.status); err != nil {
			return failed(err, "the certificate")
		}
	}
	return nil
}

// failed is the error of a step: what a device or its template is to blame for, or what
// the rooms cannot do.
func failed(err error, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	message := strings.TrimPrefix(err.Error(), "provision: ")
	if e, ok := errors.AsType[*Error](err); ok {
		message = e.Message
	}
	for _, k := range []struct{ is, becomes error }{
		{ErrConflict, ErrConflict},
		{ErrUpdateConflict, ErrUpdateConflict},
		{ErrNotFound, ErrRegistration},
		{ErrInvalid, ErrRegistration},
		{ErrExists, ErrRegistration},
		{ErrLimitExceeded, ErrRegistration},
		{ErrDeleteConflict, ErrRegistration},
	} {
		if errors.Is(err, k.is) {
			return &Error{Kind: k.becomes, Message: what + " cannot be registered: " + message, Err: err}
		}
	}
	return fmt.Errorf("provision: %s: %w", what, err)
}

// later adds what takes a step back.
func (a *application) later(undo func(ctx context.Context) error) { a.undo = append(a.undo, undo) }

// rollback takes all steps back, the last first. It goes on although the requester may
// have left. What others use meanwhile, or have taken away, is no failure.
func (a *application) rollback(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	for i := len(a.undo) - 1; i >= 0; i-- {
		err := a.undo[i](ctx)
		if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrDeleteConflict) || errors.Is(err, ErrUpdateConflict) {
			continue
		}
		a.cfg.Logger.Warn("provision: a step of a failed registration could not be undone", "thing", a.result.ThingName, "certificate", a.certificate.ID, "err", err)
	}
}

// principal is what things and policies are attached to.
func (a *application) principal() string { return a.cfg.Scope.IoT("cert/" + a.certificate.ID) }
