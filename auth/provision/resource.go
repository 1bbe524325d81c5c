package provision

import (
	"fmt"
	"slices"
	"strings"
)

// The types of resources.
const (
	thingType       = "AWS::IoT::Thing"
	certificateType = "AWS::IoT::Certificate"
	policyType      = "AWS::IoT::Policy"
)

// maxPolicies is how many policies a template may have: as many as a certificate.
const maxPolicies = 10

// An Override says what becomes of a resource that is there already.
type Override string

// The overrides. An empty one stands for DoNothing, and for Replace with the status of
// a certificate.
const (
	// DoNothing leaves the property as it is.
	DoNothing Override = "DO_NOTHING"
	// Replace makes it what the template says.
	Replace Override = "REPLACE"
	// Fail ends the registration with ErrConflict.
	Fail Override = "FAIL"
	// Merge adds attributes or groups to those there are.
	Merge Override = "MERGE"
)

// A thing, a certificate and a policy as a template describes them. What is absent is
// nil.
type (
	thing struct {
		resource                    string // its logical name
		name, typ, billing          text
		attributes                  []named
		groups                      list
		onAttributes, onType, onGrp Override
	}
	certificate struct {
		resource             string
		id, pem, ca, request text
		status               text
		onStatus             Override
	}
	policy struct {
		resource string
		name     text
		document *document
	}
)

func (t *Template) readResources(n *node, path string) error {
	if n.kind != '{' || len(n.members) == 0 {
		return amiss(path, n.what(), "an object of at least one resource")
	}
	for i := range n.members {
		m := &n.members[i]
		if err := t.readResource(m.name, &m.value, path+"."+m.name); err != nil {
			return err
		}
	}
	if t.certificate == nil && len(t.policies) > 0 {
		return amiss(path, "without a resource of type "+certificateType, "one that the policies are attached to")
	}
	return nil
}

func (t *Template) readResource(name string, n *node, path string) error {
	if err := onlyMembers(n, path, "Type", "Properties", "OverrideSettings"); err != nil {
		return err
	}
	const types = "one of " + thingType + ", " + certificateType + ", " + policyType
	typ, properties := n.get("Type"), n.get("Properties")
	if typ == nil || typ.kind != '"' {
		return amiss(path+".Type", describe(typ), types)
	}
	if properties == nil {
		return amiss(path+".Properties", "missing", "an object of properties")
	}
	p, overrides := path+".Properties", n.get("OverrideSettings")
	switch typ.text {
	case thingType:
		return t.readThing(name, properties, overrides, p, path+".OverrideSettings")
	case certificateType:
		return t.readCertificate(name, properties, overrides, p, path+".OverrideSettings")
	case policyType:
		if overrides != nil {
			return amiss(path+".OverrideSettings", "there", "none for a policy")
		}
		return t.readPolicy(name, properties, p)
	}
	return wrong(ErrInvalid, path+".Type", typ.text, types)
}

func describe(n *node) string {
	if n == nil {
		return "missing"
	}
	return n.what()
}

func (t *Template) readThing(name string, n, overrides *node, path, overridesPath string) error {
	if t.thing != nil {
		return amiss(path, "the second resource of type "+thingType, "one at most")
	}
	if err := onlyMembers(n, path, "ThingName", "AttributePayload", "ThingTypeName", "ThingGroups", "BillingGroup"); err != nil {
		return err
	}
	th := &thing{resource: name}
	t.thing = th
	if n.get("ThingName") == nil {
		return amiss(path+".ThingName", "missing", wantText)
	}
	err := t.properties(n, path, map[string]*text{"ThingName": &th.name, "ThingTypeName": &th.typ, "BillingGroup": &th.billing})
	if err != nil {
		return err
	}
	if a := n.get("AttributePayload"); a != nil {
		if th.attributes, err = t.texts(a, path+".AttributePayload"); err != nil {
			return err
		}
	}
	if g := n.get("ThingGroups"); g != nil {
		if th.groups, err = t.list(g, path+".ThingGroups"); err != nil {
			return err
		}
	}
	return readOverrides(overrides, overridesPath, map[string]override{
		"AttributePayload": {&th.onAttributes, []Override{DoNothing, Replace, Fail, Merge}},
		"ThingTypeName":    {&th.onType, []Override{DoNothing, Replace, Fail}},
		"ThingGroups":      {&th.onGrp, []Override{DoNothing, Replace, Fail, Merge}},
	})
}

