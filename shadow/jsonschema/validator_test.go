package jsonschema_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
	"github.com/thinghub/thinghub/shadow/jsonschema"
)

// validator compiles schemas that are all for the classic shadow of everything.
func validator(t testing.TB, c jsonschema.Config, schemas ...string) *jsonschema.Validator {
	t.Helper()
	for i, s := range schemas {
		c.Schemas = append(c.Schemas, jsonschema.Schema{Name: fmt.Sprint("s", i), JSON: []byte(s)})
	}
	v, err := jsonschema.New(c)
	require.NoError(t, err)
	return v
}

// refusal is what a validator has against a document, "" if it has nothing.
func refusal(t testing.TB, v *jsonschema.Validator, k shadow.Key, doc string) string {
	t.Helper()
	err := v.Validate(t.Context(), k, []byte(doc))
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*shadow.Error](err)
	require.True(t, ok, err)
	require.Equal(t, 400, e.Code)
	require.ErrorIs(t, err, shadow.ErrInvalid)
	require.True(t, utf8.ValidString(e.Message))
	return e.Message
}

var classic = shadow.Key{Thing: "pump-1"}

// What is found is named with its place and with what was expected.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ schema, doc, want string }{
		{`{"type":"array"}`, `{}`, `the document is an object with 0 members, expected an array`},
		{`{"properties":{"reported":{"properties":{"temp":{"maximum":100}}}}}`, `{"reported":{"temp":120}}`, `/reported/temp is 120, expected at most 100`},
		{`{"properties":{"n":{"minimum":0.5}}}`, `{"n":-1e-3}`, `/n is -1e-3, expected at least 0.5`},
		{`{"properties":{"n":{"exclusiveMinimum":5}}}`, `{"n":5}`, `/n is 5, expected more than 5`},
		{`{"properties":{"n":{"exclusiveMaximum":5}}}`, `{"n":5.0}`, `/n is 5.0, expected less than 5`},
		{`{"properties":{"n":{"multipleOf":0.25}}}`, `{"n":0.3}`, `/n is 0.3, expected a multiple of 0.25`},
		{`{"properties":{"n":{"type":"integer"}}}`, `{"n":1.5}`, `/n is 1.5, expected an integer`},
		{`{"properties":{"n":{"type":["number","null"]}}}`, `{"n":"hot"}`, `/n is "hot", expected null or a number`},
		{`{"properties":{"n":{"const":9007199254740993}}}`, `{"n":9007199254740992}`, `/n is 9007199254740992, expected 9007199254740993`},
		{`{"properties":{"n":{"enum":["a",1,null,{"b":[]}]}}}`, `{"n":true}`, `/n is true, expected "a" or 1 or null or {"b":[]}`},
		{`{"properties":{"n":{"const":"a<b"}}}`, `{"n":"a&b"}`, `/n is "a&b", expected "a<b"`},
		{`{"properties":{"s":{"minLength":3}}}`, `{"s":"ü"}`, `/s is "ü", expected at least 3 characters`},
		{`{"properties":{"s":{"maxLength":1}}}`, `{"s":"üb"}`, `/s is "üb", expected at most 1 character`},
		{`{"properties":{"s":{"pattern":"^v[0-9]+$"}}}`, `{"s":"x"}`, `/s is "x", expected what matches "^v[0-9]+$"`},
		{`{"properties":{"s":{"not":{"const":1}}}}`, `{"s":1}`, `/s is 1, expected something else`},
		{`{"properties":{"s":false}}`, `{"s":1}`, `/s is 1, expected nothing here`},
		{`false`, `{"s":1}`, `the document is an object with 1 member, expected nothing here`},
		{`{"required":["a"]}`, `{}`, `the document has no "a", expected it`},
		{`{"properties":{"o":{"required":["a","b","c"]}}}`, `{"o":{"b":1}}`, `/o has no "a", "c", expected them`},
		{`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, `the document has "a" but no "b", expected it with it`},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","dependencies":{"a":["b","c"]}}`, `{"a":1}`, `the document has "a" but no "b", "c", expected them with it`},
		{`{"minProperties":2}`, `{"a":1}`, `the document has 1 member, expected at least 2`},
		{`{"maxProperties":0}`, `{"a":1}`, `the document has 1 member, expected at most 0`},
		{`{"properties":{"a":{"minItems":2}}}`, `{"a":[1]}`, `/a has 1 item, expected at least 2`},
		{`{"properties":{"a":{"maxItems":1}}}`, `{"a":[1,2]}`, `/a has 2 items, expected at most 1`},
		{`{"properties":{"a":{"uniqueItems":true}}}`, `{"a":[1,2,1.0]}`, `/a has the same item at 0 and 2, expected each once`},
		{`{"properties":{"a":{"contains":{"const":1}}}}`, `{"a":[2]}`, `/a has no item that it must contain, expected at least 1`},
		{`{"properties":{"a":{"contains":{"const":1},"minContains":2}}}`, `{"a":[1]}`, `/a has 1 item that it must contain, expected at least 2`},
		{`{"properties":{"a":{"contains":{"const":1},"maxContains":1}}}`, `{"a":[1,1]}`, `/a has 2 items of which it may contain a few, expected at most 1`},
		{`{"properties":{"a":{"prefixItems":[{"type":"string"}],"items":false}}}`, `{"a":[1,2]}`, `/a/0 is 1, expected a string; /a/1 is 2, expected nothing here`},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"items":[{}],"additionalItems":false}}}`, `{"a":[1,2,3]}`, `/a has 2 items at its end, expected no more`},
		{`{"properties":{"o":{"properties":{"a":{}},"additionalProperties":false}}}`, `{"o":{"a":1,"b":{"c":2},"d":[]}}`, `/o/b is an object with 1 member, expected no such member; /o/d is an array with 0 items, expected no such member`},
		{`{"unevaluatedProperties":false}`, `{"a":1}`, `/a is 1, expected nothing here`},
		{`{"properties":{"o":{"propertyNames":{"maxLength":2}}}}`, `{"o":{"long":1}}`, `/o has a member "long", expected its name to be at most 2 characters`},
		{`{"properties":{"o":{"patternProperties":{"^x":{"type":"string"}}}}}`, `{"o":{"x~/":1}}`, `/o/x~0~1 is 1, expected a string`},
		// Alternatives about one value are joined; others are told by the one that came furthest.
		{`{"properties":{"m":{"anyOf":[{"type":"number"},{"const":"auto"}]}}}`, `{"m":"x"}`, `/m is "x", expected a number or "auto"`},
		{`{"properties":{"m":{"oneOf":[{"type":"number"},{"type":"boolean"}]}}}`, `{"m":"x"}`, `/m is "x", expected a number or a boolean`},
		{`{"properties":{"m":{"oneOf":[{"type":"number"},{"minimum":0}]}}}`, `{"m":1}`, `/m is 1, expected what fits one of the alternatives 0 and 1, not both`},
		{`{"properties":{"m":{"anyOf":[{"type":"number"},{"properties":{"v":{"minimum":1}}}]}}}`, `{"m":{"v":0}}`, `/m/v is 0, expected at least 1`},
		{`{"allOf":[{"required":["a"]},{"required":["b"]}]}`, `{}`, `the document has no "a", expected it; the document has no "b", expected it`},
		{`{"if":{"required":["a"]},"then":{"required":["b"]}}`, `{"a":1}`, `the document has no "b", expected it`},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"required":["b"]}}}`, `{}`, `the document has no "b", expected it`},
		// Long values, paths and lists are cut.
		{`{"properties":{"s":{"type":"number"}}}`, `{"s":"` + strings.Repeat("ä", 50) + `"}`, `/s is "` + strings.Repeat("ä", 16) + `…", expected a number`},
		{`{"additionalProperties":{"additionalProperties":{"type":"number"}}}`, `{"` + strings.Repeat("a", 100) + `":{"b":""}}`, `…` + strings.Repeat("a", 59) + `/b is "", expected a number`},
		{`{"properties":{"n":{"type":"string"}}}`, `{"n":` + strings.Repeat("1", 100) + `}`, `/n is ` + strings.Repeat("1", 33) + `…, expected a string`},
		{`{"properties":{"n":{"maximum":1e30}}}`, `{"n":1e31}`, `/n is 1e31, expected at most 1000000000000000000000000000000`},
		// Numbers that nobody writes out.
		{`{"properties":{"n":{"maximum":1}}}`, `{"m":{"x":[1,1e-401]}}`, `/m/x/1 is 1e-401, expected an exponent from -400 to 400`},
		{`{"properties":{"n":{"multipleOf":3}}}`, `{"n":1E+99999999999999999999}`, `/n is 1E+99999999999999999999, expected an exponent from -400 to 400`},
		{`{"properties":{"n":{"multipleOf":10}}}`, `{"n":1e400}`, ``},
	} {
		t.Run(c.schema+c.doc[:min(len(c.doc), 40)], func(t *testing.T) {
			t.Parallel()
			want := c.want
			if want != "" && !strings.Contains(want, "exponent") {
				want += ` (schema "s0")`
			}
			require.Equal(t, want, refusal(t, validator(t, jsonschema.Config{}, c.schema), classic, c.doc))
		})
	}
}

