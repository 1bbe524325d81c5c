package access

import "github.com/thinghub/thinghub/auth/policy"

// Warnings are traps in the document of the default version: what it probably does
// otherwise than its author thinks. See [policy.Lint].
func (p Policy) Warnings() []policy.Warning { return warnings(p.Document) }

// Warnings are traps in the document, as [Policy.Warnings] has them.
func (v Version) Warnings() []policy.Warning { return warnings(v.Document) }

func warnings(document string) []policy.Warning {
	doc, err := policy.Parse([]byte(document))
	if err != nil {
		return nil // of a directory in which somebody else wrote
	}
	return policy.Lint(doc)
}

// warn tells the host about traps in a version of a policy that was made.
func (s *Service) warn(name, version, document string) {
	for _, w := range warnings(document) {
		s.cfg.Logger.Warn("access: a policy has a trap", "policy", name, "version", version, "where", w.Path, "what", w.Text, "code", w.Code)
	}
}
