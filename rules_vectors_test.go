package thinghub_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/hubtest"
)

// TestRuleVectors tries the vectors of the rule language over HTTP, as a tool would.
// Package sql has them one by one; here it is the way there and back that counts.
func TestRuleVectors(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t).Handler()
	for _, file := range []string{"sql", "templates"} {
		text, err := os.ReadFile("rules/sql/testdata/" + file + ".json")
		require.NoError(t, err)
		var list []map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(text, &list))
		for _, v := range list {
			if bytes.Equal(v["ambiguous"], []byte("true")) {
				continue
			}
			id := string(v["id"])
			request := map[string]any{"topic": v["topic"], "context": v["context"]}
			for member, of := range map[string]string{"sql": "sql", "version": "sqlVersion", "payload_b64": "payloadBase64", "template": "template"} {
				if v[member] != nil {
					request[of] = v[member]
				}
			}
			if p, ok := v["payload"]; ok {
				request["payload"] = string(p)
			}
			body, err := json.Marshal(request)
			require.NoError(t, err)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", "http://hub.test/rules/-/test", bytes.NewReader(body)))
			var got struct {
				Matched, Undefined      bool
				Output, Rendered, Error *string
				OutputBase64            string
			}
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
			what := fmt.Sprintf("%s: %s\n%s", id, body, w.Body)
			var form struct {
				Undefined, NoMatch, Error bool
				Raw                       *string `json:"$raw_b64"`
			}
			_ = json.Unmarshal(v["want"], &form)
			if form.Error {
				require.True(t, w.Code == 400 || got.Error != nil, what)
				continue
			}
			require.Equal(t, 200, w.Code, what)
			require.Nil(t, got.Error, what)
			switch {
			case v["template"] != nil:
				var want string
				require.NoError(t, json.Unmarshal(v["want"], &want))
				require.Equal(t, &want, got.Rendered, what)
			case form.NoMatch:
				require.False(t, got.Matched, what)
			case form.Undefined:
				require.True(t, got.Matched && got.Undefined, what)
				require.Empty(t, *got.Output, what)
			case form.Raw != nil:
				if got.Output != nil { // bytes that happen to be text
					got.OutputBase64 = base64.StdEncoding.EncodeToString([]byte(*got.Output))
				}
				require.Equal(t, *form.Raw, got.OutputBase64, what)
			case v["tol"] == nil:
				require.True(t, got.Matched, what)
				require.JSONEq(t, string(v["want"]), *got.Output, what)
			}
		}
	}
}
