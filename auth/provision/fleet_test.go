package provision_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/provision"
)

const provisionTopic = "$aws/provisioning-templates/fleet/provision"

func provisionRequest(token, parameters string) string {
	return `{"certificateOwnershipToken": ` + quoted(token) + `, "parameters": ` + parameters + `}`
}

func TestFleetProvisioning(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		r := newRig(t)
		r.fleet(t)
		ok, answer := r.ask(t, claimant, "$aws/certificates/create", format, "")
		require.True(t, ok, answer)
		var c created
		require.NoError(t, json.Unmarshal([]byte(answer), &c))
		require.Equal(t, provision.PendingActivation, r.status(c.ID))
		require.Equal(t, r.certificates[c.ID].PEM, c.PEM)
		require.Less(t, len(c.Token), 64) // embedded clients have small buffers
		// The key is the certificate's.
		key, _ := pem.Decode([]byte(c.PrivateKey))
		private, err := x509.ParsePKCS8PrivateKey(key.Bytes)
		require.NoError(t, err)
		block, _ := pem.Decode([]byte(c.PEM))
		cert, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		require.True(t, private.(*ecdsa.PrivateKey).PublicKey.Equal(cert.PublicKey))

		ok, answer = r.ask(t, claimant, provisionTopic, format, provisionRequest(c.Token, `{"Serial": "7", "more": "x"}`))
		require.True(t, ok, answer)
		require.JSONEq(t, `{"deviceConfiguration": {"interval": "60", "site": "north"}, "thingName": "pump-7"}`, answer)
		require.Equal(t, provision.Active, r.status(c.ID))
		require.Equal(t, []string{arnPrefix + "cert/" + c.ID}, r.attached["pump-7"])
		require.Equal(t, []string{arnPrefix + "cert/" + c.ID}, r.targets["pumps"])
		require.Equal(t, []string{"hall-1"}, r.things["pump-7"].Groups)

		// The token is used up.
		ok, answer = r.ask(t, claimant, provisionTopic, format, provisionRequest(c.Token, `{"Serial": "8"}`))
		require.False(t, ok)
		e := readRejection(t, answer)
		require.Equal(t, 400, e.Status)
		require.Equal(t, "InvalidCertificateOwnershipToken", e.Code)
		require.NotContains(t, r.things, "pump-8")
	}
}

func TestFleetProvisioningWithARequest(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		r := newRig(t)
		r.fleet(t)
		ok, answer := r.ask(t, claimant, "$aws/certificates/create-from-csr", format, `{"certificateSigningRequest": `+quoted(request(t))+`}`)
		require.True(t, ok, answer)
		var c map[string]string
		require.NoError(t, json.Unmarshal([]byte(answer), &c))
		require.Len(t, c, 3)
		require.Equal(t, provision.PendingActivation, r.status(c["certificateId"]))
		require.Equal(t, r.certificates[c["certificateId"]].PEM, c["certificatePem"])
		ok, answer = r.ask(t, claimant, provisionTopic, format, provisionRequest(c["certificateOwnershipToken"], `{"Serial": "7", "Site": "south"}`))
		require.True(t, ok, answer)
		require.Equal(t, provision.Active, r.status(c["certificateId"]))
		require.Equal(t, []string{"g2"}, r.things["pump-7"].Groups)
	}
}

// The exact bytes of the answers in JSON: the members in the order of the AWS
// documentation, nothing escaped that need not be.
func TestAnswersInJSON(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fleet(t, func(in *provision.CreateTemplateInput) { in.Body = strings.Replace(fleetBody, `"60"`, `"<a&b>"`, 1) })
	c := r.create(t, claimant)
	_, err := r.Handle(t.Context(), provisionTopic+"/json", []byte(provisionRequest(c.Token, `{}`)), claimant)
	require.NoError(t, err)
	require.Equal(t, `{"statusCode":400,"errorCode":"InvalidParameters","errorMessage":"parameters lacks Serial, which the template needs"}`, string(r.sent(t).payload))
	_, err = r.Handle(t.Context(), provisionTopic+"/json", []byte(provisionRequest(c.Token, `{"Serial": "1"}`)), claimant)
	require.NoError(t, err)
	require.Equal(t, `{"deviceConfiguration":{"interval":"<a&b>","site":"north"},"thingName":"pump-1"}`, string(r.sent(t).payload))
}

