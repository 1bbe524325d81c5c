package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/policy"
)

// with is a document around the members of one statement.
func with(members string) string {
	return `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"}, {` + members + `}]}`
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const ok = `"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"`
	for name, c := range map[string]struct{ text, path, value, expected string }{
		"nothing":              {``, "byte 0", "the end of the text", "a JSON value"},
		"no JSON":              {`{"Version": }`, "byte 12", `'}'`, "a JSON value"},
		"single quotes":        {`{'Version': 1}`, "byte 1", `'\''`, "a member name"},
		"two documents":        {`{} {}`, "byte 3", `'{'`, "the end of the document"},
		"comma at the end":     {`{"Statement": [],}`, "byte 17", `'}'`, "a member name"},
		"comment":              {`{/**/}`, "byte 1", `'/'`, "a member name"},
		"byte order mark":      {"\ufeff{}", "byte 0", `'\ufeff'`, "a JSON value"},
		"not UTF-8":            {"{\"Id\": \"\xff\"}", "document", "not UTF-8", "UTF-8"},
		"half a surrogate":     {`{"Id": "\ud800"}`, "byte 14", `'"'`, "surrogate"},
		"halves in disorder":   {`{"Id": "\ud800\ud800"}`, "byte 20", `'"'`, "surrogate"},
		"control character":    {"{\"Id\": \"a\nb\"}", "byte 9", `'\n'`, "no control character"},
		"open string":          {`{"Id": "a`, "byte 9", "the end of the text", "a closing quote"},
		"bad escape":           {`{"Id": "\a"}`, "byte 9", `'a'`, "an escape"},
		"bad hex":              {`{"Id": "\u+123"}`, "byte 10", `'+'`, "hexadecimal"},
		"leading zero":         {`{"Id": 01}`, "byte 9", `'}'`, "a number"},
		"bare point":           {`{"Id": 1.}`, "byte 9", `'}'`, "a digit"},
		"bare exponent":        {`{"Id": 1e}`, "byte 9", `'}'`, "a digit"},
		"broken in a list":     {`{"Statement": [1 2]}`, "byte 17", `'2'`, "a comma or ]"},
		"list without end":     {`{"Statement": [`, "byte 15", "the end of the text", "a JSON value"},
		"no colon":             {`{"Id" 1}`, "byte 6", `'1'`, "a colon"},
		"no comma":             {`{"Id": 1 "Sid": 1}`, "byte 9", `'"'`, "a comma or }"},
		"bad name":             {`{"\x": 1}`, "byte 3", `'x'`, "an escape"},
		"backslash at the end": {`{"Id": "\`, "byte 9", "the end of the text", "an escape"},
		"hex at the end":       {`{"Id": "\u12`, "byte 12", "the end of the text", "hexadecimal"},
		"bad second half":      {`{"Id": "\ud800\uxyz1"}`, "byte 16", `'x'`, "hexadecimal"},
		"bad value":            {`{"Statement": [{"Effect": tru}]}`, "byte 26", `'t'`, "a JSON value"},
		"deep":                 {strings.Repeat("[", 100_000), "byte 17", `'['`, "at most 16 levels"},
		"member twice":         {`{"Version": "2012-10-17", "Versio\u006e": "2008-10-17"}`, "byte 26", `"Version"`, "each member once"},
		"a list":               {`[]`, "document", "an empty list", "an object"},
		"unknown element":      {`{"Statements": []}`, "document", `"Statements"`, "only Version, Id and Statement"},
		"case of elements":     {`{"statement": []}`, "document", `"statement"`, "only Version"},
		"no statement":         {`{"Version": "2012-10-17"}`, "Statement", "absent", "a statement"},
		"empty statements":     {`{"Statement": []}`, "Statement", "an empty list", "a statement"},
		"statement is text":    {`{"Statement": "x"}`, "Statement", `"x"`, "a statement"},
		"statement is null":    {`{"Statement": [null]}`, "Statement[0]", "null", "an object"},
		"unknown version":      {`{"Version": "2012-10-18", "Statement": []}`, "Version", `"2012-10-18"`, `"2012-10-17"`},
		"version is a number":  {`{"Version": 2012, "Statement": []}`, "Version", "2012", `"2012-10-17"`},
		"Id is a number":       {`{"Id": 1, "Statement": []}`, "Id", "1", "a string"},
		"no effect":            {with(`"Action": "iot:Publish", "Resource": "*"`), "Statement[1].Effect", "absent", `"Allow" or "Deny"`},
		"effect in lower case": {
			with(`"Effect": "allow", "Action": "iot:Publish", "Resource": "*"`),
			"Statement[1].Effect", `"allow"`, `"Allow" or "Deny"`,
		},
		"Sid is a number":     {with(ok + `, "Sid": 1`), "Statement[1].Sid", "1", "a string"},
		"principal":           {with(ok + `, "Principal": "*"`), "Statement[1]", `"Principal"`, "only Sid"},
		"no action":           {with(`"Effect": "Allow", "Resource": "*"`), "Statement[1].Action", "absent", "Action or NotAction"},
		"two actions":         {with(ok + `, "NotAction": "iot:Connect"`), "Statement[1]", "Action and NotAction", "one of them"},
		"empty actions":       {with(`"Effect": "Allow", "Action": [], "Resource": "*"`), "Statement[1].Action", "an empty list", "a string or a list"},
		"action is null":      {with(`"Effect": "Allow", "Action": [null], "Resource": "*"`), "Statement[1].Action[0]", "null", "a string"},
		"bare action":         {with(`"Effect": "Allow", "NotAction": ["a:b", "Publish"], "Resource": "*"`), "Statement[1].NotAction[1]", `"Publish"`, "service:name"},
		"action of nothing":   {with(`"Effect": "Allow", "Action": "iot:", "Resource": "*"`), "Statement[1].Action", `"iot:"`, "service:name"},
		"no resource":         {with(`"Effect": "Allow", "Action": "a:b"`), "Statement[1].Resource", "absent", "Resource or NotResource"},
		"two resources":       {with(ok + `, "NotResource": "*"`), "Statement[1]", "Resource and NotResource", "one of them"},
		"empty resources":     {with(`"Effect": "Allow", "Action": "a:b", "Resource": []`), "Statement[1].Resource", "an empty list", "a string or a list"},
		"resource object":     {with(`"Effect": "Allow", "Action": "a:b", "Resource": {"x": 1}`), "Statement[1].Resource", "an object", "a string or a list"},
		"bare resource":       {with(`"Effect": "Allow", "Action": "a:b", "NotResource": "topic/x"`), "Statement[1].NotResource", `"topic/x"`, `"arn:"`},
		"two stars":           {with(`"Effect": "Allow", "Action": "a:b", "Resource": "**"`), "Statement[1].Resource", `"**"`, `"arn:"`},
		"ARN in upper case":   {with(`"Effect": "Allow", "Action": "a:b", "Resource": "ARN:x"`), "Statement[1].Resource", `"ARN:x"`, `"arn:"`},
		"open variable":       {with(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:${a}${iot:ClientId"`), "Statement[1].Resource", "arn:", `a "}"`},
		"empty variable":      {with(`"Effect": "Allow", "Action": "a:b", "Resource": "arn:${ }"`), "Statement[1].Resource", "arn:", "a name"},
		"condition is a list": {with(ok + `, "Condition": []`), "Statement[1].Condition", "an empty list", "an object of operators"},
		"unknown operator":    {with(ok + `, "Condition": {"StringEqual": {}}`), "Statement[1].Condition", `"StringEqual"`, "StringEquals"},
		"operator's case":     {with(ok + `, "Condition": {"stringequals": {}}`), "Statement[1].Condition", `"stringequals"`, "exact spelling"},
		"unknown qualifier":   {with(ok + `, "Condition": {"ForEach:StringEquals": {}}`), "Statement[1].Condition", `"ForEach:StringEquals"`, "ForAllValues:"},
		"two qualifiers":      {with(ok + `, "Condition": {"ForAllValues:ForAnyValue:Bool": {}}`), "Statement[1].Condition", "ForAnyValue", "an operator"},
		"NullIfExists":        {with(ok + `, "Condition": {"NullIfExists": {}}`), "Statement[1].Condition", `"NullIfExists"`, "Null without"},
		"qualified Null":      {with(ok + `, "Condition": {"ForAllValues:Null": {}}`), "Statement[1].Condition", `"ForAllValues:Null"`, "Null without"},
		"keys are a list":     {with(ok + `, "Condition": {"Bool": []}`), "Statement[1].Condition.Bool", "an empty list", "an object of keys"},
		"empty key":           {with(ok + `, "Condition": {"Bool": {"": "true"}}`), "Statement[1].Condition.Bool", "empty key", "the name"},
		"value is null":       {with(ok + `, "Condition": {"Bool": {"a:b": null}}`), "Statement[1].Condition.Bool.a:b", "null", "a string, a number"},
		"value is a list":     {with(ok + `, "Condition": {"Bool": {"a:b": ["true", ["y"]]}}`), "Statement[1].Condition.Bool.a:b[1]", "a list", "a string, a number"},
		"variable in a value": {with(ok + `, "Condition": {"StringLike": {"a:b": "${"}}`), "Statement[1].Condition.StringLike.a:b", `"${"`, `a "}"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, err := policy.Parse([]byte(c.text))
			require.Nil(t, doc)
			require.ErrorIs(t, err, policy.ErrMalformed)
			var m *policy.Malformed
			require.ErrorAs(t, err, &m)
			require.Equal(t, c.path, m.Path, err)
			require.Contains(t, m.Value, c.value)
			require.Contains(t, m.Expected, c.expected)
			require.Contains(t, err.Error(), m.Path)
		})
	}
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	const ok = `"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"`
	for name, text := range map[string]string{
		"one statement":         `{"Statement": {` + ok + `}}`,
		"version last":          `{"Statement": {` + ok + `}, "Version": "2012-10-17"}`,
		"old with open ${":      `{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "arn:${"}}`,
		"stars":                 with(`"Effect": "Allow", "Action": ["*", "*:*"], "Resource": ["*", "arn:*"]`),
		"variable in an action": with(`"Effect": "Allow", "Action": "iot:${", "Resource": "*"`),
		"empty condition":       with(ok + `, "Condition": {}`),
		"no values":             with(ok + `, "Condition": {"StringEquals": {"a:b": []}}`),
		"values of all types":   with(ok + `, "Condition": {"ForAnyValue:StringLikeIfExists": {"a:b": ["x", 1.50, -2e+3, true, false]}}`),
		"keys that fold":        with(ok + `, "Condition": {"StringEquals": {"a:b": "x", "A:B": "y"}}`),
		"escapes":               `{"Id": "\"\\\/\b\f\n\r\t\u0041\ud83d\ude00é", "Statement": {` + ok + `}}`,
	} {
		doc, err := policy.Parse([]byte(text))
		require.NoError(t, err, name)
		require.Equal(t, text, string(doc.JSON()), name)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		``:                          policy.Version2008,
		`"Version": "2008-10-17", `: policy.Version2008,
		`"Version": "2012-10-17", `: policy.Version2012,
	} {
		doc, err := policy.Parse([]byte(`{` + version + `"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}`))
		require.NoError(t, err)
		require.Equal(t, want, doc.Version())
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, " \t\r\n": 0, `{ "a" : "é b" }`: 10, "\u00a0\ufeff": 2} {
		require.Equal(t, want, policy.Size([]byte(text)), "%q", text)
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	doc, err := policy.Parse([]byte(`{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`))
	require.NoError(t, err)
	good := policy.Named{Name: "good", Doc: doc}
	_, malformed := policy.Parse([]byte(`{}`))
	lost := errors.New("disk on fire")
	for name, c := range map[string]struct {
		scope    string
		policies []policy.Named
		want     error
		text     string
	}{
		"malformed":     {testScope, []policy.Named{good, policy.Broken("bad", malformed)}, policy.ErrMalformed, `policy "bad"`},
		"other error":   {testScope, []policy.Named{policy.Broken("bad", lost), good}, lost, `policy "bad"`},
		"and malformed": {testScope, []policy.Named{policy.Broken("bad", lost)}, policy.ErrMalformed, "disk on fire"},
		"broken by nil": {testScope, []policy.Named{policy.Broken("bad", nil)}, policy.ErrMalformed, "there is no document"},
		"no document":   {testScope, []policy.Named{{Name: "bad"}, good}, policy.ErrMalformed, "there is no document"},
		"no scope":      {"", []policy.Named{good}, policy.ErrScope, `""`},
		"short scope":   {"arn:aws:iot:", []policy.Named{good}, policy.ErrScope, `"arn:aws:iot:"`},
		"long scope":    {testScope + "topic/", []policy.Named{good}, policy.ErrScope, "expected arn:"},
		"not ASCII":     {"arn:aws:iot:é:1:", []policy.Named{good}, policy.ErrScope, "ASCII"},
	} {
		p, err := policy.Compile(c.scope, c.policies...)
		require.ErrorIs(t, err, c.want, name)
		require.ErrorContains(t, err, c.text, name)
		require.Equal(t, err, p.Err(), name)
		b := p.Bind(nil)
		require.Equal(t, policy.ExplicitDeny, b.Publish("a").Outcome, name)
		require.Equal(t, policy.ExplicitDeny, b.Decide("iot:ListThings", "*").Outcome, name)
		require.Contains(t, b.Explain("iot:Publish", testScope+"topic/a").Reason(), "a policy cannot be read", name)
		// The others' answers do not matter.
		open, err := policy.Compile(testScope, good)
		require.NoError(t, err)
		require.True(t, open.Bind(nil).Publish("a").Allowed())
		require.Equal(t, policy.ExplicitDeny, policy.And(open.Bind(nil), b).Publish("a").Outcome, name)
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	_, err := policy.Parse([]byte(with(`"Effect": "Allow", "Action": "` + strings.Repeat("é", 500) + `"`)))
	require.Less(t, len(err.Error()), 300)
	require.Contains(t, err.Error(), strings.Repeat("é", 40)+"...")
	require.Equal(t, "Allow Deny", policy.Allow.String()+" "+policy.Deny.String())
	require.Equal(t, "implicit deny, explicit deny, allowed", fmt.Sprintf("%v, %v, %v", policy.ImplicitDeny, policy.ExplicitDeny, policy.Allowed))
	require.Equal(t, "no statement", policy.Decision{}.Statement.String())

	p := program(
		t,
		`{"Sid": "S", "Effect": "Deny", "Action": "*", "Resource": "arn:${iot:ClientId}", "Condition": {"Bool": {"x:y": "${IOT:clientid}"}}}`,
		statement("Allow", "iot:Publish", "topic/${X:Y}/${iot:Connection.Thing.Attributes[x]}/${iot:Connection.Thing.Attributes[X]}"),
	)
	require.Equal(t, []string{"iot:ClientId", "x:y", "iot:Connection.Thing.Attributes[x]", "iot:Connection.Thing.Attributes[X]"}, p.Keys())
	st := p.Statements()[0]
	require.Equal(t, `policy "p" Statement[0] (S)`, st.String())
	require.Equal(t, []any{"p", 0, "S", policy.Deny}, []any{st.Policy, st.Index, st.Sid, st.Effect})
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		for _, text := range v.Policies {
			f.Add([]byte(text))
		}
	}
	f.Add([]byte(`{"Statement": [{"Sid": "\ud83d\ude00", "Condition": {"Null": {"a": [1e5, true]}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := policy.Parse(text)
		if err != nil {
			var m *policy.Malformed
			require.ErrorAs(t, err, &m)
			require.NotEmpty(t, m.Path)
			require.NotEmpty(t, m.Value)
			require.NotEmpty(t, m.Expected)
			return
		}
		require.True(t, json.Valid(text))
		require.Equal(t, string(text), string(doc.JSON()))
		require.LessOrEqual(t, policy.Size(text), len(text))
		for _, w := range policy.Lint(doc) {
			require.NotEmpty(t, w.Path)
		}
		p, err := policy.Compile(testScope, policy.Named{Name: "f", Doc: doc})
		require.NoError(t, err)
		require.NotEmpty(t, p.Statements())
		p.Bind(pumpFacts()).Explain("iot:Publish", testScope+"topic/a").Reason()
	})
}
