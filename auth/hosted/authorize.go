package hosted

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/thinghub/thinghub/auth/userpool"
)

// authorize gives an app its code if somebody has signed in, and else asks to sign in.
func (h *Handler) authorize(w http.ResponseWriter, r *http.Request) {
	q, no := h.read(r)
	if no != nil {
		h.refuse(w, r, no)
		return
	}
	proof, err := h.signedIn(r, q)
	switch {
	case err != nil:
		h.refuse(w, r, h.trouble(err))
	case proof != "":
		h.giveCode(w, r, q, proof)
	case q.has(oidc.PromptNone):
		h.refuse(w, r, h.told(q, oidc.ErrLoginRequired()))
	default:
		goTo(w, r, h.base+"/login?"+q.query)
	}
}

// authorizePost takes a request in the body, as OpenID Connect Core 3.1.2.1 wants, and
// makes it one in the URL, with which browsers send the session also from other sites.
func (h *Handler) authorizePost(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, mostQuery)
	if err := r.ParseForm(); err != nil || r.URL.RawQuery != "" {
		h.refuse(w, r, &refusal{status: http.StatusBadRequest, text: "The request cannot be read."})
		return
	}
	goTo(w, r, h.base+"/oauth2/authorize?"+r.PostForm.Encode())
}

// signedIn returns the proof of who has signed in, "" if that is nobody, or if the app
// wants that it is done again.
func (h *Handler) signedIn(r *http.Request, q *request) (string, error) {
	proof := h.session(r)
	if proof == "" || q.has(oidc.PromptSelectAccount) {
		return "", nil
	}
	who, err := h.pages.Who(r.Context(), proof)
	if errors.Is(err, userpool.ErrNotAuthorized) || errors.Is(err, userpool.ErrResetRequired) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	// With prompt=login it is 0. Compared as seconds: a large max_age must not wrap round.
	if q.MaxAge != nil && uint64(who.Age/time.Second) >= uint64(*q.MaxAge) {
		return "", nil
	}
	return proof, nil
}

// giveCode sends the browser to the app with a code.
func (h *Handler) giveCode(w http.ResponseWriter, r *http.Request, q *request, proof string) {
	var code string
	err := h.pages.Do(r, "Authorize_GET", "", func(ctx context.Context) (err error) {
		code, err = h.pages.Code(ctx, proof, q.wants())
		return err
	})
	if err != nil {
		h.refuse(w, r, h.trouble(err))
		return
	}
	to, err := h.called(q, answer{Code: code})
	if err != nil {
		h.refuse(w, r, h.trouble(err))
		return
	}
	goTo(w, r, to)
}
