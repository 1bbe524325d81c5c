package custom_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/custom"
)

const (
	nameHeader      = "x-amz-customauthorizer-name"
	signatureHeader = "x-amz-customauthorizer-signature"
)

// TestIdentity goes through what becomes of an answer.
func TestIdentity(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(t, "corp", false)
	r.answer.PolicyDocuments = []custom.Document{allowAll, ` {"Version":"2012-10-17"} `}
	id, err := r.Authenticate(t.Context(), connect("alice?"+nameHeader+"=corp&SDK=x", "secret"))
	require.NoError(t, err)
	require.NotNil(t, id.Grant.Refresh)
	id.Grant.Refresh = nil
	require.Equal(t, &auth.Identity{
		Principal: "alice1", Kind: auth.Custom, Attributes: map[string]string{"authorizer": "corp"}, Expires: noon.Add(time.Hour),
		Grant: &auth.Grant{Every: 10 * time.Minute, Policies: []auth.Document{
			{Name: "authorizer corp, document 1", Text: allowAll}, {Name: "authorizer corp, document 2", Text: ` {"Version":"2012-10-17"} `},
		}},
	}, id)
	q := r.last(t)
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, q.ConnectionMetadata.ID)
	require.Equal(t, &custom.Request{
		Protocols: []string{"tls", "mqtt"}, ConnectionMetadata: q.ConnectionMetadata,
		ProtocolData: custom.ProtocolData{
			TLS:  &custom.TLSData{ServerName: "hub.test"},
			MQTT: &custom.MQTTData{Username: "alice?" + nameHeader + "=corp&SDK=x", Password: []byte("secret"), ClientID: "client-1"},
		},
	}, q)

	for _, c := range []struct{ disconnect, refresh, ends, every int }{
		{0, 0, 300, 300}, {299, 300, 300, 300}, {86400, 86401, 86400, 86400}, {-1, 1 << 40, 300, 86400},
	} {
		r.answer.DisconnectAfterInSeconds, r.answer.RefreshAfterInSeconds = c.disconnect, c.refresh
		id, err := r.Authenticate(t.Context(), connect("alice?"+nameHeader+"=corp", "secret"))
		require.NoError(t, err)
		require.Equal(t, time.Duration(c.ends)*time.Second, id.Expires.Sub(noon))
		require.Equal(t, time.Duration(c.every)*time.Second, id.Grant.Every)
	}
}

// TestWhichAuthorizer goes through the places for its name.
func TestWhichAuthorizer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, n := range []string{"a", "b", "c=,@-_"} {
		r.create(t, n, false)
	}
	r.create(t, "off", false, func(n *custom.NewAuthorizer) { n.Status = custom.Inactive })
	web := func(c *auth.Credentials) *auth.Credentials {
		c.ProtocolVersion, c.ClientID = 4, "browser"
		return c
	}
	named := func(c *auth.Credentials, username string) *auth.Credentials {
		c.Username, c.HasUsername = username, true
		return web(c)
	}
	for _, c := range []struct {
		name  string
		creds *auth.Credentials
		want  string // empty: not recognised
	}{
		{"user name", connect("x?"+nameHeader+"=a", ""), "a"},
		{"no user", connect("?"+nameHeader+"=a", ""), "a"},
		{"behind others", connect("x?SDK=y&"+nameHeader+"=a", ""), "a"},
		{"second question mark", connect("x?SDK=y?"+nameHeader+"=a?Version=1", ""), "a"},
		{"in capitals", connect("x?X-Amz-CustomAuthorizer-Name=a", ""), "a"},
		{"encoded", connect("x?"+nameHeader+"=c%3D%2C%40-_", ""), "c=,@-_"},
		{"not encoded", connect("x?"+nameHeader+"=c=,@-_", ""), "c=,@-_"},
		{"header", get(t, "http://hub.test/", nameHeader, "b"), "b"},
		{"query", get(t, "http://hub.test/?"+nameHeader+"=b"), "b"},
		{"header before query", get(t, "http://hub.test/?"+nameHeader+"=a", nameHeader, "b"), "b"},
		{"user name before header", named(get(t, "http://hub.test/", nameHeader, "b"), "x?"+nameHeader+"=a"), "a"},
		{"WebSocket", web(get(t, "http://hub.test/mqtt?"+nameHeader+"=b")), "b"},
		{"none", connect("x?SDK=y", "p"), ""},
		{"empty", connect("x?"+nameHeader+"=", "p"), ""},
		{"none over HTTP", get(t, "http://hub.test/?a=b"), ""},
		{"nothing at all", &auth.Credentials{}, ""},
	} {
		id, err := r.Authenticate(t.Context(), c.creds)
		if c.want == "" {
			require.ErrorIs(t, err, auth.ErrUnrecognised, c.name)
			continue
		}
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, id.Attributes["authorizer"], c.name)
	}
	for _, name := range []string{"off", "nobody", "A", "a/../b", strings.Repeat("x", 9999), "a\x00"} {
		_, err := r.Authenticate(t.Context(), connect("x?"+nameHeader+"="+name, ""))
		require.ErrorIs(t, err, auth.ErrNotAuthorized)
		require.NotErrorIs(t, err, auth.ErrUnrecognised)
		require.Less(t, len(err.Error()), 500)
	}
}

