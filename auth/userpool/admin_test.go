package userpool_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change func(c *userpool.Config)
		want   string
	}{
		{func(c *userpool.Config) { c.Directory = nil }, "Config.Directory is nil"},
		{func(c *userpool.Config) { c.Scope.Region = "a b" }, `Config.Scope.Region is "a b"`},
		{func(c *userpool.Config) { c.Issuer = "https://x/" }, "Config.Issuer"},
		{func(c *userpool.Config) { c.Issuer = "x" }, "Config.Issuer"},
		{func(c *userpool.Config) { c.Issuer = "ftp://x" }, "Config.Issuer"},
		{func(c *userpool.Config) { c.Issuer = "https://x?y" }, "Config.Issuer"},
		{func(c *userpool.Config) { c.Hash.Time = 100 }, "Config.Hash.Time is 100"},
		{func(c *userpool.Config) { c.Parallel = -1 }, "Config.Parallel is -1"},
		{func(c *userpool.Config) { c.Waiting = 1 << 30 }, "Config.Waiting"},
		{func(c *userpool.Config) { c.CodesPerHour = 1001 }, "Config.CodesPerHour is 1001"},
		{func(c *userpool.Config) { c.SignUpsPerHour = 1_000_001 }, "Config.SignUpsPerHour"},
		{func(c *userpool.Config) { c.MaxBody = 1 }, "Config.MaxBody is 1"},
		{func(c *userpool.Config) { c.KeyLife = time.Hour }, "Config.KeyLife is 1h0m0s"},
		{func(c *userpool.Config) { c.PerUser.Wait = -1 }, "Config.PerUser.Wait"},
		{func(c *userpool.Config) { c.PerAddress.MaxWait = 100 * time.Hour }, "Config.PerAddress.MaxWait"},
		{func(c *userpool.Config) { c.Pools[0].ID = "x" }, `Config.Pools[0]: userpool: ID is "x"`},
		{func(c *userpool.Config) { c.Pools[0].Pool.PoolName = "" }, "PoolName"},
		{func(c *userpool.Config) { c.Pools[0].Clients[1].ID = "a-b" }, `client 1: userpool: ID is "a-b"`},
		{func(c *userpool.Config) { c.Pools[0].Clients[1].Secret = "short" }, "client 1: userpool: Secret is not valid"},
	} {
		r := &rig{outbox: &userpool.Outbox{}, dir: auth.NewMemory(), log: &strings.Builder{}}
		cfg := config(r)
		c.change(&cfg)
		_, err := userpool.New(cfg)
		require.ErrorContains(t, err, c.want)
	}
	s, err := userpool.New(userpool.Config{Directory: auth.NewMemory()})
	require.NoError(t, err)
	require.Equal(t, "https://cognito-idp.local.amazonaws.com/local_x", s.IssuerOf("local_x"))
	require.Equal(t, "arn:aws:cognito-idp:local:000000000000:userpool/local_x", s.ARN("local_x"))
}

