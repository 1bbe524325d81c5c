package hosted

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

// explain is what people are told of an error. What is nobody's doing here is logged.
func (h *Handler) explain(err error) (status int, text string) {
	if e, ok := errors.AsType[*userpool.Error](err); ok {
		if errors.Is(e, userpool.ErrLimit) || errors.Is(e, userpool.ErrTooMany) {
			return http.StatusTooManyRequests, e.Message
		}
		return http.StatusBadRequest, e.Message
	}
	if errors.Is(err, auth.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		h.cfg.Logger.Debug("hosted: unavailable", "pool", h.cfg.Pool, "err", err)
		return http.StatusServiceUnavailable, "Too many people are signing in, or a part of the service cannot be reached. Please try again."
	}
	h.cfg.Logger.Warn("hosted: a request failed", "pool", h.cfg.Pool, "err", err)
	return http.StatusInternalServerError, "Something went wrong. Please try again later."
}

// oauthError is what apps are told of an error of the pool.
func (h *Handler) oauthError(err error) (status int, e *oidc.Error) {
	if known, ok := errors.AsType[*oidc.Error](err); ok {
		if known.ErrorType == oidc.InvalidClient {
			return http.StatusUnauthorized, known
		}
		return http.StatusBadRequest, known
	}
	status, text := h.explain(err)
	switch status {
	case http.StatusBadRequest:
		return status, oidc.ErrInvalidGrant().WithDescription("%s", described(text))
	case http.StatusInternalServerError:
		return status, oidc.ErrServerError()
	}
	return status, &oidc.Error{ErrorType: "temporarily_unavailable"}
}

// described is a text with the characters that an error_description may have: RFC 6749,
// 5.2.
func described(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			b[i] = ' '
		}
	}
	return string(b)
}

// fail answers an app.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, e := h.oauthError(err)
	if status == http.StatusUnauthorized && r.Header.Get("Authorization") != "" { // RFC 6749, 5.2
		w.Header().Set("WWW-Authenticate", `Basic realm="`+h.cfg.Pool+`"`)
	}
	h.say(w, status, e)
}

// say answers in JSON.
func (h *Handler) say(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		h.cfg.Logger.Warn("hosted: an answer could not be written", "pool", h.cfg.Pool, "err", err)
		http.Error(w, "internal failure", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
