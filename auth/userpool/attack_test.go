package userpool_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

// counting is a directory that counts what it is asked to keep, and can do something
// before.
type counting struct {
	auth.Directory
	commits atomic.Int64
	before  func()
}

func (d *counting) Commit(ctx context.Context, changes ...auth.Change) error {
	d.commits.Add(1)
	if f := d.before; f != nil {
		d.before = nil
		f()
	}
	return d.Directory.Commit(ctx, changes...)
}

// from is the context of a caller at an address.
func from(t testing.TB, last byte) context.Context {
	return userpool.WithAddr(t.Context(), &net.TCPAddr{IP: net.IPv4(192, 0, 2, last), Port: 1})
}

// TestSameWork: what anybody may ask for is answered alike, and is as much work, for users
// that are there and users that are not.
func TestSameWork(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dir := &counting{Directory: r.dir}
	r.dir = dir
	r.open(func(c *userpool.Config) { c.CodesPerHour = 1000 })
	r.user("alice", "email", "alice@example.com", "email_verified", "true")
	_, err := r.signUp("carol", "email", "carol@example.com")
	require.NoError(t, err)
	r.user("dave")  // has no address
	r.login("dave") // makes the pool's key
	calls := map[string]func(name string) error{
		"ForgotPassword": func(name string) error {
			out, err := r.ForgotPassword(r.ctx, userpool.ForgotPasswordInput{ClientID: appID, Username: name})
			require.NotNil(t, out.CodeDeliveryDetails)
			return err
		},
		"ConfirmForgotPassword": func(name string) error {
			_, err := r.ConfirmForgotPassword(r.ctx, userpool.ConfirmForgotPasswordInput{ClientID: appID, Username: name, ConfirmationCode: "x", Password: goodPass})
			return err
		},
		"ResendConfirmationCode": func(name string) error {
			out, err := r.ResendConfirmationCode(r.ctx, userpool.ResendConfirmationCodeInput{ClientID: appID, Username: name})
			require.NotNil(t, out.CodeDeliveryDetails)
			return err
		},
		"ConfirmSignUp": func(name string) error { return r.confirm(name, "x") },
		"InitiateAuth":  func(name string) error { _, err := r.try(name, "Wrong0ne!"); return err },
		"SRP":           func(name string) error { _, err := r.srp(name, "Wrong0ne!"); return err },
	}
	for what, call := range calls {
		var want string
		for _, name := range []string{"nobody", "alice", "alice@example.com", "carol", "dave", "nobody@example.com"} {
			n := dir.commits.Load()
			err := call(name)
			got := fmt.Sprint(dir.commits.Load()-n, " ", err)
			if want == "" {
				want = got
			}
			require.Equal(t, want, got, "%s of %s", what, name)
		}
	}
}

// TestDeliveryTellsNothing: that a code could not be sent does not say that there is a
// user.
func TestDeliveryTellsNothing(t *testing.T) {
	t.Parallel()
	refused := errors.New("no words")
	for what, c := range map[string]struct {
		change func(c *userpool.Config)
		kind   error
	}{
		"no sender":     {func(c *userpool.Config) { c.Sender = nil }, userpool.ErrCodeDelivery},
		"broken sender": {func(c *userpool.Config) { c.Sender = failing{} }, nil},
		"hook that says": {func(c *userpool.Config) {
			c.Hooks.CustomMessage = func(context.Context, *userpool.Message) error { return refused }
		}, nil},
	} {
		r := newRig(t, c.change)
		r.user("alice", "email", "alice@example.com", "email_verified", "true")
		_, err := r.signUp("carol", "email", "carol@example.com")
		require.Error(t, err, "who signs up is told")
		ask := func(name string) (errs [2]error) {
			_, errs[0] = r.ForgotPassword(r.ctx, userpool.ForgotPasswordInput{ClientID: appID, Username: name})
			_, errs[1] = r.ResendConfirmationCode(r.ctx, userpool.ResendConfirmationCodeInput{ClientID: appID, Username: name})
			return errs
		}
		for _, name := range []string{"alice", "carol", "nobody"} {
			for _, err := range ask(name) {
				require.ErrorIs(t, err, c.kind, "%s: %s", what, name)
			}
		}
		_, err = r.UpdateUserPoolClient(r.ctx, userpool.UpdateUserPoolClientInput{UserPoolID: poolID, ClientID: appID, ClientSettings: userpool.ClientSettings{PreventUserExistenceErrors: "LEGACY", ExplicitAuthFlows: allFlows}})
		require.NoError(t, err)
		require.Error(t, ask("alice")[0], what)
	}
}

