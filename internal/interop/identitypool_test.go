package interop_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentity/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/access"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sigv4"
	hubsts "github.com/thinghub/thinghub/auth/sts"
)

const (
	loginProvider = "login.example.com"
	samlProvider  = "arn:aws:iam::000000000000:saml-provider/corp"
	adminARN      = "arn:aws:iam::000000000000:user/admin"
)

// An identityHub is the rooms that a hub joins for identity pools and the token service,
// and their addresses.
type identityHub struct {
	pools *identitypool.Service
	roles *roles.Service
	// provider is a login provider: another hub's pool, whose tokens for users of its
	// backend are OpenID Connect tokens to this one.
	provider       *identitypool.Service
	providerPool   string
	cognito, token string // URLs
}

// ring looks keys up where they may be.
type ring []sigv4.Keys

func (r ring) Lookup(ctx context.Context, id, token string) (sigv4.Key, error) {
	for _, k := range r {
		if key, err := k.Lookup(ctx, id, token); err == nil {
			return key, nil
		}
	}
	return sigv4.Key{}, auth.ErrNotFound
}

// assertions proves assertions that are JSON. What is in a real one, and that it is signed,
// is the affair of who makes the verifier.
type assertions struct{}

func (assertions) VerifyAssertion(_ context.Context, text string) (*hubsts.Assertion, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	var a hubsts.Assertion
	if err != nil || json.Unmarshal(raw, &a) != nil {
		return nil, auth.ErrBadCredentials
	}
	return &a, nil
}

func newIdentityHub(t *testing.T) *identityHub {
	t.Helper()
	ctx, quiet := t.Context(), slog.New(slog.DiscardHandler)
	h := &identityHub{}
	dir := auth.NewMemory()
	var err error
	h.roles, err = roles.New(roles.Config{Directory: dir, Logger: quiet})
	require.NoError(t, err)
	h.provider, err = identitypool.New(identitypool.Config{Directory: auth.NewMemory(), Roles: h.roles, Issuer: "https://" + loginProvider})
	require.NoError(t, err)
	p, err := h.provider.CreateIdentityPool(ctx, identitypool.Pool{Name: "provider", AllowClassicFlow: true, DeveloperProviderName: "people"})
	require.NoError(t, err)
	h.providerPool = p.ID

	policies, err := access.New(access.Config{Directory: dir, Logger: quiet})
	require.NoError(t, err)
	_, err = policies.CreatePolicy(ctx, "admin", `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["cognito-identity:*", "sts:*", "iam:PassRole"], "Resource": "*"}}`)
	require.NoError(t, err)
	require.NoError(t, policies.AttachPolicy(ctx, "admin", adminARN))
	keys, err := sigv4.NewKeyring(sigv4.KeyringConfig{Directory: dir, Logger: quiet})
	require.NoError(t, err)
	require.NoError(t, keys.Put(ctx, "admin", accessKey, secretKey))
	require.NoError(t, keys.Put(ctx, "nobody", "AKIDNOBODY", secretKey))
	var signatures *sigv4.Authenticator
	authorize := func(ctx context.Context, r *http.Request, body []byte, action auth.Action, resource string) (*auth.Identity, error) {
		id, err := signatures.Authenticate(ctx, &auth.Credentials{Request: r, Body: func() ([]byte, error) { return body, nil }})
		if err != nil || action == "sts:GetCallerIdentity" {
			return id, err
		}
		return id, policies.Authorize(ctx, id, &auth.Request{Action: action, Resource: resource})
	}
	h.pools, err = identitypool.New(identitypool.Config{
		Directory: dir, Roles: h.roles, Providers: map[string]auth.TokenVerifier{loginProvider: h.provider.WebIdentity()}, Authorize: authorize, Logger: quiet,
	})
	require.NoError(t, err)
	signatures, err = sigv4.New(sigv4.Config{Keys: ring{keys, h.pools.Keys(h.roles)}})
	require.NoError(t, err)
	tokens, err := hubsts.New(hubsts.Config{
		Roles: h.roles, IdentityPools: h.pools.WebIdentity(), Providers: map[string]auth.TokenVerifier{loginProvider: h.provider.WebIdentity()},
		SAML: map[string]hubsts.AssertionVerifier{samlProvider: assertions{}}, Authorize: authorize, Logger: quiet,
	})
	require.NoError(t, err)
	serve := func(handler http.Handler) string {
		s := httptest.NewServer(handler)
		t.Cleanup(s.Close)
		return s.URL
	}
	h.cognito, h.token = serve(h.pools.Handler()), serve(tokens.Handler())
	return h
}

