package arn

import (
	"fmt"
	"strings"
)

// The parts of a hub's names that were not configured.
const (
	DefaultPartition = "aws"
	DefaultRegion    = "local"
	DefaultAccount   = "000000000000"
)

// A Scope is what all names of one hub have in common. An empty field stands for
// its default.
type Scope struct {
	Partition, Region, Account string
}

// WithDefaults returns s with its empty fields filled in.
func (s Scope) WithDefaults() Scope {
	if s.Partition == "" {
		s.Partition = DefaultPartition
	}
	if s.Region == "" {
		s.Region = DefaultRegion
	}
	if s.Account == "" {
		s.Account = DefaultAccount
	}
	return s
}

// Check reports a field that cannot stand in a name or a topic.
func (s Scope) Check() error {
	for _, f := range [...]struct{ name, value string }{
		{"Partition", s.Partition}, {"Region", s.Region}, {"Account", s.Account},
	} {
		if strings.ContainsFunc(f.value, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}) {
			return fmt.Errorf("%s is %q, expected letters, digits, - and _", f.name, f.value)
		}
	}
	return nil
}

// IoT names an IoT resource of the scope, such as "thing/pump-1".
func (s Scope) IoT(resource string) string { return s.Of("iot", resource) }

// Of names a resource of a service.
func (s Scope) Of(service, resource string) string {
	s = s.WithDefaults()
	return "arn:" + s.Partition + ":" + service + ":" + s.Region + ":" + s.Account + ":" + resource
}

// A Name is a resource name taken apart. Resource keeps the rest of the text,
// colons and slashes included.
type Name struct {
	Scope
	Service  string
	Resource string
}

// String is the opposite of [Parse].
func (n Name) String() string {
	return "arn:" + n.Partition + ":" + n.Service + ":" + n.Region + ":" + n.Account + ":" + n.Resource
}

// Split cuts the resource into its type and what follows the first slash:
// "thing/pump-1" into "thing" and "pump-1".
func (n Name) Split() (kind, id string) {
	kind, id, _ = strings.Cut(n.Resource, "/")
	return kind, id
}

// Parse takes a name apart. Region and account may be empty, as they are in the
// names of global services.
func Parse(s string) (Name, error) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "" {
		return Name{}, fmt.Errorf("%q is not a resource name, expected arn:partition:service:region:account:resource", s)
	}
	return Name{Scope: Scope{Partition: parts[1], Region: parts[3], Account: parts[4]}, Service: parts[2], Resource: parts[5]}, nil
}
