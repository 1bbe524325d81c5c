package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
)

const (
	templateARN = "arn:aws:iot:local:000000000000:provisioningtemplate/"
	// fleetTemplate is for certificates that are there already, registerTemplate for
	// signing requests.
	fleetTemplate = `{"Parameters":{"Serial":{"Type":"String"}},"Resources":{
		"thing":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Fn::Sub":"pump-${Serial}"}}},
		"certificate":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"}}}}}`
	registerTemplate = `{"Parameters":{"Name":{"Type":"String"},"CSR":{"Type":"String"}},"Resources":{
		"pump":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"Name"}},"OverrideSettings":{"AttributePayload":"FAIL"}},
		"certificate":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateSigningRequest":{"Ref":"CSR"}}},
		"rights":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"pumps"}}}}`
)

func TestProvisioningTemplates(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := s.ControlPlane()
	const role = "arn:aws:iam::000000000000:role/r"
	a := ask(t, h, "POST", "/provisioning-templates", body(t, map[string]any{
		"templateName": "pumps", "templateBody": fleetTemplate, "description": "all pumps", "enabled": true, "provisioningRoleArn": role,
		"preProvisioningHook": map[string]any{"targetArn": "hook"}, "tags": []map[string]any{{"Key": "a", "Value": "1"}},
	}))
	require.Equal(t, map[string]any{"templateName": "pumps", "templateArn": templateARN + "pumps", "defaultVersionId": 1.0}, a.body, a.text)
	require.Len(t, ask(t, h, "GET", "/tags?resourceArn="+templateARN+"pumps", "").body["tags"], 1)
	a = ask(t, h, "POST", "/provisioning-templates", body(t, map[string]any{"templateName": "pumps", "templateBody": fleetTemplate}))
	require.Equal(t, "ResourceAlreadyExistsException", a.body["__type"])
	require.Equal(t, templateARN+"pumps", a.body["resourceArn"])
	require.Equal(t, "pumps", a.body["resourceId"])
	a = ask(t, h, "GET", "/provisioning-templates/pumps", "")
	holds(t, `{"templateName":"pumps","templateArn":"`+templateARN+`pumps","description":"all pumps","enabled":true,"type":"FLEET_PROVISIONING","defaultVersionId":1,
		"provisioningRoleArn":"`+role+`","preProvisioningHook":{"targetArn":"hook","payloadVersion":"2020-04-01"}}`, a.body, a.text)
	require.Equal(t, fleetTemplate, a.body["templateBody"])
	require.NotZero(t, a.body["creationDate"])

	a = ask(t, h, "POST", "/provisioning-templates/pumps/versions", body(t, map[string]any{"templateBody": fleetTemplate}))
	require.Equal(t, map[string]any{"templateName": "pumps", "templateArn": templateARN + "pumps", "versionId": 2.0, "isDefaultVersion": false}, a.body)
	a = ask(t, h, "POST", "/provisioning-templates/pumps/versions?setAsDefault=true", body(t, map[string]any{"templateBody": strings.Replace(fleetTemplate, "pump-", "valve-", 1)}))
	require.Equal(t, true, a.body["isDefaultVersion"])
	a = ask(t, h, "GET", "/provisioning-templates/pumps/versions/3", "")
	require.Contains(t, a.body["templateBody"], "valve-")
	require.Equal(t, true, a.body["isDefaultVersion"])
	require.Equal(t, "DeleteConflictException", ask(t, h, "DELETE", "/provisioning-templates/pumps/versions/3", "").body["__type"])
	require.Equal(t, 200, ask(t, h, "PATCH", "/provisioning-templates/pumps", `{"defaultVersionId":2,"enabled":false,"description":"","removePreProvisioningHook":true}`).status)
	a = ask(t, h, "GET", "/provisioning-templates/pumps", "")
	holds(t, `{"enabled":false,"defaultVersionId":2,"description":"absent","preProvisioningHook":"absent","provisioningRoleArn":"`+role+`"}`, a.body, a.text)
	require.Equal(t, 200, ask(t, h, "DELETE", "/provisioning-templates/pumps/versions/3", "").status)
	require.Equal(t, 404, ask(t, h, "GET", "/provisioning-templates/pumps/versions/3", "").status)
	for _, query := range []string{"", "?maxResults=1"} {
		a = ask(t, h, "GET", "/provisioning-templates/pumps/versions"+query, "")
		holds(t, `{"versionId":1,"isDefaultVersion":false,"templateBody":"absent"}`, a.body["versions"].([]any)[0], a.text)
	}
	a = ask(t, h, "GET", "/provisioning-templates/pumps/versions?maxResults=1&nextToken="+a.body["nextToken"].(string), "")
	holds(t, `{"versions":[{"versionId":2,"isDefaultVersion":true}],"nextToken":"absent"}`, a.body, a.text)
	for i := range 3 {
		a = ask(t, h, "POST", "/provisioning-templates/pumps/versions", body(t, map[string]any{"templateBody": fleetTemplate}))
		require.Equal(t, 200, a.status, i)
	}
	require.Equal(t, "VersionsLimitExceededException", ask(t, h, "POST", "/provisioning-templates/pumps/versions", body(t, map[string]any{"templateBody": fleetTemplate})).body["__type"])

	require.Equal(t, 200, ask(t, h, "POST", "/provisioning-templates", body(t, map[string]any{"templateName": "jitp", "templateBody": fleetTemplateJITP, "type": "JITP", "enabled": true})).status)
	a = ask(t, h, "GET", "/provisioning-templates?maxResults=1", "")
	holds(t, `{"templates":[{"templateName":"jitp","type":"JITP","enabled":true,"templateBody":"absent","defaultVersionId":"absent"}]}`, a.body, a.text)
	a = ask(t, h, "GET", "/provisioning-templates?nextToken="+a.body["nextToken"].(string), "")
	holds(t, `{"templates":[{"templateName":"pumps","templateArn":"`+templateARN+`pumps"}],"nextToken":"absent"}`, a.body, a.text)

	// A CA whose certificates it provisions keeps it.
	ca := newCA(t, "our CA")
	require.Equal(t, 200, ask(t, h, "POST", "/cacertificate", registration(t, h, ca, map[string]any{"registrationConfig": map[string]any{"templateName": "jitp"}})).status)
	require.Equal(t, "DeleteConflictException", ask(t, h, "DELETE", "/provisioning-templates/jitp", "").body["__type"])
	require.Equal(t, 200, ask(t, h, "DELETE", "/cacertificate/"+certs.Fingerprint(ca.certificate), "").status)
	for _, name := range []string{"jitp", "pumps"} {
		require.Equal(t, 200, ask(t, h, "DELETE", "/provisioning-templates/"+name, "").status)
		require.Equal(t, 404, ask(t, h, "DELETE", "/provisioning-templates/"+name, "").status)
	}
	require.NotContains(t, s.state(t), "\ntags ")
	require.Equal(t, []any{}, ask(t, h, "GET", "/provisioning-templates", "").body["templates"])
}