// login returns a token of the login provider.
func (h *identityHub) login(t *testing.T, user string) string {
	t.Helper()
	_, token, err := h.provider.GetOpenIDTokenForDeveloperIdentity(t.Context(), identitypool.DeveloperLogin{Pool: h.providerPool, Logins: identitypool.Logins{"people": user}})
	require.NoError(t, err)
	return token
}

// role makes a role that trusts a principal.
func (h *identityHub) role(t *testing.T, name, kind, principal, condition string) string {
	t.Helper()
	made, err := h.roles.CreateRole(t.Context(), roles.NewRole{Name: name, MaxDuration: 2 * time.Hour, TrustPolicy: `{"Version": "2012-10-17", "Statement": {
		"Effect": "Allow", "Principal": {"` + kind + `": "` + principal + `"}, "Action": "sts:AssumeRole*", "Condition": {` + condition + `}}}`})
	require.NoError(t, err)
	return made.ARN
}

// poolCondition is that of a role for identities of a pool.
func poolCondition(pool, amr string) string {
	return `"StringEquals": {"cognito-identity.amazonaws.com:aud": "` + pool + `"}, "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "` + amr + `"}`
}

func (h *identityHub) config(key, secret, token string) aws.Config {
	return aws.Config{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider(key, secret, token),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}

func (h *identityHub) clients(key, secret, token string) (*cognitoidentity.Client, *sts.Client) {
	c := h.config(key, secret, token)
	other := c.Copy()
	c.BaseEndpoint, other.BaseEndpoint = &h.cognito, &h.token
	return cognitoidentity.NewFromConfig(c), sts.NewFromConfig(other)
}

// who asks GetCallerIdentity with credentials.
func (h *identityHub) who(t *testing.T, key, secret, token string) string {
	t.Helper()
	_, c := h.clients(key, secret, token)
	out, err := c.GetCallerIdentity(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, "000000000000", *out.Account)
	require.NotEmpty(t, *out.UserId)
	return *out.Arn
}

// TestAWSGoIdentityPools goes through all operations of identity pools with the AWS SDK for
// Go, and through the errors that it knows.
func TestAWSGoIdentityPools(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	h := newIdentityHub(t)
	c, _ := h.clients(accessKey, secretKey, "")
	made, err := c.CreateIdentityPool(ctx, &cognitoidentity.CreateIdentityPoolInput{
		IdentityPoolName: aws.String("people"), AllowUnauthenticatedIdentities: true, AllowClassicFlow: aws.Bool(true), DeveloperProviderName: aws.String("backend"),
		SupportedLoginProviders: map[string]string{loginProvider: h.providerPool}, IdentityPoolTags: map[string]string{"a": "b"},
	})
	require.NoError(t, err)
	pool := made.IdentityPoolId
	got, err := c.DescribeIdentityPool(ctx, &cognitoidentity.DescribeIdentityPoolInput{IdentityPoolId: pool})
	require.NoError(t, err)
	require.Equal(t, "people", *got.IdentityPoolName)
	require.Equal(t, made.SupportedLoginProviders, got.SupportedLoginProviders)
	_, err = c.UpdateIdentityPool(ctx, &cognitoidentity.UpdateIdentityPoolInput{
		IdentityPoolId: pool, IdentityPoolName: aws.String("people of pumps"), AllowUnauthenticatedIdentities: true, AllowClassicFlow: aws.Bool(true),
		DeveloperProviderName: aws.String("backend"), SupportedLoginProviders: made.SupportedLoginProviders,
	})
	require.NoError(t, err)
	list, err := c.ListIdentityPools(ctx, &cognitoidentity.ListIdentityPoolsInput{MaxResults: aws.Int32(10)})
	require.NoError(t, err)
	require.Len(t, list.IdentityPools, 1)
	in, out := h.role(t, "in", "Federated", "cognito-identity.amazonaws.com", poolCondition(*pool, "authenticated")), h.role(t, "out", "Federated", "cognito-identity.amazonaws.com", poolCondition(*pool, "unauthenticated"))
	_, err = c.SetIdentityPoolRoles(ctx, &cognitoidentity.SetIdentityPoolRolesInput{
		IdentityPoolId: pool, Roles: map[string]string{"authenticated": in, "unauthenticated": out},
		RoleMappings: map[string]types.RoleMapping{loginProvider: {Type: types.RoleMappingTypeToken, AmbiguousRoleResolution: types.AmbiguousRoleResolutionTypeAuthenticatedRole}},
	})
	require.NoError(t, err)
	of, err := c.GetIdentityPoolRoles(ctx, &cognitoidentity.GetIdentityPoolRolesInput{IdentityPoolId: pool})
	require.NoError(t, err)
	require.Equal(t, in, of.Roles["authenticated"])
	require.Equal(t, types.RoleMappingTypeToken, of.RoleMappings[loginProvider].Type)

	// An app, without keys.
	app, _ := h.clients("none", "none", "")
	logins := map[string]string{loginProvider: h.login(t, "anna")}
	id, err := app.GetId(ctx, &cognitoidentity.GetIdInput{IdentityPoolId: pool, Logins: logins})
	require.NoError(t, err)
	creds, err := app.GetCredentialsForIdentity(ctx, &cognitoidentity.GetCredentialsForIdentityInput{IdentityId: id.IdentityId, Logins: logins})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), *creds.Credentials.Expiration, time.Minute)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/in/CognitoIdentityCredentials", h.who(t, *creds.Credentials.AccessKeyId, *creds.Credentials.SecretKey, *creds.Credentials.SessionToken))
	guest, err := app.GetId(ctx, &cognitoidentity.GetIdInput{IdentityPoolId: pool})
	require.NoError(t, err)
	gc, err := app.GetCredentialsForIdentity(ctx, &cognitoidentity.GetCredentialsForIdentityInput{IdentityId: guest.IdentityId})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/out/CognitoIdentityCredentials", h.who(t, *gc.Credentials.AccessKeyId, *gc.Credentials.SecretKey, *gc.Credentials.SessionToken))
	token, err := app.GetOpenIdToken(ctx, &cognitoidentity.GetOpenIdTokenInput{IdentityId: id.IdentityId, Logins: logins})
	require.NoError(t, err)
	require.NotEmpty(t, *token.Token)

	// The backend.
	user, err := c.GetOpenIdTokenForDeveloperIdentity(ctx, &cognitoidentity.GetOpenIdTokenForDeveloperIdentityInput{IdentityPoolId: pool, Logins: map[string]string{"backend": "u1"}, TokenDuration: aws.Int64(60)})
	require.NoError(t, err)
	same, err := app.GetId(ctx, &cognitoidentity.GetIdInput{IdentityPoolId: pool, Logins: map[string]string{"cognito-identity.amazonaws.com": *user.Token}})
	require.NoError(t, err)
	require.Equal(t, user.IdentityId, same.IdentityId)
	_, err = c.GetOpenIdTokenForDeveloperIdentity(ctx, &cognitoidentity.GetOpenIdTokenForDeveloperIdentityInput{IdentityPoolId: pool, Logins: map[string]string{"backend": "u2"}})
	require.NoError(t, err)
	merged, err := c.MergeDeveloperIdentities(ctx, &cognitoidentity.MergeDeveloperIdentitiesInput{IdentityPoolId: pool, DeveloperProviderName: aws.String("backend"), SourceUserIdentifier: aws.String("u2"), DestinationUserIdentifier: aws.String("u1")})
	require.NoError(t, err)
	require.Equal(t, user.IdentityId, merged.IdentityId)
	found, err := c.LookupDeveloperIdentity(ctx, &cognitoidentity.LookupDeveloperIdentityInput{IdentityPoolId: pool, IdentityId: user.IdentityId})
	require.NoError(t, err)
	require.Equal(t, []string{"u1", "u2"}, found.DeveloperUserIdentifierList)
	_, err = c.UnlinkDeveloperIdentity(ctx, &cognitoidentity.UnlinkDeveloperIdentityInput{IdentityPoolId: pool, IdentityId: user.IdentityId, DeveloperProviderName: aws.String("backend"), DeveloperUserIdentifier: aws.String("u2")})
	require.NoError(t, err)

	told, err := c.DescribeIdentity(ctx, &cognitoidentity.DescribeIdentityInput{IdentityId: id.IdentityId})
	require.NoError(t, err)
	require.Equal(t, []string{loginProvider}, told.Logins)
	require.WithinDuration(t, time.Now(), *told.CreationDate, time.Minute)
	all, err := c.ListIdentities(ctx, &cognitoidentity.ListIdentitiesInput{IdentityPoolId: pool, MaxResults: aws.Int32(60)})
	require.NoError(t, err)
	require.Len(t, all.Identities, 3)
	_, err = app.UnlinkIdentity(ctx, &cognitoidentity.UnlinkIdentityInput{IdentityId: id.IdentityId, Logins: logins, LoginsToRemove: []string{loginProvider}})
	require.NoError(t, err)

	// Errors.
	_, err = app.GetCredentialsForIdentity(ctx, &cognitoidentity.GetCredentialsForIdentityInput{IdentityId: user.IdentityId})
	require.ErrorAs(t, err, new(*types.NotAuthorizedException))
	_, err = app.GetId(ctx, &cognitoidentity.GetIdInput{IdentityPoolId: aws.String("local:00")})
	require.ErrorAs(t, err, new(*types.ResourceNotFoundException))
	_, err = app.GetId(ctx, &cognitoidentity.GetIdInput{IdentityPoolId: aws.String("x")})
	require.ErrorAs(t, err, new(*types.InvalidParameterException))
	_, err = c.GetOpenIdTokenForDeveloperIdentity(ctx, &cognitoidentity.GetOpenIdTokenForDeveloperIdentityInput{IdentityPoolId: pool, IdentityId: guest.IdentityId, Logins: map[string]string{"backend": "u1"}})
	require.ErrorAs(t, err, new(*types.DeveloperUserAlreadyRegisteredException))
	_, err = c.LookupDeveloperIdentity(ctx, &cognitoidentity.LookupDeveloperIdentityInput{IdentityPoolId: pool, IdentityId: guest.IdentityId, DeveloperUserIdentifier: aws.String("u1")})
	require.ErrorAs(t, err, new(*types.ResourceConflictException))
	nobody, _ := h.clients("AKIDNOBODY", secretKey, "")
	_, err = nobody.ListIdentityPools(ctx, &cognitoidentity.ListIdentityPoolsInput{MaxResults: aws.Int32(1)})
	require.Equal(t, "AccessDeniedException", codeOf(t, err))
	forger, _ := h.clients(accessKey, "wrong", "")
	_, err = forger.ListIdentityPools(ctx, &cognitoidentity.ListIdentityPoolsInput{MaxResults: aws.Int32(1)})
	require.Equal(t, "InvalidSignatureException", codeOf(t, err))

	// What ends.
	left, err := c.DeleteIdentities(ctx, &cognitoidentity.DeleteIdentitiesInput{IdentityIdsToDelete: []string{*id.IdentityId}})
	require.NoError(t, err)
	require.Empty(t, left.UnprocessedIdentityIds)
	_, dead := h.clients(*creds.Credentials.AccessKeyId, *creds.Credentials.SecretKey, *creds.Credentials.SessionToken)
	_, err = dead.GetCallerIdentity(ctx, nil)
	require.Equal(t, "InvalidClientTokenId", codeOf(t, err))
	_, err = c.SetIdentityPoolRoles(ctx, &cognitoidentity.SetIdentityPoolRolesInput{IdentityPoolId: pool, Roles: map[string]string{}})
	require.NoError(t, err)
	_, err = app.GetCredentialsForIdentity(ctx, &cognitoidentity.GetCredentialsForIdentityInput{IdentityId: guest.IdentityId})
	require.ErrorAs(t, err, new(*types.InvalidIdentityPoolConfigurationException))
	_, err = c.DeleteIdentityPool(ctx, &cognitoidentity.DeleteIdentityPoolInput{IdentityPoolId: pool})
	require.NoError(t, err)
}

