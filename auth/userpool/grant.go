package userpool

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
)

// The scopes that sign-ins at Pages may ask for.
const (
	scopeOpenID  = "openid"
	scopeEmail   = "email"
	scopePhone   = "phone"
	scopeProfile = "profile"
	// adminScope lets an access token be used for the operations of its user.
	adminScope = "aws.cognito.signin.user.admin"
)

// pageScopes are all of them.
var pageScopes = []string{scopePhone, scopeEmail, scopeOpenID, scopeProfile, adminScope}

// A grant is what an app asked for at Pages. The zero one is what the operations give,
// where nobody asks: an ID token with everything, and the user's own operations.
type grant struct {
	scopes []string
	nonce  string
}

// identifies reports whether there is an ID token.
func (g grant) identifies() bool {
	return len(g.scopes) == 0 || slices.Contains(g.scopes, scopeOpenID)
}

// shows reports whether an attribute may be seen. The scope openid alone shows all, and
// with others what they are for.
func (g grant) shows(attribute string) bool {
	has := func(scope string) bool { return slices.Contains(g.scopes, scope) }
	switch {
	case len(g.scopes) == 0, has(scopeProfile), !has(scopeEmail) && !has(scopePhone):
		return true
	case attribute == "email", attribute == "email_verified":
		return has(scopeEmail)
	case attribute == "phone_number", attribute == "phone_number_verified":
		return has(scopePhone)
	}
	return false
}

// scope is that of the access token.
func (g grant) scope(e TokenEvent) string {
	list := slices.Clone(g.scopes)
	if len(list) == 0 {
		list = []string{adminScope}
	}
	list = slices.DeleteFunc(append(list, e.AddScopes...), func(scope string) bool { return slices.Contains(e.SuppressScopes, scope) })
	return strings.Join(list, " ")
}

// bind makes an ID token the one of a request and of an access token; hooks cannot change
// that.
func (g grant) bind(id map[string]any, access string) {
	if len(g.scopes) == 0 {
		return
	}
	delete(id, "nonce")
	if g.nonce != "" {
		id["nonce"] = g.nonce
	}
	sum := sha256.Sum256([]byte(access))
	id["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:sha256.Size/2])
}
