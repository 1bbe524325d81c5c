package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Trust is the trust policy of a role: who may take the role, and on what conditions.
// It is immutable and safe for concurrent use. A nil Trust trusts nobody.
type Trust struct {
	doc     *Document
	program *Program // of which only the statements and slots are used
}

// A Principal is somebody whom a trust policy can name.
type Principal struct {
	// Kind is the member of the element Principal: [AWSPrincipal], [FederatedPrincipal]
	// or [ServicePrincipal].
	Kind string
	// Name is what stands there: a resource name or an account, a login provider, a
	// service.
	Name string
}

// The kinds of principals.
const (
	AWSPrincipal       = "AWS"
	FederatedPrincipal = "Federated"
	ServicePrincipal   = "Service"
)

// anyone is the name that stands for all principals, of a kind or altogether.
const anyone = "*"

// principalForm is what the element Principal must be.
const principalForm = `"*" or an object with AWS, Federated or Service`

// ParseTrust reads the trust policy of a role. It is as strict as [Parse] and the
// language is the same but for two things: statements have a Principal, and no Resource.
//
//	{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
//	  "Principal": {"Federated": "cognito-identity.amazonaws.com"},
//	  "Action": "sts:AssumeRoleWithWebIdentity",
//	  "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": "local:..."}}}}
//
// A Principal is "*", everybody, or has the members AWS (an account, the ARN of a user or
// a role, or "*"), Federated (the name of a login provider, or its ARN) and Service, each
// a string or a list. There are no other wildcards in it. NotPrincipal is refused: it
// trusts whom nobody thought of. Errors are a [*Malformed] and wrap [ErrMalformed].
func ParseTrust(doc []byte) (*Trust, error) {
	d, err := parse(string(doc), true)
	if err != nil {
		return nil, err
	}
	t := &Trust{doc: d, program: newProgram("")}
	t.program.add(&Named{Name: "trust", Doc: d})
	return t, nil
}

// JSON returns the text that the policy was parsed from, byte for byte.
func (t *Trust) JSON() []byte { return t.doc.JSON() }

// Decide decides whether somebody may take the role: action is such as
// "sts:AssumeRoleWithWebIdentity", who are the principals that they are, each by itself
// enough for a statement to be about them, and f has the values of condition keys. A
// statement with Deny wins.
func (t *Trust) Decide(action string, f *Facts, who ...Principal) Decision {
	if t == nil {
		return Decision{}
	}
	if f == nil {
		f = &Facts{}
	}
	action = fold(action)
	var values []value
	var d Decision
	for i, st := range t.program.statements {
		if !st.does(action) || !named(t.doc.statements[i].principals, who) {
			continue
		}
		if values == nil {
			values = resolve(nil, t.program.slots, f, time.Unix(f.now().Unix(), 0).UTC())
		}
		if !st.holds(values) {
			continue
		}
		if st.Effect == Deny {
			return Decision{ExplicitDeny, st}
		}
		if d.Statement == nil {
			d = Decision{Allowed, st}
		}
	}
	return d
}

// named reports whether a list of principals has one of those who ask.
func named(list, who []Principal) bool {
	for _, p := range list {
		if p == (Principal{Name: anyone}) {
			return true
		}
		for _, w := range who {
			if p.Kind == w.Kind && (p.Name == w.Name || p.Name == anyone) {
				return true
			}
		}
	}
	return false
}

func readPrincipals(n *node, path string) ([]Principal, error) {
	if n.kind == stringNode && n.text == anyone {
		return []Principal{{Name: anyone}}, nil
	}
	if n.kind != objectNode || len(n.members) == 0 {
		return nil, &Malformed{path, n.describe(), principalForm}
	}
	var all []Principal
	for i := range n.members {
		m := &n.members[i]
		if !slices.Contains([]string{AWSPrincipal, FederatedPrincipal, ServicePrincipal}, m.name) {
			return nil, &Malformed{path, "an object with the member " + shown(m.name), principalForm}
		}
		list, err := readList(&m.value, join(path, m.name), func(s, at string) error { return checkPrincipal(m.name, s, at) })
		if err != nil {
			return nil, err
		}
		for _, name := range list {
			all = append(all, Principal{m.name, name})
		}
	}
	return all, nil
}

func checkPrincipal(kind, s, path string) error {
	if kind == AWSPrincipal && s == anyone {
		return nil
	}
	want := map[string]string{
		AWSPrincipal:       `"*", an account, or the ARN of a user or a role without wildcards`,
		FederatedPrincipal: "the name of a login provider, or its ARN, without wildcards",
		ServicePrincipal:   "the name of a service without wildcards",
	}[kind]
	bad := s == "" || strings.ContainsAny(s, "*? \t\r\n")
	if kind == AWSPrincipal && !strings.HasPrefix(s, "arn:") && strings.ContainsAny(s, ":/") {
		bad = true
	}
	if bad {
		return &Malformed{path, shown(s), want}
	}
	return nil
}

