package api_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/internal/api"
)

const authorizerARN = "arn:aws:iot:local:000000000000:authorizer/"

func TestAuthorizers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := s.ControlPlane()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	ref := map[string]any{"authorizerName": "a", "authorizerArn": authorizerARN + "a"}
	a := ask(t, h, "POST", "/authorizer/a", body(t, map[string]any{
		"authorizerFunctionArn": "door", "tokenKeyName": "token", "tokenSigningPublicKeys": map[string]any{"first": public},
		"status": "ACTIVE", "enableCachingForHttp": true, "tags": []map[string]any{{"Key": "a", "Value": "1"}},
	}))
	require.Equal(t, 200, a.status, a.text)
	require.Equal(t, ref, a.body)
	require.Len(t, ask(t, h, "GET", "/tags?resourceArn="+authorizerARN+"a", "").body["tags"], 1)
	a = ask(t, h, "POST", "/authorizer/a", `{"authorizerFunctionArn":"door","signingDisabled":true}`)
	require.Equal(t, "ResourceAlreadyExistsException", a.body["__type"])
	require.Equal(t, authorizerARN+"a", a.body["resourceArn"])

	d := ask(t, h, "GET", "/authorizer/a", "").body["authorizerDescription"].(map[string]any)
	holds(t, `{"authorizerName":"a","authorizerArn":"`+authorizerARN+`a","authorizerFunctionArn":"door","tokenKeyName":"token","status":"ACTIVE","signingDisabled":false,"enableCachingForHttp":true}`, d, "description")
	require.Equal(t, map[string]any{"first": public}, d["tokenSigningPublicKeys"])
	require.NotZero(t, d["creationDate"])
	require.NotZero(t, d["lastModifiedDate"])

	// There is no default until one is set, and one that is cannot be deleted.
	require.Equal(t, 404, ask(t, h, "GET", "/default-authorizer", "").status)
	require.Equal(t, 404, ask(t, h, "DELETE", "/default-authorizer", "").status)
	require.Equal(t, 404, ask(t, h, "POST", "/default-authorizer", `{"authorizerName":"none"}`).status)
	require.Equal(t, 400, ask(t, h, "POST", "/default-authorizer", `{}`).status)
	require.Equal(t, ref, ask(t, h, "POST", "/default-authorizer", `{"authorizerName":"a"}`).body)
	require.Equal(t, d, ask(t, h, "GET", "/default-authorizer", "").body["authorizerDescription"])
	require.Equal(t, 200, ask(t, h, "POST", "/authorizer/b", `{"authorizerFunctionArn":"door","signingDisabled":true,"status":"ACTIVE"}`).status)
	a = ask(t, h, "POST", "/default-authorizer", `{"authorizerName":"b"}`)
	require.Equal(t, "ResourceAlreadyExistsException", a.body["__type"])
	require.Equal(t, authorizerARN+"a", a.body["resourceArn"])
	require.Equal(t, ref, ask(t, h, "PUT", "/authorizer/a", `{"status":"INACTIVE","enableCachingForHttp":false}`).body)
	holds(t, `{"status":"INACTIVE","enableCachingForHttp":false,"tokenKeyName":"token"}`, ask(t, h, "GET", "/authorizer/a", "").body["authorizerDescription"], "updated")
	require.Equal(t, 409, ask(t, h, "DELETE", "/authorizer/a", "").status)
	require.Equal(t, 200, ask(t, h, "DELETE", "/default-authorizer", "").status)
	require.Equal(t, 409, ask(t, h, "DELETE", "/authorizer/b", "").status)

	// It is invoked with what the signature covers.
	token := "open"
	sum := sha256.Sum256([]byte(token))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	require.NoError(t, err)
	a = ask(t, h, "POST", "/authorizer/a/test", body(t, map[string]any{
		"token": token, "tokenSignature": base64.StdEncoding.EncodeToString(signature), "tlsContext": map[string]any{"serverName": "hub.test"},
		"httpContext": map[string]any{"headers": map[string]any{"X-A": "1"}, "queryString": "?a=b"},
		"mqttContext": map[string]any{"username": "u", "password": "cGFzcw==", "clientId": "c"},
	}))
	require.Equal(t, map[string]any{
		"isAuthenticated": true, "principalId": "visitor", "policyDocuments": []any{anyConnect}, "refreshAfterInSeconds": 600.0, "disconnectAfterInSeconds": 3600.0,
	}, a.body)
	a = ask(t, h, "POST", "/authorizer/a/test", body(t, map[string]any{"token": "Open", "tokenSignature": base64.StdEncoding.EncodeToString(signature)}))
	require.Equal(t, 400, a.status)
	require.Contains(t, a.body["message"], "tokenSignature")
	require.Equal(t, map[string]any{"isAuthenticated": false}, ask(t, h, "POST", "/authorizer/b/test", `{"token":"shut"}`).body)
	require.Equal(t, 404, ask(t, h, "POST", "/authorizer/none/test", `{}`).status)

	require.Equal(t, 200, ask(t, h, "DELETE", "/authorizer/a", "").status)
	require.Equal(t, 404, ask(t, h, "GET", "/authorizer/a", "").status)
	require.Equal(t, 404, ask(t, h, "PUT", "/authorizer/a", `{}`).status)
	require.Equal(t, 404, ask(t, h, "DELETE", "/authorizer/a", "").status)
	require.NotContains(t, s.state(t), "\ntags ")
}