// The library overwrites places of bad names; then the text does without.
func TestTexts_NameWithoutPlace(t *testing.T) {
	t.Parallel()
	v := validator(t, jsonschema.Config{}, `{"additionalProperties":{"propertyNames":{"maxLength":2}}}`)
	for range 50 { // maps have no order
		text := refusal(t, v, classic, `{"a":{"long":1},"b":{},"c":{},"d":{}}`)
		require.Contains(t, []string{
			`/a has a member "long", expected its name to be at most 2 characters (schema "s0")`,
			`the document has a member "long", expected its name to be at most 2 characters (schema "s0")`,
		}, text)
	}
}

func TestTexts_Bounded(t *testing.T) {
	t.Parallel()
	doc := `{"` + strings.Repeat("ü", 200) + `":"x","` + strings.Repeat(`\n`, 100) + `":"y"`
	for i := range 100 {
		doc += fmt.Sprintf(`,"k%02d":"x"`, i)
	}
	doc += "}"
	schema := `{"additionalProperties":{"type":"number"}}`
	for _, most := range []int{0, 128, 129, 200, 1000, 3000} {
		text := refusal(t, validator(t, jsonschema.Config{MaxText: most}, schema), classic, doc)
		if most == 0 {
			most = 256
		}
		require.LessOrEqual(t, len(text), most)
		require.Greater(t, len(text), most-80, text)
		require.NotContains(t, text, "\n")
		require.Contains(t, text, ` more (schema "s0")`)
	}
	text := refusal(t, validator(t, jsonschema.Config{MaxText: -1}, schema), classic, doc)
	require.Equal(t, 102, strings.Count(text, "expected a number"))
	require.Equal(t, text, refusal(t, validator(t, jsonschema.Config{MaxText: -1}, schema), classic, doc), "the order is that of paths")
}

