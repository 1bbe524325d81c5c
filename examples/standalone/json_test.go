package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzMembers holds the strict reader against encoding/json: what it accepts is
// valid JSON, and what is valid but refused has a name twice or is no object.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{}`, `{"a": 1, "b": [null, "x"]}`, `{"a": 1, "a": 2}`, `[]`, `{"a": {"b": true}} x`, `{"a"`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		names := map[string]bool{}
		err := members(data, func(name string, value json.RawMessage) error {
			require.False(t, names[name])
			require.True(t, json.Valid(value))
			names[name] = true
			_, _ = text(name, value)
			_ = elements(name, value, func(string, json.RawMessage) error { return nil })
			return nil
		})
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		var all map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(data, &all))
		require.Len(t, all, len(names))
	})
}
