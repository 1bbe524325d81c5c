package auth_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
)

func TestNobody(t *testing.T) {
	t.Parallel()
	m := auth.Nobody{}
	id, err := m.Authenticate(t.Context(), &auth.Credentials{Username: "admin", Password: []byte("admin")})
	require.Nil(t, id)
	require.ErrorIs(t, err, auth.ErrNotAuthorized)
	require.True(t, m.Immediate())

	err = m.Authorize(t.Context(), &auth.Identity{Principal: "admin"}, &auth.Request{Action: auth.Publish, Resource: "a/b"})
	require.ErrorIs(t, err, auth.ErrDenied)
	d, ok := errors.AsType[*auth.Denied](err)
	require.True(t, ok)
	require.Equal(t, auth.Publish, d.Action)
	require.Equal(t, `auth: iot:Publish on "a/b" is denied: nobody is provisioned in this hub`, err.Error())
}

func TestInsecureAllowAll(t *testing.T) {
	t.Parallel()
	var a auth.InsecureAllowAll
	id, err := a.Authenticate(t.Context(), &auth.Credentials{})
	require.NoError(t, err)
	require.Equal(t, "anonymous", id.Principal)
	id, err = a.Authenticate(t.Context(), &auth.Credentials{Username: "alice", Password: []byte("whatever")})
	require.NoError(t, err)
	require.Equal(t, "alice", id.Principal)
	require.NoError(t, a.Authorize(t.Context(), id, &auth.Request{Action: "iot:Anything"}))
	s, err := a.Open(t.Context(), id, &auth.Conn{})
	require.NoError(t, err)
	require.NoError(t, s.Allow(auth.Receive, "a"))
	s.Close()
	require.True(t, a.Immediate())
}

func TestBareName(t *testing.T) {
	t.Parallel()
	for username, want := range map[string]string{"": "", "a": "a", "a?SDK=x": "a", "a?b?c": "a", "?token=t": ""} {
		require.Equal(t, want, auth.BareName(username))
	}
}
