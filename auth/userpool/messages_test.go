package userpool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

// TestMessages: the pool's own words, by e-mail and SMS.
func TestMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) {
		p := &c.Pools[0].Pool
		p.AutoVerifiedAttributes = []string{"phone_number", "email"}
		p.EmailVerificationSubject, p.EmailVerificationMessage, p.SmsVerificationMessage = "Hello", "Mail {####}", "SMS {####}"
		p.AdminCreateUserConfig.InviteMessageTemplate = &userpool.InviteMessage{EmailSubject: "Welcome", EmailMessage: "{username}: {####}", SMSMessage: "SMS {username}: {####}"}
	})
	out, err := r.signUp("alice", "phone_number", "+491234567", "email", "alice@example.com")
	require.NoError(t, err)
	require.Equal(t, &userpool.CodeDelivery{AttributeName: "phone_number", DeliveryMedium: "SMS", Destination: "+*******4567"}, out.CodeDeliveryDetails)
	m, _ := r.outbox.Last("+491234567")
	require.Equal(t, "SMS "+m.Code, m.Text)
	require.Empty(t, m.Subject)
	require.NoError(t, r.confirm("alice", m.Code))
	require.Equal(t, "true", value(r.get("alice").UserAttributes, "phone_number_verified"))
	require.Empty(t, value(r.get("alice").UserAttributes, "email_verified"))
	_, err = r.signUp("bob", "email", "bob@example.com")
	require.NoError(t, err)
	m, _ = r.outbox.Last("bob@example.com")
	require.Equal(t, "Hello: Mail "+m.Code, m.Subject+": "+m.Text)
	require.Equal(t, poolID, m.Pool)
	require.Equal(t, "test", m.PoolName)
	_, err = r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{
		UserPoolID: poolID, Username: "carol", UserAttributes: attrs("phone_number", "+497654321", "email", "carol@example.com"), DesiredDeliveryMediums: []string{"SMS", "EMAIL"},
	})
	require.NoError(t, err)
	m, _ = r.outbox.Last("+497654321")
	require.Equal(t, "SMS carol: "+m.Code, m.Text)
	m, _ = r.outbox.Last("carol@example.com")
	require.Equal(t, "Welcome: carol: "+m.Code, m.Subject+": "+m.Text)
	got, err := r.try("carol", m.Code)
	require.NoError(t, err)
	require.Equal(t, "NEW_PASSWORD_REQUIRED", got.ChallengeName, "a password that was made fits the policy")

	// A code for one that is not there goes where the name says.
	for name, want := range map[string]string{"nobody@example.com": "email EMAIL n***@e***", "+4911112222": "phone_number SMS +*******2222"} {
		out, err := r.ForgotPassword(r.ctx, userpool.ForgotPasswordInput{ClientID: appID, Username: name})
		require.NoError(t, err)
		d := out.CodeDeliveryDetails
		require.Equal(t, want, d.AttributeName+" "+d.DeliveryMedium+" "+d.Destination)
	}
	byPhone := newRig(t, func(c *userpool.Config) { c.Pools[0].Pool.AutoVerifiedAttributes = []string{"phone_number"} })
	f, err := byPhone.ForgotPassword(byPhone.ctx, userpool.ForgotPasswordInput{ClientID: appID, Username: "nobody"})
	require.NoError(t, err)
	require.Regexp(t, `^\+\*{7}\d{4}$`, f.CodeDeliveryDetails.Destination)
}

func TestOutbox(t *testing.T) {
	t.Parallel()
	told := 0
	o := &userpool.Outbox{Sent: func(userpool.Message) { told++ }}
	for i := range 1003 {
		require.NoError(t, o.Send(t.Context(), userpool.Message{To: fmt.Sprint(i)}))
	}
	require.Equal(t, 1003, told)
	require.Equal(t, 1000, o.Len())
	_, ok := o.Last("2")
	require.False(t, ok)
	_, ok = o.Last("3")
	require.True(t, ok)
}

func TestTime(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(userpool.Time{Time: noon.Add(250 * time.Millisecond)})
	require.NoError(t, err)
	require.Equal(t, "1778068800.250", string(b))
	var back userpool.Time
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, noon.Add(250*time.Millisecond), back.Time)
	require.Error(t, json.Unmarshal([]byte(`"x"`), &back))
}

// TestTelling: a client that tells does so for forgotten passwords too.
func TestTelling(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) {
		c.Pools[0].Clients[0].Client.PreventUserExistenceErrors = "LEGACY"
	})
	r.user("alice", "email", "alice@example.com", "email_verified", "true")
	r.user("bob")
	_, err := r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "carol", MessageAction: "SUPPRESS", UserAttributes: attrs("email", "carol@example.com", "email_verified", "true")})
	require.NoError(t, err)
	forgot := func(name string) error {
		_, err := r.ForgotPassword(r.ctx, userpool.ForgotPasswordInput{ClientID: appID, Username: name})
		return err
	}
	is(t, forgot("nobody"), userpool.ErrUserNotFound)
	is(t, forgot("bob"), userpool.ErrInvalid, "verified")
	is(t, forgot("carol"), userpool.ErrNotAuthorized, "state")
	is(t, forgot("a b"), userpool.ErrInvalid, "Username")
	require.NoError(t, forgot("alice"))
	_, err = r.AdminDisableUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
	require.NoError(t, err)
	is(t, forgot("alice"), userpool.ErrNotAuthorized, "disabled")
	_, err = r.ConfirmForgotPassword(r.ctx, userpool.ConfirmForgotPasswordInput{ClientID: appID, Username: "alice", ConfirmationCode: r.code("alice@example.com"), Password: goodPass})
	is(t, err, userpool.ErrNotAuthorized, "disabled")
	_, err = r.ConfirmForgotPassword(r.ctx, userpool.ConfirmForgotPasswordInput{ClientID: appID, Username: "nobody", ConfirmationCode: "x", Password: goodPass})
	is(t, err, userpool.ErrUserNotFound)
	_, err = r.srp("nobody", goodPass)
	is(t, err, userpool.ErrUserNotFound)
}

