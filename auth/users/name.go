package users

import (
	"regexp"
	"strings"

	"github.com/thinghub/thinghub/auth"
)

// The bounds of passwords in bytes, and of attributes.
const (
	maxPassword   = 1024
	maxAttributes = 50
	maxAttribute  = 1024
)

var (
	userName      = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)
	certificateID = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func validName(name string) bool {
	return userName.MatchString(name) && !certificateID.MatchString(name)
}

// bareName cuts what device SDKs append to a user name: everything from the first
// question mark on. ok is false if it asks for a custom authorizer, whose business the
// rest is.
func bareName(username string) (name string, ok bool) {
	name, rest, _ := strings.Cut(username, "?")
	return name, !strings.Contains(strings.ToLower(rest), "x-amz-customauthorizer-")
}

// presented returns the name of credentials, and the password if there is one: those of
// CONNECT, or of HTTP Basic in a call or in the request that a WebSocket began with.
func presented(c *auth.Credentials) (name string, password []byte, ok bool) {
	username, password := c.Username, c.Password
	if !c.HasUsername && password == nil && c.Request != nil {
		u, p, basic := c.Request.BasicAuth()
		if !basic {
			return "", nil, false
		}
		username, password = u, []byte(p)
	}
	name, ok = bareName(username)
	return name, password, ok && name != ""
}

// shorten keeps what somebody sent from filling logs and answers.
func shorten(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
