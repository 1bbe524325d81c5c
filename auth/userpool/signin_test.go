package userpool_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice", "email", "alice@example.com", "email_verified", "true")
	require.NotNil(t, r.login("alice"))
	for _, c := range []struct{ name, password string }{
		{"alice", "passw0rd!"},
		{"alice", goodPass + " "},
		{"alice", goodPass + "\x00"},
		{"alice", strings.Repeat("x", 1000)},
		{"bob", goodPass},
		{"älice", goodPass},
		{"bob@example.com", goodPass},
	} {
		_, err := r.try(c.name, c.password)
		is(t, err, userpool.ErrNotAuthorized)
		require.EqualError(t, err, "userpool: Incorrect username or password.", "always the same")
	}
	_, err := r.AdminDisableUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
	require.NoError(t, err)
	r.pass(time.Hour)
	_, err = r.try("alice", "Wrong0ne!")
	is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	_, err = r.try("alice", goodPass)
	is(t, err, userpool.ErrNotAuthorized, "User is disabled.")

	for _, c := range []struct {
		in   userpool.InitiateAuthInput
		kind error
		part string
	}{
		{userpool.InitiateAuthInput{ClientID: appID}, userpool.ErrInvalid, "AuthFlow"},
		{userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "USER_AUTH"}, userpool.ErrInvalid, "AuthFlow"},
		{userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "ADMIN_USER_PASSWORD_AUTH"}, userpool.ErrInvalid, "users may begin"},
		{userpool.InitiateAuthInput{ClientID: "nobody", AuthFlow: "USER_PASSWORD_AUTH"}, userpool.ErrNotFound, "nobody"},
		{userpool.InitiateAuthInput{ClientID: "../x", AuthFlow: "USER_PASSWORD_AUTH"}, userpool.ErrInvalid, "ClientId"},
		{userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "USER_PASSWORD_AUTH"}, userpool.ErrInvalid, "USERNAME"},
		{userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: map[string]string{"USERNAME": "alice"}}, userpool.ErrInvalid, "PASSWORD"},
		{userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "USER_SRP_AUTH", AuthParameters: map[string]string{"USERNAME": "alice"}}, userpool.ErrInvalid, "SRP_A"},
		{userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "CUSTOM_AUTH", AuthParameters: map[string]string{"USERNAME": "alice"}}, userpool.ErrInvalid, "not configured"},
		{userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "REFRESH_TOKEN"}, userpool.ErrInvalid, "REFRESH_TOKEN"},
	} {
		_, err := r.InitiateAuth(r.ctx, c.in)
		is(t, err, c.kind, c.part)
	}
	_, err = r.UpdateUserPoolClient(r.ctx, userpool.UpdateUserPoolClientInput{UserPoolID: poolID, ClientID: appID})
	require.NoError(t, err)
	_, err = r.try("alice", goodPass)
	is(t, err, userpool.ErrInvalid, "USER_PASSWORD_AUTH flow not enabled for this client")
	_, err = r.AdminInitiateAuth(r.ctx, userpool.AdminInitiateAuthInput{UserPoolID: poolID, InitiateAuthInput: userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "ADMIN_NO_SRP_AUTH"}})
	is(t, err, userpool.ErrInvalid, "ADMIN_USER_PASSWORD_AUTH flow not enabled")
}

// TestGuessing: guesses are counted for a user under all its names, for names that
// nobody has, and for addresses.
func TestGuessing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice", "email", "alice@example.com", "email_verified", "true")
	for _, name := range []string{"alice", "nobody"} {
		for i := range 5 {
			if name == "alice" && i%2 == 1 {
				_, err := r.try("Alice@Example.com", "Wrong0ne!")
				is(t, err, userpool.ErrNotAuthorized, "Incorrect")
				continue
			}
			_, err := r.try(name, "Wrong0ne!")
			is(t, err, userpool.ErrNotAuthorized, "Incorrect")
		}
		_, err := r.try(name, goodPass)
		is(t, err, userpool.ErrNotAuthorized, "Password attempts exceeded")
	}
	r.pass(time.Second)
	require.NotNil(t, r.login("alice"))

	r = newRig(t, func(c *userpool.Config) { c.PerAddress = userpool.Limits{Failures: 3} })
	r.user("alice")
	r.ctx = userpool.WithAddr(t.Context(), &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1})
	for _, name := range []string{"a", "b", "c"} {
		_, err := r.try(name, goodPass)
		is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	}
	_, err := r.try("alice", goodPass)
	is(t, err, userpool.ErrNotAuthorized, "attempts exceeded")
	r.ctx = userpool.WithAddr(t.Context(), &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 1})
	require.NotNil(t, r.login("alice"))

	r = newRig(t, func(c *userpool.Config) { c.SignUpsPerHour = 2 })
	r.ctx = userpool.WithAddr(t.Context(), &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1})
	for i, name := range []string{"a", "b", "c"} {
		_, err := r.signUp(name)
		if i < 2 {
			require.NoError(t, err)
		} else {
			is(t, err, userpool.ErrTooMany)
		}
	}
}