// A schema is for the shadows that all its lists name.
func TestWhatSchemasAreFor(t *testing.T) {
	t.Parallel()
	kinds := map[string]string{"pump-1": "pump", "pump-2": "pump:v2", "fan-1": "fan"}
	asked := map[string]int{}
	v, err := jsonschema.New(jsonschema.Config{
		TypeOf: func(_ context.Context, thing string) (string, error) { asked[thing]++; return kinds[thing], nil },
		Schemas: []jsonschema.Schema{
			{Name: "1", JSON: []byte(`false`), Things: []string{"only", "n*e?"}},
			{Name: "2", JSON: []byte(`false`), Shadows: []string{"config", "v*"}, Types: []string{"pump*"}},
			{Name: "3", JSON: []byte(`false`), Shadows: []string{""}, Types: []string{"fan", ""}},
			{Name: "4", JSON: []byte(`true`), Types: []string{"*"}},
			{Name: "5", JSON: []byte(`false`), Shadows: []string{"", "last"}, Things: []string{"**z"}},
		},
	})
	require.NoError(t, err)
	for _, c := range []struct{ thing, name, want string }{
		{"only", "", "1"},
		{"only", "x", "1"},
		{"only2", "x", ""},
		{"nes", "", "1"},
		{"name1", "x", "1"},
		{"ne", "x", ""},
		{"pump-1", "config", "2"},
		{"pump-1", "v", "2"},
		{"pump-2", "v1", "2"},
		{"fan-1", "v1", ""},
		{"pump-1", "", ""},
		{"pump-1", "config2", ""},
		{"fan-1", "", "3"},
		{"nobody", "", "3"},
		{"nobody", "x", ""},
		{"z", "last", "5"},
		{"abcz", "last", "5"},
		{"z", "other", ""},
	} {
		text := refusal(t, v, shadow.Key{Thing: c.thing, Name: c.name}, `{}`)
		if c.want == "" {
			require.Empty(t, text, c)
			continue
		}
		require.Contains(t, text, `(schema "`+c.want+`")`, c)
	}
	clear(asked)
	require.Empty(t, refusal(t, v, shadow.Key{Thing: "pump-2", Name: ""}, `{}`))
	require.Equal(t, map[string]int{"pump-2": 1}, asked, "once for all schemas")
}

