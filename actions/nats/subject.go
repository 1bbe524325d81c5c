package nats

import (
	"strings"
	"unicode/utf8"

	"github.com/thinghub/thinghub/actions"
)

const maxSubject = 1024

// checkSubject checks a subject to publish to. system says that its author wrote the "$".
func checkSubject(s string, system bool) error {
	bad := len(s) > maxSubject || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '*' || r == '>' })
	for token := range strings.SplitSeq(s, ".") {
		bad = bad || token == ""
	}
	first, _, _ := strings.Cut(s, ".")
	switch {
	case bad:
		return actions.WrongField("subject", s, "1 to 1024 bytes without spaces, control characters, * and >, and without empty tokens")
	case first == "$JS" || first == "$SYS" || first == "_INBOX":
		return actions.WrongField("subject", s, "a subject other than those of the server itself")
	case s[0] == '$' && !system:
		return actions.WrongField("subject", s, `a subject that does not begin with "$", unless the action's text does`)
	}
	return nil
}

// isSystem reports whether the author of a text wrote a "$" at its beginning.
func isSystem(text string) bool {
	return strings.HasPrefix(text, "$") && !strings.HasPrefix(text, "${")
}

// static returns the part of a text before its first template, and whether that is all.
func static(text string) (string, bool) {
	before, _, found := strings.Cut(text, "${")
	return before, !found
}

// covers reports whether a stream's subject, which may have wildcards, matches one without.
func covers(filter, subject string) bool {
	for {
		f, restF, moreF := strings.Cut(filter, ".")
		s, restS, moreS := strings.Cut(subject, ".")
		switch {
		case f == ">":
			return true
		case f != "*" && f != s, moreF != moreS:
			return false
		case !moreF:
			return true
		}
		filter, subject = restF, restS
	}
}