// TestByDefault: the default authorizer is for whoever names none, if it can be asked.
func TestByDefault(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(t, "plain", false)
	r.create(t, "tokens", true)
	_, err := r.SetDefaultAuthorizer(t.Context(), "plain")
	require.NoError(t, err)
	for _, c := range []*auth.Credentials{connect("alice", "pw"), connect("alice?SDK=x", "pw"), get(t, "http://hub.test/")} {
		id, err := r.Authenticate(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, "plain", id.Attributes["authorizer"])
	}
	require.Equal(t, []string{"http"}, r.last(t).Protocols)
	_, err = r.UpdateAuthorizer(t.Context(), "plain", custom.Change{Status: pointer(custom.Inactive)})
	require.NoError(t, err)
	_, err = r.Authenticate(t.Context(), connect("alice", "pw"))
	require.ErrorIs(t, err, auth.ErrUnrecognised)

	require.NoError(t, r.ClearDefaultAuthorizer(t.Context()))
	_, err = r.SetDefaultAuthorizer(t.Context(), "tokens")
	require.NoError(t, err)
	_, err = r.Authenticate(t.Context(), connect("alice", "pw"))
	require.ErrorIs(t, err, auth.ErrUnrecognised, "it has no token to look at")
	_, err = r.Authenticate(t.Context(), connect("alice?token=t", "pw"))
	require.ErrorIs(t, err, auth.ErrNotAuthorized)
	require.NotErrorIs(t, err, auth.ErrUnrecognised)
	_, err = r.Authenticate(t.Context(), connect("alice?token=t&"+signatureHeader+"="+url.QueryEscape(sign(keys()[0], "t")), "pw"))
	require.NoError(t, err)
}

