package userpool_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/userpool"
)

func (r *rig) signUp(name string, pairs ...string) (userpool.SignUpOutput, error) {
	return r.SignUp(r.ctx, userpool.SignUpInput{ClientID: appID, Username: name, Password: goodPass, UserAttributes: attrs(pairs...)})
}

func (r *rig) confirm(name, code string) error {
	_, err := r.ConfirmSignUp(r.ctx, userpool.ConfirmSignUpInput{ClientID: appID, Username: name, ConfirmationCode: code})
	return err
}

func TestSignUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	out, err := r.signUp("Alice", "email", "alice@example.com", "custom:plant", "north")
	require.NoError(t, err)
	require.False(t, out.UserConfirmed)
	require.Equal(t, &userpool.CodeDelivery{AttributeName: "email", DeliveryMedium: "EMAIL", Destination: "a***@e***"}, out.CodeDeliveryDetails)
	u := r.get("alice")
	require.Equal(t, "Alice", u.Username)
	require.Equal(t, userpool.Unconfirmed, u.UserStatus)
	require.Equal(t, out.UserSub, value(u.UserAttributes, "sub"))

	_, err = r.try("alice", goodPass)
	is(t, err, userpool.ErrNotConfirmed)
	_, err = r.try("alice", "Wrong0ne!")
	is(t, err, userpool.ErrNotAuthorized, "Incorrect username or password.")
	_, err = r.try("alice@example.com", goodPass)
	is(t, err, userpool.ErrNotAuthorized, "Incorrect") // not an alias before it is verified

	m, ok := r.outbox.Last("alice@example.com")
	require.True(t, ok)
	require.Equal(t, userpool.MessageSignUp, m.Kind)
	require.Contains(t, m.Text, m.Code)
	require.Len(t, m.Code, 6)
	wrong := "000000"
	if m.Code == wrong {
		wrong = "000001"
	}
	is(t, r.confirm("alice", wrong), userpool.ErrCodeMismatch)
	require.NoError(t, r.confirm("ALICE", m.Code))
	is(t, r.confirm("alice", m.Code), userpool.ErrCodeMismatch) // once
	u = r.get("alice")
	require.Equal(t, userpool.Confirmed, u.UserStatus)
	require.Equal(t, "true", value(u.UserAttributes, "email_verified"))
	for _, name := range []string{"alice", "ALICE", "alice@example.com", "Alice@Example.com", out.UserSub} {
		o, err := r.try(name, goodPass)
		require.NoError(t, err, name)
		require.NotNil(t, o.AuthenticationResult)
	}
	_, err = r.signUp("ALICE", "email", "other@example.com")
	is(t, err, userpool.ErrUserExists)
	require.NotContains(t, r.log.String(), goodPass)
	require.NotContains(t, r.log.String(), m.Code)
}

func TestSignUpRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	long := strings.Repeat("x", 2049)
	for _, c := range []struct {
		name string
		in   userpool.SignUpInput
		kind error
		part string
	}{
		{"no client", userpool.SignUpInput{Username: "a", Password: goodPass}, userpool.ErrInvalid, "ClientId"},
		{"unknown client", userpool.SignUpInput{ClientID: "nobody", Username: "a", Password: goodPass}, userpool.ErrNotFound, "nobody"},
		{"no name", userpool.SignUpInput{ClientID: appID, Password: goodPass}, userpool.ErrInvalid, "Username"},
		{"a name with a space", userpool.SignUpInput{ClientID: appID, Username: "a b", Password: goodPass}, userpool.ErrInvalid, "Username"},
		{"a name like an alias", userpool.SignUpInput{ClientID: appID, Username: "a@example.com", Password: goodPass}, userpool.ErrInvalid, "email format"},
		{"a name like a number", userpool.SignUpInput{ClientID: appID, Username: "+491234", Password: goodPass}, userpool.ErrInvalid, "phone number"},
		{"short", userpool.SignUpInput{ClientID: appID, Username: "a", Password: "Aa1!"}, userpool.ErrPassword, "not long enough"},
		{"no capital", userpool.SignUpInput{ClientID: appID, Username: "a", Password: "passw0rd!"}, userpool.ErrPassword, "uppercase"},
		{"no small letter", userpool.SignUpInput{ClientID: appID, Username: "a", Password: "PASSW0RD!"}, userpool.ErrPassword, "lowercase"},
		{"no digit", userpool.SignUpInput{ClientID: appID, Username: "a", Password: "Password!"}, userpool.ErrPassword, "numeric"},
		{"no sign", userpool.SignUpInput{ClientID: appID, Username: "a", Password: "Passw0rdd"}, userpool.ErrPassword, "symbol"},
		{"too long", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass + strings.Repeat("x", 256)}, userpool.ErrPassword, "256"},
		{"a zero byte", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass + "\x00"}, userpool.ErrPassword, "text"},
		{"a bad address", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass, UserAttributes: attrs("email", "x")}, userpool.ErrInvalid, "email"},
		{"a bad number", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass, UserAttributes: attrs("phone_number", "0123")}, userpool.ErrInvalid, "phone"},
		{"twice", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass, UserAttributes: attrs("name", "x", "name", "y")}, userpool.ErrInvalid, "once"},
		{"unknown attribute", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass, UserAttributes: attrs("custom:none", "x")}, userpool.ErrInvalid, "custom:none"},
		{"verified by itself", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass, UserAttributes: attrs("email_verified", "true")}, userpool.ErrNotAuthorized, "unauthorized attribute"},
		{"its own sub", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass, UserAttributes: attrs("sub", "x")}, userpool.ErrInvalid, "sub"},
		{"too long a value", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass, UserAttributes: attrs("name", long)}, userpool.ErrInvalid, "2048"},
		{"too long a text", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass, UserAttributes: attrs("custom:plant", "12345678901")}, userpool.ErrInvalid, "1 to 10"},
		{"too high", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass, UserAttributes: attrs("custom:level", "6")}, userpool.ErrInvalid, "1 to 5"},
		{"no number", userpool.SignUpInput{ClientID: appID, Username: "a", Password: goodPass, UserAttributes: attrs("custom:level", "NaN")}, userpool.ErrInvalid, "number"},
		{"no secret", userpool.SignUpInput{ClientID: secretID, Username: "a", Password: goodPass}, userpool.ErrNotAuthorized, "SECRET_HASH"},
		{"another's secret", userpool.SignUpInput{ClientID: secretID, SecretHash: userpool.SecretHash(secret, "b", secretID), Username: "a", Password: goodPass}, userpool.ErrNotAuthorized, "secret hash"},
		{"a secret for none", userpool.SignUpInput{ClientID: appID, SecretHash: "eA==", Username: "a", Password: goodPass}, userpool.ErrNotAuthorized, "without a secret"},
	} {
		_, err := r.SignUp(r.ctx, c.in)
		is(t, err, c.kind, c.part)
		require.NotContains(t, err.Error(), goodPass, c.name)
	}
	list, err := r.ListUsers(r.ctx, userpool.ListUsersInput{UserPoolID: poolID})
	require.NoError(t, err)
	require.Empty(t, list.Users)
	_, err = r.SignUp(r.ctx, userpool.SignUpInput{ClientID: secretID, SecretHash: userpool.SecretHash(secret, "a", secretID), Username: "a", Password: goodPass})
	require.NoError(t, err)

	shut := newRig(t, func(c *userpool.Config) {
		c.Pools[0].Pool.AdminCreateUserConfig.AllowAdminCreateUserOnly = true
	})
	_, err = shut.signUp("a")
	is(t, err, userpool.ErrNotAuthorized, "SignUp is not permitted")
}

