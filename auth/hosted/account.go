package hosted

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth/userpool"
)

// fault is a form that the pool need not be asked about.
func fault(text string) error { return &userpool.Error{Kind: userpool.ErrInvalid, Message: text} }

// twice checks that a password was written twice alike.
func (v *visit) twice() error {
	if v.field("password") == "" || v.field("password") != v.field("again") {
		return fault("The passwords are not the same.")
	}
	return nil
}

const attributePrefix = "attribute."

// attributes are those of a form.
func (v *visit) attributes() map[string]string {
	m := map[string]string{}
	for name, values := range v.r.PostForm {
		if a, ok := strings.CutPrefix(name, attributePrefix); ok && values[0] != "" {
			m[a] = values[0]
		}
	}
	return m
}

// kinds are how attributes are written; others are text.
var kinds = map[string]Field{
	"email":              {Label: "E-mail address", Type: "email", Autocomplete: "email"},
	"phone_number":       {Label: "Phone number, such as +4930123456", Type: "tel", Autocomplete: "tel"},
	"name":               {Label: "Name", Autocomplete: "name"},
	"given_name":         {Label: "First name", Autocomplete: "given-name"},
	"family_name":        {Label: "Last name", Autocomplete: "family-name"},
	"middle_name":        {Label: "Middle name", Autocomplete: "additional-name"},
	"nickname":           {Label: "Nickname", Autocomplete: "nickname"},
	"preferred_username": {Label: "Preferred user name"},
	"website":            {Label: "Website", Type: "url", Autocomplete: "url"},
	"picture":            {Label: "Picture", Type: "url"},
	"profile":            {Label: "Profile page", Type: "url"},
	"birthdate":          {Label: "Date of birth", Type: "date", Autocomplete: "bday"},
	"gender":             {Label: "Gender", Autocomplete: "sex"},
	"locale":             {Label: "Language", Autocomplete: "language"},
	"zoneinfo":           {Label: "Time zone"},
	"address":            {Label: "Address", Autocomplete: "street-address"},
}

// attributeField asks for an attribute.
func attributeField(name, value string) Field {
	f := kinds[name]
	if f.Label == "" {
		f.Label = strings.ReplaceAll(strings.TrimPrefix(name, "custom:"), "_", " ")
	}
	if f.Type == "" {
		f.Type = "text"
	}
	f.Name, f.Value = attributePrefix+name, value
	return f
}

// missing asks for what a user must have and does not.
func missing(pool userpool.UserPool, step userpool.PageStep) (list []Field) {
	var names []string
	if json.Unmarshal([]byte(step.ChallengeParameters["requiredAttributes"]), &names) != nil {
		for _, a := range pool.SchemaAttributes { // somebody tries again
			if a.Required && a.Name != "sub" {
				f := attributeField(a.Name, "")
				f.Optional = true
				list = append(list, f)
			}
		}
		return list
	}
	for _, name := range names {
		list = append(list, attributeField(strings.TrimPrefix(name, "userAttributes."), ""))
	}
	return list
}

// nameLabel is what people are called by in a pool.
func nameLabel(pool userpool.UserPool) string {
	by := []string{"User name"}
	list := pool.AliasAttributes
	if len(pool.UsernameAttributes) > 0 {
		by, list = nil, pool.UsernameAttributes
	}
	for _, a := range list {
		switch a {
		case "email":
			by = append(by, "e-mail address")
		case "phone_number":
			by = append(by, "phone number")
		}
	}
	label := strings.Join(by, " or ")
	return strings.ToUpper(label[:1]) + label[1:]
}

