package userpool_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/userpool"
)

func TestGroups(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"alice", "bob", "carol"} {
		r.user(name)
	}
	member := func(group, name string) userpool.MemberInput {
		return userpool.MemberInput{UserPoolID: poolID, GroupName: group, Username: name}
	}
	one := 1
	g, err := r.CreateGroup(r.ctx, userpool.GroupInput{UserPoolID: poolID, GroupName: "staff", Description: "who works here", Precedence: &one})
	require.NoError(t, err)
	require.Equal(t, 1, *g.Group.Precedence)
	_, err = r.CreateGroup(r.ctx, userpool.GroupInput{UserPoolID: poolID, GroupName: "staff"})
	is(t, err, userpool.ErrGroupExists)
	u, err := r.UpdateGroup(r.ctx, userpool.GroupInput{UserPoolID: poolID, GroupName: "staff", RoleArn: "arn:aws:iam::123456789012:role/staff"})
	require.NoError(t, err)
	require.Equal(t, "who works here", u.Group.Description)
	d, err := r.GetGroup(r.ctx, userpool.GroupName{UserPoolID: poolID, GroupName: "staff"})
	require.NoError(t, err)
	require.Equal(t, u, d)
	for _, name := range []string{"alice", "bob", "carol"} {
		_, err = r.AdminAddUserToGroup(r.ctx, member("staff", name))
		require.NoError(t, err)
	}
	_, err = r.AdminAddUserToGroup(r.ctx, member("staff", "alice"))
	require.NoError(t, err, "again")
	_, err = r.AdminRemoveUserFromGroup(r.ctx, member("staff", "bob"))
	require.NoError(t, err)
	members := func(group string) (names []string) {
		for in := (userpool.ListUsersInGroupInput{UserPoolID: poolID, GroupName: group, Limit: 1}); ; {
			out, err := r.ListUsersInGroup(r.ctx, in)
			require.NoError(t, err)
			for _, u := range out.Users {
				names = append(names, u.Username)
			}
			if in.NextToken = out.NextToken; in.NextToken == "" {
				return names
			}
		}
	}
	require.Equal(t, []string{"alice", "carol"}, members("staff"))
	_, err = r.AdminDeleteUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "carol"})
	require.NoError(t, err)
	r.user("carol")
	require.Equal(t, []string{"alice"}, members("staff"))

	// A group that is made anew has no members.
	_, err = r.DeleteGroup(r.ctx, userpool.GroupName{UserPoolID: poolID, GroupName: "staff"})
	require.NoError(t, err)
	require.NotContains(t, claims(t, r.login("alice").IDToken), "cognito:groups")
	_, err = r.CreateGroup(r.ctx, userpool.GroupInput{UserPoolID: poolID, GroupName: "staff"})
	require.NoError(t, err)
	require.Empty(t, members("staff"))
	require.NotContains(t, claims(t, r.login("alice").IDToken), "cognito:groups")

	for i := range 5 {
		name := fmt.Sprint("g", i)
		_, err = r.CreateGroup(r.ctx, userpool.GroupInput{UserPoolID: poolID, GroupName: name})
		require.NoError(t, err)
		_, err = r.AdminAddUserToGroup(r.ctx, member(name, "alice"))
		require.NoError(t, err)
	}
	for size := 1; size <= 7; size++ {
		var of, all []string
		for in := (userpool.AdminListGroupsForUserInput{UserPoolID: poolID, Username: "alice", Limit: size}); ; {
			out, err := r.AdminListGroupsForUser(r.ctx, in)
			require.NoError(t, err)
			for _, g := range out.Groups {
				of = append(of, g.GroupName)
			}
			if in.NextToken = out.NextToken; in.NextToken == "" {
				break
			}
		}
		for in := (userpool.ListGroupsInput{UserPoolID: poolID, Limit: size}); ; {
			out, err := r.ListGroups(r.ctx, in)
			require.NoError(t, err)
			for _, g := range out.Groups {
				all = append(all, g.GroupName)
			}
			if in.NextToken = out.NextToken; in.NextToken == "" {
				break
			}
		}
		require.Equal(t, []string{"g0", "g1", "g2", "g3", "g4"}, of)
		require.Equal(t, []string{"g0", "g1", "g2", "g3", "g4", "staff"}, all)
	}
	negative := -1
	for _, bad := range []userpool.GroupInput{
		{UserPoolID: poolID},
		{UserPoolID: poolID, GroupName: "a b"},
		{UserPoolID: poolID, GroupName: "a", RoleArn: "role/x"},
		{UserPoolID: poolID, GroupName: "a", Precedence: &negative},
		{UserPoolID: poolID, GroupName: "a", Description: strings.Repeat("x", 2049)},
	} {
		_, err := r.CreateGroup(r.ctx, bad)
		is(t, err, userpool.ErrInvalid)
	}
	for _, f := range []func() error{
		func() error {
			_, err := r.GetGroup(r.ctx, userpool.GroupName{UserPoolID: poolID, GroupName: "none"})
			return err
		},
		func() error {
			_, err := r.DeleteGroup(r.ctx, userpool.GroupName{UserPoolID: poolID, GroupName: "none"})
			return err
		},
		func() error {
			_, err := r.UpdateGroup(r.ctx, userpool.GroupInput{UserPoolID: poolID, GroupName: "none"})
			return err
		},
		func() error { _, err := r.AdminAddUserToGroup(r.ctx, member("none", "alice")); return err },
		func() error { _, err := r.AdminRemoveUserFromGroup(r.ctx, member("none", "alice")); return err },
		func() error {
			_, err := r.ListUsersInGroup(r.ctx, userpool.ListUsersInGroupInput{UserPoolID: poolID, GroupName: "none"})
			return err
		},
	} {
		is(t, f(), userpool.ErrNotFound)
	}
	_, err = r.AdminAddUserToGroup(r.ctx, member("staff", "nobody"))
	is(t, err, userpool.ErrUserNotFound)
}

