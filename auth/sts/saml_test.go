package sts_test

import (
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sts"
)

const samlAud = `"StringEquals": {"saml:aud": "https://hub.example.com/saml"}`

func (r *rig) assert(name string, a sts.Assertion) string {
	r.idp.mu.Lock()
	defer r.idp.mu.Unlock()
	r.idp.says[name] = &a
	return name
}

func assertion(role string) sts.Assertion {
	return sts.Assertion{
		Issuer: "https://idp.example.com", Subject: "anna@example.com", SubjectType: "persistent", Recipient: acs,
		Roles: []string{"arn:aws:iam::000000000000:role/other," + corp, role + "," + corp}, SessionName: session,
	}
}

func TestSAML(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	role := r.role(t, "staff", "Federated", corp, samlAud, 4*time.Hour)
	a, err := r.AssumeRoleWithSAML(ctx, sts.Request{Role: role}, corp, r.assert("one!", assertion(role)))
	require.NoError(t, err)
	sum := sha1.Sum([]byte("https://idp.example.com000000000000/corp"))
	require.Equal(t, base64.StdEncoding.EncodeToString(sum[:]), a.NameQualifier)
	require.Equal(t, "https://idp.example.com", a.Issuer)
	require.Equal(t, "anna@example.com", a.Subject)
	require.Equal(t, "persistent", a.SubjectType)
	require.Equal(t, acs, a.Audience)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/staff/anna", a.ARN)
	who := r.holder(t, a.Credentials)
	require.Equal(t, "anna@example.com", who.Attributes["saml:sub"])
	require.Equal(t, "000000000000/corp", who.Attributes["saml:doc"])
	require.Equal(t, corp, who.Attributes["aws:FederatedProvider"])
	_, err = r.AssumeRoleWithSAML(ctx, sts.Request{Role: role}, corp, "one!")
	require.ErrorIs(t, err, sts.ErrInvalidToken, "used already")

	// The order within a pair is free, and so are blanks.
	b := assertion(role)
	b.Roles = []string{" " + corp + " , " + role}
	_, err = r.AssumeRoleWithSAML(ctx, sts.Request{Role: role}, corp, r.assert("two!", b))
	require.NoError(t, err)
}

func TestSAMLDurations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	role := r.role(t, "staff", "Federated", corp, samlAud, 4*time.Hour)
	for _, c := range []struct {
		asked, session, ends, want time.Duration
	}{
		{0, 0, 0, time.Hour},
		{3 * time.Hour, 0, 0, 3 * time.Hour},
		{3 * time.Hour, 2 * time.Hour, 0, 2 * time.Hour},
		{2 * time.Hour, 3 * time.Hour, 0, 2 * time.Hour},
		{2 * time.Hour, 3 * time.Hour, time.Minute, time.Minute},
		{0, 0, 10 * time.Minute, 10 * time.Minute},
	} {
		a := assertion(role)
		a.SessionDuration = c.session
		if c.ends != 0 {
			a.SessionEnds = r.at.Add(c.ends)
		}
		got, err := r.AssumeRoleWithSAML(t.Context(), sts.Request{Role: role, Duration: c.asked}, corp, r.assert("name", a))
		require.NoError(t, err)
		require.WithinDuration(t, r.at.Add(c.want), got.Expiration, time.Second)
	}
}

func TestSAMLRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	role := r.role(t, "staff", "Federated", corp, samlAud, time.Hour)
	admin := r.role(t, "admin", "Federated", corp, samlAud, time.Hour)
	other := r.role(t, "other-acs", "Federated", corp, `"StringEquals": {"saml:aud": "https://signin.aws.amazon.com/saml"}`, time.Hour)
	ok := func(*sts.Assertion) {}
	for name, c := range map[string]struct {
		role     string
		provider string
		change   func(a *sts.Assertion)
		kind     error
	}{
		"a role that is not in it":          {admin, corp, ok, sts.ErrDenied},
		"a role of another provider":        {role, corp, func(a *sts.Assertion) { a.Roles = []string{role + "," + corp + "2"} }, sts.ErrDenied},
		"a role without a provider":         {role, corp, func(a *sts.Assertion) { a.Roles = []string{role} }, sts.ErrDenied},
		"no roles":                          {role, corp, func(a *sts.Assertion) { a.Roles = nil }, sts.ErrDenied},
		"another recipient":                 {role, corp, func(a *sts.Assertion) { a.Recipient = "https://evil.example.com" }, sts.ErrDenied},
		"a role for another recipient":      {other, corp, func(a *sts.Assertion) { a.Roles = []string{other + "," + corp} }, sts.ErrDenied},
		"a provider that is not known":      {role, corp + "2", ok, sts.ErrInvalidToken},
		"a provider that is none":           {role, "corp", ok, sts.ErrInvalid},
		"no session":                        {role, corp, func(a *sts.Assertion) { a.SessionName = "" }, sts.ErrInvalidToken},
		"a session that cannot be":          {role, corp, func(a *sts.Assertion) { a.SessionName = "a/b" }, sts.ErrInvalidToken},
		"no subject":                        {role, corp, func(a *sts.Assertion) { a.Subject = "" }, sts.ErrInvalidToken},
		"no issuer":                         {role, corp, func(a *sts.Assertion) { a.Issuer = "" }, sts.ErrInvalidToken},
		"a session that is over":            {role, corp, func(a *sts.Assertion) { a.SessionEnds = r.at }, sts.ErrExpired},
		"a session that is over in no time": {role, corp, func(a *sts.Assertion) { a.SessionEnds = r.at.Add(time.Millisecond) }, sts.ErrExpired},
		"a duration that cannot be":         {role, corp, func(a *sts.Assertion) { a.SessionDuration = time.Minute }, sts.ErrInvalidToken},
	} {
		a := assertion(role)
		c.change(&a)
		_, err := r.AssumeRoleWithSAML(t.Context(), sts.Request{Role: c.role}, c.provider, r.assert("name", a))
		require.ErrorIs(t, err, c.kind, name)
	}
	for _, bad := range []struct {
		request sts.Request
		text    string
	}{{sts.Request{Role: role, Session: session}, "name"}, {sts.Request{Role: "x"}, "name"}, {sts.Request{Role: role}, "x"}, {sts.Request{Role: role}, strings.Repeat("a", 100_001)}} {
		_, err := r.AssumeRoleWithSAML(t.Context(), bad.request, corp, bad.text)
		require.ErrorIs(t, err, sts.ErrInvalid)
	}
	for err, kind := range map[error]error{auth.ErrTokenExpired: sts.ErrExpired, auth.ErrBadCredentials: sts.ErrInvalidToken, auth.ErrUnavailable: sts.ErrUnavailable} {
		r.idp.err = err
		_, err := r.AssumeRoleWithSAML(t.Context(), sts.Request{Role: role}, corp, "name")
		require.ErrorIs(t, err, kind)
	}
}
