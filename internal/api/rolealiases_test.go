package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	roleARN  = "arn:aws:iam::000000000000:role/reader"
	aliasARN = "arn:aws:iot:local:000000000000:rolealias/"
)

func TestRoleAliases(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := s.ControlPlane()
	a := ask(t, h, "POST", "/role-aliases/devices", `{"roleArn":"`+roleARN+`","tags":[{"Key":"a","Value":"1"}]}`)
	require.Equal(t, map[string]any{"roleAlias": "devices", "roleAliasArn": aliasARN + "devices"}, a.body)
	require.Len(t, ask(t, h, "GET", "/tags?resourceArn="+aliasARN+"devices", "").body["tags"], 1)
	a = ask(t, h, "POST", "/role-aliases/devices", `{"roleArn":"`+roleARN+`"}`)
	require.Equal(t, "ResourceAlreadyExistsException", a.body["__type"])
	require.Equal(t, aliasARN+"devices", a.body["resourceArn"])
	require.Equal(t, "devices", a.body["resourceId"])
	a = ask(t, h, "GET", "/role-aliases/devices", "")
	holds(t, `{"roleAliasDescription":{"roleAlias":"devices","roleAliasArn":"`+aliasARN+`devices","roleArn":"`+roleARN+`","owner":"000000000000","credentialDurationSeconds":3600}}`, a.body, a.text)
	require.Equal(t, 200, ask(t, h, "PUT", "/role-aliases/devices", `{"credentialDurationSeconds":900}`).status)
	a = ask(t, h, "PUT", "/role-aliases/devices", `{"roleArn":"`+roleARN+`s"}`)
	require.Equal(t, map[string]any{"roleAlias": "devices", "roleAliasArn": aliasARN + "devices"}, a.body)
	a = ask(t, h, "GET", "/role-aliases/devices", "")
	holds(t, `{"roleAliasDescription":{"roleArn":"`+roleARN+`s","credentialDurationSeconds":900}}`, a.body, a.text)
	require.Contains(t, s.state(t), "\ntags ")
	require.Equal(t, 200, ask(t, h, "DELETE", "/role-aliases/devices", "").status)
	require.NotContains(t, s.state(t), "\ntags ")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		require.Equal(t, 404, ask(t, h, method, "/role-aliases/devices", "").status, method)
	}
	require.Equal(t, 200, ask(t, h, "POST", "/role-aliases/devices", `{"roleArn":"`+roleARN+`","credentialDurationSeconds":43200}`).status)
	require.Equal(t, []any{}, ask(t, h, "GET", "/tags?resourceArn="+aliasARN+"devices", "").body["tags"])
}

func TestRoleAliases_List(t *testing.T) {
	t.Parallel()
	h := newStage(t).ControlPlane()
	require.Equal(t, []any{}, ask(t, h, "GET", "/role-aliases", "").body["roleAliases"])
	for i := range 5 {
		require.Equal(t, 200, ask(t, h, "POST", fmt.Sprint("/role-aliases/a", i), `{"roleArn":"`+roleARN+`"}`).status)
	}
	for query, want := range map[string][]any{
		"":                             {"a4", "a3", "a2", "a1", "a0"},
		"&isAscendingOrder=false":      {"a4", "a3", "a2", "a1", "a0"},
		"&isAscendingOrder=true":       {"a0", "a1", "a2", "a3", "a4"},
		"&isAscendingOrder=true&x=%20": {"a0", "a1", "a2", "a3", "a4"},
	} {
		var got []any
		for marker := ""; ; {
			a := ask(t, h, "GET", "/role-aliases?pageSize=2&marker="+marker+query, "")
			require.Equal(t, 200, a.status, a.text)
			got = append(got, a.body["roleAliases"].([]any)...)
			next, ok := a.body["nextMarker"]
			if !ok {
				break
			}
			marker = next.(string)
		}
		require.Equal(t, want, got, query)
	}
	for _, bad := range []string{"pageSize=0", "pageSize=251", "pageSize=x", "marker=!", "marker=YSBi", "isAscendingOrder=1"} {
		require.Equal(t, 400, ask(t, h, "GET", "/role-aliases?"+bad, "").status, bad)
	}
}

func TestRoleAliases_Hostile(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h := s.ControlPlane()
	require.Equal(t, 200, ask(t, h, "POST", "/role-aliases/there", `{"roleArn":"`+roleARN+`"}`).status)
	before := s.state(t)
	for _, c := range [][3]string{
		{"a", ``, "roleArn is missing"},
		{"a", `{"roleArn":"reader"}`, "roleArn"},
		{"a", `{"roleArn":"arn:aws:iam::123456789012:role/other"}`, "roleArn"},
		{"a", `{"roleArn":"` + roleARN + strings.Repeat("x", 2048) + `"}`, "roleArn"},
		{"a", `{"roleArn":"` + roleARN + `","credentialDurationSeconds":899}`, "credentialDurationSeconds"},
		{"a", `{"roleArn":"` + roleARN + `","credentialDurationSeconds":0}`, "credentialDurationSeconds"},
		{"a", `{"roleArn":"` + roleARN + `","credentialDurationSeconds":43201}`, "credentialDurationSeconds"},
		// Times a thousand million this is 3600 seconds, if nobody looks.
		{"a", `{"roleArn":"` + roleARN + `","credentialDurationSeconds":36028797018967568}`, "credentialDurationSeconds"},
		{"a", `{"roleArn":"` + roleARN + `","credentialDurationSeconds":1e30}`, "credentialDurationSeconds"},
		{"a", `{"roleArn":"` + roleARN + `","credentialDurationSeconds":3600.5}`, "credentialDurationSeconds"},
		{"a", `{"roleArn":"` + roleARN + `","credentialDurationSeconds":"3600"}`, "credentialDurationSeconds"},
		{"a", `{"roleArn":"` + roleARN + `","RoleArn":"x"}`, "RoleArn"},
		{"a%20b", `{"roleArn":"` + roleARN + `"}`, "roleAlias"},
		{"a%2Fb", `{"roleArn":"` + roleARN + `"}`, "roleAlias"},
		{"a%00", `{"roleArn":"` + roleARN + `"}`, "roleAlias"},
		{strings.Repeat("a", 129), `{"roleArn":"` + roleARN + `"}`, "roleAlias"},
		{"there", `{"roleArn":"` + roleARN + `","tags":[{"Key":"aws:a"}]}`, "reserved"},
	} {
		a := ask(t, h, "POST", "/role-aliases/"+c[0], c[1])
		require.Equal(t, 400, a.status, "%s: %s", c[1], a.text)
		require.Contains(t, a.body["message"], c[2])
	}
	for _, text := range []string{`{"credentialDurationSeconds":-1}`, `{"roleArn":"x"}`, `{"credentialDurationSeconds":36028797018967568}`} {
		require.Equal(t, 400, ask(t, h, "PUT", "/role-aliases/there", text).status, text)
	}
	require.Equal(t, before, s.state(t))
}
