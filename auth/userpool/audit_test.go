package userpool_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

const (
	poolARN    = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/" + poolID
	wrongLogin = "Incorrect username or password. "
	wrongCode  = "Invalid verification code provided, please try again. "
)

// take returns the events since the last time.
func (r *rig) take() []auth.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.events
	r.events = nil
	return all
}

// told requires what was told since the last time: the operation, the outcome, the name
// that was given, who it was, and why. Users are written by their names instead of subs.
func (r *rig) told(users []string, want ...string) {
	r.t.Helper()
	events := r.take()
	var pairs []string
	for _, name := range users {
		pairs = append(pairs, value(r.get(name).UserAttributes, "sub"), name)
	}
	var got []string
	for _, e := range events {
		require.Equal(r.t, "cognito-idp", e.Service)
		require.Equal(r.t, r.now(), e.Time)
		require.Equal(r.t, e.Outcome == auth.Accepted, e.Err == nil)
		text := e.Operation + " " + e.Outcome.String() + " " + e.User + " <" + e.Principal + ">"
		if e.Err != nil {
			text += " " + strings.ReplaceAll(e.Why(), "userpool: ", "")
		}
		got = append(got, strings.NewReplacer(pairs...).Replace(text))
	}
	require.Equal(r.t, want, got)
}

