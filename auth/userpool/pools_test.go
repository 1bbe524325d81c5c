package userpool_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/userpool"
)

func TestPools(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.open() // what is there is not made anew
	got, err := r.CreateUserPool(r.ctx, userpool.CreateUserPoolInput{PoolName: "people"})
	require.NoError(t, err)
	p := got.UserPool
	require.Regexp(t, `^eu-central-1_[0-9A-Za-z]{9}$`, p.ID)
	require.Equal(t, "OFF", p.MfaConfiguration)
	require.Equal(t, userpool.PasswordPolicy{MinimumLength: 8, RequireUppercase: true, RequireLowercase: true, RequireNumbers: true, RequireSymbols: true, TemporaryPasswordValidityDays: 7}, p.Policies.PasswordPolicy)
	require.Equal(t, r.ARN(p.ID), p.Arn)
	require.Equal(t, "sub", p.SchemaAttributes[0].Name)
	again, err := r.DescribeUserPool(r.ctx, userpool.PoolInput{UserPoolID: p.ID})
	require.NoError(t, err)
	require.Equal(t, got, again)

	in := userpool.UpdateUserPoolInput{UserPoolID: p.ID}
	in.DeletionProtection, in.Policies.PasswordPolicy = "ACTIVE", userpool.PasswordPolicy{MinimumLength: 12}
	_, err = r.UpdateUserPool(r.ctx, in)
	require.NoError(t, err)
	_, err = r.DeleteUserPool(r.ctx, userpool.PoolInput{UserPoolID: p.ID})
	is(t, err, userpool.ErrInvalid, "protection")
	in.DeletionProtection = ""
	_, err = r.UpdateUserPool(r.ctx, in)
	require.NoError(t, err)
	_, err = r.AddCustomAttributes(r.ctx, userpool.AddCustomAttributesInput{UserPoolID: p.ID, CustomAttributes: []userpool.SchemaAttribute{{Name: "x", AttributeDataType: "Boolean"}}})
	require.NoError(t, err)
	_, err = r.AddCustomAttributes(r.ctx, userpool.AddCustomAttributesInput{UserPoolID: p.ID, CustomAttributes: []userpool.SchemaAttribute{{Name: "x"}}})
	is(t, err, userpool.ErrInvalid, "once")
	_, err = r.AddCustomAttributes(r.ctx, userpool.AddCustomAttributesInput{UserPoolID: p.ID})
	is(t, err, userpool.ErrInvalid)

	// Pages.
	var ids []string
	for in := (userpool.ListUserPoolsInput{MaxResults: 1}); ; {
		out, err := r.ListUserPools(r.ctx, in)
		require.NoError(t, err)
		for _, d := range out.UserPools {
			ids = append(ids, d.ID)
		}
		if in.NextToken = out.NextToken; in.NextToken == "" {
			break
		}
	}
	require.ElementsMatch(t, []string{poolID, p.ID}, ids)
	for _, bad := range []userpool.ListUserPoolsInput{{MaxResults: -1}, {MaxResults: 61}, {NextToken: "!"}} {
		_, err := r.ListUserPools(r.ctx, bad)
		is(t, err, userpool.ErrInvalid)
	}

	// Nothing of a pool is left.
	r.user("alice", "email", "alice@example.com")
	r.login("alice")
	_, err = r.CreateGroup(r.ctx, userpool.GroupInput{UserPoolID: poolID, GroupName: "g"})
	require.NoError(t, err)
	_, err = r.AdminAddUserToGroup(r.ctx, userpool.MemberInput{UserPoolID: poolID, GroupName: "g", Username: "alice"})
	require.NoError(t, err)
	for _, id := range ids {
		_, err = r.DeleteUserPool(r.ctx, userpool.PoolInput{UserPoolID: id})
		require.NoError(t, err)
		_, err = r.DescribeUserPool(r.ctx, userpool.PoolInput{UserPoolID: id})
		is(t, err, userpool.ErrNotFound)
	}
	r.pass(40 * 24 * time.Hour)
	require.NoError(t, userpool.Sweep(r.ctx, r.Service))
	for rec, err := range r.dir.Scan(r.ctx, "", "") {
		require.NoError(t, err)
		require.Fail(t, "left", "%q", rec.Key)
	}

	for _, bad := range []userpool.CreateUserPoolInput{
		{},
		{PoolName: "a/b"},
		{PoolName: "a", AliasAttributes: []string{"email"}, UsernameAttributes: []string{"email"}},
		{PoolName: "a", AliasAttributes: []string{"name"}},
		{PoolName: "a", UsernameAttributes: []string{"email", "email"}},
		{PoolName: "a", PoolSettings: userpool.PoolSettings{MfaConfiguration: "MAYBE"}},
		{PoolName: "a", PoolSettings: userpool.PoolSettings{AutoVerifiedAttributes: []string{"name"}}},
		{PoolName: "a", PoolSettings: userpool.PoolSettings{EmailVerificationMessage: strings.Repeat("x", 20_001)}},
		{PoolName: "a", Schema: []userpool.SchemaAttribute{{Name: "a b"}}},
		{PoolName: "a", Schema: []userpool.SchemaAttribute{{Name: "x", Required: true}}},
		{PoolName: "a", Schema: []userpool.SchemaAttribute{{Name: "x", AttributeDataType: "List"}}},
		{PoolName: "a", Schema: []userpool.SchemaAttribute{{Name: "x", StringAttributeConstraints: &userpool.StringConstraints{MinLength: "5", MaxLength: "4"}}}},
		{PoolName: "a", Schema: []userpool.SchemaAttribute{{Name: "x", NumberAttributeConstraints: &userpool.NumberConstraints{MinValue: "x"}}}},
		{PoolName: "a", Schema: make([]userpool.SchemaAttribute, 51)},
	} {
		_, err := r.CreateUserPool(r.ctx, bad)
		is(t, err, userpool.ErrInvalid)
	}
}

