package userpool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

// post makes one call.
func post(t testing.TB, h http.Handler, op, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://hub.test/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AWSCognitoIdentityProviderService."+op)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, "application/x-amz-json-1.1", w.Header().Get("Content-Type"))
	require.Equal(t, "*", w.Header().Get("Access-Control-Allow-Origin"))
	require.NotEmpty(t, w.Header().Get("X-Amzn-Requestid"))
	var got map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got), w.Body)
	if w.Code != http.StatusOK {
		require.Equal(t, got["__type"], w.Header().Get("X-Amzn-Errortype"))
		require.NotEmpty(t, got["message"])
	}
	return w.Code, got
}

func body(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.Handler()
	status, got := post(t, h, "SignUp", `{"ClientId":"app","Username":"alice","Password":"`+goodPass+`","UserAttributes":[{"Name":"email","Value":"alice@example.com"}],"AnalyticsMetadata":{"x":1}}`)
	require.Equal(t, 200, status)
	require.Equal(t, false, got["UserConfirmed"])
	require.Equal(t, map[string]any{"AttributeName": "email", "DeliveryMedium": "EMAIL", "Destination": "a***@e***"}, got["CodeDeliveryDetails"])
	status, got = post(t, h, "ConfirmSignUp", `{"ClientId":"app","Username":"alice","ConfirmationCode":"`+r.code("alice@example.com")+`"}`)
	require.Equal(t, 200, status)
	require.Empty(t, got)
	status, got = post(t, h, "InitiateAuth", `{"ClientId":"app","AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{"USERNAME":"alice","PASSWORD":"`+goodPass+`"}}`)
	require.Equal(t, 200, status)
	tokens := got["AuthenticationResult"].(map[string]any)
	require.Len(t, tokens, 5)
	require.EqualValues(t, 3600, tokens["ExpiresIn"])
	_, err := r.Pool(poolID).Verify(r.ctx, tokens["IdToken"].(string))
	require.NoError(t, err)
	status, got = post(t, h, "GetUser", body(t, map[string]any{"AccessToken": tokens["AccessToken"]}))
	require.Equal(t, 200, status)
	require.Equal(t, "alice", got["Username"])

	for _, c := range []struct {
		op, body string
		status   int
		kind     string
	}{
		{"GetUser", `{}`, 400, "NotAuthorizedException"},
		{"GetUser", ``, 400, "NotAuthorizedException"},
		{"GetUser", `[]`, 400, "SerializationException"},
		{"GetUser", `null`, 400, "SerializationException"},
		{"GetUser", `{"AccessToken":1}`, 400, "SerializationException"},
		{"GetUser", `{"AccessToken":"x"`, 400, "SerializationException"},
		{"GetUser", `{"AccessToken":"` + strings.Repeat("x", 300<<10) + `"}`, 413, "SerializationException"},
		{"Nothing", `{}`, 400, "UnknownOperationException"},
		{"InitiateAuth", `{"ClientId":"app","AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{"USERNAME":"alice","PASSWORD":"x"}}`, 400, "NotAuthorizedException"},
		{"InitiateAuth", `{"ClientId":"none"}`, 400, "ResourceNotFoundException"},
		{"SignUp", `{"ClientId":"app","Username":"ALICE","Password":"` + goodPass + `"}`, 400, "UsernameExistsException"},
		{"AdminGetUser", `{"UserPoolId":"` + poolID + `","Username":"alice"}`, 400, "AccessDeniedException"},
	} {
		status, got := post(t, h, c.op, c.body)
		require.Equal(t, c.status, status, "%s %.100s", c.op, c.body)
		require.Equal(t, c.kind, got["__type"], "%s %.100s", c.op, c.body)
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{{"OPTIONS", "/", 200}, {"PUT", "/", 405}, {"GET", "/", 404}, {"GET", "/x", 404}, {"POST", "/x", 404}, {"GET", "/eu-central-1_none/.well-known/jwks.json", 404}, {"GET", "/../x/.well-known/jwks.json", 404}, {"GET", "/.well-known/openid-configuration", 404}} {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(c.method, "http://hub.test/", nil)
		req.URL.Path = c.path
		h.ServeHTTP(w, req)
		require.Equal(t, c.status, w.Code, c)
	}
}

// TestAuthorize: operations of administrators ask, with the pool that they are about and
// a body that can still be read; those of users do not.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	var asked []string
	var answer error
	r := newRig(t, func(c *userpool.Config) {
		c.Authorize = func(_ context.Context, _ *http.Request, body []byte, action auth.Action, resource string) (*auth.Identity, error) {
			if !bytes.Contains(body, []byte("{")) {
				return nil, errors.New("no body")
			}
			asked = append(asked, string(action)+" "+resource)
			return nil, answer
		}
	})
	r.user("alice")
	h := r.Handler()
	status, got := post(t, h, "AdminGetUser", `{"UserPoolId":"`+poolID+`","Username":"alice"}`)
	require.Equal(t, 200, status, got)
	require.EqualValues(t, noon.Unix(), got["UserCreateDate"])
	require.Equal(t, true, got["Enabled"])
	status, _ = post(t, h, "ListUserPools", `{"MaxResults":10}`)
	require.Equal(t, 200, status)
	status, _ = post(t, h, "AdminInitiateAuth", body(t, map[string]any{"UserPoolId": poolID, "ClientId": appID, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH", "AuthParameters": map[string]string{"USERNAME": "alice", "PASSWORD": goodPass}}))
	require.Equal(t, 200, status)
	// The pool that is asked about is the one that is used, however often it is named.
	status, _ = post(t, h, "AdminGetUser", `{"UserPoolId":"`+poolID+`","userpoolid":"eu-central-1_other","Username":"alice"}`)
	require.Equal(t, 400, status)
	arn := "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/"
	require.Equal(t, []string{"cognito-idp:AdminGetUser " + arn + poolID, "cognito-idp:ListUserPools *", "cognito-idp:AdminInitiateAuth " + arn + poolID, "cognito-idp:AdminGetUser " + arn + "eu-central-1_other"}, asked)
	n := len(asked)
	for _, op := range userpool.Operations() {
		status, got := post(t, h, op, `{"UserPoolId":"../x"}`)
		require.NotEqual(t, 500, status, op)
		require.NotEqual(t, "UnknownOperationException", got["__type"], op)
	}
	asked = asked[:n]
	for err, want := range map[error]string{
		fmt.Errorf("x: %w", auth.ErrDenied):       "400 AccessDeniedException",
		auth.ErrBadCredentials:                    "400 UnrecognizedClientException",
		auth.ErrUnrecognised:                      "400 UnrecognizedClientException",
		auth.ErrUnavailable:                       "503 ServiceUnavailableException",
		errors.New("the directory has gone away"): "503 ServiceUnavailableException",
	} {
		answer = err
		status, got := post(t, h, "AdminDeleteUser", `{"UserPoolId":"`+poolID+`","Username":"alice"}`)
		require.Equal(t, want, fmt.Sprint(status, " ", got["__type"]))
		require.NotContains(t, got["message"], "directory")
	}
	require.NotNil(t, r.login("alice"), "nothing was done")

	// Without a seam nobody may.
	shut := newRig(t).Handler()
	public := 0
	for _, op := range userpool.Operations() {
		_, got := post(t, shut, op, `{"UserPoolId":"`+poolID+`"}`)
		if got["__type"] != "AccessDeniedException" {
			public++
			require.NotContains(t, op, "Admin")
			require.NotContains(t, op, "List")
		}
	}
	require.Equal(t, 20, public)
	require.Len(t, userpool.Operations(), 57)
}

// TestKeysDocument: another library finds the keys by the issuer and proves a token.
func TestKeysDocument(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.open(func(c *userpool.Config) { c.Issuer = server.URL + "/pools" })
	mux.Handle("/pools/", http.StripPrefix("/pools", r.Handler()))
	r.user("alice")
	got := r.login("alice")
	get := func(url string, v any) {
		t.Helper()
		resp, err := http.Get(url) //nolint:noctx // a test
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
		require.NoError(t, json.NewDecoder(resp.Body).Decode(v))
	}
	issuer, _ := claims(t, got.IDToken)["iss"].(string)
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	get(issuer+"/.well-known/openid-configuration", &doc)
	require.Equal(t, issuer, doc.Issuer)
	var set jose.JSONWebKeySet
	get(doc.JWKSURI, &set)
	require.Len(t, set.Keys, 1)
	require.True(t, set.Keys[0].IsPublic())
	parsed, err := jwt.ParseSigned(got.IDToken, []jose.SignatureAlgorithm{jose.RS256})
	require.NoError(t, err)
	var c jwt.Claims
	require.NoError(t, parsed.Claims(set.Key(parsed.Headers[0].KeyID)[0], &c))
	require.NoError(t, c.Validate(jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{appID}, Time: noon}))
	r.pass(89*24*time.Hour + time.Hour)
	get(doc.JWKSURI, &set)
	require.Len(t, set.Keys, 2, "the next one, before it signs")
}

// broken is a directory that fails.
type broken struct{ auth.Directory }

func (b broken) Get(context.Context, string) (auth.Record, error) {
	return auth.Record{}, errors.New("disk on fire")
}

func TestBrokenDirectory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.user("alice")
	got := r.login("alice")
	dir := r.dir
	r.dir = broken{dir}
	r.open(func(c *userpool.Config) { c.Pools = nil })
	status, answer := post(t, r.Handler(), "InitiateAuth", `{"ClientId":"app","AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{"USERNAME":"alice","PASSWORD":"x"}}`)
	require.Equal(t, 500, status)
	require.Equal(t, "internal failure", answer["message"])
	require.Contains(t, r.log.String(), "disk on fire")
	_, err := r.Pool(poolID).Verify(r.ctx, got.IDToken)
	require.ErrorIs(t, err, auth.ErrUnavailable)
	require.False(t, r.Pool(poolID).Immediate())
}

func FuzzHTTP(f *testing.F) {
	r := newRig(f, func(c *userpool.Config) {
		c.Authorize = func(context.Context, *http.Request, []byte, auth.Action, string) (*auth.Identity, error) {
			return nil, nil //nolint:nilnil // nobody in particular
		}
	})
	r.ctx = context.Background()
	r.user("alice", "email", "alice@example.com")
	h, ops := r.Handler(), userpool.Operations()
	access := r.login("alice").AccessToken
	for i := range ops {
		f.Add(byte(i), `{"UserPoolId":"`+poolID+`","ClientId":"app","Username":"alice","AccessToken":"x"}`)
	}
	f.Add(byte(0), `{`)
	f.Add(byte(0), `{"UserAttributes":[{"Name":"email","Value":"x"}],"AuthParameters":{"USERNAME":"alice","SRP_A":"ff"}}`)
	f.Fuzz(func(t *testing.T, op byte, text string) {
		name := ops[int(op)%len(ops)]
		if strings.HasPrefix(name, "Delete") || name == "AdminDeleteUser" {
			return // so that the rest has something to work on
		}
		text = strings.ReplaceAll(text, `"AccessToken":"x"`, `"AccessToken":"`+access+`"`)
		status, got := post(t, h, name, text)
		require.NotEqual(t, 500, status, "%s: %v", name, got)
	})
}
