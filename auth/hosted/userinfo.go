package hosted

import (
	"context"
	"errors"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/userpool"
)

// userInfo tells who the user of an access token is: OpenID Connect Core, 5.3. The errors
// are those of RFC 6750.
func (h *Handler) userInfo(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, kind string) {
		challenge := "Bearer"
		if kind != "" {
			challenge += ` error="` + kind + `"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(status)
	}
	token, err := op.ParseUserinfoRequest(r, h.decoder)
	if err != nil || token == "" {
		refuse(http.StatusUnauthorized, "")
		return
	}
	var claims map[string]any
	err = h.pages.Do(r, "UserInfo_GET", "", func(ctx context.Context) (err error) {
		claims, err = h.pages.UserInfo(ctx, token)
		return err
	})
	switch {
	case err == nil:
		h.say(w, http.StatusOK, claims)
	case errors.Is(err, auth.ErrBadCredentials), errors.Is(err, userpool.ErrNotFound):
		refuse(http.StatusUnauthorized, "invalid_token")
	case errors.Is(err, userpool.ErrUnauthorized):
		refuse(http.StatusForbidden, "insufficient_scope")
	default:
		h.fail(w, r, err)
	}
}
