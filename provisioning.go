package thinghub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/registry"
)

// provisionKinds are what errors of other rooms are to provisioning. The first that fits
// counts.
var provisionKinds = []struct{ from, to error }{
	{certs.ErrNotFound, provision.ErrNotFound},
	{certs.ErrExists, provision.ErrExists},
	{certs.ErrState, provision.ErrUpdateConflict},
	{certs.ErrDeleteConflict, provision.ErrDeleteConflict},
	{certs.ErrLimitExceeded, provision.ErrLimitExceeded},
	{certs.ErrInvalid, provision.ErrInvalid},
	{certs.ErrValidation, provision.ErrInvalid},
	{certs.ErrConflict, provision.ErrInvalid},
	{registry.ErrNotFound, provision.ErrNotFound},
	{registry.ErrExists, provision.ErrExists},
	{registry.ErrVersion, provision.ErrUpdateConflict},
	{registry.ErrDeleteConflict, provision.ErrDeleteConflict},
	{registry.ErrLimitExceeded, provision.ErrLimitExceeded},
	{registry.ErrInvalid, provision.ErrInvalid},
	{access.ErrNotFound, provision.ErrNotFound},
	{access.ErrExists, provision.ErrExists},
	{access.ErrConflict, provision.ErrUpdateConflict},
	{access.ErrDeleteConflict, provision.ErrDeleteConflict},
	{access.ErrLimit, provision.ErrLimitExceeded},
	{access.ErrMalformed, provision.ErrInvalid},
	{access.ErrInvalid, provision.ErrInvalid},
}

func forProvisioning(err error) error {
	for _, k := range provisionKinds {
		if errors.Is(err, k.from) {
			return fmt.Errorf("%w: %w", k.to, err)
		}
	}
	return err
}

// provisionCertificates is how provisioning makes certificates.
type provisionCertificates struct {
	s        *certs.Service
	attached attachments
}

func issued(i certs.Issued, s certs.Status) provision.NewCertificate {
	return provision.NewCertificate{
		Certificate: provision.Certificate{ID: i.ID, PEM: i.PEM, Status: provision.Status(s)}, PublicKey: i.Keys.PublicKey, PrivateKey: i.Keys.PrivateKey,
	}
}

func (c provisionCertificates) CreateKeys(ctx context.Context) (provision.NewCertificate, error) {
	i, err := c.s.IssueKeys(ctx, certs.Terms{Status: certs.PendingActivation})
	return issued(i, certs.PendingActivation), forProvisioning(err)
}

func (c provisionCertificates) CreateFromCSR(ctx context.Context, csr string) (provision.Certificate, error) {
	i, err := c.s.IssueCSR(ctx, csr, certs.Terms{Status: certs.PendingActivation})
	return issued(i, certs.PendingActivation).Certificate, forProvisioning(err)
}

func (c provisionCertificates) CreateClaim(ctx context.Context, claim provision.Claim) (provision.NewCertificate, error) {
	i, err := c.s.IssueKeys(ctx, certs.Terms{Status: certs.Active, Unlisted: true, Until: claim.Expires})
	return issued(i, certs.Active), forProvisioning(err)
}

func (c provisionCertificates) Register(ctx context.Context, pem, ca string) (provision.Certificate, error) {
	in := certs.RegisterInput{PEM: pem, CA: ca, Status: certs.Inactive}
	register := c.s.RegisterCertificateWithoutCA
	if ca != "" {
		register = c.s.RegisterCertificate
	}
	i, err := register(ctx, in)
	return provision.Certificate{ID: i.ID, PEM: pem, Status: provision.Inactive}, forProvisioning(err)
}

func (c provisionCertificates) Describe(ctx context.Context, id string) (provision.Certificate, error) {
	d, err := c.s.DescribeCertificate(ctx, id)
	return provision.Certificate{ID: d.ID, PEM: d.PEM, Status: provision.Status(d.Status)}, forProvisioning(err)
}

func (c provisionCertificates) SetStatus(ctx context.Context, id string, from, to provision.Status) error {
	if from == provision.PendingActivation {
		return forProvisioning(c.s.Activate(ctx, id, certs.Status(to)))
	}
	if err := c.has(ctx, id, from); err != nil {
		return err
	}
	return forProvisioning(c.s.UpdateCertificate(ctx, id, certs.Status(to)))
}

