package sql

import (
	"github.com/thinghub/thinghub/internal/topic"
)

// A Version is a version of the language. A rule keeps the one it was made with.
type Version string

// The versions.
const (
	V2015 Version = "2015-10-08"
	V2016 Version = "2016-03-23"
	// Beta is an alias for the newest version.
	Beta Version = "beta"
)

// Options say how a statement is compiled. The zero value is for the newest version
// without functions that call out.
type Options struct {
	// Version defaults to V2016.
	Version Version
	// Account is what accountid() returns. Default "000000000000".
	Account string
	// Functions are functions of the host's, by their names in lower case.
	Functions map[string]Function
	// Expr compiles the text of expr('...'), an expression of another language. Nil: the
	// function is a mistake.
	Expr func(text string) (Embedded, error)
	// Externals are what functions that call out stand on. One that is not set makes
	// a statement that needs it an error.
	Externals Externals
	// NoExternals refuses functions that call out, as in an error action's templates.
	NoExternals bool
}

// A Statement is a compiled statement. It is immutable and may be used by many
// goroutines.
type Statement struct {
	source    string
	version   Version
	whole     bool
	account   string
	filter    string
	hasFrom   bool
	paths     [][]string // of the message that it looks at
	names     []string   // of its variables
	set       []expr
	where     test // nil if there is none
	output    func(r *Run) Result
	calls     callSet
	passesAll bool
	limits    Externals
	alone     *Plan // of this statement
	ast       *statement
	// warnings are about what can never yield a value.
	warnings []*Error
}

// Compile compiles a statement. The error is an [*Error].
func Compile(text string, o Options) (*Statement, error) {
	return compile(text, o, false)
}

// Filter returns the topic filter of FROM, and false if there is none.
func (s *Statement) Filter() (string, bool) { return s.filter, s.hasFrom }

// Matches reports whether FROM wants a topic. Of a Basic Ingest topic it is asked for
// what is behind the prefix; a statement without FROM wants all of those and no others.
func (s *Statement) Matches(name string) bool {
	rest := ingestTopic(name)
	if !s.hasFrom {
		return rest != name
	}
	return topic.Match(s.filter, rest)
}

// String returns the text.
func (s *Statement) String() string { return s.source }

// Version returns the version of the language.
func (s *Statement) Version() Version { return s.version }

// CallsOut reports that the statement has functions that may wait.
func (s *Statement) CallsOut() bool { return s.calls != 0 }

// PassesAll reports that the statement passes every message as it is, without a look at
// its payload: SELECT * without a condition. There is nothing to evaluate then.
func (s *Statement) PassesAll() bool { return s.passesAll }

// A Result is what a statement makes of a message.
type Result struct {
	// Matched reports that WHERE is true. If not, the rest is empty.
	Matched bool
	// Undefined reports a SELECT VALUE of an Undefined: Output is empty.
	Undefined bool
	// Output is the outgoing payload. It may be a part of the message's payload, and
	// is valid until End.
	Output []byte
}