// SDKs ask for the list with a slash at its end, and without.
func TestAuthorizers_List(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := s.ControlPlane()
	for i := range 4 {
		status := []string{"ACTIVE", "INACTIVE"}[i%2]
		require.Equal(t, 200, ask(t, h, "POST", fmt.Sprint("/authorizer/a", i), `{"authorizerFunctionArn":"door","signingDisabled":true,"status":"`+status+`"}`).status)
	}
	for query, want := range map[string]string{
		"":                                     "a3 a2 a1 a0",
		"&isAscendingOrder=true":               "a0 a1 a2 a3",
		"&isAscendingOrder=true&status=ACTIVE": "a0 a2",
		"&isAscendingOrder=false&status=INACTIVE": "a3 a1",
	} {
		for _, path := range []string{"/authorizers/", "/authorizers"} {
			var got []string
			for marker := ""; ; {
				a := ask(t, h, "GET", path+"?pageSize=1&marker="+marker+query, "")
				require.Equal(t, 200, a.status, a.text)
				for _, x := range a.body["authorizers"].([]any) {
					item := x.(map[string]any)
					require.Equal(t, authorizerARN+item["authorizerName"].(string), item["authorizerArn"])
					got = append(got, item["authorizerName"].(string))
				}
				next, ok := a.body["nextMarker"]
				if !ok {
					break
				}
				marker = next.(string)
			}
			require.Equal(t, want, strings.Join(got, " "), path+query)
		}
	}
	for _, bad := range []string{"pageSize=0", "pageSize=251", "marker=!", "status=X", "isAscendingOrder=1"} {
		require.Equal(t, 400, ask(t, h, "GET", "/authorizers/?"+bad, "").status, bad)
	}
	for target, status := range map[string]int{"/authorizers//": 404, "/authorizers/a": 404, "/authorizers/.": 404, "/authorizer/": 404} {
		require.Equal(t, status, ask(t, s.Handler(), "GET", target, "").status, target)
	}
	for _, path := range []string{"/authorizers/", "/authorizers"} {
		require.Equal(t, 405, ask(t, s.Handler(), "POST", path, "").status, path)
	}
}