// A schema for a side is about that side, and not asked where there is none.
func TestParts(t *testing.T) {
	t.Parallel()
	schema := []byte(`{"required":["a"],"properties":{"a":{"type":"number"}}}`)
	v, err := jsonschema.New(jsonschema.Config{Schemas: []jsonschema.Schema{
		{Name: "d", Part: jsonschema.Desired, JSON: schema}, {Name: "r", Part: jsonschema.Reported, JSON: schema},
	}})
	require.NoError(t, err)
	for doc, want := range map[string]string{
		`{}`:                                        ``,
		`{"desired":{"a":1},"reported":{"a":1}}`:    ``,
		`{"reported":{"a":1}}`:                      ``,
		`{"desired":{"b":1}}`:                       `/desired has no "a", expected it (schema "d")`,
		`{"reported":{"a":""}}`:                     `/reported/a is "", expected a number (schema "r")`,
		`{"reported":{"a":""},"desired":{"a":"x"}}`: `/desired/a is "x", expected a number (schema "d")`,
		`not JSON`:                                  `The document is not a JSON object`,
		`[]`:                                        `The document is not a JSON object`,
		`{} {}`:                                     `The document is not a JSON object`,
	} {
		require.Equal(t, want, refusal(t, v, classic, doc), doc)
	}
}