func TestClients(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	create := func(change func(c *userpool.CreateUserPoolClientInput)) (userpool.UserPoolClient, error) {
		in := userpool.CreateUserPoolClientInput{UserPoolID: poolID, ClientSettings: userpool.ClientSettings{ClientName: "c"}}
		if change != nil {
			change(&in)
		}
		out, err := r.CreateUserPoolClient(r.ctx, in)
		return out.UserPoolClient, err
	}
	c, err := create(nil)
	require.NoError(t, err)
	require.Regexp(t, `^[0-9a-z]{26}$`, c.ClientID)
	require.Empty(t, c.ClientSecret)
	require.Equal(t, []string{"ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}, c.ExplicitAuthFlows)
	require.Equal(t, 30, c.RefreshTokenValidity)
	require.Equal(t, &userpool.TokenValidityUnits{AccessToken: "hours", IDToken: "hours", RefreshToken: "days"}, c.TokenValidityUnits)
	require.Equal(t, "ENABLED", c.PreventUserExistenceErrors)
	require.True(t, *c.EnableTokenRevocation)
	web, err := create(func(c *userpool.CreateUserPoolClientInput) { c.GenerateSecret = true })
	require.NoError(t, err)
	require.Regexp(t, `^[0-9a-z]{52}$`, web.ClientSecret)
	got, err := r.DescribeUserPoolClient(r.ctx, userpool.ClientInput{UserPoolID: poolID, ClientID: web.ClientID})
	require.NoError(t, err)
	require.Equal(t, web, got.UserPoolClient)
	up, err := r.UpdateUserPoolClient(r.ctx, userpool.UpdateUserPoolClientInput{UserPoolID: poolID, ClientID: web.ClientID, ClientSettings: userpool.ClientSettings{AccessTokenValidity: 10, TokenValidityUnits: &userpool.TokenValidityUnits{AccessToken: "minutes"}}})
	require.NoError(t, err)
	require.Equal(t, web.ClientSecret, up.UserPoolClient.ClientSecret)
	require.Equal(t, "c", up.UserPoolClient.ClientName)
	require.Equal(t, 10, up.UserPoolClient.AccessTokenValidity)

	var ids []string
	for in := (userpool.ListUserPoolClientsInput{UserPoolID: poolID, MaxResults: 3}); ; {
		out, err := r.ListUserPoolClients(r.ctx, in)
		require.NoError(t, err)
		for _, d := range out.UserPoolClients {
			ids = append(ids, d.ClientID)
		}
		if in.NextToken = out.NextToken; in.NextToken == "" {
			break
		}
	}
	require.ElementsMatch(t, []string{appID, secretID, c.ClientID, web.ClientID}, ids)
	_, err = r.DeleteUserPoolClient(r.ctx, userpool.ClientInput{UserPoolID: poolID, ClientID: web.ClientID})
	require.NoError(t, err)
	_, err = r.DescribeUserPoolClient(r.ctx, userpool.ClientInput{UserPoolID: poolID, ClientID: web.ClientID})
	is(t, err, userpool.ErrNotFound)

	for name, bad := range map[string]func(c *userpool.CreateUserPoolClientInput){
		"no name": func(c *userpool.CreateUserPoolClientInput) { c.ClientName = "" },
		"flow":    func(c *userpool.CreateUserPoolClientInput) { c.ExplicitAuthFlows = []string{"ALLOW_ALL"} },
		"unit": func(c *userpool.CreateUserPoolClientInput) {
			c.TokenValidityUnits = &userpool.TokenValidityUnits{AccessToken: "weeks"}
		},
		"too short": func(c *userpool.CreateUserPoolClientInput) {
			c.IDTokenValidity, c.TokenValidityUnits = 299, &userpool.TokenValidityUnits{IDToken: "seconds"}
		},
		"too long":      func(c *userpool.CreateUserPoolClientInput) { c.AccessTokenValidity = 25 },
		"much too long": func(c *userpool.CreateUserPoolClientInput) { c.RefreshTokenValidity = 1 << 62 },
		"negative":      func(c *userpool.CreateUserPoolClientInput) { c.RefreshTokenValidity = -1 },
		"beyond refresh": func(c *userpool.CreateUserPoolClientInput) {
			c.RefreshTokenValidity, c.AccessTokenValidity, c.TokenValidityUnits = 1, 2, &userpool.TokenValidityUnits{RefreshToken: "hours"}
		},
		"read":      func(c *userpool.CreateUserPoolClientInput) { c.ReadAttributes = []string{"custom:none"} },
		"write":     func(c *userpool.CreateUserPoolClientInput) { c.WriteAttributes = []string{"none"} },
		"callback":  func(c *userpool.CreateUserPoolClientInput) { c.CallbackURLs = []string{"http://example.com/x"} },
		"relative":  func(c *userpool.CreateUserPoolClientInput) { c.CallbackURLs = []string{"/x"} },
		"fragment":  func(c *userpool.CreateUserPoolClientInput) { c.LogoutURLs = []string{"https://example.com/x#y"} },
		"redirect":  func(c *userpool.CreateUserPoolClientInput) { c.DefaultRedirectURI = "https://example.com" },
		"oauth":     func(c *userpool.CreateUserPoolClientInput) { c.AllowedOAuthFlows = []string{"password"} },
		"existence": func(c *userpool.CreateUserPoolClientInput) { c.PreventUserExistenceErrors = "NO" },
		"session":   func(c *userpool.CreateUserPoolClientInput) { c.AuthSessionValidity = 16 },
		"rotation": func(c *userpool.CreateUserPoolClientInput) {
			c.RefreshTokenRotation = &userpool.RefreshTokenRotation{Feature: "YES"}
		},
		"rotation's grace": func(c *userpool.CreateUserPoolClientInput) {
			c.RefreshTokenRotation = &userpool.RefreshTokenRotation{RetryGracePeriodSeconds: 61}
		},
	} {
		_, err := create(bad)
		require.ErrorIs(t, err, userpool.ErrInvalid, name)
	}
	_, err = create(func(c *userpool.CreateUserPoolClientInput) { c.UserPoolID = "eu-central-1_none" })
	is(t, err, userpool.ErrNotFound)
}
