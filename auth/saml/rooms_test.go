package saml_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/saml"
	"github.com/thinghub/thinghub/auth/sts"
)

// TestAssumeRole takes a role with an assertion, once.
func TestAssumeRole(t *testing.T) {
	t.Parallel()
	const account, name = "123456789012", "arn:aws:iam::123456789012:saml-provider/corp"
	scope := roles.Scope{Account: account}
	r, err := roles.New(roles.Config{Scope: scope, Now: clock})
	require.NoError(t, err)
	role, err := r.CreateRole(t.Context(), roles.NewRole{Name: "Operator", TrustPolicy: `{"Version": "2012-10-17", "Statement": {
		"Effect": "Allow", "Action": "sts:AssumeRoleWithSAML", "Principal": {"Federated": "` + name + `"},
		"Condition": {"StringEquals": {"saml:aud": "` + acsURL + `", "saml:iss": "` + idpName + `"}}}}`})
	require.NoError(t, err)
	s, err := sts.New(sts.Config{Roles: r, Scope: scope, Now: clock, SAML: map[string]sts.AssertionVerifier{name: provider(t)}})
	require.NoError(t, err)

	posted := encode(signed(t))
	got, err := s.AssumeRoleWithSAML(t.Context(), sts.Request{Role: role.ARN}, name, posted)
	require.NoError(t, err)
	require.Equal(t, "alice-1", got.Subject)
	require.Equal(t, "persistent", got.SubjectType)
	require.Equal(t, acsURL, got.Audience)
	require.Contains(t, got.ARN, "assumed-role/Operator/alice@corp")
	require.Equal(t, epoch.Add(30*time.Minute), got.Expiration.UTC())
	_, err = s.AssumeRoleWithSAML(t.Context(), sts.Request{Role: role.ARN}, name, posted)
	require.ErrorIs(t, err, sts.ErrInvalidToken)
	_, err = s.AssumeRoleWithSAML(t.Context(), sts.Request{Role: role.ARN}, name, encode(text(t, response(sign(t, otherKey, assertion().Element(), "")))))
	require.ErrorIs(t, err, sts.ErrInvalidToken)
	late := provider(t, func(c *saml.Config) { c.Now = func() time.Time { return epoch.Add(time.Hour) } })
	s, err = sts.New(sts.Config{Roles: r, Scope: scope, Now: clock, SAML: map[string]sts.AssertionVerifier{name: late}})
	require.NoError(t, err)
	_, err = s.AssumeRoleWithSAML(t.Context(), sts.Request{Role: role.ARN}, name, encode(signed(t)))
	require.ErrorIs(t, err, sts.ErrExpired)
}
