package provision_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/provision"
)

// withDocument is a template with a policy document.
func withDocument(document string) string {
	return `{"Parameters": {"P": {"Type": "String"}, "Q": {"Type": "String", "Default": "*"}}, "Resources": {
		"certificate": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}}},
		"policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": ` + document + `}}}}`
}

// evaluateDocument returns the document for a value of P.
func evaluateDocument(t *testing.T, document, p string) (string, error) {
	t.Helper()
	parsed, err := provision.Parse(withDocument(document))
	require.NoError(t, err, document)
	plan, err := parsed.Evaluate(map[string]string{"P": p, "AWS::IoT::Certificate::Id": strings.Repeat("a", 64)})
	if err != nil {
		return "", err
	}
	require.True(t, json.Valid([]byte(plan.Policies[0].Document)), plan.Policies[0].Document)
	return plan.Policies[0].Document, nil
}

func TestPolicyDocuments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ document, p, want string }{
		{`{"a": 1.50, "b": [true, null, {}], "c": "<&>"}`, "x", `{"a":1.50,"b":[true,null,{}],"c":"<&>"}`},
		{`{"Resource": {"Fn::Sub": "topic/${P}/${!iot:ClientId}"}}`, "x", `{"Resource":"topic/x/${iot:ClientId}"}`},
		{`{"Resource": {"Fn::Split": [",", {"Ref": "P"}]}}`, "a,b", `{"Resource":["a","b"]}`},
		{`{"Resource": [{"Ref": "P"}, "${iot:ClientId}"], "Ref": "plain"}`, "a", `{"Resource":["a","${iot:ClientId}"],"Ref":"plain"}`},
		{`"{\"a\":\"${x}\"}"`, "x", `{"a":"${x}"}`},
		{`{"Fn::Join": ["", ["{\"a\":\"", {"Ref": "P"}, "\"}"]]}`, "x", `{"a":"x"}`},
		{`{"Ref": "P"}`, `{"b": "c"}`, `{"b": "c"}`},
		{`{"Fn::Sub": "{\"a\":\"${P}\",\"b\":\"${Q}\"}"}`, "x", `{"a":"x","b":"*"}`},
	} {
		got, err := evaluateDocument(t, c.document, c.p)
		require.NoError(t, err, c.document)
		require.Equal(t, c.want, got)
	}
	for _, document := range []string{`{"Fn::Join": ["", ["{", {"Ref": "P"}, "}"]]}`, `{"Ref": "P"}`} {
		_, err := evaluateDocument(t, document, "no document")
		require.ErrorIs(t, err, provision.ErrParameters)
		require.ErrorContains(t, err, "a JSON object")
	}
}

// Whatever a parameter holds, it stays within the text that it stands in.
func TestAParameterCannotWriteAPolicy(t *testing.T) {
	t.Parallel()
	for _, evil := range []string{`x","Action":"*","y":"`, `x\`, "x\n", `"}],"Statement":[{"Effect":"Allow`, "\u2028", `\u0022`} {
		for _, document := range []string{
			`{"Resource": {"Ref": "P"}}`,
			`{"Resource": {"Fn::Sub": "${P}"}}`,
			`{"Fn::Sub": "{\"Resource\":\"${P}\"}"}`,
			`{"Fn::Join": ["", ["{\"Resource\":\"", {"Fn::Sub": ["${a}", {"a": {"Ref": "P"}}]}, "\"}"]]}`,
		} {
			got, err := evaluateDocument(t, document, evil)
			require.NoError(t, err)
			var v map[string]any
			require.NoError(t, json.Unmarshal([]byte(got), &v))
			require.Equal(t, map[string]any{"Resource": evil}, v, document)
		}
	}
}