// CBOR has definite lengths and text keys, which is what small decoders read.
func TestAnswersInCBOR(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fleet(t)
	_, err := r.Handle(t.Context(), "$aws/certificates/create/cbor", nil, claimant)
	require.NoError(t, err)
	answer := r.sent(t).payload
	require.Equal(t, byte(0xa4), answer[0])
	require.NotContains(t, string(answer), "\x9f")
	notation, err := cbor.Diagnose(answer)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(notation, `{"certificateId": "`), notation)
	require.NotContains(t, notation, "_ ")
}

func TestWithoutAThing(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		r := newRig(t)
		r.fleet(t, func(in *provision.CreateTemplateInput) {
			in.Body = `{"Resources": {"c": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "INACTIVE"}}}}`
		})
		c := r.create(t, claimant)
		ok, answer := r.ask(t, claimant, provisionTopic, format, `{"certificateOwnershipToken": `+quoted(c.Token)+`}`)
		require.True(t, ok, answer)
		require.JSONEq(t, `{"deviceConfiguration": {}}`, answer)
		require.Equal(t, provision.Inactive, r.status(c.ID))
	}
}

func TestRejections(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 17<<10)
	for _, format := range formats {
		r := newRig(t)
		r.fleet(t)
		r.fleet(t, func(in *provision.CreateTemplateInput) { in.Name, in.Enabled = "off", false })
		r.fleet(t, func(in *provision.CreateTemplateInput) {
			in.Name, in.Type, in.Body = "jitp", provision.JustInTime, strings.Replace(fleetBody, `"Serial": {"Type": "String"}`, `"Serial": {"Type": "String", "Default": "1"}`, 1)
		})
		c := r.create(t, claimant)
		other := r.create(t, provision.Requester{Principal: "somebody", ClientID: "x"})
		before := r.state()
		for _, x := range []struct {
			topic, request string
			by             provision.Requester
			status         int
			code           string
		}{
			{"$aws/certificates/create-from-csr", ``, claimant, 400, "InvalidPayload"},
			{"$aws/certificates/create-from-csr", `[]`, claimant, 400, "InvalidPayload"},
			{"$aws/certificates/create-from-csr", `null`, claimant, 400, "InvalidPayload"},
			{"$aws/certificates/create-from-csr", `{}`, claimant, 400, "InvalidPayload"},
			{"$aws/certificates/create-from-csr", `{"certificateSigningRequest": null}`, claimant, 400, "InvalidPayload"},
			{"$aws/certificates/create-from-csr", `{"certificateSigningRequest": 5}`, claimant, 400, "InvalidPayload"},
			{"$aws/certificates/create-from-csr", `{"certificatesigningrequest": "x"}`, claimant, 400, "InvalidPayload"},
			{"$aws/certificates/create-from-csr", `{"certificateSigningRequest": "x"}`, claimant, 400, "InvalidRequest"},
			{"$aws/certificates/create-from-csr", `{"certificateSigningRequest": "` + long + `"}`, claimant, 400, "InvalidPayload"},
			{"$aws/certificates/create", ``, provision.Requester{ClientID: "x"}, 403, "AccessDenied"},
			{provisionTopic, `{"certificateOwnershipToken": "", "parameters": {}}`, claimant, 400, "InvalidCertificateOwnershipToken"},
			{provisionTopic, `{"parameters": {"Serial": "1"}}`, claimant, 400, "InvalidCertificateOwnershipToken"},
			{provisionTopic, provisionRequest("nonsense", `{"Serial": "1"}`), claimant, 400, "InvalidCertificateOwnershipToken"},
			{provisionTopic, provisionRequest(c.Token+"x", `{"Serial": "1"}`), claimant, 400, "InvalidCertificateOwnershipToken"},
			{provisionTopic, provisionRequest("B"+c.Token[1:], `{"Serial": "1"}`), claimant, 400, "InvalidCertificateOwnershipToken"},
			{provisionTopic, provisionRequest(other.Token, `{"Serial": "1"}`), claimant, 400, "InvalidCertificateOwnershipToken"},
			{provisionTopic, `null`, claimant, 400, "InvalidPayload"},
			{provisionTopic, `{"certificateOwnershipToken": 5}`, claimant, 400, "InvalidPayload"},
			{provisionTopic, provisionRequest(c.Token, `{"Serial": 1}`), claimant, 400, "InvalidPayload"},
			{provisionTopic, provisionRequest(c.Token, `{"Serial": null}`), claimant, 400, "InvalidPayload"},
			{provisionTopic, provisionRequest(c.Token, `[]`), claimant, 400, "InvalidPayload"},
			{provisionTopic, provisionRequest(c.Token, `{"Serial": {"a": {"a": {"a": "b"}}}}`), claimant, 400, "InvalidPayload"},
			{provisionTopic, provisionRequest(c.Token, `{}`), claimant, 400, "InvalidParameters"},
			{provisionTopic, provisionRequest(c.Token, `{"Serial": "a b"}`), claimant, 400, "InvalidParameters"},
			{provisionTopic, provisionRequest(c.Token, `{"Serial": "1", "Site": "mars"}`), claimant, 400, "InvalidParameters"},
			{"$aws/provisioning-templates/nope/provision", provisionRequest(c.Token, `{"Serial": "1"}`), claimant, 404, "ResourceNotFound"},
			{"$aws/provisioning-templates/b b/provision", provisionRequest(c.Token, `{"Serial": "1"}`), claimant, 404, "ResourceNotFound"},
			{"$aws/provisioning-templates/off/provision", provisionRequest(c.Token, `{"Serial": "1"}`), claimant, 404, "ResourceNotFound"},
			{"$aws/provisioning-templates/jitp/provision", provisionRequest(c.Token, `{"Serial": "1"}`), claimant, 404, "ResourceNotFound"},
		} {
			ok, answer := r.ask(t, x.by, x.topic, format, x.request)
			require.False(t, ok, x.request)
			e := readRejection(t, answer)
			require.Equal(t, x.code, e.Code, "%s %s %s", format, x.topic, answer)
			require.Equal(t, x.status, e.Status)
			require.Equal(t, before, r.state(), x.request)
		}
		// None of it has harmed the token.
		ok, answer := r.ask(t, claimant, provisionTopic, format, provisionRequest(c.Token, `{"Serial": "1"}`))
		require.True(t, ok, answer)
	}
}

