package policy

import (
	"fmt"
	"strings"
)

// A Statement is one statement of a program. It is shared and never modified.
type Statement struct {
	// Policy is the name the document was given to [Compile] with.
	Policy string
	// Index is the statement's place in its document, from 0.
	Index int
	// Sid is the statement's own name, empty if it has none.
	Sid string
	// Effect is what it does where it applies.
	Effect Effect

	raw         *rawStatement
	path        string // in the document
	number      int    // in the program
	actions     []string
	notAction   bool
	resources   []template
	notResource bool
	modern      bool // of the version with variables
	conditions  []condition
	hot         actionSet
	transient   bool // see Named
	slow        bool // worked out anew at each decision
	timed       bool // has timed conditions
}

// String names the statement as errors and logs do: policy "pump" Statement[1].
func (st *Statement) String() string {
	if st == nil {
		return "no statement"
	}
	s := fmt.Sprintf("policy %q %s", st.Policy, st.path)
	if st.Sid != "" {
		s += fmt.Sprintf(" (%s)", st.Sid)
	}
	return s
}

// compileStatement makes a statement of what Parse read.
func compileStatement(policy string, index int, raw *rawStatement, l *lexer, slots func(int) *slot) *Statement {
	st := &Statement{
		Policy: policy, Index: index, Sid: raw.sid, Effect: raw.effect, path: raw.path,
		notAction: raw.notAction, notResource: raw.notResource, raw: raw, modern: l.variables,
	}
	for _, a := range raw.actions {
		st.actions = append(st.actions, encode(fold(a)))
	}
	for _, r := range raw.resources {
		st.resources = append(st.resources, l.cut(r, true))
	}
	for i := range raw.conditions {
		st.conditions = append(st.conditions, l.condition(&raw.conditions[i], slots))
	}
	for i, name := range hotActions {
		if st.does(fold(name)) {
			st.hot |= 1 << i
		}
	}
	return st
}

// does reports whether the statement is about an action, given in lower case.
func (st *Statement) does(action string) bool {
	for _, a := range st.actions {
		if match(a, action) {
			return !st.notAction
		}
	}
	return st.notAction
}

// variables calls f for each variable in the resources.
func (st *Statement) variables(f func(slot int)) {
	for _, t := range st.resources {
		t.uses(f)
	}
}

// reaches reports whether the statement is about a resource. An entry with a variable
// that has no value matches nothing; and an Allow must not grow by it, so with
// NotResource it then reaches nothing.
func (st *Statement) reaches(resource string, values []value) bool {
	found, unresolved := false, false
	for _, t := range st.resources {
		p, ok := t.filled(values)
		if !ok {
			unresolved = true
		} else if match(p, resource) {
			found = true
		}
	}
	if !st.notResource {
		return found
	}
	return !found && (!unresolved || st.Effect == Deny)
}

// reachesShared does the same for a filter, of which a shared subscription has two.
func (st *Statement) reachesShared(resource, inner string, values []value) bool {
	return st.reaches(resource, values) || inner != "" && st.reaches(inner, values)
}

// holds reports whether all conditions hold.
func (st *Statement) holds(values []value) bool {
	for i := range st.conditions {
		if !st.conditions[i].holds(values) {
			return false
		}
	}
	return true
}

// sharedInner is the resource of the filter inside a shared subscription, empty for
// everything else. scope is the beginning of the resource names.
func sharedInner(action, resource, scope string) string {
	if action != foldedSubscribe {
		return ""
	}
	filter, found := strings.CutPrefix(resource, scope)
	if !found {
		return ""
	}
	if filter, found = strings.CutPrefix(filter, kindPrefix[filterKind]); !found {
		return ""
	}
	if inner := innerFilter(filter); inner != "" {
		return scope + kindPrefix[filterKind] + inner
	}
	return ""
}

// innerFilter is FILTER of $share/GROUP/FILTER, empty for other filters.
func innerFilter(filter string) string {
	rest, found := strings.CutPrefix(filter, "$share/")
	if !found {
		return ""
	}
	group, inner, _ := strings.Cut(rest, "/")
	if group == "" {
		return ""
	}
	return inner
}
