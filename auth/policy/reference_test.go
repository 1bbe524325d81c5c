package policy_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thinghub/thinghub/auth/policy"
)

// A reference is the policy language done again, slowly and without any of the
// package's ideas: documents as maps, patterns as lists of characters, and a matcher
// that tries everything. It takes documents that Parse accepted.
type reference struct {
	facts *policy.Facts
	scope string
	docs  []map[string]any
}

func newReference(f *policy.Facts, scope string, docs ...string) *reference {
	r := &reference{facts: f, scope: scope}
	for _, text := range docs {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var doc map[string]any
		if err := d.Decode(&doc); err != nil {
			panic(err)
		}
		r.docs = append(r.docs, doc)
	}
	return r
}

// decide follows the evaluation order: any deny, else any allow, else deny.
func (r *reference) decide(action, resource string) policy.Outcome {
	resources := []string{resource}
	if rest, found := strings.CutPrefix(resource, r.scope+"topicfilter/$share/"); found && strings.EqualFold(action, "iot:Subscribe") && isASCII(action) {
		if i := strings.Index(rest, "/"); i > 0 && i+1 < len(rest) {
			resources = append(resources, r.scope+"topicfilter/"+rest[i+1:])
		}
	}
	outcome := policy.ImplicitDeny
	for _, doc := range r.docs {
		vars := doc["Version"] == "2012-10-17"
		for _, s := range asList(doc["Statement"]) {
			st := s.(map[string]any)
			if !r.actionMatches(st, action) || !r.conditionsHold(st, vars) {
				continue
			}
			for _, resource := range resources {
				switch {
				case !r.resourceMatches(st, vars, resource):
				case st["Effect"] == "Deny":
					return policy.ExplicitDeny
				default:
					outcome = policy.Allowed
				}
			}
		}
	}
	return outcome
}

func isASCII(s string) bool { return strings.IndexFunc(s, func(c rune) bool { return c >= 0x80 }) < 0 }

func asList(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	if v == nil {
		return nil
	}
	return []any{v}
}

func asciiLower(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 32
		}
		return c
	}, s)
}

func (r *reference) actionMatches(st map[string]any, action string) bool {
	list, not := st["NotAction"]
	if !not {
		list = st["Action"]
	}
	for _, a := range asList(list) {
		if naiveMatch(naivePattern(asciiLower(a.(string))), chars(asciiLower(action))) {
			return !not
		}
	}
	return not
}

func (r *reference) resourceMatches(st map[string]any, vars bool, resource string) bool {
	list, not := st["NotResource"]
	if !not {
		list = st["Resource"]
	}
	matched, unresolved := false, false
	for _, p := range asList(list) {
		pattern, ok := r.expand(p.(string), vars, true)
		if !ok {
			unresolved = true
		} else if naiveMatch(pattern, chars(resource)) {
			matched = true
		}
	}
	if not {
		return !matched && (!unresolved || st["Effect"] == "Deny")
	}
	return matched
}

// chars cuts a text into characters; a byte that is no UTF-8 is one of its own.
func chars(s string) []string {
	var list []string
	for len(s) > 0 {
		_, n := utf8.DecodeRuneInString(s)
		list = append(list, s[:n])
		s = s[n:]
	}
	return list
}

// In patterns of the reference, "**" is a star and "??" a question mark.
func naivePattern(s string) []string {
	list := chars(s)
	for i, c := range list {
		if c == "*" || c == "?" {
			list[i] = c + c
		}
	}
	return list
}

// naiveMatch reports whether a pattern matches all characters.
func naiveMatch(p, s []string) bool { return naiveRow(p, s)[len(s)] }

// naiveRow fills a table: whether the first i of the pattern match the first j
// characters. It returns the last row of it.
func naiveRow(p, s []string) []bool {
	row := make([]bool, len(s)+1)
	row[0] = true
	for _, c := range p {
		next := make([]bool, len(s)+1)
		for j := range next {
			switch {
			case c == "**":
				next[j] = row[j] || j > 0 && next[j-1]
			case j > 0:
				next[j] = row[j-1] && (c == "??" || c == s[j-1])
			}
		}
		row = next
	}
	return row
}

