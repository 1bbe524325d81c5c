package hosted

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
)

// A Page is what people see: a form, or a message. It is the data of templates.
type Page struct {
	// Name is "login", "newpassword", "mfa", "mfasetup", "signup", "confirm", "forgot",
	// "reset", "signedout" or "error".
	Name string
	// Title is what the page is about, App the name of the app that people sign in to, ""
	// if it is not known.
	Title, App string
	// Error says what was wrong, Notice what has happened.
	Error, Notice string
	// Secret and SecretURL are of a software token, for people to copy into an
	// authenticator app.
	Secret    string
	SecretURL template.URL
	// Action is where the form is posted to, with Hidden and Fields in it; Button sends
	// it. Without Action there is no form.
	Action string
	Hidden map[string]string
	Fields []Field
	Button string
	// More are further buttons of the form, which post what it has elsewhere.
	More []Link
	// Links lead to other pages.
	Links []Link
	// Nonce is for style elements: the Content-Security-Policy lets only those with it in,
	// and style sheets, images and fonts of the same origin. Nothing lets scripts in.
	Nonce string

	leads bool // the form may lead to the app
}

// A Field is an input of a form.
type Field struct {
	Name, Label string
	// Type, Autocomplete and InputMode are what HTML calls so.
	Type, Autocomplete, InputMode string
	Value                         string
	Optional                      bool
	// Focus is set for the first one that is empty.
	Focus bool
}

// A Link is a URL with words.
type Link struct{ URL, Text string }

//go:embed pages/page.html
var files embed.FS

var own = template.Must(template.ParseFS(files, "pages/page.html"))

// template finds the template of a page.
func (h *Handler) template(name string) *template.Template {
	if h.cfg.Templates != nil {
		for _, name := range [...]string{name, "page"} {
			if t := h.cfg.Templates.Lookup(name); t != nil {
				return t
			}
		}
	}
	return own.Lookup("page")
}

// show answers with a page.
func (h *Handler) show(w http.ResponseWriter, status int, p *Page) {
	p.Nonce = newToken()
	for i := range p.Fields {
		if p.Fields[i].Value == "" {
			p.Fields[i].Focus = true
			break
		}
	}
	var b bytes.Buffer
	if err := h.template(p.Name).Execute(&b, p); err != nil {
		h.cfg.Logger.Warn("hosted: a page could not be written", "pool", h.cfg.Pool, "page", p.Name, "err", err)
		http.Error(w, "internal failure", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", p.policy())
	header.Set("X-Frame-Options", "DENY")
	// Not no-referrer, with which browsers hide the origin of forms, too.
	header.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// policy is the page's Content-Security-Policy. Browsers apply form-action to every
// redirect that follows on a form, also to those between the app's hosts, which are not
// known here. So forms that lead to the app are without.
func (p *Page) policy() string {
	policy := "default-src 'none'; style-src 'self' 'nonce-" + p.Nonce + "'; img-src 'self' data:; font-src 'self'; base-uri 'none'; frame-ancestors 'none'"
	if !p.leads {
		policy += "; form-action 'self'"
	}
	return policy
}
