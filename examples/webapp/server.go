package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/identitypool"
)

//go:embed web
var web embed.FS

// handler serves the page, and what it talks to.
func (a *app) handler() http.Handler {
	files, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // which go build would have found
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(files))
	mux.HandleFunc("GET /config.json", a.config)
	mux.HandleFunc("POST /access", a.access)
	mux.Handle("/identity/", http.StripPrefix("/identity", a.hub.Identity()))
	mux.Handle("GET /mqtt", a.hub.WebSocket())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		// No code but the page's own, whatever else may find its way into it. MQTT.js has
		// its timers in a worker, which browsers do not slow down in the background.
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; worker-src blob:; style-src 'self'; img-src 'self'; "+
			"connect-src 'self' ws://"+r.Host+"; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		mux.ServeHTTP(w, r)
	})
}

// config tells the page where it is. None of it is a secret.
func (a *app) config(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"region": region, "thing": thing, "client": client, "provider": provider, "identityPool": a.identityPool, "renewSeconds": a.renew.Seconds(),
	})
}

// access is the host's own backend: it gives people who have signed in the policies that
// they should have, and tells the page whether they are operators.
func (a *app) access(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		answer(w, http.StatusUnauthorized, map[string]string{"message": "Authorization is missing, expected Bearer with an ID token."})
		return
	}
	operator, err := a.grant(r.Context(), token)
	switch {
	case err == nil:
		answer(w, http.StatusOK, map[string]bool{"operator": operator})
	case errors.Is(err, auth.ErrBadCredentials), errors.Is(err, identitypool.ErrNotAuthorized):
		answer(w, http.StatusUnauthorized, map[string]string{"message": "You are not signed in any more."})
	default:
		a.say("access: %v", err)
		answer(w, http.StatusInternalServerError, map[string]string{"message": "Your access could not be prepared."})
	}
}

// grant attaches policies to an identity: the one that an ID token leads to, never one
// that a page names. What it is for is said by the groups in the token.
func (a *app) grant(ctx context.Context, token string) (operator bool, err error) {
	person, err := a.hub.UserPools().Pool(userPool).Verify(ctx, token)
	if err != nil {
		return false, err
	}
	// The pool proves it once more, and that it was made for this app.
	id, err := a.hub.IdentityPools().GetID(ctx, a.identityPool, identitypool.Logins{provider: token})
	if err != nil {
		return false, err
	}
	if err := a.hub.Policies().AttachPolicy(ctx, "viewer", id); err != nil {
		return false, err
	}
	if !isOperator(person) { // any more
		return false, a.hub.Policies().DetachPolicy(ctx, "operator", id)
	}
	return true, a.hub.Policies().AttachPolicy(ctx, "operator", id)
}

func isOperator(person *auth.Token) bool {
	groups, _ := person.Claims["cognito:groups"].([]any)
	return slices.Contains(groups, any(operators))
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked is gone then
}
