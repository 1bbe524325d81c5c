package signing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/thinghub/thinghub/auth"
)

// maxToken is how long a token may be.
const maxToken = 16 << 10

// Sign makes a token of claims, to which it adds iss, iat and exp.
func (r *Ring) Sign(ctx context.Context, claims map[string]any, life time.Duration) (string, error) {
	k, err := r.current(ctx)
	if err != nil {
		return "", err
	}
	now := r.cfg.Now()
	all := map[string]any{"iss": r.cfg.Issuer, "iat": now.Unix(), "exp": now.Add(life).Unix()}
	for name, v := range claims {
		if _, ours := all[name]; !ours {
			all[name] = v
		}
	}
	text, err := jwt.Signed(k.signer).Claims(all).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return text, nil
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: the token %s", auth.ErrBadCredentials, fmt.Sprintf(format, args...))
}

// Verify returns what a token says that Sign has made and that has not expired. Else the
// error wraps auth.ErrTokenExpired, or auth.ErrBadCredentials; or the directory cannot be
// asked. Of the token's header it takes the name of the key, which must be one of ours, and
// nothing else: neither keys nor addresses of keys.
func (r *Ring) Verify(ctx context.Context, token string) (*auth.Token, error) {
	if len(token) > maxToken {
		return nil, refused("has %d bytes, expected at most %d", len(token), maxToken)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, refused("is no JSON Web Token with RS256")
	}
	k, err := r.named(ctx, parsed.Headers[0].KeyID)
	if errors.Is(err, auth.ErrNotFound) {
		return nil, refused("is signed with a key that is not known")
	}
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := parsed.Claims(k.public.Key, &claims); err != nil {
		return nil, refused("has a signature that is wrong")
	}
	return r.read(claims)
}

func (r *Ring) read(claims map[string]any) (*auth.Token, error) {
	t := &auth.Token{Claims: claims}
	var ok [5]bool
	t.Issuer, ok[0] = claims["iss"].(string)
	t.Subject, ok[1] = claims["sub"].(string)
	t.Issued, ok[2] = timeOf(claims["iat"])
	t.Expires, ok[3] = timeOf(claims["exp"])
	t.Audience, ok[4] = texts(claims["aud"])
	if ok != [5]bool{true, true, true, true, true} || t.Issuer != r.cfg.Issuer || t.Subject == "" {
		return nil, refused("is not one of %s", r.cfg.Issuer)
	}
	if !r.cfg.Now().Before(t.Expires) {
		return nil, auth.ErrTokenExpired
	}
	return t, nil
}

func timeOf(v any) (time.Time, bool) {
	n, ok := v.(float64)
	if !ok || math.Abs(n) > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0).UTC(), true
}

// texts reads a text or a list of texts.
func texts(v any) ([]string, bool) {
	switch v := v.(type) {
	case string:
		return []string{v}, true
	case []any:
		all := make([]string, len(v))
		for i := range v {
			s, ok := v[i].(string)
			if !ok {
				return nil, false
			}
			all[i] = s
		}
		return all, true
	default:
		return nil, false
	}
}

// The paths of Handler.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/.well-known/jwks.json"
	oldKeysPath   = "/.well-known/jwks_uri" // where Cognito's identity pools have them
)

// Handler serves the public keys and a discovery document, at paths that end like those
// above. base is the address at which both can be reached, without a slash at the end.
func (r *Ring) Handler(base string) http.Handler {
	discovery := map[string]any{
		"issuer": r.cfg.Issuer, "jwks_uri": base + KeysPath, "response_types_supported": []string{"id_token"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var answer any
		switch path := q.URL.Path; {
		case strings.HasSuffix(path, DiscoveryPath):
			answer = discovery
		case strings.HasSuffix(path, KeysPath), strings.HasSuffix(path, oldKeysPath):
			keys, err := r.Keys(q.Context())
			if err != nil {
				http.Error(w, "the keys cannot be read at the moment", http.StatusServiceUnavailable)
				return
			}
			answer = keys
		default:
			http.NotFound(w, q)
			return
		}
		if q.Method != http.MethodGet && q.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "expected GET or HEAD", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_ = json.NewEncoder(w).Encode(answer) // who does not read it does not want it
	})
}
