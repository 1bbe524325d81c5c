package interop_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity/types"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	idptypes "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub"
	"github.com/thinghub/thinghub/auth"
)

// TestSignInUserPool: somebody of the hub's own user pool signs in by SRP with a client of
// AWS's, and goes all the way.
func TestSignInUserPool(t *testing.T) {
	t.Parallel()
	require.DirExists(t, "node_modules", "install the packages with: make test (or scripts/testdeps.sh)")
	ctx := t.Context()
	h := newSignIn(t)
	directory := auth.NewMemory()
	h.start(t, func(c *thinghub.Config) { c.Directory = directory })
	c := cognito.NewFromConfig(h.config(aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}))
	made, err := c.CreateUserPool(ctx, &cognito.CreateUserPoolInput{PoolName: aws.String("people")})
	require.NoError(t, err)
	people := made.UserPool.Id
	client := func(name string) string {
		made, err := c.CreateUserPoolClient(ctx, &cognito.CreateUserPoolClientInput{UserPoolId: people, ClientName: &name, ExplicitAuthFlows: []idptypes.ExplicitAuthFlowsType{idptypes.ExplicitAuthFlowsTypeAllowUserSrpAuth}})
		require.NoError(t, err)
		return *made.UserPoolClient.ClientId
	}
	app, other := client("app"), client("other")
	_, err = c.AdminCreateUser(ctx, &cognito.AdminCreateUserInput{UserPoolId: people, Username: aws.String("alice"), MessageAction: idptypes.MessageActionTypeSuppress})
	require.NoError(t, err)
	_, err = c.AdminSetUserPassword(ctx, &cognito.AdminSetUserPasswordInput{UserPoolId: people, Username: aws.String("alice"), Password: aws.String("Passw0rd!"), Permanent: true})
	require.NoError(t, err)
	provider := "cognito-idp." + region + ".amazonaws.com/" + *people
	h.makePool(t, cognitoidentity.CreateIdentityPoolInput{CognitoIdentityProviders: []types.CognitoIdentityProvider{{ProviderName: &provider, ClientId: &app}}})

	srp := func(client string) (got struct{ ID, Access string }) {
		p := beginWith(t, awsEnv, "node", "testdata/signin.js", h.url, *people, client, "alice", "Passw0rd!")
		require.Zero(t, p.wait(t), "%s", p.errors)
		require.NoError(t, json.Unmarshal([]byte(p.lines.next(t)), &got))
		return got
	}
	got := srp(app)
	identity := h.travels(t, provider, got.ID)
	h.takesRole(t, provider, app, got.ID, nil)
	bad := append(spoilt(t, got.ID),
		badLogin{"access token", got.Access, saysInvalid, stsInvalid},
		badLogin{"another client", srp(other).ID, saysAudience, "AccessDenied"},
	)
	h.refuses(t, provider, identity, nil, bad...)

	// Hubs that share the directory have the same keys and pools, here some hours later.
	late := newSignIn(t)
	late.serves(t, func(c *thinghub.Config) {
		c.Directory, c.UserPoolConfig.Now = directory, func() time.Time { return time.Now().Add(2 * time.Hour) }
	})
	late.pool = h.pool
	late.refuses(t, provider, identity, nil, badLogin{"expired", got.ID, saysExpired, stsExpired})
	_, err = c.AdminUserGlobalSignOut(ctx, &cognito.AdminUserGlobalSignOutInput{UserPoolId: people, Username: aws.String("alice")})
	require.NoError(t, err)
	h.refuses(t, provider, identity, nil, badLogin{"signed out", got.ID, saysInvalid, stsInvalid})
}
