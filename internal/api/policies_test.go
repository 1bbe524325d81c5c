package api_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const anyConnect = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}`

func documentJSON(t *testing.T, document string) string {
	t.Helper()
	b, err := json.Marshal(map[string]string{"policyDocument": document})
	require.NoError(t, err)
	return string(b)
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	h := newStage(t).ControlPlane()
	const arn = "arn:aws:iot:local:000000000000:policy/p"
	cert := ask(t, h, "POST", "/keys-and-certificate?setAsActive=true", "").body["certificateArn"].(string)
	a := ask(t, h, "POST", "/policies/p", documentJSON(t, anyConnect))
	require.Equal(t, map[string]any{"policyName": "p", "policyArn": arn, "policyDocument": anyConnect, "policyVersionId": "1"}, a.body)
	a = ask(t, h, "POST", "/policies/p", documentJSON(t, anyConnect))
	require.Equal(t, 409, a.status)
	require.Equal(t, arn, a.body["resourceArn"])
	require.Equal(t, "MalformedPolicyException", ask(t, h, "POST", "/policies/q", documentJSON(t, "{}")).body["__type"])
	require.Equal(t, 400, ask(t, h, "POST", "/policies/q", "{}").status)
	a = ask(t, h, "POST", "/policies/p/version?setAsDefault=true", documentJSON(t, anyConnect))
	require.Equal(t, "2", a.body["policyVersionId"])
	require.Equal(t, true, a.body["isDefaultVersion"])
	require.Equal(t, "2", ask(t, h, "GET", "/policies/p", "").body["defaultVersionId"])
	require.Equal(t, 409, ask(t, h, "DELETE", "/policies/p", "").status)
	require.Equal(t, 409, ask(t, h, "DELETE", "/policies/p/version/2", "").status)
	require.Equal(t, 200, ask(t, h, "PATCH", "/policies/p/version/1", "").status)
	require.Len(t, ask(t, h, "GET", "/policies/p/version", "").body["policyVersions"], 2)
	require.Equal(t, anyConnect, ask(t, h, "GET", "/policies/p/version/2", "").body["policyDocument"])
	require.Equal(t, 404, ask(t, h, "GET", "/policies/p/version/3", "").status)
	require.Equal(t, 200, ask(t, h, "DELETE", "/policies/p/version/2", "").status)
	require.Equal(t, []any{map[string]any{"policyName": "p", "policyArn": arn}}, ask(t, h, "GET", "/policies?pageSize=10", "").body["policies"])

	for range 2 {
		require.Equal(t, 200, ask(t, h, "PUT", "/target-policies/p", `{"target":"`+cert+`"}`).status)
	}
	require.Equal(t, 404, ask(t, h, "PUT", "/target-policies/none", `{"target":"`+cert+`"}`).status)
	require.Equal(t, 404, ask(t, h, "PUT", "/target-policies/p", `{"target":"`+cert[:len(cert)-1]+`"}`).status)
	require.Equal(t, 400, ask(t, h, "PUT", "/target-policies/p", `{}`).status)
	require.Len(t, ask(t, h, "POST", "/attached-policies/"+url.PathEscape(cert)+"?recursive=true", "").body["policies"], 1)
	require.Equal(t, []any{cert}, ask(t, h, "POST", "/policy-targets/p", "").body["targets"])
	require.Equal(t, []any{cert}, ask(t, h, "GET", "/policy-principals", "", "X-Amzn-Iot-Policy", "p").body["principals"])
	require.Len(t, ask(t, h, "GET", "/principal-policies", "", "X-Amzn-Iot-Principal", cert).body["policies"], 1)
	require.Len(t, ask(t, h, "POST", "/effective-policies", `{"principal":"`+cert+`"}`).body["effectivePolicies"], 1)

	a = ask(t, h, "POST", "/test-authorization?clientId=c", `{"principal":"`+cert+`","authInfos":[
		{"actionType":"CONNECT","resources":["arn:aws:iot:local:000000000000:client/c"]},
		{"actionType":"PUBLISH","resources":["arn:aws:iot:local:000000000000:topic/c"]}]}`)
	results := a.body["authResults"].([]any)
	require.Equal(t, "ALLOWED", results[0].(map[string]any)["authDecision"])
	require.Equal(t, "IMPLICIT_DENY", results[1].(map[string]any)["authDecision"])
	for _, bad := range []string{`{}`, `{"authInfos":[{"actionType":"FLY","resources":["*"]}]}`, `{"authInfos":[{"actionType":"CONNECT"}]}`, `{"cognitoIdentityPoolId":"x","authInfos":[{"actionType":"CONNECT","resources":["*"]}]}`} {
		require.Equal(t, 400, ask(t, h, "POST", "/test-authorization", bad).status, bad)
	}

	require.Equal(t, 409, ask(t, h, "DELETE", "/policies/p", "").status)
	for range 2 {
		require.Equal(t, 200, ask(t, h, "POST", "/target-policies/p", `{"target":"`+cert+`"}`).status)
	}
	require.Equal(t, 200, ask(t, h, "PUT", "/principal-policies/p", "", "X-Amzn-Iot-Principal", cert).status)
	require.Equal(t, 200, ask(t, h, "DELETE", "/principal-policies/p", "", "X-Amzn-Iot-Principal", cert).status)
	require.Equal(t, 400, ask(t, h, "DELETE", "/principal-policies/p", "").status)
	require.Equal(t, 200, ask(t, h, "DELETE", "/policies/p", "").status)
	require.Equal(t, 404, ask(t, h, "GET", "/policies/p", "").status)
}

// Traps in a policy are told in the header: the bodies are those of AWS.
func TestPolicies_Warnings(t *testing.T) {
	t.Parallel()
	h := newStage(t).ControlPlane()
	const header = "X-Policy-Warning"
	a := ask(t, h, "POST", "/policies/p", documentJSON(t, anyConnect))
	require.Len(t, a.header.Values(header), 1)
	require.Contains(t, a.header.Get(header), "Statement[0].Resource: allows any client id")
	require.Contains(t, a.header.Get(header), "[any-client]")
	quiet := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:local:000000000000:topic/a"}}`
	a = ask(t, h, "POST", "/policies/p/version", documentJSON(t, quiet))
	require.Equal(t, 200, a.status)
	require.Empty(t, a.header.Values(header))
	// Whatever stands in the document, the header is one line of ASCII.
	loud := `{"Version":"2012-10-17","Statement":[` + strings.Repeat(`{"Effect":"Allow","Action":"iot:Publish","Resource":"arn:aws:iot:local:000000000000:topic/${iot:\u00e9\r\nSet-Cookie: \"}"},`, 11) + quiet[strings.Index(quiet, `{"Effect`):len(quiet)-1] + `]}`
	a = ask(t, h, "POST", "/policies/p/version", documentJSON(t, loud))
	require.Equal(t, 200, a.status, a.text)
	require.Len(t, a.header.Values(header), 10)
	for _, v := range a.header.Values(header) {
		require.Contains(t, v, "unknown-variable")
		require.False(t, strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c > '~' }), v)
	}
}