// TestSRPTellsNothing: by whatever a user is called, in whatever letters, the answer looks
// as that for nobody.
func TestSRPTellsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("Alice", "email", "alice@example.com", "email_verified", "true", "preferred_username", "ally")
	sub := value(r.get("alice").UserAttributes, "sub")
	id := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]string{}
	for _, name := range []string{"alice", "ALICE", "alice@example.com", "ally", sub, "bob", "BOB", "bob@example.com", "bobby", "4b0c36e5-2f3f-4d0c-9a4b-5b6a3c1f0e9d"} {
		out, err := r.startSRP(name, newSRPClient(poolID).A.Text(16))
		require.NoError(t, err)
		require.Regexp(t, id, out.ChallengeParameters["USER_ID_FOR_SRP"], name)
		require.Equal(t, out.ChallengeParameters["USER_ID_FOR_SRP"], out.ChallengeParameters["USERNAME"])
		require.Len(t, out.ChallengeParameters["SALT"], 32)
		seen[name] = out.ChallengeParameters["USER_ID_FOR_SRP"] + out.ChallengeParameters["SALT"]
	}
	require.Equal(t, seen["bob"], seen["BOB"])
	require.Equal(t, seen["alice"], seen["ALICE"])
	require.Equal(t, seen["alice"], seen["ally"])
	out, err := r.srp("alice", goodPass)
	require.NoError(t, err)
	require.Equal(t, "Alice", claims(t, out.AuthenticationResult.IDToken)["cognito:username"])
}

// TestCustomTellsNothing: a challenge calls the user as the client did.
func TestCustomTellsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, alwaysAsks)
	r.user("Alice", "email", "alice@example.com", "email_verified", "true")
	for _, name := range []string{"alice", "alice@example.com", "bob", "bob@example.com"} {
		out, err := r.startCustom(name)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"USERNAME": name}, out.ChallengeParameters)
		_, err = r.respond("CUSTOM_CHALLENGE", out.Session, map[string]string{"USERNAME": name, "ANSWER": "x"})
		require.NoError(t, err)
	}
}

func (r *rig) startCustom(name string) (userpool.AuthOutput, error) {
	return r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "CUSTOM_AUTH", AuthParameters: map[string]string{"USERNAME": name}})
}

// alwaysAsks gives users one challenge after another, of which "4" is the answer, and tokens
// after a right one.
func alwaysAsks(c *userpool.Config) {
	c.Hooks.DefineAuthChallenge = func(_ context.Context, e *userpool.DefineEvent) error {
		e.Challenge = "CUSTOM_CHALLENGE"
		e.Issue = slices.ContainsFunc(e.Session, func(r userpool.ChallengeResult) bool { return r.Passed })
		return nil
	}
	c.Hooks.CreateAuthChallenge = func(context.Context, *userpool.CreateEvent) error { return nil }
	c.Hooks.VerifyAuthChallenge = func(_ context.Context, e *userpool.VerifyEvent) error {
		e.Correct = e.Answer == "4"
		return nil
	}
}

