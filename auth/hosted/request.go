package hosted

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/thinghub/thinghub/auth/userpool"
)

// A request is an authorization request that is in order.
type request struct {
	oidc.AuthRequest
	app   app
	query string // the request again, for the URLs of pages
}

// A refusal is why there is none: either it is told to who has brought it, or to the app.
type refusal struct {
	status int
	text   string // for people
	to     string // the app's URL that says it; "" if it is not sure whose that is
	err    error  // for the log
}

// parameters are those that a request may have. Others are left aside.
var parameters = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age", "login_hint",
	"code_challenge", "code_challenge_method", "request", "request_uri", "ui_locales",
}

// mostNonce bounds what goes into codes and ID tokens.
const mostNonce = 512

// noted are the parameters that matter, each once.
func noted(r *http.Request) (url.Values, *refusal) {
	bad := func(text string) *refusal { return &refusal{status: http.StatusBadRequest, text: text} }
	if len(r.URL.RawQuery) > mostQuery {
		return nil, bad("The address of the request is too long.")
	}
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, bad("The address of the request cannot be read.")
	}
	list := url.Values{}
	for _, name := range parameters {
		values, ok := all[name]
		if !ok {
			continue
		}
		if len(values) > 1 {
			return nil, bad("The parameter " + name + " is there more than once.")
		}
		if !utf8.ValidString(values[0]) || strings.ContainsFunc(values[0], unicode.IsControl) {
			return nil, bad("The parameter " + name + " has characters that it cannot have.")
		}
		list[name] = values
	}
	return list, nil
}

// read reads the request that r brings. Until it is sure where the app is, nobody is sent
// there.
func (h *Handler) read(r *http.Request) (*request, *refusal) {
	list, no := noted(r)
	if no != nil {
		return nil, no
	}
	q := &request{query: list.Encode()}
	if h.decoder.Decode(&q.AuthRequest, list) != nil {
		return nil, &refusal{status: http.StatusBadRequest, text: "The parameter max_age is not a number of seconds."}
	}
	c, err := h.client(r.Context(), q.ClientID)
	switch {
	case err != nil:
		return nil, h.trouble(err)
	case c == nil:
		return nil, &refusal{status: http.StatusBadRequest, text: "There is no app of this client_id."}
	case !c.may():
		return nil, &refusal{status: http.StatusBadRequest, text: "Nobody can sign in to this app here."}
	}
	if q.RedirectURI == "" {
		q.RedirectURI = c.DefaultRedirectURI
	}
	c.redirect = q.RedirectURI
	q.app = *c
	if op.ValidateAuthReqRedirectURI(q.app, q.RedirectURI, oidc.ResponseTypeCode) != nil {
		return nil, &refusal{status: http.StatusBadRequest, text: "The redirect_uri is not one of the app's."}
	}
	if err := q.check(list); err != nil {
		return nil, h.told(q, err)
	}
	return q, nil
}

// Errors that the library has no name for.
var (
	errResponseType = &oidc.Error{ErrorType: "unsupported_response_type", Description: "response_type is not code"}
	errRequestURI   = &oidc.Error{ErrorType: "request_uri_not_supported"}
)

// check checks what the app is told if it is wrong. It fills in the scopes.
func (q *request) check(list url.Values) error {
	bad := func(text string) error { return oidc.ErrInvalidRequest().WithDescription("%s", text) }
	if q.RequestParam != "" {
		return oidc.ErrRequestNotSupported()
	}
	if list.Has("request_uri") {
		return errRequestURI
	}
	if q.ResponseType != "" && q.ResponseType != oidc.ResponseTypeCode {
		return errResponseType
	}
	if err := op.ValidateAuthReqResponseType(q.app, q.ResponseType); err != nil {
		return err
	}
	if q.ResponseMode != "" && q.ResponseMode != oidc.ResponseModeQuery {
		return bad("response_mode is not query")
	}
	q.Prompt = slices.DeleteFunc(q.Prompt, func(p string) bool { return p == "" })
	for _, p := range q.Prompt {
		if !slices.Contains([]string{oidc.PromptNone, oidc.PromptLogin, oidc.PromptSelectAccount, oidc.PromptConsent}, p) {
			return bad("prompt is not none, login, select_account or consent")
		}
	}
	var err error
	if q.MaxAge, err = op.ValidateAuthReqPrompt(q.Prompt, q.MaxAge); err != nil {
		return err
	}
	if len(q.Nonce) > mostNonce {
		return bad("nonce is too long")
	}
	if err := q.checkChallenge(); err != nil {
		return err
	}
	return q.checkScopes()
}

