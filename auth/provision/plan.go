package provision

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Plan is what a template becomes with parameters: what to make, by values.
type Plan struct {
	// Thing and Certificate are nil if the template has none.
	Thing       *ThingPlan
	Certificate *CertificatePlan
	Policies    []PolicyPlan
	// DeviceConfiguration is what the device is told; not nil.
	DeviceConfiguration map[string]string
}

// A ThingPlan is the thing to make, or to change if it is there.
type ThingPlan struct {
	// Resource is the logical name in the template.
	Resource string
	Name     string
	// Type and BillingGroup are empty if the template has none. A thing that is there
	// already gets the billing group only if it has none.
	Type, BillingGroup string
	// Attributes and Groups are nil if the template has none, which differs from empty.
	Attributes map[string]string
	Groups     []string
	// OnAttributes, OnType and OnGroups say what becomes of a thing that is there.
	OnAttributes, OnType, OnGroups Override
}

// A CertificatePlan is the certificate to make or to find: exactly one of ID, PEM and
// CSR is set, and CAPEM maybe with PEM.
type CertificatePlan struct {
	Resource            string
	ID, PEM, CAPEM, CSR string
	// Status is Active or Inactive.
	Status Status
	// OnStatus says what becomes of a certificate that was there.
	OnStatus Override
}

// A PolicyPlan is a policy to attach to the certificate.
type PolicyPlan struct {
	Resource string
	// Name is the policy's. Document is empty for a policy that must be there.
	Name, Document string
}

// Evaluate returns what the template becomes. Each parameter that has no default must
// be among values; others that the template does not declare are of no interest.
//
// Errors: ErrParameters.
func (t *Template) Evaluate(values map[string]string) (*Plan, error) {
	return t.evaluate(values, nil)
}

// evaluate is Evaluate where some of the values come from devices.
func (t *Template) evaluate(values map[string]string, foreign map[string]bool) (*Plan, error) {
	e := &evaluation{mappings: t.mappings, values: make(map[string]string, len(t.names)+1), foreign: foreign}
	var missing []string
	take := func(name string, byDefault *string) {
		v, ok := values[name]
		switch {
		case ok:
			e.values[name] = v
		case byDefault != nil:
			e.values[name] = *byDefault
		default:
			missing = append(missing, name)
		}
	}
	for _, name := range t.names {
		take(name, t.defaults[name])
	}
	if _, declared := t.defaults[certificateID]; t.used[certificateID] && !declared {
		take(certificateID, nil)
	}
	if len(missing) > 0 {
		return nil, &Error{
			Kind: ErrParameters, Field: "parameters", Want: strings.Join(missing, ", "),
			Message: "parameters lacks " + strings.Join(missing, ", ") + ", which the template needs",
		}
	}
	for name, v := range e.values {
		if !utf8.ValidString(v) {
			return nil, wrong(ErrParameters, "parameters."+name, v, "UTF-8")
		}
	}
	return t.plan(e)
}

func (t *Template) plan(e *evaluation) (p *Plan, err error) {
	p = &Plan{DeviceConfiguration: map[string]string{}}
	const path = "templateBody.Resources."
	if t.thing != nil {
		if p.Thing, err = t.thing.plan(e, path+t.thing.resource+".Properties."); err != nil {
			return nil, err
		}
	}
	if t.certificate != nil {
		if p.Certificate, err = t.certificate.plan(e, path+t.certificate.resource+".Properties."); err != nil {
			return nil, err
		}
	}
	for i := range t.policies {
		x, err := t.policies[i].plan(e, path+t.policies[i].resource+".Properties.")
		if err != nil {
			return nil, err
		}
		p.Policies = append(p.Policies, x)
	}
	for _, d := range t.device {
		s, err := d.value.text(e)
		if err != nil {
			return nil, at("templateBody.DeviceConfiguration."+d.name, err)
		}
		p.DeviceConfiguration[d.name] = s
	}
	return p, nil
}

