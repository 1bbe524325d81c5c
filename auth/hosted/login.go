package hosted

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"regexp"

	"github.com/thinghub/thinghub/auth/userpool"
)

// signInPage asks for a name and a password.
func (v *visit) signInPage(username string) *Page {
	p := v.page("login", "Sign in", "/login", "Sign in")
	p.leads = true
	p.Fields = []Field{
		{Name: "username", Label: "User name", Type: "text", Autocomplete: "username", Value: username},
		{Name: "password", Label: "Password", Type: "password", Autocomplete: "current-password"},
	}
	p.Links = []Link{{v.url("/forgotPassword"), "Forgot your password?"}}
	if pool, err := v.pool(); err == nil {
		p.Fields[0].Label = nameLabel(pool)
		if !pool.AdminCreateUserConfig.AllowAdminCreateUserOnly {
			p.Links = append(p.Links, Link{v.url("/signup"), "Create an account"})
		}
	}
	return p
}

// login takes a name and a password.
func login(v *visit) {
	if !v.posted {
		v.show(http.StatusOK, v.signInPage(v.username()))
		return
	}
	name := v.username()
	var step userpool.PageStep
	err := v.do("Login_POST", name, func(ctx context.Context) (err error) {
		step, err = v.h.pages.SignIn(ctx, v.q.ClientID, name, v.field("password"))
		return err
	})
	switch {
	case errors.Is(err, userpool.ErrNotConfirmed):
		v.showConfirm(name, "Your account is to be confirmed first, with the code that was sent to you.")
	case errors.Is(err, userpool.ErrResetRequired):
		p := v.forgotPage(name)
		p.Notice = "You need a new password. Ask for a code with which you can set it."
		v.show(http.StatusOK, p)
	case err != nil:
		v.failed(err, v.signInPage(name))
	default:
		v.follow(name, step)
	}
}

// follow goes on where a step of a sign-in leads to.
func (v *visit) follow(name string, step userpool.PageStep) {
	if step.Proof != "" {
		v.h.signIn(v.w, step.Proof)
		v.h.giveCode(v.w, v.r, v.q, step.Proof)
		return
	}
	p, err := v.challengePage(name, step)
	if err != nil {
		v.failed(err, v.signInPage(name))
		return
	}
	v.show(http.StatusOK, p)
}

// challengePage asks for what a challenge wants.
func (v *visit) challengePage(name string, step userpool.PageStep) (*Page, error) {
	var p *Page
	switch step.ChallengeName {
	case "NEW_PASSWORD_REQUIRED":
		p = v.page("newpassword", "Set a new password", "/challenge", "Go on")
		p.Fields = newPassword()
		if pool, err := v.pool(); err == nil {
			p.Fields = append(p.Fields, missing(pool, step)...)
		}
	case "SOFTWARE_TOKEN_MFA":
		p = v.page("mfa", "Enter the code of your authenticator app", "/challenge", "Sign in")
		p.Fields = []Field{codeField("Code")}
		if device := step.ChallengeParameters["FRIENDLY_DEVICE_NAME"]; device != "" {
			p.Fields[0].Label = "Code of " + device
		}
	case "MFA_SETUP":
		out, err := v.h.cfg.Pools.AssociateSoftwareToken(v.r.Context(), userpool.AssociateSoftwareTokenInput{Session: step.Session})
		if err != nil {
			return nil, err
		}
		step.Session = out.Session
		p = v.page("mfasetup", "Set up an authenticator app", "/challenge", "Go on")
		v.secret(p, name, out.SecretCode)
		p.Fields = []Field{codeField("Code")}
	default:
		return nil, errors.New("hosted: the pool has a challenge that no page is for: " + step.ChallengeName)
	}
	p.leads = true
	p.Hidden["challenge"], p.Hidden["session"], p.Hidden["username"] = step.ChallengeName, step.Session, name
	return p, nil
}

func codeField(label string) Field {
	return Field{Name: "code", Label: label, Type: "text", Autocomplete: "one-time-code", InputMode: "numeric"}
}

func newPassword() []Field {
	return []Field{
		{Name: "password", Label: "New password", Type: "password", Autocomplete: "new-password"},
		{Name: "again", Label: "New password again", Type: "password", Autocomplete: "new-password"},
	}
}

var base32Text = regexp.MustCompile(`^[A-Z2-7]{16,128}$`)

// secret shows the secret of a software token. What comes back from a form is looked at.
func (v *visit) secret(p *Page, name, secret string) {
	if !base32Text.MatchString(secret) {
		return
	}
	issuer := v.q.app.ClientName
	p.Secret, p.Hidden["secret"] = secret, secret
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + name, RawQuery: url.Values{"secret": {secret}, "issuer": {issuer}}.Encode()}
	p.SecretURL = template.URL(u.String()) // it is made here, of a scheme that templates do not know
}

// challenge takes the answer to a challenge.
func challenge(v *visit) {
	name := v.username()
	step := userpool.PageStep{ChallengeName: v.field("challenge"), Session: v.field("session")}
	var next userpool.PageStep
	err := v.do("Login_POST", name, func(ctx context.Context) (err error) {
		next, err = v.answer(ctx, step)
		return err
	})
	if err != nil {
		v.failed(err, v.again(name, step, err))
		return
	}
	v.follow(name, next)
}

// answer gives the pool the answer that a form has.
func (v *visit) answer(ctx context.Context, step userpool.PageStep) (next userpool.PageStep, err error) {
	responses := map[string]string{}
	switch step.ChallengeName {
	case "NEW_PASSWORD_REQUIRED":
		if err := v.twice(); err != nil {
			return next, err
		}
		responses["NEW_PASSWORD"] = v.field("password")
		for name, value := range v.attributes() {
			responses["userAttributes."+name] = value
		}
	case "SOFTWARE_TOKEN_MFA":
		responses["SOFTWARE_TOKEN_MFA_CODE"] = v.field("code")
	case "MFA_SETUP":
		out, err := v.h.cfg.Pools.VerifySoftwareToken(ctx, userpool.VerifySoftwareTokenInput{Session: step.Session, UserCode: v.field("code")})
		if err != nil {
			return next, err
		}
		step.Session = out.Session
	}
	return v.h.pages.Answer(ctx, v.q.ClientID, step.ChallengeName, step.Session, responses)
}

// again is the page to try a challenge once more, or to begin anew if that is no use.
func (v *visit) again(name string, step userpool.PageStep, err error) *Page {
	if errors.Is(err, userpool.ErrNotAuthorized) || step.ChallengeName == "" {
		return v.signInPage(name)
	}
	if step.ChallengeName == "MFA_SETUP" {
		p := v.page("mfasetup", "Set up an authenticator app", "/challenge", "Go on")
		p.leads = true
		p.Fields = []Field{codeField("Code")}
		v.secret(p, name, v.field("secret"))
		p.Hidden["challenge"], p.Hidden["session"], p.Hidden["username"] = step.ChallengeName, step.Session, name
		return p
	}
	p, bad := v.challengePage(name, step)
	if bad != nil {
		return v.signInPage(name)
	}
	return p
}
