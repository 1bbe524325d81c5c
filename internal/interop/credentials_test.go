package interop_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
	"github.com/thinghub/thinghub/broker"
)

// byName is the secure hub's address with the name of its certificate.
func (s *secureHub) byName() string { return strings.Replace(s.https, "127.0.0.1", "localhost", 1) }

// cli starts the AWS CLI with some credentials.
func (s *secureHub) cli(t *testing.T, more ...string) cli {
	t.Helper()
	env := append(append([]string{}, awsEnv...), more...)
	return cli{beginWith(t, append(env, "AWS_CA_BUNDLE="+s.ca), python, "testdata/boto/cli.py"), "https://" + s.byName(), s.dir}
}

// curl makes a request with a device's certificate and returns the status and the body.
func (s *secureHub) curl(t *testing.T, d *pki, path string, args ...string) (status string, body object) {
	t.Helper()
	args = append([]string{"--silent", "--show-error", "--max-time", "20", "--cacert", s.ca, "--write-out", "\n%{http_code}"}, args...)
	if d != nil {
		args = append(args, "--cert", d.certFile, "--key", d.keyFile)
	}
	out, errs, code := run(t, "curl", append(args, "https://"+s.byName()+path)...)
	require.Zero(t, code, errs)
	text, status, _ := strings.Cut(out, "\n")
	require.NoError(t, json.Unmarshal([]byte(text), &body), text)
	return status, body
}

