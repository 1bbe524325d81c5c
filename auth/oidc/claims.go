package oidc

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/thinghub/thinghub/auth"
	"github.com/thinghub/thinghub/auth/internal/web"
)

// refuse is an error of a token that does not count.
func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", auth.ErrBadCredentials, fmt.Errorf("oidc: "+format, args...))
}

// check makes a Token of claims whose signature is proved. header is that of the token.
func (c *Config) check(header map[string]any, claims map[string]any, nonce *string) (*auth.Token, error) {
	issuer, err := text(claims, "iss")
	if err != nil {
		return nil, err
	}
	if issuer != c.Issuer && !slices.Contains(c.Aliases, issuer) {
		return nil, refuse("iss is %q, expected %q", web.Shorten(issuer, 200), c.Issuer)
	}
	if err := c.use(header, claims); err != nil {
		return nil, err
	}
	t := &auth.Token{Issuer: c.Issuer, Claims: claims}
	if t.Subject, err = text(claims, "sub"); err != nil {
		return nil, err
	}
	if t.Audience, err = c.audience(claims); err != nil {
		return nil, err
	}
	if nonce != nil {
		if got, _ := claims["nonce"].(string); !same(got, *nonce) {
			return nil, refuse("nonce is %q, expected the one that was sent", web.Shorten(got, 100))
		}
	}
	return t, c.life(t, claims)
}

// text returns a claim that must be there and be a text.
func text(claims map[string]any, name string) (string, error) {
	v, there := claims[name]
	s, ok := v.(string)
	switch {
	case !there:
		return "", refuse("there is no %s, expected a text", name)
	case !ok:
		return "", refuse("%s is a %s, expected a text", name, kind(v))
	case s == "" || len(s) > 1024 || strings.ContainsAny(s, "\x00\uFFFD"): // the latter stands for what is no text
		return "", refuse("%s is %q, expected a text of 1 to 1024 bytes without zero bytes", name, web.Shorten(s, 100))
	}
	return s, nil
}

// use checks that a token is made for what we take it for.
func (c *Config) use(header, claims map[string]any) error {
	if c.Use == AnyTokens {
		return nil
	}
	typ, _ := header["typ"].(string)
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	tokenUse, hasUse := claims["token_use"]
	claimTyp, hasTyp := claims["typ"]
	if c.Use == AccessTokens {
		if typ != "at+jwt" && tokenUse != "access" && claimTyp != "Bearer" {
			return refuse("the token does not say that it is an access token: typ is %q and token_use %q", web.Shorten(typ, 40), web.Shorten(fmt.Sprint(tokenUse), 40))
		}
		return nil
	}
	_, events := claims["events"]
	switch {
	case header["typ"] != nil && typ != "jwt":
		return refuse("typ in the header is %q, expected an ID token", web.Shorten(fmt.Sprint(header["typ"]), 40))
	case hasUse && tokenUse != "id":
		return refuse("token_use is %q, expected an ID token", web.Shorten(fmt.Sprint(tokenUse), 40))
	case hasTyp && claimTyp != "ID" && claimTyp != "JWT":
		return refuse("typ is %q, expected an ID token", web.Shorten(fmt.Sprint(claimTyp), 40))
	case events:
		return refuse("the token has events, expected an ID token")
	}
	return nil
}

// audience checks whom a token is for.
func (c *Config) audience(claims map[string]any) ([]string, error) {
	var list []string
	v, there := claims["aud"]
	if !there && c.Use == AccessTokens && claims["token_use"] == "access" {
		v, there = claims["client_id"]
	}
	switch v := v.(type) {
	case string:
		list = []string{v}
	case []any:
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, refuse("aud has a %s, expected texts", kind(e))
			}
			list = append(list, s)
		}
	default:
		if !there {
			return nil, refuse("there is no aud, expected %q", c.Audiences)
		}
		return nil, refuse("aud is a %s, expected a text or a list of them", kind(v))
	}
	if !slices.ContainsFunc(list, func(s string) bool { return slices.Contains(c.Audiences, s) }) {
		return nil, refuse("aud is %s, expected %q", web.Shorten(fmt.Sprintf("%q", list), 200), c.Audiences)
	}
	if len(c.AuthorizedParties) == 1 && c.AuthorizedParties[0] == "*" {
		return list, nil
	}
	parties := c.AuthorizedParties
	if parties == nil {
		parties = c.Audiences
	}
	azp, there := claims["azp"]
	if s, ok := azp.(string); there && (!ok || !slices.Contains(parties, s)) {
		return nil, refuse("azp is %s, expected one of %q", web.Shorten(fmt.Sprintf("%q", azp), 200), parties)
	}
	if !there && len(list) > 1 && c.AuthorizedParties == nil {
		return nil, refuse("aud is %s and there is no azp, expected one of %q", web.Shorten(fmt.Sprintf("%q", list), 200), parties)
	}
	return list, nil
}

// life checks that a token counts at this time.
func (c *Config) life(t *auth.Token, claims map[string]any) error {
	now := c.Now()
	times := map[string]time.Time{}
	for _, name := range []string{"exp", "iat", "nbf"} {
		v, there := claims[name]
		if !there {
			continue
		}
		at, err := moment(v)
		if err != nil {
			return refuse("%s is %w", name, err)
		}
		times[name] = at
	}
	for _, name := range []string{"iat", "nbf"} {
		if at := times[name]; at.After(now.Add(c.Skew)) {
			return refuse("%s is %v, which is not yet", name, at)
		}
	}
	exp, there := times["exp"]
	if !there {
		return refuse("there is no exp, expected the time when the token ends")
	}
	t.Issued, t.Expires = times["iat"], exp
	if !now.Before(exp.Add(c.Skew)) {
		return fmt.Errorf("oidc: %w: exp is %v", auth.ErrTokenExpired, exp)
	}
	return nil
}

// latest is the last second of the year 9999.
const latest = 253402300799

// moment reads a time, in seconds since 1970.
func moment(v any) (time.Time, error) {
	n, ok := v.(float64)
	if !ok {
		return time.Time{}, fmt.Errorf("a %s, expected a number of seconds", kind(v))
	}
	if n < 0 || n > latest {
		return time.Time{}, fmt.Errorf("%g, expected seconds from 0 to %d", n, latest)
	}
	whole, part := math.Modf(n)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), nil
}

// kind names what a JSON value is.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "text"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case []any:
		return "list"
	}
	return "object"
}

var errUnsigned = errors.New("no key of the issuer has signed the token")
