package clickhouse_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/actions/clickhouse"
)

// FuzzRows checks that an event becomes the rows that its payload says and no others,
// whatever a device sends.
func FuzzRows(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":"x","c":null}`, `[{"a":1},{"b":[1,{"c":2}]}]`, `[]`, `{}`, `1`, `"x"`, `{"a":"],[{}"}`, "{\"a\":\"\\n\\u0000\\ud800\"}", `{"\u0061":1}`, `{"a":1,"a":2}`,
		"{\n\t\"a\" : [ 1 , 2 ]\r\n}", "{\"a\xff\":\"\xfe\"}", `[[{"a":1}]]`, `{"a":1}{"a":2}`, `{"a":1},{"a":2}`, `{"a":1e400,"b":-0.0}`, `[{"a":1},`, ``, "\u2028", `{"a.b":1}`,
	} {
		f.Add(s)
	}
	client, err := clickhouse.Open(clickhouse.Config{URL: "http://localhost"})
	require.NoError(f, err)
	all := client.Insert(clickhouse.Insert{Table: "t"})
	some := client.Insert(clickhouse.Insert{Table: "t", Columns: []string{"b", "a"}})
	f.Fuzz(func(t *testing.T, payload string) {
		want, valid := objects(payload)
		rows, err := clickhouse.Rows(all, event(1, payload))
		require.Equal(t, valid, err == nil, "%v", err)
		if !valid {
			return
		}
		require.NotContains(t, strings.ReplaceAll(rows, ",\n", ""), "\n", "a row is a line")
		got, valid := objects("[" + strings.TrimSuffix(rows, ",\n") + "]")
		require.True(t, valid, "%q", rows)
		require.Equal(t, want, got)

		selected, err := clickhouse.Rows(some, event(1, payload))
		if err != nil {
			return
		}
		for _, row := range want {
			for name := range row {
				if name != "a" && name != "b" {
					delete(row, name)
				}
			}
		}
		got, valid = objects("[" + strings.TrimSuffix(selected, ",\n") + "]")
		require.True(t, valid, "%q", selected)
		require.Equal(t, want, got)
	})
}

// objects reads a text as a server does: an object, or an array of objects.
func objects(text string) (list []map[string]any, ok bool) {
	list = []map[string]any{}
	if !json.Valid([]byte(text)) {
		return nil, false
	}
	if strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		text = "[" + text + "]"
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&list) != nil || list == nil {
		return nil, false
	}
	for _, object := range list {
		if object == nil { // null is none
			return nil, false
		}
	}
	return list, true
}