// TestCodes: codes end by time, by tries and by another code, and are counted.
func TestCodes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.signUp("alice", "email", "alice@example.com")
	require.NoError(t, err)
	first := r.code("alice@example.com")
	resend := func(name string) (*userpool.CodeDelivery, error) {
		out, err := r.ResendConfirmationCode(r.ctx, userpool.ResendConfirmationCodeInput{ClientID: appID, Username: name})
		return out.CodeDeliveryDetails, err
	}
	d, err := resend("alice")
	require.NoError(t, err)
	require.Equal(t, "a***@e***", d.Destination)
	second := r.code("alice@example.com")
	if first != second {
		is(t, r.confirm("alice", first), userpool.ErrCodeMismatch)
	}
	r.pass(24 * time.Hour)
	is(t, r.confirm("alice", second), userpool.ErrExpiredCode)
	for range 4 {
		_, err = resend("alice")
		require.NoError(t, err)
	}
	_, err = resend("alice")
	require.NoError(t, err)
	_, err = resend("alice")
	is(t, err, userpool.ErrLimit)
	r.pass(time.Hour)

	// An unknown user is like a known one, to the last code.
	n := r.outbox.Len()
	for range 5 {
		d, err = resend("nobody")
		require.NoError(t, err)
		require.NotEmpty(t, d.Destination)
		again, _ := newRig(t).ResendConfirmationCode(r.ctx, userpool.ResendConfirmationCodeInput{ClientID: appID, Username: "nobody"})
		require.Equal(t, d.DeliveryMedium, again.CodeDeliveryDetails.DeliveryMedium)
	}
	_, err = resend("nobody")
	is(t, err, userpool.ErrLimit)
	require.Equal(t, n, r.outbox.Len())
	for _, name := range []string{"alice", "nobody"} {
		for range 5 {
			is(t, r.confirm(name, "x"), userpool.ErrCodeMismatch, "Invalid verification code provided")
		}
		is(t, r.confirm(name, "x"), userpool.ErrLimit, "Attempt limit exceeded")
	}
	r.pass(time.Hour)
	is(t, r.confirm("alice", r.code("alice@example.com")), userpool.ErrCodeMismatch) // the tries used it up
	_, err = resend("alice")
	require.NoError(t, err)
	require.NoError(t, r.confirm("alice", r.code("alice@example.com")))
	n = r.outbox.Len()
	_, err = resend("alice")
	require.NoError(t, err, "that it is confirmed is not told")
	require.Equal(t, n, r.outbox.Len())

	// A client that tells.
	_, err = r.UpdateUserPoolClient(r.ctx, userpool.UpdateUserPoolClientInput{UserPoolID: poolID, ClientID: appID, ClientSettings: userpool.ClientSettings{PreventUserExistenceErrors: "LEGACY", ExplicitAuthFlows: allFlows}})
	require.NoError(t, err)
	r.pass(time.Hour)
	_, err = resend("nobody")
	is(t, err, userpool.ErrUserNotFound)
	_, err = resend("alice")
	is(t, err, userpool.ErrInvalid)
	is(t, r.confirm("nobody", "x"), userpool.ErrUserNotFound)
	_, err = r.try("nobody", goodPass)
	is(t, err, userpool.ErrUserNotFound)
}

// TestAlias: an address is the alias of one user only.
func TestAlias(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"alice", "mallory"} {
		_, err := r.signUp(name, "email", "alice@example.com")
		require.NoError(t, err)
		if name == "alice" {
			require.NoError(t, r.confirm(name, r.code("alice@example.com")))
		}
	}
	code := r.code("alice@example.com")
	is(t, r.confirm("mallory", code), userpool.ErrAliasExists, "email")
	out, err := r.try("alice@example.com", goodPass)
	require.NoError(t, err)
	require.Equal(t, "alice", claims(t, out.AuthenticationResult.IDToken)["cognito:username"])
	_, err = r.ConfirmSignUp(r.ctx, userpool.ConfirmSignUpInput{ClientID: appID, Username: "mallory", ConfirmationCode: "bad", ForceAliasCreation: true})
	is(t, err, userpool.ErrCodeMismatch)
	require.Equal(t, "true", value(r.get("alice").UserAttributes, "email_verified"))
	_, err = r.ConfirmSignUp(r.ctx, userpool.ConfirmSignUpInput{ClientID: appID, Username: "mallory", ConfirmationCode: code, ForceAliasCreation: true})
	require.NoError(t, err)
	require.Equal(t, "false", value(r.get("alice").UserAttributes, "email_verified"))
	out, err = r.try("alice@example.com", goodPass)
	require.NoError(t, err)
	require.Equal(t, "mallory", claims(t, out.AuthenticationResult.IDToken)["cognito:username"])
}

