package identitypool_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
	"github.com/thinghub/thinghub/auth/sigv4"
)

type object = map[string]any

// A gate allows what is not among its refusals, to whom the header X-User names.
type gate struct {
	mu      sync.Mutex
	asked   []string
	refuses map[string]bool // action, or action and resource
}

func (g *gate) authorize(_ context.Context, r *http.Request, _ []byte, action auth.Action, resource string) (*auth.Identity, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, string(action)+" "+resource)
	switch r.Header.Get("X-User") {
	case "":
		return nil, auth.ErrUnrecognised
	case "forged":
		return nil, &sigv4.Error{Status: 403, Code: "InvalidSignatureException", Message: "wrong"}
	case "banned":
		return nil, auth.ErrBanned
	case "flood":
		return nil, auth.ErrUnavailable
	case "broken":
		return nil, errors.New("the secret is 1234")
	}
	id := &auth.Identity{Principal: r.Header.Get("X-User")}
	if g.refuses[string(action)] || g.refuses[string(action)+" "+resource] {
		return id, &auth.Denied{Action: action, Resource: resource, Reason: "no statement allows it"}
	}
	return id, nil
}

type httpRig struct {
	*rig
	gate *gate
	h    http.Handler
}

func newHTTPRig(t testing.TB) *httpRig {
	g := &gate{refuses: map[string]bool{}}
	r := newRig(t, func(c *identitypool.Config) { c.Authorize = g.authorize })
	return &httpRig{r, g, r.Handler()}
}

// send sends an operation with a body as it is.
func (r *httpRig) send(t testing.TB, who, op, body string) (status int, kind string, out object) {
	t.Helper()
	q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	q.Header.Set("Content-Type", "application/x-amz-json-1.1")
	q.Header.Set("X-Amz-Target", "AWSCognitoIdentityService."+op)
	q.Header.Set("X-User", who)
	w := httptest.NewRecorder()
	r.h.ServeHTTP(w, q)
	require.Equal(t, "application/x-amz-json-1.1", w.Header().Get("Content-Type"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out), w.Body.String())
	if w.Code != 200 {
		kind, _ = out["__type"].(string)
		require.Equal(t, w.Header().Get("X-Amzn-Errortype"), kind)
		require.NotEmpty(t, out["message"])
		require.NotContains(t, w.Body.String(), "1234")
	}
	return w.Code, kind, out
}

// do sends an operation of anna's that must succeed.
func (r *httpRig) do(t testing.TB, op string, in object) object {
	t.Helper()
	body, err := json.Marshal(in)
	require.NoError(t, err)
	status, _, out := r.send(t, "anna", op, string(body))
	require.Equal(t, 200, status, out)
	return out
}

