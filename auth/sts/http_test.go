package sts_test

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/roles"
	"github.com/thinghub/thinghub/auth/sigv4"
	"github.com/thinghub/thinghub/auth/sts"
)

// byHeader is who the header X-User names; whom nobody allows anything is "nobody".
func byHeader(_ context.Context, r *http.Request, _ []byte, action auth.Action, resource string) (*auth.Identity, error) {
	switch name := r.Header.Get("X-User"); name {
	case "":
		return nil, auth.ErrUnrecognised
	case "forged":
		return nil, &sigv4.Error{Status: 403, Code: "InvalidSignatureException", Message: "wrong"}
	case "expired":
		return nil, &sigv4.Error{Status: 403, Code: "ExpiredTokenException", Message: "over"}
	case "odd":
		return nil, &sigv4.Error{Status: 400, Code: "SomethingElse", Message: "odd"}
	case "nobody":
		return user(name), &auth.Denied{Action: action, Resource: resource, Reason: "no statement allows it"}
	case "banned":
		return nil, auth.ErrBanned
	case "flood":
		return nil, auth.ErrUnavailable
	case "broken":
		return nil, errors.New("the secret is 1234")
	case "nil":
		return nil, nil
	default:
		return user(name), nil
	}
}

func post(t testing.TB, h http.Handler, who string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	return postText(t, h, who, form.Encode())
}

func postText(t testing.TB, h http.Handler, who, body string) *httptest.ResponseRecorder {
	t.Helper()
	q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	q.Header.Set("X-User", who)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	return w
}

// An answerXML is what an answer of any kind has in it.
type answerXML struct {
	XMLName xml.Name
	Error   struct{ Type, Code, Message string }
	ID      string `xml:"RequestId"`
	Meta    struct {
		ID string `xml:"RequestId"`
	} `xml:"ResponseMetadata"`
	Inner string `xml:",innerxml"`
}

func read(t testing.TB, w *httptest.ResponseRecorder) (a answerXML) {
	t.Helper()
	require.Equal(t, "text/xml", w.Header().Get("Content-Type"))
	require.NoError(t, xml.Unmarshal(w.Body.Bytes(), &a), w.Body.String())
	require.Equal(t, "https://sts.amazonaws.com/doc/2011-06-15/", a.XMLName.Space)
	if a.ID == "" {
		a.ID = a.Meta.ID
	}
	require.Equal(t, w.Header().Get("X-Amzn-Requestid"), a.ID)
	return a
}

func TestHandler(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *sts.Config) { c.Authorize = byHeader })
	h := r.Handler()
	role := r.role(t, "reader", "AWS", anna, `"StringEquals": {"sts:ExternalId": "id-1"}`, time.Hour)
	web := r.role(t, "web", "Federated", google, googleApp, time.Hour)
	staff := r.role(t, "staff", "Federated", corp, samlAud, time.Hour)

	a := post(t, h, "anna", url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {role}, "RoleSessionName": {"anna"}, "ExternalId": {"id-1"}, "Policy": {narrow}, "DurationSeconds": {"900"}})
	require.Equal(t, 200, a.Code, a.Body.String())
	require.Equal(t, "no-store", a.Header().Get("Cache-Control"))
	var out struct {
		Result struct {
			Credentials      struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
			AssumedRoleUser  struct{ AssumedRoleId, Arn string }
			PackedPolicySize int

			SessionTokenSize, SessionTokenUtilization int
		} `xml:"AssumeRoleResult"`
	}
	require.Equal(t, "AssumeRoleResponse", read(t, a).XMLName.Local)
	require.NoError(t, xml.Unmarshal(a.Body.Bytes(), &out))
	key, err := r.roles.Lookup(t.Context(), out.Result.Credentials.AccessKeyId, out.Result.Credentials.SessionToken)
	require.NoError(t, err)
	require.Equal(t, key.Secret, out.Result.Credentials.SecretAccessKey)
	require.Equal(t, key.Expires.Format(time.RFC3339), out.Result.Credentials.Expiration)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/reader/anna", out.Result.AssumedRoleUser.Arn)
	require.Equal(t, 2, out.Result.PackedPolicySize)
	require.Len(t, out.Result.Credentials.SessionToken, out.Result.SessionTokenSize)
	require.Equal(t, (out.Result.SessionTokenSize*100+roles.MaxToken-1)/roles.MaxToken, out.Result.SessionTokenUtilization)

	a = post(t, h, "", url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "RoleArn": {web}, "RoleSessionName": {"anna"}, "WebIdentityToken": {sign(t, google, "anna", nil, time.Hour)}})
	require.Equal(t, 200, a.Code, a.Body.String())
	require.Contains(t, read(t, a).Inner, "<SubjectFromWebIdentityToken>anna</SubjectFromWebIdentityToken><Provider>https://accounts.google.com</Provider><Audience>app-1</Audience></AssumeRoleWithWebIdentityResult>")

	a = post(t, h, "", url.Values{"Action": {"AssumeRoleWithSAML"}, "RoleArn": {staff}, "PrincipalArn": {corp}, "SAMLAssertion": {r.assert("name", assertion(staff))}})
	require.Equal(t, 200, a.Code, a.Body.String())
	require.Contains(t, read(t, a).Inner, "<Subject>anna@example.com</Subject><SubjectType>persistent</SubjectType><Issuer>https://idp.example.com</Issuer><Audience>https://hub.example.com/saml</Audience>")

	a = post(t, h, "anna", url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}})
	require.Contains(t, read(t, a).Inner, "<GetCallerIdentityResult><Arn>"+anna+"</Arn><UserId>AIDAXanna</UserId><Account>000000000000</Account></GetCallerIdentityResult>")
}

func TestHandlerErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *sts.Config) { c.Authorize = byHeader })
	h := r.Handler()
	role := r.role(t, "reader", "AWS", anna, "", time.Hour)
	ok := url.Values{"Action": {"AssumeRole"}, "RoleArn": {role}, "RoleSessionName": {"anna"}}
	with := func(more ...string) url.Values {
		all := url.Values{}
		for k, v := range ok {
			all[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			all.Set(more[i], more[i+1])
		}
		return all
	}
	for name, c := range map[string]struct {
		who    string
		form   url.Values
		status int
		code   string
	}{
		"unsigned":              {"", ok, 403, "MissingAuthenticationToken"},
		"nobody":                {"nil", ok, 403, "MissingAuthenticationToken"},
		"forged":                {"forged", ok, 403, "SignatureDoesNotMatch"},
		"expired":               {"expired", ok, 403, "ExpiredToken"},
		"another signature":     {"odd", ok, 400, "SomethingElse"},
		"denied":                {"nobody", ok, 403, "AccessDenied"},
		"banned":                {"banned", ok, 403, "InvalidClientTokenId"},
		"flooded":               {"flood", ok, 503, "ServiceUnavailable"},
		"broken":                {"broken", ok, 500, "InternalFailure"},
		"not trusted":           {"bob", ok, 403, "AccessDenied"},
		"no action":             {"anna", with("Action", ""), 400, "MissingAction"},
		"another action":        {"anna", with("Action", "GetSessionToken"), 400, "InvalidAction"},
		"another version":       {"anna", with("Version", "2010-01-01"), 400, "InvalidAction"},
		"a misspelt parameter":  {"anna", with("Polcy", narrow), 400, "ValidationError"},
		"tags":                  {"anna", with("Tags.member.1.Key", "a"), 400, "ValidationError"},
		"a code of MFA":         {"anna", with("TokenCode", "123456"), 400, "ValidationError"},
		"an empty policy":       {"anna", with("Policy", ""), 400, "ValidationError"},
		"a policy that is none": {"anna", with("Policy", "{"), 400, "MalformedPolicyDocument"},
		"an empty external id":  {"anna", with("ExternalId", ""), 400, "ValidationError"},
		"a duration":            {"anna", with("DurationSeconds", "1h"), 400, "ValidationError"},
		"a short duration":      {"anna", with("DurationSeconds", "899"), 400, "ValidationError"},
		"a huge duration":       {"anna", with("DurationSeconds", "99999999999999999999"), 400, "ValidationError"},
		"a list with a gap":     {"anna", with("PolicyArns.member.2.arn", "x"), 400, "ValidationError"},
		"a list of odd numbers": {"anna", with("PolicyArns.member.01.arn", "x"), 400, "ValidationError"},
		"an unknown policy":     {"anna", with("PolicyArns.member.1.arn", "x"), 400, "ValidationError"},
		"a bad token":           {"", url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "RoleArn": {role}, "RoleSessionName": {"anna"}, "WebIdentityToken": {"abcd"}}, 400, "InvalidIdentityToken"},
		"an expired token":      {"", url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "RoleArn": {role}, "RoleSessionName": {"anna"}, "WebIdentityToken": {sign(t, google, "anna", nil, -time.Hour)}}, 400, "ExpiredTokenException"},
		"a bad assertion":       {"", url.Values{"Action": {"AssumeRoleWithSAML"}, "RoleArn": {role}, "PrincipalArn": {corp}, "SAMLAssertion": {"abcd"}}, 400, "InvalidIdentityToken"},
		"a session for SAML":    {"", url.Values{"Action": {"AssumeRoleWithSAML"}, "RoleArn": {role}, "PrincipalArn": {corp}, "SAMLAssertion": {"abcd"}, "RoleSessionName": {"x"}}, 400, "ValidationError"},
		"who am I, unsigned":    {"", url.Values{"Action": {"GetCallerIdentity"}}, 403, "MissingAuthenticationToken"},
		"who am I, for a role":  {"anna", url.Values{"Action": {"GetCallerIdentity"}, "RoleArn": {role}}, 400, "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(t, h, c.who, c.form)
			a := read(t, w)
			require.Equal(t, c.status, w.Code)
			require.Equal(t, "ErrorResponse", a.XMLName.Local)
			require.Equal(t, c.code, a.Error.Code)
			require.NotEmpty(t, a.Error.Message)
			require.NotContains(t, w.Body.String(), "1234", "nobody outside learns what is broken")
			require.Equal(t, c.status >= 500, a.Error.Type == "Receiver")
		})
	}
	for name, body := range map[string]string{"twice": ok.Encode() + "&RoleArn=x", "no form": "%zz", "no UTF-8": "Action=%ff"} {
		require.Equal(t, 400, postText(t, h, "anna", body).Code, name)
	}
	require.Equal(t, 413, postText(t, h, "anna", strings.Repeat("a", 600<<10)).Code)
	closed := newRig(t)
	require.Equal(t, 403, post(t, closed.Handler(), "anna", ok).Code, "who set nothing is asked nothing")
}

