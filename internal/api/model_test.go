package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/api"
)

// An operation is what the AWS service models say of one, as testdata/operations.txt
// has it: name, method, path, types of errors, members of the answer ("-": it is empty,
// "*": it is a stream). Lists are [..], maps <..>, structures {name:..}.
type operation struct {
	name, method, path string
	errors             []string
	answer             string
}

var operations = sync.OnceValue(func() (list []operation) {
	text, err := os.ReadFile("testdata/operations.txt")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		list = append(list, operation{f[0], f[1], f[2], strings.Fields(f[3]), f[4]})
	}
	return list
})

// Errors that we have beyond the model, each on purpose.
var besides = map[string][]string{
	"UpdateThingShadow":           {"ResourceNotFound"}, // of hubs that want things registered
	"DescribeEventConfigurations": {"InvalidRequest"},   // a query that cannot be read
	"DeleteRegistrationCode":      {"InvalidRequest"},   // likewise
}

// Members that newer models have.
var newer = map[string][]string{
	"GetThingConnectivityData": {"clientId", "keepAliveDuration", "cleanSession", "sessionExpiry", "sourceIp", "sourcePort", "targetIp", "targetPort"},
	"SearchIndex":              {"things[].connectivity.clientId", "things[].connectivity.keepAliveDuration", "things[].connectivity.cleanSession", "things[].connectivity.sessionExpiry"},
	"DeleteConnection":         {},
	"GetTopicRule":             {"rule.expr", "rule.delivery"},
	"Publish":                  {"message", "traceId"},
}

func TestOperationsAreThoseOfTheModel(t *testing.T) {
	t.Parallel()
	ours := api.Operations()
	require.Len(t, ours, len(operations()))
	for _, op := range operations() {
		got, ok := ours[api.Operation{Name: op.name, Method: op.method, Path: op.path}]
		require.True(t, ok, "%s %s %s", op.name, op.method, op.path)
		require.ElementsMatch(t, append(op.errors, besides[op.name]...), got, op.name)
	}
}

// modelOf returns the operation that a request is, nil if it is none.
func modelOf(method, path string) *operation {
	path, _, _ = strings.Cut(path, "?")
	var best *operation
	for _, op := range operations() {
		if op.method != method || !fits(op.path, path) {
			continue
		}
		if best == nil || strings.Count(op.path, "{") < strings.Count(best.path, "{") {
			best = &op
		}
	}
	return best
}

func fits(pattern, path string) bool {
	p, s := strings.Split(pattern, "/"), strings.Split(path, "/")
	if (strings.HasSuffix(pattern, "{topic}") || strings.HasSuffix(pattern, "...}")) && len(s) > len(p) {
		s = s[:len(p)]
	}
	return slices.EqualFunc(p, s, func(p, s string) bool { return p == s || strings.HasPrefix(p, "{") && s != "" })
}

// conforms requires an answer to be one that the model allows.
func conforms(t testing.TB, method, target string, a answer) {
	t.Helper()
	op := modelOf(method, target)
	if op == nil || a.header.Get("X-Amzn-Errortype") == "UnknownOperationException" { // of a plane alone
		return
	}
	what := method + " " + target + ": " + a.text
	switch {
	case a.status == http.StatusOK && op.answer != "*":
		shape := op.answer
		if shape == "-" {
			shape = "{}"
		}
		s := shapes{t: t, what: what, extra: newer[op.name]}
		rest := s.check(shape, "", any(a.body))
		require.Empty(t, rest)
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden, a.status < 400:
	default:
		kind := strings.TrimSuffix(a.header.Get("X-Amzn-Errortype"), "Exception")
		require.Contains(t, append(op.errors, besides[op.name]...), kind, what)
		status := map[string]int{
			"InvalidRequest": 400, "InvalidQuery": 400, "InvalidAggregation": 400, "IndexNotReady": 400, "ResourceNotFound": 404, "ResourceAlreadyExists": 409,
			"VersionConflict": 409, "Conflict": 409, "ConflictingResourceUpdate": 409, "SqlParse": 400, "Internal": 500, "LimitExceeded": 410, "RequestEntityTooLarge": 413, "UnsupportedDocumentEncoding": 415,
			"Throttling": 429, "InternalFailure": 500, "ServiceUnavailable": 503, "MethodNotAllowed": 405,
			"MalformedPolicy": 400, "DeleteConflict": 409, "VersionsLimitExceeded": 409, "CertificateState": 406, "CertificateConflict": 409, "CertificateValidation": 400,
			"RegistrationCodeValidation": 400, "TransferConflict": 409, "TransferAlreadyCompleted": 410, "InvalidResponse": 400, "ResourceRegistrationFailure": 400,
		}[kind]
		if a.status == http.StatusRequestEntityTooLarge {
			status = a.status // there is no other type for it in most operations
		}
		require.Equal(t, status, a.status, what)
	}
}