func TestHandler(t *testing.T) {
	t.Parallel()
	r := newHTTPRig(t)
	made := r.do(t, "CreateIdentityPool", object{
		"IdentityPoolName": "people", "AllowUnauthenticatedIdentities": true, "AllowClassicFlow": true, "DeveloperProviderName": backend,
		"SupportedLoginProviders":  object{google: app},
		"CognitoIdentityProviders": []object{{"ProviderName": people, "ClientId": client, "ServerSideTokenCheck": true}},
	})
	pool := made["IdentityPoolId"].(string)
	arn := r.PoolARN(pool)
	require.Equal(t, made, r.do(t, "DescribeIdentityPool", object{"IdentityPoolId": pool}))
	made["IdentityPoolTags"] = object{"a": "b"}
	require.Equal(t, made, r.do(t, "UpdateIdentityPool", made))
	listed := r.do(t, "ListIdentityPools", object{"MaxResults": 1})
	require.Len(t, listed["IdentityPools"], 1)
	listed = r.do(t, "ListIdentityPools", object{"MaxResults": 1, "NextToken": listed["NextToken"]})
	require.Len(t, listed["IdentityPools"], 1)
	require.NotContains(t, listed, "NextToken")

	in, out := r.trusting(t, "http-in", pool, "authenticated"), r.trusting(t, "http-out", pool, "unauthenticated")
	roles := object{"IdentityPoolId": pool, "Roles": object{"authenticated": in, "unauthenticated": out}, "RoleMappings": object{
		people + ":" + client: object{"Type": "Rules", "AmbiguousRoleResolution": "AuthenticatedRole", "RulesConfiguration": object{"Rules": []any{object{"Claim": "a", "MatchType": "Equals", "Value": "b", "RoleARN": in}}}},
	}}
	require.Empty(t, r.do(t, "SetIdentityPoolRoles", roles))
	require.Equal(t, roles, r.do(t, "GetIdentityPoolRoles", object{"IdentityPoolId": pool}))

	logins := object{google: login(t, google, "anna")[google]}
	id := r.do(t, "GetId", object{"AccountId": "000000000000", "IdentityPoolId": pool, "Logins": logins})["IdentityId"].(string)
	got := r.do(t, "GetCredentialsForIdentity", object{"IdentityId": id, "Logins": logins})
	require.Equal(t, id, got["IdentityId"])
	c := got["Credentials"].(object)
	key, err := r.roles.Lookup(t.Context(), c["AccessKeyId"].(string), c["SessionToken"].(string))
	require.NoError(t, err)
	require.Equal(t, key.Secret, c["SecretKey"])
	require.InDelta(t, key.Expires.Unix(), c["Expiration"], 0)
	got = r.do(t, "GetOpenIdToken", object{"IdentityId": id, "Logins": logins})
	require.Equal(t, id, got["IdentityId"])
	_, err = r.WebIdentity().Verify(t.Context(), got["Token"].(string))
	require.NoError(t, err)

	got = r.do(t, "GetOpenIdTokenForDeveloperIdentity", object{"IdentityPoolId": pool, "Logins": object{backend: "u1"}, "TokenDuration": 60})
	user := got["IdentityId"].(string)
	require.Equal(t, user, r.do(t, "GetId", object{"IdentityPoolId": pool, "Logins": object{own: got["Token"]}})["IdentityId"])
	r.do(t, "GetOpenIdTokenForDeveloperIdentity", object{"IdentityPoolId": pool, "Logins": object{backend: "u2"}})
	require.Equal(t, object{"IdentityId": user, "DeveloperUserIdentifierList": []any{"u1"}}, r.do(t, "LookupDeveloperIdentity", object{"IdentityPoolId": pool, "DeveloperUserIdentifier": "u1"}))
	require.Equal(t, object{"IdentityId": user}, r.do(t, "MergeDeveloperIdentities", object{"IdentityPoolId": pool, "DeveloperProviderName": backend, "SourceUserIdentifier": "u2", "DestinationUserIdentifier": "u1"}))
	require.Empty(t, r.do(t, "UnlinkDeveloperIdentity", object{"IdentityPoolId": pool, "IdentityId": user, "DeveloperProviderName": backend, "DeveloperUserIdentifier": "u2"}))

	told := r.do(t, "DescribeIdentity", object{"IdentityId": id})
	require.Equal(t, []any{google}, told["Logins"])
	require.InDelta(t, float64(r.at.UnixMilli())/1000, told["CreationDate"], 0.001)
	all := r.do(t, "ListIdentities", object{"IdentityPoolId": pool, "MaxResults": 60, "HideDisabled": true})
	require.Len(t, all["Identities"], 2)
	require.Equal(t, pool, all["IdentityPoolId"])
	require.Empty(t, r.do(t, "UnlinkIdentity", object{"IdentityId": id, "Logins": logins, "LoginsToRemove": []string{google}}))
	require.Equal(t, object{"UnprocessedIdentityIds": []any{}}, r.do(t, "DeleteIdentities", object{"IdentityIdsToDelete": []string{id, user}}))
	require.Empty(t, r.do(t, "DeleteIdentityPool", object{"IdentityPoolId": pool}))

	want := []string{
		"cognito-identity:CreateIdentityPool *", "cognito-identity:DescribeIdentityPool " + arn, "cognito-identity:UpdateIdentityPool " + arn,
		"cognito-identity:ListIdentityPools *", "cognito-identity:ListIdentityPools *",
		"cognito-identity:SetIdentityPoolRoles " + arn, "iam:PassRole " + in, "iam:PassRole " + out, "cognito-identity:GetIdentityPoolRoles " + arn,
		"cognito-identity:GetOpenIdTokenForDeveloperIdentity " + arn, "cognito-identity:GetOpenIdTokenForDeveloperIdentity " + arn,
		"cognito-identity:LookupDeveloperIdentity " + arn, "cognito-identity:MergeDeveloperIdentities " + arn, "cognito-identity:UnlinkDeveloperIdentity " + arn,
		"cognito-identity:DescribeIdentity " + arn, "cognito-identity:ListIdentities " + arn,
		"cognito-identity:DeleteIdentities " + arn, "cognito-identity:DeleteIdentities " + arn, "cognito-identity:DeleteIdentityPool " + arn,
	}
	require.Equal(t, want, r.gate.asked, "what is public asks nobody, everything else does")
}