// TestAudit: each sign-in is told once, with what the client is not told.
func TestAudit(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) {
		c.Pools[0].Clients[0].Client.RefreshTokenRotation = &userpool.RefreshTokenRotation{Feature: "ENABLED"}
		c.PerUser.Failures = 2
	})
	r.user("alice", "email", "alice@example.com", "email_verified", "true")
	r.user("bob")
	people := []string{"alice", "bob"}
	require.Empty(t, r.take(), "what the host does itself")

	got := r.login("alice")
	require.Equal(t, poolARN, r.events[0].Resource)
	require.Empty(t, r.events[0].Action)
	require.Empty(t, r.events[0].RemoteAddr)
	r.told(people, "InitiateAuth accepted alice <alice>")
	r.ctx = userpool.WithAddr(t.Context(), &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4711})
	_, _ = r.try("alice@example.com", "Wrong0ne!")
	require.Equal(t, "192.0.2.7:4711", r.events[0].RemoteAddr)
	_, _ = r.try("nobody", goodPass)
	_, _ = r.try(strings.Repeat("x", 1000), goodPass)
	_, _ = r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: "none"})
	r.ctx = t.Context()
	r.told(people, "InitiateAuth refused alice@example.com <> the user alice: "+wrongLogin+"(the password is wrong)",
		"InitiateAuth refused nobody <> "+wrongLogin+"(User does not exist.)",
		"InitiateAuth failed "+strings.Repeat("x", 512)+`... <> USERNAME is "`+strings.Repeat("x", 100)+`...", expected 1 to 128 letters, digits and signs without spaces`,
		"InitiateAuth failed  <> User pool client none does not exist.")
	for range 3 {
		_, _ = r.try("bob", "Wrong0ne!")
	}
	r.told(people, "InitiateAuth refused bob <> the user bob: "+wrongLogin+"(the password is wrong)", "InitiateAuth refused bob <> the user bob: "+wrongLogin+"(the password is wrong)",
		"InitiateAuth refused bob <> the user bob: Password attempts exceeded (auth: banned: too many failed logins, the next one may be tried in 1s)")
	r.pass(time.Minute)
	_, _ = r.AdminDisableUser(r.ctx, userpool.UserInput{UserPoolID: poolID, Username: "bob"})
	_, _ = r.try("bob", goodPass)
	r.told(people, "InitiateAuth refused bob <bob> User is disabled.")

	// SRP, and a second factor: what goes on is not told.
	for _, password := range []string{goodPass, "Wrong0ne!"} {
		_, _ = r.srp("alice", password)
	}
	_, _ = r.srp("nobody", goodPass)
	nobody := r.events[2].User
	_, _ = r.respond("CUSTOM_CHALLENGE", "x", map[string]string{"USERNAME": "alice", "ANSWER": "x"})
	_, _ = r.respond("MFA_SETUP", "x", map[string]string{"USERNAME": "alice"})
	r.told(people, "RespondToAuthChallenge accepted alice <alice>", "RespondToAuthChallenge refused alice <> the user alice: "+wrongLogin+"(the proof of the password is wrong)",
		"RespondToAuthChallenge refused "+nobody+" <> "+wrongLogin+"(User does not exist.)",
		"RespondToAuthChallenge failed alice <> Custom auth lambda trigger is not configured for the user pool.",
		"RespondToAuthChallenge refused alice <> Invalid session for the user. (it is not one that was given to the client for this step)")
	secret := r.withToken(t, got.AccessToken)
	r.take()
	r.pass(time.Minute)
	out, err := r.try("alice", goodPass)
	require.NoError(t, err)
	_, _ = r.respond("SOFTWARE_TOKEN_MFA", out.Session, map[string]string{"USERNAME": "alice", "SOFTWARE_TOKEN_MFA_CODE": other(r.app(secret))})
	_, err = r.respond("SOFTWARE_TOKEN_MFA", out.Session, map[string]string{"USERNAME": "alice", "SOFTWARE_TOKEN_MFA_CODE": r.app(secret)})
	require.NoError(t, err)
	r.told(people, "RespondToAuthChallenge refused alice <> the user alice: "+wrongCode+"(the code of the software token is wrong or was used before)",
		"RespondToAuthChallenge accepted alice <alice>")

	// Refresh tokens.
	second, err := r.refresh(got.RefreshToken)
	require.NoError(t, err)
	_, _ = r.refresh(got.RefreshToken)
	for _, token := range []string{second.RefreshToken, "x"} {
		_, _ = r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters: map[string]string{"REFRESH_TOKEN": token}})
	}
	r.told(people, "GetTokensFromRefreshToken accepted  <alice>",
		"GetTokensFromRefreshToken refused  <alice> Refresh token has been invalidated by rotation; all tokens of the sign-in are revoked",
		"InitiateAuth refused  <alice> Refresh Token has been revoked (the sign-in was revoked)", "InitiateAuth refused  <> Invalid Refresh Token")
	out, err = r.AdminInitiateAuth(r.ctx, userpool.AdminInitiateAuthInput{UserPoolID: poolID, InitiateAuthInput: userpool.InitiateAuthInput{
		ClientID: appID, AuthFlow: "ADMIN_USER_PASSWORD_AUTH", AuthParameters: map[string]string{"USERNAME": "alice", "PASSWORD": goodPass},
	}})
	require.NoError(t, err)
	r.pass(time.Minute)
	out, err = r.AdminRespondToAuthChallenge(r.ctx, userpool.AdminRespondToAuthChallengeInput{UserPoolID: poolID, RespondToAuthChallengeInput: userpool.RespondToAuthChallengeInput{
		ClientID: appID, ChallengeName: "SOFTWARE_TOKEN_MFA", Session: out.Session, ChallengeResponses: map[string]string{"USERNAME": "alice", "SOFTWARE_TOKEN_MFA_CODE": r.app(secret)},
	}})
	require.NoError(t, err)
	reuse := func(token string) {
		_, _ = r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters: map[string]string{"REFRESH_TOKEN": token}})
	}
	reuse(out.AuthenticationResult.RefreshToken)
	reuse(out.AuthenticationResult.RefreshToken)
	r.told(people, "AdminRespondToAuthChallenge accepted alice <alice>", "InitiateAuth accepted  <alice>",
		"InitiateAuth refused  <alice> Refresh Token has been revoked (it was used again after its rotation, so all tokens of the sign-in are revoked)")
}