const fleetTemplateJITP = `{"Parameters":{"AWS::IoT::Certificate::Id":{"Type":"String"},"AWS::IoT::Certificate::CommonName":{"Type":"String"}},"Resources":{
	"thing":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"AWS::IoT::Certificate::CommonName"}}},
	"certificate":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"ACTIVE"}}}}`

func TestProvisioningClaim(t *testing.T) {
	t.Parallel()
	h := newStage(t).ControlPlane()
	require.Equal(t, 200, ask(t, h, "POST", "/provisioning-templates", body(t, map[string]any{"templateName": "pumps", "templateBody": fleetTemplate, "enabled": true})).status)
	begin := time.Now()
	a := ask(t, h, "POST", "/provisioning-templates/pumps/provisioning-claim", "")
	require.Equal(t, 200, a.status, a.text)
	c := parsePEM(t, a.body["certificatePem"])
	require.Equal(t, certs.Fingerprint(c), a.body["certificateId"])
	require.Contains(t, a.body["keyPair"].(map[string]any)["PrivateKey"], "PRIVATE KEY")
	require.Contains(t, a.body["keyPair"].(map[string]any)["PublicKey"], "PUBLIC KEY")
	expires := time.Unix(int64(a.body["expiration"].(float64)), 0)
	require.WithinRange(t, expires, begin.Add(5*time.Minute-2*time.Second), time.Now().Add(5*time.Minute))
	require.True(t, c.NotAfter.Equal(expires))
	require.Equal(t, []any{}, ask(t, h, "GET", "/certificates", "").body["certificates"], "it is in no list")
	require.Equal(t, 200, ask(t, h, "PATCH", "/provisioning-templates/pumps", `{"enabled":false}`).status)
	require.Equal(t, 400, ask(t, h, "POST", "/provisioning-templates/pumps/provisioning-claim", "").status)
	require.Equal(t, 404, ask(t, h, "POST", "/provisioning-templates/none/provisioning-claim", "").status)
}

