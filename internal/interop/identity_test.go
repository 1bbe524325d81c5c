package interop_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth/custom"
)

// identityOperations are those of the control plane about who may do what.
var identityOperations = strings.Fields(`
	CreatePolicy GetPolicy DeletePolicy ListPolicies CreatePolicyVersion ListPolicyVersions GetPolicyVersion SetDefaultPolicyVersion DeletePolicyVersion
	AttachPolicy DetachPolicy ListAttachedPolicies ListTargetsForPolicy AttachPrincipalPolicy DetachPrincipalPolicy ListPrincipalPolicies
	ListPolicyPrincipals GetEffectivePolicies TestAuthorization
	CreateKeysAndCertificate CreateCertificateFromCsr RegisterCertificate RegisterCertificateWithoutCA DescribeCertificate UpdateCertificate
	DeleteCertificate ListCertificates ListCertificatesByCA
	RegisterCACertificate DescribeCACertificate UpdateCACertificate DeleteCACertificate ListCACertificates GetRegistrationCode DeleteRegistrationCode
	TransferCertificate AcceptCertificateTransfer RejectCertificateTransfer CancelCertificateTransfer ListOutgoingCertificates
	CreateRoleAlias DescribeRoleAlias UpdateRoleAlias DeleteRoleAlias ListRoleAliases
	CreateAuthorizer UpdateAuthorizer DeleteAuthorizer DescribeAuthorizer ListAuthorizers SetDefaultAuthorizer ClearDefaultAuthorizer
	DescribeDefaultAuthorizer TestInvokeAuthorizer
	CreateProvisioningTemplate DescribeProvisioningTemplate UpdateProvisioningTemplate DeleteProvisioningTemplate ListProvisioningTemplates
	CreateProvisioningTemplateVersion DescribeProvisioningTemplateVersion DeleteProvisioningTemplateVersion ListProvisioningTemplateVersions
	CreateProvisioningClaim RegisterThing`)

// startKeys starts a hub with two access keys: that of the tests may do everything over
// HTTP, the other one is a reader's.
func startKeys(t *testing.T, changes ...change) (s *secureHub, readerID, readerSecret string) {
	t.Helper()
	s = startSecure(t, changes...)
	require.NoError(t, s.AccessKeys().Put(t.Context(), "admin", accessKey, secretKey))
	s.policy(t, "admin", `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["iot:*", "iam:PassRole"], "Resource": "*"}}`, s.AccessKeys().ARN("admin"))
	key, secret, err := s.AccessKeys().Create(t.Context(), "reader")
	require.NoError(t, err)
	s.policy(t, "reader", `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "iot:ListThings", "Resource": "*"},
		{"Effect": "Allow", "Action": "iot:DescribeThing", "Resource": "`+arns+`thing/seen"},
		{"Effect": "Allow", "Action": "iot:Publish", "Resource": "`+arns+`topic/reader/*"}]}`, s.AccessKeys().ARN("reader"))
	return s, key.ID, secret
}

// TestBoto3Identity drives policies, certificates, provisioning and authorizers with
// boto3 and OpenSSL. The checks are those of testdata/boto/identity.py, a subtest each.
func TestBoto3Identity(t *testing.T) {
	t.Parallel()
	s, id, secret := startKeys(t, func(c *thinghub.Config) {
		c.AuthorizerConfig = custom.Config{Functions: map[string]custom.Function{"doorman": custom.Func(doorman)}}
	})
	heard := s.hear(t, "+/says")
	url := "https://" + strings.Replace(s.https, "127.0.0.1", "localhost", 1)
	env := append([]string{"READER_KEY_ID=" + id, "READER_SECRET_KEY=" + secret}, awsEnv...)
	boto := beginWith(t, env, python, "testdata/boto/identity.py", url, s.ca)
	require.Zero(t, boto.wait(t), "boto3 wrote %s", boto.errors)
	called := map[string]bool{}
	for len(boto.lines.c) > 0 {
		var report struct {
			Check, Error string
			Operations   []string
		}
		require.NoError(t, json.Unmarshal([]byte(boto.lines.next(t)), &report))
		t.Run(report.Check, func(t *testing.T) { require.Empty(t, report.Error) })
		for _, op := range report.Operations {
			called[op] = true
		}
	}
	t.Run("all operations were called", func(t *testing.T) {
		for _, op := range identityOperations {
			require.True(t, called[op], op)
		}
	})
	t.Run("publish was heard", func(t *testing.T) {
		m := heard.next(t)
		require.Equal(t, "reader/says hello", m.Topic+" "+string(m.Payload))
		require.Equal(t, s.AccessKeys().ARN("reader"), m.Origin.Principal)
		heard.none(t)
	})
}