// TestCustomOnce: each challenge takes one answer, whoever gives it and at whichever hub: a
// hook that counts the answers of a sign-in has seen all.
func TestCustomOnce(t *testing.T) {
	t.Parallel()
	var verified atomic.Int64
	count := func(c *userpool.Config) {
		alwaysAsks(c)
		c.PerUser.Failures = -1
		verify := c.Hooks.VerifyAuthChallenge
		c.Hooks.VerifyAuthChallenge = func(ctx context.Context, e *userpool.VerifyEvent) error {
			verified.Add(1)
			if e.Answer == "broken" {
				return errors.New("the oracle is away")
			}
			return verify(ctx, e)
		}
	}
	r := newRig(t, count)
	r.user("alice")
	answer := func(name, session, text string) (userpool.AuthOutput, error) {
		return r.respond("CUSTOM_CHALLENGE", session, map[string]string{"USERNAME": name, "ANSWER": text})
	}
	for _, name := range []string{"alice", "nobody"} {
		out, err := r.startCustom(name)
		require.NoError(t, err)
		before := verified.Load()
		next, err := answer(name, out.Session, "5")
		require.NoError(t, err)
		for _, text := range []string{"5", "4"} {
			_, err = answer(name, out.Session, text)
			is(t, err, userpool.ErrNotAuthorized, "the challenge was answered already")
		}
		r.open(count) // another hub
		_, err = answer(name, out.Session, "4")
		is(t, err, userpool.ErrNotAuthorized, "answered already")
		require.Equal(t, before+1, verified.Load())
		_, err = answer(name, next.Session, "5")
		require.NoError(t, err, "the next one is another")
	}

	// What is not an answer leaves the challenge as it is; one that nobody could tell is one.
	out, err := r.startCustom("alice")
	require.NoError(t, err)
	_, err = answer("bob", out.Session, "4")
	is(t, err, userpool.ErrNotAuthorized)
	_, err = answer("alice", out.Session, "broken")
	is(t, err, userpool.ErrRefused)
	_, err = answer("alice", out.Session, "4")
	is(t, err, userpool.ErrNotAuthorized, "answered already")

	// At once.
	out, err = r.startCustom("alice")
	require.NoError(t, err)
	before := verified.Load()
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() { _, _ = answer("alice", out.Session, fmt.Sprint(i)) })
	}
	wg.Wait()
	require.Equal(t, before+1, verified.Load())

	// What is kept of it goes, and not before the sessions have ended.
	kept := func() (n int) {
		for _, err := range r.dir.Scan(r.ctx, "userpool-answered", "") {
			require.NoError(t, err)
			n++
		}
		return n
	}
	require.Equal(t, 6, kept())
	r.pass(30 * time.Minute)
	require.NoError(t, userpool.Sweep(r.ctx, r.Service))
	require.Equal(t, 6, kept())
	r.pass(2 * time.Hour)
	require.NoError(t, userpool.Sweep(r.ctx, r.Service))
	require.Zero(t, kept())

	r.dir = &failingCommits{r.dir}
	r.open(count, func(c *userpool.Config) { c.Pools = nil })
	out, err = r.startCustom("alice")
	require.NoError(t, err)
	before = verified.Load()
	_, err = answer("alice", out.Session, "4")
	require.ErrorContains(t, err, "disk on fire")
	require.Equal(t, before, verified.Load(), "not asked about what cannot be kept")
}

type failingCommits struct{ auth.Directory }

func (failingCommits) Commit(context.Context, ...auth.Change) error {
	return errors.New("disk on fire")
}

// TestPanickingHooks: an attempt in which a hook panics has ended.
func TestPanickingHooks(t *testing.T) {
	t.Parallel()
	r := newRig(t, alwaysAsks, func(c *userpool.Config) {
		c.PerUser.Failures = 2
		c.Hooks.UserMigration = func(_ context.Context, e userpool.MigrationEvent) (*userpool.MigratedUser, error) {
			if e.Password == "panic" {
				panic("at the disco")
			}
			return nil, nil //nolint:nilnil // there is none
		}
		c.Hooks.VerifyAuthChallenge = func(_ context.Context, e *userpool.VerifyEvent) error {
			if e.Answer == "panic" {
				panic("at the disco")
			}
			return nil
		}
	})
	r.user("alice")
	// After the first failure one attempt at a time is free.
	_, err := r.try("mallory", "Wrong0ne!")
	is(t, err, userpool.ErrNotAuthorized, "Incorrect")
	require.Panics(t, func() { _, _ = r.try("mallory", "panic") })
	_, err = r.try("mallory", "Wrong0ne!")
	is(t, err, userpool.ErrNotAuthorized, "Incorrect")

	answer := func(text string) error {
		out, err := r.startCustom("alice")
		require.NoError(t, err)
		_, err = r.respond("CUSTOM_CHALLENGE", out.Session, map[string]string{"USERNAME": "alice", "ANSWER": text})
		return err
	}
	require.NoError(t, answer("5"))
	require.Panics(t, func() { _ = answer("panic") })
	require.NoError(t, answer("5"))
	is(t, answer("5"), userpool.ErrNotAuthorized, "attempts exceeded")
}

