package hosted

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

// logout ends the session and goes on: to the app's logout_uri (or
// post_logout_redirect_uri, as OpenID Connect calls it), or with redirect_uri and
// response_type to signing in again.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	if proof := h.session(r); proof != "" {
		if err := h.pages.Do(r, "Logout_GET", "", func(ctx context.Context) error { return h.pages.SignOut(ctx, proof) }); err != nil {
			h.refuse(w, r, h.trouble(err))
			return
		}
	}
	h.signOut(w)
	list := url.Values{}
	if len(r.URL.RawQuery) <= mostQuery {
		list, _ = url.ParseQuery(r.URL.RawQuery)
	}
	to := list.Get("logout_uri")
	if to == "" {
		to = list.Get("post_logout_redirect_uri")
	}
	switch {
	case to != "":
		h.leave(w, r, list, to)
	case list.Has("redirect_uri") && list.Has("response_type"):
		goTo(w, r, h.base+"/login?"+list.Encode())
	default:
		h.show(w, http.StatusOK, &Page{Name: "signedout", Title: "You have signed out"})
	}
}

// leave sends the browser to one of the app's URLs.
func (h *Handler) leave(w http.ResponseWriter, r *http.Request, list url.Values, to string) {
	c, err := h.client(r.Context(), list.Get("client_id"))
	if err != nil {
		h.refuse(w, r, h.trouble(err))
		return
	}
	if c == nil || !slices.Contains(c.LogoutURLs, to) {
		h.refuse(w, r, &refusal{status: http.StatusBadRequest, text: "You have signed out. Where to go from here is not one of the app's addresses."})
		return
	}
	if state := list.Get("state"); state != "" {
		u, err := url.Parse(to)
		if err != nil {
			h.refuse(w, r, h.trouble(err))
			return
		}
		q := u.Query()
		q.Set("state", state)
		u.RawQuery = q.Encode()
		to = u.String()
	}
	goTo(w, r, to)
}
