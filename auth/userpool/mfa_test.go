package userpool_test

import (
	"context"
	"encoding/base32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/userpool"
)

func customAfterSRP(c *userpool.Config) {
	c.Hooks.DefineAuthChallenge = func(_ context.Context, e *userpool.DefineEvent) error {
		switch n := len(e.Session); {
		case n == 1 && e.Session[0].Name == "SRP_A":
			e.Challenge = "PASSWORD_VERIFIER"
		case n == 2 && e.Session[1].Name == "PASSWORD_VERIFIER" && e.Session[1].Passed:
			e.Challenge = "CUSTOM_CHALLENGE"
		case n == 3 && e.Session[2].Passed:
			e.Issue = true
		default:
			e.Fail = true
		}
		return nil
	}
	c.Hooks.CreateAuthChallenge = func(_ context.Context, e *userpool.CreateEvent) error {
		e.Private = map[string]string{"answer": "4"}
		return nil
	}
	c.Hooks.VerifyAuthChallenge = func(_ context.Context, e *userpool.VerifyEvent) error {
		e.Correct = e.Answer == e.Private["answer"]
		return nil
	}
}

// TestTOTP: the vectors of RFC 6238, appendix B, for SHA-1.
func TestTOTP(t *testing.T) {
	t.Parallel()
	for at, want := range map[int64]string{59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130"} {
		require.Equal(t, want, userpool.TOTPCode([]byte("12345678901234567890"), at/30, 8))
	}
	// And of RFC 4226, appendix D.
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		require.Equal(t, want, userpool.TOTPCode([]byte("12345678901234567890"), int64(step), 6))
	}
}

// app is what an authenticator app shows for a secret.
func (r *rig) app(secret string) string {
	r.t.Helper()
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	require.NoError(r.t, err)
	require.Len(r.t, b, 20)
	return userpool.TOTPCode(b, r.now().Unix()/30, 6)
}

// other is a code that is not c.
func other(c string) string {
	if c == "000000" {
		return "000001"
	}
	return "000000"
}

func TestSoftwareToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	access := r.login("alice").AccessToken
	prefer := func(m userpool.MFASettings) error {
		_, err := r.SetUserMFAPreference(r.ctx, userpool.SetUserMFAPreferenceInput{AccessToken: access, SoftwareTokenMfaSettings: &m})
		return err
	}
	is(t, prefer(userpool.MFASettings{Enabled: true}), userpool.ErrInvalid, "not verified")
	_, err := r.VerifySoftwareToken(r.ctx, userpool.VerifySoftwareTokenInput{AccessToken: access, UserCode: "123456"})
	is(t, err, userpool.ErrNoSoftwareToken)
	got, err := r.AssociateSoftwareToken(r.ctx, userpool.AssociateSoftwareTokenInput{AccessToken: access})
	require.NoError(t, err)
	require.Empty(t, got.Session)
	code := r.app(got.SecretCode)
	_, err = r.VerifySoftwareToken(r.ctx, userpool.VerifySoftwareTokenInput{AccessToken: access, UserCode: other(code)})
	is(t, err, userpool.ErrEnableSoftwareToken)
	done, err := r.VerifySoftwareToken(r.ctx, userpool.VerifySoftwareTokenInput{AccessToken: access, UserCode: code, FriendlyDeviceName: "phone"})
	require.NoError(t, err)
	require.Equal(t, "SUCCESS", done.Status)
	require.NotNil(t, r.login("alice"), "not enabled yet")
	is(t, prefer(userpool.MFASettings{PreferredMfa: true}), userpool.ErrInvalid)
	require.NoError(t, prefer(userpool.MFASettings{Enabled: true, PreferredMfa: true}))
	me, err := r.GetUser(r.ctx, userpool.AccessInput{AccessToken: access})
	require.NoError(t, err)
	require.Equal(t, "SOFTWARE_TOKEN_MFA", me.PreferredMfaSetting)
	require.Equal(t, []string{"SOFTWARE_TOKEN_MFA"}, r.get("alice").UserMFASettingList)

	ask := func() string {
		t.Helper()
		out, err := r.try("alice", goodPass)
		require.NoError(t, err)
		require.Nil(t, out.AuthenticationResult)
		require.Equal(t, "SOFTWARE_TOKEN_MFA", out.ChallengeName)
		require.Equal(t, "phone", out.ChallengeParameters["FRIENDLY_DEVICE_NAME"])
		return out.Session
	}
	answer := func(session, code string) error {
		_, err := r.respond("SOFTWARE_TOKEN_MFA", session, map[string]string{"USERNAME": "alice", "SOFTWARE_TOKEN_MFA_CODE": code})
		return err
	}
	session := ask()
	is(t, answer(session, code), userpool.ErrCodeMismatch) // it was used for the set-up
	r.pass(30 * time.Second)
	code = r.app(got.SecretCode)
	require.NoError(t, answer(session, code))
	is(t, answer(session, code), userpool.ErrCodeMismatch)
	is(t, answer(ask(), code), userpool.ErrCodeMismatch)
	r.pass(30 * time.Second)
	is(t, answer(session, r.app(got.SecretCode)), userpool.ErrNotAuthorized, "session") // it has led to tokens
	r.pass(60 * time.Second)
	early := r.app(got.SecretCode)
	r.pass(30 * time.Second)
	require.NoError(t, answer(ask(), early), "a clock that is late")
	r.pass(5 * time.Minute)
	late := r.app(got.SecretCode)
	r.pass(time.Minute)
	is(t, answer(ask(), late), userpool.ErrCodeMismatch)
	out, err := r.srp("alice", goodPass)
	require.NoError(t, err)
	require.Equal(t, "SOFTWARE_TOKEN_MFA", out.ChallengeName)

	// Guesses are counted, whatever the session.
	for range 4 {
		is(t, answer(ask(), other(r.app(got.SecretCode))), userpool.ErrCodeMismatch)
	}
	is(t, answer(ask(), r.app(got.SecretCode)), userpool.ErrNotAuthorized, "Code attempts exceeded")
	r.pass(time.Second)
	require.NoError(t, answer(ask(), r.app(got.SecretCode)))

	// A second token takes the place of the first once it is verified.
	access = r.accessByMFA(t, got.SecretCode)
	next, err := r.AssociateSoftwareToken(r.ctx, userpool.AssociateSoftwareTokenInput{AccessToken: access})
	require.NoError(t, err)
	r.pass(30 * time.Second)
	require.NoError(t, answer(ask(), r.app(got.SecretCode)))
	_, err = r.VerifySoftwareToken(r.ctx, userpool.VerifySoftwareTokenInput{AccessToken: access, UserCode: r.app(next.SecretCode), FriendlyDeviceName: "phone"})
	require.NoError(t, err)
	r.pass(30 * time.Second)
	is(t, answer(ask(), r.app(got.SecretCode)), userpool.ErrCodeMismatch)
	require.NoError(t, answer(ask(), r.app(next.SecretCode)))

	_, err = r.AdminSetUserMFAPreference(r.ctx, userpool.AdminSetUserMFAPreferenceInput{UserPoolID: poolID, Username: "alice", SMSMfaSettings: &userpool.MFASettings{Enabled: true}})
	is(t, err, userpool.ErrInvalid, "SMSMfaSettings")
	_, err = r.AdminSetUserMFAPreference(r.ctx, userpool.AdminSetUserMFAPreferenceInput{UserPoolID: poolID, Username: "alice", SoftwareTokenMfaSettings: &userpool.MFASettings{}})
	require.NoError(t, err)
	require.NotNil(t, r.login("alice"))
	require.NotContains(t, r.log.String(), next.SecretCode)
}

func (r *rig) accessByMFA(t *testing.T, secret string) string {
	t.Helper()
	r.pass(30 * time.Second)
	out, err := r.try("alice", goodPass)
	require.NoError(t, err)
	out, err = r.respond("SOFTWARE_TOKEN_MFA", out.Session, map[string]string{"USERNAME": "alice", "SOFTWARE_TOKEN_MFA_CODE": r.app(secret)})
	require.NoError(t, err)
	return out.AuthenticationResult.AccessToken
}

