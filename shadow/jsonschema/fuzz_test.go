package jsonschema_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	js "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/shadow"
	"github.com/thinghub/thinghub/shadow/jsonschema"
)

// fuzzSchemas have all keywords between them.
var fuzzSchemas = []string{
	`{"properties":{"desired":{"type":"object","minProperties":1,"maxProperties":3,"propertyNames":{"maxLength":3,"pattern":"^[a-z]"}},
		"reported":{"additionalProperties":{"anyOf":[{"type":["string","null"],"minLength":2,"maxLength":4},{"type":"number","minimum":-1,"exclusiveMaximum":10,"multipleOf":0.5},{"type":"array"}]},
			"patternProperties":{"^a":{"items":{"oneOf":[{"type":"integer"},{"minimum":3},{"$ref":"#/$defs/self"}]},"uniqueItems":true,"minItems":1,"maxItems":25}},
			"dependentRequired":{"a":["b"]}}},
		"$defs":{"self":{"not":{"enum":[1,"x",{"a":[]}]},"allOf":[{"required":["n"]},{"properties":{"n":{"$ref":"#/$defs/self"}}}]}},
		"unevaluatedProperties":false}`,
	`{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"n":{"type":["integer","boolean"]}},
		"properties":{"desired":{"properties":{"a":{"$ref":"#/definitions/n"},"b":{"const":9007199254740993},"t":{"format":"date-time"},"c":{"contains":{"type":"null"}}},
			"dependencies":{"a":["b"],"b":{"required":["t"]}},"additionalProperties":false}},
		"if":{"required":["reported"]},"then":{"required":["desired"]},"else":{"properties":{"desired":{"items":[true,{"type":"string"}],"additionalItems":false}}}}`,
	`{"additionalProperties":{"prefixItems":[{"type":"number"}],"contains":{"type":"string"},"minContains":2,"maxContains":3,"unevaluatedItems":false,"dependentSchemas":{"a":false}}}`,
}

// What is refused is refused by the library too, with a text that fits its bound; and
// nothing panics.
func FuzzValidate(f *testing.F) {
	for _, doc := range []string{
		`{}`, `{"desired":{"a":1},"reported":{"a":[1,2,2.0],"b":"x"}}`, `{"desired":{"abcd":null,"b":9007199254740992,"t":"noon"}}`,
		`{"reported":{"ab":[{"n":{"n":1}}],"a":[]}}`, `{"x":[1,"a","b",2]}`, `{"x":{"a":1}}`, `{"reported":{"a":1e999999999}}`, `{"desired":{"\u0000":"\ud800"}}`, `null`, `{"desired":3}`,
	} {
		f.Add(doc)
	}
	var validators []*jsonschema.Validator
	var library []*js.Schema
	for _, s := range fuzzSchemas {
		validators = append(validators, validator(f, jsonschema.Config{MaxText: 200}, s))
		c := js.NewCompiler()
		doc, err := js.UnmarshalJSON(strings.NewReader(s))
		require.NoError(f, err)
		require.NoError(f, c.AddResource("mem:///s", doc))
		library = append(library, c.MustCompile("mem:///s"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := js.UnmarshalJSON(strings.NewReader(text))
		_, isObject := doc.(map[string]any)
		for i, v := range validators {
			got := refusal(t, v, classic, text)
			require.LessOrEqual(t, len(got), 200)
			require.Equal(t, got, refusal(t, v, classic, text), "the same again")
			switch {
			case err != nil || !isObject:
				require.Equal(t, "The document is not a JSON object", got)
			case strings.Contains(got, "expected an exponent"):
				require.True(t, strings.ContainsAny(text, "eE"))
			default:
				require.Equal(t, library[i].Validate(doc) == nil, got == "", "%s: %s", text, got)
			}
		}
	})
}

// Any text is a schema or an error that names it, and nothing is loaded.
func FuzzNew(f *testing.F) {
	for _, s := range append(fuzzSchemas, `true`, `{"$ref":"http://localhost/x"}`, `{"$id":"#a","$anchor":"a","$ref":"#a"}`, `{"$schema":"http://json-schema.org/draft-04/schema#","id":"x"}`,
		`{"$id":"s0","$ref":"s0"}`, `{"$defs":{"a":{"$id":"b"},"c":{"$id":"b"}}}`, `{"$recursiveRef":"#"}`, `{"$dynamicRef":"#x","$dynamicAnchor":"x"}`, `{"pattern":"("}`, `{"multipleOf":0}`, `{"minimum":1e9999999}`) {
		f.Add(s, `{"desired":{"a":[1]}}`)
	}
	f.Fuzz(func(t *testing.T, schema, doc string) {
		v, err := jsonschema.New(jsonschema.Config{Schemas: []jsonschema.Schema{{Name: "pump", JSON: []byte(schema)}}})
		if err != nil {
			require.ErrorContains(t, err, `jsonschema: schema "pump": `)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.True(t, json.Valid(bytes.TrimSpace([]byte(schema))), schema)
		err = v.Validate(t.Context(), classic, []byte(doc))
		if err != nil {
			require.ErrorIs(t, err, shadow.ErrInvalid)
			require.True(t, utf8.ValidString(err.Error()))
		}
	})
}