func TestHandlerMethods(t *testing.T) {
	t.Parallel()
	h := newRig(t).Handler()
	for _, c := range []struct {
		method, kind string
		status       int
	}{
		{http.MethodGet, "application/x-www-form-urlencoded", 405},
		{http.MethodOptions, "", 204},
		{http.MethodPost, "application/json", 415},
		{http.MethodPost, "", 415},
	} {
		q := httptest.NewRequestWithContext(t.Context(), c.method, "/?Action=GetCallerIdentity", nil)
		q.Header.Set("Content-Type", c.kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		require.Equal(t, c.status, w.Code)
		require.Equal(t, "*", w.Header().Get("Access-Control-Allow-Origin"))
	}
	q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", io.MultiReader(strings.NewReader("Action=x"), broken{}))
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	require.Equal(t, 400, w.Code)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("gone") }

// Whatever comes in, the answer is XML that can be read, and never a panic or somebody's
// credentials.
func FuzzHandler(f *testing.F) {
	r := newRig(f, func(c *sts.Config) { c.Authorize = byHeader })
	h := r.Handler()
	role := r.role(f, "reader", "AWS", anna, "", time.Hour)
	f.Add("Action=AssumeRole&RoleArn="+url.QueryEscape(role)+"&RoleSessionName=ab&PolicyArns.member.1.arn=x", "bob")
	f.Add("Action=AssumeRoleWithWebIdentity&RoleArn="+url.QueryEscape(role)+"&RoleSessionName=ab&WebIdentityToken=a.e30.c", "")
	f.Add("Action=GetCallerIdentity&Version=2011-06-15", "anna")
	f.Fuzz(func(t *testing.T, body, who string) {
		if who == "anna" {
			who = "bob"
		}
		w := postText(t, h, who, body)
		read(t, w)
		require.NotContains(t, w.Body.String(), "<SecretAccessKey>")
	})
}