// Schemas refer to each other by name and by $id, in any draft, and to nothing else.
func TestReferences(t *testing.T) {
	t.Parallel()
	definitions := map[string][]byte{
		"level.json": []byte(`{"type":"integer","minimum":0}`),
		"named":      []byte(`{"$id":"https://example.com/schemas/named.json","$defs":{"v":{"maximum":3}},"$ref":"other.json#/$defs/v"}`),
		"other":      []byte(`{"$id":"https://example.com/schemas/other.json","$defs":{"v":{"minimum":1}}}`),
		"old":        []byte(`{"$schema":"http://json-schema.org/draft-07/schema#","$id":"http://example.com/old#","definitions":{"v":{"exclusiveMaximum":9}}}`),
	}
	v := validator(t, jsonschema.Config{Definitions: definitions}, `{"properties":{
		"a":{"$ref":"level.json"},"b":{"$ref":"https://example.com/schemas/named.json"},"c":{"$ref":"https://example.com/schemas/named.json#/$defs/v"},
		"d":{"$ref":"http://example.com/old#/definitions/v"},"e":{"$ref":"old#/definitions/v"},"f":{"$ref":"s1"},
		"g":{"$ref":"https://json-schema.org/draft/2020-12/schema"},"h":{"properties":{"again":{"$ref":"#"}}}}}`,
		`{"not":{"const":7}}`)
	require.Empty(t, refusal(t, v, classic, `{"a":0,"b":1,"c":3,"d":8,"e":8,"f":8,"g":{"type":"array"},"h":{"again":{"a":1}}}`))
	for doc, want := range map[string]string{
		`{"a":-1}`: "at least 0", `{"b":0}`: "at least 1", `{"c":4}`: "at most 3", `{"d":9}`: "less than 9", `{"e":9}`: "less than 9", `{"f":7}`: "something else",
		`{"g":{"type":7}}`: "/g/type is 7", `{"h":{"again":{"h":{"again":{"a":-1}}}}}`: "/h/again/h/again/a is -1",
	} {
		require.Contains(t, refusal(t, v, classic, doc), want)
	}
}

// Both drafts that people write in, and what they differ in.
func TestDrafts(t *testing.T) {
	t.Parallel()
	const keyword = `"properties":{"t":{"format":"date-time"},"a":{"$ref":"#/x","minimum":5}},"x":{"type":"integer"}}`
	v7 := validator(t, jsonschema.Config{}, `{"$schema":"http://json-schema.org/draft-07/schema#",`+keyword)
	v2020 := validator(t, jsonschema.Config{}, `{"$schema":"https://json-schema.org/draft/2020-12/schema",`+keyword)
	none := validator(t, jsonschema.Config{}, `{`+keyword)
	formats := validator(t, jsonschema.Config{Formats: true}, `{`+keyword)
	for _, c := range []struct {
		v    *jsonschema.Validator
		doc  string
		want string
	}{
		{v7, `{"t":"noon"}`, `/t is "noon", expected the format date-time (schema "s0")`},
		{v2020, `{"t":"noon"}`, ``},
		{formats, `{"t":"noon"}`, `/t is "noon", expected the format date-time (schema "s0")`},
		{v7, `{"a":1}`, ``}, // what stands beside $ref does not count
		{v2020, `{"a":1}`, `/a is 1, expected at least 5 (schema "s0")`},
		{none, `{"a":1}`, `/a is 1, expected at least 5 (schema "s0")`},
		{v7, `{"a":1.5}`, `/a is 1.5, expected an integer (schema "s0")`},
		{v7, `{"a":1.0}`, ``},
	} {
		require.Equal(t, c.want, refusal(t, c.v, classic, c.doc))
	}
}

