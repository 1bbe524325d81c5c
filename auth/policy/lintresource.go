package policy

import (
	"fmt"
	"slices"
	"strings"
)

// topicActions are the actions whose resource is a topic.
var topicActions = [...]string{ActionPublish, ActionRetainPublish, ActionReceive}

func (l *linter) resources(s *rawStatement) {
	if s.notResource && s.effect == Allow {
		l.warn(WarnNot, join(s.path, "NotResource"), "Allow with NotResource also allows what nobody thought of, list the resources in Resource")
	}
	for i, r := range s.resources {
		l.resource(s, r, element(s, s.notResource, "Resource", i, len(s.resources)))
	}
}

func (l *linter) resource(s *rawStatement, r, path string) {
	l.variables(r, path)
	if strings.Contains(r, "${") && l.doc.variables() && s.effect == Deny && !s.notResource && withoutDefault(r) {
		l.warn(WarnDenyVariable, path, "a Deny does not apply where its variable has no value, write it without variables")
	}
	parts := strings.SplitN(r, ":", 6)
	if len(parts) == 6 && strings.ContainsAny(parts[3]+parts[4], "*?") {
		l.warn(WarnScope, path, "a wildcard in region or account also matches across colons, into the names of other resources")
	}
	if len(parts) == 6 {
		l.named(s, parts[5], path)
	}
	if s.effect != Allow || s.notResource || !s.covers(ActionConnect) || s.notAction {
		return
	}
	if local := parts[len(parts)-1]; (r == "*" || len(parts) == 6 && (local == "*" || local == "client/*")) && !s.narrowed() {
		l.warn(WarnAnyClient, path, "allows any client id: whoever connects can take over the session of another client, use client/${iot:Connection.Thing.ThingName}")
	}
}

// narrowed reports whether a condition ties the client id to something.
func (s *rawStatement) narrowed() bool {
	for i := range s.conditions {
		k := foldKey(s.conditions[i].key)
		if k == "iot:clientid" || strings.HasPrefix(k, "iot:connection.thing.") {
			return true
		}
	}
	return false
}

// named looks at what stands behind the account.
func (l *linter) named(s *rawStatement, name, path string) {
	filter, isFilter := strings.CutPrefix(name, "topicfilter/")
	topic, isTopic := strings.CutPrefix(name, "topic/")
	switch {
	case isTopic && s.names(ActionSubscribe):
		l.warn(WarnKind, path, "iot:Subscribe needs topicfilter/, topic/ never matches it")
	case isFilter && !s.notAction:
		for _, a := range topicActions {
			if s.names(a) {
				l.warn(WarnKind, path, "%s needs topic/, topicfilter/ never matches it", a)
				break
			}
		}
	}
	if isTopic && strings.ContainsAny(topic, "+#") {
		l.warn(WarnMQTTWildcard, path, "+ and # are plain characters in a policy, use *")
	}
	if isFilter && s.effect == Allow && strings.Contains(filter, "?") {
		l.warn(WarnQuestionMark, path, "? is satisfied by the character +, and so allows a whole level")
	}
	if s.effect == Allow && bareStar(name) {
		l.warn(WarnNoSlash, path, "* right behind a name also covers longer names, write / before it")
	}
}

// bareStar reports whether a * stands right behind a variable or the name of a thing,
// as in "$aws/things/t1*".
func bareStar(name string) bool {
	for i := range len(name) {
		if i == 0 || name[i] != '*' {
			continue
		}
		before := name[:i]
		if open := strings.LastIndex(before, "${"); open >= 0 && before[i-1] == '}' && len(variableNames(before[open:])) > 0 {
			return true
		}
		thing := before[strings.LastIndexByte(before, '/')+1:]
		if thing != "" && !strings.ContainsAny(thing, "*?$") && strings.HasSuffix(before, "$aws/things/"+thing) {
			return true
		}
	}
	return false
}

