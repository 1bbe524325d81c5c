package main

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/thinghub/thinghub/auth/userpool"
	"github.com/thinghub/thinghub/broker"
	"github.com/thinghub/thinghub/shadow"
)

// TestPage: people use the page in a browser, and the hub knows the same of it.
func TestPage(t *testing.T) {
	t.Parallel()
	browser := openBrowser(t)
	t.Run("operator", func(t *testing.T) {
		t.Parallel()
		r := startApp(t, nil)
		operator(t, r, open(t, browser, r.url))
	})
	t.Run("newcomer", func(t *testing.T) {
		t.Parallel()
		r := startApp(t, nil)
		newcomer(t, r, open(t, browser, r.url))
	})
	t.Run("renewal", func(t *testing.T) {
		t.Parallel()
		// Credentials are good for an hour, so they are due after two seconds.
		r := startApp(t, func(o *options) { o.renew = 3598e9 })
		renewal(t, r, open(t, browser, r.url))
	})
}

const online = `document.querySelector("#connection").dataset.state === "online"`

func operator(t *testing.T, r *rig, p *page) {
	p.see(`document.querySelector("#sign-in").checkVisibility()`)
	p.shoot("sign-in.png")
	p.signIn(demo, "not the password")
	p.seeText("#notice", "Incorrect username or password.")
	p.signIn(demo, r.password)
	p.see(online)
	require.Equal(t, demo, p.text("#person"))
	identity := p.text("#identity")
	first := r.connected(t, 0)
	require.Equal(t, identity, first.Principal)
	require.Regexp(t, "^"+identity+"-[0-9a-f]{8}$", first.ClientID)
	p.seeText("#temperature", "21.0 °C") // as the device has it when nobody wants anything

	// Two quick clicks are two steps of half a degree.
	p.click(`[data-step="0.5"]`)
	p.click(`[data-step="0.5"]`)
	r.await(t, func(s shadow.State[greenhouse]) bool { return s.Desired.Target == 22 && s.Reported.Temperature == 22 })
	p.seeText("#temperature", "22.0 °C")
	p.seeText("#pending", "The greenhouse does what is desired.")
	p.click("#light")
	r.await(t, func(s shadow.State[greenhouse]) bool { return s.Desired.Light && s.Reported.Light })
	p.do(chromedp.SendKeys(chromedp.CSS("#target"), kb.ArrowRight+kb.ArrowRight+kb.ArrowRight+kb.ArrowRight))
	r.await(t, func(s shadow.State[greenhouse]) bool { return s.Desired.Target == 24 })
	p.seeText("#target-shown", "24.0 °C")
	p.seeText("#climate", "24.0 °C. The light is on.")
	p.shoot("signed-in.png")

	// What others do is seen too, and a greenhouse that cannot do it.
	_, err := shadow.Of[orders](r.hub.Shadows(), shadow.Key{Thing: thing}).Change(t.Context(), shadow.Desired, func(o *orders) error {
		*o = orders{new(float64(50)), new(false)}
		return nil
	})
	require.NoError(t, err)
	p.seeText("#pending", "Waiting for the greenhouse: target")
	p.seeText("#climate", "35.0 °C. The light is off.")
	require.Equal(t, "50.0 °C", p.text("#target-shown"))
	require.Equal(t, "target\t50\t35", p.text("tr.differs"))
	require.Equal(t, 50.0, r.state(t).Desired.Target)

	// Who comes back to the page is signed in still.
	p.do(chromedp.Reload())
	p.see(online)
	second := r.connected(t, first.Version)
	require.Equal(t, identity, p.text("#identity"))
	r.gone(t, first)

	// A lost connection is made anew by itself, which people are told of.
	p.run(`globalThis.seen = []
		new MutationObserver(() => seen.push(document.querySelector("#notice").innerText)).observe(document.querySelector("#notice"), { childList: true, subtree: true })`)
	require.NoError(t, r.hub.Disconnect(second.ClientID, broker.DisconnectOptions{}))
	third := r.connected(t, second.Version)
	p.see(`seen.some((text) => text.includes("The hub has ended the connection")) && document.querySelector("#notice").hidden && ` + online)

	// One that the hub has ended for good is not, until somebody asks for it.
	require.NoError(t, r.hub.IdentityPools().SetIdentityDisabled(t.Context(), identity, true))
	p.see(`document.querySelector("#connection").dataset.state === "ended"`)
	p.seeText("#notice", "The hub has ended the connection: the identity was disabled or deleted.")
	r.gone(t, third)
	p.see(`document.querySelector("#controls").disabled`)
	p.shoot("ended.png")
	p.click("#notice button")
	p.seeText("#notice", "is disabled")
	_, there := r.hub.Client(third.ClientID)
	require.False(t, there)
	require.NoError(t, r.hub.IdentityPools().SetIdentityDisabled(t.Context(), identity, false))
	p.click("#notice button")
	p.see(online)
	fourth := r.connected(t, third.Version)

	// Whoever signs out leaves nothing behind.
	refreshToken := ask(p, chromedp.Evaluate[string](`JSON.parse(sessionStorage.getItem("session")).refreshToken`))
	require.NotEmpty(t, refreshToken)
	const calls = `performance.getEntriesByType("resource").filter((e) => e.name.endsWith("/identity/")).length`
	before := ask(p, chromedp.Evaluate[int](calls))
	p.click("#sign-out")
	p.see(`document.querySelector("#sign-in").checkVisibility() && sessionStorage.length === 0`)
	r.gone(t, fourth)
	p.see(fmt.Sprintf("%s > %d", calls, before))
	p.do(chromedp.Reload())
	p.see(`document.querySelector("#sign-in").checkVisibility()`)
	_, err = r.hub.UserPools().InitiateAuth(t.Context(), userpool.InitiateAuthInput{
		ClientID: client, AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters: map[string]string{"REFRESH_TOKEN": refreshToken},
	})
	require.ErrorIs(t, err, userpool.ErrNotAuthorized)
}

