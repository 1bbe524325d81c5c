package userpool

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	redirectURL = regexp.MustCompile(`^[\p{L}\p{M}\p{S}\p{N}\p{P}]+$`)
	oauthScope  = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]{1,256}$`)
)

// notSchemes are those whose URLs are programs or files of whoever opens them.
var notSchemes = []string{"javascript", "data", "vbscript", "file", "blob", "about", "view-source"}

// checkOAuth checks what sign-ins at Pages need.
func (c *ClientSettings) checkOAuth() error {
	for _, l := range [...]struct {
		field string
		urls  []string
	}{{"CallbackURLs", c.CallbackURLs}, {"LogoutURLs", c.LogoutURLs}} {
		if len(l.urls) > 100 {
			return fault(ErrInvalid, "%s has %d, expected at most 100", l.field, len(l.urls))
		}
		for _, text := range l.urls {
			if !canRedirect(text) {
				return invalid(l.field, text, "absolute URLs without a fragment, https except for localhost, at most 1024 bytes")
			}
		}
	}
	if c.DefaultRedirectURI != "" && !slices.Contains(c.CallbackURLs, c.DefaultRedirectURI) {
		return invalid("DefaultRedirectURI", c.DefaultRedirectURI, "one of CallbackURLs")
	}
	if err := among("AllowedOAuthFlows", c.AllowedOAuthFlows, "code", "implicit", "client_credentials"); err != nil {
		return err
	}
	if len(c.AllowedOAuthFlows) > 1 && slices.Contains(c.AllowedOAuthFlows, "client_credentials") {
		return fault(ErrOAuthFlow, "client_credentials flow can not be selected along with code flow or implicit flow")
	}
	if len(c.AllowedOAuthScopes) > 50 {
		return fault(ErrInvalid, "AllowedOAuthScopes has %d, expected at most 50", len(c.AllowedOAuthScopes))
	}
	for i, scope := range c.AllowedOAuthScopes {
		switch {
		case !oauthScope.MatchString(scope), slices.Contains(c.AllowedOAuthScopes[:i], scope):
			return invalid("AllowedOAuthScopes", scope, "each once of "+strings.Join(pageScopes, ", "))
		case !slices.Contains(pageScopes, scope): // there are no resource servers
			return fault(ErrScope, "Invalid scope requested: %s", shorten(scope))
		}
	}
	if c.AllowedOAuthFlowsUserPoolClient && (len(c.AllowedOAuthFlows) == 0 || len(c.AllowedOAuthScopes) == 0) {
		return fault(ErrInvalid, "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.")
	}
	return nil
}

// canRedirect reports whether browsers may be sent to a URL.
func canRedirect(text string) bool {
	u, err := url.Parse(text)
	if err != nil || !redirectURL.MatchString(text) || len(text) > 1024 || !u.IsAbs() || strings.ContainsRune(text, '#') || u.User != nil || slices.Contains(notSchemes, u.Scheme) {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Hostname() != ""
	case "http":
		return u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	}
	return true
}
