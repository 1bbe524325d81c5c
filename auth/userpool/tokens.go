package userpool

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/thinghub/thinghub/auth"
)

// AuthenticationResult is tokens.
type AuthenticationResult struct {
	AccessToken string
	// ExpiresIn is the life of the access token in seconds.
	ExpiresIn int
	TokenType string // "Bearer"
	// RefreshToken is empty where the one that was used stays.
	RefreshToken string `json:",omitempty"`
	// IDToken is empty only for sign-ins at Pages that did not ask for it.
	IDToken string `json:"IdToken,omitempty"`

	scope string // of the access token
}

// A loginRecord is a sign-in: what its refresh tokens are good for.
type loginRecord struct {
	Key     string    `json:"key"` // of the user
	Sub     string    `json:"sub"`
	Client  string    `json:"client"`
	Gen     int64     `json:"gen"`    // of the user
	Secret  []byte    `json:"secret"` // refresh tokens are signed with it
	Number  uint32    `json:"number"` // of the refresh token that is good
	Before  uint32    `json:"before"` // the one before it, which is good Until then
	Until   time.Time `json:"until,omitzero"`
	Time    time.Time `json:"time"` // of the sign-in
	Expires time.Time `json:"expires"`
	Revoked bool      `json:"revoked,omitempty"`
	Scopes  []string  `json:"scopes,omitempty"` // of a sign-in at Pages
}

var errLoginTwice = errors.New("userpool: a login of this id is there")

// login gives a user, who has signed in at some time, the first tokens of that. The same
// id gives them once; then the error is errLoginTwice.
func (s *Service) login(ctx context.Context, p *poolRecord, c *clientRecord, u *user, id [16]byte, signedIn time.Time, g grant, trigger string, metadata map[string]string) (*AuthenticationResult, error) {
	origin := uuidOf(id)
	r := loginRecord{
		Key: u.key, Sub: u.Sub, Client: c.id, Gen: u.Gen, Secret: make([]byte, 32), Number: 1,
		Time: signedIn, Expires: s.cfg.Now().UTC().Add(c.Settings.refreshLife()), Scopes: g.scopes,
	}
	_, _ = rand.Read(r.Secret)
	// The tokens first: a hook may still refuse.
	result, err := s.tokens(ctx, p, c, u, origin, r.Time, g, trigger, metadata)
	if err != nil {
		return nil, err
	}
	err = s.commit(ctx, s.logins.Put(r, 0, p.id, origin), s.loginEnd.Put(struct{}{}, 0, hour(r.Expires), p.id, origin))
	if errors.Is(err, auth.ErrConflict) {
		return nil, errLoginTwice
	}
	if err != nil {
		return nil, fmt.Errorf("userpool: keep a login of %s: %w", p.id, err)
	}
	result.RefreshToken = refreshToken(origin, r)
	return result, nil
}

func hour(t time.Time) string { return t.UTC().Format("2006010215") }

// tokens makes an ID token and an access token.
func (s *Service) tokens(ctx context.Context, p *poolRecord, c *clientRecord, u *user, origin string, signedIn time.Time, g grant, trigger string, metadata map[string]string) (*AuthenticationResult, error) {
	groups, roles, preferred, err := s.groupClaims(ctx, p, &u.userRecord)
	if err != nil {
		return nil, err
	}
	e := TokenEvent{Event: s.event(trigger, p, c.id, u.Name, &u.userRecord, metadata), Groups: groups, Roles: roles, PreferredRole: preferred}
	if err := ask(ctx, "PreTokenGeneration", s.cfg.Hooks.PreToken, &e); err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	fixed := map[string]any{
		"sub": u.Sub, "iss": s.IssuerOf(p.id), "auth_time": signedIn.Unix(), "iat": now.Unix(), "origin_jti": origin, "event_id": newUUID(),
	}
	id := map[string]any{}
	for name, value := range u.Attributes {
		if c.reads(name) && g.shows(name) {
			id[name] = claim(name, value)
		}
	}
	access := map[string]any{"scope": g.scope(e)}
	if len(e.Groups) > 0 {
		id["cognito:groups"], access["cognito:groups"] = e.Groups, e.Groups
	}
	if len(e.Roles) > 0 {
		id["cognito:roles"] = e.Roles
	}
	if e.PreferredRole != "" {
		id["cognito:preferred_role"] = e.PreferredRole
	}
	override(id, e.IDClaims, e.SuppressID)
	override(access, e.AccessClaims, e.SuppressAccess)
	maps.Copy(id, fixed)
	maps.Copy(access, fixed)
	id["token_use"], id["aud"], id["cognito:username"] = "id", c.id, u.Name
	access["token_use"], access["client_id"], access["username"] = "access", c.id, u.Name
	id["exp"], id["jti"] = now.Add(c.Settings.idLife()).Unix(), newUUID()
	access["exp"], access["jti"] = now.Add(c.Settings.accessLife()).Unix(), newUUID()
	delete(access, "aud")
	delete(id, "client_id")

	k, err := s.keys.signing(ctx, p.id)
	if err != nil {
		return nil, err
	}
	result := &AuthenticationResult{ExpiresIn: int(c.Settings.accessLife() / time.Second), TokenType: "Bearer"}
	result.scope, _ = access["scope"].(string)
	if result.AccessToken, err = jwt.Signed(k.signer).Claims(access).Serialize(); err != nil {
		return nil, fault(ErrBadHook, "PreTokenGeneration: the claims of the access token cannot be written: %v", err)
	}
	if g.bind(id, result.AccessToken); !g.identifies() {
		return result, nil
	}
	if result.IDToken, err = jwt.Signed(k.signer).Claims(id).Serialize(); err != nil {
		return nil, fault(ErrBadHook, "PreTokenGeneration: the claims of the ID token cannot be written: %v", err)
	}
	return result, nil
}

// claim is the value of an attribute as claims have it.
func claim(name, value string) any {
	if strings.HasSuffix(name, "_verified") && standard[name] > 0 {
		return value == "true"
	}
	return value
}

func override(claims, more map[string]any, less []string) {
	maps.Copy(claims, more)
	for _, name := range less {
		delete(claims, name)
	}
}

// A refresh token is the origin of its login, its number, and a signature of both.
const refreshBytes = 16 + 4 + sha256.Size

func refreshToken(origin string, r loginRecord) string {
	b := make([]byte, 0, refreshBytes)
	b = append(b, uuidBytes(origin)...)
	b = binary.BigEndian.AppendUint32(b, r.Number)
	return base64.RawURLEncoding.EncodeToString(append(b, refreshSum(r.Secret, b)...))
}

func refreshSum(secret, b []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(b)
	return h.Sum(nil)
}

// parseRefresh takes a refresh token apart; sum is not checked.
func parseRefresh(text string) (origin string, number uint32, signed, sum []byte, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != refreshBytes {
		return "", 0, nil, nil, false
	}
	origin = uuidOf([16]byte(b[:16]))
	if !equal(uuidBytes(origin), b[:16]) {
		return "", 0, nil, nil, false
	}
	return origin, binary.BigEndian.Uint32(b[16:20]), b[:20], b[20:], true
}