// Mistakes are found at once, and named.
func TestNew_Mistakes(t *testing.T) {
	t.Parallel()
	one := func(s jsonschema.Schema) jsonschema.Config { return jsonschema.Config{Schemas: []jsonschema.Schema{s}} }
	text := func(s string) jsonschema.Config { return one(jsonschema.Schema{Name: "pump", JSON: []byte(s)}) }
	ok := []byte(`true`)
	for want, c := range map[string]jsonschema.Config{
		`jsonschema: Config.MaxText is 5, expected at least 128`:                                                {MaxText: 5},
		`jsonschema: Config.Schemas[0].Name is "", expected 1 to 64 letters, digits, '.', '_' and '-'`:          one(jsonschema.Schema{JSON: ok}),
		`jsonschema: Config.Schemas[0].Name is "a/b", expected 1 to 64`:                                         one(jsonschema.Schema{Name: "a/b", JSON: ok}),
		`jsonschema: Config.Schemas[0].Name is "..", expected 1 to 64`:                                          one(jsonschema.Schema{Name: "..", JSON: ok}),
		`jsonschema: Config.Schemas[1].Name is "a", expected one that is not taken`:                             {Schemas: []jsonschema.Schema{{Name: "a", JSON: ok}, {Name: "a", JSON: ok}}},
		`jsonschema: Config.Schemas[0].Name is "b", expected one that is not taken`:                             {Schemas: []jsonschema.Schema{{Name: "b", JSON: ok}}, Definitions: map[string][]byte{"b": ok}},
		`jsonschema: Config.Definitions has the name "", expected 1 to 64`:                                      {Definitions: map[string][]byte{"": ok}},
		`jsonschema: schema "pump": Part is Part(9), expected Document, Desired or Reported`:                    one(jsonschema.Schema{Name: "pump", JSON: ok, Part: 9}),
		`jsonschema: schema "pump": Things[1] is "a/b", expected a name`:                                        one(jsonschema.Schema{Name: "pump", JSON: ok, Things: []string{"a", "a/b"}}),
		`jsonschema: schema "pump": Things[0] is "", expected a name`:                                           one(jsonschema.Schema{Name: "pump", JSON: ok, Things: []string{""}}),
		`jsonschema: schema "pump": Shadows is empty, expected nil for all`:                                     one(jsonschema.Schema{Name: "pump", JSON: ok, Shadows: []string{}}),
		`jsonschema: schema "pump" has Types, expected Config.TypeOf with them`:                                 one(jsonschema.Schema{Name: "pump", JSON: ok, Types: []string{"pump"}}),
		`jsonschema: schema "pump": it is not JSON: unexpected EOF`:                                             text(`{"type":`),
		`jsonschema: schema "pump": it is not JSON: EOF`:                                                        text(``),
		`jsonschema: schema "pump": it is neither an object nor true or false`:                                  text(`[]`),
		`jsonschema: schema "pump": /properties/a/type is "text", expected "array" or "boolean"`:                text(`{"properties":{"a":{"type":"text"}}}`),
		`jsonschema: schema "pump": /minimum is "1", expected a number`:                                         text(`{"minimum":"1"}`),
		`jsonschema: schema "pump": failing loading "http://example.com/x": it is neither the name nor the $id`: text(`{"$ref":"http://example.com/x"}`),
		`jsonschema: schema "pump": failing loading "file:///etc/passwd": it is neither`:                        text(`{"$ref":"file:///etc/passwd"}`),
		`jsonschema: schema "pump": failing loading "other": it is neither`:                                     text(`{"properties":{"a":{"$ref":"other"}}}`),
		`jsonschema: schema "pump": failing loading "https://example.com/draft"`:                                text(`{"$schema":"https://example.com/draft"}`),
		`jsonschema: schema "pump": json-pointer in "pump#/$defs/b" not found`:                                  text(`{"$ref":"#/$defs/b"}`),
		`jsonschema: schema "pump": /pattern is "(?=look ahead)", expected the format regex`:                    text(`{"pattern":"(?=look ahead)"}`),
		`jsonschema: schema "d": /type is 1`:                                                                    {Definitions: map[string][]byte{"d": []byte(`{"type":1}`)}},
		`jsonschema: schema "a": in b: /properties/x/type is 1, expected`: {Definitions: map[string][]byte{
			"a": []byte(`{"$ref":"b#/properties/x"}`), "b": []byte(`{"properties":{"x":{"type":1}}}`),
		}},
		`jsonschema: schema "pump": its $id is "%zz", expected an address`: text(`{"$id":"%zz"}`),
		`jsonschema: schema "b": its $id is "http://x/y", expected one that is not that of another schema`: {Definitions: map[string][]byte{
			"a": []byte(`{"$id":"http://x/y"}`), "b": []byte(`{"$id":"http://x/y"}`),
		}},
		`jsonschema: schema "pump": its $id is "fan", expected one that is not that of another schema`: text(`{"$id":"fan"}`),
	} {
		_, err := jsonschema.New(c)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
	}
}