// TestCaseSensitive: a pool where names that differ in case are two.
func TestCaseSensitive(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) {
		c.Pools[0].Pool.UsernameConfiguration = &userpool.UsernameConfiguration{CaseSensitive: true}
	})
	r.user("alice", "email", "alice@example.com", "email_verified", "true")
	r.user("Alice", "email", "Alice@example.com", "email_verified", "true")
	require.NotEqual(t, value(r.get("alice").UserAttributes, "sub"), value(r.get("Alice").UserAttributes, "sub"))
	_, err := r.try("ALICE", goodPass)
	is(t, err, userpool.ErrNotAuthorized)
	out, err := r.try("Alice@example.com", goodPass)
	require.NoError(t, err)
	require.Equal(t, "Alice", claims(t, out.AuthenticationResult.IDToken)["cognito:username"])
}

// TestForceAlias: an administrator gives an address to another user.
func TestForceAlias(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) {
		c.Hooks.PreSignUp = func(_ context.Context, e *userpool.SignUpEvent) error {
			if e.Trigger == "PreSignUp_AdminCreateUser" && e.Attributes["custom:plant"] == "phone" {
				e.AutoVerifyPhone = true
			}
			return nil
		}
	})
	r.user("alice", "email", "a@example.com", "email_verified", "true")
	in := userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "bob", MessageAction: "SUPPRESS", UserAttributes: attrs("email", "a@example.com", "email_verified", "true")}
	_, err := r.AdminCreateUser(r.ctx, in)
	is(t, err, userpool.ErrUserExists, "email")
	in.ForceAliasCreation = true
	_, err = r.AdminCreateUser(r.ctx, in)
	require.NoError(t, err)
	require.Equal(t, "bob", r.get("a@example.com").Username)
	require.Equal(t, "false", value(r.get("alice").UserAttributes, "email_verified"))
	in.Username, in.UserAttributes = "carol", attrs("custom:plant", "phone")
	_, err = r.AdminCreateUser(r.ctx, in)
	is(t, err, userpool.ErrBadHook, "phone_number")
	in.UserAttributes = attrs("custom:plant", "phone", "phone_number", "+491234567")
	out, err := r.AdminCreateUser(r.ctx, in)
	require.NoError(t, err)
	require.Equal(t, "true", value(out.User.Attributes, "phone_number_verified"))
	require.Equal(t, "carol", r.get("+491234567").Username)
}

// TestCustomMistakes: hooks whose answers cannot be.
func TestCustomMistakes(t *testing.T) {
	t.Parallel()
	var define func(e *userpool.DefineEvent)
	var create func(e *userpool.CreateEvent) error
	r := newRig(t, func(c *userpool.Config) {
		c.Hooks.DefineAuthChallenge = func(_ context.Context, e *userpool.DefineEvent) error { define(e); return nil }
		c.Hooks.CreateAuthChallenge = func(_ context.Context, e *userpool.CreateEvent) error { return create(e) }
		c.Hooks.VerifyAuthChallenge = func(context.Context, *userpool.VerifyEvent) error { return auth.ErrUnavailable }
	})
	r.user("alice")
	start := func() (userpool.AuthOutput, error) {
		return r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "CUSTOM_AUTH", AuthParameters: map[string]string{"USERNAME": "alice"}})
	}
	define = func(*userpool.DefineEvent) {}
	_, err := start()
	is(t, err, userpool.ErrBadHook, "DefineAuthChallenge")
	define = func(e *userpool.DefineEvent) { e.Challenge = "CUSTOM_CHALLENGE" }
	create = func(*userpool.CreateEvent) error { return fmt.Errorf("no question today") }
	_, err = start()
	is(t, err, userpool.ErrRefused, "no question today")
	create = func(e *userpool.CreateEvent) error {
		e.Private = map[string]string{"x": string(make([]byte, 10_000))}
		return nil
	}
	_, err = start()
	is(t, err, userpool.ErrBadHook, "too long")
	create = func(*userpool.CreateEvent) error { return nil }
	out, err := start()
	require.NoError(t, err)
	_, err = r.respond("CUSTOM_CHALLENGE", out.Session, map[string]string{"USERNAME": "alice", "ANSWER": "x"})
	is(t, err, userpool.ErrRefused)
	define = func(e *userpool.DefineEvent) { e.Issue = true }
	done, err := start()
	require.NoError(t, err)
	require.NotNil(t, done.AuthenticationResult)
}
