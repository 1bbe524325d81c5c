package userpool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

// TestIndex: whatever is done by many at once, users are found by what they have, and by
// nothing that they had.
func TestIndex(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *userpool.Config) {
				if seed%2 == 1 {
					c.Pools[0].Pool.AliasAttributes, c.Pools[0].Pool.UsernameAttributes = nil, []string{"email"}
				}
			})
			for _, g := range []string{"g0", "g1"} {
				_, err := r.CreateGroup(r.ctx, userpool.GroupInput{UserPoolID: poolID, GroupName: g})
				require.NoError(t, err)
			}
			var wg sync.WaitGroup
			for w := range 3 {
				wg.Go(func() {
					x := rand.New(rand.NewPCG(seed, uint64(w)))
					for range 60 {
						if err := r.disturb(x, seed%2 == 1); err != nil {
							if _, ok := errors.AsType[*userpool.Error](err); !ok {
								t.Error(err)
							}
						}
					}
				})
			}
			wg.Wait()
			last := userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "last", MessageAction: "SUPPRESS"} // the others may all be gone
			if seed%2 == 1 {
				last.Username = "last@example.com"
			}
			_, err := r.AdminCreateUser(r.ctx, last)
			require.NoError(t, err)
			require.NotEmpty(t, userpool.Index(r.ctx, r.Service, poolID))
			require.Equal(t, userpool.Derived(r.ctx, r.Service, poolID), userpool.Index(r.ctx, r.Service, poolID))
		})
	}
}

// disturb does something to one of few users.
func (r *rig) disturb(x *rand.Rand, byEmail bool) (err error) {
	name := fmt.Sprint("u", x.IntN(4))
	if byEmail {
		name += "@example.com"
	}
	who := userpool.UserInput{UserPoolID: poolID, Username: name}
	set := func(pairs ...string) error {
		_, err := r.AdminUpdateUserAttributes(r.ctx, userpool.AdminUpdateUserAttributesInput{UserPoolID: poolID, Username: name, UserAttributes: attrs(pairs...)})
		return err
	}
	email := fmt.Sprintf("u%d@example.com", x.IntN(3))
	switch x.IntN(9) {
	case 0, 1:
		_, err = r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: name, MessageAction: "SUPPRESS"})
	case 2:
		_, err = r.signUp(name)
	case 3:
		_, err = r.AdminDeleteUser(r.ctx, who)
	case 4:
		err = set("email", email, "email_verified", []string{"true", "false"}[x.IntN(2)])
	case 5:
		err = set("preferred_username", fmt.Sprint("u", x.IntN(6)), "name", name)
	case 6:
		err = set("email", "", "preferred_username", "")
	case 7:
		_, err = r.AdminAddUserToGroup(r.ctx, userpool.MemberInput{UserPoolID: poolID, GroupName: fmt.Sprint("g", x.IntN(2)), Username: name})
	default:
		_, err = r.AdminConfirmSignUp(r.ctx, userpool.AdminConfirmSignUpInput{UserPoolID: poolID, Username: name})
	}
	return err
}

// TestNames: nobody takes the place of another by calling itself as that one is called.
func TestNames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice", "preferred_username", "Ally")
	r.user("bob", "preferred_username", "bob")
	sub := value(r.get("alice").UserAttributes, "sub")
	_, err := r.signUp(sub)
	is(t, err, userpool.ErrInvalid, "sub")
	_, err = r.signUp("ALLY")
	is(t, err, userpool.ErrUserExists)
	_, err = r.signUp("carol", "preferred_username", "Alice")
	is(t, err, userpool.ErrUserExists)
	got := r.login("bob")
	_, err = r.UpdateUserAttributes(r.ctx, userpool.UpdateUserAttributesInput{AccessToken: got.AccessToken, UserAttributes: attrs("preferred_username", "alice")})
	is(t, err, userpool.ErrAliasExists)
	_, err = r.UpdateUserAttributes(r.ctx, userpool.UpdateUserAttributesInput{AccessToken: got.AccessToken, UserAttributes: attrs("preferred_username", "")})
	require.NoError(t, err)
	_, err = r.signUp("Bob")
	is(t, err, userpool.ErrUserExists)
	out, err := r.try("ally", goodPass)
	require.NoError(t, err)
	require.Equal(t, sub, claims(t, out.AuthenticationResult.IDToken)["sub"])
	_, err = r.AdminDeleteUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "ally"})
	require.NoError(t, err)
	r.user("ally")
}

// TestInvited: users that an administrator makes are asked for what they must have.
func TestInvited(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) {
		c.Pools[0].Pool.Schema = append(c.Pools[0].Pool.Schema, userpool.SchemaAttribute{Name: "name", Required: true})
	})
	_, err := r.signUp("alice")
	is(t, err, userpool.ErrInvalid, "name")
	_, err = r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "alice", TemporaryPassword: goodPass, MessageAction: "SUPPRESS"})
	require.NoError(t, err)
	out, err := r.try("alice", goodPass)
	require.NoError(t, err)
	require.JSONEq(t, `["userAttributes.name"]`, out.ChallengeParameters["requiredAttributes"])
	answer := map[string]string{"USERNAME": "alice", "NEW_PASSWORD": "An0ther!pass"}
	_, err = r.respond("NEW_PASSWORD_REQUIRED", out.Session, answer)
	is(t, err, userpool.ErrInvalid, "required")
	answer["userAttributes.name"] = "Alice"
	_, err = r.respond("NEW_PASSWORD_REQUIRED", out.Session, answer)
	require.NoError(t, err)
}

// TestAdminAddress: a server that signs users in is not locked out for their failures.
func TestAdminAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) { c.PerAddress = userpool.Limits{Failures: 1} })
	r.user("alice")
	r.ctx = userpool.WithAddr(t.Context(), &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1})
	try := func(name string) error {
		_, err := r.AdminInitiateAuth(r.ctx, userpool.AdminInitiateAuthInput{UserPoolID: poolID, InitiateAuthInput: userpool.InitiateAuthInput{
			ClientID: appID, AuthFlow: "ADMIN_USER_PASSWORD_AUTH", AuthParameters: map[string]string{"USERNAME": name, "PASSWORD": goodPass},
		}})
		return err
	}
	for _, name := range []string{"a", "b", "c"} {
		is(t, try(name), userpool.ErrNotAuthorized, "Incorrect")
	}
	require.NoError(t, try("alice"))
}

// TestHubs: two hubs on one directory go on with each other's sign-ins.
func TestHubs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	c := newSRPClient(poolID)
	out, err := r.startSRP("alice", c.A.Text(16))
	require.NoError(t, err)
	first := r.Service
	r.open()
	answer := c.answer(t, out.ChallengeParameters, goodPass, r.now())
	done, err := r.respond("PASSWORD_VERIFIER", "", answer)
	require.NoError(t, err)
	_, err = first.RespondToAuthChallenge(r.ctx, userpool.RespondToAuthChallengeInput{ClientID: appID, ChallengeName: "PASSWORD_VERIFIER", ChallengeResponses: answer})
	is(t, err, userpool.ErrNotAuthorized, "session") // once, wherever
	_, err = first.Pool(poolID).Verify(r.ctx, done.AuthenticationResult.IDToken)
	require.NoError(t, err)
	_, err = r.AdminUserGlobalSignOut(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
	require.NoError(t, err)
	_, err = first.Pool(poolID).Verify(r.ctx, done.AuthenticationResult.IDToken)
	require.ErrorIs(t, err, auth.ErrBadCredentials)
}