func TestAuthorizers_Hostile(t *testing.T) {
	t.Parallel()
	var asked []string
	s := newStage(t, func(c *api.Config) { c.Authorizer = only{asked: &asked} })
	h := s.ControlPlane()
	require.Equal(t, 200, ask(t, h, "POST", "/authorizer/broken", `{"authorizerFunctionArn":"broken","signingDisabled":true}`).status)
	before := s.state(t)
	for _, c := range [][4]string{
		{"POST", "/authorizer/a", ``, "authorizerFunctionArn is missing"},
		{"POST", "/authorizer/a", `{"authorizerFunctionArn":"none","signingDisabled":true}`, "authorizerFunctionArn"},
		{"POST", "/authorizer/a", `{"authorizerFunctionArn":"door"}`, "tokenKeyName"},
		{"POST", "/authorizer/a", `{"authorizerFunctionArn":"door","tokenKeyName":"t"}`, "tokenSigningPublicKeys"},
		{"POST", "/authorizer/a", `{"authorizerFunctionArn":"door","tokenKeyName":"t","tokenSigningPublicKeys":{"k":"x"}}`, "tokenSigningPublicKeys.k"},
		{"POST", "/authorizer/a", `{"authorizerFunctionArn":"door","tokenKeyName":"t","tokenSigningPublicKeys":[]}`, "tokenSigningPublicKeys"},
		{"POST", "/authorizer/a", `{"authorizerFunctionArn":"door","signingDisabled":true,"status":"ON"}`, "status"},
		{"POST", "/authorizer/a", `{"authorizerFunctionArn":"door","signingDisabled":"true"}`, "signingDisabled"},
		{"POST", "/authorizer/a", `{"authorizerFunctionArn":"door","signingDisabled":true,"tags":[{}]}`, "tags"},
		{"POST", "/authorizer/a%2Fb", `{"authorizerFunctionArn":"door","signingDisabled":true}`, "authorizerName"},
		{"PUT", "/authorizer/broken", `{"authorizerFunctionArn":""}`, "authorizerFunctionArn"},
		{"PUT", "/authorizer/broken", `{"status":""}`, "status"},
		{"POST", "/default-authorizer", `{"authorizerName":"broken"}`, "INACTIVE"},
		{"POST", "/default-authorizer", `{"authorizerName":1}`, "authorizerName"},
		{"POST", "/authorizer/broken/test", `{"mqttContext":{"password":"!"}}`, "mqttContext.password"},
		{"POST", "/authorizer/broken/test", `{"httpContext":{"headers":{"a":["b"]}}}`, "httpContext.headers"},
		{"POST", "/authorizer/broken/test", `{"token":"t"}`, "out of order"},
	} {
		a := ask(t, h, c[0], c[1], c[2])
		require.Equal(t, 400, a.status, "%v: %s", c, a.text)
		require.Contains(t, a.body["message"], c[3])
	}
	require.Equal(t, "InvalidResponseException", ask(t, h, "POST", "/authorizer/broken/test", "").body["__type"])
	require.Equal(t, before, s.state(t))

	asked = nil
	for _, r := range [][3]string{
		{"POST", "/default-authorizer", `{"authorizerName":"A"}`},
		{"POST", "/default-authorizer", `[]`},
		{"GET", "/authorizer/A", ""},
		{"POST", "/authorizer/A/test", ""},
		{"GET", "/authorizers", ""},
		{"POST", "/provisioning-templates", `{"templateName":"T"}`},
		{"POST", "/provisioning-templates", ``},
		{"DELETE", "/provisioning-templates/T/versions/2", ""},
		{"POST", "/provisioning-templates/T/provisioning-claim", ""},
		{"POST", "/things", "{}"},
	} {
		ask(t, h, r[0], r[1], r[2])
	}
	require.Equal(t, []string{
		"iot:SetDefaultAuthorizer authorizer/A", "iot:SetDefaultAuthorizer *", "iot:DescribeAuthorizer authorizer/A", "iot:TestInvokeAuthorizer authorizer/A", "iot:ListAuthorizers *",
		"iot:CreateProvisioningTemplate provisioningtemplate/T", "iot:CreateProvisioningTemplate *", "iot:DeleteProvisioningTemplateVersion provisioningtemplate/T",
		"iot:CreateProvisioningClaim provisioningtemplate/T", "iot:RegisterThing *",
	}, asked)
}