func TestPayloadsThatAreNone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for format, payloads := range map[string][]string{
		"json": {"{", "\xff", `{"certificateSigningRequest": "a", "certificateSigningRequest": "b"}`, `{} {}`, strings.Repeat("[", 100)},
		"cbor": {
			"{", "\xff", "\xa1", "\xa0\xa0", "\xf6", "\x60", "\xc0\xa0", "\xa1\x01\x61a",
			"\xa2\x78\x19certificateSigningRequest\x61a\x78\x19certificateSigningRequest\x61b",
			"\xa1\x78\x19certificateSigningRequest\x41a", "\xa1\x78\x19certificateSigningRequest\x61\xff",
			"\xd9\x03\xe8\xa1\x78\x19certificateSigningRequest\x61a", "\xa1\x78\x19certificateSigningRequest\xd9\x03\xe8\x61a",
			"\xa1\x61x" + strings.Repeat("\x81", 20) + "\x00", "\xbb\xff\xff\xff\xff\xff\xff\xff\xff", "\xa1\x61x\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
		},
	} {
		for _, p := range payloads {
			_, err := r.Handle(t.Context(), "$aws/certificates/create-from-csr/"+format, []byte(p), claimant)
			require.NoError(t, err)
			m := r.sent(t)
			require.Equal(t, "$aws/certificates/create-from-csr/"+format+"/rejected", m.topic, "%q", p)
			require.Contains(t, string(m.payload), "InvalidPayload", "%q", p)
		}
	}
}

func TestIndefiniteLengthsAreRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	csr := request(t)
	head := []byte{0x79, byte(len(csr) >> 8), byte(len(csr))}
	payload := "\xbf\x78\x19certificateSigningRequest" + string(head) + csr + "\xff"
	_, err := r.Handle(t.Context(), "$aws/certificates/create-from-csr/cbor", []byte(payload), claimant)
	require.NoError(t, err)
	require.Equal(t, "$aws/certificates/create-from-csr/cbor/accepted", r.sent(t).topic)
}