// expand puts variables in. It reports false if one has no value.
func (r *reference) expand(s string, vars, wild bool) ([]string, bool) {
	var out []string
	add := func(text string) {
		if wild {
			out = append(out, naivePattern(text)...)
		} else {
			out = append(out, chars(text)...)
		}
	}
	for vars {
		before, rest, found := strings.Cut(s, "${")
		if !found {
			break
		}
		add(before)
		name, after, _ := strings.Cut(rest, "}")
		s = after
		if name == "*" || name == "?" || name == "$" {
			out = append(out, name)
			continue
		}
		quoted := strings.Split(strings.TrimRight(name, " "), "'")
		if n := len(quoted); n >= 3 && quoted[n-1] == "" {
			before := strings.TrimRight(strings.Join(quoted[:n-2], "'"), " ")
			if key, found := strings.CutSuffix(before, ","); found && strings.TrimRight(key, " ") != "" {
				name = strings.TrimRight(key, " ")
				if len(r.values(name)) == 0 {
					out = append(out, chars(quoted[n-2])...)
					continue
				}
			}
		}
		values := r.values(name)
		if len(values) != 1 || !utf8.ValidString(values[0]) {
			return nil, false
		}
		if strings.HasPrefix(asciiLower(name), "iot:certificate.") &&
			(strings.ContainsAny(values[0], "*$+?#") || utf8.RuneCountInString(values[0]) > 1024) {
			return nil, false
		}
		out = append(out, chars(values[0])...)
	}
	add(s)
	return out, true
}

func present(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// values is the list of a key's values, empty if it is missing.
func (r *reference) values(name string) []string {
	f := r.facts
	key := asciiLower(name)
	own := !f.HTTP && f.Thing.Attached && f.Thing.Name != "" && f.Thing.Name == f.ClientID
	switch key {
	case "iot:clientid":
		if f.HTTP {
			return nil
		}
		return []string{f.ClientID}
	case "aws:sourceip":
		if f.SourceIP.IsValid() {
			return []string{f.SourceIP.Unmap().WithZone("").String()}
		}
		return r.extra(key)
	case "iot:domainname":
		if f.DomainName != "" {
			return []string{f.DomainName}
		}
		return r.extra(key)
	case "aws:securetransport":
		if list := r.extra(key); !f.Secure && len(list) > 0 {
			return list
		}
		return []string{strconv.FormatBool(f.Secure)}
	case "iot:certificateid":
		return present(f.CertificateID)
	case "iot:lastwilltopic":
		return present(f.LastWillTopic)
	case "iot:connectattributes":
		return f.ConnectAttributes
	case "aws:currenttime":
		return []string{f.Now().UTC().Format(time.RFC3339)}
	case "aws:epochtime":
		return []string{strconv.FormatInt(f.Now().Unix(), 10)}
	case "iot:connection.thing.isattached":
		if f.HTTP {
			return nil
		}
		return []string{strconv.FormatBool(own)}
	case "iot:connection.thing.thingname":
		if own {
			return []string{f.Thing.Name}
		}
		return nil
	case "iot:connection.thing.thingtypename":
		if own {
			return present(f.Thing.Type)
		}
		return nil
	}
	if strings.HasPrefix(key, "iot:connection.thing.attributes[") && strings.HasSuffix(key, "]") {
		attribute, found := f.Thing.Attributes[name[len("iot:connection.thing.attributes["):len(name)-1]]
		if own && found {
			return []string{attribute}
		}
		return nil
	}
	if strings.HasPrefix(key, "iot:certificate.") {
		return r.certificate(name[len("iot:certificate."):])
	}
	return r.extra(key)
}

func (r *reference) certificate(name string) []string {
	index := 0
	if strings.HasSuffix(asciiLower(name), ".list") {
		name, index = name[:len(name)-5], -1
	}
	for i := range 10 {
		if base, found := strings.CutSuffix(name, "."+strconv.Itoa(i)); found && index == 0 {
			name, index = base, i
			break
		}
	}
	for field, values := range r.facts.Certificate {
		if asciiLower(field) != asciiLower(name) {
			continue
		}
		if len(values) > 5 {
			values = values[:5]
		}
		if index < 0 {
			return values
		}
		if index < len(values) {
			return values[index : index+1]
		}
	}
	return nil
}

func (r *reference) extra(key string) []string {
	for k, v := range r.facts.Extra {
		if asciiLower(k) == key {
			return v
		}
	}
	return nil
}
