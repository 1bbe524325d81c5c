package hosted

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/schema"

	"github.com/thinghub/thinghub/auth/userpool"
)

// Bounds of what is read from anybody.
const (
	mostQuery = 8 << 10
	mostBody  = 64 << 10
)

// A Handler serves the pages and the endpoints of one pool. It keeps nothing between
// requests. Safe for concurrent use.
type Handler struct {
	cfg     Config
	base    string // the URL, without a slash at the end
	secure  bool   // it begins with https:
	pages   *userpool.Pages
	mux     http.ServeMux
	decoder *schema.Decoder
	foreign *http.CrossOriginProtection
}

var encoder = oidc.NewEncoder()

func newDecoder() *schema.Decoder {
	d := schema.NewDecoder()
	d.IgnoreUnknownKeys(true)
	return d
}

func (h *Handler) routes() {
	h.mux.HandleFunc("GET /oauth2/authorize", h.authorize)
	h.mux.HandleFunc("POST /oauth2/authorize", h.authorizePost)
	h.mux.HandleFunc("POST /oauth2/token", h.api(h.token))
	h.mux.HandleFunc("POST /oauth2/revoke", h.api(h.revoke))
	h.mux.HandleFunc("GET /oauth2/userInfo", h.api(h.userInfo))
	h.mux.HandleFunc("POST /oauth2/userInfo", h.api(h.userInfo))
	for _, path := range [...]string{"/oauth2/token", "/oauth2/revoke", "/oauth2/userInfo"} {
		h.mux.HandleFunc("OPTIONS "+path, h.api(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	}
	for path, show := range map[string]func(*visit){
		"/login": login, "/signup": signUp, "/confirmUser": confirm, "/forgotPassword": forgot, "/confirmForgotPassword": reset,
	} {
		h.mux.HandleFunc("GET "+path, h.visited(show))
		h.mux.HandleFunc("POST "+path, h.visited(show))
	}
	h.mux.HandleFunc("POST /challenge", h.visited(challenge))
	h.mux.HandleFunc("POST /resendcode", h.visited(resend))
	h.mux.HandleFunc("GET /logout", h.logout)
}

// ServeHTTP serves the paths of a pool's domain: /oauth2/authorize, /oauth2/token,
// /oauth2/revoke, /oauth2/userInfo, /login, /logout, and the pages that these lead to.
// Where the URL in userpool.Config.Hosted has a path, mount it there with
// http.StripPrefix. The address that failures count by is that of the request, so behind
// a proxy that is to be put there before.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		r = r.WithContext(userpool.WithAddr(r.Context(), net.TCPAddrFromAddrPort(addr)))
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache") // RFC 6749, 5.1
	h.mux.ServeHTTP(w, r)
}

// api serves what apps call, not people: from any origin, since no cookie makes their
// calls anything special. Parameters are those of the body: what is in a URL gets into
// logs.
func (h *Handler) api(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
		w.Header().Set("Access-Control-Allow-Headers", "authorization, content-type, cache-control")
		w.Header().Set("Access-Control-Max-Age", "3600")
		at := *r.URL // the host's own code may have the request, too
		at.RawQuery = ""
		r = r.Clone(r.Context())
		r.URL = &at
		r.Body = http.MaxBytesReader(w, r.Body, mostBody)
		serve(w, r)
	}
}

// goTo sends a browser elsewhere, without a page of its own.
func goTo(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	http.Redirect(w, r, to, http.StatusSeeOther)
}