func TestOtherTopics(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, topic := range []string{
		"", "$aws", "$aws/", "a/b", "$aws/certificates/create", "$aws/certificates/create/", "$aws/certificates/create/xml", "$aws/certificates/create/JSON",
		"$aws/certificates/create/json/accepted", "$aws/certificates/create/json/", "$aws/certificates/create-from-csr/json/rejected",
		"$aws/certificates/createjson", "$aws/provisioning-templates/", "$aws/provisioning-templates/a/provision", "$aws/provisioning-templates//provision/json",
		"$aws/provisioning-templates/a/b/provision/json", "$aws/provisioning-templates/a/provision/json/accepted", "$aws/provisioning-templates/a/provision/x",
		"aws/certificates/create/json", "$aws/things/a/shadow/get",
	} {
		require.False(t, provision.IsRequest(topic), topic)
		handled, err := r.Handle(t.Context(), topic, nil, claimant)
		require.NoError(t, err)
		require.False(t, handled, topic)
	}
	require.Empty(t, r.messages)
	for _, topic := range []string{"$aws/certificates/create/json", "$aws/certificates/create-from-csr/cbor", "$aws/provisioning-templates/a/provision/json"} {
		require.True(t, provision.IsRequest(topic))
	}
}

func TestAllocsIsRequest(t *testing.T) {
	topics := []string{"$aws/provisioning-templates/a/provision/json", "$aws/certificates/create/json", "dt/a/b"}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, topic := range topics {
			_ = provision.IsRequest(topic)
		}
	}))
}

// A device has no say in the parameters that only the hub knows.
func TestADeviceCannotChooseItsCertificate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fleet(t)
	victim := r.known(t, provision.Inactive)
	c := r.create(t, claimant)
	ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1", "AWS::IoT::Certificate::Id": "`+victim+`"}`))
	require.True(t, ok, answer)
	require.Equal(t, provision.Inactive, r.status(victim))
	require.Equal(t, provision.Active, r.status(c.ID))
}

// What a device sends means nothing more in a policy than it says.
func TestADeviceCannotWidenItsPolicy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fleet(t, func(in *provision.CreateTemplateInput) {
		in.Body = strings.Replace(fleetBody, `"PolicyName": "pumps"`, `"PolicyDocument": {"Resource": {"Fn::Sub": "topic/${Serial}/${Site}/*"}}`, 1)
		in.Body = strings.Replace(in.Body, `["pump", {"Ref": "Serial"}]`, `["pump", "x"]`, 1)
		in.Body = strings.Replace(in.Body, `"serial": {"Ref": "Serial"}`, `"serial": "1"`, 1)
	})
	c := r.create(t, claimant)
	for _, evil := range []string{"*", "a?", "${iot:ClientId}"} {
		ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": `+quoted(evil)+`}`))
		require.False(t, ok)
		require.Equal(t, "InvalidParameters", readRejection(t, answer).Code)
	}
	ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "good"}`))
	require.True(t, ok, answer)
	// Who is in charge may.
	body := strings.Replace(withDocument(`{"Resource": {"Ref": "P"}}`), "CertificateId\": {\"Ref\": \"AWS::IoT::Certificate::Id\"}", `CertificateSigningRequest": `+quoted(request(t)), 1)
	_, err := r.RegisterThing(t.Context(), body, map[string]string{"P": "*"})
	require.NoError(t, err)
}