func codeOf(t *testing.T, err error) string {
	t.Helper()
	var e smithy.APIError
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.ErrorMessage())
	return e.ErrorCode()
}

// TestAWSGoTokenService takes roles with the AWS SDK for Go, also by its providers of
// credentials.
func TestAWSGoTokenService(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	h := newIdentityHub(t)
	_, c := h.clients(accessKey, secretKey, "")
	require.Equal(t, adminARN, h.who(t, accessKey, secretKey, ""))
	role := h.role(t, "reader", "AWS", adminARN, `"StringEquals": {"sts:ExternalId": "id-1"}`)
	const narrow = `{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"}}`
	out, err := c.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("cli"), ExternalId: aws.String("id-1"), DurationSeconds: aws.Int32(7200), Policy: aws.String(narrow)})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/reader/cli", *out.AssumedRoleUser.Arn)
	require.WithinDuration(t, time.Now().Add(2*time.Hour), *out.Credentials.Expiration, time.Minute)
	require.EqualValues(t, len(*out.Credentials.SessionToken), *out.SessionTokenSize)
	require.Positive(t, *out.SessionTokenUtilization)
	require.Equal(t, *out.AssumedRoleUser.Arn, h.who(t, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken))
	_, err = c.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("cli")})
	require.Equal(t, "AccessDenied", codeOf(t, err))
	_, err = c.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("cli"), ExternalId: aws.String("id-1"), Policy: aws.String("{}")})
	require.ErrorAs(t, err, new(*ststypes.MalformedPolicyDocumentException))
	_, err = c.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("cli"), Tags: []ststypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
	require.Equal(t, "ValidationError", codeOf(t, err))
	_, forger := h.clients(accessKey, "wrong", "")
	_, err = forger.GetCallerIdentity(ctx, nil)
	require.Equal(t, "SignatureDoesNotMatch", codeOf(t, err))

	t.Run("provider of assumed roles", func(t *testing.T) {
		p := stscreds.NewAssumeRoleProvider(c, role, func(o *stscreds.AssumeRoleOptions) { o.ExternalID, o.RoleSessionName = aws.String("id-1"), "auto" })
		got, err := p.Retrieve(ctx)
		require.NoError(t, err)
		require.Equal(t, "arn:aws:sts::000000000000:assumed-role/reader/auto", h.who(t, got.AccessKeyID, got.SecretAccessKey, got.SessionToken))
	})
	t.Run("provider of web identities", func(t *testing.T) {
		web := h.role(t, "web", "Federated", loginProvider, `"StringEquals": {"login.example.com:aud": "`+h.providerPool+`"}`)
		file := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(file, []byte(h.login(t, "anna")), 0o600))
		_, anonymous := h.clients("none", "none", "")
		p := stscreds.NewWebIdentityRoleProvider(anonymous, web, stscreds.IdentityTokenFile(file), func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = "anna" })
		got, err := p.Retrieve(ctx)
		require.NoError(t, err)
		require.True(t, got.CanExpire)
		require.Equal(t, "arn:aws:sts::000000000000:assumed-role/web/anna", h.who(t, got.AccessKeyID, got.SecretAccessKey, got.SessionToken))
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(h.login(t, "anna"), ".", ".A", 1)), 0o600))
		_, err = p.Retrieve(ctx)
		require.ErrorAs(t, err, new(*ststypes.InvalidIdentityTokenException))
	})
	t.Run("SAML", func(t *testing.T) {
		staff := h.role(t, "staff", "Federated", samlProvider, `"StringEquals": {"saml:aud": "https://hub.example.com/saml"}`)
		text, err := json.Marshal(hubsts.Assertion{Issuer: "https://idp.example.com", Subject: "anna", SubjectType: "persistent", Recipient: "https://hub.example.com/saml", Roles: []string{staff + "," + samlProvider}, SessionName: "anna"})
		require.NoError(t, err)
		_, anonymous := h.clients("none", "none", "")
		out, err := anonymous.AssumeRoleWithSAML(ctx, &sts.AssumeRoleWithSAMLInput{RoleArn: &staff, PrincipalArn: aws.String(samlProvider), SAMLAssertion: aws.String(base64.StdEncoding.EncodeToString(text))})
		require.NoError(t, err)
		require.Equal(t, "anna", *out.Subject)
		require.Equal(t, "https://idp.example.com", *out.Issuer)
		require.NotEmpty(t, *out.NameQualifier)
		require.Equal(t, "arn:aws:sts::000000000000:assumed-role/staff/anna", h.who(t, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken))
	})
}