// variableNames are the variables of a text, with their defaults; escapes are left out.
func variableNames(s string) []string {
	var names []string
	for {
		_, rest, found := strings.Cut(s, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return names
		}
		if name != "*" && name != "?" && name != "$" {
			names = append(names, name)
		}
		s = after
	}
}

// withoutDefault reports whether a text has a variable that has no default.
func withoutDefault(s string) bool {
	return slices.ContainsFunc(variableNames(s), func(name string) bool {
		_, fallback := cutFallback(name)
		return fallback == nil
	})
}

func (l *linter) variables(s, path string) {
	if !l.doc.variables() {
		if strings.Contains(s, "${") {
			l.warn(WarnNoVersion, path, "${...} is plain text without \"Version\": %q", Version2012)
		}
		return
	}
	for _, name := range variableNames(s) {
		slot := newSlot(name)
		switch {
		case slot.key == "iot:thing.thingname":
			l.warn(WarnUnknownVariable, path, "%s is not defined and has no value, use iot:Connection.Thing.ThingName", slot.name)
		case slot.source == fromExtra && strings.ContainsAny(slot.name, ",'"):
			l.warn(WarnUnknownVariable, path, "%s is no name, a default value is written ${name, 'default'}", shown(slot.name))
		case slot.source == fromExtra && strings.HasPrefix(slot.key, "iot:"):
			l.warn(WarnUnknownVariable, path, "%s is no variable of AWS IoT, it has no value unless the host supplies one", slot.name)
		case slot.source == fromCertificate && slot.index == allValues:
			l.warn(WarnUnknownVariable, path, "%s has no value where the certificate has several, use it in conditions", slot.name)
		}
	}
}

func (l *linter) conditions(s *rawStatement) {
	for _, path := range s.empty {
		l.warn(WarnEmpty, path, "no key, so it always holds")
	}
	present := make(map[string]bool)
	for i := range s.conditions {
		if c := &s.conditions[i]; c.op.family == nullFamily && len(c.values) == 1 && sameFold(c.values[0], "false") {
			present[foldKey(c.key)] = true
		}
	}
	for i := range s.conditions {
		c := &s.conditions[i]
		l.values(c)
		slot := newSlot(c.key)
		if s.effect != Allow || present[slot.key] || slot.always() || c.op.ifExists {
			continue
		}
		switch {
		case c.op.set == forAll && slot.source != fromConnectAttributes:
			l.warn(WarnForAll, c.path, "ForAllValues holds when the key is missing, add \"Null\": {%s: \"false\"}", shown(c.key))
		case c.op.negated && c.op.set == plain:
			l.warn(WarnNegated, c.path, "a negated operator holds when the key is missing, add \"Null\": {%s: \"false\"}", shown(c.key))
		}
		if c.op.negated && l.doc.variables() {
			for _, v := range c.values {
				for _, name := range variableNames(v) {
					if withoutDefault("${" + name + "}") {
						l.warn(WarnNegated, c.path, "a negated operator holds when ${%s} has no value", name)
					}
				}
			}
		}
	}
}

func (l *linter) values(c *rawCondition) {
	if len(c.values) == 0 {
		l.warn(WarnEmpty, c.path, "no value, so nothing ever equals it")
	}
	for i, v := range c.values {
		path := c.path
		if len(c.values) > 1 {
			path = join(path, fmt.Sprintf("[%d]", i))
		}
		l.variables(v, path)
		if l.doc.variables() && strings.Contains(v, "${") {
			continue
		}
		switch {
		case c.op.family == arnFamily && strings.Count(v, ":") < 5:
			l.warn(WarnValue, path, "%s is no resource name of six parts and fits nothing", shown(v))
		case c.op.family == dateFamily && len(v) == 4 && isDigits(v):
			l.warn(WarnValue, path, "%s is seconds since 1970, a year is written %s-01-01", shown(v), v)
		}
		if (c.op.family == stringFamily || c.op.family == foldFamily) && strings.ContainsAny(v, "*?") {
			l.warn(WarnLiteral, path, "* and ? are plain characters in %s, use StringLike", c.op.name)
		}
	}
}