// TestAWSCLIIdentity makes a device with the AWS CLI, as the documentation of AWS does it,
// and lets it get credentials of its own.
func TestAWSCLIIdentity(t *testing.T) {
	t.Parallel()
	s, readerID, readerSecret := startKeys(t)
	admin := s.cli(t)
	dir := t.TempDir()
	device := &pki{caFile: s.ca, certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "cert.key")}
	arn := admin.run(t, "iot", "create-keys-and-certificate", "--set-as-active", "--certificate-pem-outfile", device.certFile,
		"--private-key-outfile", device.keyFile, "--query", "certificateArn", "--output", "text")
	id := strings.TrimPrefix(arn, arns+"cert/")
	policy := filepath.Join(dir, "policy.json")
	require.NoError(t, os.WriteFile(policy, []byte(`{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:Connect", "Resource": "`+arns+`client/${iot:Connection.Thing.ThingName}"},
		{"Effect": "Allow", "Action": "iot:Publish", "Resource": "`+arns+`topic/dt/${iot:Connection.Thing.ThingName}"},
		{"Effect": "Allow", "Action": "iot:AssumeRoleWithCertificate", "Resource": "`+arns+`rolealias/uploader"}]}`), 0o600))
	admin.run(t, "iot", "create-policy", "--policy-name", "pump", "--policy-document", "file://"+policy)
	admin.run(t, "iot", "attach-policy", "--policy-name", "pump", "--target", arn)
	admin.run(t, "iot", "create-thing", "--thing-name", "pump-1")
	admin.run(t, "iot", "attach-thing-principal", "--thing-name", "pump-1", "--principal", arn)

	heard := s.hear(t, "dt/#")
	publish := func(topic string) (stderr string, code int) {
		_, stderr, code = mosq(t, "mosquitto_pub", s.mqtts, "-V", "5", "-i", "pump-1", "-q", "1", "-t", topic, "-m", "21",
			"--cafile", s.ca, "--cert", device.certFile, "--key", device.keyFile)
		return stderr, code
	}
	errs, code := publish("dt/pump-1")
	require.Zero(t, code, errs)
	require.Equal(t, id, heard.next(t).Origin.Principal)
	errs, _ = publish("dt/pump-2")
	require.Contains(t, errs, "Not authorized")
	require.Equal(t, `ALLOWED	IMPLICIT_DENY`, admin.run(t, "iot", "test-authorization", "--principal", arn, "--client-id", "pump-1", "--auth-infos",
		"actionType=PUBLISH,resources="+arns+"topic/dt/pump-1", "actionType=PUBLISH,resources="+arns+"topic/dt/pump-2",
		"--query", "authResults[].authDecision", "--output", "text"))

	// Its certificate is worth temporary credentials, which are worth what their role is.
	const role = "arn:aws:iam::" + account + ":role/upload"
	admin.run(t, "iot", "create-role-alias", "--role-alias", "uploader", "--role-arn", role, "--credential-duration-seconds", "900")
	admin.run(t, "iot", "create-role-alias", "--role-alias", "others", "--role-arn", role)
	require.NoError(t, os.WriteFile(policy, []byte(`{"Version": "2012-10-17", "Statement":
		{"Effect": "Allow", "Action": "iot:Publish", "Resource": "`+arns+`topic/dt/up/${credentials-iot:ThingName}"}}`), 0o600))
	admin.run(t, "iot", "create-policy", "--policy-name", "upload", "--policy-document", "file://"+policy)
	admin.run(t, "iot", "attach-policy", "--policy-name", "upload", "--target", role)
	named := []string{"--header", "x-amzn-iot-thingname: pump-1"}
	before := time.Now()
	status, body := s.curl(t, device, "/role-aliases/uploader/credentials", named...)
	require.Equal(t, "200", status, body)
	got := body["credentials"].(object)
	expires, err := time.Parse(time.RFC3339, got["expiration"].(string))
	require.NoError(t, err)
	require.WithinRange(t, expires, before.Add(15*time.Minute-time.Second), time.Now().Add(15*time.Minute))
	for _, c := range []struct {
		name, path, status string
		device             *pki
		args               []string
	}{
		{"another alias", "/role-aliases/others/credentials", "403", device, named},
		{"no such alias", "/role-aliases/none/credentials", "403", device, named}, // whoever may not use it learns nothing
		{"another thing", "/role-aliases/uploader/credentials", "403", device, []string{"--header", "x-amzn-iot-thingname: pump-2"}},
		{"no certificate", "/role-aliases/uploader/credentials", "403", nil, named},
	} {
		status, body := s.curl(t, c.device, c.path, c.args...)
		require.Equal(t, c.status, status, c.name)
		require.NotEmpty(t, body["message"], c.name)
	}
	uploader := s.cli(t, "AWS_ACCESS_KEY_ID="+got["accessKeyId"].(string), "AWS_SECRET_ACCESS_KEY="+got["secretAccessKey"].(string), "AWS_SESSION_TOKEN="+got["sessionToken"].(string))
	uploader.run(t, "iot-data", "publish", "--topic", "dt/up/pump-1", "--qos", "1", "--payload", "file 1")
	m := heard.next(t)
	require.Equal(t, "dt/up/pump-1 file 1", m.Topic+" "+string(m.Payload))
	require.Equal(t, "arn:aws:sts::"+account+":assumed-role/upload/"+id, m.Origin.Principal)
	_, errs, code = uploader.try(t, "iot-data", "publish", "--topic", "dt/up/pump-2", "--payload", "no")
	require.Equal(t, 255, code)
	require.Contains(t, errs, "(ForbiddenException) when calling the Publish operation")
	_, errs, code = uploader.try(t, "iot", "list-things")
	require.Equal(t, 255, code)
	require.Contains(t, errs, "is not authorized to perform iot:ListThings")

	reader := s.cli(t, "AWS_ACCESS_KEY_ID="+readerID, "AWS_SECRET_ACCESS_KEY="+readerSecret)
	require.Equal(t, "pump-1", reader.run(t, "iot", "list-things", "--query", "things[].thingName", "--output", "text"))
	_, errs, code = reader.try(t, "iot", "update-certificate", "--certificate-id", id, "--new-status", "REVOKED")
	require.Equal(t, 255, code)
	require.Contains(t, errs, "(UnauthorizedException) when calling the UpdateCertificate operation")
	require.Contains(t, errs, "is not authorized to perform iot:UpdateCertificate on cert/"+id)

	admin.run(t, "iot", "update-certificate", "--certificate-id", id, "--new-status", "REVOKED")
	_, code = publish("dt/pump-1")
	require.NotZero(t, code)
	_, _, code = run(t, "curl", "--silent", "--max-time", "20", "--cacert", s.ca, "--cert", device.certFile, "--key", device.keyFile,
		"--header", named[1], "https://"+s.byName()+"/role-aliases/uploader/credentials")
	require.NotZero(t, code, "the handshake fails")
	heard.none(t)
}