// TestFlood: as many as may wait for the hasher, whatever they ask for, and it is the same
// for unknown users.
func TestFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *userpool.Config) { c.Parallel, c.Waiting, c.Now = 1, 1, time.Now })
		r.user("alice")
		free := userpool.Occupy(r.Service)
		ctx, cancel := context.WithCancel(t.Context())
		r.ctx = ctx
		waits := make(chan error, 1)
		go func() {
			_, err := r.try("nobody", goodPass)
			waits <- err
		}()
		synctest.Wait()
		require.Empty(t, waits)
		// Nor does anything else that anybody may ask for.
		for what, ask := range map[string]func() error{
			"password": func() error { _, err := r.try("alice", goodPass); return err },
			"SRP":      func() error { _, err := r.startSRP("alice", newSRPClient(poolID).A.Text(16)); return err },
			"sign-up":  func() error { _, err := r.signUp("carol"); return err },
			"forgotten password": func() error {
				_, err := r.ConfirmForgotPassword(r.ctx, userpool.ConfirmForgotPasswordInput{ClientID: appID, Username: "nobody", ConfirmationCode: "x", Password: goodPass})
				return err
			},
		} {
			refused := make(chan error, 1)
			go func() { refused <- ask() }()
			synctest.Wait()
			require.Len(t, refused, 1, what+" waits")
			require.ErrorIs(t, <-refused, auth.ErrUnavailable, what)
		}
		set := make(chan error, 1)
		go func() {
			_, err := r.AdminSetUserPassword(t.Context(), userpool.AdminSetUserPasswordInput{UserPoolID: poolID, Username: "alice", Password: goodPass, Permanent: true})
			set <- err
		}()
		synctest.Wait()
		require.Empty(t, set, "an administrator waits in any case")
		cancel()
		require.ErrorIs(t, <-waits, auth.ErrUnavailable)
		free()
		require.NoError(t, <-set)
	})
}

func (r *rig) respond(name, session string, responses map[string]string) (userpool.AuthOutput, error) {
	return r.RespondToAuthChallenge(r.ctx, userpool.RespondToAuthChallengeInput{ClientID: appID, ChallengeName: name, Session: session, ChallengeResponses: responses})
}

