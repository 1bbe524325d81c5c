package provision

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxTemplate is how many characters a template may have.
const MaxTemplate = 10240

// maxParameters is how many parameters a template may declare, and a caller may send.
const maxParameters = 100

// fromCertificate begins the names of parameters that a certificate fills in.
const (
	fromCertificate = "AWS::IoT::Certificate::"
	certificateID   = fromCertificate + "Id"
)

// certificateParameters are all of them.
var certificateParameters = []string{
	fromCertificate + "Country", fromCertificate + "Organization", fromCertificate + "OrganizationalUnit",
	fromCertificate + "DistinguishedNameQualifier", fromCertificate + "StateName", fromCertificate + "CommonName",
	fromCertificate + "SerialNumber", certificateID,
}

// A Template is a provisioning template that was read and found right. It is not
// changed any more and may be used by several goroutines.
type Template struct {
	names       []string           // of the parameters
	defaults    map[string]*string // nil: there is none
	used        map[string]bool    // parameters that something refers to
	mappings    map[string]map[string]map[string]string
	thing       *thing
	certificate *certificate
	policies    []policy
	device      []named
}

// named is a text with a name, such as an attribute.
type named struct {
	name  string
	value text
}

// A Parameter is one that a template declares.
type Parameter struct {
	Name string
	// Default is used where no value is given; nil: one must be.
	Default *string
}

// Parameters returns what parameters the template declares, in its order.
func (t *Template) Parameters() []Parameter {
	out := make([]Parameter, len(t.names))
	for i, name := range t.names {
		out[i] = Parameter{Name: name}
		if d := t.defaults[name]; d != nil {
			s := *d
			out[i].Default = &s
		}
	}
	return out
}

// Parse reads a template: JSON of at most [MaxTemplate] characters with the sections
// Parameters, Mappings, Resources and DeviceConfiguration. Whatever it does not know is
// an error, so that a misspelled member is found when the template is made and not when
// devices stand in front of the door.
//
// Errors: ErrInvalid. Field is the path of what is wrong, which begins with
// "templateBody".
func Parse(body string) (*Template, error) {
	if n := utf8.RuneCountInString(body); n > MaxTemplate {
		return nil, amiss("templateBody", fmt.Sprintf("%d characters long", n), fmt.Sprintf("at most %d", MaxTemplate))
	}
	root, err := parseJSON([]byte(body))
	if err != nil {
		return nil, &Error{Kind: ErrInvalid, Field: "templateBody", Want: "JSON", Message: "templateBody is not JSON: " + err.Error(), Err: err}
	}
	const path = "templateBody"
	if err := onlyMembers(root, path, "Parameters", "Mappings", "Resources", "DeviceConfiguration"); err != nil {
		return nil, err
	}
	t := &Template{defaults: map[string]*string{}, used: map[string]bool{}, mappings: map[string]map[string]map[string]string{}}
	for _, section := range []struct {
		name     string
		read     func(n *node, path string) error
		required bool
	}{
		{"Parameters", t.readParameters, false},
		{"Mappings", t.readMappings, false},
		{"Resources", t.readResources, true},
		{"DeviceConfiguration", t.readDevice, false},
	} {
		n := root.get(section.name)
		if n == nil {
			if section.required {
				return nil, amiss(path+"."+section.name, "missing", "an object of resources")
			}
			continue
		}
		if err := section.read(n, path+"."+section.name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// onlyMembers checks that n is an object that has no members but these.
func onlyMembers(n *node, path string, names ...string) error {
	if n.kind != '{' {
		return amiss(path, n.what(), "an object with the members "+strings.Join(names, ", "))
	}
	for i := range n.members {
		if name := n.members[i].name; !slices.Contains(names, name) {
			return wrong(ErrInvalid, path, name, "one of the members "+strings.Join(names, ", "))
		}
	}
	return nil
}

func (t *Template) readParameters(n *node, path string) error {
	if n.kind != '{' {
		return amiss(path, n.what(), "an object of parameters")
	}
	if len(n.members) > maxParameters {
		return amiss(path, fmt.Sprintf("an object of %d parameters", len(n.members)), fmt.Sprintf("at most %d", maxParameters))
	}
	for i := range n.members {
		m := &n.members[i]
		at := path + "." + m.name
		if m.name == "" {
			return wrong(ErrInvalid, path, m.name, "a name for each parameter")
		}
		if strings.HasPrefix(m.name, fromCertificate) && !slices.Contains(certificateParameters, m.name) {
			return wrong(ErrInvalid, path, m.name, "one of "+strings.Join(certificateParameters, ", "))
		}
		if err := onlyMembers(&m.value, at, "Type", "Default"); err != nil {
			return err
		}
		typ := m.value.get("Type")
		if typ == nil {
			return amiss(at+".Type", "missing", `"String"`)
		}
		if typ.kind != '"' || typ.text != "String" {
			return amiss(at+".Type", typ.what(), `"String"`)
		}
		t.names = append(t.names, m.name)
		t.defaults[m.name] = nil
		if d := m.value.get("Default"); d != nil {
			if d.kind != '"' {
				return amiss(at+".Default", d.what(), "text")
			}
			t.defaults[m.name] = &d.text
		}
	}
	return nil
}

func (t *Template) readMappings(n *node, path string) error {
	if n.kind != '{' {
		return amiss(path, n.what(), "an object of mappings")
	}
	for i := range n.members {
		table := &n.members[i]
		path := path + "." + table.name
		if table.value.kind != '{' {
			return amiss(path, table.value.what(), "an object of keys")
		}
		keys := map[string]map[string]string{}
		for j := range table.value.members {
			key := &table.value.members[j]
			path := path + "." + key.name
			if key.value.kind != '{' {
				return amiss(path, key.value.what(), "an object of texts")
			}
			names := map[string]string{}
			for k := range key.value.members {
				m := &key.value.members[k]
				if m.value.kind != '"' {
					return amiss(path+"."+m.name, m.value.what(), "text")
				}
				names[m.name] = m.value.text
			}
			keys[key.name] = names
		}
		t.mappings[table.name] = keys
	}
	return nil
}

func (t *Template) readDevice(n *node, path string) (err error) {
	t.device, err = t.texts(n, path)
	return err
}

// texts reads an object of texts. It is no function, whatever its members are called.
func (t *Template) texts(n *node, path string) ([]named, error) {
	if n.kind != '{' {
		return nil, amiss(path, n.what(), "an object of texts")
	}
	out := make([]named, len(n.members))
	for i := range n.members {
		m := &n.members[i]
		value, err := t.text(&m.value, path+"."+m.name)
		if err != nil {
			return nil, err
		}
		out[i] = named{m.name, value}
	}
	return out, nil
}