func (t *Template) readCertificate(name string, n, overrides *node, path, overridesPath string) error {
	if t.certificate != nil {
		return amiss(path, "the second resource of type "+certificateType, "one at most")
	}
	if err := onlyMembers(n, path, "CertificateId", "CertificatePem", "CACertificatePem", "CertificateSigningRequest", "Status"); err != nil {
		return err
	}
	c := &certificate{resource: name}
	t.certificate = c
	err := t.properties(n, path, map[string]*text{
		"CertificateId": &c.id, "CertificatePem": &c.pem, "CACertificatePem": &c.ca,
		"CertificateSigningRequest": &c.request, "Status": &c.status,
	})
	if err != nil {
		return err
	}
	given := 0
	for _, x := range []text{c.id, c.pem, c.request} {
		if x != nil {
			given++
		}
	}
	if given != 1 {
		return amiss(path, fmt.Sprintf("an object with %d of CertificateId, CertificatePem and CertificateSigningRequest", given), "one of them")
	}
	if c.ca != nil && c.pem == nil {
		return amiss(path+".CACertificatePem", "there", "it only beside CertificatePem")
	}
	if s, ok := c.status.(literal); ok {
		if _, err := readStatus(string(s), path+".Status", ErrInvalid); err != nil {
			return err
		}
	}
	return readOverrides(overrides, overridesPath, map[string]override{
		"Status": {&c.onStatus, []Override{DoNothing, Replace, Fail}},
	})
}

// readStatus reads a status that a template may give. Templates in AWS's own guide have
// "Active" too.
func readStatus(s, path string, kind error) (Status, error) {
	for _, status := range []Status{Active, Inactive} {
		if strings.EqualFold(s, string(status)) {
			return status, nil
		}
	}
	return "", wrong(kind, path, s, "ACTIVE or INACTIVE")
}

func (t *Template) readPolicy(name string, n *node, path string) error {
	if len(t.policies) == maxPolicies {
		return amiss(path, fmt.Sprintf("resource %d of type %s", maxPolicies+1, policyType), fmt.Sprintf("at most %d", maxPolicies))
	}
	if err := onlyMembers(n, path, "PolicyName", "PolicyDocument"); err != nil {
		return err
	}
	p := policy{resource: name}
	if err := t.properties(n, path, map[string]*text{"PolicyName": &p.name}); err != nil {
		return err
	}
	d := n.get("PolicyDocument")
	switch {
	case p.name != nil && d != nil:
		return amiss(path, "an object with both PolicyName and PolicyDocument", "one of them: the name of a policy that is there, or a document")
	case d != nil:
		var err error
		if p.document, err = t.document(d, path+".PolicyDocument"); err != nil {
			return err
		}
	case p.name == nil:
		return amiss(path, "an object with neither PolicyName nor PolicyDocument", "one of them")
	}
	t.policies = append(t.policies, p)
	return nil
}

// properties reads those of an object's members that are texts.
func (t *Template) properties(n *node, path string, into map[string]*text) error {
	for i := range n.members {
		m := &n.members[i]
		to := into[m.name]
		if to == nil {
			continue
		}
		var err error
		if *to, err = t.text(&m.value, path+"."+m.name); err != nil {
			return err
		}
	}
	return nil
}

// An override is where to put one and what it may be.
type override struct {
	to      *Override
	allowed []Override
}

func readOverrides(n *node, path string, properties map[string]override) error {
	if n == nil {
		return nil
	}
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	if err := onlyMembers(n, path, names...); err != nil {
		return err
	}
	for i := range n.members {
		m := &n.members[i]
		o := properties[m.name]
		if m.value.kind != '"' || !slices.Contains(o.allowed, Override(m.value.text)) {
			return amiss(path+"."+m.name, m.value.what(), fmt.Sprintf("one of %v", o.allowed))
		}
		*o.to = Override(m.value.text)
	}
	return nil
}