// What TypeOf fails with is not the requester's fault, unless it says so.
func TestTypeOf_Errors(t *testing.T) {
	t.Parallel()
	var fails error
	v, err := jsonschema.New(jsonschema.Config{
		TypeOf:  func(context.Context, string) (string, error) { return "", fails },
		Schemas: []jsonschema.Schema{{Name: "s", JSON: []byte(`true`), Types: []string{"*"}}},
	})
	require.NoError(t, err)
	svc, err := shadow.New(shadow.Config{Validators: []shadow.Validator{v}})
	require.NoError(t, err)
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{errors.New("no route to the database"), 500, "Internal service failure"},
		{context.Canceled, 500, "Internal service failure"},
		{shadow.ErrNotFound, 404, "Thing not found"},
		{fmt.Errorf("closed: %w", shadow.Refuse(403, "Not today")), 403, "Not today"},
	} {
		fails = c.err
		_, err := svc.Update(t.Context(), classic, []byte(`{"state":{"desired":{"a":1}}}`), shadow.Requester{})
		require.ErrorIs(t, err, c.err)
		e, ok := errors.AsType[*shadow.Error](err)
		require.True(t, ok)
		require.Equal(t, c.code, e.Code)
		require.Equal(t, c.text, e.Message)
	}
}

// Replacing takes effect as a whole, or not at all.
func TestReplace(t *testing.T) {
	t.Parallel()
	v := validator(t, jsonschema.Config{}, `{"required":["a"]}`)
	require.Contains(t, refusal(t, v, classic, `{"b":1}`), `no "a"`)
	bad := jsonschema.Config{Schemas: []jsonschema.Schema{{Name: "good", JSON: []byte(`true`)}, {Name: "bad", JSON: []byte(`7`)}}}
	require.ErrorContains(t, v.Replace(bad), `schema "bad"`)
	require.Contains(t, refusal(t, v, classic, `{"b":1}`), `no "a"`)
	text := []byte(`{"required":["b"]}`)
	things := []string{"pump-*"}
	require.NoError(t, v.Replace(jsonschema.Config{Schemas: []jsonschema.Schema{{Name: "new", JSON: text, Things: things}}}))
	clear(text)
	things[0] = "x"
	require.Empty(t, refusal(t, v, classic, `{"b":1}`))
	require.Contains(t, refusal(t, v, classic, `{}`), `(schema "new")`)
	require.NoError(t, v.Replace(jsonschema.Config{}))
	require.Empty(t, refusal(t, v, classic, `not even JSON`))

	// While others check.
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				err := v.Validate(context.Background(), classic, []byte(`{"reported":{"n":1}}`))
				if err != nil && shadow.CodeOf(err) != 400 {
					panic(err)
				}
			}
		})
	}
	for i := range 50 {
		require.NoError(t, v.Replace(jsonschema.Config{Schemas: []jsonschema.Schema{{
			Name: "n", Part: jsonschema.Reported, JSON: fmt.Appendf(nil, `{"properties":{"n":{"minimum":%d}}}`, i%3),
		}}}))
	}
	close(done)
	wg.Wait()
}

// Where no schema is for a shadow, nothing is allocated.
func TestAllocsWithoutSchema(t *testing.T) {
	v, err := jsonschema.New(jsonschema.Config{Schemas: []jsonschema.Schema{
		{Name: "a", JSON: []byte(`true`), Things: []string{"fan-*"}}, {Name: "b", JSON: []byte(`true`), Shadows: []string{"config"}},
	}})
	require.NoError(t, err)
	ctx, doc := t.Context(), []byte(`{"reported":{"a":1}}`)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := v.Validate(ctx, classic, doc); err != nil {
			panic(err)
		}
	}))
}
