package social

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
)

// FacebookConfig is the configuration of Facebook Login.
type FacebookConfig struct {
	// AppID and AppSecret are our app's.
	AppID, AppSecret string
	// AuthURL is where people sign in. Default "https://www.facebook.com/dialog/oauth".
	AuthURL string
	// BaseURL is the Graph API, with a version or without. Default
	// "https://graph.facebook.com".
	BaseURL string
	// Client asks Facebook. Default: one of its own.
	Client *http.Client
	// Fields are what is asked of people beside their id, such as name. Default: nothing,
	// which saves a question.
	Fields []string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Timeout is how long each answer may take. Default 10 s.
	Timeout time.Duration
}

// Facebook proves access tokens of Facebook Login. The subject is Facebook's id of the
// person for our app.
type Facebook struct {
	cfg FacebookConfig
	ask asker
}

var _ auth.TokenVerifier = (*Facebook)(nil)

const facebookIssuer = "https://graph.facebook.com"

// NewFacebook returns a verifier.
func NewFacebook(cfg FacebookConfig) (*Facebook, error) {
	if cfg.AppID == "" || cfg.AppSecret == "" {
		return nil, errors.New("social: FacebookConfig.AppID or AppSecret is empty, expected both: without them nobody can tell for which app a token is")
	}
	if err := base("FacebookConfig.BaseURL", &cfg.BaseURL, "https://graph.facebook.com"); err != nil {
		return nil, err
	}
	if err := base("FacebookConfig.AuthURL", &cfg.AuthURL, "https://www.facebook.com/dialog/oauth"); err != nil {
		return nil, err
	}
	if err := (common{&cfg.Timeout, &cfg.Now}).withDefaults("FacebookConfig"); err != nil {
		return nil, err
	}
	return &Facebook{cfg, newAsker("Facebook", cfg.Client, cfg.Timeout)}, nil
}

// Verify asks Facebook for which app and which person a token is.
func (f *Facebook) Verify(ctx context.Context, token string) (*auth.Token, error) {
	if err := checkToken(token); err != nil {
		return nil, err
	}
	t, err := f.debug(ctx, token)
	if err != nil || len(f.cfg.Fields) == 0 {
		return t, err
	}
	proof := hmac.New(sha256.New, []byte(f.cfg.AppSecret))
	_, _ = proof.Write([]byte(token))
	status, me, err := f.ask.get(ctx, f.cfg.BaseURL, "/me", url.Values{
		"fields": {"id," + strings.Join(f.cfg.Fields, ",")}, "appsecret_proof": {hex.EncodeToString(proof.Sum(nil))},
	}, token)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, f.fault("/me", status, me)
	case text(me, "id") != t.Subject:
		return nil, refuse("Facebook's profile is of another person than the token")
	}
	maps.Copy(t.Claims, me)
	return t, nil
}

// debug asks what the token is.
func (f *Facebook) debug(ctx context.Context, token string) (*auth.Token, error) {
	status, answer, err := f.ask.get(ctx, f.cfg.BaseURL, "/debug_token", url.Values{
		"input_token": {token}, "access_token": {f.cfg.AppID + "|" + f.cfg.AppSecret},
	}, "")
	if err != nil {
		return nil, err
	}
	data, ok := answer["data"].(map[string]any)
	if status != http.StatusOK || !ok {
		// It is our own access that is wrong: what is wrong with the token is in data.
		return nil, unavailable("Facebook /debug_token answers %d %s", status, graphError(answer))
	}
	return f.token(data)
}

// token checks what Facebook says of a token.
func (f *Facebook) token(data map[string]any) (*auth.Token, error) {
	if valid, _ := data["is_valid"].(bool); !valid {
		if e, ok := data["error"].(map[string]any); ok && (e["subcode"] == 463.0 || e["subcode"] == 467.0) {
			return nil, fmt.Errorf("social: Facebook: %w", auth.ErrTokenExpired)
		}
		return nil, refuse("Facebook says that the token does not count: %s", graphError(data))
	}
	if id := text(data, "app_id"); id != f.cfg.AppID {
		return nil, refuse("the token is for the app %q, expected %q", web.Shorten(id, 100), f.cfg.AppID)
	}
	if kind := text(data, "type"); kind != "USER" {
		return nil, refuse("the token is of the type %q, expected USER", web.Shorten(kind, 40))
	}
	t := &auth.Token{Issuer: facebookIssuer, Subject: text(data, "user_id"), Audience: []string{f.cfg.AppID}, Claims: map[string]any{}}
	if t.Subject == "" || t.Subject == "0" || strings.ContainsRune(t.Subject, 0) {
		return nil, refuse("Facebook does not say whose the token is")
	}
	now := f.cfg.Now()
	ends, ok := number(data, "expires_at")
	if !ok {
		return nil, refuse("Facebook does not say when the token ends")
	}
	if t.Expires = time.Unix(ends, 0).UTC(); ends == 0 { // never: our own login does
		t.Expires = now.Add(time.Hour)
	}
	if !now.Before(t.Expires) {
		return nil, fmt.Errorf("social: Facebook: %w", auth.ErrTokenExpired)
	}
	if at, ok := number(data, "issued_at"); ok && at > 0 {
		t.Issued = time.Unix(at, 0).UTC()
	}
	t.Claims["app_id"], t.Claims["user_id"] = data["app_id"], data["user_id"]
	if s, there := data["scopes"]; there {
		t.Claims["scopes"] = s
	}
	return t, nil
}

// fault is what an error of the Graph API means.
func (f *Facebook) fault(path string, status int, answer map[string]any) error {
	e, _ := answer["error"].(map[string]any)
	switch code, _ := e["code"].(float64); code {
	case 190, 102, 10, 200: // the token, or what it permits
		return refuse("Facebook %s answers %d %s", path, status, graphError(answer))
	}
	return unavailable("Facebook %s answers %d %s", path, status, graphError(answer))
}

// graphError has the numbers of an error, not its text, which may quote what was sent.
func graphError(object map[string]any) string {
	e, _ := object["error"].(map[string]any)
	code, _ := e["code"].(float64)
	subcode, _ := e["subcode"].(float64)
	if subcode == 0 {
		subcode, _ = e["error_subcode"].(float64)
	}
	return fmt.Sprintf("(code %.0f, subcode %.0f)", code, subcode)
}

// Flow returns the flow in which people sign in with Facebook.
func (f *Facebook) Flow(cfg FlowConfig) (*Flow, error) {
	if cfg.Scopes == nil {
		cfg.Scopes = []string{"public_profile"}
	}
	if cfg.Secret == "" {
		cfg.Secret = f.cfg.AppSecret
	}
	o, err := cfg.flow([]string{f.cfg.AppID}, f.cfg.Now)
	if err != nil {
		return nil, err
	}
	o.Verifier, o.Client, o.SecretInBody = f, f.cfg.Client, true
	o.AuthURL, o.TokenURL = f.cfg.AuthURL, strings.TrimSuffix(f.cfg.BaseURL, "/")+"/oauth/access_token"
	return newFlow(o)
}
