package policy

import (
	"fmt"
	"slices"
	"strings"
)

// A Warning is a place in a document that probably does something else than its author
// thinks.
type Warning struct {
	// Code names the kind of trap, one of the Warn constants.
	Code string
	// Path is the element, such as "Statement[0].Resource[1]".
	Path string
	// Text says what happens and what to write instead.
	Text string
}

// String is the path, the text and the code in one line.
func (w Warning) String() string { return w.Path + ": " + w.Text + " [" + w.Code + "]" }

// The codes of warnings.
const (
	// WarnNoVersion: ${...} in a document of the old version is plain text.
	WarnNoVersion = "no-version"
	// WarnKind: iot:Subscribe on topic/, or a publishing action on topicfilter/.
	WarnKind = "wrong-kind"
	// WarnFilterHole: a denied filter that a wider one still reaches, as iot:Receive is
	// not denied.
	WarnFilterHole = "filter-hole"
	// WarnNoReceive: iot:Subscribe without any iot:Receive.
	WarnNoReceive = "no-receive"
	// WarnRetain: iot:RetainPublish without iot:Publish.
	WarnRetain = "retain-alone"
	// WarnMQTTWildcard: + or # in a topic, where they are plain characters.
	WarnMQTTWildcard = "mqtt-wildcard"
	// WarnQuestionMark: ? in a filter, which the character + satisfies.
	WarnQuestionMark = "question-mark"
	// WarnDenyVariable: a Deny that vanishes when its variable has no value.
	WarnDenyVariable = "deny-variable"
	// WarnUnknownVariable: a variable of iot: that does not exist, or a default value that
	// is not written as one.
	WarnUnknownVariable = "unknown-variable"
	// WarnAnyClient: iot:Connect with any client id.
	WarnAnyClient = "any-client"
	// WarnNegated: an Allow with a negated operator, which holds when the key is
	// missing.
	WarnNegated = "negated-missing"
	// WarnForAll: an Allow with ForAllValues, which holds when the key is missing.
	WarnForAll = "forall-missing"
	// WarnAllActions: an Allow of every action.
	WarnAllActions = "all-actions"
	// WarnScope: a wildcard in the region or account of a resource.
	WarnScope = "scope-wildcard"
	// WarnNot: an Allow with NotResource or NotAction reaches what nobody thought of.
	WarnNot = "allow-not"
	// WarnNoSlash: a * right behind a name also covers longer names.
	WarnNoSlash = "no-slash"
	// WarnAction: white space in the name of an action.
	WarnAction = "bad-action"
	// WarnValue: a condition value that is no resource name, which fits nothing, or that is
	// a year, which is read as seconds.
	WarnValue = "bad-value"
	// WarnLiteral: * or ? in a value of an operator without wildcards.
	WarnLiteral = "literal-wildcard"
	// WarnEmpty: a condition without keys, or a key without values.
	WarnEmpty = "empty-condition"
	// WarnSid: two statements of one Sid.
	WarnSid = "same-sid"
)

// Lint looks for the documented traps of the policy language. What it finds is no
// error: each of the documents works as it is written. The warnings are in the order
// of the document, those about the whole of it last.
func Lint(d *Document) []Warning {
	l := &linter{doc: d, sids: make(map[string]string)}
	for i := range d.statements {
		l.statement(&d.statements[i])
	}
	l.together()
	return l.found
}

type linter struct {
	doc   *Document
	found []Warning
	sids  map[string]string
}

func (l *linter) warn(code, path, format string, args ...any) {
	l.found = append(l.found, Warning{code, path, fmt.Sprintf(format, args...)})
}

func (l *linter) statement(s *rawStatement) {
	if s.sid != "" {
		if first, found := l.sids[s.sid]; found {
			l.warn(WarnSid, join(s.path, "Sid"), "%s is the Sid of %s, too", shown(s.sid), first)
		} else {
			l.sids[s.sid] = s.path
		}
	}
	l.actions(s)
	l.resources(s)
	l.conditions(s)
}

// element is the path of item i of a list. Whether a single item stood in a list is
// not kept, and does not matter for finding it.
func element(s *rawStatement, not bool, name string, i, n int) string {
	if not {
		name = "Not" + name
	}
	if n == 1 {
		return join(s.path, name)
	}
	return fmt.Sprintf("%s[%d]", join(s.path, name), i)
}

func (l *linter) actions(s *rawStatement) {
	if s.notAction && s.effect == Allow {
		l.warn(WarnNot, join(s.path, "NotAction"), "Allow with NotAction also allows actions that do not exist yet, list them in Action")
	}
	for i, a := range s.actions {
		path := element(s, s.notAction, "Action", i, len(s.actions))
		if strings.ContainsAny(a, " \t\r\n") {
			l.warn(WarnAction, path, "%s has white space, and no action has", shown(a))
		}
		if f := fold(a); s.effect == Allow && !s.notAction && (f == "*" || f == "iot:*" || f == "*:*") {
			l.warn(WarnAllActions, path, "%s allows every action, also those of the control plane where the policy is a role's", shown(a))
		}
	}
}

// names reports whether a statement is about a hot action, and spells it out in
// Action: a wildcard may be meant for other kinds of resources.
func (s *rawStatement) names(action string) bool {
	return !s.notAction && slices.ContainsFunc(s.actions, func(a string) bool { return sameFold(a, action) })
}

// covers reports whether a statement is about an action, however it says so.
func (s *rawStatement) covers(action string) bool {
	return slices.ContainsFunc(s.actions, func(a string) bool { return match(encode(fold(a)), fold(action)) }) != s.notAction
}

// together looks at what statements do with each other.
func (l *linter) together() {
	var subscribes, publishes, retains *rawStatement
	receives := false
	for i := range l.doc.statements {
		s := &l.doc.statements[i]
		if s.effect == Deny {
			l.hole(s)
			continue
		}
		if s.covers(ActionSubscribe) {
			subscribes = s
		}
		if s.covers(ActionPublish) {
			publishes = s
		}
		if s.covers(ActionRetainPublish) {
			retains = s
		}
		receives = receives || s.covers(ActionReceive)
	}
	if subscribes != nil && !receives {
		l.warn(WarnNoReceive, subscribes.path, "allows iot:Subscribe, but nothing allows iot:Receive on topic/: no message arrives")
	}
	if retains != nil && publishes == nil {
		l.warn(WarnRetain, retains.path, "allows iot:RetainPublish, but nothing allows iot:Publish, which a retained message needs as well")
	}
}

// hole looks for a denied filter whose topics are not denied to iot:Receive.
func (l *linter) hole(s *rawStatement) {
	if !s.covers(ActionSubscribe) || s.notResource {
		return
	}
	for i, r := range s.resources {
		scope, filter, found := strings.Cut(r, ":topicfilter/")
		if !found {
			continue
		}
		topic := scope + ":topic/" + filter
		closed := slices.ContainsFunc(l.doc.statements, func(o rawStatement) bool {
			return o.effect == Deny && !o.notResource && len(o.conditions) == 0 && o.covers(ActionReceive) &&
				slices.ContainsFunc(o.resources, func(r string) bool { return r == topic || match(encode(r), topic) })
		})
		if !closed {
			l.warn(WarnFilterHole, element(s, false, "Resource", i, len(s.resources)),
				"a wider filter such as # still gets these messages, deny iot:Receive on %s, too", shown(topic))
		}
	}
}
