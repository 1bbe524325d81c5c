package sqltext

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Dialect says what is a literal, a name and a comment.
type Dialect uint8

// The dialects.
const (
	Postgres Dialect = iota
	MySQL
)

// A Statement is a text that was cut where values stand: there is one part more than there
// are values.
type Statement struct {
	Parts  []string
	Values []string // ${...}, $payload or $payload.member
	places []Error  // of the values
}

// Sources returns where the values come from. The templates have spaces after their ${, so
// that who finds a mistake in one says where it is in the statement.
func (s *Statement) Sources() Sources {
	from := make(Sources, len(s.Values))
	for i, text := range s.Values {
		if from[i] = SourceOf(text); from[i].Template != "" {
			at := s.places[i]
			spaces := strings.Repeat(" ", at.Column-1)
			if at.Line > 1 {
				spaces = strings.Repeat("\n", at.Line-1) + spaces + "  "
			}
			from[i].Template = "${" + spaces + text[2:]
		}
	}
	return from
}

// Join puts the text together, with placeholder(i) for value i, from 0.
func (s *Statement) Join(placeholder func(i int) string) string {
	var b strings.Builder
	for i, part := range s.Parts {
		if i > 0 {
			b.WriteString(placeholder(i - 1))
		}
		b.WriteString(part)
	}
	return b.String()
}

// An Error is a mistake in a statement.
type Error struct {
	// Line and Column say where, both from 1; columns count characters.
	Line, Column int
	// Message says what was found and what was expected.
	Message string
}

// Error returns the message with its place.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// Split cuts a statement at its templates and at $payload and $payload.member, for which
// holds what is said about templates. A semicolon at the end is dropped. The error is an
// [*Error].
//
// A template stands for a value: it must not be in a literal, in a quoted name or beside
// the letters of a name. In a comment it is part of the comment. The statement has no
// placeholders of its own, and nothing follows its semicolon. Texts in a template are those
// of the rules' SQL, where a backslash is an ordinary character.
func Split(text string, d Dialect) (*Statement, error) {
	s := &splitter{text: text, dialect: d}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return nil, s.fail(i, "a statement has no zero byte")
	}
	for s.pos < len(text) {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	end := len(text)
	if s.end > 0 {
		end = s.end - 1
	}
	if !s.some {
		return nil, s.fail(0, "there is no statement")
	}
	s.out.Parts = append(s.out.Parts, text[s.part:end])
	return &s.out, nil
}

type splitter struct {
	text    string
	dialect Dialect
	pos     int
	part    int // where the current part begins
	end     int // behind the semicolon, if there was one
	some    bool
	out     Statement
}

func (s *splitter) fail(at int, format string, args ...any) error {
	e := s.place(at)
	e.Message = fmt.Sprintf(format, args...)
	return &e
}

func (s *splitter) place(at int) Error {
	before := s.text[:at]
	start := strings.LastIndexByte(before, '\n') + 1
	return Error{Line: strings.Count(before, "\n") + 1, Column: utf8.RuneCountInString(before[start:]) + 1}
}

func (s *splitter) at(prefix string) bool { return strings.HasPrefix(s.text[s.pos:], prefix) }

// next reads a token.
func (s *splitter) next() error {
	c := s.text[s.pos]
	switch {
	case c == ' ' || c >= '\t' && c <= '\r':
		s.pos++
		return nil
	case s.comments():
		return s.comment()
	case s.end > 0:
		return s.fail(s.pos, "something follows the semicolon, expected one statement")
	case c == ';':
		s.pos++
		s.end = s.pos
		return nil
	}
	s.some = true
	switch {
	case s.at("${"):
		return s.template()
	case c == '\'':
		return s.quoted("a literal", s.dialect == MySQL)
	case c == '"' && s.dialect == MySQL:
		return s.quoted("a literal", true)
	case c == '"':
		return s.quoted("a quoted name", false)
	case c == '`' && s.dialect == MySQL:
		return s.quoted("a quoted name", false)
	case c == '?' && s.dialect == MySQL:
		return s.fail(s.pos, "there is a ?, expected values as ${...}")
	case s.payload() > 0:
		return s.outgoing(s.payload())
	case c == '$' && s.dialect == Postgres:
		return s.dollar()
	case wordy(c):
		return s.word()
	}
	s.pos++
	return nil
}

// wordy reports whether a byte can be in a name or a number.
func wordy(c byte) bool {
	return c|0x20-'a' < 26 || c-'0' < 10 || c == '_' || c >= utf8.RuneSelf
}

// word reads a name or a number. In both dialects a $ may be in a name.
func (s *splitter) word() error {
	from := s.pos
	for s.pos < len(s.text) && (wordy(s.text[s.pos]) || s.text[s.pos] == '$' && !s.at("${")) {
		s.pos++
	}
	if s.at("${") {
		return s.fail(s.pos, "a template stands at the end of the name %s, expected a value", clip(s.text[from:s.pos]))
	}
	if word := s.text[from:s.pos]; s.dialect == Postgres && (word == "e" || word == "E") && s.at("'") {
		return s.quoted("a literal", true)
	}
	return nil
}

