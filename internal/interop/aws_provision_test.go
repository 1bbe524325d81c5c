package interop_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/auth/provision"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/registry"
)

// fleetTemplate makes pumps out of serial numbers.
const fleetTemplate = `{
	"Parameters": {"SerialNumber": {"Type": "String"}, "Hall": {"Type": "String", "Default": "1"}, "AWS::IoT::Certificate::Id": {"Type": "String"}},
	"Resources": {
		"thing": {"Type": "AWS::IoT::Thing", "OverrideSettings": {"AttributePayload": "FAIL"}, "Properties": {
			"ThingName": {"Fn::Join": ["-", ["pump", {"Ref": "SerialNumber"}]]},
			"AttributePayload": {"hall": {"Ref": "Hall"}}, "ThingGroups": ["pumps"]}},
		"certificate": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"}},
		"policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "pump"}}},
	"DeviceConfiguration": {"interval": "60"}}`

// startFleet starts a hub with the template "pumps", whose hook takes serial numbers of
// three digits, and makes the claim certificate that is built into pumps.
func startFleet(t *testing.T) (s *secureHub, claim *pki) {
	t.Helper()
	s = startSecure(t, func(c *thinghub.Config) {
		c.ProvisionConfig.Hooks = map[string]provision.Hook{"known": func(_ context.Context, r provision.HookRequest) (provision.HookAnswer, error) {
			return provision.HookAnswer{AllowProvisioning: len(r.Parameters["SerialNumber"]) == 3}, nil
		}}
	})
	_, err := s.Registry().CreateThingGroup(t.Context(), registry.CreateGroupInput{Name: "pumps"})
	require.NoError(t, err)
	s.policy(t, "pump", `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:Connect", "Resource": "`+arns+`client/${iot:Connection.Thing.ThingName}"},
		{"Effect": "Allow", "Action": "iot:Publish", "Resource": "`+arns+`topic/dt/${iot:Connection.Thing.Attributes[hall]}/${iot:Connection.Thing.ThingName}"}]}`)
	_, err = s.Provisioning().CreateProvisioningTemplate(t.Context(), provision.CreateTemplateInput{
		Name: "pumps", Body: fleetTemplate, Enabled: true, Hook: &provision.TemplateHook{PayloadVersion: provision.HookVersion, TargetARN: "known"},
	})
	require.NoError(t, err)
	c, err := s.Certificates().CreateKeysAndCertificate(t.Context(), true)
	require.NoError(t, err)
	s.policy(t, "claim", s.Provisioning().ClaimPolicy("pumps"), c.ARN)
	return s, &pki{caFile: s.ca, certFile: s.file(t, "claim.pem", c.PEM), keyFile: s.file(t, "claim.key", c.Keys.PrivateKey)}
}

// A newcomer is a device with its claim certificate.
type newcomer struct{ *jsClient }

func (n newcomer) request(t *testing.T, op string, parts object) (accepted, rejected object) {
	t.Helper()
	answer := n.do(t, "request", object{"request": op, "parts": parts}).(object)
	accepted, _ = answer["accepted"].(object)
	rejected, _ = answer["rejected"].(object)
	return accepted, rejected
}

// accepted makes a request that has to be.
func (n newcomer) accepted(t *testing.T, op string, parts object) object {
	t.Helper()
	accepted, rejected := n.request(t, op, parts)
	require.NotNil(t, accepted, "%s: %v", op, rejected)
	return accepted
}

// rejected makes a request that must be.
func (n newcomer) rejected(t *testing.T, op string, parts object, status int, code string) {
	t.Helper()
	_, rejected := n.request(t, op, parts)
	require.EqualValues(t, status, rejected["statusCode"], "%s: %v", op, rejected)
	require.Equal(t, code, rejected["errorCode"])
	require.NotEmpty(t, rejected["errorMessage"])
}

