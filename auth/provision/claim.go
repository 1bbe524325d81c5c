package provision

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// A claimRecord is what the directory has of a claim; its id is the certificate's.
type claimRecord struct {
	Template string    `json:"template"`
	Expires  time.Time `json:"expires"`
	// Deleted says that the certificate is.
	Deleted bool `json:"deleted,omitempty"`
}

// A ProvisioningClaim is a claim with its certificate and keys.
type ProvisioningClaim struct {
	NewCertificate
	// Expires is five minutes from now.
	Expires time.Time
}

// CreateProvisioningClaim makes a certificate for one device, which whoever installs it
// hands over to it: for five minutes it may connect and run this template, and nothing
// else. See [Service.Claim] for how the hub knows it.
//
// Errors: ErrInvalid, ErrNotFound (no such template), ErrConflict (it is switched off,
// or not for fleet provisioning).
func (s *Service) CreateProvisioningClaim(ctx context.Context, template string) (ProvisioningClaim, error) {
	t, _, err := s.template(ctx, template)
	if err != nil {
		return ProvisioningClaim{}, err
	}
	if t.Type != FleetProvisioning || !t.Enabled {
		return ProvisioningClaim{}, failf(ErrConflict, "the provisioning template %s is not enabled, or not of type %s", template, FleetProvisioning)
	}
	// Certificates know seconds.
	expires := time.Now().Add(ClaimLife).Truncate(time.Second)
	c, err := s.cfg.Certificates.CreateClaim(ctx, Claim{Template: template, Expires: expires, Policy: s.ClaimPolicy(template)})
	if err != nil {
		return ProvisioningClaim{}, fmt.Errorf("provision: create claim: %w", err)
	}
	// Nobody has the private key yet, so that the record is in time.
	r := claimRecord{Template: template, Expires: expires}
	if err := s.cfg.Directory.Commit(ctx, s.claims.Put(r, 0, c.ID)); err != nil {
		s.cleanUp(ctx, func(ctx context.Context) error { return s.discard(ctx, c.ID, Active) })
		return ProvisioningClaim{}, fmt.Errorf("provision: directory: %w", err)
	}
	return ProvisioningClaim{NewCertificate: c, Expires: expires}, nil
}

// Claim says whether a certificate is that of a provisioning claim, and of which. Who
// authenticates certificates asks it: an identity of a claim ends with Expires and has
// what Policy allows. An expired claim is found for a day more.
func (s *Service) Claim(ctx context.Context, certificateID string) (c Claim, found bool, err error) {
	e, err := s.claims.Find(ctx, certificateID)
	if err != nil {
		return c, false, fmt.Errorf("provision: directory: %w", err)
	}
	if e.Revision == 0 {
		return c, false, nil
	}
	return Claim{CertificateID: certificateID, Template: e.Value.Template, Expires: e.Value.Expires, Policy: s.ClaimPolicy(e.Value.Template)}, true, nil
}

// ClaimPolicy returns the policy document for claim certificates of a template: they may
// connect under any client id, publish requests, subscribe to the answers and receive
// them. The hub's own claims have it; attach it to claim certificates that are built
// into devices.
func (s *Service) ClaimPolicy(template string) string {
	topics := []string{"$aws/certificates/create/*", "$aws/certificates/create-from-csr/*", "$aws/provisioning-templates/" + template + "/provision/*"}
	names := func(kind string) (out []string) {
		for _, t := range topics {
			out = append(out, s.cfg.Scope.IoT(kind+"/"+t))
		}
		return out
	}
	type statement struct {
		Effect   string
		Action   []string
		Resource []string
	}
	b, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{
		{"Allow", []string{"iot:Connect"}, []string{s.cfg.Scope.IoT("client/*")}},
		{"Allow", []string{"iot:Publish", "iot:Receive"}, names("topic")},
		{"Allow", []string{"iot:Subscribe"}, names("topicfilter")},
	}})
	if err != nil {
		return "" // text can always be written
	}
	return string(b)
}

// permit says whether a principal may ask at all, and for this template if it is not
// empty: a claim only for its own, and not when it has expired.
func (s *Service) permit(ctx context.Context, principal, template string) error {
	if principal == "" {
		return failf(ErrDenied, "nobody knows who asks")
	}
	c, found, err := s.Claim(ctx, principal)
	switch {
	case err != nil || !found:
		return err
	case !time.Now().Before(c.Expires):
		return failf(ErrDenied, "the provisioning claim has expired")
	case template != "" && template != c.Template:
		return failf(ErrDenied, "the provisioning claim is for another template")
	}
	return nil
}

// cleanUp does what must be done after a failure, although the requester may have left.
func (s *Service) cleanUp(ctx context.Context, do ...func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	for _, f := range do {
		if err := f(ctx); err != nil {
			s.cfg.Logger.Warn("provision: cleaning up after a failure has failed", "err", err)
		}
	}
}