// TestToken goes through the ways that a token and its signature arrive.
func TestToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(t, "corp", true)
	const token = "abc+d/e=f g%41"
	good := sign(keys()[0], token)
	require.True(t, strings.ContainsAny(good, "+/"))
	user := func(parts ...string) *auth.Credentials {
		return connect("alice?"+nameHeader+"=corp&"+strings.Join(parts, "&"), "pw")
	}
	sig := func(s string) string { return signatureHeader + "=" + s }
	for _, c := range []struct {
		name  string
		creds *auth.Credentials
	}{
		{"encoded", user("token="+url.QueryEscape(token), sig(url.QueryEscape(good)))},
		{"path encoded", user("token="+url.PathEscape(token), sig(url.PathEscape(good)))},
		{"raw", user("token="+token, sig(good))},
		{"plus became blank", user("token="+url.QueryEscape(token), sig(strings.ReplaceAll(good, "+", " ")))},
		{"without padding", user("token="+url.QueryEscape(token), sig(strings.TrimRight(good, "=")))},
		{"for URLs", user("token="+url.QueryEscape(token), sig(strings.NewReplacer("+", "-", "/", "_").Replace(good)))},
		{"second question mark", connect("alice?SDK=a?"+nameHeader+"=corp?token="+url.QueryEscape(token)+"?"+sig(url.QueryEscape(good)), "")},
		{"headers", get(t, "http://hub.test/", nameHeader, "corp", "Token", token, signatureHeader, good)},
		{"query", get(t, "http://hub.test/?"+nameHeader+"=corp&token="+url.QueryEscape(token)+"&"+sig(url.QueryEscape(good)))},
		{"query and header", get(t, "http://hub.test/?token="+url.QueryEscape(token), nameHeader, "corp", signatureHeader, good)},
	} {
		_, err := r.Authenticate(t.Context(), c.creds)
		require.NoError(t, err, c.name)
		require.Equal(t, token, r.last(t).Token, c.name)
		require.True(t, r.last(t).SignatureVerified)
	}
	calls := r.calls()
	for _, c := range []struct {
		name  string
		creds *auth.Credentials
		want  string
	}{
		{"no token", user(sig(url.QueryEscape(good))), `wants a token as "token", there is none`},
		{"no signature", user("token=" + url.QueryEscape(token)), "wants the signature of the token"},
		{"other token", user("token=other", sig(url.QueryEscape(good))), "is not signed by one of its keys"},
		{"other key", user("token="+url.QueryEscape(token), sig(url.QueryEscape(sign(keys()[1], token)))), "is not signed by one of its keys"},
		{"no base64", user("token="+url.QueryEscape(token), sig("!")), "is not signed by one of its keys"},
		{"empty", user("token=", sig("")), "is not signed by one of its keys"},
		{"cut", user("token="+url.QueryEscape(token), sig(url.QueryEscape(good[:100]))), "is not signed by one of its keys"},
		{"long", user("token="+url.QueryEscape(token), sig(strings.Repeat("A", 100_000))), "is not signed by one of its keys"},
	} {
		_, err := r.Authenticate(t.Context(), c.creds)
		require.ErrorIs(t, err, auth.ErrNotAuthorized, c.name)
		require.ErrorContains(t, err, c.want)
	}
	require.Equal(t, calls, r.calls(), "the function was not called for any of them")

	// Two keys: the next one is known before it is used.
	_, err := r.UpdateAuthorizer(t.Context(), "corp", custom.Change{TokenSigningPublicKeys: map[string]string{"k1": public(keys()[0]), "k2": public(keys()[1])}})
	require.NoError(t, err)
	for i, k := range keys() {
		_, err := r.Authenticate(t.Context(), user("token=t", sig(url.QueryEscape(sign(k, "t")))))
		require.Equal(t, i < 2, err == nil, err)
	}

	// Without signatures the token is only passed on.
	r.create(t, "plain", false, func(n *custom.NewAuthorizer) { n.TokenKeyName = "token" })
	_, err = r.Authenticate(t.Context(), connect("alice?"+nameHeader+"=plain&token=a%20b", ""))
	require.NoError(t, err)
	require.Equal(t, "a b", r.last(t).Token)
	require.False(t, r.last(t).SignatureVerified)
	_, err = r.Authenticate(t.Context(), connect("alice?"+nameHeader+"=plain", ""))
	require.NoError(t, err)
	require.Empty(t, r.last(t).Token)
}

// TestHTTPData checks what functions learn of requests.
func TestHTTPData(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(t, "corp", false)
	c := get(t, "http://hub.test/mqtt?"+nameHeader+"=corp&a=%20", "X-Key", "1", "X-Key", "2")
	_, err := r.Authenticate(t.Context(), c)
	require.NoError(t, err)
	q := r.last(t)
	require.Equal(t, []string{"http"}, q.Protocols)
	require.Equal(t, custom.ProtocolData{HTTP: &custom.HTTPData{
		Headers: map[string]string{"Host": "hub.test", "X-Key": "1,2"}, QueryString: "?" + nameHeader + "=corp&a=%20",
	}}, q.ProtocolData)
	c.ProtocolVersion, c.ClientID, c.TLS = 5, "browser", connect("", "").TLS
	_, err = r.Authenticate(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, []string{"tls", "http", "mqtt"}, r.last(t).Protocols)
	require.Equal(t, &custom.MQTTData{ClientID: "browser"}, r.last(t).ProtocolData.MQTT)
	require.NotEqual(t, q.ConnectionMetadata.ID, r.last(t).ConnectionMetadata.ID)
}