// TestBoto3IdentityPools goes the ways of an app and of a backend with boto3. The checks are
// those of testdata/boto/pools.py, a subtest each.
func TestBoto3IdentityPools(t *testing.T) {
	t.Parallel()
	h := newIdentityHub(t)
	pool, err := h.pools.CreateIdentityPool(t.Context(), identitypool.Pool{
		Name: "people", AllowUnauthenticated: true, AllowClassicFlow: true, DeveloperProviderName: "backend", LoginProviders: map[string]string{loginProvider: h.providerPool},
	})
	require.NoError(t, err)
	require.NoError(t, h.pools.SetIdentityPoolRoles(t.Context(), pool.ID, identitypool.Roles{Roles: map[string]string{
		identitypool.Authenticated:   h.role(t, "in", "Federated", "cognito-identity.amazonaws.com", poolCondition(pool.ID, "authenticated")),
		identitypool.Unauthenticated: h.role(t, "out", "Federated", "cognito-identity.amazonaws.com", poolCondition(pool.ID, "unauthenticated")),
	}}))
	h.role(t, "reader", "AWS", adminARN, "")
	boto := beginWith(t, awsEnv, python, "testdata/boto/pools.py", h.cognito, h.token, pool.ID, h.login(t, "anna"))
	require.Zero(t, boto.wait(t), "boto3 wrote %s", boto.errors)
	checks := 0
	for len(boto.lines.c) > 0 {
		var report struct{ Check, Error string }
		require.NoError(t, json.Unmarshal([]byte(boto.lines.next(t)), &report))
		t.Run(report.Check, func(t *testing.T) { require.Empty(t, report.Error) })
		checks++
	}
	require.Equal(t, 5, checks)
}