func TestNewPassword(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) {
		c.Pools[0].Pool.Schema = append(c.Pools[0].Pool.Schema, userpool.SchemaAttribute{Name: "email", Required: true})
	})
	out, err := r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "alice", UserAttributes: attrs("email", "alice@example.com", "email_verified", "true")})
	require.NoError(t, err)
	require.Equal(t, userpool.ForceChangePassword, out.User.UserStatus)
	m, ok := r.outbox.Last("alice@example.com")
	require.True(t, ok)
	require.Equal(t, userpool.MessageInvite, m.Kind)
	require.Contains(t, m.Text, "alice")
	require.Contains(t, m.Text, m.Code)
	_, err = r.ForgotPassword(r.ctx, userpool.ForgotPasswordInput{ClientID: appID, Username: "alice"})
	require.NoError(t, err)
	last, _ := r.outbox.Last("alice@example.com")
	require.Equal(t, m.Code, last.Code, "nothing was sent")

	first, err := r.try("alice", m.Code)
	require.NoError(t, err)
	require.Equal(t, "NEW_PASSWORD_REQUIRED", first.ChallengeName)
	require.Nil(t, first.AuthenticationResult)
	require.JSONEq(t, `{"email":"alice@example.com","email_verified":"true"}`, first.ChallengeParameters["userAttributes"])
	require.JSONEq(t, `[]`, first.ChallengeParameters["requiredAttributes"])
	for _, c := range []struct {
		name, session string
		responses     map[string]string
		kind          error
	}{
		{"NEW_PASSWORD_REQUIRED", first.Session, nil, userpool.ErrInvalid},
		{"NEW_PASSWORD_REQUIRED", first.Session, map[string]string{"USERNAME": "alice"}, userpool.ErrInvalid},
		{"NEW_PASSWORD_REQUIRED", first.Session, map[string]string{"USERNAME": "alice", "NEW_PASSWORD": "short"}, userpool.ErrPassword},
		{"NEW_PASSWORD_REQUIRED", first.Session, map[string]string{"USERNAME": "bob", "NEW_PASSWORD": goodPass}, userpool.ErrNotAuthorized},
		{"NEW_PASSWORD_REQUIRED", first.Session, map[string]string{"USERNAME": "alice", "NEW_PASSWORD": goodPass, "userAttributes.email": ""}, userpool.ErrInvalid},
		{"NEW_PASSWORD_REQUIRED", first.Session, map[string]string{"USERNAME": "alice", "NEW_PASSWORD": goodPass, "userAttributes.email_verified": "true"}, userpool.ErrNotAuthorized},
		{"NEW_PASSWORD_REQUIRED", first.Session[:len(first.Session)-8], map[string]string{"USERNAME": "alice", "NEW_PASSWORD": goodPass}, userpool.ErrNotAuthorized},
		{"NEW_PASSWORD_REQUIRED", "", map[string]string{"USERNAME": "alice", "NEW_PASSWORD": goodPass}, userpool.ErrNotAuthorized},
		{"SOFTWARE_TOKEN_MFA", first.Session, map[string]string{"USERNAME": "alice", "SOFTWARE_TOKEN_MFA_CODE": "123456"}, userpool.ErrNotAuthorized},
		{"MFA_SETUP", first.Session, map[string]string{"USERNAME": "alice"}, userpool.ErrNotAuthorized},
		{"CUSTOM_CHALLENGE", first.Session, map[string]string{"USERNAME": "alice", "ANSWER": "x"}, userpool.ErrInvalid},
		{"PASSWORD_VERIFIER", first.Session, map[string]string{"USERNAME": "alice", "PASSWORD_CLAIM_SIGNATURE": "x", "PASSWORD_CLAIM_SECRET_BLOCK": first.Session, "TIMESTAMP": "x"}, userpool.ErrInvalid},
		{"SMS_MFA", first.Session, map[string]string{"USERNAME": "alice"}, userpool.ErrInvalid},
	} {
		_, err := r.respond(c.name, c.session, c.responses)
		is(t, err, c.kind)
	}
	_, err = r.RespondToAuthChallenge(r.ctx, userpool.RespondToAuthChallengeInput{ClientID: secretID, ChallengeName: "NEW_PASSWORD_REQUIRED", Session: first.Session, ChallengeResponses: map[string]string{"USERNAME": "alice", "NEW_PASSWORD": goodPass}})
	is(t, err, userpool.ErrNotAuthorized, "session")
	done, err := r.respond("NEW_PASSWORD_REQUIRED", first.Session, map[string]string{"USERNAME": "alice@example.com", "NEW_PASSWORD": goodPass, "userAttributes.name": "Alice"})
	require.NoError(t, err)
	require.Equal(t, "Alice", claims(t, done.AuthenticationResult.IDToken)["name"])
	_, err = r.respond("NEW_PASSWORD_REQUIRED", first.Session, map[string]string{"USERNAME": "alice", "NEW_PASSWORD": goodPass})
	is(t, err, userpool.ErrNotAuthorized, "session") // once
	require.NotNil(t, r.login("alice"))

	// Temporary passwords and sessions end.
	_, err = r.AdminSetUserPassword(r.ctx, userpool.AdminSetUserPasswordInput{UserPoolID: poolID, Username: "alice", Password: "T3mporary!"})
	require.NoError(t, err)
	first, err = r.try("alice", "T3mporary!")
	require.NoError(t, err)
	r.pass(3 * time.Minute)
	_, err = r.respond("NEW_PASSWORD_REQUIRED", first.Session, map[string]string{"USERNAME": "alice", "NEW_PASSWORD": goodPass})
	is(t, err, userpool.ErrNotAuthorized, "session is expired")
	r.pass(7 * 24 * time.Hour)
	_, err = r.try("alice", "T3mporary!")
	is(t, err, userpool.ErrNotAuthorized, "Temporary password has expired")
	_, err = r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "alice", MessageAction: "RESEND"})
	require.NoError(t, err)
	_, err = r.try("alice", r.code("alice@example.com"))
	require.NoError(t, err)
	r.setPassword("alice", goodPass)
	_, err = r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "alice", MessageAction: "RESEND"})
	is(t, err, userpool.ErrState)
	_, err = r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "nobody", MessageAction: "RESEND"})
	is(t, err, userpool.ErrUserNotFound)
}