func TestRegisterThing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := s.ControlPlane()
	ask1 := body(t, map[string]any{"templateBody": registerTemplate, "parameters": map[string]any{"Name": "pump-1", "CSR": newCSR(t, "x")}})
	before := s.state(t)
	a := ask(t, h, "POST", "/things", ask1)
	require.Equal(t, "ResourceRegistrationFailureException", a.body["__type"], "there is no such policy: %s", a.text)
	require.Equal(t, before, s.state(t), "all or nothing")
	require.Equal(t, 200, ask(t, h, "POST", "/policies/pumps", documentJSON(t, anyConnect)).status)
	a = ask(t, h, "POST", "/things", ask1)
	require.Equal(t, 200, a.status, a.text)
	id := certs.Fingerprint(parsePEM(t, a.body["certificatePem"]))
	require.Equal(t, map[string]any{
		"pump": "arn:aws:iot:local:000000000000:thing/pump-1", "certificate": certARN + id, "rights": "arn:aws:iot:local:000000000000:policy/pumps",
	}, a.body["resourceArns"])
	require.Equal(t, "ACTIVE", description(t, h, id)["status"])
	require.Equal(t, []any{certARN + id}, ask(t, h, "GET", "/things/pump-1/principals", "").body["principals"])
	require.Equal(t, []any{certARN + id}, ask(t, h, "POST", "/policy-targets/pumps", "").body["targets"])

	withAttributes := strings.Replace(registerTemplate, `"ThingName":{"Ref":"Name"}`, `"ThingName":{"Ref":"Name"},"AttributePayload":{"a":"1"}`, 1)
	a = ask(t, h, "POST", "/things", body(t, map[string]any{"templateBody": withAttributes, "parameters": map[string]any{"Name": "pump-1", "CSR": newCSR(t, "x")}}))
	require.Equal(t, "ResourceRegistrationFailureException", a.body["__type"], a.text)
	require.Contains(t, a.body["message"], "pump-1")
	a = ask(t, h, "POST", "/things", body(t, map[string]any{"templateBody": `{"Resources":{"t":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":"valve"}}}}`}))
	require.Equal(t, map[string]any{"resourceArns": map[string]any{"t": "arn:aws:iot:local:000000000000:thing/valve"}}, a.body)
	require.Equal(t, 200, ask(t, h, "GET", "/things/valve", "").status)
}

