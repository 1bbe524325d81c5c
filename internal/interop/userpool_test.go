package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/userpool"
)

// A poolHub serves user pools; operations of administrators need a signature.
type poolHub struct {
	*userpool.Service
	url    string
	outbox *userpool.Outbox
}

const usersPool, usersClient, usersSecret = "eu-central-1_Interop01", "app", "0123456789abcdefghijklmnop"

func startPools(t *testing.T) *poolHub {
	t.Helper()
	keys, err := sigv4.NewKeyring(sigv4.KeyringConfig{Directory: auth.NewMemory()})
	require.NoError(t, err)
	require.NoError(t, keys.Put(t.Context(), "admin", accessKey, secretKey))
	signed, err := sigv4.New(sigv4.Config{Keys: keys, Services: []string{"cognito-idp"}})
	require.NoError(t, err)
	h := &poolHub{outbox: &userpool.Outbox{}}
	pool := userpool.CreateUserPoolInput{PoolName: "interop", AliasAttributes: []string{"email"}}
	pool.AutoVerifiedAttributes, pool.MfaConfiguration = []string{"email"}, "OPTIONAL"
	flows := []string{"ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_CUSTOM_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH"}
	settings := userpool.ClientSettings{ClientName: "app", ExplicitAuthFlows: flows}
	h.Service, err = userpool.New(userpool.Config{
		Directory: auth.NewMemory(), Sender: h.outbox, Scope: userpool.Scope{Region: region, Account: account}, CodesPerHour: -1,
		Hash: userpool.HashParams{Memory: 64, Time: 1},
		Authorize: func(ctx context.Context, r *http.Request, body []byte, _ auth.Action, _ string) (*auth.Identity, error) {
			return signed.Authenticate(ctx, &auth.Credentials{Request: r, Body: func() ([]byte, error) { return body, nil }})
		},
		Pools: []userpool.Definition{{ID: usersPool, Pool: pool, Clients: []userpool.ClientDefinition{
			{ID: usersClient, Client: userpool.CreateUserPoolClientInput{ClientSettings: settings}},
			{ID: "web", Secret: usersSecret, Client: userpool.CreateUserPoolClientInput{ClientSettings: settings}},
		}}},
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", h.Handler())
	// Where scripts read the codes that users get by mail.
	mux.HandleFunc("GET /mail/{to}", func(w http.ResponseWriter, r *http.Request) {
		m, _ := h.outbox.Last(r.PathValue("to"))
		_, _ = io.WriteString(w, m.Code)
	})
	// And where they ask whether an ID token is good.
	mux.HandleFunc("POST /verify", func(w http.ResponseWriter, r *http.Request) {
		token, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = h.Pool(usersPool).Verify(r.Context(), string(token))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// checks runs a script that writes a report for each of its checks.
func (h *poolHub) checks(t *testing.T, atLeast int, name string, args ...string) {
	t.Helper()
	p := beginWith(t, awsEnv, name, append(args, h.url, usersPool, usersClient)...)
	n := 0
	for line := range p.says(t) {
		var report struct{ Check, Error string }
		require.NoError(t, json.Unmarshal([]byte(line), &report))
		t.Run(report.Check, func(t *testing.T) { require.Empty(t, report.Error) })
		n++
	}
	require.Zero(t, p.wait(t), "%s wrote %s", name, p.errors)
	require.GreaterOrEqual(t, n, atLeast)
}

// TestUserPoolJavaScript: apps with amazon-cognito-identity-js sign up and in, by SRP and
// by password, change their passwords, use a software token, and sign out.
func TestUserPoolJavaScript(t *testing.T) {
	t.Parallel()
	require.DirExists(t, "node_modules", "install the packages with: make test (or scripts/testdeps.sh)")
	h := startPools(t)
	for _, name := range []string{"temp", "temp2"} {
		_, err := h.AdminCreateUser(t.Context(), userpool.AdminCreateUserInput{UserPoolID: usersPool, Username: name, TemporaryPassword: "T3mporary!", MessageAction: "SUPPRESS"})
		require.NoError(t, err)
	}
	h.checks(t, 15, "node", "testdata/userpool.js")
}

// TestUserPoolBoto3 goes through the operations with boto3, whose model knows the shape
// of each answer and error.
func TestUserPoolBoto3(t *testing.T) {
	t.Parallel()
	startPools(t).checks(t, 8, python, "testdata/boto/userpool.py")
}

// TestUserPoolGo goes through the life of a user with the AWS SDK for Go.
func TestUserPoolGo(t *testing.T) {
	t.Parallel()
	h, ctx := startPools(t), t.Context()
	client := func(secret string) *cognito.Client {
		return cognito.NewFromConfig(aws.Config{
			Region: region, BaseEndpoint: &h.url, Credentials: credentials.NewStaticCredentialsProvider(accessKey, secret, ""),
			Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		})
	}
	c, pool, app := client(secretKey), aws.String(usersPool), aws.String(usersClient)
	up, err := c.SignUp(ctx, &cognito.SignUpInput{ClientId: app, Username: aws.String("alice"), Password: aws.String("Passw0rd!"), UserAttributes: []types.AttributeType{{Name: aws.String("email"), Value: aws.String("alice@example.com")}}})
	require.NoError(t, err)
	require.Equal(t, types.DeliveryMediumTypeEmail, up.CodeDeliveryDetails.DeliveryMedium)
	_, err = c.SignUp(ctx, &cognito.SignUpInput{ClientId: app, Username: aws.String("alice"), Password: aws.String("Passw0rd!")})
	goFails[*types.UsernameExistsException](t, err)
	_, err = c.ConfirmSignUp(ctx, &cognito.ConfirmSignUpInput{ClientId: app, Username: aws.String("alice"), ConfirmationCode: aws.String("x")})
	goFails[*types.CodeMismatchException](t, err)
	signIn := func(password string) (*cognito.InitiateAuthOutput, error) {
		return c.InitiateAuth(ctx, &cognito.InitiateAuthInput{ClientId: app, AuthFlow: types.AuthFlowTypeUserPasswordAuth, AuthParameters: map[string]string{"USERNAME": "alice", "PASSWORD": password}})
	}
	_, err = signIn("Passw0rd!")
	goFails[*types.UserNotConfirmedException](t, err)
	m, _ := h.outbox.Last("alice@example.com")
	_, err = c.ConfirmSignUp(ctx, &cognito.ConfirmSignUpInput{ClientId: app, Username: aws.String("alice"), ConfirmationCode: &m.Code})
	require.NoError(t, err)
	_, err = signIn("x")
	goFails[*types.NotAuthorizedException](t, err)
	in, err := signIn("Passw0rd!")
	require.NoError(t, err)
	token, err := h.Pool(usersPool).Verify(ctx, *in.AuthenticationResult.IdToken)
	require.NoError(t, err)
	require.Equal(t, *up.UserSub, token.Subject)

	_, err = c.CreateGroup(ctx, &cognito.CreateGroupInput{UserPoolId: pool, GroupName: aws.String("staff"), Precedence: aws.Int32(1), RoleArn: aws.String("arn:aws:iam::123456789012:role/staff")})
	require.NoError(t, err)
	_, err = c.CreateGroup(ctx, &cognito.CreateGroupInput{UserPoolId: pool, GroupName: aws.String("staff")})
	goFails[*types.GroupExistsException](t, err)
	_, err = c.AdminAddUserToGroup(ctx, &cognito.AdminAddUserToGroupInput{UserPoolId: pool, GroupName: aws.String("staff"), Username: aws.String("alice@example.com")})
	require.NoError(t, err)
	again, err := c.GetTokensFromRefreshToken(ctx, &cognito.GetTokensFromRefreshTokenInput{ClientId: app, RefreshToken: in.AuthenticationResult.RefreshToken})
	require.NoError(t, err)
	token, err = h.Pool(usersPool).Verify(ctx, *again.AuthenticationResult.IdToken)
	require.NoError(t, err)
	require.Equal(t, []any{"staff"}, token.Claims["cognito:groups"])
	require.Equal(t, "arn:aws:iam::123456789012:role/staff", token.Claims["cognito:preferred_role"])

	for i := range 7 {
		_, err = c.AdminCreateUser(ctx, &cognito.AdminCreateUserInput{UserPoolId: pool, Username: aws.String("user" + string(rune('0'+i))), MessageAction: types.MessageActionTypeSuppress})
		require.NoError(t, err)
	}
	var names []string
	for p := cognito.NewListUsersPaginator(c, &cognito.ListUsersInput{UserPoolId: pool, Limit: aws.Int32(3), Filter: aws.String(`username ^= "user"`)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		require.NoError(t, err)
		for _, u := range page.Users {
			names = append(names, *u.Username)
			require.Equal(t, types.UserStatusTypeForceChangePassword, u.UserStatus)
			recent(t, u.UserCreateDate)
		}
	}
	require.Equal(t, "user0 user1 user2 user3 user4 user5 user6", strings.Join(names, " "))
	d, err := c.DescribeUserPool(ctx, &cognito.DescribeUserPoolInput{UserPoolId: pool})
	require.NoError(t, err)
	require.Equal(t, types.UserPoolMfaTypeOptional, d.UserPool.MfaConfiguration)
	recent(t, d.UserPool.CreationDate)
	made, err := c.CreateUserPool(ctx, &cognito.CreateUserPoolInput{PoolName: aws.String("other"), Schema: []types.SchemaAttributeType{{Name: aws.String("plant"), AttributeDataType: types.AttributeDataTypeString}}})
	require.NoError(t, err)
	web, err := c.CreateUserPoolClient(ctx, &cognito.CreateUserPoolClientInput{UserPoolId: made.UserPool.Id, ClientName: aws.String("web"), GenerateSecret: true, IdTokenValidity: aws.Int32(5), TokenValidityUnits: &types.TokenValidityUnitsType{IdToken: types.TimeUnitsTypeMinutes}})
	require.NoError(t, err)
	require.NotEmpty(t, *web.UserPoolClient.ClientSecret)
	_, err = c.DeleteUserPool(ctx, &cognito.DeleteUserPoolInput{UserPoolId: made.UserPool.Id})
	require.NoError(t, err)
	_, err = c.DescribeUserPool(ctx, &cognito.DescribeUserPoolInput{UserPoolId: made.UserPool.Id})
	goFails[*types.ResourceNotFoundException](t, err)

	_, err = c.RevokeToken(ctx, &cognito.RevokeTokenInput{ClientId: app, Token: in.AuthenticationResult.RefreshToken})
	require.NoError(t, err)
	_, err = c.GetUser(ctx, &cognito.GetUserInput{AccessToken: in.AuthenticationResult.AccessToken})
	goFails[*types.NotAuthorizedException](t, err)
	_, err = client("not the secret").AdminDeleteUser(ctx, &cognito.AdminDeleteUserInput{UserPoolId: pool, Username: aws.String("alice")})
	require.ErrorContains(t, err, "UnrecognizedClientException")
	_, err = c.AdminGetUser(ctx, &cognito.AdminGetUserInput{UserPoolId: pool, Username: aws.String("alice")})
	require.NoError(t, err)
}

// goFails requires an error of the model.
func goFails[E error](t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[E](err)
	require.True(t, ok, "expected a %T, got %v", e, err)
}
