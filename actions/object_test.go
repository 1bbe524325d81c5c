package actions_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions"
)

// sink is what a decoder of somebody else's might read.
type sink struct {
	name, mode string
	on         bool
	n          int
	tags       map[string]string
	items      []string
	inner      string
	raw        string
}

func readSink(data string) (sink, error) {
	o := actions.ReadObject([]byte(data))
	s := sink{name: o.Need("name"), mode: o.Enum("mode", "fast", "slow"), on: o.Bool("on"), n: o.Int("n", 1, 5), tags: o.Texts("tags"), raw: string(o.Raw("raw"))}
	o.Each("items", 1, 2, func(item *actions.Object) { s.items = append(s.items, item.Need("key")) })
	inner, _ := o.Object("inner")
	s.inner = inner.Text("text")
	if err := inner.Done(); err != nil {
		return s, err
	}
	if s.name == "odd" {
		o.Refuse("name", s.name, "an even name")
	}
	return s, o.Done()
}

func TestObject(t *testing.T) {
	t.Parallel()
	s, err := readSink(`{"name":"x","mode":"slow","on":true,"n":3,"tags":{"a":"1"},"items":[{"key":"k"},{"key":"l"}],"inner":{"text":"t"}, "raw": null }`)
	require.NoError(t, err)
	require.Equal(t, sink{name: "x", mode: "slow", on: true, n: 3, tags: map[string]string{"a": "1"}, items: []string{"k", "l"}, inner: "t", raw: "null"}, s)

	s, err = readSink(`{"name":"x","mode":null,"on":null,"n":null,"tags":null,"items":null,"inner":null}`)
	require.NoError(t, err)
	require.Equal(t, sink{name: "x"}, s)

	s, err = readSink(` {"name":"x","on":false} `)
	require.NoError(t, err)
	require.Equal(t, sink{name: "x"}, s)
}

func TestObjectIsStrict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, data, want string }{
		{"nothing", ``, `the text is nothing, expected an object`},
		{"no object", `[1]`, `the text is an array, expected an object`},
		{"null", `null`, `the text is null, expected an object`},
		{"cut off", `{"name":"x"`, `not valid JSON: unexpected EOF`},
		{"cut off in a value", `{"name":`, `not valid JSON: unexpected EOF`},
		{"broken", `{"name":x}`, `not valid JSON: invalid character 'x' looking for beginning of value`},
		{"something behind", `{"name":"x"} {}`, `something follows the object`},
		{"missing", `{}`, `name is missing, expected a text`},
		{"empty", `{"name":""}`, `name is missing, expected a text`},
		{"other case", `{"Name":"x"}`, `name is missing, expected a text`},
		{"twice", `{"name":"x","name":"y"}`, `name stands there twice`},
		{"unknown", `{"name":"x","nmae":"y"}`, `nmae is not known, expected inner, items, mode, n, name, on, raw or tags`},
		{"unknown with odd letters", `{"name":"x","a\n":"y"}`, `"a\n" is not known, expected inner, items, mode, n, name, on, raw or tags`},
		{"a number for a text", `{"name":5}`, `name is 5, expected a text`},
		{"null is absent", `{"name":null}`, `name is missing, expected a text`},
		{"null for an item", `{"name":"x","items":[null]}`, `items[0] is null, expected an object`},
		{"null for what nobody asks for", `{"name":"x","nmae":null}`, `nmae is not known, expected inner, items, mode, n, name, on, raw or tags`},
		{"an object for a text", `{"name":{"a":1}}`, `name is an object, expected a text`},
		{"bad enum", `{"name":"x","mode":"medium"}`, `mode is "medium", expected fast or slow`},
		{"empty enum", `{"name":"x","mode":""}`, `mode is "", expected fast or slow`},
		{"a text for a bool", `{"name":"x","on":"true"}`, `on is "true", expected true or false`},
		{"too much", `{"name":"x","n":6}`, `n is 6, expected a whole number from 1 to 5`},
		{"a fraction", `{"name":"x","n":1.5}`, `n is 1.5, expected a whole number from 1 to 5`},
		{"a text for a number", `{"name":"x","n":"1"}`, `n is "1", expected a whole number from 1 to 5`},
		{"tags", `{"name":"x","tags":{"a":1}}`, `tags.a is 1, expected a text`},
		{"tags of another type", `{"name":"x","tags":[]}`, `tags is an array, expected an object`},
		{"items of another type", `{"name":"x","items":{}}`, `items is an object, expected an array`},
		{"no items", `{"name":"x","items":[]}`, `items is an array of 0, expected 1 to 2 items`},
		{"item of another type", `{"name":"x","items":[{"key":"k"},3]}`, `items[1] is 3, expected an object`},
		{"member of an item", `{"name":"x","items":[{"key":"k"},{}]}`, `items[1].key is missing, expected a text`},
		{"unknown member of an item", `{"name":"x","items":[{"key":"k","val":1}]}`, `items[0].val is not known, expected key`},
		{"unknown member of an object", `{"name":"x","inner":{"texts":1}}`, `inner.texts is not known, expected text`},
		{"refused", `{"name":"odd"}`, `name is "odd", expected an even name`},
		{"long", `{"name":"x","mode":"` + strings.Repeat("é", 100) + `"}`, `mode is "` + strings.Repeat("é", 100) + `", expected fast or slow`},
		{"long number", `{"name":` + strings.Repeat("1", 100) + `}`, `name is ` + strings.Repeat("1", 80) + `..., expected a text`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := readSink(tt.data)
			require.EqualError(t, err, tt.want)
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"republish":{"topic":"a/${b}","qos":1,"headers":{"userProperties":[{"key":"a","value":"b"}]}}}`,
		`{"http":{"url":"https://a/${b}","confirmationUrl":"https://a/","headers":[{"key":"a","value":"b"}],"batchConfig":{"maxBatchSize":3}}}`,
		`{"shadow":{"thing":"a"}}`, `{"log":{}}`, `{"file":{"path":"a/b"}}`, `{`, `{"a":1,"b":2}`,
	} {
		f.Add([]byte(s))
	}
	kinds := actions.Builtin()
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := actions.Decode(data, kinds)
		if err != nil {
			return
		}
		again, ok, err := actions.Encode(a, kinds)
		require.NoError(t, err)
		require.True(t, ok)
		b, err := actions.Decode(again, kinds)
		require.NoError(t, err)
		require.Equal(t, a, b)
	})
}