// TestMFASetup: a pool where everybody needs a software token.
func TestMFASetup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	access := r.login("alice").AccessToken
	_, err := r.SetUserPoolMfaConfig(r.ctx, userpool.SetUserPoolMfaConfigInput{UserPoolID: poolID, MfaConfig: userpool.MfaConfig{MfaConfiguration: "ON", SoftwareTokenMfaConfiguration: &userpool.SoftwareTokenMfaConfig{}}})
	is(t, err, userpool.ErrInvalid)
	_, err = r.SetUserPoolMfaConfig(r.ctx, userpool.SetUserPoolMfaConfigInput{UserPoolID: poolID, MfaConfig: userpool.MfaConfig{MfaConfiguration: "ON"}})
	require.NoError(t, err)
	cfg, err := r.GetUserPoolMfaConfig(r.ctx, userpool.PoolInput{UserPoolID: poolID})
	require.NoError(t, err)
	require.Equal(t, "ON", cfg.MfaConfiguration)
	require.True(t, cfg.SoftwareTokenMfaConfiguration.Enabled)

	first, err := r.try("alice", goodPass)
	require.NoError(t, err)
	require.Equal(t, "MFA_SETUP", first.ChallengeName)
	require.JSONEq(t, `["SOFTWARE_TOKEN_MFA"]`, first.ChallengeParameters["MFAS_CAN_SETUP"])
	_, err = r.respond("MFA_SETUP", first.Session, map[string]string{"USERNAME": "alice"})
	is(t, err, userpool.ErrNotAuthorized, "session") // not verified yet
	_, err = r.VerifySoftwareToken(r.ctx, userpool.VerifySoftwareTokenInput{Session: first.Session, UserCode: "123456"})
	is(t, err, userpool.ErrNoSoftwareToken)
	got, err := r.AssociateSoftwareToken(r.ctx, userpool.AssociateSoftwareTokenInput{Session: first.Session})
	require.NoError(t, err)
	code := r.app(got.SecretCode)
	_, err = r.VerifySoftwareToken(r.ctx, userpool.VerifySoftwareTokenInput{Session: got.Session, UserCode: other(code)})
	is(t, err, userpool.ErrEnableSoftwareToken)
	v, err := r.VerifySoftwareToken(r.ctx, userpool.VerifySoftwareTokenInput{Session: got.Session, UserCode: code})
	require.NoError(t, err)
	out, err := r.respond("MFA_SETUP", v.Session, map[string]string{"USERNAME": "alice"})
	require.NoError(t, err)
	require.NotNil(t, out.AuthenticationResult)
	_, err = r.respond("MFA_SETUP", v.Session, map[string]string{"USERNAME": "alice"})
	is(t, err, userpool.ErrNotAuthorized, "session")

	// Who has the password and an old session cannot set up another token.
	again, err := r.AssociateSoftwareToken(r.ctx, userpool.AssociateSoftwareTokenInput{Session: first.Session})
	require.NoError(t, err)
	_, err = r.VerifySoftwareToken(r.ctx, userpool.VerifySoftwareTokenInput{Session: again.Session, UserCode: r.app(again.SecretCode)})
	is(t, err, userpool.ErrNotAuthorized, "session")
	for _, bad := range []string{"x", "AAAA", first.Session[:20], "////" + first.Session[4:]} {
		_, err = r.AssociateSoftwareToken(r.ctx, userpool.AssociateSoftwareTokenInput{Session: bad})
		is(t, err, userpool.ErrNotAuthorized, "session")
	}
	_, err = r.AssociateSoftwareToken(r.ctx, userpool.AssociateSoftwareTokenInput{})
	is(t, err, userpool.ErrNotAuthorized)

	_, err = r.SetUserPoolMfaConfig(r.ctx, userpool.SetUserPoolMfaConfigInput{UserPoolID: poolID, MfaConfig: userpool.MfaConfig{MfaConfiguration: "OFF"}})
	require.NoError(t, err)
	require.NotNil(t, r.login("alice"))
	_, err = r.AssociateSoftwareToken(r.ctx, userpool.AssociateSoftwareTokenInput{AccessToken: access})
	is(t, err, userpool.ErrNoSoftwareToken)
}