func (th *thing) plan(e *evaluation, path string) (*ThingPlan, error) {
	p := &ThingPlan{Resource: th.resource, OnAttributes: th.onAttributes, OnType: th.onType, OnGroups: th.onGrp}
	for _, x := range []struct {
		name string
		of   text
		to   *string
	}{{"ThingName", th.name, &p.Name}, {"ThingTypeName", th.typ, &p.Type}, {"BillingGroup", th.billing, &p.BillingGroup}} {
		if x.of == nil {
			continue
		}
		s, err := x.of.text(e)
		if err != nil {
			return nil, at(path+x.name, err)
		}
		if err := checkName(s, path+x.name); err != nil {
			return nil, err
		}
		*x.to = s
	}
	if th.attributes != nil {
		p.Attributes = make(map[string]string, len(th.attributes))
		for _, a := range th.attributes {
			s, err := a.value.text(e)
			if err != nil {
				return nil, at(path+"AttributePayload."+a.name, err)
			}
			if s != "" { // as everywhere, an attribute without a value is none
				p.Attributes[a.name] = s
			}
		}
	}
	if th.groups != nil {
		groups, err := th.groups.list(e)
		if err != nil {
			return nil, at(path+"ThingGroups", err)
		}
		p.Groups = []string{}
		for i, g := range groups {
			if err := checkName(g, fmt.Sprintf("%sThingGroups[%d]", path, i)); err != nil {
				return nil, err
			}
			if !slices.Contains(p.Groups, g) {
				p.Groups = append(p.Groups, g)
			}
		}
	}
	return p, nil
}

func (c *certificate) plan(e *evaluation, path string) (*CertificatePlan, error) {
	p := &CertificatePlan{Resource: c.resource, OnStatus: c.onStatus, Status: Active}
	for _, x := range []struct {
		name string
		of   text
		to   *string
	}{
		{"CertificateId", c.id, &p.ID},
		{"CertificatePem", c.pem, &p.PEM},
		{"CACertificatePem", c.ca, &p.CAPEM},
		{"CertificateSigningRequest", c.request, &p.CSR},
	} {
		if x.of == nil {
			continue
		}
		s, err := x.of.text(e)
		if err != nil {
			return nil, at(path+x.name, err)
		}
		if s == "" {
			return nil, wrong(ErrParameters, path+x.name, s, "some text")
		}
		*x.to = s
	}
	if p.ID != "" && !isCertificateID(p.ID) {
		return nil, wrong(ErrParameters, path+"CertificateId", p.ID, "64 lower-case hexadecimal digits")
	}
	if c.status != nil {
		s, err := c.status.text(e)
		if err != nil {
			return nil, at(path+"Status", err)
		}
		if p.Status, err = readStatus(s, path+"Status", ErrParameters); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (y *policy) plan(e *evaluation, path string) (PolicyPlan, error) {
	p := PolicyPlan{Resource: y.resource}
	if y.document != nil {
		d, err := y.document.json(e, path+"PolicyDocument")
		p.Name, p.Document = policyName(d), d
		return p, err
	}
	s, err := y.name.text(e)
	if err != nil {
		return p, at(path+"PolicyName", err)
	}
	if !only(s, "_+=,.@-") {
		return p, wrong(ErrParameters, path+"PolicyName", s, "1 to 128 letters, digits and _+=,.@-")
	}
	p.Name = s
	return p, nil
}

// checkName checks the name of a thing, type or group.
func checkName(s, path string) error {
	if !only(s, ":_-") {
		return wrong(ErrParameters, path, s, "1 to 128 letters, digits, :, _ and -")
	}
	return nil
}

// only says that s is 1 to 128 letters, digits and some more.
func only(s, more string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return r >= utf8.RuneSelf || !isLetterOrDigit(byte(r)) && !strings.ContainsRune(more, r)
	})
}

func isLetterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isCertificateID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