// The codes of warnings about trust policies.
const (
	// WarnNoAudience: a login provider is trusted whoever its tokens are made for.
	WarnNoAudience = "no-audience"
	// WarnGuests: identities of a pool that have not signed in may take the role, too.
	WarnGuests = "guests"
	// WarnAnyPrincipal: everybody is trusted.
	WarnAnyPrincipal = "any-principal"
)

// Lint looks for traps in a trust policy, as [Lint] does in others. The classic one is a
// login provider without a condition on the audience of its tokens: then whoever has a
// token that was made for another application, or for another identity pool, may take
// the role.
func (t *Trust) Lint() []Warning {
	l := &linter{doc: t.doc, sids: make(map[string]string)}
	for i := range t.doc.statements {
		s := &t.doc.statements[i]
		l.statement(s)
		if s.effect == Allow {
			l.trusted(s)
		}
	}
	return l.found
}

func (l *linter) trusted(s *rawStatement) {
	for _, p := range s.principals {
		at := join(s.path, "Principal")
		switch {
		case p.Name == anyone && len(s.conditions) == 0:
			l.warn(WarnAnyPrincipal, at, "everybody may take the role, name who may")
		case p.Name == anyone && !s.tiesAny(audienceSuffixes):
			l.warn(WarnAnyPrincipal, at, "everybody on whom the conditions hold may take the role, name who may")
		case p.Kind == FederatedPrincipal:
			l.federated(s, p.Name, join(at, FederatedPrincipal))
		}
	}
}

// audienceSuffixes are the ends of condition keys that say whom a token is made for.
var audienceSuffixes = []string{":aud", ":app_id"}

func (l *linter) federated(s *rawStatement, name, path string) {
	if strings.Contains(name, ":saml-provider/") {
		if !s.ties("saml:aud") {
			l.warn(WarnNoAudience, path, "assertions that were made for another application are trusted, add \"StringEquals\": {\"saml:aud\": ...}")
		}
		return
	}
	keys := ProviderKeys(name)
	if !s.ties(keys+":aud") && !s.ties(keys+":app_id") {
		l.warn(WarnNoAudience, path, "tokens of %s that were made for another application or pool are trusted, add \"StringEquals\": {%s: ...}", name, shown(keys+":aud"))
	}
	if name == CognitoProvider && !s.ties(CognitoProvider+":amr") && !s.ties(CognitoProvider+":sub") {
		l.warn(WarnGuests, path, "guests may take the role, too, add \"ForAnyValue:StringLike\": {%s: \"authenticated\"} if they may not", shown(CognitoProvider+":amr"))
	}
}

// CognitoProvider is the name of identity pools as a login provider.
const CognitoProvider = "cognito-identity.amazonaws.com"

// ProviderKeys is what the condition keys about tokens of a login provider begin with,
// before ":aud" and the like: its name, without the ARN that IAM gives it.
func ProviderKeys(name string) string {
	if _, after, found := strings.Cut(name, ":oidc-provider/"); found && strings.HasPrefix(name, "arn:") {
		return after
	}
	return name
}

// ties reports whether a condition demands that a key is there and has one of some
// values.
func (s *rawStatement) ties(key string) bool {
	return slices.ContainsFunc(s.conditions, func(c rawCondition) bool {
		return foldKey(c.key) == foldKey(key) && c.demands()
	})
}

func (s *rawStatement) tiesAny(suffixes []string) bool {
	return slices.ContainsFunc(s.conditions, func(c rawCondition) bool {
		return c.demands() && slices.ContainsFunc(suffixes, func(end string) bool { return strings.HasSuffix(foldKey(c.key), end) })
	})
}

// demands reports whether a condition fails where its key is missing or has any value.
func (c *rawCondition) demands() bool {
	switch c.op.family {
	case stringFamily, foldFamily, likeFamily, arnFamily:
	default:
		return false
	}
	if c.op.negated || c.op.ifExists || c.op.set == forAll {
		return false
	}
	return !slices.ContainsFunc(c.values, func(v string) bool {
		return c.op.wildcards() && strings.Trim(v, "*?") == ""
	})
}

// String names the principal, such as Federated accounts.google.com.
func (p Principal) String() string {
	if p.Kind == "" {
		return p.Name
	}
	return fmt.Sprintf("%s %s", p.Kind, p.Name)
}