// TestManufacturer: devices whose certificates somebody else has made with OpenSSL are
// registered when they first connect, and let in when they are activated.
func TestManufacturer(t *testing.T) {
	t.Parallel()
	s, _, _ := startKeys(t)
	admin := s.cli(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	openssl := func(args ...string) {
		t.Helper()
		_, errs, code := run(t, "openssl", args...)
		require.Zero(t, code, errs)
	}
	ec := []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"}
	sign := func(name, subject string) {
		t.Helper()
		openssl(append([]string{"req", "-new", "-keyout", file(name + ".key"), "-out", file(name + ".csr"), "-subj", subject}, ec...)...)
		openssl("x509", "-req", "-in", file(name+".csr"), "-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-out", file(name+".pem"), "-days", "10")
	}
	openssl(append([]string{"req", "-x509", "-keyout", file("ca.key"), "-out", file("ca.pem"), "-days", "30", "-subj", "/CN=Pumps Inc"}, ec...)...)
	sign("proof", "/CN="+admin.run(t, "iot", "get-registration-code", "--query", "registrationCode", "--output", "text"))
	ca := admin.run(t, "iot", "register-ca-certificate", "--ca-certificate", "file://"+file("ca.pem"), "--verification-cert", "file://"+file("proof.pem"),
		"--set-as-active", "--allow-auto-registration", "--query", "certificateId", "--output", "text")

	sign("pump-1", "/CN=pump-1")
	events := s.hear(t, "$aws/events/certificates/registered/"+ca)
	heard := s.hear(t, "dt/#")
	publish := func() int {
		_, _, code := mosq(t, "mosquitto_pub", s.mqtts, "-V", "5", "-i", "pump-1", "-q", "1", "-t", "dt/pump-1", "-m", "21",
			"--cafile", s.ca, "--cert", file("pump-1.pem"), "--key", file("pump-1.key"))
		return code
	}
	require.NotZero(t, publish())
	var event struct{ CertificateID, CertificateStatus, CACertificateID string }
	require.NoError(t, json.Unmarshal(events.next(t).Payload, &event))
	require.Equal(t, string(certs.PendingActivation), event.CertificateStatus)
	require.Equal(t, ca, event.CACertificateID)
	s.policy(t, "all", `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}}`, s.Certificates().ARN(event.CertificateID))
	require.NotZero(t, publish(), "a policy alone does not let it in")
	events.next(t) // since that happens again
	admin.run(t, "iot", "update-certificate", "--certificate-id", event.CertificateID, "--new-status", "ACTIVE")
	require.Zero(t, publish())
	require.Equal(t, event.CertificateID, heard.next(t).Origin.Principal)

	// A CRL of the manufacturer's ends it.
	sub := msub(t, s.testHub, s.mqtts, "pump-1", "cmd", "-V", "5", "--cafile", s.ca, "--cert", file("pump-1.pem"), "--key", file("pump-1.key"))
	require.NoError(t, os.WriteFile(file("index.txt"), nil, 0o600))
	require.NoError(t, os.WriteFile(file("crlnumber"), []byte("01\n"), 0o600))
	require.NoError(t, os.WriteFile(file("ca.cnf"), []byte("[ca]\ndefault_ca=d\n[d]\ndatabase="+file("index.txt")+"\ncrlnumber="+file("crlnumber")+
		"\ndefault_md=sha256\ndefault_crl_days=7\n"), 0o600))
	caArgs := []string{"ca", "-config", file("ca.cnf"), "-cert", file("ca.pem"), "-keyfile", file("ca.key")}
	openssl(append(caArgs, "-revoke", file("pump-1.pem"))...)
	openssl(append(caArgs, "-gencrl", "-out", file("ca.crl"))...)
	crl, err := os.ReadFile(file("ca.crl"))
	require.NoError(t, err)
	_, err = s.Certificates().LoadCRL(t.Context(), crl)
	require.NoError(t, err)
	require.Equal(t, broker.NotAuthorized, broker.ReasonOf(s.seen.await(t, "disconnected", "pump-1", 2).cause))
	sub.wait(t)
	require.NotZero(t, publish())
	heard.none(t)
}