// TestAnswers goes through answers that let nobody in.
func TestAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *custom.Config) {
		c.CheckPolicy = func(text string) error {
			if strings.Contains(text, "bad") {
				return errors.New("it is bad")
			}
			return nil
		}
	})
	r.create(t, "corp", false)
	ask := func() error {
		_, err := r.Authenticate(t.Context(), connect("alice?"+nameHeader+"=corp", "pw"))
		return err
	}
	r.answer = &custom.Response{}
	require.ErrorIs(t, ask(), auth.ErrNotAuthorized)
	require.NotErrorIs(t, ask(), auth.ErrUnrecognised)
	r.answer, r.err = nil, auth.ErrBanned
	require.ErrorIs(t, ask(), auth.ErrBanned, "a function may refuse with an error")
	r.err = nil

	long := custom.Document(`{"a":"` + strings.Repeat("x", 2041) + `"}`)
	for _, c := range []struct {
		name   string
		change func(*custom.Response)
		want   string
	}{
		{"no principal", func(a *custom.Response) { a.PrincipalID = "" }, `principalId "", expected 1 to 128 letters and digits`},
		{"principal", func(a *custom.Response) { a.PrincipalID = "alice-1" }, `principalId "alice-1"`},
		{"long principal", func(a *custom.Response) { a.PrincipalID = strings.Repeat("a", 129) }, "principalId"},
		{"no documents", func(a *custom.Response) { a.PolicyDocuments = nil }, `policyDocuments "0 documents", expected 1 to 10`},
		{"many documents", func(a *custom.Response) { a.PolicyDocuments = make([]custom.Document, 11) }, `"11 documents"`},
		{"empty document", func(a *custom.Response) { a.PolicyDocuments = []custom.Document{allowAll, ""} }, `policyDocuments[1] "", expected a policy document`},
		{"no object", func(a *custom.Response) { a.PolicyDocuments[0] = `[]` }, "policyDocuments[0]"},
		{"no JSON", func(a *custom.Response) { a.PolicyDocuments[0] = `{` }, "a JSON object"},
		{"no UTF-8", func(a *custom.Response) { a.PolicyDocuments[0] = "{\"\xff\":1}" }, "a JSON object"},
		{"long document", func(a *custom.Response) { a.PolicyDocuments[0] = long }, "at most 2048 characters without white space, it has 2049"},
		{"bad document", func(a *custom.Response) { a.PolicyDocuments[0] = `{"bad":1}` }, "it is bad"},
	} {
		r.answer = welcome()
		c.change(r.answer)
		err := ask()
		failure(t, err, custom.ErrInvalidResponse, "InvalidResponseException", c.want)
		require.NotErrorIs(t, err, auth.ErrNotAuthorized, c.name)
	}
	r.answer = welcome()
	r.answer.PolicyDocuments[0] = "{\n\t " + long[1:6] + long[7:]
	require.NoError(t, ask(), "white space does not count")
	r.answer = nil
	failure(t, ask(), custom.ErrInvalidResponse, "InvalidResponseException", "answered with nothing")
	r.err = errors.New("no database")
	failure(t, ask(), custom.ErrInvalidResponse, "InvalidResponseException", "no database")
}

// TestBadFunctions: functions that are not there, panic, end their goroutine or never
// answer do no harm to others.
func TestBadFunctions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(t, func(c *custom.Config) {
			c.Parallel = 2
			c.Functions["panic"] = custom.Func(func(context.Context, *custom.Request) (*custom.Response, error) { panic("oh") })
			c.Functions["exit"] = custom.Func(func(context.Context, *custom.Request) (*custom.Response, error) {
				runtime.Goexit()
				return nil, nil
			})
			c.Functions["deaf"] = custom.Func(func(context.Context, *custom.Request) (*custom.Response, error) {
				<-release
				return welcome(), nil
			})
		})
		for _, f := range []string{"panic", "exit", "deaf", "login"} {
			r.create(t, f, false, func(n *custom.NewAuthorizer) { n.FunctionARN = f })
		}
		r.create(t, "absent", false, func(n *custom.NewAuthorizer) { n.FunctionARN = strings.Replace(lambda, "login", "gone", 1) })
		r.create(t, "version", false, func(n *custom.NewAuthorizer) { n.FunctionARN = lambda + ":7" })
		ask := func(name string) error {
			_, err := r.Authenticate(t.Context(), connect("alice?"+nameHeader+"="+name, "pw"))
			return err
		}
		require.ErrorContains(t, ask("panic"), "panic: oh")
		require.ErrorContains(t, ask("exit"), "the function ended its goroutine")
		require.ErrorContains(t, ask("absent"), "there is no function arn:aws:lambda:eu-central-1:123456789012:function:gone")
		require.NoError(t, ask("version"))
		require.NoError(t, ask("login"))

		start := time.Now()
		err := ask("deaf")
		require.Equal(t, 5*time.Second, time.Since(start))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, custom.ErrInvalidResponse)
		require.NoError(t, ask("login"))
		require.ErrorIs(t, ask("deaf"), context.DeadlineExceeded)
		err = ask("login")
		require.ErrorIs(t, err, auth.ErrUnavailable)
		require.ErrorContains(t, err, "2 calls of authorizer functions go on")
		close(release)
		synctest.Wait()
		require.NoError(t, ask("login"), "the places are free again")
	})
}

