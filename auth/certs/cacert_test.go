package certs_test

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/certs"
)

func TestRegistrationCode(t *testing.T) {
	t.Parallel()
	s := newService(t)
	is(t, s.DeleteRegistrationCode(t.Context()), certs.ErrNotFound)
	code, err := s.GetRegistrationCode(t.Context())
	require.NoError(t, err)
	require.Regexp(t, "^[0-9a-f]{64}$", code)
	again, err := s.GetRegistrationCode(t.Context())
	require.NoError(t, err)
	require.Equal(t, code, again)
	require.NoError(t, s.DeleteRegistrationCode(t.Context()))
	fresh, err := s.GetRegistrationCode(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, code, fresh)
}

func TestRegisterCACertificate(t *testing.T) {
	t.Parallel()
	s := newService(t)
	a := newCA(t, "plant")
	code, err := s.GetRegistrationCode(t.Context())
	require.NoError(t, err)
	v, _ := a.device(t, named(code))
	sent := "\r\n" + text(a.cert) + " "
	config := &certs.RegistrationConfig{TemplateBody: "{}", RoleARN: "arn:aws:iam::1:role/r"}
	id, arn, err := s.RegisterCACertificate(t.Context(), certs.RegisterCAInput{PEM: sent, Verification: text(v), Config: config})
	require.NoError(t, err)
	require.Equal(t, certs.Fingerprint(a.cert), id)
	require.Equal(t, arnPrefix+"cacert/"+id, arn)
	d, err := s.DescribeCACertificate(t.Context(), strings.ToUpper(id))
	require.NoError(t, err)
	require.NotEmpty(t, d.Generation)
	require.False(t, d.Created.IsZero())
	require.Equal(t, certs.CACertificate{
		ID: id, ARN: arn, Status: certs.CAInactive, Auto: certs.Disable, Mode: certs.Default, PEM: sent, OwnedBy: account,
		Created: d.Created, Modified: d.Created, Version: 1, Generation: d.Generation,
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter, Config: config,
	}, d)

	_, _, err = s.RegisterCACertificate(t.Context(), certs.RegisterCAInput{PEM: sent, Verification: text(v)})
	e := failure(t, err, certs.ErrExists)
	require.Equal(t, id, e.ResourceID)
	require.Equal(t, arn, e.ResourceARN)

	sni := newCA(t, "another")
	id, _, err = s.RegisterCACertificate(t.Context(), certs.RegisterCAInput{PEM: text(sni.cert), Mode: certs.SNIOnly, SetAsActive: true})
	require.NoError(t, err)
	leaf, _ := sni.device(t)
	out, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf)})
	require.NoError(t, err)
	c, err := s.DescribeCertificate(t.Context(), out.ID)
	require.NoError(t, err)
	require.Equal(t, certs.SNIOnly, c.Mode, "as its CA")
	require.Equal(t, id, c.CA)
}