func TestListUsers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 12 {
		name := fmt.Sprintf("User%02d", i)
		_, err := r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: name, MessageAction: "SUPPRESS", UserAttributes: attrs("email", fmt.Sprintf("m%d@example.com", i%4), "name", `A "quoted" \name`, "phone_number", fmt.Sprintf("+4912%02d", i))})
		require.NoError(t, err)
	}
	_, err := r.AdminDisableUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "user03"})
	require.NoError(t, err)
	r.setPassword("user05", goodPass)
	list := func(filter string, size int) (names []string) {
		t.Helper()
		for in := (userpool.ListUsersInput{UserPoolID: poolID, Filter: filter, Limit: size}); ; {
			out, err := r.ListUsers(r.ctx, in)
			require.NoError(t, err)
			require.LessOrEqual(t, len(out.Users), size)
			for _, u := range out.Users {
				names = append(names, strings.TrimPrefix(u.Username, "User"))
			}
			if in.PaginationToken = out.PaginationToken; in.PaginationToken == "" {
				return names
			}
		}
	}
	sub := value(r.get("user07").UserAttributes, "sub")
	for filter, want := range map[string]string{
		"":                                "00 01 02 03 04 05 06 07 08 09 10 11",
		`username = "user04"`:             "04",
		`username ^= "USER1"`:             "10 11",
		`email = "m1@example.com"`:        "01 05 09",
		`email ^= "m"`:                    "00 04 08 01 05 09 02 06 10 03 07 11",
		`"email" ^= "m2"`:                 "02 06 10",
		`email = "m"`:                     "",
		`phone_number ^= "+49121"`:        "10 11",
		`name = "A \"quoted\" \\name"`:    "00 01 02 03 04 05 06 07 08 09 10 11",
		`status = "Disabled"`:             "03",
		`cognito:user_status="CONFIRMED"`: "05",
		`sub = "` + sub + `"`:             "07",
		`sub ^= "` + sub[:30] + `"`:       "07",
		`sub = "x"`:                       "",
		`given_name ^= ""`:                "",
	} {
		for _, size := range []int{1, 2, 5, 60} {
			require.Equal(t, want, strings.Join(list(filter, size), " "), filter)
		}
	}
	out, err := r.ListUsers(r.ctx, userpool.ListUsersInput{UserPoolID: poolID, Limit: 1, AttributesToGet: []string{"email"}})
	require.NoError(t, err)
	require.Equal(t, attrs("email", "m0@example.com"), out.Users[0].Attributes)
	for _, bad := range []userpool.ListUsersInput{
		{UserPoolID: poolID, Filter: "x"},
		{UserPoolID: poolID, Filter: `custom:plant = "x"`},
		{UserPoolID: poolID, Filter: `email = "x`},
		{UserPoolID: poolID, Filter: `email = "` + strings.Repeat("x", 256) + `"`},
		{UserPoolID: poolID, Limit: 61},
		{UserPoolID: poolID, Limit: -1},
		{UserPoolID: poolID, PaginationToken: "!"},
		{UserPoolID: poolID, PaginationToken: "eA"},
		{UserPoolID: poolID, Filter: `email = "x"`, PaginationToken: out.PaginationToken},
	} {
		_, err := r.ListUsers(r.ctx, bad)
		is(t, err, userpool.ErrInvalid)
	}
	_, err = r.AdminUpdateUserAttributes(r.ctx, userpool.AdminUpdateUserAttributesInput{UserPoolID: poolID, Username: "user01", UserAttributes: attrs("email", "new@example.com")})
	require.NoError(t, err)
	_, err = r.AdminDeleteUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "user09"})
	require.NoError(t, err)
	require.Equal(t, []string{"05"}, list(`email = "m1@example.com"`, 60), "the index follows")
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{`email = "x"`, `name ^= "a\"b\\"`, ``, `"sub"="x"`, `x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, _, _, err := userpool.ParseFilter(text)
		if err == nil && strings.TrimSpace(text) != "" {
			require.NotEmpty(t, name)
		}
	})
}