// TestCodesByAddress: who has many accounts with one address to take does not get the
// tries of all of them.
func TestCodesByAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) { c.PerAddress.Failures = 6 })
	r.ctx = from(t, 7)
	confirm := func(name string) error { return r.confirm(name, "no code") }
	for i := range 6 {
		name := fmt.Sprint("mallory", i)
		_, err := r.signUp(name, "email", "alice@example.com")
		require.NoError(t, err)
		is(t, confirm(name), userpool.ErrCodeMismatch)
	}
	is(t, confirm("mallory0"), userpool.ErrLimit)
	is(t, confirm("nobody"), userpool.ErrLimit)
	_, err := r.ConfirmForgotPassword(r.ctx, userpool.ConfirmForgotPasswordInput{ClientID: appID, Username: "alice", ConfirmationCode: "x", Password: goodPass})
	is(t, err, userpool.ErrLimit)
	r.ctx = from(t, 8)
	is(t, confirm("mallory0"), userpool.ErrCodeMismatch)
	require.NoError(t, r.confirm("mallory5", r.code("alice@example.com")))
}

// TestPreferredName: nobody prefers what another user is called by.
func TestPreferredName(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice", "email", "alice@example.com", "phone_number", "+491234567") // neither is verified
	sub := value(r.get("alice").UserAttributes, "sub")
	r.user("mallory")
	access := r.login("mallory").AccessToken
	for _, name := range []string{"alice@example.com", "+491234567", sub, strings.ToUpper(sub), "someone@example.com"} {
		_, err := r.UpdateUserAttributes(r.ctx, userpool.UpdateUserAttributesInput{AccessToken: access, UserAttributes: attrs("preferred_username", name)})
		is(t, err, userpool.ErrInvalid, "preferred_username cannot be of")
		_, err = r.signUp("mallory2", "preferred_username", name)
		is(t, err, userpool.ErrInvalid, "preferred_username cannot be of")
	}
	_, err := r.UpdateUserAttributes(r.ctx, userpool.UpdateUserAttributesInput{AccessToken: access, UserAttributes: attrs("preferred_username", "alice")})
	is(t, err, userpool.ErrAliasExists)
	_, err = r.UpdateUserAttributes(r.ctx, userpool.UpdateUserAttributesInput{AccessToken: access, UserAttributes: attrs("preferred_username", "Mal")})
	require.NoError(t, err)
	out, err := r.try("mal", goodPass)
	require.NoError(t, err)
	require.NotNil(t, out.AuthenticationResult)
	_, err = r.AdminGetUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice@example.com"})
	is(t, err, userpool.ErrUserNotFound)

	// Where it is no name to sign in by it may be anything.
	free := newRig(t, func(c *userpool.Config) { c.Pools[0].Pool.AliasAttributes = []string{"email"} })
	_, err = free.signUp("bob", "preferred_username", "someone@example.com")
	require.NoError(t, err)
}

// TestTokenRace: a code of a software token gives nothing if the user was shut out, or has
// another password, while it was being looked at.
func TestTokenRace(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(r *rig) error{
		"disabled": func(r *rig) error {
			_, err := r.AdminDisableUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
			return err
		},
		"signed out": func(r *rig) error {
			_, err := r.AdminUserGlobalSignOut(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
			return err
		},
		"another password": func(r *rig) error {
			_, err := r.AdminSetUserPassword(r.ctx, userpool.AdminSetUserPasswordInput{UserPoolID: poolID, Username: "alice", Password: "An0ther!pass", Permanent: true})
			return err
		},
	} {
		r := newRig(t)
		dir := &counting{Directory: r.dir}
		r.dir = dir
		r.open()
		r.user("alice")
		secret := r.withToken(t, r.login("alice").AccessToken)
		r.pass(time.Minute)
		out, err := r.try("alice", goodPass)
		require.NoError(t, err)
		dir.before = func() { require.NoError(t, change(r)) }
		_, err = r.respond("SOFTWARE_TOKEN_MFA", out.Session, map[string]string{"USERNAME": "alice", "SOFTWARE_TOKEN_MFA_CODE": r.app(secret)})
		is(t, err, userpool.ErrNotAuthorized, "Invalid session")
		require.Nil(t, dir.before, what)
	}
}
