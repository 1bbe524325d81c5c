package sql

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenVariable
	tokenNumber
	tokenString
	tokenSymbol
	tokenBad
)

// A token is a piece of a text.
type token struct {
	kind tokenKind
	pos  int
	text string // as it stands there; of a String what is between the quotes
	what string // of a bad token: what is wrong with it
	// quote is the quote of a String.
	quote byte
}

// is reports whether a token is a symbol.
func (t *token) is(symbol string) bool { return t.kind == tokenSymbol && t.text == symbol }

// word reports whether a token is a keyword, in any case.
func (t *token) word(keyword string) bool {
	return t.kind == tokenName && strings.EqualFold(t.text, keyword)
}

// found describes a token for a message.
func (t *token) found() string {
	switch t.kind {
	case tokenEnd:
		return "the end"
	case tokenString:
		return "the text '" + clip(t.text) + "'"
	case tokenName, tokenVariable, tokenNumber, tokenSymbol, tokenBad:
	}
	return "\"" + clip(t.text) + "\""
}

// A lexer cuts a text into tokens.
type lexer struct {
	source string
	pos    int
}

var symbols = [...]string{"<>", "<=", ">=", "!=", "==", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")", "{", "}", "[", "]", ",", ".", ":"}

func isLetter(c byte) bool { return c|0x20-'a' < 26 || c == '_' }

func isDigit(c byte) bool { return c-'0' <= 9 }

// next returns the next token.
func (l *lexer) next() token {
	s := l.source
	l.pos = space(s, l.pos)
	if l.pos >= len(s) {
		return token{kind: tokenEnd, pos: l.pos}
	}
	from, c := l.pos, s[l.pos]
	switch {
	case isLetter(c):
		return l.take(tokenName, from, wordEnd(s, from))
	case c == '@':
		end := wordEnd(s, from+1)
		if end == from+1 {
			return l.bad(from, end, "a variable has a name behind its @")
		}
		return l.take(tokenVariable, from, end)
	case isDigit(c):
		end := skipSQLNumber(s, from)
		if end < len(s) && isLetter(s[end]) {
			return l.bad(from, wordEnd(s, end), "a number ends where a name begins")
		}
		return l.take(tokenNumber, from, end)
	case c == '\'' || c == '"':
		return l.quoted(from)
	case strings.HasPrefix(s[from:], "/*") || strings.HasPrefix(s[from:], "//"):
		return l.bad(from, from+2, "there are no comments in this language")
	}
	for _, symbol := range symbols {
		if strings.HasPrefix(s[from:], symbol) {
			return l.take(tokenSymbol, from, from+len(symbol))
		}
	}
	_, size := utf8.DecodeRuneInString(s[from:])
	return l.bad(from, from+size, "this character means nothing here")
}

func (l *lexer) take(kind tokenKind, from, end int) token {
	l.pos = end
	return token{kind: kind, pos: from, text: l.source[from:end]}
}

func (l *lexer) bad(from, end int, what string) token {
	t := l.take(tokenBad, from, end)
	t.what = what
	return t
}

func wordEnd(s string, i int) int {
	for i < len(s) && (isLetter(s[i]) || isDigit(s[i])) {
		i++
	}
	return i
}

// skipSQLNumber returns the end of the number at s[i]: digits, a fraction, an exponent.
func skipSQLNumber(s string, i int) int {
	i += countDigits(s[i:])
	if i+1 < len(s) && s[i] == '.' && isDigit(s[i+1]) {
		i += 1 + countDigits(s[i+1:])
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		j := i + 1
		if j < len(s) && (s[j] == '+' || s[j] == '-') {
			j++
		}
		if n := countDigits(s[j:]); n > 0 {
			i = j + n
		}
	}
	return i
}

// quoted reads a String. The same quote twice stands for one of it; a backslash is an
// ordinary character.
func (l *lexer) quoted(from int) token {
	s, quote := l.source, l.source[from]
	var b []byte
	start := from + 1
	for i := start; i < len(s); i++ {
		if s[i] != quote {
			continue
		}
		if i+1 < len(s) && s[i+1] == quote {
			b = append(b, s[start:i+1]...)
			i++
			start = i + 1
			continue
		}
		l.pos = i + 1
		t := token{kind: tokenString, pos: from, text: s[start:i], quote: quote}
		if b != nil {
			t.text = string(append(b, s[start:i]...))
		}
		return t
	}
	return l.bad(from, len(s), "this text has no closing "+string(quote))
}
