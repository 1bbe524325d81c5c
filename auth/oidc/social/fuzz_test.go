package social_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/oidc/social"
)

// says answers all questions with a text.
type says string

func (s says) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Status: "200 OK", Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(s)))}, nil
}

// Whatever a provider answers is a token for our app with a subject, or an error.
func FuzzAnswers(f *testing.F) {
	for _, text := range []string{
		``, `null`, `{}`, `{"data":{}}`, `{"data":[]}`,
		`{"iss":"https://www.amazon.com","user_id":"u","aud":"app","exp":3597,"iat":1}`,
		`{"data":{"app_id":"app","type":"USER","is_valid":true,"user_id":"u","expires_at":99999999999,"issued_at":1}}`,
		`{"data":{"is_valid":false,"error":{"code":190,"subcode":463}}}`, `{"error":{"code":1e99}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		client := &http.Client{Transport: says(text)}
		amazon, err := social.NewAmazon(social.AmazonConfig{ClientIDs: []string{"app"}, Client: client})
		require.NoError(t, err)
		facebook, err := social.NewFacebook(social.FacebookConfig{AppID: "app", AppSecret: "s3cret", Client: client})
		require.NoError(t, err)
		for _, v := range []auth.TokenVerifier{amazon, facebook} {
			got, err := v.Verify(t.Context(), "token")
			if err != nil {
				require.True(t, errorsIsAny(err, auth.ErrBadCredentials, auth.ErrUnavailable), "%v", err)
				require.Less(t, len(err.Error()), 500)
				continue
			}
			require.Equal(t, []string{"app"}, got.Audience)
			require.NotEmpty(t, got.Subject)
			require.False(t, got.Expires.IsZero())
		}
	})
}

// Nothing passes for a login with X that was not sealed.
func FuzzXLogin(f *testing.F) {
	for _, login := range []string{"", "x1.", "x1.AAAA", "a;b", "x1." + strings.Repeat("A", 64)} {
		f.Add(login)
	}
	x, err := social.NewX(social.XConfig{ClientID: "a", ClientSecret: "b", Client: &http.Client{Transport: says(`{"data":{"id":"1"}}`)}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, login string) {
		x.Recognises(login)
		_, err := x.Verify(t.Context(), login)
		require.ErrorIs(t, err, auth.ErrBadCredentials)
	})
}

// Any form has a name or none.
func FuzzAppleName(f *testing.F) {
	f.Add(`{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"a@b"}`)
	f.Add(`{"name":null}`)
	f.Fuzz(func(t *testing.T, raw string) {
		name, there := social.AppleName(url.Values{"user": {raw}})
		require.Equal(t, there, name != social.Name{})
		require.True(t, utf8.ValidString(name.First+name.Last))
	})
}
