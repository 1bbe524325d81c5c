package hosted

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
)

// mostCookie is what browsers keep.
const mostCookie = 4096

// cookie is one of the pool's. With https its name begins with __Host-, so that no other
// host of the domain can set it.
func (h *Handler) cookie(name, value string, seconds int) *http.Cookie {
	return &http.Cookie{Name: h.cookieName(name), Value: value, Path: "/", MaxAge: seconds, Secure: h.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

func (h *Handler) cookieName(name string) string {
	name += "-" + h.cfg.Pool
	if h.secure {
		return "__Host-" + name
	}
	return name
}

// value is that of a cookie, if there is exactly one.
func (h *Handler) value(r *http.Request, name string) string {
	if list := r.CookiesNamed(h.cookieName(name)); len(list) == 1 && len(list[0].Value) <= mostCookie {
		return list[0].Value
	}
	return ""
}

// session is the proof of who has signed in, "" if there is none.
func (h *Handler) session(r *http.Request) string { return h.value(r, "session") }

// signIn makes a proof the session. What other sign-ins left is gone, also the token that
// forms had until now.
func (h *Handler) signIn(w http.ResponseWriter, proof string) {
	http.SetCookie(w, h.cookie("session", proof, int(h.cfg.SessionLife.Seconds())))
	http.SetCookie(w, h.cookie("csrf", newToken(), 0))
}

// signOut forgets the session.
func (h *Handler) signOut(w http.ResponseWriter) {
	http.SetCookie(w, h.cookie("session", "", -1))
	http.SetCookie(w, h.cookie("csrf", "", -1))
}

const tokenBytes = 32

func newToken() string {
	b := make([]byte, tokenBytes)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// token is what the forms of a browser have in them and nobody else knows. It lives as
// long as the browser, or until somebody signs in.
func (h *Handler) formToken(w http.ResponseWriter, r *http.Request) string {
	t := h.value(r, "csrf")
	if b, err := base64.RawURLEncoding.DecodeString(t); err != nil || len(b) != tokenBytes {
		t = newToken()
		http.SetCookie(w, h.cookie("csrf", t, 0))
	}
	return t
}

// ours reports whether a form that is posted is one of ours, shown to this browser.
func (h *Handler) ours(r *http.Request) bool {
	t := h.value(r, "csrf")
	return h.foreign.Check(r) == nil && t != "" && subtle.ConstantTimeCompare([]byte(t), []byte(r.PostForm.Get("_csrf"))) == 1
}