// signUpPage asks for what a new user must have.
func (v *visit) signUpPage(pool userpool.UserPool) *Page {
	p := v.page("signup", "Create an account", "/signup", "Create")
	name := Field{Name: "username", Label: "User name", Type: "text", Autocomplete: "username", Value: v.username()}
	if len(pool.UsernameAttributes) > 0 {
		name.Label = nameLabel(pool)
		if len(pool.UsernameAttributes) == 1 {
			name.Type = kinds[pool.UsernameAttributes[0]].Type
		}
	}
	p.Fields = append([]Field{name}, newPassword()...)
	for _, a := range pool.SchemaAttributes {
		writes := len(v.q.app.WriteAttributes) == 0 || slices.Contains(v.q.app.WriteAttributes, a.Name)
		if !writes || a.Name == "sub" || len(pool.UsernameAttributes) == 1 && a.Name == pool.UsernameAttributes[0] {
			continue
		}
		// Where a code is to go to is needed, too; with one of two it is enough.
		verified := slices.Contains(pool.AutoVerifiedAttributes, a.Name)
		if !a.Required && !verified {
			continue
		}
		f := attributeField(a.Name, v.field(attributePrefix+a.Name))
		f.Optional = !a.Required && (len(pool.AutoVerifiedAttributes) > 1 || len(pool.UsernameAttributes) > 1)
		p.Fields = append(p.Fields, f)
	}
	p.Links = []Link{{v.url("/login"), "Sign in with an account that you have"}}
	return p
}

// signUp makes a user.
func signUp(v *visit) {
	pool, err := v.pool()
	if err != nil {
		v.h.refuse(v.w, v.r, v.h.trouble(err))
		return
	}
	if pool.AdminCreateUserConfig.AllowAdminCreateUserOnly {
		v.failed(fault("Nobody can sign up here. Ask an administrator for an account."), v.signInPage(""))
		return
	}
	if !v.posted {
		v.show(http.StatusOK, v.signUpPage(pool))
		return
	}
	name := v.username()
	in := userpool.SignUpInput{ClientID: v.q.ClientID, SecretHash: v.q.app.hash(name), Username: name, Password: v.field("password")}
	for a, value := range v.attributes() {
		in.UserAttributes = append(in.UserAttributes, userpool.Attribute{Name: a, Value: value})
	}
	var out userpool.SignUpOutput
	err = v.do("SignUp_POST", name, func(ctx context.Context) (err error) {
		if err = v.twice(); err == nil {
			out, err = v.h.cfg.Pools.SignUp(ctx, in)
		}
		return err
	})
	if err != nil {
		v.failed(err, v.signUpPage(pool))
		return
	}
	v.signedUp(name, out)
}

func (v *visit) signedUp(name string, out userpool.SignUpOutput) {
	switch {
	case out.UserConfirmed:
		v.showSignIn(name, "Your account is ready. You can sign in.")
	case out.CodeDeliveryDetails == nil:
		v.showSignIn(name, "Your account is there. An administrator must confirm it before you can sign in.")
	default:
		v.showConfirm(name, "A code was sent to "+out.CodeDeliveryDetails.Destination+".")
	}
}

func (v *visit) showSignIn(name, notice string) {
	p := v.signInPage(name)
	p.Notice = notice
	v.show(http.StatusOK, p)
}

// confirmPage asks for the code of a sign-up.
func (v *visit) confirmPage(name string) *Page {
	p := v.page("confirm", "Confirm your account", "/confirmUser", "Confirm")
	if name == "" {
		p.Fields = []Field{{Name: "username", Label: "User name", Type: "text", Autocomplete: "username"}}
	} else {
		p.Hidden["username"] = name
	}
	p.Fields = append(p.Fields, codeField("Code that was sent to you"))
	p.More = []Link{{v.url("/resendcode"), "Send another code"}}
	p.Links = []Link{{v.url("/login"), "Sign in"}}
	return p
}

func (v *visit) showConfirm(name, notice string) {
	p := v.confirmPage(name)
	p.Notice = notice
	v.show(http.StatusOK, p)
}