func (c provisionCertificates) has(ctx context.Context, id string, s provision.Status) error {
	d, err := c.s.DescribeCertificate(ctx, id)
	if err != nil {
		return forProvisioning(err)
	}
	if d.Status != certs.Status(s) {
		return fmt.Errorf("%w: certificate %s is %s, expected %s", provision.ErrUpdateConflict, id, d.Status, s)
	}
	return nil
}

func (c provisionCertificates) Delete(ctx context.Context, id string, has provision.Status) error {
	if err := c.has(ctx, id, has); err != nil {
		return err
	}
	policies, things, err := c.attached.Attached(ctx, c.s.ARN(id))
	if err != nil {
		return forProvisioning(err)
	}
	if policies || things {
		return fmt.Errorf("%w: policies or things are attached to certificate %s", provision.ErrDeleteConflict, id)
	}
	switch has {
	case provision.PendingActivation:
		return forProvisioning(c.s.DeleteUnused(ctx, id))
	case provision.Active: // of a claim
		if err := c.s.UpdateCertificate(ctx, id, certs.Inactive); err != nil {
			return forProvisioning(err)
		}
	default:
	}
	return forProvisioning(c.s.DeleteCertificate(ctx, id, false))
}

// provisionThings is how provisioning registers things.
type provisionThings struct{ r *registry.Service }

func (p provisionThings) Describe(ctx context.Context, name string) (provision.Thing, error) {
	t, err := p.r.DescribeThing(ctx, name)
	if err != nil {
		return provision.Thing{}, forProvisioning(err)
	}
	out := provision.Thing{Name: t.Name, Type: t.Type, Attributes: t.Attributes, Version: t.Version}
	if out.BillingGroup, err = p.r.ThingBillingGroup(ctx, name); err != nil {
		return provision.Thing{}, forProvisioning(err)
	}
	out.Groups, err = p.r.StaticGroupsOf(ctx, name)
	return out, forProvisioning(err)
}

func (p provisionThings) Create(ctx context.Context, t provision.Thing) error {
	if _, err := p.r.DescribeThing(ctx, t.Name); err == nil { // which CreateThing may find good enough
		return fmt.Errorf("%w: thing %s", provision.ErrExists, t.Name)
	}
	_, err := p.r.CreateThing(ctx, registry.CreateThingInput{Name: t.Name, Type: t.Type, BillingGroup: t.BillingGroup, Attributes: t.Attributes})
	return forProvisioning(err)
}