// TestRefresh: policies are taken anew, and who is not welcome any more is told so.
func TestRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(t, "corp", true)
	id, err := r.Authenticate(t.Context(), connect("alice?"+nameHeader+"=corp&token=t&"+signatureHeader+"="+url.QueryEscape(sign(keys()[0], "t")), "pw"))
	require.NoError(t, err)
	first := r.last(t)
	r.answer = welcome()
	r.answer.PolicyDocuments[0] = `{"Version":"2012-10-17","Statement":[]}`
	r.answer.RefreshAfterInSeconds = 900
	g, err := id.Grant.Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, 15*time.Minute, g.Every)
	require.Equal(t, `{"Version":"2012-10-17","Statement":[]}`, g.Policies[0].Text)
	require.Same(t, first, r.last(t), "the function gets what it got first")
	g, err = g.Refresh(t.Context())
	require.NoError(t, err, "and so on")

	r.err = errors.New("no database")
	_, err = g.Refresh(t.Context())
	require.ErrorContains(t, err, "no database")
	require.NotErrorIs(t, err, auth.ErrNotAuthorized, "the grant stays")
	r.err = nil
	r.answer = &custom.Response{}
	_, err = g.Refresh(t.Context())
	require.ErrorIs(t, err, auth.ErrNotAuthorized)
	r.answer = welcome()
	r.answer.PrincipalID = "bob"
	_, err = g.Refresh(t.Context())
	require.ErrorIs(t, err, auth.ErrNotAuthorized)
	require.ErrorContains(t, err, `names "bob" now, it was "alice1"`)
	r.answer = welcome()
	_, err = g.Refresh(t.Context())
	require.NoError(t, err)
	_, err = r.UpdateAuthorizer(t.Context(), "corp", custom.Change{Status: pointer(custom.Inactive)})
	require.NoError(t, err)
	_, err = g.Refresh(t.Context())
	require.ErrorIs(t, err, auth.ErrNotAuthorized)
	require.NoError(t, r.DeleteAuthorizer(t.Context(), "corp"))
	_, err = g.Refresh(t.Context())
	require.ErrorIs(t, err, auth.ErrNotAuthorized)
}