func TestProvisioning_Hostile(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := s.ControlPlane()
	require.Equal(t, 200, ask(t, h, "POST", "/provisioning-templates", body(t, map[string]any{"templateName": "there", "templateBody": fleetTemplate})).status)
	before := s.state(t)
	with := func(name string, value any) string {
		m := map[string]any{"templateName": "t", "templateBody": fleetTemplate}
		m[name] = value
		return body(t, m)
	}
	for _, c := range [][4]string{
		{"POST", "/provisioning-templates", ``, "templateName is missing"},
		{"POST", "/provisioning-templates", `{"templateName":"t"}`, "templateBody is missing"},
		{"POST", "/provisioning-templates", with("templateName", "a/b"), "templateName"},
		{"POST", "/provisioning-templates", with("templateName", strings.Repeat("a", 37)), "templateName"},
		{"POST", "/provisioning-templates", with("templateBody", "{"), "templateBody"},
		{"POST", "/provisioning-templates", with("templateBody", map[string]any{}), "templateBody is an object"},
		{"POST", "/provisioning-templates", with("templateBody", strings.Repeat(" ", 1<<15)+fleetTemplate), "templateBody"},
		{"POST", "/provisioning-templates", with("type", "X"), "type"},
		{"POST", "/provisioning-templates", with("enabled", "true"), "enabled"},
		{"POST", "/provisioning-templates", with("provisioningRoleArn", "r"), "provisioningRoleArn"},
		{"POST", "/provisioning-templates", with("description", strings.Repeat("x", 501)), "description"},
		{"POST", "/provisioning-templates", with("preProvisioningHook", map[string]any{}), "preProvisioningHook"},
		{"POST", "/provisioning-templates", with("preProvisioningHook", map[string]any{"targetArn": "none"}), "preProvisioningHook"},
		{"POST", "/provisioning-templates", with("preProvisioningHook", map[string]any{"targetArn": "hook", "payloadVersion": "1"}), "preProvisioningHook"},
		{"POST", "/provisioning-templates", with("tags", []any{map[string]any{"Key": ""}}), "tags"},
		{"PATCH", "/provisioning-templates/there", `{"preProvisioningHook":{"targetArn":"hook"},"removePreProvisioningHook":true}`, "removePreProvisioningHook"},
		{"PATCH", "/provisioning-templates/there", `{"defaultVersionId":1.5}`, "defaultVersionId"},
		{"PATCH", "/provisioning-templates/a.b", `{}`, "templateName"},
		{"POST", "/provisioning-templates/there/versions", ``, "templateBody is missing"},
		{"POST", "/provisioning-templates/there/versions?setAsDefault=1", `{"templateBody":"{}"}`, "setAsDefault"},
		{"POST", "/provisioning-templates/there/versions", `{"templateBody":"{}"}`, "templateBody"},
		{"GET", "/provisioning-templates/there/versions/x", ``, "versionId"},
		{"GET", "/provisioning-templates/there/versions/99999999999999999999", ``, "versionId"},
		{"DELETE", "/provisioning-templates/there/versions/1x", ``, "versionId"},
		{"GET", "/provisioning-templates?maxResults=0", ``, "maxResults"},
		{"GET", "/provisioning-templates?nextToken=!", ``, "nextToken"},
		{"GET", "/provisioning-templates/there/versions?maxResults=251", ``, "maxResults"},
		{"POST", "/things", ``, "templateBody is missing"},
		{"POST", "/things", `{"templateBody":"{}"}`, "templateBody"},
		{"POST", "/things", body(t, map[string]any{"templateBody": registerTemplate}), "parameters lacks"},
		{"POST", "/things", `{"templateBody":"{}","parameters":{"a":1}}`, "parameters"},
		{"POST", "/things", `{"templateBody":"{}","parameters":{"a":"1","a":"2"}}`, "parameters.a is there twice"},
		{"POST", "/things", body(t, map[string]any{"templateBody": registerTemplate, "parameters": map[string]any{"Name": "a b", "CSR": newCSR(t, "x")}}), ""},
		{"POST", "/things", body(t, map[string]any{"templateBody": registerTemplate, "parameters": map[string]any{"Name": "a", "CSR": "x"}}), ""},
	} {
		a := ask(t, h, c[0], c[1], c[2])
		require.Equal(t, 400, a.status, "%v: %s", c, a.text)
		require.Contains(t, a.body["message"], c[3], c[1])
	}
	for _, id := range []int{-1, 0, 2} {
		a := ask(t, h, "GET", fmt.Sprint("/provisioning-templates/there/versions/", id), "")
		require.Contains(t, []int{400, 404}, a.status, a.text)
		require.Contains(t, []int{400, 404}, ask(t, h, "PATCH", "/provisioning-templates/there", fmt.Sprintf(`{"defaultVersionId":%d}`, id)).status)
	}
	require.Equal(t, before, s.state(t))
}
