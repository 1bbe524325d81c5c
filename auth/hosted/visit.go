package hosted

import (
	"context"
	"net/http"

	"github.com/thinghub/thinghub/auth/userpool"
)

// A visit is a page that somebody asks for, or a form of it that is posted, on the way to
// an app.
type visit struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	q      *request
	posted bool
	err    error // of what was posted before, nil for none
}

// visited serves a page: the request of the app is checked each time anew, and a form must
// be one of ours.
func (h *Handler) visited(show func(v *visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, mostBody)
		q, no := h.read(r)
		if no != nil {
			h.refuse(w, r, no)
			return
		}
		v := &visit{h: h, w: w, r: r, q: q}
		if r.Method == http.MethodPost {
			if err := r.ParseForm(); err != nil {
				h.refuse(w, r, &refusal{status: http.StatusBadRequest, text: "The form cannot be read."})
				return
			}
			if !h.ours(r) {
				v.outdated()
				return
			}
			v.posted = true
		}
		show(v)
	}
}

// outdated answers to a form that is not ours, or of a time before somebody signed in.
func (v *visit) outdated() {
	p := v.signInPage("")
	p.Error = "The page was out of date, or your browser keeps no cookies. Please try again."
	v.show(http.StatusForbidden, p)
}

// field is a value of the form.
func (v *visit) field(name string) string { return v.r.PostForm.Get(name) }

// username is who the form is about, or else whom the app expects.
func (v *visit) username() string {
	if v.posted {
		return v.field("username")
	}
	return v.q.LoginHint
}

// url is the URL of another page.
func (v *visit) url(path string) string { return v.h.base + path + "?" + v.q.query }

// page is a page for the app.
func (v *visit) page(name, title, action, button string) *Page {
	return &Page{Name: name, Title: title, App: v.q.app.ClientName, Action: v.url(action), Button: button, Hidden: map[string]string{}}
}

// show answers with a page. Its form gets its token.
func (v *visit) show(status int, p *Page) {
	if p.Action != "" {
		p.Hidden["_csrf"] = v.h.formToken(v.w, v.r)
	}
	const most = 256 // of what somebody has written and sees again
	for i, f := range p.Fields {
		if len(f.Value) > most {
			p.Fields[i].Value = ""
		}
	}
	if v.err != nil {
		status, p.Error = v.h.explain(v.err)
	}
	v.h.show(v.w, status, p)
}

// failed shows a page again that was posted, with what was wrong.
func (v *visit) failed(err error, p *Page) {
	v.err = err
	v.show(http.StatusBadRequest, p)
}

// do does what a form asks for. The pool's audit is told of it.
func (v *visit) do(operation, username string, do func(ctx context.Context) error) error {
	return v.h.pages.Do(v.r, operation, username, do)
}

// pool is what can be said of the pool.
func (v *visit) pool() (userpool.UserPool, error) {
	out, err := v.h.cfg.Pools.DescribeUserPool(v.r.Context(), userpool.PoolInput{UserPoolID: v.h.cfg.Pool})
	return out.UserPool, err
}