// TestAWSProvisioning has devices get their own certificates with the identity clients of
// the SDK, and connect with them.
func TestAWSProvisioning(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"v2 5", "v2 3.1.1", "v2 topics 5", "v2 topics 3.1.1"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s, claim := startFleet(t)
			js := beginJS(t, "provision.js")
			n := newcomer{js.open(t, "new", awsConnect(t, s.mqtts, claim, kind, nil))}

			keys := n.accepted(t, "createKeysAndCertificate", object{})
			register := func(token any, parameters object) object {
				return object{"templateName": "pumps", "certificateOwnershipToken": token, "parameters": parameters}
			}
			token := keys["certificateOwnershipToken"]
			n.rejected(t, "registerThing", register("guess", object{"SerialNumber": "101"}), 400, "InvalidCertificateOwnershipToken")
			n.rejected(t, "registerThing", register(token, object{"SerialNumber": "1"}), 403, "AccessDenied")
			done := n.accepted(t, "registerThing", register(token, object{"SerialNumber": "101", "Hall": "7"}))
			require.Equal(t, object{"thingName": "pump-101", "deviceConfiguration": object{"interval": "60"}}, done)
			n.rejected(t, "registerThing", register(token, object{"SerialNumber": "102"}), 400, "InvalidCertificateOwnershipToken")

			// With a key of its own.
			key := filepath.Join(s.dir, "own.key")
			csr := filepath.Join(s.dir, "own.csr")
			_, errs, code := run(t, "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", csr, "-subj", "/CN=pump")
			require.Zero(t, code, errs)
			request, err := os.ReadFile(csr)
			require.NoError(t, err)
			signed := n.accepted(t, "createCertificateFromCsr", object{"certificateSigningRequest": string(request)})
			require.NotContains(t, signed, "privateKey")
			n.rejected(t, "registerThing", register(signed["certificateOwnershipToken"], object{"SerialNumber": "101"}), 409, "ResourceConflict")
			require.Equal(t, "pump-103", n.accepted(t, "registerThing", register(signed["certificateOwnershipToken"], object{"SerialNumber": "103"}))["thingName"])
			n.do(t, "end", nil)

			// Their own certificates are good for what the template says.
			device := beginJS(t, "aws.js")
			heard := s.hear(t, "dt/#")
			for name, d := range map[string]struct {
				id, topic string
				files     *pki
			}{
				"pump-101": {keys["certificateId"].(string), "dt/7/pump-101", &pki{
					caFile: s.ca, certFile: s.file(t, "101.pem", keys["certificatePem"].(string)), keyFile: s.file(t, "101.key", keys["privateKey"].(string)),
				}},
				"pump-103": {signed["certificateId"].(string), "dt/1/pump-103", &pki{caFile: s.ca, certFile: s.file(t, "103.pem", signed["certificatePem"].(string)), keyFile: key}},
			} {
				c := device.open(t, name, awsConnect(t, s.mqtts, d.files, "v2 5", nil))
				c.ups.next(t)
				c.pub(t, d.topic, "21", 1)
				require.Equal(t, d.topic, heard.next(t).Topic)
				require.Equal(t, d.id, s.client(t, name).Principal)
				require.EqualValues(t, broker.NotAuthorized, c.do(t, "publish", object{"topic": "dt/2/" + name, "payload": "", "qos": 1}))
				groups, err := s.Registry().StaticGroupsOf(t.Context(), name)
				require.NoError(t, err)
				require.Equal(t, []string{"pumps"}, groups)
			}
			// The claim may not do what a device may, nor push one out.
			thief := beginJS(t, "aws.js")
			require.Equal(t, int(broker.NotAuthorized), thief.open(t, "pump-101", awsConnect(t, s.mqtts, claim, "v2 5", nil)).downs.next(t).ReasonCode)
			require.Len(t, s.seen.events("connected", "pump-101"), 1)
			c := thief.open(t, "pump-102", awsConnect(t, s.mqtts, claim, "v2 5", nil))
			c.ups.next(t)
			require.EqualValues(t, broker.NotAuthorized, c.do(t, "publish", object{"topic": "dt/7/pump-101", "payload": "", "qos": 1}))
		})
	}
}

// TestAWSProvisioningByUser: somebody trusted gets a claim for one device.
func TestAWSProvisioningByUser(t *testing.T) {
	t.Parallel()
	s, _ := startFleet(t)
	claim, err := s.Provisioning().CreateProvisioningClaim(t.Context(), "pumps")
	require.NoError(t, err)
	files := &pki{caFile: s.ca, certFile: s.file(t, "user.pem", claim.PEM), keyFile: s.file(t, "user.key", claim.PrivateKey)}
	n := newcomer{beginJS(t, "provision.js").open(t, "new", awsConnect(t, s.mqtts, files, "v2 5", nil))}
	keys := n.accepted(t, "createKeysAndCertificate", object{})
	require.Equal(t, "pump-200", n.accepted(t, "registerThing", object{
		"templateName": "pumps", "certificateOwnershipToken": keys["certificateOwnershipToken"], "parameters": object{"SerialNumber": "200"},
	})["thingName"])
	list, _, err := s.Certificates().ListCertificates(t.Context(), certs.Page{})
	require.NoError(t, err)
	for _, c := range list {
		require.NotEqual(t, claim.ID, c.ID, "claims are not listed")
	}
}