func TestRegisterCARefuses(t *testing.T) {
	t.Parallel()
	s := newService(t)
	code, err := s.GetRegistrationCode(t.Context())
	require.NoError(t, err)
	a := newCA(t, "plant")
	proof, _ := a.device(t, named(code))
	twin, _ := newCA(t, "plant").device(t, named(code))
	wrong, _ := a.device(t, named(strings.Repeat("0", 64)))
	late, _ := a.device(t, named(code), func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	early, _ := a.device(t, named(code), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	leaf, _ := a.device(t)
	expired := newCA(t, "x", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	future := newCA(t, "x", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	mute := newCA(t, "x", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	for name, c := range map[string]struct {
		in   certs.RegisterCAInput
		kind error
		want string
	}{
		"nothing":         {certs.RegisterCAInput{}, certs.ErrInvalid, "'caCertificate' failed"},
		"no CA":           {certs.RegisterCAInput{PEM: text(leaf), Verification: text(proof)}, certs.ErrValidation, "not the certificate of a CA"},
		"expired":         {certs.RegisterCAInput{PEM: text(expired.cert), Mode: certs.SNIOnly}, certs.ErrValidation, "has expired"},
		"future":          {certs.RegisterCAInput{PEM: text(future.cert), Mode: certs.SNIOnly}, certs.ErrValidation, "is not valid before"},
		"mute":            {certs.RegisterCAInput{PEM: text(mute.cert), Mode: certs.SNIOnly}, certs.ErrValidation, "keyCertSign"},
		"no proof":        {certs.RegisterCAInput{PEM: text(a.cert)}, certs.ErrInvalid, "verificationCertificate is missing"},
		"proof with SNI":  {certs.RegisterCAInput{PEM: text(a.cert), Verification: text(proof), Mode: certs.SNIOnly}, certs.ErrInvalid, "verificationCertificate is set"},
		"no PEM":          {certs.RegisterCAInput{PEM: text(a.cert), Verification: "x"}, certs.ErrValidation, "verificationCertificate has no PEM"},
		"of a twin":       {certs.RegisterCAInput{PEM: text(a.cert), Verification: text(twin)}, certs.ErrValidation, "is not signed by the CA"},
		"wrong code":      {certs.RegisterCAInput{PEM: text(a.cert), Verification: text(wrong)}, certs.ErrRegistrationCode, "the registration code"},
		"proof too late":  {certs.RegisterCAInput{PEM: text(a.cert), Verification: text(late)}, certs.ErrValidation, "verificationCertificate is not valid before"},
		"proof too early": {certs.RegisterCAInput{PEM: text(a.cert), Verification: text(early)}, certs.ErrValidation, "verificationCertificate has expired"},
		"mode":            {certs.RegisterCAInput{PEM: text(a.cert), Mode: "X"}, certs.ErrInvalid, "'certificateMode'"},
		"body": {
			certs.RegisterCAInput{PEM: text(a.cert), Config: &certs.RegistrationConfig{TemplateBody: strings.Repeat(" ", 10241)}},
			certs.ErrInvalid, "registrationConfig.templateBody",
		},
		"name": {certs.RegisterCAInput{PEM: text(a.cert), Config: &certs.RegistrationConfig{TemplateName: "a b"}}, certs.ErrInvalid, "registrationConfig.templateName"},
		"role": {certs.RegisterCAInput{PEM: text(a.cert), Config: &certs.RegistrationConfig{RoleARN: "r"}}, certs.ErrInvalid, "registrationConfig.roleArn"},
		"both": {certs.RegisterCAInput{PEM: text(a.cert), Config: &certs.RegistrationConfig{TemplateName: "a", TemplateBody: "{}"}}, certs.ErrInvalid, "both"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := s.RegisterCACertificate(t.Context(), c.in)
			is(t, err, c.kind, c.want)
			_, err = s.DescribeCACertificate(t.Context(), certs.Fingerprint(a.cert))
			is(t, err, certs.ErrNotFound)
		})
	}
}

// A proof for a code that was deleted is worth nothing.
func TestOldProof(t *testing.T) {
	t.Parallel()
	s := newService(t)
	code, err := s.GetRegistrationCode(t.Context())
	require.NoError(t, err)
	a := newCA(t, "plant")
	v, _ := a.device(t, named(code))
	require.NoError(t, s.DeleteRegistrationCode(t.Context()))
	_, _, err = s.RegisterCACertificate(t.Context(), certs.RegisterCAInput{PEM: text(a.cert), Verification: text(v)})
	e := failure(t, err, certs.ErrRegistrationCode)
	require.Equal(t, "RegistrationCodeValidationException", e.Exception())
	empty, _ := a.device(t, named(""))
	_, _, err = s.RegisterCACertificate(t.Context(), certs.RegisterCAInput{PEM: text(a.cert), Verification: text(empty)})
	is(t, err, certs.ErrRegistrationCode)
}

func TestSameSubject(t *testing.T) {
	t.Parallel()
	s := newService(t)
	sni := func(in *certs.RegisterCAInput) { in.Mode, in.Verification = certs.SNIOnly, "" }
	for range 10 {
		registerCA(t, s, newCA(t, "plant"), sni)
	}
	_, _, err := s.RegisterCACertificate(t.Context(), certs.RegisterCAInput{PEM: text(newCA(t, "plant").cert), Mode: certs.SNIOnly})
	e := failure(t, err, certs.ErrLimitExceeded, "at most 10")
	require.Equal(t, "LimitExceededException", e.Exception())
	registerCA(t, s, newCA(t, "another"), sni)
}

func TestUpdateAndDeleteCA(t *testing.T) {
	t.Parallel()
	s := newService(t)
	a := newCA(t, "plant")
	id := registerCA(t, s, a, func(in *certs.RegisterCAInput) { in.Config = &certs.RegistrationConfig{TemplateName: "one"} })
	leaf, _ := a.device(t)
	out, err := s.RegisterCertificate(t.Context(), certs.RegisterInput{PEM: text(leaf), SetAsActive: true})
	require.NoError(t, err)
	version := 1
	for name, c := range map[string]struct {
		in   certs.UpdateCAInput
		want string
	}{
		"id":     {certs.UpdateCAInput{ID: "x"}, "'certificateId'"},
		"status": {certs.UpdateCAInput{ID: id, Status: "PENDING"}, "'newStatus'"},
		"auto":   {certs.UpdateCAInput{ID: id, Auto: "ON"}, "'newAutoRegistrationStatus'"},
		"config": {certs.UpdateCAInput{ID: id, Config: &certs.RegistrationConfig{TemplateName: "/"}}, "templateName"},
		"both":   {certs.UpdateCAInput{ID: id, RemoveAutoRegistration: true, Auto: certs.Enable}, "removeAutoRegistration"},
	} {
		is(t, s.UpdateCACertificate(t.Context(), c.in), certs.ErrInvalid, c.want)
		require.NotEmpty(t, name)
	}
	check := func(in certs.UpdateCAInput, want string) {
		t.Helper()
		in.ID = id
		require.NoError(t, s.UpdateCACertificate(t.Context(), in))
		version++
		d, err := s.DescribeCACertificate(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, version, d.Version)
		template := "-"
		if d.Config != nil {
			template = d.Config.TemplateName
		}
		require.Equal(t, want, fmt.Sprint(d.Status, " ", d.Auto, " ", template))
	}
	check(certs.UpdateCAInput{}, "ACTIVE ENABLE one")
	is(t, s.DeleteCACertificate(t.Context(), id), certs.ErrState, id+" is ACTIVE")
	check(certs.UpdateCAInput{Status: certs.CAInactive}, "INACTIVE ENABLE one")
	check(certs.UpdateCAInput{Auto: certs.Disable, Config: &certs.RegistrationConfig{TemplateName: "two"}}, "INACTIVE DISABLE two")
	check(certs.UpdateCAInput{Auto: certs.Enable, Status: certs.CAActive}, "ACTIVE ENABLE two")
	check(certs.UpdateCAInput{RemoveAutoRegistration: true}, "ACTIVE DISABLE -")
	check(certs.UpdateCAInput{Status: certs.CAInactive}, "INACTIVE DISABLE -")
	_, err = connect(t, s, leaf)
	require.NoError(t, err, "what was registered with a CA does not need it")
	require.NoError(t, s.DeleteCACertificate(t.Context(), id))
	is(t, s.DeleteCACertificate(t.Context(), id), certs.ErrNotFound, id)
	is(t, s.UpdateCACertificate(t.Context(), certs.UpdateCAInput{ID: id}), certs.ErrNotFound, id)
	is(t, s.DeleteCACertificate(t.Context(), "x"), certs.ErrInvalid)
	_, err = s.DescribeCACertificate(t.Context(), id)
	is(t, err, certs.ErrNotFound, id)
	_, err = s.DescribeCACertificate(t.Context(), "x")
	is(t, err, certs.ErrInvalid)
	_, err = connect(t, s, leaf)
	require.NoError(t, err)
	list, _, err := s.ListCertificatesByCA(t.Context(), id, certs.Page{})
	require.NoError(t, err)
	require.Equal(t, []string{out.ID}, ids(list))
}
