package provision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
)

// makeCertificate finds or makes the certificate, and says what status it is to have.
// Until the end a new one stays what it is when it is new: of no use to anybody.
func (a *application) makeCertificate(ctx context.Context, p *CertificatePlan) error {
	c, fresh, err := a.findCertificate(ctx, p)
	if err != nil {
		return err
	}
	a.certificate, a.status = c, p.Status
	switch {
	case fresh:
		a.later(func(ctx context.Context) error { return a.cfg.Certificates.Delete(ctx, c.ID, c.Status) })
	case c.Status == PendingActivation: // it waits for just this
	case c.Status != Active && c.Status != Inactive:
		return failf(ErrConflict, "it is %s", c.Status)
	case p.OnStatus == DoNothing:
		a.status = c.Status
	case p.OnStatus == Fail && c.Status != p.Status:
		return failf(ErrConflict, "it is %s already", c.Status)
	}
	return nil
}

// certificate returns the id of the plan's certificate, empty if it is still to be made.
func (p *Plan) certificate() (string, error) {
	c := p.Certificate
	switch {
	case c == nil:
		return "", nil
	case c.PEM == "":
		return c.ID, nil
	}
	block, _ := pem.Decode([]byte(c.PEM))
	if block == nil || block.Type != "CERTIFICATE" {
		return "", wrong(ErrRegistration, "CertificatePem", c.PEM, "a certificate in PEM")
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:]), nil
}

// findCertificate returns the certificate; fresh says that it was made here.
func (a *application) findCertificate(ctx context.Context, p *CertificatePlan) (c Certificate, fresh bool, err error) {
	switch {
	case p.ID != "":
		c, err = a.cfg.Certificates.Describe(ctx, p.ID)
		return c, false, err
	case p.CSR != "":
		c, err = a.cfg.Certificates.CreateFromCSR(ctx, p.CSR)
		return c, err == nil, err
	}
	id, err := a.plan.certificate()
	if err != nil {
		return c, false, err
	}
	for range tries {
		if c, err = a.cfg.Certificates.Describe(ctx, id); !errors.Is(err, ErrNotFound) {
			return c, false, err
		}
		if c, err = a.cfg.Certificates.Register(ctx, p.PEM, p.CAPEM); !errors.Is(err, ErrExists) {
			return c, err == nil, err
		}
	}
	return c, false, err
}

// makePolicy attaches a policy to the certificate, and makes it if the template has its
// document.
func (a *application) makePolicy(ctx context.Context, p PolicyPlan) error {
	var err error
	for range tries {
		if err = a.createPolicy(ctx, p); err != nil {
			return err
		}
		var fresh bool
		if fresh, err = a.cfg.Policies.Attach(ctx, p.Name, a.principal()); err == nil {
			if target := a.principal(); fresh {
				a.later(func(ctx context.Context) error { return a.cfg.Policies.Detach(ctx, p.Name, target) })
			}
			return nil
		}
		// Another registration that made the policy may have taken it back.
		if p.Document == "" || !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return err
}

func (a *application) createPolicy(ctx context.Context, p PolicyPlan) error {
	if p.Document == "" {
		_, err := a.cfg.Policies.Document(ctx, p.Name)
		return err
	}
	err := a.cfg.Policies.Create(ctx, p.Name, p.Document)
	switch {
	case err == nil:
		a.later(func(ctx context.Context) error { return a.cfg.Policies.Delete(ctx, p.Name) })
	case errors.Is(err, ErrExists):
		return nil
	}
	return err
}