// TestUsernameAttributes: users that are called by their addresses.
func TestUsernameAttributes(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) {
		c.Pools[0].Pool.AliasAttributes, c.Pools[0].Pool.UsernameAttributes = nil, []string{"email", "phone_number"}
	})
	out, err := r.signUp("Alice@Example.com", "name", "Alice")
	require.NoError(t, err)
	u := r.get("alice@example.com")
	require.Equal(t, out.UserSub, u.Username)
	require.Equal(t, "Alice@Example.com", value(u.UserAttributes, "email"))
	_, err = r.signUp("alice@example.com")
	is(t, err, userpool.ErrUserExists, "email")
	_, err = r.signUp("alice")
	is(t, err, userpool.ErrInvalid, "email or phone number")
	_, err = r.signUp("bob@example.com", "email", "other@example.com")
	is(t, err, userpool.ErrInvalid, "the same")
	require.NoError(t, r.confirm("alice@example.com", r.code("Alice@Example.com")))
	require.NotNil(t, r.login("ALICE@example.com"))
	_, err = r.signUp("+491234567")
	require.NoError(t, err)
	_, err = r.AdminUpdateUserAttributes(r.ctx, userpool.AdminUpdateUserAttributesInput{UserPoolID: poolID, Username: "+491234567", UserAttributes: attrs("phone_number", "")})
	is(t, err, userpool.ErrInvalid, "required") // it could not be found any more
	_, err = r.AdminUpdateUserAttributes(r.ctx, userpool.AdminUpdateUserAttributesInput{UserPoolID: poolID, Username: "+491234567", UserAttributes: attrs("email", "alice@example.com")})
	is(t, err, userpool.ErrAliasExists)
}

func TestSignUpHooks(t *testing.T) {
	t.Parallel()
	var confirmed []string
	r := newRig(t, func(c *userpool.Config) {
		c.Hooks.PreSignUp = func(_ context.Context, e *userpool.SignUpEvent) error {
			switch {
			case e.Attributes["custom:plant"] == "closed":
				return errors.New("the plant is closed")
			case e.ValidationData["invited"] == "yes":
				e.AutoConfirm, e.AutoVerifyEmail = true, true
			}
			return nil
		}
		c.Hooks.PostConfirmation = func(_ context.Context, e userpool.Event) error {
			confirmed = append(confirmed, e.Trigger+" "+e.Username+" "+e.Attributes["cognito:user_status"])
			return nil
		}
		c.Hooks.CustomMessage = func(_ context.Context, m *userpool.Message) error {
			m.Text = "Code for " + m.Username + ": " + m.Code
			return nil
		}
	})
	_, err := r.signUp("alice", "email", "alice@example.com", "custom:plant", "closed")
	is(t, err, userpool.ErrRefused, "PreSignUp failed with error the plant is closed.")
	out, err := r.SignUp(r.ctx, userpool.SignUpInput{ClientID: appID, Username: "alice", Password: goodPass, UserAttributes: attrs("email", "alice@example.com"), ValidationData: attrs("invited", "yes")})
	require.NoError(t, err)
	require.True(t, out.UserConfirmed)
	require.Nil(t, out.CodeDeliveryDetails)
	require.NotNil(t, r.login("alice@example.com"))
	_, err = r.SignUp(r.ctx, userpool.SignUpInput{ClientID: appID, Username: "bob", Password: goodPass, ValidationData: attrs("invited", "yes")})
	is(t, err, userpool.ErrBadHook, "email")
	_, err = r.signUp("carol", "email", "carol@example.com")
	require.NoError(t, err)
	m, _ := r.outbox.Last("carol@example.com")
	require.Equal(t, "Code for carol: "+m.Code, m.Text)
	_, err = r.AdminConfirmSignUp(r.ctx, userpool.AdminConfirmSignUpInput{UserPoolID: poolID, Username: "carol"})
	require.NoError(t, err)
	_, err = r.AdminConfirmSignUp(r.ctx, userpool.AdminConfirmSignUpInput{UserPoolID: poolID, Username: "carol"})
	is(t, err, userpool.ErrNotAuthorized, "Current status is CONFIRMED")
	require.Equal(t, []string{"PostConfirmation_ConfirmSignUp alice CONFIRMED", "PostConfirmation_ConfirmSignUp carol CONFIRMED"}, confirmed)
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) { c.Sender = nil })
	out, err := r.signUp("alice", "email", "alice@example.com")
	is(t, err, userpool.ErrCodeDelivery)
	require.NotEmpty(t, out.UserSub, "the user is there")
	r = newRig(t, func(c *userpool.Config) { c.Sender = failing{} })
	_, err = r.signUp("alice", "email", "alice@example.com")
	is(t, err, userpool.ErrCodeDelivery)
	require.Contains(t, r.log.String(), "the mail server is away")
}

type failing struct{}

func (failing) Send(context.Context, userpool.Message) error {
	return errors.New("the mail server is away")
}
