package api_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/api"
	"github.com/thinghub/thinghub/shadow"
)

// Errors about shadows have the status, type and text of AWS.
func TestShadows_Errors(t *testing.T) {
	t.Parallel()
	deep := `{"state":{"desired":` + strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9) + "}}"
	for _, c := range []struct {
		do, body string
		status   int
		kind     string
		text     string
	}{
		{"GET /things/t/shadow", "", 404, missingOne, "No shadow exists with name: 't'"},
		{"GET /things/t/shadow?name=s", "", 404, missingOne, "No shadow exists with name: 't~s'"},
		{"DELETE /things/t/shadow", "", 404, missingOne, "No shadow exists with name: 't'"},
		{"GET /things/t%20t/shadow", "", 400, wrong, "Invalid thing name"},
		{"GET /things/t/shadow?name=s%20s", "", 400, wrong, "Invalid shadow name"},
		{"POST /things/t/shadow?name=", "", 400, wrong, "name is"},
		{"POST /things/t/shadow", "", 400, wrong, "Invalid JSON"},
		{"POST /things/t/shadow", "{", 400, wrong, "Invalid JSON"},
		{"POST /things/t/shadow", "[]", 400, wrong, "Invalid JSON"},
		{"POST /things/t/shadow", `{"state":{"desired":{"a":1,"a":2}}}`, 400, wrong, "Invalid JSON"},
		{"POST /things/t/shadow", "{}", 400, wrong, "Missing required node: state"},
		{"POST /things/t/shadow", `{"state":1}`, 400, wrong, "State node must be an object"},
		{"POST /things/t/shadow", `{"state":{"desired":1}}`, 400, wrong, "Desired node must be an object"},
		{"POST /things/t/shadow", `{"state":{"reported":[]}}`, 400, wrong, "Reported node must be an object"},
		{"POST /things/t/shadow", `{"state":{"x":{}}}`, 400, wrong, "State contains an invalid node: 'x'"},
		{"POST /things/t/shadow", `{"state":{"desired":{"a":[null]}}}`, 400, wrong, "State contains an invalid node: 'a'"},
		{"POST /things/t/shadow", `{"state":{},"version":"1"}`, 400, wrong, "Invalid version"},
		{"POST /things/t/shadow", `{"state":{},"clientToken":1}`, 400, wrong, "Invalid clientToken"},
		{"POST /things/t/shadow", deep, 400, wrong, "JSON contains too many levels of nesting; maximum is 8"},
		{"POST /things/t/shadow", `{"state":{},"version":5}`, 409, "Conflict", "Version conflict"},
		{"POST /things/t/shadow", `{"state":{"desired":{"a":"` + strings.Repeat("x", 8192) + `"}}}`, 413, "RequestEntityTooLarge", "The payload exceeds the maximum size allowed"},
		{"POST /things/t/shadow", `{"state":{"desired":{"a":"` + strings.Repeat("x", 2<<20) + `"}}}`, 413, "RequestEntityTooLarge", "The payload exceeds the maximum size allowed"},
		{"POST /things/t/shadow", "{\"state\":{\"desired\":{\"a\":\"\xff\"}}}", 415, "UnsupportedDocumentEncoding", "Unsupported documented encoding; supported encoding is UTF-8"},
		{"PUT /things/t/shadow", "", 405, "MethodNotAllowed", "PUT"},
		{"GET /api/things/shadow/ListNamedShadowsForThing/t?pageSize=101", "", 400, wrong, "pageSize"},
		{"GET /api/things/shadow/ListNamedShadowsForThing/t?nextToken=%21", "", 400, wrong, "Invalid nextToken"},
		{"GET /api/things/shadow/ListNamedShadowsForThing/t%2Ft", "", 400, wrong, "Invalid thing name"},
	} {
		s := newStage(t)
		a := s.step(t, step{c.do, c.body, c.kind, ""})
		require.Equal(t, c.status, a.status)
		require.Contains(t, a.body["message"], c.text, c.do)
		for k, err := range s.shadows.All(t.Context()) {
			require.Fail(t, "something was stored", "%v %v", k, err)
		}
	}
}

func TestShadows(t *testing.T) {
	t.Parallel()
	s := talk(t, []step{
		{"POST /things/t/shadow", `{"state":{"desired":{"a":1},"reported":{"b":26.500000}},"clientToken":"<x> é","version":0}`, "", `{"state":{"desired":{"a":1},"reported":{"b":26.5}},"version":1,"clientToken":"<x> é"}`},
		{"POST /things/t/shadow", `{"state":{"desired":{"a":2}},"version":0}`, "Conflict", ""},
		{"POST /things/t/shadow", `{"state":{"desired":{"a":2}},"version":1,"clientToken":"k"}`, "", `{"version":2,"clientToken":"k"}`},
		{"GET /things/t/shadow", "", "", `{"state":{"desired":{"a":2},"reported":{"b":26.5},"delta":{"a":2}},"version":2,"clientToken":"absent"}`},
		{"POST /things/t/shadow", `{"state":null}`, "", `{"state":null,"version":3}`},
		{"GET /things/t/shadow", "", "", `{"state":{},"metadata":{},"version":3}`},
		{"DELETE /things/t/shadow", "", "", `{"version":3,"state":"absent"}`},
		{"POST /things/t/shadow", `{"state":{"desired":{"a":1}},"version":3,"clientToken":"k"}`, "", `{"version":4}`},
		{"POST /things/t/shadow", `{"state":{"desired":{"a":1}},"version":3,"clientToken":"k"}`, "Conflict", `{"clientToken":"k"}`},
	})
	for _, name := range []string{"d", "b", "$a", "c%3A1"} {
		s.step(t, step{"POST /things/t/shadow?name=" + name, `{"state":{"desired":{"a":1}}}`, "", `{"version":1}`})
	}
	const list = "GET /api/things/shadow/ListNamedShadowsForThing/"
	s.step(t, step{list + "t", "", "", `{"results":["$a","b","c:1","d"],"nextToken":"absent"}`})
	s.step(t, step{list + "none", "", "", `{"results":[],"nextToken":"absent"}`})
	a := s.step(t, step{list + "t?pageSize=3", "", "", `{"results":["$a","b","c:1"]}`})
	s.step(t, step{list + "t?pageSize=3&nextToken=" + a.body["nextToken"].(string), "", "", `{"results":["d"],"nextToken":"absent"}`})
	require.InDelta(t, 1.8e9, a.body["timestamp"], 1e9, "seconds")
}

// Things that must be registered are, which a shadow's error says over HTTP as well.
func TestShadows_OfRegisteredThings(t *testing.T) {
	t.Parallel()
	refusing, err := shadow.New(shadow.Config{Require: shadowOnlyOf("known")})
	require.NoError(t, err)
	s := newStage(t, func(c *api.Config) { c.Shadows = refusing })
	a := s.step(t, step{"POST /things/other/shadow", `{"state":{}}`, missingOne, `{"message":"Thing not found"}`})
	require.Equal(t, 404, a.status)
	s.step(t, step{"POST /things/known/shadow", `{"state":{}}`, "", ""})
}

func shadowOnlyOf(known string) func(context.Context, string) error {
	return func(_ context.Context, thing string) error {
		if thing != known {
			return shadow.ErrNotFound
		}
		return nil
	}
}
