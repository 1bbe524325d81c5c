package policy

import (
	"fmt"
	"slices"
	"strings"
)

// nearMiss compares a statement that does not apply with the question, and looks for
// the mistakes people make.
func (x *examiner) nearMiss(st *Statement, f *Finding) string {
	switch {
	case f.Action && f.Resource:
		return fmt.Sprintf("%v allows it, but %s", st, failures(f.Failed))
	case f.Resource && f.Condition && !st.notAction && !x.everything(st):
		return fmt.Sprintf("%v allows %s there, not %s", st, strings.Join(x.actionTexts(st), ", "), x.asked)
	case !f.Action || st.notResource:
		return ""
	}
	if other := x.otherKind(); other != "" && st.reaches(other, x.values) {
		_, k, _ := hotAction(x.action)
		return fmt.Sprintf("%v allows %s, %s needs %s",
			st, local(other, x.program.scope), x.asked, kindPrefix[k])
	}
	if scope := x.otherScope(st); scope != "" {
		return fmt.Sprintf("%v allows it for names that begin with %s, these begin with %s", st, scope, x.program.scope)
	}
	if len(f.Unresolved) > 0 {
		u := f.Unresolved[0]
		return fmt.Sprintf("%v uses ${%s}, which has no value: %s", st, u.Name, u.Why)
	}
	return ""
}

// everything reports whether a statement's resources match whatever one asks: that it
// is about another action is no miss then.
func (x *examiner) everything(st *Statement) bool {
	return st.reaches("arn:", x.values) || st.reaches("*", x.values)
}

// actionTexts are the actions of a statement as people write them.
func (x *examiner) actionTexts(st *Statement) []string {
	var list []string
	for _, a := range st.actions {
		text := strings.NewReplacer(anyRunText, "*", anyOneText, "?").Replace(a)
		for _, name := range hotActions {
			if sameFold(name, text) {
				text = name
			}
		}
		list = append(list, text)
	}
	return list
}

// otherKind is the resource with topic/ where it has topicfilter/, and the reverse.
func (x *examiner) otherKind() string {
	rest, found := strings.CutPrefix(x.resource, x.program.scope)
	if !found {
		return ""
	}
	for _, swap := range [...][2]kind{{topicKind, filterKind}, {filterKind, topicKind}} {
		if name, found := strings.CutPrefix(rest, kindPrefix[swap[0]]); found {
			return x.program.scope + kindPrefix[swap[1]] + name
		}
	}
	return ""
}

// otherScope is the beginning of a resource of the statement that would match but for
// its region, account or partition.
func (x *examiner) otherScope(st *Statement) string {
	name, found := strings.CutPrefix(x.resource, x.program.scope)
	if !found {
		return ""
	}
	for _, t := range st.resources {
		parts, ok := t.arnParts()
		if !ok {
			continue
		}
		p, ok := parts[5].filled(x.values)
		if !ok || !match(p, name) {
			continue
		}
		var scope strings.Builder
		for _, part := range parts[:5] {
			s, ok := part.filled(x.values)
			if !ok {
				return ""
			}
			scope.WriteString(strings.NewReplacer(anyRunText, "*", anyOneText, "?").Replace(s) + ":")
		}
		return scope.String()
	}
	return ""
}

func failures(failed []FailedCondition) string {
	var list []string
	for _, c := range failed {
		have := "has no value: " + c.Why
		switch {
		case len(c.Have) == 1:
			have = "is " + shown(c.Have[0])
		case len(c.Have) > 1:
			have = fmt.Sprintf("is %q", c.Have[:min(len(c.Have), maxValues)])
		}
		list = append(list, fmt.Sprintf("%s does not hold, %s %s", c.Operator, c.Key, have))
	}
	return strings.Join(list, " and ")
}

// maxMisses is how many near misses a sentence has.
const maxMisses = 3

// Reason is the explanation in one sentence, for logs: the statement that decided, or
// that none allows it and which ones come near.
func (e *Explanation) Reason() string {
	what := e.Action + " on " + local(e.Resource, e.scope)
	d := &e.Decision
	switch {
	case d.Statement != nil && d.Allowed():
		return fmt.Sprintf("%v allows %s", d.Statement, what)
	case d.Statement != nil:
		return fmt.Sprintf("%v denies %s", d.Statement, what)
	case e.Err != nil:
		return fmt.Sprintf("%s is denied, as a policy cannot be read: %v", what, e.Err)
	}
	s := "no statement allows " + what
	if len(e.Findings) == 0 {
		return s + "; there is no policy"
	}
	// What a part of And allows is not what is missing.
	allowed := make([]bool, e.Halves)
	for i := range e.Findings {
		f := &e.Findings[i]
		allowed[f.Half] = allowed[f.Half] || f.Applies && f.Statement.Effect == Allow
	}
	if e.Halves > 1 && slices.Contains(allowed, true) {
		s = "not every set of policies allows " + what
	}
	misses := 0
	for i := range e.Findings {
		f := &e.Findings[i]
		if f.NearMiss != "" && !allowed[f.Half] && misses < maxMisses {
			s += "; " + f.NearMiss
			misses++
		}
	}
	return s
}
