package provision

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
)

// JITP is one just-in-time provisioning: of a certificate that has just been registered
// because its authority is, with the template of that authority.
type JITP struct {
	// TemplateBody or TemplateName is that of the authority's registrationConfig. A
	// template by name is enabled and of type JITP.
	TemplateBody, TemplateName string
	// Certificate is the device's. It is known to the hub already, as PendingActivation.
	Certificate *x509.Certificate
}

// Provision runs the template of a certificate authority for one of its certificates.
// The parameters come from the certificate: the first Country, Organization,
// OrganizationalUnit, DistinguishedNameQualifier, StateName, CommonName and
// SerialNumber of its subject, and its Id. Each of them that the template declares must
// be there, whatever defaults it has. As with [Service.RegisterThing] it is all or
// nothing; at the end the certificate has the status that the template says.
//
// Errors: as of RegisterThing; ErrUpdateConflict also if the certificate is being
// provisioned already, since devices try again within seconds, maybe at another hub;
// ErrNotFound: there is no such template that is enabled and of type JITP.
func (s *Service) Provision(ctx context.Context, j JITP) (Registration, error) {
	if j.Certificate == nil {
		return Registration{}, amiss("certificate", "missing", "the certificate to provision")
	}
	t, err := s.justInTime(ctx, j.TemplateBody, j.TemplateName)
	if err != nil {
		return Registration{}, err
	}
	values := subject(j.Certificate)
	foreign := make(map[string]bool, len(values))
	var missing []string
	for _, name := range t.names {
		if _, ok := values[name]; !ok && strings.HasPrefix(name, fromCertificate) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return Registration{}, &Error{
			Kind: ErrParameters, Field: "parameters", Want: strings.Join(missing, ", "),
			Message: "the certificate's subject lacks " + strings.Join(missing, ", ") + ", which the template declares",
		}
	}
	for name := range values {
		foreign[name] = true
	}
	p, err := t.evaluate(values, foreign)
	if err != nil {
		return Registration{}, err
	}
	return s.apply(ctx, p)
}

// CheckRegistration checks the registrationConfig of a certificate authority: whether
// [Service.Provision] will find a template.
//
// Errors: ErrInvalid, ErrNotFound.
func (s *Service) CheckRegistration(ctx context.Context, templateBody, templateName string) error {
	_, err := s.justInTime(ctx, templateBody, templateName)
	return err
}

// justInTime returns the template that a certificate authority names or has.
func (s *Service) justInTime(ctx context.Context, body, name string) (*Template, error) {
	if (body == "") == (name == "") {
		return nil, amiss("registrationConfig", "with both or neither of templateBody and templateName", "one of them")
	}
	if body != "" {
		return parseFor(body, JustInTime)
	}
	t, v, err := s.current(ctx, name)
	if err != nil {
		return nil, err
	}
	if !t.Enabled || t.Type != JustInTime {
		return nil, failf(ErrNotFound, "no provisioning template %s is enabled for just-in-time provisioning", name)
	}
	return parseFor(v.Body, JustInTime)
}

// attributes are where in a subject the parameters come from.
var attributes = []struct {
	name string
	oid  []int
}{
	{"Country", []int{2, 5, 4, 6}},
	{"Organization", []int{2, 5, 4, 10}},
	{"OrganizationalUnit", []int{2, 5, 4, 11}},
	{"DistinguishedNameQualifier", []int{2, 5, 4, 46}},
	{"StateName", []int{2, 5, 4, 8}},
	{"CommonName", []int{2, 5, 4, 3}},
	{"SerialNumber", []int{2, 5, 4, 5}},
}

// subject returns the parameters that a certificate has.
func subject(c *x509.Certificate) map[string]string {
	sum := sha256.Sum256(c.Raw)
	out := map[string]string{certificateID: hex.EncodeToString(sum[:])}
	for _, a := range attributes {
		for _, n := range c.Subject.Names {
			if v, ok := n.Value.(string); ok && v != "" && slices.Equal(n.Type, a.oid) {
				out[fromCertificate+a.name] = v
				break
			}
		}
	}
	return out
}