// A certificate that waits no longer is not the device's to provision.
func TestACertificateThatIsInUse(t *testing.T) {
	t.Parallel()
	for _, status := range []provision.Status{provision.Active, provision.Inactive, provision.Revoked} {
		r := newRig(t)
		r.fleet(t)
		c := r.create(t, claimant)
		r.certificates[c.ID].Status = status // by somebody in charge
		before := r.state()
		ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
		require.False(t, ok)
		require.Equal(t, "InvalidCertificateOwnershipToken", readRejection(t, answer).Code)
		require.Equal(t, before, r.state())
	}
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fleet(t, func(in *provision.CreateTemplateInput) {
		in.Body = strings.Replace(fleetBody, `"group"]}]}}`, `"group"]}]}, "OverrideSettings": {"ThingTypeName": "FAIL"}}`, 1)
	})
	r.things["pump-1"] = &provision.Thing{Name: "pump-1", Version: 1}
	c := r.create(t, claimant)
	ok, answer := r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
	require.False(t, ok)
	e := readRejection(t, answer)
	require.Equal(t, "ResourceConflict", e.Code)
	require.Equal(t, 409, e.Status)
	require.Empty(t, r.attached["pump-1"])
	// With a name that is free the same token does.
	ok, answer = r.ask(t, claimant, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "2"}`))
	require.True(t, ok, answer)
}

// What fails inside is told to the host, and nothing of it to the device.
func TestFailuresInside(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fleet(t)
	r.failAt = 1
	handled, err := r.Handle(t.Context(), "$aws/certificates/create/json", nil, claimant)
	require.True(t, handled)
	require.ErrorIs(t, err, errBroken)
	m := r.sent(t)
	require.Equal(t, "$aws/certificates/create/json/rejected", m.topic)
	require.Equal(t, `{"statusCode":500,"errorCode":"InternalFailure","errorMessage":"internal failure"}`, string(m.payload))

	r.failAt = 0
	c := r.create(t, claimant)
	before := r.state()
	at := 1
	for ; ; at++ { // each call of the provisioning in turn
		r.failAt = len(r.calls) + at
		_, err := r.Handle(t.Context(), provisionTopic+"/json", []byte(provisionRequest(c.Token, `{"Serial": "1"}`)), claimant)
		if m := r.sent(t); strings.HasSuffix(m.topic, "/accepted") {
			require.NoError(t, err)
			break
		}
		require.ErrorIs(t, err, errBroken)
		require.Equal(t, before, r.state())
	}
	require.Greater(t, at, 7)
	require.Equal(t, provision.Active, r.status(c.ID))
}

func TestAnAnswerThatCannotBePublished(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *provision.Config) {
		c.Publisher = provision.PublisherFunc(func(context.Context, provision.Requester, string, []byte) error { return errBroken })
	})
	handled, err := r.Handle(t.Context(), "$aws/certificates/create/json", nil, claimant)
	require.True(t, handled)
	require.ErrorIs(t, err, errBroken)
	require.ErrorContains(t, err, "$aws/certificates/create/json/accepted")
}

func TestClaims(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fleet(t)
	r.fleet(t, func(in *provision.CreateTemplateInput) { in.Name = "other" })
	claim, err := r.CreateProvisioningClaim(t.Context(), "fleet")
	require.NoError(t, err)
	require.NotEmpty(t, claim.PrivateKey)
	require.NotEmpty(t, claim.PublicKey)
	require.True(t, r.certificates[claim.ID].hidden)
	block, _ := pem.Decode([]byte(claim.PEM))
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.True(t, cert.NotAfter.Equal(claim.Expires))

	got, found, err := r.Claim(t.Context(), claim.ID)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "fleet", got.Template)
	require.True(t, got.Expires.Equal(claim.Expires))
	require.JSONEq(t, `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": ["iot:Connect"], "Resource": ["`+arnPrefix+`client/*"]},
		{"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": ["`+arnPrefix+`topic/$aws/certificates/create/*", "`+arnPrefix+`topic/$aws/certificates/create-from-csr/*", "`+arnPrefix+`topic/$aws/provisioning-templates/fleet/provision/*"]},
		{"Effect": "Allow", "Action": ["iot:Subscribe"], "Resource": ["`+arnPrefix+`topicfilter/$aws/certificates/create/*", "`+arnPrefix+`topicfilter/$aws/certificates/create-from-csr/*", "`+arnPrefix+`topicfilter/$aws/provisioning-templates/fleet/provision/*"]}]}`, got.Policy)
	_, found, err = r.Claim(t.Context(), strings.Repeat("0", 64))
	require.NoError(t, err)
	require.False(t, found)

	by := provision.Requester{Principal: claim.ID, ClientID: "d"}
	c := r.create(t, by)
	ok, answer := r.ask(t, by, "$aws/provisioning-templates/other/provision", "json", provisionRequest(c.Token, `{"Serial": "1"}`))
	require.False(t, ok)
	require.Equal(t, rejection{403, "AccessDenied", "the provisioning claim is for another template"}, readRejection(t, answer))
	ok, answer = r.ask(t, by, provisionTopic, "json", provisionRequest(c.Token, `{"Serial": "1"}`))
	require.True(t, ok, answer)

	_, err = r.CreateProvisioningClaim(t.Context(), "nope")
	require.ErrorIs(t, err, provision.ErrNotFound)
	_, err = r.CreateProvisioningClaim(t.Context(), "")
	require.ErrorIs(t, err, provision.ErrInvalid)
	require.NoError(t, r.UpdateProvisioningTemplate(t.Context(), provision.UpdateTemplateInput{Name: "fleet", Enabled: ptr(false)}))
	_, err = r.CreateProvisioningClaim(t.Context(), "fleet")
	require.ErrorIs(t, err, provision.ErrConflict)
	r.failAt = len(r.calls) + 1
	_, err = r.CreateProvisioningClaim(t.Context(), "other")
	require.ErrorIs(t, err, errBroken)
	var e *provision.Error
	require.False(t, errors.As(err, &e))
}