// newcomer makes an account, which may look, and is made an operator.
func newcomer(t *testing.T, r *rig, p *page) {
	p.see(`document.querySelector("#sign-in").checkVisibility()`)
	p.click("[data-form=sign-up]")
	p.write("#sign-up [name=username]", "anna")
	p.write("#sign-up [name=email]", "anna@example.com")
	p.write("#sign-up [name=password]", "correct horse")
	p.click("#sign-up > button")
	p.see(`document.querySelector("#confirm").checkVisibility()`)
	m, ok := r.mail.Last("anna@example.com")
	require.True(t, ok)
	require.Contains(t, r.said.all, "A message to anna@example.com would say: "+m.Text)
	require.Contains(t, m.Text, m.Code)
	p.write("#confirm [name=code]", wrong(m.Code))
	p.click("#confirm > button")
	p.seeText("#notice", "Invalid verification code")
	p.write("#confirm [name=code]", m.Code)
	p.click("#confirm > button")
	p.see(online)
	require.Equal(t, "anna", p.text("#person"))
	p.seeText("#viewer", "You may look.")
	p.seeText("#temperature", "21.0 °C")

	// It is the hub that does not let her, not the page.
	p.run(`document.querySelector("#controls").disabled = false`)
	p.click("#light")
	p.seeText("#notice", "Nothing was changed. The hub does not allow this.")
	p.see(`!document.querySelector("#light").checked`)
	require.False(t, r.state(t).Reported.Light)
	require.Empty(t, r.state(t).Desired)

	member := userpool.MemberInput{UserPoolID: userPool, Username: "anna", GroupName: operators}
	_, err := r.hub.UserPools().AdminAddUserToGroup(t.Context(), member)
	require.NoError(t, err)
	p.do(chromedp.Reload())
	p.see(online)
	p.click("#light")
	r.await(t, func(s shadow.State[greenhouse]) bool { return s.Reported.Light })

	_, err = r.hub.UserPools().AdminRemoveUserFromGroup(t.Context(), member)
	require.NoError(t, err)
	p.do(chromedp.Reload())
	p.see(online)
	p.run(`document.querySelector("#controls").disabled = false`)
	p.click("#light")
	p.seeText("#notice", "Nothing was changed. The hub does not allow this.")
	require.True(t, r.state(t).Desired.Light)
}

// renewal waits for new credentials, and a connection with them.
func renewal(t *testing.T, r *rig, p *page) {
	p.see(`document.querySelector("#sign-in").checkVisibility()`)
	p.signIn(demo, r.password)
	p.see(online)
	until := ask(p, chromedp.Evaluate[string](`document.querySelector("#expires").dateTime`))
	first := r.connected(t, 0)
	r.gone(t, first)
	second := r.connected(t, first.Version)
	require.Equal(t, first.ClientID, second.ClientID)
	p.see(`document.querySelector("#expires").dateTime > "` + until + `" && ` + online)
}

// wrong is another code of six digits.
func wrong(code string) string {
	if code == "123456" {
		return "654321"
	}
	return "123456"
}