// Who may set the roles of pools may not give them roles that they may not pass on.
func TestEscalationByRoles(t *testing.T) {
	t.Parallel()
	r := newHTTPRig(t)
	admin := r.trusting(t, "admin", r.pool.ID, "authenticated")
	r.gate.refuses["iam:PassRole "+admin] = true
	before, err := r.GetIdentityPoolRoles(t.Context(), r.pool.ID)
	require.NoError(t, err)
	for _, roles := range []object{
		{"Roles": object{"authenticated": admin}},
		{"RoleMappings": object{google: object{"Type": "Rules", "AmbiguousRoleResolution": "Deny", "RulesConfiguration": object{"Rules": []any{object{"Claim": "a", "MatchType": "Equals", "Value": "b", "RoleARN": admin}}}}}},
	} {
		roles["IdentityPoolId"] = r.pool.ID
		body, err := json.Marshal(roles)
		require.NoError(t, err)
		status, kind, _ := r.send(t, "anna", "SetIdentityPoolRoles", string(body))
		require.Equal(t, 400, status)
		require.Equal(t, "AccessDeniedException", kind)
	}
	after, err := r.GetIdentityPoolRoles(t.Context(), r.pool.ID)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestDeleteIdentitiesOfSeveralPools(t *testing.T) {
	t.Parallel()
	r := newHTTPRig(t)
	other, err := r.CreateIdentityPool(t.Context(), wholePool())
	require.NoError(t, err)
	theirs, err := r.GetID(t.Context(), other.ID, nil)
	require.NoError(t, err)
	ours := r.identity(t, nil)
	r.gate.refuses["cognito-identity:DeleteIdentities "+r.PoolARN(other.ID)] = true
	out := r.do(t, "DeleteIdentities", object{"IdentityIdsToDelete": []string{theirs, ours}})
	require.Equal(t, object{"UnprocessedIdentityIds": []any{object{"IdentityId": theirs, "ErrorCode": "AccessDenied"}}}, out)
	require.Equal(t, []string{ours}, r.told())
	_, kind, _ := r.send(t, "anna", "DeleteIdentities", `{"IdentityIdsToDelete": ["`+theirs+`"]}`)
	require.Equal(t, "AccessDeniedException", kind)
	out = r.do(t, "DeleteIdentities", object{"IdentityIdsToDelete": []string{theirs, theirs}})
	require.Len(t, out["UnprocessedIdentityIds"], 2)
}

func TestHandlerErrors(t *testing.T) {
	t.Parallel()
	r := newHTTPRig(t)
	r.gate.refuses["cognito-identity:DeleteIdentityPool"] = true
	pool := `{"IdentityPoolId": "` + r.pool.ID + `"}`
	linked := r.identity(t, login(t, google, "anna"))
	for name, c := range map[string]struct {
		who, op, body string
		status        int
		kind          string
	}{
		"unsigned":           {"", "DescribeIdentityPool", pool, 403, "MissingAuthenticationTokenException"},
		"forged":             {"forged", "DescribeIdentityPool", pool, 403, "InvalidSignatureException"},
		"banned":             {"banned", "DescribeIdentityPool", pool, 403, "UnrecognizedClientException"},
		"flooded":            {"flood", "DescribeIdentityPool", pool, 503, "ServiceUnavailableException"},
		"broken":             {"broken", "DescribeIdentityPool", pool, 500, "InternalErrorException"},
		"denied":             {"anna", "DeleteIdentityPool", pool, 400, "AccessDeniedException"},
		"unsigned delete":    {"", "DeleteIdentities", `{"IdentityIdsToDelete": ["local:00", "local:01"]}`, 403, "MissingAuthenticationTokenException"},
		"unsigned roles":     {"", "SetIdentityPoolRoles", pool, 403, "MissingAuthenticationTokenException"},
		"unsigned backend":   {"", "GetOpenIdTokenForDeveloperIdentity", pool, 403, "MissingAuthenticationTokenException"},
		"no pool":            {"anna", "DescribeIdentityPool", `{"IdentityPoolId": "local:00"}`, 400, "ResourceNotFoundException"},
		"no identity":        {"anna", "DescribeIdentity", `{"IdentityId": "local:00"}`, 400, "ResourceNotFoundException"},
		"a bad identity":     {"anna", "DescribeIdentity", `{"IdentityId": "x"}`, 400, "InvalidParameterException"},
		"a bad id to delete": {"anna", "DeleteIdentities", `{"IdentityIdsToDelete": ["x"]}`, 400, "InvalidParameterException"},
		"nothing to delete":  {"anna", "DeleteIdentities", `{}`, 400, "InvalidParameterException"},
		"too much to delete": {"anna", "DeleteIdentities", `{"IdentityIdsToDelete": ["` + strings.Repeat(`local:00", "`, 60) + `local:00"]}`, 400, "InvalidParameterException"},
		"no operation":       {"anna", "Nothing", `{}`, 400, "UnknownOperationException"},
		"no JSON":            {"anna", "GetId", `{`, 400, "InvalidParameterException"},
		"no object":          {"anna", "GetId", `[]`, 400, "InvalidParameterException"},
		"a wrong type":       {"anna", "GetId", `{"IdentityPoolId": 1}`, 400, "InvalidParameterException"},
		"a member twice":     {"anna", "GetId", `{"IdentityPoolId": "local:00", "identityPoolId": "local:01"}`, 400, "InvalidParameterException"},
		"a login twice":      {"anna", "GetId", `{"Logins": {"a": "b", "a": "c"}}`, 400, "InvalidParameterException"},
		"no UTF-8":           {"anna", "GetId", "{\"IdentityPoolId\": \"\xff\"}", 400, "InvalidParameterException"},
		"a page of nothing":  {"anna", "ListIdentityPools", `{"MaxResults": 0}`, 400, "InvalidParameterException"},
		"a long page":        {"anna", "ListIdentities", `{"IdentityPoolId": "` + r.pool.ID + `", "MaxResults": 61}`, 400, "InvalidParameterException"},
		"a long list":        {"anna", "ListIdentities", `{"IdentityPoolId": "` + r.pool.ID + `", "MaxResults": -1}`, 400, "InvalidParameterException"},
		"a bad look-up":      {"anna", "LookupDeveloperIdentity", `{"IdentityPoolId": "` + r.pool.ID + `", "MaxResults": 0}`, 400, "InvalidParameterException"},
		"a short token":      {"anna", "GetOpenIdTokenForDeveloperIdentity", `{"IdentityPoolId": "` + r.pool.ID + `", "Logins": {"` + backend + `": "u"}, "TokenDuration": 0}`, 400, "InvalidParameterException"},
		"tags of principals": {"anna", "GetOpenIdTokenForDeveloperIdentity", `{"IdentityPoolId": "` + r.pool.ID + `", "Logins": {"` + backend + `": "u"}, "PrincipalTags": {"a": "b"}}`, 400, "InvalidParameterException"},
		"somebody else's":    {"", "GetCredentialsForIdentity", `{"IdentityId": "` + linked + `"}`, 400, "NotAuthorizedException"},
		"a bad login":        {"", "GetId", `{"IdentityPoolId": "` + r.pool.ID + `", "Logins": {"` + google + `": "x"}}`, 400, "NotAuthorizedException"},
		"a bad unlink":       {"", "UnlinkIdentity", `{"IdentityId": "` + linked + `"}`, 400, "InvalidParameterException"},
		"a bad token":        {"", "GetOpenIdToken", `{"IdentityId": "` + linked + `"}`, 400, "NotAuthorizedException"},
	} {
		t.Run(name, func(t *testing.T) {
			status, kind, _ := r.send(t, c.who, c.op, c.body)
			require.Equal(t, c.kind, kind)
			require.Equal(t, c.status, status)
		})
	}
	require.NoError(t, r.SetIdentityPoolRoles(t.Context(), r.pool.ID, identitypool.Roles{}))
	_, kind, _ := r.send(t, "", "GetCredentialsForIdentity", `{"IdentityId": "`+r.identity(t, nil)+`"}`)
	require.Equal(t, "InvalidIdentityPoolConfigurationException", kind)
	status, kind, _ := r.send(t, "", "GetId", `{"IdentityPoolId": "`+strings.Repeat("x", 2<<20)+`"}`)
	require.Equal(t, 413, status)
	require.Equal(t, "RequestEntityTooLargeException", kind)
	closed := newRig(t).Handler()
	q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(pool))
	q.Header.Set("Content-Type", "application/x-amz-json-1.1")
	q.Header.Set("X-Amz-Target", "AWSCognitoIdentityService.DeleteIdentityPool")
	w := httptest.NewRecorder()
	closed.ServeHTTP(w, q)
	require.Equal(t, 400, w.Code)
	require.Contains(t, w.Body.String(), "AccessDeniedException", "who set nothing is asked nothing")
}

func TestTooManyGuestsOverHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *identitypool.Config) { c.Guests = 0.1 })
	h := &httpRig{r, nil, r.Handler()}
	r.identity(t, nil)
	status, kind, _ := h.send(t, "", "GetId", `{"IdentityPoolId": "`+r.pool.ID+`"}`)
	require.Equal(t, 429, status)
	require.Equal(t, "TooManyRequestsException", kind)
}

// Whatever comes in, the answer is JSON, and nobody gets credentials of a linked identity.
func FuzzHandler(f *testing.F) {
	r := newHTTPRig(f)
	linked := r.identity(f, identitypool.Logins{google: sign(f, google, "anna", nil, time.Hour)})
	for _, op := range []string{"GetId", "GetCredentialsForIdentity", "GetOpenIdToken", "UnlinkIdentity", "CreateIdentityPool", "SetIdentityPoolRoles", "DeleteIdentities"} {
		f.Add(op, `{"IdentityPoolId": "`+r.pool.ID+`", "IdentityId": "`+linked+`", "Logins": {"`+google+`": "x"}, "IdentityPoolName": "a", "IdentityIdsToDelete": ["local:00"]}`)
	}
	f.Fuzz(func(t *testing.T, op, body string) {
		if strings.ContainsAny(op, "\r\n\x00") {
			return
		}
		status, _, out := r.send(t, "", op, body)
		require.NotContains(t, out, "Credentials", "%d", status)
		require.NotEqual(t, 500, status)
	})
}