// checkChallenge checks PKCE, which apps without a secret must use. The library would
// take the method plain, which protects from nobody who sees requests.
func (q *request) checkChallenge() error {
	if err := op.ValidateAuthReqCodeChallengeMethod(q.CodeChallenge, q.CodeChallengeMethod); err != nil {
		return err
	}
	switch {
	case q.CodeChallenge == "" && q.CodeChallengeMethod != "":
		return oidc.ErrInvalidRequest().WithDescription("code_challenge_method is there without code_challenge")
	case q.CodeChallenge == "" && q.app.ClientSecret == "":
		return oidc.ErrInvalidRequest().WithDescription("code_challenge is missing: clients without a secret use PKCE")
	case q.CodeChallenge == "":
		return nil
	case q.CodeChallengeMethod != oidc.CodeChallengeMethodS256:
		return oidc.ErrInvalidRequest().WithDescription("code_challenge_method is not S256")
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(q.CodeChallenge); err != nil || len(b) != 32 {
		return oidc.ErrInvalidRequest().WithDescription("code_challenge is not a SHA-256 in base64url")
	}
	return nil
}

// checkScopes lets an app have what it asks for, or all that it may have if it does not
// say. The library would leave aside what it does not know.
func (q *request) checkScopes() error {
	var list []string
	for _, scope := range q.Scopes {
		if scope == "" || slices.Contains(list, scope) {
			continue
		}
		if !q.app.IsScopeAllowed(scope) {
			return oidc.ErrInvalidScope().WithDescription("scope has what the client may not ask for")
		}
		list = append(list, scope)
	}
	if len(list) == 0 {
		list = slices.Clone(q.app.AllowedOAuthScopes)
	}
	if !slices.Contains(list, oidc.ScopeOpenID) && slices.ContainsFunc(list, func(s string) bool {
		return s == oidc.ScopeEmail || s == oidc.ScopePhone || s == oidc.ScopeProfile
	}) {
		return oidc.ErrInvalidScope().WithDescription("email, phone and profile are for use with openid")
	}
	q.Scopes = list
	return nil
}

// has reports whether a prompt is asked for.
func (q *request) has(prompt string) bool { return slices.Contains(q.Prompt, prompt) }

// wants is what the app wants of a user.
func (q *request) wants() userpool.PageRequest {
	return userpool.PageRequest{ClientID: q.ClientID, RedirectURI: q.RedirectURI, Scopes: q.Scopes, Nonce: q.Nonce, Challenge: q.CodeChallenge}
}

// An answer goes to the app: RFC 6749, 4.1.2, and the issuer of RFC 9207.
type answer struct {
	Code        string `schema:"code,omitempty"`
	Error       string `schema:"error,omitempty"`
	Description string `schema:"error_description,omitempty"`
	State       string `schema:"state,omitempty"`
	Issuer      string `schema:"iss"`
}

// called is the URL that gives an app its answer.
func (h *Handler) called(q *request, a answer) (string, error) {
	a.State, a.Issuer = q.State, h.cfg.Pools.IssuerOf(h.cfg.Pool)
	return op.AuthResponseURL(q.RedirectURI, oidc.ResponseTypeCode, oidc.ResponseModeQuery, a, encoder)
}

// told is a refusal that the app is told.
func (h *Handler) told(q *request, err error) *refusal {
	e := oidc.DefaultToServerError(err, "")
	to, err := h.called(q, answer{Error: string(e.ErrorType), Description: e.Description})
	if err != nil {
		return h.trouble(err)
	}
	return &refusal{to: to}
}

// trouble is a refusal that is not the caller's doing, or not one that can be explained.
func (h *Handler) trouble(err error) *refusal {
	status, text := h.explain(err)
	return &refusal{status: status, text: text, err: err}
}

// refuse answers with a refusal.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	if no.to != "" {
		goTo(w, r, no.to)
		return
	}
	h.show(w, no.status, &Page{Name: "error", Title: "This does not work", Error: no.text})
}