func TestForgotPassword(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice", "email", "alice@example.com", "email_verified", "true")
	r.user("bob", "email", "bob@example.com")
	forgot := func(name string) error {
		out, err := r.ForgotPassword(r.ctx, userpool.ForgotPasswordInput{ClientID: appID, Username: name})
		if err == nil {
			require.NotEmpty(t, out.CodeDeliveryDetails.Destination)
		}
		return err
	}
	set := func(name, code, password string) error {
		_, err := r.ConfirmForgotPassword(r.ctx, userpool.ConfirmForgotPasswordInput{ClientID: appID, Username: name, ConfirmationCode: code, Password: password})
		return err
	}
	require.NoError(t, forgot("alice"))
	require.NoError(t, forgot("bob"), "an address that is not verified")
	require.NoError(t, forgot("nobody"))
	require.Equal(t, 1, r.outbox.Len())
	code := r.code("alice@example.com")
	for _, name := range []string{"alice", "bob", "nobody"} {
		is(t, set(name, "x", "An0ther!pass"), userpool.ErrCodeMismatch)
	}
	is(t, set("alice", code, "short"), userpool.ErrPassword)
	got := r.login("alice")
	require.NoError(t, set("alice@example.com", code, "An0ther!pass"))
	is(t, set("alice", code, "An0ther!pass"), userpool.ErrCodeMismatch)
	_, err := r.try("alice", goodPass)
	is(t, err, userpool.ErrNotAuthorized)
	_, err = r.try("alice", "An0ther!pass")
	require.NoError(t, err)
	_, err = r.refresh(got.RefreshToken)
	is(t, err, userpool.ErrNotAuthorized, "revoked")
	require.NoError(t, forgot("alice"))
	r.pass(time.Hour)
	is(t, set("alice", r.code("alice@example.com"), goodPass), userpool.ErrExpiredCode)

	// A reset by an administrator shows with the right password only.
	_, err = r.AdminResetUserPassword(r.ctx, userpool.AdminResetUserPasswordInput{UserPoolID: poolID, Username: "alice"})
	require.NoError(t, err)
	_, err = r.try("alice", "An0ther!pass")
	is(t, err, userpool.ErrResetRequired)
	_, err = r.try("alice", "Wrong0ne!")
	is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	require.NoError(t, set("alice", r.code("alice@example.com"), goodPass))
	require.NotNil(t, r.login("alice"))
	_, err = r.AdminResetUserPassword(r.ctx, userpool.AdminResetUserPasswordInput{UserPoolID: poolID, Username: "bob"})
	is(t, err, userpool.ErrInvalid, "verified")
	_, err = r.signUp("carol", "email", "carol@example.com")
	require.NoError(t, err)
	_, err = r.AdminUpdateUserAttributes(r.ctx, userpool.AdminUpdateUserAttributesInput{UserPoolID: poolID, Username: "carol", UserAttributes: attrs("email_verified", "true")})
	require.NoError(t, err)
	_, err = r.AdminResetUserPassword(r.ctx, userpool.AdminResetUserPasswordInput{UserPoolID: poolID, Username: "carol"})
	is(t, err, userpool.ErrNotAuthorized, "state")
	require.NoError(t, forgot("alice"))
	_, err = r.AdminUpdateUserAttributes(r.ctx, userpool.AdminUpdateUserAttributesInput{UserPoolID: poolID, Username: "alice", UserAttributes: attrs("email", "new@example.com")})
	require.NoError(t, err)
	is(t, set("alice", r.code("alice@example.com"), goodPass), userpool.ErrExpiredCode) // it went to an address that is not the user's any more
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	got := r.login("alice")
	change := func(old, next string) error {
		_, err := r.ChangePassword(r.ctx, userpool.ChangePasswordInput{AccessToken: got.AccessToken, PreviousPassword: old, ProposedPassword: next})
		return err
	}
	is(t, change("Wrong0ne!", "An0ther!pass"), userpool.ErrNotAuthorized, "Incorrect")
	is(t, change(goodPass, "short"), userpool.ErrPassword)
	require.NoError(t, change(goodPass, "An0ther!pass"))
	is(t, change(goodPass, "An0ther!pass"), userpool.ErrNotAuthorized)
	for range 4 {
		is(t, change("Wrong0ne!", "An0ther!pass"), userpool.ErrNotAuthorized)
	}
	is(t, change("An0ther!pass", goodPass), userpool.ErrNotAuthorized, "attempts exceeded")
	_, err := r.ChangePassword(r.ctx, userpool.ChangePasswordInput{AccessToken: "x"})
	is(t, err, userpool.ErrNotAuthorized, "Invalid Access Token")
}