// confirm takes the code of a sign-up.
func confirm(v *visit) {
	if !v.posted {
		v.show(http.StatusOK, v.confirmPage(""))
		return
	}
	name := v.username()
	err := v.do("ConfirmUser_POST", name, func(ctx context.Context) error {
		_, err := v.h.cfg.Pools.ConfirmSignUp(ctx, userpool.ConfirmSignUpInput{
			ClientID: v.q.ClientID, SecretHash: v.q.app.hash(name), Username: name, ConfirmationCode: v.field("code"),
		})
		return err
	})
	if err != nil {
		v.failed(err, v.confirmPage(name))
		return
	}
	v.showSignIn(name, "Your account is confirmed. You can sign in.")
}

// resend sends another code for a sign-up.
func resend(v *visit) {
	name := v.username()
	var out userpool.CodeOutput
	err := v.do("ResendCode_POST", name, func(ctx context.Context) (err error) {
		out, err = v.h.cfg.Pools.ResendConfirmationCode(ctx, userpool.ResendConfirmationCodeInput{
			ClientID: v.q.ClientID, SecretHash: v.q.app.hash(name), Username: name,
		})
		return err
	})
	if err != nil {
		v.failed(err, v.confirmPage(name))
		return
	}
	v.showConfirm(name, sentTo(out))
}

func sentTo(out userpool.CodeOutput) string {
	if out.CodeDeliveryDetails == nil {
		return "A code was sent."
	}
	return "A code was sent to " + out.CodeDeliveryDetails.Destination + "."
}

// forgotPage asks who has forgotten the password.
func (v *visit) forgotPage(name string) *Page {
	p := v.page("forgot", "Forgot your password?", "/forgotPassword", "Send me a code")
	p.Fields = []Field{{Name: "username", Label: "User name", Type: "text", Autocomplete: "username", Value: name}}
	if pool, err := v.pool(); err == nil {
		p.Fields[0].Label = nameLabel(pool)
	}
	p.Links = []Link{{v.url("/login"), "Sign in"}}
	return p
}

// forgot sends a code to set a new password.
func forgot(v *visit) {
	name := v.username()
	if !v.posted {
		v.show(http.StatusOK, v.forgotPage(name))
		return
	}
	var out userpool.CodeOutput
	err := v.do("ForgotPassword_POST", name, func(ctx context.Context) (err error) {
		out, err = v.h.cfg.Pools.ForgotPassword(ctx, userpool.ForgotPasswordInput{
			ClientID: v.q.ClientID, SecretHash: v.q.app.hash(name), Username: name,
		})
		return err
	})
	if err != nil {
		v.failed(err, v.forgotPage(name))
		return
	}
	p := v.resetPage(name)
	p.Notice = sentTo(out)
	v.show(http.StatusOK, p)
}

// resetPage asks for a code and a new password.
func (v *visit) resetPage(name string) *Page {
	p := v.page("reset", "Set a new password", "/confirmForgotPassword", "Set the password")
	if name == "" {
		p.Fields = []Field{{Name: "username", Label: "User name", Type: "text", Autocomplete: "username"}}
	} else {
		p.Hidden["username"] = name
	}
	p.Fields = append(p.Fields, codeField("Code that was sent to you"))
	p.Fields = append(p.Fields, newPassword()...)
	p.Links = []Link{{v.url("/forgotPassword"), "Ask for another code"}}
	return p
}

// reset sets a new password.
func reset(v *visit) {
	name := v.username()
	if !v.posted {
		v.show(http.StatusOK, v.resetPage(name))
		return
	}
	err := v.do("ConfirmForgotPassword_POST", name, func(ctx context.Context) error {
		if err := v.twice(); err != nil {
			return err
		}
		_, err := v.h.cfg.Pools.ConfirmForgotPassword(ctx, userpool.ConfirmForgotPasswordInput{
			ClientID: v.q.ClientID, SecretHash: v.q.app.hash(name), Username: name, ConfirmationCode: v.field("code"), Password: v.field("password"),
		})
		return err
	})
	if err != nil {
		v.failed(err, v.resetPage(name))
		return
	}
	v.showSignIn(name, "Your password is set. You can sign in with it.")
}
