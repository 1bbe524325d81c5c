package hosted_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/hosted"
	"github.com/thinghub/thinghub/auth/userpool"
)

// TestAudit: the pool's audit is told of what people and apps do at the pages, each thing
// once, who it was and where, and what was refused for which reason.
func TestAudit(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var events []auth.Event
	r := newRig(t, func(c *userpool.Config, _ *hosted.Config) {
		c.Audit = func(e *auth.Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, *e)
		}
	})
	r.user("alice", "email", "alice@example.com", "email_verified", "true")
	r.invite("ben", "Temp0rary!")
	subs := map[string]string{}
	for _, name := range []string{"alice", "ben"} {
		u, err := r.AdminGetUser(t.Context(), userpool.UserInput{UserPoolID: poolID, Username: name})
		require.NoError(t, err)
		subs[u.UserAttributes[0].Value] = name
	}
	told := func(want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		var got []string
		for _, e := range events {
			require.Equal(t, "cognito-idp", e.Service)
			require.Equal(t, r.ARN(poolID), e.Resource)
			require.True(t, strings.HasPrefix(e.RemoteAddr, "127.0.0.1:"), e.RemoteAddr)
			for _, secret := range []string{goodPass, secret, verifier} {
				require.NotContains(t, e.Why(), secret)
			}
			who := e.User
			if e.Principal != "" {
				who += "=" + subs[e.Principal]
			}
			got = append(got, strings.TrimSpace(e.Operation+" "+e.Outcome.String()+" "+who))
		}
		require.Equal(t, want, got)
		events = nil
	}
	events = nil

	b := r.browser()
	p := b.submit(b.authorize(request()), "username", "alice", "password", "wrong")
	told("Login_POST refused alice")
	code := b.submit(p, "username", "alice", "password", goodPass).back().Get("code")
	told("Login_POST accepted alice=alice", "Authorize_GET accepted =alice")
	b.authorize(request())
	told("Authorize_GET accepted =alice")
	r.browser().authorize(request("redirect_uri", "https://evil.example"))
	told()

	r.call("/oauth2/token", "", "", exchanging(code, "code_verifier", strings.Repeat("x", 43)))
	r.call("/oauth2/token", secretID, "wrong", exchanging(code, "client_id", ""))
	r.call("/oauth2/token", secretID, secret, exchanging(code, "client_id", ""))
	r.call("/oauth2/token", "", "", exchanging("x"))
	r.call("/oauth2/token", "", "", exchanging(code, "redirect_uri", "https://app.example.com/other"))
	told("Token_POST refused", "Token_POST refused", "Token_POST refused", "Token_POST refused", "Token_POST refused")
	got := r.tokens(code)
	told("Token_POST accepted =alice")
	r.userInfo(got["access_token"].(string))
	r.userInfo("x")
	told("UserInfo_GET accepted =alice", "UserInfo_GET refused")
	refresh := url.Values{"grant_type": {"refresh_token"}, "client_id": {publicID}, "refresh_token": {got["refresh_token"].(string)}}
	r.call("/oauth2/token", "", "", refresh)
	told("Token_POST accepted =alice")
	r.call("/oauth2/revoke", secretID, "wrong", url.Values{"token": refresh["refresh_token"]})
	r.call("/oauth2/revoke", "", "", url.Values{"client_id": {publicID}, "token": refresh["refresh_token"]})
	r.call("/oauth2/token", "", "", refresh)
	told("Revoke_POST refused", "Revoke_POST accepted =alice", "Token_POST refused =alice")
	b.get(r.base + "/logout")
	told("Logout_GET accepted =alice")

	b = r.browser()
	p = b.submit(b.authorize(request()), "username", "ben", "password", "Temp0rary!")
	told()
	b.submit(p, "password", "weak", "again", "weak")
	told("Login_POST failed ben")
	p = b.submit(b.get(r.base+"/forgotPassword?"+request().Encode()), "username", "alice")
	p = b.submit(p, "code", "x", "password", goodPass, "again", goodPass)
	b.submit(b.get(r.base+"/confirmUser?"+request().Encode()), "username", "nobody", "code", "x")
	f := p.form().fields
	f.Set("username", "nobody")
	b.post(r.base+"/resendcode?"+request().Encode(), f)
	told("ForgotPassword_POST accepted alice", "ConfirmForgotPassword_POST refused alice", "ConfirmUser_POST refused nobody", "ResendCode_POST refused nobody")
	b.submit(b.get(r.base+"/signup?"+request().Encode()), "username", "carl", "password", goodPass, "again", goodPass, "attribute.email", "carl@example.com")
	told("SignUp_POST accepted carl=") // whom nobody knew before
}