// shapes compares values with shapes.
type shapes struct {
	t     testing.TB
	what  string
	extra []string
}

// check takes the first shape of a text and returns the rest of it.
func (s shapes) check(shape, at string, v any) (rest string) {
	s.t.Helper()
	is := func(ok bool, want string) { require.True(s.t, ok, "%s is %T, expected %s: %s", at, v, want, s.what) }
	absent := v == missing
	switch shape[0] {
	case '{':
		m, ok := v.(map[string]any)
		is(ok || absent, "an object")
		known := map[string]bool{}
		shape = shape[1:]
		for shape[0] != '}' {
			name, tail, _ := strings.Cut(shape, ":")
			known[name] = true
			value, there := m[name]
			if !there {
				value = missing
			}
			shape = strings.TrimPrefix(s.check(tail, strings.TrimPrefix(at+"."+name, "."), value), " ")
		}
		for name := range m {
			if !known[name] {
				require.Contains(s.t, s.extra, strings.TrimPrefix(at+"."+name, "."), s.what)
			}
		}
		return shape[1:]
	case '[':
		list, ok := v.([]any)
		is(ok || absent, "an array")
		rest = s.check(shape[1:], at+"[]", missing)
		for _, item := range list {
			s.check(shape[1:], at+"[]", item)
		}
		return rest[1:]
	case '<':
		m, ok := v.(map[string]any)
		is(ok || absent, "an object")
		rest = s.check(shape[1:], at+"<>", missing)
		for _, item := range m {
			s.check(shape[1:], at+"<>", item)
		}
		return rest[1:]
	}
	end := strings.IndexAny(shape, " }]>")
	if end < 0 {
		end = len(shape)
	}
	kind, rest := shape[:end], shape[end:]
	if absent || v == nil && at == "userProperties" { // which is null on AWS
		return rest
	}
	number, isNumber := v.(float64)
	switch kind {
	case "text":
		_, ok := v.(string)
		is(ok, kind)
	case "bool":
		_, ok := v.(bool)
		is(ok, kind)
	case "number":
		is(isNumber, kind)
	case "int":
		is(isNumber && number == float64(int64(number)), kind)
	default: // enum(a|b)
		text, ok := v.(string)
		is(ok, kind)
		require.Contains(s.t, strings.Split(strings.TrimSuffix(strings.TrimPrefix(kind, "enum("), ")"), "|"), text, s.what)
	}
	return rest
}

// missing stands for a value that is not there.
var missing = any(new(byte))

// holds requires every member of want, which is JSON, to be in got.
func holds(t testing.TB, want string, got any, what string) {
	t.Helper()
	var w any
	require.NoError(t, json.Unmarshal([]byte(want), &w), want)
	if diff := lacks(w, got, ""); diff != "" {
		require.Fail(t, "the answer is not as expected", "%s: %s", what, diff)
	}
}

func lacks(want, got any, at string) string {
	if w, ok := want.(map[string]any); ok {
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %v, expected an object", at, got)
		}
		for k, v := range w {
			value, there := g[k]
			if v == "absent" {
				if there {
					return fmt.Sprintf("%s.%s is %v, expected nothing", at, k, value)
				}
				continue
			}
			if !there {
				return fmt.Sprintf("%s.%s is missing", at, k)
			}
			if diff := lacks(v, value, at+"."+k); diff != "" {
				return diff
			}
		}
		return ""
	}
	if w, ok := want.([]any); ok {
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s is %v, expected %d items", at, got, len(w))
		}
		for i := range w {
			if diff := lacks(w[i], g[i], fmt.Sprint(at, "[", i, "]")); diff != "" {
				return diff
			}
		}
		return ""
	}
	if fmt.Sprint(want) != fmt.Sprint(got) {
		return fmt.Sprintf("%s is %v, expected %v", at, got, want)
	}
	return ""
}
