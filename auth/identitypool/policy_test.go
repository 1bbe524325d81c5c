package identitypool_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
)

// What the policies of a role ask about an identity is answered: its id, its pool and how it
// has signed in. And one that has signed in needs an IoT policy besides.
func TestPoliciesOfIdentities(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := newRig(t)
	rights, err := access.New(access.Config{Directory: r.dir, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	const scope = "arn:aws:iot:local:000000000000:"
	for name, text := range map[string]string{
		"in": `{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": "iot:Publish", "Resource": "` + scope + `topic/${cognito-identity.amazonaws.com:sub}/*",
			 "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": "` + r.pool.ID + `"}}},
			{"Effect": "Allow", "Action": "iot:Publish", "Resource": "` + scope + `topic/google",
			 "Condition": {"ForAnyValue:StringEquals": {"cognito-identity.amazonaws.com:amr": "accounts.google.com"}}},
			{"Effect": "Allow", "Action": "iot:Publish", "Resource": "` + scope + `topic/facebook",
			 "Condition": {"ForAnyValue:StringEquals": {"cognito-identity.amazonaws.com:amr": "graph.facebook.com"}}}]}`,
		"out": `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:Publish", "Resource": "` + scope + `topic/guests",
			"Condition": {"ForAnyValue:StringEquals": {"cognito-identity.amazonaws.com:amr": "unauthenticated"}}}}`,
		"all": `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}}`,
	} {
		_, err := rights.CreatePolicy(ctx, name, text)
		require.NoError(t, err)
	}
	require.NoError(t, rights.AttachPolicy(ctx, "in", r.roles.RoleARN("signed-in")))
	require.NoError(t, rights.AttachPolicy(ctx, "out", r.roles.RoleARN("guest")))
	may := func(who *auth.Identity, topic string) bool {
		err := rights.Authorize(ctx, who, &auth.Request{Action: auth.Publish, Resource: topic, Conn: auth.Conn{ClientID: "app"}})
		if err != nil {
			require.ErrorIs(t, err, auth.ErrDenied)
		}
		return err == nil
	}
	logins := login(t, google, "anna,graph.facebook.com")
	id := r.identity(t, logins)
	c, err := r.GetCredentialsForIdentity(ctx, id, logins, "")
	require.NoError(t, err)
	anna := r.key(t, c)
	require.False(t, may(anna, id+"/x"), "without an IoT policy of its own")
	require.NoError(t, rights.AttachPolicy(ctx, "all", id))
	require.True(t, may(anna, id+"/x"))
	require.True(t, may(anna, "google"))
	require.False(t, may(anna, "facebook"), "a subject does not speak for a provider")
	require.False(t, may(anna, r.identity(t, login(t, google, "bob"))+"/x"))
	require.False(t, may(anna, "guests"))

	guestID := r.identity(t, nil)
	c, err = r.GetCredentialsForIdentity(ctx, guestID, nil, "")
	require.NoError(t, err)
	guest := r.key(t, c)
	require.True(t, may(guest, "guests"))
	require.False(t, may(guest, guestID+"/x"))
	require.False(t, may(guest, "google"))
}