func (p provisionThings) Update(ctx context.Context, t provision.Thing) (int64, error) {
	attributes := maps.Clone(t.Attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	u, err := p.r.UpdateThing(ctx, registry.UpdateThingInput{Name: t.Name, Type: t.Type, RemoveType: t.Type == "", Attributes: attributes, ExpectedVersion: &t.Version})
	return u.Version, forProvisioning(err)
}

func (p provisionThings) Delete(ctx context.Context, name string) error {
	if _, err := p.r.DescribeThing(ctx, name); err != nil { // which DeleteThing does not mind
		return forProvisioning(err)
	}
	return forProvisioning(p.r.DeleteThing(ctx, name, nil))
}

func (p provisionThings) Regroup(ctx context.Context, name string, join, leave []string) error {
	return forProvisioning(p.r.UpdateThingGroupsForThing(ctx, name, join, leave, false))
}

func (p provisionThings) SetBillingGroup(ctx context.Context, name, group string) error {
	if group != "" {
		return forProvisioning(p.r.AddThingToBillingGroup(ctx, registry.Membership{Group: group, Thing: name}))
	}
	old, err := p.r.ThingBillingGroup(ctx, name)
	if err == nil && old != "" {
		err = p.r.RemoveThingFromBillingGroup(ctx, registry.Membership{Group: old, Thing: name})
	}
	return forProvisioning(err)
}

func (p provisionThings) Attach(ctx context.Context, name, principal string) (fresh bool, err error) {
	was, err := p.r.Attached(ctx, name, principal)
	if err == nil && !was {
		err = p.r.AttachThingPrincipal(ctx, registry.Attachment{Thing: name, Principal: principal})
	}
	return !was, forProvisioning(err)
}

func (p provisionThings) Detach(ctx context.Context, name, principal string) error {
	return forProvisioning(p.r.DetachThingPrincipal(ctx, name, principal))
}

// provisionPolicies is how provisioning attaches policies.
type provisionPolicies struct{ s *access.Service }

// errNoPolicies is what hubs say whose policies are not their own.
var errNoPolicies = fmt.Errorf("%w: the hub has no policies, because its host decides what devices may do", provision.ErrNotFound)

func (p provisionPolicies) Document(ctx context.Context, name string) (string, error) {
	if p.s == nil {
		return "", errNoPolicies
	}
	v, err := p.s.GetPolicy(ctx, name)
	return v.Document, forProvisioning(err)
}

func (p provisionPolicies) Create(ctx context.Context, name, document string) error {
	if p.s == nil {
		return errNoPolicies
	}
	_, err := p.s.CreatePolicy(ctx, name, document)
	return forProvisioning(err)
}

func (p provisionPolicies) Delete(ctx context.Context, name string) error {
	if p.s == nil {
		return errNoPolicies
	}
	return forProvisioning(p.s.DeletePolicy(ctx, name))
}

func (p provisionPolicies) Attach(ctx context.Context, name, target string) (fresh bool, err error) {
	if p.s == nil {
		return false, errNoPolicies
	}
	list, _, err := p.s.ListAttachedPolicies(ctx, target, nil, access.Page{})
	if err != nil {
		return false, forProvisioning(err)
	}
	fresh = !slices.ContainsFunc(list, func(v access.Policy) bool { return v.Name == name })
	return fresh, forProvisioning(p.s.AttachPolicy(ctx, name, target))
}

func (p provisionPolicies) Detach(ctx context.Context, name, target string) error {
	if p.s == nil {
		return errNoPolicies
	}
	return forProvisioning(p.s.DetachPolicy(ctx, name, target))
}

// claims lets clients in by certificate. Those of provisioning claims have the policy of
// their claim, and end with it.
type claims struct{ p *principals }

// Authenticate returns whose certificate it is.
func (c claims) Authenticate(ctx context.Context, creds *auth.Credentials) (*auth.Identity, error) {
	id, err := c.p.certs.Authenticate(ctx, creds)
	if err != nil {
		return nil, err
	}
	claim, found, err := c.p.provision.Claim(ctx, id.Principal)
	if err != nil || !found {
		return id, err
	}
	of := *id
	of.Grant = &auth.Grant{Policies: []auth.Document{{Name: "provisioning claim of " + claim.Template, Text: claim.Policy}}}
	if of.Expires.IsZero() || claim.Expires.Before(of.Expires) {
		of.Expires = claim.Expires
	}
	return &of, nil
}

// provisionJustInTime runs the template of a CA for a certificate that it let in.
func (h *Hub) provisionJustInTime(ctx context.Context, j certs.JITP) error {
	_, err := h.principals.provision.Provision(ctx, provision.JITP{
		TemplateBody: j.Config.TemplateBody, TemplateName: j.Config.TemplateName, Certificate: j.Certificate,
	})
	return err
}

// templateInUse reports whether a CA is registered with a provisioning template.
func (h *Hub) templateInUse(ctx context.Context, template string) (bool, error) {
	list, _, err := h.principals.certs.ListCACertificates(ctx, template, certs.Page{Size: 1})
	return len(list) > 0, err
}

// answerDevice publishes an answer of provisioning to the device that asked, alone: it may
// have a private key in it. Whoever has come in meanwhile with the client id of a device
// that is gone does not get it.
func (h *Hub) answerDevice(ctx context.Context, to provision.Requester, topic string, payload []byte) error {
	if now, connected := h.server.Client(to.ClientID); connected && now.Principal != to.Principal {
		return fmt.Errorf("thinghub: the client %s is not the one that asked any more", to.ClientID)
	}
	return h.server.Deliver(ctx, to.ClientID, hubMessage(topic, payload))
}
