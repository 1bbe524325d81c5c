package userpool_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/userpool"
)

func TestMigration(t *testing.T) {
	t.Parallel()
	var events []string
	old := map[string]*userpool.MigratedUser{
		"alice": {Attributes: map[string]string{"email": "alice@example.com", "email_verified": "true"}},
		"bob":   {Attributes: map[string]string{"email": "x"}},
		"carol": {Status: "ODD"},
	}
	r := newRig(t, func(c *userpool.Config) {
		c.Hooks.UserMigration = func(_ context.Context, e userpool.MigrationEvent) (*userpool.MigratedUser, error) {
			events = append(events, e.Trigger+" "+e.Username)
			if e.Password != "old" && e.Password != "" {
				return nil, errors.New("wrong password")
			}
			return old[e.Username], nil
		}
	})
	_, err := r.try("alice", "new")
	is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	_, err = r.try("dave", "old")
	is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	for _, name := range []string{"bob", "carol"} {
		_, err = r.try(name, "old")
		is(t, err, userpool.ErrBadHook)
	}
	out, err := r.try("alice", "old")
	require.NoError(t, err)
	require.NotNil(t, out.AuthenticationResult)
	n := len(events)
	_, err = r.try("alice@example.com", "old")
	require.NoError(t, err)
	require.Len(t, events, n)
	old["erin"] = &userpool.MigratedUser{Attributes: map[string]string{"email": "erin@example.com", "email_verified": "true"}}
	_, err = r.ForgotPassword(r.ctx, userpool.ForgotPasswordInput{ClientID: appID, Username: "erin"})
	require.NoError(t, err)
	_, err = r.ConfirmForgotPassword(r.ctx, userpool.ConfirmForgotPasswordInput{ClientID: appID, Username: "erin", ConfirmationCode: r.code("erin@example.com"), Password: goodPass})
	require.NoError(t, err)
	require.NotNil(t, r.login("erin"))
	require.Equal(t, "UserMigration_ForgotPassword erin", events[len(events)-1])
}

func TestSignInHooks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var events []string
	var pre, post error
	note := func(e userpool.Event) {
		mu.Lock()
		events = append(events, e.Trigger+" "+e.Username+" "+map[bool]string{true: "unknown", false: "known"}[e.NotFound])
		mu.Unlock()
	}
	r := newRig(t, func(c *userpool.Config) {
		c.Hooks.PreAuthentication = func(_ context.Context, e userpool.Event) error { note(e); return pre }
		c.Hooks.PostAuthentication = func(_ context.Context, e userpool.Event) error { note(e); return post }
	})
	r.user("alice")
	r.login("alice")
	_, err := r.try("nobody", goodPass)
	is(t, err, userpool.ErrNotAuthorized)
	require.Equal(t, []string{"PreAuthentication_Authentication alice known", "PostAuthentication_Authentication alice known", "PreAuthentication_Authentication nobody unknown"}, events)
	post = errors.New("not you")
	_, err = r.try("alice", goodPass)
	is(t, err, userpool.ErrRefused, "PostAuthentication failed with error not you.")
	pre = errors.New("closed")
	for _, name := range []string{"alice", "nobody"} {
		_, err = r.try(name, goodPass)
		is(t, err, userpool.ErrRefused, "PreAuthentication failed with error closed.")
	}
}

func TestCustomAuth(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) {
		c.Hooks.DefineAuthChallenge = func(_ context.Context, e *userpool.DefineEvent) error {
			n := len(e.Session)
			switch {
			case n > 0 && e.Session[n-1].Passed && e.Session[n-1].Metadata == "second":
				e.Issue = true
			case n >= 3:
				e.Fail = true
			default:
				e.Challenge = "CUSTOM_CHALLENGE"
			}
			return nil
		}
		c.Hooks.CreateAuthChallenge = func(_ context.Context, e *userpool.CreateEvent) error {
			e.Public, e.Private, e.Metadata = map[string]string{"ask": "2+2"}, map[string]string{"answer": "4"}, "first"
			if len(e.Session) > 0 {
				e.Metadata = "second"
			}
			return nil
		}
		c.Hooks.VerifyAuthChallenge = func(_ context.Context, e *userpool.VerifyEvent) error {
			e.Correct = e.Answer == e.Private["answer"]
			return nil
		}
	})
	r.user("alice")
	start := func(name string) userpool.AuthOutput {
		out, err := r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "CUSTOM_AUTH", AuthParameters: map[string]string{"USERNAME": name}})
		require.NoError(t, err)
		require.Equal(t, "CUSTOM_CHALLENGE", out.ChallengeName)
		require.Equal(t, map[string]string{"ask": "2+2", "USERNAME": name}, out.ChallengeParameters)
		return out
	}
	answer := func(name, session, text string) (userpool.AuthOutput, error) {
		return r.respond("CUSTOM_CHALLENGE", session, map[string]string{"USERNAME": name, "ANSWER": text})
	}
	first := start("alice")
	second, err := answer("alice", first.Session, "4")
	require.NoError(t, err)
	require.Equal(t, "CUSTOM_CHALLENGE", second.ChallengeName)
	done, err := answer("alice", second.Session, "4")
	require.NoError(t, err)
	require.NotNil(t, done.AuthenticationResult)
	_, err = answer("alice", second.Session, "4")
	is(t, err, userpool.ErrNotAuthorized, "session") // one sign-in, one login
	for _, name := range []string{"alice", "nobody"} {
		out := start(name)
		for range 2 {
			out, err = answer(name, out.Session, "5")
			require.NoError(t, err)
		}
		_, err = answer(name, out.Session, "5")
		is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	}
	out := start("nobody")
	out, err = answer("nobody", out.Session, "4")
	require.NoError(t, err)
	_, err = answer("nobody", out.Session, "4")
	is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	_, err = answer("bob", start("alice").Session, "4")
	is(t, err, userpool.ErrNotAuthorized, "session")

	// Who solves the first step, which may prove nothing, has not cleared the count: there
	// were three wrong answers above.
	for range 2 {
		_, err = answer("alice", start("alice").Session, "4")
		require.NoError(t, err)
		_, err = r.try("alice", "Wrong0ne!")
		is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	}
	_, err = answer("alice", start("alice").Session, "4")
	is(t, err, userpool.ErrNotAuthorized, "attempts exceeded")
}