// TestAuditPages: sign-ins at pages are sign-ins.
func TestAuditPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, withPages)
	r.user("alice")
	people := []string{"alice"}
	v := r.Pages(poolID, time.Hour)
	_, _ = v.SignIn(r.ctx, appID, "alice", "Wrong0ne!")
	tokens := r.redeem(v, r.proof(v, "alice"), asks("openid"))
	_, err := v.Refresh(r.ctx, appID, tokens.RefreshToken)
	require.NoError(t, err)
	_, _ = v.Answer(r.ctx, appID, "SOFTWARE_TOKEN_MFA", "x", map[string]string{"SOFTWARE_TOKEN_MFA_CODE": "123456"})
	require.Equal(t, poolARN, r.events[0].Resource)
	r.told(people, "Login_POST refused alice <> the user alice: "+wrongLogin+"(the password is wrong)", "Login_POST accepted alice <alice>",
		"Token_POST accepted  <alice>", "Token_POST accepted  <alice>", "Login_POST refused  <> Invalid session for the user. (it is not one that was given to the client for this step)")
	_, err = r.AdminCreateUser(r.ctx, userpool.AdminCreateUserInput{UserPoolID: poolID, Username: "bob", TemporaryPassword: goodPass, MessageAction: "SUPPRESS"})
	require.NoError(t, err)
	step, err := v.SignIn(r.ctx, appID, "bob", goodPass)
	require.NoError(t, err)
	_, err = v.Answer(r.ctx, appID, step.ChallengeName, step.Session, map[string]string{"NEW_PASSWORD": "An0ther!pass"})
	require.NoError(t, err)
	r.told([]string{"bob"}, "Login_POST accepted bob <bob>")
}

// withToken gives a user a software token that is asked for.
func (r *rig) withToken(t testing.TB, access string) (secret string) {
	t.Helper()
	got, err := r.AssociateSoftwareToken(r.ctx, userpool.AssociateSoftwareTokenInput{AccessToken: access})
	require.NoError(t, err)
	_, err = r.VerifySoftwareToken(r.ctx, userpool.VerifySoftwareTokenInput{AccessToken: access, UserCode: r.app(got.SecretCode)})
	require.NoError(t, err)
	_, err = r.SetUserMFAPreference(r.ctx, userpool.SetUserMFAPreferenceInput{AccessToken: access, SoftwareTokenMfaSettings: &userpool.MFASettings{Enabled: true}})
	require.NoError(t, err)
	return got.SecretCode
}

