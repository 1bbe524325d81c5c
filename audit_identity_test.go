package thinghub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/userpool"
)

// Sign-ins, and what administrators of logins do, are in the audit log of the hub and in its
// counts.
func TestAudit_Identity(t *testing.T) {
	t.Parallel()
	log, own := &trail{}, &trail{}
	g := newGuarded(t, func(c *thinghub.Config) {
		c.Audit = log.audit
		c.UserPoolConfig = userpool.Config{Hash: userpool.HashParams{Memory: 64, Time: 1}, Audit: own.audit}
	})
	ctx := t.Context()
	people, err := g.UserPools().CreateUserPool(ctx, userpool.CreateUserPoolInput{PoolName: "people"})
	require.NoError(t, err)
	pool := people.UserPool.ID
	app, err := g.UserPools().CreateUserPoolClient(ctx, userpool.CreateUserPoolClientInput{UserPoolID: pool, ClientSettings: userpool.ClientSettings{
		ClientName: "app", ExplicitAuthFlows: []string{"ALLOW_USER_PASSWORD_AUTH"},
	}})
	require.NoError(t, err)
	_, err = g.UserPools().AdminCreateUser(ctx, userpool.AdminCreateUserInput{UserPoolID: pool, Username: "alice", MessageAction: "SUPPRESS"})
	require.NoError(t, err)
	_, err = g.UserPools().AdminSetUserPassword(ctx, userpool.AdminSetUserPasswordInput{UserPoolID: pool, Username: "alice", Password: "Correct-horse-1", Permanent: true})
	require.NoError(t, err)
	guests, err := g.IdentityPools().CreateIdentityPool(ctx, identitypool.Pool{Name: "app"})
	require.NoError(t, err)
	key, secret, err := g.AccessKeys().Create(ctx, "admin")
	require.NoError(t, err)
	g.policy(t, "admin", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"cognito-idp:*","Resource":"*"},{"Sid":"Stay","Effect":"Deny","Action":["cognito-idp:AdminDeleteUser","cognito-identity:*","sts:AssumeRole"],"Resource":"*"}]}`, g.AccessKeys().ARN("admin"))

	ask := func(service, target, contentType, body string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://hub.test/", strings.NewReader(body))
		require.NoError(t, err)
		r.RemoteAddr = "192.0.2.7:4711"
		r.Header.Set("Content-Type", contentType)
		if target != "" {
			r.Header.Set("X-Amz-Target", target)
		}
		if service != "" {
			require.NoError(t, sigv4.Signer{ID: key.ID, Secret: secret, Region: "local", Service: service}.Sign(r, []byte(body)))
		}
		return serve(g.Handler(), r).Code
	}
	const js, idp, pools = "application/x-amz-json-1.1", "AWSCognitoIdentityProviderService.", "AWSCognitoIdentityService."
	require.Equal(t, 400, ask("", idp+"InitiateAuth", js, `{"ClientId":"`+app.UserPoolClient.ClientID+`","AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{"USERNAME":"alice","PASSWORD":"Wrong-horse-1"}}`))
	e := log.next(t, "cognito-idp", "InitiateAuth", auth.Refused)
	require.Equal(t, "alice", e.User)
	require.Contains(t, e.Why(), "the password is wrong")
	require.NotContains(t, fmt.Sprint(*e, e.Why()), "Wrong-horse-1")
	require.Equal(t, e, own.next(t, "cognito-idp", "InitiateAuth", auth.Refused), "who asks for the events of one room gets these too")

	user := `{"UserPoolId":"` + pool + `","Username":"alice"}`
	require.Equal(t, 200, ask("cognito-idp", idp+"AdminGetUser", js, user))
	e = log.next(t, "cognito-idp", "AdminGetUser", auth.Accepted)
	require.Equal(t, g.AccessKeys().ARN("admin"), e.PrincipalARN)
	require.Equal(t, "192.0.2.7:4711", e.RemoteAddr)
	require.Equal(t, 400, ask("cognito-idp", idp+"AdminDeleteUser", js, user))
	e = log.next(t, "cognito-idp", "AdminDeleteUser", auth.Forbidden)
	require.Equal(t, g.AccessKeys().ARN("admin"), e.PrincipalARN)
	require.Equal(t, g.UserPools().ARN(pool), e.Resource)
	require.Contains(t, e.Why(), "Stay")

	require.Equal(t, 400, ask("", pools+"GetId", js, `{"IdentityPoolId":"`+guests.ID+`"}`))
	require.Contains(t, log.next(t, "cognito-identity", "GetId", auth.Refused).Why(), "Unauthenticated access is not supported")
	require.Equal(t, 400, ask("cognito-identity", pools+"DescribeIdentityPool", js, `{"IdentityPoolId":"`+guests.ID+`"}`))
	require.Contains(t, log.next(t, "cognito-identity", "DescribeIdentityPool", auth.Forbidden).Why(), "Stay")

	const form = "application/x-www-form-urlencoded"
	require.Equal(t, 200, ask("sts", "", form, "Action=GetCallerIdentity&Version=2011-06-15"))
	log.next(t, "sts", "GetCallerIdentity", auth.Accepted)
	require.Equal(t, 403, ask("sts", "", form, "Action=AssumeRole&Version=2011-06-15&RoleSessionName=admin&RoleArn="+g.Roles().RoleARN("reader")))
	e = log.next(t, "sts", "AssumeRole", auth.Forbidden)
	require.Equal(t, g.Roles().RoleARN("reader"), e.Resource)
	require.Contains(t, e.Why(), "Stay")

	counts := map[string]uint64{}
	for _, n := range g.AuthCounts() {
		counts[fmt.Sprint(n.Service, " ", n.Operation, " ", n.Outcome)] = n.Number
	}
	require.EqualValues(t, 1, counts["cognito-idp InitiateAuth refused"])
	require.EqualValues(t, 1, counts["cognito-identity GetId refused"])
	require.EqualValues(t, 1, counts["sts AssumeRole forbidden"])
}