// quoted reads up to the quote that is like the one here. The quote twice stands for one
// of it.
func (s *splitter) quoted(what string, backslash bool) error {
	from, quote := s.pos, s.text[s.pos]
	inside := -1
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '\\' && backslash:
			s.pos++
		case c == quote && s.pos+1 < len(s.text) && s.text[s.pos+1] == quote:
			s.pos++
		case c == quote:
			s.pos++
			if inside >= 0 {
				return s.fail(inside, "a template is in %s, expected it outside of quotes: it stands for a value", what)
			}
			return nil
		case inside < 0 && s.at("${"):
			inside = s.pos
		}
	}
	return s.fail(from, "%s has no closing %c", what, quote)
}

// payload returns the end of the $payload here, 0 if there is none.
func (s *splitter) payload() int {
	if !s.at(Payload) {
		return 0
	}
	end := s.pos + len(Payload)
	if end < len(s.text) && (s.text[end] == '$' || wordy(s.text[end])) {
		return 0 // another name, or a quote of PostgreSQL
	}
	if end+1 < len(s.text) && s.text[end] == '.' && wordy(s.text[end+1]) {
		for end++; end < len(s.text) && wordy(s.text[end]); end++ {
		}
	}
	return end
}

// outgoing reads $payload or $payload.member.
func (s *splitter) outgoing(end int) error {
	text := s.text[s.pos:end]
	if text != Payload && end < len(s.text) && (s.text[end] == '.' || s.text[end] == '[') {
		return s.fail(end, "%s is followed by %q at once, expected %s", clip(text), first(s.text[end:]), nested)
	}
	return s.cut(s.pos, end)
}

// dollar reads what begins with a $ in PostgreSQL: $tag$ ... $tag$, or $1.
func (s *splitter) dollar() error {
	from := s.pos
	end := from + 1
	for end < len(s.text) && wordy(s.text[end]) {
		end++
	}
	tag := s.text[from+1 : end]
	if tag != "" && tag[0]-'0' < 10 {
		return s.fail(from, "there is $%s, expected values as ${...}", clip(tag))
	}
	if end == len(s.text) || s.text[end] != '$' {
		s.pos++
		return nil
	}
	n := strings.Index(s.text[end+1:], s.text[from:end+1])
	if n < 0 {
		return s.fail(from, "a literal has no closing $%s$", clip(tag))
	}
	body := s.text[end+1 : end+1+n]
	if i := strings.Index(body, "${"); i >= 0 {
		return s.fail(end+1+i, "a template is in a literal, expected it outside of quotes: it stands for a value")
	}
	s.pos = end + 1 + n + len(tag) + 2
	return nil
}

// comments reports whether a comment begins here.
func (s *splitter) comments() bool {
	if s.dialect == Postgres {
		return s.at("--") || s.at("/*")
	}
	if s.at("--") {
		// -- needs a space behind it: 5--1 is a subtraction.
		return s.pos+2 < len(s.text) && s.text[s.pos+2] <= ' '
	}
	return s.at("#") || s.at("/*")
}

func (s *splitter) comment() error {
	from := s.pos
	if !s.at("/*") {
		n := strings.IndexByte(s.text[s.pos:], '\n')
		if n < 0 {
			n = len(s.text) - s.pos
		}
		s.pos += n
		return nil
	}
	if s.dialect == MySQL && (s.at("/*!") || s.at("/*M!")) {
		return s.fail(from, "there is a comment that the server executes, expected none")
	}
	depth := 0
	for s.pos < len(s.text) {
		switch {
		case s.at("/*") && (depth == 0 || s.dialect == Postgres):
			depth++
			s.pos += 2
		case s.at("*/"):
			depth--
			s.pos += 2
			if depth == 0 {
				return nil
			}
		default:
			s.pos++
		}
	}
	return s.fail(from, "a comment has no closing */")
}

// template reads a template: an expression in which braces and quotes come in pairs.
func (s *splitter) template() error {
	from := s.pos
	depth := 0
	for i := from + 1; i < len(s.text); i++ {
		switch c := s.text[i]; c {
		case '{':
			depth++
		case '\'', '"', '`':
			n := strings.IndexByte(s.text[i+1:], c)
			if n < 0 {
				return s.fail(i, "a text in a template has no closing %c", c)
			}
			i += n + 1
		case '}':
			if depth--; depth > 0 {
				continue
			}
			if strings.TrimSpace(s.text[from+2:i]) == "" {
				return s.fail(from, "a template is empty")
			}
			return s.cut(from, i+1)
		}
	}
	return s.fail(from, "a template has no closing }")
}

// cut ends a part before a value and begins one behind it.
func (s *splitter) cut(from, to int) error {
	s.out.Parts = append(s.out.Parts, s.text[s.part:from])
	s.out.Values = append(s.out.Values, s.text[from:to])
	s.out.places = append(s.out.places, s.place(from))
	s.pos, s.part = to, to
	if to < len(s.text) && (wordy(s.text[to]) || s.text[to] == '$' || s.text[to] == '\'' || s.text[to] == '"' || s.text[to] == '`') {
		return s.fail(to, "a value is followed by %q at once, expected a space or a sign", first(s.text[to:]))
	}
	return nil
}

func first(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

const longest = 40

// clip shortens a text for a message.
func clip(s string) string {
	if len(s) <= longest {
		return s
	}
	cut := longest
	for cut > longest-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
