package policy_test

import (
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

// compile parses documents that must be well formed.
func compile(t testing.TB, docs ...string) *policy.Program {
	t.Helper()
	var list []policy.Named
	for _, text := range docs {
		doc, err := policy.Parse([]byte(text))
		require.NoError(t, err, text)
		list = append(list, policy.Named{Name: "p", Doc: doc})
	}
	p, err := policy.Compile(testScope, list...)
	require.NoError(t, err)
	return p
}

// alike asks the package in all its ways, and the reference.
func alike(t testing.TB, f *policy.Facts, action, resource string, docs ...string) policy.Outcome {
	t.Helper()
	p := compile(t, docs...)
	b := p.Bind(f)
	want := newReference(f, testScope, docs...).decide(action, resource)
	d := b.Decide(action, resource)
	about := func() []any {
		return []any{"%s on %s\ndocs %s\nfacts %+v\n%s", action, resource, docs, *f, b.Explain(action, resource).Reason()}
	}
	if want != d.Outcome {
		require.Equal(t, want, d.Outcome, about()...)
	}
	e := b.Explain(action, resource)
	if want != outcomeOf(e) || e.Decision != d {
		require.Equal(t, want, outcomeOf(e), about()...)
		require.Equal(t, d, e.Decision, about()...)
	}
	// Who watches hears of what applies, and of nothing else.
	c := policy.NewCoverage()
	p.Watch(c)
	if w := b.Decide(action, resource); w != d {
		require.Equal(t, d, w, about()...)
	}
	for _, f := range e.Findings {
		if c.Matched(f.Statement) != applied(e, f.Statement) {
			require.Equal(t, applied(e, f.Statement), c.Matched(f.Statement), append([]any{"%v\n" + about()[0].(string), f.Statement}, about()[1:]...)...)
		}
	}
	return want
}

// applied reports whether a statement applies, or one that says the same.
func applied(e *policy.Explanation, st *policy.Statement) bool {
	return slices.ContainsFunc(e.Findings, func(f policy.Finding) bool { return f.Applies && policy.SameText(f.Statement, st) })
}

func TestAgainstReference(t *testing.T) {
	t.Parallel()
	seen := map[policy.Outcome]int{}
	for seed := range uint64(5_000) {
		m := newMaker(seed)
		docs := []string{m.document()}
		if m.odds(3) {
			docs = append(docs, m.document())
		}
		f := m.facts()
		for range 4 {
			action, resource := m.question(f)
			seen[alike(t, f, action, resource, docs...)]++
		}
	}
	// The questions must be worth asking.
	require.Greater(t, seen[policy.Allowed], 1_000)
	require.Greater(t, seen[policy.ExplicitDeny], 1_000)
	require.Greater(t, seen[policy.ImplicitDeny], 1_000)
}

func TestVectorsAgainstReference(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		if v.Malformed || v.Context.Cognito != nil || scopeOf(v.Request.Resource) != testScope {
			continue
		}
		f := v.facts(t)
		if f.Now == nil {
			f.Now = newMaker(1).facts().Now
		}
		var docs []string
		for _, text := range v.Policies {
			docs = append(docs, string(text))
		}
		alike(t, f, v.Request.Action, v.Request.Resource, docs...)
	}
}

func FuzzSeed(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed << 40)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		m := newMaker(seed)
		docs := []string{m.document(), m.document()}
		facts := m.facts()
		for range 4 {
			action, resource := m.question(facts)
			alike(t, facts, action, resource, docs...)
		}
	})
}

// FuzzDecide compares what two readers make of any document.
func FuzzDecide(f *testing.F) {
	for _, v := range vectors(f) {
		for _, text := range v.Policies {
			f.Add(string(text), v.Context.ClientID, "berlin", v.Request.Action, v.Request.Resource)
		}
	}
	f.Fuzz(func(t *testing.T, text, client, tag, action, resource string) {
		doc, err := policy.Parse([]byte(text))
		if err != nil {
			require.ErrorIs(t, err, policy.ErrMalformed)
			return
		}
		require.Equal(t, text, string(doc.JSON()))
		policy.Lint(doc)
		if !utf8.ValidString(action) || hugeNumber(text) || hugeNumber(client) || hugeNumber(tag) {
			return // the reference works these out digit by digit
		}
		facts := newMaker(3).facts()
		facts.ClientID, facts.Thing.Name = client, client
		facts.Thing.Attributes["site"] = tag
		facts.Extra["iot:Tag"] = []string{tag}
		facts.Certificate = map[string][]string{"Subject.CommonName": {tag, client}}
		alike(t, facts, action, resource, text)
	})
}

// hugeNumber reports whether s may hold a number the reference should not read: one
// with an exponent, or in a notation of Go's.
func hugeNumber(s string) bool {
	for i := 1; i < len(s); i++ {
		c, before := s[i], s[i-1]
		if before >= '0' && before <= '9' && (c == 'e' || c == 'E' || c == 'p' || c == 'x' || c == 'X' || c == 'o' || c == 'b' || c == '_' || c == '/') {
			return true
		}
	}
	return false
}
