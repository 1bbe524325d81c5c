package policy

import "strings"

// A template is a text with variables, cut at them.
type template []part

// A part is the value of a slot, or a pattern (see match.go) if slot is negative.
type part struct {
	text string
	slot int
}

// A lexer cuts texts of a document into parts. slot gives the number of a variable.
type lexer struct {
	variables bool // of the document's version
	slot      func(name string) int
}

// cut makes a template of s. Where wild is false, * and ? are plain characters.
func (l *lexer) cut(s string, wild bool) template {
	if !l.variables {
		return template{{plainOrPattern(s, wild), -1}}
	}
	var t template
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			t = append(t, part{tidy(text.String()), -1})
			text.Reset()
		}
	}
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			break
		}
		text.WriteString(encodePlain(s[:i], wild))
		end := i + strings.IndexByte(s[i:], '}') // there is one: Parse looked
		name := s[i+2 : end]
		s = s[end+1:]
		if name == "*" || name == "?" || name == "$" {
			text.WriteString(name)
			continue
		}
		flush()
		t = append(t, part{slot: l.slot(name)})
	}
	text.WriteString(encodePlain(s, wild))
	flush()
	if t == nil {
		t = template{{"", -1}}
	}
	return t
}

func plainOrPattern(s string, wild bool) string {
	if wild {
		return encode(s)
	}
	return s
}

// encodePlain turns wildcards into their bytes and nothing else.
func encodePlain(s string, wild bool) string {
	if !wild || !strings.ContainsAny(s, "*?") {
		return s
	}
	return strings.NewReplacer("*", anyRunText, "?", anyOneText).Replace(s)
}

// static reports whether t has no variables; its text is then t[0].text.
func (t template) static() bool { return len(t) == 1 && t[0].slot < 0 }

// uses calls f for the slot of each variable.
func (t template) uses(f func(slot int)) {
	for i := range t {
		if t[i].slot >= 0 {
			f(t[i].slot)
		}
	}
}

// fill appends the pattern with the values put in. Without one of them it reports
// false: the entry then matches nothing.
func (t template) fill(b []byte, values []value) ([]byte, bool) {
	for i := range t {
		if t[i].slot < 0 {
			b = append(b, t[i].text...)
			continue
		}
		s, why := values[t[i].slot].text()
		if why != "" {
			return b, false
		}
		b = append(b, s...)
	}
	return b, true
}

// filled is the pattern as a string.
func (t template) filled(values []value) (string, bool) {
	if t.static() {
		return t[0].text, true
	}
	b, ok := t.fill(nil, values)
	return string(b), ok
}

// arnParts cuts a template of a resource name at its first five colons. Colons in
// values do not count: a value must not move the borders. It reports false if there
// are fewer.
func (t template) arnParts() ([6]template, bool) {
	var parts [6]template
	n := 0
	for _, p := range t {
		for p.slot < 0 && n < 5 {
			before, after, found := strings.Cut(p.text, ":")
			if !found {
				break
			}
			parts[n] = append(parts[n], part{before, -1})
			n++
			p.text = after
		}
		parts[n] = append(parts[n], p)
	}
	return parts, n == 5
}
