package provision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
)

// provision runs a template for the owner of a token.
func (s *Service) provision(ctx context.Context, template string, m message, by Requester) (any, error) {
	token := ""
	if m.token != nil {
		token = *m.token
	}
	if err := checkParameters(m.parameters); err != nil {
		return nil, err
	}
	id, certificate, err := s.take(ctx, token, by.Principal)
	if err != nil {
		return nil, err
	}
	r, err := s.runFleet(ctx, template, m.parameters, by, certificate)
	if err != nil {
		// What went wrong may be put right: the token stays good.
		s.cleanUp(ctx, func(ctx context.Context) error { return s.release(ctx, id) })
		return nil, err
	}
	// The token is worth nothing any more, since its certificate waits no longer. If it
	// cannot be deleted now, Run does it when it has expired.
	s.cleanUp(ctx, func(ctx context.Context) error { return s.drop(ctx, id) })
	return registered{DeviceConfiguration: r.DeviceConfiguration, ThingName: r.ThingName}, nil
}

func (s *Service) runFleet(ctx context.Context, name string, parameters map[string]string, by Requester, certificate string) (Registration, error) {
	t, v, err := s.current(ctx, name)
	if err == nil && (!t.Enabled || t.Type != FleetProvisioning) {
		err = failf(ErrNotFound, "no provisioning template %s is enabled for fleet provisioning", name)
	}
	if errors.Is(err, ErrInvalid) { // a name that no template can have
		err = failf(ErrNotFound, "there is no provisioning template %s", shorten(name))
	}
	if err != nil {
		return Registration{}, err
	}
	parsed, err := parseFor(v.Body, t.Type)
	if err != nil {
		return Registration{}, fmt.Errorf("provision: the template %s of the directory cannot be read: %w", name, hide(err))
	}
	// A device cannot give the parameters that only the hub knows.
	values, foreign := make(map[string]string, len(parameters)+1), make(map[string]bool, len(parameters))
	for k, v := range parameters {
		if !strings.HasPrefix(k, fromCertificate) {
			values[k], foreign[k] = v, true
		}
	}
	c, err := s.cfg.Certificates.Describe(ctx, certificate)
	if err != nil {
		return Registration{}, failed(err, "the certificate")
	}
	if c.Status != PendingActivation {
		return Registration{}, failf(ErrToken, "certificateOwnershipToken was used: the certificate is %s", c.Status)
	}
	overrides, err := s.ask(ctx, t.Hook, HookRequest{
		ClaimCertificateID: by.Principal, CertificateID: c.ID, CertificatePEM: c.PEM,
		TemplateARN: s.TemplateARN(name), ClientID: by.ClientID, Parameters: maps.Clone(values),
	})
	if err != nil {
		return Registration{}, err
	}
	for k, v := range overrides {
		values[k] = v
		delete(foreign, k)
	}
	if err := checkParameters(values); err != nil {
		return Registration{}, err
	}
	values[certificateID] = certificate
	p, err := parsed.evaluate(values, foreign)
	if err != nil {
		return Registration{}, err
	}
	return s.apply(ctx, p)
}

// hide makes an internal failure of an error that would blame the device.
func hide(err error) error { return errors.New(err.Error()) }