// TestAttributes: what clients may read and write, and what is verified.
func TestAttributes(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) {
		c.Pools[0].Clients[0].Client.WriteAttributes = []string{"email", "name", "custom:plant", "custom:serial"}
		c.Pools[0].Clients[0].Client.ReadAttributes = []string{"email", "email_verified", "name"}
	})
	r.user("alice", "email", "alice@example.com", "email_verified", "true", "custom:plant", "north")
	got := r.login("alice")
	require.NotContains(t, claims(t, got.IDToken), "custom:plant")
	me, err := r.GetUser(r.ctx, userpool.AccessInput{AccessToken: got.AccessToken})
	require.NoError(t, err)
	require.Equal(t, attrs("sub", value(me.UserAttributes, "sub"), "email", "alice@example.com", "email_verified", "true"), me.UserAttributes)
	update := func(pairs ...string) (userpool.UpdateUserAttributesOutput, error) {
		return r.UpdateUserAttributes(r.ctx, userpool.UpdateUserAttributesInput{AccessToken: got.AccessToken, UserAttributes: attrs(pairs...)})
	}
	_, err = update("custom:serial", "1")
	require.NoError(t, err)
	for _, c := range []struct {
		name, value string
		kind        error
	}{
		{"phone_number", "+491234", userpool.ErrNotAuthorized},
		{"email_verified", "true", userpool.ErrNotAuthorized},
		{"sub", "x", userpool.ErrNotAuthorized},
		{"custom:serial", "2", userpool.ErrInvalid},
		{"email", "x", userpool.ErrInvalid},
		{"custom:plant", "12345678901", userpool.ErrInvalid},
	} {
		_, err := update(c.name, c.value)
		is(t, err, c.kind)
	}
	out, err := update("email", "new@example.com", "name", "Alice", "custom:plant", "")
	require.NoError(t, err)
	require.Equal(t, []userpool.CodeDelivery{{AttributeName: "email", DeliveryMedium: "EMAIL", Destination: "n***@e***"}}, out.CodeDeliveryDetailsList)
	u := r.get("alice")
	require.Equal(t, "false", value(u.UserAttributes, "email_verified"))
	require.Empty(t, value(u.UserAttributes, "custom:plant"))
	_, err = r.try("alice@example.com", goodPass)
	is(t, err, userpool.ErrNotAuthorized)
	_, err = r.try("new@example.com", goodPass)
	is(t, err, userpool.ErrNotAuthorized)
	verify := func(code string) error {
		_, err := r.VerifyUserAttribute(r.ctx, userpool.VerifyUserAttributeInput{AccessToken: got.AccessToken, AttributeName: "email", Code: code})
		return err
	}
	is(t, verify("x"), userpool.ErrCodeMismatch)
	require.NoError(t, verify(r.code("new@example.com")))
	out2, err := r.try("new@example.com", goodPass)
	require.NoError(t, err)
	require.NotNil(t, out2.AuthenticationResult)

	// A code goes with the address that it was sent to.
	_, err = r.GetUserAttributeVerificationCode(r.ctx, userpool.GetUserAttributeVerificationCodeInput{AccessToken: got.AccessToken, AttributeName: "email"})
	require.NoError(t, err)
	old := r.code("new@example.com")
	_, err = r.AdminUpdateUserAttributes(r.ctx, userpool.AdminUpdateUserAttributesInput{UserPoolID: poolID, Username: "alice", UserAttributes: attrs("email", "mallory@example.com")})
	require.NoError(t, err)
	is(t, verify(old), userpool.ErrExpiredCode)
	for _, name := range []string{"name", "phone_number", ""} {
		_, err = r.GetUserAttributeVerificationCode(r.ctx, userpool.GetUserAttributeVerificationCodeInput{AccessToken: got.AccessToken, AttributeName: name})
		is(t, err, userpool.ErrInvalid)
	}
	_, err = r.DeleteUserAttributes(r.ctx, userpool.DeleteUserAttributesInput{AccessToken: got.AccessToken, UserAttributeNames: []string{"email"}})
	require.NoError(t, err)
	require.Empty(t, value(r.get("alice").UserAttributes, "email_verified"))
	_, err = r.AdminDeleteUserAttributes(r.ctx, userpool.AdminDeleteUserAttributesInput{UserPoolID: poolID, Username: "alice", UserAttributeNames: []string{"name"}})
	require.NoError(t, err)
	require.Empty(t, value(r.get("alice").UserAttributes, "name"))
}

func TestAdminRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	for _, c := range []struct {
		pool, name string
		kind       error
	}{{"eu-central-1_none", "alice", userpool.ErrNotFound}, {"x", "alice", userpool.ErrInvalid}, {poolID, "nobody", userpool.ErrUserNotFound}, {poolID, "a b", userpool.ErrInvalid}} {
		in := userpool.UserInput{UserPoolID: c.pool, Username: c.name}
		for _, f := range []func() error{
			func() error { _, err := r.AdminGetUser(r.ctx, in); return err },
			func() error { _, err := r.AdminDeleteUser(r.ctx, in); return err },
			func() error { _, err := r.AdminDisableUser(r.ctx, in); return err },
			func() error { _, err := r.AdminEnableUser(r.ctx, in); return err },
			func() error { _, err := r.AdminUserGlobalSignOut(r.ctx, in); return err },
			func() error {
				_, err := r.AdminConfirmSignUp(r.ctx, userpool.AdminConfirmSignUpInput{UserPoolID: c.pool, Username: c.name})
				return err
			},
			func() error {
				_, err := r.AdminResetUserPassword(r.ctx, userpool.AdminResetUserPasswordInput{UserPoolID: c.pool, Username: c.name})
				return err
			},
			func() error {
				_, err := r.AdminSetUserPassword(r.ctx, userpool.AdminSetUserPasswordInput{UserPoolID: c.pool, Username: c.name, Password: goodPass})
				return err
			},
			func() error {
				_, err := r.AdminUpdateUserAttributes(r.ctx, userpool.AdminUpdateUserAttributesInput{UserPoolID: c.pool, Username: c.name})
				return err
			},
			func() error {
				_, err := r.AdminListGroupsForUser(r.ctx, userpool.AdminListGroupsForUserInput{UserPoolID: c.pool, Username: c.name})
				return err
			},
		} {
			is(t, f(), c.kind)
		}
	}
	for _, c := range []struct {
		in   userpool.AdminCreateUserInput
		kind error
	}{
		{userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "ALICE"}, userpool.ErrUserExists},
		{userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "bob", TemporaryPassword: "short"}, userpool.ErrPassword},
		{userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "bob", MessageAction: "SHOUT"}, userpool.ErrInvalid},
		{userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "bob", DesiredDeliveryMediums: []string{"FAX"}}, userpool.ErrInvalid},
	} {
		_, err := r.AdminCreateUser(r.ctx, c.in)
		is(t, err, c.kind)
	}
	_, err := r.AdminSetUserPassword(r.ctx, userpool.AdminSetUserPasswordInput{UserPoolID: poolID, Username: "alice", Password: "short"})
	is(t, err, userpool.ErrPassword)
}

// TestRace: of many who sign up with one name or confirm one address, one wins.
func TestRace(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) { c.PerUser.Failures = -1 })
	var mu sync.Mutex
	var good int
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := r.signUp("alice", "email", fmt.Sprintf("a%d@example.com", i))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				good++
			} else if !errors.Is(err, userpool.ErrUserExists) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, good)
	good = 0
	for i := range 8 {
		r.user(fmt.Sprint("u", i), "email", "same@example.com")
	}
	for i := range 8 {
		wg.Go(func() {
			_, err := r.AdminUpdateUserAttributes(r.ctx, userpool.AdminUpdateUserAttributesInput{UserPoolID: poolID, Username: fmt.Sprint("u", i), UserAttributes: attrs("email_verified", "true")})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				good++
			} else if !errors.Is(err, userpool.ErrAliasExists) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, good)
	for i := range 8 {
		wg.Go(func() {
			out, err := r.try(fmt.Sprint("u", i%2), goodPass)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := r.Pool(poolID).Verify(r.ctx, out.AuthenticationResult.IDToken); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestRun: logins go once their last token has ended.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *userpool.Config) { c.Now = time.Now })
		r.user("alice")
		for range 3 {
			r.login("alice")
		}
		count := func() (n int) {
			for _, err := range r.dir.Scan(r.ctx, "userpool-login", "") {
				require.NoError(t, err)
				n++
			}
			return n
		}
		require.Equal(t, 6, count())
		done := make(chan error, 1)
		ctx, cancel := contextOf(t)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(30*24*time.Hour + 25*time.Hour)
		synctest.Wait()
		require.Equal(t, 6, count())
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		require.Zero(t, count())
		cancel()
		require.NoError(t, <-done)
	})
}