// TestAuditHTTP: every operation is told once, by its name, with who asked for it.
func TestAuditHTTP(t *testing.T) {
	t.Parallel()
	admin := &auth.Identity{Principal: "AKID", ARN: "arn:aws:iam::123456789012:user/anna"}
	var answer error
	broken := false
	outbox := &userpool.Outbox{}
	r := newRig(t, func(c *userpool.Config) {
		c.Authorize = func(context.Context, *http.Request, []byte, auth.Action, string) (*auth.Identity, error) {
			if errors.Is(answer, auth.ErrBadCredentials) {
				return nil, answer
			}
			return admin, answer
		}
		c.Sender = senderFunc(func(ctx context.Context, m userpool.Message) error {
			if broken {
				return errors.New("the mail server is closed")
			}
			return outbox.Send(ctx, m)
		})
	})
	r.outbox = outbox
	h := r.Handler()
	call := func(op string, in map[string]any) (int, map[string]any) {
		t.Helper()
		if _, ok := in["ClientId"]; !ok && !strings.HasPrefix(op, "Admin") {
			in["ClientId"] = appID
		}
		return post(t, h, op, body(t, in))
	}
	people := []string{"alice"}
	alice := map[string]any{"Username": "alice", "Password": goodPass, "UserAttributes": []map[string]string{{"Name": "email", "Value": "alice@example.com"}}}
	call("SignUp", alice)
	require.Equal(t, "192.0.2.1:1234", r.events[0].RemoteAddr)
	require.Equal(t, poolARN, r.events[0].Resource)
	call("SignUp", alice)
	code := r.code("alice@example.com")
	for _, c := range []string{other(code), code} {
		call("ConfirmSignUp", map[string]any{"Username": "alice", "ConfirmationCode": c})
	}
	call("ConfirmSignUp", map[string]any{"Username": "nobody", "ConfirmationCode": "123456"})
	r.told(people, "SignUp accepted alice <alice>", "SignUp failed alice <> the user alice: User already exists",
		"ConfirmSignUp refused alice <> the user alice: "+wrongCode+"(the code is wrong)", "ConfirmSignUp accepted alice <alice>",
		"ConfirmSignUp refused nobody <> "+wrongCode+"(User does not exist.)")

	// What the client is not told.
	call("InitiateAuth", map[string]any{"AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": map[string]string{"USERNAME": "alice", "PASSWORD": "Wrong0ne!"}})
	for _, name := range []string{"alice", "nobody"} {
		status, _ := call("ForgotPassword", map[string]any{"Username": name})
		require.Equal(t, 200, status)
		status, _ = call("ResendConfirmationCode", map[string]any{"Username": name})
		require.Equal(t, 200, status)
	}
	broken = true
	status, _ := call("ForgotPassword", map[string]any{"Username": "alice"})
	require.Equal(t, 200, status)
	broken = false
	call("ConfirmForgotPassword", map[string]any{"Username": "alice", "ConfirmationCode": "x", "Password": goodPass})
	r.told(people, "InitiateAuth refused alice <> the user alice: "+wrongLogin+"(the password is wrong)",
		"ForgotPassword accepted alice <>", "ResendConfirmationCode failed alice <> the user alice: User is already confirmed, or has no address for a code.",
		"ForgotPassword refused nobody <> User does not exist.", "ResendConfirmationCode refused nobody <> User does not exist.",
		"ForgotPassword failed alice <> the user alice: The message could not be delivered.",
		"ConfirmForgotPassword refused alice <> the user alice: "+wrongCode+"(the code is wrong)")

	// Users.
	tokens := r.login("alice")
	token := func(more ...any) map[string]any {
		in := map[string]any{"AccessToken": tokens.AccessToken}
		for i := 0; i < len(more); i += 2 {
			in[more[i].(string)] = more[i+1]
		}
		return in
	}
	call("GetUser", token())
	call("GetUser", map[string]any{"AccessToken": tokens.IDToken})
	call("UpdateUserAttributes", token("UserAttributes", []map[string]string{{"Name": "email_verified", "Value": "true"}}))
	call("ChangePassword", token("PreviousPassword", "Wrong0ne!", "ProposedPassword", "An0ther!pass"))
	call("ChangePassword", token("PreviousPassword", goodPass, "ProposedPassword", "short"))
	call("ChangePassword", token("PreviousPassword", goodPass, "ProposedPassword", "An0ther!pass"))
	status, _ = call("RevokeToken", map[string]any{"Token": tokens.RefreshToken[:50] + swapped(tokens.RefreshToken[50]) + tokens.RefreshToken[51:]})
	require.Equal(t, 200, status)
	call("GlobalSignOut", token())
	call("GetUser", token())
	r.told(people, "InitiateAuth accepted alice <alice>", "GetUser accepted  <alice>",
		`GetUser refused  <> Invalid Access Token (auth: bad credentials: token_use is "id", expected "access")`,
		"UpdateUserAttributes forbidden  <alice> A client attempted to write unauthorized attribute",
		"ChangePassword refused  <alice> "+wrongLogin+"(PreviousPassword is wrong)",
		"ChangePassword failed  <alice> Password did not conform with policy: Password not long enough",
		"ChangePassword accepted  <alice>", "RevokeToken refused  <> Invalid Refresh Token (its signature is wrong)",
		"GlobalSignOut accepted  <alice>", "GetUser refused  <alice> Access Token has been revoked")

	// Administrators.
	target := map[string]any{"UserPoolId": poolID, "Username": "alice"}
	call("AdminGetUser", target)
	e := r.events[0]
	require.Equal(t, admin.ARN, e.PrincipalARN)
	require.Equal(t, auth.Action("cognito-idp:AdminGetUser"), e.Action)
	require.Equal(t, poolARN, e.Resource)
	call("AdminConfirmSignUp", target)
	call("AdminGetUser", map[string]any{"UserPoolId": poolID, "Username": "nobody"})
	call("ListUserPools", map[string]any{})
	require.Equal(t, "*", r.events[3].Resource)
	signIn := map[string]any{"UserPoolId": poolID, "ClientId": appID, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH", "AuthParameters": map[string]string{"USERNAME": "alice", "PASSWORD": "Wrong0ne!"}}
	call("AdminInitiateAuth", signIn)
	answer = &auth.Denied{Action: "a", Resource: "b", Explain: func() string { return "the statement NoBobs of the policy p denies it" }}
	_, got := call("AdminDeleteUser", target)
	require.NotContains(t, fmt.Sprint(got), "NoBobs", "it is for the host")
	answer = fmt.Errorf("%w: the signature does not match", auth.ErrBadCredentials)
	call("AdminDeleteUser", target)
	answer = errors.New("the disk is full")
	call("AdminDeleteUser", target)
	r.told(people, "AdminGetUser accepted alice <AKID>", "AdminConfirmSignUp failed alice <AKID> the user alice: User cannot be confirmed. Current status is CONFIRMED",
		"AdminGetUser failed nobody <AKID> User does not exist.", "ListUserPools accepted  <AKID>",
		"AdminInitiateAuth refused alice <AKID> the user alice: "+wrongLogin+"(the password is wrong)",
		"AdminDeleteUser forbidden alice <AKID> the statement NoBobs of the policy p denies it",
		"AdminDeleteUser refused alice <> auth: bad credentials: the signature does not match",
		"AdminDeleteUser failed alice <AKID> auth: authentication is unavailable: the disk is full")

	// Nothing is told by another name than its own.
	answer = auth.ErrDenied
	for _, op := range userpool.Operations() {
		post(t, h, op, `{"UserPoolId":"`+poolID+`","ClientId":"none","Username":"alice"}`)
		all := r.take()
		require.Len(t, all, 1, op)
		require.Equal(t, op, all[0].Operation)
		require.NotEqual(t, auth.Accepted, all[0].Outcome)
	}
	post(t, h, "Nothing", `{}`)
	post(t, h, "GetUser", `{`)
	all := r.take()
	require.Len(t, all, 2)
	require.Empty(t, all[0].Operation)
	require.Equal(t, []auth.Outcome{auth.Failed, auth.Failed}, []auth.Outcome{all[0].Outcome, all[1].Outcome})
}

// swapped is another digit of base64.
func swapped(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

type senderFunc func(ctx context.Context, m userpool.Message) error

func (f senderFunc) Send(ctx context.Context, m userpool.Message) error { return f(ctx, m) }

// TestAuditSecrets: no event has what somebody could sign in with.
func TestAuditSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) {
		customAfterSRP(c)
		c.Authorize = func(context.Context, *http.Request, []byte, auth.Action, string) (*auth.Identity, error) {
			return nil, nil
		} //nolint:nilnil // nobody in particular
	})
	h := r.Handler()
	hash := userpool.SecretHash(secret, "carol", secretID)
	secrets := map[string]string{"a password": goodPass, "another": "Wrong0ne!", "a third": "An0ther!pass", "a hash": hash, "a client's secret": secret, "a code": "A-wrong-code", "an answer": "A-wrong-answer"}
	call := func(op string, in map[string]any) map[string]any {
		t.Helper()
		_, out := post(t, h, op, body(t, in))
		return out
	}
	keep := func(out map[string]any) map[string]any {
		for _, name := range []string{"Session", "AccessToken", "IdToken", "RefreshToken", "SecretCode"} {
			if s, ok := out[name].(string); ok {
				secrets[fmt.Sprint(name, len(secrets))] = s
			}
		}
		if p, ok := out["ChallengeParameters"].(map[string]any); ok {
			if s, ok := p["SECRET_BLOCK"].(string); ok {
				secrets[fmt.Sprint("SECRET_BLOCK", len(secrets))] = s
			}
		}
		return out
	}
	signUp := map[string]any{"ClientId": secretID, "SecretHash": hash, "Username": "carol", "Password": goodPass, "UserAttributes": []map[string]string{{"Name": "email", "Value": "carol@example.com"}}}
	call("SignUp", signUp)
	call("SignUp", signUp)
	secrets["a code that was sent"] = r.code("carol@example.com")
	call("ConfirmSignUp", map[string]any{"ClientId": secretID, "SecretHash": hash, "Username": "carol", "ConfirmationCode": "A-wrong-code"})
	call("ConfirmSignUp", map[string]any{"ClientId": secretID, "SecretHash": hash + "x", "Username": "carol", "ConfirmationCode": "A-wrong-code"})
	call("ConfirmSignUp", map[string]any{"ClientId": secretID, "SecretHash": hash, "Username": "carol", "ConfirmationCode": r.code("carol@example.com")})
	var access, refresh string
	for _, p := range []string{"Wrong0ne!", goodPass} {
		out := call("InitiateAuth", map[string]any{"ClientId": secretID, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": map[string]string{"USERNAME": "carol", "PASSWORD": p, "SECRET_HASH": hash}})
		if got, ok := out["AuthenticationResult"].(map[string]any); ok {
			keep(got)
			access, refresh = got["AccessToken"].(string), got["RefreshToken"].(string)
		}
	}
	require.NotEmpty(t, access)
	for _, in := range []map[string]any{
		{"op": "ChangePassword", "AccessToken": access, "PreviousPassword": "Wrong0ne!", "ProposedPassword": "An0ther!pass"},
		{"op": "ChangePassword", "AccessToken": access + "x", "PreviousPassword": goodPass, "ProposedPassword": "An0ther!pass"},
		{"op": "ChangePassword", "AccessToken": access, "PreviousPassword": goodPass, "ProposedPassword": "An0ther!pass " + goodPass},
		{"op": "ChangePassword", "AccessToken": access, "PreviousPassword": 1, "ProposedPassword": "An0ther!pass"},
		{"op": "VerifyUserAttribute", "AccessToken": access, "AttributeName": "email", "Code": "A-wrong-code"},
		{"op": "VerifySoftwareToken", "AccessToken": access, "UserCode": "A-wrong-code"},
		{"op": "AssociateSoftwareToken", "AccessToken": access},
		{"op": "VerifySoftwareToken", "AccessToken": access, "UserCode": "A-wrong-code"},
		{"op": "GetTokensFromRefreshToken", "ClientId": secretID, "ClientSecret": secret, "RefreshToken": refresh},
		{"op": "GetTokensFromRefreshToken", "ClientId": appID, "RefreshToken": refresh},
		{"op": "GetTokensFromRefreshToken", "ClientId": secretID, "ClientSecret": secret + "x", "RefreshToken": refresh},
		{"op": "InitiateAuth", "ClientId": secretID, "AuthFlow": "REFRESH_TOKEN_AUTH", "AuthParameters": map[string]string{"REFRESH_TOKEN": refresh, "SECRET_HASH": hash + "x"}},
		{"op": "RevokeToken", "ClientId": secretID, "ClientSecret": secret, "Token": refresh + "x"},
		{"op": "RevokeToken", "ClientId": secretID, "ClientSecret": secret, "Token": access},
		{"op": "AdminSetUserPassword", "UserPoolId": poolID, "Username": "carol", "Password": "An0ther!pass " + goodPass + " "},
		{"op": "AdminCreateUser", "UserPoolId": poolID, "Username": "carol", "TemporaryPassword": goodPass},
		{"op": "ForgotPassword", "ClientId": secretID, "SecretHash": hash, "Username": "carol"},
		{"op": "ConfirmForgotPassword", "ClientId": secretID, "SecretHash": hash, "Username": "carol", "ConfirmationCode": "A-wrong-code", "Password": "An0ther!pass"},
		{"op": "RespondToAuthChallenge", "ClientId": secretID, "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "A-wrong-code", "ChallengeResponses": map[string]string{"USERNAME": "carol", "NEW_PASSWORD": goodPass, "SECRET_HASH": hash}},
		{"op": "RespondToAuthChallenge", "ClientId": secretID, "ChallengeName": "PASSWORD_VERIFIER", "ChallengeResponses": map[string]string{"USERNAME": "carol", "PASSWORD_CLAIM_SIGNATURE": "A-wrong-code", "PASSWORD_CLAIM_SECRET_BLOCK": "A-wrong-code", "TIMESTAMP": "x"}},
	} {
		op := in["op"].(string)
		delete(in, "op")
		keep(call(op, in))
	}
	// And what goes on.
	r.user("dora")
	c := newSRPClient(poolID)
	out, err := r.InitiateAuth(r.ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "CUSTOM_AUTH", AuthParameters: map[string]string{"USERNAME": "dora", "CHALLENGE_NAME": "SRP_A", "SRP_A": c.A.Text(16)}})
	require.NoError(t, err)
	secrets["a block"] = out.ChallengeParameters["SECRET_BLOCK"]
	answers := c.answer(t, out.ChallengeParameters, goodPass, r.now())
	secrets["a proof"] = answers["PASSWORD_CLAIM_SIGNATURE"]
	_, err = r.respond("PASSWORD_VERIFIER", "", c.answer(t, out.ChallengeParameters, "Wrong0ne!", r.now()))
	require.Error(t, err)
	out, err = r.respond("PASSWORD_VERIFIER", "", answers)
	require.NoError(t, err)
	secrets["a session"] = out.Session
	for range 2 {
		_, err = r.respond("CUSTOM_CHALLENGE", out.Session, map[string]string{"USERNAME": "dora", "ANSWER": "A-wrong-answer"})
		require.Error(t, err)
	}

	require.Len(t, secrets, 15, "with the tokens and secrets that were given")
	all := r.take()
	require.Greater(t, len(all), 25)
	for _, e := range all {
		text := fmt.Sprintf("%+v %s %v", e, e.Why(), e.Err)
		for what, s := range secrets {
			require.NotContains(t, text, s, what)
		}
	}
	for what, s := range secrets {
		require.NotContains(t, r.log.String(), s, what)
	}
}

// TestAuditDefault: without an Auditor refusals are in the log.
func TestAuditDefault(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *userpool.Config) { c.Audit = nil })
	r.user("alice")
	_, _ = r.try("alice", "Wrong0ne!")
	require.Contains(t, r.log.String(), `level=INFO msg="auth: refused" service=cognito-idp operation=InitiateAuth user=alice`)
	require.Contains(t, r.log.String(), "the password is wrong")
	require.Equal(t, 1, strings.Count(r.log.String(), "\n"), r.log)
}