// TestCaching: an answer counts for requests of one connection that present the same,
// as long as it says, and no longer than the authorizer is as it was.
func TestCaching(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *custom.Config) { c.CacheMost = 2 })
	r.create(t, "corp", false, func(n *custom.NewAuthorizer) { n.EnableCachingForHTTP = true })
	r.create(t, "fresh", false)
	ask := func(c *auth.Credentials) (fresh bool) {
		t.Helper()
		before := r.calls()
		id, err := r.Authenticate(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, "alice1", id.Principal)
		return r.calls() > before
	}
	plain := func(header ...string) *auth.Credentials {
		return get(t, "http://hub.test/things", append(header, nameHeader, "corp", "Authorization", "Bearer 1")...)
	}
	require.True(t, ask(plain()))
	require.False(t, ask(plain()))
	require.False(t, ask(plain("User-Agent", "x", "Content-Type", "y", "X-Amzn-Trace-Id", "z")), "those headers do not say who it is")
	require.True(t, ask(plain("X-Api-Key", "2")), "this one may")
	other := plain()
	other.RemoteAddr = nil
	require.True(t, ask(other), "another connection")
	require.True(t, ask(plain()), "it was the one of three that was not used for longest")
	mqtt := plain()
	mqtt.ProtocolVersion = 5
	require.True(t, ask(mqtt))
	require.True(t, ask(mqtt), "not for MQTT")
	for range 2 {
		require.True(t, ask(get(t, "http://hub.test/", nameHeader, "fresh")))
	}
	require.False(t, ask(plain()))
	r.clock = noon.Add(10*time.Minute - 1)
	require.False(t, ask(plain()))
	r.clock = noon.Add(10 * time.Minute)
	require.True(t, ask(plain()))
	require.False(t, ask(plain()))
	_, err := r.UpdateAuthorizer(t.Context(), "corp", custom.Change{})
	require.NoError(t, err)
	require.True(t, ask(plain()))

	r.answer.DisconnectAfterInSeconds = 300 // less than until the refresh
	require.True(t, ask(plain("X-New", "0")))
	r.clock = r.clock.Add(5*time.Minute - 1)
	require.False(t, ask(plain("X-New", "0")))
	r.clock = r.clock.Add(1)
	require.True(t, ask(plain("X-New", "0")))

	r.answer = &custom.Response{}
	for range 2 {
		before := r.calls()
		_, err := r.Authenticate(t.Context(), plain("X-New", "1"))
		require.ErrorIs(t, err, auth.ErrNotAuthorized)
		require.Equal(t, before+1, r.calls(), "refusals are not kept")
	}
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(t, "corp", true, func(n *custom.NewAuthorizer) { n.Status = custom.Inactive })
	r.create(t, "plain", false)
	test := custom.TestRequest{
		Token: "t", TokenSignature: sign(keys()[0], "t"), HTTP: &custom.HTTPData{QueryString: "?a"},
		MQTT: &custom.MQTTData{Username: "u", Password: []byte("p"), ClientID: "c"}, TLS: &custom.TLSData{ServerName: "s"},
	}
	answer, err := r.TestInvokeAuthorizer(t.Context(), "corp", test)
	require.NoError(t, err)
	require.Equal(t, welcome(), answer)
	q := r.last(t)
	require.NotEmpty(t, q.ConnectionMetadata.ID)
	require.Equal(t, &custom.Request{
		Token: "t", SignatureVerified: true, Protocols: []string{"tls", "http", "mqtt"}, ConnectionMetadata: q.ConnectionMetadata,
		ProtocolData: custom.ProtocolData{TLS: test.TLS, HTTP: test.HTTP, MQTT: test.MQTT},
	}, q)
	_, err = r.TestInvokeAuthorizer(t.Context(), "plain", custom.TestRequest{})
	require.NoError(t, err)
	require.False(t, r.last(t).SignatureVerified)

	for _, s := range []string{"", "x", sign(keys()[1], "t")} {
		test.TokenSignature = s
		_, err = r.TestInvokeAuthorizer(t.Context(), "corp", test)
		failure(t, err, custom.ErrInvalid, "InvalidRequestException", "at 'tokenSignature'")
	}
	_, err = r.TestInvokeAuthorizer(t.Context(), "corp", custom.TestRequest{TokenSignature: sign(keys()[0], "")})
	failure(t, err, custom.ErrInvalid, "InvalidRequestException", "at 'tokenSignature'")
	_, err = r.TestInvokeAuthorizer(t.Context(), "nobody", custom.TestRequest{})
	failure(t, err, custom.ErrNotFound, "ResourceNotFoundException", "does not exist")
	r.answer.PrincipalID = "a b"
	_, err = r.TestInvokeAuthorizer(t.Context(), "plain", custom.TestRequest{})
	failure(t, err, custom.ErrInvalidResponse, "InvalidResponseException", "principalId")
	r.answer = &custom.Response{PrincipalID: "alice1"}
	answer, err = r.TestInvokeAuthorizer(t.Context(), "plain", custom.TestRequest{})
	require.NoError(t, err)
	require.Equal(t, &custom.Response{}, answer)
}

// FuzzUsername: no user name makes the service panic, call the function without a
// signature, or take another token than the one that was signed.
func FuzzUsername(f *testing.F) {
	r := newRig(f)
	r.create(f, "corp", true)
	good := sign(keys()[0], "t+o/k=e n")
	for _, s := range []string{
		"alice?" + nameHeader + "=corp&token=t%2Bo/k%3De%20n&" + signatureHeader + "=" + url.QueryEscape(good),
		"alice?" + nameHeader + "=corp?token=t+o/k=e+n?" + signatureHeader + "=" + good,
		"?&=&" + nameHeader + "&" + nameHeader + "=corp&token=%zz&token=a",
		"alice?SDK=Python&Version=1",
		"%3F" + nameHeader + "=corp",
	} {
		f.Add(s)
	}
	for _, s := range []string{"", "=", base64.StdEncoding.EncodeToString(make([]byte, 256))} {
		f.Add("x?" + nameHeader + "=corp&token=" + s + "&" + signatureHeader + "=" + s)
	}
	f.Fuzz(func(t *testing.T, username string) {
		before := r.calls()
		_, err := r.Authenticate(t.Context(), connect(username, ""))
		if err != nil {
			require.ErrorIs(t, err, auth.ErrNotAuthorized)
			require.Equal(t, before, r.calls())
			return
		}
		require.Equal(t, "t+o/k=e n", r.last(t).Token)
		require.True(t, r.last(t).SignatureVerified)
	})
}