// TestAuditHooks: what a hook does with the service is an operation of its own, and one
// that panics does not hide it.
func TestAuditHooks(t *testing.T) {
	t.Parallel()
	var r *rig
	r = newRig(t, func(c *userpool.Config) {
		c.Hooks.PreAuthentication = func(ctx context.Context, e userpool.Event) error {
			switch e.Username {
			case "mallory":
				panic("at the disco")
			case "nobody":
				_, _ = r.InitiateAuth(ctx, userpool.InitiateAuthInput{ClientID: appID, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: map[string]string{"USERNAME": "alice", "PASSWORD": goodPass}})
				_, err := r.AdminGetUser(ctx, userpool.UserInput{UserPoolID: poolID, Username: "alice"})
				return err
			}
			return nil
		}
	})
	r.user("alice")
	h := r.Handler()
	post(t, h, "InitiateAuth", `{"ClientId":"app","AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{"USERNAME":"nobody","PASSWORD":"x"}}`)
	require.Panics(t, func() {
		post(t, h, "InitiateAuth", `{"ClientId":"app","AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{"USERNAME":"mallory","PASSWORD":"x"}}`)
	})
	r.told([]string{"alice"}, "InitiateAuth accepted alice <alice>", "InitiateAuth refused nobody <> "+wrongLogin+"(User does not exist.)",
		"InitiateAuth failed mallory <> the operation panicked")
}
